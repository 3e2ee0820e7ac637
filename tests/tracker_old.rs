//! Calls as Asterisk 1.4 to 1.8 tell them: the streams of Asterisk 11 in the words of their AMI.
//!
//! No trace of these versions is in the corpus. What they say less, or otherwise, is known from their sources, and here
//! the events of 11 (which has no LinkedIds either) are put into their words. That proves spellings and threading; it
//! cannot show an order of events that only an old server has.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;
#[path = "corpus/words.rs"]
mod words;

use oracle::{check, packets, play_packets, rows, scenarios};
use ringpost::ami::filters::Generation;
use words::{Headers, headers, only, respell, value, without, written};

/// An old server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// AMI 1.0: no Exten and Context in Newchannel, no VarSet, no end of Dial, no Masquerade, Pickup and Transfer,
    /// queues that name no member's channel.
    V1_4,
    /// AMI 1.1, early: no connected line, no FullyBooted.
    V1_6,
    /// AMI 1.1, and 1.2 of Asterisk 10: `Unlink` instead of a `Bridge` with a state, no LocalBridge, no requests of
    /// hanging up.
    V1_8,
}

/// Scenarios that cannot be told right from these servers' words, and why. One that passes must leave the list.
const KNOWN_FAILURES: &[(Age, &str, &str)] = &[
    (Age::V1_4, "conference", "no event names the extension that was dialled"),
    (Age::V1_4, "forward-external", "no event names the mobile that was dialled"),
    (Age::V1_4, "inbound-cancel", "neither the end of Dial nor DIALSTATUS: told as missed"),
    (Age::V1_4, "outbound-cancel", "neither the end of Dial nor DIALSTATUS: told as missed"),
    (Age::V1_4, "redirect-gone", "neither the end of Dial nor DIALSTATUS: told as missed"),
];

/// What AMI 1.0 has no word for, as the start of what is wrong with the record.
const UNTOLD_BY_1_4: &[&str] = &[
    "line is \"trunk\"",
    "recordings is \"\"",
    "voicemail is \"\"",
    "disposition is \"Missed\", should be \"Voicemail\"",
];

/// This packet in the words of an old server; none: it has no such event.
fn aged(packet: &[u8], age: Age) -> Option<Vec<u8>> {
    let mut headers = headers(packet);
    if headers.first().is_none_or(|(name, _)| name != "Event") {
        return Some(packet.to_vec());
    }
    let event = headers[0].1.clone();
    let unlink = event == "Bridge" && value(&headers, "Bridgestate") == "Unlink";
    match event.as_str() {
        "LocalBridge" | "HangupRequest" | "SoftHangupRequest" | "NewAccountCode" => return None,
        "FullyBooted" if age < Age::V1_8 => return None,
        "Hangup" => without(&mut headers, &["AccountCode"]),
        "AgentConnect" => respell(&mut headers, &[("HoldTime", "Holdtime"), ("RingTime", "Ringtime")]),
        "Bridge" if unlink => {
            headers[0].1 = "Unlink".to_owned();
            without(&mut headers, &["Bridgestate", "Bridgetype"]);
        }
        _ => {}
    }
    if age < Age::V1_8 {
        without(&mut headers, &["ConnectedLineNum", "ConnectedLineName"]);
    }
    if age == Age::V1_4 {
        headers = in_1_4(&event, headers)?;
    }
    Some(written(&headers))
}

