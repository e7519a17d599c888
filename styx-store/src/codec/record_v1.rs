//! The record of version 1, frozen: fields and tags never change, new variants get new tags.

use std::{borrow::Cow, sync::Arc};

use bincode::{BorrowDecode, Encode};
use chrono::TimeDelta;
use styx_core::{
    event::{Event, FailureClass, TriggerParameters},
    id::{Counter, Epoch, Position},
    record::{CursorMove, ExecutionEvent, Fact, IdempotencyKey, LogEvent, Record, RunEvent, SkipReason, WorkflowEvent},
};
use uuid::Uuid;

use super::{
    CONFIG, CodecError,
    backfill_v1::{BackfillEventV1, ResourceEventV1},
    cause_v1::CauseV1,
    config_v1::ConfigEventV1,
    parts::{
        CursorV1, DescriptionV1, EndingV1, ExecutionIdV1, InstanceIdV1, MessageV1, StoredWorkflowV1, TriggerV1,
        WorkflowIdV1, frozen,
    },
    primitives::{
        ExtensionsV1, InstantV1, Seq, SpanV1, VariablesV1, from_millis, variables, variables_v1, whole_millis,
    },
};
use crate::texts::shared;

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct RecordV1<'a> {
    position: u64,
    /// Milliseconds since 1970.
    at: i64,
    /// How far the first record of the decision is back.
    decision: u64,
    epoch: u64,
    idempotency_key: Option<IdempotencyKeyV1<'a>>,
    fact: FactV1<'a>,
    cause: CauseV1<'a>,
    /// Later fields, by tag, ascending.
    later: Seq<LaterV1<'a>>,
}

/// A field by its tag.
type LaterV1<'a> = (u32, Cow<'a, [u8]>);

/// The wall clock's offset: a signed integer, milliseconds; left out when it is zero.
const WALL_OFFSET: u32 = 1;

impl<'a> TryFrom<&'a Record> for RecordV1<'a> {
    type Error = CodecError;

    fn try_from(record: &'a Record) -> Result<Self, CodecError> {
        let decision = record.position.0.checked_sub(record.decision.0);
        Ok(Self {
            position: record.position.0,
            at: whole_millis(record.at)?,
            decision: decision.ok_or(CodecError::Unstorable("its decision lies behind it"))?,
            epoch: record.epoch.0,
            idempotency_key: record.idempotency_key.as_ref().map(Into::into),
            fact: (&record.fact).into(),
            cause: (&record.cause).into(),
            later: Seq(later(record)?),
        })
    }
}

impl TryFrom<RecordV1<'_>> for Record {
    type Error = CodecError;

    fn try_from(stored: RecordV1<'_>) -> Result<Self, CodecError> {
        let wall_offset = wall_offset(&stored.later.0)?;
        let decision = stored.position.checked_sub(stored.decision);
        Ok(Self {
            position: Position(stored.position),
            decision: Position(decision.ok_or_else(|| CodecError::Malformed("a decision before the log".into()))?),
            at: from_millis(stored.at)?,
            wall_offset,
            epoch: Epoch(stored.epoch),
            idempotency_key: stored.idempotency_key.map(Into::into),
            fact: stored.fact.into(),
            cause: stored.cause.into(),
        })
    }
}

/// A record's later fields.
fn later(record: &Record) -> Result<Vec<LaterV1<'_>>, CodecError> {
    if record.wall_offset.is_zero() {
        return Ok(Vec::new());
    }
    let millis = record.wall_offset.num_milliseconds();
    if TimeDelta::try_milliseconds(millis) != Some(record.wall_offset) {
        return Err(CodecError::Unstorable("its wall clock's offset isn't in whole milliseconds"));
    }
    let bytes = bincode::encode_to_vec(millis, CONFIG).map_err(|_| CodecError::Unstorable("its offset is too long"))?;
    Ok(vec![(WALL_OFFSET, Cow::Owned(bytes))])
}

