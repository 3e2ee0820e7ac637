//! Which family of PBX this is, guessed from the words it uses.
//!
//! An engine for `profile = "auto"`: it hears the names and contexts of channels as the tracker does, and what lists of
//! peers name, and holds them against its table of words. Each counts once and only for its family; a family is picked
//! when its words weigh enough and lead the next family's clearly, so that one word never decides against a stronger
//! one. What is picked stays for the session. A pick only adds: the generic profile stands behind every family's
//! ([`Classifier`](super::classify::Classifier)), and channels that are there keep their judgement.
//!
//! Stands alone because it judges no call and no channel. Bounds: a bit for each entry of the table, no texts, no list;
//! [`FAMILY_CHANNELS`] channels, then it hears nothing more and the generic profile stays. `now` is an argument. It
//! reads no header that the tracker does not: vendors' own headers would cost every event, and the words here tell as
//! much. The saved state does not have it: it is heard again with the next calls, perhaps of another box.

use super::channel::{ChannelName, Kind};
use super::classify::without_tenant;
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

/// Where a word stands, and how it is read.
#[derive(Clone, Copy)]
enum Place {
    /// A context, without a tenant's prefix: one of these words, `…` at the end being any tail.
    Context,
    /// A context: the word with a number for `N`.
    NumberedContext,
    /// `from-trunk-TECH-NAME`.
    TrunkContext,
    /// A technology, before `/…`.
    Technology,
    /// A SIP peer: the word with a number for `N`.
    NumberedPeer,
    /// `trunk-NAME-endpoint`.
    NamedPeer,
    /// A peer or a context with a tenant's prefix.
    Tenant,
}

/// Words of one family.
struct Mark {
    kin: Kin,
    weight: u8,
    place: Place,
    /// As they are told to people too.
    words: &'static str,
}

/// Weight at which a family is picked at once.
const CLEAR: u32 = 5;
/// Weight that is enough after [`FAMILY_TIME`], and for people who ask.
const ENOUGH: u32 = 4;
/// By so much the family leads the next one.
const LEAD: u32 = 2;

const fn mark(kin: Kin, weight: u8, place: Place, words: &'static str) -> Mark {
    Mark { kin, weight, place, words }
}

/// The words, with what each weighs: 5 one that nobody else has, 1 one that half the world uses.
static MARKS: [Mark; 23] = [
    mark(Kin::Yeastar, 5, Place::Context, "DLPN_…"),
    mark(Kin::Yeastar, 2, Place::NamedPeer, "trunk-NAME-endpoint"),
    mark(Kin::Yeastar, 5, Place::Technology, "YSGSM/…"),
    mark(Kin::Yeastar, 2, Place::Context, "DID_…"),
    mark(Kin::Yeastar, 3, Place::Context, "CallingRule_…"),
    mark(Kin::Ucm, 3, Place::NumberedContext, "ext-did-N"),
    mark(Kin::Ucm, 2, Place::NumberedPeer, "trunk_N"),
    mark(Kin::Ucm, 2, Place::Context, "outbound-allroutes, outbound-route…"),
    mark(Kin::Ucm, 3, Place::Context, "ivr-from-internal"),
    mark(Kin::Vital, 3, Place::Context, "cos-…"),
    mark(Kin::Vital, 2, Place::Tenant, "T<N>_…"),
    mark(Kin::Vital, 3, Place::Context, "trk-…"),
    mark(Kin::FreePbx, 1, Place::Context, "from-internal…"),
    mark(Kin::FreePbx, 1, Place::Context, "from-trunk…, from-pstn…"),
    mark(Kin::FreePbx, 2, Place::TrunkContext, "from-trunk-TECH-NAME"),
    mark(Kin::FreePbx, 3, Place::Context, "from-did-direct…"),
    mark(Kin::FreePbx, 2, Place::Context, "from-sip-external"),
    mark(Kin::FreePbx, 3, Place::Context, "ext-group…, ext-queues…, ext-findmefollow…"),
    mark(Kin::FreePbx, 3, Place::Context, "from-queue…"),
    mark(Kin::FreePbx, 3, Place::Context, "macro-dial-one, macro-dialout-trunk"),
    mark(Kin::FreePbx, 1, Place::Context, "ext-local, ext-did"),
    // A UCM has these too.
    mark(Kin::FreePbx, 1, Place::Context, "macro-dial, macro-user-callerid"),
    mark(Kin::FreePbx, 1, Place::Technology, "extra/…"),
];

/// In [`MARKS`]: a trunk as the Yeastar S series calls it.
const S_TRUNK: u32 = 1 << 1;
/// Calls from outside, in a FreePBX: without one of these it is not taken for one, for a UCM has its other words.
const OUTSIDE: u32 = 0b1111 << 13;
/// A GSM card of OpenVox.
const OPENVOX_CARD: u32 = 1 << 22;

