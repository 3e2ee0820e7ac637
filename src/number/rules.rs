//! What an installation makes of the numbers of its clients, and which calls it keeps from its CRMs.
//!
//! Stands alone, and pure, because hint and record must agree: the tracker asks it at the one place where either is
//! built. Order: clean, rewrite (the first rule that fits, no other), E.164 by country, then the lists, which see the
//! number before and after. It acts on the client alone: lines keep the names that the CRM knows them by, and who
//! talked stays an extension. Calls between extensions are not touched. Without rules nothing is, beyond SIP
//! parameters.
//!
//! Bounds: [`NUMBER_REWRITES`](crate::limits::NUMBER_REWRITES) rules and
//! [`NUMBER_LIST`](crate::limits::NUMBER_LIST) entries in each list, tried one after the other; a number that would not
//! fit into [`NUMBER_BYTES`](crate::limits::NUMBER_BYTES) is left as it was.

use super::{Cleaned, Country, Entry, HIDDEN, Pattern, Spellings, is_in, without_parameters};
use crate::call::record::{Direction, Number, Withheld};
use crate::text::bounded;

/// One rewrite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// For calls of this direction; none: both.
    pub direction: Option<Direction>,
    /// What it fits.
    pub from: Pattern,
    /// What comes instead, `*` standing for what is kept; or [`HIDDEN`].
    pub to: Box<str>,
}

impl Rewrite {
    /// What becomes of `number`; none: the rule does not fit.
    fn apply(&self, direction: Direction, number: &str) -> Option<Number> {
        // A number that is whole already is only touched by a rule that says so.
        let is_meant = self.direction.is_none_or(|only| only == direction)
            && (self.from.is_international() || !number.starts_with('+'));
        let kept = self.from.kept(number).filter(|_| is_meant)?;
        if &*self.to == HIDDEN {
            return Some(Number::new());
        }
        let mut rewritten = Number::new();
        let fits = self.to.chars().all(|c| {
            let put = if c == '*' { rewritten.push_str(kept) } else { rewritten.push(c) };
            put.is_ok()
        });
        Some(if fits { rewritten } else { bounded(number.as_bytes()) })
    }
}

/// The rules of one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// In their order.
    pub rewrites: Vec<Rewrite>,
    /// None: numbers are not completed.
    pub country: Option<Country>,
    /// Numbers of the office itself.
    pub own: Vec<Entry>,
    /// Only calls with these clients are posted; empty: with all.
    pub only_clients: Vec<Entry>,
    /// Calls with these are not.
    pub not_clients: Vec<Entry>,
    /// Only calls on these lines are posted; empty: on all.
    pub only_lines: Vec<Entry>,
    /// Calls on these are not.
    pub not_lines: Vec<Entry>,
}

/// A call with the outside, as the PBX tells it.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// Whose call.
    pub direction: Direction,
    /// The client's number with its parameters; empty when hidden.
    pub client: &'a str,
    /// DID, else the trunk's name.
    pub line: &'a str,
    /// The trunk's name.
    pub trunk: &'a str,
}

impl Rules {
    /// The client's number as it is told, and why the call is kept from the CRMs, if it is.
    pub fn judge(&self, call: Outside<'_>) -> (Number, Option<Withheld>) {
        if call.direction == Direction::Internal || self.are_none() {
            return (bounded(without_parameters(call.client.as_bytes())), None);
        }
        let cleaned = Cleaned::of(call.client);
        let told = self.tell(call.direction, &cleaned);
        let national = self.country.as_ref().map(|country| country.national(&told)).unwrap_or_default();
        let client = Spellings { told: &told, raw: &cleaned.number, national: &national };
        let withheld = self.withhold(call, client);
        (told, withheld)
    }

    fn are_none(&self) -> bool {
        let lists = [&self.own, &self.only_clients, &self.not_clients, &self.only_lines, &self.not_lines];
        self.rewrites.is_empty() && self.country.is_none() && lists.iter().all(|list| list.is_empty())
    }

    fn tell(&self, direction: Direction, cleaned: &Cleaned) -> Number {
        let number = &cleaned.number;
        let mut rules = self.rewrites.iter().filter(|_| cleaned.is_dialled);
        let rewritten = rules.find_map(|rule| rule.apply(direction, number));
        let context = cleaned.context.as_deref().filter(|_| rewritten.is_none());
        let number = rewritten.as_ref().unwrap_or(number);
        let whole = self.country.as_ref().and_then(|country| country.e164(number, context));
        whole.unwrap_or_else(|| number.clone())
    }

