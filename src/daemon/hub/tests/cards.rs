//! Cards that an earlier process left open.

use super::super::*;
use super::desks::Desk;
use super::lane::{Done, Mood};
use super::world::Office;
use crate::journal::simulated::AtCut;
use crate::limits::CARD_WORTH;
use core::time::Duration;

/// An image whose tracker has lost its calls, and whose cards are there.
fn orphaned(desk: &Desk, empty: &[u8]) -> SavedImage {
    let mut image: serde_json::Value = serde_json::from_slice(&desk.0.borrow().mirror).unwrap();
    let empty: serde_json::Value = serde_json::from_slice(empty).unwrap();
    image["tracker"] = empty["tracker"].clone();
    serde_json::from_value(image).unwrap()
}

#[test]
fn a_restored_card_of_a_call_that_is_no_more_is_closed_and_forgotten() {
    let mut office = Office::new();
    office.secs(2);
    let empty = office.desk.0.borrow().mirror.clone();
    office.ring("1.1");
    let saved = orphaned(&office.desk, &empty);
    office.start(Some(saved), AtCut::KeepsAll);
    office.secs(5);
    assert_eq!(office.portals[0].done.last(), Some(&Done::Announced { id: "office-1.1".into(), ringing: 0 }), "closed");
    assert!(office.hub.seats[0].schedule.cards().is_empty(), "forgotten");
}

#[test]
fn it_is_forgotten_even_when_the_portal_never_answers() {
    let mut office = Office::new();
    office.secs(2);
    let empty = office.desk.0.borrow().mirror.clone();
    office.ring("1.1");
    let saved = orphaned(&office.desk, &empty);
    office.portal().mood = Mood::Slow;
    office.start(Some(saved), AtCut::KeepsAll);
    office.wait(CARD_WORTH + Duration::from_secs(5));
    assert!(office.hub.seats[0].schedule.cards().is_empty(), "cards pile up");
}
