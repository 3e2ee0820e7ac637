//! Conferences, ring groups, and transfers into applications, played with hand-made events in virtual time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod stage;

use ringpost::ami::event::{Bridge, Channel, Event, Variable};
use ringpost::call::record::{CallRecord, Disposition};
use stage::{BRIDGE, ONE, Stage, TRUNK, ch, leg};

const ROOM: Bridge<'static> = Bridge { id: b"c-1", kind: b"base", technology: b"softmix", creator: b"ConfBridge" };

fn up(channel: Channel<'_>) -> Channel<'_> {
    Channel { state: Some(6), ..channel }
}

fn comes(stage: &mut Stage, channel: Channel<'_>) {
    stage.say(Event::BridgeEnter { bridge: ROOM, channel: up(channel), swap: b"" });
}

fn goes(stage: &mut Stage, channel: Channel<'_>) {
    stage.say(Event::BridgeLeave { bridge: ROOM, channel: up(channel) });
    stage.gone(up(channel), 16);
}

/// The client is in the room; 102 has dialled it.
fn in_a_room() -> (Stage, Channel<'static>) {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    comes(&mut stage, leg(TRUNK, 4));
    let colleague = ch("PJSIP/102-9", "9.1", "9.1", 4);
    stage.made(colleague);
    comes(&mut stage, colleague);
    stage.wait(10_000);
    (stage, colleague)
}

/// The record of the client's call.
fn of_client(stage: &Stage) -> &CallRecord {
    let mut records = stage.records.iter().filter(|record| record.client == *"79161234567");
    let record = records.next().expect("the client's call");
    assert!(records.next().is_none(), "one call: {:#?}", stage.records);
    record
}

fn talks(record: &CallRecord) -> Vec<(String, u32)> {
    record.talks.iter().map(|talk| (talk.extension.to_string(), talk.talk_ms)).collect()
}

#[test]
fn a_client_in_a_room_talks_with_the_telephones_there() {
    let (mut stage, colleague) = in_a_room();
    goes(&mut stage, colleague);
    stage.wait(5_000);
    goes(&mut stage, leg(TRUNK, 6));
    let record = of_client(&stage);
    assert_eq!((talks(record), record.talk_ms), (vec![("102".to_owned(), 10_000)], 10_000));
    assert!(record.gaps.is_exact() && record.disposition == Disposition::Answered);
}

#[test]
fn two_clients_in_one_room_stay_two_calls() {
    let (mut stage, colleague) = in_a_room();
    let other = Channel { caller_num: b"79990000000", ..ch("PJSIP/trunk-2", "2.1", "2.1", 4) };
    stage.made(other);
    comes(&mut stage, other);
    stage.wait(5_000);
    goes(&mut stage, leg(TRUNK, 6));
    stage.wait(5_000);
    goes(&mut stage, other);
    goes(&mut stage, colleague);
    assert_eq!(talks(of_client(&stage)), [("102".to_owned(), 15_000)]);
    let second = stage.records.iter().find(|record| record.client == *"79990000000").expect("the other client's call");
    assert_eq!(talks(second), [("102".to_owned(), 10_000)]);
    assert_eq!(stage.joined, 0);
    assert_eq!((stage.tracker.calls(), stage.tracker.indexed()), (0, 0));
}

#[test]
fn a_telephone_is_in_a_room_behind_a_local_channel_too() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    comes(&mut stage, leg(TRUNK, 4));
    let (one, two) = (ch("Local/102@x-1;1", "8.1", "8.1", 0), ch("Local/102@x-1;2", "8.2", "8.1", 4));
    let phone = ch("PJSIP/102-9", "9.1", "8.1", 0);
    stage.made(one);
    stage.made(two);
    stage.say(Event::LocalBridge { one, two });
    // The room's half is there before the telephone answers.
    comes(&mut stage, one);
    stage.dials(two, phone);
    stage.wait(2_000);
    stage.say(Event::NewState { channel: up(phone) });
    stage.enters(up(phone));
    stage.enters(up(two));
    stage.wait(10_000);
    goes(&mut stage, leg(TRUNK, 6));
    assert_eq!(talks(of_client(&stage)), [("102".to_owned(), 10_000)]);
    for channel in [phone, two, one] {
        stage.gone(up(channel), 16);
    }
    stage.wait(5_000);
    assert_eq!((stage.tracker.calls(), stage.tracker.indexed()), (0, 0));
}

#[test]
fn a_list_takes_nobody_out_of_a_room_for_what_he_runs() {
    let (mut stage, colleague) = in_a_room();
    // 102 pressed a key that runs a piece of dialplan.
    stage.lists(&[(leg(TRUNK, 6), "ConfBridge", 10, "c-1"), (up(colleague), "Playback", 10, "c-1")], true);
    stage.wait(20_000);
    goes(&mut stage, leg(TRUNK, 6));
    assert_eq!(talks(of_client(&stage)), [("102".to_owned(), 30_000)]);
}

