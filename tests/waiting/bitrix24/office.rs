//! A portal, the port that talks to it, calls to post, and a schedule in small.

use portal::{FinishedCall, Portal, PortalConfig};
use ringpost::call::live::LiveCall;
use ringpost::call::record::{CallRecord, DialStatus, Direction, Disposition, Extension, Gaps, Rang, Talk};
use ringpost::clock::{self, Stamp, Wall};
use ringpost::config::{self, Create, Secret, ShowCard};
use ringpost::crm::bitrix24::Bitrix24;
use ringpost::crm::{Freshness, Outcome, Port, Shown, Ticket};
use ringpost::text::bounded;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// The secret in the webhook's address; it must not be in any text.
pub const SECRET: &str = "s3cr3tw3bh00k";
/// The one of whom nobody knows the extension.
pub const DEFAULT_USER: u32 = 1;

/// A portal and our side of it.
pub struct Office {
    pub portal: Portal,
    pub bitrix: Bitrix24,
}

impl Office {
    /// As [`PortalConfig::default`] has it: users 11 to 19 with the extensions 101 to 109, 110 was dismissed.
    pub fn open() -> Self {
        Self::with(PortalConfig::default(), |_| ())
    }

    /// Another portal.
    pub fn open_with(portal: PortalConfig) -> Self {
        Self::with(portal, |_| ())
    }

    /// Another portal, or other settings.
    pub fn with(portal: PortalConfig, change: impl FnOnce(&mut config::Bitrix24)) -> Self {
        let portal = Portal::start(portal).expect("the portal starts");
        let bitrix = port(&portal, change);
        let office = Self { portal, bitrix };
        assert_eq!(office.bitrix.refresh(), Outcome::Done);
        office
    }

    /// One that gives a request two seconds only: for a portal that never answers.
    pub fn impatient(portal: PortalConfig, change: impl FnOnce(&mut config::Bitrix24)) -> Self {
        let Self { portal, bitrix } = Self::with(portal, change);
        Self { portal, bitrix: bitrix.with_times(Duration::from_secs(2), Duration::from_secs(2)) }
    }

    /// Another process of ours that knows nothing of the first.
    pub fn restart(&mut self) {
        self.forget();
        assert_eq!(self.bitrix.refresh(), Outcome::Done);
    }

    /// Another process of ours that has not asked for the employees yet.
    pub fn forget(&mut self) {
        self.bitrix = port(&self.portal, |_| ());
    }

    /// Brings the cards in step with who rings and talks, for the user who was frozen before or is now.
    pub fn announce(&self, work: &mut Work, ringing: &[&str], talking: Option<&str>) -> Outcome {
        let call = live(&work.call, ringing, talking);
        self.bitrix.prepare(&call, &mut work.ticket);
        self.bitrix.announce(&call, &mut work.ticket, &mut work.shown)
    }

    /// Delivers as the schedule does until the port says that it is done; returns the outcomes on the way.
    pub fn deliver(&self, work: &mut Work) -> Vec<Outcome> {
        self.deliver_as(work, Freshness::Fresh)
    }

    pub fn deliver_as(&self, work: &mut Work, freshness: Freshness) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for _ in 0..12 {
            let outcome = self.attempt(work, freshness);
            let done = outcome == Outcome::Done;
            let wait = match &outcome {
                Outcome::Retry { after, .. } => after.unwrap_or(Duration::from_millis(20)),
                // The portal for tests is never still at work when it has cut an answer off.
                _ => Duration::ZERO,
            };
            outcomes.push(outcome);
            if done {
                return outcomes;
            }
            sleep(wait.min(Duration::from_secs(5)));
        }
        panic!("not done after twelve attempts: {outcomes:?}");
    }

    /// One attempt.
    pub fn attempt(&self, work: &mut Work, freshness: Freshness) -> Outcome {
        let (ticket, shown) = (&mut work.ticket, &mut work.shown);
        let outcome = self.bitrix.deliver(&work.call, ticket, shown, freshness, work.in_doubt, clock::now());
        work.in_doubt |= matches!(outcome, Outcome::InDoubt { .. });
        assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
        outcome
    }

    /// The one finished call of the portal.
    pub fn only_call(&self) -> FinishedCall {
        let mut calls = self.portal.calls();
        assert_eq!(calls.len(), 1, "exactly one finished call: {calls:?}");
        calls.remove(0)
    }

    /// Texts of a parameter in all requests of a method, in their order.
    pub fn sent(&self, method: &str, parameter: &str) -> Vec<String> {
        self.portal.requests_of(method).iter().map(|request| request.params.at(parameter).to_text()).collect()
    }
}

