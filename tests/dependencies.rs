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
    let table = |of: &'_ DeTable<'_>, key: &str| of.get(key).and_then(|value| value.get_ref().as_table()).cloned();
    let general = table(manifest.get_ref(), "dependencies").ok_or("no dependencies")?;
    let targets = table(manifest.get_ref(), "target").unwrap_or_default();
    let of_targets = targets.values().filter_map(|of| table(of.get_ref().as_table()?, "dependencies"));
    let used: BTreeSet<String> = of_targets
        .chain([general])
        .flat_map(|table| table.into_keys())
        .map(|key| key.into_inner().into_owned())
        .collect();
    let page = here("docs/dependencies.md")?;
    let direct = page.split("\n## ").find(|section| section.starts_with("Direct")).ok_or("no section Direct")?;
    let rows = direct.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect();
    assert_eq!(listed, used);
    Ok(())
}
