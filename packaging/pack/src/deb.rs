//! The package for dpkg (Debian, Raspberry Pi OS): an `ar` of three members.

use crate::archive::{Archive, gzip};
use crate::contents::{CONFIGURATION, Program, debian};
use crate::date::rfc5322;
use crate::digest::hex;
use crate::error::Error;
use crate::ipk::MAINTAINER;
use crate::repository::Repository;
use crate::tree::Tree;
use std::fmt::Write as _;

/// The maintainer's scripts, each with its name inside the package.
const SCRIPTS: [(&str, &str); 3] = [
    ("packaging/debian/postinst", "./postinst"),
    ("packaging/debian/postrm", "./postrm"),
    ("packaging/debian/prerm", "./prerm"),
];

/// What the maintainer's scripts call that is not essential, and the certificates of the authorities.
const DEPENDS: &str = "ca-certificates, init-system-helpers (>= 1.54~), passwd";

/// Debian wants an address. The project has none, and the reserved name says so.
const ADDRESS: &str = "ringpost@ringpost.invalid";

/// What follows the one line of the description.
const DESCRIPTION: &str = "\
\x20ringpost listens to the manager interface of a PBX (FreePBX, Yeastar,
 Grandstream UCM, OpenVox or any other Asterisk), shows the caller's card in
 the CRM while the telephone rings, and posts the finished call with its
 recording into the history. While the internet or the portal is away, calls
 wait on disk.
";

/// What lintian is told not to look at, and why.
const OVERRIDES: &str = "\
# One program for every C library and every age of the distribution: static on purpose.
ringpost: statically-linked-binary
# The file holds secrets; postinst gives it to the group that may read them.
ringpost: non-standard-file-perm 0640 != 0644 [etc/ringpost/ringpost.toml]
# This is the project's own package, not an upload to Debian's archive.
ringpost: initial-upload-closes-no-bugs [usr/share/doc/ringpost/changelog.Debian.gz:1]
";

/// The package for one architecture.
///
/// # Errors
///
/// Where a file is missing.
pub fn deb(repository: &Repository, program: &Program, architecture: &str, epoch: u64) -> Result<Vec<u8>, Error> {
    let mut tree = debian(repository, program)?;
    let changes = gzip(changelog(repository, epoch).as_bytes())?;
    tree.add("usr/share/doc/ringpost/changelog.Debian.gz", 0o644, changes)?;
    tree.add("usr/share/doc/ringpost/copyright", 0o644, copyright(repository)?.into_bytes())?;
    tree.add("usr/share/lintian/overrides/ringpost", 0o644, OVERRIDES.as_bytes().to_owned())?;

    let mut control = Archive::new(epoch);
    control.folder("./")?;
    control.file("./conffiles", 0o644, format!("/{CONFIGURATION}\n").as_bytes())?;
    control.file("./control", 0o644, fields(repository, architecture, &tree).as_bytes())?;
    control.file("./md5sums", 0o644, sums(&tree).as_bytes())?;
    for (from, name) in SCRIPTS {
        control.file(name, 0o755, repository.text(from)?.as_bytes())?;
    }
    let control = control.gzipped()?;
    let data = Archive::of(&tree, "./", epoch)?.gzipped()?;

    let mut package = b"!<arch>\n".to_vec();
    for (name, contents) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &data)] {
        member(&mut package, name, contents, epoch)?;
    }
    Ok(package)
}

/// Adds a member to an `ar`: 60 bytes of text, and the contents, padded to an even length.
fn member(package: &mut Vec<u8>, name: &str, contents: &[u8], epoch: u64) -> Result<(), Error> {
    let header = format!("{name:<16}{epoch:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, "100644", contents.len());
    if header.len() != 60 {
        return Err(Error::Room { format: "deb", what: format!("{name} of {} bytes", contents.len()) });
    }
    package.extend_from_slice(header.as_bytes());
    package.extend_from_slice(contents);
    if !contents.len().is_multiple_of(2) {
        package.push(b'\n');
    }
    Ok(())
}

fn fields(repository: &Repository, architecture: &str, tree: &Tree) -> String {
    let version = repository.version.deb();
    // As dpkg-gencontrol counts: KiB, each file rounded up, one for each folder.
    let files = tree.files().map(|(_, file)| file.contents.len().div_ceil(1024)).sum::<usize>();
    let installed = (files + tree.folders().len()).to_string();
    let page = repository.page.as_deref().unwrap_or_default();
    let fields = [
        ("Package", "ringpost"),
        ("Version", &version),
        ("Architecture", architecture),
        ("Maintainer", &format!("{MAINTAINER} <{ADDRESS}>")),
        ("Installed-Size", &installed),
        ("Depends", DEPENDS),
        ("Section", "comm"),
        ("Priority", "optional"),
        ("Homepage", page),
        ("Description", &repository.description),
    ];
    let mut text =
        fields.iter().filter(|(_, value)| !value.is_empty()).fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}: {value}");
            text
        });
    text += DESCRIPTION;
    text
}

/// What dpkg compares installed files with; not those that the owner changes.
fn sums(tree: &Tree) -> String {
    let files = tree.files().filter(|(path, _)| *path != CONFIGURATION);
    files.fold(String::new(), |mut text, (path, file)| {
        let _ = writeln!(text, "{}  {path}", hex(&md5::compute(&file.contents).0));
        text
    })
}

fn changelog(repository: &Repository, epoch: u64) -> String {
    format!(
        "ringpost ({}) stable; urgency=medium\n\n  \
         * ringpost {}. What is new in it: changelog.gz beside this file.\n\n \
         -- {MAINTAINER} <{ADDRESS}>  {}\n",
        repository.version.deb(),
        repository.version.cargo(),
        rfc5322(epoch)
    )
}

/// Debian's form of the licence: MIT's text from the repository, Apache's from where Debian keeps it.
fn copyright(repository: &Repository) -> Result<String, Error> {
    const FILE: &str = "LICENSE-MIT";
    let text = repository.text(FILE)?;
    let mut parts = text.splitn(3, "\n\n");
    let (holder, grant) = match (parts.next(), parts.next(), parts.next()) {
        (Some("MIT License"), Some(holder), Some(grant)) => (holder.strip_prefix("Copyright (c) "), grant),
        _ => (None, ""),
    };
    let holder = holder.filter(|holder| !holder.contains('\n')).ok_or_else(|| {
        let what = "not a title, one line of copyright and a grant, parted by empty lines";
        Error::wrong(repository.path(FILE), what, "copyright() in packaging/pack/src/deb.rs goes with that file")
    })?;
    let grant = grant.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, " {}", if line.is_empty() { "." } else { line });
        text
    });
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: ringpost\n\
         \n\
         Files: *\n\
         Copyright: {holder}\n\
         License: Expat or Apache-2.0\n\
         \n\
         License: Expat\n\
         {grant}\
         \n\
         License: Apache-2.0\n \
         On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n"
    ))
}
