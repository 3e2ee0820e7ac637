//! Commands as they are typed: what they print for people, and how they end.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

#[path = "waiting/agent.rs"]
#[allow(dead_code)] // what other tests need
mod agent;

use agent::{Agent, Place};
use pbx::Pbx;
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

const CLEAR: &str = "\x1b[2J\x1b[H";

fn count(shown: &[u8]) -> usize {
    String::from_utf8_lossy(shown).matches(CLEAR).count()
}
