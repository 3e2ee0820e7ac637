//! What time it is, as far as a portal is concerned: this machine's clock, unless the portal contradicts it.
//!
//! A router without a battery boots in the past, by days or by years, and its clock may look plausible until it finds a
//! time server. But nothing is posted before the portal has answered once, over a connection whose certificate was
//! checked, and each of its answers tells the time. So where the two are far apart calls are dated by the portal's
//! clock, beside whose own entries they will stand. An engine: answers and `now` are passed in. Sets no clock.
//!
//! While a clock cannot be true no request is made at all, for [`CLOCK_PATIENCE`]; see there for what follows.

use crate::clock::{Monotonic, Stamp, Wall};
use crate::limits::{CLOCK_DISAGREEMENT, CLOCK_PATIENCE};

/// The portal's time of day beside ours.
#[derive(Debug, Default)]
pub(super) struct Hour {
    /// What the portal said last.
    told: Option<Stamp>,
    /// Since when we would have asked but for our clock.
    waits: Option<Monotonic>,
}

impl Hour {
    /// Whether a request is worth trying with the clock as it is.
    pub(super) fn may_ask(&mut self, now: Stamp) -> bool {
        if now.wall.is_plausible() {
            self.waits = None;
            return true;
        }
        now.mono.since(*self.waits.get_or_insert(now.mono)) >= CLOCK_PATIENCE
    }

    /// The portal's clock said so just now, in seconds since 1970. Words about a disagreement that is new.
    pub(super) fn heard(&mut self, secs: u64, now: Stamp) -> Option<String> {
        let agreed = self.contradiction(now).is_none();
        let wall = Wall::from_millis(i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1000));
        self.told = Some(Stamp { wall, ..now }).filter(|told| told.wall.is_plausible());
        self.disagreement(now).filter(|_| agreed)
    }

    /// `now` with the time of day that counts.
    pub(super) fn dated(&self, now: Stamp) -> Stamp {
        self.contradiction(now).map_or(now, |wall| Stamp { wall, ..now })
    }

    /// Words about two clocks that are far apart.
    pub(super) fn disagreement(&self, now: Stamp) -> Option<String> {
        let theirs = self.contradiction(now)?.to_iso8601();
        let ours = now.wall.to_iso8601();
        Some(format!(
            "its clock says {theirs}, this machine's {ours}: calls are dated by the portal's; set up NTP here"
        ))
    }

    /// The portal's time, if ours cannot be right beside it.
    fn contradiction(&self, now: Stamp) -> Option<Wall> {
        let told = self.told?;
        let passed = i64::try_from(now.mono.since(told.mono).as_millis()).unwrap_or(i64::MAX);
        let theirs = told.wall.as_millis().saturating_add(passed);
        let apart = u128::from(theirs.abs_diff(now.wall.as_millis()));
        let is_far = !now.wall.is_plausible() || apart > CLOCK_DISAGREEMENT.as_millis();
        is_far.then_some(Wall::from_millis(theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_293_703_000;
    const HOUR: i64 = 3_600_000;

    fn at(secs: u64, wall: i64) -> Stamp {
        Stamp { mono: Monotonic::from_millis(secs * 1000), wall: Wall::from_millis(wall) }
    }

    #[test]
    fn a_clock_that_the_portal_contradicts_dates_no_call() {
        let mut hour = Hour::default();
        for wrong in [7, NOON - 90 * 24 * HOUR, NOON - HOUR, NOON + HOUR, NOON + 20 * 365 * 24 * HOUR] {
            assert_eq!(hour.dated(at(100, wrong)), at(100, wrong), "nobody contradicts it yet");
            assert!(hour.heard(NOON.unsigned_abs() / 1000, at(100, wrong)).is_some());
            assert!(hour.heard(NOON.unsigned_abs() / 1000, at(100, wrong)).is_none(), "told once");
            assert_eq!(hour.dated(at(160, wrong + 60_000)), at(160, NOON + 60_000), "{wrong}");
            assert!(hour.disagreement(at(160, wrong + 60_000)).is_some_and(|words| words.contains("NTP")), "{wrong}");
            assert_eq!(hour.dated(at(160, NOON + 61_000)), at(160, NOON + 61_000), "our clock was set meanwhile");
            assert_eq!(hour.disagreement(at(160, NOON + 61_000)), None);
            hour = Hour::default();
        }
    }

    #[test]
    fn a_portal_whose_own_clock_is_not_set_contradicts_nobody() {
        let mut hour = Hour::default();
        assert_eq!(hour.heard(20, at(100, NOON)), None);
        assert_eq!(hour.dated(at(100, NOON)), at(100, NOON));
    }

    #[test]
    fn a_clock_that_is_not_set_is_waited_for_and_then_tried_with() {
        let mut hour = Hour::default();
        assert!(!hour.may_ask(at(20, 20_000)));
        assert!(!hour.may_ask(at(600, 600_000)));
        assert!(hour.may_ask(at(620, 620_000)), "TLS decides");
        assert!(hour.may_ask(at(621, NOON)));
        assert!(!hour.may_ask(at(630, 630_000)), "a clock that is lost again is waited for again");
    }
}
