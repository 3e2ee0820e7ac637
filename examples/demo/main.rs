//! Calls of a real Asterisk, played to the real agent, landing at a portal: all in this process, all on loopback.
//!
//! `cargo run --release --example demo`. A scripted PBX plays captured traffic in real time, several calls at once; the
//! agent is the daemon of `ringpost run`; the portal is the one of the tests. Ends with a table of what the portal
//! holds against what the telephones did (`tests/transcripts/expected.tsv`), and with exit code 1 where the two differ.

mod office;
mod screen;
mod story;

use office::Office;
use pbx::Transcript;
use portal::Event;
use screen::Screen;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use story::{Story, stories};

/// What is played: the second at which it begins, and the capture.
const PROGRAMME: [(u64, &str); 8] = [
    (0, "inbound-answered"),
    (1, "inbound-ringgroup"),
    (3, "two-calls-at-once"),
    (4, "outbound-answered"),
    (6, "inbound-noanswer"),
    (7, "queue-answered"),
    (8, "anonymous"),
    (9, "transfer-attended-feature"),
];

/// Time for everything to land, after which the demo says what is missing.
const PATIENCE: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    match play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the programme; whether the portal holds what it should at the end.
pub fn play() -> Result<bool, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let transcripts = root.join("tests/transcripts");
    let scenarios = PROGRAMME.map(|(_, scenario)| scenario);
    let expected = stories(&std::fs::read_to_string(transcripts.join("expected.tsv"))?, "22.10.1", &scenarios);
    let office = Office::open(&expected)?;
    let events = office.portal.subscribe();
    office.pbx.wait_live(Duration::from_secs(10));
    let screen = Screen::new(office.began);
    screen.head(&office);
    let began = Instant::now();
    let players = PROGRAMME.map(|(second, scenario)| {
        let file = transcripts.join("22.10.1").join(scenario).with_extension("txt");
        let (pbx, due) = (office.pbx.clone(), began + Duration::from_secs(second));
        Transcript::read(&file).map(|transcript| {
            thread::spawn(move || {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                pbx.play(&transcript, 1.0);
            })
        })
    });
    watch(&events, &screen, &expected, began + PATIENCE);
    for player in players {
        player?.join().map_err(|_| "the PBX failed to play")?;
    }
    let held = office.portal.look(|state| (state.calls().to_vec(), state.recordings().to_vec()));
    let same = screen.table(&expected, &held.0, &held.1);
    office.close()?;
    Ok(same)
}

/// Shows what lands until every call is finished and every recording is there.
fn watch(events: &Receiver<Event>, screen: &Screen, expected: &[Story], until: Instant) {
    let mut calls = expected.len();
    let mut recordings = expected.iter().filter(|story| story.recording.is_some()).count();
    while calls + recordings > 0 {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(event) => {
                match &event {
                    Event::Finished(_) => calls = calls.saturating_sub(1),
                    Event::Recorded(_) => recordings = recordings.saturating_sub(1),
                    _ => {}
                }
                screen.show(&event);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}
