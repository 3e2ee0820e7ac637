//! Recordings: byte for byte, once, and without holding them in memory.

use super::office::{Office, SECRET, Work, answered};
use portal::Fault;
use ringpost::config::{RecordingSource, Recordings};
use ringpost::crm::{Outcome, Port};
use ringpost::deliver::job::{Dealt, Job, Report};
use ringpost::deliver::lanes::Lanes;
use ringpost::recording::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A directory of its own that goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ringpost-attach-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sound(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap_or(0)).collect()
}

fn delivered(office: &Office) -> Work {
    let mut work = Work::new(answered("office-1710140185.18", "101", 5_000));
    office.deliver(&mut work);
    work
}

fn attach(office: &Office, work: &Work, file: &Path, in_doubt: bool) -> Outcome {
    let outcome = office.bitrix.attach(&work.call, &work.ticket, file, in_doubt, None);
    assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
    outcome
}

#[test]
fn a_call_whose_name_at_the_portal_was_lost_is_found_by_its_own() {
    let (office, scratch) = (Office::open(), Scratch::new("nameless"));
    let mut work = delivered(&office);
    work.ticket = Default::default();
    let file = scratch.file("x.wav", &sound(10_000));
    assert_eq!(attach(&office, &work, &file, false), Outcome::Done);
    assert!(office.only_call().recording.is_some());
    work.call.id = "office-1.1".try_into().expect("an identity");
    assert!(matches!(attach(&office, &work, &file, false), Outcome::Refused { .. }), "nobody delivered that one");
}

#[test]
fn it_arrives_byte_for_byte_under_its_calls_name() {
    let (office, scratch) = (Office::open(), Scratch::new("plain"));
    let work = delivered(&office);
    for (name, sent) in [
        ("x.WAV", "office-1710140185.18.wav"),
        ("x.mp3", "office-1710140185.18.mp3"),
        ("x.wav", "office-1710140185.18.wav"),
    ] {
        let bytes = sound(300_001);
        let file = scratch.file(name, &bytes);
        assert_eq!(attach(&office, &work, &file, false), Outcome::Done);
        let recordings = office.portal.recordings();
        let last = recordings.last().expect("it arrived");
        assert_eq!((last.file_name.as_str(), last.chunked), (sent, false));
        assert!(last.content.as_deref() == Some(bytes.as_slice()), "{name} differs");
        assert_eq!(office.only_call().recording, Some(last.file_id));
    }
}

#[test]
fn one_that_is_there_already_is_not_sent_twice() {
    let (office, scratch) = (Office::open(), Scratch::new("twice"));
    let work = delivered(&office);
    let file = scratch.file("x.wav", &sound(5_000));
    office.portal.fault(Fault::lost_answer().on("upload"));
    assert!(matches!(attach(&office, &work, &file, false), Outcome::InDoubt { .. }));
    assert_eq!(attach(&office, &work, &file, true), Outcome::Done);
    assert_eq!(office.portal.recordings().len(), 1);
}

