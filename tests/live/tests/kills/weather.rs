//! A portal that misbehaves at random: answers cut, requests lost, errors, pages, silence, whole outages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use live::secs;
use portal::{Fault, Portal};

/// What a call needs, and so what is spoilt by name; without a name it is the next request, whichever that is.
const METHODS: [Option<&str>; 6] = [
    None,
    None,
    Some("telephony.externalcall.register"),
    Some("telephony.externalcall.finish"),
    Some("telephony.externalcall.finish"),
    Some("voximplant.statistic.get"),
];
/// Longest time without a new misbehaviour, in seconds. After each, ringpost waits two seconds or more before it goes
/// on, and a portal that never lets it is no test of what is written down.
const LULL: f64 = 5.0;
/// Misbehaviours that may wait for their request at once.
const WAITING: u32 = 8;
/// One change of the weather in so many is an outage.
const OUTAGES: u8 = 10;

/// How often the portal misbehaved.
#[derive(Debug, Default)]
pub struct Weather {
    pub faults: usize,
    pub outages: usize,
}

/// Misbehaves until nobody wants more; then the portal is well again.
pub fn blow(portal: &Portal, mut random: Rng, calm: &AtomicBool) -> Result<Weather, String> {
    let mut weather = Weather::default();
    while !calm.load(Ordering::Relaxed) {
        pause(secs(random.f64() * LULL), calm);
        if random.u8(..OUTAGES) == 0 {
            weather.outages += 1;
            outage(portal, &mut random, calm)?;
        } else if portal.faults_left() < WAITING {
            weather.faults += 1;
            portal.fault(fault(&mut random));
        }
    }
    portal.clear_faults();
    Ok(weather)
}

fn outage(portal: &Portal, random: &mut Rng, calm: &AtomicBool) -> Result<(), String> {
    if random.bool() {
        portal.go_down()
    } else {
        portal.go_silent()
    }
    pause(secs(0.5 + random.f64() * 3.5), calm);
    portal.come_up().map_err(|error| format!("the portal does not come up: {error}"))
}

/// A request that was cut off runs on for less than what ringpost waits before it looks.
fn fault(random: &mut Rng) -> Fault {
    let moment = secs(random.f64() * 4.0);
    let fault = match random.u8(..10) {
        0..2 => Fault::lost_answer(),
        2 => Fault::half_answer(),
        3 => Fault::lost_request(),
        4 => Fault::slow_before(moment),
        5 => Fault::slow_after(moment),
        6 => Fault::internal_error(random.bool()),
        7 => Fault::html(502, random.bool()),
        8 => Fault::rate_limited(),
        _ => Fault::silence(random.bool()),
    };
    match random.choice(METHODS).flatten() {
        Some(method) => fault.on(method),
        None => fault,
    }
}

/// Waits, but not beyond the end of the storm.
fn pause(length: Duration, calm: &AtomicBool) {
    let end = Instant::now() + length;
    while Instant::now() < end && !calm.load(Ordering::Relaxed) {
        thread::sleep(secs(0.05));
    }
}
