//! The scenes played on the exchange and kept as transcripts, against the table of `docs/calls.md`.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use serde_json::Value;
use std::collections::BTreeMap;

/// What a call's record says, times aside, in the words of the page.
fn outcome(call: &Value) -> String {
    let text = |field: &str| call[field].as_str().unwrap_or_default().to_owned();
    let list = |field: &str| call[field].as_array().cloned().unwrap_or_default();
    let extensions = |field: &str| list(field).iter().map(|one| named(&one["extension"])).collect::<Vec<_>>();
    let mut told = vec![text("direction"), text("disposition")];
    let mut say = |words: String, is_worth_it: bool| told.extend(is_worth_it.then_some(words));
    let mut rang = extensions("rang");
    rang.sort();
    say(format!("{} rang", rang.join(" ")), !rang.is_empty());
    let talkers = extensions("talks");
    say(format!("{} talked", talkers.join(" ")), !talkers.is_empty());
    say(format!("queue {}", text("queue")), !text("queue").is_empty());
    for step in list("transfers") {
        let how = if step["attended"] == true { "asking" } else { "giving" };
        say(format!("{} {how} {}", named(&step["from"]), named(&step["to"])), true);
    }
    let recordings = list("recordings").len();
    say(format!("recordings {recordings}"), recordings > 0);
    say(String::from("a message"), !text("voicemail").is_empty());
    say(text("status"), call["status"].is_string());
    told.join(", ")
}

/// Mobiles have numbers of their own in each run.
fn named(number: &Value) -> String {
    let number = number.as_str().unwrap_or_default();
    if number.len() > 6 { String::from("mobile") } else { number.to_owned() }
}

/// Each scene with its calls of clients, and the folders in which it is told so.
fn outcomes() -> BTreeMap<String, Vec<(String, Vec<String>)>> {
    let mut outcomes: BTreeMap<String, Vec<(String, Vec<String>)>> = BTreeMap::new();
    for (folder, name) in corpus::scenes() {
        let lines = corpus::doc(&format!("tests/transcripts/{folder}/{name}.json"));
        let calls = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON object"));
        let mut told: Vec<String> =
            calls.filter(|call| call["direction"] != "internal").map(|call| outcome(&call)).collect();
        told.sort();
        let (told, flavour) = (told.join("; and "), folder.trim_start_matches("exchange-").to_owned());
        let ways = outcomes.entry(name).or_default();
        match ways.iter_mut().find(|(same, _)| *same == told) {
            Some((_, flavours)) => flavours.push(flavour),
            None => ways.push((told, vec![flavour])),
        }
    }
    outcomes
}

#[test]
fn the_page_has_every_scene_with_its_outcome() {
    let page = corpus::doc("docs/calls.md");
    let missing: Vec<String> = outcomes()
        .into_iter()
        .map(|(name, ways)| {
            let told = match &ways[..] {
                [(one, _)] => one.clone(),
                many => {
                    many.iter().map(|(told, of)| format!("{told} ({})", of.join(", "))).collect::<Vec<_>>().join("; ")
                }
            };
            format!("| {name} | {told} |")
        })
        .filter(|row| !page.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/calls.md should hold:\n{}", missing.join("\n"));
}
