//! `packaging/targets.tsv`: each of OpenWrt's names gets a program that its processor can run, and both pages of the
//! installation say the same of it.

use crate::repository::original;
use std::collections::BTreeMap;
use std::fs;

/// The names of the routers that people put beside a PBX.
const COMMON: [&str; 11] = [
    "aarch64_cortex-a53",
    "aarch64_generic",
    "arm_cortex-a15_neon-vfpv4",
    "arm_cortex-a7",
    "arm_cortex-a7_neon-vfpv4",
    "arm_cortex-a9",
    "arm_cortex-a9_vfpv3-d16",
    "mips_24kc",
    "mipsel_24kc",
    "mipsel_74kc",
    "x86_64",
];

/// The program of each name, which stands once.
fn by_name<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, &'a str> {
    let mut programs = BTreeMap::new();
    for (name, target) in pairs {
        assert_eq!(programs.insert(name, target), None, "{name} stands twice");
    }
    programs
}

fn table() -> String {
    fs::read_to_string(original().join("packaging/targets.tsv")).unwrap()
}

fn programs(table: &str) -> BTreeMap<&str, &str> {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let columns = rows.map(|row| row.split('\t').collect::<Vec<_>>());
    by_name(columns.flat_map(|row| row[1].split(' ').map(move |name| (name, row[0]))))
}

/// The last part of a name tells of a floating-point unit that the whole system may use. Without one, and on ARM before
/// version 7, there is none, whatever the processor has: the kernels of bcm53xx and mt7629 are built without it.
fn needed(name: &str) -> &'static str {
    match name.split('_').collect::<Vec<_>>()[..] {
        ["x86", "64"] => "x86_64-unknown-linux-musl",
        ["aarch64", _] => "aarch64-unknown-linux-musl",
        ["mips", ..] => "mips-unknown-linux-musl",
        ["mipsel", ..] => "mipsel-unknown-linux-musl",
        ["arm", cpu, unit] if cpu.starts_with("cortex-a") && (unit.contains("neon") || unit.contains("vfpv")) => {
            "armv7-unknown-linux-musleabihf"
        }
        ["arm", ..] => "armv5te-unknown-linux-musleabi",
        _ => panic!("what is {name}?"),
    }
}

#[test]
fn no_router_gets_a_program_for_another_processor() {
    for (name, target) in programs(&table()) {
        assert_eq!(target, needed(name), "{name}");
    }
}

#[test]
fn the_common_routers_have_a_package() {
    let table = table();
    let programs = programs(&table);
    for name in COMMON {
        assert!(programs.contains_key(name), "{name}");
    }
}

#[test]
fn the_pages_of_the_installation_list_the_same_names() {
    for page in ["docs/install/openwrt.md", "docs/ru/install/openwrt.md"] {
        let text = fs::read_to_string(original().join(page)).unwrap();
        let head = text.lines().position(|line| line.starts_with("| `mipsel_24kc`")).unwrap();
        let mut target = "";
        let rows = text.lines().skip(head).take_while(|line| line.starts_with('|')).flat_map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            // The others say: the same.
            if cells[2].contains("-linux-musl") {
                target = cells[2];
            }
            let program = target;
            cells[1].split('`').skip(1).step_by(2).map(move |name| (name, program))
        });
        assert_eq!(by_name(rows), programs(&table()), "{page}");
    }
}
