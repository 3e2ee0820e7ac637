//! What a call costs on flash, and how many undelivered calls fit, of calls as real exchanges and vendors make them
//! (`journal_mix`). `cargo test --test journal_budget -- --nocapture` prints the numbers of `docs/journal-format.md`
//! and `docs/config.md`, which are held against them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may panic

mod journal_mix;

use journal_mix::{Mix, Office, after_call, mix_settings, ticket};
use ringpost::journal::frame::{Kind, SEQUENCE_END, Walk};
use ringpost::journal::simulated::SimulatedMedium;
use ringpost::journal::{Mark, Ring, Seq};
use ringpost::limits::JOURNAL_PAGE_BYTES;

/// Promised in `docs/journal-format.md`.
const BYTES_PER_CALL: u64 = 512;
/// Calls in a life.
const CALLS: u64 = 1_000;

const OFFICES: [Office; 4] = [
    Office { crms: 1, with_cards: false },
    Office { crms: 1, with_cards: true },
    Office { crms: 2, with_cards: false },
    Office { crms: 2, with_cards: true },
];

/// What was written for calls, by what it was.
#[derive(Default)]
struct Cost {
    entry: u64,
    marks: u64,
    /// Heads of pages, table records in between, and clocks.
    rest: u64,
    /// Bytes that no record fitted at the end of a page: not written, but not used either.
    unused: u64,
}

fn page_end(page: &[u8]) -> u64 {
    let last = Walk::new(page, 0, SEQUENCE_END).last();
    JOURNAL_PAGE_BYTES as u64 - last.map_or(0, |(at, frame)| (at + frame.size()) as u64)
}

/// Sums up the whole pages of a ring that has not turned.
fn cost_of(image: &[u8]) -> Cost {
    let mut cost = Cost::default();
    for page in image.chunks(JOURNAL_PAGE_BYTES).filter(|page| page[0] != 0) {
        for (_, frame) in Walk::new(page, 0, SEQUENCE_END) {
            let place = match frame.kind {
                Kind::Entry => &mut cost.entry,
                Kind::Marks => &mut cost.marks,
                _ => &mut cost.rest,
            };
            *place += frame.size() as u64;
        }
        cost.unused += page_end(page);
    }
    cost
}

/// Call `number` from its end to the last mark of its last CRM.
fn live(ring: &mut Ring<SimulatedMedium>, mix: &Mix, office: Office, number: u64) {
    let entry = mix.entry(number, office);
    let now = after_call(number);
    let seq = ring.append(&entry, now).unwrap().seq;
    ring.sync().unwrap();
    for addressee in &entry.addressees {
        let has_recording = !entry.call.recordings.is_empty();
        let name = (has_recording && !office.with_cards).then(|| ticket(number, addressee.crm.0));
        ring.mark(seq, addressee.crm, Mark::Delivered { ticket: name }, now);
        if has_recording {
            ring.mark(seq, addressee.crm, Mark::Attached { recording: 0 }, now);
        }
    }
}

fn new_ring(kib: usize, office: Office) -> Ring<SimulatedMedium> {
    Ring::open(SimulatedMedium::new(kib * 1024), mix_settings(office.crms)).0
}

#[test]
fn a_call_costs_at_most_512_bytes_and_one_sync_deliveries_included() {
    let mix = Mix::new();
    for office in OFFICES {
        // Each call is counted with the marks of the one before, which ride with it.
        let (mut ring, mut costs) = (new_ring(128, office), Vec::new());
        for number in 0..CALLS {
            let before = (ring.storage().bytes_written, ring.storage().syncs);
            live(&mut ring, &mix, office, number);
            costs.push(ring.storage().bytes_written - before.0);
            assert_eq!(ring.storage().syncs - before.1, 1, "call {number} of {office:?}");
        }
        let worst = *costs.iter().max().unwrap();
        let mean = ring.storage().bytes_written / CALLS;
        let parts = |cost: u64, calls: u64| cost as f64 / calls as f64;
        let mut unturned = new_ring(2048, office);
        (0..CALLS).for_each(|number| live(&mut unturned, &mix, office, number));
        let Cost { entry, marks, rest, unused } = cost_of(unturned.storage().image());
        println!(
            "{office:?}: mean {mean} (entry {:.0}, marks {:.1}, page heads {:.1}; page ends unused {:.1}), worst {worst}",
            parts(entry, CALLS),
            parts(marks, CALLS),
            parts(rest, CALLS),
            parts(unused, CALLS)
        );
        assert!(worst <= BYTES_PER_CALL, "{worst} bytes for a call of {office:?}");
    }
}

