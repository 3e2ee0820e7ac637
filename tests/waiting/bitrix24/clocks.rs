//! Wrong clocks on our side: whatever they said, the portal holds the true start of a call.

use crate::bitrix24::office::{Office, Work, ago, missed};
use portal::PortalConfig;
use ringpost::clock::{Stamp, Wall};
use ringpost::crm::{Freshness, Outcome, Port};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// `stamp` by a clock that is wrong by so many seconds.
fn wrong(stamp: Stamp, secs: i64) -> Stamp {
    Stamp { wall: Wall::from_millis(stamp.wall.as_millis() + secs * 1000), ..stamp }
}

/// Delivers a call that began a minute ago at `began` as our clocks say, at `now` as they say.
fn deliver(office: &Office, began: Stamp, now: Stamp) -> Outcome {
    let mut work = Work::new(missed("office-1.1"));
    work.call.started = began;
    office.bitrix.deliver(&work.call, &mut work.ticket, &mut work.shown, Freshness::Fresh, false, now)
}

/// How long before now the one call of the portal began, in seconds.
fn age(office: &Office) -> i64 {
    ago(0).wall.as_millis() / 1000 - office.only_call().registered.started.unix_timestamp()
}

#[test]
fn the_portal_s_own_clock_dates_a_call_while_ours_is_wrong() {
    let epoch = -(ago(0).wall.as_millis() / 1000) + 120;
    for error in [epoch, -YEAR / 2, -HOUR, HOUR, 20 * YEAR] {
        let office = Office::open();
        assert_eq!(deliver(&office, wrong(ago(60), error), wrong(ago(0), error)), Outcome::Done);
        assert!((58..=63).contains(&age(&office)), "{} s with a clock that is wrong by {error} s", age(&office));
    }
}

#[test]
fn a_clock_that_was_set_in_mid_call_gives_the_true_start() {
    for error in [-YEAR / 2, -HOUR, HOUR, 20 * YEAR] {
        let office = Office::open();
        assert_eq!(deliver(&office, wrong(ago(60), error), ago(0)), Outcome::Done);
        assert!((58..=63).contains(&age(&office)), "{} s with a clock that was wrong by {error} s", age(&office));
    }
}

#[test]
fn a_small_difference_is_ours_to_decide_and_a_large_one_is_told() {
    let with_clock = |ahead| Office::with(PortalConfig { clock_ahead: ahead, ..PortalConfig::default() }, |_| ());
    let office = with_clock(200);
    assert_eq!(deliver(&office, ago(60), ago(0)), Outcome::Done);
    assert!((58..=63).contains(&age(&office)), "{}", age(&office));
    assert_eq!(office.bitrix.notice(), None);
    let notice = with_clock(2 * HOUR).bitrix.notice().expect("a notice");
    assert!(notice.contains("this machine's") && notice.contains("NTP"), "{notice}");
}

#[test]
fn a_call_of_another_boot_keeps_the_date_that_the_journal_has() {
    let office = Office::open();
    let began = Stamp { mono: Default::default(), wall: ago(5000).wall };
    assert_eq!(deliver(&office, began, ago(0)), Outcome::Done);
    assert!((4998..=5003).contains(&age(&office)), "{}", age(&office));
}
