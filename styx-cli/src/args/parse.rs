//! How texts on the command line are read.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::schedule::read_any_parameter;
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

/// An end of a range of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// As it was typed.
    pub(crate) text: String,
    /// What it says.
    pub(crate) at: DateTime<Utc>,
}

impl Bound {
    /// Whether the text says something else, or nothing, to a workflow whose schedule is another: a month or a year.
    pub(crate) fn depends_on_schedule(&self) -> bool {
        self.text.len() < "2026-01-01".len()
    }
}

/// Reads the parameter of an instance of some schedule: a day, a time of a day, a month or a year.
pub(crate) fn parse_bound(text: &str) -> Result<Bound, String> {
    match read_any_parameter(text) {
        Ok(at) => Ok(Bound { text: text.into(), at }),
        Err(error) => Err(format!(
            "{error}; expected a parameter such as 2026-11-24, 2026-11-24T07, 2026-11-24T06:30, 2026-11-24T08:30+02:00, \
             2026-11 or 2026"
        )),
    }
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
        fn days_hours_and_minutes_read_back(minutes in -719_528 * 1_440..2_932_897 * 1_440_i64) {
            let at = DateTime::<Utc>::from_timestamp(minutes * 60, 0).unwrap();
            for (form, unit) in [("%Y-%m-%d", 1_440), ("%Y-%m-%dT%H", 60), ("%Y-%m-%dT%H:%M", 1), ("%Y-%m-%dT%H:%M:00Z", 1)] {
                let expected = at - TimeDelta::minutes(minutes.rem_euclid(unit));
                let bound = parse_bound(&at.format(form).to_string());
                prop_assert_eq!(bound.map(|bound| bound.at), Ok(expected));
            }
        }

        #[test]
        fn variables_are_put_together_again(key in "[^=]+", value in "\\PC*") {
            let expected = Ok((key.clone(), value.clone()));
            prop_assert_eq!(parse_variable(&format!("{key}={value}")), expected);
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = (parse_variable(&text), parse_bound(&text), parse_seconds(&text), parse_span(&text));
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
    fn ends_of_ranges_are_parameters() {
        let instant = |text| parse_bound(text).map(|bound| bound.at.to_rfc3339()).ok();
        for (text, expected) in [
            ("2026-09-01", "2026-09-01T00:00:00+00:00"),
            ("2026-09-01T07", "2026-09-01T07:00:00+00:00"),
            ("2026-09-01T06:30", "2026-09-01T06:30:00+00:00"),
            ("2026-09-01T06:30:00Z", "2026-09-01T06:30:00+00:00"),
            ("2026-09-01T08:30+02:00", "2026-09-01T06:30:00+00:00"),
            ("2026-09", "2026-09-01T00:00:00+00:00"),
            ("2026", "2026-01-01T00:00:00+00:00"),
        ] {
            assert_eq!(instant(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "junk", "2026-09-31", "2026-9-01", "2026-09-01T24", "2026-09-01T7", "2026-09-01 07", "+026-09-01"]
        {
            assert_eq!(instant(text), None, "{text}");
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
