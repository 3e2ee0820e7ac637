//! The harness's own AMI client, on purpose not ringpost's: a test must not
//! judge the agent by the agent's own reading.
//!
//! One thread reads; packets go into a log of at most [`LOG_PACKETS`], the oldest
//! leaving first. Actions are sent one at a time and wait for their response.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Trouble, Until};

/// Packets kept for looking back; an hour of tests fits.
const LOG_PACKETS: usize = 200_000;
/// Longest line taken; the rest of a longer one is a line of its own.
const LINE_BYTES: u64 = 64 * 1024;
/// How long an Asterisk may take to answer an action.
const ANSWER: Duration = Duration::from_secs(10);

/// One packet: its headers in order, and when it arrived.
#[derive(Clone, Debug)]
pub struct Packet {
    headers: Vec<(String, String)>,
    /// When its last line was read.
    pub at: Instant,
}

impl Packet {
    /// The first header of that name, in any case; empty if there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// All headers of that name, in any case.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it is the event of that name.
    #[must_use]
    pub fn is(&self, event: &str) -> bool {
        self.field("Event") == event
    }
}

#[derive(Default)]
struct Log {
    packets: VecDeque<Arc<Packet>>,
    /// How many packets have left at the front.
    forgotten: usize,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    news: Condvar,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, packet: Packet) {
        let mut log = self.log();
        if log.packets.len() >= LOG_PACKETS {
            log.packets.pop_front();
            log.forgotten += 1;
        }
        log.packets.push_back(Arc::new(packet));
        self.news.notify_all();
    }

    fn end(&self) {
        self.log().ended = true;
        self.news.notify_all();
    }
}

/// A logged-in connection to the AMI of one of the two Asterisks.
pub struct Ami {
    socket: Mutex<TcpStream>,
    shared: Arc<Shared>,
    next_id: AtomicU64,
}

impl Ami {
    /// Connects and logs in, receiving every event the account may read.
    ///
    /// # Errors
    /// The connection or the login failed.
    pub fn login(address: (&str, u16), user: &str, secret: &str) -> Result<Self, Trouble> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut reader = BufReader::new(socket.try_clone()?);
        let mut banner = String::new();
        // A listener that closes in the very moment of the connection may leave it open with nobody at the other end.
        socket.set_read_timeout(Some(ANSWER))?;
        (&mut reader).take(LINE_BYTES).read_line(&mut banner)?;
        socket.set_read_timeout(None)?;
        let shared = Arc::new(Shared::default());
        let sink = Arc::clone(&shared);
        thread::Builder::new().name("ami".into()).spawn(move || read_packets(reader, &sink))?;
        let ami = Ami { socket: Mutex::new(socket), shared, next_id: AtomicU64::new(1) };
        ami.act("Login", &[("Username", user), ("Secret", secret), ("Events", "on")])?;
        Ok(ami)
    }

    /// Sends an action and gives its response.
    ///
    /// # Errors
    /// [`Trouble::Refused`] with the message of an `Error` response; the
    /// connection ended; no answer within ten seconds.
    pub fn act(&self, action: &str, headers: &[(&str, &str)]) -> Result<Arc<Packet>, Trouble> {
        let id = format!("live-{}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let mut text = format!("Action: {action}\r\nActionID: {id}\r\n");
        for (name, value) in headers {
            let value = value.replace(['\r', '\n'], " ");
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        let since = self.now();
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())?;
        let answer = self.await_packet(&format!("answer to {action}"), since, ANSWER, |packet| {
            packet.field("ActionID") == id && !packet.field("Response").is_empty()
        })?;
        if answer.field("Response") == "Error" {
            return Err(Trouble::Refused { action: action.to_owned(), message: answer.field("Message").to_owned() });
        }
        Ok(answer)
    }

    /// A place in the log: what has arrived until now lies before it.
    #[must_use]
    pub fn now(&self) -> usize {
        let log = self.shared.log();
        log.forgotten + log.packets.len()
    }

    /// Waits for the first packet from place `since` on that `wanted` accepts; one
    /// already in the log counts.
    ///
    /// # Errors
    /// [`Trouble::Deadline`] naming `what`; [`Trouble::Gone`] when the connection
    /// ended first.
    pub fn await_packet(
        &self,
        what: &str,
        since: usize,
        patience: Duration,
        mut wanted: impl FnMut(&Packet) -> bool,
    ) -> Result<Arc<Packet>, Trouble> {
        let until = Until::after(patience);
        let mut next = since;
        let mut log = self.shared.log();
        loop {
            let from = next.saturating_sub(log.forgotten);
            if let Some(found) = log.packets.iter().skip(from).find(|packet| wanted(packet)) {
                return Ok(Arc::clone(found));
            }
            next = log.forgotten + log.packets.len();
            if log.ended {
                return Err(Trouble::Gone);
            }
            if until.left().is_zero() {
                return Err(until.missed(what));
            }
            log = self.shared.news.wait_timeout(log, until.left()).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The packets from place `since` on that `wanted` accepts.
    pub fn packets(&self, since: usize, wanted: impl Fn(&Packet) -> bool) -> Vec<Arc<Packet>> {
        let log = self.shared.log();
        log.packets.iter().skip(since.saturating_sub(log.forgotten)).filter(|packet| wanted(packet)).cloned().collect()
    }

    /// The output of a CLI command, line by line.
    ///
    /// # Errors
    /// As [`Ami::act`].
    pub fn command(&self, command: &str) -> Result<Vec<String>, Trouble> {
        let answer = self.act("Command", &[("Command", command)])?;
        Ok(answer.fields("Output").map(str::to_owned).collect())
    }
}

impl Drop for Ami {
    fn drop(&mut self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = socket.shutdown(Shutdown::Both);
    }
}

fn read_packets(mut reader: BufReader<TcpStream>, shared: &Shared) {
    let mut headers = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            if let Some((name, value)) = text.split_once(':') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                headers.push((name.to_owned(), value.to_owned()));
            }
        } else if !headers.is_empty() {
            shared.push(Packet { headers: std::mem::take(&mut headers), at: Instant::now() });
        }
    }
    shared.end();
}
