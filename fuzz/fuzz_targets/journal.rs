//! Any bytes as a journal's file: opened, counted, read to its end, appended to, and found again with the new call in
//! it.
#![no_main]

#[path = "../../tests/journal_queue/mod.rs"]
mod journal_queue;

use libfuzzer_sys::fuzz_target;
use ringpost::boot::BootId;
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::config::WhenFull;
use ringpost::journal::simulated::SimulatedMedium;
use ringpost::journal::{Crm, CrmTag, Entry, Mark, Part, Ring, Seq, Settings};
use ringpost::limits::JOURNAL_PAGE_BYTES;
use std::sync::OnceLock;

/// The file's pages: the smallest ring and some.
const PAGES: usize = 16;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let image = if kind & 1 == 0 { foreign(rest) } else { damaged(rest) };
    let (mut ring, recovery) = Ring::open(SimulatedMedium::with_image(image), settings());
    assert!(recovery.pages as usize == PAGES && recovery.entries == ring.stats().entries);
    read_all(&mut ring);
    let id = "office-1795293703.42";
    let known = ring.find(id).is_some();
    let appended = ring.append(&entry(id), now()).expect("a ring that drops its oldest takes every call");
    assert_eq!(appended.known, known);
    ring.sync().expect("a medium that works");
    ring.mark(appended.seq, Crm(0), Mark::Delivered { ticket: None }, now());
    ring.flush(now()).expect("a medium that works");
    read_all(&mut ring);
    let (again, _) = Ring::open(ring.storage().clone(), settings());
    assert!(again.find(id).is_some(), "what was appended and synced is there");
});

/// Any bytes, repeated to the end of the file.
fn foreign(bytes: &[u8]) -> Vec<u8> {
    let mut image: Vec<u8> = bytes.iter().copied().cycle().take(PAGES * JOURNAL_PAGE_BYTES).collect();
    image.resize(PAGES * JOURNAL_PAGE_BYTES, 0);
    image
}

/// A good ring with some bytes changed: three bytes of the input say where (modulo the size), the fourth to what. No
/// fuzzer would guess a checksum.
fn damaged(changes: &[u8]) -> Vec<u8> {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let mut image = GOOD.get_or_init(good).clone();
    for change in changes.chunks_exact(4) {
        let at = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let size = image.len();
        image[at % size] = change[3];
    }
    image
}

/// Three hundred calls: the ring has turned, some are delivered.
fn good() -> Vec<u8> {
    let (mut ring, _) = Ring::open(SimulatedMedium::new(PAGES * JOURNAL_PAGE_BYTES), settings());
    for number in 0..300 {
        let appended = ring.append(&entry(&format!("office-1795293000.{number}")), now()).expect("room");
        ring.sync().expect("a medium that works");
        if number % 3 == 0 {
            ring.mark(appended.seq, Crm(0), Mark::Delivered { ticket: None }, now());
        }
    }
    ring.storage().image().to_vec()
}

fn read_all(ring: &mut Ring<SimulatedMedium>) {
    let entries = ring.stats().entries as usize;
    for part in [Part::Call, Part::Recordings] {
        assert!(ring.pending(Crm(0), part, Seq::default(), usize::MAX).len() <= entries);
    }
    assert!(ring.history(Seq(u64::MAX), usize::MAX).len() <= entries);
}

fn settings() -> Settings {
    let crms = [CrmTag::of("bitrix24:portal.example")].into_iter().collect();
    Settings { boot: BootId::from_bits(7), crms, when_full: WhenFull::DropOldest }
}

fn now() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

fn entry(id: &str) -> Entry {
    journal_queue::entry(id, 0, now())
}
