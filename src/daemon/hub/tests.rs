//! The hub in virtual time: a PBX that says what it is told to, a real ring on a simulated medium, a mirror and a portal
//! that are as slow, late or broken as the test wants. What counts is what the portal holds at the end.

use super::*;
use crate::ami::event::{Bridge, Channel, Event};
use crate::boot::BootId;
use crate::call::classify::Contexts;
use crate::call::live::LiveCall;
use crate::call::record::{Disposition, Extension, Withheld};
use crate::clock::Wall;
use crate::config::WhenFull;
use crate::crm::{Consignment, Fate, Freshness, Lane, Outcome, Shown, UploadLink};
use crate::deliver::job::Job;
use crate::inbox::{Answer, Asked, Wish};
use crate::journal::medium::{Kind, Medium};
use crate::journal::simulated::{AtCut, SimulatedMedium};
use crate::journal::{JournalError, Recovery, Ring, Settings, retry};
use crate::limits::{AFTER_CRASH, CALLS_IN_HAND, CARD_WORTH, FRESH_CALL};
use crate::mirror::Progress;
use crate::number::rules::Rules;
use crate::number::{Country, Entry};
use crate::profile;
use core::cell::RefCell;
use core::time::Duration;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use tokio::sync::oneshot;

/// What lies between the hub and the threads that the tests play.
#[derive(Default)]
struct Outside {
    requests: VecDeque<Request>,
    jobs: VecDeque<Job>,
    mirror: Vec<u8>,
    handed_over: Vec<u8>,
    progress: Progress,
    generation: u64,
    /// The mirror does not write what it is given.
    mirror_waits: bool,
    mirror_fails: bool,
}

#[derive(Clone, Default)]
struct Desk(Rc<RefCell<Outside>>);

impl JournalDesk for Desk {
    fn request(&self, request: Request) -> Result<(), Request> {
        let mut outside = self.0.borrow_mut();
        if outside.requests.len() >= crate::limits::JOURNAL_REQUESTS {
            return Err(request);
        }
        outside.requests.push_back(request);
        Ok(())
    }
}

impl MirrorDesk for Desk {
    fn store(&mut self, content: Vec<u8>) -> u64 {
        let mut outside = self.0.borrow_mut();
        outside.generation += 1;
        outside.handed_over = content;
        outside.write_mirror();
        outside.generation
    }

    fn how_far(&self) -> Progress {
        self.0.borrow().progress
    }
}

impl LaneDesk for Desk {
    fn send(&self, job: Job) -> bool {
        self.0.borrow_mut().jobs.push_back(job);
        true
    }
}

impl Outside {
    fn write_mirror(&mut self) {
        if self.mirror_waits {
            return;
        }
        self.progress.tried = self.generation;
        self.progress.fault = self.mirror_fails.then_some(std::io::ErrorKind::StorageFull);
        if self.mirror_fails {
            self.mirror.clear();
        } else {
            self.progress.written = self.generation;
            self.mirror.clone_from(&self.handed_over);
        }
    }
}

/// What the hub asks of a port; its work is played by [`Office`].
struct PortOfTest;

impl Port for PortOfTest {
    fn name(&self) -> &'static str {
        "portal"
    }

    fn announce(&self, _: &LiveCall, _: &mut Ticket, _: &mut Shown) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn prepare(&self, _: &LiveCall, ticket: &mut Ticket) {
        ticket.user = Some(11);
    }

    fn deliver(&self, _: &CallRecord, _: &mut Ticket, _: &mut Shown, _: Freshness, _: bool, _: Stamp) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn attach(&self, _: &CallRecord, _: &Ticket, _: &Path, _: bool, _: Option<&UploadLink>) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn wants(&self, call: &CallRecord) -> bool {
        call.is_posted()
    }

    fn status_code(&self, _: &CallRecord) -> &'static str {
        "200"
    }

    fn refresh(&self) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn user_of(&self, _: &Extension) -> Option<u32> {
        Some(11)
    }
}

/// What the portal did.
#[derive(Clone, Debug, PartialEq)]
enum Done {
    Announced { id: String, ringing: usize },
    Finished(Box<CallRecord>),
}

