//! The map of extensions: all pages of it, refreshed, and kept when a refresh fails.

use super::office::{Office, Work, ext, missed};
use portal::{Fault, PortalConfig, User};
use ringpost::crm::{Outcome, Port};

#[test]
fn all_pages_are_read() {
    let mut users = User::office();
    users.extend((0..180).map(|number| User::new(1000 + number, &format!("{}", 2000 + number))));
    let office = Office::with(PortalConfig { users, ..PortalConfig::default() }, |_| ());
    assert_eq!(office.portal.requests_of("user.get").len(), 4);
    for number in 0..180_u32 {
        assert_eq!(office.bitrix.user_of(&ext(&format!("{}", 2000 + number))), Some(1000 + number));
    }
    assert_eq!(office.bitrix.user_of(&ext("101")), Some(11));
    assert_eq!(office.bitrix.user_of(&ext("110")), None, "dismissed");
    assert_eq!(office.bitrix.user_of(&ext("")), None, "the administrator has no extension");
}

#[test]
fn a_refresh_that_fails_changes_nothing() {
    let office = Office::open();
    for fault in [Fault::html(502, true), Fault::lost_answer(), Fault::invalid_json(), Fault::huge(100_000_000)] {
        office.portal.fault(fault.on("user.get"));
        let outcome = office.bitrix.refresh();
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
        assert_eq!(office.bitrix.user_of(&ext("101")), Some(11));
    }
    office.portal.set_user(User::new(50, "150"));
    assert_eq!(office.bitrix.refresh(), Outcome::Done);
    assert_eq!(office.bitrix.user_of(&ext("150")), Some(50));
}

#[test]
fn a_call_does_not_go_to_the_default_user_before_the_portal_was_asked() {
    let mut office = Office::open();
    office.forget();
    office.portal.fault(Fault::lost_request().on("user.get"));
    let outcomes = office.deliver(&mut Work::new(missed("office-1.1")));
    assert!(matches!(outcomes.as_slice(), [Outcome::Retry { .. }, Outcome::Done]), "{outcomes:?}");
    assert_eq!(office.only_call().user, 11);
    assert_eq!(office.portal.requests_of("telephony.externalcall.register").len(), 1);
}

#[test]
fn without_the_right_to_list_users_calls_are_posted_all_the_same() {
    let office = Office::with(PortalConfig::default(), |settings| {
        settings.users.insert(ext("50001"), 17);
    });
    office.portal.reconfigure(|portal| portal.scopes.retain(|scope| !scope.starts_with("user")));
    assert!(matches!(office.bitrix.refresh(), Outcome::Refused { why } if why.contains("scope user")));
    let mut call = missed("office-1.1");
    call.rang.clear();
    let _ = call.rang.push(ringpost::call::record::Rang { extension: ext("50001"), ring_ms: 1 });
    office.deliver(&mut Work::new(call));
    assert_eq!(office.only_call().user, 17);
}

#[test]
fn a_portal_that_refuses_its_users_in_any_words_gets_the_calls() {
    let mut office = Office::open();
    office.forget();
    office.portal.fault(Fault::error(400, "ERROR_CORE", "Something is wrong with users").on("user.get").times(9));
    let outcomes = office.deliver(&mut Work::new(missed("office-1.1")));
    assert_eq!(outcomes, [Outcome::Done]);
    assert_eq!(office.only_call().user, u64::from(super::office::DEFAULT_USER));
}

#[test]
fn users_that_are_barred_are_waited_for_but_not_for_ever() {
    let mut office = Office::open();
    office.forget();
    office.portal.fault(Fault::error(403, "SERVICE_BLOCKED", "").on("user.get").times(9));
    let mut work = Work::new(missed("office-1.1"));
    let mut outcomes = Vec::new();
    while outcomes.last() != Some(&Outcome::Done) {
        outcomes.push(office.attempt(&mut work, ringpost::crm::Freshness::Fresh));
    }
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Suspend { .. }, Outcome::Suspend { .. }, Outcome::Done]),
        "{outcomes:?}"
    );
    assert!(office.bitrix.wants_refresh(), "it may pass");
}

#[test]
fn a_user_who_left_is_asked_about_once_even_where_users_may_not_be_listed() {
    let office = Office::with(PortalConfig::default(), |settings| {
        settings.users.insert(ext("101"), 20);
    });
    office.portal.reconfigure(|portal| portal.scopes.retain(|scope| !scope.starts_with("user")));
    office.deliver(&mut Work::new(missed("office-1.1")));
    assert!(office.bitrix.wants_refresh());
    assert!(matches!(office.bitrix.refresh(), Outcome::Refused { .. }));
    assert!(!office.bitrix.wants_refresh(), "another refusal would teach nothing");
}
