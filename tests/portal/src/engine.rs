//! One request in, one answer out: limits, authorisation, the method or the batch, the envelope.
//!
//! Runs under the portal's lock and does no I/O, so that what a request does is done at once.
//! Faults are not here: the server decides whether this is asked at all and what is sent of it.

use std::time::{Duration, Instant, SystemTime};

use ring::hmac;

use crate::auth::Route;
use crate::batch::{Ran, batch};
use crate::config::PortalConfig;
use crate::faults::Plans;
use crate::methods::{self, Call, Done, Failure, Upload};
use crate::rate::{Bucket, Operating};
use crate::records::{Outcome, RequestRecord};
use crate::stamp::{self, Clock};
use crate::state::State;
use crate::value::Value;

/// The portal's memory and its limits.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) state: State,
    pub(crate) config: PortalConfig,
    signing: hmac::Key,
    bucket: Option<Bucket>,
    operating: Option<Operating>,
    /// Misbehaviour of single commands of a batch.
    pub(crate) commands: Plans,
}

/// An answer that has not been sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) error: Option<(String, String)>,
    pub(crate) executed: bool,
}

/// What a request asks for.
pub(crate) struct Asked<'a> {
    pub(crate) route: &'a Route,
    pub(crate) base: &'a str,
    pub(crate) params: Value,
    /// The file of an upload; `None` for everything else.
    pub(crate) upload: Option<Upload>,
    /// The log entry of the request, for the entries of a batch's commands.
    pub(crate) record: &'a RequestRecord,
    /// When processing began; waits that a fault made count.
    pub(crate) began: Instant,
}

impl Engine {
    pub(crate) fn new(config: PortalConfig, signing: hmac::Key) -> Self {
        let now = Instant::now();
        Self {
            state: State::new(config.users.clone(), config.entities.clone()),
            bucket: config.rate_limit.map(|limit| Bucket::new(limit, now)),
            operating: config.operating_limit.clone().map(|limit| Operating::new(limit, now)),
            commands: Plans::default(),
            signing,
            config,
        }
    }

    /// The refusal of a request that is one too many, if it is.
    pub(crate) fn over_rate(&mut self) -> Option<Reply> {
        let admitted = self.bucket.as_mut().is_none_or(|bucket| bucket.admit(Instant::now()));
        let refusal = Failure::named(503, "QUERY_LIMIT_EXCEEDED", "Too many requests");
        (!admitted).then(|| self.failed(&refusal, false))
    }

    /// Does what is asked.
    pub(crate) fn answer(&mut self, mut asked: Asked<'_>) -> Reply {
        let name = asked.route.method.clone();
        if name != "batch" && name != "upload" && methods::find(&name).is_none() {
            return self.failed(&Failure::not_found(), false);
        }
        let user = match asked.route.user(&self.config, &self.state) {
            Ok(user) => user,
            Err(failure) => return self.failed(&failure, false),
        };
        match (name.as_str(), asked.upload.take()) {
            ("batch", _) => {
                let mut time = None;
                let result = self.batch(user, &asked);
                self.charge("batch", asked.began, &mut time);
                envelope(result.into(), time)
            }
            (_, Some(upload)) => self.upload(user, asked.base, asked.params, upload),
            (_, None) => {
                let (outcome, time) = self.run(user, &name, asked.base, asked.params, asked.began);
                match outcome {
                    Ok(done) => envelope(done, time),
                    Err(failure) => self.failed(&failure, true),
                }
            }
        }
    }

    /// Runs one method and charges its time.
    fn run(
        &mut self,
        user: u64,
        name: &str,
        base: &str,
        params: Value,
        began: Instant,
    ) -> (Result<Done, Failure>, Option<Value>) {
        let Some(method) = methods::find(name) else { return (Err(Failure::not_found()), None) };
        if self.operating.as_mut().is_some_and(|operating| operating.blocked(name, Instant::now())) {
            let text = "Method is blocked due to operation time limit.";
            return (Err(Failure::named(429, "OPERATION_TIME_LIMIT", text)), None);
        }
        let outcome = method.call(&mut self.call(user, base, params));
        let mut time = None;
        self.charge(name, began, &mut time);
        (outcome, time)
    }

