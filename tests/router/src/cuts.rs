//! Power cuts at random instants, and the account of them.
//!
//! A life of the router ends before the agent is logged in (while it mounts, repairs its journal, connects) or a moment
//! after it, among calls and deliveries. A backlog that grows near the journal's size would be dropped by design; so
//! now and then a life is long and its portal well, and the backlog is delivered before calls come again and the power
//! is cut.

use crate::ledger::{Account, promised};
use crate::machine::Machine;
use crate::router::{Router, START};
use crate::trouble::{Trouble, trouble};
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// Undelivered calls at which a life is a long one: well below the journal's room.
const BACKLOG: usize = 80;
/// Undelivered calls at which a long life may end.
const DELIVERED: usize = 10;
/// For a backlog: the wait after a crash, look-ups, and the pace that a portal allows.
const DELIVERY: Duration = Duration::from_secs(900);
/// For the last calls in doubt, which are looked up for a minute and longer.
const LAST_DELIVERY: Duration = Duration::from_secs(900);
/// One cut of so many comes before the agent is logged in.
const EARLY: u32 = 6;
/// Longest life before the login, and after it.
const EARLY_MS: u64 = 4000;
const LATE_MS: u64 = 3000;
/// What the log says of a journal that was read.
const OPEN: &str = " calls in it";
/// What no console of a healthy router says.
const FAULTS: [&str; 6] =
    ["panicked", "the journal:", "does not outlive", "is delivered from memory", "Kernel panic", "Oops"];

/// Cuts the power so often, and holds what the portal has in the end against what was promised.
pub fn series(router: &Router, cuts: u32, seed: u64, tell: impl Fn(&str)) -> Result<Account, Trouble> {
    let mut random = fastrand::Rng::with_seed(seed);
    let office = &router.office;
    office.set_whimsical(true);
    for cut in 1..=cuts {
        let machine = life(router, &mut random)?;
        machine.kill();
        router.bench.disk.cut(&mut random);
        office.set_playing(false);
        if cut.is_multiple_of(25) || cut == cuts {
            tell(&format!(
                "{cut} cuts, {} calls durable, {} at the portal",
                known(router).len(),
                office.delivered().len()
            ));
        }
    }
    office.close();
    settle(router)?;
    let account = Account::of(&office.played(), &known(router), &office.delivered());
    let console = router.bench.console();
    match FAULTS.iter().find(|fault| console.contains(**fault)) {
        Some(fault) => Err(trouble!("\"{fault}\" in {}", router.bench.console_file().display())),
        None => Ok(account),
    }
}

/// One life, up to the instant at which it is to be cut.
fn life(router: &Router, random: &mut fastrand::Rng) -> Result<Machine, Trouble> {
    let office = &router.office;
    if random.u32(0..EARLY) == 0 {
        let machine = router.power_on()?;
        thread::sleep(Duration::from_millis(random.u64(0..EARLY_MS)));
        return Ok(machine);
    }
    let machine = router.start()?;
    if backlog(router).len() > BACKLOG {
        office.set_whimsical(false);
        let drained = || (backlog(router).len() <= DELIVERED).then_some(());
        router.wait("end of the backlog", DELIVERY, drained)?;
        office.set_whimsical(true);
    }
    office.set_playing(true);
    thread::sleep(Duration::from_millis(random.u64(0..LATE_MS)));
    Ok(machine)
}

/// The last life: it lasts until nothing is left to do. Whether everything came is told by the account.
fn settle(router: &Router) -> Result<(), Trouble> {
    router.office.set_whimsical(false);
    let from = router.bench.console().len();
    let mut machine = router.start()?;
    // A journal that is not open yet reports none that wait.
    let open = || router.bench.console().get(from..).is_some_and(|new| new.contains(OPEN)).then_some(());
    router.wait("open journal", START, open)?;
    let is_done = |report: &Value| report["journal"]["waiting"] == 0;
    router.wait_status(&mut machine, "end of the deliveries", LAST_DELIVERY, is_done)?;
    Ok(())
}

/// All calls that were durable so far.
fn known(router: &Router) -> BTreeSet<String> {
    promised(&router.bench.console())
}

/// Those that the portal does not hold.
fn backlog(router: &Router) -> BTreeSet<String> {
    let delivered = router.office.delivered();
    known(router).into_iter().filter(|id| !delivered.contains_key(id)).collect()
}