struct Office {
    hub: Hub,
    desk: Desk,
    numbers: Rules,
    /// None: the journal is not open.
    ring: Option<Ring<SimulatedMedium>>,
    /// Its thread waits for flash.
    journal_sleeps: bool,
    portal_is_down: bool,
    /// The portal does not answer: jobs stay in flight.
    portal_is_slow: bool,
    /// It refuses the calls of these identities for ever.
    refused: Vec<&'static str>,
    boot: u64,
    now: Stamp,
    done: Vec<Done>,
}

const TAG: &str = "bitrix24:portal.example";
const TRUNK: &str = "PJSIP/trunk-1";
const PHONE: &str = "PJSIP/101-2";
const BRIDGE: Bridge<'static> = Bridge { id: b"b-1", kind: b"basic", technology: b"simple_bridge", creator: b"" };

fn channel<'a>(name: &'a str, unique: &'a str, linked: &'a str, state: u8) -> Channel<'a> {
    let is_trunk = name.contains("trunk");
    Channel {
        name: name.as_bytes(),
        unique_id: unique.as_bytes(),
        linked_id: linked.as_bytes(),
        state: Some(state),
        caller_num: if is_trunk { b"79161234567" } else { b"101" },
        context: if is_trunk { b"from-trunk" } else { b"from-internal" },
        exten: if is_trunk { b"74951110001" } else { b"" },
        ..Channel::default()
    }
}

fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
}

impl Office {
    fn new() -> Self {
        Self::with(Rules::default())
    }

