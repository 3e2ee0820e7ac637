//! What becomes of the journal: calls that a portal refused and somebody wants tried again, a file that is carried to
//! another router, and what the commands around it say.

use crate::agent::{Agent, Place};
use crate::backlog::{LATER, REGISTER, SOON, client, in_step, missed};
use pbx::Pbx;
use portal::{Fault, Portal, PortalConfig, State};
use ringpost::journal::medium::Medium;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

fn office() -> (Pbx, Portal) {
    (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"))
}

/// The portal refuses the calls with this client for ever.
fn refuse(portal: &Portal, number: usize) {
    let fault = Fault::error(400, "ERROR_ARGUMENT", "No such thing").on(REGISTER);
    portal.fault(fault.with("PHONE_NUMBER", &client(number)).times(u32::MAX));
}

/// The clients of the portal's finished calls, in the order in which they came.
fn finished(portal: &Portal) -> Vec<String> {
    portal.calls().iter().map(|call| call.registered.phone.clone()).collect()
}

/// Changes the configuration.
fn configure(place: &Place, from: &str, to: &str) {
    let config = fs::read_to_string(place.config()).expect("the configuration");
    assert!(config.contains(from), "{config}");
    place.write_config(&config.replace(from, to));
}

/// The line of `doctor` about the journal; doctor itself fails where the portal is away.
fn doctor_of_journal(place: &Place) -> String {
    let told = String::from_utf8_lossy(&place.command("doctor").stdout).into_owned();
    told.lines().find(|line| line.contains("  journal ")).expect("a line about the journal").to_owned()
}

fn await_finished(portal: &Portal, agent: &Agent, calls: usize) {
    let there = |state: &State| (state.calls().len() >= calls && state.live_calls().is_empty()).then_some(());
    portal
        .wait_for(LATER, there)
        .unwrap_or_else(|| panic!("{:?}, not finished {:#?}\n{}", finished(portal), portal.live_calls(), agent.log()));
}

/// What a command prints for people; it has to end well.
fn said(place: &Place, words: &[&str]) -> String {
    let output = place.ask(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same as JSON, one value a line.
fn rows(place: &Place, words: &[&str]) -> Vec<Value> {
    said(place, words).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What a command that fails says about it.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_refused_call_is_listed_blocks_nobody_and_arrives_once_when_it_is_tried_again() {
    let (pbx, portal) = office();
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    assert_eq!(said(&agent.place, &["retry", "--all"]), "no call is refused\n");
    refuse(&portal, 1);
    for number in 0..4 {
        pbx.play(&missed(number), 1000.0);
    }
    await_finished(&portal, &agent, 3);
    agent.wait_status("a refused call", SOON, |report| report["crm"][0]["counters"]["refused"] == 1);
    // The card of one may keep its call waiting for a moment.
    let mut others = finished(&portal);
    others.sort_unstable();
    assert_eq!(others, [client(0), client(2), client(3)], "the others go on");

    let listed = rows(&agent.place, &["calls", "--dead", "--json"]);
    assert_eq!(listed.len(), 1, "{listed:#?}");
    let (id, delivery) = (listed[0]["id"].as_str().expect("an identity").to_owned(), &listed[0]["deliveries"][0]);
    assert_eq!((listed[0]["client"].as_str(), delivery["crm"].as_str()), (Some(client(1).as_str()), Some("bitrix24")));
    assert_eq!(delivery["state"], "refused", "{delivery}");
    let text = said(&agent.place, &["calls", "--dead"]);
    assert!(text.starts_with(&format!("{id}  ")) && text.lines().count() == 1, "{text}");
    let reason = delivery["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("No such thing") && text.ends_with(&format!("  bitrix24 refused: {reason}\n")), "{text}");
    let status = said(&agent.place, &["status"]);
    assert!(status.contains("\n         1 refused: `ringpost calls --dead` tells why, `ringpost retry`"), "{status}");

    // The portal still refuses it: back to the list.
    assert_eq!(said(&agent.place, &["retry", &id]), "1 call is tried again\n");
    agent.wait_status("another refusal", SOON, |report| report["crm"][0]["counters"]["refused"] == 2);
    portal.clear_faults();
    let unknown = complaint(&agent.place.ask(&["retry", "office-1.1"]));
    assert!(unknown.contains("no call of this identity is refused"), "{unknown}");
    assert_eq!(said(&agent.place, &["retry", &id]), "1 call is tried again\n");
    await_finished(&portal, &agent, 4);
    let delivered = |report: &Value| report["journal"]["waiting"] == 0 && report["journal"]["refused"] == 0;
    agent.wait_status("the delivery", SOON, delivered);
    assert_eq!(said(&agent.place, &["calls", "--dead"]), "");
    assert_eq!(said(&agent.place, &["retry", "--all"]), "no call is refused\n");
    assert_eq!(finished(&portal)[3], client(1));
    assert_eq!(portal.calls().len(), 4);
}

#[test]
fn without_a_daemon_retry_writes_the_journal_and_the_call_goes_at_the_next_start() {
    let (pbx, portal) = office();
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    refuse(&portal, 1);
    pbx.play(&missed(1), 1000.0);
    agent.wait_status("a refused call", SOON, |report| report["crm"][0]["counters"]["refused"] == 1);
    let place = agent.stop();
    portal.clear_faults();
    assert_eq!(said(&place, &["retry", "--all"]), "1 call is tried again when ringpost starts\n");
    assert_eq!(said(&place, &["calls", "--dead"]), "");
    assert_eq!(portal.calls().len(), 0);
    let agent = Agent::run(place);
    await_finished(&portal, &agent, 1);
    assert_eq!(finished(&portal), [client(1)]);

    let nowhere = Place::new();
    nowhere.configure(pbx.address(), Some(&portal));
    let why = complaint(&nowhere.ask(&["retry", "--all"]));
    assert!(why.contains("journal/ring"), "{why}");
    assert!(!nowhere.path().join("journal/ring").exists(), "a journal was made");
}

#[test]
fn a_journal_carried_to_another_router_delivers_what_was_left_once() {
    let (pbx, portal) = office();
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    pbx.play(&missed(0), 1000.0);
    await_finished(&portal, &agent, 1);
    agent.wait_status("the delivery", SOON, |report| report["journal"]["waiting"] == 0);
    portal.go_down();
    for number in 1..7 {
        pbx.play(&missed(number), 1000.0);
    }
    agent.wait_status("what waits", SOON, |report| report["journal"]["waiting"] == 6);
    let old = agent.stop();

    let new = Place::new();
    new.configure(pbx.address(), Some(&portal));
    fs::copy(old.path().join("journal/ring"), new.path().join("journal/ring")).expect("the file is carried over");
    drop(old);
    portal.come_up().expect("the portal is back");
    let mut agent = Agent::run_in_boot(new, Some("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"));
    agent.wait_log("journal open, 7 calls in it", SOON);
    await_finished(&portal, &agent, 7);
    agent.wait_status("all delivered", SOON, |report| report["journal"]["waiting"] == 0);
    assert_eq!(finished(&portal), (0..7).map(client).collect::<Vec<_>>(), "oldest first, each once");
    // Nor does it send anything again at its next start.
    let mut agent = Agent::run(agent.stop());
    agent.wait_status("a live link", SOON, |report| report["pbx"]["live"] == true);
    pbx.play(&missed(7), 1000.0);
    await_finished(&portal, &agent, 8);
    agent.wait_status("all delivered", SOON, |report| report["journal"]["waiting"] == 0);
    assert_eq!(finished(&portal), (0..8).map(client).collect::<Vec<_>>());
}

#[test]
fn check_and_export_work_beside_a_daemon_and_tell_what_calls_tells() {
    let (pbx, portal) = office();
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    portal.go_down();
    for number in 0..3 {
        pbx.play(&missed(number), 1000.0);
    }
    agent.wait_status("what waits", SOON, |report| report["journal"]["waiting"] == 3);
    let journal = agent.place.path().join("journal").display().to_string();
    let exported = rows(&agent.place, &["journal", "export", &journal]);
    assert_eq!(exported, rows(&agent.place, &["calls", "--json"]));
    assert_eq!(exported.len(), 3);
    let checked = said(&agent.place, &["journal", "check", &journal]);
    assert!(checked.contains("\ncalls    3, begun from 20"), "{checked}");
    assert!(
        checked.contains("\ncrm      bitrix24 (") && checked.contains("): 3 calls waiting, 0 refused"),
        "{checked}"
    );
}

#[test]
fn a_full_journal_is_told_once_with_the_remedy() {
    let (pbx, portal) = office();
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    configure(&place, "[run]", "size_kib = 64\n[run]");
    let mut agent = Agent::run(place);
    in_step(&pbx, &portal);
    let line = doctor_of_journal(&agent.place);
    assert!(line.starts_with("ok ") && line.contains("; no call waits; on "), "{line}");
    portal.go_down();
    let (mut report, mut played) = (Value::Null, 0);
    while report["journal"]["dropped"].as_u64() <= Some(50) {
        assert!(played < 3000, "it does not become full: {report}");
        for number in played..played + 50 {
            pbx.play(&missed(number), 1000.0);
        }
        played += 50;
        let heard = |report: &Value| {
            let journal = |key: &str| report["journal"][key].as_u64().unwrap_or(0);
            journal("calls") + journal("dropped") >= played as u64
        };
        report = agent.wait_status("the calls in the journal", SOON, heard);
    }
    let journal = &report["journal"];
    assert_eq!(journal["full"], true, "{journal}");
    let (waiting, room) = (journal["waiting"].as_u64().expect("a count"), journal["room"].as_u64().expect("a count"));
    assert!(waiting > 100 && waiting.abs_diff(room) * 5 < room, "{waiting} wait where about {room} fit");
    assert_eq!(agent.times("the journal is full of calls that wait"), 1, "{}", agent.log());
    let status = said(&agent.place, &["status"]);
    assert!(status.contains("it is FULL and calls are lost: enlarge [journal] size_kib"), "{status}");
    let line = doctor_of_journal(&agent.place);
    assert!(line.starts_with("warn ") && line.contains("it is full and calls are lost"), "{line}");
    assert!(line.contains("enlarge [journal] size_kib"), "{line}");
}

#[test]
fn a_journal_that_cannot_be_written_is_told_once_everywhere_with_the_remedy() {
    let (pbx, portal) = office();
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let directory = place.path().join("journal").display().to_string();
    configure(&place, &directory, &format!("{directory}/is/below"));
    fs::remove_dir(place.path().join("journal")).expect("it is empty");
    fs::write(place.path().join("journal"), "a file").expect("written");
    let mut agent = Agent::run(place);
    in_step(&pbx, &portal);
    for number in 0..3 {
        pbx.play(&missed(number), 1000.0);
    }
    await_finished(&portal, &agent, 3);
    let report = agent.wait_status("three deliveries", SOON, |report| report["journal"]["unjournalled"] == 3);
    let fault = report["journal"]["fault"].as_str().expect("a text").to_owned();
    assert!(fault.starts_with("cannot open the journal: ") && fault.contains("has to name a directory"), "{fault}");
    assert_eq!(agent.times(&fault), 1, "{}", agent.log());
    assert_eq!(agent.times("could not be journalled"), 1, "{}", agent.log());
    assert!(said(&agent.place, &["status"]).contains(&fault));
    let line = doctor_of_journal(&agent.place);
    assert!(line.starts_with("FAIL ") && line.ends_with(&fault), "{line}");
}

#[test]
fn what_is_written_is_counted_and_what_the_operator_says_of_the_flash_is_believed() {
    let (pbx, portal) = office();
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    configure(&place, "[run]", "medium = \"nor\"\n[run]");
    let mut agent = Agent::run(place);
    in_step(&pbx, &portal);
    pbx.play(&missed(0), 1000.0);
    await_finished(&portal, &agent, 1);
    let report = agent.wait_status("a call in the journal", SOON, |report| report["journal"]["calls"] == 1);
    let journal = &report["journal"];
    let of = |key: &str| journal[key].as_u64().unwrap_or(0);
    assert!(of("syncs_today") >= 1 && (50..20_000).contains(&of("bytes_today")), "{journal}");
    if journal["medium"] == "memory" {
        return; // the machine's directory for temporary files is in memory, which is never overruled
    }
    assert_eq!((journal["medium"].as_str(), of("size_bytes")), (Some("nor"), 512 * 1024), "{journal}");
    assert!(journal["years_left"].as_f64() > Some(0.0) && of("filesystem_bytes") > 0, "{journal}");
    let status = said(&agent.place, &["status"]);
    let wear = status.lines().find(|line| line.contains("(NOR flash)")).unwrap_or_else(|| panic!("{status}"));
    assert!(wear.contains(" syncs today; at the rate since the start that lasts "), "{wear}");
    let line = doctor_of_journal(&agent.place);
    assert!(
        line.starts_with("ok ") && line.contains("(NOR flash), which at the rate since the start lasts "),
        "{line}"
    );
}

#[test]
fn a_journal_in_memory_is_warned_of_everywhere() {
    let memory = Path::new("/dev/shm");
    if Medium::of(memory, None).is_lasting() {
        return; // a machine without; `journal::medium` has tests of what is made of the kernel's words
    }
    let (pbx, portal) = office();
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let own = memory.join(place.path().file_name().expect("a name"));
    configure(&place, &place.path().join("journal").display().to_string(), &own.display().to_string());
    configure(&place, "[run]", "medium = \"emmc\"\n[run]");
    let before = doctor_of_journal(&place);
    let mut agent = Agent::run(place);
    in_step(&pbx, &portal);
    let warning = "it lies in RAM: calls that wait do not outlive the power; put [journal] path on flash";
    let report = agent.wait_status("a journal", SOON, |report| report["journal"]["size_bytes"] != 0);
    let (status, line) = (said(&agent.place, &["status"]), doctor_of_journal(&agent.place));
    let logged = agent.times(warning);
    drop(agent);
    let _ = fs::remove_dir_all(own);
    assert_eq!((report["journal"]["medium"].as_str(), logged), (Some("memory"), 1), "{report}");
    assert!(status.contains(warning), "{status}");
    for line in [before, line] {
        assert!(line.starts_with("warn ") && line.contains(warning), "{line}");
    }
}
