//! The two times of ringpost, and the only caller of the system's clocks.
//!
//! [`Monotonic`] measures durations; it is the kernel's CLOCK_BOOTTIME, so it means the same in every process of one
//! boot, and goes on while the machine is suspended, in which calls and portals go on too. [`Wall`] dates calls and
//! counts only once it is plausible: a router without a battery boots months in the past, and its clock is set in a
//! step once it has found a time server. A [`Stamp`] holds both, so that a call is dated by what the wall clock says
//! *now* of the moment at which it was made, whatever it said then. [`Steps`] notices that the clock was set. Does not
//! set clocks and does not wait.
//!
//! Why a clock that is behind the newest call of the journal is not called implausible: one call from a clock that was
//! ahead by years would make every right clock implausible for as long.

use crate::limits::CLOCK_STEP;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Milliseconds since boot by the kernel's clock that nobody sets, time in suspend counted.
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

    fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
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

/// No call is posted before the program was built, so an earlier clock has not been set yet. The date is that of the
/// build where it is told in a way that leaves builds reproducible.
const EARLIEST_PLAUSIBLE: Wall = built_at(option_env!("SOURCE_DATE_EPOCH"));

/// The date of a build, from its seconds since 1970; without one the date of the first lines of ringpost, 2026-01-01.
const fn built_at(told: Option<&str>) -> Wall {
    const FIRST: i64 = 1_767_225_600;
    let Some(mut digits) = (match told {
        Some(told) => Some(told.as_bytes()),
        None => None,
    }) else {
        return Wall(FIRST * 1000);
    };
    let mut secs: i64 = 0;
    while let [digit @ b'0'..=b'9', rest @ ..] = digits {
        secs = secs.saturating_mul(10).saturating_add((*digit - b'0') as i64);
        digits = rest;
    }
    // No number, or a date that is given to all files alike.
    if !digits.is_empty() || secs < FIRST { Wall(FIRST * 1000) } else { Wall(secs.saturating_mul(1000)) }
}

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

/// One moment on both clocks. `wall` is what the wall clock said then, right or wrong. A monotonic time of zero is
/// none: the moment lies in another boot, and the wall time is all that is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// On the monotonic clock.
    pub mono: Monotonic,
    /// On the wall clock.
    pub wall: Wall,
}

impl Stamp {
    /// The true date of this stamp as seen at `now`. A moment of this boot is as far from `now` on the wall's clock as
    /// on the monotonic one, for the clock may have been set since; without a plausible clock now, and of another boot,
    /// its own wall time counts if that was plausible. None: the clock has not been set yet.
    pub fn date(self, now: Stamp) -> Option<Wall> {
        let own = Some(self.wall).filter(|wall| wall.is_plausible());
        if self.is_of_another_boot() && own.is_some() {
            return own;
        }
        let reckoned = Wall(now.offset().saturating_add(self.mono.signed()));
        now.wall.is_plausible().then_some(reckoned).or(own)
    }

    /// Time since this moment: by the monotonic clock, or by the wall clock for a moment of another boot if both
    /// readings are plausible. At least what has passed since the boot, otherwise.
    pub fn age(self, now: Stamp) -> Duration {
        if self.is_of_another_boot() && self.wall.is_plausible() && now.wall.is_plausible() {
            let millis = now.wall.0.saturating_sub(self.wall.0);
            return Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        }
        now.mono.since(self.mono)
    }

    /// How far the wall clock is ahead of the monotonic one.
    fn offset(self) -> i64 {
        self.wall.0.saturating_sub(self.mono.signed())
    }

    fn is_of_another_boot(self) -> bool {
        self.mono == Monotonic::default()
    }
}

/// Notices that the wall clock was set, by comparing how far it is from the monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    offset: Option<i64>,
}

impl Steps {
    /// By how many milliseconds the wall clock was set forward (or back) since the last look; none: it only ran. What
    /// it drifts or is drawn along between two looks is no step.
    pub fn look(&mut self, now: Stamp) -> Option<i64> {
        let before = self.offset.replace(now.offset())?;
        let step = now.offset().saturating_sub(before);
        (u128::from(step.unsigned_abs()) >= CLOCK_STEP.as_millis()).then_some(step)
    }
}

/// Reads both clocks.
pub fn now() -> Stamp {
    Stamp { mono: Monotonic(u64::try_from(read::boottime()).unwrap_or(0)), wall: Wall(read::realtime()) }
}

