//! What the journal lies on, as far as the kernel tells, and how many years that bears the journal's writing.
//!
//! On a router the file lies on overlayfs, which tells nothing of what is below. So the mount that holds the overlay's
//! upper directory is looked up in the kernel's list of mounts. What the kernel does not show (a jail, a card reader, a
//! disk behind a controller) is told by `[journal] medium`; that something lies in memory is never overruled.
//!
//! The estimate is the arithmetic of flash: size, times the cycles that a cell bears, times one half because wear is
//! never spread evenly, by what the medium writes for what the file system is given. For each call there is one write
//! with a sync and, sooner or later, one more for its delivery marks. `docs/config.md` tells the figures to the
//! operator. An estimate it stays: other programs write to the same flash, and parts differ.
//!
//! Stands apart because nothing else knows file systems. Bounds: [`MOUNTS_BYTES`] of the list of mounts. Measures
//! nothing: what was written is counted by the ring.

use crate::limits::MOUNTS_BYTES;
use crate::text::{Text, bounded};
use core::fmt;
use core::time::Duration;
use rustix::fs::statvfs;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory (tmpfs, ramfs): gone with the power.
    Memory,
    /// Serial NOR flash, as JFFS2 is used on.
    Nor,
    /// Raw or serial NAND flash, as UBIFS is used on.
    Nand,
    /// Soldered flash with a controller of its own.
    Emmc,
    /// A card.
    Sd,
    /// A disk of flash.
    Ssd,
    /// A disk that turns: it does not wear by writing.
    Disk,
}

impl Kind {
    /// Its word in the configuration and in `status --json`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Nor => "nor",
            Self::Nand => "nand",
            Self::Emmc => "emmc",
            Self::Sd => "sd",
            Self::Ssd => "ssd",
            Self::Disk => "disk",
        }
    }

    /// The kind of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Memory, Self::Nor, Self::Nand, Self::Emmc, Self::Sd, Self::Ssd, Self::Disk];
        all.into_iter().find(|kind| kind.word() == word)
    }

    /// What a file system of this name is mostly used on.
    fn of_filesystem(name: &str) -> Self {
        match name {
            "tmpfs" | "ramfs" | "rootfs" => Self::Memory,
            "jffs2" => Self::Nor,
            "ubifs" => Self::Nand,
            _ => Self::Emmc,
        }
    }

    /// Writes that a cell bears, and what the flash writes for so many writes of so many bytes in all.
    fn wear(self, writes: f64, bytes: f64) -> Option<(f64, f64)> {
        match self {
            Self::Memory | Self::Disk => None,
            // One node for each page that is touched, its end written again when the page is full, twice for the
            // collection of garbage.
            Self::Nor => Some((100_000.0, (68.0 * writes + bytes) * 1.6 * 2.0)),
            Self::Nand => Some((60_000.0, (8_192.0 * writes).max(bytes))),
            // A block for each write; the controller inside writes eight times that.
            Self::Emmc | Self::Sd | Self::Ssd => Some((3_000.0, (4_198.0 * writes).max(bytes) * 8.0)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Nor => "NOR flash",
            Self::Nand => "NAND flash",
            Self::Emmc => "eMMC, SD or SSD",
            Self::Sd => "SD card",
            Self::Ssd => "SSD",
            Self::Disk => "disk",
        })
    }
}

/// What a file lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// What kind of thing.
    pub kind: Kind,
    /// The file system, as the kernel names it; empty: not known.
    pub filesystem: Text<16>,
    /// Size of the file system in bytes; zero: not known.
    pub size_bytes: u64,
}

/// What was written in how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes given to the file system.
    pub bytes: u64,
    /// Syncs: about one for each call.
    pub syncs: u64,
    /// In this time.
    pub over: Duration,
}

/// The estimate ends here: more years than anybody plans for.
pub const YEARS_MOST: f64 = 1000.0;
/// A shorter time says nothing about a day: it is reckoned as this long.
const SHORTEST: Duration = Duration::from_secs(3600);
const DAYS_A_YEAR: f64 = 365.0;
/// How much of the flash wears before the first cell is worn out.
const EVENNESS: f64 = 0.5;
/// Writes for each sync: the call, and later its delivery marks.
const WRITES_PER_SYNC: f64 = 2.0;

impl Medium {
    /// What `path`, or the nearest directory above it that exists, lies on. `told` is what the operator says of it.
    pub fn of(path: &Path, told: Option<Kind>) -> Self {
        let there = path.ancestors().find_map(|path| path.canonicalize().ok());
        let size_bytes = there.as_deref().and_then(|path| statvfs(path).ok());
        let size_bytes = size_bytes.map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        let mounts = mounts();
        let filesystem = there.and_then(|path| filesystem_of(&path, &mounts)).unwrap_or_default();
        let kind = match (Kind::of_filesystem(filesystem), told) {
            (Kind::Memory, _) => Kind::Memory,
            (guessed, told) => told.unwrap_or(guessed),
        };
        Self { kind, filesystem: bounded(filesystem.as_bytes()), size_bytes }
    }

