//! `voximplant.statistic.get`: the finished calls, and only those.

use time::OffsetDateTime;

use super::filter::Filter;
use super::{Call, Done, Failure, external_call, upper_keys};
use crate::records::FinishedCall;
use crate::stamp;
use crate::value::Value;

/// Which older portals do not keep.
const EXTERNAL_ID: &str = "EXTERNAL_CALL_ID";

/// The fields that a filter or an order may name.
const FIELDS: &[&str] = &[
    "ID",
    "PORTAL_USER_ID",
    "PORTAL_NUMBER",
    "PHONE_NUMBER",
    "CALL_ID",
    "EXTERNAL_CALL_ID",
    "CALL_CATEGORY",
    "CALL_DURATION",
    "CALL_START_DATE",
    "CALL_VOTE",
    "COST",
    "COST_CURRENCY",
    "CALL_FAILED_CODE",
    "CALL_FAILED_REASON",
    "CRM_ENTITY_TYPE",
    "CRM_ENTITY_ID",
    "CRM_ACTIVITY_ID",
    "CALL_TYPE",
];

pub(super) fn statistic_get(call: &mut Call<'_>) -> Result<Done, Failure> {
    if !call.config.statistics_allowed {
        return Err(Failure::access_denied());
    }
    let params = upper_keys(&call.params);
    let fields: Vec<&'static str> = FIELDS.iter().copied().filter(|field| known(call, field)).collect();
    let mut filter = Filter::new(params.at("FILTER"), &fields);
    filter.rewrite("CALL_START_DATE", |value| match call.clock.read(&value.to_text()) {
        Some(date) => sortable(date).into(),
        None => value.clone(),
    });
    let lag = call.config.statistics_lag;
    let mut rows: Vec<&FinishedCall> = call.state.finished.iter().filter(|row| row.finished.elapsed() >= lag).collect();
    rows.retain(|row| call.config.statistics_of.as_ref().is_none_or(|users| users.contains(&row.user)));
    rows.retain(|row| filter.passes(|field| field_of(row, field)));
    sort(&mut rows, &params);
    Ok(call.page(rows, |row| {
        let row = render(row);
        if known(call, EXTERNAL_ID) { row } else { without(&row, EXTERNAL_ID) }
    }))
}

fn known(call: &Call<'_>, field: &str) -> bool {
    field != EXTERNAL_ID || call.config.knows_external_ids
}

fn without(row: &Value, field: &str) -> Value {
    Value::Map(
        row.pairs().into_iter().filter(|(key, _)| key != field).map(|(key, value)| (key, value.clone())).collect(),
    )
}

/// Only a field in upper case with `ASC` or `DESC` in upper case sorts; anything else is ignored.
fn sort(rows: &mut [&FinishedCall], params: &Value) {
    let (sort, order) = (params.at("SORT").to_text(), params.at("ORDER").to_text());
    let descending = match order.trim() {
        "ASC" => false,
        "DESC" => true,
        _ => return,
    };
    let Some(field) = FIELDS.iter().find(|field| **field == sort.trim()) else { return };
    rows.sort_by_cached_key(|row| {
        let value = field_of(row, field);
        (value.to_int(), value.to_text())
    });
    if descending {
        rows.reverse();
    }
}

fn field_of(row: &FinishedCall, field: &str) -> Value {
    match field {
        "ID" => row.id.into(),
        "CALL_ID" => row.call_id().into(),
        "EXTERNAL_CALL_ID" => row.registered.external_call_id.clone().into(),
        "CALL_START_DATE" => sortable(row.registered.started).into(),
        other => render(row).at(other).clone(),
    }
}

/// A date as a number that compares as the date does.
fn sortable(date: OffsetDateTime) -> i64 {
    date.unix_timestamp()
}

/// Mostly texts, as they come from the database.
fn render(row: &FinishedCall) -> Value {
    let live = &row.registered;
    Value::map([
        ("ID", row.id.to_string().into()),
        ("PORTAL_USER_ID", row.user.to_string().into()),
        ("PORTAL_NUMBER", external_call::portal_number(live).into()),
        ("PHONE_NUMBER", live.phone.clone().into()),
        ("CALL_ID", live.call_id.clone().into()),
        ("EXTERNAL_CALL_ID", live.external_call_id.clone().into()),
        ("CALL_CATEGORY", "external".into()),
        ("CALL_LOG", Value::Null),
        ("CALL_DURATION", row.duration.to_string().into()),
        ("CALL_START_DATE", stamp::write(live.started).into()),
        ("CALL_RECORD_URL", Value::Null),
        ("CALL_VOTE", row.vote.to_string().into()),
        ("COST", format!("{:.4}", row.cost.parse::<f64>().unwrap_or(0.0)).into()),
        ("COST_CURRENCY", row.cost_currency.clone().into()),
        ("CALL_FAILED_CODE", row.status_code.clone().into()),
        ("CALL_FAILED_REASON", row.failed_reason.clone().into()),
        ("CRM_ENTITY_TYPE", live.entity.map(|(kind, _)| kind.name()).into()),
        ("CRM_ENTITY_ID", live.entity.map(|(_, id)| id.to_string()).into()),
        ("CRM_ACTIVITY_ID", row.activity.map(|id| id.to_string()).into()),
        ("REST_APP_ID", Value::Null),
        ("REST_APP_NAME", Value::Bool(false)),
        ("TRANSCRIPT_ID", Value::Null),
        ("TRANSCRIPT_PENDING", "N".into()),
        ("SESSION_ID", Value::Null),
        ("REDIAL_ATTEMPT", Value::Null),
        ("COMMENT", Value::Null),
        ("RECORD_DURATION", Value::Null),
        ("RECORD_FILE_ID", row.recording.into()),
        ("CALL_TYPE", live.kind.to_string().into()),
    ])
}
