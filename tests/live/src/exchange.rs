//! The office: started, asked, restarted and ended.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::{Ami, Caller, Cdr, Near, Packet, Plan, Ringing, Trouble, secs, wait_until};

/// The PBX's and the far side's AMI port.
const AMI_PORT: u16 = 5038;
/// How long the two Asterisks may take to start, the first installation of the
/// chroots included.
const UP: Duration = Duration::from_secs(900);
/// How long a new channel may take to show on the far side.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Longest text taken from the script's stderr.
const SAID_BYTES: u64 = 64 * 1024;
/// A call that is begun rings at most this long, in milliseconds.
const RING_MS: &str = "600000";

static MADE: AtomicU32 = AtomicU32::new(0);

/// What the PBX is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Asterisk 22 of Debian sid, everything on PJSIP.
    Asterisk22,
    /// Asterisk 16 of Debian bullseye on PJSIP, 105 and 106 on chan_sip.
    Asterisk16,
    /// Asterisk 16 with trunk and all phones on chan_sip.
    Asterisk16Sip,
}

impl Version {
    /// All of them.
    pub const ALL: [Version; 3] = [Version::Asterisk22, Version::Asterisk16, Version::Asterisk16Sip];

    /// What an extension's channel name begins with, as `PJSIP/101`.
    #[must_use]
    pub fn device(self, extension: &str) -> String {
        let sip = match self {
            Version::Asterisk22 => false,
            Version::Asterisk16 => matches!(extension, "105" | "106"),
            Version::Asterisk16Sip => true,
        };
        format!("{}/{extension}", if sip { "SIP" } else { "PJSIP" })
    }

    fn shared(self) -> &'static OnceLock<Exchange> {
        static SHARED: [OnceLock<Exchange>; 3] = [const { OnceLock::new() }; 3];
        match self {
            Version::Asterisk22 => &SHARED[0],
            Version::Asterisk16 => &SHARED[1],
            Version::Asterisk16Sip => &SHARED[2],
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Asterisk22 => "22",
            Version::Asterisk16 => "16",
            Version::Asterisk16Sip => "16-sip",
        })
    }
}

/// The PBX's manager accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// All ringpost asks for.
    Ringpost,
    /// Without the class `system`, as a Grandstream UCM offers it: no Filter, no
    /// list of PJSIP endpoints.
    NoSystem,
    /// Logs in well and may see no call.
    NoCall,
    /// Without the class `dialplan`: no VarSet, so no recording names.
    NoDialplan,
    /// Refused by its ACL from here.
    Elsewhere,
    /// The tests' own, allowed everything.
    Harness,
}

impl Account {
    /// The user name; the secret of all accounts is [`Exchange::secret`].
    #[must_use]
    pub fn user(self) -> &'static str {
        match self {
            Account::Ringpost => "ringpost",
            Account::NoSystem => "nosystem",
            Account::NoCall => "nocall",
            Account::NoDialplan => "nodialplan",
            Account::Elsewhere => "elsewhere",
            Account::Harness => "harness",
        }
    }
}

/// A running office. It ends, with every process and file, when this is dropped
/// or when the process that made it ends in any way: the script holds on to our
/// end of a pipe.
pub struct Exchange {
    version: Version,
    dir: PathBuf,
    script: Mutex<Child>,
    facts: HashMap<String, String>,
    far: Ami,
    claimed: Mutex<HashSet<String>>,
    callers: AtomicU32,
    starts: AtomicU32,
    /// Place in the far side's log before which nothing concerns the present test.
    begun: AtomicUsize,
}

impl Exchange {
    /// Starts an office of its own, for a test that restarts or kills the PBX.
    ///
    /// # Errors
    /// The script failed, or an Asterisk did not come up.
    pub fn up(version: Version) -> Result<Exchange, Trouble> {
        let dir = std::env::temp_dir().join(format!(
            "ringpost-live-{}-{}",
            process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        ));
        let mut child = script()
            .args(["up", "--attached", "--asterisk", &version.to_string(), "--dir"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let facts = match await_up(&mut child, &dir) {
            Ok(facts) => facts,
            Err(trouble) => {
                end(&mut child, &dir);
                return Err(trouble);
            }
        };
        let known = |key: &str| facts.get(key).cloned().unwrap_or_default();
        let far = Ami::login((&known("FAR"), AMI_PORT), "harness", &known("SECRET"))?;
        Ok(Exchange {
            version,
            dir,
            script: Mutex::new(child),
            facts,
            far,
            claimed: Mutex::default(),
            callers: AtomicU32::new(0),
            starts: AtomicU32::new(0),
            begun: AtomicUsize::new(0),
        })
    }

    /// The office that all tests of this binary share, started at its first use.
    /// Scenarios run in parallel on it when their callers differ.
    ///
    /// # Panics
    /// When it cannot be started: then no test here means anything.
    #[must_use]
    pub fn shared(version: Version) -> &'static Exchange {
        version.shared().get_or_init(|| Exchange::up(version).unwrap_or_else(|trouble| panic!("{trouble}")))
    }

    /// What the PBX is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    fn known(&self, key: &str) -> &str {
        self.facts.get(key).map_or("", String::as_str)
    }

