//! Reads a template by the types of Kubernetes, and finds the fields that they don't have.
//!
//! The types of `k8s_openapi` ignore unknown fields. They name their fields to whatever they are read from, though, so this
//! reader compares, and remembers where it is.

use std::{cell::RefCell, fmt};

use k8s_openapi::{
    api::core::v1::PodTemplateSpec,
    serde::{
        Deserialize,
        de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor},
        forward_to_deserialize_any,
    },
};
use serde_json::Value;
use styx_core::text::nearest;

use super::error::{TemplateError, member};

/// What is expected where a text belongs.
const TEXT: &str = "a text";

/// Reads a template, and adds what is wrong; `None` if a field has a wrong type.
pub(super) fn read(value: &Value, errors: &mut Vec<TemplateError>) -> Option<PodTemplateSpec> {
    let unknown = RefCell::new(Vec::new());
    let read = PodTemplateSpec::deserialize(Typed { value, path: String::new(), unknown: &unknown });
    errors.extend(unknown.into_inner());
    read.map_err(|wrong| errors.push(wrong.0)).ok()
}

/// A value, where it is, and the fields that were found to be unknown.
struct Typed<'a> {
    value: &'a Value,
    path: String,
    unknown: &'a RefCell<Vec<TemplateError>>,
}

impl<'a> Typed<'a> {
    /// Reads it as what is expected, if it is that.
    fn read_as<V: Visitor<'a>>(self, expected: &str, is_that: bool, visitor: V) -> Result<V::Value, Wrong> {
        if is_that { self.deserialize_any(visitor) } else { Err(self.unexpected(expected)) }
    }

    /// What another type was expected in place of; the value isn't repeated.
    fn unexpected(&self, expected: &str) -> Wrong {
        let (found, is_unquoted) = match self.value {
            Value::Null => ("null", false),
            Value::Bool(_) => ("true or false", true),
            Value::Number(_) => ("a number", true),
            Value::String(_) => ("a text", false),
            Value::Array(_) => ("a list", false),
            Value::Object(_) => ("an object", false),
        };
        let hint = if is_unquoted && expected == TEXT { "; a text needs quotes" } else { "" };
        Wrong(TemplateError::new(self.path.clone(), format!("expected {expected}, found {found}{hint}")))
    }

    fn find_unknown(&self, fields: &[&'static str]) {
        let Value::Object(members) = self.value else { return };
        for name in members.keys().filter(|name| !fields.contains(&name.as_str())) {
            let text = match nearest(name, fields) {
                Some(meant) => format!("unknown field, did you mean `{meant}`?"),
                None => "unknown field".into(),
            };
            self.unknown.borrow_mut().push(TemplateError::new(member(&self.path, name), text));
        }
    }
}

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let Self { value, path, unknown } = self;
        let read: Result<V::Value, Wrong> = match value {
            Value::Object(members) => {
                return visitor.visit_map(Members { members: members.iter(), value: None, path, unknown });
            }
            Value::Array(items) => return visitor.visit_seq(Items { items: items.iter().enumerate(), path, unknown }),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), _, _) => visitor.visit_i64(whole),
                (None, Some(whole), _) => visitor.visit_u64(whole),
                (None, None, float) => visitor.visit_f64(float.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Null => visitor.visit_unit(),
        };
        // The visitor says what it expected when it is given something else, and doesn't know where.
        read.map_err(|wrong| Wrong(TemplateError::new(path, wrong.0.text)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.find_unknown(fields);
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.is_object();
        self.read_as("an object", is_that, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.is_array();
        self.read_as("a list", is_that, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.is_string();
        self.read_as(TEXT, is_that, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.is_boolean();
        self.read_as("true or false", is_that, visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
        self.read_as("a whole number of 32 bits", is_that, visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let is_that = self.value.is_i64();
        self.read_as("a whole number", is_that, visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

/// The members of an object, one after the other.
struct Members<'a> {
    members: serde_json::map::Iter<'a>,
    value: Option<(&'a str, &'a Value)>,
    path: String,
    unknown: &'a RefCell<Vec<TemplateError>>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.value.take().expect("a value is read after its name");
        seed.deserialize(Typed { value, path: member(&self.path, name), unknown: self.unknown })
    }
}

/// The items of a list, one after the other.
struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
    path: String,
    unknown: &'a RefCell<Vec<TemplateError>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((at, value)) = self.items.next() else { return Ok(None) };
        let path = format!("{}[{at}]", self.path);
        seed.deserialize(Typed { value, path, unknown: self.unknown }).map(Some)
    }
}

/// Why a value can't be read.
#[derive(Debug)]
struct Wrong(TemplateError);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(TemplateError::new("", text.to_string()))
    }

    fn invalid_type(_: de::Unexpected, expected: &dyn de::Expected) -> Self {
        Self(TemplateError::new("", format!("expected {expected}, found something else")))
    }

    fn invalid_value(_: de::Unexpected, expected: &dyn de::Expected) -> Self {
        Self(TemplateError::new("", format!("expected {expected}, found another value")))
    }
}
