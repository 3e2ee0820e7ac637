//! Records made short: what repeats in a call (its identity, the client, the date in the name of a recording) is told
//! once.
//!
//! A packed payload is a row of tokens, each one byte and what follows it:
//!
//! ```text
//!  0x00…0x3F   token + 1 bytes as they are
//!  0x40…0x7F   token - 0x3E digits of 0-9 and a-f, two in a byte, the first in its upper half
//!  0x80…0xFF   a copy of what came before: distance - 1 in bits 0-2 of the token and the next byte, length - 3 in bits
//!              3-6; there 15 means 18 and one more byte
//! ```
//!
//! "Before" begins with `WORDS`, which every record of these PBXs has some of. No other record is looked at, so that a
//! damaged one costs itself only. Stands apart because it knows no meaning of any byte; a later format may use it for
//! records of its own.
//!
//! Bounds: unpacking gives at most [`PAYLOAD_BYTES_MAX`] bytes, of any input. Packing compares each byte with what is
//! within reach before it, and chooses the shortest row of tokens; it is done once for each call.

use super::frame::PAYLOAD_BYTES_MAX;
use super::wire::Reader;

/// What is before the first byte: words of identities, trunks and names of recordings, and the heads of fields as
/// `record` and `marks` write them for usual calls. Part of the format: never changes.
const WORDS: &[u8] = b"/home/mnt/usb/media/sda1/share/records/record/recordings/storage/tmp/media/hdd1/audio/meetme-conf-rec-\
/ftp_media/harddisk1/autorecords/202/usr/local/voicemail/default/device/INBOX/msg0000.mp3.ogg.gsm.wav49.WAV\
-Outbound.wav-Internal.wav-Inbound.wav/conf-/page-/vqplus-/parked-/exten-/force-/in-/q-/rg-/internal-unknown-anonymous-\
/auto-17/var/spool/asterisk/monitor/202/out-/external-100-200-300-400-500-600-700-1000-2000-s-\
pjsip-sip-goip-gsm-dongle-zadarma-novofon-sipuni-sipnet-mango-beeline-megafon-rostelecom-mtt-tele2-uis-exolve-provider-\
from-trunk-pstn-mikrotik-openwrt-freepbx-issabel-asterisk-yeastar-grandstream-ucm-pbx-office-17\
+375+380+7495+7499+7812+7800+7343+7383\
no such user: no such file: not found: too large: given up: \
\x01\x03\x01\x02\x02\x13\x02\x14\x02\x15\
\x03\x06\x00\x01\x03\x00\x10\x00\x04\x10\x03\x06\x00\x01\x02\x00\x10\x00\x04\x0f\x03\x06\x00\x01\x00\x00\x00\x00\x04\x0f\
\x03\x07\x01\x02\x04\x00\x11\x00\x03\x06\x01\x04\x03\x00\x10\x00\x03\x06\x02\x00\x01\x00\x10\x03\x08\x01\x00\x01\x00\x10\
\x03\x07\x01\x00\x01\x00\x10\x03\x08\x00\x00\x01\x00\x10\x03\x07\x00\x00\x01\x00\x10\
\x05\x0c+79\x05\x0b79\x06\x0c+7495\x06\x0b7495\x07\x05trunk\x08\x03101\x09\x05\x09\x06\x0d\x03600\x0c\x06\x0c\x05\x0a\x03\x0b\x03\
\x0e\x08\x00\x03\x0f^\x0f_\x0f`\x0fa\x0fb\x0fc/var/spool/asterisk/monitor/2026/\
.mp3\x13\x04.wav\x13\x04\x12\x05\x01\x40\x01\x11\x00\x12\x06\x00\x40\x01\x12\x05\x00\x40\x01\
\x12\x3d\x00\x40\x01\x12\x3d\x01\x40\x01\x01\x12\x3e\x00\x40\x01\x018externalCall.";

const LITERALS_MAX: usize = 0x40;
const DIGITS_TOKEN: u8 = 0x40;
const DIGITS_MIN: usize = 2;
const DIGITS_MAX: usize = DIGITS_MIN + 0x3f;
const COPY_TOKEN: u8 = 0x80;
const COPY_MIN: usize = 3;
/// From this length on a copy has a byte more.
const COPY_LONG: usize = COPY_MIN + 15;
const COPY_MAX: usize = COPY_LONG + 0xff;
/// A copy of this length is not bettered, and of pieces that begin alike only so many are looked at.
const COPY_ENOUGH: usize = 24;
const CANDIDATES: usize = 16;
const REACH: usize = 1 << 11;

/// One token.
#[derive(Clone, Copy, Debug)]
enum Token {
    Literals(usize),
    Digits(usize),
    Copy { length: usize, distance: usize },
}

impl Token {
    /// Bytes that it stands for.
    fn length(self) -> usize {
        match self {
            Self::Literals(length) | Self::Digits(length) | Self::Copy { length, .. } => length,
        }
    }

