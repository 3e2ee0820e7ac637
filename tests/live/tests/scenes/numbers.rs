//! Numbers as callers and carriers spell them.

use super::*;
use live::did;
use live::told::Call;

/// A client calls `line` and talks with 101 for 2 s.
fn talks(
    office: &Office,
    caller: &Caller,
    line: &str,
    extension: &str,
    wanted: impl FnOnce(Call) -> Call,
) -> live::office::Verdict {
    let talk = Talk::begin(office, caller, line, extension)?;
    thread::sleep(secs(2.0));
    let end = talk.client.hang_up()?.at;
    let call = Call::inbound(caller, line).rang(extension, talk.rang).talked(extension, end - talk.since);
    office.tells(&[wanted(call)])
}

live::office! {
    fn hidden_as_anonymous(office) {
        talks(office, &Caller::hidden(), &did::direct("101"), "101", |call| call.client(""))
    }
}

live::office! {
    fn hidden_as_restricted(office) {
        talks(office, &Caller::new("Restricted"), &did::direct("101"), "101", |call| call.client(""))
    }
}

live::office! {
    fn hidden_as_unavailable(office) {
        talks(office, &Caller::new("unavailable"), &did::direct("101"), "101", |call| call.client(""))
    }
}

live::office! {
    fn hidden_as_unknown(office) {
        talks(office, &Caller::new("Unknown"), &did::direct("101"), "101", |call| call.client(""))
    }
}

live::office! {
    fn a_caller_with_a_plus(office) {
        let caller = Caller::new(&format!("+{}", office.caller().number()));
        talks(office, &caller, &did::direct("101"), "101", |call| call)
    }
}

live::office! {
    fn a_line_with_parameters(office) {
        let caller = office.caller();
        let dialled = format!("{};phone-context=+7", did::RECORDED);
        talks(office, &caller, &dialled, "101", |call| call.line(did::RECORDED).recordings(1))
    }
}

live::office! {
    fn a_caller_id_that_the_dialplan_changes(office) {
        let caller = office.caller();
        office.plan("101", Plan::manual())?;
        let client = office.inbound(&caller, did::OTHER_CALLER_ID)?;
        let (_desk, rang, since) = answers(office, "100", "101")?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::OTHER_CALLER_ID).rang("101", rang).talked("101", end - since)])
    }
}
