//! A backlog in virtual time: together and in order, after the calls of the moment, slowly after an outage.

use super::tests::{at, pending, record, report, schedule, together};
use super::*;
use crate::crm::{Consignment, Fate};
use crate::limits::{CALLS_TOGETHER, DOUBT_SETTLE_LONGEST, SLOW_START};

/// Ten minutes after [`pending`]'s calls ended.
const LATER: u64 = 600;

/// A schedule with these calls of the backlog in hand.
fn with_backlog(seqs: core::ops::RangeInclusive<u64>, in_doubt: bool) -> Schedule {
    let mut schedule = schedule();
    assert_eq!(schedule.question(at(LATER).mono).map(|question| question.part), Some(Part::Call));
    schedule.loaded(Part::Call, seqs.map(|seq| pending(seq, in_doubt)).collect(), at(LATER));
    schedule
}

fn ids(calls: &[Consignment]) -> Vec<String> {
    calls.iter().map(|call| call.record.id.to_string()).collect()
}

/// The next calls that go together.
fn batch(schedule: &mut Schedule, now: u64) -> Vec<Consignment> {
    match schedule.poll_job(at(now)) {
        Some(Job::DeliverTogether { calls }) => calls,
        other => panic!("{other:?}"),
    }
}

fn ended_now(schedule: &mut Schedule, seq: u64, now: u64) {
    let call = record(&format!("o-{seq}"), at(now), &[]);
    schedule.appended(Some(Seq(seq)), Arc::new(call), Ticket::default());
}

#[test]
fn a_backlog_goes_together_in_order_and_after_the_call_of_the_moment() {
    let mut schedule = with_backlog(1..=30, false);
    ended_now(&mut schedule, 100, LATER);
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { record, .. }) if record.id == "o-100"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(LATER));
    assert_eq!(schedule.poll_mark().map(|(seq, _)| seq), Some(Seq(100)));
    let calls = batch(&mut schedule, LATER);
    let expected: Vec<String> = (1..=CALLS_TOGETHER).map(|n| format!("o-{n}")).collect();
    assert_eq!(ids(&calls), expected);
    assert!(schedule.poll_job(at(LATER)).is_none(), "one request at a time");
    // The portal took ten; a call that ends meanwhile is the next all the same.
    let mut left = 10;
    let took_ten = together(Outcome::Done, calls, |_| {
        left -= 1;
        if left >= 0 { Fate::Delivered } else { Fate::Waiting }
    });
    ended_now(&mut schedule, 101, LATER);
    schedule.report(took_ten, at(LATER));
    let marks: Vec<u64> = core::iter::from_fn(|| schedule.poll_mark()).map(|(seq, _)| seq.0).collect();
    assert_eq!(marks, (1..=10).collect::<Vec<_>>());
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { record, .. }) if record.id == "o-101"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(LATER));
    assert_eq!(ids(&batch(&mut schedule, LATER)).first().map(String::as_str), Some("o-11"));
    assert_eq!(schedule.drain(at(LATER).mono).map(|drain| drain.done), Some(10), "calls of the moment are no backlog");
}

#[test]
fn a_call_that_needs_care_goes_by_itself_and_the_others_go_on() {
    let mut schedule = with_backlog(1..=5, false);
    let calls = batch(&mut schedule, LATER);
    let odd = |call: &Consignment| if call.record.id == "o-3" { Fate::Alone } else { Fate::Delivered };
    schedule.report(together(Outcome::Done, calls, odd), at(LATER));
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { record, .. }) if record.id == "o-3"));
    schedule.report(report(Lane::Calls, Outcome::Refused { why: "no such type".into() }), at(LATER));
    let marks: Vec<(u64, bool)> = core::iter::from_fn(|| schedule.poll_mark())
        .map(|(seq, m)| (seq.0, matches!(m, Mark::Refused { .. })))
        .collect();
    assert_eq!(marks, [(1, false), (2, false), (4, false), (5, false), (3, true)]);
}

#[test]
fn calls_whose_answer_was_lost_are_looked_up_together_when_it_must_be_over_and_then_go_by_themselves() {
    let mut schedule = with_backlog(1..=4, false);
    let calls = batch(&mut schedule, LATER);
    let lost = Outcome::InDoubt { after: Duration::from_secs(10), why: "no answer".into() };
    let doubt = |_: &Consignment| Fate::InDoubt { after: DOUBT_SETTLE_LONGEST };
    schedule.report(together(lost, calls, doubt), at(LATER));
    schedule.kick(at(LATER).mono);
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Refresh)));
    schedule.report(report(Lane::Recordings, Outcome::Done), at(LATER));
    let settled = LATER + DOUBT_SETTLE_LONGEST.as_secs();
    assert!((LATER..settled).all(|second| schedule.poll_job(at(second)).is_none()), "it may still be running");
    let calls = batch(&mut schedule, settled);
    assert!(calls.iter().all(|call| call.in_doubt && call.only_look), "{calls:?}");
    let calls = calls.into_iter().map(|call| Consignment { in_doubt: false, ..call }).collect();
    let half = |call: &Consignment| if call.record.id == "o-1" { Fate::Delivered } else { Fate::Alone };
    schedule.report(together(Outcome::Done, calls, half), at(settled));
    let Some(Job::Deliver { record, in_doubt, .. }) = schedule.poll_job(at(settled)) else { panic!("no call") };
    assert!(record.id == "o-2" && !in_doubt, "one of them may have broken the request, and it was looked up");
}

