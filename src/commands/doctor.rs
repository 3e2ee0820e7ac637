//! `ringpost doctor`: tries everything around, one line each, with the remedy. Changes nothing anywhere.

use super::session::session;
use super::{Exit, complain, configured, print};
use crate::ami::link::{Lack, Output};
use crate::call::tracker::{Tracker, TrackerConfig};
use crate::clock;
use crate::config::{Config, CrmKind};
use crate::crm::bitrix24::{Bitrix24, Check, Verdict};
use crate::daemon::tell_tracker;
use crate::journal::JournalError;
use crate::journal::storage::{FileStorage, Medium};
use crate::journal::thread::FILE_NAME;
use crate::limits::DOCTOR_PBX_TIMEOUT;
use crate::log::{Way, install, masked};
use crate::recording::Source;
use crate::status;
use core::ops::ControlFlow;
use std::path::Path;

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
    tell(vec![clock_check()]);
    tell(pbx_checks(&config));
    for crm in &config.crm {
        let CrmKind::Bitrix24(settings) = &crm.kind;
        match Bitrix24::new("bitrix24", settings.clone()) {
            Ok(port) => tell(port.doctor()),
            Err(error) => tell(vec![bad("bitrix24", error.to_string())]),
        }
    }
    if let Some(recordings) = &config.recordings {
        let inspection = Source::new(recordings).inspect();
        tell(vec![if inspection.usable {
            good("recordings", inspection.text)
        } else {
            bad("recordings", inspection.text)
        }]);
    }
    tell(vec![journal_check(&config), state_check(&config)]);
    if worst == Verdict::Bad {
        complain("something above must be mended before calls arrive");
        return Exit::Failed;
    }
    Exit::Well
}

fn good(name: &'static str, text: String) -> Check {
    Check { name, verdict: Verdict::Good, text }
}

fn warning(name: &'static str, text: String) -> Check {
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

/// Logs in as the daemon would, and says what it would know.
fn pbx_checks(config: &Config) -> Vec<Check> {
    let pbx = &config.pbx;
    let tracker =
        TrackerConfig { pbx_name: pbx.name.to_string(), contexts: pbx.contexts.clone(), profile: pbx.profile };
    let mut tracker = Tracker::new(tracker);
    let (mut lacks, mut peers, mut live) = (Vec::new(), 0_u32, false);
    let ended = session(
        pbx,
        true,
        Some(DOCTOR_PBX_TIMEOUT),
        |_| ControlFlow::Continue(()),
        |output| {
            tell_tracker(&mut tracker, output, clock::now());
            match output {
                Output::Lacks(lack) if lacks.len() < 16 => lacks.push(*lack),
                Output::Peer { .. } => peers = peers.saturating_add(1),
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
        Err(fault) => return vec![bad("pbx", fault.to_string())],
    };
    let server = link.server();
    let version = format!("{} {}", server.banner, server.asterisk_version);
    let mut checks = vec![good("pbx", format!("logged in as {} at {}: {}", pbx.username, pbx.host, version.trim()))];
    checks.extend(lacks.iter().map(|lack: &Lack| warning("pbx rights", lack.to_string())));
    checks.push(good("pbx peers", format!("{peers} told, {} calls in progress", tracker.calls())));
    checks
}

/// Whether calls can be kept.
fn journal_check(config: &Config) -> Check {
    let directory = &config.journal.path;
    let path = directory.join(FILE_NAME);
    if status::ask(&status::socket_path(&config.run.state_dir)).is_ok_and(|report| report.journal.fault.is_empty()) {
        return medium_check(&path, "kept by the running ringpost");
    }
    if let Err(error) = std::fs::create_dir_all(directory) {
        return bad(
            "journal",
            format!("{} cannot be made ({error}): name another [journal] path", directory.display()),
        );
    }
    match FileStorage::open(&path, config.journal.size_kib) {
        Ok(_) => medium_check(&path, "can be written"),
        Err(JournalError::Locked) => medium_check(&path, "held by a running ringpost"),
        Err(error) => bad("journal", format!("{}: {error}: make room, or name another [journal] path", path.display())),
    }
}

fn medium_check(path: &Path, how: &str) -> Check {
    match FileStorage::open_read_only(path).map(|storage| storage.medium()) {
        Ok(Medium::Memory) => warning(
            "journal",
            format!("{} lies in RAM: waiting calls do not outlive the power; put it on flash", path.display()),
        ),
        _ => good("journal", format!("{} {how}", path.display())),
    }
}

/// Whether calls in progress can outlive a restart of ringpost.
fn state_check(config: &Config) -> Check {
    let directory = &config.run.state_dir;
    let probe = directory.join("probe");
    let tried = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => good("state", format!("{} can be written", directory.display())),
        Err(error) => warning(
            "state",
            format!("{} ({error}): calls in progress do not outlive a restart of ringpost", directory.display()),
        ),
    }
}
