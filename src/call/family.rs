//! Which family of PBX this is, guessed from the words it uses.
//!
//! An engine for `profile = "auto"`: it hears the names and contexts of channels as the tracker does, and what lists of peers
//! name, and holds them against [`MARKS`]. Each mark counts once and only for its family; a family is picked when its
//! marks weigh enough and lead the next family's clearly, so that one word never decides against a stronger one. What is
//! picked stays for the session. A pick only adds: the generic profile stands behind every family's
//! ([`Classifier`](super::classify::Classifier)), and channels that are there keep their judgement.
//!
//! Stands alone because it judges no call and no channel. Bounds: a bit for each mark, no texts, no list;
//! [`FAMILY_CHANNELS`] channels, then it hears nothing more and the generic profile stays. `now` is an argument. It reads no
//! header that the tracker does not: vendors' own headers would cost every event, and the words here tell as much. The
//! saved state does not have it: it is heard again with the next calls, perhaps of another box.

use super::channel::{ChannelName, Kind};
use crate::ami::event::{Channel, Event};
use crate::clock::Monotonic;
use crate::limits::{FAMILY_CHANNELS, FAMILY_FEW_CHANNELS, FAMILY_TIME};
use crate::profile::{self, Profile};
use core::fmt;

/// Families that are told apart by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    /// Its series are told apart by version and by the names of trunks.
    Yeastar,
    /// Grandstream.
    Ucm,
    /// VitalPBX.
    Vital,
    /// FreePBX and what is made of it.
    FreePbx,
}

const KINS: [Kin; 4] = [Kin::Yeastar, Kin::Ucm, Kin::Vital, Kin::FreePbx];

/// What one channel, or one peer of a list, says.
#[derive(Clone, Copy)]
struct Words<'a> {
    context: &'a [u8],
    technology: &'a [u8],
    peer: &'a [u8],
}

/// A word of one family.
struct Mark {
    kin: Kin,
    weight: u32,
    /// The word, for people.
    told: &'static str,
    fits: fn(Words<'_>) -> bool,
}

/// Weight at which a family is picked at once.
const CLEAR: u32 = 5;
/// Weight that is enough after [`FAMILY_TIME`], and for people who ask.
const ENOUGH: u32 = 4;
/// By so much the family leads the next one.
const LEAD: u32 = 2;

const fn mark(kin: Kin, weight: u32, told: &'static str, fits: fn(Words<'_>) -> bool) -> Mark {
    Mark { kin, weight, told, fits }
}

/// From outside, in a FreePBX: without one of these it is not taken for one, for a UCM has its other words.
const OUTSIDE: [usize; 4] = [13, 14, 15, 16];
/// A trunk as the Yeastar S series calls it.
const S_TRUNK: usize = 1;
/// A GSM card of OpenVox.
const OPENVOX_CARD: usize = 22;

/// The words, with what each weighs: 5 one that nobody else has, 1 one that half the world uses.
const MARKS: [Mark; 23] = [
    mark(Kin::Yeastar, 5, "DLPN_…", |it| it.context.starts_with(b"DLPN_")),
    mark(Kin::Yeastar, 2, "trunk-NAME-endpoint", |it| {
        it.peer.starts_with(b"trunk-") && it.peer.ends_with(b"-endpoint") && it.peer.len() > b"trunk--endpoint".len()
    }),
    mark(Kin::Yeastar, 5, "YSGSM/…", |it| it.technology.eq_ignore_ascii_case(b"YSGSM")),
    mark(Kin::Yeastar, 2, "DID_…", |it| it.context.starts_with(b"DID_")),
    mark(Kin::Yeastar, 3, "CallingRule_…", |it| it.context.starts_with(b"CallingRule_")),
    mark(Kin::Ucm, 3, "ext-did-N", |it| is_index(it.context, b"ext-did-")),
    mark(Kin::Ucm, 2, "trunk_N", |it| it.technology.ends_with(b"SIP") && is_index(it.peer, b"trunk_")),
    mark(Kin::Ucm, 2, "outbound-allroutes", |it| {
        it.context == b"outbound-allroutes" || it.context.starts_with(b"outbound-route")
    }),
    mark(Kin::Ucm, 3, "ivr-from-internal", |it| it.context == b"ivr-from-internal"),
    mark(Kin::Vital, 3, "cos-…", |it| without_tenant(it.context).starts_with(b"cos-")),
    mark(Kin::Vital, 2, "T<N>_…", |it| {
        without_tenant(it.context).len() < it.context.len() || without_tenant(it.peer).len() < it.peer.len()
    }),
    mark(Kin::Vital, 3, "trk-N-…", |it| without_tenant(it.context).starts_with(b"trk-")),
    mark(Kin::FreePbx, 1, "from-internal", |it| it.context.starts_with(b"from-internal")),
    mark(Kin::FreePbx, 1, "from-trunk, from-pstn", |it| {
        it.context.starts_with(b"from-trunk") || it.context.starts_with(b"from-pstn")
    }),
    mark(Kin::FreePbx, 2, "from-trunk-TECH-NAME", |it| {
        it.context.strip_prefix(b"from-trunk-").is_some_and(|rest| memchr::memchr(b'-', rest).is_some())
    }),
    mark(Kin::FreePbx, 3, "from-did-direct", |it| it.context.starts_with(b"from-did-direct")),
    mark(Kin::FreePbx, 2, "from-sip-external", |it| it.context == b"from-sip-external"),
    mark(Kin::FreePbx, 3, "ext-group, ext-queues, ext-findmefollow", |it| {
        [b"ext-group" as &[u8], b"ext-queues", b"ext-findmefollow"].iter().any(|word| it.context.starts_with(word))
    }),
    mark(Kin::FreePbx, 3, "from-queue", |it| it.context.starts_with(b"from-queue")),
    mark(Kin::FreePbx, 3, "macro-dial-one, macro-dialout-trunk", |it| {
        it.context.starts_with(b"macro-dial-one") || it.context.starts_with(b"macro-dialout-trunk")
    }),
    mark(Kin::FreePbx, 1, "ext-local, ext-did", |it| it.context == b"ext-local" || it.context == b"ext-did"),
    // A UCM has these too.
    mark(Kin::FreePbx, 1, "macro-dial, macro-user-callerid", |it| {
        it.context == b"macro-dial" || it.context == b"macro-user-callerid"
    }),
    mark(Kin::FreePbx, 1, "extra/…", |it| it.technology == b"extra"),
];

