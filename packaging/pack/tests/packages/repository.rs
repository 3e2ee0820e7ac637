//! Checkouts to pack from, in folders of their own, and the program that packs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// The time that all packages of the tests bear.
pub const EPOCH: u64 = 1_795_900_000;
/// The version in the tests' checkouts.
pub const VERSION: &str = "0.1.0";

/// The repository that this test is in.
pub fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pack-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Replaces a text that has to be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, text.replace(from, to));
    }

    /// The files below, by their paths.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(&self.0).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A copy of what is packed, with a binary `ringpost` of x86_64 beside it and an empty folder `out`.
pub fn checkout() -> Folder {
    let folder = Folder::new();
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "packaging/INSTALL.md",
        "packaging/ringpost.toml",
        "packaging/targets.tsv",
    ] {
        folder.write(name, fs::read(original().join(name)).unwrap());
    }
    for inner in ["packaging/debian", "openwrt/ringpost/files", "docs/man"] {
        for entry in fs::read_dir(original().join(inner)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = format!("{inner}/{}", entry.file_name().to_str().unwrap());
                folder.write(&name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let manifest = folder.text("Cargo.toml");
    let version = manifest.lines().find(|line| line.starts_with("version = ")).unwrap();
    folder.edit("Cargo.toml", version, &format!("version = \"{VERSION}\""));
    folder.write("ringpost", program(2, 1, 62));
    fs::create_dir(folder.path("out")).unwrap();
    folder
}

/// What passes for a static program: an ELF header (class 1 or 2, byte order 1 or 2) without program headers, and 70
/// 000 bytes that do not compress.
pub fn program(class: u8, order: u8, machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order]);
    bytes[18..20].copy_from_slice(&if order == 1 { machine.to_le_bytes() } else { machine.to_be_bytes() });
    let mut state = 1_u32;
    bytes.extend((0..70_001).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    bytes
}

/// The program, in a checkout, with these words.
pub fn command(folder: &Folder, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pack"));
    command.args(words).args(["--root".as_ref(), folder.path("").as_os_str()]);
    command.args(["--out".as_ref(), folder.path("out").as_os_str()]);
    command.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    command
}

/// Packs for a target with the binary of the checkout; it has to succeed.
pub fn pack(folder: &Folder, what: &str, target: &str) {
    pack_with(folder, what, target, &[]);
}

/// The same with more words.
pub fn pack_with(folder: &Folder, what: &str, target: &str, words: &[&str]) {
    let mut command = command(folder, &[what, "--target", target]);
    let output = command.args(words).args(["--binary".as_ref(), folder.path("ringpost").as_os_str()]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// What it said on stderr.
pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
