//! What Bitrix24 says: lenient readers of its answers, without I/O.
//!
//! Stands alone because PHP's types are loose: ids come as `7` or `"7"`, flags as `1`, `"1"`, `true` or `"Y"`, nothing
//! as `null`, `""`, `false` or `[]`, an empty object as `[]`, a list with gaps as an object, and an error with an
//! *empty* code. Whatever has another shape than expected is read as "not told", never as a fault of the reader.
//! Bounds: an answer is at most [`CRM_ANSWER_BYTES`](crate::limits::CRM_ANSWER_BYTES), and only the fields named here
//! are kept.

use crate::limits::CRM_LIST_ITEMS;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::value::RawValue;

/// The envelope of an answer, read.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// It went well.
    Good(Good<T>),
    /// The key `error` was there.
    Error(ApiError),
    /// Not an envelope: HTML, cut JSON, or neither `result` nor `error`.
    Unreadable,
}

/// A result.
#[derive(Debug)]
pub(super) struct Good<T> {
    pub(super) result: T,
    /// Where the next page of a list starts.
    pub(super) next: Option<u32>,
    /// When this method's used-up time is released, in seconds since 1970.
    pub(super) reset_at: Option<u64>,
    /// What the portal's clock said when it had the answer, in seconds since 1970.
    pub(super) finished_at: Option<u64>,
}

/// An error in the portal's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ApiError {
    /// `error`: often empty.
    pub(super) code: String,
    /// `error_description`.
    pub(super) text: String,
    /// As in [`Good`].
    pub(super) reset_at: Option<u64>,
}

/// Reads a whole answer.
#[cfg(test)]
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Reply<T> {
    match envelope(body) {
        Reply::Good(Good { result, next, reset_at, finished_at }) => match serde_json::from_str(result.get()) {
            Ok(result) => Reply::Good(Good { result, next, reset_at, finished_at }),
            Err(_) => Reply::Unreadable,
        },
        Reply::Error(error) => Reply::Error(error),
        Reply::Unreadable => Reply::Unreadable,
    }
}

/// Reads the envelope and leaves the result as it is: one reader for all methods keeps the program small.
pub(super) fn envelope(body: &[u8]) -> Reply<&RawValue> {
    // A byte order mark in front of the JSON is a classic of hand-edited PHP.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = core::str::from_utf8(body).unwrap_or_default();
    let Ok(Object(Some(envelope))) = serde_json::from_str::<Object<Envelope<'_>>>(body) else {
        return Reply::Unreadable;
    };
    let time = envelope.time.0.as_ref();
    let reset_at = time.and_then(|time| time.operating_reset_at.number());
    let finished_at = time.and_then(|time| time.finish.number());
    if let Some(code) = envelope.error {
        let text = envelope.error_description.into_text();
        return Reply::Error(ApiError { code: code.into_text(), text, reset_at });
    }
    match envelope.result {
        Some(result) => {
            let next = envelope.next.number().and_then(|next| u32::try_from(next).ok());
            Reply::Good(Good { result, next, reset_at, finished_at })
        }
        None => Reply::Unreadable,
    }
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Scalar>,
    #[serde(default)]
    error_description: Scalar,
    #[serde(default)]
    next: Scalar,
    #[serde(default = "Object::none")]
    time: Object<Time>,
}

#[derive(serde::Deserialize)]
struct Time {
    #[serde(default)]
    finish: Scalar,
    #[serde(default)]
    operating_reset_at: Scalar,
}

/// Answer of register.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct Registered {
    #[serde(default)]
    pub(super) call_id: Scalar,
    #[serde(default)]
    pub(super) lead_creation_error: Scalar,
}

/// A finished call in the statistics.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct Statistic {
    #[serde(default)]
    pub(super) call_id: Scalar,
    #[serde(default)]
    pub(super) external_call_id: Scalar,
    #[serde(default)]
    pub(super) record_file_id: Scalar,
    #[serde(default)]
    pub(super) portal_user_id: Scalar,
}

/// An employee.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct User {
    #[serde(default)]
    pub(super) id: Scalar,
    #[serde(default)]
    pub(super) active: Scalar,
    #[serde(default)]
    pub(super) uf_phone_inner: Scalar,
    #[serde(default)]
    pub(super) admin: Scalar,
    #[serde(default)]
    pub(super) name: Scalar,
    #[serde(default)]
    pub(super) last_name: Scalar,
}

