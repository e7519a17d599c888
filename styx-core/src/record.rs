//! Records: facts in their place in the one log.

mod backfill;
mod bounds;
mod name;

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use self::{
    backfill::{BackfillEvent, BackfillMove, BackfillSpec, ResourceEvent},
    bounds::{Bounds, OutOfBounds},
};
use crate::{
    config::{Config, Runtime},
    event::Event,
    extensions::Extensions,
    graph::Rules,
    id::{Counter, Epoch, ExecutionId, InstanceId, Position, WorkflowId},
    now::Now,
    observation::Observed,
    schedule::NaturalTrigger,
};
pub use crate::{
    execution::Ending,
    stored_workflow::{Origin, Runs, StoredWorkflow, WorkflowSpec},
};

/// A fact in its place: the only thing that changes a [`World`](crate::world::World).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the log: global, gapless, the first is 1.
    pub position: Position,
    /// Position of the first record of the decision that this one belongs to: that of the record before, or its own.
    pub decision: Position,
    /// When it was decided: whole milliseconds, never less than in the record before.
    pub at: DateTime<Utc>,
    /// How far the wall clock was ahead of `at`, negative when it had been set back: in whole milliseconds, and zero in all
    /// records of a decision but the first.
    pub wall_offset: TimeDelta,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Names the request that a decision follows from, as its client does; the first record of the decision has it.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Who or what caused it.
    pub cause: Cause,
    /// What happened, and to whom.
    pub fact: Fact,
}

impl Record {
    /// Under which rules the record is folded (decided by its cause alone).
    pub fn rules(&self) -> Rules {
        match self.cause {
            Cause::Imported { .. } => Rules::Styx2,
            _ => Rules::Ours,
        }
    }

    /// The two readings of the clock that the decision followed, if this is its first record.
    pub fn now(&self) -> Now {
        Now { at: self.at, wall: self.at.checked_add_signed(self.wall_offset).unwrap_or(self.at) }
    }

    /// When what it says happened: of an imported event, the time in its history.
    pub fn happened_at(&self) -> DateTime<Utc> {
        match self.cause {
            Cause::Imported { at } => at,
            _ => self.at,
        }
    }

    /// When an executor saw what led to the record, if an executor did and knew. Only the first record of a decision says it.
    pub fn observed_at(&self) -> Option<DateTime<Utc>> {
        match self.cause {
            Cause::Executor { observed_at, .. } => observed_at,
            _ => None,
        }
    }

    /// What the record is about.
    pub fn subject(&self) -> Subject {
        self.fact.subject()
    }

    /// All under which the record is found: its subject, and for a `submit` also the execution that begins.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let begins = match &self.fact {
            Fact::Run(_, RunEvent::Styx { event: Event::Submit { execution: Some(id), .. }, .. }) => {
                Some(Subject::Execution(id.clone()))
            }
            _ => None,
        };
        std::iter::once(self.subject()).chain(begins)
    }
}

/// The name that a client gave to a request, so that it is done once however often it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The name, and whose it is.
    pub key: Arc<str>,
    /// A hash of all that was asked: the same key with another request is a mistake.
    pub digest: Uuid,
}

/// What happened, and to whom. The subject and its events are one type, so no record can pair the wrong ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// About the log itself.
    Log(LogEvent),
    /// About what all decisions depend on.
    Config(ConfigEvent),
    /// About a workflow.
    Workflow(WorkflowId, WorkflowEvent),
    /// About a run: Styx's events.
    Run(InstanceId, RunEvent),
    /// About an execution.
    Execution(ExecutionId, ExecutionEvent),
    /// About a backfill.
    Backfill(Arc<str>, BackfillEvent),
    /// About a resource.
    Resource(Arc<str>, ResourceEvent),
}

