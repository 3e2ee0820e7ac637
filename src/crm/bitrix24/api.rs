//! One portal on the wire: sends a method's parameters, reads the envelope, minds the limits.
//!
//! The thin shell between the pure builders and readers and [`Http`]: it owns the portal's address (which a renaming
//! changes), the request limit and what the portal said of its methods' time and of the time of day. One request per
//! call, no retries: a repeated request is somebody else's decision. Never prints the address.

use super::address::Address;
use super::answer::{ApiError, Good, Reply, envelope};
use super::batch::{self, Commands};
use super::fault::{Fault, Kind};
use super::hour::Hour;
use super::method::{BATCH, FINISH, Method, REGISTER, UPLOAD};
use crate::clock::{self, Stamp};
use crate::crm::bucket::Gate;
use crate::crm::http::{Allowance, Answer, Http, HttpFault, Upload};
use crate::crm::{Lane, Outcome};
use crate::limits::{
    BLOCKED_METHODS, CRM_ANSWER_BYTES, CRM_CARD_TIMEOUT, CRM_METHOD_BLOCK, CRM_METHOD_BLOCK_MAX, CRM_REQUEST_TIMEOUT,
};
use core::time::Duration;
use heapless::Vec;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::Read;
use std::sync::{Mutex, PoisonError, RwLock};

/// A portal.
#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    address: RwLock<Address>,
    /// Host of the address in the configuration.
    configured: String,
    gate: Gate,
    resets: Mutex<Vec<(Method, u64), BLOCKED_METHODS>>,
    hour: Mutex<Hour>,
    /// Time allowed for a request about a card, and for any other but an upload.
    times: (Duration, Duration),
}

impl Api {
    pub(super) fn new(http: Http, address: Address) -> Self {
        let times = (CRM_CARD_TIMEOUT, CRM_REQUEST_TIMEOUT);
        let configured = address.host().to_owned();
        let (address, gate) = (RwLock::new(address), Gate::default());
        Self { http, address, configured, gate, resets: Mutex::default(), hour: Mutex::default(), times }
    }

    pub(super) fn with_times(self, card: Duration, request: Duration) -> Self {
        Self { times: (card, request), ..self }
    }

    /// Calls `method`.
    pub(super) fn call<T>(&self, lane: Lane, method: Method, params: &Value) -> Result<Good<T>, Fault>
    where
        T: for<'de> Deserialize<'de>,
    {
        let body = serde_json::to_vec(params).unwrap_or_default();
        let time = if lane == Lane::Cards { self.times.0 } else { self.times.1 };
        let allowance = Allowance { time, answer: CRM_ANSWER_BYTES };
        self.enter(lane, method)?;
        let address = self.address();
        let answer = self.http.post_json(&address.method(method), &body, allowance).map_err(Fault::Http)?;
        let answer = if (300..400).contains(&answer.status) {
            let moved = self.follow(&address, method, &answer)?;
            self.enter(lane, method)?;
            self.http.post_json(&moved.method(method), &body, allowance).map_err(Fault::Http)?
        } else {
            answer
        };
        self.judge(method, &answer)
    }

    /// Runs several commands with one request.
    pub(super) fn batch(&self, commands: &Commands) -> Result<batch::Answer, Fault> {
        let now = clock::now().mono;
        for method in [REGISTER, FINISH] {
            let wait = self.gate.with(|bucket| bucket.blocked_for(method, now));
            if !wait.is_zero() {
                return Err(Fault::Held(wait));
            }
        }
        Ok(self.call(Lane::Calls, BATCH, &commands.params())?.result)
    }

    /// A command of a batch that failed.
    pub(super) fn refused_command(&self, method: Method, error: &ApiError) -> Fault {
        // The request itself went well; a command has no status of its own.
        self.refused(method, &Answer { status: 400, ..Answer::default() }, error)
    }

