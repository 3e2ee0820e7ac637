//! Races that no capture shows, played with hand-made events in virtual time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod stage;

use ringpost::ami::event::{Bridge, Channel, Event, Variable};
use ringpost::call::record::{Direction, Disposition};
use stage::{BRIDGE, ONE, Stage, TRUNK, TWO, ch, leg, near};

#[test]
fn an_ordinary_call() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(5000);
    stage.hang_up();
    let hints: Vec<(usize, Option<&str>)> =
        stage.hints.iter().map(|live| (live.ringing.len(), live.talking.as_deref())).collect();
    assert_eq!(hints, [(1, None), (0, None), (0, Some("101"))]);
    let record = stage.only_record();
    assert_eq!(record.id, "office-1.1");
    assert_eq!((record.direction, record.disposition), (Direction::Inbound, Disposition::Answered));
    assert!(near(record.rang[0].ring_ms, 2.0) && near(record.talk_ms, 5.0));
    assert!(record.gaps.is_exact());
}

#[test]
fn the_hangup_overtakes_the_end_of_the_dial() {
    let mut stage = Stage::new();
    stage.ring();
    stage.gone(leg(ONE, 5), 0);
    stage.dial_ends(leg(ONE, 5), b"CANCEL");
    stage.gone(leg(TRUNK, 4), 0);
    // And comes again after the call is over.
    stage.dial_ends(leg(ONE, 5), b"CANCEL");
    stage.gone(leg(TRUNK, 4), 0);
    let record = stage.only_record();
    assert_eq!((record.disposition, record.talk_ms), (Disposition::Cancelled, 0));
    assert!(near(record.rang[0].ring_ms, 2.0));
}

#[test]
fn two_telephones_answer_in_one_millisecond_and_one_of_them_gets_the_call() {
    let mut stage = Stage::new();
    stage.ring();
    stage.dials(leg(TRUNK, 4), leg(TWO, 0));
    stage.wait(1000);
    stage.say(Event::NewState { channel: leg(ONE, 6) });
    stage.say(Event::NewState { channel: leg(TWO, 6) });
    stage.dial_ends(leg(TWO, 6), b"ANSWER");
    stage.dial_ends(leg(ONE, 6), b"CANCEL");
    stage.enters(leg(TWO, 6));
    stage.enters(leg(TRUNK, 6));
    stage.gone(leg(ONE, 6), 26);
    stage.wait(3000);
    stage.gone(leg(TWO, 6), 16);
    stage.gone(leg(TRUNK, 6), 16);
    let record = stage.only_record();
    assert_eq!((record.answered_by.as_deref(), record.talked_last.as_deref()), (Some("102"), Some("102")));
    assert_eq!(record.talks.len(), 1);
    assert!(near(record.talk_ms, 3.0));
}

#[test]
fn a_transfer_while_it_still_rings() {
    let mut stage = Stage::new();
    stage.ring();
    // A redirect: the Dial of 101 is cut off and the trunk dials 102 from another context.
    stage.dial_ends(leg(ONE, 5), b"CANCEL");
    stage.gone(leg(ONE, 5), 16);
    let moved = Channel { context: b"from-internal", exten: b"102", ..leg(TRUNK, 4) };
    stage.dials(moved, leg(TWO, 0));
    stage.wait(1000);
    stage.enters(leg(TWO, 6));
    stage.enters(Channel { context: b"from-internal", ..leg(TRUNK, 6) });
    stage.wait(2000);
    stage.gone(leg(TRUNK, 6), 16);
    stage.gone(leg(TWO, 6), 16);
    let record = stage.only_record();
    assert_eq!(record.direction, Direction::Inbound);
    assert_eq!((&*record.line, record.talked_last.as_deref()), ("74951110001", Some("102")));
    assert_eq!(record.rang.iter().map(|rang| &*rang.extension).collect::<Vec<_>>(), ["101", "102"]);
}

#[test]
fn two_calls_of_one_client_stay_two() {
    let mut stage = Stage::new();
    stage.ring();
    let (trunk, two) = (ch("PJSIP/trunk-9", "2.1", "2.1", 4), ch("PJSIP/102-9", "2.2", "2.1", 0));
    stage.made(trunk);
    stage.dials(trunk, two);
    stage.answer();
    stage.gone(two, 16);
    stage.gone(trunk, 16);
    stage.hang_up();
    assert_eq!(stage.records.len(), 2);
    assert_ne!(stage.records[0].id, stage.records[1].id);
    assert_eq!(stage.records[0].client, stage.records[1].client);
    assert_eq!(stage.joined, 0);
}

