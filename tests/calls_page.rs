//! `docs/calls.md` against the code: the states as drawn, and that each quirk is held by a test that exists. Its other
//! tables are held by `tracker`, `scenes`, `tracker_metamorphic`, `tracker_streams` and `tracker_old`.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
mod stage;

use ringpost::ami::event::Event;
use ringpost::ami::filters::Generation;
use ringpost::limits::{RESYNC_EVERY, SETTLE};
use stage::{ONE, Stage, TRUNK, ch, leg};
use std::path::Path;

/// The rows of the table under this heading, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = corpus::doc("docs/calls.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let rows = section.lines().skip_while(|line| !line.starts_with("| --- ")).skip(1);
    let rows = rows.take_while(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The call goes through every box of the drawing and along each of its arrows, in the order of the drawing.
#[test]
fn the_states_are_those_of_the_drawing() {
    let mut stage = Stage::new();
    // no direction, then inbound and ringing
    stage.made(leg(TRUNK, 0));
    assert!(stage.hints.is_empty(), "nothing to show yet");
    stage.say(Event::NewState { channel: leg(TRUNK, 4) });
    stage.dials(leg(TRUNK, 4), leg(ONE, 0));
    assert_eq!(stage.hints.last().expect("it rings").ringing.len(), 1);
    stage.wait(1_000);
    // talking
    stage.answer();
    assert_eq!(stage.hints.last().and_then(|hint| hint.talking.as_deref()), Some("101"));
    stage.wait(3_000);
    // connected to nobody, then talking with another: a transfer
    stage.leaves(leg(ONE, 6));
    stage.gone(leg(ONE, 6), 16);
    stage.wait(4_000);
    let (one, two) = (ch("Local/102@x-1;1", "8.1", "1.1", 0), ch("Local/102@x-1;2", "8.2", "1.1", 4));
    let phone = ch("PJSIP/102-9", "9.1", "1.1", 0);
    stage.dials(leg(TRUNK, 6), one);
    stage.made(two);
    stage.say(Event::LocalBridge { one, two });
    stage.dials(two, phone);
    for channel in [phone, two, one] {
        stage.enters(ringpost::ami::event::Channel { state: Some(6), ..channel });
    }
    stage.wait(5_000);
    // the last telephone and the trunk are gone, a Local channel is left
    stage.gone(phone, 16);
    stage.gone(leg(TRUNK, 6), 16);
    let settle = SETTLE.as_millis() as u64;
    stage.wait(settle - 1);
    assert!(stage.records.is_empty(), "another telephone may still be dialled");
    stage.wait(1);
    // finished, once
    let record = stage.only_record();
    assert_eq!(record.talks.iter().map(|talk| talk.talk_ms).collect::<Vec<_>>(), [3_000, 5_000]);
    assert_eq!(record.transfers.len(), 1);
    let page = corpus::doc("docs/calls.md");
    let states = page.split("\n## ").find(|section| section.starts_with("The states of a call")).expect("the drawing");
    for words in ["no ", "direction", "ringing", "talking", "connected", "to nobody", "finished"] {
        assert!(states.contains(&format!("│ {words}")), "no box {words:?}");
    }
    assert!(
        states.contains(&format!("wait {} s", SETTLE.as_secs()))
            && page.contains(&format!("every {} s", RESYNC_EVERY.as_secs()))
    );
}

#[test]
fn each_quirk_is_held_by_a_test() {
    let mut named = 0;
    for heading in ["Quirks by version", "Quirks by PBX"] {
        for row in table(heading) {
            let held_by = row.last().expect("a cell");
            for test in held_by.split(", ").map(|test| test.trim_matches('`')) {
                let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{}: held by {test:?}", row[0]));
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{file}.rs"));
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                assert!(text.contains(&format!("\nfn {name}()")), "{}: there is no test {test}", row[0]);
                named += 1;
            }
        }
    }
    assert!(named > 20, "only {named} tests named");
}

#[test]
fn each_version_is_of_the_generation_that_its_ami_says() {
    let rows = table("Quirks by version");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows.iter().filter(|row| row[0] != "all") {
        let first = |text: &str| text.trim_start_matches("to ").split([' ', ',']).next().unwrap_or_default().to_owned();
        // 1.4 to 1.8 were named by their second number.
        let (asterisk, ami) = (first(&row[0]), first(&row[1]));
        let banner = format!("Asterisk Call Manager/{ami}");
        assert_eq!(Generation::of(&asterisk, "", ""), Generation::of("", &ami, &banner), "{row:?}");
    }
}
