//! What the portal remembers, and shows to a test: requests, calls, cards, activities, recordings.
//!
//! Plain structs without behaviour; [`crate::state`] fills them.

use std::fmt;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use time::OffsetDateTime;

use crate::config::{Entity, EntityType};
use crate::value::Value;

/// A call that is registered and not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveCall {
    /// `externalCall.<32 hex>.<unix seconds>`.
    pub call_id: String,
    /// `EXTERNAL_CALL_ID`, if one was sent.
    pub external_call_id: Option<String>,
    /// `USER_ID` of register.
    pub user: u64,
    /// `PHONE_NUMBER` without letters.
    pub phone: String,
    /// `TYPE`: 1 out, 2 in, 3 in with redirection, 4 callback, 5 info call.
    pub kind: i64,
    /// `LINE_NUMBER`; empty if none was sent.
    pub line: String,
    /// `CALL_START_DATE`, or the time of register.
    pub started: OffsetDateTime,
    /// Whether the number is the extension of an active employee: no card of a client, no CRM.
    pub internal: bool,
    /// The record of the CRM that the call is bound to.
    pub entity: Option<(EntityType, u64)>,
    /// The records that register created.
    pub created: Vec<(EntityType, u64)>,
    /// How often register returned this call.
    pub registrations: u32,
    /// When it was registered.
    pub registered: Instant,
}

/// A call in the statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedCall {
    /// Number of the statistics row.
    pub id: u64,
    /// The call as it was registered.
    pub registered: LiveCall,
    /// `USER_ID` of finish: who talked last.
    pub user: u64,
    /// `DURATION` in seconds.
    pub duration: i64,
    /// `STATUS_CODE`, or what the portal put in its place.
    pub status_code: String,
    /// `FAILED_REASON`.
    pub failed_reason: String,
    /// `VOTE`.
    pub vote: i64,
    /// `COST`, as text.
    pub cost: String,
    /// `COST_CURRENCY`.
    pub cost_currency: String,
    /// Whether a message went to the chat.
    pub in_chat: bool,
    /// The activity of the CRM, if there was a record to put it at.
    pub activity: Option<u64>,
    /// `RECORD_FILE_ID`.
    pub recording: Option<u64>,
    /// The later outgoing call that was answered on the same number, for a missed call. The numbers
    /// are compared as texts, so one with `+` does not clear one without.
    pub called_back: Option<u64>,
    /// When it was finished.
    pub finished: Instant,
}

impl FinishedCall {
    /// Whether the portal counts it as missed: an incoming call with 304, and no other code.
    pub fn missed(&self) -> bool {
        self.status_code == "304" && matches!(self.registered.kind, 2 | 3)
    }

    /// `CALL_ID`.
    pub fn call_id(&self) -> &str {
        &self.registered.call_id
    }

    /// `EXTERNAL_CALL_ID`, if one was sent.
    pub fn external_call_id(&self) -> Option<&str> {
        self.registered.external_call_id.as_deref()
    }
}

/// An activity of the CRM made by finish. One per call, unless finish was repeated after it failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Its id.
    pub id: u64,
    /// `CALL_ID` of the call; its `ORIGIN_ID` is `VI_` and this.
    pub call_id: String,
    /// The record that it is at.
    pub owner: (EntityType, u64),
    /// The responsible employee.
    pub responsible: u64,
    /// Whether it stands as a missed call.
    pub missed: bool,
    /// The file of the recording.
    pub recording: Option<u64>,
}

/// A call card on an employee's screen, with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The employee.
    pub user: u64,
    /// The call.
    pub call_id: String,
    /// `EXTERNAL_CALL_ID` of the call.
    pub external_call_id: Option<String>,
    /// When it came up.
    pub shown: Instant,
    /// The same by the wall clock.
    pub shown_at: SystemTime,
    /// How often it was shown while it was up.
    pub times_shown: u32,
    /// When it went away; `None` while it is up.
    pub hidden: Option<Instant>,
    /// What took it away.
    pub hidden_by: Option<HiddenBy>,
}

/// What took a card away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenBy {
    /// `telephony.externalCall.hide`.
    Hide,
    /// `telephony.externalCall.finish` for this employee.
    Finish,
}

/// A recording that arrived.
#[derive(Clone, PartialEq)]
pub struct Recording {
    /// Its file id.
    pub file_id: u64,
    /// The call.
    pub call_id: String,
    /// The name that counts: of the part in upload mode, `FILENAME` otherwise.
    pub file_name: String,
    /// `Content-Type` of the part.
    pub content_type: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
    /// Its bytes, unless there are more than the configuration keeps.
    pub content: Option<Vec<u8>>,
    /// Where it was saved.
    pub path: Option<PathBuf>,
    /// Whether the body came with `Transfer-Encoding: chunked`.
    pub chunked: bool,
    /// When it was complete.
    pub arrived: Instant,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("file_id", &self.file_id)
            .field("call_id", &self.call_id)
            .field("file_name", &self.file_name)
            .field("bytes", &self.bytes)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// An external line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// `NUMBER`.
    pub number: String,
    /// `NAME`; empty for one that register created.
    pub name: String,
    /// `CRM_AUTO_CREATE`.
    pub auto_create: bool,
}

