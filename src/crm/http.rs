//! HTTP requests to a CRM: what was asked, what came back, and above all whether a failed request may have run.
//!
//! Stands alone because every CRM needs the same answer to one question after a fault: was nothing sent, so that it can
//! simply be repeated, or may the other side have executed it? The line is drawn at the first byte of the request's
//! body: no server runs a POST whose body never began. Bounds: an answer is cut at the caller's cap, a request ends at
//! its deadline whatever drips, connections kept are [`CRM_CONNECTIONS`], buffers are [`HTTP_BUFFER_BYTES`]. Does not
//! retry, does not follow redirects (a POST would become a GET) and ignores the proxy variables of the environment.
//! Nothing here prints an address: it holds the credential.

mod multipart;
mod provider;
mod resolver;
mod tls;

pub use multipart::Upload;
pub use tls::{RootsError, TlsFault};

use crate::limits::{
    CRM_CONNECT_TIMEOUT, CRM_CONNECTIONS, CRM_IDLE_TIMEOUT, CRM_STALL_TIMEOUT, HTTP_BUFFER_BYTES, HTTP_HEAD_BYTES,
};
use core::fmt;
use core::time::Duration;
use std::io::Read;
use std::path::Path;
use ureq::http::header;
use ureq::{Agent, Body, SendBody, Timeout};

/// An HTTPS client of one portal: its own connections, roots and name cache. Cheap to share, blocks its caller.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    names: resolver::Names,
}

/// What came back, whatever the status.
#[derive(Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Where a redirect points to. Holds the credential: never print it.
    pub location: Option<String>,
    /// `Retry-After` in seconds, if told that way.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpFault {
    /// The name could not be resolved.
    Name,
    /// No TLS connection came about.
    Tls(TlsFault),
    /// No connection, or it broke before the request's body began.
    NotSent(String),
    /// The body's own source failed or ended early, so that the request never became whole.
    Source(String),
    /// No answer within the time; names the phase.
    TimedOut(&'static str),
    /// The connection ended in mid-request or mid-answer.
    Cut,
    /// The answer is larger than its cap.
    TooLarge,
    /// What came back is not HTTP.
    Garbled,
}

impl HttpFault {
    /// Whether the other side may have executed the request.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Cut | Self::TooLarge | Self::Garbled)
    }
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "the name cannot be resolved"),
            Self::Tls(fault) => write!(f, "{fault}"),
            Self::NotSent(why) => write!(f, "not reachable: {why}"),
            Self::Source(why) => write!(f, "the file could not be read to its end: {why}"),
            Self::TimedOut(phase) => write!(f, "no answer in time ({phase})"),
            Self::Cut => write!(f, "the connection was cut before the answer was whole"),
            Self::TooLarge => write!(f, "the answer is too large"),
            Self::Garbled => write!(f, "the answer is not HTTP"),
        }
    }
}

/// How much time and memory one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// From the first to the last byte, connecting included.
    pub time: Duration,
    /// Largest answer, in bytes.
    pub answer: u64,
}

impl Http {
    /// A client that trusts the system's roots, or only those of `ca_file`.
    ///
    /// # Errors
    ///
    /// When there is no readable bundle with at least one root in it.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, RootsError> {
        let names = resolver::Names::default();
        let connector = tls::TlsConnector::new(ca_file)?;
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("ringpost/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .timeout_connect(Some(CRM_CONNECT_TIMEOUT))
            .timeout_per_write(Some(CRM_STALL_TIMEOUT))
            .input_buffer_size(HTTP_BUFFER_BYTES)
            .output_buffer_size(HTTP_BUFFER_BYTES)
            .max_response_header_size(HTTP_HEAD_BYTES)
            .max_idle_connections(CRM_CONNECTIONS)
            .max_idle_connections_per_host(CRM_CONNECTIONS)
            .max_idle_age(CRM_IDLE_TIMEOUT)
            .build();
        let agent = Agent::with_parts(config, connector.after_tcp(), names.clone());
        Ok(Self { agent, names })
    }

    /// POSTs a JSON text.
    ///
    /// # Errors
    ///
    /// [`HttpFault`], when no whole answer of at most `allowance.answer` bytes came.
    pub fn post_json(&self, url: &str, json: &[u8], allowance: Allowance) -> Result<Answer, HttpFault> {
        let length = u64::try_from(json.len()).unwrap_or(u64::MAX);
        self.post(url, "application/json", length, json, allowance)
    }

