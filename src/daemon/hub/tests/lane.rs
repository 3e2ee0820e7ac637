//! The lanes and the portal behind them: what a job comes to, and what the portal holds at the end.

use super::super::*;
use super::world::Office;
use crate::call::live::LiveCall;
use crate::call::record::Extension;
use crate::crm::{Consignment, Fate, Freshness, Lane, Outcome, Shown};
use crate::deliver::job::Job;
use std::path::Path;

/// What the hub asks of a port; its work is played by [`Office`].
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

    fn attach(&self, _: &CallRecord, _: &Ticket, _: &Path, _: bool) -> Outcome {
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

/// What the portal did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Done {
    Announced { id: String, ringing: usize },
    Finished(Box<CallRecord>),
}

impl Office {
    pub(super) fn play_portal(&mut self) -> bool {
        if self.portal_is_slow {
            return false;
        }
        let Some(job) = self.desk.0.borrow_mut().jobs.pop_front() else { return false };
        let report = self.work(job);
        self.hub.reported(0, report, self.now);
        true
    }

    /// The portal executes a request whose answer nobody will hear.
    pub(super) fn execute_unheard(&mut self) {
        let jobs = core::mem::take(&mut self.desk.0.borrow_mut().jobs);
        for job in jobs {
            self.work(job);
        }
    }

    pub(super) fn work(&mut self, job: Job) -> Report {
        let lane = job.lane();
        let down = || Outcome::Retry { after: None, why: "the portal is down".into() };
        let report = |outcome, ticket, shown| Report {
            lane,
            outcome,
            ticket,
            shown,
            together: Vec::new(),
            refresh: false,
            recording: None,
            alarm: None,
        };
        match job {
            Job::Refresh => report(Outcome::Done, Ticket::default(), Shown::default()),
            Job::Announce { ticket, shown, .. } | Job::Deliver { ticket, shown, .. } if self.portal_is_down => {
                report(down(), ticket, shown)
            }
            Job::Announce { call, mut ticket, mut shown } => {
                self.done.push(Done::Announced { id: call.id.to_string(), ringing: call.ringing.len() });
                ticket.call = crate::text::bounded(format!("call-{}", call.id).as_bytes());
                shown.0 = call.ringing.iter().map(|_| 11).take(1).collect();
                report(Outcome::Done, ticket, shown)
            }
            Job::Deliver { record, ticket, in_doubt, .. } => {
                let looks = in_doubt || ticket.in_doubt;
                if !(looks && self.posted().iter().any(|posted| posted.id == record.id)) {
                    self.done.push(Done::Finished(Box::new((*record).clone())));
                }
                report(Outcome::Done, ticket, Shown::default())
            }
            Job::DeliverTogether { calls } => self.deliver_together(calls),
            Job::Attach { .. } => panic!("no recordings here"),
        }
    }

    fn deliver_together(&mut self, mut calls: Vec<Consignment>) -> Report {
        for call in &mut calls {
            if self.portal_is_down {
                break;
            }
            let looks = call.in_doubt || call.ticket.in_doubt;
            if !(looks && self.posted().iter().any(|posted| posted.id == call.record.id)) {
                self.done.push(Done::Finished(Box::new((*call.record).clone())));
            }
            call.fate = Fate::Delivered;
        }
        let down = Outcome::Retry { after: None, why: "the portal is down".into() };
        Report {
            lane: Lane::Calls,
            outcome: if self.portal_is_down { down } else { Outcome::Done },
            ticket: Ticket::default(),
            shown: Shown::default(),
            together: calls,
            refresh: false,
            recording: None,
            alarm: None,
        }
    }

    pub(super) fn posted(&self) -> Vec<CallRecord> {
        let finished = self.done.iter().filter_map(|done| match done {
            Done::Finished(record) => Some((**record).clone()),
            Done::Announced { .. } => None,
        });
        finished.collect()
    }

    /// The one call that the portal holds.
    pub(super) fn the_call(&self) -> CallRecord {
        let posted = self.posted();
        assert_eq!(posted.len(), 1, "{:#?}", self.done);
        posted.into_iter().next().unwrap()
    }

    pub(super) fn announced(&self) -> usize {
        self.done.iter().filter(|done| matches!(done, Done::Announced { .. })).count()
    }
}
