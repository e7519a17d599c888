//! When a cron expression matches: bit masks, and the search over them.
//!
//! Time is counted in whole minutes since 1970. A search looks up the minute and the hour in their
//! masks; only if the day is over does it go on to a later day, a month at a time: the days of a
//! month that match are one 32-bit mask, whatever the two day fields say.

use super::calendar::{Date, month_length, weekday};

const MINUTES_AN_HOUR: i64 = 60;
const MINUTES_A_DAY: i64 = 24 * MINUTES_AN_HOUR;

const ALL_MONTHS: u16 = 0b1_1111_1111_1110;
const ALL_WEEKDAYS: u8 = 0b111_1111;

/// Which of the two day fields decides (T-56).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum DayRule {
    /// Both are `*`.
    EveryDay,
    /// The day of week is `*`.
    DayOfMonth,
    /// The day of month is `*`.
    DayOfWeek,
    /// Neither is `*`: a day matches if one of them does.
    Either,
}

/// The values that a schedule matches, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Fields {
    /// Bits 0 to 59; never empty.
    minutes: u64,
    /// Bits 0 to 23; never empty.
    hours: u32,
    /// Bits 1 to 31.
    days: u32,
    /// Bits 1 to 12, without the months that have none of the wanted days: empty if and only if
    /// nothing ever matches (T-59).
    months: u16,
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    day_rule: DayRule,
}

impl Fields {
    /// Fields from their masks; `None` stands for a day field that is `*`.
    pub(super) const fn new(minutes: u64, hours: u32, days: Option<u32>, months: u16, weekdays: Option<u8>) -> Self {
        let (day_rule, days, weekdays) = match (days, weekdays) {
            (None, None) => (DayRule::EveryDay, 0, ALL_WEEKDAYS),
            (Some(days), None) => (DayRule::DayOfMonth, days, 0),
            (None, Some(weekdays)) => (DayRule::DayOfWeek, 0, weekdays),
            (Some(days), Some(weekdays)) => (DayRule::Either, days, weekdays),
        };
        let months = match day_rule {
            DayRule::DayOfMonth => months & months_with_a_day_of(days),
            _ => months,
        };
        Self { minutes, hours, days, months, weekdays, day_rule }
    }

    /// The same in its plainest form: two that match the same minutes are equal then. Days that no wanted month has are
    /// left out, and day fields that leave no day out are `*`.
    pub(super) fn plain(&self) -> Self {
        let months = (1..=12).filter(|month| bit(u64::from(self.months), *month));
        // 2024 is a leap year.
        let longest = months.map(|month| month_length(2_024, month as u32)).max().unwrap_or(0);
        let existing = below(longest + 1) & !1;
        let days = self.days & existing;
        let (every_day, every_weekday) = (days == existing, self.weekdays == ALL_WEEKDAYS);
        let (day_rule, days, weekdays) = match self.day_rule {
            DayRule::DayOfMonth if every_day => (DayRule::EveryDay, 0, ALL_WEEKDAYS),
            DayRule::DayOfWeek if every_weekday => (DayRule::EveryDay, 0, ALL_WEEKDAYS),
            DayRule::Either if every_day || every_weekday => (DayRule::EveryDay, 0, ALL_WEEKDAYS),
            DayRule::Either if days == 0 => (DayRule::DayOfWeek, 0, self.weekdays),
            rule => (rule, days, self.weekdays),
        };
        Self { days, weekdays, day_rule, ..*self }
    }

    /// How many minutes of a month match.
    pub(super) fn count_of_month(&self, year: i64, month: u32) -> u64 {
        let days = self.days_of(Month::new(year, month)).count_ones();
        u64::from(days) * u64::from(self.hours.count_ones()) * u64::from(self.minutes.count_ones())
    }

    /// Whether this minute matches.
    pub(super) fn matches(&self, minute: i64) -> bool {
        let of_day = minute.rem_euclid(MINUTES_A_DAY);
        bit(self.minutes, of_day % MINUTES_AN_HOUR)
            && bit(u64::from(self.hours), of_day / MINUTES_AN_HOUR)
            && (self.is_every_day() || {
                let (month, day) = Month::with_day(minute.div_euclid(MINUTES_A_DAY));
                bit(u64::from(self.days_of(month)), i64::from(day))
            })
    }

    /// The first match at or after this minute.
    pub(super) fn at_or_after(&self, minute: i64) -> Option<i64> {
        let day = minute.div_euclid(MINUTES_A_DAY);
        let of_day = minute.rem_euclid(MINUTES_A_DAY);
        if self.is_every_day() {
            return Some(match self.time_at_or_after(of_day) {
                Some(time) => day * MINUTES_A_DAY + time,
                None => (day + 1) * MINUTES_A_DAY + self.first_time(),
            });
        }
        if self.months == 0 {
            return None;
        }
        let (mut month, of_month) = Month::with_day(day);
        let mut days = self.days_of(month);
        if bit(u64::from(days), i64::from(of_month))
            && let Some(time) = self.time_at_or_after(of_day)
        {
            return Some(day * MINUTES_A_DAY + time);
        }
        days &= above(of_month);
        // Ends within eight years: `months` keeps only months that have a matching day, some year.
        while days == 0 {
            let later = u32::from(self.months) & above(month.number);
            month = if later == 0 {
                Month::new(month.year + 1, self.months.trailing_zeros())
            } else {
                Month::new(month.year, later.trailing_zeros())
            };
            days = self.days_of(month);
        }
        Some(month.day_number(days.trailing_zeros()) * MINUTES_A_DAY + self.first_time())
    }

