//! The grammar of single values: hosts, webhooks, names, paths, extensions.
//!
//! Pure functions over texts: `Err` holds what is wrong and the remedy, both fit to be shown, so none of them repeats a
//! webhook's secret. Nothing is resolved or opened here.

use super::Secret;
use crate::limits::{CREDENTIAL_BYTES, EXTENSION_BYTES, HOST_BYTES, PBX_NAME_BYTES};
use crate::text::{Text, bounded};
use core::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// What is wrong with a value, and the remedy.
pub(super) type Complaint = (String, String);

/// What stands in the packaged example where a secret belongs: a file that still says so was not edited yet.
const UNTOUCHED: &str = "change-me";
/// How a webhook looks, for remedies.
const WEBHOOK_FORM: &str = "copy it whole from Bitrix24: https://HOST/rest/USER/SECRET/";

/// A host's name or address, without a port.
pub(super) fn host(text: &str) -> Result<String, Complaint> {
    if let Some((scheme, _)) = text.split_once("://") {
        return Err((format!("`host` is an address with {scheme}://"), "write the name or IP address alone".into()));
    }
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && is_host(name)
        && port.parse::<u16>().is_ok()
    {
        return Err(("`host` holds a port".into(), format!("write host = \"{name}\" and port = {port}")));
    }
    if is_host(text) {
        return Ok(text.to_owned());
    }
    let remedy = if text.is_ascii() {
        "write a name like pbx.lan or an address like 192.168.1.10"
    } else {
        "write it in its ASCII form (xn--…), or use the IP address"
    };
    Err((format!("`host` cannot be \"{}\"", super::section::shown(text)), remedy.into()))
}

/// A DNS name or an IPv4 address. A last label of digits alone is an address or nothing.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    text.len() <= HOST_BYTES && text.split('.').all(is_label) && (!numeric || text.parse::<IpAddr>().is_ok())
}

/// A webhook's URL and the portal's name in it: `https://HOST[:PORT]/rest/USER/SECRET/`, the last slash added if it is
/// missing.
pub(super) fn webhook(text: &str) -> Result<(Secret, String), Complaint> {
    let complain = |what: &str, remedy: &str| Err((format!("`webhook` {what}"), remedy.to_owned()));
    let Some(address) = text.strip_prefix("https://") else {
        return match text.starts_with("http://") {
            true => complain("would send its secret in the clear", "write https:// instead of http://"),
            false => complain("is not an https:// address", WEBHOOK_FORM),
        };
    };
    let (portal, path) = address.split_once('/').unwrap_or((address, ""));
    if !is_authority(portal) {
        return complain("names no valid host", WEBHOOK_FORM);
    }
    let mut parts = path.split('/');
    let (rest, user, secret) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_secret = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if rest != Some("rest") || user.parse::<u32>().is_err() || secret.is_empty() || !secret.bytes().all(is_secret) {
        return complain("is not the address of an incoming webhook", WEBHOOK_FORM);
    }
    if secret == UNTOUCHED {
        return complain("is still the example's", "write the address of an incoming webhook of your portal");
    }
    if parts.any(|part| !part.is_empty()) {
        return complain("goes on after its secret", "cut the method off: it ends https://HOST/rest/USER/SECRET/");
    }
    Ok((Secret::new(format!("https://{portal}/rest/{user}/{secret}/")), portal.to_ascii_lowercase()))
}

/// A host, IPv6 in brackets, with or without a port.
fn is_authority(text: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, port)) = bracketed.split_once(']') else { return false };
        let port = port.strip_prefix(':');
        return address.parse::<Ipv6Addr>().is_ok() && port.is_none_or(is_port);
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    is_host(name) && port.is_none_or(is_port)
}

/// A PBX's name as the user wrote it.
pub(super) fn pbx_name(text: &str) -> Result<Text<PBX_NAME_BYTES>, Complaint> {
    if !text.bytes().all(is_name_byte) {
        let remedy = "use letters a-z, digits, `.`, `_` and `-`".to_owned();
        return Err((format!("`name` cannot be \"{}\"", super::section::shown(text)), remedy));
    }
    Text::try_from(text)
        .map_err(|_| (format!("`name` is {} bytes long", text.len()), format!("{PBX_NAME_BYTES} are the most")))
}

/// A PBX's name made of a host's: what does not fit is replaced or cut, so that some name comes out.
pub(super) fn pbx_name_of_host(host_name: &str) -> Text<PBX_NAME_BYTES> {
    let first = host_name.trim().split('.').next().unwrap_or_default();
    let fit: Vec<u8> = first.bytes().map(|b| if is_name_byte(b) { b } else { b'-' }).collect();
    if fit.is_empty() { bounded(b"pbx") } else { bounded(&fit) }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')
}