    /// The PBX's address; its AMI listens on the usual port 5038.
    #[must_use]
    pub fn host(&self) -> &str {
        self.known("PBX")
    }

    /// The PBX's AMI port.
    #[must_use]
    pub fn port(&self) -> u16 {
        AMI_PORT
    }

    /// The secret of every manager account, made anew for each exchange.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.known("SECRET")
    }

    /// Where the PBX's recordings lie for us; the PBX itself calls this place
    /// `/var/spool/asterisk/monitor`.
    #[must_use]
    pub fn recordings(&self) -> PathBuf {
        self.dir.join("pbx/spool/monitor")
    }

    /// Where the PBX's voicemail lies for us.
    #[must_use]
    pub fn voicemail(&self) -> PathBuf {
        self.dir.join("pbx/spool/voicemail")
    }

    /// The PBX's log, for a failed test's message.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("pbx/log/full")
    }

    /// The PBX's CDR list so far.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn cdrs(&self) -> Result<Vec<Cdr>, Trouble> {
        let csv = fs::read(self.dir.join("pbx/log/cdr-csv/Master.csv"))?;
        Ok(Cdr::list(&String::from_utf8_lossy(&csv)))
    }

    /// A new connection to the PBX's AMI as the tests' own account.
    ///
    /// # Errors
    /// The PBX is not there.
    pub fn pbx(&self) -> Result<Ami, Trouble> {
        Ami::login((self.host(), AMI_PORT), Account::Harness.user(), self.secret())
    }

    pub(crate) fn far(&self) -> &Ami {
        &self.far
    }

    /// A mobile number that nothing else on this exchange uses. It may call, and it
    /// may be called from a desk phone.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let n = self.callers.fetch_add(1, Ordering::Relaxed) % 10_000_000;
        Caller::new(&format!("7916{n:07}"))
    }

    /// What the phone or mobile `called` does with any call that has no plan of
    /// its own. Without a plan it rings for two seconds and answers.
    ///
    /// # Errors
    /// The far side refused.
    pub fn plan(&self, called: &str, plan: Plan) -> Result<(), Trouble> {
        self.put_plan("any", called, &plan)
    }

    /// What the phone `called` does with this caller's calls.
    ///
    /// # Errors
    /// The far side refused.
    pub fn plan_for(&self, caller: &Caller, called: &str, plan: Plan) -> Result<(), Trouble> {
        self.put_plan(caller.number(), called, &plan)
    }

    /// What the phone `called` does when the colleague at `extension` calls.
    ///
    /// # Errors
    /// The far side refused.
    pub fn plan_inside(&self, extension: &str, called: &str, plan: Plan) -> Result<(), Trouble> {
        self.put_plan(extension, called, &plan)
    }

    fn put_plan(&self, caller: &str, called: &str, plan: &Plan) -> Result<(), Trouble> {
        let family = format!("plan/{caller}");
        let value = plan.to_string();
        self.far.act("DBPut", &[("Family", family.as_str()), ("Key", called), ("Val", value.as_str())]).map(drop)
    }

    /// The carrier brings a call of `caller` to `did`.
    ///
    /// # Errors
    /// The far side refused.
    pub fn inbound(&self, caller: &Caller, did: &str) -> Result<Near<'_>, Trouble> {
        self.originate(&format!("PJSIP/{did}@{}", caller.line()), caller.number())
    }

    /// The desk phone `extension` dials `number`.
    ///
    /// # Errors
    /// The far side refused.
    pub fn dial(&self, extension: &str, number: &str) -> Result<Near<'_>, Trouble> {
        self.originate(&format!("PJSIP/{number}@phone-{extension}"), extension)
    }

    fn originate(&self, channel: &str, caller: &str) -> Result<Near<'_>, Trouble> {
        let id = format!("live-{}-{}", process::id(), self.starts.fetch_add(1, Ordering::Relaxed));
        let caller = format!("<{caller}>");
        let since = self.far.now();
        self.far.act(
            "Originate",
            &[
                ("Channel", channel),
                ("CallerID", &caller),
                ("ChannelId", &id),
                ("Context", "talk"),
                ("Exten", "s"),
                ("Priority", "1"),
                ("Timeout", RING_MS),
                ("Async", "true"),
            ],
        )?;
        let arrival = self.far.await_packet(&format!("{channel} begins"), since, ARRIVAL, |packet| {
            packet.is("Newchannel") && packet.field("Uniqueid") == id
        })?;
        Ok(Near::new(self, &arrival, since))
    }

    /// Waits until the phone or mobile `called` is called by `caller` (a number, an
    /// extension, or `anonymous`), and takes that call into the hand. Every call is
    /// given out once.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn ringing(&self, called: &str, caller: &str, patience: Duration) -> Result<Ringing<'_>, Trouble> {
        let what = format!("{called} is called by {caller}");
        let arrival = self.far.await_packet(&what, self.begun(), patience, |packet| {
            is_arrival(packet, called) && packet.field("Caller") == caller && self.claim(packet.field("Uniqueid"))
        })?;
        Ok(Ringing::new(self, &arrival, 0))
    }

    /// Waits until the mobile `number` is called through the trunk by anybody.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn mobile_ringing(&self, number: &str, patience: Duration) -> Result<Ringing<'_>, Trouble> {
        self.ringing_by_anybody(number, patience)
    }

    /// The PBX's channel to the caller who shows `number`.
    ///
    /// # Errors
    /// There is none.
    pub fn channel_of(&self, number: &str) -> Result<String, Trouble> {
        let pbx = self.pbx()?;
        let since = pbx.now();
        pbx.act("CoreShowChannels", &[])?;
        let found = pbx.await_packet(&format!("a channel of {number}"), since, secs(5.0), |packet| {
            packet.is("CoreShowChannel") && packet.field("CallerIDNum") == number
        })?;
        Ok(found.field("Channel").to_owned())
    }

    /// Waits until the phone or mobile `called` is called, whatever number it is shown.
    ///
    /// # Errors
    /// [`Trouble::Deadline`].
    pub fn ringing_by_anybody(&self, called: &str, patience: Duration) -> Result<Ringing<'_>, Trouble> {
        let what = format!("{called} is called");
        let arrival = self.far.await_packet(&what, self.begun(), patience, |packet| {
            is_arrival(packet, called) && self.claim(packet.field("Uniqueid"))
        })?;
        Ok(Ringing::new(self, &arrival, 0))
    }

    /// From here on only what is new concerns anybody: another test begins.
    pub(crate) fn begin_anew(&self) {
        self.begun.store(self.far.now(), Ordering::Relaxed);
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    fn claim(&self, unique_id: &str) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(unique_id.to_owned())
    }

    /// Ends the PBX as a power cut does.
    ///
    /// # Errors
    /// The script failed.
    pub fn kill_pbx(&self) -> Result<(), Trouble> {
        self.ask(&["pbx", "kill"])
    }

    /// Stops the PBX at once but cleanly: calls are hung up. AMI clients mostly
    /// get a `Shutdown` event before the connection ends, but not always.
    ///
    /// # Errors
    /// The script failed.
    pub fn stop_pbx(&self) -> Result<(), Trouble> {
        self.ask(&["pbx", "stop"])
    }

    /// Starts the PBX again on the same address; returns when its AMI and all
    /// phones are back.
    ///
    /// # Errors
    /// The script failed.
    pub fn start_pbx(&self) -> Result<(), Trouble> {
        self.ask(&["pbx", "start"])
    }

    fn ask(&self, arguments: &[&str]) -> Result<(), Trouble> {
        let output = script().args(arguments).arg("--dir").arg(&self.dir).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(Trouble::Script(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn script(&self) -> MutexGuard<'_, Child> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        end(&mut self.script(), &self.dir);
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../exchange"))
}

/// Waits until the script says that the office is up, and reads what it says.
fn await_up(child: &mut Child, dir: &Path) -> Result<HashMap<String, String>, Trouble> {
    let facts = dir.join("exchange.env");
    wait_until("the exchange is up", UP, || {
        if let Ok(text) = fs::read_to_string(&facts) {
            return Some(Ok(of_env(&text)));
        }
        match child.try_wait() {
            Ok(None) => None,
            Ok(Some(_)) => Some(Err(Trouble::Script(said(child)))),
            Err(error) => Some(Err(Trouble::Io(error))),
        }
    })?
}

fn of_env(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn said(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(SAID_BYTES).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Closes the script's input, which tells it to end everything, and waits; clears
/// up behind a script that was itself ended.
fn end(child: &mut Child, dir: &Path) {
    drop(child.stdin.take());
    let status = wait_until("the exchange is down", secs(20.0), || child.try_wait().ok().flatten());
    if matches!(&status, Ok(status) if status.success()) && !dir.exists() {
        return;
    }
    eprintln!("the exchange in {} did not end by itself: {status:?}", dir.display());
    let _ = child.kill();
    let _ = child.wait();
    let _ = script().args(["down", "--dir"]).arg(dir).stdin(Stdio::null()).output();
}

/// Whether the far side says with this packet that the PBX calls `called`.
fn is_arrival(packet: &Packet, called: &str) -> bool {
    packet.is("UserEvent") && packet.field("UserEvent") == "Called" && packet.field("Called") == called
}
