//! `ringpost doctor` as an operator runs it, often as root and before the service ever ran: it makes nothing, and what
//! it finds on this host it tells with the remedy.
#![allow(clippy::expect_used, clippy::indexing_slicing)] // a test may panic

mod journal_model;

use journal_model::{at, entry, settings, usual_call};
use pbx::{Pbx, SECRET, Trouble, USERNAME};
use ringpost::journal::Ring;
use ringpost::journal::storage::FileStorage;
use ringpost::journal::thread::FILE_NAME;
use ringpost::text::bounded;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory that goes with its test, and the service's account where the test has one.
struct Place(PathBuf, u32);

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("ringpost-doctor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory for the test");
        Self(directory, 0)
    }

    /// What doctor says line by line, of a configuration whose PBX and portal are ports where nobody listens.
    fn doctor(&self, more: &str) -> Vec<String> {
        self.doctor_of("port = 9\nusername = \"u\"\nsecret = \"s3cret\"\n", more)
    }

    /// The same with a PBX that answers.
    fn doctor_at(&self, pbx: &Pbx, more: &str) -> Vec<String> {
        self.doctor_with(pbx, "", more)
    }

    /// The same with more keys of the PBX.
    fn doctor_with(&self, pbx: &Pbx, keys: &str, more: &str) -> Vec<String> {
        let port = pbx.address().port();
        self.doctor_of(&format!("port = {port}\nusername = \"{USERNAME}\"\nsecret = \"{SECRET}\"\n{keys}"), more)
    }

    fn doctor_of(&self, pbx: &str, more: &str) -> Vec<String> {
        let here = self.0.display();
        let text = format!(
            "[pbx]\nname = \"office\"\nhost = \"127.0.0.1\"\n{pbx}\
             [journal]\npath = \"{here}/etc/journal\"\n[run]\nstate_dir = \"{here}/run/ringpost\"\n{more}\n\
             [[crm]]\nkind = \"bitrix24\"\ndefault_user = 1\nwebhook = \"https://127.0.0.1:9/rest/1/s3cr3t/\"\n"
        );
        let config = self.0.join("ringpost.toml");
        fs::write(&config, text).expect("the configuration is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.env("RINGPOST_TEST_SERVICE_UID", self.1.to_string());
        let output = command.arg("-c").arg(&config).arg("doctor").stdin(Stdio::null()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "PBX or portal is away: {output:?}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// A journal with one call whose recording the PBX called so.
    fn journal_with(&self, recording: &str) {
        let directory = self.0.join("etc/journal");
        fs::create_dir_all(&directory).expect("a directory");
        let storage = FileStorage::open(&directory.join(FILE_NAME), 64).expect("a file");
        let mut ring = Ring::open(storage, settings(1)).0;
        let mut call = usual_call(1);
        call.recordings = [bounded(recording.as_bytes())].into_iter().collect();
        ring.append(&entry(call, 1), at(1)).expect("room");
        ring.sync().expect("synced");
    }

    fn files(&self) -> Vec<PathBuf> {
        fn below(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).expect("readable").flatten() {
                found.push(entry.path());
                if entry.path().is_dir() {
                    below(&entry.path(), found);
                }
            }
        }
        let mut found = Vec::new();
        below(&self.0, &mut found);
        found.sort();
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line<'a>(lines: &'a [String], verdict: &str, name: &str) -> &'a str {
    let found = lines.iter().find(|line| {
        let rest = line.strip_prefix(verdict).map(str::trim_start);
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(' '))
    });
    found.unwrap_or_else(|| panic!("no line {verdict} {name} in {lines:#?}"))
}

#[test]
fn nothing_is_made_for_root_to_own() {
    let place = Place::new("nothing");
    let lines = place.doctor("");
    let journal = lines.iter().find(|line| line.contains("journal")).expect("a line of the journal");
    assert!(!journal.starts_with("FAIL") && journal.contains("not there yet"), "{journal}");
    assert!(line(&lines, "ok", "state").contains("not there yet"));
    assert_eq!(place.files(), [place.0.join("ringpost.toml")]);
}

