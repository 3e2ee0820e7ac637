//! What must outlive the process: calls in progress, mirrored to one small file on tmpfs.
//!
//! Writing there costs no flash and no sync. The daemon hands over the whole state each time it changes; a thread
//! writes the latest one (states that came too fast are skipped) under a temporary name and renames it, so that the
//! file is always whole. The [`Progress`] tells which state has been written: a request to a CRM waits for the state
//! that names it, so that a killed agent finds its tickets again.
//!
//! An old state is worse than none: calls in it may be long over and posted. So a state that cannot be written takes
//! the one before it away (a full tmpfs can always delete), and where not even that is possible, on a file system that
//! has become read-only, the next process finds that it cannot write the file and does not believe it. Without a mirror
//! the calls in progress are joined half-way from the PBX's list.
//!
//! ```text
//!  0       4         5    8        16           24       28      32
//!  | RPM1  | version | 0  | boot   | generation | length | crc32 | content …     all numbers little-endian
//! ```
//!
//! The content is the daemon's own business. A file of another boot, another version or with a wrong checksum is no
//! mirror. Bounds: one waiting state of at most [`MIRROR_BYTES`], one that is being written, one spare buffer. Not for
//! anything that must outlive the power: see [`journal`](crate::journal).

use crate::boot::BootId;
use crate::limits::{MIRROR_BYTES, MIRROR_SPARE_BYTES};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// How far the mirror is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The newest state that was written, or failed to be.
    pub tried: u64,
    /// The newest state that is in the file.
    pub written: u64,
    /// Why the newest try failed; none: it did not.
    pub fault: Option<io::ErrorKind>,
}

/// Why there is nothing to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoMirror {
    /// There is no file: the first start of this boot.
    Absent,
    /// The machine has been started since: those calls are over.
    OtherBoot,
    /// It is not whole, of another version, or cannot be read.
    Damaged,
    /// It cannot be written any more, so that it may be older than it looks.
    Stale,
}

impl core::fmt::Display for NoMirror {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Absent => "there is none",
            Self::OtherBoot => "it is of another boot",
            Self::Damaged => "it is damaged",
            Self::Stale => "it cannot be written, so it may be old",
        })
    }
}

/// The mirror's thread and the one state that waits for it.
#[derive(Debug)]
pub struct Mirror {
    desk: Arc<Desk>,
    generation: u64,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

const MAGIC: [u8; 4] = *b"RPM1";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 32;
const STACK_BYTES: usize = 64 * 1024;

impl Mirror {
    /// Starts the thread that writes `path`. Trouble with the file is told by [`Progress::fault`].
    pub fn start(path: PathBuf, boot: BootId) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let (teller, progress) = watch::channel(Progress::default());
        let writer = Writer { desk: Arc::clone(&desk), path, boot, teller };
        let thread = std::thread::Builder::new().name("mirror".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || writer.run())?;
        Ok(Self { desk, generation: 0, progress, thread: Some(thread) })
    }

    /// An empty buffer for the next state, one of those that are done with if possible: a state is made many times a
    /// minute, and a large buffer made anew each time leaves holes in the heap.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.desk.lock().spare.take().unwrap_or_default()
    }

    /// Hands over the present state, in place of one that still waits. Never blocks for I/O. Returns its number, which
    /// [`Progress`] will reach.
    pub fn store(&mut self, content: Vec<u8>) -> u64 {
        self.generation += 1;
        let mut slot = self.desk.lock();
        if let Some((_, overtaken)) = slot.state.replace((self.generation, content)) {
            slot.give_back(overtaken);
        }
        self.desk.changed.notify_one();
        self.generation
    }

    /// How far it is; can be awaited.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Writes what waits and ends.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.desk.lock().is_closed = true;
        self.desk.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it does not panic; if it did, there is nothing to save
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads what an agent of this boot left behind.
pub fn load(path: &Path, boot: BootId) -> Result<Vec<u8>, NoMirror> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoMirror::Absent),
        Err(_) => return Err(NoMirror::Damaged),
    };
    let mut bytes = Vec::new();
    let limit = (MIRROR_BYTES + HEADER_BYTES) as u64;
    file.take(limit).read_to_end(&mut bytes).map_err(|_| NoMirror::Damaged)?;
    let (head, content) = bytes.split_at_checked(HEADER_BYTES).ok_or(NoMirror::Damaged)?;
    let header = Header::parse(head).ok_or(NoMirror::Damaged)?;
    if header.length != content.len() as u64 || header.checksum != checksum(head, content) {
        return Err(NoMirror::Damaged);
    }
    if !header.boot.is_same(boot) {
        return Err(NoMirror::OtherBoot);
    }
    OpenOptions::new().write(true).open(path).map_err(|_| NoMirror::Stale)?;
    Ok(content.to_vec())
}

/// The hand-over: one state, the latest wins.
#[derive(Debug, Default)]
struct Desk {
    slot: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    state: Option<(u64, Vec<u8>)>,
    /// Empty.
    spare: Option<Vec<u8>>,
    is_closed: bool,
}

impl Waiting {
    /// Keeps the buffer for a later state, but not one that a crowd which is gone has made large.
    fn give_back(&mut self, mut buffer: Vec<u8>) {
        let is_roomy = buffer.capacity() > MIRROR_SPARE_BYTES && buffer.capacity() / 4 > buffer.len();
        buffer.clear();
        if !is_roomy {
            self.spare = Some(buffer);
        }
    }
}

