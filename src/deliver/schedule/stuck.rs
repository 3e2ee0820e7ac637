//! Calls that fail by themselves, many of them, for hours of virtual time: a journal and a CRM of a few lines each
//! around the schedule.

use super::tests::{pending, record, report, together};
use super::*;
use crate::clock::Wall;
use crate::crm::{Consignment, Fate};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> Stamp {
    let wall = Wall::from_millis(1_795_293_703_000 + i64::try_from(millis).unwrap());
    Stamp { mono: Monotonic::from_millis(1_000_000 + millis), wall }
}

/// What the CRM says to a call, by its place in the journal.
type Crm = fn(u64) -> Outcome;

/// What the CRM works on.
enum Work {
    One(u64),
    Together(Vec<Consignment>),
}

fn seq_of(record: &CallRecord) -> u64 {
    record.id.trim_start_matches("o-").parse().unwrap()
}

/// A schedule, its journal, and what came of it.
struct World {
    schedule: Schedule,
    /// Calls that wait.
    journal: BTreeSet<u64>,
    crm: Crm,
    /// Milliseconds since the start.
    now: u64,
    busy_until: Option<(u64, Work)>,
    attempts: BTreeMap<u64, Vec<u64>>,
    /// Calls that the CRM may know.
    doubtful: BTreeSet<u64>,
    delivered: BTreeMap<u64, u64>,
    questions: Vec<u64>,
    /// The journal answers then.
    asked: Option<(u64, Question)>,
    turns: u64,
}

impl World {
    fn new(stuck: u64, crm: Crm) -> Self {
        let policy = Policy { recordings: false, recording_give_up: Duration::ZERO, started: at(0).mono };
        Self {
            schedule: Schedule::new(policy, 1),
            journal: (1..=stuck).collect(),
            crm,
            now: 0,
            busy_until: None,
            attempts: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            delivered: BTreeMap::new(),
            questions: Vec::new(),
            asked: None,
            turns: 0,
        }
    }

    /// A call ends.
    fn end_call(&mut self, seq: u64) {
        self.journal.insert(seq);
        let call = record(&format!("o-{seq}"), at(self.now), &[]);
        self.schedule.appended(Some(Seq(seq)), Arc::new(call), Ticket::default());
    }

    /// Lets time pass, with a turn of the daemon whenever something is due.
    fn run_for(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.turn();
            let due = self.schedule.poll_timeout().map_or(u64::MAX, |due| due.since(at(0).mono).as_millis() as u64);
            let crm = self.busy_until.as_ref().map_or(u64::MAX, |(until, _)| *until);
            let answer = self.asked.map_or(u64::MAX, |(answered, _)| answered).min(crm);
            // The daemon never sleeps shorter than this.
            self.now = due.max(self.now + 2).min(answer.max(self.now + 1)).min(end);
        }
    }

    fn turn(&mut self) {
        self.turns += 1;
        match self.busy_until.take_if(|(until, _)| *until <= self.now) {
            Some((_, Work::One(seq))) => self.answer(seq),
            Some((_, Work::Together(calls))) => self.answer_together(calls),
            None => {}
        }
        self.pump_journal();
        while let Some(job) = self.schedule.poll_job(at(self.now)) {
            match job {
                Job::Deliver { record, ticket, in_doubt, .. } => {
                    let seq = seq_of(&record);
                    assert!(self.busy_until.is_none(), "one request at a time");
                    assert!(!self.delivered.contains_key(&seq), "{seq} is delivered already");
                    assert!(!self.doubtful.contains(&seq) || in_doubt || ticket.in_doubt, "{seq} is repeated blindly");
                    self.attempts.entry(seq).or_default().push(self.now);
                    self.busy_until = Some((self.now + 300, Work::One(seq)));
                }
                Job::DeliverTogether { calls } => {
                    assert!(self.busy_until.is_none(), "one request at a time");
                    self.busy_until = Some((self.now + 300, Work::Together(calls)));
                }
                Job::Refresh => self.schedule.report(report(Lane::Recordings, Outcome::Done), at(self.now)),
                other => panic!("{other:?}"),
            }
        }
        self.pump_journal();
    }

    fn answer(&mut self, seq: u64) {
        let outcome = (self.crm)(seq);
        match outcome {
            Outcome::Done => drop(self.delivered.insert(seq, self.now)),
            Outcome::InDoubt { .. } => drop(self.doubtful.insert(seq)),
            _ => {}
        }
        self.schedule.report(report(Lane::Calls, outcome), at(self.now));
    }

    /// Among others only what goes at once goes at all.
    fn answer_together(&mut self, calls: Vec<Consignment>) {
        let (crm, now, delivered) = (self.crm, self.now, &mut self.delivered);
        let report = together(Outcome::Done, calls, |call| {
            let seq = seq_of(&call.record);
            assert!(!delivered.contains_key(&seq), "{seq} is delivered already");
            if crm(seq) != Outcome::Done {
                return Fate::Alone;
            }
            delivered.insert(seq, now);
            Fate::Delivered
        });
        self.schedule.report(report, at(now));
    }

    fn pump_journal(&mut self) {
        while let Some((seq, _)) = self.schedule.poll_mark() {
            self.journal.remove(&seq.0);
        }
        if let Some((_, Question { part, after, max })) = self.asked.take_if(|(answered, _)| *answered <= self.now) {
            let entries = self.journal.range(after.0 + 1..).take(max).map(|seq| pending(*seq, false)).collect();
            self.schedule.loaded(part, entries, at(self.now));
            let most = crate::limits::CALLS_IN_HAND + crate::limits::CALLS_IN_HAND / 2;
            assert!(self.schedule.calls.len() <= most, "memory does not grow with the backlog");
        }
        while let Some(question) = self.schedule.question(at(self.now).mono) {
            assert!(self.asked.is_none(), "one question at a time");
            self.questions.push(self.now);
            self.asked = Some((self.now + 40, question));
        }
    }

    /// The most questions in any hour.
    fn questions_an_hour(&self) -> usize {
        let hours = self.questions.iter().fold(BTreeMap::<u64, usize>::new(), |mut hours, asked| {
            *hours.entry(asked / HOUR).or_default() += 1;
            hours
        });
        hours.into_values().max().unwrap_or(0)
    }
}

