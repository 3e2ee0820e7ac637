//! The agent under test: the real `ringpost` as its own process, with its own configuration.
//!
//! Everything it writes lies in two directories that go with it: one on disk (configuration, journal, log) and one on
//! tmpfs (state), as on a router. It may be killed and started again on the same directories. Its log is kept over all
//! its lives and must never hold a secret.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Trouble, secs, wait_until};

/// How long the agent may take to log in, on a machine that is busy with a dozen Asterisks.
const LOGGED_IN: Duration = Duration::from_secs(30);
/// How long it may take to end.
const END: Duration = Duration::from_secs(20);
/// State of processes that a reboot clears.
const TMPFS: &str = "/dev/shm";

static MADE: AtomicU32 = AtomicU32::new(0);

/// What to write into the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the PBX, or of a cable to it.
    pub host: String,
    /// AMI account.
    pub username: String,
    /// Its secret.
    pub secret: String,
    /// The webhook's address.
    pub webhook: String,
    /// Its secret part, which no log may hold.
    pub webhook_secret: String,
    /// The portal's CA.
    pub ca_file: PathBuf,
    /// Where the PBX's recordings lie for us.
    pub recordings: PathBuf,
    /// Environment of the process.
    pub environment: Vec<(String, String)>,
    /// Program and arguments that `ringpost run` is started by; empty: by itself. It must become ringpost (`exec`).
    pub launcher: Vec<OsString>,
}

