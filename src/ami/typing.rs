//! Packets into typed messages: which few events count, and which header is which field on old and new servers.
//!
//! Stands alone because header spellings differ between versions and vendors, and only this file and `fields`, by which
//! it reads, know them. Event names are compared without regard to letter case. An event that is not wanted is given up
//! on its first line. Nothing is allocated and nothing is kept. Does not decode text: names that are kept go through
//! [`unescaped`](super::escape::unescaped).

use super::event::{Bridge, Channel, Event, Message, Purpose, Response, Skip, Status, Variable};
use super::fields::{Once, header_named, is, number, read, value_of};
use super::frame::Packet;

/// Types one packet.
pub fn message<'a>(packet: Packet<'a>) -> Message<'a> {
    // The first line says what it is, but for a few list items of old servers that begin with their ActionID.
    for line in packet.lines() {
        match line.first() {
            Some(b'E' | b'e') => {
                if let Some(name) = value_of(line, b"Event") {
                    return event(&packet, name);
                }
            }
            Some(b'R' | b'r') => {
                if let Some(word) = value_of(line, b"Response") {
                    return Message::Response(response(packet, word));
                }
            }
            _ => {}
        }
    }
    Message::Skipped(Skip::Shapeless)
}

/// The events that are read. Names that old and new servers give to one thing share a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NewChannel,
    NewState,
    NewCallerId,
    Hangup,
    Rename,
    Masquerade,
    Dial,
    DialBegin,
    DialEnd,
    BridgeEnter,
    BridgeLeave,
    BridgeMerge,
    BridgeDestroy,
    OldBridge,
    Link,
    Unlink,
    LocalBridge,
    LocalOptimizationBegin,
    LocalOptimizationEnd,
    AgentCalled,
    AgentConnect,
    QueueJoin,
    QueueLeave,
    QueueAbandon,
    RoomJoin,
    RoomLeave,
    Pickup,
    BlindTransfer,
    AttendedTransfer,
    Transfer,
    Parked,
    Unparked,
    ParkedTimeOut,
    VarSet,
    OriginateResponse,
    FullyBooted,
    Shutdown,
    Listed,
    PeerEntry,
    EndpointList,
    EndpointDetail,
    DahdiChannel,
}

/// Event names by length, so that most unwanted ones are given up at a glance.
fn candidates(length: usize) -> &'static [(&'static [u8], Kind)] {
    use Kind::*;
    match length {
        4 => &[(b"Dial", Dial), (b"Join", QueueJoin), (b"Link", Link)],
        5 => &[(b"Leave", QueueLeave)],
        6 => &[
            (b"VarSet", VarSet),
            (b"Hangup", Hangup),
            (b"Bridge", OldBridge),
            (b"Status", Listed),
            (b"Rename", Rename),
            (b"Pickup", Pickup),
            (b"Unlink", Unlink),
        ],
        7 => &[(b"DialEnd", DialEnd)],
        8 => &[(b"Newstate", NewState), (b"Transfer", Transfer), (b"Shutdown", Shutdown)],
        9 => &[(b"DialBegin", DialBegin), (b"PeerEntry", PeerEntry)],
        10 => &[
            (b"Newchannel", NewChannel),
            (b"Masquerade", Masquerade),
            (b"ParkedCall", Parked),
            (b"MeetmeJoin", RoomJoin),
        ],
        11 => &[
            (b"NewCallerid", NewCallerId),
            (b"BridgeEnter", BridgeEnter),
            (b"BridgeLeave", BridgeLeave),
            (b"BridgeMerge", BridgeMerge),
            (b"LocalBridge", LocalBridge),
            (b"AgentCalled", AgentCalled),
            (b"FullyBooted", FullyBooted),
            (b"MeetmeLeave", RoomLeave),
        ],
        12 => &[(b"AgentConnect", AgentConnect), (b"UnParkedCall", Unparked), (b"EndpointList", EndpointList)],
        13 => &[(b"BridgeDestroy", BridgeDestroy), (b"BlindTransfer", BlindTransfer)],
        14 => &[(b"EndpointDetail", EndpointDetail), (b"ConfbridgeJoin", RoomJoin)],
        15 => &[(b"QueueCallerJoin", QueueJoin), (b"CoreShowChannel", Listed), (b"ConfbridgeLeave", RoomLeave)],
        16 => &[
            (b"QueueCallerLeave", QueueLeave),
            (b"AttendedTransfer", AttendedTransfer),
            (b"ParkedCallGiveUp", Unparked),
        ],
        17 => &[
            (b"OriginateResponse", OriginateResponse),
            (b"ParkedCallTimeOut", ParkedTimeOut),
            (b"DAHDIShowChannels", DahdiChannel),
        ],
        18 => &[(b"QueueCallerAbandon", QueueAbandon)],
        20 => &[(b"LocalOptimizationEnd", LocalOptimizationEnd)],
        22 => &[(b"LocalOptimizationBegin", LocalOptimizationBegin)],
        _ => &[],
    }
}

