//! The hand of finished calls of one CRM: dealt from the journal, delivered one by one, oldest first.
//!
//! Bounds: [`CALLS_IN_HAND`] entries from the journal and [`APPENDS_IN_FLIGHT`] that the journal could not take. The
//! rest waits in the journal and is read through a cursor. An entry leaves the hand only with a verdict, so what was
//! attempted is never read again as new.

use super::job::Question;
use crate::call::record::CallRecord;
use crate::clock::Monotonic;
use crate::crm::{Shown, Ticket};
use crate::journal::{Dating, Part, Pending, Seq};
use crate::limits::{
    AFTER_CRASH, APPENDS_IN_FLIGHT, CALL_ASIDE_WAIT, CALL_RETRY_LONGEST, CALLS_ASIDE, CALLS_IN_HAND,
    DOUBT_SETTLE_LONGEST,
};
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
    /// How good its stamps are.
    pub dating: Dating,
    /// Ask the CRM first.
    pub in_doubt: bool,
    failures: u32,
    due: Monotonic,
    /// A request about it may still be running at the CRM until then.
    settles: Monotonic,
    in_flight: bool,
    /// A card of it is still in flight.
    card_in_flight: bool,
}

impl Fact {
    /// A call that the journal has just answered for.
    pub fn fresh(
        seq: Option<Seq>,
        record: Arc<CallRecord>,
        ticket: Ticket,
        shown: Shown,
        card_in_flight: bool,
    ) -> Self {
        let (due, settles, dating) = (Monotonic::default(), Monotonic::default(), Dating::Known);
        let (in_doubt, failures, in_flight) = (false, 0, false);
        Self { seq, record, ticket, shown, dating, in_doubt, failures, due, settles, in_flight, card_in_flight }
    }

    /// A request about it may still be running until `settles`: not due before.
    #[must_use]
    pub fn not_before(self, settles: Monotonic) -> Self {
        Self { due: self.due.max(settles), settles: self.settles.max(settles), ..self }
    }

    /// A call of the backlog. One that may have been delivered by a process that crashed waits until that process's
    /// last request is over.
    fn loaded(entry: Pending, started: Monotonic) -> Self {
        let Pending { seq, call, ticket, in_doubt, dating, .. } = entry;
        let settles = if in_doubt { started + AFTER_CRASH } else { Monotonic::default() };
        let fact = Self::fresh(Some(seq), Arc::from(call), ticket, Shown::default(), false);
        Self { in_doubt, dating, ..fact }.not_before(settles)
    }

    /// Due again after `wish`, and later with each failure of its own; without a wish when the portal is ready, for then the
    /// failure was not about this call.
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

/// The hand of one CRM.
#[derive(Debug)]
pub struct Calls {
    hand: VecDeque<Fact>,
    started: Monotonic,
    cursor: Seq,
    asked: bool,
    dry: bool,
    /// Settled while a question was under way, whose answer may still have them.
    settled: Vec<Seq>,
    aside: Vec<Aside>,
}

/// A call that waits longer and has made room: what must not be forgotten of it until it is read again.
#[derive(Debug)]
struct Aside {
    seq: Seq,
    ticket: Ticket,
    failures: u32,
    in_doubt: bool,
    due: Monotonic,
    settles: Monotonic,
}

impl Calls {
    /// An empty hand of a process that started at `started`.
    pub fn new(started: Monotonic) -> Self {
        let (settled, aside) = (Vec::new(), Vec::new());
        Self { hand: VecDeque::new(), started, cursor: Seq(0), asked: false, dry: false, settled, aside }
    }

    /// Takes a call that has just ended, if there is room; otherwise it is read from the journal in its turn.
    pub fn deal(&mut self, fact: Fact) {
        let room = if fact.seq.is_some() { CALLS_IN_HAND } else { CALLS_IN_HAND + APPENDS_IN_FLIGHT };
        if self.hand.len() < room {
            self.hand.push_back(fact);
        } else if fact.seq.is_some() {
            self.dry = false;
        } else {
            log::error!("call {} is lost: neither the journal nor the memory has room for it", fact.record.id);
        }
    }

    /// What to read from the journal next, if there is room.
    pub fn question(&mut self, now: Monotonic) -> Option<Question> {
        if self.aside.iter().any(|aside| aside.due <= now) && !self.asked {
            self.read_anew();
        }
        let room = CALLS_IN_HAND.saturating_sub(self.hand.len());
        if self.asked || self.dry || room < CALLS_IN_HAND / 2 {
            return None;
        }
        self.asked = true;
        self.settled.clear();
        Some(Question { part: Part::Call, after: self.cursor, max: room })
    }

