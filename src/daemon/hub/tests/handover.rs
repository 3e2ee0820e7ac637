//! When a hub is done with what was begun, so that another may take over.

use super::world::Office;

#[test]
fn a_hub_with_nothing_begun_may_go_at_once() {
    let mut office = Office::new();
    office.call("1.1", 5);
    office.secs(60);
    assert!(office.hub.rest(false));
    assert_eq!(office.hub.under_way(), "");
}

#[test]
fn a_journal_that_does_not_answer_is_waited_for_however_long() {
    let mut office = Office::new();
    office.journal_sleeps = true;
    office.call("1.1", 5);
    assert!(!office.hub.rest(false));
    assert!(office.hub.under_way().contains("the journal"), "{}", office.hub.under_way());
    office.secs(600);
    assert!(!office.hub.rest(true), "it could not be closed");
    office.journal_sleeps = false;
    office.secs(60);
    assert!(office.hub.rest(true));
}

#[test]
fn one_that_is_slow_is_not_waited_for_for_ever() {
    let mut office = Office::new();
    office.journal_sleeps = true;
    office.call("1.1", 5);
    assert!(!office.hub.rest(false));
    office.journal_sleeps = false;
    office.secs(1);
    office.journal_sleeps = true;
    office.call("2.1", 5);
    assert!(!office.hub.rest(false), "another call waits for it");
    office.secs(5);
    assert!(office.hub.rest(true), "{}", office.hub.under_way());
}