impl Mark {
    fn fits(&self, words: Words<'_>) -> bool {
        let Words { context, technology, peer } = words;
        match self.place {
            Place::Context => {
                let words = self.words.as_bytes().split(|byte| *byte == b' ');
                let context = without_tenant(context);
                words.map(|word| word.strip_suffix(b",").unwrap_or(word)).any(|word| is_word(context, word))
            }
            Place::NumberedContext => is_numbered(context, self.words),
            Place::TrunkContext => context.strip_prefix(b"from-trunk-").is_some_and(|rest| rest.contains(&b'-')),
            Place::Technology => self.words.strip_suffix("/…").is_some_and(|word| word.as_bytes() == technology),
            Place::NumberedPeer => technology.ends_with(b"SIP") && is_numbered(peer, self.words),
            Place::NamedPeer => {
                let name = peer.strip_prefix(b"trunk-").and_then(|rest| rest.strip_suffix(b"-endpoint"));
                name.is_some_and(|name| !name.is_empty())
            }
            Place::Tenant => [context, peer].iter().any(|text| without_tenant(text).len() < text.len()),
        }
    }
}

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
    kin: Kin,
    is_old: bool,
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
        if name.kind == Kind::Local {
            // `101@from-queue-00000006`: where it goes.
            let context = name.peer.rsplit(|b| *b == b'@').next().unwrap_or_default();
            self.note(Words { context, technology: b"", peer: b"" });
        }
    }

    fn note(&mut self, words: Words<'_>) {
        let mut bit = 1;
        for mark in &MARKS {
            if self.seen & bit == 0 && mark.fits(words) {
                self.seen |= bit;
            }
            bit <<= 1;
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
        let (mut best, mut next) = ((0, Kin::FreePbx), 0);
        for kin in KINS {
            let weight = self.weight(kin);
            if weight > best.0 {
                (best, next) = ((weight, kin), best.0);
            } else {
                next = next.max(weight);
            }
        }
        let is_clear = best.0 >= enough && best.0 >= next + LEAD;
        is_clear.then_some(Pick { kin: best.1, is_old: self.is_old == Some(true), seen: self.seen })
    }

    fn weight(&self, kin: Kin) -> u32 {
        if kin == Kin::FreePbx && self.seen & OUTSIDE == 0 {
            return 0;
        }
        let mut weight = 0;
        each_seen(kin, self.seen, |mark| weight += u32::from(mark.weight));
        weight
    }
}

impl Default for Family {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick {
    /// Its profile.
    pub fn profile(&self) -> &'static Profile {
        profile::named(self.told().0).unwrap_or(profile::AUTO)
    }

    /// The name of its profile, what it looks like, and the name of another profile that would say the same (empty:
    /// none).
    fn told(&self) -> (&'static str, &'static str, &'static str) {
        match self.kin {
            Kin::Yeastar if self.is_old => ("yeastar-mypbx", "a Yeastar MyPBX", ""),
            Kin::Yeastar if self.seen & S_TRUNK != 0 => ("yeastar-s", "a Yeastar S", ""),
            Kin::Yeastar => ("yeastar-s", "a Yeastar S or P", "yeastar-p"),
            Kin::Ucm => ("grandstream-ucm", "a Grandstream UCM", ""),
            Kin::Vital => ("vitalpbx", "a VitalPBX", ""),
            Kin::FreePbx if self.seen & OPENVOX_CARD != 0 => ("openvox", "an OpenVox, or a FreePBX with its cards", ""),
            Kin::FreePbx => ("freepbx", "a FreePBX or Issabel", "issabel"),
        }
    }

    /// The family and the words that tell it: `looks like a Yeastar S (DLPN_…, trunk-NAME-endpoint)`.
    pub fn look(&self) -> String {
        let mut look = format!("looks like {} (", self.told().1);
        let mut between = "";
        each_seen(self.kin, self.seen, |mark| {
            look.push_str(core::mem::replace(&mut between, ", "));
            look.push_str(mark.words);
        });
        look + ")"
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
        match self.told() {
            (name, _, "") => format!("write profile = \"{name}\" into [pbx]"),
            (name, _, or) => format!("write profile = \"{name}\" (or \"{or}\") into [pbx]"),
        }
    }
}

/// The line for the log.
impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this {}: profile {} is used; {} to fix it", self.look(), self.told().0, self.advice())
    }
}

/// The marks of this family among those seen.
fn each_seen(kin: Kin, mut seen: u32, mut take: impl FnMut(&'static Mark)) {
    for mark in &MARKS {
        if seen & 1 != 0 && mark.kin == kin {
            take(mark);
        }
        seen >>= 1;
    }
}

fn is_word(text: &[u8], word: &[u8]) -> bool {
    match word.strip_suffix("…".as_bytes()) {
        Some(head) => text.starts_with(head),
        None => text == word,
    }
}

/// `ext-did-2`: the head and a number that does not begin with 0 (FreePBX has `ext-did-0001`).
fn is_numbered(text: &[u8], word: &str) -> bool {
    let number = word.strip_suffix('N').and_then(|head| text.strip_prefix(head.as_bytes()));
    number.is_some_and(|number| {
        number.first().is_some_and(|first| *first != b'0') && number.iter().all(u8::is_ascii_digit)
    })
}

#[cfg(test)]
mod tests;
