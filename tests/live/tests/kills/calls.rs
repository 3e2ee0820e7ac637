//! Employees at work: calls of every kind, one after the other, each told as the telephones saw it.
//!
//! A worker owns two extensions and some clients, so that no two calls at once are of one client in one direction, and
//! what the exchange lists can be told apart without looking at what ringpost made of it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use live::office::Verdict;
use live::{Caller, Near, Office, Plan, Ringing, Trouble, did, secs};

/// How long a telephone may take to ring on a busy machine.
const SOON: Duration = Duration::from_secs(15);
/// Clients that call and are called again and again, for each worker.
const REGULARS: usize = 2;

/// How long a worker rests between two calls, in seconds: an office makes no more calls than its portal can take.
const PAUSE: Range<f64> = 3.0..10.0;

/// Whose call it is, as the exchange's list tells it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
    Internal,
}

/// What happens in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Answered,
    Recorded,
    Missed,
    Busy,
    Queue,
    QueueLeft,
    Transferred,
    Outbound,
    OutboundBusy,
    OutboundGivenUp,
    Internal,
}

impl Kind {
    const OF_A_DESK: [Kind; 10] = [
        Kind::Answered,
        Kind::Answered,
        Kind::Missed,
        Kind::Busy,
        Kind::Transferred,
        Kind::Transferred,
        Kind::Outbound,
        Kind::Outbound,
        Kind::OutboundBusy,
        Kind::OutboundGivenUp,
    ];
    /// 101 and 102 are the members of the queue, and 101 has the recorded line.
    const OF_THE_QUEUE: [Kind; 6] =
        [Kind::Queue, Kind::Queue, Kind::QueueLeft, Kind::Recorded, Kind::Recorded, Kind::Internal];

    fn direction(self) -> Direction {
        match self {
            Kind::Outbound | Kind::OutboundBusy | Kind::OutboundGivenUp => Direction::Outbound,
            Kind::Internal => Direction::Internal,
            _ => Direction::Inbound,
        }
    }
}

/// A talk between the client and an employee.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    pub user: u64,
    pub from: Instant,
    pub until: Instant,
}

/// A call that is over, as its telephones saw it.
#[derive(Clone, Debug)]
pub struct Played {
    pub kind: Kind,
    pub direction: Direction,
    /// The client's number; of an internal call the extension that dialled.
    pub client: String,
    pub line: String,
    pub began: Instant,
    pub ended: Instant,
    pub talks: Vec<Talk>,
}

impl Played {
    /// How long client and employees talked.
    pub fn talk(&self) -> Duration {
        self.talks.iter().map(|talk| talk.until - talk.from).sum()
    }
}

/// Who makes calls.
pub struct Worker<'a> {
    office: &'a Office,
    random: Rng,
    kinds: &'static [Kind],
    desk: &'static str,
    colleague: &'static str,
    /// Who calls the desk, and whom it calls: a client of one is another worker's of the other.
    callers: Vec<Caller>,
    called: Vec<Caller>,
    played: Vec<Played>,
}

/// The employees 11 to 18.
const DESKS: [(&str, &str); 4] = [("101", "102"), ("103", "104"), ("105", "106"), ("107", "108")];

/// All that work in the office.
pub fn workers<'a>(office: &'a Office, random: &mut Rng) -> Vec<Worker<'a>> {
    let regulars: Vec<Vec<Caller>> = DESKS.iter().map(|_| (0..REGULARS).map(|_| office.caller()).collect()).collect();
    let neighbours = regulars.iter().cycle().skip(1);
    DESKS
        .iter()
        .zip(&regulars)
        .zip(neighbours)
        .map(|(((desk, colleague), own), neighbour)| Worker {
            office,
            random: random.fork(),
            kinds: if *desk == "101" { &Kind::OF_THE_QUEUE } else { &Kind::OF_A_DESK },
            desk,
            colleague,
            callers: own.clone(),
            called: neighbour.clone(),
            played: Vec::new(),
        })
        .collect()
}

