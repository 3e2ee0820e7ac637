//! A call as the telephones saw it, to be held against all that ringpost tells of it.
//!
//! What a scene does not mention must not be there: no queue, no transfer, no recording, no voicemail, and the call
//! exact.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::office::{DELIVERY, Verdict};
use crate::{Caller, Office};

/// How far apart may be what the telephones saw and what AMI told, on a machine that is busy with a dozen Asterisks.
const SLACK: Duration = Duration::from_millis(900);

/// A call of a client.
#[derive(Clone, Debug)]
pub struct Call {
    direction: &'static str,
    client: String,
    line: String,
    trunk: String,
    caller: String,
    rang: Vec<(String, Option<Duration>)>,
    talks: Vec<(String, Duration)>,
    together: Option<Duration>,
    last: Option<String>,
    outcome: (&'static str, &'static str),
    queue: String,
    transfers: Vec<(String, String, bool)>,
    recordings: usize,
    voicemail: bool,
    cause: Option<u64>,
}

impl Call {
    fn new(direction: &'static str, client: &str, line: &str) -> Self {
        Call {
            direction,
            client: client.to_owned(),
            line: line.to_owned(),
            trunk: "trunk".to_owned(),
            caller: String::new(),
            rang: Vec::new(),
            talks: Vec::new(),
            together: None,
            last: None,
            outcome: ("answered", "200"),
            queue: String::new(),
            transfers: Vec::new(),
            recordings: 0,
            voicemail: false,
            cause: None,
        }
    }

    /// The client calls a line of the office.
    #[must_use]
    pub fn inbound(caller: &Caller, line: &str) -> Self {
        Call::new("inbound", caller.number(), line)
    }

    /// An employee calls the client.
    #[must_use]
    pub fn outbound(extension: &str, client: &str) -> Self {
        Call { caller: extension.to_owned(), ..Call::new("outbound", client, "trunk") }
    }

    /// The client's number is told so.
    #[must_use]
    pub fn client(self, number: &str) -> Self {
        Call { client: number.to_owned(), ..self }
    }

    /// The line is told so.
    #[must_use]
    pub fn line(self, line: &str) -> Self {
        Call { line: line.to_owned(), ..self }
    }

    /// By this trunk.
    #[must_use]
    pub fn by(self, trunk: &str) -> Self {
        Call { trunk: trunk.to_owned(), line: trunk.to_owned(), ..self }
    }

    /// This extension rang, for as long as that.
    #[must_use]
    pub fn rang(mut self, extension: &str, time: Duration) -> Self {
        self.rang.push((extension.to_owned(), Some(time)));
        self
    }

    /// These extensions rang, for as long as it may be.
    #[must_use]
    pub fn rang_some_time(mut self, extensions: &[&str]) -> Self {
        self.rang.extend(extensions.iter().map(|extension| ((*extension).to_owned(), None)));
        self
    }

    /// This extension talked with the client, after those that were named before.
    #[must_use]
    pub fn talked(mut self, extension: &str, time: Duration) -> Self {
        self.talks.push((extension.to_owned(), time));
        self
    }

    /// Some of them talked at the same time: this long in all.
    #[must_use]
    pub fn together(self, time: Duration) -> Self {
        Call { together: Some(time), ..self }
    }

    /// Who talked last, where it is not who talked for the first time last.
    #[must_use]
    pub fn last(self, extension: &str) -> Self {
        Call { last: Some(extension.to_owned()), ..self }
    }

    /// Nobody talked: how it ended, and Bitrix24's code for that.
    #[must_use]
    pub fn ended(self, disposition: &'static str, status: &'static str) -> Self {
        Call { outcome: (disposition, status), ..self }
    }

    /// It went through this queue or group.
    #[must_use]
    pub fn queue(self, queue: &str) -> Self {
        Call { queue: queue.to_owned(), ..self }
    }

    /// `from` gave the client to `to`, without asking before.
    #[must_use]
    pub fn blind(mut self, from: &str, to: &str) -> Self {
        self.transfers.push((from.to_owned(), to.to_owned(), false));
        self
    }

    /// `from` gave the client to `to`, whom he had asked.
    #[must_use]
    pub fn attended(mut self, from: &str, to: &str) -> Self {
        self.transfers.push((from.to_owned(), to.to_owned(), true));
        self
    }

    /// It was recorded into so many files.
    #[must_use]
    pub fn recordings(self, recordings: usize) -> Self {
        Call { recordings, ..self }
    }

    /// The client left a message.
    #[must_use]
    pub fn voicemail(self) -> Self {
        Call { voicemail: true, ..self }
    }

    /// Q.850 cause of the client's hangup.
    #[must_use]
    pub fn cause(self, cause: u64) -> Self {
        Call { cause: Some(cause), ..self }
    }

