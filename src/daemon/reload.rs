//! SIGHUP: the configuration is read anew, and the daemon goes on with it.
//!
//! Stands apart because it is a way of its own between two daemons in one process. The file is read and judged, and the
//! certificates with it, while the old daemon works on; what is wrong there changes nothing. Then the CRMs get no more
//! work, what was begun is waited for, and the journal is closed. The new daemon begins as after a restart, from
//! journal and mirror, but where `[pbx]` stayed as it was connection and tracker are handed over, and not an event is
//! missed. Another `[pbx]` is connected to anew; calls in progress are taken up as after a restart.

use super::hub::Followed;
use super::start::{Desk, Prepared, StartError, mirror_file, ports};
use super::{Daemon, Pbx};
use crate::config::{self, Config};
use crate::daemon::image::SavedImage;
use crate::limits::{RELOAD_JOURNAL_PATIENCE, RELOAD_JOURNAL_RETRY, RELOAD_TELL};
use crate::{inbox, status};
use log::LevelFilter;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Where the configuration came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its file.
    pub file: PathBuf,
    /// The log level of the command line, which no file overrules.
    pub level: Option<LevelFilter>,
}

/// A configuration and what was made of it already.
pub(super) struct Next {
    config: Config,
    desks: Vec<Desk>,
}

/// What a daemon, or an earlier process of this boot, hands to the next one.
#[derive(Default)]
pub(super) struct Kept {
    /// The PBX and who follows its calls, where both may stay.
    pub followed: Option<(Pbx, Box<Followed>)>,
    /// Calls in progress, their cards, and finished calls that are not in the journal.
    pub saved: Option<SavedImage>,
    /// The status socket, where it may stay: nobody is refused meanwhile.
    pub listener: Option<UnixListener>,
}

/// A wish to reload, on its way.
#[derive(Default)]
pub(super) struct Reload {
    reading: Option<JoinHandle<Result<Next, String>>>,
    next: Option<Next>,
    /// When it is told what the next one waits for; none: it was told.
    tell: Option<Instant>,
}

impl Reload {
    /// Begins to read the file of `origin`; a wish during a reading has the file read once more.
    pub fn begin(&mut self, origin: Option<&Origin>) {
        let Some(Origin { file, .. }) = origin.cloned() else {
            return log::warn!("there is no configuration file to read again");
        };
        self.next = None;
        self.reading = Some(tokio::task::spawn_blocking(move || read(&file)));
    }

    /// Waits for the end of a reading; for ever while there is none. Safe to drop half-way.
    pub async fn finished(&mut self) {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let read = reading.await.unwrap_or_else(|error| Err(format!("it could not be read: {error}")));
        self.reading = None;
        match read {
            Ok(next) => {
                log::info!("the new configuration is well; it is taken up when the requests under way are answered");
                self.next = Some(next);
                self.tell = Some(Instant::now() + RELOAD_TELL);
            }
            Err(why) => {
                log::error!("the new configuration is not used, ringpost goes on with the old one:");
                why.lines().for_each(|line| log::error!("{}", line.trim()));
            }
        }
    }

    /// Whether a new configuration waits to be used.
    pub fn is_due(&self) -> bool {
        self.next.is_some()
    }

    /// When [`tell_late`](Self::tell_late) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tell.filter(|_| self.is_due())
    }

    /// Whether it was told already that the new configuration waits.
    pub fn is_late(&self) -> bool {
        self.is_due() && self.tell.is_none()
    }

    /// Tells, once, what the new configuration waits for, when that takes long: an upload, or a mount that hangs.
    /// Returns whether it did.
    pub fn tell_late(&mut self, under_way: impl FnOnce() -> String) -> bool {
        let is_time = self.poll_timeout().is_some_and(|due| due <= Instant::now());
        if is_time {
            self.tell = None;
            log::warn!("the new configuration waits until this is done: {}", under_way());
        }
        is_time
    }

    /// The configuration to go on with.
    pub fn take(&mut self) -> Option<Next> {
        self.next.take()
    }
}

