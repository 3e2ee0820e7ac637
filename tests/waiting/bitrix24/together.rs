//! Many calls at once: what the portal holds of each, and what is asked of it for them.

use super::office::{Office, Work, ago, answered, ext, missed};
use crate::backlog::REGISTER;
use portal::{Fault, PortalConfig, RequestRecord};
use ringpost::call::record::CallRecord;
use ringpost::clock;
use ringpost::crm::{Consignment, Fate, Freshness, Outcome, Port, Ticket};
use ringpost::text::bounded;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const FINISH: &str = "telephony.externalcall.finish";
const STATISTICS: &str = "voximplant.statistic.get";

/// Two hours ago.
fn old(call: CallRecord) -> CallRecord {
    CallRecord { started: ago(7_230), ended: ago(7_200), ..call }
}

/// Missed and answered calls by turns.
fn call(n: usize) -> CallRecord {
    let id = format!("office-2.{n}");
    let call = if n.is_multiple_of(2) { missed(&id) } else { answered(&id, "102", 5_000) };
    old(CallRecord { client: bounded(format!("+7916{n:07}").as_bytes()), ..call })
}

fn consign(call: CallRecord, in_doubt: bool) -> Consignment {
    let (record, ticket) = (Arc::new(call), Ticket::default());
    let (with_recording, upload) = (!record.recordings.is_empty(), None);
    Consignment { record, ticket, in_doubt, with_recording, upload, only_look: false, fate: Fate::Waiting }
}

fn backlog(numbers: core::ops::Range<usize>, in_doubt: bool) -> Vec<Consignment> {
    numbers.map(|n| consign(call(n), in_doubt)).collect()
}

fn fates(calls: &[Consignment]) -> Vec<Fate> {
    calls.iter().map(|call| call.fate).collect()
}

impl Office {
    /// One request for as many as go; none of ours may print the secret.
    fn together(&self, calls: &mut [Consignment]) -> Outcome {
        let outcome = self.bitrix.deliver_together(calls, clock::now());
        assert!(!format!("{outcome:?}").contains(super::office::SECRET), "{outcome:?}");
        outcome
    }

    /// Goes on until all are delivered, as the schedule would with a portal that is well.
    fn drain(&self, mut calls: Vec<Consignment>) -> usize {
        let mut requests = 0;
        while !calls.is_empty() {
            assert_eq!(self.together(&mut calls), Outcome::Done);
            requests += 1;
            let (delivered, rest): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.fate == Fate::Delivered);
            assert!(!delivered.is_empty(), "{rest:?}");
            calls = rest;
        }
        requests
    }

    /// A call that the portal has, delivered by this process.
    fn witness(&self) {
        self.deliver_as(&mut Work::new(old(missed("office-1.1"))), Freshness::Replayed);
    }

    /// Requests of our own, those within a batch not counted.
    fn requests(&self) -> Vec<RequestRecord> {
        self.portal.requests().into_iter().filter(|request| request.within.is_none()).collect()
    }

    /// How many finished calls the portal has of each identity.
    fn identities(&self) -> BTreeMap<String, usize> {
        self.portal.calls().into_iter().fold(BTreeMap::new(), |mut found, call| {
            *found.entry(call.registered.external_call_id.unwrap_or_default()).or_default() += 1;
            found
        })
    }

    fn assert_once(&self, numbers: core::ops::Range<usize>) {
        let found = self.identities();
        for n in numbers {
            assert_eq!(found.get(&format!("office-2.{n}")), Some(&1), "call {n}: {found:?}");
        }
    }
}

#[test]
fn a_backlog_goes_in_few_requests_and_each_call_is_told_as_by_itself() {
    let office = Office::open();
    let records: Vec<CallRecord> = (0..60).map(call).collect();
    let requests = office.drain(records.iter().map(|call| consign(call.clone(), false)).collect());
    assert!(requests <= 8, "{requests} requests for 60 calls");
    office.assert_once(0..60);
    let alone = Office::open();
    for call in &records[..12] {
        alone.deliver_as(&mut Work::new(call.clone()), Freshness::Replayed);
    }
    let told = |office: &Office| -> Vec<String> {
        let calls = office.portal.calls().into_iter().map(|call| {
            let registered = &call.registered;
            format!(
                "{} {} {:?} {:?} {:?} user {} for {} s: {} {:?} chat {}",
                registered.kind,
                registered.phone,
                registered.line,
                registered.started,
                registered.external_call_id,
                call.user,
                call.duration,
                call.status_code,
                call.failed_reason,
                call.in_chat
            )
        });
        calls.collect()
    };
    assert_eq!(told(&office)[..12], told(&alone), "in the same order, with the same words");
    assert!(office.portal.cards().is_empty(), "no card of a call that is long over");
}

