//! A finished call's way into the portal: look if in doubt, register unless that was done, finish.
//!
//! Stands alone because it is the recovery table: what is known of a call (its ticket) and what the portal says decide
//! together whether something is repeated. Rules: nothing that may have run is repeated before the statistics were
//! asked; `finish` of a call that "is not found" means finished, never registered or purged, so the statistics decide
//! that too, after it and once more after a wait, and only where they are seen to show calls of that user; a user who
//! left is replaced by `default_user` once. Bounds: at most twelve requests for one attempt.

use super::answer::{List, Object, Registered, Scalar, Statistic};
use super::fault::{self, Fault, Kind};
use super::request::{Facts, Finish};
use super::{Bitrix24, cards, method, reason, request, status_code};
use crate::call::record::{CallRecord, Disposition};
use crate::clock::Stamp;
use crate::crm::{Freshness, Lane, Outcome, Shown, Ticket};
use crate::limits::DOUBT_SETTLE_LONGEST;
use core::time::Duration;
use serde_json::Value;

/// How long a call waits for the clock to be set.
const CLOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a call in doubt waits when the portal will not let us look.
const BLIND_WAIT: Duration = Duration::from_secs(30 * 60);
/// How long a call must have stayed away before it is made anew: by then nothing of ours is at work there.
const VANISHED_WAIT: Duration = DOUBT_SETTLE_LONGEST;
/// After that many database errors a call is given to the operator: each attempt leaves another activity.
const DATABASE_ERRORS: u8 = 3;

/// One attempt to deliver one call.
pub(super) struct Delivery<'a> {
    pub(super) portal: &'a Bitrix24,
    pub(super) call: &'a CallRecord,
    pub(super) freshness: Freshness,
    facts: Facts,
}

impl<'a> Delivery<'a> {
    /// Dates the call; an outcome when that cannot be done yet.
    pub(super) fn new(
        portal: &'a Bitrix24,
        call: &'a CallRecord,
        freshness: Freshness,
        now: Stamp,
    ) -> Result<Self, Outcome> {
        let started = call.started.date(now).ok_or_else(|| {
            fault::retry(CLOCK_WAIT, "this machine's clock is not set: the call cannot be dated yet".to_owned())
        })?;
        let facts = Facts::of_record(call, started, &portal.settings.anonymous);
        Ok(Self { portal, call, freshness, facts })
    }

    /// Runs the attempt.
    pub(super) fn run(mut self, ticket: &mut Ticket, shown: &mut Shown, in_doubt: bool) -> Outcome {
        ticket.in_doubt |= in_doubt;
        let looked = ticket.in_doubt;
        match self.run_inner(ticket, shown, looked) {
            Ok(()) => {
                ticket.in_doubt = false;
                shown.0.clear();
                Outcome::Done
            }
            Err(outcome) => outcome,
        }
    }

    fn run_inner(&mut self, ticket: &mut Ticket, shown: &mut Shown, looked: bool) -> Result<(), Outcome> {
        if looked {
            if self.is_finished(ticket)? {
                return Ok(());
            }
            ticket.in_doubt = false;
        }
        if ticket.call.is_empty() {
            self.register(ticket)?;
        }
        self.hide_others(ticket, shown);
        match self.finish(ticket)? {
            Finished::Yes => Ok(()),
            // An earlier finish may have run between the look and this one: only a look after it proves anything.
            Finished::NotFound { .. } if self.is_finished(ticket)? => Ok(()),
            Finished::NotFound { user } => Err(self.vanished(ticket, looked, user)),
        }
    }

    /// Neither live nor in the statistics. At first they may only lag behind. If a look before and one after say so,
    /// the call was purged or lost, or a finish of ours is still at work: its CALL_ID is dropped, and the next attempt,
    /// when no request of ours can be running any more, looks once more by EXTERNAL_CALL_ID and only then registers
    /// anew.
    ///
    /// That is so only where the statistics show calls of the user who finished it: a right that covers some employees
    /// hides the calls of the others without a word, and what is hidden is not lost. Elsewhere the call keeps its
    /// CALL_ID and waits.
    ///
    /// The window that remains: statistics that lag behind by more than [`VANISHED_WAIT`], and a server that died
    /// between the activity and the statistics of a finish. Nothing that can be asked of a portal tells either from a
    /// lost call, and a call posted twice can be deleted, while one that is missing is noticed by nobody.
    fn vanished(&self, ticket: &mut Ticket, looked: bool, user: u32) -> Outcome {
        ticket.in_doubt = true;
        let why = format!("{}: the call is neither live nor in the statistics", self.portal.name);
        if !looked {
            return fault::doubt(why);
        }
        match self.portal.shows_calls_of(user) {
            Ok(true) => {
                ticket.call.clear();
                Outcome::InDoubt { after: VANISHED_WAIT, why }
            }
            Ok(false) => {
                let why = format!(
                    "{why}, which show no recent call of user {user} at all: is the right \"Call statistics: view\" of \
                     the webhook's owner for all employees' calls?"
                );
                Outcome::InDoubt { after: BLIND_WAIT, why }
            }
            Err(fault) => self.portal.blind(fault, BLIND_WAIT),
        }
    }

