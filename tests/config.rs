//! The configuration file as an operator meets it: every example is accepted, every mistake is answered with its place
//! and its remedy, and the documentation names exactly the keys that exist.

use ringpost::call::record::{Direction, Withheld};
use ringpost::config::schema::{self, Key, Table};
use ringpost::config::{Config, Content, CrmKind, RecordingSource, ShowCard, Surroundings, WhenFull, parse};
use ringpost::journal::medium::Kind;
use ringpost::number::rules::Outside;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A host on which `/etc/ringpost` is `tests/config/etc`.
struct Host(&'static str);

impl Surroundings for Host {
    fn host_name(&self) -> String {
        self.0.into()
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        if path.ends_with("forbidden") {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let name = path.strip_prefix("/etc/ringpost").map_err(|_| ErrorKind::NotFound)?;
        let bytes = std::fs::read(here("tests/config/etc").join(name))?;
        if bytes.len() as u64 > most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(Content { bytes, open_to_others: path.ends_with("open.secret") })
    }
}

/// What the documentation tells an operator to give to ringpost's account is what the account of the test exchange has,
/// and no more, so that the live tests prove it to be enough.
#[test]
fn the_rights_at_the_pbx_are_the_same_wherever_they_are_told() -> Tested {
    let (read, write) = ("read = system,call,agent,dialplan", "write = system,reporting");
    for file in ["docs/config.md", "docs/ru/config.md"] {
        assert!(std::fs::read_to_string(here(file))?.contains(&format!("{read}\n{write}\n")), "{file}");
    }
    for file in ["README.md", "README.ru.md"] {
        let text = std::fs::read_to_string(here(file))?;
        assert!(text.contains("`system, call, agent, dialplan`") && text.contains("`system, reporting`"), "{file}");
    }
    let package = std::fs::read_to_string(here("packaging/ringpost.toml"))?;
    assert!(package.contains(read) && package.contains(write));
    let accounts = std::fs::read_to_string(here("tests/asterisk/pbx/manager.conf"))?;
    let account = accounts.split("\n[").find(|account| account.starts_with("ringpost]")).ok_or("no account")?;
    let rights: Vec<&str> = account.lines().filter(|l| l.starts_with("read") || l.starts_with("write ")).collect();
    assert_eq!(rights, [read, write]);
    Ok(())
}

fn files(folder: &str, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(here(folder))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    Ok(files)
}

/// What `check` says of the file: its warnings, or its errors.
fn judged(text: &[u8], file: &str) -> (Option<Config>, String) {
    match parse(text, &Host("office-router")) {
        Ok(loaded) => {
            let lines: Vec<String> = loaded.warnings.iter().map(|warning| warning.show(file).to_string()).collect();
            (Some(loaded.config), lines.join("\n"))
        }
        Err(error) => (None, error.show(file).to_string()),
    }
}

#[test]
fn every_valid_file_and_the_packaged_example_pass_without_a_word() -> Tested {
    let mut files = files("tests/config/valid", "toml")?;
    assert!(!files.is_empty());
    files.push(here("packaging/ringpost.toml"));
    for file in files {
        let text = std::fs::read_to_string(&file)?.replace("change-me", "edited");
        let (config, said) = judged(text.as_bytes(), "file");
        assert!(config.is_some() && said.is_empty(), "{}:\n{said}", file.display());
    }
    Ok(())
}

/// What nobody has edited is not started: the packages rely on it.
#[test]
fn the_untouched_example_is_refused_with_what_to_write() -> Tested {
    let (config, said) = judged(&std::fs::read(here("packaging/ringpost.toml"))?, "file");
    let errors: Vec<&str> = said.lines().filter(|line| line.contains(": error: ")).collect();
    assert!(config.is_none() && errors.len() == 2, "{said}");
    assert!(
        errors[0].ends_with("`secret` is still the example's")
            && errors[1].ends_with("`webhook` is still the example's")
    );
    Ok(())
}

/// The packaged example with every switched-off line switched on still passes: nobody is led into a mistake.
#[test]
fn the_packaged_example_passes_with_everything_switched_on() -> Tested {
    let text = std::fs::read_to_string(here("packaging/ringpost.toml"))?;
    let is_setting =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let on: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|setting| is_setting(setting)).unwrap_or(line))
        .filter(|line| !line.starts_with("secret ="))
        .collect();
    let (config, said) = judged(on.join("\n").replace("change-me", "edited").as_bytes(), "file");
    let config = config.ok_or(said)?;
    assert!(config.recordings.is_some() && !config.pbx.contexts.external.is_empty());
    Ok(())
}