fn response<'a>(packet: Packet<'a>, word: &[u8]) -> Response<'a> {
    let known: [(&[u8], Status); 4] = [
        (b"Success", Status::Success),
        (b"Error", Status::Error),
        (b"Follows", Status::Follows),
        (b"Goodbye", Status::Goodbye),
    ];
    let status =
        known.iter().find(|(name, _)| is(word.trim_ascii(), name)).map_or(Status::Other, |&(_, status)| status);
    let mut response = Response { status, action_id: b"", message: b"", packet };
    let mut action_id = Once::default();
    let mut message = Once::default();
    for (name, value) in packet.headers() {
        if is(name, b"ActionID") {
            action_id.set(&mut response.action_id, value);
        } else if is(name, b"Message") {
            message.set(&mut response.message, value);
        }
    }
    response
}

fn event<'a>(packet: &Packet<'a>, name: &[u8]) -> Message<'a> {
    let Some(&(_, kind)) = candidates(name.len()).iter().find(|(known, _)| is(name, known)) else {
        return list_end(packet, name);
    };
    // Later servers tell a conference by its bridge, and this beside it.
    if matches!(kind, Kind::RoomJoin | Kind::RoomLeave) && packet.header(b"BridgeUniqueid").is_some() {
        return Message::Skipped(Skip::Event);
    }
    if kind == Kind::VarSet {
        return match variable(packet) {
            Some(variable) => Message::Event(var_set(packet, variable)),
            None => Message::Skipped(Skip::Variable),
        };
    }
    Message::Event(typed(packet, kind))
}

/// Every list ends with an event whose name ends in `Complete` and that bears our ActionID; `EventList: Complete` is
/// not sent by old servers.
fn list_end<'a>(packet: &Packet<'a>, name: &[u8]) -> Message<'a> {
    if name.len() > 8
        && name.get(name.len() - 8..).is_some_and(|tail| is(tail, b"Complete"))
        && let Some(action_id) = packet.header(b"ActionID").filter(|id| !id.is_empty())
    {
        return Message::Event(Event::ListComplete { action_id });
    }
    Message::Skipped(Skip::Event)
}

