//! Records in a page: header, checksum, and the walk over a page that finds the true ones.
//!
//! ```text
//!  0       1      2        4                10       14
//!  | magic | kind | length | sequence       | crc32  | payload …
//!    0xB7    u8     u16      u48              u32        length bytes         all numbers little-endian
//! ```
//!
//! Bit 6 of the kind says that the payload is packed (see `pack`).
//!
//! The checksum covers the first ten bytes and the payload and starts from a value of its own, so that neither a page
//! of zeros (a hole after a power cut) nor one of 0xFF (erased flash) holds a record. No record crosses a page. Behind
//! the last record of a page lie older bytes of an earlier round: their sequence numbers are lower, which is how
//! [`Walk`] tells them. Stands apart because it is all that must be trusted about a damaged file; knows no meaning of
//! any payload.

use super::pack::{pack, unpack};
use super::wire::Reader;
use crate::limits::{JOURNAL_BAD_FRAMES_PER_PAGE, JOURNAL_PAGE_BYTES};
use std::borrow::Cow;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 14;
/// Longest payload: a record alone in its page.
pub const PAYLOAD_BYTES_MAX: usize = JOURNAL_PAGE_BYTES - HEADER_BYTES;
/// Sequence numbers end here: 2^47 records are 4 million years at one a second, so a higher one is forged.
pub const SEQUENCE_END: u64 = 1 << 47;

const MAGIC: u8 = 0xB7;
const CRC_START: u32 = 0x7269_6e67; // "ring"
const PACKED: u8 = 1 << 6;

/// What a record holds. Others are a later version's: skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The ring's head: the format's version, the table of CRMs, the file's life. First in every page, and again when
    /// the table changes.
    Head,
    /// A call.
    Entry,
    /// Delivery marks.
    Marks,
    /// The true time of a boot.
    Clock,
    /// A later version's.
    Other(u8),
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Entry => 2,
            Self::Marks => 3,
            Self::Clock => 4,
            Self::Other(code) => code,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            1 => Self::Head,
            2 => Self::Entry,
            3 => Self::Marks,
            4 => Self::Clock,
            other => Self::Other(other),
        }
    }
}

/// A record whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Its place in the order of all records.
    pub sequence: u64,
    is_packed: bool,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Bytes it takes in the page.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// What it says; none: it is packed in a way that means nothing.
    pub fn payload(&self) -> Option<Cow<'a, [u8]>> {
        if self.is_packed { unpack(self.payload).map(Cow::Owned) } else { Some(Cow::Borrowed(self.payload)) }
    }

    /// The record at the start of `bytes`, if there is a true one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(HEADER_BYTES)?;
        let mut reader = Reader::new(head);
        if reader.byte()? != MAGIC {
            return None;
        }
        let code = reader.byte()?;
        let (kind, is_packed) = (Kind::of(code & !PACKED), code & PACKED != 0);
        let length = u16::from_le_bytes(reader.bytes(2)?.try_into().ok()?);
        let (low, high) = (reader.u32_le()?, reader.bytes(2)?);
        let sequence = u64::from(low) | u64::from(u16::from_le_bytes(high.try_into().ok()?)) << 32;
        let checksum = reader.u32_le()?;
        let payload = body.get(..usize::from(length))?;
        let known = sequence != 0 && sequence < SEQUENCE_END;
        (known && checksum_of(head.get(..10)?, payload) == checksum).then_some(Self {
            kind,
            sequence,
            is_packed,
            payload,
        })
    }
}

/// A record to be written, but for its place in the order.
#[derive(Clone, Debug)]
pub struct Body {
    code: u8,
    bytes: Vec<u8>,
}

impl Body {
    /// With the payload as it is.
    pub fn plain(kind: Kind, payload: Vec<u8>) -> Self {
        Self { code: kind.code(), bytes: payload }
    }

    /// With the payload packed where that makes it shorter.
    pub fn short(kind: Kind, payload: Vec<u8>) -> Self {
        let mut bytes = Vec::with_capacity(payload.len());
        pack(&payload, &mut bytes);
        if bytes.len() < payload.len() {
            Self { code: kind.code() | PACKED, bytes }
        } else {
            Self::plain(kind, payload)
        }
    }

