//! The inside of the link: what each packet and each timeout leads to.
//!
//! A session goes through [`State`]s up to the login and then through a queue of [`Step`]s, one asked at a time. Being
//! live only means that the queue ran empty once. Deadlines and waits are in `time`.

mod peers;
mod time;

use super::fault::{FaultKind, Lack, LinkFault, Said};
use super::server::{Account, Right, Server};
use super::{Counters, LinkConfig, Output, SnapshotReason};
use crate::ami::action::{Action, ActionError, ActionId, LoginKey, Outbox};
use crate::ami::event::{Event, Message, Response, Status};
use crate::ami::filters::{EVENT_CLASSES, FIRST_FILTER};
use crate::ami::frame::Frame;
use crate::ami::typing::message;
use crate::clock::Monotonic;
use crate::limits::{
    AMI_ANSWER_TIMEOUT, AMI_BANNER_TIMEOUT, AMI_BOOT_TIMEOUT, AMI_LOGIN_TIMEOUT, AMI_OUTPUTS, AMI_PING_INTERVAL,
    AMI_SHUTDOWN_TIMEOUT, AMI_STEPS, CHANNELS, RESYNC_INTERVAL, RESYNC_PROBE, RESYNC_SECOND,
};
use crate::text::bounded;
use core::time::Duration;
use heapless::Deque;
use std::collections::VecDeque;

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

/// What is asked after the login, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Commands,
    CoreStatus,
    CoreSettings,
    FirstFilter,
    Filters,
    /// Switches call events on.
    Mask,
    Snapshot(SnapshotReason),
    Peers(Right),
    /// The details of the next peer that waits for it.
    Peer(Right),
    PeersEnd,
}

/// A step whose answer is awaited.
#[derive(Clone, Copy, Debug)]
struct Asked {
    step: Step,
    first: ActionId,
    last: ActionId,
    /// Answers still to come.
    left: usize,
    /// Items of the list so far.
    items: usize,
    deadline: Monotonic,
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

    fn begin_steps(&mut self, now: Monotonic) {
        self.state = State::Session;
        let steps = [Step::Commands, Step::CoreStatus, Step::CoreSettings, Step::FirstFilter];
        steps.into_iter().for_each(|step| self.enqueue(step));
        self.enqueue_first_peers(now);
        self.enqueue(Step::Mask);
        self.enqueue(Step::Snapshot(SnapshotReason::Login));
        self.enqueue_peers();
        self.next_step(now);
    }

    fn enqueue(&mut self, step: Step) {
        if !self.connection.steps.iter().any(|queued| *queued == step) {
            // A full queue has all of these steps already, or they come again by time.
            let _ = self.connection.steps.push_back(step);
        }
    }

    /// Asks the next step that there is something to ask for.
    fn next_step(&mut self, now: Monotonic) {
        self.connection.asked = None;
        while self.state == State::Session && self.connection.asked.is_none() {
            let Some(step) = self.connection.steps.pop_front() else { break };
            self.ask(step, now);
        }
        let is_idle = self.state == State::Session && self.connection.asked.is_none();
        if is_idle && self.connection.live_since.is_none() {
            self.connection.live_since = Some(now);
            self.tell(Pending::Live);
        }
    }

    fn ask(&mut self, step: Step, now: Monotonic) {
        match step {
            Step::Commands => self.ask_one(step, &Action::ListCommands, now),
            Step::CoreStatus => self.ask_if(Right::CoreStatus, step, &Action::CoreStatus, now),
            Step::CoreSettings => {
                self.ask_if(Right::CoreSettings, step, &Action::CoreSettings, now);
                if self.connection.asked.is_none() {
                    self.tell(Pending::Server);
                }
            }
            Step::FirstFilter => self.ask_first_filter(now),
            Step::Filters => self.ask_filters(now),
            Step::Mask => self.ask_one(step, &Action::Events { mask: EVENT_CLASSES }, now),
            Step::Snapshot(reason) => self.ask_snapshot(reason, now),
            Step::Peers(list) => self.ask_peers(list, now),
            Step::Peer(list) => self.ask_peer(list, now),
            Step::PeersEnd => self.end_peers(now),
        }
    }

