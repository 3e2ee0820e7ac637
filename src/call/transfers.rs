//! The client goes from one talker to another: what the PBX says of it.
//!
//! Stands alone because each generation, driver and feature tells it differently, or not at all; who talks is
//! `hearing`'s answer and needs none of this. Where nothing is told, `state` derives the step from the change of
//! talkers.

use super::classify::Party;
use super::hearing;
use super::record::Extension;
use super::slab::Key;
use super::tracker::Tracker;
use crate::ami::event::Channel;
use crate::clock::Stamp;
use crate::number;
use crate::text::bounded;

impl Tracker {
    /// `AttendedTransfer`: the first telephone of `keys`, the last of which is the client's channel, gave him to
    /// `target`. Asterisk leaves the target out where its channel has left the consultation already (measured with the
    /// code `*2`: on 16 always, on 22 at times), and where it is an application (12 and later, by the telephone's own
    /// key). Then it is whom the client hears instead, a telephone or a Local channel to a queue, else what was dialled
    /// to ask.
    pub(super) fn handed_over(&mut self, keys: &[Option<Key>], target: &Channel<'_>, now: Stamp) {
        let target_key = self.known(target, now);
        self.tie_all(keys, now);
        let to = match target_key.and_then(|key| self.legs.get(key)).map(|leg| &leg.party) {
            Some(Party::Extension(extension)) => extension.clone(),
            // A Local channel that leads to a queue, or to a telephone that still rings.
            Some(Party::Local) if number::is_dialled(target.exten) => bounded(number::without_parameters(target.exten)),
            _ => bounded(target.caller_num),
        };
        if !to.is_empty() {
            return self.transfer(keys, to, true);
        }
        let Some(from) = keys.iter().flatten().find_map(|key| self.extension_of(*key)) else { return };
        let to = self.heard_beside(keys.last().copied().flatten(), &from).or_else(|| self.dialled_by(keys));
        if let Some(to) = to {
            return self.transfer(keys, to, true);
        }
        let call = keys.iter().flatten().find_map(|key| self.legs.get(*key)).map(|leg| leg.call);
        if let Some(call) = call.and_then(|call| self.calls.get_mut(call)) {
            call.handed_over(from);
            self.generation += 1;
        }
    }

    /// Whom the client hears beside `from`: a telephone, else where a Local channel leads.
    fn heard_beside(&self, client: Option<Key>, from: &Extension) -> Option<Extension> {
        let client = client?;
        let company = hearing::component(self.calls.get(self.legs.get(client)?.call)?, &self.legs, client);
        let company = || company.iter().filter_map(|key| self.legs.get(*key));
        let telephone = company().find_map(|leg| match &leg.party {
            Party::Extension(other) if other != from => Some(other.clone()),
            _ => None,
        });
        let mut locals = company().filter(|leg| leg.party == Party::Local && number::is_dialled(leg.exten.as_bytes()));
        telephone.or_else(|| locals.next().map(|leg| bounded(leg.exten.as_bytes())))
    }

    /// What the second channel of who gave the client away dialled: a queue, a menu, a telephone that still rings.
    fn dialled_by(&self, keys: &[Option<Key>]) -> Option<Extension> {
        let [first, second, ..] = *keys else { return None };
        let second = self.legs.get(second.filter(|second| Some(*second) != first)?)?;
        Some(bounded(second.exten.as_bytes())).filter(|_| number::is_dialled(second.exten.as_bytes()))
    }

    pub(super) fn old_transfer(
        &mut self,
        attended: bool,
        channel: &Channel<'_>,
        target: &Channel<'_>,
        exten: &[u8],
        now: Stamp,
    ) {
        let (Some(from), target) = (self.known(channel, now), self.known(target, now)) else { return };
        let to = match target.and_then(|key| self.legs.get(key)).and_then(|leg| leg.partner) {
            Some(partner) if attended => self.extension_of(partner).unwrap_or_default(),
            _ => bounded(exten),
        };
        // An attended transfer joins two calls a moment later: the client's is the one to remember it.
        self.transfer(&[Some(from)], to, attended);
    }

    /// Notes a transfer in the call of the first of these channels that is a telephone's.
    pub(super) fn transfer(&mut self, keys: &[Option<Key>], to: Extension, attended: bool) {
        let Some(from) = keys.iter().flatten().find_map(|key| self.extension_of(*key)) else { return };
        let call = keys.iter().flatten().find_map(|key| self.legs.get(*key)).map(|leg| leg.call);
        if let Some(call) = call.and_then(|call| self.calls.get_mut(call))
            && !to.is_empty()
        {
            call.transferred(from, to, attended);
            self.generation += 1;
        }
    }
}
