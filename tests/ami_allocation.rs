//! Framing and typing allocate nothing per event: shown with a counting allocator.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/counting.rs"]
mod counting;

use ringpost::ami::event::Message;
use ringpost::ami::frame::{Frame, Framer};
use ringpost::ami::typing::message;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn events(framer: &mut Framer, bytes: &[u8]) -> usize {
    let mut events = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = framer.feed(&rest[..rest.len().min(1460)]);
        rest = &rest[taken..];
        while let Some(frame) = framer.next() {
            if let Frame::Packet(packet) = frame {
                events += usize::from(!matches!(message(packet), Message::Response(_)));
            }
        }
    }
    events
}

#[test]
fn framing_and_typing_every_transcript_allocates_nothing() {
    let transcripts = corpus::all();
    let mut framer = Framer::new();
    let before = counting::allocations();
    let mut count = 0;
    for transcript in &transcripts {
        count += events(&mut framer, &transcript.bytes);
    }
    assert_eq!(counting::allocations() - before, 0, "over {count} events");
    assert!(count > 15_000, "{count}");
}

#[test]
fn the_counter_counts() {
    let before = counting::allocations();
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert_eq!(counting::allocations() - before, 1);
}
