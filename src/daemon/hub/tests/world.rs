//! The office that the tests play in: a hub with everything around it, and its time.

use super::super::*;
use super::desks::{Desk, LanesOf};
use super::lane::{Files, PortOfTest, Portal};
use crate::boot::BootId;
use crate::call::classify::Contexts;
use crate::clock::Wall;
use crate::config::WhenFull;
use crate::journal::medium::{Kind, Medium};
use crate::journal::simulated::{AtCut, SimulatedMedium};
use crate::journal::{JournalError, Recovery, Ring, Settings, retry};
use crate::number::rules::Rules;
use crate::profile;
use core::time::Duration;

/// How an office is set up. What is changed counts from the next start of the process on.
pub(super) struct Plan {
    pub(super) numbers: Rules,
    /// What the journal knows the CRMs by.
    pub(super) crms: Vec<&'static str>,
    pub(super) when_full: WhenFull,
    pub(super) size_kib: usize,
    /// Recordings are attached, and given up after so long.
    pub(super) recordings: Option<Duration>,
}

impl Default for Plan {
    fn default() -> Self {
        let (numbers, when_full) = (Rules::default(), WhenFull::DropOldest);
        Self { numbers, crms: vec!["bitrix24:portal.example"], when_full, size_kib: 256, recordings: None }
    }
}

pub(super) struct Office {
    pub(super) hub: Hub,
    pub(super) desk: Desk,
    pub(super) plan: Plan,
    /// None: the journal is not open.
    pub(super) ring: Option<Ring<SimulatedMedium>>,
    /// Its thread waits for flash.
    pub(super) journal_sleeps: bool,
    /// By place in the plan.
    pub(super) portals: Vec<Portal>,
    /// Recordings on the PBX's disk.
    pub(super) files: Files,
    pub(super) boot: u64,
    pub(super) now: Stamp,
    /// What a right clock would say.
    pub(super) truth: Wall,
}

pub(super) fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

/// `wall` and a while.
pub(super) fn later(wall: Wall, span: Duration) -> Wall {
    Wall::from_millis(wall.as_millis() + span.as_millis() as i64)
}

impl Office {
    pub(super) fn new() -> Self {
        Self::of(Plan::default())
    }

    /// With rules for numbers.
    pub(super) fn with(numbers: Rules) -> Self {
        Self::of(Plan { numbers, ..Plan::default() })
    }

    pub(super) fn of(plan: Plan) -> Self {
        let desk = Desk::default();
        let hub = Self::hub_of(&desk, &plan, None, begun());
        let ring = Some(Self::ring_of(SimulatedMedium::new(plan.size_kib * 1024), &plan, 1));
        let mut office = Self {
            hub,
            desk,
            portals: plan.crms.iter().map(|_| Portal::default()).collect(),
            plan,
            ring,
            journal_sleeps: false,
            files: Files::new(),
            boot: 1,
            now: begun(),
            truth: begun().wall,
        };
        office.open_journal();
        office
    }

    fn hub_of(desk: &Desk, plan: &Plan, saved: Option<SavedImage>, now: Stamp) -> Hub {
        let recordings = plan.recordings.is_some();
        let policy = Policy { recordings, recording_give_up: plan.recordings.unwrap_or_default(), started: now.mono };
        let seats = (0..).zip(&plan.crms).map(|(crm, tag)| {
            let lanes = LanesOf { desk: desk.clone(), crm };
            Seat::new(Arc::new(PortOfTest), Box::new(lanes), CrmTag::of(tag), policy, crm as u64 + 1)
        });
        let tracker = TrackerConfig {
            pbx_name: "office".into(),
            contexts: Contexts::default(),
            profile: profile::AUTO,
            numbers: plan.numbers.clone().into(),
        };
        let (journal, mirror) = (Box::new(desk.clone()), Box::new(desk.clone()));
        Hub::new(
            Parts { tracker: Following::Anew(tracker), seats: seats.collect(), recordings, journal, mirror, saved },
            now,
        )
    }