#[test]
fn a_conference_does_not_make_strangers_one_call() {
    let mut stage = Stage::new();
    let room = Bridge { id: b"room", kind: b"base", technology: b"softmix", creator: b"ConfBridge" };
    let (one, two) = (ch("PJSIP/trunk-1", "1.1", "1.1", 4), ch("PJSIP/trunk-2", "2.1", "2.1", 4));
    stage.made(one);
    stage.made(two);
    stage.say(Event::BridgeEnter { bridge: room, channel: one, swap: b"" });
    stage.say(Event::BridgeEnter { bridge: room, channel: Channel { linked_id: b"1.1", ..two }, swap: b"" });
    stage.say(Event::BridgeLeave { bridge: room, channel: Channel { linked_id: b"1.1", ..two } });
    stage.gone(Channel { linked_id: b"1.1", ..two }, 16);
    stage.say(Event::BridgeLeave { bridge: room, channel: one });
    stage.gone(one, 16);
    assert_eq!(stage.records.len(), 2);
    assert!(stage.records.iter().all(|record| record.talk_ms == 0 && record.disposition == Disposition::Missed));
}

#[test]
fn a_consultation_with_an_outsider_is_a_call_of_its_own() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(2000);
    // 101 asks a colleague at a mobile, for three seconds, and gives the client to him.
    let phone = Channel { exten: b"89035550077", ..ch("PJSIP/101-7", "2.1", "2.1", 4) };
    let mobile = ch("PJSIP/trunk-8", "2.2", "2.1", 0);
    let other = Bridge { id: b"b-2", ..BRIDGE };
    stage.made(phone);
    stage.made(mobile);
    stage.say(Event::DialBegin { caller: Some(phone), dest: mobile, dial_string: b"89035550077@trunk" });
    stage.say(Event::BridgeEnter { bridge: other, channel: mobile, swap: b"" });
    stage.say(Event::BridgeEnter { bridge: other, channel: phone, swap: b"" });
    stage.wait(3000);
    stage.leaves(leg(TRUNK, 6));
    stage.say(Event::BridgeEnter { bridge: other, channel: leg(TRUNK, 6), swap: b"2.1" });
    stage.leaves(leg(ONE, 6));
    stage.gone(leg(ONE, 6), 16);
    stage.gone(phone, 16);
    stage.wait(4000);
    stage.gone(leg(TRUNK, 6), 16);
    stage.gone(mobile, 16);
    assert_eq!((stage.records.len(), stage.joined), (2, 0));
    let (asked, client) = (&stage.records[0], &stage.records[1]);
    assert_eq!((asked.direction, &*asked.client, &*asked.caller), (Direction::Outbound, "89035550077", "101"));
    assert!(near(asked.talk_ms, 3.0) && near(client.talk_ms, 9.0), "{} {}", asked.talk_ms, client.talk_ms);
    assert_eq!((&*client.client, client.talked_last.as_deref()), ("79161234567", Some("89035550077")));
    assert_eq!((stage.tracker.calls(), stage.tracker.channels()), (0, 0));
}

#[test]
fn one_extension_with_two_telephones_rings_once() {
    let mut stage = Stage::new();
    stage.ring();
    stage.dials(leg(TRUNK, 4), ch("PJSIP/101-8", "1.8", "1.1", 0));
    stage.wait(1000);
    assert_eq!(stage.hints.last().map(|live| live.ringing.len()), Some(1));
    stage.gone(leg(ONE, 5), 26);
    stage.wait(1000);
    stage.gone(ch("PJSIP/101-8", "1.8", "1.1", 5), 26);
    stage.gone(leg(TRUNK, 4), 0);
    let record = stage.only_record();
    assert_eq!(record.rang.len(), 1);
    assert!(near(record.rang[0].ring_ms, 4.0), "{}", record.rang[0].ring_ms);
}

#[test]
fn an_anonymous_caller_is_shown_as_nobody() {
    let mut stage = Stage::new();
    stage.made(Channel { caller_num: b"anonymous", ..leg(TRUNK, 4) });
    // What the dialplan writes later is not the caller's number.
    stage.say(Event::NewCallerId { channel: Channel { caller_num: b"600", ..leg(TRUNK, 4) } });
    stage.gone(leg(TRUNK, 4), 0);
    assert_eq!(stage.only_record().client, "");
}

