//! `ringpost record`: captures what the PBX sends into a transcript, for `replay` and for whoever is to help.
//!
//! `FILE` gets the bytes as they came but for secrets, which are starred at the same length; beside it `FILE` with the
//! ending `.timing.tsv` gets the clock. Every line is on disk when the next one comes, so the capture may be ended by
//! Ctrl-C. Bounds: [`TRANSCRIPT_BYTES`], [`AMI_LINE_BYTES`] for a line.

use super::session::{Asks, session};
use super::{Exit, complain, configured};
use crate::ami::link::Output;
use crate::config::{Config, CrmKind};
use crate::limits::{AMI_LINE_BYTES, TRANSCRIPT_BYTES};
use crate::log;
use core::ops::ControlFlow;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Instant;

/// Headers whose values are secrets.
const SECRET_HEADERS: [&str; 6] = ["secret", "key", "challenge", "password", "md5secret", "authsecret"];

/// Captures until it is interrupted, the PBX goes away or the file is full.
pub(super) fn record(config: &Path, file: &Path) -> Exit {
    let config = match configured(config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let mut transcript = match Transcript::create(file, secrets(&config)) {
        Ok(transcript) => transcript,
        Err(error) => {
            complain(&format!("{}: {error}", file.display()));
            return Exit::Failed;
        }
    };
    complain(&format!("capturing into {}; make a call, then end with Ctrl-C", file.display()));
    let mut trouble = None;
    let ended = session(
        &config.pbx,
        Asks { filters: false, details: false },
        None,
        |bytes| match transcript.take(bytes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        },
        |output| {
            if matches!(output, Output::Live) {
                complain("connected");
            }
            ControlFlow::Continue(())
        },
    );
    match (trouble, ended) {
        (Some(error), _) => complain(&format!("{}: {error}", file.display())),
        (None, Err(fault)) => complain(&fault.to_string()),
        (None, Ok(_)) => return Exit::Well,
    }
    Exit::Failed
}

/// The secrets of the configuration; of a webhook the part that is secret, which may stand there without the rest.
fn secrets(config: &Config) -> Vec<Vec<u8>> {
    let webhooks = config.crm.iter().map(|crm| match &crm.kind {
        CrmKind::Bitrix24(bitrix24) => log::secret_part(&bitrix24.webhook),
    });
    let secrets = webhooks.chain([config.pbx.secret.expose()]).filter(|secret| !secret.is_empty());
    secrets.map(|secret| secret.as_bytes().to_vec()).collect()
}

struct Transcript {
    bytes: File,
    timing: File,
    secrets: Vec<Vec<u8>>,
    line: Vec<u8>,
    header: Header,
    offset: u64,
    began: Instant,
}

impl Transcript {
    fn create(file: &Path, secrets: Vec<Vec<u8>>) -> io::Result<Self> {
        let bytes = private(file)?;
        let mut timing = private(&file.with_extension("timing.tsv"))?;
        timing.write_all(b"seconds\toffset\tbytes\n")?;
        Ok(Self { bytes, timing, secrets, line: Vec::new(), header: Header::Begins, offset: 0, began: Instant::now() })
    }

    /// Writes the lines that `bytes` completes; of a line without an end as much as its cap, but for what may be the
    /// beginning of a secret.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let start = self.offset;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.write(self.line.len())?;
            } else if self.line.len() >= AMI_LINE_BYTES {
                let longest = self.secrets.iter().map(Vec::len).max().unwrap_or(0);
                self.write(self.line.len().saturating_sub(longest))?;
            }
        }
        if self.offset > start {
            let secs = self.began.elapsed().as_secs_f64();
            writeln!(self.timing, "{secs:.3}\t{start}\t{}", self.offset - start)?;
        }
        if self.offset >= TRANSCRIPT_BYTES {
            return Err(io::Error::other("the transcript is as large as it may be; make a new one"));
        }
        Ok(())
    }

    /// Writes the first `length` bytes of the line, all of it masked. The stars of a secret that reaches beyond them
    /// stay in the line.
    fn write(&mut self, length: usize) -> io::Result<()> {
        mask(&mut self.line, &self.secrets, &mut self.header);
        let ends = self.line.ends_with(b"\n");
        let written = self.line.drain(..length);
        self.bytes.write_all(written.as_slice())?;
        self.offset += length as u64;
        drop(written);
        self.header = match self.header {
            _ if ends => Header::Begins,
            Header::Begins => Header::Plain,
            other => other,
        };
        Ok(())
    }
}

/// A new file that only its owner may read: it names customers.
fn private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// What is known of the line in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// Its name is still to be read.
    Begins,
    /// Its beginning was written; its value is no secret as a whole.
    Plain,
    /// Its beginning was written; its value is a secret.
    Secret,
}

