//! FAILED_REASON: the words that the portal shows in a call's details.
//!
//! Only what the other fields cannot say: the chain of extensions when there was more than one, transfers, and what was
//! not seen of the call, and the names of its recordings when there is more than the one that the portal keeps. Empty
//! for an ordinary call. Bounds: cut at the field's length.

use super::request::{REASON_CHARS, plain};
use crate::call::record::{CallRecord, Gaps};
use core::fmt::Write as _;

/// The words for `call`; `gone` is the user who is no longer with the company.
pub(super) fn of(call: &CallRecord, gone: Option<u32>) -> String {
    let mut parts = Vec::new();
    if call.rang.len() > 1 {
        let rang: Vec<&str> = call.rang.iter().map(|rang| rang.extension.as_str()).collect();
        parts.push(format!("rang {}", rang.join(", ")));
    }
    if call.talks.len() > 1 {
        let talks: Vec<String> =
            call.talks.iter().map(|talk| format!("{} {} s", talk.extension, talk.talk_ms / 1000)).collect();
        parts.push(format!("talked {}", talks.join(", ")));
    }
    for transfer in &call.transfers {
        let mut text = String::from("transfer");
        if !transfer.from.is_empty() {
            let _ = write!(text, " by {}", transfer.from);
        }
        let _ = write!(text, " to {}", transfer.to);
        parts.push(text);
    }
    if call.recordings.len() > 1 {
        let names: Vec<&str> = call.recordings.iter().map(|path| path.rsplit('/').next().unwrap_or_default()).collect();
        parts.push(format!("recordings {}", names.join(", ")));
    }
    if let Some(user) = gone {
        parts.push(format!("user {user} is not active"));
    }
    if let Some(gap) = gap(call.gaps) {
        parts.push(format!("times are at least: {gap}"));
    }
    plain(&parts.join("; "), REASON_CHARS)
}

fn gap(gaps: Gaps) -> Option<&'static str> {
    [
        (gaps.pbx_restarted, "the PBX restarted"),
        (gaps.agent_restarted, "ringpost was restarted"),
        (gaps.link_lost, "the link to the PBX was lost"),
        (gaps.joined_late, "the call was under way"),
        (gaps.overflow, "events were lost"),
    ]
    .into_iter()
    .find_map(|(seen, words)| seen.then_some(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::record::{Direction, Rang, Talk, Transfer};
    use crate::text::bounded;

    #[test]
    fn an_ordinary_call_needs_no_words() {
        let mut call = super::super::tests::record(Direction::Inbound);
        call.rang.clear();
        let _ = call.rang.push(Rang { extension: bounded(b"101"), ring_ms: 4000 });
        assert_eq!(of(&call, None), "");
    }

    #[test]
    fn a_second_recording_is_at_least_named() {
        let mut call = super::super::tests::record(Direction::Inbound);
        for path in ["/var/spool/asterisk/monitor/2026/11/21/q-1.wav", "out-1.wav"] {
            let _ = call.recordings.push(bounded(path.as_bytes()));
        }
        assert_eq!(of(&call, None), "recordings q-1.wav, out-1.wav");
    }

    #[test]
    fn chain_transfers_and_gaps_are_told_within_the_field() {
        let mut call = super::super::tests::record(Direction::Inbound);
        call.rang = ["101", "102"].iter().map(|e| Rang { extension: bounded(e.as_bytes()), ring_ms: 1 }).collect();
        call.talks = [("101", 12_300), ("105", 95_000)]
            .iter()
            .map(|(e, ms)| Talk { extension: bounded(e.as_bytes()), talk_ms: *ms })
            .collect();
        let _ = call.transfers.push(Transfer { from: bounded(b"101"), to: bounded(b"105"), attended: true });
        call.gaps.link_lost = true;
        assert_eq!(
            of(&call, Some(7)),
            "rang 101, 102; talked 101 12 s, 105 95 s; transfer by 101 to 105; user 7 is not active; \
             times are at least: the link to the PBX was lost"
        );
        call.rang = (0..16).map(|_| Rang { extension: bounded(&[b'9'; 24]), ring_ms: 1 }).collect();
        assert_eq!(of(&call, None).chars().count(), REASON_CHARS);
    }
}
