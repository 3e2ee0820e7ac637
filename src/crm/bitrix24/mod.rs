//! Bitrix24: telephony by incoming webhook.
//!
//! The pure parts are `request` (what is asked), `answer` (what is said), `fault` (what an error means), `cards` (who
//! sees what), `hour` (whose clock dates calls), `status_code` and `reason`. Around them `api` (one portal on the
//! wire), `users` (a cache), `delivery` (the recovery table), `together` (a backlog, by `batch` and at its `pace`),
//! `upload` and `doctor`. What a portal does is cited from Bitrix24's REST documentation and the public code of its
//! telephony module; where both disagree the code says which one it trusts.
//!
//! Bounds: the caps of [`crate::limits`] under "the CRM side". Deliberately not here: retries, queues, the journal.

mod address;
mod answer;
mod api;
mod batch;
mod cards;
mod delivery;
mod doctor;
mod fault;
mod hour;
mod method;
mod pace;
mod reason;
mod request;
mod status_code;

/// The STATUS_CODE of a call.
pub use status_code::of as status_code;
mod together;
mod upload;
mod users;

pub use doctor::{Check, Verdict};

use crate::call::live::LiveCall;
use crate::call::record::{CallRecord, Extension};
use crate::clock::Stamp;
use crate::config;
use crate::crm::http::{Http, RootsError};
use crate::crm::{Consignment, Freshness, Lane, Outcome, Port, Shown, Ticket, UploadLink};
use address::Address;
use answer::{Object, Registered, Scalar};
use api::Api;
use core::fmt;
use core::time::Duration;
use fault::Kind;
use request::Facts;
use std::path::Path;
use together::Crowd;
use users::Users;

/// A register is repeated for a live call only while the server still takes the two for one: it looks back half an
/// hour, we leave some for clocks that differ.
const DEDUPE_WINDOW: Duration = Duration::from_secs(25 * 60);

/// One portal.
#[derive(Debug)]
pub struct Bitrix24 {
    name: String,
    settings: config::Bitrix24,
    api: Api,
    users: Users,
    crowd: Crowd,
}

/// Why a portal cannot be used at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// `webhook` is not an https address with a path.
    Webhook,
    /// There are no roots to trust.
    Roots(RootsError),
}

impl core::error::Error for SetupError {}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook => write!(f, "webhook is not of the form https://HOST/rest/USER/SECRET/"),
            Self::Roots(error) => write!(f, "{error}"),
        }
    }
}

impl Bitrix24 {
    /// The portal of `settings`; nothing is sent yet. `name` is for logs and `status`.
    ///
    /// # Errors
    ///
    /// When the webhook's address cannot be one, or there are no roots to trust.
    pub fn new(name: impl Into<String>, settings: config::Bitrix24) -> Result<Self, SetupError> {
        let address = Address::parse(settings.webhook.expose()).ok_or(SetupError::Webhook)?;
        let http = Http::new(settings.ca_file.as_deref()).map_err(SetupError::Roots)?;
        let users = Users::new(settings.users.clone());
        Ok(Self { name: name.into(), settings, api: Api::new(http, address), users, crowd: Crowd::default() })
    }

    /// Other times allowed for one request, about a card and else, than those of [`crate::limits`]: for tests that
    /// wait for a portal which never answers.
    #[must_use]
    pub fn with_times(self, card: Duration, request: Duration) -> Self {
        Self { api: self.api.with_times(card, request), ..self }
    }

