//! The notices of what is linked in.

use crate::repository::{EPOCH, Folder, original, told};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const RULE: &str = "================================================================================";
/// What was written for the version of the tests' workspaces.
const FILE: &str = "out/ringpost-0.1.0.notices.txt";

/// The program, from a folder, for a repository by the name it has from there.
fn run(what: &str, from: &Path, root: &Path, out: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pack"));
    command.arg(what).arg("--root").arg(root).arg("--out").arg(out).args(words).current_dir(from);
    command.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).output().unwrap()
}

/// What it writes for this repository and one target.
fn written(what: &str, from: &Path, root: &Path) -> String {
    let folder = Folder::new();
    let output = run(what, from, root, &folder.path("out"), &["--target", "x86_64-unknown-linux-musl"]);
    assert!(output.status.success(), "{}", told(&output));
    let [name] = &*folder.files() else { panic!("{:?}", folder.files()) };
    folder.text(name)
}

/// The texts, each with the names that it is headed by.
fn texts(notices: &str) -> Vec<(Vec<&str>, &str)> {
    let mut parts = notices.split(RULE).skip(1);
    let mut texts = Vec::new();
    while let Some(names) = parts.next() {
        texts.push((names.trim().lines().collect(), parts.next().unwrap().trim()));
    }
    texts
}

#[test]
fn every_linked_crate_is_named_and_every_text_is_there_once() {
    let root = original();
    let notices = written("notices", Path::new("/"), &root);
    assert_eq!(notices, written("notices", &root, Path::new(".")), "the place gets in");
    for place in [root.to_str().unwrap(), "/registry/", "index.crates.io"] {
        assert!(!notices.contains(place), "{place} is told");
    }
    assert!(notices.ends_with('\n') && !notices.contains(['\r', '\0']));

    let document: Value = serde_json::from_str(&written("sbom", Path::new("/"), &root)).unwrap();
    let components = document["components"].as_array().unwrap();
    let text = |component: &Value, path: &str| component.pointer(path).and_then(Value::as_str).unwrap().to_owned();
    let crates = components.iter().map(|component| {
        let name = format!("{} {}", text(component, "/name"), text(component, "/version"));
        (name, text(component, "/licenses/0/expression"))
    });
    let crates: Vec<_> = crates.collect();
    let wanted: String = crates.iter().map(|(name, licence)| format!("{name}: {licence}\n")).collect();
    assert!(notices.contains(&format!("\n\n{wanted}\n")), "not the list of the bill of materials:\n{wanted}");

    let texts = texts(&notices);
    let distinct: BTreeSet<_> = texts.iter().map(|(_, text)| *text).collect();
    assert_eq!(distinct.len(), texts.len(), "a text is there twice");
    assert!(distinct.iter().all(|text| !text.is_empty()));
    let of = |begin: &str| {
        let headed = |names: &[&str]| names.iter().any(|name| name.starts_with(begin));
        texts.iter().filter(|(names, _)| headed(names)).map(|(_, text)| *text).collect::<Vec<_>>().join("\n")
    };
    for (begin, words) in [
        // Its own, BoringSSL's, and one that it points at in a folder.
        ("ring ", &["Brian Smith", "BoringSSL", "fiat-crypto authors"][..]),
        ("rustls ", &["Joseph Birr-Pixton", "ISC License", "Apache License"]),
        ("subtle ", &["Isis Agora Lovecruft", "Neither the name of the copyright holder"]),
    ] {
        words.iter().for_each(|word| assert!(of(begin).contains(word), "{begin}: {word}"));
    }
    let bare = notices.split(RULE).next().unwrap().split_once("\nWithout a text of their own").unwrap_or_default().1;
    for (name, _) in &crates {
        assert_eq!(of(name).is_empty(), bare.contains(&format!("\n{name}: ")), "{name}");
    }
}

