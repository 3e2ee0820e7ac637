//! One test's own office: a PBX that nobody else uses meanwhile, an agent beside it, and a portal.
//!
//! Exchanges are lent: one that a test leaves well and idle serves the next, so a hundred tests need a dozen. Because
//! nobody else calls here, a test may say what the portal holds *in all*: one call means one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portal::{Card, FinishedCall, Portal, PortalConfig, RequestRecord};

use crate::agent::{Agent, Settings};
use crate::recorder::Recorder;
use crate::{Account, Exchange, Trouble, Version, secs, wait_until};

/// How long a finished call may take to the portal without faults, on a busy machine.
pub const DELIVERY: Duration = Duration::from_secs(30);
/// How long the PBX may take to clear the last channel.
const IDLE: Duration = Duration::from_secs(15);

static LENT: Mutex<Option<HashMap<Version, Vec<Exchange>>>> = Mutex::new(None);

/// What a test wants otherwise than usual.
#[derive(Debug)]
pub struct Wish {
    /// The AMI account.
    pub account: Account,
    /// Address that stands for the PBX: a cable's.
    pub host: Option<String>,
    /// Environment of the agent.
    pub environment: Vec<(String, String)>,
    /// What the agent is started by.
    pub launcher: Vec<OsString>,
    /// The portal.
    pub portal: PortalConfig,
}

impl Default for Wish {
    fn default() -> Self {
        let portal = PortalConfig { keep_bytes: 16 * 1024 * 1024, ..PortalConfig::default() };
        Wish { account: Account::Ringpost, host: None, environment: Vec::new(), launcher: Vec::new(), portal }
    }
}

/// An exchange, a portal and an agent.
pub struct Office {
    /// The agent; started by `Office::open`.
    pub agent: Agent,
    /// The portal.
    pub portal: Portal,
    exchange: Lent,
    recorder: Option<Recorder>,
}

impl Office {
    /// Runs a test in an office as a customer sets it up: with host, user and secret of the PBX alone.
    ///
    /// # Errors
    /// What the test says; the agent's log and the portal's requests are printed with it.
    pub fn play(version: Version, test: impl FnOnce(&Office) -> Verdict) -> Verdict {
        Lent::take(version)?.play(|_| Ok(Wish::default()), true, test)
    }

    /// The same with wishes, which may look at the exchange. Without `live` the agent is not started.
    ///
    /// # Errors
    /// As [`Office::play`].
    pub fn play_with(
        version: Version,
        live: bool,
        wish: impl FnOnce(&Exchange) -> Result<Wish, Trouble>,
        test: impl FnOnce(&Office) -> Verdict,
    ) -> Verdict {
        Lent::take(version)?.play(wish, live, test)
    }

    /// Leads the agent's configuration astray before `test`, which has to start the agent itself.
    ///
    /// # Errors
    /// As [`Office::play`].
    pub fn play_misled(
        version: Version,
        mislead: impl FnOnce(&Exchange, &mut Agent) -> Verdict,
        test: impl FnOnce(&Office) -> Verdict,
    ) -> Verdict {
        let mut office = Office::open(Lent::take(version)?, Wish::default(), false)?;
        mislead(&office.exchange, &mut office.agent)?;
        office.end(test)
    }

    fn open(exchange: Lent, wish: Wish, live: bool) -> Result<Office, Trouble> {
        let webhook_secret = wish.portal.webhook_secret.clone();
        let portal = Portal::start(wish.portal)?;
        let agent = Agent::new(Settings {
            host: wish.host.unwrap_or_else(|| exchange.host().to_owned()),
            username: wish.account.user().to_owned(),
            secret: exchange.secret().to_owned(),
            webhook: portal.webhook_url().to_owned(),
            webhook_secret,
            ca_file: portal.ca_file(),
            recordings: exchange.recordings(),
            environment: wish.environment,
            launcher: wish.launcher,
        })?;
        let mut office = Office { agent, portal, exchange, recorder: None };
        if live {
            office.agent.start_live()?;
            office.recorder = Recorder::start(&office.agent, office.exchange.version())?;
            // Cards go to employees, whom the agent asks for once it is up.
            let asked = |state: &portal::State| state.requests_of("user.get").find(|r| r.succeeded()).map(drop);
            office.portal.wait_for(DELIVERY, asked).ok_or_else(|| missed("the agent asks for the employees"))?;
        }
        Ok(office)
    }

