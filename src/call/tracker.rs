//! The tracker: AMI events in, one record per customer call out, hints on the way.
//!
//! An engine: no socket, no clock, no thread; `now` is an argument. After each mutation drain
//! [`Tracker::poll_output`]. Here are its tables and the life of a call (made, merged, told of, ended); what each event
//! means is in `events`, lists of channels in `snapshot`, the saved state in `mirror`.
//!
//! A call is a set of channels that were ever tied: by LinkedId, Dial, bridge, Local pair, masquerade, pickup, queue.
//! It ends when its last telephone or trunk is gone, and each call comes out as exactly one record.
//!
//! Bounds: [`CHANNELS`], [`CALLS`], [`LEGS_PER_CALL`], [`ENDED_IDS`]; the outputs never exceed the calls at once, for
//! a hint is built when it is asked for.

use super::classify::{Classifier, Contexts, Party};
use super::index::{AsItIs, IdHash, Index};
use super::leg::Leg;
use super::live::LiveCall;
use super::record::{CallId, CallRecord, Direction};
use super::slab::{Key, Slab};
use super::snapshot::Snapshot;
use super::state::Call;
use crate::ami::event::{Channel, Event};
use crate::clock::{Monotonic, Stamp};
use crate::limits::{CALL_ID_BYTES, CALL_SILENCE, CALLS, CHANNELS, ENDED_IDS, LEGS_PER_CALL, RESYNC_EVERY, SETTLE};
use crate::profile::Profile;
use crate::text::{Text, bounded};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

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
    /// Please ask the PBX for its list of channels: events were lost, a table overflowed, or it is time to look for
    /// calls whose end was missed.
    ResyncWanted,
}

