//! What the hub writes to the mirror and takes up from it after a kill: the tracker, the cards with their tickets, and
//! finished calls that the journal does not hold.
//!
//! Stands apart from the hub's way of a call, which only needs to know that a ticket is written before its card goes.
//! The image is made anew for each write and is as large as what is in hand; nothing waits for the write but new cards,
//! and those not when it fails.

use super::{Hub, Seat};
use crate::call::record::CallId;
use crate::clock::{Monotonic, Stamp};
use crate::crm::Ticket;
use crate::daemon::image::{CardImage, FinishedImage, Image, SavedImage};
use crate::journal::Crm;
use crate::limits::{MIRROR_GATHER, MIRROR_INTERVAL};
use std::sync::Arc;

/// What the mirror was last told.
#[derive(Default)]
pub(super) struct Mirrored {
    tracker_generation: u64,
    /// Tickets or finished calls changed since.
    pub dirty: bool,
    /// The last state that was handed over.
    last: u64,
    /// The write after which held cards may go.
    awaited: Option<u64>,
    at: Monotonic,
    /// Nothing is asked of the CRMs any more: what is written next stays true.
    pub is_last: bool,
}

impl Mirrored {
    /// What a mirror that this process has not written yet was told.
    pub fn nothing() -> Self {
        Self { dirty: true, ..Self::default() }
    }
}

impl Hub {
    /// Cards of calls that live or have just ended; the others are closed wherever they are open, and forgotten.
    pub(super) fn restore_cards(&mut self, cards: Vec<CardImage>, finished: &[CallId], now: Monotonic) {
        for CardImage { crm, call, ticket, shown, doubt_until } in cards {
            let id = call.id.clone();
            let lives = self.tracker.knows(&id) || finished.contains(&id);
            let Some(seat) = self.seats.iter_mut().find(|seat| seat.tag.bits() == crm) else { continue };
            seat.schedule.cards().restore(call, ticket, shown, doubt_until, now);
            if !lives {
                log::info!("{}: closing the card of call {id}, which is no more", seat.port.name());
                seat.schedule.dropped(&id, now);
            }
        }
    }

    pub(super) fn restore_finished(&mut self, image: FinishedImage, now: Monotonic) {
        let tickets = self.known_tickets(&image.tickets);
        for (place, seat) in (0..).zip(&mut self.seats) {
            seat.schedule.finished(&image.record.id);
            if !tickets.iter().any(|(crm, _)| *crm == Crm(place)) {
                seat.schedule.dropped(&image.record.id, now);
            }
        }
        self.keep(image.record, tickets, now);
    }

    fn known_tickets(&self, tickets: &[(u32, Ticket)]) -> Vec<(Crm, Ticket)> {
        let seats = (0..).zip(&self.seats);
        let ticket_of = |tag: u32| tickets.iter().find(|(crm, _)| *crm == tag).map(|(_, ticket)| ticket.clone());
        seats.filter_map(|(place, seat)| Some((Crm(place), ticket_of(seat.tag.bits())?))).collect()
    }

    /// Freezes the tickets of cards that are about to be announced for the first time.
    pub(super) fn prepare_cards(&mut self, now: Monotonic) {
        for seat in &mut self.seats {
            while let Some((call, ticket)) = seat.schedule.cards().prepare_next(now) {
                seat.port.prepare(call, ticket);
                self.mirrored.dirty = true;
                self.mirrored.awaited = Some(u64::MAX);
            }
        }
    }

    /// When it is written again by itself.
    pub(super) fn mirror_due(&self) -> Option<Monotonic> {
        let changed = self.tracker.generation() != self.mirrored.tracker_generation;
        let wait = if changed { MIRROR_GATHER } else { MIRROR_INTERVAL };
        let kept = changed || (self.tracker.calls() > 0 && self.last_heard.is_none());
        let again = self.is_unwritten().then(|| self.mirrored.at + MIRROR_INTERVAL);
        kept.then(|| self.mirrored.at + wait).into_iter().chain(again).min()
    }

