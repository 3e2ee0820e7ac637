//! How fast a portal may be asked: a token bucket with a reserve for live cards.
//!
//! A portal counts requests per source address and blocks who is too fast; other integrations behind the same address
//! share its patience, so we stay below it (Bitrix24: 2 a second, blocked at 50 above that). [`Bucket`] is an engine:
//! `now` is passed in. [`Gate`] is the thin wrapper that lanes wait at. Bounds: waits are at most
//! [`CRM_PATIENCE`], blocked methods at most [`BLOCKED_METHODS`]. Keeps no queue: who may
//! not go yet is told how long, and the schedule decides.

use super::Lane;
use crate::clock::{self, Monotonic};
use crate::limits::{
    BLOCKED_METHODS, CRM_BACKOFF_MAX, CRM_BURST, CRM_CARD_PATIENCE, CRM_PATIENCE, CRM_RATE_PER_1000_SECS,
    CRM_RESERVE_CALLS, CRM_RESERVE_RECORDINGS,
};
use core::time::Duration;
use heapless::Vec;
use std::sync::{Mutex, PoisonError};

/// One request, in the bucket's unit: millionths of a request per millisecond make whole numbers of 1.5 a second.
const TOKEN: u64 = 1_000_000;

/// Tokens of one portal.
#[derive(Debug)]
pub struct Bucket {
    level: u64,
    filled: Monotonic,
    closed_until: Monotonic,
    strikes: u32,
    blocked: Vec<(&'static str, Monotonic), BLOCKED_METHODS>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(now: Monotonic) -> Self {
        let level = u64::from(CRM_BURST) * TOKEN;
        Self { level, filled: now, closed_until: now, strikes: 0, blocked: Vec::new() }
    }

    /// Takes a token for one request of `method`.
    ///
    /// # Errors
    ///
    /// How long to wait before asking again.
    pub fn take(&mut self, lane: Lane, method: &'static str, now: Monotonic) -> Result<(), Duration> {
        self.fill(now);
        let closed = self.closed_until.since(now).max(self.blocked_for(method, now));
        if !closed.is_zero() {
            return Err(closed);
        }
        let needed = TOKEN.saturating_add(u64::from(reserve(lane)).saturating_mul(TOKEN));
        let missing = needed.saturating_sub(self.level);
        if missing > 0 {
            return Err(Duration::from_millis(missing.div_ceil(CRM_RATE_PER_1000_SECS)));
        }
        self.level = self.level.saturating_sub(TOKEN);
        Ok(())
    }

    /// The portal said that requests come too fast: everybody waits 2, 4, 8 … 60 s, and `jitter` (0 to 255) adds up to
    /// half of that, so that several devices do not come back together.
    pub fn too_fast(&mut self, wish: Option<Duration>, jitter: u8, now: Monotonic) {
        self.fill(now);
        // Lanes that were under way together are one offence.
        if self.closed_until <= now {
            self.strikes = self.strikes.saturating_add(1);
        }
        let span = Duration::from_secs(1 << self.strikes.min(6)).min(CRM_BACKOFF_MAX);
        let span = span.saturating_add(span.saturating_mul(u32::from(jitter)) / 512);
        self.close(span.max(wish.unwrap_or_default()), now);
    }

    /// How long everybody waits, if at all.
    pub fn closed_for(&self, now: Monotonic) -> Option<Duration> {
        Some(self.closed_until.since(now)).filter(|span| !span.is_zero())
    }

    /// Nobody asks anything for `span`.
    pub fn close(&mut self, span: Duration, now: Monotonic) {
        self.closed_until = self.closed_until.max(now + span);
    }

    /// The portal blocked one method for `span`; the others go on.
    pub fn block(&mut self, method: &'static str, span: Duration, now: Monotonic) {
        self.blocked.retain(|(name, until)| *name != method && *until > now);
        // With more methods blocked than there are, the whole portal is.
        if self.blocked.push((method, now + span)).is_err() {
            self.close(span, now);
        }
    }

    /// The portal answered in earnest.
    pub fn went_well(&mut self, now: Monotonic) {
        if self.closed_until <= now {
            self.strikes = 0;
        }
    }

    /// How long a method is blocked, if at all.
    pub fn blocked_for(&self, method: &'static str, now: Monotonic) -> Duration {
        let found = self.blocked.iter().find(|(name, _)| *name == method);
        found.map_or(Duration::ZERO, |(_, until)| until.since(now))
    }

    fn fill(&mut self, now: Monotonic) {
        let millis = now.as_millis().saturating_sub(self.filled.as_millis());
        let cap = u64::from(CRM_BURST) * TOKEN;
        self.level = self.level.saturating_add(millis.saturating_mul(CRM_RATE_PER_1000_SECS)).min(cap);
        self.filled = self.filled.max(now);
    }
}

