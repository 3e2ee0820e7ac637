//! The server: a listener that can go away and come back on the same port, one thread for each
//! connection, and the faults carried out.
//!
//! Threads, not an event loop: a test's portal has a handful of connections, and a fault that stands
//! still is a thread that stands still. Every wait of a thread ends when its connection is closed or
//! the portal stops, so nothing outlives the portal.
//!
//! Bounds: [`limits::CONNECTIONS`] at once; the sizes in [`crate::http`].

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::auth::{Route, route};
use crate::engine::{Asked, Engine, Reply};
use crate::faults::{Answer, Fault, Plans};
use crate::form;
use crate::http::{self, Head, Refusal, Wire};
use crate::limits;
use crate::methods::Upload;
use crate::multipart::Splitter;
use crate::records::{Event, Outcome, RequestRecord};
use crate::value::Value;

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

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// What was sent, or why nothing was.
enum After {
    /// The connection goes on.
    Next,
    /// It is cut.
    Cut,
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
            let _ = shared.connection(id, stream);
            shared.change(|inner| inner.connections.remove(&id));
        }));
    }

    fn connection(&self, id: u64, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let mut wire = Wire::new(StreamOwned::new(tls, socket));
        let (keep_alive, most) = {
            let inner = self.lock();
            (inner.engine.config.keep_alive, inner.engine.config.requests_per_connection.unwrap_or(u32::MAX))
        };
        for served in 1..=most {
            wire.stream().sock.set_read_timeout(Some(keep_alive))?;
            let head = match wire.head() {
                Ok(head) => head,
                Err(refusal) => return refuse(&mut wire, &refusal),
            };
            wire.stream().sock.set_read_timeout(Some(limits::BODY_STALL))?;
            let last = head.closes() || served == most;
            match self.request(id, &mut wire, &head, last) {
                Ok(After::Next) if !last => {}
                Ok(After::Next) => break,
                Ok(After::Cut) => {
                    cut(&wire.stream().sock);
                    return Ok(());
                }
                Err(refusal) => return refuse(&mut wire, &refusal),
            }
        }
        wire.stream().conn.send_close_notify();
        wire.send(b"")
    }

    /// Reads, does and answers one request.
    fn request(&self, id: u64, wire: &mut Wire<Tls>, head: &Head, last: bool) -> Result<After, Refusal> {
        let Some(route) = route(&head.target) else {
            wire.body(head, limits::BODY_BYTES, &mut |_| ())?;
            wire.send(&http::answer(404, "text/html; charset=utf-8", "", PAGE.as_bytes(), last))?;
            return Ok(After::Next);
        };
        let body = if route.method == "upload" { self.read_upload(wire, head)? } else { read_params(wire, head)? };
        let params = merged(&route, &body);
        let mut record = self.record(id, head, &route, &params, body.bytes);
        let (number, refused, fault) = self.change(|inner| {
            let number = inner.engine.state.begin_request(record.clone());
            let refused = inner.engine.over_rate();
            let silent = (inner.mode == Mode::Silent).then(|| Fault::silence(false));
            let fault = if refused.is_some() { None } else { inner.plans.take(&route.method, &params) };
            (number, refused, silent.or(fault))
        });
        record.number = number;
        let fault = fault.unwrap_or_else(|| Fault::slow_before(Duration::ZERO));
        let base = format!("https://{}", head.header("host").unwrap_or_default());
        if !self.pause(id, fault.before) {
            // It went down before it got to this.
            let outcome = Outcome::Spoilt { how: "cut", executed: false };
            self.change(|inner| inner.engine.state.end_request(number, outcome));
            return Ok(After::Cut);
        }
        let reply = refused.or_else(|| {
            let upload = body.upload;
            let asked = Asked { route: &route, base: &base, params, upload, record: &record, began: record.complete };
            fault.execute.then(|| self.change(|inner| inner.engine.answer(asked)))
        });
        self.pause(id, fault.after);
        self.send(id, wire, number, &fault.answer, reply, &head.target, last).map_err(Refusal::from)
    }

    fn record(&self, id: u64, head: &Head, route: &Route, params: &Value, body_bytes: u64) -> RequestRecord {
        RequestRecord {
            number: 0,
            within: None,
            connection: id,
            verb: head.verb.clone(),
            method: route.method.clone(),
            sent_method: route.sent_method.clone(),
            params: shortened(params),
            content_type: head.header("content-type").map(str::to_owned),
            user_agent: head.header("user-agent").map(str::to_owned),
            body_bytes,
            arrived: head.arrived,
            arrived_at: head.arrived_at,
            complete: Instant::now(),
            answered: None,
            outcome: Outcome::Pending,
        }
    }

    fn read_upload(&self, wire: &mut Wire<Tls>, head: &Head) -> Result<Body, Refusal> {
        let (keep, number) = self.change(|inner| {
            inner.uploads += 1;
            (inner.engine.config.keep_bytes, inner.uploads)
        });
        let save = self.recordings.as_ref().map(|dir| dir.join(format!("upload-{number}.part")));
        let content_type = head.header("content-type").unwrap_or_default();
        let mut splitter = Splitter::new(content_type, crate::methods::FIELD, keep, save);
        let bytes = wire.body(head, limits::UPLOAD_BYTES, &mut |piece| {
            if let Some(splitter) = &mut splitter {
                splitter.feed(piece);
            }
        })?;
        let token = route(&head.target).map(|route| route.query.at("token").to_text()).unwrap_or_default();
        let upload = Upload { part: splitter.and_then(Splitter::finish), token, chunked: head.chunked() };
        Ok(Body { params: Value::Null, bytes, upload: Some(upload) })
    }

    /// Waits. False, and early, when the portal took the connection away meanwhile; a client that
    /// leaves does not end its request, as with PHP.
    fn pause(&self, id: u64, wait: Duration) -> bool {
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

    /// Sends the true answer or what stands in its place. The log is written first: a client that
    /// has its answer finds it there.
    #[expect(clippy::too_many_arguments, reason = "all of it describes one answer")]
    fn send(
        &self,
        id: u64,
        wire: &mut Wire<Tls>,
        number: u64,
        answer: &Answer,
        reply: Option<Reply>,
        target: &str,
        last: bool,
    ) -> io::Result<After> {
        let executed = reply.as_ref().is_some_and(|reply| reply.executed);
        let reply = match answer {
            Answer::Error { status, code, text, .. } => Some(Reply {
                status: *status,
                body: Value::map([("error", code.as_str().into()), ("error_description", text.as_str().into())]),
                error: Some((code.clone(), text.clone())),
                executed,
            }),
            _ => reply,
        };
        let extra = match answer {
            Answer::Error { retry_after: Some(seconds), .. } => format!("Retry-After: {seconds}\r\n"),
            _ => String::new(),
        };
        let outcome = outcome(answer, reply.as_ref(), executed);
        self.change(|inner| inner.engine.state.end_request(number, outcome));
        let bytes = reply.map(|reply| json(reply.status, &reply.body.to_json(), &extra, last)).unwrap_or_default();
        match answer {
            Answer::True | Answer::Error { .. } => wire.send(&bytes)?,
            Answer::Cut => return Ok(After::Cut),
            Answer::Half => {
                wire.send(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                return Ok(After::Cut);
            }
            Answer::Silence => {
                wait_for_end(wire);
                return Ok(After::Cut);
            }
            Answer::Html { status } => {
                wire.send(&http::answer(*status, "text/html; charset=utf-8", "", PAGE.as_bytes(), last))?;
            }
            Answer::Redirect { base } => {
                let location = format!("Location: {base}{target}\r\n");
                wire.send(&http::answer(302, "text/html", &location, b"", last))?;
            }
            Answer::InvalidJson => wire.send(&json(200, r#"{"result":{"CALL_ID":"ext"#, "", last))?,
            Answer::Huge { bytes } => send_huge(wire, *bytes)?,
            Answer::Endless => send_endless(wire)?,
            Answer::Drip { pause } => self.drip(id, wire, &bytes, *pause)?,
        }
        Ok(After::Next)
    }

    fn drip(&self, id: u64, wire: &mut Wire<Tls>, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for byte in bytes {
            wire.send(std::slice::from_ref(byte))?;
            if !self.pause(id, pause) {
                break;
            }
        }
        Ok(())
    }
}

/// A body that was read.
struct Body {
    params: Value,
    bytes: u64,
    upload: Option<Upload>,
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

fn refuse(wire: &mut Wire<Tls>, refusal: &Refusal) -> io::Result<()> {
    let status = match refusal {
        Refusal::Gone => return Ok(()),
        Refusal::Malformed => 400,
        Refusal::HeadTooLong => 431,
        Refusal::BodyTooLong => 413,
    };
    wire.send(&http::answer(status, "text/html", "", PAGE.as_bytes(), true))
}

/// A form if there is one; JSON otherwise, whatever the content type says; nothing if it is neither.
fn read_params(wire: &mut Wire<Tls>, head: &Head) -> Result<Body, Refusal> {
    let mut body = Vec::new();
    let bytes = wire.body(head, limits::BODY_BYTES, &mut |piece| body.extend_from_slice(piece))?;
    let kind = head.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let form =
        kind.starts_with("application/x-www-form-urlencoded").then(|| form::parse(&String::from_utf8_lossy(&body)));
    let params = form
        .filter(|form| !form.pairs().is_empty())
        .or_else(|| Value::from_json(&body).filter(Value::is_array))
        .unwrap_or(Value::Null);
    Ok(Body { params, bytes, upload: None })
}

/// The query string with the body laid over it.
fn merged(route: &Route, body: &Body) -> Value {
    let mut params = route.query.clone();
    for (key, value) in body.params.pairs() {
        params.set(&key, value.clone());
    }
    params
}

/// A copy for the log, with long texts cut.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Str(text) if text.chars().count() > limits::LOGGED_TEXT => {
            let kept: String = text.chars().take(limits::LOGGED_TEXT).collect();
            Value::Str(format!("{kept}… ({} bytes)", text.len()))
        }
        Value::List(items) => Value::List(items.iter().map(shortened).collect()),
        Value::Map(pairs) => Value::Map(pairs.iter().map(|(key, item)| (key.clone(), shortened(item))).collect()),
        other => other.clone(),
    }
}

fn outcome(answer: &Answer, reply: Option<&Reply>, executed: bool) -> Outcome {
    let how = match answer {
        Answer::True | Answer::Error { .. } => {
            let (status, error) = reply.map_or((0, None), |reply| (reply.status, reply.error.clone()));
            return Outcome::Answered { status, error, executed };
        }
        Answer::Cut => "cut",
        Answer::Half => "cut in mid-answer",
        Answer::Silence => "silence",
        Answer::Html { .. } => "a page of HTML",
        Answer::Redirect { .. } => "a redirect",
        Answer::InvalidJson => "invalid JSON",
        Answer::Huge { .. } => "a huge answer",
        Answer::Endless => "an endless answer",
        Answer::Drip { .. } => "the answer byte by byte",
    };
    Outcome::Spoilt { how, executed }
}

fn json(status: u16, body: &str, extra: &str, last: bool) -> Vec<u8> {
    http::answer(status, "application/json; charset=utf-8", extra, body.as_bytes(), last)
}

/// Reads and forgets until the client goes.
fn wait_for_end(wire: &mut Wire<Tls>) {
    let mut sink = [0_u8; 1024];
    while wire.stream().read(&mut sink).is_ok_and(|got| got > 0) {}
}

fn send_huge(wire: &mut Wire<Tls>, bytes: u64) -> io::Result<()> {
    let (open, close) = (r#"{"result":""#, r#""}"#);
    let filler = bytes.saturating_sub((open.len() + close.len()) as u64);
    let length = filler + (open.len() + close.len()) as u64;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{open}");
    wire.send(head.as_bytes())?;
    let block = [b'x'; 64 * 1024];
    let mut left = filler;
    while left > 0 {
        let take = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        wire.send(block.get(..take).unwrap_or_default())?;
        left -= take as u64;
    }
    wire.send(close.as_bytes())
}

/// Ends when the client has had enough.
fn send_endless(wire: &mut Wire<Tls>) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.send(format!("{head}b\r\n{{\"result\":\"\r\n").as_bytes())?;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    loop {
        wire.send(chunk.as_bytes())?;
    }
}

/// What a proxy or a page handler sends.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Bitrix24</title></head>\
    <body><h1>The page cannot be displayed</h1></body></html>\n";
