//! What the ring remembers of its entries in memory: where each lies and how far each CRM has it.
//!
//! Stands apart so that counts (undelivered per CRM, bytes that must not be overwritten) change in one place together
//! with the states they count. Does no I/O.
//!
//! Bounds: one [`Slot`] per entry in the file, delivered or not, so at most as many as fit the ring, whatever the
//! outage; texts stay in the file. Measured with the tree around it, an entry costs 63 bytes, and 41 more while a mark
//! with a text (a refusal, a ticket that a recording needs) belongs to it. The shortest entries take some 120 bytes on
//! flash, so a full ring of the default 512 KiB costs at most 270 KiB of memory and usually half of that; the largest,
//! of 16 MiB, up to 9 MiB: see [`JOURNAL_KIB_MAX`](crate::limits::JOURNAL_KIB_MAX).

use super::marks::Mark;
use super::record::{Seq, State, Summary};
use super::ring::Part;
use crate::limits::JOURNAL_CRMS;
use std::collections::BTreeMap;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where its record begins in the file.
    pub offset: u32,
    /// Size of its record in bytes.
    pub size: u16,
    /// How many recordings it has.
    pub recordings: u8,
    /// Its date is not known yet.
    pub undated: bool,
    /// It was there when the journal was opened: what is not marked of it is in doubt.
    pub recovered: bool,
    /// Fingerprint of the call's identity.
    pub id_hash: u32,
    /// By CRM slot.
    pub states: [State; JOURNAL_CRMS],
}

impl Slot {
    /// From what recovery or an append knows.
    pub fn new(summary: &Summary, offset: u32, size: u16, recovered: bool) -> Self {
        Self {
            offset,
            size,
            recordings: summary.recordings,
            undated: summary.undated.is_some(),
            recovered,
            id_hash: summary.id_hash,
            states: summary.states,
        }
    }

    /// The same entry, its record copied elsewhere.
    pub fn moved_to(mut self, offset: u32, size: u16, undated: bool) -> Self {
        (self.offset, self.size, self.undated) = (offset, size, undated);
        self
    }

    /// Whether a CRM of the `active` slots (bits) still has work with it.
    pub fn is_open(&self, active: u8) -> bool {
        self.states.iter().enumerate().any(|(slot, state)| active >> slot & 1 != 0 && state.is_open(self.recordings))
    }

    /// Whether a CRM of the `active` slots refused it.
    pub fn is_dead(&self, active: u8) -> bool {
        self.states.iter().enumerate().any(|(slot, state)| active >> slot & 1 != 0 && state.is_refused())
    }

    /// Its bytes if it is undelivered, and if it is undelivered or refused.
    fn bytes(&self, active: u8) -> (u64, u64) {
        let (size, open) = (u64::from(self.size), self.is_open(active));
        (if open { size } else { 0 }, if open || self.is_dead(active) { size } else { 0 })
    }
}

/// All entries, by identity, which is their age.
#[derive(Clone, Debug, Default)]
pub struct Index {
    slots: BTreeMap<Seq, Slot>,
    /// Where the text of a mark lies: offset of its record in the file.
    notes: BTreeMap<(Seq, u8), u32>,
    /// CRM slots that are configured, as bits.
    active: u8,
    counts: Counts,
}

/// Sums over all entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Entries whose call is left to do, and those whose call a CRM has and whose recordings it has not.
    calls: [u32; JOURNAL_CRMS],
    recordings: [u32; JOURNAL_CRMS],
    open_bytes: u64,
    held_bytes: u64,
    all_bytes: u64,
    undated: u32,
}

impl Index {
    /// Which CRM slots count from now on.
    pub fn activate(&mut self, active: u8) {
        self.active = active;
        self.counts = Counts::default();
        for slot in self.slots.values() {
            self.counts.add(slot, active);
        }
    }

