//! Many calls at once, mixed by chance, and what the tracker must tell of them.

use super::scenarios;
use super::switchboard::Switchboard;
use super::{Expected, Life, Said, Style};
use fastrand::Rng;
use ringpost::ami::event::{Channel, Event};
use ringpost::call::classify::Contexts;
use ringpost::call::mirror::Saved;
use ringpost::call::record::CallRecord;
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::limits::{CALLS, CHANNELS};
use ringpost::profile;
use std::collections::HashSet;

/// Calls of one office within a few minutes.
pub struct Day {
    pub lives: Vec<Life>,
    /// All their events with the number of their life, in the order in which the PBX says them.
    pub said: Vec<(usize, Said)>,
}

impl Day {
    pub fn by_chance(style: Style, random: &mut Rng) -> Self {
        let mut next = 0;
        let count = random.usize(1..9);
        let lives: Vec<Life> = (0..count)
            .map(|_| {
                let at = random.u64(0..40_000);
                scenarios::any(style, random, &mut next, at)
            })
            .collect();
        let said = mixed(&lives, random);
        Self { lives, said }
    }
}

/// The calls' events by time. What happens in one moment comes in any order, but the events of one channel in theirs.
fn mixed(lives: &[Life], random: &mut Rng) -> Vec<(usize, Said)> {
    let mut queues: Vec<Vec<Said>> = lives.iter().map(|life| shuffled(&life.events, random)).collect();
    queues.iter_mut().for_each(|queue| queue.reverse());
    let mut said = Vec::new();
    while let Some(at) = queues.iter().filter_map(|queue| queue.last()).map(|said| said.at).min() {
        let ready: Vec<usize> =
            (0..queues.len()).filter(|n| queues[*n].last().is_some_and(|said| said.at == at)).collect();
        let n = ready[random.usize(..ready.len())];
        said.extend(queues[n].pop().map(|one| (n, one)));
    }
    said
}

fn shuffled(events: &[Said], random: &mut Rng) -> Vec<Said> {
    let mut events = events.to_vec();
    for _ in 0..3 {
        for n in 1..events.len() {
            if events[n].at == events[n - 1].at && is_free(&events[n - 1].event, &events[n].event) && random.bool() {
                events.swap(n - 1, n);
            }
        }
    }
    events
}

/// Whether these two could as well have been said the other way round: no channel is in both.
fn is_free(one: &Event<'static>, two: &Event<'static>) -> bool {
    match (touched(one), touched(two)) {
        (Some(one), Some(two)) => !one.iter().any(|id| two.contains(id)),
        _ => false,
    }
}

