//! Reading the ring: windows of what is undelivered, of the history, and one entry whole.
//!
//! Entries are read from the file when they are asked for, with their checksum, so that memory does not grow with the
//! backlog. One that went bad since the start is forgotten and counted. One that the medium would not give this time is
//! left out and kept: it may be read the next time.

use super::super::frame::{Frame, Kind};
use super::super::index::Slot;
use super::super::marks::{Mark, marks_in};
use super::super::record::{Delivery, Seq, State, Stored, id_hash, repeated_id};
use super::super::storage::Storage;
use super::{Crm, HistoryItem, Part, Pending, Ring};
use crate::call::record::CallRecord;
use crate::limits::{JOURNAL_CRMS, JOURNAL_PAGE_BYTES, JOURNAL_WINDOW};
use heapless::Vec as Bounded;
use std::io;

impl<S: Storage> Ring<S> {
    /// Calls after `after` with this part of their work left for `crm`, oldest first, at most `max` and at most
    /// [`JOURNAL_WINDOW`]. None means that there are no more.
    pub fn pending(&mut self, crm: Crm, part: Part, after: Seq, max: usize) -> Vec<Pending> {
        let Some(&slot) = self.slots.get(usize::from(crm.0)) else { return Vec::new() };
        let max = max.min(JOURNAL_WINDOW);
        let mut window = Vec::with_capacity(max);
        let mut last = after;
        self.has_left_out = false;
        while window.len() < max {
            let Some(seq) = self.index.next_open(slot, part, last) else { break };
            last = seq;
            match self.pending_of(seq, slot) {
                Ok(Some(pending)) => window.push(pending),
                Ok(None) => self.forget_lost(seq),
                Err(_) => self.has_left_out = true, // the others need not wait for it
            }
        }
        window
    }

    /// Whether the last window of [`pending`](Self::pending) lacks a call that the medium did not give.
    pub fn has_left_out(&self) -> bool {
        self.has_left_out
    }