fn port(portal: &Portal, change: impl FnOnce(&mut config::Bitrix24)) -> Bitrix24 {
    let mut settings = config::Bitrix24 {
        webhook: Secret::new(portal.webhook_url()),
        portal: format!("127.0.0.1:{}", portal.port()),
        default_user: DEFAULT_USER,
        show_card: ShowCard::OnRing,
        create: Create::Never,
        ca_file: Some(portal.ca_file()),
        users: BTreeMap::new(),
        anonymous: bounded(b"000"),
    };
    change(&mut settings);
    let bitrix = Bitrix24::new("bitrix24", settings).expect("the port can be set up");
    // A machine that runs all tests at once is slow; nothing waits that long unless it has to.
    bitrix.with_times(Duration::from_secs(15), Duration::from_secs(15))
}

/// A finished call on its way.
pub struct Work {
    pub call: CallRecord,
    pub ticket: Ticket,
    pub shown: Shown,
    pub in_doubt: bool,
}

impl Work {
    pub fn new(call: CallRecord) -> Self {
        Self { call, ticket: Ticket::default(), shown: Shown::default(), in_doubt: false }
    }
}

/// An extension.
pub fn ext(number: &str) -> Extension {
    bounded(number.as_bytes())
}

/// So many seconds ago.
pub fn ago(secs: u64) -> Stamp {
    let now = clock::now();
    let millis = secs * 1000;
    Stamp {
        mono: clock::Monotonic::from_millis(now.mono.as_millis().saturating_sub(millis)),
        wall: Wall::from_millis(now.wall.as_millis() - i64::try_from(millis).expect("a sane age")),
    }
}

/// An inbound call that nobody took.
pub fn missed(id: &str) -> CallRecord {
    CallRecord {
        id: bounded(id.as_bytes()),
        direction: Direction::Inbound,
        client: bounded(b"+79160000001"),
        line: bounded(b"74951112233"),
        trunk: bounded(b"carrier"),
        caller: ext(""),
        rang: [Rang { extension: ext("101"), ring_ms: 12_000 }].into_iter().collect(),
        answered_by: None,
        talked_last: None,
        talks: heapless::Vec::new(),
        talk_ms: 0,
        disposition: Disposition::Missed,
        dial_status: DialStatus::NoAnswer,
        cause: 16,
        queue: bounded(b""),
        transfers: heapless::Vec::new(),
        recordings: heapless::Vec::new(),
        voicemail: bounded(b""),
        started: ago(30),
        ended: ago(0),
        gaps: Gaps::default(),
        withheld: None,
    }
}

/// An inbound call that `extension` took.
pub fn answered(id: &str, extension: &str, talk_ms: u32) -> CallRecord {
    CallRecord {
        answered_by: Some(ext(extension)),
        talked_last: Some(ext(extension)),
        talks: [Talk { extension: ext(extension), talk_ms }].into_iter().collect(),
        rang: [Rang { extension: ext(extension), ring_ms: 4_000 }].into_iter().collect(),
        talk_ms,
        disposition: Disposition::Answered,
        dial_status: DialStatus::Answer,
        ..missed(id)
    }
}

/// The same call while it lives.
pub fn live(call: &CallRecord, ringing: &[&str], talking: Option<&str>) -> LiveCall {
    LiveCall {
        id: call.id.clone(),
        direction: call.direction,
        client: call.client.clone(),
        line: call.line.clone(),
        caller: call.caller.clone(),
        ringing: ringing.iter().map(|number| ext(number)).collect(),
        talking: talking.map(ext),
        started: call.started,
        withheld: call.withheld,
    }
}
