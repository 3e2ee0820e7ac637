//! Cards of live calls: who sees one, until when, and what it costs.

use super::office::{Office, Work, answered, ext, live, missed};
use portal::{Fault, HiddenBy, PortalConfig};
use ringpost::call::record::Direction;
use ringpost::config::{Create, ShowCard};
use ringpost::crm::{Outcome, Port, Shown, Ticket};

/// Users who have the card open, sorted.
fn open_cards(office: &Office) -> Vec<u64> {
    let mut users: Vec<u64> =
        office.portal.cards().iter().filter(|card| card.hidden.is_none()).map(|card| card.user).collect();
    users.sort_unstable();
    users
}

#[test]
fn one_ring_is_one_request_and_one_call() {
    let office = Office::open();
    let before = office.portal.requests().len();
    let mut work = Work::new(answered("office-1.1", "101", 95_200));
    assert_eq!(office.announce(&mut work, &["101"], None), Outcome::Done);
    assert_eq!(office.portal.requests().len() - before, 1);
    assert_eq!(open_cards(&office), [11]);
    assert_eq!(office.announce(&mut work, &["101"], None), Outcome::Done);
    assert_eq!(office.announce(&mut work, &[], Some("101")), Outcome::Done);
    assert_eq!(office.portal.requests().len() - before, 1, "nothing changed for anybody");

    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    assert_eq!(office.portal.requests().len() - before, 2);
    let call = office.only_call();
    assert_eq!(call.external_call_id(), Some("office-1.1"));
    assert_eq!((call.user, call.duration, call.status_code.as_str()), (11, 95, "200"));
    assert_eq!((call.registered.user, call.registered.kind), (11, 2));
    assert_eq!((call.registered.phone.as_str(), call.registered.line.as_str()), ("+79160000001", "74951112233"));
    assert!(call.in_chat);
    assert!(open_cards(&office).is_empty());
}

#[test]
fn a_ring_group_sees_the_card_and_loses_it_when_one_answers() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "104", 20_000));
    let before = office.portal.requests().len();
    assert_eq!(office.announce(&mut work, &["101", "102", "104"], None), Outcome::Done);
    assert_eq!(office.portal.requests().len() - before, 2);
    assert_eq!(open_cards(&office), [11, 12, 14]);
    assert_eq!(office.announce(&mut work, &[], Some("104")), Outcome::Done);
    assert_eq!(office.portal.requests().len() - before, 3, "one hide for both");
    assert_eq!(open_cards(&office), [14]);

    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    assert!(open_cards(&office).is_empty());
    let call = office.only_call();
    assert_eq!((call.registered.user, call.user), (11, 14));
    let by_finish = office.portal.cards().iter().filter(|card| card.hidden_by == Some(HiddenBy::Finish)).count();
    assert_eq!(by_finish, 1);
}

#[test]
fn a_group_that_nobody_answers_keeps_no_card() {
    let office = Office::open();
    let mut work = Work::new(missed("office-1.1"));
    office.announce(&mut work, &["101", "102", "104"], None);
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    assert!(open_cards(&office).is_empty());
    assert_eq!(office.only_call().status_code, "304");
}

#[test]
fn extensions_without_a_user_get_no_card_and_cost_nothing() {
    let office = Office::open();
    let before = office.portal.requests().len();
    let mut work = Work::new(missed("office-1.1"));
    assert_eq!(office.announce(&mut work, &["700"], None), Outcome::Done);
    assert_eq!(office.portal.requests().len(), before);
    assert_eq!(work.ticket, Ticket::default());
    let with_a_user = live(&work.call, &["700", "103"], None);
    assert_eq!(office.bitrix.announce(&with_a_user, &mut work.ticket, &mut work.shown), Outcome::Done);
    assert_eq!(office.portal.requests().len(), before, "not before the user is frozen");
    assert_eq!(office.announce(&mut work, &["700", "103"], None), Outcome::Done);
    assert_eq!(open_cards(&office), [13]);
}

#[test]
fn the_caller_sees_whom_he_calls() {
    let office = Office::open();
    let mut work = Work::new(missed("office-1.1"));
    work.call.direction = Direction::Outbound;
    work.call.caller = ext("101");
    assert_eq!(office.announce(&mut work, &[], None), Outcome::Done);
    assert_eq!(open_cards(&office), [11]);
    assert_eq!(office.portal.live_calls().first().map(|call| call.kind), Some(1));
}

