//! Kills of the process, a journal that sleeps, a mirror that fails: one call, once, with its talk time.

use super::lane::{Done, Mood};
use super::world::{Office, talk_secs};
use crate::call::record::Disposition;
use crate::limits::{AFTER_CRASH, CALLS_IN_HAND, FRESH_CALL};
use core::time::Duration;

#[test]
fn a_call_gets_a_card_while_it_rings_and_is_posted_once() {
    let mut office = Office::new();
    office.ring("1.1");
    assert_eq!(office.portals[0].done, [Done::Announced { id: "office-1.1".into(), ringing: 1 }]);
    office.answer_call("1.1");
    office.secs(30);
    office.hang_up("1.1");
    office.secs(600);
    let call = office.the_call();
    assert_eq!((talk_secs(&call), call.disposition, call.gaps.is_exact()), (30, Disposition::Answered, true));
    office.kill();
    office.secs(600);
    office.the_call();
}

#[test]
fn a_kill_at_any_moment_of_a_call_leaves_one_call_with_its_talk_time() {
    // The moment of the kill, and whether the request that was under way was executed.
    for moment in 0..6 {
        for executed in [false, true] {
            let mut office = Office::new();
            office.secs(1);
            let kill = |office: &mut Office, at: u8| {
                if at == moment {
                    if executed {
                        office.execute_unheard();
                    }
                    office.kill();
                    office.portal().mood = Mood::Well;
                    office.list_in_state((at < 3).then_some("1.1"), if at < 2 { 5 } else { 6 });
                }
            };
            office.portal().mood = if moment == 1 || moment >= 4 { Mood::Slow } else { Mood::Well };
            office.ring("1.1");
            kill(&mut office, 0);
            kill(&mut office, 1);
            office.secs(2);
            office.answer_call("1.1");
            office.secs(10);
            kill(&mut office, 2);
            office.secs(10);
            office.journal_sleeps = moment == 3;
            office.hang_up("1.1");
            kill(&mut office, 3);
            office.journal_sleeps = false;
            kill(&mut office, 4);
            office.wait(Duration::from_millis(50));
            kill(&mut office, 5);
            office.secs(600);
            let call = office.the_call();
            assert!((19..=21).contains(&talk_secs(&call)), "{} s at {moment}", talk_secs(&call));
            assert_eq!(call.answered_by.as_deref(), Some("101"));
        }
    }
}

#[test]
fn a_register_that_comes_after_its_process_was_killed_leaves_no_call_open() {
    // Whether the next process is killed as well, while it rings or when it is over.
    for (again_while_it_rings, again_when_it_is_over) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut office = Office::new();
        office.secs(1);
        office.portal().mood = Mood::Slow;
        office.ring("1.1");
        office.keep_unheard();
        office.portal().mood = Mood::Well;
        for _ in 0..=u8::from(again_while_it_rings) {
            office.kill();
            office.list_in_state(Some("1.1"), 5);
            office.secs(1);
        }
        office.hang_up("1.1");
        office.secs(1);
        if again_when_it_is_over {
            office.kill();
            office.list(None);
        }
        office.secs(2);
        assert!(office.posted().is_empty(), "finished before what was asked first must be over");
        office.execute_late();
        office.secs(600);
        office.the_call();
        assert!(office.portal().open.is_empty(), "{:#?}", office.portals[0].done);
    }
}

#[test]
fn a_card_that_was_not_sent_before_an_orderly_end_goes_at_once() {
    for is_orderly in [true, false] {
        let mut office = Office::new();
        office.secs(1);
        office.portal().mood = Mood::Down;
        office.ring("1.1");
        office.portal().mood = Mood::Well;
        assert!(!is_orderly || office.hub.close(office.now));
        office.kill();
        office.desk.0.borrow_mut().mirror_waits = true;
        office.list_in_state(Some("1.1"), 5);
        office.secs(1);
        assert_eq!(office.portal().announced(), 0, "the mirror does not say that it goes");
        office.desk.0.borrow_mut().mirror_waits = false;
        office.desk.0.borrow_mut().write_mirror();
        office.secs(1);
        assert_eq!(office.portal().announced(), usize::from(is_orderly));
        office.secs(AFTER_CRASH.as_secs());
        assert_eq!(office.portal().announced(), 1);
        office.hang_up("1.1");
        office.secs(600);
        office.the_call();
    }
}

