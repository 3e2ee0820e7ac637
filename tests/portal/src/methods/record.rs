//! `telephony.externalCall.attachRecord` and the upload that follows it.
//!
//! Three modes: a ticket for an upload, base64, and a URL that the portal would fetch. This portal
//! fetches nothing: it answers the third as a portal does that cannot reach a device behind NAT.

use std::time::Instant;

use ring::digest::{SHA256, digest};
use ring::hmac;

use super::{Call, Done, Failure};
use crate::config::Wording;
use crate::form;
use crate::limits;
use crate::multipart::{Part, hex};
use crate::records::Recording;
use crate::value::Value;

/// Name of the file's part in an upload.
pub(crate) const FIELD: &str = "file";

pub(super) fn attach_record(call: &mut Call<'_>) -> Result<Done, Failure> {
    if call.params.at("RECORD_URL").is_set() {
        in_statistics(call)?;
        return Err(Failure::plain("Server returns HTTP error code 0"));
    }
    if !call.params.at("FILENAME").is_set() {
        return Err(Failure::plain(match call.config.wording {
            Wording::Server => "Required parameters are not set. Request should contain or URL or FILENAME parameter",
            Wording::Documentation => {
                "Required parameters are not set. Request should contain either URL or FILENAME parameter"
            }
        }));
    }
    let call_id = in_statistics(call)?;
    match call.params.at("FILE_CONTENT") {
        Value::Null => Ok(ticket(call, &call_id).into()),
        content => {
            let content = content.to_text();
            attach_base64(call, &call_id, &content)
        }
    }
}

/// An upload that came in.
pub(crate) struct Upload {
    pub(crate) part: Option<Part>,
    pub(crate) chunked: bool,
}

/// Takes an upload with a ticket of [`attach_record`].
pub(crate) fn upload(call: &mut Call<'_>, upload: Upload) -> Result<Done, Failure> {
    let Some(call_id) = redeem(call, &call.params.at("token").to_text()) else {
        return Err(Failure::named(403, "ACCESS_DENIED", "Link check failed"));
    };
    let Some(part) = upload.part else {
        return Err(Failure::plain(format!("Error: required parameter {FIELD} is not found")));
    };
    check_extension(&part.file_name)?;
    call.params = Value::map([("CALL_ID", call_id.clone().into())]);
    in_statistics(call)?;
    store(call, &call_id, part, upload.chunked)
}

fn in_statistics(call: &mut Call<'_>) -> Result<String, Failure> {
    let call_id = call.params.at("CALL_ID").to_text();
    if call.state.finished_call(&call_id).is_some() {
        return Ok(call_id);
    }
    Err(Failure::plain(match call.config.wording {
        Wording::Server => "Call is not found in the statistic table. Looks like it is not finished yet.",
        Wording::Documentation => "Call is not found in the statistic table. It looks like it is not finished yet.",
    }))
}

/// The address carries the secret of the webhook, and a signature over call and user.
fn ticket(call: &mut Call<'_>, call_id: &str) -> Value {
    let plain = format!("callId={}&_={}", form::encode(call_id), call.state.next_id());
    let query = base64(plain.as_bytes());
    let token = format!("telephony|{query}|{}", sign(call, &query));
    let url = format!(
        "{}/rest/{}/{}/upload/?token={}",
        call.base,
        call.user,
        call.config.webhook_secret,
        form::encode(&token)
    );
    Value::map([("uploadUrl", url.into()), ("fieldName", FIELD.into())])
}

fn redeem(call: &Call<'_>, token: &str) -> Option<String> {
    let mut parts = token.split('|');
    let (scope, query, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if scope != "telephony" || sign(call, query) != signature {
        return None;
    }
    let plain = String::from_utf8(unbase64(query)).ok()?;
    Some(form::parse(&plain).at("callId").to_text())
}

fn sign(call: &Call<'_>, query: &str) -> String {
    let text = format!("upload|telephony|{query}|{}|{}", call.user, call.config.webhook_secret);
    hex(hmac::sign(call.signing, text.as_bytes()).as_ref())
}

fn attach_base64(call: &mut Call<'_>, call_id: &str, content: &str) -> Result<Done, Failure> {
    let file_name = call.params.at("FILENAME").to_text();
    if file_name.is_empty() {
        return Err(Failure::plain("File name is empty"));
    }
    check_extension(&file_name)?;
    if content.is_empty() || content == "false" {
        return Err(Failure::plain("File content is empty."));
    }
    let bytes = unbase64(content);
    if bytes.is_empty() {
        return Err(Failure::plain("File content is not properly encoded. Base64 encoding is expected."));
    }
    if !sounds(&bytes) {
        return Err(Failure::plain("Wrong file type. Only wav and mp3 are allowed"));
    }
    let part = Part {
        file_name,
        content_type: None,
        bytes: bytes.len() as u64,
        sha256: hex(digest(&SHA256, &bytes).as_ref()),
        content: (bytes.len() as u64 <= call.config.keep_bytes).then_some(bytes),
        saved: None,
    };
    store(call, call_id, part, false)
}

/// Puts the recording at the call and its activity. One that was there stays in the list.
fn store(call: &mut Call<'_>, call_id: &str, part: Part, chunked: bool) -> Result<Done, Failure> {
    if call.state.recordings.len() >= limits::RECORDINGS {
        return Err(Failure::plain("Could not create shared folder for call records"));
    }
    let file_id = call.state.next_id();
    let path =
        part.saved.and_then(|saved| saved.rename(&format!("recording-{file_id}.{}", extension(&part.file_name))));
    let activity = call.state.finished_call(call_id).and_then(|row| {
        row.recording = Some(file_id);
        row.activity
    });
    if let Some(activity) = call.state.activities.iter_mut().rev().find(|known| Some(known.id) == activity) {
        activity.recording = Some(file_id);
    }
    call.state.add_recording(Recording {
        file_id,
        call_id: call_id.to_owned(),
        file_name: part.file_name,
        content_type: part.content_type,
        bytes: part.bytes,
        sha256: part.sha256,
        content: part.content,
        path,
        chunked,
        arrived: Instant::now(),
    });
    Ok(Value::map([("FILE_ID", file_id.into())]).into())
}

/// Only lower case counts: the server compares the extension as it is.
fn check_extension(file_name: &str) -> Result<(), Failure> {
    match extension(file_name) {
        "wav" | "mp3" => Ok(()),
        _ => Err(Failure::plain("Wrong file extension. Only wav and mp3 are allowed")),
    }
}

fn extension(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Whether it begins like a WAV or an MP3.
fn sounds(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF")
        || bytes.starts_with(b"ID3")
        || matches!(bytes, [0xFF, second, ..] if second & 0xE0 == 0xE0)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            out.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// Like PHP's `base64_decode`: what is not of the alphabet is passed over.
fn unbase64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let Some(value) = ALPHABET.iter().position(|known| *known == letter) else { continue };
        word = (word << 6 | u32::try_from(value).unwrap_or(0)) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xFF).unwrap_or(0));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar"] {
            assert_eq!(unbase64(&base64(text.as_bytes())), text.as_bytes());
        }
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(unbase64("Zm 9v\nYm!Fy"), b"foobar");
    }
}
