//! Hundreds of calls that wait: the card of a call that rings now waits for none of them, and all of them are listed.
//! With the office, the calls and the patience that the other tests of waiting share.

use crate::agent::{Agent, Place};
use pbx::{Pbx, Transcript};
use portal::{Fault, Portal, PortalConfig, State};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Begins a call at the portal.
pub const REGISTER: &str = "telephony.externalcall.register";
/// Time for anything that should come at once.
pub const SOON: Duration = Duration::from_secs(30);
/// Time for a portal that is back to be noticed, and for what comes at its own pace.
pub const LATER: Duration = Duration::from_secs(120);
/// What the portal takes for a recording.
const SLOW: Duration = Duration::from_secs(300);
/// From the ring to the card.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Calls that wait; at the pace that the portal allows they take minutes.
const BACKLOG: usize = 400;

pub fn transcript(scenario: &str) -> Transcript {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1");
    Transcript::read(&root.join(scenario).with_extension("txt")).expect("a transcript")
}

/// The client of the call with this number.
pub fn client(number: usize) -> String {
    format!("7916{number:07}")
}

/// A call of [`client`] that nobody answers, each with identities of its own.
pub fn missed(number: usize) -> Transcript {
    transcript("inbound-noanswer")
        .renamed("1795292171.", &format!("{}.", 1_795_300_000 + number))
        .renamed("79161234567", &client(number))
}

/// An agent that knows where the recordings are, and is in step with PBX and portal.
pub fn office(pbx: &Pbx, portal: &Portal) -> Agent {
    let place = Place::new();
    place.configure(pbx.address(), Some(portal));
    let file = place.path().join("ringpost.toml");
    let config = fs::read_to_string(&file).expect("the configuration");
    let recordings = recordings(&place);
    fs::create_dir_all(&recordings).expect("a directory for recordings");
    let source = format!("[recordings]\nsource = \"path:{}\"\n", recordings.display());
    place.write_config(&(config + &source + "pbx_path = \"/var/spool/asterisk/records-22/monitor\"\n"));
    let agent = Agent::run(place);
    in_step(pbx, portal);
    agent
}

pub fn recordings(place: &Place) -> PathBuf {
    place.path().join("monitor")
}

/// Waits until the agent knows the employees, without whom it delivers nothing.
pub fn in_step(pbx: &Pbx, portal: &Portal) {
    pbx.wait_live(SOON);
    let asked = |state: &State| state.requests_of("user.get").find(|request| request.succeeded()).map(drop);
    portal.wait_for(SOON, asked).expect("the agent asks for the employees");
}

/// Calls one after another, as fast as they are kept.
fn play_missed(pbx: &Pbx, agent: &mut Agent, numbers: core::ops::Range<usize>) {
    let before = agent.wait_status("a report", SOON, |_| true)["journal"]["calls"].as_u64().unwrap_or(0);
    let mut kept = before;
    for number in numbers {
        pbx.play(&missed(number), 1000.0);
        kept += 1;
        if (kept - before).is_multiple_of(50) {
            agent.wait_status("fifty more calls in the journal", SOON, |report| report["journal"]["calls"] == kept);
        }
    }
    agent.wait_status("the calls in the journal", SOON, |report| report["journal"]["calls"] == kept);
}

/// WAV, 8 kHz, 16 bit, one channel: so many seconds.
pub fn sound(secs: u32) -> Vec<u8> {
    let bytes = secs * 16_000;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&8000_u32.to_le_bytes());
    file.extend_from_slice(&16_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.resize(file.len() + bytes as usize, 7);
    file
}

/// Rings at 101 and gives the moment at which it did.
pub fn ring(pbx: &Pbx, number: usize) -> Instant {
    let call = missed(number);
    let rings = |packet: &[u8]| packet.windows(26).any(|part| part == b"ChannelStateDesc: Ringing\r");
    let at = call.events().find(|(_, packet)| rings(packet)).map(|(at, _)| at).expect("a telephone that rings");
    let began = Instant::now();
    pbx.play(&call, 4.0);
    began + at.div_f64(4.0)
}

