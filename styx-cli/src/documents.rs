//! Workflow files: YAML documents, of which JSON is a kind.
//!
//! YAML guesses what an unquoted scalar is, and a guess loses its text: a commit `12345e7` would become a number of
//! twelve digits, a version `1.10` would become `1.1`. So each field is read as what it is, and texts stay as they were
//! written. What the fields mean, and which of them must be there, is for `styx_core::workflow` to say.

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Reads the documents of a file, each as the JSON of a workflow configuration. Empty documents are left out.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn read(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let documents: Vec<Document> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    documents.iter().map(|document| serde_json::to_value(document).map_err(|error| error.to_string())).collect()
}

/// The fields of a workflow configuration as they may stand in a file. Unknown ones are ignored, as ever.
#[derive(Debug, Deserialize, Serialize)]
struct Document {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    offset: Option<String>,
    #[serde(default)]
    commit_sha: Option<String>,
    #[serde(default)]
    docker_image: Option<String>,
    #[serde(default)]
    docker_args: Option<Texts>,
    #[serde(default)]
    docker_termination_logging: Option<Value>,
    #[serde(default)]
    service_account: Option<String>,
    #[serde(default)]
    resources: Option<Texts>,
    #[serde(default)]
    env: Option<TextMap>,
    #[serde(default)]
    running_timeout: Option<Value>,
    #[serde(default)]
    retry_condition: Option<String>,
    #[serde(default)]
    flyte_exec_conf: Option<FlyteExecConf>,
    #[serde(default)]
    deployment_source: Option<TextMap>,
    #[serde(default)]
    deployment_time: Option<String>,
    #[serde(default)]
    secret: Option<TextMap>,
}

#[derive(Debug, Deserialize, Serialize)]
struct FlyteExecConf {
    #[serde(default)]
    reference_id: Option<TextMap>,
    #[serde(default)]
    input_fields: Option<TextMap>,
}

/// A list of texts; a bare one is a list of one.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Texts(Vec<Option<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![Some(text.into())]))
    }
}

/// A map of texts, in the order of the file.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct TextMap(Map<String, Value>);

impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextMapVisitor)
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = TextMap;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TextMap, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<String, Option<String>>()? {
            map.insert(key, value.map_or(Value::Null, Value::String));
        }
        Ok(TextMap(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The fields that are there.
    fn read_one(text: &str) -> Value {
        let mut documents = read(text).unwrap();
        assert_eq!(documents.len(), 1, "{text}");
        let mut document = documents.remove(0);
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        document
    }

    #[test]
    fn texts_stay_as_they_were_written() {
        let text = "id: 007\nschedule: days\ncommit_sha: 12345e7\nenv: {V: 1.10, YES: yes, N: 1_000, E: \"\"}\n\
                    docker_args: [1.0, 0x10, true, '~']\n";
        let expected = json!({
            "id": "007", "schedule": "days", "commit_sha": "12345e7",
            "docker_args": ["1.0", "0x10", "true", "~"],
            "env": {"V": "1.10", "YES": "yes", "N": "1_000", "E": ""},
        });
        assert_eq!(read_one(text), expected);
    }

    #[test]
    fn numbers_booleans_and_nulls_stay_what_they_are() {
        let text = "id: a\nschedule: ~\noffset:\nrunning_timeout: 90.5\ndocker_termination_logging: true\n\
                    resources: one\nenv: {A: null}\n";
        let expected = json!({
            "id": "a", "running_timeout": 90.5, "docker_termination_logging": true, "resources": ["one"],
            "env": {"A": null},
        });
        assert_eq!(read_one(text), expected);
        assert_eq!(read_one("id: a\nrunning_timeout: PT2H\n"), json!({"id": "a", "running_timeout": "PT2H"}));
        assert_eq!(read_one("id: a\nrunning_timeout: 7200\n"), json!({"id": "a", "running_timeout": 7200}));
    }

    #[test]
    fn several_documents_are_read_and_empty_ones_left_out() {
        let text = "---\nid: a\n---\n# nothing\n---\nid: b\n...\n";
        let ids: Vec<_> = read(text).unwrap().into_iter().map(|document| document["id"].clone()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(read("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn json_is_read_too() {
        let text = "{\n\t\"id\": \"a\",\n\t\"docker_args\": [\"x\", \"{}\"],\n\t\"deployment_source\": {\"source\": \"s\"}\n}\n";
        let expected = json!({"id": "a", "docker_args": ["x", "{}"], "deployment_source": {"source": "s"}});
        assert_eq!(read_one(text), expected);
    }

    #[test]
    fn errors_say_where() {
        for (text, place) in [
            ("id: a\nenv: [x]\n", "line 2, column 6"),
            ("id: a\nenv:\n- x: [y\n", "line 3"),
            ("id: a\nid: b\n", "line 2"),
            ("id: a\ndocker_args: [{x: y}]\n", "line 2"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }
}
