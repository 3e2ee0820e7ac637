//! The schedule in virtual time, with a CRM that answers whatever the test says.

mod kills;
mod recordings;
mod telling;

use super::super::job::Dealt;
use super::*;
use crate::call::record::{Direction, Disposition, RecordingPath};
use crate::clock::Wall;
use crate::crm::{Consignment, Fate};
use crate::journal::Dating;
use crate::limits::CALLS_RESCAN;
use crate::text::bounded;

pub(super) fn at(secs: u64) -> Stamp {
    let wall = Wall::from_millis(1_795_293_703_000 + i64::try_from(secs).unwrap() * 1000);
    Stamp { mono: Monotonic::from_millis(1_000_000 + secs * 1000), wall }
}

pub(super) fn schedule() -> Schedule {
    let policy = Policy { recordings: true, recording_give_up: Duration::from_secs(86_400), started: at(0).mono };
    let mut schedule = Schedule::new(policy, 1);
    // The users are read first thing; tests begin after that.
    assert!(matches!(schedule.poll_job(at(0)), Some(Job::Refresh)));
    schedule.report(report(Lane::Recordings, Outcome::Done), at(0));
    schedule
}

fn live(id: &str, ringing: &[&str]) -> LiveCall {
    LiveCall {
        id: CallId::try_from(id).unwrap(),
        direction: Direction::Inbound,
        client: "79161234567".try_into().unwrap(),
        line: "74951110001".try_into().unwrap(),
        caller: Default::default(),
        ringing: ringing.iter().map(|e| (*e).try_into().unwrap()).collect(),
        talking: None,
        started: at(0),
        withheld: None,
    }
}

pub(super) fn record(id: &str, ended: Stamp, recordings: &[&str]) -> CallRecord {
    CallRecord {
        id: CallId::try_from(id).unwrap(),
        direction: Direction::Inbound,
        client: "79161234567".try_into().unwrap(),
        line: "74951110001".try_into().unwrap(),
        trunk: Default::default(),
        caller: Default::default(),
        rang: Default::default(),
        answered_by: None,
        talked_last: None,
        talks: Default::default(),
        talk_ms: 5_000,
        disposition: Disposition::Answered,
        dial_status: Default::default(),
        cause: 16,
        queue: Default::default(),
        transfers: Default::default(),
        recordings: recordings.iter().map(|p| RecordingPath::try_from(*p).unwrap()).collect(),
        voicemail: Default::default(),
        started: ended,
        ended,
        gaps: Default::default(),
        withheld: None,
    }
}

pub(super) fn report(lane: Lane, outcome: Outcome) -> Report {
    Report {
        lane,
        outcome,
        ticket: Ticket::default(),
        shown: Shown::default(),
        together: Vec::new(),
        refresh: false,
        recording: None,
        alarm: None,
    }
}

/// A request for several calls, with what became of each.
pub(super) fn together(
    outcome: Outcome,
    calls: Vec<Consignment>,
    mut fate: impl FnMut(&Consignment) -> Fate,
) -> Report {
    let calls = calls.into_iter().map(|call| Consignment { fate: fate(&call), ..call });
    Report { together: calls.collect(), ..report(Lane::Calls, outcome) }
}

fn registered() -> Ticket {
    Ticket { call: "externalCall.1".try_into().unwrap(), user: Some(11), in_doubt: false, refusals: 0 }
}

fn retry() -> Outcome {
    Outcome::Retry { after: None, why: "refused".into() }
}

fn in_doubt(secs: u64) -> Outcome {
    Outcome::InDoubt { after: Duration::from_secs(secs), why: "no answer".into() }
}

/// What the hub does between two jobs: prepare, mirror, release.
fn prepare(schedule: &mut Schedule, now: Stamp) {
    while let Some((_, ticket)) = schedule.cards().prepare_next(now.mono) {
        ticket.user = Some(11);
    }
    schedule.cards().release();
}

#[test]
fn a_card_goes_only_after_its_ticket_is_mirrored() {
    let mut schedule = schedule();
    assert!(schedule.live(live("o-1", &["101"]), at(1).mono));
    assert!(schedule.poll_job(at(1)).is_none(), "its ticket is not prepared yet");
    schedule.cards().prepare_next(at(1).mono).unwrap().1.user = Some(11);
    assert!(schedule.poll_job(at(1)).is_none(), "the mirror does not hold it yet");
    schedule.cards().release();
    let Some(Job::Announce { ticket, .. }) = schedule.poll_job(at(1)) else { panic!("no card") };
    assert_eq!(ticket.user, Some(11));
}

