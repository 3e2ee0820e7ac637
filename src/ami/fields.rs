//! Headers into fields: the names of channel fields, the spellings of "no value", and which of equal headers counts.
//!
//! Stands alone because every event is read by it, whatever it means; what it means is in [`typing`](super::typing).
//! One pass over the lines of a packet, each value a slice of it: nothing is allocated and nothing is kept. Names are
//! compared without regard to letter case, the first of equal headers wins, "no value" spellings are folded to the
//! empty slice. It is the hottest code of the program: names are told apart by a letter before they are compared.
//! Decodes nothing but numbers and the names of states.

use super::event::Channel;
use super::frame::Packet;

/// Reads channel blocks (headers with one of `prefixes` before a channel field's name) and single headers (`names`) in
/// one pass. A header goes to the first prefix that fits; what fits no block may be one of `names`.
#[inline]
pub(super) fn read<'a, const B: usize, const N: usize>(
    packet: &Packet<'a>,
    prefixes: [&[u8]; B],
    names: [&[u8]; N],
) -> ([Channel<'a>; B], [&'a [u8]; N]) {
    let mut blocks = [Block::default(); B];
    let mut values = [&b""[..]; N];
    let mut set = [Once::default(); N];
    let initials = names.iter().filter_map(|name| name.first()).fold(0, |bits, first| bits | initial(*first));
    for line in packet.lines() {
        let mut taken = false;
        for (prefix, block) in prefixes.iter().zip(&mut blocks) {
            taken = taken || without_prefix(line, prefix).is_some_and(|rest| block.take(rest));
        }
        if taken {
            continue;
        }
        // Most lines are no candidate by their first letter.
        if line.first().is_none_or(|first| initials & initial(*first) == 0) {
            continue;
        }
        for ((wanted, slot), once) in names.iter().zip(&mut values).zip(&mut set) {
            if let Some(value) = value_of(line, wanted) {
                once.set(slot, value);
            }
        }
    }
    (blocks.map(|block| block.channel), values)
}

/// A bit for a letter, whatever its case. Other bytes may share one: it is only a quick test.
#[inline]
fn initial(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// Lets the first of equal headers win.
#[derive(Clone, Copy, Default)]
pub(super) struct Once(bool);

impl Once {
    pub(super) fn set<'a>(&mut self, slot: &mut &'a [u8], value: &'a [u8]) {
        if !core::mem::replace(&mut self.0, true) {
            *slot = folded(value);
        }
    }
}

/// A channel block while it is read, with a bit for each field that was there.
#[derive(Clone, Copy, Default)]
struct Block<'a> {
    channel: Channel<'a>,
    seen: u16,
}

impl<'a> Block<'a> {
    /// Takes a line that, but for a prefix, begins with the name of a channel field. The colon is not searched: it is
    /// looked for where these names end.
    #[inline]
    fn take(&mut self, line: &'a [u8]) -> bool {
        match line.first() {
            Some(b'C' | b'c') => self.take_c(line),
            Some(b'U' | b'u') => self.text(2, header_named(line, b"Uniqueid")),
            Some(b'L' | b'l') => self.text(3, header_named(line, b"Linkedid")),
            Some(b'E' | b'e') => self.exten(header_named(line, b"Exten").or_else(|| header_named(line, b"Extension"))),
            Some(b'A' | b'a') => {
                self.text(7, header_named(line, b"AccountCode").or_else(|| header_named(line, b"Account")))
            }
            Some(b'S' | b's') => self.state(header_named(line, b"State").map(state_named)),
            _ => false,
        }
    }

    fn take_c(&mut self, line: &'a [u8]) -> bool {
        match line.get(1) {
            Some(b'h' | b'H') => {
                self.text(0, header_named(line, b"Channel"))
                    || self.state(header_named(line, b"ChannelState").map(number))
            }
            Some(b'o' | b'O') => {
                self.text(1, header_named(line, b"Context")) || self.text(6, header_named(line, b"ConnectedLineNum"))
            }
            Some(b'a' | b'A') => {
                self.text(4, header_named(line, b"CallerIDNum"))
                    || self.text(5, header_named(line, b"CallerIDName"))
                    || self.text(4, header_named(line, b"CallerID"))
            }
            _ => false,
        }
    }

