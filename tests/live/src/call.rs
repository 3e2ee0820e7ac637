//! Calls as their ends see them: [`Near`] began one, [`Ringing`] is called.
//!
//! Both are channels of the far side, so what a test does here is what a person
//! with a phone in the hand does; the PBX sees only SIP.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::{Ami, Packet, Trouble, secs, wait_until};

/// How long a tone between two keys lasts, and the pause behind it.
const KEY_PAUSE: Duration = Duration::from_millis(120);
/// What a comma among the keys stands for, as in a phone's speed dial.
const COMMA: Duration = Duration::from_secs(1);

/// Who calls from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    number: String,
    hidden: bool,
}

impl Caller {
    /// A caller that shows `number`.
    #[must_use]
    pub fn new(number: &str) -> Self {
        Caller { number: number.to_owned(), hidden: false }
    }

    /// A caller that hides the number. The PBX sees all of them as `anonymous`, so
    /// scenarios with hidden callers do not run beside each other on the same phones.
    #[must_use]
    pub fn hidden() -> Self {
        Caller { number: "anonymous".to_owned(), hidden: true }
    }

    /// The number as the PBX sees it.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    pub(crate) fn line(&self) -> &'static str {
        if self.hidden { "hidden" } else { "pbx" }
    }
}

/// How a call ended for one of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Q.850 cause: 16 normal, 17 busy, 19 no answer, 21 rejected, 34 congestion.
    pub cause: u16,
    /// When the far side saw it.
    pub at: Instant,
}

/// The end that began a call: the carrier's for an inbound one, a desk phone's
/// for an outbound one. Dropping it hangs up.
pub struct Near<'a> {
    channel: Channel<'a>,
}

impl<'a> Near<'a> {
    pub(crate) fn new(exchange: &'a Exchange, arrival: &Packet, since: usize) -> Self {
        Near { channel: Channel::new(exchange, arrival, since) }
    }

    /// Waits until the PBX answers this end, which an IVR does too.
    ///
    /// # Errors
    /// It did not answer, or the call ended.
    pub fn await_answer(&self, patience: Duration) -> Result<Instant, Trouble> {
        self.channel.await_answer(patience)
    }

    /// Waits until the PBX says that the called phone rings.
    ///
    /// # Errors
    /// It did not, or the call ended.
    pub fn await_ringing(&self, patience: Duration) -> Result<Instant, Trouble> {
        self.channel.await_state("rings", &["5", "6"], patience)
    }

    /// Waits until this end is released.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn await_end(&self, patience: Duration) -> Result<End, Trouble> {
        self.channel.await_end(patience)
    }

    /// Hangs up, or gives up while it still rings, and waits until that is done.
    ///
    /// # Errors
    /// The far side refused, or did not finish in ten seconds.
    pub fn hang_up(&self) -> Result<End, Trouble> {
        self.channel.hang_up()
    }

    /// Presses keys, one after the other, as DTMF; a comma is a pause of a second.
    ///
    /// # Errors
    /// The far side refused.
    pub fn press(&self, keys: &str) -> Result<(), Trouble> {
        self.channel.press(keys)
    }
}

impl Drop for Near<'_> {
    fn drop(&mut self) {
        self.channel.release();
    }
}

/// A desk phone or mobile that the PBX calls. Dropping it leaves it to its plan.
pub struct Ringing<'a> {
    channel: Channel<'a>,
    /// When the PBX's call arrived.
    pub since: Instant,
}

impl<'a> Ringing<'a> {
    pub(crate) fn new(exchange: &'a Exchange, arrival: &Packet, since: usize) -> Self {
        Ringing { channel: Channel::new(exchange, arrival, since), since: arrival.at }
    }

    /// Picks up now.
    ///
    /// # Errors
    /// The call is gone, or the far side refused.
    pub fn answer(&self) -> Result<Instant, Trouble> {
        self.channel.send_to("do-answer")?;
        self.channel.await_answer(secs(5.0))
    }

    /// Sends 486 now.
    ///
    /// # Errors
    /// As [`Ringing::answer`].
    pub fn busy(&self) -> Result<End, Trouble> {
        self.channel.send_to("do-busy")?;
        self.channel.await_end(secs(5.0))
    }

    /// Sends 603 now.
    ///
    /// # Errors
    /// As [`Ringing::answer`].
    pub fn reject(&self) -> Result<End, Trouble> {
        self.channel.send_to("do-reject")?;
        self.channel.await_end(secs(5.0))
    }

    /// Waits until this phone's plan has answered.
    ///
    /// # Errors
    /// It did not, or the call ended.
    pub fn await_answer(&self, patience: Duration) -> Result<Instant, Trouble> {
        self.channel.await_answer(patience)
    }

