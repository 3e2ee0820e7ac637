//! Calls: from typed events to one finished record per customer call.
//!
//! [`tracker`] is the state machine and how a call ends; its channels and calls are made and merged in `tables`, told
//! of in `telling`. What each event means is in `events` and `bridges`, whose call it is in `direction`, who talks in
//! `hearing`, lists of channels in `snapshot`, the saved state in [`mirror`], conferences in `rooms`, transfers in
//! `transfers`, queues and ring groups in `groups`. [`channel`] knows the grammar of channel names, [`classify`] tells
//! extensions from trunks, [`family`] recognises the family of PBX. [`record`] is the fact that comes out and [`live`]
//! the hint. Nothing here knows a CRM or does I/O.

mod bridges;
pub mod channel;
pub mod classify;
mod direction;
mod events;
pub mod family;
mod groups;
mod hearing;
mod index;
pub mod json;
mod leg;
pub mod live;
pub mod mirror;
pub mod record;
mod rooms;
mod slab;
mod snapshot;
mod state;
mod tables;
mod telling;
pub mod tracker;
mod transfers;
