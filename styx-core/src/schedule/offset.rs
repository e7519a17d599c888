//! How long after its logical time an instance fires: ISO 8601 durations with a calendar part.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, Utc};

use super::calendar::{Date, SECONDS_A_DAY, is_in_calendar, month_length};

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// A span of time in calendar and clock units, like `P1M2DT3H` (T-40, TR-3).
///
/// Years and months are added first, with the day cut to the length of the month, then weeks and
/// days, then the time part. The text is kept, so `PT60M` and `PT1H` are not equal; they
/// [mean the same](Self::means_same).
///
/// ```
/// use styx_core::schedule::Offset;
///
/// let offset = Offset::parse("P1M1D")?;
/// let at = "2024-01-31T10:00:00Z".parse()?;
/// assert_eq!(offset.add_to(at), Some("2024-03-01T10:00:00Z".parse()?));
/// assert_eq!(offset.subtract_from(at), Some("2023-12-30T10:00:00Z".parse()?));
///
/// let refused = Offset::parse("P1D2H").unwrap_err();
/// assert_eq!(refused.to_string(), "`2H` at column 4 is refused, expected `T` before hours");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    text: Cow<'static, str>,
    amount: Amount,
}

impl Offset {
    /// `PT0S`, which an absent offset of a cron schedule means (T-43).
    pub const ZERO: Self = Self::constant("PT0S", Amount::ZERO);
    /// `PT1H`, the default of hourly schedules.
    pub const HOUR: Self = Self::constant("PT1H", Amount { seconds: 3_600, ..Amount::ZERO });
    /// `P1D`, the default of daily schedules.
    pub const DAY: Self = Self::constant("P1D", Amount { days: 1, ..Amount::ZERO });
    /// `P1W`, the default of weekly schedules.
    pub const WEEK: Self = Self::constant("P1W", Amount { days: 7, ..Amount::ZERO });
    /// `P1M`, the default of monthly schedules.
    pub const MONTH: Self = Self::constant("P1M", Amount { months: 1, ..Amount::ZERO });
    /// `P1Y`, the default of yearly schedules.
    pub const YEAR: Self = Self::constant("P1Y", Amount { months: 12, ..Amount::ZERO });

    const fn constant(text: &'static str, amount: Amount) -> Self {
        Self { text: Cow::Borrowed(text), amount }
    }

    /// Reads `[+-]P[nY][nM][nW][nD][T[nH][nM][n[.f]S]]` in any letter case (T-40, T-41).
    ///
    /// # Errors
    /// The first part that is not understood, with its place.
    pub fn parse(text: &str) -> Result<Self, ParseOffsetError> {
        let amount = Reader { text, at: 0 }.amount()?;
        Ok(Self { text: Cow::Owned(text.to_owned()), amount })
    }

    /// The text that it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instant this much later; `None` if it is outside the years 0000 to 9999.
    pub fn add_to(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.amount.add_to(instant)
    }

    /// Whether it has years or months: they cut days to the length of the month that they lead to, so instants may fire in
    /// another order than their own.
    pub fn has_months(&self) -> bool {
        self.amount.months != 0
    }

    /// Years and months, in months.
    pub(super) fn months(&self) -> i64 {
        self.amount.months
    }

    /// Weeks, days and the time part, in nanoseconds.
    pub(super) fn days_and_time(&self) -> i128 {
        let Amount { months: _, days, seconds, nanos } = self.amount;
        let seconds = i128::from(days) * i128::from(SECONDS_A_DAY) + i128::from(seconds);
        seconds * i128::from(NANOS_A_SECOND) + i128::from(nanos)
    }

