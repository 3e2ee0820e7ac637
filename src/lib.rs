//! ringpost: follows the calls of a PBX over AMI and posts them to the CRM.
//!
//! The way of a call, left to right, one direction:
//!
//! ```text
//! PBX ─► ami::frame ─► ami::event ─► call::tracker ─► call::record ─► journal ─► deliver ─► crm
//!        borrowed      typed, few    state machine    finished fact   ring on    due next,  one port,
//!        lines         fields        time passed in   + live hints    flash      back-off   pure builders
//! ```
//!
//! Left of [`journal`] nothing knows a CRM; right of it nothing knows AMI. Engines (framer, link, tracker, journal
//! codec, delivery schedule) do no I/O, own no clock and no thread: bytes or events in, outputs out, `now` as an
//! argument. [`daemon`] is the thin shell.
//!
//! The library exists so that the binary, the tests, the fuzz targets, the benches and the demo share one code; it is
//! not a public API.

#![forbid(unsafe_code)]

pub mod ami;
pub mod boot;
pub mod call;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod crm;
pub mod daemon;
pub mod deliver;
pub mod inbox;
pub mod journal;
pub mod limits;
pub mod log;
pub mod mirror;
pub mod nearest;
pub mod number;
pub mod profile;
pub mod recording;
pub mod replay;
pub mod status;
pub mod text;
