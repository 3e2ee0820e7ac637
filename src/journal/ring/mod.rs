//! The ring: a log of calls in one file of fixed size.
//!
//! ```text
//!   page 0      1      2      3      4      5 …
//!  | older | newest | free | free | oldest | …        written from left to right, round and round
//!              ▲ head  └ gap ┘
//! ```
//!
//! Records are appended; nothing is ever changed in place. A few pages ahead of the head are kept free: before the gap
//! moves on, what is still needed in its next page is copied behind the head (its marks worked in), the rest is
//! forgotten (see `turn`). So delivered calls go first. Only when undelivered calls fill the ring but for some pages (a
//! quarter of the smallest, a tenth of larger ones) they are not moved any more but dropped, oldest first (or new calls
//! refused, by setting), and counted.
//!
//! Bounds: memory is the index (see [`super::index`]) and one page; an append copies at most once round the ring. Never
//! refuses a file. Blocks on its storage: it belongs on a thread of its own (see [`super::thread`]).

mod dates;
mod durable;
mod identity;
mod read;
mod turn;
mod types;

pub use types::{
    Addressee, Appended, Crm, CrmTag, Dating, Entry, Fullness, HistoryItem, Part, Pending, Settings, Stats,
};

use super::JournalError;
use super::frame::{Body, HEADER_BYTES, Kind, PAYLOAD_BYTES_MAX, SEQUENCE_END};
use super::head::{Head, Staged};
use super::index::{Index, Slot};
use super::marks::{BootClock, HEAD_BYTES_MAX, Life, Mark, Marked, Table};
use super::record::{Delivery, Reason, Seq, State, Stored, Summary};
use super::recover::{Clocks, Recovery, Scan, scan};
use super::storage::Storage;
use crate::clock::{Monotonic, Stamp};
use crate::limits::{
    JOURNAL_CRMS, JOURNAL_KIB_MAX, JOURNAL_MARK_DELAY, JOURNAL_MARKS, JOURNAL_MARKS_BYTES, JOURNAL_PAGE_BYTES,
};
use durable::Unsynced;
use heapless::Vec as Bounded;
use identity::Identity;
use std::collections::VecDeque;
use turn::Moving;

/// The journal's log.
#[derive(Clone, Debug)]
pub struct Ring<S> {
    storage: S,
    pages: u32,
    settings: Settings,
    table: Table,
    table_due: bool,
    /// By place in the configuration: slot of the table.
    slots: Bounded<u8, JOURNAL_CRMS>,
    index: Index,
    clocks: Clocks,
    clock_due: Option<BootClock>,
    /// From the monotonic clock to the wall's in this boot, as the dates of its calls are told.
    offset_ms: Option<i64>,
    head: Head,
    life: Life,
    /// Up to here (counted as [`Head::page`] does) pages hold nothing that is needed.
    collected: u64,
    moving: VecDeque<Moving>,
    /// Pages whose copies are written but not synced: they must not be overwritten yet.
    unsynced_sources: Vec<u64>,
    unsynced: Unsynced,
    marks: VecDeque<Marked>,
    marks_since: Option<Monotonic>,
    has_left_out: bool,
    /// The entry that could not be read to be moved, and how often.
    unread: (Seq, u32),
    counters: Stats,
    day: i64,
}

/// Pages of the largest ring.
const PAGES_MAX: u32 = JOURNAL_KIB_MAX * 1024 / JOURNAL_PAGE_BYTES as u32;
/// Fewer pages than this cannot turn: head, gap and something to keep.
const PAGES_MIN: u32 = 8;
/// What a page has left for one entry behind the ring's head.
const ENTRY_ROOM: usize = PAYLOAD_BYTES_MAX - HEADER_BYTES - HEAD_BYTES_MAX;
const DAY_MS: i64 = 86_400_000;

impl<S: Storage> Ring<S> {
    /// Opens whatever the storage holds. Writes nothing, unless the content was forged to be unusable.
    pub fn open(storage: S, settings: Settings) -> (Self, Recovery) {
        let pages = u32::try_from(storage.size() / JOURNAL_PAGE_BYTES as u64).unwrap_or(u32::MAX).min(PAGES_MAX);
        let mut scan = scan(&storage, pages);
        // Half of all numbers used up is forged (see SEQUENCE_END): such a ring could not go on for ever.
        let restarted = scan.highest_sequence > SEQUENCE_END / 2;
        if restarted {
            let recovery = Recovery { restarted, entries: 0, ..scan.recovery };
            scan = Scan { recovery, ..Scan::default() };
        }
        let recovery = scan.recovery;
        let mut ring = Self::from_scan(storage, pages, settings, scan);
        if restarted {
            ring.blank();
        }
        ring.seat_crms();
        (ring, recovery)
    }

