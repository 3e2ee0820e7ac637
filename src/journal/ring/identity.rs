//! Whether a finished call is one that the journal has.
//!
//! A call comes twice when the process was killed between its append and the next write of the mirror, or when a call
//! that was taken for ended turns out to live. It must then be known again, or it is posted twice. But identities
//! (`<pbx name>-<epoch>.<counter>`) also repeat by themselves: a PBX that has lost its clock starts each time at 1970
//! or at the date of its firmware, with the counter at zero. Such a call must not be taken for known, or it is lost.
//!
//! What tells the two apart is the start:
//!
//! - In one boot of this machine it is compared on the monotonic clock, which no setting of a clock moves. A call out
//!   of the mirror has exactly the stamp that it had. One that was joined again from the PBX's list of channels is
//!   dated by `Duration`, in whole seconds, by a list that took a while: seconds apart.
//! - From one boot to the next it is compared on the wall clock, and only when both dates are known. Where one is not,
//!   the call is another one: the mirror does not outlive a boot, and a call in doubt is better posted twice than
//!   never.
//! - For two calls of one identity the PBX, or at least Asterisk, was started in between. So the tolerance,
//!   [`JOURNAL_START_TOLERANCE`], lies between the seconds of a list and the time a box needs to start and to take a
//!   call. Within it two numbers that cannot be the same client's tell two calls apart; a hidden number tells nothing.
//!   Direction is not compared: a call joined half-way may be judged differently.
//!
//! Another call of a known identity gets one of its own for the CRMs, made of its start
//! ([`repeated_id`](super::super::record::repeated_id)); on flash it keeps the PBX's, by which a replay finds both.

use super::super::JournalError;
use super::super::record::{Seq, Stored};
use super::super::storage::Storage;
use super::Ring;
use crate::boot::BootId;
use crate::call::record::CallRecord;
use crate::clock::{Stamp, Wall};
use crate::limits::JOURNAL_START_TOLERANCE;
use crate::number;

/// What the journal makes of a call's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// It has this call.
    Known { seq: Seq, repeat: u32 },
    /// It has not. `repeat` is not zero when it has another one of this identity.
    New { repeat: u32 },
}

impl<S: Storage> Ring<S> {
    pub(super) fn identify(&self, call: &CallRecord, now: Stamp) -> Result<Identity, JournalError> {
        let mut taken = Vec::new();
        for found in self.of_identity(&call.id) {
            let (seq, stored) = found.map_err(|error| JournalError::io("read", &error))?;
            if is_same_call(&stored, call, self.settings.boot, now) {
                return Ok(Identity::Known { seq, repeat: stored.repeat });
            }
            taken.push(stored.repeat);
        }
        if taken.is_empty() {
            return Ok(Identity::New { repeat: 0 });
        }
        let first = start_number(call, self.settings.boot, now);
        let mut numbers = (0..=u32::MAX).map(|step| first.wrapping_add(step));
        let is_free = |repeat: &u32| *repeat != 0 && !taken.contains(repeat);
        Ok(Identity::New { repeat: numbers.find(is_free).unwrap_or(first) })
    }
}

fn is_same_call(stored: &Stored, call: &CallRecord, boot: BootId, now: Stamp) -> bool {
    let Some(apart) = millis_apart(stored, call, boot, now) else { return false };
    let (one, two) = (&stored.call.client, &call.client);
    let is_other_client = !one.is_empty() && !two.is_empty() && !number::is_same(one.as_bytes(), two.as_bytes());
    apart == 0 || u128::from(apart) <= JOURNAL_START_TOLERANCE.as_millis() && !is_other_client
}

/// Between the starts; none: that cannot be told.
fn millis_apart(stored: &Stored, call: &CallRecord, boot: BootId, now: Stamp) -> Option<u64> {
    let (earlier, later) = (stored.call.started, call.started);
    if stored.boot != 0 && stored.boot == boot.fingerprint() {
        return Some(earlier.mono.as_millis().abs_diff(later.mono.as_millis()));
    }
    let earlier = stored.undated.is_none().then_some(earlier.wall).filter(|wall| wall.is_plausible())?;
    Some(earlier.as_millis().abs_diff(later.date(now)?.as_millis()))
}

/// Seconds since 1970 at the call's start, or a number of the boot and of its clock.
fn start_number(call: &CallRecord, boot: BootId, now: Stamp) -> u32 {
    let secs = match call.started.date(now).map(Wall::as_millis) {
        Some(millis) => millis.div_euclid(1000).cast_unsigned(),
        None => boot.bits() ^ (call.started.mono.as_millis() / 1000),
    };
    u32::try_from(secs & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