fn typed<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    match kind {
        Kind::NewChannel => Event::NewChannel { channel: channel(packet) },
        Kind::NewState => Event::NewState { channel: channel(packet) },
        Kind::NewCallerId => Event::NewCallerId { channel: channel(packet) },
        Kind::Hangup => {
            let ([channel], [cause]) = read(packet, [b""], [b"Cause"]);
            Event::Hangup { channel, cause: number(cause).unwrap_or(0) }
        }
        Kind::Rename => rename(packet),
        Kind::Masquerade => {
            let ([], [clone, original]) = read(packet, [], [b"Clone", b"Original"]);
            Event::Masquerade { clone, original }
        }
        Kind::Dial | Kind::DialBegin | Kind::DialEnd => dial(packet, kind),
        Kind::BridgeEnter | Kind::BridgeLeave | Kind::BridgeMerge | Kind::BridgeDestroy => bridge(packet, kind),
        Kind::OldBridge | Kind::Link | Kind::Unlink => old_bridge(packet, kind),
        Kind::LocalBridge => local_bridge(packet),
        Kind::LocalOptimizationBegin | Kind::LocalOptimizationEnd => {
            let ([one, two, source], []) = read(packet, [b"LocalOne", b"LocalTwo", b"Source"], []);
            Event::LocalOptimization { one, two, source, end: kind == Kind::LocalOptimizationEnd }
        }
        Kind::AgentCalled => agent_called(packet),
        Kind::AgentConnect => agent_connect(packet),
        Kind::QueueJoin | Kind::QueueLeave | Kind::QueueAbandon => queue(packet, kind),
        Kind::RoomJoin | Kind::RoomLeave => {
            let ([channel], [conference]) = read(packet, [b""], [b"Conference"]);
            let room = Some(conference).filter(|room| !room.is_empty()).or_else(|| packet.header(b"Meetme"));
            let room = room.unwrap_or_default();
            if kind == Kind::RoomJoin { Event::RoomJoin { channel, room } } else { Event::RoomLeave { channel, room } }
        }
        Kind::Pickup => {
            let ([target, channel], []) = read(packet, [b"Target", b""], []);
            Event::Pickup { channel, target }
        }
        Kind::BlindTransfer => {
            let ([transferer, transferee], [exten, context]) =
                read(packet, [b"Transferer", b"Transferee"], [b"Extension", b"Context"]);
            Event::BlindTransfer { transferer, transferee, exten, context }
        }
        Kind::AttendedTransfer => {
            let prefixes: [&[u8]; 4] = [b"OrigTransferer", b"SecondTransferer", b"Transferee", b"TransferTarget"];
            let ([transferer, second, transferee, target], []) = read(packet, prefixes, []);
            Event::AttendedTransfer { transferer, second, transferee, target }
        }
        Kind::Transfer => {
            let ([target, channel], [how, exten]) = read(packet, [b"Target", b""], [b"TransferType", b"TransferExten"]);
            Event::Transfer { attended: is(how, b"Attended"), channel, target, exten }
        }
        Kind::Parked | Kind::Unparked | Kind::ParkedTimeOut => parking(packet, kind),
        Kind::VarSet => var_set(packet, Variable::DialStatus),
        Kind::OriginateResponse => {
            let ([], [action_id, answer, reason, unique_id, channel, exten]) =
                read(packet, [], [b"ActionID", b"Response", b"Reason", b"Uniqueid", b"Channel", b"Exten"]);
            let (success, reason) = (is(answer, b"Success"), number(reason).unwrap_or(0));
            Event::OriginateResponse { action_id, success, reason, unique_id, channel, exten }
        }
        Kind::FullyBooted => {
            let ([], [uptime]) = read(packet, [], [b"Uptime"]);
            Event::FullyBooted { uptime_secs: number(uptime) }
        }
        Kind::Shutdown => {
            let ([], [restart]) = read(packet, [], [b"Restart"]);
            Event::Shutdown { restart: is(restart, b"True") }
        }
        Kind::Listed => listed(packet),
        Kind::PeerEntry | Kind::EndpointList | Kind::EndpointDetail | Kind::DahdiChannel => peer(packet, kind),
    }
}

fn channel<'a>(packet: &Packet<'a>) -> Channel<'a> {
    let ([channel], []) = read(packet, [b""], []);
    channel
}

/// 1.4 says `Oldname` for `Channel`.
fn rename<'a>(packet: &Packet<'a>) -> Event<'a> {
    let ([mut channel], [new_name, old_name]) = read(packet, [b""], [b"Newname", b"Oldname"]);
    if channel.name.is_empty() {
        channel.name = old_name;
    }
    Event::Rename { channel, new_name }
}

/// `DialBegin` and `DialEnd` carry both channels whole; the old `Dial` has a `SubEvent`, and its end names the caller
/// only. 1.4 has neither `SubEvent` nor end.
fn dial<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let names: [&[u8]; 7] =
        [b"SubEvent", b"DialString", b"DialStatus", b"Forward", b"Destination", b"Source", b"SrcUniqueID"];
    let ([mut dest, mut caller], [sub_event, dial_string, status, forward, destination, source, source_id]) =
        read(packet, [b"Dest", b""], names);
    if dest.name.is_empty() {
        dest.name = destination;
    }
    if caller.name.is_empty() {
        caller.name = source;
        caller.unique_id = source_id;
    }
    let present = |channel: Channel<'a>| (!channel.name.is_empty() || !channel.unique_id.is_empty()).then_some(channel);
    if kind == Kind::DialEnd || (kind == Kind::Dial && is(sub_event, b"End")) {
        return Event::DialEnd { caller: present(caller), dest: present(dest), status, forward };
    }
    Event::DialBegin { caller: present(caller), dest, dial_string }
}