#[test]
fn later_changes_of_a_card_are_gathered() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    prepare(&mut schedule, at(1));
    assert!(schedule.poll_job(at(1)).is_some());
    schedule.report(Report { ticket: registered(), ..report(Lane::Cards, Outcome::Done) }, at(1));
    schedule.live(live("o-1", &["101", "102"]), at(2).mono);
    schedule.live(live("o-1", &["102"]), at(2).mono);
    assert!(schedule.poll_job(at(2)).is_none(), "gathered");
    assert!(schedule.poll_timeout().unwrap() <= at(3).mono);
    let Some(Job::Announce { call, ticket, .. }) = schedule.poll_job(at(3)) else { panic!("no card") };
    assert_eq!(call.ringing, live("o-1", &["102"]).ringing);
    assert_eq!(ticket, registered());
    schedule.report(report(Lane::Cards, Outcome::Done), at(3));
    assert!(schedule.poll_job(at(4)).is_none(), "one request for two changes");
}

#[test]
fn a_call_waits_for_its_card_and_takes_over_its_ticket() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    prepare(&mut schedule, at(1));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { .. })));
    let ticket = schedule.finished(&CallId::try_from("o-1").unwrap());
    assert!(ticket.in_doubt, "the register may have been executed");
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(2), &[])), ticket);
    assert!(schedule.poll_job(at(2)).is_none(), "one request at a time for one call");
    schedule.report(Report { ticket: registered(), ..report(Lane::Cards, Outcome::Done) }, at(3));
    let Some(Job::Deliver { ticket, in_doubt, freshness, .. }) = schedule.poll_job(at(3)) else { panic!("no call") };
    assert_eq!((ticket, in_doubt, freshness), (registered(), false, Freshness::Fresh));
    schedule.report(report(Lane::Calls, Outcome::Done), at(3));
    assert_eq!(schedule.poll_mark(), Some((Seq(100), Mark::Delivered { ticket: None })));
    assert_eq!(schedule.counters().delivered, 1);
}

#[test]
fn a_lost_answer_is_looked_up_after_its_wait_and_never_repeated_blindly() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &[])), Ticket::default());
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { in_doubt: false, .. })));
    schedule.report(report(Lane::Calls, in_doubt(15)), at(2));
    assert!(schedule.poll_job(at(16)).is_none(), "the first request may still run");
    assert!(matches!(schedule.poll_job(at(18)), Some(Job::Deliver { in_doubt: true, .. })));
    schedule.report(report(Lane::Calls, retry()), at(18));
    assert!(matches!(schedule.poll_job(at(200)), Some(Job::Deliver { in_doubt: true, .. })), "doubt stays");
}

#[test]
fn calls_of_an_earlier_process_are_in_doubt_and_wait_for_its_last_request() {
    let mut schedule = schedule();
    let question = schedule.question(at(0).mono).unwrap();
    assert_eq!((question.part, question.after), (Part::Call, Seq(0)));
    schedule.loaded(Part::Call, vec![pending(7, true)], at(0));
    assert!(schedule.poll_job(at(1)).is_none(), "the request that the crash cut off may still run");
    let due = schedule.poll_timeout().unwrap().since(at(0).mono).as_secs();
    assert!(matches!(schedule.poll_job(at(due)), Some(Job::Deliver { in_doubt: true, .. })));
    schedule.report(report(Lane::Calls, Outcome::Done), at(due));
    assert_eq!(schedule.poll_mark(), Some((Seq(7), Mark::Delivered { ticket: None })));
}

#[test]
fn a_portal_that_is_down_is_asked_less_and_less_and_no_call_is_dropped() {
    let mut schedule = schedule();
    schedule.question(at(0).mono).unwrap();
    schedule.loaded(Part::Call, Vec::new(), at(0));
    for n in 0..200 {
        schedule.appended(Some(Seq(100 + n)), Arc::new(record(&format!("o-{n}"), at(1), &[])), Ticket::default());
    }
    assert!(schedule.calls.len() <= crate::limits::CALLS_IN_HAND, "memory does not grow with the outage");
    let mut attempts = 0;
    for second in 1..3600 {
        while schedule.poll_job(at(second)).is_some() {
            attempts += 1;
            schedule.report(report(Lane::Calls, retry()), at(second));
        }
    }
    assert!((60..200).contains(&attempts), "{attempts} attempts in an hour");
    let question = schedule.question(at(3600).mono);
    assert!(question.is_none_or(|q| q.part == Part::Recordings), "a full hand asks for no more calls");
}