#[test]
fn a_card_waits_for_no_backlog_and_no_upload() {
    let (pbx, portal) = (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"));
    let mut agent = office(&pbx, &portal);
    portal.fault(Fault::slow_before(SLOW).on("upload"));
    let name = "20261121-204143-79161234567-101.wav";
    fs::write(recordings(&agent.place).join(name), sound(300)).expect("a recording");
    pbx.play(&transcript("inbound-answered"), 4.0);
    let under_way = |state: &State| state.requests_of("upload").next().map(drop);
    portal.wait_for(LATER, under_way).unwrap_or_else(|| panic!("no upload:\n{}", agent.log()));
    // An outage with many calls in it would cut the upload; so they come faster than the portal lets them be posted.
    play_missed(&pbx, &mut agent, 0..BACKLOG);
    // Once calls of the backlog go, the requests that are kept for cards are there again.
    let begun = portal.calls().len() + 3;
    portal.wait_for(LATER, |state| (state.calls().len() >= begun).then_some(())).expect("the backlog moves");
    for number in BACKLOG..BACKLOG + 3 {
        let report = agent.wait_status("a report", SOON, |_| true);
        let waiting = report["journal"]["waiting"].as_u64().unwrap_or(0);
        assert!(waiting > 50, "only {waiting} calls wait: nothing is shown");
        let rang = ring(&pbx, number);
        let carded = |state: &State| {
            let mut requests = state.requests_of(REGISTER);
            let of_call = requests.find(|request| request.params.at("PHONE_NUMBER").to_text() == client(number));
            of_call.map(|request| (request.arrived, request.params.at("SHOW").to_text()))
        };
        let (came, show) = portal.wait_for(SOON, carded).unwrap_or_else(|| panic!("no card:\n{}", agent.log()));
        assert_eq!(show, "1", "a card for call {number}");
        let late = came.saturating_duration_since(rang);
        assert!(late <= AT_ONCE, "the card came {late:?} after the ring, {waiting} calls waiting");
    }
    let upload = portal.requests_of("upload").pop().expect("the upload");
    assert_eq!(upload.answered, None, "the upload was over before the last ring");
}

/// The text lists every call once, oldest first, each with what became of it; JSON lists the same.
#[test]
fn more_calls_than_one_window_are_listed_in_order() {
    let (pbx, portal) = (Pbx::start(), Portal::start(PortalConfig::default()).expect("a portal"));
    let mut agent = office(&pbx, &portal);
    let had = |calls: usize| move |state: &State| (state.calls().len() >= calls).then_some(());
    pbx.play(&missed(0), 1000.0);
    portal.wait_for(SOON, had(1)).expect("a delivered call");
    portal.fault(Fault::error(400, "ERROR_ARGUMENT", "No such thing").on(REGISTER).times(u32::MAX));
    pbx.play(&missed(1), 1000.0);
    agent.wait_status("a refused call", SOON, |report| report["crm"][0]["counters"]["refused"] == 1);
    portal.clear_faults();
    pbx.play(&transcript("internal-call"), 20.0);
    agent.wait_status("the internal call", SOON, |report| report["journal"]["calls"] == 3);
    pbx.play(&transcript("inbound-answered"), 20.0);
    portal.wait_for(SOON, had(2)).expect("a call whose recording is not there yet");
    // The portal has it a moment before the agent has its answer.
    agent.wait_status("two delivered calls", SOON, |report| report["crm"][0]["counters"]["delivered"] == 2);
    portal.go_down();
    play_missed(&pbx, &mut agent, 4..154);

    let listed = agent.place.command("calls");
    assert!(listed.status.success(), "{listed:?}");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 154, "{text}");
    let clients = (4..154).map(client);
    let first = [client(0), client(1), "102".to_owned(), "79161234567".to_owned()];
    let states = ["delivered", "refused", "not posted", "delivered, recording waits"];
    let states = states.into_iter().chain(std::iter::repeat("waiting"));
    for ((line, client), state) in lines.iter().zip(first.into_iter().chain(clients)).zip(states) {
        let words = format!(" {client}  line ");
        assert!(line.contains(&words) && says(line, state), "{client} is {state}: {line}");
    }

    let listed = agent.place.ask(&["calls", "--json"]);
    let rows: Vec<serde_json::Value> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids.len(), 154, "{rows:#?}");
    let states = ["delivered", "refused", "", "recording-waits", "waiting"];
    let told = rows[..5].iter().map(|row| row["deliveries"][0]["state"].as_str().unwrap_or("")).collect::<Vec<_>>();
    assert_eq!(told, states, "{:#?}", &rows[..5]);
    let of_backlog: Vec<String> = rows[4..].iter().map(|row| row["client"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(of_backlog, (4..154).map(client).collect::<Vec<_>>());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 154, "an identity twice");
}

/// Whether the line ends with this word for its delivery; a refusal tells the portal's reason.
fn says(line: &str, state: &str) -> bool {
    match state {
        "refused" => line.contains("  refused: ") && line.contains("No such thing"),
        state => line.ends_with(&format!("  {state}")),
    }
}
