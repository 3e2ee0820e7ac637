//! Where a portal's methods are called: the webhook's address, which is a secret.
//!
//! Stands alone so that one place knows what may be printed (the host) and where the credential may travel: only to
//! this host by https, or after a renaming of the portal to another one under the same vendor domain. Never shows the
//! path.

use core::fmt;

/// The base of all calls, `https://HOST/rest/USER/SECRET/`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Host and port, lower case, without the default port.
    authority: String,
    /// From `/` to `/`.
    path: String,
}

impl Address {
    /// Takes a webhook's address apart; none if it is not https or has no path.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (authority, path) = split(url)?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = if path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
        (path.len() > 1).then_some(Self { authority, path })
    }

    /// The address of one method. Never print it.
    pub(super) fn method(&self, name: &str) -> String {
        format!("https://{}{}{name}", self.authority, self.path)
    }

    /// Host and port: what may be printed.
    pub(super) fn host(&self) -> &str {
        &self.authority
    }

    /// Whether `url` leads to this very portal by https, so that it may be given the credential it holds.
    pub(super) fn leads_home(&self, url: &str) -> bool {
        split(url).is_some_and(|(authority, _)| authority == self.authority)
    }

    /// The portal's new address, when `location` (the answer to a call of `method`) is the same call on a renamed
    /// portal: https, the same path, a host under the same vendor domain.
    pub(super) fn moved(&self, location: &str, method: &str) -> Option<Self> {
        let (authority, path) = split(location)?;
        let same_path = path.strip_prefix(self.path.as_str()) == Some(method);
        let same_vendor = vendor_domain(&self.authority).is_some_and(|ours| vendor_domain(&authority) == Some(ours));
        (same_path && same_vendor).then(|| Self { authority, path: self.path.clone() })
    }

    /// `text` without the credential, on one line, at most 200 bytes: what the portal says may quote the request.
    pub(super) fn masked(&self, text: &str) -> String {
        let text = text.replace(self.path.trim_matches('/'), "***");
        let secret = self.path.trim_matches('/').rsplit('/').next().unwrap_or_default();
        let text = if secret.len() < 4 { text } else { text.replace(secret, "***") };
        crate::text::bounded::<200>(text.as_bytes()).as_str().to_owned()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/***", self.authority)
    }
}

fn split(url: &str) -> Option<(String, &str)> {
    let rest = url.trim().strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let authority = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (!authority.is_empty() && authority.chars().all(clean)).then_some((authority, path))
}

/// `bitrix24.ru` of `example.bitrix24.ru`: the domain that belongs to the vendor and to nobody else.
fn vendor_domain(authority: &str) -> Option<&str> {
    let (_, domain) = authority.split_once('.')?;
    domain.starts_with("bitrix24.").then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::parse("https://Example.Bitrix24.ru:443/rest/1/s3cr3tcode/").unwrap_or_else(|| unreachable!())
    }

    #[test]
    fn the_secret_is_on_the_wire_and_nowhere_else() {
        assert_eq!(address().method("server.time"), "https://example.bitrix24.ru/rest/1/s3cr3tcode/server.time");
        assert_eq!(
            format!("{:?} {}", address(), address().host()),
            "https://example.bitrix24.ru/*** example.bitrix24.ru"
        );
        let said = "No route /rest/1/s3cr3tcode/x\r\nnor s3cr3tcode";
        assert_eq!(address().masked(said), "No route /***/xnor ***");
    }

    #[test]
    fn an_upload_goes_to_the_portal_only() {
        assert!(address().leads_home("https://example.bitrix24.ru/rest/upload.json?token=telephony|a|b"));
        for foreign in [
            "http://example.bitrix24.ru/rest/upload.json",
            "https://example.bitrix24.ru.evil.test/rest/",
            "https://example.bitrix24.ru@evil.test/rest/",
            "https://example.bitrix24.ru:8443/rest/",
            "/rest/upload.json",
        ] {
            assert!(!address().leads_home(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_renamed_portal_is_followed_under_its_vendor_only() {
        let to = |location: &str| address().moved(location, "profile").map(|new| new.host().to_owned());
        assert_eq!(to("https://new.bitrix24.ru/rest/1/s3cr3tcode/profile").as_deref(), Some("new.bitrix24.ru"));
        for refused in [
            "http://new.bitrix24.ru/rest/1/s3cr3tcode/profile",
            "https://new.bitrix24.com/rest/1/s3cr3tcode/profile",
            "https://new.example.ru/rest/1/s3cr3tcode/profile",
            "https://new.bitrix24.ru/rest/1/other/profile",
            "https://new.bitrix24.ru/auth/?backurl=profile",
            "/rest/1/s3cr3tcode/profile",
        ] {
            assert_eq!(to(refused), None, "{refused}");
        }
    }

    #[test]
    fn plain_http_and_bare_hosts_are_no_addresses() {
        for bad in ["http://a.b/rest/1/x/", "https://a.b", "https:///rest/1/x/", "ftp://a.b/rest/", ""] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
        let bare = Address::parse("https://a.b/rest/1/x").map(|address| address.method("y"));
        assert_eq!(bare.as_deref(), Some("https://a.b/rest/1/x/y"));
    }
}
