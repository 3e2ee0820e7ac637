//! Channels and calls in the tracker's tables: found, made, tied together, evicted.
//!
//! A call is a set of channels. Channels are tied by LinkedId here and by everything else through [`Tracker::tie`]; two
//! calls that turn out to be one are merged. Every table has its cap, and what goes when it is full is marked in the
//! record and followed by a resync. Does not judge what an event means nor whether a call is over.

use super::leg::Leg;
use super::slab::Key;
use super::state::Call;
use super::telling::Pending;
use super::tracker::Tracker;
use crate::ami::event::Channel;
use crate::clock::Stamp;
use crate::limits::{CALLS, CHANNELS, ENDED_IDS, LEGS_PER_CALL, RESYNC_EVERY};
use crate::text::{Text, bounded};
use std::collections::VecDeque;

impl Tracker {
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
            left: 0,
            in_room: false,
            room: 0,
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

    /// The table is full: the channel unheard of for longest goes, hung up ones first, those that hear somebody last.
    fn evict_leg(&mut self, now: Stamp) {
        let Some((key, _)) = self.legs.iter().min_by_key(|(_, leg)| (leg.alive, leg.is_connected(), leg.heard)) else {
            return;
        };
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
    pub(super) fn forget_leg(&mut self, key: Key) {
        let Some(leg) = self.legs.remove(key) else { return };
        if self.ids.get(&leg.id_hash) == Some(&key) {
            self.ids.remove(&leg.id_hash);
        }
        if self.names.get(&leg.name_hash) == Some(&key) {
            self.names.remove(&leg.name_hash);
        }
        remember(&mut self.ended_ids, leg.id_hash);
        if let Some(call) = self.calls.get_mut(leg.call) {
            call.legs.retain(|other| *other != key);
        }
    }

    pub(super) fn rename(&mut self, key: Key, name: &[u8]) {
        let hash = self.hash.of(name);
        let Some(leg) = self.legs.get_mut(key) else { return };
        let old = core::mem::replace(&mut leg.name_hash, hash);
        leg.name = bounded(name);
        if self.names.get(&old) == Some(&key) {
            self.names.remove(&old);
        }
        if hash != 0 {
            self.names.insert(hash, key);
        }
        self.generation += 1;
    }

    fn make_call(&mut self, channel: &Channel<'_>, started: Stamp, now: Stamp) -> Key {
        if self.calls.len() >= CALLS {
            self.evict_call(now);
        }
        let linked: Text<_> =
            if channel.linked_id.is_empty() { bounded(channel.unique_id) } else { bounded(channel.linked_id) };
        let hash = self.hash.of(channel.linked_id);
        self.next_order += 1;
        let mut call = Call::new(self.next_order, linked, started);
        if hash != 0 {
            call.link(hash);
        }
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
                let Some(call) = self.calls.get_mut(own) else { return };
                if call.link(linked) {
                    self.links.insert(linked, own);
                } else {
                    call.gaps.overflow = true;
                }
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
        let rank = |call: &Call| (core::cmp::Reverse(call.rank()), call.order);
        let one_goes_on = rank(self.calls.get(one)?) <= rank(self.calls.get(two)?);
        let (kept, gone) = if one_goes_on { (one, two) } else { (two, one) };
        // A consultation with an outsider was that client's own call; it ends where the two become one.
        let is_own = self.calls.get(gone).is_some_and(|call| call.rank() == 2 && call.talked_last.is_some());
        if is_own {
            self.give_identity(gone)?;
        }
        let mut absorbed = self.calls.remove(gone)?;
        self.take_over(kept, &mut absorbed, now);
        if is_own {
            self.end_apart(absorbed, now);
            self.hear(kept, now);
            self.changed(kept);
            return Some(kept);
        }
        let told_as = absorbed.id.take().filter(|_| absorbed.announced);
        let call = self.calls.get_mut(kept)?;
        call.settle_at = None;
        call.emptied_at = None;
        call.absorb(absorbed, now.mono);
        self.generation += 1;
        if let Some(absorbed) = told_as
            && let Some(id) = self.give_identity(kept)
        {
            if let Some(call) = self.calls.get_mut(kept) {
                call.announced = true;
            }
            self.pending.push_back(Pending::Joined(Box::new((absorbed, id))));
        }
        self.hear(kept, now);
        self.changed(kept);
        Some(kept)
    }

    /// Ends a call whose channels go on in another one.
    fn end_apart(&mut self, mut call: Call, now: Stamp) {
        call.talk(&super::state::Talkers::new(), now.mono);
        call.ended = Some(now);
        let key = self.calls.insert(call);
        self.pending.push_back(Pending::Finished(key));
        self.generation += 1;
    }

    /// Gives the channels, bridges and LinkedIds of one call to another. What does not fit is followed no more.
    fn take_over(&mut self, kept: Key, absorbed: &mut Call, now: Stamp) {
        for hash in core::mem::take(&mut absorbed.links) {
            let is_linked = self.calls.get_mut(kept).is_some_and(|call| call.link(hash));
            if is_linked {
                self.links.insert(hash, kept);
            } else {
                self.links.remove(&hash);
                absorbed.gaps.overflow = true;
            }
        }
        for key in core::mem::take(&mut absorbed.legs) {
            let Some(leg) = self.legs.get_mut(key) else { continue };
            leg.call = kept;
            if let Some(bridge) = self.bridges.get_mut(&leg.bridge) {
                bridge.call = kept;
            }
            let Some(call) = self.calls.get_mut(kept) else { continue };
            if call.legs.len() < LEGS_PER_CALL {
                call.legs.push(key);
            } else {
                call.gaps.overflow = true;
                self.detach(key, now);
                self.forget_leg(key);
            }
        }
    }
}

/// Remembers a hash among the last [`ENDED_IDS`].
pub(super) fn remember(ended: &mut VecDeque<u64>, hash: u64) {
    if ended.contains(&hash) {
        return;
    }
    if ended.len() >= ENDED_IDS {
        ended.pop_front();
    }
    ended.push_back(hash);
}
