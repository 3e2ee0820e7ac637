//! Ways in which a peer on the AMI port can be wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How connections are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// As a PBX should.
    #[default]
    None,
    /// Every login is refused, whatever the secret.
    WrongSecret,
    /// Another session of the account is open.
    AlreadyInUse,
    /// Login works, lists and filters are denied (a Grandstream account).
    Denied,
    /// Accepts and says nothing.
    Silent,
    /// An SSH server's banner.
    Ssh,
    /// A web server.
    Http,
    /// Endless random bytes.
    Garbage,
    /// An endless line after the banner.
    EndlessLine,
    /// Endless headers of one packet after the banner.
    EndlessHeaders,
    /// A good banner at one byte a second.
    OneByteASecond,
}

impl Trouble {
    /// Plays the trouble to its end; false when the session itself has to do it.
    pub(crate) fn play(self, stream: &TcpStream, stop: &AtomicBool) -> bool {
        match self {
            Self::None | Self::WrongSecret | Self::AlreadyInUse | Self::Denied => return false,
            Self::Silent => hold(stream),
            Self::Ssh => {
                let _ = (&*stream).write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
                hold(stream);
            }
            Self::Http => {
                let _ = (&*stream).write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            }
            Self::Garbage => flood(stream, stop, b"", &noise()),
            Self::EndlessLine => flood(stream, stop, b"Asterisk Call Manager/11.0.0\r\nEvent: ", &[b'x'; 65_536]),
            Self::EndlessHeaders => {
                flood(
                    stream,
                    stop,
                    b"Asterisk Call Manager/11.0.0\r\nEvent: Hangup\r\n",
                    &b"Header: value\r\n".repeat(4_000),
                );
            }
            Self::OneByteASecond => drip(stream, stop),
        }
        true
    }
}

/// Reads until the other side is gone.
fn hold(mut stream: &TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

fn flood(mut stream: &TcpStream, stop: &AtomicBool, head: &[u8], block: &[u8]) {
    // 64 MB as fast as they are taken, then slowly, so that a peer which does not hang up drowns nobody else.
    if stream.write_all(head).is_ok() {
        for sent in (0..).map(|blocks: usize| blocks * block.len()) {
            if stop.load(Ordering::SeqCst) || stream.write_all(block).is_err() {
                return;
            }
            if sent > 64 << 20 {
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn drip(mut stream: &TcpStream, stop: &AtomicBool) {
    for byte in b"Asterisk Call Manager/11.0.0\r\nEvent: FullyBooted\r\n".iter().cycle().take(600) {
        if stop.load(Ordering::SeqCst) || stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// 64 KiB that look like nothing, the same every time.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..8192).flat_map(|_| step()).collect()
}
