//! Styx's sixteen events: what can happen to a run, under the names that clients and dashboards know.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;

pub use crate::graph::EventKind;
use crate::{
    extensions::Extensions,
    id::{ExecutionId, Position},
};

/// One fact in the life of a run (spec SM §7), with what only ours records beside Styx's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run begins.
    TriggerExecution {
        /// Who or what asked for the run.
        trigger: Trigger,
        /// Environment of this run, over that of the workflow.
        parameters: TriggerParameters,
        /// The instant was overtaken by a later one before it fired: the run belongs to a catch-up and counts against its pace.
        missed: bool,
        /// Later fields.
        extensions: Extensions,
    },
    /// A note for the reader, e.g. why the run waits.
    Info {
        /// The note.
        message: Message,
    },
    /// The run leaves the queue; from here it holds a unit of each resource.
    Dequeue {
        /// The resources it holds, ascending.
        resources: Arc<[Arc<str>]>,
    },
    /// An execution begins: its id and what it will run are fixed.
    Submit {
        /// What will run.
        description: Description,
        /// The execution's id; only imported histories lack it.
        execution: Option<ExecutionId>,
        /// The executor that is asked to run it, so that a later one never is; only imported histories lack it.
        runner: Option<Arc<str>>,
        /// How long RUNNING may last, as the workflow and the configuration said at this moment.
        running_timeout: Option<TimeDelta>,
        /// When the run is tried again if this try fails, as the workflow said at this moment; `None` is always. What is
        /// spelled out inline has its own.
        retry_condition: Option<Arc<str>>,
        /// Later fields: what the try is launched and judged with.
        extensions: Extensions,
    },
    /// The executor took the execution.
    Submitted {
        /// The id as the executor reports it; only imported histories lack it.
        execution: Option<ExecutionId>,
        /// Which executor has it.
        runner: Option<Arc<str>>,
    },
    /// The container or process runs.
    Started,
    /// The container or process ended.
    Terminate {
        /// Its exit code, if one is known.
        exit_code: Option<i32>,
    },
    /// The execution could not be run or was lost.
    RunError {
        /// What went wrong.
        message: Arc<str>,
        /// Whose fault it is: decides cost and back-off.
        class: FailureClass,
    },
    /// The run is done.
    Success,
    /// The run is to be tried again.
    RetryAfter {
        /// Milliseconds from this event on; Styx accepts any 64-bit number.
        delay_millis: i64,
    },
    /// The run is given up.
    Stop {
        /// Why; imported histories say nothing.
        reason: Option<Arc<str>>,
    },
    /// The run stayed in its state for too long.
    Timeout {
        /// Why; imported histories say nothing.
        reason: Option<Arc<str>>,
    },
    /// The run is ended from outside.
    Halt {
        /// Why; imported histories say nothing.
        reason: Option<Arc<str>>,
    },
    /// Historic: a natural trigger before triggers had names.
    TimeTrigger,
    /// Historic: `submit` and `submitted` in one.
    Created {
        /// The execution's id.
        execution: ExecutionId,
        /// The image.
        docker_image: Arc<str>,
    },
    /// Historic: back to PREPARE without a delay.
    Retry,
}

impl Event {
    /// The event's name.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::TriggerExecution { .. } => EventKind::TriggerExecution,
            Self::Info { .. } => EventKind::Info,
            Self::Dequeue { .. } => EventKind::Dequeue,
            Self::Submit { .. } => EventKind::Submit,
            Self::Submitted { .. } => EventKind::Submitted,
            Self::Started => EventKind::Started,
            Self::Terminate { .. } => EventKind::Terminate,
            Self::RunError { .. } => EventKind::RunError,
            Self::Success => EventKind::Success,
            Self::RetryAfter { .. } => EventKind::RetryAfter,
            Self::Stop { .. } => EventKind::Stop,
            Self::Timeout { .. } => EventKind::Timeout,
            Self::Halt { .. } => EventKind::Halt,
            Self::TimeTrigger => EventKind::TimeTrigger,
            Self::Created { .. } => EventKind::Created,
            Self::Retry => EventKind::Retry,
        }
    }
}

/// Who or what asked for a run (spec SM §5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// The schedule.
    Natural,
    /// A person or program, with the id that the API made for it.
    AdHoc(Arc<str>),
    /// A backfill, by its id.
    Backfill(Arc<str>),
    /// Only in imported histories.
    Unknown(Arc<str>),
}

impl Trigger {
    /// Styx's name of the kind: `natural`, `adhoc`, `backfill`, `unknown` (SM-17).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::AdHoc(_) => "adhoc",
            Self::Backfill(_) => "backfill",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The trigger's id; `natural-trigger` for all natural ones.
    pub fn id(&self) -> &str {
        match self {
            Self::Natural => "natural-trigger",
            Self::AdHoc(id) | Self::Backfill(id) | Self::Unknown(id) => id,
        }
    }
}

/// What a trigger sets for its run (SM-18).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TriggerParameters {
    /// Environment variables, over those of the workflow.
    pub env: Arc<BTreeMap<String, String>>,
}

/// What an execution runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// The workflow as the record at this position holds it, with the run's parameter and trigger parameters put in.
    Stored(Position),
    /// Spelled out, as imported histories have it.
    Inline(Arc<ExecutionDescription>),
}

/// An execution spelled out, as Styx 2.x stores it with each `submit` (spec SM §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionDescription {
    /// The image.
    pub docker_image: Option<String>,
    /// Arguments, with the parameter put in.
    pub docker_args: Vec<String>,
    /// Whether the container reports its exit code in its termination log.
    pub docker_termination_logging: bool,
    /// Service account to run as.
    pub service_account: Option<String>,
    /// Commit that the image was built from.
    pub commit_sha: Option<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Limit of RUNNING.
    pub running_timeout: Option<TimeDelta>,
    /// When to try again.
    pub retry_condition: Option<String>,
    /// Flyte launch plan, as its JSON text.
    pub flyte_exec_conf: Option<String>,
    /// Flyte's name of the execution.
    pub flyte_execution_id: Option<String>,
}

/// A line for the reader (spec SM §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How serious.
    pub level: MessageLevel,
    /// The text, one line.
    pub line: Arc<str>,
}

/// How serious a [`Message`] is; text that Styx doesn't know reads as `Unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MessageLevel {
    Info,
    Warning,
    Error,
    Unknown,
}

impl MessageLevel {
    /// Styx's name of the level: `INFO`, `WARNING`, `ERROR`, `UNKNOWN`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads Styx's name; anything else is `Unknown`, never an error.
    pub fn from_name(name: &str) -> Self {
        match name {
            "INFO" => Self::Info,
            "WARNING" => Self::Warning,
            "ERROR" => Self::Error,
            _ => Self::Unknown,
        }
    }
}

/// Whose fault a failure is (W-19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The workflow's: costs a try.
    User,
    /// The machine's, the cluster's or the executor's: costs nothing and backs off on its own.
    Infrastructure,
}
