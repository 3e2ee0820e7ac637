//! A model of the journal, shared by its tests and its fuzz target: an office that journals calls and marks them, while
//! its power is cut. After each cut the ring is compared with what must, may and must not be there:
//!
//! - a synced, undelivered call is there, unless it was dropped because the ring was full, which is counted;
//! - what was marked and synced stays marked, as long as the ring had the call; what was marked since may be either;
//! - every call there is one that was handed over, unchanged, and no call is there twice;
//! - a call that is handed over again is known again, and another one of its identity is not, but gets one of its own;
//! - what is handed out as pending is exactly what is not marked, oldest first.
#![allow(dead_code)] // not every target that shares this file needs all of it
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test that panics has found something

mod calls;

pub use calls::*;

use ringpost::call::record::{CallId, CallRecord};
use ringpost::clock::Stamp;
use ringpost::config::WhenFull;
use ringpost::journal::record::repeated_id;
use ringpost::journal::simulated::{AtCut, SimulatedMedium};
use ringpost::journal::{Crm, Entry, JournalError, Mark, Part, Recovery, Ring, Seq, Settings, State};
use ringpost::limits::JOURNAL_PAGE_BYTES as PAGE;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Cuts that are asked for in all; none: the quick tier.
pub fn deep_cuts() -> Option<u64> {
    std::env::var("RINGPOST_CUTS").ok().map(|text| text.parse().unwrap())
}

/// One thing that happens in the office.
#[derive(Clone, Debug)]
pub enum Step {
    /// A call ends; `size` says how long its texts are. It is synced or not.
    Append { size: u8, sync: bool },
    /// A call ends to which the PBX gave the identity of one that is there.
    Repeat { which: u8 },
    /// A call that is there is handed over again, as it was.
    Replay { which: u8 },
    /// A CRM does something with one of the oldest open calls.
    Mark { which: u8, crm: u8, mark: Mark },
    /// The marks are written.
    Flush,
    /// All is written and synced.
    Sync,
}

/// The journal and what must be in it.
#[derive(Clone, Debug)]
pub struct Office {
    /// The journal.
    pub ring: Ring<SimulatedMedium>,
    settings: Settings,
    /// All calls that the ring took, by number.
    calls: BTreeMap<u64, Kept>,
    /// Calls whose append failed: may be there after all.
    failed: BTreeMap<u64, Arc<CallRecord>>,
    next_call: u64,
    clock: u64,
}

/// A call that the journal took.
#[derive(Clone, Debug)]
struct Kept {
    seq: Seq,
    call: Arc<CallRecord>,
    /// Its identity as the PBX gave it.
    given_id: CallId,
    is_synced: bool,
    /// The ring let it go.
    is_gone: bool,
    /// … although it was open.
    was_dropped: bool,
    /// The ring let it go, and has it again after a cut.
    came_back: bool,
    crms: Vec<Progress>,
}

/// What the model knows of one call for one CRM.
#[derive(Clone, Debug)]
struct Progress {
    now: State,
    /// As it must be at least after a cut.
    durable: State,
    /// Every state since then.
    since: Vec<State>,
    /// States that were lost in a cut. Half of their record may lie there still, and the next cut may tear the next
    /// record so that it becomes whole: it tells the truth all the same.
    lost: Vec<State>,
}

impl Office {
    /// An office with an empty journal.
    pub fn new(kib: usize, crms: usize, when_full: WhenFull) -> Self {
        let settings = Settings { when_full, ..settings(crms) };
        let ring = Ring::open(SimulatedMedium::new(kib * 1024), settings.clone()).0;
        Self { ring, settings, calls: BTreeMap::new(), failed: BTreeMap::new(), next_call: 1, clock: 0 }
    }

    /// Does one step. An error of the medium is handed on; the model then expects what was promised before.
    pub fn take(&mut self, step: &Step) -> Result<(), JournalError> {
        self.clock += 1;
        let now = at(self.clock);
        let dropped = self.ring.stats().dropped;
        let result = match step {
            Step::Append { size, sync } => self.append(*size, *sync, now),
            Step::Repeat { which } => self.repeat(*which, now),
            Step::Replay { which } => self.replay(*which, now),
            Step::Mark { which, crm, mark } => {
                self.mark(*which, *crm, mark, now);
                Ok(())
            }
            Step::Flush => self.ring.flush(now),
            Step::Sync => self.ring.flush(now).and_then(|()| self.sync()),
        };
        // The model looks at what is there; only the ring's own reads fail.
        let refuse_reads = self.ring.storage_mut().refuse_reads.take();
        self.account_for_gone(self.ring.stats().dropped - dropped);
        assert_eq!(self.ring.stats().lost_records, 0, "nothing went bad, and nothing is given up");
        self.ring.storage_mut().refuse_reads = refuse_reads;
        result
    }

