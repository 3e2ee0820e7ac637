//! The link against scripted peers in virtual time: servers that answer with what real Asterisks 11, 16 and 22 said,
//! weak accounts, and peers that are no AMI at all.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use core::time::Duration;
use ringpost::ami::action::{Action, ActionError};
use ringpost::ami::event::Event;
use ringpost::ami::filters::Generation;
use ringpost::ami::link::{FaultKind, Link, LinkConfig, Output, Right};
use ringpost::clock::Monotonic;
use ringpost::config::Secret;
use ringpost::limits::{
    AMI_ANSWER_TIMEOUT, AMI_BANNER_TIMEOUT, AMI_LOGIN_TIMEOUT, AMI_PACKET_TIMEOUT, AMI_PEERS_FIRST, AMI_PING_INTERVAL,
    AMI_SILENCE_TIMEOUT, CHANNELS, PEERS_INTERVAL, RECONNECT_LONGEST, RESYNC_PROBE, RESYNC_SECOND,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

const SECRET: &str = "s3cret-of-the-pbx";
const VERSIONS: [&str; 3] = ["11.25.3", "16.28.0", "22.10.1"];

/// Answers actions with the packets that a real server of this version sent.
struct Pbx {
    version: &'static str,
    /// Packets by the name of the action, with the ActionID they had in the capture.
    answers: BTreeMap<&'static str, (String, String)>,
    /// Actions answered with an error.
    refused: BTreeMap<&'static str, &'static str>,
    /// Actions not answered at all.
    ignored: BTreeSet<&'static str>,
    /// Names of the actions that came, with the value of their `Filter`, `EventMask` or `Events`.
    asked: Vec<(String, String)>,
}

impl Pbx {
    fn new(version: &'static str) -> Self {
        let mut pbx = Self {
            version,
            answers: BTreeMap::new(),
            refused: BTreeMap::new(),
            ignored: BTreeSet::new(),
            asked: Vec::new(),
        };
        let captures = [
            ("Challenge", "protocol", "p1"),
            ("Login", "protocol", "p2"),
            ("Ping", "protocol", "p3"),
            ("Events", "protocol", "p4"),
            ("CoreSettings", "protocol", "p11"),
            ("CoreStatus", "protocol", "p12"),
            ("Filter", "protocol", "p15"),
            ("Logoff", "protocol", "p22"),
            ("CoreShowChannels", "snapshot", "s2"),
            ("Status", "snapshot", "s3"),
            ("SIPpeers", "listings", "l1-SIPpeers"),
            ("PJSIPShowEndpoints", "listings", "l4-PJSIPShowEndpoints"),
            ("IAXpeers", "listings", "l9-IAXpeers"),
            ("DAHDIShowChannels", "listings", "l11-DAHDIShowChannels"),
        ];
        for (action, scenario, id) in captures {
            pbx.answers.insert(action, (id.to_owned(), captured(version, scenario, id)));
        }
        let boot = corpus::naive_packets(&corpus::one(version, "protocol"))
            .into_iter()
            .find(|packet| packet[0] == b"Event: FullyBooted")
            .map(|packet| as_text(&packet))
            .expect("it booted");
        pbx.answers.get_mut("Login").expect("captured").1.push_str(&boot);
        let commands = "Status:  (Priv: system,call,reporting,all)\r\nPing:  (Priv: <none>)\r\nFilter:  (Priv: system,all)\r\n\
            CoreShowChannels:  (Priv: x)\r\nCoreStatus:  (Priv: x)\r\nCoreSettings:  (Priv: x)\r\nSIPpeers:  (Priv: x)\r\n\
            PJSIPShowEndpoints:  (Priv: x)\r\nOriginate:  (Priv: originate,all)\r\n";
        pbx.answers.insert("ListCommands", ("x".into(), format!("Response: Success\r\nActionID: x\r\n{commands}\r\n")));
        pbx
    }

    /// No calls.
    fn idle(version: &'static str) -> Self {
        let mut pbx = Self::new(version);
        pbx.answers.insert("CoreShowChannels", ("p13".into(), captured(version, "protocol", "p13")));
        pbx
    }

    /// The account of the capture with read=call,cdr and write=call,originate.
    fn weak(version: &'static str) -> Self {
        let mut pbx = Self::new(version);
        pbx.answers.insert("ListCommands", ("x7".into(), captured(version, "login-errors", "x7")));
        // What it does not list is denied, and class system is not read.
        for action in ["CoreShowChannels", "CoreStatus", "CoreSettings", "Filter", "SIPpeers", "PJSIPShowEndpoints"] {
            pbx.refused.insert(action, "Permission denied");
        }
        pbx.without_boot();
        pbx
    }

    fn without_boot(&mut self) {
        self.answers.insert("Login", ("p2".into(), captured(self.version, "protocol", "p2")));
    }

    fn replace(&mut self, action: &str, from: &str, to: &str) {
        let (_, text) = self.answers.get_mut(action).expect("captured");
        assert!(text.contains(from), "{text}");
        *text = text.replace(from, to);
    }

    fn banner(&self) -> String {
        let text = String::from_utf8(corpus::one(self.version, "protocol")).expect("text");
        text.lines().next().expect("a banner").trim_end().to_owned() + "\r\n"
    }

    /// What the server says to these bytes.
    fn answer(&mut self, sent: &[u8]) -> String {
        let sent = core::str::from_utf8(sent).expect("actions are text");
        let mut said = String::new();
        for action in sent.split_terminator("\r\n\r\n") {
            let value = |name: &str| action.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            let name = value("Action").expect("named");
            let id = value("ActionID").expect("numbered");
            let detail = value("Filter").or(value("EventMask")).or(value("Events")).unwrap_or_default();
            self.asked.push((name.to_owned(), detail.to_owned()));
            if self.ignored.contains(name) {
                continue;
            }
            match (self.refused.get(name), self.answers.get(name)) {
                (Some(message), _) => {
                    said += &format!("Response: Error\r\nActionID: {id}\r\nMessage: {message}\r\n\r\n")
                }
                (None, Some((captured, text))) => {
                    said += &text.replace(&format!("ActionID: {captured}\r\n"), &format!("ActionID: {id}\r\n"));
                }
                (None, None) => {
                    said += &format!("Response: Error\r\nActionID: {id}\r\nMessage: Invalid/unknown command\r\n\r\n")
                }
            }
        }
        said
    }

    fn times_asked(&self, name: &str) -> usize {
        self.asked.iter().filter(|(asked, _)| asked == name).count()
    }
}

/// All packets of a capture with this ActionID.
fn captured(version: &str, scenario: &str, id: &str) -> String {
    let wanted = format!("ActionID: {id}").into_bytes();
    let text: String = corpus::naive_packets(&corpus::one(version, scenario))
        .iter()
        .filter(|packet| packet.contains(&wanted))
        .map(|packet| as_text(packet))
        .collect();
    assert!(!text.is_empty(), "{version}/{scenario} has no {id}");
    text
}

fn as_text(packet: &[Vec<u8>]) -> String {
    packet.iter().map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect::<String>() + "\r\n"
}

/// The link, its time and what came out of it, in words.
struct Run {
    link: Link,
    now: Monotonic,
    told: Vec<String>,
    events: usize,
    /// The last fault and its wait.
    down: Option<(FaultKind, Duration)>,
    connects: usize,
}

fn config() -> LinkConfig {
    LinkConfig {
        place: "192.0.2.1:5038".into(),
        username: "agent".into(),
        secret: Secret::new(SECRET),
        filters: true,
        details: false,
    }
}

impl Run {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: LinkConfig) -> Self {
        let now = Monotonic::from_millis(1_000_000);
        Self { link: Link::new(config, 7), now, told: Vec::new(), events: 0, down: None, connects: 0 }
    }

    fn drain(&mut self) {
        while let Some(output) = self.link.poll(self.now) {
            let told = match output {
                Output::Consumed => continue,
                Output::Connect => {
                    self.connects += 1;
                    "connect".into()
                }
                Output::Down { fault, wait } => {
                    let text = format!("{fault} {fault:?}");
                    assert!(!text.contains(SECRET) && text.contains("192.0.2.1:5038"), "{text}");
                    let told = format!("down {}", fault.kind.name());
                    self.down = Some((fault.kind, wait));
                    told
                }
                Output::LoggedIn(server) => format!("logged in {}", server.ami_version),
                Output::Server(server) => format!("server {}", server.asterisk_version),
                Output::Restarted => "restarted".into(),
                Output::Lacks(lack) => format!("lacks {lack:?}"),
                Output::SnapshotBegin { reason } => format!("snapshot {reason:?}"),
                Output::SnapshotChannel(Event::Listed { channel, .. }) => {
                    format!("channel {}", channel.name.escape_ascii())
                }
                Output::SnapshotEnd { complete } => format!("snapshot end {complete}"),
                Output::Peer { technology, name, context, .. } => {
                    format!("peer {}/{} in {}", technology.escape_ascii(), name.escape_ascii(), context.escape_ascii())
                }
                Output::PeersEnd => "peers end".into(),
                Output::Live => "live".into(),
                Output::Event(_) => {
                    self.events += 1;
                    continue;
                }
                Output::Answer { success, message, .. } => format!("answer {success} {}", message.escape_ascii()),
                other => panic!("a new output needs a word: {other:?}"),
            };
            self.told.push(told);
        }
        let debug = format!("{:?}", self.link);
        assert!(!debug.contains(SECRET), "{debug}");
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.link.feed(bytes, self.now);
            assert!(taken > 0);
            bytes = &bytes[taken..];
            self.drain();
        }
    }

    /// Lets time pass, doing what is due when it is due; the peer says nothing.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut rounds = 0;
        while let Some(due) = self.link.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.link.handle_timeout(self.now);
            self.drain();
            rounds += 1;
            assert!(rounds < 10_000, "the link spins");
        }
        self.now = until;
    }

    /// The same with a server that answers at once.
    fn pass_with(&mut self, pbx: &mut Pbx, span: Duration) {
        let until = self.now + span;
        self.converse(pbx);
        while let Some(due) = self.link.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.link.handle_timeout(self.now);
            self.drain();
            self.converse(pbx);
        }
        self.now = until;
    }

    /// Sends what is to be sent and hears the answers, until there is nothing more.
    fn converse(&mut self, pbx: &mut Pbx) {
        while !self.link.to_send().is_empty() {
            let sent = self.link.to_send().to_vec();
            assert!(!sent.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "the secret is never sent");
            self.link.sent(sent.len());
            let said = pbx.answer(&sent);
            self.hear(said.as_bytes());
        }
    }

    /// Waits for [`Output::Connect`] and connects.
    fn connect(&mut self) {
        let before = self.connects;
        while self.connects == before {
            let due = self.link.poll_timeout().expect("it will connect");
            self.pass(due.since(self.now));
        }
        self.link.connected(self.now);
    }

    fn log_in(&mut self, pbx: &mut Pbx) {
        self.connect();
        let banner = pbx.banner();
        self.hear(banner.as_bytes());
        self.converse(pbx);
    }

    fn told(&self, what: &str) -> usize {
        self.told.iter().filter(|told| told.starts_with(what)).count()
    }

    fn place_of(&self, what: &str) -> usize {
        self.told
            .iter()
            .position(|told| told.starts_with(what))
            .unwrap_or_else(|| panic!("no {what} in {:#?}", self.told))
    }

    fn fault(&self) -> &FaultKind {
        &self.down.as_ref().expect("it is down").0
    }
}