#[test]
fn nothing_goes_while_the_portal_is_suspended_and_a_kick_ends_that() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &[])), Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    let outcome = Outcome::Suspend { after: Duration::from_secs(900), why: "wrong webhook".into() };
    schedule.report(report(Lane::Calls, outcome), at(1));
    assert_eq!(schedule.fault(), Some("wrong webhook"));
    assert!(schedule.poll_job(at(800)).is_none());
    schedule.kick(at(800).mono);
    assert!(schedule.poll_job(at(800)).is_some());
}

#[test]
fn a_refused_call_gets_its_verdict_and_does_not_block_the_next() {
    let mut schedule = schedule();
    for n in 0..2 {
        schedule.appended(Some(Seq(100 + n)), Arc::new(record(&format!("o-{n}"), at(1), &[])), Ticket::default());
    }
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Refused { why: "no such type".into() }), at(1));
    assert_eq!(schedule.poll_mark(), Some((Seq(100), Mark::Refused { reason: bounded(b"no such type") })));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { .. })));
}

#[test]
fn a_card_that_could_not_be_shown_in_time_is_forgotten() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    prepare(&mut schedule, at(1));
    schedule.poll_job(at(1)).unwrap();
    schedule.report(Report { ticket: registered(), ..report(Lane::Cards, retry()) }, at(1));
    let mut attempts = 0;
    for second in 2..300 {
        if schedule.poll_job(at(second)).is_some() {
            attempts += 1;
            schedule.report(Report { ticket: registered(), ..report(Lane::Cards, retry()) }, at(second));
        }
    }
    assert!((5..60).contains(&attempts), "{attempts} attempts");
}

#[test]
fn a_card_in_doubt_holds_back_its_repeat_and_its_call_until_the_first_is_over() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    prepare(&mut schedule, at(1));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { .. })));
    let doubtful = Ticket { user: Some(11), in_doubt: true, ..Ticket::default() };
    schedule.report(Report { ticket: doubtful, ..report(Lane::Cards, in_doubt(10)) }, at(2));
    schedule.live(live("o-1", &["101", "102"]), at(3).mono);
    assert!(schedule.poll_job(at(11)).is_none(), "the first register may still be running");
    let ticket = schedule.finished(&CallId::try_from("o-1").unwrap());
    assert!(ticket.in_doubt);
    schedule.appended(Some(Seq(7)), Arc::new(record("o-1", at(11), &[])), ticket);
    assert!(schedule.poll_job(at(11)).is_none(), "and so its call waits too");
    assert_eq!(schedule.poll_timeout(), Some(at(12).mono));
    assert!(matches!(schedule.poll_job(at(12)), Some(Job::Deliver { ticket, .. }) if ticket.in_doubt));
}

#[test]
fn no_call_goes_to_the_wrong_user_because_the_users_were_not_read_yet() {
    let policy = Policy { recordings: true, recording_give_up: Duration::from_secs(86_400), started: at(0).mono };
    let mut schedule = Schedule::new(policy, 1);
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &[])), Ticket::default());
    let mut refreshes = 0;
    for second in 1..15 {
        match schedule.poll_job(at(second)) {
            Some(Job::Refresh) => {
                refreshes += 1;
                schedule.report(report(Lane::Recordings, retry()), at(second));
            }
            None => {}
            other => panic!("{other:?} before the users are known"),
        }
    }
    assert!((2..5).contains(&refreshes), "{refreshes} attempts in a quarter of a minute");
    let back = (15..).find(|second| schedule.poll_job(at(*second)).is_some()).unwrap();
    schedule.report(report(Lane::Recordings, Outcome::Done), at(back));
    assert!(matches!(schedule.poll_job(at(back)), Some(Job::Deliver { .. })));
}

