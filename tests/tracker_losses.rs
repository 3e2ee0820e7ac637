//! What the tracker does when something is not told: the link away, the PBX or the agent restarted, lists that come
//! early, late or not whole, tables that are full.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod stage;

use ringpost::ami::event::{Channel, Event};
use ringpost::call::mirror::Saved;
use ringpost::call::record::Direction;
use ringpost::call::tracker::{Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp};
use ringpost::limits::{CALL_SILENCE, CALLS, CHANNELS, LEGS_PER_CALL, RESYNC_EVERY, SETTLE};
use stage::{ONE, Stage, TRUNK, ch, leg, near};

#[test]
fn the_link_is_lost_and_the_call_ends_meanwhile() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    stage.tracker.link_lost(stage.now);
    stage.wait(60_000);
    stage.lists(&[], true);
    assert!(stage.records.is_empty(), "a hangup may still be on the way");
    stage.wait(SETTLE.as_millis() as u64);
    let record = stage.only_record();
    assert!(record.gaps.link_lost && !record.gaps.overflow);
    assert!(near(record.talk_ms, 5.0), "known to have lived until the loss: {}", record.talk_ms);
}

#[test]
fn the_link_is_lost_and_the_call_lives_on() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    stage.tracker.link_lost(stage.now);
    stage.wait(10_000);
    stage.lists(&[(leg(TRUNK, 6), "Dial", 17, "b-1"), (leg(ONE, 6), "AppDial", 17, "b-1")], true);
    stage.wait(SETTLE.as_millis() as u64 + 3000);
    stage.hang_up();
    let record = stage.only_record();
    assert!(record.gaps.link_lost && !record.gaps.joined_late);
    assert!(near(record.talk_ms, 20.0), "{}", record.talk_ms);
}

#[test]
fn an_incomplete_list_ends_nothing() {
    let mut stage = Stage::new();
    stage.ring();
    stage.lists(&[], false);
    stage.wait(10_000);
    assert_eq!((stage.records.len(), stage.tracker.calls()), (0, 1));
}

#[test]
fn a_lost_hangup_is_found_by_the_next_list() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(RESYNC_EVERY.as_millis() as u64);
    assert_eq!(stage.resyncs, 1, "the list is asked for while calls are in progress");
    stage.lists(&[], true);
    stage.wait(SETTLE.as_millis() as u64);
    let record = stage.only_record();
    assert!(record.gaps.overflow, "events were lost and the record says so");
}

#[test]
fn a_channel_that_the_list_lacks_was_gone_before_it() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    // 101's hangup was lost: the client hears music, alone in the bridge.
    stage.lists(&[(leg(TRUNK, 6), "Dial", 7, "b-1")], true);
    stage.wait(4000);
    stage.gone(leg(TRUNK, 6), 16);
    let record = stage.only_record();
    assert!(record.gaps.overflow, "events were lost and the record says so");
    assert_eq!((record.talk_ms, record.talks[0].talk_ms), (5000, 5000));
}

#[test]
fn a_call_whose_channels_are_gone_is_closed_within_a_minute() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    // Every hangup is lost, and the list is taken when it is wanted.
    for _ in 0..60 {
        stage.wait(1000);
        if std::mem::take(&mut stage.resyncs) > 0 {
            stage.lists(&[], true);
        }
    }
    stage.only_record();
}

#[test]
fn a_list_longer_than_the_table_ends_nobody() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    let names: Vec<[String; 3]> = (0..CHANNELS + 100)
        .map(|n| [format!("PJSIP/{}-{n:08x}", 100 + n % 900), format!("9.{n}"), format!("9.{}", n - n % 200)])
        .collect();
    let idle = names.iter().map(|[name, id, linked]| (ch(name, id, linked, 6), "AgentLogin", 9, ""));
    let talking = [(leg(TRUNK, 6), "Dial", 7, "b-1"), (leg(ONE, 6), "AppDial", 7, "b-1")];
    let list: Vec<_> = idle.chain(talking).collect();
    stage.lists(&list, true);
    stage.wait(SETTLE.as_millis() as u64 + 3000);
    assert_eq!((stage.records.len(), stage.tracker.channels()), (0, CHANNELS));
    stage.hang_up();
    assert_eq!((stage.records.len(), stage.records[0].talk_ms), (1, 10_000));
    assert!(stage.records[0].gaps.is_exact());
}

#[test]
fn a_hangup_that_comes_right_after_the_list_leaves_the_record_exact() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(1000);
    stage.lists(&[], true);
    stage.wait(100);
    stage.hang_up();
    assert!(stage.only_record().gaps.is_exact());
}

#[test]
fn a_list_that_overtakes_the_first_event_leaves_the_record_exact() {
    let mut stage = Stage::new();
    stage.lists(&[(leg(TRUNK, 4), "", 0, "")], true);
    stage.ring();
    stage.answer();
    stage.hang_up();
    assert!(stage.only_record().gaps.is_exact());
}

