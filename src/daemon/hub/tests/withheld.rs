//! Calls that the rules for numbers keep out of the CRM.

use super::super::*;
use super::lane::{Done, Mood};
use super::world::Office;
use crate::call::record::Withheld;
use crate::number::rules::Rules;
use crate::number::{Country, Entry};

fn not_clients(entry: &str) -> Rules {
    let not_clients = vec![Entry::parse(entry).unwrap()];
    Rules { country: Country::of("7"), not_clients, ..Rules::default() }
}

/// The newest call in the journal: its number, why it was withheld, and how many CRMs are to get it.
fn newest(office: &Office) -> (String, Option<Withheld>, usize) {
    let history = office.ring.as_ref().unwrap().history(Seq(u64::MAX), 1);
    let item = history.first().unwrap();
    (item.call.client.to_string(), item.call.withheld, item.deliveries.len())
}

#[test]
fn a_withheld_call_is_kept_with_its_reason_and_never_posted() {
    let mut office = Office::with(not_clients("8916123*"));
    office.call("1.1", 30);
    office.secs(600);
    assert_eq!(office.portals[0].done, []);
    assert_eq!(newest(&office), ("+79161234567".into(), Some(Withheld::Client), 0));
    // What was decided stands when the list is another one.
    office.plan.numbers = Rules::default();
    for restart in [Office::kill, Office::cut_power] {
        restart(&mut office);
        office.secs(600);
        assert_eq!((office.portals[0].done.len(), newest(&office).1), (0, Some(Withheld::Client)));
    }
    office.call("1.2", 30);
    office.secs(600);
    assert_eq!(newest(&office), ("79161234567".into(), None, 1));
    assert_eq!(office.the_call().id, "office-1.2");
}

#[test]
fn a_call_that_waits_to_be_posted_is_posted_though_the_list_is_another_one() {
    let mut office = Office::new();
    office.portal().mood = Mood::Down;
    office.call("1.1", 30);
    office.plan.numbers = not_clients("*");
    office.cut_power();
    office.portal().mood = Mood::Well;
    office.secs(600);
    assert_eq!(office.the_call().client, "79161234567");
}

#[test]
fn the_card_of_a_call_that_is_withheld_later_is_closed() {
    let mut office = Office::new();
    office.ring("1.1");
    office.secs(2);
    office.plan.numbers = not_clients("+7916*");
    office.kill();
    office.list_in_state(Some("1.1"), 5);
    office.secs(2);
    let (open, closed) = (("office-1.1".into(), 1), ("office-1.1".into(), 0));
    assert_eq!(office.portals[0].done, [open, closed].map(|(id, ringing)| Done::Announced { id, ringing }));
    office.hang_up("1.1");
    office.secs(600);
    assert_eq!((office.posted().len(), newest(&office).1), (0, Some(Withheld::Client)));
}
