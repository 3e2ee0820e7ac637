//! `ringpost calls`: the calls of the journal, oldest first, also while the daemon runs.
//!
//! Reads the journal's file and writes nothing; of the ring at most one window of entries is in memory.

use super::{Exit, complain, configured, print};
use crate::boot::BootId;
use crate::call::json;
use crate::call::record::{CallRecord, Direction, Disposition};
use crate::clock::{self, Stamp, Wall};
use crate::config::Config;
use crate::crm::Port;
use crate::daemon::ports;
use crate::journal::storage::FileStorage;
use crate::journal::thread::FILE_NAME;
use crate::journal::{HistoryItem, Ring, Seq, Settings};
use crate::limits::JOURNAL_WINDOW;
use std::path::Path;
use std::sync::Arc;

/// Prints the journal's calls.
pub(super) fn calls(file: &Path, as_json: bool) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match list(&config, as_json) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

fn list(config: &Config, as_json: bool) -> Result<Exit, String> {
    let path = config.journal.path.join(FILE_NAME);
    let storage = FileStorage::open_read_only(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let ports = ports(&config.crm).map_err(|error| error.to_string())?;
    let settings = Settings {
        boot: BootId::current(),
        crms: ports.iter().map(|(_, tag)| *tag).collect(),
        when_full: config.journal.when_full,
    };
    let (ring, _) = Ring::open(storage, settings);
    let port = ports.first().map(|(port, _)| port);
    // The ring gives its newest first; people read the oldest first.
    let mut starts = vec![Seq(u64::MAX)];
    while let Some(oldest) = window(&ring, &starts).last().map(|item| item.seq) {
        starts.push(oldest);
    }
    starts.pop();
    while !starts.is_empty() {
        let items = window(&ring, &starts);
        starts.pop();
        for item in items.iter().rev() {
            let exit = print(&line(item, port, as_json));
            if exit != Exit::Well {
                return Ok(exit);
            }
        }
    }
    Ok(Exit::Well)
}

fn window(ring: &Ring<FileStorage>, starts: &[Seq]) -> Vec<HistoryItem> {
    starts.last().map(|before| ring.history(*before, JOURNAL_WINDOW)).unwrap_or_default()
}

fn line(item: &HistoryItem, port: Option<&Arc<dyn Port>>, as_json: bool) -> String {
    let now = clock::now();
    let call = &item.call;
    if as_json {
        let status = port.filter(|port| port.wants(call)).map(|port| port.status_code(call));
        return json::line(call, status, now) + "\n";
    }
    format!("{}  {}\n", told(call, now), delivery(item))
}

/// A call for people, in one line.
pub(super) fn told(call: &CallRecord, now: Stamp) -> String {
    let date = call.started.date(now).map_or_else(|| String::from("date unknown yet"), Wall::to_iso8601);
    let arrow = match call.direction {
        Direction::Inbound => "from",
        Direction::Outbound => "to",
        Direction::Internal => "inside to",
    };
    let client = if call.client.is_empty() { "hidden number" } else { call.client.as_str() };
    let how = match call.disposition {
        Disposition::Answered => {
            let who =
                call.talked_last.as_ref().or(call.answered_by.as_ref()).map_or("?", |extension| extension.as_str());
            format!("{who} talked {} s", (call.talk_ms + 500) / 1000)
        }
        other => format!("{other:?}").to_lowercase(),
    };
    let exact = if call.gaps.is_exact() { "" } else { " (not all of it was seen)" };
    format!("{date}  {arrow} {client}  line {}  {how}{exact}", call.line)
}

fn delivery(item: &HistoryItem) -> &'static str {
    let recordings = u8::try_from(item.call.recordings.len()).unwrap_or(u8::MAX);
    let states = || item.deliveries.iter().map(|(_, state, ..)| state);
    if states().any(|state| state.is_refused()) {
        "refused"
    } else if states().any(|state| !state.is_delivered()) {
        "waiting"
    } else if states().any(|state| state.is_open(recordings)) {
        "delivered, recording waits"
    } else if item.deliveries.is_empty() {
        "not posted"
    } else {
        "delivered"
    }
}
