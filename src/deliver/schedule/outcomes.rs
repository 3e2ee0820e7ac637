//! What an outcome means for a card, a call or a recording: the right half of the schedule's table.
//!
//! Stands apart from the jobs because the two change for different reasons. Each report ends in exactly one of: a
//! verdict for the journal, a place in a hand with a time, or both. Owns nothing; see [`Schedule`].

use super::super::calls::Fact;
use super::super::job::{Dealt, Report};
use super::super::recordings::Pending;
use super::Schedule;
use crate::call::record::{CallRecord, RecordingPath};
use crate::clock::{Monotonic, Stamp};
use crate::crm::{Consignment, Fate, Lane, Outcome, Ticket, UploadLink};
use crate::journal::{Mark, Reason, Seq};
use crate::limits::{
    BACKOFF_LONGEST, CALLS_WITHOUT_USERS, CARD_BACKOFF_LONGEST, OUTAGE_FAILURES, SLOW_START, USERS_PATIENCE,
    USERS_REFRESH, USERS_REFRESH_RETRY,
};
use crate::text::bounded;
use core::time::Duration;
use std::sync::Arc;

impl Schedule {
    /// Notes what is wrong. False when nothing is.
    pub(super) fn note_fault(&mut self, lane: Lane, outcome: &Outcome, now: Monotonic) -> bool {
        let (why, wish) = match outcome {
            Outcome::Retry { why, after } => {
                self.counters.retries += 1;
                (why, after.unwrap_or_default())
            }
            Outcome::InDoubt { why, after } => {
                self.counters.in_doubt += 1;
                (why, *after)
            }
            Outcome::Suspend { after, why } => {
                // Of what only recordings need, cards and calls know nothing; they find out for themselves.
                if lane == Lane::Recordings && self.users_known {
                    self.recordings_suspended = now + *after;
                } else {
                    self.suspended = now + *after;
                }
                (why, Duration::ZERO)
            }
            Outcome::Done | Outcome::Refused { .. } | Outcome::Held { .. } => return false,
        };
        self.fault = Some(why.clone());
        self.fault_of_calls = lane == Lane::Calls && wish > BACKOFF_LONGEST;
        true
    }

    pub(super) fn card_reported(&mut self, report: Report, now: Monotonic) {
        let repeat = !matches!(report.outcome, Outcome::Done | Outcome::Refused { .. });
        match &report.outcome {
            Outcome::Done | Outcome::Refused { .. } => self.card_backoff.succeeded(),
            // A longer wish is about this call, and its card is not worth that.
            Outcome::Retry { after, .. } => self.card_backoff.failed(now, after.map(|a| a.min(CARD_BACKOFF_LONGEST))),
            Outcome::InDoubt { .. } | Outcome::Suspend { .. } => self.card_backoff.failed(now, None),
            Outcome::Held { .. } => {}
        }
        let doubt_until = match &report.outcome {
            Outcome::InDoubt { after, .. } => now + *after,
            _ => Monotonic::default(),
        };
        let Some(id) = self.card_in_flight.take() else { return };
        if !self.cards.landed(&id, report.ticket.clone(), report.shown.clone(), repeat, doubt_until) {
            self.calls.card_landed(report.ticket, report.shown, doubt_until);
        }
    }

    /// What became of calls that went together. A fault of the request is the portal's and none of theirs.
    fn together_reported(&mut self, outcome: &Outcome, calls: Vec<Consignment>, now: Stamp) {
        match outcome {
            Outcome::Done | Outcome::Refused { .. } => self.portal_answers(now.mono),
            Outcome::Retry { after, .. } => self.portal.failed(now.mono, *after),
            Outcome::InDoubt { .. } => self.portal.failed(now.mono, None),
            // What the request limit allows goes to the calls of this moment.
            Outcome::Held { after } => self.calls.hold_backlog(now.mono + *after),
            Outcome::Suspend { .. } => {}
        }
        for call in calls {
            match call.fate {
                Fate::Delivered => self.delivered_together(call, now),
                Fate::InDoubt { .. } => {
                    self.counters.in_doubt += 1;
                    self.calls.came_back(call, now.mono);
                }
                Fate::Waiting | Fate::Alone => self.calls.came_back(call, now.mono),
            }
        }
    }

