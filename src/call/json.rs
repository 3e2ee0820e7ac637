//! A finished call as one line of JSON, as `ringpost calls --json` and `ringpost replay --json` print it.
//!
//! The keys are a promise to scripts; they may grow, not change. What a CRM calls the outcome (`status`) is given by
//! the caller, because records know no CRM.

use super::record::{CallRecord, Direction, Disposition, Rang, Talk, Transfer, Withheld};
use crate::clock::{Stamp, Wall};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    direction: Direction,
    client: &'a str,
    line: &'a str,
    trunk: &'a str,
    caller: &'a str,
    rang: Vec<RangLine<'a>>,
    answered_by: Option<&'a str>,
    talked_last: Option<&'a str>,
    talks: Vec<TalkLine<'a>>,
    talk_secs: f64,
    disposition: Disposition,
    status: Option<&'a str>,
    cause: u16,
    queue: &'a str,
    transfers: &'a [Transfer],
    recordings: &'a [super::record::RecordingPath],
    voicemail: &'a str,
    started: Option<String>,
    ended: Option<String>,
    exact: bool,
    gaps: super::record::Gaps,
    withheld: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<&'a [Delivery]>,
}

/// What became of a call at one CRM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Which CRM.
    pub crm: String,
    /// `waiting`, `delivered`, `recording-waits` (the call itself is delivered) or `refused`.
    pub state: &'static str,
    /// Why it was refused, or why recordings are left out.
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct RangLine<'a> {
    extension: &'a str,
    secs: f64,
}

#[derive(Serialize)]
struct TalkLine<'a> {
    extension: &'a str,
    secs: f64,
}

/// The record as one line of JSON, without a line end. `status` is the CRM's code; `now` dates calls that were made
/// before the clock was set (times that are not known are null). `deliveries` is for the calls of a journal.
pub fn line(record: &CallRecord, status: Option<&str>, deliveries: Option<&[Delivery]>, now: Stamp) -> String {
    let date = |stamp: Stamp| stamp.date(now).map(Wall::to_iso8601);
    let line = Line {
        id: &record.id,
        direction: record.direction,
        client: &record.client,
        line: &record.line,
        trunk: &record.trunk,
        caller: &record.caller,
        rang: record
            .rang
            .iter()
            .map(|Rang { extension, ring_ms }| RangLine { extension, secs: secs(*ring_ms) })
            .collect(),
        answered_by: record.answered_by.as_deref(),
        talked_last: record.talked_last.as_deref(),
        talks: record
            .talks
            .iter()
            .map(|Talk { extension, talk_ms }| TalkLine { extension, secs: secs(*talk_ms) })
            .collect(),
        talk_secs: secs(record.talk_ms),
        disposition: record.disposition,
        status,
        cause: record.cause,
        queue: &record.queue,
        transfers: &record.transfers,
        recordings: &record.recordings,
        voicemail: &record.voicemail,
        started: date(record.started),
        ended: date(record.ended),
        exact: record.gaps.is_exact(),
        gaps: record.gaps,
        withheld: record.withheld.map(Withheld::word),
        deliveries,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

fn secs(millis: u32) -> f64 {
    f64::from(millis) / 1000.0
}
