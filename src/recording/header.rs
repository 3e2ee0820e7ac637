//! The first bytes of a recording: is it sound at all, and is it finished?
//!
//! Stands alone because it reads foreign bytes. Asterisk writes the lengths into a WAV's header when it closes the file
//! (older versions with each write), so a length of 0, or one that reaches beyond the file, means "not finished"; PBXs
//! hand out login pages as recordings. Bounds: reads [`RECORDING_HEAD_BYTES`]. Does not decode.

use crate::limits::RECORDING_HEAD_BYTES;
use std::io::{self, Read};

/// What the head of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// WAV or MP3, and as long as it says. Holds the bytes of a second of it, as far as the head tells.
    Whole(u64),
    /// Empty, or a WAV whose lengths are not written yet.
    Unfinished,
    /// Something else.
    Foreign,
}

/// Bytes of a second of MP3 as PBXs write it (32 kbit/s), good enough to tell the longer of two recordings.
const MP3_RATE: u64 = 4000;
/// Bytes of a second of a WAV that does not say: 8 kHz, 16 bit.
const WAV_RATE: u64 = 16_000;

/// Reads the head of a file of `bytes` bytes.
pub(super) fn read(file: &mut impl Read, bytes: u64) -> io::Result<Header> {
    let mut head = Vec::new();
    file.take(RECORDING_HEAD_BYTES).read_to_end(&mut head)?;
    Ok(judge(&head, bytes))
}

fn judge(head: &[u8], bytes: u64) -> Header {
    if head.len() < 4 {
        return Header::Unfinished;
    }
    match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', chunks @ ..] => wav(chunks, bytes),
        [b'R', b'I', b'F', b'F', rest @ ..] if rest.len() < 8 => Header::Unfinished,
        [b'I', b'D', b'3', ..] => Header::Whole(MP3_RATE),
        [0xFF, second, third, ..] if is_mp3_frame(*second, *third) => Header::Whole(MP3_RATE),
        // A file that is made longer before it is written is all zeros at first.
        [0, 0, 0, 0, ..] => Header::Unfinished,
        _ => Header::Foreign,
    }
}

/// A frame of MPEG audio: eleven sync bits, no reserved version, layer, bit rate or sampling rate.
fn is_mp3_frame(second: u8, third: u8) -> bool {
    second & 0xE0 == 0xE0
        && second & 0x18 != 0x08
        && second & 0x06 != 0x00
        && third & 0xF0 != 0xF0
        && third & 0x0C != 0x0C
}

/// Walks the chunks up to `data`, whose length must be there and lie within the file.
fn wav(mut chunks: &[u8], bytes: u64) -> Header {
    let mut offset: u64 = 12;
    let mut rate = WAV_RATE;
    while let [a, b, c, d, l0, l1, l2, l3, rest @ ..] = chunks {
        let length = u64::from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
        offset = offset.saturating_add(8);
        if [a, b, c, d] == [&b'd', &b'a', &b't', &b'a'] {
            let fits = length > 0 && offset.saturating_add(length) <= bytes;
            return if fits { Header::Whole(rate) } else { Header::Unfinished };
        }
        if let ([b'f', b'm', b't', b' '], [_, _, _, _, _, _, _, _, r0, r1, r2, r3, ..]) = ([*a, *b, *c, *d], rest) {
            let told = u64::from(u32::from_le_bytes([*r0, *r1, *r2, *r3]));
            rate = if told == 0 { WAV_RATE } else { told };
        }
        // Chunks are padded to even lengths.
        let padded = length.saturating_add(length % 2);
        offset = offset.saturating_add(padded);
        let Some(next) = usize::try_from(padded).ok().and_then(|skip| rest.get(skip..)) else { break };
        chunks = next;
    }
    Header::Unfinished
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Half a second of silence or so: a plain WAV with `data` bytes of sound.
    pub(crate) fn wav(data: u32) -> Vec<u8> {
        let mut file = b"RIFF".to_vec();
        file.extend((36 + data).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
        file.extend(data.to_le_bytes());
        file.resize(file.len() + data as usize, 0);
        file
    }

    fn whole(bytes: &[u8]) -> Header {
        judge(bytes, bytes.len() as u64)
    }

    #[test]
    fn finished_recordings_are_known() {
        assert_eq!(whole(&wav(320)), Header::Whole(16_000));
        assert_eq!(whole(b"ID3\x04\0\0\0\0\0\0"), Header::Whole(4000));
        assert_eq!(whole(b"\xff\xfb\x90\x00 and so on"), Header::Whole(4000));
        assert_eq!(whole(b"\xff\xe3\x18\xc4 and so on"), Header::Whole(4000));
        let mut extra = wav(320);
        extra.extend(b"LIST\x04\0\0\0INFO");
        assert_eq!(whole(&extra), Header::Whole(16_000));
        let mut chunks = wav(320);
        chunks.splice(36..36, *b"fact\x03\0\0\0abc\0");
        assert_eq!(whole(&chunks), Header::Whole(16_000));
    }

    #[test]
    fn a_wav_that_tells_no_rate_counts_as_an_ordinary_one() {
        let mut silent = wav(320);
        silent.splice(28..32, [0; 4]);
        assert_eq!(whole(&silent), Header::Whole(16_000), "or its bytes would count as seconds");
    }

    #[test]
    fn unfinished_ones_too() {
        let mut zero = wav(320);
        zero.splice(40..44, [0; 4]);
        let mut endless = wav(320);
        endless.splice(40..44, [0xff; 4]);
        let full = wav(320);
        for bytes in [&b""[..], b"RI", b"RIFF", b"RIFF\0\0\0\0WAV", b"\0\0\0\0\0\0", &zero, &endless] {
            assert_eq!(whole(bytes), Header::Unfinished, "{bytes:?}");
        }
        for length in 4..full.len() {
            assert_eq!(whole(full.get(..length).unwrap_or_default()), Header::Unfinished, "{length}");
        }
    }

    #[test]
    fn login_pages_and_other_formats_are_not_sound() {
        for bytes in [
            &b"<!DOCTYPE html>"[..],
            b"{\"error\":1}",
            b"OggS\0\x02",
            b"RIFX\0\0\0\0WAVE",
            b"RIFF\0\0\0\0AVI fmt ",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(whole(bytes), Header::Foreign, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_of_any_size_do_no_harm() {
        let mut hostile = wav(320);
        hostile.splice(16..20, [0xff; 4]);
        assert_eq!(whole(&hostile), Header::Unfinished);
    }
}
