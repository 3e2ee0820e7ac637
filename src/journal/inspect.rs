//! What a journal's file holds, whoever wrote it and wherever it came from: for `ringpost journal`.
//!
//! Stands apart from opening a journal for work because it knows no configuration: which CRMs the journal serves is
//! read from the journal itself, and no date is guessed from this machine's clock. Reads only, beside a running daemon
//! too: what that one writes meanwhile may look damaged, so whoever finds damage looks again. Bounds: one page, one
//! window of calls, and the ring's index.

use super::frame::{HEADER_BYTES, Kind, SEQUENCE_END, Walk};
use super::marks::{Life, PageHead};
use super::record::Seq;
use super::recover::Recovery;
use super::ring::{CrmTag, Dating, Ring, Settings};
use super::storage::Storage;
use crate::boot::BootId;
use crate::clock::Wall;
use crate::config::WhenFull;
use crate::limits::{JOURNAL_CRMS, JOURNAL_PAGE_BYTES, JOURNAL_WINDOW};

/// A file's content in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The format of the newest page; none: there is not one record.
    pub version: Option<u8>,
    /// What was ever written to it, up to the newest page; zeros where its version does not tell.
    pub life: Life,
    /// The lowest and the highest number of a record.
    pub sequences: Option<(u64, u64)>,
    /// What reading it met.
    pub recovery: Recovery,
    /// Calls that can be read.
    pub calls: u32,
    /// Calls that were found and cannot be read.
    pub lost: u32,
    /// Calls whose date is not known.
    pub undated: u32,
    /// When the earliest and the latest call of known date began.
    pub began: Option<(Wall, Wall)>,
    /// The CRMs that the journal serves.
    pub crms: Vec<Served>,
}

/// A CRM of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Which.
    pub tag: CrmTag,
    /// Calls that it has not had.
    pub waiting: u32,
    /// Calls that it has, without all their recordings.
    pub recordings: u32,
    /// Calls that it refused.
    pub refused: u32,
}

impl Inspection {
    /// Whether nothing is damaged. Records of a later version are no damage.
    pub fn is_sound(&self) -> bool {
        Recovery { unknown_records: 0, ..self.recovery }.is_clean() && self.lost == 0
    }

    /// Whether this is no journal at all: not one record, and more than the zeros of a new one.
    pub fn is_foreign(&self) -> bool {
        let Recovery { pages, damaged_pages, unreadable_pages, .. } = self.recovery;
        self.sequences.is_none() && (pages == 0 || damaged_pages > 0 || unreadable_pages > 0)
    }
}

/// Looks at all of a file. The ring is for reading its calls.
pub fn inspect<S: Storage>(storage: S) -> (Ring<S>, Inspection) {
    let mut found = Inspection::default();
    let tags = found.read_pages(&storage);
    let (boot, when_full) = (BootId::UNKNOWN, WhenFull::DropOldest);
    let settings = Settings { boot, crms: tags.iter().copied().take(JOURNAL_CRMS).collect(), when_full };
    let (ring, recovery) = Ring::open(storage, settings);
    found.recovery = recovery;
    found.crms = tags.into_iter().map(|tag| Served { tag, waiting: 0, recordings: 0, refused: 0 }).collect();
    found.count_calls(&ring);
    found.lost = recovery.entries.saturating_sub(found.calls);
    (ring, found)
}

impl Inspection {
    /// The CRMs of the newest head, and on the way the numbers of the records.
    fn read_pages<S: Storage>(&mut self, storage: &S) -> Vec<CrmTag> {
        let mut page = vec![0; JOURNAL_PAGE_BYTES];
        let mut newest = (0, PageHead::default());
        for number in 0..storage.size() / JOURNAL_PAGE_BYTES as u64 {
            if storage.read_at(number * JOURNAL_PAGE_BYTES as u64, &mut page).is_err() {
                continue;
            }
            for (at, frame) in Walk::new(&page, 0, SEQUENCE_END) {
                let (lowest, highest) = self.sequences.unwrap_or((frame.sequence, frame.sequence));
                self.sequences = Some((lowest.min(frame.sequence), highest.max(frame.sequence)));
                let payload = page.get(at + HEADER_BYTES..at + frame.size()).unwrap_or_default();
                if let Some(head) = (frame.kind == Kind::Head).then(|| PageHead::decode(payload)).flatten()
                    && frame.sequence > newest.0
                {
                    newest = (frame.sequence, head);
                    self.version = payload.first().copied();
                }
            }
        }
        self.life = newest.1.life;
        newest.1.table.0.into_iter().filter_map(CrmTag::from_bits).collect()
    }

    fn count_calls<S: Storage>(&mut self, ring: &Ring<S>) {
        let mut before = Seq(u64::MAX);
        loop {
            let window = ring.history(before, JOURNAL_WINDOW);
            let Some(last) = window.last() else { return };
            before = last.seq;
            for item in &window {
                self.calls = self.calls.saturating_add(1);
                match item.dating {
                    Dating::Known => {
                        let began = item.call.started.wall;
                        let (first, last) = self.began.unwrap_or((began, began));
                        self.began = Some((first.min(began), last.max(began)));
                    }
                    Dating::Waiting | Dating::Lost => self.undated = self.undated.saturating_add(1),
                }
                let recordings = u8::try_from(item.call.recordings.len()).unwrap_or(u8::MAX);
                for (crm, state, ..) in &item.deliveries {
                    let Some(crm) = self.crms.get_mut(usize::from(crm.0)) else { continue };
                    let count = match state {
                        state if state.is_refused() => &mut crm.refused,
                        state if state.is_waiting() => &mut crm.waiting,
                        state if state.is_open(recordings) => &mut crm.recordings,
                        _ => continue,
                    };
                    *count = count.saturating_add(1);
                }
            }
        }
    }
}
