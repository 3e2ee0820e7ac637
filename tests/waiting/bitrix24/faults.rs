//! Every way a portal can misbehave: in the end there is exactly one finished call.

use super::office::{Office, SECRET, Work, answered, missed};
use crate::backlog::REGISTER;
use portal::{Certificate, Fault, OperatingLimit, PortalConfig, RateLimit, Wording};
use ringpost::config::Create;
use ringpost::crm::http::{Allowance, Http, HttpFault};
use ringpost::crm::{Freshness, Outcome};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const FINISH: &str = "telephony.externalcall.finish";
const STATISTICS: &str = "voximplant.statistic.get";

/// Delivers one call through `fault` at `method`, before a portal of this wording.
fn survives_as(wording: Wording, name: &str, method: &str, fault: &Fault) {
    let portal = PortalConfig { wording, ..PortalConfig::default() };
    let office = Office::impatient(portal, |settings| settings.create = Create::Always);
    office.portal.fault(fault.clone().on(method));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    let outcomes = office.deliver(&mut work);
    assert_eq!(office.portal.faults_left(), 0, "{name} at {method} never happened");
    assert_eq!(office.portal.calls().len(), 1, "{name} at {method}: {outcomes:?}");
    assert_eq!(office.portal.activities().len(), 1, "{name} at {method}: {outcomes:?}");
    assert_eq!(office.only_call().call_id(), work.ticket.call, "{name} at {method}: the ticket is right");
}

fn survives(name: &str, method: &str, fault: &Fault) {
    survives_as(Wording::Server, name, method, fault);
}

fn survives_everywhere(name: &str, fault: &Fault) {
    for method in [REGISTER, FINISH] {
        survives(name, method, fault);
        survives_as(Wording::Documentation, name, method, fault);
    }
}

#[test]
fn lost_answers_and_requests() {
    survives_everywhere("answer lost", &Fault::lost_answer());
    survives("answer lost twice", REGISTER, &Fault::lost_answer().times(2));
    survives_everywhere("request lost", &Fault::lost_request());
    survives_everywhere("half an answer", &Fault::half_answer());
}

#[test]
fn pages_and_errors_of_the_server() {
    survives_everywhere("500 after the work", &Fault::internal_error(true));
    survives_everywhere("500 before the work", &Fault::internal_error(false));
    survives_everywhere("502 page after the work", &Fault::html(502, true));
    survives_everywhere("504 page before the work", &Fault::html(504, false));
    survives_everywhere("200 page after the work", &Fault::html(200, true));
    survives_everywhere("not JSON", &Fault::invalid_json());
}

#[test]
fn answers_of_every_size_and_speed() {
    survives_everywhere("100 MB", &Fault::huge(100_000_000));
    survives_everywhere("endless", &Fault::endless());
    survives("one byte at a time", REGISTER, &Fault::drip(Duration::from_millis(700)));
    survives("one byte at a time", FINISH, &Fault::drip(Duration::from_millis(700)));
}

#[test]
fn access_refused_in_unknown_words_costs_no_call() {
    for status in [401, 402, 403, 404] {
        for method in [REGISTER, FINISH, STATISTICS] {
            let office = Office::open();
            office.portal.fault(Fault::error(status, "SERVICE_BLOCKED", "Come back later").on(method));
            let mut work = Work { in_doubt: method == STATISTICS, ..Work::new(missed("office-1.1")) };
            let outcome = office.attempt(&mut work, Freshness::Fresh);
            assert!(matches!(&outcome, Outcome::Suspend { why, .. } if why.contains("SERVICE_BLOCKED")), "{outcome:?}");
            office.deliver(&mut work);
            office.only_call();
        }
    }
}

#[test]
fn silence_ends_at_the_deadline() {
    let start = Instant::now();
    survives("silence after the work", REGISTER, &Fault::silence(true));
    survives("silence before the work", FINISH, &Fault::silence(false));
    survives("slow", FINISH, &Fault::slow_after(Duration::from_secs(3)));
    assert!(start.elapsed() < Duration::from_secs(90));
}

#[test]
fn too_many_requests_are_waited_out() {
    survives("503", REGISTER, &Fault::rate_limited());
    survives("503", FINISH, &Fault::rate_limited().times(2));
}