    pub(super) fn write_mirror(&mut self, now: Stamp) {
        self.tell_mirror_fault(now.mono);
        if !self.mirrored.dirty && self.mirror_due().is_none_or(|due| now.mono < due) {
            return;
        }
        let mut content = self.mirror.buffer();
        if let Err(error) = serde_json::to_writer(&mut content, &self.image(now)) {
            log::error!("the mirror could not be made: {error}");
            content.clear(); // no state is better than an old one
        }
        let write = self.mirror.store(content);
        if self.mirrored.awaited == Some(u64::MAX) {
            self.mirrored.awaited = Some(write);
        }
        self.mirrored.last = write;
        self.mirrored.tracker_generation = self.tracker.generation();
        self.mirrored.dirty = false;
        self.mirrored.at = now.mono;
    }

    fn image(&self, now: Stamp) -> Image<'_> {
        Image {
            tracker: self.tracker.export(self.last_heard.unwrap_or(now)),
            cards: self.seats.iter().flat_map(|seat| self.card_images(seat)).collect(),
            finished: self.unsafe_calls(),
        }
    }

    /// As they are when this is read: what may go at any moment is then on the way, and nobody writes it down.
    fn card_images(&self, seat: &Seat) -> impl Iterator<Item = CardImage> {
        let (tag, is_last) = (seat.tag.bits(), self.mirrored.is_last);
        seat.schedule.known_cards().map(move |card| {
            let mut image = CardImage::of(tag, card);
            image.ticket.in_doubt |= card.may_go() && !is_last;
            image
        })
    }

    /// The present state as another process would read it.
    pub(super) fn saved(&self, now: Stamp) -> Option<SavedImage> {
        let copied = serde_json::to_string(&self.image(now)).and_then(|text| serde_json::from_str(&text));
        copied.inspect_err(|error| log::error!("cards and calls in hand are not taken along: {error}")).ok()
    }

    /// The last state was tried and could not be written.
    fn is_unwritten(&self) -> bool {
        let progress = self.mirror.how_far();
        progress.fault.is_some() && progress.tried >= self.mirrored.last
    }

    fn tell_mirror_fault(&mut self, now: Monotonic) {
        let line = match self.mirror.how_far().fault {
            Some(kind) => self.mirror_fault.fault(&format!("calls in progress do not outlive a restart: {kind}"), now),
            None => self.mirror_fault.well(),
        };
        if let Some(line) = line {
            log::warn!("state directory: {line}");
        }
    }

    /// Finished calls that the journal does not hold: on the way there, or delivered from memory.
    fn unsafe_calls(&self) -> Vec<FinishedImage> {
        let tag = |crm: Crm| self.seats.get(usize::from(crm.0)).map(|seat| seat.tag.bits());
        let mut images: Vec<FinishedImage> = Vec::new();
        for append in self.appends.values() {
            let tickets = append.tickets.iter().filter_map(|(crm, ticket)| Some((tag(*crm)?, ticket.clone())));
            images.push(FinishedImage { record: Arc::clone(&append.record), tickets: tickets.collect() });
        }
        for seat in &self.seats {
            for (record, ticket) in seat.schedule.unjournalled() {
                // One call of several CRMs is one record; two calls may have one identity. A request may be under way.
                let ticket = (seat.tag.bits(), Ticket { in_doubt: true, ..ticket.clone() });
                match images.iter_mut().find(|image| Arc::ptr_eq(&image.record, record)) {
                    Some(image) => image.tickets.push(ticket),
                    None => images.push(FinishedImage { record: Arc::clone(record), tickets: vec![ticket] }),
                }
            }
        }
        images
    }

    pub(super) fn release_cards(&mut self) {
        // A mirror that cannot be written must not cost the cards.
        let tried = self.mirror.how_far().tried;
        if self.mirrored.awaited.is_none_or(|write| tried >= write) {
            self.mirrored.awaited = None;
            for seat in &mut self.seats {
                seat.schedule.cards().release();
            }
        }
    }
}
