//! The client is given to somebody else: one call, whoever talks.

use std::time::Instant;

use super::*;
use live::did;
use live::told::Call;

live::office! {
    fn blind_answered(office) {
        let caller = office.caller();
        let line = did::direct("111");
        office.plan_for(&caller, "112", Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(2.0));
        talk.desk.transfer("112")?;
        let left = talk.desk.await_end(secs(10.0))?.at;
        let (_desk, rang, since) = answers(office, caller.number(), "112")?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "112")
            .rang("111", talk.rang).rang("112", rang).talked("111", left - talk.since).talked("112", end - since)])
    }
}

live::office! {
    fn blind_unanswered(office) {
        let caller = office.caller();
        let line = did::direct("111");
        office.plan_for(&caller, "112", Plan::no_answer_after(secs(2.0)))?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(2.0));
        talk.desk.transfer("112")?;
        let left = talk.desk.await_end(secs(10.0))?.at;
        talk.client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "112")
            .rang("111", talk.rang).rang("112", secs(2.0)).talked("111", left - talk.since)])
    }
}

live::office! {
    fn blind_returned(office) {
        let caller = office.caller();
        let line = did::direct("111");
        office.plan_for(&caller, "112", Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(2.0));
        talk.desk.transfer("5112")?;
        let left = talk.desk.await_end(secs(10.0))?.at;
        let asked = office.ringing("112", caller.number(), SOON)?;
        let asked_rang = asked.await_end(secs(10.0))?.at - asked.since;
        let (_desk, rang, since) = answers(office, caller.number(), "111")?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "5112")
            .rang("111", talk.rang + rang).rang("112", asked_rang)
            .talked("111", (left - talk.since) + (end - since))])
    }
}

/// A consultation by the code `*2`: the employee leaves the client for the colleague, and gives him away by hanging up.
struct Asked<'a> {
    /// When the employee left the client.
    left: Instant,
    /// The colleague's telephone.
    colleague: Ringing<'a>,
    /// How long it rang.
    rang: Duration,
}

impl<'a> Asked<'a> {
    /// `from` asks `to` for a second of talk.
    fn begin(office: &'a Office, desk: &Ringing<'_>, from: &str, to: &str) -> Result<Self, Trouble> {
        let pbx = office.pbx()?;
        office.plan_inside(from, to, Plan::manual())?;
        desk.press(&format!("*2,{to}"))?;
        let (colleague, rang, _) = answers(office, from, to)?;
        let device = office.version().device(from);
        let left = pbx.await_packet(&format!("{from} leaves the client"), 0, secs(5.0), |packet| {
            packet.is("BridgeLeave") && packet.field("Channel").starts_with(&device)
        })?;
        // Who hangs up in the moment of the answer can crash an Asterisk 16.
        thread::sleep(secs(1.0));
        Ok(Asked { left: left.at, colleague, rang })
    }
}

live::office! {
    fn attended_completed(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let asked = Asked::begin(office, &talk.desk, "111", "112")?;
        let given = talk.desk.hang_up()?.at;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).attended("111", "112")
            .rang("111", talk.rang).rang("112", asked.rang)
            .talked("111", asked.left - talk.since).talked("112", end - given)])
    }
}

live::office! {
    fn attended_given_away_while_it_rings(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let pbx = office.pbx()?;
        office.plan("112", Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        talk.desk.press("*2,112")?;
        let colleague = office.ringing_by_anybody("112", SOON)?;
        let device = office.version().device("111");
        let left = pbx.await_packet("111 leaves the client", 0, secs(5.0), |packet| {
            packet.is("BridgeLeave") && packet.field("Channel").starts_with(&device)
        })?;
        thread::sleep(secs(1.0));
        talk.desk.hang_up()?;
        thread::sleep(secs(1.0));
        let since = colleague.answer()?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).attended("111", "112")
            .rang("111", talk.rang).rang("112", since - colleague.since)
            .talked("111", left.at - talk.since).talked("112", end - since)])
    }
}

