//! The state machine of a connection to the PBX: banner → challenge → login → filters → resync → live, and back.
//!
//! An engine: no socket, no clock, no thread. The shell reads into [`Link::space`], tells [`Link::filled`], drains
//! [`Link::poll`], sends [`Link::to_send`], and calls [`Link::handle_timeout`] at [`Link::poll_timeout`]. It connects
//! when told [`Output::Connect`] and drops the socket when told [`Output::Down`]; how long to wait between is decided
//! here. What it learns of the PBX ([`Server`]) and of the account ([`Account`]) outlives the connection.
//!
//! Call events are switched on only after the filters are set and the restart of the PBX is known, and the list of
//! channels is asked for right after, so that nothing falls between. Bounds: one list at a time, every wait has a
//! deadline, every list a cap; the framer and the outbox are bounded by themselves. It keeps no calls and judges none:
//! that is the tracker's work.

mod fault;
mod server;
mod session;

pub use fault::{FaultKind, Lack, LinkFault, Said};
pub use server::{Account, Right, Server, StartTime};

use super::action::{Action, ActionError, ActionId};
use super::event::{Event, Purpose};
use super::frame::{Framer, Skipped};
use crate::clock::Monotonic;
use crate::config::Secret;
use crate::limits::AMI_PACKET_TIMEOUT;
use core::time::Duration;
use session::Session;

/// What the link is told once.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Host and port, for texts.
    pub place: String,
    /// AMI account.
    pub username: String,
    /// Its secret.
    pub secret: Secret,
    /// Whether the PBX is asked to filter events at the source.
    pub filters: bool,
    /// Whether single peers are asked for their context, after the lists.
    pub details: bool,
}

/// Why the list of channels was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotReason {
    /// A connection was made.
    Login,
    /// Its time had come: lost hangups are looked for.
    Periodic,
    /// [`Link::request_snapshot`].
    Requested,
}

