//! What is asked of Bitrix24: parameters as JSON, built without I/O.
//!
//! Stands alone because a wrong parameter does damage that no test of the wire shows: a body that is not clean JSON
//! counts as "no parameters", a field that is too long makes `finish` fail after it has created an activity, and a text
//! of a caller that holds `$result[` is replaced inside a batch. So every text passes through here, cleaned and cut to
//! the field lengths of Bitrix24's telephony module. Parameter names are upper case and case-sensitive.

use crate::call::live::LiveCall;
use crate::call::record::{CallRecord, Direction};
use crate::clock::{Stamp, Wall};
use serde_json::{Value, json};

/// Longest PHONE_NUMBER.
const PHONE_CHARS: usize = 20;
/// Longest LINE_NUMBER.
const LINE_CHARS: usize = 50;
/// Longest EXTERNAL_CALL_ID.
const CALL_ID_CHARS: usize = 64;
/// Longest FAILED_REASON.
pub(super) const REASON_CHARS: usize = 255;

/// What register needs to know of a call, the same from a live and from a finished one: the server takes two registers
/// for one call only if these are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    id: String,
    phone: String,
    line: String,
    direction: Direction,
    started: Option<Wall>,
}

impl Facts {
    /// Of a call in progress, as seen at `now`. Without a plausible clock the portal dates it itself.
    pub(super) fn of_live(call: &LiveCall, anonymous: &str, now: Stamp) -> Self {
        let started = call.started.date(now);
        Self {
            id: external_id(&call.id),
            phone: phone(&call.client, anonymous),
            line: plain(&call.line, LINE_CHARS),
            direction: call.direction,
            started,
        }
    }

    /// Of a finished call that began at `started`.
    pub(super) fn of_record(call: &CallRecord, started: Wall, anonymous: &str) -> Self {
        Self {
            id: external_id(&call.id),
            phone: phone(&call.client, anonymous),
            line: plain(&call.line, LINE_CHARS),
            direction: call.direction,
            started: Some(started),
        }
    }

    /// EXTERNAL_CALL_ID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Puts the placeholder for hidden numbers in the place of the client's; false if it is there already.
    pub(super) fn hide_phone(&mut self, anonymous: &str) -> bool {
        let placeholder = phone("", anonymous);
        let changed = self.phone != placeholder;
        self.phone = placeholder;
        changed
    }
}

/// `telephony.externalCall.register`.
pub(super) fn register(facts: &Facts, user: u32, show: bool, create: bool) -> Value {
    let mut params = json!({
        "USER_ID": user,
        "PHONE_NUMBER": facts.phone,
        "TYPE": if facts.direction == Direction::Outbound { 1 } else { 2 },
        "CRM_CREATE": u8::from(create),
        // Numbers: "N" counts as true.
        "SHOW": u8::from(show),
        "EXTERNAL_CALL_ID": facts.id,
    });
    if !facts.line.is_empty() {
        set(&mut params, "LINE_NUMBER", json!(facts.line));
    }
    if let Some(started) = facts.started {
        // A date without an offset would be read in the portal's zone.
        set(&mut params, "CALL_START_DATE", json!(started.to_iso8601()));
    }
    params
}

/// `telephony.externalCall.show` and `.hide`, for several users at once.
pub(super) fn cards(call: &str, users: &[u32]) -> Value {
    json!({ "CALL_ID": call, "USER_ID": users })
}

/// What `telephony.externalCall.finish` says of a call.
#[derive(Clone, Debug)]
pub(super) struct Finish {
    /// Who talked last.
    pub(super) user: u32,
    /// Talk time.
    pub(super) secs: u32,
    /// One of [`status_code`](mod@super::status_code).
    pub(super) status: &'static str,
    /// Whether the chat is told.
    pub(super) chat: bool,
    /// Shown in the call's details.
    pub(super) reason: String,
}

/// `telephony.externalCall.finish`.
pub(super) fn finish(call: &str, finish: &Finish) -> Value {
    let mut params = json!({
        "CALL_ID": call,
        "USER_ID": finish.user,
        "DURATION": finish.secs,
        "STATUS_CODE": finish.status,
        // The documentation and the server disagree about the default.
        "ADD_TO_CHAT": u8::from(finish.chat),
    });
    if !finish.reason.is_empty() {
        set(&mut params, "FAILED_REASON", json!(plain(&finish.reason, REASON_CHARS)));
    }
    params
}

/// `voximplant.statistic.get` by one key.
pub(super) fn statistics(key: &str, value: &str) -> Value {
    json!({ "FILTER": { key: value } })
}

/// `voximplant.statistic.get` of several calls by EXTERNAL_CALL_ID, one page, uncounted.
pub(super) fn statistics_of(ids: &[&str]) -> Value {
    json!({ "FILTER": { "EXTERNAL_CALL_ID": ids }, "start": -1 })
}

/// `voximplant.statistic.get` of the calls that came last, one page, uncounted.
pub(super) fn recent() -> Value {
    json!({ "FILTER": { ">ID": 0 }, "SORT": "ID", "ORDER": "DESC", "start": -1 })
}

/// `telephony.externalCall.attachRecord` in upload mode.
pub(super) fn attach(call: &str, file_name: &str) -> Value {
    json!({ "CALL_ID": call, "FILENAME": file_name })
}

