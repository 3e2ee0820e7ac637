//! Nobody takes the call: machines, messages, telephones that are away.

use super::*;
use live::did;
use live::told::Call;

live::office! {
    fn a_message_is_left(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let client = office.inbound(&caller, did::VOICEMAIL)?;
        client.await_answer(secs(10.0))?;
        client.press(",#")?; // past the greeting
        thread::sleep(secs(3.0));
        client.hang_up()?;
        office.tells(&[Call::inbound(&caller, did::VOICEMAIL).rang("101", secs(3.0)).ended("voicemail", "304").voicemail()])
    }
}

live::office! {
    fn a_message_is_not_left(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        let client = office.inbound(&caller, did::VOICEMAIL)?;
        client.await_answer(secs(10.0))?;
        client.hang_up()?;
        office.tells(&[Call::inbound(&caller, did::VOICEMAIL).rang("101", secs(3.0)).ended("missed", "304")])
    }
}

live::office! {
    fn do_not_disturb(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::DO_NOT_DISTURB)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::DO_NOT_DISTURB).ended("busy", "304")])
    }
}

live::office! {
    fn do_not_disturb_on_the_telephone(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::busy_after(secs(0.0)))?;
        let client = office.inbound(&caller, did::FIVE_SECONDS)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::FIVE_SECONDS).rang("101", secs(0.0)).ended("busy", "304").cause(17)])
    }
}

live::office! {
    fn declined(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::reject_after(secs(1.0)))?;
        let client = office.inbound(&caller, did::FIVE_SECONDS)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::FIVE_SECONDS).rang("101", secs(1.0)).ended("busy", "304")])
    }
}

live::office! {
    fn not_registered(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::UNREGISTERED)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::UNREGISTERED).ended("failed", "304")])
    }
}

live::office! {
    fn registered_and_silent(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::SILENT)?;
        client.await_end(secs(20.0))?;
        office.tells(&[Call::inbound(&caller, did::SILENT).rang_some_time(&["131"]).ended("missed", "304")])
    }
}

live::office! {
    fn a_menu_only(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::GREETING_ONLY)?;
        client.await_answer(secs(10.0))?;
        thread::sleep(secs(1.0));
        client.hang_up()?;
        office.tells(&[Call::inbound(&caller, did::GREETING_ONLY).ended("missed", "304")])
    }
}

live::office! {
    fn a_fax(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::FAX)?;
        client.await_answer(secs(10.0))?;
        thread::sleep(secs(2.0));
        client.hang_up()?;
        office.tells(&[Call::inbound(&caller, did::FAX).ended("missed", "304")])
    }
}

live::office! {
    fn an_announcement_without_an_answer(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::ANNOUNCEMENT)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::ANNOUNCEMENT).ended("busy", "304")])
    }
}
