//! Configuration that operators change while a server runs, which only this server has over HTTP.

use std::collections::BTreeSet;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What counts now, and where each value comes from: the answer of `GET /api/v4/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuntimeConfig {
    /// Whether anything is triggered or run at all.
    pub enabled: bool,
    /// How many executions there may be at once; null is no limit.
    pub concurrency: Option<u64>,
    /// How many runs may leave the queue a second.
    pub submission_rate_limit: f64,
    /// The `User-Agent`s that are refused.
    #[serde(default)]
    pub client_blacklist: BTreeSet<String>,
    /// Whether what is left of ended executions is kept, to be looked at.
    pub debug: bool,
    /// The executor of all executions that no route is for. A server that has no names for executors leaves it out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub executor: String,
    /// All executors that are configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executors: Vec<String>,
    /// How the server's clock stands, while it isn't right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Where each value comes from.
    #[serde(default)]
    pub sources: ConfigSources,
}

/// Where the values of a [`RuntimeConfig`] come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigSources {
    /// That of `enabled`.
    pub enabled: ConfigSource,
    /// That of `concurrency`.
    pub concurrency: ConfigSource,
    /// That of `submission_rate_limit`.
    pub submission_rate_limit: ConfigSource,
    /// That of `client_blacklist`.
    pub client_blacklist: ConfigSource,
    /// That of `debug`.
    pub debug: ConfigSource,
    /// That of `executor`.
    pub executor: ConfigSource,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigSource {
    /// Nobody has said anything.
    #[default]
    Default,
    /// The server's flags, environment or file.
    File,
    /// An operator, while the server runs.
    Api,
}

/// What to change: the body of `PATCH /api/v4/config`, a JSON merge patch. What is absent stays as it is.
///
/// A server reads it with [`from_slice`](Self::from_slice): [`json`](crate::json) takes null for absent, which here is
/// something else.
///
/// ```
/// use styx_client::{Change, Limit, RuntimeConfigPatch};
///
/// let patch = RuntimeConfigPatch {
///     concurrency: Change::Set(Limit::None),
///     debug: Change::Reset,
///     ..RuntimeConfigPatch::default()
/// };
/// let text = r#"{"concurrency":"none","debug":null}"#;
/// assert_eq!(styx_client::json::to_string(&patch).unwrap(), text);
/// assert_eq!(RuntimeConfigPatch::from_slice(text.as_bytes()).unwrap(), patch);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object with what is to change")]
pub struct RuntimeConfigPatch {
    /// Whether anything is triggered or run at all.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub enabled: Change<bool>,
    /// How many executions there may be at once.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub concurrency: Change<Limit>,
    /// How many runs may leave the queue a second.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub submission_rate_limit: Change<f64>,
    /// The `User-Agent`s that are refused: all of them.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub client_blacklist: Change<BTreeSet<String>>,
    /// Whether what is left of ended executions is kept, to be looked at.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub debug: Change<bool>,
    /// The executor of all executions that no route is for, by its name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub executor: Change<String>,
    /// What becomes of the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockChange>,
}

/// What can be done about the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ClockChange {
    /// It is right though it jumped too far to be believed; if it is believed, nothing happens.
    Accept,
}

impl RuntimeConfigPatch {
    /// Reads a patch.
    ///
    /// # Errors
    /// When the bytes are not JSON, name something that cannot be set, or give it a value of another kind.
    pub fn from_slice(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// What becomes of one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is again what the server's own configuration says; null in JSON.
    Reset,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// Whether there is nothing to do.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Reset => serializer.serialize_none(),
            Self::Set(value) => serializer.serialize_some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// A limit, which may be none at all; that is the text `none` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// There is none.
    None,
    /// At most so many.
    At(u64),
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::At(limit) => serializer.serialize_u64(*limit),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::String(text) if text == "none" => Some(Self::None),
            Value::Number(number) => number.as_u64().map(Self::At),
            _ => None,
        }
        .ok_or_else(|| D::Error::custom(format!("expected a number that isn't negative, or \"none\": {value}")))
    }
}

/// Why an instance waits: the answer of `GET /api/v4/explain/…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The reasons, in words. None means that nothing keeps it waiting.
    #[serde(default)]
    pub reasons: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_null_and_none_are_three_things() {
        let read = |text: &str| RuntimeConfigPatch::from_slice(text.as_bytes());
        assert_eq!(read("{}").unwrap(), RuntimeConfigPatch::default());
        assert_eq!(read(r#"{"concurrency":null}"#).unwrap().concurrency, Change::Reset);
        assert_eq!(read(r#"{"concurrency":"none"}"#).unwrap().concurrency, Change::Set(Limit::None));
        assert_eq!(read(r#"{"concurrency":0}"#).unwrap().concurrency, Change::Set(Limit::At(0)));
        for refused in
            [r#"{"concurrency":-1}"#, r#"{"concurrency":"12"}"#, r#"{"conc":1}"#, r#"{"debug":"yes"}"#, "7", ""]
        {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_patch_reads_back() {
        let patch = RuntimeConfigPatch {
            enabled: Change::Set(false),
            concurrency: Change::Set(Limit::At(7)),
            submission_rate_limit: Change::Set(0.5),
            client_blacklist: Change::Set(["Styx Client 1.0".to_owned()].into()),
            debug: Change::Reset,
            executor: Change::Set("blue".to_owned()),
            clock: Some(ClockChange::Accept),
        };
        let text = crate::json::to_vec(&patch).unwrap();
        assert_eq!(RuntimeConfigPatch::from_slice(&text).unwrap(), patch);
    }

    #[test]
    fn what_counts_reads_back() {
        let text = r#"{"enabled":true,"concurrency":null,"submission_rate_limit":1000.0,"client_blacklist":[],"debug":false,"executor":"blue","executors":["blue"],"sources":{"enabled":"default","concurrency":"api","submission_rate_limit":"file","client_blacklist":"default","debug":"default","executor":"file"}}"#;
        let config: RuntimeConfig = crate::json::from_slice(text.as_bytes()).unwrap();
        assert_eq!(config.sources.concurrency, ConfigSource::Api);
        assert_eq!(crate::json::to_string(&config).unwrap(), text);
    }
}