    /// After an outage the backlogs of all offices of a city must not come back in one moment.
    fn portal_answers(&mut self, now: Monotonic) {
        if self.portal.failures() >= OUTAGE_FAILURES {
            let wait = self.portal.jitter(SLOW_START);
            self.calls.hold_backlog(now + wait);
        }
        self.portal.succeeded();
    }

    pub(super) fn call_reported(&mut self, report: Report, now: Stamp) {
        if !report.together.is_empty() {
            return self.together_reported(&report.outcome, report.together, now);
        }
        match report.outcome {
            Outcome::Done => {
                self.portal_answers(now.mono);
                let Some(fact) = self.calls.settle(None) else { return };
                self.delivered(fact, report.ticket, None, now);
            }
            Outcome::Refused { why } => {
                self.portal_answers(now.mono);
                self.counters.refused += 1;
                let Some(fact) = self.calls.settle(None) else { return };
                log::warn!("call {} is refused for ever: {why}", fact.record.id);
                self.mark(fact.seq, Mark::Refused { reason: bounded(why.as_bytes()) });
            }
            Outcome::Retry { after, .. } => {
                let own = after.filter(|wish| self.answered_for_one(*wish));
                if own.is_none() {
                    self.portal.failed(now.mono, after);
                }
                self.without_users = 0;
                self.calls.put_back(now.mono, own.unwrap_or_default(), report.ticket, report.shown, false);
            }
            Outcome::InDoubt { after, .. } => {
                if !self.answered_for_one(after) {
                    self.portal.failed(now.mono, None);
                }
                self.without_users = 0;
                self.calls.put_back(now.mono, after, report.ticket, report.shown, true);
            }
            Outcome::Suspend { after, .. } => self.calls.suspended(now.mono, after, report.ticket, report.shown),
            Outcome::Held { .. } => {
                self.calls.put_back(now.mono, Duration::ZERO, report.ticket, report.shown, false);
            }
        }
    }

    /// A long wish is about this call, and was the portal's own word: the others must not wait for it.
    fn answered_for_one(&mut self, wish: Duration) -> bool {
        let own = wish > BACKOFF_LONGEST;
        if own {
            self.portal.succeeded();
        }
        own
    }

    fn delivered_together(&mut self, call: Consignment, now: Stamp) {
        let Consignment { record, ticket, in_doubt, upload, .. } = call;
        let Some(mut fact) = self.calls.settle(Some(&record.id)) else { return };
        fact.in_doubt = in_doubt;
        self.delivered(fact, ticket, upload, now);
    }

    fn delivered(&mut self, fact: Fact, ticket: Ticket, upload: Option<UploadLink>, now: Stamp) {
        self.counters.delivered += 1;
        self.drain.delivered(fact.is_fresh(now), now.mono);
        let wanted = self.policy.recordings && !fact.record.recordings.is_empty() && fact.record.talk_ms > 0;
        // The ticket is worth its bytes only when a recording will need it after a restart.
        let news = (wanted && fact.is_news(&ticket.call)).then(|| ticket.call.clone());
        self.mark(fact.seq, Mark::Delivered { ticket: news });
        if wanted {
            let record = Arc::clone(&fact.record);
            let pending = Pending::new(fact.seq, record, ticket, fact.in_doubt, now.mono).with_link(upload);
            if !self.recordings.deal(pending) {
                self.counters.recordings_given_up += 1;
                log::warn!(
                    "call {} gets no recording: the journal does not hold it and the memory has no room",
                    fact.record.id
                );
            }
        }
    }

    fn mark(&mut self, seq: Option<Seq>, mark: Mark) {
        if let Some(seq) = seq {
            self.marks.push_back((seq, mark));
        }
    }

    pub(super) fn refreshing(&self) -> bool {
        self.refresh.is_none()
    }

    pub(super) fn refresh_reported(&mut self, outcome: &Outcome, now: Monotonic) {
        if let Outcome::Held { after } = outcome {
            self.refresh = Some(now + *after);
            return;
        }
        self.users_asked = Some(now);
        let answered = matches!(outcome, Outcome::Done | Outcome::Refused { .. });
        if answered {
            (self.users_known, self.users_failures, self.without_users) = (true, 0, 0);
            self.portal_answers(now);
            self.cards.users_changed(now);
        } else if !self.users_known {
            // Nothing else asks the portal yet, so this is what finds out that it is back.
            let wish = if let Outcome::Retry { after, .. } = outcome { *after } else { None };
            self.portal.failed(now, wish);
            // A portal that is out of use takes no call either.
            if !matches!(outcome, Outcome::Suspend { .. }) {
                self.users_failures = self.users_failures.saturating_add(1);
            }
            if self.users_failures >= USERS_PATIENCE {
                self.without_users = CALLS_WITHOUT_USERS;
            }
        }
        let wait = match (answered, self.users_known) {
            (true, _) => USERS_REFRESH,
            (false, true) => USERS_REFRESH_RETRY,
            (false, false) => Duration::ZERO,
        };
        self.refresh = Some(now + wait);
    }

