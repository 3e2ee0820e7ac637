//! Putting a daemon together: directories, journal, mirror, CRMs, threads.
//!
//! Stands apart because everything that can go wrong before the first call does so here, once, with a text; afterwards
//! the daemon only gets along.

use super::hub::{Following, Hub, Parts, Seat};
use super::image::SavedImage;
use super::pbx::Pbx;
use super::reload::{Kept, Reload};
use super::{Daemon, Instant};
use crate::boot::BootId;
use crate::call::tracker::TrackerConfig;
use crate::clock;
use crate::config::{self, Config, Crm, CrmKind};
use crate::crm::{Port, bitrix24};
use crate::deliver::lanes::{Lanes, REPORTS};
use crate::deliver::schedule::Policy;
use crate::inbox::{self, Asked, Inbox};
use crate::journal::thread::{Journal, Reply, Setup};
use crate::journal::{CrmTag, JournalError, Settings};
use crate::limits::JOURNAL_REPLIES;
use crate::mirror::{self, Mirror, NoMirror};
use crate::recording::Source;
use crate::status;
use core::fmt;
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Why the daemon does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Another ringpost holds the journal.
    JournalLocked,
    /// The journal's thread did not start.
    Journal(JournalError),
    /// A CRM cannot be set up.
    Crm(bitrix24::SetupError),
    /// The system gave no thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JournalLocked => write!(
                f,
                "another ringpost runs on this journal: stop it first (service ringpost stop), or give this one its own [journal] path"
            ),
            Self::Journal(error) => write!(f, "{error}"),
            Self::Crm(error) => write!(f, "{error}"),
            Self::Thread(error) => write!(f, "the system gives no thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Makes a daemon of the configuration. Call it inside the runtime that will run it.
///
/// # Errors
/// [`StartError`], whose text tells the remedy. Trouble that may pass (a journal that cannot be written, a state
/// directory that is not there) is logged and lived with instead.
pub fn start(config: &Config) -> Result<Daemon, StartError> {
    let desks = ports(&config.crm).map_err(StartError::Crm)?;
    let saved = saved_image(&mirror_file(config), BootId::current());
    Ok(Prepared::new(config, desks)?.into_daemon(Kept { saved, ..Kept::default() }))
}

/// Everything of a daemon that may fail to be made.
pub(super) struct Prepared {
    config: Config,
    began: clock::Stamp,
    seats: Vec<Seat>,
    reports: mpsc::Receiver<(usize, super::Report)>,
    journal: Journal,
    replies: mpsc::Receiver<Reply>,
    mirror: Mirror,
}

impl Prepared {
    /// Opens the journal and starts the threads.
    pub(super) fn new(config: &Config, desks: Vec<Desk>) -> Result<Self, StartError> {
        let (boot, began) = (BootId::current(), clock::now());
        let (report_sender, reports) = mpsc::channel(REPORTS);
        let (reply_sender, replies) = mpsc::channel(JOURNAL_REPLIES);
        let state_dir = &config.run.state_dir;
        if let Err(error) = std::fs::create_dir_all(state_dir) {
            log::warn!("{} cannot be made ({error}): calls in progress do not outlive a restart", state_dir.display());
        }
        // First, since a reload asks for it again and again while the old one is held.
        let journal =
            Journal::start(journal_setup(config, boot, &desks), reply_sender).map_err(|error| match error {
                JournalError::Locked => StartError::JournalLocked,
                other => StartError::Journal(other),
            })?;
        let seats = seats(config, desks, began.mono, &report_sender)?;
        let mirror = Mirror::start(mirror_file(config), boot).map_err(StartError::Thread)?;
        let config = config.clone();
        Ok(Self { config, began, seats, reports, journal, replies, mirror })
    }

    /// The daemon, which goes on with what was handed over.
    pub(super) fn into_daemon(self, kept: Kept) -> Daemon {
        let Self { config, began, seats, reports, journal, replies, mirror } = self;
        let Kept { followed, saved, listener } = kept;
        let (pbx, tracker) = match followed {
            Some((pbx, tracker)) => (pbx, Following::On(tracker)),
            None => (Pbx::new(&config.pbx, fastrand::u64(..)), Following::Anew(tracker_config(&config))),
        };
        let mirrored = mirror.progress();
        let (journal, mirror) = (Box::new(journal), Box::new(mirror));
        let parts = Parts { tracker, seats, recordings: config.recordings.is_some(), journal, mirror, saved };
        let state_dir = &config.run.state_dir;
        let listener = listener.or_else(|| {
            let bound = status::bind(&status::socket_path(state_dir));
            bound.inspect_err(|error| log::warn!("no status socket in {}: {error}", state_dir.display())).ok()
        });
        Daemon {
            pbx,
            hub: Hub::new(parts, began),
            reports,
            replies,
            mirrored: Some(mirrored),
            listener,
            asked: hear_wishes(state_dir),
            clients: Vec::new(),
            started: Instant::now(),
            origin: None,
            reload: Reload::default(),
            config,
        }
    }
}

/// Where calls in progress outlive the process.
pub(super) fn mirror_file(config: &Config) -> PathBuf {
    config.run.state_dir.join("calls")
}

fn tracker_config(config: &Config) -> TrackerConfig {
    TrackerConfig {
        pbx_name: config.pbx.name.to_string(),
        contexts: config.pbx.contexts.clone(),
        profile: config.pbx.profile,
        numbers: Arc::clone(&config.numbers),
    }
}

/// What people on this host ask for; nothing ever comes where the socket cannot be made.
fn hear_wishes(state_dir: &Path) -> mpsc::Receiver<Asked> {
    let (sender, asked) = mpsc::channel(1);
    match Inbox::bind(&inbox::socket_path(state_dir)) {
        Ok(inbox) => drop(tokio::spawn(inbox.serve(sender))),
        Err(error) => log::warn!("no inbox in {} (`ringpost retry` will not work): {error}", state_dir.display()),
    }
    asked
}

/// The identity under which the journal knows a CRM.
pub fn tag_of(crm: &Crm) -> CrmTag {
    match &crm.kind {
        CrmKind::Bitrix24(settings) => CrmTag::of(&format!("bitrix24:{}", settings.portal)),
    }
}

/// The name of the CRM at this place of the configuration, for people.
pub fn name_of(crms: &[Crm], place: usize) -> String {
    let kind = match crms.get(place).map(|crm| &crm.kind) {
        Some(CrmKind::Bitrix24(_)) | None => "bitrix24",
    };
    if crms.len() > 1 { format!("{kind} {}", place + 1) } else { kind.to_owned() }
}

/// A CRM's port and the identity under which the journal knows it.
pub type Desk = (Arc<dyn Port>, CrmTag);

/// The ports of the configured CRMs, in order, with the identity under which the journal knows them.
///
/// # Errors
/// When a CRM's certificates cannot be read.
pub fn ports(crms: &[Crm]) -> Result<Vec<Desk>, bitrix24::SetupError> {
    let port = |(place, crm): (usize, &Crm)| match &crm.kind {
        CrmKind::Bitrix24(settings) => {
            let port: Arc<dyn Port> = Arc::new(bitrix24::Bitrix24::new(name_of(crms, place), settings.clone())?);
            Ok((port, tag_of(crm)))
        }
    };
    crms.iter().enumerate().map(port).collect()
}

fn seats(
    config: &Config,
    desks: Vec<Desk>,
    started: clock::Monotonic,
    reports: &mpsc::Sender<(usize, super::Report)>,
) -> Result<Vec<Seat>, StartError> {
    let source = config.recordings.as_ref().map(Source::new);
    let give_up = config.recordings.as_ref().map_or(0, |recordings| u64::from(recordings.give_up_hours));
    let policy =
        Policy { recordings: source.is_some(), recording_give_up: Duration::from_secs(give_up * 3600), started };
    let mut seats = Vec::new();
    for (place, (port, tag)) in desks.into_iter().enumerate() {
        let lanes = Lanes::start(place, Arc::clone(&port), source.clone(), reports).map_err(StartError::Thread)?;
        seats.push(Seat::new(port, Box::new(lanes), tag, policy, fastrand::u64(..)));
    }
    Ok(seats)
}

fn journal_setup(config: &Config, boot: BootId, desks: &[Desk]) -> Setup {
    let crms = desks.iter().map(|(_, tag)| *tag).collect();
    let settings = Settings { boot, crms, when_full: config.journal.when_full };
    let config::Journal { path, size_kib, medium, .. } = &config.journal;
    Setup { directory: path.clone(), size_kib: *size_kib, medium: *medium, ring: settings }
}

/// What an earlier process of this boot left, if it can be read and trusted.
fn saved_image(file: &Path, boot: BootId) -> Option<SavedImage> {
    let bytes = match mirror::load(file, boot) {
        Ok(bytes) => bytes,
        Err(NoMirror::Absent | NoMirror::OtherBoot) => return None,
        Err(why) => {
            log::warn!("what the last ringpost left in {} is not used: {why}", file.display());
            return None;
        }
    };
    // By way of a text, as portals' answers are read: a second reader of JSON costs 25 KiB.
    match serde_json::from_str(&String::from_utf8_lossy(&bytes)) {
        Ok(image) => {
            log::info!("going on where the last ringpost of this boot stopped");
            Some(image)
        }
        Err(error) => {
            log::warn!("what the last ringpost left cannot be read: {error}");
            None
        }
    }
}