    fn batch(&mut self, user: u64, asked: &Asked<'_>) -> Value {
        batch(&asked.params, &mut |key, sent, params| {
            let name = sent.to_ascii_lowercase();
            let name = name.strip_suffix(".json").unwrap_or(&name).to_owned();
            let number = self.state.begin_request(RequestRecord {
                within: Some((asked.record.number, key.to_owned())),
                method: name.clone(),
                sent_method: sent.to_owned(),
                params: params.clone(),
                body_bytes: 0,
                ..asked.record.clone()
            });
            let (outcome, time) = self.run_command(user, &name, asked.base, params);
            let error = outcome.as_ref().err().map_or("", |failure| failure.error(self.config.wording));
            let told = outcome.as_ref().err().map(|failure| (error.to_owned(), failure.text.clone()));
            self.state.end_request(number, Outcome::Answered { status: 200, error: told, executed: true });
            Ran { outcome, error, time }
        })
    }

    /// A command of a batch, which may have to fail.
    fn run_command(
        &mut self,
        user: u64,
        name: &str,
        base: &str,
        params: Value,
    ) -> (Result<Done, Failure>, Option<Value>) {
        let Some(fault) = self.commands.take(name, &params) else {
            return self.run(user, name, base, params, Instant::now());
        };
        if fault.execute {
            drop(self.run(user, name, base, params, Instant::now()));
        }
        (Err(fault.failure()), None)
    }

    fn upload(&mut self, user: u64, base: &str, params: Value, upload: Upload) -> Reply {
        match methods::upload(&mut self.call(user, base, params), upload) {
            // An upload has no `time`.
            Ok(done) => envelope(done, None),
            Err(failure) => self.failed(&failure, true),
        }
    }

    fn call<'a>(&'a mut self, user: u64, base: &'a str, params: Value) -> Call<'a> {
        let clock = Clock { zone: self.config.zone, ahead: self.config.clock_ahead };
        Call { config: &self.config, state: &mut self.state, clock, user, base, signing: &self.signing, params }
    }

    fn charge(&mut self, name: &str, began: Instant, time: &mut Option<Value>) {
        let (now, took) = (Instant::now(), began.elapsed());
        let used = self.operating.as_mut().map(|operating| operating.charge(name, took, now));
        let clock = Clock { zone: self.config.zone, ahead: self.config.clock_ahead };
        *time = Some(time_of(clock, took, used));
    }

    fn failed(&self, failure: &Failure, executed: bool) -> Reply {
        let error = failure.error(self.config.wording);
        Reply {
            status: failure.status,
            body: Value::map([("error", error.into()), ("error_description", failure.text.clone().into())]),
            error: Some((error.to_owned(), failure.text.clone())),
            executed,
        }
    }
}

fn envelope(done: Done, time: Option<Value>) -> Reply {
    let mut body = Value::map([("result", done.result)]);
    if let Some(next) = done.next {
        body.set("next", next.into());
    }
    if let Some(total) = done.total {
        body.set("total", total.into());
    }
    if let Some(time) = time {
        body.set("time", time);
    }
    Reply { status: 200, body, error: None, executed: true }
}

fn time_of(clock: Clock, took: Duration, used: Option<(Duration, u64)>) -> Value {
    let finish = clock.now();
    let start = finish - took;
    let seconds = |date: time::OffsetDateTime| {
        #[expect(clippy::cast_precision_loss, reason = "the portal sends floats too")]
        Value::Float(date.unix_timestamp_nanos() as f64 / 1e9)
    };
    let mut time = Value::map([
        ("start", seconds(start)),
        ("finish", seconds(finish)),
        ("duration", Value::Float(took.as_secs_f64())),
        ("processing", Value::Float(took.as_secs_f64())),
        ("date_start", stamp::write(start).into()),
        ("date_finish", stamp::write(finish).into()),
    ]);
    if let Some((used, reset_in)) = used {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        time.set("operating_reset_at", (now.as_secs() + reset_in).into());
        time.set("operating", Value::Float(used.as_secs_f64()));
    }
    time
}
