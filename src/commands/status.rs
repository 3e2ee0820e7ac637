//! `ringpost status`: what the running daemon says of itself.

use super::{Exit, complain, configured, print};
use crate::status::{self, StatusError, Told};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Time between two reports of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Prints the daemon's report once, or again and again until interrupted.
pub(super) fn status(file: &Path, json: bool, watch: bool) -> Exit {
    let config = match configured(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let path = status::socket_path(&config.run.state_dir);
    loop {
        let exit = match status::ask(&path) {
            Ok(told) => print(&shown(told, json, watch)),
            // A reload may take that long.
            Err(error @ StatusError::Busy) if watch => {
                complain(&error.to_string());
                Exit::Well
            }
            Err(error) => {
                complain(&error.to_string());
                Exit::Failed
            }
        };
        if !watch || exit != Exit::Well {
            return exit;
        }
        thread::sleep(WATCH_INTERVAL);
    }
}

fn shown(told: Told, json: bool, watch: bool) -> String {
    if json {
        return told.json + "\n";
    }
    // The screen is cleared between reports, as `watch` does.
    let clear = if watch { "\x1b[2J\x1b[H" } else { "" };
    clear.to_owned() + &told.people
}
