//! The page on dependencies names exactly the crates that ringpost is built from.

use std::collections::BTreeSet;
use std::path::Path;
use toml::de::DeTable;

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn every_dependency_is_justified_and_nothing_else_is_listed() -> Tested {
    let here = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let manifest = here("Cargo.toml")?;
    let manifest = DeTable::parse(&manifest)?;
    let dependencies = manifest.get_ref().get("dependencies").and_then(|value| value.get_ref().as_table());
    let used: BTreeSet<&str> =
        dependencies.ok_or("no dependencies")?.keys().map(|key| key.get_ref().as_ref()).collect();
    let page = here("docs/dependencies.md")?;
    let direct = page.split("\n## ").find(|section| section.starts_with("Direct")).ok_or("no section Direct")?;
    let rows = direct.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, used);
    Ok(())
}
