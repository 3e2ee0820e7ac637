//! Calls of a machine whose clock is set late, wrong, or never: each gets its true date as soon as that can be known.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

mod journal_model;

use journal_model::{NOON_MS, boot, entry, settings, usual_call};
use ringpost::call::record::CallRecord;
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::journal::simulated::{AtCut, SimulatedMedium};
use ringpost::journal::{Crm, Dating, Mark, Part, Pending, Ring, Seq, Settings};
use ringpost::limits::{JOURNAL_CLOCK_STEP, JOURNAL_MARK_DELAY};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;

const DAY_MS: i64 = 86_400_000;
const FIRST: Crm = Crm(0);

/// A wall clock that is `wrong_ms` ahead of the true time, `secs` after the start of a machine that started at
/// [`NOON_MS`].
fn clock(secs: u64, wrong_ms: i64) -> Stamp {
    let mono = Monotonic::from_millis(secs * 1000);
    Stamp { mono, wall: Wall::from_millis(NOON_MS + secs as i64 * 1000 + wrong_ms) }
}

/// A clock that nobody set since the start in 1970.
fn unset(secs: u64) -> Stamp {
    clock(secs, -NOON_MS)
}

fn ring_of_boot(medium: SimulatedMedium, number: u64) -> Ring<SimulatedMedium> {
    Ring::open(medium, Settings { boot: boot(0xa3f1_0000_0000_0000 + number), ..settings(1) }).0
}

fn new_ring() -> Ring<SimulatedMedium> {
    ring_of_boot(SimulatedMedium::new(64 * 1024), 1)
}

/// Another boot, after a power cut that loses what was not synced.
fn next_boot(ring: &Ring<SimulatedMedium>, number: u64) -> Ring<SimulatedMedium> {
    ring_of_boot(ring.storage().after_cut(AtCut::LosesAll), number)
}

/// The same boot, another process.
fn restarted(ring: &Ring<SimulatedMedium>, number: u64) -> Ring<SimulatedMedium> {
    ring_of_boot(ring.storage().clone(), number)
}

thread_local! {
    /// Start and end of each call since the start of its machine, in milliseconds: the journal hands out no monotonic
    /// time of another boot.
    static MADE: RefCell<BTreeMap<String, (i64, i64)>> = const { RefCell::new(BTreeMap::new()) };
}

/// A call from `start` to `end`, in the journal and synced at `end`.
fn journalled(ring: &mut Ring<SimulatedMedium>, number: u64, start: Stamp, end: Stamp) -> Seq {
    let call = CallRecord { started: start, ended: end, ..usual_call(number) };
    let made = (start.mono.as_millis() as i64, end.mono.as_millis() as i64);
    MADE.with_borrow_mut(|all| all.insert(call.id.to_string(), made));
    let appended = ring.append(&entry(call, 1), end).unwrap();
    ring.sync().unwrap();
    assert!(!appended.known);
    appended.seq
}

fn pending(ring: &mut Ring<SimulatedMedium>) -> Vec<Pending> {
    ring.pending(FIRST, Part::Call, Seq(0), 64)
}

/// How a waiting call is dated, and how far its start and end are from their true dates, as reckoned by its boot's
/// start.
fn errors_ms(pending: &Pending, boot_at_ms: i64) -> (Dating, i64, i64) {
    let (started, ended) = MADE.with_borrow(|all| all[pending.call.id.as_str()]);
    let of = |stamp: Stamp, made: i64| stamp.wall.as_millis() - boot_at_ms - made;
    (pending.dating, of(pending.call.started, started), of(pending.call.ended, ended))
}

#[test]
fn calls_before_the_clock_is_set_arrive_with_their_true_start_once_it_is() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, unset(60), unset(100));
    assert_eq!(pending(&mut ring)[0].dating, Dating::Waiting);
    ring.note_clock(clock(500, 0));
    assert_eq!(errors_ms(&pending(&mut ring)[0], NOON_MS), (Dating::Known, 0, 0));
}

#[test]
fn calls_of_several_boots_without_a_clock_are_dated_only_by_their_own() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, unset(60), unset(100));
    let mut ring = next_boot(&ring, 2);
    journalled(&mut ring, 2, unset(30), unset(40));
    ring.note_clock(clock(90, 0));
    journalled(&mut ring, 3, clock(95, 0), clock(99, 0));
    let mut ring = next_boot(&ring, 3);
    let waiting = pending(&mut ring);
    assert_eq!(waiting[0].dating, Dating::Lost);
    assert_eq!(errors_ms(&waiting[1], NOON_MS), (Dating::Known, 0, 0));
    assert_eq!(errors_ms(&waiting[2], NOON_MS), (Dating::Known, 0, 0));
}

