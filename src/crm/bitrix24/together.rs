//! A backlog's way into the portal: many calls looked up with one request, registered and finished with another.
//!
//! Stands apart from `delivery` because it only takes the straight road: a call that the portal has, or one that it
//! takes without a word. Whatever else is met (a user who left, a number that is refused, a full method) sends the call
//! to `delivery`, which goes by itself and knows the fallbacks. Nothing that may have run is repeated here: when the
//! request's answer is lost, every call in it is in doubt until no request can run any more, and is looked up then.
//!
//! A look for many calls proves their absence only if it can be seen to work: so one call that the portal is known to
//! have is asked for with them, and where that is not told of, each goes by itself. Bounds: two requests; [`Pace`] says
//! how many calls.

use super::answer::{List, Object, Statistic};
use super::batch::{Answer, Commands, Step, Told};
use super::delivery::Delivery;
use super::fault::{self, Fault, Kind};
use super::pace::Pace;
use super::{Bitrix24, method, request, upload};
use crate::call::record::CallId;
use crate::clock::{self, Stamp};
use crate::crm::{Consignment, Fate, Freshness, Lane, Outcome};
use crate::limits::DOUBT_SETTLE_LONGEST;
use core::time::Duration;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a portal is known for, as far as calls that go together are concerned.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    pace: Mutex<Pace>,
    /// EXTERNAL_CALL_ID of a call that the portal has.
    witness: Mutex<Option<String>>,
}

impl Crowd {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn witness(&self) -> MutexGuard<'_, Option<String>> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The portal has this call.
    pub(super) fn saw(&self, id: &CallId) {
        self.witness().get_or_insert_with(|| request::external_id(id));
    }
}

/// What a look for several calls came to.
enum Look {
    /// These rows, and what is not among them is not there.
    Trusted(Vec<Statistic>),
    /// Nothing is proven.
    Blind,
    /// There is no witness yet: nothing was asked.
    NoWitness,
}

fn is_doubtful(call: &Consignment) -> bool {
    call.in_doubt || call.ticket.in_doubt
}

impl Bitrix24 {
    /// Delivers from the front as many as go in one request.
    pub(super) fn take_together(&self, calls: &mut [Consignment], now: Stamp) -> Result<(), Outcome> {
        let room = self.crowd.pace().calls(now.mono).map_err(|after| Outcome::Held { after })?;
        self.look_up(calls)?;
        let mut commands = Commands::default();
        let mut sent = Vec::new();
        for call in calls.iter_mut().filter(|call| call.fate == Fate::Waiting && !is_doubtful(call)).take(room) {
            match self.add_call(&mut commands, call, now) {
                true => sent.push(call),
                false => call.fate = Fate::Alone,
            }
        }
        if sent.is_empty() { Ok(()) } else { self.send(&commands, sent) }
    }

    /// False when the call needs more than the straight road.
    fn add_call(&self, commands: &mut Commands, call: &mut Consignment, now: Stamp) -> bool {
        let record = call.record.clone();
        let Ok(delivery) = Delivery::new(self, &record, Freshness::Replayed, now) else { return false };
        let (register, finish) = delivery.straight(&mut call.ticket);
        let recording = record.recordings.first().filter(|_| call.with_recording);
        // A recording of another kind is refused when it comes.
        let ending = recording.and_then(|path| upload::ending(Path::new(path.as_str())));
        let attach = ending.map(|(ending, _)| request::attach("", &request::file_name(&record.id, ending)));
        commands.add(&register, &finish, attach.as_ref())
    }

