//! A recording's way into the portal: ask for an address, stream the file there.
//!
//! Upload mode is the only one fit for a router: base64 would hold the file in memory and the URL mode would need the
//! portal to reach us. The address holds a credential, must lead to the portal itself and is asked for right before it
//! is used, or with the call where it came among others. Bounds: one buffer of
//! [`HTTP_BUFFER_BYTES`](crate::limits::HTTP_BUFFER_BYTES), files up to [`RECORDING_BYTES`]. Does not judge whether the
//! file is complete (see [`crate::recording`]).

use super::answer::{Object, Scalar, UploadTarget};
use super::delivery::Looked;
use super::fault::{self, Fault, Kind};
use super::{Bitrix24, method, request};
use crate::call::record::CallRecord;
use crate::config::Secret;
use crate::crm::http::Upload;
use crate::crm::{Lane, Outcome, Ticket, UploadLink};
use crate::limits::{CRM_REQUEST_TIMEOUT, RECORDING_BYTES, UPLOAD_MIN_BYTES_PER_SEC};
use crate::recording;
use core::time::Duration;
use std::path::Path;

/// When a recording is tried again that the portal or the disk could not take now.
const LATER: Duration = Duration::from_secs(60);

/// The endings that Bitrix24 takes, with their media types.
const ENDINGS: [(&str, &str); 2] = [("wav", "audio/wav"), ("mp3", "audio/mpeg")];

impl Bitrix24 {
    pub(super) fn try_attach(
        &self,
        call: &CallRecord,
        ticket: &Ticket,
        path: &Path,
        in_doubt: bool,
        link: Option<&UploadLink>,
    ) -> Result<(), Outcome> {
        let (ending, kind) = ending(path)
            .ok_or_else(|| Outcome::Refused { why: format!("{}: only wav and mp3 recordings are taken", self.name) })?;
        let (file, bytes, _) =
            recording::open(path).map_err(|error| fault::retry(LATER, format!("{}: {error}", path.display())))?;
        if !(1..=RECORDING_BYTES).contains(&bytes) {
            return Err(Outcome::Refused { why: format!("a recording of {bytes} bytes is not uploaded") });
        }
        let ticket = &self.with_name(call, ticket)?;
        if in_doubt && self.has_recording(ticket)? {
            return Ok(());
        }
        let name = request::file_name(&call.id, ending);
        let asked;
        let link = match link {
            Some(link) => link,
            None => {
                asked = self.upload_target(ticket, &name)?;
                &asked
            }
        };
        let upload = Upload::new(&link.field, &name, kind, file, bytes);
        self.api
            .upload::<Scalar, _>(link.url.expose(), upload, time_for(bytes))
            .map_err(|fault| upload_outcome(self, fault))?;
        Ok(())
    }

    /// The ticket with the portal's name of the call; one that was lost on the way is in the statistics.
    fn with_name(&self, call: &CallRecord, ticket: &Ticket) -> Result<Ticket, Outcome> {
        if !ticket.call.is_empty() {
            return Ok(ticket.clone());
        }
        let looked = self.statistic(Lane::Recordings, "EXTERNAL_CALL_ID", &call.id);
        let name = match looked.map_err(|fault| self.blind(fault, LATER))? {
            Looked::Found(row) => row.call_id.text().try_into().ok(),
            Looked::Absent | Looked::Ignored => None,
        };
        let unknown = || Outcome::Refused { why: format!("{}: the call was never registered", self.name) };
        name.map(|call| Ticket { call, ..ticket.clone() }).ok_or_else(unknown)
    }

    /// Whether the portal has a recording of the call already; a repeated upload would leave the first on its drive.
    fn has_recording(&self, ticket: &Ticket) -> Result<bool, Outcome> {
        let looked = self.statistic(Lane::Recordings, "CALL_ID", &ticket.call);
        let looked = looked.map_err(|fault| self.blind(fault, LATER))?;
        Ok(matches!(looked, Looked::Found(row) if row.record_file_id.id().is_some()))
    }

    fn upload_target(&self, ticket: &Ticket, name: &str) -> Result<UploadLink, Outcome> {
        let params = request::attach(&ticket.call, name);
        let answer = self.api.call::<Object<UploadTarget>>(Lane::Recordings, method::ATTACH, &params);
        let target = answer.map_err(|fault| match fault.kind() {
            // Only an address was asked for: nothing has happened that could happen twice.
            _ if fault.may_have_run() => fault::not_run(self.api.outcome(fault, method::ATTACH)),
            _ => self.api.outcome(fault, method::ATTACH),
        })?;
        let untold = || fault::retry(LATER, format!("{}: no address for the recording was told", self.name));
        target.result.0.and_then(link).ok_or_else(untold)
    }
}

/// Where the portal wants a recording; none when it does not say.
pub(super) fn link(target: UploadTarget) -> Option<UploadLink> {
    let (url, field) = (target.upload_url.0.text(), target.field_name.text());
    let field = if field.is_empty() { "file" } else { field };
    (!url.is_empty()).then(|| UploadLink { url: Secret::new(url), field: field.to_owned() })
}

fn upload_outcome(portal: &Bitrix24, fault: Fault) -> Outcome {
    match fault.kind() {
        // Signed for a webhook or user that has changed since.
        Some(Kind::NoRight) => fault::retry(LATER, format!("{}: the upload was not allowed", portal.name)),
        _ => portal.api.outcome(fault, method::UPLOAD),
    }
}

pub(super) fn ending(path: &Path) -> Option<(&'static str, &'static str)> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.into_iter().find(|(known, _)| ending.eq_ignore_ascii_case(known))
}

/// Time for an upload: what the slowest line we put up with needs, and an ordinary request's time on top.
fn time_for(bytes: u64) -> Duration {
    CRM_REQUEST_TIMEOUT.saturating_add(Duration::from_secs(bytes / UPLOAD_MIN_BYTES_PER_SEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_taken_in_any_case_and_sent_in_lower() {
        assert_eq!(ending(Path::new("/a/b.WAV")).map(|(ending, _)| ending), Some("wav"));
        assert_eq!(ending(Path::new("/a/b.mp3")), Some(("mp3", "audio/mpeg")));
        assert_eq!(ending(Path::new("/a/b.gsm")), None);
        assert_eq!(ending(Path::new("/a/wav")), None);
    }

    #[test]
    fn a_large_file_gets_the_time_that_a_slow_line_needs() {
        assert_eq!(time_for(0), CRM_REQUEST_TIMEOUT);
        assert!(time_for(100_000_000) > Duration::from_secs(100_000_000 / 16_384));
    }
}
