//! What the binary is made of.

use crate::repository::{EPOCH, Folder, original};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The document of this repository, for one target; `root` is the repository by another name perhaps.
fn document(root: &str, directory: &str, words: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pack"));
    command.args(["sbom", "--target", "x86_64-unknown-linux-musl", "--root", root, "--out"]).arg(folder.path("out"));
    command.args(words).current_dir(directory);
    let output = command.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [name] = &*folder.files() else { panic!("{:?}", folder.files()) };
    folder.read(name)
}

/// Name and version of each crate in Cargo.lock, and its checksum, line by line.
fn locked() -> BTreeMap<(String, String), Option<String>> {
    let lock = std::fs::read_to_string(original().join("Cargo.lock")).unwrap();
    let field = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        line.map(str::to_owned)
    };
    let packages = lock.split("[[package]]\n").skip(1);
    packages
        .map(|text| ((field(text, "name").unwrap(), field(text, "version").unwrap()), field(text, "checksum")))
        .collect()
}

#[test]
fn the_document_tells_what_is_linked_and_nothing_else() {
    let root = original();
    let root = root.to_str().unwrap();
    let bytes = document(root, "/", &[]);
    assert_eq!(bytes, document(".", root, &[]), "the place gets in");
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(!text.contains(root), "the place is told");
    let value: Value = serde_json::from_str(text).unwrap();
    let string = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(string(&value, "/bomFormat"), "CycloneDX");
    assert_eq!(string(&value, "/specVersion"), "1.6");
    assert_eq!(string(&value, "/metadata/timestamp"), "2026-11-28T21:06:40Z");
    assert_eq!(value.pointer("/metadata/tools"), None, "no tool was named");
    assert_eq!(string(&value, "/metadata/component/name"), "ringpost");
    assert_eq!(string(&value, "/metadata/component/type"), "application");
    let serial = string(&value, "/serialNumber");
    let digits: Vec<_> = serial.strip_prefix("urn:uuid:").unwrap().split('-').map(str::len).collect();
    assert_eq!(digits, [8, 4, 4, 4, 12], "{serial}");

    let locked = locked();
    let components = value["components"].as_array().unwrap();
    let names: Vec<_> = components.iter().map(|component| string(component, "/name")).collect();
    assert!(names.is_sorted(), "{names:?}");
    for linked in ["lexopt", "libc", "ring", "rustls", "serde_json", "tokio", "toml", "ureq"] {
        assert!(names.iter().any(|name| name == linked), "{linked} is missing");
    }
    for foreign in ["cc", "pack", "pbx", "portal", "rcgen", "ringpost", "serde_derive", "syn", "tar", "windows-sys"] {
        assert!(!names.iter().any(|name| name == foreign), "{foreign} is not in the binary");
    }
    for component in components {
        let (name, version) = (string(component, "/name"), string(component, "/version"));
        assert_eq!(string(component, "/type"), "library");
        assert_eq!(string(component, "/purl"), format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")));
        assert_eq!(string(component, "/hashes/0/alg"), "SHA-256");
        let checksum = locked.get(&(name.clone(), version)).cloned().flatten();
        assert_eq!(Some(string(component, "/hashes/0/content")), checksum, "{name}");
        let licence = string(component, "/licenses/0/expression");
        assert!(!licence.is_empty() && !licence.contains('/') && !licence.contains("unknown"), "{name}: {licence}");
    }

    // Every reference is known, and everything is needed by somebody, beginning with the program.
    let edges: BTreeMap<String, Vec<String>> = value["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let on = of["dependsOn"].as_array().unwrap().iter().map(|on| on.as_str().unwrap().to_owned());
            (string(of, "/ref"), on.collect())
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut next = vec![string(&value, "/metadata/component/bom-ref")];
    while let Some(reference) = next.pop() {
        next.extend(edges[&reference].iter().filter(|on| !reached.contains(*on)).cloned());
        reached.insert(reference);
    }
    let references: BTreeSet<_> = edges.keys().cloned().collect();
    assert_eq!(reached, references);
    assert_eq!(references.len(), components.len() + 1);
}

#[test]
fn tools_are_listed_sorted_and_each_once() {
    let root = original();
    let root = root.to_str().unwrap();
    let tools = ["zig=0.15.2", "rustc=1.96.0", "zig=0.15.2", "linker=a=b"];
    let words: Vec<_> = tools.iter().flat_map(|tool| ["--tool", tool]).collect();
    let mut with: Value = serde_json::from_slice(&document(root, "/", &words)).unwrap();
    let mut without: Value = serde_json::from_slice(&document(root, "/", &[])).unwrap();
    let tool = |name, version| serde_json::json!({ "type": "application", "name": name, "version": version });
    let wanted = serde_json::json!({
        "components": [tool("linker", "a=b"), tool("rustc", "1.96.0"), tool("zig", "0.15.2")]
    });
    assert_eq!(with["metadata"].as_object_mut().unwrap().remove("tools"), Some(wanted));
    // They are part of what the document says, and so of its identity, and change nothing else.
    let serial = |value: &mut Value| value.as_object_mut().unwrap().remove("serialNumber").unwrap();
    assert_ne!(serial(&mut with), serial(&mut without));
    assert_eq!(with, without);
}

#[test]
fn an_unknown_target_and_a_repository_that_is_none_are_refused() {
    let folder = Folder::new();
    let try_in = |root: &str, target: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pack"));
        command.args(["sbom", "--root", root, "--target", target, "--out"]).arg(folder.path("out"));
        let output = command.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = try_in(original().to_str().unwrap(), "z80-unknown-cpm");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`cargo tree"), "{said}");
    let (code, said) = try_in(folder.path("").to_str().unwrap(), "x86_64-unknown-linux-musl");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Cargo.toml"), "{said}");
    assert!(folder.files().is_empty());
}
