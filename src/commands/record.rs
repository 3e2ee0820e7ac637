//! `ringpost record`: captures what the PBX sends into a transcript, for `replay` and for whoever is to help.
//!
//! `FILE` gets the bytes as they came but for secrets, which are starred at the same length; beside it `FILE` with the
//! ending `.timing.tsv` gets the clock. Every line is on disk when the next one comes, so the capture may be ended by
//! Ctrl-C. Bounds: [`TRANSCRIPT_BYTES`], [`AMI_LINE_BYTES`] for a line.

use super::session::session;
use super::{Exit, complain, configured};
use crate::ami::link::Output;
use crate::config::{Config, CrmKind};
use crate::limits::{AMI_LINE_BYTES, TRANSCRIPT_BYTES};
use core::ops::ControlFlow;
use std::fs::File;
use std::io::{self, Write as _};
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
        false,
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

fn secrets(config: &Config) -> Vec<Vec<u8>> {
    let webhooks = config.crm.iter().map(|crm| match &crm.kind {
        CrmKind::Bitrix24(bitrix24) => bitrix24.webhook.expose(),
    });
    webhooks.chain([config.pbx.secret.expose()]).map(|secret| secret.as_bytes().to_vec()).collect()
}

struct Transcript {
    bytes: File,
    timing: File,
    secrets: Vec<Vec<u8>>,
    line: Vec<u8>,
    offset: u64,
    began: Instant,
}

impl Transcript {
    fn create(file: &Path, secrets: Vec<Vec<u8>>) -> io::Result<Self> {
        let bytes = File::create_new(file)?;
        let mut timing = File::create_new(file.with_extension("timing.tsv"))?;
        timing.write_all(b"seconds\toffset\tbytes\n")?;
        Ok(Self { bytes, timing, secrets, line: Vec::new(), offset: 0, began: Instant::now() })
    }

    /// Writes the lines that `bytes` completes; a line without an end is written at its cap.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let start = self.offset;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= AMI_LINE_BYTES {
                mask(&mut self.line, &self.secrets);
                self.bytes.write_all(&self.line)?;
                self.offset += self.line.len() as u64;
                self.line.clear();
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
}

/// Stars secrets in a line, at the same length.
fn mask(line: &mut [u8], secrets: &[Vec<u8>]) {
    if let Some(colon) = line.iter().position(|byte| *byte == b':') {
        let (name, value) = line.split_at_mut(colon);
        if SECRET_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header.as_bytes())) {
            star(value.get_mut(1..).unwrap_or_default());
        }
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        while let Some(at) = line.windows(secret.len()).position(|window| window == secret.as_slice()) {
            star(line.get_mut(at..at + secret.len()).unwrap_or_default());
            if secret.iter().all(|byte| *byte == b'*') {
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
        mask(&mut line, &[]);
        assert_eq!(line, b"Challenge: *********\r\n");
        let mut line = b"AppData: curl https://x/rest/1/abc/ and s3cret\r\n".to_vec();
        mask(&mut line, &[b"https://x/rest/1/abc/".to_vec(), b"s3cret".to_vec()]);
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
}
