//! The journal as its users see it: what is appended is there, what is marked stays marked, whatever happens between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

mod journal_model;

use journal_model::{at, boot, entry, largest_call, settings, unset, usual_call};
use ringpost::call::record::CallRecord;
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::journal::marks::FORMAT_VERSION;
use ringpost::journal::simulated::{AtCut, AtFailedSync, SimulatedMedium};
use ringpost::journal::{Crm, JournalError, Mark, Part, Ring, Seq, Settings, inspect};
use ringpost::text::bounded;
use std::collections::BTreeSet;
use std::io::ErrorKind;

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

/// Whatever the bytes are, looking at them ends, and no call is counted that was not found.
#[test]
fn a_damaged_file_is_looked_at_and_not_believed() {
    let good = filled(150);
    let (_, found) = inspect(good.clone());
    assert!(found.is_sound() && !found.is_foreign(), "{found:?}");
    assert_eq!((found.calls, found.crms[0].waiting, found.version), (150, 150, Some(FORMAT_VERSION)));
    assert_eq!(found.crms[0].tag, settings(1).crms[0]);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let mut medium = good.clone();
        let image = medium.image_mut();
        for _ in 0..random.usize(1..30) {
            let (from, to) = (random.usize(0..image.len()), random.usize(0..image.len()));
            match random.u8(0..3) {
                0 => image[from] ^= 1 << random.u8(0..8),
                1 => image.copy_within(from..(from + 300).min(image.len()), to.min(image.len() - 300)),
                _ => image[from..(from + 500).min(to.max(from))].fill(random.u8(..)),
            }
        }
        let (_, found) = inspect(medium);
        assert_eq!(found.calls + found.lost, found.recovery.entries, "round {round}");
        assert!(found.calls <= 150, "round {round}: {found:?}");
    }
}

