//! What the hub knows and tells of the journal: its faults, that it is full, what it lies on, and refused calls that
//! somebody wants tried again.
//!
//! Stands apart from the hub's way of a call, which only needs to know whether the journal took one. Everything is told
//! once and then counted: a journal that is full or cannot be written meets every call.

use super::Hub;
use crate::clock::Monotonic;
use crate::inbox::{Answer, Asked, Wish};
use crate::journal::medium::{Medium, Written};
use crate::journal::thread::{Fault, Request};
use crate::journal::{Crm, JournalError, Mark, Recovery, Seq, Stats};
use crate::log::Repeated;
use crate::status;
use core::fmt::Display;
use tokio::sync::oneshot;

/// The journal as it was told last.
#[derive(Default)]
pub(super) struct Account {
    pub stats: Stats,
    recovery: Recovery,
    /// Calls that it did not take, and what was told about them.
    unjournalled: u64,
    append_fault: Repeated,
    fault: Option<String>,
    is_full: bool,
    /// None: it is not open.
    medium: Option<Medium>,
    /// When this process began to count what it writes.
    started: Monotonic,
    /// Who waits for it to let refused calls wait again.
    asker: Option<(u64, oneshot::Sender<Answer>)>,
}

impl Account {
    pub fn since(started: Monotonic) -> Self {
        Self { started, ..Self::default() }
    }

    /// The file was read.
    pub fn opened(&mut self, recovery: Recovery, medium: Medium, stats: Stats) {
        tell_recovery(recovery);
        if !medium.is_lasting() {
            log::warn!("the journal: {}", status::IN_MEMORY);
        }
        (self.recovery, self.medium, self.stats) = (recovery, Some(medium), stats);
    }

    /// The medium fails, or is well again.
    pub fn tell_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault.map(|Fault(why)| format!("{why}: {}", why.remedy()));
        match &self.fault {
            Some(fault) => {
                log::error!("{fault}; calls are delivered as long as ringpost runs, but do not outlive it");
            }
            None => {
                log::info!("the journal is well again");
                self.append_fault = Repeated::default();
            }
        }
    }

    /// Calls are lost because it is full, or there is room again.
    pub fn tell_full(&mut self, is_full: bool) {
        self.is_full = is_full;
        if is_full {
            let remedy = JournalError::Full.remedy();
            log::error!("the journal is full of calls that wait, and calls are lost: {remedy}");
        } else {
            log::info!("the journal has room for calls again");
            self.append_fault = Repeated::default();
        }
    }

    /// A call goes on without the journal.
    pub fn tell_unjournalled(&mut self, why: &dyn Display, now: Monotonic) {
        self.unjournalled += 1;
        let text = format!("a call could not be journalled and is delivered from memory: {why}");
        if let Some(line) = self.append_fault.fault(&text, now) {
            log::error!("{line}");
        }
    }

    fn report(&self, unwritten: Vec<status::Unwritten>, now: Monotonic) -> status::Journal {
        let Stats { entries, dropped, refused, repeated, bytes, syncs, open_bytes, size_bytes, .. } = self.stats;
        let Stats { bytes_today, syncs_today, dead, .. } = self.stats;
        let waiting = self.stats.undelivered.iter().copied().max().unwrap_or(0).into();
        let written = Written { bytes, syncs: u64::from(syncs), over: now.since(self.started) };
        let journal = status::Journal {
            calls: u64::from(entries),
            waiting,
            dropped: u64::from(dropped) + u64::from(refused),
            refused: u64::from(dead),
            full: self.is_full,
            // As many as wait, times the room for them by what they take of it: between three quarters, where delivered
            // calls lie among them, and all but the pages that the ring keeps free.
            room: (size_bytes / 8 * 7).saturating_mul(waiting).checked_div(open_bytes).unwrap_or(0),
            size_bytes,
            waiting_bytes: open_bytes,
            damaged: damaged_at_start(&self.recovery) + u64::from(self.stats.lost_records),
            written_bytes: bytes,
            syncs: u64::from(syncs),
            bytes_today,
            syncs_today: u64::from(syncs_today),
            years_left: self.medium.as_ref().and_then(|medium| medium.years(&written)),
            unjournalled: self.unjournalled,
            repeated: repeated.into(),
            unwritten,
            fault: self.fault.clone().unwrap_or_default(),
            ..status::Journal::default()
        };
        journal.on(self.medium.as_ref())
    }
}

impl Hub {
    /// Somebody wants refused calls tried again. One who gets no answer because the journal is too busy asks once more.
    pub fn asked(&mut self, asked: Asked) {
        let Wish::Retry(id) = asked.wish;
        let token = self.next_token;
        self.next_token = self.next_token.wrapping_add(1);
        if self.journal.request(Request::Retry { token, id }).is_ok() {
            self.account.asker = Some((token, asked.answer));
        }
    }

    pub(super) fn retried(&mut self, token: u64, calls: u32, fault: Option<JournalError>) {
        if calls > 0 {
            log::info!("{calls} refused calls are tried again");
            for seat in &mut self.seats {
                seat.read_anew = true;
            }
        }
        if let Some((_, answer)) = self.account.asker.take_if(|(asked, _)| *asked == token) {
            let fault = fault.map(|fault| fault.to_string()).unwrap_or_default();
            let _ = answer.send(Answer { calls, fault }); // whoever asked may be gone
        }
    }

    /// The journal, for the report.
    pub fn journal_report(&self, now: Monotonic) -> status::Journal {
        let unwritten = self.account.stats.unwritten.iter().filter_map(|unwritten| self.unwritten(unwritten));
        self.account.report(unwritten.collect(), now)
    }

    fn unwritten(&self, (seq, crm, mark): &(Seq, Crm, Mark)) -> Option<status::Unwritten> {
        let tag = self.seats.get(usize::from(crm.0))?.tag;
        Some(status::Unwritten::of(*seq, tag, mark))
    }
}

fn tell_recovery(recovery: Recovery) {
    if recovery.is_clean() {
        log::info!("journal open, {} calls in it", recovery.entries);
        return;
    }
    let Recovery { entries, damaged_places, damaged_pages, unreadable_pages, unknown_records, restarted, .. } =
        recovery;
    let anew = if restarted { "begun anew" } else { "repaired" };
    log::warn!(
        "journal {anew}, {entries} calls in it: {damaged_places} damaged places, {damaged_pages} pages of garbage, \
         {unreadable_pages} pages unreadable, {unknown_records} records of another version"
    );
}

/// Records that could not be read, a page without any of them counted as one.
fn damaged_at_start(recovery: &Recovery) -> u64 {
    [recovery.damaged_places, recovery.damaged_pages, recovery.unreadable_pages].into_iter().map(u64::from).sum()
}
