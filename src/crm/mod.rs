//! The CRM side: one port that every CRM implements, and what all of them share.
//!
//! A [`Port`] is called from worker threads and blocks; it does one call's work at a time and answers with an
//! [`Outcome`], which says the one thing the schedule must know: done, retry when, refuse for ever, or in doubt. It
//! keeps no queue, no clock and no journal: what a CRM told us about a call travels in its [`Ticket`]. Knows nothing of
//! AMI.

pub mod bitrix24;
pub mod bucket;
pub mod http;

use crate::call::live::LiveCall;
use crate::call::record::{CallRecord, Extension};
use crate::clock::Stamp;
use crate::config::Secret;
use crate::limits::{RANG_PER_CALL, TICKET_BYTES};
use crate::text::Text;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What a CRM knows of a call: kept in memory while the call lives, and in the journal with the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The CRM's own name of the call (Bitrix24: CALL_ID); empty until it was registered.
    pub call: Text<TICKET_BYTES>,
    /// The user it was registered for. Frozen before the first register is sent: another user would make another call.
    pub user: Option<u32>,
    /// A register or finish may have been executed without its answer having reached us. Set and cleared by the port,
    /// and set where a call is written down of which a request may be under way. It outlives [`Outcome::Retry`] and
    /// [`Outcome::Suspend`], so that a later attempt still looks first.
    pub in_doubt: bool,
    /// How often the CRM failed in the middle of finishing the call, leaving something behind each time.
    #[serde(default)]
    pub refusals: u8,
}

/// The employees that have the card open, as far as we know. Kept in memory only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown(pub heapless::Vec<u32, RANG_PER_CALL>);

/// The answer of a port to one piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done and the CRM said so.
    Done,
    /// It did not happen; do it again, not before `after` (none: the schedule's own back-off).
    Retry {
        /// The CRM's own wish.
        after: Option<Duration>,
        /// For the log and `status`, secrets masked.
        why: String,
    },
    /// Our own request limit: nothing was asked, and nothing is wrong with the portal. The lane goes on after `after`.
    Held {
        /// When it is our turn.
        after: Duration,
    },
    /// The whole portal cannot be used for now (credentials, plan, clock): everything waits, nothing is lost, look
    /// again after `after`.
    Suspend {
        /// When to look again.
        after: Duration,
        /// What is wrong and the remedy, secrets masked.
        why: String,
    },
    /// It may have happened: look before repeating, not before `after`.
    InDoubt {
        /// The request may still be running at the portal until then.
        after: Duration,
        /// For the log, secrets masked.
        why: String,
    },
    /// It will never be accepted.
    Refused {
        /// For the dead-letter list, secrets masked.
        why: String,
    },
}

/// How a finished call is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It ended just now: chat messages and cards are welcome.
    Fresh,
    /// It comes out of the backlog: no card, no chat message.
    Replayed,
}

/// A finished call of the backlog that goes to the CRM together with others.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// The call.
    pub record: Arc<CallRecord>,
    /// What the CRM knows of it, before and after.
    pub ticket: Ticket,
    /// Ask the CRM first whether it has it. Cleared once it said no.
    pub in_doubt: bool,
    /// Its recording follows. A CRM that wants to be asked where to send it may be asked with the call.
    pub with_recording: bool,
    /// Where the CRM wants the recording.
    pub upload: Option<UploadLink>,
    /// Only look it up with the others; if the CRM has it not, it goes by itself.
    pub only_look: bool,
    /// What became of it.
    pub fate: Fate,
}

/// Where a CRM wants a recording, told before it is sent. Kept in memory only: it holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadLink {
    /// The address.
    pub url: Secret,
    /// The name of the form's part.
    pub field: String,
}

/// What became of a [`Consignment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it goes with the next ones.
    Waiting,
    /// The CRM has it and said so.
    Delivered,
    /// It did not happen and needs more care than there is among others: deliver it by itself.
    Alone,
    /// It may have happened: look before repeating, not before `after`.
    InDoubt {
        /// The request may still be running at the portal until then.
        after: Duration,
    },
}

/// Which of the port's requests go first when the portal's rate is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Cards of live calls.
    Cards,
    /// Finished calls.
    Calls,
    /// Recordings, lists of users.
    Recordings,
}

impl Lane {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cards => "cards",
            Self::Calls => "calls",
            Self::Recordings => "recordings",
        }
    }
}

/// One CRM, as the delivery lanes see it. Methods block for at most the timeouts of [`crate::limits`].
pub trait Port: Send + Sync {
    /// Name for logs and `status`: the kind and, with several of one kind, its number.
    fn name(&self) -> &str;

    /// Brings the cards in step with `call`: registers it when that is due, for the user in the `ticket` and no other,
    /// shows and hides. `ticket` and `shown` are updated with what is known after it.
    fn announce(&self, call: &LiveCall, ticket: &mut Ticket, shown: &mut Shown) -> Outcome;

    /// Freezes in `ticket` what [`announce`](Self::announce) would register with, without any request, so that it can
    /// be mirrored first. Cheap.
    fn prepare(&self, call: &LiveCall, ticket: &mut Ticket);

    /// Delivers a finished call: registers it unless `ticket` says that was done, closes cards of `shown`, finishes it.
    /// With `in_doubt` (or when the ticket says so) the portal is asked first whether it has the call already. `now`
    /// dates a call that was made before the clock was set. One call is never in two methods of a port at once. After a
    /// crash the first attempt of a call in doubt waits [`AFTER_CRASH`](crate::limits::AFTER_CRASH): the request that
    /// the crash cut off may still be running there.
    fn deliver(
        &self,
        call: &CallRecord,
        ticket: &mut Ticket,
        shown: &mut Shown,
        freshness: Freshness,
        in_doubt: bool,
        now: Stamp,
    ) -> Outcome;

    /// Delivers calls of the backlog in as few requests as the CRM allows: from the front as many as it can take in
    /// one, and says of each what became of it. None of them was announced. The outcome is that of the requests
    /// themselves; what one call meets never fails the others. A CRM that takes one call at a time wants each
    /// [`Alone`](Fate::Alone).
    fn deliver_together(&self, calls: &mut [Consignment], _now: Stamp) -> Outcome {
        calls.iter_mut().for_each(|call| call.fate = Fate::Alone);
        Outcome::Done
    }

    /// Attaches one recording to a delivered call. `file` is complete and readable; it is streamed, never held. With
    /// `link` the CRM has said already where it wants it.
    fn attach(
        &self,
        call: &CallRecord,
        ticket: &Ticket,
        file: &Path,
        in_doubt: bool,
        link: Option<&UploadLink>,
    ) -> Outcome;

    /// Whether this CRM wants the call at all (internal calls are not posted).
    fn wants(&self, call: &CallRecord) -> bool;

    /// The CRM's status code of the call, for `calls` and `replay`.
    fn status_code(&self, call: &CallRecord) -> &'static str;

    /// Refreshes what is cached (users and their extensions). Called at start, hourly, and when a delivery met an
    /// unknown user.
    fn refresh(&self) -> Outcome;

    /// Whether a delivery met a user whom the cache does not know rightly, so that a refresh is due before its hour.
    fn wants_refresh(&self) -> bool {
        false
    }

    /// Whether it keeps a single recording of a call, so that a second one would push out the first.
    fn keeps_one_recording(&self) -> bool {
        false
    }

    /// What works but should be mended by somebody, and how; no secrets.
    fn notice(&self) -> Option<String> {
        None
    }

    /// The user of an extension, if known.
    fn user_of(&self, extension: &Extension) -> Option<u32>;
}