    /// POSTs a file as the one part of a form, straight from its reader.
    ///
    /// # Errors
    ///
    /// As [`post_json`](Self::post_json), and when the file gives fewer bytes than it was measured to have.
    pub fn post_upload<R: Read>(
        &self,
        url: &str,
        upload: Upload<R>,
        allowance: Allowance,
    ) -> Result<Answer, HttpFault> {
        let (kind, length) = (upload.content_type(), upload.length());
        self.post(url, &kind, length, upload.into_reader(), allowance)
    }

    fn post(
        &self,
        url: &str,
        kind: &str,
        length: u64,
        body: impl Read,
        allowance: Allowance,
    ) -> Result<Answer, HttpFault> {
        let mut body = Watched { inner: body, left: length, begun: false, failed: None };
        let sent = self
            .agent
            .post(url)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, length)
            .config()
            .timeout_global(Some(allowance.time))
            .build()
            .send(SendBody::from_reader(&mut body));
        match sent {
            Ok(response) => collect(response, allowance.answer),
            Err(error) => Err(self.fault(error, body.begun, body.failed)),
        }
    }

    fn fault(&self, error: ureq::Error, begun: bool, source: Option<String>) -> HttpFault {
        if let Some(why) = source {
            return HttpFault::Source(why);
        }
        if begun {
            return broken(error);
        }
        self.names.forget();
        match error {
            ureq::Error::HostNotFound => HttpFault::Name,
            ureq::Error::Rustls(error) => HttpFault::Tls(TlsFault::of(&error)),
            ureq::Error::Timeout(phase) => HttpFault::NotSent(format!("timeout ({phase})")),
            ureq::Error::Io(error) => HttpFault::NotSent(error.kind().to_string()),
            // The rest may quote the address, which holds the credential.
            _ => HttpFault::NotSent("no request could be made of it".to_owned()),
        }
    }
}

/// A fault after the request's body began: what it was, in the words of [`HttpFault`].
fn broken(error: ureq::Error) -> HttpFault {
    match error {
        ureq::Error::Timeout(phase) => HttpFault::TimedOut(phase_name(phase)),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => HttpFault::TimedOut("socket"),
        ureq::Error::LargeResponseHeader(..) => HttpFault::TooLarge,
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => HttpFault::Garbled,
        _ => HttpFault::Cut,
    }
}

fn phase_name(phase: Timeout) -> &'static str {
    match phase {
        Timeout::SendRequest | Timeout::SendBody | Timeout::PerWrite => "sending",
        Timeout::RecvResponse => "waiting",
        Timeout::RecvBody | Timeout::PerRead => "reading",
        _ => "in all",
    }
}

fn collect(mut response: ureq::http::Response<Body>, cap: u64) -> Result<Answer, HttpFault> {
    let head = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = head(header::LOCATION).map(str::to_owned);
    let retry_after = head(header::RETRY_AFTER).and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs);
    // A peer's number must not close the portal for ever.
    let retry_after = retry_after.map(|wish: Duration| wish.min(crate::limits::CRM_METHOD_BLOCK_MAX));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    // One byte over the cap tells a full answer from a cut one.
    let mut reader = response.body_mut().as_reader().take(cap.saturating_add(1));
    reader.read_to_end(&mut body).map_err(|error| broken(ureq::Error::from(error)))?;
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > cap {
        return Err(HttpFault::TooLarge);
    }
    Ok(Answer { status, body, location, retry_after })
}

/// The body on its way out: knows whether it was begun, gives exactly `left` bytes, and fails when it cannot.
struct Watched<R> {
    inner: R,
    left: u64,
    begun: bool,
    failed: Option<String>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.begun = true;
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(target) = buf.get_mut(..room).filter(|target| !target.is_empty()) else {
            return Ok(0);
        };
        let count = loop {
            match self.inner.read(target) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error.kind().to_string());
                    return Err(error);
                }
                Ok(0) => {
                    self.failed = Some("it ended early".to_owned());
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                Ok(count) => break count,
            }
        };
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}
