//! The cron dialect of Styx: five fields, read into bit masks.
//!
//! The rules are T-50 to T-60 of the API contract (TR-1 of the scheduler's).

use std::{fmt, str::FromStr, sync::Arc};

use super::fields::Fields;

/// A cron expression: its text in lower case, and what it matches.
///
/// Two expressions are equal if their texts are, whatever they match. Whether an edit changes a schedule is asked of
/// [`Schedule::means_same`](super::Schedule::means_same).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cron {
    text: Arc<str>,
    fields: Fields,
}

impl Cron {
    /// Reads a five-field expression: minute, hour, day of month, month, day of week (T-50 to T-57).
    ///
    /// An expression that never matches, like `0 0 30 2 *`, is read without complaint (T-59).
    ///
    /// # Errors
    /// The first part that is not understood, with its field and place.
    pub fn parse(text: &str) -> Result<Self, ParseCronError> {
        let mut words = words(text);
        let mut field = |field: CronField| match words.next() {
            Some((start, word)) => parse_field(field, word, start),
            None => Err(ParseCronError::new(field, text.len(), "", Problem::Missing)),
        };
        let minutes = field(CronField::Minute)?;
        let hours = field(CronField::Hour)?;
        let days = field(CronField::DayOfMonth)?;
        let months = field(CronField::Month)?;
        let weekdays = field(CronField::DayOfWeek)?;
        if let Some((start, word)) = words.next() {
            return Err(ParseCronError::new(CronField::DayOfWeek, start, word, Problem::OneTooMany));
        }
        // Sunday has two numbers; the mask keeps 0.
        let week = (weekdays.values | weekdays.values >> 7) & 0b111_1111;
        let fields = Fields::new(
            minutes.values,
            hours.values as u32,
            (!days.is_star).then_some(days.values as u32),
            months.values as u16,
            (!weekdays.is_star).then_some(week as u8),
        );
        Ok(Self { text: text.to_ascii_lowercase().into(), fields })
    }

