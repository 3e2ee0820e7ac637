//! `batch`: commands in order, references to what earlier ones returned, five maps for an answer.
//!
//! Pure: the caller gives a function that runs one command. The substitution of references follows
//! the server's regular expression and its oddities: a reference swallows everything up to white
//! space, one that does not resolve gives the last level that did, and one inside a longer text is
//! left as it stands unless it gives a text or a number.
//!
//! Bounds: [`limits::BATCH_COMMANDS`] run; each one above fails.

use crate::form;
use crate::limits;
use crate::methods::{Done, Failure};
use crate::value::Value;

/// What became of one command.
pub(crate) struct Ran {
    pub(crate) outcome: Result<Done, Failure>,
    /// `error` as it is sent, should it have failed.
    pub(crate) error: &'static str,
    pub(crate) time: Option<Value>,
}

/// Names of the maps in references.
const MAPS: [&str; 5] = ["result", "next", "total", "time", "error"];

/// Runs the commands in `params`; `run` gets key, method and parameters of each.
pub(crate) fn batch(params: &Value, run: &mut dyn FnMut(&str, &str, Value) -> Ran) -> Value {
    let at = |name: &str| {
        let pairs = params.pairs();
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(Value::Null, |(_, v)| v.clone())
    };
    let halt = at("halt").to_bool();
    let mut maps = Value::Map(MAPS.iter().map(|name| ((*name).to_owned(), Value::Map(Vec::new()))).collect());
    for (index, (key, command)) in at("cmd").pairs().into_iter().enumerate() {
        let Some(command) = command.as_str() else { continue };
        let ran = if index < limits::BATCH_COMMANDS {
            run_one(&key, command, &maps, run)
        } else {
            refused("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
        };
        let failed = ran.outcome.is_err();
        put(&mut maps, &key, ran);
        if failed && halt {
            break;
        }
    }
    answer(&maps)
}

fn run_one(key: &str, command: &str, maps: &Value, run: &mut dyn FnMut(&str, &str, Value) -> Ran) -> Ran {
    // What follows a `#` is the fragment of a URL, and is lost.
    let url = command.split('#').next().unwrap_or_default();
    let (method, query) = url.split_once('?').unwrap_or((url, ""));
    if ["batch", "upload", "download"].contains(&method.to_ascii_lowercase().as_str()) {
        return refused("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage");
    }
    run(key, method, resolve_all(&form::parse(query), maps))
}

fn refused(code: &'static str, text: &str) -> Ran {
    Ran { outcome: Err(Failure::named(400, code, text)), error: code, time: None }
}

fn put(maps: &mut Value, key: &str, ran: Ran) {
    let mut set = |map: &str, value: Value| {
        let mut inner = maps.at(map).clone();
        inner.set(key, value);
        maps.set(map, inner);
    };
    match ran.outcome {
        Ok(done) => {
            set("result", done.result);
            if let Some(total) = done.total {
                set("total", total.into());
            }
            if let Some(next) = done.next {
                set("next", next.into());
            }
        }
        Err(failure) => {
            let error = [("error", ran.error.into()), ("error_description", failure.text.into())];
            set("error", Value::map(error));
        }
    }
    if let Some(time) = ran.time {
        set("time", time);
    }
}

fn answer(maps: &Value) -> Value {
    let of = |map: &str| as_php(maps.at(map));
    Value::map([
        ("result", of("result")),
        ("result_error", of("error")),
        ("result_total", of("total")),
        ("result_next", of("next")),
        ("result_time", of("time")),
    ])
}

/// A map whose keys are 0, 1, 2, … leaves as a list.
fn as_php(map: &Value) -> Value {
    match map {
        Value::Map(pairs) if pairs.iter().enumerate().all(|(index, (key, _))| *key == index.to_string()) => {
            Value::List(pairs.iter().map(|(_, value)| value.clone()).collect())
        }
        other => other.clone(),
    }
}

fn resolve_all(value: &Value, maps: &Value) -> Value {
    match value {
        Value::Str(text) => resolve(text, maps),
        Value::List(items) => Value::List(items.iter().map(|item| resolve_all(item, maps)).collect()),
        Value::Map(pairs) => {
            Value::Map(pairs.iter().map(|(key, item)| (key.clone(), resolve_all(item, maps))).collect())
        }
        other => other.clone(),
    }
}

fn resolve(text: &str, maps: &Value) -> Value {
    let mut out = text.to_owned();
    for (reference, map, path) in references(text) {
        let keys = keys(path);
        if keys.is_empty() {
            continue;
        }
        let found = walk(maps.at(map), &keys);
        if reference == text {
            return found;
        }
        match found {
            Value::Str(found) => out = out.replace(reference, &found),
            Value::Int(_) | Value::Float(_) => out = out.replace(reference, &found.to_text()),
            _ => {}
        }
    }
    Value::Str(out)
}

/// Every `$result…` up to white space: the whole, the name of the map as written, the rest.
fn references(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let tail = rest.get(at..).unwrap_or_default();
        let name = tail.get(1..).unwrap_or_default();
        let map = MAPS.iter().find(|map| name.get(..map.len()).is_some_and(|start| start.eq_ignore_ascii_case(map)));
        let Some(map) = map else {
            rest = name;
            continue;
        };
        let end = tail.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tail.len());
        let (whole, after) = tail.split_at(end);
        let (name, path) = whole.get(1..).unwrap_or_default().split_at(map.len());
        found.push((whole, name, path));
        rest = after;
    }
    found
}