    /// The power goes and comes back.
    pub fn cut(&mut self, at_cut: AtCut) -> Recovery {
        let medium = self.ring.storage().after_cut(at_cut);
        let recovery = self.reopen(medium);
        self.compare(true);
        recovery
    }

    /// What would be there if the power went now, held against the model without going on from it. Calls are read where
    /// unsynced bytes may have changed them; the others only by what the ring remembers of them.
    pub fn judge(&self, at_cut: AtCut) {
        let medium = self.ring.storage();
        let (ring, _) = Ring::open(medium.after_cut(at_cut), self.settings.clone());
        let mut unseen: BTreeMap<Seq, &Kept> = self.calls.values().map(|kept| (kept.seq, kept)).collect();
        for (seq, offset, states) in ring.progress() {
            let Some(kept) = unseen.remove(&seq) else {
                self.clone().cut(at_cut); // an append that failed, and is there after all
                return;
            };
            for (progress, state) in kept.crms.iter().zip(states) {
                progress.must_allow(state, kept.is_gone);
            }
            let page = offset as usize / PAGE * PAGE;
            if medium.is_unsynced(page..page + PAGE) {
                let item = ring.history(Seq(seq.0 + 1), 1).pop().expect("it was there a moment ago");
                assert_eq!((item.seq, &*item.call), (seq, &*kept.call), "a call came back changed");
            }
        }
        unseen.values().for_each(|kept| assert!(kept.may_be_lost(), "lost: {} {:?}", kept.call.id, kept.crms));
    }

    /// The process is killed and started again; the power stays on.
    pub fn kill(&mut self) -> Recovery {
        let medium = self.ring.storage().clone();
        let recovery = self.reopen(medium);
        self.compare(false);
        recovery
    }

    /// Undelivered calls, as the model counts them.
    pub fn open_calls(&self) -> usize {
        self.calls.values().filter(|kept| !kept.is_gone && kept.is_open()).count()
    }

    fn reopen(&mut self, medium: SimulatedMedium) -> Recovery {
        let (ring, recovery) = Ring::open(medium, self.settings.clone());
        self.ring = ring;
        recovery
    }

    fn append(&mut self, size: u8, sync: bool, now: Stamp) -> Result<(), JournalError> {
        let call = call_of_size(self.next_call, size);
        self.keep(call, now)?;
        if sync { self.sync() } else { Ok(()) }
    }

    fn repeat(&mut self, which: u8, now: Stamp) -> Result<(), JournalError> {
        let Some(given) = self.there(which).map(|kept| kept.given_id.clone()) else { return Ok(()) };
        self.keep(CallRecord { id: given, ..call_of_size(self.next_call, 1) }, now)
    }

    fn replay(&mut self, which: u8, now: Stamp) -> Result<(), JournalError> {
        let Some(kept) = self.there(which) else { return Ok(()) };
        let call = CallRecord { id: kept.given_id.clone(), ..(*kept.call).clone() };
        let (seq, told_as) = (kept.seq, kept.call.id.clone());
        let appended = self.ring.append(&self.entry(call), now)?;
        assert!(appended.known && appended.seq == seq, "handed over again, {told_as} is taken for another call");
        Ok(())
    }

    /// One of the youngest calls that are there.
    fn there(&self, which: u8) -> Option<&Kept> {
        self.calls.values().rev().filter(|kept| !kept.is_gone).nth(usize::from(which))
    }

    fn entry(&self, call: CallRecord) -> Entry {
        entry(call, u8::try_from(self.settings.crms.len()).unwrap())
    }