    /// Appends a finished call, with all marks that wait. Not durable before [`sync`](Self::sync). A call that the
    /// journal has already is not written again; another call of the same identity is (see `identity`).
    pub fn append(&mut self, entry: &Entry, now: Stamp) -> Result<Appended, JournalError> {
        self.note_clock(now);
        let repeat = match self.identify(&entry.call, now)? {
            Identity::Known { seq, repeat } => return Ok(Appended { seq, known: true, repeat }),
            Identity::New { repeat } => repeat,
        };
        let stored = self.stored(entry, repeat, now);
        let mut payload = Vec::with_capacity(512);
        stored.encode(&mut payload);
        if payload.len() > ENTRY_ROOM {
            return Err(JournalError::TooLarge);
        }
        let summary = Summary::decode(&payload).map_err(|_| JournalError::TooLarge)?;
        let body = Body::short(Kind::Entry, payload);
        let seq = stored.seq;
        let written = self.transact(|ring| {
            ring.stage_bookkeeping()?;
            ring.room_for(&body, Kind::Entry)?;
            let slot = |offset, size| Slot::new(&summary, offset, size, false);
            ring.head.stage(&body, |offset, size| Staged::Entry { seq, slot: slot(offset, size) });
            Ok(())
        });
        if written == Err(JournalError::Full) {
            self.counters.refused = self.counters.refused.saturating_add(1);
        }
        written?;
        self.counters.repeated = self.counters.repeated.saturating_add(u32::from(repeat != 0));
        Ok(Appended { seq, known: false, repeat })
    }

    /// Notes what a CRM did with an entry. Counts at once; is written with the next append or by
    /// [`flush_due`](Self::flush_due). Unknown entries are ignored: they are delivered and forgotten.
    pub fn mark(&mut self, seq: Seq, crm: Crm, mark: Mark, now: Stamp) {
        let Some(&slot) = self.slots.get(usize::from(crm.0)) else { return };
        if !self.index.mark(seq, slot, &mark) && !mark.has_note() {
            return;
        }
        if self.marks.len() >= JOURNAL_MARKS && self.flush(now).is_err() {
            self.marks.pop_front(); // the medium fails: that entry will be looked up once more after a restart
            self.counters.forgotten_marks = self.counters.forgotten_marks.saturating_add(1);
        }
        self.marks_since.get_or_insert(now.mono);
        self.marks.push_back(Marked { seq, slot, mark });
    }

    /// When [`flush_due`](Self::flush_due) has something to do.
    pub fn next_flush(&self) -> Option<Monotonic> {
        let marks = self.marks_since.map(|since| since + JOURNAL_MARK_DELAY);
        [marks, self.unsynced.due()].into_iter().flatten().min()
    }

    /// Writes the waiting marks, or a clock that was set, if they have waited long enough. Syncs the clock, and what an
    /// earlier sync failed to; marks are written back by the system in its own time, and a lost one costs a look-up.
    pub fn flush_due(&mut self, now: Stamp) -> Result<(), JournalError> {
        let is_due = |since: Option<Monotonic>| since.is_some_and(|due| due <= now.mono);
        let mut is_sync_due = is_due(self.unsynced.due());
        if is_due(self.marks_since.map(|since| since + JOURNAL_MARK_DELAY)) {
            // Once in a boot, and without it calls would have no date for ever.
            is_sync_due |= self.clock_due.is_some();
            self.flush(now)?;
        }
        if is_sync_due { self.sync() } else { Ok(()) }
    }

    /// Writes the waiting marks now, without a sync.
    pub fn flush(&mut self, now: Stamp) -> Result<(), JournalError> {
        self.note_clock(now);
        let result = self.transact(Self::stage_bookkeeping);
        if result.is_err() && self.marks_since.is_some() {
            self.marks_since = Some(now.mono); // again after another delay, also when only a clock waits
        }
        result
    }

    /// The next entry's identity: those before it were there when the journal was opened.
    pub fn next_seq(&self) -> Seq {
        Seq(self.head.sequence())
    }

