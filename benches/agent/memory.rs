//! Resident memory in each situation that an office knows, and after many calls.

use crate::calls::Call;
use crate::process::Agent;
use pbx::Pbx;
use portal::{Fault, Portal, PortalConfig, RequestRecord};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Calls at once.
const AT_ONCE: u32 = 50;
/// Bytes of the recording.
const RECORDING_BYTES: u32 = 100_000_000;
/// Calls that end before the journal is given time to take them: fewer than may wait for it, or they would be held in
/// memory, which is bounded too, but is not what 100 000 calls of an office are.
const IN_FLIGHT: u32 = 50;
/// After so many calls the memory is shown.
const SHOWN_AFTER: [u32; 4] = [1_000, 10_000, 50_000, 100_000];
const PATIENCE: Duration = Duration::from_secs(60);

/// Goes through the situations one after the other with one agent, and prints a table.
pub fn measure(binary: &Path, calls: u32) {
    // What the agent sends is limited by the agent; the portal keeps out of the way.
    let portal = Portal::start(PortalConfig { rate_limit: None, keep_bytes: 0, ..PortalConfig::default() });
    let portal = portal.expect("a portal");
    portal.go_down();
    let pbx = Pbx::start();
    let agent = Agent::start(binary, &pbx, &portal);
    println!("resident memory in KiB, target 6144 at the peak:");
    println!("{:<44} {:>8} {:>9} {:>7} {:>8} {:>8}", "situation", "resident", "own", "program", "peak", "threads");
    pbx.wait_live(PATIENCE);
    agent.wait("in step", PATIENCE, |report| report["pbx"]["live"] == true);
    show("logged in, portal away", &agent);

    portal.come_up().expect("its port is still free");
    let listed = portal.wait_for(PATIENCE, |state| state.requests_of("user.get").find_map(|request| request.answered));
    listed.expect("the agent asks for the users");
    show("TLS up, no calls", &agent);

    recording(&agent, &pbx, &portal);
    at_once(&agent, &pbx);
    many(&agent, &pbx, calls);
}

fn show(situation: &str, agent: &Agent) {
    let memory = agent.memory();
    println!(
        "{situation:<44} {:>8} {:>9} {:>7} {:>8} {:>8}",
        memory.resident, memory.anonymous, memory.file, memory.peak, memory.threads
    );
    agent.reset_peak();
}

/// A recording of 100 MB is on its way, as slowly as the portal takes it.
fn recording(agent: &Agent, pbx: &Pbx, portal: &Portal) {
    let file = agent.directory.join("monitor/20261121-204143-79161234567-101.wav");
    write_wav(&file).expect("room for the recording");
    portal.fault(Fault::slow_before(Duration::from_secs(2)).on("upload"));
    let [mut begin, mut end] = halves();
    pbx.send(begin.number(900_000));
    thread::sleep(Duration::from_secs(1)); // only what was talked is worth a recording
    pbx.send(end.number(900_000));
    let begun = portal.wait_for(PATIENCE, |state| state.requests().find_map(uploads));
    let peak_begun = Instant::now();
    begun.expect("the upload begins");
    let arrived = portal.wait_for(PATIENCE, |state| state.recordings().first().map(|file| file.bytes));
    let bytes = arrived.expect("the recording arrives");
    assert!(bytes > u64::from(RECORDING_BYTES), "all of it");
    show(&format!("recording of 100 MB uploaded ({:.1} s)", peak_begun.elapsed().as_secs_f64()), agent);
}

fn uploads(request: &RequestRecord) -> Option<()> {
    (request.method == "telephony.externalcall.attachrecord").then_some(())
}

fn write_wav(path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + RECORDING_BYTES).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data")?;
    file.write_all(&RECORDING_BYTES.to_le_bytes())?;
    let block = [0x55; 10_000];
    (0..RECORDING_BYTES / 10_000).try_for_each(|_| file.write_all(&block))
}

/// Fifty calls that all talk, and then all end.
fn at_once(agent: &Agent, pbx: &Pbx) {
    let [mut begin, mut end] = halves();
    for number in 0..AT_ONCE {
        pbx.send(begin.number(number));
    }
    agent.wait("calls at once", PATIENCE, |report| report["live_calls"] == AT_ONCE);
    thread::sleep(Duration::from_secs(3)); // cards go out, the mirror is written a few times
    show(&format!("{AT_ONCE} calls at once, talking"), agent);
    for number in 0..AT_ONCE {
        pbx.send(end.number(number));
    }
    agent.wait("the end of the calls", PATIENCE, |report| report["live_calls"] == 0);
    show(&format!("{AT_ONCE} calls ended, being delivered"), agent);
}

/// An answered call up to its end, and its end.
fn halves() -> [Call; 2] {
    let bound = "Event: HangupRequest";
    [Call::of("inbound-answered", "", bound), Call::of("inbound-answered", bound, "")]
}

/// Calls as fast as the journal takes them: far more than any portal takes, so that most fall out of the full ring.
fn many(agent: &Agent, pbx: &Pbx, calls: u32) {
    let mut kinds = ["inbound-answered", "inbound-noanswer", "outbound-answered"].map(|kind| Call::of(kind, "", ""));
    let (begun, mut events) = (Instant::now(), 0);
    let before = agent.report().map_or(0, |report| events_of(&report));
    for number in 1..=calls {
        let kind = &mut kinds[number as usize % 3];
        events += kind.events();
        pbx.send(kind.number(1_000 + number));
        if number % IN_FLIGHT == 0 {
            // Answered by the journal's thread behind all that was appended before.
            agent.wait("calls ended", PATIENCE, |report| report["live_calls"] == 0);
        }
        if SHOWN_AFTER.contains(&number) || number == calls {
            agent.wait("calls ended", PATIENCE, |report| report["live_calls"] == 0);
            show(&format!("after {number} calls"), agent);
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let report = agent.report().expect("the agent still answers");
    println!(
        "{calls} calls, {events} events in {took:.1} s, {} of them about calls; journal: {} calls, {} waiting, \
         {} fell out of the full ring, {} unjournalled",
        events_of(&report) - before,
        report["journal"]["calls"],
        report["journal"]["waiting"],
        report["journal"]["dropped"],
        report["journal"]["unjournalled"],
    );
}

fn events_of(report: &serde_json::Value) -> u64 {
    report["pbx"]["events"].as_u64().unwrap_or(0)
}
