//! The real `ringpost` as a process of its own, with a directory of its own, and what can be seen of it from outside.

use pbx::{Pbx, SECRET, USERNAME};
use portal::Portal;
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_ringpost");

/// A directory that goes with its test.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("ringpost-bad-{}-{number}", std::process::id()));
        fs::create_dir_all(directory.join("journal")).expect("a directory for the test");
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A configuration for a PBX at `pbx`; without a portal the CRM is a port where nobody listens.
    pub fn configure(&self, pbx: SocketAddr, portal: Option<&Portal>) {
        let mut text = format!(
            "[pbx]\nname = \"office\"\nhost = \"{}\"\nport = {}\nusername = \"{USERNAME}\"\nsecret = \"{SECRET}\"\n",
            pbx.ip(),
            pbx.port()
        );
        let directory = self.0.display();
        let webhook = portal.map_or("https://127.0.0.1:9/rest/1/s3cr3t/", Portal::webhook_url);
        let _ = write!(text, "[journal]\npath = \"{directory}/journal\"\n[run]\nstate_dir = \"{directory}/run\"\n");
        let _ = write!(text, "[[crm]]\nkind = \"bitrix24\"\ndefault_user = 1\nwebhook = \"{webhook}\"\n");
        if let Some(portal) = portal {
            let _ = writeln!(text, "ca_file = \"{}\"", portal.ca_file().display());
        }
        self.write_config(&text);
    }

    pub fn write_config(&self, text: &str) {
        fs::write(self.config(), text).expect("the configuration is written");
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("ringpost.toml")
    }

    /// Runs another command of the binary to its end.
    pub fn command(&self, command: &str) -> Output {
        self.ask(&[command])
    }

    /// The same with arguments.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.words(arguments).output().expect("ringpost runs")
    }

    /// The same, to be started by the test.
    pub fn words(&self, arguments: &[&str]) -> Command {
        let mut words = Command::new(BINARY);
        words.arg("-c").arg(self.config()).args(arguments).stdin(Stdio::null());
        words
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One whose place was given back has none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `ringpost run`.
pub struct Agent {
    pub place: Place,
    child: Child,
}

impl Agent {
    pub fn run(place: Place) -> Self {
        Self::run_in_boot(place, None)
    }

    /// On flash whose every sync takes so long.
    pub fn run_on_slow_flash(place: Place, sync: Duration) -> Self {
        Self::run_with(place, &[("RINGPOST_TEST_SLOW_SYNC_MS", &sync.as_millis().to_string())])
    }

    /// As if the machine had been started anew, or were another one: `boot` is the kernel's identity of a boot.
    pub fn run_in_boot(place: Place, boot: Option<&str>) -> Self {
        let boot: Vec<(&str, &str)> = boot.map(|boot| ("RINGPOST_TEST_BOOT_ID", boot)).into_iter().collect();
        Self::run_with(place, &boot)
    }

    fn run_with(place: Place, variables: &[(&str, &str)]) -> Self {
        let log = File::create(place.path().join("log")).expect("a log file");
        let mut command = Command::new(BINARY);
        command.envs(variables.iter().copied());
        command.arg("-c").arg(place.config()).arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("ringpost starts");
        Self { place, child }
    }

    /// Beside a PBX in the given state, with a portal or without.
    pub fn beside(pbx: &Pbx, portal: Option<&Portal>) -> Self {
        let place = Place::new();
        place.configure(pbx.address(), portal);
        Self::run(place)
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.place.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// How often the log tells it.
    pub fn times(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits for a line of the log that holds `text`, and gives it back.
    pub fn wait_log(&mut self, text: &str, deadline: Duration) -> String {
        self.wait(&format!("\"{text}\" in the log"), deadline, |agent| {
            agent.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// Waits until `status --json` satisfies `condition`, and gives the report back.
    pub fn wait_status(
        &mut self,
        what: &str,
        deadline: Duration,
        condition: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        self.wait(what, deadline, |agent| agent.status().filter(&condition))
    }

    fn status(&self) -> Option<serde_json::Value> {
        let path = ringpost::status::socket_path(&self.place.path().join("run"));
        serde_json::from_str(&ringpost::status::ask(&path).ok()?.json).ok()
    }

    /// Asks every tenth of a second; fails when the agent is gone or the deadline is over.
    pub fn wait<T>(&mut self, what: &str, deadline: Duration, mut ready: impl FnMut(&Self) -> Option<T>) -> T {
        let until = Instant::now() + deadline;
        loop {
            if let Some(value) = ready(self) {
                return value;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "ringpost ended ({ended:?}) before {what}:\n{}", self.log());
            assert!(Instant::now() < until, "no {what} within {deadline:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits for the end of the process; its exit code.
    pub fn wait_end(&mut self, deadline: Duration) -> Option<i32> {
        let until = Instant::now() + deadline;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("still running after {deadline:?}:\n{}", self.log());
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Ends it as the service does, and gives its place back.
    pub fn stop(mut self) -> Place {
        self.signal(Signal::TERM);
        assert_eq!(self.wait_end(Duration::from_secs(20)), Some(0), "{}", self.log());
        core::mem::replace(&mut self.place, Place(PathBuf::new()))
    }

    /// Kills it in the middle of whatever it does, and gives its place back.
    pub fn killed(mut self) -> Place {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
        core::mem::replace(&mut self.place, Place(PathBuf::new()))
    }

    /// Asserts that it runs, that no thread of it can get more rights, and that its memory of its own was never beyond
    /// `kib`: what it holds now, and the peak less the program's own text.
    pub fn assert_well(&mut self, kib: u64) {
        assert!(self.child.try_wait().expect("a child").is_none(), "ringpost ended:\n{}", self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the kernel's account");
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads") {
            let thread = fs::read_to_string(task.expect("a thread").path().join("status")).unwrap_or_default();
            // One that has ended meanwhile says nothing.
            assert!(thread.is_empty() || thread.contains("NoNewPrivs:\t1\n"), "{thread}");
        }
        let of = |key: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line of the account");
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
        };
        let peak = of("VmHWM:").saturating_sub(of("RssFile:"));
        assert!(peak <= kib, "{peak} KiB at the peak, {kib} allowed\n{status}");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