    /// How long until this moment, in seconds since 1970 by the portal's clock; none when it is over.
    pub(super) fn until(&self, moment: u64) -> Option<Duration> {
        let now = u64::try_from(self.dated(clock::now()).wall.as_millis() / 1000).unwrap_or(0);
        Some(moment.saturating_sub(now)).filter(|secs| *secs > 0).map(Duration::from_secs)
    }

    /// Uploads to `url`, which must lead to this portal.
    pub(super) fn upload<T, R>(&self, url: &str, upload: Upload<R>, time: Duration) -> Result<Good<T>, Fault>
    where
        T: for<'de> Deserialize<'de>,
        R: Read,
    {
        if !self.address().leads_home(url) {
            let text = "the portal wants the recording elsewhere than at itself".to_owned();
            return Err(Fault::Api { kind: Kind::Permanent, text, wait: None });
        }
        self.enter(Lane::Recordings, UPLOAD)?;
        let allowance = Allowance { time, answer: CRM_ANSWER_BYTES };
        let answer = self.http.post_upload(url, upload, allowance).map_err(Fault::Http)?;
        self.judge(UPLOAD, &answer)
    }

    /// The schedule's word for a fault of `method`.
    pub(super) fn outcome(&self, fault: Fault, method: Method) -> Outcome {
        fault.outcome(self.address().host(), method)
    }

    /// The portal's host, as it may be printed.
    pub(super) fn host(&self) -> String {
        self.address().host().to_owned()
    }

    /// This moment with the time of day by which calls of this portal are dated.
    pub(super) fn dated(&self, now: Stamp) -> Stamp {
        self.with_hour(|hour| hour.dated(now))
    }

    /// What to do about a clock that the portal contradicts.
    pub(super) fn clock_notice(&self) -> Option<String> {
        let host = self.host();
        self.with_hour(|hour| hour.disagreement(clock::now())).map(|words| format!("{host}: {words}"))
    }

    fn with_hour<T>(&self, ask: impl FnOnce(&mut Hour) -> T) -> T {
        ask(&mut self.hour.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What to do about a portal that was renamed: the new name is known to this process only.
    pub(super) fn renamed(&self) -> Option<String> {
        let (was, is) = (&self.configured, self.host());
        (*was != is).then(|| renamed(was, &is))
    }

    fn address(&self) -> Address {
        self.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn enter(&self, lane: Lane, method: Method) -> Result<(), Fault> {
        if !self.with_hour(|hour| hour.may_ask(clock::now())) {
            return Err(Fault::Clock);
        }
        self.gate.pass(lane, method).map_err(Fault::Held)
    }

    fn follow(&self, address: &Address, method: Method, answer: &Answer) -> Result<Address, Fault> {
        let location = answer.location.as_deref().unwrap_or_default();
        let Some(moved) = address.moved(location, method) else {
            let host = location.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '@']).next());
            return Err(Fault::Moved(address.masked(host.unwrap_or("another page"))));
        };
        log::warn!("{}", renamed(&self.configured, moved.host()));
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = moved.clone();
        Ok(moved)
    }

    fn judge<T>(&self, method: Method, answer: &Answer) -> Result<Good<T>, Fault>
    where
        T: for<'de> Deserialize<'de>,
    {
        // What does not depend on the type is left to others: this is made anew for each.
        let Good { result, next, reset_at, finished_at } = self.opened(method, answer)?;
        let Ok(result) = serde_json::from_str(result.get()) else { return Err(self.unreadable(method, answer)) };
        self.went_well(method, reset_at, finished_at);
        Ok(Good { result, next, reset_at, finished_at })
    }