/// A value that holds a credential: prints as `***`.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) Scalar);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a recording is to be uploaded.
#[derive(Debug, serde::Deserialize)]
pub(super) struct UploadTarget {
    #[serde(default, rename = "uploadUrl")]
    pub(super) upload_url: Hidden,
    #[serde(default, rename = "fieldName")]
    pub(super) field_name: Scalar,
}

/// Whether a method exists.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Availability {
    #[serde(default, rename = "isExisting")]
    pub(super) existing: Scalar,
    #[serde(default, rename = "isAvailable")]
    pub(super) available: Scalar,
}

/// A single value of whatever type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Scalar {
    /// `null`, not there, or a list or object where a value was expected.
    #[default]
    None,
    /// `true` or `false`.
    Flag(bool),
    /// A text, or a number as text.
    Text(String),
}

impl Scalar {
    /// As text; empty if there is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            _ => String::new(),
        }
    }

    /// As a whole number.
    pub(super) fn number(&self) -> Option<u64> {
        let text = self.text();
        text.split_once('.').map_or(text, |(whole, _)| whole).parse().ok()
    }

    /// As an id: a number other than 0.
    pub(super) fn id(&self) -> Option<u32> {
        self.text().trim().parse().ok().filter(|id| *id != 0)
    }

    /// As a flag: `false`, `0`, `"N"`, the text "false" and nothing are false.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Flag(flag) => *flag,
            Self::Text(text) => !matches!(text.as_str(), "" | "0" | "N" | "n" | "false"),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::None)
    }

    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Scalar, D::Error> {
        Scalar::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::None)
    }
}

/// An object, or none when something else stands in its place (`[]`, `null`, `false`).
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Object<T> {
    fn none() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<T>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// A list: an array, or an object whose keys are positions, of which the first [`CRM_LIST_ITEMS`] are kept. Anything
/// else is an empty list.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData)).map(Self)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let items = first_items(|| list.next_element())?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        let items = first_items(|| Ok(map.next_entry::<IgnoredAny, T>()?.map(|(_, item)| item)))?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(items)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_str<E>(self, _: &str) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }
}

/// The first [`CRM_LIST_ITEMS`] items of what `next` gives.
fn first_items<T, E>(mut next: impl FnMut() -> Result<Option<T>, E>) -> Result<Vec<T>, E> {
    let mut items = Vec::new();
    while items.len() < CRM_LIST_ITEMS {
        let Some(item) = next()? else { break };
        items.push(item);
    }
    Ok(items)
}

/// A map by its keys, as far as [`CRM_LIST_ITEMS`]; anything else is an empty one.
pub(super) fn keyed<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<(String, T)>, D::Error> {
    Object::<Keyed<T>>::deserialize(from).map(|found| found.0.map(|keyed| keyed.0).unwrap_or_default())
}

struct Keyed<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyedVisitor(PhantomData))
    }
}

