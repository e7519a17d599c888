//! Reading as forgivingly as the original: `"20"` is a number, `true` is a text, a bare value is a list of one.
//!
//! Each function is for `#[serde(deserialize_with = "…")]`. With `#[serde(default)]` beside it an absent field reads
//! as null does.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected};
use serde_json::Value;

/// A required text; numbers and booleans become their text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(Value::deserialize(deserializer)?)
}

/// A text or null.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    optional(deserializer, text_of)
}

/// A number or null; fractions are cut, texts are read.
pub(crate) fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    optional(deserializer, integer_of)
}

/// A number; null is 0.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(optional_integer(deserializer)?.unwrap_or_default())
}

/// A floating-point number; null is 0.
pub(crate) fn double<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(optional(deserializer, double_of)?.unwrap_or_default())
}

/// A boolean or null; numbers are true unless 0.
pub(crate) fn optional_boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    optional(deserializer, boolean_of)
}

/// A boolean; null is false.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(optional_boolean(deserializer)?.unwrap_or_default())
}

/// A list; null is empty.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = optional(deserializer, |value| Ok(items_of(value)))?.unwrap_or_default();
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

/// A list of texts; null is empty.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(optional_texts(deserializer)?.unwrap_or_default())
}

/// A list of texts or null, which is not the same as an empty list.
pub(crate) fn optional_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    optional(deserializer, |value| items_of(value).into_iter().map(text_of).collect())
}

/// A map from text to text; null is empty.
pub(crate) fn text_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let entries = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(entries) => entries,
        other => return Err(unexpected(&other, "an object")),
    };
    entries.into_iter().map(|(key, value)| Ok((key, text_of(value)?))).collect()
}

/// Any value; null is the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn optional<'de, D, T>(deserializer: D, read: impl FnOnce(Value) -> Result<T, D::Error>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => read(value).map(Some),
    }
}

fn items_of(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        single => vec![single],
    }
}

fn text_of<E: Error>(value: Value) -> Result<String, E> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(unexpected(&other, "a text")),
    }
}

fn integer_of<E: Error>(value: Value) -> Result<i64, E> {
    let read = match &value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|double| double.trunc() as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| unexpected(&value, "an integer"))
}

fn double_of<E: Error>(value: Value) -> Result<f64, E> {
    let read = match &value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| unexpected(&value, "a number"))
}

fn boolean_of<E: Error>(value: Value) -> Result<bool, E> {
    match &value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::String(text) if text.trim() == "true" => Ok(true),
        Value::String(text) if text.trim() == "false" => Ok(false),
        _ => Err(unexpected(&value, "a boolean")),
    }
}

fn unexpected<E: Error>(value: &Value, expected: &str) -> E {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(number) => Unexpected::Float(number.as_f64().unwrap_or_default()),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    E::invalid_type(found, &expected)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "text")]
        text: String,
        #[serde(deserialize_with = "integer")]
        integer: i64,
        #[serde(deserialize_with = "double")]
        double: f64,
        #[serde(deserialize_with = "boolean")]
        boolean: bool,
        #[serde(deserialize_with = "texts")]
        texts: Vec<String>,
        #[serde(deserialize_with = "text_map")]
        map: BTreeMap<String, String>,
    }

    fn read(value: Value) -> Result<Sample, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn scalars_are_converted() {
        let sample = read(json!({
            "text": 20, "integer": "20", "double": "1.5", "boolean": "true", "texts": 7, "map": {"a": true},
        }));
        let expected = Sample {
            text: "20".into(),
            integer: 20,
            double: 1.5,
            boolean: true,
            texts: vec!["7".into()],
            map: BTreeMap::from([("a".into(), "true".into())]),
        };
        assert_eq!(sample.unwrap(), expected);
        assert_eq!(read(json!({"integer": 2.9})).unwrap().integer, 2);
        assert!(read(json!({"boolean": 2})).unwrap().boolean);
        assert!(!read(json!({"boolean": 0})).unwrap().boolean);
    }

    #[test]
    fn null_is_absent_except_where_a_text_is_required() {
        let sample = read(json!({"integer": null, "double": null, "boolean": null, "texts": null, "map": null}));
        assert_eq!(sample.unwrap(), Sample::default());
        assert!(read(json!({"text": null})).is_err());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for value in [json!({"boolean": "yes"}), json!({"integer": "x"}), json!({"text": []}), json!({"map": []})] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
