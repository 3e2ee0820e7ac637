//! Races that no capture shows, played with hand-made events in virtual time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod stage;

use ringpost::ami::event::{Bridge, Channel, Event, Variable};
use ringpost::call::record::{Direction, Disposition};
use ringpost::clock::Wall;
use stage::{BRIDGE, ONE, Stage, TRUNK, TWO, ch, leg, near, old};

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

/// Asterisk 16.28 tells so at times (scene "a conference of three"): the channel goes before its transfer is told.
#[test]
fn a_blind_transfer_into_a_conference_is_told_after_the_client_is_in_it() {
    let room = Bridge { id: b"room", kind: b"base", technology: b"softmix", creator: b"ConfBridge" };
    let into = |channel| Event::BridgeEnter { bridge: room, channel, swap: b"" };
    // Before or after the transferring telephone's end.
    for is_gone in [false, true] {
        let mut stage = Stage::new();
        let colleague = Channel { exten: b"900", ..ch("PJSIP/102-9", "2.1", "2.1", 6) };
        stage.made(colleague);
        stage.say(into(colleague));
        stage.ring();
        stage.answer();
        stage.wait(2000);
        let sent = Channel { context: b"from-internal", exten: b"900", ..leg(TRUNK, 6) };
        stage.leaves(sent);
        stage.leaves(leg(ONE, 6));
        stage.say(into(sent));
        if is_gone {
            stage.gone(leg(ONE, 6), 16);
        }
        let (transferer, transferee) = (leg(ONE, 6), sent);
        stage.say(Event::BlindTransfer { transferer, transferee, exten: b"900", context: b"from-internal" });
        stage.wait(3000);
        stage.gone(leg(ONE, 6), 16);
        stage.gone(sent, 16);
        stage.gone(colleague, 16);
        stage.wait(60_000);
        let record = stage.records.iter().find(|record| record.direction == Direction::Inbound).expect("the client's");
        let steps: Vec<_> = record.transfers.iter().map(|step| (&*step.from, &*step.to, step.attended)).collect();
        assert_eq!(steps, [("101", "900", false)], "gone: {is_gone}");
        assert_eq!(record.talked_last.as_deref(), Some("102"));
    }
}

/// What is told late replaces only what was seen of the same step.
#[test]
fn who_has_the_client_again_and_sends_him_off_makes_a_second_step() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(1000);
    // 102 takes the client, and 101 comes back to them before 102 goes.
    stage.leaves(leg(ONE, 6));
    stage.made(leg(TWO, 6));
    stage.enters(leg(TWO, 6));
    stage.wait(1000);
    stage.enters(leg(ONE, 6));
    // A kill in between changes nothing.
    stage.restart();
    stage.wait(1000);
    stage.leaves(leg(TWO, 6));
    stage.gone(leg(TWO, 6), 16);
    stage.wait(1000);
    stage.leaves(leg(TRUNK, 6));
    stage.leaves(leg(ONE, 6));
    let (transferer, transferee) = (leg(ONE, 6), leg(TRUNK, 6));
    stage.say(Event::BlindTransfer { transferer, transferee, exten: b"103", context: b"from-internal" });
    stage.gone(leg(ONE, 6), 16);
    stage.gone(leg(TRUNK, 6), 16);
    stage.wait(60_000);
    let steps: Vec<_> = stage.records[0].transfers.iter().map(|step| (&*step.from, &*step.to)).collect();
    assert_eq!(steps, [("101", "102"), ("101", "103")]);
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

// ---- answer and hangup in one moment --------------------------------------------------------------------------------

#[test]
fn the_bridge_overtakes_the_news_of_the_answer() {
    let mut stage = Stage::new();
    stage.ring();
    stage.enters(leg(ONE, 5));
    stage.enters(leg(TRUNK, 4));
    stage.say(Event::NewState { channel: leg(ONE, 6) });
    stage.say(Event::NewState { channel: leg(TRUNK, 6) });
    stage.dial_ends(leg(ONE, 6), b"ANSWER");
    stage.wait(5000);
    stage.hang_up();
    let record = stage.only_record();
    assert!(near(record.talk_ms, 5.0) && near(record.rang[0].ring_ms, 2.0) && record.gaps.is_exact());
}

