//! Clocks that are wrong, are set in mid-call, or leap: calls get their true dates, and nothing else changes.

use super::lane::Mood;
use super::world::{Office, Plan, begun, later, talk_secs};
use crate::clock::Wall;
use core::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const CALL: &str = "office-1.1";

/// Clocks that a router boots with: 1970, the date of its firmware, half a year behind, an hour wrong, years ahead.
fn wrong_clocks() -> [Wall; 6] {
    let now = begun().wall.as_millis();
    let hour = 3_600_000;
    [20_000, 1_767_400_000_000, now - 4000 * hour, now - hour, now + hour, now + 100_000 * hour].map(Wall::from_millis)
}

/// An office whose clock is wrong from its start on.
fn with_clock(wall: Wall) -> Office {
    let mut office = Office::new();
    office.reboot(Duration::ZERO, wall);
    office.secs(5);
    office
}

/// The call is there once, with its true start and 30 s of talk.
fn assert_true(office: &mut Office, start: Wall, what: &str) {
    assert_eq!(office.portal().dates, [(CALL.to_owned(), start)], "{what}");
    assert_eq!(talk_secs(&office.the_call()), 30, "{what}");
}

#[test]
fn a_clock_that_is_set_in_mid_call_gives_its_true_start() {
    for wall in wrong_clocks() {
        let mut office = with_clock(wall);
        let start = office.truth;
        office.ring("1.1");
        office.secs(2);
        office.answer_call("1.1");
        office.secs(10);
        office.set_clock();
        office.secs(20);
        office.hang_up("1.1");
        office.secs(60);
        assert_true(&mut office, start, &format!("{wall:?}"));
    }
}

#[test]
fn a_clock_that_is_set_while_calls_wait_gives_them_their_true_start() {
    for wall in wrong_clocks() {
        for kill in 0..4 {
            let mut office = with_clock(wall);
            office.portal().mood = Mood::Down;
            let start = office.truth;
            let at = |office: &mut Office, moment: u8| {
                if moment == kill {
                    office.kill();
                }
                office.secs(60);
            };
            office.call("1.1", 30);
            at(&mut office, 0);
            office.set_clock();
            at(&mut office, 1);
            office.portal().mood = Mood::Well;
            at(&mut office, 2);
            office.secs(600);
            assert_true(&mut office, start, &format!("{wall:?}, kill {kill}"));
        }
    }
}

#[test]
fn a_call_before_the_clock_is_set_waits_for_it_over_a_reboot_too() {
    let mut office = with_clock(Wall::from_millis(20_000));
    let start = office.truth;
    office.call("1.1", 30);
    office.secs(600);
    assert_eq!(office.portal().requests, 0, "TLS cannot succeed yet");
    office.set_clock();
    office.portal().mood = Mood::Down;
    office.secs(60); // nothing but the clock that was set is new in the journal
    office.reboot(HOUR, later(office.truth, HOUR));
    office.portal().mood = Mood::Well;
    office.secs(600);
    assert_true(&mut office, start, "set before the reboot");
}

#[test]
fn a_clock_that_was_set_before_a_reboot_dates_the_calls_before_it() {
    for wall in wrong_clocks() {
        let mut office = with_clock(wall);
        office.portal().mood = Mood::Down;
        let start = office.truth;
        office.call("1.1", 30);
        office.secs(600);
        office.set_clock();
        office.secs(60);
        office.reboot(HOUR, later(office.truth, HOUR));
        office.portal().mood = Mood::Well;
        office.secs(600);
        assert_true(&mut office, start, &format!("{wall:?}"));
    }
}

#[test]
fn while_the_clock_is_not_set_nothing_is_asked_and_nothing_counts_as_an_attempt() {
    let mut office = with_clock(Wall::from_millis(20_000));
    let starts: Vec<Wall> = (1..=10)
        .map(|call| {
            let start = office.truth;
            office.call(&format!("{call}.1"), 30);
            office.secs(28);
            start
        })
        .collect();
    assert!(office.hub.clock_fault(office.now).contains("set up NTP"), "told after its time");
    office.secs(24 * 3600);
    assert_eq!(office.portal().requests, 0);
    office.set_clock();
    office.secs(30);
    assert_eq!(office.hub.clock_fault(office.now), "");
    let dates: Vec<Wall> = office.portal().dates.iter().map(|(_, date)| *date).collect();
    assert_eq!(dates, starts, "at once, in order, with their dates");
    assert_eq!(office.hub.seats[0].schedule.counters().retries, 0);
}

#[test]
fn hours_of_suspend_end_no_call_flood_nobody_and_are_no_talk() {
    let mut office = Office::new();
    office.portal().mood = Mood::Down;
    office.call("2.1", 5);
    office.secs(600);
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(30);
    let (heard, requests) = (office.now, office.portal().requests);
    office.pass(8 * HOUR); // the link says first that nothing was heard
    office.hub.link_lost(heard);
    office.turn();
    office.secs(60);
    let requests = office.portal().requests - requests;
    assert!(requests <= 8, "{requests} requests at once");
    assert_eq!(office.hub.live_calls(), 1, "it may live");
    office.portal().mood = Mood::Well;
    office.kill();
    office.list(None);
    office.secs(600);
    let posted = office.posted();
    let call = posted.iter().find(|call| call.id == CALL).unwrap();
    assert_eq!((talk_secs(call), call.gaps.link_lost, posted.len()), (30, true, 2));
}

#[test]
fn a_call_that_outlives_a_suspend_talked_all_the_while() {
    let mut office = Office::new();
    let start = office.truth;
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(30);
    let heard = office.now;
    office.pass(HOUR);
    office.hub.link_lost(heard);
    office.turn();
    office.list(Some("1.1"));
    office.secs(30);
    office.hang_up("1.1");
    office.secs(60);
    assert_eq!(talk_secs(&office.the_call()), 3660);
    assert_eq!(office.portal().dates, [(CALL.to_owned(), start)]);
}

#[test]
fn a_clock_that_leaps_makes_no_recording_late_and_no_call_old() {
    let give_up = Duration::from_secs(24 * 3600);
    let mut office = Office::of(Plan { recordings: Some(give_up), ..Plan::default() });
    office.now.wall = Wall::from_millis(1_767_400_000_000);
    office.recorded_call("1.1", 30);
    office.secs(60);
    office.set_clock(); // months at once
    office.secs(3600);
    office.record_file("1.1");
    office.secs(3600);
    assert_eq!(office.portal().attached(), [CALL]);
    assert_eq!(office.hub.seats[0].schedule.counters().recordings_given_up, 0);
}