impl Fact {
    /// Whom it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Log(_) => Subject::Log,
            Self::Config(_) => Subject::Config,
            Self::Workflow(id, _) => Subject::Workflow(id.clone()),
            Self::Run(id, _) => Subject::Run(id.clone()),
            Self::Execution(id, _) => Subject::Execution(id.clone()),
            Self::Backfill(id, _) => Subject::Backfill(Arc::clone(id)),
            Self::Resource(id, _) => Subject::Resource(Arc::clone(id)),
        }
    }
}

/// Whom records are about: the key of the index by subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The log itself.
    Log,
    /// The configuration.
    Config,
    /// A workflow.
    Workflow(WorkflowId),
    /// The run (all runs, one after the other) of an instance.
    Run(InstanceId),
    /// An execution.
    Execution(ExecutionId),
    /// A backfill.
    Backfill(Arc<str>),
    /// A resource.
    Resource(Arc<str>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("log"),
            Self::Config => f.write_str("config"),
            Self::Workflow(id) => write!(f, "workflow {id}"),
            Self::Run(id) => write!(f, "run {id}"),
            Self::Execution(id) => write!(f, "execution {id}"),
            Self::Backfill(id) => write!(f, "backfill {id}"),
            Self::Resource(id) => write!(f, "resource {id}"),
        }
    }
}

/// Events of the log itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// The first record of every log.
    Started {
        /// Names this log: executions carry it, and an executor adopts only what carries it.
        log_id: Uuid,
        /// What all draws are made from.
        root_seed: Uuid,
    },
    /// A copy or a restore goes its own way from here, under a new name.
    Forked {
        /// The new name.
        log_id: Uuid,
        /// What draws are made from, from here on: else both would draw the same execution ids.
        root_seed: Uuid,
    },
}

/// Events of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigEvent {
    /// From here on decisions follow these values; the switch of scheduling and what operators set stay as they are.
    Set(Arc<Config>),
    /// Scheduling as a whole is turned on or off, by an operator: no file sets it.
    SchedulingSwitched {
        /// On or off.
        enabled: bool,
    },
    /// Operators set the values that no file sets, all of them.
    Operated(Arc<Runtime>),
    /// An operator said that the wall clock is right: it wasn't believed, and this record is the first with its time.
    ClockAccepted,
}

/// Events of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkflowEvent {
    /// Created or replaced.
    Stored(Arc<StoredWorkflow>),
    /// Removed, with its switch and its cursor.
    Deleted,
    /// The file that defined it doesn't any more: from here on it is nobody's, as if it had been made through the API.
    FileRemoved {
        /// The file.
        path: Arc<str>,
    },
    /// Natural triggers turned on or off.
    Switched {
        /// On or off.
        enabled: bool,
    },
    /// The next natural trigger is another one.
    CursorMoved {
        /// The new cursor; `None` when the schedule has no further instant.
        to: Option<Cursor>,
        /// Why it moved.
        why: CursorMove,
        /// Later fields.
        extensions: Extensions,
    },
    /// Instants that are neither triggered nor owed; changes nothing.
    CursorSkipped {
        /// The smallest of them.
        first: DateTime<Utc>,
        /// The greatest.
        last: DateTime<Utc>,
        /// How many there are.
        count: u64,
        /// Why.
        reason: SkipReason,
    },
    /// Schedule or offset were edited, and what was due under the old ones is still to be triggered by them.
    Owed {
        /// The old schedule, in Styx's JSON form.
        schedule: Arc<str>,
        /// The old offset, as written; `None` means the schedule's own.
        offset: Option<Arc<str>>,
        /// The first trigger that is owed.
        next: Cursor,
        /// What fires at this time or before is owed, and nothing after it.
        until: DateTime<Utc>,
        /// How many instants are owed.
        count: u64,
    },
    /// The next trigger that is owed under an earlier schedule is another one.
    OwedMoved {
        /// The position of its `Owed`.
        owed: Position,
        /// The next one; `None` when all have been triggered or passed over.
        to: Option<Cursor>,
        /// Why it moved.
        why: CursorMove,
    },
}