/// A kernel takes what it could not write back for clean. The ring turns over calls whose copies met that.
#[test]
fn calls_that_were_moved_outlive_a_cut_though_syncs_failed_and_were_forgotten() {
    const WAITING: u64 = 60;
    let mut medium = SimulatedMedium::new(64 * KIB);
    medium.at_failed_sync = AtFailedSync::Forgets;
    let mut ring = Ring::open(medium, settings(1)).0;
    for number in 0..WAITING {
        ring.append(&entry(usual_call(number), 1), at(1)).unwrap();
    }
    ring.sync().unwrap();
    let (mut moved, mut failed) = (0, 0);
    for number in WAITING..1500 {
        ring.storage_mut().refuse_syncs = number % 3 != 0;
        // One that finds no room without a sync is refused; the agent delivers it from memory.
        if let Ok(appended) = ring.append(&entry(usual_call(number), 1), at(number)) {
            ring.mark(appended.seq, FIRST, Mark::Delivered { ticket: None }, at(number));
            ring.mark(appended.seq, FIRST, Mark::Attached { recording: 0 }, at(number));
        }
        failed += u32::from(ring.sync().is_err());
        moved = ring.stats().moved;
    }
    ring.storage_mut().refuse_syncs = false;
    ring.sync().unwrap();
    assert!(moved > 3 * WAITING as u32 && failed > 900, "{moved} moved, {failed} syncs failed");
    let left = ring.storage().after_cut(AtCut::LosesAll);
    let pending = Ring::open(left, settings(1)).0.pending(FIRST, Part::Call, OLDEST, 64);
    let ids: BTreeSet<_> = pending.into_iter().map(|pending| pending.call.id).collect();
    let lost: Vec<_> = (0..WAITING).filter(|number| !ids.contains(&usual_call(*number).id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// The first call that a PBX takes after it started without a clock: its identity is the same each time.
fn first_call_since_1970(started: Stamp) -> CallRecord {
    CallRecord { id: bounded(b"office-75.0"), started, ended: started, ..usual_call(1) }
}

/// The identities under which a CRM gets what waits.
fn waiting(ring: &mut Ring<SimulatedMedium>) -> Vec<String> {
    let pending = ring.pending(FIRST, Part::Call, OLDEST, 64);
    pending.into_iter().map(|pending| pending.call.id.to_string()).collect()
}

/// Takes `call` in; whether it was known.
fn is_known(ring: &mut Ring<SimulatedMedium>, call: CallRecord, now: Stamp) -> bool {
    ring.append(&entry(call, 1), now).unwrap().known
}

#[test]
fn a_call_whose_identity_the_pbx_gave_before_is_kept_under_one_of_its_own() {
    let mut ring = ring(64);
    for day in 0..3 {
        let now = at(day * 86_400);
        assert!(!is_known(&mut ring, first_call_since_1970(now), now), "lost on day {day}");
    }
    ring.sync().unwrap();
    let ids = waiting(&mut ring);
    assert_eq!(ids[0], "office-75.0");
    assert!(ids.iter().all(|id| id.starts_with("office-75.0") && id.len() <= 64));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3, "{ids:?}");
    assert_eq!(ring.stats().repeated, 2);

    let mut ring = reopened(&ring);
    assert_eq!(waiting(&mut ring), ids, "a restart changes no identity");
    for day in 0..3 {
        let call = first_call_since_1970(at(day * 86_400));
        assert!(is_known(&mut ring, call, at(4 * 86_400)), "posted twice: day {day}");
    }
    assert_eq!(waiting(&mut ring), ids);
}

#[test]
fn an_identity_that_leaves_no_room_loses_its_head_for_what_tells_it_apart() {
    let mut ring = ring(64);
    let long = CallRecord { id: bounded(&[b'7'; 64]), ..usual_call(1) };
    assert!(!is_known(&mut ring, long.clone(), at(1)));
    assert!(!is_known(&mut ring, CallRecord { started: at(900_000), ..long }, at(1)));
    let ids = waiting(&mut ring);
    assert!(ids[0] != ids[1] && ids[1].len() == 64, "{ids:?}");
}

#[test]
fn a_call_joined_again_from_a_list_of_channels_is_known_though_its_start_is_seconds_off() {
    let mut ring = ring(64);
    let call = usual_call(1);
    assert!(!is_known(&mut ring, call.clone(), at(90_000)));
    let secs = call.started.mono.as_millis() / 1000;
    let hidden = CallRecord { started: at(secs - 2), client: bounded(b""), ..call.clone() };
    assert!(is_known(&mut ring, hidden, at(90_000)));
    // The clock was set by years in between: within one boot it does not count.
    let stepped = Stamp { wall: Wall::from_millis(0), ..at(secs + 3) };
    assert!(is_known(&mut ring, CallRecord { started: stepped, ..call.clone() }, at(90_000)));
    let other = CallRecord { started: at(secs + 3), client: bounded(b"+79990001122"), ..call.clone() };
    assert!(!is_known(&mut ring, other, at(90_000)), "another client's call");
    assert!(!is_known(&mut ring, CallRecord { started: at(secs + 60), ..call }, at(90_000)), "the PBX was restarted");
}

/// The ring after the next start of the machine.
fn next_boot(ring: &Ring<SimulatedMedium>, number: u64) -> Ring<SimulatedMedium> {
    let settings = Settings { boot: boot(number), ..settings(1) };
    Ring::open(ring.storage().after_cut(AtCut::KeepsAll), settings).0
}

#[test]
fn after_a_power_cut_of_pbx_and_router_together_the_monotonic_clock_proves_nothing() {
    // Both start in the same second each time: identity and monotonic start repeat, the date does not.
    let mut ring = ring(64);
    assert!(!is_known(&mut ring, first_call_since_1970(at(80)), at(80)));
    ring.sync().unwrap();
    let mut ring = next_boot(&ring, 2);
    let tomorrow = Stamp { mono: Monotonic::from_millis(80_000), ..at(86_480) };
    assert!(!is_known(&mut ring, first_call_since_1970(tomorrow), tomorrow), "lost");
    assert_eq!(waiting(&mut ring).len(), 2);
}

#[test]
fn without_any_clock_a_repeated_identity_in_another_boot_is_another_call() {
    let mut ring = ring(64);
    assert!(!is_known(&mut ring, first_call_since_1970(unset(80)), unset(90)));
    assert!(is_known(&mut ring, first_call_since_1970(unset(80)), unset(95)), "the same boot: a replay");
    assert!(is_known(&mut ring, first_call_since_1970(unset(80)), at(200)), "also once the clock is set");
    ring.sync().unwrap();
    let mut ring = next_boot(&ring, 2);
    assert!(!is_known(&mut ring, first_call_since_1970(unset(80)), unset(90)), "lost");
    assert_eq!(waiting(&mut ring).len(), 2);
}

#[test]
fn a_call_that_the_medium_does_not_give_once_is_left_out_and_not_forgotten() {
    let mut ring = ring(64);
    ring.append(&entry(usual_call(1), 1), at(1)).unwrap();
    ring.sync().unwrap();
    ring.storage_mut().refuse_reads = Some(ErrorKind::Other);
    assert!(ring.pending(FIRST, Part::Call, OLDEST, 8).is_empty() && ring.history(Seq(u64::MAX), 8).is_empty());
    assert!(ring.has_left_out(), "an empty window does not mean that nothing waits");
    let again = ring.append(&entry(usual_call(1), 1), at(2));
    assert!(matches!(again, Err(JournalError::Io { .. })), "what may be known is not written twice: {again:?}");
    ring.storage_mut().refuse_reads = None;
    assert_eq!((waiting(&mut ring).len(), ring.stats().lost_records, ring.has_left_out()), (1, 0, false));
}

/// Its last request may have run although the CRM refused in the end.
#[test]
fn a_refused_call_that_is_tried_again_is_looked_up_first() {
    let mut ring = ring(64);
    let seq = ring.append(&entry(usual_call(1), 1), at(1)).unwrap().seq;
    assert!(!ring.pending(FIRST, Part::Call, OLDEST, 8)[0].in_doubt);
    ring.mark(seq, FIRST, Mark::Refused { reason: bounded(b"a database error") }, at(2));
    assert!(ring.pending(FIRST, Part::Call, OLDEST, 8).is_empty());
    ring.mark(seq, FIRST, Mark::Retry, at(3));
    assert!(ring.pending(FIRST, Part::Call, OLDEST, 8)[0].in_doubt);
}

/// A page that is gone for good must not keep all later calls out of the journal.
#[test]
fn a_call_that_is_never_given_again_is_lost_and_counted_and_the_journal_goes_on() {
    let mut ring = ring(64);
    ring.append(&entry(usual_call(0), 1), at(1)).unwrap();
    ring.sync().unwrap();
    let (mut refused, mut kept_since) = (0, 0);
    for number in 1..4000 {
        ring.storage_mut().refuse_reads = Some(ErrorKind::Other);
        match ring.append(&entry(usual_call(number), 1), at(number)) {
            Ok(appended) => {
                ring.sync().unwrap();
                ring.mark(appended.seq, FIRST, Mark::Delivered { ticket: None }, at(number));
                ring.mark(appended.seq, FIRST, Mark::Attached { recording: 0 }, at(number));
                kept_since += u32::from(refused > 0);
            }
            Err(_) => refused += 1,
        }
    }
    let stats = ring.stats();
    assert!(refused >= 300 && kept_since > 500 && stats.lost_records == 1, "{refused} refused, {stats:?}");
}

/// The ring comes round to the page of a waiting call while the medium gives nothing.
#[test]
fn no_page_is_overwritten_whose_calls_cannot_be_read_to_be_moved() {
    let mut ring = ring(64);
    ring.append(&entry(usual_call(0), 1), at(1)).unwrap();
    ring.sync().unwrap();
    let (mut refused, mut moved_at) = (0, None);
    for number in 1..1500 {
        ring.storage_mut().refuse_reads = (refused < 50).then_some(ErrorKind::Other);
        match ring.append(&entry(usual_call(number), 1), at(number)) {
            Ok(appended) => {
                ring.sync().unwrap();
                ring.mark(appended.seq, FIRST, Mark::Delivered { ticket: None }, at(number));
                ring.mark(appended.seq, FIRST, Mark::Attached { recording: 0 }, at(number));
            }
            Err(error) => {
                assert!(matches!(error, JournalError::Io { .. }), "{error:?}");
                refused += 1;
            }
        }
        if ring.stats().moved > 0 {
            moved_at.get_or_insert(refused);
        }
    }
    assert_eq!(moved_at, Some(50), "it goes on as soon as the medium reads again");
    let stats = ring.stats();
    assert_eq!((stats.lost_records, stats.dropped), (0, 0));
    assert_eq!(waiting(&mut reopened(&ring))[0], usual_call(0).id.as_str());
}

#[test]
fn a_number_that_a_failed_write_may_have_left_on_the_medium_is_not_given_again() {
    let mut ring = ring(64);
    ring.append(&entry(usual_call(1), 1), at(1)).unwrap();
    ring.storage_mut().short_write = 4096;
    ring.storage_mut().refuse_writes = Some(std::io::ErrorKind::StorageFull);
    let failed = ring.next_seq();
    assert!(ring.append(&entry(usual_call(2), 1), at(2)).is_err());
    ring.storage_mut().refuse_writes = None;
    let seq = ring.append(&entry(usual_call(3), 1), at(3)).unwrap().seq;
    assert!(seq > failed, "{seq:?} means two calls");
}