/// An output that waits; what it says is built when it is polled.
#[derive(Debug)]
enum Pending {
    Live(Key),
    Finished(Key),
    Joined(Box<(CallId, CallId)>),
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
    pub(super) hash: IdHash,
    pub(super) legs: Slab<Leg>,
    pub(super) calls: Slab<Call>,
    pub(super) ids: Index<Key>,
    pub(super) names: Index<Key>,
    pub(super) links: Index<Key>,
    pub(super) bridges: Index<BridgeOfCall>,
    pub(super) ended_ids: VecDeque<u64>,
    pub(super) next_order: u64,
    pub(super) generation: u64,
    pub(super) dropped_recordings: u64,
    pending: VecDeque<Pending>,
    resync_wanted: bool,
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
        Self {
            pbx_name: config.pbx_name,
            classifier: Classifier::new(config.contexts, config.profile),
            hash,
            legs: Slab::default(),
            calls: Slab::default(),
            ids: Index::with_hasher(AsItIs::default()),
            names: Index::with_hasher(AsItIs::default()),
            links: Index::with_hasher(AsItIs::default()),
            bridges: Index::with_hasher(AsItIs::default()),
            ended_ids: VecDeque::with_capacity(ENDED_IDS),
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

    /// Changes with everything that [`Tracker::export`] would tell differently, time aside.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls in progress.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Channels followed, hung up ones of calls in progress included.
    pub fn channels(&self) -> usize {
        self.legs.len()
    }

    /// Recordings that could not be noted because their path was too long.
    pub fn dropped_recordings(&self) -> u64 {
        self.dropped_recordings
    }

    /// The PBX has a peer of this name (`PJSIP`, `101`): extension or trunk. Tell before its calls begin.
    pub fn learn_peer(&mut self, technology: &[u8], name: &[u8]) {
        self.classifier.learn(technology, name);
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
    }

    /// The next output; none: drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        while let Some(pending) = self.pending.pop_front() {
            let output = match pending {
                Pending::Live(key) => self.tell(key),
                Pending::Finished(key) => self.hand_out(key),
                Pending::Joined(ids) => Some(Output::Joined { absorbed: ids.0, kept: ids.1 }),
            };
            if output.is_some() {
                return output;
            }
        }
        std::mem::take(&mut self.resync_wanted).then_some(Output::ResyncWanted)
    }

    // ---- outputs ------------------------------------------------------------------------------------------------

    /// What a card needs of this call may have changed.
    pub(super) fn changed(&mut self, key: Key) {
        if let Some(call) = self.calls.get_mut(key)
            && call.ended.is_none()
            && !call.dirty
        {
            call.dirty = true;
            self.pending.push_back(Pending::Live(key));
        }
    }

    /// Events were lost: the picture has to be compared with the PBX's.
    pub(super) fn want_resync(&mut self) {
        self.resync_wanted = true;
    }

    fn tell(&mut self, key: Key) -> Option<Output> {
        let call = self.calls.get_mut(key)?;
        call.dirty = false;
        if call.ended.is_some() {
            return None;
        }
        let id = self.identity(key)?;
        let live = self.live(key, id)?;
        let told = digest(&live);
        let call = self.calls.get_mut(key)?;
        if call.told == told {
            return None;
        }
        call.told = told;
        call.announced = true;
        call.id = Some(live.id.clone());
        self.generation += 1;
        Some(Output::Live(Box::new(live)))
    }

    /// The hint of a call, once it is worth one: somebody rings, somebody talks, or an outside number was dialled.
    fn live(&self, key: Key, id: CallId) -> Option<LiveCall> {
        let call = self.calls.get(key)?;
        let direction = call.direction?;
        let mut ringing = heapless::Vec::new();
        for leg in call.legs.iter().filter_map(|leg| self.legs.get(*leg)) {
            if let Party::Extension(extension) = &leg.party
                && leg.alive
                && leg.ringing_since.is_some()
                && !ringing.contains(extension)
            {
                let _ = ringing.push(extension.clone());
            }
        }
        let talking = call.talker().cloned();
        if ringing.is_empty() && talking.is_none() && direction != Direction::Outbound && !call.announced {
            return None;
        }
        Some(LiveCall {
            id,
            direction,
            client: call.client.clone(),
            line: call.line.clone(),
            caller: call.caller.clone(),
            ringing,
            talking,
            started: call.started,
        })
    }

    /// The call's identity for life: `<pbx name>-<linkedid>`, its tail if that is too long. A LinkedId that a finished
    /// call has used up already is replaced by the root's UniqueId.
    fn identity(&self, key: Key) -> Option<CallId> {
        let call = self.calls.get(key)?;
        if let Some(id) = &call.id {
            return Some(id.clone());
        }
        let id = self.composed(&call.linked);
        if !self.ended_ids.contains(&self.hash.of(id.as_bytes())) {
            return Some(id);
        }
        let root = call.root.or_else(|| call.legs.first().copied()).and_then(|leg| self.legs.get(leg));
        root.map(|leg| self.composed(&leg.id)).or(Some(id))
    }

    fn composed(&self, linked: &str) -> CallId {
        let whole = format!("{}-{linked}", self.pbx_name);
        let mut from = whole.len().saturating_sub(CALL_ID_BYTES);
        while !whole.is_char_boundary(from) {
            from += 1;
        }
        bounded(whole.get(from..).unwrap_or_default().as_bytes())
    }

    fn hand_out(&mut self, key: Key) -> Option<Output> {
        let id = self.identity(key)?;
        let call = self.calls.remove(key)?;
        let ended = call.ended.unwrap_or(call.alive_at);
        self.remember_ended(self.hash.of(id.as_bytes()));
        self.generation += 1;
        Some(Output::Finished(Box::new(call.record(id, ended))))
    }

    // ---- channels -----------------------------------------------------------------------------------------------

    /// The leg of this channel if it is followed, its state brought up to date. An event that names the channel only
    /// is enough on old servers.
    pub(super) fn known(&mut self, channel: &Channel<'_>, now: Stamp) -> Option<Key> {
        let key = if channel.unique_id.is_empty() {
            *self.names.get(&self.hash.of(channel.name))?
        } else {
            *self.ids.get(&self.hash.of(channel.unique_id))?
        };
        let leg = self.legs.get_mut(key)?;
        leg.heard = now.mono;
        leg.missing = false;
        if let Some(state) = channel.state.filter(|state| leg.alive && *state != leg.state) {
            leg.state = state;
            self.generation += 1;
        }
        let (call, in_room) = (leg.call, leg.in_room);
        if let Some(call) = self.calls.get_mut(call) {
            call.alive_at = now;
        }
        let linked = if channel.linked_id.is_empty() { 0 } else { self.hash.of(channel.linked_id) };
        if linked != 0 {
            let leg = self.legs.get_mut(key)?;
            if leg.linked_hash != linked {
                leg.linked_hash = linked;
                self.generation += 1;
                // A conference or a parking lot gives strangers one LinkedId.
                if !in_room {
                    self.tie_linked(key, linked, now);
                }
            }
        }
        Some(key)
    }

    /// The leg of this channel; followed from now on if it was not. None: it is over, or there is no room.
    pub(super) fn followed(&mut self, channel: &Channel<'_>, now: Stamp) -> Option<Key> {
        if let Some(key) = self.known(channel, now) {
            return Some(key);
        }
        if channel.unique_id.is_empty() || self.ended_ids.contains(&self.hash.of(channel.unique_id)) {
            return None;
        }
        self.make_leg(channel, now, now)
    }

    /// As [`Tracker::followed`] for an event that is not the first of its channel: what came before was missed.
    pub(super) fn followed_late(&mut self, channel: &Channel<'_>, now: Stamp) -> Option<Key> {
        if let Some(key) = self.known(channel, now) {
            return Some(key);
        }
        let key = self.followed(channel, now)?;
        self.want_resync();
        let call = self.legs.get(key)?.call;
        if let Some(call) = self.calls.get_mut(call) {
            call.gaps.joined_late = true;
        }
        Some(key)
    }

    pub(super) fn make_leg(&mut self, channel: &Channel<'_>, created: Stamp, now: Stamp) -> Option<Key> {
        if self.legs.len() >= CHANNELS {
            self.evict_leg(now);
        }
        let linked_hash = self.hash.of(channel.linked_id);
        let call = match self.call_of_link(linked_hash) {
            Some(call) => call,
            None => self.make_call(channel, created, now),
        };
        self.room_for_leg(call)?;
        let (id_hash, name_hash) = (self.hash.of(channel.unique_id), self.hash.of(channel.name));
        let key = self.legs.insert(Leg {
            id: bounded(channel.unique_id),
            name: bounded(channel.name),
            id_hash,
            name_hash,
            linked_hash,
            party: self.classifier.party(channel.name, channel.context),
            state: channel.state.unwrap_or(0),
            alive: true,
            call,
            created,
            heard: now.mono,
            bridge: 0,
            in_room: false,
            twin: None,
            partner: None,
            dialled: false,
            dialler: None,
            ringing_since: None,
            exten: bounded(channel.exten),
            number: bounded(channel.caller_num),
            first_state: channel.state.unwrap_or(0),
            cause: 0,
            missing: false,
            from_list: false,
            listed: false,
        });
        self.ids.insert(id_hash, key);
        if name_hash != 0 {
            self.names.insert(name_hash, key);
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.legs.push(key);
            call.settle_at = None;
            call.emptied_at = None;
            call.alive_at = now;
        }
        self.generation += 1;
        Some(key)
    }

    /// Makes room in a call's list of legs: the longest dead goes. None: all of them live.
    fn room_for_leg(&mut self, call: Key) -> Option<()> {
        let state = self.calls.get_mut(call)?;
        if state.legs.len() < LEGS_PER_CALL {
            return Some(());
        }
        let dead = state
            .legs
            .iter()
            .copied()
            .filter(|key| state.client_leg != Some(*key) && state.root != Some(*key))
            .filter_map(|key| self.legs.get(key).filter(|leg| !leg.alive).map(|leg| (leg.heard, key)))
            .min_by_key(|(heard, _)| *heard);
        match dead {
            Some((_, key)) => {
                self.forget_leg(key);
                Some(())
            }
            None => {
                state.gaps.overflow = true;
                None
            }
        }
    }

    /// The table is full: the channel unheard of for longest goes, hung up ones first.
    fn evict_leg(&mut self, now: Stamp) {
        let Some((key, _)) = self.legs.iter().min_by_key(|(_, leg)| (leg.alive, leg.heard)) else { return };
        let Some(call) = self.legs.get(key).map(|leg| leg.call) else { return };
        self.want_resync();
        if let Some(state) = self.calls.get_mut(call) {
            state.gaps.overflow = true;
        }
        self.detach(key, now);
        self.forget_leg(key);
        self.judge(call, now);
    }

    /// Takes a leg out of every table.
    fn forget_leg(&mut self, key: Key) {
        let Some(leg) = self.legs.remove(key) else { return };
        if self.ids.get(&leg.id_hash) == Some(&key) {
            self.ids.remove(&leg.id_hash);
        }
        if self.names.get(&leg.name_hash) == Some(&key) {
            self.names.remove(&leg.name_hash);
        }
        self.remember_ended(leg.id_hash);
        if let Some(call) = self.calls.get_mut(leg.call) {
            call.legs.retain(|other| *other != key);
        }
    }

    pub(super) fn rename(&mut self, key: Key, name: &[u8]) {
        let hash = self.hash.of(name);
        let Some(leg) = self.legs.get_mut(key) else { return };
        let old = std::mem::replace(&mut leg.name_hash, hash);
        leg.name = bounded(name);
        if self.names.get(&old) == Some(&key) {
            self.names.remove(&old);
        }
        if hash != 0 {
            self.names.insert(hash, key);
        }
        self.generation += 1;
    }

    fn remember_ended(&mut self, hash: u64) {
        if self.ended_ids.len() >= ENDED_IDS {
            self.ended_ids.pop_front();
        }
        self.ended_ids.push_back(hash);
    }

    // ---- calls --------------------------------------------------------------------------------------------------

    fn make_call(&mut self, channel: &Channel<'_>, started: Stamp, now: Stamp) -> Key {
        if self.calls.len() >= CALLS {
            self.evict_call(now);
        }
        let linked: Text<_> =
            if channel.linked_id.is_empty() { bounded(channel.unique_id) } else { bounded(channel.linked_id) };
        let hash = self.hash.of(channel.linked_id);
        self.next_order += 1;
        let mut call = Call::new(self.next_order, linked, started);
        call.link(hash);
        let key = self.calls.insert(call);
        if hash != 0 {
            self.links.insert(hash, key);
        }
        self.next_resync.get_or_insert(now.mono + RESYNC_EVERY);
        key
    }

    /// The table is full: the oldest call is ended as inexact.
    fn evict_call(&mut self, now: Stamp) {
        let oldest = self.calls.iter().filter(|(_, call)| call.ended.is_none()).min_by_key(|(_, call)| call.order);
        let Some((key, _)) = oldest else { return };
        if let Some(call) = self.calls.get_mut(key) {
            call.gaps.overflow = true;
        }
        self.want_resync();
        self.finish(key, now);
    }

    /// The call that this LinkedId names: it is the UniqueId of one of its channels, or was told by one.
    pub(super) fn call_of_link(&self, linked: u64) -> Option<Key> {
        if linked == 0 {
            return None;
        }
        let told = self.links.get(&linked).copied().filter(|call| self.calls.get(*call).is_some());
        told.or_else(|| self.legs.get(*self.ids.get(&linked)?).map(|leg| leg.call))
    }

    /// The channel's LinkedId has become this one: its call is the one of that LinkedId.
    fn tie_linked(&mut self, key: Key, linked: u64, now: Stamp) {
        let Some(own) = self.legs.get(key).map(|leg| leg.call) else { return };
        match self.call_of_link(linked) {
            Some(other) if other == own => {}
            Some(other) => {
                self.merge(own, other, now);
            }
            None => {
                if let Some(call) = self.calls.get_mut(own) {
                    call.gaps.overflow |= !call.link(linked);
                }
                self.links.insert(linked, own);
            }
        }
    }

    /// These two channels belong to one call.
    pub(super) fn tie(&mut self, one: Key, two: Key, now: Stamp) -> Option<Key> {
        let (one, two) = (self.legs.get(one)?.call, self.legs.get(two)?.call);
        if one == two { Some(one) } else { self.merge(one, two, now) }
    }

    /// Two calls are one. The one with a client is kept, of two alike the older.
    fn merge(&mut self, one: Key, two: Key, now: Stamp) -> Option<Key> {
        let rank = |call: &Call| (std::cmp::Reverse(call.rank()), call.order);
        let (kept, gone) = match rank(self.calls.get(one)?) <= rank(self.calls.get(two)?) {
            true => (one, two),
            false => (two, one),
        };
        let gone_id = self.identity(gone);
        let absorbed = self.calls.remove(gone)?;
        for key in &absorbed.legs {
            let Some(leg) = self.legs.get_mut(*key) else { continue };
            leg.call = kept;
            if let Some(bridge) = self.bridges.get_mut(&leg.bridge) {
                bridge.call = kept;
            }
        }
        for hash in &absorbed.links {
            self.links.insert(*hash, kept);
        }
        let was_announced = absorbed.announced;
        let call = self.calls.get_mut(kept)?;
        for key in &absorbed.legs {
            if call.legs.len() < LEGS_PER_CALL {
                call.legs.push(*key);
            }
        }
        let lost: Vec<Key> = absorbed.legs.iter().copied().filter(|key| !call.legs.contains(key)).collect();
        call.gaps.overflow |= !lost.is_empty();
        call.settle_at = None;
        call.emptied_at = None;
        call.absorb(absorbed, now.mono);
        for key in lost {
            self.detach(key, now);
            self.forget_leg(key);
        }
        self.generation += 1;
        if was_announced && let (Some(gone_id), Some(kept_id)) = (gone_id, self.identity(kept)) {
            if let Some(call) = self.calls.get_mut(kept) {
                call.id = Some(kept_id.clone());
                call.announced = true;
            }
            self.remember_ended(self.hash.of(gone_id.as_bytes()));
            self.pending.push_back(Pending::Joined(Box::new((gone_id, kept_id))));
        }
        self.hear(kept, now);
        self.changed(kept);
        Some(kept)
    }

    /// Looks anew who talks in this call.
    pub(super) fn hear(&mut self, key: Key, now: Stamp) {
        let Some(call) = self.calls.get(key) else { return };
        let talkers = super::hearing::talkers(call, &self.legs);
        if let Some(call) = self.calls.get_mut(key)
            && call.talk(&talkers, now.mono)
        {
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
            self.drop_missing(key, now);
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
        let id = self.identity(key);
        let had_somebody = legs.iter().any(|leg| self.legs.get(*leg).is_some_and(|leg| leg.party.is_somebody()));
        for leg in &legs {
            self.stop_ringing(*leg, ended);
        }
        for leg in legs {
            self.leave_bridge(leg);
            self.forget_leg(leg);
        }
        self.generation += 1;
        let Some(call) = self.calls.get_mut(key) else { return };
        call.talk(&super::state::Talkers::new(), ended.mono);
        call.legs.clear();
        call.id = id;
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

    /// A call that had ended before the process did, and may not have been handed out.
    pub(super) fn finish_again(&mut self, key: Key) {
        self.pending.push_back(Pending::Finished(key));
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
        self.apply(event, now);
    }
}

/// A hash of what a card shows.
fn digest(live: &LiveCall) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (live.direction as u8).hash(&mut hasher);
    (&live.client, &live.line, &live.caller, live.ringing.as_slice(), &live.talking).hash(&mut hasher);
    hasher.finish()
}
