//! Archives of which every byte follows from the contents: tar in GNU's format, and gzip without a name and a time.
//!
//! Names of members begin with `./` as opkg and dpkg write them; the crate `tar` drops that when it is given a path, so
//! the name is put into the header here, which also makes it plain that it has to be shorter than 100 bytes: no
//! extension records are written.

use crate::error::Error;
use crate::tree::Tree;
use flate2::{Compression, GzBuilder};
use std::io::Write as _;
use tar::{EntryType, Header};

/// The latest second that fits the eleven octal digits of a tar header.
pub const LATEST: u64 = 0o77_777_777_777;

/// An archive in the making.
pub struct Archive {
    tar: tar::Builder<Vec<u8>>,
    epoch: u64,
}

impl Archive {
    /// An empty archive whose members all bear the time `epoch`.
    pub fn new(epoch: u64) -> Self {
        Self { tar: tar::Builder::new(Vec::new()), epoch }
    }

    /// An archive of a whole tree, folders listed, with `prefix` in front of each name.
    ///
    /// # Errors
    ///
    /// Where a name is too long.
    pub fn of(tree: &Tree, prefix: &str, epoch: u64) -> Result<Self, Error> {
        let mut archive = Self::new(epoch);
        let folders = tree.folders().into_iter().map(|path| {
            let name = if path.is_empty() { prefix.to_owned() } else { format!("{prefix}{path}/") };
            (name, None)
        });
        let files = tree.files().map(|(path, file)| (format!("{prefix}{path}"), Some(file)));
        let mut members: Vec<_> = folders.chain(files).collect();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, file) in members {
            match file {
                Some(file) => archive.file(&name, file.mode, &file.contents)?,
                None => archive.folder(&name)?,
            }
        }
        Ok(archive)
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// Where the name is too long.
    pub fn file(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<(), Error> {
        self.member(name, mode, EntryType::Regular, contents)
    }

    /// Adds a folder; its name ends with a slash.
    ///
    /// # Errors
    ///
    /// Where the name is too long.
    pub fn folder(&mut self, name: &str) -> Result<(), Error> {
        self.member(name, 0o755, EntryType::Directory, &[])
    }

    fn member(&mut self, name: &str, mode: u32, kind: EntryType, contents: &[u8]) -> Result<(), Error> {
        let room = |what: String| Error::Room { format: "tar", what };
        let mut header = Header::new_gnu();
        // One byte stays zero: the end of the name.
        match header.as_old_mut().name.split_last_mut().and_then(|(_, room)| room.get_mut(..name.len())) {
            Some(place) => place.copy_from_slice(name.as_bytes()),
            None => return Err(room(format!("the name {name:?}: 99 bytes at most"))),
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").map_err(|why| room(why.to_string()))?;
        header.set_groupname("root").map_err(|why| room(why.to_string()))?;
        header.set_mtime(self.epoch);
        header.set_size(contents.len() as u64);
        header.set_cksum();
        // Six digits, as GNU tar has it; the crate writes seven, which is read as well.
        let sum = format!("{:06o}\0 ", header.cksum().map_err(|why| room(why.to_string()))?);
        header.as_old_mut().cksum.copy_from_slice(sum.as_bytes());
        self.tar.append(&header, contents).map_err(|why| room(why.to_string()))
    }

    /// The bytes, with the two empty blocks at the end.
    ///
    /// # Errors
    ///
    /// None in practice: nothing but memory is written to.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        self.tar.into_inner().map_err(|why| Error::Room { format: "tar", what: why.to_string() })
    }

    /// The bytes, compressed.
    ///
    /// # Errors
    ///
    /// As [`Archive::bytes`].
    pub fn gzipped(self) -> Result<Vec<u8>, Error> {
        gzip(&self.bytes()?)
    }
}

/// What `gzip -9n` would write, by another compressor.
///
/// # Errors
///
/// None in practice: nothing but memory is written to.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    /// Unix, whatever this runs on.
    const SYSTEM: u8 = 3;
    let mut encoder = GzBuilder::new().operating_system(SYSTEM).write(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|why| Error::Room { format: "gzip", what: why.to_string() })
}
