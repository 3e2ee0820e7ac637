//! The inside of the link: what each packet and each timeout leads to.
//!
//! A session goes through [`State`]s up to the login and then through a queue of [`Step`]s, one asked at a time
//! (`steps`). Being live only means that the queue ran empty once. Deadlines and waits are in `time`, but for those of
//! the lists, which are in `snapshot` and `peers`.

mod peers;
mod snapshot;
mod steps;
mod time;

use super::fault::{FaultKind, Lack, LinkFault, Said};
use super::server::{Account, Server};
use super::{Counters, LinkConfig, Output, SnapshotReason};
use crate::ami::action::{Action, ActionError, ActionId, LoginKey, Outbox};
use crate::ami::event::{Event, Message, Response, Status};
use crate::ami::frame::Frame;
use crate::ami::typing::message;
use crate::clock::Monotonic;
use crate::limits::{
    AMI_BANNER_TIMEOUT, AMI_BOOT_TIMEOUT, AMI_LOGIN_TIMEOUT, AMI_OUTPUTS, AMI_PING_INTERVAL, AMI_SHUTDOWN_TIMEOUT,
    AMI_STEPS, CHANNELS,
};
use crate::text::bounded;
use core::time::Duration;
use heapless::Deque;
use std::collections::VecDeque;
use steps::{Asked, Step};

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not connected; [`Output::Connect`] is due at this time.
    Waiting(Monotonic),
    /// The shell connects, and has until then.
    Connecting(Monotonic),
    /// Awaiting the banner until then.
    Banner(Monotonic),
    /// Awaiting the answer to this `Challenge`.
    Challenge(ActionId),
    /// Awaiting the answer to this `Login`.
    Login(ActionId),
    /// Awaiting `FullyBooted` until then.
    Boot(Monotonic),
    /// Logged in.
    Session,
}

/// An output that borrows nothing yet.
#[derive(Debug)]
pub(super) enum Pending {
    Connect,
    Down(LinkFault, Duration),
    LoggedIn,
    Server,
    Restarted,
    Lacks(Lack),
    SnapshotBegin(SnapshotReason),
    SnapshotEnd(bool),
    PeersEnd,
    Live,
}

impl Pending {
    pub(super) fn into_output(self, server: &Server) -> Output<'_> {
        match self {
            Self::Connect => Output::Connect,
            Self::Down(fault, wait) => Output::Down { fault, wait },
            Self::LoggedIn => Output::LoggedIn(server),
            Self::Server => Output::Server(server),
            Self::Restarted => Output::Restarted,
            Self::Lacks(lack) => Output::Lacks(lack),
            Self::SnapshotBegin(reason) => Output::SnapshotBegin { reason },
            Self::SnapshotEnd(complete) => Output::SnapshotEnd { complete },
            Self::PeersEnd => Output::PeersEnd,
            Self::Live => Output::Live,
        }
    }
}

/// What ends with the connection.
#[derive(Debug, Default)]
struct Connection {
    /// When the login must be done.
    login_by: Monotonic,
    /// The last byte came.
    heard: Monotonic,
    /// Any byte came at all.
    was_heard: bool,
    steps: Deque<Step, AMI_STEPS>,
    asked: Option<Asked>,
    /// The unanswered Ping and when it was sent.
    ping: Option<(ActionId, Monotonic)>,
    next_ping: Monotonic,
    /// `FullyBooted` came.
    booted: bool,
    live_since: Option<Monotonic>,
    /// Call events are on since then.
    events_since: Option<Monotonic>,
    /// Call events that came.
    call_events: u64,
    /// A list named a channel made while call events were on, and none had come.
    unheard_channel: bool,
    snapshot_is_open: bool,
    snapshots: u32,
    last_snapshot: Monotonic,
    next_snapshot: Option<Monotonic>,
    next_peers: Option<Monotonic>,
    /// Peers whose details are still to be asked.
    undetailed: VecDeque<peers::Undetailed>,
    /// Until then the lists of peers may keep call events waiting.
    peers_first_until: Option<Monotonic>,
    /// Channels are listed by `Status`, as `CoreShowChannels` was refused.
    list_by_status: bool,
    /// Neither list is permitted.
    no_list: bool,
    /// `Shutdown` came; with its `Restart`, and when the connection is dropped at last.
    shutdown: Option<(bool, Monotonic)>,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Session {
    config: LinkConfig,
    random: fastrand::Rng,
    outbox: Outbox,
    state: State,
    connection: Connection,
    pending: Deque<Pending, AMI_OUTPUTS>,
    server: Server,
    account: Account,
    counters: Counters,
    /// The PBX was last heard of, in any connection that was logged in, and the same before this connection.
    last_heard: Option<Monotonic>,
    heard_before: Option<Monotonic>,
    /// The account was seen to get `FullyBooted`, so it is worth waiting for.
    gets_boots: bool,
    /// The lists of peers were read, in this connection or an earlier one.
    knows_peers: bool,
    /// Filters were tried and let nothing pass.
    without_filters: bool,
    /// Failures in a row of each sort.
    transport_failures: u32,
    refusals: usize,
    in_use: usize,
    unusable: usize,
}

impl Session {
    pub(super) fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: fastrand::Rng::with_seed(seed),
            outbox: Outbox::new(seed),
            state: State::Waiting(Monotonic::default()),
            connection: Connection::default(),
            pending: Deque::new(),
            server: Server::default(),
            account: Account::default(),
            counters: Counters::default(),
            last_heard: None,
            heard_before: None,
            gets_boots: false,
            knows_peers: false,
            without_filters: false,
            transport_failures: 0,
            refusals: 0,
            in_use: 0,
            unusable: 0,
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn is_live(&self) -> bool {
        self.connection.live_since.is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        !matches!(self.state, State::Waiting(_) | State::Connecting(_))
    }