    /// The whole minute at or before the instant to which the days and the time of this offset are yet to be added so
    /// that `instant` results: these parts can be undone, months can't. `None` if there is no such instant.
    pub(super) fn minute_before_days_and_time(&self, instant: DateTime<Utc>) -> Option<i64> {
        let Amount { months: _, days, seconds, nanos } = self.amount;
        let nanos = i64::from(instant.timestamp_subsec_nanos()) - nanos;
        let seconds = instant
            .timestamp()
            .checked_sub(days.checked_mul(SECONDS_A_DAY)?)?
            .checked_sub(seconds)?
            .checked_add(nanos.div_euclid(NANOS_A_SECOND))?;
        Some(seconds.div_euclid(60))
    }

    /// The instant this much earlier: that is, later by the offset with its sign turned (T-42);
    /// `None` if it is outside the years 0000 to 9999.
    ///
    /// Where months are involved this does not undo [`add_to`](Self::add_to): a month after
    /// 31 January is 29 February, a month before that is 29 January.
    pub fn subtract_from(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.amount.negated()?.add_to(instant)
    }
}

impl Default for Offset {
    fn default() -> Self {
        Self::ZERO
    }
}

impl FromStr for Offset {
    type Err = ParseOffsetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with the text of an offset, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` at column {column} is refused, expected {expected}")]
pub struct ParseOffsetError {
    column: usize,
    value: String,
    expected: &'static str,
}

impl ParseOffsetError {
    /// Where the refused value begins: its byte in the text, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The part of the text that was refused; empty where something is missing.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What could have stood there.
    pub fn expected(&self) -> &str {
        self.expected
    }
}

/// The value of an offset; each part with its own sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Amount {
    months: i64,
    days: i64,
    seconds: i64,
    nanos: i64,
}

impl Amount {
    const ZERO: Self = Self { months: 0, days: 0, seconds: 0, nanos: 0 };

    /// Adds a number of a unit (an index of [`UNITS`]); `None` if it is too large, be it before or
    /// after the leading sign is applied: 32 bits for dates, 64 bits of seconds for times.
    fn add(&mut self, unit: usize, number: i64, is_negative: bool) -> Option<()> {
        let number = if unit < 4 { i64::from(i32::try_from(number).ok()?) } else { number };
        let number = if is_negative { number.checked_neg()? } else { number };
        let number = if unit < 4 { i64::from(i32::try_from(number).ok()?) } else { number };
        match unit {
            0 => self.months += number * 12,
            1 => self.months += number,
            2 => self.days += number * 7,
            3 => self.days += number,
            4 => self.seconds = self.seconds.checked_add(number.checked_mul(3_600)?)?,
            5 => self.seconds = self.seconds.checked_add(number.checked_mul(60)?)?,
            _ => self.seconds = self.seconds.checked_add(number)?,
        }
        Some(())
    }

    fn negated(self) -> Option<Self> {
        let seconds = self.seconds.checked_neg()?;
        Some(Self { months: -self.months, days: -self.days, seconds, nanos: -self.nanos })
    }

    fn add_to(self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let date = Date::from_day_number(instant.timestamp().div_euclid(SECONDS_A_DAY));
        let of_day = instant.timestamp().rem_euclid(SECONDS_A_DAY);
        // Date parts are a few thousand million at most, so these sums fit.
        let months = date.year * 12 + i64::from(date.month) - 1 + self.months;
        let year = months.div_euclid(12);
        let month = months.rem_euclid(12) as u32 + 1;
        let day = date.day.min(month_length(year, month));
        let day_number = Date { year, month, day }.day_number() + self.days;
        let nanos = i64::from(instant.timestamp_subsec_nanos()) + self.nanos;
        let seconds = (day_number * SECONDS_A_DAY + of_day)
            .checked_add(self.seconds)?
            .checked_add(nanos.div_euclid(NANOS_A_SECOND))?;
        DateTime::from_timestamp(seconds, nanos.rem_euclid(NANOS_A_SECOND) as u32).filter(|at| is_in_calendar(*at))
    }
}

/// The units in their order, and whether they stand after the `T`.
const UNITS: [(u8, bool); 7] =
    [(b'Y', false), (b'M', false), (b'W', false), (b'D', false), (b'H', true), (b'M', true), (b'S', true)];

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn amount(mut self) -> Result<Amount, ParseOffsetError> {
        let is_negative = self.sign();
        if !self.takes(b'P') {
            return Err(self.refused(self.at, "`P` at the start"));
        }
        let mut amount = Amount::ZERO;
        let mut in_time = false;
        let mut next_unit = 0;
        while self.at < self.text.len() {
            if !in_time && self.takes(b'T') {
                in_time = true;
                continue;
            }
            let start = self.at;
            let (number, nanos) = self.number()?;
            let unit = self.unit(start, in_time, next_unit, nanos.is_some())?;
            next_unit = unit + 1;
            amount.add(unit, number, is_negative).ok_or_else(|| self.refused(start, "a smaller number"))?;
            amount.nanos = if is_negative { -nanos.unwrap_or(0) } else { nanos.unwrap_or(0) };
        }
        Ok(amount)
    }

    /// A number with its own sign, and its fraction in nanoseconds with the same sign.
    fn number(&mut self) -> Result<(i64, Option<i64>), ParseOffsetError> {
        let start = self.at;
        let is_negative = self.sign();
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.refused(start, "a number and its unit"));
        }
        // The range has one number more on its negative side.
        let sign = if is_negative { "-" } else { "" };
        let whole = format!("{sign}{digits}").parse().map_err(|_| self.refused(start, "a smaller number"))?;
        if !self.takes(b'.') && !self.takes(b',') {
            return Ok((whole, None));
        }
        let point = self.at - 1;
        let digits = self.digits();
        if digits.is_empty() || digits.len() > 9 {
            return Err(self.refused(point, "1 to 9 digits of a fraction"));
        }
        let nanos = digits.bytes().fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'))
            * 10_i64.pow(9 - digits.len() as u32);
        Ok((whole, Some(if is_negative { -nanos } else { nanos })))
    }

    /// The unit after a number: not one before `next_unit`, and on its side of the `T`.
    fn unit(
        &mut self,
        start: usize,
        in_time: bool,
        next_unit: usize,
        has_fraction: bool,
    ) -> Result<usize, ParseOffsetError> {
        let letter = self.peek().map(|byte| byte.to_ascii_uppercase());
        let found = UNITS.iter().position(|(unit, is_time)| Some(*unit) == letter && *is_time == in_time);
        let Some(unit) = found else {
            return Err(self.refused(
                start,
                match (in_time, letter) {
                    (false, Some(b'H')) => "`T` before hours",
                    (false, Some(b'S')) => "`T` before seconds",
                    (false, _) => "a number with Y, M, W or D",
                    (true, _) => "a number with H, M or S",
                },
            ));
        };
        if unit < next_unit {
            return Err(self.refused(start, "each unit once, in the order Y, M, W, D, T, H, M, S"));
        }
        if has_fraction && unit != 6 {
            return Err(self.refused(start, "a fraction only in seconds"));
        }
        self.at += 1;
        Ok(unit)
    }

    /// Takes a sign and says whether it was a minus.
    fn sign(&mut self) -> bool {
        let is_negative = self.peek() == Some(b'-');
        if is_negative || self.peek() == Some(b'+') {
            self.at += 1;
        }
        is_negative
    }

    fn digits(&mut self) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn takes(&mut self, letter: u8) -> bool {
        let found = self.peek().is_some_and(|byte| byte.eq_ignore_ascii_case(&letter));
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Refuses from `start` up to the end of the number or letter read last.
    fn refused(&self, start: usize, expected: &'static str) -> ParseOffsetError {
        let rest = &self.text[start..];
        let read = self.at - start;
        let next = rest[read..].chars().next().map_or(0, char::len_utf8);
        ParseOffsetError { column: start + 1, value: rest[..read + next].to_owned(), expected }
    }
}
