//! `ringpost journal check FILE` and `export FILE`: what a journal's file holds, also one of another machine or of a
//! router that died, for whoever wants to know.
//!
//! Needs no configuration; one that is there and good gives the CRMs their names, otherwise they go by the fingerprint
//! that the journal has of them. Reads only, and takes no lock: a daemon may be running on the file. What that one
//! writes in the same moment can look damaged, so damage is told only when it is still there a moment later.

use super::listing::{json_line, oldest_first};
use super::{Exit, complain, print, unread};
use crate::cli::JournalTask;
use crate::clock::{Stamp, Wall};
use crate::config::{self, Config};
use crate::daemon::{name_of, tag_of};
use crate::journal::marks::Life;
use crate::journal::storage::{FileStorage, SlowSync, Storage};
use crate::journal::thread::FILE_NAME;
use crate::journal::{CrmTag, FileRing, Inspection, Recovery, Served, inspect};
use crate::limits::{EXPORT_PROGRESS_BYTES, JOURNAL_PAGE_BYTES};
use core::fmt::Write as _;
use core::ops::ControlFlow;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A daemon is done with what it was writing after this long.
const SECOND_LOOK: Duration = Duration::from_millis(200);
const LOOKS: usize = 3;

/// Looks at the journal in `file`. `config` is the configuration; it has to be there only if it was `named`.
pub(super) fn journal(config: &Path, named: bool, task: JournalTask, file: &Path) -> Exit {
    let config = match optional(config, named) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let file = if file.is_dir() { file.join(FILE_NAME) } else { file.to_owned() };
    match look(&file) {
        Ok((_, found)) if found.is_foreign() => {
            complain(&format!("{}: this is no journal: there is not one record of one in it", file.display()));
            Exit::Failed
        }
        Ok((ring, found)) => match task {
            JournalTask::Check => check(&file, ring.storage().size(), &found, config.as_ref()),
            JournalTask::Export => export(&ring, &found, config.as_ref()),
        },
        Err(error) => {
            complain(&format!("{}: {error}", file.display()));
            Exit::Failed
        }
    }
}

/// One that nobody named may be absent, unreadable or wrong: it is not what was asked for.
fn optional(file: &Path, named: bool) -> Result<Option<Config>, Exit> {
    if named {
        return super::configured(file).map(Some);
    }
    Ok(config::load(file).ok().map(|loaded| loaded.config))
}

/// Reads all of it, again where it looks damaged.
fn look(file: &Path) -> Result<(FileRing, Inspection), String> {
    // Opening a pipe would wait for somebody to write to it.
    let about = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("this is no file: name a journal's file, or the directory it lies in".to_owned());
    }
    for looks in 1.. {
        let storage = FileStorage::open_read_only(file).map_err(|error| unread(&error))?;
        let (ring, found) = inspect(SlowSync::plain(storage));
        if found.is_sound() || looks >= LOOKS {
            return Ok((ring, found));
        }
        thread::sleep(SECOND_LOOK);
    }
    Err(String::new()) // the loop ends by itself
}

fn check(file: &Path, size: u64, found: &Inspection, config: Option<&Config>) -> Exit {
    let name = file.display();
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = match found.version {
        Some(version) => writeln!(text, "{name}: a journal of format {version}"),
        None => writeln!(text, "{name}: a journal that nothing was written to yet"),
    };
    let _ = write!(text, "size     {} KiB, {} pages", size / 1024, size / JOURNAL_PAGE_BYTES as u64);
    let _ = match found.sequences {
        Some((lowest, highest)) => writeln!(text, ", records {lowest} to {highest}"),
        None => writeln!(text),
    };
    let _ = writeln!(text, "calls    {}{}", found.calls, span(found));
    for crm in &found.crms {
        let Served { tag, waiting, recordings, refused } = crm;
        let name = configured_name(*tag, config)
            .map_or_else(|| fingerprint(*tag), |name| format!("{name} ({})", fingerprint(*tag)));
        let _ = writeln!(
            text,
            "crm      {name}: {waiting} calls waiting, {refused} refused, {recordings} delivered but for recordings"
        );
    }
    if found.life.pages > 0 {
        let Life { bytes, syncs, .. } = found.life;
        let _ = writeln!(text, "written  {bytes} bytes with {syncs} syncs in its life, up to the newest page");
    }
    let _ = writeln!(text, "damage   {}", damage(found));
    if found.recovery.unknown_records > 0 {
        let _ = writeln!(text, "         {} records of a later version were left out", found.recovery.unknown_records);
    }
    let exit = print(&text);
    if found.is_sound() { exit } else { Exit::Failed }
}

