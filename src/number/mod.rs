//! Telephone numbers as a PBX spells them: hidden or not, dialled or not, the same or not.
//!
//! Stands alone because both sides of the journal ask these questions. Works on bytes, keeps nothing. What an
//! installation makes of numbers before they are told is in [`rules`]: patterns, E.164 by country, lists.

mod country;
mod pattern;
pub mod rules;

pub use country::{Country, Prefix, is_digits};
pub use pattern::{Entry, Fault, HIDDEN, Pattern, Spellings, is_in, is_separator};

use crate::call::record::Number;
use crate::limits::NUMBER_BYTES;
use crate::text::bounded;

/// Whether a caller's number says "hidden" in one of the spellings that Asterisk and the boxes around it use.
pub fn is_hidden(number: &[u8]) -> bool {
    const HIDDEN: [&[u8]; 10] = [
        b"anonymous",
        b"restricted",
        b"unavailable",
        b"unknown",
        b"private",
        b"withheld",
        b"blocked",
        b"asterisk",
        b"s",
        b"invalid",
    ];
    number.is_empty() || HIDDEN.iter().any(|word| number.eq_ignore_ascii_case(word))
}

/// Whether this is something a person dials: digits, `+`, `*`, `#` with at least one digit, `;` parameters aside.
pub fn is_dialled(number: &[u8]) -> bool {
    let number = without_parameters(number);
    number.iter().any(u8::is_ascii_digit)
        && number.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'*' | b'#' | b'-' | b'(' | b')' | b' '))
}

/// The number without SIP parameters: `79161234567;phone-context=+7` is `79161234567`.
pub fn without_parameters(number: &[u8]) -> &[u8] {
    number.split(|b| *b == b';').next().unwrap_or(number)
}

/// The number without the `+` that it may begin with.
pub(crate) fn bare_of_plus(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// A number without what a PBX or a telephone puts around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Digits, `*`, `#` and a leading `+`; or the name of a SIP user as it is.
    pub number: Number,
    /// The digits of the `+…` that a SIP address gives beside it.
    pub context: Option<Number>,
    /// It is something that a person dials.
    pub is_dialled: bool,
}

impl Cleaned {
    /// Takes off scheme, host and parameters, and separators if that leaves something that a person dials.
    pub fn of(told: &str) -> Self {
        let mut parts = told.split(';');
        let address = parts.next().unwrap_or_default();
        let context = parts.find_map(|part| part.strip_prefix("phone-context=+")).map(digits);
        // A text that fills its bound may have been cut in the middle of its context.
        let context = context.filter(|context| !context.is_empty() && told.len() < NUMBER_BYTES);
        let address = address.split('@').next().unwrap_or_default();
        let user = address.rsplit(':').next().unwrap_or_default().as_bytes();
        let mut kept: Vec<u8> = user.iter().copied().filter(|b| !is_separator(*b)).collect();
        let is_dialled = is_dialled(user) && !kept.iter().skip(1).any(|b| *b == b'+');
        if !is_dialled {
            kept = user.to_vec();
        }
        Self { number: bounded(&kept), context: context.filter(|_| is_dialled), is_dialled }
    }
}

fn digits(text: &str) -> Number {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    bounded(&digits)
}

/// How many of the last digits of both numbers agree.
fn common_tail(one: &[u8], two: &[u8]) -> usize {
    let digits = |n: &'_ [u8]| -> Vec<u8> { n.iter().copied().filter(u8::is_ascii_digit).collect() };
    digits(one).iter().rev().zip(digits(two).iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Whether two spellings can be the same telephone: equal, or their last seven digits agree (prefixes, `+7` and `8`).
pub fn is_same(one: &[u8], two: &[u8]) -> bool {
    one == two || common_tail(one, two) >= 7
}

/// The telephone number in what was handed to Dial: `trunk/8916…`, `8916…@trunk`, `SIP/trunk/8916…,60`, `101`.
/// None if no part of it is a number.
pub fn in_dial_string(dial_string: &[u8]) -> Option<&[u8]> {
    let target = dial_string.split(|b| matches!(b, b',' | b'|' | b'^')).next()?;
    target.split(|b| *b == b'/').rev().find_map(|part| {
        let user = part.split(|b| *b == b'@').next().unwrap_or(part);
        let user = user.strip_prefix(b"sip:").unwrap_or(user);
        is_dialled(user).then_some(user)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_numbers_in_their_spellings() {
        for hidden in ["", "anonymous", "Anonymous", "Restricted", "unavailable", "asterisk", "s", "UNKNOWN"] {
            assert!(is_hidden(hidden.as_bytes()), "{hidden}");
        }
        assert!(!is_hidden(b"79161234567"));
        assert!(!is_hidden(b"101"));
    }

    #[test]
    fn dialled_numbers() {
        for yes in ["79161234567", "+7 (916) 123-45-67", "*8", "101", "7916;phone-context=+7"] {
            assert!(is_dialled(yes.as_bytes()), "{yes}");
        }
        for no in ["", "s", "h", "*", "from-trunk", "1-dial"] {
            assert!(!is_dialled(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn numbers_in_dial_strings() {
        let found = |s: &'static str| in_dial_string(s.as_bytes()).map(|n| std::str::from_utf8(n).unwrap_or(""));
        assert_eq!(found("trunk/89161234567"), Some("89161234567"));
        assert_eq!(found("89161234567@trunk"), Some("89161234567"));
        assert_eq!(found("trunk/sip:89161234567@10.0.0.1:5060,60,tT"), Some("89161234567"));
        assert_eq!(found("101@from-internal/n"), Some("101"));
        assert_eq!(found("trunk"), None);
    }

    #[test]
    fn cleaned_numbers() {
        for (told, number, context) in [
            ("+7 (916) 123-45-67", "+79161234567", None),
            ("(916) 123", "916123", None),
            ("tel:+7-916-123-45-67", "+79161234567", None),
            ("SIP:8916@provider.example", "8916", None),
            ("79161234567;phone-context=+7", "79161234567", Some("7")),
            ("1234567;phone-context=+7-495", "1234567", Some("7495")),
            ("1234567;phone-context=office.lan", "1234567", None),
            ("12345678901;phone-context=+749512", "12345678901", None),
            ("*8101", "*8101", None),
            ("ivan.petrov-2", "ivan.petrov-2", None),
            ("8+7916", "8+7916", None),
            (" (+7) 916", "+7916", None),
            ("жуткий;x", "жуткий", None),
            ("", "", None),
            ("+", "+", None),
        ] {
            let cleaned = Cleaned::of(told);
            assert_eq!((cleaned.number.as_str(), cleaned.context.as_deref()), (number, context), "{told}");
            assert_eq!(Cleaned::of(&cleaned.number).number, cleaned.number, "{told}");
        }
    }

    #[test]
    fn the_same_telephone_with_and_without_prefix() {
        assert!(is_same(b"+79161234567", b"89161234567"));
        assert!(is_same(b"102", b"102"));
        assert!(!is_same(b"102", b"101"));
        assert!(!is_same(b"74951110001", b"74951110002"));
    }
}
