//! What must outlive the power: finished calls, on flash, until every CRM has them.
//!
//! ```text
//!  daemon ──Request──► thread ──► Ring ──► Storage (one file of fixed size, overwritten in place)
//!         ◄──Reply────            │
//!                                 ├ frame   header and checksum of a record, walk over a page
//!                                 ├ record  the bytes of an entry (read for ever)
//!                                 ├ pack    the same made short
//!                                 ├ marks   delivery marks, table of CRMs, clock of a boot
//!                                 ├ index   where each entry lies and how far each CRM has it
//!                                 ├ recover one pass over the file at start
//!                                 ├ medium  what it lies on, and for how many years
//!                                 ├ retry   refused calls wait again
//!                                 └ inspect what a file holds, without a configuration
//! ```
//!
//! One append and one `fdatasync` per call; delivery marks ride with the next append or a lazy timer without a sync of
//! their own, because a lost mark costs a look-up and not a duplicate. The bytes are specified in
//! `docs/journal-format.md`. Does not deliver, does not know what a CRM is beyond a fingerprint.

pub mod frame;
mod head;
pub mod index;
mod inspect;
pub mod marks;
pub mod medium;
pub mod pack;
pub mod record;
mod recover;
mod retry;
pub mod ring;
pub mod simulated;
pub mod storage;
pub mod thread;
pub mod wire;

pub use inspect::{Inspection, Served, inspect};
pub use marks::{Mark, MarkKind};
pub use record::{Reason, Seq, State};
pub use recover::Recovery;
pub use retry::retry;
pub use ring::{Addressee, Appended, Crm, CrmTag, Dating, Entry, HistoryItem, Part, Pending, Ring, Settings, Stats};

pub use thread::{Fault, FileRing, Journal, Reply, Request, Setup};

/// Why the journal did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalError {
    /// The medium refused.
    Io {
        /// What was tried: open, lock, extend, read, write, sync.
        action: &'static str,
        /// The kind of failure.
        kind: std::io::ErrorKind,
        /// The system's number of it, zero if none.
        errno: i32,
    },
    /// It is full of undelivered calls and told to keep those.
    Full,
    /// The entry is larger than a page can hold.
    TooLarge,
    /// The file is smaller than a ring can be.
    TooSmall,
    /// Another process holds it.
    Locked,
    /// It is not open, and will be tried again.
    Closed,
}

impl JournalError {
    /// Wraps what the system said about `action`.
    pub fn io(action: &'static str, error: &std::io::Error) -> Self {
        Self::Io { action, kind: error.kind(), errno: error.raw_os_error().unwrap_or(0) }
    }
}

impl JournalError {
    /// What somebody can do about it.
    pub fn remedy(&self) -> &'static str {
        use rustix::io::Errno;
        let Self::Io { errno, .. } = self else {
            return match self {
                Self::Full => "enlarge [journal] size_kib, or see in `ringpost status` why the CRM takes no calls",
                Self::TooSmall => "move the file away and restart ringpost",
                Self::Locked => "stop the other one, or give this one its own [journal] path",
                Self::TooLarge | Self::Closed | Self::Io { .. } => "see what the log says before it",
            };
        };
        let is = |kinds: &[Errno]| kinds.iter().any(|kind| kind.raw_os_error() == *errno);
        if is(&[Errno::NOSPC, Errno::DQUOT]) {
            "make room on its file system, or name another [journal] path"
        } else if is(&[Errno::ROFS]) {
            "its file system was made read-only, mostly because the flash fails: see dmesg, and name another [journal] path"
        } else if is(&[Errno::ACCESS, Errno::PERM]) {
            "give it to the user that runs ringpost (chown)"
        } else if is(&[Errno::NOTDIR, Errno::ISDIR, Errno::EXIST, Errno::NOENT]) {
            "[journal] path has to name a directory, and its file `ring` must be a file"
        } else {
            "see dmesg whether the flash fails, and name another [journal] path if it does"
        }
    }
}

impl core::fmt::Display for JournalError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Io { action, kind, errno: 0 } => write!(f, "cannot {action} the journal: {kind}"),
            Self::Io { action, errno, .. } => {
                write!(f, "cannot {action} the journal: {}", std::io::Error::from_raw_os_error(*errno))
            }
            Self::Full => f.write_str("the journal is full of undelivered calls"),
            Self::TooLarge => f.write_str("the call is too large for the journal"),
            Self::TooSmall => f.write_str("the journal's file is too small"),
            Self::Locked => f.write_str("another ringpost holds this journal"),
            Self::Closed => f.write_str("the journal is not open"),
        }
    }
}

impl std::error::Error for JournalError {}
