//! What opening a journal costs: time, reads and memory; and what was found, to compare machines by.
//!
//! ```text
//! journal_open fill FILE KIB KIND      makes a ring whose pages have all been written; for KINDs see `fill`
//! journal_open time FILE [RUNS]        opens it so many times (9)
//! journal_open dump FILE               what recovery says, and every call, newest first
//! journal_open crc                     CRC-32 a second, to compare machines by
//! ```
//!
//! `tests/foreign` runs it natively and on emulated MIPS. An example and no bench, so that it is built as the shipped
//! binary is. Makes no judgement: the script compares.
#![allow(clippy::expect_used)] // a measurement may panic
#![deny(unsafe_code)]

#[allow(dead_code)] // the tests use the rest
#[path = "../../tests/journal_model/calls.rs"]
mod calls;
#[path = "../../tests/corpus/counting.rs"]
mod counting;
mod fill;
mod watched;

use ringpost::journal::storage::FileStorage;
use ringpost::journal::{Recovery, Ring, Seq};
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use watched::Watched;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const RUNS: usize = 9;
/// As much as the largest journal.
const CRC_BYTES: usize = 16 * 1024 * 1024;
/// The boot that finds the file: none of those that wrote it.
const THIS_BOOT: u64 = 9;

type Opened = (Ring<Watched<FileStorage>>, Recovery);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["fill", file, kib, kind] => fill::fill(Path::new(file), kib.parse().expect("KIB is a number"), kind),
        ["time", file] => time(Path::new(file), RUNS),
        ["time", file, runs] => time(Path::new(file), runs.parse().expect("RUNS is a number")),
        ["dump", file] => dump(Path::new(file)),
        ["crc"] => crc(),
        _ => {
            eprintln!("usage: journal_open fill FILE KIB KIND | time FILE [RUNS] | dump FILE | crc");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// As the daemon does it: an existing file keeps its size.
fn open(file: &Path) -> Opened {
    let storage = FileStorage::open(file, 0).expect("the file opens");
    Ring::open(Watched::new(storage), fill::settings(THIS_BOOT))
}

fn time(file: &Path, runs: usize) {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begun = Instant::now();
        black_box(open(file));
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let (before, _) = (counting::held(), counting::peak());
    let (ring, recovery) = open(file);
    let (kept, peak) = (counting::held() - before, counting::peak() - before);
    let read = ring.storage();
    println!("pages {} entries {} clean {}", recovery.pages, recovery.entries, recovery.is_clean());
    println!("reads {} bytes {} of {} in the file", read.reads(), read.bytes_read(), ring.stats().size_bytes);
    println!("memory {} KiB asked for while opening, {} KiB kept", peak / 1024, kept / 1024);
    if let (Some(best), Some(median)) = (times.first(), times.get(times.len() / 2)) {
        println!("time best {} ms, median {} ms of {runs}", millis(*best), millis(*median));
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn dump(file: &Path) {
    let (ring, recovery) = open(file);
    println!("{recovery:?}");
    println!("{:?}", ring.stats());
    let mut before = Seq(u64::MAX);
    loop {
        let window = ring.history(before, usize::MAX);
        let Some(last) = window.last() else { return };
        before = last.seq;
        window.iter().for_each(|item| println!("{item:?}"));
    }
}

fn crc() {
    let bytes = vec![0x5a; CRC_BYTES];
    let begun = Instant::now();
    black_box(crc32fast::hash(black_box(&bytes)));
    println!("crc {:.0} MB/s", CRC_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64());
}
