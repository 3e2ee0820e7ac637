//! Actions to the PBX, written into a bounded buffer.
//!
//! Stands alone because this is where text from a CRM or a configuration meets the PBX: a value with a line end in it
//! would be a second action, so CR, LF and NUL are refused, and so is a line that Asterisk would refuse; nothing is cut
//! silently. The bytes wait in an [`Outbox`] until the shell has sent them; at
//! [`AMI_SEND_BYTES`] a further action is refused whole. Each action gets an [`ActionId`] of its own. Does not send,
//! does not wait for answers, does not judge numbers.

use super::md5;
use crate::config::Secret;
use crate::limits::{AMI_ACTION_LINE_BYTES, AMI_SEND_BYTES};
use core::fmt;
use core::time::Duration;
use std::fmt::Write as _;

/// What can be asked of the PBX. Names are Asterisk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Ask for the challenge of an MD5 login.
    Challenge,
    /// Log in with the answer to the challenge. `events` is the mask of classes.
    Login {
        /// AMI account.
        username: &'a str,
        /// Answer to the challenge.
        key: LoginKey,
        /// Classes of events to begin with.
        events: &'a str,
    },
    /// Change the mask of classes.
    Events {
        /// Classes, comma separated.
        mask: &'a str,
    },
    /// Add a filter for events (Asterisk 10 and later, write class system).
    Filter {
        /// A regular expression over the whole event; with a leading `!` it excludes.
        pattern: &'a str,
    },
    /// Keepalive.
    Ping,
    /// Versions.
    CoreSettings,
    /// Start time.
    CoreStatus,
    /// All channels (write class system or reporting).
    CoreShowChannels,
    /// All channels (write class system, call or reporting).
    Status,
    /// Peers of chan_sip.
    SipPeers,
    /// Peers of chan_iax2.
    IaxPeers,
    /// Endpoints of chan_pjsip.
    PjsipShowEndpoints,
    /// Channels of chan_dahdi.
    DahdiShowChannels,
    /// One peer of chan_sip (write class system or reporting).
    SipShowPeer {
        /// Its name.
        name: &'a [u8],
    },
    /// One endpoint of chan_pjsip (write class system).
    PjsipShowEndpoint {
        /// Its name.
        name: &'a [u8],
    },
    /// What this account may ask.
    ListCommands,
    /// Leave.
    Logoff,
    /// Make a call. Always asynchronous: a synchronous one would stop the stream of events until the phone answers.
    Originate(Originate<'a>),
    /// Send a channel to another place of the dialplan.
    Redirect {
        /// Its name.
        channel: &'a [u8],
        /// Where to.
        context: &'a str,
        /// Where to.
        exten: &'a str,
    },
    /// Hang a channel up.
    Hangup {
        /// Its name.
        channel: &'a [u8],
        /// Q.850 cause told to the other side; none: the PBX's own.
        cause: Option<u8>,
    },
}

/// A call to be made: ring `channel`, then run it into the dialplan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Originate<'a> {
    /// Who is rung first, `PJSIP/101`.
    pub channel: &'a str,
    /// Dialplan context that the answered channel enters.
    pub context: &'a str,
    /// Number that it dials there.
    pub exten: &'a str,
    /// How long it is rung.
    pub timeout: Duration,
    /// Shown on the phone that is rung: `"Name" <number>`; empty: the PBX's own.
    pub caller_id: &'a str,
    /// Account code; empty: none.
    pub account: &'a str,
    /// UniqueId wanted for the channel (Asterisk 12 and later; old ones disregard it); empty: the PBX's own.
    pub channel_id: &'a str,
    /// Channel variables. Names and values are letters, digits, `_` and `-` only: old servers take commas and bars
    /// apart.
    pub variables: &'a [(&'a str, &'a str)],
}

/// The answer to a challenge: `md5(challenge + secret)` in hex. Prints as `***`, because within its 30 seconds it is as
/// good as the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginKey([u8; 32]);

