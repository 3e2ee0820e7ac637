//! Which boot of the machine this is.
//!
//! Stands alone because two things hang on it: ages on the monotonic clock mean nothing in another boot (the journal),
//! and calls in progress do not outlive one (the mirror). The kernel makes a new random identity at each boot. Does not
//! tell one process from another.

use serde::{Deserialize, Serialize};

/// Where Linux tells it: a UUID in text.
const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";
/// Stands for the kernel's text; for tests only (see `tests/README.md`).
const BOOT_ID_VARIABLE: &str = "RINGPOST_TEST_BOOT_ID";

/// The identity of one boot: the first 64 bits of the kernel's random `boot_id`. Zero is "unknown": see
/// [`is_same`](Self::is_same).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BootId(u64);

impl BootId {
    /// Not known: no `/proc`, or another system.
    pub const UNKNOWN: Self = Self(0);

    /// The running boot.
    pub fn current() -> Self {
        let text = std::env::var(BOOT_ID_VARIABLE).or_else(|_| std::fs::read_to_string(BOOT_ID_PATH));
        text.map_or(Self::UNKNOWN, |text| Self::parse(&text))
    }

    /// From the kernel's text.
    pub fn parse(uuid: &str) -> Self {
        let digits = uuid.chars().filter_map(|c| c.to_digit(16)).take(16);
        Self(digits.fold(0, |id, digit| id << 4 | u64::from(digit)))
    }

    /// From its 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Half of its bits, to recognise a boot among the few of a journal's time; zero only when it is unknown.
    pub const fn fingerprint(self) -> u32 {
        let bits = (self.0 ^ self.0 >> 32) as u32;
        if bits == 0 && self.0 != 0 { 1 } else { bits }
    }

    /// Whether both are known and the same boot.
    pub fn is_same(self, other: Self) -> bool {
        self.0 != 0 && self.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readings_of_one_boot_are_the_same_and_unknown_is_never() {
        let id = BootId::parse("a3f1c2d4-0011-4abc-8def-123456789abc\n");
        assert_eq!(id.bits(), 0xa3f1_c2d4_0011_4abc);
        assert!(id.is_same(BootId::parse("a3f1c2d4-0011-4abc-8def-123456789abc")));
        assert!(!BootId::UNKNOWN.is_same(BootId::UNKNOWN));
    }

    #[test]
    fn linux_tells_its_boot() {
        let id = BootId::current();
        assert!(id.is_same(BootId::current()));
    }
}
