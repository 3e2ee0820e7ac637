//! What is written but not synced, and what a failed sync costs.
//!
//! After a failed `fsync` Linux takes the pages for clean: what they held may be gone, and the next `fsync` says
//! nothing of it. So the bytes written since the last good sync are kept, read from here while they are in danger, and
//! written again before the next sync. Only what was written and then synced without an error counts as safe.
//!
//! Bounds: [`JOURNAL_UNSYNCED_BYTES`] of memory.

use super::super::JournalError;
use super::super::storage::Storage;
use super::Ring;
use crate::clock::Monotonic;
use crate::limits::{JOURNAL_MARK_DELAY, JOURNAL_UNSYNCED_BYTES};
use std::io;

/// Writes since the last good sync, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsynced {
    writes: Vec<(u64, Vec<u8>)>,
    bytes: usize,
    /// There was a good sync since the ring was opened: what an earlier process wrote is safe too.
    has_synced: bool,
    /// A sync failed since: none of them can be relied on.
    is_lost: bool,
    /// When the ring was told the time last.
    now: Monotonic,
    /// When the failed sync is tried again without being asked.
    due: Option<Monotonic>,
}

impl Unsynced {
    /// When there is a sync to be tried again.
    pub(super) fn due(&self) -> Option<Monotonic> {
        self.due
    }

    /// Whether all that an earlier process wrote is safe.
    pub(super) fn has_synced(&self) -> bool {
        self.has_synced
    }

    /// What time it is.
    pub(super) fn note(&mut self, now: Monotonic) {
        self.now = now;
    }

    /// Takes a write in.
    pub(super) fn add(&mut self, offset: u64, mut bytes: Vec<u8>) {
        self.bytes += bytes.len();
        match self.writes.last_mut() {
            Some((start, last)) if *start + last.len() as u64 == offset => last.append(&mut bytes),
            _ => self.writes.push((offset, bytes)),
        }
    }

    fn settle(&mut self, is_synced: bool) {
        if is_synced {
            *self = Self { now: self.now, has_synced: true, ..Self::default() };
        } else {
            self.is_lost = true;
            self.due = Some(self.now + JOURNAL_MARK_DELAY);
        }
    }
}

impl<S: Storage> Ring<S> {
    /// Makes all that was appended and flushed safe from a power cut. After an error nothing since the last good sync
    /// is; it is still handed out as pending, and written again with the next sync: the next append's or the one that
    /// [`flush_due`](Self::flush_due) makes.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        let result = self.write_lost_again().and_then(|()| {
            self.counters.syncs = self.counters.syncs.saturating_add(1);
            self.counters.syncs_today = self.counters.syncs_today.saturating_add(1);
            self.life.syncs = self.life.syncs.saturating_add(1);
            self.storage.sync().map_err(|error| JournalError::io("sync", &error))
        });
        self.unsynced.settle(result.is_ok());
        if result.is_ok() {
            self.unsynced_sources.clear();
        }
        result
    }

    /// Syncs when a write of `length` bytes is more than may be kept.
    pub(super) fn make_room_unsynced(&mut self, length: usize) -> Result<(), JournalError> {
        if self.unsynced.bytes + length > JOURNAL_UNSYNCED_BYTES { self.sync() } else { Ok(()) }
    }

    /// Counts bytes that were written.
    pub(super) fn count_written(&mut self, length: usize) {
        for counter in [&mut self.counters.bytes, &mut self.counters.bytes_today, &mut self.life.bytes] {
            *counter = counter.saturating_add(length as u64);
        }
    }

    /// Reads from the medium, or from memory what the medium may have lost.
    pub(super) fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.storage.read_at(offset, buf)?;
        if self.unsynced.is_lost {
            self.unsynced.writes.iter().for_each(|(start, bytes)| overlay(offset, buf, *start, bytes));
        }
        Ok(())
    }

    fn write_lost_again(&mut self) -> Result<(), JournalError> {
        if !self.unsynced.is_lost {
            return Ok(());
        }
        for at in 0..self.unsynced.writes.len() {
            let Some((offset, bytes)) = self.unsynced.writes.get(at) else { break };
            self.storage.write_at(*offset, bytes).map_err(|error| JournalError::io("write", &error))?;
            let length = bytes.len();
            self.count_written(length);
        }
        Ok(())
    }
}

/// Puts what of `bytes`, which lie at `start`, falls into `buf`, which was read at `offset`.
fn overlay(offset: u64, buf: &mut [u8], start: u64, bytes: &[u8]) {
    let skip = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let places = buf.iter_mut().skip(skip(offset, start));
    for (place, byte) in places.zip(bytes.iter().skip(skip(start, offset))) {
        *place = *byte;
    }
}
