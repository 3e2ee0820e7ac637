//! The manual pages say what the program does: every command, option and exit code of the help is in ringpost(1), every
//! table, key, default and allowed value of the configuration in ringpost.toml(5), and neither knows more.
//!
//! The pages are read as they are written (mdoc), by the few macros that they use in these places;
//! `tests/packages/manual` has them checked by mandoc and man.

use ringpost::cli::{self, USAGE};
use ringpost::config::schema::{self, Key, Table};
use ringpost::config::{Content, DEFAULT_PATH, Surroundings, parse};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;

type Tested = Result<(), Box<dyn std::error::Error>>;

const COMMANDS_PAGE: &str = "docs/man/ringpost.1";
const FILE_PAGE: &str = "docs/man/ringpost.toml.5";

/// Where the explanations begin in the lines of the help.
const USAGE_COLUMN: usize = 28;

fn read(file: &str) -> io::Result<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
}

/// One entry of a list: its head as a reader sees it, and the lines under it.
#[derive(Debug)]
struct Item<'p> {
    head: String,
    lines: Vec<&'p str>,
}

impl Item<'_> {
    fn text(&self) -> String {
        self.lines.iter().map(|line| seen(line)).collect::<Vec<_>>().join(" ")
    }

    /// The words that are set as what may be written there.
    fn words(&self) -> BTreeSet<&str> {
        marked(&self.lines, "Cm").collect()
    }
}

/// What follows the heading, up to the next one of its kind or a greater one.
fn section<'p>(page: &'p str, heading: &str) -> Result<Vec<&'p str>, String> {
    let begins = |line: &str| line.starts_with(".Sh ") || heading.starts_with(".Ss ") && line.starts_with(".Ss ");
    let after = page.lines().skip_while(|line| *line != heading);
    let lines: Vec<&str> = after.skip(1).take_while(|line| !begins(line)).collect();
    if lines.is_empty() { Err(format!("no heading {heading}")) } else { Ok(lines) }
}

fn items<'p>(lines: &[&'p str]) -> Vec<Item<'p>> {
    let mut items: Vec<Item<'p>> = Vec::new();
    for line in lines {
        if let Some(head) = line.strip_prefix(".It ") {
            items.push(Item { head: seen(head), lines: Vec::new() });
        } else if let Some(item) = items.last_mut().filter(|_| *line != ".El") {
            item.lines.push(line);
        }
    }
    items
}

/// A line as a reader sees it.
fn seen(line: &str) -> String {
    let mut text = String::new();
    let (mut is_option, mut is_tied) = (false, true);
    for word in line.trim_start_matches('.').split_whitespace() {
        match word {
            "Cm" | "Ar" | "No" | "Va" | "Pq" | "Pa" | "Ql" | "Sq" | "Nm" | "Xr" | "Dv" => {}
            "Fl" => is_option = true,
            "Oo" => {
                text += " [";
                is_tied = true;
            }
            "Oc" => text.push(']'),
            "," | ";" | ":" | "." => text += word,
            word => {
                text += if is_tied { "" } else { " " };
                text += if is_option { "-" } else { "" };
                text += word;
                (is_option, is_tied) = (false, false);
            }
        }
    }
    text.replace("\\(dq", "\"").replace("\\&", "").trim().to_owned()
}

/// The words that stand directly behind the macro.
fn marked<'p>(lines: &[&'p str], mark: &'static str) -> impl Iterator<Item = &'p str> {
    let words = |line: &'p str| line.strip_prefix('.').unwrap_or_default().split_whitespace();
    lines
        .iter()
        .flat_map(move |line| words(line).zip(words(line).skip(1)))
        .filter(move |(m, _)| *m == mark)
        .map(|p| p.1)
}

/// The first column of a part of the help, without the lines that only explain.
fn usage(part: &str) -> Result<Vec<&'static str>, String> {
    let (_, after) = USAGE.split_once(part).ok_or(format!("the help has no {part}"))?;
    let lines = after.trim_start_matches('\n').lines().take_while(|line| !line.is_empty());
    let column = |line: &'static str| {
        let (left, _) = line.split_at_checked(USAGE_COLUMN).filter(|(left, _)| left.ends_with(' '))?;
        Some(left.trim())
    };
    let columns = lines.map(|line| column(line).ok_or(format!("no column at {USAGE_COLUMN}: {line}")));
    columns.filter(|column| !column.as_ref().is_ok_and(|text| text.is_empty())).collect()
}