#[test]
fn who_joins_in_mid_conference_learns_the_room_from_the_list() {
    let mut stage = Stage::new();
    let phone = ch("PJSIP/102-9", "9.1", "9.1", 6);
    stage.lists(&[(leg(TRUNK, 6), "ConfBridge", 60, "c-1"), (phone, "ConfBridge", 50, "c-1")], true);
    stage.wait(5_000);
    goes(&mut stage, leg(TRUNK, 6));
    let record = of_client(&stage);
    assert_eq!((talks(record), record.gaps.joined_late), (vec![("102".to_owned(), 5_000)], true));
}

/// Asterisk 11 has no LinkedIds and names the room only.
#[test]
fn a_conference_on_an_old_server() {
    let plain = |channel: Channel<'static>| Channel { linked_id: b"", ..up(channel) };
    let mut stage = Stage::new();
    let (client, phone) = (Channel { linked_id: b"", ..leg(TRUNK, 4) }, ch("SIP/102-9", "9.1", "", 4));
    stage.made(client);
    stage.say(Event::RoomJoin { channel: plain(client), room: b"900" });
    stage.wait(1_000);
    stage.made(phone);
    stage.say(Event::RoomJoin { channel: plain(phone), room: b"900" });
    stage.wait(5_000);
    // In another room nobody hears them.
    let other = ch("SIP/103-7", "7.1", "", 4);
    stage.made(other);
    stage.say(Event::RoomJoin { channel: plain(other), room: b"901" });
    stage.wait(5_000);
    stage.say(Event::RoomLeave { channel: plain(client), room: b"900" });
    stage.gone(plain(client), 16);
    let record = of_client(&stage);
    assert_eq!((talks(record), record.gaps.is_exact()), (vec![("102".to_owned(), 10_000)], true));
    for (channel, room) in [(phone, b"900"), (other, b"901")] {
        stage.say(Event::RoomLeave { channel: plain(channel), room });
        stage.gone(plain(channel), 16);
    }
    assert_eq!((stage.tracker.calls(), stage.tracker.indexed(), stage.joined), (0, 0, 0));
}

/// MeetMe has no bridge to be listed by, on any version.
#[test]
fn a_list_takes_nobody_out_of_a_meetme() {
    let mut stage = Stage::new();
    let phone = ch("PJSIP/102-9", "9.1", "9.1", 4);
    for channel in [leg(TRUNK, 4), phone] {
        stage.made(channel);
        stage.say(Event::RoomJoin { channel: up(channel), room: b"900" });
    }
    stage.wait(10_000);
    stage.tracker.snapshot_begin(stage.now);
    for channel in [leg(TRUNK, 6), up(phone)] {
        let (application, data) = (b"MeetMe", b"900,d");
        let (action_id, bridge, bridged) = (b"7", b"", b"");
        let listed = Event::Listed { action_id, channel, application, data, duration_secs: 10, bridge, bridged };
        stage.tracker.snapshot_channel(&listed, stage.now);
    }
    stage.tracker.snapshot_end(true, stage.now);
    stage.drain();
    stage.wait(10_000);
    stage.say(Event::RoomLeave { channel: leg(TRUNK, 6), room: b"900" });
    stage.gone(leg(TRUNK, 6), 16);
    assert_eq!(talks(of_client(&stage)), [("102".to_owned(), 20_000)]);
}

#[test]
fn who_enters_unheard_is_not_exact() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    stage.wait(5_000);
    goes(&mut stage, leg(TRUNK, 6));
    stage.wait(5_000);
    assert!(!of_client(&stage).gaps.is_exact());
}

#[test]
fn more_talkers_than_are_kept_are_not_exact() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    comes(&mut stage, leg(TRUNK, 4));
    let names: Vec<[String; 2]> = (0..12).map(|n| [format!("PJSIP/{}-{n}", 201 + n), format!("5.{n}")]).collect();
    for [name, id] in &names {
        let phone = ch(name, id, id, 4);
        stage.made(phone);
        comes(&mut stage, phone);
    }
    stage.wait(1_000);
    goes(&mut stage, leg(TRUNK, 6));
    assert!(of_client(&stage).gaps.overflow);
}

#[test]
fn a_kill_in_a_conference_loses_no_talk() {
    let (mut stage, colleague) = in_a_room();
    stage.restart();
    stage.lists(&[(leg(TRUNK, 6), "ConfBridge", 10, "c-1"), (up(colleague), "ConfBridge", 10, "c-1")], true);
    stage.wait(5_000);
    goes(&mut stage, leg(TRUNK, 6));
    assert_eq!(talks(of_client(&stage)), [("102".to_owned(), 15_000)]);
}

/// The dialplan of this channel names the destination that rings now.
fn names(stage: &mut Stage, channel: Channel<'_>, context: &'static str, group: &str) {
    let channel = Channel { context: context.as_bytes(), ..channel };
    stage.say(Event::VarSet { channel, variable: Variable::NoDest, value: group.as_bytes() });
}

