//! `ringpost calls`: the calls of the journal, oldest first, also while the daemon runs.
//!
//! Reads the journal's file and writes nothing; of the ring at most one window of entries is in memory. What the CRMs
//! confirmed in the last half minute is not in the file yet: a daemon that runs is asked for it, so that no call is
//! shown as waiting that was delivered. Without a daemon, or without the right to ask it, the file alone is shown.

use super::{Exit, complain, configured, print};
use crate::boot::BootId;
use crate::call::json::{self, Delivery};
use crate::call::record::{CallRecord, Direction, Disposition, Withheld};
use crate::clock::{self, Stamp, Wall};
use crate::config::{self, Config};
use crate::crm::bitrix24;
use crate::daemon::{name_of, tag_of};
use crate::journal::storage::{FileStorage, Storage};
use crate::journal::thread::FILE_NAME;
use crate::journal::{Crm, CrmTag, HistoryItem, Ring, Seq, Settings};
use crate::limits::JOURNAL_WINDOW;
use crate::log::masked;
use crate::status::{self, Unwritten};
use std::path::Path;

/// Prints the journal's calls.
pub(super) fn calls(file: &Path, as_json: bool) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match list(&config, as_json) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

fn list(config: &Config, as_json: bool) -> Result<Exit, String> {
    let unwritten = status::ask(&status::socket_path(&config.run.state_dir));
    let unwritten = unwritten.map(|report| report.journal.unwritten).unwrap_or_default();
    let path = config.journal.path.join(FILE_NAME);
    let storage = FileStorage::open_read_only(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let settings = Settings {
        boot: BootId::current(),
        crms: config.crm.iter().map(tag_of).collect(),
        when_full: config.journal.when_full,
    };
    let crms = settings.crms.clone();
    let (mut ring, _) = Ring::open(storage, settings);
    catch_up(&mut ring, &crms, &unwritten);
    // The ring gives its newest first; people read the oldest first.
    let mut starts = vec![Seq(u64::MAX)];
    while let Some(oldest) = window(&ring, &starts).last().map(|item| item.seq) {
        starts.push(oldest);
    }
    starts.pop();
    while !starts.is_empty() {
        let items = window(&ring, &starts);
        starts.pop();
        for item in items.iter().rev() {
            let exit = print(&line(item, &config.crm, as_json));
            if exit != Exit::Well {
                return Ok(exit);
            }
        }
    }
    Ok(Exit::Well)
}

/// Brings the states up to what the daemon knows. A mark that has been written meanwhile does no harm.
fn catch_up<S: Storage>(ring: &mut Ring<S>, crms: &[CrmTag], unwritten: &[Unwritten]) {
    for Unwritten { seq, crm, mark } in unwritten {
        let place = crms.iter().position(|tag| tag.bits() == *crm).and_then(|place| u8::try_from(place).ok());
        if let Some(place) = place {
            ring.mark(Seq(*seq), Crm(place), (*mark).into(), clock::now());
        }
    }
}

fn window(ring: &Ring<FileStorage>, starts: &[Seq]) -> Vec<HistoryItem> {
    starts.last().map(|before| ring.history(*before, JOURNAL_WINDOW)).unwrap_or_default()
}

fn line(item: &HistoryItem, crms: &[config::Crm], as_json: bool) -> String {
    let now = clock::now();
    let call = &item.call;
    let deliveries = deliveries(item, crms);
    if as_json {
        let status = crms.first().filter(|_| bitrix24::wants(call)).map(|_| bitrix24::status_code(call));
        return json::line(call, status, Some(&deliveries), now) + "\n";
    }
    format!("{}  {}\n", told(call, now), outcome(call.withheld, &deliveries))
}

/// A call for people, in one line.
pub(super) fn told(call: &CallRecord, now: Stamp) -> String {
    let date = call.started.date(now).map_or_else(|| String::from("date unknown yet"), Wall::to_iso8601);
    let arrow = match call.direction {
        Direction::Inbound => "from",
        Direction::Outbound => "to",
        Direction::Internal => "inside to",
    };
    let client = if call.client.is_empty() { "hidden number" } else { call.client.as_str() };
    let how = match call.disposition {
        Disposition::Answered => {
            let who =
                call.talked_last.as_ref().or(call.answered_by.as_ref()).map_or("?", |extension| extension.as_str());
            format!("{who} talked {} s", call.talk_ms.saturating_add(500) / 1000)
        }
        other => format!("{other:?}").to_lowercase(),
    };
    let exact = if call.gaps.is_exact() { "" } else { " (not all of it was seen)" };
    format!("{date}  {arrow} {client}  line {}  {how}{exact}", call.line)
}

fn deliveries(item: &HistoryItem, crms: &[config::Crm]) -> Vec<Delivery> {
    let recordings = u8::try_from(item.call.recordings.len()).unwrap_or(u8::MAX);
    let told = item.deliveries.iter().map(|(crm, state, _, reason)| Delivery {
        crm: name_of(crms, usize::from(crm.0)),
        state: match state {
            state if state.is_refused() => "refused",
            state if !state.is_delivered() => "waiting",
            state if state.is_open(recordings) => "recording-waits",
            _ => "delivered",
        },
        reason: (!reason.is_empty()).then(|| masked(reason)),
    });
    told.collect()
}

/// What became of a call, for people: the worst first, with its reason.
fn outcome(withheld: Option<Withheld>, deliveries: &[Delivery]) -> String {
    if let Some(why) = withheld {
        return format!("not posted: {}", why.words());
    }
    let rank = |delivery: &&Delivery| match delivery.state {
        "refused" => 0,
        "waiting" => 1,
        "recording-waits" => 2,
        _ => 3,
    };
    let Some(Delivery { state, reason, .. }) = deliveries.iter().min_by_key(rank) else {
        return String::from("not posted");
    };
    let state = if *state == "recording-waits" { "delivered, recording waits" } else { state };
    reason.as_ref().map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::BootId;
    use crate::call::record::Gaps;
    use crate::config::WhenFull;
    use crate::crm::Ticket;
    use crate::journal::simulated::SimulatedMedium;
    use crate::journal::{Addressee, Entry, Mark};
    use crate::text::bounded;

    fn ring(medium: SimulatedMedium, crms: &[CrmTag]) -> Ring<SimulatedMedium> {
        let crms = crms.iter().copied().collect();
        Ring::open(medium, Settings { boot: BootId::from_bits(1), crms, when_full: WhenFull::DropOldest }).0
    }

    fn missed(id: &str) -> CallRecord {
        CallRecord {
            id: bounded(id.as_bytes()),
            direction: Direction::Inbound,
            client: bounded(b"79161234567"),
            line: bounded(b"74951110001"),
            trunk: Default::default(),
            caller: Default::default(),
            rang: Default::default(),
            answered_by: None,
            talked_last: None,
            talks: Default::default(),
            talk_ms: 0,
            disposition: Disposition::Missed,
            dial_status: Default::default(),
            cause: 0,
            queue: Default::default(),
            transfers: Default::default(),
            recordings: Default::default(),
            voicemail: Default::default(),
            started: clock::now(),
            ended: clock::now(),
            gaps: Gaps::default(),
            withheld: None,
        }
    }

    #[test]
    fn a_call_delivered_a_moment_ago_is_not_shown_as_waiting() {
        let crms = [CrmTag::of("bitrix24:one.example"), CrmTag::of("bitrix24:two.example")];
        let wants = |place| Addressee { crm: Crm(place), ticket: Ticket::default(), recordings: false };
        let mut daemon = ring(SimulatedMedium::new(64 * 1024), &crms);
        let mut seqs = Vec::new();
        for id in ["office-1.1", "office-1.2"] {
            let call = missed(id);
            let entry =
                Entry { call: std::sync::Arc::new(call), addressees: [wants(0), wants(1)].into_iter().collect() };
            seqs.push(daemon.append(&entry, clock::now()).unwrap().seq);
        }
        daemon.sync().unwrap();
        for (seq, place) in [(seqs[0], 0), (seqs[0], 1), (seqs[1], 0)] {
            daemon.mark(seq, Crm(place), Mark::Delivered { ticket: None }, clock::now());
        }
        let unwritten: Vec<Unwritten> = daemon
            .stats()
            .unwritten
            .into_iter()
            .map(|(seq, crm, mark)| Unwritten { seq: seq.0, crm: crms[usize::from(crm.0)].bits(), mark })
            .collect();
        let reader = || ring(daemon.storage().clone(), &[crms[1], crms[0]]); // the configuration was put in another order
        let shown = |ring: &Ring<SimulatedMedium>| -> Vec<String> {
            ring.history(Seq(u64::MAX), 8).iter().rev().map(|item| outcome(None, &deliveries(item, &[]))).collect()
        };
        assert_eq!(shown(&reader()), ["waiting", "waiting"], "the file alone");
        let mut ring = reader();
        catch_up(&mut ring, &[crms[1], crms[0]], &unwritten);
        assert_eq!(shown(&ring), ["delivered", "waiting"]);
        daemon.flush(clock::now()).unwrap();
        assert!(daemon.stats().unwritten.is_empty());
    }

    #[test]
    fn the_worst_is_told_with_its_reason() {
        let of = |state, reason: Option<&str>| Delivery {
            crm: String::from("bitrix24"),
            state,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(outcome(None, &[]), "not posted");
        assert_eq!(outcome(Some(Withheld::Own), &[]), "not posted: a number of the office's own");
        assert_eq!(outcome(None, &[of("delivered", None), of("waiting", None)]), "waiting");
        assert_eq!(outcome(None, &[of("recording-waits", None)]), "delivered, recording waits");
        assert_eq!(
            outcome(None, &[of("delivered", None), of("refused", Some("no such type"))]),
            "refused: no such type"
        );
        assert_eq!(outcome(None, &[of("delivered", Some("the file is gone"))]), "delivered: the file is gone");
    }
}
