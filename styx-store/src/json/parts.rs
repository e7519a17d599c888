//! What records are made of, as JSON; frozen as the codec's types are: a member never changes its meaning.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use styx_core::{
    event::{Description, ExecutionDescription, FailureClass, Message, MessageLevel, Trigger},
    id::Position,
    record::{Cursor, CursorMove, Ending, Origin, Runs, SkipReason, StoredWorkflow, WorkflowSpec},
};

use super::values::{ExtensionsJson, InstantJson, SpanJson};

/// Enums without members: the frozen copy, and the way there and back.
macro_rules! frozen {
    ($frozen:ident of $core:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        pub(super) enum $frozen {
            $(#[serde(rename = $name)] $variant),+
        }

        impl From<$core> for $frozen {
            fn from(value: $core) -> Self {
                match value {
                    $($core::$variant => Self::$variant),+
                }
            }
        }

        impl From<$frozen> for $core {
            fn from(json: $frozen) -> Self {
                match json {
                    $($frozen::$variant => Self::$variant),+
                }
            }
        }
    };
}
pub(super) use frozen;

frozen!(MessageLevelJson of MessageLevel { Info = "INFO", Warning = "WARNING", Error = "ERROR", Unknown = "UNKNOWN" });

frozen!(RunsJson of Runs { Nothing = "nothing", Image = "image", Flyte = "flyte" });

frozen!(FailureClassJson of FailureClass { User = "user", Infrastructure = "infrastructure" });

frozen!(CursorMoveJson of CursorMove {
    Triggered = "triggered", AlreadyActive = "alreadyActive", AlreadyCompleted = "alreadyCompleted",
    NoExecution = "noExecution", Edited = "edited", Enabled = "enabled", Operator = "operator",
    AlreadyTriggered = "alreadyTriggered",
});

frozen!(SkipReasonJson of SkipReason { Edited = "edited", TooManyOwed = "tooManyOwed" });

pub(super) fn texts(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

pub(super) fn shared(texts: Vec<String>) -> Arc<[Arc<str>]> {
    texts.into_iter().map(Arc::from).collect()
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TriggerJson {
    Natural,
    Adhoc(String),
    Backfill(String),
    Unknown(String),
}

impl From<&Trigger> for TriggerJson {
    fn from(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::Natural => Self::Natural,
            Trigger::AdHoc(id) => Self::Adhoc(id.to_string()),
            Trigger::Backfill(id) => Self::Backfill(id.to_string()),
            Trigger::Unknown(id) => Self::Unknown(id.to_string()),
        }
    }
}

impl From<TriggerJson> for Trigger {
    fn from(json: TriggerJson) -> Self {
        match json {
            TriggerJson::Natural => Self::Natural,
            TriggerJson::Adhoc(id) => Self::AdHoc(id.into()),
            TriggerJson::Backfill(id) => Self::Backfill(id.into()),
            TriggerJson::Unknown(id) => Self::Unknown(id.into()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageJson {
    level: MessageLevelJson,
    line: String,
}

impl From<&Message> for MessageJson {
    fn from(message: &Message) -> Self {
        Self { level: message.level.into(), line: message.line.to_string() }
    }
}

impl From<MessageJson> for Message {
    fn from(json: MessageJson) -> Self {
        Self { level: json.level.into(), line: json.line.into() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum EndingJson {
    Exit {
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
    },
    NeverStarted,
    Lost,
    Operator,
}

impl From<Ending> for EndingJson {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exit { code } => Self::Exit { code },
            Ending::NeverStarted => Self::NeverStarted,
            Ending::Lost => Self::Lost,
            Ending::Operator => Self::Operator,
        }
    }
}

impl From<EndingJson> for Ending {
    fn from(json: EndingJson) -> Self {
        match json {
            EndingJson::Exit { code } => Self::Exit { code },
            EndingJson::NeverStarted => Self::NeverStarted,
            EndingJson::Lost => Self::Lost,
            EndingJson::Operator => Self::Operator,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CursorJson {
    instant: InstantJson,
    fires_at: InstantJson,
}

impl From<Cursor> for CursorJson {
    fn from(cursor: Cursor) -> Self {
        Self { instant: InstantJson(cursor.instant), fires_at: InstantJson(cursor.fires_at) }
    }
}

impl From<CursorJson> for Cursor {
    fn from(json: CursorJson) -> Self {
        Self { instant: json.instant.0, fires_at: json.fires_at.0 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum OriginJson {
    File { path: String, enabled: bool },
    Api,
    RemovedFile { path: String },
}

impl From<&Origin> for OriginJson {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::File { path, enabled } => Self::File { path: path.to_string(), enabled: *enabled },
            Origin::Api => Self::Api,
            Origin::RemovedFile { path } => Self::RemovedFile { path: path.to_string() },
        }
    }
}

impl From<OriginJson> for Origin {
    fn from(json: OriginJson) -> Self {
        match json {
            OriginJson::File { path, enabled } => Self::File { path: path.into(), enabled },
            OriginJson::Api => Self::Api,
            OriginJson::RemovedFile { path } => Self::RemovedFile { path: path.into() },
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredWorkflowJson {
    /// The text itself: its form decides whether a workflow counts as changed.
    json: String,
    schedule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_timeout: Option<SpanJson>,
    runs: RunsJson,
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_condition: Option<String>,
    mounts_secret: bool,
    origin: OriginJson,
    #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
    extensions: ExtensionsJson,
}

impl From<&StoredWorkflow> for StoredWorkflowJson {
    fn from(stored: &StoredWorkflow) -> Self {
        let StoredWorkflow { json, spec } = stored;
        Self {
            json: json.to_string(),
            schedule: spec.schedule.to_string(),
            offset: spec.offset.as_ref().map(ToString::to_string),
            running_timeout: spec.running_timeout.map(SpanJson),
            runs: spec.runs.into(),
            resources: texts(&spec.resources),
            retry_condition: spec.retry_condition.as_ref().map(ToString::to_string),
            mounts_secret: spec.mounts_secret,
            origin: (&spec.origin).into(),
            extensions: (&spec.extensions).into(),
        }
    }
}

impl From<StoredWorkflowJson> for StoredWorkflow {
    fn from(json: StoredWorkflowJson) -> Self {
        let spec = WorkflowSpec {
            schedule: json.schedule.into(),
            offset: json.offset.map(Into::into),
            running_timeout: json.running_timeout.map(|SpanJson(span)| span),
            runs: json.runs.into(),
            resources: shared(json.resources),
            retry_condition: json.retry_condition.map(Into::into),
            mounts_secret: json.mounts_secret,
            origin: json.origin.into(),
            extensions: json.extensions.into(),
        };
        Self { json: json.json.into(), spec }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum DescriptionJson {
    /// The position of the workflow's record.
    Record(u64),
    Inline(Box<InlineJson>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InlineJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_image: Option<String>,
    docker_args: Vec<String>,
    docker_termination_logging: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_sha: Option<String>,
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running_timeout: Option<SpanJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flyte_exec_conf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flyte_execution_id: Option<String>,
}

impl From<&Description> for DescriptionJson {
    fn from(description: &Description) -> Self {
        match description {
            Description::Stored(position) => Self::Record(position.0),
            Description::Inline(inline) => {
                let ExecutionDescription { running_timeout, .. } = **inline;
                let inline = ExecutionDescription::clone(inline);
                Self::Inline(Box::new(InlineJson {
                    docker_image: inline.docker_image,
                    docker_args: inline.docker_args,
                    docker_termination_logging: inline.docker_termination_logging,
                    service_account: inline.service_account,
                    commit_sha: inline.commit_sha,
                    env: inline.env,
                    running_timeout: running_timeout.map(SpanJson),
                    retry_condition: inline.retry_condition,
                    flyte_exec_conf: inline.flyte_exec_conf,
                    flyte_execution_id: inline.flyte_execution_id,
                }))
            }
        }
    }
}

impl From<DescriptionJson> for Description {
    fn from(json: DescriptionJson) -> Self {
        match json {
            DescriptionJson::Record(position) => Self::Stored(Position(position)),
            DescriptionJson::Inline(inline) => Self::Inline(Arc::new(ExecutionDescription {
                docker_image: inline.docker_image,
                docker_args: inline.docker_args,
                docker_termination_logging: inline.docker_termination_logging,
                service_account: inline.service_account,
                commit_sha: inline.commit_sha,
                env: inline.env,
                running_timeout: inline.running_timeout.map(|SpanJson(span)| span),
                retry_condition: inline.retry_condition,
                flyte_exec_conf: inline.flyte_exec_conf,
                flyte_execution_id: inline.flyte_execution_id,
            })),
        }
    }
}