    /// Bytes that it takes.
    fn cost(self) -> usize {
        match self {
            Self::Literals(length) => 1 + length,
            Self::Digits(length) => 1 + length.div_ceil(2),
            Self::Copy { length, .. } => 2 + usize::from(length >= COPY_LONG),
        }
    }

    /// Appends it, for the beginning of `rest`.
    fn put(self, rest: &[u8], out: &mut Vec<u8>) {
        let taken = rest.get(..self.length()).unwrap_or_default();
        match self {
            Self::Literals(length) => {
                out.push((length - 1) as u8);
                out.extend_from_slice(taken);
            }
            Self::Digits(length) => {
                out.push(DIGITS_TOKEN | (length - DIGITS_MIN) as u8);
                let value = |byte: Option<&u8>| byte.and_then(|byte| digit_value(*byte)).unwrap_or(0);
                out.extend(taken.chunks(2).map(|pair| value(pair.first()) << 4 | value(pair.get(1))));
            }
            Self::Copy { length, distance } => {
                let (near, short) = (distance - 1, (length - COPY_MIN).min(15));
                out.extend([COPY_TOKEN | (short << 3) as u8 | (near >> 8) as u8, near as u8]);
                if length >= COPY_LONG {
                    out.push((length - COPY_LONG) as u8);
                }
            }
        }
    }
}

/// Appends the packed form of `payload` to `out`.
pub fn pack(payload: &[u8], out: &mut Vec<u8>) {
    let text = [WORDS, payload].concat();
    let mut at = WORDS.len();
    for token in cheapest(&text) {
        token.put(text.get(at..).unwrap_or_default(), out);
        at += token.length();
    }
}

/// What the rest of a text takes from a byte on.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Bytes, when a token begins here.
    fresh: usize,
    /// Bytes, when literals go on here.
    running: usize,
    /// The first token of the former; none: literals begin here.
    token: Option<Token>,
}

/// The shortest row of tokens for what follows the words: reckoned from the end, where what is left costs least is
/// known for every later byte.
fn cheapest(text: &[u8]) -> Vec<Token> {
    let start = WORDS.len();
    let end = Rest { fresh: 0, running: 0, token: None };
    let mut rests = vec![end; text.len() - start + 1];
    for at in (start..text.len()).rev() {
        let rest_at = |at: usize| rests.get(at - start).copied().unwrap_or(end);
        let next = rest_at(at + 1);
        let running = 1 + next.running.min(next.fresh);
        let mut rest = Rest { fresh: 1 + running, running, token: None };
        for token in digits_at(text, at).into_iter().chain(copies_at(text, at)) {
            let fresh = token.cost() + rest_at(at + token.length()).fresh;
            if fresh < rest.fresh {
                (rest.fresh, rest.token) = (fresh, Some(token));
            }
        }
        if let Some(place) = rests.get_mut(at - start) {
            *place = rest;
        }
    }
    row(&rests)
}

/// The tokens that were chosen, literals gathered.
fn row(rests: &[Rest]) -> Vec<Token> {
    let mut row = Vec::new();
    let (mut at, mut literals) = (0, 0);
    while let Some(rest) = rests.get(at).filter(|_| at + 1 < rests.len()) {
        let goes_on = literals > 0 && rest.running <= rest.fresh;
        match rest.token.filter(|_| !goes_on) {
            None => {
                literals += 1;
                at += 1;
            }
            Some(token) => {
                put_literals(&mut row, core::mem::take(&mut literals));
                row.push(token);
                at += token.length();
            }
        }
    }
    put_literals(&mut row, literals);
    row
}

fn put_literals(row: &mut Vec<Token>, mut count: usize) {
    while count > 0 {
        row.push(Token::Literals(count.min(LITERALS_MAX)));
        count -= count.min(LITERALS_MAX);
    }
}

/// The digits that begin at `at`: all, and one less where that leaves no half byte.
fn digits_at(text: &[u8], at: usize) -> Option<Token> {
    let digits = text.get(at..)?.iter().take(DIGITS_MAX).take_while(|byte| digit_value(**byte).is_some()).count();
    (digits >= DIGITS_MIN).then_some(Token::Digits(digits))
}

/// The copies that can stand at `at`: of the longest piece before it that goes on as it does, the whole and each short
/// length.
fn copies_at(text: &[u8], at: usize) -> impl Iterator<Item = Token> {
    let (longest, distance) = longest_copy(text, at).unwrap_or_default();
    let short = COPY_MIN..longest.min(COPY_LONG);
    short.chain((longest >= COPY_MIN).then_some(longest)).map(move |length| Token::Copy { length, distance })
}

