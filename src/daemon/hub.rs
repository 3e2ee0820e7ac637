//! The hub: where events of the PBX, answers of the CRMs and of the journal meet.
//!
//! Single-threaded and without I/O of its own: it hands requests to threads that do the waiting, and never waits for
//! them. Facts go tracker → journal → schedule → lane; hints go tracker → schedule → lane; marks go back to the
//! journal. Before a call is registered at a CRM its ticket is on the mirror, so that a kill at any instant is followed
//! by a look-up or by the same register, never by another call.
//!
//! Bounds: [`APPENDS_IN_FLIGHT`] calls between tracker and journal; everything else is bounded by its owner.

mod handover;
mod journal;
mod mirror;

pub use handover::Followed;

use super::clockwatch::{ClockWatch, News};
use super::desks::{JournalDesk, LaneDesk, MirrorDesk};
use super::image::SavedImage;
use crate::call::record::{CallId, CallRecord};
use crate::call::tracker::{Output, Tracker, TrackerConfig};
use crate::clock::{Monotonic, Stamp};
use crate::crm::{Port, Ticket};
use crate::deliver::job::Report;
use crate::deliver::schedule::{Policy, Schedule};
use crate::journal::record::repeated_id;
use crate::journal::thread::{Reply, Request};
use crate::journal::{Addressee, Crm, CrmTag, Entry, Part, Seq};
use crate::limits::{APPENDS_IN_FLIGHT, CLOCK_DISAGREEMENT};
use crate::log::Repeated;
use crate::status;
use journal::Account;
use mirror::Mirrored;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One configured CRM.
pub struct Seat {
    /// Its port.
    pub port: Arc<dyn Port>,
    /// Its threads.
    pub lanes: Box<dyn LaneDesk>,
    /// As the journal knows it.
    pub tag: CrmTag,
    schedule: Schedule,
    fault: Repeated,
    alarm: Repeated,
    /// Questions to the journal that are not answered yet.
    questions: u32,
    /// Calls of the journal that were settled wait again: it has to be read from its oldest, once it has answered what
    /// was asked before. An earlier answer would bring back what is settled meanwhile.
    read_anew: bool,
}

impl Seat {
    /// A CRM that nothing is due for yet.
    pub fn new(port: Arc<dyn Port>, lanes: Box<dyn LaneDesk>, tag: CrmTag, policy: Policy, seed: u64) -> Self {
        Self {
            port,
            lanes,
            tag,
            schedule: Schedule::new(policy, seed),
            fault: Repeated::default(),
            alarm: Repeated::default(),
            questions: 0,
            read_anew: false,
        }
    }

