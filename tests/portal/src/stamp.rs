//! Dates as the portal writes and reads them: ISO 8601 with seconds and an offset.
//!
//! It stands alone because three traps live here: a date without an offset is in the portal's zone,
//! an unreadable one is an error and not "now", and answers carry the portal's zone, not UTC.

use std::time::SystemTime;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// The portal's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) zone: UtcOffset,
    pub(crate) ahead: i64,
}

impl Clock {
    /// The portal's time now, in its zone.
    pub(crate) fn now(self) -> OffsetDateTime {
        OffsetDateTime::from(SystemTime::now()).saturating_add(time::Duration::seconds(self.ahead)).to_offset(self.zone)
    }

    /// Reads a date of a request. `None` when it is not ISO 8601.
    pub(crate) fn read(self, text: &str) -> Option<OffsetDateTime> {
        let text = text.trim();
        let date = OffsetDateTime::parse(&with_colon(text), &Rfc3339).ok();
        date.or_else(|| self.read_local(text)).map(|date| date.to_offset(self.zone))
    }

    fn read_local(self, text: &str) -> Option<OffsetDateTime> {
        let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let day = format_description!("[year]-[month]-[day]");
        let local = PrimitiveDateTime::parse(text, seconds).ok();
        let local = local.or_else(|| Date::parse(text, day).ok().map(Date::midnight));
        local.map(|local| local.assume_offset(self.zone))
    }
}

/// `2026-03-10T11:19:38+03:00`.
pub(crate) fn write(date: OffsetDateTime) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory]:[offset_minute]"
    );
    date.format(format).unwrap_or_default()
}

/// Puts the colon into an offset such as `+0300`.
fn with_colon(text: &str) -> String {
    let at = text.len().saturating_sub(5);
    match text.split_at_checked(at) {
        Some((head, tail)) if tail.starts_with(['+', '-']) && tail.bytes().skip(1).all(|b| b.is_ascii_digit()) => {
            let (hours, minutes) = tail.split_at_checked(3).unwrap_or((tail, ""));
            format!("{head}{hours}:{minutes}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn moscow() -> Clock {
        Clock { zone: UtcOffset::from_hms(3, 0, 0).unwrap(), ahead: 0 }
    }

    #[test]
    fn a_date_without_offset_is_in_the_zone_of_the_portal() {
        let with = moscow().read("2026-03-10T11:19:38+03:00").unwrap();
        assert_eq!(moscow().read("2026-03-10T11:19:38"), Some(with));
        assert_eq!(moscow().read("2026-03-10T08:19:38Z"), Some(with));
        assert_eq!(moscow().read("2026-03-10T11:19:38+0300"), Some(with));
        assert_eq!(write(with), "2026-03-10T11:19:38+03:00");
    }

    #[test]
    fn rubbish_is_refused() {
        for text in ["", "now", "1710140185", "10.03.2026 11:19:38", "2026-13-10T11:19:38+03:00"] {
            assert_eq!(moscow().read(text), None, "{text}");
        }
    }
}
