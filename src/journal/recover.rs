//! Reading a journal's file at start: one bounded pass that repairs and never refuses.
//!
//! First the newest page is found from the first record of each page; then every page is read once, from the oldest to
//! the newest. Damaged records are skipped and counted, holes and garbage too; whatever the bytes are, the result is a
//! ring that runs. Reads only: nothing is written until the first append. Stands apart from the ring because nothing of
//! it runs after the start.

use super::frame::{Frame, HEADER_BYTES, Kind, SEQUENCE_END, Walk};
use super::index::{Index, Slot};
use super::marks::{BootClock, HEAD_BYTES_MAX, Life, PageHead, Table, marks_in};
use super::record::Summary;
use super::storage::Storage;
use crate::limits::{JOURNAL_BOOTS, JOURNAL_PAGE_BYTES};
use heapless::Deque;

/// The largest head of the ring, with which a page begins.
const FIRST_RECORD_BYTES: usize = HEADER_BYTES + HEAD_BYTES_MAX;

/// What was found in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Pages of the file.
    pub pages: u32,
    /// Calls found.
    pub entries: u32,
    /// Damaged places between good records: each cost at least one record.
    pub damaged_places: u32,
    /// Pages with bytes but without one true record.
    pub damaged_pages: u32,
    /// Pages that the medium would not give.
    pub unreadable_pages: u32,
    /// Records with a good checksum that this version does not understand.
    pub unknown_records: u32,
    /// The whole was forged or foreign, and a new ring begins.
    pub restarted: bool,
}

impl Recovery {
    /// Whether anything was wrong.
    pub fn is_clean(&self) -> bool {
        let Self { damaged_places, damaged_pages, unreadable_pages, unknown_records, restarted, .. } = *self;
        damaged_places == 0 && damaged_pages == 0 && unreadable_pages == 0 && unknown_records == 0 && !restarted
    }
}

/// Known times of boots, oldest forgotten first.
pub type Clocks = Deque<BootClock, JOURNAL_BOOTS>;

/// A file's content.
#[derive(Debug, Default)]
pub struct Scan {
    pub index: Index,
    pub table: Table,
    /// As the newest head told it, with what follows that head.
    pub life: Life,
    pub clocks: Clocks,
    /// The page written last.
    pub head_page: u32,
    /// Where its last record ends.
    pub head_offset: usize,
    /// The highest sequence number of a true record; zero in an empty ring.
    pub last_sequence: u64,
    /// The highest sequence number of any record in the file: lower ones must not be given again.
    pub highest_sequence: u64,
    pub recovery: Recovery,
}

/// Reads `pages` pages of `storage`.
pub fn scan<S: Storage>(storage: &S, pages: u32) -> Scan {
    let mut scan = Scan { recovery: Recovery { pages, ..Recovery::default() }, ..Scan::default() };
    let mut page = vec![0; JOURNAL_PAGE_BYTES];
    let Some((first_of_newest, newest)) = newest_page(storage, pages, &mut page) else {
        scan.count_damage(storage, pages, &mut page);
        return scan;
    };
    scan.head_page = newest;
    for step in 1..=pages {
        let number = (newest + step) % pages;
        if !read_page(storage, number, &mut page) {
            scan.recovery.unreadable_pages += 1;
            continue;
        }
        // A page that was entered but not synced may have lost its beginning and kept its end: such records claim to be
        // newer than the newest page, and are not true.
        let ceiling = if number == newest { SEQUENCE_END } else { first_of_newest };
        scan.take_page(number, &page, ceiling);
    }
    scan.recovery.entries = u32::try_from(scan.index.count()).unwrap_or(u32::MAX);
    scan
}

/// Remembers the time of a boot, in place of an earlier one of that boot.
pub fn remember(clocks: &mut Clocks, clock: BootClock) {
    if let Some(known) = clocks.iter_mut().find(|known| known.boot.is_same(clock.boot)) {
        *known = clock;
        return;
    }
    if clocks.is_full() {
        clocks.pop_front();
    }
    let _ = clocks.push_back(clock); // there is room now
}

impl Scan {
    fn take_page(&mut self, number: u32, page: &[u8], ceiling: u64) {
        let mut found = false;
        let before = self.last_sequence;
        let mut walk = Walk::new(page, before, ceiling);
        while let Some((at, frame)) = walk.next() {
            // Damage at the end of the page before shows in the numbers only.
            let is_cut_off = !found && before != 0 && frame.sequence != before + 1 && walk.damages() == 0;
            self.recovery.damaged_places += u32::from(is_cut_off);
            self.last_sequence = frame.sequence;
            if number == self.head_page {
                self.head_offset = at + frame.size();
            }
            found = true;
            self.life.bytes = self.life.bytes.saturating_add(frame.size() as u64);
            if self.take_record(number as usize * JOURNAL_PAGE_BYTES + at, &frame).is_none() {
                self.recovery.unknown_records += 1;
            }
        }
        self.highest_sequence = self.highest_sequence.max(walk.highest());
        self.recovery.damaged_places += walk.damages();
        if !found && walk.highest() == 0 && page.iter().any(|byte| *byte != 0) {
            self.recovery.damaged_pages += 1;
        }
    }

