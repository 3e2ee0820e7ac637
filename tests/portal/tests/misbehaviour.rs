//! Faults, limits, outages, credentials, certificates: what the portal does when it does not behave.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Bench, SOON, agent};
use portal::{Certificate, Event, Fault, OperatingLimit, Outcome, Portal, PortalConfig, RateLimit, Wording};

const REGISTER: &str = "telephony.externalCall.register";
const CALL: &str = r#"{"USER_ID":11,"PHONE_NUMBER":"+79161234567","TYPE":2,"EXTERNAL_CALL_ID":"gw-1"}"#;

#[test]
fn a_lost_answer_leaves_the_call_and_a_lost_request_does_not() {
    let bench = Bench::new();
    bench.portal.fault(Fault::lost_answer().on(REGISTER));
    bench.portal.fault(Fault::lost_request().on(REGISTER));
    assert!(bench.try_call(REGISTER, CALL).is_err());
    assert_eq!(bench.portal.live_calls().len(), 1);
    assert!(bench.try_call(REGISTER, &CALL.replace("gw-1", "gw-2")).is_err());
    assert_eq!(bench.portal.live_calls().len(), 1);
    bench.call(REGISTER, &CALL.replace("gw-1", "gw-2")).result();
    assert_eq!(bench.portal.live_calls().len(), 2, "the plans are used up");
    let outcomes: Vec<_> = bench.portal.requests().into_iter().map(|request| request.outcome).collect();
    assert_eq!(outcomes[0], Outcome::Spoilt { how: "cut", executed: true });
    assert_eq!(outcomes[1], Outcome::Spoilt { how: "cut", executed: false });
}

#[test]
fn refusals_are_not_executed_and_go_by_method() {
    let bench = Bench::new();
    bench.portal.fault(Fault::rate_limited().on(REGISTER).times(2));
    bench.portal.fault(Fault::operation_limited().on(REGISTER));
    bench.portal.fault(Fault::internal_error(true).on(REGISTER));
    bench.call("profile", "{}").result();
    let answers: Vec<_> = (0..4).map(|_| bench.call(REGISTER, CALL)).map(|a| (a.status, a.error().0)).collect();
    let expected = [
        (503, "QUERY_LIMIT_EXCEEDED"),
        (503, "QUERY_LIMIT_EXCEEDED"),
        (429, "OPERATION_TIME_LIMIT"),
        (500, "INTERNAL_SERVER_ERROR"),
    ];
    assert_eq!(answers, expected.map(|(status, code)| (status, code.to_owned())));
    assert_eq!(bench.portal.live_calls().len(), 1, "only the 500 was executed");
    assert_eq!(bench.portal.faults_left(), 0);
}

#[test]
fn an_error_may_carry_a_retry_after() {
    let bench = Bench::new();
    bench.portal.fault(Fault::error(503, "OVERLOAD_LIMIT", "REST API is blocked due to overload").retry_after(7));
    let answer = bench.agent.post(format!("{}profile", bench.portal.webhook_url())).send("{}").expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"7".parse().unwrap()));
}

#[test]
fn answers_that_are_no_answers() {
    let bench = Bench::new();
    bench.portal.fault(Fault::html(502, false));
    let page = bench.call("profile", "{}");
    assert_eq!(page.status, 502);
    assert!(page.body.to_text().starts_with("<!DOCTYPE html>"));
    bench.portal.fault(Fault::redirect("https://renamed.example:444/"));
    let url = format!("{}profile", bench.portal.webhook_url());
    let response = bench.agent.post(&url).send("{}").expect("an answer");
    assert_eq!(response.status(), 302);
    let path = url.split_once("127.0.0.1").and_then(|(_, rest)| rest.split_once('/')).expect("a path").1;
    assert_eq!(response.headers()["location"], format!("https://renamed.example:444/{path}"));
    bench.portal.fault(Fault::invalid_json());
    assert!(bench.call("profile", "{}").body.as_str().is_some(), "not JSON");
    bench.portal.fault(Fault::half_answer());
    assert!(bench.try_call("profile", "{}").is_err());
}