/// What the words tell so far.
#[derive(Debug)]
pub struct Family {
    /// A bit for each of [`MARKS`].
    seen: u32,
    /// Whether the server is an old one (AMI 1.x), once that is known.
    is_old: Option<bool>,
    channels: u32,
    first: Option<Monotonic>,
    is_open: bool,
}

/// A family that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its profile.
    pub profile: &'static Profile,
    /// What it looks like, with an article.
    looks: &'static str,
    /// Another profile that would say the same; empty: none.
    or: &'static str,
    kin: Kin,
    seen: u32,
}

impl Family {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Self { seen: 0, is_old: None, channels: 0, first: None, is_open: true }
    }

    /// One that hears nothing: the profile was named.
    pub fn named() -> Self {
        Self { is_open: false, ..Self::new() }
    }

    /// Whether anything it hears may still make a pick.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The version of AMI is known, as the banner tells it; an empty one tells nothing.
    pub fn hear_version(&mut self, ami: &[u8]) {
        if !ami.is_empty() {
            self.is_old = Some(ami.starts_with(b"1."));
        }
    }

    /// Hears an event. A family that is clear by now is told once.
    pub fn hear(&mut self, event: &Event<'_>, now: Monotonic) -> Option<Pick> {
        let channel = match event {
            Event::NewChannel { channel } => {
                self.first.get_or_insert(now);
                self.channels += 1;
                self.is_old.get_or_insert(channel.linked_id.is_empty());
                channel
            }
            Event::NewState { channel } | Event::QueueJoin { channel, .. } => channel,
            Event::DialBegin { caller: Some(channel), .. } | Event::Listed { channel, .. } => channel,
            _ => return None,
        };
        if !channel.linked_id.is_empty() {
            self.is_old.get_or_insert(false);
        }
        self.note_channel(channel);
        self.decide(now)
    }

    /// Hears of a peer in a list, with the context of its calls if that is told. Decides nothing: a list is no call.
    pub fn hear_peer(&mut self, technology: &[u8], peer: &[u8], context: &[u8]) {
        self.note(Words { context, technology, peer });
    }

    /// The family, for people who ask before it is clear.
    pub fn guess(&self) -> Option<Pick> {
        self.pick(ENOUGH)
    }

    fn note_channel(&mut self, channel: &Channel<'_>) {
        let name = ChannelName::parse(channel.name);
        let (technology, peer) = match name.kind {
            Kind::Device => (name.technology, name.peer),
            Kind::Local | Kind::Helper => (&b""[..], &b""[..]),
        };
        self.note(Words { context: channel.context, technology, peer });
        if name.kind == Kind::Local
            && let Some(at) = memchr::memchr(b'@', name.peer)
        {
            // `101@from-queue-00000006`: where it goes.
            let context = name.peer.get(at + 1..).unwrap_or_default();
            self.note(Words { context, technology: b"", peer: b"" });
        }
    }

    fn note(&mut self, words: Words<'_>) {
        for (place, mark) in MARKS.iter().enumerate() {
            if !has(self.seen, place) && (mark.fits)(words) {
                self.seen |= 1 << place;
            }
        }
    }

    fn decide(&mut self, now: Monotonic) -> Option<Pick> {
        let is_late = self.channels >= FAMILY_CHANNELS;
        let was_patient =
            self.channels >= FAMILY_FEW_CHANNELS && self.first.is_some_and(|first| now.since(first) >= FAMILY_TIME);
        let pick = self.pick(if is_late || was_patient { ENOUGH } else { CLEAR });
        self.is_open = pick.is_none() && !is_late;
        pick
    }

    fn pick(&self, enough: u32) -> Option<Pick> {
        let mut weights = KINS.map(|kin| (self.weight(kin), kin));
        weights.sort_by_key(|(weight, _)| core::cmp::Reverse(*weight));
        let [(weight, kin), (next, _), ..] = weights;
        (weight >= enough && weight >= next + LEAD).then(|| self.told(kin)).flatten()
    }

    fn weight(&self, kin: Kin) -> u32 {
        if kin == Kin::FreePbx && !OUTSIDE.iter().any(|place| has(self.seen, *place)) {
            return 0;
        }
        let seen = MARKS.iter().enumerate().filter(|(place, mark)| mark.kin == kin && has(self.seen, *place));
        seen.map(|(_, mark)| mark.weight).sum()
    }

    fn told(&self, kin: Kin) -> Option<Pick> {
        let (name, looks, or) = match kin {
            Kin::Yeastar if self.is_old == Some(true) => ("yeastar-mypbx", "a Yeastar MyPBX", ""),
            Kin::Yeastar if has(self.seen, S_TRUNK) => ("yeastar-s", "a Yeastar S", ""),
            Kin::Yeastar => ("yeastar-s", "a Yeastar S or P", "yeastar-p"),
            Kin::Ucm => ("grandstream-ucm", "a Grandstream UCM", ""),
            Kin::Vital => ("vitalpbx", "a VitalPBX", ""),
            Kin::FreePbx if has(self.seen, OPENVOX_CARD) => ("openvox", "an OpenVox, or a FreePBX with its cards", ""),
            Kin::FreePbx => ("freepbx", "a FreePBX or Issabel", "issabel"),
        };
        Some(Pick { profile: profile::named(name)?, looks, or, kin, seen: self.seen })
    }
}

