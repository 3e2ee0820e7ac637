//! Journals of every format that was ever written, and what must be read of them for ever.
//!
//! `tests/journals/vN/NAME.ring` is a file of format N as the code of its time left it, `NAME.json` what is in it. A
//! file that is there is never made anew: `RINGPOST_MAKE_JOURNALS=DIR cargo test --test journal_formats -- --ignored`
//! is for the next format. What a later version adds to a call may be missing in `NAME.json`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

#[path = "journal_formats/make.rs"]
mod make;

mod journal_model;

use journal_model::{at, boot, entry, settings, usual_call};
use ringpost::journal::marks::FORMAT_VERSION;
use ringpost::journal::simulated::SimulatedMedium;
use ringpost::journal::{Crm, Dating, HistoryItem, Mark, Part, Pending, Recovery, Ring, Seq, Settings};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const OLDEST: Seq = Seq(0);

/// All journals that are kept.
fn kept() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut files: Vec<PathBuf> = entries(&root).iter().flat_map(|folder| entries(folder)).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "ring"));
    files.sort();
    files
}

/// Opened in the last of the boots that wrote it.
fn opened(image: Vec<u8>) -> (Ring<SimulatedMedium>, Recovery) {
    opened_in(3, image)
}

fn opened_in(number: u64, image: Vec<u8>) -> (Ring<SimulatedMedium>, Recovery) {
    Ring::open(SimulatedMedium::with_image(image), Settings { boot: boot(number), ..settings(2) })
}

/// All that the ring tells of its content: what was found, each call, and what is handed out to each CRM.
fn content(ring: &mut Ring<SimulatedMedium>, recovery: &Recovery) -> Vec<Value> {
    let found = json!({
        "pages": recovery.pages, "entries": recovery.entries, "damaged_places": recovery.damaged_places,
        "damaged_pages": recovery.damaged_pages, "unknown_records": recovery.unknown_records,
    });
    let refused: Vec<u64> = ring.refused(OLDEST, 64).iter().map(|item| item.seq.0).collect();
    let mut told = vec![json!({ "recovery": found, "refused": refused })];
    told.extend(everything(ring).iter().map(told_item));
    for (crm, part) in
        [(Crm(0), Part::Call), (Crm(0), Part::Recordings), (Crm(1), Part::Call), (Crm(1), Part::Recordings)]
    {
        let all = all_pending(ring, crm, part);
        told.extend(all.iter().map(|pending| told_pending(crm.0, part, pending)));
    }
    told
}

fn everything(ring: &Ring<SimulatedMedium>) -> Vec<HistoryItem> {
    let mut all: Vec<HistoryItem> = Vec::new();
    loop {
        let window = ring.history(all.last().map_or(Seq(u64::MAX), |item| item.seq), 64);
        if window.is_empty() {
            return all;
        }
        all.extend(window);
    }
}

fn all_pending(ring: &mut Ring<SimulatedMedium>, crm: Crm, part: Part) -> Vec<Pending> {
    let mut all: Vec<Pending> = Vec::new();
    loop {
        let window = ring.pending(crm, part, all.last().map_or(OLDEST, |pending| pending.seq), 64);
        if window.is_empty() {
            return all;
        }
        all.extend(window);
    }
}

fn told_item(item: &HistoryItem) -> Value {
    let deliveries = item.deliveries.iter().map(|(crm, state, ticket, reason)| {
        json!({
            "crm": crm.0, "waiting": state.is_waiting(), "delivered": state.is_delivered(), "refused": state.is_refused(),
            "recordings_left": state.recordings_left(item.call.recordings.len() as u8), "ticket": ticket, "reason": reason,
        })
    });
    let deliveries: Vec<Value> = deliveries.collect();
    json!({ "seq": item.seq.0, "call": item.call, "dating": dating(item.dating), "deliveries": deliveries })
}

fn told_pending(crm: u8, part: Part, pending: &Pending) -> Value {
    json!({
        "for": crm, "part": format!("{part:?}"),
        "seq": pending.seq.0, "id": pending.call.id, "ticket": pending.ticket, "recordings_left": pending.recordings_left,
        "in_doubt": pending.in_doubt, "dating": dating(pending.dating),
    })
}

