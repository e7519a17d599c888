//! YAML (and so JSON) as a tree that knows where each value stands.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

use crate::error::Problem;

/// How deep lists and maps may be nested; a workflow needs four levels.
const DEPTH: usize = 64;

/// A place in a file: line and column, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    /// Where a text begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// Where the text ends that begins here. Lines end as they do in YAML, with a carriage return too.
    pub(super) fn after(mut self, text: &str) -> Self {
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\r' if characters.peek() == Some(&'\n') => {}
                '\r' | '\n' => self = Self { line: self.line + 1, column: 1 },
                _ => self.column += 1,
            }
        }
        self
    }
}

impl From<Place> for (u64, u64) {
    fn from(Place { line, column }: Place) -> Self {
        (line, column)
    }
}

/// A value and where it stands; what an alias stands for is where the anchor is.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) place: Place,
    pub(super) value: Value,
    /// Where its text stands, in bytes; `None` when nothing is written there.
    pub(super) range: Option<Range<usize>>,
}

/// A value. A number is kept as it is written; a boolean that isn't written as JSON has it, too.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Member>),
}

/// A member of a map, and where its name stands.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) place: Place,
    pub(super) name: String,
    /// Where the name is written, in bytes.
    pub(super) range: Option<Range<usize>>,
    pub(super) tree: Tree,
}

/// Reads the documents of a text; empty ones are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Tree>, Problem> {
    let text = without_mark(text);
    let options = serde_saphyr::options! {
        // What aliases and documents make of a file is bounded by its events, nodes and bytes, where what an alias stands
        // for counts each time. How many workflows share an anchor is nobody's business.
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            max_documents: usize::MAX,
            enforce_alias_anchor_ratio: false,
        },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(text, options) {
        Ok(documents) => Ok(documents.into_iter().map(|document| Tree::new(document, text)).collect()),
        Err(error) => Err(syntax(&error, text)),
    }
}

/// A text without the byte order mark that it may begin with, which is in no column.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl Tree {
    fn new(raw: Spanned<Raw>, text: &str) -> Self {
        let value = match raw.value {
            Raw::Null => Value::Null,
            // Most fields want texts: there `True` has to stay what it is. Where a flag is wanted it is a flag all the same.
            Raw::Bool(value) => match source(text, raw.defined) {
                Some(written) if written != value.to_string() => Value::Text(written),
                _ => Value::Bool(value),
            },
            Raw::Number(number) => Value::Number(source(text, raw.defined).unwrap_or(number)),
            Raw::Text(value) => Value::Text(as_written(value, source(text, raw.defined))),
            Raw::List(items) => Value::List(items.into_iter().map(|item| Self::new(item, text)).collect()),
            Raw::Map(members) => {
                let members = members.into_iter().map(|(name, value)| Member {
                    place: place(name.defined),
                    range: range(text, name.defined),
                    name: name.value,
                    tree: Self::new(value, text),
                });
                Value::Map(members.collect())
            }
        };
        Self { place: place(raw.defined), value, range: range(text, raw.defined) }
    }

    /// A text that stands for one of the file.
    pub(super) fn text(place: Place, text: &str) -> Self {
        Self { place, value: Value::Text(text.into()), range: None }
    }

    /// The member of that name, if this is a map that has one.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(members) => members.iter().find(|member| member.name == name).map(|found| &found.tree),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn member_mut(&mut self, name: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(members) => members.iter_mut().find(|member| member.name == name).map(|found| &mut found.tree),
            _ => None,
        }
    }

    /// Finds what a path such as `secret.name` or `docker_args[1]` leads to, as far as it can be followed.
    pub(super) fn find(&self, path: &str) -> &Self {
        let (tree, rest) = match (&self.value, path.strip_prefix('[').and_then(|rest| rest.split_once(']'))) {
            (Value::List(items), Some((index, rest))) => (index.parse().ok().and_then(|at: usize| items.get(at)), rest),
            (Value::Map(_), None) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let end = path.find(['.', '[']).unwrap_or(path.len());
                // The name of a variable may hold dots.
                match self.member(path) {
                    Some(tree) => (Some(tree), ""),
                    None => (self.member(&path[..end]), &path[end..]),
                }
            }
            _ => (None, ""),
        };
        tree.map_or(self, |tree| tree.find(rest))
    }

    /// The value as JSON. What is a number to YAML only becomes a text.
    pub(super) fn to_json(&self) -> String {
        match &self.value {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) if serde_json::from_str::<serde_json::Number>(number).is_ok() => number.clone(),
            Value::Number(text) | Value::Text(text) => quote(text),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_json).collect();
                format!("[{}]", items.join(","))
            }
            Value::Map(members) => {
                let members = members.iter().map(|member| format!("{}:{}", quote(&member.name), member.tree.to_json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn place(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

/// The parser writes what is infinite to it, or no number, in small letters.
fn as_written(value: String, source: Option<String>) -> String {
    const NOT_FINITE: [&str; 4] = [".inf", "+.inf", "-.inf", ".nan"];
    match source {
        Some(source) if NOT_FINITE.contains(&value.as_str()) && source.eq_ignore_ascii_case(&value) => source,
        _ => value,
    }
}

/// The text at a location.
fn source(text: &str, location: Location) -> Option<String> {
    range(text, location).and_then(|range| text.get(range)).map(Into::into)
}

/// The bytes of a location, if there are any.
fn range(text: &str, location: Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    let range = start..start.checked_add(length)?;
    text.get(range.clone()).is_some_and(|source| !source.is_empty()).then_some(range)
}

/// What the parser says, without the source line (it may hold a secret) and with a hint at the usual mistake.
fn syntax(error: &serde_saphyr::Error, text: &str) -> Problem {
    let place = error.location().map(place);
    let mut message = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    if let Some(place) = place
        && let Some(bare) = message.strip_suffix(&format!(" at line {}, column {}", place.line, place.column))
    {
        message = bare.into();
    }
    let first = place.and_then(|place| char_at(text, place));
    if let Some(first) = first.filter(|c| "@*`%&".contains(*c)) {
        message = format!("{message}; a text that begins with {first} needs quotes");
    } else if let Some(first @ ('{' | '[')) = first
        && message == "expected string scalar"
    {
        // What stands there was taken for a key: `{{ ds }}` is a map whose only key is a map.
        message = format!("a key has to be a text; a text that begins with {first}{first} needs quotes");
    } else if message.starts_with("simple key expected") {
        message.push_str("; a key is followed by a colon and a blank");
    } else if message == "mapping values are not allowed in this context" {
        message
            .push_str("; a text with a colon and a blank in it needs quotes, and keys of one map begin in one column");
    } else if message.ends_with("found a tab") {
        message.push_str("; lines are indented by blanks");
    }
    Problem { place, field: None, text: message, rule: None }
}

fn char_at(text: &str, place: Place) -> Option<char> {
    let line = text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    line.chars().nth(usize::try_from(place.column).ok()?.checked_sub(1)?)
}

/// A value as the parser gives it.
enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Raw::Map(members))
    }
}
