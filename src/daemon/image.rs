//! What outlives a kill of the process: calls in progress, their tickets, and finished calls that the journal has not
//! yet answered for.
//!
//! Serialised as JSON into the mirror on tmpfs and read back by the next process of the same boot. Not a promise
//! between versions: another version of it is dropped. Bounded by the tables it is made of.

use crate::call::live::LiveCall;
use crate::call::mirror;
use crate::call::record::CallRecord;
use crate::clock::Monotonic;
use crate::crm::{Shown, Ticket};
use crate::deliver::cards::Card;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// As it is written.
#[derive(Debug, Serialize)]
pub struct Image<'a> {
    /// Calls in progress.
    pub tracker: mirror::Mirror<'a>,
    /// What the CRMs know of them.
    pub cards: Vec<CardImage>,
    /// On the way into the journal.
    pub finished: Vec<FinishedImage>,
}

/// As it is read back.
#[derive(Debug, Deserialize)]
pub struct SavedImage {
    /// Calls in progress.
    pub tracker: mirror::Saved,
    /// What the CRMs know of them.
    pub cards: Vec<CardImage>,
    /// On the way into the journal.
    pub finished: Vec<FinishedImage>,
}

/// A call at one CRM.
#[derive(Debug, Serialize, Deserialize)]
pub struct CardImage {
    /// The CRM's tag.
    pub crm: u32,
    /// The call.
    pub call: LiveCall,
    /// What the CRM knows of it.
    pub ticket: Ticket,
    /// Who has its card open.
    pub shown: Shown,
    /// A request about it whose answer was lost may still be running until then.
    #[serde(default)]
    pub doubt_until: Monotonic,
}

impl CardImage {
    /// Of a card; a register that is under way counts as in doubt.
    pub fn of(crm: u32, card: &Card) -> Self {
        let mut ticket = card.ticket.clone();
        ticket.in_doubt |= card.is_in_flight();
        let doubt_until = card.doubt_until();
        Self { crm, call: card.call.clone(), ticket, shown: card.shown.clone(), doubt_until }
    }
}

/// A finished call.
#[derive(Debug, Serialize, Deserialize)]
pub struct FinishedImage {
    /// The call.
    pub record: Arc<CallRecord>,
    /// What the CRMs know of it, by their tags.
    pub tickets: Vec<(u32, Ticket)>,
}
