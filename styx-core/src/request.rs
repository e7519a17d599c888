//! What can be asked for, and what is answered.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    config::{Config, ExecutorName, Limit, Rate},
    event::{Event, TriggerParameters},
    graph::IllegalTransition,
    id::{Counter, ExecutionId, InstanceId, Position, WorkflowId, number},
    record::{BackfillEvent, Fact, OutOfBounds, Record, RunEvent, WorkflowEvent},
    schedule::{Nearest, OffsetLeadsOut},
    stored_workflow::StoredWorkflow,
};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Follow these values from here on; the switch of scheduling stays as it is.
    Configure(Arc<Config>),
    /// Turn scheduling as a whole on or off.
    SwitchScheduling {
        /// On or off.
        enabled: bool,
    },
    /// Set what operators set at run time; it survives restarts.
    Operate(RuntimePatch),
    /// Create or replace a workflow that is valid; refused while a file of the workflow folder defines it.
    StoreWorkflow {
        /// Which.
        id: WorkflowId,
        /// The new definition.
        workflow: Arc<StoredWorkflow>,
    },
    /// Remove a workflow; refused while a file of the workflow folder defines it.
    DeleteWorkflow {
        /// Which.
        id: WorkflowId,
    },
    /// Take over what a file of the workflow folder says, all of it or nothing. A file that is gone defines nothing.
    LoadFile {
        /// The file, relative to the folder, with `/`.
        path: Arc<str>,
        /// All that it defines, valid, each once; their origin names the file.
        workflows: Arc<[(WorkflowId, Arc<StoredWorkflow>)]>,
        /// Workflows that another file defines now: if it was this one before, the other takes them over as they are.
        elsewhere: Arc<[WorkflowId]>,
    },
    /// Change a workflow's switch or cursor; `None` leaves a value as it is (E-12).
    PatchWorkflow {
        /// Which.
        id: WorkflowId,
        /// Natural triggers on or off.
        enabled: Option<bool>,
        /// The logical instant of the next natural trigger.
        next_instant: Option<DateTime<Utc>>,
        /// When it fires.
        next_fires_at: Option<DateTime<Utc>>,
    },
    /// Begin a run (E-26).
    Trigger {
        /// Of which workflow.
        workflow: WorkflowId,
        /// The parameter as sent; floored to the schedule.
        parameter: Arc<str>,
        /// What the run's environment gets on top.
        parameters: TriggerParameters,
        /// Whether the instant may lie in the future.
        allow_future: bool,
    },
    /// End a run (E-27).
    Halt {
        /// Of which instance.
        instance: InstanceId,
    },
    /// Try a run again after a delay (E-28).
    Retry {
        /// Of which instance.
        instance: InstanceId,
        /// The delay; negative is accepted.
        delay_millis: i64,
    },
    /// Fail a run as if its time were up (E-29).
    Timeout {
        /// Of which instance.
        instance: InstanceId,
    },
    /// Declare an execution over that nobody will report about any more, for instance since its node is lost.
    EndExecution {
        /// Which.
        execution: ExecutionId,
    },
    /// Do something to an instance only if its last event has this counter.
    Expecting {
        /// Which instance.
        instance: InstanceId,
        /// The counter that whoever asks has seen; `None` when the instance had no event.
        counter: Option<Counter>,
        /// What to do.
        request: Box<Request>,
    },
    /// Make a resource or change its limit (E-14, E-16).
    SetResource {
        /// Which.
        id: Arc<str>,
        /// How many units there are.
        concurrency: i64,
    },
    /// Remove a resource (E-17).
    DeleteResource {
        /// Which.
        id: Arc<str>,
    },
    /// Run a range of partitions (E-19).
    CreateBackfill {
        /// Of which workflow.
        workflow: WorkflowId,
        /// The first instant, which is one of the schedule.
        start: DateTime<Utc>,
        /// The end, which is an instant of the schedule and doesn't belong to the range.
        end: DateTime<Utc>,
        /// How many of its runs may be active.
        concurrency: u32,
        /// Whether the last partition comes first.
        reverse: bool,
        /// What it is for.
        description: Option<Arc<str>>,
        /// What its triggers set.
        parameters: Option<TriggerParameters>,
        /// Whether partitions may lie in the future.
        allow_future: bool,
    },
    /// Change a backfill (E-21).
    EditBackfill {
        /// Which.
        id: Arc<str>,
        /// How many of its runs may be active; `None` leaves it.
        concurrency: Option<u32>,
        /// What it is for; `None` leaves it.
        description: Option<Arc<str>>,
    },
    /// Trigger nothing more of a backfill (E-22).
    HaltBackfill {
        /// Which.
        id: Arc<str>,
        /// Whether its active runs go on.
        graceful: bool,
    },
}

