//! The package's life on a router with little memory: installed, configured, rebooted, upgraded, reloaded, removed, and
//! kept by a new firmware. Calls come all the time, and in the end the portal must hold each of them once. Two routers
//! live at once, for most of their time is waiting.
//!
//! The root is read-only (squashfs) with the flash over it, as on OpenWrt; a JFFS2 that is new comes late, and until
//! then the overlay is in memory. What OpenWrt has of its own (procd, rc.common, opkg, sysupgrade) is played by
//! `tests/router/rom`, which says so in each file. The package is the released one, with its init script and its
//! program.

use crate::ledger::{Account, promised};
use crate::machine::{Bench, Machine, Plan};
use crate::medium::FileSystem;
use crate::office::Office;
use crate::router::{START, file, identity, wait_for};
use crate::trouble::{Trouble, trouble};
use core::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// MiB of the machine. Debian's kernel, five times as large as a router's, does not start in 64 and takes 47 of these.
pub const MEMORY: u32 = 88;
/// KiB that a router of 64 MB has for everything but its kernel: this one may not have more.
const ROUTER_KIB: u64 = 56 * 1024;
/// KiB that ringpost may take at its peak.
const PEAK_KIB: u64 = 6 * 1024;
/// Calls at once, before memory is measured.
const BURST: usize = 20;
/// From a call, or from a portal that is there again, to the portal.
const DELIVERY: Duration = Duration::from_secs(180);
/// What is done at once, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Long enough that a second delivery would show.
const QUIET: Duration = Duration::from_secs(2);
const TOML: &str = "/etc/ringpost/ringpost.toml";
/// What the log says of a new configuration that is used.
const RELOADED: &str = "going on with the new configuration";
/// What no console of a healthy router says.
const FAULTS: [&str; 6] =
    ["panicked", "do not outlive", "is delivered from memory", "Kernel panic", "Oops", "Out of memory"];

/// What was measured.
pub struct Figures {
    peak: u64,
    resident: u64,
    total: u64,
    free: u64,
    package: u64,
    start: Duration,
    calls: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peak, resident, total, free, package, start, calls } = self;
        write!(
            f,
            "{calls} calls, each once; ringpost at its peak {peak} KiB, then {resident} KiB; of {total} KiB for all but the kernel \
             {free} KiB are free; package {package} KiB; {:.1} s from the power to the login",
            start.as_secs_f64()
        )
    }
}

/// What a router goes through, and tells as it goes.
type Life = fn(&mut Router, &dyn Fn(&str)) -> Result<Figures, Trouble>;