    /// With rules for numbers.
    fn with(numbers: Rules) -> Self {
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
            refused: Vec::new(),
            boot: 1,
            now: begun(),
            done: Vec::new(),
        };
        office.open_journal();
        office
    }

    fn hub_of(desk: &Desk, numbers: &Rules, saved: Option<SavedImage>, now: Stamp) -> Hub {
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

    fn ring_of(medium: SimulatedMedium, boot: u64) -> Ring<SimulatedMedium> {
        let crms = [CrmTag::of(TAG)].into_iter().collect();
        Ring::open(medium, Settings { boot: BootId::from_bits(boot), crms, when_full: WhenFull::DropOldest }).0
    }

    fn open_journal(&mut self) {
        let Some(ring) = &self.ring else { return };
        let stats = Box::new(ring.stats());
        let medium = Medium { kind: Kind::Nor, filesystem: "jffs2".try_into().unwrap(), size_bytes: 1 << 20 };
        let opened = Reply::Opened { recovery: Recovery::default(), medium, first_own: ring.next_seq(), stats };
        self.hub.journal_said(opened, self.now);
    }

    /// SIGKILL, and the next process: what the threads had not done is undone for ever.
    fn kill(&mut self) {
        let saved = serde_json::from_slice(&self.desk.0.borrow().mirror).ok();
        self.start(saved, AtCut::KeepsAll);
    }

    /// The power goes and comes back.
    fn cut_power(&mut self) {
        self.boot += 1;
        self.start(None, AtCut::LosesAll);
    }

    fn start(&mut self, saved: Option<SavedImage>, at_cut: AtCut) {
        let medium = self.ring.as_ref().map(|ring| ring.storage().after_cut(at_cut));
        self.ring = medium.map(|medium| Self::ring_of(medium, self.boot));
        let mirror = self.desk.0.borrow().mirror.clone();
        self.desk = Desk::default();
        self.desk.0.borrow_mut().mirror = mirror;
        self.hub = Self::hub_of(&self.desk, &self.numbers, saved, self.now);
        self.open_journal();
    }

    /// Everything that can happen at this moment.
    fn turn(&mut self) {
        loop {
            self.hub.pump(self.now);
            let done = self.play_journal() | self.play_portal();
            if !done {
                return;
            }
        }
    }

    fn wait(&mut self, span: Duration) {
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

    fn secs(&mut self, secs: u64) {
        self.wait(Duration::from_secs(secs));
    }

    fn play_journal(&mut self) -> bool {
        if self.journal_sleeps {
            return false;
        }
        let Some(request) = self.desk.0.borrow_mut().requests.pop_front() else { return false };
        if let Some(reply) = self.answer(request) {
            self.hub.journal_said(reply, self.now);
        }
        true
    }

    fn answer(&mut self, request: Request) -> Option<Reply> {
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
            (Request::Retry { token, id }, Some(ring)) => {
                Reply::Retried { token, calls: retry(ring, id.as_deref(), now), fault: None }
            }
            _ => return None,
        })
    }

    fn play_portal(&mut self) -> bool {
        if self.portal_is_slow {
            return false;
        }
        let Some(job) = self.desk.0.borrow_mut().jobs.pop_front() else { return false };
        let report = self.work(job);
        self.hub.reported(0, report, self.now);
        true
    }

    /// The portal executes a request whose answer nobody will hear.
    fn execute_unheard(&mut self) {
        let jobs = core::mem::take(&mut self.desk.0.borrow_mut().jobs);
        for job in jobs {
            self.work(job);
        }
    }

    fn work(&mut self, job: Job) -> Report {
        let lane = job.lane();
        let down = || Outcome::Retry { after: None, why: "the portal is down".into() };
        let report = |outcome, ticket, shown| Report {
            lane,
            outcome,
            ticket,
            shown,
            together: Vec::new(),
            refresh: false,
            recording: None,
            alarm: None,
        };
        match job {
            Job::Refresh => report(Outcome::Done, Ticket::default(), Shown::default()),
            Job::Announce { ticket, shown, .. } | Job::Deliver { ticket, shown, .. } if self.portal_is_down => {
                report(down(), ticket, shown)
            }
            Job::Announce { call, mut ticket, mut shown } => {
                self.done.push(Done::Announced { id: call.id.to_string(), ringing: call.ringing.len() });
                ticket.call = crate::text::bounded(format!("call-{}", call.id).as_bytes());
                shown.0 = call.ringing.iter().map(|_| 11).take(1).collect();
                report(Outcome::Done, ticket, shown)
            }
            Job::Deliver { record, ticket, shown, .. } if self.refused.iter().any(|id| record.id == *id) => {
                report(Outcome::Refused { why: "no such type".into() }, ticket, shown)
            }
            Job::Deliver { record, ticket, in_doubt, .. } => {
                let looks = in_doubt || ticket.in_doubt;
                if !(looks && self.posted().iter().any(|posted| posted.id == record.id)) {
                    self.done.push(Done::Finished(Box::new((*record).clone())));
                }
                report(Outcome::Done, ticket, Shown::default())
            }
            Job::DeliverTogether { calls } => self.deliver_together(calls),
            Job::Attach { .. } => panic!("no recordings here"),
        }
    }

    fn deliver_together(&mut self, mut calls: Vec<Consignment>) -> Report {
        for call in &mut calls {
            if self.portal_is_down {
                break;
            }
            let looks = call.in_doubt || call.ticket.in_doubt;
            if !(looks && self.posted().iter().any(|posted| posted.id == call.record.id)) {
                self.done.push(Done::Finished(Box::new((*call.record).clone())));
            }
            call.fate = Fate::Delivered;
        }
        let down = Outcome::Retry { after: None, why: "the portal is down".into() };
        Report {
            lane: Lane::Calls,
            outcome: if self.portal_is_down { down } else { Outcome::Done },
            ticket: Ticket::default(),
            shown: Shown::default(),
            together: calls,
            refresh: false,
            recording: None,
            alarm: None,
        }
    }

    fn posted(&self) -> Vec<CallRecord> {
        let finished = self.done.iter().filter_map(|done| match done {
            Done::Finished(record) => Some((**record).clone()),
            Done::Announced { .. } => None,
        });
        finished.collect()
    }

    /// The one call that the portal holds.
    fn the_call(&self) -> CallRecord {
        let posted = self.posted();
        assert_eq!(posted.len(), 1, "{:#?}", self.done);
        posted.into_iter().next().unwrap()
    }

    fn announced(&self) -> usize {
        self.done.iter().filter(|done| matches!(done, Done::Announced { .. })).count()
    }

    fn say(&mut self, event: Event<'_>) {
        self.hub.tracker().handle(&event, self.now);
        self.hub.drain(self.now);
        self.turn();
    }

    /// The call `linked` comes in and rings at 101.
    fn ring(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        self.say(Event::NewChannel { channel: channel(TRUNK, linked, linked, 4) });
        self.say(Event::NewChannel { channel: channel(PHONE, &phone, linked, 0) });
        let (caller, dest) = (Some(channel(TRUNK, linked, linked, 4)), channel(PHONE, &phone, linked, 0));
        self.say(Event::DialBegin { caller, dest, dial_string: b"" });
        self.say(Event::NewState { channel: channel(PHONE, &phone, linked, 5) });
    }

    fn answer_call(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        let (caller, dest) = (Some(channel(TRUNK, linked, linked, 6)), Some(channel(PHONE, &phone, linked, 6)));
        self.say(Event::DialEnd { caller, dest, status: b"ANSWER", forward: b"" });
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel: channel(TRUNK, linked, linked, 6), swap: b"" });
        self.say(Event::BridgeEnter { bridge: BRIDGE, channel: channel(PHONE, &phone, linked, 6), swap: b"" });
    }

    fn hang_up(&mut self, linked: &str) {
        let phone = format!("{linked}0");
        self.say(Event::Hangup { channel: channel(PHONE, &phone, linked, 6), cause: 16 });
        self.say(Event::Hangup { channel: channel(TRUNK, linked, linked, 6), cause: 16 });
    }

    /// A whole call of `secs` of talk.
    fn call(&mut self, linked: &str, secs: u64) {
        self.ring(linked);
        self.secs(2);
        self.answer_call(linked);
        self.secs(secs);
        self.hang_up(linked);
    }

    /// The PBX's list of channels, in which this call talks or is not.
    fn list(&mut self, linked: Option<&str>) {
        self.list_in_state(linked, 6);
    }

    fn list_in_state(&mut self, linked: Option<&str>, state: u8) {
        self.hub.link_live();
        self.hub.tracker().snapshot_begin(self.now);
        if let Some(linked) = linked {
            let phone = format!("{linked}0");
            for (name, unique) in [(TRUNK, linked), (PHONE, &phone)] {
                let listed = Event::Listed {
                    action_id: b"",
                    channel: channel(name, unique, linked, state),
                    application: b"",
                    data: b"",
                    duration_secs: 1,
                    bridge: if state == 6 { b"b-1" } else { b"" },
                    bridged: b"",
                };
                self.hub.tracker().snapshot_channel(&listed, self.now);
            }
        }
        self.hub.tracker().snapshot_end(true, self.now);
        self.hub.drain(self.now);
        self.turn();
    }
}