const HANGUP: &str = "Event: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/1-1\r\nUniqueid: 1.1\r\nCause: 16\r\n\r\n";

#[test]
fn a_full_account_goes_live_on_every_version() {
    for (version, ami, technology) in
        [("11.25.3", "1.3", "SIP"), ("16.28.0", "5.0.4", "SIP"), ("22.10.1", "11.0.0", "PJSIP")]
    {
        let (mut run, mut pbx) = (Run::new(), Pbx::new(version));
        run.log_in(&mut pbx);
        assert!(run.link.is_live(), "{:#?}", run.told);
        let order = [
            "connect",
            &format!("logged in {ami}"),
            &format!("server {version}"),
            "peer ",
            "peers end",
            "snapshot Login",
            "channel ",
            "snapshot end true",
            "live",
        ];
        let places: Vec<_> = order.iter().map(|word| run.place_of(word)).collect();
        assert!(places.is_sorted(), "{version}: {:#?}", run.told);
        assert_eq!(
            (run.told("channel "), run.told("peers end"), run.told("lacks")),
            (4, 1, 0),
            "{version}: {:#?}",
            run.told
        );
        for name in ["101", "102", "103", "104", "trunk"] {
            run.place_of(&format!("peer {technology}/{name}"));
        }
        // Filters and restart are known before call events are switched on.
        let filters = pbx.asked.iter().filter(|(name, _)| name == "Filter").count();
        let of_generation: Vec<_> = Generation::of(version, ami, "").filters().collect();
        assert_eq!(filters, of_generation.len() + 1, "{version}");
        let at = |name: &str, detail: &str| {
            pbx.asked.iter().position(|asked| asked.0 == name && asked.1 == detail).expect("asked")
        };
        assert!(at("Login", "system") < at("Filter", "!Event: DialState"));
        assert!(at("Filter", of_generation[of_generation.len() - 1]) < at("Events", "system,call,agent,dialplan"));
        assert!(at("Events", "system,call,agent,dialplan") < at("CoreShowChannels", ""));
        assert!(run.link.account().filters && run.link.account().gets_system);
        assert_eq!(run.link.server().up_since.is_some(), version != "11.25.3");
        assert!(run.link.server().started.is_some());
    }
}