    /// Whether what lies on it outlives the power.
    pub fn is_lasting(&self) -> bool {
        self.kind != Kind::Memory
    }

    /// Years until it is worn out at this rate, at most [`YEARS_MOST`]; none: that cannot be told, or it does not wear.
    pub fn years(&self, written: &Written) -> Option<f64> {
        let days = written.over.max(SHORTEST).as_secs_f64() / 86_400.0;
        let writes = written.syncs as f64 * WRITES_PER_SYNC;
        let (cycles, bytes) = self.kind.wear(writes, written.bytes as f64)?;
        if self.size_bytes == 0 {
            return None;
        }
        let bears = self.size_bytes as f64 * cycles * EVENNESS;
        Some((bears / (bytes / days) / DAYS_A_YEAR).min(YEARS_MOST)) // nothing written: without end, so the most
    }
}

/// The kernel's list of mounts as seen from here; empty where it does not tell.
fn mounts() -> String {
    let mut bytes = Vec::new();
    let read = File::open("/proc/self/mountinfo").and_then(|file| file.take(MOUNTS_BYTES).read_to_end(&mut bytes));
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// One line of the list.
struct Mount<'a> {
    at: PathBuf,
    /// What of the file system is seen there.
    root: PathBuf,
    filesystem: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /root /at options … - type source options`
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, at) = (unescaped(left.next()?), unescaped(left.next()?));
        let mut right = right.splitn(3, ' ');
        let (filesystem, _source) = (right.next()?, right.next()?);
        Some(Self { at, root, filesystem, options: right.next().unwrap_or_default() })
    }

    /// Where an overlay writes what is written to `path`. A jail sees a part of it only (`root`), with that part of the
    /// upper directory mounted beside it.
    fn upper(&self, path: &Path) -> Option<PathBuf> {
        let upper = self.options.split(',').find_map(|option| option.strip_prefix("upperdir="));
        let upper = upper.filter(|_| self.filesystem == "overlay").map(unescaped)?;
        Some(upper.join(self.root.strip_prefix("/").ok()?).join(path.strip_prefix(&self.at).ok()?))
    }
}

/// The file system that `path` lies on, below an overlay if there is one.
fn filesystem_of<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    let over = mount_of(path, mounts)?;
    let below = over.upper(path).and_then(|upper| mount_of(&upper, mounts));
    // An overlay on an overlay, or one whose upper directory is not to be seen from here: then its path leads to the
    // root.
    let seen = below.filter(|below| below.filesystem != "overlay" && below.at != Path::new("/"));
    Some(seen.unwrap_or(over).filesystem)
}

/// The mount that holds `path`: the longest that leads to it, the last of those mounted over one another.
fn mount_of<'a>(path: &Path, mounts: &'a str) -> Option<Mount<'a>> {
    let holding = mounts.lines().filter_map(Mount::parse).filter(|mount| path.starts_with(&mount.at));
    holding.max_by_key(|mount| mount.at.components().count())
}

/// The kernel writes blanks and the like as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut path = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('\\') {
        path.push_str(head);
        match tail.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if code.is_ascii() => {
                path.push(char::from(code));
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                path.push('\\');
                rest = tail;
            }
        }
    }
    path.push_str(rest);
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenWrt on NOR flash, with a card in it.
    const ROUTER: &str = "\
16 1 31:2 / /rom ro,relatime - squashfs /dev/root ro
17 23 0:15 / /proc rw,nosuid,nodev,noexec,noatime - proc proc rw
20 23 0:18 / /tmp rw,nosuid,nodev,noatime - tmpfs tmpfs rw
21 23 31:3 / /overlay rw,noatime - jffs2 /dev/mtdblock3 rw
23 1 0:20 / / rw,noatime shared:1 - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
30 23 179:1 / /mnt/my\\040card rw,relatime - ext4 /dev/mmcblk0p1 rw
31 23 8:1 / /mnt/disk rw,relatime - ext4 /dev/sda1 rw
32 31 0:30 / /mnt/disk rw,relatime - tmpfs tmpfs rw
";

    fn on(path: &str, mounts: &str) -> String {
        filesystem_of(Path::new(path), mounts).unwrap_or("nothing").to_owned()
    }

    #[test]
    fn what_is_below_the_overlay_is_found() {
        assert_eq!(on("/etc/ringpost/journal", ROUTER), "jffs2");
        assert_eq!(on("/tmp/journal", ROUTER), "tmpfs");
        assert_eq!(on("/tmpfile", ROUTER), "jffs2", "not what is in /tmp");
        assert_eq!(on("/mnt/my card/journal", ROUTER), "ext4");
        assert_eq!(on("/mnt/disk/journal", ROUTER), "tmpfs", "mounted over it");
        let nand = ROUTER.replace("jffs2 /dev/mtdblock3", "ubifs ubi0:rootfs_data");
        assert_eq!(on("/etc/ringpost/journal", &nand), "ubifs");
        // The first start of a router, before its flash is ready, and a start in failsafe mode.
        let early = ROUTER.replace("upperdir=/overlay/upper", "upperdir=/tmp/root/upper");
        assert_eq!(on("/etc/ringpost/journal", &early), "tmpfs");
    }

    /// As ujail shows it: parts of the root, and of what is below.
    #[test]
    fn what_is_below_the_overlay_is_found_from_a_jail() {
        let jail = "\
40 1 0:33 / / ro - tmpfs tmpfs ro
41 40 0:20 /etc/ringpost /etc/ringpost ro - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
42 41 0:20 /etc/ringpost/journal /etc/ringpost/journal rw - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper
43 40 31:3 /upper/etc/ringpost /overlay/upper/etc/ringpost ro,noatime - jffs2 /dev/mtdblock3 rw
";
        assert_eq!(on("/etc/ringpost/journal/ring", jail), "jffs2");
        assert_eq!(on("/etc/ringpost/ringpost.toml", jail), "jffs2");
        let blind: String = jail.lines().take(3).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            on("/etc/ringpost/journal/ring", &blind),
            "overlay",
            "what is below is not seen, and is not the jail's root"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_no_trap() {
        // A container: the upper directory is a path of the host.
        let container = "1 0 0:9 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/var/lib/x,workdir=/w\n";
        assert_eq!(on("/etc/ringpost/journal", container), "overlay");
        for mounts in ["", "nonsense\n", "1 2 3 - \n", "1 0 0:9 / /\\ rw - \n", "1 0 0:9 / /elsewhere rw - ext4 x rw\n"]
        {
            assert_eq!(on("/etc/ringpost/journal", mounts), "nothing", "{mounts:?}");
        }
        assert_eq!(unescaped("/a\\040b\\134c\\9\\"), Path::new("/a b\\c\\9\\"));
    }

    #[test]
    fn this_machine_is_told_with_its_size_and_memory_is_never_overruled() {
        let here = Medium::of(Path::new(env!("CARGO_MANIFEST_DIR")), None);
        assert!(here.size_bytes > 1 << 20 && !here.filesystem.is_empty(), "{here:?}");
        let told = Medium::of(Path::new("/proc/self/nowhere/at/all"), Some(Kind::Nor));
        assert_eq!((told.kind, told.filesystem.as_str()), (Kind::Nor, "proc"));
        let in_memory =
            mounts().lines().filter_map(Mount::parse).find(|mount| mount.filesystem == "tmpfs").map(|m| m.at);
        // Most machines have one; where there is none there is nothing to overrule.
        if let Some(at) = in_memory.filter(|at| at.canonicalize().is_ok_and(|true_path| true_path == *at)) {
            assert_eq!(Medium::of(&at.join("journal"), Some(Kind::Emmc)).kind, Kind::Memory, "{}", at.display());
        }
    }

    const MIB: u64 = 1024 * 1024;

    fn years(kind: Kind, size_bytes: u64, calls_a_day: u64) -> f64 {
        let medium = Medium { kind, filesystem: Text::new(), size_bytes };
        // A call of 256 bytes and its marks of 32.
        let over = Duration::from_secs(10 * 86_400);
        let written = Written { bytes: 10 * calls_a_day * 288, syncs: 10 * calls_a_day, over };
        medium.years(&written).unwrap()
    }

    /// Reckoned by hand: bytes of the medium × cycles / 2, by what it writes in a year.
    #[test]
    fn the_estimate_is_the_arithmetic_of_flash() {
        let near = |years: f64, wanted: f64| assert!((years / wanted - 1.0).abs() < 0.02, "{years} is not {wanted}");
        near(years(Kind::Nor, MIB, 200), 529.0);
        near(years(Kind::Nor, MIB, 2000), 52.9);
        near(years(Kind::Nor, 6 * MIB, 2000), 317.6);
        near(years(Kind::Nand, 64 * MIB, 2000), 168.3);
        near(years(Kind::Emmc, 4_000_000_000, 2000), 122.4);
        near(years(Kind::Sd, 256_000_000, 2000), 7.8);
        near(years(Kind::Ssd, 256_000_000, 20_000), 0.78);
    }

    #[test]
    fn what_does_not_wear_or_is_not_known_has_no_years() {
        let written = Written { bytes: 1000, syncs: 3, over: Duration::from_secs(60) };
        let of = |kind, size_bytes| Medium { kind, filesystem: Text::new(), size_bytes }.years(&written);
        assert_eq!(of(Kind::Disk, MIB), None);
        assert_eq!(of(Kind::Memory, MIB), None);
        assert_eq!(of(Kind::Nor, 0), None);
        let idle = Medium { kind: Kind::Nor, filesystem: Text::new(), size_bytes: MIB }.years(&Written::default());
        assert_eq!(idle, Some(YEARS_MOST));
    }

    #[test]
    fn words_come_back() {
        for kind in [Kind::Memory, Kind::Nor, Kind::Nand, Kind::Emmc, Kind::Sd, Kind::Ssd, Kind::Disk] {
            assert_eq!(Kind::of_word(kind.word()), Some(kind));
        }
        assert_eq!(Kind::of_word(""), None);
    }
}
