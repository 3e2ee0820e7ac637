//! Recordings: after their calls, given up in their time, and told when none can come.

use super::*;

#[test]
fn a_recording_follows_its_call_and_is_given_up_in_the_end() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &["/a.wav"])), Ticket::default());
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { .. })));
    assert!(schedule.poll_job(at(1)).is_none(), "not before its call is confirmed");
    schedule.report(report(Lane::Calls, Outcome::Done), at(1));
    schedule.poll_mark().unwrap();
    let (mut now, mut attempts) = (2, 0);
    let verdict = loop {
        match schedule.poll_job(at(now)) {
            Some(Job::Attach { .. }) => {
                attempts += 1;
                schedule.report(report(Lane::Recordings, retry()), at(now));
            }
            Some(Job::Refresh) => schedule.report(report(Lane::Recordings, Outcome::Done), at(now)),
            _ => {}
        }
        if let Some(verdict) = schedule.poll_mark() {
            break verdict;
        }
        now += 1;
        assert!(now < 100_000, "never given up");
    };
    assert_eq!(verdict, (Seq(100), Mark::RecordingsGivenUp { reason: bounded(b"refused") }));
    assert!(now > 86_400 && attempts < 250, "{attempts} attempts in {now} s");
    assert_eq!(schedule.counters().recordings_given_up, 1);
}

#[test]
fn a_portal_that_takes_no_recordings_gets_its_calls_and_cards() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(1)), Arc::new(record("o-1", at(1), &["/a.wav"])), registered());
    assert!(matches!(schedule.poll_job(at(2)), Some(Job::Deliver { .. })));
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, Outcome::Done) }, at(2));
    assert!(matches!(schedule.poll_job(at(3)), Some(Job::Attach { .. })));
    schedule.report(report(Lane::Recordings, suspend(900)), at(3));
    assert_eq!(schedule.fault(), Some("not allowed"));
    schedule.appended(Some(Seq(2)), Arc::new(record("o-2", at(4), &["/a.wav"])), registered());
    assert!(matches!(schedule.poll_job(at(5)), Some(Job::Deliver { .. })), "a call waits for the recordings' portal");
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, Outcome::Done) }, at(5));
    assert!(schedule.poll_job(at(6)).is_none(), "recordings wait");
    assert!(matches!(schedule.poll_job(at(904)), Some(Job::Attach { .. })));
    schedule.report(report(Lane::Recordings, suspend(900)), at(904));
    kick(&mut schedule, at(905));
    assert!(schedule.poll_job(at(905)).is_some(), "a kick ends it");
}

#[test]
fn a_kick_does_not_upload_what_may_still_be_uploading() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(1)), Arc::new(record("o-1", at(1), &["/a.wav"])), registered());
    assert!(matches!(schedule.poll_job(at(2)), Some(Job::Deliver { .. })));
    schedule.report(Report { ticket: registered(), ..report(Lane::Calls, Outcome::Done) }, at(2));
    assert!(matches!(schedule.poll_job(at(3)), Some(Job::Attach { .. })));
    schedule.report(report(Lane::Recordings, in_doubt(60)), at(3));
    kick(&mut schedule, at(10));
    let early = core::iter::from_fn(|| schedule.poll_job(at(10))).any(|job| matches!(job, Job::Attach { .. }));
    assert!(!early, "the first upload may still run");
    assert!(core::iter::from_fn(|| schedule.poll_job(at(64))).any(|job| matches!(job, Job::Attach { .. })));
}

#[test]
fn of_several_recordings_the_one_that_is_kept_goes_and_the_others_are_told() {
    let mut schedule = schedule();
    let call = Arc::new(record("o-1", at(1), &["/a.wav", "/2026/b.wav"]));
    schedule.appended(Some(Seq(100)), call, Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Done), at(1));
    schedule.poll_mark().unwrap();
    let job = schedule.poll_job(at(1));
    assert!(matches!(job, Some(Job::Attach { left: 0b11, patient: true, .. })), "{job:?}");
    schedule.report(report(Lane::Recordings, retry()), at(2));
    let job = schedule.poll_job(at(700));
    assert!(matches!(job, Some(Job::Attach { left: 0b11, patient: false, .. })), "{job:?}");
    let dealt = Report { recording: Some(Dealt { index: 1, alone: true }), ..report(Lane::Recordings, Outcome::Done) };
    schedule.report(dealt, at(701));
    assert_eq!(schedule.poll_mark(), Some((Seq(100), Mark::Attached { recording: 1 })));
    let Some((Seq(100), Mark::RecordingsGivenUp { reason })) = schedule.poll_mark() else { panic!("open for ever") };
    assert!(reason.contains("b.wav") && reason.contains("a.wav"), "{reason}");
    assert!(schedule.poll_job(at(5000)).is_none_or(|job| matches!(job, Job::Refresh)), "a second would push it out");
    assert_eq!((schedule.counters().recordings, schedule.counters().recordings_given_up), (1, 0));
}

