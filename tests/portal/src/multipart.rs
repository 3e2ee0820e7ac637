//! The multipart body of an upload, taken apart as it passes.
//!
//! It stands alone because a recording of 100 MB must not be held: the bytes of one named part are
//! hashed, counted, and kept or saved only up to a cap. Feed it the body in any pieces.
//!
//! Bounds: [`limits::PART_HEAD_BYTES`] per part header, one boundary's length of look-back, and the
//! caller's cap on what is kept.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use ring::digest::{Context, SHA256};

use crate::limits;

/// What was found under the wanted name.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file_name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) saved: Option<Saved>,
}

/// A file that goes away unless it is given its final name.
#[derive(Debug)]
pub(crate) struct Saved(PathBuf);

impl Saved {
    /// Gives it its name beside where it is now.
    pub(crate) fn rename(self, name: &str) -> Option<PathBuf> {
        let to = self.0.with_file_name(name);
        fs::rename(&self.0, &to).ok().map(|()| to)
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        // After a rename there is nothing left here.
        let _ = fs::remove_file(&self.0);
    }
}

/// Takes one body apart.
pub(crate) struct Splitter {
    wanted: &'static str,
    delimiter: Vec<u8>,
    pending: Vec<u8>,
    place: Place,
    keep: u64,
    save: Option<PathBuf>,
    current: Option<Growing>,
    found: Option<Part>,
    complete: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Before the first boundary.
    Preamble,
    /// Right behind a boundary: its line end, or the `--` that ends the body.
    Behind,
    /// In the headers of a part.
    Head,
    /// In the bytes of a part.
    Bytes,
    /// Behind the last boundary.
    End,
}

struct Growing {
    file_name: String,
    content_type: Option<String>,
    bytes: u64,
    hash: Context,
    content: Vec<u8>,
    file: Option<(File, Saved)>,
}

impl Splitter {
    /// `content_type` is that of the request; `None` when it is not multipart with a boundary.
    pub(crate) fn new(content_type: &str, wanted: &'static str, keep: u64, save: Option<PathBuf>) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameter(parameters, "boundary").filter(|text| !text.is_empty() && text.len() <= 70)?;
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first boundary has no line end before it; pretend it has.
        let pending = b"\r\n".to_vec();
        Some(Self {
            wanted,
            delimiter,
            pending,
            place: Place::Preamble,
            keep,
            save,
            current: None,
            found: None,
            complete: false,
        })
    }

    /// Takes the next piece of the body.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        while self.step() {}
    }

    /// The wanted part, if it came whole: a body that ends early has none, as in PHP.
    pub(crate) fn finish(self) -> Option<Part> {
        self.found.filter(|_| self.complete)
    }

    /// One step; false when more bytes are needed.
    fn step(&mut self) -> bool {
        match self.place {
            Place::Preamble | Place::Bytes => self.step_bytes(),
            Place::Behind => self.step_behind(),
            Place::Head => self.step_head(),
            Place::End => {
                self.pending.clear();
                false
            }
        }
    }

    fn step_bytes(&mut self) -> bool {
        let found = find(&self.pending, &self.delimiter);
        let safe = found.unwrap_or(self.pending.len().saturating_sub(self.delimiter.len() - 1));
        let taken: Vec<u8> = self.pending.drain(..safe).collect();
        if let Some(part) = &mut self.current {
            part.take(&taken, self.keep);
        }
        if found.is_none() {
            return false;
        }
        self.pending.drain(..self.delimiter.len());
        if let Some(part) = self.current.take() {
            self.found = Some(part.done(self.keep));
        }
        self.place = Place::Behind;
        true
    }

    fn step_behind(&mut self) -> bool {
        if self.pending.len() < 2 {
            return false;
        }
        let mark: Vec<u8> = self.pending.drain(..2).collect();
        self.complete = mark == b"--";
        self.place = if mark == b"\r\n" { Place::Head } else { Place::End };
        true
    }

    fn step_head(&mut self) -> bool {
        let Some(end) = find(&self.pending, b"\r\n\r\n") else {
            if self.pending.len() > limits::PART_HEAD_BYTES {
                self.place = Place::End;
                return true;
            }
            return false;
        };
        let head: Vec<u8> = self.pending.drain(..end + 4).collect();
        self.current = self.begin(&String::from_utf8_lossy(&head));
        self.place = Place::Bytes;
        true
    }

    /// Starts the part if it is the wanted one and a file.
    fn begin(&self, head: &str) -> Option<Growing> {
        let disposition = header(head, "content-disposition")?;
        if parameter(&disposition, "name")? != self.wanted {
            return None;
        }
        let file_name = parameter(&disposition, "filename")?;
        let file = self.save.as_ref().and_then(|path| Some((File::create(path).ok()?, Saved(path.clone()))));
        let content_type = header(head, "content-type");
        Some(Growing { file_name, content_type, bytes: 0, hash: Context::new(&SHA256), content: Vec::new(), file })
    }
}

impl Growing {
    fn take(&mut self, piece: &[u8], keep: u64) {
        self.bytes += piece.len() as u64;
        self.hash.update(piece);
        if self.bytes <= keep {
            self.content.extend_from_slice(piece);
        } else {
            self.content = Vec::new();
        }
        if let Some((file, _)) = &mut self.file
            && file.write_all(piece).is_err()
        {
            self.file = None;
        }
    }

    fn done(self, keep: u64) -> Part {
        Part {
            file_name: self.file_name,
            content_type: self.content_type,
            bytes: self.bytes,
            sha256: hex(self.hash.finish().as_ref()),
            content: (self.bytes <= keep).then_some(self.content),
            saved: self.file.map(|(_, saved)| saved),
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// `name="file"` or `name=file` among parameters separated by `;`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BODY: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nfirst\r\n--B\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
        ab\r\n--c\r\n-\0\r\n--B--\r\n";

    fn split(body: &[u8], step: usize, keep: u64) -> Option<Part> {
        let mut splitter = Splitter::new("multipart/form-data; boundary=B", "file", keep, None).unwrap();
        body.chunks(step).for_each(|piece| splitter.feed(piece));
        splitter.finish()
    }

    #[test]
    fn the_part_comes_out_whole_whatever_the_pieces() {
        for step in 1..BODY.len() {
            let part = split(BODY, step, 100).unwrap();
            assert_eq!(part.content.unwrap(), b"ab\r\n--c\r\n-\0", "pieces of {step}");
            assert_eq!((part.file_name.as_str(), part.content_type.as_deref()), ("a.mp3", Some("audio/mpeg")));
        }
    }

    #[test]
    fn a_long_part_is_hashed_and_not_kept() {
        let part = split(BODY, 3, 5).unwrap();
        assert_eq!((part.bytes, part.content), (11, None));
        assert_eq!(part.sha256, hex(ring::digest::digest(&SHA256, b"ab\r\n--c\r\n-\0").as_ref()));
    }

    #[test]
    fn an_empty_part_is_a_part() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n\r\n--B--\r\n";
        assert_eq!(split(body, 4, 5).unwrap().bytes, 0);
    }

    #[test]
    fn half_a_body_is_no_part() {
        assert!(split(BODY.get(..BODY.len() - 10).unwrap(), 5, 100).is_none());
        assert!(split(b"", 5, 100).is_none());
    }

    #[test]
    fn other_types_are_not_multipart() {
        assert!(Splitter::new("application/octet-stream", "file", 1, None).is_none());
        assert!(Splitter::new("multipart/form-data", "file", 1, None).is_none());
    }
}
