//! Readers of gzip, tar, ar and ADB that refuse whatever is not exactly as it has to be.

use crate::repository::EPOCH;
use flate2::read::{DeflateDecoder, GzDecoder};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub mode: u32,
    pub contents: Vec<u8>,
}

impl Member {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.contents).unwrap()
    }
}

/// Looks a member up.
pub fn find<'a>(members: &'a [Member], name: &str) -> &'a Member {
    members.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("no {name}"))
}

pub fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.name.as_str()).collect()
}

/// Inflates one gzip stream without a name, a time, a comment or anything behind it.
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    // Mark, deflate, no flags, no time, the best compression, Unix.
    assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
    let mut rest = bytes;
    let mut decoder = GzDecoder::new(&mut rest);
    let mut inflated = Vec::new();
    decoder.read_to_end(&mut inflated).unwrap();
    drop(decoder);
    assert!(rest.is_empty(), "{} bytes behind the stream", rest.len());
    inflated
}

/// The members of a tar: GNU's format, root's, of the time of the tests.
pub fn tar(bytes: &[u8]) -> Vec<Member> {
    assert_eq!(bytes.len() % 512, 0);
    let mut members = Vec::new();
    let mut rest = bytes;
    loop {
        let (header, behind) = rest.split_at(512);
        if header.iter().all(|byte| *byte == 0) {
            assert!(behind.len() >= 512 && behind.iter().all(|byte| *byte == 0), "no second empty block");
            return members;
        }
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            let end = field.iter().position(|byte| *byte == 0).expect("a field that does not end");
            assert!(field[end..].iter().all(|byte| *byte == 0), "rubbish behind a field");
            std::str::from_utf8(&field[..end]).unwrap().to_owned()
        };
        let octal = |from, to| u64::from_str_radix(text(from, to).trim_end(), 8).unwrap();
        assert_eq!(header[257..265], *b"ustar  \0", "not GNU's");
        assert_eq!((octal(108, 116), octal(116, 124)), (0, 0), "owner");
        assert_eq!((text(265, 297), text(297, 329)), ("root".to_owned(), "root".to_owned()));
        assert_eq!(octal(136, 148), EPOCH, "time");
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        assert_eq!(header[148..156], *format!("{sum:06o}\0 ").as_bytes(), "checksum");
        assert!(header[157..257].iter().chain(&header[329..]).all(|byte| *byte == 0), "links, devices, extensions");
        let (name, size) = (text(0, 100), octal(124, 136) as usize);
        match header[156] {
            b'5' => assert!(name.ends_with('/') && size == 0, "{name}"),
            b'0' => assert!(!name.ends_with('/'), "{name}"),
            other => panic!("{name}: type {other}"),
        }
        let padded = size.next_multiple_of(512);
        assert!(behind[size..padded].iter().all(|byte| *byte == 0), "{name}: padding");
        members.push(Member { name, mode: octal(100, 108) as u32, contents: behind[..size].to_vec() });
        rest = &behind[padded..];
    }
}

/// A tree in a tar: sorted, folders of mode 0755 listed before what is in them, everything below `prefix`, which is
/// listed first. Only the files, by their paths.
pub fn tree(bytes: &[u8], prefix: &str) -> BTreeMap<String, Member> {
    let members = tar(bytes);
    assert_eq!(members[0].name, prefix);
    assert!(members.is_sorted_by(|one, other| one.name < other.name), "{:?}", names(&members));
    let mut files = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let path = member.name.trim_end_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/') {
            let above = format!("{folder}/");
            assert!(members[..at].iter().any(|member| member.name == above), "{path} before its folder");
        }
        if member.name.ends_with('/') {
            assert_eq!(member.mode, 0o755, "{path}");
        } else {
            files.insert(path.strip_prefix(prefix).unwrap().to_owned(), member.clone());
        }
    }
    files
}

