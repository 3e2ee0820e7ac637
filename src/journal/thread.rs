//! The journal's thread: owns the ring, so that nobody else ever waits for flash.
//!
//! The daemon's loop hands requests over without waiting ([`Journal::request`] gives them back when
//! [`JOURNAL_REQUESTS`] are queued) and takes replies from a bounded channel. Appends that have piled up share one
//! sync. A medium that fails, is full or read-only costs the durability of the calls meanwhile, told by
//! [`Reply::AppendFailed`] or `durable: false`, and nothing else: every request is answered, and writing goes on as
//! soon as the medium lets it. A journal that cannot be opened is tried again; one that another agent holds is refused
//! at once. Ends when asked ([`Request::Close`]) or when nobody takes its replies any more.

use super::JournalError;
use super::marks::Mark;
use super::medium::{Kind, Medium};
use super::record::{Seq, repeated_id};
use super::recover::Recovery;
use super::retry::retry;
use super::ring::{Appended, Crm, Entry, Fullness, HistoryItem, Part, Pending, Ring, Settings, Stats};
use super::storage::{FileStorage, SlowSync};
use crate::clock;
use crate::limits::{JOURNAL_BATCH, JOURNAL_REOPEN_INTERVAL, JOURNAL_REQUESTS};
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// Name of the journal's file in its directory.
pub const FILE_NAME: &str = "ring";
/// Milliseconds to add to each sync; for tests only (see `tests/README.md`).
const SLOW_SYNC_VARIABLE: &str = "RINGPOST_TEST_SLOW_SYNC_MS";
/// A call of the history is some kilobytes on every level; without the compiler's optimisation 128 KiB did not suffice.
const STACK_BYTES: usize = 256 * 1024;

/// Where the journal lies and how it is run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its directory; made if it is not there.
    pub directory: PathBuf,
    /// Size of its file in KiB.
    pub size_kib: u32,
    /// What it lies on, where the operator knows better than the kernel.
    pub medium: Option<Kind>,
    /// How the ring is run.
    pub ring: Settings,
}

/// What is asked of the journal.
#[derive(Debug)]
pub enum Request {
    /// Keep a call. Answered by `Appended` or `AppendFailed`, with the same token.
    Append {
        /// The asker's own name for it.
        token: u64,
        /// The call.
        entry: Box<Entry>,
    },
    /// Note what a CRM did. Not answered.
    Mark {
        /// The entry.
        seq: Seq,
        /// Whose.
        crm: Crm,
        /// What.
        mark: Mark,
    },
    /// Undelivered calls of a CRM. Answered by `Pending`.
    Pending {
        /// Whose.
        crm: Crm,
        /// Which work is left.
        part: Part,
        /// Only later ones.
        after: Seq,
        /// At most so many; at most [`JOURNAL_WINDOW`](crate::limits::JOURNAL_WINDOW).
        max: usize,
    },
    /// Calls, newest first. Answered by `History`.
    History {
        /// Only earlier ones.
        before: Seq,
        /// At most so many; at most [`JOURNAL_WINDOW`](crate::limits::JOURNAL_WINDOW).
        max: usize,
    },
    /// Let refused calls wait again. Answered by `Retried`, with the same token.
    Retry {
        /// The asker's own name for it.
        token: u64,
        /// The one of this identity, as the CRMs know it; none: all.
        id: Option<String>,
    },
    /// How it is. Answered by `Stats`.
    Stats,
    /// Write and sync what waits, and end. Answered by `Closed`.
    Close,
}

