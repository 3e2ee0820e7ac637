//! A call in progress: what will be its record, as far as it is known.
//!
//! Accumulates; does not look at channels (the tracker tells it who rings and who talks) and does not know where its
//! facts come from. Its lists are those of the record, bounded alike: past a cap an entry is left out and the record
//! says so.

use super::record::{
    CallId, CallRecord, DialStatus, Direction, Disposition, Extension, Gaps, Line, Number, Rang, RecordingPath, Talk,
    Transfer,
};
use super::slab::Key;
use crate::clock::{Monotonic, Stamp};
use crate::limits::{
    LINKS_PER_CALL, QUEUE_BYTES, RANG_PER_CALL, RECORDINGS_PER_CALL, TALKERS_PER_CALL, TRANSFERS_PER_CALL, TRUNK_BYTES,
    UNIQUE_ID_BYTES,
};
use crate::text::{Text, bounded};
use heapless::Vec as Bounded;
use serde::{Deserialize, Serialize};

/// Who can be heard by the client now, without doubles.
pub type Talkers = Bounded<Extension, TALKERS_PER_CALL>;

/// A talk that goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Talking {
    extension: Extension,
    since: Monotonic,
}

/// A call in progress.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Order of making: an older call has the smaller number.
    pub order: u64,
    /// LinkedId (old servers: UniqueId) of its root.
    pub linked: Text<UNIQUE_ID_BYTES>,
    /// Identity, fixed when first told.
    pub id: Option<CallId>,
    /// Whose call, once known.
    pub direction: Option<Direction>,
    /// All its channels, hung up ones included.
    pub legs: Vec<Key>,
    /// Hashes of all its LinkedIds.
    pub links: Bounded<u64, LINKS_PER_CALL>,
    /// The channel whose dialplan runs the call: its DIALSTATUS counts.
    pub root: Option<Key>,
    /// The client's channel.
    pub client_leg: Option<Key>,
    /// The outside number as the PBX tells it, SIP parameters included.
    pub client: Number,
    /// The client's number is settled, hidden perhaps.
    pub client_known: bool,
    /// DID or trunk.
    pub line: Line,
    /// The line was dialled, it is no makeshift.
    pub line_known: bool,
    /// Trunk's peer name.
    pub trunk: Text<TRUNK_BYTES>,
    /// The extension that dialled.
    pub caller: Extension,
    /// Who rang.
    pub rang: Bounded<Rang, RANG_PER_CALL>,
    /// Who answered first.
    pub answered_by: Option<Extension>,
    /// Who talked last.
    pub talked_last: Option<Extension>,
    /// Talks that are over, per talker.
    pub talks: Bounded<Talk, TALKERS_PER_CALL>,
    talking: Bounded<Talking, TALKERS_PER_CALL>,
    talk_since: Option<Monotonic>,
    talk_ms: u32,
    /// Last DIALSTATUS of the root.
    pub dial_status: DialStatus,
    /// That came from the dialplan itself, not from the end of one leg's ringing.
    pub status_told: bool,
    /// Q.850 cause of the deciding hangup.
    pub cause: u16,
    /// Who asked whom before giving the client away.
    pub consulted: Option<(Extension, Extension)>,
    /// Who gave the client away after asking somebody that the PBX did not name.
    #[serde(default)]
    handed_over_by: Option<Extension>,
    /// A called telephone said busy or declined.
    pub was_refused: bool,
    /// Queue.
    pub queue: Text<QUEUE_BYTES>,
    /// The ring group that the dialplan named last; an extension's own number where its follow-me rings.
    #[serde(default)]
    pub group: Text<QUEUE_BYTES>,
    /// It waits in that queue now.
    pub in_queue: bool,
    /// Transfer chain.
    pub transfers: Bounded<Transfer, TRANSFERS_PER_CALL>,
    /// Its last step was seen from who talks, and the PBX has not told of it.
    #[serde(default)]
    is_untold: bool,
    /// Recordings.
    pub recordings: Bounded<RecordingPath, RECORDINGS_PER_CALL>,
    /// Voicemail file.
    pub voicemail: RecordingPath,
    /// The voicemail came to nothing.
    pub voicemail_failed: bool,
    /// First channel made.
    pub started: Stamp,
    /// Last moment at which it was known to live.
    pub alive_at: Stamp,
    /// It is over since; kept until it is handed out.
    pub ended: Option<Stamp>,
    /// Its last telephone is gone, or channels are missing: to be judged then.
    pub settle_at: Option<Monotonic>,
    /// When its last telephone or trunk was gone.
    pub emptied_at: Option<Stamp>,
    /// What was not seen.
    pub gaps: Gaps,
    /// It has been told of as a hint.
    pub announced: bool,
    /// Hash of the last hint.
    pub told: u64,
    /// It waits in the queue of outputs.
    pub dirty: bool,
}

