//! Why a step of the laboratory could not be done, in words.

use std::fmt;

/// In words, for who runs the test.
#[derive(Debug)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A [`Trouble`] with a formatted text.
macro_rules! trouble {
    ($($text:tt)*) => { $crate::trouble::Trouble(format!($($text)*)) };
}
pub(crate) use trouble;
