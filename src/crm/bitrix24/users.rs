//! Whose extension is it: the portal's employees, as far as they have one.
//!
//! Resolved here and not by the portal, because the portal's own look-up (USER_PHONE_INNER) is filled late for new
//! employees and cannot hold more than four digits. The configuration's table goes first. Bounds: [`CRM_USERS`]
//! employees, [`CRM_LIST_PAGES`] pages. Only a cache: a refresh that fails leaves it as it was.

use super::answer::{List, Object, User};
use super::api::Api;
use super::fault::{Fault, Kind};
use super::{method, request};
use crate::call::record::Extension;
use crate::crm::{Lane, Outcome};
use crate::limits::{CRM_LIST_PAGES, CRM_USERS, USERS_REFUSALS};
use crate::text::bounded;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};

/// Extension → user.
#[derive(Debug)]
pub(super) struct Users {
    overrides: BTreeMap<Extension, u32>,
    /// Sorted by extension.
    known: RwLock<Vec<(Extension, u32)>>,
    stale: AtomicBool,
    told: AtomicBool,
    /// How often in a row the portal refused in words that are not known.
    refusals: AtomicU8,
}

impl Users {
    pub(super) fn new(overrides: BTreeMap<Extension, u32>) -> Self {
        let (stale, told, refusals) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU8::new(0));
        Self { overrides, known: RwLock::default(), stale, told, refusals }
    }

    /// The user of `extension`.
    pub(super) fn of(&self, extension: &Extension) -> Option<u32> {
        if let Some(user) = self.overrides.get(extension) {
            return Some(*user);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let at = known.binary_search_by(|(known, _)| known.cmp(extension)).ok()?;
        known.get(at).map(|(_, user)| *user)
    }

    /// How many employees with an extension the portal told of.
    pub(super) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The portal refused a user: what is known of them is old.
    pub(super) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Whether a refresh would help.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// Whether the portal has answered the question, be it with a no. Until then an extension without a user may well
    /// have one.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Asks the portal for all employees.
    pub(super) fn refresh(&self, api: &Api) -> Outcome {
        // Whatever comes of it: the wish for this refresh has been heard, and a failed one is repeated by the schedule.
        self.stale.store(false, Ordering::Relaxed);
        let outcome = match read_all(api) {
            Ok(found) => {
                self.refusals.store(0, Ordering::Relaxed);
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = found;
                Outcome::Done
            }
            Err(fault) => self.refusal(fault, api),
        };
        if matches!(outcome, Outcome::Done | Outcome::Refused { .. }) {
            self.told.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// What a failed reading means. Where the portal will never tell, calls are posted all the same, for default_user.
    fn refusal(&self, fault: Fault, api: &Api) -> Outcome {
        let (host, kind) = (api.host(), fault.kind());
        let may_not = matches!(kind, Some(Kind::Scope | Kind::NoRight | Kind::NoMethod));
        let barred = kind == Some(Kind::Barred) && self.refusals.fetch_add(1, Ordering::Relaxed) >= USERS_REFUSALS;
        let asked = fault.may_have_run();
        match api.outcome(fault, method::USERS) {
            _ if may_not => {
                let why =
                    "the webhook may not list users (scope user): extensions are known from the configuration only";
                Outcome::Refused { why: format!("{host}: {why}") }
            }
            // This may pass: asked again as soon as the schedule allows.
            Outcome::Suspend { why, .. } if barred => {
                self.refusals.store(USERS_REFUSALS, Ordering::Relaxed);
                self.mark_stale();
                Outcome::Refused { why }
            }
            // Reading may be repeated whatever became of it.
            Outcome::InDoubt { after, why } if asked => Outcome::Retry { after: Some(after), why },
            other => other,
        }
    }
}

fn read_all(api: &Api) -> Result<Vec<(Extension, u32)>, Fault> {
    let mut found = Vec::new();
    let mut start = 0;
    for _ in 0..CRM_LIST_PAGES {
        let page = api.call::<List<Object<User>>>(Lane::Recordings, method::USERS, &request::users(start))?;
        let next = page.next;
        for user in page.result.0.into_iter().filter_map(|user| user.0) {
            found.extend(entry(&user).filter(|_| found.len() < CRM_USERS));
        }
        match next {
            Some(next) if next > start => start = next,
            _ => break,
        }
    }
    // The first of two users with one extension counts.
    found.sort_by(|a: &(Extension, u32), b| a.0.cmp(&b.0));
    found.dedup_by(|later, first| later.0 == first.0);
    found.shrink_to_fit();
    Ok(found)
}

/// An active employee with an extension.
fn entry(user: &User) -> Option<(Extension, u32)> {
    let dismissed = user.active != super::answer::Scalar::None && !user.active.is_true();
    let extension: Extension = bounded(user.uf_phone_inner.text().trim().as_bytes());
    let id = user.id.id()?;
    (!dismissed && !extension.is_empty()).then_some((extension, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(json: &str) -> Vec<Option<(String, u32)>> {
        let list: List<Object<User>> = serde_json::from_str(json).unwrap_or(List(Vec::new()));
        let entry = |user: Object<User>| user.0.as_ref().and_then(entry).map(|(ext, id)| (ext.as_str().to_owned(), id));
        list.0.into_iter().map(entry).collect()
    }

    #[test]
    fn only_active_employees_with_an_extension_count() {
        let json = r#"[{"ID":"11","ACTIVE":true,"UF_PHONE_INNER":"101"},{"ID":12,"ACTIVE":false,"UF_PHONE_INNER":"102"},
            {"ID":"13","ACTIVE":true,"UF_PHONE_INNER":null},{"ID":"14","UF_PHONE_INNER":104},{"UF_PHONE_INNER":"105"},
            {"ID":"0","ACTIVE":true,"UF_PHONE_INNER":"106"},[]]"#;
        let expected = [Some(("101".to_owned(), 11)), None, None, Some(("104".to_owned(), 14)), None, None, None];
        assert_eq!(users(json), expected);
    }

    #[test]
    fn the_configuration_goes_before_the_portal() {
        let extension = |text: &str| bounded::<24>(text.as_bytes());
        let table = Users::new(BTreeMap::from([(extension("101"), 7), (extension("50001"), 8)]));
        *table.known.write().unwrap_or_else(PoisonError::into_inner) =
            vec![(extension("101"), 11), (extension("102"), 12)];
        let of = |text: &str| table.of(&extension(text));
        assert_eq!((of("101"), of("50001"), of("102"), of("103")), (Some(7), Some(8), Some(12), None));
    }
}
