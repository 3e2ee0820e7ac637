//! Patterns of telephone numbers, in the spelling of Asterisk's dialplan.
//!
//! Stands alone because the configuration reads them and the rules try them, and neither needs to know how. `X` is any
//! digit, `Z` 1 to 9, `N` 2 to 9, `[1-57]` a set of digits; at the end `*` is any rest, `.` a rest of at least one
//! character; a bar `|` begins what is kept for a replacement. An entry of a list that holds other letters is a name (a
//! trunk's, a SIP user's), in which `*` stands for any run of characters.
//!
//! Bounds: [`NUMBER_PATTERN_BYTES`] of text, one pass and no backtracking in a number. Deliberately no regular
//! expressions: they cost more than the whole of this file, and no integrator writes them into a dialplan.

use super::bare_of_plus;
use crate::call::classify;
use crate::call::record::Number;
use crate::limits::NUMBER_PATTERN_BYTES;

/// The word for a hidden number in lists and replacements.
pub const HIDDEN: &str = "hidden";

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// This character.
    Literal(u8),
    /// One of these digits, a bit for each.
    Digits(u16),
    /// What follows is kept.
    Bar,
    /// Any rest of at least so many characters.
    Rest(usize),
}

/// What is wrong with a pattern, and the remedy.
pub type Fault = (&'static str, &'static str);

const ANY: u16 = 0x3ff;
const SETS: &str = "write sets like [1-5] or [78]";
const REMEDY: &str = "write digits, +, #, X for any digit, Z 1-9, N 2-9, [1-5] a set, and at the end * for any rest";

/// A number as a rule fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    elements: Box<[Element]>,
}

impl Pattern {
    /// Reads a pattern of numbers. Separators and Asterisk's leading `_` are skipped.
    ///
    /// # Errors
    /// What is wrong and the remedy.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.strip_prefix('_').unwrap_or(text);
        if text.len() > NUMBER_PATTERN_BYTES {
            return Err(("is too long for a number", "write * for its end"));
        }
        let mut elements = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            let (element, behind) = step(*first, behind)?;
            rest = behind;
            elements.extend(element);
        }
        let bars = elements.iter().filter(|element| **element == Element::Bar).count();
        if bars > 1 {
            return Err(("has more than one `|`", "keep the one before what is to be kept"));
        }
        if elements.len() == bars {
            return Err(("fits no number", REMEDY));
        }
        Ok(Self { elements: elements.into() })
    }

    /// Whether it has a bar.
    pub fn has_bar(&self) -> bool {
        self.elements.contains(&Element::Bar)
    }

    /// Whether a replacement can keep something of what it fits: it has a bar, or anything that is not literal.
    pub fn keeps(&self) -> bool {
        self.elements.iter().any(|element| !matches!(element, Element::Literal(_)))
    }

    /// Whether it begins with `+`.
    pub fn is_international(&self) -> bool {
        self.elements.iter().find(|element| **element != Element::Bar) == Some(&Element::Literal(b'+'))
    }

    /// The one number that it fits; none if there are several.
    fn only(&self) -> Option<Number> {
        let mut number = Number::new();
        for element in &self.elements {
            let Element::Literal(byte) = element else { return None };
            number.push(char::from(*byte)).ok()?;
        }
        Some(number)
    }

    /// What is kept of `number` if the pattern fits all of it: what follows the bar, else what begins with the first
    /// character that is not literal.
    pub fn kept<'n>(&self, number: &'n str) -> Option<&'n str> {
        kept(&self.elements, number)
    }

    /// Whether the pattern, less a leading `+`, fits all of `number`, less a leading `+`.
    fn fits(&self, number: &str) -> bool {
        let elements = match &*self.elements {
            [Element::Literal(b'+'), rest @ ..] => rest,
            all => all,
        };
        kept(elements, bare_of_plus(number)).is_some()
    }
}

