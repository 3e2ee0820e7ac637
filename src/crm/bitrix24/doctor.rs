//! What `ringpost doctor` finds out about a portal: read-only questions, one line each.
//!
//! Stands alone because it asks what delivery never asks, and in the order in which things go wrong: name, TLS and
//! clock, credential, scopes, methods, rights, users. Stops at the first answer without which the rest means nothing.

use super::answer::{Availability, List, Object, Scalar, Statistic, User};
use super::delivery::Looked;
use super::fault::{Fault, Kind};
use super::{Bitrix24, method};
use crate::clock;
use crate::crm::{Lane, Outcome, Port};
use serde::Deserialize;
use serde_json::{Value, json};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but something will be missing.
    Warning,
    /// Calls will not arrive.
    Bad,
}

/// One line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found and, unless it is good, the remedy. No secrets.
    pub text: String,
}

/// A portal's clock may differ by that much, in seconds.
const SKEW: i64 = 60;

/// Scopes asked for, and what is missing without them.
const SCOPES: [(&str, Verdict, &str); 3] = [
    ("telephony", Verdict::Bad, "calls cannot be posted"),
    ("crm", Verdict::Warning, "recordings and clients may be missing"),
    ("user", Verdict::Warning, "extensions are known from the configuration only"),
];

/// What to do about statistics that do not show enough.
const GIVE_STATISTICS: &str = "give the webhook's owner the right \"Call statistics: view\" for all employees' calls";

impl Bitrix24 {
    /// Asks the portal everything that calls will need. Nothing is changed there.
    pub fn doctor(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        if !self.check_portal(&mut checks) {
            return checks;
        }
        let Some(owner) = self.check_profile(&mut checks) else { return checks };
        self.check_scopes(&mut checks);
        self.check_register(&mut checks);
        self.check_webhook(&mut checks);
        if let Some(recent) = self.check_statistics(&mut checks, owner.id.text()) {
            self.check_identity(&mut checks, &recent);
        }
        self.check_users(&mut checks);
        checks
    }

    /// Network, TLS and clock at once: the first answer needs them all.
    fn check_portal(&self, checks: &mut Vec<Check>) -> bool {
        match self.ask::<Scalar>(method::TIME, &json!({})) {
            Ok(time) => {
                let host = self.api.host();
                checks.push(clock_check(&host, time.text(), clock::now().wall.as_millis() / 1000));
                true
            }
            Err(fault) => {
                // Any envelope proves that the portal is there; what it says is for the next check.
                let reached = matches!(fault, Fault::Api { .. });
                if !reached {
                    checks.push(bad("portal", self.told(fault, method::TIME)));
                }
                reached
            }
        }
    }

    /// Whose the webhook is.
    fn check_profile(&self, checks: &mut Vec<Check>) -> Option<User> {
        match self.ask::<Object<User>>(method::PROFILE, &json!({})) {
            Ok(Object(Some(user))) => {
                let name = format!("{} {}", user.name.text(), user.last_name.text());
                let rank = if user.admin.is_true() { "administrator" } else { "not an administrator" };
                checks.push(good("webhook", format!("valid, acts as user {} {}, {rank}", user.id.text(), name.trim())));
                Some(user)
            }
            Ok(Object(None)) => {
                checks.push(bad("webhook", "the portal does not say whose it is".to_owned()));
                None
            }
            Err(fault) => {
                checks.push(bad("webhook", self.told(fault, method::PROFILE)));
                None
            }
        }
    }

    fn check_scopes(&self, checks: &mut Vec<Check>) {
        let granted = match self.ask::<List<Scalar>>(method::SCOPE, &json!({})) {
            Ok(granted) => granted.0,
            Err(fault) => return checks.push(warning("scopes", self.told(fault, method::SCOPE))),
        };
        let has = |scope: &str| granted.iter().any(|granted| granted.text().split('_').next() == Some(scope));
        for (scope, verdict, loss) in SCOPES.iter().filter(|(scope, ..)| !has(scope)) {
            let text = format!("{scope} is missing: {loss}: edit the webhook");
            checks.push(Check { name: "scopes", verdict: *verdict, text });
        }
        if SCOPES.iter().all(|(scope, ..)| has(scope)) {
            checks.push(good("scopes", "telephony, crm, user".to_owned()));
        }
    }

    fn check_register(&self, checks: &mut Vec<Check>) {
        let params = json!({ "name": method::REGISTER });
        checks.push(match self.ask::<Object<Availability>>(method::METHOD, &params) {
            Ok(Object(Some(found))) if found.existing.is_true() && found.available.is_true() => {
                good("telephony", "the portal takes calls".to_owned())
            }
            Ok(Object(Some(found))) if found.existing.is_true() => {
                bad("telephony", "calls are not open to this webhook: give it the scope telephony".to_owned())
            }
            Ok(_) => bad("telephony", "the portal has no telephony: update it or install the module".to_owned()),
            Err(fault) => warning("telephony", self.told(fault, method::METHOD)),
        });
    }

    /// The lines have the same check of the webhook as register and change nothing.
    fn check_webhook(&self, checks: &mut Vec<Check>) {
        checks.push(match self.ask::<List<Object<Scalar>>>(method::LINES, &json!({})) {
            Ok(lines) => good("lines", format!("calls by webhook are allowed, {} lines", lines.0.len())),
            Err(fault) => bad("lines", self.told(fault, method::LINES)),
        });
    }