/// What is to be set at run time; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimePatch {
    /// The switch of scheduling.
    pub scheduling: Option<bool>,
    /// The most executions that live at the same time.
    pub max_executions: Option<Setting<Limit>>,
    /// How fast runs leave the queue.
    pub dequeue_rate: Option<Setting<Rate>>,
    /// Clients that are turned away, all of them.
    pub blocked_clients: Option<Arc<BTreeSet<Arc<str>>>>,
    /// Whether what is left of executions is kept.
    pub debug: Option<bool>,
    /// The executor of all executions that no route is for.
    pub default_executor: Option<Setting<ExecutorName>>,
    /// The wall clock counts from here on, which wasn't believed. Whoever reads the clock sees to it that the decision's
    /// [`Now`](crate::now::Now) has its time, and asks for this only while it isn't believed.
    pub accept_clock: bool,
}

/// A value that operators set, or leave to the configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting<T> {
    /// From here on this counts.
    Value(T),
    /// From here on the configuration counts.
    Configured,
}

impl<T> Setting<T> {
    /// The value; `None` leaves it to the configuration.
    pub fn to_option(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Configured => None,
        }
    }
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done and recorded.
    Done,
    /// There was nothing to do; nothing was recorded.
    Nothing,
    /// A run began.
    Triggered {
        /// Its instance.
        instance: InstanceId,
        /// The id that was made for the trigger.
        trigger_id: Arc<str>,
    },
    /// A workflow is stored, as it is here.
    Stored(Arc<StoredWorkflow>),
    /// A backfill was made.
    BackfillCreated {
        /// Its id.
        id: Arc<str>,
    },
    /// The request's key was used before: what followed then begins with this record, and nothing was done now.
    Repeated {
        /// The first record of the decision.
        by: Position,
    },
    /// It can't be done; nothing was recorded.
    Refused(Refusal),
}

impl Reply {
    /// The reply, unless the request was refused.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub fn accepted(self) -> Result<Self, Refusal> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            reply => Ok(reply),
        }
    }

    /// What was answered to the request from which a decision follows that begins with this record.
    pub fn of_record(first: &Record) -> Self {
        match &first.fact {
            Fact::Run(instance, RunEvent::Styx { event: Event::TriggerExecution { trigger, .. }, .. }) => {
                Self::Triggered { instance: instance.clone(), trigger_id: trigger.id().into() }
            }
            Fact::Workflow(_, WorkflowEvent::Stored(stored)) => Self::Stored(Arc::clone(stored)),
            Fact::Backfill(id, BackfillEvent::Created(_)) => Self::BackfillCreated { id: Arc::clone(id) },
            _ => Self::Done,
        }
    }
}

