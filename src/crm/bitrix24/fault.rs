//! What a failed request means: Bitrix24's error table, without I/O.
//!
//! Stands alone because it is the table that decides between repeating, looking first, waiting and giving up. The code
//! decides where there is one; telephony errors have an *empty* code and are known by how their text begins. Never the
//! HTTP status alone: the server throws 401 where the documentation says 403. "Suspend" is for what an operator has to
//! mend: calls wait meanwhile and nothing is dropped.

use super::answer::ApiError;
use super::method::Method;
use crate::crm::Outcome;
use crate::crm::http::{HttpFault, TlsFault};
use crate::limits::BACKOFF_LONGEST;
use core::time::Duration;

/// After a lost answer: the request may still be running at the portal until then.
pub(super) const SETTLE: Duration = Duration::from_secs(10);
/// The portal asks for patience without saying how much.
const SHORT: Duration = Duration::from_secs(30);
/// The clock is about to be set.
const CLOCK: Duration = Duration::from_secs(5);
/// For what only an operator can mend.
const OPERATOR: Duration = Duration::from_secs(15 * 60);
/// Portal deleted or plan not paid.
const LONG: Duration = Duration::from_secs(60 * 60);
/// The vendor has blocked the portal by hand.
const OVERLOAD: Duration = Duration::from_secs(2 * 60 * 60);

/// What an error of the portal is, as far as it changes what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Too many requests; not executed.
    TooFast,
    /// This method has used up its time; not executed.
    MethodBlocked,
    /// Blocked by hand.
    Overload,
    /// The credential is not valid any more.
    Credential,
    /// This portal takes these methods from applications only.
    NoWebhooks,
    /// The webhook lacks a scope.
    Scope,
    /// The method is not there.
    NoMethod,
    /// REST is not in the plan, or not paid.
    Plan,
    /// The user of the webhook may not do it.
    NoRight,
    /// The portal is gone or closed.
    Gone,
    /// A passing fault of theirs; not executed.
    Passing,
    /// A fault of theirs in mid-work: may have been executed.
    Doubt,
    /// The statistics could not be written: an activity may exist already.
    Database,
    /// No such user, or parameters that did not arrive.
    UserUnknown,
    /// The user was dismissed.
    UserInactive,
    /// Already finished, never registered or purged: they all look alike.
    CallNotFound,
    /// Not finished yet, or not for long.
    NotInStatistics,
    /// Nothing is left of the number.
    BadPhone,
    /// The upload's address has lapsed.
    BadLink,
    /// Access refused in words that are not known: about the portal or what stands before it, never about a call.
    Barred,
    /// The request can never succeed.
    Permanent,
}

/// Why a call of a method has no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// Our own request limit: not sent.
    Held(Duration),
    /// This machine's clock is not set: not sent, TLS could hardly succeed.
    Clock,
    /// No answer.
    Http(HttpFault),
    /// An answer that is no JSON envelope.
    Page(u16),
    /// A redirect that may not be followed; holds the new host at most.
    Moved(String),
    /// An error of the portal.
    Api {
        /// What it is.
        kind: Kind,
        /// The portal's words, credential masked.
        text: String,
        /// How long to wait, where that is known.
        wait: Option<Duration>,
    },
}

impl Kind {
    /// Sorts an error of the portal.
    pub(super) fn of(status: u16, error: &ApiError) -> Self {
        let code = error.code.to_ascii_uppercase();
        by_code(&code, &error.text).or_else(|| by_text(&error.text)).unwrap_or(match status {
            429 => Self::MethodBlocked,
            408 | 500.. => Self::Doubt,
            // Too large and not understood are about what was sent; whatever else is not allowed is about who sent it.
            413 | 422 => Self::Permanent,
            401..=499 => Self::Barred,
            _ => Self::Permanent,
        })
    }
}

