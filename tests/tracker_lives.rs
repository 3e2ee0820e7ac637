//! Any mixture of well-formed calls, of either generation of servers, gives exactly the records that it should.
//!
//! `RINGPOST_ROUNDS=4000` is the deep tier, ten times of each test's rounds; `RINGPOST_SEED=17` plays one seed again
//! and prints what the PBX said.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod lives;

use fastrand::Rng;
use lives::play::{Day, Desk};
use lives::switchboard::Switchboard;
use lives::{Life, Style, text};
use ringpost::ami::event::{Bridge, Channel, Event};
use ringpost::call::record::{CallRecord, Gaps};
use ringpost::limits::CHANNELS;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Days that the plainest test plays; the others take more time for each.
const ROUNDS: u64 = 400;

/// Plays days of both generations by `play`, which gives what is told wrong.
fn rounds(default: u64, play: impl Fn(&Day, &mut Rng) -> Vec<String>) {
    let word = |name: &str| std::env::var(name).ok().and_then(|word| word.parse::<u64>().ok());
    let one = word("RINGPOST_SEED");
    let count = word("RINGPOST_ROUNDS").map_or(default, |rounds| default * rounds.div_ceil(ROUNDS));
    let seeds = one.map_or(0..count, |seed| seed..seed + 1);
    for seed in seeds {
        for style in [Style::New, Style::Old] {
            let mut random = Rng::with_seed(seed);
            let day = Day::by_chance(style, &mut random);
            if one.is_some() {
                print(&day, style);
            }
            let wrong = catch_unwind(AssertUnwindSafe(|| play(&day, &mut random)));
            let wrong = wrong.unwrap_or_else(|_| vec!["it panicked".to_owned()]);
            assert!(wrong.is_empty(), "RINGPOST_SEED={seed} {style:?}:\n{}", wrong.join("\n"));
        }
    }
}

fn print(day: &Day, style: Style) {
    println!("---- {style:?}");
    for (life, said) in &day.said {
        println!("{life} {:>6} {}", said.at, readable(&format!("{:?}", said.event)));
    }
    day.lives.iter().for_each(|life| println!("{:?}", life.expected));
}

/// Byte strings of a Debug print as text, empty fields left out.
fn readable(printed: &str) -> String {
    let mut out = String::new();
    for piece in printed.split(", ").flat_map(|piece| piece.split_inclusive(['[', ']', '{'])) {
        match piece.trim_end_matches(']').parse::<u8>() {
            Ok(byte) => out.push(char::from(byte)),
            Err(_) => {
                out.push(' ');
                out.push_str(piece);
            }
        }
    }
    out
}

/// What is told wrong of these calls, all of which were heard from beginning to end.
fn check<'l>(lives: impl IntoIterator<Item = &'l Life>, desk: &Desk, exact: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for life in lives {
        let told = life.expected.records(&desk.records);
        let scenario = life.expected.scenario;
        match told.as_slice() {
            [record] => {
                let differences = life.expected.differences(record);
                wrong.extend(differences.into_iter().map(|difference| format!("{scenario}: {difference}")));
                if exact && !record.gaps.is_exact() {
                    wrong.push(format!("{scenario}: not exact: {:?}", record.gaps));
                }
            }
            others => wrong.push(format!("{scenario}: {} records: {:?}", others.len(), desk.records)),
        }
    }
    wrong
}

/// No record beside those of the calls.
fn none_beside(day: &Day, desk: &Desk) -> Vec<String> {
    let (told, made) = (desk.records.len(), day.lives.len());
    if told == made { Vec::new() } else { vec![format!("{told} records of {made} calls: {:#?}", desk.records)] }
}

#[test]
fn each_call_is_told_once_and_right() {
    rounds(ROUNDS, |day, _| {
        let mut desk = Desk::new();
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
        }
        desk.close();
        [check(&day.lives, &desk, true), none_beside(day, &desk)].concat()
    });
}

#[test]
fn each_call_is_told_right_with_every_event_doubled() {
    rounds(120, |day, _| {
        let mut desk = Desk::new();
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
            desk.hear(&said.event);
        }
        desk.close();
        [check(&day.lives, &desk, true), none_beside(day, &desk)].concat()
    });
}

#[test]
fn a_list_at_any_moment_changes_nothing() {
    rounds(120, |day, random| {
        let mut desk = Desk::new();
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
            if random.u8(..4) == 0 {
                desk.list();
                desk.drain();
            }
        }
        desk.close();
        [check(&day.lives, &desk, true), none_beside(day, &desk)].concat()
    });
}

/// The agent is killed and started anew at some moments; nothing is lost by that.
#[test]
fn each_call_is_told_right_through_restarts_of_the_agent() {
    rounds(60, |day, random| {
        let mut desk = Desk::new();
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
            if random.u8(..8) == 0 {
                desk.restart();
            }
        }
        desk.close();
        let only_restarted = |record: &CallRecord| Gaps { agent_restarted: false, ..record.gaps }.is_exact();
        let mut wrong = [check(&day.lives, &desk, false), none_beside(day, &desk)].concat();
        wrong.extend(desk.records.iter().filter(|one| !only_restarted(one)).map(|one| format!("{:?}", one.gaps)));
        wrong
    });
}

