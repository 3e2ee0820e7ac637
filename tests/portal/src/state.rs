//! The portal's memory: what there is, and what happened, under one lock.
//!
//! A pure container: it knows tables, ids, cards and subscribers, and nothing of HTTP or of the
//! rules of a method. Every change that a test may wait for ends in [`State::tell`], which feeds the
//! subscribers; the lock's owner wakes the waiters.
//!
//! Bounds: the constants of [`crate::limits`]. Logs forget their oldest entry, tables refuse.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Instant, SystemTime};

use crate::config::{Entity, User};
use crate::crm::Crm;
use crate::limits;
use crate::records::{
    Activity, Card, Event, FinishedCall, HiddenBy, Line, LiveCall, Outcome, Recording, RequestRecord,
};

/// Everything the portal holds. A test sees it in [`crate::Portal::wait_for`] and [`crate::Portal::look`].
#[derive(Debug, Default)]
pub struct State {
    pub(crate) users: Vec<User>,
    pub(crate) crm: Crm,
    pub(crate) lines: Vec<Line>,
    pub(crate) live: Vec<LiveCall>,
    pub(crate) finished: Vec<FinishedCall>,
    pub(crate) activities: Vec<Activity>,
    pub(crate) recordings: Vec<Recording>,
    cards: VecDeque<Card>,
    cards_forgotten: usize,
    /// Number of the open card of a user and a call, counted from the first card ever.
    open: HashMap<(u64, String), usize>,
    /// Places in `finished` of the missed calls of a number that nobody called back.
    missed: HashMap<String, Vec<usize>>,
    requests: VecDeque<RequestRecord>,
    requests_forgotten: u64,
    requests_seen: u64,
    last_id: u64,
    subscribers: Vec<SyncSender<Event>>,
}

impl State {
    pub(crate) fn new(users: Vec<User>, entities: Vec<Entity>) -> Self {
        let last_id = entities.iter().map(|entity| entity.id).max().unwrap_or(0).max(1000);
        Self { users, crm: Crm::new(entities), last_id, ..Self::default() }
    }

    /// The employees.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// The finished calls, oldest first.
    pub fn calls(&self) -> &[FinishedCall] {
        &self.finished
    }

    /// The calls registered and not finished, oldest first.
    pub fn live_calls(&self) -> &[LiveCall] {
        &self.live
    }

    /// The activities, oldest first.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// The recordings, oldest first. One that was replaced stays, as it stays on the portal's drive.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// The external lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The records of the CRM, those that calls created included.
    pub fn entities(&self) -> &[Entity] {
        self.crm.all()
    }

    /// The cards, oldest first.
    pub fn cards(&self) -> impl Iterator<Item = &Card> {
        self.cards.iter()
    }

    /// The cards of one call.
    pub fn cards_of<'a>(&'a self, call_id: &'a str) -> impl Iterator<Item = &'a Card> {
        self.cards.iter().filter(move |card| card.call_id == call_id)
    }