/// Plays it on this file system: two lives, of two routers, at once.
pub fn series(
    fs: FileSystem,
    plan: &Plan,
    dir: &Path,
    seed: u64,
    tell: impl Fn(&str) + Sync,
) -> Result<Figures, Trouble> {
    let life = |name: &str, live: Life| {
        let place = dir.join(format!("{}-{name}", fs.name()));
        let mut router = Router::new(fs, plan, dir, place, seed)?;
        live(&mut router, &|text: &str| tell(&format!("{name:<8}  {text}")))
            .map_err(|error| trouble!("{name}: {error}; see {}", router.bench.console_file().display()))
    };
    thread::scope(|scope| {
        let firmware = scope.spawn(|| life("firmware", firmware));
        let package = life("package", package);
        let firmware = firmware.join().map_err(|_| trouble!("firmware: the test itself broke"))?;
        match (package, firmware) {
            (Ok(package), Ok(firmware)) => {
                Ok(Figures { calls: package.calls + firmware.calls, peak: package.peak.max(firmware.peak), ..package })
            }
            (Err(first), Err(second)) => Err(trouble!("{first}\n{second}")),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    })
}

/// Installed, configured, rebooted, reloaded, upgraded.
fn package(router: &mut Router, tell: &dyn Fn(&str)) -> Result<Figures, Trouble> {
    let mut machine = router.start("true")?;
    router.expect_overlay(&mut machine, router.begins_in_memory())?;
    tell("a read-only root under an overlay");
    install(router, &mut machine)?;
    tell("installed: says what to do, runs nothing");
    configure(router, &mut machine)?;
    router.expect_program(&mut machine, &router.first)?;
    expect_confined(&mut machine)?;
    router.call()?;
    tell("configured: runs as its user, confined; a call arrived");

    router.office.close_portal();
    router.waiting_call()?;
    router.shut_down(machine)?;
    router.office.open_portal()?;
    let (mut machine, start) = router.start_with_service("true")?;
    expect_confined(&mut machine)?;
    router.call()?;
    tell("rebooted: comes up by itself; a call arrived");

    // What a process left half done rests for more than a minute before the next one looks after it. Meanwhile:
    let burst: Vec<_> = (0..BURST).map(|_| router.office.play(true, 10.0)).collect();
    burst.iter().try_for_each(|id| router.arrival(id))?;
    let memory = memory(&mut machine)?;
    tell(&format!("{BURST} calls at once: {} KiB at the peak", memory.peak));
    router.all_delivered()?;
    tell("the call that waited at the reboot arrived once");
    reload(router, &mut machine)?;
    tell("reloaded: a call in progress arrived; a wrong file is refused, in words, and changes nothing");

    upgrade(router, &mut machine)?;
    router.expect_program(&mut machine, &router.second)?;
    expect_confined(&mut machine)?;
    router.call()?;
    tell("upgraded: the new program runs, the owner's files stayed; a call arrived");

    router.upgrade_as_apk(&mut machine)?;
    router.call()?;
    tell("upgraded as apk does, which stops nothing: the new program runs; a call arrived");
    let package = fs::metadata(router.files.join("tftp/first.ipk"))?.len() / 1024;
    let calls = router.settle(machine)?;
    Ok(Figures { package, start, calls, ..memory })
}

/// Killed, upgraded, removed, and kept by new firmwares, all that with calls that wait.
fn firmware(router: &mut Router, tell: &dyn Fn(&str)) -> Result<Figures, Trouble> {
    let mut machine = router.start("true")?;
    install(router, &mut machine)?;
    configure(router, &mut machine)?;
    router.call()?;
    router.office.close_portal();
    router.waiting_call()?;
    respawn(router, &mut machine)?;
    tell("killed: runs again by itself");
    router.waiting_call()?;
    upgrade(router, &mut machine)?;
    router.waiting_call()?;
    remove(&mut machine)?;
    tell("upgraded and removed with calls that wait: they and the owner's files stayed");
    router.install_second(&mut machine)?;
    router.office.open_portal()?;
    router.call()?;
    tell("installed again: runs at once; a call arrived");

    // A new firmware without the package. The call that waits in the archive is delivered before the router goes down,
    // so that what comes back is older than what the portal holds.
    router.office.close_portal();
    let id = router.waiting_call()?;
    let archive = router.archive(&mut machine)?;
    router.office.open_portal()?;
    machine.run("event interface.wan.up")?;
    router.arrival(&id)?;
    router.shut_down(machine)?;
    router.renew("plain")?;
    let mut machine = router.start(&restore(&archive))?;
    machine.run(&format!("! test -e /usr/bin/ringpost && grep -q '# edited' {TOML}"))?;
    let said = router.install_second(&mut machine)?;
    contains(&said, "stays; the new one is /etc/ringpost/ringpost.toml-opkg")?;
    expect_confined(&mut machine)?;
    router.call()?;
    tell("a new firmware, and the package again: runs at once, with what was kept; a call arrived");

    // And one with the package in it, whose overlay is in memory until its flash is ready.
    router.office.close_portal();
    router.waiting_call()?;
    let archive = router.archive(&mut machine)?;
    router.shut_down(machine)?;
    router.renew("packaged")?;
    let (mut machine, _) = router.start_with_service(&restore(&archive))?;
    router.expect_overlay(&mut machine, router.begins_in_memory())?;
    expect_confined(&mut machine)?;
    router.waiting_call()?;
    machine.kill();
    router.office.open_portal()?;
    let (mut machine, start) = router.start_with_service("true")?;
    router.call()?;
    tell("a new firmware with the package in it, and a power cut after its first start: runs at once; a call arrived");
    router.all_delivered()?;
    let memory = memory(&mut machine)?;
    let calls = router.settle(machine)?;
    tell("the calls that waited arrived once");
    Ok(Figures { start, calls, ..memory })
}

/// A router that may have no power at the moment.
struct Router {
    fs: FileSystem,
    office: Arc<Office>,
    plan: Plan,
    bench: Bench,
    /// Firmwares and packages.
    files: PathBuf,
    /// Digests of the programs.
    first: String,
    second: String,
}

impl Router {
    /// A new one, with the firmware that has no package.
    fn new(fs: FileSystem, plan: &Plan, files: &Path, place: PathBuf, seed: u64) -> Result<Self, Trouble> {
        fs::create_dir_all(&place)?;
        Ok(Self {
            fs,
            office: Office::open(seed)?,
            plan: plan.clone(),
            bench: bench(fs, files, &place, "plain")?,
            files: files.to_owned(),
            first: digest(&files.join("tftp/first.ipk"))?,
            second: digest(&files.join("tftp/second.ipk"))?,
        })
    }

    /// Another firmware, and flash that was erased.
    fn renew(&mut self, firmware: &str) -> Result<(), Trouble> {
        self.bench = bench(self.fs, &self.files, &self.bench.dir, firmware)?;
        Ok(())
    }

    /// Whether its overlay is in memory on its first start.
    fn begins_in_memory(&self) -> bool {
        self.fs == FileSystem::Jffs2
    }

    /// Gives it power; `before` is run in its initial file system. At the end all services were started.
    fn start(&self, before: &str) -> Result<Machine, Trouble> {
        let mut machine = Machine::start(&self.plan, &self.bench)?;
        for line in before.lines() {
            machine.run(line)?;
        }
        machine.tell(&format!("{} && firmware {}", identity(), self.fs.name()))?;
        machine.answer()?;
        Ok(machine)
    }

    /// The same, with ringpost logged in at the end, and how long that took.
    fn start_with_service(&self, before: &str) -> Result<(Machine, Duration), Trouble> {
        let (logins, began, from) = (self.logins(), Instant::now(), self.bench.console().len());
        let machine = self.start(before)?;
        self.login(logins)?;
        // On a JFFS2 that is new, what was written before would be lost.
        let console = self.bench.console();
        let new = console.get(from..).unwrap_or_default();
        match (new.find("mount_root: from tmpfs"), new.find("ringpost: ")) {
            (Some(overlay), Some(service)) if overlay > service => {
                Err(trouble!("it started before its flash was there"))
            }
            _ => Ok((machine, began.elapsed())),
        }
    }

    /// Ends it in order.
    fn shut_down(&self, mut machine: Machine) -> Result<(), Trouble> {
        machine.tell("down")?;
        machine.wait_off()
    }

    fn logins(&self) -> usize {
        self.office.pbx().logins()
    }

    fn login(&self, before: usize) -> Result<(), Trouble> {
        let there = || (self.logins() > before).then_some(());
        wait_for(START, there).ok_or_else(|| trouble!("ringpost does not log in within {START:?}"))
    }

    /// Root and overlay are what they should be; `copied` where the overlay began in memory.
    fn expect_overlay(&self, machine: &mut Machine, copied: bool) -> Result<(), Trouble> {
        let mounts = machine.run("cat /proc/mounts")?;
        for mount in ["overlay / overlay rw", " /rom squashfs ro", &format!(" /overlay {} rw", self.fs.name())] {
            contains(&mounts, mount)?;
        }
        machine
            .run("! touch /rom/etc/probe && touch /etc/probe && test -e /overlay/upper/etc/probe && rm /etc/probe")?;
        let said = machine.run("cat /tmp/mount_root")?;
        if said.contains("from tmpfs") == copied { Ok(()) } else { Err(trouble!("the overlay's way: {said}")) }
    }

    /// What runs is the program of that package, and no deleted file.
    fn expect_program(&self, machine: &mut Machine, expected: &str) -> Result<(), Trouble> {
        let pid = pid(machine)?;
        let said = machine.run(&format!("readlink /proc/{pid}/exe; sha256sum < /proc/{pid}/exe"))?;
        let found: Vec<_> = said.split_whitespace().collect();
        if found.get(..2) == Some(&["/usr/bin/ringpost", expected]) {
            Ok(())
        } else {
            Err(trouble!("{said} and not {expected}"))
        }
    }

    /// Has it fetch a file from the host into its memory.
    fn fetch(&self, machine: &mut Machine, name: &str) -> Result<(), Trouble> {
        machine.run(&format!("tftp -g -b 1024 -r {name} -l /tmp/{name} 10.0.2.2")).map(drop)
    }

    /// What sysupgrade keeps, in base64.
    fn archive(&self, machine: &mut Machine) -> Result<String, Trouble> {
        machine.run("sysupgrade -b /tmp/backup.tgz && base64 /tmp/backup.tgz && rm /tmp/backup.tgz")
    }

    /// The first version's program takes the place of the second one's under the running process.
    fn upgrade_as_apk(&self, machine: &mut Machine) -> Result<(), Trouble> {
        self.fetch(machine, "first.ipk")?;
        let logins = self.logins();
        machine.run("apk-upgrade /tmp/first.ipk && rm /tmp/first.ipk")?;
        self.login(logins)?;
        self.expect_program(machine, &self.first)?;
        expect_confined(machine)
    }

    /// Installs the second version where the owner's files are already: it runs at once. What is said.
    fn install_second(&self, machine: &mut Machine) -> Result<String, Trouble> {
        self.fetch(machine, "second.ipk")?;
        let logins = self.logins();
        let said = machine.run("ipk install /tmp/second.ipk && rm /tmp/second.ipk")?;
        lacks(&said, "Next:")?;
        self.login(logins)?;
        Ok(said)
    }

    /// A call that arrives.
    fn call(&self) -> Result<(), Trouble> {
        let id = self.office.play(true, 10.0);
        self.arrival(&id)
    }

    fn arrival(&self, id: &str) -> Result<(), Trouble> {
        let there = || self.office.delivered().contains_key(id).then_some(());
        wait_for(DELIVERY, there).ok_or_else(|| trouble!("{id} is not delivered within {DELIVERY:?}"))
    }

    /// A call that is durable and cannot be delivered; its identity.
    fn waiting_call(&self) -> Result<String, Trouble> {
        let id = self.office.play(true, 10.0);
        let durable = || promised(&self.bench.console()).contains(&id).then_some(());
        wait_for(DELIVERY, durable).ok_or_else(|| trouble!("{id} is not durable within {DELIVERY:?}"))?;
        if self.office.delivered().contains_key(&id) {
            Err(trouble!("{id} arrived at a portal that is away"))
        } else {
            Ok(id)
        }
    }

    /// Waits until all calls so far are at the portal, and looks whether one came twice.
    fn all_delivered(&self) -> Result<(), Trouble> {
        let missing = || self.office.played().into_iter().find(|id| !self.office.delivered().contains_key(id));
        let there = || missing().is_none().then_some(());
        wait_for(DELIVERY, there).ok_or_else(|| trouble!("{:?} is not delivered within {DELIVERY:?}", missing()))?;
        thread::sleep(QUIET);
        match self.office.delivered().into_iter().find(|(_, times)| *times > 1) {
            Some((id, times)) => Err(trouble!("{id} was delivered {times} times")),
            None => Ok(()),
        }
    }

    /// Goes on until nothing waits, ends it, and draws up the account: how many calls there were.
    fn settle(&self, mut machine: Machine) -> Result<usize, Trouble> {
        let until = Instant::now() + DELIVERY;
        while !machine.run("ringpost status --json")?.contains("\"waiting\":0") {
            if Instant::now() > until {
                return Err(trouble!("calls wait: {}", machine.run("ringpost status")?));
            }
            thread::sleep(QUIET);
        }
        self.shut_down(machine)?;
        self.office.close();
        let console = self.bench.console();
        if let Some(fault) = FAULTS.iter().find(|fault| console.contains(**fault)) {
            return Err(trouble!("\"{fault}\" on the console"));
        }
        let account = Account::of(&self.office.played(), &promised(&console), &self.office.delivered());
        if account.is_true() && account.delivered == account.played {
            Ok(account.played)
        } else {
            Err(trouble!("{account:?}"))
        }
    }
}

/// Disk and flash of a router that was never started, in `place`.
fn bench(fs: FileSystem, files: &Path, place: &Path, firmware: &str) -> Result<Bench, Trouble> {
    let root = fs::read(files.join(firmware).with_extension("squashfs"))?;
    Bench::new(place.to_owned(), root, fs.fresh(place)?.1)
}

/// The package on a router that never had it.
fn install(router: &Router, machine: &mut Machine) -> Result<(), Trouble> {
    router.fetch(machine, "first.ipk")?;
    let said = machine.run("ipk install /tmp/first.ipk && rm /tmp/first.ipk")?;
    for words in [
        "ringpost is installed. Next:",
        "not ready, by /etc/ringpost/ringpost.toml",
        "is still the example's",
        "does not start; after a change: ringpost check && service ringpost start",
    ] {
        contains(&said, words)?;
    }
    contains(&router.bench.console(), "daemon.err ringpost: does not start")?;
    machine.run("! service ringpost running && service ringpost enabled && ! pidof ringpost")?;
    machine.run("test -e /etc/rc.d/S99ringpost && test -e /etc/rc.d/K10ringpost")?;
    // As the feed's CI looks at it.
    router.fetch(machine, "test.sh")?;
    let version = "sed -n 's/~/-/; s/^Version: \\(.*\\)-r.*/\\1/p' /usr/lib/opkg/info/ringpost.control";
    machine.run(&format!("sh /tmp/test.sh ringpost \"$({version})\""))?;
    let (code, said) = machine.try_run("ringpost check")?;
    if code == 2 {
        contains(&said, "is still the example's")
    } else {
        Err(trouble!("check of the example ends with {code}: {said}"))
    }
}

/// The owner's part.
fn configure(router: &Router, machine: &mut Machine) -> Result<(), Trouble> {
    machine.run(&file(router.office.certificate(), "/etc/ringpost/ca.pem"))?;
    // An editor's file is root's, and for nobody else.
    machine.run(&format!("rm {TOML} && umask 077 && {}", file(&edited(router), TOML)))?;
    machine
        .run("umask 022; sed -i \"s/^\\t# option log_level .*/\\toption log_level 'debug'/\" /etc/config/ringpost")?;
    machine.run("ringpost check")?;
    let logins = router.logins();
    machine.run("service ringpost start")?;
    router.login(logins)?;
    machine.run("service ringpost running && ringpost doctor").map(drop)
}

fn edited(router: &Router) -> String {
    format!("# edited\n{}", router.office.config("/etc/ringpost/ca.pem"))
}

/// Runs as its user, without ways to more, and what it writes is its own.
fn expect_confined(machine: &mut Machine) -> Result<(), Trouble> {
    let pid = pid(machine)?;
    let user = machine.run("id -u ringpost")?;
    let group = machine.run("id -g ringpost")?;
    if user == "0" {
        return Err(trouble!("the user is root"));
    }
    let status = machine.run(&format!("cat /proc/{pid}/status /proc/{pid}/limits"))?;
    let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("Uid: {user} {user} {user} {user} Gid: {group} {group} {group} {group} "),
        format!("Groups: {group} "),
        "NoNewPrivs: 1 ".to_owned(),
        "CapEff: 0000000000000000 ".to_owned(),
        "Max core file size 0 0 ".to_owned(),
        "Max open files 256 256 ".to_owned(),
        // What it bounds itself to (`ringpost::limits::MEMORY_BYTES`).
        "Max data size 67108864 67108864 ".to_owned(),
    ] {
        contains(&status, &words)?;
    }
    let said = machine.run(&format!(
        "cat /proc/{pid}/oom_score_adj; stat -c '%a %U %G' {TOML} /etc/ringpost/journal /var/run/ringpost /etc/ringpost/journal/*; \
         stat -f -c %T /var/run/ringpost; tr '\\0' ' ' < /proc/{pid}/cmdline"
    ))?;
    let expected = "200\n640 root ringpost\n750 ringpost ringpost\n750 ringpost ringpost\n600 ringpost ringpost\ntmpfs\n\
                    /usr/bin/ringpost run -c /etc/ringpost/ringpost.toml --log debug";
    if said.trim_end() == expected { Ok(()) } else { Err(trouble!("{said}\nand not\n{expected}")) }
}

