//! The hand of finished calls of one CRM: dealt from the journal and delivered, oldest first. A call that ended just
//! now goes by itself and before all others; those that have waited go together, as many as the CRM takes at once,
//! until one of them meets something that only an attempt by itself can judge.
//!
//! Bounds: [`CALLS_IN_HAND`] entries from the journal (and for a moment one answer of it more) and
//! [`UNJOURNALLED_CALLS`] that the journal could not take. The rest waits in the journal and is read through a cursor,
//! which goes from the oldest call to the youngest and then rests.
//!
//! A call that fails by itself must hold up nobody. It waits aside and is asked for by its own place when it is due, so
//! a due call costs one question, however many others wait. Those that find no place aside are forgotten, and the
//! cursor meets them again on its next way through the journal, which begins at most every [`CALLS_RESCAN`]. Attempts
//! of such calls come [`CALL_STUCK_PACE`] apart; a call that has just ended never waits for them.

use super::aside::{Aside, Asides, Way};
use super::job::Question;
use crate::call::record::{CallId, CallRecord};
use crate::clock::{Monotonic, Stamp};
use crate::crm::{Consignment, Fate, Shown, Ticket};
use crate::journal::{Part, Pending, Seq};
use crate::limits::{
    AFTER_CRASH, BACKOFF_LONGEST, CALL_ASIDE_WAIT, CALL_RETRY_LONGEST, CALL_STUCK_PACE, CALLS_IN_HAND, CALLS_RESCAN,
    CALLS_TOGETHER, DOUBT_SETTLE_LONGEST, FRESH_CALL, SUSPENDED_AGAIN, TICKET_BYTES, UNJOURNALLED_CALLS,
};
use crate::text::Text;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

/// A finished call in hand.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Its place in the journal; none: the journal could not take it.
    pub seq: Option<Seq>,
    /// The call.
    pub record: Arc<CallRecord>,
    /// What the CRM knows of it.
    pub ticket: Ticket,
    /// Who has its card open.
    pub shown: Shown,
    /// Ask the CRM first.
    pub in_doubt: bool,
    /// What the CRM calls it, as far as the journal knows.
    noted: Text<TICKET_BYTES>,
    failures: u32,
    /// Attempts that met a portal out of use.
    suspensions: u32,
    due: Monotonic,
    /// A request about it may still be running at the CRM until then.
    settles: Monotonic,
    in_flight: bool,
    /// A card of it is still in flight.
    card_in_flight: bool,
    /// It was read from the journal, which can be asked for it again.
    backlog: bool,
    way: Way,
    /// It did not end just now, as its last turn showed.
    is_old: bool,
}

impl Fact {
    /// What a CRM is handed of it among others.
    pub fn consign(&self, recordings: bool) -> Consignment {
        Consignment {
            record: Arc::clone(&self.record),
            ticket: self.ticket.clone(),
            in_doubt: self.in_doubt,
            with_recording: recordings && self.record.recordings.len() == 1 && self.record.talk_ms > 0,
            upload: None,
            only_look: self.way == Way::LookedUp,
            fate: Fate::Waiting,
        }
    }

    /// A call that the journal has just answered for.
    pub fn fresh(
        seq: Option<Seq>,
        record: Arc<CallRecord>,
        ticket: Ticket,
        shown: Shown,
        card_in_flight: bool,
    ) -> Self {
        let (due, settles) = (Monotonic::default(), Monotonic::default());
        let (in_doubt, failures, suspensions, in_flight, backlog) = (false, 0, 0, false, false);
        let (way, is_old) = (Way::default(), false);
        Self {
            seq,
            record,
            ticket,
            shown,
            in_doubt,
            noted: Text::new(),
            failures,
            suspensions,
            due,
            settles,
            in_flight,
            card_in_flight,
            backlog,
            way,
            is_old,
        }
    }

    /// The journal has it with this ticket, which may be older than the one in hand.
    #[must_use]
    pub fn noted_as(self, ticket: &Ticket) -> Self {
        Self { noted: ticket.call.clone(), ..self }
    }

