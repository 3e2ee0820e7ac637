//! The two times of ringpost, and the only caller of the system's clocks.
//!
//! [`Monotonic`] measures durations; it is the kernel's CLOCK_MONOTONIC, so it means the same in every process of one
//! boot. [`Wall`] dates calls and counts only once it is plausible: a router without a battery boots months in the
//! past. A [`Stamp`] holds both, so that a call made before the clock was set gets its true date later. Does not set
//! clocks and does not wait.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Milliseconds of the kernel's monotonic clock (since boot, suspend not counted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Monotonic(u64);

impl Monotonic {
    /// From milliseconds since boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds passed since `earlier`, at most `u32::MAX` (49 days).
    pub fn millis_since(self, earlier: Self) -> u32 {
        u32::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(u32::MAX)
    }
}

impl core::ops::Add<Duration> for Monotonic {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z by the machine's clock, right or wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(i64);

/// No call was posted by ringpost before this date (2026-01-01), so an earlier clock has not been set yet.
const EARLIEST_PLAUSIBLE: Wall = Wall(1_767_225_600_000);

impl Wall {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whether the clock that said this can have been set at all.
    pub fn is_plausible(self) -> bool {
        self >= EARLIEST_PLAUSIBLE
    }

    /// ISO 8601 in UTC with its offset, to the second: `2026-11-21T20:41:43+00:00`.
    pub fn to_iso8601(self) -> String {
        let (days, secs) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000) / 1000);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
    }
}

/// One moment on both clocks. `wall` is what the wall clock said then, plausible or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// On the monotonic clock.
    pub mono: Monotonic,
    /// On the wall clock.
    pub wall: Wall,
}

impl Stamp {
    /// The true date of this stamp as seen at `now` of the same boot: its own wall time if that was plausible, else
    /// reckoned back from `now`, else none (the clock has not been set yet).
    pub fn date(self, now: Stamp) -> Option<Wall> {
        if self.wall.is_plausible() {
            return Some(self.wall);
        }
        let age = i64::try_from(now.mono.since(self.mono).as_millis()).ok()?;
        now.wall.is_plausible().then(|| Wall(now.wall.0.saturating_sub(age)))
    }
}

/// Reads both clocks.
pub fn now() -> Stamp {
    let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Stamp { mono: Monotonic(u64::try_from(millis(mono)).unwrap_or(0)), wall: Wall(millis(wall)) }
}

fn millis(time: rustix::time::Timespec) -> i64 {
    // A word of either size, by machine; always less than a second.
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    time.tv_sec.saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000))
}

/// Days since 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_before_and_after_2038() {
        assert_eq!(Wall::from_millis(0).to_iso8601(), "1970-01-01T00:00:00+00:00");
        assert_eq!(Wall::from_millis(1_795_293_703_999).to_iso8601(), "2026-11-21T20:41:43+00:00");
        assert_eq!(Wall::from_millis(4_107_542_400_000).to_iso8601(), "2100-03-01T00:00:00+00:00");
    }

    #[test]
    fn a_call_before_the_clock_was_set_gets_its_date_later() {
        let ring = Stamp { mono: Monotonic::from_millis(5_000), wall: Wall::from_millis(7) };
        let unset = Stamp { mono: Monotonic::from_millis(9_000), wall: Wall::from_millis(4_007) };
        let set = Stamp { mono: Monotonic::from_millis(65_000), wall: Wall::from_millis(1_795_293_703_000) };
        assert_eq!(ring.date(unset), None);
        assert_eq!(ring.date(set), Some(Wall::from_millis(1_795_293_643_000)));
    }
}
