//! The path of a request and the webhook in it.
//!
//! `/rest/USER/SECRET/METHOD`, with `.json` or a slash behind it or not. The method's name has any
//! case; user and secret are compared as they are.

use crate::config::{PortalConfig, Wording};
use crate::form;
use crate::methods::Failure;
use crate::state::State;
use crate::value::Value;

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// User and secret in the path; `None` for `/rest/METHOD`, which wants a token.
    webhook: Option<(String, String)>,
    /// The method in lower case.
    pub(crate) method: String,
    /// The method as it was sent, with its suffix.
    pub(crate) sent_method: String,
    /// The query string.
    pub(crate) query: Value,
}

/// Takes a request target apart; `None` when it is not the API.
pub(crate) fn route(target: &str) -> Option<Route> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let inner = path.strip_prefix("/rest/")?.trim_end_matches('/');
    let parts: Vec<&str> = inner.split('/').collect();
    let (webhook, method) = match parts.as_slice() {
        [method] => (None, *method),
        [user, secret, method] => (Some(((*user).to_owned(), (*secret).to_owned())), *method),
        _ => return None,
    };
    let sent_method = form::decode(method);
    let lower = sent_method.to_ascii_lowercase();
    let method = lower.strip_suffix(".json").unwrap_or(&lower).to_owned();
    Some(Route { webhook, method, sent_method, query: form::parse(query) })
}

impl Route {
    /// The user whom the webhook acts for.
    pub(crate) fn user(&self, config: &PortalConfig, state: &State) -> Result<u64, Failure> {
        let Some((user, secret)) = &self.webhook else {
            return Err(Failure::named(401, "NO_AUTH_FOUND", "Wrong authorization data"));
        };
        let known = *user == config.webhook_user.to_string() && *secret == config.webhook_secret;
        let active = i64::try_from(config.webhook_user).ok().and_then(|id| state.active_user(id));
        let status = if config.wording == Wording::Server { 401 } else { 403 };
        active
            .filter(|_| known)
            .ok_or_else(|| Failure::named(status, "INVALID_CREDENTIALS", "Invalid request credentials"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_method_has_any_case_and_a_suffix() {
        for path in ["/rest/1/s/User.Get", "/rest/1/s/user.get.json?start=50", "/rest/1/s/USER.GET/"] {
            assert_eq!(route(path).unwrap().method, "user.get", "{path}");
        }
        assert_eq!(route("/rest/1/s/upload/?token=a%7Cb").unwrap().query.at("token").to_text(), "a|b");
        assert!(route("/rest/profile").unwrap().webhook.is_none());
    }

    #[test]
    fn other_paths_are_no_api() {
        for path in ["/", "/rest", "/rest/1/s", "/rest/1/s/a/b", "*", "/crm/contact/"] {
            assert!(route(path).is_none(), "{path}");
        }
    }
}
