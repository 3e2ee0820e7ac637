//! What each AMI event means for the calls.
//!
//! One method for each kind of event; the tables are the tracker's. Old servers (Asterisk 11 and older) name fewer
//! channels and no LinkedIds; both generations come through the same methods. Events may be lost or doubled: each
//! method is idempotent and takes a missing channel as news from the middle of a call.

use super::channel;
use super::classify::Party;
use super::leg::{Leg, RING, RINGING, SWAPPED, UP};
use super::record::{DialStatus, Direction, Extension};
use super::slab::Key;
use super::state::{self, CALL_REJECTED, USER_BUSY};
use super::tracker::Tracker;
use crate::ami::event::{Channel, Event, Variable};
use crate::clock::Stamp;
use crate::limits::{CHANNEL_NAME_BYTES, RECORDING_PATH_BYTES};
use crate::number;
use crate::text::bounded;

impl Tracker {
    pub(super) fn apply(&mut self, event: &Event<'_>, now: Stamp) {
        match *event {
            Event::NewChannel { channel } => self.new_channel(&channel, now),
            Event::NewState { channel } => self.new_state(&channel, now),
            Event::NewCallerId { channel } => {
                if let Some(key) = self.known(&channel, now) {
                    self.note_number(key, channel.caller_num, now);
                }
            }
            Event::Hangup { channel, cause } => self.hangup(&channel, cause, now),
            Event::Rename { channel, new_name } => {
                if let Some(key) = self.known(&channel, now) {
                    self.swap_by_name(key, new_name, now);
                    self.rename(key, new_name);
                }
            }
            Event::Masquerade { clone, original } => self.masquerade(clone, original, now),
            Event::DialBegin { caller, dest, dial_string } => self.dial(caller.as_ref(), &dest, dial_string, now),
            Event::DialEnd { caller, dest, status, .. } => self.dial_end(caller.as_ref(), dest.as_ref(), status, now),
            Event::BridgeEnter { bridge, channel, swap } => self.enter(&bridge, &channel, swap, now),
            Event::BridgeLeave { bridge, channel } => self.leave(&bridge, &channel, now),
            Event::BridgeMerge { from, to } => self.move_bridge(from, to, now),
            Event::BridgeDestroy { bridge } => self.empty_bridge(bridge.id, now),
            Event::Link { one, two } => self.join(&one, &two, now),
            Event::Unlink { one, two } => self.part(&one, &two, now),
            Event::LocalBridge { one, two } => self.local_pair(&one, &two, now),
            Event::LocalOptimization { one, two, source, .. } => {
                let keys = [one, two, source].map(|channel| self.known(&channel, now));
                self.tie_all(&keys, now);
            }
            Event::AgentCalled { queue, caller, dest } => self.agent_called(queue, &caller, &dest, now),
            Event::AgentConnect { queue, caller, member } => {
                let keys = [caller, member].map(|channel| self.known(&channel, now));
                if let Some(call) = self.tie_all(&keys, now) {
                    self.queued(call, queue, false);
                }
            }
            Event::QueueJoin { queue, channel } => {
                if let Some(key) = self.followed_late(&channel, now) {
                    self.with_call(key, |tracker, call| tracker.queued(call, queue, true));
                }
            }
            Event::QueueLeave { queue, channel } | Event::QueueAbandon { queue, channel } => {
                if let Some(key) = self.known(&channel, now) {
                    self.with_call(key, |tracker, call| tracker.queued(call, queue, false));
                }
            }
            Event::RoomJoin { channel, room } => self.join_room(&channel, room, now),
            Event::RoomLeave { channel, room } => self.quit_room(&channel, room, now),
            Event::Pickup { channel, target } => {
                let keys = [channel, target].map(|channel| self.known(&channel, now));
                self.tie_all(&keys, now);
            }
            Event::BlindTransfer { transferer, transferee, exten, .. } => {
                let keys = [transferer, transferee].map(|channel| self.known(&channel, now));
                self.transfer(&keys, bounded(exten), false);
            }
            Event::AttendedTransfer { transferer, second, transferee, target } => {
                let keys = [transferer, second, transferee].map(|channel| self.known(&channel, now));
                self.handed_over(&keys, &target, now);
            }
            Event::Transfer { attended, channel, target, exten } => {
                self.old_transfer(attended, &channel, &target, exten, now);
            }
            Event::Parked { parkee, .. } => {
                self.known(&parkee, now);
            }
            Event::Unparked { parkee, retriever, timed_out } => {
                let keys = [parkee, retriever].map(|channel| self.known(&channel, now));
                if !timed_out {
                    self.tie_all(&keys, now);
                }
            }
            Event::VarSet { channel, variable, value } => self.variable(&channel, variable, value, now),
            Event::OriginateResponse { success: false, unique_id, channel, exten, .. } => {
                self.originate_failed(unique_id, channel, exten, now);
            }
            Event::OriginateResponse { .. } | Event::FullyBooted { .. } => {}
            Event::Shutdown { .. } => self.pbx_stops(now),
            Event::Listed { .. } => self.snapshot_channel(event, now),
            Event::Peer { technology, name, purpose, .. } => self.learn_peer(technology, name, purpose),
            Event::ListComplete { .. } => {}
        }
    }

