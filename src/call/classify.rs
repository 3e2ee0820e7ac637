//! Which channel is an extension and which a trunk.
//!
//! A pure judgement, in this order: what the user configured, what the profile knows of trunks, what the PBX told of
//! the peer's purpose, what the technology says, what the profile knows of the office's contexts, what the name says
//! (two to six digits are an extension). Behind the profile stands the generic one, so that none knows less than it.
//! Each judgement names its [`Reason`], so that a wrong guess can be seen. Keeps the
//! patterns and the peers whose purpose was told ([`crate::limits::PEERS`] at most), nothing about calls. Does not
//! decide a call's direction.

use super::channel::{ChannelName, Kind};
use super::record::{Extension, Line};
use crate::ami::event::Purpose;
use crate::limits::{PEERS, TRUNK_BYTES};
use crate::profile::{self, Profile};
use crate::text::{Text, bounded};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Contexts that the user named; `*` in a pattern matches any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    /// A channel that starts here is a trunk's.
    pub external: Vec<String>,
    /// A channel that starts here is an extension's.
    pub internal: Vec<String>,
    /// Channels that start here are not followed.
    pub ignored: Vec<String>,
}

/// Who is at the other end of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Party {
    /// Nobody: plumbing, or what a masquerade has left behind.
    #[default]
    Nobody,
    /// One half of a Local channel: plumbing that may lead to somebody.
    Local,
    /// A telephone of the office.
    Extension(Extension),
    /// A line to the outside.
    Trunk(Text<TRUNK_BYTES>),
}

impl Party {
    /// Whether somebody can be heard here.
    pub fn is_somebody(&self) -> bool {
        matches!(self, Self::Extension(_) | Self::Trunk(_))
    }
}

/// What a judgement rests on, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// `[pbx.contexts]` of the configuration.
    Configured,
    /// The PBX told what the peer is for.
    Pbx,
    /// This profile knows the context, or the name.
    Profile(&'static str),
    /// A technology of telephone lines.
    Technology,
    /// The name alone: a number of two to six digits or not.
    Grammar,
}

/// What is thought of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who is there.
    pub party: Party,
    /// Why.
    pub reason: Reason,
}

/// What is thought of a context, before any name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Calls from outside start here.
    External,
    /// Telephones of the office start calls here.
    Internal,
    /// Not followed.
    Ignored,
    /// Nobody knows it: the names of the peers decide.
    Unknown,
}

/// Technologies that are lines of a telephone company unless the PBX says that a telephone hangs on the port.
const LINE_TECHNOLOGIES: [&[u8]; 14] = [
    b"DAHDI",
    b"Zap",
    b"YSGSM",
    b"Dongle",
    b"Quectel",
    b"Khomp",
    b"mISDN",
    b"Capi",
    b"Mobile",
    b"extra",
    b"OOH323",
    b"H323",
    b"Woomera",
    b"Datacard",
];

/// Judges channels by name and context.
#[derive(Debug)]
pub struct Classifier {
    contexts: Contexts,
    profile: &'static Profile,
    /// Peers whose purpose was told.
    told: HashMap<(Text<16>, Text<TRUNK_BYTES>), Purpose>,
}

impl Classifier {
    /// One that knows the user's contexts and the profile's, and no peer yet.
    pub fn new(contexts: Contexts, profile: &'static Profile) -> Self {
        Self { contexts, profile, told: HashMap::new() }
    }

    /// The family was recognised: its profile goes before the generic one from now on.
    pub fn pick(&mut self, profile: &'static Profile) {
        self.profile = profile;
    }

    /// The profile in use.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The PBX told what a peer is for, now perhaps otherwise than before. Past [`PEERS`] nothing more is learned.
    pub fn learn(&mut self, technology: &[u8], name: &[u8], purpose: Purpose) {
        let peer = (bounded(technology), bounded(name));
        if purpose == Purpose::Untold {
            self.told.remove(&peer);
        } else if self.told.len() < PEERS || self.told.contains_key(&peer) {
            self.told.insert(peer, purpose);
        }
    }

    /// Who is at the other end of the channel `name` that was made in `context`.
    pub fn party(&self, name: &[u8], context: &[u8]) -> Party {
        let parsed = ChannelName::parse(name);
        match parsed.kind {
            Kind::Helper => Party::Nobody,
            Kind::Local if any(&self.contexts.ignored, context) => Party::Nobody,
            Kind::Local => Party::Local,
            Kind::Device => self.judge(parsed.technology, parsed.peer, context).party,
        }
    }

