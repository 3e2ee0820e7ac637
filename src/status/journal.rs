//! The journal in the daemon's report: as data, and in a few lines for people.
//!
//! Stands apart because `doctor` says the same of a journal that no daemon runs on.

use crate::journal::medium::{Kind, Medium};
use crate::journal::{CrmTag, JournalError, Mark, MarkKind, Seq};
use crate::text::bounded;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The journal. Only what other commands want to know is read back: reading takes code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Journal {
    /// Calls in it.
    #[serde(skip_deserializing)]
    pub calls: u64,
    /// Calls not delivered everywhere.
    pub waiting: u64,
    /// Calls that were lost because it was full.
    pub dropped: u64,
    /// Calls in it that a CRM refused for ever.
    #[serde(skip_deserializing)]
    pub refused: u64,
    /// Calls are being lost because it is full of those that wait.
    pub full: bool,
    /// About how many waiting calls it can hold, reckoned by those that wait now; zero while none does.
    pub room: u64,
    /// Size of its file in bytes.
    #[serde(skip_deserializing)]
    pub size_bytes: u64,
    /// Bytes in it that wait: beyond three quarters of its size calls may be lost.
    #[serde(skip_deserializing)]
    pub waiting_bytes: u64,
    /// Records found damaged since the start; a page in which nothing could be read counts as one.
    #[serde(skip_deserializing)]
    pub damaged: u64,
    /// Bytes written since the start.
    #[serde(skip_deserializing)]
    pub written_bytes: u64,
    /// Times the flash was told to keep what was written, since the start.
    #[serde(skip_deserializing)]
    pub syncs: u64,
    /// Bytes written in this day (UTC), since the start.
    #[serde(skip_deserializing)]
    pub bytes_today: u64,
    /// Times the flash was told to keep what was written in this day (UTC), since the start.
    #[serde(skip_deserializing)]
    pub syncs_today: u64,
    /// What it lies on: `memory`, `nor`, `nand`, `emmc`, `sd`, `ssd` or `disk`; empty: it is not open.
    pub medium: String,
    /// The file system that it lies on; empty: not known.
    pub filesystem: String,
    /// Size of that in bytes; zero: not known.
    pub filesystem_bytes: u64,
    /// Years until the medium is worn out at the rate since the start, an estimate; 1000: that or more; none: it does
    /// not wear, or that cannot be told.
    pub years_left: Option<f64>,
    /// Calls delivered from memory because it could not be written.
    #[serde(skip_deserializing)]
    pub unjournalled: u64,
    /// Calls since the start to which the PBX gave an identity that an earlier call had.
    #[serde(skip_deserializing)]
    pub repeated: u64,
    /// What the CRMs did with calls and the journal's file does not tell yet; at most
    /// [`JOURNAL_MARKS`](crate::limits::JOURNAL_MARKS).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwritten: Vec<Unwritten>,
    /// What is wrong with it; empty: nothing.
    pub fault: String,
}

/// A delivery mark that is not on flash yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwritten {
    /// The entry of the journal.
    pub seq: u64,
    /// The CRM, by its [`CrmTag`](crate::journal::CrmTag).
    pub crm: u32,
    /// What it did.
    pub mark: MarkKind,
    /// Why it refused the call or its recordings; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Unwritten {
    /// The mark that `seq` and `crm` will get.
    pub fn of(seq: Seq, crm: CrmTag, mark: &Mark) -> Self {
        let reason = match mark {
            Mark::Refused { reason } | Mark::RecordingsGivenUp { reason } => reason.as_str().to_owned(),
            Mark::Delivered { .. } | Mark::Attached { .. } | Mark::Retry => String::new(),
        };
        Self { seq: seq.0, crm: crm.bits(), mark: mark.into(), reason }
    }

    /// The mark itself, without the CRM's name of the call.
    pub fn mark(&self) -> Mark {
        let reason = bounded(self.reason.as_bytes());
        match self.mark {
            MarkKind::Refused => Mark::Refused { reason },
            MarkKind::RecordingsGivenUp => Mark::RecordingsGivenUp { reason },
            other => other.into(),
        }
    }
}

impl fmt::Display for Journal {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "journal  {} calls, {} waiting, {} lost when full", self.calls, self.waiting, self.dropped)?;
        if self.refused > 0 {
            let refused = self.refused;
            writeln!(
                f,
                "         {refused} refused: `ringpost calls --dead` tells why, `ringpost retry` tries them again"
            )?;
        }
        self.fmt_room(f)?;
        self.fmt_wear(f)?;
        if self.damaged > 0 {
            writeln!(f, "         {} damaged records were left out", self.damaged)?;
        }
        if self.repeated > 0 {
            let repeated = self.repeated;
            writeln!(f, "         {repeated} calls had the identity of an earlier one: is the clock of the PBX set?")?;
        }
        if self.fault.is_empty() { Ok(()) } else { writeln!(f, "         {}", self.fault) }
    }
}

/// What is wrong with a journal in memory, and the remedy.
pub const IN_MEMORY: &str = "it lies in RAM: calls that wait do not outlive the power; put [journal] path on flash";