impl Call {
    /// A call of which nothing is known but its first channel's LinkedId.
    pub fn new(order: u64, linked: Text<UNIQUE_ID_BYTES>, started: Stamp) -> Self {
        Self {
            order,
            linked,
            id: None,
            direction: None,
            legs: Vec::new(),
            links: Bounded::new(),
            root: None,
            client_leg: None,
            client: Number::new(),
            client_known: false,
            line: Line::new(),
            line_known: false,
            trunk: Text::new(),
            caller: Extension::new(),
            rang: Bounded::new(),
            answered_by: None,
            talked_last: None,
            talks: Bounded::new(),
            talking: Bounded::new(),
            talk_since: None,
            talk_ms: 0,
            dial_status: DialStatus::Unknown,
            cause: 0,
            was_refused: false,
            queue: Text::new(),
            group: Text::new(),
            in_queue: false,
            transfers: Bounded::new(),
            is_untold: false,
            recordings: Bounded::new(),
            voicemail: RecordingPath::new(),
            voicemail_failed: false,
            started,
            alive_at: started,
            ended: None,
            settle_at: None,
            emptied_at: None,
            consulted: None,
            handed_over_by: None,
            status_told: false,
            gaps: Gaps::default(),
            announced: false,
            told: 0,
            dirty: false,
        }
    }

    /// How much of a customer's call it is: 2 with a client, 1 between extensions, 0 not known.
    pub fn rank(&self) -> u8 {
        match self.direction {
            Some(Direction::Inbound | Direction::Outbound) => 2,
            Some(Direction::Internal) => 1,
            None => 0,
        }
    }

    /// The hint's talker: who talks now, else who talked last.
    pub fn talker(&self) -> Option<&Extension> {
        self.talked_last.as_ref()
    }

    /// Notes that an extension rings or rang, with the time that is to be added.
    pub fn rings(&mut self, extension: &Extension, ring_ms: u32) {
        if let Some(rang) = self.rang.iter_mut().find(|rang| rang.extension == *extension) {
            rang.ring_ms = rang.ring_ms.saturating_add(ring_ms);
        } else if self.rang.push(Rang { extension: extension.clone(), ring_ms }).is_err() {
            self.gaps.overflow = true;
        }
    }

    /// Forgets that an extension rang: it was the caller's own telephone.
    pub fn unring(&mut self, extension: &Extension) {
        self.rang.retain(|rang| rang.extension != *extension);
    }

    /// Takes in who can be heard by the client from `now` on. Returns whether that is news.
    pub fn talk(&mut self, talkers: &Talkers, now: Monotonic) -> bool {
        let gone = self.end_talks(|talking| !talkers.contains(&talking.extension), now);
        let mut came = false;
        for extension in talkers {
            if !self.talking.iter().any(|talking| talking.extension == *extension) {
                self.begin_talk(extension, now);
                came = true;
            }
        }
        self.count_total(now);
        if gone && let Some(last) = self.talking.last() {
            self.talked_last = Some(last.extension.clone());
        }
        gone || came
    }

    fn begin_talk(&mut self, extension: &Extension, now: Monotonic) {
        if self.transfers.last().is_some_and(|last| last.from == *extension) {
            // Has the client again: what is told from now on is another step.
            self.is_untold = false;
        }
        if let Some(last) = self.talked_last.clone()
            && last != *extension
            && !self.talking.iter().any(|talking| talking.extension == last)
        {
            self.derive_transfer(last, extension);
        }
        if self.talking.push(Talking { extension: extension.clone(), since: now }).is_err() {
            self.gaps.overflow = true;
        }
        self.add_talk(extension, 0);
        self.answered_by.get_or_insert_with(|| extension.clone());
        self.talked_last = Some(extension.clone());
    }

    /// The client went from one talker to another: a transfer, unless the PBX has told of it already.
    fn derive_transfer(&mut self, from: Extension, to: &Extension) {
        if self.transfers.last().is_none_or(|told| told.from != from) {
            let attended = self.consulted.as_ref().is_some_and(|(who, whom)| *who == from && whom == to)
                || self.handed_over_by.as_ref() == Some(&from);
            self.is_untold = self.add_step(from, to.clone(), attended);
        }
    }

    fn end_talks(&mut self, is_over: impl Fn(&Talking) -> bool, now: Monotonic) -> bool {
        let mut any = false;
        while let Some(at) = self.talking.iter().position(&is_over) {
            let over = self.talking.remove(at);
            self.add_talk(&over.extension, now.millis_since(over.since));
            any = true;
        }
        any
    }

    fn add_talk(&mut self, extension: &Extension, talk_ms: u32) {
        if let Some(talk) = self.talks.iter_mut().find(|talk| talk.extension == *extension) {
            talk.talk_ms = talk.talk_ms.saturating_add(talk_ms);
        } else if self.talks.push(Talk { extension: extension.clone(), talk_ms }).is_err() {
            self.gaps.overflow = true;
        }
    }