/// The second version over the first: what the owner edited stays, and what is new lies beside it.
fn upgrade(router: &Router, machine: &mut Machine) -> Result<(), Trouble> {
    let before = pid(machine)?;
    let sums = "sha256sum /etc/ringpost/ringpost.toml /etc/config/ringpost";
    let (edited, logins) = (machine.run(sums)?, router.logins());
    router.fetch(machine, "second.ipk")?;
    let said = machine.run("ipk install /tmp/second.ipk && rm /tmp/second.ipk")?;
    contains(&said, "upgrading ringpost to 99.0.0-r1")?;
    contains(&said, "stays; the new one is /etc/ringpost/ringpost.toml-opkg")?;
    lacks(&said, "Next:")?;
    router.login(logins)?;
    machine
        .run("grep -q '99.0.0' /etc/ringpost/ringpost.toml-opkg && grep -q '# option log' /etc/config/ringpost-opkg")?;
    machine.run("ringpost check")?;
    if machine.run(sums)? != edited {
        return Err(trouble!("the upgrade changed the owner's files"));
    }
    if pid(machine)? == before { Err(trouble!("the old process runs on")) } else { Ok(()) }
}

/// With a call in progress; then wrong files, by the script and by the bare signal.
fn reload(router: &Router, machine: &mut Machine) -> Result<(), Trouble> {
    let before = pid(machine)?;
    let from = router.bench.console().len();
    let line = |words: &str| {
        let said = || router.bench.console().get(from..).is_some_and(|new| new.contains(words)).then_some(());
        wait_for(SOON, said).ok_or_else(|| trouble!("no \"{words}\" on the console"))
    };
    let during = router.office.play(true, 1.0);
    thread::sleep(Duration::from_secs(2));
    machine.run(&format!("printf '[numbers]\\ncountry = \"7\"\\n' >> {TOML} && service ringpost reload"))?;
    line(RELOADED)?;
    router.arrival(&during)?;
    machine.run(&format!("cp -p {TOML} /tmp/good && echo 'wrong = [' >> {TOML}"))?;
    let (code, said) = machine.try_run("service ringpost reload")?;
    if code == 0 {
        return Err(trouble!("a wrong file was taken"));
    }
    contains(&said, "goes on with the configuration it has")?;
    let (code, said) = machine.try_run("service ringpost restart")?;
    if code == 0 {
        return Err(trouble!("a restart with a wrong file"));
    }
    contains(&said, "goes on with the configuration it has")?;
    machine.run(&format!("kill -HUP {before}"))?;
    line("the new configuration is not used")?;
    router.call()?;
    machine.run(&format!(
        "cat /tmp/good > {TOML} && service ringpost reload && ACTION=step && . /etc/hotplug.d/ntp/60-ringpost"
    ))?;
    router.call()?;
    if pid(machine)? == before { Ok(()) } else { Err(trouble!("another process than before the reload")) }
}

