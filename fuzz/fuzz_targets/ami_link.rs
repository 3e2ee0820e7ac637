//! A hostile PBX: whatever it says and however slowly, the link neither crashes nor spins nor grows, sends no secret,
//! and always has something due.
#![no_main]

use core::time::Duration;
use libfuzzer_sys::fuzz_target;
use ringpost::ami::link::{FaultKind, Link, LinkConfig, Output};
use ringpost::clock::Monotonic;
use ringpost::config::Secret;
use ringpost::limits::{AMI_PACKET_BYTES, AMI_SEND_BYTES, AMI_SKIP_BYTES};

const SECRET: &str = "s3cret-of-the-pbx";

fuzz_target!(|input: &[u8]| {
    let mut link = Link::new(
        LinkConfig {
            place: "pbx:5038".into(),
            username: "agent".into(),
            secret: Secret::new(SECRET),
            filters: true,
            details: true,
        },
        1,
    );
    let mut now = Monotonic::from_millis(1_000_000);
    let mut rest = input;
    // Instructions and what the peer says, mixed: a byte of 0x80 and more is a deed, the text up to the next one is
    // said.
    while let Some((&deed, tail)) = rest.split_first() {
        let end = tail.iter().position(|byte| *byte >= 0x80).unwrap_or(tail.len());
        let (said, next) = tail.split_at(end);
        rest = next;
        match deed {
            0x80 => link.connected(now),
            0x81 => link.disconnected(FaultKind::Closed, now),
            0x82 => link.request_snapshot(now),
            0x83 => link.sent(link.to_send().len()),
            0x84..=0x9f => now = now + Duration::from_secs(u64::from(deed - 0x80)),
            0xa0 => say(&mut link, b"Asterisk Call Manager/5.0.4\r\n", now),
            0xa1..=0xaf => {
                // Success for the action with this number.
                let text =
                    format!("Response: Success\r\nActionID: ringpost-0001-{}\r\nChallenge: 1\r\n\r\n", deed - 0xa0);
                say(&mut link, text.as_bytes(), now);
            }
            _ => {}
        }
        say(&mut link, said, now);
        time(&mut link, &mut now);
    }
});

fn say(link: &mut Link, mut bytes: &[u8], now: Monotonic) {
    while !bytes.is_empty() {
        let taken = link.feed(bytes, now);
        assert!(taken > 0);
        bytes = &bytes[taken..];
        drain(link, now);
    }
    drain(link, now);
}

fn time(link: &mut Link, now: &mut Monotonic) {
    for _ in 0..100 {
        let due = link.poll_timeout().expect("something is always due");
        if due > *now {
            return;
        }
        link.handle_timeout(*now);
        drain(link, *now);
    }
    panic!("the link spins");
}

fn drain(link: &mut Link, now: Monotonic) {
    while let Some(output) = link.poll(now) {
        if let Output::Down { fault, .. } = output {
            assert!(!fault.to_string().contains(SECRET));
        }
    }
    assert!(link.buffer_bytes() <= AMI_PACKET_BYTES + AMI_SKIP_BYTES);
    assert!(link.to_send().len() <= AMI_SEND_BYTES);
    assert!(!link.to_send().windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
}