#[test]
fn peers_are_known_before_the_first_call_event_and_later_keep_none_waiting() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    run.log_in(&mut pbx);
    let at = |pbx: &Pbx, name: &str| pbx.asked.iter().position(|asked| asked.0 == name).expect("asked");
    assert!(at(&pbx, "SIPpeers") < at(&pbx, "Events"), "{:#?}", pbx.asked);
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    pbx.asked.clear();
    run.log_in(&mut pbx);
    assert!(run.link.is_live() && at(&pbx, "CoreShowChannels") < at(&pbx, "SIPpeers"), "{:#?}", pbx.asked);
    assert_eq!(run.told("peers end"), 2);
}

#[test]
fn a_pbx_that_is_slow_with_its_peers_keeps_calls_waiting_for_moments_only() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    pbx.ignored.insert("SIPpeers");
    run.log_in(&mut pbx);
    assert_eq!(pbx.times_asked("Events"), 0, "{:#?}", pbx.asked);
    run.pass_with(&mut pbx, AMI_PEERS_FIRST + Duration::from_secs(1));
    assert_eq!((pbx.times_asked("Events"), run.told("snapshot end true"), pbx.times_asked("SIPpeers")), (1, 1, 2));
    run.hear(HANGUP.as_bytes());
    assert_eq!(run.events, 1);
    pbx.ignored.clear();
    run.pass_with(&mut pbx, AMI_ANSWER_TIMEOUT + Duration::from_secs(1));
    assert!(run.link.is_live() && run.told("peers end") == 1 && run.told("down") == 0, "{:#?}", run.told);
    // The day after they are there.
    run.pass_with(&mut pbx, PEERS_INTERVAL);
    assert_eq!(run.told("peer SIP/"), 5, "{:#?}", run.told);
}

