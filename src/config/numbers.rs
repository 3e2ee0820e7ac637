//! What `[numbers]` means: the table to [`Rules`].
//!
//! Stands beside `read` because its mistakes are of another kind: entries that contradict each other, rules that are
//! never reached. Each is told where it stands. Knows how rules are written, not what they do: that is in
//! `number::rules`. Bounds: [`NUMBER_LIST`] entries in each list, [`NUMBER_REWRITES`] rules.

use super::finding::Findings;
use super::schema::{self, Key, numbers, rewrite, root};
use super::section::{At, Section, shown};
use crate::call::record::{Direction, Number};
use crate::limits::{NUMBER_LIST, NUMBER_REWRITES};
use crate::number::rules::{Rewrite, Rules};
use crate::number::{Country, Entry, Fault, HIDDEN, Pattern, Prefix, Spellings, is_digits, is_separator};

/// An entry, where it stands, and what it fits if that is one number or name.
struct Listed<'t> {
    text: At<&'t str>,
    entry: Entry,
    only: Option<Number>,
}

/// The table; without it there are no rules. After an error what is read is not used.
pub(super) fn read(root: &Section<'_>, findings: &mut Findings<'_>) -> Rules {
    let section = root.table_or_absent(&root::NUMBERS, &schema::NUMBERS, findings);
    let country = read_country(&section, findings);
    let keys =
        [&numbers::OWN, &numbers::ONLY_CLIENTS, &numbers::NOT_CLIENTS, &numbers::ONLY_LINES, &numbers::NOT_LINES];
    let lists = keys.map(|key| read_list(&section, key, country.as_ref(), findings));
    let [own, only_clients, not_clients, only_lines, not_lines] = &lists;
    for (only, key, not, other) in [
        (only_clients, &numbers::ONLY_CLIENTS, not_clients, &numbers::NOT_CLIENTS),
        (only_clients, &numbers::ONLY_CLIENTS, own, &numbers::OWN),
        (only_lines, &numbers::ONLY_LINES, not_lines, &numbers::NOT_LINES),
    ] {
        contradictions((only, key), (not, other), country.as_ref(), findings);
    }
    let rewrites = read_rewrites(&section, findings);
    let [own, only_clients, not_clients, only_lines, not_lines] =
        lists.map(|list| list.into_iter().map(|listed| listed.entry).collect());
    Rules { rewrites, country, own, only_clients, not_clients, only_lines, not_lines }
}

fn read_country(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<Country> {
    if section.value(&numbers::COUNTRY).is_none() && !section.is_mistyped(&numbers::COUNTRY) {
        for key in [&numbers::TRUNK_PREFIX, &numbers::INTERNATIONAL_PREFIX, &numbers::AREA] {
            if read_prefix(section, key, findings).is_some() {
                let what = format!("`{}` does nothing without `country`", key.name);
                findings.error(section.place(key), what, "add a line like country = \"7\"");
            }
        }
        return None;
    }
    let text = section.text(&numbers::COUNTRY, findings)?;
    let remedy = "write its calling code: \"7\" for Russia and Kazakhstan, \"49\" for Germany, \"1\" for the USA";
    let country = Country::of(text.value).ok_or(("is no calling code", remedy));
    let mut country = judged(&numbers::COUNTRY, text, country, findings)?;
    if let Some(prefix) = read_prefix(section, &numbers::TRUNK_PREFIX, findings) {
        country.trunk_prefix = prefix;
    }
    if let Some(prefix) = read_prefix(section, &numbers::INTERNATIONAL_PREFIX, findings) {
        country.international_prefix = prefix;
    }
    country.area = read_prefix(section, &numbers::AREA, findings).unwrap_or_default();
    if country.trunk_prefix == "0" && country.area.starts_with('0') {
        findings.error(section.place(&numbers::AREA), "`area` begins with `trunk_prefix`", "write it without");
    }
    Some(country)
}

/// Digits; or the word `none`, where nothing is dialled.
fn read_prefix(section: &Section<'_>, key: &Key, findings: &mut Findings<'_>) -> Option<Prefix> {
    section.value(key)?;
    let text = section.text(key, findings)?;
    if text.value == "none" {
        return Some(Prefix::new());
    }
    let prefix = Prefix::try_from(text.value).ok().filter(|prefix| is_digits(prefix));
    judged(key, text, prefix.ok_or(("is no prefix", "write one to six digits, or \"none\"")), findings)
}

/// One list. A whole number is kept as the CRM will see it, so that it is met in every spelling.
fn read_list<'t>(
    section: &Section<'t>,
    key: &Key,
    country: Option<&Country>,
    findings: &mut Findings<'_>,
) -> Vec<Listed<'t>> {
    let mut list = Vec::new();
    for text in section.texts(key, NUMBER_LIST, findings) {
        let Some(mut entry) = judged(key, text, Entry::parse(text.value), findings) else { continue };
        let mut only = entry.only();
        if let Some(whole) = country.zip(only.as_deref()).and_then(|(country, number)| country.e164(number, None)) {
            entry = Entry::parse(&whole).unwrap_or(entry);
            only = Some(whole);
        }
        list.push(Listed { text, entry, only });
    }
    list
}

