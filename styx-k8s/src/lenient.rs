//! Reads JSON of others without letting one odd value spoil the rest.
//!
//! The types of k8s-openapi refuse a whole pod for one unreadable time, and read a missing exit code as 0, which is a
//! success. Here a value of another shape than expected counts as absent, and a member that nobody asked for isn't read.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// What can be read from a value of any shape; the default is what another shape is read as.
pub(crate) trait Lenient: Sized + Default {
    /// From a text.
    fn from_text(_: &str) -> Self {
        Self::default()
    }

    /// From a whole number of 64 bits.
    fn from_number(_: i64) -> Self {
        Self::default()
    }

    /// From a number with a fraction or an exponent.
    fn from_fraction(_: f64) -> Self {
        Self::default()
    }

    /// From `true` or `false`.
    fn from_bool(_: bool) -> Self {
        Self::default()
    }

    /// From a list.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    /// From an object: each of its members. Of one that stands there twice the last one counts.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut read = Self::default();
        while let Some(Key(name)) = object.next_key()? {
            if !read.member(&name, &mut object)? {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(read)
    }

    /// From a member of an object: reads its [`value`] and returns true, or leaves it unread.
    fn member<'de, A: MapAccess<'de>>(&mut self, _name: &str, _object: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// The value of the member that comes next.
pub(crate) fn value<'de, T: Lenient, A: MapAccess<'de>>(object: &mut A) -> Result<T, A::Error> {
    object.next_value::<Read<T>>().map(|read| read.0)
}

/// A value that is read leniently.
#[derive(Default)]
pub(crate) struct Read<T>(pub(crate) T);

impl<'de, T: Lenient> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape(PhantomData)).map(Read)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct AnyShape<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for AnyShape<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::from_bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::from_number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::default(), T::from_number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::from_fraction(number))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_none<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::from_object(object)
    }
}

impl Lenient for Option<String> {
    fn from_text(text: &str) -> Self {
        Some(text.to_owned())
    }
}

impl Lenient for String {
    fn from_text(text: &str) -> Self {
        text.to_owned()
    }
}

impl Lenient for Option<i64> {
    fn from_number(number: i64) -> Self {
        Some(number)
    }
}

impl Lenient for Option<i32> {
    fn from_number(number: i64) -> Self {
        i32::try_from(number).ok()
    }
}

impl Lenient for Option<DateTime<Utc>> {
    fn from_text(text: &str) -> Self {
        text.parse().ok()
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Self::new();
        while let Some(Read(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

impl Lenient for BTreeMap<String, String> {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        self.extend(value::<Option<String>, _>(object)?.map(|text| (name.to_owned(), text)));
        Ok(true)
    }
}
