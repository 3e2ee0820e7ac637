//! Turning the ring: how the head gets from page to page without overwriting what is still needed.
//!
//! The order that makes a power cut harmless at any byte:
//!
//! 1. A page is *collected* while it is still ahead of the gap: its undelivered entries queue to be moved.
//! 2. They are copied behind the head, with the next write.
//! 3. That write is synced.
//! 4. Only then the page is entered and overwritten.
//!
//! Until 3 both copies may lie in the file; they have one identity, and recovery takes the later. A process that was
//! killed before 3 tells its successor nothing of it: that one syncs before it enters its first page.

use super::super::JournalError;
use super::super::frame::{Body, Kind};
use super::super::head::Staged;
use super::super::index::Slot;
use super::super::marks::PageHead;
use super::super::record::Seq;
use super::super::storage::Storage;
use super::Ring;
use crate::config::WhenFull;
use crate::limits::{JOURNAL_PAGE_BYTES, JOURNAL_READ_TRIES};

/// An entry that must be copied before its page is overwritten.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// Its identity.
    pub seq: Seq,
    /// Its page, as counted by the head.
    pub source: u64,
}

impl<S: Storage> Ring<S> {
    /// Brings the head to where the record fits. Refuses only when the medium fails, or when the ring
    /// is full and told to keep what it has; even then marks may use up the gap, because they make room.
    pub(super) fn room_for(&mut self, body: &Body, kind: Kind) -> Result<(), JournalError> {
        let mut rounds = 0;
        loop {
            self.begin_page();
            self.place_moving()?;
            if self.moving.is_empty() && self.head.fits(body) {
                return Ok(());
            }
            // Once round without finding room: what is left is dropped rather than carried in circles.
            match self.collect_ahead(rounds < self.pages) {
                Err(JournalError::Full) if kind != Kind::Entry && self.collected > self.head.page() => {}
                result => result?,
            }
            self.place_moving()?;
            self.enter_next_page()?;
            rounds = rounds.saturating_add(1);
            if rounds > self.pages.saturating_mul(2) {
                return Err(JournalError::TooLarge); // cannot be: entries are capped below a page
            }
        }
    }

    /// Pages kept free ahead of the head. The slack takes the growth of entries whose marks are worked in when they
    /// move.
    pub(super) fn gap(&self) -> u64 {
        u64::from(self.pages / 32).clamp(2, 16)
    }

    /// Undelivered bytes up to which they are copied on. Above, too little of a page is free to make copying worth what
    /// it wears out: a ring that is full to three quarters writes each page four times over, one to fifteen sixteenths
    /// sixteen times, if what is undelivered lies everywhere. Small rings have little beside gap and head.
    fn open_bytes_max(&self) -> u64 {
        let (pages, page) = (u64::from(self.pages), JOURNAL_PAGE_BYTES as u64);
        let most = pages.saturating_sub(self.gap() + 2 + pages / 16);
        most.max(pages / 4 * 3) * page
    }

    /// Frees pages ahead until the gap is as wide as it should be.
    fn collect_ahead(&mut self, keep: bool) -> Result<(), JournalError> {
        while self.collected < self.head.page() + self.gap() {
            self.collect(self.collected + 1, keep)?;
            self.collected += 1;
        }
        Ok(())
    }

    /// Sorts the entries of one page: undelivered ones will be moved, or dropped when the ring is full of them; the
    /// others are forgotten.
    fn collect(&mut self, page: u64, keep: bool) -> Result<(), JournalError> {
        let capacity = u64::from(self.pages) * JOURNAL_PAGE_BYTES as u64;
        let keep_open = keep && self.index.open_bytes() <= self.open_bytes_max();
        // Refused calls are kept for the operator while there is plenty of room.
        let keep_dead = keep && self.index.held_bytes() <= capacity / 4;
        let start = self.head.number_of(page).saturating_mul(JOURNAL_PAGE_BYTES as u32);
        let (found, active) = (self.index.within(start, JOURNAL_PAGE_BYTES as u32), self.index.active());
        let is_open = |slot: &Slot| slot.is_open(active);
        if self.settings.when_full == WhenFull::DropNewest && !keep_open && found.iter().any(|(_, slot)| is_open(slot))
        {
            return Err(JournalError::Full);
        }
        for (seq, slot) in found {
            if is_open(&slot) && keep_open || slot.is_dead(active) && keep_dead {
                self.moving.push_back(Moving { seq, source: page });
            } else {
                self.forget(seq);
            }
        }
        Ok(())
    }

