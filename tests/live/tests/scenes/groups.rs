//! Several telephones for one call, and several calls for one telephone.

use super::*;
use live::did;
use live::told::Call;

/// Two telephones ring for the client, the second answers; 2 s of talk.
fn the_second_answers(
    office: &Office,
    line: &str,
    phones: [&str; 2],
    wanted: impl FnOnce(Call) -> Call,
) -> live::office::Verdict {
    let caller = office.caller();
    for phone in phones {
        office.plan_for(&caller, phone, Plan::manual())?;
    }
    let client = office.inbound(&caller, line)?;
    let other = office.ringing(phones[0], caller.number(), SOON)?;
    let (_desk, rang, since) = answers(office, caller.number(), phones[1])?;
    let lost = other.await_end(secs(5.0))?.at - other.since;
    thread::sleep(secs(2.0));
    let end = client.hang_up()?.at;
    let extensions = phones.map(|phone| phone.split(['_', 'b']).next().unwrap_or(phone));
    let call = Call::inbound(&caller, line).talked(extensions[1], end - since);
    let call = if extensions[0] == extensions[1] {
        call.rang(extensions[0], rang)
    } else {
        call.rang(extensions[0], lost).rang(extensions[1], rang)
    };
    office.tells(&[wanted(call)])
}

live::office! {
    fn group_of_local_channels(office) {
        the_second_answers(office, did::GROUP_600, ["101", "102"], |call| call.queue("600"))?;
        // By now the family of the PBX is known: the exchange dials as FreePBX does.
        let status = office.agent.status().ok_or("the agent reports")?;
        assert_eq!((&status["pbx"]["profile"], &status["pbx"]["picked"]), (&"freepbx".into(), &true.into()), "{status}");
        assert!(office.agent.log().contains("this looks like a FreePBX"), "{}", office.agent.log());
        Ok(())
    }
}

live::office! {
    fn group_whose_losers_are_answered_elsewhere(office) {
        let pbx = office.pbx()?;
        the_second_answers(office, did::RING_GROUP, ["101", "104"], |call| call.rang_some_time(&["102"]).recordings(1))?;
        let loser = office.version().device("101");
        let elsewhere = |packet: &Packet| {
            packet.is("Hangup") && packet.field("Channel").starts_with(&loser) && packet.field("Cause") == "26"
        };
        pbx.await_packet("the loser's channel ends by cause 26", 0, secs(1.0), elsewhere)?;
        Ok(())
    }
}

live::office! {
    fn two_peers_of_one_extension(office) {
        the_second_answers(office, did::TWO_PEERS, ["121", "121_1"], |call| call)
    }
}

live::office! {
    pjsip fn two_contacts_of_one_peer(office) {
        the_second_answers(office, did::TWO_CONTACTS, ["122", "122b"], |call| call)
    }
}

live::office! {
    fn follow_me_to_the_mobile(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, did::FORWARD_MOBILE, Plan::manual())?;
        let client = office.inbound(&caller, did::FOLLOW_ME)?;
        let desk = office.ringing("101", caller.number(), SOON)?;
        let (_mobile, _, since) = answers(office, caller.number(), did::FORWARD_MOBILE)?;
        let rang = desk.await_end(secs(5.0))?.at - desk.since;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::FOLLOW_ME)
            .rang("101", rang).talked(did::FORWARD_MOBILE, end - since)])
    }
}

live::office! {
    fn call_waiting_on_a_second_line(office) {
        let (first, second) = (office.caller(), office.caller());
        let line = did::direct("101");
        let talk = Talk::begin(office, &first, &line, "101")?;
        let waiting = Talk::begin(office, &second, &line, "101")?;
        thread::sleep(secs(1.0));
        let second_end = waiting.client.hang_up()?.at;
        thread::sleep(secs(1.0));
        let first_end = talk.client.hang_up()?.at;
        office.tells(&[
            Call::inbound(&first, &line).rang("101", talk.rang).talked("101", first_end - talk.since),
            Call::inbound(&second, &line).rang("101", waiting.rang).talked("101", second_end - waiting.since),
        ])
    }
}
