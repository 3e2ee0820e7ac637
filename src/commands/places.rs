//! Whether a directory can hold a file of ringpost's, found out without making anything.
//!
//! Stands alone because `doctor` is often run as root: whatever it made would be root's, and the service under a user
//! of its own could not write it any more. So permissions are asked of the system, space is counted, and a directory
//! that is not there is judged by the one it would be made in. A file system may still refuse what it promised.

use core::fmt;
use rustix::fs::{Access, access, statvfs};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A directory that will do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// The directory itself, or the nearest one above it that exists.
    pub(super) nearest: PathBuf,
    /// Whether it is the directory itself.
    pub(super) is_there: bool,
}

/// Why a directory will not do.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Something else has its name, or the name of one above it.
    NotADirectory(PathBuf),
    /// It, or the file in it, may not be written.
    NotWritable(PathBuf, io::Error),
    /// It is not there and may not be made.
    NotMakeable(PathBuf, io::Error),
    /// There is no room for the file.
    Full { at: PathBuf, needed_kib: u64, free_kib: u64 },
    /// The file is root's in a directory of somebody else: made by a command that ran as root.
    RootOwned { file: PathBuf, user: u32 },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory(path) => write!(f, "{} is no directory: move it away, or name another", path.display()),
            Self::NotWritable(path, error) => write!(
                f,
                "{} cannot be written ({error}): give it to the user that runs ringpost (chown), or name another",
                path.display()
            ),
            Self::NotMakeable(path, error) => write!(
                f,
                "{} is not there and ringpost may not make it ({error}): mkdir -p {0} && chown ringpost: {0}",
                path.display()
            ),
            Self::Full { at, needed_kib, free_kib } => write!(
                f,
                "{needed_kib} KiB more are needed and {} has {free_kib} KiB free: make room, make it smaller, or name \
                 another place",
                at.display()
            ),
            Self::RootOwned { file, user } => write!(
                f,
                "{} belongs to root and its directory to user {user}, who may not be able to write it: chown {user} {0}",
                file.display()
            ),
        }
    }
}

/// Where systemd makes directories for the service, by the unit that the package has.
const BY_SYSTEMD: &[&str] = &["/var/lib/ringpost", "/run/ringpost", "/var/run/ringpost"];
/// Where OpenWrt's init script makes them.
const BY_INIT_SCRIPT: &[&str] = &["/etc/ringpost", "/var", "/run", "/tmp"];

/// Whether systemd starts services here.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether who starts the service makes `directory` for it.
fn is_made_for_service(directory: &Path, by_systemd: bool) -> bool {
    let places = if by_systemd { BY_SYSTEMD } else { BY_INIT_SCRIPT };
    places.iter().any(|place| directory.starts_with(place))
}

/// Whether `directory` can hold `file` with `bytes` in all. One that is not there need not be makeable where who starts
/// the service makes it.
pub(super) fn probe(directory: &Path, file: &str, bytes: u64) -> Result<Ground, Obstacle> {
    let ground = ground(directory)?;
    match may_write(&ground.nearest) {
        Err(Obstacle::NotWritable(_, error)) if !ground.is_there => {
            if !is_made_for_service(directory, has_systemd()) {
                return Err(Obstacle::NotMakeable(directory.to_owned(), error));
            }
        }
        judged => judged?,
    }
    let path = directory.join(file);
    let mut has = 0;
    if let Ok(found) = std::fs::metadata(&path) {
        has = found.len();
        let user = std::fs::metadata(directory).map_or(0, |found| found.uid());
        if found.uid() == 0 && user != 0 {
            return Err(Obstacle::RootOwned { file: path, user });
        }
        may_write(&path)?;
    }
    room(&ground.nearest, bytes.saturating_sub(has))?;
    Ok(ground)
}

fn ground(directory: &Path) -> Result<Ground, Obstacle> {
    for path in directory.ancestors() {
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Ok(Ground { nearest: path.to_owned(), is_there: path == directory });
            }
            Ok(_) => return Err(Obstacle::NotADirectory(path.to_owned())),
            // Something above it is a file, which the next turn finds.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Obstacle::NotWritable(path.to_owned(), error)),
        }
    }
    Err(Obstacle::NotADirectory(directory.to_owned()))
}

fn may_write(path: &Path) -> Result<(), Obstacle> {
    let wanted = if path.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::READ_OK | Access::WRITE_OK };
    access(path, wanted).map_err(|error| Obstacle::NotWritable(path.to_owned(), error.into()))
}

fn room(at: &Path, needed: u64) -> Result<(), Obstacle> {
    // A file system that does not tell is given the benefit of the doubt.
    let Ok(told) = statvfs(at) else { return Ok(()) };
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    if needed <= free {
        return Ok(());
    }
    Err(Obstacle::Full { at: at.to_owned(), needed_kib: needed.div_ceil(1024), free_kib: free / 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ringpost-places-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_not_there_is_judged_by_where_it_would_be_and_not_made() {
        let scratch = Scratch::new("absent");
        let ground = probe(&scratch.0.join("a/b/journal"), "journal", 1024).unwrap();
        assert_eq!(ground, Ground { nearest: scratch.0.clone(), is_there: false });
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
        assert!(probe(&scratch.0, "journal", 1024).unwrap().is_there);
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
    }

    #[test]
    fn only_the_services_own_places_are_made_by_who_starts_it() {
        for (path, by_systemd, by_init_script) in [
            ("/etc/ringpost/journal", false, true),
            ("/var/lib/ringpost/journal", true, true),
            ("/var/other", false, true),
            ("/run/ringpost", true, true),
            ("/etc/ringposted", false, false),
            ("/mnt/disk/ringpost", false, false),
        ] {
            assert_eq!(is_made_for_service(Path::new(path), true), by_systemd, "{path}");
            assert_eq!(is_made_for_service(Path::new(path), false), by_init_script, "{path}");
        }
    }

    #[test]
    fn files_in_the_way_and_too_little_room_are_told_with_the_remedy() {
        let scratch = Scratch::new("way");
        fs::write(scratch.0.join("file"), b"x").unwrap();
        let told = |directory: &str, bytes| probe(&scratch.0.join(directory), "j", bytes).unwrap_err().to_string();
        assert!(told("file", 1).contains("file is no directory"), "{}", told("file", 1));
        assert!(told("file/below/it", 1).contains("file is no directory"));
        assert!(told("", u64::MAX).contains("make room"));
        fs::write(scratch.0.join("j"), b"").unwrap();
        assert!(probe(&scratch.0, "j", 1024).is_ok());
    }

    #[test]
    fn a_place_of_somebody_else_is_told() {
        let scratch = Scratch::new("denied");
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o555)).unwrap();
        let probed = probe(&scratch.0, "j", 1);
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
        // Root may write everywhere.
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
            assert!(probed.unwrap_err().to_string().contains("chown"));
        }
    }

    #[test]
    fn a_file_that_root_left_in_anothers_directory_is_told() {
        let scratch = Scratch::new("root");
        fs::write(scratch.0.join("j"), b"").unwrap();
        // Only root can give it away; for others there is nothing to find.
        if std::os::unix::fs::chown(&scratch.0, Some(12_345), None).is_ok() {
            let told = probe(&scratch.0, "j", 1).unwrap_err().to_string();
            assert!(told.contains("chown 12345"), "{told}");
        }
    }
}