#[test]
fn a_number_that_comes_late_is_taken_once() {
    let mut stage = Stage::new();
    stage.made(Channel { caller_num: b"", exten: b"s", ..leg(TRUNK, 4) });
    stage.say(Event::NewCallerId { channel: Channel { caller_num: b"79030000000", ..leg(TRUNK, 4) } });
    stage.say(Event::VarSet { channel: leg(TRUNK, 4), variable: Variable::Did, value: b"74950000000" });
    stage.say(Event::NewCallerId { channel: Channel { caller_num: b"101", ..leg(TRUNK, 4) } });
    stage.gone(leg(TRUNK, 4), 0);
    let record = stage.only_record();
    assert_eq!((&*record.client, &*record.line), ("79030000000", "74950000000"));
}

#[test]
fn a_second_trunk_takes_over_when_the_first_is_full() {
    let mut stage = Stage::new();
    let phone = Channel { exten: b"89161234567", ..ch("PJSIP/101-1", "1.1", "1.1", 4) };
    let first = ch("PJSIP/trunk_1-2", "1.2", "1.1", 0);
    let second = ch("PJSIP/trunk_2-3", "1.3", "1.1", 0);
    stage.made(phone);
    stage.dials(phone, first);
    stage.gone(first, 34);
    stage.dials(phone, second);
    stage.wait(3000);
    stage.enters(Channel { state: Some(6), ..second });
    stage.enters(Channel { state: Some(6), ..phone });
    stage.wait(4000);
    stage.gone(phone, 16);
    stage.gone(second, 16);
    let record = stage.only_record();
    assert_eq!((record.direction, &*record.caller), (Direction::Outbound, "101"));
    assert_eq!((&*record.client, &*record.trunk), ("89161234567", "trunk_2"));
    assert_eq!((record.talked_last.as_deref(), record.cause), (Some("101"), 16));
    assert!(near(record.talk_ms, 4.0) && record.rang.is_empty());
}

#[test]
fn an_outbound_call_that_is_declined() {
    let mut stage = Stage::new();
    let phone = Channel { exten: b"89161234567", ..ch("PJSIP/101-1", "1.1", "1.1", 4) };
    let trunk = ch("PJSIP/trunk-2", "1.2", "1.1", 0);
    stage.made(phone);
    stage.dials(phone, trunk);
    stage.gone(trunk, 21);
    stage.say(Event::VarSet { channel: phone, variable: Variable::DialStatus, value: b"CHANUNAVAIL" });
    stage.gone(phone, 34);
    let record = stage.only_record();
    assert_eq!((record.disposition, record.cause), (Disposition::Failed, 21));
}

#[test]
fn voicemail_counts_only_when_it_was_kept() {
    for (status, expected) in [(b"SUCCESS" as &[u8], Disposition::Voicemail), (b"FAILED", Disposition::Missed)] {
        let mut stage = Stage::new();
        stage.ring();
        stage.gone(leg(ONE, 5), 0);
        let channel = leg(TRUNK, 6);
        stage.say(Event::VarSet { channel, variable: Variable::VmMessageFile, value: b"/vm/101/INBOX/msg0000" });
        stage.say(Event::VarSet { channel, variable: Variable::VmStatus, value: status });
        stage.gone(channel, 16);
        let record = stage.only_record();
        assert_eq!(record.disposition, expected);
        assert_eq!(record.voicemail.is_empty(), expected == Disposition::Missed);
    }
}

#[test]
fn a_telephone_without_calls_listed_by_the_old_queue_belongs_to_the_caller_who_waits() {
    let mut stage = Stage::new();
    let trunk = Channel { linked_id: b"", ..leg(TRUNK, 4) };
    stage.made(trunk);
    stage.say(Event::QueueJoin { queue: b"700", channel: trunk });
    let member = Channel { linked_id: b"", ..leg(ONE, 0) };
    stage.made(member);
    stage.say(Event::NewState { channel: Channel { state: Some(5), connected_num: b"79161234567", ..member } });
    assert_eq!(stage.hints.last().map(|live| live.ringing[0].to_string()), Some("101".to_owned()));
    stage.gone(member, 16);
    stage.gone(trunk, 0);
    let record = stage.only_record();
    assert_eq!((&*record.queue, record.disposition), ("700", Disposition::Missed));
}
