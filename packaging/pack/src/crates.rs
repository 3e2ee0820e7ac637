//! The crates that are linked into ringpost, as Cargo knows them.
//!
//! `cargo tree` tells which they are for a target; `cargo metadata` alone would count what only tests and neighbours in
//! the workspace switch on. What runs in the compiler only (build scripts, proc macros) is not in the binary and so not
//! here. Where the targets differ, a crate is here if one of them has it.
//!
//! This stands alone because the list of what the binary is made of and the notices have to speak of the same crates.

use crate::error::Error;
use crate::repository::{Crate, Repository};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the crate that all others are linked into.
pub const ITSELF: &str = "ringpost";

/// What a crate says of itself.
#[derive(Clone, Debug)]
pub struct Package {
    /// How Cargo tells it from all others.
    id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// Who wrote it, if it says so.
    pub authors: Vec<String>,
    /// Where its source is on this machine.
    pub folder: PathBuf,
}

/// ringpost and the crates that are linked into it.
#[derive(Debug)]
pub struct Linked {
    /// By name and version.
    pub packages: BTreeMap<Crate, Package>,
    metadata: Value,
}

impl Linked {
    /// Those of at least one of the targets.
    ///
    /// # Errors
    ///
    /// Where Cargo fails, or says what is not understood.
    pub fn of(repository: &Repository, targets: &[String]) -> Result<Self, Error> {
        let mut names = BTreeSet::new();
        for target in targets {
            names.extend(tree(repository, target)?);
        }
        let metadata = metadata(repository, targets)?;
        let mut packages = packages(&metadata)?;
        packages.retain(|name, _| names.contains(name));
        match names.iter().find(|name| !packages.contains_key(*name)) {
            Some((name, version)) => Err(odd(format!("{name} {version} is in `cargo tree` only"))),
            None => Ok(Self { packages, metadata }),
        }
    }

    /// Who needs whom.
    ///
    /// # Errors
    ///
    /// Where Cargo said what is not understood.
    pub fn needs(&self) -> Result<HashMap<Crate, BTreeSet<Crate>>, Error> {
        let names: HashMap<_, _> = self.packages.iter().map(|(name, package)| (package.id.as_str(), name)).collect();
        let name = |id: &Value| names.get(id.as_str()?).copied().cloned();
        let normal = |edge: &&Value| {
            let kinds = edge.get("dep_kinds").and_then(Value::as_array);
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.get("kind").is_none_or(Value::is_null)))
        };
        let mut needs = HashMap::new();
        for node in list(&self.metadata, "/resolve/nodes")? {
            if let Some(by) = node.get("id").and_then(name) {
                let edges = list(node, "/deps")?.iter().filter(normal);
                needs.insert(by, edges.filter_map(|edge| name(edge.get("pkg")?)).collect());
            }
        }
        Ok(needs)
    }
}

/// The crates that are linked into ringpost for a target.
fn tree(repository: &Repository, target: &str) -> Result<BTreeSet<Crate>, Error> {
    let edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let said = cargo(repository, &[&["tree", "--package", ITSELF, "--target", target][..], &edges].concat())?;
    let line = |line: &str| match *line.split(' ').collect::<Vec<_>>() {
        [name, version, ..] => Ok((name.to_owned(), version.trim_start_matches('v').to_owned())),
        _ => Err(odd(format!("the line {line:?} in `cargo tree`"))),
    };
    said.lines().filter(|text| !text.is_empty()).map(line).collect()
}

/// All crates and their edges.
fn metadata(repository: &Repository, targets: &[String]) -> Result<Value, Error> {
    let mut arguments = vec!["metadata", "--format-version", "1"];
    targets.iter().for_each(|target| arguments.extend(["--filter-platform", target.as_str()]));
    let said = cargo(repository, &arguments)?;
    serde_json::from_str(&said).map_err(|why| odd(why.to_string()))
}

/// What all crates say of themselves.
fn packages(metadata: &Value) -> Result<BTreeMap<Crate, Package>, Error> {
    let package = |value: &Value| {
        let field = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let licence = field("license").map_or_else(|| "LicenseRef-unknown".to_owned(), |text| spdx(&text));
        let authors = value.get("authors").and_then(Value::as_array).into_iter().flatten();
        let authors = authors.filter_map(|author| author.as_str().map(str::to_owned)).collect();
        let folder = Path::new(&field("manifest_path")?).parent()?.to_owned();
        let (name, version) = (field("name")?, field("version")?);
        let key = (name.clone(), version.clone());
        Some((key, Package { id: field("id")?, name, version, licence, authors, folder }))
    };
    list(metadata, "/packages")?.iter().map(|value| package(value).ok_or_else(|| odd(value.to_string()))).collect()
}

/// A licence as SPDX spells it: of old, Cargo had a slash for "or".
fn spdx(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

fn list<'a>(value: &'a Value, path: &str) -> Result<&'a Vec<Value>, Error> {
    value.pointer(path).and_then(Value::as_array).ok_or_else(|| odd(format!("no {path} in `cargo metadata`")))
}

fn cargo(repository: &Repository, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = repository.path("Cargo.toml");
    let mut command = Command::new(program);
    command.args(arguments).arg("--locked").arg("--manifest-path").arg(&manifest);
    let failed = |said: String| Error::Called { program: format!("cargo {}", arguments.join(" ")), said };
    let output = command.output().map_err(|why| failed(why.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    String::from_utf8(output.stdout).map_err(|why| failed(why.to_string()))
}

/// Cargo said what is not understood.
pub fn odd(what: String) -> Error {
    Error::Called { program: "cargo".to_owned(), said: what }
}

#[cfg(test)]
mod tests {
    use super::spdx;

    #[test]
    fn licences_are_spelled_as_spdx_has_them() {
        assert_eq!(spdx("MIT / Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("Apache-2.0 AND ISC"), "Apache-2.0 AND ISC");
    }
}
