//! Every transcript played in virtual time against what was measured on the telephones (`expected.tsv`).
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use ringpost::call::classify::Contexts;
use ringpost::call::live::LiveCall;
use ringpost::call::mirror::Saved;
use ringpost::call::record::{CallRecord, Direction, Disposition, Gaps};
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::limits::SETTLE;
use ringpost::profile;
use ringpost::replay::{Timing, each_event, follow, replay};

/// Rows of the oracle that the tracker does not tell right yet, with the reason. A row that starts to pass fails the
/// test until it is taken out here.
const KNOWN_FAILURES: &[(&str, &str, &str)] = &[];

fn config() -> TrackerConfig {
    TrackerConfig { pbx_name: "office".into(), contexts: Contexts::default(), profile: profile::AUTO }
}

fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

/// The outputs of one transcript.
fn play(bytes: &[u8], timing: &Timing) -> Vec<(Output, Stamp)> {
    let mut outputs = Vec::new();
    replay(config(), bytes, timing, begun(), |output, now| outputs.push((output, now)));
    outputs
}

fn records(outputs: &[(Output, Stamp)]) -> Vec<CallRecord> {
    let finished = outputs.iter().filter_map(|(output, _)| match output {
        Output::Finished(record) => Some((**record).clone()),
        _ => None,
    });
    finished.collect()
}

/// One row of the oracle.
struct Row<'a> {
    version: &'a str,
    scenario: &'a str,
    direction: &'a str,
    caller: &'a str,
    external: &'a str,
    line_or_called: &'a str,
    disposition: &'a str,
    last: &'a str,
    talk_secs: f64,
    recording: &'a str,
    voicemail: &'a str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let rows: Vec<Row<'_>> = table
        .lines()
        .skip(1)
        .map(|line| {
            let column: Vec<&str> = line.split('\t').chain(std::iter::repeat_n("", 12)).take(12).collect();
            Row {
                version: column[0],
                scenario: column[1],
                direction: column[2],
                caller: column[3],
                external: column[4],
                line_or_called: column[5],
                disposition: column[6],
                last: column[7],
                talk_secs: column[8].parse().unwrap_or(0.0),
                recording: column[10],
                voicemail: column[11],
            }
        })
        .collect();
    assert!(rows.len() > 140, "only {} rows", rows.len());
    rows
}

fn direction(word: &str) -> Direction {
    match word {
        "inbound" => Direction::Inbound,
        "outbound" => Direction::Outbound,
        _ => Direction::Internal,
    }
}

/// The oracle's words for an outcome; none where it has none.
fn disposition(word: &str) -> Option<Disposition> {
    Some(match word {
        "answered" => Disposition::Answered,
        "busy" | "busy-own-phone" => Disposition::Busy,
        "cancelled" => Disposition::Cancelled,
        "noanswer" | "noanswer-own-phone" | "abandoned-in-ivr" | "abandoned-in-queue" => Disposition::Missed,
        "failed" | "unavailable" => Disposition::Failed,
        "voicemail" => Disposition::Voicemail,
        "" => return None,
        other => panic!("the oracle says {other}"),
    })
}

impl Row<'_> {
    /// What of the record differs from this row.
    fn differences(&self, record: &CallRecord) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut want = |what: &str, is: &str, should: &str| {
            if is != should {
                wrong.push(format!("{what} is {is:?}, should be {should:?}"));
            }
        };
        let name = |path: &str| path.rsplit('/').next().unwrap_or("").to_owned();
        want("direction", &format!("{:?}", record.direction), &format!("{:?}", direction(self.direction)));
        want("caller", &record.caller, self.caller);
        let client = if self.direction == "internal" { self.line_or_called } else { self.external };
        want("client", &record.client, if client == "anonymous" { "" } else { client });
        if self.direction == "inbound" {
            want("line", &record.line, self.line_or_called);
        }
        if let Some(disposition) = disposition(self.disposition) {
            want("disposition", &format!("{:?}", record.disposition), &format!("{disposition:?}"));
        }
        want("last talker", record.talked_last.as_deref().unwrap_or(""), self.last);
        want(
            "recordings",
            &record.recordings.iter().map(|path| name(path)).collect::<Vec<_>>().join(" "),
            self.recording,
        );
        want("voicemail", &record.voicemail, self.voicemail);
        let talk_secs = f64::from(record.talk_ms) / 1000.0;
        if (talk_secs - self.talk_secs).abs() > 0.5 {
            wrong.push(format!("talk is {talk_secs} s, should be {} s", self.talk_secs));
        }
        // That capture ends before the last telephone hangs up.
        let is_cut = (self.version, self.scenario) == ("11.25.3", "conference");
        if !record.gaps.is_exact() && !is_cut {
            wrong.push(format!("not exact: {:?}", record.gaps));
        }
        wrong
    }

    /// Whether this record is the call that the row tells of.
    fn tells_of(&self, record: &CallRecord) -> bool {
        let is_other_client = self.scenario == "two-calls-at-once" && record.client != self.external;
        let is_other_caller = self.direction == "internal" && record.caller != self.caller;
        direction(self.direction) == record.direction && !is_other_client && !is_other_caller
    }
}