    /// Who is at the other end of the peer `technology`/`peer` whose calls start in `context`, and why.
    pub fn judge(&self, technology: &[u8], peer: &[u8], context: &[u8]) -> Judgement {
        if any(&self.contexts.ignored, context) {
            return Judgement { party: Party::Nobody, reason: Reason::Configured };
        }
        let (is_trunk, reason) = self.is_trunk(technology, peer, context);
        let party = if is_trunk { Party::Trunk(bounded(peer)) } else { Party::Extension(extension(peer)) };
        Judgement { party, reason }
    }

    /// What is thought of a context, and whether the configuration or the profile says so.
    pub fn side(&self, context: &[u8]) -> (Side, Reason) {
        let configured = [
            (&self.contexts.ignored, Side::Ignored),
            (&self.contexts.external, Side::External),
            (&self.contexts.internal, Side::Internal),
        ];
        if let Some((_, side)) = configured.into_iter().find(|(patterns, _)| any(patterns, context)) {
            return (side, Reason::Configured);
        }
        for profile in self.profiles() {
            for (patterns, side) in [(profile.external, Side::External), (profile.internal, Side::Internal)] {
                if any(patterns, context) {
                    return (side, Reason::Profile(profile.name));
                }
            }
        }
        (Side::Unknown, Reason::Grammar)
    }

    /// The ring group that dials from `context` at `exten`: the number, or the context's own name where that is
    /// numbered.
    pub fn group<'a>(&self, context: &'a [u8], exten: &'a [u8]) -> Option<&'a [u8]> {
        if context.is_empty() || !self.profiles().any(|profile| any(profile.groups, context)) {
            return None;
        }
        let is_numbered = context.last().is_some_and(u8::is_ascii_digit);
        Some(exten).filter(|exten| crate::number::is_dialled(exten)).or(Some(context).filter(|_| is_numbered))
    }

    /// The profile in use, and the generic one behind it.
    fn profiles(&self) -> impl Iterator<Item = &'static Profile> + use<> {
        let behind = Some(profile::AUTO).filter(|auto| auto.name != self.profile.name);
        core::iter::once(self.profile).chain(behind)
    }

    fn is_trunk(&self, technology: &[u8], peer: &[u8], context: &[u8]) -> (bool, Reason) {
        let side = self.side(context);
        match side {
            (Side::External, Reason::Configured) => return (true, Reason::Configured),
            (Side::Internal, Reason::Configured) => return (false, Reason::Configured),
            (Side::External, reason) => return (true, reason),
            _ => {}
        }
        if let Some(profile) = self.profiles().find(|profile| any(profile.trunks, peer)) {
            return (true, Reason::Profile(profile.name));
        }
        match self.purpose(technology, peer) {
            Purpose::Line => (true, Reason::Pbx),
            Purpose::Telephone => (false, Reason::Pbx),
            Purpose::Untold if LINE_TECHNOLOGIES.iter().any(|line| technology.eq_ignore_ascii_case(line)) => {
                (true, Reason::Technology)
            }
            Purpose::Untold if side.0 == Side::Internal => (false, side.1),
            Purpose::Untold => (!is_extension_number(extension(peer).as_bytes()), Reason::Grammar),
        }
    }

    fn purpose(&self, technology: &[u8], peer: &[u8]) -> Purpose {
        if self.told.is_empty() {
            return Purpose::Untold; // nearly always
        }
        self.told.get(&(bounded(technology), bounded(peer))).copied().unwrap_or_default()
    }
}

/// The extension's number in a peer's name: tenant prefix (`T2_103`) and number of the device (`103_1`) taken off.
pub fn extension(peer: &[u8]) -> Extension {
    let without_tenant = without_tenant(peer);
    let digits = without_tenant.iter().take_while(|b| b.is_ascii_digit()).count();
    match without_tenant.get(digits..) {
        Some([b'_', device @ ..]) if digits > 1 && device.len() < 3 && device.iter().all(u8::is_ascii_digit) => {
            bounded(without_tenant.get(..digits).unwrap_or(without_tenant))
        }
        _ => bounded(without_tenant),
    }
}

/// VitalPBX sets a tenant before its names: `T2_cos-all` is `cos-all`.
pub(super) fn without_tenant(name: &[u8]) -> &[u8] {
    let Some(rest) = name.strip_prefix(b"T") else { return name };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    rest.get(digits..).filter(|_| digits > 0).and_then(|rest| rest.strip_prefix(b"_")).unwrap_or(name)
}

/// Whether a number looks like an office's own: two to six digits.
pub fn is_extension_number(number: &[u8]) -> bool {
    (2..=6).contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
}

