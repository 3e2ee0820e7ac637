//! A file system that is full, read-only or broken: the calls meanwhile arrive, it is told, and the journal goes on
//! when it can.

use crate::ledger::{Account, promised};
use crate::machine::Machine;
use crate::medium::FileSystem;
use crate::router::{Router, START};
use crate::trouble::{Trouble, trouble};
use std::thread;
use std::time::{Duration, Instant};

const DELIVERY: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);
/// From a mended file system to a journal that is kept again.
const JOURNAL_BACK: Duration = Duration::from_secs(150);
const PACE: Duration = Duration::from_secs(5);
/// Calls while it lasts.
const CALLS: usize = 3;
/// What the log says of a journal that cannot be written, and how often it may for one fault: writing and syncing may
/// fail differently, one after the other.
const ALARM: &str = "do not outlive it";
const ALARMS: usize = 3;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Full,
    ReadOnly,
    Broken,
}

/// Plays every fault that this file system can have; what came of each.
pub fn series(router: &Router) -> Result<Vec<String>, Trouble> {
    let mut machine = router.start()?;
    kept(router)?;
    let mut told = Vec::new();
    for fault in [Fault::Full, Fault::ReadOnly, Fault::Broken] {
        let (again, how) = suffer(router, machine, fault)?;
        machine = again;
        told.push(format!("{fault:?}: {how}"));
    }
    drop(machine);
    router.office.close();
    let account = Account::of(&router.office.played(), &promised(&router.bench.console()), &router.office.delivered());
    if !account.is_true() || account.delivered != account.played {
        return Err(trouble!("{account:?}"));
    }
    if router.bench.console().contains("panicked") {
        return Err(trouble!("a panic in {}", router.bench.console_file().display()));
    }
    Ok(told)
}

/// One fault from its beginning to its end.
fn suffer(router: &Router, mut machine: Machine, fault: Fault) -> Result<(Machine, String), Trouble> {
    let from = router.bench.console().len();
    begin(router, &mut machine, fault)?;
    for _ in 0..CALLS {
        delivered(router, &router.office.play(true, 20.0))?;
    }
    let report = router.status(&mut machine)?.ok_or_else(|| trouble!("no report while {fault:?}"))?;
    let alarm = report["journal"]["fault"].as_str().unwrap_or_default().to_owned();
    let alarms = router.bench.console().get(from..).map_or(0, |new| new.matches(ALARM).count());
    if alarm.is_empty() != (alarms == 0) || alarms > ALARMS {
        return Err(trouble!("{fault:?}: told {alarms} times, status says {alarm:?}"));
    }
    if alarm.is_empty() && fault != Fault::Full {
        return Err(trouble!("{fault:?} and no alarm"));
    }
    let restarted = !end(router, &mut machine, fault)?;
    if restarted {
        machine.kill();
        machine = router.start()?;
    }
    kept(router)?;
    router.wait_status(&mut machine, "journal that is well", SOON, |report| report["journal"]["fault"] == "")?;
    let alarm = if alarm.is_empty() { "no alarm, the journal went on".to_owned() } else { format!("\"{alarm}\"") };
    let end = if restarted { "well after a restart of the machine" } else { "well again by itself" };
    Ok((machine, format!("{alarm}, {CALLS} calls delivered, {end}")))
}

fn begin(router: &Router, machine: &mut Machine, fault: Fault) -> Result<(), Trouble> {
    match fault {
        Fault::Full => {
            machine.run(
                "dd if=/dev/urandom of=/flash/filler bs=64k; dd if=/dev/urandom of=/flash/filler2 bs=512; sync; true",
            )?;
        }
        Fault::ReadOnly => {
            // The kernel refuses it while the journal is open.
            let logins = router.office.pbx().logins();
            machine.run(
                "kill $(cat /run/ringpost.pid); wait; mount -o remount,ro /mnt && mount -o remount,ro /flash && agent",
            )?;
            router.wait("login of the agent", START, || (router.office.pbx().logins() > logins).then_some(()))?;
        }
        Fault::Broken if router.fs.is_on_flash() => drop(machine.run("echo 1 > /sys/module/flash/parameters/broken")?),
        Fault::Broken => router.bench.disk.set_broken(true),
    }
    Ok(())
}

/// Mends what can be mended from outside. False where the file system gave up until the next start.
fn end(router: &Router, machine: &mut Machine, fault: Fault) -> Result<bool, Trouble> {
    match fault {
        Fault::Full => drop(machine.run("rm /flash/filler /flash/filler2; sync")?),
        Fault::ReadOnly => drop(machine.run("mount -o remount,rw /flash && mount -o remount,rw /mnt")?),
        Fault::Broken if router.fs == FileSystem::Jffs2 || router.fs == FileSystem::Ubifs => {
            machine.run("echo 0 > /sys/module/flash/parameters/broken")?;
        }
        Fault::Broken => router.bench.disk.set_broken(false),
    }
    Ok(machine.try_run("echo well > /flash/probe && sync && rm /flash/probe")?.0 == 0)
}

/// Calls until one is durable: a journal that could not be opened is tried again in its own time.
fn kept(router: &Router) -> Result<(), Trouble> {
    let until = Instant::now() + JOURNAL_BACK;
    loop {
        let id = router.office.play(true, 20.0);
        delivered(router, &id)?;
        if promised(&router.bench.console()).contains(&id) {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(trouble!("{id} is not durable"));
        }
        thread::sleep(PACE);
    }
}

fn delivered(router: &Router, id: &str) -> Result<(), Trouble> {
    let there = || router.office.delivered().contains_key(id).then_some(());
    router.wait(&format!("delivery of {id}"), DELIVERY, there)
}