/// Talk time in seconds, rounded.
fn talk_secs(record: &CallRecord) -> u32 {
    (record.talk_ms + 500) / 1000
}

#[test]
fn a_call_gets_a_card_while_it_rings_and_is_posted_once() {
    let mut office = Office::new();
    office.ring("1.1");
    assert_eq!(office.done, [Done::Announced { id: "office-1.1".into(), ringing: 1 }]);
    office.answer_call("1.1");
    office.secs(30);
    office.hang_up("1.1");
    office.secs(600);
    let call = office.the_call();
    assert_eq!((talk_secs(&call), call.disposition, call.gaps.is_exact()), (30, Disposition::Answered, true));
    office.kill();
    office.secs(600);
    office.the_call();
}

#[test]
fn a_kill_at_any_moment_of_a_call_leaves_one_call_with_its_talk_time() {
    // The moment of the kill, and whether the request that was under way was executed.
    for moment in 0..6 {
        for executed in [false, true] {
            let mut office = Office::new();
            office.secs(1);
            let kill = |office: &mut Office, at: u8| {
                if at == moment {
                    if executed {
                        office.execute_unheard();
                    }
                    office.kill();
                    office.portal_is_slow = false;
                    office.list_in_state((at < 3).then_some("1.1"), if at < 2 { 5 } else { 6 });
                }
            };
            office.portal_is_slow = moment == 1 || moment >= 4;
            office.ring("1.1");
            kill(&mut office, 0);
            kill(&mut office, 1);
            office.secs(2);
            office.answer_call("1.1");
            office.secs(10);
            kill(&mut office, 2);
            office.secs(10);
            office.journal_sleeps = moment == 3;
            office.hang_up("1.1");
            kill(&mut office, 3);
            office.journal_sleeps = false;
            kill(&mut office, 4);
            office.wait(Duration::from_millis(50));
            kill(&mut office, 5);
            office.secs(600);
            let call = office.the_call();
            assert!((19..=21).contains(&talk_secs(&call)), "{} s at {moment}", talk_secs(&call));
            assert_eq!(call.answered_by.as_deref(), Some("101"));
        }
    }
}

#[test]
fn a_call_whose_end_the_mirror_does_not_know_is_known_to_the_journal() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(10);
    office.desk.0.borrow_mut().mirror_waits = true;
    office.hang_up("1.1");
    office.secs(5);
    assert_eq!(office.posted().len(), 1);
    office.kill();
    office.list(None);
    office.secs(600);
    office.the_call();
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 1);
}

