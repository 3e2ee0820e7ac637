//! Every transcript that has its records beside it (`NAME.json`, as `ringpost replay --json NAME.txt` prints them)
//! gives these records: whole ones, not the columns of the oracle only. `docs/testing.md` says how to add one.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

use ringpost::call::classify::Contexts;
use ringpost::call::json;
use ringpost::call::tracker::{Output, TrackerConfig};
use ringpost::clock::Stamp;
use ringpost::crm::bitrix24;
use ringpost::profile;
use ringpost::replay::{Timing, replay};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// All `NAME.json` under the directories of `tests/transcripts`.
fn expectations() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("transcripts are part of the tree");
        entries.map(|entry| entry.expect("readable").path()).collect()
    };
    let folders = entries(&root).into_iter().filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = folders.flat_map(|folder| entries(&folder)).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    found.sort();
    found
}

/// A call without its dates: a transcript has none of its own.
fn undated(line: &str) -> Value {
    let mut call: Value = serde_json::from_str(line).expect("a JSON object");
    let fields = call.as_object_mut().expect("a JSON object");
    fields.retain(|name, _| name != "started" && name != "ended");
    call
}

fn replayed(transcript: &Path) -> Vec<Value> {
    let bytes = std::fs::read(transcript).expect("a transcript beside its records");
    let timing = Timing::parse(&std::fs::read_to_string(transcript.with_extension("timing.tsv")).unwrap_or_default());
    let config = TrackerConfig {
        pbx_name: "pbx".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    };
    let mut calls = Vec::new();
    replay(config, &bytes, &timing, Stamp::default(), |output, now| {
        if let Output::Finished(call) = output {
            let status = bitrix24::wants(&call).then(|| bitrix24::status_code(&call));
            calls.push(undated(&json::line(&call, status, None, now)));
        }
    });
    calls
}

#[test]
fn every_transcript_gives_the_records_beside_it() {
    let expectations = expectations();
    assert!(expectations.len() >= 4, "only {expectations:?}");
    for expected in expectations {
        let lines = std::fs::read_to_string(&expected).expect("readable");
        let should: Vec<Value> = lines.lines().map(undated).collect();
        let transcript = expected.with_extension("txt");
        let is = replayed(&transcript);
        let shown = |calls: &[Value]| calls.iter().map(|call| format!("{call}\n")).collect::<String>();
        assert!(is == should, "{}: told\n{}instead of\n{}", expected.display(), shown(&is), shown(&should));
    }
}
