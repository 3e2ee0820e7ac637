//! The lists of the PBX's peers: asked before the first call event of a process, so that its first call finds them
//! known; later once a day, and after the PBX has started.
//!
//! Stands apart from the other steps because these lists are a courtesy: a PBX that refuses them, or is slow with them,
//! must not keep calls waiting. Before the call events they have [`AMI_PEERS_FIRST`] in all; what is not told by then
//! is asked again after them. Details of single peers are asked one at a time, of [`PEER_DETAILS`] at most, and only
//! where somebody wants to read them. What a peer is taken for is `call::classify`'s judgement.

use super::steps::{Asked, Step};
use super::{Pending, Session};
use crate::ami::action::Action;
use crate::ami::event::{Purpose, Response};
use crate::ami::link::{Output, Right};
use crate::clock::Monotonic;
use crate::limits::{AMI_ANSWER_TIMEOUT, AMI_PEERS_FIRST, PEER_DETAILS, PEERS, PEERS_INTERVAL, TRUNK_BYTES};
use crate::text::{Text, bounded};

/// A peer whose details are still to be asked, and the list that it stands in.
pub(super) type Undetailed = (Right, Text<TRUNK_BYTES>);

/// The lists, in the order of asking.
const LISTS: [Right; 4] = [Right::PjsipShowEndpoints, Right::SipPeers, Right::IaxPeers, Right::DahdiShowChannels];

impl Session {
    pub(super) fn enqueue_peers(&mut self) {
        LISTS.into_iter().for_each(|list| self.enqueue(Step::Peers(list)));
        self.enqueue(Step::PeersEnd);
    }

    /// Before the call events, unless the peers are known from an earlier connection.
    pub(super) fn enqueue_first_peers(&mut self, now: Monotonic) {
        if !self.knows_peers {
            self.connection.peers_first_until = Some(now + AMI_PEERS_FIRST);
            self.enqueue_peers();
        }
    }

    pub(super) fn ask_peers(&mut self, list: Right, now: Monotonic) {
        let action = match list {
            Right::PjsipShowEndpoints => Action::PjsipShowEndpoints,
            Right::SipPeers => Action::SipPeers,
            Right::IaxPeers => Action::IaxPeers,
            _ => Action::DahdiShowChannels,
        };
        self.ask_if(list, Step::Peers(list), &action, now);
    }

    pub(super) fn ask_peer(&mut self, list: Right, now: Monotonic) {
        let Some((_, name)) = self.connection.undetailed.pop_front() else { return };
        let name = name.as_bytes();
        let action = match list {
            Right::SipPeers => Action::SipShowPeer { name },
            _ => Action::PjsipShowEndpoint { name },
        };
        self.ask_one(Step::Peer(list), &action, now);
    }

    /// The lists are read; the details of what they named are next.
    pub(super) fn end_peers(&mut self, now: Monotonic) {
        if let Some((list, _)) = self.connection.undetailed.front() {
            // There is room: this step has just left the queue, and the next one goes before it.
            let list = *list;
            let _ = self.connection.steps.push_front(Step::PeersEnd);
            return self.ask_peer(list, now);
        }
        self.knows_peers = true;
        self.connection.next_peers = Some(now + PEERS_INTERVAL);
        self.tell(Pending::PeersEnd);
    }

    /// Whether an item is handed on. Of a list at most [`PEERS`].
    pub(super) fn takes_peer(&mut self, asked: &Asked, name: &[u8]) -> bool {
        match asked.step {
            Step::Peers(list) if asked.items <= PEERS => {
                let has_details = matches!(list, Right::PjsipShowEndpoints | Right::SipPeers);
                // A cut name would ask for somebody else.
                let is_whole = name.len() <= TRUNK_BYTES && name.iter().all(u8::is_ascii_graphic);
                let has_room = self.connection.undetailed.len() < PEER_DETAILS;
                if self.config.details && has_details && is_whole && has_room {
                    self.connection.undetailed.push_back((list, bounded(name)));
                }
                true
            }
            Step::Peer(_) => true,
            _ => false,
        }
    }

    /// One refusal is enough: the others of this list would be refused as well.
    pub(super) fn undetailed_refused(&mut self, list: Right) {
        self.connection.undetailed.retain(|(of, _)| *of != list);
    }

    /// A list was not told in time. Before the call events they go first now, and all lists come after them.
    pub(super) fn peers_broke_off(&mut self, list: Right, now: Monotonic) {
        if self.connection.events_since.is_none() && self.connection.peers_first_until.take().is_some() {
            let is_of_peers = |step: &Step| matches!(step, Step::Peers(_) | Step::Peer(_) | Step::PeersEnd);
            let others: heapless::Vec<Step, { crate::limits::AMI_STEPS }> =
                self.connection.steps.iter().copied().filter(|step| !is_of_peers(step)).collect();
            self.connection.steps.clear();
            others.into_iter().for_each(|step| self.enqueue(step));
            self.enqueue(Step::Peers(list));
            self.enqueue_peers();
        }
        self.next_step(now);
    }

    /// When an answer, or the next item of a list, is given up.
    pub(super) fn answer_by(&self, step: Step, now: Monotonic) -> Monotonic {
        let usual = now + AMI_ANSWER_TIMEOUT;
        let is_early = self.connection.events_since.is_none() && matches!(step, Step::Peers(_));
        self.connection.peers_first_until.filter(|_| is_early).map_or(usual, |until| usual.min(until))
    }
}

/// What the answer to `SIPshowpeer` tells of its peer: all in one packet, where the other lists send events.
pub(super) fn told<'a>(step: Step, is_error: bool, response: &Response<'a>) -> Option<Output<'a>> {
    let Step::Peer(Right::SipPeers) = step else { return None };
    let name = response.packet.header(b"ObjectName").filter(|_| !is_error)?;
    let context = response.packet.header(b"Context").unwrap_or_default();
    Some(Output::Peer { technology: b"SIP", name, context, purpose: Purpose::Untold })
}
