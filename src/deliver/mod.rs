//! From the journal to a CRM: what is due next, when, and on which lane.
//!
//! [`schedule`] is the engine of one CRM. It ties together the [`cards`] of live calls, a hand of finished [`calls`]
//! and a hand of [`recordings`], both dealt from the journal, and says which [`job`] goes next. [`backoff`] says how
//! long to wait after failures, `choice` which recording of a call goes, [`drain`]
//! how a backlog gets through, [`lanes`] are the threads that run jobs against the CRM's port. Nothing here knows AMI,
//! nor what a CRM's requests look like.

mod aside;
pub mod backoff;
pub mod calls;
pub mod cards;
mod choice;
pub mod drain;
pub mod job;
pub mod lanes;
pub mod recordings;
pub mod schedule;
