//! Transfers, pickups, parking and Local channels at moments that no capture shows, told by both generations of
//! servers.
#![allow(clippy::indexing_slicing, clippy::expect_used)] // a test may panic

mod stage;

use ringpost::ami::event::{Bridge, Channel, Event};
use ringpost::call::record::{Direction, Disposition};
use ringpost::limits::RESYNC_EVERY;
use stage::{BRIDGE, ONE, Stage, TRUNK, TWO, ch, leg, near, old};

const OTHER: Bridge<'static> = Bridge { id: b"b-2", ..BRIDGE };
const LOT: Bridge<'static> = Bridge { id: b"lot", kind: b"parking", ..BRIDGE };
/// The second line of 101, on which it asks a colleague.
const ASKING: (&str, &str, &str) = ("PJSIP/101-7", "2.1", "2.1");
const ASKED: (&str, &str, &str) = ("PJSIP/102-8", "2.2", "2.1");

fn asking(state: u8) -> Channel<'static> {
    Channel { exten: b"102", ..leg(ASKING, state) }
}

impl Stage {
    /// 101 talks with the client for five seconds and rings 102 on its second line.
    fn ask(&mut self) {
        self.ring();
        self.answer();
        self.wait(5000);
        self.made(asking(4));
        self.dials(asking(4), leg(ASKED, 0));
        self.wait(2000);
    }

    /// The three renames of a swap, of which `told` are heard; with its own event or without.
    fn swap(&mut self, clone: (&'static str, &'static str), original: (&'static str, &'static str), masquerade: bool) {
        let (between, zombie) = (format!("{}<MASQ>", clone.0), format!("{}<ZOMBIE>", original.0));
        if masquerade {
            self.say(Event::Masquerade { clone: clone.0.as_bytes(), original: original.0.as_bytes() });
        }
        for (name, id, new_name) in
            [(clone.0, clone.1, &*between), (original.0, original.1, clone.0), (&*between, clone.1, &*zombie)]
        {
            let channel = Channel { name: name.as_bytes(), unique_id: id.as_bytes(), ..Channel::default() };
            self.say(Event::Rename { channel, new_name: new_name.as_bytes() });
        }
    }
}

fn told(record: &ringpost::call::record::CallRecord) -> Vec<(&str, u32)> {
    record.talks.iter().map(|talk| (&*talk.extension, talk.talk_ms)).collect()
}

// ---- transfers ------------------------------------------------------------------------------------------------------

#[test]
fn the_asking_telephone_hangs_up_before_the_asked_one_answers() {
    // The client takes the place of the line that asks, while 102 still rings: the servers swap the channels.
    for is_new in [true, false] {
        let mut stage = Stage::new();
        stage.ask();
        stage.swap((TRUNK.0, TRUNK.1), (ASKING.0, ASKING.1), !is_new);
        stage.leaves(leg(ONE, 6));
        stage.gone(leg(ONE, 6), 16);
        let zombie = Channel { name: b"PJSIP/101-7<ZOMBIE>", ..leg(TRUNK, 6) };
        stage.gone(zombie, 16);
        stage.wait(3000);
        let (moved, asked) = (Channel { name: TRUNK.0.as_bytes(), ..leg(ASKING, 6) }, leg(ASKED, 6));
        stage.say(Event::NewState { channel: asked });
        for channel in [asked, moved] {
            stage.say(Event::BridgeEnter { bridge: OTHER, channel, swap: b"" });
        }
        stage.wait(4000);
        stage.gone(moved, 16);
        stage.gone(asked, 16);
        let record = stage.only_record();
        assert_eq!((record.direction, &*record.client), (Direction::Inbound, "79161234567"));
        assert_eq!(told(&record), [("101", 7000), ("102", 4000)]);
    }
}

#[test]
fn a_consultation_that_comes_to_nothing_is_no_part_of_the_clients_call() {
    let mut stage = Stage::new();
    stage.ask();
    stage.gone(asking(4), 16);
    stage.say(Event::DialEnd { caller: Some(asking(4)), dest: Some(leg(ASKED, 5)), status: b"CANCEL", forward: b"" });
    stage.gone(leg(ASKED, 5), 0);
    stage.wait(3000);
    stage.hang_up();
    assert_eq!((stage.records.len(), stage.joined), (2, 0));
    let (asked, client) = (&stage.records[0], &stage.records[1]);
    assert_eq!((asked.direction, asked.talk_ms, &*asked.client), (Direction::Internal, 0, "102"));
    assert_eq!(told(client), [("101", 10_000)]);
    assert!(client.transfers.is_empty() && !client.rang.iter().any(|rang| rang.extension == "102"));
}

