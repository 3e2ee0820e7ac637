//! Captured transcripts: the bytes as they came, cut into packets with their times.

use std::io;
use std::path::Path;
use std::time::Duration;

/// The events of one transcript.
#[derive(Clone, Debug)]
pub struct Transcript {
    packets: Vec<(Duration, Vec<u8>)>,
}

impl Transcript {
    /// Reads `NAME.txt` and, beside it, `NAME.timing.tsv`. Without the second all packets come at once.
    ///
    /// # Errors
    /// When the transcript cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let timing = std::fs::read_to_string(path.with_extension("timing.tsv")).unwrap_or_default();
        Ok(Self::new(&bytes, &timing))
    }

    /// From the bytes and the lines `seconds, offset, bytes` of the timing.
    pub fn new(bytes: &[u8], timing: &str) -> Self {
        let clock: Vec<(f64, usize)> = timing
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('\t');
                Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
            })
            .collect();
        let at = |offset: usize| clock.iter().rev().find(|(_, start)| *start <= offset).map_or(0.0, |(secs, _)| *secs);
        let mut packets = Vec::new();
        let mut start = 0;
        for end in (0..bytes.len()).filter(|end| bytes[*end..].starts_with(b"\r\n\r\n")) {
            let packet = &bytes[start..end + 4];
            if is_event(packet) {
                packets.push((at(end), packet.to_vec()));
            }
            start = end + 4;
        }
        let first = packets.first().map_or(0.0, |(secs, _)| *secs);
        Self { packets: packets.into_iter().map(|(secs, p)| (Duration::from_secs_f64(secs - first), p)).collect() }
    }

    /// The events with their times, the first at zero. Answers to actions, list items and FullyBooted are left out.
    pub fn events(&self) -> impl Iterator<Item = (Duration, &[u8])> {
        self.packets.iter().map(|(at, packet)| (*at, packet.as_slice()))
    }

    /// The same call at another time: every occurrence of `from` (an id, a channel's number) becomes `to`.
    pub fn renamed(&self, from: &str, to: &str) -> Self {
        let packets = self.packets.iter();
        let renamed = packets.map(|(at, packet)| (*at, String::from_utf8_lossy(packet).replace(from, to).into_bytes()));
        Self { packets: renamed.collect() }
    }
}

fn is_event(packet: &[u8]) -> bool {
    let head = String::from_utf8_lossy(packet);
    head.starts_with("Event: ") && !head.starts_with("Event: FullyBooted") && !head.contains("\r\nActionID: ")
}