/// Why instants are neither triggered nor owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// An edit of schedule or offset: they hadn't fired under the old one, and lie before the first of the new one.
    Edited,
    /// They were due when schedule or offset were edited, and as many earlier schedules as may be are owed already.
    TooManyOwed,
}

/// Which natural trigger comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The logical instant: it becomes the parameter.
    pub instant: DateTime<Utc>,
    /// When it fires: the instant plus the offset.
    pub fires_at: DateTime<Utc>,
}

impl From<NaturalTrigger> for Cursor {
    fn from(NaturalTrigger { instant, fires_at }: NaturalTrigger) -> Self {
        Self { instant, fires_at }
    }
}

/// Why a cursor moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorMove {
    /// Its instant was triggered.
    Triggered,
    /// The instance of its instant was active already.
    AlreadyActive,
    /// The instance of its instant was completed by an earlier natural trigger.
    AlreadyCompleted,
    /// Its instant was triggered by the schedule before, perhaps under another name, and came to no good end or to none yet.
    AlreadyTriggered,
    /// The workflow names nothing that can be run.
    NoExecution,
    /// The workflow is new, or its schedule or offset changed.
    Edited,
    /// The workflow was enabled: what was missed before is not made up for.
    Enabled,
    /// An operator set it.
    Operator,
}

/// An event of a run in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// One of Styx's events.
    Styx {
        /// Styx's number of the event: one more than that of the instance's last event, over all its runs.
        counter: Counter,
        /// The event.
        event: Event,
    },
    /// An imported event that the graph refuses: kept, and without effect.
    Ignored {
        /// The counter that it carried.
        counter: Counter,
        /// The event.
        event: Event,
        /// Why it was refused.
        error: Arc<str>,
    },
}

/// An event of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionEvent {
    /// It has ended, after its run had moved on or together with the run's own event.
    Ended(Ending),
    /// What was left of it outside has been removed.
    Cleaned,
    /// The executor can't take it now; it is asked again.
    Refused {
        /// When.
        retry_at: DateTime<Utc>,
        /// Why.
        reason: Arc<str>,
    },
}

/// Who or what caused a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The same as the first record of its decision: said once, however many records follow from it.
    Decision,
    /// The schedule: a natural trigger.
    Schedule,
    /// Something else whose time had come.
    Timer,
    /// The engine itself, at start or after another record.
    Engine,
    /// A person or a program, over the API or the command line.
    Operator(Arc<Operator>),
    /// An executor's observation.
    Executor {
        /// Which executor.
        runner: Arc<str>,
        /// What it saw.
        what: Observed,
        /// When it happened there, if the executor knows; it may be long before it was reported.
        observed_at: Option<DateTime<Utc>>,
        /// The raw observation: JSON, at most [`Cause::MAX_EVIDENCE`] bytes.
        evidence: Arc<[u8]>,
        /// Later fields.
        extensions: Extensions,
    },
    /// An event of another system's history.
    Imported {
        /// When it happened there.
        at: DateTime<Utc>,
    },
}

impl Cause {
    /// The most bytes of raw evidence or of a request that a record carries.
    pub const MAX_EVIDENCE: usize = 16 * 1024;
}

/// A person or a program that asked for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who: a name, or `anonymous`.
    pub actor: Arc<str>,
    /// The id of the request, for logs and people; what comes twice is told by the record's idempotency key.
    pub request_id: Arc<str>,
    /// What was asked, as JSON of at most [`Cause::MAX_EVIDENCE`] bytes; whoever makes it keeps to that.
    pub request: Arc<str>,
}

impl Operator {
    /// A person or a program of this name, for requests that nothing else is known of.
    pub fn named(actor: &str) -> Self {
        Self { actor: actor.into(), request_id: "".into(), request: "{}".into() }
    }
}
