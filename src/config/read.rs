//! What each table of the file means: sections to the typed [`Config`].
//!
//! Each function reads one table whole before it gives up, so that all its mistakes are reported. Knows nothing of
//! files: what the configuration refers to outside of itself comes through [`Surroundings`].

use super::finding::Findings;
use super::schema::{self, contexts, crm, journal, log, pbx, recordings, root, run};
use super::section::{At, Section};
use super::syntax::{self, Complaint};
use super::{
    Bitrix24, Config, Content, Create, Crm, CrmKind, Journal, Log, Pbx, RecordingSource, Recordings, Run, Secret,
    ShowCard, Surroundings, WhenFull,
};
use crate::call::classify::Contexts;
use crate::call::record::{Extension, Number};
use crate::journal::medium::Kind;
use crate::limits::{
    CA_FILE_BYTES, CONTEXT_BYTES, CONTEXT_PATTERNS, CRMS, GIVE_UP_HOURS_MAX, JOURNAL_KIB_MAX, JOURNAL_KIB_MIN,
    PBX_NAME_BYTES, SECRET_FILE_BYTES, USER_OVERRIDES,
};
use crate::profile::{self, PROFILES, Profile};
use crate::text::Text;
use ::log::LevelFilter;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Names that a router or image has from the factory: two offices with the same one mix up their calls.
const FACTORY_NAMES: [&str; 6] = ["openwrt", "localhost", "raspberrypi", "debian", "ubuntu", "pbx"];

