//! The ring as a queue: bytes say what happens to it, and a `VecDeque` what must be in it. Shared by a fuzz target and
//! a quick test; simpler than `journal_model`, which knows each state of each CRM: here a call waits or is delivered.
#![allow(dead_code)] // not every target that shares this file needs all of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test that panics has found something

use ringpost::boot::BootId;
use ringpost::call::record::{CallRecord, DialStatus, Direction, Disposition, Extension, Gaps};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::config::WhenFull;
use ringpost::crm::Ticket;
use ringpost::journal::simulated::{AtCut, AtFailedSync, SimulatedMedium};
use ringpost::journal::{Addressee, Crm, CrmTag, Entry, JournalError, Mark, Part, Ring, Seq, Settings};
use ringpost::text::bounded;
use std::collections::{BTreeSet, VecDeque};

const CRM: Crm = Crm(0);
const STEPS: usize = 400;

/// A call that waits or waited.
#[derive(Clone, Debug)]
struct Waiting {
    seq: Seq,
    id: String,
    is_synced: bool,
    is_delivered: bool,
}

struct Queue {
    ring: Ring<SimulatedMedium>,
    settings: Settings,
    calls: VecDeque<Waiting>,
    /// Appends that failed: they may be there after all.
    failed: Vec<String>,
    /// All that ever were. The mark of one that waits again may become whole in a later cut: it tells the truth.
    delivered: BTreeSet<Seq>,
    made: u64,
    dropped: u32,
}

/// One life, told by `input`: the first byte says the policy and the size of the ring.
pub fn live(input: &[u8]) {
    let Some((kind, steps)) = input.split_first() else { return };
    let mut queue = Queue::new(*kind);
    for step in steps.chunks(2).take(STEPS) {
        queue.step(step[0], step.get(1).copied().unwrap_or(0));
    }
    queue.reopen(queue.ring.storage().after_cut(AtCut::KeepsAll), false);
}

impl Queue {
    fn new(kind: u8) -> Self {
        let when_full = if kind & 1 == 0 { WhenFull::DropOldest } else { WhenFull::DropNewest };
        let crms = [CrmTag::of("bitrix24:portal.example")].into_iter().collect();
        let settings = Settings { boot: BootId::from_bits(7), crms, when_full };
        let medium = SimulatedMedium::new([8, 9, 16, 24][usize::from(kind >> 1 & 3)] * 4096);
        Self {
            ring: Ring::open(medium, settings.clone()).0,
            settings,
            calls: VecDeque::new(),
            failed: Vec::new(),
            delivered: BTreeSet::new(),
            made: 0,
            dropped: 0,
        }
    }

    fn step(&mut self, what: u8, how: u8) {
        match what % 16 {
            0..=4 => self.append(how),
            5..=8 => self.deliver(usize::from(how)),
            9 => _ = self.ring.flush(self.now()),
            10..=11 => self.sync(),
            12 => {
                let fates = [AtFailedSync::KeepsCache, AtFailedSync::Forgets, AtFailedSync::DropsCache];
                let medium = self.ring.storage_mut();
                (medium.refuse_syncs, medium.at_failed_sync) = (true, fates[usize::from(how) % 3]);
                self.sync();
                self.ring.storage_mut().refuse_syncs = false;
            }
            13 => self.ring.storage_mut().fuel = Some(u64::from(how) * 8),
            14 => {
                self.reopen(self.ring.storage().after_cut(AtCut::Shuffles(u64::from(how) << 8 | u64::from(what))), true)
            }
            _ => self.reopen(self.ring.storage().after_cut(AtCut::LosesAll), true),
        }
        self.let_go();
        if self.ring.storage().is_off() {
            self.reopen(self.ring.storage().after_cut(AtCut::Shuffles(u64::from(how))), true);
        }
    }

    fn now(&self) -> Stamp {
        let mono = self.made * 1000;
        Stamp { mono: Monotonic::from_millis(mono), wall: Wall::from_millis(1_795_293_703_000 + mono as i64) }
    }

    fn append(&mut self, size: u8) {
        self.made += 1;
        let id = format!("office-1795293703.{}", self.made);
        match self.ring.append(&entry(&id, size, self.now()), self.now()) {
            Ok(appended) => {
                assert!(!appended.known && appended.repeat == 0);
                self.calls.push_back(Waiting { seq: appended.seq, id, is_synced: false, is_delivered: false });
            }
            Err(error) => {
                let may_refuse = self.settings.when_full == WhenFull::DropNewest || self.ring.storage().is_off();
                assert!(may_refuse && error != JournalError::TooLarge, "{error}");
                self.failed.push(id);
            }
        }
    }