#[test]
fn details_are_asked_of_one_peer_after_another_until_one_is_refused() {
    for refused in [false, true] {
        let (mut run, mut pbx) = (Run::with(LinkConfig { details: true, ..config() }), Pbx::new("16.28.0"));
        if refused {
            pbx.refused.insert("SIPshowpeer", "Permission denied");
        } else {
            let detail = captured("16.28.0", "listings", "l2-SIPshowpeer");
            pbx.answers.insert("SIPshowpeer", ("l2-SIPshowpeer".into(), detail));
        }
        run.log_in(&mut pbx);
        assert!(run.link.is_live(), "{:#?}", run.told);
        assert_eq!(pbx.times_asked("SIPshowpeer"), if refused { 1 } else { 5 });
        assert_eq!(run.told("peer SIP/101 in from-internal"), if refused { 0 } else { 5 }, "{:#?}", run.told);
        assert_eq!(run.told("peers end"), 1);
    }
}

#[test]
fn a_weak_account_goes_live_with_less() {
    for version in VERSIONS {
        let (mut run, mut pbx) = (Run::new(), Pbx::weak(version));
        run.log_in(&mut pbx);
        assert!(run.link.is_live(), "{:#?}", run.told);
        assert_eq!(
            (run.told("channel "), run.told("snapshot end true")),
            (4, 1),
            "{version}: by Status: {:#?}",
            run.told
        );
        assert_eq!((run.told("lacks Filters"), run.told("lacks ChannelList")), (1, 0));
        for denied in ["CoreShowChannels", "CoreStatus", "CoreSettings", "Filter", "PJSIPShowEndpoints", "SIPpeers"] {
            assert_eq!(pbx.times_asked(denied), 0, "{version}: what ListCommands does not list is not asked: {denied}");
        }
        let account = run.link.account();
        assert_eq!((account.may(Right::Originate), account.may(Right::Filter)), (Some(true), Some(false)));
        assert!(account.permitted().expect("known").any(|name| name == "Redirect"));
        assert!(!account.gets_system && !account.filters);
    }
}

