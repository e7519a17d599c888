//! A record as a JSON object, with everything that it holds.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use styx_core::{
    event::{Event, TriggerParameters},
    id::{Counter, Epoch, InstanceId, Position, WorkflowId},
    record::{ExecutionEvent, Fact, IdempotencyKey, LogEvent, Record, RunEvent, WorkflowEvent},
};

use super::{
    backfill::{BackfillEventJson, ResourceEventJson},
    cause::CauseJson,
    config::ConfigEventJson,
    parts::{
        CursorJson, CursorMoveJson, DescriptionJson, EndingJson, FailureClassJson, MessageJson, SkipReasonJson,
        StoredWorkflowJson, TriggerJson, shared, texts,
    },
    values::{ExecutionIdJson, ExtensionsJson, InstantJson, MillisJson, OffsetJson, SpanJson, UuidJson},
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordJson {
    pub(super) position: u64,
    pub(super) decision: u64,
    at: MillisJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_offset_millis: Option<OffsetJson>,
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<IdempotencyKeyJson>,
    fact: FactJson,
    cause: CauseJson,
}

impl From<&Record> for RecordJson {
    fn from(record: &Record) -> Self {
        Self {
            position: record.position.0,
            decision: record.decision.0,
            at: MillisJson(record.at),
            wall_offset_millis: OffsetJson::of(record.wall_offset),
            epoch: record.epoch.0,
            idempotency_key: record.idempotency_key.as_ref().map(Into::into),
            fact: (&record.fact).into(),
            cause: (&record.cause).into(),
        }
    }
}

impl From<RecordJson> for Record {
    fn from(json: RecordJson) -> Self {
        Self {
            position: Position(json.position),
            decision: Position(json.decision),
            at: json.at.0,
            wall_offset: json.wall_offset_millis.map(|OffsetJson(offset)| offset).unwrap_or_default(),
            epoch: Epoch(json.epoch),
            idempotency_key: json.idempotency_key.map(Into::into),
            cause: json.cause.into(),
            fact: json.fact.into(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdempotencyKeyJson {
    key: String,
    digest: UuidJson,
}

impl From<&IdempotencyKey> for IdempotencyKeyJson {
    fn from(named: &IdempotencyKey) -> Self {
        Self { key: named.key.to_string(), digest: UuidJson(named.digest) }
    }
}

impl From<IdempotencyKeyJson> for IdempotencyKey {
    fn from(json: IdempotencyKeyJson) -> Self {
        Self { key: json.key.into(), digest: json.digest.0 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FactJson {
    Log(LogEventJson),
    Config(ConfigEventJson),
    Workflow(WorkflowFactJson),
    Run(RunFactJson),
    Execution(ExecutionFactJson),
    Backfill(NamedFactJson<BackfillEventJson>),
    Resource(NamedFactJson<ResourceEventJson>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkflowFactJson {
    component: String,
    workflow: String,
    event: WorkflowEventJson,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFactJson {
    component: String,
    workflow: String,
    parameter: String,
    counter: u64,
    event: EventJson,
    /// Why the event is without effect; only imported ones are.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExecutionFactJson {
    id: ExecutionIdJson,
    event: ExecutionEventJson,
}

/// About something that has an id for a name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFactJson<E> {
    id: String,
    event: E,
}

impl From<&Fact> for FactJson {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Log(event) => Self::Log(event.into()),
            Fact::Config(event) => Self::Config(event.into()),
            Fact::Workflow(id, event) => Self::Workflow(WorkflowFactJson {
                component: id.component().into(),
                workflow: id.workflow().into(),
                event: event.into(),
            }),
            Fact::Run(id, event) => {
                let (counter, event, ignored) = match event {
                    RunEvent::Styx { counter, event } => (counter, event, None),
                    RunEvent::Ignored { counter, event, error } => (counter, event, Some(error.to_string())),
                };
                Self::Run(RunFactJson {
                    component: id.workflow().component().into(),
                    workflow: id.workflow().workflow().into(),
                    parameter: id.parameter().into(),
                    counter: counter.0,
                    event: event.into(),
                    ignored,
                })
            }
            Fact::Execution(id, event) => {
                Self::Execution(ExecutionFactJson { id: ExecutionIdJson(id.clone()), event: event.into() })
            }
            Fact::Backfill(id, event) => Self::Backfill(NamedFactJson { id: id.to_string(), event: event.into() }),
            Fact::Resource(id, event) => Self::Resource(NamedFactJson { id: id.to_string(), event: event.into() }),
        }
    }
}

impl From<FactJson> for Fact {
    fn from(json: FactJson) -> Self {
        match json {
            FactJson::Log(event) => Self::Log(event.into()),
            FactJson::Config(event) => Self::Config(event.into()),
            FactJson::Workflow(WorkflowFactJson { component, workflow, event }) => {
                Self::Workflow(WorkflowId::new(component, workflow), event.into())
            }
            FactJson::Run(RunFactJson { component, workflow, parameter, counter, event, ignored }) => {
                let (counter, event) = (Counter(counter), event.into());
                let event = match ignored {
                    None => RunEvent::Styx { counter, event },
                    Some(error) => RunEvent::Ignored { counter, event, error: error.into() },
                };
                Self::Run(InstanceId::new(WorkflowId::new(component, workflow), parameter), event)
            }
            FactJson::Execution(ExecutionFactJson { id, event }) => Self::Execution(id.0, event.into()),
            FactJson::Backfill(NamedFactJson { id, event }) => Self::Backfill(id.into(), event.into()),
            FactJson::Resource(NamedFactJson { id, event }) => Self::Resource(id.into(), event.into()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum LogEventJson {
    Started { log_id: UuidJson, root_seed: UuidJson },
    Forked { log_id: UuidJson, root_seed: UuidJson },
}

impl From<&LogEvent> for LogEventJson {
    fn from(event: &LogEvent) -> Self {
        match *event {
            LogEvent::Started { log_id, root_seed } => {
                Self::Started { log_id: UuidJson(log_id), root_seed: UuidJson(root_seed) }
            }
            LogEvent::Forked { log_id, root_seed } => {
                Self::Forked { log_id: UuidJson(log_id), root_seed: UuidJson(root_seed) }
            }
        }
    }
}

impl From<LogEventJson> for LogEvent {
    fn from(json: LogEventJson) -> Self {
        match json {
            LogEventJson::Started { log_id, root_seed } => Self::Started { log_id: log_id.0, root_seed: root_seed.0 },
            LogEventJson::Forked { log_id, root_seed } => Self::Forked { log_id: log_id.0, root_seed: root_seed.0 },
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum WorkflowEventJson {
    Stored(Box<StoredWorkflowJson>),
    Deleted,
    FileRemoved {
        path: String,
    },
    Switched {
        enabled: bool,
    },
    CursorMoved {
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<CursorJson>,
        why: CursorMoveJson,
        #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
        extensions: ExtensionsJson,
    },
    CursorSkipped {
        first: InstantJson,
        last: InstantJson,
        count: u64,
        reason: SkipReasonJson,
    },
    Owed {
        schedule: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset: Option<String>,
        next: CursorJson,
        until: InstantJson,
        count: u64,
    },
    OwedMoved {
        owed: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<CursorJson>,
        why: CursorMoveJson,
    },
}

impl From<&WorkflowEvent> for WorkflowEventJson {
    fn from(event: &WorkflowEvent) -> Self {
        match event {
            WorkflowEvent::Stored(stored) => Self::Stored(Box::new((&**stored).into())),
            WorkflowEvent::Deleted => Self::Deleted,
            WorkflowEvent::FileRemoved { path } => Self::FileRemoved { path: path.to_string() },
            WorkflowEvent::Switched { enabled } => Self::Switched { enabled: *enabled },
            WorkflowEvent::CursorSkipped { first, last, count, reason } => Self::CursorSkipped {
                first: InstantJson(*first),
                last: InstantJson(*last),
                count: *count,
                reason: (*reason).into(),
            },
            WorkflowEvent::Owed { schedule, offset, next, until, count } => Self::Owed {
                schedule: schedule.to_string(),
                offset: offset.as_ref().map(ToString::to_string),
                next: (*next).into(),
                until: InstantJson(*until),
                count: *count,
            },
            WorkflowEvent::OwedMoved { owed, to, why } => {
                Self::OwedMoved { owed: owed.0, to: to.map(Into::into), why: (*why).into() }
            }
            WorkflowEvent::CursorMoved { to, why, extensions } => {
                Self::CursorMoved { to: to.map(Into::into), why: (*why).into(), extensions: extensions.into() }
            }
        }
    }
}

impl From<WorkflowEventJson> for WorkflowEvent {
    fn from(json: WorkflowEventJson) -> Self {
        match json {
            WorkflowEventJson::Stored(stored) => Self::Stored(Arc::new((*stored).into())),
            WorkflowEventJson::Deleted => Self::Deleted,
            WorkflowEventJson::FileRemoved { path } => Self::FileRemoved { path: path.into() },
            WorkflowEventJson::Switched { enabled } => Self::Switched { enabled },
            WorkflowEventJson::CursorSkipped { first, last, count, reason } => {
                Self::CursorSkipped { first: first.0, last: last.0, count, reason: reason.into() }
            }
            WorkflowEventJson::Owed { schedule, offset, next, until, count } => Self::Owed {
                schedule: schedule.into(),
                offset: offset.map(Into::into),
                next: next.into(),
                until: until.0,
                count,
            },
            WorkflowEventJson::OwedMoved { owed, to, why } => {
                Self::OwedMoved { owed: Position(owed), to: to.map(Into::into), why: why.into() }
            }
            WorkflowEventJson::CursorMoved { to, why, extensions } => {
                Self::CursorMoved { to: to.map(Into::into), why: why.into(), extensions: extensions.into() }
            }
        }
    }
}

/// Styx's events, under Styx's names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum EventJson {
    TriggerExecution {
        trigger: TriggerJson,
        env: BTreeMap<String, String>,
        missed: bool,
        #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
        extensions: ExtensionsJson,
    },
    Info {
        message: MessageJson,
    },
    Dequeue {
        resources: Vec<String>,
    },
    Submit {
        description: DescriptionJson,
        #[serde(skip_serializing_if = "Option::is_none")]
        execution: Option<ExecutionIdJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        runner: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        running_timeout: Option<SpanJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_condition: Option<String>,
        #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
        extensions: ExtensionsJson,
    },
    Submitted {
        #[serde(skip_serializing_if = "Option::is_none")]
        execution: Option<ExecutionIdJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        runner: Option<String>,
    },
    Started,
    Terminate {
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    RunError {
        message: String,
        class: FailureClassJson,
    },
    Success,
    RetryAfter {
        delay_millis: i64,
    },
    Stop {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Timeout {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Halt {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    TimeTrigger,
    Created {
        execution: ExecutionIdJson,
        docker_image: String,
    },
    Retry,
}

impl From<&Event> for EventJson {
    fn from(event: &Event) -> Self {
        let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        match event {
            Event::TriggerExecution { trigger, parameters, missed, extensions } => Self::TriggerExecution {
                trigger: trigger.into(),
                env: BTreeMap::clone(&parameters.env),
                missed: *missed,
                extensions: extensions.into(),
            },
            Event::Info { message } => Self::Info { message: message.into() },
            Event::Dequeue { resources } => Self::Dequeue { resources: texts(resources) },
            Event::Submit { description, execution, runner, running_timeout, retry_condition, extensions } => {
                Self::Submit {
                    description: description.into(),
                    execution: execution.clone().map(ExecutionIdJson),
                    runner: text(runner),
                    running_timeout: running_timeout.map(SpanJson),
                    retry_condition: text(retry_condition),
                    extensions: extensions.into(),
                }
            }
            Event::Submitted { execution, runner } => {
                Self::Submitted { execution: execution.clone().map(ExecutionIdJson), runner: text(runner) }
            }
            Event::Started => Self::Started,
            Event::Terminate { exit_code } => Self::Terminate { exit_code: *exit_code },
            Event::RunError { message, class } => {
                Self::RunError { message: message.to_string(), class: (*class).into() }
            }
            Event::Success => Self::Success,
            Event::RetryAfter { delay_millis } => Self::RetryAfter { delay_millis: *delay_millis },
            Event::Stop { reason } => Self::Stop { reason: text(reason) },
            Event::Timeout { reason } => Self::Timeout { reason: text(reason) },
            Event::Halt { reason } => Self::Halt { reason: text(reason) },
            Event::TimeTrigger => Self::TimeTrigger,
            Event::Created { execution, docker_image } => {
                Self::Created { execution: ExecutionIdJson(execution.clone()), docker_image: docker_image.to_string() }
            }
            Event::Retry => Self::Retry,
        }
    }
}

impl From<EventJson> for Event {
    fn from(json: EventJson) -> Self {
        match json {
            EventJson::TriggerExecution { trigger, env, missed, extensions } => Self::TriggerExecution {
                trigger: trigger.into(),
                parameters: TriggerParameters { env: Arc::new(env) },
                missed,
                extensions: extensions.into(),
            },
            EventJson::Info { message } => Self::Info { message: message.into() },
            EventJson::Dequeue { resources } => Self::Dequeue { resources: shared(resources) },
            EventJson::Submit { description, execution, runner, running_timeout, retry_condition, extensions } => {
                Self::Submit {
                    description: description.into(),
                    execution: execution.map(|ExecutionIdJson(id)| id),
                    runner: runner.map(Into::into),
                    running_timeout: running_timeout.map(|SpanJson(span)| span),
                    retry_condition: retry_condition.map(Into::into),
                    extensions: extensions.into(),
                }
            }
            EventJson::Submitted { execution, runner } => {
                Self::Submitted { execution: execution.map(|ExecutionIdJson(id)| id), runner: runner.map(Into::into) }
            }
            EventJson::Started => Self::Started,
            EventJson::Terminate { exit_code } => Self::Terminate { exit_code },
            EventJson::RunError { message, class } => Self::RunError { message: message.into(), class: class.into() },
            EventJson::Success => Self::Success,
            EventJson::RetryAfter { delay_millis } => Self::RetryAfter { delay_millis },
            EventJson::Stop { reason } => Self::Stop { reason: reason.map(Into::into) },
            EventJson::Timeout { reason } => Self::Timeout { reason: reason.map(Into::into) },
            EventJson::Halt { reason } => Self::Halt { reason: reason.map(Into::into) },
            EventJson::TimeTrigger => Self::TimeTrigger,
            EventJson::Created { execution, docker_image } => {
                Self::Created { execution: execution.0, docker_image: docker_image.into() }
            }
            EventJson::Retry => Self::Retry,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum ExecutionEventJson {
    Ended(EndingJson),
    Cleaned,
    Refused { retry_at: InstantJson, reason: String },
}

impl From<&ExecutionEvent> for ExecutionEventJson {
    fn from(event: &ExecutionEvent) -> Self {
        match event {
            ExecutionEvent::Ended(ending) => Self::Ended((*ending).into()),
            ExecutionEvent::Cleaned => Self::Cleaned,
            ExecutionEvent::Refused { retry_at, reason } => {
                Self::Refused { retry_at: InstantJson(*retry_at), reason: reason.to_string() }
            }
        }
    }
}

impl From<ExecutionEventJson> for ExecutionEvent {
    fn from(json: ExecutionEventJson) -> Self {
        match json {
            ExecutionEventJson::Ended(ending) => Self::Ended(ending.into()),
            ExecutionEventJson::Cleaned => Self::Cleaned,
            ExecutionEventJson::Refused { retry_at, reason } => {
                Self::Refused { retry_at: retry_at.0, reason: reason.into() }
            }
        }
    }
}
