//! Instants as Styx's JSON has them: ISO-8601 text, or seconds since 1970.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::span::Span;

/// The longest offset of a time zone, as in Java.
const MAX_OFFSET_SECONDS: i32 = 18 * 3600;

/// Reads an instant with its time zone, such as `2024-05-06T07:00:00.120Z` or `2024-05-06T08:00:00+01:00`, or a number
/// of seconds since 1970, such as `1714978800.5` or `.5`.
///
/// The first is RFC 3339, less what its parser adds to it: blanks for the `T`, a minus sign that is not ASCII, more than nine
/// decimals, leap seconds, offsets of more than 18 hours. `None` for any other text.
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        // Unlike a number in JSON, a text of digits may begin with its point.
        let number = if text.starts_with('.') && text.len() > 1 { &format!("0{text}") } else { text };
        return Span::parse_decimal(number).ok().and_then(instant_after_epoch);
    }
    let decimals = text.split_once('.').map_or("", |(_, rest)| rest);
    let count = decimals.bytes().take_while(u8::is_ascii_digit).count();
    if !text.is_ascii() || text.contains(' ') || count > 9 {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    if instant.offset().local_minus_utc().abs() > MAX_OFFSET_SECONDS {
        return None;
    }
    let instant = instant.with_timezone(&Utc);
    (instant.nanosecond() < 1_000_000_000 && is_writable(instant)).then_some(instant)
}

/// The instant that is so long after the beginning of 1970; `None` outside the years 0000 to 9999.
pub fn instant_after_epoch(span: Span) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(span.nanos().rem_euclid(1_000_000_000)).ok()?;
    let seconds = i64::try_from(span.nanos().div_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, nanos).filter(|instant| is_writable(*instant))
}

/// Whether the instant has the four-digit year that its text form has room for.
fn is_writable(instant: DateTime<Utc>) -> bool {
    (0..=9999).contains(&instant.year())
}
