//! Which partition a text names exactly, and which partitions are near a text that names none.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc, Weekday};

use super::{
    ParseParameterError, Schedule,
    calendar::{Date, SECONDS_A_DAY, is_in_calendar, month_length},
};
use crate::text::shortened;

/// How much of a text an error repeats, in characters.
const MAX_REPEATED: usize = 64;

impl Schedule {
    /// The partition that a text names: the text may have any form that
    /// [`parse_parameter`](Self::parse_parameter) takes, but its instant must be one of the schedule. Nothing is rounded.
    ///
    /// ```
    /// use styx_core::schedule::Schedule;
    ///
    /// let schedule = Schedule::parse("30 6 * * *")?;
    /// let at = schedule.partition("2026-03-29T08:30+02:00")?;
    /// assert_eq!(schedule.parameter(at), "2026-03-29T06:30:00Z");
    ///
    /// let refused = Schedule::Weekly.partition("2026-03-29").unwrap_err();
    /// let text = "`2026-03-29` is not a partition of the schedule weeks: the nearest are 2026-03-23 and 2026-03-30";
    /// assert_eq!(refused.to_string(), text);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The text is not understood, or its instant is not one of the schedule; with the partitions that are near.
    pub fn partition(&self, text: &str) -> Result<DateTime<Utc>, NoPartition> {
        let (nearest, error) = match self.read_instant(text) {
            Ok(at) if self.is_aligned(at) => return Ok(at),
            Ok(at) => (self.nearest(at), None),
            Err(error) => (guess(text).map(|at| self.nearest(at)).unwrap_or_default(), Some(error)),
        };
        let [text, schedule] = [text, self.as_json()].map(|text| shortened(text, MAX_REPEATED).into_owned());
        Err(NoPartition(Box::new(Problem { text, schedule, form: self.form(), nearest, error })))
    }

    /// The partitions around an instant, or the one at it.
    pub fn nearest(&self, at: DateTime<Utc>) -> Nearest {
        let name = |at: Option<DateTime<Utc>>| at.filter(|at| is_in_calendar(*at)).map(|at| self.parameter(at));
        let before = self.last(at);
        Nearest { before: name(before), after: name(if before == Some(at) { None } else { self.next(at) }) }
    }

    /// How parameters of the schedule look.
    fn form(&self) -> &'static str {
        match self {
            Self::Yearly => "YYYY",
            Self::Monthly => "YYYY-MM",
            Self::Daily | Self::Weekly => "YYYY-MM-DD",
            Self::Hourly => "YYYY-MM-DDTHH",
            Self::Cron(_) => "YYYY-MM-DDTHH:MM:00Z",
        }
    }
}

/// The names that an instant can have as a partition, whatever the schedule: none if it is not a whole minute.
pub fn names_of(at: DateTime<Utc>) -> Vec<String> {
    let mut names = Vec::new();
    if super::is_whole_minute(at) {
        names.push(at.format("%Y-%m-%dT%H:%M:00Z").to_string());
    }
    for schedule in [Schedule::Hourly, Schedule::Daily, Schedule::Monthly, Schedule::Yearly] {
        if schedule.is_aligned(at) {
            names.push(schedule.parameter(at));
        }
    }
    names
}

/// The partitions around an instant by their names; `before` alone where there is one at the instant itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearest {
    /// The last one that is not later.
    pub before: Option<String>,
    /// The first one that is later.
    pub after: Option<String>,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "the nearest are {before} and {after}"),
            (Some(only), None) | (None, Some(only)) => write!(f, "the nearest is {only}"),
            (None, None) => f.write_str("there is none near"),
        }
    }
}

/// That a text names no partition of a schedule, and which partitions are near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPartition(Box<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    text: String,
    schedule: String,
    form: &'static str,
    nearest: Nearest,
    error: Option<ParseParameterError>,
}

impl NoPartition {
    /// The partitions that are near; none where the text can't be guessed at.
    pub fn nearest(&self) -> &Nearest {
        &self.0.nearest
    }
}

impl std::error::Error for NoPartition {}

impl fmt::Display for NoPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { text, schedule, form, nearest, error } = &*self.0;
        write!(f, "`{text}` is not a partition of the schedule {schedule}: ")?;
        match error {
            Some(_) if *nearest == Nearest::default() => write!(f, "its partitions look like {form}")?,
            _ => write!(f, "{nearest}")?,
        }
        match error {
            // Of a long text this repeats all.
            Some(error) => write!(f, " ({})", shortened(&error.to_string(), MAX_REPEATED)),
            None => Ok(()),
        }
    }
}

/// What somebody means who writes an instant in a form that no parameter has: small letters, blanks, single digits, an offset
/// without a colon, the date of a week. It is good for a suggestion only.
fn guess(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().to_ascii_uppercase();
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((&text, ""));
    let seconds = guess_date(date)? + guess_time(time.trim())?;
    DateTime::from_timestamp(seconds, 0).filter(|at| is_in_calendar(*at))
}

/// The second at which a day begins: a year, a month, a day of a month, a week or a day of a week.
fn guess_date(text: &str) -> Option<i64> {
    let pieces: Vec<&str> = text.split(['-', '/', '.']).collect();
    let year = i64::from(digits(pieces[0], 4..=4).or_else(|| digits(pieces[0], 8..=8))?);
    let number = |index: usize| pieces.get(index).map_or(Some(1), |piece| digits(piece, 1..=2));
    let (year, month, day) = match pieces[..] {
        [_] if year > 9999 => (year / 10_000, (year / 100 % 100) as u32, (year % 100) as u32),
        [_, week] | [_, week, _] if week.starts_with('W') => {
            let weekday = Weekday::try_from(u8::try_from(number(2)?.checked_sub(1)?).ok()?).ok()?;
            let week = digits(&week[1..], 1..=2)?;
            let day = NaiveDate::from_isoywd_opt(i32::try_from(year).ok()?, week, weekday)?;
            return Some(i64::from(day.to_epoch_days()) * SECONDS_A_DAY);
        }
        [_] | [_, _] | [_, _, _] => (year, number(1)?, number(2)?),
        _ => return None,
    };
    let month = month.clamp(1, 12);
    let day = day.clamp(1, month_length(year, month));
    Some(Date { year, month, day }.day_number() * SECONDS_A_DAY)
}

/// Seconds since the beginning of the day, also of a time on the day before or after since its offset is another.
fn guess_time(text: &str) -> Option<i64> {
    let text = text.trim_end_matches("UTC").trim_end();
    let (clock, zone) = text.split_at(text.find(['Z', '+', '-']).unwrap_or(text.len()));
    let mut seconds = 0;
    if !clock.is_empty() {
        for (piece, unit) in clock.trim_end().splitn(3, ':').zip([3_600, 60, 1]) {
            let whole = piece.split(['.', ',']).next()?;
            seconds += unit * i64::from(digits(whole, 1..=2)?);
        }
    }
    let offset = zone.trim_start_matches(['Z', '+', '-']).replace(':', "");
    let offset = match offset.len() {
        0 => 0,
        1..=2 => 3_600 * i64::from(digits(&offset, 1..=2)?),
        _ => {
            let number = i64::from(digits(&offset, 3..=4)?);
            3_600 * (number / 100) + 60 * (number % 100)
        }
    };
    Some(if zone.starts_with('-') { seconds + offset } else { seconds - offset })
}

/// A number of so many digits.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let fits = count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}
