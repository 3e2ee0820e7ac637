//! Writes ringpost's packages: from a binary and the files of the repository to `.ipk`, `.apk`, `.deb` and `.tar.gz`,
//! the list of what the binary is made of, the notices of what is linked into it, and checksums.
//!
//! Every byte follows from the files and SOURCE_DATE_EPOCH: no clock, no user, no path of the machine and no order of a
//! folder gets in. Nothing is unpacked to disk, no tool of a distribution is needed, and root neither.
//! `docs/packages.md` tells what is in each package and how it was verified.
//!
//! - `contents` is the table of what goes where; `tree` holds it.
//! - `archive` writes tar and gzip, `adb` apk's own container.
//! - `ipk`, `apk`, `deb` and this file's `tar` make the packages.
//! - `crates` asks Cargo what is linked in, for `sbom` and `notices`.

mod adb;
mod apk;
mod archive;
mod contents;
mod crates;
mod date;
mod deb;
mod digest;
mod elf;
mod error;
mod ipk;
mod notices;
mod repository;
mod sbom;
mod sums;
mod tree;
mod version;

use contents::Program;
use error::Error;
use lexopt::{Arg, Parser, ValueExt as _};
use repository::{Repository, Target};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `help` prints.
const USAGE: &str = "\
pack: writes ringpost's packages

Usage: pack COMMAND [options]

Commands:
  all      what the target's row in packaging/targets.tsv names: .ipk, .apk, .deb and .tar.gz
  ipk      for opkg, one for each of OpenWrt's names    OUT/ringpost_VERSION_ARCH.ipk
  apk      for apk, likewise                            OUT/apk/ARCH/ringpost-VERSION.apk
  deb      for dpkg, one for each of Debian's names     OUT/ringpost_VERSION_ARCH.deb
  tar      for all others                               OUT/ringpost-VERSION-TARGET.tar.gz
  sbom     what the binary is made of (CycloneDX)       OUT/ringpost-VERSION.cdx.json
  notices  the licences of what is linked into it       OUT/ringpost-VERSION.notices.txt
  sums     checksums of all files in OUT                OUT/SHA256SUMS
  help     print this

Options:
  --binary FILE        the program (all, ipk, apk, deb, tar)
  --target NAME        Rust's name of what it was built for; sbom and notices take several, without one all of the table
  --notices FILE       what the command notices wrote, for .deb and .tar.gz to carry (all, deb, tar)
  --notice NAME=FILE   a text for what is linked in and is no crate; any number of times (notices)
  --tool NAME=VERSION  what it was built with; any number of times (sbom)
  --root FOLDER        the repository (default: .)
  --out FOLDER         where the files go (default: dist in the repository)

SOURCE_DATE_EPOCH in the environment is the time that everything bears.
Exit codes: 0 well, 1 the work failed, 2 the command is wrong.
";

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ipk,
    Apk,
    Deb,
    Tar,
}

/// What to do.
#[derive(Debug, Default)]
enum Task {
    Packages(Vec<Kind>),
    Sbom,
    Notices,
    Sums,
    #[default]
    Help,
}

/// The command line, understood.
#[derive(Debug, Default)]
struct Invocation {
    task: Task,
    root: PathBuf,
    out: Option<PathBuf>,
    binary: Option<PathBuf>,
    targets: Vec<String>,
    /// The file to be packed.
    notices: Option<PathBuf>,
    others: Vec<notices::Other>,
    tools: BTreeSet<sbom::Tool>,
}

impl Invocation {
    /// The targets that were named, or all of the table.
    fn targets(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        Ok(match &*self.targets {
            [] => repository.targets()?.into_iter().map(|target| target.rust).collect(),
            named => named.to_vec(),
        })
    }

    /// Refuses what would be ignored without a word, and be missed in what is published.
    fn fits(&self) -> Result<(), Error> {
        let carries = |kinds: &[Kind]| kinds.iter().any(|kind| matches!(kind, Kind::Deb | Kind::Tar));
        let packed = matches!(&self.task, Task::Packages(kinds) if carries(kinds));
        let misplaced = [
            (self.notices.is_some() && !packed, "--notices is for all, deb and tar"),
            (!self.others.is_empty() && !matches!(self.task, Task::Notices), "--notice is for notices"),
            (!self.tools.is_empty() && !matches!(self.task, Task::Sbom), "--tool is for sbom"),
        ];
        match misplaced.iter().find(|(wrong, _)| *wrong) {
            Some((_, what)) if !matches!(self.task, Task::Help) => Err(Error::Usage((*what).to_owned())),
            _ => Ok(()),
        }
    }
}

