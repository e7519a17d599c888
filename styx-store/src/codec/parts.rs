//! What records and rows are both made of, frozen. Tags never change; new variants get new tags.

use std::{cell::RefCell, sync::Arc};

use bincode::{BorrowDecode, Encode};
use styx_core::{
    event::{Description, ExecutionDescription, Message, MessageLevel, Trigger},
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    record::{Cursor, Ending, Origin, Runs, StoredWorkflow, WorkflowSpec},
    run::State,
};
use uuid::Uuid;

use super::primitives::{ExtensionsV1, InstantV1, Seq, SpanV1, VariablesV1, variables, variables_v1};
use crate::texts::shared;

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct WorkflowIdV1<'a> {
    component: &'a str,
    workflow: &'a str,
}

impl<'a> From<&'a WorkflowId> for WorkflowIdV1<'a> {
    fn from(id: &'a WorkflowId) -> Self {
        Self { component: id.component(), workflow: id.workflow() }
    }
}

impl From<WorkflowIdV1<'_>> for WorkflowId {
    fn from(stored: WorkflowIdV1<'_>) -> Self {
        Self::new(shared(stored.component), shared(stored.workflow))
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct InstanceIdV1<'a> {
    workflow: WorkflowIdV1<'a>,
    parameter: &'a str,
}

impl<'a> From<&'a InstanceId> for InstanceIdV1<'a> {
    fn from(id: &'a InstanceId) -> Self {
        Self { workflow: id.workflow().into(), parameter: id.parameter() }
    }
}

thread_local! {
    /// The instance that was read last: most records are about the same as the one before.
    static LAST: RefCell<Option<InstanceId>> = const { RefCell::new(None) };
}

impl From<InstanceIdV1<'_>> for InstanceId {
    fn from(stored: InstanceIdV1<'_>) -> Self {
        let InstanceIdV1 { workflow: WorkflowIdV1 { component, workflow }, parameter } = stored;
        let is = |id: &Self| {
            let of = id.workflow();
            id.parameter() == parameter && of.workflow() == workflow && of.component() == component
        };
        LAST.with_borrow_mut(|last| match last {
            Some(last) if is(last) => last.clone(),
            last => last.insert(Self::new(stored.workflow.into(), shared(parameter))).clone(),
        })
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum ExecutionIdV1<'a> {
    Run([u8; 16]) = 0,
    Text(&'a str) = 1,
}

impl<'a> From<&'a ExecutionId> for ExecutionIdV1<'a> {
    fn from(id: &'a ExecutionId) -> Self {
        match id {
            ExecutionId::Run(uuid) => Self::Run(uuid.into_bytes()),
            ExecutionId::Text(text) => Self::Text(text),
        }
    }
}

impl From<ExecutionIdV1<'_>> for ExecutionId {
    fn from(stored: ExecutionIdV1<'_>) -> Self {
        match stored {
            ExecutionIdV1::Run(bytes) => Self::Run(Uuid::from_bytes(bytes)),
            ExecutionIdV1::Text(text) => Self::Text(text.into()),
        }
    }
}

/// Enums without fields: the frozen copy, and the way there and back.
macro_rules! frozen {
    ($frozen:ident of $core:ident { $($variant:ident = $tag:tt),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, BorrowDecode)]
        #[repr(u32)]
        pub(super) enum $frozen {
            $($variant = $tag),+
        }

        impl From<$core> for $frozen {
            fn from(value: $core) -> Self {
                match value {
                    $($core::$variant => Self::$variant),+
                }
            }
        }

        impl From<$frozen> for $core {
            fn from(stored: $frozen) -> Self {
                match stored {
                    $($frozen::$variant => Self::$variant),+
                }
            }
        }
    };
}
pub(super) use frozen;

frozen!(StateV1 of State {
    New = 0, Queued = 1, Prepare = 2, Submitting = 3, Submitted = 4, Running = 5, Terminated = 6, Failed = 7, Error = 8,
    Done = 9,
});

