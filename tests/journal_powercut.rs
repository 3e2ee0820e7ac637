//! Power cuts at every byte of every write, over long histories, and media that fail in other ways, against the model.
//!
//! The quick tier runs with the others, in some seconds, and cuts at every seventh byte; `tests/run cuts` cuts at every
//! byte, more than a million times. A failure names its seed, which belongs into `journal_powercut.seeds`: those are
//! played first, always. `RINGPOST_SEED` plays one alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

mod journal_model;

use journal_model::{Office, Step, deep_cuts};
use ringpost::config::WhenFull;
use ringpost::journal::Mark;
use ringpost::journal::simulated::{AtCut, AtFailedSync};
use ringpost::text::bounded;
use std::io::ErrorKind;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Power cuts of each play in the quick tier.
const QUICK_CUTS: u64 = 400;
/// Bytes from cut to cut there; in the deep tier every byte is tried.
const QUICK_STRIDE: usize = 7;

/// Seeds of past failures of a play.
fn kept_seeds(play: &str) -> Vec<u64> {
    let lines = include_str!("journal_powercut.seeds").lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| words.first() == Some(&play)).map(|words| words[1].parse().unwrap()).collect()
}

/// Plays one seed after the other until there were enough cuts: the kept ones, then 1, 2, 3 … on every core.
fn play_seeds(name: &str, share: f64, play: fn(u64) -> u64) {
    if let Ok(seed) = std::env::var("RINGPOST_SEED") {
        println!("{name}: {} cuts with seed {seed}", play(seed.parse().unwrap()));
        return;
    }
    let wanted = deep_cuts().map_or((QUICK_CUTS as f64 * share.sqrt()) as u64, |cuts| (cuts as f64 * share) as u64);
    // MIPS has no atomics of 64 bits.
    let (kept, next, cuts) = (Mutex::new(kept_seeds(name)), AtomicU32::new(1), AtomicU32::new(0));
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let kept = kept.lock().unwrap().pop();
            let is_enough = u64::from(cuts.load(Ordering::Relaxed)) >= wanted || !failed.lock().unwrap().is_empty();
            if kept.is_none() && is_enough {
                return;
            }
            let seed = kept.unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed).into());
            match catch_unwind(|| play(seed)) {
                Ok(made) => _ = cuts.fetch_add(made as u32, Ordering::Relaxed),
                Err(_) => failed.lock().unwrap().push(seed),
            }
        }
    };
    let threads = if deep_cuts().is_some() { std::thread::available_parallelism().map_or(2, usize::from) } else { 1 };
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let failed = failed.into_inner().unwrap();
    println!("{name}: {} cuts, seeds 1 to {}", cuts.into_inner(), next.into_inner() - 1);
    assert!(
        failed.is_empty(),
        "failed: {name} {failed:?}; RINGPOST_SEED plays one again, journal_powercut.seeds keeps them"
    );
}

/// How an office lives.
#[derive(Clone, Copy)]
struct Habits {
    /// Percent of its steps that are a CRM's, which mostly keeps up.
    busy: u8,
    /// Calls of eight that are synced as they end. Calls that pile up share a sync, and pages are entered without one.
    synced: u8,
}

impl Habits {
    fn random(random: &mut fastrand::Rng, busy: u8) -> Self {
        Self { busy, synced: [7, 7, 1, 0][random.usize(0..4)] }
    }
}

fn random_step(random: &mut fastrand::Rng, Habits { busy, synced }: Habits) -> Step {
    if random.u8(0..100) >= busy {
        match random.u8(0..16) {
            0 => return Step::Repeat { which: random.u8(0..40) },
            1 => return Step::Replay { which: random.u8(0..40) },
            _ => {}
        }
        return Step::Append { size: random_size(random), sync: random.u8(0..8) < synced };
    }
    let mark = match random.u8(0..12) {
        0 => Mark::Refused { reason: bounded(b"no such user") },
        1 => Mark::Retry,
        2 => Mark::RecordingsGivenUp { reason: bounded(b"gone from the PBX") },
        3..=5 => Mark::Attached { recording: random.u8(0..3) },
        6 => Mark::Delivered { ticket: Some(bounded(b"externalCall.0123456789abcdef0123456789abcdef.1795293703")) },
        7 => return Step::Flush,
        8 if synced > 0 => return Step::Sync,
        _ => Mark::Delivered { ticket: None },
    };
    Step::Mark { which: random.u8(0..4), crm: random.u8(..), mark }
}

/// Calls with all that a call can have are rare.
fn random_size(random: &mut fastrand::Rng) -> u8 {
    if random.u8(0..24) == 0 { 7 } else { random.u8(0..7) }
}

fn random_office(random: &mut fastrand::Rng, when_full: WhenFull) -> Office {
    let kib = [32, 32, 32, 64, 128][random.usize(0..5)];
    Office::new(kib, 1 + random.usize(0..3), when_full)
}

