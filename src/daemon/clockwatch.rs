//! The wall clock, watched: when it was set, and when it should have been.
//!
//! Stands apart because it is about the machine and not about calls: the hub looks at every turn and tells. An engine.
//! Dates nothing itself: [`Stamp::date`] goes by the present offset of the clocks, so a clock that is set dates anew
//! whatever is in memory.

use crate::clock::{Monotonic, Stamp, Steps};
use crate::limits::CLOCK_PATIENCE;
use crate::status::Span;
use core::fmt;
use core::time::Duration;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It was set: by how much.
    Set(Step),
    /// It cannot be true, and has been waited for.
    Unset,
}

/// How far a clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step(i64);

impl Step {
    /// How far, whichever way.
    pub(super) fn size(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size().as_secs() {
            secs @ ..60 => write!(f, "{secs} s")?,
            secs => write!(f, "{}", Span(secs))?,
        }
        f.write_str(if self.0 < 0 { " back" } else { " forward" })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    steps: Steps,
    /// Since when it is not plausible.
    unset: Option<Monotonic>,
    told: bool,
}

impl ClockWatch {
    /// Looks at the clocks.
    pub(super) fn look(&mut self, now: Stamp) -> Option<News> {
        let step = self.steps.look(now);
        if now.wall.is_plausible() {
            (self.unset, self.told) = (None, false);
        } else {
            self.unset.get_or_insert(now.mono);
        }
        if let Some(step) = step {
            return Some(News::Set(Step(step)));
        }
        let late = self.is_late(now.mono) && !self.told;
        self.told |= late;
        late.then_some(News::Unset)
    }

    /// What is wrong and what to do; empty: nothing.
    pub(super) fn fault(&self, now: Stamp) -> String {
        if !self.is_late(now.mono) {
            return String::new();
        }
        format!(
            "this machine's clock says {} and has not been set: set up NTP (ringpost sets no clock); calls wait in the \
             journal and get their true dates when it is",
            now.wall.to_iso8601()
        )
    }

    /// When [`look`](Self::look) has something to say by itself.
    pub(super) fn poll_timeout(&self) -> Option<Monotonic> {
        self.unset.filter(|_| !self.told).map(|since| since + CLOCK_PATIENCE)
    }

    fn is_late(&self, now: Monotonic) -> bool {
        self.unset.is_some_and(|since| now.since(since) >= CLOCK_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    const NOON: i64 = 1_795_293_703_000;

    fn at(secs: u64, wall: i64) -> Stamp {
        Stamp { mono: Monotonic::from_millis(secs * 1000), wall: Wall::from_millis(wall) }
    }

    #[test]
    fn a_clock_that_is_not_set_is_told_once_after_its_time_and_no_more_when_it_is() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.look(at(20, 20_000)), None);
        assert_eq!(watch.poll_timeout(), Some(at(620, 0).mono));
        assert_eq!((watch.look(at(619, 619_000)), watch.fault(at(619, 619_000))), (None, String::new()));
        assert_eq!(watch.look(at(620, 620_000)), Some(News::Unset));
        assert_eq!((watch.look(at(900, 900_000)), watch.poll_timeout()), (None, None));
        assert!(watch.fault(at(900, 900_000)).contains("1970-01-01T00:15:00+00:00 and has not been set: set up NTP"));
        assert!(matches!(watch.look(at(901, NOON)), Some(News::Set(step)) if step.size().as_secs() > 1_700_000_000));
        assert_eq!(watch.fault(at(901, NOON)), "");
    }

    #[test]
    fn a_step_is_told_in_the_largest_units() {
        let told = |millis| Step(millis).to_string();
        assert_eq!(told(-3_600_000), "1 h 0 min back");
        assert_eq!(told(4_500), "4 s forward");
        assert_eq!(told(90 * 86_400_000 + 3_600_000), "90 d 1 h forward");
        assert_eq!(told(61_000), "1 min 1 s forward");
    }
}
