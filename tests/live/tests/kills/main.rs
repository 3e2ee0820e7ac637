//! No call lost and none twice, in the large: an office at work, a portal that misbehaves at random, and an agent that
//! is killed at random instants again and again. At the end the portal's list is the exchange's, one to one.
//!
//! `RINGPOST_KILLS` says how many kills, `RINGPOST_KILLS_SEED` repeats the choices of an earlier run (not its timing).

mod calls;
mod killer;
mod reckoning;
mod weather;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use calls::Played;
use fastrand::Rng;
use killer::{Killer, Kills};
use live::office::{Verdict, Wish};
use live::{Office, Version, wait_until};
use portal::{PortalConfig, RateLimit};
use reckoning::Account;
use weather::Weather;

/// Kills when nobody says how many.
const KILLS: u32 = 40;
/// How long the portal may take to have all calls once it is well and the agent lives: two rounds of looking, and then
/// the pace of a small plan for each call, which ringpost keeps to.
const DRAINED: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(4));
/// How long the exchange may take to list a call that is over.
const LISTED: Duration = Duration::from_secs(10);

mod the_portal_lists_what_the_exchange_lists {
    use super::*;

    #[test]
    fn asterisk_22() -> Verdict {
        kill_in_an_office(Version::Asterisk22)
    }

    #[test]
    fn asterisk_16() -> Verdict {
        kill_in_an_office(Version::Asterisk16)
    }
}

/// A number from the environment.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn kill_in_an_office(version: Version) -> Verdict {
    let kills = number("RINGPOST_KILLS").map_or(KILLS, |kills| u32::try_from(kills).expect("a number of kills"));
    let seed = number("RINGPOST_KILLS_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("Asterisk {version}: RINGPOST_KILLS={kills} RINGPOST_KILLS_SEED={seed}");
    // A sync takes its time on flash, and a kill may come in the middle. The portal has a large plan: how a backlog
    // fits into a small one is another test's.
    let wish = |_: &live::Exchange| {
        let portal = PortalConfig {
            rate_limit: Some(RateLimit { blocked_at: 250.0, leak_per_second: 5.0 }),
            ..Wish::default().portal
        };
        let environment = vec![("RINGPOST_TEST_SLOW_SYNC_MS".to_owned(), "60".to_owned())];
        Ok(Wish { portal, environment, ..Wish::default() })
    };
    Office::play_with(version, true, wish, |office| {
        let began = Instant::now();
        let day = work(office, kills, Rng::with_seed(seed))?;
        let drained = drain(office)?;
        let account = reckon(office, &day)?;
        tell(version, began.elapsed(), &drained, &day, &account);
        demand(&day.kills, &account, office, kills as usize)
    })
}

/// What happened until the portal was well and the agent lived for good.
struct Day {
    played: Vec<Played>,
    kills: Kills,
    weather: Weather,
}

