//! What is known of the PBX and of the account: versions, start time, rights.
//!
//! Stands alone because it outlives a connection: whether the PBX was restarted is a comparison with what was known
//! before. Everything is cut to the sizes below; nothing of it is trusted.

use crate::ami::event::Event;
use crate::ami::filters::Generation;
use crate::ami::frame::Packet;
use crate::clock::Monotonic;
use crate::text::{Text, bounded};
use core::time::Duration;

/// The PBX as far as it told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its first line; empty if there was none.
    pub banner: Text<64>,
    /// What follows the banner's last slash: the version of AMI, not of Asterisk.
    pub ami_version: Text<16>,
    /// `AsteriskVersion` of `CoreSettings`; empty where that is not permitted.
    pub asterisk_version: Text<64>,
    /// `SystemName` of `CoreSettings`: leads every UniqueId of this box.
    pub system_name: Text<64>,
    /// When it was started, by its own clock; none where `CoreStatus` is not permitted.
    pub started: Option<StartTime>,
    /// Since when it runs, by our clock; none before Asterisk 14 or without class system.
    pub up_since: Option<Monotonic>,
}

/// The PBX's start by its own calendar, in seconds of no particular zone: good for comparing with another one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTime(i64);

/// The PBX may set its clock while it starts.
const CLOCK_SLACK_SECS: i64 = 5;
/// The same start reads an hour off after the clocks changed.
const SUMMER_TIME_SECS: i64 = 3600;

impl StartTime {
    /// Reads `CoreStartupDate` (`2026-11-21`) and `CoreStartupTime` (`20:19:50`).
    pub fn parse(date: &[u8], time: &[u8]) -> Option<Self> {
        let [year, month, day] = three_numbers(date, '-')?;
        let [hour, minute, second] = three_numbers(time, ':')?;
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        // Months of equal length would make differences wrong, so count real days (proleptic Gregorian calendar).
        let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
        Some(Self(days * 86_400 + hour * 3600 + minute * 60 + second))
    }

    /// Whether both are readings of one start.
    pub fn is_same(self, other: Self) -> bool {
        let apart = (self.0 - other.0).abs();
        apart <= CLOCK_SLACK_SECS || (apart - SUMMER_TIME_SECS).abs() <= CLOCK_SLACK_SECS
    }
}

fn three_numbers(text: &[u8], separator: char) -> Option<[i64; 3]> {
    let mut parts = core::str::from_utf8(text.trim_ascii()).ok()?.splitn(3, separator).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

impl Server {
    /// Takes a banner; false if no AMI server says such a line: the words are the vendor's own, but a version follows
    /// the last slash.
    pub fn read_banner(&mut self, line: &[u8]) -> bool {
        self.banner = bounded(line);
        let (words, version) = match line.iter().rposition(|&b| b == b'/').and_then(|at| line.split_at_checked(at)) {
            Some((words, version)) => (words, version.trim_ascii().strip_prefix(b"/").unwrap_or_default()),
            None => (line, &b""[..]),
        };
        let is_version = version.first().is_some_and(u8::is_ascii_digit)
            && version.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'~'));
        self.ami_version = bounded(if is_version { version } else { b"" });
        let is_other = words.starts_with(b"SSH-") || words.starts_with(b"HTTP");
        words.ends_with(b"Call Manager") || (is_version && !is_other)
    }

    /// Which events it has.
    pub fn generation(&self) -> Generation {
        Generation::of(&self.asterisk_version, &self.ami_version, &self.banner)
    }

    /// Takes the answer to `CoreSettings`.
    pub fn read_settings(&mut self, packet: &Packet<'_>) {
        self.asterisk_version = bounded(packet.header(b"AsteriskVersion").unwrap_or_default());
        self.system_name = bounded(packet.header(b"SystemName").unwrap_or_default());
        if self.ami_version.is_empty() {
            self.ami_version = bounded(packet.header(b"AMIversion").unwrap_or_default());
        }
    }

    /// Takes the answer to `CoreStatus`; true if another start was known.
    pub fn read_status(&mut self, packet: &Packet<'_>) -> bool {
        let (date, time) = (packet.header(b"CoreStartupDate"), packet.header(b"CoreStartupTime"));
        let started = StartTime::parse(date.unwrap_or_default(), time.unwrap_or_default());
        let is_other = matches!((self.started, started), (Some(before), Some(after)) if !before.is_same(after));
        self.started = started.or(self.started);
        is_other
    }

    /// Takes the uptime of `FullyBooted`; true if the PBX was started after it was last heard of.
    pub fn read_uptime(&mut self, uptime_secs: u64, now: Monotonic, last_heard: Option<Monotonic>) -> bool {
        let up_since = Monotonic::from_millis(now.as_millis().saturating_sub(uptime_secs.saturating_mul(1000)));
        self.up_since = Some(up_since);
        // Uptime is told in whole seconds and rounded down, so the start only seems later than it was.
        last_heard.is_some_and(|heard| up_since.since(heard) > Duration::ZERO)
    }

    /// Forgets what may differ after a restart.
    pub fn forget_connection(&mut self) {
        (self.banner, self.ami_version) = (Text::new(), Text::new());
    }
}

/// Actions whose absence makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // Asterisk's own names
pub enum Right {
    CoreShowChannels,
    Status,
    CoreStatus,
    CoreSettings,
    Filter,
    Originate,
    Redirect,
    Hangup,
    Getvar,
    SipPeers,
    IaxPeers,
    PjsipShowEndpoints,
    DahdiShowChannels,
    Command,
}

