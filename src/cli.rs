//! The command line: words to an [`Invocation`].
//!
//! Parsing only: nothing is opened, printed or run here, so the whole of it is tested without a process. `commands`
//! does what was asked. Exit codes of every command: 0 well, 1 the thing asked for failed, 2 the command or the
//! configuration is wrong.

use crate::config::DEFAULT_PATH;
use crate::nearest::nearest;
use core::fmt;
use lexopt::{Arg, Parser, ValueExt};
use log::LevelFilter;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `help` prints.
pub const USAGE: &str = "\
ringpost: posts the calls of a PBX to the CRM

Usage: ringpost [-c FILE] [--log LEVEL] COMMAND

Commands:
  run                       follow the PBX and post its calls (what the service starts)
  check [--paths]           read the configuration and say what is wrong with it; no network
                            --paths: only the files and directories that it names
  doctor                    try the PBX, the CRM, recordings, clock and flash: one line each, with the remedy
  status [--json] [--watch] what the running ringpost is doing
  calls [--dead] [--json]   the calls in the journal; --dead: those that a CRM refused, with the reason
  retry ID | retry --all    try refused calls again: the one of this identity, or all
  journal check FILE        what a journal's file holds and whether it is damaged, also one of another machine
  journal export FILE       the calls in it, one JSON object a line
  replay FILE [--json]      what a captured trace would have told the CRM
  record FILE               capture such a trace from the PBX, secrets masked
  version                   print the version
  help                      print this

Options:
  -c, --config FILE         the configuration (default: /etc/ringpost/ringpost.toml)
      --log LEVEL           off, error, warn, info, debug or trace (default: as the configuration says)
  -h, --help                as the command help
  -V, --version             as the command version

Exit codes: 0 well, 1 the thing asked for failed, 2 the command or the configuration is wrong.
";

/// A command line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The configuration file.
    pub config: PathBuf,
    /// It was named here: it has to be there.
    pub named: bool,
    /// The log level, if it was given here.
    pub log: Option<LevelFilter>,
    /// What to do.
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The daemon.
    Run,
    /// Judge the configuration.
    Check {
        /// Only tell what it names on this host.
        paths: bool,
    },
    /// Try everything around.
    Doctor,
    /// Ask the running daemon.
    Status {
        /// As one JSON object (with `watch`: one a line).
        json: bool,
        /// Again and again until interrupted.
        watch: bool,
    },
    /// List the journal's calls.
    Calls {
        /// Only those that a CRM refused for ever.
        dead: bool,
        /// One JSON object a line.
        json: bool,
    },
    /// Try refused calls again.
    Retry {
        /// The identity of one; none: all.
        id: Option<String>,
    },
    /// Look at a journal's file.
    Journal {
        /// What for.
        task: JournalTask,
        /// The file, or the directory it lies in.
        file: PathBuf,
    },
    /// Click-to-call from the shell.
    Dial {
        /// Who is rung first.
        extension: String,
        /// Who is called then.
        number: String,
    },
    /// Run a transcript through the tracker.
    Replay {
        /// The transcript.
        transcript: PathBuf,
        /// One JSON object a line.
        json: bool,
    },
    /// Capture a transcript.
    Record {
        /// Where to.
        file: PathBuf,
    },
    /// Print the version.
    Version,
    /// Print [`USAGE`].
    Help,
}

/// What to do with a journal's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalTask {
    /// Say what it holds and what is damaged.
    Check,
    /// Print its calls as JSON.
    Export,
}