impl Desk {
    /// The slot is whole whenever the lock is free, even if a holder panicked.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next state to write; none when it is over.
    fn take(&self) -> Option<(u64, Vec<u8>)> {
        let mut slot = self.lock();
        loop {
            if let Some(state) = slot.state.take() {
                return Some(state);
            }
            if slot.is_closed {
                return None;
            }
            slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Writer {
    desk: Arc<Desk>,
    path: PathBuf,
    boot: BootId,
    teller: watch::Sender<Progress>,
}

impl Writer {
    fn run(self) {
        while let Some((generation, content)) = self.desk.take() {
            let result = self.replace(generation, &content).inspect_err(|_| self.take_away());
            self.teller.send_modify(|progress| {
                progress.tried = generation;
                progress.fault = result.as_ref().err().map(io::Error::kind);
                if result.is_ok() {
                    progress.written = generation;
                }
            });
            self.desk.lock().give_back(content);
        }
    }

    /// The state before must not be taken for the present one. Emptied where it cannot be deleted; what is refused even
    /// then is found out by [`load`].
    fn take_away(&self) {
        let _ = std::fs::remove_file(self.path.with_extension("new"));
        if std::fs::remove_file(&self.path).is_err() {
            let _ = OpenOptions::new().write(true).truncate(true).open(&self.path);
        }
    }

    /// Whole file under another name, then rename: a reader sees the old state or the new one.
    fn replace(&self, generation: u64, content: &[u8]) -> io::Result<()> {
        if content.len() > MIRROR_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let temporary = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&header(self.boot, generation, content))?;
        file.write_all(content)?;
        drop(file);
        std::fs::rename(&temporary, &self.path)
    }
}

struct Header {
    boot: BootId,
    length: u64,
    checksum: u32,
}

impl Header {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut reader = crate::journal::wire::Reader::new(head);
        if reader.bytes(4)? != MAGIC || reader.byte()? != VERSION {
            return None;
        }
        reader.bytes(3)?;
        let boot = BootId::from_bits(reader.u64_le()?);
        reader.u64_le()?; // generation: for people who look into the file
        Some(Self { boot, length: u64::from(reader.u32_le()?), checksum: reader.u32_le()? })
    }
}

fn header(boot: BootId, generation: u64, content: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&[VERSION, 0, 0, 0]);
    head.extend_from_slice(&boot.bits().to_le_bytes());
    head.extend_from_slice(&generation.to_le_bytes());
    head.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = checksum(&head, content);
    head.extend_from_slice(&checksum.to_le_bytes());
    head
}

/// Over the header up to the checksum, and the content.
fn checksum(head: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head.get(..HEADER_BYTES - 4).unwrap_or_default());
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: BootId = BootId::from_bits(7);

    /// A state directory of one test; taken away at its end.
    struct StateDir(PathBuf);

    impl StateDir {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ringpost-mirror-{test}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("calls")
        }
    }

    impl Drop for StateDir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Hands a state over and waits until it was tried.
    fn store(mirror: &mut Mirror, content: &[u8]) -> Progress {
        let write = mirror.store(content.to_vec());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut progress = mirror.progress();
            let tried = progress.wait_for(|progress| progress.tried >= write);
            *tokio::time::timeout(core::time::Duration::from_secs(20), tried).await.unwrap().unwrap()
        })
    }

    #[test]
    fn the_latest_state_is_found_by_the_next_process_of_this_boot_only() {
        let dir = StateDir::new("latest");
        let mut mirror = Mirror::start(dir.file(), BOOT).unwrap();
        assert_eq!(load(&dir.file(), BOOT), Err(NoMirror::Absent));
        for state in [b"one" as &[u8], b"two", b"three"] {
            mirror.store(state.to_vec());
        }
        mirror.close();
        assert_eq!(load(&dir.file(), BOOT), Ok(b"three".to_vec()));
        assert_eq!(load(&dir.file(), BootId::from_bits(8)), Err(NoMirror::OtherBoot));
        assert_eq!(load(&dir.file(), BootId::UNKNOWN), Err(NoMirror::OtherBoot));
    }

    #[test]
    fn a_state_that_cannot_be_written_takes_the_old_one_away() {
        let dir = StateDir::new("stale");
        let mut mirror = Mirror::start(dir.file(), BOOT).unwrap();
        assert_eq!(store(&mut mirror, b"a call rings").fault, None);
        let obstacle = dir.file().with_extension("new");
        std::fs::create_dir(&obstacle).unwrap();
        let failed = store(&mut mirror, b"it is over and posted");
        assert!(failed.fault.is_some() && failed.written < failed.tried, "{failed:?}");
        assert_eq!(load(&dir.file(), BOOT), Err(NoMirror::Absent), "the next process would post it again");
        std::fs::remove_dir(&obstacle).unwrap();
        assert_eq!(store(&mut mirror, b"another rings").fault, None);
        assert_eq!(load(&dir.file(), BOOT), Ok(b"another rings".to_vec()));
    }

    #[test]
    fn a_state_beyond_its_bound_takes_the_old_one_away() {
        let dir = StateDir::new("large");
        let mut mirror = Mirror::start(dir.file(), BOOT).unwrap();
        store(&mut mirror, b"small");
        assert_eq!(store(&mut mirror, &vec![b'x'; MIRROR_BYTES + 1]).fault, Some(io::ErrorKind::FileTooLarge));
        assert_eq!(load(&dir.file(), BOOT), Err(NoMirror::Absent));
    }

    #[test]
    fn a_damaged_state_is_none() {
        let dir = StateDir::new("damaged");
        Mirror::start(dir.file(), BOOT).unwrap().store(b"calls in progress".to_vec());
        let whole = std::fs::read(dir.file()).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(dir.file(), &bytes).unwrap();
            assert_eq!(load(&dir.file(), BOOT), Err(NoMirror::Damaged), "byte {at}");
            std::fs::write(dir.file(), &whole[..at]).unwrap();
            assert_eq!(load(&dir.file(), BOOT), Err(NoMirror::Damaged), "cut at {at}");
        }
    }
}
