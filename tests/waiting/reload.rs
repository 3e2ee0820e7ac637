//! SIGHUP: the daemon goes on with what the file says now, and no call is lost by it.

use crate::agent::{Agent, Place};
use crate::backlog::{self, LATER, REGISTER, SOON, client, in_step, missed, office, sound, transcript};
use pbx::Pbx;
use portal::{Fault, Portal, PortalConfig, State};
use ringpost::status::{self, StatusError};
use rustix::process::Signal;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const GOES_ON: &str = "going on with the new configuration";

fn portal() -> Portal {
    Portal::start(PortalConfig::default()).expect("a portal")
}

/// A call whose registration is on its way, and takes so long.
fn post_slowly(pbx: &Pbx, portal: &Portal, answer: Duration) {
    portal.fault(Fault::slow_before(answer).on(REGISTER));
    pbx.play(&missed(1), 1000.0);
    portal.wait_for(SOON, |state| state.requests_of(REGISTER).next().map(drop)).expect("the call is on its way");
}

fn edit(place: &Place, from: &str, to: &str) {
    let config = fs::read_to_string(place.config()).expect("the configuration");
    assert!(config.contains(from), "{config}");
    place.write_config(&config.replace(from, to));
}

/// Clients of the calls that the portal holds, sorted.
fn clients(portal: &Portal) -> Vec<String> {
    let mut clients: Vec<String> = portal.calls().iter().map(|call| call.registered.phone.clone()).collect();
    clients.sort();
    clients
}

/// What `calls --json` says of the calls' exactness.
fn are_exact(agent: &Agent) -> bool {
    let told = agent.place.ask(&["calls", "--json"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let calls: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    !calls.is_empty() && calls.iter().all(|call| call["exact"] == true)
}

/// Stops who asks, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Somebody asks for the status all the time; nobody is told that no ringpost runs.
fn ask_until(stop: &AtomicBool, socket: &std::path::Path) {
    while !stop.load(Ordering::Relaxed) {
        let told = status::ask(socket);
        assert!(!matches!(told, Err(StatusError::NotRunning(_))), "{told:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Telephones ring all the time, at every stage of a reload. One connection to the PBX serves them all, and each call
/// comes once and with everything that was heard of it.
#[test]
fn calls_go_on_through_many_reloads() {
    const CALLS: usize = 24;
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    let socket = status::socket_path(&agent.place.path().join("run"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| ask_until(&stop, &socket));
        let _stop = Stop(&stop);
        for line in 0..4 {
            let pbx = &pbx;
            // Each line has a call under way most of the time: two seconds each, the next one at once.
            scope.spawn(move || (0..CALLS / 4).for_each(|nth| pbx.play(&missed(line * 10 + nth), 8.0)));
        }
        for round in 1..=6 {
            let user = format!("default_user = {}", 1 + round % 2);
            edit(&agent.place, &format!("default_user = {}", 2 - round % 2), &user);
            agent.signal(Signal::HUP);
            agent.wait(&format!("reload {round}"), LATER, |agent| (agent.times(GOES_ON) >= round).then_some(()));
        }
    });
    let all = |state: &State| (state.calls().len() >= CALLS).then_some(());
    portal.wait_for(LATER, all).expect("all calls arrive");
    agent.wait_status("nothing left to do", LATER, |report| report["journal"]["waiting"] == 0);
    let mut wanted: Vec<String> =
        (0..4).flat_map(|line| (0..CALLS / 4).map(move |nth| client(line * 10 + nth))).collect();
    wanted.sort();
    assert_eq!(clients(&portal), wanted);
    assert_eq!(pbx.connections(), 1, "the link is not cut by a reload:\n{}", agent.log());
    assert!(are_exact(&agent), "{}", agent.log());
}

#[test]
fn a_broken_file_changes_nothing_and_is_told() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    edit(&agent.place, "default_user", "defualt_user");
    agent.signal(Signal::HUP);
    let line = agent.wait_log("the new configuration is not used", SOON);
    assert!(line.contains("goes on with the old one"), "{line}");
    agent.wait_log("has no key `defualt_user`", SOON);
    agent.wait_log("did you mean `default_user`?", SOON);
    pbx.play(&missed(1), 1000.0);
    portal.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
    assert_eq!(pbx.connections(), 1);
}

/// A reload waits for the portal's answer; when the file is broken before that comes, all goes on as it was.
#[test]
fn a_reload_that_is_overtaken_by_a_broken_file_leaves_no_lane_at_rest() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    post_slowly(&pbx, &portal, Duration::from_secs(8));
    agent.signal(Signal::HUP);
    let text = fs::read_to_string(agent.place.config()).expect("the configuration");
    agent.wait_log("the new configuration is well", SOON);
    agent.place.write_config(&text.replace("default_user", "defualt_user"));
    agent.signal(Signal::HUP);
    agent.wait_log("the new configuration is not used", SOON);
    pbx.play(&missed(2), 1000.0);
    portal.wait_for(LATER, |state| (state.calls().len() == 2).then_some(())).expect("both calls arrive");
    assert_eq!(agent.times(GOES_ON), 0, "{}", agent.log());
}

/// Flash that collects its garbage holds the old journal's file for longer than its end is waited for.
#[test]
fn flash_that_is_slow_delays_a_reload_and_ends_nothing() {
    let (pbx, portal) = (Pbx::start(), portal());
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let mut agent = Agent::run_on_slow_flash(place, Duration::from_secs(12));
    in_step(&pbx, &portal);
    agent.signal(Signal::HUP);
    agent.wait_log(GOES_ON, LATER);
    pbx.play(&missed(1), 1000.0);
    portal.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
}

/// A portal whose certificate nobody vouches for any more is found out before the old daemon ends.
#[test]
fn certificates_that_cannot_be_read_change_nothing() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    let bundle = agent.place.path().join("empty.pem");
    fs::write(&bundle, "-----BEGIN CERTIFICATE-----\nnonsense\n").expect("a file");
    edit(&agent.place, &portal.ca_file().display().to_string(), &bundle.display().to_string());
    agent.signal(Signal::HUP);
    agent.wait_log("the new configuration is not used", SOON);
    pbx.play(&missed(1), 1000.0);
    portal.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
}

#[test]
fn calls_go_to_the_portal_that_the_file_names_now() {
    let (pbx, old, new) = (Pbx::start(), portal(), portal());
    let mut agent = Agent::beside(&pbx, Some(&old));
    in_step(&pbx, &old);
    edit(&agent.place, old.webhook_url(), new.webhook_url());
    edit(&agent.place, &old.ca_file().display().to_string(), &new.ca_file().display().to_string());
    agent.signal(Signal::HUP);
    agent.wait_log(GOES_ON, SOON);
    pbx.play(&missed(1), 1000.0);
    new.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
    assert!(clients(&old).is_empty());
}

/// Another account at the PBX is another connection; the call in progress is taken up by the list of channels.
#[test]
fn another_account_at_the_pbx_is_logged_in_to() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    std::thread::scope(|scope| {
        scope.spawn(|| pbx.play(&missed(1), 1.0));
        portal.wait_for(SOON, |state| state.requests_of(REGISTER).next().map(|_| ())).expect("a card");
        edit(&agent.place, "name = \"office\"", "name = \"office\"\nprofile = \"freepbx\"");
        agent.signal(Signal::HUP);
        agent.wait_log(GOES_ON, SOON);
    });
    portal.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
    assert_eq!(clients(&portal), [client(1)]);
    assert_eq!(pbx.connections(), 2);
}

