//! Rings to open. Every byte of them is the same on every machine.

use crate::calls::{at, boot, call_of_size, entry, settings as with_crms, unset, usual_call};
use crate::watched::Watched;
use ringpost::call::record::CallRecord;
use ringpost::clock::Stamp;
use ringpost::journal::frame::{Body, Kind};
use ringpost::journal::storage::{FileStorage, Storage};
use ringpost::journal::{Crm, Mark, Ring, Seq, Settings};
use ringpost::limits::JOURNAL_PAGE_BYTES;
use ringpost::text::bounded;
use std::path::Path;

const CRMS: u8 = 2;
/// What each page of a hostile file holds again and again: the beginning of a record of 3.5 KiB whose checksum is
/// wrong.
const FALSE_RECORD: [u8; 4] = [0xb7, 1, 0x00, 0x0e];
/// Behind so many of these lies a true record, just before recovery would give the page up.
const FALSE_RECORDS: usize = 63;

/// Two CRMs, as most offices with a second one have at most.
pub fn settings(in_boot: u64) -> Settings {
    Settings { boot: boot(in_boot), ..with_crms(usize::from(CRMS)) }
}

/// Makes the file anew. `kind`:
///
/// - `usual`: undelivered calls as an office has them, a ring group with a recording;
/// - `short`: undelivered calls without people and recordings, the most entries that fit;
/// - `mixed`: every kind of record, as three boots left them: delivered, refused and waiting calls of all sizes, marks
///   with and without texts, calls made before the clock was set;
/// - `hostile`: what recovery takes longest for: every page read twice, and full of false records.
pub fn fill(file: &Path, kib: u32, kind: &str) {
    let _ = std::fs::remove_file(file); // mostly there is none
    match kind {
        "usual" => waiting(file, kib, usual_call),
        "short" => waiting(file, kib, |number| call_of_size(number, 0)),
        "mixed" => mixed(file, kib),
        "hostile" => hostile(file, kib),
        _ => panic!("KIND is usual, short, mixed or hostile"),
    }
}

fn session(file: &Path, kib: u32, in_boot: u64) -> Ring<Watched<FileStorage>> {
    let storage = FileStorage::open(file, kib).expect("the file opens");
    Ring::open(Watched::new(storage), settings(in_boot)).0
}

/// Once round, and a quarter of the way again.
fn is_turned(ring: &Ring<Watched<FileStorage>>) -> bool {
    ring.storage().gone() >= ring.storage().size() / 4 * 5
}

fn append(ring: &mut Ring<Watched<FileStorage>>, call: CallRecord, crms: u8, now: Stamp) -> Seq {
    ring.append(&entry(call, crms), now).expect("room for the call").seq
}

fn waiting(file: &Path, kib: u32, call: impl Fn(u64) -> CallRecord) {
    let mut ring = session(file, kib, 1);
    for number in 0.. {
        let call = call(number);
        let now = call.ended;
        append(&mut ring, call, 1, now);
        if is_turned(&ring) {
            return ring.sync().expect("the file is synced");
        }
    }
}

fn mixed(file: &Path, kib: u32) {
    let mut ring = session(file, kib, 1);
    let mut number = 0;
    while !is_turned(&ring) {
        let call = call_of_size(number, u8::try_from(number % 7).expect("below 7"));
        let now = call.ended;
        let seq = append(&mut ring, call, CRMS, now);
        mark(&mut ring, seq, number, now);
        number += 1;
    }
    ring.flush(at(86_400 + number * 60)).expect("room for the marks");
    drop(ring);
    let mut ring = session(file, kib, 2);
    undated(&mut ring, number);
    ring.flush(at(7200)).expect("room for the clock"); // set two hours after the start
    drop(ring);
    undated(&mut session(file, kib, 3), number + 20);
}

/// Of ten calls one stays in the way of each fate.
fn mark(ring: &mut Ring<Watched<FileStorage>>, seq: Seq, number: u64, now: Stamp) {
    let ticket = || bounded(b"externalCall.0123456789abcdef0123456789abcdef.1795293703");
    let mark = match number % 10 {
        0 => return,
        1 => Mark::Refused { reason: bounded("нет такого пользователя".as_bytes()) },
        2 => Mark::RecordingsGivenUp { reason: bounded(b"gone from the PBX") },
        3..=5 => Mark::Delivered { ticket: Some(ticket()) },
        6 => Mark::Attached { recording: 0 },
        _ => Mark::Delivered { ticket: None },
    };
    ring.mark(seq, Crm(0), mark, now);
    if !number.is_multiple_of(3) {
        ring.mark(seq, Crm(1), Mark::Delivered { ticket: None }, now);
    }
}

/// Twenty calls of a boot whose clock stands in 1970.
fn undated(ring: &mut Ring<Watched<FileStorage>>, first: u64) {
    for number in first..first + 20 {
        let (started, ended) = (unset(number % 1000 + 60), unset(number % 1000 + 90));
        append(ring, CallRecord { started, ended, ..usual_call(number) }, CRMS, ended);
    }
}

fn hostile(file: &Path, kib: u32) {
    let pages = u64::from(kib) * 1024 / JOURNAL_PAGE_BYTES as u64;
    let mut storage = FileStorage::open(file, kib).expect("the file opens");
    for number in 0..pages {
        let mut page = FALSE_RECORD.repeat(FALSE_RECORDS);
        Body::plain(Kind::Clock, vec![0; 16]).put(&mut page, number + 1);
        page.resize(JOURNAL_PAGE_BYTES, 0xff);
        storage.write_at(number * JOURNAL_PAGE_BYTES as u64, &page).expect("room for the page");
    }
}
