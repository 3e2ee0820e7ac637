//! A lasting fault is told once and then counted.
//!
//! One [`Repeated`] stands beside each thing that can fail again and again: a portal, the PBX's address, the journal.
//! It keeps the last [`REPEATED_FAULTS`] texts with their counts, so that faults that come in turn while a thing is
//! down are told once each; it takes the time as an argument and logs nothing itself: it says what to log. A fault
//! whose text holds a changing number (a port, a time) floods: leave those out.

use crate::clock::Monotonic;
use crate::limits::{REPEATED_FAULT_INTERVAL, REPEATED_FAULTS};

/// What was told since it worked last, the latest news at the end.
#[derive(Debug, Default)]
pub struct Repeated {
    told: heapless::Vec<Told, REPEATED_FAULTS>,
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
        Self { told: heapless::Vec::new() }
    }

    /// The fault happened (again). Gives the line to log: the first time and each [`REPEATED_FAULT_INTERVAL`] while it
    /// lasts, then with the count since the last line.
    pub fn fault(&mut self, text: &str, now: Monotonic) -> Option<String> {
        if let Some(told) = self.told.iter_mut().find(|told| told.text == text) {
            return told.again(now);
        }
        let line = match self.told.last() {
            Some(old) if old.since > 0 => format!("{text} (before it {} more times: {})", old.since, old.text),
            _ => text.to_owned(),
        };
        if self.told.is_full() {
            self.told.remove(0);
        }
        let _ = self.told.push(Told { text: text.to_owned(), at: now, since: 0, in_all: 1 }); // there is room
        Some(line)
    }

    /// It works. Gives the line to log if it had failed before.
    pub fn well(&mut self) -> Option<String> {
        let times = self.told.iter().fold(0_u32, |sum, told| sum.saturating_add(told.in_all));
        let last = self.told.pop()?;
        self.told.clear();
        let text = last.text;
        Some(if times == 1 {
            format!("well again after: {text}")
        } else {
            format!("well again after {times} times: {text}")
        })
    }

    /// Whether this fault was told since it worked last.
    pub fn is_told(&self, text: &str) -> bool {
        self.told.iter().any(|told| told.text == text)
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
        assert!(portal.is_told("refused") && !portal.is_told("slow"));
    }

    #[test]
    fn faults_in_turn_are_told_once_each() {
        let mut portal = Repeated::new();
        let texts = ["no answer", "refused", "a page instead of JSON"];
        let lines = (0..3600).filter(|secs| portal.fault(texts[secs % 3], at(*secs as u64)).is_some()).count();
        assert_eq!(lines, 3);
        assert_eq!(portal.well().as_deref(), Some("well again after 3600 times: a page instead of JSON"));
        let changing = (0..100).filter(|n| portal.fault(&format!("fault {n}"), at(0)).is_some()).count();
        assert_eq!((changing, portal.told.len()), (100, REPEATED_FAULTS));
    }
}
