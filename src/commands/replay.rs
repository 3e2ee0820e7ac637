//! `ringpost replay`: what a captured trace would have told the CRM. Needs neither PBX nor CRM nor a configuration, but
//! uses the names, contexts and rules for numbers of one that is there, or that was asked for.

use super::calls::told;
use super::{Exit, complain, configured, print};
use crate::call::classify::Contexts;
use crate::call::json;
use crate::call::tracker::{Output, TrackerConfig};
use crate::cli::Invocation;
use crate::clock::{Stamp, Wall};
use crate::config::Config;
use crate::crm::bitrix24;
use crate::limits::TRANSCRIPT_BYTES;
use crate::profile;
use crate::replay::{Timing, replay as play};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

/// Plays the transcript and prints its calls.
pub(super) fn replay(invocation: &Invocation, transcript: &Path, as_json: bool) -> Exit {
    let tracker = match tracker_config(&invocation.config, invocation.named) {
        Ok(tracker) => tracker,
        Err(exit) => return exit,
    };
    let (bytes, ended) = match read(transcript) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("{}: {error}", transcript.display()));
            return Exit::Failed;
        }
    };
    let timing = Timing::parse(&fs::read_to_string(transcript.with_extension("timing.tsv")).unwrap_or_default());
    let begun = Stamp { mono: Default::default(), wall: ended };
    let mut exit = Exit::Well;
    play(tracker, &bytes, &timing, begun, |output, now| match output {
        Output::Finished(call) if exit == Exit::Well => {
            let status = bitrix24::wants(&call).then(|| bitrix24::status_code(&call));
            exit = print(&if as_json {
                json::line(&call, status, None, now) + "\n"
            } else {
                let status = match (status, call.withheld) {
                    (Some(code), _) => format!("status {code}"),
                    (None, Some(why)) => format!("not posted: {}", why.words()),
                    (None, None) => String::from("not posted"),
                };
                format!("{}  {status}\n", told(&call, now))
            });
        }
        Output::Picked(pick) => complain(&pick.to_string()),
        _ => {}
    });
    exit
}

fn tracker_config(file: &Path, named: bool) -> Result<TrackerConfig, Exit> {
    if !named && !file.exists() {
        let (contexts, profile) = (Contexts::default(), profile::AUTO);
        return Ok(TrackerConfig { pbx_name: String::from("pbx"), contexts, profile, numbers: Default::default() });
    }
    let Config { pbx, numbers, .. } = configured(file)?;
    Ok(TrackerConfig { pbx_name: pbx.name.to_string(), contexts: pbx.contexts, profile: pbx.profile, numbers })
}

/// The transcript, and the date that its calls are given: that of the file, for AMI itself tells none.
fn read(path: &Path) -> io::Result<(Vec<u8>, Wall)> {
    let file = fs::File::open(path)?;
    let modified = file.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(TRANSCRIPT_BYTES).read_to_end(&mut bytes)?;
    Ok((bytes, Wall::from_millis(i64::try_from(modified.as_millis()).unwrap_or(0))))
}
