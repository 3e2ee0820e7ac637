//! What is refused, and how that is told.

use crate::repository::{Folder, checkout, command, program, told};

/// Packs everything, which has to fail with this code, tell these words and leave nothing.
fn refused(folder: &Folder, target: &str, code: i32, words: &[&str]) {
    let mut command = command(folder, &["all", "--target", target]);
    let output = command.args(["--binary".as_ref(), folder.path("ringpost").as_os_str()]).output().unwrap();
    let said = told(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
    assert!(said.starts_with("pack: ") && said.lines().count() == 1, "{said}");
    assert!(!folder.files().iter().any(|name| name.starts_with("out/")), "{:?}", folder.files());
}

const TARGET: &str = "x86_64-unknown-linux-musl";

#[test]
fn a_command_that_is_not_one_ends_with_2() {
    let folder = checkout();
    let binary = folder.path("ringpost");
    let binary = binary.to_str().unwrap();
    for (words, wanted) in [
        (&[][..], "no command"),
        (&["rpm"], "no command rpm"),
        (&["all"], "one --target"),
        (&["all", "--target", TARGET], "--binary"),
        (&["all", "--target", TARGET, "--target", TARGET, "--binary", binary], "one --target"),
        (&["all", "--binary", binary, "--target", "z80-unknown-cpm"], "mips-unknown-linux-musl"),
        (&["all", "more"], "more"),
        (&["all", "--colour"], "--colour"),
        (&["notices", "--notice", "musl"], "--notice NAME=FILE is wanted, not \"musl\""),
        (&["notices", "--notice", "=file"], "NAME=FILE"),
        (&["notices", "--notice", " =file"], "NAME=FILE"),
        (&["notices", "--notice", "musl="], "NAME=FILE"),
        (&["notices", "--notice"], "--notice"),
        (&["notices", "--notices", "file"], "--notices is for all, deb and tar"),
        (&["sbom", "--notice", "musl=file"], "--notice is for notices"),
        (&["sbom", "--tool", "rustc"], "--tool NAME=VERSION is wanted, not \"rustc\""),
        (&["sbom", "--tool", "=1.96.0"], "NAME=VERSION"),
        (&["sbom", "--tool", "rustc="], "NAME=VERSION"),
        (&["all", "--target", TARGET, "--binary", binary, "--tool", "rustc=1.96.0"], "--tool is for sbom"),
        (&["ipk", "--target", TARGET, "--binary", binary, "--notices", binary], "--notices is for all, deb and tar"),
    ] {
        let output = command(&folder, words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", told(&output));
        assert!(told(&output).contains(wanted), "{words:?}: {}", told(&output));
    }
    let output = command(&folder, &["help"]).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"pack: writes"));
}

#[test]
fn without_a_time_nothing_is_packed() {
    let folder = checkout();
    for time in [None, Some(""), Some("yesterday"), Some("-1"), Some("8589934592")] {
        let mut command = command(&folder, &["all", "--target", TARGET]);
        command.args(["--binary".as_ref(), folder.path("ringpost").as_os_str()]).env_remove("SOURCE_DATE_EPOCH");
        time.map(|time| command.env("SOURCE_DATE_EPOCH", time));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{time:?}");
        assert!(told(&output).contains("SOURCE_DATE_EPOCH"), "{}", told(&output));
    }
}

#[test]
fn a_binary_of_another_kind_is_refused() {
    let folder = checkout();
    let path = folder.path("ringpost");
    let name = path.to_str().unwrap();
    folder.write("ringpost", program(2, 1, 183));
    refused(&folder, TARGET, 1, &[name, "machine 183", "machine 62"]);
    folder.write("ringpost", program(1, 1, 8));
    refused(&folder, "mips-unknown-linux-musl", 1, &["little-endian", "big-endian"]);
    folder.write("ringpost", "#!/bin/sh\n");
    refused(&folder, TARGET, 1, &["not an ELF program"]);
    folder.write("ringpost", &program(2, 1, 62)[..30]);
    refused(&folder, TARGET, 1, &["cut short"]);
    // One program header of 56 bytes, right behind the header of the file, that names a loader.
    let mut dynamic = program(2, 1, 62);
    dynamic[32] = 64;
    dynamic[54] = 56;
    dynamic[56] = 1;
    dynamic[64..68].copy_from_slice(&[3, 0, 0, 0]);
    folder.write("ringpost", dynamic);
    refused(&folder, TARGET, 1, &["dynamically linked"]);
    std::fs::remove_file(&path).unwrap();
    refused(&folder, TARGET, 1, &[name, "cannot be read"]);
}

#[test]
fn notices_that_are_no_text_are_not_packed() {
    let folder = checkout();
    let file = folder.path("notices.txt");
    for (contents, wanted) in [(None, "cannot be read"), (Some("cut"), "no end"), (Some("a\r\n"), "carriage returns")] {
        contents.into_iter().for_each(|contents| folder.write("notices.txt", contents));
        let mut command = command(&folder, &["all", "--target", TARGET, "--notices", file.to_str().unwrap()]);
        let output = command.args(["--binary".as_ref(), folder.path("ringpost").as_os_str()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains("notices.txt") && told(&output).contains(wanted), "{}", told(&output));
        assert!(!folder.files().iter().any(|name| name.starts_with("out/")));
    }
}

#[test]
fn a_repository_that_lacks_something_is_refused() {
    let file = "openwrt/ringpost/files/ringpost.init";
    let folder = checkout();
    std::fs::remove_file(folder.path(file)).unwrap();
    refused(&folder, TARGET, 1, &[file, "cannot be read"]);
    let folder = checkout();
    folder.edit(file, "\n", "\r\n");
    refused(&folder, TARGET, 1, &[file, "carriage returns"]);
    let folder = checkout();
    folder.write(file, "");
    refused(&folder, TARGET, 1, &[file, "empty"]);
    let folder = checkout();
    folder.edit("Cargo.toml", "version = \"0.1.0\"", "version = \"0.1.0-dev\"");
    refused(&folder, TARGET, 1, &["Cargo.toml", "0.1.0-dev"]);
    let folder = checkout();
    folder.edit("Cargo.toml", "name = \"ringpost\"", "name = \"other\"");
    refused(&folder, TARGET, 1, &["Cargo.toml", "not the package ringpost"]);
    let folder = checkout();
    folder.write("packaging/targets.tsv", format!("{TARGET} x86_64\n"));
    refused(&folder, TARGET, 1, &["targets.tsv", "the row"]);
}

#[test]
fn an_example_that_was_changed_is_not_packed_for_debian_with_the_wrong_folders() {
    for (from, to) in [("# state_dir = ", "# state = "), ("# [journal]\n", "# [journal]\n# [journal]\n")] {
        let folder = checkout();
        folder.edit("packaging/ringpost.toml", from, to);
        let mut command = command(&folder, &["deb", "--target", TARGET]);
        let output = command.args(["--binary".as_ref(), folder.path("ringpost").as_os_str()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains("ringpost.toml") && told(&output).contains("times"), "{}", told(&output));
        assert!(!folder.files().iter().any(|name| name.starts_with("out/")));
    }
}
