//! The tracker: AMI events in, one record per customer call out, hints on the way.
//!
//! An engine: no socket, no clock, no thread; `now` is an argument. After each mutation drain
//! [`Tracker::poll_output`]. Here is what it holds, and how a call ends; channels and calls are made and merged in
//! `tables`, told of in `telling`; what each event means is in `events`, lists of channels in `snapshot`, the saved
//! state in `mirror`.
//!
//! A call is a set of channels that were ever tied: by LinkedId, Dial, bridge, Local pair, masquerade, pickup, queue.
//! It ends when its last telephone or trunk is gone, and each call comes out as exactly one record.
//!
//! Bounds: `CHANNELS`, `CALLS`, `LEGS_PER_CALL` and `ENDED_IDS` of [`crate::limits`]; the outputs never exceed the
//! calls at once, for a hint is built when it is asked for.

use super::classify::{Classifier, Contexts, Party};
use super::family::{Family, Pick};
use super::index::{AsItIs, IdHash, Index};
use super::leg::Leg;
use super::live::LiveCall;
use super::record::{CallId, CallRecord};
use super::slab::{Key, Slab};
use super::snapshot::Snapshot;
use super::state::Call;
use super::telling::Pending;
use crate::ami::event::{Event, Purpose};
use crate::clock::{Monotonic, Stamp};
use crate::limits::{CALL_SILENCE, ENDED_IDS, RESYNC_EVERY, SETTLE};
use crate::number::rules::Rules;
use crate::profile::{self, Profile};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the tracker is told once.
#[derive(Clone, Debug)]
pub struct TrackerConfig {
    /// Head of every [`CallId`].
    pub pbx_name: String,
    /// Contexts that the user named.
    pub contexts: Contexts,
    /// What is known of this family of PBX; the generic [`AUTO`](crate::profile::AUTO) has the family recognised.
    pub profile: &'static Profile,
    /// What becomes of the clients' numbers when they are told.
    pub numbers: Arc<Rules>,
}

/// What comes out of the tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Hint: what a card needs of this call has changed; the whole present state.
    Live(Box<LiveCall>),
    /// Fact: this call is over. Exactly once for each call.
    Finished(Box<CallRecord>),
    /// Two calls turned out to be one, and `absorbed` had been told of: it is heard of no more, its history is in
    /// `kept`. A call in which a client of its own talked is not absorbed but finished.
    Joined {
        /// The call that no longer exists (the younger, or the one without a client).
        absorbed: CallId,
        /// The call that goes on.
        kept: CallId,
    },
    /// The family of PBX was recognised; its profile is used from now on. At most once.
    Picked(Pick),
    /// Please ask the PBX for its list of channels: events were lost, a table overflowed, or it is time to look for
    /// calls whose end was missed.
    ResyncWanted,
}

/// A bridge whose channels hear each other.
#[derive(Debug)]
pub(super) struct BridgeOfCall {
    pub(super) call: Key,
    pub(super) members: u32,
}

/// Follows the calls of one PBX.
#[derive(Debug)]
pub struct Tracker {
    pub(super) pbx_name: String,
    pub(super) classifier: Classifier,
    pub(super) numbers: Arc<Rules>,
    family: Family,
    picked: Option<Pick>,
    pub(super) hash: IdHash,
    pub(super) legs: Slab<Leg>,
    pub(super) calls: Slab<Call>,
    pub(super) ids: Index<Key>,
    pub(super) names: Index<Key>,
    pub(super) links: Index<Key>,
    pub(super) bridges: Index<BridgeOfCall>,
    /// Channels whose call is over: a late event does not raise them.
    pub(super) ended_ids: VecDeque<u64>,
    /// Identities that were given: none is given twice.
    pub(super) given_ids: VecDeque<u64>,
    /// Conferences in which somebody came or went, until it was looked who talks in consequence.
    pub(super) changed_rooms: Vec<u64>,
    pub(super) next_order: u64,
    pub(super) generation: u64,
    pub(super) dropped_recordings: u64,
    pub(super) pending: VecDeque<Pending>,
    pub(super) resync_wanted: bool,
    pub(super) next_resync: Option<Monotonic>,
    pub(super) snapshot: Option<Snapshot>,
    /// The earliest moment at which a call has to be judged; none: no call waits.
    pub(super) next_settle: Option<Monotonic>,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(config: TrackerConfig) -> Self {
        Self::with_hash(config, IdHash::fresh())
    }

