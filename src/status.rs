//! What the running daemon says of itself: one JSON object and the same for people, through a socket that only writes.
//!
//! Stands alone so that the daemon offers no input to attack: whoever connects gets the report and is hung up on;
//! nothing is read. Bounds: one client at a time, [`STATUS_CLIENT_TIMEOUT`] for it, [`STATUS_BYTES`] on the reading
//! side. The path is taken over only from a socket; any other file there is left alone. Holds no counters itself: the
//! hub fills the [`Report`] when somebody asks.

mod journal;

pub use journal::{IN_MEMORY, Journal, Unwritten};

use crate::deliver::job::Counters;
use crate::limits::{STATUS_BYTES, STATUS_CLIENT_TIMEOUT};
use core::fmt::{self, Write as _};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

/// The whole report. New keys may be added; none changes its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Version of the daemon.
    pub version: String,
    /// Seconds since its start.
    pub uptime_secs: u64,
    /// Largest resident memory so far, KiB.
    pub memory_peak_kib: u64,
    /// The PBX.
    pub pbx: Pbx,
    /// Calls in progress.
    pub live_calls: usize,
    /// The journal.
    pub journal: Journal,
    /// The CRMs, in the order of the configuration.
    pub crm: Vec<Crm>,
    /// The mirror of calls in progress is being kept.
    pub mirror: bool,
    /// What is wrong with this machine's clock; empty: nothing.
    pub clock: String,
    /// What a new configuration waits for before it is taken up; empty: none waits.
    pub reload: String,
}

/// The PBX as the link sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pbx {
    /// Its name in the CRM.
    pub name: String,
    /// Address.
    pub address: String,
    /// Logged in and in step.
    pub live: bool,
    /// What is going on, in words.
    pub state: String,
    /// The profile in use; `auto` while no family was recognised.
    pub profile: String,
    /// Whether `auto` recognised it; otherwise it is as configured.
    pub picked: bool,
    /// What it said of its version.
    pub server: String,
    /// AMI events read since the start.
    pub events: u64,
    /// Times the link was lost.
    pub link_losses: u64,
}

/// One CRM.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Crm {
    /// Its name.
    pub name: String,
    /// Calls of the journal that it has not had.
    pub waiting: u64,
    /// Calls of the journal that it has had, and whose recordings it has not.
    pub recordings_waiting: u64,
    /// How a backlog gets through; none when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Since the start.
    pub counters: Counters,
    /// What is wrong with it; empty: nothing.
    pub fault: String,
    /// What works, or waits, until somebody mends something, each with the remedy.
    pub notices: Vec<String>,
}

/// A backlog on its way to a CRM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drain {
    /// Calls posted since it began.
    pub done: u64,
    /// Calls that wait.
    pub left: u64,
    /// Calls posted in an hour, at the rate of the last two minutes.
    pub per_hour: u64,
    /// Seconds until none is left at this rate; none while nothing moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secs_to_go: Option<u64>,
}

/// Where the socket is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("status.sock")
}

/// Binds the socket, for the daemon's user and group alone.
///
/// # Errors
/// When something that is no socket is in the way, or the directory cannot be written.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("something that is no socket is in the way")),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Writes `report` to the next client; errors are the client's own affair.
pub async fn answer(mut client: tokio::net::UnixStream, report: &Report) {
    let Ok(json) = serde_json::to_string(report) else { return };
    let text = format!("{json}\n{report}");
    let _ = tokio::time::timeout(STATUS_CLIENT_TIMEOUT, client.write_all(text.as_bytes())).await;
}

/// What other commands want to know of a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Excerpt {
    /// The PBX.
    pub pbx: Linked,
    /// The journal.
    pub journal: Journal,
    /// Whether calls in progress outlive a restart.
    pub mirror: bool,
}

/// What other commands want to know of the PBX.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Linked {
    /// Logged in and in step.
    pub live: bool,
}

/// A report as it came: the daemon makes both forms, so that no other program has to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// One object, in one line.
    pub json: String,
    /// For people, in several.
    pub people: String,
}

impl Told {
    /// What other commands want to know; none: it comes from a ringpost of another shape.
    pub fn excerpt(&self) -> Option<Excerpt> {
        serde_json::from_str(&self.json).ok()
    }
}

/// Why there is no report.
#[derive(Debug)]
#[non_exhaustive]
pub enum StatusError {
    /// Nobody listens there.
    NotRunning(PathBuf),
    /// The socket may not be opened.
    Denied(PathBuf),
    /// It is there, and says nothing in time.
    Busy,
    /// What came was no report.
    Unreadable,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => write!(
                f,
                "no ringpost is running here (nobody answers at {}): start the service, or name its configuration with -c",
                path.display()
            ),
            Self::Denied(path) => {
                write!(f, "{} may not be opened: run this as root or as ringpost's user", path.display())
            }
            Self::Busy => write!(f, "ringpost runs but is too busy to answer: ask again"),
            Self::Unreadable => write!(f, "what answers is no ringpost of this version: restart the service"),
        }
    }
}

impl std::error::Error for StatusError {}

/// Asks the running daemon.
///
/// # Errors
/// [`StatusError`], whose text tells the remedy.
pub fn ask(path: &Path) -> Result<Told, StatusError> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => StatusError::Denied(path.to_owned()),
        _ => StatusError::NotRunning(path.to_owned()),
    })?;
    let _ = stream.set_read_timeout(Some(STATUS_CLIENT_TIMEOUT));
    let mut text = String::new();
    stream.take(STATUS_BYTES).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => StatusError::Busy,
        _ => StatusError::Unreadable,
    })?;
    let (json, people) =
        text.split_once('\n').filter(|(json, _)| json.starts_with('{')).ok_or(StatusError::Unreadable)?;
    Ok(Told { json: json.to_owned(), people: people.to_owned() })
}

