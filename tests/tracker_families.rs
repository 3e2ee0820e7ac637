//! The first calls of each family of PBX, told right by the generic profile before anything was recognised, and told
//! the same with the family's own profile. Events are made by hand from what is known of each: its names and contexts.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use ringpost::ami::event::{Bridge, Channel, Event};
use ringpost::call::classify::Contexts;
use ringpost::call::mirror::Saved;
use ringpost::call::record::{CallRecord, Direction, Disposition};
use ringpost::call::tracker::{Output, Tracker, TrackerConfig};
use ringpost::clock::{Monotonic, Stamp, Wall};
use ringpost::profile::{self, PROFILES, Profile};
use ringpost::replay::{Timing, replay};

/// A trunk or a telephone: channel name without suffix, context where its channels are made.
type End = (&'static str, &'static str);

/// One family as its channels are called.
struct House {
    /// Its profile, and whether it is picked by these calls.
    profile: &'static str,
    is_picked: bool,
    /// Whether its events have LinkedIds.
    is_new: bool,
    one: End,
    /// The number of the first telephone.
    number: &'static str,
    two: End,
    /// A trunk as it comes in, and Exten there.
    trunk: End,
    exten: &'static str,
    /// The line of such a call.
    line: &'static str,
    /// Contexts that the caller's channel is in when it dials: a telephone, the trunk.
    dials: [&'static str; 2],
    /// The client's number comes only with a later event.
    is_late: bool,
}

const HOUSES: [House; 8] = [
    House {
        profile: "yeastar-s",
        is_picked: true,
        is_new: true,
        one: ("PJSIP/1000", "DLPN_DialPlan1000"),
        number: "1000",
        two: ("PJSIP/1001", "DLPN_DialPlan1001"),
        trunk: ("PJSIP/trunk-siptrunk-endpoint", "DID_trunk_1"),
        exten: "s",
        line: "trunk-siptrunk-endpoint",
        dials: ["DLPN_DialPlan1000", "CallingRule_out"],
        is_late: false,
    },
    House {
        profile: "yeastar-mypbx",
        is_picked: true,
        is_new: false,
        one: ("SIP/269", "DLPN_DialPlan269"),
        number: "269",
        two: ("SIP/270", "DLPN_DialPlan270"),
        trunk: ("YSGSM/11", "DID_trunk_11"),
        exten: "s",
        line: "11",
        dials: ["", ""],
        is_late: false,
    },
    House {
        profile: "yeastar-mypbx",
        is_picked: true,
        is_new: false,
        one: ("SIP/269", "DLPN_DialPlan269"),
        number: "269",
        two: ("SIP/270", "DLPN_DialPlan270"),
        trunk: ("IAX2/trunk_2", "DID_trunk_2"),
        exten: "s",
        line: "trunk_2",
        dials: ["", ""],
        is_late: false,
    },
    House {
        profile: "grandstream-ucm",
        is_picked: true,
        is_new: true,
        one: ("PJSIP/1000", "from-internal"),
        number: "1000",
        two: ("PJSIP/1001", "from-internal"),
        trunk: ("PJSIP/trunk_1", "ext-did-1"),
        exten: "74951110001",
        line: "74951110001",
        dials: ["macro-dial", "outbound-allroutes"],
        is_late: true,
    },
    House {
        profile: "vitalpbx",
        is_picked: true,
        is_new: true,
        one: ("PJSIP/T2_103_1", "T2_cos-all"),
        number: "103",
        two: ("PJSIP/T2_104", "T2_cos-all"),
        trunk: ("PJSIP/mtt", "trk-3-in"),
        exten: "74951110001",
        line: "74951110001",
        dials: ["T2_cos-all", "trk-3-dial"],
        is_late: false,
    },
    House {
        profile: "freepbx",
        is_picked: true,
        is_new: true,
        one: ("PJSIP/101", "from-internal"),
        number: "101",
        two: ("PJSIP/102", "from-internal"),
        trunk: ("PJSIP/mtt", "from-pstn"),
        exten: "74951110001",
        line: "74951110001",
        dials: ["macro-dial-one", "macro-dialout-trunk"],
        is_late: false,
    },
    House {
        profile: "issabel",
        is_picked: false,
        is_new: false,
        one: ("SIP/101", "from-internal"),
        number: "101",
        two: ("SIP/102", "from-internal"),
        trunk: ("SIP/mtt", "from-trunk-sip-mtt"),
        exten: "74951110001",
        line: "74951110001",
        dials: ["", ""],
        is_late: false,
    },
    House {
        profile: "openvox",
        is_picked: true,
        is_new: true,
        one: ("SIP/101", "from-internal"),
        number: "101",
        two: ("SIP/102", "from-internal"),
        trunk: ("extra/1", "from-trunk"),
        exten: "s",
        line: "1",
        dials: ["macro-dial-one", "macro-dialout-trunk"],
        is_late: false,
    },
];

const CLIENT: &str = "79161234567";

/// A tracker and what came of it.
struct Stage {
    tracker: Tracker,
    now: Stamp,
    next: u32,
    records: Vec<CallRecord>,
    picks: Vec<&'static str>,
}

/// A channel: name, UniqueId, LinkedId, context, number, extension.
#[derive(Clone)]
struct Made {
    name: String,
    id: String,
    linked: String,
    context: &'static str,
    number: &'static str,
    exten: &'static str,
}

impl Made {
    fn at(&self, state: u8) -> Channel<'_> {
        Channel {
            name: self.name.as_bytes(),
            unique_id: self.id.as_bytes(),
            linked_id: self.linked.as_bytes(),
            state: Some(state),
            caller_num: self.number.as_bytes(),
            context: self.context.as_bytes(),
            exten: self.exten.as_bytes(),
            ..Channel::default()
        }
    }
}

