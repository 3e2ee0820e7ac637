//! A look at the binary before it is packed: made for the target, and static.
//!
//! A binary of another machine in a package installs well and dies at its first start; one that asks for a loader does
//! so on every router whose C library is another one. The finer points (floating point, the age of the processor) are
//! looked at where binaries are built.

use crate::error::Error;
use std::fmt;
use std::path::Path;

/// Refuses what is not a static program for the target.
///
/// # Errors
///
/// With what is wrong.
pub fn check(path: &Path, binary: &[u8], target: &str) -> Result<(), Error> {
    const REMEDY: &str = "--binary wants the program that was built for --target";
    let wrong = |what: String| Err(Error::wrong(path, what, REMEDY));
    let Some((header, elf)) = Elf::of(binary) else {
        return wrong("not an ELF program".to_owned());
    };
    let Some(wanted) = machine(target) else {
        return wrong(format!("no processor is known for {target}"));
    };
    if header != wanted {
        return wrong(format!("a program for {header}, and {target} is {wanted}"));
    }
    match elf.asks_for_a_loader() {
        Some(false) => Ok(()),
        Some(true) => wrong("dynamically linked".to_owned()),
        None => wrong("cut short".to_owned()),
    }
}

/// What a program is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machine {
    bits: u8,
    big_endian: bool,
    /// ELF's number of the architecture.
    number: u16,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.big_endian { "big" } else { "little" };
        write!(f, "ELF's machine {} with {} bits, {end}-endian", self.number, self.bits)
    }
}

fn machine(target: &str) -> Option<Machine> {
    let of = |bits, big_endian, number| Some(Machine { bits, big_endian, number });
    match target.split('-').next()? {
        "x86_64" => of(64, false, 62),
        "i686" => of(32, false, 3),
        "aarch64" => of(64, false, 183),
        "arm" | "armv5te" | "armv7" => of(32, false, 40),
        "mipsel" => of(32, false, 8),
        "mips" => of(32, true, 8),
        "mips64" => of(64, true, 8),
        "riscv64gc" => of(64, false, 243),
        _ => None,
    }
}

/// The bytes of a program, and how its numbers are written.
struct Elf<'a> {
    bytes: &'a [u8],
    wide: bool,
    big_endian: bool,
}

impl<'a> Elf<'a> {
    fn of(bytes: &'a [u8]) -> Option<(Machine, Self)> {
        let (bits, big_endian) = match bytes.get(..6)? {
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2)] => (32 * class, *order == 2),
            _ => return None,
        };
        let elf = Self { bytes, wide: bits == 64, big_endian };
        let number = u16::try_from(elf.number(18, 2)?).ok()?;
        Some((Machine { bits, big_endian, number }, elf))
    }

    fn number(&self, at: u64, size: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, digit) } else { bytes.iter().rev().fold(0, digit) })
    }

    /// Whether a program header names a loader.
    fn asks_for_a_loader(&self) -> Option<bool> {
        const INTERP: u64 = 3;
        let (table, size, count) = if self.wide {
            (self.number(32, 8)?, self.number(54, 2)?, self.number(56, 2)?)
        } else {
            (self.number(28, 4)?, self.number(42, 2)?, self.number(44, 2)?)
        };
        for index in 0..count {
            if self.number(table.checked_add(index * size)?, 4)? == INTERP {
                return Some(true);
            }
        }
        Some(false)
    }
}
