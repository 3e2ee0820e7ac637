//! The daemon: the thin shell around the engines.
//!
//! One thread runs everything here (tokio's current_thread runtime): the socket of the PBX, timers, signals, the status
//! socket. Whatever could wait, for flash, DNS, TLS or a portal, is behind a channel on a thread of its own. Decides
//! nothing: [`hub`] ties the engines together and hands its work in at [`desks`], `pbx` drives the link, [`image`] is
//! what outlives a kill.

mod clockwatch;
pub mod desks;
pub mod hub;
pub mod image;
mod pbx;
mod ports;
mod reload;
pub mod restraint;
mod start;
mod wire;

pub use pbx::tell_tracker;
pub use reload::Origin;
pub use start::{StartError, name_of, ports, start, tag_of};

use crate::clock;
use crate::config::Config;
use crate::deliver::job::Report;
use crate::inbox::Asked;
use crate::journal::thread::Reply;
use crate::limits::{CLOSE_TIMEOUT, STATUS_CLIENTS, STATUS_JOURNAL_TIMEOUT};
use crate::mirror::Progress;
use crate::status;
use core::time::Duration;
use hub::Hub;
use pbx::Pbx;
use reload::{Kept, Next, Reload};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// The loop looks around this often when nothing is due.
const IDLE_WAKE: Duration = Duration::from_secs(3600);
/// The loop never sleeps shorter than this.
const SHORTEST_WAKE: Duration = Duration::from_millis(2);

/// A daemon, ready to run.
pub struct Daemon {
    pbx: Pbx,
    hub: Hub,
    reports: mpsc::Receiver<(usize, Report)>,
    replies: mpsc::Receiver<Reply>,
    mirrored: Option<watch::Receiver<Progress>>,
    listener: Option<UnixListener>,
    asked: mpsc::Receiver<Asked>,
    clients: Vec<(UnixStream, Instant)>,
    started: Instant,
    config: Config,
    /// None: a reload is refused.
    origin: Option<Origin>,
    reload: Reload,
}

/// The signals that the daemon knows. Made before anything that takes time: a signal that comes earlier ends the
/// process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    kick: Signal,
    reload: Signal,
}

impl Signals {
    /// Takes them over, for the rest of the process's life. Call it inside the runtime.
    ///
    /// # Errors
    /// When the system gives no signal handlers.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            kick: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told to end, as [`Daemon::run`] is.
    async fn ended(&mut self, stop: &mut mpsc::Receiver<()>) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = stop.recv() => {}
        }
    }
}