/// The level of the log and the sockets of the other commands are the new daemon's.
#[test]
fn everything_around_is_the_new_daemons() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    let (old, new) = (agent.place.path().join("run"), agent.place.path().join("run2"));
    edit(&agent.place, &old.display().to_string(), &new.display().to_string());
    edit(&agent.place, "[pbx]", "[log]\nlevel = \"debug\"\n[pbx]");
    agent.signal(Signal::HUP);
    agent.wait_log(GOES_ON, SOON);
    let status = agent.place.command("status");
    assert!(status.status.success(), "{status:?}");
    let left: Vec<_> = fs::read_dir(&old).expect("the old directory").filter_map(Result::ok).collect();
    assert!(left.is_empty(), "nothing of the old daemon is left: {left:?}");
    pbx.play(&missed(1), 1000.0);
    agent.wait_log("is journalled and", Duration::from_secs(30));
}

/// The upload of a recording may take minutes. Until it is over calls go on, and whoever waits for the reload is told
/// what for.
#[test]
fn a_reload_waits_for_an_upload_and_tells_so() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = office(&pbx, &portal);
    portal.fault(Fault::slow_before(Duration::from_secs(15)).on("upload"));
    let name = "20261121-204143-79161234567-101.wav";
    fs::write(backlog::recordings(&agent.place).join(name), sound(2)).expect("a recording");
    pbx.play(&transcript("inbound-answered"), 8.0);
    let uploads = |state: &State| state.requests_of("upload").next().map(drop);
    portal.wait_for(LATER, uploads).unwrap_or_else(|| panic!("no upload:\n{}", agent.log()));
    agent.signal(Signal::HUP);
    agent.wait_log("the new configuration is well", SOON);
    agent.wait_status("what is waited for", SOON, |report| report["reload"] == "bitrix24 (recordings)");
    pbx.play(&missed(1), 8.0);
    portal.wait_for(SOON, |state| (state.calls().len() == 2).then_some(())).expect("the other call arrives");
    let line = agent.wait_log("waits until this is done", SOON);
    assert!(line.ends_with("bitrix24 (recordings)"), "{line}");
    assert_eq!(agent.times(GOES_ON), 0, "{}", agent.log());
    agent.wait_log(GOES_ON, LATER);
    assert_eq!(portal.recordings().len(), 1);
    let report = agent.wait_status("a report", SOON, |report| report["pbx"]["live"] == true && report["reload"] == "");
    let counters = &report["crm"][0]["counters"];
    assert_eq!((&counters["delivered"], &counters["recordings"]), (&2.into(), &1.into()), "{counters}");
    assert_eq!(pbx.connections(), 1);
}

