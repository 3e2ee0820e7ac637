//! The threads that run jobs against a CRM's port, one for each lane.
//!
//! They stand apart from the schedule because they block: on DNS, TLS, a slow portal, a file on a share. A lane holds
//! one job at a time and answers every job with exactly one report; a lane whose thread could not be started or died
//! answers nothing and its work waits in the journal. Bounds: one job per lane on the way in, [`REPORTS`] reports on
//! the way out.

use super::choice::{Pick, Wanted, choose};
use super::job::{Dealt, Job, Report};
use crate::call::record::CallRecord;
use crate::clock;
use crate::crm::{Lane, Outcome, Port, Shown, Ticket, UploadLink};
use crate::limits::LANE_STACK_BYTES;
use crate::recording::Source;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tokio::sync::mpsc::Sender;

/// Reports of all lanes of all CRMs that may wait for the hub; a lane waits when it is full.
pub const REPORTS: usize = 32;

/// The lanes of one CRM.
#[derive(Debug)]
pub struct Lanes {
    senders: [SyncSender<Job>; 3],
}

impl Lanes {
    /// Starts the three threads. Reports carry `crm`, the number of this CRM in the configuration.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        crm: usize,
        port: Arc<dyn Port>,
        recordings: Option<Source>,
        reports: &Sender<(usize, Report)>,
    ) -> io::Result<Self> {
        let lane = |lane: Lane| {
            let worker =
                Worker { crm, lane, port: Arc::clone(&port), recordings: recordings.clone(), reports: reports.clone() };
            worker.start()
        };
        Ok(Self { senders: [lane(Lane::Cards)?, lane(Lane::Calls)?, lane(Lane::Recordings)?] })
    }

    /// Hands a job to its lane, which is free as the schedule has it. False when its thread is gone.
    pub fn send(&self, job: Job) -> bool {
        self.senders.get(job.lane() as usize).is_some_and(|sender| sender.try_send(job).is_ok())
    }
}

struct Worker {
    crm: usize,
    lane: Lane,
    port: Arc<dyn Port>,
    recordings: Option<Source>,
    reports: Sender<(usize, Report)>,
}

impl Worker {
    fn start(self) -> io::Result<SyncSender<Job>> {
        let (sender, jobs) = sync_channel(1);
        let name = match self.lane {
            Lane::Cards => "cards",
            Lane::Calls => "calls",
            Lane::Recordings => "recordings",
        };
        thread::Builder::new().name(name.to_owned()).stack_size(LANE_STACK_BYTES).spawn(move || self.run(&jobs))?;
        Ok(sender)
    }

    /// Ends when the hub lets go of the sender or of the reports.
    fn run(self, jobs: &Receiver<Job>) {
        for job in jobs {
            let report = self.work(job);
            if self.reports.blocking_send((self.crm, report)).is_err() {
                return;
            }
        }
    }

    fn work(&self, job: Job) -> Report {
        match job {
            Job::Announce { call, mut ticket, mut shown } => {
                let outcome = self.port.announce(&call, &mut ticket, &mut shown);
                self.report(outcome, ticket, shown)
            }
            Job::Deliver { record, mut ticket, mut shown, freshness, in_doubt } => {
                let outcome = self.port.deliver(&record, &mut ticket, &mut shown, freshness, in_doubt, clock::now());
                self.report(outcome, ticket, shown)
            }
            Job::DeliverTogether { mut calls } => {
                let outcome = self.port.deliver_together(&mut calls, clock::now());
                Report { together: calls, ..self.report(outcome, Ticket::default(), Shown::default()) }
            }
            Job::Attach { record, ticket, left, patient, in_doubt, link } => {
                self.attach(&record, ticket, Wanted { left, patient }, in_doubt, link.as_ref())
            }
            Job::Refresh => self.report(self.port.refresh(), Ticket::default(), Shown::default()),
        }
    }

    fn attach(
        &self,
        record: &CallRecord,
        ticket: Ticket,
        wanted: Wanted,
        in_doubt: bool,
        link: Option<&UploadLink>,
    ) -> Report {
        let Some(source) = &self.recordings else {
            let outcome = Outcome::Refused { why: String::from("no source of recordings is configured") };
            return self.report(outcome, ticket, Shown::default());
        };
        let alone = self.port.keeps_one_recording();
        let choice = choose(&record.recordings, wanted, alone, |path| source.find(path));
        let (outcome, index) = match choice.pick {
            Pick::Attach { index, file } => (self.port.attach(record, &ticket, &file, in_doubt, link), Some(index)),
            Pick::Wait { after, why } => (Outcome::Retry { after: Some(after), why }, None),
            Pick::Refuse { index, why } => (Outcome::Refused { why }, index),
        };
        let dealt = matches!(outcome, Outcome::Done | Outcome::Refused { .. });
        if let Some(path) = index.and_then(|index| record.recordings.get(index)).filter(|_| dealt) {
            source.forget(path);
        }
        let recording = index.map(|index| Dealt { index, alone });
        Report { recording, alarm: choice.alarm, ..self.report(outcome, ticket, Shown::default()) }
    }

    fn report(&self, outcome: Outcome, ticket: Ticket, shown: Shown) -> Report {
        let refresh = self.port.wants_refresh();
        let together = Vec::new();
        Report { lane: self.lane, outcome, ticket, shown, together, refresh, recording: None, alarm: None }
    }
}
