//! Parameters as PHP reads them: the query string, a urlencoded form, a command of a batch.
//!
//! It stands alone because three places need the same odd rules: `a[b][]=1` nests, `+` is a space,
//! dots and spaces in a name become `_`, the last of two equal names wins.
//!
//! Bounds: [`limits::FORM_FIELDS`] pairs (the rest is dropped, as PHP's `max_input_vars` does) and
//! [`limits::FORM_DEPTH`] levels of brackets. Bytes that are not UTF-8 are replaced: a test that
//! wants to see what PHP does with them sends JSON.

use crate::limits;
use crate::value::Value;

/// Reads `a=1&b[x]=2` into a map.
pub(crate) fn parse(text: &str) -> Value {
    let mut root = Value::Map(Vec::new());
    for pair in text.split('&').filter(|pair| !pair.is_empty()).take(limits::FORM_FIELDS) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = path_of(&decode(name));
        insert(&mut root, &path, Value::Str(decode(value)));
    }
    listify(&mut root);
    root
}

/// Undoes percent-encoding, with `+` as a space. A broken escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => match escape(bytes.clone()) {
                Some(decoded) => {
                    out.push(decoded);
                    bytes.nth(1);
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes everything but letters, digits and `-_.~`.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn escape(mut rest: impl Iterator<Item = u8>) -> Option<u8> {
    let high = char::from(rest.next()?).to_digit(16)?;
    let low = char::from(rest.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// `a[b][]` as `["a", "b", ""]`.
fn path_of(name: &str) -> Vec<String> {
    let (head, mut rest) = match name.find('[') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    let mut path = vec![head.trim_start().replace(['.', ' '], "_")];
    while let Some((key, tail)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        if path.len() >= limits::FORM_DEPTH {
            break;
        }
        path.push(key.to_owned());
        rest = tail;
    }
    path
}

fn insert(target: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    let key = match (first.as_str(), &*target) {
        ("", Value::Map(pairs)) => pairs.len().to_string(),
        ("", _) => "0".to_owned(),
        (key, _) => key.to_owned(),
    };
    let mut inner = target.field(&key).cloned().unwrap_or(Value::Map(Vec::new()));
    insert(&mut inner, rest, value);
    target.set(&key, inner);
}

/// Turns every map whose keys are 0, 1, 2, … below the root into a list, as `json_encode` would.
fn listify(root: &mut Value) {
    let Value::Map(pairs) = root else { return };
    for (_, value) in pairs.iter_mut() {
        listify(value);
        if let Value::Map(inner) = value
            && inner.iter().enumerate().all(|(index, (key, _))| *key == index.to_string())
        {
            *value = Value::List(std::mem::take(inner).into_iter().map(|(_, item)| item).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_is_a_space() {
        assert_eq!(parse("PHONE_NUMBER=+7916&B=%2B7916").to_json(), r#"{"PHONE_NUMBER":" 7916","B":"+7916"}"#);
    }

    #[test]
    fn brackets_nest() {
        let value = parse("FILTER[%3ECALL_ID]=a&U[]=1&U[]=2&X[2]=z&start=50");
        assert_eq!(value.to_json(), r#"{"FILTER":{">CALL_ID":"a"},"U":["1","2"],"X":{"2":"z"},"start":"50"}"#);
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(decode("100%&%zz%4"), "100%&%zz%4");
        assert_eq!(decode("%D0%9F"), "П");
    }

    #[test]
    fn deep_brackets_are_cut_off() {
        let name = format!("a{}=1", "[x]".repeat(10_000));
        assert!(parse(&name).field("a").is_some());
    }
}
