//! HTTP/1.1, the server's half: a request's head, its body in either framing, an answer.
//!
//! It stands alone because the portal must see requests as they are on the wire (when the first
//! byte came, whether the body was chunked) and must be able to answer wrongly, which a finished
//! server would not allow. It does no TLS, no routing, and no pipelining beyond what keep-alive needs.
//!
//! Bounds: [`limits::HEAD_BYTES`] and [`limits::HEADERS`] for a head, the caller's cap for a body.

use std::io::{self, Read, Write};
use std::time::{Instant, SystemTime};

use crate::limits;

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) verb: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) arrived: Instant,
    pub(crate) arrived_at: SystemTime,
}

impl Head {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is chunked.
    pub(crate) fn chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// Whether the client wants the connection closed.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn length(&self) -> Result<u64, Refusal> {
        self.header("content-length").map_or(Ok(0), |value| value.trim().parse().map_err(|_| Refusal::Malformed))
    }
}

/// Why a request cannot be read.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection ended or broke; there is nobody to answer.
    Gone,
    /// Not HTTP.
    Malformed,
    /// The head is too long.
    HeadTooLong,
    /// The body is longer than the cap.
    BodyTooLong,
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// A connection with what was read ahead of it.
pub(crate) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    at: usize,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), at: 0 }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads the head of the next request; waits for its first byte as long as the stream allows.
    pub(crate) fn head(&mut self) -> Result<Head, Refusal> {
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.buffer.is_empty() && self.fill()? == 0 {
            return Err(Refusal::Gone);
        }
        let (arrived, arrived_at) = (Instant::now(), SystemTime::now());
        loop {
            if let Some((mut head, used)) = parse(&self.buffer, arrived, arrived_at)? {
                self.at = used;
                head.headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
                return Ok(head);
            }
            if self.buffer.len() > limits::HEAD_BYTES {
                return Err(Refusal::HeadTooLong);
            }
            if self.fill()? == 0 {
                return Err(Refusal::Gone);
            }
        }
    }

    /// Hands the body to `sink` piece by piece, at most `cap` bytes, and returns its length.
    pub(crate) fn body(&mut self, head: &Head, cap: u64, sink: &mut dyn FnMut(&[u8])) -> Result<u64, Refusal> {
        if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            self.stream.flush()?;
        }
        if head.chunked() {
            return self.chunks(cap, sink);
        }
        let length = head.length()?;
        if length > cap {
            return Err(Refusal::BodyTooLong);
        }
        self.pass(length, sink)?;
        Ok(length)
    }

    /// Writes all of `bytes` and flushes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    fn chunks(&mut self, cap: u64, sink: &mut dyn FnMut(&[u8])) -> Result<u64, Refusal> {
        let mut total = 0_u64;
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| Refusal::Malformed)?;
            total = total.saturating_add(size);
            if total > cap {
                return Err(Refusal::BodyTooLong);
            }
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(total);
            }
            self.pass(size, sink)?;
            if !self.line()?.is_empty() {
                return Err(Refusal::Malformed);
            }
        }
    }

    /// Passes exactly `length` bytes on.
    fn pass(&mut self, mut length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        while length > 0 {
            if self.at == self.buffer.len() {
                self.buffer.clear();
                self.at = 0;
                if self.fill()? == 0 {
                    return Err(Refusal::Gone);
                }
            }
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let take = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            sink(rest.get(..take).unwrap_or_default());
            self.at += take;
            length -= take as u64;
        }
        Ok(())
    }

    /// One line without its end.
    fn line(&mut self) -> Result<String, Refusal> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..end).unwrap_or_default();
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
                self.at += end + 1;
                return Ok(line);
            }
            if rest.len() > limits::HEAD_BYTES {
                return Err(Refusal::Malformed);
            }
            if self.fill()? == 0 {
                return Err(Refusal::Gone);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0_u8; 16 * 1024];
        let got = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(piece.get(..got).unwrap_or_default());
        Ok(got)
    }
}

/// An answer with its length known.
pub(crate) fn answer(status: u16, content_type: &str, extra: &str, body: &[u8], close: bool) -> Vec<u8> {
    let connection = if close { "close" } else { "keep-alive" };
    let mut bytes = format!(
        "HTTP/1.1 {status} {}\r\nServer: portal\r\nContent-Type: {content_type}\r\n{extra}Content-Length: {}\r\n\
         Connection: {connection}\r\n\r\n",
        reason(status),
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn parse(bytes: &[u8], arrived: Instant, arrived_at: SystemTime) -> Result<Option<(Head, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; limits::HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let used = match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
        Err(_) => return Err(Refusal::Malformed),
    };
    let headers = request.headers.iter();
    let headers = headers.map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let (verb, target) = (request.method.unwrap_or_default().to_owned(), request.path.unwrap_or_default().to_owned());
    Ok(Some((Head { verb, target, headers, arrived, arrived_at }, used)))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// A stream that gives its input in pieces of `step` bytes.
    struct Script {
        input: Vec<u8>,
        at: usize,
        step: usize,
        output: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let end = (self.at + self.step.min(out.len())).min(self.input.len());
            let piece = &self.input[self.at..end];
            out[..piece.len()].copy_from_slice(piece);
            self.at = end;
            Ok(piece.len())
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn read_all(input: &str, step: usize) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
        let mut wire = Wire::new(Script { input: input.into(), at: 0, step, output: vec![] });
        let mut seen = vec![];
        while let Ok(head) = wire.head() {
            let mut body = vec![];
            wire.body(&head, 1000, &mut |piece| body.extend_from_slice(piece)).unwrap();
            seen.push((head.target.clone(), body));
        }
        (seen, wire.stream().output.clone())
    }

    #[test]
    fn bodies_of_both_framings_follow_one_another() {
        let input = "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
                     POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n\
                     GET /c HTTP/1.1\r\n\r\n";
        for step in [1, 2, 7, 10_000] {
            let (seen, _) = read_all(input, step);
            let expected: [(&str, &[u8]); 3] = [("/a", b"hello"), ("/b", b"abc0123456789"), ("/c", b"")];
            assert_eq!(seen, expected.map(|(t, b)| (t.to_owned(), b.to_vec())), "pieces of {step}");
        }
    }

    #[test]
    fn a_client_that_expects_is_told_to_continue() {
        let (seen, sent) = read_all("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", 100);
        assert_eq!(seen.len(), 1);
        assert_eq!(sent, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn too_much_is_refused() {
        let mut wire = Wire::new(Script { input: vec![b'A'; 200_000], at: 0, step: 5000, output: vec![] });
        assert!(matches!(wire.head(), Err(Refusal::HeadTooLong | Refusal::Malformed)));
        let long = b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n".to_vec();
        let mut wire = Wire::new(Script { input: long, at: 0, step: 5000, output: vec![] });
        let head = wire.head().unwrap();
        assert!(matches!(wire.body(&head, 1000, &mut |_| ()), Err(Refusal::BodyTooLong)));
    }
}
