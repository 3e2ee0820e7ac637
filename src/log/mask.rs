//! Takes secrets and control characters out of a text before anybody sees it.
//!
//! Stands alone because logs, errors, `status`, `doctor` and recorded transcripts all need it. Two nets: the secrets
//! that the configuration named, wherever they appear ([`hide`]), and the places where secrets are known to stand: a
//! webhook's path, the query of any URL (upload addresses carry their key there), and the value after a word like
//! `token` or an AMI header like `Secret`. Masking too much is fine, too little is not. Texts are cut at
//! [`LOG_LINE_BYTES`].

use crate::config::Secret;
use crate::limits::{HIDDEN_SECRETS, LOG_LINE_BYTES};
use crate::text::head;
use std::sync::{PoisonError, RwLock};

/// What stands for a secret.
const MASK: &str = "***";

/// A secret shorter than this is not looked for everywhere: it would mask every `101`, and by that tell what it is.
const SHORTEST_HIDDEN: usize = 5;

/// Words whose value is secret, alone or as the last part of a longer one (`access_token`): after `=` anywhere, after
/// `:` in a header or in JSON. `key` is AMI's MD5 answer to a challenge, from which a weak secret can be guessed.
const SECRET_WORDS: [&str; 7] = ["auth", "token", "secret", "password", "passwd", "key", "authorization"];

static HIDDEN: RwLock<Vec<Secret>> = RwLock::new(Vec::new());

/// Has `secret` masked from now on in every text that passes [`masked`]. Called once per secret of the configuration,
/// so the list is as short as that; of those of files that were read anew the last [`HIDDEN_SECRETS`] stay. Of a
/// webhook's URL the part that is secret is hidden.
pub fn hide(secret: &Secret) {
    let part = Secret::new(secret_part(secret));
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    if part.expose().len() >= SHORTEST_HIDDEN {
        // Those in force are hidden with each reading, so they are the last to be forgotten.
        hidden.retain(|known| *known != part);
        if hidden.len() >= HIDDEN_SECRETS {
            hidden.remove(0);
        }
        hidden.push(part);
    }
}

/// What of a secret must not be seen: of a webhook's URL the last part of its path, of anything else all of it.
pub fn secret_part(secret: &Secret) -> &str {
    let text = secret.expose();
    if !text.starts_with("https://") {
        return text;
    }
    text.trim_end_matches('/').rsplit('/').next().unwrap_or(text)
}

/// `text` fit for a log: secrets as `***`, control characters escaped, at most
/// [`LOG_LINE_BYTES`] of it.
pub fn masked(text: &str) -> String {
    let known = without_hidden(text);
    let head = head(&known, LOG_LINE_BYTES);
    let mut shown = escaped(&without_places(head));
    if head.len() < known.len() {
        shown.push('…');
    }
    shown
}

fn without_hidden(text: &str) -> String {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MASK))
}

/// Where a secret value ends.
#[derive(Clone, Copy)]
enum Until {
    /// At the next blank, quote, bracket, comma, `&` or `;`.
    Delimiter,
    /// At the next blank, quote or bracket: the query of a URL.
    UrlEnd,
    /// At the next `/`, or where a URL ends.
    Slash,
    /// At this quote.
    Quote(char),
    /// At the end of the line.
    LineEnd,
}

