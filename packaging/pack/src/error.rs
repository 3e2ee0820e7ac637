//! What can go wrong, told with the place and the remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was written.
#[derive(Debug)]
pub enum Error {
    /// The command line or the environment is wrong.
    Usage(String),
    /// A file or folder cannot be read.
    Read(PathBuf, io::Error),
    /// A file or folder cannot be written.
    Write(PathBuf, io::Error),
    /// A file was read and is not what it has to be.
    Wrong {
        /// Which file.
        place: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A program that was called failed.
    Called {
        /// The program with its arguments.
        program: String,
        /// What it said, or why it did not start.
        said: String,
    },
    /// Something has no room in the format that it was meant for.
    Room {
        /// The format.
        format: &'static str,
        /// What does not fit.
        what: String,
    },
}

impl Error {
    /// An [`Error::Wrong`].
    pub fn wrong(place: impl AsRef<Path>, what: impl Into<String>, remedy: &'static str) -> Self {
        Self::Wrong { place: place.as_ref().to_owned(), what: what.into(), remedy }
    }

    /// The exit code: 2 where the command was wrong, 1 where the work failed.
    pub fn code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "{what}; `pack help` tells the commands"),
            Self::Read(path, why) => write!(f, "{}: cannot be read: {why}", path.display()),
            Self::Write(path, why) => write!(f, "{}: cannot be written: {why}", path.display()),
            Self::Wrong { place, what, remedy } => write!(f, "{}: {what}; {remedy}", place.display()),
            Self::Called { program, said } => write!(f, "`{program}` failed: {}", said.trim_end()),
            Self::Room { format, what } => write!(f, "{format}: no room for {what}"),
        }
    }
}

impl std::error::Error for Error {}
