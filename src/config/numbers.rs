//! What `[numbers]` means: the table to [`Rules`].
//!
//! Stands beside `read` because its mistakes are of another kind: entries that contradict each other, rules that are
//! never reached. Each is told where it stands. Knows how rules are written, not what they do: that is in
//! `number::rules`.

use super::finding::Findings;
use super::read::told;
use super::schema::{self, Key, numbers, rewrite, root};
use super::section::{At, Section, shown};
use crate::call::record::Direction;
use crate::limits::{NUMBER_BYTES, NUMBER_LIST, NUMBER_PREFIX_DIGITS, NUMBER_REWRITES};
use crate::number::rules::{Rewrite, Rules};
use crate::number::{Country, Entry, Fault, HIDDEN, Pattern, Prefix, Spellings, is_digits};

/// An entry, where it stands, and the list that it is in.
type Listed<'t> = (At<&'t str>, Entry);

/// The table; without it there are no rules. After an error what is read is not used.
pub(super) fn read(root: &Section<'_>, findings: &mut Findings<'_>) -> Rules {
    let section = root.table_or_absent(&root::NUMBERS, &schema::NUMBERS, findings);
    let country = read_country(&section, findings);
    let mut list = |key| read_list(&section, key, country.as_ref(), findings);
    let own = list(&numbers::OWN);
    let (only_clients, not_clients) = (list(&numbers::ONLY_CLIENTS), list(&numbers::NOT_CLIENTS));
    let (only_lines, not_lines) = (list(&numbers::ONLY_LINES), list(&numbers::NOT_LINES));
    for (only, key, not, other) in [
        (&only_clients, &numbers::ONLY_CLIENTS, &not_clients, &numbers::NOT_CLIENTS),
        (&only_clients, &numbers::ONLY_CLIENTS, &own, &numbers::OWN),
        (&only_lines, &numbers::ONLY_LINES, &not_lines, &numbers::NOT_LINES),
    ] {
        contradictions((only, key), (not, other), country.as_ref(), findings);
    }
    let rewrites = read_rewrites(&section, findings);
    let [own, only_clients, not_clients, only_lines, not_lines] =
        [own, only_clients, not_clients, only_lines, not_lines].map(|list| list.into_iter().map(|(_, e)| e).collect());
    Rules { rewrites, country, own, only_clients, not_clients, only_lines, not_lines }
}

fn read_country(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<Country> {
    let Some(_) = section.value(&numbers::COUNTRY) else {
        for key in [&numbers::TRUNK_PREFIX, &numbers::INTERNATIONAL_PREFIX, &numbers::AREA] {
            if section.text(key, findings).is_some() && !section.is_mistyped(&numbers::COUNTRY) {
                let what = format!("`{}` does nothing without `country`", key.name);
                findings.error(
                    section.place(key),
                    what,
                    format!("add the line: country = {}", numbers::COUNTRY.example),
                );
            }
        }
        return None;
    };
    let text = section.text(&numbers::COUNTRY, findings)?;
    let country = Country::of(text.value);
    if country.is_none() {
        let remedy = "write its calling code: \"7\" for Russia and Kazakhstan, \"49\" for Germany, \"1\" for the USA";
        findings.error(text.at, format!("`country` cannot be \"{}\"", shown(text.value)), remedy);
    }
    let mut country = country?;
    if let Some(prefix) = read_prefix(section, &numbers::TRUNK_PREFIX, true, findings) {
        country.trunk_prefix = prefix;
    }
    if let Some(prefix) = read_prefix(section, &numbers::INTERNATIONAL_PREFIX, false, findings) {
        country.international_prefix = prefix;
    }
    if let Some(area) = read_prefix(section, &numbers::AREA, false, findings) {
        if country.trunk_prefix == "0" && area.starts_with('0') {
            findings.error(section.place(&numbers::AREA), "`area` begins with `trunk_prefix`", "write it without");
        }
        country.area = area;
    }
    Some(country)
}

/// Digits; or the word `none`, where nothing may be dialled.
fn read_prefix(section: &Section<'_>, key: &Key, or_none: bool, findings: &mut Findings<'_>) -> Option<Prefix> {
    section.value(key)?;
    let text = section.text(key, findings)?;
    if or_none && text.value == "none" {
        return Some(Prefix::new());
    }
    let prefix = Prefix::try_from(text.value).ok().filter(|prefix| is_digits(prefix));
    if prefix.is_none() {
        let what = format!("`{}` cannot be \"{}\"", key.name, shown(text.value));
        let or_none = if or_none { ", or \"none\"" } else { "" };
        findings.error(text.at, what, format!("write 1 to {NUMBER_PREFIX_DIGITS} digits{or_none}"));
    }
    prefix
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
        let entry = Entry::parse(text.value).map_err(|fault| complaint(key, text.value, fault));
        let Some(entry) = told(text.at, entry, findings) else { continue };
        let whole = only(&entry).and_then(|number| country?.e164(&number, None));
        let whole = whole.and_then(|number| Entry::parse(&number).ok());
        list.push((text, whole.unwrap_or(entry)));
    }
    list
}