    /// Bytes that it takes in the page.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.bytes.len()
    }

    /// Appends the record to `out`. Its payload is at most [`PAYLOAD_BYTES_MAX`].
    pub fn put(&self, out: &mut Vec<u8>, sequence: u64) {
        let start = out.len();
        out.extend_from_slice(&[MAGIC, self.code]);
        out.extend_from_slice(&u16::try_from(self.bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(sequence.to_le_bytes().into_iter().take(6));
        let checksum = checksum_of(out.get(start..).unwrap_or_default(), &self.bytes);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }
}

fn checksum_of(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(CRC_START);
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Walks the true records of one page in order: those between a floor, which rises with each, and a ceiling. What is
/// damaged or outside is skipped, and the next record looked for behind it. Gives a page up after
/// [`JOURNAL_BAD_FRAMES_PER_PAGE`] wrong checksums, so that no image makes it slow.
#[derive(Debug)]
pub struct Walk<'a> {
    page: &'a [u8],
    at: usize,
    floor: u64,
    ceiling: u64,
    highest: u64,
    bad_left: u32,
    is_damaged: bool,
    damages: u32,
}

impl<'a> Walk<'a> {
    /// Over `page`; only records above `floor` and below `ceiling` are true.
    pub fn new(page: &'a [u8], floor: u64, ceiling: u64) -> Self {
        let bad_left = JOURNAL_BAD_FRAMES_PER_PAGE;
        Self { page, at: 0, floor, ceiling, highest: 0, bad_left, is_damaged: false, damages: 0 }
    }

    /// The highest number of any record met so far that has a good checksum, true or not.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Damaged places so far that lie before a true record.
    pub fn damages(&self) -> u32 {
        self.damages
    }
}

impl<'a> Iterator for Walk<'a> {
    /// Offset in the page, and the record.
    type Item = (usize, Frame<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.bad_left > 0 {
            let rest = self.page.get(self.at..)?;
            let skipped = memchr::memchr(MAGIC, rest)?;
            self.is_damaged |= skipped > 0;
            let at = self.at + skipped;
            let Some(frame) = self.page.get(at..).and_then(Frame::parse) else {
                self.is_damaged = true;
                self.bad_left -= 1;
                self.at = at + 1;
                continue;
            };
            self.at = at + frame.size();
            self.highest = self.highest.max(frame.sequence);
            if frame.sequence > self.floor && frame.sequence < self.ceiling {
                self.floor = frame.sequence;
                self.damages += u32::from(core::mem::take(&mut self.is_damaged));
                return Some((at, frame));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(records: &[(u64, &[u8])]) -> Vec<u8> {
        let mut page = Vec::new();
        for (sequence, payload) in records {
            Body::plain(Kind::Entry, payload.to_vec()).put(&mut page, *sequence);
        }
        page.resize(JOURNAL_PAGE_BYTES, 0);
        page
    }

    fn sequences(page: &[u8]) -> Vec<u64> {
        Walk::new(page, 0, SEQUENCE_END).map(|(_, frame)| frame.sequence).collect()
    }

    #[test]
    fn zeros_and_erased_flash_hold_nothing() {
        assert!(sequences(&[0; JOURNAL_PAGE_BYTES]).is_empty());
        assert!(sequences(&[0xff; JOURNAL_PAGE_BYTES]).is_empty());
        assert!(sequences(&[MAGIC; JOURNAL_PAGE_BYTES]).is_empty());
    }

    #[test]
    fn a_flipped_bit_costs_only_the_record_it_hits() {
        let clean = page_of(&[(7, b"one"), (8, b"two"), (9, b"three")]);
        for bit in 0..(3 * HEADER_BYTES + 11) * 8 {
            let mut page = clean.clone();
            page[bit / 8] ^= 1 << (bit % 8);
            let expected: Vec<u64> = match bit / 8 {
                0..17 => vec![8, 9],
                17..34 => vec![7, 9],
                _ => vec![7, 8],
            };
            assert_eq!(sequences(&page), expected, "bit {bit}");
        }
    }

    #[test]
    fn records_of_an_earlier_round_are_not_taken_for_new_ones() {
        assert_eq!(sequences(&page_of(&[(20, b"new"), (21, b"new"), (5, b"old"), (6, b"old")])), [20, 21]);
        assert_eq!(Walk::new(&page_of(&[(5, b"old")]), 19, SEQUENCE_END).count(), 0);
    }

    #[test]
    fn a_forged_sequence_is_refused() {
        assert!(sequences(&page_of(&[(SEQUENCE_END, b"x"), (0, b"y")])).is_empty());
    }
}
