//! Outages of days: 72 hours with 2 000 calls a day, over a real ring, with kills and power cuts in between.

use super::super::*;
use super::lane::Mood;
use super::world::{Office, Plan};
use crate::clock::Wall;
use crate::limits::{CALLS_IN_HAND, FRESH_CALL};
use crate::text::bounded;
use core::time::Duration;

/// 72 hours of 2 000 calls a day.
const CALLS: usize = 6000;
const PACE: Duration = Duration::from_millis(43_200);

/// A portal that is away for three days, and what should come of the calls meanwhile.
struct Outage {
    office: Office,
    /// Identity and true start of each call.
    made: Vec<(String, Wall)>,
    last: usize,
    model: Option<CallRecord>,
    /// Calls that the full journal dropped, as the processes that ended told.
    dropped: u64,
}

impl Outage {
    fn new(plan: Plan) -> Self {
        let mut office = Office::of(plan);
        office.secs(60);
        office.portal().mood = Mood::Down;
        Self { office, made: Vec::new(), last: 0, model: None, dropped: 0 }
    }

    /// The next call, within [`PACE`]. One in a hundred is told by the PBX event by event; the others, to save time,
    /// are handed to the hub as the tracker does when they are over.
    fn call(&mut self) {
        self.last += 1;
        let linked = format!("{}.{}", 1_795_300_000 + self.last, self.last);
        let (begun, started) = (self.office.truth, self.office.now);
        self.made.push((format!("office-{linked}"), begun));
        match &self.model {
            Some(model) if !self.last.is_multiple_of(100) => {
                let model = model.clone();
                self.office.secs(6);
                let (id, ended) = (bounded(format!("office-{linked}").as_bytes()), self.office.now);
                self.office.hub.finished(CallRecord { id, started, ended, ..model }, ended.mono);
            }
            _ => self.office.call(&linked, 4),
        }
        let in_hand = self.office.hub.seats[0].schedule.in_hand().last();
        self.model = self.model.take().or_else(|| in_hand.map(|record| (**record).clone()));
        let passed = self.office.truth.as_millis() - begun.as_millis();
        self.office.wait(PACE - Duration::from_millis(passed as u64));
    }

    /// So many calls, with a kill of the agent every two hours and six power cuts.
    fn calls(&mut self, calls: usize) {
        for call in 1..=calls {
            self.call();
            match call % 1000 {
                0 => self.power_cut(call),
                rest if rest.is_multiple_of(200) => self.kill(),
                _ => {}
            }
            let schedule = &self.office.hub.seats[0].schedule;
            let in_hand = schedule.in_hand().count();
            assert!(in_hand <= 2 * CALLS_IN_HAND, "{in_hand} calls in memory");
            assert!(schedule.known_cards().count() <= 1, "cards of calls that are over");
        }
    }

    fn kill(&mut self) {
        self.dropped += self.office.journal_report().dropped;
        self.office.kill();
    }

    /// Five minutes without power; the clock is not set, or behind by days, before some calls are made.
    fn power_cut(&mut self, call: usize) {
        self.dropped += self.office.journal_report().dropped;
        let behind = Wall::from_millis(self.office.truth.as_millis() - 5 * 86_400_000);
        let wall = if call.is_multiple_of(2000) { Wall::from_millis(20_000) } else { behind };
        self.office.reboot(Duration::from_secs(300), wall);
        for _ in 0..5 {
            self.call();
        }
        self.office.set_clock();
    }

    /// The portal is back, and needs its time for each call. A telephone that rings meanwhile waits for none of them.
    fn end(&mut self) {
        self.office.wait(FRESH_CALL);
        let portal = self.office.portal();
        (portal.mood, portal.latency) = (Mood::Well, Duration::from_millis(700));
        self.office.secs(120);
        let (held, announced) = (self.office.portal().dates.len(), self.office.portal().announced());
        assert!((20..self.made.len() - 1000).contains(&held), "{held} calls within two minutes");
        self.office.ring("1795400000.1");
        self.office.secs(1);
        assert_eq!(self.office.portal().announced(), announced + 1, "a card at once");
        self.office.answer_call("1795400000.1");
        self.office.secs(5);
        self.office.hang_up("1795400000.1");
        self.office.secs(20);
        let held = self.office.portal().ids();
        assert!(held.contains(&"office-1795400000.1"), "it waits for the backlog");
        assert!(held.len() < self.made.len() - 1000, "nothing waits any more");
        self.office.portal().dates.retain(|(id, _)| id != "office-1795400000.1");
        self.office.secs(2 * 3600);
    }
}

/// The portal holds these calls, each once, oldest first, with their true dates. Returns how many it does not hold.
fn assert_holds_in_order(office: &mut Office, made: &[(String, Wall)]) -> usize {
    let mut made_so_far = made.iter();
    for held in &office.portal().dates {
        assert!(made_so_far.any(|made| made == held), "{held:?} is wrong, a second time there, or out of its turn");
    }
    made.len() - office.portal().dates.len()
}

#[test]
fn after_three_days_without_the_portal_all_calls_come_once_in_order_and_with_their_true_dates() {
    let mut outage = Outage::new(Plan { size_kib: 2048, ..Plan::default() });
    outage.calls(CALLS);
    let requests = outage.office.portal().requests;
    assert!(requests < 3 * 72 * 60, "{requests} requests to a portal that is down");
    outage.end();
    assert_eq!(outage.dropped + outage.office.journal_report().dropped, 0);
    assert_eq!(assert_holds_in_order(&mut outage.office, &outage.made), 0, "calls are missing");
}

#[test]
fn a_journal_that_three_days_do_not_fit_counts_what_it_drops_and_loses_nothing_else() {
    let mut outage = Outage::new(Plan { size_kib: 512, ..Plan::default() });
    outage.calls(CALLS);
    outage.end();
    let lost = assert_holds_in_order(&mut outage.office, &outage.made);
    assert!((1000..4000).contains(&lost), "{lost} calls lost");
    let (held, made) = (&outage.office.portals[0].dates, &outage.made);
    let young = made.len() - lost - 4 * CALLS_IN_HAND;
    assert!(held[held.len() - young..] == made[made.len() - young..], "calls that are not of the oldest are lost");
    // What a process dropped and had not overwritten yet is there again for the next one, and may be dropped again.
    let told = usize::try_from(outage.dropped + outage.office.journal_report().dropped).unwrap();
    let restarts = CALLS / 200;
    assert!((lost..=lost + restarts * 4 * 30).contains(&told), "{told} calls told as dropped, {lost} lost");
}

#[test]
fn an_outage_in_which_every_answer_is_lost_doubles_no_call() {
    let mut outage = Outage::new(Plan::default());
    outage.office.portal().mood = Mood::Mute;
    outage.calls(500);
    let requests = outage.office.portal().requests;
    assert!(requests < 3 * 6 * 60, "{requests} requests to a portal that never answers");
    outage.office.portal().mood = Mood::Well;
    outage.office.secs(3600);
    let mut held = outage.office.portal().dates.clone();
    held.sort_by_key(|(_, date)| *date);
    assert_eq!(held, outage.made);
}
