//! The same calls from all that a PBX sends, from the classes that ringpost asks for, and from what passes its filters.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;

use oracle::{check, packets, play_packets, rows, scenarios};
use ringpost::ami::action::EVENT_CLASSES;
use std::fmt::Write as _;

type Packets = Vec<(u64, Vec<u8>)>;

/// The class that an event is sent under; none: it is an answer or an item of a list, which nothing holds back.
fn class(text: &str) -> Option<&str> {
    let is_answer = !text.starts_with("Event: ") || text.contains("ActionID: ") && !text.contains("OriginateResponse");
    let privilege = text.lines().find_map(|line| line.strip_prefix("Privilege: "));
    privilege.filter(|_| !is_answer).and_then(|privilege| privilege.split(',').next())
}

/// What is sent to a session with the event mask that ringpost asks for.
fn masked(whole: &Packets) -> Packets {
    let is_asked_for =
        |text: &str| class(text).is_none_or(|class| EVENT_CLASSES.split(',').any(|asked| asked == class));
    whole.iter().filter(|(_, packet)| is_asked_for(&String::from_utf8_lossy(packet))).cloned().collect()
}

/// What of it passes the filters.
fn filtered(whole: &Packets) -> Packets {
    let passes = |text: &str| class(text).is_none() || corpus::passes(text);
    masked(whole).into_iter().filter(|(_, packet)| passes(&String::from_utf8_lossy(packet))).collect()
}

fn bytes(packets: &Packets) -> usize {
    packets.iter().map(|(_, packet)| packet.len()).sum()
}

#[test]
fn every_row_from_the_whole_the_masked_and_the_filtered_stream() {
    let table = corpus::expected();
    let rows = rows(&table);
    for scenario in scenarios(&rows) {
        let (version, name) = (scenario[0].version, scenario[0].scenario);
        let whole = packets(version, name);
        let told = play_packets(&whole);
        let wrong = check(&scenario, &told);
        assert!(wrong.is_empty(), "{version}/{name}: {}", wrong.join("\n"));
        for (how, narrower) in [("masked", masked(&whole)), ("filtered", filtered(&whole))] {
            assert!(how == "masked" || narrower.len() < whole.len(), "{version}/{name}: nothing is {how}");
            assert_eq!(play_packets(&narrower), told, "{version}/{name} {how}");
        }
    }
}

#[test]
fn every_scene_from_the_masked_and_the_filtered_stream() {
    for (folder, name) in corpus::scenes() {
        let whole = packets(&folder, &name);
        let told = play_packets(&whole);
        assert_eq!(play_packets(&masked(&whole)), told, "{folder}/{name} masked");
        assert_eq!(play_packets(&filtered(&whole)), told, "{folder}/{name} filtered");
    }
}

/// Bytes of AMI for a call of the oracle, and the share that mask and filters leave of them, as `docs/calls.md` has it.
#[test]
fn the_cost_of_a_call_on_the_wire_is_as_written() {
    let table = corpus::expected();
    let rows = rows(&table);
    let mut told = String::from(
        "| Asterisk | all that is sent | classes asked for | through the filters |\n| --- | --- | --- | --- |\n",
    );
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let streams: Vec<Packets> = scenarios(&rows)
            .iter()
            .filter(|rows| rows[0].version == version)
            .map(|rows| packets(version, rows[0].scenario))
            .collect();
        let calls = rows.iter().filter(|row| row.version == version).count();
        let of = |narrow: fn(&Packets) -> Packets| streams.iter().map(|one| bytes(&narrow(one))).sum::<usize>();
        let (all, masked, filtered) = (of(Packets::clone), of(masked), of(filtered));
        let kib = |bytes: usize| bytes as f64 / calls as f64 / 1024.0;
        let share = |bytes: usize| 100 * bytes / all;
        writeln!(
            told,
            "| {version} | {:.1} KiB | {:.1} KiB ({} %) | {:.1} KiB ({} %) |",
            kib(all),
            kib(masked),
            share(masked),
            kib(filtered),
            share(filtered)
        )
        .expect("written");
    }
    assert!(corpus::doc("docs/calls.md").contains(&told), "docs/calls.md should hold:\n{told}");
}