    #[inline]
    fn text(&mut self, field: u8, value: Option<&'a [u8]>) -> bool {
        let Some(value) = value else { return false };
        if self.is_first(field) {
            let channel = &mut self.channel;
            *match field {
                0 => &mut channel.name,
                1 => &mut channel.context,
                2 => &mut channel.unique_id,
                3 => &mut channel.linked_id,
                4 => &mut channel.caller_num,
                5 => &mut channel.caller_name,
                6 => &mut channel.connected_num,
                _ => &mut channel.account,
            } = folded(value);
        }
        true
    }

    /// `s` is the dialplan's word for no number.
    fn exten(&mut self, value: Option<&'a [u8]>) -> bool {
        let Some(value) = value else { return false };
        if self.is_first(8) {
            self.channel.exten = if value == b"s" { b"" } else { folded(value) };
        }
        true
    }

    fn state(&mut self, value: Option<Option<u8>>) -> bool {
        let Some(value) = value else { return false };
        self.channel.state = self.channel.state.or(value);
        true
    }

    fn is_first(&mut self, field: u8) -> bool {
        let bit = 1 << field;
        let is_first = self.seen & bit == 0;
        self.seen |= bit;
        is_first
    }
}

/// The names of channel states, as 1.4 and some list items of 1.8 and 11 give them.
fn state_named(name: &[u8]) -> Option<u8> {
    let names: [(&[u8], u8); 8] = [
        (b"Down", 0),
        (b"Rsrvd", 1),
        (b"OffHook", 2),
        (b"Dialing", 3),
        (b"Ring", 4),
        (b"Ringing", 5),
        (b"Up", 6),
        (b"Busy", 7),
    ];
    names.iter().find(|(known, _)| is(name, known)).map(|&(_, state)| state)
}

/// Folds the spellings of "no value" to nothing.
#[inline]
fn folded(value: &[u8]) -> &[u8] {
    let none: [&[u8]; 5] = [b"<unknown>", b"unknown", b"(null)", b"<null>", b"N/A"];
    let suspicious = matches!(value.first(), Some(b'<' | b'(' | b'u' | b'U' | b'N' | b'n'));
    if suspicious && none.iter().any(|spelling| is(value, spelling)) {
        return b"";
    }
    value
}

#[inline]
pub(super) fn is(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && name.eq_ignore_ascii_case(known)
}

#[inline]
fn without_prefix<'n>(name: &'n [u8], prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, tail) = name.split_at_checked(prefix.len())?;
    is(head, prefix).then_some(tail)
}

/// The value of a line if it is the header `name`.
#[inline]
pub(super) fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then_some(value.strip_prefix(b" ").unwrap_or(value))
}

/// The same for a name known when compiled: the common spelling is compared without a call.
#[inline]
pub(super) fn header_named<'a, const L: usize>(line: &'a [u8], name: &[u8; L]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_first_chunk::<L>()?;
    let value = rest.strip_prefix(b":")?;
    let same = found == name
        || (found.get(1..3).is_some_and(|two| is(two, name.get(1..3).unwrap_or_default()))
            && found.eq_ignore_ascii_case(name));
    same.then_some(value.strip_prefix(b" ").unwrap_or(value))
}

pub(super) fn number<T: core::str::FromStr>(value: &[u8]) -> Option<T> {
    core::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_folded_and_values_are_not() {
        for none in ["<unknown>", "unknown", "Unknown", "(null)", "<null>", "N/A", "n/a", ""] {
            assert_eq!(folded(none.as_bytes()), b"", "{none}");
        }
        for value in ["unknown caller", "Nikita", "(495) 1110001", "<b>", "anonymous", "0"] {
            assert_eq!(folded(value.as_bytes()), value.as_bytes());
        }
    }
}