impl fmt::Display for Report {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pbx, journal, .. } = self;
        writeln!(
            f,
            "ringpost {}, up {}, memory at most {} KiB",
            self.version,
            Span(self.uptime_secs),
            self.memory_peak_kib
        )?;
        writeln!(f, "pbx      {} at {}: {}", pbx.name, pbx.address, pbx.state)?;
        let how = match (pbx.profile.as_str(), pbx.picked) {
            ("auto", _) => "no family of PBX recognised so far",
            (_, true) => "picked by what the PBX says",
            (_, false) => "as configured",
        };
        writeln!(f, "         profile {}, {how}", pbx.profile)?;
        writeln!(
            f,
            "calls    {} in progress, {} events read, link lost {} times",
            self.live_calls, pbx.events, pbx.link_losses
        )?;
        write!(f, "{journal}")?;
        if !self.mirror {
            writeln!(
                f,
                "         calls in progress are not kept over a restart: the state directory cannot be written"
            )?;
        }
        if !self.clock.is_empty() {
            writeln!(f, "clock    {}", self.clock)?;
        }
        if !self.reload.is_empty() {
            writeln!(f, "reload   the new configuration waits until this is done: {}", self.reload)?;
        }
        for crm in &self.crm {
            f.write_char('\n')?;
            write!(f, "{crm}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { delivered, recordings, refused, retries, .. } = self.counters;
        write!(f, "{}: {} calls waiting", self.name, self.waiting)?;
        match self.recordings_waiting {
            0 => writeln!(f)?,
            count => writeln!(f, ", {count} more for their recordings")?,
        }
        if let Some(Drain { done, left, per_hour, secs_to_go }) = self.drain {
            write!(f, "         backlog: {done} posted, {left} left, {per_hour} an hour, ")?;
            match secs_to_go {
                Some(secs) => writeln!(f, "{} to go", Span(secs))?,
                None => writeln!(f, "stands still")?,
            }
        }
        writeln!(f, "         {delivered} delivered, {recordings} recordings, {refused} refused, {retries} repeated")?;
        let fault = Some(&self.fault).filter(|fault| !fault.is_empty());
        fault.into_iter().chain(&self.notices).try_for_each(|line| writeln!(f, "         {line}"))
    }
}

/// Seconds in the largest two units.
pub(crate) struct Span(pub(crate) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes) = (self.0 / 86_400, self.0 / 3600 % 24, self.0 / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, _) => write!(f, "{minutes} min {} s", self.0 % 60),
            (0, ..) => write!(f, "{hours} h {minutes} min"),
            _ => write!(f, "{days} d {hours} h"),
        }
    }
}

/// The largest resident memory of this process so far, KiB; 0 where the kernel does not tell.
pub fn memory_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report { version: "0.1.0".into(), uptime_secs: 90_061, crm: vec![Crm::default()], ..Report::default() }
    }

    #[test]
    fn a_client_gets_the_whole_report() {
        let dir = std::env::temp_dir().join(format!("ringpost-status-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = socket_path(&dir);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async { bind(&path) }).unwrap();
        let reader = std::thread::spawn({
            let path = path.clone();
            move || ask(&path).unwrap()
        });
        runtime.block_on(async {
            let (client, _) = listener.accept().await.unwrap();
            answer(client, &report()).await;
        });
        let told = reader.join().unwrap();
        assert_eq!(told.json, serde_json::to_string(&report()).unwrap());
        assert_eq!(told.people, report().to_string());
        drop(listener);
        assert!(matches!(ask(&path), Err(StatusError::NotRunning(_))));
        runtime.block_on(async { bind(&path) }).expect("a dead socket is taken over");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(runtime.block_on(async { bind(&path) }).is_err(), "another's file is left alone");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn people_read_what_to_mend() {
        let drain = Drain { done: 1200, left: 8800, per_hour: 3600, secs_to_go: Some(8800) };
        let crm = Crm { drain: Some(drain), ..Crm::default() };
        assert!(crm.to_string().contains("backlog: 1200 posted, 8800 left, 3600 an hour, 2 h 26 min to go\n"), "{crm}");
        let crm = Crm { recordings_waiting: 7, ..Crm::default() };
        assert!(crm.to_string().starts_with(": 0 calls waiting, 7 more for their recordings\n"), "{crm}");
        let crm = Crm { drain: Some(Drain { per_hour: 0, secs_to_go: None, ..drain }), ..Crm::default() };
        assert!(crm.to_string().contains("8800 left, 0 an hour, stands still\n"), "{crm}");
        let crm = Crm { fault: "away".into(), notices: vec!["pbx_path is wrong".into()], ..Crm::default() };
        assert!(crm.to_string().ends_with("         away\n         pbx_path is wrong\n"), "{crm}");
    }

    #[test]
    fn people_read_how_the_profile_was_found() {
        let told = |profile: &str, picked: bool| {
            let pbx = Pbx { profile: profile.into(), picked, ..Pbx::default() };
            Report { pbx, ..report() }.to_string().lines().nth(2).unwrap().trim().to_owned()
        };
        assert_eq!(told("auto", false), "profile auto, no family of PBX recognised so far");
        assert_eq!(told("freepbx", false), "profile freepbx, as configured");
        assert_eq!(told("vitalpbx", true), "profile vitalpbx, picked by what the PBX says");
    }

    #[test]
    fn people_read_units() {
        assert!(report().to_string().contains("up 1 d 1 h"));
    }
}
