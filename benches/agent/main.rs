//! The shipped binary at work, seen from outside: how long a ring takes to the portal, and how much memory it all
//! takes.
//!
//! `cargo bench --bench agent` prints both tables; `-- latency [RINGS]` or `-- memory [CALLS]` only one. The binary is
//! the release build (built if need be), with the word `static` a static one, or the one that the environment's
//! `RINGPOST` names. PBX and portal run in this
//! process, so their own work on the same cores is part of every time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a bench may panic
#![allow(missing_docs)]

mod calls;
mod latency;
mod memory;
mod process;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = words.iter().find_map(|word| word.parse().ok());
    let is_static = words.iter().any(|word| word == "static");
    let named = |word: &&String| word.parse::<u32>().is_err() && *word != "static";
    let wanted = |what: &str| words.iter().filter(named).all(|word| word == what);
    let binary = process::binary(is_static);
    if wanted("latency") {
        latency::measure(&binary, number.unwrap_or(300));
    }
    if wanted("memory") {
        memory::measure(&binary, number.unwrap_or(100_000));
    }
}
