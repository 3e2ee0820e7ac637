//! Numbers as the world knows them (E.164) out of what an office of one country dials and sees.
//!
//! Stands alone because it is all that is known of countries: how each prefixes national and international numbers, and
//! how long its numbers are. Pure; a number that nothing here explains is answered with none and stays as it is, since
//! a CRM that gets a wrong country's number files the call under a stranger. Knows no operators, no validity of area
//! codes, and not which numbers are in use.
//!
//! Bounds: E.164 allows 15 digits, so nothing that is made here outgrows
//! [`NUMBER_BYTES`](crate::limits::NUMBER_BYTES).

use crate::call::record::Number;
use crate::limits::NUMBER_PREFIX_DIGITS;
use crate::text::Text;

/// Digits in front of, or of the area in, a number.
pub type Prefix = Text<NUMBER_PREFIX_DIGITS>;

/// Numbers up to this length are the office's own, or short codes.
const SHORT: usize = 6;
/// Shortest and longest number with its country's code.
const WORLD: core::ops::RangeInclusive<usize> = 7..=15;
/// Shortest number with its country's code that is taken for one without `+`, where lengths differ.
const LIKELY: usize = 10;
/// Numbers that a subscriber of the same area dials, where lengths differ.
const LOCAL: core::ops::RangeInclusive<usize> = 7..=8;

/// How a country numbers: its code, what stands before national and international numbers (blanks fill up), and how
/// many digits its numbers have without all that (0: they differ).
struct Plan(u16, [u8; 2], [u8; 4], u8);

/// Where nothing else is known.
const USUAL: Plan = Plan(0, *b"0 ", *b"00  ", 0);

/// Countries that differ from `0`, `00` and lengths that differ, or whose length is known.
const PLANS: [Plan; 32] = [
    Plan(1, *b"1 ", *b"011 ", 10),
    Plan(7, *b"8 ", *b"810 ", 10),
    Plan(30, *b"  ", *b"00  ", 10),
    Plan(31, *b"0 ", *b"00  ", 9),
    Plan(33, *b"0 ", *b"00  ", 9),
    Plan(34, *b"  ", *b"00  ", 9),
    Plan(36, *b"06", *b"00  ", 0),
    Plan(39, *b"  ", *b"00  ", 0),
    Plan(41, *b"0 ", *b"00  ", 9),
    Plan(45, *b"  ", *b"00  ", 8),
    Plan(47, *b"  ", *b"00  ", 8),
    Plan(48, *b"  ", *b"00  ", 9),
    Plan(61, *b"0 ", *b"0011", 9),
    Plan(65, *b"  ", *b"001 ", 8),
    Plan(81, *b"0 ", *b"010 ", 0),
    Plan(351, *b"  ", *b"00  ", 9),
    Plan(352, *b"  ", *b"00  ", 0),
    Plan(357, *b"  ", *b"00  ", 8),
    Plan(371, *b"  ", *b"00  ", 8),
    Plan(372, *b"  ", *b"00  ", 0),
    Plan(373, *b"0 ", *b"00  ", 8),
    Plan(374, *b"0 ", *b"00  ", 8),
    Plan(375, *b"80", *b"810 ", 9),
    Plan(380, *b"0 ", *b"00  ", 9),
    Plan(420, *b"  ", *b"00  ", 9),
    Plan(852, *b"  ", *b"001 ", 8),
    Plan(992, *b"8 ", *b"810 ", 9),
    Plan(993, *b"8 ", *b"810 ", 8),
    Plan(994, *b"0 ", *b"00  ", 9),
    Plan(995, *b"0 ", *b"00  ", 9),
    Plan(996, *b"0 ", *b"00  ", 9),
    Plan(998, *b"  ", *b"00  ", 9),
];

/// The country that an office dials in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    code: Prefix,
    /// Before a national number; empty: nothing.
    pub trunk_prefix: Prefix,
    /// Before the code of another country.
    pub international_prefix: Prefix,
    /// Before a number of the same town; empty: such numbers are not completed.
    pub area: Prefix,
    digits: usize,
}

impl Country {
    /// The country of this calling code, with or without `+`, and its own prefixes. None: it is no such code.
    pub fn of(code: &str) -> Option<Self> {
        let code = code.strip_prefix('+').unwrap_or(code);
        if code.len() > 3 || !is_digits(code) || code.starts_with('0') {
            return None;
        }
        let number: u16 = code.parse().ok()?;
        let Plan(_, trunk, international, digits) = PLANS.iter().find(|plan| plan.0 == number).unwrap_or(&USUAL);
        Some(Self {
            code: Prefix::try_from(code).ok()?,
            trunk_prefix: prefix(trunk),
            international_prefix: prefix(international),
            area: Prefix::new(),
            digits: usize::from(*digits),
        })
    }

    /// Digits of a national number without its prefix; none: they differ.
    pub fn digits(&self) -> Option<usize> {
        Some(self.digits).filter(|digits| *digits > 0)
    }