/// Calls and bad weather go on as long as the agent is killed.
fn work(office: &Office, kills: u32, mut random: Rng) -> Result<Day, String> {
    let (closing, calm) = (AtomicBool::new(false), AtomicBool::new(false));
    let workers = calls::workers(office, &mut random);
    let mut killer = Killer::new(office, random.fork());
    let storm = random.fork();
    thread::scope(|scope| {
        let workers: Vec<_> = workers.into_iter().map(|worker| scope.spawn(|| worker.work(&closing))).collect();
        let weather = scope.spawn(|| weather::blow(&office.portal, storm, &calm));
        let killed = killer.kill(kills);
        calm.store(true, Ordering::Relaxed);
        closing.store(true, Ordering::Relaxed);
        let weather = joined(weather)?;
        killed.map_err(|trouble| format!("killing: {trouble}"))?;
        // Some calls are still going on: they end before the eyes of the last life.
        let kills = killer.start().map_err(|trouble| format!("the last start: {trouble}"))?;
        let played: Result<Vec<Vec<Played>>, String> = workers.into_iter().map(joined).collect();
        Ok(Day { played: played?.concat(), kills, weather })
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().map_err(|_| "a thread panicked".to_owned())?
}

/// Waits until nothing is left to be posted.
fn drain(office: &Office) -> Result<Drained, live::Trouble> {
    let began = Instant::now();
    let opened = |status: &serde_json::Value| status["journal"]["calls"].as_u64() > Some(0);
    let status = office.agent.await_status("the journal is open", DRAINED.0, opened)?;
    let waiting = status["journal"]["waiting"].as_u64().map_or(0, |waiting| u32::try_from(waiting).unwrap_or(u32::MAX));
    office.settled(DRAINED.0 + DRAINED.1 * waiting)?;
    Ok(Drained { waiting, took: began.elapsed() })
}

/// What was left after the last start.
struct Drained {
    waiting: u32,
    took: Duration,
}

fn reckon(office: &Office, day: &Day) -> Result<Account, Box<dyn std::error::Error>> {
    let name = office.agent.status().ok_or("no status")?["pbx"]["name"].as_str().ok_or("no name")?.to_owned();
    let cdrs = wait_until("the exchange lists all calls", LISTED, || {
        let cdrs = office.cdrs().ok()?;
        let mut calls: Vec<&str> = cdrs.iter().map(|cdr| cdr.linked_id.as_str()).collect();
        calls.sort_unstable();
        calls.dedup();
        (calls.len() >= day.played.len()).then_some(cdrs)
    })?;
    Ok(reckoning::reckon(&name, &cdrs, &day.played, &office.portal.calls(), &day.kills.absences))
}

fn tell(version: Version, whole: Duration, drained: &Drained, day: &Day, account: &Account) {
    let Day { kills, weather, .. } = day;
    let away: Duration = kills.absences.iter().map(|absence| absence.until - absence.from).sum();
    let longest = kills.absences.iter().map(|absence| absence.until - absence.from).max().unwrap_or_default();
    let kinds: Vec<String> =
        account.kinds.iter().map(|(kind, (all, posted))| format!("{kind} {posted}/{all}")).collect();
    eprintln!(
        "Asterisk {version}: {:.0} s, {} absences (together {:.0} s, the longest {:.1} s), {} kills of a starting agent, \
         {} at a register or finish; {} faults and {} outages of the portal\n  \
         listed {} calls of clients and {} among employees; posted {}, told exactly {}, unseen {}, lost {}, twice {}\n  \
         posted/played: {}\n  \
         to the portal after {}; the {} that waited at the last start within {:.1} s",
        whole.as_secs_f64(),
        kills.absences.len(),
        away.as_secs_f64(),
        longest.as_secs_f64(),
        kills.of_a_starting_agent,
        kills.at_a_request,
        weather.faults,
        weather.outages,
        account.listed,
        account.internal,
        account.posted,
        account.exact,
        account.unseen,
        account.lost,
        account.twice,
        kinds.join(", "),
        reckoning::spread(&account.delays),
        drained.waiting,
        drained.took.as_secs_f64(),
    );
    account.complaints.iter().for_each(|complaint| eprintln!("  {complaint}"));
}

fn demand(kills: &Kills, account: &Account, office: &Office, times: usize) -> Verdict {
    assert_eq!(account.complaints.len(), 0, "the lists differ, see above");
    assert_eq!((account.lost, account.twice), (0, 0));
    assert_eq!(account.posted + account.unseen, account.listed);
    assert!(account.unseen <= reckoning::few(account.listed), "{} calls were seen by nobody", account.unseen);
    // A day on which little happened proves little.
    assert!(account.listed >= times / 4, "{} calls are no work for {times} kills", account.listed);
    assert!(kills.at_a_request >= times / 20, "{} of {times} kills met a request", kills.at_a_request);
    office.portal.look(|state| {
        assert!(state.live_calls().is_empty(), "left open: {:#?}", state.live_calls());
        assert_eq!(state.activities().len(), state.calls().len(), "one activity for each call");
        let recordings = state.recordings();
        let mut recorded: Vec<&str> = recordings.iter().map(|recording| recording.call_id.as_str()).collect();
        recorded.sort_unstable();
        recorded.dedup();
        assert_eq!(recorded.len(), recordings.len(), "a recording is there twice");
    });
    Ok(())
}
