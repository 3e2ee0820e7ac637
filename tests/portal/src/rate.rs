//! The two limits of the portal: requests per second, and processing time per method.
//!
//! Engines without a clock: `now` is an argument. The bucket counts every request that is let
//! through; a refused one does not raise it [unverified for the cloud].
//!
//! Bounds: one bucket; ten slots for each method name, and method names are those of the portal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::{OperatingLimit, RateLimit};

/// The leaky bucket of requests.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, level: 0.0, at: now }
    }

    /// Whether one more request is let through now.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let leaked = now.saturating_duration_since(self.at).as_secs_f64() * self.limit.leak_per_second;
        self.level = (self.level - leaked).max(0.0);
        self.at = now;
        let admitted = self.level + 1.0 <= self.limit.blocked_at;
        if admitted {
            self.level += 1.0;
        }
        admitted
    }
}

/// Processing time of each method in the moving window.
#[derive(Debug)]
pub(crate) struct Operating {
    limit: OperatingLimit,
    start: Instant,
    methods: BTreeMap<String, BTreeMap<u64, Duration>>,
}

/// Slots of the window: the oldest tenth is released at a time.
const SLOTS: u64 = 10;

impl Operating {
    pub(crate) fn new(limit: OperatingLimit, now: Instant) -> Self {
        Self { limit, start: now, methods: BTreeMap::new() }
    }

    /// Whether the method has used up its time.
    pub(crate) fn blocked(&mut self, method: &str, now: Instant) -> bool {
        self.used(method, now) >= self.limit.limit
    }

    /// Charges one run, and says what the window holds now and in how many seconds a part of it is released.
    pub(crate) fn charge(&mut self, method: &str, took: Duration, now: Instant) -> (Duration, u64) {
        let extra = self.limit.charged.iter().find(|(name, _)| name == method).map(|(_, extra)| *extra);
        let took = took + extra.unwrap_or_default();
        let slot = self.slot(now);
        if took >= self.limit.free_below {
            let slots = self.methods.entry(method.to_owned()).or_default();
            *slots.entry(slot).or_default() += took;
        }
        let used = self.used(method, now);
        let oldest = self.methods.get(method).and_then(|slots| slots.keys().next().copied()).unwrap_or(slot);
        let width = self.width();
        let released = width * u32::try_from(oldest + SLOTS).unwrap_or(u32::MAX);
        let wait = (self.start + released).saturating_duration_since(now);
        (used, wait.as_secs() + 1)
    }

    fn used(&mut self, method: &str, now: Instant) -> Duration {
        let first = (self.slot(now) + 1).saturating_sub(SLOTS);
        let Some(slots) = self.methods.get_mut(method) else { return Duration::ZERO };
        slots.retain(|slot, _| *slot >= first);
        slots.values().sum()
    }

    fn slot(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(elapsed / self.width().as_nanos().max(1)).unwrap_or(u64::MAX)
    }

    fn width(&self) -> Duration {
        self.limit.window / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_pass_at_once_and_then_two_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RateLimit::default(), start);
        assert_eq!((0..100).filter(|_| bucket.admit(start)).count(), 50);
        let later = start + Duration::from_secs(2);
        assert_eq!((0..100).filter(|_| bucket.admit(later)).count(), 4);
    }

    #[test]
    fn time_is_charged_by_method_and_released_by_tenths() {
        let start = Instant::now();
        let limit = OperatingLimit { limit: Duration::from_secs(4), ..OperatingLimit::default() };
        let mut operating = Operating::new(limit, start);
        operating.charge("a", Duration::from_millis(99), start);
        assert_eq!(operating.used("a", start), Duration::ZERO);
        let (used, reset) = operating.charge("a", Duration::from_secs(4), start);
        assert_eq!((used, reset), (Duration::from_secs(4), 601));
        assert!(operating.blocked("a", start + Duration::from_secs(599)));
        assert!(!operating.blocked("b", start));
        assert!(!operating.blocked("a", start + Duration::from_secs(600)));
    }
}
