//! JSON as the API writes and reads it.
//!
//! Writing is strict, reading is forgiving: numbers and booleans are taken where a text is wanted and the other way
//! round, a bare value is a list of one, unknown fields are ignored and null ones are absent. serde_json itself reads
//! these types too, but only in the form in which they are written.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lenient::Lenient;

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
    serde_json::to_string(value)
}

/// Writes a value as [`to_string`] does, as bytes.
///
/// # Errors
/// As [`to_string`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(value)
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
/// When the bytes are not JSON, or a required field is missing or null, or a field is of a kind that cannot be read. The text
/// names the field, if it isn't the whole value.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let first: &RawValue = Deserialize::deserialize(&mut serde_json::Deserializer::from_slice(bytes))?;
    T::deserialize(Lenient(first)).map_err(|error| located::<T>(first, error))
}

/// The same error with the field that it is about, such as `trigger_parameters.env.MODE`. Only what can't be read is read twice.
fn located<T: DeserializeOwned>(value: &RawValue, error: serde_json::Error) -> serde_json::Error {
    match serde_path_to_error::deserialize::<_, T>(Lenient(value)) {
        Err(located) if located.path().iter().next().is_some() => {
            serde_json::Error::custom(format!("{error} at `{}`", located.path()))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExecutionDescription, TriggerRequest};

    #[test]
    fn durations_keep_every_digit() {
        for (seconds, written) in
            [("90.5", "90.500000000"), ("0.0", "0.0"), ("9223372036854775807", "9223372036854775807.000000000")]
        {
            let json = format!(r#"{{"running_timeout":{seconds}}}"#);
            let read: ExecutionDescription = from_slice(json.as_bytes()).unwrap();
            let text = to_string(&read).unwrap();
            assert!(text.contains(&format!(r#""running_timeout":{written},"#)), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_field() {
        let json =
            r#"{"workflow_id":{"component_id":"c","id":"w"},"parameter":"p","trigger_parameters":{"env":{"MODE":{}}}}"#;
        let text = from_slice::<TriggerRequest>(json.as_bytes()).unwrap_err().to_string();
        assert!(text.ends_with(" at `trigger_parameters.env.MODE`"), "{text}");
        let text = from_slice::<TriggerRequest>(br#"{"workflow_id":{"component_id":"c"}}"#).unwrap_err().to_string();
        assert!(text.starts_with("missing field `id`") && text.ends_with(" at `workflow_id`"), "{text}");
        let text = from_slice::<TriggerRequest>(b"{}").unwrap_err().to_string();
        assert_eq!(text, "missing field `workflow_id`");
    }

    #[test]
    fn what_follows_a_value_is_ignored() {
        assert_eq!(from_slice::<Vec<i64>>(b" [1,2] }").unwrap(), vec![1, 2]);
        assert!(from_slice::<Vec<i64>>(b"").is_err());
        assert!(from_slice::<String>(b"\"\xff\"").is_err());
    }
}
