//! The PBX side: Asterisk's manager interface, from bytes to typed events and back.
//!
//! [`frame`] cuts the stream into packets, [`typing`] makes [`event`]s of the few that matter, [`action`] writes
//! requests, [`link`] is the state machine of a connection (banner → challenge → login → filter → resync → live). All
//! of it borrows from the framer's buffer and does no I/O.

pub mod action;
pub mod escape;
pub mod event;
mod fields;
pub mod filters;
pub mod frame;
pub mod link;
mod md5;
pub mod typing;
