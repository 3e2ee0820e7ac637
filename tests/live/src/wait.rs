//! Waiting for conditions, always with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::Trouble;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Seconds as a [`Duration`]; negative and absurd values are zero.
#[must_use]
pub fn secs(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A deadline that began when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    began: Instant,
    patience: Duration,
}

impl Until {
    /// A deadline `patience` from now.
    #[must_use]
    pub fn after(patience: Duration) -> Self {
        Until { began: Instant::now(), patience }
    }

    /// What is left of it; zero when it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.patience.saturating_sub(self.began.elapsed())
    }

    /// The trouble of having waited for `what` in vain.
    #[must_use]
    pub fn missed(&self, what: &str) -> Trouble {
        Trouble::Deadline { what: what.to_owned(), waited: self.patience }
    }
}

/// Waits until `probe` gives a value.
///
/// # Errors
/// [`Trouble::Deadline`] naming `what` when `patience` has passed.
pub fn wait_until<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T, Trouble> {
    let until = Until::after(patience);
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if until.left().is_zero() {
            return Err(until.missed(what));
        }
        thread::sleep(POLL.min(until.left()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_value_as_soon_as_it_is_there() {
        let mut looks = 0;
        let found = wait_until("third look", secs(5.0), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert!(matches!(found, Ok(3)));
    }

    #[test]
    fn names_what_did_not_come() {
        let missed = wait_until("the moon", secs(0.02), || None::<()>);
        assert_eq!(missed.err().map(|trouble| trouble.to_string()).as_deref(), Some("the moon: not within 0.0 s"));
    }
}
