//! Races and losses that no capture shows, played with hand-made events in virtual time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

use ringpost::ami::event::{Bridge, Channel, Event, Variable};
use ringpost::call::classify::Contexts;
use ringpost::call::live::LiveCall;
use ringpost::call::mirror::Saved;
use ringpost::call::record::{CallRecord, Direction, Disposition};
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::limits::{CALL_SILENCE, CALLS, CHANNELS, LEGS_PER_CALL, RESYNC_EVERY, SETTLE};
use ringpost::profile;

/// A PBX that says what it is told to say, and what came of it.
struct Stage {
    tracker: Tracker,
    now: Stamp,
    hints: Vec<LiveCall>,
    records: Vec<CallRecord>,
    joined: usize,
    resyncs: usize,
}

/// A channel of a new server: name, UniqueId, LinkedId.
fn ch<'a>(name: &'a str, id: &'a str, linked: &'a str, state: u8) -> Channel<'a> {
    let is_trunk = name.contains("trunk");
    let peer = name.split(['/', '-']).nth(1).unwrap_or("");
    Channel {
        name: name.as_bytes(),
        unique_id: id.as_bytes(),
        linked_id: linked.as_bytes(),
        state: Some(state),
        caller_num: if is_trunk { b"79161234567" } else { peer.as_bytes() },
        context: if is_trunk { b"from-trunk" } else { b"from-internal" },
        exten: if is_trunk { b"74951110001" } else { b"" },
        ..Channel::default()
    }
}

const BRIDGE: Bridge<'static> = Bridge { id: b"b-1", kind: b"basic", technology: b"simple_bridge", creator: b"" };
const TRUNK: (&str, &str, &str) = ("PJSIP/trunk-1", "1.1", "1.1");
const ONE: (&str, &str, &str) = ("PJSIP/101-2", "1.2", "1.1");
const TWO: (&str, &str, &str) = ("PJSIP/102-3", "1.3", "1.1");

fn leg(of: (&'static str, &'static str, &'static str), state: u8) -> Channel<'static> {
    ch(of.0, of.1, of.2, state)
}

impl Stage {
    fn new() -> Self {
        let config = Self::config();
        Self {
            tracker: Tracker::new(config),
            now: Stamp { mono: Monotonic::from_millis(50_000), wall: Wall::from_millis(1_795_293_703_000) },
            hints: Vec::new(),
            records: Vec::new(),
            joined: 0,
            resyncs: 0,
        }
    }

    fn config() -> TrackerConfig {
        TrackerConfig { pbx_name: "office".into(), contexts: Contexts::default(), profile: profile::AUTO }
    }

    fn wait(&mut self, millis: u64) {
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + millis);
        self.now.wall = Wall::from_millis(self.now.wall.as_millis() + millis as i64);
        while self.tracker.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.tracker.handle_timeout(self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.tracker.poll_output() {
            match output {
                Output::Live(live) => self.hints.push(*live),
                Output::Finished(record) => self.records.push(*record),
                Output::Joined { .. } => self.joined += 1,
                Output::ResyncWanted => self.resyncs += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    fn say(&mut self, event: Event<'_>) {
        self.tracker.handle(&event, self.now);
        self.drain();
    }

    fn made(&mut self, channel: Channel<'_>) {
        self.say(Event::NewChannel { channel });
    }

    fn dials(&mut self, caller: Channel<'_>, dest: Channel<'_>) {
        self.made(dest);
        self.say(Event::DialBegin { caller: Some(caller), dest, dial_string: b"" });
    }

    fn dial_ends(&mut self, dest: Channel<'_>, status: &[u8]) {
        self.say(Event::DialEnd { caller: Some(leg(TRUNK, 4)), dest: Some(dest), status, forward: b"" });
    }

    fn enters(&mut self, channel: Channel<'_>) {
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel, swap: b"" });
    }

    fn leaves(&mut self, channel: Channel<'_>) {
        self.say(Event::BridgeLeave { bridge: BRIDGE, channel });
    }

    fn gone(&mut self, channel: Channel<'_>, cause: u16) {
        self.say(Event::Hangup { channel, cause });
    }

    /// The trunk calls, 101 rings, two seconds pass.
    fn ring(&mut self) {
        self.made(leg(TRUNK, 4));
        self.dials(leg(TRUNK, 4), leg(ONE, 0));
        self.wait(2000);
    }

    /// 101 has answered.
    fn answer(&mut self) {
        self.say(Event::NewState { channel: leg(ONE, 6) });
        self.dial_ends(leg(ONE, 6), b"ANSWER");
        self.enters(leg(ONE, 6));
        self.enters(leg(TRUNK, 6));
    }

    fn hang_up(&mut self) {
        for of in [TRUNK, ONE] {
            self.leaves(leg(of, 6));
        }
        for of in [TRUNK, ONE] {
            self.gone(leg(of, 6), 16);
        }
    }

    /// The PBX's list of channels: who is there, for how long, in which bridge.
    fn lists(&mut self, channels: &[(Channel<'_>, &str, u32, &str)], complete: bool) {
        self.tracker.snapshot_begin(self.now);
        for (channel, application, duration_secs, bridge) in channels {
            let listed = Event::Listed {
                action_id: b"7",
                channel: *channel,
                application: application.as_bytes(),
                data: b"",
                duration_secs: *duration_secs,
                bridge: bridge.as_bytes(),
                bridged: b"",
            };
            self.tracker.snapshot_channel(&listed, self.now);
        }
        self.tracker.snapshot_end(complete, self.now);
        self.drain();
    }

    /// The one call there was, and nothing is left of it.
    fn only_record(mut self) -> CallRecord {
        assert_eq!((self.tracker.calls(), self.tracker.channels()), (0, 0), "something is left");
        assert_eq!(self.records.len(), 1, "{:#?}", self.records);
        self.records.remove(0)
    }
}

fn near(millis: u32, secs: f64) -> bool {
    (f64::from(millis) / 1000.0 - secs).abs() < 0.05
}

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

// ---- loss -----------------------------------------------------------------------------------------------------------

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
