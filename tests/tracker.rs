//! Every transcript played in virtual time against what was measured on the telephones (`expected.tsv`).
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use ringpost::call::classify::Contexts;
use ringpost::call::record::{CallRecord, Direction, Disposition};
use ringpost::call::tracker::{Output, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::profile;
use ringpost::replay::{Timing, replay};

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
