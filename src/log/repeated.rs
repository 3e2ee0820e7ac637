//! A lasting fault is told once and then counted.
//!
//! One [`Repeated`] stands beside each thing that can fail again and again: a portal, the PBX's address, the journal. It
//! keeps one text and one count, takes the time as an argument and logs nothing itself: it says what to log. Different
//! faults in turn are each told, so a fault whose text holds a changing number (a port, a time) floods: leave those out.

use crate::clock::Monotonic;
use crate::limits::REPEATED_FAULT_INTERVAL;

/// What was told last, and how often it happened since.
#[derive(Debug, Default)]
pub struct Repeated {
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    text: String,
    at: Monotonic,
    since: u32,
    in_all: u32,
}

impl Repeated {
    /// Nothing happened yet.
    pub const fn new() -> Self {
        Self { told: None }
    }

    /// The fault happened (again). Gives the line to log: the first time, when its text changed, and each
    /// [`REPEATED_FAULT_INTERVAL`] while it lasts, then with the count since the last line.
    pub fn fault(&mut self, text: &str, now: Monotonic) -> Option<String> {
        match &mut self.told {
            Some(told) if told.text == text => told.again(now),
            told => {
                let line = match told {
                    Some(old) if old.since > 0 => format!("{text} (before it {} more times: {})", old.since, old.text),
                    _ => text.to_owned(),
                };
                *told = Some(Told { text: text.to_owned(), at: now, since: 0, in_all: 1 });
                Some(line)
            }
        }
    }

    /// It works. Gives the line to log if it had failed before.
    pub fn well(&mut self) -> Option<String> {
        let told = self.told.take()?;
        Some(if told.in_all == 1 {
            format!("well again after: {}", told.text)
        } else {
            format!("well again after {} times: {}", told.in_all, told.text)
        })
    }

    /// Whether the last thing heard was this fault.
    pub fn is_told(&self, text: &str) -> bool {
        self.told.as_ref().is_some_and(|told| told.text == text)
    }
}

impl Told {
    fn again(&mut self, now: Monotonic) -> Option<String> {
        self.since = self.since.saturating_add(1);
        self.in_all = self.in_all.saturating_add(1);
        if now.since(self.at) < REPEATED_FAULT_INTERVAL {
            return None;
        }
        let line = format!("{} ({} more times, {} in all)", self.text, self.since, self.in_all);
        self.at = now;
        self.since = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Monotonic {
        Monotonic::from_millis(secs * 1000)
    }

    #[test]
    fn told_once_then_counted_then_told_with_the_count() {
        let mut portal = Repeated::new();
        assert_eq!(portal.fault("no answer", at(0)).as_deref(), Some("no answer"));
        assert_eq!(portal.fault("no answer", at(60)), None);
        assert_eq!(portal.fault("no answer", at(3599)), None);
        assert_eq!(portal.fault("no answer", at(3600)).as_deref(), Some("no answer (3 more times, 4 in all)"));
        assert_eq!(portal.fault("no answer", at(3601)), None);
        assert_eq!(portal.well().as_deref(), Some("well again after 5 times: no answer"));
        assert_eq!(portal.well(), None);
    }

    #[test]
    fn another_fault_is_told_at_once_with_what_was_counted() {
        let mut portal = Repeated::new();
        portal.fault("no answer", at(0));
        portal.fault("no answer", at(1));
        assert_eq!(portal.fault("refused", at(2)).as_deref(), Some("refused (before it 1 more times: no answer)"));
        assert!(portal.is_told("refused") && !portal.is_told("no answer"));
    }
}