live::office! {
    fn attended_cancelled(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let pbx = office.pbx()?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let asked = Asked::begin(office, &talk.desk, "111", "112")?;
        let place = pbx.now();
        asked.colleague.hang_up()?;
        let back = bridged(&pbx, place, &office.version().device("111"))?.at;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line)
            .rang("111", talk.rang).rang("112", asked.rang)
            .talked("111", (asked.left - talk.since) + (end - back))])
    }
}

live::office! {
    fn attended_into_a_queue(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let pbx = office.pbx()?;
        for member in ["101", "102"] {
            office.plan(member, Plan::manual())?;
        }
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        talk.desk.press("*2,700")?;
        let other = office.ringing("101", "111", SOON)?;
        let device = office.version().device("111");
        let left = pbx.await_packet("111 leaves the client", 0, secs(5.0), |packet| {
            packet.is("BridgeLeave") && packet.field("Channel").starts_with(&device)
        })?;
        thread::sleep(secs(1.0));
        talk.desk.hang_up()?;
        let (_desk, rang, since) = answers(office, "111", "102")?;
        let other_rang = since - other.since;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).queue("700").attended("111", "700")
            .rang("111", talk.rang).rang("101", other_rang).rang("102", rang)
            .talked("111", left.at - talk.since).talked("102", end - since)])
    }
}

live::office! {
    fn attended_between_three(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let first = Asked::begin(office, &talk.desk, "111", "112")?;
        let to_second = talk.desk.hang_up()?.at;
        thread::sleep(secs(2.0));
        let second = Asked::begin(office, &first.colleague, "112", "113")?;
        let to_third = first.colleague.hang_up()?.at;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).attended("111", "112").attended("112", "113")
            .rang("111", talk.rang).rang("112", first.rang).rang("113", second.rang)
            .talked("111", first.left - talk.since)
            .talked("112", second.left - to_second)
            .talked("113", end - to_third)])
    }
}

live::office! {
    fn blind_to_an_outside_number(office) {
        let (caller, mobile) = (office.caller(), office.caller());
        let line = did::direct("111");
        office.plan(mobile.number(), Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        talk.desk.transfer(mobile.number())?;
        let left = talk.desk.await_end(secs(10.0))?.at;
        let (_mobile, _, since) = answers(office, caller.number(), mobile.number())?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", mobile.number()).recordings(1)
            .rang("111", talk.rang).talked("111", left - talk.since).talked(mobile.number(), end - since)])
    }
}

live::office! {
    fn attended_to_an_outside_number(office) {
        let (caller, mobile) = (office.caller(), office.caller());
        let line = did::direct("111");
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let asked = Asked::begin(office, &talk.desk, "111", mobile.number())?;
        let given = talk.desk.hang_up()?.at;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).attended("111", mobile.number()).recordings(1)
            .rang("111", talk.rang)
            .talked("111", asked.left - talk.since).talked(mobile.number(), end - given)])
    }
}

live::office! {
    fn an_outbound_client_for_a_colleague(office) {
        let mobile = office.caller();
        office.plan(mobile.number(), Plan::manual())?;
        office.plan("112", Plan::manual())?;
        let desk = office.dial("111", mobile.number())?;
        let (client, _, since) = answers(office, "111", mobile.number())?;
        desk.await_answer(secs(5.0))?;
        thread::sleep(secs(1.0));
        desk.press("##,112")?;
        let left = desk.await_end(secs(10.0))?.at;
        let colleague = office.ringing_by_anybody("112", SOON)?;
        thread::sleep(secs(1.0));
        let answered = colleague.answer()?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::outbound("111", mobile.number()).blind("111", "112").recordings(1)
            .rang("112", answered - colleague.since)
            .talked("111", left - since).talked("112", end - answered)])
    }
}

live::office! {
    fn moved_by_another_program(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let pbx = office.pbx()?;
        office.plan_for(&caller, "112", Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        let channel = office.channel_of(caller.number())?;
        thread::sleep(secs(2.0));
        pbx.act("Redirect", &[("Channel", channel.as_str()), ("Context", "from-internal"), ("Exten", "112"), ("Priority", "1")])?;
        let left = talk.desk.await_end(secs(5.0))?.at;
        let (_desk, rang, since) = answers(office, caller.number(), "112")?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "112")
            .rang("111", talk.rang).rang("112", rang).talked("111", left - talk.since).talked("112", end - since)])
    }
}