#[test]
fn nothing_is_announced_before_the_mirror_has_its_ticket() {
    let mut office = Office::new();
    office.secs(1);
    office.desk.0.borrow_mut().mirror_waits = true;
    office.ring("1.1");
    assert_eq!(office.announced(), 0, "a kill now would lose the ticket");
    {
        let mut outside = office.desk.0.borrow_mut();
        outside.mirror_waits = false;
        outside.write_mirror();
    }
    office.turn();
    assert_eq!(office.announced(), 1);
}

#[test]
fn a_mirror_that_cannot_be_written_costs_no_card_and_is_tried_again() {
    let mut office = Office::new();
    office.secs(1);
    office.desk.0.borrow_mut().mirror_fails = true;
    office.ring("1.1");
    assert_eq!(office.announced(), 1);
    assert!(!office.hub.is_mirrored());
    office.answer_call("1.1");
    office.secs(5);
    office.desk.0.borrow_mut().mirror_fails = false;
    office.secs(3);
    assert!(office.hub.is_mirrored());
    office.kill();
    office.list(Some("1.1"));
    office.secs(5);
    office.hang_up("1.1");
    office.secs(60);
    let call = office.the_call();
    assert!((11..=14).contains(&talk_secs(&call)), "{}", talk_secs(&call));
}

#[test]
fn an_old_failed_state_is_written_again_though_nothing_changes() {
    let mut office = Office::new();
    office.portal_is_down = true;
    office.desk.0.borrow_mut().mirror_fails = true;
    office.ring = None;
    office.call("1.1", 5);
    office.secs(10);
    office.desk.0.borrow_mut().mirror_fails = false;
    office.secs(5);
    assert!(!office.desk.0.borrow().mirror.is_empty(), "the call is in memory alone");
}

#[test]
fn a_journal_that_sleeps_holds_up_neither_cards_nor_the_next_calls_and_loses_nothing() {
    let mut office = Office::new();
    office.secs(1);
    office.journal_sleeps = true;
    office.call("1.1", 5);
    office.secs(60);
    assert!(office.posted().is_empty(), "not before it is safe");
    office.ring("2.1");
    assert_eq!(office.announced(), 3, "{:?}", office.done); // rings, is answered, the next one rings
    office.kill();
    office.journal_sleeps = false;
    office.list(None);
    office.secs(600);
    let mut ids: Vec<String> = office.posted().iter().map(|call| call.id.to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["office-1.1", "office-2.1"]);
}

#[test]
fn without_a_journal_calls_are_delivered_from_memory_and_outlive_a_kill() {
    let mut office = Office::new();
    let ring = office.ring.take();
    office.call("1.1", 5);
    office.secs(5);
    assert_eq!(office.posted().len(), 1);
    assert_eq!(office.hub.journal_report(office.now.mono).unjournalled, 1);

    office.portal_is_slow = true;
    office.call("2.1", 5);
    office.secs(5);
    office.execute_unheard();
    office.kill();
    (office.ring, office.portal_is_slow) = (ring, false);
    office.open_journal();
    office.secs(600);
    assert_eq!(office.posted().len(), 2, "{:#?}", office.done);
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 1, "the journal is back and has what waited");
}

#[test]
fn a_call_from_memory_that_a_crash_cut_off_is_looked_up_and_not_at_once() {
    let mut office = Office::new();
    office.ring = None;
    office.portal_is_slow = true;
    office.call("1.1", 5);
    office.secs(5);
    office.kill();
    office.portal_is_slow = false;
    office.secs(AFTER_CRASH.as_secs() - 2);
    assert!(office.posted().is_empty(), "the request that the crash cut off may still run");
    office.secs(600);
    office.the_call();
}

#[test]
fn a_journal_that_refuses_writes_costs_no_call() {
    let mut office = Office::new();
    office.ring.as_mut().unwrap().storage_mut().refuse_writes = Some(std::io::ErrorKind::StorageFull);
    for call in 1..=5 {
        office.call(&format!("{call}.1"), 5);
    }
    office.secs(60);
    assert_eq!(office.posted().len(), 5);
    assert_eq!(office.hub.journal_report(office.now.mono).unjournalled, 5);
}

