use super::*;

/// Says that channels were made: technology and peer with a suffix, context, LinkedId.
fn heard(family: &mut Family, channels: &[(&str, &str)], linked: &str) -> Option<Pick> {
    let mut picked = None;
    for (name, context) in channels {
        let channel = Channel {
            name: name.as_bytes(),
            context: context.as_bytes(),
            linked_id: linked.as_bytes(),
            ..Channel::default()
        };
        picked = picked.or(family.hear(&Event::NewChannel { channel }, Monotonic::from_millis(5)));
    }
    picked
}

fn name_of(channels: &[(&str, &str)], linked: &str) -> Option<&'static str> {
    heard(&mut Family::new(), channels, linked).map(|pick| pick.profile().name)
}

#[test]
fn places_of_the_marks_that_are_named() {
    let named = |bits: u32| {
        let named = MARKS.iter().enumerate().filter(|(place, _)| bits & (1 << place) != 0);
        named.map(|(_, mark)| mark.words).collect::<Vec<_>>()
    };
    let outside = ["from-trunk…, from-pstn…", "from-trunk-TECH-NAME", "from-did-direct…", "from-sip-external"];
    assert_eq!(named(OUTSIDE), outside);
    assert_eq!((named(S_TRUNK), named(OPENVOX_CARD)), (vec!["trunk-NAME-endpoint"], vec!["extra/…"]));
}

#[test]
fn each_family_by_its_own_words() {
    for (wanted, channels) in [
        ("yeastar-s", &[("PJSIP/1000-0000001f", "DLPN_DialPlan1000")] as &[(&str, &str)]),
        ("yeastar-s", &[("PJSIP/trunk-siptrunk-endpoint-00000002", "DID_trunk_1"), ("PJSIP/1-1", "DLPN_DialPlan1")]),
        ("yeastar-s", &[("YSGSM/11-1", "DID_trunk_11")]),
        ("grandstream-ucm", &[("PJSIP/trunk_1-00000001", "ext-did-1")]),
        (
            "grandstream-ucm",
            &[
                ("PJSIP/1000-00000001", "from-internal"),
                ("SIP/trunk_2-2", "from-internal"),
                ("SIP/1-1", "ivr-from-internal"),
            ],
        ),
        ("vitalpbx", &[("PJSIP/T2_103_1-0000000a", "T2_cos-all")]),
        ("vitalpbx", &[("PJSIP/103-0000000a", "cos-all"), ("PJSIP/mtt-1", "trk-3-in")]),
        (
            "freepbx",
            &[
                ("PJSIP/mtt-1", "from-pstn"),
                ("Local/101@from-queue-00000006;1", "from-internal"),
                ("SIP/1-1", "from-internal"),
            ],
        ),
        ("freepbx", &[("PJSIP/mtt-1", "from-trunk-pjsip-mtt"), ("SIP/mtt-2", "ext-group")]),
        (
            "openvox",
            &[("extra/1-1", "from-trunk"), ("SIP/101-00000001", "from-internal"), ("Local/101@from-queue-6;2", "")],
        ),
    ] {
        assert_eq!(name_of(channels, "1.1"), Some(wanted), "{channels:?}");
    }
    // Old servers have no LinkedIds.
    assert_eq!(name_of(&[("SIP/269-00000001", "DLPN_DialPlan269")], ""), Some("yeastar-mypbx"));
    assert_eq!(name_of(&[("YSGSM/11-1", "DID_trunk_11")], ""), Some("yeastar-mypbx"));
}

#[test]
fn the_banner_goes_before_what_an_event_lacks() {
    let mut family = Family::new();
    family.hear_version(b"2.8.0");
    assert_eq!(heard(&mut family, &[("SIP/269-1", "DLPN_DialPlan269")], "").unwrap().profile().name, "yeastar-s");
    let mut family = Family::new();
    family.hear_version(b"1.1");
    assert_eq!(heard(&mut family, &[("SIP/269-1", "DLPN_DialPlan269")], "").unwrap().profile().name, "yeastar-mypbx");
    family.hear_version(b"");
    assert_eq!(family.guess().unwrap().profile().name, "yeastar-mypbx");
}

#[test]
fn plain_asterisk_is_nobody() {
    let plain = [
        ("PJSIP/trunk-1", "from-trunk"),
        ("PJSIP/101-2", "from-internal"),
        ("Local/102@from-internal-3;1", "from-internal"),
        ("SIP/mtt-4", "incoming-mtt"),
        ("DAHDI/i1/74951234567-3", "default"),
        ("PJSIP/trunk_1-2", "from-trunk"),
    ];
    assert_eq!(name_of(&plain, "1.1"), None);
    let mut family = Family::new();
    for _ in 0..FAMILY_CHANNELS {
        assert_eq!(heard(&mut family, &plain[..1], "1.1"), None);
    }
    assert!(!family.is_open(), "it hears no more");
}

