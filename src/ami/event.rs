//! The few AMI packets that tell a call, typed and borrowed.
//!
//! Old (AMI 1.x: Asterisk 1.4 to 11) and new (AMI 2.0 and later: Asterisk 12 to 23) servers say the same facts in
//! different events; both are here under one set of names, so that the tracker need not know header spellings.
//! Everything else is counted and skipped. Values are the peer's bytes: not decoded, not trusted, "no value" spellings
//! (`<unknown>`, `(null)`, `N/A` …) folded to the empty slice. Does not keep anything and does not judge: that is the
//! tracker's work.

use super::frame::Packet;

/// What a channel-bearing event says about one channel. Absent headers are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel<'a> {
    /// `Channel`: the name, `TECH/resource-xxxxxxxx`.
    pub name: &'a [u8],
    /// `Uniqueid`.
    pub unique_id: &'a [u8],
    /// `Linkedid`; empty on old servers.
    pub linked_id: &'a [u8],
    /// `ChannelState`: 0 Down, 3 Dialing, 4 Ring (calls us), 5 Ringing (we ring it), 6 Up, 7 Busy.
    pub state: Option<u8>,
    /// `CallerIDNum`.
    pub caller_num: &'a [u8],
    /// `CallerIDName`, as sent (escapes kept).
    pub caller_name: &'a [u8],
    /// `ConnectedLineNum`.
    pub connected_num: &'a [u8],
    /// `Context` of the dialplan.
    pub context: &'a [u8],
    /// `Exten` of the dialplan.
    pub exten: &'a [u8],
    /// `AccountCode`.
    pub account: &'a [u8],
}

/// What a bridge event says about its bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridge<'a> {
    /// `BridgeUniqueid`.
    pub id: &'a [u8],
    /// `BridgeType`: `basic`, `base`, `parking`, `holding` …
    pub kind: &'a [u8],
    /// `BridgeTechnology`.
    pub technology: &'a [u8],
    /// `BridgeCreator`: `ConfBridge` and others; empty mostly.
    pub creator: &'a [u8],
}

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // lives on the stack for one iteration; a box would be an allocation per event
pub enum Message<'a> {
    /// The answer to an action.
    Response(Response<'a>),
    /// One of the events that tell a call, or an item of a list.
    Event(Event<'a>),
    /// Nothing that ringpost reads.
    Skipped(Skip),
}

/// Why a packet was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// An event of another name.
    Event,
    /// A `VarSet` of another variable.
    Variable,
    /// Neither event nor response.
    Shapeless,
}

/// The answer to an action. Its other headers are read by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// `Response`.
    pub status: Status,
    /// `ActionID`, empty if it was not sent back.
    pub action_id: &'a [u8],
    /// `Message`.
    pub message: &'a [u8],
    /// All of it.
    pub packet: Packet<'a>,
}

/// The word after `Response:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// `Success`.
    Success,
    /// `Error`.
    Error,
    /// `Follows`: old command output.
    Follows,
    /// `Goodbye`: the answer to Logoff.
    Goodbye,
    /// Any other word: `Events` of old servers has none, vendors have their own.
    Other,
}

/// Channel variables that ringpost reads; all other VarSet events are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variable {
    /// `MIXMONITOR_FILENAME`: full path of a recording.
    MixMonitorFilename,
    /// `MONITOR_FILENAME`: the old recorder's path without `-in`/`-out`.
    MonitorFilename,
    /// `VM_MESSAGEFILE`: path of a voicemail without its ending.
    VmMessageFile,
    /// `VMSTATUS`: `SUCCESS`, `USEREXIT`, `FAILED`.
    VmStatus,
    /// `DIALSTATUS`: the end of a Dial as the dialplan sees it.
    DialStatus,
    /// `DID`, `FROM_DID`, `__FROM_DID`: the dialled line on trunks that hide it from Exten.
    Did,
    /// `NODEST` (FreePBX and its kin): number of the ring group, queue or follow-me that rings its members now.
    NoDest,
    /// `RINGPOST_CALL`: set by ringpost's own Originate.
    RingpostCall,
}