    /// The journal has to be read from its oldest call.
    pub fn read_anew(&mut self) {
        (self.cursor, self.asked, self.dry) = (Seq(0), false, false);
    }

    /// The question could not be asked: later again.
    pub fn unasked(&mut self) {
        self.asked = false;
    }

    /// The journal's answer to [`question`](Self::question).
    pub fn loaded(&mut self, entries: Vec<Pending>, now: Monotonic) {
        self.asked = false;
        self.dry = entries.is_empty();
        for entry in entries {
            self.cursor = self.cursor.max(entry.seq);
            let seq = entry.seq;
            let known = self.settled.contains(&seq) || self.hand.iter().any(|fact| fact.seq == Some(seq));
            let aside = self.aside.iter().position(|aside| aside.seq == seq);
            let waits = aside.and_then(|at| self.aside.get(at)).is_some_and(|aside| aside.due > now);
            if known || waits {
                continue;
            }
            let mut fact = Fact::loaded(entry, self.started);
            if let Some(aside) = aside.map(|at| self.aside.swap_remove(at)) {
                (fact.ticket, fact.failures) = (aside.ticket, aside.failures);
                fact.in_doubt |= aside.in_doubt;
            }
            self.hand.push_back(fact);
        }
    }

    /// The next call to deliver: calls of this moment before the backlog, the backlog oldest first. It is in flight
    /// until [`settle`](Self::settle) or [`put_back`](Self::put_back).
    pub fn take_due(&mut self, now: Monotonic, fresh: impl Fn(&Fact) -> bool) -> Option<&Fact> {
        let fact = self
            .hand
            .iter_mut()
            .filter(|fact| !fact.in_flight && !fact.card_in_flight && fact.due <= now)
            .min_by_key(|fact| (!fresh(fact), fact.seq))?;
        fact.in_flight = true;
        Some(fact)
    }

    /// A verdict was reached: the call in flight leaves the hand.
    pub fn settle(&mut self) -> Option<Fact> {
        let at = self.hand.iter().position(|fact| fact.in_flight)?;
        let fact = self.hand.remove(at)?;
        if self.asked {
            self.settled.extend(fact.seq);
        }
        Some(fact)
    }

    /// No verdict yet: the call in flight is due again after `wish`.
    pub fn put_back(&mut self, now: Monotonic, wish: Duration, ticket: Ticket, shown: Shown, in_doubt: bool) {
        let Some(at) = self.hand.iter().position(|fact| fact.in_flight) else { return };
        if let Some(fact) = self.hand.get_mut(at) {
            (fact.ticket, fact.shown) = (ticket, shown);
            fact.in_doubt |= in_doubt;
            if in_doubt {
                fact.settles = now + wish.min(DOUBT_SETTLE_LONGEST);
            }
            fact.put_back(now, wish);
        }
        self.put_aside(at, now);
    }

    /// A call that waits long makes room in a crowded hand; the journal has it.
    fn put_aside(&mut self, at: usize, now: Monotonic) {
        let crowded = self.hand.len() > CALLS_IN_HAND / 2 && self.aside.len() < CALLS_ASIDE;
        let long = |fact: &&Fact| fact.seq.is_some() && fact.due.since(now) > CALL_ASIDE_WAIT;
        if !crowded || self.hand.get(at).filter(long).is_none() {
            return;
        }
        if let Some(Fact { seq: Some(seq), ticket, failures, in_doubt, due, settles, .. }) = self.hand.remove(at) {
            self.aside.push(Aside { seq, ticket, failures, in_doubt, due, settles });
        }
    }

    /// The card in flight, of which there is one at a time, was that of a call in hand; if its answer was lost, the call
    /// waits until `doubt_until`.
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
        for aside in &mut self.aside {
            aside.due = aside.due.min(now.max(aside.settles));
        }
    }

    /// The moment of the next due call.
    pub fn next_due(&self) -> Option<Monotonic> {
        let hand = self.hand.iter().filter(|fact| !fact.in_flight && !fact.card_in_flight).map(|fact| fact.due);
        hand.chain(self.aside.iter().map(|aside| aside.due)).min()
    }

    /// Calls in hand that the journal does not hold.
    pub fn unjournalled(&self) -> impl Iterator<Item = (&CallRecord, &Ticket)> {
        self.hand.iter().filter(|fact| fact.seq.is_none()).map(|fact| (&*fact.record, &fact.ticket))
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
