//! Calls as an office makes them, from the SIP packet to the portal: what does it hold at the end?
//!
//! The agent knows host, user and secret of the PBX and nothing else of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use live::office::{DELIVERY, Verdict, files};
use live::{Caller, Office, Plan, Version, did, secs};
use portal::{FinishedCall, HiddenBy};

/// What a call may cost the flash, its delivery and recording included, in bytes.
const FLASH_PER_CALL: u64 = 512;

/// Extensions 101–109 are the employees 11–19.
fn user(extension: u64) -> u64 {
    extension - 90
}

/// What a finished call must be.
struct Wanted<'a> {
    kind: i64,
    phone: &'a str,
    line: &'a str,
    user: u64,
    status: &'a str,
    talk: Duration,
}

impl Wanted<'_> {
    fn assert(&self, call: &FinishedCall) {
        let at = &call.registered;
        assert_eq!(
            (at.kind, at.phone.as_str(), at.line.as_str(), call.user, call.status_code.as_str()),
            (self.kind, self.phone, self.line, self.user, self.status),
            "{call:#?}"
        );
        let off = call.duration as f64 - self.talk.as_secs_f64();
        let allowed = if self.talk.is_zero() { 0.0 } else { 1.0 };
        assert!(off.abs() <= allowed, "talked {:?}, told {} s", self.talk, call.duration);
        assert!(!at.internal);
    }
}

/// An inbound call that nobody took.
fn assert_missed(call: &FinishedCall, caller: &Caller, line: &str, user: u64) {
    Wanted { kind: 2, phone: caller.number(), line, user, status: "304", talk: Duration::ZERO }.assert(call);
    assert!(call.missed());
    assert_eq!(call.recording, None, "a call without talk has no recording");
}

/// Who had the card of `call` and what took it away, by user.
fn cards(office: &Office, call: &FinishedCall) -> Vec<(u64, Option<HiddenBy>)> {
    let mut cards: Vec<_> =
        office.portal.look(|state| state.cards_of(call.call_id()).map(|card| (card.user, card.hidden_by)).collect());
    cards.sort_by_key(|(user, _)| *user);
    cards
}

