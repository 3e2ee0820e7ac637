//! What may go wrong between a call and its place in the portal: exactly one finished call all the same.

mod unreachable;

use std::cell::OnceCell;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use live::office::{DELIVERY, Verdict, Wish};
use live::{Cutter, Office, Plan, Ringing, Version, did, secs};
use portal::{Fault, FinishedCall};

const REGISTER: &str = "telephony.externalcall.register";
const FINISH: &str = "telephony.externalcall.finish";
/// The agent looks only when what it cut off has surely ended, and backs off in between.
const RECOVERY: Duration = Duration::from_secs(90);
/// Extensions 101–109 are the employees 11–19.
const USER_OF_101: u64 = 11;
const USER_OF_102: u64 = 12;

/// An answered inbound call: whose, how long within `slack` seconds, and nothing in the portal twice.
fn assert_talk(call: &FinishedCall, user: u64, talk: Duration, slack: f64) {
    assert_eq!((call.registered.kind, call.user, call.status_code.as_str()), (2, user, "200"), "{call:#?}");
    let off = call.duration as f64 - talk.as_secs_f64();
    assert!(off.abs() <= slack, "talked {talk:?}, told {} s: {}", call.duration, call.failed_reason);
}

/// One recorded call to 101 of three seconds, during which the portal misbehaves as planned by `faults`.
fn one_call_despite(office: &Office, faults: Vec<Fault>) -> Result<FinishedCall, Box<dyn std::error::Error>> {
    faults.into_iter().for_each(|fault| office.portal.fault(fault));
    let caller = office.caller();
    office.plan_for(&caller, "101", Plan::manual())?;
    let call = office.inbound(&caller, did::RECORDED)?;
    let phone = office.ringing("101", caller.number(), secs(10.0))?;
    let answered = phone.answer()?;
    thread::sleep(secs(3.0));
    let talk = call.hang_up()?.at - answered;
    let finished = office.only_call(caller.number(), RECOVERY)?;
    assert_talk(&finished, USER_OF_101, talk, 1.0);
    assert_eq!(finished.registered.line, did::RECORDED);
    office.assert_recorded(&finished, caller.number())?;
    assert_eq!(office.portal.look(|state| state.activities().len()), 1);
    assert_eq!(office.portal.faults_left(), 0, "the faults did not come to pass");
    assert_eq!(office.portal.look(|state| state.cards().filter(|card| card.hidden.is_none()).count()), 0);
    Ok(finished)
}

