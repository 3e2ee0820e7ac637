//! What the loss of one event may cost: the table of `docs/calls.md`, held by `tracker_metamorphic`.
#![allow(dead_code)] // each test crate uses its part

use ringpost::call::record::{CallRecord, Direction};

/// Event, and what may be told differently without it.
pub const DEGRADES: &[(&str, &str)] = &[
    ("AgentCalled", "rang"),
    ("AttendedTransfer", "transfers"),
    ("BlindTransfer", "transfers"),
    ("Bridge Link", "talk"),
    ("Bridge Unlink", "talk"),
    ("BridgeEnter ConfBridge", "last talk"),
    ("BridgeLeave", "talk"),
    ("Dial Begin", "answered cause client-call-missing direction last line rang talk trunk"),
    ("DialBegin", "disposition rang"),
    ("Newchannel", "call-missing client-call-missing client-call-more"),
    ("Newstate", "caller client"),
    ("OriginateResponse", "caller client client-call-missing direction"),
    ("Transfer", "transfers"),
    ("VarSet MIXMONITOR_FILENAME", "recordings"),
    ("VarSet NODEST", "queue"),
    ("VarSet VM_MESSAGEFILE", "disposition voicemail"),
];

/// In what the records of a stream with a loss differ from those of the whole stream without saying that they are not
/// exact.
pub fn differing(whole: &[CallRecord], lossy: &[CallRecord]) -> Vec<&'static str> {
    let mut words = Vec::new();
    let of_clients = |records: &[CallRecord]| records.iter().filter(|one| one.direction != Direction::Internal).count();
    let (before, after) = (of_clients(whole), of_clients(lossy));
    if after < before {
        words.push("client-call-missing");
    }
    if after > before {
        words.push("client-call-more");
    }
    for record in whole {
        let same = |other: &&CallRecord| other.direction == record.direction && other.client == record.client;
        let of_id = lossy.iter().find(|other| other.id == record.id);
        match of_id.or_else(|| lossy.iter().find(same)) {
            Some(other) if other.gaps.is_exact() => compare(record, other, &mut words),
            Some(_) => {}
            None => words.push("call-missing"),
        }
    }
    words
}

/// The fields of two records that differ; times by more than half a second.
fn compare(whole: &CallRecord, lossy: &CallRecord, words: &mut Vec<&'static str>) {
    let secs = |one: u32, two: u32| one.abs_diff(two) > 500;
    let who = |record: &CallRecord| record.rang.iter().map(|rang| rang.extension.clone()).collect::<Vec<_>>();
    let rings = whole.rang.iter().zip(&lossy.rang).any(|(one, two)| secs(one.ring_ms, two.ring_ms));
    let talkers = |record: &CallRecord| record.talks.iter().map(|talk| talk.extension.clone()).collect::<Vec<_>>();
    let talks = talkers(whole) != talkers(lossy)
        || whole.talks.iter().zip(&lossy.talks).any(|(one, two)| secs(one.talk_ms, two.talk_ms));
    let length = |record: &CallRecord| record.ended.mono.millis_since(record.started.mono);
    let differs: [(bool, &'static str); 17] = [
        (whole.id != lossy.id, "identity"),
        (whole.direction != lossy.direction, "direction"),
        (whole.client != lossy.client, "client"),
        (whole.line != lossy.line, "line"),
        (whole.trunk != lossy.trunk, "trunk"),
        (whole.caller != lossy.caller, "caller"),
        (who(whole) != who(lossy) || rings, "rang"),
        (whole.answered_by != lossy.answered_by, "answered"),
        (whole.talked_last != lossy.talked_last, "last"),
        (secs(whole.talk_ms, lossy.talk_ms) || talks, "talk"),
        (whole.disposition != lossy.disposition, "disposition"),
        (whole.cause != lossy.cause, "cause"),
        (whole.queue != lossy.queue, "queue"),
        (whole.transfers != lossy.transfers, "transfers"),
        (whole.recordings != lossy.recordings, "recordings"),
        (whole.voicemail != lossy.voicemail, "voicemail"),
        (secs(length(whole), length(lossy)), "length"),
    ];
    words.extend(differs.iter().filter(|row| row.0).map(|row| row.1));
}
