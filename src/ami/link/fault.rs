//! Why the link to the PBX is down, in words that end in a remedy.
//!
//! Stands alone because these texts are what a person sees when it does not work: each fault has one of its own, says
//! where, and holds no secret. What the peer said is quoted cut and escaped.

use crate::text::Text;
use core::fmt;
use std::io::ErrorKind;

/// What the peer said, for a fault's text. Longer ones are cut.
pub type Said = Text<64>;

/// A fault of the link and the place it happened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFault {
    /// What.
    pub kind: FaultKind,
    /// Host and port.
    pub place: String,
    /// AMI account.
    pub username: String,
}

/// What is wrong with the link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection was refused: nothing listens.
    Refused,
    /// No answer to the attempt to connect.
    ConnectTimeout,
    /// The network or the host cannot be reached.
    NoRoute,
    /// The host's name does not resolve.
    NameNotFound,
    /// Any other failure of the socket.
    Socket(ErrorKind),
    /// The peer's first line is none of AMI's.
    NotAmi(Said),
    /// Connected, but nothing was said before the login time-out.
    Mute,
    /// Closed by the peer before the login was answered.
    ClosedBeforeLogin,
    /// The login was not answered in time.
    LoginTimeout,
    /// `Authentication failed`: user, secret or address; the PBX does not tell which.
    AuthenticationFailed,
    /// `Login Already In Use`.
    AlreadyInUse,
    /// The login was refused in other words.
    LoginRefused(Said),
    /// The account gets no call events.
    NoCallEvents,
    /// Filters were accepted but let nothing pass; the next connection goes without.
    FiltersMute,
    /// A packet was begun and not ended in time.
    SlowPeer,
    /// Nothing came for too long.
    Silent,
    /// Closed by the peer in mid-session.
    Closed,
    /// The PBX said that it stops.
    ShutDown {
        /// And that it starts again at once.
        restart: bool,
    },
    /// The PBX does not take what is sent to it.
    Stuck,
}

impl FaultKind {
    /// Of a failed attempt to connect, or a failed read or write. The standard library has no kind for a name that does
    /// not resolve, only words.
    pub fn of_error(error: &std::io::Error) -> Self {
        if error.to_string().contains("failed to lookup address") {
            return Self::NameNotFound;
        }
        Self::of_socket(error.kind())
    }

    /// Of a failed attempt to connect, or a failed read or write.
    pub fn of_socket(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::ConnectTimeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::NoRoute,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => Self::Closed,
            other => Self::Socket(other),
        }
    }

    /// A short name that does not change, for `status --json` and for counting repeated faults.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect-timeout",
            Self::NoRoute => "no-route",
            Self::NameNotFound => "name-not-found",
            Self::Socket(_) => "socket",
            Self::NotAmi(_) => "not-ami",
            Self::Mute => "mute",
            Self::ClosedBeforeLogin => "closed-before-login",
            Self::LoginTimeout => "login-timeout",
            Self::AuthenticationFailed => "authentication-failed",
            Self::AlreadyInUse => "already-in-use",
            Self::LoginRefused(_) => "login-refused",
            Self::NoCallEvents => "no-call-events",
            Self::FiltersMute => "filters-mute",
            Self::SlowPeer => "slow-peer",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::ShutDown { .. } => "shut-down",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, place, username } = self;
        match kind {
            FaultKind::Refused => write!(f, "nothing listens at {place}: switch AMI on in the PBX and check the port"),
            FaultKind::ConnectTimeout => {
                write!(f, "{place} does not answer: check the address, that the PBX is on, and firewalls between")
            }
            FaultKind::NoRoute => write!(f, "there is no way to {place}: check the cable, the network and [pbx] host"),
            FaultKind::NameNotFound => {
                write!(f, "the name in {place} is not known: check [pbx] host or the DNS, or give the address itself")
            }
            FaultKind::Socket(kind) => write!(f, "the connection to {place} failed: {kind}"),
            FaultKind::NotAmi(said) => {
                let said = said.escape_debug();
                write!(
                    f,
                    "{place} is not an AMI port, it says \"{said}\": give the AMI port in [pbx] port (mostly 5038)"
                )
            }
            FaultKind::Mute => {
                write!(f, "{place} accepts the connection but says nothing: check that it is the AMI port without TLS")
            }
            FaultKind::ClosedBeforeLogin => write!(
                f,
                "the PBX at {place} closes the connection before the login: permit this host's address for AMI there"
            ),
            FaultKind::LoginTimeout => {
                write!(f, "the PBX at {place} did not answer the login in time: is it overloaded?")
            }
            FaultKind::AuthenticationFailed => write!(
                f,
                "the PBX at {place} refuses the account \"{username}\": check username, secret and permitted address \
                 there; waiting longer each time, because a PBX bans who tries too often"
            ),
            FaultKind::AlreadyInUse => write!(
                f,
                "the account \"{username}\" is in use at {place}: give ringpost an account of its own, or wait until the \
                 PBX gives up the old session"
            ),
            FaultKind::LoginRefused(said) => {
                let said = said.escape_debug();
                write!(f, "the PBX at {place} refuses the login of \"{username}\" with \"{said}\"")
            }
            FaultKind::NoCallEvents => write!(
                f,
                "the account \"{username}\" gets no call events from {place}: give it read permission for call (and \
                 system, agent, dialplan)"
            ),
            FaultKind::FiltersMute => {
                write!(f, "the event filters of {place} let no call pass: connecting again without them")
            }
            FaultKind::SlowPeer => {
                write!(f, "{place} did not end a packet in time: check the network; if it goes on, is it an AMI port?")
            }
            FaultKind::Silent => write!(f, "the PBX at {place} went silent: check the network between"),
            FaultKind::Closed => write!(f, "the PBX at {place} closed the connection"),
            FaultKind::ShutDown { restart: true } => write!(f, "the PBX at {place} restarts"),
            FaultKind::ShutDown { restart: false } => write!(f, "the PBX at {place} is being stopped"),
            FaultKind::Stuck => write!(f, "the PBX at {place} does not take what is sent to it"),
        }
    }
}

