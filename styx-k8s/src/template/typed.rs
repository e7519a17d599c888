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

use super::{
    error::{TemplateError, member},
    nearest::nearest,
};

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
    /// What another type was expected in place of; the value isn't repeated.
    fn unexpected(&self, expected: &dyn de::Expected) -> Wrong {
        let (found, hint) = match self.value {
            Value::Null => ("null", ""),
            Value::Bool(_) => ("true or false", "; a text needs quotes"),
            Value::Number(_) => ("a number", "; a text needs quotes"),
            Value::String(_) => ("a text", ""),
            Value::Array(_) => ("a list", ""),
            Value::Object(_) => ("an object", ""),
        };
        let expected = expected.to_string();
        let hint = if expected.contains("string") || expected.contains("text") { hint } else { "" };
        Wrong(TemplateError::new(self.path.clone(), format!("expected {expected}, found {found}{hint}")))
    }

    /// Where in the template an error without a place happened.
    fn placed(&self, wrong: Wrong) -> Wrong {
        if wrong.0.path.is_empty() { Wrong(TemplateError::new(self.path.clone(), wrong.0.text)) } else { wrong }
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
        // The visitor says what it expected when it is given something else.
        match self.value {
            Value::Object(members) => {
                let (path, unknown) = (self.path.clone(), self.unknown);
                visitor.visit_map(Members { members: members.iter(), value: None, path, unknown })
            }
            Value::Array(items) => {
                let (path, unknown) = (self.path.clone(), self.unknown);
                visitor.visit_seq(Items { items: items.iter().enumerate(), path, unknown })
            }
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), _, _) => visitor.visit_i64(whole).map_err(|wrong| self.placed(wrong)),
                (None, Some(whole), _) => visitor.visit_u64(whole).map_err(|wrong| self.placed(wrong)),
                (None, None, float) => visitor.visit_f64(float.unwrap_or_default()).map_err(|wrong| self.placed(wrong)),
            },
            Value::String(text) => visitor.visit_str(text).map_err(|wrong| self.placed(wrong)),
            Value::Bool(flag) => visitor.visit_bool(*flag).map_err(|wrong| self.placed(wrong)),
            Value::Null => visitor.visit_unit().map_err(|wrong| self.placed(wrong)),
        }
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
        if !self.value.is_object() {
            return Err(self.unexpected(&"an object"));
        }
        self.find_unknown(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_object() { self.deserialize_any(visitor) } else { Err(self.unexpected(&"an object")) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_array() { self.deserialize_any(visitor) } else { Err(self.unexpected(&"a list")) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_string() { self.deserialize_any(visitor) } else { Err(self.unexpected(&"a text")) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_boolean() { self.deserialize_any(visitor) } else { Err(self.unexpected(&"true or false")) }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let fits = self.value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
        if fits { self.deserialize_any(visitor) } else { Err(self.unexpected(&"a whole number of 32 bits")) }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_i64() { self.deserialize_any(visitor) } else { Err(self.unexpected(&"a whole number")) }
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
