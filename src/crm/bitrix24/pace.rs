//! How many calls of a backlog go to a portal in one request, and when none should.
//!
//! Stands alone because it is the only part that learns: a portal ends a request at 60 s, whatever is in it, and how
//! long it takes for one call differs tenfold between portals and hours of the day. An engine, `now` passed in. It
//! begins with few, doubles with each request that went well, and never goes beyond what fits [`CRM_BATCH_TIME`] at the
//! pace measured last; a fault halves. When a method has used up most of its time at the portal, the backlog rests, so
//! that the cards and calls of this moment have some left. Bounds: [`CRM_BATCH_CALLS`]; a rest is at most
//! [`CRM_METHOD_BLOCK_MAX`].

use crate::clock::Monotonic;
use crate::limits::{
    CRM_BATCH_CALLS, CRM_BATCH_FIRST, CRM_BATCH_TIME, CRM_CALL_TIME, CRM_METHOD_BLOCK, CRM_METHOD_BLOCK_MAX,
    CRM_OPERATING_SHARE,
};
use core::time::Duration;

/// What was learned of one portal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Time of the portal for one call.
    for_one: Duration,
    ceiling: usize,
    rests_until: Monotonic,
}

impl Default for Pace {
    fn default() -> Self {
        Self { for_one: CRM_CALL_TIME, ceiling: CRM_BATCH_FIRST, rests_until: Monotonic::default() }
    }
}

impl Pace {
    /// How many calls may go in one request now, or how long none should.
    pub(super) fn calls(&self, now: Monotonic) -> Result<usize, Duration> {
        let rest = self.rests_until.since(now);
        if !rest.is_zero() {
            return Err(rest);
        }
        let fit = CRM_BATCH_TIME.as_millis() / self.for_one.as_millis().max(1);
        Ok(usize::try_from(fit).unwrap_or(usize::MAX).min(self.ceiling).max(1))
    }

    /// So many calls went well in a request that took so long.
    pub(super) fn went_well(&mut self, calls: usize, took: Duration) {
        let measured = took / u32::try_from(calls.max(1)).unwrap_or(u32::MAX);
        self.for_one = (self.for_one * 3 + measured) / 4;
        self.ceiling = (self.ceiling * 2).min(CRM_BATCH_CALLS);
    }

    /// A request of so many calls failed after so long.
    pub(super) fn failed(&mut self, calls: usize, took: Duration) {
        self.for_one = self.for_one.max(took / u32::try_from(calls.max(1)).unwrap_or(u32::MAX));
        self.ceiling = (self.ceiling.min(calls) / 2).max(1);
    }

    /// A method has used up `spent` seconds of its time; some of it comes back `reset_in` from now.
    pub(super) fn spent(&mut self, spent: u64, reset_in: Option<Duration>, now: Monotonic) {
        if Duration::from_secs(spent) >= CRM_OPERATING_SHARE {
            self.rests_until = now + reset_in.unwrap_or(CRM_METHOD_BLOCK).min(CRM_METHOD_BLOCK_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_millis(secs * 1000)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn it_begins_with_few_and_grows_to_what_the_portal_can_do_in_time() {
        let (mut fast, mut slow) = (Pace::default(), Pace::default());
        assert_eq!(fast.calls(at(0)), Ok(CRM_BATCH_FIRST));
        for _ in 0..10 {
            fast.went_well(fast.calls(at(0)).unwrap(), secs(1));
            let calls = slow.calls(at(0)).unwrap();
            slow.went_well(calls, secs(6) * u32::try_from(calls).unwrap());
        }
        assert_eq!(fast.calls(at(0)), Ok(CRM_BATCH_CALLS));
        assert_eq!(slow.calls(at(0)), Ok(5), "thirty seconds of a portal that takes six for a call");
    }

    #[test]
    fn the_portal_of_the_documentation_gets_eight_or_nine() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            let calls = pace.calls(at(0)).unwrap();
            pace.went_well(calls, Duration::from_millis(3_400) * u32::try_from(calls).unwrap());
        }
        assert!(matches!(pace.calls(at(0)), Ok(8..=9)), "{pace:?}");
    }

    #[test]
    fn a_fault_halves_down_to_one_and_a_slow_one_teaches() {
        let mut pace = Pace::default();
        for _ in 0..5 {
            pace.went_well(16, secs(1));
        }
        pace.failed(16, Duration::from_millis(20));
        assert_eq!(pace.calls(at(0)), Ok(8));
        pace.failed(8, secs(60));
        assert_eq!(pace.calls(at(0)), Ok(4));
        for _ in 0..5 {
            pace.failed(pace.calls(at(0)).unwrap(), secs(60));
        }
        assert_eq!(pace.calls(at(0)), Ok(1));
    }

    #[test]
    fn most_of_the_time_used_up_makes_the_backlog_rest() {
        let mut pace = Pace::default();
        pace.spent(100, Some(secs(60)), at(10));
        assert!(pace.calls(at(10)).is_ok());
        pace.spent(CRM_OPERATING_SHARE.as_secs(), Some(secs(60)), at(10));
        assert_eq!(pace.calls(at(40)), Err(secs(30)));
        assert!(pace.calls(at(70)).is_ok());
        pace.spent(10_000, Some(secs(1_000_000)), at(100));
        assert_eq!(pace.calls(at(100)), Err(CRM_METHOD_BLOCK_MAX), "the portal's clock may be wrong");
    }
}
