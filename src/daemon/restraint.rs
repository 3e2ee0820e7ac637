//! What the daemon gives up at its start: more memory than its work needs, to outlive others when memory is short, and
//! every way to more rights.
//!
//! A router has no swap, and what it does for the office is worth more than what ringpost does: a leak here must end
//! ringpost, which loses no call by it, and not the wireless network. Rights are given up here and not left to the
//! service manager, since procd does that only for what it puts in a jail (procd 2c1834a, `service/instance.c`).
//! Bounds: [`MEMORY_BYTES`]. Needs no right. Does not watch its use of memory; `ringpost status` tells it.

use crate::limits::{MEMORY_BYTES, OOM_SCORE};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_no_new_privs;
use std::fs;
use std::io;

const OOM_SCORE_FILE: &str = "/proc/self/oom_score_adj";

/// Lets nothing that this process may ever execute get rights that it has not itself. Holds for the thread that asks
/// and those that it starts from now on, so it is asked for first.
pub fn renounce() {
    let _ = set_no_new_privs(true); // no kernel that OpenWrt or Debian still has lacks it
}

/// Restrains the use of memory. Where the kernel does not let it (a jail without /proc), that is told at level debug
/// and lived with.
pub fn restrain() {
    if let Err(error) = limit() {
        log::debug!("no limit on memory: {error}");
    }
    if let Err(error) = offer(OOM_SCORE_FILE.as_ref()) {
        log::debug!("{OOM_SCORE_FILE} stays as it is: {error}");
    }
}

/// Bounds what may be allocated (heap, stacks); a tighter bound that somebody set stays.
fn limit() -> io::Result<()> {
    let present = getrlimit(Resource::Data);
    let bound = |present: Option<u64>| Some(present.map_or(MEMORY_BYTES, |present| present.min(MEMORY_BYTES)));
    let wanted = Rlimit { current: bound(present.current), maximum: bound(present.maximum) };
    Ok(setrlimit(Resource::Data, wanted)?)
}

/// Raises the score by which the kernel chooses; a higher one that somebody set stays.
fn offer(file: &std::path::Path) -> io::Result<()> {
    let present: i32 = fs::read_to_string(file)?.trim().parse().map_err(io::Error::other)?;
    if present < OOM_SCORE { fs::write(file, OOM_SCORE.to_string()) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_only_raised() {
        let directory = std::env::temp_dir().join(format!("ringpost-oom-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (before, after) in [("0\n", "200"), ("-500\n", "200"), ("200\n", "200\n"), ("1000\n", "1000\n")] {
            let file = directory.join("oom_score_adj");
            fs::write(&file, before).unwrap();
            offer(&file).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), after, "from {before:?}");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