#[test]
fn after_503_everybody_waits_and_nothing_is_in_doubt() {
    let office = Office::open();
    office.portal.fault(Fault::rate_limited().on(FINISH));
    let (mut one, mut two) = (Work::new(missed("office-1.1")), Work::new(missed("office-1.2")));
    let outcome = office.attempt(&mut one, Freshness::Fresh);
    let Outcome::Retry { after: Some(after), .. } = outcome else { panic!("{outcome:?}") };
    assert!((Duration::from_secs(2)..=Duration::from_secs(3)).contains(&after), "{after:?}");
    let before = office.portal.requests().len();
    let deadline = Instant::now() + Duration::from_secs(20);
    // A card waits three seconds for its turn, and then is told how long it would take.
    while office.announce(&mut two, &["101"], None) != Outcome::Done {
        assert!(Instant::now() < deadline, "no turn for a card");
    }
    let waited = office.portal.requests();
    let (last, first) = (waited.get(before - 1), waited.get(before));
    let gap = first.zip(last).map(|(first, last)| first.arrived.saturating_duration_since(last.arrived));
    assert!(gap.is_some_and(|gap| gap >= Duration::from_millis(1900)), "{gap:?}");
    office.deliver(&mut one);
    office.deliver(&mut two);
    assert_eq!(office.portal.calls().len(), 2);
}

#[test]
fn a_real_rate_limit_is_never_hit_by_one_device() {
    let portal = PortalConfig {
        rate_limit: Some(RateLimit { blocked_at: 50.0, leak_per_second: 2.0 }),
        ..PortalConfig::default()
    };
    let office = Office::with(portal, |_| ());
    for number in 0..10 {
        office.deliver(&mut Work::new(missed(&format!("office-1.{number}"))));
    }
    assert_eq!(office.portal.calls().len(), 10);
    assert!(office.portal.requests().iter().all(portal::RequestRecord::succeeded));
}

#[test]
fn a_method_out_of_time_rests_and_the_others_go_on() {
    let limit = OperatingLimit {
        limit: Duration::from_millis(500),
        window: Duration::from_secs(4),
        free_below: Duration::from_millis(100),
        charged: vec![(FINISH.to_owned(), Duration::from_millis(600))],
    };
    let office = Office::with(PortalConfig { operating_limit: Some(limit), ..PortalConfig::default() }, |_| ());
    let (mut one, mut two) = (Work::new(missed("office-1.1")), Work::new(missed("office-1.2")));
    assert_eq!(office.attempt(&mut one, Freshness::Fresh), Outcome::Done);
    let outcome = office.attempt(&mut two, Freshness::Fresh);
    let Outcome::Retry { after: Some(after), .. } = outcome else { panic!("{outcome:?}") };
    assert!(after <= Duration::from_secs(8), "the portal said when: {after:?}");
    let mut three = Work::new(missed("office-1.3"));
    let card = office.announce(&mut three, &["101"], None);
    assert_eq!(card, Outcome::Done);
    office.deliver(&mut two);
    assert_eq!(office.portal.calls().len(), 2);
    let refused = office.portal.requests_of(FINISH).iter().filter(|request| !request.succeeded()).count();
    assert_eq!(refused, 1, "the blocked method was asked once");
}

#[test]
fn finished_by_an_earlier_process_is_found_and_not_posted_again() {
    let mut office = Office::open();
    let call = answered("office-1.1", "101", 5_000);
    office.deliver(&mut Work::new(call.clone()));
    office.restart();
    let mut again = Work { in_doubt: true, ..Work::new(call) };
    assert_eq!(office.deliver(&mut again), [Outcome::Done]);
    assert_eq!(office.only_call().call_id(), again.ticket.call);
    assert_eq!(office.portal.requests_of(REGISTER).len(), 1);
}

#[test]
fn registered_by_an_earlier_process_is_finished_under_the_same_name() {
    let mut office = Office::open();
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.announce(&mut work, &["101"], None);
    // What an earlier process knew of CALL_ID may have died with it, the user is mirrored.
    work.ticket.call.clear();
    work.in_doubt = true;
    office.restart();
    office.deliver(&mut work);
    office.only_call();
    assert!(office.portal.live_calls().is_empty());
}

