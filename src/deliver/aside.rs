//! Calls that wait long and have made room in the hand: what must not be forgotten of them until they are read again.
//!
//! Stands apart from the hand because the journal holds the calls themselves: here is only what it does not know, when
//! each is due and what the CRM was asked about it. Bounds: [`CALLS_ASIDE`]. At the cap the one that is due first gives
//! way, for its memory is worth least; one that the CRM may know goes last, for its next attempt has to look first.

use crate::clock::Monotonic;
use crate::crm::Ticket;
use crate::journal::Seq;
use crate::limits::CALLS_ASIDE;
use core::cmp::Reverse;

/// How a call of the backlog goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// With others.
    #[default]
    Together,
    /// The answer to a request with others was lost: it is looked up with others, and then goes by itself. One of them
    /// may be what broke the request.
    LookedUp,
    /// It met something that only an attempt by itself can judge.
    Alone,
}

/// One call.
#[derive(Debug)]
pub(super) struct Aside {
    /// Its place in the journal.
    pub(super) seq: Seq,
    /// What the CRM knows of it.
    pub(super) ticket: Ticket,
    /// Failures of its own.
    pub(super) failures: u32,
    /// Ask the CRM first.
    pub(super) in_doubt: bool,
    /// When it is due.
    pub(super) due: Monotonic,
    /// A request about it may still be running at the CRM until then.
    pub(super) settles: Monotonic,
    /// How it goes.
    pub(super) way: Way,
}

impl Aside {
    /// Whether the CRM may know the call, so that only a look may follow.
    pub(super) fn is_known_there(&self) -> bool {
        self.in_doubt || self.ticket.in_doubt || self.ticket.refusals > 0 || !self.ticket.call.is_empty()
    }
}

/// The calls of one CRM that were put aside.
#[derive(Debug, Default)]
pub(super) struct Asides(Vec<Aside>);

impl Asides {
    /// Puts one more aside. Gives back the one that had to make room.
    pub(super) fn put(&mut self, aside: Aside) -> Option<Aside> {
        self.0.push(aside);
        if self.0.len() <= CALLS_ASIDE {
            return None;
        }
        let keys = self.0.iter().enumerate().map(|(at, aside)| (aside.is_known_there(), aside.due, at));
        let (_, _, at) = keys.min()?;
        Some(self.0.swap_remove(at))
    }

    /// Takes a call back, if it is here.
    pub(super) fn take(&mut self, seq: Seq) -> Option<Aside> {
        let at = self.0.iter().position(|aside| aside.seq == seq)?;
        Some(self.0.swap_remove(at))
    }

    /// Whether a call is here and not due yet.
    pub(super) fn is_waiting(&self, seq: Seq, now: Monotonic) -> bool {
        self.0.iter().any(|aside| aside.seq == seq && aside.due > now)
    }

    /// The call that has been due longest.
    pub(super) fn due(&self, now: Monotonic) -> Option<Seq> {
        let due = self.0.iter().filter(|aside| aside.due <= now);
        due.max_by_key(|aside| Reverse((aside.due, aside.seq))).map(|aside| aside.seq)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.0.iter().map(|aside| aside.due).min()
    }

    /// Every one is due now, but for those of which a request may still be running.
    pub(super) fn hasten(&mut self, now: Monotonic) {
        for aside in &mut self.0 {
            aside.due = aside.due.min(now.max(aside.settles));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(seq: u64, due: u64, in_doubt: bool) -> Aside {
        let (due, settles) = (Monotonic::from_millis(due), Monotonic::default());
        let (seq, ticket, way) = (Seq(seq), Ticket::default(), Way::default());
        Aside { seq, ticket, failures: 1, in_doubt, due, settles, way }
    }

    #[test]
    fn at_the_cap_the_one_that_is_due_first_goes_but_none_that_the_crm_may_know() {
        let mut asides = Asides::default();
        assert!(asides.put(aside(1, 10, true)).is_none());
        for n in 2..=CALLS_ASIDE as u64 {
            assert!(asides.put(aside(n, 10_000 - n, false)).is_none());
        }
        let gone = asides.put(aside(5000, 20_000, false)).unwrap();
        assert_eq!(gone.seq, Seq(CALLS_ASIDE as u64));
        assert_eq!(asides.due(Monotonic::from_millis(10)), Some(Seq(1)));
    }
}
