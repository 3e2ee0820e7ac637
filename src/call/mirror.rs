//! The tracker's state outside the process: calls in progress outlive a kill.
//!
//! The shell writes [`Tracker::export`] to a file on tmpfs and gives it back to [`Tracker::restore`]; monotonic times
//! and hashed ids keep their meaning within one boot. Nothing that is read back is trusted: a key that leads nowhere
//! is harmless, lists are cut at their caps, another version is an empty state. Does not know files.

use super::index::IdHash;
use super::leg::Leg;
use super::slab::{Key, Slab};
use super::state::Call;
use super::tracker::{BridgeOfCall, Tracker, TrackerConfig};
use crate::clock::Stamp;
use crate::limits::{CALLS, CHANNELS, ENDED_IDS, LEGS_PER_CALL};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Raised when the meaning of the saved state changes.
const VERSION: u32 = 1;

/// The saved state of a tracker as it is written: serialise it.
#[derive(Debug, Serialize)]
pub struct Mirror<'a> {
    version: u32,
    saved_at: Stamp,
    secret: u64,
    next_order: u64,
    legs: &'a Slab<Leg>,
    calls: &'a Slab<Call>,
    ended_ids: &'a VecDeque<u64>,
    given_ids: &'a VecDeque<u64>,
}

/// The saved state of a tracker as it is read back: deserialise it. Nothing in it is trusted.
#[derive(Debug, Deserialize)]
pub struct Saved {
    version: u32,
    saved_at: Stamp,
    secret: u64,
    next_order: u64,
    legs: Slab<Leg>,
    calls: Slab<Call>,
    ended_ids: VecDeque<u64>,
    given_ids: VecDeque<u64>,
}

impl Saved {
    /// Up to when the calls in it are known to have lived.
    pub fn saved_at(&self) -> Stamp {
        self.saved_at
    }
}

impl Tracker {
    /// The present state for the mirror. Write it whenever [`Tracker::generation`] has changed, and once a second
    /// while calls are in progress (`now` is the moment up to which they are known to have lived).
    pub fn export(&self, now: Stamp) -> Mirror<'_> {
        Mirror {
            version: VERSION,
            saved_at: now,
            secret: self.hash.secret(),
            next_order: self.next_order,
            legs: &self.legs,
            calls: &self.calls,
            ended_ids: &self.ended_ids,
            given_ids: &self.given_ids,
        }
    }

    /// A tracker that goes on where another process of the same boot stopped. Follow it with a snapshot. A state of
    /// another version or from the future (another boot) is dropped.
    pub fn restore(config: TrackerConfig, saved: Saved, now: Stamp) -> Self {
        if saved.version != VERSION || saved.saved_at.mono > now.mono {
            return Self::new(config);
        }
        let mut tracker = Self::with_hash(config, IdHash::with_secret(saved.secret));
        tracker.next_order = saved.next_order;
        tracker.ended_ids = saved.ended_ids;
        tracker.ended_ids.truncate(ENDED_IDS);
        tracker.given_ids = saved.given_ids;
        tracker.given_ids.truncate(ENDED_IDS);
        tracker.legs = saved.legs.after_reading(CHANNELS);
        tracker.calls = saved.calls.after_reading(CALLS);
        tracker.drop_strays();
        tracker.index_legs();
        tracker.resume_calls(saved.saved_at, now);
        tracker
    }

    /// Makes calls and legs agree on who belongs to whom.
    fn drop_strays(&mut self) {
        for (key, call) in self.calls.iter_mut() {
            let legs = &self.legs;
            call.legs.retain(|leg| legs.get(*leg).is_some_and(|leg| leg.call == key));
            call.legs.truncate(LEGS_PER_CALL);
        }
        let calls = &self.calls;
        let is_stray = |(key, leg): &(Key, &Leg)| calls.get(leg.call).is_none_or(|call| !call.legs.contains(key));
        let strays: Vec<Key> = self.legs.iter().filter(is_stray).map(|(key, _)| key).collect();
        for key in strays {
            self.legs.remove(key);
        }
    }

    fn index_legs(&mut self) {
        for (key, leg) in self.legs.iter() {
            self.ids.insert(leg.id_hash, key);
            if leg.name_hash != 0 {
                self.names.insert(leg.name_hash, key);
            }
            if leg.bridge != 0 {
                self.bridges.entry(leg.bridge).or_insert(BridgeOfCall { call: leg.call, members: 0 }).members += 1;
            }
        }
    }

    fn resume_calls(&mut self, saved_at: Stamp, now: Stamp) {
        let keys: Vec<Key> = self.calls.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(call) = self.calls.get_mut(key) else { continue };
            call.dirty = false;
            call.told = 0;
            if call.ended.is_some() {
                self.finish_again(key);
                continue;
            }
            call.gaps.agent_restarted = true;
            for hash in call.links.clone() {
                self.links.insert(hash, key);
            }
            self.lived_until(key, saved_at);
            if self.calls.get(key).is_some_and(|call| call.settle_at.is_some()) {
                self.settle_later(key, now);
            }
            self.changed(key);
        }
        if !self.calls.is_empty() {
            self.want_resync();
            self.next_resync = Some(now.mono + crate::limits::RESYNC_EVERY);
        }
    }
}
