//! JSON in and out: the only file of the core that uses `serde_json`.
//!
//! A number is kept as the text it was written with, since Styx turns `1.50` into the text `1.50` where a text is
//! wanted, and since a duration may have more digits than a float holds. `serde_json` judges what is JSON, and a short
//! scanner then takes apart what it has accepted.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};
use thiserror::Error;

use super::WorkflowConfiguration;
use super::fields::Fields;

/// How deep lists and objects may be nested.
const DEPTH: usize = 128;

/// What to do with a field that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Ignore it: how Styx reads what its clients send.
    Lenient,
    /// Refuse it: in a file that somebody wrote it is a mistake.
    Strict,
}

/// Why a text is not a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("not JSON: {reason}")]
    Syntax {
        /// What is wrong, and where.
        reason: String,
    },
    /// A field that has to be there is missing, or null.
    #[error("{path} is required")]
    Missing {
        /// The field, such as `deployment_source.source`.
        path: String,
    },
    /// A field holds something that it cannot hold.
    #[error("{path}: expected {expected}, found {found}")]
    Unexpected {
        /// The field, or `configuration` for the whole.
        path: String,
        /// What it can hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A list or a map holds a null.
    #[error("{path} value cannot be null: {key}")]
    NullElement {
        /// The list or map.
        path: String,
        /// The key in the map, or the place in the list, counted from 0.
        key: String,
    },
    /// A field that there is not. Only [`Strictness::Strict`] says so.
    #[error("{path}: unknown field")]
    Unknown {
        /// The field.
        path: String,
    },
}

impl JsonError {
    /// The field that the error is about, as names joined by dots; `None` for a text that is not JSON.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Syntax { .. } => None,
            Self::Missing { path }
            | Self::Unexpected { path, .. }
            | Self::NullElement { path, .. }
            | Self::Unknown { path } => Some(path),
        }
    }
}

impl WorkflowConfiguration {
    /// Reads the JSON that a client sends.
    ///
    /// As lenient as Styx is: unknown fields and whatever follows the value are ignored, null is the same as absent, a
    /// number or a boolean is taken where a text is wanted, and a single text where a list is.
    ///
    /// # Errors
    /// When the text is not JSON, a required field is missing, or a field holds something that cannot be taken.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        Self::read(Fields::of_configuration(Node::parse(text)?, Strictness::Lenient)?)
    }

    /// Reads a value that has been parsed already, from a YAML file for example.
    ///
    /// Numbers have lost the text they were written with: where a text is wanted, `1.50` gives `1.5`.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), and for unknown fields if `strictness` says so.
    pub fn from_value(value: Value, strictness: Strictness) -> Result<Self, JsonError> {
        Self::read(Fields::of_configuration(Node::from(value), strictness)?)
    }

    /// Writes the JSON that Styx writes: compact, every field, in its order. What Styx does not know
    /// (`secret`, `docker_command`, `pod`) comes last and only if it is set.
    ///
    /// ```
    /// use styx_core::workflow::{FlyteIdentifier, WorkflowConfiguration};
    ///
    /// let json = WorkflowConfiguration::new("report", "@daily").to_json();
    /// assert!(json.starts_with(r#"{"id":"report","schedule":"days","offset":null,"#));
    /// ```
    pub fn to_json(&self) -> String {
        self.write().finish()
    }
}

/// A JSON value whose numbers are still text, and whose objects are still lists of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads the value that the text begins with.
    pub(super) fn parse(text: &str) -> Result<Self, JsonError> {
        match Deserializer::from_str(text).into_iter::<IgnoredAny>().next() {
            Some(Ok(_)) => Scanner { text, at: 0 }.value(DEPTH),
            Some(Err(error)) => Err(syntax(error.to_string())),
            None => Err(syntax("there is no value")),
        }
    }

    /// Writes it, compact. Where a name comes twice in an object, the last one counts.
    pub(super) fn to_json(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.clone(),
            Self::Text(text) => quote(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_json).collect();
                format!("[{}]", items.join(","))
            }
            Self::Map(members) => {
                let last: BTreeMap<&str, usize> =
                    members.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
                let mut object = ObjectWriter::new();
                for (at, (name, value)) in members.iter().enumerate() {
                    if last.get(name.as_str()) == Some(&at) {
                        object.raw(name, &value.to_json());
                    }
                }
                object.finish()
            }
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Map(members.into_iter().map(|(name, value)| (name, Self::from(value))).collect())
            }
        }
    }
}

