//! attachRecord in its three modes, and the upload.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod common;

use std::io::{Cursor, Read};

use common::Bench;
use portal::Value;
use ring::digest::{SHA256, digest};
use ureq::SendBody;

const ATTACH: &str = "telephony.externalCall.attachRecord";
const MULTIPART: &str = "multipart/form-data; boundary=BbB";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A finished call.
fn finished(bench: &Bench) -> String {
    let call_id = bench.register("gw-1.1");
    bench.finish(&call_id).result();
    call_id
}

fn ticket(bench: &Bench, call_id: &str) -> String {
    let answer = bench.call(ATTACH, &format!(r#"{{"CALL_ID":"{call_id}","FILENAME":"a.mp3"}}"#));
    assert_eq!(answer.result().at("fieldName").to_text(), "file");
    answer.result().at("uploadUrl").to_text()
}

fn head(name: &str, file_name: &str) -> String {
    format!(
        "--BbB\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
         Content-Type: audio/mpeg\r\n\r\n"
    )
}

fn body(name: &str, file_name: &str, content: &[u8]) -> Vec<u8> {
    [head(name, file_name).as_bytes(), content, b"\r\n--BbB--\r\n"].concat()
}

#[test]
fn an_upload_arrives_byte_for_byte() {
    let bench = Bench::with(|config| config.save_recordings = true);
    let call_id = finished(&bench);
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let url = ticket(&bench, &call_id);
    assert!(url.starts_with(bench.portal.webhook_url()), "the address carries the secret of the webhook");
    let answer = bench.post(&url, MULTIPART, &body("file", "gw.mp3", &content)).expect("an answer");
    let file_id = answer.result().at("FILE_ID").to_int();
    assert!(answer.body.field("time").is_none(), "an upload has no time");
    let recording = bench.portal.look(|state| state.recording_of(&call_id).cloned()).expect("a recording");
    assert_eq!(recording.content.as_deref(), Some(content.as_slice()));
    assert_eq!(recording.sha256, hex(digest(&SHA256, &content).as_ref()));
    assert_eq!((recording.file_name.as_str(), recording.bytes, recording.chunked), ("gw.mp3", 800_000, false));
    let saved = recording.path.expect("a file");
    assert_eq!(std::fs::read(saved).unwrap(), content);
    let row = bench.call("voximplant.statistic.get", &format!(r#"{{"FILTER":{{"CALL_ID":"{call_id}"}}}}"#));
    assert_eq!(row.result().at("0").at("RECORD_FILE_ID").to_int(), file_id);
}

#[test]
fn a_hundred_megabytes_pass_through_without_being_kept() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    let url = ticket(&bench, &call_id);
    let size = 100 * 1024 * 1024_u64;
    let (start, end) = (head("file", "long.wav"), "\r\n--BbB--\r\n");
    let length = (start.len() + end.len()) as u64 + size;
    let mut reader = Cursor::new(start).chain(std::io::repeat(b'a').take(size)).chain(Cursor::new(end));
    let mut request = common::agent(&bench.portal, std::time::Duration::from_secs(120)).post(&url);
    request = request.header("Content-Type", MULTIPART).header("Content-Length", length.to_string());
    let response = request.send(SendBody::from_reader(&mut reader)).expect("an answer");
    assert_eq!(response.status(), 200);
    let recording = bench.portal.recordings().pop().expect("a recording");
    assert_eq!((recording.bytes, recording.content.is_none(), recording.chunked), (size, true, false));
}

#[test]
fn a_chunked_upload_works_and_is_seen_as_such() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    let url = ticket(&bench, &call_id);
    let mut reader = Cursor::new(body("file", "a.wav", b"RIFF"));
    bench.post(&url, MULTIPART, SendBody::from_reader(&mut reader)).expect("an answer").result();
    assert!(bench.portal.recordings()[0].chunked);
}

#[test]
fn a_record_needs_a_finished_call() {
    let bench = Bench::new();
    let call_id = bench.register("gw-1.1");
    let answer = bench.call(ATTACH, &format!(r#"{{"CALL_ID":"{call_id}","FILENAME":"a.mp3"}}"#));
    assert_eq!(answer.status, 400);
    let (code, text) = answer.error();
    assert!(code.is_empty() && text.starts_with("Call is not found in the statistic table."), "{text}");
}

#[test]
fn a_repeated_upload_replaces_the_link_and_leaves_the_file() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    for content in [b"first!", b"second"] {
        bench.post(&ticket(&bench, &call_id), MULTIPART, &body("file", "a.mp3", content)).expect("an answer").result();
    }
    assert_eq!(bench.portal.recordings().len(), 2);
    let linked = bench.portal.look(|state| state.recording_of(&call_id).cloned()).expect("a recording");
    assert_eq!(linked.content.as_deref(), Some(b"second".as_slice()));
}

#[test]
fn the_name_of_the_part_and_its_extension_count() {
    let bench = Bench::with(|config| config.save_recordings = true);
    let call_id = finished(&bench);
    let url = ticket(&bench, &call_id);
    let upload = |part: &[u8]| bench.post(&url, MULTIPART, part).expect("an answer").error();
    let plain = |text: &str| (String::new(), text.to_owned());
    assert_eq!(upload(&body("record", "a.mp3", b"x")), plain("Error: required parameter file is not found"));
    for name in ["a.gsm", "a.WAV", "a", "a.mp3.exe"] {
        assert_eq!(upload(&body("file", name, b"x")), plain("Wrong file extension. Only wav and mp3 are allowed"));
    }
    let torn = body("file", "a.mp3", b"x");
    assert_eq!(upload(&torn[..torn.len() - 6]).1, "Error: required parameter file is not found");
    assert!(bench.portal.recordings().is_empty());
    let left = std::fs::read_dir(bench.portal.dir()).unwrap().count();
    assert_eq!(left, 1, "nothing but the CA's certificate");
}

#[test]
fn a_ticket_is_signed() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    let url = ticket(&bench, &call_id);
    let answer = bench.post(&format!("{url}0"), MULTIPART, &body("file", "a.mp3", b"x")).expect("an answer");
    assert_eq!(answer.status, 403);
    assert_eq!(answer.error(), ("ACCESS_DENIED".to_owned(), "Link check failed".to_owned()));
}

#[test]
fn base64_is_checked_for_name_encoding_and_sound() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    let attach = |rest: &str| bench.call(ATTACH, &format!(r#"{{"CALL_ID":"{call_id}",{rest}}}"#));
    for (rest, expected) in [
        (r#""X":1"#, "Required parameters are not set."),
        (r#""FILENAME":"","FILE_CONTENT":"UklGRg==""#, "File name is empty"),
        (r#""FILENAME":"a.ogg","FILE_CONTENT":"UklGRg==""#, "Wrong file extension."),
        (r#""FILENAME":"a.wav","FILE_CONTENT":"""#, "File content is empty."),
        (r#""FILENAME":"a.wav","FILE_CONTENT":"!!!""#, "File content is not properly encoded."),
        (r#""FILENAME":"a.wav","FILE_CONTENT":"Zm9vYmFy""#, "Wrong file type."),
        (r#""RECORD_URL":"http://10.0.0.2/a.wav""#, "Server returns HTTP error code"),
    ] {
        let (code, text) = attach(rest).error();
        assert!(code.is_empty() && text.starts_with(expected), "{rest}: {text}");
    }
    attach(r#""FILENAME":"a.wav","FILE_CONTENT":"UklGRg==""#).result();
    assert_eq!(bench.portal.recordings()[0].content.as_deref(), Some(b"RIFF".as_slice()));
}

#[test]
fn the_ticket_escapes_its_slashes_as_php_does() {
    let bench = Bench::new();
    let call_id = finished(&bench);
    let url = format!("{}{ATTACH}", bench.portal.webhook_url());
    let params = format!(r#"{{"CALL_ID":"{call_id}","FILENAME":"a.mp3"}}"#);
    let mut response = bench.agent.post(&url).send(&params).expect("an answer");
    let raw = response.body_mut().read_to_string().expect("a text");
    assert!(raw.contains(r"https:\/\/127.0.0.1"), "{raw}");
    assert!(Value::from_json(raw.as_bytes()).is_some());
}