/// Every row of one stream: its record is there and right, and no other client call beside the rows'.
fn check(rows: &[&Row<'_>], records: &[CallRecord]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        match records.iter().find(|record| row.tells_of(record)) {
            Some(record) => wrong.extend(row.differences(record)),
            None => wrong.push(format!("no {} call of {} among {records:?}", row.direction, row.external)),
        }
    }
    let of_clients = |record: &&CallRecord| record.direction != Direction::Internal;
    let expected = rows.iter().filter(|row| row.direction != "internal").count();
    let told = records.iter().filter(of_clients).count();
    if told != expected {
        wrong.push(format!("{told} client calls, should be {expected}: {records:?}"));
    }
    wrong
}

fn scenarios<'a>(rows: &'a [Row<'a>]) -> Vec<Vec<&'a Row<'a>>> {
    let mut scenarios: Vec<Vec<&Row<'_>>> = Vec::new();
    for row in rows {
        match scenarios.last_mut() {
            Some(last) if last[0].scenario == row.scenario && last[0].version == row.version => last.push(row),
            _ => scenarios.push(vec![row]),
        }
    }
    scenarios
}

#[test]
fn every_row_of_the_oracle() {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut faults = Vec::new();
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let timing = Timing::parse(&corpus::timing(version, name));
        let records = records(&play(&corpus::one(version, name), &timing));
        let wrong = check(&scenario, &records);
        match KNOWN_FAILURES.iter().find(|known| (known.0, known.1) == (version, name)) {
            Some(_) if wrong.is_empty() => faults.push(format!("{version}/{name}: passes now, take it off the list")),
            Some(_) => {}
            None => faults.extend(wrong.into_iter().map(|wrong| format!("{version}/{name}: {wrong}"))),
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

// ---- variations -----------------------------------------------------------------------------------------------------

/// A transcript as packets with their times in milliseconds, so that it can be changed.
fn packets(version: &str, scenario: &str) -> Vec<(u64, Vec<u8>)> {
    let bytes = corpus::one(version, scenario);
    let clock: Vec<(f64, usize)> = corpus::timing(version, scenario)
        .lines()
        .skip(1)
        .map(|line| {
            let column: Vec<&str> = line.split('\t').collect();
            (column[0].parse().expect("seconds"), column[1].parse::<usize>().expect("offset"))
        })
        .collect();
    let mut packets = Vec::new();
    let mut from = 0;
    while let Some(end) = bytes[from..].windows(4).position(|four| four == b"\r\n\r\n") {
        let last_byte = from + end + 3;
        let at = clock.iter().take_while(|(_, offset)| *offset <= last_byte).last().map_or(0.0, |(at, _)| *at);
        packets.push(((at * 1000.0) as u64, bytes[from..from + end + 4].to_vec()));
        from += end + 4;
    }
    packets
}

/// Plays packets one by one.
fn play_packets(packets: &[(u64, Vec<u8>)]) -> Vec<CallRecord> {
    let mut bytes = Vec::new();
    let mut clock = String::from("seconds\toffset\tbytes\n");
    for (at, packet) in packets {
        clock += &format!("{}.{:03}\t{}\t{}\n", at / 1000, at % 1000, bytes.len(), packet.len());
        bytes.extend_from_slice(packet);
    }
    records(&play(&bytes, &Timing::parse(&clock)))
}

fn says(packet: &[u8], text: &str) -> bool {
    packet.windows(text.len()).any(|window| window == text.as_bytes())
}

fn is_event(packet: &[u8]) -> bool {
    says(packet, "Event: ")
}

/// Whether ringpost reads this packet at all.
fn is_read(packet: &[u8]) -> bool {
    let mut events = 0;
    let bytes = [b"x/1\r\n", packet].concat();
    each_event(&bytes, &Timing::default(), begun(), |_, _| events += 1);
    events > 0
}

#[test]
fn every_row_again_with_each_event_doubled() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let doubled: Vec<(u64, Vec<u8>)> = packets(version, name)
            .into_iter()
            .flat_map(|(at, packet)| vec![(at, packet.clone()); if is_event(&packet) { 2 } else { 1 }])
            .collect();
        let wrong = check(&scenario, &play_packets(&doubled));
        assert!(wrong.is_empty(), "{version}/{name}: {}", wrong.join("\n"));
    }
}