    fn ask_if(&mut self, right: Right, step: Step, action: &Action<'_>, now: Monotonic) {
        if self.account.may(right) != Some(false) {
            self.ask_one(step, action, now);
        }
    }

    fn ask_one(&mut self, step: Step, action: &Action<'_>, now: Monotonic) {
        if let Some(id) = self.write(action, now) {
            let deadline = self.answer_by(step, now);
            self.connection.asked = Some(Asked { step, first: id, last: id, left: 1, items: 0, deadline });
        }
    }

    fn ask_first_filter(&mut self, now: Monotonic) {
        if !self.config.filters || self.without_filters {
            return;
        }
        if self.account.may(Right::Filter) == Some(false) {
            return self.tell(Pending::Lacks(Lack::Filters));
        }
        self.ask_one(Step::FirstFilter, &Action::Filter { pattern: FIRST_FILTER }, now);
    }

    fn ask_filters(&mut self, now: Monotonic) {
        let mut asked: Option<Asked> = None;
        let filters = self.server.generation().filters();
        let left = filters.clone().count();
        for pattern in filters {
            let Some(id) = self.write(&Action::Filter { pattern }, now) else { return };
            let first = asked.map_or(id, |asked| asked.first);
            let deadline = now + AMI_ANSWER_TIMEOUT;
            asked = Some(Asked { step: Step::Filters, first, last: id, left, items: 0, deadline });
        }
        self.connection.asked = asked;
    }

    fn ask_snapshot(&mut self, reason: SnapshotReason, now: Monotonic) {
        let may = |right| self.account.may(right) != Some(false);
        let action = if may(Right::CoreShowChannels) && !self.connection.list_by_status {
            Action::CoreShowChannels
        } else if may(Right::Status) && !self.connection.no_list {
            self.connection.list_by_status = true;
            Action::Status
        } else {
            return self.lack_list();
        };
        self.ask_one(Step::Snapshot(reason), &action, now);
        if self.connection.asked.is_some() && !self.connection.snapshot_is_open {
            self.connection.last_snapshot = now;
            self.connection.snapshot_is_open = true;
            self.connection.unheard_channel = false;
            self.tell(Pending::SnapshotBegin(reason));
        }
    }

    fn lack_list(&mut self) {
        self.connection.next_snapshot = None;
        if !core::mem::replace(&mut self.connection.no_list, true) {
            self.tell(Pending::Lacks(Lack::ChannelList));
        }
    }