fn by_code(code: &str, text: &str) -> Option<Kind> {
    Some(match code {
        "QUERY_LIMIT_EXCEEDED" => Kind::TooFast,
        "OPERATION_TIME_LIMIT" => Kind::MethodBlocked,
        "OVERLOAD_LIMIT" => Kind::Overload,
        "EXPIRED_TOKEN"
        | "NO_AUTH_FOUND"
        | "INVALID_TOKEN"
        | "INVALID_CREDENTIALS"
        | "USER_ACCESS_ERROR"
        | "AUTHORIZATION_ERROR"
        | "APPLICATION_NOT_FOUND"
        | "METHOD_CONFIRM_WAITING"
        | "METHOD_CONFIRM_DENIED" => Kind::Credential,
        "WRONG_AUTH_TYPE" => Kind::NoWebhooks,
        "INSUFFICIENT_SCOPE" => Kind::Scope,
        "ERROR_METHOD_NOT_FOUND" => Kind::NoMethod,
        "PAYMENT_REQUIRED" => Kind::Plan,
        "ACCESS_DENIED" if begins(text, "Link check failed") => Kind::BadLink,
        "ACCESS_DENIED" if text.to_ascii_lowercase().contains("commercial plan") => Kind::Plan,
        "ACCESS_DENIED" => Kind::NoRight,
        "PORTAL_DELETED" => Kind::Gone,
        "CONNECTION_ERROR" => Kind::Passing,
        "INTERNAL_SERVER_ERROR" | "ERROR_UNEXPECTED_ANSWER" => Kind::Doubt,
        _ => return None,
    })
}

fn by_text(text: &str) -> Option<Kind> {
    const TEXTS: [(&str, Kind); 7] = [
        ("Call is not found in the statistic table", Kind::NotInStatistics),
        ("Call is not found", Kind::CallNotFound),
        ("USER_ID or USER_PHONE_INNER should be set", Kind::UserUnknown),
        ("User is not found or is not active", Kind::UserInactive),
        ("Unsupported phone number format", Kind::BadPhone),
        ("Unexpected database error", Kind::Database),
        ("Link check failed", Kind::BadLink),
    ];
    TEXTS.iter().find(|(head, _)| begins(text, head)).map(|(_, kind)| *kind)
}

fn begins(text: &str, head: &str) -> bool {
    text.trim_start().get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}

impl Fault {
    /// What the portal's error was, if it was one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Api { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether the webhook's owner may not ask what was asked, and so will not find out by asking again.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.kind(), Some(Kind::NoRight | Kind::NoMethod | Kind::Scope))
    }

    /// Whether the request may have been executed.
    pub(super) fn may_have_run(&self) -> bool {
        match self {
            Self::Http(fault) => fault.may_have_run(),
            Self::Page(_) => true,
            Self::Api { kind, .. } => matches!(kind, Kind::Doubt | Kind::Database),
            Self::Held(_) | Self::Clock | Self::Moved(_) => false,
        }
    }

    /// What the schedule is told. `host` and `method` are for the text, which names the method only where the portal
    /// itself has answered: an outage is one fault, whatever was asked meanwhile.
    pub(super) fn outcome(self, host: &str, method: Method) -> Outcome {
        match self {
            Self::Held(after) => Outcome::Held { after },
            Self::Clock => suspend(CLOCK, format!("{host}: this machine's clock is not set, waiting for it (NTP)")),
            Self::Page(status) => doubt(format!("{host}: answers with a page instead of JSON (HTTP {status})")),
            Self::Moved(to) => {
                suspend(OPERATOR, format!("{host}: redirects to {to}: put the portal's new address into webhook"))
            }
            Self::Http(fault) => http_outcome(&fault, host),
            Self::Api { kind, text, wait } => kind
                .outcome(wait, format!("{host}: {method}: {}", if text.is_empty() { "no reason told" } else { &text })),
        }
    }
}

fn http_outcome(fault: &HttpFault, host: &str) -> Outcome {
    let why = format!("{host}: {fault}");
    match fault {
        HttpFault::Tls(TlsFault::Handshake) => Outcome::Retry { after: None, why },
        HttpFault::Tls(TlsFault::NotYetValid) => suspend(SHORT, why),
        HttpFault::Tls(_) => suspend(OPERATOR, why),
        fault if fault.may_have_run() => doubt(why),
        _ => Outcome::Retry { after: None, why },
    }
}

