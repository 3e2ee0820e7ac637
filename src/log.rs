//! What ringpost tells on stderr: one line per fact, levelled, without secrets, without flooding.
//!
//! [`Stderr`] wraps `simple_logger`: it masks and escapes every line ([`masked`]), and for the daemon it puts a thread
//! with a short queue between the AMI loop and a stderr that may be slow (a full pipe to syslog): at the cap
//! ([`LOG_LINES`]) lines are lost and counted, nobody waits. [`Repeated`] tells a lasting
//! fault once and then counts it. There are no timestamps, colours or process ids: procd and systemd add their own.
//! Does not write files and does not talk to syslog.

mod mask;
mod repeated;

pub use mask::{hide, masked, secret_part};
pub use repeated::Repeated;

use crate::limits::{LOG_FLUSH_TIMEOUT, LOG_LINES};
use core::sync::atomic::{AtomicU32, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// The logger of the process.
pub struct Stderr {
    sink: SimpleLogger,
    queue: Option<SyncSender<Job>>,
    /// No wider: MIPS routers have no atomic of 64 bits.
    lost: AtomicU32,
}

enum Job {
    Line(Level, String, String),
    Flush(SyncSender<()>),
}

/// How lines get to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At once, by the thread that logs: for short commands.
    Direct,
    /// By a thread of its own: for the daemon, whose AMI loop must never wait for stderr.
    Queued,
}

/// Makes [`Stderr`] the process's logger. Does nothing the second time.
pub fn install(level: LevelFilter, way: Way) {
    let (queue, jobs) = match way {
        Way::Direct => (None, None),
        Way::Queued => {
            let (sender, receiver) = sync_channel(LOG_LINES);
            (Some(sender), Some(receiver))
        }
    };
    let stderr: &'static Stderr = Box::leak(Box::new(Stderr { sink: sink(), queue, lost: AtomicU32::new(0) }));
    if log::set_logger(stderr).is_err() {
        return;
    }
    log::set_max_level(level);
    if let Some(jobs) = jobs {
        let started = std::thread::Builder::new().name("log".into()).spawn(move || stderr.write(&jobs));
        if let Err(error) = started {
            stderr.line(Level::Error, "ringpost::log", &format!("no thread for the log: {error}"));
        }
    }
}

fn sink() -> SimpleLogger {
    SimpleLogger::new().with_level(LevelFilter::Trace)
}

impl Stderr {
    fn line(&self, level: Level, target: &str, text: &str) {
        self.sink.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    fn write(&self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Line(level, target, text) => self.line(level, &target, &text),
                Job::Flush(done) => drop(done.try_send(())),
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                self.line(Level::Warn, "ringpost::log", &format!("{lost} lines are missing here: stderr was too slow"));
            }
        }
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !is_worth_telling(record) {
            return;
        }
        let text = masked(&record.args().to_string());
        let Some(queue) = &self.queue else {
            return self.line(record.level(), record.target(), &text);
        };
        match queue.try_send(Job::Line(record.level(), record.target().to_owned(), text)) {
            Err(TrySendError::Full(_)) => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
            Err(TrySendError::Disconnected(Job::Line(level, target, text))) => self.line(level, &target, &text),
            _ => {}
        }
    }

    /// Waits until what was logged before is written, at most [`LOG_FLUSH_TIMEOUT`].
    fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, written) = sync_channel(1);
        if queue.try_send(Job::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LOG_FLUSH_TIMEOUT);
        }
    }
}

/// The crates below us tell each request and handshake at `debug` and under, with headers and bodies: nothing an
/// operator asked for, and not ours to mask. Their warnings pass.
fn is_worth_telling(record: &Record<'_>) -> bool {
    record.level() <= Level::Warn || record.target().starts_with("ringpost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(log: &Stderr, target: &str, level: Level, text: &str) {
        log.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
    }

    /// A stderr that nobody reads costs lines, never time: the thread that logs does not wait.
    #[test]
    fn a_slow_stderr_costs_lines_and_not_time() {
        log::set_max_level(LevelFilter::Trace);
        let (sender, receiver) = sync_channel(LOG_LINES);
        let log = Stderr { sink: sink(), queue: Some(sender), lost: AtomicU32::new(0) };
        for _ in 0..LOG_LINES + 7 {
            record(&log, "ringpost::ami", Level::Info, "token=abc\nx");
        }
        assert_eq!(log.lost.load(Ordering::Relaxed), 7);
        let lines: Vec<Job> = receiver.try_iter().collect();
        assert_eq!(lines.len(), LOG_LINES);
        assert!(matches!(lines.first(), Some(Job::Line(Level::Info, _, text)) if text == r"token=***\nx"));
    }

    #[test]
    fn other_crates_are_heard_only_when_they_warn() {
        log::set_max_level(LevelFilter::Trace);
        let (sender, receiver) = sync_channel(LOG_LINES);
        let log = Stderr { sink: sink(), queue: Some(sender), lost: AtomicU32::new(0) };
        record(&log, "ureq_proto::client", Level::Debug, "POST /rest/1/abcdef/x");
        record(&log, "rustls::client", Level::Warn, "certificate expired");
        record(&log, "ringpost::ami", Level::Trace, "frame");
        assert_eq!(receiver.try_iter().count(), 2);
    }
}
