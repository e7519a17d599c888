//! Rows: the world cut into keys and values, as a store keeps them beside the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Backfill, Index, Resource, Workflow, World};
use crate::{
    config::Config,
    event::Trigger,
    execution::Execution,
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    run::Run,
};

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// How far the fold is.
    Log,
    /// The configuration.
    Config,
    /// A workflow.
    Workflow(WorkflowId),
    /// An active run.
    Run(InstanceId),
    /// An execution that isn't cleaned up yet.
    Execution(ExecutionId),
    /// A backfill.
    Backfill(Arc<str>),
    /// A resource.
    Resource(Arc<str>),
    /// The last finished run of an instance that a trigger of this kind began; not part of the world.
    Finished(InstanceId, TriggerKind),
    /// What followed from a request that named itself with this key; not part of the world.
    Answered(Arc<str>),
}

/// A row: what the world holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the row of the key of the same name")]
pub enum Row {
    Log(LogRow),
    Config(Arc<Config>),
    Workflow(Workflow),
    Run(Run),
    Execution(Execution),
    Backfill(Backfill),
    Resource(Resource),
    Finished(Finished),
    Answered(Answered),
}

/// Which rows a scan visits, ascending by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowScope {
    /// Every row of the world, without what has finished.
    World,
    /// All workflows, or those of one component.
    Workflows {
        /// The component.
        component: Option<Arc<str>>,
    },
    /// Active runs: all, those of a component, or those of a workflow.
    Runs {
        /// The component.
        component: Option<Arc<str>>,
        /// The workflow's id within the component.
        workflow: Option<Arc<str>>,
    },
    /// All executions.
    Executions,
    /// All backfills.
    Backfills,
    /// All resources.
    Resources,
    /// Finished runs of a workflow.
    Finished {
        /// The workflow.
        workflow: WorkflowId,
    },
}

/// How far the fold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRow {
    /// The log's name and root seed, once it has started.
    pub identity: Option<(Uuid, Uuid)>,
    /// The last record.
    pub tail: Position,
    /// Its time.
    pub at: DateTime<Utc>,
    /// Its decision.
    pub decision: Position,
    /// Up to when the dequeues so far have used the rate at which runs may leave the queue.
    pub rate_used: DateTime<Utc>,
}

impl Default for LogRow {
    fn default() -> Self {
        let epoch = DateTime::UNIX_EPOCH;
        Self { identity: None, tail: Position(0), at: epoch, decision: Position(0), rate_used: epoch }
    }
}

/// The last run of an instance that a trigger of one kind began, as it ended: in DONE or ERROR (in imported histories in any state),
/// with the counter from whose successor the next run goes on if no other kind's is higher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished(pub Run);

/// What followed from a request that named itself with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The first record of the decision.
    pub by: Position,
    /// A hash of all that was asked.
    pub digest: Uuid,
}

/// What kind of trigger began a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the trigger of the same name")]
pub enum TriggerKind {
    Natural,
    AdHoc,
    Backfill,
    Unknown,
}

impl TriggerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Natural, Self::AdHoc, Self::Backfill, Self::Unknown];

    /// The kind of a trigger; unknown when a run has none, as in damaged imported histories.
    pub fn of(trigger: Option<&Trigger>) -> Self {
        match trigger {
            Some(Trigger::Natural) => Self::Natural,
            Some(Trigger::AdHoc(_)) => Self::AdHoc,
            Some(Trigger::Backfill(_)) => Self::Backfill,
            Some(Trigger::Unknown(_)) | None => Self::Unknown,
        }
    }
}

/// Rows that don't make a world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitRows {
    /// A row isn't of its key's kind.
    #[error("the row of {0:?} doesn't fit its key")]
    Misplaced(RowKey),
    /// There are rows, but none that says how far the fold is.
    #[error("the row that says how far the fold is is missing")]
    NoLogRow,
}

impl World {
    /// The row of a key; `None` when the world holds nothing there.
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        match key {
            RowKey::Log => Some(Row::Log(self.log)),
            RowKey::Config => Some(Row::Config(Arc::clone(&self.config))),
            RowKey::Workflow(id) => self.workflows.get(id).cloned().map(Row::Workflow),
            RowKey::Run(id) => self.runs.get(id).cloned().map(Row::Run),
            RowKey::Execution(id) => self.executions.get(id).cloned().map(Row::Execution),
            RowKey::Backfill(id) => self.backfills.get(id).cloned().map(Row::Backfill),
            RowKey::Resource(id) => self.resources.get(id).copied().map(Row::Resource),
            RowKey::Finished(..) | RowKey::Answered(_) => None,
        }
    }

    /// Every row of the world, ascending by key.
    pub fn rows(&self) -> impl Iterator<Item = (RowKey, Row)> + '_ {
        let head = [RowKey::Log, RowKey::Config].into_iter();
        let workflows = self.workflows.keys().cloned().map(RowKey::Workflow);
        let runs = self.runs.keys().cloned().map(RowKey::Run);
        let executions = self.executions.keys().cloned().map(RowKey::Execution);
        let backfills = self.backfills.keys().cloned().map(RowKey::Backfill);
        let resources = self.resources.keys().cloned().map(RowKey::Resource);
        let keys = head.chain(workflows).chain(runs).chain(executions).chain(backfills).chain(resources);
        keys.filter_map(|key| self.row(&key).map(|row| (key, row)))
    }

    /// The world that these rows were cut from: `from_rows(rows(w)) == w`.
    ///
    /// # Errors
    ///
    /// When a row isn't of its key's kind, or the one that says how far the fold is is missing. No rows at all are the empty world.
    pub fn from_rows(rows: impl IntoIterator<Item = (RowKey, Row)>) -> Result<Self, UnfitRows> {
        let mut world = Self::default();
        let (mut any, mut has_log_row) = (false, false);
        for (key, row) in rows {
            any = true;
            has_log_row |= key == RowKey::Log;
            match (key, row) {
                (RowKey::Log, Row::Log(row)) => world.log = row,
                (RowKey::Config, Row::Config(row)) => world.config = row,
                (RowKey::Workflow(id), Row::Workflow(row)) => drop(world.workflows.insert(id, row)),
                (RowKey::Run(id), Row::Run(row)) => drop(world.runs.insert(id, row)),
                (RowKey::Execution(id), Row::Execution(row)) => drop(world.executions.insert(id, row)),
                (RowKey::Backfill(id), Row::Backfill(row)) => drop(world.backfills.insert(id, row)),
                (RowKey::Resource(id), Row::Resource(row)) => drop(world.resources.insert(id, row)),
                (key, _) => return Err(UnfitRows::Misplaced(key)),
            }
        }
        if any && !has_log_row {
            return Err(UnfitRows::NoLogRow);
        }
        world.index = Index::build(&world.parts());
        Ok(world)
    }
}