/// From when to when, as far as that is known.
fn span(found: &Inspection) -> String {
    let dated = found.began.map_or_else(String::new, |(first, last)| {
        format!(", begun from {} to {}", Wall::to_iso8601(first), Wall::to_iso8601(last))
    });
    if found.undated == 0 { dated } else { format!("{dated}, {} of unknown date", found.undated) }
}

fn damage(found: &Inspection) -> String {
    let Recovery { damaged_places, damaged_pages, unreadable_pages, restarted, .. } = found.recovery;
    if restarted {
        return "the numbers of its records are forged: ringpost would begin it anew".to_owned();
    }
    let counts = [
        (damaged_places, "damaged places"),
        (damaged_pages, "pages of garbage"),
        (unreadable_pages, "pages unreadable"),
        (found.lost, "calls unreadable"),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if told.is_empty() {
        return "none".to_owned();
    }
    format!("{}; ringpost leaves them out and goes on with the rest", told.join(", "))
}

fn export(ring: &FileRing, found: &Inspection, config: Option<&Config>) -> Exit {
    let names: Vec<String> =
        found.crms.iter().map(|crm| configured_name(crm.tag, config).unwrap_or_else(|| fingerprint(crm.tag))).collect();
    let is_watched = io::stderr().is_terminal() && ring.storage().size() >= EXPORT_PROGRESS_BYTES;
    let mut progress = is_watched.then(|| Progress::new(found.calls));
    let mut out = BufWriter::new(io::stdout().lock());
    let exit = oldest_first(ring, |item| {
        if let Some(told) = progress.as_mut().and_then(Progress::step) {
            complain(&told);
        }
        // What has no date gets none from this machine's clock.
        written(&out.write_all(json_line(item, &names, Stamp::default()).as_bytes()))
    });
    let exit = match written(&out.flush()) {
        ControlFlow::Break(failed) if exit == Exit::Well => failed,
        _ => exit,
    };
    if !found.is_sound() {
        complain(&format!("damage: {}", damage(found)));
    }
    exit
}

/// A reader that went away wants no more, and is no fault.
fn written(done: &io::Result<()>) -> ControlFlow<Exit> {
    match done {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ControlFlow::Break(Exit::Well),
        Err(error) => {
            complain(&format!("the calls cannot be written: {error}"));
            ControlFlow::Break(Exit::Failed)
        }
    }
}

/// The configured name of a CRM.
fn configured_name(tag: CrmTag, config: Option<&Config>) -> Option<String> {
    let crms = &config?.crm;
    crms.iter().position(|crm| tag_of(crm) == tag).map(|place| name_of(crms, place))
}

fn fingerprint(tag: CrmTag) -> String {
    format!("{:08x}", tag.bits())
}

/// How far an export is, told in steps.
struct Progress {
    all: u64,
    done: u64,
    told: u64,
}

impl Progress {
    /// Per cent between two lines.
    const STEP: u64 = 5;

    fn new(all: u32) -> Self {
        Self { all: u64::from(all).max(1), done: 0, told: 0 }
    }

    /// One more call. What to tell, when another step is done.
    fn step(&mut self) -> Option<String> {
        self.done += 1;
        let percent = self.done.saturating_mul(100) / self.all / Self::STEP * Self::STEP;
        if percent <= self.told {
            return None;
        }
        self.told = percent;
        Some(format!("{percent} % ({} of {} calls)", self.done, self.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_every_five_per_cent() {
        let mut progress = Progress::new(1000);
        let told: Vec<String> = (0..1000).filter_map(|_| progress.step()).collect();
        assert_eq!(told.len(), 20);
        assert_eq!(told[0], "5 % (50 of 1000 calls)");
        assert_eq!(told[19], "100 % (1000 of 1000 calls)");
        let mut few = Progress::new(3);
        assert_eq!((0..3).filter_map(|_| few.step()).count(), 3);
    }
}
