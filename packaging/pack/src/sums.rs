//! `SHA256SUMS`: the hash of every file in a folder, in the form that `sha256sum -c` reads.

use crate::digest::{hex, sha256};
use crate::error::Error;
use crate::repository::bytes;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The name of the list, which does not list itself.
pub const NAME: &str = "SHA256SUMS";

/// How deep folders may be: packages lie two deep.
const DEEPEST: usize = 4;

/// The list: sorted by path, paths relative to the folder.
///
/// # Errors
///
/// Where there is nothing to list, or something that is neither file nor folder.
pub fn sums(folder: &Path) -> Result<String, Error> {
    let mut found = BTreeMap::new();
    gather(folder, "", 0, &mut found)?;
    if found.is_empty() {
        return Err(Error::wrong(folder, "no files", "write the packages first"));
    }
    Ok(found.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect())
}

fn gather(folder: &Path, prefix: &str, depth: usize, found: &mut BTreeMap<String, String>) -> Result<(), Error> {
    let read = |why| Error::Read(folder.to_owned(), why);
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(read)?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| Error::wrong(&path, "a name that is not UTF-8", "take it away"))?;
        let name = format!("{prefix}{name}");
        if kind.is_dir() && depth < DEEPEST {
            gather(&path, &format!("{name}/"), depth + 1, found)?;
        } else if kind.is_file() {
            if name != NAME {
                found.insert(name, hex(&sha256(&bytes(&path)?)));
            }
        } else {
            return Err(Error::wrong(&path, "neither a file nor a folder of packages", "take it away"));
        }
    }
    Ok(())
}
