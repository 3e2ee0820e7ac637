//! The small records beside the entries: delivery marks, the ring's head (who the CRMs are, how long it has lived), the
//! true time of a boot.
//!
//! Stands apart from `record` because these are the ring's own book-keeping: they refer to entries by [`Seq`] and never
//! leave the journal. Unknown marks end the reading of their record, never of the file.

use super::record::{Reason, Seq, State};
use super::wire::{Reader, put_varint};
use crate::boot::BootId;
use crate::limits::{JOURNAL_CRMS, TICKET_BYTES};
use crate::text::{Text, bounded};
use serde::{Deserialize, Serialize};

/// What a CRM did with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It has the call. `ticket` is the CRM's name of it when that became known only now and is needed later, for a
    /// recording that is still to come; it costs its length on flash.
    Delivered {
        /// The CRM's name of the call.
        ticket: Option<Text<TICKET_BYTES>>,
    },
    /// It has the recording of this index in the record's list.
    Attached {
        /// Index, from 0.
        recording: u8,
    },
    /// No more recordings will be attached: gone from the PBX, unreadable, refused.
    RecordingsGivenUp {
        /// Why, secrets masked.
        reason: Reason,
    },
    /// It will never take the call: dead-lettered.
    Refused {
        /// Why, secrets masked.
        reason: Reason,
    },
    /// A refused call is to be tried again.
    Retry,
}

impl Mark {
    /// Brings `state` up to date.
    pub fn apply(&self, state: &mut State) {
        match self {
            Self::Delivered { .. } => state.deliver(),
            Self::Attached { recording } => state.attach(*recording),
            Self::RecordingsGivenUp { .. } => state.end_recordings(),
            Self::Refused { .. } => state.refuse(),
            Self::Retry => state.wait_again(),
        }
    }

    /// Whether it carries a text that must be found again.
    pub fn has_note(&self) -> bool {
        matches!(self, Self::Delivered { ticket: Some(_) } | Self::RecordingsGivenUp { .. } | Self::Refused { .. })
    }
}

/// A mark without its texts: what it does to a [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// See [`Mark::Delivered`].
    Delivered,
    /// See [`Mark::Attached`]; the index.
    Attached(u8),
    /// See [`Mark::RecordingsGivenUp`].
    RecordingsGivenUp,
    /// See [`Mark::Refused`].
    Refused,
    /// See [`Mark::Retry`].
    Retry,
}

impl From<&Mark> for MarkKind {
    fn from(mark: &Mark) -> Self {
        match mark {
            Mark::Delivered { .. } => Self::Delivered,
            Mark::Attached { recording } => Self::Attached(*recording),
            Mark::RecordingsGivenUp { .. } => Self::RecordingsGivenUp,
            Mark::Refused { .. } => Self::Refused,
            Mark::Retry => Self::Retry,
        }
    }
}

impl From<MarkKind> for Mark {
    fn from(kind: MarkKind) -> Self {
        match kind {
            MarkKind::Delivered => Self::Delivered { ticket: None },
            MarkKind::Attached(recording) => Self::Attached { recording },
            MarkKind::RecordingsGivenUp => Self::RecordingsGivenUp { reason: Reason::new() },
            MarkKind::Refused => Self::Refused { reason: Reason::new() },
            MarkKind::Retry => Self::Retry,
        }
    }
}

/// A mark, whose and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The entry.
    pub seq: Seq,
    /// The CRM's slot.
    pub slot: u8,
    /// What it did.
    pub mark: Mark,
}

mod code {
    pub const DELIVERED: u8 = 0;
    pub const DELIVERED_AS: u8 = 1;
    pub const GIVEN_UP: u8 = 2;
    pub const REFUSED: u8 = 3;
    pub const RETRY: u8 = 4;
    pub const ATTACHED: u8 = 8; // and the two after it: recordings 0, 1, 2
}

impl Marked {
    /// Appends it to a record of marks: `seq` varint, `slot | code << 3`, and for codes 1 to 3 a length and a text.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.seq.0);
        let (code, text) = match &self.mark {
            Mark::Delivered { ticket: None } => (code::DELIVERED, None),
            Mark::Delivered { ticket: Some(ticket) } => (code::DELIVERED_AS, Some(ticket.as_str())),
            Mark::RecordingsGivenUp { reason } => (code::GIVEN_UP, Some(reason.as_str())),
            Mark::Refused { reason } => (code::REFUSED, Some(reason.as_str())),
            Mark::Retry => (code::RETRY, None),
            Mark::Attached { recording } => (code::ATTACHED + recording.min(&2), None),
        };
        out.push((self.slot & 7) | code << 3);
        if let Some(text) = text {
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let seq = Seq(reader.varint()?);
        let byte = reader.byte()?;
        let mark = match byte >> 3 {
            code::DELIVERED => Mark::Delivered { ticket: None },
            code::DELIVERED_AS => Mark::Delivered { ticket: Some(bounded(reader.text()?)) },
            code::GIVEN_UP => Mark::RecordingsGivenUp { reason: bounded(reader.text()?) },
            code::REFUSED => Mark::Refused { reason: bounded(reader.text()?) },
            code::RETRY => Mark::Retry,
            recording @ 8..=10 => Mark::Attached { recording: recording - code::ATTACHED },
            _ => return None,
        };
        Some(Self { seq, slot: byte & 7, mark })
    }
}

