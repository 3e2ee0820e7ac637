//! Typing of events: every transcript against a naive reader, and the spellings of old and new servers.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod corpus;

use ringpost::ami::event::{Event, Message, Purpose, Response, Skip, Status, Variable};
use ringpost::ami::filters::Generation;
use ringpost::ami::frame::{Frame, Framer};
use ringpost::ami::typing::message;
use std::collections::BTreeMap;

/// Types every packet of `bytes`.
fn each(bytes: &[u8], mut take: impl FnMut(Message<'_>)) {
    let mut framer = Framer::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[framer.feed(rest)..];
        while let Some(frame) = framer.next() {
            if let Frame::Packet(packet) = frame {
                take(message(packet));
            }
        }
    }
}

/// Types one packet written with LF.
fn typed(text: &str, check: impl FnOnce(Message<'_>)) {
    let bytes = format!("b/1\r\n{}\r\n\r\n", text.replace('\n', "\r\n"));
    let mut framer = Framer::new();
    framer.feed(bytes.as_bytes());
    framer.next();
    match framer.next() {
        Some(Frame::Packet(packet)) => check(message(packet)),
        other => panic!("no packet: {other:?}"),
    }
}

fn event(text: &str, check: impl FnOnce(Event<'_>)) {
    typed(text, |message| match message {
        Message::Event(event) => check(event),
        other => panic!("no event: {other:?}"),
    });
}

/// The name under which a typed event is counted; several names of the wire may share one.
fn label(event: &Event<'_>) -> &'static str {
    match event {
        Event::NewChannel { .. } => "Newchannel",
        Event::NewState { .. } => "Newstate",
        Event::NewCallerId { .. } => "NewCallerid",
        Event::Hangup { .. } => "Hangup",
        Event::Rename { .. } => "Rename",
        Event::Masquerade { .. } => "Masquerade",
        Event::DialBegin { .. } => "DialBegin",
        Event::DialEnd { .. } => "DialEnd",
        Event::BridgeEnter { .. } => "BridgeEnter",
        Event::BridgeLeave { .. } => "BridgeLeave",
        Event::BridgeMerge { .. } => "BridgeMerge",
        Event::BridgeDestroy { .. } => "BridgeDestroy",
        Event::Link { .. } => "Link",
        Event::Unlink { .. } => "Unlink",
        Event::LocalBridge { .. } => "LocalBridge",
        Event::LocalOptimization { end: false, .. } => "LocalOptimizationBegin",
        Event::LocalOptimization { end: true, .. } => "LocalOptimizationEnd",
        Event::AgentCalled { .. } => "AgentCalled",
        Event::AgentConnect { .. } => "AgentConnect",
        Event::QueueJoin { .. } => "QueueCallerJoin",
        Event::QueueLeave { .. } => "QueueCallerLeave",
        Event::QueueAbandon { .. } => "QueueCallerAbandon",
        Event::RoomJoin { .. } => "RoomJoin",
        Event::RoomLeave { .. } => "RoomLeave",
        Event::Pickup { .. } => "Pickup",
        Event::BlindTransfer { .. } => "BlindTransfer",
        Event::AttendedTransfer { .. } => "AttendedTransfer",
        Event::Transfer { .. } => "Transfer",
        Event::Parked { .. } => "ParkedCall",
        Event::Unparked { timed_out: false, .. } => "UnParkedCall",
        Event::Unparked { timed_out: true, .. } => "ParkedCallTimeOut",
        Event::VarSet { .. } => "VarSet",
        Event::OriginateResponse { .. } => "OriginateResponse",
        Event::FullyBooted { .. } => "FullyBooted",
        Event::Shutdown { .. } => "Shutdown",
        Event::Listed { .. } => "Listed",
        Event::Peer { .. } => "Peer",
        Event::ListComplete { .. } => "ListComplete",
        other => panic!("a new event needs a label: {other:?}"),
    }
}

/// The same label, from the packet's text alone; none for what is not read.
fn expected_label(lines: &[Vec<u8>]) -> Option<String> {
    let text: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let value = |name: &str| text.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    let name = value("Event")?;
    let read = "Newchannel Newstate NewCallerid Hangup Rename Masquerade DialBegin DialEnd \
        BridgeEnter BridgeLeave BridgeMerge BridgeDestroy LocalBridge LocalOptimizationBegin LocalOptimizationEnd \
        AgentCalled AgentConnect QueueCallerJoin QueueCallerLeave QueueCallerAbandon Pickup BlindTransfer \
        AttendedTransfer Transfer ParkedCall UnParkedCall ParkedCallTimeOut OriginateResponse FullyBooted Shutdown";
    let variables =
        ["MIXMONITOR_FILENAME", "MONITOR_FILENAME", "VM_MESSAGEFILE", "VMSTATUS", "DIALSTATUS", "DID", "FROM_DID"];
    Some(match name.as_str() {
        name if read.split_whitespace().any(|known| known == name) => name.to_owned(),
        "Dial" => format!("Dial{}", value("SubEvent")?),
        "Bridge" => value("Bridgestate")?,
        "Link" | "Unlink" => name,
        "ConfbridgeJoin" | "MeetmeJoin" if value("BridgeUniqueid").is_none() => "RoomJoin".into(),
        "ConfbridgeLeave" | "MeetmeLeave" if value("BridgeUniqueid").is_none() => "RoomLeave".into(),
        "Join" => "QueueCallerJoin".into(),
        "Leave" => "QueueCallerLeave".into(),
        "VarSet" => variables.contains(&value("Variable")?.trim_start_matches('_')).then_some(name)?,
        "CoreShowChannel" | "Status" => "Listed".into(),
        "PeerEntry" | "EndpointList" | "EndpointDetail" => "Peer".into(),
        name if name.ends_with("Complete") && value("ActionID").is_some() => "ListComplete".into(),
        _ => return None,
    })
}

#[test]
fn every_transcript_types_as_a_naive_reader_counts() {
    let mut total = 0;
    for transcript in corpus::all() {
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for packet in corpus::naive_packets(&transcript.bytes) {
            if let Some(label) = expected_label(&packet) {
                *expected.entry(label).or_default() += 1;
                total += 1;
            }
        }
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        each(&transcript.bytes, |message| {
            if let Message::Event(event) = message {
                *found.entry(label(&event).to_owned()).or_default() += 1;
            }
        });
        assert_eq!(expected, found, "{}", transcript.name);
    }
    assert!(total > 4_000, "only {total} events");
}

#[test]
fn the_filters_let_pass_all_that_is_read_and_little_else() {
    for version in ["11.25.3", "16.28.0", "22.10.1"] {
        let generation = Generation::of(version, "", "");
        let (mut all, mut passed) = (0, 0);
        for transcript in corpus::all().iter().filter(|one| one.name.starts_with(version)) {
            for packet in corpus::naive_packets(&transcript.bytes) {
                let lines: Vec<_> = packet.iter().map(|line| String::from_utf8_lossy(line)).collect();
                let text = lines.join("\r\n");
                // Items of lists are answers: no filter touches them.
                if !text.starts_with("Event: ") || text.contains("ActionID: ") && !text.contains("OriginateResponse") {
                    continue;
                }
                all += text.len();
                passed += if corpus::passes(generation, &text) { text.len() } else { 0 };
                if let Some(label) = expected_label(&packet) {
                    assert!(
                        corpus::passes(generation, &text),
                        "{}: {label} is read but filtered out:\n{text}",
                        transcript.name
                    );
                }
            }
        }
        assert!(passed * 100 < all * 45, "{version}: {passed} of {all} bytes pass");
    }
}

#[test]
fn channel_events_of_every_transcript_name_their_channel() {
    for transcript in corpus::all() {
        let old = transcript.name.starts_with("11");
        each(&transcript.bytes, |message| {
            let Message::Event(
                Event::NewChannel { channel }
                | Event::NewState { channel }
                | Event::Hangup { channel, .. }
                | Event::VarSet { channel, .. }
                | Event::BridgeEnter { channel, .. }
                | Event::DialBegin { dest: channel, .. }
                | Event::Listed { channel, .. },
            ) = message
            else {
                return;
            };
            assert!(!channel.name.is_empty() && !channel.unique_id.is_empty(), "{}: {channel:?}", transcript.name);
            assert!(old || !channel.linked_id.is_empty(), "{}: {channel:?}", transcript.name);
        });
    }
}

#[test]
fn dials_of_old_and_new_servers_become_one_event() {
    let old = "Event: Dial\nPrivilege: call,all\nSubEvent: Begin\nChannel: SIP/trunk-62\nDestination: SIP/101-63\n\
        CallerIDNum: 79161234567\nCallerIDName: <unknown>\nConnectedLineNum: <unknown>\nUniqueID: 1.122\n\
        DestUniqueID: 1.123\nDialstring: 101";
    event(old, |event| {
        let Event::DialBegin { caller: Some(caller), dest, dial_string } = event else { panic!("{event:?}") };
        assert_eq!(
            (caller.name, caller.unique_id, caller.caller_num),
            (&b"SIP/trunk-62"[..], &b"1.122"[..], &b"79161234567"[..])
        );
        assert_eq!((dest.name, dest.unique_id, dial_string), (&b"SIP/101-63"[..], &b"1.123"[..], &b"101"[..]));
        assert_eq!((caller.caller_name, caller.connected_num), (&b""[..], &b""[..]));
    });
    event("Event: Dial\nSubEvent: End\nChannel: SIP/trunk-62\nUniqueID: 1.122\nDialStatus: BUSY", |event| {
        let Event::DialEnd { caller: Some(caller), dest: None, status, .. } = event else { panic!("{event:?}") };
        assert_eq!((caller.unique_id, status), (&b"1.122"[..], &b"BUSY"[..]));
    });
    event("Event: Dial\nSource: SIP/1-a\nDestination: SIP/2-b\nSrcUniqueID: 1.1\nDestUniqueID: 1.2", |event| {
        let Event::DialBegin { caller: Some(caller), dest, .. } = event else { panic!("{event:?}") };
        assert_eq!((caller.name, caller.unique_id, dest.unique_id), (&b"SIP/1-a"[..], &b"1.1"[..], &b"1.2"[..]));
    });
    let new = "Event: DialBegin\nDestChannel: PJSIP/101-1\nDestChannelState: 0\nDestUniqueid: 2.2\nDestLinkedid: 2.1\n\
        DestExten: s\nDialString: 101";
    event(new, |event| {
        let Event::DialBegin { caller: None, dest, dial_string } = event else { panic!("{event:?}") };
        assert_eq!(
            (dest.state, dest.linked_id, dest.exten, dial_string),
            (Some(0), &b"2.1"[..], &b""[..], &b"101"[..])
        );
    });
}

#[test]
fn talk_of_old_servers_in_its_three_spellings() {
    let pair = "Channel1: SIP/a-1\nChannel2: SIP/b-2\nUniqueid1: 1.1\nUniqueid2: 1.2\nCallerID1: 7916\nCallerID2: 101";
    for head in ["Event: Link", "Event: Bridge\nBridgestate: Link"] {
        event(&format!("{head}\n{pair}"), |event| {
            let Event::Link { one, two } = event else { panic!("{event:?}") };
            assert_eq!((one.unique_id, two.unique_id, one.caller_num), (&b"1.1"[..], &b"1.2"[..], &b"7916"[..]));
        });
    }
    for head in ["Event: Unlink", "Event: Bridge\nBridgestate: Unlink"] {
        event(&format!("{head}\n{pair}"), |event| assert!(matches!(event, Event::Unlink { .. }), "{event:?}"));
    }
}

#[test]
fn header_names_differ_in_case_and_the_first_of_equals_wins() {
    event("event:Hangup\nCHANNEL:SIP/1-1\nUniqueID: 1.1\nuniqueid: 9.9\nCause: 17\nCause: 16", |event| {
        let Event::Hangup { channel, cause } = event else { panic!("{event:?}") };
        assert_eq!((channel.name, channel.unique_id, cause), (&b"SIP/1-1"[..], &b"1.1"[..], 17));
    });
    event("Event: Newchannel\nChannel: SIP/1-1\nState: Ring\nUniqueid: 1.1", |event| {
        let Event::NewChannel { channel } = event else { panic!("{event:?}") };
        assert_eq!(channel.state, Some(4), "1.4 names the state");
    });
    event("Event: Newchannel\nCallerIDNum:\nCallerIDNum: 1\nUniqueid: 1.1", |event| {
        let Event::NewChannel { channel } = event else { panic!("{event:?}") };
        assert_eq!(channel.caller_num, b"", "an empty first header is still the first");
    });
}

#[test]
fn only_variables_that_are_read_pass() {
    let set = |name: &str| format!("Event: VarSet\nChannel: SIP/1-1\nVariable: {name}\nValue: x\nUniqueid: 1.1");
    for (name, expected) in [
        ("MIXMONITOR_FILENAME", Variable::MixMonitorFilename),
        ("DIALSTATUS", Variable::DialStatus),
        ("__FROM_DID", Variable::Did),
        ("_RINGPOST_CALL", Variable::RingpostCall),
    ] {
        event(&set(name), |event| {
            assert!(matches!(event, Event::VarSet { variable, value: b"x", .. } if variable == expected), "{event:?}");
        });
    }
    for name in ["SIPURI", "DIALSTATUSX", "", "dialstatus"] {
        typed(&set(name), |message| assert_eq!(message, Message::Skipped(Skip::Variable)));
    }
}

#[test]
fn old_queue_members_are_told_from_their_callers() {
    let connect = "Event: AgentConnect\nQueue: 701\nUniqueid: 1.41\nChannel: Local/102@x-4;1\nMember: Local/102@x/n\n\
        HoldTime: 7\nBridgedChannel: 1.45";
    event(connect, |event| {
        let Event::AgentConnect { queue, caller, member } = event else { panic!("{event:?}") };
        assert_eq!((queue, caller.unique_id, caller.name), (&b"701"[..], &b"1.41"[..], &b""[..]));
        assert_eq!((member.name, member.unique_id), (&b"Local/102@x-4;1"[..], &b"1.45"[..]));
    });
    let called = "Event: AgentCalled\nQueue: 701\nAgentCalled: Local/101@x/n\nChannelCalling: SIP/trunk-23\n\
        DestinationChannel: Local/101@x-3;1\nCallerIDNum: 7916\nUniqueid: 1.41";
    event(called, |event| {
        let Event::AgentCalled { caller, dest, .. } = event else { panic!("{event:?}") };
        assert_eq!(
            (caller.name, caller.unique_id, dest.name),
            (&b"SIP/trunk-23"[..], &b"1.41"[..], &b"Local/101@x-3;1"[..])
        );
    });
}

#[test]
fn parking_on_old_servers_has_no_prefixes() {
    event("Event: UnParkedCall\nExten: 801\nChannel: SIP/trunk-56\nFrom: SIP/102-58\nUniqueid: 1.106", |event| {
        let Event::Unparked { parkee, retriever, timed_out: false } = event else { panic!("{event:?}") };
        assert_eq!((parkee.name, parkee.unique_id, parkee.exten), (&b"SIP/trunk-56"[..], &b"1.106"[..], &b""[..]));
        assert_eq!(retriever.name, b"SIP/102-58");
    });
    event("Event: ParkedCall\nExten: 801\nChannel: SIP/trunk-56\nUniqueid: 1.106", |event| {
        assert!(matches!(event, Event::Parked { space: b"801", .. }), "{event:?}");
    });
}

#[test]
fn list_items_of_old_and_new_servers() {
    let old = "Event: CoreShowChannel\nActionID: s2\nChannel: SIP/trunk-62\nUniqueID: 1.122\nExtension: 74951110001\n\
        ChannelState: 6\nApplication: Dial\nApplicationData: SIP/101,25\nCallerIDnum: 7916\nDuration: 01:00:04\n\
        BridgedChannel: SIP/101-63\nBridgedUniqueID: 1.123";
    event(old, |event| {
        let Event::Listed { action_id, channel, application, data, duration_secs, bridge, bridged } = event else {
            panic!("{event:?}")
        };
        assert_eq!((action_id, application, data), (&b"s2"[..], &b"Dial"[..], &b"SIP/101,25"[..]));
        assert_eq!((channel.exten, channel.caller_num, channel.state), (&b"74951110001"[..], &b"7916"[..], Some(6)));
        assert_eq!((duration_secs, bridge, bridged), (3604, &b""[..], &b"1.123"[..]));
    });
    let status = "Event: Status\nChannel: SIP/102-65\nAccount: acc103\nState: Ringing\nUniqueid: 1.9\nActionID: s3";
    event(status, |event| {
        let Event::Listed { channel, .. } = event else { panic!("{event:?}") };
        assert_eq!((channel.state, channel.account), (Some(5), &b"acc103"[..]));
    });
    event("ActionID: l1\nEvent: PeerEntry\nChanneltype: IAX2\nObjectName: trunk", |event| {
        let purpose = Purpose::Untold;
        assert_eq!(event, Event::Peer { action_id: b"l1", technology: b"IAX2", name: b"trunk", context: b"", purpose });
    });
    for (signalling, purpose) in [
        ("FXO Kewlstart", Purpose::Telephone),
        ("FXS Kewlstart", Purpose::Line),
        ("ISDN PRI", Purpose::Untold),
        ("", Purpose::Untold),
    ] {
        let text =
            format!("Event: DAHDIShowChannels\nDAHDIChannel: 3\nSignalling: {signalling}\nContext: c\nActionID: l2");
        event(&text, |event| {
            let expected = Event::Peer { action_id: b"l2", technology: b"DAHDI", name: b"3", context: b"c", purpose };
            assert_eq!(event, expected, "{signalling}");
        });
    }
    for (auths, outbound, purpose) in [
        ("", "", Purpose::Untold),
        ("101-iauth", "", Purpose::Untold),
        ("101-iauth", "101-oauth", Purpose::Untold),
        ("", "mtt-oauth", Purpose::Line),
    ] {
        let text =
            format!("Event: EndpointList\nObjectName: x\nAuths: {auths}\nOutboundAuths: {outbound}\nActionID: l3");
        event(&text, |event| {
            let expected = Event::Peer { action_id: b"l3", technology: b"PJSIP", name: b"x", context: b"", purpose };
            assert_eq!(event, expected, "{auths}, {outbound}");
        });
    }
    event("Event: StatusComplete\nActionID: s3\nItems: 4", |event| {
        assert_eq!(event, Event::ListComplete { action_id: b"s3" });
    });
    typed("Event: AgentComplete\nQueue: 700", |message| assert_eq!(message, Message::Skipped(Skip::Event)));
}

#[test]
fn responses_are_told_from_events_that_hold_one() {
    typed("Response: Error\nActionID: p9\nMessage: Permission denied", |message| {
        let Message::Response(Response { status, action_id, message, .. }) = message else { panic!("{message:?}") };
        assert_eq!((status, action_id, message), (Status::Error, &b"p9"[..], &b"Permission denied"[..]));
    });
    let text = "Event: OriginateResponse\nActionID: c\nResponse: Failure\nChannel: SIP/101\nExten: 8916\nReason: 3\n\
        Uniqueid: <null>";
    event(text, |event| {
        let expected = Event::OriginateResponse {
            action_id: b"c",
            success: false,
            reason: 3,
            unique_id: b"",
            channel: b"SIP/101",
            exten: b"8916",
        };
        assert_eq!(event, expected);
    });
    typed("no colon\n: x\nFoo: bar", |message| assert_eq!(message, Message::Skipped(Skip::Shapeless)));
}

#[test]
fn garbage_is_typed_without_a_crash() {
    let words: [&[u8]; 14] = [
        b"Event: ",
        b"Hangup",
        b"VarSet",
        b"Dial",
        b"\r\n",
        b"\n",
        b": ",
        b"Channel",
        b"Dest",
        b"Variable: DIALSTATUS\n",
        b"Response: ",
        b"\xff\0",
        b"AttendedTransfer",
        b"Duration: 9999999999:9:9\n",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    let mut count = 0;
    for _ in 0..2000 {
        let mut text = b"b/1\n".to_vec();
        (0..random.usize(1..80)).for_each(|_| text.extend_from_slice(words[random.usize(..words.len())]));
        text.extend_from_slice(b"\n\n");
        each(&text, |_| count += 1);
    }
    assert!(count > 1000);
}
