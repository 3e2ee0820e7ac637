//! Commands as they are typed: what they print for people, and how they end.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

#[path = "waiting/agent.rs"]
#[allow(dead_code)] // what other tests need
mod agent;

mod journal_model;

use agent::{Agent, Place};
use journal_model::{at, entry, settings, usual_call};
use pbx::Pbx;
use ringpost::journal::marks::FORMAT_VERSION;
use ringpost::journal::storage::FileStorage;
use ringpost::journal::{Crm, CrmTag, Mark, Ring};
use ringpost::text::bounded;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Time for anything that should come at once.
const SOON: Duration = Duration::from_secs(20);

fn ringpost(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_ringpost")).args(arguments).output().expect("ringpost runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

fn trace(scenario: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1");
    root.join(scenario).with_extension("txt").display().to_string()
}

#[test]
fn version_tells_itself() {
    let (code, said, _) = ringpost(&["version"]);
    assert_eq!((code, said.lines().next()), (Some(0), Some(concat!("ringpost ", env!("CARGO_PKG_VERSION")))));
}

#[test]
fn replay_tells_each_call_of_a_trace_in_a_line() {
    let nowhere = Place::new();
    let absent = nowhere.path().join("absent.txt").display().to_string();
    for (scenario, wanted) in [
        ("inbound-answered", "from 79161234567  line 74951110001  101 talked 5 s  status 200"),
        ("inbound-busy", "from 79161234567  line 74951110004  busy  status 304"),
        ("internal-call", "inside to 102  line   102 talked 3 s  not posted"),
    ] {
        let (code, said, _) = ringpost(&["replay", &trace(scenario)]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(code == Some(0) && lines.len() == 1 && lines[0].ends_with(wanted), "{scenario}: {code:?} {said}");
    }
    let (code, said, why) = ringpost(&["replay", &trace("two-calls-at-once")]);
    assert_eq!((code, said.lines().count()), (Some(0), 2), "{said}{why}");
    let (code, said, why) = ringpost(&["replay", &absent]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(why.contains(&absent), "{why}");
}

#[test]
fn the_time_zone_changes_no_date() {
    let replay = |zone: &str| {
        let words = ["replay", "--json", &trace("inbound-answered")];
        let told = Command::new(env!("CARGO_BIN_EXE_ringpost")).args(words).env("TZ", zone).output();
        String::from_utf8_lossy(&told.expect("ringpost runs").stdout).into_owned()
    };
    let universal = replay("UTC0");
    let call: serde_json::Value = serde_json::from_str(&universal).expect("a call");
    assert!(call["started"].as_str().is_some_and(|date| date.ends_with("+00:00")), "{universal}");
    for zone in ["", "MSK-3", "<+0530>-5:30", "EST5EDT,M3.2.0,M11.1.0", ":/nowhere", "Europe/Moscow"] {
        assert_eq!(replay(zone), universal, "{zone}");
    }
}

/// A call of a Yeastar S, as far as it is needed to see one.
const YEASTAR: &str = "Event: Newchannel\r\nChannel: PJSIP/1000-0000001f\r\nChannelState: 4\r\nCallerIDNum: 1000\r\n\
    Context: DLPN_DialPlan1000\r\nExten: 1001\r\nUniqueid: 1763761303.1\r\nLinkedid: 1763761303.1\r\n\r\n";

#[test]
fn replay_says_on_the_side_which_family_it_saw() {
    let place = Place::new();
    let trace_of = |bytes: &str| {
        let path = place.path().join("trace.txt");
        std::fs::write(&path, format!("Asterisk Call Manager/2.8.0\r\n{bytes}")).expect("written");
        ringpost(&["replay", &path.display().to_string()])
    };
    let (code, said, why) = trace_of(YEASTAR);
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    assert!(why.starts_with("this looks like a Yeastar S or P (DLPN_…): profile yeastar-s is used; "), "{why}");
    let (_, _, why) = ringpost(&["replay", &trace("inbound-answered")]);
    assert_eq!(why, "", "plain Asterisk is nobody");
}

#[test]
fn status_shows_the_profile_and_whether_it_was_picked() {
    let pbx = Pbx::start();
    let mut agent = Agent::beside(&pbx, None);
    pbx.wait_live(SOON);
    agent.wait_status("a generic profile", SOON, |report| {
        report["pbx"]["profile"] == "auto" && report["pbx"]["picked"] == false
    });
    pbx.send(YEASTAR.as_bytes());
    agent.wait_status("a family", SOON, |report| {
        let pbx = &report["pbx"];
        pbx["profile"] == "yeastar-s" && pbx["picked"] == true
    });
    let said = agent.place.ask(&["status"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("\n         profile yeastar-s, picked by what the PBX says\n"), "{said}");
}

#[test]
fn replay_with_a_configuration_that_is_not_there_is_a_mistake() {
    let nowhere = Place::new();
    let typo = nowhere.path().join("typo.toml").display().to_string();
    let (code, said, why) = ringpost(&["-c", &typo, "replay", &trace("inbound-answered")]);
    assert_eq!((code, said.as_str()), (Some(2), ""));
    assert!(why.contains(&typo) && why.contains("there is no such file"), "{why}");
}

#[test]
fn replay_tells_numbers_by_the_rules_of_the_configuration() {
    let place = Place::new();
    let file = place.path().join("rules.toml");
    let rules = [
        ("country = \"7\"", "from +79161234567  line 74951110001  101 talked 5 s  status 200"),
        ("own = [\"7916*\"]", "101 talked 5 s  not posted: a number of the office's own"),
    ];
    for (rule, wanted) in rules {
        let text = format!(
            "[pbx]\nname = \"office\"\nhost = \"127.0.0.1\"\nusername = \"u\"\nsecret = \"s\"\n[numbers]\n{rule}\n\
             [[crm]]\nkind = \"bitrix24\"\nwebhook = \"https://portal.example/rest/1/x/\"\ndefault_user = 1\n"
        );
        std::fs::write(&file, text).expect("a file");
        let (code, said, why) = ringpost(&["-c", &file.display().to_string(), "replay", &trace("inbound-answered")]);
        assert!(code == Some(0) && said.trim_end().ends_with(wanted), "{said}{why}");
    }
}

#[test]
fn status_watches_until_it_is_ended() {
    let pbx = Pbx::start();
    let mut agent = Agent::beside(&pbx, None);
    pbx.wait_live(SOON);
    agent.wait_status("a live link", SOON, |report| report["pbx"]["live"] == true);
    let mut watch = agent.place.words(&["status", "--watch"]).stdout(Stdio::piped()).spawn().expect("ringpost runs");
    let mut screen = watch.stdout.take().expect("its output");
    let (mut shown, began) = (Vec::new(), Instant::now());
    // Each report begins by clearing the screen, so the third clearing ends the second report.
    while count(&shown) < 3 && began.elapsed() < SOON {
        let mut some = [0; 4096];
        let read = screen.read(&mut some).expect("its output");
        assert!(read > 0, "it ended by itself: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&some[..read]);
    }
    let took = began.elapsed();
    watch.kill().expect("it runs");
    watch.wait().expect("it ends");
    let text = String::from_utf8_lossy(&shown).into_owned();
    let reports: Vec<&str> = text.split(CLEAR).skip(1).take(2).collect();
    assert!(took >= Duration::from_secs(2) - Duration::from_millis(100), "three reports in {took:?}");
    for report in reports {
        assert!(report.starts_with(concat!("ringpost ", env!("CARGO_PKG_VERSION"), ", up ")), "{report}");
        for part in [
            "pbx      office at 127.0.0.1",
            "profile auto, no family",
            "calls    0 in progress",
            "journal  0 calls, 0 waiting",
        ] {
            assert!(report.contains(part), "no {part:?}: {report}");
        }
    }
}

#[test]
fn status_without_a_daemon_tells_what_to_do() {
    let place = Place::new();
    place.configure(([127, 0, 0, 1], 9).into(), None);
    let ended = place.ask(&["status", "--watch"]);
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("no ringpost is running here") && said.contains("start the service"), "{said}");
}

/// A journal of two CRMs with so many calls: the first is delivered, the second refused by the first CRM, the others
/// wait.
fn journal_in(place: &Place, kib: u32, calls: u64) -> std::path::PathBuf {
    let file = place.path().join("journal/ring");
    let storage = FileStorage::open(&file, kib).expect("a file");
    let mut ring = Ring::open(storage, settings(2)).0;
    for number in 1..=calls {
        let seq = ring.append(&entry(usual_call(number), 2), at(number)).expect("room").seq;
        for crm in 0..2 {
            let mark = match (number, crm) {
                (1, _) => Mark::Delivered { ticket: None },
                (2, 0) => Mark::Refused { reason: bounded(b"no such type") },
                _ => continue,
            };
            ring.mark(seq, Crm(crm), mark, at(number));
        }
    }
    ring.flush(at(calls)).and_then(|()| ring.sync()).expect("written");
    file
}

/// The fingerprint of the journal's CRMs.
fn fingerprint(crm: usize) -> String {
    format!("{:08x}", CrmTag::of(&format!("bitrix24:portal{crm}.example")).bits())
}

#[test]
fn journal_check_tells_what_a_file_holds_without_a_configuration() {
    let place = Place::new();
    let file = journal_in(&place, 64, 5);
    let before = std::fs::read(&file).expect("the journal");
    for named in [file.as_path(), file.parent().expect("its directory")] {
        let (code, said, why) = ringpost(&["journal", "check", &named.display().to_string()]);
        assert_eq!((code, why.as_str()), (Some(0), ""), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], format!("{}: a journal of format {FORMAT_VERSION}", file.display()));
        assert!(lines[1].starts_with("size     64 KiB, 16 pages, records 1 to "), "{said}");
        assert!(
            lines[2].starts_with("calls    5, begun from 2026-11-22T20:42:43+00:00 to 2026-11-22T20:46:43+00:00"),
            "{said}"
        );
        let crm = |crm, waiting, refused, but| {
            let name = fingerprint(crm);
            format!("crm      {name}: {waiting} calls waiting, {refused} refused, {but} delivered but for recordings")
        };
        assert_eq!(lines[3..], [crm(0, 3, 1, 1), crm(1, 4, 0, 1), "damage   none".to_owned()], "{said}");
    }
    assert_eq!(std::fs::read(&file).expect("the journal"), before, "it was written to");
}

#[test]
fn journal_check_counts_what_is_damaged_and_fails() {
    let place = Place::new();
    let file = journal_in(&place, 64, 5);
    let mut bytes = std::fs::read(&file).expect("the journal");
    bytes[150] ^= 1;
    bytes[40_960..45_056].fill(0x5a);
    std::fs::write(&file, &bytes).expect("a damaged journal");
    let (code, said, why) = ringpost(&["journal", "check", &file.display().to_string()]);
    assert_eq!((code, why.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("\ncalls    4, "), "{said}");
    assert!(said.contains("\ndamage   1 damaged places, 1 pages of garbage; ringpost leaves them out"), "{said}");
    let (code, said, why) = ringpost(&["journal", "export", &file.display().to_string()]);
    assert_eq!((code, said.lines().count()), (Some(0), 4), "{said}");
    assert!(why.starts_with("damage: 1 damaged places"), "{why}");
}

#[test]
fn what_is_no_journal_is_told_so() {
    let place = Place::new();
    let file = place.path().join("journal/ring");
    let check = || ringpost(&["journal", "check", &file.display().to_string()]);
    let told = |text: &str| {
        let (code, said, why) = check();
        assert_eq!((code, said.as_str()), (Some(1), ""), "{why}");
        assert!(why.starts_with(&format!("{}: {text}", file.display())), "{why}");
    };
    told("No such file");
    for bytes in [vec![], b"[pbx]\n".repeat(2000), vec![0xff; 65_536], b"short".to_vec()] {
        std::fs::write(&file, bytes).expect("a file");
        told("this is no journal");
    }
    let (code, _, why) = ringpost(&["journal", "export", &file.display().to_string()]);
    assert_eq!(code, Some(1), "{why}");
    let (code, _, why) = ringpost(&["journal", "check", "/dev/null"]);
    assert_eq!(
        (code, why.as_str()),
        (Some(1), "/dev/null: this is no file: name a journal's file, or the directory it lies in\n")
    );
    std::fs::write(&file, vec![0; 65_536]).expect("a file");
    let (code, said, _) = check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a journal that nothing was written to yet") && said.contains("\ncalls    0\n"), "{said}");
}

#[test]
fn journal_export_prints_every_call_once_oldest_first_as_json() {
    let place = Place::new();
    let file = journal_in(&place, 2048, 3000);
    let (code, said, why) = ringpost(&["journal", "export", &file.display().to_string()]);
    assert_eq!((code, why.as_str()), (Some(0), ""), "nobody watches: no progress");
    let rows: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    let wanted: Vec<String> = (1..=3000).map(|number| usual_call(number).id.to_string()).collect();
    assert_eq!(ids, wanted);
    let states = |row: &serde_json::Value| {
        let of = |crm: usize| {
            let delivery = &row["deliveries"][crm];
            assert_eq!(delivery["crm"], fingerprint(crm).as_str(), "{row}");
            (delivery["state"].as_str().map(str::to_owned), delivery["reason"].as_str().map(str::to_owned))
        };
        (of(0), of(1))
    };
    let some = |word: &str| Some(word.to_owned());
    assert_eq!(states(&rows[0]), ((some("recording-waits"), None), (some("recording-waits"), None)));
    assert_eq!(states(&rows[1]), ((some("refused"), some("no such type")), (some("waiting"), None)));
    assert_eq!(states(&rows[2999]), ((some("waiting"), None), (some("waiting"), None)));
    assert_eq!(rows[0]["started"], "2026-11-22T20:42:43+00:00", "{}", rows[0]);
}

#[test]
fn journal_export_to_a_reader_that_goes_away_ends_well() {
    let place = Place::new();
    let file = journal_in(&place, 1024, 1000);
    let mut export = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    let export = export.args(["journal", "export"]).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut export = export.spawn().expect("ringpost runs");
    drop(export.stdout.take());
    let ended = export.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}

const CLEAR: &str = "\x1b[2J\x1b[H";

fn count(shown: &[u8]) -> usize {
    String::from_utf8_lossy(shown).matches(CLEAR).count()
}