/// Stars secrets in a line, at the same length. `header` says what was written of the line before, and learns whether
/// its value is a secret.
fn mask(line: &mut [u8], secrets: &[Vec<u8>], header: &mut Header) {
    if *header == Header::Secret {
        star(line);
    } else if let (Header::Begins, Some(colon)) = (*header, line.iter().position(|byte| *byte == b':')) {
        let (name, value) = line.split_at_mut(colon);
        if SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes())) {
            star(value.get_mut(1..).unwrap_or_default());
            *header = Header::Secret;
        }
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        while let Some(at) = line.windows(secret.len()).position(|window| window == secret.as_slice()) {
            star(line.get_mut(at..at + secret.len()).unwrap_or_default());
            // A secret with a blank stays one, and stars are stars.
            if line.get(at..).is_some_and(|rest| rest.starts_with(secret)) {
                break;
            }
        }
    }
}

fn star(value: &mut [u8]) {
    for byte in value.iter_mut().filter(|byte| !matches!(byte, b' ' | b'\r' | b'\n')) {
        *byte = b'*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_starred_at_their_length() {
        let mut line = b"Challenge: 188788592\r\n".to_vec();
        mask(&mut line, &[], &mut Header::Begins);
        assert_eq!(line, b"Challenge: *********\r\n");
        let mut line = b"AppData: curl https://x/rest/1/abc/ and s3cret\r\n".to_vec();
        mask(&mut line, &[b"https://x/rest/1/abc/".to_vec(), b"s3cret".to_vec()], &mut Header::Begins);
        assert_eq!(line, b"AppData: curl ********************* and ******\r\n");
    }

    #[test]
    fn a_line_cut_by_the_network_is_masked_whole() {
        let dir = std::env::temp_dir().join(format!("ringpost-record-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("trace.txt");
        let mut transcript = Transcript::create(&file, vec![b"s3cret".to_vec()]).unwrap();
        transcript.take(b"Asterisk Call Manager/11.0.0\r\nX: s3c").unwrap();
        transcript.take(b"ret\r\n\r\n").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"Asterisk Call Manager/11.0.0\r\nX: ******\r\n\r\n");
        let timing = std::fs::read_to_string(file.with_extension("timing.tsv")).unwrap();
        let offsets: Vec<&str> = timing.lines().skip(1).map(|line| line.split_once('\t').unwrap().1).collect();
        assert_eq!(offsets, ["0\t30", "30\t13"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// A transcript of a few lines in a directory of its own.
    fn captured(name: &str, secrets: &[&str], pieces: &[&[u8]]) -> (Vec<u8>, u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = std::env::temp_dir().join(format!("ringpost-record-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("trace.txt");
        let secrets = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        let mut transcript = Transcript::create(&file, secrets).unwrap();
        for piece in pieces {
            transcript.take(piece).unwrap();
        }
        transcript.take(b"\r\n").unwrap();
        let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        let modes = mode(&file) | mode(&file.with_extension("timing.tsv"));
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        (bytes, modes)
    }

    #[test]
    fn a_transcript_is_for_its_owner_alone() {
        assert_eq!(captured("mode", &[], &[b"X: 1"]).1, 0o600);
    }

    #[test]
    fn a_secret_across_the_cut_of_a_long_line_is_masked() {
        let secret = "abcdef0123456789";
        for before in AMI_LINE_BYTES - 40..AMI_LINE_BYTES + 20 {
            let line = [vec![b'x'; before], secret.as_bytes().to_vec(), vec![b'y'; 100]].concat();
            for size in [1000, 4096] {
                let pieces: Vec<&[u8]> = line.chunks(size).collect();
                let (bytes, _) = captured("cut", &[secret], &pieces);
                let stars = [vec![b'x'; before], vec![b'*'; secret.len()], vec![b'y'; 100], b"\r\n".to_vec()].concat();
                assert!(bytes == stars, "{before} {size}");
            }
        }
    }

    #[test]
    fn a_secret_header_longer_than_a_line_is_starred_to_its_end() {
        let line = [b"Secret: ".to_vec(), vec![b's'; 3 * AMI_LINE_BYTES]].concat();
        let pieces: Vec<&[u8]> = line.chunks(5000).chain([b"\r\nX: sss".as_slice()]).collect();
        let (bytes, _) = captured("header", &[], &pieces);
        let stars = [b"Secret: ".to_vec(), vec![b'*'; 3 * AMI_LINE_BYTES], b"\r\nX: sss\r\n".to_vec()].concat();
        assert!(bytes == stars);
    }
}
