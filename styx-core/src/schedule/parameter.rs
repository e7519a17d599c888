//! Parameters: instants as text, in the form that suits a schedule.

use std::fmt::{self, Write};

use chrono::{DateTime, Utc};

use super::{
    Schedule,
    calendar::{Date, SECONDS_A_DAY, is_in_calendar, month_length},
};

impl Schedule {
    /// The parameter of the instance at this instant (part 4.2): `2024-05-06T07` for hours,
    /// `2024-05-06` for days and weeks, `2024-05` for months, `2024` for years, and
    /// `2024-05-06T07:30:00Z` for cron, with seconds cut off.
    pub fn parameter(&self, at: DateTime<Utc>) -> String {
        match self {
            Self::Yearly => name(at, 0),
            Self::Monthly => name(at, 1),
            Self::Daily | Self::Weekly => name(at, 2),
            Self::Hourly => name(at, 3),
            Self::Cron(_) => full_name(at),
        }
    }

    /// Reads the parameter of a manual trigger and rounds it down to an instant of the schedule
    /// (T-10 to T-12, TR-19).
    ///
    /// A yearly schedule takes `YYYY` and `YYYY-MM`, a monthly one `YYYY-MM`; all take
    /// `YYYY-MM-DD`, then perhaps `THH`, `:MM`, `:SS`, a fraction of 1 to 9 digits, and after a
    /// time perhaps `Z`, `±HH:MM` or `±HH:MM:SS`.
    ///
    /// # Errors
    /// The first part that is not understood, with its place; or that the schedule has no instant
    /// at or before the time in the years 0000 to 9999.
    pub fn parse_parameter(&self, text: &str) -> Result<DateTime<Utc>, ParseParameterError> {
        let at = self.read_instant(text)?;
        self.last(at).filter(|at| is_in_calendar(*at)).ok_or(ParseParameterError::NoInstant)
    }

    /// Reads a text in any form that [`parse_parameter`](Self::parse_parameter) takes, and rounds nothing.
    pub(super) fn read_instant(&self, text: &str) -> Result<DateTime<Utc>, ParseParameterError> {
        let mut reader = Reader { text, at: 0 };
        let (seconds, nanos) = match (self, text.len()) {
            (Self::Yearly, 4) => (reader.year_form()?, 0),
            (Self::Yearly | Self::Monthly, 7) => (reader.month_form()?, 0),
            _ => reader.date_and_time()?,
        };
        reader.end()?;
        instant(seconds, nanos)
    }
}

/// The name that cron schedules give to the instance at this instant.
pub(super) fn full_name(at: DateTime<Utc>) -> String {
    name(at, 4)
}

/// An instant as text: the year and as many of month, day, hour and minute.
fn name(at: DateTime<Utc>, parts: u8) -> String {
    let Date { year, month, day } = Date::from_day_number(at.timestamp().div_euclid(SECONDS_A_DAY));
    let minute = at.timestamp().rem_euclid(SECONDS_A_DAY) / 60;
    let (hour, minute) = (minute / 60, minute % 60);
    let mut text = String::with_capacity(20);
    // Years beyond four digits have a sign, as in ISO 8601.
    let result = if (0..=9999).contains(&year) { write!(text, "{year:04}") } else { write!(text, "{year:+05}") };
    let result = result.and_then(|()| match parts {
        0 => Ok(()),
        1 => write!(text, "-{month:02}"),
        2 => write!(text, "-{month:02}-{day:02}"),
        3 => write!(text, "-{month:02}-{day:02}T{hour:02}"),
        _ => write!(text, "-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"),
    });
    debug_assert!(result.is_ok(), "a string takes all that is written to it");
    text
}

