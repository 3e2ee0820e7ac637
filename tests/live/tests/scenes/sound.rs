//! What happens to the sound: hold, re-INVITE, Local channels that go, rooms.

use super::*;
use live::did;
use live::told::Call;

live::office! {
    fn on_hold(office) {
        let caller = office.caller();
        let line = did::direct("101");
        let pbx = office.pbx()?;
        let talk = Talk::begin(office, &caller, &line, "101")?;
        thread::sleep(secs(1.0));
        talk.desk.hold(2)?;
        for event in ["Hold", "MusicOnHoldStart", "Unhold"] {
            pbx.await_packet(event, 0, secs(6.0), |packet| packet.is(event))?;
        }
        thread::sleep(secs(1.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).rang("101", talk.rang).talked("101", end - talk.since)])
    }
}

live::office! {
    fn past_the_pbx(office) {
        let caller = office.caller();
        let talk = Talk::begin(office, &caller, did::DIRECT_MEDIA, "118")?;
        thread::sleep(secs(3.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::DIRECT_MEDIA).rang("118", talk.rang).talked("118", end - talk.since)])
    }
}

live::office! {
    fn a_local_channel_goes_after_the_answer(office) {
        let caller = office.caller();
        let pbx = office.pbx()?;
        let talk = Talk::begin(office, &caller, did::OPTIMISED, "101")?;
        pbx.await_packet("the Local channel goes", 0, secs(5.0), |packet| {
            packet.is("Hangup") && packet.field("Channel").starts_with("Local/101@from-internal")
        })?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::OPTIMISED).rang("101", talk.rang).talked("101", end - talk.since)])
    }
}

live::office! {
    fn a_conference_of_three(office) {
        let caller = office.caller();
        let line = did::direct("101");
        let pbx = office.pbx()?;
        let talk = Talk::begin(office, &caller, &line, "101")?;
        let client = office.channel_of(caller.number())?;
        thread::sleep(secs(1.0));
        let colleague = office.dial("102", "900")?;
        bridged(&pbx, 0, &office.version().device("102"))?;
        let place = pbx.now();
        talk.desk.transfer("900")?;
        let left = talk.desk.await_end(secs(10.0))?.at;
        let joined = bridged(&pbx, place, &office.version().device("trunk"))?.at;
        thread::sleep(secs(1.0));
        let back = office.dial("101", "900")?;
        let third = back.await_answer(secs(5.0))?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        // Talks last who is there when the exchange lets the client go, which a busy one does later than it says.
        pbx.await_packet("the client goes", place, secs(5.0), |packet| {
            packet.is("Hangup") && packet.field("Channel") == client.as_str()
        })?;
        drop(colleague);
        drop(back);
        office.tells(&[Call::inbound(&caller, &line).blind("101", "900")
            .rang("101", talk.rang)
            .talked("101", (left - talk.since) + (end - third)).talked("102", end - joined)
            .together((left - talk.since) + (end - joined)).last("101")])
    }
}

live::office! {
    fn a_call_made_a_conference_by_another_program(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let pbx = office.pbx()?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        let (client, desk) = (office.channel_of(caller.number())?, office.channel_of("111")?);
        thread::sleep(secs(1.0));
        let place = pbx.now();
        // Both legs at once, the called one without a dialplan of its own.
        pbx.act("Redirect", &[
            ("Channel", client.as_str()), ("Context", "from-internal"), ("Exten", "900"), ("Priority", "1"),
            ("ExtraChannel", desk.as_str()), ("ExtraContext", "from-internal"), ("ExtraExten", "900"), ("ExtraPriority", "1"),
        ])?;
        for peer in ["trunk", "111"] {
            bridged(&pbx, place, &office.version().device(peer))?;
        }
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        talk.desk.hang_up()?;
        office.tells(&[Call::inbound(&caller, &line).rang("111", talk.rang).talked("111", end - talk.since)])
    }
}
