//! One router: a file system, its machine of the moment, and the office beside it.

use crate::machine::{Bench, Machine, Plan};
use crate::medium::FileSystem;
use crate::office::Office;
use crate::trouble::{Trouble, trouble};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// KiB of the journal: small, so that the ring turns often.
const JOURNAL_KIB: u32 = 128;
/// How often a condition is looked at.
const ASKING: Duration = Duration::from_millis(100);
/// From the power to an agent that is logged in, on a busy machine.
pub const START: Duration = Duration::from_secs(120);

/// Where the journal lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On an overlay over the read-only system, as on OpenWrt.
    Overlay,
    /// On the file system itself.
    Bare,
}

/// A router that may have no power at the moment.
pub struct Router {
    /// Its file system.
    pub fs: FileSystem,
    /// PBX and portal.
    pub office: Arc<Office>,
    /// Disk, flash and console.
    pub bench: Bench,
    layout: Layout,
    plan: Plan,
}

impl Router {
    /// With a fresh file system, without power. Its files lie in `dir`.
    pub fn new(fs: FileSystem, layout: Layout, plan: &Plan, dir: PathBuf, seed: u64) -> Result<Self, Trouble> {
        std::fs::create_dir_all(&dir)?;
        let (disk, flash) = fs.fresh(&dir)?;
        let bench = Bench::new(dir, disk, flash)?;
        Ok(Self { fs, office: Office::open(seed)?, bench, layout, plan: plan.clone() })
    }

    /// Gives it power and has it start the agent. Returns at once; the first answer of the machine tells how it went.
    pub fn power_on(&self) -> Result<Machine, Trouble> {
        let mut machine = Machine::start(&self.plan, &self.bench)?;
        let agent = format!("{} && agent", self.preparation());
        machine.tell(&agent)?;
        Ok(machine)
    }

    /// The same, with the agent logged in at the end.
    pub fn start(&self) -> Result<Machine, Trouble> {
        let logins = self.office.pbx().logins();
        let mut machine = self.power_on()?;
        machine.answer()?;
        self.wait("the login of the agent", START, || (self.office.pbx().logins() > logins).then_some(()))?;
        Ok(machine)
    }

    /// The shell's line that mounts everything and writes the configuration.
    fn preparation(&self) -> String {
        let (lay, journal) = match self.layout {
            Layout::Overlay => ("overlay", "/mnt/etc/ringpost/journal"),
            Layout::Bare => ("true", "/flash/journal"),
        };
        let places = format!(
            "[journal]\npath = \"{journal}\"\nsize_kib = {JOURNAL_KIB}\n[run]\nstate_dir = \"/run/ringpost\"\n"
        );
        [
            identity(),
            file(&(places + &self.office.config("/run/ca.pem")), "/run/ringpost.toml"),
            "chmod 600 /run/ringpost.toml".to_owned(),
            file(self.office.certificate(), "/run/ca.pem"),
            format!("medium {}", self.fs.name()),
            lay.to_owned(),
            "network".to_owned(),
        ]
        .join(" && ")
    }

    /// What `ringpost status --json` says, if it says something.
    pub fn status(&self, machine: &mut Machine) -> Result<Option<Value>, Trouble> {
        let (_, said) = machine.try_run("ringpost status --json")?;
        Ok(serde_json::from_str(&said).ok())
    }

    /// Waits until the report satisfies `condition`.
    pub fn wait_status(
        &self,
        machine: &mut Machine,
        what: &str,
        patience: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> Result<Value, Trouble> {
        let until = Instant::now() + patience;
        let mut last = None;
        while Instant::now() < until {
            last = self.status(machine)?;
            if let Some(report) = last.as_ref().filter(|report| condition(report)) {
                return Ok(report.clone());
            }
            thread::sleep(ASKING * 5);
        }
        Err(trouble!("no {what} within {patience:?}; the last report: {last:?}{}", self.whereabouts()))
    }

    /// Waits until `ready` gives something.
    pub fn wait<T>(&self, what: &str, patience: Duration, ready: impl FnMut() -> Option<T>) -> Result<T, Trouble> {
        wait_for(patience, ready).ok_or_else(|| trouble!("no {what} within {patience:?}{}", self.whereabouts()))
    }

    fn whereabouts(&self) -> String {
        format!(" ({}; see {})", self.fs.name(), self.bench.console_file().display())
    }
}

/// The shell's line that gives a machine that was resumed the time of day and an identity of this start.
pub fn identity() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut random = fastrand::Rng::new();
    let (first, last) = (random.u32(..), random.u64(..1 << 48));
    format!("date -s @{now} && boot_id {first:08x}-0000-4000-8000-{last:012x}")
}

/// The shell's line that writes a file.
pub fn file(text: &str, path: &str) -> String {
    format!("printf '%b' '{}' > {path}", text.replace('\n', "\\n"))
}

/// Looks at a condition until it gives something, at most so long.
pub fn wait_for<T>(patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(value) = ready() {
            return Some(value);
        }
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(ASKING);
    }
}
