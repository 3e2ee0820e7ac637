//! The hand of recordings of one CRM: each goes only after its call, and waits for its file.
//!
//! A file may take seconds (mixing) or hours (a share that is away) to appear, so an entry that is not ready is put
//! back and makes room for others: with a full hand it returns to the journal, which is looked through again every
//! [`RECORDINGS_RESCAN`]. Bounds: [`RECORDINGS_IN_HAND`], and [`UNJOURNALLED_RECORDINGS`] of calls that the journal
//! does not hold.

use super::job::Question;
use crate::call::record::CallRecord;
use crate::clock::Monotonic;
use crate::crm::{Ticket, UploadLink};
use crate::journal::{self, Part, Seq};
use crate::limits::{
    DOUBT_SETTLE_LONGEST, RECORDING_LOOKS, RECORDING_REBUFFS, RECORDING_RETRY, RECORDINGS_IN_HAND, RECORDINGS_RESCAN,
    UNJOURNALLED_RECORDINGS,
};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

/// A delivered call with recordings to attach.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its place in the journal; none: the journal could not take it.
    pub seq: Option<Seq>,
    /// The call.
    pub record: Arc<CallRecord>,
    /// What the CRM knows of it.
    pub ticket: Ticket,
    /// Recordings still to be attached, as bits by index.
    pub left: u8,
    /// Ask the CRM first.
    pub in_doubt: bool,
    /// Where the CRM wants it; good for one attempt.
    link: Option<UploadLink>,
    due: Monotonic,
    /// An upload of it may still be running at the CRM until then.
    settles: Monotonic,
    in_flight: bool,
    /// Attempts that came to nothing.
    tries: u8,
    /// Those of them that found no file.
    looks: u8,
    /// Those in which the CRM did not take a file that is there, although it had done something else since the one
    /// before.
    rebuffs: u8,
    rebuffed: Monotonic,
}

impl Pending {
    /// The recordings of a call that was just delivered.
    pub fn new(seq: Option<Seq>, record: Arc<CallRecord>, ticket: Ticket, in_doubt: bool, due: Monotonic) -> Self {
        let left =
            (0..record.recordings.len()).fold(0, |bits, index| bits | 1_u8.checked_shl(index as u32).unwrap_or(0));
        let (settles, rebuffed) = (Monotonic::default(), Monotonic::default());
        let (link, in_flight, tries, looks, rebuffs) = (None, false, 0, 0, 0);
        Self { seq, record, ticket, left, in_doubt, link, due, settles, in_flight, tries, looks, rebuffs, rebuffed }
    }

    /// The same with what the CRM said of where it wants it.
    #[must_use]
    pub fn with_link(self, link: Option<UploadLink>) -> Self {
        Self { link, ..self }
    }

    /// Where the CRM wants it, if that is known and was not tried yet.
    pub fn take_link(&mut self) -> Option<UploadLink> {
        self.link.take()
    }

    fn loaded(entry: journal::Pending, due: Monotonic) -> Self {
        let journal::Pending { seq, call, ticket, recordings_left: left, .. } = entry;
        // Whether an attach of an earlier attempt arrived is not in the journal.
        Self { left, ..Self::new(Some(seq), Arc::from(call), ticket, true, due) }
    }

    /// Whether it was tried often enough to be given up in its time: a file that is not there, or one that is and that
    /// a CRM which does other things does not take. A CRM that is away says nothing about a recording.
    pub fn is_hopeless(&self, is_there: bool) -> bool {
        if is_there { self.rebuffs >= RECORDING_REBUFFS } else { self.looks >= RECORDING_LOOKS }
    }

    /// Notes an attempt that came to nothing, of a file that was there or was not; the CRM did something else last at
    /// `answered`.
    fn note_failure(&mut self, is_there: bool, answered: Monotonic, now: Monotonic) {
        self.tries = self.tries.saturating_add(1);
        if !is_there {
            self.looks = self.looks.saturating_add(1);
        } else if self.rebuffed < answered {
            self.rebuffs = self.rebuffs.saturating_add(1);
        }
        if is_there {
            self.rebuffed = now;
        }
    }

    /// Whether more than the recording of this index is left.
    pub fn has_others(&self, index: usize) -> bool {
        self.left & !bit(index) != 0
    }

    /// The recording that is next.
    pub fn index(&self) -> usize {
        self.left.trailing_zeros() as usize
    }
}

/// The hand of one CRM.
#[derive(Debug, Default)]
pub struct Recordings {
    hand: VecDeque<Pending>,
    cursor: Seq,
    asked: bool,
    /// Settled while a question was under way, whose answer may still have them.
    settled: Vec<Seq>,
    /// Nothing more after the cursor: start over at this time.
    again: Option<Monotonic>,
}

impl Recordings {
    /// Takes the recordings of a call, if there is room; otherwise they are read from the journal in their turn. Those
    /// of a call that no journal brings back have room of their own; beyond that they are lost.
    /// False when they are.
    pub fn deal(&mut self, pending: Pending) -> bool {
        let journalled = self.hand.iter().filter(|pending| pending.seq.is_some()).count();
        match pending.seq {
            Some(_) if journalled >= RECORDINGS_IN_HAND => return true,
            None if self.hand.len() - journalled >= UNJOURNALLED_RECORDINGS => return false,
            _ => self.hand.push_back(pending),
        }
        true
    }

    /// What to read from the journal next, if there is room.
    pub fn question(&mut self, now: Monotonic) -> Option<Question> {
        let room = self.room();
        if self.asked || room < RECORDINGS_IN_HAND / 2 || self.again.is_some_and(|again| now < again) {
            return None;
        }
        if self.again.take().is_some() {
            self.cursor = Seq(0);
        }
        self.asked = true;
        self.settled.clear();
        Some(Question { part: Part::Recordings, after: self.cursor, max: room })
    }

