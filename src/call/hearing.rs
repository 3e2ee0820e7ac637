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

/// Who talks with the client of this call (for an internal call: with its caller) at this moment.
pub fn talkers(call: &Call, legs: &Slab<Leg>) -> Talkers {
    let mut talkers = Talkers::new();
    let Some(ear) = ear(call, legs) else { return talkers };
    let Some(start) = legs.get(ear).filter(|leg| leg.is_connected()) else { return talkers };
    let company = component(call, legs, ear);
    let mut people: heapless::Vec<&Leg, LEGS_PER_CALL> = heapless::Vec::new();
    for leg in company.iter().filter(|key| **key != ear).filter_map(|key| legs.get(*key)) {
        let _ = people.push(leg);
    }
    let own = match &start.party {
        Party::Extension(own) if call.direction == Some(Direction::Internal) => Some(own),
        _ => None,
    };
    for leg in &people {
        if let Party::Extension(extension) = &leg.party
            && Some(extension) != own
        {
            note(&mut talkers, extension);
        }
    }
    if call.direction != Some(Direction::Internal) {
        super::rooms::add_talkers(&company, legs, &mut talkers);
    }
    if talkers.is_empty() {
        // A forwarded call: the employee is at a mobile behind a second trunk.
        for leg in people.iter().filter(|leg| matches!(leg.party, Party::Trunk(_))) {
            note(&mut talkers, &bounded(leg.number.as_bytes()));
        }
    }
    talkers
}

fn note(talkers: &mut Talkers, extension: &Extension) {
    if !talkers.contains(extension) {
        let _ = talkers.push(extension.clone());
    }
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
