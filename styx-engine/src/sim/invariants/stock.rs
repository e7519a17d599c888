//! Units of resources, how many there are, who needs and who holds them, told from the records alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use styx_core::{
    event::Event,
    id::{ExecutionId, InstanceId, WorkflowId},
    record::{Fact, Record, ResourceEvent, RunEvent, WorkflowEvent},
};

use super::lives::Lives;

/// Names of resources.
pub(super) type Names = BTreeSet<Arc<str>>;

/// Resources and those that live.
#[derive(Default)]
pub(super) struct Stock {
    pub(super) lives: Lives,
    pub(super) limits: BTreeMap<Arc<str>, usize>,
    needs: BTreeMap<WorkflowId, Names>,
    dequeued: BTreeMap<InstanceId, Names>,
    holds: BTreeMap<ExecutionId, Names>,
}

impl Stock {
    /// Follows a record.
    pub(super) fn record(&mut self, record: &Record) {
        self.lives.record(record);
        match &record.fact {
            Fact::Resource(id, ResourceEvent::Set { concurrency }) => {
                self.limits.insert(Arc::clone(id), usize::try_from(*concurrency).unwrap_or(0));
            }
            Fact::Resource(id, ResourceEvent::Deleted) => drop(self.limits.remove(id)),
            Fact::Workflow(id, WorkflowEvent::Stored(stored)) => {
                self.needs.insert(id.clone(), stored.spec.resources.iter().cloned().collect());
            }
            Fact::Workflow(id, WorkflowEvent::Deleted) => drop(self.needs.remove(id)),
            Fact::Run(instance, RunEvent::Styx { event, .. }) => match event {
                Event::Dequeue { resources } => {
                    self.dequeued.insert(instance.clone(), resources.iter().cloned().collect());
                }
                Event::Submit { execution: Some(execution), .. } => {
                    let held = self.dequeued.remove(instance).unwrap_or_default();
                    self.holds.insert(execution.clone(), held);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// What runs of a workflow need now; of one that is gone, nothing.
    pub(super) fn needs(&self, workflow: &WorkflowId) -> Names {
        self.needs.get(workflow).cloned().unwrap_or_default()
    }

    /// What an execution holds.
    pub(super) fn held_by(&self, execution: &ExecutionId) -> impl Iterator<Item = &Arc<str>> {
        self.holds.get(execution).into_iter().flatten()
    }

    /// How many of those that live hold a unit.
    pub(super) fn used(&self, resource: &str) -> usize {
        self.lives.living.keys().filter(|id| self.held_by(id).any(|held| &**held == resource)).count()
    }

    /// How many units are free; `None` when the resource isn't defined.
    pub(super) fn free(&self, resource: &str) -> Option<usize> {
        Some(self.limits.get(resource)?.saturating_sub(self.used(resource)))
    }

    /// The resources of which no unit is free.
    pub(super) fn full(&self, needs: &Names) -> Names {
        needs.iter().filter(|id| self.free(id) == Some(0)).cloned().collect()
    }

    /// Whether a resource isn't defined.
    pub(super) fn lacks(&self, needs: &Names) -> bool {
        needs.iter().any(|id| !self.limits.contains_key(id))
    }
}