#[test]
fn the_transferring_telephone_is_gone_before_the_target_rings() {
    for status in [b"NOANSWER" as &[u8], b"BUSY"] {
        let mut stage = Stage::new();
        stage.ring();
        stage.answer();
        stage.wait(5000);
        stage.leaves(leg(TRUNK, 6));
        stage.leaves(leg(ONE, 6));
        stage.gone(leg(ONE, 6), 16);
        stage.say(Event::BlindTransfer {
            transferer: leg(ONE, 6),
            transferee: leg(TRUNK, 6),
            exten: b"102",
            context: b"from-internal",
        });
        stage.wait(1000);
        stage.dials(leg(TRUNK, 6), leg(TWO, 0));
        stage.wait(8000);
        stage.gone(leg(TWO, 5), 0);
        stage.say(Event::DialEnd { caller: Some(leg(TRUNK, 6)), dest: Some(leg(TWO, 5)), status, forward: b"" });
        // Nobody is there: the client gives up.
        stage.gone(leg(TRUNK, 6), 16);
        let record = stage.only_record();
        assert_eq!((record.disposition, record.talked_last.as_deref()), (Disposition::Answered, Some("101")));
        assert_eq!(told(&record), [("101", 5000)]);
        assert_eq!((&*record.transfers[0].to, record.transfers[0].attended), ("102", false));
    }
}

// ---- pickup ---------------------------------------------------------------------------------------------------------

const TAKING: (&str, &str, &str) = ("PJSIP/102-9", "2.1", "2.1");

#[test]
fn a_pickup_and_the_answer_of_the_telephone_itself_in_one_moment() {
    for picked_up in [true, false] {
        let mut stage = Stage::new();
        stage.ring();
        stage.made(Channel { exten: b"*8", ..leg(TAKING, 4) });
        stage.say(Event::NewState { channel: leg(ONE, 6) });
        stage.say(Event::NewState { channel: leg(TAKING, 6) });
        if picked_up {
            stage.say(Event::Pickup { channel: leg(TAKING, 6), target: leg(ONE, 6) });
            stage.gone(leg(ONE, 6), 26);
            stage.dial_ends(leg(TAKING, 6), b"ANSWER");
            stage.enters(leg(TAKING, 6));
            stage.enters(leg(TRUNK, 6));
        } else {
            stage.answer();
            stage.gone(leg(TAKING, 6), 16);
        }
        stage.wait(3000);
        stage.gone(leg(if picked_up { TAKING } else { ONE }, 6), 16);
        stage.gone(leg(TRUNK, 6), 16);
        let clients: Vec<_> = stage.records.iter().filter(|record| record.direction == Direction::Inbound).collect();
        assert_eq!(clients.len(), 1, "{:#?}", stage.records);
        assert_eq!(told(clients[0]), [(if picked_up { "102" } else { "101" }, 3000)]);
        assert_eq!((stage.tracker.calls(), stage.tracker.indexed()), (0, 0));
    }
}

#[test]
fn a_swap_is_known_by_whatever_of_it_is_told() {
    // Told: the swap's own event, the first of its renames, all of them; twice.
    for (masquerade, renames, rounds) in [(true, true, 1), (true, true, 2), (false, true, 1), (true, false, 1)] {
        let mut stage = Stage::new();
        let (trunk, ringing, taking) = (old(TRUNK, 4), old(ONE, 0), old(TAKING, 4));
        stage.made(trunk);
        stage.dials(trunk, ringing);
        stage.wait(2000);
        stage.made(Channel { exten: b"*8", ..taking });
        for _ in 0..rounds {
            if renames {
                stage.swap((TAKING.0, TAKING.1), (ONE.0, ONE.1), masquerade);
            } else {
                stage.say(Event::Masquerade { clone: TAKING.0.as_bytes(), original: ONE.0.as_bytes() });
            }
        }
        stage.gone(Channel { name: b"PJSIP/101-2<ZOMBIE>", ..old(TAKING, 6) }, 26);
        let taken = Channel { name: TAKING.0.as_bytes(), ..old(ONE, 6) };
        stage.say(Event::Link { one: trunk, two: taken });
        stage.wait(3000);
        stage.say(Event::Unlink { one: trunk, two: taken });
        stage.gone(taken, 16);
        stage.gone(trunk, 16);
        let record = stage.only_record();
        assert_eq!(told(&record), [("102", 3000)], "{masquerade} {renames} {rounds}");
        assert_eq!(&*record.rang[0].extension, "101");
    }
}

// ---- parking --------------------------------------------------------------------------------------------------------

impl Stage {
    /// 101 has answered and parks the client.
    fn park(&mut self) {
        self.ring();
        self.answer();
        self.wait(5000);
        self.leaves(leg(TRUNK, 6));
        self.say(Event::BridgeEnter { bridge: LOT, channel: leg(TRUNK, 6), swap: b"" });
        self.say(Event::Parked { parkee: leg(TRUNK, 6), space: b"801" });
        self.leaves(leg(ONE, 6));
        self.gone(leg(ONE, 6), 16);
        self.wait(10_000);
    }
}