    /// Whether the journal does not know yet that the CRM calls it so.
    pub fn is_news(&self, call: &str) -> bool {
        !call.is_empty() && self.noted != call
    }

    /// A request about it may still be running until `settles`: not due before.
    #[must_use]
    pub fn not_before(self, settles: Monotonic) -> Self {
        Self { due: self.due.max(settles), settles: self.settles.max(settles), ..self }
    }

    /// A call of the backlog. One that may have been delivered by a process that crashed waits until that process's
    /// last request is over (see [`after_crash`]).
    fn loaded(entry: Pending, started: Monotonic, now: Stamp) -> Self {
        let Pending { seq, call, ticket, in_doubt, .. } = entry;
        let noted = ticket.call.clone();
        let fact = Self::fresh(Some(seq), Arc::from(call), ticket, Shown::default(), false);
        let fact = Self { noted, in_doubt, backlog: true, ..fact };
        let settles = if in_doubt { started + after_crash(&fact, now) } else { Monotonic::default() };
        fact.not_before(settles)
    }

    /// Whether it ended just now.
    pub fn is_fresh(&self, now: Stamp) -> bool {
        self.record.ended.age(now) <= FRESH_CALL
    }

    /// Whether nothing is known of it at the CRM and nothing was wrong with it so far: it may go with others. A call
    /// that only memory holds may not: after a kill it comes back from the mirror, which tells nothing of what it went
    /// with.
    fn is_plain(&self) -> bool {
        let Ticket { call, refusals, .. } = &self.ticket;
        let untouched = self.seq.is_some() && call.is_empty() && *refusals == 0 && self.shown.0.is_empty();
        let may_look = self.way == Way::LookedUp && (self.in_doubt || self.ticket.in_doubt);
        untouched && self.failures == 0 && self.suspensions == 0 && (self.way == Way::Together || may_look)
    }

    /// Whether the journal knows all that is known of it: nothing came of it yet.
    fn is_as_journalled(&self) -> bool {
        let Ticket { call, in_doubt, refusals, .. } = &self.ticket;
        let untried = self.failures == 0 && self.suspensions == 0 && self.way == Way::Together;
        untried && !in_doubt && *refusals == 0 && *call == self.noted && self.shown.0.is_empty()
    }

    /// Whether older calls are still to be read: it comes after them, out of the journal, unless it ended just now.
    fn is_early(&self, read: Option<Seq>) -> bool {
        self.is_old && read.is_some_and(|read| self.seq > Some(read)) && self.is_as_journalled()
    }

    /// At work somewhere.
    fn is_away(&self) -> bool {
        self.in_flight || self.card_in_flight
    }

    /// Whose turn comes first.
    fn rank(&self) -> (u8, Monotonic, Option<Seq>) {
        match (self.failures, self.is_old) {
            (0, false) => (0, Monotonic::default(), self.seq),
            (0, true) => (2, Monotonic::default(), self.seq),
            _ => (1, self.due, self.seq),
        }
    }

    /// Whether it may go with others.
    fn may_share(&self) -> bool {
        self.is_old && self.is_plain()
    }

    /// When it may go.
    fn due_within(&self, pace: &Pace) -> Monotonic {
        match (self.failures, self.is_old) {
            (0, false) => self.due,
            (0, true) => self.due.max(pace.backlog_from),
            _ => self.due.max(pace.stuck_until),
        }
    }

    /// Due again after `wish`, and later with each failure of its own; without a wish when the portal is ready, for
    /// then the failure was not about this call.
    fn put_back(&mut self, now: Monotonic, wish: Duration) {
        self.in_flight = false;
        self.due = now;
        if !wish.is_zero() {
            self.failures = self.failures.saturating_add(1);
            let own = Duration::from_secs(5).saturating_mul(1 << self.failures.min(10)).min(CALL_RETRY_LONGEST);
            self.due = now + if self.failures > 2 { own.max(wish) } else { wish };
        }
    }
}