/// Cuts the power at each byte that `step` writes, or each seventh, on a copy of the office each time: with all that
/// was written there, and in some orders. Returns the number of cuts.
fn cut_everywhere(office: &Office, step: &Step, random: &mut fastrand::Rng) -> u64 {
    let mut whole = office.clone();
    let before = whole.ring.storage().bytes_written;
    let _ = whole.take(step);
    let bytes = whole.ring.storage().bytes_written - before;
    let stride = if deep_cuts().is_some() { 1 } else { QUICK_STRIDE };
    let mut cuts = 0;
    for fuel in (random.u64(0..stride as u64)..bytes).step_by(stride) {
        let mut cut = office.clone();
        cut.ring.storage_mut().fuel = Some(fuel);
        assert!(cut.take(step).is_err(), "the power went");
        cut.judge(AtCut::KeepsAll);
        (0..SHUFFLES).for_each(|_| cut.judge(AtCut::Shuffles(random.u64(..))));
        cuts += 1 + SHUFFLES;
        // Now and then all that the ring hands out is read and compared.
        if fuel % 16 == 0 {
            cut.cut(random_cut(random));
            cuts += 1;
        }
    }
    cuts
}

/// A life of the office, and then, for some of its steps, a cut at every byte.
fn cuts_at_every_byte(seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut office = random_office(&mut random, WhenFull::DropOldest);
    let habits = Habits::random(&mut random, 60);
    // Into the second and third round of the ring, where there is something to overwrite and to move.
    for _ in 0..random.usize(0..900) {
        let step = random_step(&mut random, habits);
        office.take(&step).unwrap();
    }
    let mut cuts = 0;
    for _ in 0..4 {
        let step = random_step(&mut random, Habits { busy: 30, ..habits });
        cuts += cut_everywhere(&office, &step, &mut random);
        office.take(&step).unwrap();
    }
    cuts
}

/// Orders in which the unsynced sectors get to the medium, for each place of a cut.
const SHUFFLES: u64 = 7;

fn random_cut(random: &mut fastrand::Rng) -> AtCut {
    match random.u8(0..4) {
        0 => AtCut::KeepsAll,
        1 => AtCut::LosesAll,
        _ => AtCut::Shuffles(random.u64(..)),
    }
}

/// What a life is made of: chance, an office, and how it goes about its calls; `busiest` is the most that its CRMs keep
/// up.
fn random_life(seed: u64, busiest: u8) -> (fastrand::Rng, Office, Habits) {
    let mut random = fastrand::Rng::with_seed(seed);
    let when_full = if random.bool() { WhenFull::DropOldest } else { WhenFull::DropNewest };
    let office = random_office(&mut random, when_full);
    let busy = random.u8(20..busiest);
    let habits = Habits::random(&mut random, busy);
    (random, office, habits)
}

/// One life with many cuts and kills.
fn a_life_of_cuts(seed: u64) -> u64 {
    let (mut random, mut office, habits) = random_life(seed, 90);
    let mut cuts = 0;
    for _ in 0..600 {
        if random.u8(0..10) == 0 {
            office.ring.storage_mut().fuel = Some(random.u64(0..2000));
        }
        let step = random_step(&mut random, habits);
        let _ = office.take(&step);
        if office.ring.storage().is_off() {
            office.cut(random_cut(&mut random));
            cuts += 1;
        } else if random.u8(0..50) == 0 {
            office.kill();
        }
    }
    cuts
}

/// A life on a medium that refuses reads, writes, in part or in whole, and syncs, which then forgets what it had taken.
fn a_life_of_faults(seed: u64) -> u64 {
    let (mut random, mut office, habits) = random_life(seed, 70);
    let mut cuts = 0;
    for _ in 0..600 {
        let medium = office.ring.storage_mut();
        match random.u8(0..40) {
            0 => {
                let kind =
                    [ErrorKind::StorageFull, ErrorKind::Other, ErrorKind::ReadOnlyFilesystem][random.usize(0..3)];
                medium.refuse_some_writes = Some((random.u8(1..5), kind, random.fork()));
            }
            1..=3 => medium.refuse_some_writes = None,
            4..=5 => {
                let fates = [AtFailedSync::KeepsCache, AtFailedSync::Forgets, AtFailedSync::DropsCache];
                (medium.refuse_syncs, medium.at_failed_sync) = (true, fates[random.usize(0..3)]);
            }
            6..=12 => medium.refuse_syncs = false,
            13 => medium.fuel = Some(random.u64(0..2000)),
            14..=15 => medium.refuse_reads = Some(ErrorKind::Other),
            16..=19 => medium.refuse_reads = None,
            _ => {}
        }
        let step = random_step(&mut random, habits);
        let _ = office.take(&step);
        if office.ring.storage().is_off() || random.u8(0..16) == 0 {
            office.cut(random_cut(&mut random));
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn a_cut_at_every_byte_loses_nothing_that_was_synced_and_invents_nothing() {
    play_seeds("bytes", 1.0, cuts_at_every_byte);
}

#[test]
fn a_long_life_of_cuts_kills_and_slow_crms_keeps_its_promises() {
    play_seeds("life", 0.01, a_life_of_cuts);
}

#[test]
fn a_medium_that_refuses_reads_and_writes_and_forgets_at_syncs_breaks_no_promise() {
    play_seeds("faults", 0.01, a_life_of_faults);
}