frozen!(MessageLevelV1 of MessageLevel { Info = 0, Warning = 1, Error = 2, Unknown = 3 });

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum TriggerV1<'a> {
    Natural = 0,
    AdHoc(&'a str) = 1,
    Backfill(&'a str) = 2,
    Unknown(&'a str) = 3,
}

impl<'a> From<&'a Trigger> for TriggerV1<'a> {
    fn from(trigger: &'a Trigger) -> Self {
        match trigger {
            Trigger::Natural => Self::Natural,
            Trigger::AdHoc(id) => Self::AdHoc(id),
            Trigger::Backfill(id) => Self::Backfill(id),
            Trigger::Unknown(id) => Self::Unknown(id),
        }
    }
}

impl From<TriggerV1<'_>> for Trigger {
    fn from(stored: TriggerV1<'_>) -> Self {
        match stored {
            TriggerV1::Natural => Self::Natural,
            TriggerV1::AdHoc(id) => Self::AdHoc(id.into()),
            TriggerV1::Backfill(id) => Self::Backfill(id.into()),
            TriggerV1::Unknown(id) => Self::Unknown(id.into()),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct MessageV1<'a> {
    level: MessageLevelV1,
    line: &'a str,
}

impl<'a> From<&'a Message> for MessageV1<'a> {
    fn from(message: &'a Message) -> Self {
        Self { level: message.level.into(), line: &message.line }
    }
}

impl From<MessageV1<'_>> for Message {
    fn from(stored: MessageV1<'_>) -> Self {
        Self { level: stored.level.into(), line: stored.line.into() }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum EndingV1 {
    Exit { code: Option<i32> } = 0,
    NeverStarted = 1,
    Lost = 2,
    Operator = 3,
}

impl From<Ending> for EndingV1 {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exit { code } => Self::Exit { code },
            Ending::NeverStarted => Self::NeverStarted,
            Ending::Lost => Self::Lost,
            Ending::Operator => Self::Operator,
        }
    }
}

