//! Queues: who is asked, who takes it, and how long the client waited.

use std::time::Instant;

use super::*;
use live::did;
use live::told::Call;

live::office! {
    fn queue_ring_all(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, "102", Plan::manual())?;
        let client = office.inbound(&caller, did::QUEUE)?;
        let other = office.ringing("101", caller.number(), SOON)?;
        let (_desk, rang, since) = answers(office, caller.number(), "102")?;
        let other_rang = other.await_end(secs(5.0))?.at - other.since;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE)
            .queue("700").rang("101", other_rang).rang("102", rang).talked("102", end - since)])
    }
}

live::office! {
    fn queue_linear(office) {
        let caller = office.caller();
        for member in ["101", "102", "103"] {
            office.plan_for(&caller, member, Plan::manual())?;
        }
        let client = office.inbound(&caller, did::QUEUE_LINEAR)?;
        let first = office.ringing("101", caller.number(), SOON)?;
        let first_rang = first.await_end(secs(8.0))?.at - first.since;
        let (_desk, rang, since) = answers(office, caller.number(), "102")?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE_LINEAR)
            .queue("702").rang("101", first_rang).rang("102", rang).talked("102", end - since)])
    }
}

live::office! {
    fn queue_nobody_takes_it(office) {
        let caller = office.caller();
        for member in ["101", "102", "103"] {
            office.plan_for(&caller, member, Plan::manual())?;
        }
        let client = office.inbound(&caller, did::QUEUE_LINEAR)?;
        let first = office.ringing("101", caller.number(), SOON)?;
        let first_rang = first.await_end(secs(8.0))?.at - first.since;
        let second = office.ringing("102", caller.number(), SOON)?;
        let second_rang = second.await_end(secs(8.0))?.at - second.since;
        let third = office.ringing("103", caller.number(), secs(3.0));
        client.await_end(secs(15.0))?;
        let mut wanted = Call::inbound(&caller, did::QUEUE_LINEAR).queue("702").ended("missed", "304")
            .rang("101", first_rang).rang("102", second_rang);
        if third.is_ok() {
            wanted = wanted.rang_some_time(&["103"]);
        }
        office.tells(&[wanted])
    }
}

live::office! {
    fn queue_caller_leaves(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, "102", Plan::manual())?;
        let client = office.inbound(&caller, did::QUEUE)?;
        let first = office.ringing("101", caller.number(), SOON)?;
        let second = office.ringing("102", caller.number(), SOON)?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE).queue("700").ended("missed", "304")
            .rang("101", end - first.since).rang("102", end - second.since)])
    }
}

live::office! {
    fn queue_without_members(office) {
        let caller = office.caller();
        let client = office.inbound(&caller, did::QUEUE_EMPTY)?;
        client.await_end(secs(15.0))?;
        office.tells(&[Call::inbound(&caller, did::QUEUE_EMPTY).queue("704").ended("missed", "304")])
    }
}

live::office! {
    fn queue_two_rounds(office) {
        let caller = office.caller();
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, "102", Plan::manual())?;
        let client = office.inbound(&caller, did::QUEUE)?;
        let mut rounds = Vec::new();
        for extension in ["101", "102"] {
            rounds.push(office.ringing(extension, caller.number(), SOON)?);
        }
        let mut rang = Vec::new();
        for round in &rounds {
            rang.push(round.await_end(secs(10.0))?.at - round.since);
        }
        let again = office.ringing("101", caller.number(), SOON)?;
        let (_desk, second, since) = answers(office, caller.number(), "102")?;
        let first = again.await_end(secs(5.0))?.at - again.since;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE).queue("700")
            .rang("101", rang[0] + first).rang("102", rang[1] + second).talked("102", end - since)])
    }
}

/// The first of these that rings.
fn first_of<'a>(
    office: &'a Office,
    caller: &Caller,
    among: &[&'static str],
) -> Result<(&'static str, Ringing<'a>), Trouble> {
    let began = Instant::now();
    while began.elapsed() < SOON {
        for extension in among {
            if let Ok(phone) = office.ringing(extension, caller.number(), Duration::from_millis(50)) {
                return Ok((extension, phone));
            }
        }
    }
    Err(Trouble::Deadline { what: format!("one of {among:?} rings"), waited: SOON })
}

live::office! {
    fn queue_local_members(office) {
        let caller = office.caller();
        let members = ["101", "102", "103"];
        for member in members {
            office.plan_for(&caller, member, Plan::manual())?;
        }
        let client = office.inbound(&caller, did::QUEUE_LOCAL)?;
        let (who, phone) = first_of(office, &caller, &members)?;
        let rang = phone.await_end(secs(10.0))?.at - phone.since;
        let others: Vec<_> = members.into_iter().filter(|member| *member != who).collect();
        let (taker, desk) = first_of(office, &caller, &others)?;
        thread::sleep(secs(1.0));
        let since = desk.answer()?;
        thread::sleep(secs(2.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE_LOCAL).queue("701")
            .rang(who, rang).rang(taker, since - desk.since).talked(taker, end - since)])
    }
}

live::office! {
    fn queue_with_announcements(office) {
        let caller = office.caller();
        let pbx = office.pbx()?;
        office.plan_for(&caller, "101", Plan::manual())?;
        office.plan_for(&caller, "102", Plan::manual())?;
        let client = office.inbound(&caller, did::QUEUE_ANNOUNCED)?;
        let (_desk, rang, answered) = answers(office, caller.number(), "101")?;
        let other = office.ringing("102", caller.number(), SOON)?;
        // The member hears the announcement first.
        let since = bridged(&pbx, 0, &office.version().device("101"))?.at;
        assert!(since - answered > secs(0.5), "no announcement");
        thread::sleep(secs(3.0));
        let end = client.hang_up()?.at;
        office.tells(&[Call::inbound(&caller, did::QUEUE_ANNOUNCED).queue("703")
            .rang("101", rang).rang("102", answered - other.since).talked("101", end - since)])
    }
}