    fn withhold(&self, call: Outside<'_>, client: Spellings<'_>) -> Option<Withheld> {
        let is_passed = |only: &[Entry]| only.is_empty() || is_in(only, client);
        if is_in(&self.own, client) {
            Some(Withheld::Own)
        } else if is_in(&self.not_clients, client) || !is_passed(&self.only_clients) {
            Some(Withheld::Client)
        } else {
            (!self.is_line_posted(call)).then_some(Withheld::Line)
        }
    }

    /// An outbound call has no DID: where only DIDs are listed it passes.
    fn is_line_posted(&self, call: Outside<'_>) -> bool {
        if self.only_lines.is_empty() && self.not_lines.is_empty() {
            return true;
        }
        // A trunk may be named by its number.
        let is_listed = |list: &[Entry]| self.is_line_in(list, call.line) || self.is_line_in(list, call.trunk);
        let names_no_trunk = !self.only_lines.iter().any(Entry::is_name);
        let is_passed = self.only_lines.is_empty()
            || call.direction == Direction::Outbound && names_no_trunk
            || is_listed(&self.only_lines);
        is_passed && !is_listed(&self.not_lines)
    }

    fn is_line_in(&self, list: &[Entry], line: &str) -> bool {
        let (told, national) = match &self.country {
            Some(country) => country.spelled(line),
            None => Default::default(),
        };
        let told = if told.is_empty() { line } else { told.as_str() };
        is_in(list, Spellings { told, raw: line, national: &national })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NUMBER_BYTES;

    fn entries(list: &[&str]) -> Vec<Entry> {
        list.iter().map(|entry| Entry::parse(entry).unwrap()).collect()
    }

    fn rewrite(direction: Option<Direction>, from: &str, to: &str) -> Rewrite {
        Rewrite { direction, from: Pattern::parse(from).unwrap(), to: to.into() }
    }

    fn call(direction: Direction, client: &str) -> Outside<'_> {
        Outside { direction, client, line: "74951110001", trunk: "mts" }
    }

    fn inbound(rules: &Rules, client: &str) -> (String, Option<Withheld>) {
        let (told, withheld) = rules.judge(call(Direction::Inbound, client));
        (told.to_string(), withheld)
    }

    fn russia() -> Rules {
        Rules { country: Country::of("7"), ..Rules::default() }
    }

    #[test]
    fn without_rules_numbers_go_as_the_pbx_tells_them() {
        for number in ["89161234567", "8 (916) 123", "", "ivan"] {
            assert_eq!(inbound(&Rules::default(), number), (number.to_owned(), None));
        }
        assert_eq!(inbound(&Rules::default(), "7916;phone-context=+7").0, "7916");
    }

    #[test]
    fn the_first_rule_that_fits_is_applied_before_the_country() {
        let rules = Rules {
            rewrites: vec![
                rewrite(Some(Direction::Outbound), "9|.", "*"),
                rewrite(Some(Direction::Inbound), "98XXXXXXXXXX", "8*"),
                rewrite(None, "98*", "0"),
                rewrite(None, "0000000", HIDDEN),
                rewrite(None, "+8|XXXXXXXXXX", "+7*"),
                rewrite(None, "55X*", "111111111111111111111111*"),
            ],
            ..russia()
        };
        let told = |direction, number| rules.judge(call(direction, number)).0.to_string();
        for (direction, number, is) in [
            (Direction::Outbound, "989161234567", "+79161234567"),
            (Direction::Inbound, "989161234567", "+79161234567"),
            (Direction::Inbound, "98916", "0"),
            (Direction::Inbound, "0000000", ""),
            (Direction::Inbound, "+89161234567", "+79161234567"),
            (Direction::Inbound, "551234567890", "551234567890"),
            (Direction::Inbound, "1234567;phone-context=+7495", "+74951234567"),
            (Direction::Inbound, "tel:8-916-123-45-67", "+79161234567"),
            (Direction::Inbound, "ivan", "ivan"),
            (Direction::Internal, "98916", "98916"),
        ] {
            assert_eq!(told(direction, number), is, "{direction:?} {number}");
        }
    }

