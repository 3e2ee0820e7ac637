//! SOURCE_DATE_EPOCH as the dates that formats ask for, in UTC.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second since 1970, taken apart.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    clock: (u64, u64, u64),
    weekday: usize,
}

impl Civil {
    fn of(epoch: u64) -> Self {
        let days = epoch / 86_400;
        let second = epoch % 86_400;
        // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            clock: (second / 3600, second / 60 % 60, second % 60),
            weekday: (days % 7) as usize,
        }
    }
}

/// As RFC 3339 has it: `2026-11-29T02:18:09Z`.
pub fn rfc3339(epoch: u64) -> String {
    let Civil { year, month, day, clock: (h, m, s), .. } = Civil::of(epoch);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

/// As Debian's changelog has it: `Sun, 29 Nov 2026 02:18:09 +0000`.
pub fn rfc5322(epoch: u64) -> String {
    let Civil { year, month, day, clock: (h, m, s), weekday } = Civil::of(epoch);
    let weekday = DAYS.get(weekday).copied().unwrap_or_default();
    let month = MONTHS.get((month - 1) as usize).copied().unwrap_or_default();
    format!("{weekday}, {day:02} {month} {year:04} {h:02}:{m:02}:{s:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, rfc5322};

    // The right side is what `date -u -d @SECONDS` prints.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (epoch, iso, mail) in [
            (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_799, "2000-02-29T23:59:59Z", "Tue, 29 Feb 2000 23:59:59 +0000"),
            (1_795_918_689, "2026-11-29T02:18:09Z", "Sun, 29 Nov 2026 02:18:09 +0000"),
            (4_107_542_400, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(rfc3339(epoch), iso);
            assert_eq!(rfc5322(epoch), mail);
        }
    }
}