    /// CRM slots that count, as bits.
    pub fn active(&self) -> u8 {
        self.active
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Entries with this part of their work left, by CRM slot.
    pub fn open(&self, part: Part) -> [u32; JOURNAL_CRMS] {
        match part {
            Part::Call => self.counts.calls,
            Part::Recordings => self.counts.recordings,
        }
    }

    /// How many entries a CRM refused; counted when somebody asks, which is seldom.
    pub fn dead(&self) -> usize {
        self.slots.values().filter(|slot| slot.is_dead(self.active)).count()
    }

    /// Bytes of entries that must not be overwritten.
    pub fn open_bytes(&self) -> u64 {
        self.counts.open_bytes
    }

    /// Bytes of entries that are undelivered or refused.
    pub fn held_bytes(&self) -> u64 {
        self.counts.held_bytes
    }

    /// Bytes of all entries.
    pub fn all_bytes(&self) -> u64 {
        self.counts.all_bytes
    }

    /// Entries whose date is not known.
    pub fn undated(&self) -> u32 {
        self.counts.undated
    }

    /// One entry.
    pub fn slot(&self, seq: Seq) -> Option<&Slot> {
        self.slots.get(&seq)
    }

    /// Adds an entry, or puts a copy in place of the one it was made of.
    pub fn put(&mut self, seq: Seq, slot: Slot) {
        self.remove(seq);
        self.counts.add(&slot, self.active);
        self.slots.insert(seq, slot);
    }

    /// Forgets an entry.
    pub fn remove(&mut self, seq: Seq) -> Option<Slot> {
        let slot = self.slots.remove(&seq)?;
        self.counts.take(&slot, self.active);
        while let Some((&key, _)) = self.notes.range((seq, 0)..=(seq, u8::MAX)).next() {
            self.notes.remove(&key);
        }
        Some(slot)
    }

    /// Applies a mark. Whether it changed anything.
    pub fn mark(&mut self, seq: Seq, crm: u8, mark: &Mark) -> bool {
        self.change(seq, |slot| {
            if let Some(state) = slot.states.get_mut(usize::from(crm)) {
                mark.apply(state);
            }
            // What a CRM refused it may have taken in part before: asked first, as after a restart.
            slot.recovered |= *mark == Mark::Retry;
        })
    }

    /// Makes all entries forget a CRM whose slot another took.
    pub fn forget_crm(&mut self, crm: u8) {
        let seqs: Vec<Seq> = self.slots.keys().copied().collect();
        for seq in seqs {
            self.change(seq, |slot| {
                if let Some(state) = slot.states.get_mut(usize::from(crm)) {
                    *state = State::default();
                }
            });
            self.notes.remove(&(seq, crm));
        }
    }

    /// Remembers where the text of a mark lies.
    pub fn note(&mut self, seq: Seq, crm: u8, offset: u32) {
        if self.slots.contains_key(&seq) {
            self.notes.insert((seq, crm), offset);
        }
    }

    /// Where the texts of an entry's marks lie: slot and offset.
    pub fn notes(&self, seq: Seq) -> impl Iterator<Item = (u8, u32)> + '_ {
        self.notes.range((seq, 0)..=(seq, u8::MAX)).map(|((_, crm), offset)| (*crm, *offset))
    }

    /// The first entry after `after` with this part of its work left for a CRM.
    pub fn next_open(&self, crm: u8, part: Part, after: Seq) -> Option<Seq> {
        self.after(after).find(|(_, slot)| is_part_open(slot, crm, part)).map(|(seq, _)| seq)
    }

    /// Entries after `after`, oldest first.
    pub fn after(&self, after: Seq) -> impl Iterator<Item = (Seq, &Slot)> + '_ {
        let later = self.slots.range((core::ops::Bound::Excluded(after), core::ops::Bound::Unbounded));
        later.map(|(seq, slot)| (*seq, slot))
    }

    /// Entries before `before`, newest first.
    pub fn before(&self, before: Seq) -> impl Iterator<Item = (Seq, &Slot)> + '_ {
        self.slots.range(..before).rev().map(|(seq, slot)| (*seq, slot))
    }

    /// Entries whose record begins in these `length` bytes of the file, oldest first.
    pub fn within(&self, start: u32, length: u32) -> Vec<(Seq, Slot)> {
        let is_within = |slot: &Slot| slot.offset >= start && slot.offset - start < length;
        self.slots.iter().filter(|(_, slot)| is_within(slot)).map(|(seq, slot)| (*seq, *slot)).collect()
    }

    /// Entries whose identity has this fingerprint, newest first.
    pub fn with_hash(&self, hash: u32) -> impl Iterator<Item = Seq> + '_ {
        self.slots.iter().rev().filter(move |(_, slot)| slot.id_hash == hash).map(|(seq, _)| *seq)
    }

    fn change(&mut self, seq: Seq, edit: impl FnOnce(&mut Slot)) -> bool {
        let Some(slot) = self.slots.get_mut(&seq) else { return false };
        let before = *slot;
        edit(slot);
        let after = *slot;
        if before == after {
            return false;
        }
        self.counts.take(&before, self.active);
        self.counts.add(&after, self.active);
        true
    }
}

/// Whether a CRM slot has this work left with an entry. Recordings follow their call.
fn is_part_open(slot: &Slot, crm: u8, part: Part) -> bool {
    let Some(state) = slot.states.get(usize::from(crm)) else { return false };
    match part {
        Part::Call => state.is_waiting(),
        Part::Recordings => !state.is_waiting() && state.is_open(slot.recordings),
    }
}

impl Counts {
    fn add(&mut self, slot: &Slot, active: u8) {
        self.count(slot, active, u32::saturating_add, u64::saturating_add);
    }

    fn take(&mut self, slot: &Slot, active: u8) {
        self.count(slot, active, u32::saturating_sub, u64::saturating_sub);
    }

    fn count(&mut self, slot: &Slot, active: u8, calls: fn(u32, u32) -> u32, bytes: fn(u64, u64) -> u64) {
        for (part, counts) in [(Part::Call, &mut self.calls), (Part::Recordings, &mut self.recordings)] {
            for (crm, count) in (0u8..).zip(counts) {
                *count = calls(*count, u32::from(active >> crm & 1 != 0 && is_part_open(slot, crm, part)));
            }
        }
        let (open, held) = slot.bytes(active);
        self.open_bytes = bytes(self.open_bytes, open);
        self.held_bytes = bytes(self.held_bytes, held);
        self.all_bytes = bytes(self.all_bytes, u64::from(slot.size));
        self.undated = calls(self.undated, u32::from(slot.undated));
    }
}