/// The whole file.
pub(super) fn config(file: &DeTable<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Config> {
    let root = Section::open(file, 0, &schema::ROOT, findings);
    let pbx = read_pbx(&root, around, findings);
    let numbers = super::numbers::read(&root, findings);
    let journal = read_journal(&root, findings);
    let recordings = read_recordings(&root, findings);
    let crm = read_crms(&root, around, findings);
    let log = Log { level: read_level(&root, findings) };
    let run = root.table_or_absent(&root::RUN, &schema::RUN, findings);
    let state_dir = path_or(&run, &run::STATE_DIR, "/var/run/ringpost", findings);
    let config = Config {
        pbx: pbx?,
        numbers: numbers.into(),
        journal: journal?,
        recordings: recordings?,
        crm: crm?,
        log,
        run: Run { state_dir: state_dir? },
    };
    Some(config)
}

fn read_pbx(root: &Section<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Pbx> {
    if root.value(&root::PBX).is_none() && !root.is_mistyped(&root::PBX) {
        findings.error(0, "there is no [pbx]", "add [pbx], and under it the lines host, username and secret");
    }
    let section = root.table(&root::PBX, &schema::PBX, findings)?;
    let name = read_name(&section, around, findings);
    let profile = read_profile(&section, findings);
    let host = section.text(&pbx::HOST, findings).and_then(|text| told(text.at, syntax::host(text.value), findings));
    let port = section.number(&pbx::PORT, 1, u32::from(u16::MAX), findings).and_then(|port| u16::try_from(port).ok());
    let username = read_credential(&section, &pbx::USERNAME, findings);
    let (secret, secret_file) = read_secret(&section, around, findings).unzip();
    let contexts = read_contexts(&section, findings);
    let secret_file = secret_file.flatten();
    let (name, profile, host, username, secret) = (name?, profile?, host?, username?, secret?);
    Some(Pbx { name, profile, host, port, username, secret, secret_file, contexts })
}

/// What `result` holds; its complaint is reported at `at`.
fn told<T>(at: usize, result: Result<T, Complaint>, findings: &mut Findings<'_>) -> Option<T> {
    result.map_err(|(what, remedy)| findings.error(at, what, remedy)).ok()
}

fn read_name(
    section: &Section<'_>,
    around: &dyn Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Text<PBX_NAME_BYTES>> {
    if section.value(&pbx::NAME).is_some() {
        let text = section.text(&pbx::NAME, findings)?;
        return told(text.at, syntax::pbx_name(text.value), findings);
    }
    let name = syntax::pbx_name_of_host(&around.host_name());
    if FACTORY_NAMES.contains(&name.to_ascii_lowercase().as_str()) {
        let what = format!("the PBX is called `{name}` after this host, as many others are");
        findings.warn(Some(section.at), what, "add a line like name = \"office\", before the first call is posted");
    }
    Some(name)
}

fn read_profile(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<&'static Profile> {
    if section.value(&pbx::PROFILE).is_none() {
        return Some(profile::AUTO);
    }
    let words: Vec<(&'static str, &'static Profile)> = PROFILES.iter().map(|profile| (profile.name, profile)).collect();
    section.choice(&pbx::PROFILE, &words, findings)
}

fn read_credential(section: &Section<'_>, key: &schema::Key, findings: &mut Findings<'_>) -> Option<String> {
    let text = section.text(key, findings)?;
    told(text.at, syntax::credential(key.name, text.value), findings)?;
    Some(text.value.to_owned())
}

/// `secret` or `secret_file`: exactly one of them; the secret, and its file.
fn read_secret(
    section: &Section<'_>,
    around: &dyn Surroundings,
    findings: &mut Findings<'_>,
) -> Option<(Secret, Option<PathBuf>)> {
    match (section.value(&pbx::SECRET).is_some(), section.value(&pbx::SECRET_FILE).is_some()) {
        (true, false) => read_credential(section, &pbx::SECRET, findings).map(|text| (Secret::new(text), None)),
        (false, true) => {
            let file = section.text(&pbx::SECRET_FILE, findings)?;
            let path = told(file.at, syntax::path(pbx::SECRET_FILE.name, file.value), findings)?;
            let secret = read_secret_file(At { at: file.at, value: &path }, around, findings)?;
            Some((secret, Some(path)))
        }
        (true, true) => {
            let at = section.place(&pbx::SECRET_FILE);
            findings.error(at, "[pbx] has both `secret` and `secret_file`", "keep one of the two lines");
            None
        }
        (false, false) if section.is_mistyped(&pbx::SECRET) || section.is_mistyped(&pbx::SECRET_FILE) => None,
        (false, false) => {
            let remedy = format!("add the line: secret = {}", pbx::SECRET.example);
            findings.error(section.at, "[pbx] has neither `secret` nor `secret_file`", remedy);
            None
        }
    }
}

fn read_secret_file(file: At<&Path>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Secret> {
    let content = content(&pbx::SECRET_FILE, file, SECRET_FILE_BYTES, around, findings)?;
    let text = core::str::from_utf8(&content.bytes).unwrap_or_default();
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.chars().any(char::is_control) {
        let what = format!("`secret_file`: {} does not hold one line of text", file.value.display());
        findings.error(file.at, what, "write the AMI secret into it, and nothing else");
        return None;
    }
    told(file.at, syntax::credential("secret_file", line), findings)?;
    if content.open_to_others {
        let path = file.value.display();
        findings.warn(Some(file.at), format!("others on this host can read {path}"), format!("chmod 600 {path}"));
    }
    Some(Secret::new(line))
}

/// What a file holds that a key names, or why it cannot be had.
fn content(
    key: &schema::Key,
    file: At<&Path>,
    most: u64,
    around: &dyn Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Content> {
    let path = file.value.display();
    let error = match around.read(file.value, most) {
        Ok(content) => return Some(content),
        Err(error) => error,
    };
    let (why, remedy) = match error.kind() {
        ErrorKind::NotFound => ("is not there".to_owned(), "make the file, or correct the path".to_owned()),
        ErrorKind::PermissionDenied => {
            ("may not be read".to_owned(), format!("let the user that runs ringpost read it: chown USER {path}"))
        }
        ErrorKind::FileTooLarge => (format!("is larger than {most} bytes"), "it is probably another file".to_owned()),
        _ => (format!("cannot be read: {error}"), "correct the path".to_owned()),
    };
    findings.error(file.at, format!("`{}`: {path} {why}", key.name), remedy);
    None
}

fn read_contexts(pbx: &Section<'_>, findings: &mut Findings<'_>) -> Contexts {
    let section = pbx.table_or_absent(&pbx::CONTEXTS, &schema::CONTEXTS, findings);
    let mut seen: Vec<(At<&str>, &str)> = Vec::new();
    let mut list = |key: &schema::Key| {
        let mut patterns = Vec::new();
        for text in section.texts(key, CONTEXT_PATTERNS, findings) {
            if let Some((first, other)) = seen.iter().find(|(first, _)| first.value == text.value) {
                let what = format!("\"{}\" is in `{}` and in `{other}`", super::section::shown(text.value), key.name);
                let remedy = format!("keep one of the two (the other is in line {})", findings.line(first.at));
                findings.error(text.at, what, remedy);
            } else if text.value.len() > CONTEXT_BYTES {
                let what = format!("a context in `{}` is {} bytes long", key.name, text.value.len());
                findings.error(text.at, what, format!("Asterisk's have {CONTEXT_BYTES} at most"));
            } else {
                seen.push((text, key.name));
                patterns.push(text.value.to_owned());
            }
        }
        patterns
    };
    Contexts {
        external: list(&contexts::EXTERNAL),
        internal: list(&contexts::INTERNAL),
        ignored: list(&contexts::IGNORED),
    }
}

fn read_journal(root: &Section<'_>, findings: &mut Findings<'_>) -> Option<Journal> {
    let section = root.table_or_absent(&root::JOURNAL, &schema::JOURNAL, findings);
    let path = path_or(&section, &journal::PATH, "/etc/ringpost/journal", findings);
    let size_kib = section.number(&journal::SIZE_KIB, JOURNAL_KIB_MIN, JOURNAL_KIB_MAX, findings).unwrap_or(512);
    let words = [("drop-oldest", WhenFull::DropOldest), ("drop-newest", WhenFull::DropNewest)];
    let when_full = section.choice(&journal::WHEN_FULL, &words, findings).unwrap_or_default();
    let kinds = [Kind::Nor, Kind::Nand, Kind::Emmc, Kind::Sd, Kind::Ssd, Kind::Disk];
    let words: Vec<_> = [("auto", None)].into_iter().chain(kinds.map(|kind| (kind.word(), Some(kind)))).collect();
    let medium = section.choice(&journal::MEDIUM, &words, findings).flatten();
    Some(Journal { path: path?, size_kib, when_full, medium })
}

/// A full path, or the default.
fn path_or(section: &Section<'_>, key: &schema::Key, default: &str, findings: &mut Findings<'_>) -> Option<PathBuf> {
    if section.value(key).is_none() {
        return Some(PathBuf::from(default));
    }
    let text = section.text(key, findings)?;
    told(text.at, syntax::path(key.name, text.value), findings)
}

/// `Some(None)`: there is no such table.
fn read_recordings(root: &Section<'_>, findings: &mut Findings<'_>) -> Option<Option<Recordings>> {
    if root.value(&root::RECORDINGS).is_none() {
        return Some(None);
    }
    let section = root.table(&root::RECORDINGS, &schema::RECORDINGS, findings)?;
    let source = section.text(&recordings::SOURCE, findings);
    let source = source.and_then(|text| told(text.at, syntax::recording_source(text.value), findings));
    let pbx_path = path_or(&section, &recordings::PBX_PATH, "/var/spool/asterisk/monitor", findings);
    let hours = section.number(&recordings::GIVE_UP_HOURS, 1, GIVE_UP_HOURS_MAX, findings).unwrap_or(72);
    let give_up_hours = u16::try_from(hours).unwrap_or(u16::MAX);
    Some(Some(Recordings { source: RecordingSource::Path(source?), pbx_path: pbx_path?, give_up_hours }))
}

fn read_crms(root: &Section<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Vec<Crm>> {
    let is_empty = |value: &Spanned<DeValue<'_>>| value.get_ref().as_array().is_some_and(|list| list.is_empty());
    if root.value(&root::CRM).is_none_or(is_empty) && !root.is_mistyped(&root::CRM) {
        let remedy = "add [[crm]], and under it the lines kind, webhook and default_user";
        findings.error(0, "there is no [[crm]]: nobody would get the calls", remedy);
    }
    let mut read: Vec<(usize, Crm)> = Vec::new();
    for section in root.tables(&root::CRM, &schema::CRM, CRMS, findings) {
        let Some(crm) = read_crm(&section, around, findings) else { continue };
        if let Some((first, _)) = read.iter().find(|(_, other)| portal(other) == portal(&crm)) {
            let what = format!("the portal {} has two [[crm]]: it would get every call twice", portal(&crm));
            let remedy = format!("keep one of the two (the other begins in line {})", findings.line(*first));
            findings.error(section.at, what, remedy);
        }
        read.push((section.at, crm));
    }
    Some(read.into_iter().map(|(_, crm)| crm).collect())
}

fn portal(crm: &Crm) -> &str {
    let CrmKind::Bitrix24(bitrix24) = &crm.kind;
    &bitrix24.portal
}

fn read_crm(section: &Section<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Crm> {
    let kind = section.text(&crm::KIND, findings);
    match kind.map(|kind| kind.value) {
        Some("bitrix24") | None => {}
        Some("elma365" | "webhook") => {
            let what = format!("kind = \"{}\" comes with a later version of ringpost", kind?.value);
            findings.error(kind?.at, what, "this one posts to \"bitrix24\"");
            return None;
        }
        Some(_) => drop(section.choice(&crm::KIND, &[("bitrix24", ())], findings)),
    }
    let bitrix24 = read_bitrix24(section, around, findings);
    kind?;
    Some(Crm { kind: CrmKind::Bitrix24(bitrix24?) })
}

fn read_bitrix24(section: &Section<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<Bitrix24> {
    let webhook = section.text(&crm::WEBHOOK, findings);
    let webhook = webhook.and_then(|text| told(text.at, syntax::webhook(text.value), findings));
    let default_user = section.number(&crm::DEFAULT_USER, 1, u32::MAX, findings);
    let cards = [("never", ShowCard::Never), ("on-ring", ShowCard::OnRing), ("on-answer", ShowCard::OnAnswer)];
    let show_card = section.choice(&crm::SHOW_CARD, &cards, findings).unwrap_or_default();
    let creates = [
        ("never", Create::Never),
        ("always", Create::Always),
        ("inbound", Create::Inbound),
        ("outbound", Create::Outbound),
    ];
    let create = section.choice(&crm::CREATE, &creates, findings).unwrap_or_default();
    let ca_file = read_ca_file(section, around, findings);
    let users = read_users(section, findings);
    let anonymous = read_anonymous(section, findings);
    let (webhook, portal) = webhook?;
    let default_user = default_user?;
    Some(Bitrix24 { webhook, portal, default_user, show_card, create, ca_file, users, anonymous: anonymous? })
}

fn read_ca_file(section: &Section<'_>, around: &dyn Surroundings, findings: &mut Findings<'_>) -> Option<PathBuf> {
    section.value(&crm::CA_FILE)?;
    let text = section.text(&crm::CA_FILE, findings)?;
    let path = told(text.at, syntax::path(crm::CA_FILE.name, text.value), findings)?;
    let content = content(&crm::CA_FILE, At { at: text.at, value: &path }, CA_FILE_BYTES, around, findings)?;
    if memchr::memmem::find(&content.bytes, b"-----BEGIN CERTIFICATE-----").is_none() {
        let what = format!("`ca_file`: {} holds no certificate in PEM form", path.display());
        findings.error(text.at, what, "convert it: openssl x509 -inform der -in FILE -out FILE.pem");
        return None;
    }
    Some(path)
}

fn read_users(section: &Section<'_>, findings: &mut Findings<'_>) -> BTreeMap<Extension, u32> {
    let mut users = BTreeMap::new();
    let Some((at, values)) = section.entries(&crm::USERS, findings) else { return users };
    if values.len() > USER_OVERRIDES {
        findings.error(at, format!("[crm.users] has {} lines", values.len()), format!("{USER_OVERRIDES} are the most"));
        return users;
    }
    for (key, value) in values {
        let extension = told(key.span().start, syntax::extension(key.get_ref()), findings);
        let user = user(value, findings);
        if let (Some(extension), Some(user)) = (extension, user) {
            users.insert(extension, user);
        }
    }
    users
}

/// A user's number in Bitrix24.
fn user(value: &Spanned<DeValue<'_>>, findings: &mut Findings<'_>) -> Option<u32> {
    let integer = value.get_ref().as_integer();
    let user = integer.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
    let user = user.filter(|user| *user > 0);
    if user.is_none() {
        let remedy = "write the user's number in Bitrix24, without quotes: 101 = 7";
        findings.error(value.span().start, "this is not a user's number", remedy);
    }
    user
}

/// The portal refuses a number without digits, and a lone 0.
fn read_anonymous(section: &Section<'_>, findings: &mut Findings<'_>) -> Option<Number> {
    if section.value(&crm::ANONYMOUS).is_none() {
        return Number::try_from("000").ok();
    }
    let text = section.text(&crm::ANONYMOUS, findings)?;
    let fits = text.value.len() >= 2 && text.value.bytes().all(|b| b.is_ascii_digit());
    let number = if fits { Number::try_from(text.value).ok() } else { None };
    if number.is_none() {
        findings.error(text.at, "`anonymous` is not a number of two digits or more", "write anonymous = \"000\"");
    }
    number
}

fn read_level(root: &Section<'_>, findings: &mut Findings<'_>) -> LevelFilter {
    let section = root.table_or_absent(&root::LOG, &schema::LOG, findings);
    let words = [
        ("off", LevelFilter::Off),
        ("error", LevelFilter::Error),
        ("warn", LevelFilter::Warn),
        ("info", LevelFilter::Info),
        ("debug", LevelFilter::Debug),
        ("trace", LevelFilter::Trace),
    ];
    section.choice(&log::LEVEL, &words, findings).unwrap_or(LevelFilter::Info)
}
