//! Keeps what the PBX sends during a test as a transcript with its records, for `tests/transcripts`.
//!
//! With `RINGPOST_KEEP_TRANSCRIPTS=DIR` each test of an office leaves `DIR/<flavour>/<test>.txt`, `.timing.tsv` and,
//! when it passes, `.json`: the calls that `ringpost replay` tells of it, provided that they are those that the running
//! ringpost told.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::agent::{self, Agent};
use crate::office::Verdict;
use crate::{Trouble, Version, secs, wait_until};

/// A capture that goes on. It ends when this is dropped.
pub(crate) struct Recorder {
    child: Child,
    transcript: PathBuf,
}

impl Recorder {
    /// Begins if it is asked for.
    pub(crate) fn start(agent: &Agent, version: Version) -> Result<Option<Recorder>, Trouble> {
        let Some(dir) = std::env::var_os("RINGPOST_KEEP_TRANSCRIPTS") else { return Ok(None) };
        let dir = PathBuf::from(dir).join(version.to_string());
        fs::create_dir_all(&dir)?;
        let transcript = dir.join(test_name()).with_extension("txt");
        for old in ["txt", "timing.tsv", "json", "said"] {
            let _ = fs::remove_file(transcript.with_extension(old));
        }
        let said = transcript.with_extension("said");
        let mut command = agent.command(&["record"])?;
        command.arg(&transcript).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let recorder = Recorder { child: command.spawn()?, transcript };
        wait_until("the capture begins", secs(20.0), || {
            fs::read_to_string(&said).ok()?.contains("connected").then_some(())
        })?;
        Ok(Some(recorder))
    }

    /// Ends it, and writes the records beside it.
    pub(crate) fn finish(mut self, agent: &Agent) -> Verdict {
        agent::terminate(&mut self.child)?;
        fs::remove_file(self.transcript.with_extension("said"))?;
        let replayed = agent.replay(&self.transcript)?;
        let told = agent.calls()?;
        let facts = |calls: &[Value]| -> Vec<String> {
            let mut facts: Vec<String> = calls
                .iter()
                .map(|call| {
                    let fields = ["direction", "client", "line", "answered_by", "talked_last", "disposition", "status"];
                    fields.map(|field| call[field].to_string()).join(" ") + &call["transfers"].to_string()
                })
                .collect();
            facts.sort();
            facts
        };
        assert_eq!(facts(&replayed), facts(&told), "replayed and told live");
        let lines: String = replayed.into_iter().map(|call| format!("{}\n", undated(call))).collect();
        Ok(fs::write(self.transcript.with_extension("json"), lines)?)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A transcript has no date.
fn undated(mut call: Value) -> Value {
    if let Some(fields) = call.as_object_mut() {
        fields.retain(|name, _| name != "started" && name != "ended");
    }
    call
}

/// `queues::linear::asterisk_22` is `linear`.
fn test_name() -> String {
    let thread = std::thread::current();
    let path = thread.name().unwrap_or("test");
    let mut parts = path.rsplit("::");
    let last = parts.next().unwrap_or(path);
    parts.next().unwrap_or(last).replace('_', "-")
}
