//! The journal as its users see it: what is appended is there, what is marked stays marked, whatever happens between.

mod journal_model;

use journal_model::{at, entry, largest_call, settings, usual_call};
use ringpost::journal::simulated::{AtCut, SimulatedMedium};
use ringpost::journal::{Crm, Mark, Part, Ring, Seq};

const KIB: usize = 1024;
const FIRST: Crm = Crm(0);
const OLDEST: Seq = Seq(0);

fn ring(kib: usize) -> Ring<SimulatedMedium> {
    Ring::open(SimulatedMedium::new(kib * KIB), settings(1)).0
}

fn reopened(ring: &Ring<SimulatedMedium>) -> Ring<SimulatedMedium> {
    Ring::open(ring.storage().after_cut(AtCut::LosesAll), settings(1)).0
}

#[test]
fn a_synced_call_is_there_after_a_power_cut_and_in_doubt() {
    let mut ring = ring(64);
    let call = usual_call(1);
    let seq = ring.append(&entry(call.clone(), 1), at(1)).unwrap().seq;
    ring.sync().unwrap();
    let mut ring = reopened(&ring);
    let pending = ring.pending(FIRST, Part::Call, OLDEST, 10);
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].seq, &*pending[0].call, pending[0].in_doubt), (seq, &call, true));
}

#[test]
fn a_call_with_every_text_full_fits_a_page_and_comes_back() {
    let mut ring = ring(64);
    let call = largest_call();
    ring.append(&entry(call.clone(), 1), at(1)).unwrap();
    ring.sync().unwrap();
    assert_eq!(*reopened(&ring).history(Seq(u64::MAX), 1)[0].call, call);
}

#[test]
fn a_delivered_call_is_never_pending_again() {
    let mut ring = ring(64);
    let seq = ring.append(&entry(usual_call(1), 1), at(1)).unwrap().seq;
    ring.sync().unwrap();
    ring.mark(seq, FIRST, Mark::Delivered { ticket: None }, at(2));
    assert!(ring.pending(FIRST, Part::Call, OLDEST, 10).is_empty());
    assert_eq!(ring.pending(FIRST, Part::Recordings, OLDEST, 10)[0].recordings_left, 1);
    ring.mark(seq, FIRST, Mark::Attached { recording: 0 }, at(2));
    assert!(ring.pending(FIRST, Part::Recordings, OLDEST, 10).is_empty());
    ring.append(&entry(usual_call(2), 1), at(3)).unwrap();
    ring.sync().unwrap();
    let mut ring = reopened(&ring);
    let left: Vec<_> = ring.pending(FIRST, Part::Call, OLDEST, 10).into_iter().map(|pending| pending.call.id).collect();
    assert_eq!(left, [usual_call(2).id]);
}

/// A ring of some pages of calls, none delivered.
fn filled(calls: u64) -> SimulatedMedium {
    let mut ring = ring(64);
    for number in 0..calls {
        ring.append(&entry(usual_call(number), 1), at(1)).unwrap();
    }
    ring.sync().unwrap();
    ring.storage().clone()
}

#[test]
fn damage_at_the_end_of_a_page_is_counted_though_nothing_follows_it_there() {
    let mut medium = filled(40);
    let (_, clean) = Ring::open(medium.clone(), settings(1));
    assert!(clean.is_clean(), "{clean:?}");
    let last = medium.image()[..4096].iter().rposition(|byte| *byte != 0).unwrap();
    medium.image_mut()[last] ^= 1;
    let (_, recovery) = Ring::open(medium, settings(1));
    assert_eq!((recovery.damaged_places, recovery.entries), (1, clean.entries - 1));
}

#[test]
fn a_ring_that_turned_many_times_is_clean() {
    let mut ring = ring(64);
    for number in 0..600 {
        let seq = ring.append(&entry(usual_call(number), 1), at(number)).unwrap().seq;
        ring.mark(seq, FIRST, Mark::Delivered { ticket: None }, at(number));
        ring.mark(seq, FIRST, Mark::Attached { recording: 0 }, at(number));
    }
    ring.sync().unwrap();
    let (_, recovery) = Ring::open(ring.storage().clone(), settings(1));
    assert!(recovery.is_clean(), "{recovery:?}");
}