    /// How it is.
    pub fn stats(&self) -> Stats {
        let open = |part, slot: &u8| self.index.open(part).get(usize::from(*slot)).copied().unwrap_or(0);
        let recordings_left: Bounded<u32, JOURNAL_CRMS> =
            self.slots.iter().map(|slot| open(Part::Recordings, slot)).collect();
        let undelivered = self.slots.iter().zip(&recordings_left);
        let undelivered = undelivered.map(|(slot, left)| open(Part::Call, slot).saturating_add(*left)).collect();
        Stats {
            recordings_left,
            size_bytes: self.storage.size(),
            open_bytes: self.index.open_bytes(),
            entries: u32::try_from(self.index.count()).unwrap_or(u32::MAX),
            undelivered,
            dead: u32::try_from(self.index.dead()).unwrap_or(u32::MAX),
            unwritten: self.marks.iter().filter_map(|marked| self.unwritten(marked)).collect(),
            bytes_ever: self.life.bytes,
            syncs_ever: self.life.syncs,
            pages_ever: self.life.pages,
            calls_max: self.calls_max(),
            ..self.counters.clone()
        }
    }

    /// How full it is: asked after every append, so it costs nothing.
    pub fn fullness(&self) -> Fullness {
        let lost = self.counters.dropped.saturating_add(self.counters.refused);
        Fullness { open_bytes: self.index.open_bytes(), size_bytes: self.storage.size(), lost }
    }

    /// The storage under it.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The same, for tests that make it fail.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Pages but for the gap, of which the last is collected when the first call is dropped; each has a head and on
    /// average half a call left empty at its end.
    fn calls_max(&self) -> Option<u32> {
        let entries = u64::try_from(self.index.count()).ok()?;
        let mean = self.index.all_bytes().checked_div(entries)?.max(1);
        let in_page = (JOURNAL_PAGE_BYTES as u64).saturating_sub(HEADER_BYTES as u64 + 20 + mean / 2);
        let pages = u64::from(self.pages).saturating_sub(self.gap()).saturating_add(1);
        u32::try_from(pages * in_page / mean).ok()
    }

    fn unwritten(&self, marked: &Marked) -> Option<(Seq, Crm, Mark)> {
        let crm = self.slots.iter().position(|slot| *slot == marked.slot)?;
        Some((marked.seq, Crm(u8::try_from(crm).ok()?), marked.mark.clone()))
    }

    fn from_scan(storage: S, pages: u32, settings: Settings, scan: Scan) -> Self {
        let head = Head::new(pages, scan.head_page, scan.head_offset, scan.highest_sequence.saturating_add(1));
        Self {
            collected: head.page(),
            storage,
            pages,
            settings,
            table: scan.table,
            table_due: false,
            slots: Bounded::new(),
            index: scan.index,
            clocks: scan.clocks,
            clock_due: None,
            offset_ms: None,
            head,
            life: scan.life,
            moving: VecDeque::new(),
            unsynced_sources: Vec::new(),
            unsynced: Unsynced::default(),
            marks: VecDeque::new(),
            marks_since: None,
            has_left_out: false,
            unread: (Seq::default(), 0),
            counters: Stats::default(),
            day: i64::MIN,
        }
    }

    /// Overwrites a forged file with zeros. What the medium refuses will be refused again at the first append.
    fn blank(&mut self) {
        let zeros = [0; JOURNAL_PAGE_BYTES];
        for page in 0..self.pages {
            let _ = self.storage.write_at(u64::from(page) * JOURNAL_PAGE_BYTES as u64, &zeros);
        }
    }

    /// Gives every configured CRM its slot: the one it had, else a free one, else that of one that is gone.
    fn seat_crms(&mut self) {
        let tags: Vec<u32> = self.settings.crms.iter().map(|tag| tag.bits()).collect();
        for tag in &tags {
            let place = |wanted: &dyn Fn(u32) -> bool, table: &Table| table.0.iter().position(|t| wanted(*t));
            let seat = place(&|t| t == *tag, &self.table)
                .or_else(|| place(&|t| t == 0, &self.table))
                .or_else(|| place(&|t| !tags.contains(&t), &self.table));
            let Some((slot, seat)) = seat.and_then(|at| Some((u8::try_from(at).ok()?, self.table.0.get_mut(at)?)))
            else {
                continue; // eight CRMs at most are configured, so there is always a seat
            };
            let before = core::mem::replace(seat, *tag);
            // No seat is ever given up, so states at a free one mean that the head which named its CRM is lost.
            if before != 0 && before != *tag {
                self.index.forget_crm(slot);
            }
            self.table_due |= before != *tag;
            let _ = self.slots.push(slot);
        }
        self.index.activate(self.slots.iter().fold(0, |active, slot| active | 1 << slot));
    }

