//! Days as numbers: the proleptic Gregorian calendar, without a clock and without a zone.
//!
//! A *day number* counts days from 1970-01-01. The arithmetic is that of Howard Hinnant's
//! `days_from_civil` and holds for years before 1970 and before year 0 as well.

use chrono::{DateTime, Utc};

/// Seconds of a day; there are no leap seconds here.
pub(super) const SECONDS_A_DAY: i64 = 86_400;

/// The second at which year 0000 begins.
const CALENDAR_START: i64 = -62_167_219_200;
/// The second at which year 10000 begins.
const CALENDAR_END: i64 = 253_402_300_800;

/// A day by year, month (1-12) and day of month (1-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
}

impl Date {
    /// The day with this number.
    pub(super) fn from_day_number(number: i64) -> Self {
        let shifted = number + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// The number of this day.
    pub(super) fn day_number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

/// How many days a month has.
pub(super) fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The day of week of a day number: 0 is Sunday, 6 is Saturday.
pub(super) fn weekday(number: i64) -> u32 {
    (number + 4).rem_euclid(7) as u32
}

/// Whether an instant lies in the years 0000 to 9999, the only ones that parameters can name.
pub(super) fn is_in_calendar(at: DateTime<Utc>) -> bool {
    (CALENDAR_START..CALENDAR_END).contains(&at.timestamp())
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};

    use super::*;

    #[test]
    fn every_day_of_a_few_centuries_agrees_with_chrono() {
        let mut expected = NaiveDate::from_ymd_opt(-410, 1, 1).unwrap();
        let first = i64::from(expected.to_epoch_days());
        for number in first..first + 1_100_000 {
            let date = Date::from_day_number(number);
            assert_eq!(
                (date.year, date.month, date.day),
                (i64::from(expected.year()), expected.month(), expected.day())
            );
            assert_eq!(date.day_number(), number);
            assert_eq!(weekday(number), expected.weekday().num_days_from_sunday());
            let tomorrow = expected.succ_opt().unwrap();
            let is_last = tomorrow.month() != expected.month();
            assert_eq!(month_length(date.year, date.month) == date.day, is_last, "{expected}");
            expected = tomorrow;
        }
    }

    #[test]
    fn the_calendar_has_four_digit_years() {
        for (text, inside) in [
            ("-0001-12-31T23:59:59Z", false),
            ("0000-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59Z", true),
            ("+10000-01-01T00:00:00Z", false),
        ] {
            assert_eq!(is_in_calendar(text.parse().unwrap()), inside, "{text}");
        }
    }
}
