//! Well-formed lives of channels: what a PBX of either generation says of a call, made up by chance, and what must be
//! told of it, known beside it.
//!
//! [`Script`] writes one call: it keeps its channels as the PBX does and counts talk by itself. [`scenarios`] are the
//! calls, [`switchboard`] the PBX's own list of channels, [`play`] mixes calls and holds the tracker to them.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a check may panic

pub mod features;
pub mod play;
pub mod scenarios;
pub mod switchboard;

use fastrand::Rng;
use ringpost::ami::event::{Bridge, Channel, Event, Variable};
use ringpost::call::record::{Direction, Disposition};
use std::cell::RefCell;
use std::collections::HashSet;

/// Which generation of servers speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// AMI 2 and later: LinkedIds, bridges.
    New,
    /// AMI 1: links, no LinkedIds.
    Old,
}

/// A text that lives as long as the process; made once.
pub fn text(text: String) -> &'static str {
    thread_local! { static KNOWN: RefCell<HashSet<&'static str>> = RefCell::new(HashSet::new()); }
    KNOWN.with_borrow_mut(|known| match known.get(text.as_str()) {
        Some(text) => text,
        None => {
            let text: &'static str = text.leak();
            known.insert(text);
            text
        }
    })
}

/// One event and when it is said.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub at: u64,
    pub event: Event<'static>,
}

/// What must be told of a call.
#[derive(Clone, Debug)]
pub struct Expected {
    pub scenario: &'static str,
    pub direction: Direction,
    pub client: &'static str,
    pub caller: &'static str,
    pub rang: Vec<&'static str>,
    /// Talkers in the order of their first word, with milliseconds.
    pub talks: Vec<(&'static str, u64)>,
    pub last: Option<&'static str>,
    pub talk_ms: u64,
    pub disposition: Disposition,
    pub begun: u64,
    pub ended: u64,
}

/// A call as the PBX tells it.
#[derive(Clone, Debug)]
pub struct Life {
    pub events: Vec<Said>,
    pub expected: Expected,
}

/// A channel as the PBX has it.
#[derive(Clone, Copy, Debug)]
struct Chan {
    name: &'static str,
    id: &'static str,
    linked: &'static str,
    state: u8,
    number: &'static str,
    connected: &'static str,
    context: &'static str,
    exten: &'static str,
    bridge: &'static str,
}

/// Writes one call. Channels are named by their place.
pub struct Script<'a> {
    pub style: Style,
    pub random: &'a mut Rng,
    next: &'a mut u32,
    pub now: u64,
    begun: u64,
    events: Vec<Said>,
    chans: Vec<Chan>,
    talking: Vec<(&'static str, u64)>,
    talk_since: Option<u64>,
    talks: Vec<(&'static str, u64)>,
    talk_ms: u64,
    last: Option<&'static str>,
    rang: Vec<&'static str>,
    ended: u64,
}

const BASIC: Bridge<'static> = Bridge { id: b"", kind: b"basic", technology: b"simple_bridge", creator: b"" };

impl<'a> Script<'a> {
    pub fn new(style: Style, random: &'a mut Rng, next: &'a mut u32, now: u64) -> Self {
        let (events, chans, talks, rang) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let talking = Vec::new();
        let (talk_since, last) = (None, None);
        Self {
            style,
            random,
            next,
            now,
            begun: now,
            events,
            chans,
            talking,
            talk_since,
            talks,
            talk_ms: 0,
            last,
            rang,
            ended: now,
        }
    }

    /// The call is over; this must be told of it.
    pub fn tells(
        self,
        scenario: &'static str,
        direction: Direction,
        client: &'static str,
        caller: &'static str,
        unanswered: Disposition,
    ) -> Life {
        assert!(self.talking.is_empty(), "{scenario}: somebody talks on");
        let disposition = if self.talks.is_empty() { unanswered } else { Disposition::Answered };
        let (rang, talks, last, talk_ms) = (self.rang, self.talks, self.last, self.talk_ms);
        let (begun, ended) = (self.begun, self.ended);
        let expected =
            Expected { scenario, direction, client, caller, rang, talks, last, talk_ms, disposition, begun, ended };
        Life { events: self.events, expected }
    }

    pub fn number(&mut self) -> u32 {
        *self.next += 1;
        *self.next
    }

    pub fn wait(&mut self, least: u64, most: u64) {
        self.now += self.random.u64(least..=most);
    }

    /// Between two events of one moment there is nothing or next to nothing.
    pub fn moment(&mut self) {
        if self.random.bool() {
            self.now += self.random.u64(0..40);
        }
    }

    pub fn say(&mut self, event: Event<'static>) {
        self.events.push(Said { at: self.now, event });
    }

    // ---- channels -----------------------------------------------------------------------------------------------

    /// What an event of today says of this channel.
    pub fn ch(&self, n: usize) -> Channel<'static> {
        let chan = self.chans[n];
        let is_new = self.style == Style::New;
        Channel {
            name: chan.name.as_bytes(),
            unique_id: chan.id.as_bytes(),
            linked_id: if is_new { chan.linked.as_bytes() } else { b"" },
            state: Some(chan.state),
            caller_num: chan.number.as_bytes(),
            connected_num: chan.connected.as_bytes(),
            context: chan.context.as_bytes(),
            exten: chan.exten.as_bytes(),
            ..Channel::default()
        }
    }

    /// Old servers name a channel in most events and say no more of it.
    fn brief(&self, n: usize) -> Channel<'static> {
        let whole = self.ch(n);
        match self.style {
            Style::New => whole,
            Style::Old => {
                Channel { name: whole.name, unique_id: whole.unique_id, caller_num: whole.caller_num, ..<_>::default() }
            }
        }
    }

