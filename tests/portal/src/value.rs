//! A value as the portal sees it: the arrays of PHP, in which order is kept, a list and a map are
//! nearly the same thing, and an empty map leaves as `[]`.
//!
//! It stands alone, and is not `serde_json::Value`, for two reasons. The order of the commands of a
//! batch is the order in which they run, so maps must keep it; and switching on serde_json's
//! `preserve_order` here would switch it on for the program under test as well and hide the very
//! mistake the tests look for. Casts (`(int)`, `(bool)`, `(string)`) follow PHP 8.
//!
//! Bounds: depth of parsed JSON is serde_json's 128 levels; sizes are those of the request body.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One value of a request or an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// PHP's `null`; also what a missing parameter is.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text, always UTF-8.
    Str(String),
    /// An array whose keys are 0, 1, 2, …
    List(Vec<Value>),
    /// An array with text keys, in order. Leaves as `[]` when empty, as PHP does.
    Map(Vec<(String, Value)>),
    /// The `{}` that a PHP object without public fields becomes (a date object, for one).
    EmptyObject,
}

impl Value {
    /// A map of the given pairs, in this order.
    pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The value under `key`; `None` when this is not a map, or has no such key.
    pub fn field(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::List(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        }
    }

    /// The value under `key`, with a missing one read as null.
    pub fn at(&self, key: &str) -> &Value {
        const MISSING: &Value = &Value::Null;
        self.field(key).unwrap_or(MISSING)
    }

    /// Sets `key`, in place when it is there already. Anything that is not a map becomes one.
    pub fn set(&mut self, key: &str, value: Value) {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        if let Self::Map(pairs) = self {
            match pairs.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None => pairs.push((key.to_owned(), value)),
            }
        }
    }

    /// PHP's `isset`: present and not null.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Null)
    }

    /// PHP's `is_array`.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// The pairs of an array; a list has its indices as keys. Nothing for a scalar.
    pub fn pairs(&self) -> Vec<(String, &Value)> {
        match self {
            Self::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Self::List(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => Vec::new(),
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// PHP's `(int)`: leading digits of a text, 1 for a full array, 0 for anything else.
    pub fn to_int(&self) -> i64 {
        match self {
            Self::Null | Self::EmptyObject => 0,
            Self::Bool(flag) => i64::from(*flag),
            Self::Int(number) => *number,
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what a test wants to see")]
            Self::Float(number) => *number as i64,
            Self::Str(text) => leading_int(text),
            Self::List(items) => i64::from(!items.is_empty()),
            Self::Map(pairs) => i64::from(!pairs.is_empty()),
        }
    }

    /// PHP's `(bool)`: everything but null, false, 0, "", "0" and an empty array.
    pub fn to_bool(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty() && text != "0",
            Self::List(items) => !items.is_empty(),
            Self::Map(pairs) => !pairs.is_empty(),
            Self::EmptyObject => true,
        }
    }

    /// PHP's `(string)`: true is "1", false and null are "", an array is "Array".
    pub fn to_text(&self) -> String {
        match self {
            Self::Null | Self::Bool(false) => String::new(),
            Self::Bool(true) => "1".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Str(text) => text.clone(),
            Self::List(_) | Self::Map(_) | Self::EmptyObject => "Array".to_owned(),
        }
    }

    /// Reads a JSON text. `None` where PHP's `json_decode` would give null: bad syntax or bad UTF-8.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Writes JSON the way PHP does: `/` escaped, an empty map as `[]`.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Int(number) => write_number(out, number),
            Self::Float(number) if number.is_finite() => write_number(out, number),
            Self::Float(_) => out.push('0'),
            Self::Str(text) => write_json_text(text, out),
            Self::List(items) => write_list(items, out),
            Self::Map(pairs) if pairs.is_empty() => out.push_str("[]"),
            Self::Map(pairs) => write_map(pairs, out),
            Self::EmptyObject => out.push_str("{}"),
        }
    }
}

/// Compact JSON, for logs and failure messages.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json().replace("\\/", "/"))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "PHP turns a too large integer into a float as well")]
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Str(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Value::Map(Vec::new());
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            map.set(&key, value);
        }
        Ok(map)
    }
}

fn leading_int(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let size = digits.get(..end).unwrap_or_default();
    let number = if size.is_empty() { 0 } else { size.parse().unwrap_or(i64::MAX) };
    if negative { -number } else { number }
}

fn write_number(out: &mut String, number: impl fmt::Display) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{number}");
}

fn write_list(items: &[Value], out: &mut String) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item.write_json(out);
    }
    out.push(']');
}

fn write_map(pairs: &[(String, Value)], out: &mut String) {
    out.push('{');
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_json_text(key, out);
        out.push(':');
        value.write_json(out);
    }
    out.push('}');
}

fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn order_of_a_json_object_survives() {
        let value = Value::from_json(br#"{"z":1,"a":{"y":[],"b":null},"m":"x"}"#).unwrap();
        assert_eq!(value.to_json(), r#"{"z":1,"a":{"y":[],"b":null},"m":"x"}"#);
    }

    #[test]
    fn empty_map_leaves_as_list_and_slash_is_escaped() {
        let value = Value::map([("m", Value::Map(vec![])), ("u", "https://x/".into()), ("d", Value::EmptyObject)]);
        assert_eq!(value.to_json(), r#"{"m":[],"u":"https:\/\/x\/","d":{}}"#);
    }

    #[test]
    fn casts_are_those_of_php() {
        assert_eq!(Value::from("12abc").to_int(), 12);
        assert_eq!(Value::from("abc").to_int(), 0);
        assert_eq!(Value::from("-7").to_int(), -7);
        assert!(Value::from("N").to_bool());
        assert!(Value::from("false").to_bool());
        assert!(!Value::from("0").to_bool());
        assert_eq!(Value::from(true).to_text(), "1");
    }

    #[test]
    fn malformed_json_is_nothing() {
        assert_eq!(Value::from_json(b"{\"a\":"), None);
        assert_eq!(Value::from_json(b"{\"a\":\"\xff\"}"), None);
    }
}
