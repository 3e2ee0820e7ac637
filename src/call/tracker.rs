//! The tracker: AMI events in, one record per customer call out, hints on the way.
//!
//! An engine: no socket, no clock, no thread; `now` is an argument. After each mutation drain
//! [`Tracker::poll_output`]. Everything in it is bounded by [`crate::limits`].

use super::classify::Contexts;
use super::live::LiveCall;
use super::record::{CallId, CallRecord};
use crate::ami::event::Event;
use crate::clock::{Monotonic, Stamp};
use crate::profile::Profile;
use serde::{Deserialize, Serialize};

/// What the tracker is told once.
#[derive(Clone, Debug)]
pub struct TrackerConfig {
    /// Head of every [`CallId`].
    pub pbx_name: String,
    /// Contexts that the user named.
    pub contexts: Contexts,
    /// What is known of this family of PBX.
    pub profile: &'static Profile,
}

/// What comes out of the tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Hint: what a card needs of this call has changed; the whole present state.
    Live(Box<LiveCall>),
    /// Fact: this call is over. Exactly once for each call.
    Finished(Box<CallRecord>),
    /// Two calls that had both been told of turned out to be one: `absorbed` is heard of no more, its history is in
    /// `kept`.
    Joined {
        /// The call that no longer exists (the younger, or the one without a client).
        absorbed: CallId,
        /// The call that goes on.
        kept: CallId,
    },
    /// Events were lost or a table overflowed: please ask the PBX for its list of channels.
    ResyncWanted,
}

/// The saved state of a tracker as it is written: serialise it.
#[derive(Debug, Serialize)]
pub struct Mirror {
    saved_at: Stamp,
}

/// The saved state of a tracker as it is read back: deserialise it. Nothing in it is trusted.
#[derive(Debug, Deserialize)]
pub struct Saved {
    saved_at: Stamp,
}

/// Follows the calls of one PBX.
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    generation: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(config: TrackerConfig) -> Self {
        Self { config, generation: 0 }
    }

    /// A tracker that goes on where another process of the same boot stopped. Follow it with a snapshot.
    pub fn restore(config: TrackerConfig, saved: Saved, _now: Stamp) -> Self {
        let _ = saved.saved_at;
        Self::new(config)
    }

    /// The present state for the mirror. Write it whenever [`Tracker::generation`] has changed, and once a second
    /// while calls are in progress (`now` is the moment up to which they are known to have lived).
    pub fn export(&self, now: Stamp) -> Mirror {
        Mirror { saved_at: now }
    }

    /// Changes with everything that [`Tracker::export`] would tell differently.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls in progress.
    pub fn calls(&self) -> usize {
        0
    }

    /// Channels followed, hung up ones of calls in progress included.
    pub fn channels(&self) -> usize {
        0
    }

    /// Takes in one event.
    pub fn handle(&mut self, _event: &Event<'_>, _now: Stamp) {
        let _ = &self.config;
    }

    /// When [`Tracker::handle_timeout`] wants to be called; none: not before the next event.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        None
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, _now: Stamp) {}

    /// The next output; none: drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// The AMI link is gone: calls in progress are known to have lived until `now`.
    pub fn link_lost(&mut self, _now: Stamp) {}

    /// A list of channels (`CoreShowChannels`, `Status`) was asked for.
    pub fn snapshot_begin(&mut self, _now: Stamp) {}

    /// One [`Event::Listed`] of that list; other events are ignored.
    pub fn snapshot_channel(&mut self, _listed: &Event<'_>, _now: Stamp) {}

    /// The list is over. Only when it is `complete` are channels that it lacks taken for gone.
    pub fn snapshot_end(&mut self, _complete: bool, _now: Stamp) {}

    /// The PBX was restarted: every call in progress ended when it was last known to live.
    pub fn pbx_restarted(&mut self, _now: Stamp) {}

    /// The PBX has a peer of this name (`PJSIP`, `101`): extension or trunk.
    pub fn learn_peer(&mut self, _technology: &[u8], _name: &[u8]) {}
}
