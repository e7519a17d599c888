//! What waits for what, ordered by time: so that nothing is ever searched among all runs or all workflows.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Backfill, Queue, Resource, Workflow,
    counted::{Map, Set},
};
use crate::{
    config::Config,
    event::Trigger,
    execution::Execution,
    graph::State,
    id::{ExecutionId, InstanceId, WorkflowId},
    now::Now,
    run::Run,
};

/// Sets derived from the world, each kept by the record that changes it. Equal worlds have equal indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Queued runs without a living execution, and units in use.
    queue: Queue,
    /// Runs by when they have been in their state for too long.
    deadlines: Set<(DateTime<Utc>, InstanceId)>,
    /// Enabled workflows by when they fire, without those that wait for their catch-up.
    natural: Set<(DateTime<Utc>, WorkflowId)>,
    /// The execution of an instance that lives; there is at most one.
    living: Map<InstanceId, ExecutionId>,
    /// How many executions live with each executor that has any.
    by_executor: Map<Arc<str>, usize>,
    /// Executions that have ended and aren't cleaned up.
    ended: Set<ExecutionId>,
    /// Active runs that make up for a missed instant.
    missed: Map<WorkflowId, u32>,
    /// The workflows that each file of the workflow folder defines.
    files: Map<Arc<str>, Set<WorkflowId>>,
    /// Active runs of each backfill.
    backfill_runs: Map<Arc<str>, Set<InstanceId>>,
    /// Backfills with partitions to trigger, of each workflow.
    open_backfills: Map<WorkflowId, Set<Arc<str>>>,
    /// Backfills that may trigger their next partition.
    advancing: Set<Arc<str>>,
    /// Backfills whose active runs are to be halted.
    halting: Set<Arc<str>>,
}

/// What of the world an index is built from.
pub(super) struct Parts<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) config: &'a Config,
    pub(super) workflows: &'a Map<WorkflowId, Workflow>,
    pub(super) runs: &'a Map<InstanceId, Run>,
    pub(super) executions: &'a Map<ExecutionId, Execution>,
    pub(super) backfills: &'a Map<Arc<str>, Backfill>,
    pub(super) resources: &'a Map<Arc<str>, Resource>,
}

/// Where a run stands in the sets by time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    queued_until: Option<DateTime<Utc>>,
    /// Whether a queued run was told what it waits for.
    told: bool,
    deadline: Option<DateTime<Utc>>,
}

impl Index {
    /// All sets anew: at start, and when the configuration changes.
    pub(super) fn build(parts: &Parts<'_>) -> Self {
        let Parts { at, config, workflows, runs, executions, backfills, resources } = *parts;
        let mut index = Self::default();
        for (id, resource) in resources {
            index.queue.set_limit(id, Some(resource.concurrency));
        }
        for (id, execution) in executions {
            if execution.is_alive() {
                index.begin_execution(&execution.instance, id, &execution.runner);
                index.queue.hold(&execution.resources);
            } else {
                index.ended.insert(id.clone());
            }
        }
        for (id, run) in runs {
            index.queue.hold(held_by(run).map_or(&[], |held| held));
            let place = index.place_of(config, id, run);
            let needed = needed(workflows, id.workflow());
            index.move_run(id, &needed, Place::default(), place, at);
            index.count_run(id, run, true);
            if run.missed {
                *index.missed.entry(id.workflow().clone()).or_default() += 1;
            }
        }
        for (id, workflow) in workflows {
            index.move_natural(config, id, None, workflow.natural_at());
            index.move_file(id, None, workflow.file());
        }
        for (id, backfill) in backfills {
            index.place_backfill(id, backfill);
        }
        index
    }

    /// Who waits to go on, and for what.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Active runs of a backfill.
    pub fn runs_of_backfill(&self, id: &str) -> impl ExactSizeIterator<Item = &InstanceId> {
        static NONE: Set<InstanceId> = Set::new();
        self.backfill_runs.get(id).unwrap_or(&NONE).iter()
    }

    /// Backfills of a workflow that have partitions to trigger.
    pub fn open_backfills(&self, workflow: &WorkflowId) -> impl Iterator<Item = &Arc<str>> {
        self.open_backfills.get(workflow).into_iter().flatten()
    }

    /// Backfills that may trigger their next partition.
    pub fn advancing(&self) -> impl Iterator<Item = &Arc<str>> {
        self.advancing.iter()
    }

    /// Backfills whose active runs are to be halted.
    pub fn halting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.halting.iter()
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

    /// The executions that have ended and aren't cleaned up.
    pub fn ended(&self) -> impl ExactSizeIterator<Item = &ExecutionId> {
        self.ended.iter()
    }

    /// How many executions live.
    pub fn living_count(&self) -> usize {
        self.living.len()
    }

    /// The executors with which executions live, each with how many.
    pub fn living_by_executor(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.by_executor.iter().map(|(executor, count)| (executor, *count))
    }

    /// How many active runs of a workflow make up for a missed instant.
    pub fn missed(&self, workflow: &WorkflowId) -> u32 {
        self.missed.get(workflow).copied().unwrap_or(0)
    }

    /// The workflows that a file of the workflow folder defines.
    pub fn of_file(&self, path: &str) -> impl Iterator<Item = &WorkflowId> {
        self.files.get(path).into_iter().flatten()
    }

