//! What can go wrong on the exchange.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why something on the exchange did not work.
#[non_exhaustive]
#[derive(Debug)]
pub enum Trouble {
    /// `tests/exchange` failed; what it wrote to stderr.
    Script(String),
    /// A socket, a file or a process.
    Io(io::Error),
    /// An Asterisk answered an action with an error.
    Refused {
        /// The action.
        action: String,
        /// The answer's `Message`.
        message: String,
    },
    /// Something awaited did not come.
    Deadline {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// The connection to an Asterisk ended.
    Gone,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Script(said) => write!(f, "tests/exchange failed: {}", said.trim()),
            Trouble::Io(error) => write!(f, "{error}"),
            Trouble::Refused { action, message } => write!(f, "{action} was refused: {message}"),
            Trouble::Deadline { what, waited } => {
                write!(f, "{what}: not within {:.1} s", waited.as_secs_f64())
            }
            Trouble::Gone => f.write_str("the connection to the Asterisk ended"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Io(error)
    }
}
