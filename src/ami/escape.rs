//! Names and values as people wrote them: undoes the escapes of new servers.
//!
//! Asterisk 12 and later C-escape `CallerIDName`, `ConnectedLineName`, the `Value` of `VarSet` and `ChanVariable`;
//! chan_pjsip of 22 sends a quoted name escaped twice; 11 and older send it raw. One rule serves all: escapes are
//! undone once, and a backslash before a quote is dropped. Numbers and other fields are not escaped and must not come
//! here. Runs only for what is kept, never on the way of every event.

use crate::text::{Text, bounded};

/// Longest value looked at, in bytes: more than any [`Text`] keeps.
const LONGEST: usize = 512;

/// `value` unescaped, decoded lossily and cut to `N` bytes.
pub fn unescaped<const N: usize>(value: &[u8]) -> Text<N> {
    let mut plain: heapless::Vec<u8, LONGEST> = heapless::Vec::new();
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        let next = if byte == b'\\' { unescape(&mut bytes) } else { byte };
        if next == b'"' && plain.last() == Some(&b'\\') {
            plain.pop();
        }
        if plain.push(next).is_err() {
            break;
        }
    }
    bounded(&plain)
}

/// What the characters after a backslash stand for.
fn unescape(bytes: &mut (impl Iterator<Item = u8> + Clone)) -> u8 {
    let plain = match bytes.clone().next() {
        Some(b'n' | b'r' | b't') => b' ',
        Some(escaped @ (b'\\' | b'"' | b'\'' | b'?')) => escaped,
        _ => return b'\\',
    };
    bytes.next();
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        unescaped::<64>(value.as_bytes()).as_str().to_owned()
    }

    #[test]
    fn one_name_from_old_and_new_servers_reads_the_same() {
        let said = "ООО \"Ромашка\"";
        assert_eq!(text(said), said, "11: raw");
        assert_eq!(text(r#"ООО \"Ромашка\""#), said, "13, 16: escaped once");
        assert_eq!(text(r#"ООО \\\"Ромашка\\\""#), said, "22 with chan_pjsip: escaped twice");
    }

    #[test]
    fn line_ends_become_spaces_and_lone_backslashes_stay() {
        assert_eq!(text(r"a\nb\rc"), "a b c");
        assert_eq!(text(r"a\\b"), r"a\b");
        assert_eq!(text(r"C:\q\"), r"C:\q\");
    }

    #[test]
    fn long_and_broken_text_is_cut_and_decoded() {
        assert_eq!(unescaped::<4>("Привет".as_bytes()), "Пр");
        assert_eq!(unescaped::<8>(&[b'x'; 5000]), "xxxxxxxx");
        assert_eq!(unescaped::<8>(b"\xcf\\\""), "\u{fffd}\"");
    }
}