    /// The number with `+` and its country's code. `context` holds the digits of the `+…` that a SIP address gives
    /// beside it (`phone-context`). None: it is short, no number, or its country cannot be told.
    pub fn e164(&self, number: &str, context: Option<&str>) -> Option<Number> {
        if let Some(digits) = number.strip_prefix('+') {
            return world("", digits);
        }
        if !is_digits(number) {
            return None;
        }
        context.and_then(|context| self.within(number, context)).or_else(|| self.complete(number, &self.area))
    }

    /// The number as it is dialled inside the country; empty if it is another country's.
    pub fn national(&self, told: &str) -> Number {
        let rest = told.strip_prefix('+').and_then(|digits| digits.strip_prefix(self.code.as_str()));
        rest.map(|rest| joined(&[&self.trunk_prefix, rest])).unwrap_or_default()
    }

    /// A line's number with `+` and as it is dialled inside the country; both empty if it is a name.
    pub fn spelled(&self, line: &str) -> (Number, Number) {
        let told = self.e164(line, None).unwrap_or_default();
        let national = self.national(&told);
        (told, national)
    }

    fn within(&self, number: &str, context: &str) -> Option<Number> {
        match context.strip_prefix(self.code.as_str()) {
            Some(area) => self.complete(number, if area.is_empty() { &self.area } else { area }),
            None if number.len() <= SHORT || number.starts_with('0') => None,
            None => world(if number.starts_with(context) { "" } else { context }, number),
        }
    }

    fn complete(&self, number: &str, area: &str) -> Option<Number> {
        self.abroad(number).or_else(|| self.inland(number)).or_else(|| self.local(number, area))
    }

    fn abroad(&self, number: &str) -> Option<Number> {
        let prefix = self.international_prefix.as_str();
        number.strip_prefix(prefix).filter(|_| !prefix.is_empty()).and_then(|digits| world("", digits))
    }

    fn inland(&self, number: &str) -> Option<Number> {
        let trunk = self.trunk_prefix.as_str();
        if number.len() <= SHORT {
            return None;
        }
        if let Some(rest) = number.strip_prefix(trunk).filter(|_| !trunk.is_empty())
            && self.is_whole(rest)
        {
            return world(&self.code, rest);
        }
        let least = if trunk.is_empty() { self.code.len() + 9 } else { LIKELY };
        if let Some(rest) = number.strip_prefix(self.code.as_str())
            && self.is_whole(rest)
            && (self.digits > 0 || number.len() >= least)
        {
            return world(&self.code, rest);
        }
        // Where a prefix is dialled before national numbers, one without it says nothing unless its length does.
        let is_bare = (trunk.is_empty() || self.digits > 0) && self.is_whole(number);
        if is_bare { world(&self.code, number) } else { None }
    }

    fn local(&self, number: &str, area: &str) -> Option<Number> {
        let fits = match self.digits {
            0 => LOCAL.contains(&number.len()) && !number.starts_with('0'),
            digits => area.len() + number.len() == digits,
        };
        if area.is_empty() || !fits { None } else { world(&joined(&[&self.code, area]), number) }
    }

    /// Whether this can be a national number without prefix.
    fn is_whole(&self, number: &str) -> bool {
        let begins = self.trunk_prefix.is_empty() || !number.starts_with('0');
        begins && if self.digits > 0 { number.len() == self.digits } else { number.len() >= SHORT - 1 }
    }
}

/// Without the blanks that fill it up.
fn prefix(filled: &[u8]) -> Prefix {
    let mut prefix = Prefix::new();
    for byte in filled.iter().filter(|byte| **byte != b' ') {
        let _ = prefix.push(char::from(*byte)); // it has room for all of them
    }
    prefix
}

/// `+` and both, if that is a number at all.
fn world(code: &str, rest: &str) -> Option<Number> {
    let number = joined(&["+", code, rest]);
    let digits = number.get(1..)?;
    let fits = WORLD.contains(&(code.len() + rest.len())) && is_digits(digits) && !digits.starts_with('0');
    fits.then_some(number)
}

fn joined(parts: &[&str]) -> Number {
    let mut number = Number::new();
    for part in parts {
        if number.push_str(part).is_err() {
            return Number::new();
        }
    }
    number
}