    /// Every entry with the place of its record in the file and how far each configured CRM has it, oldest first; reads
    /// nothing.
    pub fn progress(&self) -> impl Iterator<Item = (Seq, u32, Bounded<State, JOURNAL_CRMS>)> + '_ {
        let state = |slot: &Slot, seat: &u8| slot.states.get(usize::from(*seat)).copied().unwrap_or_default();
        let states = move |slot: &Slot| self.slots.iter().map(|seat| state(slot, seat)).collect();
        self.index.after(Seq::default()).map(move |(seq, slot)| (seq, slot.offset, states(slot)))
    }

    /// The newest call of this identity, as the PBX gave it, if the journal has one.
    pub fn find(&self, id: &str) -> Option<Seq> {
        self.of_identity(id).find_map(Result::ok).map(|(seq, _)| seq)
    }

    /// The calls of this identity, as the PBX gave it, newest first: more than one where the PBX gave it again. An
    /// error for each that may be one of them and cannot be read now.
    pub(super) fn of_identity(&self, id: &str) -> impl Iterator<Item = io::Result<(Seq, Stored)>> {
        let stored = move |seq| match self.slot_and_stored(seq) {
            Ok(found) => found.filter(|(_, stored)| stored.call.id == id).map(|(_, stored)| Ok((seq, stored))),
            Err(error) => Some(Err(error)),
        };
        self.index.with_hash(id_hash(id)).filter_map(stored)
    }

    /// Calls before `before`, newest first, at most `max` and at most [`JOURNAL_WINDOW`]. Begin with
    /// `Seq(u64::MAX)`.
    pub fn history(&self, before: Seq, max: usize) -> Vec<HistoryItem> {
        let seqs = self.index.before(before).map(|(seq, _)| seq);
        seqs.filter_map(|seq| self.history_item(seq)).take(max.min(JOURNAL_WINDOW)).collect()
    }

    /// Calls after `after` that a configured CRM refused for ever, oldest first, at most `max` and at most
    /// [`JOURNAL_WINDOW`].
    pub fn refused(&self, after: Seq, max: usize) -> Vec<HistoryItem> {
        let active = self.index.active();
        let dead = self.index.after(after).filter(|(_, slot)| slot.is_dead(active)).map(|(seq, _)| seq);
        dead.filter_map(|seq| self.history_item(seq)).take(max.min(JOURNAL_WINDOW)).collect()
    }

    fn pending_of(&self, seq: Seq, crm: u8) -> io::Result<Option<Pending>> {
        let Some((slot, mut stored)) = self.slot_and_stored(seq)? else { return Ok(None) };
        let dating = self.date(&slot, &mut stored);
        let delivery = stored.deliveries.iter().find(|delivery| delivery.slot == crm).cloned();
        Ok(delivery.map(|Delivery { state, ticket, .. }| Pending {
            seq,
            ticket,
            recordings_left: state.recordings_left(slot.recordings),
            in_doubt: slot.recovered,
            dating,
            call: as_told(stored.call, stored.repeat),
        }))
    }

    fn history_item(&self, seq: Seq) -> Option<HistoryItem> {
        let (slot, mut stored) = self.slot_and_stored(seq).ok().flatten()?;
        let dating = self.date(&slot, &mut stored);
        let told = stored.deliveries.into_iter().filter_map(|delivery| {
            let Delivery { slot, state, ticket, reason } = delivery;
            let crm = self.slots.iter().position(|seat| *seat == slot)?;
            Some((Crm(u8::try_from(crm).ok()?), state, ticket, reason))
        });
        Some(HistoryItem { seq, dating, deliveries: told.collect(), call: as_told(stored.call, stored.repeat) })
    }

    /// An entry as it would be written today: marks and a date that became known are worked in. None when it went bad;
    /// an error, which may pass, when the medium does not give its bytes.
    pub(super) fn slot_and_stored(&self, seq: Seq) -> io::Result<Option<(Slot, Stored)>> {
        let Some(slot) = self.index.slot(seq).copied() else { return Ok(None) };
        let Some(mut stored) = self.read_entry(&slot)?.filter(|stored| stored.seq == seq) else { return Ok(None) };
        for delivery in &mut stored.deliveries {
            let Some(state) = slot.states.get(usize::from(delivery.slot)) else { return Ok(None) };
            delivery.state = *state;
        }
        for (crm, offset) in self.index.notes(seq) {
            self.work_in_note(&mut stored, crm, offset)?;
        }
        self.work_in_queued(&mut stored);
        self.date_anew(&mut stored);
        Ok(Some((slot, stored)))
    }

    fn read_entry(&self, slot: &Slot) -> io::Result<Option<Stored>> {
        let mut record = vec![0; usize::from(slot.size)];
        self.read_at(u64::from(slot.offset), &mut record)?;
        let frame = Frame::parse(&record).filter(|frame| frame.kind == Kind::Entry);
        Ok(frame.and_then(|frame| Stored::decode(&frame.payload()?).ok()))
    }

    /// Texts of marks lie in their own records; one that went bad is left out.
    fn work_in_note(&self, stored: &mut Stored, crm: u8, offset: u32) -> io::Result<()> {
        let in_page = offset as usize % JOURNAL_PAGE_BYTES;
        let mut rest = vec![0; JOURNAL_PAGE_BYTES - in_page];
        self.read_at(u64::from(offset), &mut rest)?;
        let frame = Frame::parse(&rest).filter(|frame| frame.kind == Kind::Marks);
        let Some(payload) = frame.and_then(|frame| frame.payload()) else { return Ok(()) };
        let seq = stored.seq;
        for marked in marks_in(&payload).filter(|marked| marked.seq == seq && marked.slot == crm) {
            note_text(stored, crm, &marked.mark);
        }
        Ok(())
    }

    /// Marks that are not written yet.
    fn work_in_queued(&self, stored: &mut Stored) {
        let seq = stored.seq;
        for marked in self.marks.iter().filter(|marked| marked.seq == seq) {
            note_text(stored, marked.slot, &marked.mark);
        }
    }
}

/// The call under the identity that the CRMs get.
fn as_told(mut call: CallRecord, repeat: u32) -> Box<CallRecord> {
    call.id = repeated_id(&call.id, repeat);
    Box::new(call)
}

fn note_text(stored: &mut Stored, crm: u8, mark: &Mark) {
    let Some(delivery) = stored.deliveries.iter_mut().find(|delivery| delivery.slot == crm) else { return };
    match mark {
        Mark::Delivered { ticket: Some(ticket) } => delivery.ticket.call = ticket.clone(),
        Mark::RecordingsGivenUp { reason } | Mark::Refused { reason } => delivery.reason = reason.clone(),
        Mark::Retry => delivery.reason.clear(),
        Mark::Delivered { ticket: None } | Mark::Attached { .. } => {}
    }
}
