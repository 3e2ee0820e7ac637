//! How a backlog gets through: calls delivered since it began, and at what rate.
//!
//! Stands apart from the schedule because nothing depends on it: it is for the eyes of whoever watches `ringpost
//! status`. An engine, `now` passed in. Bounds: a dozen counts; the rate is that of the last two minutes, so that it
//! follows a portal which slows down. How much is left the journal knows.

use crate::clock::Monotonic;
use core::time::Duration;

/// A span of the rate.
const SPAN: Duration = Duration::from_secs(10);
/// Spans that are looked at.
const SPANS: usize = 12;

/// The deliveries of a backlog, counted.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    done: u64,
    began: Monotonic,
    last: Monotonic,
    /// Deliveries by span; `span` is the number of the newest, its count at `span % SPANS`.
    counts: [u32; SPANS],
    span: u64,
}

/// A backlog on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// Calls delivered since it began.
    pub done: u64,
    /// Calls delivered in an hour at the present rate.
    pub per_hour: u64,
}

impl Draining {
    /// Seconds until `left` calls are delivered at this rate; none while nothing moves.
    pub fn secs_to_go(self, left: u64) -> Option<u64> {
        left.saturating_mul(3600).checked_div(self.per_hour)
    }
}

impl Drain {
    /// A call was delivered; one that ended just now is no backlog. After ten minutes without one another drain begins.
    pub fn delivered(&mut self, is_fresh: bool, now: Monotonic) {
        if is_fresh {
            return;
        }
        if self.done == 0 || now.since(self.last) > SPAN * 60 {
            *self = Self { began: now, span: span_of(now), ..Self::default() };
        }
        self.turn(now);
        (self.done, self.last) = (self.done.saturating_add(1), now);
        if let Some(count) = self.counts.get_mut(place(self.span)) {
            *count = count.saturating_add(1);
        }
    }

    /// How it is; none before the first delivery.
    pub fn told(&self, now: Monotonic) -> Option<Draining> {
        if self.done == 0 {
            return None;
        }
        let mut drain = self.clone();
        drain.turn(now);
        let counted: u64 = drain.counts.iter().map(|count| u64::from(*count)).sum();
        let whole = u64::try_from((SPAN * SPANS as u32).as_millis()).unwrap_or(u64::MAX);
        let seen = now.as_millis().saturating_sub(self.began.as_millis()).clamp(1000, whole);
        Some(Draining { done: self.done, per_hour: counted.saturating_mul(3_600_000) / seen })
    }

    /// Empties the spans that have passed since the last one.
    fn turn(&mut self, now: Monotonic) {
        let span = span_of(now);
        for passed in (self.span + 1..=span).take(SPANS) {
            if let Some(count) = self.counts.get_mut(place(passed)) {
                *count = 0;
            }
        }
        self.span = span;
    }
}

fn span_of(now: Monotonic) -> u64 {
    now.as_millis() / u64::try_from(SPAN.as_millis()).unwrap_or(u64::MAX)
}

fn place(span: u64) -> usize {
    usize::try_from(span % SPANS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_millis(secs * 1000)
    }

    #[test]
    fn the_rate_follows_the_last_two_minutes() {
        let mut drain = Drain::default();
        assert_eq!(drain.told(at(1000)), None);
        for second in 1000..1600 {
            drain.delivered(false, at(second));
        }
        let told = drain.told(at(1600)).unwrap();
        assert!(told.done == 600 && (3200..3700).contains(&told.per_hour), "{told:?}");
        assert_eq!(Draining { done: 600, per_hour: 3600 }.secs_to_go(1800), Some(1800));
        let told = drain.told(at(1660)).unwrap();
        assert!((1500..2000).contains(&told.per_hour), "half of it stood still: {told:?}");
        let told = drain.told(at(2000)).unwrap();
        assert_eq!((told.per_hour, told.secs_to_go(5)), (0, None));
    }

    #[test]
    fn a_call_of_this_moment_is_no_backlog_and_another_drain_begins_anew() {
        let mut drain = Drain::default();
        drain.delivered(true, at(1000));
        assert_eq!(drain.told(at(1000)), None);
        drain.delivered(false, at(2000));
        drain.delivered(false, at(2005));
        assert_eq!(drain.told(at(2006)).unwrap().done, 2);
        drain.delivered(false, at(9000));
        assert_eq!(drain.told(at(9001)).unwrap().done, 1);
    }
}
