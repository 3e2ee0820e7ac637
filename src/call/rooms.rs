//! Conferences: a client who is in one talks with the telephones of the office that are there too.
//!
//! Stands alone because a room holds channels of several calls and must not make them one: strangers meet in it. So a room ties
//! nothing; only when somebody comes or goes it is looked anew who hears whom in each call that has a channel there. Knows the
//! bridges of ConfBridge (Asterisk 12 and later); older servers say who joins by a name only and are not followed there. A
//! parking lot or a holding bridge is no room.

use super::classify::Party;
use super::leg::Leg;
use super::slab::{Key, Slab};
use super::state::Talkers;
use super::tracker::Tracker;
use crate::ami::event::Bridge;
use crate::clock::Stamp;

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
            if changed != 0 && !self.changed_rooms.contains(&changed) {
                self.changed_rooms.push(changed);
            }
        }
    }

    /// Looks anew who hears whom in the calls that have a channel in a room where somebody came or went.
    pub(super) fn hear_rooms(&mut self, now: Stamp) {
        while let Some(room) = self.changed_rooms.pop() {
            let mut calls: Vec<Key> = Vec::new();
            for (_, leg) in self.legs.iter().filter(|(_, leg)| leg.room == room) {
                if !calls.contains(&leg.call) {
                    calls.push(leg.call);
                }
            }
            for call in calls {
                self.hear(call, now);
            }
        }
    }
}

/// Adds the telephones that are in one of the rooms of `company`, whatever call they belong to.
pub(super) fn add_talkers(company: &[Key], legs: &Slab<Leg>, talkers: &mut Talkers) {
    let rooms = company.iter().filter_map(|key| legs.get(*key)).map(|leg| leg.room).filter(|room| *room != 0);
    for room in rooms {
        let is_there = |leg: &&Leg| leg.alive && leg.room == room;
        for leg in legs.iter().map(|(_, leg)| leg).filter(is_there) {
            if let Party::Extension(extension) = &leg.party
                && !talkers.contains(extension)
            {
                let _ = talkers.push(extension.clone());
            }
        }
    }
}
