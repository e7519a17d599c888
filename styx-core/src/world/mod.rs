//! The world: the fold of the log, all that decisions see.

mod index;
mod rows;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::{
    index::Index,
    rows::{Finished, LogRow, Row, RowKey, RowScope, TriggerKind},
};
use crate::{
    config::Config,
    event::{Event, EventKind},
    execution::{Execution, Phase},
    id::{Counter, ExecutionId, InstanceId, Position, WorkflowId},
    record::{
        Cause, ConfigEvent, Cursor, Ending, ExecutionEvent, Fact, LogEvent, Origin, Record, RunEvent, StoredWorkflow,
        WorkflowEvent,
    },
    run::{IllegalTransition, Rules, Run, State},
};

/// The fold of a log: workflows, active runs, live executions, configuration.
///
/// Only [`apply`](Self::apply) changes it. What has finished isn't in it; [`Changes`] hands those rows out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    log: LogRow,
    config: Arc<Config>,
    workflows: BTreeMap<WorkflowId, Workflow>,
    runs: BTreeMap<InstanceId, Run>,
    executions: BTreeMap<ExecutionId, Execution>,
    index: Index,
}

/// A workflow as decisions need it; its whole configuration is in the record at `stored_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// The record that holds its configuration.
    pub stored_at: Position,
    /// When that was.
    pub deployed_at: DateTime<Utc>,
    /// Schedule, offset and the rest of what that record holds as fields.
    pub stored: Arc<StoredWorkflow>,
    /// Whether natural triggers fire.
    pub enabled: bool,
    /// The next natural trigger.
    pub cursor: Option<Cursor>,
}

/// What a record changed: which rows are to be written again, and the row of a run that has finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys whose row differs now; asked for with [`World::row`].
    pub dirty: Vec<RowKey>,
    /// The row of what has finished and left the world.
    pub finished: Option<(RowKey, Finished)>,
}

/// A record that the world refuses: nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedRecord {
    /// The record isn't the next one.
    #[error("record {found} doesn't follow {tail}")]
    OutOfPlace {
        /// The last position.
        tail: Position,
        /// The record's.
        found: Position,
    },
    /// The record is older than the one before it.
    #[error("record {0} is older than the record before it")]
    BackInTime(Position),
    /// The graph has no such edge.
    #[error("{instance} {transition}")]
    Illegal {
        /// Whose run it is.
        instance: InstanceId,
        /// What was tried.
        transition: IllegalTransition,
    },
    /// The record carries another counter than the next one.
    #[error("{instance} is at counter {expected:?}, not {found}")]
    WrongCounter {
        /// Whose run it is.
        instance: InstanceId,
        /// The counter that would follow.
        expected: Option<Counter>,
        /// The record's.
        found: Counter,
    },
    /// What the record is about doesn't exist, or exists already, or isn't there yet.
    #[error("{subject} {problem}")]
    Unfit {
        /// What it is about.
        subject: String,
        /// Why that can't be.
        problem: &'static str,
    },
}

impl World {
    /// Folds one record.
    ///
    /// # Errors
    ///
    /// When the record can't follow what the world holds; the world is as it was.
    pub fn apply(&mut self, record: &Record) -> Result<Changes, RefusedRecord> {
        if record.position != self.log.tail.next() {
            return Err(RefusedRecord::OutOfPlace { tail: self.log.tail, found: record.position });
        }
        if record.at < self.log.at {
            return Err(RefusedRecord::BackInTime(record.position));
        }
        let mut changes = Changes { dirty: vec![RowKey::Log], finished: None };
        match &record.fact {
            Fact::Log(event) => self.apply_log(record, event)?,
            Fact::Config(ConfigEvent::Set(config)) => {
                self.config = Arc::clone(config);
                self.index = Index::build(&self.config, &self.workflows, &self.runs, &self.executions);
                changes.dirty.push(RowKey::Config);
            }
            Fact::Workflow(id, event) => {
                self.apply_workflow(record, id, event)?;
                changes.dirty.push(RowKey::Workflow(id.clone()));
            }
            Fact::Run(id, event) => self.apply_run(record, id, event, &mut changes)?,
            Fact::Execution(id, event) => {
                self.apply_execution(record, id, event)?;
                changes.dirty.push(RowKey::Execution(id.clone()));
            }
        }
        self.log.tail = record.position;
        self.log.at = record.at;
        Ok(changes)
    }

    fn apply_log(&mut self, record: &Record, event: &LogEvent) -> Result<(), RefusedRecord> {
        match (event, self.log.identity) {
            (LogEvent::Started { log_id, root_seed }, None) if record.position == Position(1) => {
                self.log.identity = Some((*log_id, *root_seed));
            }
            (LogEvent::Forked { log_id }, Some((_, root_seed))) => self.log.identity = Some((*log_id, root_seed)),
            _ => return Err(unfit("log", "starts once, with its first record")),
        }
        Ok(())
    }

