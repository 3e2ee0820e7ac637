//! The demo is a check too: it plays real traces to the agent and compares what the portal holds.
#![allow(dead_code)] // its main

#[path = "../../examples/demo/main.rs"]
mod play;

use std::time::{Duration, Instant};

/// What is promised to who tries it: compilation not counted.
const PROMISED: Duration = Duration::from_secs(60);

#[test]
fn what_lands_at_the_portal_is_what_the_telephones_did() {
    let began = Instant::now();
    assert!(play::play().expect("the demo runs"), "the portal differs, see the table");
    let took = began.elapsed();
    assert!(took < PROMISED, "{took:?} instead of under a minute");
}
