//! STATUS_CODE of a finished call.
//!
//! Stands alone because it is a table and everybody who looks for "why does the portal say 480" looks for it. Bitrix24
//! prescribes the codes and not how they follow from a call; an inbound call that nobody took is 304 whatever the
//! reason, because only 304 makes the portal's missed call with its counter. Causes are Q.850's.

use crate::call::record::{CallRecord, DialStatus, Direction, Disposition};

/// The code of `call`.
pub fn of(call: &CallRecord) -> &'static str {
    match (call.disposition, call.direction) {
        (Disposition::Answered, _) => "200",
        (_, Direction::Inbound) => inbound(call.dial_status),
        (disposition, Direction::Outbound | Direction::Internal) => outbound(disposition, call.dial_status, call.cause),
    }
}

fn inbound(dial: DialStatus) -> &'static str {
    match dial {
        DialStatus::DontCall => "423",
        DialStatus::Torture => "603",
        _ => "304",
    }
}

fn outbound(disposition: Disposition, dial: DialStatus, cause: u16) -> &'static str {
    match (dial, disposition) {
        (DialStatus::Cancel, _) | (_, Disposition::Cancelled) => "603-S",
        (DialStatus::DontCall | DialStatus::Torture, _) => "603",
        (DialStatus::InvalidArgs, _) => "404",
        // Asterisk 16's chan_sip tells a declined call as BUSY with cause 21.
        _ if cause == 21 => "603",
        // And one that was not answered (480) as BUSY with the cause of that.
        (DialStatus::Busy, _) if matches!(cause, 18..=20) => "480",
        (DialStatus::Busy, _) => "486",
        (DialStatus::ChanUnavail, _) => by_cause(cause).unwrap_or("503"),
        // Congestion with a cause of its own, such as a wrong number, is that.
        (DialStatus::Congestion, _) => by_cause(cause).filter(|code| *code != "480").unwrap_or("503"),
        (DialStatus::NoAnswer, _) => "480",
        (DialStatus::Unknown | DialStatus::Answer, Disposition::Busy) => "486",
        (DialStatus::Unknown | DialStatus::Answer, Disposition::Missed | Disposition::Voicemail) => {
            by_cause(cause).unwrap_or("480")
        }
        (DialStatus::Unknown | DialStatus::Answer, _) => by_cause(cause).unwrap_or("OTHER"),
    }
}

fn by_cause(cause: u16) -> Option<&'static str> {
    Some(match cause {
        1 | 22 | 28 => "404",
        2 | 3 => "484",
        16 | 18 | 19 | 20 | 31 | 102 => "480",
        17 => "486",
        21 => "603",
        27 | 34 | 38 | 41 | 42 | 44 | 58 => "503",
        29 | 50 | 52 | 57 => "403",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::{Answered, Busy, Cancelled, Failed, Missed, Voicemail};

    #[test]
    fn inbound_calls_that_nobody_took_are_missed_whatever_the_reason() {
        for (disposition, dial, code) in [
            (Answered, DialStatus::Answer, "200"),
            (Missed, DialStatus::NoAnswer, "304"),
            (Busy, DialStatus::Busy, "304"),
            (Cancelled, DialStatus::Cancel, "304"),
            (Failed, DialStatus::ChanUnavail, "304"),
            (Failed, DialStatus::Congestion, "304"),
            (Voicemail, DialStatus::NoAnswer, "304"),
            (Missed, DialStatus::Unknown, "304"),
            (Failed, DialStatus::DontCall, "423"),
            (Failed, DialStatus::Torture, "603"),
        ] {
            let mut call = super::super::tests::record(Direction::Inbound);
            (call.disposition, call.dial_status, call.cause) = (disposition, dial, 21);
            assert_eq!(of(&call), code, "{disposition:?} {dial:?}");
        }
    }

    #[test]
    fn outbound_calls_say_why_they_failed() {
        for (disposition, dial, cause, code) in [
            (Answered, DialStatus::Answer, 16, "200"),
            (Busy, DialStatus::Busy, 17, "486"),
            (Busy, DialStatus::Busy, 21, "603"),
            (Busy, DialStatus::Busy, 19, "480"),
            (Missed, DialStatus::NoAnswer, 16, "480"),
            (Missed, DialStatus::NoAnswer, 0, "480"),
            (Cancelled, DialStatus::Cancel, 16, "603-S"),
            (Cancelled, DialStatus::Unknown, 0, "603-S"),
            (Failed, DialStatus::ChanUnavail, 21, "603"),
            (Failed, DialStatus::ChanUnavail, 1, "404"),
            (Failed, DialStatus::ChanUnavail, 3, "484"),
            (Failed, DialStatus::ChanUnavail, 20, "480"),
            (Failed, DialStatus::ChanUnavail, 52, "403"),
            (Failed, DialStatus::ChanUnavail, 0, "503"),
            (Failed, DialStatus::Congestion, 0, "503"),
            (Failed, DialStatus::Congestion, 34, "503"),
            (Failed, DialStatus::Congestion, 16, "503"),
            (Failed, DialStatus::Congestion, 1, "404"),
            (Failed, DialStatus::InvalidArgs, 0, "404"),
            (Failed, DialStatus::DontCall, 0, "603"),
            (Failed, DialStatus::Unknown, 127, "OTHER"),
            (Failed, DialStatus::Unknown, 26, "OTHER"),
        ] {
            let mut call = super::super::tests::record(Direction::Outbound);
            (call.disposition, call.dial_status, call.cause) = (disposition, dial, cause);
            assert_eq!(of(&call), code, "{disposition:?} {dial:?} {cause}");
        }
    }
}