fn kept<'n>(elements: &[Element], number: &'n str) -> Option<&'n str> {
    let mut rest = number.as_bytes();
    let (mut bar, mut wild) = (None, None);
    for element in elements {
        if !matches!(element, Element::Literal(_) | Element::Bar) {
            wild = wild.or(Some(rest.len()));
        }
        match element {
            Element::Bar => bar = Some(rest.len()),
            Element::Rest(least) => {
                let fits = rest.len() >= *least;
                rest = if fits { &[] } else { return None };
            }
            Element::Literal(byte) => rest = rest.strip_prefix(&[*byte])?,
            Element::Digits(set) => {
                let (digit, left) = rest.split_first()?;
                let is_in = digit.is_ascii_digit() && *set & (1 << (*digit - b'0')) != 0;
                rest = if is_in { left } else { return None };
            }
        }
    }
    let length = bar.or(wild).unwrap_or(0);
    if rest.is_empty() { number.get(number.len().checked_sub(length)?..) } else { None }
}

/// The next step of a pattern, none for a separator, and the text behind it.
fn step(first: u8, rest: &[u8]) -> Result<(Option<Element>, &[u8]), Fault> {
    let element = match first {
        b'X' | b'x' => Element::Digits(ANY),
        b'Z' | b'z' => Element::Digits(ANY & !1),
        b'N' | b'n' => Element::Digits(ANY & !0b11),
        b'*' if rest.is_empty() => Element::Rest(0),
        b'.' if rest.is_empty() => Element::Rest(1),
        b'.' => return Err(("goes on behind `.`", "`.` and `*` stand for any rest: write them last")),
        b'!' => return Err(("holds `!`", "write * for any rest")),
        b'|' => Element::Bar,
        b'[' => {
            let end = rest.iter().position(|b| *b == b']').ok_or(("has a `[` without `]`", SETS))?;
            let set = digits(rest.get(..end).unwrap_or_default())?;
            return Ok((Some(Element::Digits(set)), rest.get(end + 1..).unwrap_or_default()));
        }
        _ if is_separator(first) => return Ok((None, rest)),
        b'0'..=b'9' | b'+' | b'*' | b'#' => Element::Literal(first),
        _ => return Err(("is not a pattern of numbers", REMEDY)),
    };
    Ok((Some(element), rest))
}

/// Whether people put this between digits.
pub fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b' ' | b'(' | b')')
}

/// The digits of a set: `1-57` is 1 to 5 and 7.
fn digits(set: &[u8]) -> Result<u16, Fault> {
    let fault = ("has a set of something other than digits", SETS);
    let mut found = 0;
    let mut rest = set;
    loop {
        let (from, to) = match rest {
            [from, b'-', to, left @ ..] => {
                rest = left;
                (*from, *to)
            }
            [one, left @ ..] => {
                rest = left;
                (*one, *one)
            }
            [] => return if found == 0 { Err(fault) } else { Ok(found) },
        };
        if !from.is_ascii_digit() || !to.is_ascii_digit() || from > to {
            return Err(fault);
        }
        found |= (from..=to).fold(0, |set, digit| set | 1 << (digit - b'0'));
    }
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Numbers.
    Number(Pattern),
    /// A name, `*` matching any run of characters.
    Name(Box<str>),
}

/// One number in the spellings that an entry may mean.
#[derive(Clone, Copy, Debug)]
pub struct Spellings<'a> {
    /// As the CRM gets it; empty when hidden.
    pub told: &'a str,
    /// As the PBX tells it.
    pub raw: &'a str,
    /// As it is dialled in its country; empty if that is not known.
    pub national: &'a str,
}

impl Entry {
    /// Reads an entry: numbers if there is a digit or a lone wildcard and no letter but X, Z and N, else a name.
    ///
    /// # Errors
    /// What is wrong and the remedy.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let is_numbers = |b: u8| b.is_ascii_digit() || b"XZNxzn+*#[]-._!| ()".contains(&b);
        if !text.bytes().all(is_numbers) {
            if text.len() > NUMBER_PATTERN_BYTES {
                return Err(("is too long for a name", "write * for its end"));
            }
            return Ok(Self::Name(text.into()));
        }
        let pattern = Pattern::parse(text)?;
        if pattern.has_bar() {
            return Err(("holds `|`", "a list only fits numbers: nothing is kept of them"));
        }
        Ok(Self::Number(pattern))
    }

    /// The one number or name that it fits, empty for the hidden one; none if there are several.
    pub fn only(&self) -> Option<Number> {
        match self {
            Self::Number(pattern) => pattern.only(),
            Self::Name(name) if &**name == HIDDEN => Some(Number::new()),
            Self::Name(name) if name.contains('*') => None,
            Self::Name(name) => Number::try_from(&**name).ok(),
        }
    }

    /// Whether it is a name.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::Name(_))
    }

    /// Whether it means this number. One with `+` means the number that the CRM gets, one without it any spelling.
    pub fn fits(&self, number: Spellings<'_>) -> bool {
        let Spellings { told, raw, national } = number;
        match self {
            Self::Name(name) => classify::matches(name, if told.is_empty() { HIDDEN } else { raw }.as_bytes()),
            Self::Number(pattern) if pattern.is_international() => pattern.fits(told),
            Self::Number(pattern) => [told, raw, national].iter().any(|number| pattern.fits(number)),
        }
    }
}

