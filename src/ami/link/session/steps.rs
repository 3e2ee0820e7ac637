//! What is asked after the login, one thing at a time: rights, versions, filters, the mask, and the lists.
//!
//! Stands apart from the connection's states because a step needs a login and nothing else: it is queued once, asked,
//! answered, refused or given up, and the next one follows. The queue has room for each step once. What a list of
//! channels means is in `snapshot`, what one of peers means in `peers`; when a step is given up is in `time`.

use super::peers;
use super::{Pending, Session, State};
use crate::ami::action::{Action, ActionId};
use crate::ami::event::{Response, Status};
use crate::ami::filters::{EVENT_CLASSES, FIRST_FILTER};
use crate::ami::link::fault::{FaultKind, Lack};
use crate::ami::link::server::Right;
use crate::ami::link::{Output, SnapshotReason};
use crate::clock::Monotonic;
use crate::limits::{AMI_ANSWER_TIMEOUT, CHANNELS};

/// What is asked after the login, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
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
pub(super) struct Asked {
    pub(super) step: Step,
    pub(super) first: ActionId,
    pub(super) last: ActionId,
    /// Answers still to come.
    pub(super) left: usize,
    /// Items of the list so far.
    pub(super) items: usize,
    pub(super) deadline: Monotonic,
}

impl Session {
    pub(super) fn begin_steps(&mut self, now: Monotonic) {
        self.state = State::Session;
        let steps = [Step::Commands, Step::CoreStatus, Step::CoreSettings, Step::FirstFilter];
        steps.into_iter().for_each(|step| self.enqueue(step));
        self.enqueue_first_peers(now);
        self.enqueue(Step::Mask);
        self.enqueue(Step::Snapshot(SnapshotReason::Login));
        self.enqueue_peers();
        self.next_step(now);
    }

    pub(super) fn enqueue(&mut self, step: Step) {
        if !self.connection.steps.iter().any(|queued| *queued == step) {
            // A full queue has all of these steps already, or they come again by time.
            let _ = self.connection.steps.push_back(step);
        }
    }

    /// Asks the next step that there is something to ask for.
    pub(super) fn next_step(&mut self, now: Monotonic) {
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

    pub(super) fn ask_if(&mut self, right: Right, step: Step, action: &Action<'_>, now: Monotonic) {
        if self.account.may(right) != Some(false) {
            self.ask_one(step, action, now);
        }
    }

    pub(super) fn ask_one(&mut self, step: Step, action: &Action<'_>, now: Monotonic) {
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

    /// An answer with one of our ActionIDs, after the login.
    pub(super) fn answered<'a>(&mut self, id: ActionId, response: Response<'a>, now: Monotonic) -> Output<'a> {
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

    pub(super) fn await_items(&mut self, now: Monotonic) {
        if let Some(asked) = self.connection.asked {
            let deadline = self.answer_by(asked.step, now);
            self.connection.asked = Some(Asked { deadline, ..asked });
        }
    }

    /// The step that an item with this ActionID belongs to, counted in.
    pub(super) fn item_of(&mut self, action_id: &[u8], now: Monotonic) -> Option<Asked> {
        let mut asked = self.asked_as(action_id)?;
        asked.items += 1;
        asked.deadline = self.answer_by(asked.step, now);
        self.connection.asked = Some(asked);
        Some(asked)
    }

    pub(super) fn asked_as(&self, action_id: &[u8]) -> Option<Asked> {
        let id = self.outbox.id_of(action_id)?;
        self.connection.asked.filter(|asked| asked.first == id)
    }

    pub(super) fn end_list(&mut self, asked: Asked, complete: bool, now: Monotonic) {
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
}
