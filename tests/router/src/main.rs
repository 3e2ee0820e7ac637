//! A laboratory: a small Linux under qemu, with ringpost as its work, on the file systems of routers. Its power is cut,
//! its flash fails, and it is a router that the package is installed on.
//!
//! `tests/powercut` prepares it and calls it; `tests/README.md` tells what it does. It is no part of `cargo test`.

mod boot;
mod cuts;
mod disk;
mod faults;
mod ledger;
mod machine;
mod medium;
mod office;
mod router;
mod trouble;
mod wear;

use ledger::Account;
use lexopt::prelude::*;
use machine::{Bench, Machine, Plan};
use medium::FileSystem;
use router::{Layout, Router};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;
use trouble::{Trouble, trouble};

/// MiB of memory of a machine that only has ringpost.
const MEMORY: u32 = 160;
const USAGE: &str = "usage: router --kernel FILE --initrd FILE --dir DIR run|faults|wear|boot [FS...] [--cuts N] [--jobs N] [--seed N] [--boot]";

/// What is asked for.
struct Words {
    kernel: PathBuf,
    initrd: PathBuf,
    dir: PathBuf,
    command: String,
    systems: Vec<FileSystem>,
    cuts: u32,
    jobs: usize,
    seed: u64,
    boot: bool,
}

impl Words {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut words = Self {
            kernel: PathBuf::new(),
            initrd: PathBuf::new(),
            dir: PathBuf::new(),
            command: String::new(),
            systems: Vec::new(),
            cuts: 5,
            jobs: 2,
            seed: fastrand::u64(..1 << 32),
            boot: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(word) = parser.next()? {
            match word {
                Long("kernel") => words.kernel = parser.value()?.into(),
                Long("initrd") => words.initrd = parser.value()?.into(),
                Long("dir") => words.dir = parser.value()?.into(),
                Long("cuts") => words.cuts = parser.value()?.parse()?,
                Long("jobs") => words.jobs = parser.value()?.parse::<usize>()?.max(1),
                Long("seed") => words.seed = parser.value()?.parse()?,
                Long("boot") => words.boot = true,
                Value(word) if words.command.is_empty() => words.command = word.string()?,
                Value(word) => {
                    let name = word.string()?;
                    let fs = FileSystem::named(&name).ok_or_else(|| format!("no file system {name:?} here"))?;
                    words.systems.push(fs);
                }
                other => return Err(other.unexpected()),
            }
        }
        if words.systems.is_empty() {
            words.systems =
                FileSystem::ALL.into_iter().filter(|fs| words.command != "boot" || fs.is_on_flash()).collect();
        }
        Ok(words)
    }

    /// What the machines are made of; unless told otherwise they go on from a saved start.
    fn plan(&self) -> Result<Plan, Trouble> {
        let (memory, files) = match self.command.as_str() {
            "boot" => (boot::MEMORY, Some(self.dir.join("tftp"))),
            _ => (MEMORY, None),
        };
        let plan = Plan { kernel: self.kernel.clone(), initrd: self.initrd.clone(), state: None, memory, files };
        if self.boot {
            return Ok(plan);
        }
        let state = self.dir.join("started.state");
        let bench = Bench::new(self.dir.join("start"), vec![0; 1 << 20], Vec::new())?;
        Machine::save(&plan, &bench, &state)?;
        Ok(Plan { state: Some(state), ..plan })
    }
}

