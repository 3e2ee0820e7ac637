//! A PBX that says what it is told to say, event after event in virtual time, and what the tracker makes of it.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a check may panic
#![allow(dead_code)] // each test crate uses its part

use ringpost::ami::event::{Bridge, Channel, Event};
use ringpost::call::classify::Contexts;
use ringpost::call::live::LiveCall;
use ringpost::call::mirror::Saved;
use ringpost::call::record::CallRecord;
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::profile;

/// A PBX that says what it is told to say, and what came of it.
pub struct Stage {
    pub tracker: Tracker,
    pub now: Stamp,
    pub hints: Vec<LiveCall>,
    pub records: Vec<CallRecord>,
    pub joined: usize,
    pub resyncs: usize,
}

/// A channel of a new server: name, UniqueId, LinkedId.
pub fn ch<'a>(name: &'a str, id: &'a str, linked: &'a str, state: u8) -> Channel<'a> {
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

pub const BRIDGE: Bridge<'static> = Bridge { id: b"b-1", kind: b"basic", technology: b"simple_bridge", creator: b"" };
pub const TRUNK: (&str, &str, &str) = ("PJSIP/trunk-1", "1.1", "1.1");
pub const ONE: (&str, &str, &str) = ("PJSIP/101-2", "1.2", "1.1");
pub const TWO: (&str, &str, &str) = ("PJSIP/102-3", "1.3", "1.1");

pub fn leg(of: (&'static str, &'static str, &'static str), state: u8) -> Channel<'static> {
    ch(of.0, of.1, of.2, state)
}

/// The same channel on an old server, which has no LinkedIds.
pub fn old(of: (&'static str, &'static str, &'static str), state: u8) -> Channel<'static> {
    Channel { linked_id: b"", ..leg(of, state) }
}

impl Stage {
    pub fn new() -> Self {
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

    pub fn config() -> TrackerConfig {
        TrackerConfig {
            pbx_name: "office".into(),
            contexts: Contexts::default(),
            profile: profile::AUTO,
            numbers: Default::default(),
        }
    }

    pub fn wait(&mut self, millis: u64) {
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + millis);
        self.now.wall = Wall::from_millis(self.now.wall.as_millis() + millis as i64);
        while self.tracker.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.tracker.handle_timeout(self.now);
            self.drain();
        }
    }

    pub fn drain(&mut self) {
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

    pub fn say(&mut self, event: Event<'_>) {
        self.tracker.handle(&event, self.now);
        self.drain();
    }

    /// The agent is killed and goes on from what it had on tmpfs.
    pub fn restart(&mut self) {
        let saved = serde_json::to_string(&self.tracker.export(self.now)).expect("written");
        let saved: Saved = serde_json::from_str(&saved).expect("read");
        self.tracker = Tracker::restore(Self::config(), saved, self.now);
        self.drain();
    }

    pub fn made(&mut self, channel: Channel<'_>) {
        self.say(Event::NewChannel { channel });
    }

    pub fn dials(&mut self, caller: Channel<'_>, dest: Channel<'_>) {
        self.made(dest);
        self.say(Event::DialBegin { caller: Some(caller), dest, dial_string: b"" });
    }

    pub fn dial_ends(&mut self, dest: Channel<'_>, status: &[u8]) {
        self.say(Event::DialEnd { caller: Some(leg(TRUNK, 4)), dest: Some(dest), status, forward: b"" });
    }

    pub fn enters(&mut self, channel: Channel<'_>) {
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel, swap: b"" });
    }

    pub fn leaves(&mut self, channel: Channel<'_>) {
        self.say(Event::BridgeLeave { bridge: BRIDGE, channel });
    }

    pub fn gone(&mut self, channel: Channel<'_>, cause: u16) {
        self.say(Event::Hangup { channel, cause });
    }

    /// The trunk calls, 101 rings, two seconds pass.
    pub fn ring(&mut self) {
        self.made(leg(TRUNK, 4));
        self.dials(leg(TRUNK, 4), leg(ONE, 0));
        self.wait(2000);
    }

    /// 101 has answered.
    pub fn answer(&mut self) {
        self.say(Event::NewState { channel: leg(ONE, 6) });
        self.dial_ends(leg(ONE, 6), b"ANSWER");
        self.enters(leg(ONE, 6));
        self.enters(leg(TRUNK, 6));
    }

    pub fn hang_up(&mut self) {
        for of in [TRUNK, ONE] {
            self.leaves(leg(of, 6));
        }
        for of in [TRUNK, ONE] {
            self.gone(leg(of, 6), 16);
        }
    }

    /// The PBX's list of channels: who is there, for how long, in which bridge.
    pub fn lists(&mut self, channels: &[(Channel<'_>, &str, u32, &str)], complete: bool) {
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
    pub fn only_record(mut self) -> CallRecord {
        assert_eq!((self.tracker.calls(), self.tracker.channels()), (0, 0), "something is left");
        assert_eq!(self.records.len(), 1, "{:#?}", self.records);
        self.records.remove(0)
    }
}

pub fn near(millis: u32, secs: f64) -> bool {
    (f64::from(millis) / 1000.0 - secs).abs() < 0.05
}