#[test]
fn calls_found_in_mid_talk_and_in_mid_ring() {
    let mut stage = Stage::new();
    let (trunk, two) = (ch("PJSIP/trunk-9", "2.1", "2.1", 4), ch("PJSIP/102-9", "2.2", "2.1", 5));
    stage.lists(
        &[
            (leg(TRUNK, 6), "Dial", 30, "b-1"),
            (leg(ONE, 6), "AppDial", 30, "b-1"),
            (trunk, "Dial", 3, ""),
            (two, "AppDial", 3, ""),
        ],
        true,
    );
    assert!(stage.hints.iter().any(|live| live.ringing.first().is_some_and(|ext| ext == "102")));
    stage.wait(4000);
    stage.hang_up();
    stage.gone(two, 16);
    stage.gone(trunk, 16);
    assert_eq!(stage.records.len(), 2);
    let talked = &stage.records[0];
    assert_eq!((talked.direction, talked.talked_last.as_deref()), (Direction::Inbound, Some("101")));
    assert!(near(talked.talk_ms, 4.0) && talked.gaps.joined_late);
    assert_eq!(talked.ended.mono.millis_since(talked.started.mono), 34_000);
    assert_eq!(stage.records[1].rang[0].extension, "102");
}

#[test]
fn an_outbound_call_found_in_mid_talk() {
    let mut stage = Stage::new();
    let phone = Channel { exten: b"89161234567", ..ch("PJSIP/101-1", "1.1", "1.1", 6) };
    let trunk = Channel { caller_num: b"89161234567", ..ch("PJSIP/trunk-2", "1.2", "1.1", 6) };
    stage.lists(&[(phone, "Dial", 30, "b-1"), (trunk, "AppDial", 30, "b-1")], true);
    stage.wait(1000);
    stage.gone(phone, 16);
    stage.gone(trunk, 16);
    let record = stage.only_record();
    assert_eq!((record.direction, &*record.caller), (Direction::Outbound, "101"));
    assert_eq!((&*record.client, record.talked_last.as_deref()), ("89161234567", Some("101")));
}

#[test]
fn the_pbx_restarts_in_mid_call() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    stage.tracker.link_lost(stage.now);
    stage.wait(30_000);
    stage.tracker.pbx_restarted(stage.now);
    stage.drain();
    let record = stage.only_record();
    assert!(record.gaps.pbx_restarted);
    assert!(near(record.talk_ms, 5.0));
}

#[test]
fn the_agent_is_killed_and_the_call_ends_meanwhile() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    let saved = serde_json::to_vec(&stage.tracker.export(stage.now)).expect("written");
    stage.tracker = Tracker::new(Stage::config());
    stage.wait(20_000);
    let saved: Saved = serde_json::from_slice(&saved).expect("read");
    stage.tracker = Tracker::restore(Stage::config(), saved, stage.now);
    stage.drain();
    assert_eq!(stage.resyncs, 1, "what happened meanwhile is asked for");
    assert_eq!(stage.hints.last().and_then(|live| live.talking.clone()).as_deref(), Some("101"));
    stage.lists(&[], true);
    stage.wait(SETTLE.as_millis() as u64);
    let record = stage.only_record();
    assert!(record.gaps.agent_restarted);
    assert!(near(record.talk_ms, 5.0), "up to the last save: {}", record.talk_ms);
}

/// Of a call that a list did not have nothing says that it still lives, however often what is known of it is saved
/// anew.
#[test]
fn kills_before_a_missing_call_is_settled_do_not_make_its_talk_longer() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    stage.restart();
    for _ in 0..5 {
        stage.wait(200);
        stage.lists(&[], true);
        stage.wait(1500);
        stage.restart();
    }
    stage.lists(&[], true);
    stage.tracker.link_lost(stage.now);
    stage.lists(&[], true);
    stage.wait(SETTLE.as_millis() as u64);
    let record = stage.only_record();
    assert!(near(record.talk_ms, 5.0), "up to the last save before the list: {}", record.talk_ms);
}

#[test]
fn a_finished_call_that_was_not_handed_out_is_handed_out_after_the_kill() {
    let mut stage = Stage::new();
    stage.ring();
    let hangup = Event::Hangup { channel: leg(TRUNK, 4), cause: 0 };
    stage.gone(leg(ONE, 5), 0);
    stage.tracker.handle(&hangup, stage.now);
    let saved = serde_json::to_vec(&stage.tracker.export(stage.now)).expect("written");
    let saved: Saved = serde_json::from_slice(&saved).expect("read");
    stage.tracker = Tracker::restore(Stage::config(), saved, stage.now);
    stage.drain();
    assert!(stage.only_record().gaps.is_exact());
}

#[test]
fn a_mirror_of_another_boot_is_not_believed() {
    let mut stage = Stage::new();
    stage.ring();
    let saved = serde_json::to_vec(&stage.tracker.export(stage.now)).expect("written");
    let saved: Saved = serde_json::from_slice(&saved).expect("read");
    let early = Stamp { mono: Monotonic::from_millis(10), wall: stage.now.wall };
    assert_eq!(Tracker::restore(Stage::config(), saved, early).calls(), 0);
}