/// Tokens that a lane leaves for those before it.
fn reserve(lane: Lane) -> u32 {
    match lane {
        Lane::Cards => 0,
        Lane::Calls => CRM_RESERVE_CALLS,
        Lane::Recordings => CRM_RESERVE_RECORDINGS,
    }
}

/// The bucket as the lanes share it.
#[derive(Debug)]
pub struct Gate(Mutex<Bucket>);

impl Default for Gate {
    fn default() -> Self {
        Self(Mutex::new(Bucket::new(clock::now().mono)))
    }
}

impl Gate {
    /// Waits for a token, but no longer than the lane's patience: a card that comes late is worth nothing, and a lane
    /// that sleeps long cannot be stopped.
    ///
    /// # Errors
    ///
    /// How long it would still take.
    pub fn pass(&self, lane: Lane, method: &'static str) -> Result<(), Duration> {
        let patience = if lane == Lane::Cards { CRM_CARD_PATIENCE } else { CRM_PATIENCE };
        let start = clock::now().mono;
        loop {
            let now = clock::now().mono;
            let Err(wait) = self.with(|bucket| bucket.take(lane, method, now)) else { return Ok(()) };
            if now.since(start).saturating_add(wait) > patience {
                return Err(wait);
            }
            std::thread::sleep(wait);
        }
    }

    /// Tells the bucket something.
    pub fn with<T>(&self, tell: impl FnOnce(&mut Bucket) -> T) -> T {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    fn drain(bucket: &mut Bucket, lane: Lane, now: Monotonic) -> u32 {
        let mut taken = 0;
        while bucket.take(lane, "m", now).is_ok() {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_backlog_leaves_the_reserve_to_live_cards() {
        let mut bucket = Bucket::new(at(0));
        assert_eq!(drain(&mut bucket, Lane::Recordings, at(0)), CRM_BURST - CRM_RESERVE_RECORDINGS);
        assert_eq!(drain(&mut bucket, Lane::Calls, at(0)), CRM_RESERVE_RECORDINGS - CRM_RESERVE_CALLS);
        assert_eq!(drain(&mut bucket, Lane::Cards, at(0)), CRM_RESERVE_CALLS);
    }

    #[test]
    fn it_fills_at_three_in_two_seconds_and_not_above_the_burst() {
        let mut bucket = Bucket::new(at(0));
        drain(&mut bucket, Lane::Cards, at(0));
        assert_eq!(bucket.take(Lane::Cards, "m", at(0)), Err(Duration::from_millis(667)));
        assert_eq!(drain(&mut bucket, Lane::Cards, at(2_000)), 3);
        assert_eq!(drain(&mut bucket, Lane::Cards, at(9_999_999)), CRM_BURST);
    }

    #[test]
    fn too_fast_backs_everybody_off_longer_each_time_up_to_a_minute() {
        let mut bucket = Bucket::new(at(0));
        let mut now = at(0);
        for secs in [2, 4, 8, 16, 32, 60, 60] {
            bucket.too_fast(None, 0, now);
            bucket.too_fast(None, 0, now);
            assert_eq!(bucket.take(Lane::Cards, "m", now), Err(Duration::from_secs(secs)));
            now = now + Duration::from_secs(secs);
            assert_eq!(bucket.take(Lane::Cards, "m", now), Ok(()));
        }
        bucket.went_well(now);
        bucket.too_fast(None, 255, now);
        let wait = bucket.take(Lane::Calls, "m", now).err().unwrap_or_default();
        assert!(wait > Duration::from_millis(2900) && wait <= Duration::from_secs(3), "{wait:?}");
    }

    #[test]
    fn a_blocked_method_stops_only_itself() {
        let mut bucket = Bucket::new(at(0));
        bucket.block("finish", Duration::from_secs(60), at(0));
        assert_eq!(bucket.take(Lane::Calls, "finish", at(1_000)), Err(Duration::from_secs(59)));
        assert_eq!(bucket.take(Lane::Calls, "register", at(1_000)), Ok(()));
        assert_eq!(bucket.take(Lane::Calls, "finish", at(60_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_stands_still_or_steps_back_gives_nothing() {
        let mut bucket = Bucket::new(at(10_000));
        drain(&mut bucket, Lane::Cards, at(10_000));
        assert!(bucket.take(Lane::Cards, "m", at(5_000)).is_err());
        assert!(bucket.take(Lane::Cards, "m", at(10_600)).is_err());
    }
}