    /// Asks the statistics, which hold finished calls only. On a hit the ticket gets the portal's name of the call.
    fn is_finished(&self, ticket: &mut Ticket) -> Result<bool, Outcome> {
        let mut looked = self.look("EXTERNAL_CALL_ID", self.facts.id())?;
        if !matches!(looked, Looked::Found(_)) && !ticket.call.is_empty() {
            // Old portals do not keep EXTERNAL_CALL_ID.
            looked = self.look("CALL_ID", &ticket.call)?;
        }
        match looked {
            Looked::Found(row) => {
                if let Ok(call) = row.call_id.text().try_into() {
                    ticket.call = call;
                }
                Ok(true)
            }
            Looked::Absent => Ok(false),
            Looked::Ignored => {
                let why = "a call is in doubt and this portal's statistics cannot be searched: update the portal";
                Err(Outcome::InDoubt { after: BLIND_WAIT, why: format!("{}: {why}", self.portal.name) })
            }
        }
    }

    fn look(&self, key: &str, value: &str) -> Result<Looked, Outcome> {
        self.portal.statistic(Lane::Calls, key, value).map_err(|fault| self.portal.blind(fault, BLIND_WAIT))
    }

    fn register(&mut self, ticket: &mut Ticket) -> Result<(), Outcome> {
        let portal = self.portal;
        let create = cards::creates(portal.settings.create, self.call.direction);
        for _ in 0..3 {
            let user = *ticket.user.get_or_insert_with(|| self.first_user());
            let params = request::register(&self.facts, user, false, create);
            match portal.api.call::<Object<Registered>>(Lane::Calls, method::REGISTER, &params) {
                Ok(good) => return portal.keep_ticket(good.result, ticket),
                Err(fault) => match fault.kind() {
                    Some(Kind::UserInactive | Kind::UserUnknown) if user != portal.settings.default_user => {
                        portal.users.mark_stale();
                        ticket.user = Some(portal.settings.default_user);
                    }
                    Some(Kind::BadPhone) if self.facts.hide_phone(&portal.settings.anonymous) => {}
                    _ => return Err(portal.failed(fault, method::REGISTER, ticket)),
                },
            }
        }
        Err(fault::retry(BLIND_WAIT, format!("{}: no user can be registered for", portal.name)))
    }

    /// Parameters of register and finish of a call that nothing is known of; the latter's CALL_ID is for whoever sends
    /// it.
    pub(super) fn straight(&self, ticket: &mut Ticket) -> (Value, Value) {
        let create = cards::creates(self.portal.settings.create, self.call.direction);
        let user = *ticket.user.get_or_insert_with(|| self.first_user());
        let finish = self.finish_of(self.last_user(ticket), None, ticket);
        (request::register(&self.facts, user, false, create), request::finish("", &finish))
    }

    /// Closes the card of all but the one who finishes, whose card `finish` closes. A hint: losing it does no harm.
    fn hide_others(&self, ticket: &Ticket, shown: &mut Shown) {
        let finisher = self.last_user(ticket);
        let others: cards::Party = shown.0.iter().copied().filter(|user| *user != finisher).collect();
        if !others.is_empty() {
            let params = request::cards(&ticket.call, &others);
            let _ = self.portal.api.call::<Scalar>(Lane::Cards, method::HIDE, &params);
        }
        shown.0.retain(|user| *user == finisher);
    }