#[test]
fn a_card_that_nobody_was_known_for_is_shown_when_the_users_are_read() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    schedule.cards().prepare_next(at(1).mono).unwrap();
    schedule.cards().release();
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { .. })));
    schedule.report(report(Lane::Cards, Outcome::Done), at(1));
    assert!(schedule.poll_job(at(30)).is_none());
    schedule.cards().users_changed(at(31).mono);
    prepare(&mut schedule, at(31));
    assert!(matches!(schedule.poll_job(at(31)), Some(Job::Announce { ticket, .. }) if ticket.user == Some(11)));
}

#[test]
fn a_call_that_became_part_of_another_has_its_card_closed_and_is_forgotten() {
    let mut schedule = schedule();
    schedule.live(live("o-1", &["101"]), at(1).mono);
    prepare(&mut schedule, at(1));
    assert!(schedule.poll_job(at(1)).is_some());
    schedule.report(Report { ticket: registered(), ..report(Lane::Cards, Outcome::Done) }, at(1));
    schedule.dropped(&CallId::try_from("o-1").unwrap(), at(2).mono);
    let Some(Job::Announce { call, ticket, .. }) = schedule.poll_job(at(2)) else { panic!("its card stays open") };
    assert!(call.ringing.is_empty() && ticket == registered());
    schedule.report(Report { ticket: registered(), ..report(Lane::Cards, Outcome::Done) }, at(2));
    assert!(schedule.poll_job(at(3)).is_none());
    assert!(schedule.cards().is_empty());
}

pub(super) fn pending(seq: u64, in_doubt: bool) -> journal::Pending {
    journal::Pending {
        seq: Seq(seq),
        call: Box::new(record(&format!("o-{seq}"), at(0), &[])),
        ticket: Ticket::default(),
        recordings_left: 0,
        in_doubt,
        dating: Dating::Known,
    }
}

#[test]
fn a_call_settled_while_the_journal_was_asked_is_not_delivered_again() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-100", at(1), &[])), Ticket::default());
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { .. })));
    assert_eq!(schedule.question(at(1).mono).unwrap().part, Part::Call);
    schedule.report(report(Lane::Calls, Outcome::Done), at(2));
    // The journal had not heard of it when it answered.
    schedule.loaded(Part::Call, vec![pending(100, false)], at(2));
    assert!(schedule.poll_job(at(3)).is_none());
}

#[test]
fn a_journal_that_opens_late_is_read_then() {
    let mut schedule = schedule();
    assert!(schedule.question(at(1).mono).is_some());
    schedule.loaded(Part::Call, Vec::new(), at(1));
    assert!(schedule.question(at(1).mono).is_none_or(|q| q.part == Part::Recordings));
    schedule.journal_opened();
    assert_eq!(schedule.question(at(60).mono).map(|q| (q.part, q.after)), Some((Part::Call, Seq(0))));
}

#[test]
fn a_call_that_the_journal_could_not_read_is_asked_for_again_and_not_at_every_turn() {
    let mut schedule = schedule();
    let mut asked_from_the_oldest = 0;
    for secs in 1..1_000 {
        let Some(question) = schedule.question(at(secs).mono) else { continue };
        if question.part == Part::Call {
            asked_from_the_oldest += u32::from(question.after == Seq(0));
            schedule.calls_left_out(at(secs).mono);
        }
        schedule.loaded(question.part, Vec::new(), at(secs));
    }
    let often = 1_000 / CALLS_RESCAN.as_secs() as u32;
    assert!((often..=often + 2).contains(&asked_from_the_oldest), "{asked_from_the_oldest} times");
}

