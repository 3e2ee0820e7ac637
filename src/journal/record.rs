//! The bytes of one journal entry: a finished call, how far each CRM has it, and the boot that dates it.
//!
//! Stands apart from the ring because it is the part that must be read for ever: every field is `tag, length, bytes`,
//! an absent field has its default, an unknown tag is skipped, so that old agents read what newer ones wrote and the
//! other way round. `docs/journal-format.md` is the promise; this file keeps it.
//!
//! Bounds: a decoded entry is as bounded as [`CallRecord`]; an encoded one is at most [`ENTRY_BYTES_MAX`]. Arbitrary
//! bytes never panic. Does not know pages, sequence or checksums (see `frame`).

use super::wire::{Fields, Reader, field, put_varint, put_zigzag, text_field};
use crate::boot::BootId;
use crate::call::record::{
    CallId, CallRecord, DialStatus, Direction, Disposition, Gaps, Rang, Talk, Transfer, Withheld,
};
use crate::clock::{Monotonic, Stamp, Wall};
use crate::crm::Ticket;
use crate::limits::{CALL_ID_BYTES, JOURNAL_CRMS, JOURNAL_REASON_BYTES};
use crate::text::{Text, bounded};
use heapless::Vec as Bounded;

/// Identity of an entry in its journal, for life: the sequence number of its first record. Never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Why a CRM will never have a call, or a recording.
pub type Reason = Text<JOURNAL_REASON_BYTES>;

/// How far one CRM has one call. One byte on flash: bits 0-1 the call (0 waiting, 1 delivered, 2 refused), bits 2-4 the
/// recordings attached, bit 5 recordings given up or not wanted, bit 6 this CRM wants the call, bit 7 zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(u8);

const CALL_BITS: u8 = 0b11;
const DELIVERED: u8 = 1;
const REFUSED: u8 = 2;
const RECORDING_SHIFT: u8 = 2;
const RECORDING_BITS: u8 = 0b111;
const RECORDINGS_OVER: u8 = 1 << 5;
const WANTED: u8 = 1 << 6;

impl State {
    /// A CRM that wants the call, and its recordings or not.
    pub fn waiting(with_recordings: bool) -> Self {
        Self(WANTED | if with_recordings { 0 } else { RECORDINGS_OVER })
    }

    /// From its byte.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x7f)
    }

    /// Its byte.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the CRM wants the call at all.
    pub const fn is_wanted(self) -> bool {
        self.0 & WANTED != 0
    }

    /// Whether the CRM has the call.
    pub const fn is_delivered(self) -> bool {
        self.0 & CALL_BITS == DELIVERED
    }

    /// Whether the CRM will never take it.
    pub const fn is_refused(self) -> bool {
        self.0 & CALL_BITS == REFUSED
    }

    /// Which of `count` recordings are still to be attached, as bits.
    pub const fn recordings_left(self, count: u8) -> u8 {
        if self.0 & RECORDINGS_OVER != 0 || self.is_refused() {
            return 0;
        }
        let all = match count {
            0 => 0,
            1 => 0b1,
            2 => 0b11,
            _ => RECORDING_BITS,
        };
        all & !(self.0 >> RECORDING_SHIFT)
    }

    /// Whether the CRM still waits for the call itself.
    pub const fn is_waiting(self) -> bool {
        self.is_wanted() && !self.is_delivered() && !self.is_refused()
    }

    /// Whether work is left for this CRM on a call with `recordings` recordings.
    pub const fn is_open(self, recordings: u8) -> bool {
        self.is_waiting() || self.is_wanted() && self.recordings_left(recordings) != 0
    }

    pub(super) fn deliver(&mut self) {
        self.0 = (self.0 & !CALL_BITS) | DELIVERED;
    }

    pub(super) fn refuse(&mut self) {
        self.0 = (self.0 & !CALL_BITS) | REFUSED;
    }

    pub(super) fn wait_again(&mut self) {
        if self.is_refused() {
            self.0 &= !CALL_BITS;
        }
    }

    pub(super) fn attach(&mut self, recording: u8) {
        self.0 |= (1u8.checked_shl(u32::from(recording)).unwrap_or(0) & RECORDING_BITS) << RECORDING_SHIFT;
    }

    pub(super) fn end_recordings(&mut self) {
        self.0 |= RECORDINGS_OVER;
    }
}

/// What one CRM has and knows of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The CRM's place in the journal's own table.
    pub slot: u8,
    /// How far it is.
    pub state: State,
    /// What the CRM calls it.
    pub ticket: Ticket,
    /// Why it was refused or its recordings were given up; empty otherwise.
    pub reason: Reason,
}