#[test]
fn a_finish_that_runs_late_while_we_look_is_no_reason_for_another_call() {
    let office = Office::impatient(PortalConfig::default(), |_| ());
    // The first finish is given up after two seconds and runs in the third: after the second look of the next attempt
    // (by CALL_ID; the first is by EXTERNAL_CALL_ID) was answered at the portal, and before its finish.
    office.portal.fault(Fault::slow_before(Duration::from_secs(3)).on(FINISH));
    office.portal.fault(Fault::slow_after(Duration::from_millis(1600)).on(STATISTICS).skip(1));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    assert!(matches!(office.attempt(&mut work, Freshness::Fresh), Outcome::InDoubt { .. }));
    assert_eq!(office.attempt(&mut work, Freshness::Fresh), Outcome::Done);
    assert_eq!(office.only_call().call_id(), work.ticket.call);
    assert_eq!(office.portal.requests_of(REGISTER).len(), 1);
}

#[test]
fn a_call_is_not_made_anew_before_it_stayed_away_for_longer_than_any_request_runs() {
    let portal = PortalConfig { statistics_lag: Duration::from_secs(3600), ..PortalConfig::default() };
    let office = Office::with(portal, |_| ());
    office.portal.fault(Fault::lost_answer().on(FINISH));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    assert!(matches!(office.attempt(&mut work, Freshness::Fresh), Outcome::InDoubt { .. }));
    // Neither live nor in the statistics: it may still come.
    let outcome = office.attempt(&mut work, Freshness::Fresh);
    let Outcome::InDoubt { after, .. } = outcome else { panic!("{outcome:?}") };
    assert!(after > Duration::from_secs(60), "a request may run for a minute: {after:?}");
    office.portal.reconfigure(|portal| portal.statistics_lag = Duration::ZERO);
    assert_eq!(office.attempt(&mut work, Freshness::Fresh), Outcome::Done);
    assert_eq!(office.only_call().call_id(), work.ticket.call);
    assert_eq!(office.portal.requests_of(REGISTER).len(), 1);
}

/// A call that this process registered, as it thinks, and that the portal has never heard of.
fn vanished(id: &str, extension: &str, user: u32) -> Work {
    let mut work = Work::new(answered(id, extension, 5_000));
    work.ticket.call = "externalCall.00000000000000000000000000000000.1".try_into().expect("it fits");
    work.ticket.user = Some(user);
    work
}

