//! Several CRMs: each has its own state of each call, and what one lacks is no concern of another.

use super::lane::{Mood, Portal};
use super::world::{Office, Plan};
use crate::clock::Wall;
use crate::config::WhenFull;
use core::time::Duration;

const HERE: &str = "bitrix24:here.example";
const AWAY: &str = "bitrix24:away.example";
const NEW: &str = "bitrix24:new.example";

fn office_of(crms: &[&'static str]) -> Office {
    let mut office = Office::of(Plan { crms: crms.to_vec(), size_kib: 64, ..Plan::default() });
    office.secs(60);
    office
}

/// The next call, and its true start.
fn call(office: &mut Office, number: usize) -> (String, Wall) {
    let start = office.truth;
    office.call(&format!("{}.1", 1000 + number), 3);
    (format!("office-{}.1", 1000 + number), start)
}

#[test]
fn one_that_is_down_for_three_days_holds_up_no_other_and_then_gets_all_it_lacks() {
    let mut office = Office::of(Plan { crms: vec![HERE, AWAY], size_kib: 128, ..Plan::default() });
    office.secs(60);
    office.portals[1].mood = Mood::Down;
    let mut made = Vec::new();
    for number in 0..300 {
        made.push(call(&mut office, number));
        office.secs(5);
        assert_eq!(office.portals[0].dates.len(), made.len(), "call {number} is not there at once");
        office.secs(854);
        match number % 60 {
            20 | 40 => office.kill(),
            59 => office.reboot(Duration::ZERO, office.truth),
            _ => {}
        }
    }
    assert_eq!(office.portals[1].dates, []);
    let requests = office.portals[0].requests;
    office.portals[1].mood = Mood::Well;
    office.secs(3600);
    assert_eq!(office.portals[0].dates, made, "each once");
    assert_eq!(office.portals[1].dates, made, "all that it lacked, in order");
    assert!(office.portals[0].requests <= requests + 3, "the other was asked of old calls");
    assert_eq!(office.ring.as_ref().unwrap().stats().undelivered, [0, 0]);
}

#[test]
fn one_whose_answers_are_lost_costs_the_other_nothing() {
    let mut office = office_of(&[HERE, AWAY]);
    office.portals[1].mood = Mood::Mute;
    let made: Vec<_> = (0..40).map(|number| call(&mut office, number)).collect();
    office.kill();
    office.secs(600);
    assert_eq!(office.portals[0].dates, made);
    office.portals[1].mood = Mood::Well;
    office.secs(3600);
    let mut held = office.portals[1].dates.clone();
    held.sort_by_key(|(_, start)| *start);
    assert_eq!(held, made, "looked up and not repeated");
}

#[test]
fn one_that_is_taken_out_of_the_configuration_holds_no_call_any_more() {
    let mut office = office_of(&[HERE, AWAY]);
    office.portals[1].mood = Mood::Down;
    for number in 0..20 {
        call(&mut office, number);
    }
    office.secs(600);
    assert!(office.ring.as_ref().unwrap().stats().open_bytes > 0);
    office.plan.crms = vec![HERE];
    office.kill();
    office.secs(60);
    let stats = office.ring.as_ref().unwrap().stats();
    assert_eq!((stats.open_bytes, stats.undelivered.as_slice()), (0, [0].as_slice()));
    // They make room for others: the ring turns.
    for number in 20..400 {
        call(&mut office, number);
    }
    let report = office.journal_report();
    assert_eq!((office.portals[0].dates.len(), report.dropped), (400, 0));
}

#[test]
fn one_that_is_added_gets_the_calls_from_then_on() {
    let mut office = office_of(&[HERE]);
    let early = call(&mut office, 0);
    office.portals[0].mood = Mood::Down;
    let waiting = call(&mut office, 1);
    office.plan.crms = vec![NEW, HERE];
    office.portals.insert(0, Portal::default());
    office.kill();
    office.secs(60);
    office.portals[1].mood = Mood::Well;
    let late = call(&mut office, 2);
    office.secs(600);
    assert_eq!(office.portals[0].dates, std::slice::from_ref(&late), "later calls alone");
    let mut held = office.portals[1].dates.clone();
    held.sort_by_key(|(_, start)| *start);
    assert_eq!(held, [early, waiting, late], "in another order of the configuration, too");
}

/// Calls until a small journal is full of what one CRM lacks; then that one is back.
fn overfill(when_full: WhenFull, calls: usize) -> (Office, Vec<(String, Wall)>) {
    let plan = Plan { crms: vec![HERE, AWAY], when_full, size_kib: 32, ..Plan::default() };
    let mut office = Office::of(plan);
    office.secs(60);
    office.portals[1].mood = Mood::Down;
    let made = (0..calls).map(|number| call(&mut office, number)).collect();
    office.secs(600);
    (office, made)
}

#[test]
fn a_full_journal_drops_the_oldest_and_tells_how_many() {
    let (mut office, made) = overfill(WhenFull::DropOldest, 300);
    assert_eq!(office.portals[0].dates, made, "one that has had them loses nothing");
    let told = office.journal_report().dropped;
    let in_hand = office.hub.seats[1].schedule.in_hand().count();
    office.kill();
    office.portals[1].mood = Mood::Well;
    office.secs(3600);
    let held = &office.portals[1].dates;
    let lost = made.len() - held.len();
    assert!(held[..] == made[lost..], "the oldest are gone, the others came in order");
    // Pages that were given up and not overwritten when the process was killed are there again.
    let told = usize::try_from(told).unwrap();
    assert!(lost > 50 && told >= lost && told - lost <= 2 * 30, "{told} told, {lost} lost, {in_hand} in hand");
    assert_eq!(office.portals[0].dates, made, "none came twice");
}

#[test]
fn a_full_journal_that_keeps_the_old_delivers_the_new_from_memory_as_long_as_it_can() {
    let (mut office, made) = overfill(WhenFull::DropNewest, 330);
    assert_eq!(office.portals[0].dates, made, "one that has had them loses nothing");
    let report = office.journal_report();
    assert!(report.dropped > 50 && report.unjournalled == report.dropped, "{report:?}");
    let kept = made.len() - usize::try_from(report.dropped).unwrap();
    office.portals[1].mood = Mood::Well;
    office.secs(3600);
    let held = &office.portals[1].dates;
    let lost = made.len() - held.len();
    assert!(held.iter().filter(|call| made[..kept].contains(call)).count() == kept, "the oldest are kept");
    assert!(lost < usize::try_from(report.dropped).unwrap(), "memory holds some of the others: {lost} lost");
}

#[test]
fn a_call_that_is_refused_blocks_no_other_and_is_kept_while_there_is_room() {
    let mut office = office_of(&[HERE, AWAY]);
    office.portals[1].mood = Mood::Down;
    office.portals[1].refuses = vec!["office-1000.1"];
    let refused = call(&mut office, 0);
    let made: Vec<_> = (1..40).map(|number| call(&mut office, number)).collect();
    office.secs(120);
    office.portals[1].mood = Mood::Well;
    office.secs(3600);
    assert_eq!(office.portals[1].dates, made, "all but that one, in order");
    assert_eq!(office.portals[0].dates.len(), 40, "the other CRM took it");
    // A quarter of the ring is there for refused calls; delivered ones make room first.
    for number in 40..400 {
        call(&mut office, number);
    }
    office.kill();
    let dead = office.ring.as_ref().unwrap().refused(crate::journal::Seq(0), 8);
    let told = dead.iter().map(|item| (item.call.id.to_string(), item.deliveries[1].3.to_string()));
    assert_eq!(told.collect::<Vec<_>>(), [(refused.0, "no such thing".to_owned())]);
    assert_eq!(office.journal_report().dropped, 0);
}