    pub(super) fn pending(&mut self) -> Option<Pending> {
        self.pending.pop_front()
    }

    pub(super) fn to_send(&self) -> &[u8] {
        self.outbox.pending()
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.outbox.sent(count);
    }

    pub(super) fn act(&mut self, action: &Action<'_>) -> Result<ActionId, ActionError> {
        if self.state != State::Session {
            return Err(ActionError::NotConnected);
        }
        self.outbox.write(action)
    }

    pub(super) fn heard(&mut self, now: Monotonic) {
        self.connection.heard = now;
        self.connection.was_heard = true;
        if matches!(self.state, State::Session | State::Boot(_)) {
            self.last_heard = Some(now);
        }
    }

    pub(super) fn connected(&mut self, now: Monotonic) {
        self.outbox.clear();
        self.server.forget_connection();
        self.account = Account::default();
        self.heard_before = self.last_heard;
        self.connection = Connection { login_by: now + AMI_LOGIN_TIMEOUT, heard: now, ..Connection::default() };
        self.state = State::Banner(now + AMI_BANNER_TIMEOUT);
    }

    pub(super) fn disconnected(&mut self, kind: FaultKind, now: Monotonic) {
        let kind = match (kind, self.state, self.connection.shutdown) {
            (_, State::Waiting(_), _) => return,
            (FaultKind::Closed, State::Session | State::Boot(_), Some((restart, _))) => FaultKind::ShutDown { restart },
            (FaultKind::Closed, State::Banner(_) | State::Challenge(_) | State::Login(_), _) => {
                FaultKind::ClosedBeforeLogin
            }
            (kind, ..) => kind,
        };
        self.fail(kind, now);
    }