    /// The journal has to be read from its oldest call.
    pub fn read_anew(&mut self) {
        (self.cursor, self.asked, self.again) = (Seq(0), false, None);
    }

    /// The question could not be asked: later again.
    pub fn unasked(&mut self) {
        self.asked = false;
    }

    /// The journal's answer to [`question`](Self::question).
    pub fn loaded(&mut self, entries: Vec<journal::Pending>, now: Monotonic) {
        self.asked = false;
        if entries.is_empty() {
            self.again = Some(now + RECORDINGS_RESCAN);
        }
        for entry in entries {
            self.cursor = self.cursor.max(entry.seq);
            let settled = self.settled.contains(&entry.seq);
            if !settled && !self.hand.iter().any(|pending| pending.seq == Some(entry.seq)) {
                self.deal(Pending::loaded(entry, now)); // the journal keeps what finds no room
            }
        }
    }

    /// The next recording to attach; it is in flight until [`advance`](Self::advance), [`give_up`](Self::give_up) or
    /// [`put_back`](Self::put_back).
    pub fn take_due(&mut self, now: Monotonic) -> Option<&mut Pending> {
        let pending =
            self.hand.iter_mut().filter(|pending| !pending.in_flight && pending.due <= now).min_by_key(|p| p.seq)?;
        pending.in_flight = true;
        Some(pending)
    }

    /// The recording of this index of the call in flight is done with. The entry leaves the hand after its last one.
    pub fn advance(&mut self, index: usize, now: Monotonic) {
        let Some(at) = self.hand.iter().position(|pending| pending.in_flight) else { return };
        let Some(pending) = self.hand.get_mut(at) else { return };
        pending.in_flight = false;
        pending.due = now;
        pending.left &= !bit(index);
        if pending.left == 0 {
            let seq = pending.seq;
            self.hand.remove(at);
            self.note_settled(seq);
        }
    }

    /// The call in flight gets no more recordings: it leaves the hand.
    pub fn give_up(&mut self) -> Option<Pending> {
        let at = self.hand.iter().position(|pending| pending.in_flight)?;
        let pending = self.hand.remove(at)?;
        self.note_settled(pending.seq);
        Some(pending)
    }

    fn note_settled(&mut self, seq: Option<Seq>) {
        if self.asked {
            self.settled.extend(seq);
        }
    }

    /// The attempt of the recording in flight came to nothing, see [`Pending::is_hopeless`].
    pub fn failed(&mut self, is_there: bool, answered: Monotonic, now: Monotonic) {
        if let Some(pending) = self.hand.iter_mut().find(|pending| pending.in_flight) {
            pending.note_failure(is_there, answered, now);
        }
    }

    /// The recording in flight could not be attached yet: it is due again after `wish` or by its age, whichever is
    /// later.
    pub fn put_back(&mut self, now: Monotonic, wish: Duration, age: Duration, in_doubt: bool) {
        let Some(at) = self.hand.iter().position(|pending| pending.in_flight) else { return };
        let crowded = self.hand.len() >= RECORDINGS_IN_HAND / 2;
        if let Some(pending) = self.hand.get_mut(at) {
            pending.in_flight = false;
            pending.in_doubt |= in_doubt;
            if in_doubt {
                pending.settles = now + wish.min(DOUBT_SETTLE_LONGEST);
            }
            // A file that is there is looked at twice, so the first waits are short whatever its age.
            let by_age = if pending.tries >= RECORDING_LOOKS { age / 4 } else { Duration::ZERO };
            pending.due = now + wish.max(by_age.clamp(RECORDING_RETRY.0, RECORDING_RETRY.1));
            if crowded && pending.seq.is_some() && pending.due.since(now) >= RECORDINGS_RESCAN {
                self.hand.remove(at);
            }
        }
    }

    /// The recording in flight could not be asked for: nothing is wrong with it.
    pub fn hold(&mut self, now: Monotonic) {
        for pending in self.hand.iter_mut().filter(|pending| pending.in_flight) {
            (pending.in_flight, pending.due) = (false, now);
        }
    }

    /// Everything is looked for now, but for what may still be under way, and what was put back into the journal is
    /// read again.
    pub fn hasten(&mut self, now: Monotonic) {
        for pending in &mut self.hand {
            pending.due = pending.due.min(now.max(pending.settles));
        }
        self.again = self.again.map(|again| again.min(now));
    }

    /// The entry in flight.
    pub fn in_flight(&self) -> Option<&Pending> {
        self.hand.iter().find(|pending| pending.in_flight)
    }

    /// The moment of the next due recording or reading of the journal.
    pub fn next_due(&self) -> Option<Monotonic> {
        let recordings = self.hand.iter().filter(|pending| !pending.in_flight).map(|pending| pending.due);
        let reading = self.again.filter(|_| !self.asked && self.room() >= RECORDINGS_IN_HAND / 2);
        recordings.chain(reading).min()
    }

    fn room(&self) -> usize {
        let journalled = self.hand.iter().filter(|pending| pending.seq.is_some()).count();
        RECORDINGS_IN_HAND.saturating_sub(journalled)
    }

    /// Calls in hand whose recordings are open.
    pub fn len(&self) -> usize {
        self.hand.len()
    }

    /// Whether the hand is empty.
    pub fn is_empty(&self) -> bool {
        self.hand.is_empty()
    }
}

/// The bit of a recording; of an index that no call has, all.
fn bit(index: usize) -> u8 {
    u32::try_from(index).ok().and_then(|index| 1_u8.checked_shl(index)).unwrap_or(u8::MAX)
}