    fn opened<'a>(&self, method: Method, answer: &'a Answer) -> Result<Good<&'a RawValue>, Fault> {
        match envelope(&answer.body) {
            Reply::Good(good) if answer.status < 300 => Ok(good),
            Reply::Error(error) => Err(self.refused(method, answer, &error)),
            _ => Err(self.unreadable(method, answer)),
        }
    }

    fn unreadable(&self, method: Method, answer: &Answer) -> Fault {
        // Nothing in front of the portal lets a request through and answers 429.
        match answer.status {
            429 => self.refused(method, answer, &ApiError::default()),
            status => Fault::Page(status),
        }
    }

    fn went_well(&self, method: Method, reset_at: Option<u64>, finished_at: Option<u64>) {
        let now = clock::now();
        self.gate.with(|bucket| bucket.went_well(now.mono));
        if let Some(secs) = finished_at {
            let news = self.with_hour(|hour| hour.heard(secs, now));
            news.into_iter().for_each(|words| log::warn!("{}: {words}", self.host()));
        }
        let Some(reset_at) = reset_at else { return };
        let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        match resets.iter_mut().find(|(name, _)| *name == method) {
            Some((_, at)) => *at = reset_at,
            // A method beyond the cap waits the fixed time when it is blocked.
            None => resets.push((method, reset_at)).unwrap_or_default(),
        }
    }

    fn refused(&self, method: Method, answer: &Answer, error: &ApiError) -> Fault {
        let kind = Kind::of(answer.status, error);
        let now = clock::now().mono;
        let wait = match kind {
            Kind::TooFast => {
                let jitter = fastrand::u8(..);
                self.gate.with(|bucket| bucket.too_fast(answer.retry_after, jitter, now));
                self.gate.with(|bucket| bucket.closed_for(now))
            }
            Kind::MethodBlocked => {
                let wait = self.reset_in(method, error.reset_at).max(answer.retry_after.unwrap_or_default());
                self.gate.with(|bucket| bucket.block(method, wait, now));
                Some(wait)
            }
            Kind::Passing => {
                self.gate.with(|bucket| bucket.close(answer.retry_after.unwrap_or_default(), now));
                answer.retry_after
            }
            _ => answer.retry_after,
        };
        let text = match (error.code.is_empty(), error.text.is_empty()) {
            (false, false) => format!("{}: {}", error.code, error.text),
            (false, true) => error.code.clone(),
            _ => error.text.clone(),
        };
        Fault::Api { kind, text: self.address().masked(&text), wait }
    }

    /// How long until the portal releases some of the method's time.
    fn reset_in(&self, method: Method, told: Option<u64>) -> Duration {
        let resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = resets.iter().find(|(name, _)| *name == method).map(|(_, at)| *at);
        let wait = told.or(known).and_then(|at| self.until(at));
        wait.unwrap_or(CRM_METHOD_BLOCK).min(CRM_METHOD_BLOCK_MAX)
    }
}

/// The journal knows a portal by its name, so a call that waits for the old one would wait for ever.
fn renamed(was: &str, is: &str) -> String {
    format!("{was} is now {is}: once no call waits for it (ringpost status), put the new address into webhook")
}

impl From<HttpFault> for Fault {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_portal_is_followed_and_its_new_address_asked_for() {
        // Where there is no bundle of roots there is no client.
        let Ok(http) = Http::new(None) else { return };
        let address = Address::parse("https://old.bitrix24.ru/rest/1/s3cr3tcode/").unwrap_or_else(|| unreachable!());
        let api = Api::new(http, address.clone());
        assert_eq!(api.renamed(), None);
        let location = Some("https://new.bitrix24.ru/rest/1/s3cr3tcode/profile".to_owned());
        let answer = Answer { status: 302, body: <_>::default(), location, retry_after: None };
        let followed = api.follow(&address, "profile", &answer).map(|moved| moved.host().to_owned());
        assert!(matches!(followed.as_deref(), Ok("new.bitrix24.ru")), "{followed:?}");
        let told = api.renamed().unwrap_or_default();
        assert!(told.contains("old.bitrix24.ru is now new.bitrix24.ru") && told.contains("webhook"), "{told}");
        assert!(!told.contains("s3cr3t"), "{told}");
    }
}
