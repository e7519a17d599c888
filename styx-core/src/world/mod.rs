//! The world: the fold of the log, all that decisions see.

mod backfills;
mod counted;
mod index;
mod line;
mod lives;
mod owed;
mod place;
mod queue;
mod rows;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use self::index::{Parts, Place, needed};
pub(crate) use self::owed::due;
pub use self::{
    backfills::{Backfill, Resource},
    counted::{Counted, Map, Set, visits},
    index::Index,
    owed::{MAX_OWED, Natural, Owed},
    place::Ahead,
    queue::Queue,
    rows::{Answered, Finished, LogRow, Row, RowKey, RowScope, TriggerKind, UnfitRows},
};
use crate::{
    config::{Config, Runtime},
    execution::Execution,
    graph::IllegalTransition,
    id::{Counter, ExecutionId, InstanceId, Position, WorkflowId, number},
    now::Now,
    record::{Cause, ConfigEvent, Cursor, Fact, IdempotencyKey, LogEvent, Record, WorkflowEvent},
    run::Run,
    stored_workflow::{Origin, WorkflowSpec},
};

/// The fold of a log: workflows, active runs, live executions, backfills, resources, configuration.
///
/// Only [`apply`](Self::apply) changes it. What has finished isn't in it; [`Changes`] hands those rows out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    log: LogRow,
    config: Arc<Config>,
    workflows: Map<WorkflowId, Workflow>,
    runs: Map<InstanceId, Run>,
    executions: Map<ExecutionId, Execution>,
    backfills: Map<Arc<str>, Backfill>,
    resources: Map<Arc<str>, Resource>,
    index: Index,
}

/// A workflow as decisions need it; its whole configuration is in the record at `stored_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// The record that holds its configuration.
    pub stored_at: Position,
    /// When that was.
    pub deployed_at: DateTime<Utc>,
    /// Tells one JSON from another: a hash of what that record holds.
    pub json_digest: Uuid,
    /// Schedule, offset and the rest of what that record holds as fields.
    pub spec: WorkflowSpec,
    /// Whether natural triggers fire.
    pub enabled: bool,
    /// The next natural trigger by its schedule.
    pub cursor: Option<Cursor>,
    /// Whether an operator chose the cursor's instant since schedule or offset last changed: then its instants are wanted
    /// again, unless they were completed.
    pub chosen_cursor: bool,
    /// Earlier schedules under which triggers are still owed, the oldest first; at most [`MAX_OWED`].
    pub owed: Vec<Owed>,
}

/// What a record changed: which rows are to be written again, and the row of a run that has finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys whose row differs now; asked for with [`World::row`].
    pub dirty: Vec<RowKey>,
    /// The row of what has finished and left the world; in a box, since it is large and few records have one.
    pub finished: Option<Box<(RowKey, Finished)>>,
    /// The row by which a request with a key of its own is known again.
    pub answered: Option<(RowKey, Answered)>,
}