fn in_1_4(event: &str, mut headers: Headers) -> Option<Headers> {
    Some(match event {
        "VarSet" | "Masquerade" | "Pickup" | "Transfer" => return None,
        "Dial" if value(&headers, "SubEvent") == "End" => return None,
        "Dial" => only(
            &headers,
            "Source=Channel Destination CallerID=CallerIDNum CallerIDName SrcUniqueID=UniqueID DestUniqueID",
        ),
        "Bridge" => {
            if headers[0].1 == "Bridge" {
                headers[0].1 = "Link".to_owned();
            }
            only(&headers, "Channel1 Channel2 Uniqueid1 Uniqueid2 CallerID1 CallerID2")
        }
        "Newchannel" => only(&headers, "Channel State=ChannelStateDesc CallerIDNum CallerIDName Uniqueid"),
        "Newstate" => only(&headers, "Channel State=ChannelStateDesc CallerID=CallerIDNum CallerIDName Uniqueid"),
        "NewCallerid" => {
            headers[0].1 = "Newcallerid".to_owned();
            only(&headers, "Channel CallerID=CallerIDNum CallerIDName Uniqueid CID-CallingPres")
        }
        "Hangup" => only(&headers, "Channel Uniqueid Cause Cause-txt"),
        "Rename" => only(&headers, "Oldname=Channel Newname Uniqueid"),
        "Join" => only(&headers, "Channel CallerID=CallerIDNum CallerIDName Queue Position Count"),
        "Leave" => only(&headers, "Channel Queue Count"),
        "AgentCalled" => {
            only(&headers, "AgentCalled ChannelCalling CallerID=CallerIDNum CallerIDName Context Extension")
        }
        "AgentConnect" => only(&headers, "Queue Uniqueid Channel Member MemberName Holdtime"),
        "ParkedCall" | "UnParkedCall" | "ParkedCallTimeOut" => {
            without(&mut headers, &["Uniqueid", "UniqueID"]);
            headers
        }
        _ => headers,
    })
}

fn wrong(age: Age, name: &str, rows: &[&oracle::Row<'_>]) -> Vec<String> {
    let whole = packets("11.25.3", name);
    let aged: Vec<(u64, Vec<u8>)> =
        whole.iter().filter_map(|(at, packet)| aged(packet, age).map(|packet| (*at, packet))).collect();
    let mut wrong = check(rows, &play_packets(&aged));
    if age == Age::V1_4 {
        wrong.retain(|wrong| !UNTOLD_BY_1_4.iter().any(|start| wrong.starts_with(start)));
    }
    wrong
}

#[test]
fn every_row_of_11_in_the_words_of_older_servers() {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut faults = Vec::new();
    for age in [Age::V1_8, Age::V1_6, Age::V1_4] {
        for scenario in scenarios(&rows).iter().filter(|rows| rows[0].version == "11.25.3") {
            let name = scenario[0].scenario;
            let wrong = wrong(age, name, scenario);
            match KNOWN_FAILURES.iter().find(|known| (known.0, known.1) == (age, name)) {
                Some(_) if wrong.is_empty() => faults.push(format!("{age:?} {name}: passes now, take it off the list")),
                Some(_) => {}
                None => faults.extend(wrong.into_iter().map(|wrong| format!("{age:?} {name}: {wrong}"))),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Asterisk 10 is the oldest that takes filters.
#[test]
fn every_row_of_11_in_the_words_of_10_through_its_filters() {
    let table = corpus::expected();
    let rows = rows(&table);
    let generation = Generation::of("10.12.4", "1.2", "Asterisk Call Manager/1.2");
    for scenario in scenarios(&rows).iter().filter(|rows| rows[0].version == "11.25.3") {
        let passes = |packet: &[u8]| {
            let text = String::from_utf8_lossy(packet);
            !text.starts_with("Event: ") || corpus::passes(generation, &text)
        };
        let aged = packets("11.25.3", scenario[0].scenario)
            .into_iter()
            .filter_map(|(at, packet)| aged(&packet, Age::V1_8).map(|packet| (at, packet)));
        let left: Vec<(u64, Vec<u8>)> = aged.filter(|(_, packet)| passes(packet)).collect();
        let wrong = check(scenario, &play_packets(&left));
        assert!(wrong.is_empty(), "{}: {}", scenario[0].scenario, wrong.join("\n"));
    }
}

#[test]
fn the_page_names_what_1_4_cannot_tell() {
    let page = corpus::doc("docs/calls.md");
    for (age, scenario, reason) in KNOWN_FAILURES {
        assert_eq!(*age, Age::V1_4, "the page has a table for 1.4 only");
        let row = format!("| {scenario} | {reason} |\n");
        assert!(page.contains(&row), "docs/calls.md should hold: {row}");
    }
}