/// One event that tells a call. Built from a packet by [`message`](super::typing::message).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are the protocol's own, named after its headers
pub enum Event<'a> {
    /// `Newchannel`.
    NewChannel { channel: Channel<'a> },
    /// `Newstate`.
    NewState { channel: Channel<'a> },
    /// `NewCallerid`.
    NewCallerId { channel: Channel<'a> },
    /// `Hangup`; cause is the Q.850 number, 0 when absent.
    Hangup { channel: Channel<'a>, cause: u16 },
    /// `Rename`: old servers, and masquerades of new ones. `channel.name` is the old name.
    Rename { channel: Channel<'a>, new_name: &'a [u8] },
    /// `Masquerade` (old): names only.
    Masquerade { clone: &'a [u8], original: &'a [u8] },
    /// `DialBegin`, old `Dial`/`SubEvent: Begin`. `caller` is none for originated legs.
    DialBegin { caller: Option<Channel<'a>>, dest: Channel<'a>, dial_string: &'a [u8] },
    /// `DialEnd`, old `Dial`/`SubEvent: End` (which names only the caller). `forward` is the new destination of a 302.
    DialEnd { caller: Option<Channel<'a>>, dest: Option<Channel<'a>>, status: &'a [u8], forward: &'a [u8] },
    /// `BridgeEnter`; `swap` is the UniqueId that this channel replaces.
    BridgeEnter { bridge: Bridge<'a>, channel: Channel<'a>, swap: &'a [u8] },
    /// `BridgeLeave`.
    BridgeLeave { bridge: Bridge<'a>, channel: Channel<'a> },
    /// `BridgeMerge`: all of `from` move to `to`.
    BridgeMerge { from: &'a [u8], to: &'a [u8] },
    /// `BridgeDestroy`.
    BridgeDestroy { bridge: Bridge<'a> },
    /// Old servers: `Bridge` with `Bridgestate: Link`, 1.4 `Link`: the two hear each other.
    Link { one: Channel<'a>, two: Channel<'a> },
    /// Old servers: `Unlink`, `Bridge` with `Bridgestate: Unlink`.
    Unlink { one: Channel<'a>, two: Channel<'a> },
    /// `LocalBridge`: the two halves of a Local channel.
    LocalBridge { one: Channel<'a>, two: Channel<'a> },
    /// `LocalOptimizationBegin`/`End` (new servers): the halves `one`, `two` are about to leave, or have left, the
    /// path; `source` takes over.
    LocalOptimization { one: Channel<'a>, two: Channel<'a>, source: Channel<'a>, end: bool },
    /// `AgentCalled`: a queue rings a member.
    AgentCalled { queue: &'a [u8], caller: Channel<'a>, dest: Channel<'a> },
    /// `AgentConnect`: a queue member took the call. On old servers `caller` has only the UniqueId, `member` only the
    /// channel name.
    AgentConnect { queue: &'a [u8], caller: Channel<'a>, member: Channel<'a> },
    /// `Join` (old), `QueueCallerJoin`.
    QueueJoin { queue: &'a [u8], channel: Channel<'a> },
    /// `Leave` (old), `QueueCallerLeave`.
    QueueLeave { queue: &'a [u8], channel: Channel<'a> },
    /// `QueueCallerAbandon`.
    QueueAbandon { queue: &'a [u8], channel: Channel<'a> },
    /// `ConfbridgeJoin` of 10 and 11, `MeetmeJoin`: later ConfBridges tell it by their bridges.
    RoomJoin { channel: Channel<'a>, room: &'a [u8] },
    /// `ConfbridgeLeave` of 10 and 11, `MeetmeLeave`.
    RoomLeave { channel: Channel<'a>, room: &'a [u8] },
    /// `Pickup`: `channel` takes the call that rings at `target`. On old servers `target` has only the name.
    Pickup { channel: Channel<'a>, target: Channel<'a> },
    /// `BlindTransfer` (new).
    BlindTransfer { transferer: Channel<'a>, transferee: Channel<'a>, exten: &'a [u8], context: &'a [u8] },
    /// `AttendedTransfer` (new).
    AttendedTransfer { transferer: Channel<'a>, second: Channel<'a>, transferee: Channel<'a>, target: Channel<'a> },
    /// `Transfer` (old chan_sip REFER only).
    Transfer { attended: bool, channel: Channel<'a>, target: Channel<'a>, exten: &'a [u8] },
    /// `ParkedCall`.
    Parked { parkee: Channel<'a>, space: &'a [u8] },
    /// `UnParkedCall`, `ParkedCallTimeOut`, `ParkedCallGiveUp`.
    Unparked { parkee: Channel<'a>, retriever: Channel<'a>, timed_out: bool },
    /// `VarSet` of one of [`Variable`].
    VarSet { channel: Channel<'a>, variable: Variable, value: &'a [u8] },
    /// `OriginateResponse`. On failure `channel` is what was asked for (`SIP/101`), and old servers leave out the
    /// UniqueId; `exten` is where the channel was to be sent.
    OriginateResponse {
        action_id: &'a [u8],
        success: bool,
        reason: u8,
        unique_id: &'a [u8],
        channel: &'a [u8],
        exten: &'a [u8],
    },
    /// `FullyBooted`; `uptime_secs` since Asterisk 14.
    FullyBooted { uptime_secs: Option<u64> },
    /// `Shutdown`.
    Shutdown { restart: bool },
    /// One item of `CoreShowChannels` (or `Status`): `duration_secs` since the channel was made; `bridge` is the bridge
    /// id (new); `bridged` is the other's UniqueId (old).
    Listed {
        action_id: &'a [u8],
        channel: Channel<'a>,
        application: &'a [u8],
        data: &'a [u8],
        duration_secs: u32,
        bridge: &'a [u8],
        bridged: &'a [u8],
    },
    /// One item of a list of peers (`PeerEntry`, `EndpointList`, `DAHDIShowChannels` …), or one peer's details:
    /// technology as in channel names, resource name, the context of its calls (empty where it is not told).
    Peer { action_id: &'a [u8], technology: &'a [u8], name: &'a [u8], context: &'a [u8], purpose: Purpose },
    /// The end of any list: an event with our ActionID whose name ends in `Complete`.
    ListComplete { action_id: &'a [u8] },
}

/// What a list of peers tells of a peer's purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing: name and context have to tell.
    #[default]
    Untold,
    /// A telephone hangs on it.
    Telephone,
    /// It leads to the outside.
    Line,
}
