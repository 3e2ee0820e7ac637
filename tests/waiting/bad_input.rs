//! What the real binary does with what it should never be given: wrong secrets, wrong ports, floods, drips, damaged
//! files. It never crashes, says what is wrong and what to do, stays small, and goes on when it can.

use crate::agent::{Agent, Place};
use crate::backlog::SOON;
use pbx::{Pbx, Transcript, Trouble};
use portal::{Fault, Portal, PortalConfig, State};
use ringpost::limits::AMI_LOGIN_TIMEOUT;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

/// Memory of its own that the agent may ever hold, in KiB, whatever it is fed. The development build is the larger one.
const MEMORY_KIB: u64 = 6 * 1024;

/// The seconds that a line of the log names as the wait before the next attempt.
fn wait_of(line: &str) -> u64 {
    let (_, rest) = line.split_once("next attempt in ").expect("a wait");
    rest.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds")
}

/// The agent beside a PBX in trouble says `text` in log, status and doctor, and waits for as long as `wait` allows.
fn tells(trouble: Trouble, text: &str, wait: core::ops::RangeInclusive<u64>) {
    let pbx = Pbx::start();
    pbx.trouble(trouble);
    tells_beside(pbx.address(), text, wait);
}

fn tells_beside(pbx: SocketAddr, text: &str, wait: core::ops::RangeInclusive<u64>) {
    let place = Place::new();
    place.configure(pbx, None);
    let mut agent = Agent::run(place);
    let line = agent.wait_log(text, SOON);
    let waits = wait_of(&line);
    assert!(wait.contains(&waits), "waits {waits} s, not {wait:?}: {line}");
    agent.wait_status("the fault in the status", SOON, |report| {
        report["pbx"]["live"] == false && report["pbx"]["state"].as_str().is_some_and(|state| state.contains(text))
    });
    let shown = agent.place.command("status");
    assert!(String::from_utf8_lossy(&shown.stdout).contains(text), "{shown:?}");
    let doctor = agent.place.command("doctor");
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = said.lines().find(|line| line.starts_with("FAIL  pbx")).expect("doctor finds the fault");
    assert!(line.contains(text), "{line}");
    agent.assert_well(MEMORY_KIB);
}

#[test]
fn a_wrong_secret_is_told_and_not_tried_often() {
    tells(Trouble::WrongSecret, "refuses the account \"ringpost\": check username, secret", 45..=75);
}

#[test]
fn an_account_in_use_is_told() {
    tells(Trouble::AlreadyInUse, "the account \"ringpost\" is in use", 22..=38);
}

#[test]
fn a_pbx_that_is_away_is_tried_again_soon() {
    let address = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.local_addr().expect("an address")
    };
    tells_beside(address, "nothing listens at", 0..=2);
}

#[test]
fn an_ssh_port_is_told_from_a_pbx() {
    tells(Trouble::Ssh, "is not an AMI port, it says \"SSH-2.0-OpenSSH", 45..=75);
}

#[test]
fn a_web_port_is_told_from_a_pbx() {
    tells(Trouble::Http, "is not an AMI port, it says \"HTTP/1.1 400", 45..=75);
}

#[test]
fn a_pbx_that_grants_little_is_followed_all_the_same() {
    let (pbx, portal) = (Pbx::start(), office());
    pbx.trouble(Trouble::Denied);
    let mut agent = Agent::beside(&pbx, Some(&portal));
    agent.wait_log("may not list channels", SOON);
    agent.wait_log("takes no event filters", SOON);
    agent.wait_status("a live link", SOON, |report| report["pbx"]["live"] == true);
    let doctor = agent.place.command("doctor");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(said.lines().filter(|line| line.starts_with("warn  pbx rights")).count(), 2, "{said}");
    // Nobody is asked for the list of channels, so the transcript itself tells when the agent listens.
    pbx.play(&transcript("inbound-noanswer"), 4.0);
    finished_once(&portal, &agent, 1);
    agent.assert_well(MEMORY_KIB);
}

/// The agent hangs up on a flood in time with one of `reasons`, comes back, and stays small.
fn survives(trouble: Trouble, reasons: &[&str]) {
    let pbx = Pbx::start();
    pbx.trouble(trouble);
    let mut agent = Agent::beside(&pbx, None);
    // The longest deadline is the login's.
    let line = agent.wait_log("next attempt in", AMI_LOGIN_TIMEOUT + SOON);
    assert!(reasons.iter().any(|reason| line.contains(reason)), "{trouble:?}: {line}");
    agent.assert_well(MEMORY_KIB);
    let (waits, connections) = (wait_of(&line), pbx.connections());
    if waits > 30 {
        return; // that it comes back after the longer waits is tested in virtual time
    }
    pbx.trouble(Trouble::None);
    agent.wait_status("a live link", Duration::from_secs(waits) + SOON, |report| report["pbx"]["live"] == true);
    assert!(pbx.connections() > connections);
    agent.assert_well(MEMORY_KIB);
}

