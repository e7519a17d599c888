//! How instants and durations look in JSON.
//!
//! Instants are ISO-8601 texts in UTC with the fraction that is needed (none, 3, 6 or 9 digits); durations are seconds.
//! The modules are for `#[serde(with = "…")]`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde_json::Value;
use styx_core::workflow::Span;

/// The text of an instant, such as `2024-05-06T07:00:00.120Z`.
pub fn format_instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A required instant.
pub(crate) mod instant {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_instant(*at))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        instant_of(&value).ok_or_else(|| D::Error::custom(format!("not an instant: {value}")))
    }
}

/// An instant or null.
pub(crate) mod optional_instant {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => instant::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(None),
            value => instant_of(&value).map(Some).ok_or_else(|| D::Error::custom(format!("not an instant: {value}"))),
        }
    }
}

/// A duration in seconds, or null. [`crate::json`] adds the nine decimals.
pub(crate) mod optional_duration {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => serializer.serialize_f64(span.nanos() as f64 / 1e9),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let span = match &value {
            Value::Null => return Ok(None),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => Span::parse_iso(text).ok(),
            Value::Number(number) => Span::parse_decimal(&number.to_string()).ok(),
            _ => None,
        };
        span.map(Some).ok_or_else(|| D::Error::custom(format!("not a duration: {value}")))
    }
}

fn instant_of(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => DateTime::from_timestamp(whole, 0),
            None => {
                let span = Span::parse_decimal(&number.to_string()).ok()?;
                DateTime::UNIX_EPOCH.checked_add_signed(span.to_delta())
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn instants_are_read_in_every_accepted_form() {
        for (value, expected) in [
            (json!("2024-05-06T07:00:00Z"), Some("2024-05-06T07:00:00Z")),
            (json!("2024-05-06T07:00:00.12Z"), Some("2024-05-06T07:00:00.120Z")),
            (json!("2024-05-06T07:00:00.123456789Z"), Some("2024-05-06T07:00:00.123456789Z")),
            (json!("2024-05-06T08:00:00+01:00"), Some("2024-05-06T07:00:00Z")),
            (json!(1_714_978_800), Some("2024-05-06T07:00:00Z")),
            (json!(1_714_978_800.5), Some("2024-05-06T07:00:00.500Z")),
            (json!("2024-05-06"), None),
            (json!("tomorrow"), None),
            (json!(true), None),
        ] {
            assert_eq!(instant_of(&value).map(format_instant).as_deref(), expected, "{value}");
        }
    }
}