    fn apply_workflow(&mut self, record: &Record, id: &WorkflowId, event: &WorkflowEvent) -> Result<(), RefusedRecord> {
        if let WorkflowEvent::Stored(stored) = event {
            let workflow = self.workflows.entry(id.clone()).or_insert_with(|| Workflow {
                stored_at: record.position,
                deployed_at: record.at,
                stored: Arc::clone(stored),
                enabled: false,
                cursor: None,
            });
            workflow.stored_at = record.position;
            workflow.deployed_at = record.at;
            workflow.stored = Arc::clone(stored);
            return Ok(());
        }
        let Some(workflow) = self.workflows.get_mut(id) else {
            return Err(unfit(format!("workflow {id}"), "doesn't exist"));
        };
        let before = workflow.natural_at();
        match event {
            WorkflowEvent::Switched { enabled } => workflow.enabled = *enabled,
            WorkflowEvent::CursorMoved { to, .. } => workflow.cursor = *to,
            WorkflowEvent::Deleted | WorkflowEvent::Stored(_) => {}
        }
        let after = match event {
            WorkflowEvent::Deleted => None,
            _ => workflow.natural_at(),
        };
        self.index.move_natural(&self.config, id, before, after);
        if *event == WorkflowEvent::Deleted {
            self.workflows.remove(id);
        }
        Ok(())
    }

    fn apply_run(
        &mut self,
        record: &Record,
        id: &InstanceId,
        event: &RunEvent,
        changes: &mut Changes,
    ) -> Result<(), RefusedRecord> {
        let RunEvent::Styx { counter, event } = event else {
            return Ok(());
        };
        let rules = record.rules();
        let at = match record.cause {
            Cause::Imported { at, .. } => at,
            _ => record.at,
        };
        if event.kind() == EventKind::TriggerExecution && !self.runs.contains_key(id) {
            self.begin_run(id, *counter, event, at, rules)?;
            changes.dirty.push(RowKey::Run(id.clone()));
            return Ok(());
        }
        let Some(run) = self.runs.get_mut(id) else {
            return Err(unfit(format!("run {id}"), "isn't active"));
        };
        let expected = run.counter.map(Counter::next);
        if rules == Rules::Ours && expected != Some(*counter) {
            return Err(RefusedRecord::WrongCounter { instance: id.clone(), expected, found: *counter });
        }
        if rules == Rules::Ours {
            check_execution(&self.executions, &self.index, id, run, event)?;
        }
        let was = self.index.place_of(&self.config, id, run);
        run.apply(event, at, rules)
            .map_err(|transition| RefusedRecord::Illegal { instance: id.clone(), transition })?;
        run.counter = Some(*counter);
        let followed = run.execution.clone();
        changes.dirty.push(RowKey::Run(id.clone()));
        if rules == Rules::Ours
            && let Some(execution) = followed
            && let Some(phase) = phase_after(event)
        {
            if event.kind() == EventKind::Submit {
                let execution_state =
                    Execution { instance: id.clone(), submitted_by: record.position, phase, since: at };
                self.executions.insert(execution.clone(), execution_state);
                self.index.begin_execution(id, &execution);
            } else if let Some(state) = self.executions.get_mut(&execution) {
                state.phase = phase;
                state.since = at;
                if !state.is_alive() {
                    self.index.end_execution(id);
                }
            }
            changes.dirty.push(RowKey::Execution(execution));
        }
        if self.runs[id].state.is_terminal() {
            changes.finished = self.finish_run(id, was);
        } else {
            let is = self.index.place_of(&self.config, id, &self.runs[id]);
            self.index.move_run(id, was, is);
        }
        Ok(())
    }

    fn begin_run(
        &mut self,
        id: &InstanceId,
        counter: Counter,
        event: &Event,
        at: DateTime<Utc>,
        rules: Rules,
    ) -> Result<(), RefusedRecord> {
        if rules == Rules::Ours && !self.workflows.contains_key(id.workflow()) {
            return Err(unfit(format!("workflow {}", id.workflow()), "doesn't exist"));
        }
        let mut run = Run::new(counter.0.checked_sub(1).map(Counter), at);
        run.apply(event, at, rules)
            .map_err(|transition| RefusedRecord::Illegal { instance: id.clone(), transition })?;
        let is = self.index.place_of(&self.config, id, &run);
        self.index.move_run(id, index::Place::default(), is);
        if run.missed {
            let natural_at = self.workflows.get(id.workflow()).and_then(Workflow::natural_at);
            self.index.count_missed(&self.config, id.workflow(), natural_at, 1);
        }
        self.runs.insert(id.clone(), run);
        Ok(())
    }

    /// Takes a run that has ended out of the world.
    fn finish_run(&mut self, id: &InstanceId, was: index::Place) -> Option<(RowKey, Finished)> {
        let run = self.runs.remove(id)?;
        self.index.move_run(id, was, index::Place::default());
        if run.missed {
            let natural_at = self.workflows.get(id.workflow()).and_then(Workflow::natural_at);
            self.index.count_missed(&self.config, id.workflow(), natural_at, -1);
        }
        let kind = TriggerKind::of(run.trigger.as_ref());
        let finished = Finished {
            counter: run.counter?,
            state: run.state,
            at: run.last_event_at,
            trigger_id: run.trigger.as_ref().map(|trigger| trigger.id().into()),
            last_exit: run.last_exit,
            tries: run.tries,
        };
        Some((RowKey::Finished(id.clone(), kind), finished))
    }