impl Journal {
    /// How much of the room for waiting calls is taken, and what to do when there is none.
    fn fmt_room(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, room, full, dropped, .. } = *self;
        if let Some(percent) = waiting.saturating_mul(100).checked_div(room).filter(|_| waiting > 0) {
            let percent = percent.min(100);
            writeln!(f, "         {percent} % of the room for waiting calls is taken: about {room} fit")?;
        }
        let remedy = JournalError::Full.remedy();
        match (full, dropped) {
            (true, _) => writeln!(f, "         it is FULL and calls are lost: {remedy}"),
            (false, 0) => Ok(()),
            (false, _) => writeln!(f, "         calls were lost when it was full: {remedy}"),
        }
    }

    /// What it lies on, what was written today, and for how long that lasts.
    fn fmt_wear(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes_today, syncs_today, size_bytes, .. } = *self;
        let Some(medium) = self.medium_words() else { return Ok(()) };
        let (size, written) = (size_bytes / 1024, bytes_today.div_ceil(1024));
        let years = self.years_words().map_or_else(String::new, |years| {
            format!("; at the rate since the start that lasts {years} (an estimate)")
        });
        writeln!(f, "         {size} KiB {medium}: {written} KiB in {syncs_today} syncs today{years}")?;
        if self.is_in_memory() { writeln!(f, "         {IN_MEMORY}") } else { Ok(()) }
    }

    /// The same on this medium.
    #[must_use]
    pub fn on(self, medium: Option<&Medium>) -> Self {
        let Some(Medium { kind, filesystem, size_bytes }) = medium else { return self };
        let (medium, filesystem) = (kind.word().to_owned(), filesystem.as_str().to_owned());
        Self { medium, filesystem, filesystem_bytes: *size_bytes, ..self }
    }

    /// Whether it goes with the power.
    pub fn is_in_memory(&self) -> bool {
        self.medium == Kind::Memory.word()
    }

    /// What it lies on, for people; none: that was not told.
    pub fn medium_words(&self) -> Option<String> {
        let kind = Kind::of_word(&self.medium)?;
        let mib = self.filesystem_bytes / (1024 * 1024);
        let filesystem = if self.filesystem.is_empty() { "a file system that is not known" } else { &self.filesystem };
        Some(format!("on {filesystem} of {mib} MiB ({kind})"))
    }

    /// How long that lasts, for people; none: it does not wear, or that cannot be told.
    pub fn years_words(&self) -> Option<String> {
        let years = self.years_left?;
        Some(match years {
            _ if years > 100.0 => String::from("more than 100 years"),
            _ if years < 2.0 => format!("{} months", (years * 12.0).round() as u32),
            _ => format!("{} years", years.round() as u32),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(journal: &Journal) -> Vec<String> {
        journal.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn people_read_what_is_written_and_how_long_that_lasts() {
        let journal = Journal {
            size_bytes: 512 * 1024,
            bytes_today: 12_000,
            syncs_today: 34,
            medium: "nor".into(),
            filesystem: "jffs2".into(),
            filesystem_bytes: 6 << 20,
            ..Journal::default()
        };
        let told = |years_left| told(&Journal { years_left, ..journal.clone() }).remove(0);
        let written = "512 KiB on jffs2 of 6 MiB (NOR flash): 12 KiB in 34 syncs today";
        let lasts = |years: &str| format!("{written}; at the rate since the start that lasts {years} (an estimate)");
        assert_eq!(told(None), written);
        assert_eq!(told(Some(1000.0)), lasts("more than 100 years"));
        assert_eq!(told(Some(17.4)), lasts("17 years"));
        assert_eq!(told(Some(0.5)), lasts("6 months"));
    }

    #[test]
    fn people_read_that_calls_were_refused_and_what_to_do() {
        let refused = told(&Journal { refused: 2, ..Journal::default() });
        assert_eq!(refused, ["2 refused: `ringpost calls --dead` tells why, `ringpost retry` tries them again"]);
    }

    #[test]
    fn people_read_that_it_lies_in_memory() {
        let medium = Medium { kind: Kind::Memory, filesystem: bounded(b"tmpfs"), size_bytes: 1 << 20 };
        let journal = Journal::default().on(Some(&medium));
        assert_eq!(told(&journal)[1], IN_MEMORY);
    }

    #[test]
    fn people_read_how_full_it_is_and_what_to_do() {
        let journal = Journal { waiting: 300, room: 1200, ..Journal::default() };
        assert_eq!(told(&journal), ["25 % of the room for waiting calls is taken: about 1200 fit"]);
        let full = told(&Journal { full: true, dropped: 5, ..Journal::default() });
        assert!(full[0].starts_with("it is FULL and calls are lost: enlarge [journal] size_kib"), "{full:?}");
        let was = told(&Journal { dropped: 5, ..Journal::default() });
        assert!(was[0].starts_with("calls were lost when it was full: enlarge"), "{was:?}");
    }
}
