//! Refused calls that somebody wants tried again.
//!
//! Stands apart from the ring because it is a wish of the operator's, asked by the daemon's thread and, while no daemon
//! runs, by the command itself. Reads the refused calls window by window; what it marks counts at once. Does not
//! deliver: whoever asks the ring for what waits finds these calls there.

use super::marks::Mark;
use super::record::Seq;
use super::ring::Ring;
use super::storage::Storage;
use crate::clock::Stamp;
use crate::limits::JOURNAL_WINDOW;

/// Has the refused call of this identity, as the CRMs know it, wait again at every CRM that refused it; without one,
/// all of them. How many calls that were. Durable after [`Ring::flush`] and [`Ring::sync`].
pub fn retry<S: Storage>(ring: &mut Ring<S>, id: Option<&str>, now: Stamp) -> u32 {
    let (mut calls, mut after) = (0_u32, Seq(0));
    loop {
        let window = ring.refused(after, JOURNAL_WINDOW);
        let Some(last) = window.last() else { return calls };
        after = last.seq;
        for item in window.iter().filter(|item| id.is_none_or(|id| item.call.id == id)) {
            for (crm, state, ..) in &item.deliveries {
                if state.is_refused() {
                    ring.mark(item.seq, *crm, Mark::Retry, now);
                }
            }
            calls = calls.saturating_add(1);
        }
    }
}
