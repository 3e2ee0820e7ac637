//! Channels that come to hear each other: bridges of new servers, links of old ones.
//!
//! Keeps who is in which bridge; who talks in consequence is `hearing`. Only basic bridges count: a conference, a
//! parking lot or a holding bridge would make strangers one call.

use super::leg::{Leg, SWAPPED, UP};
use super::rooms;
use super::slab::Key;
use super::tracker::{BridgeOfCall, Tracker};
use crate::ami::event::{Bridge, Channel};
use crate::clock::Stamp;

impl Tracker {
    pub(super) fn enter(&mut self, bridge: &Bridge<'_>, channel: &Channel<'_>, swap: &[u8], now: Stamp) {
        let is_basic = is_basic(bridge);
        if let Some(leg) =
            self.ids.get(&self.hash.of(channel.unique_id)).copied().and_then(|key| self.legs.get_mut(key))
        {
            leg.in_room = !is_basic;
        }
        let Some(key) = self.followed_late(channel, now) else { return };
        self.leave_bridge(key);
        self.stop_ringing(key, now);
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive) else { return };
        leg.in_room = !is_basic;
        leg.state = UP;
        if is_basic {
            if let Some(replaced) = self.ids.get(&self.hash.of(swap)).copied() {
                self.tie(replaced, key, now);
                self.leave_bridge(replaced);
            }
            self.enter_bridge(key, self.hash.of(bridge.id), now);
        } else if rooms::is_conference(bridge) {
            self.enter_room(key, self.hash.of(bridge.id));
        }
        self.with_call(key, |tracker, call| tracker.hear(call, now));
    }

    /// Puts a channel into a bridge; all in it belong to one call.
    pub(super) fn enter_bridge(&mut self, key: Key, bridge: u64, now: Stamp) {
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive && bridge != 0) else { return };
        leg.bridge = bridge;
        let own = leg.call;
        let slot = self.bridges.entry(bridge).or_insert(BridgeOfCall { call: own, members: 0 });
        slot.members = slot.members.saturating_add(1);
        let other = slot.call;
        if other != own {
            let company = self.calls.get(other).and_then(|call| {
                call.legs.iter().copied().find(|key| self.legs.get(*key).is_some_and(|leg| leg.bridge == bridge))
            });
            match company {
                Some(company) => {
                    self.tie(company, key, now);
                }
                None => {
                    if let Some(slot) = self.bridges.get_mut(&bridge) {
                        slot.call = own;
                    }
                }
            }
        }
        self.generation += 1;
    }

    pub(super) fn leave_bridge(&mut self, key: Key) {
        self.enter_room(key, 0);
        let Some(leg) = self.legs.get_mut(key) else { return };
        let bridge = std::mem::take(&mut leg.bridge);
        if bridge == 0 {
            return;
        }
        leg.left = bridge;
        self.generation += 1;
        if let Some(slot) = self.bridges.get_mut(&bridge) {
            slot.members = slot.members.saturating_sub(1);
            if slot.members == 0 {
                self.bridges.remove(&bridge);
            }
        }
    }

    pub(super) fn leave(&mut self, bridge: &Bridge<'_>, channel: &Channel<'_>, now: Stamp) {
        let Some(key) = self.known(channel, now) else { return };
        let hash = self.hash.of(bridge.id);
        let was_there = |leg: &Leg| !leg.alive || leg.in_room || [leg.bridge, leg.left].contains(&hash);
        if (is_basic(bridge) || rooms::is_conference(bridge)) && !self.legs.get(key).is_some_and(was_there) {
            self.missed(key);
        }
        self.leave_bridge(key);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.in_room = false;
            leg.left = hash;
        }
        self.with_call(key, |tracker, call| tracker.hear(call, now));
    }

    /// What is told of this channel shows that something was not heard: who talked with whom until now is not known.
    pub(super) fn missed(&mut self, key: Key) {
        self.want_resync();
        self.with_call(key, |tracker, call| {
            if let Some(call) = tracker.calls.get_mut(call) {
                call.gaps.overflow = true;
            }
        });
    }

    fn members(&self, bridge: u64) -> Vec<Key> {
        let call = self.bridges.get(&bridge).and_then(|slot| self.calls.get(slot.call));
        let legs = call.map(|call| call.legs.as_slice()).unwrap_or_default();
        legs.iter().copied().filter(|key| self.legs.get(*key).is_some_and(|leg| leg.bridge == bridge)).collect()
    }

    pub(super) fn move_bridge(&mut self, from: &[u8], to: &[u8], now: Stamp) {
        let (from, to) = (self.hash.of(from), self.hash.of(to));
        if from == to || to == 0 {
            return;
        }
        let members = self.members(from);
        for key in &members {
            self.leave_bridge(*key);
            self.enter_bridge(*key, to, now);
        }
        if let Some(key) = members.first() {
            self.with_call(*key, |tracker, call| tracker.hear(call, now));
        }
    }

    pub(super) fn empty_bridge(&mut self, bridge: &[u8], now: Stamp) {
        let members = self.members(self.hash.of(bridge));
        for key in &members {
            self.leave_bridge(*key);
        }
        if let Some(key) = members.first() {
            self.with_call(*key, |tracker, call| tracker.hear(call, now));
        }
    }

    /// Old servers: the two hear each other.
    pub(super) fn join(&mut self, one: &Channel<'_>, two: &Channel<'_>, now: Stamp) {
        let (Some(one), Some(two)) = (self.followed_late(one, now), self.followed_late(two, now)) else { return };
        if one == two || ![one, two].iter().all(|key| self.legs.get(*key).is_some_and(|leg| leg.alive)) {
            return;
        }
        let Some(call) = self.tie(one, two, now) else { return };
        for (key, other) in [(one, two), (two, one)] {
            self.stop_ringing(key, now);
            let Some(leg) = self.legs.get_mut(key) else { continue };
            leg.state = UP;
            let id_hash = leg.id_hash;
            if let Some(left) = leg.partner.replace(other).filter(|left| *left != other)
                && let Some(left) = self.legs.get_mut(left)
            {
                left.partner = None;
                left.left = id_hash;
            }
        }
        self.generation += 1;
        self.hear(call, now);
    }

    /// Old servers: they do so no more.
    pub(super) fn part(&mut self, one: &Channel<'_>, two: &Channel<'_>, now: Stamp) {
        let (Some(one), Some(two)) = (self.known(one, now), self.known(two, now)) else { return };
        for (key, other) in [(one, two), (two, one)] {
            let Some(other_hash) = self.legs.get(other).map(|other| other.id_hash) else { continue };
            let Some(leg) = self.legs.get_mut(key) else { continue };
            if leg.partner == Some(other) {
                leg.partner = None;
                leg.left = other_hash;
            } else if leg.alive && ![other_hash, SWAPPED].contains(&leg.left) {
                self.missed(key);
            }
        }
        self.generation += 1;
        self.with_call(one, |tracker, call| tracker.hear(call, now));
    }
}

/// Whether the members of this bridge are parties of one call.
fn is_basic(bridge: &Bridge<'_>) -> bool {
    bridge.kind.eq_ignore_ascii_case(b"basic") || bridge.kind.is_empty()
}
