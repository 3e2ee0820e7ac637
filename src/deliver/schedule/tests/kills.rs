//! Cards as an earlier process left them: what may have been on the way to the CRM then, and what was not.

use super::*;

/// A live call as the mirror has it at `at(1)`.
fn restored(ticket: Ticket) -> Schedule {
    let mut schedule = schedule();
    schedule.cards().restore(live("o-1", &["101"]), ticket, Shown::default(), Monotonic::default(), at(1).mono);
    schedule
}

fn frozen() -> Ticket {
    Ticket { user: Some(11), ..Ticket::default() }
}

fn on_the_way() -> Ticket {
    Ticket { in_doubt: true, ..frozen() }
}

#[test]
fn a_card_that_may_be_on_the_way_is_asked_for_again_when_that_request_must_be_over() {
    let mut schedule = restored(on_the_way());
    prepare(&mut schedule, at(10));
    assert!(schedule.poll_job(at(10)).is_none(), "one request at a time for one call");
    assert_eq!(schedule.poll_timeout(), Some(at(11).mono));
    prepare(&mut schedule, at(11));
    assert!(matches!(schedule.poll_job(at(11)), Some(Job::Announce { ticket, .. }) if ticket == on_the_way()));
}

#[test]
fn a_call_whose_card_may_be_on_the_way_is_finished_after_it() {
    let mut schedule = restored(on_the_way());
    let ticket = schedule.finished(&CallId::try_from("o-1").unwrap());
    assert!(ticket.in_doubt, "the next process has to wait as well");
    schedule.appended(Some(Seq(7)), Arc::new(record("o-1", at(3), &[])), ticket);
    assert!(schedule.poll_job(at(10)).is_none(), "a register that comes after the finish opens the call anew");
    assert!(matches!(schedule.poll_job(at(11)), Some(Job::Deliver { .. })));
}

#[test]
fn a_card_that_the_crm_knows_goes_on_at_once() {
    let mut schedule = restored(registered());
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { ticket, .. }) if ticket == registered()));
}

#[test]
fn a_card_that_was_not_sent_goes_when_the_next_process_has_mirrored_it() {
    let mut schedule = restored(frozen());
    assert!(schedule.poll_job(at(1)).is_none(), "the mirror says that it was not sent");
    assert_eq!(schedule.known_cards().count(), 1);
    prepare(&mut schedule, at(1));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { ticket, .. }) if ticket == frozen()));
}

#[test]
fn a_card_without_a_user_was_not_asked_for_and_goes_at_once() {
    let mut schedule = restored(Ticket::default());
    prepare(&mut schedule, at(1));
    assert!(matches!(schedule.poll_job(at(1)), Some(Job::Announce { ticket, .. }) if ticket == frozen()));
}

#[test]
fn a_user_who_is_known_only_now_is_mirrored_before_the_crm_is_asked() {
    let read: fn(&mut Schedule) = |schedule| schedule.cards().users_changed(at(2).mono);
    let rung: fn(&mut Schedule) = |schedule| assert!(schedule.live(live("o-1", &["700", "101"]), at(2).mono));
    for news in [read, rung] {
        let mut schedule = schedule();
        schedule.live(live("o-1", &["700"]), at(1).mono);
        schedule.cards().prepare_next(at(1).mono).unwrap();
        schedule.cards().release();
        news(&mut schedule);
        assert!(schedule.poll_job(at(3)).is_none(), "nothing is frozen yet");
        prepare(&mut schedule, at(3));
        assert!(matches!(schedule.poll_job(at(3)), Some(Job::Announce { ticket, .. }) if ticket == frozen()));
    }
}
