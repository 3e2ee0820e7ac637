//! The calls of an open journal, one after the other: what `calls` and `journal export` share.
//!
//! Bounds: one window of entries in memory and one number for each window of the journal. Whoever is shown a call says
//! whether to go on, or how it ended.

use super::Exit;
use crate::call::json::{self, Delivery};
use crate::clock::Stamp;
use crate::crm::bitrix24;
use crate::journal::storage::Storage;
use crate::journal::{HistoryItem, Ring, Seq};
use crate::limits::JOURNAL_WINDOW;
use crate::log::masked;
use core::ops::ControlFlow;

/// Shows every call, oldest first, until `show` says that it is over.
pub(super) fn oldest_first<S: Storage>(
    ring: &Ring<S>,
    mut show: impl FnMut(&HistoryItem) -> ControlFlow<Exit>,
) -> Exit {
    let window = |starts: &[Seq]| -> Vec<HistoryItem> {
        starts.last().map(|before| ring.history(*before, JOURNAL_WINDOW)).unwrap_or_default()
    };
    // The ring gives its newest first; people read the oldest first.
    let mut starts = vec![Seq(u64::MAX)];
    while let Some(oldest) = window(&starts).last().map(|item| item.seq) {
        starts.push(oldest);
    }
    starts.pop();
    while !starts.is_empty() {
        let items = window(&starts);
        starts.pop();
        for item in items.iter().rev() {
            if let ControlFlow::Break(exit) = show(item) {
                return exit;
            }
        }
    }
    Exit::Well
}

/// Shows every call that a configured CRM refused, oldest first, until `show` says that it is over.
pub(super) fn refused<S: Storage>(ring: &Ring<S>, mut show: impl FnMut(&HistoryItem) -> ControlFlow<Exit>) -> Exit {
    let mut after = Seq(0);
    loop {
        let window = ring.refused(after, JOURNAL_WINDOW);
        let Some(last) = window.last() else { return Exit::Well };
        after = last.seq;
        for item in &window {
            if let ControlFlow::Break(exit) = show(item) {
                return exit;
            }
        }
    }
}

/// A call as one line of JSON, line end included. `names` are those of the ring's CRMs, in its order.
pub(super) fn json_line(item: &HistoryItem, names: &[String], now: Stamp) -> String {
    let status = bitrix24::wants(&item.call).then(|| bitrix24::status_code(&item.call));
    json::line(&item.call, status, Some(&deliveries(item, names)), now) + "\n"
}

/// What became of a call at each CRM that wants it.
pub(super) fn deliveries(item: &HistoryItem, names: &[String]) -> Vec<Delivery> {
    let recordings = u8::try_from(item.call.recordings.len()).unwrap_or(u8::MAX);
    let told = item.deliveries.iter().map(|(crm, state, _, reason)| Delivery {
        crm: names.get(usize::from(crm.0)).cloned().unwrap_or_default(),
        state: match state {
            state if state.is_refused() => "refused",
            state if !state.is_delivered() => "waiting",
            state if state.is_open(recordings) => "recording-waits",
            _ => "delivered",
        },
        reason: (!reason.is_empty()).then(|| masked(reason)),
    });
    told.collect()
}