    pub(super) fn with_hash(config: TrackerConfig, hash: IdHash) -> Self {
        let is_named = config.profile.name != profile::AUTO.name;
        Self {
            pbx_name: config.pbx_name,
            family: if is_named { Family::named() } else { Family::new() },
            picked: None,
            classifier: Classifier::new(config.contexts, config.profile),
            numbers: config.numbers,
            hash,
            legs: Slab::default(),
            calls: Slab::default(),
            ids: Index::with_hasher(AsItIs::default()),
            names: Index::with_hasher(AsItIs::default()),
            links: Index::with_hasher(AsItIs::default()),
            bridges: Index::with_hasher(AsItIs::default()),
            ended_ids: VecDeque::with_capacity(ENDED_IDS),
            given_ids: VecDeque::with_capacity(ENDED_IDS),
            changed_rooms: Vec::new(),
            next_order: 0,
            generation: 0,
            dropped_recordings: 0,
            pending: VecDeque::new(),
            resync_wanted: false,
            next_resync: None,
            snapshot: None,
            next_settle: None,
        }
    }

    /// Tells numbers by other rules from now on.
    pub fn follow_rules(&mut self, numbers: Arc<Rules>) {
        self.numbers = numbers;
    }

    /// Changes with everything that [`Tracker::export`] would tell differently, time aside.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls in progress.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether this call is followed, or ended and not yet handed out.
    pub fn knows(&self, id: &CallId) -> bool {
        self.calls.iter().any(|(_, call)| call.id.as_ref() == Some(id))
    }

    /// Channels followed, hung up ones of calls in progress included.
    pub fn channels(&self) -> usize {
        self.legs.len()
    }

    /// Names, UniqueIds, LinkedIds and bridges under which something of them is found: none where nothing is followed.
    pub fn indexed(&self) -> usize {
        self.ids.len() + self.names.len() + self.links.len() + self.bridges.len()
    }

    /// Recordings that could not be noted because their path was too long.
    pub fn dropped_recordings(&self) -> u64 {
        self.dropped_recordings
    }

    /// The PBX has a peer of this name (`PJSIP`, `101`), for this purpose. Tell before its calls begin.
    pub fn learn_peer(&mut self, technology: &[u8], name: &[u8], purpose: Purpose) {
        self.classifier.learn(technology, name, purpose);
        self.family.hear_peer(technology, name, b"");
    }

    /// The PBX speaks this version of AMI.
    pub fn learn_version(&mut self, ami: &[u8]) {
        self.family.hear_version(ami);
    }