impl From<EndingV1> for Ending {
    fn from(stored: EndingV1) -> Self {
        match stored {
            EndingV1::Exit { code } => Self::Exit { code },
            EndingV1::NeverStarted => Self::NeverStarted,
            EndingV1::Lost => Self::Lost,
            EndingV1::Operator => Self::Operator,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct CursorV1 {
    instant: InstantV1,
    fires_at: InstantV1,
}

impl From<Cursor> for CursorV1 {
    fn from(cursor: Cursor) -> Self {
        Self { instant: cursor.instant.into(), fires_at: cursor.fires_at.into() }
    }
}

impl From<CursorV1> for Cursor {
    fn from(stored: CursorV1) -> Self {
        Self { instant: stored.instant.into(), fires_at: stored.fires_at.into() }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum OriginV1<'a> {
    File { path: &'a str, enabled: bool } = 0,
    Api = 1,
    RemovedFile { path: &'a str } = 2,
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct StoredWorkflowV1<'a> {
    json: &'a str,
    spec: WorkflowSpecV1<'a>,
}

impl<'a> From<&'a StoredWorkflow> for StoredWorkflowV1<'a> {
    fn from(workflow: &'a StoredWorkflow) -> Self {
        Self { json: &workflow.json, spec: (&workflow.spec).into() }
    }
}

impl From<StoredWorkflowV1<'_>> for StoredWorkflow {
    fn from(stored: StoredWorkflowV1<'_>) -> Self {
        Self { json: stored.json.into(), spec: stored.spec.into() }
    }
}

frozen!(RunsV1 of Runs { Nothing = 0, Image = 1, Flyte = 2 });

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct WorkflowSpecV1<'a> {
    schedule: &'a str,
    offset: Option<&'a str>,
    running_timeout: Option<SpanV1>,
    runs: RunsV1,
    resources: Seq<&'a str>,
    retry_condition: Option<&'a str>,
    mounts_secret: bool,
    origin: OriginV1<'a>,
    extensions: ExtensionsV1,
}

impl<'a> From<&'a WorkflowSpec> for WorkflowSpecV1<'a> {
    fn from(workflow: &'a WorkflowSpec) -> Self {
        Self {
            schedule: &workflow.schedule,
            offset: workflow.offset.as_deref(),
            running_timeout: workflow.running_timeout.map(Into::into),
            runs: workflow.runs.into(),
            resources: Seq::of_texts(workflow.resources.iter()),
            retry_condition: workflow.retry_condition.as_deref(),
            mounts_secret: workflow.mounts_secret,
            origin: match &workflow.origin {
                Origin::File { path, enabled } => OriginV1::File { path, enabled: *enabled },
                Origin::Api => OriginV1::Api,
                Origin::RemovedFile { path } => OriginV1::RemovedFile { path },
            },
            extensions: (&workflow.extensions).into(),
        }
    }
}

impl From<WorkflowSpecV1<'_>> for WorkflowSpec {
    fn from(stored: WorkflowSpecV1<'_>) -> Self {
        Self {
            schedule: stored.schedule.into(),
            offset: stored.offset.map(Into::into),
            running_timeout: stored.running_timeout.map(Into::into),
            runs: stored.runs.into(),
            resources: stored.resources.shared(),
            retry_condition: stored.retry_condition.map(shared),
            mounts_secret: stored.mounts_secret,
            origin: match stored.origin {
                OriginV1::File { path, enabled } => Origin::File { path: path.into(), enabled },
                OriginV1::Api => Origin::Api,
                OriginV1::RemovedFile { path } => Origin::RemovedFile { path: path.into() },
            },
            extensions: stored.extensions.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum DescriptionV1<'a> {
    Stored(u64) = 0,
    Inline(Box<InlineV1<'a>>) = 1,
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct InlineV1<'a> {
    docker_image: Option<&'a str>,
    docker_args: Seq<&'a str>,
    docker_termination_logging: bool,
    service_account: Option<&'a str>,
    commit_sha: Option<&'a str>,
    env: VariablesV1<'a>,
    running_timeout: Option<SpanV1>,
    retry_condition: Option<&'a str>,
    flyte_exec_conf: Option<&'a str>,
    flyte_execution_id: Option<&'a str>,
}

impl<'a> From<&'a Description> for DescriptionV1<'a> {
    fn from(description: &'a Description) -> Self {
        match description {
            Description::Stored(position) => Self::Stored(position.0),
            Description::Inline(inline) => Self::Inline(Box::new(InlineV1 {
                docker_image: inline.docker_image.as_deref(),
                docker_args: Seq::of_texts(&inline.docker_args),
                docker_termination_logging: inline.docker_termination_logging,
                service_account: inline.service_account.as_deref(),
                commit_sha: inline.commit_sha.as_deref(),
                env: variables_v1(&inline.env),
                running_timeout: inline.running_timeout.map(Into::into),
                retry_condition: inline.retry_condition.as_deref(),
                flyte_exec_conf: inline.flyte_exec_conf.as_deref(),
                flyte_execution_id: inline.flyte_execution_id.as_deref(),
            })),
        }
    }
}

impl From<DescriptionV1<'_>> for Description {
    fn from(stored: DescriptionV1<'_>) -> Self {
        match stored {
            DescriptionV1::Stored(position) => Self::Stored(Position(position)),
            DescriptionV1::Inline(inline) => Self::Inline(Arc::new(ExecutionDescription {
                docker_image: inline.docker_image.map(Into::into),
                docker_args: inline.docker_args.0.into_iter().map(Into::into).collect(),
                docker_termination_logging: inline.docker_termination_logging,
                service_account: inline.service_account.map(Into::into),
                commit_sha: inline.commit_sha.map(Into::into),
                env: variables(inline.env),
                running_timeout: inline.running_timeout.map(Into::into),
                retry_condition: inline.retry_condition.map(Into::into),
                flyte_exec_conf: inline.flyte_exec_conf.map(Into::into),
                flyte_execution_id: inline.flyte_execution_id.map(Into::into),
            })),
        }
    }
}
