//! The hand of finished calls of one CRM: dealt from the journal, delivered one by one, oldest first.
//!
//! Bounds: [`CALLS_IN_HAND`] entries from the journal and [`APPENDS_IN_FLIGHT`] that the journal could not take. The
//! rest waits in the journal and is read through a cursor. An entry leaves the hand only with a verdict, so what was
//! attempted is never read again as new.

use super::job::{About, Loaded, Question};
use crate::call::record::{CallId, CallRecord};
use crate::clock::Monotonic;
use crate::crm::{Shown, Ticket};
use crate::journal::Seq;
use crate::limits::{APPENDS_IN_FLIGHT, CALL_RETRY_LONGEST, CALLS_IN_HAND};
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
    /// Ended in this process's time, so its monotonic times count.
    pub own: bool,
    /// Ask the CRM first.
    pub in_doubt: bool,
    failures: u32,
    due: Monotonic,
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
        let due = Monotonic::default();
        Self {
            seq,
            record,
            ticket,
            shown,
            own: true,
            in_doubt: false,
            failures: 0,
            due,
            in_flight: false,
            card_in_flight,
        }
    }

    fn loaded(entry: Loaded, first_own: Seq) -> Self {
        let own = entry.seq >= first_own;
        Self {
            own,
            in_doubt: !own,
            ..Self::fresh(Some(entry.seq), Arc::new(entry.record), entry.ticket, Shown::default(), false)
        }
    }

    /// The whole entry waits longer after each failure of its own.
    fn put_back(&mut self, now: Monotonic, wish: Duration) {
        self.failures = self.failures.saturating_add(1);
        let own = Duration::from_secs(5).saturating_mul(1 << self.failures.min(10)).min(CALL_RETRY_LONGEST);
        self.due = now + if self.failures > 2 { own.max(wish) } else { wish };
        self.in_flight = false;
    }
}

/// The hand of one CRM.
#[derive(Debug)]
pub struct Calls {
    hand: VecDeque<Fact>,
    first_own: Seq,
    cursor: Option<Seq>,
    asked: bool,
    dry: bool,
}

impl Calls {
    /// An empty hand over a journal whose entries before `first_own` an earlier process wrote.
    pub fn new(first_own: Seq) -> Self {
        Self { hand: VecDeque::new(), first_own, cursor: None, asked: false, dry: false }
    }

    /// Takes a call that has just ended, if there is room; otherwise it is read from the journal in its turn.
    pub fn deal(&mut self, fact: Fact) {
        let room = if fact.seq.is_some() { CALLS_IN_HAND } else { CALLS_IN_HAND + APPENDS_IN_FLIGHT };
        if self.hand.len() < room {
            self.hand.push_back(fact);
        } else {
            self.dry = false;
        }
    }

    /// What to read from the journal next, if there is room.
    pub fn question(&mut self) -> Option<Question> {
        let room = CALLS_IN_HAND.saturating_sub(self.hand.len());
        if self.asked || self.dry || room < CALLS_IN_HAND / 2 {
            return None;
        }
        self.asked = true;
        Some(Question { about: About::Calls, after: self.cursor, max: room })
    }

    /// The journal's answer to [`question`](Self::question).
    pub fn loaded(&mut self, entries: Vec<Loaded>) {
        self.asked = false;
        self.dry = entries.is_empty();
        for entry in entries {
            self.cursor = self.cursor.max(Some(entry.seq));
            if !self.hand.iter().any(|fact| fact.seq == Some(entry.seq)) {
                self.hand.push_back(Fact::loaded(entry, self.first_own));
            }
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
        self.hand.remove(at)
    }

    /// No verdict yet: the call in flight is due again after `wish`.
    pub fn put_back(&mut self, now: Monotonic, wish: Duration, ticket: Ticket, shown: Shown, in_doubt: bool) {
        if let Some(fact) = self.hand.iter_mut().find(|fact| fact.in_flight) {
            (fact.ticket, fact.shown) = (ticket, shown);
            fact.in_doubt |= in_doubt;
            fact.put_back(now, wish);
        }
    }

    /// The last card of a call in hand came back.
    pub fn card_landed(&mut self, id: &CallId, ticket: Ticket, shown: Shown) {
        if let Some(fact) = self.hand.iter_mut().find(|fact| fact.card_in_flight && fact.record.id == *id) {
            fact.card_in_flight = false;
            (fact.ticket, fact.shown) = (ticket, shown);
        }
    }

    /// The moment of the next due call.
    pub fn next_due(&self) -> Option<Monotonic> {
        self.hand.iter().filter(|fact| !fact.in_flight && !fact.card_in_flight).map(|fact| fact.due).min()
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
