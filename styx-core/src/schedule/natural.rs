//! Natural triggers: which instance a schedule starts next, and when.
//!
//! Triggers are ordered by the time at which they fire, then by their instant. Months in an offset cut days to the
//! length of the month that they lead to: with `P1M` the 28th to the 31st of January fire on the same day, so the order
//! of the instants is not the order of the triggers, and no subtraction finds the instants that fire after a time.
//! But an offset maps every month of instants to one month of its own, in order. So a search has to look at the month
//! that leads to the wanted one, where only its last days can fire out of order, and at the first instants after it.

use chrono::{DateTime, Utc};

use super::{
    Offset, Schedule,
    calendar::{Date, is_in_calendar, month_length},
    fields::Fields,
    instant_of, minute_of,
};

pub(super) const MINUTES_A_DAY: i64 = 24 * 60;

/// An instance that a schedule starts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NaturalTrigger {
    /// The logical time, which becomes the parameter.
    pub instant: DateTime<Utc>,
    /// When it fires: the logical time plus the offset.
    pub fires_at: DateTime<Utc>,
}

/// A schedule fires, and with this offset its first trigger isn't in the calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid offset: with `{}` the first trigger lies outside the years 0000 to 9999", .0.as_str())]
pub struct OffsetLeadsOut(pub Offset);

impl Schedule {
    /// The first trigger of a workflow that is stored now, or gets this schedule or offset now: the first that fires
    /// strictly after `now` (T-30, TR-4).
    ///
    /// So an instance that would fire at exactly `now` is left out. `None` if the schedule never
    /// fires, or if a time lies outside the years 0000 to 9999.
    ///
    /// ```
    /// use styx_core::schedule::{Offset, Schedule};
    ///
    /// // The 29th to the 31st of January fired with the 28th, at the start of 28 February.
    /// let first = Schedule::Daily.first_natural(&Offset::MONTH, "2026-02-28T12:00:00Z".parse()?).expect("it fires");
    /// assert_eq!(first.instant, "2026-02-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_natural(&self, offset: &Offset, now: DateTime<Utc>) -> Option<NaturalTrigger> {
        let minute = offset.minute_before_days_and_time(now)?;
        self.triggers(offset).after(minute, None).and_then(|minute| natural(offset, minute))
    }

    /// The trigger after the one with this logical time (T-31): the next in the order of firing. Those that fire at the
    /// same time come in the order of their instants.
    pub fn following(&self, offset: &Offset, instant: DateTime<Utc>) -> Option<NaturalTrigger> {
        let triggers = self.triggers(offset);
        let minute = minute_of(instant);
        triggers.after(triggers.led_to(minute), Some(minute)).and_then(|minute| natural(offset, minute))
    }

    /// The trigger before the one with this logical time, in the order of firing; `None` if there is none in the years 0000 to
    /// 9999.
    pub fn preceding(&self, offset: &Offset, instant: DateTime<Utc>) -> Option<NaturalTrigger> {
        self.triggers(offset).before(minute_of(instant)).and_then(|minute| natural(offset, minute))
    }

    pub(super) fn triggers(&self, offset: &Offset) -> Triggers<'_> {
        Triggers { fields: self.fields(), months: offset.months() }
    }
}

fn natural(offset: &Offset, minute: i64) -> Option<NaturalTrigger> {
    let instant = instant_of(minute).filter(|instant| is_in_calendar(*instant))?;
    Some(NaturalTrigger { instant, fires_at: offset.add_to(instant)? })
}

/// The triggers of a schedule, ordered by where the months of the offset lead, then by instant. What else an offset adds
/// is the same for all of them and changes no order. Times are whole minutes since 1970.
#[derive(Clone, Copy)]
pub(super) struct Triggers<'a> {
    fields: &'a Fields,
    months: i64,
}

/// A month of instants.
#[derive(Clone, Copy)]
struct Source {
    /// The day number of its first day.
    first: i64,
    /// How many days it has.
    length: u32,
    /// How many days the month has that it leads to: later days of this one lead to that one's last.
    target_length: u32,
}

impl Source {
    fn new(month: i64, months: i64) -> Self {
        let first = Date { year: month.div_euclid(12), month: number_of(month), day: 1 }.day_number();
        Self { first, length: length_of(month), target_length: length_of(month + months) }
    }

    fn end(self) -> i64 {
        (self.first + i64::from(self.length)) * MINUTES_A_DAY
    }

    /// Where the days begin that may fire out of order: those that lead to the last day of a month.
    fn late_days(self) -> i64 {
        (self.first + i64::from(self.target_length.min(self.length + 1)) - 1) * MINUTES_A_DAY
    }
}

