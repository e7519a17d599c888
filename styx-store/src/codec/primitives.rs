//! What records and rows are written with beyond bincode's own types: sequences, times, spans.

use std::{collections::BTreeMap, sync::Arc};

use bincode::{
    BorrowDecode, Decode, Encode,
    de::{BorrowDecoder, Decoder},
    enc::Encoder,
    error::{DecodeError, EncodeError},
};
use chrono::{DateTime, TimeDelta, Utc};
use styx_core::extensions::Extensions;

use super::CodecError;
use crate::texts::shared;

/// Entries one after the other, after their number.
#[derive(Debug)]
pub(super) struct Seq<T>(pub(super) Vec<T>);

impl<T: Encode> Encode for Seq<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|entry| entry.encode(encoder))
    }
}

impl<'de, C, T: BorrowDecode<'de, C>> BorrowDecode<'de, C> for Seq<T> {
    /// Grows with what is read: every entry takes a byte at least.
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = u64::borrow_decode(decoder)?;
        let mut entries = Vec::new();
        for _ in 0..length {
            entries.push(T::borrow_decode(decoder)?);
        }
        Ok(Self(entries))
    }
}

impl<'a> Seq<&'a str> {
    pub(super) fn of_texts(texts: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>) -> Self {
        Self(texts.into_iter().map(AsRef::as_ref).collect())
    }

    pub(super) fn shared(&self) -> Arc<[Arc<str>]> {
        // The empty one takes no memory of its own.
        if self.0.is_empty() { Arc::default() } else { self.0.iter().map(|text| shared(text)).collect() }
    }
}

/// A map as a sequence of keys and values, ascending by key and each key once.
#[derive(Debug)]
pub(super) struct Ascending<K, V>(pub(super) Vec<(K, V)>);

impl<K: Encode, V: Encode> Encode for Ascending<K, V> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|entry| entry.encode(encoder))
    }
}

impl<'de, C, K: BorrowDecode<'de, C> + PartialOrd, V: BorrowDecode<'de, C>> BorrowDecode<'de, C> for Ascending<K, V> {
    /// Takes a map in one form only, so that what is read is written as the same bytes.
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let Seq(entries) = Seq::<(K, V)>::borrow_decode(decoder)?;
        match entries.is_sorted_by(|(key, _), (next, _)| key < next) {
            true => Ok(Self(entries)),
            false => Err(DecodeError::Other("keys that don't ascend")),
        }
    }
}

/// Variables by name.
pub(super) type VariablesV1<'a> = Ascending<&'a str, &'a str>;

pub(super) fn variables_v1(variables: &BTreeMap<String, String>) -> VariablesV1<'_> {
    Ascending(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

pub(super) fn variables(stored: VariablesV1<'_>) -> BTreeMap<String, String> {
    stored.0.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Later fields: tags and bytes, ascending by tag.
#[derive(Debug)]
pub(super) struct ExtensionsV1(Extensions);

impl Encode for ExtensionsV1 {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let fields = self.0.iter();
        (fields.len() as u64).encode(encoder)?;
        fields.into_iter().try_for_each(|field| field.encode(encoder))
    }
}

impl<'de, C> BorrowDecode<'de, C> for ExtensionsV1 {
    /// Keeps what it doesn't know, within the bounds.
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let Seq(fields) = Seq::<(u32, &[u8])>::borrow_decode(decoder)?;
        Extensions::new(fields).map(Self).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

impl From<&Extensions> for ExtensionsV1 {
    fn from(extensions: &Extensions) -> Self {
        Self(extensions.clone())
    }
}

impl From<ExtensionsV1> for Extensions {
    fn from(stored: ExtensionsV1) -> Self {
        stored.0
    }
}

/// A point in time: twice the milliseconds since 1970, plus one when nanoseconds beyond the millisecond follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstantV1(DateTime<Utc>);

impl InstantV1 {
    /// The doubled milliseconds with their mark, and the nanoseconds beyond the millisecond.
    fn parts(self) -> (i64, u32) {
        let nanos = self.0.timestamp_subsec_nanos();
        // The largest whole millisecond of the second: a leap second's nanoseconds go beyond it.
        let millis = (nanos / 1_000_000).min(999);
        let rest = nanos - millis * 1_000_000;
        let doubled = 2 * (self.0.timestamp() * 1000 + i64::from(millis));
        (doubled + i64::from(rest > 0), rest)
    }
}

impl Encode for InstantV1 {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let (marked, rest) = self.parts();
        marked.encode(encoder)?;
        if rest > 0 { rest.encode(encoder) } else { Ok(()) }
    }
}

impl<C> Decode<C> for InstantV1 {
    /// Takes each instant in one form only, so that what is read is written as the same bytes.
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let marked = i64::decode(decoder)?;
        let rest = if marked & 1 == 1 { u32::decode(decoder)? } else { 0 };
        let millis = marked >> 1;
        let nanos = (millis.rem_euclid(1000) as u32 * 1_000_000).checked_add(rest);
        let instant = nanos.and_then(|nanos| DateTime::from_timestamp(millis.div_euclid(1000), nanos));
        let instant = instant.map(Self).ok_or(DecodeError::Other("a time outside the calendar"))?;
        match instant.parts() == (marked, rest) {
            true => Ok(instant),
            false => Err(DecodeError::Other("a time in a form that isn't written")),
        }
    }
}

