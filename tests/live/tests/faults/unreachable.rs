//! The way to the portal swallows everything: its TLS never answers, or the resolver does not. Telephones ring on
//! meanwhile, and the loop that listens to them waits for nobody.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use live::office::{Verdict, Wish};
use live::{Agent, Exchange, Office, Plan, Trouble, Version, did, secs};
use portal::PortalConfig;
use serde_json::Value;

use super::{USER_OF_101, USER_OF_102, assert_talk};

const USER_OF_103: u64 = 13;
/// What the agent's loop may take to answer when nothing holds it up.
const ANSWER: Duration = Duration::from_millis(500);
/// What it may take once, on a machine that is busy with other things. A handshake or a resolver holds up for longer.
const HICCUP: Duration = Duration::from_secs(3);
/// The longest wait for a connection, twice.
const GIVEN_UP: Duration = Duration::from_secs(45);
/// A connection that hangs, then the longest back-off.
const BACK: Duration = Duration::from_secs(180);
/// A name that only the test's own files know.
const NAME: &str = "portal.ringpost.test";

/// Three calls at once while the portal cannot be reached; `back` makes it well.
fn three_calls_despite(office: &Office, back: impl FnOnce() -> Verdict) -> Verdict {
    office.agent.start_live()?;
    let over = AtomicBool::new(false);
    let (talks, answers) = thread::scope(|scope| {
        let watch = scope.spawn(|| times_to_answer(&office.agent, &over));
        let talks = three_calls(office);
        // Until the first request has been given up, too.
        let failed = |status: &Value| status["crm"][0]["fault"] != "";
        let failed = office.agent.await_status("the portal is given up", GIVEN_UP, failed);
        over.store(true, Ordering::SeqCst);
        (failed.and(talks), watch.join())
    });
    let (talks, mut answers) = (talks?, answers.map_err(|_| "the status was not told")??);
    answers.sort_unstable();
    assert!(answers.len() > 20, "the status was told {} times", answers.len());
    assert!(answers[answers.len() * 9 / 10] <= ANSWER && answers[answers.len() - 1] <= HICCUP, "{answers:?}");
    let wait = |status: &Value| status["live_calls"] == 0 && status["journal"]["waiting"] == 3;
    let status = office.agent.await_status("three calls wait", secs(10.0), wait)?;
    assert_eq!((&status["journal"]["calls"], &status["journal"]["unjournalled"]), (&3.into(), &0.into()), "{status}");
    assert_eq!((&status["pbx"]["live"], &status["pbx"]["link_losses"]), (&true.into(), &0.into()), "{status}");
    assert_eq!(office.portal.look(|state| state.requests().count()), 0, "the portal could be reached");
    back()?;
    for (client, user, talk) in talks {
        assert_talk(&office.call_of(&client, BACK)?, user, talk, 1.0);
    }
    assert_eq!(office.settled(BACK)?.len(), 3, "finished more than once");
    assert!(office.portal.live_calls().is_empty(), "{:#?}", office.portal.live_calls());
    let status = office.agent.status().ok_or("no status")?;
    assert_eq!(status["pbx"]["link_losses"], 0, "{status}");
    Ok(())
}

/// Three calls that ring, talk and end together: whose, who took them, how long.
fn three_calls(office: &Office) -> Result<Vec<(String, u64, Duration)>, Trouble> {
    let lines = [
        ("101", USER_OF_101, did::RECORDED.to_owned()),
        ("102", USER_OF_102, did::SECOND_LINE.to_owned()),
        ("103", USER_OF_103, did::direct("103")),
    ];
    let mut calls = Vec::new();
    for (extension, user, line) in lines {
        let caller = office.caller();
        office.plan_for(&caller, extension, Plan::manual())?;
        let call = office.inbound(&caller, &line)?;
        let phone = office.ringing(extension, caller.number(), secs(10.0))?;
        calls.push((caller, user, call, phone.answer()?));
    }
    thread::sleep(secs(6.0));
    let ended = calls
        .into_iter()
        .map(|(caller, user, call, answered)| Ok((caller.number().to_owned(), user, call.hang_up()?.at - answered)));
    ended.collect()
}

/// How long the agent takes to tell its status, again and again until it is over.
fn times_to_answer(agent: &Agent, over: &AtomicBool) -> Result<Vec<Duration>, Trouble> {
    let mut times = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let began = Instant::now();
        let mut told = String::new();
        UnixStream::connect(agent.status_socket())?.read_to_string(&mut told)?;
        times.push(began.elapsed());
        thread::sleep(secs(0.1));
    }
    Ok(times)
}

#[test]
fn the_portal_is_silent_in_the_handshake() -> Verdict {
    Office::play_with(
        Version::Asterisk22,
        false,
        |_| Ok(Wish::default()),
        |office| {
            office.portal.go_silent();
            three_calls_despite(office, || Ok(office.portal.come_up()?))
        },
    )
}

/// Files of the test's own in the place of the system's, for the agent alone.
fn launcher(dir: &Path, resolver: &str) -> Result<Vec<OsString>, Trouble> {
    let script = "mount --bind $1/hosts /etc/hosts && mount --bind $1/resolv.conf /etc/resolv.conf && \
                  mount --bind $1/nsswitch.conf /etc/nsswitch.conf && shift && exec \"$@\"";
    fs::create_dir_all(dir)?;
    fs::write(dir.join("hosts"), "")?;
    fs::write(dir.join("resolv.conf"), format!("nameserver {resolver}\n"))?;
    fs::write(dir.join("nsswitch.conf"), "hosts: files dns\n")?;
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"].map(OsString::from);
    Ok(words.into_iter().chain([dir.as_os_str().to_owned()]).collect())
}

/// The resolver takes questions and answers none; the name is known again when it stands in the file of hosts.
#[test]
fn the_resolver_drops_every_question() -> Verdict {
    let dir = std::env::temp_dir().join(format!("ringpost-names-{}", std::process::id()));
    let mut resolver = None;
    let wish = |exchange: &Exchange| {
        let (net, _) = exchange.host().rsplit_once('.').ok_or(Trouble::Gone)?;
        let address = format!("{net}.252");
        let socket = UdpSocket::bind((address.as_str(), 53))?;
        let portal = PortalConfig { host: NAME.to_owned(), ..Wish::default().portal };
        resolver = Some(socket);
        Ok(Wish { launcher: launcher(&dir, &address)?, portal, ..Wish::default() })
    };
    let played = Office::play_with(Version::Asterisk22, false, wish, |office| {
        three_calls_despite(office, || Ok(fs::write(dir.join("hosts"), format!("127.0.0.1 {NAME}\n"))?))
    });
    let asked = resolver.map(|socket| socket.set_nonblocking(true).and_then(|()| socket.recv(&mut [0; 512])));
    fs::remove_dir_all(&dir)?;
    played?;
    asked.ok_or("no resolver")?.map_err(|error| format!("nobody asked the resolver: {error}"))?;
    Ok(())
}
