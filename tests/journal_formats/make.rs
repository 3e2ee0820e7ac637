//! How the journals of `tests/journals` were made. Kept as a description: code of a later format writes other bytes.

use crate::journal_model::{at, boot, entry, settings, unset, usual_call};
use ringpost::call::record::{CallRecord, Direction, Disposition, Transfer, Withheld};
use ringpost::clock::{Monotonic, Stamp};
use ringpost::journal::simulated::{AtCut, SimulatedMedium};
use ringpost::journal::{Crm, Mark, Ring, Seq, Settings};
use ringpost::text::bounded;

const BYTES: usize = 64 * 1024;
const TICKET: &str = "externalCall.0123456789abcdef0123456789abcdef.1795293703";

/// A journal and what its life was like.
pub struct Made {
    /// Of the files.
    pub name: &'static str,
    /// The ring's bytes.
    pub image: Vec<u8>,
}

/// One of each kind.
pub fn all() -> Vec<Made> {
    vec![
        Made { name: "states", image: states() },
        Made { name: "turned", image: turned() },
        Made { name: "torn", image: torn() },
    ]
}

fn opened(medium: SimulatedMedium, boot_number: u64) -> Ring<SimulatedMedium> {
    Ring::open(medium, Settings { boot: boot(boot_number), ..settings(2) }).0
}

fn delivered_as(ticket: &str) -> Mark {
    Mark::Delivered { ticket: Some(bounded(ticket.as_bytes())) }
}

/// Every state that a CRM can have a call in, twice over: for the first CRM and, one further, for the second; all texts
/// of a call; three boots, one of which never had a clock and one that got it late; marks with and without texts.
fn states() -> Vec<u8> {
    let mut ring = opened(SimulatedMedium::new(BYTES), 1);
    let marks: [&[Mark]; 7] = [
        &[],
        &[Mark::Delivered { ticket: None }],
        &[delivered_as(TICKET)],
        &[delivered_as(TICKET), Mark::Attached { recording: 0 }],
        &[Mark::Delivered { ticket: None }, Mark::RecordingsGivenUp { reason: bounded("нет файла на АТС".as_bytes()) }],
        &[Mark::Refused { reason: bounded(b"no such user: 17") }],
        &[Mark::Refused { reason: bounded(b"no such user: 17") }, Mark::Retry],
    ];
    for number in 0..marks.len() as u64 {
        let seq = append(&mut ring, rich_call(number), at(90_000 + number));
        for crm in 0..2 {
            for mark in marks[(number as usize + crm) % marks.len()] {
                ring.mark(seq, Crm(crm as u8), mark.clone(), at(90_001 + number));
            }
        }
    }
    ring.flush(at(90_100)).unwrap();
    ring.sync().unwrap();
    // A boot without a clock, and one that gets it after its first call.
    let mut ring = opened(ring.storage().clone(), 2);
    append(&mut ring, undated_call(100, 500), unset(700));
    let mut ring = opened(ring.storage().clone(), 3);
    append(&mut ring, undated_call(101, 60), unset(200));
    let set = Stamp { mono: Monotonic::from_millis(300_000), ..at(200_000) };
    append(&mut ring, CallRecord { started: set, ended: set, ..usual_call(102) }, set);
    // The first call of a PBX that lost its clock: one identity, two calls.
    append(&mut ring, CallRecord { id: rich_call(0).id, started: set, ended: set, ..usual_call(103) }, set);
    ring.storage().image().to_vec()
}

/// A call with every field filled, each call in its own way.
fn rich_call(number: u64) -> CallRecord {
    let mut call = usual_call(number);
    let directions = [Direction::Inbound, Direction::Outbound, Direction::Internal];
    call.direction = directions[number as usize % 3];
    if call.direction != Direction::Inbound {
        call.caller = bounded(b"104");
    }
    let dispositions = [
        Disposition::Answered,
        Disposition::Missed,
        Disposition::Busy,
        Disposition::Failed,
        Disposition::Cancelled,
        Disposition::Voicemail,
    ];
    call.disposition = dispositions[number as usize % 6];
    call.voicemail = bounded(b"/var/spool/asterisk/voicemail/default/101/INBOX/msg0003");
    call.withheld = [None, Some(Withheld::Own), Some(Withheld::Client), Some(Withheld::Line)][number as usize % 4];
    call.gaps.agent_restarted = number % 2 == 1;
    call.gaps.link_lost = number % 3 == 1;
    let transfer = |from: &str, to: &str, attended| Transfer {
        from: bounded(from.as_bytes()),
        to: bounded(to.as_bytes()),
        attended,
    };
    call.transfers = [transfer("104", "101", true), transfer("", "+79165550077", false)].into_iter().collect();
    if number == 4 {
        let _ = call.recordings.push(bounded("/mnt/записи/2026-11/auto-1795293703-101-79161234567.wav".as_bytes()));
    }
    call
}

fn undated_call(number: u64, secs: u64) -> CallRecord {
    CallRecord { started: unset(secs), ended: unset(secs + 60), ..usual_call(number) }
}

fn append(ring: &mut Ring<SimulatedMedium>, call: CallRecord, now: Stamp) -> Seq {
    let seq = ring.append(&entry(call, 2), now).unwrap().seq;
    ring.sync().unwrap();
    seq
}

/// Some rounds of the ring, in which a few calls wait, are refused, or lack their recording all the time.
fn turned() -> Vec<u8> {
    let mut ring = opened(SimulatedMedium::new(BYTES), 1);
    for number in 0..500 {
        let now = at(90_000 + number);
        let seq = append(&mut ring, usual_call(number), now);
        match number {
            3 | 200 => continue,
            4 | 201 => ring.mark(seq, Crm(0), delivered_as(TICKET), now),
            5 | 202 => ring.mark(seq, Crm(0), Mark::Refused { reason: bounded(b"no such user: 17") }, now),
            _ => {
                ring.mark(seq, Crm(0), Mark::Delivered { ticket: None }, now);
                ring.mark(seq, Crm(0), Mark::Attached { recording: 0 }, now);
            }
        }
        ring.mark(seq, Crm(1), Mark::Delivered { ticket: None }, now);
        ring.mark(seq, Crm(1), Mark::Attached { recording: 0 }, now);
    }
    ring.storage().image().to_vec()
}

/// A power cut in the middle of a write, when a page and more was not synced: with damage between good records.
fn torn() -> Vec<u8> {
    let mut ring = opened(SimulatedMedium::new(BYTES), 1);
    for number in 0..150 {
        append(&mut ring, usual_call(number), at(90_000 + number));
    }
    ring.storage_mut().fuel = Some(7_000);
    for number in 150.. {
        if ring.append(&entry(usual_call(number), 2), at(90_000 + number)).is_err() {
            break;
        }
    }
    let images = (0..).map(|seed| ring.storage().after_cut(AtCut::Shuffles(seed)));
    let mut damaged = images.filter(|medium| opened_recovery(medium.clone()) > 1);
    damaged.next().unwrap().image().to_vec()
}

fn opened_recovery(medium: SimulatedMedium) -> u32 {
    Ring::open(medium, settings(2)).1.damaged_places
}