    fn make(&mut self, mut chan: Chan) -> usize {
        let calls_us = chan.state == 4;
        if self.style == Style::Old {
            chan.state = 0;
        }
        self.chans.push(chan);
        let n = self.chans.len() - 1;
        self.say(Event::NewChannel { channel: self.ch(n) });
        if calls_us && self.style == Style::Old {
            self.moment();
            self.state(n, 4);
        }
        n
    }

    fn fresh(&mut self, peer: &str, linked: Option<usize>) -> Chan {
        let (n, at) = (self.number(), 1_795_000_000 + self.now / 1000);
        let technology = if self.style == Style::New { "PJSIP" } else { "SIP" };
        let id = text(format!("{at}.{n}"));
        Chan {
            name: text(format!("{technology}/{peer}-{n:08x}")),
            id,
            linked: linked.map_or(id, |other| self.chans[other].linked),
            state: 0,
            number: "",
            connected: "",
            context: "from-internal",
            exten: "",
            bridge: "",
        }
    }

    /// A client calls by a trunk.
    pub fn trunk_calls(&mut self, client: &'static str) -> usize {
        let chan = self.fresh("trunk", None);
        self.make(Chan { state: 4, number: client, context: "from-trunk", exten: "74951110001", ..chan })
    }

    /// A telephone that nobody dialled and that does not call: a manager's Originate.
    pub fn alone(&mut self, extension: &'static str) -> usize {
        let chan = self.fresh(extension, None);
        self.make(Chan { number: extension, ..chan })
    }

    /// A channel that an old server makes to have one to swap with.
    pub fn helper(&mut self, kind: &str, of: usize) -> usize {
        let chan = self.fresh("", Some(of));
        self.make(Chan { name: text(format!("{kind}/{}", self.chans[of].name)), ..chan })
    }

    /// A telephone calls.
    pub fn calls(&mut self, extension: &'static str, exten: &'static str) -> usize {
        let chan = self.fresh(extension, None);
        self.make(Chan { state: 4, number: extension, exten, ..chan })
    }

    /// A channel that a Dial makes towards a telephone or a trunk.
    pub fn called(&mut self, peer: &'static str, by: usize) -> usize {
        let chan = self.fresh(peer, Some(by));
        let context = if peer.starts_with("trunk") { "from-trunk" } else { "from-internal" };
        let number = if peer.starts_with("trunk") { "" } else { peer };
        self.make(Chan { number, connected: self.chans[by].number, context, ..chan })
    }

    /// The two halves of a Local channel.
    pub fn local(&mut self, extension: &'static str, by: usize) -> (usize, usize) {
        let stem = format!("Local/{extension}@from-internal-{:08x}", self.number());
        let halves = [(";1", 0), (";2", 4)].map(|(half, state)| {
            let chan = self.fresh(extension, Some(by));
            let number = self.chans[by].number;
            self.make(Chan { name: text(format!("{stem}{half}")), state, number, exten: extension, ..chan })
        });
        let (one, two) = (self.brief(halves[0]), self.brief(halves[1]));
        self.say(Event::LocalBridge { one, two });
        (halves[0], halves[1])
    }

    pub fn state(&mut self, n: usize, state: u8) {
        self.chans[n].state = state;
        self.say(Event::NewState { channel: self.ch(n) });
    }

    pub fn hang_up(&mut self, n: usize, cause: u16) {
        if !self.chans[n].name.starts_with("Local/") && !self.chans[n].name.ends_with("<ZOMBIE>") {
            self.ended = self.now;
        }
        self.say(Event::Hangup { channel: self.ch(n), cause });
    }

    pub fn dial_status(&mut self, n: usize, value: &'static str) {
        let value = value.as_bytes();
        self.say(Event::VarSet { channel: self.brief(n), variable: Variable::DialStatus, value });
    }

    /// The PBX gives a channel another LinkedId and says so by the way only.
    pub fn relink(&mut self, n: usize, like: usize) {
        self.chans[n].linked = self.chans[like].linked;
    }

    // ---- ringing ------------------------------------------------------------------------------------------------

    /// `by` dials `extension`, which rings.
    pub fn ring(&mut self, by: usize, extension: &'static str) -> usize {
        let n = self.called(extension, by);
        self.dial(by, n, extension);
        self.moment();
        self.state(n, 5);
        n
    }