/// Writes an object member by member.
pub(super) struct ObjectWriter(String);

impl ObjectWriter {
    pub(super) fn new() -> Self {
        Self("{".into())
    }

    /// Adds a member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quote(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.raw(name, &quote(text))
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[String]) -> &mut Self {
        let items: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        self.raw(name, &format!("[{}]", items.join(",")))
    }

    /// Adds what `write` adds, or a null.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, &str, T),
    ) -> &mut Self {
        match value {
            Some(value) => write(self, name, value),
            None => _ = self.raw(name, "null"),
        }
        self
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A text as JSON.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

fn syntax(reason: impl Into<String>) -> JsonError {
    JsonError::Syntax { reason: reason.into() }
}

/// Takes apart a text that is known to begin with a JSON value, so that it has to tell tokens from each other, not
/// right from wrong.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(syntax(format!("nested deeper than {DEPTH} levels")));
        };
        match self.peek() {
            b'{' => self.members(depth),
            b'[' => self.items(depth),
            b'"' => Ok(Node::Text(self.string()?)),
            _ => Ok(match self.word() {
                "null" => Node::Null,
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                number => Node::Number(number.into()),
            }),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Node, JsonError> {
        let mut members = Vec::new();
        self.at += 1;
        while self.peek() == b'"' {
            let name = self.string()?;
            self.skip(b':');
            members.push((name, self.value(depth)?));
            self.skip(b',');
        }
        self.skip(b'}');
        Ok(Node::Map(members))
    }

    fn items(&mut self, depth: usize) -> Result<Node, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        while !matches!(self.peek(), b']' | 0) {
            items.push(self.value(depth)?);
            self.skip(b',');
        }
        self.skip(b']');
        Ok(Node::List(items))
    }

    /// A string with its quotes; `serde_json` makes a text of it.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        let mut escaped = false;
        let rest = self.text.as_bytes().iter().skip(start + 1);
        let length = rest.take_while(|&&byte| {
            let goes_on = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            goes_on
        });
        self.at = (start + 1 + length.count() + 1).min(self.text.len());
        serde_json::from_str(&self.text[start..self.at]).map_err(|error| syntax(error.to_string()))
    }

    /// A number or a literal.
    fn word(&mut self) -> &str {
        let start = self.at;
        let is_in_word = |&&byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        self.at += self.text.as_bytes().iter().skip(start).take_while(is_in_word).count();
        &self.text[start..self.at]
    }

    /// The next byte that is not blank, 0 at the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        self.at += bytes.iter().skip(self.at).take_while(|byte| byte.is_ascii_whitespace()).count();
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == byte {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let node = Node::parse(r#" [1.50, -0e1 ,7200.000000000, "a\"\\" , {"b" : [true,false,null,{}]}] x"#).unwrap();
        let number = |text: &str| Node::Number(text.into());
        let last = Node::Map(vec![(
            "b".into(),
            Node::List(vec![Node::Bool(true), Node::Bool(false), Node::Null, Node::Map(vec![])]),
        )]);
        assert_eq!(
            node,
            Node::List(vec![
                number("1.50"),
                number("-0e1"),
                number("7200.000000000"),
                Node::Text("a\"\\".into()),
                last
            ])
        );
    }

    #[test]
    fn only_json() {
        for text in ["", "  ", "{'a':1}", r#"{"a":1,}"#, r#"{"a" /* c */:1}"#, "[1", r#""\ud800""#, "\"\u{1}\"", "nul"]
        {
            assert!(matches!(Node::parse(text), Err(JsonError::Syntax { .. })), "{text:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        assert!(Node::parse(&format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))).is_ok());
        assert!(Node::parse(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }
}
