//! `telephony.externalCall.register`: its checks in the server's order, what it dedupes, what it creates.
//!
//! It stands alone because its dedupe rule is the reason for half of a connector's care: only live
//! rows, only 30 minutes, and the minutes count from `CALL_START_DATE`.

use std::time::Instant;

use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::{Call, Done, Failure};
use crate::config::{CrmMode, Entity, EntityType};
use crate::limits;
use crate::multipart::hex;
use crate::records::{Line, LiveCall};
use crate::value::Value;

/// Minutes for which a live row stands in for a repeated register.
const DEDUPE_MINUTES: i64 = 30;

pub(super) fn register(call: &mut Call<'_>) -> Result<Done, Failure> {
    let user = call.named_user()?;
    let kind = kind(call.params.at("TYPE"))?;
    let started = start_date(call)?;
    let phone = strip(&call.params.at("PHONE_NUMBER").to_text());
    // A lone "0" is false in PHP, and so is no number.
    if phone.is_empty() || phone == "0" {
        return Err(Failure::plain("Unsupported phone number format"));
    }
    let user = call.active_user(user)?;
    let line = call.params.at("LINE_NUMBER").to_text().trim().to_owned();
    ensure_line(call, &line);
    let wanted = Wanted { user, kind, phone, line, external: external_id(call), started };
    if let Some(index) = duplicate(call, &wanted) {
        return Ok(again(call, index).into());
    }
    Ok(create(call, wanted)?.into())
}

struct Wanted {
    user: u64,
    kind: i64,
    phone: String,
    line: String,
    external: Option<String>,
    started: OffsetDateTime,
}

/// `in_array(TYPE, [1, …, 5])`: a number or a numeric text.
fn kind(value: &Value) -> Result<i64, Failure> {
    let kind = match value {
        Value::Int(number) => Some(*number),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    };
    kind.filter(|kind| (1..=5).contains(kind)).ok_or_else(|| Failure::plain("Unknown TYPE"))
}

fn start_date(call: &Call<'_>) -> Result<OffsetDateTime, Failure> {
    match call.params.at("CALL_START_DATE") {
        Value::Null => Ok(call.clock.now()),
        Value::Str(text) if text.is_empty() => Ok(call.clock.now()),
        value => value
            .as_str()
            .and_then(|text| call.clock.read(text))
            .ok_or_else(|| Failure::plain("CALL_START_DATE should be in the ISO-8601 format")),
    }
}

/// What is left of a number: `0-9 # * + , ;`.
fn strip(number: &str) -> String {
    number.chars().filter(|c| c.is_ascii_digit() || "#*+,;".contains(*c)).collect()
}

fn external_id(call: &Call<'_>) -> Option<String> {
    let value = call.params.at("EXTERNAL_CALL_ID");
    value.is_set().then(|| value.to_text())
}

/// An unknown line comes into being without a name.
fn ensure_line(call: &mut Call<'_>, number: &str) {
    if number.is_empty() || call.state.lines.iter().any(|line| line.number == number) {
        return;
    }
    let id = call.state.next_id();
    call.state.lines.push(Line { id, number: number.to_owned(), name: String::new(), auto_create: true });
}

/// The live row that stands for this call. Line and external id count only when they were sent.
fn duplicate(call: &Call<'_>, wanted: &Wanted) -> Option<usize> {
    let oldest = call.clock.now() - time::Duration::minutes(DEDUPE_MINUTES);
    call.state.live.iter().position(|live| {
        live.user == wanted.user
            && live.phone == wanted.phone
            && live.kind == wanted.kind
            && live.started > oldest
            && (wanted.line.is_empty() || live.line == wanted.line)
            && (wanted.external.is_none() || live.external_call_id == wanted.external)
    })
}

fn again(call: &mut Call<'_>, index: usize) -> Value {
    let Some(live) = call.state.live.get_mut(index) else { return Value::Null };
    live.registrations += 1;
    let live = live.clone();
    if shows(call) {
        call.state.show_card(live.user, &live.call_id);
    }
    answer(&live, None, Value::Bool(false))
}

