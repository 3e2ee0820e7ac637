//! The package for apk.

use crate::read::{Adb, Value, gunzip, hex, sha256, tar, tree};
use crate::repository::{EPOCH, Folder, checkout, pack, program};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// A file of a package: mode, size, hash, and where its contents are.
struct Installed {
    mode: u64,
    size: u64,
    hash: Vec<u8>,
    place: (u32, u32),
}

/// The folders in their order, and the files by their paths.
fn installed(root: &Value) -> (Vec<String>, BTreeMap<String, Installed>) {
    let access = |access: &Value| {
        assert_eq!((access.field(2).text(), access.field(3).text()), ("root", "root"));
        assert_eq!(access.list().len(), 3);
        access.field(1).number()
    };
    let mut folders = Vec::new();
    let mut files = BTreeMap::new();
    for (folder, nth) in root.field(2).list().iter().zip(1..) {
        let path = if *folder.field(1) == Value::None { "" } else { folder.field(1).text() };
        assert_eq!(access(folder.field(2)), 0o755, "{path}");
        let names: Vec<_> = folder.field(3).list().iter().map(|file| file.field(1).text()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for (file, number) in folder.field(3).list().iter().zip(1..) {
            assert_eq!(file.field(4).number(), EPOCH);
            assert_eq!(file.list().len(), 5);
            let Value::Blob(hash) = file.field(5).clone() else { panic!("no hash") };
            let name = format!("{path}/{}", file.field(1).text());
            let (mode, size) = (access(file.field(2)), file.field(3).number());
            files.insert(name, Installed { mode, size, hash, place: (nth, number) });
        }
        folders.push(path.to_owned());
    }
    (folders, files)
}

fn open(folder: &Folder, architecture: &str) -> Adb {
    Adb::open(&folder.read(&format!("out/apk/{architecture}/ringpost-0.1.0-r1.apk")))
}

/// The contents of a file in a package.
fn contents<'a>(package: &'a Adb, files: &BTreeMap<String, Installed>, path: &str) -> &'a [u8] {
    let place = files[path].place;
    let block = package.contents.iter().find(|(folder, file, _)| (*folder, *file) == place);
    &block.unwrap_or_else(|| panic!("no contents of {path}")).2
}

#[test]
fn the_package_tells_of_itself_in_the_fields_of_the_schema() {
    let folder = checkout();
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let package = open(&folder, "x86_64");
    let root = package.root();
    assert_eq!(root.list().len(), 3);
    let info = root.field(1);
    assert_eq!(info.field(1).text(), "ringpost");
    assert_eq!(info.field(2).text(), "0.1.0-r1");
    assert_eq!(info.field(4).text(), "Posts the calls of an Asterisk-based PBX to the CRM, from a router");
    assert_eq!(info.field(5).text(), "x86_64");
    assert_eq!(info.field(6).text(), "MIT OR Apache-2.0");
    assert_eq!(info.field(7).text(), "feeds/ringpost/ringpost");
    assert_eq!(info.field(8).text(), "The ringpost authors");
    for nothing in [9, 10, 11, 13, 14] {
        assert_eq!(*info.field(nothing), Value::None, "{nothing}");
    }
    let (_, files) = installed(&root);
    assert_eq!(info.field(12).number(), files.values().map(|file| file.size).sum::<u64>());
    let depends: Vec<_> = info.field(15).list().iter().map(|on| (on.field(1).text(), on.list().len())).collect();
    assert_eq!(depends, [("ca-bundle", 1), ("libc", 1)]);
    assert_eq!(info.list().len(), 15);

    // The identity is the beginning of the hash of the block in which it is not written yet.
    let Value::Blob(identity) = info.field(3).clone() else { panic!("no identity") };
    assert_eq!(identity.len(), 20);
    let mut without = package.values.clone();
    let places: Vec<_> = (0..without.len() - 20).filter(|at| without[*at..*at + 20] == identity[..]).collect();
    let [place] = *places else { panic!("the identity is there {} times", places.len()) };
    without[place..place + 20].fill(0);
    assert_eq!(sha256(&without)[..20], identity[..]);
}

