//! Calls: from typed events to one finished record per customer call.
//!
//! `channel` knows the grammar of channel names, `classify` tells direction and which channel is an extension or a
//! trunk, `tracker` is the state machine, [`record`] is the fact that comes out and [`live`] the hint. Nothing here
//! knows a CRM or does I/O.

pub mod classify;
pub mod live;
pub mod record;
pub mod tracker;
