//! Framing and typing of events: events a second on one core over the real transcripts, and the allocations it takes.
//!
//! `cargo bench --bench ami` prints a table; `cargo bench --bench ami -- SECONDS` measures longer.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a bench may panic
#![allow(missing_docs)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;
#[path = "../tests/corpus/counting.rs"]
mod counting;

use ringpost::ami::event::Message;
use ringpost::ami::frame::{Frame, Framer};
use ringpost::ami::typing::message;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// What one pass over the corpus found.
#[derive(Clone, Copy, Default)]
struct Pass {
    packets: u64,
    events: u64,
    typed: u64,
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(3);
    println!(
        "{:<10} {:>6} {:>8} {:>12} {:>12} {:>8} {:>12}",
        "corpus", "MB", "events", "events/s", "best pass", "MB/s", "allocations"
    );
    let all = corpus::all();
    for version in ["11.25.3", "16.28.0", "22.10.1", ""] {
        let mut bytes = Vec::new();
        for transcript in all.iter().filter(|one| one.name.starts_with(version) && !one.name.ends_with("login-errors"))
        {
            bytes.extend_from_slice(&transcript.bytes);
            // Whatever a capture was cut in, the next one begins on a fresh line.
            bytes.extend_from_slice(b"\r\n\r\n");
        }
        report(if version.is_empty() { "all" } else { version }, &bytes, Duration::from_secs(seconds));
    }
}

fn report(name: &str, bytes: &[u8], at_least: Duration) {
    let mut framer = Framer::new();
    let first = pass(&mut framer, bytes);
    let allocations_before = counting::allocations();
    let begun = Instant::now();
    let mut passes = 0_u64;
    let mut best = Duration::MAX;
    while begun.elapsed() < at_least {
        let pass_begun = Instant::now();
        black_box(pass(&mut framer, black_box(bytes)));
        best = best.min(pass_begun.elapsed());
        passes += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let events = first.events as f64;
    println!(
        "{name:<10} {:>6.2} {:>8} {:>12.0} {:>12.0} {:>8.0} {:>12}",
        bytes.len() as f64 / 1e6,
        first.events,
        events * passes as f64 / seconds,
        events / best.as_secs_f64(),
        bytes.len() as f64 * passes as f64 / 1e6 / seconds,
        counting::allocations() - allocations_before,
    );
}

/// Reads as from a socket: 16 KiB at a time.
fn pass(framer: &mut Framer, bytes: &[u8]) -> Pass {
    let mut found = Pass::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = framer.feed(rest);
        rest = &rest[taken..];
        while let Some(frame) = framer.next() {
            let Frame::Packet(packet) = frame else { continue };
            found.packets += 1;
            match black_box(message(packet)) {
                Message::Event(_) => {
                    found.events += 1;
                    found.typed += 1;
                }
                Message::Skipped(_) => found.events += 1,
                _ => {}
            }
        }
    }
    found
}
