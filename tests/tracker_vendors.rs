//! Calls as boxes tell them whose makers have changed the manager interface: the streams of plain Asterisks in their
//! ways. Which box does what is in `docs/calls.md`.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;
#[path = "corpus/words.rs"]
mod words;

use oracle::{check, event_name, is_event, packets, play_packets, rows, scenarios};
use std::collections::HashSet;
use words::{Headers, headers, value, without, written};

type Packets = Vec<(u64, Vec<u8>)>;

/// What is told wrong of every row of this version's streams in the ways of a box.
fn faults(version: &str, change: impl Fn(Packets) -> Packets) -> Vec<String> {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut faults = Vec::new();
    for scenario in scenarios(&rows).iter().filter(|rows| rows[0].version == version) {
        let name = scenario[0].scenario;
        let wrong = check(scenario, &play_packets(&change(packets(version, name))));
        faults.extend(wrong.into_iter().map(|wrong| format!("{version}/{name}: {wrong}")));
    }
    faults
}

// ---- Grandstream UCM ------------------------------------------------------------------------------------------------

/// No class `system`, headers in another order and some twice, no line where there is no value, the caller's number not
/// in the first packet, headers and events of its own.
fn ucm(stream: Packets) -> Packets {
    let mut out = Packets::new();
    let mut numbered = HashSet::new();
    let later = numbers_told_later(&stream);
    for (at, packet) in stream {
        if !is_event(&packet) {
            out.push((at, packet));
            continue;
        }
        let mut headers = headers(&packet);
        if value(&headers, "Privilege").starts_with("system") {
            continue;
        }
        let (event, id) = (event_name(&packet), value(&headers, "Uniqueid"));
        if event == "Newchannel" && later.contains(&id) && numbered.insert(id) {
            without(&mut headers, &["CallerIDNum"]);
        }
        headers.retain(|(_, value)| !value.is_empty() && value != "<unknown>");
        headers[1..].reverse();
        if event != "VarSet" && headers.iter().any(|(name, _)| name == "CallerIDNum") {
            headers.push(("CallerIDNum".to_owned(), "000".to_owned()));
        }
        for own in ["Callid: 4711@192.168.1.1", "PageFlag: 0", "Reg_calleenum: 000", "FaxStatus: 0"] {
            let (name, value) = own.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
        out.push((at, written(&headers)));
        out.push((
            at,
            b"Event: ActiveCount\r\nPrivilege: call,all\r\nActiveCount: 1\r\nUniqueid: 1.1\r\n\r\n".to_vec(),
        ));
    }
    out
}

/// Trunk channels whose number another event tells before anybody is dialled, or as it is.
fn numbers_told_later(stream: &Packets) -> HashSet<String> {
    let mut later = HashSet::new();
    for (_, packet) in stream {
        let headers = headers(packet);
        let is_told = ["Newstate", "DialBegin", "QueueCallerJoin"].contains(&event_name(packet).as_str());
        if is_told && value(&headers, "Channel").contains("/trunk") && value(&headers, "CallerIDNum").starts_with('7') {
            later.insert(value(&headers, "Uniqueid"));
        }
    }
    later
}

#[test]
fn every_row_in_the_ways_of_a_ucm() {
    let faults = [faults("16.28.0", ucm), faults("22.10.1", ucm)].concat();
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

// ---- Yeastar MyPBX --------------------------------------------------------------------------------------------------

/// AMI 1.1 without connected lines and LocalBridge, Dial said twice, short names of Local channels, text messages that
/// are no packets.
fn mypbx(stream: Packets) -> Packets {
    let mut out = Packets::new();
    for (at, packet) in stream {
        if !is_event(&packet) {
            out.push((at, packet));
            continue;
        }
        let mut headers: Headers = headers(&packet);
        without(&mut headers, &["ConnectedLineNum", "ConnectedLineName"]);
        headers.iter_mut().for_each(|(_, value)| *value = with_short_local_names(value));
        match event_name(&packet).as_str() {
            "LocalBridge" | "HangupRequest" | "SoftHangupRequest" | "FullyBooted" => continue,
            "Dial Begin" => {
                out.push((at, written(&headers)));
                for (name, value) in &mut headers {
                    if name == "Dialstring" {
                        *value = value.split('@').next().unwrap_or_default().to_owned();
                    }
                }
            }
            _ => {}
        }
        out.push((at, written(&headers)));
        if value(&headers, "Event") == "Newstate" {
            out.push((at, SMS.to_vec()));
        }
    }
    out
}

const SMS: &[u8] =
    b"Event: ReceivedSMS\r\nGsmPort: 2\r\nSender: +79160000009\r\nContent: first line\r\nsecond\r\n\r\nHangup\r\n\
    no header here\r\n--END SMS EVENT--\r\n\r\n";

/// `Local/101@x-00000006;1` is `Local/101@x-0006;1`.
fn with_short_local_names(value: &str) -> String {
    match (value.strip_prefix("Local/"), value.find("-0000")) {
        (Some(_), Some(at)) => format!("{}-{}", &value[..at], &value[at + 5..]),
        _ => value.to_owned(),
    }
}

#[test]
fn every_row_in_the_ways_of_a_mypbx() {
    let faults = faults("11.25.3", mypbx);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