/// Whether one of the entries means this number.
pub fn is_in(list: &[Entry], number: Spellings<'_>) -> bool {
    list.iter().any(|entry| entry.fits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pattern: &str, number: &str) -> Option<String> {
        Pattern::parse(pattern).unwrap().kept(number).map(str::to_owned)
    }

    #[test]
    fn patterns_fit_whole_numbers_and_keep_from_the_first_wildcard_or_the_bar() {
        for (pattern, number, kept_part) in [
            ("98XXXXXXXXXX", "989161234567", Some("9161234567")),
            ("98XXXXXXXXXX", "98916123456", None),
            ("98XXXXXXXXXX", "9891612345678", None),
            ("_9.", "9101", Some("101")),
            ("9.", "9", None),
            ("9*", "9", Some("")),
            ("*", "", Some("")),
            ("*", "+79161234567", Some("+79161234567")),
            ("[78]|XXXXXXXXXX", "89161234567", Some("9161234567")),
            ("[78]XXXXXXXXXX", "89161234567", Some("89161234567")),
            ("[1-37]X", "29", Some("29")),
            ("[1-37]X", "49", None),
            ("ZX", "09", None),
            ("NX", "19", None),
            ("nx", "29", Some("29")),
            ("8 (916) 123-45-67", "89161234567", Some("")),
            ("*31#|.", "*31#123", Some("123")),
            ("+7*", "+7916", Some("916")),
            ("X", "ж", None),
            ("*", "ж", Some("ж")),
        ] {
            assert_eq!(kept(pattern, number).as_deref(), kept_part, "{pattern} {number}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (pattern, fault) in [
            ("", "fits no number"),
            ("_", "fits no number"),
            ("|", "fits no number"),
            ("8|9|", "has more than one `|`"),
            ("9.1", "goes on behind `.`"),
            ("9!", "holds `!`"),
            ("[12", "has a `[` without `]`"),
            ("[]", "has a set of something other than digits"),
            ("[a-c]", "has a set of something other than digits"),
            ("[9-1]", "has a set of something other than digits"),
            ("7916A", "is not a pattern of numbers"),
            (&"1".repeat(NUMBER_PATTERN_BYTES + 1), "is too long for a number"),
        ] {
            assert_eq!(Pattern::parse(pattern).err().map(|(what, _)| what), Some(fault), "{pattern}");
        }
    }

    #[test]
    fn entries_are_numbers_or_names() {
        let fits = |entry: &str, told: &str, raw: &str, national: &str| {
            Entry::parse(entry).unwrap().fits(Spellings { told, raw, national })
        };
        let mobile = ("+79161234567", "9161234567", "89161234567");
        for entry in ["+7916*", "7916*", "8916XXXXXXX", "916.", "+7 916 123-45-67", "*"] {
            assert!(fits(entry, mobile.0, mobile.1, mobile.2), "{entry}");
        }
        for entry in ["+8916*", "+916.", "7915*", "916", "trunk", "hidden"] {
            assert!(!fits(entry, mobile.0, mobile.1, mobile.2), "{entry}");
        }
        assert!(fits("+7916*", "79161234567", "79161234567", ""), "no country is configured");
        assert!(fits("hidden", "", "", "") && fits("*", "", "", "") && !fits("X*", "", "", ""));
        assert!(fits("mts-*", "mts-1", "mts-1", "") && !fits("mts", "mts-1", "mts-1", ""));
        assert!(Entry::parse("MTS").unwrap().is_name() && !Entry::parse("8495XXXXXXX").unwrap().is_name());
        assert_eq!(Entry::parse("8|9").err().map(|(what, _)| what), Some("holds `|`"));
    }
}