    /// Waits until it stops ringing or talking.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn await_end(&self, patience: Duration) -> Result<End, Trouble> {
        self.channel.await_end(patience)
    }

    /// Hangs up after having answered.
    ///
    /// # Errors
    /// As [`Near::hang_up`].
    pub fn hang_up(&self) -> Result<End, Trouble> {
        self.channel.hang_up()
    }

    /// Presses keys, for the PBX's feature codes; a comma is a pause of a second. A
    /// code wants one behind it, until the PBX listens for the number: `##,107`.
    ///
    /// # Errors
    /// The far side refused.
    pub fn press(&self, keys: &str) -> Result<(), Trouble> {
        self.channel.press(keys)
    }

    /// Holds the call by re-INVITE for so many seconds (one digit), then comes back to it.
    ///
    /// # Errors
    /// The far side refused.
    pub fn hold(&self, seconds: u8) -> Result<(), Trouble> {
        self.channel.redirect("hold", &seconds.to_string())
    }

    /// Sends the call on to `number` by REFER, as the transfer key does.
    ///
    /// # Errors
    /// The far side refused.
    pub fn transfer(&self, number: &str) -> Result<(), Trouble> {
        self.channel.redirect("refer", number)
    }
}

/// A channel of the far side.
struct Channel<'a> {
    exchange: &'a Exchange,
    name: String,
    unique_id: String,
    since: usize,
}

impl<'a> Channel<'a> {
    fn new(exchange: &'a Exchange, arrival: &Packet, since: usize) -> Self {
        Channel {
            exchange,
            name: arrival.field("Channel").to_owned(),
            unique_id: arrival.field("Uniqueid").to_owned(),
            since,
        }
    }

    fn far(&self) -> &Ami {
        self.exchange.far()
    }

    fn await_own(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Arc<Packet>, Trouble> {
        let what = format!("{} {what}", self.name);
        self.far().await_packet(&what, self.since, patience, |packet| {
            packet.field("Uniqueid") == self.unique_id && wanted(packet)
        })
    }

    fn await_answer(&self, patience: Duration) -> Result<Instant, Trouble> {
        self.await_state("is answered", &["6"], patience)
    }

    fn await_state(&self, what: &str, states: &[&str], patience: Duration) -> Result<Instant, Trouble> {
        let packet = self.await_own(what, patience, |packet| {
            packet.is("Hangup") || (packet.is("Newstate") && states.contains(&packet.field("ChannelState")))
        })?;
        if packet.is("Hangup") {
            return Err(Trouble::Refused {
                action: format!("{} {what}", self.name),
                message: format!("it ended first, cause {}", packet.field("Cause")),
            });
        }
        Ok(packet.at)
    }

    fn await_end(&self, patience: Duration) -> Result<End, Trouble> {
        let packet = self.await_own("ends", patience, |packet| packet.is("Hangup"))?;
        Ok(End { cause: packet.field("Cause").parse().unwrap_or(0), at: packet.at })
    }

    fn ended(&self) -> bool {
        self.await_end(Duration::ZERO).is_ok()
    }

    fn hang_up(&self) -> Result<End, Trouble> {
        let asked = self.far().act("Hangup", &[("Channel", self.name.as_str()), ("Cause", "16")]);
        match asked {
            Err(trouble) if !self.ended() => Err(trouble),
            _ => self.await_end(secs(10.0)),
        }
    }

    fn release(&self) {
        if !self.ended() {
            let _ = self.far().act("Hangup", &[("Channel", self.name.as_str())]);
        }
    }

    fn press(&self, keys: &str) -> Result<(), Trouble> {
        for key in keys.chars() {
            if key == ',' {
                thread::sleep(COMMA);
                continue;
            }
            let digit = key.to_string();
            self.far().act("PlayDTMF", &[("Channel", self.name.as_str()), ("Digit", digit.as_str())])?;
            thread::sleep(KEY_PAUSE);
        }
        Ok(())
    }

    fn send_to(&self, context: &str) -> Result<(), Trouble> {
        self.redirect(context, "now")
    }

    /// A Redirect into any other application races with the dialplan's own step to its next priority and may be lost.
    fn await_wait(&self) -> Result<(), Trouble> {
        wait_until(&format!("{} waits", self.name), secs(5.0), || {
            let steps = self
                .far()
                .packets(self.since, |packet| packet.is("Newexten") && packet.field("Uniqueid") == self.unique_id);
            steps.last().filter(|step| step.field("Application") == "Wait").map(drop)
        })
    }

    fn redirect(&self, context: &str, extension: &str) -> Result<(), Trouble> {
        self.await_wait()?;
        self.far()
            .act(
                "Redirect",
                &[("Channel", self.name.as_str()), ("Context", context), ("Exten", extension), ("Priority", "1")],
            )
            .map(drop)
    }
}