/// Reads the later fields: the wall clock's offset is the only one that version 1 knows. It has one form, so that what is
/// read is written as the same bytes.
fn wall_offset(later: &[LaterV1<'_>]) -> Result<TimeDelta, CodecError> {
    if let Some((tag, _)) = later.iter().find(|(tag, _)| *tag != WALL_OFFSET) {
        return Err(CodecError::Newer { tag: *tag });
    }
    let bytes = match later {
        [] => return Ok(TimeDelta::zero()),
        [(_, bytes)] => bytes,
        _ => return Err(CodecError::Malformed("the wall clock's offset twice".into())),
    };
    let bad = || CodecError::Malformed("no offset of a wall clock in a form that is written".into());
    let (millis, length) = bincode::decode_from_slice::<i64, _>(bytes, CONFIG).map_err(|_| bad())?;
    let is_whole = length == bytes.len() && millis != 0 && length == shortest(millis);
    TimeDelta::try_milliseconds(millis).filter(|_| is_whole).ok_or_else(bad)
}

/// How many bytes a signed integer takes.
fn shortest(value: i64) -> usize {
    bincode::encode_to_vec(value, CONFIG).map_or(0, |bytes| bytes.len())
}

#[derive(Debug, Encode, BorrowDecode)]
struct IdempotencyKeyV1<'a> {
    key: &'a str,
    digest: [u8; 16],
}

impl<'a> From<&'a IdempotencyKey> for IdempotencyKeyV1<'a> {
    fn from(named: &'a IdempotencyKey) -> Self {
        Self { key: &named.key, digest: named.digest.into_bytes() }
    }
}

impl From<IdempotencyKeyV1<'_>> for IdempotencyKey {
    fn from(stored: IdempotencyKeyV1<'_>) -> Self {
        Self { key: stored.key.into(), digest: Uuid::from_bytes(stored.digest) }
    }
}

/// By place, as every enum is encoded: one less than the tags of subjects in keys.
#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum FactV1<'a> {
    Log(LogEventV1) = 0,
    Config(ConfigEventV1<'a>) = 1,
    Workflow(WorkflowIdV1<'a>, WorkflowEventV1<'a>) = 2,
    Run(InstanceIdV1<'a>, RunEventV1<'a>) = 3,
    Execution(ExecutionIdV1<'a>, ExecutionEventV1<'a>) = 4,
    Backfill(&'a str, BackfillEventV1<'a>) = 5,
    Resource(&'a str, ResourceEventV1) = 6,
}

impl<'a> From<&'a Fact> for FactV1<'a> {
    fn from(fact: &'a Fact) -> Self {
        match fact {
            Fact::Log(event) => Self::Log(event.into()),
            Fact::Config(event) => Self::Config(event.into()),
            Fact::Workflow(id, event) => Self::Workflow(id.into(), event.into()),
            Fact::Run(id, event) => Self::Run(id.into(), event.into()),
            Fact::Execution(id, event) => Self::Execution(id.into(), event.into()),
            Fact::Backfill(id, event) => Self::Backfill(id, event.into()),
            Fact::Resource(id, event) => Self::Resource(id, event.into()),
        }
    }
}

