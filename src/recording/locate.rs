//! From the name that the PBX gave a recording to a file under our root.
//!
//! Stands alone because it is the fence: the name comes from the PBX, and through it from whoever named a dialplan
//! variable. Nothing outside the root is ever named to the file system: `..` is refused, and what links lead to must
//! lie under the root again. Knows where FreePBX puts a file of which only the name is known, and that a recording may
//! have been converted since: the same stem with another ending that a CRM takes will do.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Endings that a CRM takes, in the order in which they are looked for. Asterisk's format wav49 is written as `.WAV`.
const ENDINGS: [&str; 4] = ["wav", "WAV", "mp3", "MP3"];

/// The directory of recordings, by our name and by the PBX's.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    pbx_path: PathBuf,
}

/// Where a recording is.
#[derive(Debug)]
pub(super) enum Located {
    /// Here, canonical.
    Here(PathBuf),
    /// Nowhere yet.
    Absent,
    /// Not under what we are told is the PBX's directory: one of the two is wrong, and the configuration can be mended.
    Outside,
    /// Where it may not be, or of a kind that nobody takes.
    Refused(&'static str),
    /// The file system will not say.
    Unreadable(io::Error),
}

impl Tree {
    pub(super) fn new(root: PathBuf, pbx_path: PathBuf) -> Self {
        Self { root, pbx_path }
    }

    /// The PBX's name of the directory.
    pub(super) fn pbx_path(&self) -> &Path {
        &self.pbx_path
    }

    /// Our name of the directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Looks for what the PBX calls `name`.
    pub(super) fn locate(&self, name: &str) -> Located {
        let below = match self.below_root(name) {
            Below::Root(below) => below,
            Below::Elsewhere => return Located::Outside,
            Below::Nothing => return Located::Refused("not the name of a file"),
        };
        let mut converted_only = false;
        for place in places(&below) {
            match self.named(&place) {
                Ok(Some(file)) if is_taken(&file) => return self.fenced(&file),
                Ok(Some(_)) => converted_only = true,
                Ok(None) => {}
                Err(error) => return Located::Unreadable(error),
            }
        }
        if converted_only { Located::Refused("only wav and mp3 recordings are taken") } else { Located::Absent }
    }

    /// The part of the name below the root. A name without a directory is below the root as it is; a PBX on this very
    /// host, or a mount at the same place, names the root itself.
    fn below_root(&self, name: &str) -> Below {
        let name = Path::new(name);
        let below = if name.is_absolute() {
            name.strip_prefix(&self.pbx_path).or_else(|_| name.strip_prefix(&self.root)).ok()
        } else {
            Some(name)
        };
        let Some(below) = below else { return Below::Elsewhere };
        let plain = below.components().all(|component| matches!(component, Component::Normal(_)));
        let text = below.to_str().unwrap_or_default();
        match plain && !text.is_empty() && !text.contains('\0') {
            true => Below::Root(below.to_owned()),
            false => Below::Nothing,
        }
    }

    /// The file of that name, else one of the same stem that a CRM takes, else the name itself if it is there.
    fn named(&self, below: &Path) -> io::Result<Option<PathBuf>> {
        let exact = self.root.join(below);
        let there = exists(&exact)?;
        if there && is_taken(&exact) {
            return Ok(Some(exact));
        }
        for ending in ENDINGS {
            let converted = exact.with_extension(ending);
            if converted != exact && exists(&converted)? {
                return Ok(Some(converted));
            }
        }
        Ok(there.then_some(exact))
    }