/// Asterisk's names of them, in the order of [`Right`].
const RIGHTS: [(&str, Right); 14] = [
    ("CoreShowChannels", Right::CoreShowChannels),
    ("Status", Right::Status),
    ("CoreStatus", Right::CoreStatus),
    ("CoreSettings", Right::CoreSettings),
    ("Filter", Right::Filter),
    ("Originate", Right::Originate),
    ("Redirect", Right::Redirect),
    ("Hangup", Right::Hangup),
    ("Getvar", Right::Getvar),
    ("SIPpeers", Right::SipPeers),
    ("IAXpeers", Right::IaxPeers),
    ("PJSIPShowEndpoints", Right::PjsipShowEndpoints),
    ("DAHDIShowChannels", Right::DahdiShowChannels),
    ("Command", Right::Command),
];

/// What the account may ask, and what it was seen to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Bit per [`Right`]; none before `ListCommands` was answered.
    rights: Option<u16>,
    /// Class system was seen.
    pub gets_system: bool,
    /// Class call was seen.
    pub gets_call: bool,
    /// Class agent was seen.
    pub gets_agent: bool,
    /// Class dialplan was seen: without it there are no recordings' names.
    pub gets_dialplan: bool,
    /// Filters are set.
    pub filters: bool,
}

impl Account {
    /// Takes the answer to `ListCommands`: it lists what this account may call, on this version, with these modules.
    pub fn read_commands(&mut self, packet: &Packet<'_>) {
        let mut rights = 0;
        for (name, _) in packet.headers() {
            if let Some((_, right)) = RIGHTS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)) {
                rights |= 1_u16 << (*right as u8);
            }
        }
        self.rights = Some(rights);
    }

    /// Whether an action is permitted and there; none if that is not known.
    pub fn may(&self, right: Right) -> Option<bool> {
        self.rights.map(|rights| rights & (1 << (right as u8)) != 0)
    }

    /// Names of permitted actions among those that matter; none if not known.
    pub fn permitted(&self) -> Option<impl Iterator<Item = &'static str> + use<>> {
        let rights = self.rights?;
        Some(RIGHTS.iter().filter(move |(_, right)| rights & (1 << (*right as u8)) != 0).map(|(name, _)| *name))
    }

    /// Notes which class an event belongs to.
    pub fn saw(&mut self, event: &Event<'_>) {
        match event {
            Event::FullyBooted { .. } | Event::Shutdown { .. } => self.gets_system = true,
            Event::VarSet { .. } => self.gets_dialplan = true,
            Event::AgentCalled { .. } | Event::AgentConnect { .. } | Event::QueueAbandon { .. } => {
                self.gets_agent = true
            }
            Event::Listed { .. } | Event::Peer { .. } | Event::ListComplete { .. } => {}
            _ => self.gets_call = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(date: &str, time: &str) -> Option<StartTime> {
        StartTime::parse(date.as_bytes(), time.as_bytes())
    }

    #[test]
    fn banners_of_asterisk_and_vendors_and_of_others() {
        for line in [
            "Asterisk Call Manager/1.3",
            "Asterisk Call Manager/11.0.0",
            "Yeastar Call Manager/2.8.0 ",
            "x/5",
            "PBX/1.3-cert2",
            "Asterisk Call Manager",
        ] {
            assert!(Server::default().read_banner(line.as_bytes()), "{line}");
        }
        for line in [
            "SSH-2.0-OpenSSH_9.2p1 Debian-2/12",
            "HTTP/1.1 400 Bad Request",
            "HTTP/1.1",
            "220 mail ESMTP",
            "",
            "\x16\x03\x01/",
        ] {
            assert!(!Server::default().read_banner(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn one_start_is_the_same_through_clock_jumps_and_summer_time() {
        let one = start("2026-11-21", "20:19:50").expect("a date");
        for same in [("2026-11-21", "20:19:53"), ("2026-11-21", "21:19:50"), ("2026-11-21", "19:19:46")] {
            assert!(one.is_same(start(same.0, same.1).expect("a date")), "{same:?}");
        }
        for other in [("2026-11-21", "20:20:50"), ("2026-11-22", "20:19:50"), ("2026-12-21", "20:19:50")] {
            assert!(!one.is_same(start(other.0, other.1).expect("a date")), "{other:?}");
        }
        let (before, after) = (start("2027-02-28", "23:59:59"), start("2027-03-01", "00:00:01"));
        assert!(before.expect("a date").is_same(after.expect("a date")));
    }

    #[test]
    fn no_date_is_no_date() {
        for (date, time) in [
            ("", ""),
            ("2026-13-01", "00:00:00"),
            ("2026-01-01", "24:00:00"),
            ("1-2", "3:4"),
            ("9999999999999999-1-1", "0:0:0"),
        ] {
            assert_eq!(start(date, time), None, "{date} {time}");
        }
    }

    #[test]
    fn uptime_tells_a_restart_however_far_the_clocks_drift() {
        let (heard, now) = (Monotonic::from_millis(100_000), Monotonic::from_millis(110_500));
        let mut server = Server::default();
        assert!(server.read_uptime(9, now, Some(heard)));
        assert!(!server.read_uptime(11, now, Some(heard)));
        assert!(!server.read_uptime(3_000_000, now, Some(heard)));
        assert!(!server.read_uptime(1, now, None), "nothing was known before");
    }
}