#[test]
fn the_caller_hangs_up_in_the_moment_of_the_answer() {
    // The telephone was up, but the two never met.
    let mut stage = Stage::new();
    stage.ring();
    stage.say(Event::NewState { channel: leg(ONE, 6) });
    stage.dial_ends(leg(ONE, 6), b"ANSWER");
    stage.gone(leg(TRUNK, 4), 0);
    stage.gone(leg(ONE, 6), 16);
    let record = stage.only_record();
    assert_eq!((record.disposition, record.answered_by), (Disposition::Missed, None));
    // They met for no time at all: that is an answer.
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.hang_up();
    let record = stage.only_record();
    assert_eq!((record.disposition, record.answered_by.as_deref()), (Disposition::Answered, Some("101")));
    assert_eq!(record.talk_ms, 0);
}

#[test]
fn the_losers_of_a_group_say_nothing_about_the_call() {
    let mut stage = Stage::new();
    stage.ring();
    stage.dials(leg(TRUNK, 4), leg(TWO, 0));
    stage.answer();
    stage.gone(leg(TWO, 5), 26);
    stage.dial_ends(leg(TWO, 5), b"CANCEL");
    stage.wait(1000);
    stage.hang_up();
    let record = stage.only_record();
    assert_eq!((record.disposition, record.cause), (Disposition::Answered, 16));
}

#[test]
fn a_queue_ends_a_members_ringing_twice() {
    let mut stage = Stage::new();
    stage.ring();
    stage.dial_ends(leg(ONE, 5), b"NOANSWER");
    stage.wait(3000);
    stage.dial_ends(leg(ONE, 5), b"CANCEL");
    stage.gone(leg(ONE, 5), 0);
    stage.gone(leg(TRUNK, 4), 0);
    assert!(near(stage.only_record().rang[0].ring_ms, 2.0));
}

#[test]
fn a_member_answers_as_the_caller_leaves_the_queue() {
    let mut stage = Stage::new();
    stage.made(leg(TRUNK, 4));
    stage.say(Event::QueueJoin { queue: b"700", channel: leg(TRUNK, 6) });
    stage.dials(leg(TRUNK, 6), leg(ONE, 0));
    stage.wait(2000);
    stage.say(Event::NewState { channel: leg(ONE, 6) });
    stage.say(Event::QueueAbandon { queue: b"700", channel: leg(TRUNK, 6) });
    stage.dial_ends(leg(ONE, 6), b"CANCEL");
    stage.gone(leg(TRUNK, 6), 0);
    stage.gone(leg(ONE, 6), 16);
    let record = stage.only_record();
    assert_eq!((record.disposition, &*record.queue, record.talk_ms), (Disposition::Missed, "700", 0));
}

#[test]
fn sound_before_the_answer_is_no_talk() {
    // The trunk plays an announcement (progress); the telephone hears it, and nobody has answered.
    let mut stage = Stage::new();
    let phone = Channel { exten: b"89161234567", ..ch("PJSIP/101-1", "1.1", "1.1", 4) };
    let trunk = ch("PJSIP/trunk-2", "1.2", "1.1", 0);
    stage.made(phone);
    stage.dials(phone, trunk);
    stage.say(Event::NewState { channel: Channel { state: Some(5), ..trunk } });
    stage.wait(20_000);
    stage.gone(phone, 127);
    stage.say(Event::DialEnd { caller: Some(phone), dest: Some(trunk), status: b"CANCEL", forward: b"" });
    stage.gone(trunk, 0);
    let record = stage.only_record();
    assert_eq!((record.disposition, record.talk_ms), (Disposition::Cancelled, 0));
}

#[test]
fn two_clients_at_one_telephone_are_two_calls() {
    let mut stage = Stage::new();
    stage.ring();
    stage.answer();
    stage.wait(4000);
    // The second line of 101 rings while it talks; it holds the first client and answers.
    let (trunk, second) = (ch("PJSIP/trunk-8", "2.1", "2.1", 4), ch("PJSIP/101-9", "2.2", "2.1", 0));
    let other = Bridge { id: b"b-2", ..BRIDGE };
    stage.made(Channel { caller_num: b"79030000000", ..trunk });
    stage.dials(trunk, second);
    stage.wait(2000);
    for channel in [second, trunk] {
        stage.say(Event::BridgeEnter { bridge: other, channel, swap: b"" });
    }
    stage.wait(3000);
    stage.gone(trunk, 16);
    stage.gone(second, 16);
    stage.wait(1000);
    stage.hang_up();
    let told: Vec<(&str, u32)> = stage.records.iter().map(|record| (&*record.client, record.talk_ms)).collect();
    assert_eq!(told, [("79030000000", 3000), ("79161234567", 10_000)]);
    assert!(stage.records.iter().all(|record| record.talked_last.as_deref() == Some("101")));
}

