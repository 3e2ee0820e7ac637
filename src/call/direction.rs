//! Whose call it is: fixed at the first real channel and never changed by transfers.
//!
//! A trunk that calls us makes an inbound call. A telephone that calls us makes an internal one, which becomes outbound
//! when it dials a trunk. A trunk that an inbound call dials belongs to that call (a forward to a mobile). Numbers and
//! lines are settled here too, at the same moment, because the dialplan rewrites them later.

use super::classify::{self, Party};
use super::leg::{Leg, RING};
use super::record::{Direction, Extension, Number};
use super::slab::Key;
use super::state::Call;
use super::tracker::Tracker;
use crate::clock::Stamp;
use crate::number;
use crate::text::bounded;

/// Shortest number that is taken for a whole one behind a 9.
const ACCESS_CODE_DIGITS: usize = 10;
/// Longest number that can be an extension's own.
const OWN_NUMBER_DIGITS: usize = 6;

impl Tracker {
    /// A channel has said that it calls us: if its call has no direction yet, this is it.
    pub(super) fn place(&mut self, key: Key) {
        let Some(leg) = self.legs.get(key) else { return };
        if leg.dialled || leg.state != RING || self.direction_of(leg.call).is_some() {
            return;
        }
        match leg.party {
            Party::Trunk(_) => self.make_inbound(key),
            Party::Extension(_) => self.make_internal(key),
            Party::Local | Party::Nobody => {}
        }
    }

    pub(super) fn direction_of(&self, call: Key) -> Option<Direction> {
        self.calls.get(call)?.direction
    }

    pub(super) fn make_inbound(&mut self, key: Key) {
        let Some((leg, call)) = self.leg_and_call(key) else { return };
        let Party::Trunk(trunk) = &leg.party else { return };
        call.direction = Some(Direction::Inbound);
        call.root = Some(key);
        call.client_leg = Some(key);
        call.trunk = trunk.clone();
        call.client_known = !leg.number.is_empty();
        call.client = shown(&leg.number);
        if let Some(line) = classify::line(leg.exten.as_bytes()) {
            call.line = line;
            call.line_known = true;
        } else if call.line.is_empty() {
            call.line = bounded(trunk.as_bytes());
        }
        self.generation += 1;
    }

    pub(super) fn make_internal(&mut self, key: Key) {
        let Some((leg, call)) = self.leg_and_call(key) else { return };
        let Party::Extension(extension) = &leg.party else { return };
        call.direction = Some(Direction::Internal);
        call.root = Some(key);
        call.caller = extension.clone();
        if number::is_dialled(leg.exten.as_bytes()) {
            call.client = leg.exten.clone();
        }
        let extension = extension.clone();
        call.unring(&extension);
        self.generation += 1;
    }

    /// A telephone was rung to call `exten` and did not answer, so nobody was dialled.
    pub(super) fn make_originated(&mut self, key: Key, exten: &[u8]) {
        let Some((leg, call)) = self.leg_and_call(key) else { return };
        let Party::Extension(extension) = &leg.party else { return };
        if call.direction.is_some() || !number::is_dialled(exten) {
            return;
        }
        let is_outside = exten.iter().all(|b| b.is_ascii_digit() || *b == b'+') && exten.len() > OWN_NUMBER_DIGITS;
        call.direction = Some(if is_outside { Direction::Outbound } else { Direction::Internal });
        call.root = Some(key);
        call.caller = extension.clone();
        call.client = bounded(exten);
        call.client_known = true;
        self.generation += 1;
    }