fn main() -> ExitCode {
    let result = parse(std::env::args_os().skip(1)).and_then(|invocation| run(&invocation));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "pack: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, Error> {
    let mut parser = Parser::from_args(words);
    let mut task = None;
    let mut invocation = Invocation { root: PathBuf::from("."), ..Invocation::default() };
    let usage = |why: lexopt::Error| Error::Usage(why.to_string());
    while let Some(arg) = parser.next().map_err(usage)? {
        match arg {
            Arg::Long("binary") => invocation.binary = Some(parser.value().map_err(usage)?.into()),
            Arg::Long("root") => invocation.root = parser.value().map_err(usage)?.into(),
            Arg::Long("out") => invocation.out = Some(parser.value().map_err(usage)?.into()),
            Arg::Long("target") => invocation.targets.push(parser.value().and_then(|v| v.string()).map_err(usage)?),
            Arg::Long("notices") => invocation.notices = Some(parser.value().map_err(usage)?.into()),
            Arg::Long("notice") => {
                let (name, file) = pair("--notice NAME=FILE", parser.value().map_err(usage)?)?;
                invocation.others.push((name, file.into()));
            }
            Arg::Long("tool") => {
                invocation.tools.insert(pair("--tool NAME=VERSION", parser.value().map_err(usage)?)?);
            }
            Arg::Long("help") | Arg::Short('h') => task = Some(Task::Help),
            Arg::Value(word) if task.is_none() => task = Some(named(&word)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    invocation.task = task.ok_or_else(|| Error::Usage("no command".to_owned()))?;
    invocation.fits()?;
    Ok(invocation)
}

/// The two sides of a word like `NAME=FILE`, neither of them empty.
fn pair(option: &str, word: OsString) -> Result<(String, String), Error> {
    let sides = word.to_str().and_then(|word| word.split_once('='));
    match sides.filter(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty()) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::Usage(format!("{option} is wanted, not {:?}", word.display().to_string()))),
    }
}

fn named(word: &OsString) -> Result<Task, Error> {
    Ok(match word.to_str() {
        Some("all") => Task::Packages(vec![Kind::Ipk, Kind::Apk, Kind::Deb, Kind::Tar]),
        Some("ipk") => Task::Packages(vec![Kind::Ipk]),
        Some("apk") => Task::Packages(vec![Kind::Apk]),
        Some("deb") => Task::Packages(vec![Kind::Deb]),
        Some("tar") => Task::Packages(vec![Kind::Tar]),
        Some("sbom") => Task::Sbom,
        Some("notices") => Task::Notices,
        Some("sums") => Task::Sums,
        Some("help") => Task::Help,
        _ => return Err(Error::Usage(format!("no command {}", word.display()))),
    })
}

fn run(invocation: &Invocation) -> Result<(), Error> {
    let out = invocation.out.clone().unwrap_or_else(|| invocation.root.join("dist"));
    match &invocation.task {
        Task::Help => write!(std::io::stdout(), "{USAGE}").map_err(|why| Error::Write("stdout".into(), why)),
        Task::Sums => write(&out, sums::NAME, sums::sums(&out)?.as_bytes()),
        Task::Sbom => {
            let repository = Repository::open(&invocation.root)?;
            let targets = invocation.targets(&repository)?;
            let document = sbom::sbom(&repository, &targets, &invocation.tools, epoch()?)?;
            write(&out, &format!("ringpost-{}.cdx.json", repository.version.cargo()), &document)
        }
        Task::Notices => {
            let repository = Repository::open(&invocation.root)?;
            let targets = invocation.targets(&repository)?;
            let text = notices::notices(&repository, &targets, &invocation.others)?;
            write(&out, &format!("ringpost-{}.notices.txt", repository.version.cargo()), text.as_bytes())
        }
        Task::Packages(kinds) => packages(invocation, kinds, &out),
    }
}

fn packages(invocation: &Invocation, kinds: &[Kind], out: &Path) -> Result<(), Error> {
    let epoch = epoch()?;
    let [target] = &*invocation.targets else {
        return Err(Error::Usage("one --target is wanted".to_owned()));
    };
    let path = invocation.binary.as_ref().ok_or_else(|| Error::Usage("--binary is wanted".to_owned()))?;
    let repository = Repository::open(&invocation.root)?;
    let target = repository.target(target)?;
    let binary = repository::bytes(path)?;
    elf::check(path, &binary, &target.rust)?;
    let notices = invocation.notices.as_deref().map(repository::text).transpose()?;
    let program = Program { binary, notices };
    for kind in kinds {
        package(&repository, &target, *kind, &program, epoch, out)?;
    }
    Ok(())
}

/// Writes the packages of one kind.
fn package(
    repository: &Repository,
    target: &Target,
    kind: Kind,
    program: &Program,
    epoch: u64,
    out: &Path,
) -> Result<(), Error> {
    let version = &repository.version;
    match kind {
        Kind::Ipk => {
            let ipk = ipk::Ipk::new(repository, &program.binary, epoch)?;
            target
                .openwrt
                .iter()
                .try_for_each(|name| write(out, &format!("ringpost_{}_{name}.ipk", version.ipk()), &ipk.package(name)?))
        }
        Kind::Apk => target.openwrt.iter().try_for_each(|name| {
            let file = format!("apk/{name}/ringpost-{}.apk", version.apk());
            write(out, &file, &apk::apk(repository, &program.binary, name, epoch)?)
        }),
        Kind::Deb => target.debian.iter().try_for_each(|name| {
            let file = format!("ringpost_{}_{name}.deb", version.deb());
            write(out, &file, &deb::deb(repository, program, name, epoch)?)
        }),
        Kind::Tar => {
            let name = format!("ringpost-{}-{}", version.cargo(), target.rust);
            let tree = contents::archive(repository, program)?;
            let archive = archive::Archive::of(&tree, &format!("{name}/"), epoch)?;
            write(out, &format!("{name}.tar.gz"), &archive.gzipped()?)
        }
    }
}

/// The time that everything bears.
fn epoch() -> Result<u64, Error> {
    let text = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_default();
    text.parse().ok().filter(|epoch| *epoch <= archive::LATEST).ok_or_else(|| {
        let what = "SOURCE_DATE_EPOCH has to be the seconds of the commit: `git log -1 --format=%ct`";
        Error::Usage(what.to_owned())
    })
}

/// Writes a file whole or not at all, and says so.
fn write(out: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = out.join(name);
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let failed = |why| Error::Write(path.clone(), why);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &path));
    written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)?;
    match writeln!(std::io::stdout(), "{}", path.display()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(Error::Write("stdout".into(), why)),
        _ => Ok(()),
    }
}