/// Whether the text is digits and nothing else.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::bounded;

    fn told(code: &str, area: &str, number: &str) -> String {
        let country = Country { area: bounded(area.as_bytes()), ..Country::of(code).unwrap() };
        country.e164(number, None).map_or_else(|| number.to_owned(), |number| number.to_string())
    }

    #[test]
    fn the_plans_are_codes_and_none_twice() {
        assert!(PLANS.is_sorted_by(|one, two| one.0.to_string().len() <= two.0.to_string().len() && one.0 < two.0));
        for Plan(code, _, _, digits) in &PLANS {
            let country = Country::of(&code.to_string()).unwrap();
            assert!(country.code.len() + usize::from(*digits) <= 15, "{code}");
            assert!(country.trunk_prefix.is_empty() || is_digits(&country.trunk_prefix), "{code}");
            assert!(is_digits(&country.international_prefix), "{code}");
        }
        assert_eq!(Country::of("44").map(|usual| usual.trunk_prefix.to_string()).as_deref(), Some("0"));
        for code in ["", "0", "07", "1234", "RU", "++7", "7 "] {
            assert_eq!(Country::of(code), None, "{code}");
        }
    }

    #[test]
    fn russia() {
        for number in ["89161234567", "79161234567", "9161234567", "+79161234567"] {
            assert_eq!(told("7", "", number), "+79161234567", "{number}");
        }
        for (number, world) in [
            ("81049301234567", "+49301234567"),
            ("88005553535", "+78005553535"),
            ("8005553535", "+78005553535"),
            ("1234567", "1234567"),
            ("989161234567", "989161234567"),
            ("375291234567", "375291234567"),
            ("+375291234567", "+375291234567"),
            ("112", "112"),
            ("101", "101"),
            ("123456", "123456"),
            ("8916123456", "+78916123456"),
            ("*8101", "*8101"),
            ("+", "+"),
            ("+0123456789", "+0123456789"),
            ("", ""),
            ("891612345678901234567890", "891612345678901234567890"),
        ] {
            assert_eq!(told("7", "", number), world, "{number}");
        }
        assert_eq!(told("7", "495", "1234567"), "+74951234567");
        assert_eq!(told("7", "4922", "123456"), "+74922123456");
        assert_eq!(told("7", "4922", "101"), "101");
        assert_eq!(told("7", "495", "89161234567"), "+79161234567");
    }

    #[test]
    fn kazakhstan() {
        for number in ["87271234567", "77271234567", "7271234567", "+77271234567"] {
            assert_eq!(told("7", "", number), "+77271234567", "{number}");
        }
        assert_eq!(told("7", "727", "1234567"), "+77271234567");
    }

    #[test]
    fn germany() {
        for (number, world) in [
            ("0301234567", "+49301234567"),
            ("004930123456", "+4930123456"),
            ("0033142685300", "+33142685300"),
            ("4930123456", "+4930123456"),
            ("49301234", "49301234"),
            ("301234567", "301234567"),
            ("015112345678", "+4915112345678"),
            ("00", "00"),
            ("001234", "001234"),
            ("00123456", "00123456"),
            ("110", "110"),
        ] {
            assert_eq!(told("49", "", number), world, "{number}");
        }
        assert_eq!(told("49", "30", "49301234"), "+493049301234");
        assert_eq!(told("49", "30", "123456"), "123456");
    }

    #[test]
    fn the_united_states() {
        for number in ["12125550100", "2125550100", "+12125550100"] {
            assert_eq!(told("1", "", number), "+12125550100", "{number}");
        }
        assert_eq!(told("1", "", "01149301234567"), "+49301234567");
        assert_eq!(told("1", "212", "5550100"), "+12125550100");
        assert_eq!(told("1", "", "5550100"), "5550100");
        assert_eq!(told("1", "", "911"), "911");
    }

    #[test]
    fn countries_that_dial_nothing_before_a_national_number() {
        for (code, number, world) in [
            ("39", "0612345678", "+390612345678"),
            ("39", "3901234567", "+393901234567"),
            ("39", "390612345678", "+390612345678"),
            ("45", "12345678", "+4512345678"),
            ("45", "4512345678", "+4512345678"),
            ("420", "601123456", "+420601123456"),
            ("380", "0441234567", "+380441234567"),
            ("380", "441234567", "+380441234567"),
            ("375", "80291234567", "+375291234567"),
        ] {
            assert_eq!(told(code, "", number), world, "{code} {number}");
        }
    }

    #[test]
    fn a_context_completes_what_it_stands_beside() {
        let russia = Country::of("7").unwrap();
        let told = |number: &str, context: &str| russia.e164(number, Some(context)).unwrap_or_default();
        for (number, context, world) in [
            ("1234567", "7495", "+74951234567"),
            ("79161234567", "7", "+79161234567"),
            ("89161234567", "7", "+79161234567"),
            ("9161234567", "7", "+79161234567"),
            ("301234567", "49", "+49301234567"),
            ("49301234567", "49", "+49301234567"),
            ("0301234567", "49", ""),
            ("101", "7495", ""),
            ("101", "49", ""),
        ] {
            assert_eq!(told(number, context), world, "{number} {context}");
        }
    }

    #[test]
    fn national_spellings() {
        let national = |code: &str, told: &str| Country::of(code).unwrap().national(told);
        assert_eq!(national("7", "+74951110001"), "84951110001");
        assert_eq!(national("49", "+49301234567"), "0301234567");
        assert_eq!(national("7", "+49301234567"), "");
        assert_eq!(national("7", "101"), "");
    }
}