#[test]
fn an_account_that_may_list_nothing_is_told_so_and_followed_all_the_same() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    for action in [
        "CoreShowChannels",
        "Status",
        "ListCommands",
        "CoreStatus",
        "CoreSettings",
        "Filter",
        "SIPpeers",
        "PJSIPShowEndpoints",
    ] {
        pbx.refused.insert(action, "Permission denied");
    }
    run.log_in(&mut pbx);
    assert!(run.link.is_live());
    assert_eq!(
        (run.told("lacks ChannelList"), run.told("snapshot end false"), run.told("snapshot end true")),
        (1, 1, 0),
        "{:#?}",
        run.told
    );
    run.hear(HANGUP.as_bytes());
    run.pass_with(&mut pbx, Duration::from_secs(3600));
    assert_eq!(
        (run.events, run.told("lacks"), run.down.is_some()),
        (1, 2, false),
        "told once, not hourly: {:#?}",
        run.told
    );
}

#[test]
fn every_refusal_of_the_captures_is_told_apart() {
    for (version, words, expected) in [
        ("11.25.3", "wrong secret", FaultKind::AuthenticationFailed),
        ("16.28.0", "unknown user", FaultKind::AuthenticationFailed),
        ("22.10.1", "wrong secret", FaultKind::AuthenticationFailed),
        ("16.28.0", "second login", FaultKind::AlreadyInUse),
        ("22.10.1", "second login", FaultKind::AlreadyInUse),
    ] {
        let text = String::from_utf8(corpus::one(version, "login-errors")).expect("text");
        let part = text.split("##### ").find(|part| part.starts_with(words)).expect("captured");
        let refusal = part.split_once("Response").map(|(_, rest)| format!("Response{rest}")).expect("a response");
        let (mut run, mut pbx) = (Run::new(), Pbx::new(version));
        pbx.answers.insert("Login", ("login-1".into(), refusal));
        run.log_in(&mut pbx);
        assert_eq!(*run.fault(), expected, "{version} {words}");
        assert_eq!(run.told("logged in"), 0);
    }
}

#[test]
fn a_wrong_secret_is_tried_ever_more_seldom() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    pbx.refused.insert("Login", "Authentication failed");
    let mut waits = Vec::new();
    for _ in 0..5 {
        run.log_in(&mut pbx);
        waits.push(run.down.take().expect("down").1.as_secs());
        // The server closes after it; that must not shorten the wait.
        run.link.disconnected(FaultKind::Closed, run.now);
        run.drain();
        assert!(run.down.is_none());
    }
    for (wait, least) in waits.iter().zip([60, 300, 900, 900, 900]) {
        assert!((least..=least * 11 / 10).contains(wait), "{waits:?}");
    }
    pbx.refused.clear();
    run.log_in(&mut pbx);
    assert!(run.link.is_live());
}

#[test]
fn what_is_no_ami_port_is_told() {
    for said in [
        &b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"[..],
        b"220 mail.example.org ESMTP\r\n",
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\n",
    ] {
        let mut run = Run::new();
        run.connect();
        run.hear(said);
        assert!(matches!(run.fault(), FaultKind::NotAmi(_)), "{:?}", run.down);
        assert!(run.down.as_ref().is_some_and(|(_, wait)| wait.as_secs() >= 60));
        assert!(run.link.to_send().is_empty(), "nothing is sent to a stranger");
    }
}

#[test]
fn garbage_without_an_end_is_dropped_in_bounded_memory() {
    let mut run = Run::new();
    run.connect();
    for _ in 0..70 {
        run.hear(&[0xa5; 20_000]);
        assert!(run.link.buffer_bytes() < 150_000);
        run.pass(Duration::from_secs(1));
        if run.down.is_some() {
            break;
        }
    }
    assert!(matches!(run.fault(), FaultKind::NotAmi(_)), "{:?}", run.down);
}

#[test]
fn one_byte_a_second_is_not_waited_for() {
    let mut run = Run::new();
    run.connect();
    let begun = run.now;
    while run.down.is_none() {
        run.hear(b"A");
        run.pass(Duration::from_secs(1));
    }
    assert!(run.now.since(begun) <= AMI_PACKET_TIMEOUT + Duration::from_secs(2));

    // After the login: a packet that does not end.
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    let begun = run.now;
    for byte in b"Event: Hangup\r\nX-Long: ".iter().chain(core::iter::repeat(&b'y')) {
        run.hear(&[*byte]);
        run.pass(Duration::from_secs(1));
        if run.down.is_some() {
            break;
        }
    }
    assert_eq!(*run.fault(), FaultKind::SlowPeer);
    assert!(run.now.since(begun) <= AMI_PACKET_TIMEOUT + Duration::from_secs(2));
    assert_eq!(run.events, 0, "half a packet is no event");

    // Empty lines keep no connection alive whose Ping is not answered.
    let (mut run, mut pbx) = (Run::new(), Pbx::idle("22.10.1"));
    run.log_in(&mut pbx);
    pbx.ignored.insert("Ping");
    let begun = run.now;
    while run.down.is_none() {
        run.hear(b"\r\n");
        run.pass_with(&mut pbx, Duration::from_secs(1));
    }
    assert_eq!(*run.fault(), FaultKind::Silent);
    assert!(run.now.since(begun) <= AMI_PING_INTERVAL + AMI_SILENCE_TIMEOUT + Duration::from_secs(2));
}