fn config(profile: &'static Profile) -> TrackerConfig {
    TrackerConfig { pbx_name: "office".into(), contexts: Contexts::default(), profile, numbers: Default::default() }
}

fn begun() -> Stamp {
    Stamp { mono: Monotonic::from_millis(50_000), wall: Wall::from_millis(1_795_293_703_000) }
}

impl Stage {
    fn new(profile: &'static Profile) -> Self {
        let tracker = Tracker::new(config(profile));
        Self { tracker, now: begun(), next: 0, records: Vec::new(), picks: Vec::new() }
    }

    fn channel(&mut self, house: &House, end: End, first: Option<&Made>) -> Made {
        self.next += 1;
        let id = format!("1763761303.{}", self.next);
        let linked = first.map_or(&id, |first| &first.linked);
        let linked = if house.is_new { linked.clone() } else { String::new() };
        let name = format!("{}-{:08x}", end.0, self.next);
        Made { name, id, linked, context: end.1, number: "", exten: "" }
    }

    fn say(&mut self, event: Event<'_>) {
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + 1000);
        self.tracker.handle(&event, self.now);
        while let Some(output) = self.tracker.poll_output() {
            match output {
                Output::Finished(record) => self.records.push(*record),
                Output::Picked(pick) => self.picks.push(pick.profile().name),
                _ => {}
            }
        }
    }

    /// `caller` calls `called`, which answers, and both hang up: in the words of its age.
    fn call(&mut self, house: &House, caller: &Made, called: &Made, dials_in: &'static str) -> CallRecord {
        let before = (self.tracker.calls(), self.tracker.channels());
        let first = if house.is_late { Made { number: "", ..caller.clone() } } else { caller.clone() };
        self.say(Event::NewChannel { channel: first.at(4) });
        self.say(Event::NewState { channel: caller.at(4) });
        self.say(Event::NewChannel { channel: called.at(0) });
        let there = Made { context: dials_in, ..caller.clone() };
        let dial_string = format!("{}/{}", called.name.split('-').next().unwrap_or_default(), called.number);
        let dial_string = dial_string.as_bytes();
        self.say(Event::DialBegin { caller: Some(there.at(4)), dest: called.at(0), dial_string });
        self.say(Event::NewState { channel: called.at(5) });
        self.say(Event::NewState { channel: called.at(6) });
        self.say(Event::NewState { channel: caller.at(6) });
        if house.is_new {
            let bridge = Bridge { id: b"b-1", kind: b"basic", technology: b"simple_bridge", creator: b"" };
            self.say(Event::BridgeEnter { bridge, channel: called.at(6), swap: b"" });
            self.say(Event::BridgeEnter { bridge, channel: caller.at(6), swap: b"" });
        } else {
            self.say(Event::Link { one: caller.at(6), two: called.at(6) });
        }
        self.now.mono = Monotonic::from_millis(self.now.mono.as_millis() + 7000);
        self.say(Event::Hangup { channel: called.at(6), cause: 16 });
        self.say(Event::Hangup { channel: caller.at(6), cause: 16 });
        assert_eq!((self.tracker.calls(), self.tracker.channels()), before, "{}: something is left", house.profile);
        self.records.pop().unwrap_or_else(|| panic!("{}: no record", house.profile))
    }

    fn inbound(&mut self, house: &House) {
        let mut trunk = self.channel(house, house.trunk, None);
        (trunk.number, trunk.exten) = (CLIENT, house.exten);
        let telephone = self.channel(house, house.one, Some(&trunk));
        let record = self.call(house, &trunk, &telephone, house.dials[0]);
        let told = (record.direction, &*record.client, &*record.line, record.answered_by.as_deref());
        let wanted = (Direction::Inbound, CLIENT, house.line, Some(house.number));
        assert_eq!(told, wanted, "{} with {}", house.profile, self.tracker.profile().name);
        self.check_answered(house, &record);
    }

    fn outbound(&mut self, house: &House) {
        let mut telephone = self.channel(house, house.one, None);
        (telephone.number, telephone.exten) = (house.number, CLIENT);
        // A trunk that is dialled is made in its own context, without an extension.
        let mut trunk = self.channel(house, house.trunk, Some(&telephone));
        trunk.number = CLIENT;
        let record = self.call(house, &telephone, &trunk, house.dials[1]);
        let told = (record.direction, &*record.client, &*record.caller);
        assert_eq!(told, (Direction::Outbound, CLIENT, house.number), "{}", house.profile);
        self.check_answered(house, &record);
    }

    fn internal(&mut self, house: &House) {
        let mut one = self.channel(house, house.one, None);
        (one.number, one.exten) = (house.number, "104");
        let two = self.channel(house, house.two, Some(&one));
        let record = self.call(house, &one, &two, house.dials[0]);
        let told = (record.direction, &*record.caller);
        assert_eq!(told, (Direction::Internal, house.number), "{}", house.profile);
        self.check_answered(house, &record);
    }

    fn check_answered(&self, house: &House, record: &CallRecord) {
        assert_eq!(record.disposition, Disposition::Answered, "{}", house.profile);
        assert!(record.talk_ms >= 7000 && record.gaps.is_exact(), "{}: {record:?}", house.profile);
    }
}