    /// What is due.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

/// A finished call on its way into the journal.
struct Append {
    /// The identity that its card goes by.
    card: CallId,
    record: Arc<CallRecord>,
    /// Its identity for the CRMs, when that is another one.
    told_as: Option<CallId>,
    tickets: Vec<(Crm, Ticket)>,
    entry: Option<Box<Entry>>,
}

/// Calls that another one must be told apart from.
#[derive(Clone, Copy)]
enum Among {
    /// All in hand.
    All,
    /// Those that the journal does not hold.
    Unjournalled,
}

/// See the module.
pub struct Hub {
    tracker: Tracker,
    seats: Vec<Seat>,
    recordings: bool,
    journal: Box<dyn JournalDesk>,
    appends: BTreeMap<u64, Append>,
    next_token: u64,
    /// How often the journal answered for a call.
    answers: u64,
    /// The same when the CRMs were told to rest.
    rest_began: Option<u64>,
    mirror: Box<dyn MirrorDesk>,
    mirror_fault: Repeated,
    mirrored: Mirrored,
    account: Account,
    resync_wanted: bool,
    /// When the PBX was last heard, while the link is down; by this process or by the one before it.
    last_heard: Option<Stamp>,
    clock: ClockWatch,
}

/// Who follows the calls.
pub enum Following {
    /// A tracker that takes up what an earlier process left, if there was one.
    Anew(TrackerConfig),
    /// What the hub before this one in the same process followed: nothing of the PBX was missed.
    On(Box<Followed>),
}

/// The parts that a hub is made of.
pub struct Parts {
    /// Who follows the calls.
    pub tracker: Following,
    /// The CRMs, in the order of the configuration.
    pub seats: Vec<Seat>,
    /// Whether recordings are attached.
    pub recordings: bool,
    /// The journal's thread.
    pub journal: Box<dyn JournalDesk>,
    /// The mirror's thread.
    pub mirror: Box<dyn MirrorDesk>,
    /// What an earlier process of this boot left on the mirror.
    pub saved: Option<SavedImage>,
}

impl Hub {
    /// A hub that goes on where an earlier process of this boot stopped, if one did.
    pub fn new(parts: Parts, now: Stamp) -> Self {
        let Parts { tracker, seats, recordings, journal, mirror, saved } = parts;
        let (saved, cards, finished) = match saved {
            Some(SavedImage { tracker, cards, finished }) => (Some(tracker), cards, finished),
            None => (None, Vec::new(), Vec::new()),
        };
        let (tracker, last_heard, resync_wanted) = match (tracker, saved) {
            (Following::On(followed), _) => (followed.tracker, followed.last_heard, followed.resync_wanted),
            (Following::Anew(config), None) => (Tracker::new(config), None, false),
            // Until the link lives nothing is known of the saved calls beyond what the earlier process heard.
            (Following::Anew(config), Some(saved)) => {
                let heard = saved.saved_at();
                (Tracker::restore(config, saved, now), Some(heard), false)
            }
        };
        let mut hub = Self {
            tracker,
            seats,
            recordings,
            journal,
            appends: BTreeMap::new(),
            next_token: 0,
            answers: 0,
            rest_began: None,
            mirror,
            mirror_fault: Repeated::default(),
            mirrored: Mirrored::nothing(),
            account: Account::since(now.mono),
            resync_wanted,
            last_heard,
            clock: ClockWatch::default(),
        };
        let records: Vec<CallId> = finished.iter().map(|image| image.record.id.clone()).collect();
        hub.restore_cards(cards, &records, now.mono);
        for image in finished {
            hub.restore_finished(image, now.mono);
        }
        hub.drain(now);
        hub
    }

    /// The tracker, to be told what the link hears. Follow each telling with [`drain`](Self::drain).
    pub fn tracker(&mut self) -> &mut Tracker {
        &mut self.tracker
    }

    /// The link was lost; the PBX was last heard at `heard`. Nothing after that is known of the calls in progress.
    pub fn link_lost(&mut self, heard: Stamp) {
        self.last_heard = Some(heard);
        self.tracker.link_lost(heard);
    }

    /// The link is in step again.
    pub fn link_live(&mut self) {
        self.last_heard = None;
    }

    /// Takes what came out of the tracker.
    pub fn drain(&mut self, now: Stamp) {
        while let Some(output) = self.tracker.poll_output() {
            match output {
                // The lists may know a call only by a number or a line that came after its card.
                Output::Live(call) if !call.is_posted() => {
                    for seat in &mut self.seats {
                        seat.schedule.dropped(&call.id, now.mono);
                    }
                }
                Output::Live(call) => {
                    for seat in &mut self.seats {
                        self.mirrored.dirty |= seat.schedule.live((*call).clone(), now.mono);
                    }
                }
                Output::Finished(record) => self.finished(*record, now.mono),
                // What a card registered of it is never finished: that would show the client a second call. Bitrix24
                // keeps an unfinished call out of its statistics and forgets it after 30 days.
                Output::Joined { absorbed, .. } => {
                    for seat in &mut self.seats {
                        seat.schedule.dropped(&absorbed, now.mono);
                    }
                }
                Output::Picked(pick) => log::info!("{pick}"),
                Output::ResyncWanted => self.resync_wanted = true,
            }
        }
    }

    /// Whether the tracker asked for the PBX's list of channels; asked once.
    pub fn take_resync_wanted(&mut self) -> bool {
        core::mem::take(&mut self.resync_wanted)
    }

    /// A lane is done with a job.
    pub fn reported(&mut self, crm: usize, report: Report, now: Stamp) {
        self.mirrored.dirty = true;
        if let Some(seat) = self.seats.get_mut(crm) {
            seat.schedule.report(report, now);
            tell_fault(seat, now.mono);
        }
    }