    #[test]
    fn own_numbers_and_listed_clients_are_withheld_in_any_spelling() {
        let rules = Rules {
            rewrites: vec![rewrite(None, "0000000", HIDDEN)],
            own: entries(&["8495111*", "+79160000001"]),
            not_clients: entries(&["7800.", "hidden", "taxi*"]),
            ..russia()
        };
        for (number, withheld) in [
            ("4951110002", Some(Withheld::Own)),
            ("+74951110002", Some(Withheld::Own)),
            ("89160000001", Some(Withheld::Own)),
            ("9160000001", Some(Withheld::Own)),
            ("88005553535", Some(Withheld::Client)),
            ("", Some(Withheld::Client)),
            ("0000000", Some(Withheld::Client)),
            ("taxi-1", Some(Withheld::Client)),
            ("89160000002", None),
        ] {
            assert_eq!(inbound(&rules, number).1, withheld, "{number}");
        }
        let rules = Rules { only_clients: entries(&["7495*"]), not_clients: entries(&["74950*"]), ..russia() };
        for (number, withheld) in
            [("84951112233", None), ("84950001122", Some(Withheld::Client)), ("", Some(Withheld::Client))]
        {
            assert_eq!(inbound(&rules, number).1, withheld, "{number}");
        }
    }

    #[test]
    fn lines_are_judged_by_did_or_trunk() {
        let judged = |only: &[&str], not: &[&str], direction, line: &str| {
            let rules = Rules { only_lines: entries(only), not_lines: entries(not), ..russia() };
            rules.judge(Outside { direction, client: "89161234567", line, trunk: "mts" }).1.is_none()
        };
        let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
        for (only, not, direction, line, is_posted) in [
            (&["84951110001"] as &[&str], &[] as &[&str], inbound, "74951110001", true),
            (&["84951110001"], &[], inbound, "74951110002", false),
            (&["84951110001"], &[], inbound, "mts", false),
            (&["84951110001"], &[], outbound, "mts", true),
            (&["84951110001", "mts"], &[], inbound, "74951110002", true),
            (&["84951110001", "beeline"], &[], outbound, "mts", false),
            (&[], &["mts"], outbound, "mts", false),
            (&[], &["mts"], inbound, "74951110001", false),
            (&[], &["74951110001"], inbound, "4951110001", false),
            (&[], &["74951110001"], outbound, "mts", true),
        ] {
            assert_eq!(judged(only, not, direction, line), is_posted, "{only:?} {not:?} {direction:?} {line}");
        }
    }

    /// What the rules tell is told the same when it comes back, and nothing that a PBX may say makes them panic.
    #[test]
    fn telling_is_idempotent_and_never_panics() {
        let mut random = fastrand::Rng::with_seed(1);
        let signs: Vec<char> = "0123456789012345678901234567890+*#-() ;@.:=,телphone-context=+ip".chars().collect();
        let countries = ["1", "7", "39", "49", "375", "420", "852"];
        for _ in 0..200_000 {
            let text: String = (0..random.usize(0..40)).map(|_| signs[random.usize(0..signs.len())]).collect();
            let text = if random.bool() { text } else { text.chars().filter(char::is_ascii_digit).take(13).collect() };
            let number: Number = bounded(text.as_bytes());
            let number: Number = match random.u8(0..8) {
                0 => bounded(format!("{};phone-context=+{}", &number, random.u16(..)).as_bytes()),
                1 => bounded(format!("+{number}").as_bytes()),
                2 => bounded(format!("8{number}").as_bytes()),
                _ => number,
            };
            let mut country = Country::of(countries[random.usize(0..countries.len())]).unwrap();
            country.area = bounded(["", "495", "30", "4922"][random.usize(0..4)].as_bytes());
            let rules = Rules {
                country: Some(country),
                own: entries(&["7495*", "8[1-3]X."]),
                rewrites: vec![rewrite(None, "98XXXXXXXXXX", "+7*")],
                ..Rules::default()
            };
            let told = rules.judge(call(Direction::Inbound, &number)).0;
            assert!(told.len() <= NUMBER_BYTES);
            if Cleaned::of(&number).number.starts_with("98") {
                continue; // what a rewrite makes may be rewritten again: it is applied once
            }
            assert_eq!(rules.judge(call(Direction::Inbound, &told)).0, told, "{number}");
        }
    }
}
