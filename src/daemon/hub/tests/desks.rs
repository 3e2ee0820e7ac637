//! The threads around the hub as lists that a test plays: the journal's and the mirror's inbox, a lane's jobs.

use super::super::*;
use crate::deliver::job::Job;
use crate::limits::CRMS;
use crate::mirror::Progress;
use core::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

#[derive(Default)]
pub(super) struct Outside {
    pub(super) requests: VecDeque<Request>,
    /// By CRM.
    pub(super) jobs: [VecDeque<Job>; CRMS],
    pub(super) mirror: Vec<u8>,
    pub(super) handed_over: Vec<u8>,
    pub(super) progress: Progress,
    pub(super) generation: u64,
    /// The mirror does not write what it is given.
    pub(super) mirror_waits: bool,
    pub(super) mirror_fails: bool,
}

#[derive(Clone, Default)]
pub(super) struct Desk(pub(super) Rc<RefCell<Outside>>);

impl JournalDesk for Desk {
    fn request(&self, request: Request) -> Result<(), Request> {
        let mut outside = self.0.borrow_mut();
        if outside.requests.len() >= crate::limits::JOURNAL_REQUESTS {
            return Err(request);
        }
        outside.requests.push_back(request);
        Ok(())
    }
}

impl MirrorDesk for Desk {
    fn store(&mut self, content: Vec<u8>) -> u64 {
        let mut outside = self.0.borrow_mut();
        outside.generation += 1;
        outside.handed_over = content;
        outside.write_mirror();
        outside.generation
    }

    fn how_far(&self) -> Progress {
        self.0.borrow().progress
    }
}

/// The lanes of one CRM.
pub(super) struct LanesOf {
    pub(super) desk: Desk,
    pub(super) crm: usize,
}

impl LaneDesk for LanesOf {
    fn send(&self, job: Job) -> bool {
        self.desk.0.borrow_mut().jobs[self.crm].push_back(job);
        true
    }
}

impl Outside {
    pub(super) fn write_mirror(&mut self) {
        if self.mirror_waits {
            return;
        }
        self.progress.tried = self.generation;
        self.progress.fault = self.mirror_fails.then_some(std::io::ErrorKind::StorageFull);
        if self.mirror_fails {
            self.mirror.clear();
        } else {
            self.progress.written = self.generation;
            self.mirror.clone_from(&self.handed_over);
        }
    }
}
