//! From the bytes of an id to a key, without keeping the bytes.
//!
//! Ids and names come from a peer, so the hash is keyed with a secret of the process (kept in the mirror, so that it
//! lasts as long as the calls do). 64 keyed bits are taken for identity. Bounded by what the tracker puts in.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes ids; 0 is never a hash.
#[derive(Clone, Copy, Debug)]
pub struct IdHash {
    secret: u64,
}

impl IdHash {
    /// With a fresh secret.
    pub fn fresh() -> Self {
        Self { secret: RandomState::new().hash_one(0u8) }
    }

    /// With the secret of an earlier process.
    pub const fn with_secret(secret: u64) -> Self {
        Self { secret }
    }

    /// The secret, for the mirror.
    pub const fn secret(self) -> u64 {
        self.secret
    }

    /// The hash of an id; 0 for the empty one.
    pub fn of(self, id: &[u8]) -> u64 {
        if id.is_empty() {
            return 0;
        }
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write(id);
        hasher.finish().max(1)
    }
}

/// The hash is its own hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl BuildHasher for AsItIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

/// From a hashed id to what it names.
pub type Index<T> = HashMap<u64, T, AsItIs>;
