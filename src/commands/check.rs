//! `ringpost check`: judges the configuration file and what it names on this host. No network: that is `doctor`.

use super::{Exit, configured, print};
use crate::config::{Config, CrmKind, RecordingSource};
use core::fmt::Write as _;
use std::path::Path;

/// Says what is wrong with the configuration in `file` (exit code 2), or what ringpost would do with it; with `paths`
/// only what it names on this host.
pub(super) fn check(file: &Path, paths: bool) -> Exit {
    match configured(file) {
        Ok(config) if paths => print(&places(&config)),
        Ok(config) => print(&summary(&config, file)),
        Err(exit) => exit,
    }
}

/// For the init script, which gives the daemon what it needs and no more: one `read PATH` or `write PATH` a line, the
/// path up to the end of the line. No path holds control characters (`syntax::path`).
fn places(config: &Config) -> String {
    let (read, write) = config.paths();
    let mut lines = String::new();
    for (kind, paths) in [("read", read), ("write", write)] {
        for path in paths {
            let _ = writeln!(lines, "{kind} {}", path.display());
        }
    }
    lines
}

/// What ringpost would do, in a few lines without secrets.
fn summary(config: &Config, file: &Path) -> String {
    let pbx = &config.pbx;
    let mut lines = format!("{}: well\n", file.display());
    let port = pbx.port.map_or_else(|| "the profile's port".to_owned(), |port| format!("port {port}"));
    let _ = writeln!(lines, "pbx         {} at {}, {port}, profile {}", pbx.name, pbx.host, pbx.profile.name);
    for crm in &config.crm {
        let CrmKind::Bitrix24(bitrix24) = &crm.kind;
        let users = match bitrix24.users.len() {
            0 => String::new(),
            count => format!(", {count} users from [crm.users]"),
        };
        let default_user = bitrix24.default_user;
        let _ = writeln!(lines, "crm         bitrix24 {}, default user {default_user}{users}", bitrix24.portal);
    }
    let _ = match &config.recordings {
        Some(recordings) => {
            let RecordingSource::Path(path) = &recordings.source;
            writeln!(lines, "recordings  {} for the PBX's {}", path.display(), recordings.pbx_path.display())
        }
        None => writeln!(lines, "recordings  none: there is no [recordings]"),
    };
    let _ = writeln!(lines, "journal     {}, {} KiB", config.journal.path.display(), config.journal.size_kib);
    lines
}
