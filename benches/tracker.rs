//! Framing, typing and following calls: events a second on one core over the real transcripts, the cost per event and
//! per call by scenario, the cost beside many other calls, the state of calls in progress as it is mirrored, and memory
//! after 100 000 calls.
//!
//! `cargo bench --bench tracker` prints tables; `cargo bench --bench tracker -- SECONDS` measures longer.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a bench may panic
#![allow(missing_docs)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use ringpost::ami::event::{Bridge, Channel, Event, Message};
use ringpost::ami::frame::{Frame, Framer};
use ringpost::ami::typing::message;
use ringpost::call::classify::Contexts;
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::profile;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The cost of each is told for an old server and a new one.
const SCENARIOS: [&str; 10] = [
    "inbound-answered",
    "inbound-noanswer",
    "inbound-ringgroup",
    "inbound-ringgroup-local",
    "queue-answered",
    "outbound-answered",
    "transfer-blind-sip",
    "transfer-attended-feature",
    "pickup-directed",
    "parked",
];

/// A corpus whose UniqueIds can be moved on, so that each pass is other calls.
struct Stream {
    bytes: Vec<u8>,
    /// Where the ten digits of each id's epoch stand.
    epochs: Vec<usize>,
}

impl Stream {
    fn of(version: &str, scenario: Option<&str>) -> Self {
        let mut bytes = b"Asterisk Call Manager/1\r\n".to_vec();
        for one in corpus::all() {
            let (its_version, its_scenario) = one.name.split_once('/').expect("version/scenario");
            let is_wanted = its_version.starts_with(version) && scenario.is_none_or(|wanted| wanted == its_scenario);
            if is_wanted && its_scenario != "login-errors" {
                bytes.extend_from_slice(&one.bytes);
                bytes.extend_from_slice(b"\r\n\r\n");
            }
        }
        let is_epoch = |at: usize| {
            bytes[at..].starts_with(b"17952")
                && bytes.get(at + 10) == Some(&b'.')
                && bytes[at..at + 10].iter().all(u8::is_ascii_digit)
        };
        let epochs = (0..bytes.len()).filter(|at| is_epoch(*at)).collect();
        Self { bytes, epochs }
    }

    /// Moves all ids on to those of another day.
    fn move_on(&mut self) {
        for at in &self.epochs {
            for digit in self.bytes[*at..*at + 5].iter_mut().rev() {
                *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
                if *digit != b'0' {
                    break;
                }
            }
        }
    }
}

fn config() -> TrackerConfig {
    TrackerConfig {
        pbx_name: "office".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    }
}

fn at(millis: u64) -> Stamp {
    Stamp { mono: Monotonic::from_millis(millis), wall: Wall::from_millis(1_795_293_703_000 + millis as i64) }
}

/// What one pass saw.
#[derive(Clone, Copy, Default)]
struct Pass {
    events: u64,
    calls: u64,
}

/// Reads as from a socket, 16 KiB at a time, and follows.
fn pass(framer: &mut Framer, tracker: &mut Tracker, bytes: &[u8], now: &mut u64) -> Pass {
    let mut seen = Pass::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = framer.feed(rest);
        rest = &rest[taken..];
        while let Some(frame) = framer.next() {
            let Frame::Packet(packet) = frame else { continue };
            match message(packet) {
                Message::Event(event) => {
                    seen.events += 1;
                    *now += 1;
                    tracker.handle(&event, at(*now));
                    seen.calls += drain(tracker);
                }
                Message::Skipped(_) => seen.events += 1,
                _ => {}
            }
        }
    }
    // What the captures leave open.
    tracker.pbx_restarted(at(*now));
    seen.calls += drain(tracker);
    seen
}

fn drain(tracker: &mut Tracker) -> u64 {
    let mut calls = 0;
    while let Some(output) = tracker.poll_output() {
        calls += u64::from(matches!(black_box(output), Output::Finished(_)));
    }
    calls
}

fn speed(name: &str, stream: &mut Stream, at_least: Duration) {
    let (mut framer, mut tracker, mut now) = (Framer::new(), Tracker::new(config()), 1_000_000);
    let first = pass(&mut framer, &mut tracker, &stream.bytes, &mut now);
    let (mut busy, mut passes, mut best) = (Duration::ZERO, 0_u64, Duration::MAX);
    while busy < at_least {
        stream.move_on();
        let begun = Instant::now();
        let seen = pass(&mut framer, &mut tracker, black_box(&stream.bytes), &mut now);
        let took = begun.elapsed();
        assert_eq!(seen.calls, first.calls, "{name}: every pass is the same calls anew");
        (busy, passes, best) = (busy + took, passes + 1, best.min(took));
    }
    println!(
        "{name:<28} {:>8} {:>6} {:>12.0} {:>12.0} {:>10.2} {:>10.1}",
        first.events,
        first.calls,
        first.events as f64 * passes as f64 / busy.as_secs_f64(),
        first.events as f64 / best.as_secs_f64(),
        busy.as_secs_f64() * 1e9 / (first.events * passes) as f64 / 1000.0,
        busy.as_secs_f64() * 1e6 / (first.calls.max(1) * passes) as f64,
    );
}

/// Resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn memory(calls: u64) {
    let mut stream = Stream::of("22.10.1", Some("transfer-attended-feature"));
    let (mut framer, mut tracker, mut now, mut seen) = (Framer::new(), Tracker::new(config()), 1_000_000, 0);
    println!("\n{:>10} {:>14}", "calls", "resident KiB");
    println!("{seen:>10} {:>14}", resident_kib());
    let mut next = 1000;
    while seen < calls {
        stream.move_on();
        seen += pass(&mut framer, &mut tracker, &stream.bytes, &mut now).calls;
        if seen >= next {
            println!("{seen:>10} {:>14}", resident_kib());
            next *= 10;
        }
    }
    assert_eq!((tracker.calls(), tracker.channels()), (0, 0));
}

/// One call: a trunk and a telephone, which talk.
struct Talk {
    names: [String; 2],
    ids: [String; 2],
    bridge: String,
}

impl Talk {
    fn new(n: usize) -> Self {
        let names = [format!("PJSIP/trunk-{n:08x}"), format!("PJSIP/{}-{n:08x}", 100 + n % 50)];
        Self { names, ids: [format!("1795293703.{n}"), format!("1795293704.{n}")], bridge: format!("b-{n}") }
    }

    fn channel(&self, n: usize, state: u8) -> Channel<'_> {
        Channel {
            name: self.names[n].as_bytes(),
            unique_id: self.ids[n].as_bytes(),
            linked_id: self.ids[0].as_bytes(),
            state: Some(state),
            caller_num: b"79161234567",
            context: if n == 0 { b"from-trunk" } else { b"from-internal" },
            exten: b"74951110001",
            ..Channel::default()
        }
    }

    /// Until they hear each other: five events.
    fn begin(&self, tracker: &mut Tracker, now: Stamp) {
        let bridge = Bridge { id: self.bridge.as_bytes(), kind: b"basic", ..Bridge::default() };
        let [trunk, phone] = [self.channel(0, 4), self.channel(1, 0)];
        for event in [
            Event::NewChannel { channel: trunk },
            Event::NewChannel { channel: phone },
            Event::DialBegin { caller: Some(trunk), dest: phone, dial_string: b"" },
            Event::BridgeEnter { bridge, channel: phone, swap: b"" },
            Event::BridgeEnter { bridge, channel: trunk, swap: b"" },
        ] {
            tracker.handle(&event, now);
            drain(tracker);
        }
    }

    /// The rest: four events.
    fn end(&self, tracker: &mut Tracker, now: Stamp) {
        let bridge = Bridge { id: self.bridge.as_bytes(), kind: b"basic", ..Bridge::default() };
        let channels = [self.channel(0, 6), self.channel(1, 6)];
        for channel in channels {
            tracker.handle(&Event::BridgeLeave { bridge, channel }, now);
            drain(tracker);
        }
        for channel in channels {
            tracker.handle(&Event::Hangup { channel, cause: 16 }, now);
            drain(tracker);
        }
    }
}

/// Calls that come and go beside others that go on: typed events, the tracker alone.
fn crowded(others: usize) {
    let (mut tracker, now, rounds) = (Tracker::new(config()), at(5000), 20_000);
    (0..others).for_each(|n| Talk::new(n).begin(&mut tracker, now));
    let talks: Vec<Talk> = (0..rounds).map(|n| Talk::new(others + n)).collect();
    let begun = Instant::now();
    for talk in &talks {
        talk.begin(&mut tracker, now);
        talk.end(&mut tracker, now);
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / rounds as f64;
    println!("{others:>10} {:>12.2} {micros:>12.1}", micros / 9.0);
    assert_eq!(tracker.calls(), others);
}

/// Calls in progress, written and read back as the mirror does it.
fn mirror(calls: usize) {
    let mut tracker = Tracker::new(config());
    let now = at(5000);
    (0..calls).for_each(|n| Talk::new(n).begin(&mut tracker, now));
    let rounds = 200;
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(serde_json::to_vec(&tracker.export(now)).expect("written"));
    }
    let took = begun.elapsed() / rounds;
    let saved = serde_json::to_vec(&tracker.export(now)).expect("written");
    let begun = Instant::now();
    let restored = Tracker::restore(config(), serde_json::from_slice(&saved).expect("read"), now);
    println!("{calls:>10} {:>14} {:>12.0?} {:>12.0?}", saved.len(), took, begun.elapsed());
    assert_eq!(restored.calls(), calls);
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(3);
    println!(
        "{:<28} {:>8} {:>6} {:>12} {:>12} {:>10} {:>10}",
        "corpus", "events", "calls", "events/s", "best pass", "µs/event", "µs/call"
    );
    for version in ["11.25.3", "16.28.0", "22.10.1", ""] {
        let name = if version.is_empty() { "all" } else { version };
        speed(name, &mut Stream::of(version, None), Duration::from_secs(seconds));
    }
    for scenario in SCENARIOS {
        for version in ["11.25.3", "22.10.1"] {
            let name = format!("{scenario}, {}", version.split('.').next().unwrap_or(version));
            speed(&name, &mut Stream::of(version, Some(scenario)), Duration::from_millis(500));
        }
    }
    println!("\n{:>10} {:>12} {:>12}", "beside", "µs/event", "µs/call");
    for others in [0, 50, 500, 2000] {
        crowded(others);
    }
    println!("\n{:>10} {:>14} {:>12} {:>12}", "in progress", "mirror bytes", "written in", "read in");
    for calls in [1, 10, 50] {
        mirror(calls);
    }
    memory(100_000);
}
