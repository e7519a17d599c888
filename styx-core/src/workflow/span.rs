//! A span of time as Styx's configuration holds it.

use std::fmt;

use chrono::TimeDelta;
use thiserror::Error;

const NANOS: i128 = 1_000_000_000;

/// A span of time: seconds in 64 bits, and nanoseconds.
///
/// It holds whatever Styx 2.x can hold, which `TimeDelta` does not, so that a senseless time-out can be read, and then
/// refused with its value. It is shown in the ISO-8601 form that Styx's messages have, of which hours are the largest
/// unit.
///
/// ```
/// use styx_core::workflow::Span;
///
/// let span = Span::parse_iso("P1DT30M").unwrap();
/// assert_eq!(span.to_string(), "PT24H30M");
/// assert_eq!(span.to_decimal(), "88200.000000000");
/// assert_eq!(Span::parse_decimal("88200"), Ok(span));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Rounded down, so that `nanos` always adds to it.
    seconds: i64,
    nanos: u32,
}

impl Span {
    /// A span of whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// A span of nanoseconds, or `None` where the seconds of it need more than 64 bits.
    pub fn from_nanos(total: i128) -> Option<Self> {
        let seconds = i64::try_from(total.div_euclid(NANOS)).ok()?;
        let nanos = u32::try_from(total.rem_euclid(NANOS)).ok()?;
        Some(Self { seconds, nanos })
    }

    /// The whole span in nanoseconds.
    pub fn nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS + i128::from(self.nanos)
    }

    /// The same span for arithmetic. What does not fit (292 million years) becomes the nearest that does.
    pub fn to_delta(self) -> TimeDelta {
        let nearest = if self.seconds < 0 { TimeDelta::MIN } else { TimeDelta::MAX };
        TimeDelta::new(self.seconds, self.nanos).unwrap_or(nearest)
    }

    /// Reads an ISO-8601 duration of days, hours, minutes and seconds, such as `PT2H`. Case does not matter.
    ///
    /// # Errors
    /// For any other text: weeks, months and years have no fixed length.
    pub fn parse_iso(text: &str) -> Result<Self, ParseSpanError> {
        iso_nanos(text).and_then(Self::from_nanos).ok_or(ParseSpanError)
    }

    /// Reads a number of seconds as JSON writes numbers. What is finer than a nanosecond is dropped.
    ///
    /// # Errors
    /// For a text that is not a number, and for more seconds than 64 bits hold.
    pub fn parse_decimal(text: &str) -> Result<Self, ParseSpanError> {
        decimal_nanos(text).and_then(Self::from_nanos).ok_or(ParseSpanError)
    }

    /// The number of seconds with nine decimals, as Styx writes it; zero is `0.0`.
    pub fn to_decimal(self) -> String {
        let total = self.nanos();
        if total == 0 {
            return "0.0".into();
        }
        let sign = if total < 0 { "-" } else { "" };
        let size = total.unsigned_abs();
        format!("{sign}{}.{:09}", size / NANOS.unsigned_abs(), size % NANOS.unsigned_abs())
    }
}

impl From<TimeDelta> for Span {
    fn from(delta: TimeDelta) -> Self {
        let total = i128::from(delta.num_seconds()) * NANOS + i128::from(delta.subsec_nanos());
        Self::from_nanos(total).unwrap_or_default()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.nanos();
        let (seconds, nanos) = (total / NANOS, total % NANOS);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        f.write_str("PT")?;
        if hours != 0 {
            write!(f, "{hours}H")?;
        }
        if minutes != 0 {
            write!(f, "{minutes}M")?;
        }
        if nanos != 0 {
            let sign = if nanos < 0 { "-" } else { "" };
            let fraction = format!("{:09}", nanos.unsigned_abs());
            write!(f, "{sign}{}.{}S", seconds.unsigned_abs(), fraction.trim_end_matches('0'))?;
        } else if seconds != 0 || total == 0 {
            write!(f, "{seconds}S")?;
        }
        Ok(())
    }
}

/// A text that is not a span of time, or a span that is out of all bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a duration")]
pub struct ParseSpanError;

/// The nanoseconds of `[+-]P[nD][T[nH][nM][n[.f]S]]`; something must follow the `P`, and the `T`.
fn iso_nanos(text: &str) -> Option<i128> {
    let (sign, rest) = split_sign(text);
    let rest = rest.strip_prefix(['P', 'p'])?;
    let (date, time) = match rest.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    if time.unwrap_or(date).is_empty() {
        return None;
    }
    let total = units(date, &[('D', 86_400)])?;
    let total = total.checked_add(units(time.unwrap_or_default(), &[('H', 3600), ('M', 60), ('S', 1)])?)?;
    total.checked_mul(sign)
}

/// The nanoseconds of numbers that are each followed by one of the units, in this order.
fn units(mut text: &str, units: &[(char, i128)]) -> Option<i128> {
    let mut left = units.iter();
    let mut total = 0_i128;
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = text[end..].chars().next()?.to_ascii_uppercase();
        let &(_, seconds) = left.find(|(name, _)| *name == unit)?;
        let value = if unit == 'S' { fraction(&text[..end])? } else { whole(&text[..end])?.checked_mul(NANOS)? };
        total = total.checked_add(value.checked_mul(seconds)?)?;
        text = &text[end + 1..];
    }
    Some(total)
}