fn wrong_user(seq: u64) -> Outcome {
    if seq > 5000 {
        return Outcome::Done;
    }
    Outcome::Retry { after: Some(Duration::from_secs(900)), why: "user 7 is not active".into() }
}

fn no_right_to_look(seq: u64) -> Outcome {
    if seq > 5000 {
        return Outcome::Done;
    }
    Outcome::InDoubt { after: Duration::from_secs(1800), why: "the statistics may not be seen".into() }
}

/// Stuck calls, the hours to watch, and how often each must have been tried by then.
const OFFICES: [(u64, u64, usize); 4] = [(16, 3, 6), (33, 3, 6), (300, 3, 3), (1000, 8, 3)];

#[test]
fn every_stuck_call_is_tried_again_and_again_without_endless_questions() {
    for crm in [wrong_user as Crm, no_right_to_look] {
        for (stuck, hours, least) in OFFICES {
            let mut world = World::new(stuck, crm);
            world.run_for(hours * HOUR);
            let tries: Vec<usize> =
                (1..=stuck).map(|seq| world.attempts.get(&seq).map_or(0, |attempts| attempts.len())).collect();
            let fewest = *tries.iter().min().unwrap();
            let (questions, turns) = (world.questions_an_hour(), world.turns / hours);
            let least = if crm(1) == wrong_user(1) { least } else { least / 2 };
            assert!(fewest >= least.max(1), "{stuck} stuck: one was tried {fewest} times");
            assert!(questions < 300, "{stuck} stuck: {questions} questions an hour");
            assert!(turns < 3_000, "{stuck} stuck: the daemon woke {turns} times an hour");
        }
    }
}

#[test]
fn a_call_that_ends_among_stuck_ones_goes_at_once() {
    for crm in [wrong_user as Crm, no_right_to_look] {
        for (stuck, ..) in OFFICES {
            let mut world = World::new(stuck, crm);
            for n in 0..50 {
                world.run_for(400_000 + n * 997);
                let (seq, ended) = (10_000 + n, world.now);
                world.end_call(seq);
                world.run_for(5_000);
                let waited = world.delivered.get(&seq).map(|delivered| delivered - ended);
                assert!(waited.is_some_and(|ms| ms <= 700), "{stuck} stuck: call {n} waited {waited:?} ms");
            }
        }
    }
}

#[test]
fn a_burst_of_calls_among_stuck_ones_and_their_backlog_gets_through() {
    for (stuck, ..) in OFFICES {
        let mut world = World::new(stuck, wrong_user);
        world.journal.extend(6_000..6_500);
        world.run_for(HOUR);
        for seq in 10_000..10_100 {
            world.end_call(seq);
        }
        world.run_for(HOUR);
        assert_eq!(world.delivered.len(), 600, "{stuck} stuck");
    }
}

#[test]
fn stuck_calls_that_the_ring_dropped_leave_no_trace() {
    for (stuck, ..) in OFFICES {
        let mut world = World::new(stuck, wrong_user);
        world.run_for(3 * HOUR);
        world.journal.retain(|seq| seq % 3 == 0);
        world.crm = |_| Outcome::Done;
        world.run_for(3 * HOUR);
        let left: Vec<u64> = world.journal.iter().copied().collect();
        assert_eq!(left, Vec::<u64>::new(), "{stuck} stuck: all that the ring has is delivered");
        let (asked, turns) = (world.questions.len(), world.turns);
        world.run_for(3 * HOUR);
        assert!(world.questions.len() - asked <= 1, "{stuck} stuck: the journal is asked on and on");
        assert!(world.turns - turns < 20, "{stuck} stuck: the daemon does not come to rest");
    }
}

#[test]
fn a_kick_tries_stuck_calls_now() {
    let mut world = World::new(300, wrong_user);
    world.run_for(2 * HOUR);
    world.crm = |_| Outcome::Done;
    world.schedule.kick(at(world.now).mono);
    world.run_for(HOUR / 2);
    assert_eq!(world.delivered.len(), 300);
}