impl Until {
    fn is_at(self, c: char) -> bool {
        match self {
            Self::Delimiter => ends_url(c) || matches!(c, '&' | ',' | ';'),
            Self::UrlEnd => ends_url(c),
            Self::Slash => ends_url(c) || matches!(c, '/' | '?'),
            Self::Quote(quote) => c == quote,
            Self::LineEnd => matches!(c, '\r' | '\n'),
        }
    }
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '{' | '}' | '[' | ']' | '\\')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Walks `text` and masks what stands where secrets stand.
fn without_places(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_url = false;
    while let Some(next) = rest.chars().next() {
        in_url = (in_url || rest.starts_with("://")) && !ends_url(next);
        let Some((plain, until)) = secret_after(rest, last(&shown), in_url) else {
            shown.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (plain, value) = rest.split_at(plain);
        shown.push_str(plain);
        let end = value.find(|c| until.is_at(c)).unwrap_or(value.len());
        if end > 0 {
            shown.push_str(MASK);
        }
        rest = value.get(end..).unwrap_or_default();
    }
    shown
}

/// The character before the one in hand; a line end that was escaped already (`\\n`) is one all the same.
fn last(shown: &str) -> Option<char> {
    if shown.ends_with("\\n") || shown.ends_with("\\r") { Some('\n') } else { shown.chars().next_back() }
}

/// Whether `rest` begins with something after which a secret stands: how many bytes that is, and where the secret ends.
fn secret_after(rest: &str, before: Option<char>, in_url: bool) -> Option<(usize, Until)> {
    if in_url && rest.starts_with('?') {
        return Some((1, Until::UrlEnd));
    }
    if let Some(after) = rest.strip_prefix("/rest/") {
        let secret = after.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('/')?;
        return (secret.len() + 1 < after.len()).then_some((rest.len() - secret.len(), Until::Slash));
    }
    if before.is_some_and(is_word) {
        return None;
    }
    let after = rest.trim_start_matches(is_word);
    let word = rest.get(..rest.len() - after.len())?;
    if word.eq_ignore_ascii_case("bearer") && after.starts_with(' ') {
        return Some((word.len() + 1, Until::Delimiter));
    }
    let last = word.rsplit('_').next().unwrap_or(word);
    if !SECRET_WORDS.iter().any(|secret| last.eq_ignore_ascii_case(secret)) {
        return None;
    }
    let (value, until) = value_after_sign(after, before)?;
    Some((rest.len() - value.len(), until))
}

/// After a secret word: the value behind its `=` or `:`, and where that ends. A `:` counts in JSON and at the beginning
/// of a line only, so that our own sentences stay readable.
fn value_after_sign(after: &str, before: Option<char>) -> Option<(&str, Until)> {
    let blank = |c: char| c == ' ' || c == '\t';
    let (value, bare) = if let Some(value) = after.trim_start_matches(blank).strip_prefix('=') {
        (value.trim_start_matches(blank), Until::Delimiter)
    } else if let Some(json) = after.trim_start_matches('\\').strip_prefix('"') {
        (json.trim_start_matches(blank).strip_prefix(':')?.trim_start_matches(blank), Until::Delimiter)
    } else if before.is_none_or(|c| matches!(c, '\r' | '\n' | '"')) {
        (after.strip_prefix(':')?.trim_start_matches(blank), Until::LineEnd)
    } else {
        return None;
    };
    let opened = value.trim_start_matches('\\');
    match opened.chars().next() {
        Some(quote @ ('"' | '\'')) => Some((opened.get(1..)?, Until::Quote(quote))),
        _ => Some((value, bare)),
    }
}

/// Control characters as `\n`, `\u{1b}`: nothing that a peer says starts a line or colours a terminal.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_keeps_its_host_and_loses_its_secret() {
        assert_eq!(
            masked("POST https://example.bitrix24.ru/rest/1/abc123def/user.get: timed out"),
            "POST https://example.bitrix24.ru/rest/1/***/user.get: timed out"
        );
        assert_eq!(masked("/rest/1/abc123def"), "/rest/1/***");
        assert_eq!(masked("/rest/telephony.externalcall.register"), "/rest/telephony.externalcall.register");
    }

    #[test]
    fn upload_addresses_lose_their_query() {
        assert_eq!(
            masked("upload to https://p.bitrix24.ru/rest/7/s3cr3t/upload/?token=telephony%7Cx&n=1 failed"),
            "upload to https://p.bitrix24.ru/rest/7/***/upload/?*** failed"
        );
        assert_eq!(masked("/rest/upload.json?auth=aa.bb&token=cc|dd"), "/rest/upload.json?auth=***&token=***");
    }

    #[test]
    fn values_of_secret_words_are_masked() {
        for (raw, shown) in [
            ("refresh_token=abc&x=1", "refresh_token=***&x=1"),
            (r#"{"access_token":"a b","expires":3600}"#, r#"{"access_token":"***","expires":3600}"#),
            (r#"{\"auth\":\"a\"}"#, r#"{\"auth\":\"***"}"#),
            ("Action: Login\r\nSecret: two words\r\nKey: 0123\r\n", r"Action: Login\r\nSecret: ***\r\nKey: ***\r\n"),
            ("Authorization: Bearer abc", "Authorization: ***"),
            ("sent Bearer abc, refused", "sent Bearer ***, refused"),
            ("secret = \"hunter 2\" # mine", "secret = \"***\" # mine"),
            ("PASSWORD='x y'", "PASSWORD='***'"),
            ("api_key=abc", "api_key=***"),
        ] {
            assert_eq!(masked(raw), shown);
        }
    }

    #[test]
    fn sentences_stay_readable() {
        for text in [
            "login refused, wrong secret: see [pbx]",
            "token expired",
            "monkey=7",
            "the key is not known: auth",
            "why?",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn named_secrets_are_masked_wherever_they_appear() {
        hide(&Secret::new("correct horse"));
        hide(&Secret::new("https://example.bitrix24.ru/rest/1/battery9staple/"));
        hide(&Secret::new("101"));
        assert_eq!(masked("a correct horse, a battery9staple, a 101"), "a ***, a ***, a 101");
    }

    #[test]
    fn a_peer_cannot_start_a_line_or_colour_the_terminal() {
        assert_eq!(masked("a\r\nERROR b\u{1b}[31m\0\u{202e}"), r"a\r\nERROR b\u{1b}[31m\u{0}\u{202e}");
    }

    /// Whatever stands around it and whatever it is made of, a secret in a known place does not come out.
    #[test]
    fn no_secret_in_a_known_place_comes_out() {
        let places = [
            "GET https://b24.lan:8443/rest/12/\u{1}/telephony.externalcall.finish.json: 503",
            "POST https://b24.lan/rest/12/\u{1}",
            "https://b24.lan/upload/?token=\u{1}&x=1",
            "https://b24.lan/bitrix/x.php?q=\u{1}",
            "/rest/upload.json?auth=\u{1}",
            "{\"access_token\":\"\u{1}\",\"x\":1}",
            "{\\\"refresh_token\\\": \\\"\u{1}\\\"}",
            "Secret: \u{1}",
            "Action: Login\r\nKey: \u{1}\r\nEvents: off",
            "Authorization: Bearer \u{1}",
            "client_secret=\u{1}",
            "Action: Login\\r\\nSecret: \u{1}",
        ];
        let noise = ["", "жж", "token", "\"", "?", "://", "/rest/", "\r\n", "=", "\\", "auth: "];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let letters = b"abcdefXYZ0123456789-_.~%|";
            let secret: String =
                (0..random.usize(6..40)).map(|_| char::from(letters[random.usize(..letters.len())])).collect();
            let place = places[random.usize(..places.len())];
            let (before, after) = (noise[random.usize(..noise.len())], noise[random.usize(..noise.len())]);
            let text = format!("{before}\r\n{}\r\n{after}", place.replace('\u{1}', &secret));
            assert!(!masked(&text).contains(&secret), "{text:?} -> {:?}", masked(&text));
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let shown = masked(&"ж".repeat(LOG_LINE_BYTES));
        assert!(shown.len() <= LOG_LINE_BYTES + '…'.len_utf8());
        assert!(shown.ends_with("ж…"));
    }
}