#[test]
fn a_journal_that_is_there_is_looked_at_and_left_as_it_was() {
    let place = Place::new("there");
    place.journal_with("/var/spool/asterisk/monitor/a.wav");
    let file = place.0.join("etc/journal").join(FILE_NAME);
    let before = fs::read(&file).expect("a journal");
    let lines = place.doctor("");
    assert!(lines.iter().any(|line| line.contains("ring can be written")), "{lines:?}");
    assert_eq!(fs::read(&file).expect("a journal"), before);
}

#[test]
fn what_is_in_the_way_is_told() {
    let place = Place::new("way");
    fs::write(place.0.join("etc"), "a file").expect("written");
    fs::write(place.0.join("run"), "a file").expect("written");
    let lines = place.doctor("");
    assert!(line(&lines, "FAIL", "journal").contains("is no directory"));
    assert!(line(&lines, "warn", "state").contains("is no directory"));
}

#[test]
fn the_names_of_recordings_are_held_against_what_is_mounted() {
    let place = Place::new("recordings");
    let root = place.0.join("monitor");
    let table = format!("[recordings]\nsource = \"path:{}\"\n", root.display());
    assert!(line(&place.doctor(&table), "FAIL", "recordings").contains("mount it"));

    fs::create_dir_all(root.join("2026")).expect("a directory");
    assert!(line(&place.doctor(&table), "ok", "recordings").contains("first recorded call"));

    place.journal_with("/data/monitor/2026/a.wav");
    let told = line(&place.doctor(&table), "FAIL", "recordings").to_owned();
    assert!(told.contains("/data/monitor/2026") && told.contains("set pbx_path"), "{told}");

    let table = format!("{table}pbx_path = \"/data/monitor\"\n");
    let told = line(&place.doctor(&table), "warn", "recordings").to_owned();
    assert!(told.contains("a.wav"), "{told}");

    fs::write(root.join("2026/a.wav"), "x").expect("written");
    line(&place.doctor(&table), "ok", "recordings");
}

/// Stands for the account of the service. Nothing is its own unless the test gives it.
const SERVICE_UID: u32 = 42_424;

/// Root may read and write everything; what counts is what the service may. Who is not root looks for himself.
#[test]
fn what_only_root_may_do_is_not_well() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut place = Place::new("rights");
    place.1 = SERVICE_UID;
    let (root, journal) = (place.0.join("monitor"), place.0.join("etc/journal"));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    fs::create_dir_all(root.join("2026")).expect("a directory");
    fs::write(root.join("2026/a.wav"), "x").expect("written");
    mode(&place.0, 0o755);
    mode(&root.join("2026"), 0o755);
    place.journal_with("/var/spool/asterisk/monitor/2026/a.wav");
    let table = format!("[recordings]\nsource = \"path:{}\"\n", root.display());

    mode(&root, 0o700);
    let lines = place.doctor(&table);
    let told = line(&lines, "FAIL", "recordings");
    assert!(told.contains("monitor: Permission denied") && told.contains("uid=ringpost"), "{told}");
    assert!(line(&lines, "FAIL", "journal").contains("cannot be written"), "{lines:#?}");
    std::os::unix::fs::chown(&journal, Some(SERVICE_UID), Some(SERVICE_UID)).expect("root may give");
    let told = line(&place.doctor(&table), "warn", "journal").to_owned();
    assert!(told.contains("belongs to root") && told.contains(&format!("chown {SERVICE_UID} ")), "{told}");

    mode(&root, 0o755);
    mode(&root.join("2026/a.wav"), 0o600);
    let told = line(&place.doctor(&table), "FAIL", "recordings").to_owned();
    assert!(told.contains("2026/a.wav may not be read"), "{told}");

    mode(&root.join("2026/a.wav"), 0o644);
    for path in [journal.clone(), journal.join(FILE_NAME)] {
        std::os::unix::fs::chown(path, Some(SERVICE_UID), Some(SERVICE_UID)).expect("root may give");
    }
    let lines = place.doctor(&table);
    line(&lines, "ok", "recordings");
    assert!(lines.iter().any(|line| line.contains("ring can be written")), "{lines:#?}");
}