    /// Waits until no call is in progress and nothing waits for the portal, and gives the calls that it holds.
    /// Recordings may still come.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn settled(&self, patience: Duration) -> Result<Vec<FinishedCall>, Trouble> {
        let idle = |status: &serde_json::Value| {
            status["live_calls"] == 0 && status["journal"]["waiting"] == 0 && status["journal"]["unjournalled"] == 0
        };
        let wanted = self.agent.calls().map_or(0, |calls| calls.len());
        self.agent.await_status(&format!("{wanted} calls are delivered"), patience, idle)?;
        Ok(self.portal.calls())
    }

    /// Waits until the call of `client` is finished at the portal, then until the agent has nothing more to do; it must
    /// be the only one that the portal ever got, with at most one activity.
    ///
    /// # Errors
    /// It does not come, or more came.
    pub fn only_call(&self, client: &str, patience: Duration) -> Result<FinishedCall, Trouble> {
        let call = self.call_of(client, patience)?;
        self.settled(patience)?;
        self.portal.look(|state| {
            assert_eq!(state.calls().len(), 1, "one call wanted: {:#?}", state.calls());
            assert!(state.live_calls().is_empty(), "left open: {:#?}", state.live_calls());
            assert!(state.activities().len() <= 1, "activities: {:#?}", state.activities());
        });
        Ok(call)
    }

    /// Waits until a call of `client` is finished at the portal.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn call_of(&self, client: &str, patience: Duration) -> Result<FinishedCall, Trouble> {
        let what = format!("a finished call of {client} at the portal");
        let found = |state: &portal::State| state.calls().iter().find(|call| call.registered.phone == client).cloned();
        self.portal.wait_for(patience, found).ok_or(Trouble::Deadline { what, waited: patience })
    }

    /// The recording of `call`, as soon as it is attached: its bytes.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn recording(&self, call: &FinishedCall, patience: Duration) -> Result<Vec<u8>, Trouble> {
        let attached = |state: &portal::State| state.recording_of(call.call_id()).cloned();
        let found = self.portal.wait_for(patience, attached).ok_or_else(|| missed("a recording at the portal"))?;
        found.content.ok_or_else(|| missed("the bytes of the recording"))
    }

    /// Waits for the recording of `call` and holds it against the only file of the PBX whose name has `part`.
    ///
    /// # Errors
    /// It does not come, or there is another number of files.
    pub fn assert_recorded(&self, call: &FinishedCall, part: &str) -> Result<(), Trouble> {
        let got = self.recording(call, DELIVERY)?;
        let files = files(&self.exchange.recordings(), part);
        let [file] = files.as_slice() else { return Err(missed(&format!("one recording of {part}: {files:?}"))) };
        let made = fs::read(file)?;
        assert!(made.len() > 8_000, "the PBX recorded nothing: {} bytes", made.len());
        assert!(got == made, "{} bytes arrived, {} were made", got.len(), made.len());
        let attached = self
            .portal
            .look(|state| state.recordings().iter().filter(|recording| recording.call_id == call.call_id()).count());
        assert_eq!(attached, 1, "attached more than once");
        Ok(())
    }

    /// Waits until the card of the call of `client` is on the screen of exactly these employees.
    ///
    /// # Errors
    /// [`Trouble::Deadline`] with the cards as they are.
    pub fn await_cards(&self, client: &str, users: &[u64]) -> Result<Vec<Card>, Trouble> {
        let up = |state: &portal::State| {
            let call = state.live_calls().iter().find(|call| call.registered_for(client))?.call_id.clone();
            let cards: Vec<Card> = state.cards_of(&call).filter(|card| card.hidden.is_none()).cloned().collect();
            let mut shown: Vec<u64> = cards.iter().map(|card| card.user).collect();
            shown.sort_unstable();
            (shown == users).then_some(cards)
        };
        let patience = secs(10.0);
        self.portal.wait_for(patience, up).ok_or_else(|| Trouble::Deadline {
            what: format!("the card of {client} at {users:?}; there are {:#?}", self.portal.cards()),
            waited: patience,
        })
    }

    /// The last request of `method` that did its work.
    ///
    /// # Errors
    /// There was none.
    pub fn done(&self, method: &str) -> Result<RequestRecord, Trouble> {
        let requests = self.portal.requests_of(method);
        requests.into_iter().rfind(RequestRecord::succeeded).ok_or_else(|| missed(method))
    }

    /// Runs the test; what it leaves must hold no secret, and an idle PBX serves the next test.
    fn end(mut self, test: impl FnOnce(&Office) -> Verdict) -> Verdict {
        if let Err(trouble) = test(&self) {
            self.print();
            return Err(trouble);
        }
        let log = self.agent.log();
        assert_eq!(self.agent.secret_in(&log), None, "in the log:\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.exchange.well = self.is_idle();
        match self.recorder.take() {
            Some(recorder) => recorder.finish(&self.agent),
            None => Ok(()),
        }
    }

    /// Whether the last channel of the PBX is gone, at once or soon.
    fn is_idle(&self) -> bool {
        let idle = wait_until("the PBX is idle", IDLE, || {
            let pbx = self.exchange.pbx().ok()?;
            let said = pbx.command("core show channels count").ok()?;
            said.iter().any(|line| line.starts_with("0 active channels")).then_some(())
        });
        idle.is_ok()
    }

    fn print(&self) {
        let version = self.exchange.version();
        eprintln!("--- Asterisk {version}, the agent's status: {:?}", self.agent.status());
        eprintln!("--- the agent's log:\n{}", self.agent.log());
        eprintln!("--- the portal's requests:");
        self.portal.look(|state| {
            for request in state.requests() {
                eprintln!("{}", portal::Event::Request(request.clone()));
            }
        });
        eprintln!("--- the portal's calls: {:#?}", self.portal.calls());
    }
}

