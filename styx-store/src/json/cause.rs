//! Who or what caused a record, as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use styx_core::{
    executor::Observed,
    record::{Cause, Operator},
};

use super::values::{EvidenceJson, ExtensionsJson, InstantJson};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum CauseJson {
    Decision,
    Schedule,
    Timer,
    Engine,
    Operator {
        actor: String,
        request_id: String,
        /// The text itself.
        request: String,
    },
    Executor {
        runner: String,
        observed: ObservedJson,
        #[serde(skip_serializing_if = "Option::is_none")]
        observed_at: Option<InstantJson>,
        evidence: EvidenceJson,
        #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
        extensions: ExtensionsJson,
    },
    Imported {
        at: InstantJson,
    },
}

impl From<&Cause> for CauseJson {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Decision => Self::Decision,
            Cause::Schedule => Self::Schedule,
            Cause::Timer => Self::Timer,
            Cause::Engine => Self::Engine,
            Cause::Operator(operator) => Self::Operator {
                actor: operator.actor.to_string(),
                request_id: operator.request_id.to_string(),
                request: operator.request.to_string(),
            },
            Cause::Executor { runner, what, observed_at, evidence, extensions } => Self::Executor {
                runner: runner.to_string(),
                observed: what.into(),
                observed_at: observed_at.map(InstantJson),
                evidence: EvidenceJson(evidence.to_vec()),
                extensions: extensions.into(),
            },
            Cause::Imported { at } => Self::Imported { at: InstantJson(*at) },
        }
    }
}

impl From<CauseJson> for Cause {
    fn from(json: CauseJson) -> Self {
        match json {
            CauseJson::Decision => Self::Decision,
            CauseJson::Schedule => Self::Schedule,
            CauseJson::Timer => Self::Timer,
            CauseJson::Engine => Self::Engine,
            CauseJson::Operator { actor, request_id, request } => Self::Operator(Arc::new(Operator {
                actor: actor.into(),
                request_id: request_id.into(),
                request: request.into(),
            })),
            CauseJson::Executor { runner, observed, observed_at, evidence, extensions } => Self::Executor {
                runner: runner.into(),
                what: observed.into(),
                observed_at: observed_at.map(|InstantJson(at)| at),
                evidence: evidence.0.into(),
                extensions: extensions.into(),
            },
            CauseJson::Imported { at } => Self::Imported { at: at.0 },
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum ObservedJson {
    Launched,
    Refused {
        retry_at: InstantJson,
        reason: String,
    },
    NotLaunchable {
        reason: String,
    },
    Started,
    Exited {
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
    },
    Lost {
        reason: String,
    },
    NeverStarted,
    Cleaned,
}

impl From<&Observed> for ObservedJson {
    fn from(what: &Observed) -> Self {
        match what {
            Observed::Launched => Self::Launched,
            Observed::Refused { retry_at, reason } => {
                Self::Refused { retry_at: InstantJson(*retry_at), reason: reason.to_string() }
            }
            Observed::NotLaunchable { reason } => Self::NotLaunchable { reason: reason.to_string() },
            Observed::Started => Self::Started,
            Observed::Exited { code } => Self::Exited { code: *code },
            Observed::Lost { reason } => Self::Lost { reason: reason.to_string() },
            Observed::NeverStarted => Self::NeverStarted,
            Observed::Cleaned => Self::Cleaned,
        }
    }
}

impl From<ObservedJson> for Observed {
    fn from(json: ObservedJson) -> Self {
        match json {
            ObservedJson::Launched => Self::Launched,
            ObservedJson::Refused { retry_at, reason } => Self::Refused { retry_at: retry_at.0, reason: reason.into() },
            ObservedJson::NotLaunchable { reason } => Self::NotLaunchable { reason: reason.into() },
            ObservedJson::Started => Self::Started,
            ObservedJson::Exited { code } => Self::Exited { code },
            ObservedJson::Lost { reason } => Self::Lost { reason: reason.into() },
            ObservedJson::NeverStarted => Self::NeverStarted,
            ObservedJson::Cleaned => Self::Cleaned,
        }
    }
}