#[test]
fn packets_that_come_slowly_but_end_are_fine() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    for _ in 0..40 {
        for chunk in HANGUP.as_bytes().chunks(7) {
            run.hear(chunk);
            run.pass(Duration::from_secs(2));
        }
        run.converse(&mut pbx);
    }
    assert_eq!((run.events, run.down.is_some()), (40, false), "{:?}", run.down);
}

#[test]
fn without_a_banner_the_login_is_tried() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("11.25.3"));
    run.connect();
    assert!(run.link.to_send().is_empty());
    run.pass_with(&mut pbx, AMI_BANNER_TIMEOUT + Duration::from_secs(1));
    assert!(run.link.is_live(), "{:#?}", run.told);
    assert_eq!(run.link.server().ami_version, "1.3", "from CoreSettings");
}

#[test]
fn a_server_that_says_nothing_or_closes_is_told_apart() {
    let mut run = Run::new();
    run.connect();
    run.pass(AMI_LOGIN_TIMEOUT + Duration::from_secs(1));
    assert_eq!(*run.fault(), FaultKind::Mute);

    let mut run = Run::new();
    run.connect();
    run.hear(b"Asterisk Call Manager/5.0.4\r\n");
    run.link.disconnected(FaultKind::of_socket(ErrorKind::ConnectionReset), run.now);
    run.drain();
    assert_eq!(*run.fault(), FaultKind::ClosedBeforeLogin);

    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    pbx.ignored.insert("Login");
    run.log_in(&mut pbx);
    run.pass(AMI_LOGIN_TIMEOUT + Duration::from_secs(1));
    assert_eq!(*run.fault(), FaultKind::LoginTimeout);
}

#[test]
fn attempts_to_connect_grow_apart_to_a_minute_and_differ_between_boxes() {
    let mut run = Run::new();
    let mut waits = Vec::new();
    for _ in 0..12 {
        run.connect();
        run.link.disconnected(FaultKind::of_socket(ErrorKind::ConnectionRefused), run.now);
        run.drain();
        assert_eq!(*run.fault(), FaultKind::Refused);
        waits.push(run.down.take().expect("down").1);
    }
    assert!(waits[0] < Duration::from_millis(1300) && waits[0] > Duration::from_millis(700), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= RECONNECT_LONGEST), "{waits:?}");
    assert!(waits[8..].iter().all(|wait| *wait >= Duration::from_secs(44)), "{waits:?}");
    let distinct: BTreeSet<_> = waits[6..].iter().collect();
    assert!(distinct.len() > 3, "they are varied: {waits:?}");
}

#[test]
fn silence_is_noticed_and_pings_go_out_in_time() {
    let (mut run, mut pbx) = (Run::new(), Pbx::idle("16.28.0"));
    run.log_in(&mut pbx);
    run.pass_with(&mut pbx, Duration::from_secs(600));
    let pings = pbx.times_asked("Ping");
    assert!((20..=25).contains(&pings), "{pings}");
    assert!(run.down.is_none());
    let begun = run.now;
    while run.down.is_none() {
        run.pass(Duration::from_secs(1));
    }
    assert_eq!(*run.fault(), FaultKind::Silent);
    assert!(run.now.since(begun) <= AMI_SILENCE_TIMEOUT + Duration::from_secs(1));
}

#[test]
fn lists_of_channels_come_again() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    assert_eq!(run.told("snapshot end true"), 1);
    run.hear(HANGUP.as_bytes());
    // No event had come at the time of the first list, so the next one comes early; then all is proven.
    run.pass_with(&mut pbx, RESYNC_PROBE.max(RESYNC_SECOND) + Duration::from_secs(1));
    assert_eq!(run.told("snapshot end true"), 2);
    run.pass_with(&mut pbx, Duration::from_secs(3600));
    assert!((12..=15).contains(&run.told("snapshot end true")), "{}", run.told("snapshot end true"));
    run.link.request_snapshot(run.now);
    (0..50).for_each(|_| run.link.request_snapshot(run.now));
    run.converse(&mut pbx);
    run.drain();
    assert!(run.told("snapshot Requested") <= 1);
    run.pass_with(&mut pbx, Duration::from_secs(15));
    assert_eq!(run.told("snapshot Requested") + run.told("snapshot Periodic"), run.told("snapshot end true") - 1);
}

