//! Calls, moments and settings for the tests of the journal.

use ringpost::boot::BootId;
use ringpost::call::record::{CallRecord, DialStatus, Direction, Disposition, Gaps, Rang, Talk, Transfer, Withheld};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::config::WhenFull;
use ringpost::crm::Ticket;
use ringpost::journal::{Addressee, Crm, CrmTag, Entry, Settings};
use ringpost::text::bounded;

/// 2026-11-21T20:41:43Z.
pub const NOON_MS: i64 = 1_795_293_703_000;

/// A moment `secs` after the machine was started, with its clock set.
pub fn at(secs: u64) -> Stamp {
    let mono = secs * 1000;
    Stamp { mono: Monotonic::from_millis(mono), wall: Wall::from_millis(NOON_MS + mono as i64) }
}

#[allow(dead_code)] // not every target that shares this file needs every helper
/// A moment `secs` after the machine was started, with its clock in 1970.
pub fn unset(secs: u64) -> Stamp {
    Stamp { mono: Monotonic::from_millis(secs * 1000), wall: Wall::from_millis(secs as i64 * 1000) }
}

/// A boot.
pub fn boot(number: u64) -> BootId {
    BootId::from_bits(number)
}

/// Settings with so many CRMs.
pub fn settings(crms: usize) -> Settings {
    let tags = (0..crms).map(|i| CrmTag::of(&format!("bitrix24:portal{i}.example"))).collect();
    Settings { boot: boot(1), crms: tags, when_full: WhenFull::DropOldest }
}

/// The usual inbound call of an office: a ring group of three, answered, recorded.
pub fn usual_call(number: u64) -> CallRecord {
    let text = |t: &str| bounded(t.as_bytes());
    let linked_id = format!("{}.{}", 1_795_293_703 + number, number * 3);
    CallRecord {
        id: bounded(format!("office-{linked_id}").as_bytes()),
        direction: Direction::Inbound,
        client: bounded(format!("+7916{:07}", number % 10_000_000).as_bytes()),
        line: bounded(b"+74951234567"),
        trunk: bounded(b"trunk-rt"),
        caller: bounded(b""),
        rang: ["101", "102", "104"].iter().map(|e| Rang { extension: text(e), ring_ms: 7_340 }).collect(),
        answered_by: Some(text("104")),
        talked_last: Some(text("104")),
        talks: [Talk { extension: text("104"), talk_ms: 123_456 }].into_iter().collect(),
        talk_ms: 123_456,
        disposition: Disposition::Answered,
        dial_status: DialStatus::Answer,
        cause: 16,
        queue: bounded(b"600"),
        transfers: [].into_iter().collect(),
        recordings: [bounded(
            format!("/var/spool/asterisk/monitor/2026/11/21/rg-600-+79161234567-20261121-204143-{linked_id}.wav")
                .as_bytes(),
        )]
        .into_iter()
        .collect(),
        voicemail: bounded(b""),
        started: at(86_400 + number * 60),
        ended: at(86_400 + number * 60 + 131),
        gaps: Gaps::default(),
        withheld: None,
    }
}

/// A call with every text and list as long as it can be.
pub fn largest_call() -> CallRecord {
    fn full<const N: usize>() -> ringpost::text::Text<N> {
        bounded(&[b'x'; 200])
    }
    let stamp = Stamp { mono: Monotonic::from_millis(u64::MAX), wall: Wall::from_millis(i64::MAX) };
    CallRecord {
        id: full(),
        direction: Direction::Internal,
        client: full(),
        line: full(),
        trunk: full(),
        caller: full(),
        rang: core::iter::repeat_with(|| Rang { extension: full(), ring_ms: u32::MAX }).take(16).collect(),
        answered_by: Some(full()),
        talked_last: Some(full()),
        talks: core::iter::repeat_with(|| Talk { extension: full(), talk_ms: u32::MAX }).take(8).collect(),
        talk_ms: u32::MAX,
        disposition: Disposition::Voicemail,
        dial_status: DialStatus::InvalidArgs,
        cause: u16::MAX,
        queue: full(),
        transfers: core::iter::repeat_with(|| Transfer { from: full(), to: full(), attended: true }).take(6).collect(),
        recordings: core::iter::repeat_with(full).take(3).collect(),
        voicemail: full(),
        started: stamp,
        ended: at(1),
        gaps: Gaps { joined_late: true, link_lost: true, pbx_restarted: true, overflow: true, agent_restarted: true },
        withheld: Some(Withheld::Line),
    }
}

/// Call `number` with short or long texts.
pub fn call_of_size(number: u64, size: u8) -> CallRecord {
    let mut call = usual_call(number);
    match size % 8 {
        0 => (call.recordings, call.rang, call.talks) = Default::default(),
        6 => call.transfers = largest_call().transfers,
        7 => call = CallRecord { id: call.id, started: call.started, ended: call.ended, ..largest_call() },
        _ => {}
    }
    call
}

/// The number that a call was made with: no two start at one moment.
pub fn number_of(call: &CallRecord) -> u64 {
    (call.started.mono.as_millis() / 1000 - 86_400) / 60
}

/// An entry that so many CRMs want.
pub fn entry(call: CallRecord, crms: u8) -> Entry {
    let wants = |crm| Addressee {
        crm: Crm(crm),
        ticket: Ticket { call: bounded(b""), user: Some(17), in_doubt: false, refusals: 0 },
        recordings: true,
    };
    Entry { call: std::sync::Arc::new(call), addressees: (0..crms).map(wants).collect() }
}