    /// The expression as it was written, in lower case (T-2).
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl FromStr for Cron {
    type Err = ParseCronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One of the five fields of a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CronField {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12, or `JAN` to `DEC`.
    Month,
    /// 0 to 7, where 0 and 7 are Sunday, or `MON` to `SUN`.
    DayOfWeek,
}

impl CronField {
    const fn min(self) -> u32 {
        match self {
            Self::Minute | Self::Hour | Self::DayOfWeek => 0,
            Self::DayOfMonth | Self::Month => 1,
        }
    }

    const fn max(self) -> u32 {
        match self {
            Self::Minute => 59,
            Self::Hour => 23,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 7,
        }
    }

    /// The names of the values from 1 on; Sunday by name is 7 (T-51).
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Minute | Self::Hour | Self::DayOfMonth => &[],
            Self::Month => &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
            Self::DayOfWeek => &["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        }
    }

    const fn values(self) -> &'static str {
        match self {
            Self::Minute => "0-59",
            Self::Hour => "0-23",
            Self::DayOfMonth => "1-31",
            Self::Month => "1-12 or JAN-DEC",
            Self::DayOfWeek => "0-7 or MON-SUN",
        }
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

/// What is wrong with a cron expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: `{value}` at column {column} {}", .problem.text(*.field))]
pub struct ParseCronError {
    field: CronField,
    column: usize,
    value: String,
    problem: Problem,
}

impl ParseCronError {
    fn new(field: CronField, start: usize, value: &str, problem: Problem) -> Self {
        Self { field, column: start + 1, value: value.to_owned(), problem }
    }

    /// The field that was refused; the last one if a sixth follows.
    pub fn field(&self) -> CronField {
        self.field
    }

    /// Where the refused value begins: its byte in the text, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The part of the text that was refused; empty where something is missing.
    pub fn value(&self) -> &str {
        &self.value
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    OneTooMany,
    EmptyItem,
    NotUnderstood,
    OutOfRange,
    Backwards,
    Step { max: u32 },
}

impl Problem {
    fn text(self, field: CronField) -> String {
        let values = field.values();
        let five = "expected five fields: minute, hour, day of month, month, day of week";
        match self {
            Self::Missing => format!("is missing, {five}"),
            Self::OneTooMany => format!("is one too many, {five}"),
            Self::EmptyItem => format!("is an empty item, expected `*` or {values}"),
            Self::NotUnderstood => format!("is not understood, expected `*` or {values}"),
            Self::OutOfRange => format!("is out of range, expected {values}"),
            Self::Backwards => "runs backwards, expected the lower value first".to_owned(),
            Self::Step { max } => format!("is no possible step, expected 1-{max}"),
        }
    }
}

/// What one field matches.
struct FieldValues {
    /// A bit for each value; Sunday may be bit 0, bit 7 or both.
    values: u64,
    /// Whether the field as a whole is `*` or the same as `*`, which matters for days (T-55, T-56).
    is_star: bool,
}

/// The words of an expression and the bytes they start at.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Java's `\s`, so the vertical tab too.
    let is_blank = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
    split_with_offsets(text, is_blank).filter(|(_, word)| !word.is_empty())
}

fn split_with_offsets(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split(is_separator).map(move |piece| {
        let here = start;
        // Every separator is one byte long.
        start += piece.len() + 1;
        (here, piece)
    })
}

fn parse_field(field: CronField, text: &str, start: usize) -> Result<FieldValues, ParseCronError> {
    let mut values = 0;
    let mut items = 0;
    let mut is_star = false;
    for (offset, item) in split_with_offsets(text, |c| c == ',') {
        let item = parse_item(field, item, start + offset)?;
        values |= item.values;
        is_star = item.is_star;
        items += 1;
    }
    Ok(FieldValues { values, is_star: is_star && items == 1 })
}

/// One item of a list: `*`, `N`, `A-B`, each perhaps with a step, or a step alone (T-52 to T-54).
fn parse_item(field: CronField, item: &str, start: usize) -> Result<FieldValues, ParseCronError> {
    if item.is_empty() {
        return Err(ParseCronError::new(field, start, item, Problem::EmptyItem));
    }
    let (base, step) = match item.split_once('/') {
        Some((base, step)) => (base, Some((step, start + base.len() + 1))),
        None => (item, None),
    };
    if base.is_empty() || base == "*" {
        let step = parse_step(field, step, field.max())?;
        let values = progression(field.min(), field.max(), step);
        return Ok(FieldValues { values, is_star: step == 1 });
    }
    let values = match base.split_once('-') {
        Some((first, last)) if !first.is_empty() && !last.is_empty() => {
            let from = parse_value(field, first, start)?;
            let to = parse_value(field, last, start + first.len() + 1)?;
            if from > to {
                return Err(ParseCronError::new(field, start, base, Problem::Backwards));
            }
            // The original counts the values of a week as 0 to 6 here (T-58).
            let max = if field == CronField::DayOfWeek { 6 } else { field.max() };
            progression(from, to, parse_step(field, step, max)?)
        }
        Some(_) => {
            return Err(ParseCronError::new(field, start, base, Problem::NotUnderstood));
        }
        None => {
            let value = parse_value(field, base, start)?;
            match step {
                None => 1 << value,
                Some(_) => {
                    // Steps from Sunday start at 0, however it is written (T-58).
                    let is_sunday = field == CronField::DayOfWeek && value == 7;
                    let from = if is_sunday { 0 } else { value };
                    progression(from, field.max(), parse_step(field, step, field.max())?)
                }
            }
        }
    };
    Ok(FieldValues { values, is_star: false })
}

fn parse_step(field: CronField, step: Option<(&str, usize)>, max: u32) -> Result<u32, ParseCronError> {
    let Some((text, start)) = step else {
        return Ok(1);
    };
    parse_number(text)
        .filter(|step| (1..=max).contains(step))
        .ok_or_else(|| ParseCronError::new(field, start, text, Problem::Step { max }))
}

fn parse_value(field: CronField, text: &str, start: usize) -> Result<u32, ParseCronError> {
    let refused = |problem| ParseCronError::new(field, start, text, problem);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return parse_number(text)
            .filter(|value| (field.min()..=field.max()).contains(value))
            .ok_or_else(|| refused(Problem::OutOfRange));
    }
    (1..)
        .zip(field.names())
        .find(|(_, name)| name.eq_ignore_ascii_case(text))
        .map(|(value, _)| value)
        .ok_or_else(|| refused(Problem::NotUnderstood))
}

/// Digits only, with any number of leading zeros; `None` as well for what no field can hold.
fn parse_number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.trim_start_matches('0') {
        "" => Some(0),
        digits => digits.parse().ok(),
    }
}

fn progression(from: u32, to: u32, step: u32) -> u64 {
    (from..=to).step_by(step as usize).fold(0, |values, value| values | 1 << value)
}