#[test]
fn a_backlog_larger_than_the_hand_is_delivered_whole_once_and_in_order() {
    let mut office = Office::new();
    office.portal_is_down = true;
    let calls = 5 * CALLS_IN_HAND;
    for call in 0..calls {
        office.call(&format!("{}.1", 1000 + call), 2);
        office.secs(2);
    }
    assert!(office.posted().is_empty());
    office.kill();
    office.wait(FRESH_CALL + Duration::from_secs(60)); // calls of this moment go before older ones
    office.portal_is_down = false;
    office.secs(3600);
    let ids: Vec<String> = office.posted().iter().map(|call| call.id.to_string()).collect();
    let expected: Vec<String> = (0..calls).map(|call| format!("office-{}.1", 1000 + call)).collect();
    assert_eq!(ids, expected);
    assert!(office.ring.as_ref().unwrap().stats().undelivered.iter().all(|left| *left == 0));
}

#[test]
fn the_card_of_a_call_that_lives_goes_on_after_a_kill_and_with_the_same_ticket() {
    let mut office = Office::new();
    office.ring("1.1");
    office.kill();
    office.list(Some("1.1"));
    office.secs(30);
    office.hang_up("1.1");
    office.secs(60);
    office.the_call();
    assert!(office.hub.seats[0].schedule.cards().is_empty());
}

/// An image whose tracker has lost its calls, and whose cards are there.
fn orphaned(desk: &Desk, empty: &[u8]) -> SavedImage {
    let mut image: serde_json::Value = serde_json::from_slice(&desk.0.borrow().mirror).unwrap();
    let empty: serde_json::Value = serde_json::from_slice(empty).unwrap();
    image["tracker"] = empty["tracker"].clone();
    serde_json::from_value(image).unwrap()
}

#[test]
fn a_restored_card_of_a_call_that_is_no_more_is_closed_and_forgotten() {
    let mut office = Office::new();
    office.secs(2);
    let empty = office.desk.0.borrow().mirror.clone();
    office.ring("1.1");
    let saved = orphaned(&office.desk, &empty);
    office.start(Some(saved), AtCut::KeepsAll);
    office.secs(5);
    assert_eq!(office.done.last(), Some(&Done::Announced { id: "office-1.1".into(), ringing: 0 }), "closed");
    assert!(office.hub.seats[0].schedule.cards().is_empty(), "forgotten");
}

#[test]
fn it_is_forgotten_even_when_the_portal_never_answers() {
    let mut office = Office::new();
    office.secs(2);
    let empty = office.desk.0.borrow().mirror.clone();
    office.ring("1.1");
    let saved = orphaned(&office.desk, &empty);
    office.portal_is_slow = true;
    office.start(Some(saved), AtCut::KeepsAll);
    office.wait(CARD_WORTH + Duration::from_secs(5));
    assert!(office.hub.seats[0].schedule.cards().is_empty(), "cards pile up");
}

#[test]
fn a_pbx_that_is_away_for_minutes_ends_its_calls_when_it_was_last_heard() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    office.secs(300);
    assert!(office.posted().is_empty(), "it may live on");
    office.hub.tracker().pbx_restarted(office.now);
    office.hub.drain(office.now);
    office.list(None);
    office.secs(60);
    let call = office.the_call();
    assert_eq!(talk_secs(&call), 20, "the outage is no talk");
    assert!(call.gaps.link_lost && call.gaps.pbx_restarted);
}

#[test]
fn an_agent_that_is_restarted_while_the_link_is_down_adds_no_talk_time() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    for _ in 0..3 {
        office.secs(100);
        office.kill();
    }
    office.secs(100);
    office.list(None);
    office.secs(60);
    let call = office.the_call();
    assert_eq!(talk_secs(&call), 20, "nothing was heard of it since");
    assert!(!call.gaps.is_exact());
}

#[test]
fn an_agent_that_is_restarted_while_the_link_is_down_goes_on_with_a_call_that_lives() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    office.secs(30);
    office.kill();
    office.secs(30);
    office.list(Some("1.1"));
    office.secs(20);
    office.hang_up("1.1");
    office.secs(60);
    assert_eq!(talk_secs(&office.the_call()), 100);
}

#[test]
fn a_repeated_identity_is_another_call_with_a_card_of_its_own() {
    let mut office = Office::new();
    office.call("75.0", 5);
    office.secs(3600);
    office.cut_power();
    office.now = Stamp { mono: begun().mono, ..office.now }; // the same second of another boot
    office.call("75.0", 7);
    office.secs(600);
    let posted = office.posted();
    assert_eq!(posted.len(), 2, "lost: {:#?}", office.done);
    assert_eq!(posted[0].id, "office-75.0");
    assert!(posted[1].id.starts_with("office-75.0-r"), "{}", posted[1].id);
    assert_eq!(talk_secs(&posted[1]), 7);
    assert_eq!(office.hub.journal_report(office.now.mono).repeated, 0, "told when the journal is asked");
    assert_eq!(office.ring.as_ref().unwrap().stats().repeated, 1);
    assert!(office.hub.seats[0].schedule.cards().is_empty());
}