    /// Takes one record in; none when its payload is not understood.
    fn take_record(&mut self, offset: usize, frame: &Frame<'_>) -> Option<()> {
        let offset = u32::try_from(offset).ok()?;
        let payload = frame.payload()?;
        match frame.kind {
            Kind::Head => self.take_head(PageHead::decode(&payload)?),
            Kind::Entry => {
                let summary = Summary::decode(&payload).ok()?;
                let size = u16::try_from(frame.size()).ok()?;
                self.index.put(summary.seq, Slot::new(&summary, offset, size, true));
            }
            Kind::Marks => {
                for marked in marks_in(&payload) {
                    self.index.mark(marked.seq, marked.slot, &marked.mark);
                    if marked.mark.has_note() {
                        self.index.note(marked.seq, marked.slot, offset);
                    }
                }
            }
            Kind::Clock => remember(&mut self.clocks, BootClock::decode(&payload)?),
            Kind::Other(_) => return None,
        }
        Some(())
    }

    /// A slot that changed hands: what the earlier CRM had of earlier entries says nothing about the later one.
    fn take_head(&mut self, head: PageHead) {
        let PageHead { table, life } = head;
        self.life = life;
        for (slot, (old, new)) in (0u8..).zip(self.table.0.iter().zip(table.0)) {
            if *old != 0 && *old != new {
                self.index.forget_crm(slot);
            }
        }
        self.table = table;
    }

    /// A file without one true record: new and all zeros, or garbage.
    fn count_damage<S: Storage>(&mut self, storage: &S, pages: u32, page: &mut [u8]) {
        for number in 0..pages {
            if !read_page(storage, number, page) {
                self.recovery.unreadable_pages += 1;
            } else if page.iter().any(|byte| *byte != 0) {
                self.recovery.damaged_pages += 1;
            }
        }
    }
}

/// The page whose first record has the highest number, with that number. That is told by the page's first bytes alone
/// where the page begins with a true head, as the ring writes it.
fn newest_page<S: Storage>(storage: &S, pages: u32, page: &mut [u8]) -> Option<(u64, u32)> {
    let mut newest: Option<(u64, u32)> = None;
    for number in 0..pages {
        let mut start = [0; FIRST_RECORD_BYTES];
        if storage.read_at(offset_of(number), &mut start).is_err() {
            continue;
        }
        let first = match Frame::parse(&start) {
            Some(frame) => Some(frame.sequence),
            None if read_page(storage, number, page) => first_in(page),
            None => None,
        };
        if let Some(first) = first {
            newest = newest.max(Some((first, number)));
        }
    }
    newest
}

fn first_in(page: &[u8]) -> Option<u64> {
    Walk::new(page, 0, SEQUENCE_END).next().map(|(_, frame)| frame.sequence)
}

fn read_page<S: Storage>(storage: &S, number: u32, page: &mut [u8]) -> bool {
    storage.read_at(offset_of(number), page).is_ok()
}

fn offset_of(page: u32) -> u64 {
    u64::from(page) * JOURNAL_PAGE_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::super::frame::Body;
    use super::*;
    use std::cell::Cell;
    use std::io;

    /// Counts the pages that are read whole.
    struct Counting {
        image: Vec<u8>,
        whole_pages: Cell<u32>,
    }

    impl Storage for Counting {
        fn size(&self) -> u64 {
            self.image.len() as u64
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.whole_pages.set(self.whole_pages.get() + u32::from(buf.len() == JOURNAL_PAGE_BYTES));
            buf.copy_from_slice(&self.image[offset as usize..offset as usize + buf.len()]);
            Ok(())
        }

        fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_page_with_the_largest_head_is_read_once() {
        const PAGES: u32 = 8;
        let most = PageHead { table: Table([9; 8]), life: Life { bytes: u64::MAX, syncs: u64::MAX, pages: u64::MAX } };
        let mut payload = Vec::new();
        most.encode(&mut payload);
        let body = Body::plain(Kind::Head, payload);
        let mut image = Vec::new();
        for number in 1..=PAGES {
            body.put(&mut image, u64::from(number));
            image.resize(number as usize * JOURNAL_PAGE_BYTES, 0);
        }
        let storage = Counting { image, whole_pages: Cell::new(0) };
        let scan = scan(&storage, PAGES);
        assert_eq!((scan.head_page, scan.last_sequence), (PAGES - 1, u64::from(PAGES)));
        assert_eq!(storage.whole_pages.get(), PAGES);
    }
}
