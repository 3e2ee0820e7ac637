//! The daemon: the thin shell around the engines.

pub mod hub;
pub mod image;
pub mod wire;
