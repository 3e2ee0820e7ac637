//! The demo is a check too: it plays real traces to the agent and compares what the portal holds.
#![allow(dead_code)] // its main

#[path = "../examples/demo/main.rs"]
mod demo;

#[test]
fn what_lands_at_the_portal_is_what_the_telephones_did() {
    assert!(demo::play().expect("the demo runs"), "the portal differs, see the table");
}