/// What the journal says.
#[derive(Debug)]
pub enum Reply {
    /// The file was read; from now on calls are kept.
    Opened {
        /// What was found.
        recovery: Recovery,
        /// What it lies on. Memory does not outlive the power: worth a warning.
        medium: Medium,
        /// Entries before this one were written by an earlier process: in doubt as far as they are not marked.
        first_own: Seq,
        /// Undelivered calls and all else.
        stats: Box<Stats>,
    },
    /// A call is kept.
    Appended {
        /// The asker's name for it.
        token: u64,
        /// Its identity from now on.
        seq: Seq,
        /// The call, given back, with the identity under which the CRMs get it: another one than it came with when an
        /// earlier call had that.
        entry: Box<Entry>,
        /// The journal had it already: it may be delivered in part.
        known: bool,
        /// It is safe from a power cut. If not, the medium failed at the sync.
        durable: bool,
    },
    /// A call could not be kept: deliver it at once, or it is gone with the process.
    AppendFailed {
        /// The asker's name for it.
        token: u64,
        /// The call, given back.
        entry: Box<Entry>,
        /// Why.
        why: JournalError,
    },
    /// Undelivered calls of a CRM, oldest first; an empty list means that there are no more now.
    Pending {
        /// Whose.
        crm: Crm,
        /// Which work is left.
        part: Part,
        /// Only later ones were asked for.
        after: Seq,
        /// The calls.
        calls: Vec<Pending>,
        /// Some between them are missing that the medium did not give: ask again later.
        left_out: bool,
    },
    /// Calls, newest first.
    History(Vec<HistoryItem>),
    /// Refused calls wait again.
    Retried {
        /// The asker's name for it.
        token: u64,
        /// How many.
        calls: u32,
        /// Why the file does not tell it yet; none: it does.
        fault: Option<JournalError>,
    },
    /// How it is.
    Stats(Box<Stats>),
    /// The medium began to fail, failed in another way, or is well again (none). Told once per change.
    Fault(Option<Fault>),
    /// It is so full of undelivered calls that calls are lost, or has room again. Told once per change.
    Full(bool),
    /// All is written; the thread ends.
    Closed,
}

/// The medium fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub JournalError);

/// The handle of the journal's thread.
#[derive(Debug)]
pub struct Journal {
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Starts the thread. Fails at once when another agent holds the journal; any other trouble with the file is told
    /// by [`Reply::Fault`] and tried again.
    pub fn start(setup: Setup, replies: Sender<Reply>) -> Result<Self, JournalError> {
        let held = hold(&setup);
        if let Err(JournalError::Locked) = held {
            return Err(JournalError::Locked);
        }
        let (requests, inbox) = sync_channel(JOURNAL_REQUESTS);
        let (ring, fault, opened_at) = (None, None, Instant::now());
        let worker = Worker { setup, inbox, replies, ring, fault, lost: 0, is_full: false, opened_at };
        let thread = std::thread::Builder::new().name("journal".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || worker.run(held)).map_err(|error| JournalError::io("start", &error))?;
        Ok(Self { requests, thread })
    }

    /// Asks without waiting. Gives the request back when too many wait, or when the thread has ended.
    pub fn request(&self, request: Request) -> Result<(), Request> {
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Disconnected(request) => request,
        })
    }

    /// Waits for the end of the thread, which comes after [`Request::Close`].
    pub fn join(self) {
        drop(self.requests);
        let _ = self.thread.join(); // it does not panic; if it did, there is nothing to save
    }
}

/// The ring in a file.
pub type FileRing = Ring<SlowSync<FileStorage>>;

/// Opens and locks the file; to make it as large as it has to be, and to read it, is the thread's work.
fn hold(setup: &Setup) -> Result<FileStorage, JournalError> {
    std::fs::create_dir_all(&setup.directory).map_err(|error| JournalError::io("open", &error))?;
    FileStorage::hold(&setup.directory.join(FILE_NAME))
}

fn slow_sync() -> Duration {
    let asked = std::env::var(SLOW_SYNC_VARIABLE).ok().and_then(|text| text.parse().ok());
    Duration::from_millis(asked.unwrap_or(0))
}

/// It is over: asked to close, or nobody takes replies any more.
struct Gone;

struct Worker {
    setup: Setup,
    inbox: Receiver<Request>,
    replies: Sender<Reply>,
    ring: Option<FileRing>,
    fault: Option<Fault>,
    /// Calls lost because it was full, as far as was told.
    lost: u32,
    is_full: bool,
    opened_at: Instant,
}

