//! The binary that ships, as a process with a directory on tmpfs, and what the kernel says of its memory.

use pbx::{Pbx, SECRET, USERNAME};
use portal::Portal;
use ringpost::status;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The release binary, built if need be: this bench's own profile is not the one that ships. What ships is static, with
/// musl; `is_static` comes as near to it as a machine without that target can, with the host's own C library.
pub fn binary(is_static: bool) -> PathBuf {
    if let Some(given) = std::env::var_os("RINGPOST") {
        return given.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--quiet", "--bin", "ringpost"]);
    let (target, place) = if is_static {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        build.args(["--target", &triple]).env("RUSTFLAGS", "-C target-feature=+crt-static");
        (target.join("static"), format!("{triple}/release/ringpost"))
    } else {
        (target, "release/ringpost".to_owned())
    };
    let built = build.arg("--target-dir").arg(&target).current_dir(root).status().expect("cargo runs");
    assert!(built.success(), "the release build failed");
    target.join(place)
}

/// `ringpost run`, ended when dropped.
pub struct Agent {
    child: Child,
    pub directory: PathBuf,
}

impl Agent {
    /// Starts one between `pbx` and `portal`; recordings are looked for in its directory's `monitor`.
    pub fn start(binary: &Path, pbx: &Pbx, portal: &Portal) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tmpfs = Path::new("/dev/shm");
        let root = if tmpfs.is_dir() { tmpfs.to_owned() } else { std::env::temp_dir() };
        let directory = root.join(format!("ringpost-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(directory.join("monitor")).expect("a directory");
        let file = directory.join("ringpost.toml");
        fs::write(&file, configuration(pbx, portal, &directory)).expect("the configuration is written");
        let log = fs::File::create(directory.join("log")).expect("a log");
        let mut command = Command::new(binary);
        command.arg("-c").arg(&file).args(["run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self { child: command.spawn().expect("ringpost starts"), directory }
    }

    /// What the kernel says of its memory.
    pub fn memory(&self) -> Memory {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the agent runs");
        let of = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        Memory {
            resident: of("VmRSS:"),
            anonymous: of("RssAnon:"),
            file: of("RssFile:"),
            peak: of("VmHWM:"),
            threads: of("Threads:"),
        }
    }

    /// Starts the peak anew from what is resident now.
    pub fn reset_peak(&self) {
        // Older kernels do not have it: then the peak is the one since the start.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    /// What it says of itself.
    pub fn report(&self) -> Option<Value> {
        serde_json::from_str(&status::ask(&status::socket_path(&self.directory.join("run"))).ok()?.json).ok()
    }

    /// Waits until its report satisfies `condition`.
    pub fn wait(&self, what: &str, deadline: Duration, condition: impl Fn(&Value) -> bool) {
        let until = Instant::now() + deadline;
        while !self.report().is_some_and(|report| condition(&report)) {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "{what}: not within {deadline:?}; {:?}\n{log}", self.report());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// All of it.
    pub resident: u64,
    /// The part that is the process's own: heap and stacks.
    pub anonymous: u64,
    /// Pages of the program and of libraries, which the kernel can drop and read again.
    pub file: u64,
    /// The most that was ever resident.
    pub peak: u64,
    /// Not memory.
    pub threads: u64,
}

fn configuration(pbx: &Pbx, portal: &Portal, directory: &Path) -> String {
    format!(
        "[pbx]\nname = \"bench\"\nhost = \"{}\"\nport = {}\nusername = \"{USERNAME}\"\nsecret = \"{SECRET}\"\n\
         [journal]\npath = \"{directory}/journal\"\n[run]\nstate_dir = \"{directory}/run\"\n\
         [recordings]\nsource = \"path:{directory}/monitor\"\npbx_path = \"{PBX_RECORDINGS}\"\n\
         [log]\nlevel = \"warn\"\n\
         [[crm]]\nkind = \"bitrix24\"\ndefault_user = 1\nwebhook = \"{}\"\nca_file = \"{}\"\n",
        pbx.address().ip(),
        pbx.address().port(),
        portal.webhook_url(),
        portal.ca_file().display(),
        directory = directory.display(),
    )
}

/// Where the captured PBX keeps its recordings.
pub const PBX_RECORDINGS: &str = "/var/spool/asterisk/records-22/monitor";