    /// What `file` really is must lie under what the root really is.
    fn fenced(&self, file: &Path) -> Located {
        let real = match (self.root.canonicalize(), file.canonicalize()) {
            (Ok(root), Ok(real)) if real.starts_with(&root) => real,
            (Ok(_), Ok(_)) => return Located::Refused("a link leads out of the directory of recordings"),
            (Err(error), _) | (_, Err(error)) => return Located::Unreadable(error),
        };
        match std::fs::symlink_metadata(&real) {
            Ok(facts) if facts.is_file() && is_taken(&real) => Located::Here(real),
            Ok(_) => Located::Refused("not a regular file"),
            Err(error) => Located::Unreadable(error),
        }
    }
}

/// A name of the PBX, as seen from the root.
enum Below {
    /// So it is called there.
    Root(PathBuf),
    /// It lies in another directory of the PBX.
    Elsewhere,
    /// It names no file, or climbs out of the root.
    Nothing,
}

/// Whether there is anything of that name, a dangling link included.
fn exists(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_taken(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.iter().any(|taken| ending.eq_ignore_ascii_case(taken)))
}

/// Where to look: the name as it is and, for a bare name with FreePBX's date in it, the folder of that day.
fn places(below: &Path) -> impl Iterator<Item = PathBuf> {
    let bare = below.components().count() == 1;
    let dated = below.to_str().filter(|_| bare).and_then(folder_of_day).map(|folder| folder.join(below));
    std::iter::once(below.to_owned()).chain(dated)
}

/// `2026/11/21` of `in-74951112233-79160000001-20261121-204143-1795293703.18.wav`.
fn folder_of_day(name: &str) -> Option<PathBuf> {
    let is_number = |part: &&str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = name.split('-').collect();
    let date = parts.windows(2).find_map(|pair| match pair {
        [date, time] if is_number(date, 8) && is_number(time, 6) => Some(*date),
        _ => None,
    })?;
    Some([date.get(..4)?, date.get(4..6)?, date.get(6..)?].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(scratch: &Scratch) -> Tree {
        Tree::new(scratch.0.join("root"), PathBuf::from("/var/spool/asterisk/monitor"))
    }

    fn here(tree: &Tree, name: &str) -> String {
        match tree.locate(name) {
            Located::Here(file) => file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_pbxs_prefix_is_ours() {
        let scratch = Scratch::new("prefix");
        scratch.write("root/2026/a.wav", b"x");
        let tree = tree(&scratch);
        assert_eq!(here(&tree, "/var/spool/asterisk/monitor/2026/a.wav"), "a.wav");
        assert_eq!(here(&tree, "2026/a.wav"), "a.wav");
        assert_eq!(here(&tree, "/var/spool/asterisk/monitor/2026/b.wav"), "Absent");
        assert_eq!(here(&tree, "/var/spool/asterisk/monitor/2026/a.wav/b.wav"), "Absent");
        assert_eq!(here(&tree, "/var/spool/asterisk/monitors/a.wav"), "Outside");
        assert_eq!(here(&tree, "/etc/passwd"), "Outside");
        let ours = scratch.0.join("root/2026/a.wav");
        assert_eq!(here(&tree, ours.to_str().unwrap_or_default()), "a.wav");
    }

    #[test]
    fn nothing_outside_the_root_is_reached() {
        let scratch = Scratch::new("fence");
        let secret = scratch.write("secret.wav", b"x");
        scratch.write("root/in.wav", b"x");
        let root = scratch.0.join("root");
        let linked = [
            symlink(&secret, root.join("out.wav")),
            symlink(&scratch.0, root.join("up")),
            symlink(root.join("in.wav"), root.join("inside.wav")),
            symlink("/dev/zero", root.join("zero.wav")),
            symlink("nowhere.wav", root.join("dangling.wav")),
        ];
        assert!(linked.iter().all(Result::is_ok));
        let tree = tree(&scratch);
        for name in [
            "../secret.wav",
            "x/../../secret.wav",
            "/var/spool/asterisk/monitor/../../../../etc/passwd",
            "out.wav",
            "up/secret.wav",
            "zero.wav",
            "",
            "/var/spool/asterisk/monitor",
            ".",
        ] {
            assert!(here(&tree, name).starts_with("Refused"), "{name}: {}", here(&tree, name));
        }
        assert_eq!(here(&tree, "inside.wav"), "in.wav");
        assert!(here(&tree, "dangling.wav").starts_with("Unreadable"));
    }

    #[test]
    fn a_converted_recording_takes_the_place_of_the_original() {
        let scratch = Scratch::new("convert");
        scratch.write("root/a.gsm", b"x");
        scratch.write("root/b.gsm", b"x");
        scratch.write("root/b.mp3", b"x");
        scratch.write("root/c.mp3", b"x");
        scratch.write("root/d.WAV", b"x");
        let tree = tree(&scratch);
        assert!(here(&tree, "a.gsm").contains("only wav and mp3"));
        assert_eq!(here(&tree, "b.gsm"), "b.mp3");
        assert_eq!(here(&tree, "c.wav"), "c.mp3");
        assert_eq!(here(&tree, "d.wav49"), "d.WAV");
        assert_eq!(here(&tree, "e.gsm"), "Absent");
    }

    #[test]
    fn a_bare_name_is_looked_for_in_the_folder_of_its_day() {
        let scratch = Scratch::new("freepbx");
        let name = "in-74951112233-79160000001-20261121-204143-1795293703.18.wav";
        scratch.write(&format!("root/2026/11/21/{name}"), b"x");
        assert_eq!(here(&tree(&scratch), name), name);
        assert_eq!(folder_of_day("force-101-102-20250327-092517-1743056717.4.wav"), Some("2025/03/27".into()));
        assert_eq!(folder_of_day("1743056717.4.wav"), None);
        assert_eq!(folder_of_day("in-12345678-1234.wav"), None);
    }

    #[test]
    fn a_directory_with_a_files_name_is_refused() {
        let scratch = Scratch::new("directory");
        scratch.write("root/x.wav/y", b"x");
        assert!(here(&tree(&scratch), "x.wav").contains("regular"));
    }
}
