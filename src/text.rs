//! Bounded text out of bytes that nobody vouches for.
//!
//! AMI fields are bytes: mostly UTF-8, sometimes CP1251, sometimes cut in mid-character, sometimes a kilobyte of caller
//! name. Everything that is kept is kept in a [`Text`] of a size named in [`crate::limits`]: decoded lossily, control
//! characters dropped, cut at a character. Does not normalise telephone numbers (see `number`).

/// A text of at most `N` bytes.
pub type Text<const N: usize> = heapless::String<N>;

/// Copies `bytes` into a bounded text: invalid UTF-8 becomes U+FFFD, control characters are dropped, what does not fit
/// is cut.
pub fn bounded<const N: usize>(bytes: &[u8]) -> Text<N> {
    let mut text = Text::new();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    if bytes.len() <= N
        && bytes.iter().all(is_plain)
        && let Ok(plain) = core::str::from_utf8(bytes)
        && text.push_str(plain).is_ok()
    {
        return text; // nearly always
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars().filter(|c| !c.is_control()) {
            if text.push(c).is_err() {
                return text;
            }
        }
        if !chunk.invalid().is_empty() && text.push(char::REPLACEMENT_CHARACTER).is_err() {
            return text;
        }
    }
    text
}

/// The first `most` bytes of `text`, less where that would cut a character.
pub fn head(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_a_character_and_drops_controls() {
        assert_eq!(bounded::<5>("Привет".as_bytes()), "Пр");
        assert_eq!(bounded::<16>(b"a\r\nb\0c"), "abc");
    }

    #[test]
    fn plain_texts_at_the_edge_of_their_bound_come_back_whole_or_cut() {
        assert_eq!(bounded::<3>(b" ~a"), " ~a");
        assert_eq!(bounded::<3>(b" ~ab"), " ~a");
        assert_eq!(bounded::<3>(b"a\x7fb"), "ab");
        assert_eq!(bounded::<8>(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn heads_end_at_a_character() {
        assert_eq!((head("жж", 3), head("жж", 4), head("жж", 9), head("ж", 1)), ("ж", "жж", "жж", ""));
    }

    #[test]
    fn other_encodings_are_kept_lossily() {
        assert_eq!(bounded::<16>(b"\xcf\xe5 1"), "\u{fffd}\u{fffd} 1");
    }
}