#[test]
fn calls_in_doubt_are_looked_up_with_one_request_and_only_the_missing_go() {
    let office = Office::open();
    office.witness();
    office.drain(backlog(0..10, false));
    let before = office.requests().len();
    let mut calls = backlog(0..20, true);
    assert_eq!(office.together(&mut calls), Outcome::Done);
    assert_eq!(fates(&calls[..10]), [Fate::Delivered; 10]);
    assert!(calls[..10].iter().all(|call| !call.ticket.call.is_empty()), "its name is needed for a recording");
    assert!(calls[..10].iter().all(|call| call.in_doubt), "whether they have their recordings is not known");
    assert!(calls[10..].iter().all(|call| !call.in_doubt));
    let after = office.requests();
    let asked: Vec<&str> = after[before..].iter().map(|request| request.method.as_str()).collect();
    assert_eq!(asked, [STATISTICS, "batch"]);
    office.drain(calls.split_off(10).into_iter().filter(|call| call.fate == Fate::Waiting).collect());
    office.assert_once(0..20);
}

#[test]
fn a_lost_answer_leaves_every_call_in_doubt_and_none_comes_twice() {
    for fault in [Fault::lost_answer, Fault::lost_request, Fault::half_answer, || Fault::html(504, true)] {
        let office = Office::open();
        office.witness();
        office.portal.fault(fault().on("batch"));
        let mut calls = backlog(0..4, false);
        assert!(matches!(office.together(&mut calls), Outcome::InDoubt { .. }));
        for call in &calls {
            let Fate::InDoubt { after } = call.fate else { panic!("{call:?}") };
            assert!(after > Duration::from_secs(60), "a batch may run as long as the cloud lets it");
            assert!(call.ticket.in_doubt);
        }
        calls.iter_mut().for_each(|call| call.fate = Fate::Waiting);
        office.drain(calls);
        office.assert_once(0..4);
        assert_eq!(office.portal.calls().len(), 5);
    }
}

#[test]
fn what_one_call_meets_is_its_own_affair() {
    let office = Office::with(PortalConfig::default(), |settings| {
        settings.users.insert(ext("110"), 20); // has left
    });
    let mut calls = backlog(0..2, false);
    calls.push(consign(old(answered("office-2.2", "110", 3_000)), false));
    office.portal.fault_command(Fault::error(400, "", "Unexpected database error").on(FINISH).skip(1));
    assert_eq!(office.together(&mut calls), Outcome::Done);
    assert_eq!(calls[0].fate, Fate::Delivered);
    assert!(matches!(calls[1].fate, Fate::InDoubt { .. }), "an activity is there, the row may be");
    assert_eq!((calls[1].ticket.refusals, calls[1].ticket.call.is_empty()), (1, false));
    assert_eq!(calls[2].fate, Fate::Alone, "the single road knows the fallback");
    for call in calls.into_iter().skip(1) {
        let Consignment { record, ticket, .. } = call;
        let mut work = Work { ticket, ..Work::new((*record).clone()) };
        office.deliver_as(&mut work, Freshness::Replayed);
    }
    office.assert_once(0..3);
}

#[test]
fn a_look_that_cannot_be_seen_to_work_proves_nothing() {
    // No call of this portal is known yet.
    let fresh = Office::open();
    let mut calls = backlog(0..3, true);
    assert_eq!(fresh.together(&mut calls), Outcome::Done);
    assert_eq!(fates(&calls), [Fate::Alone, Fate::Waiting, Fate::Waiting], "the first by itself becomes the witness");
    assert!(calls.iter().all(|call| call.in_doubt), "each still has to be looked up");
    assert!(fresh.portal.calls().is_empty() && fresh.portal.live_calls().is_empty());
    // A portal that drops the key, and one whose owner may not look.
    let deaf = PortalConfig { knows_external_ids: false, ..PortalConfig::default() };
    let blind = PortalConfig { statistics_allowed: false, ..PortalConfig::default() };
    for config in [deaf, blind] {
        let office = Office::open_with(config);
        office.witness();
        let mut calls = backlog(0..3, true);
        assert_eq!(office.together(&mut calls), Outcome::Done);
        assert_eq!(fates(&calls), [Fate::Alone; 3]);
        assert_eq!(office.portal.calls().len(), 1, "nothing was made anew");
    }
    // Statistics that lag behind do not show the witness either.
    let lag = PortalConfig { statistics_lag: Duration::from_secs(600), ..PortalConfig::default() };
    let office = Office::open_with(lag);
    office.witness();
    let mut calls = backlog(0..3, true);
    assert_eq!(office.together(&mut calls), Outcome::Done);
    assert_eq!(fates(&calls), [Fate::Alone; 3]);
}

