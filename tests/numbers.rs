//! Rules for numbers over what real exchanges said: the card and the call that follows it always agree.
#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used)] // a test may panic

use ringpost::call::classify::Contexts;
use ringpost::call::live::LiveCall;
use ringpost::call::record::{CallRecord, Direction, Withheld};
use ringpost::call::tracker::{Output, TrackerConfig};
use ringpost::clock::Stamp;
use ringpost::number::rules::{Rewrite, Rules};
use ringpost::number::{Country, Entry, Pattern};
use ringpost::profile;
use ringpost::replay::{Timing, replay};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn entries(list: &[&str]) -> Vec<Entry> {
    list.iter().map(|entry| Entry::parse(entry).unwrap()).collect()
}

fn rules() -> Rules {
    let from = Pattern::parse("98|XXXXXXXXXX").unwrap();
    Rules {
        rewrites: vec![Rewrite { direction: None, from, to: "+7*".into() }],
        country: Country::of("7"),
        ..Rules::default()
    }
}

fn transcripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).expect("part of the tree").map(|entry| entry.expect("readable").path()).collect()
    };
    let folders = entries(&root).into_iter().filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = folders.flat_map(|folder| entries(&folder)).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    found
}

/// The last hint of each call, and the calls.
fn played(transcript: &Path, numbers: Rules) -> (BTreeMap<String, LiveCall>, Vec<CallRecord>) {
    let bytes = std::fs::read(transcript).expect("readable");
    let timing = Timing::parse(&std::fs::read_to_string(transcript.with_extension("timing.tsv")).unwrap_or_default());
    let config = TrackerConfig {
        pbx_name: "pbx".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: numbers.into(),
    };
    let (mut hints, mut calls) = (BTreeMap::new(), Vec::new());
    replay(config, &bytes, &timing, Stamp::default(), |output, _| match output {
        Output::Live(call) => drop(hints.insert(call.id.to_string(), *call)),
        Output::Finished(call) => calls.push(*call),
        _ => {}
    });
    (hints, calls)
}

fn answered(numbers: Rules) -> CallRecord {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1/inbound-answered.txt");
    let (_, mut calls) = played(&file, numbers);
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

#[test]
fn hint_and_record_agree_in_every_transcript() {
    let mut seen = 0;
    for file in transcripts() {
        let lists = Rules { own: entries(&["79165550077"]), not_lines: entries(&["74951110002"]), ..rules() };
        let (hints, calls) = played(&file, lists);
        for call in calls.iter().filter(|call| call.direction != Direction::Internal) {
            let is_whole = call.client.is_empty() || call.client.starts_with('+') || call.client.len() <= 6;
            assert!(is_whole, "{}: {}", file.display(), call.client);
            let Some(hint) = hints.get(call.id.as_str()) else { continue };
            assert_eq!(
                (hint.direction, &hint.client, hint.withheld),
                (call.direction, &call.client, call.withheld),
                "{}",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen}");
}

#[test]
fn a_replayed_call_is_told_and_withheld_by_the_rules() {
    assert_eq!(answered(Rules::default()).client, "79161234567");
    let told = answered(rules());
    assert_eq!((told.client.as_str(), told.line.as_str(), told.withheld), ("+79161234567", "74951110001", None));
    assert!(told.is_posted());
    for (rules, why) in [
        (Rules { own: entries(&["8 916 123-45-67"]), ..rules() }, Withheld::Own),
        (Rules { not_clients: entries(&["+7916*"]), ..rules() }, Withheld::Client),
        (Rules { only_clients: entries(&["7495*"]), ..rules() }, Withheld::Client),
        (Rules { only_lines: entries(&["74951110002"]), ..rules() }, Withheld::Line),
        (Rules { not_lines: entries(&["trunk"]), ..rules() }, Withheld::Line),
    ] {
        let call = answered(rules);
        assert_eq!((call.client.as_str(), call.withheld, call.is_posted()), ("+79161234567", Some(why), false));
    }
}

/// The lists judge the client, not who took the call.
#[test]
fn a_clients_call_forwarded_to_an_own_mobile_is_posted() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1/forward-external.txt");
    let (_, calls) = played(&file, Rules { own: entries(&["79165550077"]), ..rules() });
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].direction, calls[0].is_posted()), (Direction::Inbound, true));
    assert_eq!(calls[0].talked_last.as_deref(), Some("79165550077"));
}
