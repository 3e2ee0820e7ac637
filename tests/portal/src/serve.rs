//! One connection: requests read, done, and answered truly or as a fault demands.
//!
//! It stands beside [`crate::server`], which owns the listener and the threads; this is what a
//! thread does. The order for each request: read all of it, enter it in the log, take a fault, wait,
//! do the work under the lock, wait, close the log entry, send. So whoever has an answer finds its
//! outcome in the log.
//!
//! Bounds: those of [`crate::http`] and [`crate::multipart`].

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::auth::{Route, route};
use crate::engine::{Asked, Reply};
use crate::faults::{Answer, Fault};
use crate::form;
use crate::http::{self, Head, Refusal, Wire};
use crate::limits;
use crate::methods::{self, Upload};
use crate::multipart::Splitter;
use crate::records::{Outcome, RequestRecord};
use crate::server::Shared;
use crate::value::Value;

/// A connection and what it belongs to.
pub(crate) struct Conversation<'a> {
    shared: &'a Shared,
    /// Counts connections from 1.
    id: u64,
    wire: Wire<StreamOwned<ServerConnection, TcpStream>>,
}

/// A request that was read and entered in the log.
struct Exchange {
    target: String,
    route: Route,
    /// `https://host:port` as the client sees it.
    base: String,
    params: Value,
    upload: Option<Upload>,
    record: RequestRecord,
    /// Whether the connection closes after it.
    last: bool,
}

/// A body that was read.
struct Body {
    params: Value,
    bytes: u64,
    upload: Option<Upload>,
}

/// What becomes of the connection.
#[derive(PartialEq)]
enum After {
    /// It goes on.
    Next,
    /// It is cut.
    Cut,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(shared: &'a Shared, tls: &Arc<ServerConfig>, id: u64, socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
        Ok(Self { shared, id, wire: Wire::new(StreamOwned::new(tls, socket)) })
    }

