//! The Bitrix24 port against the portal for tests, over TLS: what the portal holds at the end.

mod cards;
mod clocks;
mod delivery;
mod doctor;
mod faults;
pub mod office;
mod recordings;
mod together;
mod users;
