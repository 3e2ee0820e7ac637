//! The lanes and the portals behind them: what a job comes to, and what a portal holds at the end.

use super::super::*;
use super::desks::Desk;
use super::world::Office;
use crate::call::live::LiveCall;
use crate::call::record::Extension;
use crate::clock::Wall;
use crate::crm::{Consignment, Fate, Freshness, Lane, Outcome, Shown, UploadLink};
use crate::deliver::job::{Dealt, Job};
use core::time::Duration;
use std::collections::HashSet;
use std::path::Path;

/// What the hub asks of a port; its work is played by [`Portal`].
pub(super) struct PortOfTest;

impl Port for PortOfTest {
    fn name(&self) -> &'static str {
        "portal"
    }

    fn announce(&self, _: &LiveCall, _: &mut Ticket, _: &mut Shown) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn prepare(&self, _: &LiveCall, ticket: &mut Ticket) {
        ticket.user = Some(11);
    }

    fn deliver(&self, _: &CallRecord, _: &mut Ticket, _: &mut Shown, _: Freshness, _: bool, _: Stamp) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn attach(&self, _: &CallRecord, _: &Ticket, _: &Path, _: bool, _: Option<&UploadLink>) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn wants(&self, call: &CallRecord) -> bool {
        call.is_posted()
    }

    fn status_code(&self, _: &CallRecord) -> &'static str {
        "200"
    }

    fn refresh(&self) -> Outcome {
        unreachable!("the lanes are played")
    }

    fn user_of(&self, _: &Extension) -> Option<u32> {
        Some(11)
    }
}

/// What a portal did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Done {
    Announced { id: String, ringing: usize },
    Finished(Box<CallRecord>),
    Attached { id: String, file: String },
}

/// How a portal answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    /// Nothing can be sent to it.
    Down,
    /// No answer arrives, and every other call is taken all the same.
    Mute,
    /// Jobs stay in flight.
    Slow,
}

/// A portal, and the lanes that lead to it.
#[derive(Default)]
pub(super) struct Portal {
    pub(super) mood: Mood,
    /// Calls that it refuses for ever.
    pub(super) refuses: Vec<&'static str>,
    /// It takes calls and cuts each upload.
    pub(super) rejects_files: bool,
    pub(super) done: Vec<Done>,
    /// The true start of each call, as it was told, in their order.
    pub(super) dates: Vec<(String, Wall)>,
    /// Jobs that led to a request, answered or not.
    pub(super) requests: usize,
    /// How long it takes for a card or a call, and for a recording.
    pub(super) latency: Duration,
    pub(super) upload: Duration,
    in_flight: Vec<(Monotonic, Job)>,
    /// What a process that was killed had asked for, and what comes to be executed only later.
    late: Vec<Job>,
    held: HashSet<String>,
    /// Calls that were registered and not finished since.
    pub(super) open: HashSet<String>,
}

/// The recording that is next.
fn recording(record: &CallRecord, left: u8) -> &str {
    record.recordings[left.trailing_zeros() as usize].as_str()
}

/// The PBX's disk, as the lanes see it.
pub(super) type Files = std::collections::BTreeSet<String>;

impl Portal {
    /// The lanes begin with what the hub gave them.
    fn fetch(&mut self, desk: &Desk, crm: usize, files: &Files, now: Monotonic) {
        let jobs = core::mem::take(&mut desk.0.borrow_mut().jobs[crm]);
        for job in jobs {
            let time = match &job {
                Job::DeliverTogether { calls } => self.latency * calls.len() as u32,
                Job::Attach { record, left, .. } if files.contains(recording(record, *left)) => self.upload,
                Job::Attach { .. } => Duration::ZERO,
                _ => self.latency,
            };
            self.in_flight.push((now + time, job));
        }
    }

    /// The process that asked is gone.
    pub(super) fn hang_up(&mut self) {
        self.in_flight.clear();
    }