/// The keys in `[a][b]`; anything between the brackets is passed over.
fn keys(path: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = path;
    while let Some((_, inner)) = rest.split_once('[') {
        let Some((key, after)) = inner.split_once(']') else { break };
        if !key.is_empty() {
            keys.push(key);
        }
        rest = after;
    }
    keys
}

/// Goes down as far as there is something.
fn walk(map: &Value, keys: &[&str]) -> Value {
    let mut level = map;
    for key in keys {
        match level.field(key) {
            Some(inner) if inner.is_set() => level = inner,
            _ => break,
        }
    }
    level.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps() -> Value {
        let register = Value::map([("CALL_ID", "externalCall.x".into()), ("N", Value::Int(7)), ("E", Value::Null)]);
        Value::map([("result", Value::map([("r1", register)])), ("error", Value::Map(vec![]))])
    }

    #[test]
    fn a_whole_reference_keeps_its_type() {
        assert_eq!(resolve("$result[r1][CALL_ID]", &maps()), Value::from("externalCall.x"));
        assert_eq!(resolve("$result[r1][N]", &maps()), Value::Int(7));
        assert!(resolve("$result[r1]", &maps()).is_array());
    }

    #[test]
    fn one_that_does_not_resolve_gives_the_last_level() {
        assert_eq!(resolve("$result[r2][CALL_ID]", &maps()), maps().at("result").clone());
        assert_eq!(resolve("$result[r1][MISSING]", &maps()), maps().at("result").at("r1").clone());
        assert!(resolve("$result[r1][E]", &maps()).is_array());
    }

    #[test]
    fn inside_a_text_it_swallows_up_to_white_space() {
        assert_eq!(resolve("a $result[r1][N],b c", &maps()), Value::from("a 7 c"));
        assert_eq!(resolve("see $result[r9][X] there", &maps()), Value::from("see $result[r9][X] there"));
        assert_eq!(resolve("costs $5 and $result", &maps()), Value::from("costs $5 and $result"));
    }

    #[test]
    fn text_of_a_caller_is_substituted_too() {
        let mut seen = vec![];
        let commands = Value::map([("b", "m?NAME=%24result%5Ba%5D".into())]);
        batch(&Value::map([("CMD", commands)]), &mut |_, _, params| {
            seen.push(params);
            Ran { outcome: Ok(Value::Null.into()), error: "", time: None }
        });
        assert!(seen.iter().all(|params| params.at("NAME").is_array()));
    }

    #[test]
    fn order_is_kept_and_the_fifty_first_fails() {
        let commands = (0..52).map(|n| (format!("k{}", 99 - n), Value::from("m"))).collect();
        let mut order = vec![];
        let answer = batch(&Value::map([("cmd", Value::Map(commands))]), &mut |key, _, _| {
            order.push(key.to_owned());
            Ran { outcome: Ok(Value::Null.into()), error: "", time: None }
        });
        assert_eq!(order.first().map(String::as_str), Some("k99"));
        assert_eq!(order.len(), 50);
        assert_eq!(answer.at("result_error").at("k48").at("error").to_text(), "ERROR_BATCH_LENGTH_EXCEEDED");
        assert_eq!(answer.at("result_total").to_json(), "[]");
    }

    #[test]
    fn halt_stops_at_the_first_error() {
        let commands = Value::map([("a", "m".into()), ("b", "m".into())]);
        let fail = |_: &str, _: &str, _: Value| refused("X", "x");
        let halted = batch(&Value::map([("cmd", commands.clone()), ("halt", "1".into())]), &mut { fail });
        assert_eq!(halted.at("result_error").pairs().len(), 1);
        let all = batch(&Value::map([("cmd", commands), ("halt", "0".into())]), &mut { fail });
        assert_eq!(all.at("result_error").pairs().len(), 2);
        assert_eq!(all.at("result").to_json(), "[]");
    }
}
