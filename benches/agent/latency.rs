//! From the event that says "it rings" on the AMI socket to the first byte of the request at the portal's TLS.

use crate::calls::Call;
use crate::process::Agent;
use pbx::Pbx;
use portal::{Portal, PortalConfig, State};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Rings of one agent: what its burst of requests allows at once, less the list of users and some room.
const RINGS_PER_AGENT: u32 = 16;

/// Measures `samples` rings and prints their distribution.
pub fn measure(binary: &Path, samples: u32) {
    let mut times = Vec::new();
    let mut number = 0;
    while times.len() < samples as usize {
        times.extend(rings(binary, &mut number));
    }
    times.sort();
    let millis = |share: f64| {
        let at = ((times.len() - 1) as f64 * share).round() as usize;
        times[at].as_secs_f64() * 1e3
    };
    println!("ring event to request, TLS connection warm, {} rings, target p99 5 ms:", times.len());
    println!("{:>8} {:>8} {:>8} {:>8} {:>8}", "min", "p50", "p90", "p99", "max");
    println!(
        "{:>5.2} ms {:>5.2} ms {:>5.2} ms {:>5.2} ms {:>5.2} ms",
        millis(0.0),
        millis(0.5),
        millis(0.9),
        millis(0.99),
        millis(1.0)
    );
}

/// The rings of one agent; the first one only warms up.
fn rings(binary: &Path, number: &mut u32) -> Vec<Duration> {
    let portal = Portal::start(PortalConfig { rate_limit: None, ..PortalConfig::default() }).expect("a portal");
    let pbx = Pbx::start();
    let agent = Agent::start(binary, &pbx, &portal);
    pbx.wait_live(Duration::from_secs(10));
    let warm = portal
        .wait_for(Duration::from_secs(10), |state| state.requests_of("user.get").find_map(|request| request.answered));
    warm.expect("the agent asks for the users");
    agent.wait("in step", Duration::from_secs(10), |report| report["pbx"]["live"] == true);
    let mut before = Call::of("inbound-answered", "Event: Newchannel", "Event: DialBegin");
    let mut ring = Call::of("inbound-answered", "Event: DialBegin", "Event: Newstate");
    let mut times = Vec::new();
    for _ in 0..=RINGS_PER_AGENT {
        *number += 1;
        pbx.send(before.number(*number));
        // As from the dialplan to the telephone; and the loop is asleep again.
        thread::sleep(Duration::from_millis(30));
        let (bytes, sent) = (ring.number(*number).to_vec(), Instant::now());
        pbx.send(&bytes);
        let id = format!("bench-{}.0", 1_800_000_000 + *number);
        let arrived = portal.wait_for(Duration::from_secs(5), |state| registered(state, &id));
        times.push(arrived.expect("a request for the ring").saturating_duration_since(sent));
    }
    times.split_off(1)
}

/// When the first byte of the request for this call arrived.
fn registered(state: &State, id: &str) -> Option<Instant> {
    let mut requests = state.requests_of("telephony.externalcall.register");
    requests.find(|request| request.params.at("EXTERNAL_CALL_ID").to_text() == id).map(|request| request.arrived)
}