    /// The journal says something. Returns whether it was the answer to [`ask_stats`](Self::ask_stats).
    pub fn journal_said(&mut self, reply: Reply, now: Stamp) -> bool {
        match reply {
            Reply::Opened { recovery, medium, stats, .. } => {
                self.account.opened(recovery, medium, *stats);
                for seat in &mut self.seats {
                    seat.schedule.journal_opened();
                }
            }
            Reply::Appended { token, seq, known, entry, durable } => {
                // `tests/powercut` demands the calls that it reads this of.
                let how = if durable { "outlives the power" } else { "does not outlive the power: no sync" };
                log::debug!("call {} is journalled and {how}", entry.call.id);
                self.name_apart(token, &entry.call.id);
                self.appended(token, Some(seq), known, now.mono);
            }
            Reply::AppendFailed { token, why, .. } => {
                self.account.tell_unjournalled(&why, now.mono);
                self.appended(token, None, false, now.mono);
            }
            Reply::Pending { crm, part, calls, left_out, .. } => {
                if let Some(seat) = self.seats.get_mut(usize::from(crm.0)) {
                    seat.questions = seat.questions.saturating_sub(1);
                    if left_out && part == Part::Call {
                        seat.schedule.calls_left_out(now.mono);
                    }
                    seat.schedule.loaded(part, calls, now);
                }
            }
            Reply::Stats(stats) => {
                self.account.stats = *stats;
                return true;
            }
            Reply::Retried { token, calls, fault } => self.retried(token, calls, fault),
            Reply::Fault(fault) => self.account.tell_fault(fault),
            Reply::Full(is_full) => self.account.tell_full(is_full),
            Reply::History(_) | Reply::Closed => {}
        }
        false
    }

    /// Does what is due: mirror, jobs, marks, questions to the journal. Call it after everything that happened.
    pub fn pump(&mut self, now: Stamp) {
        self.watch_clock(now);
        self.tracker.handle_timeout(now);
        self.drain(now);
        self.prepare_cards(now.mono);
        self.write_mirror(now);
        self.release_cards();
        self.send_appends();
        for (place, seat) in (0..).zip(&mut self.seats) {
            pump_seat(seat, Crm(place), &*self.journal, now);
        }
    }

    /// When something becomes due by itself.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let schedules = self.seats.iter().filter_map(|seat| seat.schedule.poll_timeout());
        let clock = self.clock.poll_timeout();
        schedules.chain(self.tracker.poll_timeout()).chain(self.mirror_due()).chain(clock).min()
    }

    /// Everything that waits for a portal is tried now.
    pub fn kick(&mut self, now: Monotonic) {
        for seat in &mut self.seats {
            seat.schedule.kick(now);
        }
    }

    /// What is wrong with this machine's clock; empty: nothing.
    pub fn clock_fault(&self, now: Stamp) -> String {
        self.clock.fault(now)
    }

    /// A clock that was set dates calls anew, and may have been what a portal was refused for.
    fn watch_clock(&mut self, now: Stamp) {
        match self.clock.look(now) {
            Some(News::Set(step)) => {
                log::info!("the clock was set {step}; calls of this boot that wait are dated by it");
                self.ask_stats(); // the journal notes the clock with whatever it is asked
                if step.size() >= CLOCK_DISAGREEMENT {
                    self.kick(now.mono);
                }
            }
            Some(News::Unset) => log::error!("{}", self.clock.fault(now)),
            None => {}
        }
    }

    /// Asks the journal how it is; false when it is too busy to be asked.
    pub fn ask_stats(&self) -> bool {
        self.journal.request(Request::Stats).is_ok()
    }

    /// Writes the mirror for the last time and closes the journal, whose last reply is [`Reply::Closed`]. False when
    /// the journal is too busy to be told.
    pub fn close(&mut self, now: Stamp) -> bool {
        (self.mirrored.dirty, self.mirrored.is_last) = (true, true);
        self.write_mirror(now);
        self.send_appends();
        self.journal.request(Request::Close).is_ok()
    }

    /// The CRMs.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Calls in progress.
    pub fn live_calls(&self) -> usize {
        self.tracker.calls()
    }

