//! Bytes of the manager interface into packets of borrowed lines.
//!
//! Stands alone because it is the one place that meets the peer's bytes raw. The caller reads from its socket straight
//! into [`Framer::space`], tells how much came by [`Framer::filled`], and drains [`Framer::next`]. Where one read ends
//! and the next begins makes no difference to the frames.
//!
//! Tolerant as the servers in the field demand: CRLF or bare LF, any number of empty lines between packets, lines
//! without a colon, lone CR inside a line, a banner of any words or none. `Response: Follows` (Asterisk 13 and older)
//! switches to raw command output until `--END COMMAND--`.
//!
//! Bounds: [`AMI_LINE_BYTES`], [`AMI_PACKET_BYTES`], [`AMI_PACKET_LINES`]; what is over them is skipped and counted,
//! and the frame says that it was cut. The buffer starts at [`AMI_BUFFER_BYTES`], grows for a larger packet and shrinks
//! back after it. Nothing is scanned twice, nothing is allocated per packet. A packet that was not closed by its empty
//! line is never handed out. Does not decode and does not know any event.

use crate::limits::{AMI_BUFFER_BYTES, AMI_LINE_BYTES, AMI_PACKET_BYTES, AMI_PACKET_LINES, AMI_SKIP_BYTES};
use core::fmt;

/// One unit of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The first line of a connection, without its line end.
    Banner(&'a [u8]),
    /// Header lines up to an empty line.
    Packet(Packet<'a>),
    /// An old `Response: Follows`: header lines and raw text, up to `--END COMMAND--`.
    Output(Packet<'a>),
}

/// The lines of one packet, borrowed from the framer's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    /// Where each line ends in `bytes` (at its LF).
    ends: &'a [u32],
    cut: bool,
}

impl<'a> Packet<'a> {
    /// The lines in order, without their line ends.
    pub fn lines(&self) -> Lines<'a> {
        Lines { rest: self.bytes, gone: 0, ends: self.ends.iter() }
    }

    /// The lines that begin with an ASCII letter, its case disregarded. Touches one byte of each of the others.
    pub fn lines_beginning(&self, letter: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        let mut start = 0;
        self.ends.iter().filter_map(move |&end| {
            let line = start;
            start = end as usize + 1;
            if !bytes.get(line)?.eq_ignore_ascii_case(&letter) {
                return None;
            }
            let text = bytes.get(line..end as usize)?;
            Some(text.strip_suffix(b"\r").unwrap_or(text))
        })
    }

    /// Header lines in order: name and value. Lines without a colon are left out.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.lines().filter_map(header)
    }

    /// The first header of this name, letter case disregarded.
    pub fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a line was cut or the rest was skipped because of a cap.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The lines of a [`Packet`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    gone: usize,
    ends: core::slice::Iter<'a, u32>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = *self.ends.next()? as usize;
        let (line, rest) = self.rest.split_at_checked(end.wrapping_sub(self.gone))?;
        self.rest = rest.get(1..)?;
        self.gone = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Splits a line at its first colon and strips one space. None without a colon.
#[inline]
pub fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // Names are short: a plain loop is quicker than a vectored search.
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, rest) = line.split_at_checked(colon)?;
    let value = rest.get(1..)?;
    Some((name, value.strip_prefix(b" ").unwrap_or(value)))
}

/// What was skipped since the framer was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Lines cut at [`AMI_LINE_BYTES`].
    pub oversize_lines: u64,
    /// Packets cut at [`AMI_PACKET_BYTES`] or [`AMI_PACKET_LINES`].
    pub oversize_packets: u64,
}

/// Cuts a byte stream into frames. See the module's page.
pub struct Framer {
    /// All of it is room; `end` says how far it is filled.
    buffer: Vec<u8>,
    /// First byte of the current packet.
    start: usize,
    /// First byte of the current line.
    line: usize,
    /// Where the search for the next LF goes on.
    scan: usize,
    /// One past the last byte read.
    end: usize,
    /// Ends of the current packet's lines, relative to `start`; the first `count` of them hold.
    ends: Box<[u32]>,
    count: usize,
    stage: Stage,
    /// The rest of the current line is dropped.
    line_is_cut: bool,
    /// The rest of the current packet is dropped.
    packet_is_cut: bool,
    /// A line of the current packet was cut.
    is_cut: bool,
    /// `ends` belongs to the packet handed out last.
    handed_out: bool,
    frames: u64,
    skipped: Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Banner,
    Packet,
    Output,
}

