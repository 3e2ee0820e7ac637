//! Every cap of the portal: value, unit, why, and what happens there.
//!
//! The portal serves tests and one developer at a terminal, so the caps are generous; they exist so
//! that a runaway test fills neither memory nor the process table.

use std::time::Duration;

/// Bytes of a request's head (line and headers). Beyond it: 431 and the connection closes.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Headers of one request. Beyond it: 431 and the connection closes.
pub const HEADERS: usize = 64;
/// Bytes of a request body that is kept in memory (everything but an upload). Beyond it: 413.
pub const BODY_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of an upload, which is hashed as it passes. Beyond it: 413, as the cloud's 2 GB.
pub const UPLOAD_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of one header block inside a multipart body. Beyond it: the part is not recognised.
pub const PART_HEAD_BYTES: usize = 8 * 1024;
/// Fields of a form; PHP's `max_input_vars`. The rest is dropped.
pub const FORM_FIELDS: usize = 1000;
/// Levels of brackets in the name of a form field. Deeper ones are dropped.
pub const FORM_DEPTH: usize = 64;
/// Connections at once. Beyond it a new one is closed unanswered.
pub const CONNECTIONS: usize = 256;
/// Requests kept in the log. Beyond it the oldest is forgotten and counted.
pub const REQUESTS: usize = 100_000;
/// Cards kept in the history. Beyond it the oldest is forgotten.
pub const CARDS: usize = 200_000;
/// Finished calls. Beyond it `finish` answers with a database error.
pub const CALLS: usize = 1_000_000;
/// Calls registered and not finished. Beyond it `register` answers with a database error.
pub const LIVE_CALLS: usize = 200_000;
/// Recordings kept (their bytes are bounded by the configuration). Beyond it an upload is refused.
pub const RECORDINGS: usize = 100_000;
/// Characters of one parameter kept in the request log. A longer one is cut there, with a mark.
pub const LOGGED_TEXT: usize = 4096;
/// Events waiting for one subscriber. Beyond it an event is lost to that subscriber.
pub const EVENTS: usize = 4096;
/// Commands of one batch that run; each one above fails with `ERROR_BATCH_LENGTH_EXCEEDED`.
pub const BATCH_COMMANDS: usize = 50;
/// Rows of one page of a list.
pub const PAGE: usize = 50;
/// How long `come_up` tries to get its port back.
pub const REBIND: Duration = Duration::from_secs(10);
/// How long an upload or a request body may stand still before the connection is given up.
pub const BODY_STALL: Duration = Duration::from_secs(60);