    /// An answer with one of our ActionIDs, after the login.
    fn answered<'a>(&mut self, id: ActionId, response: Response<'a>, now: Monotonic) -> Output<'a> {
        if self.connection.ping.is_some_and(|(ping, _)| ping == id) {
            self.connection.ping = None;
            return Output::Consumed;
        }
        let is_error = response.status == Status::Error;
        match self.connection.asked {
            Some(asked) if (asked.first..=asked.last).contains(&id) => {
                self.step_answered(asked, is_error, &response, now);
                peers::told(asked.step, is_error, &response).unwrap_or(Output::Consumed)
            }
            _ => Output::Answer { id, success: response.status == Status::Success, message: response.message },
        }
    }

    fn step_answered(&mut self, asked: Asked, is_error: bool, response: &Response<'_>, now: Monotonic) {
        match asked.step {
            Step::Commands if !is_error => self.account.read_commands(&response.packet),
            Step::CoreStatus if !is_error => {
                // Uptime, where there is one, is the better witness: the box's clock may have been set.
                let is_other_start = self.server.read_status(&response.packet);
                if is_other_start && !self.connection.booted {
                    self.tell(Pending::Restarted);
                }
            }
            Step::CoreSettings => {
                if !is_error {
                    self.server.read_settings(&response.packet);
                }
                self.tell(Pending::Server);
            }
            Step::FirstFilter if is_error => self.tell(Pending::Lacks(Lack::Filters)),
            Step::FirstFilter => {
                // There is room: the queue holds each step once.
                let _ = self.connection.steps.push_front(Step::Filters);
            }
            Step::Filters => return self.filter_answered(asked, is_error, now),
            Step::Mask => {
                self.connection.events_since = Some(now);
                self.connection.call_events = 0;
            }
            Step::Snapshot(reason) => return self.snapshot_answered(reason, is_error, now),
            Step::Peers(_) | Step::Peer(Right::PjsipShowEndpoints) if !is_error => return self.await_items(now),
            Step::Peer(list) if is_error => self.undetailed_refused(list),
            _ => {}
        }
        self.next_step(now);
    }

    /// With some filters set and one refused, events would be missing.
    fn filter_answered(&mut self, asked: Asked, is_error: bool, now: Monotonic) {
        if is_error {
            self.without_filters = true;
            return self.fail(FaultKind::FiltersMute, now);
        }
        if asked.left > 1 {
            self.connection.asked = Some(Asked { left: asked.left - 1, ..asked });
            return;
        }
        self.account.filters = true;
        self.next_step(now);
    }

    fn snapshot_answered(&mut self, reason: SnapshotReason, is_error: bool, now: Monotonic) {
        if !is_error {
            return self.await_items(now);
        }
        if self.connection.list_by_status {
            self.lack_list();
            return self.end_snapshot(false, now);
        }
        self.connection.list_by_status = true;
        self.connection.asked = None;
        self.ask_snapshot(reason, now);
        if self.connection.asked.is_none() {
            self.end_snapshot(false, now);
        }
    }

    fn await_items(&mut self, now: Monotonic) {
        if let Some(asked) = self.connection.asked {
            let deadline = self.answer_by(asked.step, now);
            self.connection.asked = Some(Asked { deadline, ..asked });
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

    /// The step that an item with this ActionID belongs to, counted in.
    fn item_of(&mut self, action_id: &[u8], now: Monotonic) -> Option<Asked> {
        let mut asked = self.asked_as(action_id)?;
        asked.items += 1;
        asked.deadline = self.answer_by(asked.step, now);
        self.connection.asked = Some(asked);
        Some(asked)
    }

    fn asked_as(&self, action_id: &[u8]) -> Option<Asked> {
        let id = self.outbox.id_of(action_id)?;
        self.connection.asked.filter(|asked| asked.first == id)
    }

    /// A channel that was made while call events were on must have told of itself. `Message/…` never does, and a list
    /// item without a duration proves nothing.
    fn notice_unheard(&mut self, name: &[u8], duration_secs: u32, now: Monotonic) {
        let Some(since) = self.connection.events_since else { return };
        let slack = 2;
        let was_made_since =
            duration_secs >= slack && u64::from(duration_secs) + u64::from(slack) < now.since(since).as_secs();
        if was_made_since && self.connection.call_events == 0 && !name.starts_with(b"Message/") {
            self.connection.unheard_channel = true;
        }
    }

    fn end_list(&mut self, asked: Asked, complete: bool, now: Monotonic) {
        match asked.step {
            Step::Snapshot(_) => self.end_snapshot(complete && asked.items <= CHANNELS, now),
            Step::Peers(list) if !complete => self.peers_broke_off(list, now),
            Step::Peer(_) if !complete => {
                self.connection.undetailed.clear();
                self.next_step(now);
            }
            _ => self.next_step(now),
        }
    }

    fn end_snapshot(&mut self, complete: bool, now: Monotonic) {
        if core::mem::take(&mut self.connection.snapshot_is_open) {
            self.tell(Pending::SnapshotEnd(complete));
        }
        if core::mem::take(&mut self.connection.unheard_channel) && self.connection.call_events == 0 {
            let had_filters = self.account.filters;
            self.without_filters |= had_filters;
            return self.fail(if had_filters { FaultKind::FiltersMute } else { FaultKind::NoCallEvents }, now);
        }
        let connection = &mut self.connection;
        connection.snapshots = connection.snapshots.saturating_add(1);
        connection.last_snapshot = now;
        let is_probing = self.account.filters && connection.call_events == 0;
        let wait = match connection.snapshots {
            _ if is_probing => RESYNC_PROBE,
            1 => RESYNC_SECOND,
            _ => RESYNC_INTERVAL,
        };
        connection.next_snapshot = (!connection.no_list).then_some(now + wait);
        self.next_step(now);
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

    fn enqueue_snapshot(&mut self, reason: SnapshotReason, now: Monotonic) {
        self.connection.next_snapshot = None;
        self.enqueue(Step::Snapshot(reason));
        if self.connection.asked.is_none() {
            self.next_step(now);
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