    /// When the next thing is due: a time-out or a halt; all else only while scheduling is on, and a queued run only if an
    /// execution more may live and the rate allows it. `at` is the last record's time, `used` up to when it used the rate.
    /// Natural triggers fire by the wall clock, which is as far from the other as in `now`.
    pub(super) fn next_due(
        &self,
        config: &Config,
        at: DateTime<Utc>,
        now: Now,
        used: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let halting = (!self.halting.is_empty()).then_some(at);
        if !config.scheduling {
            return [deadline, halting].into_iter().flatten().min();
        }
        let open = self.queue.open_at().filter(|_| self.free_slots(config) > 0);
        let open = open.map(|open| config.rate().map_or(open, |rate| rate.next_at(used).max(open)));
        let natural = self.natural.first().filter(|_| now.is_believed());
        let natural =
            natural.map(|(at, _)| at.checked_sub_signed(now.wall_offset()).unwrap_or(DateTime::<Utc>::MAX_UTC));
        let advancing = (!self.advancing.is_empty()).then_some(at);
        let (unknown, untold) = (self.queue.unknown_at(), self.queue.untold_at(at));
        [deadline, halting, open, unknown, natural, advancing, untold].into_iter().flatten().min()
    }

    /// How many executions more may live.
    pub fn free_slots(&self, config: &Config) -> usize {
        config.execution_limit().map_or(usize::MAX, |max| (max as usize).saturating_sub(self.living.len()))
    }

    pub(super) fn place_of(&self, config: &Config, id: &InstanceId, run: &Run) -> Place {
        match run.state {
            _ if run.imported => Place::default(),
            State::Queued if !self.living.contains_key(id) => {
                Place { queued_until: Some(run.eligible_at.unwrap_or(run.since)), told: run.was_told(), deadline: None }
            }
            state => {
                let deadline = config.timeouts.deadline(state, run.since, run.running_timeout);
                Place { deadline, ..Place::default() }
            }
        }
    }

    /// Moves a run, which needs these resources to go on, from one place to another; `now` is the record's time.
    pub(super) fn move_run(
        &mut self,
        id: &InstanceId,
        needed: &Arc<[Arc<str>]>,
        from: Place,
        to: Place,
        now: DateTime<Utc>,
    ) {
        if from == to {
            return;
        }
        if (from.queued_until, from.told) != (to.queued_until, to.told) {
            if let Some(at) = from.queued_until {
                self.queue.remove(needed, id, at);
            }
            if let Some(at) = to.queued_until {
                self.queue.insert(needed, id, at, now, to.told);
            }
        }
        move_entry(&mut self.deadlines, id, from.deadline, to.deadline);
    }

    /// Counts a run of a backfill in or out.
    pub(super) fn count_run(&mut self, id: &InstanceId, run: &Run, begins: bool) {
        let Some(Trigger::Backfill(backfill)) = run.trigger.as_ref().filter(|_| !run.imported) else {
            return;
        };
        if begins {
            self.backfill_runs.entry(Arc::clone(backfill)).or_default().insert(id.clone());
        } else if let Some(runs) = self.backfill_runs.get_mut(backfill) {
            runs.remove(id);
            if runs.is_empty() {
                self.backfill_runs.remove(backfill);
            }
        }
    }

    /// Puts a backfill into the sets that it belongs to, after it or its runs changed.
    pub(super) fn place_backfill(&mut self, id: &Arc<str>, backfill: &Backfill) {
        let active = self.runs_of_backfill(id).len();
        let is_open = backfill.is_open();
        put(&mut self.advancing, id, is_open && active < backfill.concurrency as usize);
        put(&mut self.halting, id, backfill.halts_runs && active > 0);
        if is_open {
            self.open_backfills.entry(backfill.spec.workflow.clone()).or_default().insert(Arc::clone(id));
        } else if let Some(open) = self.open_backfills.get_mut(&backfill.spec.workflow) {
            open.remove(id);
            if open.is_empty() {
                self.open_backfills.remove(&backfill.spec.workflow);
            }
        }
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

    pub(super) fn begin_execution(&mut self, instance: &InstanceId, execution: &ExecutionId, executor: &Arc<str>) {
        self.living.insert(instance.clone(), execution.clone());
        *self.by_executor.entry(Arc::clone(executor)).or_default() += 1;
    }

    pub(super) fn end_execution(&mut self, instance: &InstanceId, execution: &ExecutionId, executor: &Arc<str>) {
        self.living.remove(instance);
        match self.by_executor.get(executor).copied().unwrap_or_default() {
            0 | 1 => drop(self.by_executor.remove(executor)),
            count => drop(self.by_executor.insert(Arc::clone(executor), count - 1)),
        }
        self.ended.insert(execution.clone());
    }

    pub(super) fn clean_execution(&mut self, execution: &ExecutionId) {
        self.ended.remove(execution);
    }
}

fn move_entry<K: Ord + Clone>(
    set: &mut Set<(DateTime<Utc>, K)>,
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

fn put(set: &mut Set<Arc<str>>, id: &Arc<str>, belongs: bool) {
    if !belongs {
        set.remove(id);
    } else if !set.contains(id) {
        set.insert(Arc::clone(id));
    }
}

/// The resources that runs of a workflow need to go on; none when it is deleted (SC-8).
pub(super) fn needed(workflows: &Map<WorkflowId, Workflow>, id: &WorkflowId) -> Arc<[Arc<str>]> {
    workflows.get(id).map(|workflow| Arc::clone(&workflow.spec.resources)).unwrap_or_default()
}

/// The units that a run holds by itself: those between `dequeue` and `submit`.
pub(super) fn held_by(run: &Run) -> Option<&Arc<[Arc<str>]>> {
    run.resources.as_ref().filter(|_| run.state == State::Prepare && !run.imported)
}
