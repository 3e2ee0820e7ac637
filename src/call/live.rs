//! The hint: a call in progress as it is now, for cards.
//!
//! A hint is the whole present state and not a change, so that any number of hints for one call can be dropped as long
//! as the last one arrives. Worth something only now; never written to flash. Serialised for the mirror on tmpfs only.

use super::record::{CallId, Direction, Extension, Line, Number, Withheld};
use crate::clock::Stamp;
use crate::limits::RANG_PER_CALL;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Identity for life, the same as in the record that follows.
    pub id: CallId,
    /// Whose call.
    pub direction: Direction,
    /// The outside number; empty when hidden.
    pub client: Number,
    /// DID, else trunk name.
    pub line: Line,
    /// Outbound: who dialled.
    pub caller: Extension,
    /// Extensions that ring now.
    pub ringing: Vec<Extension, RANG_PER_CALL>,
    /// Extension that talks with the client now, or talked last.
    pub talking: Option<Extension>,
    /// First channel made.
    pub started: Stamp,
    /// Why no CRM gets it, as far as is known now.
    #[serde(skip)] // a card that is kept is of a call that is not
    pub withheld: Option<Withheld>,
}

impl LiveCall {
    /// Whether it is for CRMs: see [`CallRecord::is_posted`](super::record::CallRecord::is_posted).
    pub fn is_posted(&self) -> bool {
        self.direction != Direction::Internal && self.withheld.is_none()
    }
}