#[test]
fn what_is_learned_of_the_pbx_is_told_with_the_reason() {
    let (place, pbx) = (Place::new("learned"), Pbx::start());
    let lines = place.doctor_at(&pbx, "");
    assert!(line(&lines, "ok", "pbx peers").contains("5 PJSIP listed by the PBX"));
    assert!(line(&lines, "ok", "extensions").ends_with("4 by profile auto: 101, 102, 103, 104"));
    assert!(line(&lines, "ok", "trunks").ends_with("1 by profile auto: PJSIP/trunk"));
    let contexts = line(&lines, "ok", "contexts");
    assert!(contexts.contains("from-internal: internal by profile auto; from-trunk: from outside by profile auto"));

    let lines = place.doctor_at(&pbx, "[pbx.contexts]\nexternal = [\"from-internal\"]\n");
    assert!(line(&lines, "ok", "trunks").contains("by [pbx.contexts]: PJSIP/101, PJSIP/102"), "{lines:#?}");
    assert!(line(&lines, "warn", "extensions").contains("[pbx.contexts] internal"), "{lines:#?}");
}

#[test]
fn an_office_of_many_extensions_stays_readable() {
    let (place, pbx) = (Place::new("many"), Pbx::start());
    pbx.set_endpoints((1000..1200).map(|number| number.to_string()).collect());
    let lines = place.doctor_at(&pbx, "");
    let told = line(&lines, "ok", "extensions");
    assert!(told.contains("200 by profile auto: 1000, 1001, ") && told.ends_with("1019 and 180 more"), "{told}");
    assert!(line(&lines, "warn", "trunks").contains("[pbx.contexts] external"), "{lines:#?}");
}

#[test]
fn a_pbx_that_lists_no_peers_is_told_so() {
    let (place, pbx) = (Place::new("denied"), Pbx::start());
    pbx.trouble(Trouble::Denied);
    let lines = place.doctor_at(&pbx, "");
    assert!(line(&lines, "ok", "pbx peers").contains("none listed by the PBX"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("extensions  ") || line.contains("trunks  ")), "{lines:#?}");
}

/// An item of the list of channels.
fn channel(name: &str, context: &str) -> String {
    format!(
        "Event: CoreShowChannel\r\nChannel: {name}\r\nChannelState: 6\r\nContext: {context}\r\nExten: s\r\n\
         Uniqueid: {name}\r\nLinkedid: {name}\r\nDuration: 00:00:07\r\nBridgeId: "
    )
}

#[test]
fn the_family_is_told_with_the_words_that_tell_it() {
    let (place, pbx) = (Place::new("family"), Pbx::start());
    let lines = place.doctor_at(&pbx, "");
    assert!(line(&lines, "ok", "family").contains("not recognised by what is seen now: profile auto"), "{lines:#?}");

    pbx.set_channels(vec![
        channel("PJSIP/1000-00000001", "DLPN_DialPlan1000"),
        channel("PJSIP/trunk-mtt-endpoint-00000002", "DID_trunk_1"),
        channel("SIP/mtt-00000003", "incoming-mtt"),
    ]);
    let lines = place.doctor_at(&pbx, "");
    let told = line(&lines, "ok", "family");
    assert!(told.contains("looks like a Yeastar S (DLPN_…, trunk-NAME-endpoint, DID_…)"), "{told}");
    assert!(told.ends_with("write profile = \"yeastar-s\" into [pbx] to fix it"), "{told}");
    let contexts = line(&lines, "ok", "contexts");
    for part in ["DID_trunk_1: from outside by profile yeastar-s", "incoming-mtt: from outside by profile auto"] {
        assert!(contexts.contains(part), "{contexts}");
    }

    let lines = place.doctor_with(&pbx, "profile = \"yeastar-p\"\n", "");
    assert!(line(&lines, "ok", "family").contains("profile yeastar-p, as configured; looks like"), "{lines:#?}");
    let lines = place.doctor_with(&pbx, "profile = \"freepbx\"\n", "");
    let told = line(&lines, "warn", "family");
    assert!(
        told.contains("looks like a Yeastar S (DLPN_…, trunk-NAME-endpoint, DID_…), but profile freepbx is"),
        "{told}"
    );
}