    /// The requests, and the commands of batches, in the order in which they were complete.
    pub fn requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.iter()
    }

    /// The requests and commands of one method, whose name may have any case.
    pub fn requests_of<'a>(&'a self, method: &str) -> impl Iterator<Item = &'a RequestRecord> {
        let method = method.to_ascii_lowercase();
        self.requests.iter().filter(move |request| request.method == method)
    }

    /// How many requests the log has forgotten.
    pub fn requests_forgotten(&self) -> u64 {
        self.requests_forgotten
    }

    /// The recording of a call: the one that the statistics point to.
    pub fn recording_of(&self, call_id: &str) -> Option<&Recording> {
        let file = self.finished.iter().find(|call| call.call_id() == call_id)?.recording?;
        self.recordings.iter().find(|recording| recording.file_id == file)
    }

    /// The active employee with this extension.
    pub fn user_of_extension(&self, extension: &str) -> Option<u64> {
        let mut users = self.users.iter().filter(|user| user.active);
        users.find(|user| user.extension.as_deref() == Some(extension)).map(|user| user.id)
    }

    pub(crate) fn active_user(&self, id: i64) -> Option<u64> {
        let id = u64::try_from(id).ok()?;
        self.users.iter().find(|user| user.id == id && user.active).map(|user| user.id)
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn live_call(&self, call_id: &str) -> Option<&LiveCall> {
        self.live.iter().find(|call| call.call_id == call_id)
    }

    pub(crate) fn finished_call(&mut self, call_id: &str) -> Option<&mut FinishedCall> {
        // The newest calls are the ones asked for.
        self.finished.iter_mut().rev().find(|call| call.call_id() == call_id)
    }

    pub(crate) fn add_entity(&mut self, entity: Entity) {
        self.tell(Event::Created(entity.clone()));
        self.crm.add(entity);
    }

    pub(crate) fn add_live(&mut self, call: LiveCall) {
        self.tell(Event::Registered(call.clone()));
        self.live.push(call);
    }

    pub(crate) fn add_finished(&mut self, call: FinishedCall) {
        self.live.retain(|live| live.call_id != call.registered.call_id);
        self.note_missed(&call);
        self.tell(Event::Finished(call.clone()));
        self.finished.push(call);
    }

    pub(crate) fn add_recording(&mut self, recording: Recording) {
        self.tell(Event::Recorded(recording.clone()));
        self.recordings.push(recording);
    }

    /// Puts the card of a call on an employee's screen.
    pub(crate) fn show_card(&mut self, user: u64, call_id: &str) {
        if let Some(card) = self.open_card(user, call_id) {
            card.times_shown += 1;
            let card = card.clone();
            self.tell(Event::CardShown(card));
            return;
        }
        if self.cards.len() >= limits::CARDS {
            self.forget_card();
        }
        let card = Card {
            user,
            call_id: call_id.to_owned(),
            external_call_id: self.live_call(call_id).and_then(|call| call.external_call_id.clone()),
            shown: Instant::now(),
            shown_at: SystemTime::now(),
            times_shown: 1,
            hidden: None,
            hidden_by: None,
        };
        self.tell(Event::CardShown(card.clone()));
        self.open.insert((user, call_id.to_owned()), self.cards_forgotten + self.cards.len());
        self.cards.push_back(card);
    }

    /// Takes it away, if it is there.
    pub(crate) fn hide_card(&mut self, user: u64, call_id: &str, by: HiddenBy) {
        if let Some(card) = self.open_card(user, call_id) {
            card.hidden = Some(Instant::now());
            card.hidden_by = Some(by);
            let card = card.clone();
            self.open.remove(&(user, call_id.to_owned()));
            self.tell(Event::CardHidden(card));
        }
    }

    /// Starts the log entry of a request and returns its number.
    pub(crate) fn begin_request(&mut self, mut request: RequestRecord) -> u64 {
        if self.requests.len() >= limits::REQUESTS {
            self.requests.pop_front();
            self.requests_forgotten += 1;
        }
        self.requests_seen += 1;
        request.number = self.requests_seen;
        let number = request.number;
        self.requests.push_back(request);
        number
    }

    /// Ends the log entry of a request.
    pub(crate) fn end_request(&mut self, number: u64, outcome: Outcome) {
        let Some(request) = self.requests.iter_mut().rev().find(|request| request.number == number) else { return };
        request.outcome = outcome;
        request.answered = Some(Instant::now());
        let request = request.clone();
        self.tell(Event::Request(request));
    }

    pub(crate) fn subscribe(&mut self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(limits::EVENTS);
        self.subscribers.push(sender);
        receiver
    }

    pub(crate) fn unsubscribe_all(&mut self) {
        self.subscribers.clear();
    }

    /// Hands an event to the subscribers; one who is gone is dropped, one who is slow misses it.
    pub(crate) fn tell(&mut self, event: Event) {
        self.subscribers
            .retain(|subscriber| !matches!(subscriber.try_send(event.clone()), Err(TrySendError::Disconnected(_))));
    }

    fn open_card(&mut self, user: u64, call_id: &str) -> Option<&mut Card> {
        let number = self.open.get(&(user, call_id.to_owned()))?;
        self.cards.get_mut(number - self.cards_forgotten)
    }

    fn forget_card(&mut self) {
        if let Some(card) = self.cards.pop_front() {
            self.cards_forgotten += 1;
            if card.hidden.is_none() {
                self.open.remove(&(card.user, card.call_id));
            }
        }
    }

    /// An answered outgoing call clears the missed ones of the same number, compared as text.
    fn note_missed(&mut self, call: &FinishedCall) {
        let phone = &call.registered.phone;
        if call.missed() {
            self.missed.entry(phone.clone()).or_default().push(self.finished.len());
        } else if call.status_code == "200" && call.registered.kind == 1 {
            for place in self.missed.remove(phone).unwrap_or_default() {
                if let Some(old) = self.finished.get_mut(place) {
                    old.called_back = Some(call.id);
                }
            }
        }
    }
}
