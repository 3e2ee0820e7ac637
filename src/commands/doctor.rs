//! `ringpost doctor`: tries everything around, one line each, with the remedy. Changes nothing anywhere.

use super::learned::Learned;
use super::places::{Ground, Obstacle, has_systemd, probe};
use super::rights::become_service;
use super::session::{Asks, session};
use super::{Exit, complain, configured, print};
use crate::ami::link::{FaultKind, Lack, Output};
use crate::boot::BootId;
use crate::call::tracker::{Tracker, TrackerConfig};
use crate::clock;
use crate::config::{self, Config, CrmKind, Recordings};
use crate::crm::bitrix24::{Bitrix24, Check, Verdict};
use crate::daemon::tell_tracker;
use crate::journal::medium::Medium;
use crate::journal::storage::{FileStorage, SlowSync};
use crate::journal::thread::FILE_NAME;
use crate::journal::{HistoryItem, JournalError, Ring, Seq, Settings};
use crate::limits::{DOCTOR_PBX_TIMEOUT, JOURNAL_WINDOW};
use crate::log::{Way, install, masked};
use crate::recording::{LET_READ, Source, Trace};
use crate::status::{self, Excerpt, IN_MEMORY, StatusError};
use core::ops::ControlFlow;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// The file of calls in progress.
const MIRROR_FILE: &str = "calls";
/// The account is in use by ringpost itself.
const ONE_LOGIN: &str = "the running ringpost is logged in, and the PBX allows the account no second login \
    (allowmultiplelogin = no): to have its rights and the peers judged, stop the service for that long";

/// Tries the PBX, the CRMs, the recordings, the clock and the flash.
pub(super) fn doctor(file: &Path) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    install(log::LevelFilter::Off, Way::Direct);
    let mut worst = Verdict::Good;
    let mut tell = |checks: Vec<Check>| {
        for check in checks {
            worst = worst.max(check.verdict);
            let word = match check.verdict {
                Verdict::Good => "ok  ",
                Verdict::Warning => "warn",
                Verdict::Bad => "FAIL",
            };
            print(&format!("{word}  {:<12} {}\n", check.name, masked(&check.text)));
        }
    };
    let asked = status::ask(&status::socket_path(&config.run.state_dir));
    let service = service_check(asked.as_ref().err());
    let running = asked.ok().and_then(|told| told.excerpt());
    tell(vec![clock_check()]);
    tell(pbx_checks(&config, running.as_ref()));
    for crm in &config.crm {
        let CrmKind::Bitrix24(settings) = &crm.kind;
        match Bitrix24::new("bitrix24", settings.clone()) {
            Ok(port) => tell(port.doctor()),
            Err(error) => tell(vec![bad("bitrix24", error.to_string())]),
        }
    }
    let latest = recorded(&config);
    // What is left is looked at as the service does.
    become_service();
    tell(file_checks(file, &config));
    if let Some(recordings) = &config.recordings {
        tell(vec![recordings_check(&latest, recordings)]);
    }
    tell(vec![journal_check(&config, running.as_ref()), state_check(&config, running.as_ref()), service]);
    if worst == Verdict::Bad {
        complain("something above must be mended before calls arrive");
        return Exit::Failed;
    }
    Exit::Well
}

pub(super) fn good(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Good, text }
}

pub(super) fn warning(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Warning, text }
}

fn bad(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Bad, text }
}

fn clock_check() -> Check {
    let now = clock::now().wall;
    if now.is_plausible() {
        good("clock", now.to_iso8601())
    } else {
        bad(
            "clock",
            format!(
                "{} cannot be true: set up NTP; until then calls wait, and get their true date later",
                now.to_iso8601()
            ),
        )
    }
}

