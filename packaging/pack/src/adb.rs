//! The container of apk's third format, "ADB": a block of typed values, and blocks of contents.
//!
//! A value is one little-endian word: four bits of type, and 28 bits that are a small number themselves or the place of
//! what does not fit there. Blobs stand there with their length in front; objects and lists as words, of which the
//! first counts all. What was written once is referred to again, not written twice. Blocks are a word (two bits of
//! type, 30 of size) and their contents, padded to eight bytes.
//!
//! The order in which values are written is part of the bytes, and so of the hash by which apk knows a package; it is
//! the caller's.

use crate::digest::sha256;
use crate::error::Error;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::collections::HashMap;
use std::io::Write as _;

const INT: u32 = 0x1000_0000;
const INT_32: u32 = 0x2000_0000;
const INT_64: u32 = 0x3000_0000;
const BLOB_8: u32 = 0x8000_0000;
const BLOB_16: u32 = 0x9000_0000;
const BLOB_32: u32 = 0xa000_0000;
/// Lists are written under this type too.
const OBJECT: u32 = 0xe000_0000;
/// What a value has room for beside its type.
const ROOM: u32 = 0x0fff_ffff;
/// Two bytes of versions and two that are spare, all zero, and the root.
const HEADER: usize = 8;
/// Where in it the root is.
const ROOT: usize = 4;
/// The identity of a package: the first bytes of its SHA-256.
const IDENTITY: usize = 20;

/// A value, or the absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(u32);

impl Value {
    /// No value.
    pub const NONE: Self = Self(0);
}

/// The block of values in the making.
#[derive(Debug)]
pub struct Values {
    bytes: Vec<u8>,
    /// Where each piece that was written is.
    written: HashMap<Vec<u8>, u32>,
}

impl Default for Values {
    fn default() -> Self {
        Self { bytes: vec![0; HEADER], written: HashMap::new() }
    }
}

impl Values {
    /// Writes bytes; an empty blob is no value.
    ///
    /// # Errors
    ///
    /// Where the block is full, as for all that write here.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Value, Error> {
        let (kind, piece, alignment) = match bytes.len() {
            0 => return Ok(Value::NONE),
            len @ 1..=0xff => (BLOB_8, [&[len as u8][..], bytes].concat(), 1),
            len @ 0x100..=0xffff => (BLOB_16, [&(len as u16).to_le_bytes()[..], bytes].concat(), 2),
            len => {
                let len = u32::try_from(len).map_err(|_| full())?;
                (BLOB_32, [&len.to_le_bytes()[..], bytes].concat(), 4)
            }
        };
        Ok(Value(kind | self.place(piece, alignment)?))
    }

    /// Writes a number, or puts it into the value where it is small.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn number(&mut self, number: u64) -> Result<Value, Error> {
        Ok(Value(match u32::try_from(number) {
            Ok(small) if small <= ROOM => INT | small,
            Ok(word) => INT_32 | self.place(word.to_le_bytes().to_vec(), 4)?,
            Err(_) => INT_64 | self.place(number.to_le_bytes().to_vec(), 4)?,
        }))
    }

    /// Writes an object of these fields, or a list; without any it is no value.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn object(&mut self, fields: &[Value]) -> Result<Value, Error> {
        let Some(last) = fields.iter().rposition(|field| *field != Value::NONE) else {
            return Ok(Value::NONE);
        };
        let count = u32::try_from(last + 2).map_err(|_| full())?;
        let words = core::iter::once(count).chain(fields.iter().take(last + 1).map(|field| field.0));
        let piece = words.flat_map(u32::to_le_bytes).collect();
        Ok(Value(OBJECT | self.place(piece, 4)?))
    }

    /// Leaves room for the package's identity, which [`Values::finish`] fills in.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn identity(&mut self) -> Result<Value, Error> {
        // Never shared with a blob of zeros.
        let at = self.append(&[&[IDENTITY as u8][..], &[0; IDENTITY]].concat(), 1)?;
        Ok(Value(BLOB_8 | at))
    }

    /// The block's bytes: the root set, and the identity, which is computed while its own place is zero.
    ///
    /// # Errors
    ///
    /// Where `identity` is not what [`Values::identity`] gave.
    pub fn finish(mut self, root: Value, identity: Value) -> Result<Vec<u8>, Error> {
        let spoilt = || Error::Room { format: "apk", what: "the identity".to_owned() };
        self.bytes.get_mut(ROOT..HEADER).ok_or_else(spoilt)?.copy_from_slice(&root.0.to_le_bytes());
        let hash = sha256(&self.bytes);
        let at = (identity.0 & ROOM) as usize + 1;
        let place = self.bytes.get_mut(at..at + IDENTITY).ok_or_else(spoilt)?;
        place.copy_from_slice(hash.get(..IDENTITY).ok_or_else(spoilt)?);
        Ok(self.bytes)
    }

    fn place(&mut self, piece: Vec<u8>, alignment: u32) -> Result<u32, Error> {
        if let Some(at) = self.written.get(&piece).filter(|at| at.is_multiple_of(alignment)) {
            return Ok(*at);
        }
        let at = self.append(&piece, alignment as usize)?;
        self.written.insert(piece, at);
        Ok(at)
    }

    fn append(&mut self, piece: &[u8], alignment: usize) -> Result<u32, Error> {
        let at = self.bytes.len().next_multiple_of(alignment);
        let place = u32::try_from(at).ok().filter(|at| *at <= ROOM).ok_or_else(full)?;
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(piece);
        Ok(place)
    }
}

