//! Who should have the client's card open: decided without I/O.
//!
//! Stands alone because it is the part of the cards that can be wrong: the whole present state of a call against what
//! was shown so far. Bounds: as many users as extensions can ring.

use crate::call::live::LiveCall;
use crate::call::record::{Direction, Extension};
use crate::config::{Create, ShowCard};
use crate::crm::Shown;
use crate::limits::RANG_PER_CALL;
use heapless::Vec;

/// Users of a call.
pub(super) type Party = Vec<u32, RANG_PER_CALL>;

/// The users who should have the card open now, the one to register for first. Extensions without a user have none.
pub(super) fn wanted(call: &LiveCall, when: ShowCard, user_of: impl Fn(&Extension) -> Option<u32>) -> Party {
    let mut party = Party::new();
    let add = |extension: &Extension| {
        if let Some(user) = user_of(extension).filter(|user| !party.contains(user)) {
            // At the cap the card of the last ones stays away.
            let _ = party.push(user);
        }
    };
    match (when, call.direction) {
        (ShowCard::Never, _) | (_, Direction::Internal) => {}
        (ShowCard::OnAnswer, _) => call.talking.iter().for_each(add),
        (ShowCard::OnRing, Direction::Inbound) => call.talking.iter().chain(&call.ringing).for_each(add),
        (ShowCard::OnRing, Direction::Outbound) => match &call.talking {
            Some(talking) => std::iter::once(talking).chain(&call.ringing).for_each(add),
            None => std::iter::once(&call.caller).chain(&call.ringing).for_each(add),
        },
    }
    party
}

/// What is to be shown and what hidden to get from `shown` to `wanted`.
pub(super) fn difference(wanted: &Party, shown: &Shown) -> (Party, Party) {
    let show = wanted.iter().copied().filter(|user| !shown.0.contains(user)).collect();
    let hide = shown.0.iter().copied().filter(|user| !wanted.contains(user)).collect();
    (show, hide)
}

/// Whether the portal makes a lead or contact for an unknown client.
pub(super) fn creates(create: Create, direction: Direction) -> bool {
    match create {
        Create::Never => false,
        Create::Always => true,
        Create::Inbound => direction == Direction::Inbound,
        Create::Outbound => direction == Direction::Outbound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::bounded;

    fn user_of(extension: &Extension) -> Option<u32> {
        extension.parse::<u32>().ok().filter(|number| (101..=109).contains(number)).map(|number| number - 90)
    }

    fn call(direction: Direction, caller: &str, ringing: &[&str], talking: Option<&str>) -> LiveCall {
        LiveCall {
            caller: bounded(caller.as_bytes()),
            ringing: ringing.iter().map(|extension| bounded(extension.as_bytes())).collect(),
            talking: talking.map(|extension| bounded(extension.as_bytes())),
            ..super::super::tests::live(direction)
        }
    }

    fn on_ring(call: &LiveCall) -> Vec<u32, RANG_PER_CALL> {
        wanted(call, ShowCard::OnRing, user_of)
    }

    #[test]
    fn a_ring_group_gets_cards_and_keeps_one_at_answer() {
        let ringing = call(Direction::Inbound, "", &["101", "200", "102", "104"], None);
        assert_eq!(on_ring(&ringing).as_slice(), [11, 12, 14]);
        let shown = Shown(on_ring(&ringing));
        let answered = call(Direction::Inbound, "", &[], Some("104"));
        let (show, hide) = difference(&on_ring(&answered), &shown);
        assert_eq!((show.as_slice(), hide.as_slice()), (&[][..], &[11, 12][..]));
    }

    #[test]
    fn the_next_in_a_queue_is_shown_and_the_last_hidden_in_one_step() {
        let shown = Shown([11].into_iter().collect());
        let (show, hide) = difference(&on_ring(&call(Direction::Inbound, "", &["102"], None)), &shown);
        assert_eq!((show.as_slice(), hide.as_slice()), (&[12][..], &[11][..]));
    }

    #[test]
    fn a_transfer_target_sees_the_card_while_it_rings() {
        let transfer = call(Direction::Inbound, "", &["105"], Some("104"));
        assert_eq!(on_ring(&transfer).as_slice(), [14, 15]);
        let taken = call(Direction::Outbound, "101", &[], Some("105"));
        assert_eq!(on_ring(&taken).as_slice(), [15]);
    }

    #[test]
    fn outbound_shows_to_the_caller_and_internal_to_nobody() {
        assert_eq!(on_ring(&call(Direction::Outbound, "101", &[], None)).as_slice(), [11]);
        assert!(on_ring(&call(Direction::Internal, "101", &["102"], None)).is_empty());
        assert!(on_ring(&call(Direction::Inbound, "", &["200"], None)).is_empty());
    }

    #[test]
    fn on_answer_and_never() {
        let ringing = call(Direction::Inbound, "", &["101"], None);
        let talking = call(Direction::Inbound, "", &["101"], Some("102"));
        assert!(wanted(&ringing, ShowCard::OnAnswer, user_of).is_empty());
        assert_eq!(wanted(&talking, ShowCard::OnAnswer, user_of).as_slice(), [12]);
        assert!(wanted(&talking, ShowCard::Never, user_of).is_empty());
    }
}
