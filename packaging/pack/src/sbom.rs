//! What the binary is made of, as CycloneDX 1.6: each crate with its version, licence, source and checksum, who needs
//! whom, and which tools built it.

use crate::crates::{ITSELF, Linked, Package, odd};
use crate::date::rfc3339;
use crate::digest::{hex, sha256};
use crate::error::Error;
use crate::repository::Repository;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A tool's name and version.
pub type Tool = (String, String);

/// The document for a set of targets.
///
/// # Errors
///
/// Where Cargo fails, or says what is not understood.
pub fn sbom(repository: &Repository, targets: &[String], tools: &BTreeSet<Tool>, epoch: u64) -> Result<Vec<u8>, Error> {
    let linked = Linked::of(repository, targets)?;
    let needs = linked.needs()?;
    let checksums = repository.checksums()?;

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut itself = Value::Null;
    for (name, package) in &linked.packages {
        let hash = checksums.get(name);
        if package.name == ITSELF {
            itself = program(repository, package);
        } else {
            let hash =
                hash.ok_or_else(|| odd(format!("{} {} has no checksum in Cargo.lock", package.name, package.version)))?;
            let mut component = component(package, "library");
            set(&mut component, "hashes", json!([{ "alg": "SHA-256", "content": hash }]));
            components.push(component);
        }
        let needed: Vec<_> = needs.get(name).into_iter().flatten().map(|(name, version)| purl(name, version)).collect();
        dependencies.push(json!({ "ref": purl(&package.name, &package.version), "dependsOn": needed }));
    }
    let mut metadata = json!({ "timestamp": rfc3339(epoch), "component": itself });
    if !tools.is_empty() {
        set(&mut metadata, "tools", applications(tools));
    }
    signed(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The document's bytes, under an identity that is the hash of what it says.
fn signed(mut document: Value) -> Result<Vec<u8>, Error> {
    let serial = uuid(&document.to_string());
    set(&mut document, "serialNumber", json!(format!("urn:uuid:{serial}")));
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(|why| odd(why.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn component(package: &Package, kind: &str) -> Value {
    let reference = purl(&package.name, &package.version);
    json!({
        "type": kind,
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "licenses": [{ "expression": package.licence }],
        "purl": reference,
    })
}

fn program(repository: &Repository, package: &Package) -> Value {
    let mut program = component(package, "application");
    set(&mut program, "description", json!(repository.description));
    program
}

fn applications(tools: &BTreeSet<Tool>) -> Value {
    let tool = |(name, version): &Tool| json!({ "type": "application", "name": name, "version": version });
    json!({ "components": tools.iter().map(tool).collect::<Vec<_>>() })
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
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

#[cfg(test)]
mod tests {
    use super::{purl, uuid};

    #[test]
    fn spellings_are_those_of_the_standards() {
        assert_eq!(purl("toml", "1.2.1+spec-1.1.0"), "pkg:cargo/toml@1.2.1%2Bspec-1.1.0");
        // The hash of nothing is e3b0c44298fc1c149afbf4c8996fb924...
        assert_eq!(uuid(""), "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    }
}
