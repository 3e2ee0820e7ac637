//! The transcripts of real Asterisks under `tests/transcripts`, and a reader of them that is too simple to be wrong.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic
#![allow(dead_code)] // each test crate uses its part

use ringpost::ami::filters::{FIRST_FILTER, Generation};
use std::path::PathBuf;

/// One captured stream.
pub struct Transcript {
    /// `<version>/<scenario>`.
    pub name: String,
    /// As they came off the wire.
    pub bytes: Vec<u8>,
}

/// Every transcript of every version.
pub fn all() -> Vec<Transcript> {
    let root = root();
    let mut found = Vec::new();
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join(version))
            .expect("transcripts are part of the tree")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .collect();
        paths.sort();
        found.extend(paths.into_iter().map(|path| Transcript {
            name: format!("{version}/{}", path.file_stem().expect("a name").to_string_lossy()),
            bytes: std::fs::read(&path).expect("readable"),
        }));
    }
    assert!(found.len() > 150, "only {} transcripts", found.len());
    found
}

/// Folder and name of each transcript that was played on the exchange and has its records beside it.
pub fn scenes() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["exchange-16", "exchange-16-sip", "exchange-22"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("transcripts are part of the tree");
        let paths = entries.map(|entry| entry.expect("readable").path());
        let records = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        found.extend(
            records.map(|path| (folder.to_owned(), path.file_stem().expect("a name").to_string_lossy().into_owned())),
        );
    }
    found.sort();
    assert!(found.len() > 170, "only {} scenes", found.len());
    found
}

/// One transcript by version and scenario.
pub fn one(version: &str, scenario: &str) -> Vec<u8> {
    let path = root().join(version).join(format!("{scenario}.txt"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The clock of a transcript: `NAME.timing.tsv`. Variants of a stream (`NAME.mask`) have none of their own.
pub fn timing(version: &str, scenario: &str) -> String {
    let path = root().join(version).join(format!("{scenario}.timing.tsv"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `expected.tsv`: what was measured on the telephones.
pub fn expected() -> String {
    std::fs::read_to_string(root().join("expected.tsv")).expect("the oracle is part of the tree")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// Packets that hold an `Event: ` or a `Response: ` line, as a reader has them that knows only the text as a whole:
/// it splits at empty lines and leaves old command output (`Response: Follows`) out.
pub fn naive_packets(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    let mut packet: Vec<Vec<u8>> = Vec::new();
    let mut output = false;
    for line in bytes.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if output {
            output = line != b"--END COMMAND--";
        } else if line == b"Response: Follows" {
            output = true;
        } else if !line.is_empty() {
            packet.push(line.to_vec());
        } else {
            packets.push(std::mem::take(&mut packet));
        }
    }
    packets.iter_mut().for_each(drop_banners);
    packets.retain(|packet| packet.iter().any(|l| l.starts_with(b"Event: ") || l.starts_with(b"Response: ")));
    packets
}

/// A file begins with a banner; `login-errors` holds several connections, each begun by a `#####` line of
/// the capture's and a banner.
pub fn drop_banners(packet: &mut Vec<Vec<u8>>) {
    packet.retain(|line| !line.starts_with(b"Asterisk Call Manager/") && !line.starts_with(b"#####"));
}

/// Whether the filters that ringpost sets at a PBX of this generation let this event pass.
pub fn passes(generation: Generation, text: &str) -> bool {
    passes_all(&generation.filters().chain([FIRST_FILTER]).collect::<Vec<_>>(), text)
}

/// Whether these filters do: one of them finds it and none excludes it.
pub fn passes_all(filters: &[&str], text: &str) -> bool {
    let all = || filters.iter();
    all().any(|filter| finds(filter, text))
        && !all().filter_map(|filter| filter.strip_prefix('!')).any(|excluded| finds(excluded, text))
}

/// What a filter's expression finds: plain text, but for `_*`, any number of underscores.
fn finds(pattern: &str, text: &str) -> bool {
    match pattern.split_once("_*") {
        None => text.contains(pattern),
        Some((head, tail)) => {
            text.match_indices(head).any(|(at, _)| text[at + head.len()..].trim_start_matches('_').starts_with(tail))
        }
    }
}

/// A page of the documentation.
pub fn doc(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
