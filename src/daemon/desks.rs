//! Where the hub hands its work in: the journal, the mirror, the lanes of a CRM.
//!
//! In the daemon each is a thread; in the hub's tests each is a list, so that a journal that is slow, late or broken is
//! a plain value. None of these calls may wait.

use crate::deliver::job::Job;
use crate::deliver::lanes::Lanes;
use crate::journal::thread::{Journal, Request};
use crate::mirror::{Mirror, Progress};

/// Takes requests to the journal.
pub trait JournalDesk {
    /// Asks without waiting. Gives the request back when too many wait.
    fn request(&self, request: Request) -> Result<(), Request>;
}

/// Takes the state that must outlive the process.
pub trait MirrorDesk {
    /// Hands over the present state, in place of one that still waits. Returns its number.
    fn store(&mut self, content: Vec<u8>) -> u64;
    /// See [`Mirror::buffer`].
    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// How far it is.
    fn how_far(&self) -> Progress;
}

/// Takes jobs for the lanes of one CRM.
pub trait LaneDesk {
    /// Hands a job to its lane, which is free. False when nobody is there to do it.
    fn send(&self, job: Job) -> bool;
}

impl JournalDesk for Journal {
    fn request(&self, request: Request) -> Result<(), Request> {
        Self::request(self, request)
    }
}

impl MirrorDesk for Mirror {
    fn store(&mut self, content: Vec<u8>) -> u64 {
        Self::store(self, content)
    }
    fn buffer(&mut self) -> Vec<u8> {
        Self::buffer(self)
    }

    fn how_far(&self) -> Progress {
        *self.progress().borrow()
    }
}

impl LaneDesk for Lanes {
    fn send(&self, job: Job) -> bool {
        Self::send(self, job)
    }
}
