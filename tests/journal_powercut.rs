//! Power cuts at every byte of every write, over long histories, against the model.
//!
//! The quick tier runs with the others, in some seconds, and cuts at every third byte. `RINGPOST_CUTS=1000000 cargo test --release --test journal_powercut` runs as many
//! cuts as are asked for. A failure prints its seed; `RINGPOST_SEED` repeats it.

mod journal_model;

use journal_model::{Office, Step};
use ringpost::config::WhenFull;
use ringpost::journal::Mark;
use ringpost::journal::simulated::AtCut;
use ringpost::text::bounded;

/// Power cuts in the quick tier, in all tests of this file together about.
const QUICK_CUTS: u64 = 1_000;
/// Bytes from cut to cut there; in the deep tier every byte is tried.
const QUICK_STRIDE: usize = 3;

fn wanted_cuts() -> u64 {
    std::env::var("RINGPOST_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(QUICK_CUTS)
}

fn first_seed() -> u64 {
    std::env::var("RINGPOST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A step of an office whose CRM mostly keeps up, `busy` percent of the time.
fn random_step(random: &mut fastrand::Rng, busy: u8) -> Step {
    if random.u8(0..100) >= busy {
        match random.u8(0..16) {
            0 => return Step::Repeat { which: random.u8(0..40) },
            1 => return Step::Replay { which: random.u8(0..40) },
            _ => {}
        }
        return Step::Append { size: random.u8(..), sync: random.u8(0..8) != 0 };
    }
    let mark = match random.u8(0..12) {
        0 => Mark::Refused { reason: bounded(b"no such user") },
        1 => Mark::Retry,
        2 => Mark::RecordingsGivenUp { reason: bounded(b"gone from the PBX") },
        3..=5 => Mark::Attached { recording: random.u8(0..3) },
        6 => Mark::Delivered { ticket: Some(bounded(b"externalCall.0123456789abcdef0123456789abcdef.1795293703")) },
        7 => return Step::Flush,
        8 => return Step::Sync,
        _ => Mark::Delivered { ticket: None },
    };
    Step::Mark { which: random.u8(0..4), crm: random.u8(..), mark }
}

fn random_cut(random: &mut fastrand::Rng) -> AtCut {
    match random.u8(0..4) {
        0 => AtCut::KeepsAll,
        1 => AtCut::LosesAll,
        _ => AtCut::Shuffles(random.u64(..)),
    }
}

/// Cuts the power at each byte, or each third, that `step` writes, on a copy of the office each time. Returns the number of cuts.
fn cut_everywhere(office: &Office, step: &Step, random: &mut fastrand::Rng) -> u64 {
    let mut whole = office.clone();
    let before = whole.ring.storage().bytes_written;
    let _ = whole.take(step);
    let bytes = whole.ring.storage().bytes_written - before;
    let stride = if wanted_cuts() > QUICK_CUTS { 1 } else { QUICK_STRIDE };
    let mut cuts = 0;
    for fuel in (random.u64(0..stride as u64)..bytes).step_by(stride) {
        for at_cut in [AtCut::KeepsAll, AtCut::Shuffles(random.u64(..))] {
            let mut office = office.clone();
            office.ring.storage_mut().fuel = Some(fuel);
            assert!(office.take(step).is_err(), "the power went");
            office.cut(at_cut);
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn a_cut_at_every_byte_loses_nothing_that_was_synced_and_invents_nothing() {
    let mut cuts = 0;
    for seed in first_seed().. {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut office = Office::new(64, 1 + random.usize(0..2), WhenFull::DropOldest);
        // Into the second and third round of the ring, where there is something to overwrite and to move.
        for _ in 0..random.usize(0..900) {
            let step = random_step(&mut random, 60);
            office.take(&step).unwrap();
        }
        for _ in 0..4 {
            let step = random_step(&mut random, 30);
            cuts += cut_everywhere(&office, &step, &mut random);
            office.take(&step).unwrap();
        }
        if cuts >= wanted_cuts() / 2 {
            println!("{cuts} cuts, seeds {} to {seed}", first_seed());
            return;
        }
    }
}

#[test]
fn a_long_life_of_cuts_kills_and_slow_crms_keeps_its_promises() {
    let mut cuts = 0;
    for seed in first_seed().. {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let when_full = if random.bool() { WhenFull::DropOldest } else { WhenFull::DropNewest };
        let mut office = Office::new(64, 1 + random.usize(0..3), when_full);
        let busy = random.u8(20..90);
        for _ in 0..600 {
            if random.u8(0..10) == 0 {
                office.ring.storage_mut().fuel = Some(random.u64(0..2000));
            }
            let step = random_step(&mut random, busy);
            let _ = office.take(&step);
            if office.ring.storage().is_off() {
                office.cut(random_cut(&mut random));
                cuts += 1;
            } else if random.u8(0..50) == 0 {
                office.kill();
            }
        }
        if cuts >= wanted_cuts() / 2 {
            println!("{cuts} cuts, seeds {} to {seed}", first_seed());
            return;
        }
    }
}
