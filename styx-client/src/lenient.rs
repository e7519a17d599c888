//! Reads JSON as forgivingly as the original does (C-24, C-25).
//!
//! The rules belong to the deserializer, so the types need no attributes for them:
//!
//! - A field that is null is absent, an unknown field is ignored, and of a field that comes twice the last one counts.
//! - A number or a boolean is taken where a text is wanted; a number keeps the text that it was written with (`1.50`).
//! - `"20"` is taken for a number, `"true"` for a boolean; a fraction is cut where an integer is wanted, and an integer
//!   is true unless it is 0. A blank text and `"null"` are 0 or false, and absent where that is allowed.
//! - A bare value is a list of one. In a set, an element that comes twice counts once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;
use serde_json::value::RawValue;

/// The fields of an object by their names, null ones left out.
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of what must be an object.
    pub(crate) fn of(raw: &'a RawValue) -> Result<Self, Error> {
        let mut fields = Lenient(raw).members("an object")?;
        fields.retain(|_, value| Lenient(value).kind() != Kind::Null);
        Ok(Self(fields))
    }

    /// A field that must be there.
    pub(crate) fn required<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| Error::missing_field(name))
    }

    /// A field that may be absent.
    pub(crate) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Error> {
        self.0.get(name).map(|value| T::deserialize(Lenient(value))).transpose()
    }

    /// A number or boolean that may be absent, or a blank text.
    pub(crate) fn optional_scalar<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Error> {
        Ok(self.0.get(name).map(|value| Lenient(value).unless_blank()).transpose()?.flatten())
    }
}

/// For an optional number or boolean: a blank text is the same as none.
pub(crate) fn optional_scalar<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Option::<Box<RawValue>>::deserialize(deserializer)? {
        Some(raw) => Lenient(&raw).unless_blank().map_err(D::Error::custom),
        None => Ok(None),
    }
}

/// For an optional list that is a set: an element that comes twice counts once.
pub(crate) fn optional_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.map(each_once))
}

/// Every element once, in the order in which they come first.
pub(crate) fn each_once(elements: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    elements.into_iter().filter(|element| seen.insert(element.clone())).collect()
}

/// A JSON value that is read when it is known what is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Lenient<'de>(pub(crate) &'de RawValue);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl<'de> Lenient<'de> {
    fn kind(self) -> Kind {
        // serde_json has seen to it that this is a JSON value.
        match self.0.get().as_bytes() {
            [b'n', ..] => Kind::Null,
            [b't' | b'f', ..] => Kind::Boolean,
            [b'"', ..] => Kind::Text,
            [b'[', ..] => Kind::List,
            [b'{', ..] => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// The value as serde_json reads it.
    fn strictly<T: Deserialize<'de>>(self) -> Result<T, Error> {
        serde_json::from_str(self.0.get())
    }

    /// What a text says, less the blanks around it; `None` for any other value.
    fn trimmed(self) -> Result<Option<String>, Error> {
        let text: String = if self.kind() == Kind::Text { self.strictly()? } else { return Ok(None) };
        Ok(Some(trimmed(&text).to_owned()))
    }

    fn unless_blank<T: Deserialize<'de>>(self) -> Result<Option<T>, Error> {
        match self.trimmed()? {
            Some(text) if is_none(&text) => Ok(None),
            _ => T::deserialize(self).map(Some),
        }
    }

    fn members(self, expected: &str) -> Result<BTreeMap<String, &'de RawValue>, Error> {
        match self.kind() {
            Kind::Object => self.strictly(),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn items(self) -> Result<Vec<&'de RawValue>, Error> {
        match self.kind() {
            Kind::List => self.strictly(),
            _ => Ok(vec![self.0]),
        }
    }

    fn text(self) -> Result<String, Error> {
        match self.kind() {
            Kind::Text => self.strictly(),
            Kind::Number | Kind::Boolean => Ok(self.0.get().to_owned()),
            Kind::Null | Kind::List | Kind::Object => Err(self.unexpected("a text")),
        }
    }

    fn integer(self) -> Result<i64, Error> {
        let read = match (self.kind(), self.trimmed()?) {
            (Kind::Number, _) => self.0.get().parse().ok().or_else(|| cut(self.0.get())),
            (_, Some(text)) if is_none(&text) => Some(0),
            (_, Some(text)) => text.parse().ok(),
            _ => None,
        };
        read.ok_or_else(|| self.unexpected("an integer"))
    }

    fn double(self) -> Result<f64, Error> {
        let read = match (self.kind(), self.trimmed()?) {
            (Kind::Number, _) => self.0.get().parse().ok(),
            (_, Some(text)) if is_none(&text) => Some(0.0),
            (_, Some(text)) => text.parse().ok(),
            _ => None,
        };
        read.filter(|number: &f64| number.is_finite()).ok_or_else(|| self.unexpected("a number"))
    }

    fn boolean(self) -> Result<bool, Error> {
        let read = match (self.kind(), self.trimmed()?.as_deref()) {
            (Kind::Boolean, _) => Some(self.0.get() == "true"),
            (Kind::Number, _) if is_integer(self.0.get()) => Some(self.0.get().contains(|digit| digit > '0')),
            (_, Some("true" | "True" | "TRUE")) => Some(true),
            (_, Some("false" | "False" | "FALSE" | "" | "null")) => Some(false),
            _ => None,
        };
        read.ok_or_else(|| self.unexpected("a boolean"))
    }

    fn unexpected(self, expected: &str) -> Error {
        let text = self.0.get();
        let found = match self.kind() {
            Kind::Null => Unexpected::Unit,
            Kind::Boolean => Unexpected::Bool(text == "true"),
            Kind::Number => Unexpected::Other(text),
            Kind::Text => Unexpected::Other(text),
            Kind::List => Unexpected::Seq,
            Kind::Object => Unexpected::Map,
        };
        Error::invalid_type(found, &expected)
    }
}

