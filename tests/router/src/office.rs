//! What the power cut does not reach: the PBX, whose calls go on, the portal, which remembers, and who plays with both.
//!
//! Calls are played one after another by two players, each call with identities of its own, and the portal has its
//! whims: it goes down, comes back, cuts requests and answers. Both can be told to rest.

use crate::trouble::Trouble;
use pbx::{Pbx, SECRET, Transcript, USERNAME};
use portal::{Fault, Portal, PortalConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The host's loopback as the virtual machine sees it.
const HOST: &str = "10.0.2.2";
const REST: Duration = Duration::from_millis(50);

/// A call as it can be played over and over: a transcript and what is its own in it.
struct Scene {
    transcript: Transcript,
    prefix: &'static str,
    linked: &'static str,
    bridge: &'static str,
}

impl Scene {
    fn read(name: &str, prefix: &'static str, linked: &'static str, bridge: &'static str) -> Result<Self, Trouble> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transcripts/22.10.1");
        let transcript = Transcript::read(&folder.join(name).with_extension("txt"))?;
        Ok(Self { transcript, prefix, linked, bridge })
    }

    /// The call with this number, and its identity at the portal.
    fn call(&self, number: usize) -> (Transcript, String) {
        let own = format!("{}.", 1_795_300_000 + number);
        let call = self.transcript.renamed(self.prefix, &own).renamed("79161234567", &format!("7916{number:07}"));
        let call = call.renamed("-0000000", &format!("-{number:07x}")).renamed(self.bridge, &format!("{number:08x}"));
        (call, format!("office-{own}{}", self.linked))
    }
}

/// PBX and portal.
pub struct Office {
    pbx: Pbx,
    portal: Portal,
    answered: Scene,
    missed: Scene,
    next: AtomicUsize,
    played: Mutex<BTreeSet<String>>,
    playing: AtomicBool,
    whimsical: AtomicBool,
    closed: AtomicBool,
}

impl Office {
    /// Opens one, with players and whims by this seed.
    pub fn open(seed: u64) -> Result<Arc<Self>, Trouble> {
        let config =
            PortalConfig { host: HOST.into(), rate_limit: None, operating_limit: None, ..PortalConfig::default() };
        let office = Arc::new(Self {
            pbx: Pbx::start(),
            portal: Portal::start(config)?,
            answered: Scene::read("inbound-answered", "1795293703.", "0", "6de46e42")?,
            missed: Scene::read("inbound-noanswer", "1795292171.", "6", "no bridge")?,
            next: AtomicUsize::new(0),
            played: Mutex::default(),
            playing: AtomicBool::new(false),
            whimsical: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let mut random = fastrand::Rng::with_seed(seed);
        for answered in [true, false] {
            let (office, random) = (Arc::clone(&office), random.fork());
            thread::spawn(move || office.play_on(answered, random));
        }
        let moody = Arc::clone(&office);
        thread::spawn(move || moody.have_whims(random));
        Ok(office)
    }

    /// The configuration of ringpost, but for what it keeps on the router: `[pbx]` and then `[[crm]]`, which trusts
    /// `ca_file`.
    pub fn config(&self, ca_file: &str) -> String {
        let (port, webhook) = (self.pbx.address().port(), self.portal.webhook_url());
        format!(
            "[pbx]\nname = \"office\"\nhost = \"{HOST}\"\nport = {port}\nusername = \"{USERNAME}\"\nsecret = \"{SECRET}\"\n\
             [[crm]]\nkind = \"bitrix24\"\ndefault_user = 1\nwebhook = \"{webhook}\"\nca_file = \"{ca_file}\"\n"
        )
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> &str {
        self.portal.ca_pem()
    }

    /// The PBX.
    pub fn pbx(&self) -> &Pbx {
        &self.pbx
    }

    /// The portal is away until [`Self::open_portal`].
    pub fn close_portal(&self) {
        self.portal.go_down();
    }

    /// The portal is there again.
    pub fn open_portal(&self) -> Result<(), Trouble> {
        Ok(self.portal.come_up()?)
    }

    /// Calls come or do not.
    pub fn set_playing(&self, playing: bool) {
        self.playing.store(playing, Ordering::SeqCst);
    }

    /// The portal has whims, or is well from the next moment on.
    pub fn set_whimsical(&self, whimsical: bool) {
        self.whimsical.store(whimsical, Ordering::SeqCst);
    }

    /// No more calls and whims, for ever.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Plays one call now, so much faster than it was; its identity.
    pub fn play(&self, answered: bool, speed: f64) -> String {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let scene = if answered { &self.answered } else { &self.missed };
        let (call, id) = scene.call(number);
        self.played.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.pbx.play(&call, speed);
        id
    }

    /// Every call that was played.
    pub fn played(&self) -> BTreeSet<String> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the portal holds each call.
    pub fn delivered(&self) -> BTreeMap<String, usize> {
        let mut held = BTreeMap::new();
        for call in self.portal.calls() {
            *held.entry(call.external_call_id().unwrap_or("none").to_owned()).or_default() += 1;
        }
        held
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn play_on(&self, answered: bool, mut random: fastrand::Rng) {
        while !self.is_closed() {
            if self.playing.load(Ordering::SeqCst) {
                self.play(answered, 8.0 + 24.0 * random.f64());
            }
            thread::sleep(REST + Duration::from_millis(random.u64(0..200)));
        }
    }

    fn have_whims(&self, mut random: fastrand::Rng) {
        let mut spoilt = false;
        while !self.is_closed() {
            if self.whimsical.load(Ordering::SeqCst) {
                self.whim(&mut random);
                spoilt = true;
                thread::sleep(Duration::from_millis(random.u64(200..1500)));
            } else {
                if core::mem::take(&mut spoilt) {
                    self.be_well();
                }
                thread::sleep(REST);
            }
        }
        self.be_well();
    }

    fn whim(&self, random: &mut fastrand::Rng) {
        self.portal.clear_faults();
        let times = random.u32(1..4);
        let fault = |fault: Fault| self.portal.fault(fault.times(times));
        match random.u8(0..12) {
            0 => self.portal.go_down(),
            1 => fault(Fault::lost_answer()),
            2 => fault(Fault::lost_request()),
            3 => fault(Fault::half_answer()),
            4 => fault(Fault::internal_error(true)),
            5 => fault(Fault::slow_after(Duration::from_secs(1))),
            6 => fault(Fault::rate_limited()),
            _ => drop(self.portal.come_up()),
        }
    }

    /// Its port was free a moment ago; a portal that stays away fails the comparison.
    fn be_well(&self) {
        self.portal.clear_faults();
        drop(self.portal.come_up());
    }
}