#[test]
fn every_file_is_there_with_its_hash_and_nothing_else() {
    let folder = checkout();
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let package = open(&folder, "x86_64");
    let (folders, files) = installed(&package.root());
    assert_eq!(
        folders,
        [
            "",
            "etc",
            "etc/config",
            "etc/hotplug.d",
            "etc/hotplug.d/ntp",
            "etc/init.d",
            "etc/ringpost",
            "lib",
            "lib/apk",
            "lib/apk/packages",
            "lib/upgrade",
            "lib/upgrade/keep.d",
            "usr",
            "usr/bin",
        ]
    );
    let modes: Vec<_> = files.iter().map(|(path, file)| (path.as_str(), file.mode)).collect();
    assert_eq!(
        modes,
        [
            ("etc/config/ringpost", 0o600),
            ("etc/hotplug.d/ntp/60-ringpost", 0o644),
            ("etc/init.d/ringpost", 0o755),
            ("etc/ringpost/ringpost.toml", 0o600),
            ("lib/apk/packages/ringpost.conffiles", 0o644),
            ("lib/apk/packages/ringpost.conffiles_static", 0o644),
            ("lib/apk/packages/ringpost.list", 0o644),
            ("lib/apk/packages/ringpost.rusers", 0o644),
            ("lib/upgrade/keep.d/ringpost", 0o644),
            ("usr/bin/ringpost", 0o755),
        ]
    );
    // In the order of folders and files, one block for each.
    let mut places: Vec<_> = files.values().map(|file| file.place).collect();
    places.sort_unstable();
    assert_eq!(package.contents.iter().map(|(folder, file, _)| (*folder, *file)).collect::<Vec<_>>(), places);
    for (path, file) in &files {
        let contents = contents(&package, &files, path);
        assert_eq!(contents.len() as u64, file.size, "{path}");
        assert_eq!(sha256(contents)[..], file.hash[..], "{path}");
    }
    // What opkg installs is what apk installs.
    pack(&folder, "ipk", "x86_64-unknown-linux-musl");
    let ipk = tar(&gunzip(&folder.read("out/ringpost_0.1.0-r1_x86_64.ipk")));
    for (path, member) in tree(&gunzip(&ipk[1].contents), "./") {
        assert_eq!(contents(&package, &files, &path), member.contents, "{path}");
        assert_eq!(files[&path].mode, u64::from(member.mode), "{path}");
    }
}

#[test]
fn openwrts_functions_find_what_they_look_for() {
    let folder = checkout();
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let package = open(&folder, "x86_64");
    let (_, files) = installed(&package.root());
    let text = |kind: &str| {
        let path = format!("lib/apk/packages/ringpost.{kind}");
        String::from_utf8(contents(&package, &files, &path).to_vec()).unwrap()
    };
    // As OpenWrt's build makes the list: before the list itself and the two of conffiles.
    let late = ["list", "conffiles", "conffiles_static"].map(|kind| format!("lib/apk/packages/ringpost.{kind}"));
    let wanted: String = files.keys().filter(|path| !late.contains(path)).map(|path| format!("/{path}\n")).collect();
    assert_eq!(text("list"), wanted);
    assert!(text("list").lines().any(|line| line == "/etc/init.d/ringpost"), "nothing would be started");
    assert_eq!(text("rusers"), "ringpost:ringpost\n");
    assert_eq!(text("conffiles"), "/etc/config/ringpost\n/etc/ringpost/ringpost.toml\n");
    assert_eq!(
        text("conffiles_static"),
        format!(
            "/etc/config/ringpost {}\n/etc/ringpost/ringpost.toml {}\n",
            hex(&sha256(&folder.read("openwrt/ringpost/files/ringpost.config"))),
            hex(&sha256(&folder.read("packaging/ringpost.toml")))
        )
    );
}

#[test]
fn scripts_do_what_openwrts_do() {
    let folder = checkout();
    folder.write("openwrt/ringpost/files/ringpost.postinst", "#!/bin/sh\necho installed\n");
    folder.write("openwrt/ringpost/files/ringpost.prerm", "echo removed\n");
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let root = open(&folder, "x86_64").root();
    let functions = "[ -s \"$IPKG_INSTROOT/lib/functions.sh\" ] || exit 0\n\
                     . \"$IPKG_INSTROOT/lib/functions.sh\"\n\
                     export root=\"$IPKG_INSTROOT\"\n\
                     export pkgname=ringpost\n";
    let install = format!(
        "[ \"$IPKG_NO_SCRIPT\" != 1 ] || exit 0\n{functions}add_group_and_user\ndefault_postinst\necho installed\n"
    );
    let scripts: Vec<_> = (1..=7).map(|kind| root.field(3).field(kind).clone()).collect();
    let script = |text: String| Value::Blob(text.into_bytes());
    assert_eq!(
        scripts,
        [
            Value::None,                                                            // trigger
            Value::None,                                                            // pre-install
            script(format!("#!/bin/sh\n{install}")),                                // post-install
            script(format!("#!/bin/sh\n{functions}default_prerm\necho removed\n")), // pre-deinstall
            Value::None,                                                            // post-deinstall
            Value::None,                                                            // pre-upgrade
            script(format!("#!/bin/sh\nexport PKG_UPGRADE=1\n{install}")),          // post-upgrade
        ]
    );
}