/// Without the class `dialplan` there are no VarSet events: no names of recordings and voicemail, no DIALSTATUS.
#[test]
fn every_row_again_without_the_dialplan() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let mut masked = packets(version, name);
        masked.retain(|(_, packet)| !says(packet, "Event: VarSet") && !says(packet, "Event: Newexten"));
        let wrong = check(&scenario, &play_packets(&masked));
        let is_known = |wrong: &String| {
            let silent =
                ["recordings is \"\"", "voicemail is \"\"", "disposition is \"Missed\", should be \"Voicemail\""];
            silent.iter().any(|known| wrong.starts_with(known))
        };
        let rest: Vec<&String> = wrong.iter().filter(|wrong| !is_known(wrong)).collect();
        assert!(rest.is_empty(), "{version}/{name}: {rest:#?}");
    }
}

#[test]
fn the_same_call_on_narrower_and_wider_streams() {
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let told = |name: &str| {
            let mut records = records(&play(&corpus::one(version, name), &Timing::default()));
            assert_eq!(records.len(), 1, "{version}/{name}");
            let record = records.remove(0);
            (record.direction, record.client, record.line, record.talked_last, record.disposition, record.gaps)
        };
        let whole = told("inbound-answered");
        for variant in ["full", "mask", "filtered"] {
            assert_eq!(told(&format!("inbound-answered.{variant}")), whole, "{version} {variant}");
        }
    }
}

/// The agent is killed and started anew after every single event; nothing is lost by that.
#[test]
fn every_row_again_with_a_restart_at_every_event() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let timing = Timing::parse(&corpus::timing(version, name));
        let bytes = corpus::one(version, name);
        let mut records = Vec::new();
        let mut tracker = Tracker::new(config());
        let end = each_event(&bytes, &timing, begun(), |event, now| {
            follow(&mut tracker, event, now);
            let saved = serde_json::to_string(&tracker.export(now)).expect("written");
            tracker = Tracker::restore(config(), serde_json::from_str::<Saved>(&saved).expect("read"), now);
            while let Some(output) = tracker.poll_output() {
                if let Output::Finished(record) = output {
                    records.push(*record);
                }
            }
        });
        tracker.end_all(end);
        while let Some(Output::Finished(record)) = tracker.poll_output() {
            records.push(*record);
        }
        for record in &mut records {
            assert!(record.gaps.agent_restarted, "{version}/{name}: not marked");
            record.gaps.agent_restarted = false;
        }
        let wrong = check(&scenario, &records);
        assert!(wrong.is_empty(), "{version}/{name}: {}", wrong.join("\n"));
    }
}