impl Worker<'_> {
    /// Makes calls until nobody wants more.
    pub fn work(mut self, closing: &AtomicBool) -> Result<Vec<Played>, String> {
        while !closing.load(Ordering::Relaxed) {
            let kind = *self.random.choice(self.kinds).ok_or("no kinds of call")?;
            self.play(kind).map_err(|trouble| format!("{kind:?} of {}: {trouble}", self.desk))?;
            self.rest(closing);
        }
        Ok(self.played)
    }

    fn rest(&mut self, closing: &AtomicBool) {
        let end = Instant::now() + self.some(PAUSE);
        while Instant::now() < end && !closing.load(Ordering::Relaxed) {
            thread::sleep(secs(0.05));
        }
    }

    fn some(&mut self, range: Range<f64>) -> Duration {
        secs(range.start + self.random.f64() * (range.end - range.start))
    }

    fn pass(&mut self, range: Range<f64>) {
        thread::sleep(self.some(range));
    }

    /// A regular client now and then, else somebody new.
    fn client(&mut self, direction: Direction) -> Caller {
        let regulars = if direction == Direction::Outbound { &self.called } else { &self.callers };
        let regular = self.random.u8(..3) == 0;
        let known = regulars.get(self.random.usize(..REGULARS)).filter(|_| regular).cloned();
        known.unwrap_or_else(|| self.office.caller())
    }

    fn play(&mut self, kind: Kind) -> Verdict {
        let client = self.client(kind.direction());
        match kind {
            Kind::Answered => self.answered(kind, &client, &did::direct(self.desk)),
            Kind::Recorded => self.answered(kind, &client, did::RECORDED),
            Kind::Missed => self.missed(kind, &client, &did::direct(self.desk), &[self.desk]),
            Kind::Busy => self.busy(&client),
            Kind::Queue => self.queue(&client),
            Kind::QueueLeft => self.missed(kind, &client, did::QUEUE, &[self.desk, self.colleague]),
            Kind::Transferred => self.transferred(&client),
            Kind::Outbound => self.outbound(&client),
            Kind::OutboundBusy => self.outbound_busy(&client),
            Kind::OutboundGivenUp => self.outbound_given_up(&client),
            Kind::Internal => self.internal(),
        }
    }

    fn note(&mut self, kind: Kind, client: &str, line: &str, began: Instant, ended: Instant, talks: Vec<Talk>) {
        let (client, line) = (client.to_owned(), line.to_owned());
        self.played.push(Played { kind, direction: kind.direction(), client, line, began, ended, talks });
    }

    fn answered(&mut self, kind: Kind, client: &Caller, line: &str) -> Verdict {
        self.office.plan_for(client, self.desk, Plan::manual())?;
        let began = Instant::now();
        let call = self.office.inbound(client, line)?;
        let phone = self.office.ringing(self.desk, client.number(), SOON)?;
        self.pass(0.2..2.0);
        let from = phone.answer()?;
        self.pass(0.5..5.0);
        let until = self.somebody_hangs_up(&call, &phone)?;
        self.note(kind, client.number(), line, began, until, vec![Talk { user: user(self.desk), from, until }]);
        Ok(())
    }

    fn missed(&mut self, kind: Kind, client: &Caller, line: &str, rung: &[&str]) -> Verdict {
        for extension in rung {
            self.office.plan_for(client, extension, Plan::manual())?;
        }
        let began = Instant::now();
        let call = self.office.inbound(client, line)?;
        for extension in rung {
            self.office.ringing(extension, client.number(), SOON)?;
        }
        self.pass(0.2..4.0);
        let ended = call.hang_up()?.at;
        self.note(kind, client.number(), line, began, ended, Vec::new());
        Ok(())
    }

    fn busy(&mut self, client: &Caller) -> Verdict {
        let line = did::direct(self.desk);
        let ring = secs(0.5 + self.random.f64());
        self.office.plan_for(client, self.desk, Plan::busy_after(ring))?;
        let began = Instant::now();
        let call = self.office.inbound(client, &line)?;
        self.office.ringing(self.desk, client.number(), SOON)?;
        let ended = call.await_end(SOON)?.at;
        self.note(Kind::Busy, client.number(), &line, began, ended, Vec::new());
        Ok(())
    }

    fn queue(&mut self, client: &Caller) -> Verdict {
        for extension in [self.desk, self.colleague] {
            self.office.plan_for(client, extension, Plan::manual())?;
        }
        let (taker, other) = if self.random.bool() { (self.desk, self.colleague) } else { (self.colleague, self.desk) };
        let began = Instant::now();
        let call = self.office.inbound(client, did::QUEUE)?;
        let phone = self.office.ringing(taker, client.number(), SOON)?;
        self.office.ringing(other, client.number(), SOON)?;
        self.pass(0.2..2.0);
        let from = phone.answer()?;
        self.pass(0.5..5.0);
        let until = self.somebody_hangs_up(&call, &phone)?;
        self.note(
            Kind::Queue,
            client.number(),
            did::QUEUE,
            began,
            until,
            vec![Talk { user: user(taker), from, until }],
        );
        Ok(())
    }

    fn transferred(&mut self, client: &Caller) -> Verdict {
        let line = did::direct(self.desk);
        for extension in [self.desk, self.colleague] {
            self.office.plan_for(client, extension, Plan::manual())?;
        }
        let began = Instant::now();
        let call = self.office.inbound(client, &line)?;
        let phone = self.office.ringing(self.desk, client.number(), SOON)?;
        self.pass(0.2..1.0);
        let from = phone.answer()?;
        self.pass(0.5..3.0);
        phone.transfer(self.colleague)?;
        let first = Talk { user: user(self.desk), from, until: phone.await_end(SOON)?.at };
        let other = self.office.ringing(self.colleague, client.number(), SOON)?;
        self.pass(0.2..1.0);
        let from = other.answer()?;
        self.pass(0.5..3.0);
        let until = self.somebody_hangs_up(&call, &other)?;
        let second = Talk { user: user(self.colleague), from, until };
        self.note(Kind::Transferred, client.number(), &line, began, until, vec![first, second]);
        Ok(())
    }

    fn outbound(&mut self, client: &Caller) -> Verdict {
        self.office.plan(client.number(), Plan::manual())?;
        let began = Instant::now();
        let call = self.office.dial(self.desk, client.number())?;
        let mobile = self.office.ringing_by_anybody(client.number(), SOON)?;
        self.pass(0.2..2.0);
        let from = mobile.answer()?;
        self.pass(0.5..5.0);
        let until = self.somebody_hangs_up(&call, &mobile)?;
        let talk = Talk { user: user(self.desk), from, until };
        self.note(Kind::Outbound, client.number(), "trunk", began, until, vec![talk]);
        Ok(())
    }

    fn outbound_busy(&mut self, client: &Caller) -> Verdict {
        let ring = secs(0.5 + self.random.f64());
        self.office.plan(client.number(), Plan::busy_after(ring))?;
        let began = Instant::now();
        let call = self.office.dial(self.desk, client.number())?;
        self.office.ringing_by_anybody(client.number(), SOON)?;
        let ended = call.await_end(SOON)?.at;
        self.note(Kind::OutboundBusy, client.number(), "trunk", began, ended, Vec::new());
        Ok(())
    }

    fn outbound_given_up(&mut self, client: &Caller) -> Verdict {
        self.office.plan(client.number(), Plan::manual())?;
        let began = Instant::now();
        let call = self.office.dial(self.desk, client.number())?;
        self.office.ringing_by_anybody(client.number(), SOON)?;
        self.pass(0.2..3.0);
        let ended = call.hang_up()?.at;
        self.note(Kind::OutboundGivenUp, client.number(), "trunk", began, ended, Vec::new());
        Ok(())
    }

    /// No client, so nothing for the portal.
    fn internal(&mut self) -> Verdict {
        self.office.plan_inside(self.desk, self.colleague, Plan::manual())?;
        let began = Instant::now();
        let call = self.office.dial(self.desk, self.colleague)?;
        let phone = self.office.ringing(self.colleague, self.desk, SOON)?;
        phone.answer()?;
        self.pass(0.2..2.0);
        let ended = call.hang_up()?.at;
        self.note(Kind::Internal, self.desk, "", began, ended, Vec::new());
        Ok(())
    }

    fn somebody_hangs_up(&mut self, client: &Near<'_>, phone: &Ringing<'_>) -> Result<Instant, Trouble> {
        Ok(if self.random.bool() { client.hang_up()? } else { phone.hang_up()? }.at)
    }
}

/// Extensions 101–109 are the employees 11–19.
fn user(extension: &str) -> u64 {
    extension.parse::<u64>().map_or(0, |number| number - 90)
}
