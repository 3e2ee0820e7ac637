//! Every transcript played in virtual time against what was measured on the telephones (`expected.tsv`).
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;

use oracle::{begun, check, config, is_event, packets, play, play_packets, records, rows, says, scenarios};
use ringpost::call::live::LiveCall;
use ringpost::call::mirror::Saved;
use ringpost::call::record::{CallRecord, Gaps};
use ringpost::call::tracker::{Output, Tracker};
use ringpost::crm::bitrix24;
use ringpost::replay::{Timing, each_event, follow};

/// Rows of the oracle that the tracker does not tell right yet, with the reason. A row that starts to pass fails the
/// test until it is taken out here.
const KNOWN_FAILURES: &[(&str, &str, &str)] = &[];

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

/// An outcome and the versions that have it.
type Told = Vec<(String, Vec<String>)>;

/// One row of the table in `docs/calls.md` for each scenario: its name, a story that is free, and this outcome.
fn outcomes() -> Vec<(String, String)> {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut outcomes: Vec<(String, Told)> = Vec::new();
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let timing = Timing::parse(&corpus::timing(version, name));
        let records = records(&play(&corpus::one(version, name), &timing));
        let told: Vec<String> = scenario
            .iter()
            .filter_map(|row| records.iter().find(|record| row.tells_of(record)).map(|record| outcome(row, record)))
            .collect();
        let told = told.join("; and ");
        let major = version.split('.').next().unwrap_or_default().to_owned();
        let at = outcomes.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            outcomes.push((name.to_owned(), Vec::new()));
            outcomes.len() - 1
        });
        match outcomes[at].1.iter_mut().find(|(same, _)| *same == told) {
            Some((_, versions)) => versions.push(major),
            None => outcomes[at].1.push((told, vec![major])),
        }
    }
    let whole = |told: Told| match &told[..] {
        [(one, _)] => one.clone(),
        many => many
            .iter()
            .map(|(told, versions)| format!("{told} ({})", versions.join(", ")))
            .collect::<Vec<_>>()
            .join("; "),
    };
    let mut outcomes: Vec<(String, String)> = outcomes.into_iter().map(|(name, told)| (name, whole(told))).collect();
    outcomes.sort();
    outcomes
}

fn outcome(row: &oracle::Row<'_>, record: &CallRecord) -> String {
    let mut told = format!("{}, {:?}", row.direction, record.disposition).to_lowercase();
    if !row.last.is_empty() {
        told += &format!(", {} talks last, {} s in all", row.last, row.talk_secs);
    }
    format!("{told}, {}", bitrix24::status_code(record))
}

#[test]
fn the_page_has_every_scenario_with_its_outcome() {
    let page = corpus::doc("docs/calls.md");
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    let is_told = |name: &String, outcome: &String| {
        rows.iter().any(|row| row.len() == 3 && row[0] == *name && !row[1].is_empty() && row[2] == *outcome)
    };
    let missing: Vec<String> = outcomes()
        .into_iter()
        .filter(|(name, outcome)| !is_told(name, outcome))
        .map(|(name, outcome)| format!("| {name} | … | {outcome} |"))
        .collect();
    assert!(missing.is_empty(), "docs/calls.md should hold:\n{}", missing.join("\n"));
}

/// The conversation of `inbound-answered` lasts thirteen hours longer, with nothing heard meanwhile.
#[test]
fn a_call_of_thirteen_hours() {
    const LONGER: u64 = 13 * 3_600_000;
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let whole = packets(version, "inbound-answered");
        let short = play_packets(&whole).remove(0);
        let end = whole.iter().position(|(_, packet)| says(packet, "HangupRequest")).expect("the hang-up");
        let later = |(place, (at, packet)): (usize, &(u64, Vec<u8>))| {
            (at + if place < end { 0 } else { LONGER }, packet.clone())
        };
        let stretched: Vec<(u64, Vec<u8>)> = whole.iter().enumerate().map(later).collect();
        let records = play_packets(&stretched);
        assert_eq!(records.len(), 1, "{version}");
        assert_eq!(u64::from(records[0].talk_ms), u64::from(short.talk_ms) + LONGER, "{version}");
        assert!(records[0].gaps.is_exact(), "{version}: {:?}", records[0].gaps);
    }
}

// ---- variations -----------------------------------------------------------------------------------------------------

#[test]
fn every_row_again_with_each_event_doubled() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let wrong = check(&scenario, &play_packets(&doubled(version, name)));
        assert!(wrong.is_empty(), "{version}/{name}: {}", wrong.join("\n"));
    }
    for (folder, name) in corpus::scenes() {
        let whole = play_packets(&packets(&folder, &name));
        assert_eq!(play_packets(&doubled(&folder, &name)), whole, "{folder}/{name}");
    }
}

fn doubled(version: &str, name: &str) -> Vec<(u64, Vec<u8>)> {
    let twice = |(at, packet): (u64, Vec<u8>)| vec![(at, packet.clone()); if is_event(&packet) { 2 } else { 1 }];
    packets(version, name).into_iter().flat_map(twice).collect()
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
        let wrong = check(&scenario, &restarted(version, name));
        assert!(wrong.is_empty(), "{version}/{name}: {}", wrong.join("\n"));
    }
    for (folder, name) in corpus::scenes() {
        let timing = Timing::parse(&corpus::timing(&folder, &name));
        let whole = records(&play(&corpus::one(&folder, &name), &timing));
        assert_eq!(restarted(&folder, &name), whole, "{folder}/{name}");
    }
}

fn restarted(version: &str, name: &str) -> Vec<CallRecord> {
    let timing = Timing::parse(&corpus::timing(version, name));
    let mut records = Vec::new();
    let mut tracker = Tracker::new(config());
    let end = each_event(&corpus::one(version, name), &timing, begun(), |event, now| {
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
    records
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
