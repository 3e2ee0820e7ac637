//! What the binary is made of, as CycloneDX 1.6: each crate with its version, licence, source and checksum, and who
//! needs whom.
//!
//! `cargo tree` tells which crates are linked into ringpost for a target; `cargo metadata` alone would count what only
//! tests and neighbours in the workspace switch on. What runs in the compiler only (build scripts, proc macros) is not
//! in the binary and so not listed. Where the targets differ, a crate is listed if one of them has it.

use crate::date::rfc3339;
use crate::digest::{hex, sha256};
use crate::error::Error;
use crate::repository::{Crate, Repository};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Command;

/// The document for a set of targets.
///
/// # Errors
///
/// Where Cargo fails, or says what is not understood.
pub fn sbom(repository: &Repository, targets: &[String], epoch: u64) -> Result<Vec<u8>, Error> {
    let mut linked = BTreeSet::new();
    for target in targets {
        linked.extend(tree(repository, target)?);
    }
    let metadata = metadata(repository, targets)?;
    let packages = packages(&metadata)?;
    let needs = needs(&metadata, &packages, &linked)?;
    let checksums = repository.checksums()?;

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut itself = Value::Null;
    for (name, version) in &linked {
        let package = packages.values().find(|package| package.name == *name && package.version == *version);
        let package = package.ok_or_else(|| odd(format!("{name} {version} is in `cargo tree` only")))?;
        let reference = purl(name, version);
        let mut component = json!({
            "type": "library",
            "bom-ref": reference,
            "name": name,
            "version": version,
            "licenses": [{ "expression": package.licence }],
            "purl": reference,
        });
        let hash = checksums.get(&(name.clone(), version.clone()));
        if let (Some(fields), Some(hash)) = (component.as_object_mut(), hash) {
            fields.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": hash }]));
        }
        if name == "ringpost" {
            if let Some(fields) = component.as_object_mut() {
                fields.insert("type".to_owned(), json!("application"));
                fields.insert("description".to_owned(), json!(repository.description));
            }
            itself = component;
        } else if hash.is_none() {
            return Err(odd(format!("{name} {version} has no checksum in Cargo.lock")));
        } else {
            components.push(component);
        }
        let needed = needs.get(&(name.clone(), version.clone())).into_iter().flatten();
        let needed: Vec<_> = needed.map(|(name, version)| purl(name, version)).collect();
        dependencies.push(json!({ "ref": reference, "dependsOn": needed }));
    }

    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "timestamp": rfc3339(epoch), "component": itself },
        "components": components,
        "dependencies": dependencies,
    });
    let serial = uuid(&document.to_string());
    if let Some(fields) = document.as_object_mut() {
        fields.insert("serialNumber".to_owned(), json!(format!("urn:uuid:{serial}")));
    }
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(|why| odd(why.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A UUID of version 8, whose bits are free to be a hash.
fn uuid(document: &str) -> String {
    let mut hash = sha256(document.as_bytes());
    hash[6] = hash[6] & 0x0f | 0x80;
    hash[8] = hash[8] & 0x3f | 0x80;
    let text = hex(&hash);
    let part = |from, to| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The crates that are linked into ringpost for a target.
fn tree(repository: &Repository, target: &str) -> Result<BTreeSet<Crate>, Error> {
    let edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let said = cargo(repository, &[&["tree", "--package", "ringpost", "--target", target][..], &edges].concat())?;
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

/// A licence as SPDX spells it: of old, Cargo had a slash for "or".
fn spdx(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

struct Package {
    name: String,
    version: String,
    licence: String,
}

/// The crates by the identity that Cargo gives them.
fn packages(metadata: &Value) -> Result<BTreeMap<String, Package>, Error> {
    let package = |value: &Value| {
        let field = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let licence = field("license").map_or_else(|| "LicenseRef-unknown".to_owned(), |text| spdx(&text));
        Some((field("id")?, Package { name: field("name")?, version: field("version")?, licence }))
    };
    list(metadata, "/packages")?.iter().map(|value| package(value).ok_or_else(|| odd(value.to_string()))).collect()
}

/// Who needs whom, among the linked.
fn needs(
    metadata: &Value,
    packages: &BTreeMap<String, Package>,
    linked: &BTreeSet<Crate>,
) -> Result<HashMap<Crate, BTreeSet<Crate>>, Error> {
    let name = |id: &Value| {
        let package = packages.get(id.as_str()?)?;
        let name = (package.name.clone(), package.version.clone());
        linked.contains(&name).then_some(name)
    };
    let normal = |edge: &&Value| {
        let kinds = edge.get("dep_kinds").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.get("kind").is_none_or(Value::is_null)))
    };
    let mut needs = HashMap::new();
    for node in list(metadata, "/resolve/nodes")? {
        if let Some(by) = node.get("id").and_then(name) {
            let edges = list(node, "/deps")?.iter().filter(normal);
            needs.insert(by, edges.filter_map(|edge| name(edge.get("pkg")?)).collect());
        }
    }
    Ok(needs)
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

fn odd(what: String) -> Error {
    Error::Called { program: "cargo".to_owned(), said: what }
}

#[cfg(test)]
mod tests {
    use super::{purl, spdx, uuid};

    #[test]
    fn spellings_are_those_of_the_standards() {
        assert_eq!(spdx("MIT / Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("Apache-2.0 AND ISC"), "Apache-2.0 AND ISC");
        assert_eq!(purl("toml", "1.2.1+spec-1.1.0"), "pkg:cargo/toml@1.2.1%2Bspec-1.1.0");
        // The hash of nothing is e3b0c44298fc1c149afbf4c8996fb924...
        assert_eq!(uuid(""), "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    }
}