    /// `caller` dials the trunk `dest` in a call of the office: it is outbound. `exten` is what the dialplan of the
    /// caller runs at this moment, `dial_string` what was handed to Dial.
    pub(super) fn make_outbound(&mut self, dest: Key, caller: Option<Key>, exten: &[u8], dial_string: &[u8]) {
        let Some(call) = self.legs.get(dest).map(|leg| leg.call) else { return };
        let first = self.calls.get(call).and_then(|call| call.root).and_then(|root| self.legs.get(root));
        let first_exten = first.map(|leg| leg.exten.clone()).unwrap_or_default();
        let extension = self.calling_extension(call, caller);
        let Some((leg, call)) = self.leg_and_call(dest) else { return };
        let Party::Trunk(trunk) = &leg.party else { return };
        call.direction = Some(Direction::Outbound);
        call.client_leg = Some(dest);
        call.root = caller.or(call.root).or(Some(dest));
        call.client = dialled_number(first_exten.as_bytes(), exten, dial_string, &leg.number);
        call.client_known = true;
        call.trunk = trunk.clone();
        call.line = bounded(trunk.as_bytes());
        if call.caller.is_empty()
            && let Some(extension) = extension
        {
            call.unring(&extension);
            call.caller = extension;
        }
        self.generation += 1;
    }

    /// A trunk that was made with a dialled number is answered, and nothing was heard of its calling us: it did.
    pub(super) fn place_late(&mut self, key: Key) {
        let Some(leg) = self.legs.get(key) else { return };
        let calls_us = !leg.dialled
            && matches!(leg.party, Party::Trunk(_))
            && classify::line(leg.exten.as_bytes()).is_some()
            && self.direction_of(leg.call).is_none();
        if calls_us {
            self.make_inbound(key);
            self.missed(key);
        }
    }

    /// A telephone hears a trunk in its own call: the call goes outside, even if nothing was heard of the Dial.
    pub(super) fn direct_by_company(&mut self, key: Key) {
        let Some(call) = self.calls.get(key).filter(|call| call.rank() < 2) else { return };
        let is_heard = |leg: &Leg| leg.is_connected() && matches!(leg.party, Party::Trunk(_));
        let trunk = call.legs.iter().copied().find(|key| self.legs.get(*key).is_some_and(is_heard));
        if let Some(trunk) = trunk {
            self.go_outside(key, trunk);
        }
    }

    /// The same at the end of a call, for one that nobody took: a trunk that was made with a dialled number called us,
    /// any other was called.
    pub(super) fn direct_at_end(&mut self, key: Key) {
        let Some(call) = self.calls.get(key).filter(|call| call.rank() < 2) else { return };
        let is_trunk = |key: &Key| self.legs.get(*key).is_some_and(|leg| matches!(leg.party, Party::Trunk(_)));
        if let Some(trunk) = call.legs.iter().copied().find(is_trunk) {
            self.place_late(trunk);
            if self.calls.get(key).is_some_and(|call| call.rank() < 2) {
                self.go_outside(key, trunk);
            }
        }
    }

    fn go_outside(&mut self, key: Key, trunk: Key) {
        let Some(call) = self.calls.get(key) else { return };
        let telephone = |key: &Key| self.legs.get(*key).is_some_and(|leg| matches!(leg.party, Party::Extension(_)));
        let Some(root) = call.root.or_else(|| call.legs.iter().copied().find(telephone)) else { return };
        if call.direction.is_none() {
            self.make_internal(root);
        }
        self.make_outbound(trunk, Some(root), b"", b"");
        self.missed(trunk);
    }

    /// An outbound call tries another trunk because the first one did not work.
    pub(super) fn retry_outbound(&mut self, dest: Key) {
        let Some((leg, call)) = self.leg_and_call(dest) else { return };
        let Party::Trunk(trunk) = &leg.party else { return };
        call.client_leg = Some(dest);
        call.trunk = trunk.clone();
        call.line = bounded(trunk.as_bytes());
        self.generation += 1;
    }

    /// Who dials: the caller's telephone, or the one behind a Local channel.
    fn calling_extension(&self, call: Key, caller: Option<Key>) -> Option<Extension> {
        let extension = |leg: &Leg| match &leg.party {
            Party::Extension(extension) => Some(extension.clone()),
            _ => None,
        };
        let caller = caller.and_then(|key| self.legs.get(key)).and_then(extension);
        caller.or_else(|| {
            let legs = self.calls.get(call)?.legs.iter().filter_map(|key| self.legs.get(*key));
            legs.filter(|leg| leg.alive).find_map(extension)
        })
    }

