//! register, finish, show, hide, lines: what they check, what they dedupe, what they leave behind.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod common;

use common::Bench;
use portal::{CrmMode, Entity, EntityType, HiddenBy, User, Value, Wording};

const REGISTER: &str = "telephony.externalCall.register";
const FINISH: &str = "telephony.externalCall.finish";

fn contact() -> Entity {
    Entity {
        kind: EntityType::Contact,
        id: 77,
        name: "Anna".to_owned(),
        phone: "8 (916) 123-45-67".to_owned(),
        assigned_to: 12,
        source: None,
    }
}

#[test]
fn a_call_goes_through_and_lands_in_the_statistics() {
    let bench = Bench::with(|config| config.entities.push(contact()));
    let call_id = bench.register("gw-1.1");
    assert!(call_id.starts_with("externalCall."), "{call_id}");
    let row = bench.finish(&call_id);
    assert_eq!(row.status, 200);
    assert_eq!(row.result().at("INCOMING"), &Value::from("2"));
    assert_eq!(row.result().at("CALL_START_DATE"), &Value::Map(vec![]), "a date object without fields");
    assert_eq!(row.result().at("CRM_ENTITY_TYPE"), &Value::from("CONTACT"));
    assert!(row.body.at("time").field("operating").is_some());
    let calls = bench.portal.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].user, calls[0].duration, calls[0].status_code.as_str()), (11, 42, "200"));
    assert_eq!(calls[0].registered.line, "74951112233");
    assert!(calls[0].in_chat);
    assert_eq!(bench.portal.activities().len(), 1);
    assert!(bench.portal.live_calls().is_empty());
    assert_eq!(bench.portal.look(|state| state.lines().len()), 1, "the line came into being");
}

#[test]
fn finish_of_what_is_not_live_has_an_empty_code() {
    let bench = Bench::new();
    let call_id = bench.register("gw-1.1");
    bench.finish(&call_id);
    for id in [call_id.as_str(), "externalCall.unknown"] {
        let answer = bench.finish(id);
        assert_eq!(answer.status, 400);
        let text = "Call is not found (call should be registered prior to finishing".to_owned();
        assert_eq!(answer.error(), (String::new(), text));
    }
    bench.portal.reconfigure(|config| config.wording = Wording::Documentation);
    assert_eq!(bench.finish(&call_id).error().0, "ERROR_CORE");
}

