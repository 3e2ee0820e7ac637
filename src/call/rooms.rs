//! Conferences: a client who is in one talks with the telephones of the office that are there too.
//!
//! Stands alone because a room holds channels of several calls and must not make them one: strangers meet in it. So a
//! room ties nothing; only when somebody comes or goes, or answers behind a Local channel that is there, it is looked
//! anew who hears whom in each call that has a channel there, one pass over all channels for each of them. Knows the
//! bridges of ConfBridge (Asterisk 12 and later) and the names of rooms by which older servers and MeetMe tell who
//! comes and goes. A parking lot or a holding bridge is no room.

use super::classify::Party;
use super::hearing::{self, Heard};
use super::leg::{Leg, UP};
use super::slab::{Key, Slab};
use super::state::Call;
use super::tracker::Tracker;
use crate::ami::event::{Bridge, Channel};
use crate::clock::Stamp;
use crate::limits::LEGS_PER_CALL;
use std::collections::HashSet;

/// Whether the members of this bridge hear each other without being parties of one call.
pub(super) fn is_conference(bridge: &Bridge<'_>) -> bool {
    bridge.creator.eq_ignore_ascii_case(b"ConfBridge")
}

impl Tracker {
    /// A channel came into a room (its hash), or left the one it was in (0).
    pub(super) fn enter_room(&mut self, key: Key, room: u64) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        if leg.room == room {
            return;
        }
        let left = core::mem::replace(&mut leg.room, room);
        self.generation += 1;
        for changed in [left, room] {
            note(&mut self.changed_rooms, changed);
        }
    }

    /// Old servers: this channel is in the conference of that name from now on.
    pub(super) fn join_room(&mut self, channel: &Channel<'_>, room: &[u8], now: Stamp) {
        let Some(key) = self.followed_late(channel, now) else { return };
        self.stop_ringing(key, now);
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive) else { return };
        leg.state = UP;
        self.enter_room(key, self.hash.of(room));
    }

    /// Old servers: it is no longer.
    pub(super) fn quit_room(&mut self, channel: &Channel<'_>, room: &[u8], now: Stamp) {
        let Some(key) = self.known(channel, now) else { return };
        let room = self.hash.of(room);
        if self.legs.get(key).is_some_and(|leg| leg.alive && ![leg.room, leg.left].contains(&room)) {
            self.missed(key);
        }
        self.enter_room(key, 0);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.left = room;
        }
    }

    /// A telephone may be in a room behind a Local channel of this call: others there are to be looked at when it
    /// answers.
    pub(super) fn note_rooms(&mut self, call: Key) {
        let legs = self.calls.get(call).map(|call| call.legs.as_slice()).unwrap_or_default();
        for leg in legs.iter().filter_map(|key| self.legs.get(*key)).filter(|leg| leg.party == Party::Local) {
            note(&mut self.changed_rooms, leg.room);
        }
    }

    /// Looks anew who hears whom in the calls that have a channel in a room where somebody came or went.
    pub(super) fn hear_rooms(&mut self, now: Stamp) {
        while let Some(room) = self.changed_rooms.pop() {
            let there = self.legs.iter().filter(|(_, leg)| leg.room == room).map(|(_, leg)| leg.call);
            let calls: HashSet<Key> = there.collect();
            for call in calls {
                self.hear_call(call, now);
            }
        }
    }
}

/// Somebody is heard in this room from now on, or is no longer; 0 is no room.
fn note(changed: &mut Vec<u64>, room: u64) {
    if room != 0 && !changed.contains(&room) {
        changed.push(room);
    }
}

/// Adds the telephones that are in one of the rooms of `company`, whatever call they belong to, by themselves or behind
/// a Local channel.
pub(super) fn add_talkers(company: &[Key], calls: &Slab<Call>, legs: &Slab<Leg>, heard: &mut Heard) {
    let mut seen: heapless::Vec<u64, LEGS_PER_CALL> = heapless::Vec::new();
    for room in company.iter().filter_map(|key| legs.get(*key)).map(|leg| leg.room) {
        if room == 0 || seen.contains(&room) {
            continue;
        }
        let _ = seen.push(room);
        for (key, leg) in legs.iter().filter(|(_, leg)| leg.alive && leg.room == room) {
            match &leg.party {
                Party::Extension(extension) => heard.note(extension),
                Party::Local => add_behind(key, leg, calls, legs, heard),
                Party::Trunk(_) | Party::Nobody => {}
            }
        }
    }
}

/// Adds the telephones that this Local channel leads to.
fn add_behind(key: Key, local: &Leg, calls: &Slab<Call>, legs: &Slab<Leg>, heard: &mut Heard) {
    let Some(call) = calls.get(local.call) else { return };
    for leg in hearing::component(call, legs, key).iter().filter_map(|key| legs.get(*key)) {
        if let Party::Extension(extension) = &leg.party {
            heard.note(extension);
        }
    }
}
