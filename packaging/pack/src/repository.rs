//! The files of the repository that packages are made of, and the facts in them.

use crate::error::Error;
use crate::version::Version;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The largest file that belongs into a package; whatever is larger was named by mistake.
const LARGEST: u64 = 64 << 20;

/// A crate's name and version.
pub type Crate = (String, String);

/// A checkout, and what its `Cargo.toml` says.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
    /// The version of ringpost.
    pub version: Version,
    /// What it is, in one line.
    pub description: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// Where it lives on the web, if anywhere.
    pub page: Option<String>,
}

/// A row of `packaging/targets.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Rust's name.
    pub rust: String,
    /// OpenWrt's names of the architectures that the binary serves.
    pub openwrt: Vec<String>,
    /// Debian's names of them.
    pub debian: Vec<String>,
}

impl Repository {
    /// Reads `Cargo.toml`.
    ///
    /// # Errors
    ///
    /// Where it is missing, or lacks what packages need.
    pub fn open(root: &Path) -> Result<Self, Error> {
        const REMEDY: &str = "--root names the repository of ringpost";
        let path = root.join("Cargo.toml");
        let text = text(&path)?;
        let table = DeTable::parse(&text).map_err(|why| Error::wrong(&path, why.to_string(), REMEDY))?;
        let package = table.get_ref().get("package").and_then(|value| value.get_ref().as_table());
        let field = |key: &str| package.and_then(|table| table.get(key)?.get_ref().as_str().map(str::to_owned));
        let needed = |key: &str| field(key).ok_or_else(|| Error::wrong(&path, format!("no package.{key}"), REMEDY));
        if needed("name")? != "ringpost" {
            return Err(Error::wrong(&path, "not the package ringpost", REMEDY));
        }
        let version = needed("version")?;
        let version = Version::parse(&version).ok_or_else(|| {
            let remedy = "1.2.3 and 1.2.3-rc1 (or alpha1, beta1, pre1) have a spelling for each package manager";
            Error::wrong(&path, format!("the version {version:?}"), remedy)
        })?;
        let page = field("homepage").or_else(|| field("repository"));
        let description = needed("description")?;
        let licence = needed("license")?;
        Ok(Self { root: root.to_owned(), version, description, licence, page })
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What is in a text: not empty, its last line ended, no carriage returns.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is not so.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        text(&self.path(name))
    }

    /// The rows of `packaging/targets.tsv`.
    ///
    /// # Errors
    ///
    /// Where the table is not one.
    pub fn targets(&self) -> Result<Vec<Target>, Error> {
        const TABLE: &str = "packaging/targets.tsv";
        let text = self.text(TABLE)?;
        let words =
            |column: &str| column.split(' ').filter(|word| !matches!(*word, "" | "-")).map(str::to_owned).collect();
        let row = |line: &str| match *line.split('\t').collect::<Vec<_>>() {
            [rust, openwrt, debian, ..] if !rust.is_empty() => {
                Ok(Target { rust: rust.to_owned(), openwrt: words(openwrt), debian: words(debian) })
            }
            _ => {
                let remedy = "a row is Rust's target, OpenWrt's architectures and Debian's, parted by tabs";
                Err(Error::wrong(self.path(TABLE), format!("the row {line:?}"), remedy))
            }
        };
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(row).collect()
    }

    /// The row of a target.
    ///
    /// # Errors
    ///
    /// Where the table has none.
    pub fn target(&self, rust: &str) -> Result<Target, Error> {
        let targets = self.targets()?;
        let names = targets.iter().map(|target| target.rust.as_str()).collect::<Vec<_>>().join(", ");
        targets
            .into_iter()
            .find(|target| target.rust == rust)
            .ok_or_else(|| Error::Usage(format!("no target {rust:?} in packaging/targets.tsv; there are: {names}")))
    }

    /// The SHA-256 of each crate's archive, by name and version, from `Cargo.lock`.
    ///
    /// # Errors
    ///
    /// Where the lock file is not one.
    pub fn checksums(&self) -> Result<HashMap<Crate, String>, Error> {
        let text = self.text("Cargo.lock")?;
        let wrong = |what: String| Error::wrong(self.path("Cargo.lock"), what, "`cargo check` writes it");
        let table = DeTable::parse(&text).map_err(|why| wrong(why.to_string()))?;
        let packages = table.get_ref().get("package").and_then(|value| value.get_ref().as_array());
        let packages = packages.ok_or_else(|| wrong("no packages".to_owned()))?;
        let entry = |package: &DeValue<'_>| {
            let field = |key| Some(package.as_table()?.get(key)?.get_ref().as_str()?.to_owned());
            Some(((field("name")?, field("version")?), field("checksum")?))
        };
        Ok(packages.iter().filter_map(|package| entry(package.get_ref())).collect())
    }
}

/// What is in a file, if it is of a size that belongs into a package.
///
/// # Errors
///
/// Where it cannot be read.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let read = |why| Error::Read(path.to_owned(), why);
    let size = fs::metadata(path).map_err(read)?.len();
    if size > LARGEST {
        return Err(Error::wrong(path, format!("{size} bytes"), "64 MiB is the most that is packed"));
    }
    fs::read(path).map_err(read)
}

/// What is in a text: not empty, its last line ended, no carriage returns.
///
/// # Errors
///
/// Where it cannot be read, or is not so.
pub fn text(path: &Path) -> Result<String, Error> {
    let wrong = |what: &str| Error::wrong(path, what, "a text of UTF-8 with lines that end in a line feed is wanted");
    let text = String::from_utf8(bytes(path)?).map_err(|_| wrong("not UTF-8"))?;
    if text.contains(['\r', '\0']) {
        return Err(wrong("carriage returns or zeros"));
    }
    if !text.ends_with('\n') {
        return Err(wrong("empty, or the last line has no end"));
    }
    Ok(text)
}
