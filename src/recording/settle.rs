//! Whether a file has stopped growing.
//!
//! An engine: what was seen and when goes in, how long to wait comes out. A file is settled when two looks at least
//! [`RECORDING_SETTLE`] apart saw the same size and the same time of change; only differences count, so the PBX's clock
//! may say what it likes. Bounds: [`RECORDINGS_WATCHED`] files; at the cap the one not looked at for longest starts
//! anew.

use crate::call::record::RecordingPath;
use crate::clock::Monotonic;
use crate::limits::{RECORDING_SETTLE, RECORDINGS_WATCHED};
use core::time::Duration;
use std::time::SystemTime;

/// A file at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Its size.
    pub(super) bytes: u64,
    /// When it was changed last, by the clock of whoever keeps it; none if that is not told.
    pub(super) changed: Option<SystemTime>,
}

/// The files being watched.
#[derive(Debug, Default)]
pub(super) struct Settling(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    path: RecordingPath,
    state: State,
    since: Monotonic,
    looked: Monotonic,
}

impl Settling {
    /// Notes a look at a file. None when it is settled, else how long to wait before the next look.
    pub(super) fn observe(&mut self, path: &RecordingPath, state: State, now: Monotonic) -> Option<Duration> {
        let Some(watched) = self.0.iter_mut().find(|watched| watched.path == *path) else {
            self.start(path, state, now);
            return Some(RECORDING_SETTLE);
        };
        watched.looked = now;
        if watched.state != state || state.bytes == 0 {
            (watched.state, watched.since) = (state, now);
            return Some(RECORDING_SETTLE);
        }
        let stood = now.since(watched.since);
        RECORDING_SETTLE.checked_sub(stood).filter(|left| !left.is_zero())
    }

    /// The file is on its way.
    pub(super) fn forget(&mut self, path: &RecordingPath) {
        self.0.retain(|watched| watched.path != *path);
    }

    fn start(&mut self, path: &RecordingPath, state: State, now: Monotonic) {
        if self.0.len() >= RECORDINGS_WATCHED
            && let Some(oldest) = (0..self.0.len()).min_by_key(|at| self.0.get(*at).map(|watched| watched.looked))
        {
            self.0.swap_remove(oldest);
        }
        self.0.push(Watched { path: path.clone(), state, since: now, looked: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::bounded;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    fn state(bytes: u64, changed: u64) -> State {
        State { bytes, changed: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(changed)) }
    }

    #[test]
    fn it_settles_after_standing_still_by_size_and_by_date() {
        let (mut files, path) = (Settling::default(), bounded(b"a.wav"));
        assert_eq!(files.observe(&path, state(44, 1), at(0)), Some(RECORDING_SETTLE));
        assert_eq!(files.observe(&path, state(44, 1), at(1_000)), Some(RECORDING_SETTLE - Duration::from_secs(1)));
        assert_eq!(files.observe(&path, state(60, 1), at(2_900)), Some(RECORDING_SETTLE));
        assert_eq!(files.observe(&path, state(60, 2), at(5_800)), Some(RECORDING_SETTLE), "rewritten in place");
        assert_eq!(files.observe(&path, state(60, 2), at(8_800)), None);
    }

    #[test]
    fn an_empty_file_never_settles() {
        let (mut files, path) = (Settling::default(), bounded(b"a.wav"));
        for secs in 0..100 {
            assert!(files.observe(&path, state(0, 1), at(secs * 1000)).is_some());
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut files = Settling::default();
        for number in 0..10 * RECORDINGS_WATCHED {
            let path = bounded(number.to_string().as_bytes());
            assert!(files.observe(&path, state(1, 1), at(number as u64)).is_some());
            assert!(files.0.len() <= RECORDINGS_WATCHED);
        }
    }
}
