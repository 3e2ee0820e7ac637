//! Changes to a stream that must not change its calls, and one that may change them only as `docs/calls.md` says.
//!
//! The quick tier runs with every `cargo test`. `RINGPOST_ROUNDS=N` is the deep one: N random variants of each
//! transcript, and every packet of the corpus cut at every byte.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/degrades.rs"]
mod degrades;
#[path = "corpus/oracle.rs"]
mod oracle;

use degrades::{DEGRADES, differing};
use oracle::{begun, config, event_name, is_read, packets, play_packets, rows, scenarios};
use ringpost::ami::frame::{Frame, Framer};
use ringpost::call::record::CallRecord;
use ringpost::call::tracker::{Output, Tracker};
use ringpost::clock::{Monotonic, Stamp};
use ringpost::limits::SETTLE;
use ringpost::replay::{Timing, each_event, follow};
use std::collections::{BTreeMap, BTreeSet};

/// Random variants of each transcript.
fn rounds() -> Option<usize> {
    std::env::var("RINGPOST_ROUNDS").ok().and_then(|word| word.parse().ok())
}

/// Version and scenario of each transcript that the oracle knows, and of each that was played on the exchange.
fn told() -> Vec<(String, String)> {
    let table = corpus::expected();
    let rows = rows(&table);
    let of_oracle = scenarios(&rows).into_iter().map(|rows| (rows[0].version.to_owned(), rows[0].scenario.to_owned()));
    of_oracle.chain(corpus::scenes()).collect()
}

/// The frames of `pieces`, each fed in one read.
fn frames(pieces: &[&[u8]]) -> Vec<Vec<Vec<u8>>> {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        assert_eq!(framer.feed(piece), piece.len());
        while let Some(frame) = framer.next() {
            frames.push(match frame {
                Frame::Banner(line) => vec![line.to_vec()],
                Frame::Packet(packet) | Frame::Output(packet) => packet.lines().map(<[u8]>::to_vec).collect(),
            });
        }
    }
    frames
}

