//! One table of the file, read key by key with every mistake reported at its place.
//!
//! Stands between the parser's untyped values and `read`, which knows what each key means. Derived `Deserialize` would
//! be shorter, but it stops at the first mistake, knows no place for a missing key and cannot tell what was meant. A
//! wrong value and a missing one both read as `None`, after they were reported, so that reading goes on and finds the
//! next mistake.

use super::finding::Findings;
use super::schema::{self, Key, LATER, REQUIRED, TABLES, Table};
use crate::log::masked;
use crate::nearest::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the byte at which it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub at: usize,
    pub value: T,
}

/// A table of the file with what is known of its keys.
pub(super) struct Section<'t> {
    /// The byte of its header.
    pub at: usize,
    values: Option<&'t DeTable<'t>>,
    known: &'static Table,
    /// Keys that a mistyped one was taken for: they are not missing.
    mistyped: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// Opens `values` and reports every key that is not `known`.
    pub fn open(values: &'t DeTable<'t>, at: usize, known: &'static Table, findings: &mut Findings<'_>) -> Self {
        let mut section = Self { at, values: Some(values), known, mistyped: Vec::new() };
        let is_known = |name: &str| known.keys.iter().any(|key| key.name == name);
        let mut strangers: Vec<_> = values.iter().filter(|(key, _)| !is_known(key.get_ref())).collect();
        strangers.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in strangers {
            let meant = section.meant(key.get_ref());
            let (what, remedy) = section.stranger(key.get_ref(), value.get_ref(), meant);
            findings.error(key.span().start, what, remedy);
            section.mistyped.extend(meant);
        }
        section
    }

    /// A table that the file does not have: every key reads as its default.
    pub fn absent(known: &'static Table) -> Self {
        Self { at: 0, values: None, known, mistyped: Vec::new() }
    }

    /// What to say about a key that is not known here.
    fn stranger(&self, name: &str, value: &DeValue<'_>, meant: Option<&str>) -> (String, String) {
        let (name, title) = (shown(name), self.known.title);
        if let Some((.., remedy)) = LATER.iter().find(|(table, key, _)| *table == title && *key == name) {
            return (format!("`{name}` comes with a later version of ringpost"), (*remedy).to_owned());
        }
        let is_table = value.is_table() || value.is_array();
        let (what, meant) = match (title == schema::ROOT.title, is_table) {
            (true, true) => (format!("no table [{name}] is known"), meant.map(|meant| format!("[{meant}]"))),
            (true, false) => (format!("`{name}` stands before any [table]"), None),
            _ => (format!("{title} has no key `{name}`"), meant.map(str::to_owned)),
        };
        if let Some(meant) = meant {
            return (what, format!("did you mean `{meant}`?"));
        }
        let has = |table: &&&Table| table.keys.iter().any(|key| key.name == name);
        match TABLES.iter().find(has) {
            Some(home) => (what, format!("it belongs to {}", home.title)),
            None => (what, format!("remove it; known here: {}", names(self.known))),
        }
    }

    /// The known key that `name` was probably meant to be.
    fn meant(&self, name: &str) -> Option<&'static str> {
        let folded = name.to_ascii_lowercase();
        let synonym = self.known.keys.iter().find(|key| key.also.contains(&folded.as_str())).map(|key| key.name);
        synonym.or_else(|| nearest(name, self.known.keys.iter().map(|key| key.name)))
    }

    /// Whether a mistyped key of the file was taken for this one.
    pub fn is_mistyped(&self, key: &Key) -> bool {
        self.mistyped.contains(&key.name)
    }

    /// The value of `key` as it stands there.
    pub fn value(&self, key: &Key) -> Option<&'t Spanned<DeValue<'t>>> {
        self.values?.get(key.name)
    }

    /// Where `key` stands; the table's header if it does not.
    pub fn place(&self, key: &Key) -> usize {
        self.values.and_then(|values| values.get_key_value(key.name)).map_or(self.at, |(name, _)| name.span().start)
    }

    /// The value of `key`; reported when it is not there though it must be.
    pub fn present(&self, key: &Key, findings: &mut Findings<'_>) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.value(key);
        if value.is_none() && key.default == REQUIRED && !self.is_mistyped(key) {
            let what = format!("{} has no `{}`", self.known.title, key.name);
            findings.error(self.at, what, format!("add the line: {} = {}", key.name, key.example));
        }
        value
    }

    /// A text, not empty and without control characters.
    pub fn text(&self, key: &Key, findings: &mut Findings<'_>) -> Option<At<&'t str>> {
        let value = self.present(key, findings)?;
        let at = value.span().start;
        let Some(text) = value.get_ref().as_str() else {
            wrong_kind(key, value, findings);
            return None;
        };
        if text.is_empty() || text.chars().any(char::is_control) {
            let fault = if text.is_empty() { "is empty" } else { "holds a control character" };
            findings.error(at, format!("`{}` {fault}", key.name), format!("write {} = {}", key.name, key.example));
            return None;
        }
        Some(At { at, value: text })
    }

    /// A whole number from `least` to `most`.
    pub fn number(&self, key: &Key, least: u32, most: u32, findings: &mut Findings<'_>) -> Option<u32> {
        let value = self.present(key, findings)?;
        let Some(integer) = value.get_ref().as_integer() else {
            wrong_kind(key, value, findings);
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let what = format!("`{}` cannot be {}", key.name, shown(integer.as_str()));
            findings.error(value.span().start, what, format!("write a whole number from {least} to {most}"));
        }
        number
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &Key, words: &[(&'static str, T)], findings: &mut Findings<'_>) -> Option<T> {
        let text = self.text(key, findings)?;
        let chosen = words.iter().find(|(word, _)| *word == text.value).map(|(_, chosen)| *chosen);
        if chosen.is_none() {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let remedy = match nearest(text.value, list.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("write one of: {}", list.join(", ")),
            };
            findings.error(text.at, format!("`{}` cannot be \"{}\"", key.name, shown(text.value)), remedy);
        }
        chosen
    }

    /// A list of texts, at most `most`; empty when it is not there.
    pub fn texts(&self, key: &Key, most: usize, findings: &mut Findings<'_>) -> Vec<At<&'t str>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            wrong_kind(key, value, findings);
            return Vec::new();
        };
        if list.len() > most {
            let what = format!("`{}` has {} entries", key.name, list.len());
            findings.error(value.span().start, what, format!("{most} are the most; `*` matches any run of letters"));
            return Vec::new();
        }
        let mut texts = Vec::new();
        for entry in list.iter() {
            let at = entry.span().start;
            match entry.get_ref().as_str() {
                Some(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
                    texts.push(At { at, value: text });
                }
                _ => {
                    let what = format!("this entry of `{}` is not a text", key.name);
                    findings.error(at, what, format!("write {} = {}", key.name, key.example));
                }
            }
        }
        texts
    }

    /// A table in this one.
    pub fn table(&self, key: &Key, known: &'static Table, findings: &mut Findings<'_>) -> Option<Section<'t>> {
        let (at, values) = self.entries(key, findings)?;
        Some(Section::open(values, at, known, findings))
    }

    /// A table in this one that need not be there.
    pub fn table_or_absent(&self, key: &Key, known: &'static Table, findings: &mut Findings<'_>) -> Section<'t> {
        self.table(key, known, findings).unwrap_or_else(|| Section::absent(known))
    }

    /// A list of tables in this one, at most `most`, written with two brackets; empty when it is not there.
    pub fn tables(
        &self,
        key: &Key,
        known: &'static Table,
        most: usize,
        findings: &mut Findings<'_>,
    ) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let at = value.span().start;
        let mut sections = Vec::new();
        match value.get_ref() {
            DeValue::Array(list) if list.len() > most => {
                findings.error(at, format!("there are {} {}", list.len(), known.title), format!("{most} are the most"));
            }
            DeValue::Array(list) if list.iter().all(|entry| entry.get_ref().is_table()) => {
                for entry in list.iter() {
                    let Some(values) = entry.get_ref().as_table() else { continue };
                    sections.push(Section::open(values, entry.span().start, known, findings));
                }
            }
            other => {
                let what = format!("`{}` is {}, not a list of tables", key.name, kind(other));
                findings.error(at, what, format!("write {} with two brackets", known.title));
            }
        }
        sections
    }

    /// A table in this one whose keys are the user's own.
    pub fn entries(&self, key: &Key, findings: &mut Findings<'_>) -> Option<(usize, &'t DeTable<'t>)> {
        let value = self.value(key)?;
        let Some(values) = value.get_ref().as_table() else {
            wrong_kind(key, value, findings);
            return None;
        };
        Some((value.span().start, values))
    }
}

/// Reports a value of the wrong kind.
fn wrong_kind(key: &Key, value: &Spanned<DeValue<'_>>, findings: &mut Findings<'_>) {
    let what = format!("`{}` is {}, not a {}", key.name, kind(value.get_ref()), key.kind);
    findings.error(value.span().start, what, format!("write {} = {}", key.name, key.example));
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn names(table: &Table) -> String {
    let names: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
    names.join(", ")
}

/// A word of the file as it may be told: short, printable, without what looks like a secret.
pub(super) fn shown(word: &str) -> String {
    let mut shown: String = masked(word).chars().take(40).collect();
    if shown.len() < word.len() && !shown.ends_with('…') {
        shown.push('…');
    }
    shown
}
