//! The configuration: one TOML file to one typed, checked [`Config`].
//!
//! Every mistake is told with file, line, column, what is wrong and the remedy, and as many as possible at once, so
//! that nobody runs the program ten times to find ten typing errors. No key is accepted that does nothing: unknown ones
//! are refused with the nearest known one. Bounds: [`CONFIG_BYTES`](crate::limits::CONFIG_BYTES) of file,
//! [`CONFIG_FINDINGS`](crate::limits::CONFIG_FINDINGS) told. Looks at the file alone: whether the PBX answers, the
//! journal lies on flash or the recordings are there is for `doctor`.

mod finding;
mod load;
mod numbers;
mod read;
pub mod schema;
mod secret;
mod section;
mod syntax;

pub use finding::{Finding, Severity};
pub use load::{ConfigError, Content, Loaded, Surroundings, ThisHost, load, parse};
pub use secret::Secret;

use crate::call::classify::Contexts;
use crate::call::record::{Extension, Number};
use crate::journal::medium::Kind;
use crate::limits::PBX_NAME_BYTES;
use crate::number::rules::Rules;
use crate::profile::Profile;
use crate::text::Text;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the configuration lies unless `-c` names another file.
pub const DEFAULT_PATH: &str = "/etc/ringpost/ringpost.toml";

/// A whole, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The telephone exchange.
    pub pbx: Pbx,
    /// What becomes of the clients' numbers, and which calls are posted.
    pub numbers: Arc<Rules>,
    /// Where finished calls are kept.
    pub journal: Journal,
    /// Where recordings come from; none: calls are posted without.
    pub recordings: Option<Recordings>,
    /// Who gets the calls, at least one.
    pub crm: Vec<Crm>,
    /// What is told on stderr.
    pub log: Log,
    /// What lives as long as the process.
    pub run: Run,
}

impl Config {
    /// The files and directories beside it that it names: those that are read, and those that are written to.
    pub fn paths(&self) -> (Vec<&Path>, Vec<&Path>) {
        let recordings = self.recordings.as_ref().map(|Recordings { source: RecordingSource::Path(path), .. }| path);
        let roots = self.crm.iter().filter_map(|Crm { kind: CrmKind::Bitrix24(bitrix24) }| bitrix24.ca_file.as_ref());
        let read = self.pbx.secret_file.iter().chain(recordings).chain(roots).map(PathBuf::as_path);
        (read.collect(), vec![&self.journal.path, &self.run.state_dir])
    }

    /// Has every secret of the configuration masked in all that is logged from now on.
    pub fn hide_secrets(&self) {
        crate::log::hide(&self.pbx.secret);
        for crm in &self.crm {
            let CrmKind::Bitrix24(bitrix24) = &crm.kind;
            crate::log::hide(&bitrix24.webhook);
        }
    }
}

/// `[pbx]`: the telephone exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pbx {
    /// Leads the identity of every call: letters, digits, `.`, `_`, `-`.
    pub name: Text<PBX_NAME_BYTES>,
    /// The family it belongs to.
    pub profile: &'static Profile,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port of the manager interface; none: the profile's own ports.
    pub port: Option<u16>,
    /// AMI account.
    pub username: String,
    /// Its secret.
    pub secret: Secret,
    /// The file that it came from, if not from the configuration itself.
    pub secret_file: Option<PathBuf>,
    /// Which contexts calls come from, where the profile's guess is wrong.
    pub contexts: Contexts,
}

/// `[journal]`: the ring on flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Its directory, absolute.
    pub path: PathBuf,
    /// Its size in KiB, fixed when it is made.
    pub size_kib: u32,
    /// What goes when it is full of undelivered calls.
    pub when_full: WhenFull,
    /// What it lies on; none: as the kernel tells.
    pub medium: Option<Kind>,
}

/// What goes when the journal is full of undelivered calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest call.
    #[default]
    DropOldest,
    /// The one that just ended.
    DropNewest,
}

/// `[recordings]`: where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// How they are reached.
    pub source: RecordingSource,
    /// The directory that [`source`](Self::source) shows, as the PBX names it.
    pub pbx_path: PathBuf,
    /// Hours after the end of a call when a recording that has not come is given up.
    pub give_up_hours: u16,
}

/// How recordings are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingSource {
    /// A directory of this host, mounted or its own; absolute.
    Path(PathBuf),
}

/// One `[[crm]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crm {
    /// Which, and how it is reached.
    pub kind: CrmKind,
}

/// A CRM and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrmKind {
    /// Bitrix24 by incoming webhook.
    Bitrix24(Bitrix24),
}

/// `kind = "bitrix24"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitrix24 {
    /// `https://HOST/rest/USER/SECRET/`, with its last slash.
    pub webhook: Secret,
    /// HOST (and port, if any) of the webhook: the portal's name for logs and status.
    pub portal: String,
    /// The user who gets calls of extensions that nobody owns.
    pub default_user: u32,
    /// When the client's card opens.
    pub show_card: ShowCard,
    /// For which unknown clients the portal makes a lead or contact.
    pub create: Create,
    /// A PEM bundle to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Extension → user, before what the portal says.
    pub users: BTreeMap<Extension, u32>,
    /// The number that stands for a hidden one.
    pub anonymous: Number,
}

/// When the client's card opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowCard {
    /// Never.
    Never,
    /// At everybody whose extension rings.
    #[default]
    OnRing,
    /// At the one who answered.
    OnAnswer,
}

/// For which unknown clients the CRM makes a lead or contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// None.
    Never,
    /// All.
    #[default]
    Always,
    /// Those who call.
    Inbound,
    /// Those who are called.
    Outbound,
}

/// `[log]`: what is told on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is told.
    pub level: log::LevelFilter,
}

/// `[run]`: what lives as long as the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Directory on tmpfs for the mirror of calls in progress and the status socket, absolute.
    pub state_dir: PathBuf,
}
