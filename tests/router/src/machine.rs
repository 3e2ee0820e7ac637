//! The router as a virtual machine: started, told what to do over its second serial line, and killed.
//!
//! A start in software emulation takes seconds. So the machine is started once, up to the moment before it touches disk
//! or flash, and its state is saved; every further start goes on from there. What lies on disk and flash is no part of
//! that state. `--boot` starts in full each time.

use crate::disk::Disk;
use crate::trouble::{Trouble, trouble};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of the flash: what OpenWrt's devices with NOR have.
pub const FLASH_BYTES: u64 = 32 * 1024 * 1024;
/// Where the guest has it; `init` knows it too.
const FLASH_ADDRESS: u64 = 1 << 32;
/// A start in full, on a busy machine.
const BOOT: Duration = Duration::from_secs(120);
/// One command.
const COMMAND: Duration = Duration::from_secs(120);
const ASKING: Duration = Duration::from_millis(20);

/// What machines are made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initial file system.
    pub initrd: PathBuf,
    /// The saved state of a machine that has just started; none: each starts in full.
    pub state: Option<PathBuf>,
    /// MiB of memory, of which Debian's kernel takes 48 for itself.
    pub memory: u32,
    /// What the machine can fetch from the host, by TFTP.
    pub files: Option<PathBuf>,
}

/// What outlives a machine, and where.
pub struct Bench {
    /// Its own directory, with the console's log.
    pub dir: PathBuf,
    /// The disk.
    pub disk: Disk,
}

impl Bench {
    /// A bench with `image` as the disk and `flash` as the flash.
    pub fn new(dir: PathBuf, image: Vec<u8>, flash: Vec<u8>) -> Result<Self, Trouble> {
        std::fs::create_dir_all(&dir)?;
        let socket = dir.join("disk.sock");
        let _ = std::fs::remove_file(&socket); // of the bench before
        let disk = Disk::serve(image, &socket)?;
        let mut file = File::create(dir.join("flash"))?;
        file.write_all(&flash)?;
        file.set_len(FLASH_BYTES)?;
        Ok(Self { dir, disk })
    }

    /// What the machines have said on their console so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.console_file()).unwrap_or_default()).into_owned()
    }

    /// Where the console's log is.
    pub fn console_file(&self) -> PathBuf {
        self.dir.join("console.log")
    }
}

/// A running machine. It is killed when it is dropped.
pub struct Machine {
    child: Child,
    shell: UnixStream,
    monitor: Monitor,
}

impl Machine {
    /// Starts in full and saves the state at `state`.
    pub fn save(plan: &Plan, bench: &Bench, state: &Path) -> Result<(), Trouble> {
        let mut machine = Self::start(&Plan { state: None, ..plan.clone() }, bench)?;
        machine.monitor.ask("stop", json!({}))?;
        machine.monitor.ask("migrate", json!({ "uri": format!("exec:cat > '{}'", state.display()) }))?;
        machine.monitor.wait_migrated()
    }