/// A reading in milliseconds; of the nanoseconds a word of either size, by machine, always less than a second.
fn millis(secs: i64, nanos: i64) -> i64 {
    secs.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

#[cfg(not(target_arch = "mips"))]
mod read {
    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn boottime() -> i64 {
        milliseconds(ClockId::Boottime)
    }

    pub(super) fn realtime() -> i64 {
        milliseconds(ClockId::Realtime)
    }

    fn milliseconds(clock: ClockId) -> i64 {
        let time = clock_gettime(clock);
        #[allow(clippy::useless_conversion, reason = "a word of either size, by machine")]
        super::millis(time.tv_sec, i64::from(time.tv_nsec))
    }
}

/// On 32-bit MIPS rustix 1.1 goes by the C library, into a struct of another shape than that has: a date in a year of
/// nine digits. Dates after January 2038 are known where the libc crate is built with `--cfg libc_unstable_musl_v1_2`,
/// as `packaging/toolchain` does; without, the clock counts as not set from then on.
#[cfg(target_arch = "mips")]
mod read {
    use nix::time::{ClockId, clock_gettime};

    pub(super) fn boottime() -> i64 {
        milliseconds(ClockId::CLOCK_BOOTTIME)
    }

    pub(super) fn realtime() -> i64 {
        milliseconds(ClockId::CLOCK_REALTIME)
    }

    fn milliseconds(clock: ClockId) -> i64 {
        #[allow(clippy::useless_conversion, reason = "a word of either size, by how the libc crate is built")]
        clock_gettime(clock).map_or(0, |time| super::millis(i64::from(time.tv_sec()), i64::from(time.tv_nsec())))
    }
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
    fn the_clocks_are_the_machines_on_every_processor() -> std::io::Result<()> {
        let file = std::env::temp_dir().join(format!("ringpost-clock-{}", std::process::id()));
        std::fs::write(&file, "now")?;
        let made = std::fs::metadata(&file).and_then(|about| about.modified());
        std::fs::remove_file(&file)?;
        let made = made?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let first = now();
        let off = first.wall.as_millis() as f64 - made.as_secs_f64() * 1000.0;
        assert!(off.abs() < 60_000.0, "{off} ms off: {first:?}");
        assert!((1..1_000_000_000_000).contains(&first.mono.as_millis()), "thirty years without a boot: {first:?}");
        for _ in 0..1000 {
            let next = now();
            assert!(next.mono >= first.mono && next.mono.millis_since(first.mono) < 60_000, "{next:?} after {first:?}");
        }
        Ok(())
    }

    fn stamp(mono: u64, wall: i64) -> Stamp {
        Stamp { mono: Monotonic::from_millis(mono), wall: Wall::from_millis(wall) }
    }

    const NOON: i64 = 1_795_293_703_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_call_is_dated_by_the_clock_as_it_is_set_now_whatever_it_said_then() {
        for wrong in [7, 1_600_000_000_000, NOON - HOUR, NOON + HOUR, 4_000_000_000_000] {
            let ring = stamp(5_000, wrong);
            assert_eq!(ring.date(stamp(65_000, NOON)), Some(Wall(NOON - 60_000)), "{wrong}");
            assert_eq!(ring.age(stamp(65_000, NOON)), Duration::from_secs(60));
        }
        let (unset, set_back) = (stamp(5_000, 7), stamp(9_000, 4_007));
        assert_eq!(unset.date(set_back), None);
        assert_eq!(stamp(5_000, NOON).date(set_back), Some(Wall(NOON)), "a battery that fails in mid-day");
    }

    #[test]
    fn a_call_of_another_boot_keeps_its_date() {
        let call = stamp(0, NOON - HOUR);
        assert_eq!(call.date(stamp(20_000, NOON)), Some(Wall(NOON - HOUR)));
        assert_eq!(call.age(stamp(20_000, NOON)), Duration::from_secs(3600));
        assert_eq!(
            stamp(0, 0).date(stamp(20_000, NOON)),
            Some(Wall(NOON - 20_000)),
            "not known: the start of this boot"
        );
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_is_drawn_along_is_not() {
        let mut steps = Steps::default();
        assert_eq!(steps.look(stamp(1_000, 7)), None, "nothing to compare with");
        assert_eq!(steps.look(stamp(61_000, 60_007)), None);
        assert_eq!(steps.look(stamp(62_000, NOON)), Some(NOON - 61_007));
        // 500 parts in a million for an hour.
        assert_eq!(steps.look(stamp(3_662_000, NOON + HOUR + 1_800)), None);
        assert_eq!(steps.look(stamp(3_663_000, NOON + 2_800)), Some(-HOUR));
        // Hours of suspend, in which both go on.
        assert_eq!(steps.look(stamp(18_063_000, NOON + 4 * HOUR + 2_800)), None);
    }

    #[test]
    fn the_earliest_plausible_date_is_that_of_the_build() {
        let first = Wall(1_767_225_600_000);
        assert_eq!(built_at(Some("1795293703")), Wall(NOON));
        for told in [None, Some(""), Some("0"), Some("1"), Some("1795293703x"), Some("-5")] {
            assert_eq!(built_at(told), first, "{told:?}");
        }
        assert_eq!(built_at(Some("99999999999999999999")), Wall(i64::MAX));
    }
}