/// The configuration, and files that it names, which the service may not read. OpenWrt's init script mends that by
/// itself.
fn file_checks(file: &Path, config: &Config) -> Vec<Check> {
    let (named, _) = config.paths();
    let closed = |path: &&Path| {
        !path.is_dir() && File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let told = |path: &Path| {
        let path = path.display();
        bad("rights", format!("{path} may not be read by the service: chgrp ringpost {path} && chmod g+r {path}"))
    };
    let files = has_systemd().then(|| core::iter::once(file).chain(named));
    files.into_iter().flatten().filter(closed).map(told).collect()
}

/// Logs in as the daemon would, and says what it would know.
fn pbx_checks(config: &Config, running: Option<&Excerpt>) -> Vec<Check> {
    let pbx = &config.pbx;
    let tracker = TrackerConfig {
        pbx_name: pbx.name.to_string(),
        contexts: pbx.contexts.clone(),
        profile: pbx.profile,
        numbers: Default::default(),
    };
    let mut tracker = Tracker::new(tracker);
    let mut learned = Learned::new(pbx);
    let (mut lacks, mut live) = (Vec::new(), false);
    let ended = session(
        pbx,
        Asks { filters: true, details: true },
        Some(DOCTOR_PBX_TIMEOUT),
        |_| ControlFlow::Continue(()),
        |output| {
            tell_tracker(&mut tracker, output, clock::now());
            learned.hear(output);
            match output {
                Output::Lacks(lack) if lacks.len() < 16 => lacks.push(*lack),
                Output::Live => {
                    live = true;
                    return ControlFlow::Break(());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        },
    );
    let link = match ended {
        Ok(link) if live => link,
        Ok(_) => return vec![bad("pbx", String::from("logged in, but the PBX did not answer all questions in time"))],
        Err(fault) if fault.kind == FaultKind::AlreadyInUse && running.is_some_and(|running| running.pbx.live) => {
            return vec![warning("pbx", String::from(ONE_LOGIN))];
        }
        Err(fault) => return vec![bad("pbx", fault.to_string())],
    };
    let server = link.server();
    let version = format!("{} {}", server.banner, server.asterisk_version);
    let mut checks = vec![good("pbx", format!("logged in as {} at {}: {}", pbx.username, pbx.host, version.trim()))];
    checks.extend(lacks.iter().map(|lack: &Lack| warning("pbx rights", lack.to_string())));
    checks.extend(learned.checks(tracker.calls()));
    checks
}

/// Whether ringpost runs: whoever came to set it up must not leave without starting it.
fn service_check(error: Option<&StatusError>) -> Check {
    match error {
        None => good("service", String::from("ringpost runs")),
        Some(StatusError::NotRunning(_)) => warning(
            "service",
            String::from("ringpost does not run yet: service ringpost start (with systemd: systemctl start ringpost)"),
        ),
        Some(error) => warning("service", error.to_string()),
    }
}

/// Whether calls can be kept. Nothing is made: the service does that, under its own user.
fn journal_check(config: &Config, running: Option<&Excerpt>) -> Check {
    let config::Journal { path: directory, size_kib, medium, .. } = &config.journal;
    let path = directory.join(FILE_NAME);
    if let Some(Excerpt { journal, .. }) = running {
        return kept_check(&path, journal);
    }
    let on = |place: &Path, found: &str| medium_check(&Medium::of(place, *medium), found);
    match probe(directory, FILE_NAME, u64::from(*size_kib) * 1024) {
        Ok(Ground { is_there: true, nearest }) => on(&nearest, &format!("{} can be written", path.display())),
        Ok(Ground { nearest, .. }) => {
            on(&nearest, &format!("{} is not there yet; it can be made in {}", directory.display(), nearest.display()))
        }
        Err(obstacle @ Obstacle::RootOwned { .. }) => warning("journal", obstacle.to_string()),
        Err(obstacle) => bad("journal", format!("{obstacle} ([journal] path)")),
    }
}

/// What the running ringpost says of the journal: its fault, that it is (nearly) full, or what it lies on and for how
/// long.
fn kept_check(path: &Path, journal: &status::Journal) -> Check {
    let status::Journal { waiting, room, dropped, full, .. } = *journal;
    if !journal.fault.is_empty() {
        return bad("journal", journal.fault.clone());
    }
    let filled = match (waiting, room) {
        (0, _) => String::from("no call waits"),
        (_, 0) => format!("{waiting} calls wait"),
        _ => format!("{waiting} calls wait, about {room} fit"),
    };
    let found = format!("{} kept by the running ringpost; {filled}", path.display());
    let remedy = JournalError::Full.remedy();
    if full {
        return warning("journal", format!("{found}; it is full and calls are lost ({dropped} so far): {remedy}"));
    }
    if dropped > 0 {
        return warning("journal", format!("{found}; {dropped} calls were lost when it was full: {remedy}"));
    }
    if journal.is_in_memory() {
        return warning("journal", format!("{found}; {IN_MEMORY}"));
    }
    if room > 0 && waiting >= room / 4 * 3 {
        return warning("journal", format!("{found}; it is nearly full: {remedy}"));
    }
    let medium = journal.medium_words().map_or_else(String::new, |medium| format!("; {medium}"));
    let years = journal
        .years_words()
        .map_or_else(String::new, |years| format!(", which at the rate since the start lasts {years} (an estimate)"));
    good("journal", format!("{found}{medium}{years}"))
}

/// What it would lie on.
fn medium_check(medium: &Medium, found: &str) -> Check {
    let told = status::Journal::default().on(Some(medium));
    match told.medium_words() {
        Some(_) if !medium.is_lasting() => warning("journal", format!("{found}; {IN_MEMORY}")),
        Some(words) => good("journal", format!("{found}; {words}")),
        None => good("journal", found.to_owned()),
    }
}

/// Whether calls in progress can outlive a restart of ringpost.
fn state_check(config: &Config, running: Option<&Excerpt>) -> Check {
    let directory = &config.run.state_dir;
    if running.is_some_and(|report| report.mirror) {
        return good("state", format!("{} kept by the running ringpost", directory.display()));
    }
    match probe(directory, MIRROR_FILE, 0) {
        Ok(Ground { is_there: true, .. }) => good("state", format!("{} can be written", directory.display())),
        Ok(Ground { nearest, .. }) => {
            good("state", format!("{} is not there yet; it can be made in {}", directory.display(), nearest.display()))
        }
        Err(obstacle) => warning(
            "state",
            format!("{obstacle} ([run] state_dir); until then calls in progress do not outlive a restart of ringpost"),
        ),
    }
}

/// Whether recordings can be found: the directory, and whether the PBX's names of recordings lead into it, as far as
/// the calls of the journal tell.
fn recordings_check(latest: &[HistoryItem], recordings: &Recordings) -> Check {
    let source = Source::new(recordings);
    let inspection = source.inspect();
    if !inspection.usable {
        return bad("recordings", inspection.text);
    }
    if inspection.empty {
        return warning("recordings", inspection.text);
    }
    let (mut there, mut away, mut outside) = (0_u32, None, None);
    for path in latest.iter().flat_map(|item| &item.call.recordings) {
        match source.trace(path) {
            Trace::There => there += 1,
            Trace::Denied => return bad("recordings", format!("{path} may not be read: {LET_READ}")),
            Trace::Away => away = away.or_else(|| Some(path.clone())),
            Trace::Outside(alarm) => outside = outside.or(Some(alarm)),
        }
    }
    let found = inspection.text;
    match (there, away, outside) {
        (0, _, Some(alarm)) => bad("recordings", alarm),
        (_, _, Some(alarm)) => warning("recordings", alarm),
        (0, None, None) => {
            let pbx_path = recordings.pbx_path.display();
            good(
                "recordings",
                format!("{found}; whether it is the PBX's {pbx_path} shows with the first recorded call"),
            )
        }
        (0, Some(example), None) => warning(
            "recordings",
            format!("{found}, but has none of the latest calls, such as {example}: is the right directory mounted?"),
        ),
        _ => good("recordings", format!("{found} and has those of the latest calls")),
    }
}

/// The latest calls of the journal; none if it cannot be read.
fn recorded(config: &Config) -> Vec<HistoryItem> {
    let Ok(storage) = FileStorage::open_read_only(&config.journal.path.join(FILE_NAME)) else { return Vec::new() };
    let settings = Settings { boot: BootId::current(), crms: <_>::default(), when_full: config.journal.when_full };
    Ring::open(SlowSync::plain(storage), settings).0.history(Seq(u64::MAX), JOURNAL_WINDOW)
}
