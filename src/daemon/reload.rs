//! SIGHUP: the configuration is read anew, and the daemon goes on with it.
//!
//! Stands apart because it is a way of its own between two daemons in one process. The file is read and judged, and the
//! certificates with it, while the old daemon works on; what is wrong there changes nothing. Then the CRMs get no more
//! work, what was begun is waited for, and the journal is closed. The new daemon begins as after a restart, from journal
//! and mirror, but where `[pbx]` stayed as it was connection and tracker are handed over, and not an event is missed.
//! Another `[pbx]` is connected to anew; calls in progress are taken up as after a restart.

use super::hub::Followed;
use super::start::{Desk, Prepared, StartError, ports};
use super::{Daemon, Pbx};
use crate::config::{self, Config};
use crate::daemon::image::SavedImage;
use crate::limits::{RELOAD_JOURNAL_PATIENCE, RELOAD_JOURNAL_RETRY};
use log::LevelFilter;
use std::io;
use std::path::PathBuf;
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

/// A configuration that was read and found well, and what was made of it already.
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
}

/// A wish to reload, on its way.
#[derive(Default)]
pub(super) struct Reload {
    reading: Option<JoinHandle<Result<Next, String>>>,
    next: Option<Next>,
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
    /// Goes on with another configuration; with the old one where the new one cannot be started after all.
    ///
    /// # Errors
    /// When the old one cannot be started either.
    pub(super) async fn go_on(mut self, next: Next) -> io::Result<Self> {
        let (old, origin) = (self.config.clone(), self.origin.take());
        let mirror = self.mirror_file.clone();
        let mut kept = self.end().await;
        let Next { config, desks } = next;
        let prepared = match prepared(&config, &desks).await {
            Ok(prepared) => {
                changed(&old, &config, &mut kept);
                if let Some(Origin { level: None, .. }) = origin {
                    log::set_max_level(config.log.level);
                }
                log::info!("going on with the new configuration for {} at {}", config.pbx.name, config.pbx.host);
                prepared
            }
            Err(error) => {
                log::error!("the new configuration cannot be started, ringpost goes on with the old one: {error}");
                let desks = ports(&old.crm).map_err(io::Error::other)?;
                prepared(&old, &desks).await.map_err(io::Error::other)?
            }
        };
        let mut daemon = prepared.into_daemon(kept);
        daemon.origin = origin;
        // The old mirror tells of a state that only the new one keeps up to date.
        if daemon.mirror_file != mirror {
            let _ = std::fs::remove_file(&mirror);
        }
        Ok(daemon)
    }
}

/// The old journal's thread may still wait for a flash that is slow: its lock is waited for.
async fn prepared(config: &Config, desks: &[Desk]) -> Result<Prepared, StartError> {
    let until = Instant::now() + RELOAD_JOURNAL_PATIENCE;
    loop {
        match Prepared::new(config, desks.to_vec()) {
            Err(StartError::JournalLocked) if Instant::now() < until => sleep(RELOAD_JOURNAL_RETRY).await,
            made => return made,
        }
    }
}

/// What a change of the configuration means for what is handed over.
fn changed(old: &Config, new: &Config, kept: &mut Kept) {
    if new.pbx != old.pbx {
        kept.followed = None;
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
