//! How long to wait after a failure: doubling, jittered, capped.
//!
//! Jitter keeps the devices of one vendor's customers from knocking in step after an outage of the portal. An engine:
//! the caller says when.

use crate::clock::Monotonic;
use crate::limits::{BACKOFF_FIRST, BACKOFF_LONGEST};
use core::time::Duration;

/// The waiting state of one thing that can fail.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    until: Monotonic,
    longest: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// A state without failures; `seed` makes the jitter repeatable in tests.
    pub fn new(seed: u64) -> Self {
        Self::capped(seed, BACKOFF_LONGEST)
    }

    /// The same with a lower ceiling.
    pub fn capped(seed: u64, longest: Duration) -> Self {
        Self { failures: 0, until: Monotonic::default(), longest, random: fastrand::Rng::with_seed(seed) }
    }

    /// It worked: the next failure starts anew.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until = Monotonic::default();
    }

    /// It failed at `now`; `wish` is the other side's own waiting time, which counts when it is the longer one.
    pub fn failed(&mut self, now: Monotonic, wish: Option<Duration>) {
        let doubled = BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        let own = self.jittered(doubled.min(self.longest));
        self.failures = self.failures.saturating_add(1);
        self.until = now + own.max(wish.unwrap_or_default());
    }

    /// Nothing may be tried before this moment.
    pub fn until(&self) -> Monotonic {
        self.until
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Any span up to `longest`.
    pub fn jitter(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.random.u64(0..=u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Between half of `span` and all of it.
    fn jittered(&mut self, span: Duration) -> Duration {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(millis / 2..=millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling_and_start_anew_after_success() {
        let now = Monotonic::from_millis(1_000);
        let mut backoff = Backoff::new(7);
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoff.failed(now, None);
            waits.push(backoff.until().since(now));
        }
        assert!(waits[0] <= BACKOFF_FIRST && waits[0] >= BACKOFF_FIRST / 2);
        assert!(waits[11] <= BACKOFF_LONGEST && waits[11] >= BACKOFF_LONGEST / 2);
        backoff.succeeded();
        backoff.failed(now, None);
        assert!(backoff.until().since(now) <= BACKOFF_FIRST);
    }

    #[test]
    fn the_wish_of_the_other_side_counts_when_it_is_longer() {
        let now = Monotonic::from_millis(0);
        let mut backoff = Backoff::new(7);
        backoff.failed(now, Some(Duration::from_secs(600)));
        assert_eq!(backoff.until().since(now), Duration::from_secs(600));
    }
}
