//! What a hub leaves to the next one of the same process when the configuration changes.
//!
//! Stands apart from the way of a call: nothing here is done while calls are followed. Decides nothing of when; that is
//! the daemon's `reload`. Bounded by what the hub holds.

use super::{Hub, Seat};
use crate::call::tracker::Tracker;
use crate::clock::Stamp;
use crate::crm::{Lane, Port};
use crate::daemon::image::SavedImage;
use crate::deliver::job::Counters;
use crate::journal::CrmTag;
use crate::number::rules::Rules;
use std::sync::Arc;

/// A tracker, and what its hub knew of the link.
pub struct Followed {
    pub(super) tracker: Tracker,
    pub(super) last_heard: Option<Stamp>,
    pub(super) resync_wanted: bool,
}

impl Followed {
    /// Tells numbers by other rules from now on.
    pub fn follow_rules(&mut self, numbers: Arc<Rules>) {
        self.tracker.follow_rules(numbers);
    }
}

impl Hub {
    /// Gives the CRMs no more work. Returns whether all that was begun is done: requests answered, finished calls
    /// in the journal. The upload of a recording may take minutes, so calls and cards go on until it is over. On flash
    /// so slow that a call always waits for it, `hurried` goes on with what waits: it is handed over. Not so on flash
    /// that does not answer at all: the journal could not be closed.
    pub fn rest(&mut self, hurried: bool) -> bool {
        // Every one is told to rest, whatever the one before it says.
        let all = |seats: &mut [Seat], lane| {
            let busy = seats.iter_mut().map(|seat| u32::from(!seat.schedule.rest(lane)));
            busy.sum::<u32>() == 0
        };
        let answers = *self.rest_began.get_or_insert(self.answers);
        let hurried = hurried && self.answers != answers;
        // Cards last: they are shown until there is nothing else to wait for.
        all(&mut self.seats, Lane::Recordings)
            && (hurried || self.appends.is_empty())
            && all(&mut self.seats, Lane::Calls)
            && all(&mut self.seats, Lane::Cards)
    }

    /// Gives the CRMs work again: nobody takes over after all.
    pub fn work(&mut self) {
        self.rest_began = None;
        self.seats.iter_mut().for_each(|seat| seat.schedule.work());
    }

    /// Waits for the mirror's last write; the other threads end with the process. What another hub of this process may
    /// go on with: the tracker, and what would be on the mirror, whether or not it could be written.
    pub fn leave(self, now: Stamp) -> (Box<Followed>, Option<SavedImage>) {
        let saved = self.saved(now);
        drop(self.mirror); // a mirror ends with its last write
        let Self { tracker, last_heard, resync_wanted, .. } = self;
        (Box::new(Followed { tracker, last_heard, resync_wanted }), saved)
    }

    /// What [`rest`](Self::rest) waits for, in words; empty: nothing.
    pub fn under_way(&self) -> String {
        let mut words = Vec::new();
        for seat in &self.seats {
            let lanes = [Lane::Cards, Lane::Calls, Lane::Recordings].into_iter();
            let busy: Vec<&str> = lanes.filter(|lane| seat.schedule.works(*lane)).map(Lane::words).collect();
            if !busy.is_empty() {
                words.push(format!("{} ({})", seat.port.name(), busy.join(", ")));
            }
        }
        if !self.appends.is_empty() {
            words.push(String::from("the journal"));
        }
        words.join(", ")
    }

    /// The CRMs' ports, which may be used again.
    pub fn ports(&self) -> Vec<(Arc<dyn Port>, CrmTag)> {
        self.seats.iter().map(|seat| (Arc::clone(&seat.port), seat.tag)).collect()
    }

    /// What was counted for each CRM since the start.
    pub fn counters(&self) -> Vec<(CrmTag, Counters)> {
        self.seats.iter().map(|seat| (seat.tag, seat.schedule.counters())).collect()
    }

    /// Counts on from what the hub before counted, for the CRMs that are still there.
    pub fn count_on(&mut self, counted: &[(CrmTag, Counters)]) {
        for seat in &mut self.seats {
            if let Some((_, counters)) = counted.iter().find(|(tag, _)| *tag == seat.tag) {
                seat.schedule.count_on(*counters);
            }
        }
    }
}
