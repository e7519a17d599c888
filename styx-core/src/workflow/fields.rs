//! The fields of a JSON object, read as leniently as Styx reads them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::instant::{instant_after_epoch, parse_instant};
use super::json::{JsonError, Node, Strictness};
use super::pod::PodTemplate;
use super::span::Span;
use crate::text::shortened;

/// How many characters of a value an error repeats.
const MAX_REPEATED: usize = 40;

/// What there is of an object that has not been read yet.
///
/// Every reader takes its field away, so that [`finish`](Self::finish) finds those that nobody asked for.
pub(super) struct Fields {
    /// Where the object is; empty for the outermost.
    path: String,
    members: Vec<(String, Node)>,
    strictness: Strictness,
}

impl Fields {
    /// The fields of a whole configuration.
    pub(super) fn of_configuration(node: Node, strictness: Strictness) -> Result<Self, JsonError> {
        match node {
            Node::Map(members) => Ok(Self { path: String::new(), members, strictness }),
            node => Err(unexpected("configuration".into(), "an object", &node)),
        }
    }

    /// A text, or a number or a boolean, whose text is taken.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, JsonError> {
        match self.take(name) {
            Node::Null => Ok(None),
            node => text_of(node).map(Some).map_err(|node| unexpected(self.path_of(name), "a text", &node)),
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String, JsonError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text, and nothing that could be taken for one.
    pub(super) fn required_plain_text(&mut self, name: &str) -> Result<String, JsonError> {
        match self.take(name) {
            Node::Null => Err(self.missing(name)),
            Node::Text(text) => Ok(text),
            node => Err(unexpected(self.path_of(name), "a text", &node)),
        }
    }

    /// A boolean; absent is false. A whole number is true unless it is 0; `""` and `"null"` are false.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, JsonError> {
        let node = self.take(name);
        let flag = match &node {
            Node::Null => Some(false),
            Node::Bool(value) => Some(*value),
            Node::Number(number) if is_whole(number) => Some(number.bytes().any(|b| (b'1'..=b'9').contains(&b))),
            Node::Text(text) => match trimmed(text) {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" | "" | "null" => Some(false),
                _ => None,
            },
            Node::Number(_) | Node::List(_) | Node::Map(_) => None,
        };
        flag.ok_or_else(|| unexpected(self.path_of(name), "true or false", &node))
    }

