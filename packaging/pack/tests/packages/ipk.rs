//! The package for opkg.

use crate::read::{find, gunzip, names, tar, tree};
use crate::repository::{EPOCH, checkout, pack};

#[test]
fn container_and_control_are_as_openwrt_builds_them() {
    let folder = checkout();
    pack(&folder, "ipk", "x86_64-unknown-linux-musl");
    let package = tar(&gunzip(&folder.read("out/ringpost_0.1.0-r1_x86_64.ipk")));
    assert_eq!(names(&package), ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]);
    assert!(package.iter().all(|member| member.mode == 0o644));
    assert_eq!(package[0].contents, b"2.0\n");

    let data = gunzip(&package[1].contents);
    let control = tar(&gunzip(&package[2].contents));
    let wanted = ["./", "./conffiles", "./control", "./postinst", "./postinst-pkg", "./prerm", "./prerm-pkg"];
    assert_eq!(names(&control), wanted);
    assert_eq!(
        control.iter().map(|member| member.mode).collect::<Vec<_>>(),
        [0o755, 0o644, 0o644, 0o755, 0o755, 0o755, 0o755]
    );
    assert_eq!(find(&control, "./conffiles").text(), "/etc/config/ringpost\n/etc/ringpost/ringpost.toml\n");
    assert_eq!(
        find(&control, "./control").text(),
        format!(
            "Package: ringpost\n\
             Version: 0.1.0-r1\n\
             Depends: libc, ca-bundle\n\
             Source: feeds/ringpost/ringpost\n\
             SourceName: ringpost\n\
             License: MIT OR Apache-2.0\n\
             LicenseFiles: LICENSE-MIT LICENSE-APACHE\n\
             Section: net\n\
             Require-User: ringpost:ringpost\n\
             SourceDateEpoch: {EPOCH}\n\
             Maintainer: The ringpost authors\n\
             Architecture: x86_64\n\
             Installed-Size: {}\n\
             Description: Posts the calls of an Asterisk-based PBX to the CRM, from a router\n",
            data.len()
        )
    );
    let stub = |function| {
        format!(
            "[ -s \"$IPKG_INSTROOT/lib/functions.sh\" ] || exit 0\n\
             . \"$IPKG_INSTROOT/lib/functions.sh\"\n\
             {function} \"$0\" \"$@\"\n"
        )
    };
    let postinst = format!("#!/bin/sh\n[ \"$IPKG_NO_SCRIPT\" != 1 ] || exit 0\n{}", stub("default_postinst"));
    assert_eq!(find(&control, "./postinst").text(), postinst);
    assert_eq!(find(&control, "./prerm").text(), format!("#!/bin/sh\n{}", stub("default_prerm")));
    assert_eq!(find(&control, "./postinst-pkg").text(), folder.text("openwrt/ringpost/files/ringpost.postinst"));
    assert_eq!(find(&control, "./prerm-pkg").text(), folder.text("openwrt/ringpost/files/ringpost.prerm"));
}

#[test]
fn installed_files_are_those_of_the_repository_with_their_modes() {
    let folder = checkout();
    pack(&folder, "ipk", "x86_64-unknown-linux-musl");
    let package = tar(&gunzip(&folder.read("out/ringpost_0.1.0-r1_x86_64.ipk")));
    let files = tree(&gunzip(&package[1].contents), "./");
    let found: Vec<_> = files.values().map(|file| (file.name.as_str(), file.mode, file.contents.clone())).collect();
    assert_eq!(
        found,
        [
            ("./etc/config/ringpost", 0o600, folder.read("openwrt/ringpost/files/ringpost.config")),
            ("./etc/hotplug.d/ntp/60-ringpost", 0o644, folder.read("openwrt/ringpost/files/ringpost.ntp")),
            ("./etc/init.d/ringpost", 0o755, folder.read("openwrt/ringpost/files/ringpost.init")),
            ("./etc/ringpost/ringpost.toml", 0o600, folder.read("packaging/ringpost.toml")),
            ("./lib/upgrade/keep.d/ringpost", 0o644, folder.read("openwrt/ringpost/files/ringpost.keep")),
            ("./usr/bin/ringpost", 0o755, folder.read("ringpost")),
        ]
    );
}

#[test]
fn each_architecture_of_the_row_gets_a_package_that_differs_in_its_name_only() {
    let folder = checkout();
    folder.write("packaging/targets.tsv", "# none\nx86_64-unknown-linux-musl\tone_a two_b\t-\t-\n");
    pack(&folder, "ipk", "x86_64-unknown-linux-musl");
    assert_eq!(
        folder.files().into_iter().filter(|name| name.starts_with("out/")).collect::<Vec<_>>(),
        ["out/ringpost_0.1.0-r1_one_a.ipk", "out/ringpost_0.1.0-r1_two_b.ipk"]
    );
    let open = |name: &str| tar(&gunzip(&folder.read(&format!("out/ringpost_0.1.0-r1_{name}.ipk"))));
    let (one, two) = (open("one_a"), open("two_b"));
    assert_eq!(one[1], two[1]);
    let control =
        |package: &[crate::read::Member]| find(&tar(&gunzip(&package[2].contents)), "./control").text().to_owned();
    assert!(control(&one).contains("\nArchitecture: one_a\n"));
    assert_eq!(control(&one).replace("one_a", "two_b"), control(&two));
}

#[test]
fn a_candidate_and_a_page_are_told_in_opkgs_spelling() {
    let folder = checkout();
    folder.edit(
        "Cargo.toml",
        "version = \"0.1.0\"",
        "version = \"0.2.0-rc1\"\nhomepage = \"https://example.org/ringpost\"",
    );
    pack(&folder, "ipk", "x86_64-unknown-linux-musl");
    let package = tar(&gunzip(&folder.read("out/ringpost_0.2.0~rc1-r1_x86_64.ipk")));
    let control = tar(&gunzip(&package[2].contents));
    let control = find(&control, "./control").text();
    assert!(control.contains("\nVersion: 0.2.0~rc1-r1\n"), "{control}");
    let between = format!("\nSourceDateEpoch: {EPOCH}\nURL: https://example.org/ringpost\nMaintainer: ");
    assert!(control.contains(&between), "{control}");
}