fn full() -> Error {
    Error::Room { format: "apk", what: "more than 256 MiB of values".to_owned() }
}

/// A file of blocks in the making.
#[derive(Debug)]
pub struct Container {
    bytes: Vec<u8>,
}

impl Container {
    /// A container of a schema (four letters) that begins with a block of values.
    ///
    /// # Errors
    ///
    /// Where the block is too large, as for all that write here.
    pub fn new(schema: [u8; 4], values: &[u8]) -> Result<Self, Error> {
        let mut container = Self { bytes: [*b"ADB.", schema].concat() };
        container.block(0, &[values])?;
        Ok(container)
    }

    /// Adds the contents of the `file`th file in the `folder`th folder, both counted from one.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn contents(&mut self, folder: u32, file: u32, contents: &[u8]) -> Result<(), Error> {
        const DATA: u32 = 2;
        self.block(DATA, &[&folder.to_le_bytes(), &file.to_le_bytes(), contents])
    }

    /// The file: a mark, and the container deflated.
    ///
    /// # Errors
    ///
    /// None in practice: nothing but memory is written to.
    pub fn deflated(self) -> Result<Vec<u8>, Error> {
        let mut encoder = DeflateEncoder::new(b"ADBd".to_vec(), Compression::best());
        let written = encoder.write_all(&self.bytes).and_then(|()| encoder.finish());
        written.map_err(|why| Error::Room { format: "apk", what: why.to_string() })
    }

    fn block(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), Error> {
        const LARGEST: u32 = 0x3fff_ffff;
        let size = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
        let word = u32::try_from(size).ok().filter(|size| *size <= LARGEST);
        let word = word.ok_or_else(|| Error::Room { format: "apk", what: format!("a block of {size} bytes") })?;
        self.bytes.extend_from_slice(&(kind << 30 | word).to_le_bytes());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        // Both what is in front of the first block and each padded block are multiples of eight.
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOB_8, HEADER, INT_32, OBJECT, Value, Values};

    fn at(kind: u32, place: usize) -> Value {
        Value(kind | place as u32)
    }

    #[test]
    fn what_was_written_is_not_written_again() {
        let mut values = Values::default();
        let name = values.blob(b"root").unwrap();
        assert_eq!(name, at(BLOB_8, HEADER));
        assert_eq!(values.blob(b"root").unwrap(), name);
        let object = values.object(&[name, Value::NONE]).unwrap();
        assert_eq!(object, at(OBJECT, HEADER + 8));
        assert_eq!(values.object(&[name]).unwrap(), object);
        assert_eq!(values.bytes.len(), HEADER + 8 + 8);
        assert_eq!(values.object(&[Value::NONE]).unwrap(), Value::NONE);
        assert_eq!(values.blob(b"").unwrap(), Value::NONE);
    }

    #[test]
    fn a_number_is_not_shared_with_the_same_bytes_in_an_odd_place() {
        let mut values = Values::default();
        values.blob(b"x").unwrap();
        // The blob with its length is the four bytes of the number.
        assert_eq!(values.blob(&[0, 0, 0x10]).unwrap(), at(BLOB_8, HEADER + 2));
        let number = values.number(0x1000_0003).unwrap();
        assert_eq!(number, at(INT_32, HEADER + 8));
        assert_eq!(values.number(0x1000_0003).unwrap(), number);
        // A blob may be anywhere, and is where its bytes were written last.
        assert_eq!(values.blob(&[0, 0, 0x10]).unwrap(), at(BLOB_8, HEADER + 8));
    }

    #[test]
    fn the_identity_has_a_place_of_its_own() {
        let mut values = Values::default();
        let zeros = values.blob(&[0; 20]).unwrap();
        let identity = values.identity().unwrap();
        assert_ne!(zeros, identity);
        let bytes = values.finish(zeros, identity).unwrap();
        assert_eq!(bytes[4..HEADER], zeros.0.to_le_bytes());
        assert_eq!(bytes[HEADER + 1..HEADER + 21], [0; 20]);
        assert_ne!(bytes[HEADER + 22..], [0; 20]);
    }
}
