//! A cable to the PBX's AMI that a test can cut.
//!
//! A TCP relay on an address of its own and the same port, so that ringpost is
//! configured as against the PBX itself. Each connection has two threads; the
//! relay holds at most one read of [`CHUNK`] bytes a direction, so a reader that
//! stalls is felt by the PBX as on a real cable.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Exchange, Trouble, secs, wait_until};

const CHUNK: usize = 16 * 1024;
const POLL: Duration = Duration::from_millis(5);

const WHOLE: u8 = 0;
const SILENT: u8 = 1;
const CUT: u8 = 2;
const GONE: u8 = 3;

static NEXT_HOST: AtomicU8 = AtomicU8::new(0);

/// A cuttable cable between an AMI client and the PBX.
pub struct Cutter {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    target: SocketAddr,
    state: AtomicU8,
    sockets: Mutex<Vec<TcpStream>>,
    accepted: AtomicU64,
    passed: AtomicU64,
}

impl Cutter {
    /// Lays a cable to the PBX of `exchange`, in the exchange's own loopback network.
    ///
    /// # Errors
    /// No address could be bound.
    pub fn new(exchange: &Exchange) -> Result<Cutter, Trouble> {
        let pbx: Ipv4Addr = exchange.host().parse().map_err(io::Error::other)?;
        let [a, b, c, _] = pbx.octets();
        let target = SocketAddr::from((pbx, exchange.port()));
        let mut failed = io::Error::other("no address left");
        for _ in 0..200 {
            let host = 10 + NEXT_HOST.fetch_add(1, Ordering::Relaxed) % 240;
            let address = SocketAddr::from(([a, b, c, host], exchange.port()));
            match TcpListener::bind(address) {
                Ok(listener) => return Cutter::start(address, target, listener),
                Err(error) => failed = error,
            }
        }
        Err(failed.into())
    }

    fn start(address: SocketAddr, target: SocketAddr, listener: TcpListener) -> Result<Cutter, Trouble> {
        let inner = Arc::new(Inner {
            target,
            state: AtomicU8::new(WHOLE),
            sockets: Mutex::default(),
            accepted: AtomicU64::new(0),
            passed: AtomicU64::new(0),
        });
        let relay = Arc::clone(&inner);
        thread::Builder::new().name("cable".into()).spawn(move || accept(&relay, address, Some(listener)))?;
        Ok(Cutter { address, inner })
    }

    /// The host that ringpost is to connect to; the port is the PBX's.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port, the PBX's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes every connection; new ones are refused until [`Cutter::restore`].
    pub fn cut(&self) {
        self.inner.become_state(CUT);
        self.inner.close_all();
    }

    /// Connections stay open and nothing passes in either direction, as when a
    /// switch in between lost its power. Ends with [`Cutter::restore`], which lets
    /// what waited through, or with [`Cutter::cut`].
    pub fn silence(&self) {
        self.inner.become_state(SILENT);
    }

    /// Mends the cable.
    pub fn restore(&self) {
        self.inner.become_state(WHOLE);
    }

    /// How many connections were made through it so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.inner.accepted.load(Ordering::Acquire)
    }

    /// How many bytes went through it so far, both directions.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.inner.passed.load(Ordering::Acquire)
    }

    /// Waits until `count` connections have been made through it.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn await_connections(&self, count: u64, patience: Duration) -> Result<(), Trouble> {
        wait_until("connections through the cable", patience, || (self.connections() >= count).then_some(()))
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.inner.become_state(GONE);
        self.inner.close_all();
    }
}

impl Inner {
    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    fn become_state(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }

    fn close_all(&self) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn keep(&self, socket: &TcpStream) -> io::Result<()> {
        let copy = socket.try_clone()?;
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        Ok(())
    }
}

/// Listens while the cable is not cut; a closed listener refuses.
fn accept(inner: &Arc<Inner>, address: SocketAddr, mut listener: Option<TcpListener>) {
    loop {
        match inner.state() {
            GONE => return,
            CUT => listener = None,
            _ => {
                if listener.is_none() {
                    listener = TcpListener::bind(address).ok();
                }
                if let Some(open) = &listener {
                    take_one(inner, open);
                }
            }
        }
        thread::sleep(POLL);
    }
}

fn take_one(inner: &Arc<Inner>, listener: &TcpListener) {
    let client = listener.set_nonblocking(true).and_then(|()| listener.accept());
    let Ok((client, _)) = client else { return };
    let Ok(server) = TcpStream::connect_timeout(&inner.target, secs(1.0)) else {
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    if let Ok(()) = join(inner, &client, &server) {
        inner.accepted.fetch_add(1, Ordering::AcqRel);
    }
    // Cut meanwhile: that did not see these two.
    if matches!(inner.state(), CUT | GONE) {
        inner.close_all();
    }
}

fn join(inner: &Arc<Inner>, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for (from, to) in [(client, server), (server, client)] {
        inner.keep(from)?;
        from.set_nonblocking(false)?;
        from.set_nodelay(true)?;
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let inner = Arc::clone(inner);
        thread::Builder::new().name("wire".into()).spawn(move || relay(&inner, from, to))?;
    }
    Ok(())
}

fn relay(inner: &Inner, mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        while inner.state() == SILENT {
            thread::sleep(POLL);
        }
        let Some(bytes) = chunk.get(..read) else {
            break;
        };
        if to.write_all(bytes).is_err() {
            break;
        }
        inner.passed.fetch_add(read as u64, Ordering::AcqRel);
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