/// Side by side, because each of them mostly waits.
#[test]
fn floods_and_drips_are_hung_up_on() {
    let cases: [(Trouble, &[&str]); 5] = [
        (Trouble::EndlessLine, &["did not end a packet in time"]),
        (Trouble::EndlessHeaders, &["did not end a packet in time"]),
        (Trouble::Garbage, &["is not an AMI port"]),
        (Trouble::OneByteASecond, &["did not end a packet in time", "did not answer the login in time"]),
        (Trouble::Silent, &["accepts the connection but says nothing"]),
    ];
    std::thread::scope(|scope| {
        for (trouble, reasons) in cases {
            scope.spawn(move || survives(trouble, reasons));
        }
    });
}

#[test]
fn a_line_of_a_megabyte_costs_nothing_but_itself() {
    let (pbx, portal) = (Pbx::start(), office());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    pbx.wait_live(SOON);
    let mut packet = b"Event: VarSet\r\nVariable: HUGE\r\nValue: ".to_vec();
    packet.resize(packet.len() + (1 << 20), b'x');
    packet.extend_from_slice(b"\r\nUniqueid: 1.1\r\n\r\n");
    for _ in 0..20 {
        pbx.send(&packet);
    }
    pbx.play(&transcript("inbound-noanswer"), 4.0);
    finished_once(&portal, &agent, 1);
    assert_eq!(pbx.logins(), 1, "the connection stays");
    agent.assert_well(MEMORY_KIB);
}

/// A portal's answers go wrong on a method; the call arrives all the same, once, and memory stays.
fn arrives_despite(fault: Fault) {
    let (pbx, portal) = (Pbx::start(), office());
    portal.fault(fault);
    let mut agent = Agent::beside(&pbx, Some(&portal));
    pbx.wait_live(SOON);
    pbx.play(&transcript("inbound-noanswer"), 4.0);
    finished_once(&portal, &agent, 1);
    assert_eq!(portal.faults_left(), 0, "the fault was met");
    agent.assert_well(MEMORY_KIB);
}

#[test]
fn an_answer_of_a_hundred_megabytes_to_register_is_cut() {
    arrives_despite(Fault::huge(100_000_000).on("telephony.externalcall.register"));
}

#[test]
fn an_answer_of_a_hundred_megabytes_to_finish_is_cut() {
    arrives_despite(Fault::huge(100_000_000).on("telephony.externalcall.finish"));
}

#[test]
fn an_answer_without_an_end_is_cut() {
    arrives_despite(Fault::endless().on("telephony.externalcall.finish"));
}

#[test]
fn a_list_of_users_without_an_end_is_cut() {
    arrives_despite(Fault::endless().on("user.get"));
}

#[test]
fn a_journal_of_random_bytes_is_repaired_and_used() {
    let (pbx, portal) = (Pbx::start(), office());
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let mut random = fastrand::Rng::with_seed(7);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(512 * 1024).collect();
    let file = place.path().join("journal").join(ringpost::journal::thread::FILE_NAME);
    std::fs::write(&file, bytes).expect("a damaged journal");
    let mut agent = Agent::run(place);
    pbx.wait_live(SOON);
    agent.wait_log("journal repaired, 0 calls in it", SOON);
    let report = agent.wait_status("the damage counted", SOON, |report| report["journal"]["damaged"] != 0);
    assert_eq!(report["journal"]["fault"], "", "{report}");
    pbx.play(&transcript("inbound-noanswer"), 4.0);
    finished_once(&portal, &agent, 1);
    agent.wait_status("the call in the journal", SOON, |report| report["journal"]["calls"] == 1);
    agent.assert_well(MEMORY_KIB);
}

#[test]
fn a_second_agent_on_the_same_journal_does_not_start() {
    let pbx = Pbx::start();
    let mut first = Agent::beside(&pbx, None);
    pbx.wait_live(SOON);
    let place = Place::new();
    let config = std::fs::read_to_string(first.place.path().join("ringpost.toml")).expect("the first's configuration");
    let run = |place: &Place| format!("{}/run", place.path().display());
    place.write_config(&config.replace(&run(&first.place), &run(&place)));
    let mut second = Agent::run(place);
    assert_eq!(second.wait_end(SOON), Some(1));
    assert!(second.log().contains("another ringpost runs on this journal: stop it first"), "{}", second.log());
    first.assert_well(MEMORY_KIB);
}