/// Two reads that meet at any byte give the frames of one read. The packet after it shows that nothing is left over.
#[test]
fn a_packet_cut_at_any_byte_is_the_same_packet() {
    let mut seen = BTreeSet::new();
    let mut cuts = 0;
    for transcript in corpus::all() {
        let version = transcript.name.split('/').next().unwrap_or_default();
        for packet in corpus::naive_packets(&transcript.bytes) {
            let bytes = [packet.join(&b"\r\n"[..]), b"\r\n\r\n".to_vec()].concat();
            let kind = (version.to_owned(), event_name(&bytes));
            if rounds().is_none() && !seen.insert(kind) {
                continue;
            }
            let stream = [b"x/1\r\n", &bytes[..], b"Event: Next\r\n\r\n"].concat();
            let whole = frames(&[&stream]);
            for at in 0..=stream.len() {
                assert!(frames(&[&stream[..at], &stream[at..]]) == whole, "{}: cut at {at}", transcript.name);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 40_000, "only {cuts} cuts");
}

#[test]
fn events_that_are_not_read_change_nothing() {
    for (version, name) in told() {
        let whole: Vec<((u64, Vec<u8>), bool)> =
            packets(&version, &name).into_iter().map(|packet| (packet.clone(), is_read(&packet.1))).collect();
        let as_it_is = play_packets(&whole.iter().map(|(packet, _)| packet.clone()).collect::<Vec<_>>());
        let unread = whole.iter().filter(|(_, is_read)| !is_read).count();
        assert!(unread > 0, "{version}/{name}: {unread} events are not read");
        let mut random = fastrand::Rng::with_seed(whole.len() as u64);
        for round in 0..rounds().unwrap_or(1) + 1 {
            // First without all of them, then without some.
            let left = whole.iter().filter(|(_, is_read)| *is_read || round > 0 && random.bool());
            let left: Vec<(u64, Vec<u8>)> = left.map(|(packet, _)| packet.clone()).collect();
            assert_eq!(play_packets(&left), as_it_is, "{version}/{name}, round {round}");
        }
    }
}

/// The lines of a packet in another order. Headers of one name keep theirs, for the first of them wins, and an answer
/// within an event (`OriginateResponse`) stays behind the event's name.
fn shuffled(packet: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let text = packet.strip_suffix(b"\r\n\r\n").expect("a packet");
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    if !lines[0].starts_with(b"Event:") {
        return packet.to_vec();
    }
    let fixed = usize::from(lines.iter().any(|line| line.starts_with(b"Response:")));
    let before = lines.clone();
    random.shuffle(&mut lines[fixed..]);
    let name = |line: &[u8]| line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
    let mut used = vec![false; before.len()];
    for line in &mut lines {
        let next = before.iter().zip(&used).position(|(old, used)| !used && name(old) == name(line));
        let next = next.expect("as many lines as before");
        used[next] = true;
        *line = before[next];
    }
    [lines.join(&b"\r\n"[..]), b"\r\n\r\n".to_vec()].concat()
}

#[test]
fn the_order_of_headers_changes_nothing() {
    for (version, name) in told() {
        let whole: Vec<(u64, Vec<u8>)> =
            packets(&version, &name).into_iter().filter(|(_, packet)| is_read(packet)).collect();
        let as_it_is = play_packets(&whole);
        let mut random = fastrand::Rng::with_seed(whole.len() as u64);
        for round in 0..rounds().unwrap_or(2) {
            let other: Vec<(u64, Vec<u8>)> =
                whole.iter().map(|(at, packet)| (*at, shuffled(packet, &mut random))).collect();
            assert_ne!(other, whole, "{version}/{name}");
            assert_eq!(play_packets(&other), as_it_is, "{version}/{name}, round {round}");
        }
    }
}

// ---- one event is lost ----------------------------------------------------------------------------------------------

/// Plays packets; a second after the last one the PBX lists its channels: there are none.
fn play_and_list<'a>(packets: impl Iterator<Item = &'a (u64, Vec<u8>)>) -> Vec<CallRecord> {
    let mut tracker = Tracker::new(config());
    let (mut bytes, mut records, mut now) = (Vec::new(), Vec::new(), begun());
    for (at, packet) in packets {
        bytes.clear();
        bytes.extend_from_slice(b"x/1\r\n");
        bytes.extend_from_slice(packet);
        now = Stamp { mono: Monotonic::from_millis(begun().mono.as_millis() + at), wall: now.wall };
        each_event(&bytes, &Timing::default(), now, |event, now| follow(&mut tracker, event, now));
        drain(&mut tracker, &mut records);
    }
    now = later(now, 1000);
    tracker.snapshot_begin(now);
    tracker.snapshot_end(true, now);
    tracker.handle_timeout(later(now, SETTLE.as_millis() as u64));
    drain(&mut tracker, &mut records);
    assert_eq!((tracker.calls(), tracker.channels(), tracker.indexed()), (0, 0, 0), "something is left");
    records
}

fn later(now: Stamp, millis: u64) -> Stamp {
    Stamp { mono: Monotonic::from_millis(now.mono.as_millis() + millis), wall: now.wall }
}

fn drain(tracker: &mut Tracker, records: &mut Vec<CallRecord>) {
    while let Some(output) = tracker.poll_output() {
        if let Output::Finished(record) = output {
            records.push(*record);
        }
    }
}

/// What holds for every record, whatever was lost.
fn assert_sane(records: &[CallRecord], of: &str) {
    let mut ids = BTreeSet::new();
    for record in records {
        let length = record.ended.mono.millis_since(record.started.mono);
        assert!(record.ended.mono >= record.started.mono, "{of}: ended before it began: {record:?}");
        assert!(record.talk_ms <= length, "{of}: talked longer than it took: {record:?}");
        assert!(record.talks.iter().all(|talk| talk.talk_ms <= length), "{of}: {record:?}");
        assert!(record.rang.iter().all(|rang| rang.ring_ms <= length), "{of}: rang longer than it took: {record:?}");
        assert!(ids.insert(record.id.clone()), "{of}: one identity twice");
    }
}

/// Any one event is lost. Nothing is left behind, every record makes sense, and it differs from the whole one only in
/// what the table of `docs/calls.md` names for that event, or it says that it is not exact.
#[test]
fn one_lost_event_costs_what_is_written_and_no_more() {
    let mut costs: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    let mut faults = Vec::new();
    for (version, name) in told() {
        let whole: Vec<(u64, Vec<u8>)> =
            packets(&version, &name).into_iter().filter(|(_, packet)| is_read(packet)).collect();
        let as_it_is = play_and_list(whole.iter());
        for lost in 0..whole.len() {
            let event = event_name(&whole[lost].1);
            let of = format!("{version}/{name} without {event} ({lost})");
            let records = play_and_list(whole.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, one)| one));
            assert_sane(&records, &of);
            let allowed = DEGRADES.iter().find(|row| row.0 == event).map_or("", |row| row.1);
            for cost in differing(&as_it_is, &records) {
                costs.entry(event.clone()).or_default().insert(cost);
                if !allowed.split_whitespace().any(|word| word == cost) {
                    faults.push(format!("{of}: {cost}"));
                }
            }
        }
    }
    let dump = std::env::var_os("RINGPOST_SHOW_COSTS").is_some();
    assert!(!dump, "{costs:#?}");
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    for (event, words) in DEGRADES {
        let seen = costs.get(*event).cloned().unwrap_or_default();
        let idle: Vec<&str> = words.split_whitespace().filter(|word| !seen.contains(word)).collect();
        assert!(idle.is_empty(), "the loss of {event} costs no {idle:?}: take it off the table");
    }
}

#[test]
fn the_page_has_the_cost_of_each_loss() {
    let page = corpus::doc("docs/calls.md");
    let row = |(event, words): &(&str, &str)| format!("| {event} | {} |\n", words.replace(' ', ", ").replace('-', " "));
    let table: String = DEGRADES.iter().map(row).collect();
    assert!(page.contains(&table), "docs/calls.md should hold:\n{table}");
}