    /// When the next job is done.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        let due = self.in_flight.iter().map(|(due, _)| *due).min();
        due.filter(|_| self.mood != Mood::Slow)
    }

    fn work(&mut self, job: Job, files: &Files, now: Stamp) -> Report {
        let lane = job.lane();
        let report = |outcome, ticket, shown| report(lane, outcome, ticket, shown);
        if let Job::Attach { record, ticket, left, .. } = &job
            && !files.contains(recording(record, *left))
        {
            let (after, why) = (Some(Duration::from_secs(5)), "the file is not there".to_owned());
            return report(Outcome::Retry { after, why }, ticket.clone(), Shown::default());
        }
        let lost = self.lost(now).or_else(|| {
            let (after, why) = (Duration::from_secs(10), "the upload was cut".to_owned());
            let is_cut = self.rejects_files && matches!(job, Job::Attach { .. });
            is_cut.then_some(Outcome::InDoubt { after, why })
        });
        match job {
            Job::Refresh => {
                // Reading may be repeated whatever became of it.
                let outcome = match lost {
                    Some(Outcome::InDoubt { after, why }) => Outcome::Retry { after: Some(after), why },
                    lost => lost.unwrap_or(Outcome::Done),
                };
                report(outcome, Ticket::default(), Shown::default())
            }
            Job::Announce { call, mut ticket, mut shown } => {
                if let Some(lost) = lost {
                    return report(lost, ticket, shown);
                }
                self.done.push(Done::Announced { id: call.id.to_string(), ringing: call.ringing.len() });
                if ticket.call.is_empty() {
                    self.open.insert(call.id.to_string());
                }
                ticket.call = crate::text::bounded(format!("call-{}", call.id).as_bytes());
                shown.0 = call.ringing.iter().map(|_| 11).take(1).collect();
                report(Outcome::Done, ticket, shown)
            }
            Job::Deliver { record, mut ticket, in_doubt, shown, .. } => {
                ticket.in_doubt |= in_doubt;
                if lost.is_some() && self.mood == Mood::Mute && self.requests.is_multiple_of(2) {
                    self.take(&record, &ticket, now);
                }
                let outcome = lost.unwrap_or_else(|| self.take(&record, &ticket, now));
                ticket.in_doubt &= outcome != Outcome::Done;
                report(outcome, ticket, shown)
            }
            Job::Attach { record, ticket, left, .. } => {
                let index = left.trailing_zeros() as usize;
                let recording = Some(Dealt { index, alone: true });
                let outcome = lost.unwrap_or_else(|| {
                    let (id, file) = (record.id.to_string(), record.recordings[index].to_string());
                    assert!(self.has(&record.id), "the recording of {id} came before its call");
                    self.done.push(Done::Attached { id, file });
                    Outcome::Done
                });
                Report { recording, ..report(outcome, ticket, Shown::default()) }
            }
            Job::DeliverTogether { calls } => self.take_together(calls, lost, now),
        }
    }

    /// What becomes of a request that does not arrive; none: it does.
    fn lost(&mut self, now: Stamp) -> Option<Outcome> {
        if !now.wall.is_plausible() {
            return Some(Outcome::Suspend { after: Duration::from_secs(5), why: "the clock is not set".into() });
        }
        self.requests += 1;
        match self.mood {
            Mood::Well | Mood::Slow => None,
            Mood::Down => Some(Outcome::Retry { after: None, why: "the portal is down".into() }),
            Mood::Mute => Some(Outcome::InDoubt { after: Duration::from_secs(10), why: "no answer in time".into() }),
        }
    }

    /// Takes calls of the backlog that came with one request.
    fn take_together(&mut self, mut calls: Vec<Consignment>, lost: Option<Outcome>, now: Stamp) -> Report {
        for call in &mut calls {
            call.fate = match &lost {
                None => self.take_one_of(call, now),
                Some(Outcome::InDoubt { after, .. }) => Fate::InDoubt { after: *after },
                Some(_) => Fate::Waiting,
            };
        }
        let outcome = lost.unwrap_or(Outcome::Done);
        Report { together: calls, ..report(Lane::Calls, outcome, Ticket::default(), Shown::default()) }
    }

    fn take_one_of(&mut self, call: &mut Consignment, now: Stamp) -> Fate {
        call.ticket.in_doubt |= call.in_doubt;
        let is_new = !(call.ticket.in_doubt && self.has(&call.record.id));
        if call.only_look && is_new || self.refuses.contains(&call.record.id.as_str()) {
            call.in_doubt &= !is_new;
            return Fate::Alone;
        }
        self.take(&call.record, &call.ticket, now);
        Fate::Delivered
    }

    /// Takes a finished call, as a port delivers it.
    fn take(&mut self, record: &CallRecord, ticket: &Ticket, now: Stamp) -> Outcome {
        if self.refuses.contains(&record.id.as_str()) {
            return Outcome::Refused { why: "no such thing".into() };
        }
        if ticket.in_doubt && self.has(&record.id) {
            return Outcome::Done;
        }
        let date = record.started.date(now).expect("a plausible clock");
        self.dates.push((record.id.to_string(), date));
        self.held.insert(record.id.to_string());
        self.open.remove(record.id.as_str());
        self.done.push(Done::Finished(Box::new(record.clone())));
        Outcome::Done
    }

    fn has(&self, id: &CallId) -> bool {
        self.held.contains(id.as_str())
    }

    pub(super) fn posted(&self) -> Vec<CallRecord> {
        let finished = self.done.iter().filter_map(|done| match done {
            Done::Finished(record) => Some((**record).clone()),
            Done::Announced { .. } | Done::Attached { .. } => None,
        });
        finished.collect()
    }

    /// The identities of the calls that it holds, in the order in which they came.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.dates.iter().map(|(id, _)| id.as_str()).collect()
    }

    pub(super) fn announced(&self) -> usize {
        self.done.iter().filter(|done| matches!(done, Done::Announced { .. })).count()
    }

    /// The calls whose recordings it has.
    pub(super) fn attached(&self) -> Vec<&str> {
        let attached = self.done.iter().filter_map(|done| match done {
            Done::Attached { id, .. } => Some(id.as_str()),
            Done::Announced { .. } | Done::Finished(_) => None,
        });
        attached.collect()
    }
}