/// Beside `NAME.toml` lies what `check` says of it, word by word, in `NAME.txt`. To write the texts anew after a
/// deliberate change, set RINGPOST_BLESS=1 and read the difference.
#[test]
fn every_mistake_is_answered_with_place_and_remedy() -> Tested {
    let mut wrong = Vec::new();
    for file in files("tests/config/invalid", "toml")? {
        let name = file.file_name().ok_or("no name")?.to_string_lossy().into_owned();
        let (config, said) = judged(&std::fs::read(&file)?, &name);
        assert!(config.is_none(), "{name} was accepted");
        let expected = file.with_extension("txt");
        if std::env::var_os("RINGPOST_BLESS").is_some() {
            std::fs::write(&expected, format!("{said}\n"))?;
        }
        if std::fs::read_to_string(&expected)?.trim_end() != said {
            wrong.push(format!("--- {name}\n{said}"));
        }
        assert!(!said.contains("hunter2"), "{name}: a secret is told:\n{said}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_short_file_gets_the_documented_defaults() -> Tested {
    let (config, said) = judged(&std::fs::read(here("tests/config/valid/short.toml"))?, "file");
    let config = config.ok_or(said)?;
    assert_eq!(config.pbx.name, "office-router");
    assert_eq!((config.pbx.profile.name, config.pbx.port), ("auto", None));
    assert_eq!(config.journal.path, Path::new("/etc/ringpost/journal"));
    assert_eq!((config.journal.size_kib, config.journal.when_full), (512, WhenFull::DropOldest));
    assert_eq!(config.journal.medium, None, "as the kernel tells");
    assert_eq!(config.recordings, None);
    assert_eq!(config.run.state_dir, Path::new("/var/run/ringpost"));
    assert_eq!(config.log.level, log::LevelFilter::Info);
    let CrmKind::Bitrix24(bitrix24) = &config.crm.first().ok_or("no crm")?.kind else {
        return Err("no bitrix24".into());
    };
    assert_eq!(bitrix24.show_card, ShowCard::OnRing);
    assert_eq!(bitrix24.anonymous, "000");
    Ok(())
}

#[test]
fn a_full_file_means_what_it_says() -> Tested {
    let (config, said) = judged(&std::fs::read(here("tests/config/valid/full.toml"))?, "file");
    let config = config.ok_or(said)?;
    assert_eq!(config.pbx.secret.expose(), "s p'e\"c\\tail7");
    assert_eq!(config.pbx.contexts.external, ["from-pstn*", "from-trunk-mts"]);
    assert_eq!(config.journal.medium, Some(Kind::Nand));
    let recordings = config.recordings.ok_or("no recordings")?;
    assert_eq!(recordings.source, RecordingSource::Path("/mnt/pbx".into()));
    assert_eq!((recordings.pbx_path.as_path(), recordings.give_up_hours), (Path::new("/var/monitor"), 12));
    let CrmKind::Bitrix24(bitrix24) = &config.crm.first().ok_or("no crm")?.kind else {
        return Err("no bitrix24".into());
    };
    assert_eq!(bitrix24.webhook.expose(), "https://127.0.0.1:8443/rest/12/abcdef/");
    let users: Vec<(&str, u32)> = bitrix24.users.iter().map(|(extension, user)| (extension.as_str(), *user)).collect();
    assert_eq!(users, [("101", 7), ("2001", 8)]);
    Ok(())
}

/// The rules of the example, as they judge a call.
#[test]
fn numbers_are_told_by_the_rules_of_the_file() -> Tested {
    let (config, said) = judged(&std::fs::read(here("tests/config/valid/numbers.toml"))?, "file");
    let rules = config.ok_or(said)?.numbers;
    let judge = |direction, client, line| {
        let (told, withheld) = rules.judge(Outside { direction, client, line, trunk: "beeline" });
        (told.to_string(), withheld)
    };
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    for (direction, client, line, told, withheld) in [
        (inbound, "989161234567", "74951110001", "+79161234567", None),
        (outbound, "989161234567", "mts", "+79161234567", None),
        (inbound, "1234567", "84951110001", "+74951234567", None),
        (inbound, "0000000", "74951110001", "", None),
        (inbound, "89160000001", "74951110001", "+79160000001", Some(Withheld::Own)),
        (outbound, "74951110002", "mts", "+74951110002", Some(Withheld::Own)),
        (inbound, "88005553535", "74951110001", "+78005553535", Some(Withheld::Client)),
        (inbound, "taxi-5", "74951110001", "taxi-5", Some(Withheld::Client)),
        (inbound, "79161234567", "74951110002", "+79161234567", Some(Withheld::Line)),
        (inbound, "79161234567", "fax", "+79161234567", Some(Withheld::Line)),
    ] {
        assert_eq!(judge(direction, client, line), (told.to_owned(), withheld), "{direction:?} {client} {line}");
    }
    Ok(())
}

#[test]
fn no_secret_shows_in_debug() -> Tested {
    let (config, said) = judged(&std::fs::read(here("tests/config/valid/full.toml"))?, "file");
    let debug = format!("{:?}", config.ok_or(said)?);
    assert!(!debug.contains("tail7") && !debug.contains("abcdef"), "{debug}");
    Ok(())
}

#[test]
fn a_factory_name_and_an_open_secret_file_are_warned_of() -> Tested {
    let text = std::fs::read_to_string(here("tests/config/valid/short.toml"))?;
    let text = text.lines().filter(|line| !line.starts_with("secret")).collect::<Vec<_>>().join("\n");
    let text = text.replace("[pbx]", "[pbx]\nsecret_file = \"/etc/ringpost/open.secret\"");
    let loaded = parse(text.as_bytes(), &Host("OpenWrt\n")).map_err(|error| error.show("file").to_string())?;
    assert_eq!(loaded.config.pbx.secret.expose(), "hunter2");
    let warnings: Vec<&str> = loaded.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "the PBX is called `OpenWrt` after this host, as many others are",
            "others on this host can read /etc/ringpost/open.secret",
        ]
    );
    Ok(())
}

