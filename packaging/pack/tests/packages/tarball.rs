//! The archive for all others.

use crate::read::{gunzip, tree};
use crate::repository::{checkout, pack, pack_with, program};

#[test]
fn the_archive_has_all_that_its_page_speaks_of() {
    let folder = checkout();
    folder.write("ringpost", program(1, 2, 8));
    pack(&folder, "tar", "mips-unknown-linux-musl");
    let name = "ringpost-0.1.0-mips-unknown-linux-musl";
    let files = tree(&gunzip(&folder.read(&format!("out/{name}.tar.gz"))), &format!("{name}/"));
    let modes: Vec<_> = files.iter().map(|(path, file)| (path.as_str(), file.mode)).collect();
    assert_eq!(
        modes,
        [
            ("CHANGELOG.md", 0o644),
            ("INSTALL.md", 0o644),
            ("LICENSE-APACHE", 0o644),
            ("LICENSE-MIT", 0o644),
            ("man/ringpost.1", 0o644),
            ("man/ringpost.toml.5", 0o644),
            ("openwrt/ringpost.config", 0o644),
            ("openwrt/ringpost.init", 0o755),
            ("openwrt/ringpost.keep", 0o644),
            ("openwrt/ringpost.ntp", 0o644),
            ("ringpost", 0o755),
            ("ringpost.toml", 0o600),
            ("systemd/ringpost.service", 0o644),
            ("systemd/ringpost.toml", 0o600),
        ]
    );
    assert_eq!(files["ringpost"].contents, folder.read("ringpost"));
    assert_eq!(files["ringpost.toml"].contents, folder.read("packaging/ringpost.toml"));
    assert!(files["systemd/ringpost.toml"].text().contains("\npath = \"/var/lib/ringpost/journal\""));
    // Every file that INSTALL.md tells to copy is there under that name.
    let page = files["INSTALL.md"].text();
    let words = page.lines().filter(|line| line.starts_with("cp ") || line.starts_with("install -m"));
    let mut copied = 0;
    for line in words {
        let from = line.split(' ').rev().nth(1).unwrap();
        assert!(files.contains_key(from), "{line}");
        copied += 1;
    }
    assert!(copied >= 8, "{copied}");
}

#[test]
fn notices_are_carried_where_they_are_given() {
    let folder = checkout();
    folder.write("notices.txt", "whose it is\n");
    let file = folder.path("notices.txt");
    pack_with(&folder, "all", "x86_64-unknown-linux-musl", &["--notices", file.to_str().unwrap()]);
    let name = "ringpost-0.1.0-x86_64-unknown-linux-musl";
    let files = tree(&gunzip(&folder.read(&format!("out/{name}.tar.gz"))), &format!("{name}/"));
    assert_eq!((files["NOTICES"].mode, files["NOTICES"].text()), (0o644, "whose it is\n"));
    // Routers have no flash for them.
    let routers = ["out/ringpost_0.1.0-r1_x86_64.ipk", "out/apk/x86_64/ringpost-0.1.0-r1.apk"];
    let with = routers.map(|name| folder.read(name));
    pack(&folder, "all", "x86_64-unknown-linux-musl");
    assert_eq!(with, routers.map(|name| folder.read(name)));
}
