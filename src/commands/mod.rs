//! What each command of the command line does.
//!
//! One file for each command that is more than a few lines. Each answers with an [`Exit`]; what was asked for goes to
//! stdout, complaints to stderr. The command line itself is parsed in `cli`.

mod calls;
mod check;
mod doctor;
#[cfg(feature = "tools")]
mod journal;
mod learned;
mod listing;
mod places;
#[cfg(feature = "tools")]
mod record;
#[cfg(feature = "tools")]
mod replay;
mod retry;
mod rights;
mod run;
mod session;
mod status;

use crate::cli::{Command, Invocation, USAGE};
use crate::config::{self, Config};
use crate::journal::JournalError;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Well.
    Well,
    /// The thing asked for failed.
    Failed,
    /// The command line or the configuration is wrong.
    Wrong,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Wrong => Self::from(2),
        }
    }
}

/// Does what the command line asks.
pub fn perform(invocation: &Invocation) -> Exit {
    match &invocation.command {
        Command::Run => run::run(&invocation.config, invocation.log),
        Command::Check { paths } => check::check(&invocation.config, *paths),
        Command::Doctor => doctor::doctor(&invocation.config),
        Command::Status { json, watch } => status::status(&invocation.config, *json, *watch),
        Command::Calls { dead, json } => calls::calls(&invocation.config, *dead, *json),
        Command::Retry { id } => retry::retry(&invocation.config, id.as_deref()),
        #[cfg(feature = "tools")]
        Command::Journal { task, file } => journal::journal(&invocation.config, invocation.named, *task, file),
        #[cfg(feature = "tools")]
        Command::Replay { transcript, json } => replay::replay(invocation, transcript, *json),
        #[cfg(feature = "tools")]
        Command::Record { file } => record::record(&invocation.config, file),
        #[cfg(not(feature = "tools"))]
        Command::Journal { .. } | Command::Replay { .. } | Command::Record { .. } => {
            complain(
                "this ringpost was built small, without that command: use one of another machine on the same file",
            );
            Exit::Wrong
        }
        Command::Version => print(&format!("ringpost {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Help => print(USAGE),
        Command::Dial { .. } => {
            complain("ringpost dial comes with a later version");
            Exit::Failed
        }
    }
}

/// Loads the configuration for a command that needs one; what is wrong with it goes to stderr.
///
/// # Errors
/// [`Exit::Wrong`] when there is no usable configuration.
pub fn configured(file: &Path) -> Result<Config, Exit> {
    let name = file.to_string_lossy();
    let loaded = config::load(file).map_err(|error| {
        complain(&error.show(&name).to_string());
        Exit::Wrong
    })?;
    for warning in &loaded.warnings {
        complain(&warning.show(&name).to_string());
    }
    loaded.config.hide_secrets();
    Ok(loaded.config)
}

/// What is said of a journal that cannot be read: mostly somebody forgot `sudo`.
fn unread(error: &JournalError) -> String {
    match error {
        JournalError::Io { kind: io::ErrorKind::PermissionDenied, .. } => {
            String::from("it may not be read: run this as root or as ringpost's user")
        }
        other => other.to_string(),
    }
}

/// Writes `text` to stdout. A reader that went away (`ringpost calls | head`) is no fault.
pub fn print(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Well,
    }
}

/// Writes one line to stderr; there is nobody to tell if that fails.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