/// The exchange: calls are played on the office itself.
impl Deref for Office {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print();
        }
    }
}

/// How a test ends.
pub type Verdict = Result<(), Box<dyn std::error::Error>>;

/// Matching a live call by its number.
trait RegisteredFor {
    fn registered_for(&self, client: &str) -> bool;
}

impl RegisteredFor for portal::LiveCall {
    fn registered_for(&self, client: &str) -> bool {
        self.phone == client
    }
}

/// An exchange for one test at a time.
struct Lent {
    version: Version,
    exchange: Option<Exchange>,
    well: bool,
}

impl Lent {
    fn take(version: Version) -> Result<Lent, Trouble> {
        let idle =
            LENT.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|lent| lent.get_mut(&version)?.pop());
        let exchange = match idle {
            Some(exchange) => exchange,
            None => Exchange::up(version)?,
        };
        exchange.begin_anew();
        Ok(Lent { version, exchange: Some(exchange), well: false })
    }

    fn play(
        self,
        wish: impl FnOnce(&Exchange) -> Result<Wish, Trouble>,
        live: bool,
        test: impl FnOnce(&Office) -> Verdict,
    ) -> Verdict {
        let wish = wish(&self)?;
        Office::open(self, wish, live)?.end(test)
    }
}

impl Deref for Lent {
    type Target = Exchange;

    #[expect(clippy::expect_used, reason = "only Drop takes it")]
    fn deref(&self) -> &Exchange {
        self.exchange.as_ref().expect("an exchange until the end")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        if self.well && !std::thread::panicking() {
            let mut lent = LENT.lock().unwrap_or_else(PoisonError::into_inner);
            lent.get_or_insert_default().entry(self.version).or_default().push(exchange);
        }
    }
}

/// Every file under `dir` whose path holds `part`.
#[must_use]
pub fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, part));
        } else if path.to_string_lossy().contains(part) {
            found.push(path);
        }
    }
    found
}

fn missed(what: &str) -> Trouble {
    Trouble::Deadline { what: what.to_owned(), waited: DELIVERY }
}