/// A `ringpost` with its configuration. Its process ends when this is dropped.
pub struct Agent {
    settings: Settings,
    dir: PathBuf,
    state: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Agent {
    /// Writes the configuration; nothing runs yet.
    ///
    /// # Errors
    /// The directories cannot be written.
    pub fn new(settings: Settings) -> Result<Agent, Trouble> {
        let name = format!("ringpost-agent-{}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(&name);
        let state = Path::new(TMPFS).join(&name);
        for new in [&dir, &state] {
            // Left over from an earlier process of this number.
            let _ = fs::remove_dir_all(new);
            fs::create_dir_all(new)?;
        }
        let agent = Agent { settings, dir, state, child: Mutex::default() };
        agent.write_config()?;
        Ok(agent)
    }

    /// Only what has no default: host, user and secret are all that the PBX's table gets.
    fn write_config(&self) -> io::Result<()> {
        let Settings { host, username, secret, webhook, ca_file, recordings, .. } = &self.settings;
        let text = format!(
            "[pbx]\nhost = {host:?}\nusername = {username:?}\nsecret = {secret:?}\n\n\
             [[crm]]\nkind = \"bitrix24\"\nwebhook = {webhook:?}\ndefault_user = 1\nca_file = {ca_file:?}\n\n\
             [recordings]\nsource = \"path:{}\"\n\n\
             [journal]\npath = {:?}\n\n[run]\nstate_dir = {:?}\n\n[log]\nlevel = \"debug\"\n",
            recordings.display(),
            self.dir.join("journal"),
            self.state,
        );
        fs::write(self.config(), text)
    }

    /// Changes what it is told, from its next start on.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), Trouble> {
        change(&mut self.settings);
        Ok(self.write_config()?)
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.dir.join("ringpost.toml")
    }

    /// A directory of its own, for a test's files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts the process and returns at once.
    ///
    /// # Errors
    /// It runs already, or there is no binary.
    pub fn start(&self) -> Result<(), Trouble> {
        let mut child = self.child();
        if child.is_some() {
            return Err(io::Error::other("the agent runs already").into());
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let started = self
            .command_by(&self.settings.launcher, &["run"])?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        *child = Some(started);
        Ok(())
    }

    /// Starts the process and waits until it is logged in and in step with the PBX.
    ///
    /// # Errors
    /// It ended, or did not get there in time.
    pub fn start_live(&self) -> Result<(), Trouble> {
        self.start()?;
        self.await_live()
    }

    /// Waits until it is logged in and in step with the PBX.
    ///
    /// # Errors
    /// As [`Agent::start_live`].
    pub fn await_live(&self) -> Result<(), Trouble> {
        self.await_status("the agent is connected", LOGGED_IN, |status| status["pbx"]["live"] == true).map(drop)
    }

    /// Waits until its report is as wanted, and gives it.
    ///
    /// # Errors
    /// [`Trouble::Deadline`], or the process ended.
    pub fn await_status(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Trouble> {
        wait_until(what, patience, || match self.status() {
            Some(status) if wanted(&status) => Some(Ok(status)),
            _ if self.is_running() => None,
            _ => Some(Err(Trouble::Gone)),
        })?
    }

    /// Whether the process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends it as the kernel does when memory is short, or a power cut without the flash's share.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self) -> Result<(), Trouble> {
        let mut child = self.child().take().ok_or(Trouble::Gone)?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Stops it as a service manager does, and gives its exit code.
    ///
    /// # Errors
    /// It does not run, or does not end in time.
    pub fn terminate(&self) -> Result<Option<i32>, Trouble> {
        let mut child = self.child().take().ok_or(Trouble::Gone)?;
        kill_process(Pid::from_child(&child), Signal::TERM).map_err(io::Error::from)?;
        let ended = wait_until("the agent ends", END, || child.try_wait().ok().flatten());
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(ended?.code())
    }

    /// Has it read its file again, and waits until it goes on with it.
    ///
    /// # Errors
    /// It does not run, or does not go on in time.
    pub fn reload(&self) -> Result<(), Trouble> {
        let gone_on = || self.log().matches("going on with the new configuration").count();
        let before = gone_on();
        let pid = self.child().as_ref().map(Pid::from_child).ok_or(Trouble::Gone)?;
        kill_process(pid, Signal::HUP).map_err(io::Error::from)?;
        wait_until("the agent goes on with its file", END, || (gone_on() > before).then_some(()))
    }

    /// `ringpost status --json`; none while there is nobody to answer.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let output = self.ask(&["status", "--json"]).ok()?;
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten()
    }

    /// `ringpost calls --json`, in the order in which it prints them.
    ///
    /// # Errors
    /// The command failed, or a line is not JSON.
    pub fn calls(&self) -> Result<Vec<Value>, Trouble> {
        let output = self.ask(&["calls", "--json"])?;
        if !output.status.success() {
            return Err(Trouble::Script(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        lines(&output.stdout)
    }

    /// `ringpost replay --json` of a transcript, without a configuration.
    ///
    /// # Errors
    /// The command failed, or a line is not JSON.
    pub fn replay(&self, transcript: &Path) -> Result<Vec<Value>, Trouble> {
        let output =
            Command::new(binary()?).args(["replay", "--json"]).arg(transcript).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(Trouble::Script(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        lines(&output.stdout)
    }

    /// Runs a command of `ringpost` with this configuration to its end.
    ///
    /// # Errors
    /// There is no binary.
    pub fn ask(&self, arguments: &[&str]) -> Result<Output, Trouble> {
        Ok(self.command(arguments)?.stdin(Stdio::null()).output()?)
    }

    /// A command of `ringpost` with this configuration, to be started by the test.
    ///
    /// # Errors
    /// There is no binary.
    pub fn command(&self, arguments: &[&str]) -> Result<Command, Trouble> {
        self.command_by(&[], arguments)
    }

    fn command_by(&self, launcher: &[OsString], arguments: &[&str]) -> Result<Command, Trouble> {
        let words: Vec<OsString> = launcher.iter().cloned().chain([binary()?.into()]).collect();
        let mut command = Command::new(words.first().ok_or(Trouble::Gone)?);
        command.args(words.iter().skip(1)).arg("-c").arg(self.config()).args(arguments);
        command.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Where its status socket is.
    #[must_use]
    pub fn status_socket(&self) -> PathBuf {
        self.state.join("status.sock")
    }

    /// The file of its journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal/ring")
    }

    /// All that it logged in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The first secret that `text` holds, if any.
    #[must_use]
    pub fn secret_in(&self, text: &str) -> Option<&'static str> {
        let Settings { secret, webhook_secret, .. } = &self.settings;
        if text.contains(secret.as_str()) {
            return Some("the AMI secret");
        }
        text.contains(webhook_secret.as_str()).then_some("the webhook's secret")
    }

    /// Resident memory in KiB; none while it does not run.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        let pid = self.child().as_ref()?.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.kill();
        for dir in [&self.dir, &self.state] {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Every line of `bytes` as JSON.
///
/// # Errors
/// A line is not JSON.
pub fn lines(bytes: &[u8]) -> Result<Vec<Value>, Trouble> {
    let text = String::from_utf8_lossy(bytes);
    let parse = |line| serde_json::from_str(line).map_err(|error| io::Error::other(error).into());
    text.lines().map(parse).collect()
}

/// The binary under test: `RINGPOST_BIN`, else the newest build beside this test.
fn binary() -> Result<PathBuf, Trouble> {
    if let Some(named) = env::var_os("RINGPOST_BIN") {
        return Ok(named.into());
    }
    let test = env::current_exe()?;
    // target/debug/deps/scenarios-0123abcd
    let target = test.ancestors().nth(3).ok_or_else(|| io::Error::other("this test lies in no target directory"))?;
    let built = ["release", "debug"].map(|profile| target.join(profile).join("ringpost"));
    let newest = built.iter().filter_map(|path| Some((modified(path)?, path))).max();
    newest.map(|(_, path)| path.clone()).ok_or_else(|| {
        let text = format!("no ringpost in {}: cargo build --release first, or set RINGPOST_BIN", target.display());
        io::Error::other(text).into()
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    File::open(path).ok()?.metadata().ok()?.modified().ok()
}

/// Ends a command that runs until somebody ends it. By SIGTERM: what a background job starts ignores Ctrl-C's SIGINT,
/// and so would the command where the tests run in one. It handles neither, so both do the same.
///
/// # Errors
/// It did not end.
pub fn terminate(child: &mut Child) -> Result<(), Trouble> {
    kill_process(Pid::from_child(child), Signal::TERM).map_err(io::Error::from)?;
    wait_until("the command ends", secs(10.0), || child.try_wait().ok().flatten()).map(drop)
}