fn create(call: &mut Call<'_>, wanted: Wanted) -> Result<Value, Failure> {
    if call.state.live.len() >= limits::LIVE_CALLS {
        return Err(Failure::plain("Database error"));
    }
    let internal = call.state.user_of_extension(&wanted.phone).is_some();
    let forced = forced_entity(call);
    let known = if internal { None } else { forced.or_else(|| find_entity(call, &wanted.phone)) };
    let (created, error) = match known {
        None if !internal && call.params.at("CRM_CREATE").to_bool() => create_entities(call, &wanted),
        _ => (Vec::new(), None),
    };
    let live = LiveCall {
        call_id: call_id(call, &wanted),
        external_call_id: wanted.external,
        user: wanted.user,
        phone: wanted.phone,
        kind: wanted.kind,
        line: wanted.line,
        started: wanted.started,
        internal,
        entity: known.or_else(|| created.first().copied()),
        created,
        registrations: 1,
        registered: Instant::now(),
    };
    call.state.add_live(live.clone());
    if shows(call) {
        call.state.show_card(live.user, &live.call_id);
    }
    Ok(answer(&live, error, Value::from("")))
}

/// `isset(SHOW) ? (bool)SHOW : true`; "N" is true.
fn shows(call: &Call<'_>) -> bool {
    let show = call.params.at("SHOW");
    !show.is_set() || show.to_bool()
}

fn forced_entity(call: &Call<'_>) -> Option<(EntityType, u64)> {
    let kind = match call.params.at("CRM_ENTITY_TYPE").to_text().as_str() {
        "CONTACT" => EntityType::Contact,
        "COMPANY" => EntityType::Company,
        "LEAD" => EntityType::Lead,
        _ => return None,
    };
    let id = u64::try_from(call.params.at("CRM_ENTITY_ID").to_int()).ok().filter(|id| *id > 0)?;
    Some((kind, id))
}

/// Contacts first, then leads, then companies.
fn find_entity(call: &Call<'_>, phone: &str) -> Option<(EntityType, u64)> {
    call.state.crm.by_phone(phone).first().map(|entity| (entity.kind, entity.id))
}

fn create_entities(call: &mut Call<'_>, wanted: &Wanted) -> (Vec<(EntityType, u64)>, Option<String>) {
    let kinds: &[EntityType] = match &call.config.crm_mode {
        CrmMode::Leads => &[EntityType::Lead],
        CrmMode::ContactAndDeal => &[EntityType::Contact, EntityType::Deal],
        CrmMode::Fails(reason) => return (Vec::new(), Some(reason.clone())),
    };
    let source = call.params.at("CRM_SOURCE");
    let source = source.is_set().then(|| source.to_text());
    let mut created = Vec::new();
    for kind in kinds {
        let id = call.state.next_id();
        let name = format!("{} - {}", wanted.phone, if wanted.kind == 1 { "Outgoing call" } else { "Incoming call" });
        let (phone, source) = (wanted.phone.clone(), source.clone());
        call.state.add_entity(Entity { kind: *kind, id, name, phone, assigned_to: wanted.user, source });
        created.push((*kind, id));
    }
    (created, None)
}

/// `externalCall.<32 hex>.<unix>`.
fn call_id(call: &mut Call<'_>, wanted: &Wanted) -> String {
    let seed = format!("{}|{}|{}", call.state.next_id(), wanted.phone, call.clock.now().unix_timestamp_nanos());
    let hash = hex(digest(&SHA256, seed.as_bytes()).as_ref());
    format!("externalCall.{}.{}", hash.get(..32).unwrap_or(&hash), call.clock.now().unix_timestamp())
}

/// `untyped` is what `CRM_ENTITY_TYPE` is when there is none: the two ways through the server differ.
fn answer(live: &LiveCall, error: Option<String>, untyped: Value) -> Value {
    let lead = live.created.iter().find(|(kind, _)| *kind == EntityType::Lead).map(|(_, id)| *id);
    let created = live.created.iter();
    let created =
        created.map(|(kind, id)| Value::map([("ENTITY_TYPE", kind.name().into()), ("ENTITY_ID", (*id).into())]));
    let mut answer = Value::map([
        ("CALL_ID", live.call_id.clone().into()),
        ("CRM_CREATED_LEAD", lead.into()),
        ("CRM_CREATED_ENTITIES", Value::List(created.collect())),
        ("CRM_ENTITY_TYPE", live.entity.map_or(untyped, |(kind, _)| kind.name().into())),
        ("CRM_ENTITY_ID", live.entity.map(|(_, id)| id).into()),
    ]);
    if let Some(error) = error {
        answer.set("LEAD_CREATION_ERROR", error.into());
    }
    answer
}
