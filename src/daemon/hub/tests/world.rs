//! The office that the tests play in: a hub with everything around it, and its time.

use super::super::*;
use super::desks::Desk;
use super::lane::{Done, PortOfTest};
use crate::boot::BootId;
use crate::call::classify::Contexts;
use crate::clock::Wall;
use crate::config::WhenFull;
use crate::journal::simulated::{AtCut, SimulatedMedium};
use crate::journal::{JournalError, Ring, Settings};
use crate::number::rules::Rules;
use crate::profile;
use core::time::Duration;

pub(super) struct Office {
    pub(super) hub: Hub,
    pub(super) desk: Desk,
    pub(super) numbers: Rules,
    /// None: the journal is not open.
    pub(super) ring: Option<Ring<SimulatedMedium>>,
    /// Its thread waits for flash.
    pub(super) journal_sleeps: bool,
    pub(super) portal_is_down: bool,
    /// The portal does not answer: jobs stay in flight.
    pub(super) portal_is_slow: bool,
    pub(super) boot: u64,
    pub(super) now: Stamp,
    pub(super) done: Vec<Done>,
}

pub(super) const TAG: &str = "bitrix24:portal.example";

pub(super) fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

impl Office {
    pub(super) fn new() -> Self {
        Self::with(Rules::default())
    }

    /// With rules for numbers.
    pub(super) fn with(numbers: Rules) -> Self {
        let desk = Desk::default();
        let hub = Self::hub_of(&desk, &numbers, None, begun());
        let ring = Some(Self::ring_of(SimulatedMedium::new(256 * 1024), 1));
        let mut office = Self {
            hub,
            desk,
            numbers,
            ring,
            journal_sleeps: false,
            portal_is_down: false,
            portal_is_slow: false,
            boot: 1,
            now: begun(),
            done: Vec::new(),
        };
        office.open_journal();
        office
    }

    pub(super) fn hub_of(desk: &Desk, numbers: &Rules, saved: Option<SavedImage>, now: Stamp) -> Hub {
        let policy = Policy { recordings: false, recording_give_up: Duration::from_secs(3600), started: now.mono };
        let seat = Seat::new(Arc::new(PortOfTest), Box::new(desk.clone()), CrmTag::of(TAG), policy, 1);
        let tracker = TrackerConfig {
            pbx_name: "office".into(),
            contexts: Contexts::default(),
            profile: profile::AUTO,
            numbers: numbers.clone().into(),
        };
        let (journal, mirror) = (Box::new(desk.clone()), Box::new(desk.clone()));
        Hub::new(Parts { tracker, seats: vec![seat], recordings: false, journal, mirror, saved }, now)
    }

    pub(super) fn ring_of(medium: SimulatedMedium, boot: u64) -> Ring<SimulatedMedium> {
        let crms = [CrmTag::of(TAG)].into_iter().collect();
        Ring::open(medium, Settings { boot: BootId::from_bits(boot), crms, when_full: WhenFull::DropOldest }).0
    }

    pub(super) fn open_journal(&mut self) {
        let Some(ring) = &self.ring else { return };
        let stats = Box::new(ring.stats());
        let opened =
            Reply::Opened { recovery: Recovery::default(), medium: Medium::Lasting, first_own: ring.next_seq(), stats };
        self.hub.journal_said(opened, self.now);
    }

    /// SIGKILL, and the next process: what the threads had not done is undone for ever.
    pub(super) fn kill(&mut self) {
        let saved = serde_json::from_slice(&self.desk.0.borrow().mirror).ok();
        self.start(saved, AtCut::KeepsAll);
    }

    /// The power goes and comes back.
    pub(super) fn cut_power(&mut self) {
        self.boot += 1;
        self.start(None, AtCut::LosesAll);
    }

    pub(super) fn start(&mut self, saved: Option<SavedImage>, at_cut: AtCut) {
        let medium = self.ring.as_ref().map(|ring| ring.storage().after_cut(at_cut));
        self.ring = medium.map(|medium| Self::ring_of(medium, self.boot));
        let mirror = self.desk.0.borrow().mirror.clone();
        self.desk = Desk::default();
        self.desk.0.borrow_mut().mirror = mirror;
        self.hub = Self::hub_of(&self.desk, &self.numbers, saved, self.now);
        self.open_journal();
    }

    /// Everything that can happen at this moment.
    pub(super) fn turn(&mut self) {
        loop {
            self.hub.pump(self.now);
            let done = self.play_journal() | self.play_portal();
            if !done {
                return;
            }
        }
    }

    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            self.turn();
            let step = self.now.mono + Duration::from_millis(2);
            let next = self.hub.poll_timeout().map_or(end, |due| due.max(step));
            let next = next.min(end);
            let passed = next.since(self.now.mono);
            self.now.wall = Wall::from_millis(self.now.wall.as_millis() + passed.as_millis() as i64);
            self.now.mono = next;
            if next == end {
                return self.turn();
            }
        }
    }

    pub(super) fn secs(&mut self, secs: u64) {
        self.wait(Duration::from_secs(secs));
    }

    pub(super) fn play_journal(&mut self) -> bool {
        if self.journal_sleeps {
            return false;
        }
        let Some(request) = self.desk.0.borrow_mut().requests.pop_front() else { return false };
        if let Some(reply) = self.answer(request) {
            self.hub.journal_said(reply, self.now);
        }
        true
    }

    pub(super) fn answer(&mut self, request: Request) -> Option<Reply> {
        let now = self.now;
        Some(match (request, &mut self.ring) {
            (Request::Append { token, mut entry }, Some(ring)) => match ring.append(&entry, now) {
                Ok(appended) => {
                    std::sync::Arc::make_mut(&mut entry.call).id = repeated_id(&entry.call.id, appended.repeat);
                    let durable = ring.sync().is_ok();
                    Reply::Appended { token, seq: appended.seq, entry, known: appended.known, durable }
                }
                Err(why) => Reply::AppendFailed { token, entry, why },
            },
            (Request::Append { token, entry }, None) => Reply::AppendFailed { token, entry, why: JournalError::Closed },
            (Request::Mark { seq, crm, mark }, Some(ring)) => {
                ring.mark(seq, crm, mark, now);
                return None;
            }
            (Request::Pending { crm, part, after, max }, ring) => {
                let calls = ring.as_mut().map(|ring| ring.pending(crm, part, after, max)).unwrap_or_default();
                Reply::Pending { crm, part, after, calls }
            }
            _ => return None,
        })
    }
}

/// Talk time in seconds, rounded.
pub(super) fn talk_secs(record: &CallRecord) -> u32 {
    (record.talk_ms + 500) / 1000
}