/// What a finished line closed, before it is borrowed.
enum Closed {
    Banner { from: usize, to: usize },
    Packet { from: usize, to: usize },
    Output { from: usize, to: usize },
}

const END_OF_OUTPUT: &[u8] = b"--END COMMAND--";
/// Yeastar's text messages do not always close with an empty line.
const END_OF_SMS: &[u8] = b"--END SMS EVENT--";
/// Old servers glue the end mark to a last line without LF. In longer lines it is not looked for.
const END_MARK_LINE: usize = 1024;
/// Bytes that are searched for LF at a step: one for each bit of a word.
const BLOCK: usize = 64;
/// Less room than this is not worth a read.
const LEAST_ROOM: usize = 2 * 1024;

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfinished = self.end - self.start;
        f.debug_struct("Framer").field("unfinished", &unfinished).field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// A framer at the start of a connection.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; AMI_BUFFER_BYTES],
            start: 0,
            line: 0,
            scan: 0,
            end: 0,
            ends: vec![0; AMI_PACKET_LINES].into_boxed_slice(),
            count: 0,
            stage: Stage::Banner,
            line_is_cut: false,
            packet_is_cut: false,
            is_cut: false,
            handed_out: false,
            frames: 0,
            skipped: Skipped::default(),
        }
    }

    /// Begins a new connection: drops what was buffered, awaits a banner. Counters go on.
    pub fn restart(&mut self) {
        *self = Self { skipped: self.skipped, frames: self.frames, ..Self::new() };
    }

    /// Room to read into. Drain [`next`](Self::next) first: what is not drained takes room, down to none.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.line, self.scan, self.end) = (0, 0, 0, 0);
            shrink(&mut self.buffer);
        }
        if self.buffer.len() - self.end < LEAST_ROOM {
            self.make_room();
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `read` bytes of [`space`](Self::space) were filled.
    pub fn filled(&mut self, read: usize) {
        self.end = self.end.saturating_add(read).min(self.buffer.len());
    }

    /// Copies as much of `bytes` as fits and says how much that was. For replays and tests; a socket reads into
    /// [`space`](Self::space).
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let taken = bytes.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..taken), bytes.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.filled(taken);
        taken
    }

    /// The next whole frame, if there is one.
    #[allow(clippy::should_implement_trait)] // it lends from the buffer, which an Iterator cannot
    pub fn next(&mut self) -> Option<Frame<'_>> {
        if self.handed_out {
            self.count = 0;
            (self.handed_out, self.is_cut) = (false, false);
        }
        let closed = self.close_next()?;
        self.frames += 1;
        let (Closed::Banner { from, to } | Closed::Packet { from, to } | Closed::Output { from, to }) = closed;
        let bytes = self.buffer.get(from..to).unwrap_or_default();
        let packet = Packet { bytes, ends: self.ends.get(..self.count).unwrap_or_default(), cut: self.is_cut };
        Some(match closed {
            Closed::Banner { .. } => Frame::Banner(bytes.strip_suffix(b"\r").unwrap_or(bytes)),
            Closed::Packet { .. } => Frame::Packet(packet),
            Closed::Output { .. } => Frame::Output(packet),
        })
    }

    /// Whether part of a packet lies in the buffer, waiting for its end.
    pub fn is_within_packet(&self) -> bool {
        self.start < self.end
    }

    /// The part of a packet that lies in the buffer, waiting for its end.
    pub fn unfinished(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Frames handed out so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What had to be skipped so far.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Bytes that the buffer takes now.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Moves what is left to the front; grows if that is not enough.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.line -= self.start;
        self.scan -= self.start;
        self.end -= self.start;
        self.start = 0;
        let most = AMI_PACKET_BYTES + AMI_SKIP_BYTES;
        if self.buffer.len() - self.end < LEAST_ROOM && self.buffer.len() < most {
            let wanted = (self.buffer.len() * 2).min(most);
            self.buffer.reserve_exact(wanted - self.buffer.len());
            self.buffer.resize(wanted, 0);
        }
    }

    /// Goes from LF to LF until one closes a frame.
    fn close_next(&mut self) -> Option<Closed> {
        while let Some(lf) = self.next_notable_lf() {
            self.scan = lf + 1;
            if let Some(closed) = self.line_ended(lf) {
                return Some(closed);
            }
        }
        self.scan = self.end;
        self.check_unfinished_line();
        None
    }

    /// Notes the ends of plain header lines and stops at the first LF that needs a closer look. This is where the time
    /// goes: a block at a step, because lines are short and a search per line costs more than the lines.
    fn next_notable_lf(&mut self) -> Option<usize> {
        let bytes = self.buffer.get(..self.end)?;
        // With less than the longest line in the buffer no cap on bytes can be met.
        let is_plain = self.stage == Stage::Packet
            && !self.line_is_cut
            && !self.packet_is_cut
            && self.end - self.start <= AMI_LINE_BYTES;
        if !is_plain {
            return memchr::memchr(b'\n', bytes.get(self.scan..)?).map(|at| self.scan + at);
        }
        let (mut line, mut count) = (self.line, self.count);
        let (blocks, tail) = bytes.get(self.scan..)?.as_chunks();
        let mut at = self.scan;
        let mut note = |mut line_feeds: u64| {
            while line_feeds != 0 {
                let lf = at + line_feeds.trailing_zeros() as usize;
                let first = bytes.get(line).copied().unwrap_or_default();
                match self.ends.get_mut(count) {
                    Some(end) if begins_plain_line(first) => *end = (lf - self.start) as u32,
                    _ => return Some(lf),
                }
                line = lf + 1;
                count += 1;
                line_feeds &= line_feeds - 1;
            }
            at += BLOCK;
            None
        };
        let notable = blocks.iter().find_map(|block| note(line_feeds(block)));
        let notable = notable.or_else(|| note(line_feeds(&last_block(tail))));
        (self.line, self.count) = (line, count);
        notable
    }

    /// A line ended at `lf` that is not plain.
    fn line_ended(&mut self, lf: usize) -> Option<Closed> {
        let is_empty = match lf - self.line {
            0 => true,
            1 => self.buffer.get(self.line) == Some(&b'\r'),
            _ => false,
        };
        if is_empty { self.empty_line(lf) } else { self.odd_line(lf) }
    }

    /// An empty line closes a packet, but not raw output, and means nothing between packets.
    fn empty_line(&mut self, lf: usize) -> Option<Closed> {
        if self.stage == Stage::Output {
            return self.odd_line(lf);
        }
        if self.count == 0 && !self.packet_is_cut {
            self.start = lf + 1;
            self.line = lf + 1;
            return None;
        }
        Some(self.close(self.line, lf + 1))
    }

    /// Banner, raw output, marks, and whatever is over a cap.
    fn odd_line(&mut self, lf: usize) -> Option<Closed> {
        let Some(lf) = self.trim_line(lf) else {
            self.line = lf + 1;
            return None;
        };
        let from = self.line;
        let text = self.buffer.get(from..lf).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let has_end_mark = match self.stage {
            Stage::Output => lf - from <= END_MARK_LINE && text.ends_with(END_OF_OUTPUT),
            _ => text == END_OF_SMS,
        };
        if has_end_mark {
            return Some(self.close(from, lf + 1));
        }
        if self.stage == Stage::Banner {
            self.stage = Stage::Packet;
            if !begins_packet(text) {
                return Some(self.close_banner(from, lf));
            }
        }
        if self.stage == Stage::Packet && self.count < 2 && announces_output(text) {
            self.stage = Stage::Output;
        }
        match self.ends.get_mut(self.count) {
            _ if self.packet_is_cut => {}
            Some(end) if lf - self.start < AMI_PACKET_BYTES => {
                *end = (lf - self.start) as u32;
                self.count += 1;
            }
            _ => self.begin_skipping_packet(),
        }
        self.line = lf + 1;
        None
    }

    /// Cuts the line that ends at `lf` to the cap and says where it ends now; none if it is all skipped.
    fn trim_line(&mut self, lf: usize) -> Option<usize> {
        let was_cut = core::mem::take(&mut self.line_is_cut);
        if self.packet_is_cut {
            return (!was_cut).then_some(lf);
        }
        let kept_end = lf.min(self.line + AMI_LINE_BYTES);
        if lf == kept_end || kept_end - self.start >= AMI_PACKET_BYTES {
            return Some(lf);
        }
        if !was_cut {
            self.skipped.oversize_lines += 1;
            self.is_cut = true;
        }
        self.drop_bytes(kept_end + 1, lf + 1);
        Some(kept_end)
    }

    /// All that was read is scanned and the last line has no LF yet: it may be over a cap already.
    fn check_unfinished_line(&mut self) {
        if self.packet_is_cut {
            return self.discard_skipped();
        }
        let unfinished = self.end - self.line;
        if self.line_is_cut {
            self.end = self.line + AMI_LINE_BYTES + 1;
            self.scan = self.end;
            return;
        }
        let may_be_empty = unfinished == 0 || (unfinished == 1 && self.buffer.get(self.line) == Some(&b'\r'));
        if may_be_empty {
            return;
        }
        if self.end.min(self.line + AMI_LINE_BYTES + 1) - self.start > AMI_PACKET_BYTES {
            self.begin_skipping_packet();
            self.discard_skipped();
        } else if unfinished > AMI_LINE_BYTES {
            self.skipped.oversize_lines += 1;
            (self.line_is_cut, self.is_cut) = (true, true);
            self.end = self.line + AMI_LINE_BYTES + 1;
            self.scan = self.end;
        }
    }

    fn begin_skipping_packet(&mut self) {
        if !self.packet_is_cut {
            self.skipped.oversize_packets += 1;
            (self.packet_is_cut, self.is_cut) = (true, true);
        }
    }

    /// Gives back the room of what is skipped: only the head of the unfinished line stays, to know its end.
    fn discard_skipped(&mut self) {
        let kept_end = self.kept_end();
        if self.end - self.line > END_MARK_LINE + 1 {
            self.line_is_cut = true;
            self.end = self.line + END_MARK_LINE + 1;
        }
        self.drop_bytes(kept_end, self.line);
        self.line = kept_end;
        self.scan = self.end;
    }

    /// One past the last kept line of the current packet.
    fn kept_end(&self) -> usize {
        let last = self.count.checked_sub(1).and_then(|last| self.ends.get(last));
        last.map_or(self.start, |&end| self.start + end as usize + 1)
    }

    /// Takes `from..to` out of the buffer.
    fn drop_bytes(&mut self, from: usize, to: usize) {
        self.buffer.copy_within(to..self.end, from);
        self.end -= to - from;
        self.scan = self.scan.saturating_sub(to - from).max(from);
    }

    fn close_banner(&mut self, from: usize, to: usize) -> Closed {
        self.start = to + 1;
        self.line = self.start;
        self.scan = self.start;
        self.handed_out = true;
        Closed::Banner { from, to }
    }

    /// Closes the current packet: its last line begins at `line`, the next packet at `next`.
    fn close(&mut self, line: usize, next: usize) -> Closed {
        let from = self.start;
        let to = if self.packet_is_cut { self.kept_end() } else { line };
        let stage = core::mem::replace(&mut self.stage, Stage::Packet);
        self.start = next;
        self.line = next;
        self.handed_out = true;
        self.packet_is_cut = false;
        match stage {
            Stage::Output => Closed::Output { from, to },
            _ => Closed::Packet { from, to },
        }
    }
}