/// A request, or one command of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRecord {
    /// Counts requests and commands from 1.
    pub number: u64,
    /// Number of the batch request and key of this command in it; `None` for a request of its own.
    pub within: Option<(u64, String)>,
    /// Counts connections from 1.
    pub connection: u64,
    /// `POST`, `GET`.
    pub verb: String,
    /// The method in lower case, without `.json`; empty when the path was not one of the API.
    pub method: String,
    /// The method as it was sent; the whole target of a request that was not for the API.
    pub sent_method: String,
    /// The parameters as they were understood. Long texts are cut.
    pub params: Value,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// When the first byte of the request was read.
    pub arrived: Instant,
    /// The same by the wall clock.
    pub arrived_at: SystemTime,
    /// When the body was complete.
    pub complete: Instant,
    /// When its outcome was certain, which is before the answer was sent; `None` while it is at work.
    pub answered: Option<Instant>,
    /// What became of it.
    pub outcome: Outcome,
}

impl RequestRecord {
    /// Whether it was answered without an error.
    pub fn succeeded(&self) -> bool {
        matches!(&self.outcome, Outcome::Answered { status: 200, error: None, .. })
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still at work.
    Pending,
    /// The answer was written to the connection.
    Answered {
        /// HTTP status.
        status: u16,
        /// `error` (which may be empty) and `error_description`.
        error: Option<(String, String)>,
        /// Whether the method did its work; false for a refusal before it.
        executed: bool,
    },
    /// No proper answer: the connection was cut, or a fault sent something else.
    Spoilt {
        /// What happened instead.
        how: &'static str,
        /// Whether the method did its work.
        executed: bool,
    },
}

/// Something that happened, for those who watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request was dealt with.
    Request(RequestRecord),
    /// A call was registered.
    Registered(LiveCall),
    /// A card came up, or was shown again.
    CardShown(Card),
    /// A card went away.
    CardHidden(Card),
    /// A call was finished.
    Finished(FinishedCall),
    /// A recording arrived.
    Recorded(Recording),
    /// A record of the CRM was created.
    Created(Entity),
    /// The portal went down (`false`) or came up (`true`).
    Up(bool),
}

/// One line for a person.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => write_request(f, request),
            Self::Registered(call) => write!(
                f,
                "call      {} {} line {} to user {}{}",
                kind_name(call.kind),
                call.phone,
                if call.line.is_empty() { "-" } else { &call.line },
                call.user,
                if call.internal { " (internal)" } else { "" },
            ),
            Self::CardShown(card) => {
                let again = if card.times_shown > 1 { " again" } else { "" };
                write!(f, "card up   user {} {}{again}", card.user, short(&card.call_id))
            }
            Self::CardHidden(card) => write_hidden(f, card),
            Self::Finished(call) => write!(
                f,
                "finished  {} {} line {} user {} talked {} s, status {}{}{}",
                kind_name(call.registered.kind),
                call.registered.phone,
                if call.registered.line.is_empty() { "-" } else { &call.registered.line },
                call.user,
                call.duration,
                call.status_code,
                if call.failed_reason.is_empty() { "" } else { ", " },
                call.failed_reason,
            ),
            Self::Recorded(file) => {
                write!(f, "recording {} {} bytes for {}", file.file_name, file.bytes, short(&file.call_id))
            }
            Self::Created(entity) => write!(f, "created   {} {} {}", entity.kind.name(), entity.id, entity.name),
            Self::Up(up) => f.write_str(if *up { "portal    up" } else { "portal    down" }),
        }
    }
}

fn write_request(f: &mut fmt::Formatter<'_>, request: &RequestRecord) -> fmt::Result {
    let indent = if request.within.is_some() { "  " } else { "" };
    write!(f, "request   {indent}{} {}", request.sent_method, request.params)?;
    match &request.outcome {
        Outcome::Pending => Ok(()),
        Outcome::Answered { status, error: None, .. } => write!(f, " -> {status}"),
        Outcome::Answered { status, error: Some((code, text)), .. } => write!(f, " -> {status} \"{code}\" {text}"),
        Outcome::Spoilt { how, executed } => {
            write!(f, " -> {how}, {}executed", if *executed { "" } else { "not " })
        }
    }
}

fn write_hidden(f: &mut fmt::Formatter<'_>, card: &Card) -> fmt::Result {
    let up = card.hidden.map(|at| at.saturating_duration_since(card.shown)).unwrap_or_default();
    write!(f, "card down user {} {} after {:.1} s", card.user, short(&card.call_id), up.as_secs_f64())
}

fn kind_name(kind: i64) -> &'static str {
    match kind {
        1 => "outbound",
        2 => "inbound",
        3 => "redirected",
        4 => "callback",
        5 => "info",
        _ => "unknown",
    }
}

/// Enough of a `CALL_ID` to tell calls apart.
fn short(call_id: &str) -> &str {
    call_id.get(..21).unwrap_or(call_id)
}
