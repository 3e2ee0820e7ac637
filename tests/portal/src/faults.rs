//! How the portal misbehaves: plans that match a method, count down and go.
//!
//! A plan says which requests it takes, whether the method still does its work, how long to wait
//! before and after it, and what is sent instead of the answer. Plans are tried in the order in which
//! they were given; the first that matches is used and counted, so two plans for one method follow
//! one another. This module only plans; the server carries out.
//!
//! A command inside a batch is matched by plans of its own, which can only make it fail with an
//! error; the batch itself has the name `batch`, the upload of a recording the name `upload`.

use std::time::Duration;

use crate::methods::Failure;
use crate::value::Value;

/// One way to misbehave.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<String>,
    parameter: Option<(String, String)>,
    skip: u32,
    times: u32,
    pub(crate) execute: bool,
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) answer: Answer,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The true answer.
    True,
    /// Nothing; the connection is cut.
    Cut,
    /// Half of the true answer, then the connection is cut.
    Half,
    /// Nothing, and the connection stays open.
    Silence,
    /// An error in the portal's envelope.
    Error { status: u16, code: String, text: String, retry_after: Option<u64> },
    /// A page of HTML.
    Html { status: u16 },
    /// 302 to the same path under another base.
    Redirect { base: String },
    /// A JSON text of this many bytes.
    Huge { bytes: u64 },
    /// A chunked JSON text without an end.
    Endless,
    /// The true answer, one byte at a time.
    Drip { pause: Duration },
    /// 200 with something that is not JSON.
    InvalidJson,
}

impl Fault {
    fn new(execute: bool, answer: Answer) -> Self {
        Self {
            method: None,
            parameter: None,
            skip: 0,
            times: 1,
            execute,
            before: Duration::ZERO,
            after: Duration::ZERO,
            answer,
        }
    }

    /// Waits, then works as usual.
    pub fn slow_before(wait: Duration) -> Self {
        Self { before: wait, ..Self::new(true, Answer::True) }
    }

    /// Does the work, waits, then answers.
    pub fn slow_after(wait: Duration) -> Self {
        Self { after: wait, ..Self::new(true, Answer::True) }
    }

    /// Does the work, then cuts the connection: the answer is lost.
    pub fn lost_answer() -> Self {
        Self::new(true, Answer::Cut)
    }

    /// Cuts the connection without doing the work.
    pub fn lost_request() -> Self {
        Self::new(false, Answer::Cut)
    }

    /// Does the work, sends half of the answer, then cuts the connection.
    pub fn half_answer() -> Self {
        Self::new(true, Answer::Half)
    }

    /// Never answers; `executed` says whether the work was done.
    pub fn silence(executed: bool) -> Self {
        Self::new(executed, Answer::Silence)
    }

    /// 503 `QUERY_LIMIT_EXCEEDED`, not executed.
    pub fn rate_limited() -> Self {
        Self::error(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
    }

    /// 429 `OPERATION_TIME_LIMIT`, not executed.
    pub fn operation_limited() -> Self {
        Self::error(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")
    }

    /// 500 `INTERNAL_SERVER_ERROR`; `executed` says whether the work was done.
    pub fn internal_error(executed: bool) -> Self {
        Self { execute: executed, ..Self::error(500, "INTERNAL_SERVER_ERROR", "Internal server error") }
    }

    /// Any error in the portal's envelope, not executed.
    pub fn error(status: u16, code: &str, text: &str) -> Self {
        Self::new(false, Answer::Error { status, code: code.to_owned(), text: text.to_owned(), retry_after: None })
    }

    /// A page of HTML with this status, as a proxy in front of the portal sends it.
    pub fn html(status: u16, executed: bool) -> Self {
        Self::new(executed, Answer::Html { status })
    }

    /// 302 to the same path under `base` (scheme, host and port), as a renamed portal sends it.
    pub fn redirect(base: &str) -> Self {
        Self::new(false, Answer::Redirect { base: base.trim_end_matches('/').to_owned() })
    }

    /// Does the work and answers with a JSON text of `bytes` bytes.
    pub fn huge(bytes: u64) -> Self {
        Self::new(true, Answer::Huge { bytes })
    }

    /// Does the work and answers without end.
    pub fn endless() -> Self {
        Self::new(true, Answer::Endless)
    }

    /// Does the work and answers one byte at a time with `pause` between them.
    pub fn drip(pause: Duration) -> Self {
        Self::new(true, Answer::Drip { pause })
    }

    /// Does the work and answers 200 with something that is not JSON.
    pub fn invalid_json() -> Self {
        Self::new(true, Answer::InvalidJson)
    }

    /// Adds a `Retry-After` of this many seconds to an error. The portal is not known to send one;
    /// a proxy in front of it may.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Answer::Error { retry_after, .. } = &mut self.answer {
            *retry_after = Some(seconds);
        }
        self
    }

