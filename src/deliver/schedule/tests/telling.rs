//! What is told of a fault, and how often.

use super::*;

#[test]
fn a_fault_stays_told_while_its_lane_waits_for_its_turn() {
    let mut schedule = schedule();
    schedule.appended(Some(Seq(100)), Arc::new(record("o-1", at(1), &[])), Ticket::default());
    schedule.poll_job(at(1)).unwrap();
    schedule.report(report(Lane::Calls, retry()), at(1));
    assert!(matches!(schedule.poll_job(at(10)), Some(Job::Deliver { .. })));
    schedule.report(report(Lane::Calls, Outcome::Held { after: Duration::from_secs(5) }), at(10));
    assert_eq!(schedule.fault(), Some("refused"));
}

#[test]
fn an_outage_is_a_few_lines_of_the_log_and_a_missing_file_none() {
    let mut schedule = schedule();
    let (mut fault, mut lines) = (crate::log::Repeated::new(), Vec::new());
    schedule.appended(Some(Seq(1)), Arc::new(record("o-1", at(1), &["/a.wav"])), Ticket::default());
    for second in 1..3_600 {
        if second == 600 {
            for n in 2..40 {
                schedule.appended(Some(Seq(n)), Arc::new(record(&format!("o-{n}"), at(600), &[])), Ticket::default());
            }
        }
        if (600..3_000).contains(&second) {
            schedule.live(live(&format!("l-{second}"), &["101"]), at(second).mono);
            prepare(&mut schedule, at(second));
            schedule.refresh_sooner(at(second).mono);
        }
        while let Some(job) = schedule.poll_job(at(second)) {
            let job = match job {
                Job::DeliverTogether { calls } if second >= 3_000 => {
                    schedule.report(together(Outcome::Done, calls, |_| Fate::Delivered), at(second));
                    continue;
                }
                other => other,
            };
            let outcome = match job {
                Job::Attach { .. } => Outcome::Retry { after: None, why: "not there yet".into() },
                _ if !(600..3_000).contains(&second) => Outcome::Done,
                Job::Announce { .. } => in_doubt(10),
                Job::Deliver { .. } | Job::DeliverTogether { .. } => retry(),
                Job::Refresh => Outcome::Retry { after: None, why: "timed out".into() },
            };
            schedule.report(report(job.lane(), outcome), at(second));
            if schedule.take_news().fault {
                let line = match schedule.fault() {
                    Some(text) => fault.fault(text, at(second).mono),
                    None => fault.well(),
                };
                lines.extend(line);
            }
        }
    }
    assert!((2..=4).contains(&lines.len()), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("well again")), "{lines:#?}");
}

#[test]
fn a_stuck_call_is_told_once_among_calls_that_go() {
    let mut schedule = schedule();
    let (mut fault, mut lines) = (crate::log::Repeated::new(), Vec::new());
    let wrong = || Outcome::Retry { after: Some(Duration::from_secs(900)), why: "user 7 is not active".into() };
    for second in 1..7_200 {
        if second % 60 == 1 {
            let call = record(&format!("o-{second}"), at(second), &[]);
            schedule.appended(Some(Seq(second)), Arc::new(call), Ticket::default());
        }
        while let Some(job) = schedule.poll_job(at(second)) {
            let stuck = matches!(&job, Job::Deliver { record, .. } if record.id == "o-1");
            let outcome = if stuck && second < 5_000 { wrong() } else { Outcome::Done };
            schedule.report(report(job.lane(), outcome), at(second));
            if schedule.take_news().fault {
                lines.extend(match schedule.fault() {
                    Some(text) => fault.fault(text, at(second).mono),
                    None => fault.well(),
                });
            }
        }
    }
    assert_eq!(lines.len(), 3, "told, told with its count after an hour, well: {lines:#?}");
}
