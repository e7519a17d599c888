//! How instants and durations look in JSON.
//!
//! Instants are ISO-8601 texts in UTC with the fraction that is needed (none, 3, 6 or 9 digits); durations are seconds.
//! The modules are for `#[serde(with = "…")]`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use styx_core::workflow::{Span, instant_after_epoch, parse_instant};

use crate::lenient::trimmed;

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
        read(&Box::<RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub(super) fn read(raw: &RawValue) -> Result<DateTime<Utc>, String> {
        instant_of(raw).ok_or_else(|| format!("not an instant: {raw}"))
    }
}

/// An instant, or null; a blank text is null too.
pub(crate) mod optional_instant {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => instant::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        match Option::<Box<RawValue>>::deserialize(deserializer)? {
            Some(raw) if !is_blank(&raw) => instant::read(&raw).map(Some).map_err(D::Error::custom),
            _ => Ok(None),
        }
    }
}

/// A duration in seconds with nine decimals, or null; a blank text is null too.
pub(crate) mod optional_duration {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => RawValue::from_string(span.to_decimal()).map_err(S::Error::custom)?.serialize(serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
        match Option::<Box<RawValue>>::deserialize(deserializer)? {
            Some(raw) if !is_blank(&raw) => read(&raw).map(Some).map_err(D::Error::custom),
            _ => Ok(None),
        }
    }

    fn read(raw: &RawValue) -> Result<Span, String> {
        let span = match text_of(raw) {
            Some(text) => Span::parse_iso(trimmed(&text)),
            None => Span::parse_decimal(raw.get()),
        };
        span.map_err(|_| format!("not a duration: {raw}"))
    }
}

fn instant_of(raw: &RawValue) -> Option<DateTime<Utc>> {
    match text_of(raw) {
        Some(text) => parse_instant(trimmed(&text)),
        None => Span::parse_decimal(raw.get()).ok().and_then(instant_after_epoch),
    }
}

fn is_blank(raw: &RawValue) -> bool {
    text_of(raw).is_some_and(|text| trimmed(&text).is_empty())
}

fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_accepted_form() {
        for (value, expected) in [
            (r#""2024-05-06T07:00:00Z""#, Some("2024-05-06T07:00:00Z")),
            (r#""2024-05-06T07:00:00.12Z""#, Some("2024-05-06T07:00:00.120Z")),
            (r#""2024-05-06T07:00:00.123456789Z""#, Some("2024-05-06T07:00:00.123456789Z")),
            (r#""2024-05-06T08:00:00+01:00""#, Some("2024-05-06T07:00:00Z")),
            (r#"" 1714978800 ""#, Some("2024-05-06T07:00:00Z")),
            (r#"1714978800"#, Some("2024-05-06T07:00:00Z")),
            (r#"1714978800.5"#, Some("2024-05-06T07:00:00.500Z")),
            (r#""2024-05-06""#, None),
            (r#""tomorrow""#, None),
            (r#"true"#, None),
        ] {
            assert_eq!(
                instant_of(serde_json::from_str(value).unwrap()).map(format_instant).as_deref(),
                expected,
                "{value}"
            );
        }
    }
}