impl Kind {
    fn outcome(self, wait: Option<Duration>, why: String) -> Outcome {
        match self {
            // The gate keeps everybody waiting as long as the portal wished; a longer wait here would count as this
            // call's own.
            Self::TooFast | Self::MethodBlocked | Self::Passing => {
                retry(wait.unwrap_or(SHORT).min(BACKOFF_LONGEST), why)
            }
            Self::NotInStatistics => retry(SHORT, why),
            // A new address is asked for with the next attempt.
            Self::BadLink => retry(Duration::from_secs(1), why),
            Self::CallNotFound | Self::Doubt | Self::Database => doubt(why),
            Self::Overload => suspend(OVERLOAD, format!("{why}: the vendor has blocked the portal's REST")),
            Self::Credential => suspend(
                OPERATOR,
                format!("{why}: the webhook was edited or deleted, or its owner has left: make a new one"),
            ),
            Self::NoWebhooks => {
                suspend(OPERATOR, format!("{why}: this portal takes calls from applications only: create a local one"))
            }
            Self::Scope => suspend(OPERATOR, format!("{why}: the webhook needs the scopes telephony, crm and user")),
            Self::NoMethod => suspend(
                OPERATOR,
                format!("{why}: an old portal, a wrong address, or the webhook lacks the scope telephony"),
            ),
            Self::Plan => suspend(LONG, format!("{why}: REST is not in the portal's plan, or not paid")),
            Self::NoRight => suspend(OPERATOR, format!("{why}: the webhook's owner may not do this")),
            Self::Barred => suspend(
                OPERATOR,
                format!("{why}: the portal, or something before it, lets nothing through: ask whoever looks after it"),
            ),
            Self::Gone => suspend(LONG, format!("{why}: the portal is deleted or closed")),
            Self::UserUnknown | Self::UserInactive => {
                retry(OPERATOR, format!("{why}: set default_user to an active user"))
            }
            Self::BadPhone | Self::Permanent => Outcome::Refused { why },
        }
    }
}

/// It did not happen; again after `after`.
pub(super) fn retry(after: Duration, why: String) -> Outcome {
    Outcome::Retry { after: Some(after), why }
}

/// It may have happened.
pub(super) fn doubt(why: String) -> Outcome {
    Outcome::InDoubt { after: SETTLE, why }
}

/// The outcome of a question, which may be put again however often.
pub(super) fn not_run(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::InDoubt { after, why } => Outcome::Retry { after: Some(after), why },
        other => other,
    }
}