    // ---- channels -----------------------------------------------------------------------------------------------

    fn new_channel(&mut self, channel: &Channel<'_>, now: Stamp) {
        let Some(key) = self.followed(channel, now) else { return };
        self.seen_from_the_start(key, now);
        self.pair_by_name(key, channel.name, now);
        self.place(key);
    }

    /// A list of channels was faster than the event of this channel's making: nothing was missed.
    fn seen_from_the_start(&mut self, key: Key, now: Stamp) {
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.from_list && leg.alive) else { return };
        leg.from_list = false;
        leg.created = now;
        let call = leg.call;
        let Some(call) = self.calls.get_mut(call) else { return };
        let is_seen = !call.legs.iter().any(|key| self.legs.get(*key).is_some_and(|leg| leg.from_list));
        if is_seen {
            call.gaps.joined_late = false;
            call.started = now;
        }
    }

    /// Old servers say nothing of the two halves of a Local channel: their names do.
    pub(super) fn pair_by_name(&mut self, key: Key, name: &[u8], now: Stamp) {
        let Some((stem, half)) = channel::other_half(name) else { return };
        let mut other: heapless::Vec<u8, { CHANNEL_NAME_BYTES * 2 }> = heapless::Vec::new();
        if other.extend_from_slice(stem).and_then(|()| other.extend_from_slice(half)).is_err() {
            return;
        }
        if let Some(twin) = self.names.get(&self.hash.of(&other)).copied() {
            self.pair(key, twin, now);
        }
    }

    fn pair(&mut self, one: Key, two: Key, now: Stamp) {
        if one == two || self.tie(one, two, now).is_none() {
            return;
        }
        for (key, other) in [(one, two), (two, one)] {
            if let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive && leg.party == Party::Local) {
                leg.twin = Some(other);
            }
        }
    }

    fn local_pair(&mut self, one: &Channel<'_>, two: &Channel<'_>, now: Stamp) {
        let (one, two) = (self.followed_late(one, now), self.followed_late(two, now));
        if let (Some(one), Some(two)) = (one, two) {
            self.pair(one, two, now);
        }
    }

    fn new_state(&mut self, channel: &Channel<'_>, now: Stamp) {
        let state = channel.state.unwrap_or(0);
        let key = if state >= RING { self.followed_late(channel, now) } else { self.known(channel, now) };
        let Some(key) = key else { return };
        self.note_number(key, channel.caller_num, now);
        match state {
            RING => self.place(key),
            RINGING => self.rings_for_queue(key, channel, now),
            UP => {
                self.stop_ringing(key, now);
                self.place_late(key);
            }
            _ => {}
        }
    }

    fn hangup(&mut self, channel: &Channel<'_>, cause: u16, now: Stamp) {
        let Some(key) = self.known(channel, now) else { return };
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive) else { return };
        leg.cause = cause;
        let call_key = leg.call;
        let was_refused = leg.dialled
            && leg.state != UP
            && matches!(leg.party, Party::Extension(_))
            && matches!(cause, USER_BUSY | CALL_REJECTED);
        if let Some(call) = self.calls.get_mut(call_key) {
            call.was_refused |= was_refused;
            if cause != 0 && (call.client_leg == Some(key) || call.cause == 0 && call.client_leg.is_none()) {
                call.cause = cause;
            }
        }
        self.detach(key, now);
        self.hear(call_key, now);
        self.changed(call_key);
        self.judge(call_key, now);
    }

    /// The channel is gone or not followed any more: nobody rings there, nobody hears it.
    pub(super) fn detach(&mut self, key: Key, now: Stamp) {
        self.stop_ringing(key, now);
        self.leave_bridge(key);
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.alive = false;
        let id_hash = leg.id_hash;
        let neighbours = [leg.twin.take(), leg.partner.take()];
        for other in neighbours.into_iter().flatten() {
            if let Some(other) = self.legs.get_mut(other) {
                other.twin = other.twin.filter(|twin| *twin != key);
                if other.partner == Some(key) {
                    other.partner = None;
                    other.left = id_hash;
                }
            }
        }
        self.generation += 1;
    }

    /// Old servers, a swap: from now on `original` is the party that was `clone`, and `clone` is nobody.
    fn masquerade(&mut self, clone: &[u8], original: &[u8], now: Stamp) {
        let by_name = |tracker: &Self, name: &[u8]| tracker.names.get(&tracker.hash.of(name)).copied();
        match (by_name(self, clone), by_name(self, original)) {
            (Some(from), Some(to)) => self.swap(from, to, now),
            (Some(known), None) | (None, Some(known)) => self.missed(known),
            (None, None) => self.want_resync(),
        }
    }

    /// The renames of a swap tell it too, where its own event was lost or the server (1.4) has none: the clone is
    /// called `<name><MASQ>` while the original takes that name.
    fn swap_by_name(&mut self, to: Key, new_name: &[u8], now: Stamp) {
        let mut left: heapless::Vec<u8, { CHANNEL_NAME_BYTES * 2 }> = heapless::Vec::new();
        if left.extend_from_slice(new_name).and_then(|()| left.extend_from_slice(b"<MASQ>")).is_err() {
            return;
        }
        if let Some(from) = self.names.get(&self.hash.of(&left)).copied() {
            self.swap(from, to, now);
        }
    }

    fn swap(&mut self, from: Key, to: Key, now: Stamp) {
        if from == to {
            return;
        }
        let Some(call) = self.tie(from, to, now) else { return };
        // Told twice: its party has gone already.
        if self.legs.get(from).is_none_or(|leg| leg.party == Party::Nobody) {
            return;
        }
        self.stop_ringing(from, now);
        self.stop_ringing(to, now);
        self.leave_bridge(from);
        let Some(leg) = self.legs.get_mut(from) else { return };
        let (party, number, state) = (std::mem::take(&mut leg.party), leg.number.clone(), leg.state);
        let (twin, partner) = (leg.twin.take(), leg.partner.take());
        leg.left = SWAPPED;
        if let Some(other) = partner.and_then(|key| self.legs.get_mut(key)) {
            other.partner = None;
            other.left = SWAPPED;
        }
        if let Some(other) = twin.and_then(|key| self.legs.get_mut(key)) {
            other.twin = Some(to);
        }
        let Some(leg) = self.legs.get_mut(to) else { return };
        leg.left = SWAPPED;
        leg.party = party;
        leg.number = number;
        leg.state = leg.state.max(state);
        let left = std::mem::replace(&mut leg.twin, twin);
        if let Some(other) = left.and_then(|key| self.legs.get_mut(key)) {
            other.twin = None;
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.root = call.root.map(|key| if key == from { to } else { key });
            call.client_leg = call.client_leg.map(|key| if key == from { to } else { key });
        }
        self.generation += 1;
        self.hear(call, now);
        self.judge(call, now);
    }

    // ---- ringing ------------------------------------------------------------------------------------------------

    fn dial(&mut self, caller: Option<&Channel<'_>>, dest: &Channel<'_>, dial_string: &[u8], now: Stamp) {
        let caller_key = caller.and_then(|channel| self.followed_late(channel, now));
        if let (Some(caller), Some(channel)) = (caller_key, caller) {
            self.note_number(caller, channel.caller_num, now);
        }
        let Some(key) = self.followed_late(dest, now) else { return };
        if let Some(caller) = caller_key {
            self.tie(caller, key, now);
        }
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive) else { return };
        if caller_key.is_some() {
            leg.dialled = true;
            leg.dialler = caller_key;
        }
        let is_trunk = matches!(leg.party, Party::Trunk(_));
        if is_trunk && let Some(given) = number::in_dial_string(dial_string) {
            leg.number = bounded(number::without_parameters(given));
        }
        let call = leg.call;
        let (context, exten) = caller.map(|channel| (channel.context, channel.exten)).unwrap_or_default();
        self.group_dials(call, context, exten);
        self.direct(call, caller_key, key, is_trunk, exten, dial_string);
        if caller_key.is_some() {
            self.start_ringing(key, now);
        }
        self.changed(call);
    }

    /// What a dialled channel tells about the direction of its call.
    fn direct(&mut self, call: Key, caller: Option<Key>, dest: Key, to_trunk: bool, exten: &[u8], dial_string: &[u8]) {
        if self.direction_of(call).is_none()
            && let Some(caller) = caller
        {
            self.direct_by_caller(call, caller, dest);
        }
        match self.direction_of(call) {
            None | Some(Direction::Internal) if to_trunk => self.make_outbound(dest, caller, exten, dial_string),
            Some(Direction::Outbound) if to_trunk => {
                let client = self.calls.get(call).and_then(|call| call.client_leg);
                if !client.and_then(|key| self.legs.get(key)).is_some_and(|leg| leg.alive) {
                    self.retry_outbound(dest);
                }
            }
            _ => {}
        }
    }

    /// A channel that did not call us dials: it was originated, or its beginning was missed.
    fn direct_by_caller(&mut self, call: Key, caller: Key, dest: Key) {
        let Some(leg) = self.legs.get(caller) else { return };
        match leg.party {
            // One that was originated dials only when it is up, and was made without an extension.
            Party::Trunk(_)
                if leg.dialled
                    || leg.first_state == 0 && leg.state == UP && !number::is_dialled(leg.exten.as_bytes()) =>
            {
                self.make_outbound(caller, None, b"", b"");
            }
            Party::Trunk(_) => self.make_inbound(caller),
            Party::Extension(_) => self.make_internal(caller),
            // An originated Local channel has a telephone at its other end already.
            Party::Local => {
                let legs = self.calls.get(call).map(|call| call.legs.clone()).unwrap_or_default();
                let answered = legs.into_iter().find(|key| {
                    *key != dest
                        && self
                            .legs
                            .get(*key)
                            .is_some_and(|leg| leg.alive && leg.state == UP && matches!(leg.party, Party::Extension(_)))
                });
                if let Some(answered) = answered {
                    self.make_internal(answered);
                }
            }
            Party::Nobody => {}
        }
    }

    fn dial_end(&mut self, caller: Option<&Channel<'_>>, dest: Option<&Channel<'_>>, status: &[u8], now: Stamp) {
        let caller = caller.and_then(|channel| self.known(channel, now));
        match dest.filter(|channel| !channel.unique_id.is_empty()) {
            Some(dest) => {
                let dest = self.known(dest, now);
                self.tie_all(&[caller, dest], now);
                if let Some(dest) = dest {
                    self.stop_ringing(dest, now);
                    self.dialled_unheard(caller, dest);
                }
            }
            // Old servers name the caller only: all its attempts are over.
            None => {
                let legs = caller.and_then(|key| self.legs.get(key)).and_then(|leg| self.calls.get(leg.call));
                for key in legs.map(|call| call.legs.clone()).unwrap_or_default() {
                    if self.legs.get(key).is_some_and(|leg| leg.dialler == caller) {
                        self.stop_ringing(key, now);
                    }
                }
            }
        }
        if let Some(caller) = caller {
            self.note_status(caller, status, false);
            self.with_call(caller, Self::changed);
        }
    }

    /// The end of a Dial to a trunk tells its beginning too, where that was lost. A telephone's may be a pickup's.
    fn dialled_unheard(&mut self, caller: Option<Key>, dest: Key) {
        let is_trunk = |leg: &&mut Leg| leg.alive && !leg.dialled && matches!(leg.party, Party::Trunk(_));
        let Some(leg) = self.legs.get_mut(dest).filter(is_trunk).filter(|_| caller.is_some()) else { return };
        leg.dialled = true;
        leg.dialler = caller;
        let call = leg.call;
        self.missed(dest);
        self.direct(call, caller, dest, true, b"", b"");
    }

    /// DIALSTATUS counts from the root only: a Local leg's CANCEL says nothing about the call. The end of a leg's
    /// ringing stands in for it where the dialplan is not heard.
    fn note_status(&mut self, key: Key, word: &[u8], from_dialplan: bool) {
        let Some(status) = state::dial_status(word) else { return };
        let Some(leg) = self.legs.get(key) else { return };
        let Some(call) = self.calls.get_mut(leg.call).filter(|call| call.root == Some(key)) else { return };
        if from_dialplan || !call.status_told && call.dial_status != DialStatus::Answer {
            call.dial_status = status;
            call.status_told |= from_dialplan;
            self.generation += 1;
        }
    }

    fn agent_called(&mut self, queue: &[u8], caller: &Channel<'_>, dest: &Channel<'_>, now: Stamp) {
        let caller = self.known(caller, now);
        let dest_key = self.known(dest, now);
        let Some(call) = self.tie_all(&[caller, dest_key], now) else { return };
        self.queued(call, queue, true);
        if let Some(dest) = dest_key {
            if let Some(leg) = self.legs.get_mut(dest) {
                leg.dialled = true;
                leg.dialler = leg.dialler.or(caller);
            }
            self.start_ringing(dest, now);
        }
    }

    /// Old servers tell who rings for a queue only if configured to: a telephone that rings by itself and shows the
    /// number of the one client who waits in a queue rings for that client.
    fn rings_for_queue(&mut self, key: Key, channel: &Channel<'_>, now: Stamp) {
        let Some(leg) = self.legs.get(key) else { return };
        let is_lonely = !leg.dialled
            && leg.linked_hash == 0
            && matches!(leg.party, Party::Extension(_))
            && self.calls.get(leg.call).is_some_and(|call| call.legs.len() == 1 && call.direction.is_none());
        if !is_lonely || channel.connected_num.is_empty() {
            return;
        }
        let Some(client) = self.only_waiting(channel.connected_num) else { return };
        self.tie(client, key, now);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.dialled = true;
            leg.dialler = Some(client);
        }
        self.start_ringing(key, now);
    }

    /// The client's channel of the one call with this number that waits in a queue; none if there are two.
    fn only_waiting(&self, number: &[u8]) -> Option<Key> {
        let mut waiting = self.calls.iter().filter(|(_, call)| {
            call.in_queue && call.ended.is_none() && number::without_parameters(call.client.as_bytes()) == number
        });
        let (Some((_, call)), None) = (waiting.next(), waiting.next()) else { return None };
        call.client_leg
    }

    pub(super) fn start_ringing(&mut self, key: Key, now: Stamp) {
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.alive && leg.state != UP) else { return };
        let Party::Extension(extension) = &leg.party else { return };
        if leg.ringing_since.is_some() {
            return;
        }
        leg.ringing_since = Some(now.mono);
        let (call_key, extension) = (leg.call, extension.clone());
        if let Some(call) = self.calls.get_mut(call_key) {
            call.rings(&extension, 0);
        }
        self.generation += 1;
        self.changed(call_key);
    }

    /// Counts the ring time of a leg that rings no more; two telephones of one extension count once.
    pub(super) fn stop_ringing(&mut self, key: Key, now: Stamp) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Some(since) = leg.ringing_since.take() else { return };
        let Party::Extension(extension) = leg.party.clone() else { return };
        let call_key = leg.call;
        let Some(call) = self.calls.get_mut(call_key) else { return };
        for other in &call.legs {
            if let Some(other) = self.legs.get_mut(*other)
                && other.party == Party::Extension(extension.clone())
                && let Some(others) = &mut other.ringing_since
            {
                *others = since.min(*others);
                return self.changed(call_key);
            }
        }
        call.rings(&extension, now.mono.millis_since(since));
        self.generation += 1;
        self.changed(call_key);
    }

    // ---- what the dialplan and features tell ---------------------------------------------------------------------

    fn variable(&mut self, channel: &Channel<'_>, variable: Variable, value: &[u8], now: Stamp) {
        let key = self.known(channel, now);
        // A variable may be set on a Local channel of which nothing else was heard yet.
        let call = match key {
            Some(key) => self.legs.get(key).map(|leg| leg.call),
            None => self.call_of_link(self.hash.of(channel.linked_id)),
        };
        match (variable, key) {
            (Variable::DialStatus, Some(key)) => return self.note_status(key, value, true),
            (Variable::NoDest, Some(key)) => return self.group_named(key, channel.context, value),
            _ => {}
        }
        let Some(call_key) = call.filter(|_| !value.is_empty()) else { return };
        let Some(call) = self.calls.get_mut(call_key) else { return };
        match variable {
            Variable::MixMonitorFilename | Variable::MonitorFilename if value.len() > RECORDING_PATH_BYTES => {
                self.dropped_recordings += 1;
            }
            Variable::MixMonitorFilename | Variable::MonitorFilename => call.recorded(bounded(value)),
            Variable::VmMessageFile if value.len() <= RECORDING_PATH_BYTES => call.voicemail = bounded(value),
            Variable::VmStatus => call.voicemail_failed = value != b"SUCCESS",
            Variable::Did => {
                if !call.line_known
                    && call.direction != Some(Direction::Outbound)
                    && let Some(line) = super::classify::line(value)
                {
                    call.line = line;
                    call.line_known = true;
                    self.changed(call_key);
                }
            }
            _ => {}
        }
        self.generation += 1;
    }

    /// A telephone that was rung to call somebody did not answer: only this answer says whom it was to call. Old
    /// servers give no UniqueId here, and some send it after the hangup.
    fn originate_failed(&mut self, unique_id: &[u8], channel: &[u8], exten: &[u8], now: Stamp) {
        let is_it =
            |name: &[u8]| name.strip_prefix(channel).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"));
        let by_name = || {
            let mut legs = self.legs.iter().filter(|(_, leg)| {
                !channel.is_empty() && is_it(leg.name.as_bytes()) && self.direction_of(leg.call).is_none()
            });
            legs.next().map(|(key, _)| key)
        };
        let Some(key) = self.ids.get(&self.hash.of(unique_id)).copied().or_else(by_name) else { return };
        let Some(call) = self.legs.get(key).map(|leg| leg.call) else { return };
        self.make_originated(key, exten);
        let is_empty = self.calls.get(call).is_some_and(|call| call.settle_at.is_some());
        if is_empty {
            self.judge(call, now);
        }
    }

    pub(super) fn extension_of(&self, key: Key) -> Option<Extension> {
        match &self.legs.get(key)?.party {
            Party::Extension(extension) => Some(extension.clone()),
            Party::Trunk(_) | Party::Local | Party::Nobody => None,
        }
    }

    pub(super) fn tie_all(&mut self, keys: &[Option<Key>], now: Stamp) -> Option<Key> {
        let mut keys = keys.iter().flatten();
        let first = *keys.next()?;
        for key in keys {
            self.tie(first, *key, now);
        }
        self.legs.get(first).map(|leg| leg.call)
    }

    pub(super) fn with_call(&mut self, key: Key, f: impl FnOnce(&mut Self, Key)) {
        if let Some(call) = self.legs.get(key).map(|leg| leg.call) {
            f(self, call);
        }
    }
}