impl core::error::Error for LinkFault {}

/// Something that the account lacks, without which the link goes on with less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// Neither `CoreShowChannels` nor `Status`: calls under way at the connection are not seen, lost hangups are not
    /// found.
    ChannelList,
    /// Filters: all events come over the network and most are skipped here.
    Filters,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChannelList => {
                "the AMI account may not list channels, so calls under way at a reconnection are missed: give it write \
                 permission for reporting (or system, or call)"
            }
            Self::Filters => {
                "the PBX takes no event filters from this account, so all events come over the network: harmless on a LAN; \
                 Asterisk 10 or later and write permission for system would spare it"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_resolve_is_no_broken_socket() {
        use std::net::ToSocketAddrs;
        let error = ("name.invalid", 5038).to_socket_addrs().expect_err("reserved never to resolve");
        assert_eq!(FaultKind::of_error(&error), FaultKind::NameNotFound);
        assert_eq!(FaultKind::of_error(&ErrorKind::ConnectionRefused.into()), FaultKind::Refused);
    }

    #[test]
    fn every_fault_has_a_text_and_a_name_of_its_own() {
        let kinds = [
            FaultKind::Refused,
            FaultKind::ConnectTimeout,
            FaultKind::NoRoute,
            FaultKind::NameNotFound,
            FaultKind::Socket(ErrorKind::PermissionDenied),
            FaultKind::NotAmi(Said::new()),
            FaultKind::Mute,
            FaultKind::ClosedBeforeLogin,
            FaultKind::LoginTimeout,
            FaultKind::AuthenticationFailed,
            FaultKind::AlreadyInUse,
            FaultKind::LoginRefused(Said::new()),
            FaultKind::NoCallEvents,
            FaultKind::FiltersMute,
            FaultKind::SlowPeer,
            FaultKind::Silent,
            FaultKind::Closed,
            FaultKind::ShutDown { restart: false },
            FaultKind::Stuck,
        ];
        let mut texts = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        for kind in &kinds {
            let fault = LinkFault { kind: kind.clone(), place: "192.0.2.1:5038".into(), username: "agent".into() };
            let text = fault.to_string();
            assert!(text.contains("192.0.2.1:5038") && !text.contains('\n'), "{text}");
            texts.insert(text);
            names.insert(kind.name());
        }
        assert_eq!((texts.len(), names.len()), (kinds.len(), kinds.len()));
    }
}