    /// Only requests of this method, in any case; `batch` and `upload` are methods too.
    #[must_use]
    pub fn on(self, method: &str) -> Self {
        Self { method: Some(method.to_ascii_lowercase()), ..self }
    }

    /// Only requests whose parameter has this text, so that tests side by side keep apart.
    #[must_use]
    pub fn with(self, parameter: &str, text: &str) -> Self {
        Self { parameter: Some((parameter.to_owned(), text.to_owned())), ..self }
    }

    /// Lets the first `skip` matching requests pass.
    #[must_use]
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Takes this many requests; 1 unless said otherwise, `u32::MAX` for as long as the portal lives.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn matches(&self, method: &str, params: &Value) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.parameter.as_ref().is_none_or(|(name, text)| params.at(name).to_text() == *text)
    }

    /// What a command of a batch says.
    pub(crate) fn failure(&self) -> Failure {
        match &self.answer {
            Answer::Error { status, code, text, .. } if code.is_empty() => {
                Failure { status: *status, ..Failure::plain(text.as_str()) }
            }
            // A handful of codes, in tests.
            Answer::Error { status, code, text, .. } => Failure::named(*status, code.clone().leak(), text),
            other => panic!("a command of a batch can only fail with an error: {other:?}"),
        }
    }
}

/// The plans that are left.
#[derive(Debug, Default)]
pub(crate) struct Plans(Vec<Fault>);

impl Plans {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many requests are still to be spoilt; saturates.
    pub(crate) fn left(&self) -> u32 {
        self.0.iter().fold(0, |sum, fault| sum.saturating_add(fault.times))
    }

    /// The fault for this request, counted down.
    pub(crate) fn take(&mut self, method: &str, params: &Value) -> Option<Fault> {
        let mut matching = self.0.iter_mut().filter(|fault| fault.times > 0 && fault.matches(method, params));
        let fault = matching.next()?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        if fault.times != u32::MAX {
            fault.times -= 1;
        }
        let taken = fault.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_match_skip_count_down_and_follow_one_another() {
        let mut plans = Plans::default();
        plans.add(Fault::rate_limited().on("A").times(2).skip(1));
        plans.add(Fault::lost_answer().on("a"));
        assert!(plans.take("b", &Value::Null).is_none());
        let seen: Vec<_> = (0..5).map(|_| plans.take("a", &Value::Null).map(|fault| fault.execute)).collect();
        assert_eq!(seen, [None, Some(false), Some(false), Some(true), None]);
        assert_eq!(plans.left(), 0);
    }

    #[test]
    fn a_plan_may_be_for_one_call_only() {
        let mut plans = Plans::default();
        plans.add(Fault::lost_answer().with("EXTERNAL_CALL_ID", "x-1"));
        assert!(plans.take("a", &Value::map([("EXTERNAL_CALL_ID", "x-2".into())])).is_none());
        assert!(plans.take("a", &Value::map([("EXTERNAL_CALL_ID", "x-1".into())])).is_some());
    }
}
