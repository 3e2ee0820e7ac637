//! Recordings: from the path that the PBX named to a file that is complete.
//!
//! Stands apart from the CRM because a CRM only wants a finished file. [`Source`] finds it under the configured root
//! (a mount or a directory of this host), `header` reads its first bytes and `settle` decides whether it has stopped
//! growing; what is not there yet is asked for again by the schedule, which also gives up. A recording that cannot be
//! there as things are set up (another directory of the PBX, a mount that is away) raises an alarm and waits too: the
//! operator can mend that. Bounds: one look reads
//! [`RECORDING_HEAD_BYTES`](crate::limits::RECORDING_HEAD_BYTES), remembers
//! [`RECORDINGS_WATCHED`](crate::limits::RECORDINGS_WATCHED) files and never lists a directory. Nothing outside the
//! root is ever opened. Does not convert: a recording that is neither WAV nor MP3 is refused.

mod header;
mod locate;
mod settle;

use crate::call::record::RecordingPath;
use crate::clock::{self, Monotonic};
use crate::config::{RecordingSource, Recordings};
use crate::limits::RECORDING_BYTES;
use core::time::Duration;
use header::Header;
use locate::{Located, Tree};
use settle::{Settling, State};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How long until a file that is not there is looked for again, at first; the schedule makes it longer with its age.
const ABSENT: Duration = Duration::from_secs(5);

/// Where recordings come from. Clones share what they have seen.
#[derive(Clone, Debug)]
pub struct Source {
    tree: Arc<Tree>,
    seen: Arc<Mutex<Settling>>,
    /// The first directory outside `pbx_path` that the PBX named: one for all alarms, so that they have one text.
    stray: Arc<OnceLock<PathBuf>>,
}

/// The answer to one look for a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is complete.
    Ready(Ready),
    /// Not there, still growing, or not readable now.
    NotYet {
        /// When another look is worth it.
        after: Duration,
        /// For `status` and the log.
        why: String,
    },
    /// It cannot come before somebody mends the configuration or the mount.
    Misplaced {
        /// When another look is worth it.
        after: Duration,
        /// What, where and the remedy; the same for all recordings that fail in this way.
        alarm: String,
    },
    /// It will never be fit.
    Never {
        /// For the log.
        why: String,
    },
}

/// A complete recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it is.
    pub file: PathBuf,
    /// About how long it plays.
    pub secs: u64,
}

/// What `doctor` says of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The directory can be read.
    pub usable: bool,
    /// There is nothing in it, as in a mount point without its mount.
    pub empty: bool,
    /// What was found and, if need be, the remedy.
    pub text: String,
}

/// The remedy where the service may not read.
pub const LET_READ: &str = "let the service's user read it (a share: mount it with uid=ringpost; here: add ringpost to the group \
    of the files)";

/// What became of a recording that the PBX named once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It is there.
    There,
    /// It is not there (any more), or not fit.
    Away,
    /// It is there and may not be read.
    Denied,
    /// It cannot be there: the text says why and the remedy.
    Outside(String),
}

impl Trace {
    fn of(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied { Self::Denied } else { Self::Away }
    }
}

impl Source {
    /// The source of `settings`. Nothing is touched yet: a mount may come up later.
    pub fn new(settings: &Recordings) -> Self {
        let RecordingSource::Path(root) = &settings.source;
        let tree = Tree::new(root.clone(), settings.pbx_path.clone());
        Self { tree: Arc::new(tree), seen: Arc::default(), stray: Arc::default() }
    }

    /// Looks for the recording that the PBX calls `path`. Blocks as long as the file system does.
    pub fn find(&self, path: &RecordingPath) -> Found {
        self.find_at(path, clock::now().mono)
    }

    fn find_at(&self, path: &RecordingPath, now: Monotonic) -> Found {
        let file = match self.tree.locate(path) {
            Located::Here(file) => file,
            Located::Absent if !self.tree.root().is_dir() => return self.misplaced(self.no_root()),
            Located::Absent => return not_yet(ABSENT, format!("{path}: not there yet")),
            Located::Outside => return self.misplaced(self.outside(path)),
            Located::Refused(why) => return Found::Never { why: format!("{path}: {why}") },
            Located::Unreadable(error) => return not_yet(ABSENT, format!("{path}: {error}")),
        };
        match look(&file) {
            Ok((state, header)) => self.judge(path, file, state, header, now),
            Err(error) => not_yet(ABSENT, format!("{path}: {error}")),
        }
    }

