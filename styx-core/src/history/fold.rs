//! The fold of a history, which hands out each part when it is closed.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{PastExecution, PastStatus, Ran, StatusKind, UntellableHistory};
use crate::event::{Description, Event, TriggerParameters};

/// What a trigger is called that no event began, or only the historic `timeTrigger`.
const UNKNOWN: &str = "UNKNOWN";

/// Folds the events of an instance, in their order. What it keeps doesn't grow with the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryFold {
    trigger_id: Arc<str>,
    triggered_at: Option<DateTime<Utc>>,
    parameters: TriggerParameters,
    complete: bool,
    execution: PastExecution,
    problem: Option<UntellableHistory>,
}

/// What an event has closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// An execution. It belongs to the next trigger that is closed, which may be the one beside it.
    pub execution: Option<PastExecution>,
    /// A trigger, with all executions since the one before it was closed.
    pub trigger: Option<ClosedTrigger>,
}

/// A trigger without its executions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedTrigger {
    /// Its id.
    pub trigger_id: Arc<str>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// What it set.
    pub parameters: TriggerParameters,
    /// Whether nothing more comes of it.
    pub complete: bool,
}

impl Default for HistoryFold {
    fn default() -> Self {
        Self {
            trigger_id: UNKNOWN.into(),
            triggered_at: None,
            parameters: TriggerParameters::default(),
            complete: false,
            execution: PastExecution::default(),
            problem: None,
        }
    }
}

impl HistoryFold {
    /// Folds the next event, which happened `at`. Where a `submit` names a workflow's record, `stored` is what that record
    /// has an execution run.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, stored: Option<&Ran>) -> Closed {
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
                return self.close_execution();
            }
            Event::RunError { message, .. } => {
                self.add(at, StatusKind::Failed(Arc::clone(message)));
                return self.close_execution();
            }
            // A history whose beginning is lost is taken to begin here.
            Event::Timeout { .. } if self.triggered_at.is_none() => self.triggered_at = Some(at),
            Event::Timeout { .. } => {
                self.add(at, StatusKind::TimedOut);
                return self.close_execution();
            }
            Event::Halt { .. } => {
                self.add(at, StatusKind::Halted);
                return self.complete_trigger();
            }
            Event::Stop { .. } | Event::Success => return self.complete_trigger(),
            Event::Info { .. } | Event::Dequeue { .. } | Event::RetryAfter { .. } | Event::Retry => {}
        }
        Closed::default()
    }

    /// After the last event: closes the trigger that goes on, if there is one. Always a problem when there was no event.
    pub fn end(&mut self) -> Closed {
        // What came after the end of the last trigger belongs to none, and is left out as in Styx 2.x.
        if self.complete { Closed::default() } else { self.close_trigger() }
    }

    /// The first thing that can't be told.
    pub fn problem(&self) -> Option<&UntellableHistory> {
        self.problem.as_ref()
    }

    fn begin_trigger(&mut self, at: DateTime<Utc>) {
        self.triggered_at = Some(at);
        self.complete = false;
    }

    fn complete_trigger(&mut self) -> Closed {
        self.complete = true;
        self.close_trigger()
    }

    fn close_trigger(&mut self) -> Closed {
        let closed = self.close_execution();
        let Some(at) = self.triggered_at else {
            self.problem.get_or_insert(UntellableHistory::NoTrigger);
            return closed;
        };
        let trigger = ClosedTrigger {
            trigger_id: std::mem::replace(&mut self.trigger_id, UNKNOWN.into()),
            at,
            parameters: std::mem::take(&mut self.parameters),
            complete: self.complete,
        };
        Closed { trigger: Some(trigger), ..closed }
    }

    /// Of an execution that nothing became of, what is known passes on to the next.
    fn close_execution(&mut self) -> Closed {
        if self.execution.statuses.is_empty() {
            return Closed::default();
        }
        let next = PastExecution { runner: self.execution.runner.clone(), ..PastExecution::default() };
        let closed = std::mem::replace(&mut self.execution, next);
        if closed.ran.docker_image.is_some() && closed.ran.flyte_exec_conf.is_some() {
            self.problem.get_or_insert_with(|| UntellableHistory::DockerAndFlyte(closed.execution.clone()));
        }
        Closed { execution: Some(closed), trigger: None }
    }

    fn add(&mut self, at: DateTime<Utc>, kind: StatusKind) {
        self.execution.statuses.push(PastStatus { at, kind });
    }
}
