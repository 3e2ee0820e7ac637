//! What was measured on the telephones (`expected.tsv`) held against what the tracker tells, and transcripts as packets
//! that a test may change before it plays them.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic
#![allow(dead_code)] // each test crate uses its part

use crate::corpus;
use ringpost::call::classify::Contexts;
use ringpost::call::record::{CallRecord, Direction, Disposition};
use ringpost::call::tracker::{Output, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::profile;
use ringpost::replay::{Timing, each_event, replay};

pub fn config() -> TrackerConfig {
    TrackerConfig {
        pbx_name: "office".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    }
}

pub fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

/// The outputs of one transcript.
pub fn play(bytes: &[u8], timing: &Timing) -> Vec<(Output, Stamp)> {
    let mut outputs = Vec::new();
    replay(config(), bytes, timing, begun(), |output, now| outputs.push((output, now)));
    outputs
}

pub fn records(outputs: &[(Output, Stamp)]) -> Vec<CallRecord> {
    let finished = outputs.iter().filter_map(|(output, _)| match output {
        Output::Finished(record) => Some((**record).clone()),
        _ => None,
    });
    finished.collect()
}

/// One row of the oracle.
pub struct Row<'a> {
    pub version: &'a str,
    pub scenario: &'a str,
    pub direction: &'a str,
    pub caller: &'a str,
    pub external: &'a str,
    pub line_or_called: &'a str,
    pub disposition: &'a str,
    pub last: &'a str,
    pub talk_secs: f64,
    pub recording: &'a str,
    pub voicemail: &'a str,
}

pub fn rows(table: &str) -> Vec<Row<'_>> {
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

pub fn direction(word: &str) -> Direction {
    match word {
        "inbound" => Direction::Inbound,
        "outbound" => Direction::Outbound,
        _ => Direction::Internal,
    }
}

/// The oracle's words for an outcome; none where it has none.
pub fn disposition(word: &str) -> Option<Disposition> {
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
    pub fn differences(&self, record: &CallRecord) -> Vec<String> {
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
    pub fn tells_of(&self, record: &CallRecord) -> bool {
        let is_other_client = self.scenario == "two-calls-at-once" && record.client != self.external;
        let is_other_caller = self.direction == "internal" && record.caller != self.caller;
        direction(self.direction) == record.direction && !is_other_client && !is_other_caller
    }
}

/// Every row of one stream: its record is there and right, and no other client call beside the rows'.
pub fn check(rows: &[&Row<'_>], records: &[CallRecord]) -> Vec<String> {
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

pub fn scenarios<'a>(rows: &'a [Row<'a>]) -> Vec<Vec<&'a Row<'a>>> {
    let mut scenarios: Vec<Vec<&Row<'_>>> = Vec::new();
    for row in rows {
        match scenarios.last_mut() {
            Some(last) if last[0].scenario == row.scenario && last[0].version == row.version => last.push(row),
            _ => scenarios.push(vec![row]),
        }
    }
    scenarios
}

/// A transcript as packets with their times in milliseconds, so that it can be changed.
pub fn packets(version: &str, scenario: &str) -> Vec<(u64, Vec<u8>)> {
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
pub fn play_packets(packets: &[(u64, Vec<u8>)]) -> Vec<CallRecord> {
    let mut bytes = Vec::new();
    let mut clock = String::from("seconds\toffset\tbytes\n");
    for (at, packet) in packets {
        clock += &format!("{}.{:03}\t{}\t{}\n", at / 1000, at % 1000, bytes.len(), packet.len());
        bytes.extend_from_slice(packet);
    }
    records(&play(&bytes, &Timing::parse(&clock)))
}

pub fn says(packet: &[u8], text: &str) -> bool {
    packet.windows(text.len()).any(|window| window == text.as_bytes())
}

pub fn is_event(packet: &[u8]) -> bool {
    says(packet, "Event: ")
}

/// Whether ringpost reads this packet at all.
pub fn is_read(packet: &[u8]) -> bool {
    let mut events = 0;
    let bytes = [b"x/1\r\n", packet].concat();
    each_event(&bytes, &Timing::default(), begun(), |_, _| events += 1);
    events > 0
}

/// The name of a packet's event, with what tells kinds of one name apart; empty: it is none.
pub fn event_name(packet: &[u8]) -> String {
    let text = String::from_utf8_lossy(packet);
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
    let (name, variable) = (value("Event:"), value("Variable:").trim_start_matches('_'));
    match name {
        "Dial" => format!("Dial {}", value("SubEvent:")),
        "Bridge" => format!("Bridge {}", value("Bridgestate:")),
        "VarSet" => format!("VarSet {variable}"),
        "BridgeEnter" if value("BridgeCreator:") == "ConfBridge" => String::from("BridgeEnter ConfBridge"),
        _ => name.to_owned(),
    }
}