/// How long the call waits now, and why.
fn wait_in_doubt(office: &Office, work: &mut Work) -> (Duration, String) {
    match office.attempt(work, Freshness::Fresh) {
        Outcome::InDoubt { after, why } => (after, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_vanished_is_made_anew() {
    let office = Office::open();
    office.deliver(&mut Work::new(answered("office-0.1", "101", 5_000)));
    let mut work = vanished("office-1.1", "101", 11);
    let outcomes = office.deliver(&mut work);
    assert!(
        matches!(outcomes.as_slice(), [Outcome::InDoubt { .. }, Outcome::InDoubt { .. }, Outcome::Done]),
        "{outcomes:?}"
    );
    let calls = office.portal.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls.last().expect("two").call_id(), work.ticket.call);
}

#[test]
fn a_call_that_vanished_waits_until_a_call_of_its_employee_was_seen_in_the_statistics() {
    let office = Office::open();
    let mut work = vanished("office-1.1", "101", 11);
    office.deliver(&mut Work::new(answered("office-0.1", "102", 5_000)));
    wait_in_doubt(&office, &mut work);
    let (after, why) = wait_in_doubt(&office, &mut work);
    assert!(after > Duration::from_secs(20 * 60) && why.contains("all employees"), "{after:?} {why}");
    assert!(!work.ticket.call.is_empty(), "it may be there under this name");
    office.deliver(&mut Work::new(answered("office-0.2", "101", 5_000)));
    let (after, _) = wait_in_doubt(&office, &mut work);
    assert!(after < Duration::from_secs(120), "{after:?}");
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    assert_eq!(office.portal.calls().len(), 3);
}

#[test]
fn where_only_some_employees_calls_are_shown_a_doubtful_call_of_another_is_never_doubled() {
    for shown in [vec![1], vec![1, 12]] {
        let portal = PortalConfig { statistics_of: Some(shown), ..PortalConfig::default() };
        let office = Office::with(portal, |_| ());
        office.deliver(&mut Work::new(answered("office-0.1", "101", 5_000)));
        office.deliver(&mut Work::new(answered("office-0.2", "102", 5_000)));
        office.portal.fault(Fault::lost_answer().on(FINISH));
        let mut work = Work::new(answered("office-1.1", "101", 5_000));
        for _ in 0..6 {
            let outcome = office.attempt(&mut work, Freshness::Fresh);
            assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
        }
        let (after, why) = wait_in_doubt(&office, &mut work);
        assert!(after > Duration::from_secs(20 * 60) && why.contains("all employees"), "{after:?} {why}");
        assert_eq!(office.portal.calls().len(), 3);
        office.portal.reconfigure(|portal| portal.statistics_of = None);
        assert_eq!(office.deliver(&mut work), [Outcome::Done]);
        assert_eq!((office.portal.calls().len(), office.portal.requests_of(REGISTER).len()), (3, 3));
    }
}

#[test]
fn an_employee_whose_calls_are_shown_needs_nobody_elses() {
    let portal = PortalConfig { statistics_of: Some(vec![11]), ..PortalConfig::default() };
    let office = Office::with(portal, |_| ());
    office.deliver(&mut Work::new(answered("office-0.1", "101", 5_000)));
    let mut work = vanished("office-1.1", "101", 11);
    office.deliver(&mut work);
    assert_eq!(office.portal.calls().len(), 2);
}

#[test]
fn a_database_error_is_looked_at_and_given_up_after_three_activities() {
    let office = Office::with(PortalConfig::default(), |settings| settings.create = Create::Always);
    let error = || Fault::error(400, "", "Unexpected database error; Data too long").on(FINISH);
    office.portal.fault(error());
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    let outcomes = office.deliver(&mut work);
    assert!(matches!(outcomes.first(), Some(Outcome::InDoubt { .. })), "{outcomes:?}");
    office.only_call();

    office.portal.fault(error().times(u32::MAX));
    let mut stuck = Work::new(answered("office-1.2", "101", 5_000));
    let mut last = Outcome::Done;
    for _ in 0..3 {
        last = office.attempt(&mut stuck, Freshness::Fresh);
    }
    assert!(matches!(last, Outcome::Refused { .. }), "{last:?}");
    assert_eq!(office.portal.requests_of(FINISH).len(), 2 + 3);
}

#[test]
fn without_the_right_to_look_a_doubtful_call_waits_and_is_never_doubled() {
    let portal = PortalConfig { statistics_allowed: false, ..PortalConfig::default() };
    let office = Office::with(portal, |_| ());
    office.portal.fault(Fault::lost_answer().on(FINISH));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    for _ in 0..4 {
        let outcome = office.attempt(&mut work, Freshness::Fresh);
        assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    }
    assert!(
        matches!(office.attempt(&mut work, Freshness::Fresh), Outcome::InDoubt { why, .. } if why.contains("right"))
    );
    office.portal.reconfigure(|portal| portal.statistics_allowed = true);
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    office.only_call();
}

#[test]
fn what_an_operator_must_mend_suspends_until_it_is_mended() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.portal.reconfigure(|portal| portal.webhook_may_register = false);
    let outcome = office.attempt(&mut work, Freshness::Fresh);
    assert!(matches!(&outcome, Outcome::Suspend { why, .. } if why.contains("application")), "{outcome:?}");
    office.portal.reconfigure(|portal| portal.scopes.retain(|scope| scope != "telephony"));
    let outcome = office.attempt(&mut work, Freshness::Fresh);
    assert!(matches!(&outcome, Outcome::Suspend { why, .. } if why.contains("telephony")), "{outcome:?}");
    office.portal.reconfigure(|portal| {
        portal.scopes.push("telephony".to_owned());
        portal.webhook_may_register = true;
        portal.webhook_secret = "another".to_owned();
    });
    let outcome = office.attempt(&mut work, Freshness::Fresh);
    assert!(matches!(&outcome, Outcome::Suspend { why, .. } if why.contains("make a new one")), "{outcome:?}");
    office.portal.reconfigure(|portal| portal.webhook_secret = SECRET.to_owned());
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    office.only_call();
}

#[test]
fn a_portal_that_is_away_costs_nothing_but_time() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.portal.go_down();
    for _ in 0..3 {
        let outcome = office.attempt(&mut work, Freshness::Fresh);
        assert!(matches!(outcome, Outcome::Retry { .. }), "nothing was sent, nothing is in doubt: {outcome:?}");
    }
    office.portal.come_up().expect("the port is still free");
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    assert_eq!(office.portal.requests_of("voximplant.statistic.get").len(), 0);
    office.only_call();
}

