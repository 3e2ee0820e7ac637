//! The TCP connection to the PBX: made, read into the link's buffer, written from it.
//!
//! Stands apart from the link so that the link stays free of I/O. Name look-up runs on a helper thread of the runtime
//! and never holds the loop. Bounds: one connection, [`AMI_CONNECT_TIMEOUT`] to make it. Decides nothing: when to
//! connect and what a failure means is the link's affair.

use crate::limits::AMI_CONNECT_TIMEOUT;
use std::future::Future;
use std::io;
use std::pin::Pin;
use tokio::net::TcpStream;

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// The connection, in one of its three states.
pub enum Wire {
    /// There is none.
    Down,
    /// It is being made.
    Connecting(Connecting),
    /// It is there.
    Up(TcpStream),
}

/// What happened on the wire.
#[derive(Debug)]
pub enum Signal {
    /// The connection is made.
    Connected,
    /// There may be bytes to read, or room to write.
    Ready,
    /// It failed, or could not be made.
    Failed(io::Error),
}

impl Wire {
    /// Begins to connect.
    pub fn connect(host: &str, port: u16) -> Self {
        let host = host.to_owned();
        Self::Connecting(Box::pin(async move {
            let made = tokio::time::timeout(AMI_CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
            let stream = made.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            stream.set_nodelay(true)?;
            Ok(stream)
        }))
    }

    /// Waits for the next signal; for ever while the wire is down. Safe to drop half-way.
    pub async fn signal(&mut self, wants_to_write: bool) -> Signal {
        match self {
            Self::Down => std::future::pending().await,
            Self::Connecting(connecting) => match connecting.await {
                Ok(stream) => {
                    *self = Self::Up(stream);
                    Signal::Connected
                }
                Err(error) => {
                    *self = Self::Down;
                    Signal::Failed(error)
                }
            },
            Self::Up(stream) => {
                let interest = tokio::io::Interest::READABLE;
                let interest = if wants_to_write { interest | tokio::io::Interest::WRITABLE } else { interest };
                match stream.ready(interest).await {
                    Ok(_) => Signal::Ready,
                    Err(error) => Signal::Failed(error),
                }
            }
        }
    }

    /// Reads what is there; none when there is nothing now, zero at the end of the stream.
    pub fn read(&self, space: &mut [u8]) -> io::Result<Option<usize>> {
        let Self::Up(stream) = self else { return Ok(None) };
        or_not_now(stream.try_read(space))
    }

    /// Writes what fits; none when nothing does now.
    pub fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let Self::Up(stream) = self else { return Ok(None) };
        or_not_now(stream.try_write(bytes))
    }
}

fn or_not_now(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
