//! Numbers and fields as they lie in a journal record: varints and `tag, length, bytes`.
//!
//! Stands apart so that the codec of entries and that of marks share one hardened reader: every step answers `None`
//! at the end of the bytes, nothing is indexed, nothing overflows. Knows no meaning of any tag.

/// Appends `value` in groups of seven bits, lowest first, the top bit set on all but the last (LEB128).
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number so that small ones of either sign are short.
pub fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value << 1 ^ value >> 63).cast_unsigned());
}

/// Appends a field: its tag, the length of what `fill` appends, and that. A field is at most 16383 bytes.
pub fn field(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    fill(out);
    let mut length = Vec::with_capacity(2);
    put_varint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
}

/// Appends a text field, or nothing when the text is empty.
pub fn text_field(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        field(out, tag, |out| out.extend_from_slice(text.as_bytes()));
    }
}

/// Walks the fields of a record.
pub struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    /// Over a record's bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// The next tag and its bytes; `Some(None)` at the end, `None` when the bytes end in mid-field.
    #[allow(clippy::option_option)] // two different ends
    pub fn next_field(&mut self) -> Option<Option<(u8, &'a [u8])>> {
        if self.0.is_empty() {
            return Some(None);
        }
        Some(Some((self.0.byte()?, self.0.text()?)))
    }
}

/// Reads numbers off the front of bytes that nobody vouches for.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Over some bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// A varint of at most ten bytes.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that fits 32 bits.
    pub fn varint32(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    /// The inverse of [`put_zigzag`].
    pub fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Bytes after their length.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.bytes(length)
    }

    /// Eight bytes, lowest first.
    pub fn u64_le(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// Four bytes, lowest first.
    pub fn u32_le(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_zigzag(&mut out, value.cast_signed());
            let mut reader = Reader::new(&out);
            assert_eq!(reader.varint(), Some(value));
            assert_eq!(reader.zigzag(), Some(value.cast_signed()));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn an_endless_number_ends() {
        assert_eq!(Reader::new(&[0xff; 40]).varint(), None);
        assert_eq!(Reader::new(&[0x80]).varint(), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert!(Fields::new(&[1, 5, 0, 0]).next_field().is_none());
        assert!(Fields::new(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).next_field().is_none());
        assert_eq!(Fields::new(&[]).next_field(), Some(None));
    }
}