impl Changes {
    /// The rows that aren't part of the world, as a batch holds them.
    pub fn into_rows(self) -> impl Iterator<Item = (RowKey, Option<Row>)> {
        let finished = self.finished.map(|finished| {
            let (key, row) = *finished;
            (key, Some(Row::Finished(row)))
        });
        let answered = self.answered.map(|(key, row)| (key, Some(Row::Answered(row))));
        finished.into_iter().chain(answered)
    }
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
    /// The record follows from a decision that isn't the one of the record before it.
    #[error("record {0} names a decision that isn't that of the record before it")]
    OtherDecision(Position),
    /// The graph has no such edge.
    #[error("{instance} {transition}")]
    Illegal {
        /// Whose run it is.
        instance: InstanceId,
        /// What was tried.
        transition: IllegalTransition,
    },
    /// The record carries another counter than the next one.
    #[error("{instance} is at counter {}, not {found}", number(.expected))]
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
    /// The world that these records make, from a log's first on.
    ///
    /// # Errors
    ///
    /// When a record can't follow those before it.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, RefusedRecord> {
        let mut world = Self::default();
        records.into_iter().try_for_each(|record| world.apply(record).map(drop))?;
        Ok(world)
    }

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
        let follows = record.cause == Cause::Decision && record.decision == self.log.decision;
        if !follows && (record.cause == Cause::Decision || record.decision != record.position) {
            return Err(RefusedRecord::OtherDecision(record.position));
        }
        let mut changes = Changes { dirty: Vec::with_capacity(3), finished: None, answered: None };
        changes.dirty.push(RowKey::Log);
        match &record.fact {
            Fact::Log(event) => self.apply_log(record, event)?,
            Fact::Config(event) => {
                let (rate, before) = (self.config.rate(), Arc::clone(&self.config));
                self.config = match event {
                    ConfigEvent::Set(config) if config.operated_as(&self.config) == **config => Arc::clone(config),
                    ConfigEvent::Set(config) => Arc::new(config.operated_as(&self.config)),
                    ConfigEvent::SchedulingSwitched { enabled } => {
                        Arc::new(Config { scheduling: *enabled, ..Config::clone(&self.config) })
                    }
                    ConfigEvent::ClockAccepted => Arc::clone(&self.config),
                    ConfigEvent::Operated(runtime) => {
                        Arc::new(Config { runtime: Runtime::clone(runtime), ..Config::clone(&self.config) })
                    }
                };
                // No extension, such as the choice of an executor, decides where anything stands in the index.
                let extensions = &self.config.extensions;
                let is_as_before = Config { extensions: extensions.clone(), ..Config::clone(&before) } == *self.config;
                if matches!(event, ConfigEvent::Set(_)) && !is_as_before {
                    self.index = Index::build(&self.parts());
                }
                if self.config.rate() != rate {
                    // What a slower rate has used up must not hold up a faster one.
                    self.log.rate_used = self.log.rate_used.min(record.at);
                }
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
            Fact::Backfill(id, event) => {
                self.apply_backfill(record, id, event)?;
                changes.dirty.push(RowKey::Backfill(Arc::clone(id)));
            }
            Fact::Resource(id, event) => {
                self.apply_resource(id, event)?;
                changes.dirty.push(RowKey::Resource(Arc::clone(id)));
            }
        }
        self.log.tail = record.position;
        self.log.decision = record.decision;
        if self.log.at != record.at {
            self.log.at = record.at;
            let runs = &self.runs;
            self.index.queue_mut().promote(record.at, |id| runs.get(id).is_some_and(|run| run.was_told()));
        }
        let key = record.idempotency_key.as_ref().filter(|_| !follows);
        changes.answered = key.map(|IdempotencyKey { key, digest }| {
            (RowKey::Answered(Arc::clone(key)), Answered { by: record.position, digest: *digest })
        });
        Ok(changes)
    }

    fn parts(&self) -> Parts<'_> {
        let Self { log, config, workflows, runs, executions, backfills, resources, .. } = self;
        Parts { at: log.at, config, workflows, runs, executions, backfills, resources }
    }

    fn apply_log(&mut self, record: &Record, event: &LogEvent) -> Result<(), RefusedRecord> {
        match (event, self.log.identity) {
            (LogEvent::Started { log_id, root_seed }, None) if record.position == Position(1) => {
                self.log.identity = Some((*log_id, *root_seed));
            }
            (LogEvent::Forked { log_id, root_seed }, Some(_)) => self.log.identity = Some((*log_id, *root_seed)),
            _ => return Err(unfit("log", "starts once, with its first record")),
        }
        Ok(())
    }

    fn apply_workflow(&mut self, record: &Record, id: &WorkflowId, event: &WorkflowEvent) -> Result<(), RefusedRecord> {
        if let WorkflowEvent::Stored(stored) = event {
            let before = self.workflows.get(id);
            self.index.move_file(id, before.and_then(Workflow::file), stored.spec.file());
            let workflow = Workflow {
                stored_at: record.position,
                deployed_at: record.at,
                json_digest: digest(&stored.json),
                spec: stored.spec.clone(),
                enabled: before.is_some_and(|before| before.enabled),
                cursor: before.and_then(|before| before.cursor),
                chosen_cursor: before.is_some_and(|before| before.chosen_cursor),
                owed: before.map(|before| before.owed.clone()).unwrap_or_default(),
            };
            self.put_workflow(id, Some(workflow));
            return Ok(());
        }
        let Some(workflow) = self.workflows.get_mut(id) else {
            return Err(unfit(format!("workflow {id}"), "doesn't exist"));
        };
        let before = workflow.natural_at();
        match event {
            WorkflowEvent::Switched { enabled } => workflow.enabled = *enabled,
            WorkflowEvent::CursorMoved { to, why, .. } => workflow.move_cursor(*to, *why),
            WorkflowEvent::CursorSkipped { .. } => {}
            WorkflowEvent::Owed { schedule, offset, next, until, .. } => {
                let (schedule, offset) = (Arc::clone(schedule), offset.clone());
                let owed = Owed { since: record.position, schedule, offset, next: *next, until: *until };
                workflow.owe(owed).map_err(|problem| unfit(format!("workflow {id}"), problem))?;
            }
            WorkflowEvent::OwedMoved { owed, to, .. } => {
                workflow.move_owed(*owed, *to).map_err(|problem| unfit(format!("workflow {id}"), problem))?;
            }
            WorkflowEvent::FileRemoved { path } if workflow.file() == Some(path) => {
                self.index.move_file(id, Some(path), None);
                workflow.spec.origin = Origin::RemovedFile { path: Arc::clone(path) };
            }
            WorkflowEvent::FileRemoved { .. } => {
                return Err(unfit(format!("workflow {id}"), "isn't defined by that file"));
            }
            WorkflowEvent::Deleted => self.index.move_file(id, workflow.file(), None),
            WorkflowEvent::Stored(_) => {}
        }
        let after = match event {
            WorkflowEvent::Deleted => None,
            _ => workflow.natural_at(),
        };
        self.index.move_natural(&self.config, id, before, after);
        if *event == WorkflowEvent::Deleted {
            self.put_workflow(id, None);
        }
        Ok(())
    }

    /// Puts a workflow in the place of the one before; its waiting runs go to the line of what it needs now.
    fn put_workflow(&mut self, id: &WorkflowId, workflow: Option<Workflow>) {
        let needed_before = needed(&self.workflows, id);
        match workflow {
            Some(workflow) => drop(self.workflows.insert(id.clone(), workflow)),
            None => drop(self.workflows.remove(id)),
        }
        let needed = needed(&self.workflows, id);
        if needed == needed_before {
            return;
        }
        let runs =
            self.runs.range(InstanceId::new(id.clone(), "")..).take_while(|(instance, _)| instance.workflow() == id);
        for (instance, run) in runs {
            let place = self.index.place_of(&self.config, instance, run);
            self.index.move_run(instance, &needed_before, place, Place::default(), self.log.at);
            self.index.move_run(instance, &needed, Place::default(), place, self.log.at);
        }
    }

    /// The last record that was folded.
    pub fn tail(&self) -> Position {
        self.log.tail
    }

    /// The decision that the last record belongs to.
    pub fn decision(&self) -> Position {
        self.log.decision
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
    pub fn workflows(&self) -> &Map<WorkflowId, Workflow> {
        &self.workflows
    }

    /// All active runs, ascending by instance.
    pub fn runs(&self) -> &Map<InstanceId, Run> {
        &self.runs
    }

    /// All executions that aren't cleaned up yet.
    pub fn executions(&self) -> &Map<ExecutionId, Execution> {
        &self.executions
    }

    /// All backfills, ascending by id, also those that are done.
    pub fn backfills(&self) -> &Map<Arc<str>, Backfill> {
        &self.backfills
    }

    /// All resources, ascending by id.
    pub fn resources(&self) -> &Map<Arc<str>, Resource> {
        &self.resources
    }

    /// When the next thing is due, by a clock that was never set.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.next_due_by(Now::from(self.log.at))
    }

    /// When the next thing is due, as [`Now::at`] will have it if both clocks go on evenly from `now` on.
    pub fn next_due_by(&self, now: Now) -> Option<DateTime<Utc>> {
        self.index.next_due(&self.config, self.log.at, now, self.log.rate_used)
    }

    /// When the rate at which runs may leave the queue allows the next; `None` when there is no rate.
    pub fn rate_allows_at(&self) -> Option<DateTime<Utc>> {
        self.config.rate().map(|rate| rate.next_at(self.log.rate_used))
    }

    /// Up to when the dequeues so far have used the rate.
    pub fn rate_used(&self) -> DateTime<Utc> {
        self.log.rate_used
    }

    /// Whether the run of an execution still waits for what becomes of it.
    ///
    /// When it doesn't (a halt, a time-out), the execution is to be stopped.
    pub fn is_followed(&self, id: &ExecutionId) -> bool {
        let run = self.executions.get(id).and_then(|execution| self.runs.get(&execution.instance));
        run.is_some_and(|run| run.execution.as_ref() == Some(id) && run.state.follows_execution())
    }

    /// What is waiting for what, by time.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl Workflow {
    /// The file of the workflow folder that defines it.
    pub fn file(&self) -> Option<&Arc<str>> {
        self.spec.file()
    }
}

fn unfit(subject: impl Into<String>, problem: &'static str) -> RefusedRecord {
    RefusedRecord::Unfit { subject: subject.into(), problem }
}

/// A hash by which one JSON is told from another.
pub fn digest(json: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, json.as_bytes())
}
