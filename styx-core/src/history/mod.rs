//! The history of an instance as clients see it: its triggers, the executions of each, and what became of them
//! (spec SM §25.1, decision 34).
//!
//! A view, not a judge: events that the graph would refuse are shown like any others, as Styx 2.x does.

mod fold;
mod status;
mod trigger_status;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::{
    fold::{Closed, ClosedTrigger, HistoryFold},
    status::{PastStatus, StatusKind},
    trigger_status::{TriggerStatus, trigger_status},
};
use crate::{
    event::{Event, ExecutionDescription, TriggerParameters},
    id::ExecutionId,
};

/// Folds the events of an instance, in their order, into what [`end`](Self::end) tells. All of it is kept; a
/// [`HistoryFold`] keeps only what isn't closed.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    fold: HistoryFold,
    told: Vec<PastTrigger>,
    /// Of the trigger that isn't closed.
    executions: Vec<PastExecution>,
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

impl History {
    /// Before the first event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds the next event, which happened `at`. Where a `submit` names a workflow's record, `stored` is what that record
    /// has an execution run.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, stored: Option<&Ran>) {
        let closed = self.fold.apply(event, at, stored);
        self.add(closed);
    }

    /// What there is to tell: all triggers, oldest first. The last may not be complete.
    ///
    /// # Errors
    ///
    /// The first thing that can't be told; always when there was no event.
    pub fn end(mut self) -> Result<Vec<PastTrigger>, UntellableHistory> {
        let closed = self.fold.end();
        self.add(closed);
        self.fold.problem().map_or(Ok(self.told), |problem| Err(problem.clone()))
    }

    fn add(&mut self, closed: Closed) {
        self.executions.extend(closed.execution);
        let Some(ClosedTrigger { trigger_id, at, parameters, complete }) = closed.trigger else { return };
        let executions = std::mem::take(&mut self.executions);
        self.told.push(PastTrigger { trigger_id, at, parameters, complete, executions });
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