fn is_understood(line: &str) -> bool {
    let given = |word: &str| match word {
        "LEVEL" => "info".to_owned(),
        word => word.replace(['[', ']'], ""),
    };
    cli::parse(line.split_whitespace().map(|word| OsString::from(given(word)))).is_ok()
}

#[test]
fn every_command_of_the_help_is_in_the_manual_and_none_more() -> Tested {
    let page = read(COMMANDS_PAGE)?;
    let told: Vec<String> = items(&section(&page, ".Sh COMMANDS")?).into_iter().map(|item| item.head).collect();
    let commands: Vec<&str> = usage("Commands:")?.into_iter().flat_map(|line| line.split(" | ")).collect();
    assert_eq!(told, commands);
    for command in &told {
        assert!(is_understood(command), "the program does not know: {command}");
    }
    Ok(())
}

#[test]
fn every_option_of_the_help_is_in_the_manual_and_none_more() -> Tested {
    let page = read(COMMANDS_PAGE)?;
    let items = items(&section(&page, ".Sh OPTIONS")?);
    let told: Vec<&str> = items.iter().map(|item| item.head.as_str()).collect();
    assert_eq!(told, usage("Options:")?);
    for form in told.iter().flat_map(|option| option.split(", ")) {
        assert!(is_understood(&format!("{form} check")) || is_understood(&format!("{form} FILE check")), "{form}");
    }
    let defaults: String = items.iter().map(Item::text).collect();
    assert!(
        defaults.contains(DEFAULT_PATH) && defaults.contains("off, error, warn, info, debug or trace"),
        "{defaults}"
    );
    Ok(())
}

/// Wherever else the pages speak of a command or an option, it is one of the program.
#[test]
fn no_page_speaks_of_what_is_not_there() -> Tested {
    let letters = |word: &'static str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let options: BTreeSet<&str> = USAGE.split_whitespace().map(letters).filter(|word| word.starts_with('-')).collect();
    let commands: BTreeSet<&str> = usage("Commands:")?.iter().flat_map(|line| line.split_whitespace()).collect();
    for page in [COMMANDS_PAGE, FILE_PAGE] {
        let text = read(page)?;
        let lines: Vec<&str> = text.lines().collect();
        for option in marked(&lines, "Fl").map(|word| format!("-{word}")) {
            assert!(options.contains(option.as_str()), "{page}: {option}");
        }
        for quoted in
            lines.iter().filter_map(|line| line.strip_prefix(".Ql ringpost ").or(line.strip_prefix("ringpost ")))
        {
            // An example ends where the shell goes on.
            let line = quoted.split(['&', '>']).next().unwrap_or_default().trim_end_matches([' ', '.', ',', ':']);
            assert!(is_understood(line), "{page}: ringpost {line}");
        }
    }
    let page = read(COMMANDS_PAGE)?;
    for command in marked(&page.lines().collect::<Vec<_>>(), "Cm") {
        assert!(commands.contains(command), "{command}");
    }
    Ok(())
}

#[test]
fn the_exit_codes_are_those_of_the_help() -> Tested {
    let page = read(COMMANDS_PAGE)?;
    let told = items(&section(&page, ".Sh EXIT STATUS")?);
    let codes = USAGE.split_once("Exit codes: ").ok_or("the help has no exit codes")?.1;
    let codes: Vec<(&str, &str)> = codes.trim().split(", ").filter_map(|code| code.split_once(' ')).collect();
    assert!(codes.len() == 3 && told.len() == codes.len());
    for (item, (code, meaning)) in told.iter().zip(codes) {
        let (text, meaning) = (item.text().to_lowercase(), meaning.trim_end_matches('.'));
        assert!(item.head == code && text.starts_with(meaning), "{code} {meaning}: {item:?}");
    }
    Ok(())
}

/// Tables and keys in their order, each with its kind and default.
#[test]
fn every_key_is_in_the_manual_with_its_default_and_none_more() -> Tested {
    let page = read(FILE_PAGE)?;
    let titles: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".Ss ")).collect();
    assert_eq!(titles, schema::TABLES.map(|table| table.title));
    for table in schema::TABLES {
        let told: Vec<String> = keys(&page, table)?.into_iter().map(|item| item.head).collect();
        let keys: Vec<String> = table.keys.iter().map(|key| head(key)).collect();
        assert_eq!(told, keys, "{}", table.title);
    }
    Ok(())
}