    fn finish(&self, ticket: &mut Ticket) -> Result<Finished, Outcome> {
        let portal = self.portal;
        let mut user = self.last_user(ticket);
        let mut gone = None;
        loop {
            let params = request::finish(&ticket.call, &self.finish_of(user, gone, ticket));
            let fault = match portal.api.call::<Scalar>(Lane::Calls, method::FINISH, &params) {
                Ok(_) => return Ok(Finished::Yes),
                Err(fault) => fault,
            };
            match fault.kind() {
                Some(Kind::CallNotFound) => return Ok(Finished::NotFound { user }),
                Some(Kind::UserInactive | Kind::UserUnknown) if user != portal.settings.default_user => {
                    portal.users.mark_stale();
                    gone = Some(user);
                    user = portal.settings.default_user;
                }
                Some(Kind::Database) => return Err(database_error(portal, fault, ticket)),
                _ => return Err(portal.failed(fault, method::FINISH, ticket)),
            }
        }
    }

    fn finish_of(&self, user: u32, gone: Option<u32>, ticket: &Ticket) -> Finish {
        // After a database error only what must be said is said: an odd text may have been the reason.
        let reason = if ticket.refusals > 0 { String::new() } else { reason::of(self.call, gone) };
        Finish {
            user,
            secs: talk_secs(self.call),
            status: status_code::of(self.call),
            chat: self.freshness == Freshness::Fresh,
            reason,
        }
    }

    /// Whom a call is registered for that was not announced.
    fn first_user(&self) -> u32 {
        let call = self.call;
        let rang = call.rang.iter().map(|rang| &rang.extension);
        let mut party = call.talked_last.iter().chain(rang).chain(std::iter::once(&call.caller));
        party.find_map(|extension| self.portal.users.of(extension)).unwrap_or(self.portal.settings.default_user)
    }

    /// Who finishes it: who talked last, else the one it was registered for.
    fn last_user(&self, ticket: &Ticket) -> u32 {
        let default_user = self.portal.settings.default_user;
        let Some(last) = &self.call.talked_last else { return ticket.user.unwrap_or(default_user) };
        // A colleague without a user is nobody else's talk; an outside number (a forwarded call) stays with who was
        // rung.
        let colleague = self.call.rang.iter().any(|rang| rang.extension == *last);
        let otherwise = ticket.user.filter(|_| !colleague).unwrap_or(default_user);
        self.portal.users.of(last).unwrap_or(otherwise)
    }
}

/// What a look into the statistics came to.
#[derive(Debug)]
pub(super) enum Looked {
    /// The call is finished.
    Found(Statistic),
    /// It is not.
    Absent,
    /// The portal does not know the key and told of all calls it has: nothing is proven.
    Ignored,
}

/// The row whose `key` is `value`. A portal drops filter keys that it does not know and answers with its whole history,
/// so every row is compared.
fn pick(rows: Vec<Object<Statistic>>, key: &str, value: &str) -> Looked {
    let told = |row: &Statistic| match key {
        "CALL_ID" => row.call_id.text() == value,
        _ => row.external_call_id.text() == value,
    };
    let any = !rows.is_empty();
    match rows.into_iter().filter_map(|row| row.0).find(told) {
        Some(row) => Looked::Found(row),
        None if any => Looked::Ignored,
        None => Looked::Absent,
    }
}

/// What `finish` came to.
enum Finished {
    Yes,
    /// "Call is not found", as this user's.
    NotFound {
        user: u32,
    },
}

/// Talk time in whole seconds. An answered call has at least one: with 0 the portal counts it as failed.
fn talk_secs(call: &CallRecord) -> u32 {
    let secs = call.talk_ms.saturating_add(500) / 1000;
    if call.disposition == Disposition::Answered { secs.max(1) } else { 0 }
}

/// The row may be there, an activity certainly is: look, and do not go on for ever.
fn database_error(portal: &Bitrix24, fault: Fault, ticket: &mut Ticket) -> Outcome {
    ticket.refusals = ticket.refusals.saturating_add(1);
    let outcome = portal.failed(fault, method::FINISH, ticket);
    match outcome {
        Outcome::InDoubt { why, .. } if ticket.refusals >= DATABASE_ERRORS => Outcome::Refused { why },
        outcome => outcome,
    }
}

impl Bitrix24 {
    /// One finished call by a key of the statistics.
    pub(super) fn statistic(&self, lane: Lane, key: &str, value: &str) -> Result<Looked, Fault> {
        let params = request::statistics(key, value);
        let rows = self.api.call::<List<Object<Statistic>>>(lane, method::STATISTICS, &params)?.result.0;
        Ok(pick(rows, key, value))
    }

