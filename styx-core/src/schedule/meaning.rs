//! What schedules and offsets mean, however they are written.

use chrono::{DateTime, Utc};

use super::{Offset, Schedule, parameter::full_name};

impl Schedule {
    /// Whether both name the same instants in the same form. `0 0 * * 0-6` means the same as `0 0 * * *`; `hourly` and
    /// `0 * * * *` don't, since their parameters look different.
    pub fn means_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cron(a), Self::Cron(b)) => a.fields().plain() == b.fields().plain(),
            _ => self == other,
        }
    }

    /// All names that the instance of an instant can have, by any schedule that has the instant.
    pub fn names(instant: DateTime<Utc>) -> impl Iterator<Item = String> {
        let well_known = [Self::Hourly, Self::Daily, Self::Monthly, Self::Yearly];
        let well_known = well_known.into_iter().filter(move |schedule| schedule.is_aligned(instant));
        let names = well_known.map(move |schedule| schedule.parameter(instant));
        std::iter::once(full_name(instant)).chain(names)
    }
}

impl Offset {
    /// Whether both lead every instant to the same time: `PT24H` means the same as `P1D`, and `P12M` as `P1Y`.
    pub fn means_same(&self, other: &Self) -> bool {
        self.months() == other.months() && self.days_and_time() == other.days_and_time()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, offset, schedule};
    use super::*;

    #[test]
    fn schedules_are_compared_by_what_they_match_and_how_it_is_named() {
        for (a, b) in [
            ("* * * * *", "*/1 * * * *"),
            ("0 0 * * 0-6", "0 0 * * 0-7"),
            ("0 0 * * 0-6", "0 0 * * *"),
            ("0 0 1-31 * *", "0 0 * * *"),
            ("0 0 1-31 * MON", "0 0 * * *"),
            ("0 0 13 * 0-6", "0 0 * * *"),
            ("0 0 * * SUN", "0  0 * * 7"),
            ("0 0 30,31 2,4 *", "0 0 30 4 *"),
            ("0 0 1,30 2 MON", "0 0 1 2 MON"),
            ("0 0 31 2,4 MON", "0 0 * 2,4 1"),
            ("0 0 1-29 2 MON", "0 0 * FEB *"),
            ("5,10 */12 * * *", "05/5,10 0,12 * * *"),
            ("@daily", "days"),
        ] {
            let same = a != "5,10 */12 * * *";
            assert_eq!(schedule(a).means_same(&schedule(b)), same, "{a} {b}");
        }
        for (a, b) in [
            ("hourly", "0 * * * *"),
            ("daily", "0 0 * * *"),
            ("daily", "weekly"),
            ("0 0 1 * MON", "0 0 1 * *"),
            ("0 0 1-28 2 *", "0 0 * 2 *"),
            ("0 0 1-28 2 MON", "0 0 * 2 *"),
        ] {
            assert!(!schedule(a).means_same(&schedule(b)), "{a} {b}");
        }
    }

    #[test]
    fn offsets_are_compared_by_where_they_lead() {
        for (a, b) in [
            ("PT24H", "P1D"),
            ("P7D", "P1W"),
            ("P12M", "P1Y"),
            ("PT60M", "pt1h"),
            ("P", "PT0S"),
            ("-P1D", "P-1D"),
            ("PT1M-60S", "P"),
            ("P1DT-1H", "PT23H"),
            ("-PT0.5S", "PT-1.5S"),
        ] {
            let same = a != "-PT0.5S";
            assert_eq!(offset(a).means_same(&offset(b)), same, "{a} {b}");
        }
        for (a, b) in [("P1M", "P30D"), ("P1M", "-P1M"), ("PT1S", "PT1.000000001S")] {
            assert!(!offset(a).means_same(&offset(b)), "{a} {b}");
        }
    }

    #[test]
    fn an_instant_has_a_name_for_each_form_that_can_name_it() {
        let names = |text: &str| Schedule::names(at(text)).collect::<Vec<_>>();
        assert_eq!(
            names("2024-01-01T00:00:00Z"),
            ["2024-01-01T00:00:00Z", "2024-01-01T00", "2024-01-01", "2024-01", "2024"]
        );
        assert_eq!(names("2024-03-01T07:00:00Z"), ["2024-03-01T07:00:00Z", "2024-03-01T07"]);
        assert_eq!(names("2024-03-01T07:05:00Z"), ["2024-03-01T07:05:00Z"]);
    }
}