#[test]
fn one_that_did_not_arrive_is_sent_again() {
    let scratch = Scratch::new("again");
    let file = scratch.file("x.wav", &sound(200_000));
    for fault in [
        Fault::lost_request().on("upload"),
        Fault::internal_error(false).on("upload"),
        Fault::html(502, false).on("upload"),
        Fault::lost_answer().on("telephony.externalcall.attachrecord"),
        Fault::rate_limited().on("telephony.externalcall.attachrecord"),
        Fault::error(403, "ACCESS_DENIED", "Link check failed").on("upload"),
    ] {
        let office = Office::open();
        let work = delivered(&office);
        office.portal.fault(fault);
        let mut in_doubt = false;
        for _ in 0..4 {
            match attach(&office, &work, &file, in_doubt) {
                Outcome::Done => break,
                Outcome::InDoubt { .. } => in_doubt = true,
                Outcome::Retry { after, .. } => {
                    std::thread::sleep(after.unwrap_or_default().min(std::time::Duration::from_secs(4)))
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(office.portal.recordings().len(), 1);
        assert_eq!(office.portal.faults_left(), 0);
    }
}

#[test]
fn what_is_no_recording_is_refused_and_what_is_not_there_waits() {
    let (office, scratch) = (Office::open(), Scratch::new("refused"));
    let work = delivered(&office);
    let before = office.portal.requests().len();
    for (name, bytes) in [("x.gsm", &b"x"[..]), ("x", b"x"), ("x.wav", b"")] {
        let outcome = attach(&office, &work, &scratch.file(name, bytes), false);
        assert!(matches!(outcome, Outcome::Refused { .. }), "{name}: {outcome:?}");
    }
    assert!(matches!(attach(&office, &work, &scratch.0.join("gone.wav"), false), Outcome::Retry { .. }));
    assert!(matches!(attach(&office, &work, Path::new("/dev/zero"), false), Outcome::Refused { .. }));
    assert_eq!(office.portal.requests().len(), before, "nobody was asked");
}

#[test]
fn a_call_that_is_not_finished_yet_gets_its_recording_later() {
    let (office, scratch) = (Office::open(), Scratch::new("early"));
    let mut work = Work::new(answered("office-1.1", "101", 5_000));
    office.announce(&mut work, &["101"], None);
    let file = scratch.file("x.wav", &sound(100));
    assert!(matches!(attach(&office, &work, &file, false), Outcome::Retry { .. }));
    office.deliver(&mut work);
    assert_eq!(attach(&office, &work, &file, false), Outcome::Done);
}

/// A WAV of so many seconds, 8 kHz and 16 bit.
fn wav(secs: u32) -> Vec<u8> {
    let data = secs * 16_000;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    file.extend(data.to_le_bytes());
    file.extend(sound(data as usize));
    file
}

/// Hands one job to the lanes and waits for its report.
fn run(lanes: &Lanes, reports: &mut tokio::sync::mpsc::Receiver<(usize, Report)>, job: Job) -> Report {
    assert!(lanes.send(job));
    reports.blocking_recv().expect("a report").1
}

#[test]
fn of_two_recordings_the_longer_is_uploaded_and_the_other_never() {
    let office = Office::open();
    let mut work = Work::new(answered("office-1710140185.18", "101", 5_000));
    for path in ["/var/spool/asterisk/monitor/queue.wav", "/var/spool/asterisk/monitor/2026/talk.wav"] {
        work.call.recordings.push(ringpost::text::bounded(path.as_bytes())).expect("room");
    }
    office.deliver(&mut work);
    assert_eq!(office.only_call().failed_reason, "recordings queue.wav, talk.wav");

    let scratch = Scratch::new("two");
    std::fs::create_dir_all(scratch.0.join("2026")).expect("a directory");
    scratch.file("queue.wav", &wav(2));
    scratch.file("2026/talk.wav", &wav(9));
    let source = Source::new(&Recordings {
        source: RecordingSource::Path(scratch.0.clone()),
        pbx_path: "/var/spool/asterisk/monitor".into(),
        give_up_hours: 1,
    });
    let Office { portal, bitrix } = office;
    let (sender, mut reports) = tokio::sync::mpsc::channel(4);
    let lanes = Lanes::start(0, Arc::new(bitrix), Some(source), &sender).expect("threads");
    let record = Arc::new(work.call);
    let job = || Job::Attach {
        record: record.clone(),
        ticket: work.ticket.clone(),
        left: 0b11,
        patient: true,
        in_doubt: false,
        link: None,
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let done = loop {
        let report = run(&lanes, &mut reports, job());
        match report.outcome {
            Outcome::Done => break report,
            Outcome::Retry { after, .. } if Instant::now() < deadline => std::thread::sleep(after.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(done.recording, Some(Dealt { index: 1, alone: true }));
    let recordings = portal.recordings();
    assert_eq!(recordings.len(), 1);
    assert_eq!(recordings.first().map(|recording| recording.bytes), Some(wav(9).len() as u64));
}

/// The child of [`memory_does_not_grow_with_the_recording`]: attaches one file and prints its own peak in KiB.
#[test]
#[ignore = "run by memory_does_not_grow_with_the_recording in a process of its own"]
fn child_attaches_and_tells_its_peak() {
    use ringpost::config::{Bitrix24 as Settings, Create, Secret, ShowCard};
    use ringpost::crm::Ticket;
    let var = |name: &str| std::env::var(name).expect("set by the parent");
    let settings = Settings {
        webhook: Secret::new(var("RINGPOST_WEBHOOK")),
        portal: String::new(),
        default_user: 1,
        show_card: ShowCard::Never,
        create: Create::Never,
        ca_file: Some(var("RINGPOST_CA").into()),
        users: std::collections::BTreeMap::new(),
        anonymous: ringpost::text::bounded(b"000"),
    };
    let bitrix = ringpost::crm::bitrix24::Bitrix24::new("bitrix24", settings).expect("set up");
    let ticket = Ticket { call: var("RINGPOST_CALL").as_str().try_into().expect("it fits"), ..Ticket::default() };
    let call = answered("office-1710140185.18", "101", 5_000);
    let file = PathBuf::from(var("RINGPOST_FILE"));
    assert_eq!(bitrix.attach(&call, &ticket, &file, false, None), Outcome::Done);
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    println!("peak={}", peak.trim().trim_end_matches("kB").trim());
}

#[test]
fn memory_does_not_grow_with_the_recording() {
    let (office, scratch) = (Office::open(), Scratch::new("large"));
    let work = delivered(&office);
    let peak = |bytes: u64| {
        let path = scratch.0.join("large.wav");
        std::fs::File::create(&path).and_then(|file| file.set_len(bytes)).expect("a sparse file");
        let output = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "bitrix24::recordings::child_attaches_and_tells_its_peak", "--ignored", "--nocapture"])
            .env("RINGPOST_WEBHOOK", office.portal.webhook_url())
            .env("RINGPOST_CA", office.portal.ca_file())
            .env("RINGPOST_CALL", work.ticket.call.as_str())
            .env("RINGPOST_FILE", &path)
            .output()
            .expect("the child runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = text.lines().find_map(|line| line.split("peak=").nth(1)).and_then(|kib| kib.parse::<u64>().ok());
        told.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let (small, large) = (peak(100_000), peak(100_000_000));
    assert_eq!(office.portal.recordings().last().map(|recording| recording.bytes), Some(100_000_000));
    assert!(large < small + 512, "peak {small} KiB with 100 kB, {large} KiB with 100 MB");
}