fn suspend(after: Duration, why: String) -> Outcome {
    Outcome::Suspend { after, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: &str, text: &str) -> Kind {
        Kind::of(status, &ApiError { code: code.to_owned(), text: text.to_owned(), reset_at: None })
    }

    #[test]
    fn telephony_errors_are_known_by_their_text_with_and_without_a_code() {
        for code in ["", "ERROR_CORE"] {
            for (text, expected) in [
                ("Call is not found (call should be registered prior to finishing", Kind::CallNotFound),
                ("Call is not found in the statistic table. It looks like", Kind::NotInStatistics),
                ("USER_ID or USER_PHONE_INNER should be set", Kind::UserUnknown),
                ("User is not found or is not active", Kind::UserInactive),
                ("Unsupported phone number format", Kind::BadPhone),
                ("Unexpected database error; field too long", Kind::Database),
                ("Unknown TYPE", Kind::Permanent),
                ("", Kind::Permanent),
            ] {
                assert_eq!(kind(400, code, text), expected, "{code} {text}");
            }
        }
    }

    #[test]
    fn the_code_decides_and_not_the_status() {
        for status in [401, 403] {
            for (code, text, expected) in [
                ("INVALID_CREDENTIALS", "Invalid request credentials", Kind::Credential),
                ("expired_token", "The access token provided has expired.", Kind::Credential),
                ("insufficient_scope", "The request requires higher privileges", Kind::Scope),
                ("WRONG_AUTH_TYPE", "Current authorization type is denied for this method", Kind::NoWebhooks),
                ("ACCESS_DENIED", "REST is available only on commercial plans.", Kind::Plan),
                ("ACCESS_DENIED", "Access denied!", Kind::NoRight),
                ("ACCESS_DENIED", "Link check failed", Kind::BadLink),
                ("PORTAL_DELETED", "", Kind::Gone),
            ] {
                assert_eq!(kind(status, code, text), expected, "{code}");
            }
        }
        assert_eq!(kind(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"), Kind::TooFast);
        assert_eq!(kind(503, "OVERLOAD_LIMIT", ""), Kind::Overload);
        assert_eq!(kind(429, "OPERATION_TIME_LIMIT", ""), Kind::MethodBlocked);
        assert_eq!(kind(500, "INTERNAL_SERVER_ERROR", ""), Kind::Doubt);
        assert_eq!(kind(502, "SOMETHING_NEW", "x"), Kind::Doubt);
        assert_eq!(kind(408, "", "Request timeout"), Kind::Doubt);
    }

    #[test]
    fn what_is_refused_in_unknown_words_is_not_taken_for_the_calls_fault() {
        for status in [401, 402, 403, 404, 405, 407, 423, 451] {
            for code in ["SERVICE_BLOCKED", "", "42"] {
                assert_eq!(kind(status, code, "Something new"), Kind::Barred, "{status} {code}");
            }
            assert_eq!(kind(status, "", "Call is not found"), Kind::CallNotFound, "known words go before the status");
        }
        for status in [200, 400, 413, 422] {
            assert_eq!(kind(status, "SOMETHING_NEW", "x"), Kind::Permanent, "{status}");
        }
    }

    fn api(kind: Kind) -> Fault {
        Fault::Api { kind, text: String::new(), wait: None }
    }

    #[test]
    fn nothing_that_may_have_run_is_ever_repeated_blindly() {
        for fault in [
            Fault::Http(HttpFault::Cut),
            Fault::Http(HttpFault::TimedOut("waiting")),
            Fault::Http(HttpFault::TooLarge),
            Fault::Http(HttpFault::Garbled),
            Fault::Page(200),
            Fault::Page(504),
            api(Kind::Doubt),
            api(Kind::Database),
        ] {
            assert!(fault.may_have_run(), "{fault:?}");
            let text = format!("{fault:?}");
            assert!(matches!(fault.outcome("h", "m"), Outcome::InDoubt { .. }), "{text}");
        }
        assert!(!Fault::Held(SHORT).may_have_run());
        assert_eq!(Fault::Held(SHORT).outcome("h", "m"), Outcome::Held { after: SHORT });
        for fault in [
            Fault::Http(HttpFault::Name),
            Fault::Http(HttpFault::NotSent(String::new())),
            api(Kind::TooFast),
            api(Kind::MethodBlocked),
        ] {
            assert!(!fault.may_have_run(), "{fault:?}");
            let text = format!("{fault:?}");
            assert!(matches!(fault.outcome("h", "m"), Outcome::Retry { .. }), "{text}");
        }
    }

    #[test]
    fn an_outage_has_one_text_whatever_was_asked() {
        let faults: [fn() -> Fault; 4] = [
            || Fault::Http(HttpFault::Cut),
            || Fault::Http(HttpFault::NotSent("connection refused".to_owned())),
            || Fault::Page(502),
            || Fault::Moved("elsewhere".to_owned()),
        ];
        for fault in faults {
            assert_eq!(fault().outcome("h", "user.get"), fault().outcome("h", "telephony.externalcall.show"));
        }
    }

    #[test]
    fn what_an_operator_must_mend_suspends_and_drops_nothing() {
        for kind in [
            Kind::Credential,
            Kind::NoWebhooks,
            Kind::Scope,
            Kind::NoMethod,
            Kind::Plan,
            Kind::NoRight,
            Kind::Gone,
            Kind::Barred,
        ] {
            assert!(matches!(api(kind).outcome("h", "m"), Outcome::Suspend { .. }), "{kind:?}");
        }
        for clock in [TlsFault::NotYetValid, TlsFault::Expired] {
            let outcome = Fault::Http(HttpFault::Tls(clock)).outcome("h", "m");
            assert!(matches!(outcome, Outcome::Suspend { why, .. } if why.contains("clock") && why.contains("NTP")));
        }
        assert!(matches!(Fault::Clock.outcome("h", "m"), Outcome::Suspend { why, .. } if why.contains("NTP")));
    }
}