#[test]
fn a_huge_an_endless_and_a_dripping_answer() {
    let bench = Bench::new();
    let read = |limit: u64, agent: &ureq::Agent| {
        let url = format!("{}profile", bench.portal.webhook_url());
        let mut response = agent.post(&url).send("{}").expect("a head");
        response.body_mut().with_config().limit(limit).read_to_vec().map(|body| body.len())
    };
    bench.portal.fault(Fault::huge(20 * 1024 * 1024));
    assert_eq!(read(u64::MAX, &bench.agent).expect("all of it"), 20 * 1024 * 1024);
    bench.portal.fault(Fault::endless());
    assert!(read(1024 * 1024, &bench.agent).is_err(), "cut by the client at its cap");
    bench.portal.fault(Fault::drip(Duration::from_micros(10)));
    bench.call("profile", "{}").result();
    bench.portal.fault(Fault::drip(Duration::from_millis(100)));
    let impatient = agent(&bench.portal, Duration::from_millis(700));
    let url = format!("{}profile", bench.portal.webhook_url());
    assert!(impatient.post(&url).send("{}").and_then(|mut answer| answer.body_mut().read_to_string()).is_err());
}

#[test]
fn slowness_before_and_after_the_work() {
    let bench = Bench::new();
    let (wait, impatient) = (Duration::from_millis(1500), agent(&bench.portal, Duration::from_millis(300)));
    let url = format!("{}{REGISTER}", bench.portal.webhook_url());
    bench.portal.fault(Fault::slow_before(wait));
    let start = Instant::now();
    assert!(impatient.post(&url).send(CALL).is_err());
    assert!(bench.portal.live_calls().is_empty(), "not yet");
    bench.portal.wait_for(SOON, |state| (!state.live_calls().is_empty()).then_some(())).expect("in the end");
    assert!(start.elapsed() >= wait);
    bench.portal.fault(Fault::slow_after(wait));
    assert!(impatient.post(&url).send(CALL.replace("gw-1", "gw-2")).is_err());
    assert_eq!(bench.portal.live_calls().len(), 2, "done although no answer came");
}

#[test]
fn a_silent_request_ends_with_the_client() {
    let bench = Bench::new();
    bench.portal.fault(Fault::silence(true).on(REGISTER));
    let impatient = agent(&bench.portal, Duration::from_millis(300));
    assert!(impatient.post(format!("{}{REGISTER}", bench.portal.webhook_url())).send(CALL).is_err());
    assert_eq!(bench.portal.live_calls().len(), 1);
}