#[test]
fn calls_in_doubt_for_long_do_not_hold_up_new_ones_and_stay_in_doubt() {
    let mut schedule = schedule();
    let asked = schedule.question(at(0).mono).unwrap();
    schedule.loaded(asked.part, (0..32).map(|n| pending(n + 1, true)).collect(), at(0));
    let mut now = 11;
    for _ in 0..32 {
        while !matches!(schedule.poll_job(at(now)), Some(Job::Deliver { in_doubt: true, .. })) {
            now += 1;
            assert!(now < 3000, "no more jobs");
        }
        schedule.report(report(Lane::Calls, in_doubt(1800)), at(now));
    }
    assert!(schedule.calls.len() <= crate::limits::CALLS_IN_HAND / 2);
    schedule.appended(Some(Seq(100)), Arc::new(record("o-100", at(now), &[])), Ticket::default());
    let fresh = (now..now + 120).find_map(|second| match schedule.poll_job(at(second)) {
        Some(Job::Deliver { record, .. }) => Some(record.id.to_string()),
        _ => None,
    });
    assert_eq!(fresh.as_deref(), Some("o-100"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(now));
    let again = at(now + 4000);
    let question = core::iter::from_fn(|| schedule.question(again.mono)).find(|q| q.part == Part::Call).unwrap();
    assert_eq!(question.after, Seq(0), "they are read again in their time");
}

#[test]
fn a_call_whose_user_is_wrong_does_not_hold_up_the_others() {
    let mut schedule = schedule();
    for n in 0..2 {
        schedule.appended(Some(Seq(100 + n)), Arc::new(record(&format!("o-{n}"), at(1), &[])), Ticket::default());
    }
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { record, .. }) if record.id == "o-0"));
    let wrong = Outcome::Retry { after: Some(Duration::from_secs(900)), why: "user 7 is not active".into() };
    schedule.report(report(Lane::Calls, wrong), at(1));
    assert!(matches!(schedule.poll_job(at(10)), Some(Job::Deliver { record, .. }) if record.id == "o-1"));
}

#[test]
fn a_portal_that_never_tells_its_users_gets_the_calls_all_the_same() {
    let policy = Policy { recordings: false, recording_give_up: Duration::ZERO, started: at(0).mono };
    let mut schedule = Schedule::new(policy, 1);
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &[])), Ticket::default());
    let delivered = (1..600).find(|second| match schedule.poll_job(at(*second)) {
        Some(Job::Refresh) => {
            schedule.report(report(Lane::Recordings, retry()), at(*second));
            false
        }
        job => matches!(job, Some(Job::Deliver { .. })),
    });
    assert!(delivered.is_some_and(|second| second > 10), "{delivered:?}");
}

/// The user's wish, and the reading of the users that it brings.
fn kick(schedule: &mut Schedule, now: Stamp) {
    schedule.kick(now.mono);
    schedule.busy[Lane::Calls as usize] = true;
    assert!(matches!(schedule.poll_job(now), Some(Job::Refresh)));
    schedule.busy[Lane::Calls as usize] = false;
    schedule.report(report(Lane::Recordings, Outcome::Done), now);
}

#[test]
fn our_own_request_limit_is_no_fault_of_the_portal() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &["/a.wav"])), Ticket::default());
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { .. })));
    let held = || Outcome::Held { after: Duration::from_secs(7) };
    schedule.report(report(Lane::Calls, held()), at(1));
    assert_eq!((schedule.fault(), schedule.counters()), (None, Counters::default()));
    assert_eq!(schedule.poll_timeout().map(|t| t.max(at(1).mono)), Some(at(8).mono));
    assert!(schedule.poll_job(at(7)).is_none(), "it is not our turn");
    kick(&mut schedule, at(7));
    assert!(schedule.poll_job(at(7)).is_none(), "and no wish of the user changes that");
    assert!(matches!(schedule.poll_job(at(8)), Some(Job::Deliver { in_doubt: false, .. })), "no back-off of its own");
    schedule.report(report(Lane::Calls, Outcome::Done), at(8));
    for second in (9..100).step_by(10) {
        assert!(matches!(schedule.poll_job(at(second)), Some(Job::Attach { .. })), "{second}");
        schedule.report(report(Lane::Recordings, held()), at(second));
    }
    assert_eq!((schedule.fault(), schedule.counters().retries), (None, 0));
}

#[test]
fn a_kick_hastens_what_waits_by_itself_but_not_a_request_that_may_still_run() {
    let mut schedule = schedule();
    for n in 0..2 {
        schedule.appended(Some(Seq(100 + n)), Arc::new(record(&format!("o-{n}"), at(1), &[])), Ticket::default());
    }
    let wrong = Outcome::Retry { after: Some(Duration::from_secs(900)), why: "user 7 is not active".into() };
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { record, .. }) if record.id == "o-0"));
    schedule.report(report(Lane::Calls, wrong), at(1));
    assert!(matches!(schedule.poll_job(at(10)), Some(Job::Deliver { record, .. }) if record.id == "o-1"));
    schedule.report(report(Lane::Calls, in_doubt(10)), at(10));
    kick(&mut schedule, at(11));
    assert!(matches!(schedule.poll_job(at(11)), Some(Job::Deliver { record, .. }) if record.id == "o-0"));
    schedule.report(report(Lane::Calls, Outcome::Done), at(11));
    assert!(schedule.poll_job(at(19)).is_none(), "its first request may still run");
    assert!(
        matches!(schedule.poll_job(at(20)), Some(Job::Deliver { in_doubt: true, record, .. }) if record.id == "o-1")
    );
    schedule.report(report(Lane::Calls, in_doubt(1800)), at(20));
    kick(&mut schedule, at(200));
    assert!(matches!(schedule.poll_job(at(200)), Some(Job::Deliver { .. })), "who may not look waits half an hour");
}