live::office! {
    fn an_inbound_call_answered_by_101(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::RECORDED)?;
        let phone = office.ringing("101", caller.number(), secs(10.0))?;
        let shown = office.await_cards(caller.number(), &[user(101)])?;
        thread::sleep(secs(1.0));
        let answered = phone.answer()?;
        assert!(shown.iter().all(|card| card.shown < answered), "shown while it rang");
        thread::sleep(secs(4.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        Wanted { kind: 2, phone: caller.number(), line: did::RECORDED, user: user(101), status: "200", talk }
            .assert(&finished);
        assert_eq!(finished.failed_reason, "", "an ordinary call");
        assert_eq!(cards(office, &finished), [(user(101), Some(HiddenBy::Finish))]);
        office.assert_recorded(&finished, caller.number())?;
        assert_eq!(office.portal.look(|state| state.activities().len()), 1);
        Ok(())
    }
}

live::office! {
    fn a_ring_group_of_which_104_answers(office) {
        let caller = office.caller();
        for phone in ["101", "102", "104"] {
            office.plan_for(&caller, phone, Plan::manual())?;
        }
        let call = office.inbound(&caller, did::RING_GROUP)?;
        let phone = office.ringing("104", caller.number(), secs(10.0))?;
        office.await_cards(caller.number(), &[user(101), user(102), user(104)])?;
        let answered = phone.answer()?;
        let left = office.await_cards(caller.number(), &[user(104)])?;
        assert_eq!(left.first().map(|card| card.times_shown), Some(1));
        thread::sleep(secs(2.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        Wanted { kind: 2, phone: caller.number(), line: did::RING_GROUP, user: user(104), status: "200", talk }
            .assert(&finished);
        assert_eq!(
            cards(office, &finished),
            [
                (user(101), Some(HiddenBy::Hide)),
                (user(102), Some(HiddenBy::Hide)),
                (user(104), Some(HiddenBy::Finish))
            ]
        );
        office.assert_recorded(&finished, caller.number())?;
        Ok(())
    }
}

live::office! {
    fn an_inbound_call_that_nobody_answers(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::FIVE_SECONDS)?;
        office.await_cards(caller.number(), &[user(101)])?;
        call.await_end(secs(15.0))?;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        assert_missed(&finished, &caller, did::FIVE_SECONDS, user(101));
        assert!(cards(office, &finished).iter().all(|(_, hidden)| hidden.is_some()), "a card was left open");
        Ok(())
    }
}

live::office! {
    fn a_caller_who_gives_up(office) {
        let caller = office.caller();
        for phone in ["101", "102", "104"] {
            office.plan_for(&caller, phone, Plan::manual())?;
        }
        let call = office.inbound(&caller, did::RING_GROUP)?;
        office.await_cards(caller.number(), &[user(101), user(102), user(104)])?;
        call.hang_up()?;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        assert_missed(&finished, &caller, did::RING_GROUP, user(101));
        assert!(cards(office, &finished).iter().all(|(_, hidden)| hidden.is_some()), "a card was left open");
        Ok(())
    }
}

live::office! {
    fn a_group_that_is_all_busy(office) {
        let caller = office.caller();
        for phone in ["101", "102", "104"] {
            office.plan_for(&caller, phone, Plan::busy_after(secs(0.0)))?;
        }
        let call = office.inbound(&caller, did::RING_GROUP_BRIEF)?;
        assert_eq!(call.await_end(secs(15.0))?.cause, 17);
        let finished = office.only_call(caller.number(), DELIVERY)?;
        assert_missed(&finished, &caller, did::RING_GROUP_BRIEF, finished.user);
        Ok(())
    }
}

live::office! {
    fn a_menu_that_answers_and_then_101(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::GREETING)?;
        let by_menu = call.await_answer(secs(10.0))?;
        let phone = office.ringing("101", caller.number(), secs(20.0))?;
        office.await_cards(caller.number(), &[user(101)])?;
        let answered = phone.answer()?;
        assert!(answered - by_menu > secs(2.0), "the menu must have cost time that counts for nothing");
        thread::sleep(secs(2.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        Wanted { kind: 2, phone: caller.number(), line: did::GREETING, user: user(101), status: "200", talk }
            .assert(&finished);
        office.assert_recorded(&finished, caller.number())?;
        Ok(())
    }
}

live::office! {
    fn a_menu_in_which_a_key_leads_to_102(office) {
        let caller = office.caller();
        office.plan_for(&caller, "102", Plan::manual())?;
        let call = office.inbound(&caller, did::MENU)?;
        call.await_answer(secs(10.0))?;
        call.press("2")?;
        let phone = office.ringing("102", caller.number(), secs(15.0))?;
        office.await_cards(caller.number(), &[user(102)])?;
        let answered = phone.answer()?;
        thread::sleep(secs(2.0));
        let talk = phone.hang_up()?.at - answered;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        Wanted { kind: 2, phone: caller.number(), line: did::MENU, user: user(102), status: "200", talk }
            .assert(&finished);
        Ok(())
    }
}

live::office! {
    fn a_caller_who_hears_the_menu_only(office) {
        let caller = office.caller();
        let call = office.inbound(&caller, did::GREETING_ONLY)?;
        call.await_answer(secs(10.0))?;
        thread::sleep(secs(2.0));
        call.hang_up()?;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        // Nobody's phone rang: the default user has it.
        assert_missed(&finished, &caller, did::GREETING_ONLY, 1);
        assert_eq!(cards(office, &finished), [], "nobody was called");
        Ok(())
    }
}

live::office! {
    fn an_outbound_call_that_is_answered(office) {
        let mobile = office.caller();
        office.plan(mobile.number(), Plan::manual())?;
        let call = office.dial("101", mobile.number())?;
        let far = office.mobile_ringing(mobile.number(), secs(10.0))?;
        office.await_cards(mobile.number(), &[user(101)])?;
        let answered = far.answer()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(mobile.number(), DELIVERY)?;
        Wanted { kind: 1, phone: mobile.number(), line: "trunk", user: user(101), status: "200", talk }
            .assert(&finished);
        office.assert_recorded(&finished, mobile.number())?;
        Ok(())
    }
}

/// An outbound call of 101 that the mobile ends by itself.
fn assert_outbound(office: &Office, plan: Plan, status: &str) -> live::office::Verdict {
    let mobile = office.caller();
    office.plan(mobile.number(), plan)?;
    let call = office.dial("101", mobile.number())?;
    call.await_end(secs(20.0))?;
    let finished = office.only_call(mobile.number(), DELIVERY)?;
    Wanted { kind: 1, phone: mobile.number(), line: "trunk", user: user(101), status, talk: Duration::ZERO }
        .assert(&finished);
    assert_eq!(finished.recording, None);
    Ok(())
}

live::office! {
    fn an_outbound_call_to_a_busy_mobile(office) {
        assert_outbound(office, Plan::busy_after(secs(0.5)), "486")
    }
}

live::office! {
    fn an_outbound_call_that_is_not_answered(office) {
        assert_outbound(office, Plan::no_answer_after(secs(2.0)), "480")
    }
}

live::office! {
    fn an_outbound_call_that_is_rejected(office) {
        assert_outbound(office, Plan::reject_after(secs(1.0)), "603")
    }
}

live::office! {
    fn an_outbound_call_that_101_gives_up(office) {
        let mobile = office.caller();
        office.plan(mobile.number(), Plan::manual())?;
        let call = office.dial("101", mobile.number())?;
        office.mobile_ringing(mobile.number(), secs(10.0))?;
        call.hang_up()?;
        let finished = office.only_call(mobile.number(), DELIVERY)?;
        Wanted {
            kind: 1, phone: mobile.number(), line: "trunk", user: user(101), status: "603-S", talk: Duration::ZERO,
        }
        .assert(&finished);
        Ok(())
    }
}

live::office! {
    fn colleagues_among_themselves(office) {
        office.plan_inside("101", "102", Plan::manual())?;
        let call = office.dial("101", "102")?;
        office.ringing("102", "101", secs(10.0))?.answer()?;
        call.await_answer(secs(5.0))?;
        thread::sleep(secs(1.0));
        call.hang_up()?;
        // It is over for the agent: in its list, and not for the portal.
        let told = live::wait_until("the call in the agent's list", DELIVERY, || office.agent.calls().ok()?.pop())?;
        assert_eq!(told["direction"], "internal", "{told}");
        office.settled(DELIVERY)?;
        assert_eq!(office.portal.calls(), []);
        assert_eq!(office.portal.live_calls(), []);
        assert_eq!(office.portal.requests_of("telephony.externalcall.register").len(), 0);
        Ok(())
    }
}

live::office! {
    fn two_calls_of_one_client_at_the_same_time(office) {
        let caller = office.caller();
        for phone in ["101", "102"] {
            office.plan_for(&caller, phone, Plan::manual())?;
        }
        let first = office.inbound(&caller, did::RECORDED)?;
        let second = office.inbound(&caller, did::SECOND_LINE)?;
        let one = office.ringing("101", caller.number(), secs(10.0))?;
        let two = office.ringing("102", caller.number(), secs(10.0))?;
        let (one_answered, two_answered) = (one.answer()?, two.answer()?);
        thread::sleep(secs(2.0));
        let one_talk = first.hang_up()?.at - one_answered;
        thread::sleep(secs(3.0));
        let two_talk = second.hang_up()?.at - two_answered;
        let both = |state: &portal::State| (state.calls().len() == 2).then_some(());
        office.portal.wait_for(DELIVERY, both).ok_or("two calls at the portal")?;
        let calls = office.settled(DELIVERY)?;
        assert_eq!(calls.len(), 2, "{calls:#?}");
        for (line, extension, talk) in [(did::RECORDED, 101, one_talk), (did::SECOND_LINE, 102, two_talk)] {
            let call = calls.iter().find(|call| call.registered.line == line).ok_or("a call on each line")?;
            Wanted { kind: 2, phone: caller.number(), line, user: user(extension), status: "200", talk }.assert(call);
            assert_eq!(call.registered.registrations, 1);
            office.recording(call, DELIVERY)?;
        }
        assert_eq!(office.portal.look(|state| state.activities().len()), 2);
        Ok(())
    }
}

live::office! {
    fn a_caller_without_a_number(office) {
        let caller = Caller::hidden();
        let line = did::direct("108");
        office.plan_for(&caller, "108", Plan::manual())?;
        let call = office.inbound(&caller, &line)?;
        let phone = office.ringing("108", "anonymous", secs(10.0))?;
        office.await_cards("000", &[user(108)])?;
        let answered = phone.answer()?;
        thread::sleep(secs(2.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call("000", DELIVERY)?;
        Wanted { kind: 2, phone: "000", line: &line, user: user(108), status: "200", talk }.assert(&finished);
        Ok(())
    }
}

live::office! {
    fn the_card_is_up_while_the_phone_still_wants_its_second_ring(office) {
        let caller = office.caller();
        let line = did::direct("103");
        office.plan_for(&caller, "103", Plan::manual())?;
        let pbx = office.pbx()?;
        let call = office.inbound(&caller, &line)?;
        let device = office.version().device("103");
        let ringing = pbx.await_packet("103 rings", 0, secs(10.0), |packet| {
            packet.is("Newstate") && packet.field("Channel").starts_with(&device) && packet.field("ChannelState") == "5"
        })?;
        let card = office.await_cards(caller.number(), &[user(103)])?.pop().ok_or("a card")?;
        let late = card.shown.saturating_duration_since(ringing.at);
        assert!(late < secs(1.0), "{late:?} after the phone rang");
        let began = Instant::now();
        call.hang_up()?;
        office.only_call(caller.number(), DELIVERY)?;
        assert!(began.elapsed() < DELIVERY);
        Ok(())
    }
}

/// What the flash was given so far: bytes, syncs and the time of the last write.
fn flash(office: &Office) -> Result<(u64, u64, std::time::SystemTime), Box<dyn std::error::Error>> {
    let status = office.agent.status().ok_or("no status")?;
    let number = |key: &str| status["journal"][key].as_u64().ok_or(format!("no {key}: {status}"));
    Ok((number("written_bytes")?, number("syncs")?, fs::metadata(office.agent.journal())?.modified()?))
}

live::office! {
    pjsip fn a_call_in_progress_costs_no_flash(office) {
        let before = flash(office)?;
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::RECORDED)?;
        let phone = office.ringing("101", caller.number(), secs(10.0))?;
        office.await_cards(caller.number(), &[user(101)])?;
        let answered = phone.answer()?;
        thread::sleep(secs(10.0));
        let status = office.agent.status().ok_or("no status")?;
        assert_eq!((&status["live_calls"], &status["mirror"]), (&1.into(), &true.into()), "{status}");
        assert_eq!(flash(office)?, before, "the call in progress was written to flash");
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(caller.number(), DELIVERY)?;
        Wanted { kind: 2, phone: caller.number(), line: did::RECORDED, user: user(101), status: "200", talk }
            .assert(&finished);
        office.assert_recorded(&finished, caller.number())?;
        // What the portal has had follows without a sync of its own, when half a minute brought no other call.
        let kept = flash(office)?;
        assert_eq!(kept.1, before.1 + 1, "one sync for the call");
        let written = |status: &serde_json::Value| status["journal"]["written_bytes"].as_u64() > Some(kept.0);
        office.agent.await_status("the delivery is noted", secs(60.0), written)?;
        let noted = flash(office)?;
        assert_eq!(noted.1, before.1 + 1, "a sync for the delivery");
        assert!(noted.0 - before.0 <= FLASH_PER_CALL, "{} bytes", noted.0 - before.0);
        Ok(())
    }
}

/// Copies a file as a slow mount brings it: a bit every half second for eight.
fn bring_slowly(from: &Path, to: &Path, while_it_comes: impl Fn()) -> Result<(), std::io::Error> {
    let bytes = fs::read(from)?;
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = File::create(to)?;
    for part in bytes.chunks(bytes.len().div_ceil(16)) {
        while_it_comes();
        file.write_all(part)?;
        thread::sleep(secs(0.5));
    }
    Ok(())
}

fn a_recording_that_still_grows(version: Version) -> Verdict {
    let share = |agent: &live::Agent| agent.dir().join("share");
    let mislead = |_: &live::Exchange, agent: &mut live::Agent| {
        let dir = share(agent);
        fs::create_dir_all(&dir)?;
        Ok(agent.reconfigure(|settings| settings.recordings = dir)?)
    };
    Office::play_misled(version, mislead, |office| {
        office.agent.start_live()?;
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let call = office.inbound(&caller, did::RECORDED)?;
        let phone = office.ringing("101", caller.number(), secs(10.0))?;
        phone.answer()?;
        thread::sleep(secs(3.0));
        call.hang_up()?;
        let finished = office.call_of(caller.number(), DELIVERY)?;
        let made = files(&office.recordings(), caller.number());
        let [made] = made.as_slice() else { return Err(format!("one recording: {made:?}").into()) };
        let here = share(&office.agent).join(made.strip_prefix(office.recordings())?);
        bring_slowly(made, &here, || {
            assert_eq!(office.portal.requests_of("upload"), [], "sent before it was complete");
        })?;
        office.assert_recorded(&finished, caller.number())?;
        office.settled(DELIVERY)?;
        // Whatever it does later, it is over with this one.
        office.assert_recorded(&finished, caller.number())?;
        Ok(())
    })
}

mod a_recording_grows_for_eight_seconds_after_the_hang_up {
    use super::*;

    #[test]
    fn asterisk_22() -> Verdict {
        a_recording_that_still_grows(Version::Asterisk22)
    }

    #[test]
    fn asterisk_16() -> Verdict {
        a_recording_that_still_grows(Version::Asterisk16)
    }
}