/// The one number that an entry fits.
fn only(entry: &Entry) -> Option<crate::call::record::Number> {
    match entry {
        Entry::Number(pattern) => pattern.only(),
        Entry::Name(_) => None,
    }
}

fn complaint(key: &Key, value: &str, (fault, remedy): Fault) -> (String, String) {
    (format!("\"{}\" in `{}` {fault}", shown(value), key.name), remedy.to_owned())
}

/// Entries of the list `only` that no call can come through by, because `not` fits them too.
fn contradictions(
    (only_list, key): (&[Listed<'_>], &Key),
    (not_list, other): (&[Listed<'_>], &Key),
    country: Option<&Country>,
    findings: &mut Findings<'_>,
) {
    for (text, entry) in only_list {
        let is_covered = |not: &Entry| match (only(entry), entry) {
            (Some(number), _) => {
                let national = country.map(|country| country.national(&number)).unwrap_or_default();
                not.fits(Spellings { told: &number, raw: &number, national: &national })
            }
            (None, Entry::Name(name)) if !name.contains('*') => {
                not.fits(Spellings { told: name, raw: if &**name == HIDDEN { "" } else { name }, national: "" })
            }
            _ => not == entry,
        };
        if let Some((first, _)) = not_list.iter().find(|(_, not)| is_covered(not)) {
            let what = format!("\"{}\" in `{}` is left out again by `{}`", shown(text.value), key.name, other.name);
            let remedy = format!("keep one of the two (the other is in line {})", findings.line(first.at));
            findings.error(text.at, what, remedy);
        }
    }
}

fn read_rewrites(section: &Section<'_>, findings: &mut Findings<'_>) -> Vec<Rewrite> {
    let mut read: Vec<(usize, Rewrite)> = Vec::new();
    for section in section.tables(&numbers::REWRITE, &schema::REWRITE, NUMBER_REWRITES, findings) {
        let Some(rule) = read_rewrite(&section, findings) else { continue };
        let is_before = |(_, first): &&(usize, Rewrite)| {
            first.from == rule.from && first.direction.is_none_or(|only| rule.direction == Some(only))
        };
        if let Some((first, _)) = read.iter().find(is_before) {
            let what = format!("this rule is never reached: the one in line {} fits the same", findings.line(*first));
            findings.error(section.place(&rewrite::FROM), what, "keep one of the two");
        }
        read.push((section.place(&rewrite::FROM), rule));
    }
    read.into_iter().map(|(_, rule)| rule).collect()
}

fn read_rewrite(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<Rewrite> {
    let directions = [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];
    let direction = section.choice(&rewrite::DIRECTION, &directions, findings);
    let from = section.text(&rewrite::FROM, findings).and_then(|text| {
        let from = Pattern::parse(text.value).map_err(|fault| complaint(&rewrite::FROM, text.value, fault));
        told(text.at, from, findings)
    });
    let to = section.text(&rewrite::TO, findings).and_then(|text| {
        let to = replacement(text.value).map_err(|fault| complaint(&rewrite::TO, text.value, fault));
        Some(At { at: text.at, value: told(text.at, to, findings)? })
    });
    let (from, to) = (from?, to?);
    if to.value.contains('*') && !from.keeps() {
        let remedy = "`from` is one number: write `to` without *, or X and * into `from`";
        findings.error(to.at, "`to` has * for what is kept, and nothing is", remedy);
        return None;
    }
    Some(Rewrite { direction, from, to: to.value })
}

/// What comes instead of a number, without separators.
fn replacement(text: &str) -> Result<Box<str>, Fault> {
    if text == HIDDEN {
        return Ok(text.into());
    }
    let text: String = text.chars().filter(|c| !matches!(c, '-' | ' ' | '(' | ')')).collect();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | '+');
    if text.is_empty() || !text.chars().all(is_number) || text.get(1..).is_some_and(|rest| rest.contains('+')) {
        return Err(("is no replacement", "write digits, a leading +, one * for what is kept; or \"hidden\""));
    }
    if text.matches('*').count() > 1 {
        return Err(("has more than one *", "what is kept stands in one place"));
    }
    if text.len() > NUMBER_BYTES {
        return Err(("is too long for a number", "write fewer digits"));
    }
    Ok(text.into())
}