    /// A list of texts, or a single one.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, JsonError> {
        let items = match self.take(name) {
            Node::Null => return Ok(None),
            Node::List(items) => items,
            node @ Node::Map(_) => {
                return Err(unexpected(self.path_of(name), "a list of texts", &node));
            }
            node => vec![node],
        };
        let texts = items.into_iter().enumerate().map(|(index, item)| match item {
            Node::Null => Err(JsonError::NullElement { path: self.path_of(name), key: index.to_string() }),
            item => {
                text_of(item).map_err(|item| unexpected(format!("{}[{index}]", self.path_of(name)), "a text", &item))
            }
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A map of texts; absent is empty. Where a key comes twice, the last one counts.
    pub(super) fn map(&mut self, name: &str) -> Result<BTreeMap<String, String>, JsonError> {
        let members = match self.take(name) {
            Node::Null => Vec::new(),
            Node::Map(members) => members,
            // Such as `PASSWORD=…` in one text: what it holds may be a secret and isn't said.
            Node::Text(_) | Node::Number(_) | Node::Bool(_) => {
                let (path, found) = (self.path_of(name), "a single value".into());
                return Err(JsonError::Unexpected { path, expected: "a map of texts", found });
            }
            node @ Node::List(_) => return Err(unexpected(self.path_of(name), "a map of texts", &node)),
        };
        let mut last = BTreeMap::new();
        last.extend(members);
        let texts = last.into_iter().map(|(key, value)| match value {
            Node::Null => Err(JsonError::NullElement { path: self.path_of(name), key }),
            value => match text_of(value) {
                Ok(text) => Ok((key, text)),
                Err(value) => Err(unexpected(format!("{}.{key}", self.path_of(name)), "a text", &value)),
            },
        });
        texts.collect()
    }

    /// A span of time: a number of seconds, or an ISO-8601 duration; a blank text counts as absent.
    pub(super) fn span(&mut self, name: &str) -> Result<Option<Span>, JsonError> {
        let node = self.take(name);
        let span = match &node {
            Node::Null => return Ok(None),
            Node::Text(text) if trimmed(text).is_empty() => return Ok(None),
            Node::Text(text) => Span::parse_iso(trimmed(text)).ok(),
            Node::Number(number) => Span::parse_decimal(number).ok(),
            Node::Bool(_) | Node::List(_) | Node::Map(_) => None,
        };
        let expected = "a number of seconds, or a duration such as \"PT2H\"";
        span.map(Some).ok_or_else(|| unexpected(self.path_of(name), expected, &node))
    }

    /// An instant: ISO-8601 text with a time zone, or seconds since 1970; a blank text counts as absent.
    pub(super) fn instant(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, JsonError> {
        let node = self.take(name);
        let instant = match &node {
            Node::Null => return Ok(None),
            Node::Text(text) if trimmed(text).is_empty() => return Ok(None),
            Node::Text(text) => parse_instant(trimmed(text)),
            Node::Number(number) => Span::parse_decimal(number).ok().and_then(instant_after_epoch),
            Node::Bool(_) | Node::List(_) | Node::Map(_) => None,
        };
        let expected = "an instant such as \"2024-05-06T07:00:00Z\"";
        instant.map(Some).ok_or_else(|| unexpected(self.path_of(name), expected, &node))
    }

    /// The fields of an object within this one.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, JsonError> {
        let path = self.path_of(name);
        match self.take(name) {
            Node::Null => Ok(None),
            Node::Map(members) => Ok(Some(Self { path, members, strictness: self.strictness })),
            node => Err(unexpected(path, "an object", &node)),
        }
    }

    /// A pod template: an object.
    pub(super) fn pod(&mut self, name: &str) -> Result<Option<PodTemplate>, JsonError> {
        match self.take(name) {
            Node::Null => Ok(None),
            node => Self::pod_template(node, &self.path_of(name)).map(Some),
        }
    }

    /// The pod template that a value at a path is.
    pub(super) fn pod_template(node: Node, path: &str) -> Result<PodTemplate, JsonError> {
        match node {
            Node::Map(_) => Ok(PodTemplate::new(&node)),
            node => Err(unexpected(path.into(), "an object", &node)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> JsonError {
        JsonError::Missing { path: self.path_of(name) }
    }

    /// Refuses what is left, if that is wanted.
    pub(super) fn finish(self) -> Result<(), JsonError> {
        match (self.strictness, self.members.first()) {
            (Strictness::Strict, Some((name, _))) => Err(JsonError::Unknown { path: self.path_of(name) }),
            _ => Ok(()),
        }
    }

    /// Takes a field away; where it comes twice, the last one counts.
    fn take(&mut self, name: &str) -> Node {
        let mut last = Node::Null;
        self.members.retain_mut(|(member, node)| {
            let is_other = member != name;
            if !is_other {
                last = std::mem::replace(node, Node::Null);
            }
            is_other
        });
        last
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }
}

fn text_of(node: Node) -> Result<String, Node> {
    match node {
        Node::Text(text) | Node::Number(text) => Ok(text),
        Node::Bool(value) => Ok(value.to_string()),
        node => Err(node),
    }
}

/// A text less the blanks and control characters around it, as Java trims.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter| letter <= ' ')
}

fn is_whole(number: &str) -> bool {
    number.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

fn unexpected(path: String, expected: &'static str, found: &Node) -> JsonError {
    let found = match found {
        Node::Null => "null".into(),
        Node::Bool(value) => value.to_string(),
        Node::Number(number) => format!("the number {}", shortened(number, MAX_REPEATED)),
        Node::Text(text) => format!("the text {:?}", shortened(text, MAX_REPEATED)),
        Node::List(_) => "a list".into(),
        Node::Map(_) => "an object".into(),
    };
    JsonError::Unexpected { path, expected, found }
}
