//! The notices of what is linked into ringpost: its licences want their texts to come with the binary.
//!
//! The texts are those that lie in the crates' sources. Many are the same to the byte but for ends of lines; each
//! stands once, below the names of all that it belongs to.

use crate::crates::{ITSELF, Linked, Package};
use crate::error::Error;
use crate::repository::Repository;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// How the names of files with a licence begin, in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// The longest text; a licence is some pages.
const LONGEST: u64 = 1 << 20;

/// What is linked in and is no crate: its name, and the file with its text.
pub type Other = (String, PathBuf);

/// The notices for a set of targets.
///
/// # Errors
///
/// Where Cargo fails, or a text is none.
pub fn notices(repository: &Repository, targets: &[String], others: &[Other]) -> Result<String, Error> {
    let linked = Linked::of(repository, targets)?;
    let mut texts = Texts::default();
    let (mut list, mut bare) = (String::new(), String::new());
    for package in linked.packages.values().filter(|package| package.name != ITSELF) {
        let name = format!("{} {}", package.name, package.version);
        let _ = writeln!(list, "{name}: {}", package.licence);
        let found = of_crate(package)?;
        if found.is_empty() {
            let _ = writeln!(bare, "{name}: {}{}", package.licence, authors(package));
        }
        found.into_iter().for_each(|text| texts.add(&name, text));
    }
    for (name, file) in others {
        texts.add(name, of_other(file)?);
    }
    Ok([header(repository), list, beside(others), without(&bare), texts.written()].concat())
}

fn header(repository: &Repository) -> String {
    format!(
        "Notices of what is linked into ringpost {}\n\
         \n\
         These crates are linked into ringpost, each with its licence. Where the binaries for different processors\n\
         differ, a crate is listed if one of them has it. The licence of ringpost itself is not in this file.\n\
         \n",
        repository.version.cargo()
    )
}

/// The paragraph on what is no crate.
fn beside(others: &[Other]) -> String {
    let mut names = Vec::new();
    for (name, _) in others {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    format!("\nLinked in too, under the texts that bear these names below:\n\n{}\n", names.join("\n"))
}

/// The paragraph on crates without a text.
fn without(bare: &str) -> String {
    if bare.is_empty() {
        return String::new();
    }
    format!("\nWithout a text of their own; this is what they say of themselves:\n\n{bare}")
}

fn authors(package: &Package) -> String {
    if package.authors.is_empty() { String::new() } else { format!("; by {}", package.authors.join(", ")) }
}

/// The texts in a crate's source.
fn of_crate(package: &Package) -> Result<Vec<String>, Error> {
    const REMEDY: &str = "take a version of the crate whose licence is a text of UTF-8 of at most 1 MiB";
    let texts = files(&package.folder)?.into_iter().map(|file| text(&file, REMEDY));
    texts.filter(|text| !matches!(text, Ok(text) if text.is_empty())).collect()
}

/// The text that was named for what is no crate.
fn of_other(file: &Path) -> Result<String, Error> {
    const REMEDY: &str = "--notice wants a text of UTF-8 of at most 1 MiB";
    let text = text(file, REMEDY)?;
    if text.is_empty() { Err(Error::wrong(file, "empty", REMEDY)) } else { Ok(text) }
}

/// The files with a licence in a folder and below, sorted: what a crate took from elsewhere has its licence there.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let read = |why| Error::Read(folder.clone(), why);
        for entry in fs::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            let kind = entry.file_type().map_err(read)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_licence(&entry.path()) {
                found.insert(entry.path());
            }
        }
    }
    Ok(found)
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    // A module may bear such a name.
    NAMES.iter().any(|begin| name.starts_with(begin)) && !name.ends_with(".RS")
}

/// What is in a file, with line feeds at the ends of lines, and neither empty lines in front nor anything blank behind.
fn text(file: &Path, remedy: &'static str) -> Result<String, Error> {
    let read = |why| Error::Read(file.to_owned(), why);
    let wrong = |what: String| Error::wrong(file, what, remedy);
    let size = fs::metadata(file).map_err(read)?.len();
    if size > LONGEST {
        return Err(wrong(format!("{size} bytes")));
    }
    let text = String::from_utf8(fs::read(file).map_err(read)?).map_err(|_| wrong("not UTF-8".to_owned()))?;
    if text.contains('\0') {
        return Err(wrong("zeros in a text".to_owned()));
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(text.trim_start_matches('\n').trim_end().to_owned())
}

/// Each text once, in the order in which they came, with the names of all that it belongs to.
#[derive(Debug, Default)]
struct Texts(Vec<(String, Vec<String>)>);

impl Texts {
    fn add(&mut self, name: &str, text: String) {
        match self.0.iter_mut().find(|(known, _)| *known == text) {
            // A crate may have one text under two names.
            Some((_, names)) if names.iter().any(|known| known == name) => {}
            Some((_, names)) => names.push(name.to_owned()),
            None => self.0.push((text, vec![name.to_owned()])),
        }
    }

    fn written(&self) -> String {
        let rule = "=".repeat(80);
        self.0.iter().fold(String::new(), |mut all, (text, names)| {
            let _ = write!(all, "\n{rule}\n{}\n{rule}\n\n{text}\n", names.join("\n"));
            all
        })
    }
}