/// The members of an ar, as dpkg makes them.
pub fn ar(bytes: &[u8]) -> Vec<Member> {
    let mut rest = bytes.strip_prefix(b"!<arch>\n").unwrap();
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest.split_at(60);
        let field = |from: usize, to: usize| std::str::from_utf8(&header[from..to]).unwrap().trim_end().to_owned();
        assert_eq!(header[58..], *b"`\n");
        assert_eq!(field(16, 28), EPOCH.to_string());
        assert_eq!((field(28, 34), field(34, 40)), ("0".to_owned(), "0".to_owned()));
        assert_eq!(field(40, 48), "100644");
        let size = field(48, 58).parse::<usize>().unwrap();
        members.push(Member { name: field(0, 16), mode: 0o644, contents: behind[..size].to_vec() });
        rest = &behind[size..];
        if size % 2 == 1 {
            rest = rest.strip_prefix(b"\n").expect("an odd member is padded");
        }
    }
    members
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A package of apk, opened.
pub struct Adb {
    /// The block of values.
    pub values: Vec<u8>,
    /// The blocks of contents: folder, file, bytes.
    pub contents: Vec<(u32, u32, Vec<u8>)>,
}

/// A value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    None,
    Number(u64),
    Blob(Vec<u8>),
    Object(Vec<Value>),
}

impl Value {
    /// A field, counted from one.
    pub fn field(&self, number: usize) -> &Value {
        match self {
            Self::Object(fields) => fields.get(number - 1).unwrap_or(&Value::None),
            other => panic!("{other:?} has no fields"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Blob(bytes) => std::str::from_utf8(bytes).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }

    pub fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    /// The members of a list; no value is an empty one.
    pub fn list(&self) -> &[Value] {
        match self {
            Self::Object(fields) => fields,
            Self::None => &[],
            other => panic!("{other:?} is no list"),
        }
    }
}

impl Adb {
    /// Inflates and splits into blocks.
    pub fn open(bytes: &[u8]) -> Self {
        let mut deflated = bytes.strip_prefix(b"ADBd").expect("the mark of a deflated container");
        let mut inflated = Vec::new();
        DeflateDecoder::new(&mut deflated).read_to_end(&mut inflated).unwrap();
        assert!(deflated.is_empty(), "bytes behind the stream");
        let mut rest = inflated.strip_prefix(b"ADB.pckg").expect("the mark of a package");
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let word = word(rest, 0);
            let (kind, size) = (word >> 30, (word & 0x3fff_ffff) as usize);
            let padded = size.next_multiple_of(8);
            assert!(rest[size..padded].iter().all(|byte| *byte == 0), "padding");
            blocks.push((kind, rest[4..size].to_vec()));
            rest = &rest[padded..];
        }
        let mut blocks = blocks.into_iter();
        let Some((0, values)) = blocks.next() else { panic!("the first block is not of values") };
        assert_eq!(values[..4], [0; 4], "versions of the format");
        let contents = blocks.map(|(kind, bytes)| {
            assert_eq!(kind, 2, "a block that is not of contents");
            (word(&bytes, 0), word(&bytes, 4), bytes[8..].to_vec())
        });
        Self { contents: contents.collect(), values }
    }

    pub fn root(&self) -> Value {
        self.value(word(&self.values, 4), 0)
    }

    fn value(&self, value: u32, depth: u32) -> Value {
        assert!(depth < 8, "too deep");
        let (kind, room) = (value >> 28, value & 0x0fff_ffff);
        let at = room as usize;
        let aligned = |alignment| assert_eq!(at % alignment, 0, "alignment of {value:#x}");
        let blob = |digits: usize, len: usize| Value::Blob(self.values[at + digits..at + digits + len].to_vec());
        match kind {
            0 if room == 0 => Value::None,
            1 => Value::Number(room.into()),
            2 => {
                aligned(4);
                assert!(word(&self.values, at) > 0x0fff_ffff, "a number that needs no room");
                Value::Number(word(&self.values, at).into())
            }
            8 => blob(1, self.values[at].into()),
            9 => {
                aligned(2);
                let len = u16::from_le_bytes(self.values[at..at + 2].try_into().unwrap());
                assert!(len > 0xff);
                blob(2, len.into())
            }
            10 => {
                aligned(4);
                assert!(word(&self.values, at) > 0xffff);
                blob(4, word(&self.values, at) as usize)
            }
            14 => {
                aligned(4);
                let count = word(&self.values, at) as usize;
                assert!(count > 1, "an object without fields");
                let fields = (1..count).map(|nth| self.value(word(&self.values, at + 4 * nth), depth + 1));
                let fields = fields.collect::<Vec<_>>();
                assert_ne!(fields.last(), Some(&Value::None), "an object that ends in nothing");
                Value::Object(fields)
            }
            _ => panic!("the value {value:#x}"),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
