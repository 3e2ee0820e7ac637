//! Every way in which a call goes through an office, told right: played on a real Asterisk, told by the real ringpost
//! to its journal and to the portal, and held against what the telephones saw, field by field.
//!
//! These are the scenarios of `docs/calls.md`. `RINGPOST_KEEP_TRANSCRIPTS=DIR` keeps each as a transcript.

mod absent;
mod forwards;
mod groups;
mod numbers;
mod parking;
mod queues;
mod recordings;
mod routes;
mod sound;
mod transfers;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use live::{Caller, Near, Office, Packet, Plan, Ringing, Trouble, secs};

/// How long a phone may take to ring.
const SOON: Duration = Duration::from_secs(15);

/// A client who talks with an employee.
struct Talk<'a> {
    client: Near<'a>,
    desk: Ringing<'a>,
    /// How long the desk rang.
    rang: Duration,
    /// When the employee answered.
    since: Instant,
}

impl<'a> Talk<'a> {
    /// The client calls `line`, `extension` rings for a second and answers.
    fn begin(office: &'a Office, caller: &Caller, line: &str, extension: &str) -> Result<Self, Trouble> {
        office.plan_for(caller, extension, Plan::manual())?;
        let client = office.inbound(caller, line)?;
        let desk = office.ringing(extension, caller.number(), SOON)?;
        thread::sleep(secs(1.0));
        let since = desk.answer()?;
        client.await_answer(secs(5.0))?;
        Ok(Talk { rang: since - desk.since, client, desk, since })
    }
}

/// `extension` rings for the client, a second later it answers: how long it rang, and when it answered.
fn answers<'a>(office: &'a Office, caller: &str, extension: &str) -> Result<(Ringing<'a>, Duration, Instant), Trouble> {
    let phone = office.ringing(extension, caller, SOON)?;
    thread::sleep(secs(1.0));
    let since = phone.answer()?;
    let rang = since - phone.since;
    Ok((phone, rang, since))
}

/// Waits until the PBX says that the channel of `peer` enters a bridge, at or after place `from` of the log.
fn bridged(pbx: &live::Ami, from: usize, peer: &str) -> Result<Arc<Packet>, Trouble> {
    pbx.await_packet(&format!("{peer} in a bridge"), from, SOON, |packet| {
        packet.is("BridgeEnter") && packet.field("Channel").starts_with(peer)
    })
}