#[test]
fn cards_on_answer_and_never() {
    let office = Office::with(PortalConfig::default(), |settings| settings.show_card = ShowCard::OnAnswer);
    let mut work = Work::new(answered("office-1.1", "102", 5_000));
    assert_eq!(office.announce(&mut work, &["101", "102"], None), Outcome::Done);
    assert!(office.portal.live_calls().is_empty());
    assert_eq!(office.announce(&mut work, &[], Some("102")), Outcome::Done);
    assert_eq!(open_cards(&office), [12]);

    let office = Office::with(PortalConfig::default(), |settings| settings.show_card = ShowCard::Never);
    let mut work = Work::new(answered("office-1.1", "102", 5_000));
    assert_eq!(office.announce(&mut work, &["101"], None), Outcome::Done);
    assert_eq!(office.announce(&mut work, &[], Some("102")), Outcome::Done);
    office.deliver(&mut work);
    assert!(office.portal.cards().is_empty());
    assert_eq!(office.only_call().user, 12);
}

#[test]
fn a_card_whose_answer_was_lost_makes_no_second_call() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.portal.fault(Fault::lost_answer().on("telephony.externalcall.register"));
    assert!(matches!(office.announce(&mut work, &["101"], None), Outcome::InDoubt { .. }));
    assert!(work.ticket.in_doubt);
    assert_eq!(office.announce(&mut work, &["101"], None), Outcome::Done);
    assert!(!work.ticket.in_doubt);
    assert_eq!(office.portal.live_calls().len(), 1);
    office.deliver(&mut work);
    office.only_call();
    assert!(office.portal.live_calls().is_empty());
}

#[test]
fn a_call_whose_card_was_in_doubt_to_the_end_is_finished_once() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.portal.fault(Fault::lost_answer().on("telephony.externalcall.register"));
    office.announce(&mut work, &["101"], None);
    office.deliver(&mut work);
    assert_eq!(office.only_call().registered.registrations, 2, "the second register got the first one's call");
    assert!(office.portal.live_calls().is_empty());
}

#[test]
fn a_card_pushed_in_vain_is_tried_again() {
    let office = Office::open();
    let mut work = Work::new(missed("office-1.1"));
    office.portal.fault(Fault::lost_request().on("telephony.externalcall.show"));
    assert!(matches!(office.announce(&mut work, &["101", "102"], None), Outcome::Retry { .. }));
    assert_eq!(open_cards(&office), [11]);
    assert_eq!(office.announce(&mut work, &["101", "102"], None), Outcome::Done);
    assert_eq!(open_cards(&office), [11, 12]);
}

#[test]
fn an_employee_who_left_gets_no_card_and_his_call_is_posted() {
    let office = Office::with(PortalConfig::default(), |settings| {
        settings.users.insert(ext("110"), 20);
    });
    let mut work = Work::new(missed("office-1.1"));
    assert!(matches!(office.announce(&mut work, &["110"], None), Outcome::Retry { .. }));
    assert!(office.bitrix.wants_refresh());
    assert_eq!(work.shown, Shown::default());
    office.deliver(&mut work);
    assert_eq!(office.only_call().user, 1);
}

#[test]
fn leads_are_created_by_setting_and_direction() {
    for (create, direction, created) in [
        (Create::Never, Direction::Inbound, false),
        (Create::Always, Direction::Inbound, true),
        (Create::Always, Direction::Outbound, true),
        (Create::Inbound, Direction::Inbound, true),
        (Create::Inbound, Direction::Outbound, false),
        (Create::Outbound, Direction::Inbound, false),
        (Create::Outbound, Direction::Outbound, true),
    ] {
        let office = Office::with(PortalConfig::default(), |settings| settings.create = create);
        let mut work = Work::new(missed("office-1.1"));
        work.call.direction = direction;
        work.call.caller = ext("101");
        office.announce(&mut work, &["101"], None);
        office.deliver(&mut work);
        assert_eq!(!office.only_call().registered.created.is_empty(), created, "{create:?} {direction:?}");
    }
}
