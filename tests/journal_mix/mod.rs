//! What an office journals in its days: calls as the transcripts of a real exchange have them, told by the tracker,
//! under identities, dates, numbers and names of recordings as FreePBX, Yeastar and Grandstream give them. For
//! measuring bytes and room; the more calls, the less one scene counts.
#![allow(dead_code)] // not every target that shares this file needs all of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may panic

use ringpost::boot::BootId;
use ringpost::call::classify::Contexts;
use ringpost::call::record::{CallRecord, Disposition};
use ringpost::call::tracker::{Output, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::config::WhenFull;
use ringpost::crm::Ticket;
use ringpost::journal::{Addressee, Crm, CrmTag, Entry, Settings};
use ringpost::profile;
use ringpost::replay::{Timing, replay};
use ringpost::text::{Text, bounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-11-21T17:41:43Z, which is 20:41:43 in Moscow.
const BEGUN_MS: i64 = 1_795_282_903_000;
/// The machine has been up for nine days.
const UPTIME_MS: u64 = 777_600_123;
/// No word of ringpost's own.
const PBX: &str = "kassa-spb";
const TRUNK: &str = "gorod_7812";
/// From call to call.
const INTERVAL_MS: u64 = 97_340;
const ZONE_MS: i64 = 3 * 3_600_000;

/// How the office runs.
#[derive(Clone, Copy, Debug)]
pub struct Office {
    /// Portals that get every call.
    pub crms: u8,
    /// Calls are registered while they ring: their tickets are known when they end, and not only when a CRM has them.
    pub with_cards: bool,
}

/// Calls without end.
pub struct Mix(Vec<CallRecord>);

impl Mix {
    /// The calls of all scenes of one exchange.
    pub fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/exchange-22");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
        files.sort();
        Self(files.iter().flat_map(|file| calls_of(file)).collect())
    }

    /// How many scenes there are.
    pub fn scenes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Call `number` of the office, ended.
    pub fn call(&self, number: u64) -> CallRecord {
        dressed(self.0[number as usize % self.0.len()].clone(), number)
    }

    /// The same for the journal.
    pub fn entry(&self, number: u64, office: Office) -> Entry {
        entry_of(self.call(number), number, office)
    }

    /// The same of a call that CRMs get, in place of one that they do not.
    pub fn posted_entry(&self, number: u64, office: Office) -> Entry {
        let posted: Vec<&CallRecord> = self.0.iter().filter(|call| call.is_posted()).collect();
        let scene = posted[number as usize % posted.len()].clone();
        entry_of(dressed(scene, number), number, office)
    }
}

fn entry_of(call: CallRecord, number: u64, office: Office) -> Entry {
    let posted = if call.is_posted() { office.crms } else { 0 };
    let addressees = (0..posted).map(|crm| {
        let name = if office.with_cards { ticket(number, crm) } else { Text::new() };
        let ticket = Ticket { call: name, user: Some((number % 40 * 13 + 1) as u32), in_doubt: false, refusals: 0 };
        Addressee { crm: Crm(crm), ticket, recordings: true }
    });
    Entry { addressees: addressees.collect(), call: Arc::new(call) }
}

/// A call of a scene as call `number` of the office.
fn dressed(mut call: CallRecord, number: u64) -> CallRecord {
    let length = call.ended.mono.as_millis() - call.started.mono.as_millis();
    let jitter = number * 7_919 % 30_011;
    call.started = moment(number * INTERVAL_MS + jitter);
    call.ended = moment(number * INTERVAL_MS + jitter + length);
    let linked_id = format!("{}.{}", call.started.wall.as_millis() / 1000, number * 4 + number % 3);
    call.id = bounded(format!("{PBX}-{linked_id}").as_bytes());
    if call.trunk == "trunk" {
        call.trunk = bounded(TRUNK.as_bytes());
    }
    if call.line == "trunk" {
        call.line = bounded(TRUNK.as_bytes());
    }
    if call.client.len() > 6 {
        call.client = bounded(
            format!("7{}{:07}", [916, 903, 495, 812][number as usize % 4], number * 48_271 % 9_999_991).as_bytes(),
        );
    }
    if call.disposition == Disposition::Answered || !call.recordings.is_empty() {
        call.recordings = [recording(&call, &linked_id, number)].into_iter().collect();
    }
    call
}

/// The moment so many milliseconds after the first call.
pub fn moment(millis: u64) -> Stamp {
    Stamp { mono: Monotonic::from_millis(UPTIME_MS + millis), wall: Wall::from_millis(BEGUN_MS + millis as i64) }
}

/// When call `number` is over and told.
pub fn after_call(number: u64) -> Stamp {
    moment((number + 1) * INTERVAL_MS)
}

/// What Bitrix24 calls a call.
pub fn ticket<const N: usize>(number: u64, crm: u8) -> Text<N> {
    let digits = u128::from(number + 1 + u64::from(crm)).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    bounded(format!("externalCall.{digits:032x}.{}", BEGUN_MS / 1000 + (number * INTERVAL_MS / 1000) as i64).as_bytes())
}

/// Settings of such an office.
pub fn mix_settings(crms: u8) -> Settings {
    let tags = (0..crms).map(|i| CrmTag::of(&format!("bitrix24:portal{i}.example"))).collect();
    Settings { boot: BootId::from_bits(0xa3f1_c2d4_0011_4abc), crms: tags, when_full: WhenFull::DropOldest }
}

fn calls_of(transcript: &Path) -> Vec<CallRecord> {
    let bytes = std::fs::read(transcript).unwrap();
    let timing = Timing::parse(&std::fs::read_to_string(transcript.with_extension("timing.tsv")).unwrap_or_default());
    let config = TrackerConfig {
        pbx_name: PBX.into(),
        contexts: Contexts::default(),
        profile: profile::AUTO,
        numbers: Default::default(),
    };
    let mut calls = Vec::new();
    replay(config, &bytes, &timing, Stamp::default(), |output, _| {
        if let Output::Finished(call) = output {
            calls.push((*call).clone());
        }
    });
    calls
}

/// Its recording, three of five times as FreePBX names it, else as Yeastar and Grandstream do.
fn recording(call: &CallRecord, linked_id: &str, number: u64) -> Text<160> {
    let local = Wall::from_millis(call.started.wall.as_millis() + ZONE_MS).to_iso8601();
    let (date, time) = (&local[..10], local[11..19].replace(':', ""));
    let (slashed, packed) = (date.replace('-', "/"), date.replace('-', ""));
    let talker = call.answered_by.clone().or(call.talked_last.clone()).unwrap_or_default();
    let (from, to) =
        if call.caller.is_empty() { (&call.client[..], &talker[..]) } else { (&call.caller[..], &call.client[..]) };
    let kind = if call.caller.is_empty() { "external" } else { "out" };
    let name = match number % 5 {
        0..=2 => format!("/var/spool/asterisk/monitor/{slashed}/{kind}-{to}-+{from}-{packed}-{time}-{linked_id}.wav"),
        3 => format!("/ftp_media/harddisk1/autorecords/{packed}/{packed}{time}-{linked_id}-{from}-{to}-Inbound.wav"),
        _ => format!("/var/spool/asterisk/monitor/{}/auto-{}-{from}-{to}.wav", &date[..7], &linked_id[..10]),
    };
    bounded(name.as_bytes())
}
