//! The methods of the API: what each is called, which scope it needs, and the function that does it.
//!
//! A method sees a [`Call`]: the portal's memory, the parameters, who calls. It answers with a result
//! or a [`Failure`]; envelopes, limits and faults are none of its business.

mod external_call;
mod filter;
mod line;
mod record;
mod register;
mod statistic;
mod system;
mod users;

use ring::hmac;

use crate::config::{PortalConfig, Wording};
use crate::limits;
use crate::stamp::Clock;
use crate::state::State;
use crate::value::Value;

pub(crate) use record::{FIELD, Upload, upload};

/// One run of a method.
pub(crate) struct Call<'a> {
    pub(crate) config: &'a PortalConfig,
    pub(crate) state: &'a mut State,
    pub(crate) clock: Clock,
    /// The user whom the webhook acts for.
    pub(crate) user: u64,
    /// `https://host:port` as the client sees it.
    pub(crate) base: &'a str,
    pub(crate) signing: &'a hmac::Key,
    pub(crate) params: Value,
}

/// What a method returns.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) result: Value,
    pub(crate) total: Option<u64>,
    pub(crate) next: Option<u64>,
}

impl From<Value> for Done {
    fn from(result: Value) -> Self {
        Self { result, ..Self::default() }
    }
}

/// Why a method did not work.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// The `error` of a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Code {
    /// The code of an exception without one: empty in the server, `ERROR_CORE` in the documentation.
    Plain,
    /// A code that everybody agrees on.
    Named(&'static str),
}

impl Failure {
    /// What the telephony methods throw: 400 and no code.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { status: 400, code: Code::Plain, text: text.into() }
    }

    /// An error with a code.
    pub(crate) fn named(status: u16, code: &'static str, text: &str) -> Self {
        Self { status, code: Code::Named(code), text: text.to_owned() }
    }

    pub(crate) fn not_found() -> Self {
        Self::named(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
    }

    fn wrong_auth_type() -> Self {
        Self::named(403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
    }

    fn access_denied() -> Self {
        Self::named(403, "ACCESS_DENIED", "Access denied!")
    }

    /// `error` as it is sent.
    pub(crate) fn error(&self, wording: Wording) -> &'static str {
        match (self.code, wording) {
            (Code::Named(name), _) => name,
            (Code::Plain, Wording::Server) => "",
            (Code::Plain, Wording::Documentation) => "ERROR_CORE",
        }
    }
}

/// What every method is.
pub(crate) type Run = fn(&mut Call<'_>) -> Result<Done, Failure>;

/// A method of the API.
pub(crate) struct Method {
    /// Lower-case name.
    pub(crate) name: &'static str,
    /// Scopes of which one is needed; none for the global methods.
    scopes: &'static [&'static str],
    /// Whether it checks the kind of authorisation, as `register` does.
    checks_auth_type: bool,
    run: Run,
}

const TELEPHONY: &[&str] = &["telephony"];
const USER: &[&str] = &["user", "user_basic", "user_brief"];

const METHODS: &[Method] = &[
    method("telephony.externalcall.register", TELEPHONY, true, register::register),
    method("telephony.externalcall.finish", TELEPHONY, true, external_call::finish),
    method("telephony.externalcall.show", TELEPHONY, false, external_call::show),
    method("telephony.externalcall.hide", TELEPHONY, false, external_call::hide),
    method("telephony.externalcall.searchcrmentities", TELEPHONY, false, external_call::search_crm_entities),
    method("telephony.externalcall.attachrecord", TELEPHONY, false, record::attach_record),
    method("telephony.externalline.add", TELEPHONY, true, line::add),
    method("telephony.externalline.update", TELEPHONY, true, line::update),
    method("telephony.externalline.delete", TELEPHONY, true, line::delete),
    method("telephony.externalline.get", TELEPHONY, true, line::list),
    method("voximplant.statistic.get", TELEPHONY, false, statistic::statistic_get),
    method("user.get", USER, false, users::get),
    method("user.current", USER, false, users::current),
    method("profile", &[], false, users::profile),
    method("scope", &[], false, system::scope),
    method("server.time", &[], false, system::server_time),
    method("method.get", &[], false, system::method_get),
    method("app.info", &[], false, system::app_info),
    method("event.get", &[], false, system::application_only),
    method("event.bind", &[], false, system::application_only),
    method("event.unbind", &[], false, system::application_only),
    method("event.offline.get", &[], false, system::application_only),
    method("event.offline.list", &[], false, system::application_only),
    method("event.offline.clear", &[], false, system::application_only),
];

const fn method(name: &'static str, scopes: &'static [&'static str], checks_auth_type: bool, run: Run) -> Method {
    Method { name, scopes, checks_auth_type, run }
}

/// The method of this lower-case name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

impl Method {
    /// Checks scope and kind of authorisation, then runs.
    pub(crate) fn call(&self, call: &mut Call<'_>) -> Result<Done, Failure> {
        if !self.in_scope(call.config) {
            let status = if call.config.wording == Wording::Server { 401 } else { 403 };
            let text = "The request requires higher privileges than provided by the webhook token";
            return Err(Failure::named(status, "insufficient_scope", text));
        }
        if self.checks_auth_type && !call.config.webhook_may_register {
            return Err(Failure::wrong_auth_type());
        }
        (self.run)(call)
    }

    pub(crate) fn in_scope(&self, config: &PortalConfig) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| config.scopes.iter().any(|held| held == scope))
    }
}

impl Call<'_> {
    /// The user meant by `USER_ID`, or else by `USER_PHONE_INNER`. As in the server, an id is taken
    /// as it is, while an extension is only known for an active employee whose profile was indexed.
    fn named_user(&self) -> Result<i64, Failure> {
        let id = self.params.at("USER_ID").to_int();
        if id != 0 {
            return Ok(id);
        }
        let extension = self.params.at("USER_PHONE_INNER").to_text();
        let mut users = self.state.users.iter().filter(|user| user.active && user.extension_indexed);
        let found = users.find(|user| !extension.is_empty() && user.extension.as_deref() == Some(&*extension));
        found
            .and_then(|user| i64::try_from(user.id).ok())
            .ok_or_else(|| Failure::plain("USER_ID or USER_PHONE_INNER should be set"))
    }

    fn active_user(&self, id: i64) -> Result<u64, Failure> {
        self.state.active_user(id).ok_or_else(|| Failure::plain("User is not found or is not active"))
    }

    /// Cuts one page of 50 out of `rows`, as `start` says: -1 is the first page uncounted.
    fn page<T>(&self, rows: Vec<T>, render: impl Fn(T) -> Value) -> Done {
        let start = self.params.at("start").to_int();
        let total = rows.len();
        let first = usize::try_from(start).unwrap_or(0) / limits::PAGE * limits::PAGE;
        let page: Vec<Value> = rows.into_iter().skip(first).take(limits::PAGE).map(render).collect();
        let next = first + limits::PAGE;
        Done {
            result: Value::List(page),
            total: (start >= 0).then_some(total as u64),
            next: (start >= 0 && next < total).then_some(next as u64),
        }
    }
}

/// `params` with the keys of its first level in upper case, as some methods do it.
fn upper_keys(params: &Value) -> Value {
    Value::Map(params.pairs().into_iter().map(|(key, value)| (key.to_uppercase(), value.clone())).collect())
}
