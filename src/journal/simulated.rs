//! A medium in memory that does what real ones do at their worst: for tests and fuzzing only.
//!
//! It keeps two images: what the running process reads back, and what is left after a power cut. Writes reach the
//! second only at a sync; at a cut each unsynced sector survives, is lost, or is torn, by the seed's choice and in any
//! order. A counter of fuel cuts the power in the middle of a write, at an exact byte. It can also refuse writes and
//! syncs, be full, and fail at the n-th call. Sectors are written whole or not at all but for the torn one, and bytes
//! beside a write are left alone ("powersafe overwrite", as SQLite calls it).

use super::storage::Storage;
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
    /// Each sector by itself is kept, lost or torn, by this seed.
    Shuffles(u64),
}

/// A medium in memory.
#[derive(Clone, Debug, Default)]
pub struct SimulatedMedium {
    image: Vec<u8>,
    durable: Vec<u8>,
    dirty: Vec<bool>,
    /// Bytes that may still be written before the power goes; none: for ever.
    pub fuel: Option<u64>,
    /// Refuses writes with this error.
    pub refuse_writes: Option<io::ErrorKind>,
    /// Writes only so many bytes of the next refused write before it fails.
    pub short_write: usize,
    /// Refuses syncs.
    pub refuse_syncs: bool,
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
        let dirty = vec![false; image.len().div_ceil(SECTOR_BYTES)];
        Self { durable: image.clone(), image, dirty, ..Self::default() }
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

    /// What is there when the power comes back.
    pub fn after_cut(&self, at_cut: AtCut) -> Self {
        let image = match at_cut {
            AtCut::KeepsAll => self.image.clone(),
            AtCut::LosesAll => self.durable.clone(),
            AtCut::Shuffles(seed) => self.shuffled(seed),
        };
        Self::with_image(image)
    }

    fn shuffled(&self, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut image = self.durable.clone();
        let sectors = image.chunks_mut(SECTOR_BYTES).zip(self.image.chunks(SECTOR_BYTES)).zip(&self.dirty);
        for ((old, new), _) in sectors.filter(|(_, dirty)| **dirty) {
            let kept = match random.u8(0..4) {
                0 => 0,
                1 => random.usize(0..=new.len()),
                _ => new.len(),
            };
            for (old, new) in old.iter_mut().zip(new).take(kept) {
                *old = *new;
            }
        }
        image
    }

    /// Writes what can be written.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        for (place, byte) in self.image.iter_mut().skip(offset).zip(bytes) {
            *place = *byte;
        }
        let sectors = offset / SECTOR_BYTES..(offset + bytes.len()).div_ceil(SECTOR_BYTES);
        for sector in sectors {
            if let Some(dirty) = self.dirty.get_mut(sector) {
                *dirty = true;
            }
        }
        self.bytes_written += bytes.len() as u64;
    }
}

impl Storage for SimulatedMedium {
    fn size(&self) -> u64 {
        self.image.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
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
        if let Some(kind) = self.refuse_writes {
            self.put(start, bytes.get(..self.short_write.min(bytes.len())).unwrap_or_default());
            return Err(kind.into());
        }
        let affordable =
            self.fuel.map_or(bytes.len(), |fuel| usize::try_from(fuel).unwrap_or(usize::MAX).min(bytes.len()));
        self.put(start, bytes.get(..affordable).unwrap_or_default());
        self.fuel = self.fuel.map(|fuel| fuel - affordable as u64);
        if affordable < bytes.len() {
            self.is_off = true;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.is_off || self.refuse_syncs {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.durable.clone_from(&self.image);
        self.dirty.fill(false);
        Ok(())
    }
}