#[test]
fn finish_looks_at_the_user_before_the_call() {
    let bench = Bench::new();
    let finish = |params: &str| bench.call(FINISH, params).error();
    let plain = |text: &str| (String::new(), text.to_owned());
    assert_eq!(finish(r#"{"CALL_ID":"x"}"#), plain("USER_ID or USER_PHONE_INNER should be set"));
    assert_eq!(finish(r#"{"USER_ID":11}"#), ("INVALID_ARGUMENT".to_owned(), "CALL_ID must be a string".to_owned()));
    assert_eq!(finish(r#"{"USER_ID":11,"CALL_ID":7}"#).0, "INVALID_ARGUMENT");
    let call_id = bench.register("gw-1.1");
    let dismissed = format!(r#"{{"USER_ID":20,"CALL_ID":"{call_id}"}}"#);
    assert_eq!(finish(&dismissed), plain("User is not found or is not active"));
    assert_eq!(bench.portal.live_calls().len(), 1);
}

#[test]
fn register_refuses_in_the_order_of_the_server() {
    let bench = Bench::new();
    for (params, expected) in [
        (r#"{}"#, "USER_ID or USER_PHONE_INNER should be set"),
        (r#"{"USER_PHONE_INNER":"110"}"#, "USER_ID or USER_PHONE_INNER should be set"),
        (r#"{"USER_ID":11}"#, "Unknown TYPE"),
        (r#"{"USER_ID":11,"TYPE":6}"#, "Unknown TYPE"),
        (r#"{"USER_ID":11,"TYPE":2,"CALL_START_DATE":"today"}"#, "CALL_START_DATE should be in the ISO-8601 format"),
        (r#"{"USER_ID":11,"TYPE":2}"#, "Unsupported phone number format"),
        (r#"{"USER_ID":11,"TYPE":2,"PHONE_NUMBER":"anonymous"}"#, "Unsupported phone number format"),
        (r#"{"USER_ID":11,"TYPE":2,"PHONE_NUMBER":"0"}"#, "Unsupported phone number format"),
        (r#"{"USER_ID":20,"TYPE":2,"PHONE_NUMBER":"000"}"#, "User is not found or is not active"),
        (r#"{"USER_ID":999,"TYPE":2,"PHONE_NUMBER":"000"}"#, "User is not found or is not active"),
    ] {
        let answer = bench.call(REGISTER, params);
        assert_eq!((answer.status, answer.error()), (400, (String::new(), expected.to_owned())), "{params}");
    }
    assert!(bench.portal.live_calls().is_empty());
}

#[test]
fn the_extension_finds_a_user_only_once_it_is_indexed() {
    let bench = Bench::new();
    let params = r#"{"USER_PHONE_INNER":"105","TYPE":"2","PHONE_NUMBER":"+79160000000"}"#;
    bench.call(REGISTER, params).result();
    assert_eq!(bench.portal.live_calls()[0].user, 15);
    bench.portal.set_user(User { extension_indexed: false, ..User::new(15, "105") });
    assert_eq!(bench.call(REGISTER, params).error().1, "USER_ID or USER_PHONE_INNER should be set");
}

#[test]
fn parameters_are_case_sensitive_and_methods_are_not() {
    let bench = Bench::new();
    let lower = bench.call("TELEPHONY.externalcall.REGISTER.json", r#"{"user_id":11,"TYPE":2,"PHONE_NUMBER":"1234"}"#);
    assert_eq!(lower.error().1, "USER_ID or USER_PHONE_INNER should be set");
}

#[test]
fn malformed_json_is_no_parameters() {
    let bench = Bench::new();
    let broken = r#"{"USER_ID":11,"TYPE":2,"PHONE_NUMBER":"1234""#;
    assert_eq!(bench.call(REGISTER, broken).error().1, "USER_ID or USER_PHONE_INNER should be set");
    let url = format!("{}{REGISTER}", bench.portal.webhook_url());
    let latin: &[u8] = b"{\"USER_ID\":11,\"TYPE\":2,\"PHONE_NUMBER\":\"1234\",\"X\":\"\xe9\"}";
    let answer = bench.post(&url, "application/json", latin).expect("an answer");
    assert_eq!(answer.error().1, "USER_ID or USER_PHONE_INNER should be set");
}

#[test]
fn in_a_form_a_plus_is_a_space() {
    let bench = Bench::new();
    bench.form(REGISTER, "USER_ID=11&TYPE=2&PHONE_NUMBER=+79161234567&SHOW=0").result();
    bench.form(REGISTER, "USER_ID=11&TYPE=2&PHONE_NUMBER=%2B79161234567&SHOW=0").result();
    let phones: Vec<_> = bench.portal.live_calls().into_iter().map(|call| call.phone).collect();
    assert_eq!(phones, ["79161234567", "+79161234567"]);
}

#[test]
fn a_live_row_stands_in_for_a_repeated_register() {
    let bench = Bench::new();
    let first = bench.register("gw-1.1");
    assert_eq!(bench.register("gw-1.1"), first);
    assert_ne!(bench.register("gw-1.2"), first, "another call of the same client");
    let live = bench.portal.live_calls();
    assert_eq!(live.iter().map(|call| call.registrations).collect::<Vec<_>>(), [2, 1]);
    let answer = bench.call(
        REGISTER,
        r#"{"USER_ID":12,"PHONE_NUMBER":"+79161234567","TYPE":2,"LINE_NUMBER":"74951112233","EXTERNAL_CALL_ID":"gw-1.1"}"#,
    );
    assert_ne!(answer.result().at("CALL_ID").to_text(), first, "another user is another call");
}

#[test]
fn without_an_external_id_two_calls_of_a_client_merge() {
    let bench = Bench::new();
    let params = r#"{"USER_ID":11,"PHONE_NUMBER":"+79161234567","TYPE":2}"#;
    let id = |bench: &Bench| bench.call(REGISTER, params).result().at("CALL_ID").to_text();
    let (first, second) = (id(&bench), id(&bench));
    assert_eq!(first, second);
    bench.finish(&first).result();
    assert_eq!(bench.finish(&second).status, 400, "the second finish finds nothing");
}

#[test]
fn dedupe_ends_with_finish_and_with_thirty_minutes_of_start_date() {
    let bench = Bench::new();
    let first = bench.register("gw-1.1");
    bench.finish(&first);
    assert_ne!(bench.register("gw-1.1"), first, "after finish the same id is a new call");
    let old = r#"{"USER_ID":13,"PHONE_NUMBER":"+79169999999","TYPE":2,"SHOW":0,"EXTERNAL_CALL_ID":"gw-old",
        "CALL_START_DATE":"2020-01-01T10:00:00+03:00"}"#;
    let id = || bench.call(REGISTER, old).result().at("CALL_ID").to_text();
    assert_ne!(id(), id(), "a buffered call is never deduped");
}

#[test]
fn a_start_date_without_offset_is_in_the_portals_zone() {
    let bench = Bench::new();
    let params = r#"{"USER_ID":11,"PHONE_NUMBER":"1234","TYPE":2,"CALL_START_DATE":"2026-03-10T11:19:38"}"#;
    bench.call(REGISTER, params).result();
    assert_eq!(bench.portal.live_calls()[0].started.to_string(), "2026-03-10 11:19:38.0 +03:00:00");
}

#[test]
fn cards_come_up_and_go_away_one_by_one() {
    let bench = Bench::new();
    let call_id = bench.register("gw-1.1");
    let ids = format!(r#"{{"CALL_ID":"{call_id}","USER_ID":[12,"14",999]}}"#);
    assert_eq!(bench.call("telephony.externalCall.show", &ids).result(), &Value::Bool(true));
    let users = |bench: &Bench| bench.portal.cards().iter().map(|card| card.user).collect::<Vec<_>>();
    assert_eq!(users(&bench), [11, 12, 14], "the user of register, then those shown");
    let one = format!(r#"{{"CALL_ID":"{call_id}","USER_ID":12}}"#);
    bench.call("telephony.externalCall.hide", &one).result();
    bench.finish(&call_id).result();
    let hidden: Vec<_> = bench.portal.cards().iter().map(|card| card.hidden_by).collect();
    assert_eq!(hidden, [Some(HiddenBy::Finish), Some(HiddenBy::Hide), None], "finish hides for its own user only");
    let late = bench.call("telephony.externalCall.hide", &ids);
    assert_eq!((late.status, late.result()), (200, &Value::Bool(false)));
    assert_eq!(bench.call("telephony.externalCall.show", &ids).result(), &Value::Bool(false));
}

#[test]
fn show_is_true_unless_php_says_false() {
    let bench = Bench::new();
    let shows = [(r#""N""#, 1), (r#""false""#, 1), ("0", 0), (r#""0""#, 0), ("false", 0), ("null", 1)];
    for (number, (show, cards)) in shows.into_iter().enumerate() {
        let before = bench.portal.cards().len();
        let params = format!(r#"{{"USER_ID":11,"PHONE_NUMBER":"7916000{number}","TYPE":2,"SHOW":{show}}}"#);
        bench.call(REGISTER, &params).result();
        assert_eq!(bench.portal.cards().len() - before, cards, "SHOW {show}");
    }
}

#[test]
fn an_over_long_field_fails_after_the_activity_was_made() {
    let bench = Bench::with(|config| config.entities.push(contact()));
    let call_id = bench.register("gw-1.1");
    let reason = "x".repeat(256);
    let params = format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"DURATION":5,"FAILED_REASON":"{reason}"}}"#);
    for tries in 1..=3 {
        let answer = bench.call(FINISH, &params);
        assert_eq!(answer.status, 400);
        assert!(answer.error().1.starts_with("Unexpected database error; "), "{}", answer.body);
        assert_eq!(bench.portal.activities().len(), tries, "each try adds one");
    }
    assert!(bench.portal.calls().is_empty());
    let cyrillic = "ж".repeat(255);
    let params = format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"DURATION":5,"FAILED_REASON":"{cyrillic}"}}"#);
    bench.call(FINISH, &params).result();
    assert_eq!(bench.portal.calls()[0].failed_reason, cyrillic, "characters count, not bytes");
}

#[test]
fn numbers_lines_and_external_ids_have_lengths_too() {
    for (name, long) in [("PHONE_NUMBER", 21), ("LINE_NUMBER", 51), ("EXTERNAL_CALL_ID", 65)] {
        let bench = Bench::new();
        let mut params =
            Value::map([("USER_ID", Value::Int(11)), ("TYPE", Value::Int(2)), ("PHONE_NUMBER", "123".into())]);
        params.set(name, "1".repeat(long).into());
        let call_id = bench.call(REGISTER, &params.to_json()).result().at("CALL_ID").to_text();
        assert!(bench.finish(&call_id).error().1.starts_with("Unexpected database error"), "{name}");
        params.set(name, "1".repeat(long - 1).into());
        let call_id = bench.call(REGISTER, &params.to_json()).result().at("CALL_ID").to_text();
        bench.finish(&call_id).result();
    }
}

#[test]
fn status_and_chat_have_the_servers_defaults() {
    let bench = Bench::new();
    for (duration, status) in [(0, "304"), (5, "200")] {
        let call_id = bench.register(&format!("gw-{duration}"));
        let params = format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"DURATION":{duration}}}"#);
        bench.call(FINISH, &params).result();
        let call = bench.portal.calls().pop().expect("a call");
        assert_eq!((call.status_code.as_str(), call.in_chat), (status, false));
    }
}

#[test]
fn create_makes_one_lead_and_finds_it_again() {
    let bench = Bench::new();
    let params = |id: &str| {
        format!(
            r#"{{"USER_ID":11,"PHONE_NUMBER":"+79165550000","TYPE":2,"CRM_CREATE":1,"CRM_SOURCE":"CALL","EXTERNAL_CALL_ID":"{id}"}}"#
        )
    };
    let first = bench.call(REGISTER, &params("a"));
    let lead = first.result().at("CRM_CREATED_LEAD").clone();
    assert!(lead.to_int() > 0);
    assert_eq!(first.result().at("CRM_CREATED_ENTITIES").pairs().len(), 1);
    let second = bench.call(REGISTER, &params("b"));
    assert_eq!(second.result().at("CRM_CREATED_LEAD"), &Value::Null);
    assert_eq!(second.result().at("CRM_ENTITY_ID"), &lead);
    let call_id = first.result().at("CALL_ID").to_text();
    bench.call(FINISH, &format!(r#"{{"CALL_ID":"{call_id}","USER_ID":14,"DURATION":5}}"#)).result();
    assert_eq!(bench.portal.look(|state| state.entities()[0].assigned_to), 14, "the last talker is responsible");
}

#[test]
fn without_a_record_of_the_crm_there_is_no_activity_and_no_error() {
    let bench = Bench::new();
    let call_id = bench.register("gw-1.1");
    let answer = bench.finish(&call_id);
    let error = answer.result().at("ERRORS").at("ACTIVITY_CREATION").to_text();
    assert_eq!(error, "Could not find associated crm entity for the current call");
    assert!(bench.portal.activities().is_empty());
    assert_eq!(bench.portal.calls().len(), 1);
}

#[test]
fn a_lead_that_cannot_be_created_does_not_stop_the_call() {
    let bench = Bench::with(|config| config.crm_mode = CrmMode::Fails("Lead creation is disabled".to_owned()));
    let answer = bench.call(REGISTER, r#"{"USER_ID":11,"PHONE_NUMBER":"+79165550000","TYPE":2,"CRM_CREATE":1}"#);
    assert_eq!(answer.result().at("LEAD_CREATION_ERROR").to_text(), "Lead creation is disabled");
    assert_eq!(bench.portal.live_calls().len(), 1);
}

#[test]
fn an_extension_as_number_is_an_internal_call() {
    let bench = Bench::new();
    let answer = bench.call(REGISTER, r#"{"USER_ID":11,"PHONE_NUMBER":"102","TYPE":1,"CRM_CREATE":1}"#);
    assert_eq!(answer.result().at("CRM_CREATED_LEAD"), &Value::Null);
    assert!(bench.portal.live_calls()[0].internal);
}

#[test]
fn a_missed_call_leaves_a_missed_activity() {
    let bench = Bench::with(|config| config.entities.push(contact()));
    let call_id = bench.register("gw-1.1");
    bench.call(FINISH, &format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"STATUS_CODE":"304"}}"#)).result();
    assert!(bench.portal.activities()[0].missed);
}

#[test]
fn calling_back_clears_a_missed_call_of_the_same_text_only() {
    let bench = Bench::new();
    let call = |kind: i64, phone: &str, status: &str| {
        let params = format!(r#"{{"USER_ID":11,"PHONE_NUMBER":"{phone}","TYPE":{kind}}}"#);
        let call_id = bench.call(REGISTER, &params).result().at("CALL_ID").to_text();
        bench.call(FINISH, &format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"STATUS_CODE":"{status}"}}"#)).result();
    };
    call(2, "+79161234567", "304");
    let cleared = || bench.portal.calls()[0].called_back.is_some();
    call(1, "79161234567", "200");
    call(1, "+79161234567", "486");
    assert!(!cleared());
    call(1, "+79161234567", "200");
    assert!(cleared());
}

#[test]
fn a_search_names_the_responsible_employee() {
    let bench = Bench::with(|config| config.entities.push(contact()));
    let search = |params: &str| bench.call("telephony.externalCall.searchCrmEntities", params);
    let found = search(r#"{"PHONE_NUMBER":"+7 916 123-45-67"}"#);
    let first = found.result().at("0");
    assert_eq!(first.at("CRM_ENTITY_ID"), &Value::from("77"), "an id as text");
    assert_eq!(first.at("ASSIGNED_BY").at("USER_PHONE_INNER").to_text(), "102");
    assert_eq!(search(r#"{"PHONE_NUMBER":"+70000000000"}"#).result(), &Value::List(vec![]));
    assert_eq!(search("{}").error().1, "PHONE_NUMBER is empty");
}

#[test]
fn lines_are_added_changed_and_deleted() {
    let bench = Bench::new();
    let line = |what: &str, params: &str| bench.call(&format!("telephony.externalLine.{what}"), params);
    assert_eq!(line("add", "{}").error().1, "NUMBER should not be empty");
    assert!(line("add", r#"{"NUMBER":"7495","NAME":"Office"}"#).result().at("ID").to_int() > 0);
    assert_eq!(line("add", r#"{"NUMBER":"7495"}"#).error().1, "Line already exists");
    assert_eq!(line("update", r#"{"NUMBER":"7495"}"#).error().1, "There are no fields to update");
    assert_eq!(line("update", r#"{"NUMBER":"8","NAME":"x"}"#).error().1, "Could not find line with number 8");
    line("update", r#"{"NUMBER":"7495","CRM_AUTO_CREATE":"N"}"#).result();
    let all = line("get", "{}");
    assert_eq!(all.result().to_json(), r#"[{"NUMBER":"7495","NAME":"Office","CRM_AUTO_CREATE":"N"}]"#);
    assert_eq!(line("delete", r#"{"NUMBER":"7495"}"#).result(), &Value::List(vec![]));
    assert_eq!(line("get", "{}").result(), &Value::List(vec![]));
}
