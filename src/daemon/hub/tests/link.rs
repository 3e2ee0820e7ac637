//! A link that is down, a PBX that is away: what was not heard is no talk.

use super::world::{Office, talk_secs};

#[test]
fn a_pbx_that_is_away_for_minutes_ends_its_calls_when_it_was_last_heard() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    office.secs(300);
    assert!(office.posted().is_empty(), "it may live on");
    office.hub.tracker().pbx_restarted(office.now);
    office.hub.drain(office.now);
    office.list(None);
    office.secs(60);
    let call = office.the_call();
    assert_eq!(talk_secs(&call), 20, "the outage is no talk");
    assert!(call.gaps.link_lost && call.gaps.pbx_restarted);
}

#[test]
fn an_agent_that_is_restarted_while_the_link_is_down_adds_no_talk_time() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    for _ in 0..3 {
        office.secs(100);
        office.kill();
    }
    office.secs(100);
    office.list(None);
    office.secs(60);
    let call = office.the_call();
    assert_eq!(talk_secs(&call), 20, "nothing was heard of it since");
    assert!(!call.gaps.is_exact());
}

#[test]
fn an_agent_that_is_restarted_while_the_link_is_down_goes_on_with_a_call_that_lives() {
    let mut office = Office::new();
    office.ring("1.1");
    office.answer_call("1.1");
    office.secs(20);
    office.hub.link_lost(office.now);
    office.secs(30);
    office.kill();
    office.secs(30);
    office.list(Some("1.1"));
    office.secs(20);
    office.hang_up("1.1");
    office.secs(60);
    assert_eq!(talk_secs(&office.the_call()), 100);
}
