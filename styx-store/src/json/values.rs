//! Single values of the JSON form: times, spans, names, bytes. Each has one text, and that text reads back as the value.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};
use styx_core::{
    extensions::{Extensions, InvalidExtensions},
    id::ExecutionId,
    run::State,
    workflow::Span,
};
use uuid::Uuid;

use crate::keys::hex;

/// A point in time, to the nanosecond: `2026-03-29T07:00:00Z`, with as many decimals (0, 3, 6 or 9) as it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstantJson(pub(super) DateTime<Utc>);

impl Serialize for InstantJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl<'de> Deserialize<'de> for InstantJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || D::Error::custom(format!("{text:?} is no time such as \"2026-03-29T07:00:00Z\""));
        if !text.ends_with('Z') {
            return Err(bad());
        }
        text.parse().map(Self).map_err(|_| bad())
    }
}

/// A record's time: whole milliseconds, always three decimals.
#[derive(Debug, Clone, Copy)]
pub(super) struct MillisJson(pub(super) DateTime<Utc>);

impl Serialize for MillisJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for MillisJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let InstantJson(instant) = InstantJson::deserialize(deserializer)?;
        match DateTime::from_timestamp_millis(instant.timestamp_millis()) {
            Some(whole) if whole == instant => Ok(Self(instant)),
            _ => Err(D::Error::custom(format!("\"{instant:?}\" isn't in whole milliseconds"))),
        }
    }
}

/// How far a wall clock is ahead of a record's time, in milliseconds: never zero, which is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct OffsetJson(pub(super) TimeDelta);

impl OffsetJson {
    pub(super) fn of(offset: TimeDelta) -> Option<Self> {
        (!offset.is_zero()).then_some(Self(offset))
    }
}

impl Serialize for OffsetJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.num_milliseconds())
    }
}

impl<'de> Deserialize<'de> for OffsetJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = i64::deserialize(deserializer)?;
        let offset = TimeDelta::try_milliseconds(millis).filter(|offset| !offset.is_zero());
        offset.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{millis} is no offset in milliseconds: it is left out when it is 0"))
        })
    }
}

/// A span of time, as an ISO-8601 duration: `PT24H`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanJson(pub(super) TimeDelta);

impl Serialize for SpanJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Span::from(self.0))
    }
}

impl<'de> Deserialize<'de> for SpanJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = Span::parse_iso(&text).ok();
        let delta = span.map(Span::to_delta).filter(|delta| Some(Span::from(*delta)) == span);
        delta.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no duration such as \"PT24H\"")))
    }
}

/// A UUID in lower case with hyphens.
#[derive(Debug, Clone, Copy)]
pub(super) struct UuidJson(pub(super) Uuid);

impl Serialize for UuidJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.hyphenated())
    }
}

impl<'de> Deserialize<'de> for UuidJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let uuid = Uuid::try_parse(&text).ok().filter(|uuid| uuid.hyphenated().to_string() == text);
        uuid.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no UUID in lower case with hyphens")))
    }
}

/// A state by Styx's name, upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StateJson(pub(super) State);

impl Serialize for StateJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for StateJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let state = State::from_name(&text).filter(|state| state.as_str() == text);
        state.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no state such as \"RUNNING\"")))
    }
}

/// An execution's id: its text, which says by its form whether it is one of Styx's (`styx-run-` and a UUID of version 4).
/// Ids that don't follow that form stand in an object: `{"uuid": "…"}` and `{"text": "…"}`.
#[derive(Debug, Clone)]
pub(super) struct ExecutionIdJson(pub(super) ExecutionId);

impl Serialize for ExecutionIdJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_string();
        if ExecutionId::parse(&text) == self.0 {
            return serializer.serialize_str(&text);
        }
        match &self.0 {
            ExecutionId::Run(uuid) => tagged(serializer, "uuid", &uuid.hyphenated().to_string()),
            ExecutionId::Text(text) => tagged(serializer, "text", text),
        }
    }
}

impl<'de> Deserialize<'de> for ExecutionIdJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = match deserializer.deserialize_any(TextOr { tags: &["uuid", "text"] })? {
            (None, text) => ExecutionId::parse(&text),
            (Some("uuid"), text) => match Uuid::try_parse(&text) {
                Ok(uuid) => ExecutionId::Run(uuid),
                Err(_) => return Err(D::Error::custom(format!("{text:?} is no UUID"))),
            },
            (Some(_), text) => ExecutionId::Text(text.into()),
        };
        Ok(Self(id))
    }
}

/// Raw evidence: its text (JSON, as a rule), or `{"hex": "…"}` where its bytes aren't one.
#[derive(Debug, Clone)]
pub(super) struct EvidenceJson(pub(super) Vec<u8>);

impl Serialize for EvidenceJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => tagged(serializer, "hex", &hex(&self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for EvidenceJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match deserializer.deserialize_any(TextOr { tags: &["hex"] })? {
            (None, text) => text.into_bytes(),
            (Some(_), text) => hex_bytes(&text)?,
        };
        Ok(Self(bytes))
    }
}

/// Later fields: a list of `{"tag": 7, "hex": "00ff"}`, ascending by tag; left out where there are none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<ExtensionJson>", into = "Vec<ExtensionJson>")]
pub(super) struct ExtensionsJson(pub(super) Extensions);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtensionJson {
    tag: u32,
    hex: HexJson,
}

impl ExtensionsJson {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Extensions> for ExtensionsJson {
    fn from(extensions: &Extensions) -> Self {
        Self(extensions.clone())
    }
}

impl From<ExtensionsJson> for Extensions {
    fn from(json: ExtensionsJson) -> Self {
        json.0
    }
}

impl From<ExtensionsJson> for Vec<ExtensionJson> {
    fn from(ExtensionsJson(extensions): ExtensionsJson) -> Self {
        extensions.iter().map(|(tag, bytes)| ExtensionJson { tag, hex: HexJson(bytes.to_vec()) }).collect()
    }
}

impl TryFrom<Vec<ExtensionJson>> for ExtensionsJson {
    type Error = InvalidExtensions;

    fn try_from(fields: Vec<ExtensionJson>) -> Result<Self, InvalidExtensions> {
        Extensions::new(fields.into_iter().map(|ExtensionJson { tag, hex }| (tag, hex.0))).map(Self)
    }
}

/// Bytes as pairs of hexadecimal digits in lower case.
#[derive(Debug, Clone)]
struct HexJson(Vec<u8>);

impl Serialize for HexJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex_bytes(&String::deserialize(deserializer)?).map(Self)
    }
}

fn hex_bytes<E: Error>(text: &str) -> Result<Vec<u8>, E> {
    bytes_of(text).ok_or_else(|| E::custom(format!("{text:?} isn't pairs of hexadecimal digits in lower case")))
}

fn tagged<S: Serializer>(serializer: S, tag: &str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, text)?;
    map.end()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// A text, or an object with a text under one of these names.
struct TextOr {
    tags: &'static [&'static str],
}

impl<'de> Visitor<'de> for TextOr {
    type Value = (Option<&'static str>, String);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text, or an object with {}", self.tags.join(" or "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok((None, text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let found: Option<String> = map.next_key()?;
        let found = found.ok_or_else(|| A::Error::custom(format!("an object with {}", self.tags.join(" or "))))?;
        let tag = self.tags.iter().find(|tag| **tag == found).copied();
        let tag = tag.ok_or_else(|| A::Error::unknown_field(&found, self.tags))?;
        let text = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok((Some(tag), text)),
            Some(second) => Err(A::Error::unknown_field(&second, &[])),
        }
    }
}