fn keys<'p>(page: &'p str, table: &Table) -> Result<Vec<Item<'p>>, String> {
    Ok(items(&section(page, &format!(".Ss {}", table.title))?))
}

fn head(Key { name, kind, default, .. }: &Key) -> String {
    let default = default.replace('`', "");
    let is_required = default.starts_with(schema::REQUIRED);
    format!("{name} {kind}; {}{default}", if is_required { "" } else { "default: " })
}

/// A host without a file.
struct Host;

impl Surroundings for Host {
    fn host_name(&self) -> String {
        "office".into()
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Content> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// What `ringpost check` says of this file.
fn said(text: &str) -> String {
    match parse(text.as_bytes(), &Host) {
        Ok(loaded) => loaded.warnings.iter().map(|warning| warning.show("file").to_string()).collect(),
        Err(error) => error.show("file").to_string(),
    }
}

/// The program itself names the words and the range of a key when it gets another value: the manual has the same.
#[test]
fn what_a_key_may_be_is_in_the_manual() -> Tested {
    let page = read(FILE_PAGE)?;
    let (mut choices, mut ranges) = (0, 0);
    for table in schema::TABLES {
        for (item, key) in keys(&page, table)?.iter().zip(table.keys) {
            let said = |value: &str| said(&format!("{}\n{} = {value}\n", table.title, key.name));
            let offered = said("\"zzzzzzzzzzzz\"");
            let words = offered.split_once("write one of: ").and_then(|(_, list)| list.lines().next());
            let words: BTreeSet<&str> = words.map(|list| list.split(", ").collect()).unwrap_or_default();
            assert_eq!(item.words(), words, "{} {}", table.title, key.name);
            choices += usize::from(!words.is_empty());
            let refused = said("99999999999");
            if let Some((_, range)) = refused.split_once("write a whole number from ") {
                let range = range.lines().next().unwrap_or_default();
                assert!(item.text().contains(range), "{} {}: {range}", table.title, key.name);
                ranges += 1;
            }
        }
    }
    assert!(choices >= 8 && ranges >= 4, "{choices} choices, {ranges} ranges: the remedies read otherwise");
    Ok(())
}

#[test]
fn every_example_of_the_manual_passes() -> Tested {
    let page = read(FILE_PAGE)?;
    let examples: Vec<&str> =
        page.split("\n.Bd -literal").skip(1).filter_map(|part| part.split("\n.Ed").next()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let text = example.split_once('\n').ok_or("empty")?.1.replace("\\(dq", "\"");
        // The file of the secret is on no test machine.
        let said = said(&text.replace("secret_file = \"/etc/ringpost/pbx.secret\"", "secret = \"hunter2\""));
        assert!(said.is_empty(), "{said}\n{text}");
    }
    Ok(())
}

/// Both pages are dated by the newest release of the changelog, once there is one.
#[test]
fn the_pages_are_of_the_newest_release() -> Tested {
    let changes = read("CHANGELOG.md")?;
    let date_of = |line: &str| line.strip_prefix("## ")?.rsplit_once(" - ").map(|(_, date)| date.trim().to_owned());
    let released = changes.lines().find_map(date_of);
    let dates: Vec<String> = [COMMANDS_PAGE, FILE_PAGE]
        .into_iter()
        .map(|page| Ok(read(page)?.lines().find_map(|line| line.strip_prefix(".Dd ")).unwrap_or_default().to_owned()))
        .collect::<io::Result<_>>()?;
    assert!(dates.iter().all(|date| Some(date) == dates.first() && iso(date).is_some()), "{dates:?}");
    if let Some(released) = released {
        assert_eq!(dates.first().and_then(|date| iso(date)), Some(released), "write it into .Dd of both pages");
    }
    Ok(())
}

/// `November 29, 2026` as `2026-11-29`.
fn iso(date: &str) -> Option<String> {
    const MONTHS: &str = "January February March April May June July August September October November December";
    let (month, rest) = date.split_once(' ')?;
    let (day, year) = rest.split_once(", ")?;
    let month = MONTHS.split(' ').position(|name| name == month)? + 1;
    Some(format!("{year}-{month:02}-{:02}", day.parse::<u8>().ok()?))
}
