//! The history of an instance as clients see it: its triggers, the executions of each, and what became of them
//! (spec SM §25.1, decision 34).
//!
//! A view, not a judge: events that the graph would refuse are shown like any others, as Styx 2.x does.

mod status;
mod trigger_status;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::{
    status::{PastStatus, StatusKind},
    trigger_status::{TriggerStatus, trigger_status},
};
use crate::{
    event::{Description, Event, ExecutionDescription, TriggerParameters},
    id::ExecutionId,
};

/// What a trigger is called that no event began, or only the historic `timeTrigger`.
const UNKNOWN: &str = "UNKNOWN";

/// Folds the events of an instance, in their order, into what [`end`](Self::end) tells.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use styx_core::{
///     event::{Event, Trigger, TriggerParameters},
///     extensions::Extensions,
///     history::{History, StatusKind},
/// };
///
/// let at = DateTime::UNIX_EPOCH;
/// let trigger = Event::TriggerExecution {
///     trigger: Trigger::Natural,
///     parameters: TriggerParameters::default(),
///     missed: false,
///     extensions: Extensions::default(),
/// };
/// let mut history = History::new();
/// history.apply(&trigger, at, None);
/// history.apply(&Event::Halt { reason: None }, at + TimeDelta::minutes(1), None);
/// let triggers = history.end()?;
/// assert!(triggers[0].complete);
/// assert_eq!(triggers[0].executions[0].statuses[0].kind, StatusKind::Halted);
/// # Ok::<(), styx_core::history::UntellableHistory>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    told: Vec<PastTrigger>,
    trigger_id: Arc<str>,
    triggered_at: Option<DateTime<Utc>>,
    parameters: TriggerParameters,
    complete: bool,
    executions: Vec<PastExecution>,
    execution: PastExecution,
    problem: Option<UntellableHistory>,
}

/// A trigger and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTrigger {
    /// Its id.
    pub trigger_id: Arc<str>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// What it set.
    pub parameters: TriggerParameters,
    /// Whether nothing more comes of it.
    pub complete: bool,
    /// Its executions, oldest first.
    pub executions: Vec<PastExecution>,
}

/// An execution and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastExecution {
    /// Its id; none where something happened before there was an execution, as to a run that is halted in the queue.
    pub execution: Option<ExecutionId>,
    /// What it ran.
    pub ran: Ran,
    /// The executor that took it, or else the one that took the execution before, as in Styx 2.x.
    pub runner: Option<Arc<str>>,
    /// What became of it, in order; never empty.
    pub statuses: Vec<PastStatus>,
}

/// What an execution ran, as far as its history shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// The image.
    pub docker_image: Option<Arc<str>>,
    /// The commit that the image was built from.
    pub commit_sha: Option<Arc<str>>,
    /// Flyte launch plan, as its JSON text.
    pub flyte_exec_conf: Option<Arc<str>>,
    /// Flyte's name of the execution.
    pub flyte_execution_id: Option<Arc<str>>,
}

/// Why a history can't be told. Only imported ones are so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UntellableHistory {
    /// It has no trigger, or something ended before the first one: a part was lost.
    #[error("the history ends a run that no event began: it can't be told when that was triggered")]
    NoTrigger,
    /// Clients refuse an execution with both.
    #[error("the history has an execution, {}, that ran a Docker image as well as a Flyte launch plan", named(.0.as_ref()))]
    DockerAndFlyte(Option<ExecutionId>),
}

