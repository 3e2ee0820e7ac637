//! Arbitrary bytes as a life of the tracker: events of a few channels, lists, losses, restarts; and what must hold
//! after each of them. Shared by the property test and the fuzz target.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a check may panic

use ringpost::ami::event::{Bridge, Channel, Event, Purpose, Variable};
use ringpost::call::classify::Contexts;
use ringpost::call::mirror::Saved;
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::limits::{CALL_SILENCE, CALLS, CHANNELS, SETTLE};
use ringpost::profile;
use std::collections::HashSet;

const NAMES: [&[u8]; 12] = [
    b"PJSIP/trunk-1",
    b"PJSIP/101-2",
    b"PJSIP/102-3",
    b"SIP/trunk_2-4",
    b"Local/101@from-internal-1;1",
    b"Local/101@from-internal-1;2",
    b"SIP/103-5",
    b"AsyncGoto/SIP/trunk-6",
    b"SIP/103-5<ZOMBIE>",
    b"Local/9@x-2;1",
    b"Local/9@x-2;2",
    b"\xff/\x00-",
];
const TEXTS: [&[u8]; 8] =
    [b"", b"101", b"102", b"79161234567", b"anonymous", b"s", b"from-trunk", b"/monitor/\xd0\xd1-1.wav"];
const STATUSES: [&[u8]; 6] = [b"", b"ANSWER", b"NOANSWER", b"BUSY", b"CANCEL", b"SUCCESS"];

/// Reads bytes until there are none; then it is over.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.next()) % of.len()]
    }
}

struct Life {
    tracker: Tracker,
    now: Stamp,
    ids: Vec<Vec<u8>>,
    ended: HashSet<String>,
}

fn config() -> TrackerConfig {
    TrackerConfig {
        pbx_name: "office".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    }
}

/// Lives through `data`; panics where something does not hold.
pub fn live(data: &[u8]) {
    let mut life = Life {
        tracker: Tracker::new(config()),
        now: Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) },
        ids: (0..24).map(|n| format!("17952937{:02}.{n}", n / 8).into_bytes()).collect(),
        ended: HashSet::new(),
    };
    let mut bytes = Bytes(data);
    while !bytes.0.is_empty() {
        life.step(&mut bytes);
        life.check();
    }
    life.end();
}

impl Life {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let what = bytes.next();
        self.pass_time(u64::from(what >> 6) * 700);
        match what & 0x3f {
            0..=50 => self.hear(what & 0x3f, bytes),
            51..=53 => self.list(bytes),
            54 => self.tracker.link_lost(self.now),
            55 => self.tracker.pbx_restarted(self.now),
            56 => self.restart(),
            // Killed before anything came out of the last event.
            57 => {
                self.hear(bytes.next() % 51, bytes);
                self.restart();
            }
            58 => self.pass_time([2000, 60_000, 3_600_000, CALL_SILENCE.as_millis() as u64][usize::from(what >> 6)]),
            59 => self.set_clock(bytes.next()),
            60 => {
                let purposes = [Purpose::Untold, Purpose::Telephone, Purpose::Line];
                let purpose = purposes[usize::from(what >> 6) % purposes.len()];
                self.tracker.learn_peer(b"DAHDI", bytes.one_of(&TEXTS), purpose);
            }
            _ => self.pass_time(u64::from(bytes.next()) * 100),
        }
    }

    fn hear(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        let ids = std::mem::take(&mut self.ids);
        let event = event(kind, bytes, &ids);
        self.tracker.handle(&event, self.now);
        self.ids = ids;
    }

    fn pass_time(&mut self, millis: u64) {
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + millis);
        self.now.wall = Wall::from_millis(self.now.wall.as_millis() + millis as i64);
        self.tracker.handle_timeout(self.now);
        assert!(self.tracker.poll_timeout().is_none_or(|at| at > self.now.mono), "the past is asked for again");
    }

    /// Wall time goes where it likes; the monotonic clock does not care.
    fn set_clock(&mut self, hours: u8) {
        let millis = (i64::from(hours) - 128) * 3_600_000;
        self.now.wall = Wall::from_millis(self.now.wall.as_millis() + millis);
    }

    fn list(&mut self, bytes: &mut Bytes<'_>) {
        let ids = self.ids.clone();
        self.tracker.snapshot_begin(self.now);
        for _ in 0..bytes.next() % 6 {
            let listed = Event::Listed {
                action_id: b"1",
                channel: channel(bytes, &ids),
                application: bytes.one_of(&[b"Dial" as &[u8], b"AppDial", b"ConfBridge", b"Queue"]),
                data: bytes.one_of(&NAMES),
                duration_secs: u32::from(bytes.next()),
                bridge: bytes.one_of(&TEXTS),
                bridged: &ids[usize::from(bytes.next()) % ids.len()],
            };
            self.tracker.snapshot_channel(&listed, self.now);
        }
        self.tracker.snapshot_end(bytes.next() & 1 == 1, self.now);
    }

    fn restart(&mut self) {
        let saved = serde_json::to_vec(&self.tracker.export(self.now)).expect("a state can be written");
        let saved: Saved = serde_json::from_slice(&saved).expect("and read");
        self.tracker = Tracker::restore(config(), saved, self.now);
    }

    fn check(&mut self) {
        self.drain();
        assert!(self.tracker.calls() <= CALLS && self.tracker.channels() <= CHANNELS);
    }

    fn drain(&mut self) {
        while let Some(output) = self.tracker.poll_output() {
            match output {
                Output::Live(live) => {
                    assert!(!self.ended.contains(live.id.as_str()), "a hint of {} after its end", live.id)
                }
                Output::Finished(record) => {
                    assert!(self.ended.insert(record.id.to_string()), "{} ended twice", record.id);
                    assert!(record.started.mono <= record.ended.mono, "{record:?}");
                    let length = record.ended.mono.millis_since(record.started.mono);
                    assert!(record.talk_ms <= length, "talked {} of {length} ms", record.talk_ms);
                    assert!(record.talks.iter().all(|talk| talk.talk_ms <= record.talk_ms), "{record:?}");
                    assert!(record.rang.iter().all(|rang| rang.ring_ms <= length), "{record:?}");
                }
                Output::Joined { absorbed, kept } => {
                    assert_ne!(absorbed, kept);
                    assert!(self.ended.insert(absorbed.to_string()), "{absorbed} ended twice");
                }
                _ => {}
            }
        }
    }

    /// The PBX has no channels any more: nothing may be left.
    fn end(mut self) {
        self.tracker.snapshot_begin(self.now);
        self.tracker.snapshot_end(true, self.now);
        self.pass_time(SETTLE.as_millis() as u64);
        // What settled may have left Local channels of its own.
        self.check();
        let left = (self.tracker.calls(), self.tracker.channels(), self.tracker.indexed());
        assert_eq!(left, (0, 0, 0), "something is left");
    }
}

