//! What the schedule and the lanes say to each other: jobs one way, reports back, and verdicts for the journal.

use crate::call::live::LiveCall;
use crate::call::record::CallRecord;
use crate::crm::{Consignment, Freshness, Lane, Outcome, Shown, Ticket, UploadLink};
use crate::journal::{Part, Seq};
use std::sync::Arc;

/// One piece of work for a lane.
#[derive(Clone, Debug)]
pub enum Job {
    /// Bring the cards of a live call in step.
    Announce {
        /// The call as it is now.
        call: Box<LiveCall>,
        /// What the CRM knows of it.
        ticket: Ticket,
        /// Who has its card open.
        shown: Shown,
    },
    /// Deliver a finished call.
    Deliver {
        /// The call.
        record: Arc<CallRecord>,
        /// What the CRM knows of it.
        ticket: Ticket,
        /// Who has its card open.
        shown: Shown,
        /// Just ended, or out of the backlog.
        freshness: Freshness,
        /// Ask the CRM first whether it has it.
        in_doubt: bool,
    },
    /// Deliver calls of the backlog, as many at once as the CRM takes.
    DeliverTogether {
        /// The calls, oldest first.
        calls: Vec<Consignment>,
    },
    /// Attach the next recording of a delivered call, or the best where the CRM keeps one.
    Attach {
        /// The call.
        record: Arc<CallRecord>,
        /// What the CRM knows of it.
        ticket: Ticket,
        /// Those of its recordings that are still to be attached, as bits by index.
        left: u8,
        /// Whether recordings that are not there yet are worth waiting for when others are.
        patient: bool,
        /// Ask the CRM first whether it has it.
        in_doubt: bool,
        /// Where the CRM wants it, if it was asked with the call.
        link: Option<UploadLink>,
    },
    /// Ask the CRM for its users.
    Refresh,
}

impl Job {
    /// The lane it runs on.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Announce { .. } => Lane::Cards,
            Self::Deliver { .. } | Self::DeliverTogether { .. } => Lane::Calls,
            Self::Attach { .. } | Self::Refresh => Lane::Recordings,
        }
    }
}

/// What came of a job: the outcome, and the ticket and cards as they are after it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The lane that is free again.
    pub lane: Lane,
    /// The answer.
    pub outcome: Outcome,
    /// What the CRM knows now.
    pub ticket: Ticket,
    /// Who has the card open now.
    pub shown: Shown,
    /// Calls that went together, each with its fate and its ticket.
    pub together: Vec<Consignment>,
    /// The CRM's users should be asked anew before their hour.
    pub refresh: bool,
    /// The recording that was attached or refused.
    pub recording: Option<Dealt>,
    /// Recordings cannot come before somebody mends this.
    pub alarm: Option<String>,
}

/// Which recording of a call was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dealt {
    /// Its index in the call's list.
    pub index: usize,
    /// The CRM keeps no other one beside it.
    pub alone: bool,
}

/// What the schedule wants to read from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which entries.
    pub part: Part,
    /// Only later ones; 0: from the oldest.
    pub after: Seq,
    /// At most so many.
    pub max: usize,
}

/// Counters for `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Calls delivered and confirmed since the start.
    pub delivered: u64,
    /// Recordings attached.
    pub recordings: u64,
    /// Recordings given up.
    pub recordings_given_up: u64,
    /// Calls refused for ever.
    pub refused: u64,
    /// Requests that failed and are repeated.
    pub retries: u64,
    /// Answers that were lost and had to be looked up.
    pub in_doubt: u64,
    /// Live calls that got no card because too many were live.
    pub cards_dropped: u64,
}