    /// Whether calls can be looked up, as far as it shows: of a right that covers some employees the portal says
    /// nothing, it hides the others' calls. Returns the last calls, if they may be read.
    fn check_statistics(&self, checks: &mut Vec<Check>, owner: &str) -> Option<Vec<Statistic>> {
        let recent = match self.recent() {
            Ok(recent) => recent,
            Err(fault) => {
                let text = match fault.kind() {
                    Some(Kind::NoRight) => {
                        format!("may not be read: after a lost answer a call stays in doubt: {GIVE_STATISTICS}")
                    }
                    _ => self.told(fault, method::STATISTICS),
                };
                checks.push(bad("statistics", text));
                return None;
            }
        };
        let others = recent.iter().any(|call| call.portal_user_id.text() != owner);
        checks.push(if others {
            good(
                "statistics",
                "may be read, other employees' calls too; make sure that the right \"Call statistics: view\" is for all \
                 employees"
                    .to_owned(),
            )
        } else if recent.is_empty() {
            good(
                "statistics",
                "may be read and show no calls yet; make sure that the right \"Call statistics: view\" is for all employees"
                    .to_owned(),
            )
        } else {
            let text = format!(
                "show no calls but user {owner}'s own; if others telephone too, their calls stay in doubt after a lost \
                 answer: {GIVE_STATISTICS}"
            );
            warning("statistics", text)
        });
        Some(recent)
    }

    /// Whether a call can be found again by our identity of it. A portal that does not keep EXTERNAL_CALL_ID drops the
    /// key and answers with its whole history; one without any history says nothing either way, and to make a call for
    /// the sake of the question would leave it in the customer's CRM.
    fn check_identity(&self, checks: &mut Vec<Check>, recent: &[Statistic]) {
        let nobodys = format!("ringpost-doctor-{:016x}", fastrand::u64(..));
        let looked = self.statistic(Lane::Calls, "EXTERNAL_CALL_ID", &nobodys);
        checks.push(match looked {
            Ok(Looked::Ignored) => bad(
                "identity",
                "this portal does not keep EXTERNAL_CALL_ID: after a lost answer a call stays in doubt: update the portal"
                    .to_owned(),
            ),
            Ok(_) if recent.is_empty() => good(
                "identity",
                "the portal shows no calls yet: whether it finds them by EXTERNAL_CALL_ID shows with the first".to_owned(),
            ),
            Ok(_) => good("identity", "calls are found by EXTERNAL_CALL_ID".to_owned()),
            Err(fault) => warning("identity", self.told(fault, method::STATISTICS)),
        });
    }

    fn check_users(&self, checks: &mut Vec<Check>) {
        checks.push(match self.refresh() {
            Outcome::Done if self.users.count() > 0 => {
                good("users", format!("{} employees with an extension", self.users.count()))
            }
            Outcome::Done => warning(
                "users",
                format!(
                    "no employee has an extension: fill them in at the portal or in users; until then user {} gets \
                     every call",
                    self.settings.default_user
                ),
            ),
            other => warning("users", words(other)),
        });
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, method: method::Method, params: &Value) -> Result<T, Fault> {
        self.api.call::<T>(Lane::Calls, method, params).map(|good| good.result)
    }

    fn told(&self, fault: Fault, method: method::Method) -> String {
        words(self.api.outcome(fault, method))
    }
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => String::new(),
        Outcome::Held { .. } => "not asked: the portal wants fewer requests for now: try again in a minute".to_owned(),
        Outcome::Retry { why, .. }
        | Outcome::Suspend { why, .. }
        | Outcome::InDoubt { why, .. }
        | Outcome::Refused { why } => why,
    }
}

fn clock_check(host: &str, told: &str, ours: i64) -> Check {
    match unix_secs(told) {
        Some(theirs) if (theirs - ours).abs() > SKEW => warning(
            "portal",
            format!("{host} answers; this machine's clock differs by {} s: set it (NTP)", ours.saturating_sub(theirs)),
        ),
        _ => good("portal", format!("{host} answers, TLS and clock are right")),
    }
}

/// Seconds since 1970 of `2026-11-21T20:41:43+03:00`.
fn unix_secs(text: &str) -> Option<i64> {
    let field = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i64>().ok());
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let offset = match text.get(19..20) {
        Some("Z") => 0,
        Some(sign @ ("+" | "-")) => {
            let span = field(20, 22)?.checked_mul(3600)?.checked_add(field(23, 25)?.checked_mul(60)?)?;
            if sign == "+" { span } else { -span }
        }
        _ => return None,
    };
    // Days since 1970 of a Gregorian date, with the year beginning in March (Howard Hinnant's `days_from_civil`).
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn good(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Good, text }
}

fn warning(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Warning, text }
}

fn bad(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Bad, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_portal_are_read_with_their_offset() {
        assert_eq!(unix_secs("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_secs("2026-11-21T23:41:43+03:00"), Some(1_795_293_703));
        assert_eq!(unix_secs("2026-11-21T15:11:43-05:30"), Some(1_795_293_703));
        for bad in ["", "yesterday", "2026-11-21", "2026-11-21T23:41:43", "2026-11-21T23:41:43+", "\u{444}\u{444}"] {
            assert_eq!(unix_secs(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_told() {
        assert_eq!(clock_check("h", "1970-01-01T00:10:00Z", 590).verdict, Verdict::Good);
        let check = clock_check("h", "1970-01-01T00:10:00Z", 100);
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.text.contains("-500 s"), "{}", check.text);
    }
}
