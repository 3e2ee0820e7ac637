//! The packages, taken apart again by readers that share nothing with the writers: what is checked here is bytes.
//!
//! `repository` makes checkouts to pack from and calls the program; `read` takes containers apart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test that panics has found something

mod apk;
mod architectures;
mod command;
mod deb;
mod ipk;
mod notices;
mod read;
mod repository;
mod reproducible;
mod sbom;
mod sums;
mod tarball;
