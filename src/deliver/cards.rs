//! The cards of live calls at one CRM: who should see what, latest state wins.
//!
//! Stands apart from the calls because its rules are the opposite: a card is worth something only now. Bounds:
//! [`CARDS`] cards; a change that could not be shown within [`CARD_WORTH`] is forgotten. The first announcement of a
//! call goes at once, later ones are gathered for [`CARD_DEBOUNCE`]. A card in flight holds its call back, so that one
//! call never has two requests at a time.

use crate::call::live::LiveCall;
use crate::call::record::CallId;
use crate::clock::Monotonic;
use crate::crm::{Shown, Ticket};
use crate::limits::{AFTER_CRASH, CARD_DEBOUNCE, CARD_WORTH, CARDS};
use core::time::Duration;

/// What is known of one live call at the CRM.
#[derive(Clone, Debug)]
pub struct Card {
    /// The call as it is now.
    pub call: LiveCall,
    /// What the CRM knows of it.
    pub ticket: Ticket,
    /// Who has it open.
    pub shown: Shown,
    /// Over; its record is on the way to the journal.
    ending: bool,
    /// No record follows: once nobody has it open any more it goes.
    leaving: bool,
    /// The CRM has not seen `call` yet; worth a request from `due` until `changed` + [`CARD_WORTH`].
    dirty: bool,
    announced: bool,
    due: Monotonic,
    changed: Monotonic,
    /// A request about it whose answer was lost may still be running at the CRM until then.
    doubt_until: Monotonic,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Its ticket is not prepared, or was so by an earlier process: this one has not mirrored it.
    Fresh,
    /// Its ticket waits for the mirror.
    Held,
    /// It may go.
    Ready,
    /// A lane works on it.
    InFlight,
}

/// All cards of one CRM.
#[derive(Debug, Default)]
pub struct Cards {
    table: Vec<Card>,
}

impl Cards {
    /// A hint. `Err` when the table is full and the call gets no card; `Ok(true)` when it is news.
    pub fn update(&mut self, call: LiveCall, now: Monotonic) -> Result<bool, Full> {
        if let Some(card) = self.table.iter_mut().find(|card| card.call.id == call.id) {
            return Ok(card.update(call, now));
        }
        if self.table.len() >= CARDS {
            return Err(Full);
        }
        self.table.push(Card {
            call,
            ticket: Ticket::default(),
            shown: Shown::default(),
            ending: false,
            leaving: false,
            dirty: true,
            announced: false,
            due: now,
            changed: now,
            doubt_until: Monotonic::default(),
            progress: Progress::Fresh,
        });
        Ok(true)
    }

    /// A card as an earlier process left it; a request of that process may still be running until `doubt_until`. One
    /// that is not registered goes only when the mirror of this process holds it.
    pub fn restore(&mut self, call: LiveCall, ticket: Ticket, shown: Shown, doubt_until: Monotonic, now: Monotonic) {
        let id = call.id.clone();
        let news = self.update(call, now) == Ok(true);
        let Some(card) = self.table.iter_mut().find(|card| news && card.call.id == id) else { return };
        card.announced = true;
        card.progress = if ticket.call.is_empty() { Progress::Fresh } else { Progress::Ready };
        card.doubt_until = doubt_until;
        if ticket.in_doubt {
            // The request that the crash cut off may still be running.
            card.doubt_until = doubt_until.max(now + AFTER_CRASH);
        }
        card.due = card.due.max(card.doubt_until);
        (card.ticket, card.shown) = (ticket, shown);
    }

    /// Cards of which the CRM may know or soon will, for the mirror: their user is frozen.
    pub fn known(&self) -> impl Iterator<Item = &Card> {
        self.table.iter().filter(|card| card.ticket.user.is_some())
    }

    /// The next card that is about to be announced for the first time and wants its ticket prepared; it is held until
    /// [`release`](Self::release).
    pub fn prepare_next(&mut self, now: Monotonic) -> Option<(&LiveCall, &mut Ticket)> {
        let card = self.table.iter_mut().find(|card| card.is_due(now) && card.progress == Progress::Fresh)?;
        card.progress = Progress::Held;
        Some((&card.call, &mut card.ticket))
    }

    /// The mirror holds every prepared ticket: held cards may go.
    pub fn release(&mut self) {
        for card in self.table.iter_mut().filter(|card| card.progress == Progress::Held) {
            card.progress = Progress::Ready;
        }
    }

    /// Forgets what is not worth a request any more, and cards of calls that are no more with it. Does so whether or
    /// not the CRM can be asked.
    pub fn expire(&mut self, now: Monotonic) {
        for card in &mut self.table {
            if card.dirty && !card.is_in_flight() && now.since(card.changed) > CARD_WORTH {
                card.dirty = false;
            }
        }
        self.table.retain(|card| !card.leaving || card.dirty || card.is_in_flight());
    }