#[test]
fn one_word_never_decides_against_others() {
    // A FreePBX with a trunk that its owner called trunk_1, and with an inbound route's own context.
    let freepbx = [
        ("PJSIP/trunk_1-1", "from-pstn"),
        ("PJSIP/101-2", "from-internal"),
        ("PJSIP/trunk_1-1", "ext-did-0001"),
        ("PJSIP/trunk_1-1", "outbound-allroutes"),
    ];
    let mut family = Family::new();
    assert_eq!(heard(&mut family, &freepbx, "1.1"), None);
    assert_eq!(heard(&mut family, &[("PJSIP/trunk_1-1", "macro-dial-one")], "1.1"), None, "two families are near");
    let picked = heard(&mut family, &[("PJSIP/trunk_1-1", "ext-queues")], "1.1").unwrap();
    assert_eq!(picked.profile().name, "freepbx");
    // A UCM whose first calls are inside, with all that it has of FreePBX.
    let inside = [
        ("PJSIP/1000-1", "from-internal"),
        ("PJSIP/1000-1", "macro-dial"),
        ("PJSIP/1000-1", "ext-group"),
        ("PJSIP/1000-1", "ext-queues"),
        ("PJSIP/1000-1", "macro-dialout-trunk"),
    ];
    let mut family = Family::new();
    assert_eq!(heard(&mut family, &inside, "1.1"), None);
    assert_eq!(
        heard(&mut family, &[("PJSIP/trunk_1-2", "ext-did-1")], "1.1").unwrap().profile().name,
        "grandstream-ucm"
    );
    // Two families' words of equal weight are nobody's.
    assert_eq!(name_of(&[("PJSIP/T2_103-1", "T2_cos-all"), ("SIP/1-1", "default")][1..], "1.1"), None);
    let mut family = Family::new();
    family.hear_peer(b"PJSIP", b"T2_103", b"T2_cos-all");
    family.hear_peer(b"PJSIP", b"trunk_1", b"ext-did-1");
    assert_eq!(family.guess(), None);
}

#[test]
fn fewer_words_are_enough_after_a_while() {
    let words = [("PJSIP/trunk-mtt-endpoint-1", "DID_trunk_1")];
    let hear = |family: &mut Family, millis: u64| {
        let channel = Channel { name: words[0].0.as_bytes(), context: words[0].1.as_bytes(), ..Channel::default() };
        let channel = Channel { linked_id: b"1.1", ..channel };
        family.hear(&Event::NewChannel { channel }, Monotonic::from_millis(millis))
    };
    let late = u64::try_from(FAMILY_TIME.as_millis()).unwrap();
    let mut family = Family::new();
    for _ in 1..FAMILY_FEW_CHANNELS {
        assert_eq!(hear(&mut family, 1), None, "many channels in no time");
    }
    assert_eq!(hear(&mut family, late), None);
    assert_eq!(hear(&mut family, late + 1).unwrap().profile().name, "yeastar-s");
    assert!(!family.is_open());
    let mut family = Family::new();
    assert_eq!((hear(&mut family, 1), hear(&mut family, late + 1)), (None, None), "two channels in a long time");
}

#[test]
fn the_dialplan_is_heard_in_other_events_too() {
    let mut family = Family::new();
    let at = Monotonic::from_millis(5);
    assert_eq!(heard(&mut family, &[("SIP/mtt-1", "from-trunk"), ("SIP/101-2", "from-internal")], ""), None);
    let channel = Channel { name: b"SIP/mtt-1", context: b"macro-dial-one", linked_id: b"1.1", ..Channel::default() };
    let dial = Event::DialBegin { caller: Some(channel), dest: Channel::default(), dial_string: b"" };
    let picked = family.hear(&dial, at).unwrap();
    assert_eq!(
        picked.to_string(),
        "this looks like a FreePBX or Issabel (from-internal…, from-trunk…, from-pstn…, macro-dial-one, \
         macro-dialout-trunk): profile freepbx is used; write profile = \"freepbx\" (or \"issabel\") into [pbx] to fix it"
    );
}

#[test]
fn the_line_says_what_it_looks_like_and_why() {
    let channels = [("PJSIP/trunk-a-endpoint-1", "DID_trunk_1"), ("PJSIP/1000-2", "DLPN_DialPlan1000")];
    let picked = heard(&mut Family::new(), &channels, "1.1").unwrap();
    assert_eq!(
        picked.to_string(),
        "this looks like a Yeastar S (DLPN_…, trunk-NAME-endpoint, DID_…): profile yeastar-s is used; \
         write profile = \"yeastar-s\" into [pbx] to fix it"
    );
    assert!(picked.fits(profile::named("yeastar-p").unwrap()) && !picked.fits(profile::AUTO));
}

#[test]
fn a_peer_decides_nothing_by_itself() {
    let mut family = Family::new();
    family.hear_peer(b"PJSIP", b"T2_103", b"T2_cos-all");
    assert!(family.is_open());
    assert_eq!(family.guess().unwrap().profile().name, "vitalpbx");
    assert_eq!(heard(&mut family, &[("PJSIP/ivan-1", "default")], "1.1").unwrap().profile().name, "vitalpbx");
}