/// Every key of the schema is read: a value of a kind that no key takes is refused for each. So no key is accepted that
/// does nothing.
#[test]
fn every_key_is_read() {
    for table in schema::TABLES {
        for key in table.keys {
            let section = table.title;
            let head = if section == "[pbx.contexts]" { "[pbx]\n[pbx.contexts]" } else { section };
            let (_, said) = judged(format!("{head}\n{} = 1979-05-27\n", key.name).as_bytes(), "file");
            let about = format!("`{}` is a date", key.name);
            assert!(said.contains(&about), "{section} {}:\n{said}", key.name);
        }
    }
}

/// The documentation has one heading for each table and under it one row for each key, with its kind and default, and
/// no others.
#[test]
fn the_documentation_names_exactly_the_keys_that_exist() -> Tested {
    for page in ["docs/config.md", "docs/ru/config.md"] {
        let text = std::fs::read_to_string(here(page))?;
        for table in schema::TABLES {
            let heading = format!("## `{}`", table.title);
            let (_, after) = text.split_once(&heading).ok_or(format!("{page}: no heading {heading}"))?;
            let section = after.split("\n## ").next().unwrap_or_default();
            let rows: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")).collect();
            let named: Vec<&str> = rows.iter().filter_map(|row| row.split('`').next()).collect();
            let keys: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
            assert_eq!(named, keys, "{page} {}", table.title);
            for (row, key) in rows.iter().zip(table.keys) {
                let default = format!("`{}`", key.default);
                let literal = key.default.starts_with(['"', '[']) || key.default.parse::<u32>().is_ok();
                assert!(!literal || row.contains(&default), "{page}: `{}` lacks its default {default}", key.name);
                let kind = format!("| `{}` | {} |", key.name, key.kind);
                assert!(page.contains("/ru/") || format!("| `{row}").starts_with(&kind), "{page}: {kind}");
            }
        }
    }
    Ok(())
}

/// Both languages of the front page show the same file, name the same commands and files, and tell the same figures.
#[test]
fn both_front_pages_say_the_same() -> Tested {
    let read = |page| std::fs::read_to_string(here(page));
    let (english, russian) = (read("README.md")?, read("README.ru.md")?.replace("ФАЙЛ", "FILE"));
    assert!(keys(&english).len() > 10, "no example");
    assert_eq!(keys(&english), keys(&russian), "the examples differ");
    assert_eq!(sorted(code_spans(&english)), sorted(code_spans(&russian)), "one names what the other does not");
    let commands = |page: &str| page.lines().filter_map(|line| line.strip_prefix("    ").map(str::to_owned)).collect();
    let commands: [Vec<String>; 2] = [commands(&outside_fences(&english)), commands(&outside_fences(&russian))];
    assert_eq!(commands[0], commands[1], "the commands differ");
    assert_eq!(headings(&english), headings(&russian), "a chapter is missing");
    let rows = |page: &str| page.lines().filter(|line| line.starts_with('|')).map(numbers).collect::<Vec<_>>();
    assert!(rows(&english).len() > 5, "no table");
    assert_eq!(rows(&english), rows(&russian), "the measurements differ");
    Ok(())
}

/// Keys and table heads of the examples, in their order.
fn keys(page: &str) -> Vec<&str> {
    let lines = toml_blocks(page).flat_map(str::lines);
    lines.map(|line| line.split(['=', '#']).next().unwrap_or_default().trim()).collect()
}

fn outside_fences(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

fn code_spans(page: &str) -> Vec<String> {
    outside_fences(page).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words
}

/// How deep each heading of the page is.
fn headings(page: &str) -> Vec<usize> {
    let lines = outside_fences(page);
    lines
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.bytes().take_while(|b| *b == b'#').count())
        .collect()
}