/// The marks of a record, up to the first that is not understood.
pub fn marks_in(payload: &[u8]) -> impl Iterator<Item = Marked> + '_ {
    let mut reader = Reader::new(payload);
    core::iter::from_fn(move || if reader.is_empty() { None } else { Marked::decode(&mut reader) })
}

/// Who the CRMs of a journal are, by fingerprint, each at its slot for as long as the journal knows it. Zero: free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table(pub [u32; JOURNAL_CRMS]);

/// What was ever done to a file: its wear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Bytes written to it.
    pub bytes: u64,
    /// Syncs of it.
    pub syncs: u64,
    /// Pages entered: the generation of the head.
    pub pages: u64,
}

/// The ring's head, with which every page begins. The one of the page before stays whole while it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageHead {
    /// Who the CRMs are.
    pub table: Table,
    /// Up to this page. Version 1 told nothing of it.
    pub life: Life,
}

/// A full head in bytes.
pub const HEAD_BYTES_MAX: usize = 2 + 4 * JOURNAL_CRMS + 3 * 10;
/// The format that this agent writes.
pub const FORMAT_VERSION: u8 = 2;

impl PageHead {
    /// Appends version, number of slots and their fingerprints, and the three numbers of its life.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let tags = &self.table.0;
        let used = tags.iter().rposition(|tag| *tag != 0).map_or(0, |last| last + 1);
        out.push(FORMAT_VERSION);
        out.push(used as u8);
        for tag in tags.iter().take(used) {
            out.extend_from_slice(&tag.to_le_bytes());
        }
        let Life { bytes, syncs, pages } = self.life;
        [bytes, syncs, pages].into_iter().for_each(|number| put_varint(out, number));
    }

    /// Reads a head of any version; what a version does not tell is zero.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let (_version, used) = (reader.byte()?, reader.byte()?);
        let mut head = Self::default();
        for tag in head.table.0.iter_mut().take(usize::from(used)) {
            *tag = reader.u32_le()?;
        }
        for number in [&mut head.life.bytes, &mut head.life.syncs, &mut head.life.pages] {
            *number = reader.varint().unwrap_or(0);
        }
        Some(head)
    }
}

/// The true time of a boot: wall time = monotonic time + `offset_ms`.
#[derive(Clone, Copy, Debug)]
pub struct BootClock {
    /// Which boot.
    pub boot: BootId,
    /// Milliseconds since 1970 when its monotonic clock was zero.
    pub offset_ms: i64,
}

impl BootClock {
    /// Appends both numbers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.boot.bits().to_le_bytes());
        out.extend_from_slice(&self.offset_ms.to_le_bytes());
    }

    /// Reads both numbers.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        Some(Self { boot: BootId::from_bits(reader.u64_le()?), offset_ms: reader.u64_le()?.cast_signed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_a_cut_record_ends() {
        let text = |t: &str| bounded(t.as_bytes());
        let marks = [
            Mark::Delivered { ticket: None },
            Mark::Delivered { ticket: Some(bounded(b"externalCall.1")) },
            Mark::Attached { recording: 2 },
            Mark::RecordingsGivenUp { reason: text("gone") },
            Mark::Refused { reason: text("no such user") },
            Mark::Retry,
        ];
        let all: Vec<Marked> = marks
            .into_iter()
            .enumerate()
            .map(|(i, mark)| Marked { seq: Seq(300 * i as u64 + 1), slot: 7, mark })
            .collect();
        let mut bytes = Vec::new();
        all.iter().for_each(|marked| marked.encode(&mut bytes));
        assert_eq!(marks_in(&bytes).collect::<Vec<_>>(), all);
        for cut in 0..bytes.len() {
            let some: Vec<Marked> = marks_in(&bytes[..cut]).collect();
            assert_eq!(some, all[..some.len()]);
            assert!(some.len() < all.len());
        }
    }

    #[test]
    fn a_head_comes_back_and_one_of_version_1_has_no_life() {
        let table = Table([7, 0, 9, 0, 0, 0, 0, 0]);
        let head = PageHead { table, life: Life { bytes: 1 << 40, syncs: 300, pages: 5 } };
        let mut bytes = Vec::new();
        head.encode(&mut bytes);
        assert_eq!(PageHead::decode(&bytes), Some(head));
        assert_eq!(PageHead::decode(&bytes[..7]), None);
        assert_eq!(PageHead::decode(&bytes[..2 + 3 * 4]), Some(PageHead { table, life: Life::default() }));
        let most = PageHead { table: Table([9; 8]), life: Life { bytes: u64::MAX, syncs: u64::MAX, pages: u64::MAX } };
        bytes.clear();
        most.encode(&mut bytes);
        assert_eq!(bytes.len(), HEAD_BYTES_MAX);
    }
}
