//! A captured AMI stream played through the tracker in virtual time.
//!
//! What `ringpost replay` and the tests run: the transcript's bytes are cut, typed and followed exactly as the daemon
//! does, with the times of the transcript's own clock (`NAME.timing.tsv`: seconds, offset and size of each read)
//! instead of the system's. Reads no files, sends nothing.

use crate::ami::event::{Event, Message};
use crate::ami::frame::{Frame, Framer};
use crate::ami::typing::message;
use crate::call::tracker::{Output, Tracker, TrackerConfig};
use crate::clock::{Monotonic, Stamp, Wall};
use crate::limits::SETTLE;
use core::time::Duration;

/// The reads of a transcript: when, and up to which offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    reads: Vec<(Duration, usize)>,
}

impl Timing {
    /// Reads `NAME.timing.tsv`: a head line, then seconds, byte offset and size, separated by tabs. Lines that are no
    /// numbers are skipped; time never runs back.
    pub fn parse(text: &str) -> Self {
        let mut reads: Vec<(Duration, usize)> = Vec::new();
        for line in text.lines() {
            let mut columns = line.split('\t');
            let seconds = columns.next().and_then(|column| column.parse::<f64>().ok());
            let offset = columns.next().and_then(|column| column.parse::<usize>().ok());
            let size = columns.next().and_then(|column| column.trim().parse::<usize>().ok());
            let (Some(seconds), Some(offset), Some(size)) = (seconds, offset, size) else { continue };
            let at = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let at = reads.last().map_or(at, |(last, _)| at.max(*last));
            reads.push((at, offset.saturating_add(size)));
        }
        Self { reads }
    }

    /// The pieces of `transcript` with their times. Without a clock all of it comes at once.
    fn pieces<'a>(&'a self, transcript: &'a [u8]) -> impl Iterator<Item = (Duration, &'a [u8])> {
        let mut from = 0;
        let last = self.reads.last().map(|(at, _)| *at).unwrap_or_default();
        self.reads.iter().copied().chain([(last, transcript.len())]).map(move |(at, to)| {
            let to = to.clamp(from, transcript.len());
            let piece = transcript.get(from..to).unwrap_or_default();
            from = to;
            (at, piece)
        })
    }
}

/// Cuts and types a transcript and gives each event with its time to `take`. Returns when the last byte came.
pub fn each_event(transcript: &[u8], timing: &Timing, begun: Stamp, mut take: impl FnMut(&Event<'_>, Stamp)) -> Stamp {
    let mut framer = Framer::new();
    let mut now = begun;
    for (at, mut piece) in timing.pieces(transcript) {
        now = after(begun, at);
        while !piece.is_empty() {
            let taken = framer.feed(piece);
            piece = piece.get(taken..).unwrap_or_default();
            while let Some(frame) = framer.next() {
                if let Frame::Packet(packet) = frame
                    && let Message::Event(event) = message(packet)
                {
                    take(&event, now);
                }
            }
        }
    }
    now
}

/// One event as the daemon would hand it to the tracker: items of a list of channels make a snapshot.
pub fn follow(tracker: &mut Tracker, event: &Event<'_>, now: Stamp) {
    match event {
        Event::Listed { .. } => {
            if !tracker.is_listing() {
                tracker.snapshot_begin(now);
            }
            tracker.snapshot_channel(event, now);
        }
        Event::ListComplete { .. } => tracker.snapshot_end(true, now),
        _ => tracker.handle(event, now),
    }
}

/// Plays a transcript that began at `begun` and gives each output with its time to `output`. Calls that the transcript
/// leaves open are ended with what is known.
pub fn replay(
    config: TrackerConfig,
    transcript: &[u8],
    timing: &Timing,
    begun: Stamp,
    mut output: impl FnMut(Output, Stamp),
) {
    let mut tracker = Tracker::new(config);
    let end = each_event(transcript, timing, begun, |event, now| {
        follow(&mut tracker, event, now);
        while let Some(out) = tracker.poll_output() {
            output(out, now);
        }
    });
    tracker.handle_timeout(after(end, SETTLE));
    tracker.end_all(end);
    while let Some(out) = tracker.poll_output() {
        output(out, end);
    }
}

fn after(begun: Stamp, span: Duration) -> Stamp {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Stamp {
        mono: Monotonic::from_millis(begun.mono.as_millis().saturating_add(millis)),
        wall: Wall::from_millis(begun.wall.as_millis().saturating_add(i64::try_from(millis).unwrap_or(i64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_gives_each_byte_its_time() {
        let timing = Timing::parse("seconds\toffset\tbytes\n0.000\t0\t3\n2.5\t3\t2\n1.0\t5\t1\nx\ty\tz\n");
        let pieces: Vec<(u128, &[u8])> =
            timing.pieces(b"abcdefgh").map(|(at, piece)| (at.as_millis(), piece)).collect();
        assert_eq!(pieces, [(0, b"abc" as &[u8]), (2500, b"de"), (2500, b"f"), (2500, b"gh")]);
    }
}