/// A command line that cannot be understood: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// No command at all.
    NoCommand,
    /// A command that is not there, and the one that was probably meant.
    UnknownCommand(String, Option<&'static str>),
    /// An option that is not there, and the one that was probably meant.
    UnknownOption(String, Option<&'static str>),
    /// The command needs one more word.
    Missing(&'static str, &'static str),
    /// The command wants no such word.
    Excess(&'static str, String),
    /// The option belongs to other commands.
    Misplaced(&'static str, &'static str),
    /// The option has no value, or one that it does not take.
    Value(&'static str, &'static str),
    /// An option with a value that takes none, in the words of the parser.
    Malformed(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => write!(f, "no command: `ringpost help` lists them"),
            Self::UnknownCommand(word, Some(meant)) => write!(f, "no command `{word}`: did you mean `{meant}`?"),
            Self::UnknownCommand(word, None) => write!(f, "no command `{word}`: `ringpost help` lists them"),
            Self::UnknownOption(word, Some(meant)) => write!(f, "no option `{word}`: did you mean `{meant}`?"),
            Self::UnknownOption(word, None) => write!(f, "no option `{word}`: `ringpost help` lists them"),
            Self::Missing(command, word) => write!(f, "`{command}` needs {word}: `ringpost help` shows how"),
            Self::Excess(command, word) => write!(f, "`{command}` does not take `{word}`"),
            Self::Misplaced(command, option) => write!(f, "`{command}` does not take {option}"),
            Self::Value(option, values) => write!(f, "{option} needs {values}"),
            Self::Malformed(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for UsageError {}

const COMMANDS: [&str; 12] =
    ["run", "check", "doctor", "status", "calls", "retry", "journal", "dial", "replay", "record", "version", "help"];
const OPTIONS: [&str; 9] =
    ["--config", "--log", "--json", "--watch", "--dead", "--all", "--paths", "--help", "--version"];
const LEVELS: &str = "a level: off, error, warn, info, debug or trace";

/// Everything on the line, before the command is known to want it.
#[derive(Default)]
struct Words {
    config: Option<PathBuf>,
    log: Option<LevelFilter>,
    json: bool,
    watch: bool,
    dead: bool,
    all: bool,
    paths: bool,
    instead: Option<Command>,
    command: Option<&'static str>,
    operands: Vec<OsString>,
}

/// Understands the arguments (without the program's own name).
///
/// # Errors
/// [`UsageError`], whose text tells the remedy.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut words = Words::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| UsageError::Malformed(error.to_string()))? {
        match arg {
            Arg::Short('c') | Arg::Long("config") => {
                words.config = Some(parser.value().map_err(|_| UsageError::Value("-c", "a file"))?.into());
            }
            Arg::Long("log") => {
                let level = parser.value().ok().and_then(|value| value.parse().ok());
                words.log = Some(level.ok_or(UsageError::Value("--log", LEVELS))?);
            }
            Arg::Long("json") => words.json = true,
            Arg::Long("watch") => words.watch = true,
            Arg::Long("dead") => words.dead = true,
            Arg::Long("all") => words.all = true,
            Arg::Long("paths") => words.paths = true,
            Arg::Short('h') | Arg::Long("help") => words.instead = Some(Command::Help),
            Arg::Short('V') | Arg::Long("version") => words.instead = Some(Command::Version),
            Arg::Short(letter) => return Err(UsageError::UnknownOption(format!("-{letter}"), None)),
            Arg::Long(word) => {
                let word = format!("--{word}");
                let meant = nearest(&word, OPTIONS);
                return Err(UsageError::UnknownOption(word, meant));
            }
            Arg::Value(word) => words.take(word)?,
        }
    }
    words.understand()
}

impl Words {
    fn take(&mut self, word: OsString) -> Result<(), UsageError> {
        if self.command.is_some() {
            self.operands.push(word);
            return Ok(());
        }
        let text = word.to_string_lossy();
        let known = COMMANDS.into_iter().find(|command| *command == text);
        self.command = known;
        match known {
            Some(_) => Ok(()),
            None => Err(UsageError::UnknownCommand(text.clone().into_owned(), nearest(&text, COMMANDS))),
        }
    }

    fn understand(mut self) -> Result<Invocation, UsageError> {
        let command = match self.instead.take() {
            Some(instead) => instead,
            None => self.ordered()?,
        };
        let named = self.config.is_some();
        let config = self.config.unwrap_or_else(|| DEFAULT_PATH.into());
        Ok(Invocation { config, named, log: self.log, command })
    }

    fn ordered(&mut self) -> Result<Command, UsageError> {
        let name = self.command.ok_or(UsageError::NoCommand)?;
        let mut operands = core::mem::take(&mut self.operands).into_iter();
        let mut operand = |what| operands.next().ok_or(UsageError::Missing(name, what));
        let Self { json, watch, dead, all, paths, .. } = *self;
        let command = match name {
            "run" => Command::Run,
            "check" => Command::Check { paths },
            "doctor" => Command::Doctor,
            "status" => Command::Status { json, watch },
            "calls" => Command::Calls { dead, json },
            "retry" if all => Command::Retry { id: None },
            "retry" => {
                let id = operand("the identity of a refused call, or --all")?;
                Command::Retry { id: Some(id.to_string_lossy().into_owned()) }
            }
            "journal" => {
                let task = operand("check or export, and a file")?;
                let task = JournalTask::of(&task.to_string_lossy())?;
                Command::Journal { task, file: operand("a file, or the directory it lies in")?.into() }
            }
            "dial" => Command::Dial {
                extension: operand("an extension and a number")?.to_string_lossy().into_owned(),
                number: operand("a number after the extension")?.to_string_lossy().into_owned(),
            },
            "replay" => Command::Replay { transcript: operand("a transcript")?.into(), json },
            "record" => Command::Record { file: operand("a file to write to")?.into() },
            "version" => Command::Version,
            _ => Command::Help,
        };
        if let Some(word) = operands.next() {
            return Err(UsageError::Excess(name, word.to_string_lossy().into_owned()));
        }
        let belongs: [(bool, &'static str, &[&str]); 5] = [
            (paths, "--paths", &["check"]),
            (json, "--json", &["status", "calls", "replay"]),
            (watch, "--watch", &["status"]),
            (dead, "--dead", &["calls"]),
            (all, "--all", &["retry"]),
        ];
        match belongs.into_iter().find(|(given, _, commands)| *given && !commands.contains(&name)) {
            Some((_, option, _)) => Err(UsageError::Misplaced(name, option)),
            None => Ok(command),
        }
    }
}

impl JournalTask {
    fn of(word: &str) -> Result<Self, UsageError> {
        match word {
            "check" => Ok(Self::Check),
            "export" => Ok(Self::Export),
            other => {
                let meant = nearest(other, ["check", "export"]).map(|meant| match meant {
                    "check" => "journal check",
                    _ => "journal export",
                });
                Err(UsageError::UnknownCommand(format!("journal {other}"), meant))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Understood, so that the answer can be that it comes with a later version; not advertised before.
    const LATER: &str = "dial";

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn command(line: &str) -> Command {
        parsed(line).map(|invocation| invocation.command).unwrap_or(Command::Help)
    }

    fn complaint(line: &str) -> String {
        parsed(line).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_command_is_understood() {
        assert_eq!(command("run"), Command::Run);
        assert_eq!(command("check"), Command::Check { paths: false });
        assert_eq!(command("check --paths"), Command::Check { paths: true });
        assert_eq!(command("doctor"), Command::Doctor);
        assert_eq!(command("status --json --watch"), Command::Status { json: true, watch: true });
        assert_eq!(command("calls"), Command::Calls { dead: false, json: false });
        assert_eq!(command("calls --dead --json"), Command::Calls { dead: true, json: true });
        let export = Command::Journal { task: JournalTask::Export, file: "ring".into() };
        assert_eq!(command("journal export ring"), export);
        assert_eq!(command("retry --all"), Command::Retry { id: None });
        assert_eq!(command("retry office-1.1"), Command::Retry { id: Some("office-1.1".into()) });
        let dial = Command::Dial { extension: "101".into(), number: "+79990001122".into() };
        assert_eq!(command("dial 101 +79990001122"), dial);
        let replay = Command::Replay { transcript: "a.txt".into(), json: true };
        assert_eq!(command("replay --json a.txt"), replay);
        assert_eq!(command("record a.txt"), Command::Record { file: "a.txt".into() });
        assert_eq!(command("version"), Command::Version);
        assert_eq!(command("-V"), Command::Version);
        assert_eq!(parsed("--help").map(|i| i.command), Ok(Command::Help));
    }

    #[test]
    fn usage_names_every_command_and_option() {
        for word in COMMANDS.iter().chain(&OPTIONS).filter(|word| **word != LATER) {
            assert!(USAGE.contains(word), "{word}");
        }
        assert!(USAGE.contains(DEFAULT_PATH));
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in ["-c a.toml --log debug check", "check --config=a.toml --log=DEBUG", "-ca.toml check --log debug"] {
            let invocation = Invocation {
                config: "a.toml".into(),
                named: true,
                log: Some(LevelFilter::Debug),
                command: Command::Check { paths: false },
            };
            assert_eq!(parsed(line), Ok(invocation), "{line}");
        }
        assert_eq!(parsed("check").map(|i| (i.config, i.named)), Ok((PathBuf::from(DEFAULT_PATH), false)));
    }

    #[test]
    fn mistakes_are_answered_with_the_remedy() {
        for (line, text) in [
            ("", "no command: `ringpost help` lists them"),
            ("chek", "no command `chek`: did you mean `check`?"),
            ("explode", "no command `explode`: `ringpost help` lists them"),
            ("status --jsn", "no option `--jsn`: did you mean `--json`?"),
            ("run -x", "no option `-x`: `ringpost help` lists them"),
            ("replay", "`replay` needs a transcript: `ringpost help` shows how"),
            ("dial 101", "`dial` needs a number after the extension: `ringpost help` shows how"),
            ("check it", "`check` does not take `it`"),
            ("run --json", "`run` does not take --json"),
            ("calls --watch", "`calls` does not take --watch"),
            ("run --dead", "`run` does not take --dead"),
            ("calls --all", "`calls` does not take --all"),
            ("journal", "`journal` needs check or export, and a file: `ringpost help` shows how"),
            ("journal chek ring", "no command `journal chek`: did you mean `journal check`?"),
            ("journal repair ring", "no command `journal repair`: `ringpost help` lists them"),
            ("journal check", "`journal` needs a file, or the directory it lies in: `ringpost help` shows how"),
            ("retry", "`retry` needs the identity of a refused call, or --all: `ringpost help` shows how"),
            ("retry --all office-1.1", "`retry` does not take `office-1.1`"),
            ("run --log loud", "--log needs a level: off, error, warn, info, debug or trace"),
            ("run -c", "-c needs a file"),
        ] {
            assert_eq!(complaint(line), text, "{line}");
        }
    }
}