    /// Hands over a call that is new.
    fn keep(&mut self, call: CallRecord, now: Stamp) -> Result<(), JournalError> {
        let number = self.next_call;
        self.next_call += 1;
        let entry = self.entry(call);
        match self.ring.append(&entry, now) {
            Ok(appended) => {
                assert!(!appended.known, "a new call is new");
                let states = vec![State::waiting(true); entry.addressees.len()];
                let given_id = entry.call.id.clone();
                let call = CallRecord { id: repeated_id(&given_id, appended.repeat), ..(*entry.call).clone() };
                self.calls.insert(number, Kept::new(appended.seq, Arc::new(call), given_id, &states));
                Ok(())
            }
            Err(error) => {
                self.failed.insert(number, entry.call);
                Err(error)
            }
        }
    }

    /// What was appended is durable from now on, and so are the marks that are written.
    fn sync(&mut self) -> Result<(), JournalError> {
        self.ring.sync()?;
        // Marks that were given up make it unknown which are durable.
        let all_written = self.ring.next_flush().is_none() && self.ring.stats().forgotten_marks == 0;
        for kept in self.calls.values_mut().filter(|kept| !kept.is_gone) {
            kept.is_synced = true;
            if all_written {
                kept.crms.iter_mut().for_each(|progress| *progress = Progress::new(progress.now));
            }
        }
        Ok(())
    }

    fn mark(&mut self, which: u8, crm: u8, mark: &Mark, now: Stamp) {
        let mut open = self.calls.iter_mut().filter(|(_, kept)| !kept.is_gone && kept.is_open());
        let Some((_, kept)) = open.nth(usize::from(which)) else { return };
        let crm = usize::from(crm) % kept.crms.len();
        self.ring.mark(kept.seq, Crm(crm as u8), mark.clone(), now);
        let progress = &mut kept.crms[crm];
        progress.since.push(progress.now);
        mark.apply(&mut progress.now);
    }

    /// Calls that the ring let go: delivered ones silently; undelivered ones counted, and only when it was full.
    fn account_for_gone(&mut self, counted: u32) {
        let there = self.calls.values().filter(|kept| !kept.is_gone).count();
        if there == self.ring.stats().entries as usize {
            assert_eq!(counted, 0, "dropped calls are gone");
            return;
        }
        let mut dropped = 0;
        for kept in self.calls.values_mut().filter(|kept| !kept.is_gone) {
            let item = self.ring.history(Seq(kept.seq.0 + 1), 1).pop();
            kept.is_gone = item.is_none_or(|item| item.seq != kept.seq);
            kept.was_dropped |= kept.is_gone && kept.is_open();
            dropped += u32::from(kept.is_gone && kept.is_open());
        }
        assert_eq!(dropped, counted, "every dropped call is counted");
        let stats = self.ring.stats();
        assert!(dropped == 0 || stats.open_bytes * 2 > stats.size_bytes, "dropped although there was room: {stats:?}");
    }

    /// Compares the reopened ring with the model, and goes on from what the ring remembers.
    fn compare(&mut self, after_cut: bool) {
        let found = self.everything();
        let ids: BTreeSet<&str> = found.values().map(|(_, call, _)| call.id.as_str()).collect();
        assert_eq!(ids.len(), found.len(), "two calls go to the CRMs under one identity");
        for (number, kept) in &mut self.calls {
            kept.came_back = kept.is_gone && found.contains_key(number);
            kept.is_gone = !found.contains_key(number);
            assert!(!kept.is_gone || kept.may_be_lost(), "lost: {} {:?}", kept.call.id, kept.crms);
        }
        for (number, (seq, call, states)) in found {
            let kept = self.calls.entry(number).or_insert_with(|| {
                let failed = self.failed.remove(&number).expect("a call that nobody made");
                assert!(call.id.starts_with(failed.id.as_str()), "{} came back as {}", failed.id, call.id);
                let told = CallRecord { id: call.id.clone(), ..(*failed).clone() };
                Kept::new(seq, Arc::new(told), failed.id.clone(), &states)
            });
            assert_eq!((kept.seq, &*kept.call), (seq, &*call), "a call came back changed");
            kept.is_synced |= after_cut;
            let came_back = kept.came_back;
            for (progress, state) in kept.crms.iter_mut().zip(states) {
                progress.accept(state, after_cut, came_back);
            }
        }
        self.compare_pending(Part::Call);
        self.compare_pending(Part::Recordings);
        for (crm, count) in self.ring.stats().undelivered.iter().enumerate() {
            let is_open = |kept: &&Kept| !kept.is_gone && kept.crms[crm].now.is_open(kept.recordings());
            assert_eq!(*count as usize, self.calls.values().filter(is_open).count(), "undelivered for CRM {crm}");
        }
    }