impl Daemon {
    /// Has SIGHUP read the configuration anew from where it came from.
    pub fn read_from(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Runs until it is told to end by SIGTERM or SIGINT, or `stop` is dropped or sent to. SIGUSR1 tries everything
    /// that waits for a portal now, but for what waits by the portal's own request limit. SIGHUP reads the
    /// configuration anew (see `reload`).
    ///
    /// # Errors
    /// When a daemon cannot be started again with the configuration that it ran with before.
    pub async fn run(mut self, mut signals: Signals, mut stop: mpsc::Receiver<()>) -> std::io::Result<()> {
        while let Some(next) = self.follow(&mut signals, &mut stop).await {
            let Some(daemon) = self.go_on(next, signals.ended(&mut stop)).await? else {
                log::info!("ending in the middle of a reload");
                return Ok(());
            };
            self = daemon;
        }
        log::info!("ending");
        self.end().await;
        Ok(())
    }

    /// Works until it has to end, or to go on with another configuration.
    async fn follow(&mut self, signals: &mut Signals, stop: &mut mpsc::Receiver<()>) -> Option<Next> {
        loop {
            let now = clock::now();
            self.pbx.turn(&mut self.hub);
            self.hub.pump(now);
            if !self.reload.is_due() {
                self.hub.work();
            } else if self.hub.rest(self.reload.is_late()) {
                return self.reload.take();
            } else if self.reload.tell_late(|| self.hub.under_way()) {
                continue;
            }
            let wake = self.wake();
            tokio::select! {
                signal = self.pbx.signal() => self.pbx.take_signal(signal, &mut self.hub),
                Some((crm, report)) = self.reports.recv() => self.hub.reported(crm, report, clock::now()),
                Some(reply) = self.replies.recv() => {
                    if self.hub.journal_said(reply, clock::now()) {
                        self.answer_clients().await;
                    }
                }
                () = changed(&mut self.mirrored) => {}
                client = accept(self.listener.as_ref()) => self.take_client(client),
                Some(asked) = self.asked.recv() => self.hub.asked(asked),
                () = sleep_until(wake) => self.answer_late_clients().await,
                _ = signals.kick.recv() => self.hub.kick(clock::now().mono),
                _ = signals.reload.recv() => self.reload.begin(self.origin.as_ref()),
                () = self.reload.finished() => {}
                _ = signals.terminate.recv() => return None,
                _ = signals.interrupt.recv() => return None,
                _ = stop.recv() => return None,
            }
        }
    }

    /// The moment at which something becomes due by itself.
    fn wake(&self) -> Instant {
        let now = clock::now().mono;
        let due = self.hub.poll_timeout().into_iter().chain(self.pbx.poll_timeout()).min();
        // What is due now has just been done: a moment that has passed must not make the loop spin.
        let due = due.map_or(IDLE_WAKE, |due| due.since(now).max(SHORTEST_WAKE));
        let client = self.clients.first().map(|(_, deadline)| *deadline);
        let others = client.into_iter().chain(self.reload.poll_timeout());
        others.fold(Instant::now() + due, Instant::min)
    }

    fn take_client(&mut self, client: UnixStream) {
        if self.clients.len() < STATUS_CLIENTS {
            self.clients.push((client, Instant::now() + STATUS_JOURNAL_TIMEOUT));
            self.hub.ask_stats();
        }
    }

    async fn answer_late_clients(&mut self) {
        if self.clients.first().is_some_and(|(_, deadline)| *deadline <= Instant::now()) {
            self.answer_clients().await;
        }
    }

    async fn answer_clients(&mut self) {
        let report = self.report();
        for (client, _) in self.clients.drain(..) {
            status::answer(client, &report).await;
        }
    }

    fn report(&self) -> status::Report {
        status::Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_secs: self.started.elapsed().as_secs(),
            memory_peak_kib: status::memory_peak_kib(),
            pbx: self.pbx.report(&self.hub),
            live_calls: self.hub.live_calls(),
            journal: self.hub.journal_report(clock::now().mono),
            crm: self.hub.crm_reports(clock::now().mono),
            mirror: self.hub.is_mirrored(),
            clock: self.hub.clock_fault(clock::now()),
            reload: if self.reload.is_due() { self.hub.under_way() } else { String::new() },
        }
    }

    /// Writes down what must outlive the process. Requests that are under way are looked up by the next one.
    async fn end(mut self) -> Kept {
        let closed = async {
            while !self.hub.close(clock::now()) {
                let Some(reply) = self.replies.recv().await else { return };
                self.hub.journal_said(reply, clock::now());
            }
            while let Some(reply) = self.replies.recv().await {
                if matches!(reply, Reply::Closed) {
                    return;
                }
                self.hub.journal_said(reply, clock::now());
            }
        };
        if timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            log::error!("the journal did not end in time; what it had not synced is on the mirror");
        }
        let (tracker, saved) = self.hub.leave(clock::now());
        Kept { followed: Some((self.pbx, tracker)), saved, listener: self.listener }
    }
}

async fn changed(mirrored: &mut Option<watch::Receiver<Progress>>) {
    if let Some(receiver) = mirrored {
        if receiver.changed().await.is_ok() {
            return;
        }
        *mirrored = None;
    }
    std::future::pending().await
}

/// The next client; one that could not be accepted is its own affair, and a shortage of descriptors passes.
async fn accept(listener: Option<&UnixListener>) -> UnixStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}
