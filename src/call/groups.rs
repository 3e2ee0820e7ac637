//! Queues and ring groups: which one a call went through.
//!
//! Stands alone because a queue tells its name by events, a ring group is nothing to Asterisk: it is known by the
//! context that dials, where the profile knows it, and by the variable with which FreePBX and its kin name the
//! destination that rings now. Does not know who rings for them.

use super::classify::Party;
use super::leg::Leg;
use super::slab::Key;
use super::tracker::Tracker;
use crate::text::bounded;

/// Contexts in which FreePBX sets the same variable for a follow-me, with the extension's own number. Source: the open
/// source of FreePBX's findmefollow module, old and new.
const FOLLOW_ME: [&[u8]; 2] = [b"followme-sub", b"ext-findmefollow"];

impl Tracker {
    /// It waits in this queue, or does no longer.
    pub(super) fn queued(&mut self, call: Key, queue: &[u8], is_waiting: bool) {
        let Some(call) = self.calls.get_mut(call) else { return };
        if !queue.is_empty() {
            call.queue = bounded(queue);
        }
        call.in_queue = is_waiting;
        self.generation += 1;
    }

    /// A channel of this call dials from here.
    pub(super) fn group_dials(&mut self, call: Key, context: &[u8], exten: &[u8]) {
        if let Some(group) = self.classifier.group(context, exten)
            && let Some(call) = self.calls.get_mut(call)
        {
            call.group = bounded(group);
        }
    }

    /// `NODEST` was set. Members that are Local channels inherit it, and their follow-me sets it anew: only what the
    /// client's own channel is told counts, or the caller's.
    pub(super) fn group_named(&mut self, key: Key, context: &[u8], group: &[u8]) {
        let is_follow_me = FOLLOW_ME.iter().any(|follow_me| context.starts_with(follow_me));
        let Some(leg) = self.legs.get(key) else { return };
        // A channel that nobody dialled, and that has not said yet that it calls us, will be the root.
        let is_first = leg.party.is_somebody() && !leg.dialled;
        let Some(call) = self.calls.get_mut(leg.call) else { return };
        let is_its_own = call.root.map_or(is_first, |root| root == key) || call.client_leg == Some(key);
        if is_its_own && !is_follow_me && !group.is_empty() {
            call.group = bounded(group);
            self.generation += 1;
        }
    }

    /// Old servers do not say in which context a variable was set: a follow-me is known by the extension that rings.
    pub(super) fn drop_own_group(&mut self, key: Key) {
        let Some(Leg { party: Party::Extension(extension), call, .. }) = self.legs.get(key) else { return };
        if let Some(call) = self.calls.get_mut(*call).filter(|call| call.group == *extension.as_str()) {
            call.group.clear();
        }
    }
}
