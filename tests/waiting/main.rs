//! Tests that wait more than they work, for time-outs, a portal's pauses and the pace of calls: in one program, so that
//! they wait at the same time.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod agent;
mod backlog;
mod bad_input;
mod bitrix24;
mod demo;
mod drain;
mod journal;
mod kick;
mod reload;