impl Default for Family {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick {
    /// The family and the words that tell it: `a Yeastar S (DLPN_…, trunk-NAME-endpoint)`.
    pub fn look(&self) -> String {
        format!("{} ({})", self.looks, self.words())
    }

    /// The words that tell it.
    pub fn words(&self) -> String {
        let told = MARKS.iter().enumerate().filter(|(place, mark)| mark.kin == self.kin && has(self.seen, *place));
        told.map(|(_, mark)| mark.told).collect::<Vec<_>>().join(", ")
    }

    /// Whether this profile is for such a PBX: families that cannot be told apart share their words.
    pub fn fits(&self, profile: &Profile) -> bool {
        let kin: &[&str] = match self.kin {
            Kin::Yeastar => &["yeastar-s", "yeastar-p", "yeastar-mypbx"],
            Kin::Ucm => &["grandstream-ucm"],
            Kin::Vital => &["vitalpbx"],
            Kin::FreePbx => &["freepbx", "issabel", "openvox"],
        };
        kin.contains(&profile.name)
    }

    /// What to write into the configuration so that nothing has to be guessed.
    pub fn advice(&self) -> String {
        let or = if self.or.is_empty() { String::new() } else { format!(" (or \"{}\")", self.or) };
        format!("write profile = \"{}\"{or} into [pbx]", self.profile.name)
    }
}

/// The line for the log.
impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, .. } = self;
        write!(f, "this looks like {}: profile {} is used; {} to fix it", self.look(), profile.name, self.advice())
    }
}

fn has(seen: u32, place: usize) -> bool {
    seen & (1 << place) != 0
}

/// `ext-did-2`: the head and a number that does not begin with 0 (FreePBX has `ext-did-0001`).
fn is_index(text: &[u8], head: &[u8]) -> bool {
    text.strip_prefix(head).is_some_and(|number| {
        number.first().is_some_and(|first| *first != b'0') && number.iter().all(u8::is_ascii_digit)
    })
}

/// `T2_cos-all` is `cos-all`.
fn without_tenant(text: &[u8]) -> &[u8] {
    let Some(rest) = text.strip_prefix(b"T") else { return text };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    rest.get(digits..).filter(|_| digits > 0).and_then(|rest| rest.strip_prefix(b"_")).unwrap_or(text)
}

#[cfg(test)]
mod tests;