#[test]
fn where_calls_cannot_be_looked_up_together_each_looks_for_itself() {
    let mut schedule = with_backlog(1..=4, true);
    let calls = batch(&mut schedule, LATER);
    assert!(calls.iter().all(|call| call.in_doubt && !call.only_look));
    schedule.report(together(Outcome::Done, calls, |_| Fate::Alone), at(LATER));
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { in_doubt: true, .. })));
}

#[test]
fn calls_of_an_earlier_process_wait_as_long_as_what_they_may_have_gone_with_can_run() {
    let mut schedule = schedule();
    schedule.question(at(0).mono).unwrap();
    let old = record("o-1", at(0), &[]);
    let old = journal::Pending { call: Box::new(CallRecord { ended: Stamp::default(), ..old }), ..pending(1, true) };
    // Of another boot, by a clock that may stand anywhere.
    let of_another = Stamp { mono: Monotonic::default(), ..at(0) };
    let other = CallRecord { ended: of_another, ..record("o-3", at(0), &[]) };
    let other = journal::Pending { call: Box::new(other), ..pending(3, true) };
    schedule.loaded(Part::Call, vec![old, pending(2, true), other], at(1));
    let due = schedule.poll_timeout().unwrap().since(at(0).mono);
    assert_eq!(due, AFTER_CRASH, "a call that ended just now went by itself if it went at all");
    let due = due.as_secs();
    assert!(matches!(schedule.poll_job(at(due)), Some(Job::Deliver { record, .. }) if record.id == "o-2"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(due));
    let first = (due..).find(|second| schedule.poll_job(at(*second)).is_some()).unwrap();
    assert_eq!(first, DOUBT_SETTLE_LONGEST.as_secs(), "neither of the other two any sooner");
}

#[test]
fn after_an_outage_one_call_asks_first_and_the_backlog_comes_slowly() {
    let mut schedule = with_backlog(1..=30, false);
    let calls = batch(&mut schedule, LATER);
    let down = || Outcome::Retry { after: None, why: "not reachable".into() };
    schedule.report(together(down(), calls, |_| Fate::Waiting), at(LATER));
    let mut second = LATER;
    for _ in 0..6 {
        let job = loop {
            second += 1;
            if let Some(job) = schedule.poll_job(at(second)) {
                break job;
            }
        };
        assert!(matches!(job, Job::Deliver { .. }), "whether it is back is found out with one call: {job:?}");
        schedule.report(report(Lane::Calls, down()), at(second));
    }
    let back = (second + 1..).find(|second| schedule.poll_job(at(*second)).is_some()).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Done), at(back));
    ended_now(&mut schedule, 100, back);
    assert!(matches!(schedule.poll_job(at(back)), Some(Job::Deliver { record, .. }) if record.id == "o-100"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(back));
    let start = schedule.poll_timeout().unwrap().since(at(back).mono);
    assert!(start <= SLOW_START, "{start:?}");
    let resumed = (back..).find(|second| schedule.poll_job(at(*second)).is_some()).unwrap();
    assert!(resumed.abs_diff(back + start.as_secs()) <= 1, "no earlier than it said and no later");
    let mut starts: Vec<Duration> = (0..20).map(|seed| Backoff::new(seed).jitter(SLOW_START)).collect();
    starts.dedup();
    assert!(starts.len() > 15, "every office has its own moment");
}

#[test]
fn calls_that_only_memory_holds_go_one_by_one() {
    let mut schedule = schedule();
    for n in 1..=3 {
        schedule.appended(None, Arc::new(record(&format!("o-{n}"), at(0), &[])), Ticket::default());
    }
    for n in 1..=3 {
        let id = format!("o-{n}");
        assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { record, .. }) if *record.id == *id));
        schedule.report(report(Lane::Calls, Outcome::Done), at(LATER));
    }
}

#[test]
fn the_portals_limit_holds_back_the_backlog_alone() {
    let mut schedule = with_backlog(1..=4, false);
    let calls = batch(&mut schedule, LATER);
    let held = Outcome::Held { after: Duration::from_secs(300) };
    schedule.report(together(held, calls, |_| Fate::Waiting), at(LATER));
    assert_eq!(schedule.fault(), None);
    ended_now(&mut schedule, 100, LATER);
    assert!(matches!(schedule.poll_job(at(LATER)), Some(Job::Deliver { record, .. }) if record.id == "o-100"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(LATER));
    assert!(schedule.poll_job(at(LATER + 299)).is_none());
    assert_eq!(schedule.poll_timeout(), Some(at(LATER + 300).mono));
    assert_eq!(batch(&mut schedule, LATER + 300).len(), 4);
}