/// Without its process, and then with a new one.
fn respawn(router: &Router, machine: &mut Machine) -> Result<(), Trouble> {
    let (before, logins) = (pid(machine)?, router.logins());
    machine.run(&format!("kill -KILL {before}"))?;
    router.login(logins)?;
    expect_confined(machine)
}

/// What is the owner's stays, and the calls that wait; the rest is gone.
fn remove(machine: &mut Machine) -> Result<(), Trouble> {
    let said = machine.run("ipk remove ringpost")?;
    contains(&said, "calls that are not posted yet, and settings that were changed, stay")?;
    let gone = || machine.try_run("pidof ringpost").is_ok_and(|(code, _)| code != 0).then_some(());
    wait_for(SOON, gone).ok_or_else(|| trouble!("it runs on"))?;
    let left = machine.run(
        "find / -xdev -path /overlay -prune -o -name '*ringpost*' -print | grep -v '^/rom/' | sort; ls /etc/ringpost",
    )?;
    let expected = "/etc/config/ringpost\n/etc/config/ringpost-opkg\n/etc/ringpost\n/etc/ringpost/ringpost.toml\n\
                    /etc/ringpost/ringpost.toml-opkg\nca.pem\njournal\nringpost.toml\nringpost.toml-opkg";
    if left.trim_end() == expected { Ok(()) } else { Err(trouble!("what is left:\n{left}\nand not\n{expected}")) }
}

