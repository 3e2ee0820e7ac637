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
    let general = dependencies(manifest.get_ref()).ok_or("no dependencies")?;
    let targets = manifest.get_ref().get("target").and_then(|value| value.get_ref().as_table());
    let of_targets = targets.into_iter().flat_map(|targets| targets.values());
    let of_targets = of_targets.filter_map(|target| dependencies(target.get_ref().as_table()?)).flatten();
    let used: BTreeSet<String> = general.into_iter().chain(of_targets).collect();
    let page = here("docs/dependencies.md")?;
    let direct = page.split("\n## ").find(|section| section.starts_with("Direct")).ok_or("no section Direct")?;
    let rows = direct.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect();
    assert_eq!(listed, used);
    Ok(())
}

fn dependencies(of: &DeTable<'_>) -> Option<Vec<String>> {
    let table = of.get("dependencies")?.get_ref().as_table()?;
    Some(table.keys().map(|key| key.get_ref().to_string()).collect())
}