#[test]
fn the_lot_gives_a_client_back_while_somebody_dials_for_him() {
    let mut stage = Stage::new();
    stage.park();
    stage.made(Channel { exten: b"801", ..leg(TAKING, 4) });
    let nobody = Channel::default();
    stage.say(Event::Unparked { parkee: leg(TRUNK, 6), retriever: nobody, timed_out: true });
    stage.say(Event::BridgeLeave { bridge: LOT, channel: leg(TRUNK, 6) });
    let back = ch("PJSIP/101-a", "1.4", "1.1", 0);
    stage.dials(leg(TRUNK, 6), back);
    // 102 hears that nobody is parked there.
    stage.gone(leg(TAKING, 6), 16);
    stage.wait(2000);
    for channel in [Channel { state: Some(6), ..back }, leg(TRUNK, 6)] {
        stage.say(Event::BridgeEnter { bridge: OTHER, channel, swap: b"" });
    }
    stage.wait(4000);
    stage.gone(back, 16);
    stage.gone(leg(TRUNK, 6), 16);
    let (vain, client) = (&stage.records[0], &stage.records[1]);
    assert_eq!((vain.direction, vain.talk_ms, &*vain.caller), (Direction::Internal, 0, "102"));
    assert_eq!((told(client), client.transfers.len()), (vec![("101", 9000)], 0));
    assert_eq!((stage.records.len(), stage.tracker.calls()), (2, 0));
}

#[test]
fn a_list_does_not_end_the_talk_with_who_took_the_client_from_the_lot() {
    let mut stage = Stage::new();
    stage.park();
    stage.made(Channel { exten: b"801", ..leg(TAKING, 4) });
    stage.say(Event::Unparked { parkee: leg(TRUNK, 6), retriever: leg(TAKING, 6), timed_out: false });
    stage.say(Event::BridgeLeave { bridge: LOT, channel: leg(TRUNK, 6) });
    for of in [TRUNK, TAKING] {
        stage.say(Event::BridgeEnter { bridge: OTHER, channel: leg(of, 6), swap: b"" });
    }
    stage.wait(RESYNC_EVERY.as_millis() as u64);
    // What they run is still that of the lot.
    stage.lists(&[(leg(TRUNK, 6), "Park", 60, "b-2"), (leg(TAKING, 6), "ParkedCall", 45, "b-2")], true);
    stage.wait(15_000);
    stage.gone(leg(TAKING, 6), 16);
    stage.gone(leg(TRUNK, 6), 16);
    let record = stage.only_record();
    assert_eq!(told(&record), [("101", 5000), ("102", 60_000)]);
    assert!(record.gaps.is_exact());
}

// ---- Local channels and LinkedIds -----------------------------------------------------------------------------------

#[test]
fn an_old_server_takes_a_local_pair_out_by_a_swap() {
    for answered_before in [true, false] {
        let mut stage = Stage::new();
        let (first, second) = (("Local/101@x-1;1", "1.5"), ("Local/101@x-1;2", "1.6"));
        let half = |of: (&'static str, &'static str), state| Channel { linked_id: b"", ..ch(of.0, of.1, "", state) };
        let (trunk, phone) = (old(TRUNK, 4), old(ONE, 0));
        for channel in [trunk, half(first, 0), half(second, 4)] {
            stage.made(channel);
        }
        stage.say(Event::LocalBridge { one: half(first, 0), two: half(second, 4) });
        stage.say(Event::DialBegin { caller: Some(trunk), dest: half(first, 0), dial_string: b"" });
        stage.dials(half(second, 4), phone);
        stage.wait(2000);
        stage.say(Event::Link { one: half(second, 6), two: phone });
        if answered_before {
            stage.say(Event::Link { one: trunk, two: half(first, 6) });
            stage.wait(1000);
        }
        stage.swap((ONE.0, ONE.1), first, true);
        let (moved, left) = ((ONE.0, first.1), ("Local/101@x-1;1<ZOMBIE>", ONE.1));
        stage.say(Event::Unlink { one: half(second, 6), two: half(left, 6) });
        stage.gone(half(left, 6), 16);
        stage.gone(half(second, 6), 16);
        if !answered_before {
            stage.say(Event::Link { one: trunk, two: half(moved, 6) });
            stage.wait(1000);
        }
        stage.wait(3000);
        stage.say(Event::Unlink { one: trunk, two: half(moved, 6) });
        stage.gone(half(moved, 6), 16);
        stage.gone(trunk, 16);
        let record = stage.only_record();
        assert_eq!((told(&record), &*record.client), (vec![("101", 4000)], "79161234567"), "{answered_before}");
        assert_eq!(record.rang.len(), 1);
    }
}

#[test]
fn calls_whose_linked_ids_become_one_are_one() {
    // Nothing else ties them: the news is in an event of no account.
    let mut stage = Stage::new();
    stage.ring();
    stage.made(Channel { exten: b"*8", ..leg(TAKING, 4) });
    stage.say(Event::NewState { channel: Channel { linked_id: b"1.1", ..leg(TAKING, 6) } });
    stage.gone(leg(ONE, 5), 26);
    let taking = Channel { linked_id: b"1.1", ..leg(TAKING, 6) };
    stage.enters(taking);
    stage.enters(leg(TRUNK, 6));
    stage.wait(3000);
    stage.gone(taking, 16);
    stage.gone(leg(TRUNK, 6), 16);
    let record = stage.only_record();
    assert_eq!((told(&record), near(record.talk_ms, 3.0)), (vec![("102", 3000)], true));
}