    fn judge(&self, path: &RecordingPath, file: PathBuf, state: State, header: Header, now: Monotonic) -> Found {
        if state.bytes > RECORDING_BYTES {
            return Found::Never { why: format!("{path}: {} bytes are too many", state.bytes) };
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = seen.observe(path, state, now);
        match (wait, header) {
            (Some(after), _) => not_yet(after, format!("{path}: still growing")),
            (None, Header::Whole(rate)) => Found::Ready(Ready { file, secs: state.bytes / rate.max(1) }),
            (None, Header::Unfinished) => not_yet(ABSENT, format!("{path}: its header is not final yet")),
            (None, Header::Foreign) => Found::Never { why: format!("{path}: neither WAV nor MP3 inside") },
        }
    }

    /// The recording is dealt with: its file need not be watched any more.
    pub fn forget(&self, path: &RecordingPath) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).forget(path);
    }

    fn misplaced(&self, alarm: String) -> Found {
        Found::Misplaced { after: ABSENT, alarm }
    }

    fn no_root(&self) -> String {
        format!("recordings: {} is no directory: mount the PBX's recordings there", self.tree.root().display())
    }

    fn outside(&self, path: &str) -> String {
        let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
        let stray = self.stray.get_or_init(|| directory.to_owned());
        let (known, root) = (self.tree.pbx_path().display(), self.tree.root().display());
        format!(
            "recordings: the PBX keeps them in {}, which is not under pbx_path {known}: set pbx_path in [recordings] to the \
             PBX's own name of what is at {root}",
            stray.display()
        )
    }

    /// Whether the PBX's name of a recording can be a file of ours, and whether it is there now: for `doctor`.
    pub fn trace(&self, path: &RecordingPath) -> Trace {
        match self.tree.locate(path) {
            Located::Here(file) => open(&file).map_or_else(|error| Trace::of(&error), |_| Trace::There),
            Located::Outside => Trace::Outside(self.outside(path)),
            Located::Unreadable(error) => Trace::of(&error),
            Located::Absent | Located::Refused(_) => Trace::Away,
        }
    }

    /// Looks at the directory itself, for `doctor`.
    pub fn inspect(&self) -> Inspection {
        let root = self.tree.root();
        match std::fs::read_dir(root).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Inspection { usable: true, empty: false, text: format!("{} can be read", root.display()) },
            Ok(false) => {
                let text = format!("{} is empty: is it mounted?", root.display());
                Inspection { usable: true, empty: true, text }
            }
            Err(error) => {
                let remedy = match error.kind() {
                    io::ErrorKind::PermissionDenied => LET_READ,
                    _ => "mount it",
                };
                let text = format!("{}: {error}: {remedy}", root.display());
                Inspection { usable: false, empty: false, text }
            }
        }
    }
}

fn not_yet(after: Duration, why: String) -> Found {
    Found::NotYet { after, why }
}

fn look(file: &Path) -> io::Result<(State, Header)> {
    let (mut opened, bytes, changed) = open(file)?;
    let header = header::read(&mut opened, bytes)?;
    Ok((State { bytes, changed }, header))
}

