//! Refused calls: they block nothing, and are tried again when somebody asks for it.

use super::super::*;
use super::lane::Mood;
use super::world::Office;
use crate::inbox::{Answer, Asked, Wish};
use tokio::sync::oneshot;

/// Asks for refused calls to be tried again; how many the asker is told, once the journal has answered.
fn ask_for(office: &mut Office, id: Option<&str>) -> oneshot::Receiver<Answer> {
    let (answer, answered) = oneshot::channel();
    office.hub.asked(Asked { wish: Wish::Retry(id.map(str::to_owned)), answer });
    answered
}

fn ids(calls: &[CallRecord]) -> Vec<&str> {
    calls.iter().map(|call| call.id.as_str()).collect()
}

#[test]
fn a_refused_call_blocks_no_other_and_is_delivered_once_when_it_is_tried_again() {
    let mut office = Office::new();
    office.portal().refuses = vec!["office-1.1", "office-2.1"];
    for linked in ["1.1", "2.1", "3.1"] {
        office.call(linked, 30);
        office.secs(60);
    }
    assert_eq!(ids(&office.posted()), ["office-3.1"]);
    assert_eq!(office.ring.as_ref().unwrap().refused(Seq(0), 8).len(), 2);
    office.portal().refuses.clear();
    let mut answer = ask_for(&mut office, Some("office-2.1"));
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap(), Answer { calls: 1, fault: String::new() });
    assert_eq!(ids(&office.posted()), ["office-3.1", "office-2.1"]);
    let mut answer = ask_for(&mut office, None);
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap().calls, 1, "the other was delivered");
    let mut answer = ask_for(&mut office, None);
    office.secs(60);
    assert_eq!(answer.try_recv().unwrap().calls, 0);
    assert_eq!(ids(&office.posted()), ["office-3.1", "office-2.1", "office-1.1"]);
    assert_eq!(office.ring.as_ref().unwrap().refused(Seq(0), 8), []);
    office.cut_power();
    office.secs(600);
    assert_eq!(office.posted().len(), 3);
}

#[test]
fn a_call_that_is_refused_again_is_in_the_list_again() {
    let mut office = Office::new();
    office.portal().refuses = vec!["office-1.1"];
    office.call("1.1", 30);
    office.secs(60);
    for _ in 0..3 {
        let mut answer = ask_for(&mut office, None);
        office.secs(60);
        assert_eq!(answer.try_recv().unwrap().calls, 1);
    }
    assert_eq!((office.posted().len(), office.ring.as_ref().unwrap().refused(Seq(0), 8).len()), (0, 1));
}

/// The journal's answer to an earlier question is on its way while the calls to be tried again are read from the oldest
/// on: what was delivered meanwhile must not come back with it.
#[test]
fn a_retry_at_any_moment_of_a_drain_delivers_no_call_twice() {
    for moment in 0..24 {
        let mut office = Office::new();
        office.portal().refuses = vec!["office-1.1"];
        office.call("1.1", 30);
        office.secs(60);
        office.portal().refuses.clear();
        office.portal().mood = Mood::Down;
        for call in 0..34 {
            office.call(&format!("{}.1", 10 + call), 1);
        }
        office.portal().mood = Mood::Well;
        office.hub.kick(office.now.mono);
        for _ in 0..moment {
            office.hub.pump(office.now);
            let journal_first = moment % 2 == 0;
            let _ = (journal_first && office.play_journal()) || office.play_portals() || office.play_journal();
        }
        let mut answer = ask_for(&mut office, None);
        office.secs(900);
        assert_eq!(answer.try_recv().unwrap().calls, 1);
        let posted = office.posted();
        let mut ids = ids(&posted);
        assert_eq!(ids.len(), 35, "at moment {moment}: {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 35, "at moment {moment}, one twice");
    }
}
