//! The finished fact: one customer call, whole, as the journal keeps it and every CRM gets it.
//!
//! Stands alone because it is the one type that both sides of the journal share. Every text and list is bounded by
//! [`crate::limits`]; a record never grows with the length of a call. Knows no CRM words: status codes and field names
//! belong to `crm`.

use crate::clock::Stamp;
use crate::limits::{
    CALL_ID_BYTES, EXTENSION_BYTES, LINE_BYTES, NUMBER_BYTES, QUEUE_BYTES, RANG_PER_CALL, RECORDING_PATH_BYTES,
    RECORDINGS_PER_CALL, TALKERS_PER_CALL, TRANSFERS_PER_CALL, TRUNK_BYTES,
};
use crate::text::Text;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The call's one identity for life, `<pbx name>-<linkedid>`.
pub type CallId = Text<CALL_ID_BYTES>;
/// An internal number.
pub type Extension = Text<EXTENSION_BYTES>;
/// A telephone number as the PBX told it, in records and hints as the rules for numbers made it; empty when hidden.
pub type Number = Text<NUMBER_BYTES>;
/// The dialled outside number of an inbound call (DID), or the line an outbound call left by.
pub type Line = Text<LINE_BYTES>;
/// Full path of a recording as the PBX named it.
pub type RecordingPath = Text<RECORDING_PATH_BYTES>;

/// Whose call it is. Fixed at the first real channel; transfers and redirects do not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From outside.
    Inbound,
    /// To outside.
    Outbound,
    /// Between extensions.
    Internal,
}

/// Why a call with the outside is followed and kept, but posted to no CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Withheld {
    /// The other end is the office's own number.
    Own = 1,
    /// The configuration keeps calls of this client out.
    Client = 2,
    /// The configuration keeps calls on this line out.
    Line = 3,
}

impl Withheld {
    /// The reason of this code; none for zero, and for one of a later version.
    pub fn of(code: u8) -> Option<Self> {
        [Self::Own, Self::Client, Self::Line].into_iter().find(|why| why.code() == code)
    }

    /// The code on flash and on the mirror: part of the journal's format.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Client => "client",
            Self::Line => "line",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Own => "a number of the office's own",
            Self::Client => "left out by the lists of clients",
            Self::Line => "left out by the lists of lines",
        }
    }
}

/// How it ended, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// A person talked with the client.
    Answered,
    /// Nobody took it (IVR, queue or announcement at most).
    Missed,
    /// The called side was busy.
    Busy,
    /// It could not be connected: unreachable, wrong number, congestion, rejected.
    Failed,
    /// The caller gave up.
    Cancelled,
    /// Nobody took it and a message was left.
    Voicemail,
}

/// DIALSTATUS of the root channel's last Dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DialStatus {
    /// No Dial ran, or it was not told.
    #[default]
    Unknown,
    /// ANSWER.
    Answer,
    /// NOANSWER.
    NoAnswer,
    /// CANCEL.
    Cancel,
    /// BUSY.
    Busy,
    /// CHANUNAVAIL.
    ChanUnavail,
    /// CONGESTION.
    Congestion,
    /// DONTCALL.
    DontCall,
    /// TORTURE.
    Torture,
    /// INVALIDARGS.
    InvalidArgs,
}

/// An extension that rang.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rang {
    /// Its number.
    pub extension: Extension,
    /// Ring time in all, milliseconds.
    pub ring_ms: u32,
}

/// An extension (or the outside number of a forwarded call) that talked with the client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Its number.
    pub extension: Extension,
    /// Talk time in all, milliseconds.
    pub talk_ms: u32,
}

/// One step of a transfer chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who gave the call away; empty when unknown.
    pub from: Extension,
    /// Who or what got it: an extension, a queue, an outside number.
    pub to: Extension,
    /// With a consultation before.
    pub attended: bool,
}

/// What was not seen of the call. All false: the record is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gaps {
    /// It was under way when ringpost joined: ring and talk times are "at least".
    pub joined_late: bool,
    /// The AMI link was away for part of it: its end may be earlier than told.
    pub link_lost: bool,
    /// The PBX stopped or restarted in mid-call.
    pub pbx_restarted: bool,
    /// A table was full or events were dropped.
    pub overflow: bool,
    /// ringpost itself was restarted in mid-call.
    pub agent_restarted: bool,
}

impl Gaps {
    /// Whether everything was seen.
    pub fn is_exact(self) -> bool {
        self == Self::default()
    }
}

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Identity for life.
    pub id: CallId,
    /// Whose call.
    pub direction: Direction,
    /// The outside number; for internal calls the called one. Empty when hidden.
    pub client: Number,
    /// DID of an inbound call, else the trunk's name.
    pub line: Line,
    /// Peer name of the trunk; empty for internal calls.
    pub trunk: Text<TRUNK_BYTES>,
    /// Outbound and internal: the extension that dialled. Empty for inbound.
    pub caller: Extension,
    /// Extensions that rang, in order of their first ring, none twice.
    pub rang: Vec<Rang, RANG_PER_CALL>,
    /// Who answered first.
    pub answered_by: Option<Extension>,
    /// Who talked last.
    pub talked_last: Option<Extension>,
    /// Talk time per talker, in order of their first word.
    pub talks: Vec<Talk, TALKERS_PER_CALL>,
    /// Talk time in all, milliseconds: the client and an employee hear each other.
    pub talk_ms: u32,
    /// How it ended.
    pub disposition: Disposition,
    /// DIALSTATUS of the root channel.
    pub dial_status: DialStatus,
    /// Q.850 cause of the deciding hangup; 0 unknown.
    pub cause: u16,
    /// The queue or group it waited in; empty if none.
    pub queue: Text<QUEUE_BYTES>,
    /// Transfer chain.
    pub transfers: Vec<Transfer, TRANSFERS_PER_CALL>,
    /// Recordings, as the PBX names them.
    pub recordings: Vec<RecordingPath, RECORDINGS_PER_CALL>,
    /// Voicemail file without its ending; empty if none.
    pub voicemail: RecordingPath,
    /// First channel made.
    pub started: Stamp,
    /// Last channel gone.
    pub ended: Stamp,
    /// What was not seen.
    pub gaps: Gaps,
    /// Why no CRM gets it, as the rules for numbers judged it when it ended; none: they let it pass.
    #[serde(default, with = "withheld")]
    pub withheld: Option<Withheld>,
}

/// The reason as its code.
mod withheld {
    use super::Withheld;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(why: &Option<Withheld>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(why.map_or(0, Withheld::code))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Withheld>, D::Error> {
        u8::deserialize(from).map(Withheld::of)
    }
}

impl CallRecord {
    /// Whether it is for CRMs: calls between extensions and withheld ones are not.
    pub fn is_posted(&self) -> bool {
        self.direction != Direction::Internal && self.withheld.is_none()
    }
}