#[test]
fn a_connection_closed_while_idle_is_not_noticed() {
    let portal = PortalConfig { keep_alive: Duration::from_secs(1), ..PortalConfig::default() };
    let office = Office::with(portal, |_| ());
    for number in 0..3 {
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(office.deliver(&mut Work::new(missed(&format!("office-1.{number}")))), [Outcome::Done]);
    }
    office.portal.drop_connections();
    assert_eq!(office.deliver(&mut Work::new(missed("office-1.9"))), [Outcome::Done]);
    assert_eq!(office.portal.calls().len(), 4);
}

#[test]
fn one_connection_serves_call_after_call() {
    let office = Office::open();
    for number in 0..4 {
        office.deliver(&mut Work::new(missed(&format!("office-1.{number}"))));
    }
    let requests = office.portal.requests();
    let first = requests.first().map(|request| request.connection);
    assert!(requests.iter().all(|request| Some(request.connection) == first));
    let agent = format!("ringpost/{}", env!("CARGO_PKG_VERSION"));
    assert!(requests.iter().all(|request| request.user_agent.as_deref() == Some(agent.as_str())));
}

#[test]
fn a_certificate_that_cannot_be_trusted_suspends_with_the_remedy() {
    for (certificate, words) in
        [(Certificate::Expired, "expired"), (Certificate::OtherHost, "another host"), (Certificate::OtherCa, "ca_file")]
    {
        let portal = portal::Portal::start(PortalConfig { certificate, ..PortalConfig::default() }).expect("it starts");
        let http = Http::new(Some(&portal.ca_file())).expect("roots");
        let allowance = Allowance { time: Duration::from_secs(5), answer: 1000 };
        let url = format!("{}server.time", portal.webhook_url());
        let fault = http.post_json(&url, b"{}", allowance).expect_err("no TLS");
        assert!(!fault.may_have_run());
        assert!(matches!(fault, HttpFault::Tls(_)) && fault.to_string().contains(words), "{certificate:?}: {fault}");
        assert!(portal.requests().is_empty());
    }
}

#[test]
fn a_redirect_to_a_stranger_is_not_followed() {
    let office = Office::open();
    office.portal.fault(Fault::redirect("https://elsewhere.example.test").on(REGISTER));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    let outcome = office.attempt(&mut work, Freshness::Fresh);
    assert!(matches!(&outcome, Outcome::Suspend { why, .. } if why.contains("elsewhere.example.test")), "{outcome:?}");
    assert_eq!(office.deliver(&mut work), [Outcome::Done]);
    office.only_call();
}

#[test]
fn what_is_not_tls_or_not_there_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        }
    });
    let office = Office::open();
    let http = Http::new(Some(&office.portal.ca_file())).expect("roots");
    let allowance = Allowance { time: Duration::from_secs(5), answer: 1000 };
    let ask = |url: &str| http.post_json(url, b"{}", allowance).expect_err("no answer");
    let fault = ask(&format!("https://127.0.0.1:{port}/rest/1/{SECRET}/x"));
    assert!(matches!(fault, HttpFault::Tls(_)), "{fault:?}");
    let fault = ask(&format!("https://127.0.0.1:{port}/rest/1/{SECRET}/x"));
    assert!(matches!(fault, HttpFault::NotSent(_)), "{fault:?}");
    let fault = ask(&format!("https://no-such-host.invalid/rest/1/{SECRET}/x"));
    assert!(matches!(fault, HttpFault::Name), "{fault:?}");
    let fault = ask(&format!("http://127.0.0.1:{port}/rest/1/{SECRET}/x"));
    assert!(!format!("{fault:?} {fault}").contains(SECRET), "{fault:?}");
    server.join().expect("the server ends");
}