#[test]
fn down_and_up_on_the_same_port() {
    let bench = Bench::new();
    let events = bench.portal.subscribe();
    bench.call("profile", "{}").result();
    bench.portal.go_down();
    assert!(TcpStream::connect(("127.0.0.1", bench.portal.port())).is_err(), "refused");
    assert!(bench.try_call("profile", "{}").is_err());
    bench.portal.come_up().expect("the port is still ours");
    bench.call("profile", "{}").result();
    bench.portal.drop_connections();
    bench.call("profile", "{}").result();
    let ups = events.try_iter().filter_map(|event| if let Event::Up(up) = event { Some(up) } else { None });
    assert_eq!(ups.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn going_down_ends_a_request_in_flight() {
    let bench = Bench::new();
    bench.portal.fault(Fault::slow_after(Duration::from_secs(60)).on(REGISTER));
    std::thread::scope(|scope| {
        let request = scope.spawn(|| bench.try_call(REGISTER, CALL).is_err());
        bench.portal.wait_for(SOON, |state| (!state.live_calls().is_empty()).then_some(())).expect("registered");
        bench.portal.go_down();
        assert!(request.join().expect("no panic"), "the answer is lost");
    });
    let spoilt = |state: &portal::State| state.requests().next().filter(|r| r.answered.is_some()).cloned();
    let request = bench.portal.wait_for(SOON, spoilt).expect("an outcome");
    assert_eq!(request.outcome, Outcome::Spoilt { how: "cut", executed: true });
}

#[test]
fn what_waits_when_the_portal_goes_down_is_not_done() {
    let bench = Bench::new();
    bench.portal.fault(Fault::slow_before(Duration::from_secs(60)).on(REGISTER));
    std::thread::scope(|scope| {
        let request = scope.spawn(|| bench.try_call(REGISTER, CALL).is_err());
        bench.portal.wait_for(SOON, |state| state.requests().next().map(|_| ())).expect("arrived");
        bench.portal.go_down();
        assert!(request.join().expect("no panic"));
    });
    let spoilt = |state: &portal::State| state.requests().next().filter(|r| r.answered.is_some()).cloned();
    let request = bench.portal.wait_for(SOON, spoilt).expect("an outcome");
    assert_eq!(request.outcome, Outcome::Spoilt { how: "cut", executed: false });
    assert!(bench.portal.live_calls().is_empty());
}

#[test]
fn silent_takes_connections_and_says_nothing() {
    let bench = Bench::new();
    bench.call("profile", "{}").result();
    bench.portal.go_silent();
    let impatient = agent(&bench.portal, Duration::from_millis(300));
    assert!(impatient.post(format!("{}profile", bench.portal.webhook_url())).send("{}").is_err());
    assert!(TcpStream::connect(("127.0.0.1", bench.portal.port())).is_ok());
    bench.portal.come_up().expect("up");
    bench.call("profile", "{}").result();
}

#[test]
fn a_dropped_portal_is_gone_and_its_directory_too() {
    let bench = Bench::new();
    let (port, dir) = (bench.portal.port(), bench.portal.dir().to_owned());
    bench.portal.fault(Fault::slow_before(Duration::from_secs(60)));
    let url = format!("{}profile", bench.portal.webhook_url());
    let impatient = agent(&bench.portal, Duration::from_millis(200));
    assert!(impatient.post(&url).send("{}").is_err());
    let start = Instant::now();
    drop(bench);
    assert!(start.elapsed() < Duration::from_secs(5), "no thread is waited out");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!dir.exists());
}

#[test]
fn the_bucket_holds_fifty() {
    let bench =
        Bench::with(|config| config.rate_limit = Some(RateLimit { leak_per_second: 0.1, ..RateLimit::default() }));
    let statuses: Vec<_> = (0..52).map(|_| bench.call("profile", "{}").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 50);
    let refused = bench.call("profile", "{}");
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "QUERY_LIMIT_EXCEEDED"));
}

#[test]
fn operating_time_is_told_and_limited_by_method() {
    let limit = OperatingLimit {
        limit: Duration::from_secs(3),
        charged: vec![("profile".to_owned(), Duration::from_secs(2))],
        ..OperatingLimit::default()
    };
    let bench = Bench::with(|config| config.operating_limit = Some(limit));
    let first = bench.call("profile", "{}");
    let operating = first.body.at("time").at("operating").to_text();
    assert!(operating.starts_with('2'), "{operating}");
    assert!(first.body.at("time").at("operating_reset_at").to_int() > 1_700_000_000);
    bench.call("profile", "{}").result();
    let third = bench.call("profile", "{}");
    assert_eq!((third.status, third.error().0.as_str()), (429, "OPERATION_TIME_LIMIT"));
    bench.call("user.current", "{}").result();
}

