//! Statistics, users, batch and the global methods.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod common;

use common::Bench;
use portal::{User, Value, Wording};

const STATISTIC: &str = "voximplant.statistic.get";

/// Registers and finishes calls with these external ids.
fn finished(bench: &Bench, ids: impl IntoIterator<Item = String>) -> Vec<String> {
    let calls = ids.into_iter().map(|id| {
        let call_id = bench.register(&id);
        bench.finish(&call_id).result();
        call_id
    });
    calls.collect()
}

fn ids(answer: &common::Answer) -> Vec<String> {
    answer.result().pairs().into_iter().map(|(_, row)| row.at("EXTERNAL_CALL_ID").to_text()).collect()
}

#[test]
fn statistics_hold_finished_calls_only_and_mostly_texts() {
    let bench = Bench::new();
    bench.register("live");
    finished(&bench, ["done".to_owned()]);
    let answer = bench.call(STATISTIC, "{}");
    assert_eq!(ids(&answer), ["done"]);
    let row = answer.result().at("0");
    for (key, value) in
        [("PORTAL_USER_ID", "11"), ("CALL_DURATION", "42"), ("CALL_TYPE", "2"), ("CALL_FAILED_CODE", "200")]
    {
        assert_eq!(row.at(key), &Value::from(value), "{key}");
    }
    assert_eq!(row.at("RECORD_FILE_ID"), &Value::Null);
    assert!(row.at("CALL_START_DATE").to_text().ends_with("+03:00"));
    assert_eq!(answer.body.at("total"), &Value::Int(1));
}

