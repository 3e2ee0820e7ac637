//! A configuration file from the disk to a [`Config`] or to everything that is wrong with it.
//!
//! The only part of the configuration that does I/O: the file itself, and through [`Surroundings`] what it refers to.
//! All reads are bounded.

use super::Config;
use super::finding::{Finding, Findings};
use super::read;
use crate::limits::{CONFIG_BYTES, SYNTAX_ERRORS};
use core::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use toml::de::DeTable;

/// A configuration that ringpost can run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// What somebody should look at nevertheless.
    pub warnings: Vec<Finding>,
}

/// Why there is no configuration: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read: why, and the remedy.
    Unreadable(String, String),
    /// The file is wrong: everything found, warnings among it, and how many more there were.
    Wrong(Vec<Finding>, usize),
}

impl ConfigError {
    /// How it is printed: one finding after the other, each with `file`, place and remedy.
    pub fn show<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        struct Shown<'a>(&'a ConfigError, &'a str);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let file = self.1;
                match self.0 {
                    ConfigError::Unreadable(why, remedy) => write!(f, "{file}: error: {why}\n    {remedy}"),
                    ConfigError::Wrong(findings, more) => {
                        for (nth, finding) in findings.iter().enumerate() {
                            let newline = if nth == 0 { "" } else { "\n" };
                            write!(f, "{newline}{}", finding.show(file))?;
                        }
                        if *more > 0 {
                            write!(f, "\n{file}: and {more} more")?;
                        }
                        Ok(())
                    }
                }
            }
        }
        Shown(self, file)
    }
}

/// The content of a file beside the configuration.
#[derive(Clone, Debug)]
pub struct Content {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Everybody on this host may read it.
    pub open_to_others: bool,
}

/// What a configuration refers to outside of itself.
pub trait Surroundings {
    /// The host's name.
    fn host_name(&self) -> String;

    /// A whole file.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::FileTooLarge`] past `most` bytes.
    fn read(&self, path: &Path, most: u64) -> io::Result<Content>;
}

/// The surroundings of this process.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost;

impl Surroundings for ThisHost {
    fn host_name(&self) -> String {
        let content = self.read(Path::new("/proc/sys/kernel/hostname"), 256);
        content.ok().and_then(|content| String::from_utf8(content.bytes).ok()).unwrap_or_default()
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        let read = file.take(most + 1).read_to_end(&mut bytes)?;
        if read as u64 > most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(Content { bytes, open_to_others: about.permissions().mode() & 0o004 != 0 })
    }
}

/// Reads and checks the configuration in `file`.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load(file: &Path) -> Result<Loaded, ConfigError> {
    let content = ThisHost.read(file, CONFIG_BYTES).map_err(|error| unreadable(file, &error))?;
    let mut loaded = parse(&content.bytes, &ThisHost)?;
    if content.open_to_others {
        let what = "others on this host can read the secrets in it".to_owned();
        let remedy = format!("chmod 600 {}", file.display());
        let severity = super::Severity::Warning;
        loaded.warnings.insert(0, Finding { severity, place: None, what, remedy });
    }
    Ok(loaded)
}

fn unreadable(file: &Path, error: &io::Error) -> ConfigError {
    let file = file.display();
    let (why, remedy) = match error.kind() {
        ErrorKind::NotFound => (
            "there is no such file".to_owned(),
            "name another with -c FILE, or begin with the packaged example".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            "it may not be read".to_owned(),
            format!("run this as root or as ringpost's user, or let this user read it: chown USER {file}"),
        ),
        ErrorKind::FileTooLarge => {
            (format!("it is larger than {CONFIG_BYTES} bytes"), "it is probably not a configuration".to_owned())
        }
        _ => (format!("it cannot be read: {error}"), "name another with -c FILE".to_owned()),
    };
    ConfigError::Unreadable(why, remedy)
}

/// Checks the bytes of a configuration file. Never panics, whatever they are.
///
/// # Errors
/// [`ConfigError::Wrong`] with everything that is wrong.
pub fn parse(bytes: &[u8], around: &dyn Surroundings) -> Result<Loaded, ConfigError> {
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).and_then(|good| core::str::from_utf8(good).ok());
            let mut findings = Findings::about(good.unwrap_or_default());
            let at = error.valid_up_to();
            findings.error(at, "this is not UTF-8 text", "save the file in the encoding UTF-8");
            return Err(wrong(findings));
        }
    };
    let mut findings = Findings::about(text);
    let (file, syntax_errors) = DeTable::parse_recoverable(text);
    report_syntax(text, &syntax_errors, &mut findings);
    if !syntax_errors.is_empty() {
        return Err(wrong(findings));
    }
    let config = read::config(file.get_ref(), around, &mut findings);
    match config {
        Some(config) if !findings.has_errors() => Ok(Loaded { config, warnings: findings.into_sorted().0 }),
        _ => Err(wrong(findings)),
    }
}

fn wrong(findings: Findings<'_>) -> ConfigError {
    let (kept, more) = findings.into_sorted();
    ConfigError::Wrong(kept, more)
}

/// Reports what the TOML parser says: one slip makes it say several things, so the first of each line counts.
fn report_syntax(text: &str, errors: &[toml::de::Error], findings: &mut Findings<'_>) {
    let place = |error: &toml::de::Error| error.span().map_or(text.len(), |span| span.start);
    let mut places: Vec<(usize, &str)> = errors.iter().map(|error| (place(error), error.message())).collect();
    places.sort_by_key(|(at, _)| *at);
    places.dedup_by_key(|(at, _)| findings.line(*at));
    for (at, message) in places.into_iter().take(SYNTAX_ERRORS) {
        let what = message.trim_end_matches(", expected nothing");
        findings.error(at, what, syntax_remedy(what));
    }
}

/// What to do about what the TOML parser says.
fn syntax_remedy(message: &str) -> &'static str {
    let remedies = [
        ("duplicate key", "keep one of the two"),
        ("missing escaped", "a backslash stands for itself in single quotes: 'a\\b'"),
        ("escape", "a backslash stands for itself in single quotes: 'a\\b'"),
        ("string", "put both quotes around the value: key = \"value\""),
        ("float", "put quotes around it if it is not a number: host = \"192.168.1.10\""),
        ("integer", "put quotes around it if it is not a number: host = \"192.168.1.10\""),
        ("leading zero", "put quotes around it if it is not a number: \"0123\""),
        ("unclosed", "close the bracket"),
        ("newline", "begin a new line for each key"),
    ];
    let known = remedies.iter().find(|(part, _)| message.contains(part)).map(|(_, remedy)| *remedy);
    known.unwrap_or("write lines like key = \"value\" or key = 1; comments begin with #")
}