/// Half of the calls wait for their CRM for the length of 300 calls; none is copied more often than the ring turns.
#[test]
fn calls_that_wait_a_while_cost_no_more_and_ones_that_wait_for_ever_are_copied_once_a_round() {
    let (mix, office) = (Mix::new(), OFFICES[0]);
    let mut ring = new_ring(128, office);
    let mut late: Vec<Seq> = Vec::new();
    for number in 0..CALLS {
        let entry = mix.entry(number, office);
        let seq = ring.append(&entry, after_call(number)).unwrap().seq;
        ring.sync().unwrap();
        late.push(seq);
        if number % 300 == 299 {
            for seq in late.drain(..).skip(5) {
                for addressee in &entry.addressees {
                    ring.mark(seq, addressee.crm, Mark::Delivered { ticket: None }, after_call(number));
                    ring.mark(seq, addressee.crm, Mark::Attached { recording: 0 }, after_call(number));
                }
            }
        }
    }
    let (mean, moved) = (ring.storage().bytes_written / CALLS, ring.stats().moved);
    println!("with 5 of 300 calls waiting for ever: mean {mean}, {moved} copied");
    assert!(mean <= BYTES_PER_CALL);
}

/// Undelivered calls of the mix that a ring of so many KiB holds before the first is dropped.
fn capacity(mix: &Mix, kib: usize, office: Office) -> (u64, u32) {
    let mut ring = new_ring(kib, office);
    for number in 0.. {
        // Calls between extensions are for no CRM: only posted ones wait.
        let entry = mix.posted_entry(number, office);
        ring.append(&entry, after_call(number)).unwrap();
        ring.sync().unwrap();
        if ring.stats().dropped > 0 {
            let told = ring.stats().calls_max.unwrap();
            let waiting = ring.stats().undelivered[0];
            assert_eq!(u64::from(waiting) + u64::from(ring.stats().dropped), number + 1);
            return (number, told);
        }
    }
    unreachable!()
}

/// A row of the table in `docs/journal-format.md`.
fn row(kib: usize, calls: [u64; 4]) -> String {
    let size = if kib < 1024 { format!("{kib} KiB") } else { format!("{} MiB", kib / 1024) };
    format!("| {size} | {} |", calls.map(|calls| calls.to_string()).join(" | "))
}

fn assert_page_says(file: &str, words: &str) {
    let page = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert!(page.contains(words), "{file} should say {words}");
}

#[test]
fn the_default_journal_holds_two_thousand_undelivered_calls_of_the_dearest_office() {
    let (calls, told) = capacity(&Mix::new(), 512, OFFICES[3]);
    assert!(calls >= 2_000, "{calls}");
    assert!(calls.abs_diff(u64::from(told)) * 50 <= calls, "{told} told, {calls} held");
    for file in ["docs/journal-format.md", "docs/config.md", "docs/ru/config.md"] {
        assert_page_says(file, &calls.to_string());
    }
}

#[test]
fn the_smallest_journal_holds_as_the_page_says() {
    let mix = Mix::new();
    assert_page_says("docs/journal-format.md", &row(64, OFFICES.map(|office| capacity(&mix, 64, office).0)));
}

#[test]
#[ignore = "fills 16 MiB, which takes minutes without optimisation: tests/run cuts"]
fn larger_journals_hold_as_the_page_says() {
    let mix = Mix::new();
    for kib in [512, 16 * 1024] {
        assert_page_says("docs/journal-format.md", &row(kib, OFFICES.map(|office| capacity(&mix, kib, office).0)));
    }
}
