//! What the telephones did, from `tests/transcripts/expected.tsv`, in the portal's words.

use super::office::{EMPLOYEES, tone};
use portal::{FinishedCall, Recording};

/// One call as it should stand at the portal.
pub struct Story {
    /// The capture it is from.
    pub scenario: String,
    /// `TYPE`: 1 outbound, 2 inbound.
    pub kind: i64,
    /// The client's number as the PBX told it, or the placeholder of a hidden one.
    pub client: String,
    /// The DID; empty for outbound.
    pub line: String,
    /// Extension that talked last; none when nobody did.
    pub talked_last: Option<String>,
    /// Talk time in seconds.
    pub talk_secs: f64,
    /// `STATUS_CODE`.
    pub status: &'static str,
    /// File name of the recording.
    pub recording: Option<String>,
}

/// The rows of one version's scenarios.
pub fn stories(table: &str, version: &str, scenarios: &[&str]) -> Vec<Story> {
    table
        .lines()
        .map(|line| line.split('\t').chain(std::iter::repeat("")).take(12).collect::<Vec<_>>())
        .filter_map(|columns| story(columns.as_slice().try_into().ok()?))
        .filter(|(of, story)| *of == version && scenarios.contains(&story.scenario.as_str()))
        .map(|(_, story)| story)
        .collect()
}

fn story(columns: [&str; 12]) -> Option<(&str, Story)> {
    let [version, scenario, direction, _, external, line, disposition, last, talk_secs, _, recording, _] = columns;
    let kind = match direction {
        "inbound" => 2,
        "outbound" => 1,
        _ => return None,
    };
    let answered = disposition == "answered";
    let story = Story {
        scenario: scenario.to_owned(),
        kind,
        client: if external == "anonymous" { "000" } else { external }.to_owned(),
        line: line.to_owned(),
        talked_last: (answered && !last.is_empty()).then(|| last.to_owned()),
        talk_secs: talk_secs.parse().ok()?,
        status: match (kind, disposition) {
            (_, "answered") => "200",
            (2, _) => "304",
            (_, "busy") => "486",
            (_, "noanswer") => "480",
            (_, "cancelled") => "603-S",
            _ => return None,
        },
        recording: (!recording.is_empty()).then(|| recording.to_owned()),
    };
    Some((version, story))
}

impl Story {
    /// Whether `call` is this call at all: by what register says.
    pub fn is_about(&self, call: &FinishedCall) -> bool {
        let (registered, line) = (&call.registered, &call.registered.line);
        let same_line = self.line.is_empty() || *line == self.line;
        let same_person = self.talked_last.as_deref() == talker(call) || self.talked_last.is_none();
        registered.kind == self.kind && registered.phone.ends_with(&self.client) && same_line && same_person
    }

    /// What of `call` differs from this story; empty when nothing does.
    pub fn differences(&self, call: &FinishedCall, recordings: &[Recording]) -> Vec<String> {
        let mut wrong = Vec::new();
        if call.status_code != self.status {
            wrong.push(format!("status {} instead of {}", call.status_code, self.status));
        }
        if (call.duration as f64 - self.talk_secs).abs() > 1.0 {
            wrong.push(format!("{} s instead of {} s", call.duration, self.talk_secs));
        }
        let held = recordings.iter().find(|file| Some(file.file_id) == call.recording);
        let sound = self.recording.is_some().then(|| tone(self.talk_secs));
        if held.and_then(|file| file.content.as_ref()) != sound.as_ref() {
            wrong.push(
                if sound.is_some() { "the recording is not there, or another" } else { "a recording" }.to_owned(),
            );
        }
        wrong
    }
}

/// The extension of the user who has the call.
fn talker(call: &FinishedCall) -> Option<&'static str> {
    EMPLOYEES.iter().find(|employee| employee.user == call.user).map(|employee| employee.extension)
}
