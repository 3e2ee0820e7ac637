//! `ringpost calls`: the calls of the journal, oldest first, also while the daemon runs; with `--dead` those that a CRM
//! refused for ever, each with its identity for `ringpost retry` and the CRM's reason.
//!
//! Reads the journal's file and writes nothing; of the ring at most one window of entries is in memory. What the CRMs
//! confirmed in the last half minute is not in the file yet: a daemon that runs is asked for it, so that no call is
//! shown as waiting that was delivered. Without a daemon, or without the right to ask it, the file alone is shown.

use super::listing::{deliveries, json_line, oldest_first, refused};
use super::{Exit, complain, configured, print, unread};
use crate::boot::BootId;
use crate::call::json::Delivery;
use crate::call::record::{CallRecord, Direction, Disposition, Withheld};
use crate::clock::{self, Stamp, Wall};
use crate::config::Config;
use crate::daemon::{name_of, tag_of};
use crate::journal::storage::{FileStorage, SlowSync, Storage};
use crate::journal::thread::FILE_NAME;
use crate::journal::{Crm, CrmTag, HistoryItem, Ring, Seq, Settings};
use crate::status::{self, Unwritten};
use core::ops::ControlFlow;
use std::path::Path;

/// Prints the journal's calls, or those that were refused.
pub(super) fn calls(file: &Path, dead: bool, as_json: bool) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match list(&config, dead, as_json) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

fn list(config: &Config, dead: bool, as_json: bool) -> Result<Exit, String> {
    let told = status::ask(&status::socket_path(&config.run.state_dir)).ok();
    let unwritten = told.and_then(|told| told.excerpt()).map(|excerpt| excerpt.journal.unwritten).unwrap_or_default();
    let path = config.journal.path.join(FILE_NAME);
    let storage =
        FileStorage::open_read_only(&path).map_err(|error| format!("{}: {}", path.display(), unread(&error)))?;
    let settings = settings(config);
    let crms = settings.crms.clone();
    let (mut ring, _) = Ring::open(SlowSync::plain(storage), settings);
    catch_up(&mut ring, &crms, &unwritten);
    let names: Vec<String> = (0..config.crm.len()).map(|place| name_of(&config.crm, place)).collect();
    let now = clock::now();
    let show = |item: &HistoryItem| {
        let text = match (as_json, dead) {
            (true, _) => json_line(item, &names, now),
            (false, false) => line(item, &names, now) + "\n",
            (false, true) => dead_line(item, &names, now) + "\n",
        };
        match print(&text) {
            Exit::Well => ControlFlow::Continue(()),
            exit => ControlFlow::Break(exit),
        }
    };
    Ok(if dead { refused(&ring, show) } else { oldest_first(&ring, show) })
}

/// As the daemon opens the journal.
pub(super) fn settings(config: &Config) -> Settings {
    Settings {
        boot: BootId::current(),
        crms: config.crm.iter().map(tag_of).collect(),
        when_full: config.journal.when_full,
    }
}

/// Brings the states up to what the daemon knows. A mark that has been written meanwhile does no harm.
fn catch_up<S: Storage>(ring: &mut Ring<S>, crms: &[CrmTag], unwritten: &[Unwritten]) {
    for one in unwritten {
        let place = crms.iter().position(|tag| tag.bits() == one.crm).and_then(|place| u8::try_from(place).ok());
        if let Some(place) = place {
            ring.mark(Seq(one.seq), Crm(place), one.mark(), clock::now());
        }
    }
}

fn line(item: &HistoryItem, names: &[String], now: Stamp) -> String {
    format!("{}  {}", told(&item.call, now), outcome(item.call.withheld, &deliveries(item, names)))
}

/// A refused call: first its identity, at the end which CRM refused it and why.
fn dead_line(item: &HistoryItem, names: &[String], now: Stamp) -> String {
    let deliveries = deliveries(item, names);
    let refusals = deliveries.iter().filter(|delivery| delivery.state == "refused");
    let refusals: Vec<String> = refusals
        .map(|Delivery { crm, reason, .. }| match reason {
            Some(reason) => format!("{crm} refused: {reason}"),
            None => format!("{crm} refused"),
        })
        .collect();
    format!("{}  {}  {}", item.call.id, told(&item.call, now), refusals.join("; "))
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
        let unwritten = unwritten(&daemon, &crms);
        // The configuration was put in another order.
        let reader = || ring(daemon.storage().clone(), &[crms[1], crms[0]]);
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

    fn unwritten(daemon: &Ring<SimulatedMedium>, crms: &[CrmTag]) -> Vec<Unwritten> {
        let marks = daemon.stats().unwritten;
        marks.iter().map(|(seq, crm, mark)| Unwritten::of(*seq, crms[usize::from(crm.0)], mark)).collect()
    }

    #[test]
    fn a_call_refused_a_moment_ago_is_listed_with_its_reason_until_it_is_to_be_tried_again() {
        let crms = [CrmTag::of("bitrix24:one.example")];
        let mut daemon = ring(SimulatedMedium::new(64 * 1024), &crms);
        let addressee = Addressee { crm: Crm(0), ticket: Ticket::default(), recordings: false };
        let call = std::sync::Arc::new(missed("office-1.1"));
        let entry = Entry { call, addressees: [addressee].into_iter().collect() };
        let seq = daemon.append(&entry, clock::now()).unwrap().seq;
        daemon.sync().unwrap();
        let listed = |daemon: &Ring<SimulatedMedium>| -> Vec<String> {
            let mut reader = ring(daemon.storage().clone(), &crms);
            let over_the_socket = serde_json::to_string(&unwritten(daemon, &crms)).unwrap();
            catch_up(&mut reader, &crms, &serde_json::from_str::<Vec<Unwritten>>(&over_the_socket).unwrap());
            let mut lines = Vec::new();
            refused(&reader, |item| {
                lines.push(dead_line(item, &["bitrix24".into()], clock::now()));
                ControlFlow::Continue(())
            });
            lines
        };
        assert_eq!(listed(&daemon), [""; 0]);
        daemon.mark(seq, Crm(0), Mark::Refused { reason: bounded(b"no such type") }, clock::now());
        let lines = listed(&daemon);
        assert!(lines.len() == 1 && lines[0].starts_with("office-1.1  "), "{lines:?}");
        assert!(lines[0].ends_with("  missed  bitrix24 refused: no such type"), "{lines:?}");
        daemon.flush(clock::now()).unwrap();
        assert_eq!(listed(&daemon), lines);
        assert_eq!(crate::journal::retry(&mut daemon, None, clock::now()), 1);
        assert_eq!(listed(&daemon), [""; 0]);
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
