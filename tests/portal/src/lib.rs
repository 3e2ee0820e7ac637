//! A Bitrix24 portal for tests.
//!
//! It is a server on loopback with TLS from a CA of its own, faithful to what the vendor's REST
//! documentation and the public server code (modules `rest` and `voximplant`) say, including the
//! traps: the error code that is empty, the dedupe that looks at live rows of 30 minutes only, the
//! filter key that is dropped when it is misspelt, the activity that is made before the row that
//! fails. It remembers every request with its time of arrival and lets a test ask what the portal
//! holds. It misbehaves on request: see [`Fault`], [`Portal::go_down`], [`Portal::go_silent`].
//!
//! ```
//! use portal::{Portal, PortalConfig};
//!
//! let portal = Portal::start(PortalConfig::default())?;
//! assert!(portal.webhook_url().starts_with("https://127.0.0.1:"));
//! assert!(portal.calls().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Where documentation and server code differ the portal follows the code; [`Wording`] and
//! [`PortalConfig::webhook_may_register`] switch to the documentation.
//!
//! What it does not do: OAuth and events, contacts and tasks by REST, fetching a `RECORD_URL`, and
//! anything that the references do not tell. A wording that they do not tell is the portal's own: the
//! text for base64 content that is neither WAV nor MP3, and the tail of a database error.
//!
//! Dev-only: it is never part of the product. Its caps are in [`limits`].

mod auth;
mod batch;
mod config;
mod crm;
mod engine;
mod faults;
mod form;
mod http;
pub mod limits;
mod methods;
mod multipart;
mod portal;
mod rate;
mod records;
mod serve;
mod server;
mod stamp;
mod state;
mod tls;
mod value;

pub use config::{Certificate, CrmMode, Entity, EntityType, OperatingLimit, PortalConfig, RateLimit, User, Wording};
pub use faults::Fault;
pub use portal::Portal;
pub use records::{Activity, Card, Event, FinishedCall, HiddenBy, Line, LiveCall, Outcome, Recording, RequestRecord};
pub use state::State;
pub use value::Value;
