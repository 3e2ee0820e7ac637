//! Comparing the tracker's picture with the PBX's own list of channels.
//!
//! After each login, after a loss, and now and then while calls are in progress the PBX is asked for its channels
//! (`CoreShowChannels`, or `Status` where that is refused). What the list lacks is gone; what it has and the tracker
//! lacks is a call from the middle of its life. A channel that a complete list lacked gets [`crate::limits::SETTLE`]
//! for its hangup to arrive, because events and list items of one moment come in any order.

use super::classify::Party;
use super::leg::{Leg, RINGING, UP};
use super::slab::Key;
use super::tracker::Tracker;
use crate::ami::event::{Channel, Event};
use crate::clock::{Monotonic, Stamp, Wall};
use crate::limits::{CHANNEL_NAME_BYTES, CHANNELS};
use crate::text::{Text, bounded};

/// A running list.
#[derive(Debug)]
pub struct Snapshot {
    begun: Stamp,
    items: Vec<Item>,
}

/// What the list says of one channel beside its name.
#[derive(Debug)]
struct Item {
    leg: Key,
    /// Hash of the bridge; 0: none.
    bridge: u64,
    /// Old servers: hash of the UniqueId it is linked with; 0: none.
    bridged: u64,
    /// What the dialplan is at there, `Dial(SIP/101&SIP/102,25)` cut to its head.
    data: Text<CHANNEL_NAME_BYTES>,
    is_room: bool,
    /// Hash of the conference that its application is, 0 while it waits outside; none: it is another application.
    room: Option<u64>,
    is_new_server: bool,
}

impl Tracker {
    /// A list of channels (`CoreShowChannels`, `Status`) was asked for.
    pub fn snapshot_begin(&mut self, now: Stamp) {
        for (_, leg) in self.legs.iter_mut() {
            leg.listed = false;
        }
        self.snapshot = Some(Snapshot { begun: now, items: Vec::new() });
    }

    /// Whether a list is running.
    pub fn is_listing(&self) -> bool {
        self.snapshot.is_some()
    }

