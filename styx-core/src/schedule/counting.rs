//! How many triggers lie between two of them, without going through them one by one.

use chrono::{DateTime, Utc};

use super::{
    Offset, Schedule,
    calendar::Date,
    instant_of, minute_of,
    natural::{MINUTES_A_DAY, Triggers, number_of, parts_of},
};

/// Some instants of a schedule that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instants {
    /// The smallest.
    pub first: DateTime<Utc>,
    /// The greatest.
    pub last: DateTime<Utc>,
    /// How many there are.
    pub count: u64,
}

impl Schedule {
    /// The instants whose trigger isn't before that of `from`, an instant of the schedule, and fires at `until` or before;
    /// `None` when there are none.
    pub fn due(&self, offset: &Offset, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<Instants> {
        let triggers = self.triggers(offset);
        let until = offset.minute_before_days_and_time(until)?;
        let last_month = parts_of(until).0 - triggers.months();
        triggers.instants(minute_of(from), last_month, |minute| triggers.led_to(minute) <= until)
    }

    /// The instants before `end` whose trigger isn't before that of `from`, an instant of the schedule; `None` when there
    /// are none.
    pub fn passed_over(&self, offset: &Offset, from: DateTime<Utc>, end: DateTime<Utc>) -> Option<Instants> {
        let triggers = self.triggers(offset);
        // A minute that is cut by the end has begun before it.
        let last = minute_of(end) - i64::from(end.timestamp() % 60 == 0 && end.timestamp_subsec_nanos() == 0);
        triggers.instants(minute_of(from), parts_of(last).0, |minute| minute <= last)
    }
}

impl Triggers<'_> {
    /// The instants from the trigger of `from` on that are `wanted`, up to this month of instants. All in the months before
    /// the last must be wanted, so only the first month and the last are looked through.
    fn instants(self, from: i64, last_month: i64, wanted: impl Fn(i64) -> bool) -> Option<Instants> {
        let first_month = parts_of(from).0;
        let last_month = last_month.min(LAST_MONTH);
        let mut found = Found::default();
        let place = |minute: i64| (self.led_to(minute), minute);
        let start = place(from);
        for month in [first_month, last_month] {
            if month < first_month || (month == last_month && found.is_complete) {
                continue;
            }
            let end = first_minute(month + 1);
            let mut minute = self.fields().at_or_after(first_minute(month));
            while let Some(at) = minute.filter(|at| *at < end) {
                if wanted(at) && place(at) >= start {
                    found.add(at, at, 1);
                }
                minute = self.fields().at_or_after(at + 1);
            }
            found.is_complete = first_month == last_month;
        }
        let between = (first_month + 1)..last_month;
        let count =
            between.clone().map(|month| self.fields().count_of_month(month.div_euclid(12), number_of(month))).sum();
        if count > 0 {
            let first = self.fields().at_or_after(first_minute(between.start))?;
            let last = self.fields().at_or_before(first_minute(between.end) - 1)?;
            found.add(first, last, count);
        }
        let (first, last) = found.ends?;
        Some(Instants { first: instant_of(first)?, last: instant_of(last)?, count: found.count })
    }
}

/// December of the year 9999.
const LAST_MONTH: i64 = 9_999 * 12 + 11;

#[derive(Default)]
struct Found {
    ends: Option<(i64, i64)>,
    count: u64,
    /// The first month was the last as well.
    is_complete: bool,
}

impl Found {
    fn add(&mut self, first: i64, last: i64, count: u64) {
        let (from, to) = self.ends.unwrap_or((first, last));
        self.ends = Some((from.min(first), to.max(last)));
        self.count += count;
    }
}

fn first_minute(month: i64) -> i64 {
    Date { year: month.div_euclid(12), month: number_of(month), day: 1 }.day_number() * MINUTES_A_DAY
}