/// Does `work` for each file system, so many at once; all of it, or what went wrong.
fn each<T: Send>(
    words: &Words,
    work: impl Fn(FileSystem) -> Result<T, Trouble> + Sync,
) -> Vec<(FileSystem, Result<T, Trouble>)> {
    let (waiting, done) = (Mutex::new(words.systems.iter().rev().copied().collect::<Vec<_>>()), Mutex::new(Vec::new()));
    let next = || waiting.lock().ok()?.pop();
    std::thread::scope(|scope| {
        for _ in 0..words.jobs {
            scope.spawn(|| {
                while let Some(fs) = next() {
                    let result = work(fs);
                    if let Ok(mut done) = done.lock() {
                        done.push((fs, result));
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

fn run(words: &Words) -> Result<bool, Trouble> {
    println!("{} cuts for each file system, --seed {}", words.cuts, words.seed);
    let (plan, began) = (words.plan()?, Instant::now());
    let results = each(words, |fs| {
        let seed = words.seed.wrapping_add(fs as u64); // each its own instants, whichever others run beside it
        let router = Router::new(fs, Layout::Overlay, &plan, words.dir.join(fs.name()), seed)?;
        let seconds = || began.elapsed().as_secs();
        cuts::series(&router, words.cuts, seed, |text| println!("{:<6} {:>5} s  {text}", fs.name(), seconds()))
    });
    println!(
        "{:<6} {:>6} {:>7} {:>8} {:>10} {:>5} {:>6} {:>9}",
        "", "cuts", "calls", "durable", "delivered", "lost", "twice", "invented"
    );
    let mut well = true;
    for (fs, result) in &results {
        match result {
            Ok(account) => {
                well &= account.is_true();
                print_account(*fs, words, account);
            }
            Err(error) => {
                well = false;
                println!("{:<6} {error}", fs.name());
            }
        }
    }
    Ok(well)
}

/// Faults of the file system, and the way out of each.
fn suffer(words: &Words) -> Result<bool, Trouble> {
    let plan = words.plan()?;
    let results = each(words, |fs| {
        faults::series(&Router::new(fs, Layout::Overlay, &plan, words.dir.join(fs.name()), words.seed)?)
    });
    for (fs, result) in &results {
        match result {
            Ok(told) => told.iter().for_each(|line| println!("{:<6} {line}", fs.name())),
            Err(error) => println!("{:<6} {error}, see {}", fs.name(), console(&words.dir, *fs).display()),
        }
    }
    Ok(results.iter().all(|(_, result)| result.is_ok()))
}

/// What a call costs the medium, as rows of a table in Markdown.
fn wear(words: &Words) -> Result<bool, Trouble> {
    let plan = words.plan()?;
    println!(
        "| file system | journal | bytes written | writes | syncs | bytes on the medium | writes there | erases | flushes |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let measured = |fs: FileSystem, layout: Layout| -> Result<(), Trouble> {
        let dir = words.dir.join(format!("{}-{layout:?}", fs.name()));
        let wear = wear::measure(&Router::new(fs, layout, &plan, dir, words.seed)?)?;
        let wear::Wear { written, writes, syncs, medium_bytes, medium_writes, erases, flushes } = wear;
        let of = |number: f64, there: bool| if there { format!("{number:.2}") } else { "–".to_owned() };
        println!(
            "| {} | {layout:?} | {written:.0} | {writes:.1} | {syncs:.1} | {medium_bytes:.0} | {medium_writes:.1} | {} | {} |",
            fs.name(),
            of(erases, fs.is_on_flash()),
            of(flushes, !fs.is_on_flash()),
        );
        Ok(())
    };
    let results = each(words, |fs| measured(fs, Layout::Bare).and_then(|()| measured(fs, Layout::Overlay)));
    for (fs, error) in results.iter().filter_map(|(fs, result)| Some((fs, result.as_ref().err()?))) {
        println!("{:<6} {error}", fs.name());
    }
    Ok(results.iter().all(|(_, result)| result.is_ok()))
}

/// The life of a package on a router, as lines of what was seen.
fn live(words: &Words) -> Result<bool, Trouble> {
    let (plan, began) = (words.plan()?, Instant::now());
    let results = each(words, |fs| {
        let seconds = || began.elapsed().as_secs();
        let tell = |text: &str| println!("{:<6} {:>5} s  {text}", fs.name(), seconds());
        boot::series(fs, &plan, &words.dir, words.seed, tell)
            .map(|figures| format!("{figures}, {} s in all", seconds()))
    });
    for (fs, result) in &results {
        match result {
            Ok(figures) => println!("{:<6} {figures}", fs.name()),
            Err(error) => println!("{:<6} {error}", fs.name()),
        }
    }
    Ok(results.iter().all(|(_, result)| result.is_ok()))
}

fn print_account(fs: FileSystem, words: &Words, account: &Account) {
    let Account { played, promised, delivered, lost, twice, invented } = account;
    let (l, t, i) = (lost.len(), twice.len(), invented.len());
    println!("{:<6} {:>6} {played:>7} {promised:>8} {delivered:>10} {l:>5} {t:>6} {i:>9}", fs.name(), words.cuts);
    for (what, ids) in [("lost", lost), ("twice", twice), ("invented", invented)] {
        for id in ids {
            println!("{:<6} {what}: {id}, see {}", fs.name(), console(&words.dir, fs).display());
        }
    }
}

fn console(dir: &Path, fs: FileSystem) -> PathBuf {
    dir.join(fs.name()).join("console.log")
}

fn main() -> ExitCode {
    let words = match Words::parse() {
        Ok(words) => words,
        Err(error) => {
            eprintln!("router: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match words.command.as_str() {
        "run" => run(&words),
        "faults" => suffer(&words),
        "wear" => wear(&words),
        "boot" => live(&words),
        other => Err(trouble!("no command {other:?}\n{USAGE}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("router: {error}");
            ExitCode::FAILURE
        }
    }
}