fn dating(dating: Dating) -> String {
    format!("{dating:?}")
}

/// Whether all that `should` says is so in `is`, which may say more.
fn assert_says(is: &Value, should: &Value, place: &str) {
    match (is, should) {
        (Value::Object(is), Value::Object(should)) => {
            for (name, should) in should {
                // The monotonic time of another boot is read and not told: it would date the call by this one.
                if name == "mono" && is.get(name) == Some(&json!(0)) {
                    continue;
                }
                assert_says(is.get(name).unwrap_or(&Value::Null), should, &format!("{place}.{name}"));
            }
        }
        (Value::Array(is), Value::Array(should)) => {
            assert_eq!(is.len(), should.len(), "{place}");
            for (at, (is, should)) in is.iter().zip(should).enumerate() {
                assert_says(is, should, &format!("{place}[{at}]"));
            }
        }
        _ => assert_eq!(is, should, "{place}"),
    }
}

#[test]
fn a_journal_of_every_format_is_read_to_the_last_field() {
    let kept = kept();
    for version in 1..=FORMAT_VERSION {
        let folder = format!("v{version}");
        let of_it = kept.iter().filter(|path| path.parent().is_some_and(|parent| parent.ends_with(&folder)));
        assert!(of_it.count() >= 3, "no journals of format {version}: {kept:?}");
    }
    for path in kept {
        let told = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let should: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut ring, recovery) = opened(std::fs::read(&path).unwrap());
        let is = content(&mut ring, &recovery);
        assert_says(&Value::Array(is), &Value::Array(should), &path.display().to_string());
    }
}

/// New records go into the old file beside the old ones, which are copied on as the ring turns.
#[test]
fn a_journal_of_every_format_goes_on_being_written_and_loses_no_open_call() {
    for path in kept() {
        let (mut ring, _) = opened_in(4, std::fs::read(&path).unwrap());
        let open = |ring: &mut Ring<SimulatedMedium>| {
            [Crm(0), Crm(1)].map(|crm| {
                all_pending(ring, crm, Part::Call).into_iter().map(|p| (p.call, p.ticket, p.dating)).collect::<Vec<_>>()
            })
        };
        let mut before = open(&mut ring);
        let newest = ring.next_seq();
        // Two rounds of the ring.
        for number in 0..600 {
            let call = usual_call(10_000 + number);
            let seq = ring.append(&entry(call, 2), at(1_000_000 + number)).unwrap().seq;
            for crm in [Crm(0), Crm(1)] {
                ring.mark(seq, crm, Mark::Delivered { ticket: None }, at(1_000_000 + number));
                ring.mark(seq, crm, Mark::Attached { recording: 0 }, at(1_000_000 + number));
            }
        }
        ring.flush(at(1_001_000)).unwrap();
        ring.sync().unwrap();
        assert!(ring.next_seq().0 > newest.0 + 1200);
        let (mut again, recovery) = opened_in(4, ring.storage().image().to_vec());
        assert!(recovery.is_clean(), "{}: {recovery:?}", path.display());
        let mut after = open(&mut again);
        // A call that was never dated may be, by now, or keep waiting: its dates are compared elsewhere.
        for calls in before.iter_mut().chain(&mut after) {
            calls.retain(|(_, _, dating)| *dating == Dating::Known);
        }
        assert_eq!(after, before, "{}", path.display());
    }
}

#[test]
#[ignore = "makes the files of a new format, once"]
fn make_the_journals_of_this_format() {
    let folder = PathBuf::from(std::env::var("RINGPOST_MAKE_JOURNALS").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    for made in make::all() {
        let path = folder.join(made.name);
        assert!(!path.with_extension("ring").exists(), "a journal that is kept is never made anew");
        let (mut ring, recovery) = opened(made.image.clone());
        let told: String = content(&mut ring, &recovery).iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(path.with_extension("ring"), made.image).unwrap();
        std::fs::write(path.with_extension("json"), told).unwrap();
    }
}