#[test]
fn a_kick_looks_for_recordings_and_users_now() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &["/a.wav"])), Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Done), at(1));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Attach { .. })));
    let away = Outcome::Retry { after: Some(Duration::from_secs(900)), why: "not there".into() };
    schedule.report(report(Lane::Recordings, away), at(1));
    assert!(schedule.poll_job(at(100)).is_none());
    schedule.kick(at(100).mono);
    assert!(matches!(schedule.poll_job(at(100)), Some(Job::Refresh)));
    schedule.report(report(Lane::Recordings, Outcome::Done), at(100));
    assert!(matches!(schedule.poll_job(at(100)), Some(Job::Attach { .. })));
}

#[test]
fn a_wrong_user_in_every_call_does_not_have_the_users_read_for_every_call() {
    let mut schedule = schedule();
    let mut refreshes = 0;
    for n in 0..600 {
        let now = at(1 + n);
        schedule.appended(Some(Seq(100 + n)), Arc::new(record(&format!("o-{n}"), now, &[])), Ticket::default());
        while let Some(job) = schedule.poll_job(now) {
            let wish = matches!(job, Job::Deliver { .. });
            refreshes += u32::from(matches!(job, Job::Refresh));
            schedule.report(Report { refresh: wish, ..report(job.lane(), Outcome::Done) }, now);
        }
    }
    assert_eq!(schedule.counters().delivered, 600);
    assert!((1..=2).contains(&refreshes), "{refreshes} readings in ten minutes");
}

fn suspend(secs: u64) -> Outcome {
    Outcome::Suspend { after: Duration::from_secs(secs), why: "not allowed".into() }
}

#[test]
fn the_journal_learns_what_the_crm_calls_a_call_that_was_tried_before() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(1)), Arc::new(record("o-1", at(1), &["/a.wav"])), Ticket::default());
    assert!(matches!(schedule.poll_job(at(2)), Some(Job::Deliver { .. })));
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, retry()) }, at(2));
    assert!(matches!(schedule.poll_job(at(60)), Some(Job::Deliver { .. })));
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, Outcome::Done) }, at(60));
    let marked = schedule.poll_mark();
    assert_eq!(marked, Some((Seq(1), Mark::Delivered { ticket: Some(registered().call) })));
    // What it knew from the start is not written again.
    schedule.appended(Some(Seq(2)), Arc::new(record("o-2", at(61), &["/a.wav"])), registered());
    let delivered = core::iter::from_fn(|| schedule.poll_job(at(62))).any(|job| job.lane() == Lane::Calls);
    assert!(delivered);
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, Outcome::Done) }, at(62));
    assert_eq!(schedule.poll_mark(), Some((Seq(2), Mark::Delivered { ticket: None })));
}

#[test]
fn a_call_at_which_the_portal_fails_each_time_lets_the_backlog_pass() {
    let mut schedule = schedule();
    // Two hours old: none of them is of this moment.
    for n in 1..6 {
        schedule.appended(Some(Seq(n)), Arc::new(record(&format!("o-{n}"), at(0), &[])), Ticket::default());
    }
    let mut delivered = Vec::new();
    for second in 7_200..20_000 {
        let record = match schedule.poll_job(at(second)) {
            Some(Job::Deliver { record, .. }) => record,
            Some(Job::DeliverTogether { calls }) => {
                // What the port makes of a request that the portal bars as a whole.
                schedule.report(together(Outcome::Done, calls, |_| Fate::Alone), at(second));
                continue;
            }
            _ => continue,
        };
        let outcome = if record.id == "o-1" { suspend(900) } else { Outcome::Done };
        if outcome == Outcome::Done {
            delivered.push(record.id.to_string());
        }
        schedule.report(report(Lane::Calls, outcome), at(second));
    }
    assert_eq!(delivered, ["o-2", "o-3", "o-4", "o-5"]);
}
