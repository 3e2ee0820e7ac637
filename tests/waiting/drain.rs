//! A long outage is over: thousands of calls wait in the journal, and telephones ring meanwhile.
//!
//! `RINGPOST_BACKLOG=10000 cargo test --release --test waiting drain -- --nocapture` is the deep tier: it takes about a
//! quarter of an hour and prints what was measured.

use crate::agent::{Agent, Place};
use crate::backlog::{LATER, REGISTER, SOON, client, ring};
use crate::bitrix24::office;
use pbx::Pbx;
use portal::{Fault, Portal, PortalConfig, RequestRecord, State};
use ringpost::boot::BootId;
use ringpost::call::record::CallRecord;
use ringpost::clock;
use ringpost::config::WhenFull;
use ringpost::crm::Ticket;
use ringpost::journal::storage::FileStorage;
use ringpost::journal::{Addressee, Crm, CrmTag, Entry, Ring, Settings};
use ringpost::text::bounded;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls that wait, in the quick tier.
const QUICK: usize = 120;
/// From the ring to the request for its card, on a machine that may be very busy; behind the backlog it would be
/// minutes.
const AT_ONCE: Duration = Duration::from_secs(5);
/// From ring to ring: a busy office. Each takes requests of the portal's limit from the backlog.
const BETWEEN_RINGS: Duration = Duration::from_secs(8);
const BATCH: &str = "batch";

fn wanted() -> usize {
    std::env::var("RINGPOST_BACKLOG").ok().and_then(|text| text.parse().ok()).unwrap_or(QUICK)
}

/// A call of three days ago and later.
fn waiting_call(number: usize) -> CallRecord {
    let (id, secs) = (format!("office-waits.{number:05}"), 259_200 - 20 * number as u64 % 250_000);
    let call = if number.is_multiple_of(3) { office::missed(&id) } else { office::answered(&id, "102", 61_000) };
    CallRecord {
        client: bounded(format!("7495{number:07}").as_bytes()),
        started: office::ago(secs + 70),
        ended: office::ago(secs),
        ..call
    }
}

/// A journal that an agent of another boot has left.
fn fill_journal(place: &Place, portal: &Portal, calls: usize) -> u32 {
    let size_kib = u32::try_from(calls / 2).expect("a number of calls").max(512);
    let storage = FileStorage::open(&place.path().join("journal/ring"), size_kib).expect("a journal");
    let tag = CrmTag::of(&format!("bitrix24:127.0.0.1:{}", portal.port()));
    let crms = [tag].into_iter().collect();
    let settings = Settings { boot: BootId::from_bits(7), crms, when_full: WhenFull::DropNewest };
    let (mut ring, _) = Ring::open(storage, settings);
    for number in 0..calls {
        let addressee = Addressee { crm: Crm(0), ticket: Ticket::default(), recordings: false };
        let entry = Entry { call: Arc::new(waiting_call(number)), addressees: [addressee].into_iter().collect() };
        ring.append(&entry, clock::now()).expect("room");
    }
    ring.sync().expect("a medium that works");
    size_kib
}

/// When the request for the card of a call came.
fn carded(portal: &Portal, number: usize) -> Instant {
    let of_call = |request: &&RequestRecord| {
        request.within.is_none() && request.params.at("PHONE_NUMBER").to_text() == client(number)
    };
    let came = |state: &State| state.requests_of(REGISTER).find(of_call).map(|request| request.arrived);
    portal.wait_for(SOON, came).expect("a card")
}

/// Delays of cards while more than `left` calls wait; every so often a telephone rings.
fn ring_meanwhile(pbx: &Pbx, portal: &Portal, agent: &mut Agent, left: u64) -> Vec<Duration> {
    let mut delays = Vec::new();
    loop {
        let report = agent.wait_status("a report", SOON, |_| true);
        if report["journal"]["waiting"].as_u64().is_some_and(|waiting| waiting <= left) {
            return delays;
        }
        let rang = ring(pbx, delays.len());
        delays.push(carded(portal, delays.len()).saturating_duration_since(rang));
        std::thread::sleep(BETWEEN_RINGS.saturating_sub(rang.elapsed()));
    }
}

