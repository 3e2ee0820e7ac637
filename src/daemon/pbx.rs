//! The link at work: its bytes, its outputs, and what the hub hears of them.
//!
//! Stands between the engine and the socket and adds nothing of its own. In one turn it takes at most
//! [`AMI_TURN_BYTES`], so that a flood of events starves nothing else.

use super::hub::Hub;
use super::ports::Ports;
use super::wire::{Signal, Wire};
use crate::ami::link::{FaultKind, Link, LinkConfig, LinkFault, Output};
use crate::call::tracker::Tracker;
use crate::clock::{self, Monotonic, Stamp};
use crate::config;
use crate::limits::AMI_TURN_BYTES;
use crate::status;
use core::time::Duration;

/// The PBX of the daemon.
pub struct Pbx {
    link: Link,
    wire: Wire,
    name: String,
    host: String,
    ports: Ports,
    state: String,
    losses: u64,
    /// When the PBX was last heard, while the login holds.
    heard: Option<Stamp>,
}

impl Pbx {
    /// A PBX that is connected to at the first turn.
    pub fn new(settings: &config::Pbx, seed: u64) -> Self {
        let ports = settings.port.map_or_else(|| settings.profile.ports.to_vec(), |port| vec![port]);
        let place = match ports.as_slice() {
            [port] => format!("{}:{port}", settings.host),
            _ => settings.host.clone(),
        };
        let (username, secret) = (settings.username.clone(), settings.secret.clone());
        let link = LinkConfig { place, username, secret, filters: true, details: false };
        Self {
            link: Link::new(link, seed),
            wire: Wire::Down,
            name: settings.name.to_string(),
            host: settings.host.clone(),
            ports: Ports::new(ports),
            state: String::from("not connected yet"),
            losses: 0,
            heard: None,
        }
    }

    /// Waits for the socket; for ever while there is none. Safe to drop half-way.
    pub async fn signal(&mut self) -> Signal {
        self.wire.signal(!self.link.to_send().is_empty()).await
    }

    /// Acts on a signal.
    pub fn take_signal(&mut self, signal: Signal, hub: &mut Hub) {
        let now = clock::now();
        match signal {
            Signal::Connected => self.link.connected(now.mono),
            Signal::Ready => self.read(hub),
            Signal::Failed(error) => self.failed(FaultKind::of_error(&error), hub),
        }
    }

    /// Does what is due: time-outs, outputs, bytes to send.
    pub fn turn(&mut self, hub: &mut Hub) {
        let now = clock::now();
        self.drain(hub, now);
        self.link.handle_timeout(now.mono);
        if hub.take_resync_wanted() {
            self.link.request_snapshot(now.mono);
        }
        self.drain(hub, now);
        self.send(hub);
    }

    /// When [`turn`](Self::turn) wants to be called.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.link.poll_timeout()
    }

    /// For the status report; of the profile the hub knows.
    pub fn report(&self, hub: &Hub) -> status::Pbx {
        let server = self.link.server();
        let (profile, picked) = hub.profile();
        status::Pbx {
            name: self.name.clone(),
            address: format!("{}:{}", self.host, self.ports.present()),
            live: self.link.is_live(),
            state: self.state.clone(),
            profile: profile.to_owned(),
            picked,
            server: format!("{} {}", server.banner, server.asterisk_version).trim().to_owned(),
            events: self.link.counters().events,
            link_losses: self.losses,
        }
    }

    fn read(&mut self, hub: &mut Hub) {
        let mut taken = 0;
        while taken < AMI_TURN_BYTES {
            match self.wire.read(self.link.space()) {
                Ok(None) => return,
                Ok(Some(0)) => return self.failed(FaultKind::Closed, hub),
                Ok(Some(count)) => {
                    let now = clock::now();
                    taken += count;
                    self.heard = self.heard.map(|_| now);
                    self.link.filled(count, now.mono);
                    self.drain(hub, now);
                }
                Err(error) => return self.failed(FaultKind::of_error(&error), hub),
            }
        }
    }

    fn send(&mut self, hub: &mut Hub) {
        while !self.link.to_send().is_empty() {
            match self.wire.write(self.link.to_send()) {
                Ok(Some(count)) if count > 0 => self.link.sent(count),
                Ok(_) => return,
                Err(error) => return self.failed(FaultKind::of_error(&error), hub),
            }
        }
    }

    fn failed(&mut self, kind: FaultKind, hub: &mut Hub) {
        let now = clock::now();
        self.wire = Wire::Down;
        self.link.disconnected(kind, now.mono);
        self.drain(hub, now);
    }

    /// Tells the fault unless it was told.
    fn note_fault(&mut self, fault: &LinkFault, wait: Duration, now: Monotonic) {
        self.state = fault.to_string();
        if let Some(line) = self.ports.failed(&fault.kind, &self.state, now) {
            log::warn!("{line} (next attempt in {} s)", wait.as_millis().div_ceil(1000));
        }
    }

    /// Takes everything that the link has to say.
    fn drain(&mut self, hub: &mut Hub, now: Stamp) {
        let mut events = false;
        while let Some(output) = self.link.poll(now.mono) {
            match output {
                Output::Connect => self.wire = Wire::connect(&self.host, self.ports.present()),
                Output::Down { fault, wait } => {
                    self.wire = Wire::Down;
                    self.note_fault(&fault, wait, now.mono);
                    // Attempts that fail while the link is down tell nothing new of the calls.
                    if let Some(heard) = self.heard.take() {
                        self.losses += 1;
                        // A socket that breaks says so at once; one that fell silent was broken since it was last
                        // heard.
                        let silent = matches!(fault.kind, FaultKind::Silent | FaultKind::SlowPeer);
                        hub.link_lost(if silent { heard } else { now });
                        events = true;
                    }
                }
                Output::Live => {
                    hub.link_live();
                    self.state = String::from("connected");
                    if let Some(line) = self.ports.well() {
                        log::info!("{line}");
                    }
                }
                Output::LoggedIn(server) => {
                    self.heard = Some(now);
                    self.ports.found();
                    hub.tracker().learn_version(server.ami_version.as_bytes());
                    log::info!("logged in to {}, {}", self.name, server.banner);
                }
                Output::Server(server) => log::info!("{} runs Asterisk {}", self.name, server.asterisk_version),
                Output::Lacks(lack) => log::warn!("{lack}"),
                Output::PeersEnd | Output::Consumed | Output::Answer { .. } => {}
                other => {
                    tell_tracker(hub.tracker(), &other, now);
                    events = true;
                }
            }
        }
        if events {
            hub.drain(now);
        }
    }
}

/// Hands on what concerns calls.
pub fn tell_tracker(tracker: &mut Tracker, output: &Output<'_>, now: Stamp) {
    match output {
        Output::Event(event) => tracker.handle(event, now),
        Output::SnapshotBegin { .. } => tracker.snapshot_begin(now),
        Output::SnapshotChannel(listed) => tracker.snapshot_channel(listed, now),
        Output::SnapshotEnd { complete } => tracker.snapshot_end(*complete, now),
        Output::Restarted => tracker.pbx_restarted(now),
        Output::Peer { technology, name, purpose, .. } => tracker.learn_peer(technology, name, *purpose),
        _ => {}
    }
}
