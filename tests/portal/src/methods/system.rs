//! The global methods: what the credential may do, what the server is.

use super::{Call, Done, Failure, find};
use crate::config::Wording;
use crate::stamp;
use crate::value::Value;

pub(super) fn scope(call: &mut Call<'_>) -> Result<Done, Failure> {
    Ok(scopes(call).into())
}

pub(super) fn server_time(call: &mut Call<'_>) -> Result<Done, Failure> {
    Ok(Value::from(stamp::write(call.clock.now())).into())
}

/// The name is compared as it is: the table has lower-case names, and nothing lowers the argument.
pub(super) fn method_get(call: &mut Call<'_>) -> Result<Done, Failure> {
    let name = call.params.at("name").to_text();
    let method = find(&name);
    let exists = method.is_some() || name == "batch";
    let available = name == "batch" || method.is_some_and(|method| method.in_scope(call.config));
    Ok(Value::map([("isExisting", exists.into()), ("isAvailable", available.into())]).into())
}

/// With a webhook the server tells scope and licence, while the documentation promises a refusal.
pub(super) fn app_info(call: &mut Call<'_>) -> Result<Done, Failure> {
    match call.config.wording {
        Wording::Server => Ok(Value::map([("SCOPE", scopes(call)), ("LICENSE", "ru_std".into())]).into()),
        Wording::Documentation => Err(Failure::named(403, "ACCESS_DENIED", "Application context required")),
    }
}

/// Methods that no webhook may call.
pub(super) fn application_only(_: &mut Call<'_>) -> Result<Done, Failure> {
    Err(Failure::wrong_auth_type())
}

fn scopes(call: &Call<'_>) -> Value {
    Value::List(call.config.scopes.iter().map(|scope| scope.clone().into()).collect())
}