#[test]
fn where_a_recording_is_wanted_is_asked_with_its_call() {
    let office = Office::open();
    let dir = std::env::temp_dir().join(format!("ringpost-together-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("a.wav");
    std::fs::write(&file, [7_u8; 4000]).expect("a recording");
    let mut record = old(answered("office-2.0", "102", 5_000));
    record.recordings = [bounded(file.display().to_string().as_bytes())].into_iter().collect();
    let mut calls = vec![consign(record, false), consign(call(1), false)];
    assert_eq!(office.together(&mut calls), Outcome::Done);
    assert_eq!(fates(&calls), [Fate::Delivered; 2]);
    assert!(calls[1].upload.is_none(), "no recording follows");
    let link = calls[0].upload.take().expect("an address");
    assert!(!format!("{link:?}").contains(super::office::SECRET));
    let before = office.requests().len();
    let outcome = office.bitrix.attach(&calls[0].record, &calls[0].ticket, &file, false, Some(&link));
    assert_eq!(outcome, Outcome::Done);
    let asked: Vec<String> = office.requests()[before..].iter().map(|request| request.method.clone()).collect();
    assert_eq!(asked, ["upload"], "one request for a recording");
    assert_eq!(office.portal.recordings().len(), 1);
    assert!(office.portal.calls()[0].recording.is_some());
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn a_portal_in_trouble_gets_less_at_once_and_nothing_is_lost() {
    let office = Office::open();
    let sizes = |office: &Office| -> Vec<usize> {
        let requests = office.portal.requests();
        let batches = requests.iter().filter(|request| request.method == "batch");
        let of = |number: u64| requests.iter().filter(|r| r.within.as_ref().is_some_and(|(n, _)| *n == number)).count();
        batches.map(|batch| of(batch.number) / 2).collect()
    };
    office.drain(backlog(0..36, false));
    let grown = sizes(&office);
    assert!(grown.starts_with(&[4, 8]) && grown.iter().all(|size| *size <= 16), "it begins with few: {grown:?}");
    assert!(grown.iter().any(|size| *size > 12), "and grows: {grown:?}");
    office.portal.fault(Fault::html(502, true).on("batch"));
    let mut calls = backlog(36..60, false);
    assert!(matches!(office.together(&mut calls), Outcome::InDoubt { .. }));
    calls.iter_mut().for_each(|call| call.fate = Fate::Waiting);
    office.drain(calls);
    let (broken, next) = (sizes(&office)[grown.len()], sizes(&office)[grown.len() + 1]);
    assert!(next <= broken / 2, "{:?}", sizes(&office));
    office.assert_once(0..60);
}

#[test]
fn too_many_requests_and_a_blocked_method_hold_the_backlog_and_lose_nothing() {
    let office = Office::open();
    office.portal.fault(Fault::rate_limited().on("batch"));
    let mut calls = backlog(0..4, false);
    assert!(matches!(office.together(&mut calls), Outcome::Retry { .. }));
    assert_eq!(fates(&calls), [Fate::Waiting; 4], "it was not executed");
    let office = Office::open();
    office.portal.fault_command(Fault::operation_limited().on(FINISH).skip(1).times(3));
    let mut calls = backlog(0..4, false);
    assert_eq!(office.together(&mut calls), Outcome::Done);
    assert_eq!(calls[0].fate, Fate::Delivered);
    assert_eq!(calls[1].fate, Fate::Alone, "registered, and finished when the method may run again");
    assert!(!calls[1].ticket.call.is_empty() && !calls[1].ticket.in_doubt);
    assert!(matches!(office.together(&mut backlog(4..6, false)), Outcome::Held { .. }), "the method rests");
}

#[test]
fn a_backlog_leaves_the_calls_of_the_moment_some_of_a_methods_time() {
    let mut config = PortalConfig::default();
    if let Some(limit) = &mut config.operating_limit {
        limit.charged =
            vec![(FINISH.to_owned(), Duration::from_secs(30)), (REGISTER.to_owned(), Duration::from_secs(1))];
    }
    let office = Office::open_with(config);
    let mut calls = backlog(0..24, false);
    let held = loop {
        match office.together(&mut calls) {
            Outcome::Done => calls.retain(|call| call.fate != Fate::Delivered),
            Outcome::Held { after } => break after,
            other => panic!("{other:?}"),
        }
    };
    assert!(held > Duration::from_secs(100), "until the portal gives some time back: {held:?}");
    let posted = office.portal.calls().len();
    assert!((10..14).contains(&posted), "{posted} calls of 30 s make most of 420 s");
    let refused = |request: &RequestRecord| !request.succeeded();
    assert!(!office.portal.requests().iter().any(refused), "the portal never had to refuse");
    // A call of this moment still goes.
    assert_eq!(office.deliver(&mut Work::new(missed("office-1.1"))), [Outcome::Done]);
}
