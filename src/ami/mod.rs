//! The PBX side: Asterisk's manager interface, from bytes to typed events and back.
//!
//! [`frame`] cuts the stream into packets, [`event`] types the few that matter, `action` writes requests, `link` is the
//! state machine of a connection (banner → challenge → login → filter → resync → live). All of it borrows from the
//! framer's buffer and does no I/O.

pub mod event;
pub mod frame;
