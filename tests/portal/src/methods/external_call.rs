//! The other methods of `telephony.externalCall`: finish, show, hide, searchCrmEntities.
//!
//! `finish` keeps the server's order of work, because the order is the trap: the activity is made
//! before the row that can fail.

use std::time::Instant;

use super::{Call, Done, Failure};
use crate::config::Entity;
use crate::limits;
use crate::records::{Activity, FinishedCall, HiddenBy, LiveCall};
use crate::state::State;
use crate::value::Value;

/// Lengths of the columns of the statistics, in characters.
const PHONE_CHARS: usize = 20;
const LINE_CHARS: usize = 50;
const REASON_CHARS: usize = 255;
const EXTERNAL_ID_CHARS: usize = 64;

pub(super) fn finish(call: &mut Call<'_>) -> Result<Done, Failure> {
    let user = call.named_user()?;
    let Some(call_id) = call.params.at("CALL_ID").as_str().map(str::to_owned) else {
        return Err(Failure::named(400, "INVALID_ARGUMENT", "CALL_ID must be a string"));
    };
    let Some(live) = call.state.live_call(&call_id).cloned() else {
        // The bracket is missing in the server, too.
        return Err(Failure::plain("Call is not found (call should be registered prior to finishing"));
    };
    let user = call.active_user(user)?;
    call.state.hide_card(user, &call_id, HiddenBy::Finish);
    live.created.iter().for_each(|created| call.state.crm.assign(*created, user));
    let mut row = row(call, live, user);
    row.activity = make_activity(call, &row);
    check_columns(&row)?;
    if call.state.finished.len() >= limits::CALLS {
        return Err(Failure::plain("Unexpected database error; the table is full"));
    }
    row.id = call.state.next_id();
    call.state.add_finished(row.clone());
    Ok(answer(&row).into())
}

pub(super) fn show(call: &mut Call<'_>) -> Result<Done, Failure> {
    let Some(live) = called(call) else { return Ok(Value::Bool(false).into()) };
    for user in listed_users(call, &live) {
        call.state.show_card(user, &live.call_id);
    }
    Ok(Value::Bool(true).into())
}

pub(super) fn hide(call: &mut Call<'_>) -> Result<Done, Failure> {
    let Some(live) = called(call) else { return Ok(Value::Bool(false).into()) };
    for user in listed_users(call, &live) {
        call.state.hide_card(user, &live.call_id, HiddenBy::Hide);
    }
    Ok(Value::Bool(true).into())
}

pub(super) fn search_crm_entities(call: &mut Call<'_>) -> Result<Done, Failure> {
    let phone = call.params.at("PHONE_NUMBER").to_text();
    if phone.is_empty() {
        return Err(Failure::plain("PHONE_NUMBER is empty"));
    }
    let found = call.state.crm.by_phone(&phone).into_iter().map(|entity| searched(call.state, entity));
    Ok(Value::List(found.collect()).into())
}

fn called(call: &Call<'_>) -> Option<LiveCall> {
    call.state.live_call(&call.params.at("CALL_ID").to_text()).cloned()
}

/// `USER_ID`: one, an array, or none for the user of register. Unknown users have no screen.
fn listed_users(call: &Call<'_>, live: &LiveCall) -> Vec<u64> {
    let value = call.params.at("USER_ID");
    if !value.is_set() {
        return vec![live.user];
    }
    let ids = if value.is_array() {
        value.pairs().into_iter().map(|(_, id)| id.to_int()).collect()
    } else {
        vec![value.to_int()]
    };
    ids.into_iter().filter_map(|id| call.state.active_user(id)).collect()
}

fn row(call: &Call<'_>, live: LiveCall, user: u64) -> FinishedCall {
    let params = &call.params;
    let duration = params.at("DURATION").to_int();
    let given = params.at("STATUS_CODE").to_text();
    // "0" is false in PHP and so is replaced as well.
    let status_code = match given.as_str() {
        "" | "0" if duration > 0 => "200".to_owned(),
        "" | "0" => "304".to_owned(),
        _ => given,
    };
    FinishedCall {
        id: 0,
        registered: live,
        user,
        duration,
        status_code,
        failed_reason: params.at("FAILED_REASON").to_text(),
        vote: params.at("VOTE").to_int(),
        cost: params.at("COST").to_text(),
        cost_currency: params.at("COST_CURRENCY").to_text(),
        in_chat: params.at("ADD_TO_CHAT").to_bool(),
        activity: None,
        recording: None,
        called_back: None,
        finished: Instant::now(),
    }
}