/// Any one event is lost. The record may be poorer, but there is one for each call, it makes sense, and after the next
/// list of channels nothing is left behind.
#[test]
fn any_single_event_may_be_lost() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let mut whole = packets(version, name);
        whole.retain(|(_, packet)| is_read(packet));
        let clients = scenario.iter().filter(|row| row.direction != "internal").count();
        for lost in 0..whole.len() {
            let mut tracker = Tracker::new(config());
            let mut records = Vec::new();
            let mut bytes = Vec::new();
            let mut now = begun();
            for (at, packet) in whole.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, packet)| packet) {
                bytes.clear();
                bytes.extend_from_slice(b"x/1\r\n");
                bytes.extend_from_slice(packet);
                now = Stamp { mono: Monotonic::from_millis(1_000_000 + at), wall: now.wall };
                each_event(&bytes, &Timing::default(), now, |event, now| follow(&mut tracker, event, now));
                drain(&mut tracker, &mut records);
            }
            now = later(now, 1000);
            tracker.snapshot_begin(now);
            tracker.snapshot_end(true, now);
            tracker.handle_timeout(later(now, SETTLE.as_millis() as u64));
            drain(&mut tracker, &mut records);
            let event = String::from_utf8_lossy(&whole[lost].1).lines().next().unwrap_or("").to_owned();
            let told = records.iter().filter(|record| record.direction != Direction::Internal).count();
            assert!(told.abs_diff(clients) <= 1, "{version}/{name} without {event} ({lost}): {told} calls {records:?}");
            assert_eq!((tracker.calls(), tracker.channels()), (0, 0), "{version}/{name} without {event} ({lost})");
            for record in &records {
                let length = record.ended.mono.millis_since(record.started.mono);
                assert!(record.talk_ms <= length, "{version}/{name} without {event}: talked longer than it took");
            }
        }
    }
}

fn later(now: Stamp, millis: u64) -> Stamp {
    Stamp {
        mono: Monotonic::from_millis(now.mono.as_millis() + millis),
        wall: Wall::from_millis(now.wall.as_millis() + millis as i64),
    }
}

fn drain(tracker: &mut Tracker, records: &mut Vec<CallRecord>) {
    while let Some(output) = tracker.poll_output() {
        if let Output::Finished(record) = output {
            records.push(*record);
        }
    }
}

// ---- hints ----------------------------------------------------------------------------------------------------------

fn hints(version: &str, scenario: &str) -> Vec<(LiveCall, u64)> {
    let timing = Timing::parse(&corpus::timing(version, scenario));
    let outputs = play(&corpus::one(version, scenario), &timing);
    let hints = outputs.into_iter().filter_map(|(output, now)| match output {
        Output::Live(live) => Some((*live, now.mono.as_millis() - 1_000_000)),
        _ => None,
    });
    hints.collect()
}

#[test]
fn cards_of_a_ring_group_come_at_the_ring_and_go_at_the_answer() {
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let hints = hints(version, "inbound-ringgroup");
        let all = |live: &LiveCall| live.ringing.iter().map(|e| e.to_string()).collect::<Vec<_>>();
        let rung = hints.iter().find(|(live, _)| live.ringing.len() == 3).expect("all three ring");
        assert_eq!(all(&rung.0), ["101", "102", "103"]);
        assert_eq!((rung.0.client.as_str(), rung.0.line.as_str()), ("79161234567", "74951110002"));
        let answered = hints.iter().find(|(live, _)| live.talking.is_some()).expect("one answers");
        assert_eq!(answered.0.talking.as_deref(), Some("102"));
        assert!(answered.1 - rung.1 > 2000, "rung before the answer");
        assert!(hints.last().is_some_and(|(live, _)| live.ringing.is_empty()), "no card is left");
        assert!(hints.iter().all(|(live, _)| live.id == rung.0.id), "one identity");
    }
}

#[test]
fn a_consultation_is_joined_to_the_clients_call() {
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let timing = Timing::parse(&corpus::timing(version, "transfer-attended-sip"));
        let outputs = play(&corpus::one(version, "transfer-attended-sip"), &timing);
        let joined: Vec<_> = outputs
            .iter()
            .filter_map(|(output, _)| match output {
                Output::Joined { absorbed, kept } => Some((absorbed.clone(), kept.clone())),
                _ => None,
            })
            .collect();
        let records = records(&outputs);
        assert_eq!((joined.len(), records.len()), (1, 1), "{version}");
        assert_eq!(records[0].id, joined[0].1, "{version}");
        let transfer = &records[0].transfers[0];
        assert_eq!((&*transfer.from, &*transfer.to, transfer.attended), ("101", "102", true), "{version}");
        assert_eq!(records[0].transfers.len(), 1, "{version}");
        assert_eq!(records[0].gaps, Gaps::default());
    }
}