    pub(super) fn recording_reported(&mut self, report: Report, now: Stamp) {
        if report.alarm.is_some() || report.outcome == Outcome::Done {
            self.news.alarm = report.alarm.is_some() || self.alarm.is_some();
            self.alarm = report.alarm;
        }
        let is_there = report.recording.is_some();
        match report.outcome {
            Outcome::Done => self.attached(report.recording, now.mono),
            Outcome::Held { .. } => self.recordings.hold(now.mono),
            Outcome::Refused { why } => self.recording_refused(report.recording, &why, now.mono),
            Outcome::Retry { after, why } => {
                self.recording_failed(is_there, after.unwrap_or_default(), false, &why, now)
            }
            Outcome::InDoubt { after, why } => self.recording_failed(is_there, after, true, &why, now),
            Outcome::Suspend { after, why } => self.recording_failed(is_there, after, false, &why, now),
        }
    }

    fn attached(&mut self, dealt: Option<Dealt>, now: Monotonic) {
        self.counters.recordings += 1;
        let Some(pending) = self.recordings.in_flight() else { return };
        let Dealt { index, alone } = dealt.unwrap_or(Dealt { index: pending.index(), alone: false });
        let others = alone.then(|| others(&pending.record, index)).flatten();
        let seq = pending.seq;
        self.mark(seq, Mark::Attached { recording: u8::try_from(index).unwrap_or(u8::MAX) });
        match others {
            Some(why) => {
                log::info!("{why}");
                self.recordings.give_up();
                self.mark(seq, Mark::RecordingsGivenUp { reason: bounded(why.as_bytes()) });
            }
            None => self.recordings.advance(index, now),
        }
    }

    /// One that is refused leaves its place to the others. The journal is told only when none is left: brought back by
    /// it, the refused one is refused again.
    fn recording_refused(&mut self, dealt: Option<Dealt>, why: &str, now: Monotonic) {
        let Some(pending) = self.recordings.in_flight() else { return };
        match dealt {
            Some(Dealt { index, .. }) if pending.has_others(index) => {
                log::warn!("call {}: recording {} is refused: {why}", pending.record.id, index + 1);
                self.recordings.advance(index, now);
            }
            _ => self.give_up_recordings(why),
        }
    }

    fn give_up_recordings(&mut self, why: &str) {
        self.counters.recordings_given_up += 1;
        let Some(pending) = self.recordings.give_up() else { return };
        log::warn!("call {} gets no recording: {why}", pending.record.id);
        let reason: Reason = bounded(why.as_bytes());
        self.mark(pending.seq, Mark::RecordingsGivenUp { reason });
    }

    fn recording_failed(&mut self, is_there: bool, wish: Duration, in_doubt: bool, why: &str, now: Stamp) {
        let Some(pending) = self.recordings.in_flight() else { return };
        let age = pending.record.ended.age(now);
        if age > self.policy.recording_give_up && pending.is_hopeless(is_there) {
            self.give_up_recordings(why);
        } else {
            self.recordings.failed(is_there, self.answered, now.mono);
            self.recordings.put_back(now.mono, wish, age, in_doubt);
        }
    }
}

/// Words about the recordings that gave way to the one that a CRM keeps; none if there were no others.
fn others(record: &CallRecord, attached: usize) -> Option<String> {
    let name = |path: &RecordingPath| path.rsplit('/').next().unwrap_or_default().to_owned();
    let others = record.recordings.iter().enumerate().filter(|(index, _)| *index != attached);
    let others: Vec<String> = others.map(|(_, path)| name(path)).collect();
    let kept = record.recordings.get(attached).map(name).unwrap_or_default();
    let (id, others) = (&record.id, (!others.is_empty()).then(|| others.join(", "))?);
    Some(format!("call {id}: one recording is kept, the longest: {kept}; left on the PBX: {others}"))
}
