//! What `ringpost doctor` learned of the PBX's peers and contexts, and what each would be taken for: a wrong guess is
//! seen here before it costs a call.
//!
//! Stands alone because it only looks: it judges by the same `call::classify` as the daemon and decides nothing itself.
//! Bounds: [`PEERS`] peers, [`CONTEXTS_SEEN`] contexts, [`NAMES_SHOWN`] names in a line. Who never called and stands in
//! no list that the account may read is not known to it.

use super::doctor::{good, warning};
use crate::ami::event::Event;
use crate::ami::link::Output;
use crate::call::channel::{ChannelName, Kind};
use crate::call::classify::{Classifier, Party, Reason, Side};
use crate::call::family::Family;
use crate::clock::Monotonic;
use crate::config::Pbx;
use crate::crm::bitrix24::Check;
use crate::limits::{CONTEXT_BYTES, CONTEXTS_SEEN, NAMES_SHOWN, PEERS, TRUNK_BYTES};
use crate::profile;
use crate::text::{Text, bounded};
use std::collections::{BTreeMap, BTreeSet};

/// A peer: technology and name.
type Peer = (Text<16>, Text<TRUNK_BYTES>);
type Context = Text<CONTEXT_BYTES>;

/// A name by its length and letters, so that numbers stand in their order.
type Sorted = (usize, String);

/// What a session with the PBX brought to light.
pub(super) struct Learned {
    classifier: Classifier,
    family: Family,
    /// Peers of the lists, or of channels in progress, with the context of their calls; empty: not told.
    peers: BTreeMap<Peer, Context>,
    /// How many of them the PBX listed.
    listed: BTreeSet<Peer>,
    contexts: BTreeSet<Context>,
}

impl Learned {
    /// Nothing yet.
    pub(super) fn new(pbx: &Pbx) -> Self {
        Self {
            classifier: Classifier::new(pbx.contexts.clone(), pbx.profile),
            family: Family::new(),
            peers: BTreeMap::new(),
            listed: BTreeSet::new(),
            contexts: BTreeSet::new(),
        }
    }