/// What holds back calls that have waited already.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// The next call that failed by itself may go then.
    stuck_until: Monotonic,
    /// The backlog goes on then.
    backlog_from: Monotonic,
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Turn<'a> {
    /// One call by itself.
    One(&'a Fact),
    /// Calls of the backlog that may go together, oldest first; two at least.
    Together(Vec<&'a Fact>),
}

/// How long after the start the CRM may be asked about a call that an earlier process left. A call that ended just now
/// has never gone with others, whose request may take its time; of a call of another boot nobody can tell when it
/// ended.
fn after_crash(fact: &Fact, now: Stamp) -> Duration {
    let of_this_boot = fact.record.ended.mono != Monotonic::default();
    if of_this_boot && fact.is_fresh(now) { AFTER_CRASH } else { DOUBT_SETTLE_LONGEST }
}

/// The hand of one CRM.
#[derive(Debug)]
pub struct Calls {
    hand: VecDeque<Fact>,
    started: Monotonic,
    /// The last entry that was read on the way through the journal.
    cursor: Seq,
    /// Nothing waits after the cursor.
    dry: bool,
    /// Something was seen to wait there.
    behind: bool,
    asked: Option<Asked>,
    /// What was asked last, and that the journal was too busy to hear it.
    asked_one: bool,
    unheard: bool,
    /// Settled while a question was under way, whose answer may still have them.
    settled: Vec<Seq>,
    aside: Asides,
    forgotten: Forgotten,
    pace: Pace,
}

/// A question to the journal that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// For what comes after the cursor.
    Next,
    /// For one call that was put aside.
    One(Seq),
}

/// Calls that found no place aside.
#[derive(Debug, Default)]
struct Forgotten {
    /// What is read anew up to here may have failed before.
    last: Seq,
    /// What is read anew up to here may be known to the CRM.
    last_in_doubt: Seq,
    /// One of them is due then.
    due: Option<Monotonic>,
    /// When the last way through the journal for them began.
    began: Option<Monotonic>,
}

impl Forgotten {
    fn note(&mut self, gone: &Aside) {
        self.last = self.last.max(gone.seq);
        if gone.is_known_there() {
            self.last_in_doubt = self.last_in_doubt.max(gone.seq);
        }
        self.due = Some(self.due.map_or(gone.due, |due| due.min(gone.due)));
    }

    /// When the journal has to be read again.
    fn again(&self) -> Option<Monotonic> {
        let earliest = self.began.map_or(Monotonic::default(), |began| began + CALLS_RESCAN);
        self.due.map(|due| due.max(earliest))
    }
}

impl Calls {
    /// An empty hand of a process that started at `started`.
    pub fn new(started: Monotonic) -> Self {
        Self {
            hand: VecDeque::new(),
            started,
            cursor: Seq(0),
            dry: false,
            behind: false,
            asked: None,
            asked_one: false,
            unheard: false,
            settled: Vec::new(),
            aside: Asides::default(),
            forgotten: Forgotten::default(),
            pace: Pace::default(),
        }
    }

    /// Takes a call that has just ended. In a full hand one of the backlog makes room for it; where there is none it is
    /// read from the journal in its turn.
    pub fn deal(&mut self, fact: Fact) {
        let journalled = self.journalled();
        if fact.seq.is_some() && journalled >= CALLS_IN_HAND && !self.make_room() {
            (self.dry, self.behind) = (false, true);
        } else if fact.seq.is_none() && self.hand.len() - journalled >= UNJOURNALLED_CALLS {
            log::error!("call {} is lost: neither the journal nor the memory has room for it", fact.record.id);
        } else {
            if self.dry {
                // All older ones are in hand, or dealt with.
                self.cursor = self.cursor.max(fact.seq.unwrap_or_default());
            }
            self.hand.push_back(fact);
        }
    }

