//! The method `batch`: several commands in one request, and what became of each. Without I/O.
//!
//! Stands alone because a batch has a grammar of its own: a command is a method with a query string, a later one may
//! refer to what an earlier one returned, and the answer is a handful of maps by the commands' keys, an empty one of
//! which is a list. Keys are made so that their order as texts is the order of the commands: the server runs them as
//! they stand in the JSON, and a JSON map here is sorted. `halt` is 0: what fails concerns nobody else. Bounds:
//! [`CRM_BATCH_CALLS`] calls with three commands each, fewer than the fifty that a portal takes.
//!
//! Source: REST documentation of `batch`; the public code of the module `rest`.

use super::answer::{ApiError, Hidden, Object, Registered, Scalar, UploadTarget, keyed};
use super::method::{ATTACH, FINISH, Method, REGISTER};
use crate::limits::CRM_BATCH_CALLS;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What needs no percent sign in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A command of a call, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Register,
    Finish,
    /// Asks where the recording is wanted.
    Attach,
}

impl Step {
    /// The key of this step of the call at `place`.
    fn key(self, place: usize) -> String {
        let step = match self {
            Self::Register => 'a',
            Self::Finish => 'b',
            Self::Attach => 'c',
        };
        format!("c{place:02}{step}")
    }
}

/// The commands of several calls.
#[derive(Debug, Default)]
pub(super) struct Commands {
    commands: Map<String, Value>,
    calls: usize,
}

impl Commands {
    /// Adds a call: the parameters of register, of finish, and of attachRecord where a recording follows; the CALL_ID
    /// of the latter two is what register returns. False when there is no room.
    pub(super) fn add(&mut self, register: &Value, finish: &Value, attach: Option<&Value>) -> bool {
        if self.calls >= CRM_BATCH_CALLS {
            return false;
        }
        let key = Step::Register.key(self.calls);
        let reference = format!("CALL_ID=$result[{key}][CALL_ID]");
        self.commands.insert(Step::Finish.key(self.calls), json!(command(FINISH, &reference, finish)));
        if let Some(attach) = attach {
            self.commands.insert(Step::Attach.key(self.calls), json!(command(ATTACH, &reference, attach)));
        }
        self.commands.insert(key, json!(command(REGISTER, "", register)));
        self.calls += 1;
        true
    }

    /// Calls in it.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// The parameters of `batch`.
    pub(super) fn params(&self) -> Value {
        json!({ "halt": 0, "cmd": self.commands })
    }
}

/// `method?first&KEY=value…`. A CALL_ID among the parameters is left to `first`.
fn command(method: Method, first: &str, params: &Value) -> String {
    let mut text = format!("{method}?{first}");
    for (key, value) in
        params.as_object().into_iter().flatten().filter(|(key, _)| first.is_empty() || *key != "CALL_ID")
    {
        if !text.ends_with('?') {
            text.push('&');
        }
        let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.extend([key.as_str(), "="]);
        text.extend(utf8_percent_encode(&told, PLAIN));
    }
    text
}

/// The answer: what each command returned or met.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default, deserialize_with = "keyed")]
    result: Vec<(String, Object<Returned>)>,
    #[serde(default, deserialize_with = "keyed")]
    result_error: Vec<(String, Object<Words>)>,
    #[serde(default, deserialize_with = "keyed")]
    result_time: Vec<(String, Object<Spent>)>,
}

/// What a command returned, by the fields of all of them. A finish returns a row of the statistics, which is not looked
/// at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Returned {
    #[serde(default, rename = "CALL_ID")]
    call_id: Scalar,
    #[serde(default, rename = "LEAD_CREATION_ERROR")]
    lead_creation_error: Scalar,
    #[serde(default, rename = "uploadUrl")]
    upload_url: Hidden,
    #[serde(default, rename = "fieldName")]
    field_name: Scalar,
}

impl Returned {
    /// As the answer of register.
    pub(super) fn registered(self) -> Registered {
        Registered { call_id: self.call_id, lead_creation_error: self.lead_creation_error }
    }

    /// As the answer of attachRecord.
    pub(super) fn upload_target(self) -> UploadTarget {
        UploadTarget { upload_url: self.upload_url, field_name: self.field_name }
    }
}

#[derive(Debug, Deserialize)]
struct Words {
    #[serde(default)]
    error: Scalar,
    #[serde(default)]
    error_description: Scalar,
}

/// How much of its time a method has used up.
#[derive(Debug, Deserialize)]
struct Spent {
    #[serde(default)]
    operating: Scalar,
    #[serde(default)]
    operating_reset_at: Scalar,
}

/// What became of one command.
#[derive(Debug)]
pub(super) enum Told {
    /// It returned something.
    Good(Returned),
    /// It failed.
    Bad(ApiError),
    /// Nothing is said of it.
    Nothing,
}