#[test]
fn the_first_call_of_each_family_is_told_right_whichever_it_is() {
    for house in &HOUSES {
        let own = profile::named(house.profile).expect("a profile");
        for profile in [profile::AUTO, own] {
            for first in [Stage::inbound, Stage::outbound, Stage::internal] {
                let mut stage = Stage::new(profile);
                for call in [first, Stage::inbound, Stage::outbound, Stage::internal] {
                    call(&mut stage, house);
                }
                let is_picked = house.is_picked && profile == profile::AUTO;
                let picked: Vec<_> = is_picked.then_some(house.profile).into_iter().collect();
                assert_eq!(stage.picks, picked, "{} with {}", house.profile, profile.name);
            }
        }
    }
}

#[test]
fn calls_in_progress_keep_their_judgement_and_a_custom_context_is_known_after_the_pick() {
    let mut stage = Stage::new(profile::AUTO);
    let house = &HOUSES[0];
    let odd = House { trunk: ("SIP/101", "incoming-mtt"), line: "101", ..HOUSES[0] };
    let mut trunk = stage.channel(&odd, odd.trunk, None);
    (trunk.number, trunk.exten) = (CLIENT, "s");
    stage.say(Event::NewChannel { channel: trunk.at(4) });
    stage.inbound(house);
    assert_eq!(stage.picks, [house.profile]);
    stage.say(Event::Hangup { channel: trunk.at(4), cause: 16 });
    assert_eq!((stage.records[0].direction, &*stage.records[0].line), (Direction::Inbound, "101"));
    stage.inbound(&odd);
}

/// The saved state is calls; the family is heard again, for it may be another box.
#[test]
fn a_restart_forgets_the_pick_and_changes_no_call() {
    let mut stage = Stage::new(profile::AUTO);
    let house = &HOUSES[0];
    stage.inbound(house);
    let mut trunk = stage.channel(house, house.trunk, None);
    (trunk.number, trunk.exten) = (CLIENT, "s");
    stage.say(Event::NewChannel { channel: trunk.at(4) });
    assert_eq!(stage.tracker.profile().name, "yeastar-s");
    let saved = serde_json::to_string(&stage.tracker.export(stage.now)).expect("written");
    let saved: Saved = serde_json::from_str(&saved).expect("read");
    stage.tracker = Tracker::restore(config(profile::AUTO), saved, stage.now);
    assert_eq!((stage.tracker.profile().name, stage.tracker.picked()), ("auto", None));
    stage.say(Event::Hangup { channel: trunk.at(4), cause: 16 });
    assert_eq!((stage.records[0].direction, &*stage.records[0].client), (Direction::Inbound, CLIENT));
    stage.inbound(house);
    assert_eq!(stage.picks, ["yeastar-s", "yeastar-s"]);
}

#[test]
fn a_profile_that_was_named_is_kept() {
    let mut stage = Stage::new(profile::named("asterisk").expect("a profile"));
    stage.inbound(&HOUSES[0]);
    assert_eq!((stage.tracker.profile().name, stage.picks.len()), ("asterisk", 0));
}

/// Plain Asterisk: nothing is recognised, and no profile tells any record otherwise.
#[test]
fn no_profile_changes_a_record_of_the_transcripts() {
    let told = |profile, bytes: &[u8], timing: &Timing| {
        let (mut records, mut picks) = (Vec::new(), 0);
        replay(config(profile), bytes, timing, begun(), |output, _| match output {
            Output::Finished(record) => records.push(*record),
            Output::Picked(_) => picks += 1,
            _ => {}
        });
        (records, picks)
    };
    let mut transcripts = 0;
    for one in corpus::all() {
        let clock = format!("{}/tests/transcripts/{}.timing.tsv", env!("CARGO_MANIFEST_DIR"), one.name);
        let timing = Timing::parse(&std::fs::read_to_string(clock).unwrap_or_default());
        let generic = told(profile::AUTO, &one.bytes, &timing);
        assert_eq!(generic.1, 0, "{}: recognised as something", one.name);
        for profile in PROFILES {
            assert_eq!(told(profile, &one.bytes, &timing), generic, "{} with {}", one.name, profile.name);
        }
        transcripts += 1;
    }
    assert!(transcripts > 140, "only {transcripts}");
}
