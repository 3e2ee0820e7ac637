//! The package for dpkg.

use crate::read::{Member, ar, find, gunzip, hex, names, tar, tree};
use crate::repository::{Folder, checkout, pack, pack_with};
use std::collections::BTreeMap;

/// The members of `control`, and the files.
fn open(folder: &Folder, name: &str) -> (Vec<Member>, BTreeMap<String, Member>) {
    let package = ar(&folder.read(&format!("out/{name}")));
    assert_eq!(names(&package), ["debian-binary", "control.tar.gz", "data.tar.gz"]);
    assert_eq!(package[0].contents, b"2.0\n");
    (tar(&gunzip(&package[1].contents)), tree(&gunzip(&package[2].contents), "./"))
}

#[test]
fn control_is_complete_and_in_order() {
    let folder = checkout();
    pack(&folder, "deb", "x86_64-unknown-linux-musl");
    let (control, files) = open(&folder, "ringpost_0.1.0-1_amd64.deb");
    assert_eq!(names(&control), ["./", "./conffiles", "./control", "./md5sums", "./postinst", "./postrm", "./prerm"]);
    assert_eq!(
        control.iter().map(|member| member.mode).collect::<Vec<_>>(),
        [0o755, 0o644, 0o644, 0o644, 0o755, 0o755, 0o755]
    );
    assert_eq!(find(&control, "./conffiles").text(), "/etc/ringpost/ringpost.toml\n");
    for script in ["postinst", "postrm", "prerm"] {
        let text = folder.text(&format!("packaging/debian/{script}"));
        assert!(text.starts_with("#!/bin/sh\n"), "{script}");
        assert_eq!(find(&control, &format!("./{script}")).text(), text);
    }
    let folders = files.keys().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
    let folders = folders.collect::<std::collections::BTreeSet<_>>().len() + 1;
    let size = files.values().map(|file| file.contents.len().div_ceil(1024)).sum::<usize>() + folders;
    let text = find(&control, "./control").text();
    let fields = format!(
        "Package: ringpost\n\
         Version: 0.1.0-1\n\
         Architecture: amd64\n\
         Maintainer: The ringpost authors <ringpost@ringpost.invalid>\n\
         Installed-Size: {size}\n\
         Depends: ca-certificates, init-system-helpers (>= 1.54~), passwd\n\
         Section: comm\n\
         Priority: optional\n\
         Description: Posts the calls of an Asterisk-based PBX to the CRM, from a router\n"
    );
    let rest = text.strip_prefix(&*fields).unwrap_or_else(|| panic!("{text}"));
    assert!(!rest.is_empty() && rest.lines().all(|line| line.starts_with(' ') && line.len() <= 80), "{rest}");
}

#[test]
fn files_are_where_debian_wants_them_and_listed_with_their_sums() {
    let folder = checkout();
    pack(&folder, "deb", "x86_64-unknown-linux-musl");
    let (control, files) = open(&folder, "ringpost_0.1.0-1_amd64.deb");
    let modes: Vec<_> = files.iter().map(|(path, file)| (path.as_str(), file.mode)).collect();
    assert_eq!(
        modes,
        [
            ("etc/ringpost/ringpost.toml", 0o640),
            ("usr/bin/ringpost", 0o755),
            ("usr/lib/systemd/system/ringpost.service", 0o644),
            ("usr/share/doc/ringpost/changelog.Debian.gz", 0o644),
            ("usr/share/doc/ringpost/changelog.gz", 0o644),
            ("usr/share/doc/ringpost/copyright", 0o644),
            ("usr/share/lintian/overrides/ringpost", 0o644),
            ("usr/share/man/man1/ringpost.1.gz", 0o644),
            ("usr/share/man/man5/ringpost.toml.5.gz", 0o644),
        ]
    );
    let conffile = "etc/ringpost/ringpost.toml";
    let sums = files.iter().filter(|(path, _)| *path != conffile);
    let sums: String = sums.map(|(path, file)| format!("{}  {path}\n", hex(&md5::compute(&file.contents).0))).collect();
    assert_eq!(find(&control, "./md5sums").text(), sums);
    let same = |path: &str, from: &str| assert_eq!(files[path].contents, folder.read(from), "{path}");
    same("usr/bin/ringpost", "ringpost");
    same("usr/lib/systemd/system/ringpost.service", "packaging/debian/ringpost.service");
    let inflated = |path: &str, from: &str| assert_eq!(gunzip(&files[path].contents), folder.read(from), "{path}");
    inflated("usr/share/doc/ringpost/changelog.gz", "CHANGELOG.md");
    inflated("usr/share/man/man1/ringpost.1.gz", "docs/man/ringpost.1");
    inflated("usr/share/man/man5/ringpost.toml.5.gz", "docs/man/ringpost.toml.5");
    assert_eq!(
        String::from_utf8(gunzip(&files["usr/share/doc/ringpost/changelog.Debian.gz"].contents)).unwrap(),
        "ringpost (0.1.0-1) stable; urgency=medium\n\n  \
         * ringpost 0.1.0. What is new in it: changelog.gz beside this file.\n\n \
         -- The ringpost authors <ringpost@ringpost.invalid>  Sat, 28 Nov 2026 21:06:40 +0000\n"
    );
    let overrides = files["usr/share/lintian/overrides/ringpost"].text();
    let reasons = overrides.lines().filter(|line| line.starts_with("# ")).count();
    assert_eq!(reasons, overrides.lines().filter(|line| line.starts_with("ringpost: ")).count(), "{overrides}");
    assert_eq!(2 * reasons, overrides.lines().count(), "{overrides}");
    let copyright = files["usr/share/doc/ringpost/copyright"].text();
    for line in [
        "Files: *",
        "Copyright: 2026 The ringpost authors",
        "License: Expat or Apache-2.0",
        "License: Expat",
        "License: Apache-2.0",
    ] {
        assert!(copyright.lines().any(|found| found == line), "{line}");
    }
    let grant = folder.text("LICENSE-MIT");
    for line in grant.lines().skip(4).filter(|line| !line.is_empty()) {
        assert!(copyright.lines().any(|found| found.strip_prefix(' ') == Some(line)), "{line}");
    }
}

