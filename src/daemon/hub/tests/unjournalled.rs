//! Calls that the journal could not take: delivered from memory, and once.

use super::lane::Mood;
use super::world::Office;
use crate::limits::AFTER_CRASH;

#[test]
fn without_a_journal_calls_are_delivered_from_memory_and_outlive_a_kill() {
    let mut office = Office::new();
    let ring = office.ring.take();
    office.call("1.1", 5);
    office.secs(5);
    assert_eq!(office.posted().len(), 1);
    assert_eq!(office.hub.journal_report(office.now.mono).unjournalled, 1);

    office.portal().mood = Mood::Slow;
    office.call("2.1", 5);
    office.secs(5);
    office.execute_unheard();
    office.kill();
    office.ring = ring;
    office.portal().mood = Mood::Well;
    office.open_journal();
    office.secs(600);
    assert_eq!(office.posted().len(), 2, "{:#?}", office.portals[0].done);
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 1, "the journal is back and has what waited");
}

#[test]
fn a_call_from_memory_that_a_crash_cut_off_is_looked_up_and_not_at_once() {
    let mut office = Office::new();
    office.ring = None;
    office.portal().mood = Mood::Slow;
    office.call("1.1", 5);
    office.secs(5);
    office.kill();
    office.portal().mood = Mood::Well;
    office.secs(AFTER_CRASH.as_secs() - 2);
    assert!(office.posted().is_empty(), "the request that the crash cut off may still run");
    office.secs(600);
    office.the_call();
}

#[test]
fn a_journal_that_refuses_writes_costs_no_call() {
    let mut office = Office::new();
    office.ring.as_mut().unwrap().storage_mut().refuse_writes = Some(std::io::ErrorKind::StorageFull);
    for call in 1..=5 {
        office.call(&format!("{call}.1"), 5);
    }
    office.secs(60);
    assert_eq!(office.posted().len(), 5);
    assert_eq!(office.hub.journal_report(office.now.mono).unjournalled, 5);
}