/// The group of a call that nobody takes.
fn group_of(mut stage: Stage) -> String {
    stage.gone(leg(TRUNK, 4), 16);
    stage.wait(5_000);
    of_client(&stage).queue.to_string()
}

#[test]
fn a_ring_group_keeps_its_name_beside_the_follow_me_of_a_member() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    names(&mut stage, leg(TRUNK, 4), "ext-group", "600");
    let (one, two) =
        (ch("Local/101@from-internal-1;1", "8.1", "1.1", 0), ch("Local/101@from-internal-1;2", "8.2", "1.1", 4));
    stage.dials(leg(TRUNK, 4), one);
    stage.made(two);
    stage.say(Event::LocalBridge { one, two });
    names(&mut stage, two, "from-internal", "600");
    names(&mut stage, two, "followme-sub", "101");
    stage.dials(two, leg(ONE, 0));
    stage.wait(2_000);
    for channel in [leg(ONE, 5), one, two] {
        stage.gone(channel, 16);
    }
    assert_eq!(group_of(stage), "600");
}

#[test]
fn a_follow_me_is_no_group() {
    for context in ["followme-sub", "ext-findmefollow"] {
        let mut stage = Stage::new();
        stage.made(leg(TRUNK, 4));
        names(&mut stage, leg(TRUNK, 4), context, "101");
        let mobile = ch("PJSIP/trunk-7", "7.1", "1.1", 0);
        stage.dials(leg(TRUNK, 4), mobile);
        stage.gone(mobile, 16);
        assert_eq!(group_of(stage), "", "{context}");
    }
    // An old server does not say where the variable was set, but the extension rings.
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    names(&mut stage, leg(TRUNK, 4), "", "101");
    stage.dials(leg(TRUNK, 4), leg(ONE, 0));
    stage.gone(leg(ONE, 5), 16);
    assert_eq!(group_of(stage), "");
}

/// 101 talks with the client, dials `exten` on a second line, and gives the client away before anybody answers:
/// Asterisk 12 and later put the client in the place of the asking channel, whose application runs on.
fn given_away(exten: &'static str) -> (Stage, Channel<'static>) {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(2_000);
    let asking = Channel { exten: exten.as_bytes(), ..ch("PJSIP/101-7", "7.1", "7.1", 4) };
    let asked = ch("PJSIP/102-8", "8.1", "7.1", 0);
    stage.made(asking);
    if exten == "102" {
        stage.dials(asking, asked);
    } else {
        stage.say(Event::QueueJoin { queue: b"700", channel: up(asking) });
    }
    stage.wait(1_000);
    let (transferer, transferee) = (leg(ONE, 6), leg(TRUNK, 6));
    stage.say(Event::AttendedTransfer { transferer, second: asking, transferee, target: Channel::default() });
    stage.leaves(leg(TRUNK, 6));
    stage.leaves(leg(ONE, 6));
    stage.gone(leg(ONE, 6), 16);
    stage.gone(Channel { name: b"PJSIP/101-7<ZOMBIE>", ..asking }, 16);
    stage.wait(3_000);
    (stage, asked)
}

fn steps(record: &CallRecord) -> Vec<(&str, &str, bool)> {
    record.transfers.iter().map(|step| (&*step.from, &*step.to, step.attended)).collect()
}

#[test]
fn a_client_given_away_while_it_rings_is_one_call_with_its_transfer() {
    let (mut stage, asked) = given_away("102");
    stage.say(Event::NewState { channel: up(asked) });
    stage.dial_ends(up(asked), b"ANSWER");
    stage.say(Event::BridgeEnter { bridge: BRIDGE, channel: up(asked), swap: b"" });
    stage.enters(leg(TRUNK, 6));
    stage.wait(5_000);
    stage.gone(up(asked), 16);
    stage.gone(leg(TRUNK, 6), 16);
    assert_eq!(stage.records.len(), 1, "{:#?}", stage.records);
    let record = of_client(&stage);
    assert_eq!(steps(record), [("101", "102", true)]);
    assert_eq!(talks(record), [("101".to_owned(), 3_000), ("102".to_owned(), 5_000)]);
}

#[test]
fn a_client_given_to_nobody_keeps_the_transfer_too() {
    let (mut stage, asked) = given_away("102");
    stage.dial_ends(asked, b"NOANSWER");
    stage.gone(asked, 16);
    stage.gone(leg(TRUNK, 6), 16);
    assert_eq!(stage.records.len(), 1, "{:#?}", stage.records);
    assert_eq!(steps(of_client(&stage)), [("101", "102", true)]);
}

#[test]
fn a_client_given_into_a_queue_that_he_leaves() {
    let (mut stage, _) = given_away("700");
    stage.say(Event::QueueAbandon { queue: b"700", channel: leg(TRUNK, 6) });
    stage.gone(leg(TRUNK, 6), 16);
    assert_eq!(stage.records.len(), 1, "{:#?}", stage.records);
    let record = of_client(&stage);
    assert_eq!((steps(record), &*record.queue), (vec![("101", "700", true)], "700"));
}
