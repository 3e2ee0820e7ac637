//! A scripted PBX for tests and the demo: a TCP peer that speaks the manager interface of a script.
//!
//! It answers what a real server answers (challenge, MD5 login, filters, lists) and plays captured transcripts to
//! whoever is logged in, at their own pace or faster. With a [`Trouble`] it misbehaves instead. It is no PBX: calls are
//! not made, filters are accepted and not applied. For real calls there is the test exchange. Threads end when the
//! [`Pbx`] is dropped.

mod living;
mod session;
mod transcript;
mod trouble;

pub use transcript::Transcript;
pub use trouble::Trouble;

use living::Living;
use session::Session;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Account that every scripted PBX knows.
pub const USERNAME: &str = "ringpost";
/// Its secret.
pub const SECRET: &str = "demo-secret";

/// What is shared between the sessions and the test.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    logins: AtomicUsize,
    connections: AtomicUsize,
}

struct State {
    banner: String,
    trouble: Trouble,
    /// Names of peers that the lists tell.
    endpoints: Vec<String>,
    /// Items of `CoreShowChannels` besides the living, each a packet without its ActionID.
    channels: Vec<String>,
    living: Living,
    live: Vec<TcpStream>,
    actions: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running scripted PBX.
pub struct Pbx {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Pbx {
    /// Starts on a free port of the loopback, as Asterisk 22 with extensions 101 to 103 and one trunk.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                banner: "Asterisk Call Manager/11.0.0".into(),
                trouble: Trouble::None,
                endpoints: ["101", "102", "103", "104", "trunk"].map(String::from).to_vec(),
                channels: Vec::new(),
                living: Living::default(),
                live: Vec::new(),
                actions: Vec::new(),
            }),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            logins: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { shared, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it treats connections from now on; sessions that are logged in are cut.
    pub fn trouble(&self, trouble: Trouble) {
        let mut state = self.shared.state();
        state.trouble = trouble;
        cut(&mut state);
    }

    /// The same for connections to come; sessions that are logged in stay.
    pub fn trouble_newcomers(&self, trouble: Trouble) {
        self.shared.state().trouble = trouble;
    }

    /// What `CoreShowChannels` tells from now on besides the channels of played transcripts: packets without ActionID
    /// and without the closing empty line.
    pub fn set_channels(&self, channels: Vec<String>) {
        self.shared.state().channels = channels;
    }

    /// Names of the endpoints that the lists tell from now on.
    pub fn set_endpoints(&self, names: Vec<String>) {
        self.shared.state().endpoints = names;
    }

    /// Cuts every session.
    pub fn cut(&self) {
        cut(&mut self.shared.state());
    }

    /// Successful logins so far.
    pub fn logins(&self) -> usize {
        self.shared.logins.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Names of the actions received so far, in order.
    pub fn actions(&self) -> Vec<String> {
        self.shared.state().actions.clone()
    }

    /// Waits until somebody is logged in and has asked for the list of channels.
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn wait_live(&self, deadline: Duration) {
        self.wait(deadline, "nobody logged in", |state| {
            !state.live.is_empty()
                && state.actions.iter().any(|action| action == "CoreShowChannels" || action == "Status")
        });
    }

    /// Waits until `condition` holds of the actions received so far.
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn wait_actions(&self, deadline: Duration, condition: impl Fn(&[String]) -> bool) {
        self.wait(deadline, "the expected actions did not come", |state| condition(&state.actions));
    }

    /// Sends bytes to everyone who is logged in, as they are; lists of channels know nothing of them.
    pub fn send(&self, bytes: &[u8]) {
        self.shared.state().live.retain_mut(|stream| stream.write_all(bytes).is_ok());
    }

    /// Plays the events of a transcript, `speed` times as fast as they came; returns when the last one is sent.
    pub fn play(&self, transcript: &Transcript, speed: f64) {
        let began = Instant::now();
        for (at, packet) in transcript.events() {
            let due = began + at.div_f64(speed);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.shared.stop.load(Ordering::SeqCst) {
                return;
            }
            // In this order under one lock: no list tells of a channel before its event, or after its end.
            let mut state = self.shared.state();
            state.living.hear(packet);
            state.live.retain_mut(|stream| stream.write_all(packet).is_ok());
        }
    }

    fn wait(&self, deadline: Duration, what: &str, condition: impl Fn(&State) -> bool) {
        let until = Instant::now() + deadline;
        let mut state = self.shared.state();
        while !condition(&state) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} within {deadline:?}; actions so far: {:?}", state.actions);
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn cut(state: &mut State) {
    for stream in state.live.drain(..) {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let trouble = shared.state().trouble;
            if !trouble.play(&stream, &shared.stop) {
                Session::new(stream, shared).serve();
            }
        });
    }
}