live::office! {
    pjsip fn the_answer_to_register_is_lost(office) {
        one_call_despite(office, vec![Fault::lost_answer().on(REGISTER)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn half_of_the_answer_to_register_is_lost(office) {
        one_call_despite(office, vec![Fault::half_answer().on(REGISTER)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn the_answer_to_finish_is_lost(office) {
        one_call_despite(office, vec![Fault::lost_answer().on(FINISH)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn the_answers_to_register_and_finish_are_lost(office) {
        one_call_despite(office, vec![Fault::lost_answer().on(REGISTER), Fault::lost_answer().on(FINISH)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn a_burst_of_503(office) {
        one_call_despite(office, vec![Fault::rate_limited().times(4)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn finish_is_blocked_by_429(office) {
        one_call_despite(office, vec![Fault::operation_limited().on(FINISH)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn register_is_blocked_by_429(office) {
        one_call_despite(office, vec![Fault::operation_limited().on(REGISTER)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn register_of_a_call_that_is_over_is_blocked_by_429(office) {
        office.portal.go_down();
        let (client, call, phone) = ringing(office)?;
        let answered = phone.answer()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        office.agent.await_status("the call waits", secs(10.0), |status| status["journal"]["waiting"] == 1)?;
        office.portal.fault(Fault::operation_limited().on(REGISTER));
        office.portal.come_up()?;
        // The method rests for a minute.
        let finished = office.only_call(&client, RECOVERY + secs(60.0))?;
        assert_talk(&finished, USER_OF_101, talk, 1.0);
        assert_eq!(office.portal.faults_left(), 0, "nothing was blocked");
        Ok(())
    }
}

live::office! {
    pjsip fn a_proxy_answers_with_a_page(office) {
        one_call_despite(office, vec![
            Fault::html(502, false).on(REGISTER),
            Fault::html(200, true).on(FINISH),
        ])?;
        Ok(())
    }
}

live::office! {
    pjsip fn the_portal_fails_after_it_has_finished_the_call(office) {
        one_call_despite(office, vec![Fault::internal_error(true).on(FINISH)])?;
        Ok(())
    }
}

live::office! {
    pjsip fn the_portal_is_down_from_before_the_ring_until_after_the_hang_up(office) {
        office.portal.go_down();
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let began = SystemTime::now();
        let call = office.inbound(&caller, did::RECORDED)?;
        let phone = office.ringing("101", caller.number(), secs(10.0))?;
        thread::sleep(secs(1.0));
        let answered = phone.answer()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        office.agent.await_status("the call waits", secs(10.0), |status| status["journal"]["waiting"] == 1)?;
        thread::sleep(secs(3.0));
        office.portal.come_up()?;
        let finished = office.only_call(caller.number(), RECOVERY)?;
        assert_talk(&finished, USER_OF_101, talk, 1.0);
        let register = office.done(REGISTER)?;
        assert_eq!(register.params.at("SHOW").to_text(), "0");
        assert_eq!(office.portal.cards(), [], "a card for a call that is over");
        let told = SystemTime::from(finished.registered.started);
        let off = told.duration_since(began).unwrap_or_else(|early| early.duration());
        assert!(off <= secs(2.0), "CALL_START_DATE is off by {off:?}");
        office.assert_recorded(&finished, caller.number())?;
        Ok(())
    }
}

/// A call to 101 that rings: its number and both ends.
fn ringing(office: &Office) -> Result<(String, live::Near<'_>, Ringing<'_>), Box<dyn std::error::Error>> {
    let caller = office.caller();
    office.plan_for(&caller, "101", Plan::manual())?;
    let call = office.inbound(&caller, did::RECORDED)?;
    let phone = office.ringing("101", caller.number(), secs(10.0))?;
    Ok((caller.number().to_owned(), call, phone))
}

/// Holds the only call of the portal against the truth after the agent was killed.
fn assert_survived(office: &Office, client: &str, talk: Duration) -> Verdict {
    let finished = office.only_call(client, RECOVERY)?;
    assert_talk(&finished, USER_OF_101, talk, 2.0);
    assert_eq!(finished.registered.line, did::RECORDED);
    office.assert_recorded(&finished, client)?;
    Ok(())
}

live::office! {
    pjsip fn killed_while_it_rings(office) {
        let (client, call, phone) = ringing(office)?;
        office.await_cards(&client, &[USER_OF_101])?;
        office.agent.kill()?;
        thread::sleep(secs(1.0));
        office.agent.start_live()?;
        let answered = phone.answer()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        assert_survived(office, &client, talk)
    }
}

live::office! {
    pjsip fn killed_while_it_rings_and_back_after_the_answer(office) {
        let (client, call, phone) = ringing(office)?;
        office.await_cards(&client, &[USER_OF_101])?;
        office.agent.kill()?;
        let answered = phone.answer()?;
        // Within what counts as right.
        thread::sleep(secs(1.0));
        office.agent.start_live()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        let finished = office.only_call(&client, RECOVERY)?;
        assert_talk(&finished, USER_OF_101, talk, 2.0);
        Ok(())
    }
}

live::office! {
    pjsip fn killed_while_they_talk(office) {
        let (client, call, phone) = ringing(office)?;
        let answered = phone.answer()?;
        office.await_cards(&client, &[USER_OF_101])?;
        thread::sleep(secs(2.0));
        office.agent.kill()?;
        thread::sleep(secs(2.0));
        office.agent.start_live()?;
        thread::sleep(secs(2.0));
        let talk = call.hang_up()?.at - answered;
        assert_survived(office, &client, talk)
    }
}

live::office! {
    pjsip fn killed_while_they_talk_and_back_after_the_hang_up(office) {
        let (client, call, phone) = ringing(office)?;
        let answered = phone.answer()?;
        office.await_cards(&client, &[USER_OF_101])?;
        thread::sleep(secs(4.0));
        let talk = office_killed(office, answered)?;
        call.hang_up()?;
        thread::sleep(secs(5.0));
        office.agent.start_live()?;
        let finished = office.only_call(&client, RECOVERY)?;
        assert_talk(&finished, USER_OF_101, talk, 2.0);
        assert!(finished.failed_reason.contains("at least"), "not marked: {:?}", finished.failed_reason);
        office.assert_recorded(&finished, &client)?;
        Ok(())
    }
}

/// Kills the agent and tells how long they talked until then.
fn office_killed(office: &Office, answered: Instant) -> Result<Duration, live::Trouble> {
    office.agent.kill()?;
    Ok(answered.elapsed())
}

live::office! {
    pjsip fn killed_right_after_the_hang_up(office) {
        let (client, call, phone) = ringing(office)?;
        let answered = phone.answer()?;
        thread::sleep(secs(3.0));
        let talk = call.hang_up()?.at - answered;
        office.agent.kill()?;
        office.agent.start_live()?;
        assert_survived(office, &client, talk)
    }
}

/// Kills the agent while a request of `method` is at work at the portal, or has done its work there.
fn killed_during(office: &Office, fault: Fault, method: &str) -> Verdict {
    office.portal.fault(fault.on(method));
    let (client, call, phone) = ringing(office)?;
    let answered = phone.answer()?;
    thread::sleep(secs(3.0));
    let talk = call.hang_up()?.at - answered;
    let arrived = |state: &portal::State| state.requests_of(method).next().map(drop);
    office.portal.wait_for(DELIVERY, arrived).ok_or("the request at the portal")?;
    office.agent.kill()?;
    office.agent.start_live()?;
    assert_survived(office, &client, talk)
}

live::office! {
    pjsip fn killed_while_register_is_at_work(office) {
        killed_during(office, Fault::slow_before(secs(5.0)), REGISTER)
    }
}

live::office! {
    pjsip fn killed_before_the_answer_to_register(office) {
        killed_during(office, Fault::slow_after(secs(5.0)), REGISTER)
    }
}

live::office! {
    pjsip fn killed_while_finish_is_at_work(office) {
        killed_during(office, Fault::slow_before(secs(5.0)), FINISH)
    }
}

live::office! {
    pjsip fn killed_before_the_answer_to_finish(office) {
        killed_during(office, Fault::slow_after(secs(5.0)), FINISH)
    }
}

live::office! {
    /// The portal does only after the end of the call what the killed agent asked for at its beginning.
    pjsip fn killed_while_register_is_at_work_and_back_while_it_rings(office) {
        // Less than the ten seconds that the next agent waits for it.
        office.portal.fault(Fault::slow_before(secs(9.0)).on(REGISTER));
        let (client, call, phone) = ringing(office)?;
        let arrived = |state: &portal::State| state.requests_of(REGISTER).next().map(drop);
        office.portal.wait_for(DELIVERY, arrived).ok_or("the request at the portal")?;
        office.agent.kill()?;
        office.agent.start_live()?;
        let answered = phone.answer()?;
        thread::sleep(secs(1.0));
        let talk = call.hang_up()?.at - answered;
        let first = |state: &portal::State| state.requests_of(REGISTER).next().filter(|first| first.succeeded()).map(drop);
        assert!(office.portal.look(first).is_none(), "the call took longer than the portal");
        office.portal.wait_for(DELIVERY, first).ok_or("what the killed agent asked for")?;
        assert_survived(office, &client, talk)
    }
}

live::office! {
    pjsip fn killed_while_the_recording_is_sent(office) {
        killed_during(office, Fault::slow_after(secs(5.0)), "upload")
    }
}

live::office! {
    pjsip fn stopped_and_started_by_a_service_manager_while_they_talk(office) {
        let (client, call, phone) = ringing(office)?;
        let answered = phone.answer()?;
        thread::sleep(secs(2.0));
        assert_eq!(office.agent.terminate()?, Some(0), "{}", office.agent.log());
        office.agent.start_live()?;
        thread::sleep(secs(2.0));
        let talk = call.hang_up()?.at - answered;
        assert_survived(office, &client, talk)
    }
}

live::office! {
    /// While it rings, while they talk, and when they hang up: nothing of the call is missed, and its talk is exact.
    pjsip fn reloaded_again_and_again(office) {
        let (client, call, phone) = ringing(office)?;
        office.agent.reload()?;
        office.await_cards(&client, &[USER_OF_101])?;
        let answered = phone.answer()?;
        office.agent.reload()?;
        thread::sleep(secs(2.0));
        let reload = thread::scope(|scope| {
            let reload = scope.spawn(|| office.agent.reload());
            let ended = call.hang_up();
            (reload.join(), ended)
        });
        let (Ok(Ok(())), Ok(ended)) = reload else { panic!("{}", office.agent.log()) };
        let finished = office.only_call(&client, DELIVERY)?;
        assert_talk(&finished, USER_OF_101, ended.at - answered, 1.0);
        assert!(office.agent.calls()?.iter().all(|call| call["exact"] == true), "{}", office.agent.log());
        assert!(!office.agent.log().contains("link"), "the link stays: {}", office.agent.log());
        Ok(())
    }
}

/// The PBX goes in mid-call and comes back.
fn the_pbx_goes(office: &Office, go: impl FnOnce() -> Result<(), live::Trouble>) -> Verdict {
    let (client, call, phone) = ringing(office)?;
    let answered = phone.answer()?;
    thread::sleep(secs(3.0));
    go()?;
    let talk = answered.elapsed();
    office.start_pbx()?;
    let _ = (call.hang_up(), phone.hang_up());
    office.agent.await_live()?;
    let finished = office.call_of(&client, RECOVERY)?;
    assert_talk(&finished, USER_OF_101, talk, 2.0);
    // And the next call is like any other.
    let (next, call, phone) = ringing(office)?;
    office.await_cards(&next, &[USER_OF_101])?;
    let answered = phone.answer()?;
    thread::sleep(secs(2.0));
    let talk = call.hang_up()?.at - answered;
    let second = office.call_of(&next, DELIVERY)?;
    assert_talk(&second, USER_OF_101, talk, 1.0);
    assert_eq!(second.failed_reason, "");
    // A recording that the PBX could not end is waited for; the calls are through.
    let through =
        |status: &serde_json::Value| status["live_calls"] == 0 && status["crm"][0]["counters"]["delivered"] == 2;
    office.agent.await_status("both calls are delivered", DELIVERY, through)?;
    assert_eq!((office.portal.calls().len(), office.portal.live_calls().len()), (2, 0));
    Ok(())
}

/// The two calls as the journal lists them: the exactness of each, and what the portal shows of the first.
fn marks(office: &Office) -> Result<(Vec<bool>, String), live::Trouble> {
    let kept = office.agent.calls()?;
    let exact = kept.iter().map(|call| call["exact"] == true).collect();
    Ok((exact, office.portal.calls().first().map_or_else(String::new, |call| call.failed_reason.clone())))
}

live::office! {
    fn the_pbx_is_stopped_in_mid_call(office) {
        the_pbx_goes(office, || office.stop_pbx())?;
        // It hangs up first, and mostly that is heard: then nothing is missing. What is not heard is marked.
        match marks(office)? {
            (exact, reason) if exact == [true, true] => assert_eq!(reason, ""),
            (exact, reason) => {
                assert_eq!(exact, [false, true]);
                assert!(reason.contains("the PBX restarted"), "not marked: {reason:?}");
            }
        }
        Ok(())
    }
}

live::office! {
    fn the_pbx_loses_power_in_mid_call(office) {
        the_pbx_goes(office, || office.kill_pbx())?;
        let (exact, reason) = marks(office)?;
        assert_eq!(exact, [false, true]);
        assert!(reason.contains("the PBX restarted"), "not marked: {reason:?}");
        Ok(())
    }
}

/// Plays `test` with a cable between agent and PBX.
fn with_a_cable(version: Version, test: impl FnOnce(&Office, &Cutter) -> Verdict) -> Verdict {
    let cable = OnceCell::new();
    let lay = |exchange: &live::Exchange| {
        let new = Cutter::new(exchange)?;
        let wish = Wish { host: Some(new.host()), ..Wish::default() };
        let _ = cable.set(new);
        Ok(wish)
    };
    Office::play_with(version, false, lay, |office| {
        let cable = cable.get().ok_or("no cable")?;
        office.agent.start_live()?;
        test(office, cable)
    })
}

/// Two calls when the link goes: one ends meanwhile, one lives on.
fn the_link_goes(office: &Office, cable: &Cutter, go: impl FnOnce(&Cutter)) -> Verdict {
    let (one, two) = (office.caller(), office.caller());
    office.plan_for(&one, "101", Plan::manual())?;
    office.plan_for(&two, "102", Plan::manual())?;
    let ends = office.inbound(&one, did::RECORDED)?;
    let lives = office.inbound(&two, did::SECOND_LINE)?;
    let first_answered = office.ringing("101", one.number(), secs(10.0))?.answer()?;
    let second_answered = office.ringing("102", two.number(), secs(10.0))?.answer()?;
    thread::sleep(secs(3.0));
    go(cable);
    let talk_seen = first_answered.elapsed();
    ends.hang_up()?;
    thread::sleep(secs(2.0));
    cable.restore();
    let lost = |status: &serde_json::Value| status["pbx"]["live"] == true && status["pbx"]["link_losses"] == 1;
    office.agent.await_status("the agent is back", secs(90.0), lost)?;
    let first = office.call_of(one.number(), RECOVERY)?;
    assert_talk(&first, USER_OF_101, talk_seen, 2.0);
    assert!(first.failed_reason.contains("the link to the PBX was lost"), "{:?}", first.failed_reason);
    assert!(office.portal.live_calls().iter().any(|call| call.phone == two.number()), "the second was given up");
    thread::sleep(secs(2.0));
    let talk = lives.hang_up()?.at - second_answered;
    let second = office.call_of(two.number(), RECOVERY)?;
    assert_talk(&second, USER_OF_102, talk, 2.0);
    office.assert_recorded(&first, one.number())?;
    office.assert_recorded(&second, two.number())?;
    assert_eq!(office.settled(DELIVERY)?.len(), 2);
    Ok(())
}

mod the_cable_to_the_pbx_is_cut {
    use super::*;

    #[test]
    fn asterisk_22() -> Verdict {
        with_a_cable(Version::Asterisk22, |office, cable| the_link_goes(office, cable, Cutter::cut))
    }

    #[test]
    fn asterisk_16() -> Verdict {
        with_a_cable(Version::Asterisk16, |office, cable| the_link_goes(office, cable, Cutter::cut))
    }

    #[test]
    fn asterisk_16_sip() -> Verdict {
        with_a_cable(Version::Asterisk16Sip, |office, cable| the_link_goes(office, cable, Cutter::cut))
    }
}

/// A call begins, is answered and ends while the cable is cut: nobody can know of it. One that begins meanwhile and
/// lives on is found.
fn a_call_begins_unseen(office: &Office, cable: &Cutter) -> Verdict {
    cable.cut();
    let (client, call, phone) = ringing(office)?;
    let answered = phone.answer()?;
    thread::sleep(secs(1.0));
    cable.restore();
    office.agent.await_live()?;
    thread::sleep(secs(3.0));
    let talk = call.hang_up()?.at - answered;
    let finished = office.only_call(&client, RECOVERY)?;
    assert_eq!((finished.user, finished.status_code.as_str()), (USER_OF_101, "200"), "{finished:#?}");
    assert!(finished.duration as f64 <= talk.as_secs_f64() + 1.0, "{} s of {talk:?}", finished.duration);
    assert!(finished.failed_reason.contains("at least"), "not marked: {:?}", finished.failed_reason);
    Ok(())
}

mod a_call_that_began_while_the_cable_was_cut {
    use super::*;

    #[test]
    fn asterisk_22() -> Verdict {
        with_a_cable(Version::Asterisk22, a_call_begins_unseen)
    }

    #[test]
    fn asterisk_16() -> Verdict {
        with_a_cable(Version::Asterisk16, a_call_begins_unseen)
    }

    #[test]
    fn asterisk_16_sip() -> Verdict {
        with_a_cable(Version::Asterisk16Sip, a_call_begins_unseen)
    }
}

/// Flash that collects garbage for ten seconds at every sync: no card is late for it, no event is lost, and each call
/// arrives once, as it was.
fn slow_flash(version: Version) -> Verdict {
    let wish = |_: &live::Exchange| {
        let environment = vec![("RINGPOST_TEST_SLOW_SYNC_MS".to_owned(), "10000".to_owned())];
        Ok(Wish { environment, ..Wish::default() })
    };
    Office::play_with(version, true, wish, |office| {
        let mut talks = Vec::new();
        for _ in 0..4 {
            let (client, call, phone) = ringing(office)?;
            let card = office.await_cards(&client, &[USER_OF_101])?.pop().ok_or("a card")?;
            let late = card.shown.saturating_duration_since(phone.since);
            assert!(late < secs(1.0), "the card came {late:?} after the ring");
            // The flash is busy with what ended before.
            assert!(talks.is_empty() || office.portal.calls().len() < talks.len(), "the flash was not busy");
            let answered = phone.answer()?;
            thread::sleep(secs(1.0));
            talks.push((client, call.hang_up()?.at - answered));
        }
        for (client, talk) in &talks {
            assert_talk(&office.call_of(client, RECOVERY)?, USER_OF_101, *talk, 1.0);
        }
        assert_eq!(office.settled(RECOVERY)?.len(), talks.len());
        assert_eq!(office.portal.look(|state| state.activities().len()), talks.len());
        let kept = office.agent.calls()?;
        assert!(kept.len() == talks.len() && kept.iter().all(|call| call["exact"] == true), "{kept:#?}");
        let status = office.agent.status().ok_or("no status")?;
        assert_eq!(status["pbx"]["link_losses"], 0, "the PBX hung up on a reader that did not read: {status}");
        Ok(())
    })
}

mod flash_that_collects_garbage_for_ten_seconds {
    use super::*;

    #[test]
    fn asterisk_22() -> Verdict {
        slow_flash(Version::Asterisk22)
    }

    #[test]
    fn asterisk_16() -> Verdict {
        slow_flash(Version::Asterisk16)
    }
}
