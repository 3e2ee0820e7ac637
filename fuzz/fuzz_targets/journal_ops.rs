//! Arbitrary lives of the ring against a `VecDeque` of what it must hold: calls of any size, marks, syncs, failed
//! syncs, power cuts with reordered writes, kills, full rings of both policies.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/journal_queue/mod.rs"]
mod journal_queue;

fuzz_target!(|input: &[u8]| journal_queue::live(input));