    /// The CRMs, for the report.
    pub fn crm_reports(&self, now: Monotonic) -> Vec<status::Crm> {
        let stats = &self.account.stats;
        let left = stats.undelivered.iter().copied().zip(stats.recordings_left.iter().copied());
        let seats = self.seats.iter().zip(left.chain(core::iter::repeat((0, 0))));
        let drain = |seat: &Seat, left: u64| {
            let drain = seat.schedule.drain(now).filter(|_| left > 0)?;
            let (done, per_hour, secs_to_go) = (drain.done, drain.per_hour, drain.secs_to_go(left));
            Some(status::Drain { done, left, per_hour, secs_to_go })
        };
        let report = |(seat, (undelivered, recordings)): (&Seat, (u32, u32))| {
            let waiting = u64::from(undelivered.saturating_sub(recordings));
            status::Crm {
                name: seat.port.name().to_owned(),
                waiting,
                recordings_waiting: recordings.into(),
                drain: drain(seat, waiting),
                counters: seat.schedule.counters(),
                fault: seat.schedule.fault().unwrap_or_default().to_owned(),
                notices: seat.schedule.alarm().map(str::to_owned).into_iter().chain(seat.port.notice()).collect(),
            }
        };
        seats.map(report).collect()
    }

    /// The profile in use and whether it was picked, for the report.
    pub fn profile(&self) -> (&'static str, bool) {
        (self.tracker.profile().name, self.tracker.picked().is_some())
    }

    /// Whether calls in progress outlive the process.
    pub fn is_mirrored(&self) -> bool {
        self.mirror.how_far().fault.is_none()
    }

    fn finished(&mut self, record: CallRecord, now: Monotonic) {
        log::info!("{}", Told(&record));
        let mut tickets = Vec::new();
        for (place, seat) in (0..).zip(&mut self.seats) {
            let ticket = seat.schedule.finished(&record.id);
            if seat.port.wants(&record) {
                tickets.push((Crm(place), ticket));
            } else {
                seat.schedule.dropped(&record.id, now);
            }
        }
        self.keep(Arc::new(record), tickets, now);
    }

    /// Hands a finished call to the journal.
    fn keep(&mut self, record: Arc<CallRecord>, tickets: Vec<(Crm, Ticket)>, now: Monotonic) {
        self.mirrored.dirty = true;
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1);
        let card = record.id.clone();
        let record = self.told_apart(record, Among::Unjournalled);
        let wanted = self.recordings && !record.recordings.is_empty() && record.talk_ms > 0;
        let addressees =
            tickets.iter().map(|(crm, ticket)| Addressee { crm: *crm, ticket: ticket.clone(), recordings: wanted });
        let entry = Entry { call: Arc::clone(&record), addressees: addressees.collect() };
        let full = self.appends.len() >= APPENDS_IN_FLIGHT;
        self.appends.insert(token, Append { card, record, told_as: None, tickets, entry: Some(Box::new(entry)) });
        if full {
            self.account.tell_unjournalled(&"it does not keep up", now);
            self.appended(token, None, false, now);
        }
    }

    fn send_appends(&mut self) {
        for (token, append) in &mut self.appends {
            let Some(entry) = append.entry.take() else { continue };
            if let Err(Request::Append { entry, .. }) = self.journal.request(Request::Append { token: *token, entry }) {
                append.entry = Some(entry);
                return;
            }
        }
    }

    /// The journal had another call of this identity: the CRMs get this one under `id`.
    fn name_apart(&mut self, token: u64, id: &CallId) {
        let Some(append) = self.appends.get_mut(&token).filter(|append| append.record.id != *id) else { return };
        warn_of_repeat(&append.record.id, id);
        append.told_as = Some(id.clone());
    }

    /// The same where the journal cannot say so: it does not hold the earlier call, or did not take this one. Told
    /// apart from the calls in hand, that is from those that wait. One with the same start is this call, out of the
    /// mirror.
    fn told_apart(&self, record: Arc<CallRecord>, among: Among) -> Arc<CallRecord> {
        let in_hand = self.seats.iter().flat_map(|seat| match among {
            Among::All => Box::new(seat.schedule.in_hand()) as Box<dyn Iterator<Item = &Arc<CallRecord>>>,
            Among::Unjournalled => Box::new(seat.schedule.unjournalled().map(|(record, _)| record)),
        });
        let taken: Vec<&CallId> =
            in_hand.filter(|other| other.started != record.started).map(|other| &other.id).collect();
        if !taken.contains(&&record.id) {
            return record;
        }
        let first = record.started.mono.as_millis() as u32;
        let mut names = (0..=u32::MAX).map(|step| repeated_id(&record.id, first.wrapping_add(step)));
        let Some(id) = names.find(|id| !taken.contains(&id)) else { return record };
        warn_of_repeat(&record.id, &id);
        Arc::new(CallRecord { id, ..(*record).clone() })
    }

    fn appended(&mut self, token: u64, seq: Option<Seq>, known: bool, now: Monotonic) {
        self.mirrored.dirty = true;
        self.answers = self.answers.wrapping_add(1);
        let Some(Append { card, record, told_as, tickets, .. }) = self.appends.remove(&token) else { return };
        let record = match told_as {
            Some(id) => Arc::new(CallRecord { id, ..(*record).clone() }),
            None if seq.is_none() => self.told_apart(record, Among::All),
            None => record,
        };
        for (crm, ticket) in tickets {
            let Some(seat) = self.seats.get_mut(usize::from(crm.0)) else { continue };
            if known {
                // It is in the journal since an earlier process and comes out of it in its turn.
                seat.schedule.dropped(&card, now);
            } else {
                seat.schedule.appended_as(seq, &card, Arc::clone(&record), ticket);
            }
        }
    }
}

