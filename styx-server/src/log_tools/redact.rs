//! Values of environment variables may be secrets: they are never shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What stands for a value.
pub(super) const HIDDEN: &str = "***";

/// An environment with its values hidden.
pub(super) fn env(env: &BTreeMap<String, String>) -> Value {
    Value::Object(env.keys().map(|name| (name.clone(), HIDDEN.into())).collect())
}

/// A JSON text with the values of all environments in it hidden; what isn't JSON can't be searched and isn't shown.
pub(super) fn json(text: &[u8]) -> Value {
    match serde_json::from_slice(text) {
        Ok(value) => hidden(value),
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => json!({ "unreadable_bytes": text.len() }),
    }
}

/// Whatever is called `env` (in any case) is an environment, of our form (a map) or of Kubernetes' (a list of names and
/// values).
fn hidden(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(hidden).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(hidden_member).collect()),
        other => other,
    }
}

fn hidden_member((name, value): (String, Value)) -> (String, Value) {
    let value = if name.eq_ignore_ascii_case("env") { without_values(value) } else { hidden(value) };
    (name, value)
}

fn without_values(env: Value) -> Value {
    match env {
        Value::Null => Value::Null,
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, _)| (name, HIDDEN.into())).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| without_value(&item)).collect()),
        _ => HIDDEN.into(),
    }
}

/// Of a variable in a list only the name is kept.
fn without_value(variable: &Value) -> Value {
    let mut shown = Map::new();
    if let Some(name) = variable.get("name") {
        shown.insert("name".into(), name.clone());
    }
    shown.insert("value".into(), HIDDEN.into());
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_environments_are_hidden_wherever_they_are() {
        for (text, shown) in [
            (r#"{"a":{"env":{"B":"s3cret"}},"c":1}"#, r#"{"a":{"env":{"B":"***"}},"c":1}"#),
            (
                r#"[{"ENV":[{"name":"B","value":"s3cret","valueFrom":{"x":"s3cret"}}]}]"#,
                r#"[{"ENV":[{"name":"B","value":"***"}]}]"#,
            ),
            (r#"{"env":{"B":{"env":"s3cret"}}}"#, r#"{"env":{"B":"***"}}"#),
            (r#"{"env":["B=s3cret"]}"#, r#"{"env":[{"value":"***"}]}"#),
            (r#"{"env":"B=s3cret"}"#, r#"{"env":"***"}"#),
            (r#"{"env":null}"#, r#"{"env":null}"#),
            (r#"{"env":{"B":"s3cret"}"#, r#"{"unreadable_bytes":21}"#),
            ("", "null"),
        ] {
            assert_eq!(json(text.as_bytes()).to_string(), shown, "{text}");
        }
    }
}