struct KeyedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyedVisitor<T> {
    type Value = Keyed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keyed<T>, A::Error> {
        let items = first_items(|| map.next_entry())?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Keyed(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(body: &str) -> ApiError {
        match read::<Scalar>(body.as_bytes()) {
            Reply::Error(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_is_the_key_and_not_its_value() {
        let error = error_of(r#"{"error":"","error_description":"Call is not found (call should be"}"#);
        assert_eq!((error.code.as_str(), error.text.starts_with("Call is not found")), ("", true));
        let error = error_of(r#"{"error":429,"time":{"operating_reset_at":1773131378.5}}"#);
        assert_eq!((error.code.as_str(), error.reset_at), ("429", Some(1_773_131_378)));
        assert_eq!(error_of(r#"{"result":[],"error":{"code":"X"}}"#), ApiError::default());
    }

    #[test]
    fn what_is_not_an_envelope_is_unreadable() {
        for body in ["", "<html>", "[]", "null", "7", "\"x\"", "{}", r#"{"result":{"CALL_ID":"#, r#"{"result":null}"#] {
            assert!(matches!(read::<Scalar>(body.as_bytes()), Reply::Unreadable), "{body}");
        }
        assert!(matches!(read::<Scalar>(b"\xff\xfe{}"), Reply::Unreadable));
        let deep = "[".repeat(100_000);
        assert!(matches!(read::<Scalar>(deep.as_bytes()), Reply::Unreadable));
        assert!(matches!(read::<Scalar>(b"\xef\xbb\xbf{\"result\":true}"), Reply::Good(_)));
    }

    #[test]
    fn ids_and_flags_come_in_every_type() {
        for (json, id) in
            [("7", Some(7)), ("\"7\"", Some(7)), ("0", None), ("\"\"", None), ("false", None), ("[]", None)]
        {
            let scalar: Scalar = serde_json::from_str(json).unwrap_or_default();
            assert_eq!(scalar.id(), id, "{json}");
        }
        for (json, flag) in
            [("true", true), ("\"Y\"", true), ("1", true), ("\"N\"", false), ("\"0\"", false), ("null", false)]
        {
            let scalar: Scalar = serde_json::from_str(json).unwrap_or_default();
            assert_eq!(scalar.is_true(), flag, "{json}");
        }
    }

    #[test]
    fn empty_objects_are_lists_and_lists_may_be_objects() {
        let object = |body: &[u8]| match read::<Object<Registered>>(body) {
            Reply::Good(good) => good.result.0.map(|registered| registered.call_id.text().to_owned()),
            _ => panic!("not read"),
        };
        assert_eq!(object(br#"{"result":[]}"#), None);
        assert_eq!(object(br#"{"result":false}"#), None);
        assert_eq!(
            object(br#"{"result":{"CALL_ID":"externalCall.1","CRM_ENTITY_ID":null,"X":{"Y":[1]}},"time":[]}"#)
                .as_deref(),
            Some("externalCall.1")
        );
        let rows = |body: &[u8]| match read::<List<Object<Statistic>>>(body) {
            Reply::Good(good) => (good.result.0.len(), good.next),
            _ => panic!("not read"),
        };
        assert_eq!(rows(br#"{"result":[],"total":0}"#), (0, None));
        assert_eq!(rows(br#"{"result":[{"CALL_ID":"a"},{}],"next":50}"#), (2, Some(50)));
        assert_eq!(rows(br#"{"result":{"0":{"CALL_ID":"a"},"7":{}},"next":"50"}"#), (2, Some(50)));
        assert_eq!(rows(br#"{"result":false}"#), (0, None));
    }

    /// An item that counts how many of its kind were made.
    struct Counted;

    static COUNTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            COUNTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            IgnoredAny::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn a_list_of_a_hundred_thousand_items_costs_no_more_than_a_page() {
        let zeros = vec!["0"; 120_000].join(",");
        let keys: Vec<String> = (0..20_000).map(|key| format!("\"{key}\":0")).collect();
        for body in [
            format!("{{\"result\":[{zeros}],\"next\":50}}"),
            format!("{{\"result\":{{{}}},\"next\":50}}", keys.join(",")),
        ] {
            assert!(
                (body.len() as u64) < crate::limits::CRM_ANSWER_BYTES,
                "an answer that is not cut before it is read"
            );
            COUNTED.store(0, std::sync::atomic::Ordering::Relaxed);
            let Reply::Good(good) = read::<List<Counted>>(body.as_bytes()) else { panic!("not read") };
            assert_eq!((good.result.0.len(), good.next), (CRM_LIST_ITEMS, Some(50)), "the rest is still well-formed");
            assert_eq!(COUNTED.load(std::sync::atomic::Ordering::Relaxed), CRM_LIST_ITEMS);
            let Reply::Good(good) = read::<List<Object<Statistic>>>(body.as_bytes()) else { panic!("not read") };
            assert!(good.result.0.capacity() <= CRM_LIST_ITEMS.next_power_of_two(), "{}", good.result.0.capacity());
        }
    }

    #[test]
    fn answers_spoilt_byte_by_byte_are_read_or_not_but_never_harm() {
        let good = br#"{"result":[{"CALL_ID":"externalCall.1","EXTERNAL_CALL_ID":"o-1","RECORD_FILE_ID":7}],"next":50,
            "error_description":null,"time":{"operating_reset_at":1773131378.5,"x":[{}]}}"#;
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut body = good.to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..body.len());
                match random.u8(..3) {
                    0 => body[at] = random.u8(..),
                    1 => body.truncate(at),
                    _ => body.insert(at, *random.choice(br#"{}[]",:0"#).unwrap_or(&0)),
                }
                if body.is_empty() {
                    break;
                }
            }
            if let Reply::Good(good) = read::<List<Object<Statistic>>>(&body) {
                assert!(good.result.0.len() <= body.len());
            }
        }
    }
}
