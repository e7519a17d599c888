//! When a workflow runs: schedules, offsets, and the parameters that name an instance.
//!
//! Everything is in UTC and a pure function of its arguments. A [`Schedule`] says which minutes are
//! *aligned*; an aligned instant is the logical time of an instance, its parameter is that time as
//! text, and it fires an [`Offset`] later.
//!
//! The rules are part 4 of the API contract (T-1 to T-60) and part (a) of the scheduler's (TR-1 to
//! TR-4, TR-19).

mod calendar;
mod counting;
mod cron;
mod fields;
mod meaning;
mod natural;
mod offset;
mod parameter;
mod partition;
mod range;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};

use self::fields::Fields;
pub use self::{
    counting::Instants,
    cron::{Cron, CronField, ParseCronError},
    natural::{NaturalTrigger, OffsetLeadsOut},
    offset::{Offset, ParseOffsetError},
    parameter::{ParameterForm, ParseParameterError, read_any_parameter},
    partition::{Nearest, NoPartition, names_of},
    range::{Range, RangeError},
};

/// When a workflow runs: one of the well-known schedules, or a cron expression (T-1).
///
/// A cron expression that means the same as a well-known schedule is still another schedule: its
/// parameters look different and its default offset is zero (T-3).
///
/// ```
/// use styx_core::schedule::Schedule;
///
/// let schedule = Schedule::parse("30 6 * * MON-FRI")?;
/// let friday = "2024-03-29T06:30:00Z".parse()?;
/// assert_eq!(schedule.next(friday), Some("2024-04-01T06:30:00Z".parse()?));
/// assert_eq!(schedule.parameter(friday), "2024-03-29T06:30:00Z");
///
/// assert_eq!(Schedule::parse("@Daily")?, Schedule::Daily);
///
/// let refused = Schedule::parse("60 * * * *").unwrap_err();
/// assert_eq!(refused.to_string(), "minute: `60` at column 1 is out of range, expected 0-59");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schedule {
    /// At the start of every hour.
    Hourly,
    /// At midnight.
    Daily,
    /// At midnight before Monday.
    Weekly,
    /// At midnight before the first of a month.
    Monthly,
    /// At midnight before 1 January.
    Yearly,
    /// Whenever the expression matches.
    Cron(Cron),
}

impl Schedule {
    /// Reads an alias in any letter case (T-1), or else a cron expression (T-50 to T-57).
    ///
    /// # Errors
    /// What is wrong with the text, and where. A schedule that never fires is no error (T-59): its
    /// [`next`](Self::next) is `None`.
    pub fn parse(text: &str) -> Result<Self, ParseScheduleError> {
        const ALIASES: [(Schedule, &[&str]); 5] = [
            (Schedule::Hourly, &["@hourly", "hourly", "hours"]),
            (Schedule::Daily, &["@daily", "daily", "days"]),
            (Schedule::Weekly, &["@weekly", "weekly", "weeks"]),
            (Schedule::Monthly, &["@monthly", "monthly", "months"]),
            (Schedule::Yearly, &["@yearly", "yearly", "@annually", "annually", "years"]),
        ];
        for (schedule, aliases) in ALIASES {
            if aliases.iter().any(|alias| text.eq_ignore_ascii_case(alias)) {
                return Ok(schedule);
            }
        }
        let is_name = text.trim_start().starts_with(|c: char| c == '@' || c.is_alphabetic());
        if is_name && text.split_whitespace().count() == 1 {
            return Err(ParseScheduleError::UnknownAlias { text: text.to_owned() });
        }
        Ok(Self::Cron(Cron::parse(text)?))
    }

