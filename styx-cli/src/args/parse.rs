//! How texts on the command line are read.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use styx_core::workflow::Span;

/// Reads a duration that isn't negative.
pub(crate) fn parse_span(text: &str) -> Result<TimeDelta, String> {
    let span = Span::parse_iso(text).map_err(|error| error.to_string())?.to_delta();
    if span < TimeDelta::zero() { Err("expected a duration that isn't negative".into()) } else { Ok(span) }
}

/// Reads `KEY=VALUE`; the value may hold more `=`.
pub(crate) fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

/// Reads a day, or an hour of a day, in UTC.
pub(crate) fn parse_day_or_hour(text: &str) -> Result<DateTime<Utc>, String> {
    let is_formed = |form: &str| {
        let fits = |(letter, model): (u8, u8)| if model == b'0' { letter.is_ascii_digit() } else { letter == model };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
    };
    let at = if is_formed("0000-00-00") {
        text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0))
    } else if is_formed("0000-00-00T00") {
        NaiveDateTime::parse_from_str(&format!("{text}:00"), "%Y-%m-%dT%H:%M").ok()
    } else {
        None
    };
    at.map(|at| at.and_utc()).ok_or_else(|| "expected a day, YYYY-MM-DD, or an hour, YYYY-MM-DDTHH".into())
}

/// Reads seconds, at least a tenth of one.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(wait) if wait >= Duration::from_millis(100) => Ok(wait),
        _ => Err("expected at least a tenth of a second".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn days_and_hours_read_back(days in -719_528..2_932_897_i64, hour in 0..24_i64) {
            let day = DateTime::<Utc>::from_timestamp(days * 86_400, 0).unwrap();
            prop_assert_eq!(parse_day_or_hour(&day.format("%Y-%m-%d").to_string()), Ok(day));
            let at = day + TimeDelta::hours(hour);
            prop_assert_eq!(parse_day_or_hour(&at.format("%Y-%m-%dT%H").to_string()), Ok(at));
        }

        #[test]
        fn what_is_read_as_a_time_is_written_the_same(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2})?|\\PC{0,14}") {
            if let Ok(at) = parse_day_or_hour(&text) {
                let form = if text.contains('T') { "%Y-%m-%dT%H" } else { "%Y-%m-%d" };
                prop_assert_eq!(at.format(form).to_string(), text);
            }
        }

        #[test]
        fn variables_are_put_together_again(key in "[^=]+", value in "\\PC*") {
            let expected = Ok((key.clone(), value.clone()));
            prop_assert_eq!(parse_variable(&format!("{key}={value}")), expected);
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = (parse_variable(&text), parse_day_or_hour(&text), parse_seconds(&text), parse_span(&text));
        }
    }

    #[test]
    fn variables_split_at_the_first_equals_sign() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse_variable("A="), Ok(("A".into(), String::new())));
        assert!(parse_variable("A").is_err());
        assert!(parse_variable("=b").is_err());
    }

    #[test]
    fn only_days_and_hours_are_times() {
        for text in [
            "",
            "junk",
            "2026-09-31",
            "2026-9-01",
            "2026-09-01T24",
            "2026-09-01T7",
            "2026-09-01T07:00",
            "2026-09-01 07",
            "+026-09-01",
        ] {
            assert!(parse_day_or_hour(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_not_too_few() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "0.05", "NaN", "inf", "1e300", "two"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
