//! A medium in memory that does what real ones do at their worst: for tests and fuzzing only.
//!
//! It keeps what the running process reads back, what was safe at the last good sync, and every write since. At a power
//! cut the latter is lost, kept, torn and reordered by a seed's choice, sector by sector: a sector holds what was safe,
//! one of its states in between, its last one, any of its writes without the others, or of the write it was cut in some
//! bytes from the front. A counter of fuel cuts the power in the middle of a write, at an exact byte.
//!
//! It also fails: writes by the n-th call, in part or not at all, with any error; syncs, after which Linux takes what
//! was written for clean, so that it is gone with the next cut, or read back as it was before, although a later sync
//! succeeds; reads. Sectors are torn only within, and bytes beside a write are left alone ("powersafe overwrite", as
//! SQLite calls it).

use super::storage::Storage;
use std::collections::BTreeMap;
use std::io;

/// Unit of loss and reordering, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// What the medium does with unsynced sectors at a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtCut {
    /// All writes that were made are there: a killed process, or JFFS2 on NOR.
    #[default]
    KeepsAll,
    /// None is: a cache that was never written back.
    LosesAll,
    /// Each sector by itself is kept, lost, torn or reordered, by this seed.
    Shuffles(u64),
}

/// What a failed sync does with what was written since the last good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtFailedSync {
    /// It stays written and unsynced.
    #[default]
    KeepsCache,
    /// It reads as written until the power goes, but no later sync saves it: ext4, whose pages are marked clean.
    Forgets,
    /// It reads as it was before: pages that were marked clean and thrown away.
    DropsCache,
}

/// A write that no sync made safe, cut into sectors.
#[derive(Clone, Debug)]
struct Piece {
    offset: usize,
    bytes: Vec<u8>,
    /// A sync failed since: it may be on the medium, and no sync will put it there.
    is_forgotten: bool,
}

/// A medium in memory.
#[derive(Clone, Debug, Default)]
pub struct SimulatedMedium {
    image: Vec<u8>,
    durable: Vec<u8>,
    pieces: Vec<Piece>,
    /// Bytes that may still be written before the power goes; none: for ever.
    pub fuel: Option<u64>,
    /// Refuses writes with this error.
    pub refuse_writes: Option<io::ErrorKind>,
    /// Refuses a write now and then, in part, by the seed: one of so many, with this error.
    pub refuse_some_writes: Option<(u8, io::ErrorKind, fastrand::Rng)>,
    /// Writes only so many bytes of the next refused write before it fails.
    pub short_write: usize,
    /// Refuses reads with this error.
    pub refuse_reads: Option<io::ErrorKind>,
    /// Refuses syncs.
    pub refuse_syncs: bool,
    /// What becomes of what was written when a sync is refused.
    pub at_failed_sync: AtFailedSync,
    /// Bytes written, as the ring asked for.
    pub bytes_written: u64,
    /// Calls of `write_at` that were tried.
    pub writes: u64,
    /// Calls of `sync` that were tried.
    pub syncs: u64,
    is_off: bool,
}

impl SimulatedMedium {
    /// A fresh medium of zeros.
    pub fn new(size: usize) -> Self {
        Self::with_image(vec![0; size])
    }

    /// A medium that holds `image`.
    pub fn with_image(image: Vec<u8>) -> Self {
        Self { durable: image.clone(), image, ..Self::default() }
    }

    /// What a reader sees now.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// Damages it from outside.
    pub fn image_mut(&mut self) -> &mut [u8] {
        &mut self.image
    }

    /// Whether the fuel ran out.
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// Whether any of these bytes was written and is not safe.
    pub fn is_unsynced(&self, bytes: core::ops::Range<usize>) -> bool {
        self.pieces.iter().any(|piece| piece.offset < bytes.end && bytes.start < piece.offset + piece.bytes.len())
    }

    /// What is there when the power comes back.
    pub fn after_cut(&self, at_cut: AtCut) -> Self {
        Self::with_image(self.image_after_cut(at_cut))
    }

    fn image_after_cut(&self, at_cut: AtCut) -> Vec<u8> {
        let mut image = self.durable.clone();
        match at_cut {
            AtCut::KeepsAll => self.pieces.iter().filter(|piece| !piece.is_forgotten).for_each(|p| p.put(&mut image)),
            AtCut::LosesAll => {}
            AtCut::Shuffles(seed) => self.shuffle(&mut image, seed),
        }
        image
    }

