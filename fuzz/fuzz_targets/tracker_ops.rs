//! Arbitrary lives of the tracker: events of a few channels, lists, losses and restarts never make it panic, its tables
//! stay bounded, every call ends once, and in the end nothing is left.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/ops/mod.rs"]
mod ops;

fuzz_target!(|input: &[u8]| ops::live(input));
