//! What `doctor` finds out, and that it changes nothing.

use super::office::{Office, SECRET, Work, missed};
use portal::PortalConfig;
use ringpost::call::record::CallRecord;
use ringpost::crm::bitrix24::{Check, Verdict};

fn examine(change: impl FnOnce(&mut PortalConfig)) -> (Office, Vec<Check>) {
    let office = Office::open();
    office.portal.reconfigure(change);
    let checks = office.bitrix.doctor();
    for check in &checks {
        assert!(!check.text.contains(SECRET), "{}", check.text);
    }
    (office, checks)
}

fn verdict(checks: &[Check], name: &str) -> Verdict {
    checks.iter().find(|check| check.name == name).map_or_else(|| panic!("{name} in {checks:?}"), |check| check.verdict)
}

#[test]
fn a_healthy_portal_is_good_throughout_and_untouched() {
    let (office, checks) = examine(|_| ());
    assert!(checks.iter().all(|check| check.verdict == Verdict::Good), "{checks:?}");
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["portal", "webhook", "scopes", "telephony", "lines", "statistics", "identity", "users"]);
    assert!(office.portal.calls().is_empty() && office.portal.live_calls().is_empty());
}

#[test]
fn each_fault_has_its_own_line_and_remedy() {
    let (_, checks) = examine(|portal| portal.statistics_allowed = false);
    assert_eq!(verdict(&checks, "statistics"), Verdict::Bad);
    let (_, checks) = examine(|portal| portal.webhook_may_register = false);
    assert_eq!(verdict(&checks, "lines"), Verdict::Bad);
    let (_, checks) = examine(|portal| portal.scopes.retain(|scope| scope != "user"));
    assert_eq!(verdict(&checks, "scopes"), Verdict::Warning);
    assert_eq!(verdict(&checks, "users"), Verdict::Warning);
    let (_, checks) = examine(|portal| portal.scopes.retain(|scope| scope != "telephony"));
    assert_eq!(verdict(&checks, "scopes"), Verdict::Bad);
    let (_, checks) = examine(|portal| portal.clock_ahead = 600);
    assert_eq!(verdict(&checks, "portal"), Verdict::Warning);
    let (_, checks) = examine(|portal| portal.webhook_secret = "another".to_owned());
    assert_eq!(verdict(&checks, "webhook"), Verdict::Bad);
    assert_eq!(checks.len(), 1, "the rest means nothing: {checks:?}");
}

#[test]
fn a_portal_that_cannot_find_calls_again_is_told_and_no_call_is_made_to_find_out() {
    let office = Office::open();
    let text = |office: &Office| {
        let checks = office.bitrix.doctor();
        let check = checks.into_iter().find(|check| check.name == "identity").expect("a line");
        (check.verdict, check.text)
    };
    assert!(text(&office).1.contains("shows no calls yet"));
    office.deliver(&mut Work::new(missed("office-1.1")));
    assert_eq!(text(&office), (Verdict::Good, "calls are found by EXTERNAL_CALL_ID".to_owned()));
    office.portal.reconfigure(|portal| portal.knows_external_ids = false);
    assert_eq!(text(&office).0, Verdict::Bad);
    assert_eq!((office.portal.calls().len(), office.portal.live_calls().len()), (1, 0));
}

#[test]
fn statistics_that_show_the_owners_calls_only_are_told() {
    let office = Office::open();
    let line = |office: &Office| {
        let checks = office.bitrix.doctor();
        let check = checks.into_iter().find(|check| check.name == "statistics").expect("a line");
        (check.verdict, check.text)
    };
    let (_, empty) = line(&office);
    assert!(empty.contains("all employees"), "nothing is proven yet: {empty}");
    office.deliver(&mut Work::new(missed("office-1.1")));
    let (verdict, all) = line(&office);
    assert!(verdict == Verdict::Good && all.contains("other employees"), "{all}");
    // A call that rang at nobody is the default user's, who is the webhook's owner here.
    office.deliver(&mut Work::new(CallRecord { rang: heapless::Vec::new(), ..missed("office-1.2") }));
    office.portal.reconfigure(|portal| portal.statistics_of = Some(vec![1]));
    let (verdict, own) = line(&office);
    assert!(verdict == Verdict::Warning && own.contains("all employees"), "{own}");
}

#[test]
fn a_portal_that_is_away_is_one_line() {
    let office = Office::open();
    office.portal.go_down();
    let checks = office.bitrix.doctor();
    assert_eq!((checks.len(), verdict(&checks, "portal")), (1, Verdict::Bad));
}