fn bridge<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let names: [&[u8]; 7] = [
        b"BridgeUniqueid",
        b"BridgeType",
        b"BridgeTechnology",
        b"BridgeCreator",
        b"SwapUniqueid",
        b"FromBridgeUniqueid",
        b"ToBridgeUniqueid",
    ];
    let ([channel], [id, kind_of, technology, creator, swap, from, to]) = read(packet, [b""], names);
    let bridge = Bridge { id, kind: kind_of, technology, creator };
    match kind {
        Kind::BridgeMerge => Event::BridgeMerge { from, to },
        Kind::BridgeDestroy => Event::BridgeDestroy { bridge },
        Kind::BridgeLeave => Event::BridgeLeave { bridge, channel },
        _ => Event::BridgeEnter { bridge, channel, swap },
    }
}

/// `Bridge` with a state (1.6 to 11), `Link` (1.4), `Unlink` (1.4 to 1.8).
fn old_bridge<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let (one, two) = numbered(packet);
    let ([], [state]) = read(packet, [], [b"Bridgestate"]);
    if kind == Kind::Unlink || is(state, b"Unlink") {
        return Event::Unlink { one, two };
    }
    Event::Link { one, two }
}

fn local_bridge<'a>(packet: &Packet<'a>) -> Event<'a> {
    let ([one, two], []) = read(packet, [b"LocalOne", b"LocalTwo"], []);
    if one.name.is_empty() {
        let (one, two) = numbered(packet);
        return Event::LocalBridge { one, two };
    }
    Event::LocalBridge { one, two }
}

/// `Channel1`, `Uniqueid1`, `CallerID1` and the same with 2: all that old servers say of a pair.
fn numbered<'a>(packet: &Packet<'a>) -> (Channel<'a>, Channel<'a>) {
    let names: [&[u8]; 6] = [b"Channel1", b"Channel2", b"Uniqueid1", b"Uniqueid2", b"CallerID1", b"CallerID2"];
    let ([], [name1, name2, id1, id2, num1, num2]) = read(packet, [], names);
    (
        Channel { name: name1, unique_id: id1, caller_num: num1, ..Channel::default() },
        Channel { name: name2, unique_id: id2, caller_num: num2, ..Channel::default() },
    )
}

fn agent_called<'a>(packet: &Packet<'a>) -> Event<'a> {
    let names: [&[u8]; 3] = [b"Queue", b"ChannelCalling", b"DestinationChannel"];
    let ([mut dest, mut caller], [queue, calling, destination]) = read(packet, [b"Dest", b""], names);
    if caller.name.is_empty() {
        caller.name = calling;
    }
    if dest.name.is_empty() {
        dest.name = destination;
    }
    Event::AgentCalled { queue, caller, dest }
}

/// On old servers `Uniqueid` is the caller's and `Channel` the member's; `BridgedChannel` is, in spite of its name, the
/// member's UniqueId.
fn agent_connect<'a>(packet: &Packet<'a>) -> Event<'a> {
    let ([member, caller], [queue, bridged]) = read(packet, [b"Dest", b""], [b"Queue", b"BridgedChannel"]);
    if member.name.is_empty() {
        let member = Channel { name: caller.name, unique_id: bridged, ..Channel::default() };
        let caller = Channel { unique_id: caller.unique_id, ..Channel::default() };
        return Event::AgentConnect { queue, caller, member };
    }
    Event::AgentConnect { queue, caller, member }
}

fn queue<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let ([channel], [queue]) = read(packet, [b""], [b"Queue"]);
    match kind {
        Kind::QueueJoin => Event::QueueJoin { queue, channel },
        Kind::QueueLeave => Event::QueueLeave { queue, channel },
        _ => Event::QueueAbandon { queue, channel },
    }
}

/// Old servers give the parked channel without a prefix, the space as `Exten` and the other party's name as `From`.
fn parking<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let ([mut parkee, mut retriever, plain], [mut space, from]) =
        read(packet, [b"Parkee", b"Retriever", b""], [b"ParkingSpace", b"From"]);
    if parkee.name.is_empty() {
        parkee = Channel { exten: b"", ..plain };
        space = plain.exten;
        retriever.name = from;
    }
    if kind == Kind::Parked {
        return Event::Parked { parkee, space };
    }
    Event::Unparked { parkee, retriever, timed_out: kind == Kind::ParkedTimeOut }
}

