//! The portal as a test holds it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::SystemRandom;

use crate::config::{PortalConfig, User};
use crate::engine::Engine;
use crate::faults::Fault;
use crate::records::{Activity, Card, Event, FinishedCall, LiveCall, Recording, RequestRecord};
use crate::server::Shared;
use crate::state::State;
use crate::tls;

/// A running portal. It ends, with all its threads, when it is dropped.
pub struct Portal {
    shared: Arc<Shared>,
    webhook: String,
    ca_pem: String,
    dir: PathBuf,
    temporary: bool,
}

impl Portal {
    /// Starts a portal and waits until it listens.
    ///
    /// # Errors
    /// When the port is taken, the directory cannot be written, or there is no randomness for keys.
    pub fn start(config: PortalConfig) -> io::Result<Self> {
        let identity = tls::identity(&config.host, config.certificate)?;
        let random = SystemRandom::new();
        let signing = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| io::Error::other("no randomness"))?;
        let (port, given, save) = (config.port, config.dir.clone(), config.save_recordings);
        let (host, user, secret) = (config.host.clone(), config.webhook_user, config.webhook_secret.clone());
        let temporary = given.is_none();
        let dir = match given {
            Some(dir) => fs::create_dir_all(&dir).map(|()| dir)?,
            None => temporary_dir()?,
        };
        fs::write(dir.join("ca.pem"), &identity.ca_pem)?;
        let recordings = save.then(|| dir.clone());
        let shared = Shared::start(Engine::new(config, signing), identity.server, port, recordings)?;
        let webhook = format!("https://{host}:{}/rest/{user}/{secret}/", shared.address.port());
        Ok(Self { shared, webhook, ca_pem: identity.ca_pem, dir, temporary })
    }

    /// The address of the webhook, with a slash at its end.
    pub fn webhook_url(&self) -> &str {
        &self.webhook
    }

    /// The port on loopback. It stays the same while the portal is down.
    pub fn port(&self) -> u16 {
        self.shared.address.port()
    }

    /// The certificate of the CA, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file with the certificate of the CA.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The directory with `ca.pem` and the saved recordings.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The finished calls, oldest first.
    pub fn calls(&self) -> Vec<FinishedCall> {
        self.look(|state| state.calls().to_vec())
    }

    /// The calls registered and not finished.
    pub fn live_calls(&self) -> Vec<LiveCall> {
        self.look(|state| state.live_calls().to_vec())
    }

    /// The cards with their history, oldest first.
    pub fn cards(&self) -> Vec<Card> {
        self.look(|state| state.cards().cloned().collect())
    }

    /// The recordings, oldest first.
    pub fn recordings(&self) -> Vec<Recording> {
        self.look(|state| state.recordings().to_vec())
    }

    /// The activities of the CRM, oldest first.
    pub fn activities(&self) -> Vec<Activity> {
        self.look(|state| state.activities().to_vec())
    }

    /// The requests and the commands of batches, oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.look(|state| state.requests().cloned().collect())
    }

    /// The requests and commands of one method, whose name may have any case.
    pub fn requests_of(&self, method: &str) -> Vec<RequestRecord> {
        self.look(|state| state.requests_of(method).cloned().collect())
    }

    /// Looks at everything at one moment. `look` runs under the portal's lock: no requests in it.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.lock().engine.state)
    }

    /// Waits until `ready` gives something, at most `deadline` long. It is asked after every change,
    /// under the portal's lock: no requests in it.
    pub fn wait_for<T>(&self, deadline: Duration, mut ready: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let until = Instant::now() + deadline;
        let mut inner = self.shared.lock();
        loop {
            if let Some(value) = ready(&inner.engine.state) {
                return Some(value);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            inner = self.shared.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything that happens from now on. The channel ends with the portal; one that is not read
    /// loses what does not fit into it.
    pub fn subscribe(&self) -> Receiver<Event> {
        self.shared.change(|inner| inner.engine.state.subscribe())
    }

    /// Plans a misbehaviour. Plans for the same requests follow one another.
    pub fn fault(&self, fault: Fault) {
        self.shared.change(|inner| inner.plans.add(fault));
    }

    /// Plans an error of single commands of a batch; with any other fault it panics.
    pub fn fault_command(&self, fault: Fault) {
        fault.failure();
        self.shared.change(|inner| inner.engine.commands.add(fault));
    }

    /// Forgets all plans.
    pub fn clear_faults(&self) {
        self.shared.change(|inner| {
            inner.plans.clear();
            inner.engine.commands.clear();
        });
    }

    /// How many requests are still to be spoilt.
    pub fn faults_left(&self) -> u32 {
        self.shared.lock().plans.left()
    }

    /// Refuses connections and drops the live ones, until [`Self::come_up`].
    pub fn go_down(&self) {
        self.shared.go_down();
    }

    /// Accepts connections and answers nothing, until [`Self::come_up`].
    pub fn go_silent(&self) {
        self.shared.go_silent();
    }

    /// Is there again, on the same port.
    ///
    /// # Errors
    /// When another process took the port meanwhile.
    pub fn come_up(&self) -> io::Result<()> {
        self.shared.come_up()
    }

    /// Cuts every connection, idle or not; new ones are welcome.
    pub fn drop_connections(&self) {
        self.shared.drop_connections();
    }

    /// Adds an employee, or changes the one with the same id.
    pub fn set_user(&self, user: User) {
        self.shared.change(|inner| {
            let users = &mut inner.engine.state.users;
            users.retain(|known| known.id != user.id);
            users.push(user);
        });
    }

    /// Changes the settings that may change while the portal runs: wording, rights, scopes, secret,
    /// modes. Port, host, certificate, directory, users and limits stay as they were at the start.
    pub fn reconfigure(&self, change: impl FnOnce(&mut PortalConfig)) {
        self.shared.change(|inner| change(&mut inner.engine.config));
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.shared.stop();
        if self.temporary {
            // A directory that cannot be removed is left to the system's housekeeping.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn temporary_dir() -> io::Result<PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("portal-{}-{number}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            // Left over from an earlier process of this number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