    /// The entry as it will lie on flash, dated if that is possible already.
    fn stored(&self, entry: &Entry, repeat: u32, now: Stamp) -> Stored {
        let mut call = (*entry.call).clone();
        let undated = if self.date_by(&mut call, now) { None } else { Some(self.settings.boot) };
        let deliveries = entry.addressees.iter().filter_map(|addressee| {
            let slot = *self.slots.get(usize::from(addressee.crm.0))?;
            let state = State::waiting(addressee.recordings);
            Some(Delivery { slot, state, ticket: addressee.ticket.clone(), reason: Reason::new() })
        });
        let (seq, boot) = (Seq(self.head.sequence()), self.settings.boot.fingerprint());
        Stored { seq, call, undated, boot, repeat, deliveries: deliveries.collect() }
    }

    /// Stages what goes before an entry: the table if it changed, the clock if it was set, the marks that wait.
    fn stage_bookkeeping(&mut self) -> Result<(), JournalError> {
        if self.table_due {
            let body = self.page_head();
            self.room_for(&body, Kind::Head)?;
            self.head.stage(&body, |_, _| Staged::Head);
        }
        if let Some(clock) = self.clock_due {
            let mut payload = Vec::new();
            clock.encode(&mut payload);
            let body = Body::plain(Kind::Clock, payload);
            self.room_for(&body, Kind::Clock)?;
            self.head.stage(&body, |_, _| Staged::Clock);
        }
        // Staged marks leave the queue when they are written, which making room may do in between.
        while self.head.staged_marks() < self.marks.len() {
            let mut payload = Vec::new();
            let mut count = 0;
            for marked in self.marks.iter().skip(self.head.staged_marks()) {
                if payload.len() >= JOURNAL_MARKS_BYTES {
                    break;
                }
                marked.encode(&mut payload);
                count += 1;
            }
            let body = Body::short(Kind::Marks, payload);
            self.room_for(&body, Kind::Marks)?;
            self.head.stage(&body, |offset, _| Staged::Marks { count, offset });
        }
        Ok(())
    }

    /// Does `work` on the head and writes what it staged: all of it, or the head is where it was.
    fn transact(&mut self, work: impl FnOnce(&mut Self) -> Result<(), JournalError>) -> Result<(), JournalError> {
        if self.pages < PAGES_MIN {
            return Err(JournalError::TooSmall);
        }
        let result = work(self).and_then(|()| self.write_staged());
        if result.is_err() {
            for staged in self.head.roll_back().into_iter().rev() {
                if let Staged::Moved { seq, source, .. } = staged {
                    self.moving.push_front(Moving { seq, source });
                }
            }
        }
        result
    }

    /// Writes what is staged, with one call, and makes it count.
    fn write_staged(&mut self) -> Result<(), JournalError> {
        if let Some((offset, bytes)) = self.head.unwritten().map(|(offset, bytes)| (offset, bytes.to_vec())) {
            self.make_room_unsynced(bytes.len())?;
            self.storage.write_at(offset, &bytes).map_err(|error| JournalError::io("write", &error))?;
            self.count_written(bytes.len());
            self.unsynced.add(offset, bytes);
        }
        for staged in self.head.commit() {
            self.take_effect(staged);
        }
        Ok(())
    }

    fn take_effect(&mut self, staged: Staged) {
        match staged {
            Staged::Head => self.table_due = false,
            Staged::Clock => self.clock_due = None,
            Staged::Entry { seq, slot } => self.index.put(seq, slot),
            Staged::Moved { seq, slot, source } => {
                self.index.put(seq, slot);
                self.unsynced_sources.push(source);
                self.counters.moved = self.counters.moved.saturating_add(1);
            }
            Staged::Marks { count, offset } => {
                for marked in self.marks.drain(..count.min(self.marks.len())) {
                    if marked.mark.has_note() {
                        self.index.note(marked.seq, marked.slot, offset);
                    }
                }
            }
        }
        if self.marks.is_empty() && self.clock_due.is_none() {
            self.marks_since = None;
        }
    }

    /// Begins the counts of a new day.
    fn turn_day(&mut self, now: Stamp) {
        let uptime = i64::try_from(now.mono.as_millis()).unwrap_or(0);
        let clock = if now.wall.is_plausible() { now.wall.as_millis() } else { uptime };
        let day = clock.div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            (self.counters.bytes_today, self.counters.syncs_today) = (0, 0);
        }
    }
}
