//! Recordings of calls that waited: fetched after their calls, on a lane of their own, and given up in their time.

use super::lane::{Done, Mood};
use super::world::{Office, Plan};
use crate::journal::Seq;
use core::time::Duration;

const HOUR: u64 = 3600;
const GIVE_UP: Duration = Duration::from_secs(24 * HOUR);

fn office() -> Office {
    let mut office = Office::of(Plan { recordings: Some(GIVE_UP), ..Plan::default() });
    office.secs(60);
    office
}

/// A call whose recording is on the PBX's disk, or is gone from it.
fn call(office: &mut Office, number: usize, is_there: bool) -> String {
    let linked = format!("{}.1", 1000 + number);
    office.recorded_call(&linked, 3);
    if is_there {
        office.record_file(&linked);
    }
    format!("office-{linked}")
}

/// Calls whose recordings the journal says are given up, with its reasons.
fn given_up(office: &Office) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let ring = office.ring.as_ref().unwrap();
    let mut before = Seq(u64::MAX);
    loop {
        let items = ring.history(before, 64);
        let Some(last) = items.last() else { break };
        before = last.seq;
        let reasons = items.iter().map(|item| (item.call.id.to_string(), item.deliveries[0].3.to_string()));
        told.extend(reasons.filter(|(_, reason)| !reason.is_empty()));
    }
    told.reverse();
    told
}

#[test]
fn after_three_days_the_calls_come_first_and_then_their_recordings_but_for_those_that_are_gone() {
    let mut office = office();
    office.portal().mood = Mood::Down;
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for number in 0..100_usize {
        let is_there = !number.is_multiple_of(4);
        let id = call(&mut office, number, is_there);
        if is_there {
            there.push(id)
        } else {
            gone.push(id)
        }
        office.secs(2585);
        if number % 30 == 20 {
            office.kill();
        }
    }
    assert_eq!((given_up(&office), office.portal().done.len()), (Vec::new(), 0), "nothing before its call is there");
    office.portal().mood = Mood::Well;
    (office.portal().latency, office.portal().upload) = (Duration::from_secs(1), Duration::from_secs(60));
    office.secs(600);
    let attached = office.portal().attached().len();
    assert!((1..20).contains(&attached), "{attached}");
    assert_eq!(office.portal().dates.len(), 100, "calls wait for recordings");
    office.secs(GIVE_UP.as_secs() + 2 * HOUR);
    let mut attached = office.portal().attached();
    attached.sort_unstable();
    let differs = attached.iter().zip(&there).find(|(one, other)| one != other);
    assert_eq!((attached.len(), differs), (there.len(), None), "each once");
    let told = given_up(&office);
    assert_eq!(told.iter().map(|(id, _)| id).collect::<Vec<_>>(), gone.iter().collect::<Vec<_>>());
    assert!(told.iter().all(|(_, reason)| reason == "the file is not there"), "{told:?}");
    let stats = office.ring.as_ref().unwrap().stats();
    assert_eq!((stats.open_bytes, stats.undelivered.as_slice()), (0, [0].as_slice()), "nothing is held any more");
}

#[test]
fn one_that_is_gone_is_given_up_when_its_time_since_the_end_of_the_call_is_over_and_not_before() {
    let mut office = office();
    let ids: Vec<String> = (0..10).map(|number| call(&mut office, number, false)).collect();
    office.secs(GIVE_UP.as_secs() - 600);
    assert_eq!(given_up(&office), []);
    for _ in 0..2 {
        office.kill();
        office.secs(300);
    }
    office.secs(HOUR);
    let told: Vec<String> = given_up(&office).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ids);
    assert_eq!(office.portal().done.iter().filter(|done| matches!(done, Done::Finished(_))).count(), 10);
}

#[test]
fn a_portal_that_is_away_for_longer_than_that_costs_no_recording_whose_file_is_there() {
    for (mood, kill) in [(Mood::Down, false), (Mood::Down, true), (Mood::Mute, false), (Mood::Mute, true)] {
        let mut office = Office::of(Plan { recordings: Some(Duration::from_secs(2 * HOUR)), ..Plan::default() });
        let ids: Vec<String> = (0..10).map(|number| call(&mut office, number, false)).collect();
        office.secs(60);
        assert_eq!(office.portal().dates.len(), 10);
        office.portal().mood = mood;
        for number in 0..10 {
            office.record_file(&format!("{}.1", 1000 + number));
        }
        office.secs(6 * HOUR);
        if kill {
            office.kill();
            office.secs(3 * HOUR);
        }
        assert_eq!(given_up(&office), [], "{mood:?}");
        office.portal().mood = Mood::Well;
        office.secs(2 * HOUR);
        let mut attached = office.portal().attached();
        attached.sort_unstable();
        assert_eq!(attached, ids, "{mood:?}");
    }
}

#[test]
fn one_that_a_portal_does_not_take_while_it_takes_calls_is_given_up_in_its_time() {
    let mut office = office();
    let id = call(&mut office, 0, true);
    office.portal().rejects_files = true;
    for _ in 0..23 {
        office.secs(HOUR);
        office.call(&format!("{}.2", office.truth.as_millis()), 3);
    }
    assert_eq!(given_up(&office), []);
    for _ in 0..5 {
        office.secs(HOUR);
        office.call(&format!("{}.2", office.truth.as_millis()), 3);
    }
    assert_eq!(given_up(&office), [(id, "the upload was cut".to_owned())]);
}