    /// Starts, and waits until it can be told something.
    pub fn start(plan: &Plan, bench: &Bench) -> Result<Self, Trouble> {
        let dir = &bench.dir;
        let at = |name: &str| dir.join(name).display().to_string();
        // However this process ends, its machines end too.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-M",
            "pc,nvdimm=on",
            "-nodefaults",
            "-no-reboot",
            "-display",
            "none",
        ]);
        // With room for the flash among the guest's addresses.
        command
            .args(["-m", &format!("{}M,slots=1,maxmem=1G", plan.memory), "-kernel"])
            .arg(&plan.kernel)
            .arg("-initrd")
            .arg(&plan.initrd);
        command.args(["-append", "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off audit=0 swiotlb=noforce"]);
        command.args(["-chardev", &format!("file,id=console,path={},append=on", at("console.log"))]);
        command.args(["-chardev", &format!("socket,id=shell,path={},server=on,wait=off", at("shell.sock"))]);
        command.args(["-serial", "chardev:console", "-serial", "chardev:shell"]);
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", at("monitor.sock"))]);
        // Every store of the guest into its flash is at once in a file of the host: what a NOR chip keeps.
        let flash = format!("memory-backend-file,id=flash,mem-path={},size={FLASH_BYTES},share=on", at("flash"));
        command.args(["-object", &flash, "-device", &format!("nvdimm,memdev=flash,addr={FLASH_ADDRESS:#x}")]);
        let disk = format!("driver=nbd,node-name=disk,server.type=unix,server.path={}", at("disk.sock"));
        command.args(["-blockdev", &disk, "-device", "virtio-blk-pci,drive=disk,write-cache=on"]);
        let files = plan.files.as_ref().map_or_else(String::new, |dir| format!(",tftp={}", dir.display()));
        let network = format!("user,id=net{files}");
        command.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net,romfile="]);
        if plan.state.is_some() {
            command.args(["-incoming", "defer"]);
        }
        for socket in ["shell.sock", "monitor.sock"] {
            let _ = std::fs::remove_file(dir.join(socket)); // of the machine before
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(dir.join("qemu.log"))?);
        let mut child = command.spawn().map_err(|error| trouble!("qemu-system-x86_64: {error}"))?;
        let connected = connect(&mut child, &dir.join("shell.sock"))
            .and_then(|shell| Ok((shell, Monitor::connect(&mut child, &dir.join("monitor.sock"))?)));
        let (shell, monitor) = connected.inspect_err(|_| {
            let _ = child.kill();
        })?;
        let mut machine = Self { child, shell, monitor };
        machine.monitor.ignore_shared()?;
        if let Some(state) = &plan.state {
            machine.monitor.ask("migrate-incoming", json!({ "uri": format!("exec:cat '{}'", state.display()) }))?;
            machine.monitor.wait_migrated()?;
            machine.monitor.ask("cont", json!({}))?;
        } else {
            machine.hear(BOOT)?;
        }
        Ok(machine)
    }

    /// Runs a line of shell in it; what it says. Fails where the line does.
    pub fn run(&mut self, line: &str) -> Result<String, Trouble> {
        self.tell(line)?;
        self.answer().map_err(|error| trouble!("`{line}`: {error}"))
    }

    /// The same with its exit code.
    pub fn try_run(&mut self, line: &str) -> Result<(i32, String), Trouble> {
        self.tell(line)?;
        self.hear(COMMAND)
    }

    /// Has it run a line of shell, without waiting for its end.
    pub fn tell(&mut self, line: &str) -> Result<(), Trouble> {
        Ok(self.shell.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Waits for the end of a line that it was told; fails where the line did.
    pub fn answer(&mut self) -> Result<String, Trouble> {
        let (code, said) = self.hear(COMMAND)?;
        if code == 0 { Ok(said) } else { Err(trouble!("what the machine was told ended with {code}: {said}")) }
    }

    /// Waits until it has switched itself off.
    pub fn wait_off(mut self) -> Result<(), Trouble> {
        let until = Instant::now() + COMMAND;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err(trouble!("the machine does not go down within {COMMAND:?}"));
            }
            thread::sleep(ASKING);
        }
        Ok(())
    }

    /// Cuts the power.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Reads up to the line that ends what a command says.
    fn hear(&mut self, patience: Duration) -> Result<(i32, String), Trouble> {
        let until = Instant::now() + patience;
        let mut said = Vec::new();
        loop {
            if let Some(answer) = answer_in(&said) {
                return Ok(answer);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let said = String::from_utf8_lossy(&said).into_owned();
                return Err(trouble!("the machine does not answer within {patience:?}; so far: {said}"));
            }
            self.shell.set_read_timeout(Some(left))?;
            let mut bytes = [0; 4096];
            match self.shell.read(&mut bytes) {
                Ok(0) => {
                    return Err(trouble!("the machine ended by itself; so far: {}", String::from_utf8_lossy(&said)));
                }
                Ok(count) => said.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

/// What was said before the line `=== CODE`, and the code.
fn answer_in(said: &[u8]) -> Option<(i32, String)> {
    let text = String::from_utf8_lossy(said);
    let text = text.strip_suffix('\n')?;
    let (said, code) = text.rsplit_once("=== ")?;
    Some((code.trim().parse().ok()?, said.trim_end().to_owned()))
}

/// qemu's own control socket.
struct Monitor {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Monitor {
    fn connect(child: &mut Child, socket: &Path) -> Result<Self, Trouble> {
        let stream = connect(child, socket)?;
        stream.set_read_timeout(Some(COMMAND))?;
        let mut monitor = Self { stream, unread: Vec::new() };
        monitor.line()?; // the greeting
        monitor.ask("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// The flash is shared memory, and never part of a saved state.
    fn ignore_shared(&mut self) -> Result<(), Trouble> {
        let capability = json!({ "capability": "x-ignore-shared", "state": true });
        self.ask("migrate-set-capabilities", json!({ "capabilities": [capability] })).map(drop)
    }

    fn wait_migrated(&mut self) -> Result<(), Trouble> {
        let until = Instant::now() + BOOT;
        while Instant::now() < until {
            let answer = self.ask("query-migrate", json!({}))?;
            match answer["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => return Err(trouble!("the state: {answer}")),
                _ => thread::sleep(ASKING),
            }
        }
        Err(trouble!("the state was not read or written in time"))
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, Trouble> {
        let question = json!({ "execute": command, "arguments": arguments });
        self.stream.write_all(format!("{question}\n").as_bytes())?;
        loop {
            let mut answer: Value = serde_json::from_str(&self.line()?).map_err(|error| trouble!("qemu: {error}"))?;
            if let Some(error) = answer.get("error") {
                return Err(trouble!("qemu on {command}: {error}"));
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
        }
    }

    fn line(&mut self) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes)? {
                0 => return Err(trouble!("qemu ended; see qemu.log")),
                count => self.unread.extend_from_slice(&bytes[..count]),
            }
        }
    }
}

/// Connects to a socket of a qemu that is just starting.
fn connect(child: &mut Child, socket: &Path) -> Result<UnixStream, Trouble> {
    let until = Instant::now() + BOOT;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                let ended = child.try_wait()?;
                if ended.is_some() || Instant::now() > until {
                    return Err(trouble!("{}: {error}; qemu: {ended:?}, see qemu.log", socket.display()));
                }
                thread::sleep(ASKING);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_code() {
        assert_eq!(answer_in(b"one\r\ntwo\n\n=== 0\n"), Some((0, "one\r\ntwo".into())));
        assert_eq!(answer_in(b"=== 12\n"), Some((12, String::new())));
        assert_eq!(answer_in(b"one\n=== 1"), None);
        assert_eq!(answer_in(b"one\n"), None);
    }
}
