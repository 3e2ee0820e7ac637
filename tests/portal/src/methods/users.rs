//! `user.get`, `user.current` and `profile`.

use super::filter::Filter;
use super::{Call, Done, Failure, upper_keys};
use crate::config::User;
use crate::value::Value;

/// The fields that a filter may name.
const FIELDS: &[&str] = &["ID", "ACTIVE", "NAME", "LAST_NAME", "UF_PHONE_INNER", "USER_TYPE", "WORK_PHONE"];

/// Keys of `user.get` that are not fields.
const CONTROLS: &[&str] = &["FILTER", "SORT", "ORDER", "START", "ADMIN_MODE", "SELECT"];

pub(super) fn get(call: &mut Call<'_>) -> Result<Done, Failure> {
    let params = upper_keys(&call.params);
    let mut filter = Filter::new(&wanted(&params), FIELDS);
    // Everything but empty, "0" and "N" asks for the active ones; so does the text "false".
    filter.rewrite("ACTIVE", |value| Value::Bool(value.to_bool() && value.as_str() != Some("N")));
    let mut users: Vec<&User> = call.state.users.iter().collect();
    users.retain(|user| filter.passes(|field| field_of(user, field)));
    users.sort_by_key(|user| user.id);
    if params.at("ORDER").to_text().eq_ignore_ascii_case("desc") {
        users.reverse();
    }
    Ok(call.page(users, render))
}

pub(super) fn current(call: &mut Call<'_>) -> Result<Done, Failure> {
    Ok(render(caller(call)?).into())
}

pub(super) fn profile(call: &mut Call<'_>) -> Result<Done, Failure> {
    let user = caller(call)?;
    let profile = Value::map([
        ("ID", user.id.to_string().into()),
        ("ADMIN", user.admin.into()),
        ("NAME", user.name.clone().into()),
        ("LAST_NAME", user.last_name.clone().into()),
        ("PERSONAL_GENDER", "".into()),
        ("TIME_ZONE", "".into()),
        ("TIME_ZONE_OFFSET", i64::from(call.config.zone.whole_seconds()).into()),
    ]);
    Ok(profile.into())
}

fn caller<'a>(call: &'a Call<'_>) -> Result<&'a User, Failure> {
    call.state.users.iter().find(|user| user.id == call.user).ok_or_else(Failure::access_denied)
}

/// `FILTER`, or in the old style the fields among the parameters themselves.
fn wanted(params: &Value) -> Value {
    let filter = params.at("FILTER");
    if filter.is_array() {
        return filter.clone();
    }
    let fields = params.pairs().into_iter().filter(|(key, _)| !CONTROLS.contains(&key.as_str()));
    Value::Map(fields.map(|(key, value)| (key, value.clone())).collect())
}

fn field_of(user: &User, field: &str) -> Value {
    match field {
        "USER_TYPE" => "employee".into(),
        other => render(user).at(other).clone(),
    }
}

fn render(user: &User) -> Value {
    Value::map([
        ("ID", user.id.to_string().into()),
        ("ACTIVE", user.active.into()),
        ("NAME", user.name.clone().into()),
        ("LAST_NAME", user.last_name.clone().into()),
        ("EMAIL", format!("user{}@example.com", user.id).into()),
        ("IS_ONLINE", "Y".into()),
        ("WORK_PHONE", "".into()),
        ("UF_DEPARTMENT", Value::List(vec![Value::Int(1)])),
        ("UF_PHONE_INNER", user.extension.clone().into()),
        ("USER_TYPE", "employee".into()),
    ])
}