    /// Stages copies of the entries that must move, as long as they fit the head's page. One that the medium does not
    /// give stays first in the queue, and its page is not entered: it is there still when the medium reads again. After
    /// [`JOURNAL_READ_TRIES`] it is given up, for the calls that come since are not kept meanwhile.
    fn place_moving(&mut self) -> Result<(), JournalError> {
        while let Some(&Moving { seq, source }) = self.moving.front() {
            let found = match self.slot_and_stored(seq) {
                Err(error) if self.may_read_again(seq) => return Err(JournalError::io("read", &error)),
                found => found.unwrap_or_default(),
            };
            let copy = found.map(|(slot, stored)| {
                let mut payload = Vec::with_capacity(usize::from(slot.size) * 2);
                stored.encode(&mut payload);
                (slot, stored.undated.is_some(), Body::short(Kind::Entry, payload))
            });
            let Some((slot, undated, body)) = copy else {
                self.moving.pop_front();
                self.forget_lost(seq);
                continue;
            };
            if !self.head.fits(&body) {
                return Ok(());
            }
            self.moving.pop_front();
            self.head.stage(&body, move |offset, size| Staged::Moved {
                seq,
                slot: slot.moved_to(offset, size, undated),
                source,
            });
        }
        Ok(())
    }

    /// Counts a read that failed. False when there were enough of them.
    fn may_read_again(&mut self, seq: Seq) -> bool {
        let (unread, tries) = self.unread;
        let tries = if unread == seq { tries.saturating_add(1) } else { 1 };
        self.unread = (seq, tries);
        tries < JOURNAL_READ_TRIES
    }

    /// Writes what is staged and goes on to the next page.
    fn enter_next_page(&mut self) -> Result<(), JournalError> {
        self.write_staged()?;
        let next = self.head.page() + 1;
        if self.unsynced_sources.contains(&next) || !self.unsynced.has_synced() {
            self.sync()?;
        }
        while let Some(&Moving { seq, .. }) = self.moving.front().filter(|moving| moving.source == next) {
            self.moving.pop_front();
            self.forget(seq); // grown beyond all slack: see `gap`
        }
        self.head.enter_next_page();
        self.life.pages = self.life.pages.saturating_add(1);
        Ok(())
    }

    /// The ring's head as it is now.
    pub(super) fn page_head(&self) -> Body {
        let mut payload = Vec::new();
        PageHead { table: self.table, life: self.life }.encode(&mut payload);
        Body::plain(Kind::Head, payload)
    }

    /// Every page begins with the ring's head.
    fn begin_page(&mut self) {
        if self.head.is_page_fresh() {
            let body = self.page_head();
            self.head.stage(&body, |_, _| Staged::Head);
        }
    }

    /// Lets an entry go; an undelivered one is counted.
    fn forget(&mut self, seq: Seq) {
        let active = self.index.active();
        if self.index.remove(seq).is_some_and(|slot| slot.is_open(active)) {
            self.counters.dropped = self.counters.dropped.saturating_add(1);
        }
    }

    /// An entry whose bytes went bad.
    pub(super) fn forget_lost(&mut self, seq: Seq) {
        if self.index.remove(seq).is_some() {
            self.counters.lost_records = self.counters.lost_records.saturating_add(1);
        }
    }
}