fn named(id: Option<&ExecutionId>) -> String {
    id.map_or_else(|| "without an id".to_owned(), ToString::to_string)
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// Before the first event.
    pub fn new() -> Self {
        Self {
            told: Vec::new(),
            trigger_id: UNKNOWN.into(),
            triggered_at: None,
            parameters: TriggerParameters::default(),
            complete: false,
            executions: Vec::new(),
            execution: PastExecution::default(),
            problem: None,
        }
    }

    /// Folds the next event, which happened `at`. Where a `submit` names a workflow's record, `stored` is what that record
    /// has an execution run.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, stored: Option<&Ran>) {
        match event {
            Event::TriggerExecution { trigger, parameters, .. } => {
                self.trigger_id = trigger.id().into();
                self.parameters = parameters.clone();
                self.begin_trigger(at);
            }
            Event::TimeTrigger => self.begin_trigger(at),
            Event::Submit { description, execution, .. } => {
                self.execution.execution.clone_from(execution);
                match description {
                    Description::Inline(inline) => self.execution.ran.add(Ran::from(&**inline)),
                    Description::Stored(_) => self.execution.ran.add(stored.cloned().unwrap_or_default()),
                }
            }
            Event::Created { execution, docker_image } => {
                self.execution.execution = Some(execution.clone());
                let commit_sha = self.execution.ran.commit_sha.take();
                self.execution.ran = Ran { docker_image: Some(Arc::clone(docker_image)), commit_sha, ..Ran::default() };
                self.add(at, StatusKind::Submitted);
            }
            Event::Submitted { execution, runner } => {
                self.execution.execution.clone_from(execution);
                self.execution.runner.clone_from(runner);
                self.add(at, StatusKind::Submitted);
            }
            Event::Started => self.add(at, StatusKind::Started),
            Event::Terminate { exit_code } => {
                self.add(at, StatusKind::Exited(*exit_code));
                self.close_execution();
            }
            Event::RunError { message, .. } => {
                self.add(at, StatusKind::Failed(Arc::clone(message)));
                self.close_execution();
            }
            // A history whose beginning is lost is taken to begin here.
            Event::Timeout { .. } if self.triggered_at.is_none() => self.triggered_at = Some(at),
            Event::Timeout { .. } => {
                self.add(at, StatusKind::TimedOut);
                self.close_execution();
            }
            Event::Halt { .. } => {
                self.add(at, StatusKind::Halted);
                self.complete_trigger();
            }
            Event::Stop { .. } | Event::Success => self.complete_trigger(),
            Event::Info { .. } | Event::Dequeue { .. } | Event::RetryAfter { .. } | Event::Retry => {}
        }
    }

    /// What there is to tell: all triggers, oldest first. The last may not be complete.
    ///
    /// # Errors
    ///
    /// The first thing that can't be told; always when there was no event.
    pub fn end(mut self) -> Result<Vec<PastTrigger>, UntellableHistory> {
        // What came after the end of the last trigger belongs to none, and is left out as in Styx 2.x.
        if !self.complete {
            self.close_trigger();
        }
        self.problem.map_or(Ok(self.told), Err)
    }

    fn begin_trigger(&mut self, at: DateTime<Utc>) {
        self.triggered_at = Some(at);
        self.complete = false;
    }

    fn complete_trigger(&mut self) {
        self.complete = true;
        self.close_trigger();
    }

    fn close_trigger(&mut self) {
        self.close_execution();
        let Some(at) = self.triggered_at else {
            self.problem.get_or_insert(UntellableHistory::NoTrigger);
            return;
        };
        self.told.push(PastTrigger {
            trigger_id: std::mem::replace(&mut self.trigger_id, UNKNOWN.into()),
            at,
            parameters: std::mem::take(&mut self.parameters),
            complete: self.complete,
            executions: std::mem::take(&mut self.executions),
        });
    }

    /// Of an execution that nothing became of, what is known passes on to the next.
    fn close_execution(&mut self) {
        if self.execution.statuses.is_empty() {
            return;
        }
        let next = PastExecution { runner: self.execution.runner.clone(), ..PastExecution::default() };
        let closed = std::mem::replace(&mut self.execution, next);
        if closed.ran.docker_image.is_some() && closed.ran.flyte_exec_conf.is_some() {
            self.problem.get_or_insert_with(|| UntellableHistory::DockerAndFlyte(closed.execution.clone()));
        }
        self.executions.push(closed);
    }

    fn add(&mut self, at: DateTime<Utc>, kind: StatusKind) {
        self.execution.statuses.push(PastStatus { at, kind });
    }
}

impl Ran {
    /// A later `submit` of the same execution changes what it names and leaves the rest.
    fn add(&mut self, later: Self) {
        let Self { docker_image, commit_sha, flyte_exec_conf, flyte_execution_id } = later;
        self.docker_image = docker_image.or(self.docker_image.take());
        self.commit_sha = commit_sha.or(self.commit_sha.take());
        self.flyte_exec_conf = flyte_exec_conf.or(self.flyte_exec_conf.take());
        self.flyte_execution_id = flyte_execution_id.or(self.flyte_execution_id.take());
    }
}

impl From<&ExecutionDescription> for Ran {
    fn from(description: &ExecutionDescription) -> Self {
        let shared = |text: &Option<String>| text.as_deref().map(Into::into);
        Self {
            docker_image: shared(&description.docker_image),
            commit_sha: shared(&description.commit_sha),
            flyte_exec_conf: shared(&description.flyte_exec_conf),
            flyte_execution_id: shared(&description.flyte_execution_id),
        }
    }
}