#[test]
fn a_call_nobody_speaks_of_any_more_ends_after_a_day() {
    let mut stage = Stage::new();
    stage.ring();
    stage.wait(CALL_SILENCE.as_millis() as u64 + RESYNC_EVERY.as_millis() as u64);
    let record = stage.only_record();
    assert!(record.gaps.overflow);
}

#[test]
fn a_finished_call_is_not_raised_by_late_events() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.hang_up();
    stage.made(leg(TRUNK, 4));
    stage.say(Event::NewState { channel: leg(ONE, 6) });
    stage.enters(leg(ONE, 6));
    stage.only_record();
}

#[test]
fn a_later_channel_of_an_ended_call_gets_an_identity_of_its_own() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.hang_up();
    let late = Channel { exten: b"102", ..ch("PJSIP/101-7", "1.7", "1.1", 4) };
    stage.made(late);
    stage.gone(late, 16);
    assert_eq!(stage.records.iter().map(|record| &*record.id).collect::<Vec<_>>(), ["office-1.1", "office-1.7"]);
}

#[test]
fn a_channel_that_changes_its_linked_id_for_days_leaves_nothing_behind() {
    let mut stage = Stage::new();
    stage.ring();
    for round in 0..1000 {
        let linked = format!("{}.9", 2000 + round);
        stage.say(Event::NewState { channel: ch(TRUNK.0, TRUNK.1, &linked, 4) });
    }
    stage.hang_up();
    stage.wait(SETTLE.as_millis() as u64);
    assert_eq!((stage.tracker.calls(), stage.tracker.indexed()), (0, 0));
    assert!(stage.only_record().gaps.overflow);
}

#[test]
fn a_call_without_any_telephone_leaves_no_record() {
    let mut stage = Stage::new();
    for half in ["Local/600@ivr-1;1", "Local/600@ivr-1;2"] {
        stage.made(ch(half, half, "Local/600@ivr-1;1", 6));
    }
    for half in ["Local/600@ivr-1;1", "Local/600@ivr-1;2"] {
        stage.gone(ch(half, half, "Local/600@ivr-1;1", 6), 16);
    }
    stage.wait(SETTLE.as_millis() as u64);
    assert_eq!((stage.records.len(), stage.tracker.calls(), stage.tracker.channels()), (0, 0, 0));
}

#[test]
fn between_two_telephones_of_a_follow_me_the_call_is_not_over() {
    let mut stage = Stage::new();
    let half = |n: &'static str, state| ch(if n == "1" { "Local/1@x-1;1" } else { "Local/1@x-1;2" }, n, "1", state);
    stage.made(half("1", 0));
    stage.made(half("2", 4));
    let (one, two) = (ch("PJSIP/101-1", "3", "1", 0), ch("PJSIP/102-1", "4", "1", 0));
    stage.dials(half("2", 4), one);
    stage.wait(5000);
    stage.gone(one, 19);
    stage.wait(300);
    stage.dials(half("2", 4), two);
    stage.wait(5000);
    stage.gone(two, 19);
    for n in ["1", "2"] {
        stage.gone(half(n, 4), 16);
    }
    stage.wait(SETTLE.as_millis() as u64);
    let record = stage.only_record();
    assert_eq!(record.rang.len(), 2);
}

// ---- caps -----------------------------------------------------------------------------------------------------------

#[test]
fn a_flood_of_calls_stays_within_the_tables() {
    let mut stage = Stage::new();
    for n in 0..CALLS + 100 {
        let (name, id) = (format!("PJSIP/trunk-{n}"), format!("9.{n}"));
        stage.made(ch(&name, &id, &id, 4));
        assert!(stage.tracker.calls() <= CALLS && stage.tracker.channels() <= CHANNELS);
    }
    assert_eq!(stage.records.len(), 100);
    assert!(stage.records.iter().all(|record| record.gaps.overflow));
    assert_eq!(stage.records[0].id, "office-9.0", "the oldest goes first");
    assert!(stage.resyncs > 0);
}

#[test]
fn a_flood_of_channels_in_one_call_stays_within_the_tables() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    for n in 0..CHANNELS + 100 {
        let (name, id) = (format!("PJSIP/{}-{n}", 100 + n % 900), format!("9.{n}"));
        stage.dials(leg(TRUNK, 4), ch(&name, &id, "1.1", 0));
        assert!(stage.tracker.channels() <= LEGS_PER_CALL);
    }
    stage.gone(leg(TRUNK, 4), 0);
    stage.lists(&[], true);
    stage.wait(SETTLE.as_millis() as u64);
    assert!(stage.only_record().gaps.overflow);
}

#[test]
fn a_long_name_of_the_pbx_keeps_the_end_of_the_identity() {
    let mut stage = Stage::new();
    let config = TrackerConfig { pbx_name: "офис".repeat(12), ..Stage::config() };
    stage.tracker = Tracker::new(config);
    stage.ring();
    stage.answer();
    stage.hang_up();
    let record = stage.only_record();
    assert!(record.id.ends_with("-1.1") && record.id.len() <= 64, "{}", record.id);
}