impl LoginKey {
    /// The key for this challenge.
    pub fn new(challenge: &[u8], secret: &Secret) -> Self {
        let digest = md5::digest(&[challenge, secret.expose().as_bytes()]);
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
            let digits = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
            pair.copy_from_slice(&digits);
        }
        Self(hex)
    }
}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The number in the `ActionID` of one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(u64);

/// Why an action was not written. Nothing of it is in the buffer then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionError {
    /// The value of this header holds a line end or a NUL.
    ControlCharacter(&'static str),
    /// The line of this header is longer than [`AMI_ACTION_LINE_BYTES`].
    LineTooLong(&'static str),
    /// A channel variable holds more than letters, digits, `_` and `-`.
    UnsafeVariable,
    /// Too much waits to be sent already.
    Full,
    /// There is no live connection to write to.
    NotConnected,
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlCharacter(header) => write!(f, "{header} holds a control character"),
            Self::LineTooLong(header) => {
                write!(f, "{header} is longer than the {AMI_ACTION_LINE_BYTES} bytes of a line")
            }
            Self::UnsafeVariable => write!(f, "a channel variable may hold letters, digits, _ and - only"),
            Self::Full => write!(f, "the PBX does not take what is sent to it"),
            Self::NotConnected => write!(f, "there is no connection to the PBX"),
        }
    }
}

impl core::error::Error for ActionError {}

/// Actions on their way to the socket.
pub struct Outbox {
    bytes: Vec<u8>,
    /// Of these, sent already.
    sent: usize,
    /// Marks our ActionIDs among those of other clients, whose `OriginateResponse` events we get too.
    prefix: heapless::String<16>,
    next: u64,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("pending", &self.pending().len()).field("next", &self.next).finish()
    }
}

impl Outbox {
    /// An empty one. `seed` makes its ActionIDs differ from those of other clients.
    pub fn new(seed: u64) -> Self {
        let mut prefix = heapless::String::new();
        let _ = write!(prefix, "ringpost-{:04x}-", seed & 0xffff); // 14 characters: always fits
        Self { bytes: Vec::new(), sent: 0, prefix, next: 1 }
    }