#[test]
fn wrong_credentials_have_their_own_errors() {
    let bench = Bench::new();
    let at = |path: &str| {
        let url = format!("https://127.0.0.1:{}/rest/{path}", bench.portal.port());
        let answer = bench.post(&url, "application/json", "{}").expect("an answer");
        (answer.status, answer.error().0)
    };
    assert_eq!(at("1/wrong/profile"), (401, "INVALID_CREDENTIALS".to_owned()));
    assert_eq!(at("2/s3cr3tw3bh00k/profile"), (401, "INVALID_CREDENTIALS".to_owned()));
    assert_eq!(at("profile"), (401, "NO_AUTH_FOUND".to_owned()));
    assert_eq!(at("1/s3cr3tw3bh00k/no.such.method"), (404, "ERROR_METHOD_NOT_FOUND".to_owned()));
    bench.portal.reconfigure(|config| config.wording = Wording::Documentation);
    assert_eq!(at("1/wrong/profile").0, 403);
    let url = format!("https://127.0.0.1:{}/stream/", bench.portal.port());
    assert_eq!(bench.post(&url, "text/plain", "").expect("an answer").status, 404);
    let last = bench.portal.requests().pop().expect("logged as well");
    assert_eq!((last.method.as_str(), last.sent_method.as_str(), last.succeeded()), ("", "/stream/", false));
}

#[test]
fn scopes_and_the_kind_of_authorisation_are_checked() {
    let bench = Bench::with(|config| config.webhook_may_register = false);
    for method in [REGISTER, "telephony.externalCall.finish", "telephony.externalLine.get"] {
        let answer = bench.call(method, CALL);
        assert_eq!((answer.status, answer.error().0.as_str()), (403, "WRONG_AUTH_TYPE"), "{method}");
    }
    bench.call("telephony.externalCall.searchCrmEntities", r#"{"PHONE_NUMBER":"1"}"#).result();
    bench.portal.reconfigure(|config| config.scopes = vec!["crm".to_owned()]);
    let answer = bench.call(REGISTER, CALL);
    assert_eq!((answer.status, answer.error().0.as_str()), (401, "insufficient_scope"));
}

#[test]
fn certificates_can_be_wrong() {
    for (certificate, good) in [
        (Certificate::Good, true),
        (Certificate::Expired, false),
        (Certificate::OtherHost, false),
        (Certificate::OtherCa, false),
    ] {
        let bench = Bench::with(|config| config.certificate = certificate);
        assert_eq!(bench.try_call("profile", "{}").is_ok(), good, "{certificate:?}");
    }
}

#[test]
fn requests_are_logged_with_their_time_and_connection() {
    let bench = Bench::new();
    let before = Instant::now();
    bench.call("User.Current", r#"{"a":1}"#).result();
    bench.call("profile.json", "{}").result();
    let requests = bench.portal.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].method.as_str(), requests[0].sent_method.as_str()), ("user.current", "User.Current"));
    assert_eq!(requests[0].params.to_string(), r#"{"a":1}"#);
    assert!(before <= requests[0].arrived && requests[0].arrived <= requests[0].complete);
    assert!(requests[0].complete < requests[1].arrived);
    assert_eq!(requests[0].connection, requests[1].connection, "kept alive");
    assert!(requests.iter().all(portal::RequestRecord::succeeded));
}

#[test]
fn an_idle_connection_is_closed() {
    let bench = Bench::with(|config| config.keep_alive = Duration::from_millis(100));
    let mut stream = TcpStream::connect(("127.0.0.1", bench.portal.port())).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    assert_eq!(stream.read(&mut [0; 8]).expect("an end, not a timeout"), 0);
}

#[test]
fn after_so_many_requests_a_connection_is_closed() {
    let bench = Bench::with(|config| config.requests_per_connection = Some(2));
    for _ in 0..4 {
        bench.call("profile", "{}").result();
    }
    let connections: Vec<_> = bench.portal.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2]);
}

#[test]
fn what_is_not_tls_is_dropped() {
    let bench = Bench::new();
    let mut stream = TcpStream::connect(("127.0.0.1", bench.portal.port())).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut rest = vec![];
    let _ = stream.read_to_end(&mut rest);
    bench.call("profile", "{}").result();
}

#[test]
fn a_portal_is_up_in_no_time() {
    // The first start pays for what the system caches.
    drop(Portal::start(PortalConfig::default()));
    let start = Instant::now();
    let portal = Portal::start(PortalConfig::default()).expect("a portal");
    let took = start.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    drop(portal);
}