    /// Holds it against what ringpost tells of it, field by field.
    fn differences(&self, told: &Value) -> String {
        let mut wrong = String::new();
        let mut want = |what: &str, is: &Value, should: Value| {
            if *is != should {
                let _ = writeln!(wrong, "{what} is {is}, should be {should}");
            }
        };
        want("direction", &told["direction"], self.direction.into());
        want("client", &told["client"], self.client.as_str().into());
        want("line", &told["line"], self.line.as_str().into());
        want("trunk", &told["trunk"], self.trunk.as_str().into());
        want("caller", &told["caller"], self.caller.as_str().into());
        want("disposition", &told["disposition"], self.outcome.0.into());
        want("status", &told["status"], self.outcome.1.into());
        want("queue", &told["queue"], self.queue.as_str().into());
        let first = self.talks.first().map(|(extension, _)| extension.clone());
        let last = self.last.clone().or_else(|| self.talks.last().map(|(extension, _)| extension.clone()));
        want("answered_by", &told["answered_by"], first.into());
        want("talked_last", &told["talked_last"], last.into());
        let transfers = self.transfers.iter();
        let transfers: Vec<Value> = transfers
            .map(|(from, to, attended)| serde_json::json!({ "from": from, "to": to, "attended": attended }))
            .collect();
        want("transfers", &told["transfers"], transfers.into());
        want("exact", &told["exact"], true.into());
        if let Some(cause) = self.cause {
            want("cause", &told["cause"], cause.into());
        }
        let recordings = told["recordings"].as_array().map_or(0, Vec::len);
        want("recordings", &recordings.into(), self.recordings.into());
        want("voicemail", &(told["voicemail"] != "").into(), self.voicemail.into());
        wrong + &self.wrong_times(told)
    }

    fn wrong_times(&self, told: &Value) -> String {
        let mut wrong = String::new();
        let mut rang: Vec<(String, Option<f64>)> = self
            .rang
            .iter()
            .map(|(extension, time)| (extension.clone(), time.map(|time| time.as_secs_f64())))
            .collect();
        let mut told_rang = times(&told["rang"]);
        rang.sort_by(|one, two| one.0.cmp(&two.0));
        told_rang.sort_by(|one, two| one.0.cmp(&two.0));
        if !alike(&rang, &told_rang) {
            let _ = writeln!(wrong, "rang is {told_rang:?}, should be {rang:?}");
        }
        let talks: Vec<(String, Option<f64>)> =
            self.talks.iter().map(|(extension, time)| (extension.clone(), Some(time.as_secs_f64()))).collect();
        let told_talks = times(&told["talks"]);
        if !alike(&talks, &told_talks) {
            let _ = writeln!(wrong, "talks is {told_talks:?}, should be {talks:?}");
        }
        let total = self.together.unwrap_or_else(|| self.talks.iter().map(|(_, time)| *time).sum()).as_secs_f64();
        if !near(told["talk_secs"].as_f64().unwrap_or(-1.0), total) {
            let _ = writeln!(wrong, "talk_secs is {}, should be {total}", told["talk_secs"]);
        }
        wrong
    }
}

/// Names and seconds of a list in the record.
fn times(list: &Value) -> Vec<(String, Option<f64>)> {
    let of = |item: &Value| (item["extension"].as_str().unwrap_or_default().to_owned(), item["secs"].as_f64());
    list.as_array().map(|items| items.iter().map(of).collect()).unwrap_or_default()
}

fn alike(should: &[(String, Option<f64>)], is: &[(String, Option<f64>)]) -> bool {
    should.len() == is.len()
        && should.iter().zip(is).all(|((one, should), (two, is))| {
            one == two && should.is_none_or(|should| is.is_some_and(|is| near(is, should)))
        })
}

fn near(one: f64, two: f64) -> bool {
    (one - two).abs() <= SLACK.as_secs_f64()
}

impl Office {
    /// Waits until ringpost has told all calls of clients, to its journal and to the portal, and holds them against
    /// `wanted`: these and no others.
    ///
    /// # Errors
    /// They are not told in time.
    ///
    /// # Panics
    /// They are told otherwise.
    pub fn tells(&self, wanted: &[Call]) -> Verdict {
        let what = format!("{} calls are told and delivered", wanted.len());
        let of_clients = |calls: Vec<Value>| -> Vec<Value> {
            calls.into_iter().filter(|call| call["direction"] != "internal").collect()
        };
        crate::wait_until(&what, DELIVERY, || {
            let told = of_clients(self.agent.calls().ok()?);
            (told.len() >= wanted.len() && self.portal.calls().len() >= wanted.len()).then_some(())
        })?;
        self.settled(DELIVERY)?;
        let told = of_clients(self.agent.calls()?);
        let shown: String = told.iter().map(|call| format!("{call}\n")).collect();
        assert_eq!(told.len(), wanted.len(), "told:\n{shown}");
        for call in wanted {
            let found =
                told.iter().find(|told| told["client"] == call.client.as_str() && told["line"] == call.line.as_str());
            let Some(found) = found else { panic!("no call of {} by {} among\n{shown}", call.client, call.line) };
            let wrong = call.differences(found);
            assert!(wrong.is_empty(), "{wrong}told:\n{found}");
        }
        self.agrees_with_the_portal(&told);
        Ok(())
    }

    /// The portal holds the same calls, each once and with the same outcome.
    fn agrees_with_the_portal(&self, told: &[Value]) {
        let mut of_portal: Vec<String> = self.portal.calls().into_iter().map(|call| call.status_code.clone()).collect();
        let mut of_journal: Vec<String> =
            told.iter().map(|call| call["status"].as_str().unwrap_or_default().to_owned()).collect();
        of_portal.sort();
        of_journal.sort();
        assert_eq!(of_portal, of_journal, "at the portal and in the journal");
        self.portal.look(|state| assert!(state.live_calls().is_empty(), "left open: {:#?}", state.live_calls()));
    }
}
