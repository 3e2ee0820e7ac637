//! What damage costs: the record that it hits and no other, and the head of the ring nothing at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

mod journal_model;

use journal_model::{at, call_of_size, deep_cuts, entry, settings};
use ringpost::journal::frame::{Kind, SEQUENCE_END, Walk};
use ringpost::journal::marks::marks_in;
use ringpost::journal::record::Stored;
use ringpost::journal::simulated::SimulatedMedium;
use ringpost::journal::{Crm, Mark, Ring, Seq, State};
use ringpost::limits::JOURNAL_PAGE_BYTES;
use std::collections::{BTreeMap, BTreeSet};

/// Power cuts from which on a run is of the deep tier.
const DEEP_CUTS: u64 = 100_000;

/// Bits from flip to flip: not a divisor of what records are made of; in the deep tier more are flipped.
fn stride() -> usize {
    if deep_cuts().is_some_and(|cuts| cuts >= DEEP_CUTS) { 13 } else { 2_011 }
}

/// A ring of eight pages after `calls` calls, every second delivered.
fn lived(calls: u64) -> Vec<u8> {
    let (mut ring, _) = Ring::open(SimulatedMedium::new(8 * JOURNAL_PAGE_BYTES), settings(2));
    for number in 0..calls {
        let seq = ring.append(&entry(call_of_size(number, (number % 6) as u8), 2), at(number)).unwrap().seq;
        ring.sync().unwrap();
        if number % 2 == 0 {
            ring.mark(seq, Crm(0), Mark::Delivered { ticket: None }, at(number));
        }
    }
    ring.flush(at(calls)).unwrap();
    ring.storage().image().to_vec()
}

type Content = BTreeMap<Seq, (String, Vec<State>)>;

fn content(image: Vec<u8>) -> Content {
    let (ring, _) = Ring::open(SimulatedMedium::with_image(image), settings(2));
    let mut content = Content::new();
    loop {
        let window = ring.history(content.keys().next().copied().unwrap_or(Seq(u64::MAX)), 64);
        if window.is_empty() {
            return content;
        }
        for item in window {
            let states = item.deliveries.iter().map(|(_, state, ..)| *state).collect();
            content.insert(item.seq, (format!("{:?}", item.call), states));
        }
    }
}

/// The calls that the record at a place is about; none at a place of no record.
fn hit_at(image: &[u8], at: usize) -> BTreeSet<Seq> {
    let page = &image[at / JOURNAL_PAGE_BYTES * JOURNAL_PAGE_BYTES..][..JOURNAL_PAGE_BYTES];
    let in_page = at % JOURNAL_PAGE_BYTES;
    let hit = Walk::new(page, 0, SEQUENCE_END).find(|(start, frame)| (*start..start + frame.size()).contains(&in_page));
    let Some((_, frame)) = hit else { return BTreeSet::new() };
    let payload = frame.payload().unwrap();
    match frame.kind {
        Kind::Entry => BTreeSet::from([Stored::decode(&payload).unwrap().seq]),
        Kind::Marks => marks_in(&payload).map(|marked| marked.seq).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_the_record_it_hits_and_invents_nothing() {
    let mut flips = 0;
    for calls in [6, 100, 400] {
        let image = lived(calls);
        let clean = content(image.clone());
        for bit in (0..image.len() * 8).step_by(stride()) {
            let mut damaged = image.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (hit, found) = (hit_at(&image, bit / 8), content(damaged));
            flips += 1;
            for (seq, told) in &clean {
                assert!(found.get(seq) == Some(told) || hit.contains(seq), "bit {bit}: {seq:?} suffers for {hit:?}");
            }
            for (seq, (call, _)) in &found {
                let is_old = !clean.contains_key(seq) && seq.0 < clean.keys().next().unwrap().0;
                assert!(
                    is_old || clean.get(seq).is_some_and(|(same, _)| same == call),
                    "bit {bit}: {seq:?} is invented"
                );
            }
        }
    }
    println!("{flips} flips");
}

/// What a ring says of its life.
fn life(image: Vec<u8>) -> (u64, u64, u64) {
    let stats = Ring::open(SimulatedMedium::with_image(image), settings(2)).0.stats();
    (stats.bytes_ever, stats.syncs_ever, stats.pages_ever)
}

#[test]
fn a_torn_head_falls_back_to_the_one_before_and_nothing_else_is_lost() {
    for calls in [6, 100, 400] {
        let image = lived(calls);
        let first = |page: &[u8]| Walk::new(page, 0, SEQUENCE_END).next().map(|(_, frame)| frame.sequence);
        let newest = image.chunks(JOURNAL_PAGE_BYTES).map(first).enumerate().max_by_key(|(_, first)| *first).unwrap().0;
        let whole = life(image.clone());
        for byte in 0..20 {
            let mut torn = image.clone();
            torn[newest * JOURNAL_PAGE_BYTES + byte] ^= 0xff;
            assert_eq!(content(torn.clone()), content(image.clone()), "{calls} calls, byte {byte}");
            let before = life(torn);
            assert!(before.0 <= whole.0 && whole.0 - before.0 <= 2 * JOURNAL_PAGE_BYTES as u64, "{before:?} {whole:?}");
            assert!(before.1 <= whole.1 && whole.1 - before.1 <= 60 && whole.2 - before.2 <= 1, "{before:?} {whole:?}");
        }
    }
}

#[test]
fn wear_is_counted_across_restarts_and_cuts() {
    let image = lived(400);
    let (bytes, syncs, pages) = life(image.clone());
    let (mut ring, _) = Ring::open(SimulatedMedium::new(8 * JOURNAL_PAGE_BYTES), settings(2));
    for number in 0..400 {
        let seq = ring.append(&entry(call_of_size(number, (number % 6) as u8), 2), at(number)).unwrap().seq;
        ring.sync().unwrap();
        if number % 2 == 0 {
            ring.mark(seq, Crm(0), Mark::Delivered { ticket: None }, at(number));
        }
        if number % 10 == 9 {
            ring = Ring::open(ring.storage().after_cut(Default::default()), settings(2)).0;
        }
    }
    ring.flush(at(400)).unwrap();
    let stats = ring.stats();
    // A restart forgets the syncs since the last head: those of less than a page.
    assert!(stats.bytes_ever.abs_diff(bytes) * 20 <= bytes, "{} {bytes}", stats.bytes_ever);
    assert!(stats.syncs_ever <= 400 && syncs <= 400 && syncs + 60 >= 400, "{} {syncs}", stats.syncs_ever);
    assert!(stats.pages_ever.abs_diff(pages) <= 1 && pages > 8);
}