fn report(lane: Lane, outcome: Outcome, ticket: Ticket, shown: Shown) -> Report {
    let (together, refresh, recording, alarm) = (Vec::new(), false, None, None);
    Report { lane, outcome, ticket, shown, together, refresh, recording, alarm }
}

impl Office {
    pub(super) fn play_portals(&mut self) -> bool {
        let mut played = false;
        for (crm, portal) in self.portals.iter_mut().enumerate() {
            portal.fetch(&self.desk, crm, &self.files, self.now.mono);
            let due = portal.in_flight.iter().position(|(due, _)| *due <= self.now.mono);
            let Some(at) = due.filter(|_| portal.mood != Mood::Slow) else { continue };
            let (_, job) = portal.in_flight.remove(at);
            let report = portal.work(job, &self.files, self.now);
            self.hub.reported(crm, report, self.now);
            played = true;
        }
        played
    }

    /// The portals execute requests whose answers nobody will hear.
    pub(super) fn execute_unheard(&mut self) {
        self.keep_unheard();
        self.execute_late();
    }

    /// The portals have requests before them whose answers nobody will hear.
    pub(super) fn keep_unheard(&mut self) {
        for (crm, portal) in self.portals.iter_mut().enumerate() {
            portal.fetch(&self.desk, crm, &self.files, self.now.mono);
            portal.late.extend(portal.in_flight.drain(..).map(|(_, job)| job));
        }
    }

    /// Now the portals execute them.
    pub(super) fn execute_late(&mut self) {
        for portal in &mut self.portals {
            for job in core::mem::take(&mut portal.late) {
                portal.work(job, &self.files, self.now);
            }
        }
    }

    /// The only portal, or the first.
    pub(super) fn portal(&mut self) -> &mut Portal {
        &mut self.portals[0]
    }

    pub(super) fn posted(&self) -> Vec<CallRecord> {
        self.portals[0].posted()
    }

    /// The one call that the portal holds.
    pub(super) fn the_call(&self) -> CallRecord {
        let posted = self.posted();
        assert_eq!(posted.len(), 1, "{:#?}", self.portals[0].done);
        posted.into_iter().next().unwrap()
    }
}
