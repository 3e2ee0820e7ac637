//! The journal's thread as the daemon meets it: what it says when it is full, when it has room again, and when refused
//! calls are to be tried again.
#![allow(clippy::expect_used, clippy::indexing_slicing)] // a test may panic

mod journal_model;

use journal_model::{entry, settings, usual_call};
use ringpost::config::WhenFull;
use ringpost::journal::thread::{FILE_NAME, Journal, Reply, Request, Setup};
use ringpost::journal::{Crm, JournalError, Mark, Part, Pending, Seq, Settings};
use ringpost::text::bounded;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// A journal's thread on a file of 64 KiB, with one CRM.
struct Desk {
    directory: PathBuf,
    journal: Option<Journal>,
    replies: Receiver<Reply>,
    runtime: tokio::runtime::Runtime,
    appended: u64,
}

impl Desk {
    fn open(name: &str, when_full: WhenFull) -> Self {
        let directory = std::env::temp_dir().join(format!("ringpost-thread-{name}-{}", std::process::id()));
        let ring = Settings { when_full, ..settings(1) };
        let setup = Setup { directory: directory.clone(), size_kib: 64, medium: None, ring };
        let (sender, replies) = channel(32);
        let journal = Journal::start(setup, sender).expect("the thread starts");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut desk = Self { directory, journal: Some(journal), replies, runtime, appended: 0 };
        assert!(matches!(desk.next(), Reply::Opened { .. }));
        desk
    }

    fn next(&mut self) -> Reply {
        let reply = async { tokio::time::timeout(Duration::from_secs(30), self.replies.recv()).await };
        self.runtime.block_on(reply).expect("a reply in time").expect("the thread runs")
    }

    fn ask(&self, request: Request) {
        self.journal.as_ref().expect("it is open").request(request).expect("room for a request");
    }

    /// So many more calls; what is said beside the answers to them, and how many were not taken.
    fn append(&mut self, calls: u64) -> (Vec<Reply>, usize) {
        let (mut said, mut refused) = (Vec::new(), 0);
        for _ in 0..calls {
            self.appended += 1;
            self.ask(Request::Append { token: self.appended, entry: Box::new(entry(usual_call(self.appended), 1)) });
            loop {
                match self.next() {
                    Reply::Appended { durable: true, .. } => break,
                    Reply::AppendFailed { why: JournalError::Full, .. } => {
                        refused += 1;
                        break;
                    }
                    other => said.push(other),
                }
            }
        }
        said.extend(self.settled());
        (said, refused)
    }

    /// What is said until the thread has done all it was asked. Asked twice: something may be said after the first
    /// answer.
    fn settled(&mut self) -> Vec<Reply> {
        let mut said = Vec::new();
        for _ in 0..2 {
            self.ask(Request::Stats);
            loop {
                match self.next() {
                    Reply::Stats(_) => break,
                    other => said.push(other),
                }
            }
        }
        said
    }

    /// Calls that wait after `after`, oldest first.
    fn pending(&mut self, after: Seq) -> Vec<Pending> {
        self.ask(Request::Pending { crm: Crm(0), part: Part::Call, after, max: 64 });
        let Reply::Pending { calls, .. } = self.next() else { panic!("no answer") };
        calls
    }

    /// The CRM takes so many of the oldest calls; what is said meanwhile.
    fn deliver(&mut self, mut calls: usize) -> Vec<Reply> {
        let mut said = Vec::new();
        while calls > 0 {
            let waiting = self.pending(Seq(0));
            assert!(!waiting.is_empty(), "nothing waits");
            for pending in waiting.iter().take(calls) {
                for mark in [Mark::Delivered { ticket: None }, Mark::RecordingsGivenUp { reason: bounded(b"gone") }] {
                    self.ask(Request::Mark { seq: pending.seq, crm: Crm(0), mark });
                }
            }
            calls = calls.saturating_sub(waiting.len());
            said.extend(self.settled());
        }
        said
    }

    /// Calls that wait, counted.
    fn waiting(&mut self) -> usize {
        let (mut count, mut after) = (0, Seq(0));
        loop {
            let window = self.pending(after);
            let Some(last) = window.last() else { return count };
            (count, after) = (count + window.len(), last.seq);
        }
    }

    fn close(&mut self) {
        self.ask(Request::Close);
        assert!(matches!(self.next(), Reply::Closed));
        self.journal.take().expect("it is open").join();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn that_it_is_full_is_told_once_until_half_of_the_room_is_free_again() {
    let mut desk = Desk::open("full", WhenFull::DropOldest);
    assert!(matches!(desk.append(20), (said, 0) if said.is_empty()), "there is room");
    let (said, refused) = desk.append(800);
    assert!(matches!(said.as_slice(), [Reply::Full(true)]), "{said:?}");
    assert_eq!(refused, 0, "the oldest go");
    let fit = desk.waiting();
    assert!((100..800).contains(&fit), "{fit} wait");
    // A few that are delivered make room for a few, which is not the end of it.
    assert!(desk.deliver(5).is_empty());
    let (said, _) = desk.append(50);
    assert!(said.is_empty(), "the same spell: {said:?}");
    let said = desk.deliver(fit * 3 / 4);
    assert!(matches!(said.as_slice(), [Reply::Full(false)]), "{said:?}");
    let (said, _) = desk.append(800);
    assert!(matches!(said.as_slice(), [Reply::Full(true)]), "another spell: {said:?}");
}

#[test]
fn a_full_journal_that_keeps_what_it_has_is_no_failing_medium() {
    let mut desk = Desk::open("newest", WhenFull::DropNewest);
    let (said, refused) = desk.append(800);
    assert!(matches!(said.as_slice(), [Reply::Full(true)]), "{said:?}");
    assert!(refused > 50, "{refused} were refused");
}

#[test]
fn refused_calls_wait_again_and_still_do_after_the_end_of_the_process() {
    let mut desk = Desk::open("retry", WhenFull::DropOldest);
    desk.append(3);
    let calls = desk.pending(Seq(0));
    let refuse = |seq| Request::Mark { seq, crm: Crm(0), mark: Mark::Refused { reason: bounded(b"no such type") } };
    desk.ask(refuse(calls[0].seq));
    desk.ask(refuse(calls[2].seq));
    assert_eq!(desk.waiting(), 1);
    let id = calls[2].call.id.to_string();
    for (token, id, wanted) in [(7, Some("office-0.0".into()), 0), (8, Some(id.clone()), 1), (9, Some(id), 0)] {
        desk.ask(Request::Retry { token, id });
        let Reply::Retried { token: of, calls, fault } = desk.next() else { panic!("no answer") };
        assert_eq!((of, calls, fault), (token, wanted, None));
    }
    assert_eq!(desk.waiting(), 2);
    // As the power would leave it: what was told is on flash, before the thread ends.
    let kept = fs::read(desk.directory.join(FILE_NAME)).expect("the file");
    desk.close();
    let directory = desk.directory.clone();
    drop(desk);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(FILE_NAME), kept).expect("the file");
    let mut desk = Desk::open("retry", WhenFull::DropOldest);
    assert_eq!(desk.waiting(), 2);
}