/// The numbers of a line; Russian writes a decimal comma.
fn numbers(line: &str) -> Vec<String> {
    let line = line.replace(',', ".");
    let words = line.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.map(|word| word.trim_matches('.').to_owned()).filter(|word| !word.is_empty()).collect()
}

/// Who copies an example out of a page gets a file that works.
#[test]
fn every_example_of_the_pages_passes() -> Tested {
    let mut pages = files(".", "md")?;
    pages.extend(files("docs", "md")?);
    pages.extend(files("docs/ru", "md")?);
    let mut examples = 0;
    for page in pages {
        for example in toml_blocks(&std::fs::read_to_string(&page)?) {
            let (config, said) = judged(example.as_bytes(), &page.display().to_string());
            assert!(config.is_some() && said.is_empty(), "{said}\n{example}");
            examples += 1;
        }
    }
    assert!(examples >= 4, "only {examples}");
    Ok(())
}

fn toml_blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```toml\n").skip(1).filter_map(|block| block.split("```").next())
}

/// Editors of another world leave a byte order mark and carriage returns.
#[test]
fn a_file_from_windows_is_accepted() -> Tested {
    let text = std::fs::read_to_string(here("tests/config/valid/full.toml"))?;
    let (config, said) = judged(format!("\u{feff}{}", text.replace('\n', "\r\n")).as_bytes(), "file");
    assert!(config.is_some(), "{said}");
    Ok(())
}

/// Every head of a full file, and the file with any one byte spoilt, is answered without a panic.
#[test]
fn spoilt_files_never_panic() -> Tested {
    let text = std::fs::read(here("tests/config/valid/full.toml"))?;
    for at in 0..text.len() {
        judged(text.get(..at).unwrap_or_default(), "file");
        for byte in [0, b'"', b'[', b'\n', b'=', 0xff] {
            let mut spoilt = text.clone();
            if let Some(place) = spoilt.get_mut(at) {
                *place = byte;
            }
            judged(&spoilt, "file");
        }
    }
    Ok(())
}

/// The examples that remedies tell are themselves accepted.
#[test]
fn every_example_is_accepted() -> Tested {
    let base = std::fs::read_to_string(here("tests/config/valid/short.toml"))?;
    for (table, key) in schema::TABLES.iter().flat_map(|table: &&Table| table.keys.iter().map(move |key| (table, *key)))
    {
        let Key { name, example, .. } = key;
        let text = base.lines().filter(|line| !line.starts_with(&format!("{name} = "))).collect::<Vec<_>>().join("\n");
        let mut text = if *name == "secret_file" { text.replace("secret = ", "# ") } else { text };
        if !text.contains(table.title) {
            text += &format!("\n{}", table.title);
            text += match (table.title, *name) {
                ("[recordings]", name) if name != "source" => "\nsource = \"path:/mnt\"",
                ("[numbers]", "trunk_prefix" | "international_prefix" | "area") => "\ncountry = \"7\"",
                ("[[numbers.rewrite]]", "from") => "\nto = \"8*\"",
                ("[[numbers.rewrite]]", "to") => "\nfrom = \"9*\"",
                ("[[numbers.rewrite]]", _) => "\nfrom = \"9*\"\nto = \"8*\"",
                _ => "",
            };
        }
        let text = text.replacen(table.title, &format!("{}\n{name} = {example}", table.title), 1);
        let (config, said) = judged(text.as_bytes(), "file");
        assert!(config.is_some() && !said.contains("error"), "{name}:\n{said}\n{text}");
    }
    Ok(())
}

fn ringpost(arguments: &[&str]) -> io::Result<(Option<i32>, String, String)> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ringpost")).args(arguments).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn check_ends_with_0_for_a_good_file_and_tells_what_it_would_do() -> Tested {
    let file = here("tests/config/valid/short.toml").display().to_string();
    let (code, out, _) = ringpost(&["check", "-c", &file])?;
    assert_eq!(code, Some(0));
    assert!(out.contains("at 192.168.1.10") && out.contains("bitrix24 example.bitrix24.ru"), "{out}");
    assert!(!out.contains("hunter2"));
    Ok(())
}

#[test]
fn check_ends_with_2_for_a_bad_file_or_none() -> Tested {
    for name in ["host-with-port", "syntax-no-quotes", "not-there"] {
        let file = here("tests/config/invalid").join(name).with_extension("toml").display().to_string();
        let (code, out, err) = ringpost(&["check", "-c", &file])?;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.starts_with(&format!("{file}:")), "{err}");
    }
    Ok(())
}

#[test]
fn a_wrong_command_line_ends_with_2() -> Tested {
    let (code, _, err) = ringpost(&["chek"])?;
    assert_eq!((code, err.trim()), (Some(2), "ringpost: no command `chek`: did you mean `check`?"));
    assert_eq!(ringpost(&["--version"])?.1, format!("ringpost {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}
