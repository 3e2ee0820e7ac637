//! A short AMI session for commands: the daemon's link over a blocking socket.
//!
//! Bounds: ends at its deadline; one read at a time. Does not reconnect: the first fault ends it.

use crate::ami::link::{FaultKind, Link, LinkConfig, LinkFault, Output};
use crate::clock;
use crate::config::Pbx;
use crate::limits::AMI_CONNECT_TIMEOUT;
use core::ops::ControlFlow;
use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Instant;

/// Time a read waits before the link's own deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What of the usual questions a command wants asked.
#[derive(Clone, Copy)]
pub(super) struct Asks {
    /// Event filters.
    pub(super) filters: bool,
    /// The contexts of single peers.
    pub(super) details: bool,
}

/// Runs a session with the PBX of `settings` until `outputs` breaks it, the PBX faults, or `deadline` is over (none:
/// never). `bytes` gets everything that came, before it is understood.
///
/// # Errors
/// The fault that ended it.
pub(super) fn session(
    settings: &Pbx,
    asks: Asks,
    deadline: Option<Duration>,
    mut bytes: impl FnMut(&[u8]) -> ControlFlow<()>,
    mut outputs: impl FnMut(&Output<'_>) -> ControlFlow<()>,
) -> Result<Link, Box<LinkFault>> {
    let (stream, place) = connect(settings)?;
    let mut link = Link::new(link_config(settings, place, asks), fastrand::u64(..));
    link.connected(clock::now().mono);
    let began = Instant::now();
    while deadline.is_none_or(|deadline| began.elapsed() < deadline) {
        if let Err(error) = exchange(&stream, &mut link, &mut bytes) {
            link.disconnected(FaultKind::of_error(&error), clock::now().mono);
        }
        let now = clock::now().mono;
        link.handle_timeout(now);
        while let Some(output) = link.poll(now) {
            match &output {
                Output::Down { fault, .. } => return Err(Box::new(fault.clone())),
                other => {
                    if outputs(other).is_break() {
                        return Ok(link);
                    }
                }
            }
        }
    }
    Ok(link)
}

/// Sends what is to be sent and reads once.
fn exchange(
    mut stream: &TcpStream,
    link: &mut Link,
    bytes: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
) -> io::Result<()> {
    let sent = link.to_send().len();
    stream.write_all(link.to_send())?;
    link.sent(sent);
    let space = link.space();
    match stream.read(space) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            let ended = space.get(..count).is_some_and(|read| bytes(read).is_break());
            link.filled(count, clock::now().mono);
            if ended { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Tries the ports in turn.
fn connect(settings: &Pbx) -> Result<(TcpStream, String), Box<LinkFault>> {
    let ports = settings.port.map_or_else(|| settings.profile.ports.to_vec(), |port| vec![port]);
    let mut last = (FaultKind::Refused, settings.host.clone());
    for port in ports {
        let place = format!("{}:{port}", settings.host);
        match open(&settings.host, port) {
            Ok(stream) => return Ok((stream, place)),
            Err(kind) => last = (kind, place),
        }
    }
    Err(Box::new(LinkFault { kind: last.0, place: last.1, username: settings.username.clone() }))
}

fn open(host: &str, port: u16) -> Result<TcpStream, FaultKind> {
    let address = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address.ok_or(FaultKind::NameNotFound)?;
    let made = TcpStream::connect_timeout(&address, AMI_CONNECT_TIMEOUT);
    let ready = made.and_then(|stream| stream.set_read_timeout(Some(TICK)).map(|()| stream));
    ready.map_err(|error| FaultKind::of_error(&error))
}

fn link_config(settings: &Pbx, place: String, asks: Asks) -> LinkConfig {
    let (username, secret) = (settings.username.clone(), settings.secret.clone());
    LinkConfig { place, username, secret, filters: asks.filters, details: asks.details }
}
