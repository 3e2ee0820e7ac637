//! Bytes off an AMI socket: any split of them into reads gives the same frames, memory stays bounded, and whatever is
//! in a packet is typed without a crash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost::ami::escape::unescaped;
use ringpost::ami::event::{Event, Message};
use ringpost::ami::frame::{Frame, Framer};
use ringpost::ami::typing::message;
use ringpost::limits::{AMI_PACKET_BYTES, AMI_SKIP_BYTES};
use std::hash::{Hash, Hasher};

fuzz_target!(|input: &[u8]| {
    let Some((&split, bytes)) = input.split_first() else { return };
    let piece = usize::from(split & 63) + 1;
    assert_eq!(digest(bytes, usize::MAX), digest(bytes, piece), "frames depend on where reads end");
});

/// Frames in their order, as one number, with what was skipped.
fn digest(bytes: &[u8], piece: usize) -> (u64, u64, u64) {
    let mut framer = Framer::new();
    let mut hasher = Quick(0);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, _) = rest.split_at(piece.min(rest.len()));
        let taken = framer.feed(head);
        assert!(taken > 0, "a drained framer has room");
        rest = &rest[taken..];
        while let Some(frame) = framer.next() {
            match frame {
                Frame::Banner(line) => line.hash(&mut hasher),
                Frame::Packet(packet) => {
                    packet.lines().for_each(|line| line.hash(&mut hasher));
                    (packet.is_cut(), 'p').hash(&mut hasher);
                    if let Message::Event(Event::NewChannel { channel }) = message(packet) {
                        unescaped::<80>(channel.caller_name).hash(&mut hasher);
                    }
                }
                Frame::Output(packet) => {
                    packet.lines().for_each(|line| line.hash(&mut hasher));
                    (packet.is_cut(), 'o').hash(&mut hasher);
                }
            }
        }
        assert!(framer.buffer_bytes() <= AMI_PACKET_BYTES + AMI_SKIP_BYTES);
    }
    let skipped = framer.skipped();
    (hasher.finish(), skipped.oversize_lines, skipped.oversize_packets)
}

/// FNV-1a: most of the time should go into the framer.
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