/// Reads and judges, with everything that can be wrong before the old daemon has ended.
fn read(file: &std::path::Path) -> Result<Next, String> {
    let name = file.to_string_lossy();
    let loaded = config::load(file).map_err(|error| error.show(&name).to_string())?;
    for warning in &loaded.warnings {
        log::warn!("{}", warning.show(&name));
    }
    loaded.config.hide_secrets();
    let desks = ports(&loaded.config.crm).map_err(|error| error.to_string())?;
    Ok(Next { config: loaded.config, desks })
}

impl Daemon {
    /// Goes on with another configuration; with the old one where the new one cannot be started after all. None:
    /// `ended` came first. All that must outlive the process is written then.
    ///
    /// # Errors
    /// When the old one cannot be started either.
    pub(super) async fn go_on(mut self, next: Next, ended: impl Future<Output = ()>) -> io::Result<Option<Self>> {
        let old = Next { config: self.config.clone(), desks: self.hub.ports() };
        let (origin, clients) = (self.origin.take(), core::mem::take(&mut self.clients));
        let (started, counted) = (self.started, self.hub.counters());
        let mut kept = self.end().await;
        let (prepared, is_new) = tokio::select! {
            biased;
            () = ended => return Ok(None),
            made = either(&next, &old) => made?,
        };
        if is_new {
            taken_up(&old.config, &next.config, origin.as_ref(), &mut kept);
            // Before the new daemon makes its own, perhaps in the same place by another name.
            clear(&old.config, &next.config);
        }
        let mut daemon = Self { origin, clients, started, ..prepared.into_daemon(kept) };
        daemon.hub.count_on(&counted);
        if !daemon.clients.is_empty() {
            daemon.hub.ask_stats();
        }
        Ok(Some(daemon))
    }
}

/// What the new daemon is made of, and true; where that cannot be had, what the old one is, and false.
async fn either(next: &Next, old: &Next) -> io::Result<(Prepared, bool)> {
    let held = &old.config.journal.path;
    match prepared(next, held).await {
        Ok(prepared) => Ok((prepared, true)),
        Err(error) => {
            log::error!("the new configuration cannot be started, ringpost goes on with the old one: {error}");
            Ok((prepared(old, held).await.map_err(io::Error::other)?, false))
        }
    }
}

/// The old journal's thread may still wait for a flash that is slow: the lock on the journal in `held` is waited for.
async fn prepared(next: &Next, held: &Path) -> Result<Prepared, StartError> {
    let until = Instant::now() + RELOAD_JOURNAL_PATIENCE;
    let is_held = is_same_place(&next.config.journal.path, held);
    loop {
        match Prepared::new(&next.config, next.desks.clone()) {
            Err(StartError::JournalLocked) if is_held && Instant::now() < until => sleep(RELOAD_JOURNAL_RETRY).await,
            made => return made,
        }
    }
}

/// Whether two paths lead to one directory, as `/var/run` and `/run` do.
fn is_same_place(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What is left in a state directory that is not used any more: old calls in progress, and sockets that nobody answers
/// at.
fn clear(old: &Config, new: &Config) {
    let directory = &old.run.state_dir;
    if *directory != new.run.state_dir {
        for file in [mirror_file(old), status::socket_path(directory), inbox::socket_path(directory)] {
            let _ = std::fs::remove_file(file); // it may never have been made
        }
    }
}

/// What a change of the configuration means for the log and for what is handed over.
fn taken_up(old: &Config, new: &Config, origin: Option<&Origin>, kept: &mut Kept) {
    if matches!(origin, Some(Origin { level: None, .. })) {
        log::set_max_level(new.log.level);
    }
    log::info!("going on with the new configuration for {} at {}", new.pbx.name, new.pbx.host);
    if new.pbx != old.pbx {
        kept.followed = None;
    }
    if new.run.state_dir != old.run.state_dir {
        kept.listener = None;
    }
    if let Some((_, followed)) = &mut kept.followed {
        followed.follow_rules(std::sync::Arc::clone(&new.numbers));
    }
    if new.journal.path != old.journal.path {
        log::warn!(
            "the journal is now in {}; calls that wait in {} stay there",
            new.journal.path.display(),
            old.journal.path.display()
        );
    }
}