fn channel<'a>(bytes: &mut Bytes<'_>, ids: &'a [Vec<u8>]) -> Channel<'a> {
    let n = usize::from(bytes.next()) % ids.len();
    let detail = bytes.next();
    let linked = if detail & 1 == 0 { n } else { usize::from(detail >> 1) % ids.len() };
    Channel {
        name: if detail & 6 == 6 { bytes.one_of(&NAMES) } else { NAMES[n % NAMES.len()] },
        unique_id: if detail & 0xf8 == 0xf8 { b"" } else { &ids[n] },
        linked_id: if detail & 0xc0 == 0xc0 { b"" } else { &ids[linked] },
        state: Some(bytes.next() % 8).filter(|state| *state < 7),
        caller_num: bytes.one_of(&TEXTS),
        connected_num: bytes.one_of(&TEXTS),
        context: bytes.one_of(&[b"from-trunk" as &[u8], b"from-internal", b""]),
        exten: bytes.one_of(&TEXTS),
        ..Channel::default()
    }
}

fn event<'a>(kind: u8, bytes: &mut Bytes<'_>, ids: &'a [Vec<u8>]) -> Event<'a> {
    let one = channel(bytes, ids);
    let kinds: [&[u8]; 4] = [b"basic", b"base", b"", b"parking"];
    let bridge = |bytes: &mut Bytes<'_>| {
        let (id, kind) = (bytes.one_of(&TEXTS), bytes.one_of(&kinds));
        let creator: &[u8] = if kind == b"base" { b"ConfBridge" } else { b"" };
        Bridge { id, kind, creator, ..Bridge::default() }
    };
    match kind {
        0..=7 => Event::NewChannel { channel: one },
        8..=10 => Event::NewState { channel: one },
        11 => Event::NewCallerId { channel: one },
        12..=15 => Event::Hangup { channel: one, cause: u16::from(bytes.next()) },
        16 if bytes.next() & 1 == 0 => Event::RoomJoin { channel: one, room: bytes.one_of(&TEXTS) },
        16 => Event::RoomLeave { channel: one, room: bytes.one_of(&TEXTS) },
        17 => Event::Rename { channel: one, new_name: bytes.one_of(&NAMES) },
        18 | 19 => Event::Masquerade { clone: bytes.one_of(&NAMES), original: bytes.one_of(&NAMES) },
        20..=23 => Event::DialBegin {
            caller: Some(one).filter(|_| kind < 23),
            dest: channel(bytes, ids),
            dial_string: bytes.one_of(&TEXTS),
        },
        24 | 25 => Event::DialEnd {
            caller: Some(one),
            dest: Some(channel(bytes, ids)).filter(|_| kind == 24),
            status: bytes.one_of(&STATUSES),
            forward: b"",
        },
        26..=29 => Event::BridgeEnter { bridge: bridge(bytes), channel: one, swap: swapped(bytes, ids) },
        30 | 31 => Event::BridgeLeave { bridge: bridge(bytes), channel: one },
        32 => Event::BridgeMerge { from: bytes.one_of(&TEXTS), to: bytes.one_of(&TEXTS) },
        33 => Event::BridgeDestroy { bridge: bridge(bytes) },
        34 | 35 => Event::Link { one, two: channel(bytes, ids) },
        36 => Event::Unlink { one, two: channel(bytes, ids) },
        37 => Event::LocalBridge { one, two: channel(bytes, ids) },
        38 => {
            let (two, source) = (channel(bytes, ids), channel(bytes, ids));
            Event::LocalOptimization { one, two, source, end: bytes.next() & 1 == 1 }
        }
        _ => feature(kind, bytes, one, ids),
    }
}