    /// Pieces by sector, in their order, each sector to its own fate.
    fn shuffle(&self, image: &mut [u8], seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sectors: BTreeMap<usize, Vec<&Piece>> = BTreeMap::new();
        for piece in &self.pieces {
            sectors.entry(piece.offset / SECTOR_BYTES).or_default().push(piece);
        }
        for pieces in sectors.values() {
            match random.u8(0..8) {
                0 => {}
                // As of some moment, the write of that moment torn.
                1..=3 => {
                    let (kept, cut) = pieces.split_at(random.usize(0..=pieces.len()));
                    kept.iter().for_each(|piece| piece.put(image));
                    if let Some(torn) = cut.first() {
                        torn.put_some(image, random.usize(0..=torn.bytes.len()));
                    }
                }
                // Any of the writes, an earlier one lost while a later one was kept.
                4..=5 => pieces.iter().filter(|_| random.bool()).for_each(|piece| piece.put(image)),
                _ => pieces.iter().for_each(|piece| piece.put(image)),
            }
        }
    }

    /// Writes what can be written.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let mut at = offset;
        for part in sector_parts(offset, bytes) {
            let piece = Piece { offset: at, bytes: part.to_vec(), is_forgotten: false };
            piece.put(&mut self.image);
            self.pieces.push(piece);
            at += part.len();
        }
        self.bytes_written += bytes.len() as u64;
    }

    /// How many bytes of a write get through, and the error of what does not.
    fn allowance(&mut self, wanted: usize) -> (usize, Option<io::ErrorKind>) {
        if let Some(kind) = self.refuse_writes {
            return (self.short_write.min(wanted), Some(kind));
        }
        if let Some((one_of, kind, random)) = &mut self.refuse_some_writes
            && random.u8(0..*one_of) == 0
        {
            return (random.usize(0..=wanted), Some(*kind));
        }
        let fuel = self.fuel.map_or(wanted, |fuel| usize::try_from(fuel).unwrap_or(usize::MAX).min(wanted));
        (fuel, (fuel < wanted).then_some(io::ErrorKind::BrokenPipe))
    }

    fn fail_sync(&mut self) {
        match self.at_failed_sync {
            AtFailedSync::KeepsCache => {}
            AtFailedSync::Forgets => self.pieces.iter_mut().for_each(|piece| piece.is_forgotten = true),
            AtFailedSync::DropsCache => {
                self.image.clone_from(&self.durable);
                self.pieces.clear();
            }
        }
    }
}

impl Piece {
    fn put(&self, image: &mut [u8]) {
        self.put_some(image, self.bytes.len());
    }

    fn put_some(&self, image: &mut [u8], count: usize) {
        let places = image.iter_mut().skip(self.offset).zip(&self.bytes).take(count);
        places.for_each(|(place, byte)| *place = *byte);
    }
}

/// The bytes of a write at `offset`, sector by sector.
fn sector_parts(offset: usize, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut room = SECTOR_BYTES - offset % SECTOR_BYTES;
    core::iter::from_fn(move || {
        let (part, rest) = bytes.split_at(room.min(bytes.len()));
        (bytes, room) = (rest, SECTOR_BYTES);
        (!part.is_empty()).then_some(part)
    })
}

impl Storage for SimulatedMedium {
    fn size(&self) -> u64 {
        self.image.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if let Some(kind) = self.refuse_reads {
            return Err(kind.into());
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(self.image.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        assert!(start + bytes.len() <= self.image.len(), "the ring writes inside its file");
        self.writes += 1;
        if self.is_off {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let (allowed, error) = self.allowance(bytes.len());
        self.put(start, bytes.get(..allowed).unwrap_or_default());
        let Some(kind) = error else {
            self.fuel = self.fuel.map(|fuel| fuel - allowed as u64);
            return Ok(());
        };
        self.is_off = kind == io::ErrorKind::BrokenPipe;
        Err(kind.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.is_off {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.refuse_syncs {
            self.fail_sync();
            return Err(io::ErrorKind::Other.into());
        }
        let durable = &mut self.durable;
        self.pieces.drain(..).filter(|piece| !piece.is_forgotten).for_each(|piece| piece.put(durable));
        Ok(())
    }
}