/// What a text was read as; its fault is reported where it stands.
fn judged<T>(key: &Key, text: At<&str>, read: Result<T, Fault>, findings: &mut Findings<'_>) -> Option<T> {
    read.map_err(|fault| complain(key, text, fault, findings)).ok()
}

fn complain(key: &Key, text: At<&str>, (fault, remedy): Fault, findings: &mut Findings<'_>) {
    findings.error(text.at, format!("\"{}\" in `{}` {fault}", shown(text.value), key.name), remedy);
}

/// Entries of the list `only` that no call can come through by, because `not` fits them too.
fn contradictions(
    (only, key): (&[Listed<'_>], &Key),
    (not, other): (&[Listed<'_>], &Key),
    country: Option<&Country>,
    findings: &mut Findings<'_>,
) {
    for Listed { text, entry, only } in only {
        let number = only.as_deref().unwrap_or_default();
        let national = country.map(|country| country.national(number)).unwrap_or_default();
        let spelled = Spellings { told: number, raw: number, national: &national };
        let is_left_out = |not: &&Listed<'_>| not.entry == *entry || only.is_some() && not.entry.fits(spelled);
        if let Some(not) = not.iter().find(is_left_out) {
            let what = format!("\"{}\" in `{}` is left out again by `{}`", shown(text.value), key.name, other.name);
            keep_one(text.at, what, not.text.at, findings);
        }
    }
}

/// Reports that two lines of the file exclude each other.
fn keep_one(at: usize, what: String, other: usize, findings: &mut Findings<'_>) {
    let remedy = format!("keep one of the two (the other is in line {})", findings.line(other));
    findings.error(at, what, remedy);
}

fn read_rewrites(section: &Section<'_>, findings: &mut Findings<'_>) -> Vec<Rewrite> {
    let mut places: Vec<usize> = Vec::new();
    let mut read: Vec<Rewrite> = Vec::new();
    for section in section.tables(&numbers::REWRITE, &schema::REWRITE, NUMBER_REWRITES, findings) {
        let Some(rule) = read_rewrite(&section, findings) else { continue };
        let is_before = |first: &Rewrite| {
            first.from == rule.from && first.direction.is_none_or(|only| rule.direction == Some(only))
        };
        let place = section.place(&rewrite::FROM);
        if let Some(first) = read.iter().position(is_before).and_then(|first| places.get(first)) {
            keep_one(place, "this rule is never reached: one before it fits the same".into(), *first, findings);
        }
        places.push(place);
        read.push(rule);
    }
    read
}

fn read_rewrite(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<Rewrite> {
    let directions = [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];
    let direction = section.choice(&rewrite::DIRECTION, &directions, findings);
    let from = section
        .text(&rewrite::FROM, findings)
        .and_then(|text| judged(&rewrite::FROM, text, Pattern::parse(text.value), findings));
    let to = section.text(&rewrite::TO, findings)?;
    let replacement = judged(&rewrite::TO, to, replacement(to.value), findings)?;
    let from = from?;
    if replacement.contains('*') && !from.keeps() {
        let remedy = "`from` is one number: write `to` without *, or X and * into `from`";
        complain(&rewrite::TO, to, ("has * for what is kept, and nothing is", remedy), findings);
    }
    Some(Rewrite { direction, from, to: replacement })
}

/// What comes instead of a number, without separators.
fn replacement(text: &str) -> Result<Box<str>, Fault> {
    if text == HIDDEN {
        return Ok(text.into());
    }
    let mut to = Number::new();
    let mut keeps = false;
    for c in text.chars().filter(|c| !u8::try_from(*c).is_ok_and(is_separator)) {
        if c == '*' && core::mem::replace(&mut keeps, true) {
            return Err(("has more than one *", "what is kept stands in one place"));
        }
        let fits = c.is_ascii_digit() || matches!(c, '*' | '#') || c == '+' && to.is_empty();
        if !fits || to.push(c).is_err() {
            to.clear();
            break;
        }
    }
    if to.is_empty() {
        return Err(("is no replacement", "write digits, a leading +, one * for what is kept; or \"hidden\""));
    }
    Ok(to.as_str().into())
}