    /// Everything the ring has, by number.
    fn everything(&self) -> BTreeMap<u64, (Seq, Box<CallRecord>, Vec<State>)> {
        let mut all = BTreeMap::new();
        let mut before = Seq(u64::MAX);
        loop {
            let window = self.ring.history(before, 64);
            let Some(last) = window.last() else { return all };
            before = last.seq;
            for item in window {
                let states = item.deliveries.iter().map(|(_, state, _, _)| *state).collect();
                let twin = all.insert(number_of(&item.call), (item.seq, item.call, states));
                assert!(twin.is_none(), "one call twice");
            }
        }
    }

    /// What is handed out is exactly what is not marked, oldest first.
    fn compare_pending(&mut self, part: Part) {
        for crm in 0..self.settings.crms.len() {
            let is_wanted = |kept: &&Kept| !kept.is_gone && kept.is_part_open(crm, part);
            let expected: Vec<Seq> = self.calls.values().filter(is_wanted).map(|kept| kept.seq).collect();
            // The first ones, and some behind a cursor: reading them all each time would take the tests too long.
            for start in [0, expected.len() / 2] {
                let after = start.checked_sub(1).map(|before| expected[before]).unwrap_or_default();
                let window = self.ring.pending(Crm(crm as u8), part, after, 6);
                assert!(window.iter().all(|pending| pending.in_doubt), "an earlier process left it");
                let handed_out: Vec<Seq> = window.iter().map(|pending| pending.seq).collect();
                let expected: Vec<Seq> = expected[start..].iter().copied().take(6).collect();
                assert_eq!(handed_out, expected, "{part:?} of CRM {crm}");
            }
        }
    }
}

impl Kept {
    fn new(seq: Seq, call: Arc<CallRecord>, given_id: CallId, states: &[State]) -> Self {
        let crms = states.iter().map(|state| Progress::new(*state)).collect();
        Self { seq, call, given_id, is_synced: false, is_gone: false, was_dropped: false, came_back: false, crms }
    }

    fn may_be_lost(&self) -> bool {
        !self.is_synced || !self.is_open() || self.was_dropped
    }

    fn recordings(&self) -> u8 {
        u8::try_from(self.call.recordings.len()).unwrap()
    }

    fn is_open(&self) -> bool {
        self.crms.iter().any(|progress| progress.now.is_open(self.recordings()))
    }

    fn is_part_open(&self, crm: usize, part: Part) -> bool {
        let state = self.crms[crm].now;
        match part {
            Part::Call => state.is_waiting(),
            Part::Recordings => !state.is_waiting() && state.is_open(self.recordings()),
        }
    }
}

impl Progress {
    fn new(state: State) -> Self {
        Self { now: state, durable: state, since: Vec::new(), lost: Vec::new() }
    }

    /// Whether the ring may remember `state`. Out of a page that was let go and is torn now, marks may have been torn
    /// away: such a call is in doubt anyway.
    fn must_allow(&self, state: State, came_back: bool) {
        let anew = came_back.then(|| State::waiting(true));
        let (call, recordings) = (state.bits() & 0b11, state.bits() >> 2);
        let was = |earlier: &State| earlier.bits() & 0b11 == call;
        let was_lost = self.lost.iter().any(|lost| !lost.is_waiting() && was(lost));
        let was_so = was(&self.durable) || was(&self.now) || self.since.iter().chain(&anew).any(was) || was_lost;
        assert!(was_so, "{state:?} was never so: {self:?}");
        let least = anew.unwrap_or(self.durable).bits() >> 2;
        let most = self.lost.iter().fold(self.now.bits() >> 2, |most, lost| most | lost.bits() >> 2);
        assert!(recordings & least == least && recordings | most == most, "{state:?} does not fit {self:?}");
    }

    /// Takes over what the ring remembers.
    fn accept(&mut self, state: State, after_cut: bool, came_back: bool) {
        self.must_allow(state, came_back);
        if came_back {
            self.durable = State::waiting(true);
            self.since.push(self.durable);
        }
        if self.now != state {
            self.lost.push(self.now);
        }
        if after_cut {
            *self = Self { lost: core::mem::take(&mut self.lost), ..Self::new(state) };
        } else {
            self.since.push(core::mem::replace(&mut self.now, state));
        }
    }
}
