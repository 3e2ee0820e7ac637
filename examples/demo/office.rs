//! The office of the demo: a scripted PBX, the agent, a portal, and recordings where the PBX says they are.

use super::story::Story;
use pbx::Pbx;
use portal::{Portal, PortalConfig, User};
use ringpost::{config, daemon, log};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::sync::mpsc;

/// Where the captured PBX keeps its recordings.
const PBX_RECORDINGS: &str = "/var/spool/asterisk/records-22/monitor";

/// Somebody with a telephone.
pub struct Employee {
    /// Id at the portal.
    pub user: u64,
    /// The telephone.
    pub extension: &'static str,
    /// First and last name, as the captured PBX has them.
    pub name: (&'static str, &'static str),
}

/// Everybody with a telephone; calls that nobody took go to the administrator, user 1.
pub const EMPLOYEES: [Employee; 3] = [
    Employee { user: 11, extension: "101", name: ("Ivan", "Petrov") },
    Employee { user: 12, extension: "102", name: ("Olga", "Orlova") },
    Employee { user: 13, extension: "103", name: ("Sergey", "Sidorov") },
];

/// Everything that runs.
pub struct Office {
    /// The PBX.
    pub pbx: Arc<Pbx>,
    /// The portal.
    pub portal: Portal,
    /// When it opened.
    pub began: Instant,
    directory: PathBuf,
    agent: JoinHandle<Result<(), String>>,
    stop: mpsc::Sender<()>,
}

impl Office {
    /// Starts all of it, with a recording for each story that has one.
    pub fn open(stories: &[Story]) -> Result<Self, Box<dyn Error>> {
        let directory = std::env::temp_dir().join(format!("ringpost-demo-{}", std::process::id()));
        let recordings = directory.join("monitor");
        fs::create_dir_all(&recordings)?;
        for story in stories {
            if let Some(name) = &story.recording {
                fs::write(recordings.join(name), tone(story.talk_secs))?;
            }
        }
        let portal = Portal::start(PortalConfig { users: users(), ..PortalConfig::default() })?;
        let pbx = Arc::new(Pbx::start());
        let file = directory.join("ringpost.toml");
        fs::write(&file, configuration(&pbx, &portal, &directory))?;
        let loaded = config::load(&file).map_err(|error| error.show("the demo's configuration").to_string())?;
        log::install(::log::LevelFilter::Warn, log::Way::Direct);
        let (stop, stopped) = mpsc::channel(1);
        let agent = thread::spawn(move || run(&loaded.config, stopped));
        Ok(Self { pbx, portal, began: Instant::now(), directory, agent, stop })
    }

    /// Ends the agent in order and clears away.
    pub fn close(self) -> Result<(), Box<dyn Error>> {
        let _ = self.stop.blocking_send(());
        let ended = self.agent.join().map_err(|_| "the agent panicked")?;
        fs::remove_dir_all(&self.directory)?;
        Ok(ended?)
    }
}

fn users() -> Vec<User> {
    let administrator = User { admin: true, name: "Administrator".into(), ..User::new(1, "") };
    let employees = EMPLOYEES.iter().map(|employee| User {
        name: employee.name.0.into(),
        last_name: employee.name.1.into(),
        ..User::new(employee.user, employee.extension)
    });
    std::iter::once(administrator).chain(employees).collect()
}

fn configuration(pbx: &Pbx, portal: &Portal, directory: &Path) -> String {
    format!(
        r#"[pbx]
name = "demo"
host = "{host}"
port = {port}
username = "{user}"
secret = "{secret}"

[journal]
path = "{directory}/journal"

[recordings]
source = "path:{directory}/monitor"
pbx_path = "{PBX_RECORDINGS}"

[[crm]]
kind = "bitrix24"
webhook = "{webhook}"
ca_file = "{ca}"
default_user = 1

[run]
state_dir = "{directory}/run"
"#,
        host = pbx.address().ip(),
        port = pbx.address().port(),
        user = pbx::USERNAME,
        secret = pbx::SECRET,
        directory = directory.display(),
        webhook = portal.webhook_url(),
        ca = portal.ca_file().display(),
    )
}

/// The daemon as `ringpost run` runs it.
fn run(config: &config::Config, stopped: mpsc::Receiver<()>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let signals = daemon::Signals::new().map_err(|error| error.to_string())?;
        let daemon = daemon::start(config).map_err(|error| error.to_string())?;
        daemon.run(signals, stopped).await.map_err(|error| error.to_string())
    })
}

/// The recording of a talk of so many seconds, as a PBX makes it: WAV, 8 kHz, 16 bit, one channel. Each length is other
/// bytes, so that no two recordings can be confused.
pub fn tone(secs: f64) -> Vec<u8> {
    let samples = (secs * 8000.0) as u32;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + samples * 2).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&8000_u32.to_le_bytes());
    file.extend_from_slice(&16_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&(samples * 2).to_le_bytes());
    for at in 0..samples {
        let loudness = (f64::from(at) * 425.0 * std::f64::consts::TAU / 8000.0).sin();
        file.extend_from_slice(&((loudness * 8000.0) as i16).to_le_bytes());
    }
    file
}