    /// Takes in what concerns peers and contexts.
    pub(super) fn hear(&mut self, output: &Output<'_>) {
        match output {
            Output::LoggedIn(server) => self.family.hear_version(server.ami_version.as_bytes()),
            Output::Peer { technology, name, context, purpose } if !name.is_empty() => {
                self.family.hear_peer(technology, name, context);
                self.classifier.learn(technology, name, *purpose);
                if let Some(peer) = self.note(technology, name, context) {
                    self.listed.insert(peer);
                }
            }
            Output::SnapshotChannel(listed @ Event::Listed { channel, .. }) => {
                let _ = self.family.hear(listed, Monotonic::default());
                let name = ChannelName::parse(channel.name);
                if name.kind == Kind::Device {
                    self.note(name.technology, name.peer, channel.context);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, technology: &[u8], name: &[u8], context: &[u8]) -> Option<Peer> {
        let (peer, context): (Peer, Context) = ((bounded(technology), bounded(name)), bounded(context));
        if !context.is_empty() && self.contexts.len() < CONTEXTS_SEEN {
            self.contexts.insert(context.clone());
        }
        if let Some(known) = self.peers.get_mut(&peer) {
            if known.is_empty() {
                *known = context;
            }
        } else if self.peers.len() < PEERS {
            self.peers.insert(peer.clone(), context);
        } else {
            return None;
        }
        Some(peer)
    }

    /// One line for the family, for the peers, for each sort of judgement, and for the contexts.
    pub(super) fn checks(&mut self, calls: usize) -> Vec<Check> {
        let family = self.pick_family();
        let (mut extensions, mut trunks, mut ignored) = (Group::new(), Group::new(), Group::new());
        for ((technology, name), context) in &self.peers {
            let judged = self.classifier.judge(technology.as_bytes(), name.as_bytes(), context.as_bytes());
            let (group, word) = match &judged.party {
                Party::Extension(number) => (&mut extensions, number.to_string()),
                Party::Trunk(_) => (&mut trunks, format!("{technology}/{name}")),
                Party::Nobody | Party::Local => (&mut ignored, format!("{technology}/{name}")),
            };
            group.entry(judged.reason).or_default().insert((word.len(), word));
        }
        let mut checks = vec![family, good("pbx peers", format!("{}, {calls} calls in progress", self.counted()))];
        checks.extend(Self::lines("extensions", &extensions));
        checks.extend(Self::lines("trunks", &trunks));
        checks.extend(Self::lines("not followed", &ignored));
        checks.extend(self.lacks(extensions.is_empty(), trunks.is_empty()));
        checks.extend(self.contexts_line());
        checks
    }

    /// What the PBX looks like; from here on its peers are judged as they will be once the daemon has picked it.
    fn pick_family(&mut self) -> Check {
        let (used, guess) = (self.classifier.profile(), self.family.guess());
        let looks = guess.map_or_else(|| String::from("not recognised by what is seen now"), |pick| pick.look());
        match guess {
            None if used.name == profile::AUTO.name => {
                good("family", format!("{looks}: profile auto knows the words of all and goes on looking"))
            }
            Some(pick) if used.name == profile::AUTO.name => {
                self.classifier.pick(pick.profile());
                good("family", format!("{looks}; {} to fix it", pick.advice()))
            }
            Some(pick) if !pick.fits(used) => {
                warning("family", format!("{looks}, but profile {} is configured; {}", used.name, pick.advice()))
            }
            _ => good("family", format!("profile {}, as configured; {looks}", used.name)),
        }
    }

    fn counted(&self) -> String {
        if self.listed.is_empty() {
            return String::from(
                "none listed by the PBX (PJSIP needs write permission for system, SIP and IAX for reporting): \
                 the contexts and names of their channels tell extensions from trunks",
            );
        }
        let mut by_technology = BTreeMap::<&str, usize>::new();
        for (technology, _) in &self.listed {
            *by_technology.entry(technology).or_default() += 1;
        }
        let each: Vec<_> =
            by_technology.into_iter().map(|(technology, count)| format!("{count} {technology}")).collect();
        format!("{} listed by the PBX", shown(&each, ", "))
    }

    fn lines(name: &'static str, group: &Group) -> Vec<Check> {
        let line = |(reason, words): (&Reason, &BTreeSet<Sorted>)| {
            let names: Vec<_> = words.iter().map(|(_, word)| word.clone()).collect();
            good(name, format!("{} by {}: {}", names.len(), reason_of(*reason, name), shown(&names, ", ")))
        };
        group.iter().map(line).collect()
    }

    /// A PBX that lists peers has some of both sorts.
    fn lacks(&self, no_extensions: bool, no_trunks: bool) -> Option<Check> {
        let (name, key) = match (self.listed.is_empty(), no_extensions, no_trunks) {
            (true, ..) | (_, false, false) => return None,
            (_, true, _) => ("extensions", "internal"),
            (_, false, true) => ("trunks", "external"),
        };
        Some(warning(
            name,
            format!("none among the peers: if one above is, write the context of its calls into [pbx.contexts] {key}"),
        ))
    }

    /// Contexts that nobody knows come first: there the names decide.
    fn contexts_line(&self) -> Option<Check> {
        let mut seen: Vec<_> =
            self.contexts.iter().map(|context| (self.classifier.side(context.as_bytes()), context)).collect();
        seen.sort_by_key(|((side, _), context)| (*side != Side::Unknown, *context));
        let word = |((side, reason), context): &((Side, Reason), &Context)| {
            let side = match side {
                Side::External => "from outside",
                Side::Internal => "internal",
                Side::Ignored => "not followed",
                Side::Unknown => return format!("{context}: unknown, the names decide"),
            };
            format!("{context}: {side} by {}", reason_of(*reason, "contexts"))
        };
        let words: Vec<_> = seen.iter().map(word).collect();
        (!words.is_empty()).then(|| good("contexts", shown(&words, "; ")))
    }
}

fn reason_of(reason: Reason, name: &str) -> String {
    match (reason, name) {
        (Reason::Configured, _) => String::from("[pbx.contexts]"),
        (Reason::Pbx, _) => String::from("what the PBX says of them"),
        (Reason::Profile(profile), _) => format!("profile {profile}"),
        (Reason::Technology, _) => String::from("technology"),
        (_, "trunks") => String::from("grammar (no number of 2 to 6 digits)"),
        _ => String::from("grammar (a number of 2 to 6 digits)"),
    }
}

/// Names by what the judgement rests on.
type Group = BTreeMap<Reason, BTreeSet<Sorted>>;

/// The first [`NAMES_SHOWN`], and how many there are more.
fn shown(words: &[String], between: &str) -> String {
    let first = words.get(..NAMES_SHOWN).unwrap_or(words).join(between);
    match words.len().saturating_sub(NAMES_SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
