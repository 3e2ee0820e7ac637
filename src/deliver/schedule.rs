//! The schedule of one CRM: which card, call or recording is due, on which lane, and what an outcome means for it.
//!
//! An engine: hints, facts and reports in; jobs, marks and questions to the journal out; `now` as an argument. Three
//! lanes work side by side, one job each: cards never wait behind calls, calls never behind uploads. Bounds: those of
//! its three tables and one mark per fact in hand. Does not know what a CRM's requests look like and keeps nothing
//! that must outlive the process.
//!
//! What an outcome does (`outcomes`):
//!
//! | outcome | a card | a call | a recording |
//! | --- | --- | --- | --- |
//! | done | in step | marked *delivered* | marked *attached* |
//! | retry | again after a short back-off, while it is worth it | again, the whole portal backs off | again by its age |
//! | in doubt | its ticket is in doubt | looked up before it is repeated | looked up before it is repeated |
//! | held | waits for our turn | waits for our turn | waits for our turn |
//! | suspend | the whole portal waits | the whole portal waits | the whole portal waits |
//! | refused | no card | marked *refused* | the others' turn, or *recordings given up* |

mod outcomes;

use super::backoff::Backoff;
use super::calls::{Calls, Fact, Turn};
use super::cards::{Card, Cards};
use super::drain::{Drain, Draining};
use super::job::{Counters, Job, Question, Report};
use super::recordings::Recordings;
use crate::call::live::LiveCall;
use crate::call::record::{CallId, CallRecord};
use crate::clock::{Monotonic, Stamp};
use crate::crm::{Freshness, Lane, Outcome, Shown, Ticket};
use crate::journal::{self, Mark, Part, Seq};
use crate::limits::{AFTER_CRASH, CARD_BACKOFF_LONGEST, RECORDING_OTHERS_WAIT, USERS_REFRESH_WISH};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the user decided, and when this process started.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Recordings are attached (a source is configured).
    pub recordings: bool,
    /// A recording that is not there this long after its call is given up.
    pub recording_give_up: Duration,
    /// When this process started: requests of an earlier one may still run for a while.
    pub started: Monotonic,
}

/// What a report told of: met (again), or over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Of [`Schedule::fault`].
    pub fault: bool,
    /// Of [`Schedule::alarm`].
    pub alarm: bool,
}

/// The schedule of one CRM.
#[derive(Debug)]
pub struct Schedule {
    policy: Policy,
    cards: Cards,
    calls: Calls,
    recordings: Recordings,
    /// What the cards lane works on; the other lanes' work is marked in their hands.
    card_in_flight: Option<CallId>,
    busy: [bool; 3],
    /// Lanes that get no more work: another schedule takes over.
    resting: [bool; 3],
    /// When the CRM did something it was asked for last.
    answered: Monotonic,
    portal: Backoff,
    card_backoff: Backoff,
    suspended: Monotonic,
    /// Only what recordings and the list of users need is out of use until then.
    recordings_suspended: Monotonic,
    /// Our own request limit lets a lane's next request go then: no fault of anybody's.
    held: [Monotonic; 3],
    refresh: Option<Monotonic>,
    /// When the users were asked last.
    users_asked: Option<Monotonic>,
    /// The users were read once. Until then no call goes, for it would go to the wrong one.
    users_known: bool,
    /// Readings of the users that failed in a row, and the calls that may go in spite of it.
    users_failures: u32,
    without_users: u32,
    marks: VecDeque<(Seq, Mark)>,
    fault: Option<String>,
    /// Why recordings cannot come, until one came.
    alarm: Option<String>,
    /// The fault is that of single calls; the portal itself is well.
    fault_of_calls: bool,
    news: News,
    counters: Counters,
    drain: Drain,
}

