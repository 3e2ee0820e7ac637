//! Telephones and the PBX that send calls on.

use super::*;
use live::did;
use live::told::Call;

live::office! {
    fn sent_on_by_the_telephone(office) {
        let caller = office.caller();
        let line = did::direct("111");
        office.plan_for(&caller, "111", Plan::forward_to("113"))?;
        office.plan_for(&caller, "113", Plan::manual())?;
        let client = office.inbound(&caller, &line)?;
        let (_desk, rang, since) = answers(office, caller.number(), "113")?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line)
            .rang("111", secs(0.0)).rang("113", rang).talked("113", end - since)])
    }
}

live::office! {
    fn sent_on_to_a_mobile_by_the_telephone(office) {
        let (caller, mobile) = (office.caller(), office.caller());
        let line = did::direct("111");
        office.plan_for(&caller, "111", Plan::forward_to(mobile.number()))?;
        office.plan_for(&caller, mobile.number(), Plan::manual())?;
        let client = office.inbound(&caller, &line)?;
        let (_mobile, _, since) = answers(office, caller.number(), mobile.number())?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, &line).recordings(1)
            .rang("111", secs(0.0)).talked(mobile.number(), end - since)])
    }
}

live::office! {
    fn sent_on_to_a_mobile_by_the_pbx(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, did::FORWARD_MOBILE, Plan::manual())?;
        let client = office.inbound(&caller, did::THEN_MOBILE)?;
        let (_mobile, _, since) = answers(office, caller.number(), did::FORWARD_MOBILE)?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::THEN_MOBILE)
            .rang("101", secs(4.0)).talked(did::FORWARD_MOBILE, end - since)])
    }
}