/// The line that a dialled extension of an inbound channel names; none if it is a word of the dialplan.
pub fn line(exten: &[u8]) -> Option<Line> {
    crate::number::is_dialled(exten).then(|| bounded(crate::number::without_parameters(exten)))
}

fn any<P: AsRef<str>>(patterns: &[P], text: &[u8]) -> bool {
    patterns.iter().any(|pattern| matches(pattern.as_ref(), text))
}

/// Whether `text` is what `pattern` says; each `*` matches any run of bytes, the empty one included.
pub fn matches(pattern: &str, text: &[u8]) -> bool {
    let mut parts = pattern.as_bytes().split(|b| *b == b'*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str, context: &str) -> Party {
        Classifier::new(Contexts::default(), profile::AUTO).party(name.as_bytes(), context.as_bytes())
    }

    fn ext(number: &str) -> Party {
        Party::Extension(bounded(number.as_bytes()))
    }

    fn trunk(name: &str) -> Party {
        Party::Trunk(bounded(name.as_bytes()))
    }

    #[test]
    fn patterns_match_tails() {
        assert!(matches("from-pstn*", b"from-pstn-1"));
        assert!(matches("from-pstn*", b"from-pstn"));
        assert!(!matches("from-pstn", b"from-pstn-1"));
        assert!(matches("T*_cos-*", b"T2_cos-all"));
        assert!(!matches("T*_cos-*", b"cos-all"));
        assert!(!matches("", b"x"));
        assert!(matches("*", b""));
        assert!(!matches("ab*b", b"ab"));
    }

    #[test]
    fn with_nothing_configured() {
        assert_eq!(judge("PJSIP/101-00000001", "from-internal"), ext("101"));
        assert_eq!(judge("PJSIP/trunk-00000001", "from-trunk"), trunk("trunk"));
        assert_eq!(judge("SIP/101-00000001", "default"), ext("101"));
        assert_eq!(judge("SIP/sipnet-00000001", "default"), trunk("sipnet"));
        assert_eq!(judge("SIP/74951234567-00000001", "default"), trunk("74951234567"));
        assert_eq!(judge("SIP/12345-00000001", "from-pstn-2"), trunk("12345"));
        assert_eq!(judge("PJSIP/ivan-00000001", "from-internal"), ext("ivan"));
        assert_eq!(judge("PJSIP/1000-00000001", "DLPN_DialPlan1000"), ext("1000"));
        assert_eq!(judge("PJSIP/trunk-one-endpoint-00000002", "DID_trunk_1"), trunk("trunk-one-endpoint"));
        assert_eq!(judge("PJSIP/T2_103_1-00000002", "T2_cos-all"), ext("103"));
        assert_eq!(judge("PJSIP/T2_ivan-00000002", "T2_cos-all"), ext("ivan"));
        assert_eq!(judge("PJSIP/mtt-00000002", "trk-3-in"), trunk("mtt"));
        // A call that goes out, met half-way.
        assert_eq!(judge("PJSIP/T2_103-00000002", "trk-3-dial"), ext("103"));
        assert_eq!(judge("PJSIP/mtt-00000002", "trk-3-dial"), trunk("mtt"));
        assert_eq!(judge("YSGSM/11-1", "DID_trunk_11"), trunk("11"));
        assert_eq!(judge("Local/101@from-internal-00000001;1", "from-internal"), Party::Local);
        assert_eq!(judge("AsyncGoto/SIP/trunk-00000041", "from-internal"), Party::Nobody);
    }

    #[test]
    fn groups_by_the_context_that_dials() {
        let judge = Classifier::new(Contexts::default(), profile::AUTO);
        let group = |context: &'static str, exten: &'static str| judge.group(context.as_bytes(), exten.as_bytes());
        assert_eq!(group("ext-group", "600"), Some(b"600".as_slice()));
        assert_eq!(group("ringroups-custom-2", "s"), Some(b"ringroups-custom-2".as_slice()));
        assert_eq!(group("ext-group", "s"), None);
        assert_eq!(group("from-internal", "101"), None);
        assert_eq!(group("", "600"), None);
    }

    #[test]
    fn what_the_user_says_wins() {
        let contexts = Contexts {
            external: vec!["office-in*".into()],
            internal: vec!["from-trunk".into()],
            ignored: vec!["paging".into()],
        };
        let judge = Classifier::new(contexts, profile::AUTO);
        assert_eq!(judge.party(b"SIP/101-1", b"office-in-2"), trunk("101"));
        assert_eq!(judge.party(b"SIP/trunk-1", b"from-trunk"), ext("trunk"));
        assert_eq!(judge.party(b"SIP/101-1", b"paging"), Party::Nobody);
    }

    #[test]
    fn what_the_pbx_tells_of_a_peer_goes_before_technology_and_name() {
        let mut judge = Classifier::new(Contexts::default(), profile::AUTO);
        assert_eq!(judge.party(b"DAHDI/12-1", b"default"), trunk("12"));
        judge.learn(b"DAHDI", b"12", Purpose::Telephone);
        judge.learn(b"DAHDI", b"13", Purpose::Line);
        judge.learn(b"PJSIP", b"123456", Purpose::Line);
        assert_eq!(judge.party(b"DAHDI/12-1", b"default"), ext("12"));
        assert_eq!(judge.party(b"DAHDI/13-1", b"default"), trunk("13"));
        assert_eq!(judge.party(b"PJSIP/123456-00000001", b"default"), trunk("123456"));
        assert_eq!(judge.party(b"SIP/123456-00000001", b"default"), ext("123456"));
        // The port was given to something else since.
        judge.learn(b"DAHDI", b"12", Purpose::Untold);
        assert_eq!(judge.party(b"DAHDI/12-1", b"default"), trunk("12"));
    }

    #[test]
    fn each_judgement_says_what_it_rests_on() {
        let contexts =
            Contexts { external: vec!["office-in".into()], ignored: vec!["paging".into()], ..<_>::default() };
        let mut judge = Classifier::new(contexts, profile::AUTO);
        judge.learn(b"PJSIP", b"123456", Purpose::Line);
        for (technology, peer, context, party, reason) in [
            ("SIP", "101", "office-in", trunk("101"), Reason::Configured),
            ("SIP", "101", "paging", Party::Nobody, Reason::Configured),
            ("PJSIP", "123456", "", trunk("123456"), Reason::Pbx),
            ("SIP", "ivan", "from-internal", ext("ivan"), Reason::Profile("auto")),
            ("SIP", "101", "from-trunk", trunk("101"), Reason::Profile("auto")),
            ("SIP", "trunk_1", "", trunk("trunk_1"), Reason::Profile("auto")),
            ("YSGSM", "11", "", trunk("11"), Reason::Technology),
            ("SIP", "101", "", ext("101"), Reason::Grammar),
            ("SIP", "mtt", "", trunk("mtt"), Reason::Grammar),
        ] {
            let judged = judge.judge(technology.as_bytes(), peer.as_bytes(), context.as_bytes());
            assert_eq!(judged, Judgement { party, reason }, "{technology}/{peer} in {context}");
        }
        assert_eq!(judge.side(b"office-in"), (Side::External, Reason::Configured));
        assert_eq!(judge.side(b"from-internal"), (Side::Internal, Reason::Profile("auto")));
        assert_eq!(judge.side(b"default"), (Side::Unknown, Reason::Grammar));
    }

    #[test]
    fn a_family_goes_before_the_generic_profile_and_takes_nothing_from_it() {
        for family in profile::PROFILES {
            let mut judge = Classifier::new(Contexts::default(), profile::AUTO);
            judge.pick(family);
            let named = Classifier::new(Contexts::default(), family);
            let names = profile::PROFILES.iter().flat_map(|profile| profile.external.iter().chain(profile.internal));
            for context in names.map(|pattern| pattern.replace('*', "7")).chain(["default".into(), "s".into()]) {
                for peer in ["101", "ivan", "T2_103_1", "trunk_1", "trunk-mtt-endpoint"] {
                    let (peer, context) = (peer.as_bytes(), context.as_bytes());
                    let generic = Classifier::new(Contexts::default(), profile::AUTO).judge(b"PJSIP", peer, context);
                    assert_eq!(judge.judge(b"PJSIP", peer, context).party, generic.party, "{}", family.name);
                    assert_eq!(judge.judge(b"PJSIP", peer, context), named.judge(b"PJSIP", peer, context));
                }
            }
        }
        let mut judge = Classifier::new(Contexts::default(), profile::AUTO);
        assert_eq!(judge.side(b"DID_trunk_1"), (Side::External, Reason::Profile("auto")));
        judge.pick(profile::named("yeastar-s").unwrap());
        assert_eq!(judge.side(b"DID_trunk_1"), (Side::External, Reason::Profile("yeastar-s")));
        assert_eq!(judge.side(b"incoming-mtt"), (Side::External, Reason::Profile("auto")));
    }
}
