//! JSON as the API writes and reads it.
//!
//! serde_json alone comes close; what it lacks is the form of durations, which the API writes in seconds with exactly
//! nine decimals (`5400.000000000`). Readers take any number, so a value that goes out through another serializer is
//! merely shorter, not wrong.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CompactFormatter, Formatter};

/// The one field that is a duration, wherever it appears.
const DURATION_FIELD: &[u8] = b"running_timeout";

/// Writes a value the way the API does: compact, all fields, durations with nine decimals.
///
/// ```
/// use styx_client::{WorkflowId, json};
///
/// let id = WorkflowId::new("sales", "daily-report");
/// assert_eq!(json::to_string(&id).unwrap(), r#"{"component_id":"sales","id":"daily-report"}"#);
/// ```
///
/// # Errors
/// When the value has no form in JSON, such as a map whose keys are not texts. No type of this crate has such values.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let bytes = to_vec(value)?;
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// Writes a value as [`to_string`] does, as bytes.
///
/// # Errors
/// As [`to_string`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, ApiFormatter::default()))?;
    Ok(bytes)
}

/// Reads a value. What follows it is ignored, as the API has always done.
///
/// ```
/// use styx_client::{WorkflowId, json};
///
/// let id: WorkflowId = json::from_slice(br#"{"component_id":"sales","id":7,"colour":"blue"} trailing"#).unwrap();
/// assert_eq!(id, WorkflowId::new("sales", "7"));
/// ```
///
/// # Errors
/// When the bytes are not JSON, or a required field is missing or null, or a field is of a kind that cannot be read.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(bytes))
}

/// Compact output that knows which field is a duration.
#[derive(Default)]
struct ApiFormatter {
    in_key: bool,
    key: Vec<u8>,
}

impl Formatter for ApiFormatter {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        self.key.clear();
        CompactFormatter.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.in_key = false;
        CompactFormatter.end_object_key(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if self.in_key {
            self.key.extend_from_slice(fragment.as_bytes());
        }
        CompactFormatter.write_string_fragment(writer, fragment)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Zero is the exception of the original: it writes `0.0`.
        if self.key == DURATION_FIELD && value != 0.0 {
            write!(writer, "{value:.9}")
        } else {
            CompactFormatter.write_f64(writer, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_durations_have_nine_decimals() {
        let value = json!({"retry_cost": 1.1, "running_timeout": 90.5, "next": {"running_timeout": 0.0, "x": 2.0}});
        let expected = r#"{"retry_cost":1.1,"running_timeout":90.500000000,"next":{"running_timeout":0.0,"x":2.0}}"#;
        assert_eq!(to_string(&value).unwrap(), expected);
    }

    #[test]
    fn what_follows_a_value_is_ignored() {
        assert_eq!(from_slice::<Vec<u8>>(b" [1,2] }").unwrap(), vec![1, 2]);
        assert!(from_slice::<Vec<u8>>(b"").is_err());
    }
}
