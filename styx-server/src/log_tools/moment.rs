//! Moments of a log, as people name them: a position, a time, how long ago, or its end.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
};

use super::wording;

/// What a time may look like.
const TIMES: &str = "a time such as 2026-03-29, 2026-03-29T07:00, 2026-03-29T07:00:00Z (UTC) or -2h (two hours ago)";

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After this record.
    Position(Position),
    /// After the last record that isn't later.
    Time(DateTime<Utc>),
    /// After the last record.
    End,
}

/// A moment, found in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The last record that counts.
    pub(super) position: Position,
    /// What time it is: that of the record, or the time that was asked for.
    pub(super) at: DateTime<Utc>,
}

/// Why a moment isn't found.
#[derive(Debug)]
pub(super) enum Missed {
    /// The log doesn't reach that far; the text says how far it does.
    OutOfRange(String),
    /// The log can't be read there.
    Log(Position, LogError),
}

/// Reads a moment from the command line.
pub(super) fn parse_moment(text: &str) -> Result<Moment, String> {
    if text.eq_ignore_ascii_case("end") {
        return Ok(Moment::End);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(|position| Moment::Position(Position(position))).map_err(|_| too_large());
    }
    parse_time(text).map(Moment::Time).map_err(|_| format!("expected a position such as 4711, {TIMES}, or `end`"))
}

fn too_large() -> String {
    "no log has so many records".into()
}

/// Reads a time from the command line.
pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    time_at(text, SystemTime::now().into()).ok_or_else(|| format!("expected {TIMES}"))
}

fn time_at(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(ago) = text.strip_prefix('-') {
        return now.checked_sub_signed(span(ago)?);
    }
    let with_zone = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    let in_utc = || {
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN));
    with_zone().or_else(|| in_utc().or_else(date).map(|time| time.and_utc()))
}

/// A number and a unit: `90s`, `30m`, `2h`, `7d`, `1w`.
fn span(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse::<u32>().ok()?.into();
    match unit {
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        "w" => TimeDelta::try_weeks(number),
        _ => None,
    }
}

/// Finds a moment in a log.
pub(super) fn find(reader: &dyn LogReader, moment: Moment) -> Result<Found, Missed> {
    let unreadable = |position| move |error| Missed::Log(position, error);
    let first = reader.first().map_err(unreadable(Position::FIRST))?;
    let tail = reader.tail().map_err(unreadable(first))?;
    if tail < first {
        return Err(Missed::OutOfRange("the log is empty".into()));
    }
    let time_of = |position| time_of(reader, position).map_err(unreadable(position));
    let range = |what: String| -> Result<Found, Missed> {
        let (from, to) = (wording::instant(time_of(first)?), wording::instant(time_of(tail)?));
        let range = format!("{what}: the log has the records {first} to {tail}, from {from} to {to}");
        Err(Missed::OutOfRange(range))
    };
    match moment {
        Moment::End => Ok(Found { position: tail, at: time_of(tail)? }),
        Moment::Position(position) if (first..=tail).contains(&position) => {
            Ok(Found { position, at: time_of(position)? })
        }
        Moment::Position(position) => range(format!("there is no record {position}")),
        Moment::Time(at) => {
            let later = first_at(first, tail, |time| time > at, time_of)?;
            match later {
                later if later == first => range(format!("at {} nothing was recorded yet", wording::instant(at))),
                later => Ok(Found { position: Position(later.0 - 1), at }),
            }
        }
    }
}

/// The first position of `first..=tail` whose record's time is as wanted, or the one behind; times never decrease along the
/// log, so that halving finds it.
pub(super) fn first_at<E>(
    first: Position,
    tail: Position,
    is_wanted: impl Fn(DateTime<Utc>) -> bool,
    mut time_of: impl FnMut(Position) -> Result<DateTime<Utc>, E>,
) -> Result<Position, E> {
    let (mut low, mut high) = (first.0, tail.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_wanted(time_of(Position(middle))?) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Position(low))
}

/// The time of the record at a position.
pub(super) fn time_of(reader: &dyn LogReader, position: Position) -> Result<DateTime<Utc>, LogError> {
    let record = reader.read(position, 1)?.pop();
    record.map(|record| record.at).ok_or_else(|| LogError::at_record(position, "it is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = time_at("2026-03-29T12:00:00Z", DateTime::UNIX_EPOCH).unwrap();
        for (text, at) in [
            ("2026-03-29", "2026-03-29T00:00:00Z"),
            ("2026-03-29T07:00", "2026-03-29T07:00:00Z"),
            ("2026-03-29 07:00:01.250", "2026-03-29T07:00:01.250Z"),
            ("2026-03-29T07:00:00+02:00", "2026-03-29T05:00:00Z"),
            ("-90s", "2026-03-29T11:58:30Z"),
            ("-30m", "2026-03-29T11:30:00Z"),
            ("-2h", "2026-03-29T10:00:00Z"),
            ("-1d", "2026-03-28T12:00:00Z"),
            ("-1w", "2026-03-22T12:00:00Z"),
        ] {
            assert_eq!(time_at(text, now).map(wording::instant).as_deref(), Some(at), "{text}");
        }
        for text in ["", "-", "-h", "-2", "-2y", "-2é", "--2h", "-9999999999d", "yesterday", "2026-13-01", "07:00"] {
            assert_eq!(time_at(text, now), None, "{text}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(parse_moment("12"), Ok(Moment::Position(Position(12))));
        assert_eq!(parse_moment("end"), Ok(Moment::End));
        assert!(matches!(parse_moment("2026-03-29"), Ok(Moment::Time(_))));
        for text in ["", "x", "12x", "99999999999999999999999"] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }
}
