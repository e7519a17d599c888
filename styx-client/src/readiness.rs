//! Whether a server can do its work, which only this server says over HTTP.

use serde::{Deserialize, Serialize};

/// The answer of `GET /ready`: status 200 while the server is ready or degraded, otherwise 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The state as a whole.
    pub status: ReadinessStatus,
    /// Why it isn't ready, one for each part in trouble. Callers without a token see the parts and no texts.
    #[serde(default)]
    pub reasons: Vec<ReadinessReason>,
}

/// The state of a server as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadinessStatus {
    /// It reads its log.
    Starting,
    /// It does its work.
    Ready,
    /// It does its work, but for a part of it.
    Degraded,
    /// It can't write its log, or ends.
    Failed,
}

/// What is wrong with a part of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessReason {
    /// `executor`, `clock`, `metrics`, `log` or `thread`.
    pub part: String,
    /// Which one, where there are several: the name of an executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why, in words.
    pub reason: String,
}

impl ReadinessReason {
    /// Of a part that there is once.
    pub fn of(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { part: part.into(), name: None, reason: reason.into() }
    }
}

impl ReadinessStatus {
    /// Whether requests should go to the server.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}