/// A call that waits, and another one to which a PBX without a clock gives the same identity, later than the tracker
/// remembers that it was given.
fn repeat_identity(office: &mut Office, again: impl FnOnce(&mut Office)) {
    office.portal_is_down = true;
    office.call("75.0", 5);
    office.secs(3600);
    let first = office.hub.seats[0].schedule.in_hand().next().unwrap().clone();
    again(office);
    let (started, ended) = (office.now, office.now);
    office.hub.finished(CallRecord { talk_ms: 7000, started, ended, ..(*first).clone() }, office.now.mono);
    office.secs(10);
}

fn both_are_posted_apart(office: &mut Office) {
    office.portal_is_down = false;
    office.secs(3600);
    let mut posted = office.posted();
    posted.sort_by_key(talk_secs);
    assert_eq!(posted.iter().map(talk_secs).collect::<Vec<_>>(), [5, 7], "{:#?}", office.done);
    assert_eq!(posted[0].id, "office-75.0");
    assert!(posted[1].id.starts_with("office-75.0-r"), "{}", posted[1].id);
}

#[test]
fn calls_of_one_identity_that_only_memory_holds_are_told_apart() {
    let mut office = Office::new();
    office.ring = None;
    repeat_identity(&mut office, |_| ());
    both_are_posted_apart(&mut office);
}

#[test]
fn both_of_them_outlive_a_kill() {
    let mut office = Office::new();
    let ring = office.ring.take();
    repeat_identity(&mut office, |_| ());
    office.kill();
    office.ring = ring;
    office.open_journal();
    both_are_posted_apart(&mut office);
    assert_eq!(office.ring.as_ref().unwrap().stats().entries, 2);
}

#[test]
fn one_that_the_journal_takes_again_is_told_apart_from_one_that_it_does_not_hold() {
    let mut office = Office::new();
    let ring = office.ring.take();
    repeat_identity(&mut office, |office| office.ring = ring);
    both_are_posted_apart(&mut office);
}

#[test]
fn one_that_the_journal_cannot_take_is_told_apart_from_its_backlog() {
    let mut office = Office::new();
    office.portal_is_down = true;
    office.call("75.0", 5);
    office.secs(3600);
    office.cut_power();
    office.ring.as_mut().unwrap().storage_mut().refuse_writes = Some(std::io::ErrorKind::ReadOnlyFilesystem);
    office.call("75.0", 7);
    office.secs(10);
    both_are_posted_apart(&mut office);
}

fn not_clients(entry: &str) -> Rules {
    let not_clients = vec![Entry::parse(entry).unwrap()];
    Rules { country: Country::of("7"), not_clients, ..Rules::default() }
}

/// The newest call in the journal: its number, why it was withheld, and how many CRMs are to get it.
fn newest(office: &Office) -> (String, Option<Withheld>, usize) {
    let history = office.ring.as_ref().unwrap().history(Seq(u64::MAX), 1);
    let item = history.first().unwrap();
    (item.call.client.to_string(), item.call.withheld, item.deliveries.len())
}

#[test]
fn a_withheld_call_is_kept_with_its_reason_and_never_posted() {
    let mut office = Office::with(not_clients("8916123*"));
    office.call("1.1", 30);
    office.secs(600);
    assert_eq!(office.done, []);
    assert_eq!(newest(&office), ("+79161234567".into(), Some(Withheld::Client), 0));
    // What was decided stands when the list is another one.
    office.numbers = Rules::default();
    for restart in [Office::kill, Office::cut_power] {
        restart(&mut office);
        office.secs(600);
        assert_eq!((office.done.len(), newest(&office).1), (0, Some(Withheld::Client)));
    }
    office.call("1.2", 30);
    office.secs(600);
    assert_eq!(newest(&office), ("79161234567".into(), None, 1));
    assert_eq!(office.the_call().id, "office-1.2");
}