    fn deliver(&mut self, which: usize) {
        let mut waiting = self.calls.iter_mut().filter(|call| !call.is_delivered);
        let Some(call) = waiting.nth(which % 8) else { return };
        call.is_delivered = true;
        let seq = call.seq;
        self.delivered.insert(seq);
        self.ring.mark(seq, CRM, Mark::Delivered { ticket: None }, self.now());
    }

    fn sync(&mut self) {
        if self.ring.sync().is_ok() {
            self.calls.iter_mut().for_each(|call| call.is_synced = true);
        }
    }

    /// Calls leave the ring: delivered ones silently, waiting ones counted and only from its old end when it is full.
    fn let_go(&mut self) {
        let dropped = self.ring.stats().dropped;
        let counted = dropped - core::mem::replace(&mut self.dropped, dropped);
        let there: Vec<Seq> = self.ring.progress().map(|(seq, ..)| seq).collect();
        let mut gone = 0;
        self.calls.retain(|call| {
            let stays = there.binary_search(&call.seq).is_ok();
            gone += u32::from(!stays && !call.is_delivered);
            stays
        });
        assert_eq!(gone, counted, "every waiting call that goes is counted");
    }

    /// After a cut or a kill: what was synced is there, once, in order, and nothing that nobody made.
    fn reopen(&mut self, medium: SimulatedMedium, is_cut: bool) {
        self.ring = Ring::open(medium, self.settings.clone()).0;
        self.dropped = 0;
        let found = self.everything();
        for (seq, id) in &found {
            let known = self.calls.iter().any(|call| call.seq == *seq && call.id == *id);
            let is_late = self.failed.contains(id) || self.made_before(id);
            assert!(known || is_late, "{id} was never made");
        }
        let is_there = |call: &Waiting| found.iter().any(|(seq, _)| *seq == call.seq);
        for call in &self.calls {
            assert!(is_there(call) || !call.is_synced || call.is_delivered, "lost: {}", call.id);
        }
        let waiting: Vec<Seq> = self.pending();
        assert!(waiting.is_sorted() && waiting.iter().all(|seq| found.iter().any(|(found, _)| found == seq)));
        for call in self.calls.iter().filter(|call| is_there(call) && !call.is_delivered) {
            let is_told = waiting.contains(&call.seq) || self.delivered.contains(&call.seq);
            assert!(is_told, "{} is there, was not delivered, and does not wait", call.id);
        }
        // What the ring has now is what goes on: a lost mark makes a call wait again, in doubt.
        let call = |(seq, id)| Waiting { is_delivered: !waiting.contains(&seq), seq, id, is_synced: is_cut };
        self.calls = found.into_iter().map(call).collect();
    }

    fn made_before(&self, id: &str) -> bool {
        id.rsplit('.').next().and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number <= self.made)
    }

    fn everything(&self) -> VecDeque<(Seq, String)> {
        let mut all: VecDeque<(Seq, String)> = VecDeque::new();
        loop {
            let window = self.ring.history(all.front().map_or(Seq(u64::MAX), |(seq, _)| *seq), 64);
            if window.is_empty() {
                return all;
            }
            window.into_iter().for_each(|item| all.push_front((item.seq, item.call.id.to_string())));
        }
    }

    fn pending(&mut self) -> Vec<Seq> {
        let mut all = Vec::new();
        loop {
            let window = self.ring.pending(CRM, Part::Call, all.last().copied().unwrap_or_default(), 64);
            if window.is_empty() {
                return all;
            }
            all.extend(window.iter().map(|pending| pending.seq));
        }
    }
}

/// A call whose texts are longer the larger `size` is.
pub fn entry(id: &str, size: u8, now: Stamp) -> Entry {
    let text = |length: usize| (0..length).map(|at| b'!' + (at as u8).wrapping_mul(size | 1) % 90).collect::<Vec<u8>>();
    let recordings = (0..size / 86).map(|_| bounded(&text(usize::from(size) / 2)));
    let call = CallRecord {
        id: bounded(id.as_bytes()),
        direction: Direction::Inbound,
        client: bounded(b"79161234567"),
        line: bounded(b"74951110001"),
        trunk: bounded(b"trunk"),
        caller: Extension::new(),
        rang: Default::default(),
        answered_by: None,
        talked_last: None,
        talks: Default::default(),
        talk_ms: 0,
        disposition: Disposition::Missed,
        dial_status: DialStatus::NoAnswer,
        cause: 0,
        queue: bounded(b""),
        transfers: Default::default(),
        recordings: recordings.collect(),
        voicemail: bounded(&text(usize::from(size % 86))),
        started: now,
        ended: now,
        gaps: Gaps::default(),
        withheld: None,
    };
    let ticket = Ticket { call: bounded(b""), user: Some(17), in_doubt: false, refusals: 0 };
    Entry { call: call.into(), addressees: [Addressee { crm: CRM, ticket, recordings: false }].into_iter().collect() }
}