impl Answer {
    /// What became of this step of the call at `place`. Told once.
    pub(super) fn take(&mut self, step: Step, place: usize) -> Told {
        let key = step.key(place);
        if let Some((_, words)) = self.result_error.iter().find(|(known, _)| *known == key) {
            let text = |scalar: &Scalar| scalar.text().to_owned();
            let error = words.0.as_ref().map(|words| (text(&words.error), text(&words.error_description)));
            let (code, text) = error.unwrap_or_default();
            return Told::Bad(ApiError { code, text, reset_at: self.spent(&key).map(|(_, reset)| reset) });
        }
        match self.result.iter().position(|(known, _)| *known == key) {
            Some(at) => Told::Good(self.result.swap_remove(at).1.0.unwrap_or_default()),
            None => Told::Nothing,
        }
    }

    /// The most time, in seconds, that a step has used up in the portal's window, and when some of it is given back, in
    /// seconds since 1970. None where the portal does not count.
    pub(super) fn most_spent(&self) -> Option<(u64, u64)> {
        self.result_time.iter().filter_map(|(key, _)| self.spent(key)).max()
    }

    fn spent(&self, key: &str) -> Option<(u64, u64)> {
        let (_, spent) = self.result_time.iter().find(|(known, _)| known == key)?;
        let spent = spent.0.as_ref()?;
        Some((spent.operating.number().unwrap_or(0), spent.operating_reset_at.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Reply, read};
    use super::*;

    fn answer(body: &str) -> Answer {
        match read::<Answer>(body.as_bytes()) {
            Reply::Good(good) => good.result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_run_in_their_order_and_a_finish_refers_to_its_register() {
        let mut commands = Commands::default();
        for n in 0..CRM_BATCH_CALLS {
            let register = json!({ "USER_ID": n, "PHONE_NUMBER": "+7916 & co", "LINE_NUMBER": "линия" });
            let attach = json!({ "CALL_ID": "", "FILENAME": "o-1.wav" });
            assert!(commands.add(
                &register,
                &json!({ "CALL_ID": "", "DURATION": 5 }),
                Some(&attach).filter(|_| n != 3)
            ));
        }
        assert!(!commands.add(&json!({}), &json!({}), None), "no room");
        let text = commands.params().to_string();
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("no {needle} in {text}"));
        assert!(at("\"c00a\"") < at("\"c00b\"") && at("\"c00b\"") < at("\"c01a\"") && at("\"c09b\"") < at("\"c10a\""));
        at("attachrecord?CALL_ID=$result[c15a][CALL_ID]&FILENAME=o-1.wav\"");
        assert!(at("\"c02b\"") < at("\"c02c\"") && !text.contains("c03c"), "the third step of a call with a recording");
        at("finish?CALL_ID=$result[c15a][CALL_ID]&DURATION=5\"");
        at("register?LINE_NUMBER=%D0%BB%D0%B8%D0%BD%D0%B8%D1%8F&PHONE_NUMBER=%2B7916%20%26%20co&USER_ID=3\"");
        assert!(commands.params()["cmd"].as_object().is_some_and(|commands| commands.len() <= 50));
    }

    #[test]
    fn each_command_has_its_own_answer() {
        let mut answer = answer(
            r#"{"result":{"result":{"c00a":{"CALL_ID":"externalCall.1"},"c00b":{"CALL_ID":"externalCall.1","ID":7},
                "c01a":{"CALL_ID":"externalCall.2"},"c00c":{"uploadUrl":"https://x/","fieldName":"file"}},
                "result_error":{"c01b":{"error":"","error_description":"User is not found or is not active"},"c02a":[]},
                "result_total":[],"result_next":[],
                "result_time":{"c00b":{"operating":120.7,"operating_reset_at":1773131378},"c01a":{"operating":3}}},"time":{}}"#,
        );
        let Told::Good(told) = answer.take(Step::Register, 0) else { panic!("not told") };
        assert_eq!(told.registered().call_id.text(), "externalCall.1");
        let Told::Good(told) = answer.take(Step::Attach, 0) else { panic!("not told") };
        assert!(!format!("{told:?}").contains("https"), "the address holds a credential");
        assert_eq!(told.upload_target().upload_url.0.text(), "https://x/");
        assert!(matches!(answer.take(Step::Finish, 0), Told::Good(_)));
        assert!(matches!(answer.take(Step::Finish, 0), Told::Nothing), "told once");
        assert!(
            matches!(answer.take(Step::Finish, 1), Told::Bad(error) if error.text.starts_with("User is not found"))
        );
        assert!(matches!(answer.take(Step::Register, 2), Told::Bad(error) if error == ApiError::default()));
        assert!(matches!(answer.take(Step::Register, 3), Told::Nothing));
        assert_eq!(answer.most_spent(), Some((120, 1_773_131_378)));
    }

    #[test]
    fn empty_maps_are_lists_and_odd_shapes_are_nothing() {
        for body in [
            r#"{"result":{"result":[],"result_error":[],"result_time":[]}}"#,
            r#"{"result":{"result":null,"result_error":false,"result_time":7}}"#,
            r#"{"result":{"result":"x"}}"#,
            r#"{"result":{}}"#,
        ] {
            let mut answer = answer(body);
            assert!(matches!(answer.take(Step::Register, 0), Told::Nothing), "{body}");
            assert_eq!(answer.most_spent(), None);
        }
    }
}
