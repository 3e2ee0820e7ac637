//! One channel as the tracker remembers it.
//!
//! A leg lives from the first word about its channel until its call is over; a hung up leg stays as a name that later
//! events may still use. Knows its neighbours (bridge, other half, partner) but not what they mean together: that is
//! `hearing`.

use super::classify::Party;
use super::record::Number;
use super::slab::Key;
use crate::clock::{Monotonic, Stamp};
use crate::limits::{CHANNEL_NAME_BYTES, UNIQUE_ID_BYTES};
use crate::text::Text;
use serde::{Deserialize, Serialize};

/// `ChannelState` of a channel that calls us.
pub const RING: u8 = 4;
/// `ChannelState` of a channel that we ring.
pub const RINGING: u8 = 5;
/// `ChannelState` of an answered channel.
pub const UP: u8 = 6;
/// In [`Leg::left`]: a masquerade (old servers) took it out of its company or put it into another's.
pub const SWAPPED: u64 = u64::MAX;

/// A channel and its place in its call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Leg {
    /// UniqueId.
    pub id: Text<UNIQUE_ID_BYTES>,
    /// Present name.
    pub name: Text<CHANNEL_NAME_BYTES>,
    /// Hash of the UniqueId.
    pub id_hash: u64,
    /// Hash of the name.
    pub name_hash: u64,
    /// Hash of the LinkedId last seen; 0 on old servers.
    pub linked_hash: u64,
    /// Who is there.
    pub party: Party,
    /// `ChannelState`.
    pub state: u8,
    /// `ChannelState` when first heard of.
    pub first_state: u8,
    /// Not hung up.
    pub alive: bool,
    /// Its call.
    pub call: Key,
    /// When it was made.
    pub created: Stamp,
    /// Last event about it.
    pub heard: Monotonic,
    /// Hash of the basic bridge it is in; 0: none.
    pub bridge: u64,
    /// Hash of the bridge it left last; old servers: of the UniqueId it was linked with last. 0: none.
    #[serde(default)]
    pub left: u64,
    /// It is in a conference or a parking lot: its LinkedId says nothing.
    pub in_room: bool,
    /// Hash of the conference it is in; 0: none.
    #[serde(default)]
    pub room: u64,
    /// The other half of a Local channel.
    pub twin: Option<Key>,
    /// Old servers: the channel it is linked with.
    pub partner: Option<Key>,
    /// Somebody dialled it (it did not call us).
    pub dialled: bool,
    /// Who dialled it.
    pub dialler: Option<Key>,
    /// It rings since.
    pub ringing_since: Option<Monotonic>,
    /// The extension of the dialplan it was made in.
    pub exten: Number,
    /// The telephone number at its other end: what was dialled, or who calls.
    pub number: Number,
    /// Q.850 cause of its hangup.
    pub cause: u16,
    /// A complete list of channels lacked it; its hangup may still be on the way.
    pub missing: bool,
    /// It was first heard of by a list of channels.
    pub from_list: bool,
    /// The running list of channels has it.
    pub listed: bool,
}

impl Leg {
    /// Whether anything can be heard over it.
    pub fn is_connected(&self) -> bool {
        self.alive && (self.bridge != 0 || self.room != 0 || self.twin.is_some() || self.partner.is_some())
    }

    /// Whether this is a telephone or a trunk that is still there.
    pub fn is_somebody(&self) -> bool {
        self.alive && self.party.is_somebody()
    }
}
