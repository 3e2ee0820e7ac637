//! What the tracker tells: hints of calls in progress, records of finished ones, and the identities they bear.
//!
//! Both are told through the rules for numbers, here and nowhere else, so that card and call never differ; the tracker
//! itself goes by what the PBX says.
//!
//! An output waits as a key and is built when it is polled, so that what waits is small, never more than the calls at
//! once, and always the present state.

use super::classify::Party;
use super::live::LiveCall;
use super::record::{CallId, CallRecord, Direction};
use super::slab::Key;
use super::tables::remember;
use super::tracker::{Output, Tracker};
use crate::limits::CALL_ID_BYTES;
use crate::number::rules::Outside;
use crate::text::bounded;
use std::hash::{Hash, Hasher};

/// An output that waits; what it says is built when it is polled.
#[derive(Debug)]
pub(super) enum Pending {
    Live(Key),
    Finished(Key),
    Joined(Box<(CallId, CallId)>),
    Picked,
}

impl Tracker {
    /// The next output; none: drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        while let Some(pending) = self.pending.pop_front() {
            let output = match pending {
                Pending::Live(key) => self.tell(key),
                Pending::Finished(key) => self.hand_out(key),
                Pending::Picked => self.picked().map(Output::Picked),
                Pending::Joined(ids) => Some(Output::Joined { absorbed: ids.0, kept: ids.1 }),
            };
            if output.is_some() {
                return output;
            }
        }
        core::mem::take(&mut self.resync_wanted).then_some(Output::ResyncWanted)
    }

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
        let mut live = self.live(key)?;
        let told = digest(&live);
        let call = self.calls.get_mut(key)?;
        if call.told == told {
            return None;
        }
        call.told = told;
        call.announced = true;
        live.id = self.give_identity(key)?;
        self.generation += 1;
        Some(Output::Live(Box::new(live)))
    }

    /// The hint of a call, once it is worth one: somebody rings, somebody talks, or an outside number was dialled.
    fn live(&self, key: Key) -> Option<LiveCall> {
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
        let outside = Outside { direction, client: &call.client, line: &call.line, trunk: &call.trunk };
        let (client, withheld) = self.numbers.judge(outside);
        Some(LiveCall {
            id: CallId::new(),
            direction,
            client,
            line: call.line.clone(),
            caller: call.caller.clone(),
            ringing,
            talking,
            started: call.started,
            withheld,
        })
    }

    /// The call's identity for life, fixed when it is first told.
    pub(super) fn give_identity(&mut self, key: Key) -> Option<CallId> {
        if let Some(id) = &self.calls.get(key)?.id {
            return Some(id.clone());
        }
        let id = self.free_identity(key)?;
        remember(&mut self.given_ids, self.hash.of(id.as_bytes()));
        self.calls.get_mut(key)?.id = Some(id.clone());
        Some(id)
    }

    /// `<pbx name>-<linkedid>`, its tail if that is too long. A LinkedId that another call has used up already is
    /// replaced by the UniqueId of the root, of another channel, or numbered.
    fn free_identity(&self, key: Key) -> Option<CallId> {
        let call = self.calls.get(key)?;
        let legs = call.root.iter().chain(&call.legs).filter_map(|leg| self.legs.get(*leg));
        let candidates = core::iter::once(call.linked.as_str()).chain(legs.map(|leg| leg.id.as_str()));
        let is_unused = |id: &CallId| !self.given_ids.contains(&self.hash.of(id.as_bytes()));
        let numbered = |n: u64| self.composed(&format!("{}~{n}", call.linked));
        candidates.map(|linked| self.composed(linked)).find(is_unused).or_else(|| (2..).map(numbered).find(is_unused))
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
        let id = self.give_identity(key)?;
        let call = self.calls.remove(key)?;
        let ended = call.ended.filter(|ended| ended.mono >= call.started.mono).unwrap_or(call.started);
        self.generation += 1;
        let mut record = call.record(id, ended);
        let CallRecord { direction, client, line, trunk, .. } = &record;
        (record.client, record.withheld) = self.numbers.judge(Outside { direction: *direction, client, line, trunk });
        Some(Output::Finished(Box::new(record)))
    }

    /// A call that had ended before the process did, and may not have been handed out.
    pub(super) fn finish_again(&mut self, key: Key) {
        self.pending.push_back(Pending::Finished(key));
    }
}

/// A hash of what a card shows.
fn digest(live: &LiveCall) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (live.direction as u8).hash(&mut hasher);
    (&live.client, &live.line, &live.caller, live.ringing.as_slice(), &live.talking, live.withheld).hash(&mut hasher);
    hasher.finish()
}
