//! `ringpost retry`: refused calls are tried again, by the running daemon or at its next start.
//!
//! A daemon that runs is asked through its [`inbox`](crate::inbox). Where none runs the journal is opened here,
//! under the lock that a daemon would hold; a journal that is not there is not made, and one that is keeps its owner.

use super::calls::settings;
use super::{Exit, complain, configured, print, unread};
use crate::clock;
use crate::config::Config;
use crate::inbox::{self, Answer, InboxError, Wish};
use crate::journal::storage::{FileStorage, SlowSync};
use crate::journal::thread::FILE_NAME;
use crate::journal::{self, JournalError, Ring};
use crate::limits::JOURNAL_KIB_MIN;
use std::path::Path;

/// Tries the refused call of this identity again, or all of them.
pub(super) fn retry(file: &Path, id: Option<&str>) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let wish = Wish::Retry(id.map(str::to_owned));
    let told = match inbox::ask(&inbox::socket_path(&config.run.state_dir), &wish) {
        Ok(Answer { calls, fault }) if fault.is_empty() => Ok((calls, "")),
        Ok(Answer { calls: 0, fault }) => Err(fault),
        Ok(Answer { calls, fault }) => {
            complain(&format!("{fault}; after a power cut before they are delivered, ask for {calls} calls again"));
            Ok((calls, ""))
        }
        Err(InboxError::NotRunning) => retry_alone(&config, id).map(|calls| (calls, " when ringpost starts")),
        Err(error) => Err(error.to_string()),
    };
    match told {
        Ok((0, _)) if id.is_some() => {
            complain("no call of this identity is refused: `ringpost calls --dead` lists those that are");
            Exit::Failed
        }
        Ok((0, _)) => print("no call is refused\n"),
        Ok((1, when)) => print(&format!("1 call is tried again{when}\n")),
        Ok((calls, when)) => print(&format!("{calls} calls are tried again{when}\n")),
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

/// No daemon runs: writes it into the journal, where the next one finds it.
fn retry_alone(config: &Config, id: Option<&str>) -> Result<u32, String> {
    let path = config.journal.path.join(FILE_NAME);
    let fault = |error: JournalError| format!("{}: {}", path.display(), unread(&error));
    FileStorage::open_read_only(&path).map_err(fault)?;
    let storage = FileStorage::open(&path, JOURNAL_KIB_MIN).map_err(|error| match error {
        JournalError::Locked => format!(
            "a ringpost holds {}, but nobody answers in {}: name its configuration with -c, or restart it",
            path.display(),
            config.run.state_dir.display()
        ),
        other => fault(other),
    })?;
    let (mut ring, _) = Ring::open(SlowSync::plain(storage), settings(config));
    let now = clock::now();
    let calls = journal::retry(&mut ring, id, now);
    if calls > 0 {
        ring.flush(now).and_then(|()| ring.sync()).map_err(fault)?;
    }
    Ok(calls)
}