#[test]
fn a_call_that_waits_to_be_posted_is_posted_though_the_list_is_another_one() {
    let mut office = Office::new();
    office.portal_is_down = true;
    office.call("1.1", 30);
    office.numbers = not_clients("*");
    office.cut_power();
    office.portal_is_down = false;
    office.secs(600);
    assert_eq!(office.the_call().client, "79161234567");
}

#[test]
fn the_card_of_a_call_that_is_withheld_later_is_closed() {
    let mut office = Office::new();
    office.ring("1.1");
    office.secs(2);
    office.numbers = not_clients("+7916*");
    office.kill();
    office.list_in_state(Some("1.1"), 5);
    office.secs(2);
    let (open, closed) = (("office-1.1".into(), 1), ("office-1.1".into(), 0));
    assert_eq!(office.done, [open, closed].map(|(id, ringing)| Done::Announced { id, ringing }));
    office.hang_up("1.1");
    office.secs(600);
    assert_eq!((office.posted().len(), newest(&office).1), (0, Some(Withheld::Client)));
}

/// Asks for refused calls to be tried again; how many the asker is told, once the journal has answered.
fn ask_for(office: &mut Office, id: Option<&str>) -> oneshot::Receiver<Answer> {
    let (answer, answered) = oneshot::channel();
    office.hub.asked(Asked { wish: Wish::Retry(id.map(str::to_owned)), answer });
    answered
}

fn ids(calls: &[CallRecord]) -> Vec<&str> {
    calls.iter().map(|call| call.id.as_str()).collect()
}

#[test]
fn a_refused_call_blocks_no_other_and_is_delivered_once_when_it_is_tried_again() {
    let mut office = Office::new();
    office.refused = vec!["office-1.1", "office-2.1"];
    for linked in ["1.1", "2.1", "3.1"] {
        office.call(linked, 30);
        office.secs(60);
    }
    assert_eq!(ids(&office.posted()), ["office-3.1"]);
    assert_eq!(office.ring.as_ref().unwrap().refused(Seq(0), 8).len(), 2);
    office.refused.clear();
    let mut answer = ask_for(&mut office, Some("office-2.1"));
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap(), Answer { calls: 1, fault: String::new() });
    assert_eq!(ids(&office.posted()), ["office-3.1", "office-2.1"]);
    let mut answer = ask_for(&mut office, None);
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap().calls, 1, "the other was delivered");
    let mut answer = ask_for(&mut office, None);
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap().calls, 0);
    assert_eq!(ids(&office.posted()), ["office-3.1", "office-2.1", "office-1.1"]);
    assert_eq!(office.ring.as_ref().unwrap().refused(Seq(0), 8), []);
    office.cut_power();
    office.secs(600);
    assert_eq!(office.posted().len(), 3);
}

#[test]
fn a_call_that_is_refused_again_is_in_the_list_again() {
    let mut office = Office::new();
    office.refused = vec!["office-1.1"];
    office.call("1.1", 30);
    office.secs(60);
    for _ in 0..3 {
        let mut answer = ask_for(&mut office, None);
        office.secs(60);
        assert_eq!(answer.try_recv().unwrap().calls, 1);
    }
    assert_eq!((office.posted().len(), office.ring.as_ref().unwrap().refused(Seq(0), 8).len()), (0, 1));
}

/// The journal's answer to an earlier question is on its way while the calls to be tried again are read from the oldest on:
/// what was delivered meanwhile must not come back with it.
#[test]
fn a_retry_at_any_moment_of_a_drain_delivers_no_call_twice() {
    for moment in 0..24 {
        let mut office = Office::new();
        office.refused = vec!["office-1.1"];
        office.call("1.1", 30);
        office.secs(60);
        office.refused.clear();
        office.portal_is_down = true;
        for call in 0..34 {
            office.call(&format!("{}.1", 10 + call), 1);
        }
        office.portal_is_down = false;
        office.hub.kick(office.now.mono);
        for _ in 0..moment {
            office.hub.pump(office.now);
            let journal_first = moment % 2 == 0;
            let _ = (journal_first && office.play_journal()) || office.play_portal() || office.play_journal();
        }
        let mut answer = ask_for(&mut office, None);
        office.secs(900);
        assert_eq!(answer.try_recv().unwrap().calls, 1);
        let posted = office.posted();
        let mut ids = ids(&posted);
        assert_eq!(ids.len(), 35, "at moment {moment}: {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 35, "at moment {moment}, one twice");
    }
}