    /// What to read from the journal next, if there is room.
    pub fn question(&mut self, now: Monotonic) -> Option<Question> {
        if self.asked.is_none() {
            let read = self.read_up_to();
            self.hand.retain(|fact| fact.is_away() || !fact.is_early(read));
        }
        if !self.may_ask() {
            return None;
        }
        if self.dry && self.forgotten.again().is_some_and(|again| again <= now) {
            (self.cursor, self.dry) = (Seq(0), false);
            (self.forgotten.due, self.forgotten.began) = (None, Some(now));
        }
        let one = self.aside.due(now).filter(|_| self.dry || !self.asked_one);
        if one.is_none() && self.dry {
            return None;
        }
        (self.asked_one, self.unheard) = (one.is_some(), false);
        self.asked = Some(one.map_or(Asked::Next, Asked::One));
        self.settled.clear();
        let (after, max) = one.map_or((self.cursor, self.room()), |one| (Seq(one.0.saturating_sub(1)), 1));
        Some(Question { part: Part::Call, after, max })
    }

    /// The journal has to be read from its oldest call.
    pub fn read_anew(&mut self) {
        (self.cursor, self.asked, self.dry) = (Seq(0), None, false);
    }

    /// The question could not be asked: later again.
    pub fn unasked(&mut self) {
        (self.asked, self.unheard) = (None, true);
    }

    /// The answer that comes next lacks calls that the journal has and could not read: it is read again, at most every
    /// [`CALLS_RESCAN`]. What is known of a call that was put aside holds then, too.
    pub fn left_out(&mut self, now: Monotonic) {
        if let Some(Asked::One(one)) = self.asked
            && let Some(gone) = self.aside.take(one)
        {
            self.forgotten.note(&gone);
        }
        self.forgotten.due = Some(self.forgotten.due.map_or(now, |due| due.min(now)));
    }

    /// The journal's answer to [`question`](Self::question).
    pub fn loaded(&mut self, entries: Vec<Pending>, now: Stamp) {
        match self.asked.take() {
            Some(Asked::One(one)) => {
                if !entries.iter().any(|entry| entry.seq == one) {
                    self.aside.take(one); // the full ring has dropped it
                }
            }
            Some(Asked::Next) | None => {
                (self.dry, self.behind) = (entries.is_empty(), !entries.is_empty());
                self.cursor = entries.iter().map(|entry| entry.seq).max().unwrap_or_default().max(self.cursor);
            }
        }
        for entry in entries {
            self.load(entry, now);
        }
    }

    fn load(&mut self, entry: Pending, now: Stamp) {
        let seq = entry.seq;
        let in_hand = self.hand.iter().any(|fact| fact.seq == Some(seq));
        if in_hand || self.settled.contains(&seq) || self.aside.is_waiting(seq, now.mono) {
            return;
        }
        let mut fact = Fact::loaded(entry, self.started, now);
        if let Some(Aside { ticket, failures, in_doubt, due, settles, way, .. }) = self.aside.take(seq) {
            fact = Fact { ticket, failures, in_doubt: fact.in_doubt || in_doubt, due, way, ..fact }.not_before(settles);
        } else if seq <= self.forgotten.last {
            fact.failures = 1;
            if seq <= self.forgotten.last_in_doubt {
                fact = Fact { in_doubt: true, ..fact }.not_before(now.mono + DOUBT_SETTLE_LONGEST);
            }
        }
        self.hand.push_back(fact);
    }