    /// Serves requests until one of the two sides has had enough.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let (keep_alive, most) = {
            let inner = self.shared.lock();
            (inner.engine.config.keep_alive, inner.engine.config.requests_per_connection.unwrap_or(u32::MAX))
        };
        for served in 1..=most {
            self.wire.stream().sock.set_read_timeout(Some(keep_alive))?;
            let head = match self.wire.head() {
                Ok(head) => head,
                Err(refusal) => return self.refuse(&refusal),
            };
            self.wire.stream().sock.set_read_timeout(Some(limits::BODY_STALL))?;
            let last = head.closes() || served == most;
            match self.request(&head, last) {
                Ok(After::Next) if last => break,
                Ok(After::Next) => {}
                Ok(After::Cut) => return self.wire.stream().sock.shutdown(Shutdown::Both),
                Err(refusal) => return self.refuse(&refusal),
            }
        }
        self.wire.stream().conn.send_close_notify();
        self.wire.send(b"")
    }

    fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        let status = match refusal {
            Refusal::Gone => return Ok(()),
            Refusal::Malformed => 400,
            Refusal::HeadTooLong => 431,
            Refusal::BodyTooLong => 413,
        };
        self.wire.send(&page(status, true))
    }

    /// Reads, does and answers one request.
    fn request(&mut self, head: &Head, last: bool) -> Result<After, Refusal> {
        let Some(route) = route(&head.target) else { return self.turn_away(head, last) };
        let body = if route.method == "upload" { self.read_upload(head)? } else { self.read_params(head)? };
        let mut exchange = self.exchange(head, route, body, last);
        let (refused, fault) = self.enter(&mut exchange);
        Ok(self.carry_out(exchange, refused, &fault)?)
    }

    /// Answers what is not for the API.
    fn turn_away(&mut self, head: &Head, last: bool) -> Result<After, Refusal> {
        let bytes = self.wire.body(head, limits::BODY_BYTES, &mut |_| ())?;
        let record = RequestRecord { sent_method: head.target.clone(), ..self.record(head, bytes) };
        let number = self.shared.change(|inner| inner.engine.state.begin_request(record));
        self.end(number, Outcome::Answered { status: 404, error: None, executed: false });
        self.wire.send(&page(404, last))?;
        Ok(After::Next)
    }

    /// Puts the request into the log, and finds out whether it is one too many or to be spoilt.
    fn enter(&self, exchange: &mut Exchange) -> (Option<Reply>, Fault) {
        self.shared.change(|inner| {
            exchange.record.number = inner.engine.state.begin_request(exchange.record.clone());
            if inner.silent() {
                return (None, Fault::silence(false));
            }
            let refused = inner.engine.over_rate();
            let fault = match refused {
                Some(_) => None,
                None => inner.plans.take(&exchange.route.method, &exchange.params),
            };
            (refused, fault.unwrap_or_else(|| Fault::slow_before(Duration::ZERO)))
        })
    }

    /// Does the work, unless it is refused or the fault prevents it, and answers.
    fn carry_out(&mut self, mut exchange: Exchange, refused: Option<Reply>, fault: &Fault) -> io::Result<After> {
        let number = exchange.record.number;
        if !self.shared.pause(self.id, fault.before) {
            // The portal went down before it got to this.
            self.end(number, Outcome::Spoilt { how: "cut", executed: false });
            return Ok(After::Cut);
        }
        let reply = match refused {
            None if fault.execute => Some(self.shared.change(|inner| {
                inner.engine.answer(Asked {
                    route: &exchange.route,
                    base: &exchange.base,
                    params: std::mem::take(&mut exchange.params),
                    upload: exchange.upload.take(),
                    record: &exchange.record,
                    began: exchange.record.complete,
                })
            })),
            refused => refused,
        };
        let executed = reply.as_ref().is_some_and(|reply| reply.executed);
        if !self.shared.pause(self.id, fault.after) {
            self.end(number, Outcome::Spoilt { how: "cut", executed });
            return Ok(After::Cut);
        }
        let reply = pretended(&fault.answer, executed).or(reply);
        self.end(number, outcome(&fault.answer, reply.as_ref(), executed));
        self.send(&exchange, &fault.answer, reply)
    }

    fn end(&self, number: u64, outcome: Outcome) {
        self.shared.change(|inner| inner.engine.state.end_request(number, outcome));
    }

    fn exchange(&self, head: &Head, route: Route, body: Body, last: bool) -> Exchange {
        let params = merged(&route, &body);
        let record = RequestRecord {
            method: route.method.clone(),
            sent_method: route.sent_method.clone(),
            params: shortened(&params),
            ..self.record(head, body.bytes)
        };
        let base = format!("https://{}", head.header("host").unwrap_or_default());
        Exchange { target: head.target.clone(), route, base, params, upload: body.upload, record, last }
    }

    /// The log entry of a request of which only the head is understood yet.
    fn record(&self, head: &Head, body_bytes: u64) -> RequestRecord {
        RequestRecord {
            number: 0,
            within: None,
            connection: self.id,
            verb: head.verb.clone(),
            method: String::new(),
            sent_method: String::new(),
            params: Value::Null,
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

    /// A form if there is one; JSON otherwise, whatever the content type says; nothing if it is neither.
    fn read_params(&mut self, head: &Head) -> Result<Body, Refusal> {
        let mut body = Vec::new();
        let bytes = self.wire.body(head, limits::BODY_BYTES, &mut |piece| body.extend_from_slice(piece))?;
        let kind = head.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let form = kind.starts_with("application/x-www-form-urlencoded");
        let form = form.then(|| form::parse(&String::from_utf8_lossy(&body)));
        let params = form
            .filter(|form| !form.pairs().is_empty())
            .or_else(|| Value::from_json(&body).filter(Value::is_array))
            .unwrap_or(Value::Null);
        Ok(Body { params, bytes, upload: None })
    }

    /// Hashes the file as it passes.
    fn read_upload(&mut self, head: &Head) -> Result<Body, Refusal> {
        let keep = self.shared.lock().engine.config.keep_bytes;
        let content_type = head.header("content-type").unwrap_or_default();
        let mut splitter = Splitter::new(content_type, methods::FIELD, keep, self.shared.next_upload());
        let bytes = self.wire.body(head, limits::UPLOAD_BYTES, &mut |piece| {
            if let Some(splitter) = &mut splitter {
                splitter.feed(piece);
            }
        })?;
        let upload = Upload { part: splitter.and_then(Splitter::finish), chunked: head.chunked() };
        Ok(Body { params: Value::Null, bytes, upload: Some(upload) })
    }

    /// Sends the true answer or what stands in its place.
    fn send(&mut self, exchange: &Exchange, answer: &Answer, reply: Option<Reply>) -> io::Result<After> {
        let last = exchange.last;
        let bytes = reply.map(|reply| json(reply.status, &reply.body.to_json(), &extra(answer), last));
        let bytes = bytes.unwrap_or_default();
        match answer {
            Answer::True | Answer::Error { .. } => self.wire.send(&bytes)?,
            Answer::Cut => {}
            Answer::Half => self.wire.send(bytes.get(..bytes.len() / 2).unwrap_or_default())?,
            Answer::Silence => self.wait_for_end(),
            Answer::Html { status } => self.wire.send(&page(*status, last))?,
            Answer::Redirect { base } => {
                let location = format!("Location: {base}{}\r\n", exchange.target);
                self.wire.send(&http::answer(302, "text/html", &location, b"", last))?;
            }
            Answer::InvalidJson => self.wire.send(&json(200, r#"{"result":{"CALL_ID":"ext"#, "", last))?,
            Answer::Huge { bytes } => self.send_huge(*bytes)?,
            Answer::Endless => self.send_endless()?,
            Answer::Drip { pause } => self.drip(&bytes, *pause)?,
        }
        Ok(if matches!(answer, Answer::Cut | Answer::Half | Answer::Silence) { After::Cut } else { After::Next })
    }

    /// Reads and forgets until the client goes.
    fn wait_for_end(&mut self) {
        let mut sink = [0_u8; 1024];
        while self.wire.stream().read(&mut sink).is_ok_and(|got| got > 0) {}
    }

    fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for byte in bytes {
            self.wire.send(std::slice::from_ref(byte))?;
            if !self.shared.pause(self.id, pause) {
                break;
            }
        }
        Ok(())
    }

    fn send_huge(&mut self, bytes: u64) -> io::Result<()> {
        let (open, close) = (r#"{"result":""#, r#""}"#);
        let frame = (open.len() + close.len()) as u64;
        let mut left = bytes.saturating_sub(frame);
        let kind = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        self.wire.send(format!("{kind}Content-Length: {}\r\n\r\n{open}", left + frame).as_bytes())?;
        let block = [b'x'; 64 * 1024];
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(block.len()).min(block.len());
            self.wire.send(block.get(..take).unwrap_or_default())?;
            left -= take as u64;
        }
        self.wire.send(close.as_bytes())
    }

    /// Ends when the client has had enough.
    fn send_endless(&mut self) -> io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.wire.send(format!("{head}b\r\n{{\"result\":\"\r\n").as_bytes())?;
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        loop {
            self.wire.send(chunk.as_bytes())?;
        }
    }
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

/// The reply of a fault that is an error in the portal's envelope.
fn pretended(answer: &Answer, executed: bool) -> Option<Reply> {
    let Answer::Error { status, code, text, .. } = answer else { return None };
    let body = Value::map([("error", code.as_str().into()), ("error_description", text.as_str().into())]);
    Some(Reply { status: *status, body, error: Some((code.clone(), text.clone())), executed })
}

fn extra(answer: &Answer) -> String {
    match answer {
        Answer::Error { retry_after: Some(seconds), .. } => format!("Retry-After: {seconds}\r\n"),
        _ => String::new(),
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

/// What a proxy or a page handler sends.
fn page(status: u16, last: bool) -> Vec<u8> {
    let html = "<!DOCTYPE html>\n<html><head><title>Bitrix24</title></head>\
        <body><h1>The page cannot be displayed</h1></body></html>\n";
    http::answer(status, "text/html; charset=utf-8", "", html.as_bytes(), last)
}