/// Why a request is refused. The texts are those of Styx's API where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A trigger names no known workflow.
    #[error("The specified workflow is not found in the scheduler")]
    TriggerOfUnknownWorkflow,
    /// A request names no known workflow.
    #[error("workflow not found")]
    UnknownWorkflow,
    /// The workflow names nothing that can be run.
    #[error("Workflow is missing execution configuration")]
    NotRunnable,
    /// The parameter can't be read.
    #[error("Cannot parse time parameter {parameter} - {reason}")]
    BadParameter {
        /// As sent.
        parameter: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The instant lies in the future.
    #[error("Cannot trigger an instance of the future")]
    Future,
    /// The instance is active.
    #[error("This workflow instance is already triggered. Did you want to `retry` running it instead?")]
    AlreadyActive,
    /// The graph has no such edge.
    #[error("{instance} {transition}")]
    Illegal {
        /// Whose run it is.
        instance: InstanceId,
        /// What was tried.
        transition: IllegalTransition,
    },
    /// The schedule never fires.
    #[error("invalid schedule: no matching instant")]
    NoInstant,
    /// The schedule fires, but with this offset its next trigger isn't in the calendar.
    #[error(transparent)]
    OffsetLeadsOut(OffsetLeadsOut),
    /// The schedule or the offset can't be read.
    #[error("{0}")]
    BadSchedule(String),
    /// A cursor that isn't an instant of the schedule.
    #[error("next_natural_trigger not aligned with schedule: {nearest}")]
    UnalignedCursor {
        /// The partitions around it.
        nearest: Nearest,
    },
    /// A number or a time that no record may hold.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// It runs in Flyte.
    #[error("Flyte workflows can't be run yet")]
    Flyte,
    /// The executor makes no pods, so that it can't use the workflow's pod template.
    #[error("the {runner} executor can't use a pod template")]
    Pod {
        /// The executor.
        runner: Arc<str>,
    },
    /// The executor can't mount the workflow's secret.
    #[error("the {runner} executor can't mount a secret")]
    Secret {
        /// The executor.
        runner: Arc<str>,
    },
    /// The executor runs only workflows of the folder.
    #[error(
        "the {runner} executor runs only workflows of the workflow folder: start the server with --run-api-workflows \
         to let it run workflows made through the API"
    )]
    ApiWorkflow {
        /// The executor.
        runner: Arc<str>,
    },
    /// The executor runs only workflows of the folder, and the file of this one was removed.
    #[error(
        "the file {path} that defined the workflow was removed, and the {runner} executor runs only workflows of the \
         workflow folder: put the file back, or start the server with --run-api-workflows"
    )]
    RemovedFile {
        /// The file.
        path: Arc<str>,
        /// The executor.
        runner: Arc<str>,
    },
    /// A file of the workflow folder defines the workflow.
    #[error("the workflow is defined by the file {path} of the workflow folder: change it there")]
    OwnedByFile {
        /// The file.
        path: Arc<str>,
    },
    /// A workflow of a file can't be stored, so nothing of the file is.
    #[error("workflow {workflow}: {reason}")]
    InFile {
        /// Which.
        workflow: WorkflowId,
        /// Why.
        reason: Box<Refusal>,
    },
    /// The instance has had other events than whoever asks has seen.
    #[error("{instance} is at counter {}, not {}", number(.found), number(.expected))]
    Stale {
        /// Which instance.
        instance: InstanceId,
        /// What was expected.
        expected: Option<Counter>,
        /// What is.
        found: Option<Counter>,
    },
    /// No execution of that id lives.
    #[error("no execution {execution} lives")]
    NoSuchExecution {
        /// Which.
        execution: ExecutionId,
    },
    /// The default executor is to be one that isn't configured.
    #[error("no executor `{name}` is configured; there are: {}", known.join(", "))]
    UnknownExecutor {
        /// As asked for.
        name: ExecutorName,
        /// The names that there are.
        known: Vec<Arc<str>>,
    },
    /// What the configuration's extensions hold leaves no room for a choice of executors.
    #[error("the configuration has no room for the name of an executor: its extensions are full")]
    NoRoomForExecutor,
    /// A backfill's workflow names nothing that can be run.
    #[error("Workflow is missing docker image and flyte execution config")]
    BackfillNotRunnable,
    /// A backfill's range goes back.
    #[error("start must be before end")]
    EmptyRange,
    /// A backfill's range ends where it begins.
    #[error("start must be before end: end is exclusive, the first partition that is left out")]
    NothingInRange,
    /// An end of a backfill's range isn't an instant of the schedule.
    #[error("{name} parameter not aligned with schedule: {nearest}{}", if *.name == "end" { ", and end is exclusive" } else { "" })]
    Unaligned {
        /// `start` or `end`.
        name: &'static str,
        /// The partitions around it.
        nearest: Nearest,
    },
    /// A backfill in reverse begins with the first instant that has a form: its cursor would have none at the end.
    #[error("a backfill in reverse must start after the first instant of the year 0000")]
    NothingBefore,
    /// A backfill reaches into the future.
    #[error("Cannot backfill future partitions")]
    FutureBackfill,
    /// Instances of a backfill's range are active.
    #[error("these partitions are already active: {partitions}")]
    PartitionsActive {
        /// Parameters in the order of time, with commas; of many only the first.
        partitions: String,
    },
    /// An edit names no known backfill.
    #[error("Backfill {id} not found.")]
    EditOfUnknownBackfill {
        /// As sent.
        id: Arc<str>,
    },
    /// The request's key was used for another request.
    #[error("the idempotency key was used for another request before")]
    KeyOfAnother,
    /// A halt names no known backfill.
    #[error("backfill not found")]
    HaltOfUnknownBackfill,
}