/// Whether a line that begins with this byte is surely one more header line: not empty, no mark, no `Response`. (Other
/// lines may be too, and are looked at.)
#[inline]
fn begins_plain_line(first: u8) -> bool {
    first >= b'A' && !matches!(first, b'R' | b'r')
}

/// A bit for every LF of a block, the first byte's lowest. Eight bytes at a time in plain arithmetic, which is quick on
/// every processor.
#[inline]
fn line_feeds(block: &[u8; BLOCK]) -> u64 {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    /// Brings the lowest bit of each byte into the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = block.as_chunks();
    words.iter().rev().fold(0, |found, word| {
        let zero_where_lf = u64::from_le_bytes(*word) ^ 0x0a0a_0a0a_0a0a_0a0a;
        let high_where_lf = !(((zero_where_lf & LOW_BITS) + LOW_BITS) | zero_where_lf | LOW_BITS);
        found << 8 | (high_where_lf >> 7).wrapping_mul(GATHER) >> 56
    })
}

/// The last bytes of the buffer, less than a block, as one.
fn last_block(tail: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    block
}

/// Gives memory back that only a large packet needed.
fn shrink(buffer: &mut Vec<u8>) {
    if buffer.len() > AMI_BUFFER_BYTES {
        buffer.truncate(AMI_BUFFER_BYTES);
        buffer.shrink_to_fit();
    }
}

/// Whether a first line is no banner but the begin of a packet.
fn begins_packet(line: &[u8]) -> bool {
    header(line).is_some_and(|(name, _)| {
        [&b"Response"[..], b"Event", b"ActionID"].iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// Whether a line is the old servers' `Response: Follows`.
fn announces_output(line: &[u8]) -> bool {
    header(line).is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case(b"Response") && value.trim_ascii().eq_ignore_ascii_case(b"Follows")
    })
}
