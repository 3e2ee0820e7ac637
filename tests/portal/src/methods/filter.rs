//! Filters of lists: `{">=ID": 5, "@CALL_ID": ["a", "b"], "!UF_PHONE_INNER": ""}`.
//!
//! It stands alone because its silences are traps: a key that is no field, an operator that is not
//! known and an empty array are dropped, and what is left may be everything.
//!
//! Comparison is as numbers where both sides are numbers, as text without regard to case otherwise;
//! `null` equals a missing or empty field.

use std::cmp::Ordering;

use crate::value::Value;

/// The operators, longest first.
const OPERATORS: &[&str] = &["!><", "!%", "!=", "!@", "><", ">=", "<=", "=%", "%=", "@", "!", "=", ">", "<", "%", ""];

/// The tests that are left of a filter. `field` gives the canonical name of a known field.
pub(super) struct Filter {
    tests: Vec<Test>,
}

struct Test {
    operator: &'static str,
    field: &'static str,
    value: Value,
}

impl Filter {
    /// Reads a filter; anything that is not an array is an empty one.
    pub(super) fn new(filter: &Value, fields: &[&'static str]) -> Self {
        let tests = filter.pairs().into_iter().filter_map(|(key, value)| test(&key.to_uppercase(), value, fields));
        Self { tests: tests.collect() }
    }

    /// Rewrites the values of one field, such as dates, before they are compared.
    pub(super) fn rewrite(&mut self, field: &str, rewrite: impl Fn(&Value) -> Value) {
        for test in self.tests.iter_mut().filter(|test| test.field == field) {
            test.value = match &test.value {
                Value::List(items) => Value::List(items.iter().map(&rewrite).collect()),
                single => rewrite(single),
            };
        }
    }

    /// Whether a row passes; `of` gives the value of a field.
    pub(super) fn passes(&self, of: impl Fn(&str) -> Value) -> bool {
        self.tests.iter().all(|test| test.passes(&of(test.field)))
    }
}

impl Test {
    fn passes(&self, actual: &Value) -> bool {
        let plain = self.operator.trim_start_matches('!');
        let any = |check: &dyn Fn(&Value) -> bool| match &self.value {
            Value::List(items) => items.iter().any(check),
            single => check(single),
        };
        let passes = match plain {
            ">" => any(&|wanted| compare(actual, wanted).is_gt()),
            ">=" => any(&|wanted| compare(actual, wanted).is_ge()),
            "<" => any(&|wanted| compare(actual, wanted).is_lt()),
            "<=" => any(&|wanted| compare(actual, wanted).is_le()),
            "><" => self.between(actual),
            "%" | "=%" | "%=" => any(&|wanted| contains(actual, wanted)),
            _ => any(&|wanted| compare(actual, wanted).is_eq()),
        };
        passes != self.operator.starts_with('!')
    }

    fn between(&self, actual: &Value) -> bool {
        match &self.value {
            Value::List(ends) => match ends.as_slice() {
                [low, high] => compare(actual, low).is_ge() && compare(actual, high).is_le(),
                _ => false,
            },
            _ => false,
        }
    }
}

fn test(key: &str, value: &Value, fields: &[&'static str]) -> Option<Test> {
    let at = key.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(key.len());
    let (operator, name) = key.split_at_checked(at)?;
    let operator = OPERATORS.iter().find(|known| **known == operator)?;
    let field = fields.iter().find(|field| **field == name)?;
    let value = match value {
        Value::Map(pairs) => Value::List(pairs.iter().map(|(_, item)| item.clone()).collect()),
        other => other.clone(),
    };
    // An empty array is no filter at all.
    let empty = matches!(&value, Value::List(items) if items.is_empty());
    (!empty).then_some(Test { operator, field, value })
}

fn compare(actual: &Value, wanted: &Value) -> Ordering {
    let (left, right) = (actual.to_text(), wanted.to_text());
    match (left.trim().parse::<f64>(), right.trim().parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.to_lowercase().cmp(&right.to_lowercase()),
    }
}

/// `%` in the pattern is a wildcard only at its ends here, which is how it is used.
fn contains(actual: &Value, wanted: &Value) -> bool {
    actual.to_text().to_lowercase().contains(wanted.to_text().trim_matches('%').to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[&str] = &["ID", "CALL_ID", "NOTE"];

    fn passes(filter: Value) -> bool {
        let of = |field: &str| match field {
            "ID" => "7".into(),
            "CALL_ID" => "externalCall.a".into(),
            _ => Value::Null,
        };
        Filter::new(&filter, FIELDS).passes(of)
    }

    #[test]
    fn operators_are_prefixes() {
        for (key, value, expected) in [
            ("ID", "7", true),
            ("=id", "7", true),
            ("!ID", "7", false),
            (">ID", "6", true),
            (">ID", "10", false),
            ("<=ID", "7", true),
            ("%CALL_ID", "CALL", true),
            ("!NOTE", "", false),
            ("NOTE", "", true),
        ] {
            assert_eq!(passes(Value::map([(key, value.into())])), expected, "{key} {value}");
        }
    }

    #[test]
    fn arrays_mean_any_of_them() {
        let ids = |a: &str, b: &str| Value::List(vec![a.into(), b.into()]);
        assert!(passes(Value::map([("ID", ids("6", "7"))])));
        assert!(!passes(Value::map([("ID", ids("6", "8"))])));
        assert!(passes(Value::map([("!@ID", ids("6", "8"))])));
        assert!(passes(Value::map([("><ID", ids("6", "8"))])));
    }

    #[test]
    fn what_is_not_understood_is_dropped() {
        assert!(passes(Value::map([("CALLID", "nothing".into())])));
        assert!(passes(Value::map([("~ID", "nothing".into())])));
        assert!(passes(Value::map([("ID", Value::List(vec![]))])));
        assert!(passes(Value::Str("ID=9".to_owned())));
    }
}
