//! Who can hear whom: the graph of bridges, Local pairs and links, asked for the client's company.
//!
//! An IVR, a queue's music and a voicemail are Up without anybody being heard, so talk is not the state of a channel
//! but a path between the client and a telephone. Pure: reads legs, changes nothing. Costs the square of a call's
//! connected channels, which are a handful.

use super::classify::Party;
use super::leg::Leg;
use super::record::{Direction, Extension};
use super::slab::{Key, Slab};
use super::state::{Call, Talkers};
use crate::limits::LEGS_PER_CALL;
use crate::text::bounded;

/// Who can be heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// Without doubles.
    pub talkers: Talkers,
    /// Some had no place among them.
    pub is_cut: bool,
}

impl Heard {
    /// This one too.
    pub(super) fn note(&mut self, extension: &Extension) {
        if !self.talkers.contains(extension) {
            self.is_cut |= self.talkers.push(extension.clone()).is_err();
        }
    }
}

/// Who talks with the client of this call (for an internal call: with its caller) at this moment.
pub fn talkers(call: &Call, calls: &Slab<Call>, legs: &Slab<Leg>) -> Heard {
    let mut heard = Heard::default();
    let Some(ear) = ear(call, legs) else { return heard };
    let Some(start) = legs.get(ear).filter(|leg| leg.is_connected()) else { return heard };
    let company = component(call, legs, ear);
    let people = || company.iter().filter(|key| **key != ear).filter_map(|key| legs.get(*key));
    let own = match &start.party {
        Party::Extension(own) if call.direction == Some(Direction::Internal) => Some(own),
        _ => None,
    };
    for leg in people() {
        if let Party::Extension(extension) = &leg.party
            && Some(extension) != own
        {
            heard.note(extension);
        }
    }
    if call.direction != Some(Direction::Internal) {
        super::rooms::add_talkers(&company, calls, legs, &mut heard);
    }
    if heard.talkers.is_empty() {
        // A forwarded call: the employee is at a mobile behind a second trunk.
        for leg in people().filter(|leg| matches!(leg.party, Party::Trunk(_))) {
            heard.note(&bounded(leg.number.as_bytes()));
        }
    }
    heard
}

/// The channel at which the client (the caller of an internal call) listens.
fn ear(call: &Call, legs: &Slab<Leg>) -> Option<Key> {
    let is_connected = |key: &Key| legs.get(*key).is_some_and(|leg| leg.is_somebody() && leg.is_connected());
    let is_dialled_trunk =
        |key: &Key| legs.get(*key).is_some_and(|leg| leg.dialled && matches!(leg.party, Party::Trunk(_)));
    let mut connected = call.legs.iter().copied().filter(is_connected);
    match call.direction? {
        Direction::Inbound => call.client_leg.filter(is_connected),
        // Of several trunks that were tried the one that answered.
        Direction::Outbound => call.client_leg.filter(is_connected).or_else(|| connected.find(is_dialled_trunk)),
        Direction::Internal => call.root.filter(is_connected).or_else(|| connected.next()),
    }
}

/// All channels that `start` is connected with, itself included.
pub(super) fn component(call: &Call, legs: &Slab<Leg>, start: Key) -> heapless::Vec<Key, LEGS_PER_CALL> {
    let mut found: heapless::Vec<Key, LEGS_PER_CALL> = heapless::Vec::new();
    let _ = found.push(start);
    let mut next = 0;
    while let Some(from) = found.get(next).copied() {
        next += 1;
        let Some(leg) = legs.get(from) else { continue };
        for key in &call.legs {
            let Some(other) = legs.get(*key).filter(|other| other.is_connected()) else { continue };
            let is_heard = (leg.bridge != 0 && leg.bridge == other.bridge)
                || (leg.room != 0 && leg.room == other.room)
                || leg.twin == Some(*key)
                || leg.partner == Some(*key)
                || other.twin == Some(from)
                || other.partner == Some(from);
            if is_heard && !found.contains(key) {
                let _ = found.push(*key);
            }
        }
    }
    found
}
