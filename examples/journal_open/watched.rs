//! A storage that counts what is read and tells how far round it was written.

use ringpost::journal::storage::Storage;
use std::cell::Cell;
use std::io;

/// Another storage, watched.
pub struct Watched<S> {
    inner: S,
    reads: Cell<u64>,
    bytes_read: Cell<u64>,
    rounds: u64,
    last_write: u64,
}

impl<S> Watched<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, reads: Cell::new(0), bytes_read: Cell::new(0), rounds: 0, last_write: 0 }
    }

    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.get()
    }
}

impl<S: Storage> Watched<S> {
    /// Bytes of the way that the ring's head has gone, all rounds together.
    pub fn gone(&self) -> u64 {
        self.rounds * self.size() + self.last_write
    }
}

impl<S: Storage> Storage for Watched<S> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.reads.set(self.reads.get() + 1);
        self.bytes_read.set(self.bytes_read.get() + buf.len() as u64);
        self.inner.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.rounds += u64::from(offset < self.last_write);
        self.last_write = offset;
        self.inner.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
}
