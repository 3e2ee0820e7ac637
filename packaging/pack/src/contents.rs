//! What goes where: which file of the repository is which file on a router, on Debian, and in the archive for all
//! others.

use crate::archive::gzip;
use crate::error::Error;
use crate::repository::Repository;
use crate::tree::Tree;

/// The program's path in packages, without the slash in front.
pub const BINARY: &str = "usr/bin/ringpost";
/// The configuration's path in packages, without the slash in front.
pub const CONFIGURATION: &str = "etc/ringpost/ringpost.toml";

/// What is packed beside the files of the repository.
#[derive(Debug)]
pub struct Program {
    /// The binary.
    pub binary: Vec<u8>,
    /// The notices of what is linked into it, for the packages that carry them; routers' do not, flash is dear there.
    pub notices: Option<String>,
}

/// A file of the repository, where it is installed, and its mode there.
type Piece = (&'static str, &'static str, u32);

/// On a router, beside the program.
const OPENWRT: &[Piece] = &[
    ("openwrt/ringpost/files/ringpost.config", "etc/config/ringpost", 0o600),
    ("openwrt/ringpost/files/ringpost.init", "etc/init.d/ringpost", 0o755),
    ("openwrt/ringpost/files/ringpost.keep", "lib/upgrade/keep.d/ringpost", 0o644),
    ("openwrt/ringpost/files/ringpost.ntp", "etc/hotplug.d/ntp/60-ringpost", 0o644),
    (EXAMPLE, CONFIGURATION, 0o600),
];
/// What the package says and does after it was installed on a router.
pub const OPENWRT_POSTINST: &str = "openwrt/ringpost/files/ringpost.postinst";
/// What it does before it is removed from one.
pub const OPENWRT_PRERM: &str = "openwrt/ringpost/files/ringpost.prerm";
/// The files on a router that belong to its owner, sorted.
pub const OPENWRT_CONFFILES: [&str; 2] = ["/etc/config/ringpost", "/etc/ringpost/ringpost.toml"];
/// The user and the group on a router, made by its package manager.
pub const OPENWRT_USER: &str = "ringpost:ringpost";

/// On Debian, beside the program and the configuration.
const DEBIAN: &[Piece] = &[("packaging/debian/ringpost.service", "usr/lib/systemd/system/ringpost.service", 0o644)];
/// On Debian, compressed.
const DEBIAN_COMPRESSED: &[Piece] = &[
    ("CHANGELOG.md", "usr/share/doc/ringpost/changelog.gz", 0o644),
    ("docs/man/ringpost.1", "usr/share/man/man1/ringpost.1.gz", 0o644),
    ("docs/man/ringpost.toml.5", "usr/share/man/man5/ringpost.toml.5.gz", 0o644),
];

/// In the archive, beside the program.
const ARCHIVE: &[Piece] = &[
    ("packaging/INSTALL.md", "INSTALL.md", 0o644),
    ("LICENSE-APACHE", "LICENSE-APACHE", 0o644),
    ("LICENSE-MIT", "LICENSE-MIT", 0o644),
    ("CHANGELOG.md", "CHANGELOG.md", 0o644),
    ("docs/man/ringpost.1", "man/ringpost.1", 0o644),
    ("docs/man/ringpost.toml.5", "man/ringpost.toml.5", 0o644),
    ("openwrt/ringpost/files/ringpost.config", "openwrt/ringpost.config", 0o644),
    ("openwrt/ringpost/files/ringpost.init", "openwrt/ringpost.init", 0o755),
    ("openwrt/ringpost/files/ringpost.keep", "openwrt/ringpost.keep", 0o644),
    ("openwrt/ringpost/files/ringpost.ntp", "openwrt/ringpost.ntp", 0o644),
    ("packaging/debian/ringpost.service", "systemd/ringpost.service", 0o644),
    (EXAMPLE, "ringpost.toml", 0o600),
];

/// The example of a configuration, as routers get it.
const EXAMPLE: &str = "packaging/ringpost.toml";

/// What is different in the example where systemd keeps the folders: line by line, what stands there and what takes its
/// place.
const SYSTEMD_LINES: [(&str, &str); 4] = [
    ("# [journal]\n", "[journal]\n"),
    (
        "# path = \"/etc/ringpost/journal\"  # on flash, so that it outlives a power cut\n",
        "path = \"/var/lib/ringpost/journal\"  # on disk, the service makes it\n",
    ),
    ("# [run]\n", "[run]\n"),
    (
        "# state_dir = \"/var/run/ringpost\" # in memory (tmpfs): calls in progress, sockets of the other commands\n",
        "state_dir = \"/run/ringpost\"  # in memory (tmpfs), the service makes it\n",
    ),
];

/// What a router gets.
///
/// # Errors
///
/// Where a file is missing.
pub fn openwrt(repository: &Repository, binary: &[u8]) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    tree.add(BINARY, 0o755, binary.to_owned())?;
    pieces(&mut tree, repository, OPENWRT)?;
    Ok(tree)
}

/// What Debian gets, but for what the package says of itself.
///
/// # Errors
///
/// Where a file is missing.
pub fn debian(repository: &Repository, program: &Program) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    tree.add(BINARY, 0o755, program.binary.clone())?;
    tree.add(CONFIGURATION, 0o640, systemd_example(repository)?.into_bytes())?;
    pieces(&mut tree, repository, DEBIAN)?;
    for (from, to, mode) in DEBIAN_COMPRESSED {
        tree.add(to, *mode, gzip(repository.text(from)?.as_bytes())?)?;
    }
    if let Some(notices) = &program.notices {
        tree.add("usr/share/doc/ringpost/notices.gz", 0o644, gzip(notices.as_bytes())?)?;
    }
    Ok(tree)
}

/// What all others get.
///
/// # Errors
///
/// Where a file is missing.
pub fn archive(repository: &Repository, program: &Program) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    tree.add("ringpost", 0o755, program.binary.clone())?;
    tree.add("systemd/ringpost.toml", 0o600, systemd_example(repository)?.into_bytes())?;
    pieces(&mut tree, repository, ARCHIVE)?;
    if let Some(notices) = &program.notices {
        tree.add("NOTICES", 0o644, notices.clone().into_bytes())?;
    }
    Ok(tree)
}

fn pieces(tree: &mut Tree, repository: &Repository, pieces: &[Piece]) -> Result<(), Error> {
    pieces.iter().try_for_each(|(from, to, mode)| tree.add(to, *mode, repository.text(from)?.into_bytes()))
}

/// The example with the folders that systemd makes for the service.
fn systemd_example(repository: &Repository) -> Result<String, Error> {
    let mut text = repository.text(EXAMPLE)?;
    for (line, instead) in SYSTEMD_LINES {
        let found: Vec<_> = text.match_indices(line).map(|(at, _)| at).filter(|at| starts_a_line(&text, *at)).collect();
        let [at] = *found else {
            let what = format!("the line {line:?} is there {} times", found.len());
            let remedy = "SYSTEMD_LINES in packaging/pack/src/contents.rs goes with that file";
            return Err(Error::wrong(repository.path(EXAMPLE), what, remedy));
        };
        text.replace_range(at..at + line.len(), instead);
    }
    Ok(text)
}

fn starts_a_line(text: &str, at: usize) -> bool {
    at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n'))
}