/// A workspace of ringpost and six crates that are on this disk only: nothing is fetched for it.
fn workspace() -> Folder {
    let folder = Folder::new();
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    let root = "license = \"MIT\"\ndescription = \"For a test\"\n\
        [workspace]\n\
        [dependencies]\none = { path = \"one\" }\ntwo = { path = \"two\" }\n\
        [target.'cfg(target_arch = \"mips\")'.dependencies]\nthree = { path = \"three\" }\n\
        [build-dependencies]\nbuilds = { path = \"builds\" }\n\
        [dev-dependencies]\ntests = { path = \"tests\" }\n";
    folder.write("Cargo.toml", package("ringpost", root));
    folder.write("src/main.rs", "fn main() {}\n");
    folder.write("LICENSE", "of ringpost\n");
    for (name, rest) in [
        ("one", "license = \"MIT/Apache-2.0\"\n"),
        ("two", "license = \"Apache-2.0\"\n[dependencies]\nfour = { path = \"../four\" }\n"),
        ("three", "license = \"BSD-3-Clause\"\nauthors = [\"A. Nobody <a@example.org>\", \"B. Nobody\"]\n"),
        ("four", ""),
        ("builds", "license = \"MIT\"\n"),
        ("tests", "license = \"MIT\"\n"),
    ] {
        folder.write(&format!("{name}/Cargo.toml"), package(name, rest));
        folder.write(&format!("{name}/src/lib.rs"), "");
    }
    folder.write("one/LICENSE-APACHE", "\nApache License\n\n  of all\n");
    folder.write("one/LICENSE-MIT", "Copyright One\r\n\r\n  MIT\r\n");
    folder.write("one/LICENSE-MIT.txt", "Copyright One\n\n  MIT");
    folder.write("one/README", "not of a licence\n");
    folder.write("one/src/notice.rs", "// not of a licence\n");
    folder.write("one/src/taken/COPYING", "of what one took\n");
    folder.write("two/licence.txt", "Apache License\n\n  of all");
    folder.write("two/NOTICE", "of two — and of no other\n\n");
    folder.write("three/LICENSE", "\r\n");
    folder.write("builds/LICENSE", "of builds\n");
    folder.write("tests/LICENSE", "of tests\n");
    let locked = [
        ("builds", ""),
        ("four", ""),
        ("one", ""),
        ("ringpost", "dependencies = [\n \"builds\",\n \"one\",\n \"tests\",\n \"three\",\n \"two\",\n]\n"),
        ("tests", ""),
        ("three", ""),
        ("two", "dependencies = [\n \"four\",\n]\n"),
    ];
    let locked = locked.map(|(name, rest)| format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{rest}"));
    folder.write("Cargo.lock", format!("version = 4\n{}", locked.concat()));
    let targets = ["x86_64-unknown-linux-musl", "mips-unknown-linux-musl"].map(|name| format!("{name}\t-\t-\t-\n"));
    folder.write("packaging/targets.tsv", targets.concat());
    folder
}

/// Writes the notices of a workspace.
fn notices(folder: &Folder, words: &[&str]) -> Output {
    run("notices", &folder.path(""), &folder.path(""), &folder.path("out"), words)
}

#[test]
fn the_whole_is_as_it_has_to_be() {
    let folders = [workspace(), workspace()];
    for folder in &folders {
        folder.write("libc=musl", "of musl\n");
        folder.write("std", "Apache License\r\n\r\n  of all\r\n");
        let others = ["--notice", "std=std", "--notice", "libc=libc=musl", "--notice", "std=two/NOTICE"];
        let output = notices(folder, &others);
        assert!(output.status.success(), "{}", told(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), folder.path(FILE).to_str().unwrap());
    }
    let [one, other] = folders.map(|folder| folder.text(FILE));
    assert_eq!(one, other, "the place gets in");
    let wanted = format!(
        "Notices of what is linked into ringpost 0.1.0\n\
         \n\
         These crates are linked into ringpost, each with its licence. Where the binaries for different processors\n\
         differ, a crate is listed if one of them has it. The licence of ringpost itself is not in this file.\n\
         \n\
         four 0.1.0: LicenseRef-unknown\n\
         one 0.1.0: MIT OR Apache-2.0\n\
         three 0.1.0: BSD-3-Clause\n\
         two 0.1.0: Apache-2.0\n\
         \n\
         Linked in too, under the texts that bear these names below:\n\
         \n\
         std\n\
         libc\n\
         \n\
         Without a text of their own; this is what they say of themselves:\n\
         \n\
         four 0.1.0: LicenseRef-unknown\n\
         three 0.1.0: BSD-3-Clause; by A. Nobody <a@example.org>, B. Nobody\n\
         \n{RULE}\none 0.1.0\ntwo 0.1.0\nstd\n{RULE}\n\nApache License\n\n  of all\n\
         \n{RULE}\none 0.1.0\n{RULE}\n\nCopyright One\n\n  MIT\n\
         \n{RULE}\none 0.1.0\n{RULE}\n\nof what one took\n\
         \n{RULE}\ntwo 0.1.0\nstd\n{RULE}\n\nof two — and of no other\n\
         \n{RULE}\nlibc\n{RULE}\n\nof musl\n"
    );
    assert_eq!(one, wanted);
}

#[test]
fn one_target_has_its_own_crates_only() {
    let folder = workspace();
    let output = notices(&folder, &["--target", "x86_64-unknown-linux-musl"]);
    assert!(output.status.success(), "{}", told(&output));
    let text = folder.text(FILE);
    assert!(text.contains("\none 0.1.0: ") && !text.contains("three"), "{text}");
    assert!(!text.contains("Linked in too"), "{text}");
}

#[test]
fn what_is_no_text_is_refused_with_its_place_and_the_remedy() {
    let refused = |edit: &dyn Fn(&Folder), words: &[&str], wanted: &[&str]| {
        let folder = workspace();
        edit(&folder);
        let output = notices(&folder, words);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        wanted.iter().for_each(|word| assert!(said.contains(word), "no {word:?} in: {said}"));
        assert!(said.starts_with("pack: ") && said.lines().count() == 1, "{said}");
        assert!(!folder.path("out").exists());
    };
    let latin = b"Copyright \xa9 One\n";
    let long = vec![b'a'; (1 << 20) + 1];
    refused(&|folder| folder.write("one/LICENSE-MIT", latin), &[], &["one/LICENSE-MIT", "not UTF-8", "version of the"]);
    refused(&|folder| folder.write("two/COPYING", "a\0b"), &[], &["two/COPYING", "zeros", "version of the"]);
    refused(&|folder| folder.write("two/COPYING", &long), &[], &["two/COPYING", "1048577 bytes", "at most 1 MiB"]);
    let words = ["--notice", "musl=musl"];
    refused(&|_| (), &words, &["musl", "cannot be read"]);
    refused(&|folder| folder.write("musl", latin), &words, &["musl", "not UTF-8", "--notice wants"]);
    refused(&|folder| folder.write("musl", "\n \n"), &words, &["musl", "empty", "--notice wants"]);
}