    /// A channel of the client says its number (again). Only the first one counts, because dialplans rewrite it.
    pub(super) fn note_number(&mut self, key: Key, number: &[u8], now: Stamp) {
        if number.is_empty() {
            return;
        }
        let Some(leg) = self.legs.get_mut(key) else { return };
        if leg.number.is_empty() {
            leg.number = bounded(number);
        }
        let call_key = leg.call;
        let Some(call) = self.calls.get_mut(call_key) else { return };
        let is_asked = call.direction == Some(Direction::Inbound) && call.client_leg == Some(key) && !call.client_known;
        if is_asked {
            call.client_known = true;
            call.client = shown(&bounded(number));
            call.alive_at = now;
            self.generation += 1;
            self.changed(call_key);
        }
    }

    fn leg_and_call(&mut self, key: Key) -> Option<(&Leg, &mut Call)> {
        let leg = self.legs.get(key)?;
        Some((leg, self.calls.get_mut(leg.call)?))
    }
}

/// The client's number: empty when hidden.
fn shown(number: &Number) -> Number {
    let bare = number::without_parameters(number.as_bytes());
    if number::is_hidden(bare) { Number::new() } else { number.clone() }
}

/// The outside number of an outbound call: what was dialled first, if that agrees with what the trunk is given (then
/// prefixes are still on), else what the trunk is given.
fn dialled_number(first: &[u8], exten: &[u8], dial_string: &[u8], told: &Number) -> Number {
    let given = number::in_dial_string(dial_string).unwrap_or_default();
    let candidates = [first, exten].into_iter().filter(|number| number::is_dialled(number));
    for candidate in candidates.clone() {
        if is_behind_access_code(candidate, given) {
            return bounded(number::without_parameters(given));
        }
        if given.is_empty() || number::is_same(candidate, given) || ends_alike(candidate, given) {
            return bounded(candidate);
        }
    }
    if !given.is_empty() {
        return bounded(given);
    }
    let told = Some(told.as_bytes()).filter(|told| number::is_dialled(told)).unwrap_or_default();
    bounded(told)
}

/// Whether `dialled` is `given` behind the digit with which an office dials outside: a 9, or a 0 before a number that
/// itself begins with 0 or `+`. Other prefixes that a route cuts off belong to the number, as the 8 of `89161234567`.
fn is_behind_access_code(dialled: &[u8], given: &[u8]) -> bool {
    match dialled.split_first() {
        Some((b'9', rest)) => rest == given && given.len() >= ACCESS_CODE_DIGITS,
        Some((b'0', rest)) => rest == given && matches!(given.first(), Some(b'0' | b'+')),
        _ => false,
    }
}

/// Whether one number is the other without its first digits.
fn ends_alike(one: &[u8], two: &[u8]) -> bool {
    one.ends_with(two) || two.ends_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_what_was_dialled() {
        let number = |first: &str, exten: &str, string: &str| {
            dialled_number(first.as_bytes(), exten.as_bytes(), string.as_bytes(), &Number::new())
        };
        assert_eq!(number("89161234567", "89161234567", "89161234567@trunk"), "89161234567");
        // Routes cut a prefix off: the country's belongs to the number, the office's access code does not.
        assert_eq!(number("89161234567", "s", "trunk/9161234567"), "89161234567");
        assert_eq!(number("989161234567", "s", "trunk/89161234567"), "89161234567");
        assert_eq!(number("000493012345678", "s", "00493012345678@trunk"), "00493012345678");
        assert_eq!(number("003012345", "s", "03012345@trunk"), "03012345");
        assert_eq!(number("03012345678", "s", "3012345678@trunk"), "03012345678");
        // A carrier wants a prefix.
        assert_eq!(number("79161234567", "s", "99#79161234567@mtt"), "79161234567");
        // Click-to-call: the telephone's channel has no extension of its own.
        assert_eq!(number("s", "89161234567", "89161234567@trunk"), "89161234567");
        assert_eq!(number("", "", "trunk/79160000001"), "79160000001");
        // The telephone called a colleague whose calls go to a mobile.
        assert_eq!(number("102", "102", "79165550077@trunk"), "79165550077");
    }
}