    /// The profile in use.
    pub fn profile(&self) -> &'static Profile {
        self.classifier.profile()
    }

    /// By what it was picked; none: it was configured, or is the generic one.
    pub fn picked(&self) -> Option<Pick> {
        self.picked
    }

    /// Looks for the family in an event, before the event is judged: a pick only adds to what is known.
    pub(super) fn hear_family(&mut self, event: &Event<'_>, now: Stamp) {
        if self.family.is_open()
            && let Some(pick) = self.family.hear(event, now.mono)
        {
            self.classifier.pick(pick.profile());
            self.picked = Some(pick);
            self.pending.push_back(Pending::Picked);
        }
    }

    /// When [`Tracker::handle_timeout`] wants to be called; none: not before the next event.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        match (self.next_settle, self.next_resync) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Stamp) {
        if self.next_settle.is_some_and(|at| at <= now.mono) {
            self.settle_calls(now);
        }
        if self.next_resync.is_some_and(|at| at <= now.mono) {
            self.end_silent_calls(now);
            self.next_resync = (!self.calls.is_empty()).then(|| now.mono + RESYNC_EVERY);
            self.resync_wanted = self.next_resync.is_some();
        }
        self.hear_rooms(now);
    }

    /// Looks anew who talks in this call, and has the rooms looked at that it reaches.
    pub(super) fn hear(&mut self, key: Key, now: Stamp) {
        self.hear_call(key, now);
        self.note_rooms(key);
    }

    pub(super) fn hear_call(&mut self, key: Key, now: Stamp) {
        self.direct_by_company(key);
        let Some(call) = self.calls.get(key) else { return };
        let heard = super::hearing::talkers(call, &self.calls, &self.legs);
        let Some(call) = self.calls.get_mut(key) else { return };
        call.gaps.overflow |= heard.is_cut;
        if call.talk(&heard.talkers, now.mono) {
            // Not every event that parts or joins channels names one of them.
            if call.alive_at.mono < now.mono {
                call.alive_at = now;
            }
            self.generation += 1;
            self.changed(key);
        }
    }

    /// Whether the call is over: its last telephone or trunk is gone. While Local channels live, another telephone may
    /// still be dialled, so the end waits for them a little.
    pub(super) fn judge(&mut self, key: Key, now: Stamp) {
        let Some(call) = self.calls.get(key) else { return };
        if call.ended.is_some() {
            return;
        }
        let mut plumbing = false;
        for leg in call.legs.iter().filter_map(|leg| self.legs.get(*leg)).filter(|leg| leg.alive) {
            if leg.party.is_somebody() {
                return;
            }
            plumbing |= leg.party == Party::Local;
        }
        // The end of a failed click-to-call is followed by the answer that says whom it was for.
        if !plumbing && call.direction.is_some() {
            return self.finish(key, call.emptied_at.unwrap_or(call.alive_at));
        }
        // A pair that has not dialled anybody yet is not over.
        let had_somebody = call.legs.iter().any(|leg| self.legs.get(*leg).is_some_and(|leg| leg.party.is_somebody()));
        if !had_somebody && !plumbing {
            return self.finish(key, now);
        }
        if had_somebody && call.settle_at.is_none() {
            if let Some(call) = self.calls.get_mut(key) {
                call.emptied_at = Some(now);
            }
            self.settle_later(key, now);
        }
    }

    pub(super) fn settle_later(&mut self, key: Key, now: Stamp) {
        let at = now.mono + SETTLE;
        if let Some(call) = self.calls.get_mut(key) {
            call.settle_at = Some(at);
            self.next_settle = Some(self.next_settle.map_or(at, |next| next.min(at)));
        }
    }

    /// Judges the calls whose time has come.
    fn settle_calls(&mut self, now: Stamp) {
        let due = |call: &Call| call.settle_at.is_some_and(|at| at <= now.mono);
        while let Some(key) = self.find_call(due) {
            if let Some(call) = self.calls.get_mut(key) {
                call.settle_at = None;
            }
            self.drop_missing(key);
            let is_empty = self
                .calls
                .get(key)
                .is_some_and(|call| !call.legs.iter().any(|leg| self.legs.get(*leg).is_some_and(Leg::is_somebody)));
            if is_empty && let Some(call) = self.calls.get(key) {
                self.finish(key, call.emptied_at.unwrap_or(call.alive_at));
            }
        }
        self.next_settle = self.calls.iter().filter_map(|(_, call)| call.settle_at).min();
    }

    fn find_call(&self, is_it: impl Fn(&Call) -> bool) -> Option<Key> {
        self.calls.iter().find(|(_, call)| is_it(call)).map(|(key, _)| key)
    }

    /// A call of which nothing was heard for a day is over, whatever the PBX forgot to say.
    fn end_silent_calls(&mut self, now: Stamp) {
        let is_silent = |call: &Call| call.ended.is_none() && now.mono.since(call.alive_at.mono) >= CALL_SILENCE;
        while let Some(key) = self.find_call(is_silent) {
            let Some(call) = self.calls.get_mut(key) else { return };
            call.gaps.overflow = true;
            let at = call.alive_at;
            self.finish(key, at);
        }
    }

    /// Ends a call: its record waits to be polled, its channels are forgotten. A call in which nobody ever was leaves
    /// no record.
    pub(super) fn finish(&mut self, key: Key, ended: Stamp) {
        let Some(call) = self.calls.get(key) else { return };
        if call.ended.is_some() {
            return;
        }
        let legs = call.legs.clone();
        self.direct_at_end(key);
        self.give_identity(key);
        let had_somebody = legs.iter().any(|leg| self.legs.get(*leg).is_some_and(|leg| leg.party.is_somebody()));
        for leg in &legs {
            self.stop_ringing(*leg, ended);
            self.drop_own_group(*leg);
        }
        for leg in legs {
            self.leave_bridge(leg);
            self.forget_leg(leg);
        }
        self.generation += 1;
        let Some(call) = self.calls.get_mut(key) else { return };
        call.talk(&super::state::Talkers::new(), ended.mono);
        call.legs.clear();
        call.ended = Some(ended);
        for hash in call.links.clone() {
            if self.links.get(&hash) == Some(&key) {
                self.links.remove(&hash);
            }
        }
        let is_told = self.calls.get(key).is_some_and(|call| call.announced);
        if had_somebody || is_told {
            self.pending.push_back(Pending::Finished(key));
        } else {
            self.calls.remove(key);
        }
    }

    /// All calls in progress, oldest first.
    pub(super) fn open_calls(&self) -> Vec<Key> {
        let mut open: Vec<(u64, Key)> =
            self.calls.iter().filter(|(_, call)| call.ended.is_none()).map(|(key, call)| (call.order, key)).collect();
        open.sort_unstable_by_key(|(order, _)| *order);
        open.into_iter().map(|(_, key)| key).collect()
    }

    /// Takes in one event. Items of a list count only between [`Tracker::snapshot_begin`] and
    /// [`Tracker::snapshot_end`].
    pub fn handle(&mut self, event: &Event<'_>, now: Stamp) {
        if self.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.handle_timeout(now);
        }
        if !matches!(event, Event::Listed { .. }) {
            self.hear_family(event, now);
        }
        self.apply(event, now);
        self.hear_rooms(now);
    }
}