/// A way to write an instant that leaves nothing open; what reads one takes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterForm {
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DDTHH`.
    DateHour,
    /// `YYYY-MM`.
    Month,
    /// `YYYY`.
    Year,
}

impl ParameterForm {
    /// Reads a text of exactly this form.
    ///
    /// # Errors
    /// The first part that is not understood, with its place.
    pub fn parse(self, text: &str) -> Result<DateTime<Utc>, ParseParameterError> {
        let mut reader = Reader { text, at: 0 };
        let seconds = match self {
            Self::Date => reader.date()?,
            Self::DateHour => {
                let date = reader.date()?;
                reader.letter("hour", b'T', "`T` and an hour")?;
                date + reader.hour()?
            }
            Self::Month => reader.month_form()?,
            Self::Year => reader.year_form()?,
        };
        reader.end()?;
        instant(seconds, 0)
    }

    /// Reads a text of any of these forms, or a full instant: date, time with seconds, and `Z` or
    /// an offset.
    ///
    /// # Errors
    /// The first part that is not understood, with its place.
    pub fn parse_any(text: &str) -> Result<DateTime<Utc>, ParseParameterError> {
        match text.len() {
            4 => Self::Year.parse(text),
            7 => Self::Month.parse(text),
            10 => Self::Date.parse(text),
            13 => Self::DateHour.parse(text),
            _ => {
                let mut reader = Reader { text, at: 0 };
                let (seconds, nanos) = reader.full_instant()?;
                reader.end()?;
                instant(seconds, nanos)
            }
        }
    }
}

/// Why a text names no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseParameterError {
    /// A part of the text is not understood.
    #[error("{part}: `{value}` at column {column} is refused, expected {expected}")]
    Refused {
        /// The part of a date or time.
        part: &'static str,
        /// Where the refused value begins: its byte in the text, counted from 1.
        column: usize,
        /// The refused value; empty where something is missing.
        value: String,
        /// What could have stood there.
        expected: String,
    },
    /// The text is fine, but the schedule has no instant at or before it, or only outside the years
    /// 0000 to 9999.
    #[error("no matching instant at or before this time")]
    NoInstant,
}

/// Reads a text in any form that some schedule takes as a parameter: a year, a month, a day, or a day and a time.
///
/// # Errors
/// The first part that is not understood, with its place.
pub fn read_any_parameter(text: &str) -> Result<DateTime<Utc>, ParseParameterError> {
    match text.len() {
        4 => Schedule::Yearly.read_instant(text),
        _ => Schedule::Monthly.read_instant(text),
    }
}

fn instant(seconds: i64, nanos: u32) -> Result<DateTime<Utc>, ParseParameterError> {
    DateTime::from_timestamp(seconds, nanos).filter(|at| is_in_calendar(*at)).ok_or(ParseParameterError::NoInstant)
}

/// Reads parts from left to right; times are in seconds since 1970.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

type Read<T> = Result<T, ParseParameterError>;

impl Reader<'_> {
    fn year_form(&mut self) -> Read<i64> {
        let year = self.year()?;
        Ok(start_of(Date { year, month: 1, day: 1 }))
    }

    fn month_form(&mut self) -> Read<i64> {
        let (year, month) = (self.year()?, self.month()?);
        Ok(start_of(Date { year, month, day: 1 }))
    }

    fn date(&mut self) -> Read<i64> {
        let (year, month) = (self.year()?, self.month()?);
        self.letter("day", b'-', "`-` and a day")?;
        let last = month_length(year, month);
        let day = self.number("day", 2, 1..=last)?;
        Ok(start_of(Date { year, month, day }))
    }

    fn date_and_time(&mut self) -> Read<(i64, u32)> {
        let mut seconds = self.date()?;
        let mut nanos = 0;
        if !self.takes(b'T') {
            return Ok((seconds, nanos));
        }
        seconds += self.hour()?;
        if self.takes(b':') {
            seconds += 60 * i64::from(self.number("minute", 2, 0..=59)?);
            if self.takes(b':') {
                seconds += i64::from(self.number("second", 2, 0..=59)?);
                nanos = self.fraction()?;
            }
        }
        Ok((seconds - self.zone()?.unwrap_or(0), nanos))
    }

    fn full_instant(&mut self) -> Read<(i64, u32)> {
        let mut seconds = self.date()?;
        self.letter("time", b'T', "`T` and a time")?;
        seconds += self.hour()?;
        self.letter("minute", b':', "`:` and a minute")?;
        seconds += 60 * i64::from(self.number("minute", 2, 0..=59)?);
        self.letter("second", b':', "`:` and a second")?;
        seconds += i64::from(self.number("second", 2, 0..=59)?);
        let nanos = self.fraction()?;
        match self.zone()? {
            Some(zone) => Ok((seconds - zone, nanos)),
            None => Err(self.refused("offset", self.at, "`Z`, `±HH:MM` or `±HH:MM:SS`")),
        }
    }

    /// Four digits: years outside 0000 to 9999 cannot be named.
    fn year(&mut self) -> Read<i64> {
        self.number("year", 4, 0..=9999).map(i64::from)
    }

    fn month(&mut self) -> Read<u32> {
        self.letter("month", b'-', "`-` and a month")?;
        self.number("month", 2, 1..=12)
    }

    fn hour(&mut self) -> Read<i64> {
        Ok(3_600 * i64::from(self.number("hour", 2, 0..=23)?))
    }

    /// A fraction of a second in nanoseconds, zero if there is none.
    fn fraction(&mut self) -> Read<u32> {
        if !self.takes(b'.') {
            return Ok(0);
        }
        let start = self.at;
        let mut nanos = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.at += 1;
            if self.at - start > 9 {
                return Err(self.refused("fraction", start, "1 to 9 digits"));
            }
            nanos = nanos * 10 + u32::from(digit - b'0');
        }
        match self.at - start {
            0 => Err(self.refused("fraction", start, "1 to 9 digits")),
            digits => Ok(nanos * 10_u32.pow(9 - digits as u32)),
        }
    }

    /// `Z`, `±HH:MM` or `±HH:MM:SS` in seconds east of UTC, at most 18 hours.
    fn zone(&mut self) -> Read<Option<i64>> {
        let start = self.at;
        if self.takes(b'Z') {
            return Ok(Some(0));
        }
        let is_west = self.peek() == Some(b'-');
        if !is_west && self.peek() != Some(b'+') {
            return Ok(None);
        }
        self.at += 1;
        let mut seconds = 3_600 * i64::from(self.number("offset", 2, 0..=18)?);
        self.letter("offset", b':', "`:` and minutes")?;
        seconds += 60 * i64::from(self.number("offset", 2, 0..=59)?);
        if self.takes(b':') {
            seconds += i64::from(self.number("offset", 2, 0..=59)?);
        }
        if seconds > 18 * 3_600 {
            return Err(self.refused("offset", start, "at most 18 hours"));
        }
        Ok(Some(if is_west { -seconds } else { seconds }))
    }

    fn end(&self) -> Read<()> {
        if self.at == self.text.len() {
            return Ok(());
        }
        let mut error = self.refused("end", self.at, "nothing more");
        if let ParseParameterError::Refused { value, .. } = &mut error {
            self.text[self.at..].clone_into(value);
        }
        Err(error)
    }

    /// Exactly `width` digits with a value in `range`.
    fn number(&mut self, part: &'static str, width: usize, range: std::ops::RangeInclusive<u32>) -> Read<u32> {
        let start = self.at;
        let mut value = 0;
        for _ in 0..width {
            let Some(digit) = self.peek().filter(u8::is_ascii_digit) else {
                return Err(self.refused(part, start, format_args!("{width} digits")));
            };
            self.at += 1;
            value = value * 10 + u32::from(digit - b'0');
        }
        if range.contains(&value) {
            return Ok(value);
        }
        let (first, last) = (range.start(), range.end());
        self.at -= 1;
        Err(self.refused(part, start, format_args!("{first:0width$}-{last:0width$}")))
    }

    fn letter(&mut self, part: &'static str, letter: u8, expected: &str) -> Read<()> {
        if self.takes(letter) { Ok(()) } else { Err(self.refused(part, self.at, expected)) }
    }

    fn takes(&mut self, letter: u8) -> bool {
        let found = self.peek() == Some(letter);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Refuses from `start` up to the character that stopped the reading.
    fn refused(&self, part: &'static str, start: usize, expected: impl fmt::Display) -> ParseParameterError {
        let rest = &self.text[start..];
        let read = self.at - start;
        let next = rest[read..].chars().next().map_or(0, char::len_utf8);
        ParseParameterError::Refused {
            part,
            column: start + 1,
            value: rest[..read + next].to_owned(),
            expected: expected.to_string(),
        }
    }
}

fn start_of(date: Date) -> i64 {
    date.day_number() * SECONDS_A_DAY
}
