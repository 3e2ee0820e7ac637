//! Which channel is an extension, which a trunk, and so whose call it is.
//!
//! A pure judgement of names and contexts, in the order: what the user configured, what the profile knows, what the
//! channel's technology and name say. Keeps the patterns and the learned peers, nothing about calls.

/// Contexts that the user named; `*` at the end of a pattern matches any tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    /// A channel that starts here is a trunk's.
    pub external: Vec<String>,
    /// A channel that starts here is an extension's.
    pub internal: Vec<String>,
    /// Channels that start here are not followed.
    pub ignored: Vec<String>,
}

/// Whether `text` is what `pattern` says; each `*` matches any run of bytes, the empty one included.
pub fn matches(pattern: &str, text: &[u8]) -> bool {
    let mut parts = pattern.as_bytes().split(|b| *b == b'*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_tails() {
        assert!(matches("from-pstn*", b"from-pstn-1"));
        assert!(matches("from-pstn*", b"from-pstn"));
        assert!(!matches("from-pstn", b"from-pstn-1"));
        assert!(matches("T*_cos-*", b"T2_cos-all"));
        assert!(!matches("T*_cos-*", b"cos-all"));
        assert!(!matches("", b"x"));
        assert!(matches("*", b""));
        assert!(!matches("ab*b", b"ab"));
    }
}