    fn apply_execution(
        &mut self,
        record: &Record,
        id: &ExecutionId,
        event: &ExecutionEvent,
    ) -> Result<(), RefusedRecord> {
        let refuse = |problem| Err(unfit(format!("execution {id}"), problem));
        let Some(execution) = self.executions.get_mut(id) else {
            return refuse("doesn't exist");
        };
        match event {
            ExecutionEvent::Ended(ending) if execution.is_alive() => {
                execution.phase = Phase::Ended(*ending);
                execution.since = record.at;
                let instance = execution.instance.clone();
                let run = self.runs.get(&instance);
                let was = run.map(|run| self.index.place_of(&self.config, &instance, run)).unwrap_or_default();
                self.index.end_execution(&instance);
                let is = run.map(|run| self.index.place_of(&self.config, &instance, run)).unwrap_or_default();
                self.index.move_run(&instance, was, is);
            }
            ExecutionEvent::Ended(_) => return refuse("has ended already"),
            ExecutionEvent::Refused { retry_at } if matches!(execution.phase, Phase::Launching { .. }) => {
                execution.phase = Phase::Launching { retry_at: Some(*retry_at) };
            }
            ExecutionEvent::Refused { .. } => return refuse("was taken already"),
            ExecutionEvent::Cleaned if execution.is_alive() => return refuse("hasn't ended"),
            ExecutionEvent::Cleaned => {
                self.executions.remove(id);
            }
        }
        Ok(())
    }

    /// The last record that was folded.
    pub fn tail(&self) -> Position {
        self.log.tail
    }

    /// The time of the last record.
    pub fn at(&self) -> DateTime<Utc> {
        self.log.at
    }

    /// The log's name, once it has started.
    pub fn log_id(&self) -> Option<Uuid> {
        self.log.identity.map(|(log_id, _)| log_id)
    }

    /// What all draws are made from, once the log has started.
    pub fn root_seed(&self) -> Option<Uuid> {
        self.log.identity.map(|(_, root_seed)| root_seed)
    }

    /// The configuration that decisions follow.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// All workflows, ascending by id.
    pub fn workflows(&self) -> &BTreeMap<WorkflowId, Workflow> {
        &self.workflows
    }

    /// All active runs, ascending by instance.
    pub fn runs(&self) -> &BTreeMap<InstanceId, Run> {
        &self.runs
    }

    /// All executions that aren't cleaned up yet.
    pub fn executions(&self) -> &BTreeMap<ExecutionId, Execution> {
        &self.executions
    }

    /// Whether the run of an execution still waits for what becomes of it.
    ///
    /// When it doesn't (a halt, a time-out), the execution is to be stopped.
    pub fn is_followed(&self, id: &ExecutionId) -> bool {
        let run = self.executions.get(id).and_then(|execution| self.runs.get(&execution.instance));
        run.is_some_and(|run| {
            run.execution.as_ref() == Some(id)
                && matches!(run.state, State::Submitting | State::Submitted | State::Running)
        })
    }

    /// What is waiting for what, by time.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl Workflow {
    /// When its next natural trigger fires; `None` while it is disabled.
    pub fn natural_at(&self) -> Option<DateTime<Utc>> {
        self.cursor.filter(|_| self.enabled).map(|cursor| cursor.fires_at)
    }

    /// Whether it comes from a file of the workflow folder.
    pub fn is_from_folder(&self) -> bool {
        matches!(self.stored.origin, Origin::File { .. })
    }
}

/// Whether run and execution agree that `event` can happen.
fn check_execution(
    executions: &BTreeMap<ExecutionId, Execution>,
    index: &Index,
    id: &InstanceId,
    run: &Run,
    event: &Event,
) -> Result<(), RefusedRecord> {
    match event {
        Event::Submit { execution: Some(execution), .. } => {
            if executions.contains_key(execution) {
                return Err(unfit(format!("execution {execution}"), "exists already"));
            }
            if index.living(id).is_some() {
                return Err(unfit(format!("run {id}"), "has an earlier execution that still lives"));
            }
        }
        Event::Submitted { .. } | Event::Started | Event::Terminate { .. } => {
            let alive = run.execution.as_ref().and_then(|id| executions.get(id)).is_some_and(Execution::is_alive);
            if !alive && State::next(run.state, event.kind(), Rules::Ours).is_some() {
                return Err(unfit(format!("run {id}"), "has no execution that lives"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// How far its run's event brings an execution.
fn phase_after(event: &Event) -> Option<Phase> {
    match event {
        Event::Submit { .. } => Some(Phase::Launching { retry_at: None }),
        Event::Submitted { .. } => Some(Phase::Launched),
        Event::Started => Some(Phase::Running),
        Event::Terminate { exit_code } => Some(Phase::Ended(Ending::Exit { code: *exit_code })),
        _ => None,
    }
}

fn unfit(subject: impl Into<String>, problem: &'static str) -> RefusedRecord {
    RefusedRecord::Unfit { subject: subject.into(), problem }
}