#[test]
fn a_mistake_in_the_configuration_ends_with_two_its_line_and_a_remedy() {
    let place = Place::new();
    place.configure(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), None);
    let file = place.path().join("ringpost.toml");
    let config = std::fs::read_to_string(&file).expect("the configuration");
    place.write_config(&config.replace("host =", "hots ="));
    for command in ["run", "check", "doctor", "status", "calls"] {
        let ended = place.command(command);
        assert_eq!(ended.status.code(), Some(2), "{command}: {ended:?}");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains(&format!("{}:3", file.display())) && said.contains("host"), "{command}: {said}");
    }
}

fn office() -> Portal {
    Portal::start(PortalConfig::default()).expect("a portal")
}

fn transcript(scenario: &str) -> Transcript {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1");
    Transcript::read(&root.join(scenario).with_extension("txt")).expect("a transcript")
}

/// Waits until the portal holds `calls` finished calls, and until nothing more is on its way.
fn finished_once(portal: &Portal, agent: &Agent, calls: usize) {
    let deadline = Duration::from_secs(120);
    let is_there = |state: &State| (state.calls().len() >= calls && state.live_calls().is_empty()).then_some(());
    let came = portal.wait_for(deadline, is_there);
    assert!(came.is_some(), "not finished: {:?}\n{}", portal.live_calls(), agent.log());
    assert_eq!(portal.calls().len(), calls, "{:?}", portal.calls());
}

/// What `ringpost calls` prints as soon as it holds `text`: marks reach the file within half a minute.
fn calls_with(agent: &Agent, words: &[&str], text: &str) -> String {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let listed = agent.place.words(words).output().expect("ringpost runs");
        let said = String::from_utf8_lossy(&listed.stdout).into_owned();
        if said.contains(text) {
            return said;
        }
        assert!(Instant::now() < until, "no {text:?} in {listed:?}\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_refused_call_is_told_with_its_reason_and_no_certificates_are_needed_to_read_it() {
    let (pbx, portal) = (Pbx::start(), office());
    portal.fault(Fault::error(400, "ERROR_CORE", "No such thing here").on("telephony.externalcall.register").times(99));
    let mut agent = Agent::beside(&pbx, Some(&portal));
    pbx.wait_live(SOON);
    pbx.play(&transcript("inbound-noanswer"), 4.0);
    let line = agent.wait_log("is refused for ever", Duration::from_secs(60));
    assert!(line.contains("No such thing here") && line.contains("call office-"), "{line}");
    let said = calls_with(&agent, &["calls"], "refused: ");
    assert!(said.contains("No such thing here"), "{said}");
    let broken = "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n";
    let ca_file = agent.place.path().join("ca.pem");
    std::fs::write(&ca_file, broken).expect("a file");
    let config = std::fs::read_to_string(agent.place.config()).expect("the configuration");
    let config = config.replace(&portal.ca_file().display().to_string(), &ca_file.display().to_string());
    agent.place.write_config(&config);
    let said = calls_with(&agent, &["calls", "--json"], "deliveries");
    let call: serde_json::Value = serde_json::from_str(said.lines().next().expect("a call")).expect("JSON");
    assert_eq!(call["deliveries"][0]["crm"], "bitrix24", "{call}");
    assert_eq!(call["deliveries"][0]["state"], "refused", "{call}");
    assert!(call["deliveries"][0]["reason"].as_str().is_some_and(|why| why.contains("No such thing here")), "{call}");
    assert_eq!(call["status"], "304", "{call}");
}

#[test]
fn check_and_run_agree_how_large_a_file_of_roots_may_be() {
    let (pbx, portal) = (Pbx::start(), office());
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let mut roots = std::fs::read(portal.ca_file()).expect("the portal's root");
    let ca_file = place.path().join("ca.pem");
    let config = std::fs::read_to_string(place.config()).expect("the configuration");
    place.write_config(&config.replace(&portal.ca_file().display().to_string(), &ca_file.display().to_string()));
    for (bytes, code) in [(500_000, Some(0)), (1_500_000, Some(2))] {
        roots.resize(bytes, b'\n');
        std::fs::write(&ca_file, &roots).expect("a file");
        let checked = place.command("check");
        assert_eq!(checked.status.code(), code, "{bytes}: {checked:?}");
        assert_eq!(ringpost::crm::http::Http::new(Some(&ca_file)).is_ok(), code == Some(0), "{bytes}");
    }
}

/// A PBX that allows one login at a time refuses doctor while ringpost works: that is no fault of anybody's.
#[test]
fn doctor_knows_who_holds_the_only_login() {
    let pbx = Pbx::start();
    let mut agent = Agent::beside(&pbx, None);
    agent.wait_status("the PBX", Duration::from_secs(20), |report| report["pbx"]["live"] == true);
    pbx.trouble_newcomers(Trouble::AlreadyInUse);
    let told = agent.place.command("doctor");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = told.lines().find(|line| line.contains(" pbx ")).expect("a line of the PBX");
    assert!(line.starts_with("warn") && line.contains("allowmultiplelogin"), "{line}");
}
