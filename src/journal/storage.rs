//! Where the ring's bytes lie: a trait of four calls, and the file that implements it.
//!
//! Stands apart so that the ring can be run on a medium that tears, forgets and fails (see `simulated`). The file is
//! read and written by position, never mapped: JFFS2 refuses shared writable mappings. It is filled with zeros once, so
//! that later writes overwrite allocated blocks and `fdatasync` has no metadata to write on ext4. Holds a lock while it
//! is open: two agents on one journal would ruin it. Knows nothing of records.

use super::JournalError;
use crate::limits::{JOURNAL_KIB_MAX, JOURNAL_KIB_MIN, JOURNAL_PAGE_BYTES};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A fixed number of bytes that outlive the process, and after [`sync`](Self::sync) the power.
pub trait Storage {
    /// Its size in bytes; does not change while it is open.
    fn size(&self) -> u64;

    /// Fills `buf` from `offset`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written is safe from a power cut. After an error nothing since the last sync is.
    fn sync(&mut self) -> io::Result<()>;
}

/// The journal's file.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
    size: u64,
    writable: bool,
}

const ZEROS: [u8; JOURNAL_PAGE_BYTES] = [0; JOURNAL_PAGE_BYTES];

impl FileStorage {
    /// Opens the journal for the agent, and makes or extends it to `size_kib`. A larger file keeps its size: shrinking
    /// could lose calls. Refuses a journal that another process holds.
    pub fn open(path: &Path, size_kib: u32) -> Result<Self, JournalError> {
        Self::hold(path)?.grown(path, size_kib)
    }

    /// Opens and locks it, and no more: nothing is written, and it has no size yet.
    pub fn hold(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(|error| JournalError::io("open", &error))?;
        lock(&file)?;
        Ok(Self { file, size: 0, writable: true })
    }

    /// What [`hold`](Self::hold) gave of `path`, made or extended to `size_kib`. On flash that may take seconds.
    pub fn grown(mut self, path: &Path, size_kib: u32) -> Result<Self, JournalError> {
        self.extend(u64::from(size_kib.clamp(JOURNAL_KIB_MIN, JOURNAL_KIB_MAX)) * 1024, path)?;
        Ok(self)
    }

    /// Opens it for reading beside a running agent, without the lock.
    pub fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|error| JournalError::io("open", &error))?;
        let size = file.metadata().map_err(|error| JournalError::io("read", &error))?.len();
        Ok(Self { file, size: usable(size), writable: false })
    }

    /// Writes zeros from the file's end to `wanted`, so that the blocks are there before they are needed.
    fn extend(&mut self, wanted: u64, path: &Path) -> Result<(), JournalError> {
        let have = self.file.metadata().map_err(|error| JournalError::io("read", &error))?.len();
        self.size = usable(have.max(wanted));
        let mut at = have;
        while at < wanted {
            let room = usize::try_from(wanted - at).unwrap_or(usize::MAX).min(ZEROS.len());
            let zeros = ZEROS.get(..room).unwrap_or(&ZEROS);
            self.file.write_all_at(zeros, at).map_err(|error| JournalError::io("extend", &error))?;
            at += zeros.len() as u64;
        }
        if have < wanted {
            self.file.sync_all().map_err(|error| JournalError::io("sync", &error))?;
            sync_directory(path).map_err(|error| JournalError::io("sync", &error))?;
        }
        Ok(())
    }
}

impl Storage for FileStorage {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Whole pages of a file, at most the largest journal.
fn usable(size: u64) -> u64 {
    let page = JOURNAL_PAGE_BYTES as u64;
    size.min(u64::from(JOURNAL_KIB_MAX) * 1024) / page * page
}

/// The kernel drops the lock with the process, however it dies.
fn lock(file: &File) -> Result<(), JournalError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked),
        Err(error) => Err(JournalError::io("lock", &error.into())),
    }
}

/// Makes a new file's name safe from a power cut.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Another storage with a slow `sync`: the tests' flash that collects garbage. The agent puts it around its file only
/// when the environment asks for it (see `tests/README.md`).
#[derive(Debug)]
pub struct SlowSync<S> {
    inner: S,
    delay: core::time::Duration,
}

impl<S> SlowSync<S> {
    /// `delay` is added to each sync; zero adds nothing.
    pub fn new(inner: S, delay: core::time::Duration) -> Self {
        Self { inner, delay }
    }
}

impl SlowSync<FileStorage> {
    /// The file as it is, for the commands: of the daemon's type, since a ring is compiled once for each kind of
    /// storage.
    pub fn plain(file: FileStorage) -> Self {
        Self::new(file, core::time::Duration::ZERO)
    }
}

impl<S: Storage> Storage for SlowSync<S> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.inner.sync()
    }
}
