//! Which events the PBX is asked to send: classes, and within them the fewest that still tell every call.
//!
//! Stands alone because the list is a judgement about calls and not about the protocol. Asterisk tries each filter on
//! each event of the session, so each generation gets only those that can find something there. What they leave of the
//! traces is measured in `docs/calls.md`; that nothing is missing then, in the tests. Does not send anything.

/// Classes of events that ringpost needs.
pub const EVENT_CLASSES: &str = "system,call,agent,dialplan";

/// The first filter to set: if the account may not filter, this one is refused, and if it is all that is set,
/// everything that counts still passes.
pub const FIRST_FILTER: &str = "!Event: DialState";

/// Which events a PBX has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Asterisk 10 and 11 (1.8 and older take no filters).
    Old,
    /// Asterisk 12 and later.
    New,
    /// It does not say: the filters of both.
    Unknown,
}

/// Of both generations: one plain expression per event name or variable, because Asterisk 10 to 12 read alternatives
/// literally. A name also passes all that it begins; `New` alone would let all of `Newexten` pass, and `Hangup` lets
/// its requests pass unless they are held back. Who asked to hang up is not told of a call.
const COMMON: &[&str] = &[
    "!Event: HangupRequest",
    "Event: Newchannel",
    "Event: Newstate",
    "Event: NewCallerid",
    "Event: Hangup",
    "Event: Rename",
    "Event: Dial",
    "Event: Bridge",
    "Event: Local",
    "Event: AgentCalled",
    "Event: AgentConnect",
    "Event: QueueCaller",
    "Event: Meetme",
    "Event: Pickup",
    "Event: ParkedCall",
    "Event: UnParkedCall",
    "Event: OriginateResponse",
    "Event: FullyBooted",
    "Event: Shutdown",
    "Variable: MIXMONITOR_FILENAME",
    "Variable: MONITOR_FILENAME",
    "Variable: VM_MESSAGEFILE",
    "Variable: VMSTATUS",
    "Variable: DIALSTATUS",
    "Variable: _*DID",
    "Variable: _*FROM_DID",
    "Variable: _*NODEST",
    "Variable: _*RINGPOST_CALL",
];

/// Of 10 and 11 alone.
const OLD: &[&str] = &[
    "Event: Masquerade",
    "Event: Unlink",
    "Event: Join",
    "Event: Leave",
    "Event: Transfer",
    "Event: ConfbridgeJoin",
    "Event: ConfbridgeLeave",
];

/// Of 12 and later alone.
const NEW: &[&str] =
    &["!Event: BridgeCreate", "!Event: HangupHandler", "Event: BlindTransfer", "Event: AttendedTransfer"];

impl Generation {
    /// The filters to set after [`FIRST_FILTER`].
    pub fn filters(self) -> impl Iterator<Item = &'static str> + Clone {
        let old = if self == Self::New { &[] } else { OLD };
        let new = if self == Self::Old { &[] } else { NEW };
        [COMMON, old, new].into_iter().flatten().copied()
    }

    /// By the version of Asterisk (`11.25.3`) where it is known, else by AMI's (`1.3`) where the first line is
    /// Asterisk's own: a vendor may count otherwise.
    pub fn of(asterisk: &str, ami: &str, banner: &str) -> Self {
        let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let is_old = match (major(asterisk), major(ami)) {
            (Some(major), _) => Some(major < 12),
            (None, Some(major)) if banner.starts_with("Asterisk Call Manager/") => Some(major < 2),
            _ => None,
        };
        match is_old {
            Some(true) => Self::Old,
            Some(false) => Self::New,
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test may panic
mod tests {
    use super::*;
    use crate::ami::action::{Action, Outbox};

    #[test]
    fn all_filters_fit_at_once() {
        let mut outbox = Outbox::new(0xabcd);
        for pattern in Generation::Unknown.filters().chain([FIRST_FILTER]) {
            outbox.write(&Action::Filter { pattern }).expect("fits");
        }
    }

    #[test]
    fn each_version_gets_the_filters_of_its_generation() {
        for (asterisk, ami, banner, generation) in [
            ("11.25.3", "1.3", "Asterisk Call Manager/1.3", Generation::Old),
            ("", "1.2", "Asterisk Call Manager/1.2", Generation::Old),
            ("13.38.3", "2.10.6", "Asterisk Call Manager/2.10.6", Generation::New),
            ("", "2.7.0", "Asterisk Call Manager/2.7.0", Generation::New),
            ("22.10.1", "", "", Generation::New),
            ("", "1.1", "MyBox/1.1", Generation::Unknown),
            ("SVN-trunk", "", "", Generation::Unknown),
            ("", "", "", Generation::Unknown),
        ] {
            assert_eq!(Generation::of(asterisk, ami, banner), generation, "{asterisk} {ami} {banner}");
        }
        assert!(Generation::New.filters().all(|filter| filter != "Event: Unlink"));
        assert!(Generation::Old.filters().all(|filter| filter != "Event: BlindTransfer"));
        let count = |generation: Generation| generation.filters().count();
        assert_eq!(count(Generation::Unknown), COMMON.len() + OLD.len() + NEW.len());
        assert!(count(Generation::Old) < count(Generation::Unknown));
    }
}
