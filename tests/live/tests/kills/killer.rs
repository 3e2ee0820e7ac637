//! Kills the agent at random instants, starts it again, and notes when it could not hear the PBX.

use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use live::{Office, Trouble, secs};
use portal::RequestRecord;

/// One life in so many is long enough for what a crash put in doubt to be asked about; it ends while that is done.
const LONG_LIVES: u32 = 25;
/// From a start until calls in doubt are asked about: `AFTER_CRASH` of ringpost.
const ASKED_AFTER: Duration = Duration::from_secs(10);
/// A kill this soon after a request found it at work, or what came of it not written down.
const AT_A_REQUEST: Duration = Duration::from_millis(30);
/// How often the agent is asked whether it is in step.
const POLL: Duration = Duration::from_millis(10);

/// From a kill until a start after which the agent was in step with the PBX.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    pub from: Instant,
    pub until: Instant,
}

/// What the kills met.
#[derive(Debug, Default)]
pub struct Kills {
    pub absences: Vec<Absence>,
    /// Kills before the agent was in step after the one before.
    pub of_a_starting_agent: usize,
    /// Kills while a request was at work at the portal or had just been.
    pub at_a_request: usize,
}

/// Who kills.
pub struct Killer<'a> {
    office: &'a Office,
    random: Rng,
    /// Since when the agent has not heard the PBX.
    absent: Option<Instant>,
    kills: Kills,
}

impl<'a> Killer<'a> {
    /// The agent runs and is in step.
    pub fn new(office: &'a Office, random: Rng) -> Self {
        Killer { office, random, absent: None, kills: Kills::default() }
    }

    /// Kills it so many times. At the end it is dead.
    pub fn kill(&mut self, times: u32) -> Result<(), Trouble> {
        for number in 1..=times {
            let began = Instant::now();
            match number % LONG_LIVES {
                0 => self.live_long(began)?,
                n if n % 2 == 0 => self.live_until_a_request(began)?,
                _ => {
                    let end = began + self.life();
                    self.live(end)?;
                }
            }
            self.kills.at_a_request += usize::from(self.is_at_a_request());
            self.kills.of_a_starting_agent += usize::from(self.absent.is_some());
            self.absent.get_or_insert_with(Instant::now);
            self.office.agent.kill()?;
            if number < times {
                if self.random.bool() {
                    thread::sleep(secs(self.random.f64() * 0.4));
                }
                self.office.agent.start()?;
            }
        }
        Ok(())
    }

    /// Starts it for good, and tells what the kills met.
    pub fn start(mut self) -> Result<Kills, Trouble> {
        self.office.agent.start()?;
        self.await_step()?;
        Ok(self.kills)
    }

    /// Half of the lives end while the agent starts, logs in, reads its journal or lists the PBX's channels.
    fn life(&mut self) -> Duration {
        let longest = *self.random.choice(&[0.05, 0.4, 1.5, 1.5]).unwrap_or(&1.0);
        secs(self.random.f64() * longest)
    }

    /// Lets it live until `end`, and sees when it is in step.
    fn live(&mut self, end: Instant) -> Result<(), Trouble> {
        while self.absent.is_some() && Instant::now() < end {
            self.look()?;
            thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
        }
        thread::sleep(end.saturating_duration_since(Instant::now()));
        Ok(())
    }

    /// Lets it live until it registers or finishes a call, or longer if it does neither.
    fn live_until_a_request(&mut self, began: Instant) -> Result<(), Trouble> {
        let from = began + self.life();
        self.live(from)?;
        self.await_step()?;
        self.await_request(secs(1.5));
        Ok(())
    }

    /// Lets it live until calls in doubt are asked about, and some seconds further, up to a request.
    fn live_long(&mut self, began: Instant) -> Result<(), Trouble> {
        self.live(began + ASKED_AFTER)?;
        self.await_step()?;
        thread::sleep(secs(self.random.f64() * 4.0));
        self.await_request(secs(1.0));
        Ok(())
    }

    /// Waits until it is in step with the PBX.
    fn await_step(&mut self) -> Result<(), Trouble> {
        if self.absent.is_some() {
            self.office.agent.await_live()?;
            self.back();
        }
        Ok(())
    }

    /// Waits for the next request that makes or ends a call, and for a moment in which it is at work or just over.
    fn await_request(&mut self, patience: Duration) {
        let counted = |state: &portal::State| state.requests().filter(|request| is_of_a_call(request)).count();
        let seen = self.office.portal.look(counted);
        let _ = self.office.portal.wait_for(patience, |state| (counted(state) > seen).then_some(()));
        thread::sleep(AT_A_REQUEST.mul_f64(self.random.f64()));
    }

    fn look(&mut self) -> Result<(), Trouble> {
        match self.office.agent.status() {
            Some(status) if status["pbx"]["live"] == true => self.back(),
            _ if self.office.agent.is_running() => {}
            _ => return Err(Trouble::Gone),
        }
        Ok(())
    }

    fn back(&mut self) {
        if let Some(from) = self.absent.take() {
            self.kills.absences.push(Absence { from, until: Instant::now() });
        }
    }

    fn is_at_a_request(&self) -> bool {
        let is_young = |request: &RequestRecord| is_of_a_call(request) && request.arrived.elapsed() < AT_A_REQUEST;
        self.office.portal.look(|state| state.requests().any(is_young))
    }
}

fn is_of_a_call(request: &RequestRecord) -> bool {
    matches!(request.method.as_str(), "telephony.externalcall.register" | "telephony.externalcall.finish")
}