fn pump_seat(seat: &mut Seat, crm: Crm, journal: &dyn JournalDesk, now: Stamp) {
    let mut told = true;
    while let Some((seq, mark)) = seat.schedule.poll_mark() {
        if let Err(Request::Mark { seq, mark, .. }) = journal.request(Request::Mark { seq, crm, mark }) {
            seat.schedule.return_mark(seq, mark);
            told = false;
            break;
        }
    }
    if seat.questions == 0 && core::mem::take(&mut seat.read_anew) {
        seat.schedule.journal_opened();
    }
    // A question must not overtake a mark: the answer would bring back what is settled.
    while let Some(question) = (told && !seat.read_anew).then(|| seat.schedule.question(now.mono)).flatten() {
        let (part, after, max) = (question.part, question.after, question.max);
        if journal.request(Request::Pending { crm, part, after, max }).is_err() {
            seat.schedule.unasked(part);
            break;
        }
        seat.questions = seat.questions.saturating_add(1);
    }
    while let Some(job) = seat.schedule.poll_job(now) {
        let lane = job.lane();
        if !seat.lanes.send(job) {
            log::error!("{}: the thread for {lane:?} is gone; restart ringpost", seat.port.name());
        }
    }
}

fn warn_of_repeat(id: &CallId, told_as: &CallId) {
    log::warn!(
        "the PBX gave the identity of call {id} to an earlier call (was its clock set back?); it is posted as {told_as}"
    );
}

/// Tells a fault of a CRM, and one of the way to its recordings, once, and its end.
fn tell_fault(seat: &mut Seat, now: Monotonic) {
    let name = seat.port.name();
    let news = seat.schedule.take_news();
    let (fault, alarm) = (seat.schedule.fault(), seat.schedule.alarm());
    let tellers = [(news.fault, &mut seat.fault, fault), (news.alarm, &mut seat.alarm, alarm)];
    for (_, teller, fault) in tellers.into_iter().filter(|(is_news, ..)| *is_news) {
        if let Some(line) = fault.and_then(|fault| teller.fault(fault, now)) {
            log::warn!("{name}: {line}");
        } else if let Some(line) = fault.is_none().then(|| teller.well()).flatten() {
            log::info!("{name}: {line}");
        }
    }
}

/// One line about a finished call.
struct Told<'a>(&'a CallRecord);

impl core::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let CallRecord { id, direction, client, line, disposition, talk_ms, .. } = self.0;
        let who = self.0.talked_last.as_ref().map_or("nobody", |extension| extension.as_str());
        let client = if client.is_empty() { "hidden" } else { client.as_str() };
        write!(
            f,
            "call {id}: {direction:?} {client} line {line}, {disposition:?}, {who} talked, {} s",
            talk_ms / 1000
        )?;
        self.0.withheld.map_or(Ok(()), |why| write!(f, ", not posted: {}", why.words()))
    }
}

#[cfg(test)]
mod tests;
