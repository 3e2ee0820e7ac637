//! Finished calls: what the portal holds of each.

use super::office::{DEFAULT_USER, Office, Work, ago, answered, ext, missed};
use portal::PortalConfig;
use ringpost::call::record::{DialStatus, Direction, Disposition, Rang, Talk};
use ringpost::crm::{Freshness, Outcome, Port};
use ringpost::text::bounded;

#[test]
fn a_missed_call_is_one_missed_call() {
    let office = Office::open();
    assert_eq!(office.deliver(&mut Work::new(missed("office-1.1"))), [Outcome::Done]);
    let call = office.only_call();
    assert_eq!((call.user, call.duration, call.status_code.as_str()), (11, 0, "304"));
    assert!(office.portal.cards().is_empty(), "the call is over");
}

#[test]
fn outbound_calls_say_how_they_went() {
    for (disposition, dial, cause, code) in [
        (Disposition::Answered, DialStatus::Answer, 16, "200"),
        (Disposition::Busy, DialStatus::Busy, 17, "486"),
        (Disposition::Missed, DialStatus::NoAnswer, 19, "480"),
        (Disposition::Failed, DialStatus::ChanUnavail, 21, "603"),
        (Disposition::Cancelled, DialStatus::Cancel, 16, "603-S"),
    ] {
        let office = Office::open();
        let mut call = answered("office-1.1", "101", 7_000);
        (call.direction, call.caller) = (Direction::Outbound, ext("101"));
        (call.disposition, call.dial_status, call.cause) = (disposition, dial, cause);
        if disposition != Disposition::Answered {
            (call.talk_ms, call.talked_last, call.answered_by) = (0, None, None);
            (call.talks, call.rang) = (heapless::Vec::new(), heapless::Vec::new());
        }
        office.deliver(&mut Work::new(call));
        let row = office.only_call();
        let secs = if code == "200" { 7 } else { 0 };
        assert_eq!((row.registered.kind, row.user, row.duration, row.status_code.as_str()), (1, 11, secs, code));
    }
}

#[test]
fn internal_calls_are_not_wanted() {
    let office = Office::open();
    let mut call = missed("office-1.1");
    assert!(office.bitrix.wants(&call));
    call.direction = Direction::Internal;
    assert!(!office.bitrix.wants(&call));
}

#[test]
fn unknown_extensions_and_people_who_left_fall_to_the_default_user() {
    let office = Office::with(PortalConfig::default(), |settings| {
        settings.users.insert(ext("110"), 20);
        settings.users.insert(ext("111"), 999);
    });
    for (id, extension) in [("office-1.1", "700"), ("office-1.2", "110"), ("office-1.3", "111")] {
        office.deliver(&mut Work::new(answered(id, extension, 3_000)));
    }
    let calls = office.portal.calls();
    let users: Vec<u64> = calls.iter().map(|call| call.user).collect();
    assert_eq!(users, [u64::from(DEFAULT_USER); 3]);
    assert!(office.bitrix.wants_refresh());
    assert!(calls.get(1).is_some_and(|call| call.failed_reason.contains("user 20 is not active")), "{calls:?}");
}

#[test]
fn who_leaves_between_register_and_finish_is_replaced() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "102", 3_000));
    assert_eq!(office.announce(&mut work, &["102"], None), Outcome::Done);
    office.portal.set_user(portal::User { active: false, ..portal::User::new(12, "102") });
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    let call = office.only_call();
    assert_eq!((call.registered.user, call.user), (12, 1));
    assert!(call.failed_reason.contains("user 12 is not active"));
}

#[test]
fn anonymous_callers_get_the_placeholder() {
    for (number, sent) in [("", "000"), ("anonymous", "000"), ("sip:unknown@unknown", "000"), ("0", "000")] {
        let office = Office::open();
        let mut call = missed("office-1.1");
        call.client = bounded(number.as_bytes());
        assert_eq!(office.deliver(&mut Work::new(call)), [Outcome::Done]);
        assert_eq!(office.only_call().registered.phone, sent, "{number}");
    }
}

#[test]
fn two_calls_of_one_client_at_one_time_stay_two() {
    let office = Office::open();
    let (mut one, mut two) = (Work::new(missed("office-1.1")), Work::new(missed("office-1.2")));
    two.call.line = bounded(b"74951112244");
    for work in [&mut one, &mut two] {
        assert_eq!(office.announce(work, &["101"], None), Outcome::Done);
    }
    assert_eq!(office.portal.live_calls().len(), 2);
    office.deliver(&mut two);
    office.deliver(&mut one);
    let calls = office.portal.calls();
    let ids: Vec<_> = calls.iter().filter_map(|call| call.external_call_id()).collect();
    assert_eq!(ids, ["office-1.2", "office-1.1"]);
}

#[test]
fn a_call_of_the_backlog_has_its_true_date_and_disturbs_nobody() {
    let office = Office::open();
    let mut call = answered("office-1.1", "101", 61_000);
    (call.started, call.ended) = (ago(7_200), ago(7_100));
    let started = call.started.wall.as_millis() / 1000;
    office.deliver_as(&mut Work::new(call), Freshness::Replayed);
    let row = office.only_call();
    assert_eq!(row.registered.started.unix_timestamp(), started);
    assert!(!row.in_chat);
    assert!(office.portal.cards().is_empty());
    assert_eq!(office.sent("telephony.externalcall.register", "SHOW"), ["0"]);
}

#[test]
fn long_and_hostile_texts_reach_the_portal_cut_and_clean() {
    let office = Office::open();
    let mut call = answered("office-$result[r1]-1.1", "101", 3_000);
    call.client = bounded(b"+1234567890123456789012345678901");
    call.line = bounded("\u{1f600}$result[r1][CALL_ID] \u{442}\u{440}\u{430}\u{43d}\u{43a}\r\n".as_bytes());
    call.rang = (0..16).map(|_| Rang { extension: bounded(&[b'9'; 24]), ring_ms: 1 }).collect();
    call.talks = (0..8).map(|_| Talk { extension: bounded(&[b'9'; 24]), talk_ms: 1 }).collect();
    assert_eq!(office.deliver(&mut Work::new(call)), [Outcome::Done]);
    let row = office.only_call();
    assert_eq!(row.registered.phone.len(), 20);
    assert_eq!(row.registered.line, "resultr1CALL_ID \u{442}\u{440}\u{430}\u{43d}\u{43a}");
    assert_eq!(row.failed_reason.chars().count(), 255);
    assert_eq!(row.external_call_id(), Some("office-_result_r1_-1.1"));
    assert_eq!(office.portal.activities().len(), 0, "no client of that number, and none was created");
}

#[test]
fn an_answered_call_is_never_counted_as_failed() {
    let office = Office::open();
    office.deliver(&mut Work::new(answered("office-1.1", "101", 300)));
    let call = office.only_call();
    assert_eq!((call.duration, call.status_code.as_str()), (1, "200"));
}