/// One page of `user.get`: active employees.
pub(super) fn users(start: u32) -> Value {
    json!({ "FILTER": { "ACTIVE": true, "USER_TYPE": "employee" }, "start": start })
}

/// EXTERNAL_CALL_ID of a call: ASCII, at most 64 characters, the tail kept because it holds what differs.
pub(super) fn external_id(id: &str) -> String {
    let clean: String = id.chars().map(|c| if is_name(c) { c } else { '_' }).collect();
    let tail = clean.len().saturating_sub(CALL_ID_CHARS);
    clean.get(tail..).unwrap_or_default().to_owned()
}

/// Name of the file that a recording is sent as: ASCII, ending in lower case.
pub(super) fn file_name(id: &str, ending: &str) -> String {
    format!("{}.{ending}", external_id(id))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// A number as Bitrix24 keeps it, or the placeholder when nothing is left of it. A lone `0` is refused by the server.
fn phone(number: &str, anonymous: &str) -> String {
    let kept: String = number.chars().filter(|c| c.is_ascii_digit() || matches!(c, '+' | '#' | '*')).collect();
    let kept = match kept.rfind('+') {
        // A plus belongs to the front only.
        Some(at) if at > 0 => kept.replace('+', ""),
        _ => kept,
    };
    let digits = kept.chars().filter(char::is_ascii_digit).count();
    let text = if digits == 0 || kept == "0" { anonymous } else { kept.as_str() };
    text.chars().take(PHONE_CHARS).collect()
}

/// A text that can stand in any field: without control characters, batch references (`$result[`), BB codes and
/// characters beyond the basic plane (older portals keep three-byte UTF-8 only), cut at `max` characters.
pub(super) fn plain(text: &str, max: usize) -> String {
    let kept = text.chars().filter(|c| !c.is_control() && !matches!(c, '$' | '[' | ']') && u32::from(*c) <= 0xFFFF);
    kept.take(max).collect()
}

fn set(params: &mut Value, key: &str, value: Value) {
    if let Some(map) = params.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(phone_number: &str, line: &str) -> Facts {
        Facts {
            id: external_id("office-1710140185.18"),
            phone: phone(phone_number, "000"),
            line: plain(line, LINE_CHARS),
            direction: Direction::Inbound,
            started: Some(Wall::from_millis(1_795_293_703_000)),
        }
    }

    fn chars(params: &Value, key: &str) -> Option<usize> {
        params.get(key).and_then(Value::as_str).map(|text| text.chars().count())
    }

    #[test]
    fn register_says_everything_that_dedupes_and_dates_a_call() {
        let params = register(&facts("+7 (916) 000-00-01", "74951112233"), 12, true, false);
        assert_eq!(
            params,
            json!({
                "USER_ID": 12, "PHONE_NUMBER": "+79160000001", "TYPE": 2, "CRM_CREATE": 0, "SHOW": 1,
                "EXTERNAL_CALL_ID": "office-1710140185.18", "LINE_NUMBER": "74951112233",
                "CALL_START_DATE": "2026-11-21T20:41:43+00:00"
            })
        );
    }

    #[test]
    fn finish_is_explicit_about_the_chat() {
        let params =
            finish("externalCall.1", &Finish { user: 12, secs: 95, status: "200", chat: false, reason: String::new() });
        assert_eq!(
            params,
            json!({ "CALL_ID": "externalCall.1", "USER_ID": 12, "DURATION": 95, "STATUS_CODE": "200", "ADD_TO_CHAT": 0 })
        );
    }

    #[test]
    fn numbers_are_stripped_cut_and_never_empty() {
        for (number, sent) in [
            ("+79160000001", "+79160000001"),
            ("8 (495) 111-22-33", "84951112233"),
            ("sip:anonymous@example", "000"),
            ("", "000"),
            ("0", "000"),
            ("*#", "000"),
            ("00+79160000001", "0079160000001"),
            ("+123456789012345678901234", "+1234567890123456789"),
            ("\u{661}\u{662}", "000"),
        ] {
            assert_eq!(phone(number, "000"), sent, "{number}");
        }
    }

    #[test]
    fn fields_are_cut_at_the_servers_lengths() {
        let params = register(&facts("+79160000001", &"\u{444}".repeat(80)), 1, false, false);
        assert_eq!(chars(&params, "LINE_NUMBER"), Some(50));
        let reason = "\u{44f}".repeat(900);
        let params = finish("c", &Finish { user: 1, secs: 0, status: "304", chat: true, reason });
        assert_eq!(chars(&params, "FAILED_REASON"), Some(255));
        let long = format!("{}-1710140185.18", "x".repeat(90));
        assert_eq!(external_id(&long).len(), 64);
        assert!(external_id(&long).ends_with("-1710140185.18"));
    }

    #[test]
    fn a_callers_text_cannot_reach_into_a_batch() {
        assert_eq!(plain("$result[r1][CALL_ID] $x [b]hi[/b]\r\n\u{1f600}", 99), "resultr1CALL_ID x bhi/b");
        assert_eq!(external_id("\u{43e}ffice 1$result[r]"), "_ffice_1_result_r_");
    }

    #[test]
    fn an_endless_plus_stays_in_front() {
        assert_eq!(phone("+7+9+1", "000"), "791");
        assert_eq!(phone("+", "000"), "000");
    }
}