/// A path from the root, without `..`.
pub(super) fn path(key: &str, text: &str) -> Result<PathBuf, Complaint> {
    if !text.starts_with('/') {
        return Err((format!("`{key}` is not a full path"), "begin it with `/`".into()));
    }
    if text.split('/').any(|part| part == "..") {
        return Err((format!("`{key}` holds `..`"), "write the path without it".into()));
    }
    if text.chars().any(char::is_control) {
        return Err((format!("`{key}` holds a control character"), "write the path without it".into()));
    }
    Ok(PathBuf::from(text))
}

/// The directory of `source = "path:…"`.
pub(super) fn recording_source(text: &str) -> Result<PathBuf, Complaint> {
    if let Some(directory) = text.strip_prefix("path:") {
        return path("source", directory);
    }
    let (what, remedy) = match text.split_once(':') {
        None => ("`source` does not say how recordings are reached", "write source = \"path:/full/path\""),
        Some(_) => (
            "`source` can only be a path in this version of ringpost",
            "mount the recordings of the PBX on this host and write source = \"path:/the/mount\"",
        ),
    };
    Err((what.into(), remedy.into()))
}

/// A username or secret for AMI.
pub(super) fn credential(key: &str, text: &str) -> Result<(), Complaint> {
    if text.len() > CREDENTIAL_BYTES {
        return Err((format!("`{key}` is {} bytes long", text.len()), format!("{CREDENTIAL_BYTES} are the most")));
    }
    if text == UNTOUCHED {
        return Err((format!("`{key}` is still the example's"), "write what the PBX knows the AMI user by".into()));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err((format!("`{key}` begins or ends with a blank"), "remove it: the PBX would cut it off".into()));
    }
    Ok(())
}

/// An extension as a key of `[crm.users]`.
pub(super) fn extension(text: &str) -> Result<Text<EXTENSION_BYTES>, Complaint> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+_.-".contains(&b));
    let extension = if fits { Text::try_from(text).ok() } else { None };
    extension.ok_or_else(|| {
        (format!("\"{}\" is not an extension", super::section::shown(text)), "write lines like 101 = 7".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy<T>(result: Result<T, Complaint>) -> String {
        result.err().map(|(_, remedy)| remedy).unwrap_or_default()
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for text in ["pbx", "pbx.office.lan", "192.168.1.10", "::1", "fe80::1", "a_b.example", "3com.example"] {
            assert_eq!(host(text).as_deref(), Ok(text));
        }
        assert_eq!(host("[::1]").as_deref(), Ok("::1"));
        for text in ["", ".", "a..b", "-a", "192.168.1.300", "192.168.1", "a b", "a/b", "u@h", &"a.".repeat(200)] {
            assert!(host(text).is_err(), "{text}");
        }
        assert_eq!(remedy(host("192.168.1.10:5038")), "write host = \"192.168.1.10\" and port = 5038");
        assert_eq!(remedy(host("http://pbx")), "write the name or IP address alone");
        assert_eq!(remedy(host("атс.рф")), "write it in its ASCII form (xn--…), or use the IP address");
    }

    #[test]
    fn webhooks_have_one_form() {
        let (secret, portal) =
            webhook("https://Example.bitrix24.ru/rest/1/abc").unwrap_or((Secret::new(""), "".into()));
        assert_eq!(
            (secret.expose(), portal.as_str()),
            ("https://Example.bitrix24.ru/rest/1/abc/", "example.bitrix24.ru")
        );
        for text in
            ["https://127.0.0.1:8443/rest/1/a/", "https://[::1]:8443/rest/1/a/", "https://b24.lan/rest/12/A_b-9//"]
        {
            assert!(webhook(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "example.bitrix24.ru/rest/1/topsecret/",
            "http://example.bitrix24.ru/rest/1/topsecret/",
            "https://example.bitrix24.ru/rest/1/topsecret/profile.json",
            "https://example.bitrix24.ru/rest/1/topsecret?x=1",
            "https://example.bitrix24.ru/rest/topsecret/",
            "https://user:topsecret@example.bitrix24.ru/rest/1/topsecret/",
            "https://example.bitrix24.ru:99999/rest/1/topsecret/",
            "https://[::1/rest/1/topsecret/",
            "https:///rest/1/topsecret/",
        ] {
            let complaint = webhook(text).err();
            assert!(
                complaint.as_ref().is_some_and(|(what, remedy)| !format!("{what}{remedy}").contains("topsecret")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_host_name_becomes_a_pbx_name() {
        for (host, name) in
            [("OpenWrt\n", "OpenWrt"), ("office.example.org", "office"), ("мини", "--------"), ("", "pbx")]
        {
            assert_eq!(pbx_name_of_host(host), name);
        }
        assert_eq!(pbx_name_of_host(&"a".repeat(64)).len(), PBX_NAME_BYTES);
    }
}