/// The portal works on for half a minute at what the killed agent had sent. `tests/run slow` runs it.
#[test]
#[ignore = "takes three minutes: what was sent must be over before it is asked about"]
fn a_kill_in_the_middle_of_a_batch_posts_each_call_once() {
    let (pbx, portal) = (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"));
    let (place, calls) = (Place::new(), 12);
    fill_journal(&place, &portal, calls);
    place.configure(pbx.address(), Some(&portal));
    portal.fault(Fault::slow_before(Duration::from_secs(30)).on(BATCH));
    let agent = Agent::run(place);
    let begun = |state: &State| state.requests_of(BATCH).next().map(drop);
    portal.wait_for(LATER, begun).unwrap_or_else(|| panic!("no batch:\n{}", agent.log()));
    let mut agent = Agent::run(agent.killed());
    agent.wait_status("an empty journal", LATER * 2, |report| {
        report["journal"]["calls"] == calls && report["journal"]["waiting"] == 0
    });
    let mut ids: Vec<String> = portal.calls().into_iter().filter_map(|call| call.registered.external_call_id).collect();
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup();
    assert_eq!((before, ids.len()), (calls, calls), "each once");
    assert!(portal.requests_of(BATCH).len() > 1, "nothing was left for another batch");
}

#[test]
fn a_backlog_drains_at_the_portals_limit_and_no_card_waits_for_it() {
    let (pbx, portal) = (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"));
    let (place, calls) = (Place::new(), wanted());
    let size_kib = fill_journal(&place, &portal, calls);
    place.configure(pbx.address(), Some(&portal));
    let config = std::fs::read_to_string(place.config()).expect("the configuration");
    place.write_config(&config.replace("[run]", &format!("size_kib = {size_kib}\n[run]")));
    let mut agent = Agent::run(place);
    pbx.wait_live(SOON);
    // What an earlier process left waits until its last request must be over.
    portal.wait_for(LATER, |state| state.requests_of(BATCH).next().map(drop)).expect("the backlog moves");
    let began = Instant::now();
    let report = agent.wait_status("a drain", LATER, |report| report["crm"][0]["drain"]["done"].as_u64() > Some(20));
    let drain = &report["crm"][0]["drain"];
    assert!(drain["left"].as_u64() > Some(0) && drain["secs_to_go"].as_u64() > Some(0), "{drain}");
    let shown = agent.place.command("status");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("backlog: ") && shown.contains(" to go"), "{shown}");
    let mut delays = ring_meanwhile(&pbx, &portal, &mut agent, 10);
    let took = began.elapsed();
    agent.wait_status("an empty journal", LATER, |report| report["journal"]["waiting"] == 0);

    let rung = delays.len();
    let ids: Vec<String> = portal.calls().into_iter().filter_map(|call| call.registered.external_call_id).collect();
    let drained: Vec<&String> = ids.iter().filter(|id| id.starts_with("office-waits.")).collect();
    assert_eq!((drained.len(), ids.len()), (calls, calls + rung), "each once and nothing else");
    assert!(drained.is_sorted(), "oldest first");
    let requests = portal.requests();
    let own = |request: &&RequestRecord| request.within.is_none();
    let refused = requests.iter().filter(own).filter(|request| !request.succeeded()).count();
    assert_eq!(refused, 0, "the portal never had to refuse");
    // Each card costs a register, and its call a finish.
    let for_backlog = requests.iter().filter(own).count().saturating_sub(2 * rung);
    let each = for_backlog as f64 / calls as f64;
    assert!(each <= 0.2, "{each:.3} requests a call");
    delays.sort_unstable();
    let at = |share: usize| delays.get((delays.len() * share / 100).min(delays.len().saturating_sub(1))).copied();
    println!(
        "{calls} calls in {took:.0?}: {each:.3} requests a call; {rung} cards meanwhile after {:.1?} (half of them), \
         {:.1?} (99 %), {:.1?} at most",
        at(50).unwrap_or_default(),
        at(99).unwrap_or_default(),
        delays.last().copied().unwrap_or_default()
    );
    assert!(delays.iter().all(|delay| *delay <= AT_ONCE), "{delays:?}");
    assert!(rung > 0, "no telephone rang meanwhile");
}
