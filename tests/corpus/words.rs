//! Packets of the transcripts put into the words of other servers.
#![allow(clippy::indexing_slicing)] // a test may panic
#![allow(dead_code)] // each test crate uses its part

/// Name and value of each line.
pub type Headers = Vec<(String, String)>;

/// A packet as headers.
pub fn headers(packet: &[u8]) -> Headers {
    let text = String::from_utf8_lossy(packet).into_owned();
    let split = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    text.lines().filter_map(split).collect()
}

/// The value of the first header of this name.
pub fn value(headers: &Headers, name: &str) -> String {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Takes these headers out.
pub fn without(headers: &mut Headers, gone: &[&str]) {
    headers.retain(|(name, _)| !gone.contains(&name.as_str()));
}

/// Only these headers, in this order; `new=old` renames one.
pub fn only(headers: &Headers, kept: &str) -> Headers {
    let mut out = vec![headers[0].clone(), ("Privilege".to_owned(), value(headers, "Privilege"))];
    for word in kept.split_whitespace() {
        let (new, old) = word.split_once('=').unwrap_or((word, word));
        out.push((new.to_owned(), value(headers, old)));
    }
    out
}

/// Headers as a packet.
pub fn written(headers: &Headers) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    (lines + "\r\n").into_bytes()
}

/// Gives headers other names.
pub fn respell(headers: &mut Headers, spellings: &[(&str, &str)]) {
    for (name, _) in headers {
        if let Some((_, new)) = spellings.iter().find(|(old, _)| old == name) {
            *name = (*new).to_owned();
        }
    }
}