#[test]
fn a_list_that_breaks_off_or_never_ends_is_not_complete() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    pbx.replace("CoreShowChannels", "Event: CoreShowChannelsComplete", "Event: Other");
    run.log_in(&mut pbx);
    assert!(!run.link.is_live());
    run.pass_with(&mut pbx, AMI_ANSWER_TIMEOUT + Duration::from_secs(1));
    assert_eq!((run.told("snapshot end false"), run.link.is_live()), (1, true), "{:#?}", run.told);

    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    let item = "Event: CoreShowChannel\r\nActionID: s2\r\nChannel: SIP/1-1\r\nUniqueid: 1.1\r\n\r\n";
    let (_, text) = pbx.answers.get_mut("CoreShowChannels").expect("captured");
    *text = format!(
        "Response: Success\r\nActionID: s2\r\n\r\n{}Event: XComplete\r\nActionID: s2\r\n\r\n",
        item.repeat(CHANNELS + 9)
    );
    run.log_in(&mut pbx);
    assert_eq!((run.told("channel "), run.told("snapshot end false")), (CHANNELS, 1));

    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    pbx.replace("CoreShowChannels", "Event: CoreShowChannelsComplete", "Event: Other");
    run.log_in(&mut pbx);
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    assert!(run.place_of("snapshot end false") < run.place_of("down closed"), "{:#?}", run.told);
}

/// Reconnects after `gap` and says whether a restart was told.
fn restart_told(run: &mut Run, pbx: &mut Pbx, gap: Duration) -> bool {
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    run.pass(gap);
    run.told.clear();
    run.log_in(pbx);
    assert!(run.link.is_live(), "{:#?}", run.told);
    let restarts = run.told("restarted");
    assert!(restarts <= 1);
    assert!(restarts == 0 || run.place_of("restarted") < run.place_of("snapshot Login"));
    restarts == 1
}

#[test]
fn a_restart_of_the_pbx_is_known_by_its_uptime() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    assert_eq!(run.told("restarted"), 0, "nothing was known before");
    assert!(!restart_told(&mut run, &mut pbx, Duration::from_secs(30)), "220 s up, 30 s away");
    // Its clock was set meanwhile: still the same run.
    pbx.replace("CoreStatus", "CoreStartupTime: 20:19:50", "CoreStartupTime: 03:00:00");
    assert!(!restart_told(&mut run, &mut pbx, Duration::from_secs(30)));
    pbx.replace("Login", "Uptime: 220", "Uptime: 3");
    assert!(restart_told(&mut run, &mut pbx, Duration::from_secs(30)));
}

#[test]
fn a_restart_of_an_old_pbx_is_known_by_its_start_time() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("11.25.3"));
    run.log_in(&mut pbx);
    assert!(!restart_told(&mut run, &mut pbx, Duration::from_secs(30)));
    pbx.replace("CoreStatus", "CoreStartupTime: 20:24:56", "CoreStartupTime: 21:24:56");
    assert!(!restart_told(&mut run, &mut pbx, Duration::from_secs(30)), "summer time");
    pbx.replace("CoreStatus", "CoreStartupTime: 21:24:56", "CoreStartupTime: 21:31:07");
    assert!(restart_told(&mut run, &mut pbx, Duration::from_secs(30)));
}

#[test]
fn a_pbx_that_is_still_starting_is_waited_for() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("16.28.0"));
    run.log_in(&mut pbx);
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    pbx.without_boot();
    run.told.clear();
    run.log_in(&mut pbx);
    run.pass_with(&mut pbx, Duration::from_secs(20));
    assert_eq!((run.told("logged in"), run.told("snapshot")), (1, 0), "{:#?}", run.told);
    run.hear(b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 9\r\nStatus: Fully Booted\r\n\r\n");
    run.converse(&mut pbx);
    assert!(run.link.is_live());
    assert_eq!(run.told("restarted"), 1);
    // An account that lost class system is not waited for for ever, and only once.
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    run.log_in(&mut pbx);
    run.pass_with(&mut pbx, Duration::from_secs(62));
    assert!(run.link.is_live());
    run.link.disconnected(FaultKind::Closed, run.now);
    run.drain();
    run.log_in(&mut pbx);
    assert!(run.link.is_live());
}

