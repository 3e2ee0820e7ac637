//! The ring's writing end: where the next record goes, and what is staged but not yet written.
//!
//! Stands apart so that a failed write has one way back: records are staged in memory for one page, written with one
//! call, and only then committed; until then the position can be taken back to where it was. Does no I/O.

use super::frame::Body;
use super::index::Slot;
use super::record::Seq;
use crate::limits::JOURNAL_PAGE_BYTES;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Pages entered since page 0 of the file was page 0; the page's number is this modulo the pages of the ring.
    page: u64,
    /// In the page.
    offset: usize,
    /// Of the next record.
    sequence: u64,
}

/// What a staged record will mean once it is written.
#[derive(Clone, Debug)]
pub enum Staged {
    /// The ring's head, at the start of a page or when the table of CRMs changed.
    Head,
    /// A new entry.
    Entry {
        /// Its identity.
        seq: Seq,
        /// What the index will hold of it.
        slot: Slot,
    },
    /// A copy of an entry out of a page that will be overwritten.
    Moved {
        /// Its identity.
        seq: Seq,
        /// What the index will hold of the copy.
        slot: Slot,
        /// The page it was in, as counted by [`Head::page`].
        source: u64,
    },
    /// So many of the marks that wait, from the front, in the record at `offset`.
    Marks {
        /// How many.
        count: usize,
        /// Where their record lies in the file.
        offset: u32,
    },
    /// The clock of this boot.
    Clock,
}

/// The writing end.
#[derive(Clone, Debug)]
pub struct Head {
    pages: u32,
    now: Place,
    committed: Place,
    bytes: Vec<u8>,
    staged: Vec<Staged>,
}

impl Head {
    /// Behind the last record of a file of `pages` pages.
    pub fn new(pages: u32, page: u32, offset: usize, sequence: u64) -> Self {
        let place = Place { page: u64::from(page), offset, sequence };
        Self { pages, now: place, committed: place, bytes: Vec::new(), staged: Vec::new() }
    }

    /// Pages entered, see [`number_of`](Self::number_of).
    pub fn page(&self) -> u64 {
        self.now.page
    }

    /// Number in the file of a page counted by [`page`](Self::page).
    pub fn number_of(&self, page: u64) -> u32 {
        u32::try_from(page % u64::from(self.pages.max(1))).unwrap_or(0)
    }

    /// Sequence number of the next record.
    pub fn sequence(&self) -> u64 {
        self.now.sequence
    }

    /// How many of the marks that wait are staged.
    pub fn staged_marks(&self) -> usize {
        let count = |staged: &Staged| if let Staged::Marks { count, .. } = staged { *count } else { 0 };
        self.staged.iter().map(count).sum()
    }

    /// Whether the record fits the page.
    pub fn fits(&self, body: &Body) -> bool {
        self.now.offset + body.size() <= JOURNAL_PAGE_BYTES
    }

    /// Stages a record that [`fits`](Self::fits). `meaning` is told where it lies in the file and its size.
    pub fn stage(&mut self, body: &Body, meaning: impl FnOnce(u32, u16) -> Staged) {
        let offset = self.file_offset(self.now.offset);
        let size = body.size();
        body.put(&mut self.bytes, self.now.sequence);
        self.now.offset += size;
        self.now.sequence += 1;
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.staged.push(meaning(offset, u16::try_from(size).unwrap_or(u16::MAX)));
    }

    /// What is to be written, and where; none when nothing is staged.
    pub fn unwritten(&self) -> Option<(u64, &[u8])> {
        let start = self.now.offset.saturating_sub(self.bytes.len());
        (!self.bytes.is_empty()).then(|| (self.file_offset(start), self.bytes.as_slice()))
    }

    /// The staged bytes were written: hands out what they mean.
    pub fn commit(&mut self) -> Vec<Staged> {
        self.committed = self.now;
        self.bytes.clear();
        core::mem::take(&mut self.staged)
    }

    /// The staged bytes were not written, or not in full: back to the last commit, but for the sequence numbers. Those
    /// may lie on the medium already and must not mean two things. Hands out what was staged.
    pub fn roll_back(&mut self) -> Vec<Staged> {
        self.now = Place { sequence: self.now.sequence, ..self.committed };
        self.bytes.clear();
        core::mem::take(&mut self.staged)
    }

    /// Moves to the start of the next page, for good: a write that fails there leaves records whose numbers are higher
    /// than any in the page before. Everything staged has been committed before.
    pub fn enter_next_page(&mut self) {
        self.now.page += 1;
        self.now.offset = 0;
        self.committed = self.now;
    }

    /// Whether the page has no record yet, not even its table.
    pub fn is_page_fresh(&self) -> bool {
        self.now.offset == 0
    }

    fn file_offset(&self, in_page: usize) -> u64 {
        u64::from(self.number_of(self.now.page)) * JOURNAL_PAGE_BYTES as u64 + in_page as u64
    }
}