/// An append that is written but not yet synced.
struct Unsynced {
    token: u64,
    entry: Box<Entry>,
    seq: Seq,
    known: bool,
}

impl Worker {
    fn run(mut self, held: Result<FileStorage, JournalError>) {
        let mut going = self.take_file(held);
        while going.is_ok() {
            let first = match self.inbox.recv_timeout(self.patience()) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Request::Close),
            };
            going = self.reopen_if_due().and_then(|()| self.take_batch(first));
        }
    }

    /// How long there is nothing to do but to wait for requests.
    fn patience(&self) -> Duration {
        let Some(ring) = &self.ring else { return JOURNAL_REOPEN_INTERVAL };
        ring.next_flush().map_or(Duration::from_secs(3600), |due| due.since(clock::now().mono))
    }

    /// Does what was asked, up to [`JOURNAL_BATCH`] requests with one sync, and what is due.
    fn take_batch(&mut self, first: Option<Request>) -> Result<(), Gone> {
        let mut unsynced = Vec::new();
        let waiting = core::iter::from_fn(|| self.inbox.try_recv().ok()).take(JOURNAL_BATCH);
        let batch: Vec<Request> = first.into_iter().chain(waiting).collect();
        for request in batch {
            match request {
                Request::Append { token, entry } => self.append(token, entry, &mut unsynced)?,
                Request::Mark { seq, crm, mark } => self.mark(seq, crm, mark),
                Request::Retry { token, id } => {
                    self.settle(&mut unsynced)?;
                    self.retry(token, id.as_deref())?;
                }
                Request::Close => {
                    self.settle(&mut unsynced)?;
                    self.close();
                    self.say(Reply::Closed)?;
                    return Err(Gone);
                }
                question => {
                    self.settle(&mut unsynced)?; // what is told of must be safe
                    self.answer(&question)?;
                }
            }
        }
        self.settle(&mut unsynced)?;
        self.flush_due()?;
        self.tell_fullness()
    }

    fn append(&mut self, token: u64, mut entry: Box<Entry>, unsynced: &mut Vec<Unsynced>) -> Result<(), Gone> {
        let closed = self.fault.map_or(JournalError::Closed, |Fault(why)| why);
        let appended = self.ring.as_mut().map_or(Err(closed), |ring| ring.append(&entry, clock::now()));
        match appended {
            Ok(Appended { seq, known, repeat }) => {
                if repeat != 0 {
                    let call = Arc::make_mut(&mut entry.call);
                    call.id = repeated_id(&call.id, repeat);
                }
                unsynced.push(Unsynced { token, entry, seq, known });
                Ok(())
            }
            Err(why) => {
                // One that is full or a call that is too large says nothing about the medium.
                if !matches!(why, JournalError::Full | JournalError::TooLarge) {
                    self.tell_fault(Some(Fault(why)))?;
                }
                self.say(Reply::AppendFailed { token, entry, why })
            }
        }
    }

    /// Syncs what was appended and answers for it.
    fn settle(&mut self, unsynced: &mut Vec<Unsynced>) -> Result<(), Gone> {
        if unsynced.is_empty() {
            return Ok(());
        }
        let synced = self.ring.as_mut().map_or(Err(JournalError::Closed), Ring::sync);
        self.tell_fault(synced.err().map(Fault))?;
        for Unsynced { token, entry, seq, known } in unsynced.drain(..) {
            self.say(Reply::Appended { token, seq, entry, known, durable: synced.is_ok() })?;
        }
        Ok(())
    }

    fn mark(&mut self, seq: Seq, crm: Crm, mark: Mark) {
        if let Some(ring) = &mut self.ring {
            ring.mark(seq, crm, mark, clock::now());
        }
    }

    /// What the operator was told must outlive the power, so it does not wait for the next append.
    fn retry(&mut self, token: u64, id: Option<&str>) -> Result<(), Gone> {
        let Some(ring) = &mut self.ring else {
            return self.say(Reply::Retried { token, calls: 0, fault: Some(JournalError::Closed) });
        };
        let now = clock::now();
        let calls = retry(ring, id, now);
        let kept = if calls == 0 { Ok(()) } else { ring.flush(now).and_then(|()| ring.sync()) };
        if calls > 0 {
            self.tell_fault(kept.err().map(Fault))?;
        }
        self.say(Reply::Retried { token, calls, fault: kept.err() })
    }

    /// A journal that is not open holds nothing: its answers are empty.
    fn answer(&mut self, question: &Request) -> Result<(), Gone> {
        let reply = match *question {
            Request::Pending { crm, part, after, max } => {
                let calls = self.ring.as_mut().map_or_else(Vec::new, |ring| ring.pending(crm, part, after, max));
                let left_out = self.ring.as_ref().is_some_and(Ring::has_left_out);
                Reply::Pending { crm, part, after, calls, left_out }
            }
            Request::History { before, max } => {
                Reply::History(self.ring.as_ref().map_or_else(Vec::new, |ring| ring.history(before, max)))
            }
            Request::Stats => {
                if let Some(ring) = &mut self.ring {
                    ring.note_clock(clock::now()); // a new day has begun, though nothing was written in it
                }
                Reply::Stats(Box::new(self.ring.as_ref().map(Ring::stats).unwrap_or_default()))
            }
            // Not questions.
            Request::Append { .. } | Request::Mark { .. } | Request::Retry { .. } | Request::Close => return Ok(()),
        };
        self.say(reply)
    }

    fn flush_due(&mut self) -> Result<(), Gone> {
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let now = clock::now();
        ring.note_clock(now);
        match ring.flush_due(now) {
            // Marks that find no room wait for it: a full journal is no failing medium.
            Ok(()) | Err(JournalError::Full) => Ok(()),
            Err(why) => self.tell_fault(Some(Fault(why))),
        }
    }

    /// Saves the waiting marks. If the medium refuses, they cost look-ups after the next start.
    fn close(&mut self) {
        if let Some(mut ring) = self.ring.take() {
            let _ = ring.flush(clock::now()).and_then(|()| ring.sync());
        }
    }

    fn reopen_if_due(&mut self) -> Result<(), Gone> {
        if self.ring.is_some() || self.opened_at.elapsed() < JOURNAL_REOPEN_INTERVAL {
            return Ok(());
        }
        self.opened_at = Instant::now();
        let held = hold(&self.setup);
        self.take_file(held)
    }

    fn take_file(&mut self, held: Result<FileStorage, JournalError>) -> Result<(), Gone> {
        let path = self.setup.directory.join(FILE_NAME);
        match held.and_then(|file| file.grown(&path, self.setup.size_kib)) {
            Ok(file) => {
                let medium = Medium::of(&path, self.setup.medium);
                let (ring, recovery) = Ring::open(SlowSync::new(file, slow_sync()), self.setup.ring.clone());
                let (stats, first_own) = (Box::new(ring.stats()), ring.next_seq());
                self.ring = Some(ring);
                self.tell_fault(None)?;
                self.say(Reply::Opened { recovery, medium, first_own, stats })
            }
            Err(why) => self.tell_fault(Some(Fault(why))),
        }
    }

    /// A spell of losses ends when half of the room is free again: calls that go one by one do not make it many spells.
    fn tell_fullness(&mut self) -> Result<(), Gone> {
        let Some(Fullness { open_bytes, size_bytes, lost }) = self.ring.as_ref().map(Ring::fullness) else {
            return Ok(());
        };
        let is_full = if self.is_full { open_bytes > size_bytes / 8 * 3 } else { lost > self.lost };
        self.lost = lost;
        if is_full == self.is_full {
            return Ok(());
        }
        self.is_full = is_full;
        self.say(Reply::Full(is_full))
    }

    fn tell_fault(&mut self, fault: Option<Fault>) -> Result<(), Gone> {
        if self.fault == fault {
            return Ok(());
        }
        self.fault = fault;
        self.say(Reply::Fault(fault))
    }

    fn say(&self, reply: Reply) -> Result<(), Gone> {
        self.replies.blocking_send(reply).map_err(|_| Gone)
    }
}