/// Opens a file that [`Source::find`] found, for reading to the end of what is there now: its bytes are told too.
/// A link in its place, a pipe or a directory is an error.
///
/// # Errors
///
/// Those of the file system.
pub fn open(file: &Path) -> io::Result<(std::fs::File, u64, Option<std::time::SystemTime>)> {
    use rustix::fs::{Mode, OFlags};
    // A pipe would block its opener for ever, and a link may have taken the file's place since it was found.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = std::fs::File::from(rustix::fs::open(file, flags, Mode::empty())?);
    let facts = opened.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((opened, facts.len(), facts.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::bounded;
    use std::fs;

    /// A directory of its own that goes away again.
    pub(super) struct Scratch(pub(super) PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ringpost-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap_or_default();
            Self(dir)
        }

        pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).unwrap_or_default();
            }
            fs::write(&path, bytes).unwrap_or_default();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn source(scratch: &Scratch) -> Source {
        Source::new(&Recordings {
            source: RecordingSource::Path(scratch.0.clone()),
            pbx_path: PathBuf::from("/var/spool/asterisk/monitor"),
            give_up_hours: 24,
        })
    }

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_millis(secs * 1000)
    }

    #[test]
    fn a_file_is_ready_only_after_it_stood_still() {
        let scratch = Scratch::new("settle");
        let source = source(&scratch);
        let path: RecordingPath = bounded(b"/var/spool/asterisk/monitor/2026/11/21/in-18.wav");
        assert!(matches!(source.find_at(&path, at(1)), Found::NotYet { .. }));
        let file = scratch.write("2026/11/21/in-18.wav", &header::tests::wav(1600));
        assert!(matches!(source.find_at(&path, at(2)), Found::NotYet { .. }));
        scratch.write("2026/11/21/in-18.wav", &header::tests::wav(3200));
        assert!(matches!(source.find_at(&path, at(30)), Found::NotYet { .. }), "it grew since the last look");
        let canonical = file.canonicalize().unwrap_or_default();
        assert_eq!(source.find_at(&path, at(34)), Found::Ready(Ready { file: canonical, secs: 0 }));
    }

    #[test]
    fn the_play_time_is_told_by_the_header() {
        let scratch = Scratch::new("secs");
        let source = source(&scratch);
        scratch.write("a.wav", &header::tests::wav(16_000 * 7));
        for (seconds, ready) in [(0, false), (4, true)] {
            let found = source.find_at(&bounded(b"a.wav"), at(seconds));
            assert_eq!(matches!(found, Found::Ready(Ready { secs: 7, .. })), ready, "{found:?}");
        }
    }

    #[test]
    fn a_recording_outside_waits_with_one_alarm_for_all() {
        let scratch = Scratch::new("outside");
        let source = source(&scratch);
        let find = |path: &[u8]| source.find_at(&bounded(path), at(0));
        let Found::Misplaced { alarm, .. } = find(b"/data/rec/2026/a.wav") else {
            panic!("{:?}", find(b"/data/rec/a"))
        };
        assert!(alarm.contains("/data/rec/2026") && alarm.contains("pbx_path"), "{alarm}");
        assert!(matches!(find(b"/data/rec/2027/b.wav"), Found::Misplaced { alarm: again, .. } if again == alarm));
        assert!(matches!(source.trace(&bounded(b"/data/rec/x.wav")), Trace::Outside(_)));
        scratch.write("there.wav", b"x");
        assert_eq!(source.trace(&bounded(b"/var/spool/asterisk/monitor/there.wav")), Trace::There);
        assert_eq!(source.trace(&bounded(b"/var/spool/asterisk/monitor/gone.wav")), Trace::Away);
        drop(scratch);
        let gone = source.find_at(&bounded(b"a.wav"), at(0));
        assert!(matches!(&gone, Found::Misplaced { alarm, .. } if alarm.contains("mount")), "{gone:?}");
    }

    #[test]
    fn an_unfinished_header_waits_and_a_foreign_one_never_goes() {
        let scratch = Scratch::new("header");
        let source = source(&scratch);
        let mut growing = header::tests::wav(1600);
        growing.splice(40..44, [0; 4]);
        scratch.write("a.wav", &growing);
        scratch.write("b.wav", b"<html>please log in</html>");
        scratch.write("c.wav", b"");
        let (a, b, c): (RecordingPath, RecordingPath, RecordingPath) =
            (bounded(b"a.wav"), bounded(b"b.wav"), bounded(b"c.wav"));
        for path in [&a, &b, &c] {
            assert!(matches!(source.find_at(path, at(0)), Found::NotYet { .. }), "{path}");
        }
        assert!(matches!(source.find_at(&a, at(60)), Found::NotYet { why, .. } if why.contains("header")));
        assert!(matches!(source.find_at(&b, at(60)), Found::Never { .. }));
        assert!(matches!(source.find_at(&c, at(60)), Found::NotYet { .. }), "an empty file may still be written");
    }

    #[test]
    fn a_pipe_in_place_of_a_file_neither_blocks_nor_goes() {
        let scratch = Scratch::new("pipe");
        let made = std::process::Command::new("mkfifo").arg(scratch.0.join("p.wav")).status();
        if made.is_ok_and(|status| status.success()) {
            let found = source(&scratch).find_at(&bounded(b"p.wav"), at(0));
            assert!(matches!(found, Found::Never { ref why } if why.contains("regular")), "{found:?}");
        }
    }

    #[test]
    fn an_empty_or_absent_root_is_told() {
        let scratch = Scratch::new("inspect");
        assert!(source(&scratch).inspect().text.contains("mounted"));
        scratch.write("x.wav", b"x");
        assert!(source(&scratch).inspect().usable);
        let gone = source(&scratch);
        drop(scratch);
        assert!(!gone.inspect().usable);
    }
}
