//! One captured call, made into as many different calls as wanted by moving its ids on.

use pbx::Transcript;
use std::path::Path;

/// The events of a captured call, one after the other, and where its ids stand in them.
pub struct Call {
    bytes: Vec<u8>,
    /// Places of the ten digits before the dot of each UniqueId.
    epochs: Vec<usize>,
    /// Places of the first four of eight hexadecimal digits of each channel's name.
    channels: Vec<usize>,
    /// Places of the first eight digits of each bridge's id: calls that share a bridge are one call.
    bridges: Vec<usize>,
}

impl Call {
    /// The events `from..to` of a scenario of Asterisk 22, each bound an event's beginning as text; empty: the end.
    pub fn of(scenario: &str, from: &str, to: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/22.10.1");
        let transcript = Transcript::read(&root.join(scenario).with_extension("txt")).expect("a transcript");
        let packets: Vec<&[u8]> = transcript.events().map(|(_, packet)| packet).collect();
        let place = |bound: &str, otherwise| {
            let found = packets.iter().position(|packet| packet.starts_with(bound.as_bytes()));
            if bound.is_empty() { otherwise } else { found.expect("such an event") }
        };
        let (from, to) = (place(from, 0), place(to, packets.len()));
        let bytes = packets[from..to].concat();
        let is_epoch = |at: usize| {
            let digits = bytes.get(at..at + 11);
            digits.is_some_and(|text| {
                text.starts_with(b"179529") && text[10] == b'.' && text[..10].iter().all(u8::is_ascii_digit)
            })
        };
        let is_channel = |at: usize| {
            let digits = bytes.get(at..at + 8);
            at > 0
                && bytes[at - 1] == b'-'
                && digits.is_some_and(|text| text.starts_with(b"0000") && text.iter().all(u8::is_ascii_hexdigit))
        };
        let epochs = (0..bytes.len()).filter(|at| is_epoch(*at)).collect();
        let channels = (0..bytes.len()).filter(|at| is_channel(*at)).collect();
        let name = b"BridgeUniqueid: ";
        let bridges = (name.len()..bytes.len()).filter(|at| bytes[..*at].ends_with(name)).collect();
        Self { bytes, epochs, channels, bridges }
    }

    /// The call with this number: another of its kind. At most 65 536 apart from one another in channel names.
    pub fn number(&mut self, number: u32) -> &[u8] {
        let (epoch, channel) = (format!("{:010}", 1_800_000_000 + number), format!("{:04x}", number % 0x1_0000));
        for at in &self.epochs {
            self.bytes[*at..*at + 10].copy_from_slice(epoch.as_bytes());
        }
        for at in &self.channels {
            self.bytes[*at..*at + 4].copy_from_slice(channel.as_bytes());
        }
        for at in &self.bridges {
            self.bytes[*at..*at + 8].copy_from_slice(format!("{number:08x}").as_bytes());
        }
        &self.bytes
    }

    /// Its events.
    pub fn events(&self) -> usize {
        self.bytes.windows(7).filter(|window| window == b"Event: ").count()
    }
}