    /// Registers a live call, with the card for its user at once, so that one ring is one request.
    fn register_live(&self, call: &LiveCall, user: u32, show: bool, ticket: &mut Ticket) -> Result<Shown, Outcome> {
        let mut facts = Facts::of_live(call, &self.settings.anonymous, self.api.dated(crate::clock::now()));
        let create = cards::creates(self.settings.create, call.direction);
        loop {
            let params = request::register(&facts, user, show, create);
            let fault = match self.api.call::<Object<Registered>>(Lane::Cards, method::REGISTER, &params) {
                Ok(good) => {
                    self.keep_ticket(good.result, ticket)?;
                    ticket.in_doubt = false;
                    return Ok(Shown(show.then_some(user).into_iter().collect()));
                }
                Err(fault) => fault,
            };
            match fault.kind() {
                Some(Kind::BadPhone) if facts.hide_phone(&self.settings.anonymous) => {}
                // Nothing was registered: the finished call goes to default_user.
                Some(Kind::UserInactive | Kind::UserUnknown) => {
                    self.users.mark_stale();
                    ticket.user = Some(self.settings.default_user);
                    return Err(self.api.outcome(fault, method::REGISTER));
                }
                _ => return Err(self.failed(fault, method::REGISTER, ticket)),
            }
        }
    }

    fn try_announce(&self, call: &LiveCall, ticket: &mut Ticket, shown: &mut Shown) -> Result<(), Outcome> {
        let wanted = self.wanted(call);
        if ticket.call.is_empty() {
            // Without a user nobody was known when it was prepared: it will be prepared anew.
            let Some(user) = ticket.user.filter(|_| !wanted.is_empty()) else { return Ok(()) };
            if ticket.in_doubt && is_old(call) {
                return Ok(());
            }
            *shown = self.register_live(call, user, wanted.contains(&user), ticket)?;
        }
        let (show, hide) = cards::difference(&wanted, shown);
        if !show.is_empty() {
            self.push_cards(method::SHOW, ticket, &show)?;
            shown.0.extend(show.into_iter().take(shown.0.capacity().saturating_sub(shown.0.len())));
        }
        if !hide.is_empty() {
            self.push_cards(method::HIDE, ticket, &hide)?;
            shown.0.retain(|user| !hide.contains(user));
        }
        Ok(())
    }

    /// Shows or hides. A card may be pushed twice, so nothing here is ever in doubt; `false` (the call is not live any
    /// more) is as good as done.
    fn push_cards(&self, method: method::Method, ticket: &Ticket, users: &[u32]) -> Result<(), Outcome> {
        let params = request::cards(&ticket.call, users);
        match self.api.call::<Scalar>(Lane::Cards, method, &params) {
            Ok(_) => Ok(()),
            Err(fault) => Err(match self.api.outcome(fault, method) {
                Outcome::InDoubt { after, why } => Outcome::Retry { after: Some(after), why },
                other => other,
            }),
        }
    }

    /// A backlog that waited for the portal must not go to default_user because it is faster than the refresh.
    fn know_users(&self) -> Result<(), Outcome> {
        if self.users.is_told() {
            return Ok(());
        }
        match self.users.refresh(&self.api) {
            // Whatever the portal says of its users, it has not said it of a call.
            Outcome::Done | Outcome::Refused { .. } => Ok(()),
            asked => Err(asked),
        }
    }

    fn wanted(&self, call: &LiveCall) -> cards::Party {
        cards::wanted(call, self.settings.show_card, |extension| self.users.of(extension))
    }
}

/// Whether a call is posted: internal and withheld ones are not.
pub fn wants(call: &CallRecord) -> bool {
    call.is_posted()
}

/// Whether a repeated register could make a second call out of it.
fn is_old(call: &LiveCall) -> bool {
    crate::clock::now().mono.since(call.started.mono) > DEDUPE_WINDOW
}

impl Port for Bitrix24 {
    fn name(&self) -> &str {
        &self.name
    }

    fn announce(&self, call: &LiveCall, ticket: &mut Ticket, shown: &mut Shown) -> Outcome {
        self.try_announce(call, ticket, shown).err().unwrap_or(Outcome::Done)
    }

    fn prepare(&self, call: &LiveCall, ticket: &mut Ticket) {
        if ticket.call.is_empty() && ticket.user.is_none() {
            ticket.user = self.wanted(call).first().copied();
        }
    }