impl Schedule {
    /// An empty schedule; `seed` makes its jitter repeatable.
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            cards: Cards::default(),
            calls: Calls::new(policy.started),
            recordings: Recordings::default(),
            card_in_flight: None,
            busy: [false; 3],
            resting: [false; 3],
            answered: Monotonic::default(),
            portal: Backoff::new(seed),
            card_backoff: Backoff::capped(seed ^ 1, CARD_BACKOFF_LONGEST),
            suspended: Monotonic::default(),
            recordings_suspended: Monotonic::default(),
            held: [Monotonic::default(); 3],
            refresh: Some(Monotonic::default()),
            users_asked: None,
            users_known: false,
            users_failures: 0,
            without_users: 0,
            marks: VecDeque::new(),
            fault: None,
            alarm: None,
            fault_of_calls: false,
            news: News::default(),
            counters: Counters::default(),
            drain: Drain::default(),
        }
    }

    /// A hint. Returns whether it is news for the cards.
    pub fn live(&mut self, call: LiveCall, now: Monotonic) -> bool {
        self.cards.update(call, now).unwrap_or_else(|_| {
            self.counters.cards_dropped += 1;
            false
        })
    }

    /// The cards, to prepare, hold, release and restore them around the mirror.
    pub fn cards(&mut self) -> &mut Cards {
        &mut self.cards
    }

    /// The cards, to look at.
    pub fn known_cards(&self) -> impl Iterator<Item = &Card> {
        self.cards.known()
    }

    /// The call is over: what the CRM knows of it, for the journal. Its card waits for [`appended`](Self::appended).
    pub fn finished(&mut self, id: &CallId) -> Ticket {
        self.cards.end(id)
    }

    /// No record of the call follows for this CRM (it became part of another one, or the CRM does not want it): its
    /// card is closed.
    pub fn dropped(&mut self, id: &CallId, now: Monotonic) {
        self.cards.leave(id, now);
    }

    /// The journal has the call; without `seq` it could not take it and the call is delivered from memory.
    pub fn appended(&mut self, seq: Option<Seq>, record: Arc<CallRecord>, ticket: Ticket) {
        let card = record.id.clone();
        self.appended_as(seq, &card, record, ticket);
    }

    /// The same for a call whose card went by the identity `card`, and which got one of its own.
    pub fn appended_as(&mut self, seq: Option<Seq>, card: &CallId, record: Arc<CallRecord>, ticket: Ticket) {
        let journalled = ticket.clone();
        let fact = match self.cards.take(card) {
            Some(card) => {
                let (in_flight, doubt_until) = (card.is_in_flight(), card.doubt_until());
                Fact::fresh(seq, record, card.ticket, card.shown, in_flight).not_before(doubt_until)
            }
            // It was in doubt when an earlier process ended, whose last request may still be running.
            None if ticket.in_doubt => {
                Fact::fresh(seq, record, ticket, Shown::default(), false).not_before(self.policy.started + AFTER_CRASH)
            }
            None => Fact::fresh(seq, record, ticket, Shown::default(), false),
        };
        self.calls.deal(fact.noted_as(&journalled));
    }

    /// What to read from the journal, one question at a time.
    pub fn question(&mut self, now: Monotonic) -> Option<Question> {
        let calls = self.calls.question(now);
        calls.or_else(|| self.policy.recordings.then(|| self.recordings.question(now)).flatten())
    }

    /// The journal's answer to a [`question`](Self::question).
    pub fn loaded(&mut self, part: Part, entries: Vec<journal::Pending>, now: Stamp) {
        match part {
            Part::Call => self.calls.loaded(entries, now),
            Part::Recordings => self.recordings.loaded(entries, now.mono),
        }
    }

    /// The journal's next answer lacks calls that its medium did not give this time. Recordings are read again anyway.
    pub fn calls_left_out(&mut self, now: Monotonic) {
        self.calls.left_out(now);
    }

    /// The journal was opened only now: what it has was not asked for yet.
    pub fn journal_opened(&mut self) {
        self.calls.read_anew();
        self.recordings.read_anew();
    }

    /// Calls in hand.
    pub fn in_hand(&self) -> impl Iterator<Item = &Arc<CallRecord>> {
        self.calls.in_hand()
    }

    /// Calls that only the memory holds.
    pub fn unjournalled(&self) -> impl Iterator<Item = (&Arc<CallRecord>, &Ticket)> {
        self.calls.unjournalled()
    }

    /// The journal was too busy to be asked.
    pub fn unasked(&mut self, part: Part) {
        match part {
            Part::Call => self.calls.unasked(),
            Part::Recordings => self.recordings.unasked(),
        }
    }

    /// The next job for a free lane; the lane is busy until its [`report`](Self::report).
    pub fn poll_job(&mut self, now: Stamp) -> Option<Job> {
        self.cards.expire(now.mono);
        if now.mono < self.suspended {
            return None;
        }
        let job = self.card_job(now.mono).or_else(|| self.call_job(now)).or_else(|| self.recording_job(now))?;
        if let Some(busy) = self.busy.get_mut(job.lane() as usize) {
            *busy = true;
        }
        Some(job)
    }

    /// A lane is done with its job.
    pub fn report(&mut self, report: Report, now: Stamp) {
        if let Some(busy) = self.busy.get_mut(report.lane as usize) {
            *busy = false;
        }
        // A recording that is not there yet is no fault of the CRM.
        let of_file =
            report.lane == Lane::Recordings && !self.refreshing() && matches!(report.outcome, Outcome::Retry { .. });
        let is_fault = !of_file && self.note_fault(report.lane, &report.outcome, now.mono);
        let is_done = report.outcome == Outcome::Done;
        if is_done {
            self.answered = now.mono;
        }
        if let Outcome::Held { after } = &report.outcome
            && report.together.is_empty()
            && let Some(held) = self.held.get_mut(report.lane as usize)
        {
            *held = now.mono + *after;
        }
        if report.refresh {
            self.refresh_sooner(now.mono);
        }
        match report.lane {
            Lane::Cards => self.card_reported(report, now.mono),
            Lane::Calls => self.call_reported(report, now),
            Lane::Recordings if self.refreshing() => self.refresh_reported(&report.outcome, now.mono),
            Lane::Recordings => self.recording_reported(report, now),
        }
        // One call that goes does not mend another that cannot.
        let is_over = is_done && self.fault.is_some() && !(self.fault_of_calls && self.calls.are_stuck());
        if is_over {
            (self.fault, self.fault_of_calls) = (None, false);
        }
        self.news.fault = is_fault || is_over;
    }

    /// What the last report was about. Told once.
    pub fn take_news(&mut self) -> News {
        core::mem::take(&mut self.news)
    }

    /// The next mark for the journal.
    pub fn poll_mark(&mut self) -> Option<(Seq, Mark)> {
        self.marks.pop_front()
    }

    /// The journal could not take the mark now.
    pub fn return_mark(&mut self, seq: Seq, mark: Mark) {
        self.marks.push_front((seq, mark));
    }

    /// When something becomes due by itself.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let free = |lane: Lane| !self.is_busy(lane);
        let cards = self.cards.next_due().filter(|_| self.users_known && free(Lane::Cards));
        let cards = cards.map(|t| t.max(self.card_backoff.until()).max(self.held_until(Lane::Cards)));
        let calls = self.calls.next_due().filter(|_| self.users_known && free(Lane::Calls));
        let calls = calls.map(|t| t.max(self.portal.until()).max(self.held_until(Lane::Calls)));
        let recordings = self.recordings.next_due().into_iter().chain(self.refresh).min();
        let recordings = recordings.filter(|_| free(Lane::Recordings));
        let recordings = recordings
            .map(|t| t.max(self.portal.until()).max(self.recordings_suspended).max(self.held_until(Lane::Recordings)));
        let due = [cards, calls, recordings].into_iter().flatten().min().map(|t| t.max(self.suspended));
        due.into_iter().chain(self.cards.next_expiry()).min()
    }

    /// The user says so: everything that waits is tried now, whatever its own back-off. Two waits stay, for to cut them
    /// short would do harm: the request limit (ours, and the portal's 429 and 503), and the time that a request whose
    /// answer was lost may still run at the portal.
    pub fn kick(&mut self, now: Monotonic) {
        self.portal.succeeded();
        self.card_backoff.succeeded();
        (self.suspended, self.recordings_suspended) = (Monotonic::default(), Monotonic::default());
        self.refresh = self.refresh.map(|due| due.min(now));
        self.calls.hasten(now);
        self.recordings.hasten(now);
    }

    /// Counters for `status`.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Counts on from what another schedule counted, before anything is counted here.
    pub fn count_on(&mut self, counters: Counters) {
        self.counters = counters;
    }

    /// How the backlog gets through, for `status`; none when there is none.
    pub fn drain(&self, now: Monotonic) -> Option<Draining> {
        self.calls.has_backlog().then(|| self.drain.told(now)).flatten()
    }

    /// What is wrong with the CRM now; none after a request that worked.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// What somebody has to mend before recordings can come; none after one came.
    pub fn alarm(&self) -> Option<&str> {
        self.alarm.as_deref()
    }

    /// Whether every call in hand is delivered and no lane is at work.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && !self.busy.contains(&true)
    }

    /// Gives the lane no more work. Returns whether it has none in hand.
    pub fn rest(&mut self, lane: Lane) -> bool {
        if let Some(resting) = self.resting.get_mut(lane as usize) {
            *resting = true;
        }
        !self.works(lane)
    }

    /// Whether the lane has work in hand.
    pub fn works(&self, lane: Lane) -> bool {
        self.busy.get(lane as usize).copied().unwrap_or(false)
    }

    /// Every lane gets work again.
    pub fn work(&mut self) {
        self.resting = [false; 3];
    }

    /// It gets no job now.
    fn is_busy(&self, lane: Lane) -> bool {
        let is_set = |lanes: &[bool; 3]| lanes.get(lane as usize).copied().unwrap_or(true);
        is_set(&self.busy) || is_set(&self.resting)
    }

    fn held_until(&self, lane: Lane) -> Monotonic {
        self.held.get(lane as usize).copied().unwrap_or_default()
    }

    fn may_ask(&self, lane: Lane, now: Monotonic) -> bool {
        !self.is_busy(lane) && now >= self.held_until(lane)
    }

    /// A delivery met a user who is not known rightly. That may be so with every call (a wrong entry of the
    /// configuration), and the list of users is long.
    fn refresh_sooner(&mut self, now: Monotonic) {
        let earliest = self.users_asked.map_or(now, |asked| (asked + USERS_REFRESH_WISH).max(now));
        self.refresh = self.refresh.map(|due| due.min(earliest));
    }

    fn card_job(&mut self, now: Monotonic) -> Option<Job> {
        if !self.users_known || !self.may_ask(Lane::Cards, now) || now < self.card_backoff.until() {
            return None;
        }
        let card = self.cards.take_due(now)?;
        self.card_in_flight = Some(card.call.id.clone());
        Some(Job::Announce {
            call: Box::new(card.call.clone()),
            ticket: card.ticket.clone(),
            shown: card.shown.clone(),
        })
    }

    fn call_job(&mut self, now: Stamp) -> Option<Job> {
        let in_spite = self.without_users > 0;
        let may = in_spite || (self.users_known && now.mono >= self.portal.until());
        if !may || !self.may_ask(Lane::Calls, now.mono) {
            return None;
        }
        self.without_users = self.without_users.saturating_sub(1);
        // Whether the portal is back is found out with one call.
        let together = self.users_known && self.portal.failures() == 0;
        Some(match self.calls.take_turn(now, together)? {
            Turn::One(fact) => Job::Deliver {
                record: Arc::clone(&fact.record),
                ticket: fact.ticket.clone(),
                shown: fact.shown.clone(),
                freshness: if fact.is_fresh(now) { Freshness::Fresh } else { Freshness::Replayed },
                in_doubt: fact.in_doubt,
            },
            Turn::Together(facts) => Job::DeliverTogether {
                calls: facts.into_iter().map(|fact| fact.consign(self.policy.recordings)).collect(),
            },
        })
    }

    fn recording_job(&mut self, now: Stamp) -> Option<Job> {
        let until = self.portal.until().max(self.recordings_suspended);
        if !self.may_ask(Lane::Recordings, now.mono) || now.mono < until {
            return None;
        }
        if self.refresh.is_some_and(|due| due <= now.mono) {
            self.refresh = None;
            return Some(Job::Refresh);
        }
        let pending = self.recordings.take_due(now.mono)?;
        Some(Job::Attach {
            record: Arc::clone(&pending.record),
            ticket: pending.ticket.clone(),
            left: pending.left,
            patient: pending.record.ended.age(now) < RECORDING_OTHERS_WAIT,
            in_doubt: pending.in_doubt,
            link: pending.take_link(),
        })
    }
}

#[cfg(test)]
mod backlog;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod tests;