fn swapped<'a>(bytes: &mut Bytes<'_>, ids: &'a [Vec<u8>]) -> &'a [u8] {
    let n = bytes.next();
    if n & 0x80 == 0 { b"" } else { &ids[usize::from(n & 0x7f) % ids.len()] }
}

/// What queues, transfers, parking, the dialplan and the manager itself say.
fn feature<'a>(kind: u8, bytes: &mut Bytes<'_>, one: Channel<'a>, ids: &'a [Vec<u8>]) -> Event<'a> {
    let queue = b"700";
    match kind {
        39 => Event::AgentCalled { queue, caller: one, dest: channel(bytes, ids) },
        40 => Event::AgentConnect { queue, caller: one, member: channel(bytes, ids) },
        41 => Event::QueueJoin { queue, channel: one },
        42 => match bytes.next() & 1 {
            0 => Event::QueueLeave { queue, channel: one },
            _ => Event::QueueAbandon { queue, channel: one },
        },
        43 => Event::Pickup { channel: one, target: channel(bytes, ids) },
        44 => Event::BlindTransfer {
            transferer: one,
            transferee: channel(bytes, ids),
            exten: bytes.one_of(&TEXTS),
            context: b"",
        },
        45 => Event::AttendedTransfer {
            transferer: one,
            second: channel(bytes, ids),
            transferee: channel(bytes, ids),
            target: channel(bytes, ids),
        },
        46 => {
            let (target, attended) = (channel(bytes, ids), bytes.next() & 1 == 1);
            Event::Transfer { attended, channel: one, target, exten: bytes.one_of(&TEXTS) }
        }
        47 => match bytes.next() & 3 {
            0 => Event::Unparked { parkee: one, retriever: channel(bytes, ids), timed_out: false },
            1 => Event::Unparked { parkee: one, retriever: Channel::default(), timed_out: true },
            _ => Event::Parked { parkee: one, space: b"801" },
        },
        48 => Event::VarSet {
            channel: one,
            variable: bytes.one_of(&[
                Variable::DialStatus,
                Variable::MixMonitorFilename,
                Variable::MonitorFilename,
                Variable::VmMessageFile,
                Variable::VmStatus,
                Variable::Did,
                Variable::RingpostCall,
                Variable::NoDest,
            ]),
            value: bytes.one_of(&STATUSES),
        },
        49 => Event::OriginateResponse {
            action_id: b"",
            success: bytes.next() & 3 == 0,
            reason: 0,
            unique_id: one.unique_id,
            channel: bytes.one_of(&[b"PJSIP/101" as &[u8], b"", b"SIP"]),
            exten: bytes.one_of(&TEXTS),
        },
        _ => of_the_pbx(bytes, one),
    }
}

fn of_the_pbx<'a>(bytes: &mut Bytes<'_>, one: Channel<'a>) -> Event<'a> {
    match bytes.next() & 3 {
        0 => Event::Shutdown { restart: false },
        1 => Event::FullyBooted { uptime_secs: None },
        2 => Event::ListComplete { action_id: b"1" },
        _ => Event::Peer {
            action_id: b"2",
            technology: b"PJSIP",
            name: bytes.one_of(&TEXTS),
            context: one.context,
            purpose: bytes.one_of(&[Purpose::Untold, Purpose::Telephone, Purpose::Line]),
        },
    }
}
