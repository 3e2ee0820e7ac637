//! What one call costs the flash: bytes and syncs of the agent, and what of it reaches the medium.
//!
//! Calls come one by one, far enough apart that nothing of one rides with the next but what is meant to: the marks of
//! its delivery. What the agent asks of the kernel is counted by the kernel; what the medium is asked for, by the flash
//! chip's driver or by the disk.

use crate::ledger::promised;
use crate::machine::Machine;
use crate::router::Router;
use crate::trouble::{Trouble, trouble};
use std::thread;
use std::time::Duration;

/// Calls before the counting begins: the file system settles.
const BEFORE: usize = 3;
/// Calls that are counted.
const CALLS: usize = 20;
/// From one call to the next: longer than ext4 and UBIFS wait with what is due.
const PACE: Duration = Duration::from_secs(6);
const DELIVERY: Duration = Duration::from_secs(120);
const TRACING: &str = "/sys/kernel/debug/tracing/events/syscalls";

/// Counts so far, or for one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wear {
    /// Bytes that the agent wrote.
    pub written: f64,
    /// Times that it wrote.
    pub writes: f64,
    /// Times that it had them synced.
    pub syncs: f64,
    /// Bytes that the medium was asked to keep.
    pub medium_bytes: f64,
    /// Times that it was.
    pub medium_writes: f64,
    /// Blocks of flash erased.
    pub erases: f64,
    /// Flushes of the disk's cache.
    pub flushes: f64,
}

impl Wear {
    fn since(self, before: Self) -> Self {
        let each = |now: f64, then: f64| (now - then) / CALLS as f64;
        Self {
            written: each(self.written, before.written),
            writes: each(self.writes, before.writes),
            syncs: each(self.syncs, before.syncs),
            medium_bytes: each(self.medium_bytes, before.medium_bytes),
            medium_writes: each(self.medium_writes, before.medium_writes),
            erases: each(self.erases, before.erases),
            flushes: each(self.flushes, before.flushes),
        }
    }
}

/// Measures one call.
pub fn measure(router: &Router) -> Result<Wear, Trouble> {
    let mut machine = router.start()?;
    for call in ["pwrite64", "fdatasync", "fsync"] {
        let value = if call == "pwrite64" { ":vals=count" } else { "" };
        machine.run(&format!("echo hist:keys=common_pid{value} > {TRACING}/sys_enter_{call}/trigger"))?;
    }
    (0..BEFORE).try_for_each(|_| one_call(router))?;
    let before = count(router, &mut machine)?;
    (0..CALLS).try_for_each(|_| one_call(router))?;
    Ok(count(router, &mut machine)?.since(before))
}

/// A call, kept and delivered, and the rest of its time.
fn one_call(router: &Router) -> Result<(), Trouble> {
    let id = router.office.play(true, 10.0);
    let kept = || promised(&router.bench.console()).contains(&id).then_some(());
    router.wait("durable call", DELIVERY, kept)?;
    let there = || router.office.delivered().contains_key(&id).then_some(());
    router.wait("delivered call", DELIVERY, there)?;
    thread::sleep(PACE);
    Ok(())
}

/// Everything that is due is written back first.
fn count(router: &Router, machine: &mut Machine) -> Result<Wear, Trouble> {
    machine.run("sync")?;
    let mut wear = Wear::default();
    (wear.writes, wear.written) = traced(machine, "pwrite64")?;
    wear.syncs = traced(machine, "fdatasync")?.0 + traced(machine, "fsync")?.0;
    if router.fs.is_on_flash() {
        let counts = machine.run("cd /sys/module/flash/parameters; cat written writes erases")?;
        let mut counts = counts.lines().filter_map(|line| line.trim().parse().ok());
        let mut next = || counts.next().ok_or_else(|| trouble!("the flash chip tells no counts"));
        (wear.medium_bytes, wear.medium_writes, wear.erases) = (next()?, next()?, next()?);
    } else {
        let traffic = router.bench.disk.traffic();
        (wear.medium_bytes, wear.medium_writes) = (traffic.bytes as f64, traffic.writes as f64);
        wear.flushes = traffic.flushes as f64;
    }
    Ok(wear)
}

/// Hits of a system call, and the sum of its `count`.
fn traced(machine: &mut Machine, call: &str) -> Result<(f64, f64), Trouble> {
    let table = machine.run(&format!("cat {TRACING}/sys_enter_{call}/hist"))?;
    let sum = |name: &str| -> f64 {
        let rows = table.lines().filter(|line| line.starts_with('{'));
        let cell = |row: &str| row.rsplit_once(name)?.1.split_whitespace().next()?.parse::<f64>().ok();
        rows.filter_map(cell).sum()
    };
    Ok((sum("hitcount:"), sum(" count:")))
}