/// A PBX with idle channels up to the cap, more than half of which the table cannot hold beside the calls: those that
/// are unheard of for longest go, not the calls.
#[test]
fn calls_are_told_right_beside_a_full_table() {
    rounds(2, |day, _| {
        let mut desk = Desk::new();
        idle_channels(&mut desk, CHANNELS + 500);
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
        }
        let wrong = check(&day.lives, &desk, false);
        desk.board = Switchboard::default();
        desk.list();
        desk.close();
        wrong
    });
}

/// Pairs of channels that say nothing more: calls of nobody's interest.
fn idle_channels(desk: &mut Desk, count: usize) {
    for n in 0..count {
        let (id, linked) = (format!("9.{n}"), format!("9.{}", n - n % 4));
        let name = format!("PJSIP/{}-{n:08x}", 700 + n % 4);
        let channel = Channel {
            name: text(name).as_bytes(),
            unique_id: text(id).as_bytes(),
            linked_id: text(linked).as_bytes(),
            state: Some(6),
            ..Channel::default()
        };
        desk.board.hear(&Event::NewChannel { channel }, 0);
        desk.hear(&Event::NewChannel { channel });
    }
}

/// Thousands of other events between those of the calls.
#[test]
fn calls_are_told_right_in_a_flood() {
    rounds(6, |day, random| {
        let (mut desk, mut number) = (Desk::new(), 0);
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            for _ in 0..random.usize(..60) {
                number += 1;
                flood(&mut desk, number);
            }
            desk.board.hear(&said.event, said.at);
            desk.hear(&said.event);
        }
        desk.close();
        desk.records.retain(|record| record.caller != "799");
        [check(&day.lives, &desk, true), none_beside(day, &desk)].concat()
    });
}

/// A channel that comes and goes, and events of channels that nobody knows.
fn flood(desk: &mut Desk, number: u32) {
    let channel = Channel {
        name: text(format!("PJSIP/799-{number:08x}")).as_bytes(),
        unique_id: text(format!("8.{number}")).as_bytes(),
        state: Some(4),
        caller_num: b"799",
        exten: b"*97",
        ..Channel::default()
    };
    let stranger = Channel { unique_id: b"7.7", state: Some(2), ..channel };
    desk.hear(&Event::NewState { channel: stranger });
    desk.hear(&Event::NewChannel { channel });
    desk.hear(&Event::BridgeLeave { bridge: Bridge { id: b"x", ..Bridge::default() }, channel: stranger });
    desk.hear(&Event::Hangup { channel, cause: 16 });
}

// ---- losses ---------------------------------------------------------------------------------------------------------

/// The link is away for a while and the list of channels says what is left: what was over before or began after is
/// told right, what was under way is told once and says that it is not exact, and what ended meanwhile ends.
#[test]
fn a_lost_link_costs_only_what_was_said_meanwhile() {
    rounds(300, |day, random| {
        let last = day.said.last().map_or(0, |(_, said)| said.at);
        let from = random.u64(..=last);
        let to = from + random.u64(1000..30_000);
        let mut desk = Desk::new();
        let (mut is_away, mut was_away) = (false, false);
        for (_, said) in &day.said {
            if said.at >= from && !was_away {
                desk.wait_until(from);
                desk.tracker.link_lost(desk.stamp());
                (is_away, was_away) = (true, true);
            }
            if said.at >= to && is_away {
                desk.wait_until(to);
                desk.list();
                is_away = false;
            }
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            if !is_away {
                desk.hear(&said.event);
            }
        }
        desk.wait_until(desk.now.max(to));
        desk.list();
        desk.close();
        let untouched =
            |life: &&Life| life.expected.begun >= to || life.events.last().is_none_or(|said| said.at < from);
        let mut wrong = check(day.lives.iter().filter(untouched), &desk, true);
        for life in day.lives.iter().filter(|life| !untouched(life)) {
            wrong.extend(cut_call(life, &desk, from, to));
        }
        wrong
    });
}

/// What is told wrong of a call that was under way while the link was away.
fn cut_call(life: &Life, desk: &Desk, from: u64, to: u64) -> Vec<String> {
    let scenario = life.expected.scenario;
    let told = life.expected.records(&desk.records);
    // Its direction was known when the link went: the dialling has to have been heard.
    let is_known = life.events.iter().filter(|said| said.at < from).count() > 4;
    let mut wrong = Vec::new();
    if is_known && life.expected.is_of_a_client() && told.len() != 1 {
        wrong.push(format!("{scenario}: {} records, away {from} to {to}: {:#?}", told.len(), desk.records));
    }
    if told.iter().any(|record| record.gaps.is_exact()) {
        wrong.push(format!("{scenario}: told as exact, away {from} to {to}: {told:#?}"));
    }
    if told.iter().any(|record| is_known && record.direction != life.expected.direction) {
        wrong.push(format!("{scenario}: another direction, away {from} to {to}: {told:#?}"));
    }
    wrong
}

/// Some events never arrive: no call ends twice, none is kept when its channels are gone, and time does not run back
/// (which the desk looks at).
#[test]
fn lost_events_leave_no_call_behind() {
    rounds(300, |day, random| {
        let mut desk = Desk::new();
        let one_in = random.u32(2..40);
        for (_, said) in &day.said {
            desk.wait_until(said.at);
            desk.board.hear(&said.event, said.at);
            if random.u32(..one_in) != 0 {
                desk.hear(&said.event);
            }
        }
        desk.close();
        Vec::new()
    });
}