    /// What is to be sent.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// The first `count` bytes of [`pending`](Self::pending) were sent.
    pub fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.clear();
        }
    }

    /// Drops what was not sent: the connection is gone.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(1024);
        self.sent = 0;
    }

    /// The action of an `ActionID` that came back, if it is one of ours.
    pub fn id_of(&self, text: &[u8]) -> Option<ActionId> {
        let digits = text.strip_prefix(self.prefix.as_bytes())?;
        core::str::from_utf8(digits).ok()?.parse().ok().map(ActionId)
    }

    /// Writes an action.
    ///
    /// # Errors
    /// See [`ActionError`]; the buffer is as before then.
    pub fn write(&mut self, action: &Action<'_>) -> Result<ActionId, ActionError> {
        let before = self.bytes.len();
        let id = ActionId(self.next);
        let written = self.write_all(action, id).and_then(|()| {
            let fits = self.pending().len() <= AMI_SEND_BYTES;
            if fits { Ok(()) } else { Err(ActionError::Full) }
        });
        match written {
            Ok(()) => self.next += 1,
            Err(_) => self.bytes.truncate(before),
        }
        written.map(|()| id)
    }

    fn write_all(&mut self, action: &Action<'_>, id: ActionId) -> Result<(), ActionError> {
        self.header("Action", action.name())?;
        let mut text: heapless::String<40> = heapless::String::new();
        let _ = write!(text, "{}{}", self.prefix, id.0); // 14 + 20 characters: always fits
        self.header("ActionID", text.as_bytes())?;
        self.fields(action)?;
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn fields(&mut self, action: &Action<'_>) -> Result<(), ActionError> {
        match *action {
            Action::Challenge => self.header("AuthType", "MD5"),
            Action::Login { username, key, events } => {
                self.header("AuthType", "MD5")?;
                self.header("Username", username)?;
                self.header("Key", key.0)?;
                self.header("Events", events)
            }
            Action::Events { mask } => self.header("EventMask", mask),
            Action::Filter { pattern } => {
                self.header("Operation", "Add")?;
                self.header("Filter", pattern)
            }
            Action::SipShowPeer { name } => self.header("Peer", name),
            Action::PjsipShowEndpoint { name } => self.header("Endpoint", name),
            Action::Originate(originate) => self.originate(&originate),
            Action::Redirect { channel, context, exten } => {
                self.header("Channel", channel)?;
                self.place(context, exten)
            }
            Action::Hangup { channel, cause } => {
                self.header("Channel", channel)?;
                cause.map_or(Ok(()), |cause| self.number("Cause", cause.into()))
            }
            _ => Ok(()),
        }
    }

    fn originate(&mut self, originate: &Originate<'_>) -> Result<(), ActionError> {
        self.header("Channel", originate.channel)?;
        self.place(originate.context, originate.exten)?;
        self.number("Timeout", u64::try_from(originate.timeout.as_millis()).unwrap_or(u64::MAX))?;
        self.header("Async", "true")?;
        let optional =
            [("CallerID", originate.caller_id), ("Account", originate.account), ("ChannelId", originate.channel_id)];
        for (name, value) in optional.iter().filter(|(_, value)| !value.is_empty()) {
            self.header(name, value)?;
        }
        for (name, value) in originate.variables {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_safe) || !value.chars().all(is_safe) {
                return Err(ActionError::UnsafeVariable);
            }
            self.line("Variable", &[name.as_bytes(), b"=", value.as_bytes()])?;
        }
        Ok(())
    }

    fn place(&mut self, context: &str, exten: &str) -> Result<(), ActionError> {
        self.header("Context", context)?;
        self.header("Exten", exten)?;
        self.header("Priority", "1")
    }

    fn number(&mut self, name: &'static str, value: u64) -> Result<(), ActionError> {
        let mut text: heapless::String<20> = heapless::String::new();
        let _ = write!(text, "{value}"); // 20 digits hold any u64
        self.header(name, text.as_bytes())
    }

    fn header(&mut self, name: &'static str, value: impl AsRef<[u8]>) -> Result<(), ActionError> {
        self.line(name, &[value.as_ref()])
    }

    fn line(&mut self, name: &'static str, parts: &[&[u8]]) -> Result<(), ActionError> {
        if parts.iter().any(|part| part.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))) {
            return Err(ActionError::ControlCharacter(name));
        }
        let length = name.len() + 2 + parts.iter().map(|part| part.len()).sum::<usize>() + 2;
        if length > AMI_ACTION_LINE_BYTES {
            return Err(ActionError::LineTooLong(name));
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Action<'_> {
    /// Asterisk's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Challenge => "Challenge",
            Action::Login { .. } => "Login",
            Action::Events { .. } => "Events",
            Action::Filter { .. } => "Filter",
            Action::Ping => "Ping",
            Action::CoreSettings => "CoreSettings",
            Action::CoreStatus => "CoreStatus",
            Action::CoreShowChannels => "CoreShowChannels",
            Action::Status => "Status",
            Action::SipPeers => "SIPpeers",
            Action::IaxPeers => "IAXpeers",
            Action::PjsipShowEndpoints => "PJSIPShowEndpoints",
            Action::DahdiShowChannels => "DAHDIShowChannels",
            Action::SipShowPeer { .. } => "SIPshowpeer",
            Action::PjsipShowEndpoint { .. } => "PJSIPShowEndpoint",
            Action::ListCommands => "ListCommands",
            Action::Logoff => "Logoff",
            Action::Originate(_) => "Originate",
            Action::Redirect { .. } => "Redirect",
            Action::Hangup { .. } => "Hangup",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(0xabcd)
    }

    fn text(outbox: &Outbox) -> &str {
        core::str::from_utf8(outbox.pending()).expect("test text")
    }

    const CALL: Originate<'_> = Originate {
        channel: "PJSIP/101",
        context: "from-internal",
        exten: "89161234567",
        timeout: Duration::from_secs(25),
        caller_id: "",
        account: "",
        channel_id: "",
        variables: &[("__RINGPOST_CALL", "dial-17")],
    };

    #[test]
    fn the_login_key_is_the_one_that_asterisk_wants() {
        // `echo -n 188788592secret | md5sum`
        let key = LoginKey::new(b"188788592", &Secret::new("secret"));
        assert_eq!(core::str::from_utf8(&key.0), Ok("4bcb7412dd410c72f45800eabea42309"));
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn an_action_is_lines_and_an_empty_line() {
        let mut outbox = outbox();
        let first = outbox.write(&Action::Ping).expect("fits");
        assert_eq!(text(&outbox), "Action: Ping\r\nActionID: ringpost-abcd-1\r\n\r\n");
        assert_eq!(outbox.id_of(b"ringpost-abcd-1"), Some(first));
        for foreign in [&b"ringpost-abcd-"[..], b"ringpost-abce-1", b"1", b"", b"ringpost-abcd-1x"] {
            assert_eq!(outbox.id_of(foreign), None);
        }
        outbox.sent(10);
        assert!(text(&outbox).starts_with("ng\r\n"));
        outbox.sent(1000);
        assert_eq!(text(&outbox), "");
    }

    #[test]
    fn originate_is_asynchronous_and_says_all_that_was_asked() {
        let mut outbox = outbox();
        outbox.write(&Action::Originate(CALL)).expect("fits");
        assert_eq!(
            text(&outbox),
            "Action: Originate\r\nActionID: ringpost-abcd-1\r\nChannel: PJSIP/101\r\nContext: from-internal\r\n\
             Exten: 89161234567\r\nPriority: 1\r\nTimeout: 25000\r\nAsync: true\r\nVariable: __RINGPOST_CALL=dial-17\r\n\r\n"
        );
    }

    #[test]
    fn no_value_can_begin_a_second_action() {
        let mut outbox = outbox();
        for evil in ["1\r\nAction: Command\r\nCommand: core stop now", "1\n", "1\r", "1\0"] {
            let refused = outbox.write(&Action::Originate(Originate { exten: evil, ..CALL }));
            assert_eq!(refused, Err(ActionError::ControlCharacter("Exten")));
            let refused = outbox.write(&Action::Redirect { channel: evil.as_bytes(), context: "c", exten: "1" });
            assert_eq!(refused, Err(ActionError::ControlCharacter("Channel")));
        }
        for evil in ["a,b=c", "a|b", "a\\", "a b"] {
            let refused = outbox.write(&Action::Originate(Originate { variables: &[("X", evil)], ..CALL }));
            assert_eq!(refused, Err(ActionError::UnsafeVariable));
        }
        assert_eq!(text(&outbox), "", "nothing of a refused action is sent");
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let mut outbox = outbox();
        let longest = "x".repeat(AMI_ACTION_LINE_BYTES - "Exten: \r\n".len());
        let redirect = |exten| Action::Redirect { channel: b"SIP/1-1", context: "c", exten };
        assert!(outbox.write(&redirect(&longest)).is_ok());
        let too_long = format!("{longest}x");
        let refused = outbox.write(&redirect(&too_long));
        assert_eq!(refused, Err(ActionError::LineTooLong("Exten")));
        while outbox.write(&redirect(&longest)).is_ok() {}
        assert_eq!(outbox.write(&redirect(&longest)), Err(ActionError::Full));
        assert!(outbox.pending().len() <= AMI_SEND_BYTES && text(&outbox).ends_with("\r\n\r\n"));
    }
}