bincode::impl_borrow_decode!(InstantV1);

impl From<DateTime<Utc>> for InstantV1 {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant)
    }
}

impl From<InstantV1> for DateTime<Utc> {
    fn from(stored: InstantV1) -> Self {
        stored.0
    }
}

/// A span: milliseconds, and the nanoseconds beyond them, of the same sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanV1(TimeDelta);

impl SpanV1 {
    fn parts(self) -> (i64, i32) {
        (self.0.num_milliseconds(), self.0.subsec_nanos() % 1_000_000)
    }
}

impl Encode for SpanV1 {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.parts().encode(encoder)
    }
}

impl<C> Decode<C> for SpanV1 {
    /// Takes each span in one form only, so that what is read is written as the same bytes.
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (millis, nanos) = (i64::decode(decoder)?, i32::decode(decoder)?);
        let whole = TimeDelta::try_milliseconds(millis);
        let span = whole.and_then(|whole| whole.checked_add(&TimeDelta::nanoseconds(nanos.into())));
        let span = span.map(Self).ok_or(DecodeError::Other("a span that is too long"))?;
        match span.parts() == (millis, nanos) {
            true => Ok(span),
            false => Err(DecodeError::Other("a span in a form that isn't written")),
        }
    }
}

bincode::impl_borrow_decode!(SpanV1);

impl From<TimeDelta> for SpanV1 {
    fn from(span: TimeDelta) -> Self {
        Self(span)
    }
}

impl From<SpanV1> for TimeDelta {
    fn from(stored: SpanV1) -> Self {
        stored.0
    }
}

/// A time in whole milliseconds.
pub(super) fn whole_millis(at: DateTime<Utc>) -> Result<i64, CodecError> {
    let millis = at.timestamp_millis();
    match DateTime::from_timestamp_millis(millis) {
        Some(whole) if whole == at => Ok(millis),
        _ => Err(CodecError::Unstorable("its time isn't in whole milliseconds")),
    }
}

pub(super) fn from_millis(millis: i64) -> Result<DateTime<Utc>, CodecError> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| CodecError::Malformed("a time outside the calendar".into()))
}

#[cfg(test)]
mod tests {
    use bincode::config;

    use super::*;

    fn decode<T: Decode<()>>(parts: impl Encode) -> Option<T> {
        let bytes = bincode::encode_to_vec(parts, config::standard()).unwrap();
        bincode::decode_from_slice(&bytes, config::standard()).ok().map(|(value, _)| value)
    }

    #[test]
    fn a_map_has_one_form() {
        let read = |entries: &[(&str, &str)]| {
            let bytes = bincode::encode_to_vec(entries, config::standard()).unwrap();
            bincode::borrow_decode_from_slice::<VariablesV1<'_>, _>(&bytes, config::standard()).is_ok()
        };
        assert!(read(&[]) && read(&[("a", "2"), ("b", "1")]));
        assert!(!read(&[("b", "1"), ("a", "2")]) && !read(&[("a", "1"), ("a", "2")]));
    }

    #[test]
    fn an_instant_has_one_form() {
        assert_eq!(decode::<InstantV1>(-4_i64).unwrap().0.timestamp_millis(), -2);
        assert_eq!(decode::<InstantV1>((-3_i64, 999_999_u32)).unwrap().0.timestamp_subsec_nanos(), 998_999_999);
        // A leap second.
        let last = 2 * 59_999_i64 + 1;
        assert_eq!(decode::<InstantV1>((last, 1_000_000_u32)).unwrap().0.timestamp_subsec_nanos(), 1_000_000_000);
        for (marked, rest) in [(1, 0), (1, 1_000_000), (1, u32::MAX), (last, 1_001_000_000)] {
            assert!(decode::<InstantV1>((marked, rest)).is_none(), "{marked} {rest}");
        }
    }

    #[test]
    fn a_span_has_one_form() {
        assert_eq!(decode::<SpanV1>((2_i64, 3_i32)).unwrap().0, TimeDelta::nanoseconds(2_000_003));
        assert_eq!(decode::<SpanV1>((-2_i64, -3_i32)).unwrap().0, TimeDelta::nanoseconds(-2_000_003));
        assert_eq!(decode::<SpanV1>((0_i64, -3_i32)).unwrap().0, TimeDelta::nanoseconds(-3));
        for (millis, nanos) in [(2_i64, -3), (-2, 3), (2, 1_000_000), (-2, i32::MIN)] {
            assert!(decode::<SpanV1>((millis, nanos)).is_none(), "{millis} {nanos}");
        }
    }
}