#[test]
fn a_shutdown_is_told_and_soon_over() {
    for version in VERSIONS {
        let (mut run, mut pbx) = (Run::new(), Pbx::new(version));
        run.log_in(&mut pbx);
        let capture = corpus::one(version, "shutdown");
        let begin = capture.windows(18).position(|part| part == b"Event: Newchannel\r").expect("a call");
        run.hear(&capture[begin..]);
        assert!(run.events > 10, "{version}");
        run.link.disconnected(FaultKind::Closed, run.now);
        run.drain();
        let (kind, wait) = run.down.take().expect("down");
        assert_eq!(kind, FaultKind::ShutDown { restart: false }, "{version}");
        assert!(wait <= Duration::from_secs(2));
    }
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    run.hear(b"Event: Shutdown\r\nShutdown: Cleanly\r\nRestart: True\r\n\r\n");
    run.pass_with(&mut pbx, Duration::from_secs(11));
    assert_eq!(*run.fault(), FaultKind::ShutDown { restart: true }, "even if it does not close");
}

#[test]
fn refused_filters_cost_nothing() {
    for message in
        ["Permission denied", "Invalid/unknown command: Filter. Use Action: ListCommands to show available commands."]
    {
        let (mut run, mut pbx) = (Run::new(), Pbx::new("11.25.3"));
        pbx.refused.insert("Filter", message);
        run.log_in(&mut pbx);
        assert!(run.link.is_live() && !run.link.account().filters);
        assert_eq!((pbx.times_asked("Filter"), run.told("lacks Filters")), (1, 1));
    }
}

#[test]
fn filters_that_let_nothing_pass_are_found_out_and_left_out() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("11.25.3"));
    run.log_in(&mut pbx);
    assert!(run.link.account().filters && run.down.is_none());
    // The same four channels, some seconds old, and no event: of the first list that proves nothing, they may be older
    // than the connection; of later ones it does.
    run.pass_with(&mut pbx, RESYNC_PROBE + Duration::from_secs(1));
    assert_eq!(*run.fault(), FaultKind::FiltersMute, "{:#?}", run.told);
    let filters = pbx.times_asked("Filter");
    run.down = None;
    run.log_in(&mut pbx);
    assert!(run.link.is_live() && !run.link.account().filters);
    assert_eq!(pbx.times_asked("Filter"), filters, "not tried again");
    // Still nothing: then it is not the filters but the account.
    run.pass_with(&mut pbx, RESYNC_SECOND + Duration::from_secs(1));
    assert_eq!(*run.fault(), FaultKind::NoCallEvents);
}

#[test]
fn an_idle_pbx_proves_nothing_against_filters() {
    let (mut run, mut pbx) = (Run::new(), Pbx::idle("22.10.1"));
    run.log_in(&mut pbx);
    run.pass_with(&mut pbx, Duration::from_secs(7200));
    assert!(run.link.is_live() && run.down.is_none());
}

#[test]
fn call_events_of_a_capture_come_through_whole() {
    for version in VERSIONS {
        let (mut run, mut pbx) = (Run::new(), Pbx::new(version));
        run.log_in(&mut pbx);
        let capture = corpus::one(version, "inbound-answered");
        let begin = capture.windows(18).position(|part| part == b"Event: Newchannel\r").expect("a call");
        for chunk in capture[begin..].chunks(1400) {
            run.hear(chunk);
        }
        assert!((15..40).contains(&run.events), "{version}: {}", run.events);
        assert_eq!(run.link.counters().events, run.events as u64);
        assert!(run.link.account().gets_dialplan && run.link.account().gets_call);
    }
}

#[test]
fn actions_are_written_only_when_logged_in_and_answered_once() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    let hangup = Action::Hangup { channel: b"SIP/1-1", cause: None };
    assert_eq!(run.link.act(&hangup), Err(ActionError::NotConnected));
    run.log_in(&mut pbx);
    let id = run.link.act(&hangup).expect("written");
    run.converse(&mut pbx);
    assert_eq!(run.told("answer false Invalid/unknown command"), 1, "{:#?}", run.told);
    assert_ne!(run.link.act(&hangup).expect("written"), id);
}

#[test]
fn a_stuck_server_does_not_fill_memory() {
    let (mut run, mut pbx) = (Run::new(), Pbx::new("22.10.1"));
    run.log_in(&mut pbx);
    let hangup = Action::Hangup { channel: b"SIP/1-1", cause: None };
    while run.link.act(&hangup).is_ok() {}
    assert_eq!(run.link.act(&hangup), Err(ActionError::Full));
    run.pass(AMI_PING_INTERVAL + Duration::from_secs(1));
    assert_eq!(*run.fault(), FaultKind::Stuck);
}
