//! Calls to outside: routes, prefixes, carriers, and other programs that dial.

use super::*;
use live::told::Call;

/// 111 dials `dialled`, the mobile is called as `called` and answers; 2 s of talk.
fn dials(office: &Office, dialled: &str, called: &str, wanted: impl FnOnce(Call) -> Call) -> live::office::Verdict {
    office.plan(called, Plan::manual())?;
    let desk = office.dial("111", dialled)?;
    let (_client, _, since) = answers(office, "111", called)?;
    desk.await_answer(secs(5.0))?;
    thread::sleep(secs(2.0));
    let end = desk.hang_up()?.at;
    office.tells(&[wanted(Call::outbound("111", called).talked("111", end - since))])
}

live::office! {
    fn a_route_behind_a_nine(office) {
        let mobile = office.caller();
        dials(office, &format!("9{}", mobile.number()), mobile.number(), |call| call)
    }
}

live::office! {
    fn a_number_with_a_plus(office) {
        let mobile = office.caller();
        let dialled = format!("+{}", mobile.number());
        dials(office, &dialled, mobile.number(), |call| call.client(&dialled))
    }
}

live::office! {
    fn a_number_with_parameters(office) {
        let mobile = office.caller();
        let dialled = format!("{};phone-context=+7", mobile.number());
        dials(office, &dialled, mobile.number(), |call| call.recordings(1))
    }
}

live::office! {
    fn two_trunks_in_turn(office) {
        let mobile = office.caller();
        let prefixed = format!("99{}", mobile.number());
        office.plan(mobile.number(), Plan::congested())?;
        dials(office, &format!("9{}", mobile.number()), &prefixed, |call| call.client(mobile.number()).by("mtt"))
    }
}

live::office! {
    fn tones_before_the_answer_that_never_comes(office) {
        let mobile = office.caller();
        office.plan(mobile.number(), Plan::early_then_busy(secs(2.0)))?;
        let desk = office.dial("111", mobile.number())?;
        desk.await_end(secs(15.0))?;
        office.tells(&[Call::outbound("111", mobile.number()).ended("busy", "486").cause(17)])
    }
}

live::office! {
    fn a_number_that_does_not_exist(office) {
        let mobile = office.caller();
        office.plan(mobile.number(), Plan::unknown())?;
        let desk = office.dial("111", mobile.number())?;
        desk.await_end(secs(15.0))?;
        office.tells(&[Call::outbound("111", mobile.number()).ended("failed", "404")])
    }
}

/// Another program makes 111 call the mobile through `channel`; 2 s of talk.
fn originated(office: &Office, channel: &str) -> live::office::Verdict {
    let mobile = office.caller();
    let pbx = office.pbx()?;
    office.plan(mobile.number(), Plan::manual())?;
    office.plan("111", Plan::answer_after(secs(1.0)))?;
    pbx.act(
        "Originate",
        &[
            ("Channel", channel),
            ("Context", "from-internal"),
            ("Exten", mobile.number()),
            ("Priority", "1"),
            ("CallerID", "\"A click\" <111>"),
            ("Timeout", "20000"),
            ("Async", "true"),
        ],
    )?;
    let client = office.mobile_ringing(mobile.number(), SOON)?;
    thread::sleep(secs(1.0));
    let since = client.answer()?;
    thread::sleep(secs(2.0));
    let end = client.hang_up()?.at;
    office.tells(&[Call::outbound("111", mobile.number()).talked("111", end - since).recordings(1)])
}

live::office! {
    fn another_program_rings_the_telephone(office) {
        originated(office, &office.version().device("111"))
    }
}

live::office! {
    fn another_program_rings_a_local_channel(office) {
        originated(office, "Local/111@from-internal/n")
    }
}

live::office! {
    fn another_program_rings_a_local_channel_that_goes(office) {
        originated(office, "Local/111@from-internal")
    }
}