/// Every run makes a new one: a repeated finish after a failed insert leaves two.
fn make_activity(call: &mut Call<'_>, row: &FinishedCall) -> Option<u64> {
    let owner = row.registered.entity.filter(|entity| call.state.crm.has(*entity))?;
    let id = call.state.next_id();
    let call_id = row.registered.call_id.clone();
    call.state.activities.push(Activity {
        id,
        call_id,
        owner,
        responsible: row.user,
        missed: row.missed(),
        recording: None,
    });
    Some(id)
}

fn check_columns(row: &FinishedCall) -> Result<(), Failure> {
    let external = row.external_call_id().unwrap_or_default();
    let columns = [
        ("PHONE_NUMBER", row.registered.phone.as_str(), PHONE_CHARS),
        ("PORTAL_NUMBER", row.registered.line.as_str(), LINE_CHARS),
        ("CALL_FAILED_REASON", row.failed_reason.as_str(), REASON_CHARS),
        ("EXTERNAL_CALL_ID", external, EXTERNAL_ID_CHARS),
    ];
    match columns.into_iter().find(|(_, text, most)| text.chars().count() > *most) {
        None => Ok(()),
        Some((name, _, most)) => Err(Failure::plain(format!(
            "Unexpected database error; The length of the \"{name}\" field must not exceed {most} characters"
        ))),
    }
}

fn answer(row: &FinishedCall) -> Value {
    let live = &row.registered;
    let mut answer = Value::map([
        ("CALL_ID", live.call_id.clone().into()),
        ("EXTERNAL_CALL_ID", live.external_call_id.clone().into()),
        ("PORTAL_USER_ID", row.user.into()),
        ("PHONE_NUMBER", live.phone.clone().into()),
        ("PORTAL_NUMBER", portal_number(live).into()),
        ("INCOMING", live.kind.to_string().into()),
        ("CALL_DURATION", row.duration.into()),
        ("CALL_START_DATE", Value::EmptyObject),
        ("CALL_STATUS", i64::from(row.duration > 0).into()),
        ("CALL_VOTE", row.vote.into()),
        ("COST", row.cost.parse().map_or(Value::Int(0), Value::Float)),
        ("COST_CURRENCY", row.cost_currency.clone().into()),
        ("CALL_FAILED_CODE", row.status_code.clone().into()),
        ("CALL_FAILED_REASON", row.failed_reason.clone().into()),
        ("REST_APP_ID", Value::Null),
        ("REST_APP_NAME", Value::Bool(false)),
        ("CRM_ACTIVITY_ID", row.activity.map_or(Value::Bool(false), Value::from)),
        ("COMMENT", Value::Null),
    ]);
    if let Some((kind, id)) = live.entity {
        answer.set("CRM_ENTITY_TYPE", kind.name().into());
        answer.set("CRM_ENTITY_ID", id.into());
    }
    answer.set("ID", row.id.into());
    if row.activity.is_none() && !live.internal {
        let text = "Could not find associated crm entity for the current call";
        answer.set("ERRORS", Value::map([("ACTIVITY_CREATION", text.into())]));
    }
    answer
}

/// The line, or the application in its place.
pub(super) fn portal_number(live: &LiveCall) -> String {
    if live.line.is_empty() { "REST_APP:".to_owned() } else { live.line.clone() }
}

fn searched(state: &State, entity: &Entity) -> Value {
    let user = state.users.iter().find(|user| user.id == entity.assigned_to);
    let extension = user.and_then(|user| user.extension.clone());
    Value::map([
        ("CRM_ENTITY_TYPE", entity.kind.name().into()),
        ("CRM_ENTITY_ID", entity.id.to_string().into()),
        ("ASSIGNED_BY_ID", entity.assigned_to.to_string().into()),
        ("NAME", entity.name.clone().into()),
        (
            "ASSIGNED_BY",
            Value::map([
                ("ID", user.map(|user| user.id.to_string()).into()),
                ("TIMEMAN_STATUS", "OPENED".into()),
                ("USER_PHONE_INNER", extension.into()),
                ("WORK_PHONE", "".into()),
                ("PERSONAL_PHONE", "".into()),
                ("PERSONAL_MOBILE", "".into()),
            ]),
        ),
    ])
}
