//! Calls of one identity are told apart.

use super::super::*;
use super::lane::Mood;
use super::world::{Office, begun, talk_secs};

#[test]
fn a_repeated_identity_is_another_call_with_a_card_of_its_own() {
    let mut office = Office::new();
    office.call("75.0", 5);
    office.secs(3600);
    office.cut_power();
    office.now = Stamp { mono: begun().mono, ..office.now }; // the same second of another boot
    office.call("75.0", 7);
    office.secs(600);
    let posted = office.posted();
    assert_eq!(posted.len(), 2, "lost: {:#?}", office.portals[0].done);
    assert_eq!(posted[0].id, "office-75.0");
    assert!(posted[1].id.starts_with("office-75.0-r"), "{}", posted[1].id);
    assert_eq!(talk_secs(&posted[1]), 7);
    assert_eq!(office.hub.journal_report(office.now.mono).repeated, 0, "told when the journal is asked");
    assert_eq!(office.ring.as_ref().unwrap().stats().repeated, 1);
    assert!(office.hub.seats[0].schedule.cards().is_empty());
}

/// A call that waits, and another one to which a PBX without a clock gives the same identity, later than the tracker
/// remembers that it was given.
fn repeat_identity(office: &mut Office, again: impl FnOnce(&mut Office)) {
    office.portal().mood = Mood::Down;
    office.call("75.0", 5);
    office.secs(3600);
    let first = office.hub.seats[0].schedule.in_hand().next().unwrap().clone();
    again(office);
    let (started, ended) = (office.now, office.now);
    office.hub.finished(CallRecord { talk_ms: 7000, started, ended, ..(*first).clone() }, office.now.mono);
    office.secs(10);
}

fn both_are_posted_apart(office: &mut Office) {
    office.portal().mood = Mood::Well;
    office.secs(3600);
    let mut posted = office.posted();
    posted.sort_by_key(talk_secs);
    assert_eq!(posted.iter().map(talk_secs).collect::<Vec<_>>(), [5, 7], "{:#?}", office.portals[0].done);
    assert_eq!(posted[0].id, "office-75.0");
    assert!(posted[1].id.starts_with("office-75.0-r"), "{}", posted[1].id);
}

#[test]
fn calls_of_one_identity_that_only_memory_holds_are_told_apart() {
    let mut office = Office::new();
    office.ring = None;
    repeat_identity(&mut office, |_| ());
    both_are_posted_apart(&mut office);
}

#[test]
fn both_of_them_outlive_a_kill() {
    let mut office = Office::new();
    let ring = office.ring.take();
    repeat_identity(&mut office, |_| ());
    office.kill();
    office.ring = ring;
    office.open_journal();
    both_are_posted_apart(&mut office);
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 2);
}

#[test]
fn one_that_the_journal_takes_again_is_told_apart_from_one_that_it_does_not_hold() {
    let mut office = Office::new();
    let ring = office.ring.take();
    repeat_identity(&mut office, |office| office.ring = ring);
    both_are_posted_apart(&mut office);
}

#[test]
fn one_that_the_journal_cannot_take_is_told_apart_from_its_backlog() {
    let mut office = Office::new();
    office.portal().mood = Mood::Down;
    office.call("75.0", 5);
    office.secs(3600);
    office.cut_power();
    office.ring.as_mut().unwrap().storage_mut().refuse_writes = Some(std::io::ErrorKind::ReadOnlyFilesystem);
    office.call("75.0", 7);
    office.secs(10);
    both_are_posted_apart(&mut office);
}