    pub fn dial(&mut self, by: usize, n: usize, string: &'static str) {
        let (caller, dest, dial_string) = (Some(self.brief(by)), self.brief(n), string.as_bytes());
        self.say(Event::DialBegin { caller, dest, dial_string });
        let number = self.chans[n].number;
        let is_telephone = !self.chans[n].name.starts_with("Local/") && !self.chans[n].name.contains("/trunk");
        if is_telephone {
            self.rings(number);
        }
    }

    pub fn rings(&mut self, extension: &'static str) {
        if !self.rang.contains(&extension) {
            self.rang.push(extension);
        }
    }

    /// The end of one attempt; old servers have no such event.
    pub fn dial_ends(&mut self, by: usize, n: usize, status: &'static str) {
        if self.style == Style::New {
            let (caller, dest) = (Some(self.ch(by)), Some(self.ch(n)));
            self.say(Event::DialEnd { caller, dest, status: status.as_bytes(), forward: b"" });
        }
    }

    /// The end of a whole Dial; new servers have no such event.
    pub fn dial_over(&mut self, by: usize, status: &'static str) {
        if self.style == Style::Old {
            let caller = Some(self.brief(by));
            self.say(Event::DialEnd { caller, dest: None, status: status.as_bytes(), forward: b"" });
        }
    }

    // ---- hearing ------------------------------------------------------------------------------------------------

    pub fn bridge(&mut self, kind: &'static str) -> Bridge<'static> {
        let n = self.number();
        Bridge { id: text(format!("bridge-{n}")).as_bytes(), kind: kind.as_bytes(), ..BASIC }
    }

    pub fn bridge_of(&self, n: usize) -> Bridge<'static> {
        Bridge { id: self.chans[n].bridge.as_bytes(), ..BASIC }
    }

    pub fn enter(&mut self, n: usize, bridge: Bridge<'static>, swap: Option<usize>) {
        let swap = swap.map_or("", |other| self.chans[other].id).as_bytes();
        self.chans[n].bridge = std::str::from_utf8(bridge.id).expect("our own");
        self.say(Event::BridgeEnter { bridge, channel: self.ch(n), swap });
    }

    pub fn leave(&mut self, n: usize, bridge: Bridge<'static>) {
        self.say(Event::BridgeLeave { bridge, channel: self.ch(n) });
        self.chans[n].bridge = "";
    }

    /// The two hear each other from now on.
    pub fn connect(&mut self, one: usize, two: usize) {
        for n in [one, two] {
            self.chans[n].state = 6;
        }
        if self.style == Style::Old {
            let (one, two) = (self.brief(one), self.brief(two));
            return self.say(Event::Link { one, two });
        }
        let bridge = self.bridge("basic");
        let first = self.random.bool();
        self.enter(if first { one } else { two }, bridge, None);
        self.moment();
        self.enter(if first { two } else { one }, bridge, None);
    }

    /// They hear each other no more.
    pub fn part(&mut self, one: usize, two: usize) {
        if self.style == Style::Old {
            let (one, two) = (self.brief(one), self.brief(two));
            return self.say(Event::Unlink { one, two });
        }
        let first = self.random.bool();
        for n in if first { [one, two] } else { [two, one] } {
            let bridge = self.bridge_of(n);
            self.leave(n, bridge);
            self.moment();
        }
    }

    /// The client hears this extension from now on.
    pub fn talk(&mut self, extension: &'static str) {
        self.talking.push((extension, self.now));
        self.talk_since.get_or_insert(self.now);
        if !self.talks.iter().any(|(known, _)| *known == extension) {
            self.talks.push((extension, 0));
        }
        self.last = Some(extension);
    }

    pub fn hush(&mut self, extension: &'static str) {
        let at = self.talking.iter().position(|(known, _)| *known == extension).expect("it talks");
        let (_, since) = self.talking.remove(at);
        let talk = self.talks.iter_mut().find(|(known, _)| *known == extension).expect("it talked");
        talk.1 += self.now - since;
        if self.talking.is_empty()
            && let Some(since) = self.talk_since.take()
        {
            self.talk_ms += self.now - since;
        }
    }

    // ---- swaps of old servers -----------------------------------------------------------------------------------

    /// `original` takes the name and the place of `clone`, which becomes a zombie.
    pub fn masquerade(&mut self, clone: usize, original: usize) {
        let (taken, left) = (self.chans[clone].name, self.chans[original].name);
        self.say(Event::Masquerade { clone: taken.as_bytes(), original: left.as_bytes() });
        let between = text(format!("{taken}<MASQ>"));
        let zombie = text(format!("{left}<ZOMBIE>"));
        for (n, name) in [(clone, between), (original, taken), (clone, zombie)] {
            self.say(Event::Rename { channel: self.brief(n), new_name: name.as_bytes() });
            self.chans[n].name = name;
        }
        self.chans[original].number = self.chans[clone].number;
        (self.chans[original].state, self.chans[clone].state) = (self.chans[clone].state, self.chans[original].state);
    }
}
