//! When the calls of the ring were, on a machine whose clock is set late, or set right late.
//!
//! A router starts with its clock at 1970, at the date of its firmware or of its newest file, or by a battery that is a
//! year off; minutes later the clock is stepped. Nothing steps the monotonic clock. So within one boot the distance
//! from one clock to the other, as it was told last, dates every call: those that were journalled without a date, and
//! those whose date was taken from a clock that has been set since. When the distance changes by more than
//! [`JOURNAL_CLOCK_STEP`], it is written down, so that the same holds after a reboot; a call that is copied on carries
//! its true date. What a CRM has already stays as it was told.
//!
//! The last setting of a boot's clock is believed, whatever it was before: nobody sets a clock wrong in the end. A date
//! from a boot whose clock was never set again is taken as it is.

use super::super::index::Slot;
use super::super::marks::BootClock;
use super::super::record::{Seq, Stored};
use super::super::recover::remember;
use super::super::storage::Storage;
use super::{Dating, Ring};
use crate::call::record::CallRecord;
use crate::clock::{Monotonic, Stamp, Wall};
use crate::limits::JOURNAL_CLOCK_STEP;

impl<S: Storage> Ring<S> {
    /// Tells what time it is; to be told whenever the clock was set, and before calls are handed out. Calls of this
    /// boot that were journalled without a date get theirs once the clock is set, and other ones when it is set again.
    pub fn note_clock(&mut self, now: Stamp) {
        self.turn_day(now);
        self.unsynced.note(now.mono);
        if !now.wall.is_plausible() {
            return;
        }
        let (boot, offset_ms) = (self.settings.boot, offset_of(now));
        let before = self.offset_ms.or_else(|| self.offset_before());
        let has_clock = self.clocks.iter().any(|clock| clock.boot.is_same(boot));
        let is_first = !has_clock && self.index.undated() > 0;
        let is_stepped = before.is_some_and(|before| is_step(before, offset_ms));
        self.offset_ms = Some(before.filter(|_| !is_stepped && !is_first).unwrap_or(offset_ms));
        if is_first || is_stepped && self.index.count() > 0 {
            let clock = BootClock { boot, offset_ms };
            remember(&mut self.clocks, clock);
            self.clock_due = Some(clock);
            self.marks_since.get_or_insert(now.mono);
        }
    }

    /// The date of the newest call that has one: no true clock is before it, unless that one was wrong.
    pub fn newest_date(&self) -> Option<Wall> {
        let mut newest = self.index.before(Seq(u64::MAX)).filter(|(_, slot)| !slot.undated);
        newest.find_map(|(seq, _)| self.slot_and_stored(seq).ok().flatten()).map(|(_, stored)| stored.call.ended.wall)
    }

    /// As an earlier process of this boot told dates.
    fn offset_before(&self) -> Option<i64> {
        let boot = self.settings.boot;
        if let Some(clock) = self.clocks.iter().find(|clock| clock.boot.is_same(boot)) {
            return Some(clock.offset_ms);
        }
        let (seq, _) = self.index.before(Seq(u64::MAX)).next()?;
        let (_, stored) = self.slot_and_stored(seq).ok().flatten()?;
        let is_ours = stored.boot != 0 && stored.boot == boot.fingerprint() && stored.undated.is_none();
        is_ours.then(|| offset_of(stored.call.ended))
    }

    /// Dates a call that ends in this boot. Whether that was possible.
    pub(super) fn date_by(&self, call: &mut CallRecord, now: Stamp) -> bool {
        let (Some(started), Some(ended)) = (call.started.date(now), call.ended.date(now)) else { return false };
        (call.started.wall, call.ended.wall) = (started, ended);
        if now.wall.is_plausible() && call.started.mono <= now.mono && call.ended.mono <= now.mono {
            set_dates(call, offset_of(now));
        }
        true
    }

    /// Dates a call of the ring as its boot's clock was told last.
    pub(super) fn date_anew(&self, stored: &mut Stored) {
        if let Some(offset_ms) = self.offset_for(stored) {
            set_dates(&mut stored.call, offset_ms);
            stored.undated = None;
        }
    }

    /// Milliseconds from the entry's monotonic clock to the wall's, as far as they are known.
    fn offset_for(&self, stored: &Stored) -> Option<i64> {
        if let Some(boot) = stored.undated {
            return self.clocks.iter().find(|clock| clock.boot.is_same(boot)).map(|clock| clock.offset_ms);
        }
        let boot = Some(stored.boot).filter(|boot| *boot != 0)?;
        let of_this_boot = self.offset_ms.filter(|_| boot == self.settings.boot.fingerprint());
        let mut clocks = self.clocks.iter().filter(|clock| clock.boot.fingerprint() == boot);
        of_this_boot.or_else(|| clocks.next().map(|clock| clock.offset_ms))
    }

    /// Says how good the stamps are, and makes those that mean nothing in this boot harmless.
    pub(super) fn date(&self, slot: &Slot, stored: &mut Stored) -> Dating {
        let of_this_boot = !slot.recovered || stored.boot != 0 && stored.boot == self.settings.boot.fingerprint();
        let call = &mut stored.call;
        let Some(boot) = stored.undated else {
            if !of_this_boot {
                (call.started.mono, call.ended.mono) = (Monotonic::from_millis(0), Monotonic::from_millis(0));
            }
            return Dating::Known;
        };
        (call.started.wall, call.ended.wall) = (Wall::from_millis(0), Wall::from_millis(0));
        if !slot.recovered || boot.is_same(self.settings.boot) {
            return Dating::Waiting;
        }
        (call.started.mono, call.ended.mono) = (Monotonic::from_millis(0), Monotonic::from_millis(0));
        Dating::Lost
    }
}

/// From the monotonic clock to the wall's.
fn offset_of(stamp: Stamp) -> i64 {
    stamp.wall.as_millis().saturating_sub(i64::try_from(stamp.mono.as_millis()).unwrap_or(i64::MAX))
}

fn is_step(one: i64, other: i64) -> bool {
    u128::from(one.abs_diff(other)) > JOURNAL_CLOCK_STEP.as_millis()
}

/// Stamps that tell another distance between the clocks were taken before a step.
fn set_dates(call: &mut CallRecord, offset_ms: i64) {
    for stamp in [&mut call.started, &mut call.ended] {
        if is_step(offset_of(*stamp), offset_ms) {
            let mono = i64::try_from(stamp.mono.as_millis()).unwrap_or(i64::MAX);
            stamp.wall = Wall::from_millis(mono.saturating_add(offset_ms));
        }
    }
}
