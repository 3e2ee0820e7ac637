//! Deadlines of a connection, and how long nothing is tried after it failed.
//!
//! Stands apart from the packets because every wait is here but those between lists: what is due when, and what a
//! missed deadline means.

use super::steps::{Asked, Step};
use super::{Connection, Pending, Session, State};
use crate::ami::action::Action;
use crate::ami::link::SnapshotReason;
use crate::ami::link::fault::{FaultKind, LinkFault};
use crate::clock::Monotonic;
use crate::limits::{
    AMI_CONNECT_TIMEOUT, AMI_PING_INTERVAL, AMI_SILENCE_TIMEOUT, LOGIN_IN_USE_WAITS, LOGIN_REFUSED_WAITS,
    NOT_USABLE_WAITS, RECONNECT_FIRST, RECONNECT_LONGEST, RECONNECT_PROVEN,
};
use crate::text::bounded;
use core::time::Duration;

impl Session {
    /// When something is due.
    pub(in crate::ami::link) fn next_timeout(&self) -> Option<Monotonic> {
        let connection = &self.connection;
        match self.state {
            State::Waiting(until) | State::Connecting(until) => Some(until),
            State::Banner(until) => Some(until.min(connection.login_by)),
            State::Challenge(_) | State::Login(_) => Some(connection.login_by),
            State::Boot(until) => Some(until.min(connection.silence_at()).min(connection.next_ping)),
            State::Session => [
                Some(connection.silence_at()),
                Some(connection.next_ping),
                connection.asked.map(|asked| asked.deadline),
                connection.next_snapshot,
                connection.next_peers,
                connection.shutdown.map(|(_, until)| until),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Does what is due. `unfinished` is what was read of a packet that is not ended; `is_slow` that it should be.
    pub(in crate::ami::link) fn handle_timeout(&mut self, now: Monotonic, unfinished: &[u8], is_slow: bool) {
        match self.state {
            State::Waiting(until) if until <= now => {
                // The shell keeps the time-out itself; this is for one that does not come back.
                self.state = State::Connecting(now + AMI_CONNECT_TIMEOUT * 2);
                self.tell(Pending::Connect);
            }
            State::Connecting(until) if until <= now => self.fail(FaultKind::ConnectTimeout, now),
            State::Waiting(_) | State::Connecting(_) => {}
            _ if is_slow => self.fail(self.slow_fault(unfinished), now),
            State::Banner(_) | State::Challenge(_) | State::Login(_) => self.login_timeout(now, unfinished),
            State::Boot(until) => {
                if until <= now {
                    // It did not come this time: the account may have lost class system.
                    self.gets_boots = false;
                    self.begin_steps(now);
                }
                self.keep_alive(now);
            }
            State::Session => self.session_timeout(now),
        }
    }

    /// Before the login, a peer that says a long something without an end is no AMI server.
    fn slow_fault(&self, unfinished: &[u8]) -> FaultKind {
        match self.state {
            State::Banner(_) | State::Challenge(_) if self.server.banner.is_empty() => {
                FaultKind::NotAmi(bounded(unfinished))
            }
            _ => FaultKind::SlowPeer,
        }
    }

    fn login_timeout(&mut self, now: Monotonic, unfinished: &[u8]) {
        if self.connection.login_by <= now {
            let kind = match (self.connection.was_heard, self.server.banner.is_empty()) {
                (false, _) => FaultKind::Mute,
                (true, true) => FaultKind::NotAmi(bounded(unfinished)),
                (true, false) => FaultKind::LoginTimeout,
            };
            return self.fail(kind, now);
        }
        // Some servers are slow with their banner and some have none.
        if matches!(self.state, State::Banner(until) if until <= now) {
            self.challenge(now);
        }
    }

    fn session_timeout(&mut self, now: Monotonic) {
        if let Some((restart, _)) = self.connection.shutdown.filter(|(_, until)| *until <= now) {
            return self.fail(FaultKind::ShutDown { restart }, now);
        }
        self.keep_alive(now);
        if let Some(asked) = self.connection.asked.filter(|asked| asked.deadline <= now) {
            self.give_up(asked, now);
        }
        if self.connection.next_snapshot.is_some_and(|due| due <= now) {
            self.enqueue_snapshot(SnapshotReason::Periodic, now);
        }
        if self.connection.next_peers.is_some_and(|due| due <= now) {
            self.connection.next_peers = None;
            self.enqueue_peers();
            if self.connection.asked.is_none() {
                self.next_step(now);
            }
        }
    }

    /// A step was not answered in time. Without call events the connection is worth nothing; the rest can be missed.
    fn give_up(&mut self, asked: Asked, now: Monotonic) {
        match asked.step {
            Step::Mask | Step::Filters => self.fail(FaultKind::Silent, now),
            _ => self.end_list(asked, false, now),
        }
    }

    fn keep_alive(&mut self, now: Monotonic) {
        if self.state_is_down() {
            return;
        }
        if self.connection.silence_at() <= now {
            return self.fail(FaultKind::Silent, now);
        }
        if self.connection.next_ping <= now {
            self.connection.next_ping = now + AMI_PING_INTERVAL;
            if self.connection.ping.is_none() {
                self.connection.ping = self.write(&Action::Ping, now).map(|id| (id, now));
            }
        }
    }

    fn state_is_down(&self) -> bool {
        !self.is_connected()
    }

    /// The connection is of no use any more.
    pub(super) fn fail(&mut self, kind: FaultKind, now: Monotonic) {
        if core::mem::take(&mut self.connection.snapshot_is_open) {
            self.tell(Pending::SnapshotEnd(false));
        }
        if self.connection.live_since.is_some_and(|since| now.since(since) >= RECONNECT_PROVEN) {
            (self.transport_failures, self.unusable) = (0, 0);
        }
        let wait = self.wait_after(&kind);
        self.state = State::Waiting(now + wait);
        self.connection = Connection::default();
        self.outbox.clear();
        let fault = LinkFault { kind, place: self.config.place.clone(), username: self.config.username.clone() };
        self.tell(Pending::Down(fault, wait));
    }

    fn wait_after(&mut self, kind: &FaultKind) -> Duration {
        match kind {
            FaultKind::AuthenticationFailed | FaultKind::LoginRefused(_) => {
                self.refusals += 1;
                self.at_least(of(&LOGIN_REFUSED_WAITS, self.refusals))
            }
            FaultKind::AlreadyInUse => {
                self.in_use += 1;
                self.at_least(of(&LOGIN_IN_USE_WAITS, self.in_use))
            }
            FaultKind::NotAmi(_) | FaultKind::NoCallEvents => {
                self.unusable += 1;
                self.at_least(of(&NOT_USABLE_WAITS, self.unusable))
            }
            FaultKind::FiltersMute => RECONNECT_FIRST,
            _ => {
                let doubled = RECONNECT_FIRST.saturating_mul(1 << self.transport_failures.min(16));
                self.transport_failures = self.transport_failures.saturating_add(1);
                self.about(doubled.min(RECONNECT_LONGEST))
            }
        }
    }

    /// `wait`, varied by a quarter to both sides, at most [`RECONNECT_LONGEST`].
    fn about(&mut self, wait: Duration) -> Duration {
        (wait.mul_f32(0.75) + wait.mul_f32(0.5 * self.random.f32())).min(RECONNECT_LONGEST)
    }

    /// `wait` and up to a tenth more.
    fn at_least(&mut self, wait: Duration) -> Duration {
        wait + wait.mul_f32(0.1 * self.random.f32())
    }
}

impl Connection {
    /// When the connection counts as dead: nothing came, or the Ping was not answered.
    fn silence_at(&self) -> Monotonic {
        let last = self.ping.map_or(self.heard, |(_, sent)| sent.min(self.heard));
        last + AMI_SILENCE_TIMEOUT
    }
}

/// The wait after the `count`th failure in a row; the last one for all further ones.
fn of(waits: &[Duration], count: usize) -> Duration {
    waits.get(count.saturating_sub(1)).or(waits.last()).copied().unwrap_or(RECONNECT_LONGEST)
}