/// Length and distance of the longest piece before `at` that goes on as `at` does.
fn longest_copy(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let rest = rest.get(..rest.len().min(COPY_MAX))?;
    let first = rest.get(..COPY_MIN)?;
    let from = at.saturating_sub(REACH);
    let before = text.get(from..at + COPY_MIN - 1)?;
    let mut longest = (0, 0);
    for start in memchr::memmem::rfind_iter(before, first).map(|start| from + start).take(CANDIDATES) {
        let candidate = text.get(start..)?;
        let length = candidate.iter().zip(rest).take_while(|(one, other)| one == other).count();
        if length > longest.0 {
            longest = (length, at - start);
        }
        if length == rest.len() || length >= COPY_ENOUGH {
            break;
        }
    }
    Some(longest)
}

/// The payload that `packed` stands for; none: it stands for none.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity((packed.len() * 3).min(PAYLOAD_BYTES_MAX));
    let mut reader = Reader::new(packed);
    while let Some(token) = reader.byte() {
        match token {
            0..DIGITS_TOKEN => text.extend_from_slice(reader.bytes(usize::from(token) + 1)?),
            DIGITS_TOKEN..COPY_TOKEN => {
                let count = usize::from(token - DIGITS_TOKEN) + DIGITS_MIN;
                let pairs = reader.bytes(count.div_ceil(2))?;
                text.extend(pairs.iter().flat_map(|pair| [digit(pair >> 4), digit(pair & 15)]).take(count));
            }
            COPY_TOKEN.. => {
                let distance = (usize::from(token & 7) << 8 | usize::from(reader.byte()?)) + 1;
                let length = match usize::from(token >> 3 & 15) + COPY_MIN {
                    COPY_LONG => COPY_LONG + usize::from(reader.byte()?),
                    length => length,
                };
                copy(&mut text, distance, length)?;
            }
        }
        if text.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
    }
    Some(text)
}

/// Appends `length` bytes of what lies `distance` before the end, which may begin in the words, and reach into itself.
fn copy(text: &mut Vec<u8>, distance: usize, length: usize) -> Option<()> {
    let from = (WORDS.len() + text.len()).checked_sub(distance)?;
    let of_words = WORDS.get(from.min(WORDS.len())..(from + length).min(WORDS.len()))?;
    text.extend_from_slice(of_words);
    let start = from.max(WORDS.len()) - WORDS.len();
    for at in start..start + (length - of_words.len()) {
        text.push(*text.get(at)?);
    }
    Some(())
}

fn digit_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + (value - 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(payload, &mut out);
        out
    }

    #[test]
    fn whatever_is_packed_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        let pieces: [&[u8]; 6] = [
            b"/var/spool/asterisk/monitor/",
            b"79161234567",
            b"0123456789abcdef",
            b"\x00\xff",
            b"x",
            "звонок".as_bytes(),
        ];
        for _ in 0..100 {
            let mut payload = Vec::new();
            for _ in 0..random.usize(0..40) {
                match random.usize(0..8) {
                    piece @ 0..6 => payload.extend_from_slice(pieces[piece]),
                    6 => payload.extend(core::iter::repeat_with(|| random.u8(..)).take(9)),
                    _ => payload.extend(core::iter::repeat_n(b'0' + random.u8(0..10), random.usize(0..90))),
                }
            }
            payload.truncate(PAYLOAD_BYTES_MAX);
            let packed = packed(&payload);
            assert_eq!(unpack(&packed), Some(payload.clone()));
            assert!(
                packed.len() <= payload.len() + payload.len().div_ceil(LITERALS_MAX),
                "longer by no more than the literals' tokens"
            );
        }
    }

    #[test]
    fn any_bytes_unpack_to_a_bounded_text_or_to_none() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..2_000 {
            let length = random.usize(0..4_082);
            let bytes: Vec<u8> = core::iter::repeat_with(|| random.u8(..)).take(length).collect();
            assert!(unpack(&bytes).is_none_or(|text| text.len() <= PAYLOAD_BYTES_MAX));
        }
        // As much as tokens can make of few bytes.
        let bomb = [&[1, b'x', b'x'][..], &[0xf8, 0, 0xff].repeat(1_000)].concat();
        assert_eq!(unpack(&bomb), None);
    }

    /// The words are part of the format: with another byte among them the packed records of every journal in the field
    /// would read as something else. A later format has words of its own beside these.
    #[test]
    fn the_words_are_those_of_format_2() {
        assert_eq!((WORDS.len(), crc32fast::hash(WORDS)), (985, 2_846_892_020));
    }

    #[test]
    fn a_copy_of_what_is_not_there_is_refused() {
        assert_eq!(unpack(&[0x87, 0xff]), None);
        assert_eq!(unpack(&[0, b'a', 0x80]), None);
        assert_eq!(unpack(&[5, b'a']), None);
        assert_eq!(unpack(&[0x41]), None);
        assert_eq!(unpack(&[]), Some(Vec::new()));
    }
}