    fn count_total(&mut self, now: Monotonic) {
        match (self.talk_since, self.talking.is_empty()) {
            (None, false) => self.talk_since = Some(now),
            (Some(since), true) => {
                self.talk_ms = self.talk_ms.saturating_add(now.millis_since(since));
                self.talk_since = None;
            }
            _ => {}
        }
    }

    /// The PBX tells one step of the transfer chain. Its word prevails over what was seen of the same step, also where
    /// it comes late: Asterisk 16.28 at times tells that the client entered a conference before it tells that he was
    /// sent there.
    pub fn transferred(&mut self, from: Extension, to: Extension, attended: bool) {
        let was_untold = core::mem::take(&mut self.is_untold);
        match self.transfers.last_mut() {
            Some(seen) if was_untold && seen.from == from && seen.to != to => (seen.to, seen.attended) = (to, attended),
            _ => _ = self.add_step(from, to, attended),
        }
    }

    /// Adds a step unless the last one is the same. Returns whether it was added.
    fn add_step(&mut self, from: Extension, to: Extension, attended: bool) -> bool {
        if let Some(last) = self.transfers.last_mut().filter(|last| last.from == from && last.to == to) {
            last.attended |= attended;
            return false;
        }
        let is_added = self.transfers.push(Transfer { from, to, attended }).is_ok();
        self.gaps.overflow |= !is_added;
        is_added
    }

    /// `from` gave the client away after asking somebody: who it is was seen already, or will be.
    pub fn handed_over(&mut self, from: Extension) {
        match self.transfers.last_mut().filter(|told| told.from == from) {
            Some(told) => (told.attended, self.is_untold) = (true, false),
            None => self.handed_over_by = Some(from),
        }
    }

    /// Notes a recording.
    pub fn recorded(&mut self, path: RecordingPath) {
        if !self.recordings.contains(&path) && self.recordings.push(path).is_err() {
            self.gaps.overflow = true;
        }
    }

    /// Remembers one of its LinkedIds. False: there is no room.
    pub fn link(&mut self, hash: u64) -> bool {
        self.links.contains(&hash) || self.links.push(hash).is_ok()
    }

    /// Takes in what `other` knows; the tracker has moved its channels already.
    pub fn absorb(&mut self, other: Call, now: Monotonic) {
        for rang in &other.rang {
            self.rings(&rang.extension, rang.ring_ms);
        }
        for path in other.recordings.iter().cloned() {
            self.recorded(path);
        }
        for step in other.transfers.iter().cloned() {
            if self.add_step(step.from, step.to, step.attended) {
                self.is_untold = other.is_untold;
            }
        }
        if self.queue.is_empty() {
            self.queue = other.queue.clone();
            self.in_queue = other.in_queue;
        }
        if self.group.is_empty() {
            self.group = other.group.clone();
        }
        if self.voicemail.is_empty() {
            self.voicemail = other.voicemail.clone();
            self.voicemail_failed = other.voicemail_failed;
        }
        if self.dial_status == DialStatus::Unknown && other.rank() < 2 {
            self.dial_status = other.dial_status;
        }
        if other.rank() == 0 && other.started.mono < self.started.mono {
            self.started = other.started;
        }
        if other.alive_at.mono > self.alive_at.mono {
            self.alive_at = other.alive_at;
        }
        if other.direction == Some(Direction::Internal)
            && let Some(whom) = &other.talked_last
        {
            self.consulted = Some((other.caller.clone(), whom.clone()));
        }
        if self.rank() < 2 && self.rank() == other.rank() {
            self.absorb_talks(&other, now);
        }
        self.gaps = union(self.gaps, other.gaps);
    }

    /// Talks count only where they were with the same kind of party: a consultation is no talk with the client.
    fn absorb_talks(&mut self, other: &Call, now: Monotonic) {
        for talk in &other.talks {
            self.add_talk(&talk.extension, talk.talk_ms);
        }
        for talking in &other.talking {
            self.add_talk(&talking.extension, now.millis_since(talking.since));
        }
        let open = other.talk_since.map_or(0, |since| now.millis_since(since));
        self.talk_ms = self.talk_ms.saturating_add(other.talk_ms).saturating_add(open);
        self.answered_by = self.answered_by.take().or_else(|| other.answered_by.clone());
    }