/// Runs a script of a package with OpenWrt's functions played by ones that say their names; what it prints.
fn run(folder: &Folder, script: &Value, variables: &[(&str, &str)]) -> String {
    folder.write(
        "root/lib/functions.sh",
        "add_group_and_user() { echo \"user $root $pkgname\"; }\n\
                  default_postinst() { echo \"postinst $root $pkgname $PKG_UPGRADE\"; }\n\
                  default_prerm() { echo \"prerm $root $pkgname\"; }\n",
    );
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", script.text()]).env("IPKG_INSTROOT", folder.path("root"));
    let output = shell.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().replace(folder.path("root").to_str().unwrap(), "ROOT")
}

#[test]
fn scripts_run_openwrts_functions_and_then_our_own() {
    let folder = checkout();
    folder.write("openwrt/ringpost/files/ringpost.postinst", "echo \"own $PKG_UPGRADE\"\n");
    folder.write("openwrt/ringpost/files/ringpost.prerm", "echo own\n");
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let root = open(&folder, "x86_64").root();
    let script = |kind| root.field(3).field(kind);
    assert_eq!(run(&folder, script(3), &[]), "user ROOT ringpost\npostinst ROOT ringpost \nown \n");
    assert_eq!(run(&folder, script(7), &[]), "user ROOT ringpost\npostinst ROOT ringpost 1\nown 1\n");
    assert_eq!(run(&folder, script(4), &[]), "prerm ROOT ringpost\nown\n");
    assert_eq!(run(&folder, script(3), &[("IPKG_NO_SCRIPT", "1")]), "");
    // Where OpenWrt's functions are missing there is nothing to do.
    for kind in [3, 4, 7] {
        assert_eq!(run(&folder, script(kind), &[("IPKG_INSTROOT", "/nowhere")]), "");
    }
}

/// apk does not stop the old daemon, and procd sees no difference.
#[test]
fn an_upgrade_ends_with_a_restart() {
    let folder = checkout();
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let root = open(&folder, "x86_64").root();
    let script = root.field(3).field(7).text();
    let place = |text: &str| script.find(text).unwrap_or_else(|| panic!("no {text:?} in {script}"));
    assert!(place("export PKG_UPGRADE=1\n") < place("\ndefault_postinst\n"));
    assert!(place("\ndefault_postinst\n") < place("/etc/init.d/ringpost restart"));
    assert!(script.ends_with(&folder.text("openwrt/ringpost/files/ringpost.postinst")));
}

/// A checkout of which every byte stands here, so that packages of it never change.
fn fixed() -> Folder {
    let folder = Folder::new();
    let manifest = "[package]\nname = \"ringpost\"\nversion = \"1.2.3-rc4\"\nlicense = \"MIT\"\n\
                    homepage = \"https://example.org\"\n\
                    description = \"A package that never changes\"\n";
    folder.write("Cargo.toml", manifest);
    folder.write("packaging/targets.tsv", "x86_64-unknown-linux-musl\tx86_64\t-\n");
    folder.write("packaging/ringpost.toml", "name = \"office\"\n".repeat(20));
    for kind in ["config", "init", "keep", "ntp", "postinst", "prerm"] {
        folder.write(&format!("openwrt/ringpost/files/ringpost.{kind}"), format!("# {kind}\n"));
    }
    folder.write("ringpost", program(2, 1, 62));
    fs::create_dir(folder.path("out")).unwrap();
    folder
}

/// The identity and the hash of the block of values are those of the package that `apk mkpkg` of apk-tools 3.0.6 made
/// of the same files, fields and scripts. PACK_FIXED_APK names a file that gets our package, to be compared with that
/// of another version: `docs/packages.md` tells how.
#[test]
fn values_are_the_same_to_the_byte_as_apk_tools_writes_them() {
    let folder = fixed();
    pack(&folder, "apk", "x86_64-unknown-linux-musl");
    let bytes = folder.read("out/apk/x86_64/ringpost-1.2.3_rc4-r1.apk");
    if let Some(path) = std::env::var_os("PACK_FIXED_APK") {
        fs::write(path, &bytes).unwrap();
    }
    let Value::Blob(identity) = Adb::open(&bytes).root().field(1).field(3).clone() else { panic!("no identity") };
    assert_eq!(hex(&identity), "10cc70d9e4b7ad81791f483bd1538506f4f66304");
    assert_eq!(
        hex(&sha256(&Adb::open(&bytes).values)),
        "79cebbb482eabd17e493f3d8d178f523f8f0796678fe10dce55fb4858703552d"
    );
}