/// An entry as it lies on flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its identity.
    pub seq: Seq,
    /// The call.
    pub call: CallRecord,
    /// The boot whose monotonic clock its stamps are on, while its date is not known. None: the wall times are true.
    pub undated: Option<BootId>,
    /// The boot that the call ended in, on whose monotonic clock its stamps are: [`BootId::fingerprint`], zero when it
    /// was not known.
    pub boot: u32,
    /// Tells it from earlier calls of the same identity: see [`CallRecord::id`] and [`repeated_id`]. Zero: it is the
    /// first.
    pub repeat: u32,
    /// The CRMs that want it.
    pub deliveries: Bounded<Delivery, JOURNAL_CRMS>,
}

/// What recovery must know of an entry, read without building the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its identity.
    pub seq: Seq,
    /// [`id_hash`] of its call.
    pub id_hash: u32,
    /// How many recordings it has.
    pub recordings: u8,
    /// See [`Stored::undated`].
    pub undated: Option<BootId>,
    /// Per slot of the journal's CRM table.
    pub states: [State; JOURNAL_CRMS],
}

/// Why bytes with a good checksum are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// They end in the middle of a field.
    Short,
    /// A field that every entry has is absent.
    Missing,
    /// A value that this version does not know where it must.
    Value,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Short => "entry ends in mid-field",
            Self::Missing => "entry lacks a field",
            Self::Value => "entry has an unknown value",
        })
    }
}

/// Upper bound of an encoded entry in bytes, with every text and list full; a test holds it. Fits one page.
pub const ENTRY_BYTES_MAX: usize = 3900;

mod tag {
    pub const SEQ: u8 = 1;
    pub const ID: u8 = 2;
    pub const BASICS: u8 = 3;
    pub const TIMES: u8 = 4;
    pub const CLIENT: u8 = 5;
    pub const LINE: u8 = 6;
    pub const TRUNK: u8 = 7;
    pub const CALLER: u8 = 8;
    pub const RANG: u8 = 9;
    pub const ANSWERED_BY: u8 = 10;
    pub const TALKED_LAST: u8 = 11;
    pub const TALK: u8 = 12;
    pub const QUEUE: u8 = 13;
    pub const TRANSFER: u8 = 14;
    pub const RECORDING: u8 = 15;
    pub const VOICEMAIL: u8 = 16;
    pub const UNDATED: u8 = 17;
    pub const DELIVERY: u8 = 18;
    pub const BOOT: u8 = 19;
    pub const REPEAT: u8 = 20;
    pub const WITHHELD: u8 = 21;
}

/// The identity under which the CRMs get a call whose own one an earlier call used up: `<id>-r<repeat in hex>`, of
/// characters that every CRM keeps. One that becomes too long loses its head, as every identity does.
pub fn repeated_id(id: &str, repeat: u32) -> CallId {
    if repeat == 0 {
        return bounded(id.as_bytes());
    }
    let whole = format!("{id}-r{repeat:x}");
    let from = (whole.len().saturating_sub(CALL_ID_BYTES)..whole.len()).find(|at| whole.is_char_boundary(*at));
    bounded(from.and_then(|from| whole.get(from..)).unwrap_or_default().as_bytes())
}

/// A short fingerprint of a call's identity, to find it without reading every entry.
pub fn id_hash(id: &str) -> u32 {
    crc32fast::hash(id.as_bytes())
}

