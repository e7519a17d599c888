//! What waits for what, ordered by time: so that nothing is ever searched among all runs or all workflows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::Workflow;
use crate::{
    config::{Config, Timeouts},
    execution::Execution,
    id::{ExecutionId, InstanceId, WorkflowId},
    run::{Run, State},
};

/// Sets derived from the world, each kept by the record that changes it. Equal worlds have equal indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Queued runs without a living execution, by when they may go on.
    queue: BTreeSet<(DateTime<Utc>, InstanceId)>,
    /// Runs by when they have been in their state for too long.
    deadlines: BTreeSet<(DateTime<Utc>, InstanceId)>,
    /// Enabled workflows by when they fire, without those that wait for their catch-up.
    natural: BTreeSet<(DateTime<Utc>, WorkflowId)>,
    /// The execution of an instance that lives; there is at most one.
    living: BTreeMap<InstanceId, ExecutionId>,
    /// Active runs that make up for a missed instant.
    missed: BTreeMap<WorkflowId, u32>,
    /// The workflows that each file of the workflow folder defines.
    files: BTreeMap<Arc<str>, BTreeSet<WorkflowId>>,
}

/// Where a run stands in the sets by time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    queued_until: Option<DateTime<Utc>>,
    deadline: Option<DateTime<Utc>>,
}

impl Index {
    /// All sets anew: at start, and when the configuration changes.
    pub(super) fn build(
        config: &Config,
        workflows: &BTreeMap<WorkflowId, Workflow>,
        runs: &BTreeMap<InstanceId, Run>,
        executions: &BTreeMap<ExecutionId, Execution>,
    ) -> Self {
        let mut index = Self::default();
        for (id, execution) in executions.iter().filter(|(_, execution)| execution.is_alive()) {
            index.begin_execution(&execution.instance, id);
        }
        for (id, run) in runs {
            let place = index.place_of(config, id, run);
            index.move_run(id, Place::default(), place);
            if run.missed {
                *index.missed.entry(id.workflow().clone()).or_default() += 1;
            }
        }
        for (id, workflow) in workflows {
            index.move_natural(config, id, None, workflow.natural_at());
            index.move_file(id, None, workflow.file());
        }
        index
    }

    /// The next queued runs that may go on at `now`, the one that waits longest first.
    pub fn ready(&self, now: DateTime<Utc>) -> impl Iterator<Item = &InstanceId> {
        self.queue.iter().take_while(move |(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// The runs that have been in their state for too long at `now`.
    pub fn overdue(&self, now: DateTime<Utc>) -> impl Iterator<Item = &InstanceId> {
        self.deadlines.iter().take_while(move |(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// The workflows whose natural trigger is due at `now`.
    pub fn natural(&self, now: DateTime<Utc>) -> impl Iterator<Item = &WorkflowId> {
        self.natural.iter().take_while(move |(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// The execution of the instance that lives.
    pub fn living(&self, instance: &InstanceId) -> Option<&ExecutionId> {
        self.living.get(instance)
    }

    /// How many executions live.
    pub fn living_count(&self) -> usize {
        self.living.len()
    }

    /// How many active runs of a workflow make up for a missed instant.
    pub fn missed(&self, workflow: &WorkflowId) -> u32 {
        self.missed.get(workflow).copied().unwrap_or(0)
    }

    /// The workflows that a file of the workflow folder defines.
    pub fn of_file(&self, path: &str) -> impl Iterator<Item = &WorkflowId> {
        self.files.get(path).into_iter().flatten()
    }

    /// When the next thing is due: a time-out; a trigger and a queued run only while scheduling is on, and the latter
    /// only if an execution more may live.
    pub fn next_due(&self, config: &Config) -> Option<DateTime<Utc>> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let natural = self.natural.first().filter(|_| config.scheduling).map(|(at, _)| *at);
        let has_room = config.scheduling && self.free_slots(config) > 0;
        let queued = self.queue.first().filter(|_| has_room).map(|(at, _)| *at);
        [deadline, natural, queued].into_iter().flatten().min()
    }

    /// How many executions more may live.
    pub fn free_slots(&self, config: &Config) -> usize {
        config.max_executions.map_or(usize::MAX, |max| (max as usize).saturating_sub(self.living.len()))
    }

    pub(super) fn place_of(&self, config: &Config, id: &InstanceId, run: &Run) -> Place {
        match run.state {
            _ if run.imported => Place::default(),
            State::Queued if !self.living.contains_key(id) => {
                Place { queued_until: Some(run.eligible_at.unwrap_or(run.since)), deadline: None }
            }
            State::Submitting | State::Submitted | State::Running => {
                let limit = match (run.state, run.running_timeout) {
                    (State::Running, Some(recorded)) => recorded,
                    (state, _) => config.timeouts.limit(state, None),
                };
                Place { queued_until: None, deadline: Some(Timeouts::deadline(run.since, limit)) }
            }
            _ => Place::default(),
        }
    }

    pub(super) fn move_run(&mut self, id: &InstanceId, from: Place, to: Place) {
        if from == to {
            return;
        }
        move_entry(&mut self.queue, id, from.queued_until, to.queued_until);
        move_entry(&mut self.deadlines, id, from.deadline, to.deadline);
    }

    pub(super) fn move_natural(
        &mut self,
        config: &Config,
        id: &WorkflowId,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) {
        let paced = self.missed(id) >= config.catch_up.max(1);
        move_entry(&mut self.natural, id, from, to.filter(|_| !paced));
    }

    pub(super) fn move_file(&mut self, id: &WorkflowId, from: Option<&Arc<str>>, to: Option<&Arc<str>>) {
        if from == to {
            return;
        }
        if let Some(path) = from
            && let Some(ids) = self.files.get_mut(path)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.files.remove(path);
            }
        }
        if let Some(path) = to {
            self.files.entry(Arc::clone(path)).or_default().insert(id.clone());
        }
    }

    /// Counts a run of a catch-up in or out; at the limit the workflow's natural triggers wait.
    pub(super) fn count_missed(
        &mut self,
        config: &Config,
        id: &WorkflowId,
        natural_at: Option<DateTime<Utc>>,
        by: i32,
    ) {
        let count = self.missed(id).saturating_add_signed(by);
        if count == 0 {
            self.missed.remove(id);
        } else {
            self.missed.insert(id.clone(), count);
        }
        self.move_natural(config, id, natural_at, natural_at);
    }

    pub(super) fn begin_execution(&mut self, instance: &InstanceId, execution: &ExecutionId) {
        self.living.insert(instance.clone(), execution.clone());
    }

    pub(super) fn end_execution(&mut self, instance: &InstanceId) {
        self.living.remove(instance);
    }
}

fn move_entry<K: Ord + Clone>(
    set: &mut BTreeSet<(DateTime<Utc>, K)>,
    id: &K,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) {
    let Some(some) = from.or(to) else { return };
    let mut key = (some, id.clone());
    if from.is_some() && from != to {
        set.remove(&key);
    }
    if let Some(at) = to {
        key.0 = at;
        set.insert(key);
    }
}
