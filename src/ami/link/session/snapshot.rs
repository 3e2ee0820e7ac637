//! The list of channels, by which calls are found that began before the connection and hangups that were lost.
//!
//! Stands apart from the other steps because it is asked again and again, in two ways, and proves something beside: a
//! channel that never told of itself shows that filters or the account let no call events pass. Bounded by
//! [`CHANNELS`](crate::limits::CHANNELS) of one list, which the session counts. What has to be done with the channels
//! is the tracker's work.

use super::steps::Step;
use super::{Pending, Session};
use crate::ami::action::Action;
use crate::ami::link::SnapshotReason;
use crate::ami::link::fault::{FaultKind, Lack};
use crate::ami::link::server::Right;
use crate::clock::Monotonic;
use crate::limits::{RESYNC_INTERVAL, RESYNC_LEAST, RESYNC_PROBE, RESYNC_SECOND};

impl Session {
    /// Asks for the list of channels, but not at once again and again.
    pub(in crate::ami::link) fn request_snapshot(&mut self, now: Monotonic) {
        if !self.is_live() || self.connection.no_list {
            return; // the list of the login is still to come, or none is permitted
        }
        let earliest = self.connection.last_snapshot + RESYNC_LEAST;
        if earliest <= now {
            self.enqueue_snapshot(SnapshotReason::Requested, now);
        } else {
            let due = self.connection.next_snapshot.map_or(earliest, |due| due.min(earliest));
            self.connection.next_snapshot = Some(due);
        }
    }

    pub(super) fn enqueue_snapshot(&mut self, reason: SnapshotReason, now: Monotonic) {
        self.connection.next_snapshot = None;
        self.enqueue(Step::Snapshot(reason));
        if self.connection.asked.is_none() {
            self.next_step(now);
        }
    }

    pub(super) fn ask_snapshot(&mut self, reason: SnapshotReason, now: Monotonic) {
        let may = |right| self.account.may(right) != Some(false);
        let action = if may(Right::CoreShowChannels) && !self.connection.list_by_status {
            Action::CoreShowChannels
        } else if may(Right::Status) && !self.connection.no_list {
            self.connection.list_by_status = true;
            Action::Status
        } else {
            return self.lack_list();
        };
        self.ask_one(Step::Snapshot(reason), &action, now);
        if self.connection.asked.is_some() && !self.connection.snapshot_is_open {
            self.connection.last_snapshot = now;
            self.connection.snapshot_is_open = true;
            self.connection.unheard_channel = false;
            self.tell(Pending::SnapshotBegin(reason));
        }
    }

    fn lack_list(&mut self) {
        self.connection.next_snapshot = None;
        if !core::mem::replace(&mut self.connection.no_list, true) {
            self.tell(Pending::Lacks(Lack::ChannelList));
        }
    }

    pub(super) fn snapshot_answered(&mut self, reason: SnapshotReason, is_error: bool, now: Monotonic) {
        if !is_error {
            return self.await_items(now);
        }
        if self.connection.list_by_status {
            self.lack_list();
            return self.end_snapshot(false, now);
        }
        self.connection.list_by_status = true;
        self.connection.asked = None;
        self.ask_snapshot(reason, now);
        if self.connection.asked.is_none() {
            self.end_snapshot(false, now);
        }
    }

    /// A channel that was made while call events were on must have told of itself. `Message/…` never does, and a list
    /// item without a duration proves nothing.
    pub(super) fn notice_unheard(&mut self, name: &[u8], duration_secs: u32, now: Monotonic) {
        let Some(since) = self.connection.events_since else { return };
        let slack = 2;
        let was_made_since =
            duration_secs >= slack && u64::from(duration_secs) + u64::from(slack) < now.since(since).as_secs();
        if was_made_since && self.connection.call_events == 0 && !name.starts_with(b"Message/") {
            self.connection.unheard_channel = true;
        }
    }

    pub(super) fn end_snapshot(&mut self, complete: bool, now: Monotonic) {
        if core::mem::take(&mut self.connection.snapshot_is_open) {
            self.tell(Pending::SnapshotEnd(complete));
        }
        if core::mem::take(&mut self.connection.unheard_channel) && self.connection.call_events == 0 {
            let had_filters = self.account.filters;
            self.without_filters |= had_filters;
            return self.fail(if had_filters { FaultKind::FiltersMute } else { FaultKind::NoCallEvents }, now);
        }
        let connection = &mut self.connection;
        connection.snapshots = connection.snapshots.saturating_add(1);
        connection.last_snapshot = now;
        let is_probing = self.account.filters && connection.call_events == 0;
        let wait = match connection.snapshots {
            _ if is_probing => RESYNC_PROBE,
            1 => RESYNC_SECOND,
            _ => RESYNC_INTERVAL,
        };
        connection.next_snapshot = (!connection.no_list).then_some(now + wait);
        self.next_step(now);
    }
}