// ---- time -----------------------------------------------------------------------------------------------------------

#[test]
fn a_call_lives_as_long_as_the_list_has_it() {
    for (hours, talk_ms) in [(13, 13 * 3_600_000), (30, 30 * 3_600_000), (60 * 24, u32::MAX)] {
        let mut stage = Stage::new();
        stage.ring();
        stage.answer();
        for _ in 0..hours {
            stage.wait(3_600_000);
            stage.lists(&[(leg(TRUNK, 6), "Dial", 9, "b-1"), (leg(ONE, 6), "AppDial", 9, "b-1")], true);
        }
        assert!(stage.records.is_empty(), "ended after {hours} hours at most");
        stage.hang_up();
        let record = stage.only_record();
        // Fifty days are more milliseconds than a record can count.
        assert_eq!((record.talk_ms, record.talks[0].talk_ms, record.gaps.is_exact()), (talk_ms, talk_ms, true));
    }
}

#[test]
fn the_clock_is_set_in_mid_call() {
    for years in [-30, 30] {
        let mut stage = Stage::new();
        stage.ring();
        let before = stage.now.wall;
        stage.answer();
        stage.wait(2000);
        stage.now.wall = Wall::from_millis(before.as_millis() + years * 31_557_600_000);
        stage.wait(3000);
        stage.hang_up();
        let record = stage.only_record();
        assert!(near(record.talk_ms, 5.0), "{}", record.talk_ms);
        assert_eq!(record.ended.mono.millis_since(record.started.mono), 7000);
    }
}

#[test]
fn a_pbx_without_a_clock_gives_its_ids_again_after_a_restart() {
    let mut stage = Stage::new();
    for _ in 0..2 {
        stage.ring();
        stage.answer();
        stage.wait(3000);
        stage.tracker.link_lost(stage.now);
        stage.tracker.pbx_restarted(stage.now);
        stage.drain();
    }
    let ids: Vec<&str> = stage.records.iter().map(|record| &*record.id).collect();
    assert_eq!((ids.len(), ids[0] == ids[1]), (2, false), "{ids:?}");
    assert!(stage.records.iter().all(|record| near(record.talk_ms, 3.0)));
}

// ---- old servers ----------------------------------------------------------------------------------------------------

#[test]
fn a_storm_of_unlinks_and_links_is_one_talk_and_no_news() {
    let mut stage = Stage::new();
    let (trunk, phone) = (old(TRUNK, 4), old(ONE, 0));
    stage.made(trunk);
    stage.dials(trunk, phone);
    stage.say(Event::Link { one: trunk, two: phone });
    let hints = stage.hints.len();
    for _ in 0..100 {
        stage.say(Event::Unlink { one: trunk, two: phone });
        stage.say(Event::Link { one: trunk, two: phone });
        stage.wait(50);
    }
    assert_eq!(stage.hints.len(), hints, "cards are not bothered");
    stage.gone(phone, 16);
    stage.say(Event::DialEnd { caller: Some(trunk), dest: None, status: b"ANSWER", forward: b"" });
    stage.gone(trunk, 16);
    let record = stage.only_record();
    assert!(near(record.talk_ms, 5.0) && record.transfers.is_empty() && record.gaps.is_exact());
}

#[test]
fn the_end_of_an_old_dial_comes_after_everybody_is_gone() {
    let mut stage = Stage::new();
    let (trunk, phone) = (old(TRUNK, 4), old(ONE, 0));
    stage.made(trunk);
    stage.dials(trunk, phone);
    stage.wait(2000);
    stage.gone(phone, 0);
    stage.say(Event::VarSet { channel: trunk, variable: Variable::DialStatus, value: b"CANCEL" });
    stage.gone(trunk, 0);
    stage.say(Event::DialEnd { caller: Some(trunk), dest: None, status: b"CANCEL", forward: b"" });
    assert_eq!(stage.only_record().disposition, Disposition::Cancelled);
}
