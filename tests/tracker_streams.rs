//! The same calls from all that a PBX sends, from the classes that ringpost asks for, and from what passes its filters.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;
#[path = "corpus/oracle.rs"]
mod oracle;

use oracle::{check, packets, play_packets, rows, scenarios};
use ringpost::ami::filters::FIRST_FILTER;
use ringpost::ami::filters::{EVENT_CLASSES, Generation};
use ringpost::call::record::CallRecord;
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
fn filtered(whole: &Packets, version: &str) -> Packets {
    let generation = Generation::of(version.trim_start_matches("exchange-").trim_end_matches("-sip"), "", "");
    let passes = |text: &str| class(text).is_none() || corpus::passes(generation, text);
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
        for (how, narrower) in [("masked", masked(&whole)), ("filtered", filtered(&whole, version))] {
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
        assert_eq!(play_packets(&filtered(&whole, &folder)), told, "{folder}/{name} filtered");
    }
}

/// Filters without which every trace is told the same, and why they are set all the same. `*`: of both generations.
const IDLE: &[(&str, &str)] = &[
    ("* Event: NewCallerid", "the number of a caller by FXO or GSM comes after his channel"),
    (
        "* Event: Rename",
        "tells a swap whose Masquerade was lost; a channel of 12 and later that an application renames",
    ),
    ("* Event: Local", "pairs Local channels whose names were cut, and ties what an optimisation swaps"),
    ("* Event: AgentConnect", "names the queue of a call that was joined in the middle"),
    ("* Event: Pickup", "ties the two calls where the swap or the LinkedId was lost"),
    ("* Event: ParkedCall", "a parked channel lives, whatever else is silent"),
    ("* Event: UnParkedCall", "ties who fetches where the swap or the LinkedId was lost"),
    ("* Event: FullyBooted", "the PBX has started: nothing of before lives"),
    ("* Event: Shutdown", "the PBX stops: what still lives ends now"),
    ("* Variable: MONITOR_FILENAME", "the recorder of Asterisk 20 and older, where a dialplan tells its name"),
    ("* Variable: VMSTATUS", "a message that was too short to keep"),
    ("* Variable: _*DID", "the line of a trunk that sends calls to `s`"),
    ("* Variable: _*FROM_DID", "the same on FreePBX and its kin"),
    ("* Variable: _*RINGPOST_CALL", "ringpost's own calls"),
    ("* Event: Meetme", "who is in a MeetMe"),
    ("Old Event: ConfbridgeLeave", "a client who leaves a conference, of which there is no trace of 11"),
    ("Old Event: QueueCaller", "10 and 11 send one of them, for a client who leaves"),
    ("Old Variable: _*NODEST", "the ring group on FreePBX and its kin, of which there is no trace of 11"),
    ("Old Event: Unlink", "ends a talk on 10"),
    ("Old Event: Join", "names the queue that rings nobody, of which there is no trace of 11"),
    ("Old Event: Leave", "tells who still waits there when a telephone rings by itself"),
];

/// Whether one of these streams is told otherwise without this filter.
fn is_needed(filter: &str, generation: Generation, streams: &[(Packets, Vec<CallRecord>)]) -> bool {
    let fewer: Vec<&str> = generation.filters().filter(|other| *other != filter).chain([FIRST_FILTER]).collect();
    streams.iter().any(|(packets, told)| {
        let passes = |text: &str| class(text).is_none() || corpus::passes_all(&fewer, text);
        let left: Packets =
            packets.iter().filter(|(_, packet)| passes(&String::from_utf8_lossy(packet))).cloned().collect();
        left.len() < packets.len() && play_packets(&left) != *told
    })
}

/// The filters are the fewest: without any one of them some call would be told otherwise, or it stands in [`IDLE`].
#[test]
fn each_filter_lets_something_pass_that_a_call_needs() {
    let table = corpus::expected();
    let rows = rows(&table);
    let told = |version: &str, name: &str| {
        let packets = filtered(&packets(version, name), version);
        let records = play_packets(&packets);
        (packets, records)
    };
    let mut idle = Vec::new();
    for (generation, versions) in
        [(Generation::Old, ["11.25.3"].as_slice()), (Generation::New, &["16.28.0", "22.10.1"])]
    {
        let of_oracle = scenarios(&rows);
        let of_oracle = of_oracle.iter().filter(|rows| versions.contains(&rows[0].version));
        let mut streams: Vec<_> = of_oracle.map(|rows| told(rows[0].version, rows[0].scenario)).collect();
        if generation == Generation::New {
            let scenes = corpus::scenes();
            streams.extend(
                scenes.iter().filter(|scene| scene.0 == "exchange-22").map(|(folder, name)| told(folder, name)),
            );
        }
        for filter in generation.filters().filter(|filter| !filter.starts_with('!')) {
            if !is_needed(filter, generation, &streams) {
                idle.push(format!("{generation:?} {filter}"));
            }
        }
    }
    let is_known = |idle: &String| {
        let (_, filter) = idle.split_once(' ').expect("generation and filter");
        IDLE.iter().any(|(known, _)| known == idle || known.strip_prefix("* ") == Some(filter))
    };
    let new: Vec<&String> = idle.iter().filter(|idle| !is_known(idle)).collect();
    assert!(new.is_empty(), "no trace needs {new:#?}");
    let is_idle = |known: &str| {
        idle.iter().any(|idle| known == idle || idle.split_once(' ').map(|(_, f)| f) == known.strip_prefix("* "))
    };
    let needed: Vec<_> = IDLE.iter().filter(|(known, _)| !is_idle(known)).collect();
    assert!(needed.is_empty(), "needed after all: take off the list {needed:#?}");
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
        let of = |narrow: &dyn Fn(&Packets) -> Packets| streams.iter().map(|one| bytes(&narrow(one))).sum::<usize>();
        let (all, masked, filtered) = (of(&Packets::clone), of(&masked), of(&|whole| filtered(whole, version)));
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