impl From<FactV1<'_>> for Fact {
    fn from(stored: FactV1<'_>) -> Self {
        match stored {
            FactV1::Log(event) => Self::Log(event.into()),
            FactV1::Config(event) => Self::Config(event.into()),
            FactV1::Workflow(id, event) => Self::Workflow(id.into(), event.into()),
            FactV1::Run(id, event) => Self::Run(id.into(), event.into()),
            FactV1::Execution(id, event) => Self::Execution(id.into(), event.into()),
            FactV1::Backfill(id, event) => Self::Backfill(shared(id), event.into()),
            FactV1::Resource(id, event) => Self::Resource(shared(id), event.into()),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum LogEventV1 {
    Started { log_id: [u8; 16], root_seed: [u8; 16] } = 0,
    Forked { log_id: [u8; 16], root_seed: [u8; 16] } = 1,
}

impl From<&LogEvent> for LogEventV1 {
    fn from(event: &LogEvent) -> Self {
        match event {
            LogEvent::Started { log_id, root_seed } => {
                Self::Started { log_id: log_id.into_bytes(), root_seed: root_seed.into_bytes() }
            }
            LogEvent::Forked { log_id, root_seed } => {
                Self::Forked { log_id: log_id.into_bytes(), root_seed: root_seed.into_bytes() }
            }
        }
    }
}

impl From<LogEventV1> for LogEvent {
    fn from(stored: LogEventV1) -> Self {
        match stored {
            LogEventV1::Started { log_id, root_seed } => {
                Self::Started { log_id: Uuid::from_bytes(log_id), root_seed: Uuid::from_bytes(root_seed) }
            }
            LogEventV1::Forked { log_id, root_seed } => {
                Self::Forked { log_id: Uuid::from_bytes(log_id), root_seed: Uuid::from_bytes(root_seed) }
            }
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum WorkflowEventV1<'a> {
    Stored(Box<StoredWorkflowV1<'a>>) = 0,
    Deleted = 1,
    Switched { enabled: bool } = 2,
    CursorMoved { to: Option<CursorV1>, why: CursorMoveV1, extensions: ExtensionsV1 } = 3,
    FileRemoved { path: &'a str } = 4,
    CursorSkipped { first: InstantV1, last: InstantV1, count: u64, reason: SkipReasonV1 } = 5,
    Owed { schedule: &'a str, offset: Option<&'a str>, next: CursorV1, until: InstantV1, count: u64 } = 6,
    OwedMoved { owed: u64, to: Option<CursorV1>, why: CursorMoveV1 } = 7,
}

impl<'a> From<&'a WorkflowEvent> for WorkflowEventV1<'a> {
    fn from(event: &'a WorkflowEvent) -> Self {
        match event {
            WorkflowEvent::Stored(stored) => Self::Stored(Box::new((&**stored).into())),
            WorkflowEvent::Deleted => Self::Deleted,
            WorkflowEvent::Switched { enabled } => Self::Switched { enabled: *enabled },
            WorkflowEvent::CursorMoved { to, why, extensions } => {
                Self::CursorMoved { to: to.map(Into::into), why: (*why).into(), extensions: extensions.into() }
            }
            WorkflowEvent::FileRemoved { path } => Self::FileRemoved { path },
            WorkflowEvent::CursorSkipped { first, last, count, reason } => Self::CursorSkipped {
                first: (*first).into(),
                last: (*last).into(),
                count: *count,
                reason: (*reason).into(),
            },
            WorkflowEvent::Owed { schedule, offset, next, until, count } => Self::Owed {
                schedule,
                offset: offset.as_deref(),
                next: (*next).into(),
                until: (*until).into(),
                count: *count,
            },
            WorkflowEvent::OwedMoved { owed, to, why } => {
                Self::OwedMoved { owed: owed.0, to: to.map(Into::into), why: (*why).into() }
            }
        }
    }
}

impl From<WorkflowEventV1<'_>> for WorkflowEvent {
    fn from(stored: WorkflowEventV1<'_>) -> Self {
        match stored {
            WorkflowEventV1::Stored(stored) => Self::Stored(Arc::new((*stored).into())),
            WorkflowEventV1::Deleted => Self::Deleted,
            WorkflowEventV1::Switched { enabled } => Self::Switched { enabled },
            WorkflowEventV1::CursorMoved { to, why, extensions } => {
                Self::CursorMoved { to: to.map(Into::into), why: why.into(), extensions: extensions.into() }
            }
            WorkflowEventV1::FileRemoved { path } => Self::FileRemoved { path: path.into() },
            WorkflowEventV1::CursorSkipped { first, last, count, reason } => {
                Self::CursorSkipped { first: first.into(), last: last.into(), count, reason: reason.into() }
            }
            WorkflowEventV1::Owed { schedule, offset, next, until, count } => Self::Owed {
                schedule: shared(schedule),
                offset: offset.map(shared),
                next: next.into(),
                until: until.into(),
                count,
            },
            WorkflowEventV1::OwedMoved { owed, to, why } => {
                Self::OwedMoved { owed: Position(owed), to: to.map(Into::into), why: why.into() }
            }
        }
    }
}

frozen!(CursorMoveV1 of CursorMove {
    Triggered = 0, AlreadyActive = 1, AlreadyCompleted = 2, NoExecution = 3, Edited = 4, Enabled = 5, Operator = 6,
    AlreadyTriggered = 7,
});

frozen!(SkipReasonV1 of SkipReason { Edited = 0, TooManyOwed = 1 });

frozen!(FailureClassV1 of FailureClass { User = 0, Infrastructure = 1 });

/// Tag 2 is for imported events that can't be read.
#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum RunEventV1<'a> {
    Styx { counter: u64, event: EventV1<'a> } = 0,
    Ignored { counter: u64, event: EventV1<'a>, error: &'a str } = 1,
}

impl<'a> From<&'a RunEvent> for RunEventV1<'a> {
    fn from(event: &'a RunEvent) -> Self {
        match event {
            RunEvent::Styx { counter, event } => Self::Styx { counter: counter.0, event: event.into() },
            RunEvent::Ignored { counter, event, error } => {
                Self::Ignored { counter: counter.0, event: event.into(), error }
            }
        }
    }
}

impl From<RunEventV1<'_>> for RunEvent {
    fn from(stored: RunEventV1<'_>) -> Self {
        match stored {
            RunEventV1::Styx { counter, event } => Self::Styx { counter: Counter(counter), event: event.into() },
            RunEventV1::Ignored { counter, event, error } => {
                Self::Ignored { counter: Counter(counter), event: event.into(), error: error.into() }
            }
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum EventV1<'a> {
    TriggerExecution {
        trigger: TriggerV1<'a>,
        env: VariablesV1<'a>,
        missed: bool,
        extensions: ExtensionsV1,
    } = 0,
    Info {
        message: MessageV1<'a>,
    } = 1,
    Dequeue {
        resources: Seq<&'a str>,
    } = 2,
    Submit {
        description: DescriptionV1<'a>,
        execution: Option<ExecutionIdV1<'a>>,
        runner: Option<&'a str>,
        running_timeout: Option<SpanV1>,
        retry_condition: Option<&'a str>,
        extensions: ExtensionsV1,
    } = 3,
    Submitted {
        execution: Option<ExecutionIdV1<'a>>,
        runner: Option<&'a str>,
    } = 4,
    Started = 5,
    Terminate {
        exit_code: Option<i32>,
    } = 6,
    RunError {
        message: &'a str,
        class: FailureClassV1,
    } = 7,
    Success = 8,
    RetryAfter {
        delay_millis: i64,
    } = 9,
    Stop {
        reason: Option<&'a str>,
    } = 10,
    Timeout {
        reason: Option<&'a str>,
    } = 11,
    Halt {
        reason: Option<&'a str>,
    } = 12,
    TimeTrigger = 13,
    Created {
        execution: ExecutionIdV1<'a>,
        docker_image: &'a str,
    } = 14,
    Retry = 15,
}

impl<'a> From<&'a Event> for EventV1<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::TriggerExecution { trigger, parameters, missed, extensions } => Self::TriggerExecution {
                trigger: trigger.into(),
                env: variables_v1(&parameters.env),
                missed: *missed,
                extensions: extensions.into(),
            },
            Event::Info { message } => Self::Info { message: message.into() },
            Event::Dequeue { resources } => Self::Dequeue { resources: Seq::of_texts(resources.iter()) },
            Event::Submit { description, execution, runner, running_timeout, retry_condition, extensions } => {
                Self::Submit {
                    description: description.into(),
                    execution: execution.as_ref().map(Into::into),
                    runner: runner.as_deref(),
                    running_timeout: running_timeout.map(Into::into),
                    retry_condition: retry_condition.as_deref(),
                    extensions: extensions.into(),
                }
            }
            Event::Submitted { execution, runner } => {
                Self::Submitted { execution: execution.as_ref().map(Into::into), runner: runner.as_deref() }
            }
            Event::Started => Self::Started,
            Event::Terminate { exit_code } => Self::Terminate { exit_code: *exit_code },
            Event::RunError { message, class } => Self::RunError { message, class: (*class).into() },
            Event::Success => Self::Success,
            Event::RetryAfter { delay_millis } => Self::RetryAfter { delay_millis: *delay_millis },
            Event::Stop { reason } => Self::Stop { reason: reason.as_deref() },
            Event::Timeout { reason } => Self::Timeout { reason: reason.as_deref() },
            Event::Halt { reason } => Self::Halt { reason: reason.as_deref() },
            Event::TimeTrigger => Self::TimeTrigger,
            Event::Created { execution, docker_image } => Self::Created { execution: execution.into(), docker_image },
            Event::Retry => Self::Retry,
        }
    }
}

impl From<EventV1<'_>> for Event {
    fn from(stored: EventV1<'_>) -> Self {
        match stored {
            EventV1::TriggerExecution { trigger, env, missed, extensions } => Self::TriggerExecution {
                trigger: trigger.into(),
                parameters: TriggerParameters { env: Arc::new(variables(env)) },
                missed,
                extensions: extensions.into(),
            },
            EventV1::Info { message } => Self::Info { message: message.into() },
            EventV1::Dequeue { resources } => Self::Dequeue { resources: resources.shared() },
            EventV1::Submit { description, execution, runner, running_timeout, retry_condition, extensions } => {
                Self::Submit {
                    description: description.into(),
                    execution: execution.map(Into::into),
                    runner: runner.map(shared),
                    running_timeout: running_timeout.map(Into::into),
                    retry_condition: retry_condition.map(shared),
                    extensions: extensions.into(),
                }
            }
            EventV1::Submitted { execution, runner } => {
                Self::Submitted { execution: execution.map(Into::into), runner: runner.map(shared) }
            }
            EventV1::Started => Self::Started,
            EventV1::Terminate { exit_code } => Self::Terminate { exit_code },
            EventV1::RunError { message, class } => Self::RunError { message: message.into(), class: class.into() },
            EventV1::Success => Self::Success,
            EventV1::RetryAfter { delay_millis } => Self::RetryAfter { delay_millis },
            EventV1::Stop { reason } => Self::Stop { reason: reason.map(Into::into) },
            EventV1::Timeout { reason } => Self::Timeout { reason: reason.map(Into::into) },
            EventV1::Halt { reason } => Self::Halt { reason: reason.map(Into::into) },
            EventV1::TimeTrigger => Self::TimeTrigger,
            EventV1::Created { execution, docker_image } => {
                Self::Created { execution: execution.into(), docker_image: docker_image.into() }
            }
            EventV1::Retry => Self::Retry,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum ExecutionEventV1<'a> {
    Ended(EndingV1) = 0,
    Cleaned = 1,
    Refused { retry_at: InstantV1, reason: &'a str } = 2,
}

impl<'a> From<&'a ExecutionEvent> for ExecutionEventV1<'a> {
    fn from(event: &'a ExecutionEvent) -> Self {
        match event {
            ExecutionEvent::Ended(ending) => Self::Ended((*ending).into()),
            ExecutionEvent::Cleaned => Self::Cleaned,
            ExecutionEvent::Refused { retry_at, reason } => Self::Refused { retry_at: (*retry_at).into(), reason },
        }
    }
}

impl From<ExecutionEventV1<'_>> for ExecutionEvent {
    fn from(stored: ExecutionEventV1<'_>) -> Self {
        match stored {
            ExecutionEventV1::Ended(ending) => Self::Ended(ending.into()),
            ExecutionEventV1::Cleaned => Self::Cleaned,
            ExecutionEventV1::Refused { retry_at, reason } => {
                Self::Refused { retry_at: retry_at.into(), reason: reason.into() }
            }
        }
    }
}