#[test]
fn filters_take_operators_arrays_and_any_case() {
    let bench = Bench::new();
    let calls = finished(&bench, (1..=4).map(|n| format!("gw-{n}")));
    let filtered = |filter: &str| ids(&bench.call(STATISTIC, &format!(r#"{{"filter":{filter}}}"#)));
    assert_eq!(filtered(r#"{"EXTERNAL_CALL_ID":["gw-2","gw-4","gw-9"]}"#), ["gw-2", "gw-4"]);
    assert_eq!(filtered(&format!(r#"{{"call_id":"{}"}}"#, calls[2])), ["gw-3"]);
    assert_eq!(filtered(r#"{"!EXTERNAL_CALL_ID":"gw-1","%EXTERNAL_CALL_ID":"gw"}"#), ["gw-2", "gw-3", "gw-4"]);
    assert_eq!(filtered(r#"{">=CALL_START_DATE":"2020-01-01T00:00:00+03:00"}"#).len(), 4);
    assert_eq!(filtered(r#"{"<CALL_START_DATE":"2020-01-01T00:00:00+03:00"}"#).len(), 0);
    assert_eq!(filtered(r#"{"ID":0}"#).len(), 0, "the question of the doctor");
    let form = ids(&bench.form(STATISTIC, "FILTER[EXTERNAL_CALL_ID][]=gw-1&FILTER[EXTERNAL_CALL_ID][]=gw-3"));
    assert_eq!(form, ["gw-1", "gw-3"]);
}

#[test]
fn a_filter_with_a_typo_returns_everything() {
    let bench = Bench::new();
    finished(&bench, (1..=3).map(|n| format!("gw-{n}")));
    for filter in [r#"{"EXTERNAL_ID":"gw-2"}"#, r#"{"?CALL_ID":"x"}"#, r#"{"CALL_ID":[]}"#, r#""CALL_ID=x""#] {
        let answer = bench.call(STATISTIC, &format!(r#"{{"FILTER":{filter}}}"#));
        assert_eq!(ids(&answer).len(), 3, "{filter}");
    }
}

#[test]
fn pages_hold_fifty() {
    let bench = Bench::new();
    finished(&bench, (0..103).map(|n| format!("gw-{n:03}")));
    let page = |start: i64| bench.call(STATISTIC, &format!(r#"{{"start":{start},"SORT":"ID","ORDER":"DESC"}}"#));
    let (first, last) = (page(0), page(100));
    assert_eq!((ids(&first).len(), ids(&first)[0].as_str()), (50, "gw-102"));
    assert_eq!((first.body.at("next"), first.body.at("total")), (&Value::Int(50), &Value::Int(103)));
    assert_eq!(ids(&last), ["gw-002", "gw-001", "gw-000"]);
    assert!(last.body.field("next").is_none());
    let uncounted = page(-1);
    assert_eq!(ids(&uncounted).len(), 50);
    assert!(uncounted.body.field("total").is_none());
    assert_eq!(ids(&page(30)), ids(&first), "a start inside a page is its beginning");
}

#[test]
fn statistics_hold_permitted_users_calls_only() {
    let bench = Bench::with(|config| config.statistics_of = Some(vec![12]));
    finished(&bench, ["gw-1".to_owned()]);
    let other = bench.register("gw-2");
    let params = format!(r#"{{"CALL_ID":"{other}","USER_ID":12,"DURATION":7,"STATUS_CODE":"200"}}"#);
    bench.call("telephony.externalCall.finish", &params).result();
    let told = |filter: &str| ids(&bench.call(STATISTIC, &format!(r#"{{"FILTER":{filter}}}"#)));
    assert_eq!(told("{}"), ["gw-2"]);
    assert!(told(r#"{"EXTERNAL_CALL_ID":"gw-1"}"#).is_empty(), "as if there were no such call");
}

#[test]
fn statistics_need_a_right() {
    let bench = Bench::with(|config| config.statistics_allowed = false);
    let answer = bench.call(STATISTIC, "{}");
    assert_eq!((answer.status, answer.error().0.as_str()), (403, "ACCESS_DENIED"));
}

#[test]
fn users_come_in_pages_and_by_filter() {
    let bench = Bench::with(|config| config.users.extend((100..160).map(|id| User::new(id, ""))));
    let get = |params: &str| bench.call("user.get", params);
    let first = get(r#"{"FILTER":{"ACTIVE":true,"USER_TYPE":"employee"},"start":0}"#);
    assert_eq!(
        (first.result().pairs().len(), first.body.at("total"), first.body.at("next")),
        (50, &Value::Int(70), &Value::Int(50))
    );
    assert_eq!(first.result().at("0").at("ID"), &Value::from("1"));
    assert_eq!(get(r#"{"start":50,"FILTER":{"ACTIVE":1}}"#).result().pairs().len(), 20);
    let extensions = get(r#"{"filter":{"!UF_PHONE_INNER":"","ACTIVE":"Y"}}"#);
    assert_eq!(extensions.result().pairs().len(), 9);
    assert_eq!(extensions.result().at("0").at("UF_PHONE_INNER"), &Value::from("101"));
    assert_eq!(get(r#"{"FILTER":{"@ID":[11,"12"]}}"#).result().pairs().len(), 2);
    assert_eq!(get(r#"{"ID":13}"#).result().at("0").at("UF_PHONE_INNER").to_text(), "103", "the old style");
    let dismissed = |value: &str| get(&format!(r#"{{"FILTER":{{"ACTIVE":{value},"ID":20}}}}"#)).result().pairs().len();
    assert_eq!([dismissed("false"), dismissed(r#""N""#), dismissed("0"), dismissed(r#""false""#)], [1, 1, 1, 0]);
}

#[test]
fn the_credential_can_be_asked_about_itself() {
    let bench = Bench::new();
    assert_eq!(bench.call("profile", "{}").result().at("ADMIN"), &Value::Bool(true));
    assert_eq!(bench.call("user.current", "{}").result().at("ID"), &Value::from("1"));
    assert!(bench.call("scope", "{}").result().pairs().iter().any(|(_, scope)| scope.to_text() == "telephony"));
    assert!(bench.call("server.time", "{}").result().to_text().contains('T'));
    let method = |name: &str| bench.call("method.get", &format!(r#"{{"name":"{name}"}}"#)).result().to_json();
    assert_eq!(method("telephony.externalcall.register"), r#"{"isExisting":true,"isAvailable":true}"#);
    assert_eq!(method("telephony.externalcall.dance"), r#"{"isExisting":false,"isAvailable":false}"#);
    assert!(bench.call("app.info", "{}").result().field("LICENSE").is_some());
    bench.portal.reconfigure(|config| config.wording = Wording::Documentation);
    assert_eq!(bench.call("app.info", "{}").error().0, "ACCESS_DENIED");
    assert_eq!(bench.call("event.bind", "{}").error().0, "WRONG_AUTH_TYPE");
}

const PAIR: &str = r#"{"halt":0,"cmd":{
    "r1":"telephony.externalCall.register?USER_ID=12&PHONE_NUMBER=%2B79160000001&TYPE=2&SHOW=0&EXTERNAL_CALL_ID=gw-1",
    "f1":"telephony.externalCall.finish?CALL_ID=$result[r1][CALL_ID]&USER_ID=12&DURATION=95&STATUS_CODE=200",
    "r2":"telephony.externalCall.register?USER_ID=12&PHONE_NUMBER=anonymous&TYPE=2&SHOW=0&EXTERNAL_CALL_ID=gw-2",
    "f2":"telephony.externalCall.finish?CALL_ID=$result[r2][CALL_ID]&USER_ID=12&DURATION=0",
    "a1":"telephony.externalCall.attachRecord?CALL_ID=$result[r1][CALL_ID]&FILENAME=gw-1.mp3"}}"#;

#[test]
fn a_batch_carries_a_call_through_and_one_failure_leaves_the_others() {
    let bench = Bench::new();
    let answer = bench.call("batch", PAIR);
    let (results, errors) = (answer.result().at("result"), answer.result().at("result_error"));
    assert!(results.at("a1").field("uploadUrl").is_some(), "{}", answer.body);
    assert_eq!(errors.at("r2").at("error"), &Value::from(""));
    assert_eq!(errors.at("f2").at("error").to_text(), "INVALID_ARGUMENT", "the reference gave an array");
    assert_eq!(answer.result().at("result_total"), &Value::List(vec![]));
    assert!(answer.result().at("result_time").at("f1").field("duration").is_some());
    let call = bench.portal.calls().pop().expect("a call");
    assert_eq!((call.external_call_id(), call.duration), (Some("gw-1"), 95));
    let inner = bench.portal.requests_of("telephony.externalcall.finish");
    assert!(inner.iter().all(|request| request.within.is_some()));
    assert_eq!(inner[0].params.at("CALL_ID").to_text(), call.call_id(), "references are resolved in the log");
}

#[test]
fn a_batch_in_which_all_failed_is_still_a_200() {
    let bench = Bench::new();
    let answer = bench.call("batch", r#"{"cmd":["nothing.at.all","user.get?#","batch?x=1","upload"]}"#);
    assert_eq!(answer.status, 200);
    let codes = |n: &str| answer.result().at("result_error").at(n).at("error").to_text();
    assert_eq!(codes("0"), "ERROR_METHOD_NOT_FOUND");
    assert_eq!(
        (codes("2").as_str(), codes("3").as_str()),
        ("ERROR_BATCH_METHOD_NOT_ALLOWED", "ERROR_BATCH_METHOD_NOT_ALLOWED")
    );
    assert_eq!(bench.call("batch", r#"{"cmd":{"a":"x.y"}}"#).result().at("result"), &Value::List(vec![]));
}

#[test]
fn halt_stops_a_batch() {
    let bench = Bench::new();
    let answer = bench.call("batch", &PAIR.replace(r#""halt":0"#, r#""halt":1"#));
    assert_eq!(answer.result().at("result").pairs().len(), 2);
    assert_eq!(answer.result().at("result_error").pairs().len(), 1);
    assert!(answer.result().at("result").field("a1").is_none());
}

#[test]
fn in_a_batch_a_form_is_encoded_twice() {
    let bench = Bench::new();
    let command = "telephony.externalCall.register%3FUSER_ID%3D12%26TYPE%3D2%26PHONE_NUMBER%3D";
    bench.form("batch", &format!("cmd[a]={command}%252B7916")).result();
    bench.form("batch", &format!("cmd[a]={command}%2B7917")).result();
    let phones: Vec<_> = bench.portal.live_calls().into_iter().map(|call| call.phone).collect();
    assert_eq!(phones, ["+7916", "7917"]);
}