#[test]
fn notices_are_carried_where_they_are_given() {
    let folder = checkout();
    let (name, path) = ("ringpost_0.1.0-1_amd64.deb", "usr/share/doc/ringpost/notices.gz");
    pack(&folder, "deb", "x86_64-unknown-linux-musl");
    let (_, mut without) = open(&folder, name);
    folder.write("notices.txt", "whose it is —\n".repeat(900));
    let file = folder.path("notices.txt");
    pack_with(&folder, "deb", "x86_64-unknown-linux-musl", &["--notices", file.to_str().unwrap()]);
    let (control, files) = open(&folder, name);
    assert_eq!(files[path].mode, 0o644);
    assert_eq!(gunzip(&files[path].contents), folder.read("notices.txt"));
    let sum = hex(&md5::compute(&files[path].contents).0);
    assert!(find(&control, "./md5sums").text().contains(&format!("{sum}  {path}\n")));
    // And nothing else is different.
    assert_eq!(without.insert(path.to_owned(), files[path].clone()), None);
    assert_eq!(without, files);
}

#[test]
fn the_configuration_differs_in_the_two_folders_only() {
    let folder = checkout();
    pack(&folder, "deb", "x86_64-unknown-linux-musl");
    let (_, files) = open(&folder, "ringpost_0.1.0-1_amd64.deb");
    let (example, debian) = (folder.text("packaging/ringpost.toml"), files["etc/ringpost/ringpost.toml"].text());
    assert_eq!(example.lines().count(), debian.lines().count());
    let changed = example.lines().zip(debian.lines()).filter(|(one, other)| one != other).map(|(_, other)| other);
    let changed: Vec<_> = changed.map(|line| line.split('#').next().unwrap().trim_end()).collect();
    assert_eq!(
        changed,
        ["[journal]", "path = \"/var/lib/ringpost/journal\"", "[run]", "state_dir = \"/run/ringpost\""]
    );
    // It is TOML still, and the keys are in their tables.
    let table = toml::de::DeTable::parse(debian).unwrap();
    let key = |section: &str, key: &str| {
        let table = table.get_ref().get(section).unwrap().get_ref().as_table().unwrap();
        table.get(key).unwrap().get_ref().as_str().unwrap().to_owned()
    };
    assert_eq!(key("journal", "path"), "/var/lib/ringpost/journal");
    assert_eq!(key("run", "state_dir"), "/run/ringpost");
}

#[test]
fn one_binary_serves_both_arms() {
    let folder = checkout();
    folder.write("ringpost", crate::repository::program(1, 1, 40));
    pack(&folder, "deb", "armv5te-unknown-linux-musleabi");
    for name in ["armel", "armhf"] {
        let (control, files) = open(&folder, &format!("ringpost_0.1.0-1_{name}.deb"));
        assert!(find(&control, "./control").text().contains(&format!("\nArchitecture: {name}\n")));
        assert_eq!(files["usr/bin/ringpost"].contents, folder.read("ringpost"));
    }
}
