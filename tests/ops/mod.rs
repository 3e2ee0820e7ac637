//! Arbitrary bytes as a life of the tracker: events of a few channels, lists, losses, restarts; and what must hold
//! after each of them. Shared by the property test and the fuzz target.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a check may panic

use ringpost::ami::event::{Bridge, Channel, Event, Purpose, Variable};
use ringpost::call::classify::Contexts;
use ringpost::call::mirror::Saved;
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::limits::{CALLS, CHANNELS, SETTLE};
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
    TrackerConfig { pbx_name: "office".into(), contexts: Contexts::default(), profile: profile::AUTO }
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
            0..=47 => {
                let ids = self.ids.clone();
                let event = event(what & 0x3f, bytes, &ids);
                self.tracker.handle(&event, self.now);
            }
            48..=51 => self.list(bytes),
            52 => self.tracker.link_lost(self.now),
            53 => self.tracker.pbx_restarted(self.now),
            54..=56 => self.restart(),
            57 => self.pass_time(60_000),
            58 => {
                let purposes = [Purpose::Untold, Purpose::Telephone, Purpose::Line];
                let purpose = purposes[usize::from(what >> 6) % purposes.len()];
                self.tracker.learn_peer(b"DAHDI", bytes.one_of(&TEXTS), purpose);
            }
            _ => self.pass_time(u64::from(bytes.next()) * 100),
        }
    }

    fn pass_time(&mut self, millis: u64) {
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + millis);
        self.now.wall = Wall::from_millis(self.now.wall.as_millis() + millis as i64);
        self.tracker.handle_timeout(self.now);
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
                    assert!(record.talks.iter().all(|talk| talk.talk_ms <= length));
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
    let bridge =
        |bytes: &mut Bytes<'_>| Bridge { id: bytes.one_of(&TEXTS), kind: bytes.one_of(&kinds), ..Bridge::default() };
    match kind {
        0..=7 => Event::NewChannel { channel: one },
        8..=11 => Event::NewState { channel: one },
        12 => Event::NewCallerId { channel: one },
        13..=17 => Event::Hangup { channel: one, cause: u16::from(bytes.next()) },
        18 | 19 => Event::Rename { channel: one, new_name: bytes.one_of(&NAMES) },
        20 | 21 => Event::Masquerade { clone: bytes.one_of(&NAMES), original: bytes.one_of(&NAMES) },
        22..=25 => Event::DialBegin {
            caller: Some(one).filter(|_| kind < 25),
            dest: channel(bytes, ids),
            dial_string: bytes.one_of(&TEXTS),
        },
        26 | 27 => Event::DialEnd {
            caller: Some(one),
            dest: Some(channel(bytes, ids)).filter(|_| kind == 26),
            status: bytes.one_of(&STATUSES),
            forward: b"",
        },
        28..=31 => {
            Event::BridgeEnter { bridge: bridge(bytes), channel: one, swap: &ids[usize::from(kind) % ids.len()] }
        }
        32 | 33 => Event::BridgeLeave { bridge: bridge(bytes), channel: one },
        34 => Event::BridgeMerge { from: bytes.one_of(&TEXTS), to: bytes.one_of(&TEXTS) },
        35 => Event::BridgeDestroy { bridge: bridge(bytes) },
        36 | 37 => Event::Link { one, two: channel(bytes, ids) },
        38 => Event::Unlink { one, two: channel(bytes, ids) },
        39 => Event::LocalBridge { one, two: channel(bytes, ids) },
        40 => Event::AgentCalled { queue: b"700", caller: one, dest: channel(bytes, ids) },
        41 => Event::QueueJoin { queue: b"700", channel: one },
        42 => Event::Pickup { channel: one, target: channel(bytes, ids) },
        43 => Event::BlindTransfer {
            transferer: one,
            transferee: channel(bytes, ids),
            exten: bytes.one_of(&TEXTS),
            context: b"",
        },
        44 => Event::AttendedTransfer {
            transferer: one,
            second: channel(bytes, ids),
            transferee: channel(bytes, ids),
            target: channel(bytes, ids),
        },
        45 => Event::VarSet {
            channel: one,
            variable: bytes.one_of(&[
                Variable::DialStatus,
                Variable::MixMonitorFilename,
                Variable::VmMessageFile,
                Variable::VmStatus,
                Variable::Did,
            ]),
            value: bytes.one_of(&STATUSES),
        },
        46 => Event::OriginateResponse {
            action_id: b"",
            success: false,
            reason: 0,
            unique_id: one.unique_id,
            channel: bytes.one_of(&[b"PJSIP/101" as &[u8], b"", b"SIP"]),
            exten: bytes.one_of(&TEXTS),
        },
        _ => Event::Shutdown { restart: false },
    }
}