    /// When the next card of a call that is no more goes by itself.
    pub fn next_expiry(&self) -> Option<Monotonic> {
        let leaving = self.table.iter().filter(|card| card.leaving && !card.is_in_flight());
        leaving.map(|card| card.changed + CARD_WORTH + Duration::from_millis(1)).min()
    }

    /// The next card to announce; it is in flight until [`landed`](Self::landed).
    pub fn take_due(&mut self, now: Monotonic) -> Option<&Card> {
        self.expire(now);
        let card = self
            .table
            .iter_mut()
            .filter(|card| card.is_due(now) && card.progress == Progress::Ready)
            .min_by_key(|card| card.changed)?;
        card.dirty = false;
        card.progress = Progress::InFlight;
        Some(card)
    }

    /// An announcement came back; one whose answer was lost is left alone until `doubt_until`. Returns false when the
    /// card is gone meanwhile (its call is a fact in hand).
    pub fn landed(&mut self, id: &CallId, ticket: Ticket, shown: Shown, repeat: bool, doubt_until: Monotonic) -> bool {
        let Some(card) = self.table.iter_mut().find(|card| card.call.id == *id) else { return false };
        (card.ticket, card.shown) = (ticket, shown);
        // Nobody to show it to was known: the next change, or newly read users, prepare it anew.
        card.progress = if card.ticket.user.is_some() { Progress::Ready } else { Progress::Fresh };
        card.announced = card.ticket.user.is_some();
        card.dirty |= repeat && !card.ending;
        // It was registered while the call went away: now there is something to close.
        card.dirty |= card.leaving && !card.ticket.call.is_empty() && !card.shown.0.is_empty();
        card.doubt_until = card.doubt_until.max(doubt_until);
        card.due = card.due.max(card.doubt_until);
        true
    }

    /// The CRM's users were read: cards that nobody was known for are looked at again.
    pub fn users_changed(&mut self, now: Monotonic) {
        for card in self.table.iter_mut().filter(|card| card.ticket.user.is_none() && !card.ending) {
            card.dirty = true;
            card.due = now;
            card.prepare_anew();
        }
    }

    /// The call is over: its ticket as far as known. The card stays until [`take`](Self::take).
    pub fn end(&mut self, id: &CallId) -> Ticket {
        let Some(card) = self.table.iter_mut().find(|card| card.call.id == *id) else { return Ticket::default() };
        card.ending = true;
        card.dirty = false;
        let mut ticket = card.ticket.clone();
        ticket.in_doubt |= card.is_in_flight();
        ticket
    }

    /// No record of this call follows: its card is closed wherever it is open, and forgotten.
    pub fn leave(&mut self, id: &CallId, now: Monotonic) {
        let Some(card) = self.table.iter_mut().find(|card| card.call.id == *id) else { return };
        card.ending = false;
        card.leaving = true;
        card.call.ringing.clear();
        card.call.caller.clear();
        card.call.talking = None;
        (card.dirty, card.due, card.changed) = (!card.ticket.call.is_empty(), now.max(card.doubt_until), now);
    }

    /// The call is a fact in hand: its card leaves the table.
    pub fn take(&mut self, id: &CallId) -> Option<Card> {
        let at = self.table.iter().position(|card| card.call.id == *id)?;
        Some(self.table.swap_remove(at))
    }

    /// The moment of the next due card, if any may go.
    pub fn next_due(&self) -> Option<Monotonic> {
        self.table.iter().filter(|c| c.dirty && !c.is_in_flight() && c.progress != Progress::Held).map(|c| c.due).min()
    }

    /// Cards in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no call is live.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// The table of cards is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Card {
    fn update(&mut self, call: LiveCall, now: Monotonic) -> bool {
        if self.ending || self.leaving || self.call == call {
            return false;
        }
        self.call = call;
        self.changed = now;
        self.prepare_anew();
        if !self.dirty {
            self.dirty = true;
            let due = if self.announced || self.is_in_flight() { now + CARD_DEBOUNCE } else { now };
            self.due = due.max(self.doubt_until);
        }
        true
    }

    /// A user who is known only now is frozen and mirrored like any other before the CRM is asked.
    fn prepare_anew(&mut self) {
        if self.ticket.user.is_none() && !self.is_in_flight() {
            self.progress = Progress::Fresh;
        }
    }

    fn is_due(&self, now: Monotonic) -> bool {
        self.dirty && !self.ending && self.due <= now
    }

    /// Until when a request about it may still be running at the CRM without our knowing.
    pub fn doubt_until(&self) -> Monotonic {
        self.doubt_until
    }

    /// Whether it may be registered at any moment.
    pub fn may_go(&self) -> bool {
        let is_frozen = self.ticket.user.is_some() && self.ticket.call.is_empty();
        is_frozen && matches!(self.progress, Progress::Held | Progress::Ready)
    }

    /// Whether a lane works on it.
    pub fn is_in_flight(&self) -> bool {
        self.progress == Progress::InFlight
    }
}