/// The lines that leave an archive for the first start of a new firmware.
fn restore(archive: &str) -> String {
    // Lines that the machine's terminal and shell take.
    let lines: Vec<_> = archive.lines().collect();
    let parts = lines.chunks(40).map(|part| format!("printf '%b\\n' '{}' >> /run/archive\n", part.join("\\n")));
    parts.collect::<String>() + "base64 -d /run/archive > /run/sysupgrade.tgz && rm /run/archive\n"
}

/// What ringpost takes, and what is left of the machine's memory.
fn memory(machine: &mut Machine) -> Result<Figures, Trouble> {
    let pid = pid(machine)?;
    let said = machine.run(&format!("cat /proc/{pid}/status /proc/meminfo"))?;
    let kib = |name: &str| -> Result<u64, Trouble> {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        number.ok_or_else(|| trouble!("no {name} in {said}"))
    };
    let (peak, resident, total, free) = (kib("VmHWM")?, kib("VmRSS")?, kib("MemTotal")?, kib("MemAvailable")?);
    if total > ROUTER_KIB {
        return Err(trouble!("{total} KiB are more than a router of 64 MB has"));
    }
    if peak > PEAK_KIB {
        return Err(trouble!("{peak} KiB at the peak, more than {PEAK_KIB}"));
    }
    Ok(Figures { peak, resident, total, free, package: 0, start: Duration::ZERO, calls: 0 })
}

/// The process that procd holds.
fn pid(machine: &mut Machine) -> Result<u32, Trouble> {
    let said = machine.run("cat /var/run/procd/ringpost/pid")?;
    said.trim().parse().map_err(|_| trouble!("no pid: {said}"))
}

/// The digest of the program in a package.
fn digest(package: &Path) -> Result<String, Trouble> {
    let script = "tar -xzOf \"$1\" ./data.tar.gz | tar -xzO ./usr/bin/ringpost | sha256sum";
    let done = Command::new("sh").args(["-c", script, "sh"]).arg(package).output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    said.split_whitespace().next().map(str::to_owned).ok_or_else(|| trouble!("{} is no package", package.display()))
}

fn contains(text: &str, part: &str) -> Result<(), Trouble> {
    if text.contains(part) { Ok(()) } else { Err(trouble!("no \"{part}\" in: {text}")) }
}

fn lacks(text: &str, part: &str) -> Result<(), Trouble> {
    if text.contains(part) { Err(trouble!("\"{part}\" in: {text}")) } else { Ok(()) }
}