    /// The next call to deliver: one of this moment first, then one that failed by itself if its turn has come, then
    /// the backlog, oldest first, `together` where the CRM is ready for more than one. What is given is in flight until
    /// [`settle`](Self::settle) or [`put_back`](Self::put_back).
    pub fn take_turn(&mut self, now: Stamp, together: bool) -> Option<Turn<'_>> {
        for fact in &mut self.hand {
            fact.is_old = !fact.is_fresh(now);
        }
        let (pace, read) = (self.pace, self.read_up_to());
        let is_due = |fact: &Fact| fact.due_within(&pace) <= now.mono && !fact.is_early(read);
        let due = |fact: &&mut Fact| !fact.is_away() && is_due(fact);
        let first = self.hand.iter_mut().filter(due).min_by_key(|fact| fact.rank())?;
        first.in_flight = true;
        let (seq, shares) = (first.seq, together && first.may_share());
        let mut others: Vec<&mut Fact> =
            self.hand.iter_mut().filter(due).filter(|fact| shares && fact.may_share()).collect();
        others.sort_unstable_by_key(|fact| fact.seq);
        others.into_iter().take(CALLS_TOGETHER - 1).for_each(|fact| fact.in_flight = true);
        let mut turn: Vec<&Fact> = self.hand.iter().filter(|fact| fact.in_flight).collect();
        turn.sort_unstable_by_key(|fact| (fact.seq != seq, fact.seq));
        if turn.len() > 1 { Some(Turn::Together(turn)) } else { turn.pop().map(Turn::One) }
    }

    /// The call in flight of this identity; with none given, the only one in flight.
    fn in_flight(&self, id: Option<&CallId>) -> Option<usize> {
        self.hand.iter().position(|fact| fact.in_flight && id.is_none_or(|id| fact.record.id == *id))
    }

    /// A verdict was reached: the call in flight leaves the hand.
    pub fn settle(&mut self, id: Option<&CallId>) -> Option<Fact> {
        let fact = self.hand.remove(self.in_flight(id)?)?;
        if self.asked.is_some() {
            self.settled.extend(fact.seq);
        }
        Some(fact)
    }

    /// No verdict yet: the call in flight is due again after `wish`. A wish longer than any back-off is about this call
    /// alone.
    pub fn put_back(&mut self, now: Monotonic, wish: Duration, ticket: Ticket, shown: Shown, in_doubt: bool) {
        let Some(at) = self.in_flight(None) else { return };
        if wish > BACKOFF_LONGEST {
            self.pace.stuck_until = now + CALL_STUCK_PACE;
        }
        if let Some(fact) = self.hand.get_mut(at) {
            (fact.ticket, fact.shown) = (ticket, shown);
            fact.in_doubt |= in_doubt;
            if in_doubt {
                fact.settles = now + wish.min(DOUBT_SETTLE_LONGEST);
            }
            fact.put_back(now, wish);
        }
        let crowded = self.journalled() > CALLS_IN_HAND / 2;
        if crowded && self.hand.get(at).is_some_and(|fact| fact.due.since(now) > CALL_ASIDE_WAIT) {
            self.put_aside(at);
        }
    }

    /// One of the calls that went together is not delivered. That is no failure of its own.
    pub fn came_back(&mut self, consignment: Consignment, now: Monotonic) {
        let Consignment { record, ticket, in_doubt, fate, .. } = consignment;
        let Some(fact) = self.in_flight(Some(&record.id)).and_then(|at| self.hand.get_mut(at)) else { return };
        (fact.in_flight, fact.ticket, fact.in_doubt) = (false, ticket, in_doubt);
        match fate {
            Fate::InDoubt { after } => {
                (fact.in_doubt, fact.way) = (true, Way::LookedUp);
                (fact.due, fact.settles) = (now + after, now + after);
            }
            Fate::Alone => fact.way = Way::Alone,
            Fate::Waiting | Fate::Delivered => {}
        }
    }

    /// The backlog rests until then; calls of this moment do not.
    pub fn hold_backlog(&mut self, until: Monotonic) {
        self.pace.backlog_from = self.pace.backlog_from.max(until);
    }

    /// Whether calls wait in hand that did not end just now, as far as it was looked.
    pub fn has_backlog(&self) -> bool {
        !self.dry || self.hand.iter().any(|fact| fact.is_old)
    }

    /// The call in flight met a portal that is out of use for `pause`. Where it does so again and again, while nothing
    /// else gets a turn, it may be the cause: it lets others go first then.
    pub fn suspended(&mut self, now: Monotonic, pause: Duration, ticket: Ticket, shown: Shown) {
        let Some(fact) = self.hand.iter_mut().find(|fact| fact.in_flight) else { return };
        fact.suspensions = fact.suspensions.saturating_add(1);
        let wish = if fact.suspensions > 1 { pause + SUSPENDED_AGAIN } else { Duration::ZERO };
        self.put_back(now, wish, ticket, shown, false);
    }

    /// The call of the backlog that is worth least in hand makes room. False when there is none.
    fn make_room(&mut self) -> bool {
        let facts = self.hand.iter().enumerate();
        let backlog = facts
            .filter(|(_, fact)| fact.seq.is_some() && !fact.is_away())
            .filter(|(_, fact)| fact.backlog || fact.failures > 0);
        let Some((at, _)) = backlog.max_by_key(|(_, fact)| (fact.failures > 0, fact.due, fact.seq)) else {
            return false;
        };
        self.put_aside(at);
        true
    }

    /// Leaves a call to the journal, and keeps what the journal does not know of it.
    fn put_aside(&mut self, at: usize) {
        let Some(seq) = self.hand.get(at).and_then(|fact| fact.seq) else { return };
        let Some(fact) = self.hand.remove(at) else { return };
        if fact.is_as_journalled() && self.asked.is_none() {
            // Read again in its turn: out of it, younger calls would go first.
            self.cursor = self.cursor.min(Seq(seq.0.saturating_sub(1)));
            (self.dry, self.behind) = (false, true);
            return;
        }
        let Fact { ticket, failures, in_doubt, due, settles, way, .. } = fact;
        if let Some(gone) = self.aside.put(Aside { seq, ticket, failures, in_doubt, due, settles, way }) {
            self.forgotten.note(&gone);
        }
    }

    /// The card in flight, of which there is one at a time, was that of a call in hand; if its answer was lost, the
    /// call waits until `doubt_until`.
    pub fn card_landed(&mut self, ticket: Ticket, shown: Shown, doubt_until: Monotonic) {
        if let Some(fact) = self.hand.iter_mut().find(|fact| fact.card_in_flight) {
            fact.card_in_flight = false;
            fact.due = fact.due.max(doubt_until);
            fact.settles = fact.settles.max(doubt_until);
            (fact.ticket, fact.shown) = (ticket, shown);
        }
    }

    /// Every call is due now, but for those of which a request may still be running.
    pub fn hasten(&mut self, now: Monotonic) {
        for fact in &mut self.hand {
            fact.due = fact.due.min(now.max(fact.settles));
        }
        self.aside.hasten(now);
        self.forgotten.due = self.forgotten.due.map(|due| due.min(now));
        self.forgotten.began = None;
        self.pace = Pace::default();
    }

    /// Whether calls wait that failed by themselves.
    pub fn are_stuck(&self) -> bool {
        let in_hand = self.hand.iter().any(|fact| fact.failures > 0);
        in_hand || self.aside.next_due().is_some() || self.forgotten.due.is_some()
    }

    /// The moment of the next due call, or of the next question for one.
    pub fn next_due(&self) -> Option<Monotonic> {
        let hand = self.hand.iter().filter(|fact| !fact.is_away()).map(|fact| fact.due_within(&self.pace));
        let again = self.forgotten.again().filter(|_| self.dry);
        let journal = self.aside.next_due().into_iter().chain(again);
        hand.chain(journal.filter(|_| self.may_ask() && !self.unheard)).min()
    }

    /// How far the journal was read; none: to its end, as far as is known.
    fn read_up_to(&self) -> Option<Seq> {
        self.behind.then_some(self.cursor)
    }

    fn may_ask(&self) -> bool {
        self.asked.is_none() && self.room() >= CALLS_IN_HAND / 2
    }

    fn room(&self) -> usize {
        CALLS_IN_HAND.saturating_sub(self.journalled())
    }

    /// Calls in hand that the journal holds.
    fn journalled(&self) -> usize {
        self.hand.iter().filter(|fact| fact.seq.is_some()).count()
    }

    /// Calls in hand that the journal does not hold.
    pub fn unjournalled(&self) -> impl Iterator<Item = (&Arc<CallRecord>, &Ticket)> {
        self.hand.iter().filter(|fact| fact.seq.is_none()).map(|fact| (&fact.record, &fact.ticket))
    }

    /// The calls themselves.
    pub fn in_hand(&self) -> impl Iterator<Item = &Arc<CallRecord>> {
        self.hand.iter().map(|fact| &fact.record)
    }

    /// Calls in hand.
    pub fn len(&self) -> usize {
        self.hand.len()
    }

    /// Whether the hand is empty.
    pub fn is_empty(&self) -> bool {
        self.hand.is_empty()
    }
}