impl Stored {
    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let call = &self.call;
        field(out, tag::SEQ, |out| put_varint(out, self.seq.0));
        text_field(out, tag::ID, &call.id);
        field(out, tag::BASICS, |out| encode_basics(call, out));
        field(out, tag::TIMES, |out| encode_times(call, out));
        text_field(out, tag::CLIENT, &call.client);
        text_field(out, tag::LINE, &call.line);
        text_field(out, tag::TRUNK, &call.trunk);
        text_field(out, tag::CALLER, &call.caller);
        encode_people(call, out);
        text_field(out, tag::QUEUE, &call.queue);
        for transfer in &call.transfers {
            field(out, tag::TRANSFER, |out| encode_transfer(transfer, out));
        }
        for recording in &call.recordings {
            field(out, tag::RECORDING, |out| out.extend_from_slice(recording.as_bytes()));
        }
        text_field(out, tag::VOICEMAIL, &call.voicemail);
        if let Some(boot) = self.undated {
            field(out, tag::UNDATED, |out| out.extend_from_slice(&boot.bits().to_le_bytes()));
        }
        for (tag, number) in [(tag::BOOT, self.boot), (tag::REPEAT, self.repeat)] {
            if number != 0 {
                field(out, tag, |out| out.extend_from_slice(&number.to_le_bytes()));
            }
        }
        if let Some(why) = call.withheld {
            field(out, tag::WITHHELD, |out| out.push(why.code()));
        }
        for delivery in &self.deliveries {
            field(out, tag::DELIVERY, |out| encode_delivery(delivery, out));
        }
    }

    /// Reads an entry back. Lists longer than their caps are cut, texts too; unknown tags are skipped.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stored =
            Self { seq: Seq(0), call: blank_call(), undated: None, boot: 0, repeat: 0, deliveries: Bounded::new() };
        let mut fields = Fields::new(bytes);
        while let Some((tag, value)) = fields.next_field().ok_or(DecodeError::Short)? {
            stored.take_field(tag, value)?;
        }
        if stored.seq.0 == 0 || stored.call.id.is_empty() {
            return Err(DecodeError::Missing);
        }
        Ok(stored)
    }

    fn take_field(&mut self, tag: u8, value: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(value);
        let call = &mut self.call;
        // A list that is full already leaves the rest out: a later version may have larger caps.
        match tag {
            tag::SEQ => self.seq = Seq(reader.varint().ok_or(DecodeError::Short)?),
            tag::ID => call.id = bounded(value),
            tag::BASICS => decode_basics(&mut reader, call)?,
            tag::TIMES => (call.started, call.ended) = decode_times(&mut reader).ok_or(DecodeError::Short)?,
            tag::CLIENT => call.client = bounded(value),
            tag::LINE => call.line = bounded(value),
            tag::TRUNK => call.trunk = bounded(value),
            tag::CALLER => call.caller = bounded(value),
            tag::ANSWERED_BY => call.answered_by = Some(bounded(value)),
            tag::TALKED_LAST => call.talked_last = Some(bounded(value)),
            tag::QUEUE => call.queue = bounded(value),
            tag::VOICEMAIL => call.voicemail = bounded(value),
            tag::RANG => {
                let ring_ms = reader.varint32().ok_or(DecodeError::Short)?;
                let _ = call.rang.push(Rang { extension: bounded(reader.rest()), ring_ms });
            }
            tag::TALK => {
                let talk_ms = reader.varint32().ok_or(DecodeError::Short)?;
                let _ = call.talks.push(Talk { extension: bounded(reader.rest()), talk_ms });
            }
            tag::TRANSFER => {
                let _ = call.transfers.push(decode_transfer(&mut reader).ok_or(DecodeError::Short)?);
            }
            tag::RECORDING => {
                let _ = call.recordings.push(bounded(value));
            }
            tag::UNDATED => self.undated = Some(reader.u64_le().map(BootId::from_bits).ok_or(DecodeError::Short)?),
            tag::BOOT => self.boot = reader.u32_le().ok_or(DecodeError::Short)?,
            tag::REPEAT => self.repeat = reader.u32_le().ok_or(DecodeError::Short)?,
            tag::WITHHELD => call.withheld = Withheld::of(reader.byte().ok_or(DecodeError::Short)?),
            tag::DELIVERY => {
                let _ = self.deliveries.push(decode_delivery(&mut reader).ok_or(DecodeError::Short)?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Summary {
    /// Reads what recovery needs of an entry's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut summary = Self::default();
        let mut fields = Fields::new(bytes);
        while let Some((tag, value)) = fields.next_field().ok_or(DecodeError::Short)? {
            let mut reader = Reader::new(value);
            match tag {
                tag::SEQ => summary.seq = Seq(reader.varint().ok_or(DecodeError::Short)?),
                tag::ID => summary.id_hash = id_hash(bounded::<CALL_ID_BYTES>(value).as_str()),
                tag::RECORDING => summary.recordings = summary.recordings.saturating_add(1).min(3),
                tag::UNDATED => summary.undated = reader.u64_le().map(BootId::from_bits),
                tag::DELIVERY => {
                    let (slot, state) = (reader.byte().unwrap_or(u8::MAX), reader.byte().unwrap_or(0));
                    if let Some(place) = summary.states.get_mut(usize::from(slot)) {
                        *place = State::from_bits(state);
                    }
                }
                _ => {}
            }
        }
        if summary.seq.0 == 0 { Err(DecodeError::Missing) } else { Ok(summary) }
    }
}

fn blank_call() -> CallRecord {
    CallRecord {
        id: CallId::new(),
        direction: Direction::Inbound,
        client: Text::new(),
        line: Text::new(),
        trunk: Text::new(),
        caller: Text::new(),
        rang: Bounded::new(),
        answered_by: None,
        talked_last: None,
        talks: Bounded::new(),
        talk_ms: 0,
        disposition: Disposition::Missed,
        dial_status: DialStatus::Unknown,
        cause: 0,
        queue: Text::new(),
        transfers: Bounded::new(),
        recordings: Bounded::new(),
        voicemail: Text::new(),
        started: Stamp::default(),
        ended: Stamp::default(),
        gaps: Gaps::default(),
        withheld: None,
    }
}

fn encode_people(call: &CallRecord, out: &mut Vec<u8>) {
    for rang in &call.rang {
        field(out, tag::RANG, |out| {
            put_varint(out, u64::from(rang.ring_ms));
            out.extend_from_slice(rang.extension.as_bytes());
        });
    }
    for (tag, person) in [(tag::ANSWERED_BY, &call.answered_by), (tag::TALKED_LAST, &call.talked_last)] {
        if let Some(person) = person {
            field(out, tag, |out| out.extend_from_slice(person.as_bytes()));
        }
    }
    for talk in &call.talks {
        field(out, tag::TALK, |out| {
            put_varint(out, u64::from(talk.talk_ms));
            out.extend_from_slice(talk.extension.as_bytes());
        });
    }
}

fn encode_basics(call: &CallRecord, out: &mut Vec<u8>) {
    out.push(direction_code(call.direction));
    out.push(disposition_code(call.disposition));
    out.push(dial_status_code(call.dial_status));
    out.push(gap_bits(call.gaps));
    put_varint(out, u64::from(call.cause));
    put_varint(out, u64::from(call.talk_ms));
}

fn decode_basics(reader: &mut Reader<'_>, call: &mut CallRecord) -> Result<(), DecodeError> {
    call.direction = direction_of(reader.byte().ok_or(DecodeError::Short)?)?;
    call.disposition = disposition_of(reader.byte().ok_or(DecodeError::Short)?)?;
    call.dial_status = dial_status_of(reader.byte().ok_or(DecodeError::Short)?);
    call.gaps = gaps_of(reader.byte().ok_or(DecodeError::Short)?);
    call.cause = u16::try_from(reader.varint().ok_or(DecodeError::Short)?).unwrap_or(0);
    call.talk_ms = reader.varint32().ok_or(DecodeError::Short)?;
    Ok(())
}

/// Both stamps: the first in full, the second as differences.
fn encode_times(call: &CallRecord, out: &mut Vec<u8>) {
    let (start, end) = (call.started, call.ended);
    put_zigzag(out, start.wall.as_millis());
    put_varint(out, start.mono.as_millis());
    put_zigzag(out, end.wall.as_millis().wrapping_sub(start.wall.as_millis()));
    put_zigzag(out, end.mono.as_millis().wrapping_sub(start.mono.as_millis()).cast_signed());
}

fn decode_times(reader: &mut Reader<'_>) -> Option<(Stamp, Stamp)> {
    let (wall, mono) = (reader.zigzag()?, reader.varint()?);
    let end_wall = wall.wrapping_add(reader.zigzag()?);
    let end_mono = mono.wrapping_add(reader.zigzag()?.cast_unsigned());
    let stamp = |wall, mono| Stamp { wall: Wall::from_millis(wall), mono: Monotonic::from_millis(mono) };
    Some((stamp(wall, mono), stamp(end_wall, end_mono)))
}

fn encode_transfer(transfer: &Transfer, out: &mut Vec<u8>) {
    out.push(u8::from(transfer.attended));
    put_varint(out, transfer.from.len() as u64);
    out.extend_from_slice(transfer.from.as_bytes());
    out.extend_from_slice(transfer.to.as_bytes());
}

fn decode_transfer(reader: &mut Reader<'_>) -> Option<Transfer> {
    let attended = reader.byte()? != 0;
    let from = reader.text()?;
    Some(Transfer { from: bounded(from), to: bounded(reader.rest()), attended })
}

const HAS_USER: u8 = 1;
const IN_DOUBT: u8 = 2;
const REFUSALS_SHIFT: u32 = 2;

fn encode_delivery(delivery: &Delivery, out: &mut Vec<u8>) {
    let ticket = &delivery.ticket;
    out.push(delivery.slot);
    out.push(delivery.state.bits());
    let refusals = ticket.refusals.min(u8::MAX >> REFUSALS_SHIFT) << REFUSALS_SHIFT;
    out.push((u8::from(ticket.user.is_some()) * HAS_USER) | (u8::from(ticket.in_doubt) * IN_DOUBT) | refusals);
    if let Some(user) = ticket.user {
        put_varint(out, u64::from(user));
    }
    put_varint(out, ticket.call.len() as u64);
    out.extend_from_slice(ticket.call.as_bytes());
    out.extend_from_slice(delivery.reason.as_bytes());
}

fn decode_delivery(reader: &mut Reader<'_>) -> Option<Delivery> {
    let slot = reader.byte()?;
    let state = State::from_bits(reader.byte()?);
    let flags = reader.byte()?;
    let user = if flags & HAS_USER != 0 { Some(reader.varint32()?) } else { None };
    let call = bounded(reader.text()?);
    let ticket = Ticket { call, user, in_doubt: flags & IN_DOUBT != 0, refusals: flags >> REFUSALS_SHIFT };
    Some(Delivery { slot, state, ticket, reason: bounded(reader.rest()) })
}

fn direction_code(direction: Direction) -> u8 {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
        Direction::Internal => 2,
    }
}

fn direction_of(code: u8) -> Result<Direction, DecodeError> {
    Ok(match code {
        0 => Direction::Inbound,
        1 => Direction::Outbound,
        2 => Direction::Internal,
        _ => return Err(DecodeError::Value),
    })
}

fn disposition_code(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::Answered => 0,
        Disposition::Missed => 1,
        Disposition::Busy => 2,
        Disposition::Failed => 3,
        Disposition::Cancelled => 4,
        Disposition::Voicemail => 5,
    }
}

fn disposition_of(code: u8) -> Result<Disposition, DecodeError> {
    Ok(match code {
        0 => Disposition::Answered,
        1 => Disposition::Missed,
        2 => Disposition::Busy,
        3 => Disposition::Failed,
        4 => Disposition::Cancelled,
        5 => Disposition::Voicemail,
        _ => return Err(DecodeError::Value),
    })
}

fn dial_status_code(status: DialStatus) -> u8 {
    match status {
        DialStatus::Unknown => 0,
        DialStatus::Answer => 1,
        DialStatus::NoAnswer => 2,
        DialStatus::Cancel => 3,
        DialStatus::Busy => 4,
        DialStatus::ChanUnavail => 5,
        DialStatus::Congestion => 6,
        DialStatus::DontCall => 7,
        DialStatus::Torture => 8,
        DialStatus::InvalidArgs => 9,
    }
}

/// A status of a later version is one that we do not know.
fn dial_status_of(code: u8) -> DialStatus {
    match code {
        1 => DialStatus::Answer,
        2 => DialStatus::NoAnswer,
        3 => DialStatus::Cancel,
        4 => DialStatus::Busy,
        5 => DialStatus::ChanUnavail,
        6 => DialStatus::Congestion,
        7 => DialStatus::DontCall,
        8 => DialStatus::Torture,
        9 => DialStatus::InvalidArgs,
        _ => DialStatus::Unknown,
    }
}

fn gap_bits(gaps: Gaps) -> u8 {
    u8::from(gaps.joined_late)
        | u8::from(gaps.link_lost) << 1
        | u8::from(gaps.pbx_restarted) << 2
        | u8::from(gaps.overflow) << 3
        | u8::from(gaps.agent_restarted) << 4
}

fn gaps_of(bits: u8) -> Gaps {
    Gaps {
        joined_late: bits & 1 != 0,
        link_lost: bits & 2 != 0,
        pbx_restarted: bits & 4 != 0,
        overflow: bits & 8 != 0,
        agent_restarted: bits & 16 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(withheld: Option<Withheld>) -> Stored {
        let call = CallRecord { id: bounded(b"office-1.1"), withheld, ..blank_call() };
        Stored { seq: Seq(1), call, undated: None, boot: 0, repeat: 0, deliveries: Bounded::new() }
    }

    /// An entry of a version without reasons has the field nowhere; one of a later version may have a reason of its
    /// own.
    #[test]
    fn a_reason_that_is_not_there_or_not_known_is_none() {
        let bytes = |withheld| {
            let mut bytes = Vec::new();
            stored(withheld).encode(&mut bytes);
            bytes
        };
        let (without, mut with) = (bytes(None), bytes(Some(Withheld::Line)));
        assert_eq!(with, [&without[..], &[tag::WITHHELD, 1, 3]].concat());
        assert_eq!(Stored::decode(&without), Ok(stored(None)));
        assert_eq!(Stored::decode(&with), Ok(stored(Some(Withheld::Line))));
        *with.last_mut().unwrap() = 99;
        assert_eq!(Stored::decode(&with), Ok(stored(None)));
    }
}
