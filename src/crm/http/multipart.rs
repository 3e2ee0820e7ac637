//! A form with one file in it, written as it is read.
//!
//! Stands alone because its length must be known before its first byte: head, file and tail are added up and sent as
//! Content-Length, so that nothing is buffered and chunked encoding, which not every portal takes, is not needed.

use std::io::{Cursor, Read};

/// The separator between parts. The file cannot hold it by chance (128 random bits of text, fixed), and a file made to
/// hold it could only cut itself short.
const BOUNDARY: &str = "ringpost-8d1f0c57a3b94e62b0e4c7d2915fa86e";

/// One file as the only part of a `multipart/form-data` body.
#[derive(Debug)]
pub struct Upload<R> {
    head: String,
    tail: String,
    file: R,
    bytes: u64,
}

impl<R: Read> Upload<R> {
    /// Part `field`, told to be called `file_name`, with exactly `bytes` bytes of `file`. Both names must be free of
    /// quotes and control characters; they are dropped here if not.
    pub fn new(field: &str, file_name: &str, kind: &str, file: R, bytes: u64) -> Self {
        let (field, file_name) = (quotable(field), quotable(file_name));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        Self { head, tail: format!("\r\n--{BOUNDARY}--\r\n"), file, bytes }
    }

    /// Bytes of the whole body.
    pub fn length(&self) -> u64 {
        let frame = self.head.len().saturating_add(self.tail.len());
        self.bytes.saturating_add(u64::try_from(frame).unwrap_or(u64::MAX))
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    pub(super) fn into_reader(self) -> impl Read {
        let file = Whole { inner: self.file, left: self.bytes };
        Cursor::new(self.head.into_bytes()).chain(file).chain(Cursor::new(self.tail.into_bytes()))
    }
}

fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}

/// Exactly `left` bytes of a file: a file that grew is cut, one that shrank is an error instead of a short part.
struct Whole<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(target) = buf.get_mut(..room).filter(|target| !target.is_empty()) else { return Ok(0) };
        let count = self.inner.read(target)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_exact() {
        let upload = Upload::new("file", "gw1-18.mp3", "audio/mpeg", &b"ID3 and so on"[..], 13);
        let (length, mut body) = (upload.length(), Vec::new());
        assert!(upload.into_reader().read_to_end(&mut body).is_ok());
        assert_eq!(u64::try_from(body.len()).ok(), Some(length));
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("name=\"file\"; filename=\"gw1-18.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\nID3 and"));
    }

    #[test]
    fn a_file_that_grew_is_cut_and_one_that_shrank_fails() {
        let mut body = Vec::new();
        let grew = Upload::new("file", "a.wav", "audio/wav", &b"0123456789"[..], 4);
        assert!(grew.into_reader().read_to_end(&mut body).is_ok());
        assert!(body.windows(8).any(|window| window == b"0123\r\n--"));
        let shrank = Upload::new("file", "a.wav", "audio/wav", &b"01"[..], 4);
        assert!(shrank.into_reader().read_to_end(&mut body).is_err());
    }

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        let upload = Upload::new("file", "a\"\r\nX: y.wav", "audio/wav", &b""[..], 0);
        assert!(upload.head.contains("filename=\"aX: y.wav\"\r\n"));
    }
}
