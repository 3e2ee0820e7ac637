//! Taking a call that rings elsewhere, and leaving one for others to take.

use std::time::Instant;

use super::*;
use live::did;
use live::told::Call;

/// 111 rings for the client, 112 dials `code` and has him; 2 s of talk.
fn picked_up(office: &Office, code: &str) -> live::office::Verdict {
    let caller = office.caller();
    let line = did::direct("111");
    office.plan_for(&caller, "111", Plan::manual())?;
    let client = office.inbound(&caller, &line)?;
    let desk = office.ringing("111", caller.number(), SOON)?;
    thread::sleep(secs(1.0));
    let colleague = office.dial("112", code)?;
    let since = colleague.await_answer(secs(5.0))?;
    let rang = desk.await_end(secs(5.0))?.at - desk.since;
    thread::sleep(secs(2.0));
    let end = client.hang_up()?.at;
    office.tells(&[Call::inbound(&caller, &line).rang("111", rang).talked("112", end - since)])
}

live::office! {
    fn pickup_directed(office) {
        picked_up(office, "*75111")
    }
}

live::office! {
    fn pickup_of_the_group(office) {
        picked_up(office, "*8")
    }
}

/// 111 talks with the client and parks him: when he was parked, and where.
fn parked(office: &Office, talk: &Talk<'_>, caller: &Caller) -> Result<(Instant, String), Trouble> {
    let pbx = office.pbx()?;
    talk.desk.press("##,800")?;
    let parked = pbx.await_packet("the client parked", 0, SOON, |packet| {
        packet.is("ParkedCall") && packet.field("ParkeeCallerIDNum") == caller.number()
    })?;
    Ok((parked.at, parked.field("ParkingSpace").to_owned()))
}

live::office! {
    fn parked_and_fetched(office) {
        let caller = office.caller();
        let line = did::direct("111");
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let (left, space) = parked(office, &talk, &caller)?;
        talk.desk.hang_up()?;
        thread::sleep(secs(1.0));
        let colleague = office.dial("112", &space)?;
        let since = colleague.await_answer(secs(5.0))?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "800")
            .rang("111", talk.rang).talked("111", left - talk.since).talked("112", end - since)])
    }
}

live::office! {
    fn parked_too_long(office) {
        let caller = office.caller();
        let line = did::direct("111");
        office.plan("111", Plan::manual())?;
        let talk = Talk::begin(office, &caller, &line, "111")?;
        thread::sleep(secs(1.0));
        let (left, _) = parked(office, &talk, &caller)?;
        talk.desk.hang_up()?;
        // The lot gives him back after 12 s.
        let again = live::wait_until("111 rings again", secs(20.0), || office.ringing_by_anybody("111", secs(0.0)).ok())?;
        thread::sleep(secs(1.0));
        let since = again.answer()?;
        thread::sleep(secs(2.0));
        let end = talk.client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).blind("111", "800")
            .rang("111", talk.rang + (since - again.since)).talked("111", (left - talk.since) + (end - since))])
    }
}
