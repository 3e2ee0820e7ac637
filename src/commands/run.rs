//! `ringpost run`: the daemon, in the foreground, until it is told to end.

use super::{Exit, complain, configured};
use crate::daemon;
use crate::log::{Way, install};
use std::io;
use std::path::Path;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Runs the daemon of the configuration in `file`.
pub(super) fn run(file: &Path, level: Option<log::LevelFilter>) -> Exit {
    daemon::restraint::renounce();
    // Before anything that takes time: WAN up and NTP send signals as soon as procd has started it.
    let (runtime, signals) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => {
            complain(&format!("ringpost: the system gives no event loop: {error}"));
            return Exit::Failed;
        }
    };
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    install(level.unwrap_or(config.log.level), Way::Queued);
    daemon::restraint::restrain();
    let ended = runtime.block_on(async {
        let origin = daemon::Origin { file: file.to_owned(), level };
        let daemon = daemon::start(&config).map_err(|error| error.to_string())?.read_from(origin);
        log::info!("ringpost {} for {} at {}", env!("CARGO_PKG_VERSION"), config.pbx.name, config.pbx.host);
        // Nobody sends: the sender lives as long as the daemon.
        let (_keep, stop) = mpsc::channel(1);
        daemon.run(signals, stop).await.map_err(|error| error.to_string())
    });
    // Name look-ups and requests under way must not hold the end.
    runtime.shutdown_background();
    if let Err(error) = &ended {
        log::error!("{error}");
    }
    log::logger().flush();
    if ended.is_ok() { Exit::Well } else { Exit::Failed }
}

fn prepared() -> io::Result<(Runtime, daemon::Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = runtime.block_on(async { daemon::Signals::new() })?;
    Ok((runtime, signals))
}