#[test]
fn a_clock_that_was_plausible_but_wrong_dates_nothing_for_good() {
    for wrong_ms in [-365 * DAY_MS / 2, 365 * DAY_MS, -3_600_000, 5_000, -3_000] {
        let mut ring = new_ring();
        journalled(&mut ring, 1, clock(60, wrong_ms), clock(100, wrong_ms));
        // The first call begins by one clock and ends by the other.
        journalled(&mut ring, 2, clock(110, wrong_ms), clock(130, 0));
        journalled(&mut ring, 3, clock(140, 0), clock(150, 0));
        let told = |ring: &mut Ring<SimulatedMedium>| {
            pending(ring).iter().map(|pending| errors_ms(pending, NOON_MS)).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut ring), [(Dating::Known, 0, 0); 3], "off by {wrong_ms}");
        let history: Vec<i64> =
            ring.history(Seq(u64::MAX), 9).iter().map(|item| item.call.started.wall.as_millis()).collect();
        assert_eq!(history, [140, 110, 60].map(|secs| NOON_MS + secs * 1000));
        // What was told last holds after a kill, and after a power cut.
        assert_eq!(told(&mut restarted(&ring, 1)), [(Dating::Known, 0, 0); 3], "killed, off by {wrong_ms}");
        assert_eq!(told(&mut next_boot(&ring, 2)), [(Dating::Known, 0, 0); 3], "cut, off by {wrong_ms}");
    }
}

#[test]
fn a_clock_that_is_set_while_the_agent_is_down_or_idle_dates_what_waits() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, clock(60, -90 * DAY_MS), clock(100, -90 * DAY_MS));
    let mut ring = restarted(&ring, 1);
    ring.note_clock(clock(200, 0));
    assert_eq!(errors_ms(&pending(&mut ring)[0], NOON_MS), (Dating::Known, 0, 0));
    // Without another call it is written by the timer of the marks.
    assert!(ring.next_flush().is_some());
    ring.flush_due(clock(300, 0)).unwrap();
    ring.sync().unwrap();
    assert_eq!(errors_ms(&pending(&mut next_boot(&ring, 2))[0], NOON_MS), (Dating::Known, 0, 0));
}

#[test]
fn a_clock_that_the_medium_refuses_is_tried_again_later_and_not_at_once() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, unset(60), unset(100));
    ring.storage_mut().refuse_writes = Some(ErrorKind::ReadOnlyFilesystem);
    ring.note_clock(clock(200, 0));
    for _ in 0..3 {
        let due = ring.next_flush().unwrap();
        let now = clock(due.as_millis() / 1000 + 1, 0);
        assert!(ring.flush_due(now).is_err());
        assert!(ring.next_flush().unwrap() >= now.mono + JOURNAL_MARK_DELAY, "the journal's thread would spin");
    }
    ring.storage_mut().refuse_writes = None;
    ring.flush_due(clock(900, 0)).unwrap();
    assert_eq!(ring.next_flush(), None);
    assert_eq!(errors_ms(&pending(&mut next_boot(&ring, 2))[0], NOON_MS), (Dating::Known, 0, 0));
}

#[test]
fn a_call_that_is_copied_on_carries_its_true_date() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, clock(60, -90 * DAY_MS), clock(100, -90 * DAY_MS));
    for number in 2..600 {
        let seq = journalled(&mut ring, number, clock(60 * number, 0), clock(60 * number + 9, 0));
        ring.mark(seq, FIRST, Mark::Delivered { ticket: None }, clock(60 * number + 9, 0));
        ring.mark(seq, FIRST, Mark::Attached { recording: 0 }, clock(60 * number + 9, 0));
    }
    assert!(ring.stats().moved > 0);
    assert_eq!(errors_ms(&pending(&mut next_boot(&ring, 2))[0], NOON_MS), (Dating::Known, 0, 0));
}

#[test]
fn a_clock_that_is_only_slewed_changes_no_date_and_writes_nothing() {
    let mut ring = new_ring();
    let step_ms = i64::try_from(JOURNAL_CLOCK_STEP.as_millis()).unwrap();
    journalled(&mut ring, 1, clock(60, 0), clock(100, 0));
    ring.note_clock(clock(200, step_ms));
    assert_eq!(errors_ms(&pending(&mut ring)[0], NOON_MS), (Dating::Known, 0, 0));
    assert!(ring.next_flush().is_none());
    // Little steps add up.
    ring.note_clock(clock(300, step_ms + 1));
    assert_eq!(errors_ms(&pending(&mut ring)[0], NOON_MS), (Dating::Known, step_ms + 1, step_ms + 1));
}

#[test]
fn the_clock_of_one_boot_says_nothing_of_another_boots_dates() {
    let mut ring = new_ring();
    journalled(&mut ring, 1, clock(60, 0), clock(100, 0));
    let mut ring = next_boot(&ring, 2);
    // A day later, by a clock that is a year behind first.
    let later = DAY_MS;
    journalled(&mut ring, 2, clock(50, later - 365 * DAY_MS), clock(55, later - 365 * DAY_MS));
    ring.note_clock(clock(90, later));
    let waiting = pending(&mut ring);
    assert_eq!(errors_ms(&waiting[0], NOON_MS), (Dating::Known, 0, 0));
    assert_eq!(errors_ms(&waiting[1], NOON_MS + later), (Dating::Known, 0, 0));
}

#[test]
fn the_newest_date_is_known_across_boots() {
    let mut ring = new_ring();
    assert_eq!(ring.newest_date(), None);
    journalled(&mut ring, 1, clock(60, 0), clock(100, 0));
    let mut ring = next_boot(&ring, 2);
    journalled(&mut ring, 2, unset(5), unset(6));
    assert_eq!(ring.newest_date(), Some(clock(100, 0).wall));
}