/// Whoever edits twice gets what is written last.
#[test]
fn the_file_as_it_is_last_is_taken_up() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    post_slowly(&pbx, &portal, Duration::from_secs(10));
    for (nth, (from, to)) in [("office", "shop"), ("shop", "stable")].into_iter().enumerate() {
        edit(&agent.place, &format!("name = \"{from}\""), &format!("name = \"{to}\""));
        agent.signal(Signal::HUP);
        agent.wait("the file to be read", SOON, |agent| {
            (agent.times("the new configuration is well") > nth).then_some(())
        });
    }
    let line = agent.wait_log(GOES_ON, SOON);
    assert!(line.contains(" for stable at "), "{line}");
    portal.wait_for(LATER, |state| (state.calls().len() == 1).then_some(())).expect("the call arrives");
    assert_eq!(agent.times(GOES_ON), 1, "{}", agent.log());
}

/// The link breaks while a reload waits for the portal: it comes again by itself, before or after.
#[test]
fn a_link_that_breaks_meanwhile_comes_again() {
    let (pbx, portal) = (Pbx::start(), portal());
    let mut agent = Agent::beside(&pbx, Some(&portal));
    in_step(&pbx, &portal);
    post_slowly(&pbx, &portal, Duration::from_secs(3));
    agent.signal(Signal::HUP);
    agent.wait_log("the new configuration is well", SOON);
    pbx.cut();
    agent.wait_log(GOES_ON, LATER);
    agent.wait_status("the PBX again", LATER, |report| report["pbx"]["live"] == true);
    pbx.play(&missed(2), 1000.0);
    portal.wait_for(LATER, |state| (state.calls().len() == 2).then_some(())).expect("both calls arrive");
    assert_eq!(clients(&portal), [client(1), client(2)]);
}

/// SIGTERM in the middle of a reload that a slow flash holds up: the service manager does not wait for another daemon.
#[test]
fn an_end_in_the_middle_of_a_reload_starts_nothing() {
    let (pbx, portal) = (Pbx::start(), portal());
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let mut agent = Agent::run_on_slow_flash(place, Duration::from_secs(14));
    in_step(&pbx, &portal);
    agent.signal(Signal::HUP);
    let socket = status::socket_path(&agent.place.path().join("run"));
    agent.wait_log("the new configuration is well", SOON);
    agent.wait("the old journal to be closed, when nobody answers", SOON, |_| {
        matches!(status::ask(&socket), Err(StatusError::Busy)).then_some(())
    });
    let place = agent.stop();
    let log = fs::read_to_string(place.path().join("log")).expect("the log");
    assert!(log.contains("ending in the middle of a reload") && !log.contains(GOES_ON), "{log}");
    let mut agent = Agent::run(place);
    agent.wait_status("the PBX again", LATER, |report| report["pbx"]["live"] == true);
    pbx.play(&missed(1), 1000.0);
    portal.wait_for(LATER, |state| state.calls().first().map(|_| ())).expect("the call arrives");
}

/// On flash that is never done with the calls that end, a reload comes all the same, and each call arrives once.
#[test]
fn flash_that_is_always_behind_does_not_hold_up_a_reload_for_ever() {
    const CALLS: usize = 24;
    let (pbx, portal) = (Pbx::start(), portal());
    let place = Place::new();
    place.configure(pbx.address(), Some(&portal));
    let mut agent = Agent::run_on_slow_flash(place, Duration::from_secs(3));
    in_step(&pbx, &portal);
    let played = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for nth in 0..CALLS {
                // A call of a good second, the next one at once.
                pbx.play(&missed(nth), 4.0);
                played.fetch_add(1, Ordering::Relaxed);
            }
        });
        agent.wait("calls on their way into the journal", SOON, |_| (played.load(Ordering::Relaxed) > 1).then_some(()));
        agent.signal(Signal::HUP);
        agent.wait_log(GOES_ON, LATER);
        assert!(played.load(Ordering::Relaxed) < CALLS, "it came when the flash was at rest:\n{}", agent.log());
    });
    let all = |state: &State| (state.calls().len() >= CALLS).then_some(());
    portal.wait_for(LATER, all).unwrap_or_else(|| panic!("only {:?}:\n{}", clients(&portal), agent.log()));
    agent.wait_status("nothing left to do", LATER, |report| report["journal"]["waiting"] == 0);
    let mut wanted: Vec<String> = (0..CALLS).map(client).collect();
    wanted.sort();
    assert_eq!(clients(&portal), wanted);
}
