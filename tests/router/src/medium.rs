//! The file systems that a router's journal lies on, and how each is made.

use crate::machine::FLASH_BYTES;
use crate::trouble::{Trouble, trouble};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Bytes of the disk: f2fs wants no less.
const DISK_BYTES: usize = 64 * 1024 * 1024;
/// Flash that was erased and never written.
const ERASED: u8 = 0xff;
/// One volume that takes all of the flash. UBIFS makes itself in it when it is mounted first.
const VOLUME: &str =
    "[flash]\nmode=ubi\nvol_id=0\nvol_size=1MiB\nvol_type=dynamic\nvol_name=flash\nvol_flags=autoresize\n";

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// On NOR with blocks of 64 KiB.
    Jffs2,
    /// On UBI on NAND with pages of 2 KiB and blocks of 128 KiB.
    Ubifs,
    /// On a disk.
    F2fs,
    /// On a disk.
    Ext4,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jffs2, Self::Ubifs, Self::F2fs, Self::Ext4];

    /// As the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jffs2 => "jffs2",
            Self::Ubifs => "ubifs",
            Self::F2fs => "f2fs",
            Self::Ext4 => "ext4",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fs| fs.name() == name)
    }

    /// Whether it lies on raw flash.
    pub fn is_on_flash(self) -> bool {
        matches!(self, Self::Jffs2 | Self::Ubifs)
    }

    /// A fresh disk and a fresh flash, of which it uses one. Works in `dir`.
    pub fn fresh(self, dir: &Path) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
        let mut disk = vec![0; DISK_BYTES];
        let mut flash = vec![ERASED; FLASH_BYTES as usize];
        match self {
            Self::Jffs2 => {}
            Self::Ubifs => {
                let (recipe, image) = (dir.join("volume.ini"), dir.join("volume.ubi"));
                fs::write(&recipe, VOLUME)?;
                let mut command = Command::new("ubinize");
                command.args(["-m", "2048", "-p", "128KiB", "-o"]).arg(&image).arg(&recipe);
                run(&mut command)?;
                let volume = fs::read(&image)?;
                flash[..volume.len()].copy_from_slice(&volume);
            }
            Self::F2fs | Self::Ext4 => {
                let image = dir.join("disk.img");
                fs::write(&image, &disk)?;
                run(Command::new(format!("mkfs.{}", self.name())).arg("-q").arg(&image))?;
                disk = fs::read(&image)?;
                fs::remove_file(&image)?;
            }
        }
        Ok((disk, flash))
    }
}

fn run(command: &mut Command) -> Result<(), Trouble> {
    let done = command.output().map_err(|error| trouble!("{command:?}: {error}; run tests/powercut install"))?;
    if done.status.success() { Ok(()) } else { Err(trouble!("{command:?}: {}", String::from_utf8_lossy(&done.stderr))) }
}