    /// One [`Event::Listed`] of that list; other events are ignored.
    pub fn snapshot_channel(&mut self, listed: &Event<'_>, now: Stamp) {
        let Event::Listed { channel, application, data, duration_secs, bridge, bridged, .. } = listed else { return };
        if self.snapshot.is_none() {
            return;
        }
        self.hear_family(listed, now);
        let Some(leg) = self.listed(channel, *duration_secs, now) else { return };
        let is_called = [b"AppDial" as &[u8], b"AppDial2", b"AppQueue"].iter().any(|app| is(application, app));
        let (bridge, bridged) = (self.hash.of(bridge), self.hash.of(bridged));
        if let Some(state) = self.legs.get_mut(leg) {
            state.listed = true;
            state.dialled |= is_called;
        }
        let (is_room, is_new_server) = (is_room(application), !channel.linked_id.is_empty());
        let room = self.conference(application, data, bridge, is_new_server);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|snapshot| snapshot.items.len() < CHANNELS) {
            let data = bounded(data);
            snapshot.items.push(Item { leg, bridge, bridged, data, is_room, room, is_new_server });
        }
    }

    /// The leg of a listed channel, made if it was not followed. None: it has hung up meanwhile, or the table is full:
    /// a list pushes nobody out.
    fn listed(&mut self, channel: &Channel<'_>, duration_secs: u32, now: Stamp) -> Option<Key> {
        let heard =
            self.ids.get(&self.hash.of(channel.unique_id)).and_then(|key| self.legs.get(*key)).map(|leg| leg.heard);
        if let Some(key) = self.known(channel, now) {
            let leg = self.legs.get_mut(key)?;
            // A list names all alike: where the table is full it must not make the idle ones look busy.
            leg.heard = heard.unwrap_or(leg.heard);
            return Some(key).filter(|_| leg.alive);
        }
        if channel.unique_id.is_empty()
            || self.legs.len() >= CHANNELS
            || self.ended_ids.contains(&self.hash.of(channel.unique_id))
        {
            return None;
        }
        let key = self.make_leg(channel, ago(now, duration_secs), now)?;
        let leg = self.legs.get_mut(key)?;
        leg.from_list = true;
        let created = leg.created;
        let call = self.calls.get_mut(leg.call)?;
        call.gaps.joined_late = true;
        if created.mono < call.started.mono && call.direction.is_none() {
            call.started = created;
        }
        self.pair_by_name(key, channel.name, now);
        Some(key)
    }

    /// The list is over. Only when it is `complete` are channels that it lacks taken for gone.
    pub fn snapshot_end(&mut self, complete: bool, now: Stamp) {
        let Some(snapshot) = self.snapshot.take() else { return };
        for item in &snapshot.items {
            self.take_bridge(item, now);
        }
        for item in &snapshot.items {
            self.find_caller(item, &snapshot.items, now);
        }
        for call in self.open_calls() {
            self.direct_from_list(call);
            self.ring_from_list(call, now);
            self.hear(call, now);
            self.changed(call);
        }
        self.hear_rooms(now);
        if complete {
            self.mark_missing(snapshot.begun, now);
        }
        self.generation += 1;
    }

    /// The conference of a channel that runs `application`: the bridge of a ConfBridge of 12 and later; older ones and
    /// MeetMe have none, there it is the name, the first argument.
    fn conference(&self, application: &[u8], data: &[u8], bridge: u64, is_new_server: bool) -> Option<u64> {
        let by_name = || data.split(|byte| matches!(byte, b',' | b'|')).next().map(|room| self.hash.of(room));
        match (is(application, b"ConfBridge"), is(application, b"MeetMe")) {
            (true, _) if is_new_server => Some(bridge),
            (true, _) | (_, true) => by_name(),
            _ => None,
        }
    }

    fn take_bridge(&mut self, item: &Item, now: Stamp) {
        let Some(leg) = self.legs.get_mut(item.leg).filter(|leg| leg.alive) else { return };
        if item.is_new_server {
            // Who was parked, or waited as an agent, runs that application while he talks to who came for him.
            let is_basic = item.bridge != 0 && leg.bridge == item.bridge;
            let is_room = item.is_room && !is_basic;
            let bridge = if is_room || leg.in_room { 0 } else { item.bridge };
            leg.in_room |= is_room;
            if leg.bridge != bridge {
                self.leave_bridge(item.leg);
                self.enter_bridge(item.leg, bridge, now);
            }
            // In a room a channel may run another application, and half a Local channel runs none.
            let stays = self.legs.get(item.leg).is_some_and(|leg| leg.room == item.bridge);
            self.enter_room(item.leg, item.room.unwrap_or(if stays { item.bridge } else { 0 }));
            return;
        }
        let partner = self.ids.get(&item.bridged).copied().filter(|_| item.bridged != 0);
        if let Some(partner) = partner {
            self.tie(item.leg, partner, now);
        }
        if let Some(leg) = self.legs.get_mut(item.leg) {
            leg.partner = partner;
        }
        if let Some(room) = item.room {
            self.enter_room(item.leg, room);
        }
    }

    /// Old servers do not say who dialled a ringing channel: the one whose Dial names its peer did.
    fn find_caller(&mut self, item: &Item, items: &[Item], now: Stamp) {
        let Some(leg) = self.legs.get(item.leg) else { return };
        if item.is_new_server || !leg.dialled || leg.dialler.is_some() || leg.partner.is_some() {
            return;
        }
        let peer: Text<CHANNEL_NAME_BYTES> = bounded(leg.name.rsplit_once('-').map_or("", |(peer, _)| peer).as_bytes());
        let dials = |other: &&Item| {
            other.leg != item.leg && !peer.is_empty() && other.data.split(['&', ',', '|', '(']).any(|to| to == peer)
        };
        let Some(caller) = items.iter().find(dials).map(|other| other.leg) else { return };
        self.tie(caller, item.leg, now);
        if let Some(leg) = self.legs.get_mut(item.leg) {
            leg.dialler = Some(caller);
        }
    }

    /// The direction of a call whose beginning was not seen: its root is the channel after which the others are
    /// linked, or one that nobody dialled.
    fn direct_from_list(&mut self, call: Key) {
        let Some(state) = self.calls.get(call).filter(|call| call.direction.is_none()) else { return };
        let legs = || state.legs.iter().copied().filter_map(|key| self.legs.get(key).map(|leg| (key, leg)));
        if !legs().any(|(_, leg)| leg.from_list) {
            return;
        }
        let somebody = || legs().filter(|(_, leg)| leg.is_somebody());
        let root = somebody()
            .find(|(_, leg)| leg.id_hash == leg.linked_hash && !leg.dialled)
            .or_else(|| somebody().find(|(_, leg)| !leg.dialled && matches!(leg.party, Party::Trunk(_))))
            .or_else(|| somebody().find(|(_, leg)| !leg.dialled));
        let called_trunk =
            somebody().find(|(_, leg)| leg.dialled && matches!(leg.party, Party::Trunk(_))).map(|(key, _)| key);
        let root = root.map(|(key, leg)| (key, leg.exten.clone(), matches!(leg.party, Party::Trunk(_))));
        match (root, called_trunk) {
            (Some((root, _, true)), _) => self.make_inbound(root),
            (Some((root, exten, false)), trunk) => {
                self.make_internal(root);
                if let Some(trunk) = trunk {
                    self.make_outbound(trunk, Some(root), exten.as_bytes(), b"");
                }
            }
            (None, Some(trunk)) => self.make_outbound(trunk, None, b"", b""),
            (None, None) => {}
        }
    }

    fn ring_from_list(&mut self, call: Key, now: Stamp) {
        let legs = self.calls.get(call).map(|call| call.legs.clone()).unwrap_or_default();
        for key in legs {
            let Some(leg) = self.legs.get(key).filter(|leg| leg.listed && leg.alive) else { continue };
            match leg.state {
                RINGING if leg.dialled => self.start_ringing(key, now),
                UP => self.stop_ringing(key, now),
                _ => {}
            }
        }
    }

    fn mark_missing(&mut self, begun: Stamp, now: Stamp) {
        let mut calls: Vec<Key> = Vec::new();
        for (_, leg) in self.legs.iter_mut() {
            if leg.alive && !leg.listed && leg.created.mono <= begun.mono {
                leg.missing = true;
                calls.push(leg.call);
            }
        }
        for call in calls {
            self.settle_later(call, now);
        }
    }

    /// Channels that are still missing after their time were hung up unheard, at the last moment the call was known to
    /// live: that is the list's own where it has others of the call.
    pub(super) fn drop_missing(&mut self, call_key: Key) {
        let Some(call) = self.calls.get(call_key) else { return };
        let is_missing = |key: &Key| self.legs.get(*key).is_some_and(|leg| leg.missing && leg.alive);
        let missing: Vec<Key> = call.legs.iter().copied().filter(is_missing).collect();
        if missing.is_empty() {
            return;
        }
        let at = call.alive_at;
        for key in missing {
            self.detach(key, at);
        }
        if let Some(call) = self.calls.get_mut(call_key) {
            call.gaps.overflow |= !(call.gaps.link_lost || call.gaps.agent_restarted);
        }
        self.hear(call_key, at);
        self.judge(call_key, at);
    }

    /// The AMI link is gone: calls in progress are known to have lived until `now`.
    pub fn link_lost(&mut self, now: Stamp) {
        self.snapshot = None;
        for key in self.open_calls() {
            self.lived_until(key, now);
            if let Some(call) = self.calls.get_mut(key) {
                call.gaps.link_lost = true;
            }
        }
        self.generation += 1;
    }

    /// A call in progress lived until `at`, for nothing said otherwise; where a list lacked a channel of it, something
    /// did.
    pub(super) fn lived_until(&mut self, key: Key, at: Stamp) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let is_missing = |leg: &Leg| leg.missing && leg.alive;
        let is_in_question = call.legs.iter().any(|leg| self.legs.get(*leg).is_some_and(is_missing));
        if !is_in_question && call.alive_at.mono < at.mono {
            call.alive_at = at;
        }
    }

    /// The PBX was restarted: every call in progress ended when it was last known to live.
    pub fn pbx_restarted(&mut self, _now: Stamp) {
        for key in self.open_calls() {
            let Some(call) = self.calls.get_mut(key) else { continue };
            call.gaps.pbx_restarted = true;
            let at = call.alive_at;
            self.finish(key, at);
        }
        // UniqueIds may begin anew, where the box starts with a clock that is not set.
        self.ended_ids.clear();
    }

    /// Nothing more will be heard of the calls in progress: they end with what is known, marked.
    pub fn end_all(&mut self, now: Stamp) {
        self.link_lost(now);
        for key in self.open_calls() {
            self.finish(key, now);
        }
    }

    /// The PBX says that it stops: what is still open ends now.
    pub(super) fn pbx_stops(&mut self, now: Stamp) {
        for key in self.open_calls() {
            self.lived_until(key, now);
        }
        self.pbx_restarted(now);
    }
}

/// Whether a channel that runs this is with strangers. `ParkedCall` is not: it takes one out of the lot.
fn is_room(application: &[u8]) -> bool {
    let rooms = [b"ConfBridge" as &[u8], b"MeetMe", b"Page", b"AgentLogin"];
    let starts = |room: &&[u8]| application.get(..room.len()).is_some_and(|head| is(head, room));
    is(application, b"Park") || rooms.iter().any(starts)
}

fn is(word: &[u8], other: &[u8]) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn ago(now: Stamp, secs: u32) -> Stamp {
    let millis = u64::from(secs) * 1000;
    Stamp {
        mono: Monotonic::from_millis(now.mono.as_millis().saturating_sub(millis)),
        wall: Wall::from_millis(now.wall.as_millis().saturating_sub(i64::from(secs) * 1000)),
    }
}