    fn ring_of(medium: SimulatedMedium, plan: &Plan, boot: u64) -> Ring<SimulatedMedium> {
        let crms = plan.crms.iter().map(|tag| CrmTag::of(tag)).collect();
        Ring::open(medium, Settings { boot: BootId::from_bits(boot), crms, when_full: plan.when_full }).0
    }

    pub(super) fn open_journal(&mut self) {
        let Some(ring) = &self.ring else { return };
        let stats = Box::new(ring.stats());
        let medium = Medium { kind: Kind::Nor, filesystem: "jffs2".try_into().unwrap(), size_bytes: 1 << 20 };
        let opened = Reply::Opened { recovery: Recovery::default(), medium, first_own: ring.next_seq(), stats };
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

    /// The same with the power away for a while: the next boot begins its monotonic clock anew, and its wall clock says
    /// `wall`.
    pub(super) fn reboot(&mut self, away: Duration, wall: Wall) {
        self.truth = later(self.truth, away);
        self.now = Stamp { mono: Monotonic::from_millis(20_000), wall };
        self.cut_power();
    }

    pub(super) fn start(&mut self, saved: Option<SavedImage>, at_cut: AtCut) {
        let medium = self.ring.as_ref().map(|ring| ring.storage().after_cut(at_cut));
        self.ring = medium.map(|medium| Self::ring_of(medium, &self.plan, self.boot));
        let mirror = self.desk.0.borrow().mirror.clone();
        self.desk = Desk::default();
        self.desk.0.borrow_mut().mirror = mirror;
        self.hub = Self::hub_of(&self.desk, &self.plan, saved, self.now);
        self.portals.iter_mut().for_each(Portal::hang_up);
        self.portals.resize_with(self.plan.crms.len(), Portal::default);
        self.open_journal();
    }

    /// The journal's part of the report, asked for as the daemon does.
    pub(super) fn journal_report(&mut self) -> crate::status::Journal {
        self.turn();
        assert!(self.hub.ask_stats());
        self.turn();
        self.hub.journal_report(self.now.mono)
    }

    /// The wall clock is set to what is true.
    pub(super) fn set_clock(&mut self) {
        self.now.wall = self.truth;
    }

    /// Time passes and nothing is done.
    pub(super) fn pass(&mut self, span: Duration) {
        self.now = Stamp { mono: self.now.mono + span, wall: later(self.now.wall, span) };
        self.truth = later(self.truth, span);
    }

    /// Everything that can happen at this moment.
    pub(super) fn turn(&mut self) {
        loop {
            self.hub.pump(self.now);
            let done = self.play_journal() | self.play_portals();
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
            let flush = self.ring.as_ref().and_then(Ring::next_flush);
            let answers = self.portals.iter().filter_map(Portal::next_due);
            let due = answers.chain(self.hub.poll_timeout()).chain(flush).min();
            let next = due.map_or(end, |due| due.max(step)).min(end);
            self.pass(next.since(self.now.mono));
            if let Some(ring) = &mut self.ring {
                let _ = ring.flush_due(self.now);
            }
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
        if let Some(ring) = &mut self.ring {
            ring.note_clock(now);
        }
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
                let left_out = ring.as_ref().is_some_and(|ring| ring.has_left_out());
                Reply::Pending { crm, part, after, calls, left_out }
            }
            (Request::Retry { token, id }, Some(ring)) => {
                Reply::Retried { token, calls: retry(ring, id.as_deref(), now), fault: None }
            }
            (Request::Stats, Some(ring)) => Reply::Stats(Box::new(ring.stats())),
            _ => return None,
        })
    }
}

/// Talk time in seconds, rounded.
pub(super) fn talk_secs(record: &CallRecord) -> u32 {
    (record.talk_ms + 500) / 1000
}