    /// Looks up all calls in doubt. Those that the portal has are delivered; those that it has not are in doubt no
    /// more.
    fn look_up(&self, calls: &mut [Consignment]) -> Result<(), Outcome> {
        let doubtful = calls.iter().filter(|call| is_doubtful(call));
        let ids: Vec<String> = doubtful.map(|call| request::external_id(&call.record.id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let look = match self.statistics_of(&ids) {
            Ok(look) => look,
            // The single road says it in its own words.
            Err(fault) if fault.is_forbidden() => Look::Blind,
            Err(fault) => return Err(fault::not_run(self.api.outcome(fault, method::STATISTICS))),
        };
        for (call, id) in calls.iter_mut().filter(|call| is_doubtful(call)).zip(&ids) {
            match &look {
                Look::Blind => call.fate = Fate::Alone,
                // Whatever the single road finds of the first one, the portal has it then.
                Look::NoWitness => {
                    call.fate = Fate::Alone;
                    break;
                }
                Look::Trusted(rows) => {
                    call.ticket.in_doubt = false;
                    if let Some(row) = rows.iter().find(|row| row.external_call_id.text() == id) {
                        // Whether it has its recording too is still to be asked.
                        call.ticket.call = row.call_id.text().try_into().unwrap_or_default();
                        call.fate = Fate::Delivered;
                        continue;
                    }
                    call.in_doubt = false;
                    if call.only_look {
                        call.fate = Fate::Alone;
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows of finished calls of these identities.
    fn statistics_of(&self, ids: &[String]) -> Result<Look, Fault> {
        let Some(witness) = self.crowd.witness().clone() else { return Ok(Look::NoWitness) };
        let asked: Vec<&str> = ids.iter().chain([&witness]).map(String::as_str).collect();
        let params = request::statistics_of(&asked);
        let rows = self.api.call::<List<Object<Statistic>>>(Lane::Calls, method::STATISTICS, &params)?.result.0;
        let rows: Vec<Statistic> = rows.into_iter().filter_map(|row| row.0).collect();
        // A portal that drops the key, or takes one value only, tells of other calls or of fewer.
        let is_witnessed = rows.iter().any(|row| row.external_call_id.text() == witness);
        let is_answer = rows.iter().all(|row| asked.contains(&row.external_call_id.text()));
        if is_witnessed && is_answer {
            return Ok(Look::Trusted(rows));
        }
        *self.crowd.witness() = None; // it may have been deleted there
        Ok(Look::Blind)
    }

    fn send(&self, commands: &Commands, sent: Vec<&mut Consignment>) -> Result<(), Outcome> {
        let began = clock::now().mono;
        let answer = self.api.batch(commands);
        let took = clock::now().mono.since(began);
        match answer {
            Ok(answer) => {
                self.learn(&answer, commands.calls(), took);
                self.settle(answer, sent);
                Ok(())
            }
            Err(Fault::Held(after)) => Err(Outcome::Held { after }),
            Err(fault) => {
                self.crowd.pace().failed(commands.calls(), took);
                self.broke(fault, sent)
            }
        }
    }

    fn learn(&self, answer: &Answer, calls: usize, took: Duration) {
        let now = clock::now().mono;
        let mut pace = self.crowd.pace();
        pace.went_well(calls, took);
        if let Some((spent, reset_at)) = answer.most_spent() {
            pace.spent(spent, self.api.until(reset_at), now);
        }
    }

    /// The request has no answer, or the portal refused it as a whole.
    fn broke(&self, fault: Fault, sent: Vec<&mut Consignment>) -> Result<(), Outcome> {
        let may_have_run = fault.may_have_run();
        let outcome = self.api.outcome(fault, method::BATCH);
        let fate = match outcome {
            _ if may_have_run => Fate::InDoubt { after: DOUBT_SETTLE_LONGEST },
            // It may be about the batch and not about what is in it.
            Outcome::Refused { .. } | Outcome::Suspend { .. } => Fate::Alone,
            _ => Fate::Waiting,
        };
        for call in sent {
            call.ticket.in_doubt |= may_have_run;
            call.fate = fate;
        }
        // What the single road meets is the portal's word; until then nothing is well and nothing is wrong.
        Err(if fate == Fate::Alone { Outcome::Held { after: Duration::ZERO } } else { outcome })
    }

    fn settle(&self, mut answer: Answer, sent: Vec<&mut Consignment>) {
        for (place, call) in sent.into_iter().enumerate() {
            let (register, finish) = (answer.take(Step::Register, place), answer.take(Step::Finish, place));
            call.fate = self.fate(register, finish, call);
            if let Told::Good(returned) = answer.take(Step::Attach, place) {
                call.upload = upload::link(returned.upload_target());
            }
            match call.fate {
                Fate::Delivered => self.crowd.saw(&call.record.id),
                Fate::InDoubt { .. } => call.ticket.in_doubt = true,
                Fate::Alone | Fate::Waiting => {}
            }
        }
    }

    /// What the two answers say of a call.
    fn fate(&self, register: Told, finish: Told, call: &mut Consignment) -> Fate {
        let in_doubt = Fate::InDoubt { after: fault::SETTLE };
        let registered = match register {
            Told::Good(returned) => Object(Some(returned.registered())),
            Told::Bad(error) if self.api.refused_command(method::REGISTER, &error).may_have_run() => return in_doubt,
            Told::Bad(_) => return Fate::Alone,
            Told::Nothing => return in_doubt,
        };
        if self.keep_ticket(registered, &mut call.ticket).is_err() {
            return in_doubt;
        }
        match finish {
            Told::Good(_) => Fate::Delivered,
            Told::Bad(error) => {
                let fault = self.api.refused_command(method::FINISH, &error);
                if fault.kind() == Some(Kind::Database) {
                    call.ticket.refusals = call.ticket.refusals.saturating_add(1);
                }
                if fault.may_have_run() { in_doubt } else { Fate::Alone }
            }
            Told::Nothing => in_doubt,
        }
    }
}
