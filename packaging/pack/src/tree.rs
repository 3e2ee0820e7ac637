//! What a package installs: paths with their modes and contents, sorted, each owned by root.

use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The permission bits.
    pub mode: u32,
    /// What is in it.
    pub contents: Vec<u8>,
}

/// Files by their path from the root, without a slash in front. Folders are those that the files need, with mode 0755.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, File>,
}

impl Tree {
    /// Adds a file.
    ///
    /// # Errors
    ///
    /// Where the path is not plain, or taken.
    pub fn add(&mut self, path: &str, mode: u32, contents: Vec<u8>) -> Result<(), Error> {
        let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && path.bytes().all(|b| b.is_ascii_graphic())
            && !self.files.contains_key(path);
        if !plain {
            return Err(Error::Room { format: "package", what: format!("a second or odd path {path:?}") });
        }
        self.files.insert(path.to_owned(), File { mode, contents });
        Ok(())
    }

    /// The files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The folders, sorted, the root (an empty name) first.
    pub fn folders(&self) -> BTreeSet<&str> {
        let above = |path| std::iter::successors(parent(path), |folder| parent(folder));
        self.files.keys().flat_map(|path| above(path)).collect()
    }
}

/// The folder that a path is in: an empty name for the root, which is in none.
fn parent(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { Some(path.rsplit_once('/').map_or("", |(folder, _)| folder)) }
}