#[test]
fn a_recording_that_is_refused_leaves_the_place_to_the_others() {
    let mut schedule = schedule();
    let call = Arc::new(record("o-1", at(1), &["/a.wav", "/b.wav"]));
    schedule.appended(Some(Seq(100)), call, Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Done), at(1));
    schedule.poll_mark().unwrap();
    schedule.poll_job(at(1)).unwrap();
    let refused = |index| Report {
        recording: Some(Dealt { index, alone: true }),
        ..report(Lane::Recordings, Outcome::Refused { why: "refused".into() })
    };
    schedule.report(refused(1), at(2));
    assert_eq!(schedule.poll_mark(), None, "the journal must not give up what is still to come");
    let job = schedule.poll_job(at(2));
    assert!(matches!(job, Some(Job::Attach { left: 0b01, .. })), "{job:?}");
    assert_eq!(schedule.counters().recordings_given_up, 0);
    schedule.report(refused(0), at(3));
    assert_eq!(schedule.poll_mark(), Some((Seq(100), Mark::RecordingsGivenUp { reason: bounded(b"refused") })));
    assert_eq!(schedule.counters().recordings_given_up, 1);
}

#[test]
fn recordings_that_cannot_come_raise_an_alarm_and_wait_until_it_is_mended() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &["/x/a.wav"])), Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, Outcome::Done), at(1));
    schedule.poll_mark().unwrap();
    let misplaced = || Outcome::Retry { after: Some(Duration::from_secs(5)), why: "pbx_path is wrong".into() };
    let alarmed = || Report { alarm: Some("pbx_path is wrong".into()), ..report(Lane::Recordings, misplaced()) };
    let mut looks = 0;
    for second in 1..80_000 {
        match schedule.poll_job(at(second)) {
            Some(Job::Attach { .. }) => {
                looks += 1;
                schedule.report(alarmed(), at(second));
            }
            Some(Job::Refresh) => schedule.report(report(Lane::Recordings, Outcome::Done), at(second)),
            _ => {}
        }
        assert_eq!(schedule.poll_mark(), None, "nothing is given up before its time");
    }
    assert!((50..200).contains(&looks), "{looks} looks in 22 hours");
    assert_eq!((schedule.alarm(), schedule.fault()), (Some("pbx_path is wrong"), None));
    assert!((80_000..82_000).any(|second| matches!(schedule.poll_job(at(second)), Some(Job::Attach { .. }))));
    let dealt = Report { recording: Some(Dealt { index: 0, alone: true }), ..report(Lane::Recordings, Outcome::Done) };
    schedule.report(dealt, at(82_000));
    assert_eq!(schedule.alarm(), None);
    assert_eq!(schedule.poll_mark(), Some((Seq(100), Mark::Attached { recording: 0 })));
}

#[test]
fn many_recordings_that_cannot_come_are_given_up_in_their_time_and_hold_up_no_other() {
    let mut schedule = schedule();
    for n in 0..40 {
        schedule.appended(
            Some(Seq(1 + n)),
            Arc::new(record(&format!("o-{n}"), at(1), &["/x/a.wav"])),
            Ticket::default(),
        );
        assert!(matches!(schedule.poll_job(at(1)), Some(Job::Deliver { .. })));
        schedule.report(report(Lane::Calls, Outcome::Done), at(1));
        schedule.poll_mark().unwrap();
    }
    let mut left: std::collections::BTreeSet<u64> = (1..=40).collect();
    let mut now = 2;
    while !left.is_empty() && now < 200_000 {
        while let Some(question) = schedule.question(at(now).mono) {
            let rest = left.iter().filter(|seq| question.part == Part::Recordings && Seq(**seq) > question.after);
            let entries = rest.take(question.max).map(|seq| journal::Pending {
                call: Box::new(record(&format!("o-{}", seq - 1), at(1), &["/x/a.wav"])),
                recordings_left: 1,
                ..pending(*seq, false)
            });
            schedule.loaded(question.part, entries.collect(), at(now));
            if question.part == Part::Call {
                break;
            }
        }
        match schedule.poll_job(at(now)) {
            Some(Job::Refresh) => schedule.report(report(Lane::Recordings, Outcome::Done), at(now)),
            Some(Job::Attach { .. }) => {
                let misplaced = Outcome::Retry { after: Some(Duration::from_secs(5)), why: "pbx_path".into() };
                schedule.report(report(Lane::Recordings, misplaced), at(now));
            }
            _ => now += 5,
        }
        while let Some((seq, mark)) = schedule.poll_mark() {
            assert!(matches!(mark, Mark::RecordingsGivenUp { .. }) && now > 86_400, "{mark:?} after {now} s");
            left.remove(&seq.0);
        }
    }
    assert!(left.is_empty(), "{left:?} wait for ever");
    assert!(now < 100_000, "the last was given up after {now} s");
}

#[test]
fn recordings_of_calls_that_the_journal_could_not_take_are_attached_or_counted() {
    let mut schedule = schedule();
    let calls = 70;
    for n in 0..calls {
        schedule.appended(None, Arc::new(record(&format!("o-{n}"), at(1), &["/a.wav"])), Ticket::default());
    }
    let mut attached = 0;
    // Two hours of recordings that are away, then all of them are there.
    for second in 1..30_000 {
        while let Some(job) = schedule.poll_job(at(second)) {
            let outcome = match job {
                Job::Attach { .. } if second < 7_200 => retry(),
                Job::Attach { .. } => {
                    attached += 1;
                    Outcome::Done
                }
                _ => Outcome::Done,
            };
            schedule.report(report(job.lane(), outcome), at(second));
        }
    }
    assert_eq!(schedule.counters().delivered, calls);
    assert_eq!((attached, schedule.counters().recordings_given_up), (64, calls - 64), "none vanished");
}