/// A text less the blanks and control characters around it, as Java trims.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter| letter <= ' ')
}

/// Whether a text where a number is wanted is the same as none.
fn is_none(trimmed: &str) -> bool {
    matches!(trimmed, "" | "null")
}

fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// The whole part of a number with a fraction or an exponent.
fn cut(number: &str) -> Option<i64> {
    let whole = number.parse::<f64>().ok().filter(|_| !is_integer(number))?.trunc();
    // Both bounds are powers of two, which floats hold exactly.
    (whole >= i64::MIN as f64 && whole < i64::MAX as f64).then_some(whole as i64)
}

impl<'de> IntoDeserializer<'de, Error> for Lenient<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Lenient<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.0.get()).deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.integer()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.double()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind() {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.items()?.into_iter().map(Lenient)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let members = self.members("an object")?;
        visitor.visit_map(MapDeserializer::new(members.into_iter().map(|(name, value)| (name, Lenient(value)))))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let fields = Fields::of(self.0)?.0;
        visitor.visit_map(MapDeserializer::new(fields.into_iter().map(|(name, value)| (name, Lenient(value)))))
    }

    /// As it stands: this is how a [`RawValue`] gets its text.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.0.get()).deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.0.get()).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    enum Choice {
        #[default]
        First,
        Second(u64, Value),
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        text: String,
        integer: i64,
        small: i32,
        double: f64,
        boolean: bool,
        texts: Vec<String>,
        map: BTreeMap<String, String>,
        #[serde(deserialize_with = "optional_scalar")]
        optional: Option<i64>,
        samples: Vec<Sample>,
        choice: Choice,
    }

    fn read(json: &str) -> Result<Sample, Error> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        Sample::deserialize(Lenient(raw))
    }

    #[test]
    fn scalars_are_converted() {
        let json = r#"{"text": 1.50, "integer": " 20 ", "small": 1e3, "double": "1.5", "boolean": "true", "texts": 7,
            "map": {"a": true}, "optional": "5", "samples": {"texts": [1, "b", false]}}"#;
        let expected = Sample {
            text: "1.50".into(),
            integer: 20,
            small: 1000,
            double: 1.5,
            boolean: true,
            texts: vec!["7".into()],
            map: BTreeMap::from([("a".into(), "true".into())]),
            optional: Some(5),
            choice: Choice::First,
            samples: vec![Sample { texts: vec!["1".into(), "b".into(), "false".into()], ..Sample::default() }],
        };
        assert_eq!(read(json).unwrap(), expected);
        assert_eq!(read(r#"{"integer": -2.9}"#).unwrap().integer, -2);
        assert!(read(r#"{"boolean": 2}"#).unwrap().boolean);
        assert!(!read(r#"{"boolean": 0}"#).unwrap().boolean);
    }

    #[test]
    fn null_blank_and_repeated_fields() {
        let nulls = r#"{"text": null, "integer": null, "double": null, "boolean": null, "texts": null, "map": null,
            "optional": null, "samples": null, "nobody": {"knows": "it"}}"#;
        assert_eq!(read(nulls).unwrap(), Sample::default());
        let blanks = r#"{"integer": "", "double": " ", "boolean": "", "optional": ""}"#;
        assert_eq!(read(blanks).unwrap(), Sample::default());
        let nulls = r#"{"integer": "null", "double": " null ", "boolean": "null", "optional": "null"}"#;
        assert_eq!(read(nulls).unwrap(), Sample::default());
        assert_eq!(read(r#"{"text": "a", "integer": {}, "integer": 1, "text": "b"}"#).unwrap().text, "b");
    }

    #[test]
    fn what_has_no_rule_is_read_as_it_stands() {
        assert_eq!(read(r#"{"choice": "First"}"#).unwrap().choice, Choice::First);
        let second = read(r#"{"choice": {"Second": [18446744073709551615, {"a": [1]}]}}"#).unwrap().choice;
        assert_eq!(second, Choice::Second(u64::MAX, serde_json::json!({"a": [1]})));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for json in [
            r#"{"boolean": "yes"}"#,
            r#"{"boolean": 1.5}"#,
            r#"{"integer": "x"}"#,
            r#"{"integer": "5.7"}"#,
            r#"{"integer": true}"#,
            r#"{"integer": 9223372036854775808}"#,
            r#"{"integer": 1e19}"#,
            r#"{"small": 3000000000}"#,
            r#"{"double": "NaN"}"#,
            r#"{"double": true}"#,
            r#"{"text": ["a"]}"#,
            r#"{"text": {}}"#,
            r#"{"texts": [null]}"#,
            r#"{"map": {"a": null}}"#,
            r#"{"map": []}"#,
            r#"{"samples": ["a"]}"#,
            r#"["a", 1]"#,
            r#""""#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
