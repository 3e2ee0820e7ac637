//! Dates that do not fit into 32 bits: calls of 2040 and 2107, and of a machine that takes the one for 1970 at first.
//!
//! `tests/foreign future` runs these with programs of routers, on which a time of 32 bits would end in January 2038; it
//! preloads what shifts the clock of this process, and with it the portal's, and of the agent by the file that
//! RINGPOST_TEST_CLOCK names (`tests/foreign.c`). The exchange keeps the true time.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use live::office::{DELIVERY, Verdict, Wish};
use live::{Office, Plan, Version, did, secs};
use portal::{Certificate, FinishedCall, PortalConfig};

/// Noon of the first of July.
const IN_2038: i64 = 2_161_598_400;
const IN_2040: i64 = 2_224_756_800;
/// Past February 2106, where a count of 32 bits without a sign ends.
const IN_2107: i64 = 4_338_964_800;
/// A router that has just started and knows no date.
const IN_1970: i64 = 30;
/// How far apart the date of a call and that of its test may be.
const APART: Duration = Duration::from_secs(60);
/// How long an agent may take to notice that its clock was set, and to deliver.
const NOTICED: Duration = Duration::from_secs(90);

/// The clocks of the agent and of everything else in this process.
struct Clocks {
    ours: PathBuf,
    agents: PathBuf,
    truth: i64,
}

impl Clocks {
    fn found() -> Result<Clocks, Box<dyn std::error::Error>> {
        let ours = PathBuf::from(env::var_os("RINGPOST_TEST_CLOCK").ok_or("only by `tests/foreign future`")?);
        fs::write(&ours, "0")?;
        let clocks = Clocks { agents: ours.with_extension("agent"), ours, truth: unix()? };
        clocks.set(&clocks.ours, IN_2040)?;
        assert!(unix()?.abs_diff(IN_2040) < 60, "this test's own clock is not shifted: {}", unix()?);
        Ok(clocks)
    }

    /// Shifts a clock so that this test began at `date`.
    fn set(&self, clock: &Path, date: i64) -> std::io::Result<()> {
        fs::write(clock, (date - self.truth).to_string())
    }

    fn set_all(&self, date: i64) -> std::io::Result<()> {
        self.set(&self.ours, date)?;
        self.set(&self.agents, date)
    }

    fn wish(&self, certificate: Certificate) -> Wish {
        let wish = Wish::default();
        let environment = vec![("RINGPOST_TEST_CLOCK".to_owned(), self.agents.display().to_string())];
        Wish { environment, portal: PortalConfig { certificate, ..wish.portal }, ..wish }
    }
}

fn unix() -> Result<i64, Box<dyn std::error::Error>> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

/// A recorded call to 101 of three seconds: who called. The recording's date is that of this test.
fn one_call(office: &Office) -> Result<String, Box<dyn std::error::Error>> {
    let caller = office.caller();
    office.plan_for(&caller, "101", Plan::manual())?;
    let call = office.inbound(&caller, did::RECORDED)?;
    office.ringing("101", caller.number(), secs(10.0))?.answer()?;
    thread::sleep(secs(3.0));
    call.hang_up()?;
    for recording in live::office::files(&office.recordings(), caller.number()) {
        File::options().write(true).open(recording)?.set_modified(SystemTime::now())?;
    }
    Ok(caller.number().to_owned())
}

/// The call is at the portal, dated by the clock of the test, with its recording.
fn assert_dated(office: &Office, client: &str) -> Result<FinishedCall, Box<dyn std::error::Error>> {
    let finished = office.call_of(client, NOTICED)?;
    let told = SystemTime::from(finished.registered.started);
    let age = SystemTime::now().duration_since(told)?;
    assert!(age < APART + NOTICED, "{age:?} ago: {finished:#?}");
    assert_eq!(finished.status_code, "200", "{finished:#?}");
    office.assert_recorded(&finished, client)?;
    Ok(finished)
}

/// What `ringpost calls` says, in which every call must be of `year`.
fn assert_listed(office: &Office, year: &str, calls: usize) -> Verdict {
    let output = office.agent.ask(&["calls"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().count() == calls && text.lines().all(|line| line.starts_with(year)), "{text}");
    for call in office.agent.calls()? {
        for date in ["started", "ended"] {
            assert!(call[date].as_str().is_some_and(|date| date.starts_with(year)), "{call}");
        }
    }
    Ok(())
}

/// Every file of the agent and of its directory gets the date of this test, as on a machine that has had it all along.
fn touch(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            touch(&path)?;
        }
        File::open(&path)?.set_modified(SystemTime::now())?;
    }
    Ok(())
}

#[test]
#[ignore = "wants a clock that is off: tests/foreign future"]
fn calls_of_2040() -> Verdict {
    let clocks = Clocks::found()?;
    clocks.set_all(IN_2040)?;
    Office::play_with(
        Version::Asterisk22,
        true,
        |_| Ok(clocks.wish(Certificate::Good)),
        |office| {
            let first = one_call(office)?;
            assert_dated(office, &first)?;
            assert_listed(office, "2040-07-01T", 1)?;
            // By SIGTERM, then on files that are of 2040, too.
            assert_eq!(office.agent.terminate()?, Some(0));
            touch(office.agent.dir())?;
            office.agent.start_live()?;
            let second = one_call(office)?;
            assert_dated(office, &second)?;
            office.settled(DELIVERY)?;
            assert_listed(office, "2040-07-01T", 2)
        },
    )
}

#[test]
#[ignore = "wants a clock that is off: tests/foreign future"]
fn a_certificate_that_ends_in_2039() -> Verdict {
    let clocks = Clocks::found()?;
    Office::play_with(
        Version::Asterisk22,
        false,
        |_| Ok(clocks.wish(Certificate::Until2039)),
        |office| {
            let doctor = |date| -> Result<String, Box<dyn std::error::Error>> {
                clocks.set_all(date)?;
                let output = office.agent.ask(&["doctor"])?;
                Ok(String::from_utf8(output.stdout)?)
            };
            let before = doctor(IN_2038)?;
            assert!(before.contains("2038-07-01T") && before.contains("the portal takes calls"), "{before}");
            let after = doctor(IN_2040)?;
            assert!(after.contains("2040-07-01T") && after.contains("its certificate has expired"), "{after}");
            Ok(())
        },
    )
}

#[test]
#[ignore = "wants a clock that is off: tests/foreign future"]
fn a_clock_of_1970_that_is_set_to_2107() -> Verdict {
    let clocks = Clocks::found()?;
    clocks.set(&clocks.ours, IN_2107)?;
    clocks.set(&clocks.agents, IN_1970)?;
    Office::play_with(
        Version::Asterisk22,
        false,
        |_| Ok(clocks.wish(Certificate::Good)),
        |office| {
            office.agent.start_live()?;
            let client = one_call(office)?;
            let waits = |status: &serde_json::Value| status["journal"]["waiting"] == 1 && status["live_calls"] == 0;
            office.agent.await_status("the call waits", DELIVERY, waits)?;
            let listed = office.agent.ask(&["calls"])?;
            assert!(listed.stdout.starts_with(b"date unknown yet"), "{}", String::from_utf8_lossy(&listed.stdout));
            assert_eq!(office.portal.look(|state| state.requests().count()), 0, "posted without a date");
            clocks.set(&clocks.agents, IN_2107)?;
            assert_dated(office, &client)?;
            office.settled(DELIVERY)?;
            assert_listed(office, "2107-", 1)
        },
    )
}