    /// The record of this call, which was over at `ended`, with the client's number as the PBX tells it.
    pub fn record(&self, id: CallId, ended: Stamp) -> CallRecord {
        let length = ended.mono.millis_since(self.started.mono);
        let talk_ms = self.talk_ms.min(length);
        // Calls that were joined may have run side by side: no sum is longer than the call.
        let (mut rang, mut talks) = (self.rang.clone(), self.talks.clone());
        rang.iter_mut().for_each(|rang| rang.ring_ms = rang.ring_ms.min(length));
        talks.iter_mut().for_each(|talk| talk.talk_ms = talk.talk_ms.min(length));
        // A feature code was dialled, or a group: who took it was called.
        let is_internal = self.direction.is_none_or(|direction| direction == Direction::Internal);
        let called = self.answered_by.as_deref().filter(|_| is_internal).unwrap_or(&self.client);
        CallRecord {
            id,
            direction: self.direction.unwrap_or(Direction::Internal),
            client: bounded(called.as_bytes()),
            line: self.line.clone(),
            trunk: self.trunk.clone(),
            caller: self.caller.clone(),
            rang,
            answered_by: self.answered_by.clone(),
            talked_last: self.talked_last.clone(),
            talks,
            talk_ms,
            disposition: self.disposition(),
            dial_status: self.dial_status,
            cause: self.cause,
            queue: self.queue_or_group(),
            transfers: self.transfers.clone(),
            // The name of a recording is set before anybody answers; the file of a call without talk is empty or
            // missing.
            recordings: if talk_ms > 0 { self.recordings.clone() } else { Bounded::new() },
            voicemail: if self.has_voicemail() { self.voicemail.clone() } else { RecordingPath::new() },
            started: self.started,
            ended,
            gaps: self.gaps,
            withheld: None,
        }
    }

    /// The queue it waited in, else the ring group.
    fn queue_or_group(&self) -> Text<QUEUE_BYTES> {
        if self.queue.is_empty() { self.group.clone() } else { self.queue.clone() }
    }

    fn has_voicemail(&self) -> bool {
        !self.voicemail.is_empty() && !self.voicemail_failed
    }

    fn disposition(&self) -> Disposition {
        if self.talked_last.is_some() {
            return Disposition::Answered;
        }
        if self.has_voicemail() {
            return Disposition::Voicemail;
        }
        if self.direction == Some(Direction::Outbound) && self.cause == CALL_REJECTED {
            return Disposition::Failed;
        }
        match self.dial_status {
            DialStatus::Busy => Disposition::Busy,
            DialStatus::Unknown if self.cause == USER_BUSY => Disposition::Busy,
            _ if self.is_unreachable() && self.was_refused => Disposition::Busy,
            _ if self.is_unreachable() => Disposition::Failed,
            // A queue sets no DIALSTATUS: what there is tells of one round of ringing.
            DialStatus::Cancel if !self.queue.is_empty() && !self.status_told => Disposition::Missed,
            DialStatus::Cancel => Disposition::Cancelled,
            _ => Disposition::Missed,
        }
    }

    /// Without the dialplan's own word the hangup's cause has to do: the end of a leg's ringing is NOANSWER for a wrong
    /// number too.
    fn is_unreachable(&self) -> bool {
        match self.dial_status {
            DialStatus::ChanUnavail | DialStatus::Congestion | DialStatus::InvalidArgs => true,
            DialStatus::Unknown | DialStatus::NoAnswer => !self.status_told && UNREACHABLE.contains(&self.cause),
            _ => false,
        }
    }
}

/// Q.850: user busy.
pub const USER_BUSY: u16 = 17;
/// Q.850: unallocated, no route, absent, out of order, no circuit, network out of order, temporary failure,
/// congestion, channel unavailable, bearer unavailable, incompatible.
const UNREACHABLE: [u16; 11] = [1, 3, 20, 27, 34, 38, 41, 42, 44, 58, 88];
/// Q.850: call rejected.
pub const CALL_REJECTED: u16 = 21;

fn union(one: Gaps, two: Gaps) -> Gaps {
    Gaps {
        joined_late: one.joined_late || two.joined_late,
        link_lost: one.link_lost || two.link_lost,
        pbx_restarted: one.pbx_restarted || two.pbx_restarted,
        overflow: one.overflow || two.overflow,
        agent_restarted: one.agent_restarted || two.agent_restarted,
    }
}

/// Reads DIALSTATUS; none if it is empty or no word of Dial's.
pub fn dial_status(word: &[u8]) -> Option<DialStatus> {
    Some(match word {
        b"ANSWER" => DialStatus::Answer,
        b"NOANSWER" => DialStatus::NoAnswer,
        b"CANCEL" => DialStatus::Cancel,
        b"BUSY" => DialStatus::Busy,
        b"CHANUNAVAIL" => DialStatus::ChanUnavail,
        b"CONGESTION" => DialStatus::Congestion,
        b"DONTCALL" => DialStatus::DontCall,
        b"TORTURE" => DialStatus::Torture,
        b"INVALIDARGS" => DialStatus::InvalidArgs,
        _ => return None,
    })
}
