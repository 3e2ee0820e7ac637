//! What a called phone or mobile does by itself.

use std::fmt;
use std::time::Duration;

/// What the far side does with a call, and after how long. Written into its
/// database as `VERB:RING:ARG`, see `tests/asterisk/far/extensions.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    verb: &'static str,
    ring: Duration,
    argument: String,
}

impl Plan {
    fn new(verb: &'static str, ring: Duration) -> Self {
        Plan { verb, ring, argument: String::new() }
    }

    /// Rings, answers, and talks until the other side hangs up.
    #[must_use]
    pub fn answer_after(ring: Duration) -> Self {
        Plan::new("answer", ring)
    }

    /// With [`Plan::answer_after`]: hangs up by itself after `talk`.
    #[must_use]
    pub fn talk(mut self, talk: Duration) -> Self {
        self.argument = format!("{:.3}", talk.as_secs_f64());
        self
    }

    /// 486: at once without ringing when `ring` is zero.
    #[must_use]
    pub fn busy_after(ring: Duration) -> Self {
        Plan::new("busy", ring)
    }

    /// 603, as the reject key sends it.
    #[must_use]
    pub fn reject_after(ring: Duration) -> Self {
        Plan::new("reject", ring)
    }

    /// Rings and then sends 480, as a carrier does when nobody answers.
    #[must_use]
    pub fn no_answer_after(ring: Duration) -> Self {
        Plan::new("noanswer", ring)
    }

    /// 404: no such number.
    #[must_use]
    pub fn unknown() -> Self {
        Plan::new("unknown", Duration::ZERO)
    }

    /// Tones before any answer, then 486.
    #[must_use]
    pub fn early_then_busy(tones: Duration) -> Self {
        Plan::new("early", tones)
    }

    /// 503: the carrier has no line.
    #[must_use]
    pub fn congested() -> Self {
        Plan::new("congested", Duration::ZERO)
    }

    /// 302: the phone sends the call to `extension`.
    #[must_use]
    pub fn forward_to(extension: &str) -> Self {
        Plan { argument: extension.to_owned(), ..Plan::new("forward", Duration::ZERO) }
    }

    /// Rings until the test decides, see [`crate::Ringing`], or the PBX gives up.
    #[must_use]
    pub fn manual() -> Self {
        Plan::new("manual", Duration::ZERO)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring.as_millis();
        if ring == 0 {
            write!(f, "{}:0:{}", self.verb, self.argument)
        } else {
            write!(f, "{}:{}.{:03}:{}", self.verb, ring / 1000, ring % 1000, self.argument)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secs;

    #[test]
    fn is_written_as_the_far_side_reads_it() {
        let answer = Plan::answer_after(secs(1.25)).talk(secs(3.0));
        assert_eq!(answer.to_string(), "answer:1.250:3.000");
        assert_eq!(Plan::busy_after(secs(0.0)).to_string(), "busy:0:");
        assert_eq!(Plan::forward_to("103").to_string(), "forward:0:103");
    }
}