    /// The last match at or before this minute.
    pub(super) fn at_or_before(&self, minute: i64) -> Option<i64> {
        let day = minute.div_euclid(MINUTES_A_DAY);
        let of_day = minute.rem_euclid(MINUTES_A_DAY);
        if self.is_every_day() {
            return Some(match self.time_at_or_before(of_day) {
                Some(time) => day * MINUTES_A_DAY + time,
                None => (day - 1) * MINUTES_A_DAY + self.last_time(),
            });
        }
        if self.months == 0 {
            return None;
        }
        let (mut month, of_month) = Month::with_day(day);
        let mut days = self.days_of(month);
        if bit(u64::from(days), i64::from(of_month))
            && let Some(time) = self.time_at_or_before(of_day)
        {
            return Some(day * MINUTES_A_DAY + time);
        }
        days &= below(of_month);
        while days == 0 {
            let earlier = u32::from(self.months) & below(month.number);
            month = if earlier == 0 {
                Month::new(month.year - 1, self.months.ilog2())
            } else {
                Month::new(month.year, earlier.ilog2())
            };
            days = self.days_of(month);
        }
        Some(month.day_number(days.ilog2()) * MINUTES_A_DAY + self.last_time())
    }

    /// Whether days and months do not matter, so that no date has to be worked out.
    fn is_every_day(&self) -> bool {
        self.day_rule == DayRule::EveryDay && self.months == ALL_MONTHS
    }

    /// The matching days of a month, bit 1 for the first.
    fn days_of(&self, month: Month) -> u32 {
        if !bit(u64::from(self.months), i64::from(month.number)) {
            return 0;
        }
        let existing = below(month_length(month.year, month.number) + 1) & !1;
        existing
            & match self.day_rule {
                DayRule::EveryDay => u32::MAX,
                DayRule::DayOfMonth => self.days,
                DayRule::DayOfWeek => self.weekdays_of(month),
                DayRule::Either => self.days | self.weekdays_of(month),
            }
    }

    /// The week, turned so that it begins with the month's first day, then repeated five times.
    fn weekdays_of(&self, month: Month) -> u32 {
        const FIVE_WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
        let first = weekday(month.first);
        let week = u64::from(self.weekdays);
        let turned = (week >> first | week << (7 - first)) & u64::from(ALL_WEEKDAYS);
        ((turned * FIVE_WEEKS) << 1) as u32
    }

    fn time_at_or_after(&self, of_day: i64) -> Option<i64> {
        let (hour, minute) = (of_day / MINUTES_AN_HOUR, of_day % MINUTES_AN_HOUR);
        let minutes = self.minutes & (u64::MAX << minute);
        if minutes != 0 && bit(u64::from(self.hours), hour) {
            return Some(hour * MINUTES_AN_HOUR + i64::from(minutes.trailing_zeros()));
        }
        let hours = self.hours & above(hour as u32);
        (hours != 0)
            .then(|| i64::from(hours.trailing_zeros()) * MINUTES_AN_HOUR + i64::from(self.minutes.trailing_zeros()))
    }

    fn time_at_or_before(&self, of_day: i64) -> Option<i64> {
        let (hour, minute) = (of_day / MINUTES_AN_HOUR, of_day % MINUTES_AN_HOUR);
        let minutes = self.minutes & (u64::MAX >> (63 - minute));
        if minutes != 0 && bit(u64::from(self.hours), hour) {
            return Some(hour * MINUTES_AN_HOUR + i64::from(minutes.ilog2()));
        }
        let hours = self.hours & below(hour as u32);
        (hours != 0).then(|| i64::from(hours.ilog2()) * MINUTES_AN_HOUR + i64::from(self.minutes.ilog2()))
    }

    fn first_time(&self) -> i64 {
        i64::from(self.hours.trailing_zeros()) * MINUTES_AN_HOUR + i64::from(self.minutes.trailing_zeros())
    }

    fn last_time(&self) -> i64 {
        i64::from(self.hours.ilog2()) * MINUTES_AN_HOUR + i64::from(self.minutes.ilog2())
    }
}

/// A month, and the day number of its first day.
#[derive(Clone, Copy)]
struct Month {
    year: i64,
    number: u32,
    first: i64,
}

impl Month {
    fn new(year: i64, number: u32) -> Self {
        let first = Date { year, month: number, day: 1 }.day_number();
        Self { year, number, first }
    }

    /// The month of a day, and which day of it that is.
    fn with_day(day_number: i64) -> (Self, u32) {
        let Date { year, month, day } = Date::from_day_number(day_number);
        let first = day_number + 1 - i64::from(day);
        (Self { year, number: month, first }, day)
    }

    fn day_number(self, day: u32) -> i64 {
        self.first + i64::from(day) - 1
    }
}

/// The months in which at least one of these days exists, in a leap year at the latest.
const fn months_with_a_day_of(days: u32) -> u16 {
    const THIRTY_ONE_DAYS: u16 = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12;
    const FEBRUARY: u16 = 1 << 2;
    let mut months = 0;
    if days & below(32) != 0 {
        months |= THIRTY_ONE_DAYS;
    }
    if days & below(31) != 0 {
        months |= ALL_MONTHS & !THIRTY_ONE_DAYS & !FEBRUARY;
    }
    if days & below(30) != 0 {
        months |= FEBRUARY;
    }
    months
}

fn bit(mask: u64, index: i64) -> bool {
    mask >> index & 1 != 0
}

/// The bits above `index`, which may be up to 31.
const fn above(index: u32) -> u32 {
    ((u32::MAX as u64) << (index + 1)) as u32
}

/// The bits below `index`, which may be up to 32.
const fn below(index: u32) -> u32 {
    ((1_u64 << index) - 1) as u32
}
