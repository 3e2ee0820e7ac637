//! The server: a listener that can go away and come back on the same port, and one thread for each
//! connection.
//!
//! Threads, not an event loop: a test's portal has a handful of connections, and a fault that stands
//! still is a thread that stands still. Every wait of a thread ends when its connection is closed or
//! the portal stops, so nothing outlives the portal.
//!
//! Bounds: [`limits::CONNECTIONS`] at once.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::engine::Engine;
use crate::faults::Plans;
use crate::limits;
use crate::records::Event;
use crate::serve::Conversation;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) inner: Mutex<Inner>,
    /// Signalled after every change.
    pub(crate) changed: Condvar,
    pub(crate) address: SocketAddr,
    tls: Arc<ServerConfig>,
    recordings: Option<PathBuf>,
}

/// What the lock guards.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) plans: Plans,
    mode: Mode,
    accepting: Option<JoinHandle<()>>,
    connections: HashMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
    opened: u64,
    uploads: u64,
}

/// Whether the portal can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As it should be.
    Up,
    /// Connections are refused.
    Down,
    /// Connections are accepted and nothing is ever said.
    Silent,
    /// For good.
    Stopped,
}

impl Inner {
    /// Whether requests are swallowed.
    pub(crate) fn silent(&self) -> bool {
        self.mode == Mode::Silent
    }
}

impl Shared {
    pub(crate) fn start(
        engine: Engine,
        tls: Arc<ServerConfig>,
        port: u16,
        recordings: Option<PathBuf>,
    ) -> io::Result<Arc<Self>> {
        let listener = listen(port)?;
        let inner = Inner {
            engine,
            plans: Plans::default(),
            mode: Mode::Up,
            accepting: None,
            connections: HashMap::new(),
            threads: Vec::new(),
            opened: 0,
            uploads: 0,
        };
        let address = listener.local_addr()?;
        let shared = Arc::new(Self { inner: Mutex::new(inner), changed: Condvar::new(), address, tls, recordings });
        shared.accept(listener);
        Ok(shared)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes those who wait for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let value = change(&mut self.lock());
        self.changed.notify_all();
        value
    }

    /// Refuses connections and drops the live ones. Returns when the port is closed.
    pub(crate) fn go_down(&self) {
        if self.leave(Mode::Down) {
            self.change(|inner| inner.engine.state.tell(Event::Up(false)));
        }
    }

    /// Accepts connections and answers nothing, as a network does that swallows everything.
    pub(crate) fn go_silent(&self) {
        self.change(|inner| {
            if inner.mode == Mode::Up {
                inner.mode = Mode::Silent;
            }
        });
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// When the port cannot be had back within [`limits::REBIND`].
    pub(crate) fn come_up(self: &Arc<Self>) -> io::Result<()> {
        let mode = self.lock().mode;
        match mode {
            Mode::Up | Mode::Stopped => return Ok(()),
            Mode::Silent => {
                self.drop_connections();
                self.change(|inner| inner.mode = Mode::Up);
            }
            Mode::Down => {
                let listener = relisten(self.address)?;
                self.change(|inner| inner.mode = Mode::Up);
                self.accept(listener);
            }
        }
        self.change(|inner| inner.engine.state.tell(Event::Up(true)));
        Ok(())
    }

    /// Cuts every connection; new ones are welcome.
    pub(crate) fn drop_connections(&self) {
        self.change(|inner| inner.connections.drain().for_each(|(_, stream)| cut(&stream)));
    }

    /// Ends all threads.
    pub(crate) fn stop(&self) {
        self.leave(Mode::Stopped);
        let threads = self.change(|inner| {
            inner.engine.state.unsubscribe_all();
            std::mem::take(&mut inner.threads)
        });
        for thread in threads {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }

    /// Takes the listener away. False when it was away.
    fn leave(&self, mode: Mode) -> bool {
        let accepting = self.change(|inner| {
            inner.mode = mode;
            inner.accepting.take()
        });
        let was_up = accepting.is_some();
        if let Some(thread) = accepting {
            // The accepting thread looks at the mode after every connection: give it one.
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
        self.drop_connections();
        was_up
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let shared = Arc::clone(self);
        let thread = thread::spawn(move || shared.accept_all(&listener));
        self.change(|inner| inner.accepting = Some(thread));
    }

    fn accept_all(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if matches!(self.lock().mode, Mode::Down | Mode::Stopped) {
                return;
            }
            match stream {
                Ok(stream) => self.welcome(stream),
                // Out of descriptors, most likely: others must end first.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream) {
        let Ok(handle) = stream.try_clone() else { return };
        let mut inner = self.lock();
        if inner.connections.len() >= limits::CONNECTIONS {
            return;
        }
        inner.opened += 1;
        let id = inner.opened;
        inner.connections.insert(id, handle);
        if inner.mode == Mode::Silent {
            return;
        }
        let shared = Arc::clone(self);
        inner.threads.retain(|thread| !thread.is_finished());
        inner.threads.push(thread::spawn(move || {
            // A connection that breaks is the client's business.
            let _ = Conversation::new(&shared, &shared.tls, id, stream).and_then(Conversation::run);
            shared.change(|inner| inner.connections.remove(&id));
        }));
    }

    /// Where the next upload is saved while it comes in, if recordings are saved.
    pub(crate) fn next_upload(&self) -> Option<PathBuf> {
        let dir = self.recordings.as_ref()?;
        let mut inner = self.lock();
        inner.uploads += 1;
        Some(dir.join(format!("upload-{}.part", inner.uploads)))
    }

    /// Waits. False, and early, when the portal took the connection away meanwhile; a client that
    /// leaves does not end its request, as with PHP.
    pub(crate) fn pause(&self, id: u64, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut inner = self.lock();
        while inner.connections.contains_key(&id) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

/// Finds a port for loopback. An ephemeral port could be taken by any outgoing connection while the
/// portal is down, so a free one is looked for below them.
fn listen(port: u16) -> io::Result<TcpListener> {
    if port != 0 {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    }
    let mut error = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..100 {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, 20_000 + random() % 10_000)) {
            Ok(listener) => return Ok(listener),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

fn random() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    // Every RandomState is keyed anew; folding to 16 bits is all that is wanted of it.
    u16::try_from(RandomState::new().hash_one(0_u8) & 0xFFFF).unwrap_or(0)
}

fn relisten(address: SocketAddr) -> io::Result<TcpListener> {
    let until = Instant::now() + limits::REBIND;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

fn cut(stream: &TcpStream) {
    // Already closed is as good.
    let _ = stream.shutdown(Shutdown::Both);
}