impl<'a> Triggers<'a> {
    pub(super) fn fields(self) -> &'a Fields {
        self.fields
    }

    pub(super) fn months(self) -> i64 {
        self.months
    }

    /// The first instant, in the order of triggers, that leads to a later minute than this one, or to the same one from
    /// an instant after `tie`.
    fn after(self, minute: i64, tie: Option<i64>) -> Option<i64> {
        if self.months == 0 {
            return self.fields.at_or_after(minute + 1);
        }
        let (target, day, time) = parts_of(minute);
        let source = Source::new(target - self.months, self.months);
        let in_order = source.late_days();
        let found = if day < source.target_length {
            // A longer month's later days have no instants that lead to them.
            let same_day = source.first + i64::from(day.min(source.length + 1)) - 1;
            let from = if day > source.length { source.end() } else { same_day * MINUTES_A_DAY + time + 1 };
            self.fields.at_or_after(from)?
        } else {
            match self.first_late(source, Some((time, tie))) {
                Some(found) => return Some(found),
                None => self.fields.at_or_after(source.end())?,
            }
        };
        if found < in_order {
            return Some(found);
        }
        // In the days that may be out of order, of this month or of a later one, the first instant needn't fire first.
        let source = Source::new(parts_of(found).0, self.months);
        if found < source.late_days() { Some(found) } else { self.first_late(source, None) }
    }

    /// The first trigger among a month's last days, which all lead to one day: the earliest time of day, then the
    /// earliest day. With `after` only those later than this time of day, or of the same on a later day than the tie.
    fn first_late(self, source: Source, after: Option<(i64, Option<i64>)>) -> Option<i64> {
        let days = (source.late_days()..source.end()).step_by(MINUTES_A_DAY as usize);
        let first_of_day = |day: i64| {
            let from = after.map_or(day, |(time, tie)| {
                let same = day + time;
                if tie.is_some_and(|tie| same > tie) { same } else { same + 1 }
            });
            let found = self.fields.at_or_after(from).filter(|found| *found < day + MINUTES_A_DAY)?;
            Some((found - day, found))
        };
        days.filter_map(first_of_day).min().map(|(_, found)| found)
    }

    /// The last instant, in the order of triggers, before that of this minute.
    fn before(self, minute: i64) -> Option<i64> {
        if self.months == 0 {
            return self.fields.at_or_before(minute - 1);
        }
        let source = Source::new(parts_of(minute).0, self.months);
        if minute >= source.late_days()
            && let Some(found) = self.last_late(source, Some(minute))
        {
            return Some(found);
        }
        let found = self.fields.at_or_before(minute.min(source.late_days()) - 1)?;
        // Of the days that may be out of order, the last instant needn't fire last.
        let source = Source::new(parts_of(found).0, self.months);
        if found < source.late_days() { Some(found) } else { self.last_late(source, None) }
    }

    /// The last trigger among a month's last days, which all lead to one day: the latest time of day, then the latest day.
    /// With `before` only those earlier than that minute's time of day, or of the same on an earlier day.
    fn last_late(self, source: Source, before: Option<i64>) -> Option<i64> {
        let days = (source.late_days()..source.end()).step_by(MINUTES_A_DAY as usize);
        let last_of_day = |day: i64| {
            let until = before.map_or(day + MINUTES_A_DAY - 1, |minute| {
                let same = day + minute.rem_euclid(MINUTES_A_DAY);
                if same < minute { same } else { same - 1 }
            });
            let found = self.fields.at_or_before(until).filter(|found| *found >= day)?;
            Some((found - day, found))
        };
        days.filter_map(last_of_day).max().map(|(_, found)| found)
    }

    /// Where an instant is led to by the months of the offset.
    pub(super) fn led_to(self, minute: i64) -> i64 {
        let (month, day, time) = parts_of(minute);
        let target = month + self.months;
        let day = day.min(length_of(target));
        Date { year: target.div_euclid(12), month: number_of(target), day }.day_number() * MINUTES_A_DAY + time
    }
}

/// The month of a minute, counted from January of the year 0, the day in it, and the minute of that day.
pub(super) fn parts_of(minute: i64) -> (i64, u32, i64) {
    let date = Date::from_day_number(minute.div_euclid(MINUTES_A_DAY));
    (date.year * 12 + i64::from(date.month) - 1, date.day, minute.rem_euclid(MINUTES_A_DAY))
}

/// The number of a month in its year, from 1 on.
pub(super) fn number_of(month: i64) -> u32 {
    month.rem_euclid(12) as u32 + 1
}

fn length_of(month: i64) -> u32 {
    month_length(month.div_euclid(12), number_of(month))
}