    fn deliver(
        &self,
        call: &CallRecord,
        ticket: &mut Ticket,
        shown: &mut Shown,
        freshness: Freshness,
        in_doubt: bool,
        now: Stamp,
    ) -> Outcome {
        let delivered =
            self.know_users().and_then(|()| delivery::Delivery::new(self, call, freshness, self.api.dated(now)));
        let outcome = match delivered {
            Ok(delivery) => delivery.run(ticket, shown, in_doubt),
            Err(outcome) => outcome,
        };
        if outcome == Outcome::Done {
            self.crowd.saw(&call.id);
        }
        outcome
    }

    fn deliver_together(&self, calls: &mut [Consignment], now: Stamp) -> Outcome {
        let taken = self.know_users().and_then(|()| self.take_together(calls, self.api.dated(now)));
        taken.err().unwrap_or(Outcome::Done)
    }

    fn attach(
        &self,
        call: &CallRecord,
        ticket: &Ticket,
        file: &Path,
        in_doubt: bool,
        link: Option<&UploadLink>,
    ) -> Outcome {
        self.try_attach(call, ticket, file, in_doubt, link).err().unwrap_or(Outcome::Done)
    }

    fn wants(&self, call: &CallRecord) -> bool {
        wants(call)
    }

    fn status_code(&self, call: &CallRecord) -> &'static str {
        status_code::of(call)
    }

    fn refresh(&self) -> Outcome {
        self.users.refresh(&self.api)
    }

    fn wants_refresh(&self) -> bool {
        self.users.is_stale()
    }

    /// `attachRecord` replaces what was attached before, and the file that was replaced stays on the portal's drive.
    fn keeps_one_recording(&self) -> bool {
        true
    }

    fn notice(&self) -> Option<String> {
        self.api.renamed().or_else(|| self.api.clock_notice())
    }

    fn user_of(&self, extension: &Extension) -> Option<u32> {
        self.users.of(extension)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::call::record::{DialStatus, Direction, Disposition, Gaps};
    use crate::clock::{Monotonic, Wall};
    use crate::text::bounded;
    use heapless::Vec;

    pub(super) fn stamp() -> Stamp {
        Stamp { mono: Monotonic::from_millis(1_000_000), wall: Wall::from_millis(1_795_293_703_000) }
    }

    pub(super) fn record(direction: Direction) -> CallRecord {
        CallRecord {
            id: bounded(b"office-1710140185.18"),
            direction,
            client: bounded(b"+79160000001"),
            line: bounded(b"74951112233"),
            trunk: bounded(b"carrier"),
            caller: Extension::new(),
            rang: Vec::new(),
            answered_by: None,
            talked_last: None,
            talks: Vec::new(),
            talk_ms: 0,
            disposition: Disposition::Missed,
            dial_status: DialStatus::NoAnswer,
            cause: 0,
            queue: bounded(b""),
            transfers: Vec::new(),
            recordings: Vec::new(),
            voicemail: bounded(b""),
            started: stamp(),
            ended: stamp(),
            gaps: Gaps::default(),
            withheld: None,
        }
    }

    pub(super) fn live(direction: Direction) -> LiveCall {
        LiveCall {
            id: bounded(b"office-1710140185.18"),
            direction,
            client: bounded(b"+79160000001"),
            line: bounded(b"74951112233"),
            caller: Extension::new(),
            ringing: Vec::new(),
            talking: None,
            started: stamp(),
            withheld: None,
        }
    }

    #[test]
    fn nothing_of_a_portal_prints_its_secret() {
        let settings = config::Bitrix24 {
            webhook: config::Secret::new("https://example.bitrix24.ru/rest/1/s3cr3tcode/"),
            portal: "example.bitrix24.ru".to_owned(),
            default_user: 1,
            show_card: config::ShowCard::OnRing,
            create: config::Create::Always,
            ca_file: None,
            users: std::collections::BTreeMap::new(),
            anonymous: bounded(b"000"),
        };
        if let Ok(portal) = Bitrix24::new("bitrix24", settings) {
            assert!(!format!("{portal:?}").contains("s3cr3tcode"));
        }
    }
}
