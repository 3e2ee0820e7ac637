//! Calls as Asterisk 13, 18 and 20 tell them: the streams of 16 and 22 in their words.
//!
//! No trace of these versions is in the corpus. They have the same events as 16 and 22; what each says more, less or
//! otherwise is known from their sources. That proves spellings; an order of events that only one of them has is not
//! shown by it.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;
#[path = "corpus/words.rs"]
mod words;

use oracle::{check, event_name, packets, play_packets, rows, scenarios};
use std::collections::HashMap;
use words::{Headers, headers, value, without, written};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// AMI 2: no DialState, raw output of commands, the Dial of a telephone whose call was picked up ends.
    V13,
    /// AMI 7: tenants, which are mostly empty.
    V18,
    /// AMI 9: tenants, and the cause that the channel's technology gave.
    V20,
}

/// Rewrites one stream.
struct Speaker {
    version: Version,
    /// The beginning of each telephone's Dial, by UniqueId.
    dialled: HashMap<String, Headers>,
    said: u32,
}

/// A command's answer before Asterisk 14: no packet at all, and here its text looks like some.
const RAW_OUTPUT: &[u8] =
    b"Response: Follows\r\nPrivilege: Command\r\nActionID: x\r\nChannel              Location\n\n\
    Event: Hangup\nUniqueid: 1.1\n\nEvent: Shutdown\nShutdown: Cleanly\n\n0 active channels\n--END COMMAND--\r\n\r\n";

impl Speaker {
    fn new(version: Version) -> Self {
        Self { version, dialled: HashMap::new(), said: 0 }
    }

    /// This packet in the words of the version, and what it says beside it.
    fn say(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        if !oracle::is_event(packet) {
            return vec![packet.to_vec()];
        }
        let mut headers = headers(packet);
        let event = event_name(packet);
        if event == "DialBegin" {
            self.dialled.insert(value(&headers, "DestUniqueid"), headers.clone());
        }
        self.said += 1;
        match self.version {
            Version::V13 => self.in_13(&event, headers),
            Version::V18 => {
                without(&mut headers, &["TechCause"]);
                with_tenants(&mut headers, "");
                vec![written(&headers)]
            }
            Version::V20 => {
                with_tenants(&mut headers, "office");
                if event == "Hangup" {
                    headers.push(("TechCause".to_owned(), "SIP 487 Request Terminated".to_owned()));
                }
                vec![written(&headers)]
            }
        }
    }

    fn in_13(&mut self, event: &str, mut headers: Headers) -> Vec<Vec<u8>> {
        if ["DialState", "MixMonitorStart", "MixMonitorStop"].contains(&event) {
            return Vec::new();
        }
        let newer =
            ["BridgeVideoSourceMode", "TechCause", "Uptime", "LastReload", "LoginTime", "LastPause", "Wrapuptime"];
        without(&mut headers, &newer);
        if event == "Newexten" {
            headers[1].1 = "call,all".to_owned();
        }
        // With timestampevents and the manager's debugging on.
        let number = self.said.to_string();
        headers.insert(2, ("Timestamp".to_owned(), format!("1795292239.{:06}", self.said)));
        headers.insert(2, ("SequenceNumber".to_owned(), number));
        let mut packets = vec![written(&headers)];
        if event == "Pickup"
            && let Some(begun) = self.dialled.get(&value(&headers, "TargetUniqueid"))
        {
            let mut ended = begun.clone();
            without(&mut ended, &["DialString"]);
            ended[0].1 = "DialEnd".to_owned();
            ended.push(("DialStatus".to_owned(), "CANCEL".to_owned()));
            packets.push(written(&ended));
        }
        if self.said.is_multiple_of(20) {
            packets.push(RAW_OUTPUT.to_vec());
        }
        packets
    }
}

/// Each block of channel fields ends with the tenant.
fn with_tenants(headers: &mut Headers, tenant: &str) {
    let mut with = Headers::new();
    for (name, value) in std::mem::take(headers) {
        let prefix = name.strip_suffix("Linkedid").map(str::to_owned);
        with.push((name, value));
        with.extend(prefix.map(|prefix| (format!("{prefix}Tenantid"), tenant.to_owned())));
    }
    *headers = with;
}

#[test]
fn every_row_of_16_and_22_in_the_words_of_13_18_and_20() {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut faults = Vec::new();
    for version in [Version::V13, Version::V18, Version::V20] {
        for scenario in scenarios(&rows).iter().filter(|rows| rows[0].version != "11.25.3") {
            let (from, name) = (scenario[0].version, scenario[0].scenario);
            let mut speaker = Speaker::new(version);
            let told: Vec<(u64, Vec<u8>)> = packets(from, name)
                .into_iter()
                .flat_map(|(at, packet)| speaker.say(&packet).into_iter().map(move |packet| (at, packet)))
                .collect();
            let wrong = check(scenario, &play_packets(&told));
            faults.extend(wrong.into_iter().map(|wrong| format!("{version:?} {from}/{name}: {wrong}")));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
