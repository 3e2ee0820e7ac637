//! What goes into the ring and comes out of it.
//!
//! Stands apart so that the thread, the delivery and the commands can name these without the ring itself. Plain values,
//! all bounded; no I/O.

use super::super::marks::Mark;
use super::super::record::{Reason, Seq, State};
use crate::boot::BootId;
use crate::call::record::CallRecord;
use crate::config::WhenFull;
use crate::crm::Ticket;
use crate::limits::JOURNAL_CRMS;
use heapless::Vec as Bounded;
use std::sync::Arc;

/// A CRM by its place in the configuration, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crm(pub u8);

/// A CRM as the journal recognises it when the configuration is put in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrmTag(u32);

impl CrmTag {
    /// Fingerprint of what stays the same for this CRM for ever, without secrets: `bitrix24:portal.example`.
    pub fn of(identity: &str) -> Self {
        Self(crc32fast::hash(identity.as_bytes()).max(1))
    }

    /// From its 32 bits; zero is nobody.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits == 0 { None } else { Some(Self(bits)) }
    }

    /// Its 32 bits, never zero.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// How a ring is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The running boot.
    pub boot: BootId,
    /// The configured CRMs in order; those beyond [`JOURNAL_CRMS`] are not served.
    pub crms: Bounded<CrmTag, JOURNAL_CRMS>,
    /// What goes when it is full of undelivered calls.
    pub when_full: WhenFull,
}

/// A CRM that wants a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Which.
    pub crm: Crm,
    /// What it knows of the call already.
    pub ticket: Ticket,
    /// Whether it wants the recordings too.
    pub recordings: bool,
}

/// A finished call for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The call.
    pub call: Arc<CallRecord>,
    /// Who wants it; nobody: it is history only.
    pub addressees: Bounded<Addressee, JOURNAL_CRMS>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The entry's identity.
    pub seq: Seq,
    /// The journal had this call already, and keeps what it had.
    pub known: bool,
    /// Not zero when an earlier call has its identity: the CRMs get it as
    /// [`repeated_id`](super::super::record::repeated_id) says.
    pub repeat: u32,
}

/// How far the stamps of a call can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dating {
    /// The wall times are true as far as the clock was when they were last written. The monotonic ones of this boot, by
    /// which [`Stamp::date`](crate::clock::Stamp::date) dates anew, or zero.
    Known,
    /// The clock has not been set since: the wall times are zero, the monotonic ones of this boot.
    Waiting,
    /// It was made in an earlier boot whose clock was never set. Both times are zero, which
    /// [`Stamp::date`](crate::clock::Stamp::date) takes as the start of the present boot.
    Lost,
}

/// The two kinds of work that a call can leave for a CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The call itself.
    Call,
    /// Recordings of a call that the CRM has.
    Recordings,
}

/// An undelivered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Identity of the entry.
    pub seq: Seq,
    /// The call, its identity as the CRMs know it.
    pub call: Box<CallRecord>,
    /// What the CRM calls it, as far as we know.
    pub ticket: Ticket,
    /// Recordings still to be attached, as bits by index.
    pub recordings_left: u8,
    /// It was there when the journal was opened: it may have been delivered without our knowing.
    pub in_doubt: bool,
    /// How good its stamps are.
    pub dating: Dating,
}

/// A call of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryItem {
    /// Identity of the entry.
    pub seq: Seq,
    /// The call, its identity as the CRMs know it.
    pub call: Box<CallRecord>,
    /// How good its stamps are.
    pub dating: Dating,
    /// For each configured CRM that wants it.
    pub deliveries: Bounded<(Crm, State, Ticket, Reason), JOURNAL_CRMS>,
}

/// How full a ring is of calls that must not be overwritten. They get at least three quarters of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fullness {
    /// Bytes of undelivered calls.
    pub open_bytes: u64,
    /// Size of the file.
    pub size_bytes: u64,
    /// Calls dropped or refused because it was full, since the start.
    pub lost: u32,
}

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Size of the file.
    pub size_bytes: u64,
    /// Bytes of undelivered calls in it.
    pub open_bytes: u64,
    /// Calls in it.
    pub entries: u32,
    /// Undelivered calls of each configured CRM, those of which only recordings are left included.
    pub undelivered: Bounded<u32, JOURNAL_CRMS>,
    /// Calls of which only recordings are left, for each configured CRM.
    pub recordings_left: Bounded<u32, JOURNAL_CRMS>,
    /// Calls that a configured CRM refused for ever.
    pub dead: u32,
    /// Marks that wait for the next append, at most [`JOURNAL_MARKS`](crate::limits::JOURNAL_MARKS): the file does not
    /// tell them yet.
    pub unwritten: Vec<(Seq, Crm, Mark)>,
    /// Undelivered calls that were dropped because it was full, since the start.
    pub dropped: u32,
    /// New calls refused because it was full, since the start.
    pub refused: u32,
    /// Calls whose identity an earlier call had, since the start.
    pub repeated: u32,
    /// Calls that were copied on to survive, since the start.
    pub moved: u32,
    /// Marks that could not be written for so long that they were given up; each costs a look-up after a restart.
    pub forgotten_marks: u32,
    /// Entries that went bad after the start.
    pub lost_records: u32,
    /// Bytes written to the file in this day (UTC; before the clock is set: day of the boot).
    pub bytes_today: u64,
    /// Syncs in this day.
    pub syncs_today: u32,
    /// Bytes written since the start.
    pub bytes: u64,
    /// Syncs since the start.
    pub syncs: u32,
    /// Bytes written to this file in its life; since format 2, at most a page's worth short after a power cut.
    pub bytes_ever: u64,
    /// Syncs in its life, as exact.
    pub syncs_ever: u64,
    /// Pages of it written in its life, each as often as it was.
    pub pages_ever: u64,
    /// About how many undelivered calls it can hold, if they go on as those in it; none: there is no call in it.
    pub calls_max: Option<u32>,
}