    /// One frame of the peer.
    pub(super) fn digest<'a>(&mut self, frame: Frame<'a>, now: Monotonic) -> Output<'a> {
        match frame {
            Frame::Banner(line) => self.banner(line, now),
            Frame::Output(_) => Output::Consumed,
            Frame::Packet(packet) => match message(packet) {
                Message::Event(event) => self.event(event, now),
                Message::Response(response) => self.response(response, now),
                Message::Skipped(_) => {
                    self.counters.skipped += 1;
                    Output::Consumed
                }
            },
        }
    }

    fn banner(&mut self, line: &[u8], now: Monotonic) -> Output<'static> {
        if !self.server.read_banner(line) {
            self.fail(FaultKind::NotAmi(bounded(line)), now);
        } else if matches!(self.state, State::Banner(_)) {
            self.challenge(now);
        }
        Output::Consumed
    }

    fn challenge(&mut self, now: Monotonic) {
        if let Some(id) = self.write(&Action::Challenge, now) {
            self.state = State::Challenge(id);
        }
    }

    fn response<'a>(&mut self, response: Response<'a>, now: Monotonic) -> Output<'a> {
        let id = self.outbox.id_of(response.action_id);
        match (self.state, id) {
            // A server that does not send the ActionID back can still be answering nothing else.
            (State::Challenge(asked), id) if id.is_none_or(|id| id == asked) => self.challenged(&response, now),
            (State::Login(asked), id) if id.is_none_or(|id| id == asked) => self.login_answered(&response, now),
            (_, Some(id)) => return self.answered(id, response, now),
            (_, None) => self.counters.skipped += 1,
        }
        Output::Consumed
    }

    fn challenged(&mut self, response: &Response<'_>, now: Monotonic) {
        let challenge = response.packet.header(b"Challenge").unwrap_or_default();
        if response.status != Status::Success || challenge.is_empty() {
            return self.fail(refusal(response.message), now);
        }
        let username = core::mem::take(&mut self.config.username);
        let key = LoginKey::new(challenge, &self.config.secret);
        // Only system events for now: nothing about calls may come before the filters and the restart are known.
        let id = self.write(&Action::Login { username: &username, key, events: "system" }, now);
        self.config.username = username;
        if let Some(id) = id {
            self.state = State::Login(id);
        }
    }

    fn login_answered(&mut self, response: &Response<'_>, now: Monotonic) {
        if response.status != Status::Success {
            return self.fail(refusal(response.message), now);
        }
        (self.refusals, self.in_use) = (0, 0);
        self.counters.logins += 1;
        self.connection.next_ping = now + AMI_PING_INTERVAL;
        self.tell(Pending::LoggedIn);
        if self.gets_boots {
            self.state = State::Boot(now + AMI_BOOT_TIMEOUT);
        } else {
            self.begin_steps(now);
        }
    }

    fn event<'a>(&mut self, event: Event<'a>, now: Monotonic) -> Output<'a> {
        self.account.saw(&event);
        match event {
            Event::Listed { action_id, channel, duration_secs, .. } => {
                let Some(Asked { step: Step::Snapshot(_), items, .. }) = self.item_of(action_id, now) else {
                    return Output::Consumed;
                };
                if items > CHANNELS {
                    return Output::Consumed;
                }
                self.notice_unheard(channel.name, duration_secs, now);
                Output::SnapshotChannel(event)
            }
            Event::Peer { action_id, technology, name, context, purpose } => match self.item_of(action_id, now) {
                Some(asked) if self.takes_peer(&asked, name) => Output::Peer { technology, name, context, purpose },
                _ => Output::Consumed,
            },
            Event::ListComplete { action_id } => {
                if let Some(asked) = self.asked_as(action_id) {
                    self.end_list(asked, true, now);
                }
                Output::Consumed
            }
            Event::FullyBooted { uptime_secs } => {
                self.fully_booted(uptime_secs, now);
                Output::Consumed
            }
            Event::Shutdown { restart } => {
                self.connection.shutdown = Some((restart, now + AMI_SHUTDOWN_TIMEOUT));
                Output::Event(event)
            }
            _ => {
                self.connection.call_events += 1;
                self.counters.events += 1;
                Output::Event(event)
            }
        }
    }

    /// Comes right after the login, or later if the PBX is still starting.
    fn fully_booted(&mut self, uptime_secs: Option<u64>, now: Monotonic) {
        self.gets_boots = true;
        if let Some(secs) = uptime_secs.filter(|_| !self.connection.booted) {
            self.connection.booted = true;
            if self.server.read_uptime(secs, now, self.heard_before) {
                self.tell(Pending::Restarted);
            }
        }
        match self.state {
            State::Boot(_) => self.begin_steps(now),
            State::Session if self.is_live() => {
                self.enqueue_snapshot(SnapshotReason::Requested, now);
                self.enqueue_peers();
            }
            _ => {}
        }
    }

    /// Writes an action of the link's own. A full outbox means that the PBX has not read for long.
    fn write(&mut self, action: &Action<'_>, now: Monotonic) -> Option<ActionId> {
        let written = self.outbox.write(action);
        match written {
            Ok(_) => {}
            Err(ActionError::Full) => self.fail(FaultKind::Stuck, now),
            Err(error) => self.fail(FaultKind::LoginRefused(said(&error)), now),
        }
        written.ok()
    }

    fn tell(&mut self, pending: Pending) {
        // The queue is drained before each packet and each timeout, and none of these makes as many.
        let _ = self.pending.push_back(pending);
    }
}

/// Which fault the words of a refused login mean.
fn refusal(message: &[u8]) -> FaultKind {
    let has = |words: &[u8]| message.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words));
    if has(b"Authentication failed") {
        FaultKind::AuthenticationFailed
    } else if has(b"Already In Use") {
        FaultKind::AlreadyInUse
    } else {
        FaultKind::LoginRefused(bounded(message))
    }
}

fn said(error: &ActionError) -> Said {
    bounded(error.to_string().as_bytes())
}