/// The channels of an event; none: it goes before or after nothing.
fn touched(event: &Event<'static>) -> Option<Vec<&'static [u8]>> {
    let ids = |channels: &[Channel<'static>]| Some(channels.iter().map(|channel| channel.unique_id).collect());
    match *event {
        Event::NewChannel { channel } => Some(vec![channel.unique_id, channel.linked_id]),
        Event::NewState { channel } | Event::Hangup { channel, .. } | Event::BridgeLeave { channel, .. } => {
            ids(&[channel])
        }
        Event::VarSet { channel, .. } | Event::Parked { parkee: channel, .. } => ids(&[channel]),
        Event::BridgeEnter { channel, swap, .. } => Some(vec![channel.unique_id, swap]),
        Event::DialBegin { caller: Some(one), dest: two, .. }
        | Event::DialEnd { caller: Some(one), dest: Some(two), .. } => ids(&[one, two]),
        Event::Link { one, two } | Event::Unlink { one, two } | Event::LocalBridge { one, two } => ids(&[one, two]),
        _ => None,
    }
}

pub fn config() -> TrackerConfig {
    TrackerConfig {
        pbx_name: "office".into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    }
}

/// An agent that follows the calls and asks the PBX for its list when the tracker wants it.
pub struct Desk {
    pub tracker: Tracker,
    pub board: Switchboard,
    pub now: u64,
    pub records: Vec<CallRecord>,
    list_at: Option<u64>,
    over: HashSet<String>,
}

impl Desk {
    pub fn new() -> Self {
        let (tracker, board) = (Tracker::new(config()), Switchboard::default());
        Self { tracker, board, now: 0, records: Vec::new(), list_at: None, over: HashSet::new() }
    }

    pub fn stamp(&self) -> Stamp {
        stamp(self.now)
    }

    /// Time passes, and what is due on the way is done.
    pub fn wait_until(&mut self, at: u64) {
        while let Some(due) = self.due().filter(|due| *due <= at) {
            self.now = self.now.max(due);
            self.tracker.handle_timeout(self.stamp());
            if self.list_at.is_some_and(|list_at| list_at <= self.now) {
                self.list();
            }
            self.drain();
            assert!(self.due().is_none_or(|due| due > self.now), "the same moment again");
        }
        self.now = self.now.max(at);
    }

    fn due(&self) -> Option<u64> {
        let timer = self.tracker.poll_timeout().map(|at| at.as_millis() - stamp(0).mono.as_millis());
        timer.into_iter().chain(self.list_at).min()
    }

    pub fn list(&mut self) {
        self.list_at = None;
        self.board.list(&mut self.tracker, self.now, stamp(self.now));
    }

    /// The agent hears this.
    pub fn hear(&mut self, event: &Event<'static>) {
        self.tracker.handle(event, self.stamp());
        self.drain();
    }

    pub fn restart(&mut self) {
        let saved = serde_json::to_vec(&self.tracker.export(self.stamp())).expect("written");
        let saved: Saved = serde_json::from_slice(&saved).expect("read");
        self.tracker = Tracker::restore(config(), saved, self.stamp());
        self.drain();
    }

    pub fn drain(&mut self) {
        assert!(self.tracker.calls() <= CALLS && self.tracker.channels() <= CHANNELS, "a table is over its cap");
        while let Some(output) = self.tracker.poll_output() {
            match output {
                Output::Live(live) => assert!(!self.over.contains(live.id.as_str()), "{} is over", live.id),
                Output::Finished(record) => {
                    assert!(self.over.insert(record.id.to_string()), "{} ended twice", record.id);
                    assert_sound(&record);
                    self.records.push(*record);
                }
                Output::Joined { absorbed, kept } => {
                    assert!(self.over.insert(absorbed.to_string()), "{absorbed} ended twice");
                    assert!(!self.over.contains(kept.as_str()), "{absorbed} went into {kept}, which is over");
                }
                // The link asks at most so often.
                Output::ResyncWanted => self.list_at = self.list_at.or(Some(self.now + 10_000)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Everybody has hung up: within a minute nothing may be left.
    pub fn close(&mut self) {
        self.wait_until(self.now + 60_000);
        let left = (self.tracker.calls(), self.tracker.channels(), self.tracker.indexed());
        assert_eq!(left, (0, 0, 0), "something is left");
    }
}

pub fn stamp(at: u64) -> Stamp {
    Stamp { mono: Monotonic::from_millis(1_000_000 + at), wall: Wall::from_millis(1_795_293_703_000 + at as i64) }
}

fn assert_sound(record: &CallRecord) {
    assert!(record.started.mono <= record.ended.mono, "{record:?}");
    let length = record.ended.mono.millis_since(record.started.mono);
    assert!(record.talk_ms <= length, "talked longer than the call: {record:?}");
    assert!(record.talks.iter().all(|talk| talk.talk_ms <= record.talk_ms), "{record:?}");
    assert!(record.rang.iter().all(|rang| rang.ring_ms <= length), "{record:?}");
    assert!(record.answered_by.is_some() == record.talked_last.is_some(), "{record:?}");
}

impl Expected {
    /// The records of this call.
    pub fn records<'r>(&self, records: &'r [CallRecord]) -> Vec<&'r CallRecord> {
        let begun = stamp(self.begun).mono;
        let is_it = |record: &&CallRecord| match self.is_of_a_client() {
            true => record.client == self.client,
            false => record.client == self.client && record.caller == self.caller && record.started.mono == begun,
        };
        records.iter().filter(is_it).collect()
    }

    /// What is told otherwise than it was.
    pub fn differences(&self, record: &CallRecord) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut want = |what: &str, is: String, should: String| {
            if is != should {
                wrong.push(format!("{what} is {is}, should be {should}"));
            }
        };
        let rang = |names: Vec<&str>| {
            let mut names = names;
            names.sort_unstable();
            format!("{names:?}")
        };
        let talks: Vec<(&str, u64)> =
            record.talks.iter().map(|talk| (&*talk.extension, u64::from(talk.talk_ms))).collect();
        let span = |begun: Monotonic, ended: Monotonic| format!("{} to {}", begun.as_millis(), ended.as_millis());
        want("direction", format!("{:?}", record.direction), format!("{:?}", self.direction));
        want("caller", record.caller.to_string(), self.caller.to_owned());
        want("rang", rang(record.rang.iter().map(|rang| &*rang.extension).collect()), rang(self.rang.clone()));
        want("talks", format!("{talks:?}"), format!("{:?}", self.talks));
        want(
            "first",
            format!("{:?}", record.answered_by.as_deref()),
            format!("{:?}", self.talks.first().map(|one| one.0)),
        );
        want("last", format!("{:?}", record.talked_last.as_deref()), format!("{:?}", self.last));
        want("talk", record.talk_ms.to_string(), self.talk_ms.to_string());
        want("disposition", format!("{:?}", record.disposition), format!("{:?}", self.disposition));
        want(
            "span",
            span(record.started.mono, record.ended.mono),
            span(stamp(self.begun).mono, stamp(self.ended).mono),
        );
        wrong
    }
}