/// Which of the variables that are read a `VarSet` sets. Looks at nothing else, because most set others.
fn variable(packet: &Packet<'_>) -> Option<Variable> {
    let name = packet.lines_beginning(b'V').find_map(|line| header_named(line, b"Variable"))?;
    // Leading underscores only say that children inherit it.
    let bare = name.iter().position(|&b| b != b'_').and_then(|at| name.get(at..))?;
    Some(match bare {
        b"MIXMONITOR_FILENAME" => Variable::MixMonitorFilename,
        b"MONITOR_FILENAME" => Variable::MonitorFilename,
        b"VM_MESSAGEFILE" => Variable::VmMessageFile,
        b"VMSTATUS" => Variable::VmStatus,
        b"DIALSTATUS" => Variable::DialStatus,
        b"DID" | b"FROM_DID" => Variable::Did,
        b"NODEST" => Variable::NoDest,
        b"RINGPOST_CALL" => Variable::RingpostCall,
        _ => return None,
    })
}

fn var_set<'a>(packet: &Packet<'a>, variable: Variable) -> Event<'a> {
    let ([channel], [value]) = read(packet, [b""], [b"Value"]);
    Event::VarSet { channel, variable, value }
}

fn listed<'a>(packet: &Packet<'a>) -> Event<'a> {
    let names: [&[u8]; 8] = [
        b"ActionID",
        b"Application",
        b"ApplicationData",
        b"Data",
        b"Duration",
        b"Seconds",
        b"BridgeId",
        b"BridgedUniqueID",
    ];
    let ([channel], [action_id, application, application_data, data, duration, seconds, bridge, bridged]) =
        read(packet, [b""], names);
    let duration_secs = clock_secs(duration).or_else(|| number(seconds)).unwrap_or(0);
    let data = if application_data.is_empty() { data } else { application_data };
    Event::Listed { action_id, channel, application, data, duration_secs, bridge, bridged }
}

fn peer<'a>(packet: &Packet<'a>, kind: Kind) -> Event<'a> {
    let names: [&[u8]; 11] = [
        b"ActionID",
        b"Channeltype",
        b"ObjectName",
        b"DAHDIChannel",
        b"Channel",
        b"Context",
        b"Signalling",
        b"Auths",
        b"OutboundAuths",
        b"Auth",
        b"OutboundAuth",
    ];
    let (
        [],
        [action_id, technology, name, dahdi, channel, context, signalling, auths, outbound_auths, auth, outbound_auth],
    ) = read(packet, [], names);
    let (technology, name, purpose): (&[u8], _, _) = match kind {
        Kind::EndpointList => (b"PJSIP", name, pjsip_purpose(auths, outbound_auths)),
        Kind::EndpointDetail => (b"PJSIP", name, pjsip_purpose(auth, outbound_auth)),
        Kind::DahdiChannel => (b"DAHDI", if dahdi.is_empty() { channel } else { dahdi }, dahdi_purpose(signalling)),
        _ => (technology, name, Purpose::Untold),
    };
    Event::Peer { action_id, technology, name, context, purpose }
}

/// An endpoint that logs in elsewhere and lets nobody log in here is a provider's. A telephone seldom has either.
fn pjsip_purpose(auths: &[u8], outbound_auths: &[u8]) -> Purpose {
    if auths.is_empty() && !outbound_auths.is_empty() { Purpose::Line } else { Purpose::Untold }
}

/// A port speaks the signalling of what hangs on it: `FXO …` to a telephone, `FXS …` to an exchange
/// (`chan_dahdi.conf`).
fn dahdi_purpose(signalling: &[u8]) -> Purpose {
    match signalling.get(..4) {
        Some(b"FXO ") => Purpose::Telephone,
        Some(b"FXS ") => Purpose::Line,
        _ => Purpose::Untold,
    }
}

/// Seconds of `HH:MM:SS`; hours may have any number of digits.
fn clock_secs(value: &[u8]) -> Option<u32> {
    let mut parts = core::str::from_utf8(value.trim_ascii()).ok()?.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let hours: u32 = hours.parse().ok()?;
    let (minutes, seconds): (u32, u32) = (minutes.parse().ok()?, seconds.parse().ok()?);
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_under_its_length() {
        for length in 0..64 {
            for (name, _) in candidates(length) {
                assert_eq!(name.len(), length, "{}", name.escape_ascii());
            }
        }
    }

    #[test]
    fn durations_of_lists() {
        assert_eq!(clock_secs(b"00:00:04"), Some(4));
        assert_eq!(clock_secs(b"100:02:03"), Some(360_123));
        assert_eq!(clock_secs(b"99999999:00:00"), None);
        assert_eq!(clock_secs(b"4"), None);
    }
}