/// What comes out of the link. Borrows from it until the next call.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // lives on the stack for one iteration; a box would be an allocation per event
pub enum Output<'a> {
    /// A packet that concerned the link alone, or nobody. Go on draining.
    Consumed,
    /// Connect, then call [`Link::connected`] or [`Link::disconnected`].
    Connect,
    /// The connection is of no use: drop it. [`Output::Connect`] comes again after `wait`.
    Down {
        /// What was wrong.
        fault: LinkFault,
        /// How long nothing is tried.
        wait: Duration,
    },
    /// The login was accepted.
    LoggedIn(&'a Server),
    /// The PBX told its versions and start time, as far as it is permitted.
    Server(&'a Server),
    /// The PBX was started anew since it was last heard of: its calls of before are over. Comes before any event of the
    /// new run.
    Restarted,
    /// The account lacks something, and the link goes on with less. Told once per connection.
    Lacks(Lack),
    /// The list of channels was asked for.
    SnapshotBegin {
        /// Why.
        reason: SnapshotReason,
    },
    /// One [`Event::Listed`] of it.
    SnapshotChannel(Event<'a>),
    /// The list is over; not `complete` if it was refused, cut by its cap or broke off.
    SnapshotEnd {
        /// Channels that it lacks are gone.
        complete: bool,
    },
    /// A peer of the PBX: extension or trunk.
    Peer {
        /// As in channel names: `SIP`, `PJSIP`, `IAX2`, `DAHDI`.
        technology: &'a [u8],
        /// `101`.
        name: &'a [u8],
        /// Where its calls start in the dialplan; empty where that is not told.
        context: &'a [u8],
        /// What it is for, as far as the PBX says.
        purpose: Purpose,
    },
    /// All lists of peers that there are were read.
    PeersEnd,
    /// Everything was asked that is asked after a login.
    Live,
    /// A call event.
    Event(Event<'a>),
    /// The answer to an action of [`Link::act`].
    Answer {
        /// Which.
        id: ActionId,
        /// `Response: Success`.
        success: bool,
        /// `Message`.
        message: &'a [u8],
    },
}

/// What the link has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events handed out.
    pub events: u64,
    /// Packets that nobody reads.
    pub skipped: u64,
    /// Connections that got as far as an accepted login.
    pub logins: u64,
    /// Lines and packets over a cap.
    pub oversize: Skipped,
}

/// One connection to one PBX, again and again.
#[derive(Debug)]
pub struct Link {
    framer: Framer,
    session: Session,
    /// When the bytes of the last read came, and the frames handed out by then.
    last_fill: Monotonic,
    frames_at_fill: u64,
    /// When the packet that is being read was begun.
    packet_begun: Monotonic,
}

impl Link {
    /// A link that wants to connect at once. `seed` varies waits and ActionIDs from box to box.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            framer: Framer::new(),
            session: Session::new(config, seed),
            last_fill: Monotonic::default(),
            frames_at_fill: 0,
            packet_begun: Monotonic::default(),
        }
    }

    /// The PBX as far as it told.
    pub fn server(&self) -> &Server {
        self.session.server()
    }

    /// What the account may ask, and what it was seen to get.
    pub fn account(&self) -> &Account {
        self.session.account()
    }

    /// Whether the link is live: logged in, filtered, resynced.
    pub fn is_live(&self) -> bool {
        self.session.is_live()
    }

    /// What was counted since the link was made.
    pub fn counters(&self) -> Counters {
        Counters { oversize: self.framer.skipped(), ..self.session.counters() }
    }

    /// Bytes that the read buffer takes now.
    pub fn buffer_bytes(&self) -> usize {
        self.framer.buffer_bytes()
    }

    /// The socket is connected.
    pub fn connected(&mut self, now: Monotonic) {
        self.framer.restart();
        (self.last_fill, self.packet_begun, self.frames_at_fill) = (now, now, self.framer.frames());
        self.session.connected(now);
    }

    /// The attempt to connect failed, or the socket was closed or broke. Drain [`poll`](Self::poll) of what was read
    /// before. A half packet is dropped.
    pub fn disconnected(&mut self, kind: FaultKind, now: Monotonic) {
        self.session.disconnected(kind, now);
    }

    /// Room to read into; drain [`poll`](Self::poll) first.
    pub fn space(&mut self) -> &mut [u8] {
        self.framer.space()
    }

    /// The first `count` bytes of [`space`](Self::space) were read.
    pub fn filled(&mut self, count: usize, now: Monotonic) {
        if count == 0 {
            return;
        }
        self.packet_begun = if self.framer.is_within_packet() { self.unfinished_since() } else { now };
        self.framer.filled(count);
        (self.last_fill, self.frames_at_fill) = (now, self.framer.frames());
        self.session.heard(now);
    }

    /// Feeds bytes from elsewhere than a socket and says how many were taken; drain [`poll`](Self::poll) between.
    pub fn feed(&mut self, bytes: &[u8], now: Monotonic) -> usize {
        let space = self.space();
        let taken = bytes.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..taken), bytes.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.filled(taken, now);
        taken
    }

    /// The next output; none: drained.
    pub fn poll(&mut self, now: Monotonic) -> Option<Output<'_>> {
        let Self { framer, session, .. } = self;
        if let Some(pending) = session.pending() {
            return Some(pending.into_output(session.server()));
        }
        if !session.is_connected() {
            return None;
        }
        framer.next().map(|frame| session.digest(frame, now))
    }

    /// What is to be sent now.
    pub fn to_send(&self) -> &[u8] {
        self.session.to_send()
    }

    /// The first `count` bytes of [`to_send`](Self::to_send) were sent.
    pub fn sent(&mut self, count: usize) {
        self.session.sent(count);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let session = self.session.next_timeout();
        if !self.session.is_connected() || !self.framer.is_within_packet() {
            return session;
        }
        let packet = self.unfinished_since() + AMI_PACKET_TIMEOUT;
        Some(session.map_or(packet, |timeout| timeout.min(packet)))
    }

    /// Does what is due at `now`. Drain [`poll`](Self::poll) before and after.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        let is_slow = self.framer.is_within_packet() && now.since(self.unfinished_since()) >= AMI_PACKET_TIMEOUT;
        self.session.handle_timeout(now, self.framer.unfinished(), is_slow);
    }

    /// Asks for the list of channels, soon: the tracker lost something.
    pub fn request_snapshot(&mut self, now: Monotonic) {
        self.session.request_snapshot(now);
    }

    /// Writes an action; its answer comes as [`Output::Answer`].
    ///
    /// # Errors
    /// [`ActionError::NotConnected`] unless the link is logged in; otherwise what
    /// [`Outbox::write`](super::action::Outbox::write) refuses.
    pub fn act(&mut self, action: &Action<'_>) -> Result<ActionId, ActionError> {
        self.session.act(action)
    }

    /// Since when the packet in the buffer waits for its end.
    fn unfinished_since(&self) -> Monotonic {
        // Packets of the last read were handed out: what is left came with it.
        if self.framer.frames() == self.frames_at_fill { self.packet_begun } else { self.last_fill }
    }
}