    /// The first aligned instant strictly after this one (T-21, TR-2); `None` if there is none
    /// within a hundred years, which is to say never.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        instant_of(self.fields().at_or_after(minute_of(after) + 1)?)
    }

    /// The last aligned instant strictly before this one (T-21, TR-2); `None` if there is none.
    pub fn previous(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let minute = minute_of(before);
        let last = if is_whole_minute(before) { minute - 1 } else { minute };
        instant_of(self.fields().at_or_before(last)?)
    }

    /// The instant itself if it is aligned, else the aligned one before it (TR-2).
    pub fn last(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        instant_of(self.fields().at_or_before(minute_of(at))?)
    }

    /// Whether an instant is a whole minute that the schedule matches (T-20).
    pub fn is_aligned(&self, at: DateTime<Utc>) -> bool {
        is_whole_minute(at) && self.fields().matches(minute_of(at))
    }

    /// The aligned instants from `from` (included) to `to` (excluded), forwards (T-22).
    ///
    /// # Errors
    /// An end that is not aligned, or `to` before `from`.
    pub fn range(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Range<'_>, RangeError> {
        Range::forwards(self, from, to)
    }

    /// The aligned instants from the later `from` (included) back to `to` (excluded) (T-22).
    ///
    /// # Errors
    /// An end that is not aligned, or `from` before `to`.
    pub fn reversed_range(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Range<'_>, RangeError> {
        Range::backwards(self, from, to)
    }

    /// The instant `count` aligned instants later, or earlier if negative; `None` where they end
    /// (T-34).
    ///
    /// Takes as many steps as it moves, except for hours, days and weeks, which are all equally
    /// long.
    pub fn moved(&self, origin: DateTime<Utc>, count: i64) -> Option<DateTime<Utc>> {
        if count == 0 {
            return Some(origin);
        }
        let direction = count.signum();
        // One step leads to an aligned instant, whatever the origin.
        let step = |at| {
            if direction > 0 { self.next(at) } else { self.previous(at) }
        };
        let first = step(origin)?;
        let further = count - direction;
        if let Some(period) = self.fixed_period() {
            let seconds = period.num_seconds().checked_mul(further)?;
            return first.checked_add_signed(TimeDelta::try_seconds(seconds)?);
        }
        let mut at = first;
        for _ in 0..further.unsigned_abs() {
            at = step(at)?;
        }
        Some(at)
    }

    /// The offset of a workflow that sets none: one period, or zero for cron (T-43).
    pub fn default_offset(&self) -> Offset {
        match self {
            Self::Hourly => Offset::HOUR,
            Self::Daily => Offset::DAY,
            Self::Weekly => Offset::WEEK,
            Self::Monthly => Offset::MONTH,
            Self::Yearly => Offset::YEAR,
            Self::Cron(_) => Offset::ZERO,
        }
    }

    /// How the schedule is written in JSON: `hours` to `years`, or the cron text in lower case
    /// (T-2).
    pub fn as_json(&self) -> &str {
        match self {
            Self::Hourly => "hours",
            Self::Daily => "days",
            Self::Weekly => "weeks",
            Self::Monthly => "months",
            Self::Yearly => "years",
            Self::Cron(cron) => cron.as_str(),
        }
    }

    /// What the schedule matches; the expressions of T-3 for the well-known ones.
    fn fields(&self) -> &Fields {
        const ALL_MONTHS: u16 = 0b1_1111_1111_1110;
        static HOURLY: Fields = Fields::new(1, (1 << 24) - 1, None, ALL_MONTHS, None);
        static DAILY: Fields = Fields::new(1, 1, None, ALL_MONTHS, None);
        static WEEKLY: Fields = Fields::new(1, 1, None, ALL_MONTHS, Some(1 << 1));
        static MONTHLY: Fields = Fields::new(1, 1, Some(1 << 1), ALL_MONTHS, None);
        static YEARLY: Fields = Fields::new(1, 1, Some(1 << 1), 1 << 1, None);
        match self {
            Self::Hourly => &HOURLY,
            Self::Daily => &DAILY,
            Self::Weekly => &WEEKLY,
            Self::Monthly => &MONTHLY,
            Self::Yearly => &YEARLY,
            Self::Cron(cron) => cron.fields(),
        }
    }

    fn fixed_period(&self) -> Option<TimeDelta> {
        match self {
            Self::Hourly => Some(TimeDelta::hours(1)),
            Self::Daily => Some(TimeDelta::days(1)),
            Self::Weekly => Some(TimeDelta::weeks(1)),
            Self::Monthly | Self::Yearly | Self::Cron(_) => None,
        }
    }
}

/// Reads a schedule and the offset that counts for it: its own, or else one period of an alias (T-43).
///
/// # Errors
/// What is wrong with either of them.
pub fn parse_triggers(schedule: &str, offset: Option<&str>) -> Result<(Schedule, Offset), String> {
    let schedule = Schedule::parse(schedule).map_err(|error| format!("invalid schedule: {error}"))?;
    let offset = match offset {
        Some(text) => Offset::parse(text).map_err(|error| format!("invalid offset: {error}"))?,
        None => schedule.default_offset(),
    };
    Ok((schedule, offset))
}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseScheduleError {
    /// One word that is no alias.
    #[error(
        "`{text}` is no known schedule, expected hourly, daily, weekly, monthly, yearly or a cron \
         expression"
    )]
    UnknownAlias {
        /// The text as it was given.
        text: String,
    },
    /// A cron expression with a mistake.
    #[error(transparent)]
    Cron(#[from] ParseCronError),
}

/// Whole minutes since 1970, rounded down.
fn minute_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

fn is_whole_minute(at: DateTime<Utc>) -> bool {
    at.timestamp().rem_euclid(60) == 0 && at.timestamp_subsec_nanos() == 0
}

/// `None` only at the far ends of what an instant can be, some 262 000 years away.
fn instant_of(minute: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(minute * 60, 0)
}