    /// The finished calls that came last, of those that the webhook's owner may see: one page.
    pub(super) fn recent(&self) -> Result<Vec<Statistic>, Fault> {
        let rows = self.api.call::<List<Object<Statistic>>>(Lane::Calls, method::STATISTICS, &request::recent())?;
        Ok(rows.result.0.into_iter().filter_map(|row| row.0).collect())
    }

    /// Whether a finished call of `user` would be seen: one of the last was. The right is given by employee, so another
    /// employee's call proves nothing. `user` is not put into the question, lest the answer to it differ from one to a
    /// look.
    fn shows_calls_of(&self, user: u32) -> Result<bool, Fault> {
        Ok(self.recent()?.iter().any(|row| row.portal_user_id.id() == Some(user)))
    }

    /// A look-up that failed leaves the call in doubt.
    pub(super) fn blind(&self, fault: Fault, no_right: Duration) -> Outcome {
        if fault.is_forbidden() {
            let why = "the webhook's owner may not see the statistics, so that after a lost answer or a restart nobody can \
                       tell whether the portal has a call: it waits, for posted blindly it might come twice; give him the \
                       right \"Call statistics: view\" for all employees' calls";
            return Outcome::InDoubt { after: no_right, why: format!("{}: {why}", self.name) };
        }
        match self.api.outcome(fault, method::STATISTICS) {
            Outcome::Retry { after, why } => Outcome::InDoubt { after: after.unwrap_or_default(), why },
            Outcome::Refused { why } => Outcome::InDoubt { after: no_right, why },
            other => other,
        }
    }

    /// Takes CALL_ID out of the answer to register. Without one the register is in doubt.
    pub(super) fn keep_ticket(&self, answer: Object<Registered>, ticket: &mut Ticket) -> Result<(), Outcome> {
        let registered = answer.0.filter(|registered| !registered.call_id.text().is_empty());
        let call = registered.as_ref().and_then(|registered| registered.call_id.text().try_into().ok());
        let Some(call) = call else {
            ticket.in_doubt = true;
            return Err(fault::doubt(format!("{}: register answered without a usable CALL_ID", self.name)));
        };
        ticket.call = call;
        let lead = registered.map(|registered| registered.lead_creation_error).unwrap_or_default();
        if !lead.text().is_empty() {
            log::info!("{}: no lead was created: {}", self.name, crate::text::bounded::<120>(lead.text().as_bytes()));
        }
        Ok(())
    }

    /// The outcome of a request that changes something; remembers a doubt in the ticket.
    pub(super) fn failed(&self, fault: Fault, method: method::Method, ticket: &mut Ticket) -> Outcome {
        ticket.in_doubt |= fault.may_have_run();
        self.api.outcome(fault, method)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Reply, read};
    use super::*;

    fn looked(key: &str, json: &str) -> Looked {
        match read::<List<Object<Statistic>>>(json.as_bytes()) {
            Reply::Good(good) => pick(good.result.0, key, "office-1.1"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_history_without_the_call_proves_nothing() {
        let found =
            r#"{"result":[{"CALL_ID":"a","EXTERNAL_CALL_ID":null},{"CALL_ID":"b","EXTERNAL_CALL_ID":"office-1.1"}]}"#;
        assert!(matches!(looked("EXTERNAL_CALL_ID", found), Looked::Found(row) if row.call_id.text() == "b"));
        assert!(matches!(looked("CALL_ID", found), Looked::Ignored));
        assert!(matches!(looked("EXTERNAL_CALL_ID", r#"{"result":[],"total":0}"#), Looked::Absent));
        let others = r#"{"result":[{"CALL_ID":"a","EXTERNAL_CALL_ID":"office-1.2"},[]]}"#;
        assert!(matches!(looked("EXTERNAL_CALL_ID", others), Looked::Ignored));
    }

    #[test]
    fn talk_time_is_rounded_and_an_answered_call_has_some() {
        let mut call = super::super::tests::record(crate::call::record::Direction::Inbound);
        for (disposition, millis, secs) in [
            (Disposition::Answered, 0, 1),
            (Disposition::Answered, 95_499, 95),
            (Disposition::Answered, 95_500, 96),
            (Disposition::Answered, u32::MAX, 4_294_967),
            (Disposition::Voicemail, 9_000, 0),
        ] {
            (call.disposition, call.talk_ms) = (disposition, millis);
            assert_eq!(talk_secs(&call), secs, "{millis}");
        }
    }
}