/// A whole number with an optional sign, of at most 64 bits.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = split_sign(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = sign * digits.parse::<i128>().ok()?;
    i64::try_from(value).ok().map(i128::from)
}

/// A number of seconds with up to nine decimals after a point or a comma, in nanoseconds.
fn fraction(text: &str) -> Option<i128> {
    let Some((integer, decimals)) = text.split_once(['.', ',']) else {
        return whole(text)?.checked_mul(NANOS);
    };
    if decimals.len() > 9 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (sign, _) = split_sign(integer);
    let nanos: i128 = format!("{decimals:0<9}").parse().ok()?;
    whole(integer)?.checked_mul(NANOS)?.checked_add(sign * nanos)
}

fn split_sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The nanoseconds of a JSON number of seconds, worked out on its digits so that none of them is lost.
fn decimal_nanos(text: &str) -> Option<i128> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{decimals}");
    if integer.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let leading_zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let exponent = exponent_of(exponent)?;
    // The point stands after this many of the significant digits; nine more of them are nanoseconds.
    let point = i64::try_from(integer.len()).ok()?.saturating_sub(leading_zeros).saturating_add(exponent);
    let kept = point.saturating_add(9);
    if kept <= 0 {
        return Some(0);
    }
    if point > 19 {
        return None;
    }
    let kept = usize::try_from(kept).ok()?;
    let total: i128 = format!("{significant:0<kept$}")[..kept].parse().ok()?;
    Some(if negative { -total } else { total })
}

/// An exponent of any size; beyond 64 bits only its sign still matters.
fn exponent_of(text: &str) -> Option<i64> {
    let (sign, digits) = split_sign(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if sign < 0 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_texts() {
        for (text, decimal, iso) in [
            ("PT2H", "7200.000000000", "PT2H"),
            ("pt2h", "7200.000000000", "PT2H"),
            ("P1DT30M", "88200.000000000", "PT24H30M"),
            ("P1D", "86400.000000000", "PT24H"),
            ("P2DT3H4M5.6S", "183845.600000000", "PT51H4M5.6S"),
            ("PT1,5S", "1.500000000", "PT1.5S"),
            ("PT1.S", "1.000000000", "PT1S"),
            ("-PT1H", "-3600.000000000", "PT-1H"),
            ("PT-1H", "-3600.000000000", "PT-1H"),
            ("-PT-1H", "3600.000000000", "PT1H"),
            ("PT-0.5S", "-0.500000000", "PT-0.5S"),
            ("PT-1M-1.5S", "-61.500000000", "PT-1M-1.5S"),
            ("PT0S", "0.0", "PT0S"),
            ("PT0.000000001S", "0.000000001", "PT0.000000001S"),
        ] {
            let span = Span::parse_iso(text).unwrap();
            assert_eq!((span.to_decimal().as_str(), span.to_string().as_str()), (decimal, iso), "{text}");
        }
    }

    #[test]
    fn not_iso_texts() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "P1W",
            "P1M",
            "P1Y",
            "2h",
            "7200",
            "PT1M1H",
            "PT1H1H",
            "PT1.5H",
            "P1.5D",
            "PT1",
            "PT.5S",
            "PTS",
            "P--1D",
            "--P1D",
            " PT1H",
            "PT1H ",
            "PT1.0000000000S",
            "PT9223372036854775808S",
            "P9223372036854775807D",
            "PT１H",
            "Pé",
        ] {
            assert_eq!(Span::parse_iso(text), Err(ParseSpanError), "{text}");
        }
    }

    #[test]
    fn decimal_texts() {
        for (text, decimal) in [
            ("7200", "7200.000000000"),
            ("7200.5", "7200.500000000"),
            ("172800.000000001", "172800.000000001"),
            ("0.0000000001", "0.0"),
            ("-0.0", "0.0"),
            ("-3", "-3.000000000"),
            ("-0.25", "-0.250000000"),
            ("1e3", "1000.000000000"),
            ("12.5E-1", "1.250000000"),
            ("0.00125e+3", "1.250000000"),
            ("9223372036854775807", "9223372036854775807.000000000"),
            ("9223372036854775807.999999999", "9223372036854775807.999999999"),
            ("1e-999999999999999999999", "0.0"),
            ("0e999999999999999999999", "0.0"),
        ] {
            assert_eq!(Span::parse_decimal(text).unwrap().to_decimal(), decimal, "{text}");
        }
        for text in ["", "-", "NaN", "1e", "1e20", "9223372036854775808", "1e999999999999999999999", ".5", "+1", "1_0"]
        {
            assert_eq!(Span::parse_decimal(text), Err(ParseSpanError), "{text}");
        }
    }

    #[test]
    fn deltas() {
        for nanos in [0, 1, -1, 1_500_000_000, -1_500_000_000] {
            let delta = TimeDelta::nanoseconds(nanos);
            assert_eq!(Span::from(delta).nanos(), i128::from(nanos));
            assert_eq!(Span::from(delta).to_delta(), delta);
        }
        assert_eq!(Span::from_seconds(i64::MAX).to_delta(), TimeDelta::MAX);
        assert_eq!(Span::from_seconds(i64::MIN).to_delta(), TimeDelta::MIN);
    }
}