#[test]
fn a_call_whose_end_the_mirror_does_not_know_is_known_to_the_journal() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(10);
    office.desk.0.borrow_mut().mirror_waits = true;
    office.hang_up("1.1");
    office.secs(5);
    assert_eq!(office.posted().len(), 1);
    office.kill();
    office.list(None);
    office.secs(600);
    office.the_call();
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 1);
}

#[test]
fn nothing_is_announced_before_the_mirror_has_its_ticket() {
    let mut office = Office::new();
    office.secs(1);
    office.desk.0.borrow_mut().mirror_waits = true;
    office.ring("1.1");
    assert_eq!(office.portal().announced(), 0, "a kill now would lose the ticket");
    {
        let mut outside = office.desk.0.borrow_mut();
        outside.mirror_waits = false;
        outside.write_mirror();
    }
    office.turn();
    assert_eq!(office.portal().announced(), 1);
}

#[test]
fn a_mirror_that_cannot_be_written_costs_no_card_and_is_tried_again() {
    let mut office = Office::new();
    office.secs(1);
    office.desk.0.borrow_mut().mirror_fails = true;
    office.ring("1.1");
    assert_eq!(office.portal().announced(), 1);
    assert!(!office.hub.is_mirrored());
    office.answer_call("1.1");
    office.secs(5);
    office.desk.0.borrow_mut().mirror_fails = false;
    office.secs(3);
    assert!(office.hub.is_mirrored());
    office.kill();
    office.list(Some("1.1"));
    office.secs(5);
    office.hang_up("1.1");
    office.secs(60);
    let call = office.the_call();
    assert!((11..=14).contains(&talk_secs(&call)), "{}", talk_secs(&call));
}

#[test]
fn an_old_failed_state_is_written_again_though_nothing_changes() {
    let mut office = Office::new();
    office.portal().mood = Mood::Down;
    office.desk.0.borrow_mut().mirror_fails = true;
    office.ring = None;
    office.call("1.1", 5);
    office.secs(10);
    office.desk.0.borrow_mut().mirror_fails = false;
    office.secs(5);
    assert!(!office.desk.0.borrow().mirror.is_empty(), "the call is in memory alone");
}

#[test]
fn a_journal_that_sleeps_holds_up_neither_cards_nor_the_next_calls_and_loses_nothing() {
    let mut office = Office::new();
    office.secs(1);
    office.journal_sleeps = true;
    office.call("1.1", 5);
    office.secs(60);
    assert!(office.posted().is_empty(), "not before it is safe");
    office.ring("2.1");
    // It rings, is answered, the next one rings.
    assert_eq!(office.portal().announced(), 3, "{:?}", office.portals[0].done);
    office.kill();
    office.journal_sleeps = false;
    office.list(None);
    office.secs(600);
    let mut ids: Vec<String> = office.posted().iter().map(|call| call.id.to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["office-1.1", "office-2.1"]);
}

#[test]
fn a_backlog_larger_than_the_hand_is_delivered_whole_once_and_in_order() {
    let mut office = Office::new();
    office.portal().mood = Mood::Down;
    let calls = 5 * CALLS_IN_HAND;
    for call in 0..calls {
        office.call(&format!("{}.1", 1000 + call), 2);
        office.secs(2);
    }
    assert!(office.posted().is_empty());
    office.kill();
    office.wait(FRESH_CALL + Duration::from_secs(60)); // calls of this moment go before older ones
    office.portal().mood = Mood::Well;
    office.secs(3600);
    let ids: Vec<String> = office.posted().iter().map(|call| call.id.to_string()).collect();
    let expected: Vec<String> = (0..calls).map(|call| format!("office-{}.1", 1000 + call)).collect();
    assert_eq!(ids, expected);
    assert!(office.ring.as_ref().unwrap().stats().undelivered.iter().all(|left| *left == 0));
}

#[test]
fn the_card_of_a_call_that_lives_goes_on_after_a_kill_and_with_the_same_ticket() {
    let mut office = Office::new();
    office.ring("1.1");
    office.kill();
    office.list(Some("1.1"));
    office.secs(30);
    office.hang_up("1.1");
    office.secs(60);
    office.the_call();
    assert!(office.hub.seats[0].schedule.cards().is_empty());
}
