//! The log as metrics see it: a world of their own, and the counts that each record changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use prometheus_client::{encoding::DescriptorEncoder, registry::Registry};
use styx_core::{
    id::{InstanceId, Position, WorkflowId},
    log::{LogError, LogReader, stored_workflow},
    record::{Fact, Record, StoredWorkflow, WorkflowEvent},
    run::State,
    workflow::WorkflowConfiguration,
    world::{RefusedRecord, World},
};

use super::{
    counts::Counts,
    gauge, single_gauge,
    tally::{Place, TRIGGERS, Tally, Workflows},
};

/// A world that follows the log, and what is counted of it.
pub(super) struct Folded {
    world: World,
    tally: Tally,
    /// Workflows whose image reports its exit code in its termination log.
    logs_termination: BTreeSet<WorkflowId>,
    counts: Counts,
}

impl Folded {
    /// Begins with a world; what led to it isn't counted.
    pub(super) fn new(world: World, registry: &mut Registry) -> Self {
        let mut folded = Self {
            tally: Tally::default(),
            logs_termination: BTreeSet::new(),
            counts: Counts::register(registry),
            world,
        };
        folded.tally = folded.counted();
        folded
    }

    /// The counts of the world as it is.
    fn counted(&self) -> Tally {
        let mut tally = Tally::default();
        for instance in self.world.runs().keys() {
            tally.replace(None, Place::of(&self.world, instance));
        }
        for id in self.world.workflows().keys() {
            tally.workflows.replace(Workflows::default(), self.workflow(id));
        }
        tally
    }

    /// Reads what the world doesn't hold of its workflows.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(super) fn read_workflows(&mut self, reader: &dyn LogReader) -> Result<(), LogError> {
        let positions: Vec<(WorkflowId, Position)> =
            self.world.workflows().iter().map(|(id, workflow)| (id.clone(), workflow.stored_at)).collect();
        for (id, position) in positions {
            let before = self.workflow(&id);
            let stored = stored_workflow(reader, position)?;
            self.note_termination(&id, &stored);
            self.tally.workflows.replace(before, self.workflow(&id));
        }
        Ok(())
    }

    fn note_termination(&mut self, id: &WorkflowId, stored: &StoredWorkflow) {
        let configuration = WorkflowConfiguration::from_json(&stored.json);
        if configuration.is_ok_and(|configuration| configuration.docker_termination_logging) {
            self.logs_termination.insert(id.clone());
        } else {
            self.logs_termination.remove(id);
        }
    }

    fn workflow(&self, id: &WorkflowId) -> Workflows {
        Workflows::of(self.world.workflows().get(id), self.logs_termination.contains(id))
    }

    /// The world as it is counted.
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// The next record that isn't counted yet.
    pub(super) fn next(&self) -> Position {
        self.world.tail().next()
    }

    /// Folds and counts the next record.
    ///
    /// # Errors
    ///
    /// When it isn't the next one, or can't be folded.
    pub(super) fn take(&mut self, record: &Record) -> Result<(), RefusedRecord> {
        let instance = self.instance_of(record);
        let place = |world: &World| instance.as_ref().and_then(|instance| Place::of(world, instance));
        let place_before = place(&self.world);
        let workflow = match &record.fact {
            Fact::Workflow(id, _) => Some((id, self.workflow(id))),
            _ => None,
        };
        let trigger = Counts::trigger(record, &self.world);
        self.counts.before(record, &self.world);
        let changes = self.world.apply(record)?;
        self.counts.after(trigger, &changes);
        self.tally.replace(place_before, place(&self.world));
        if let Some((id, before)) = workflow {
            match &record.fact {
                Fact::Workflow(_, WorkflowEvent::Stored(stored)) => self.note_termination(id, stored),
                Fact::Workflow(_, WorkflowEvent::Deleted) => drop(self.logs_termination.remove(id)),
                _ => {}
            }
            self.tally.workflows.replace(before, self.workflow(id));
        }
        Ok(())
    }

    /// The instance whose run a record may move.
    fn instance_of(&self, record: &Record) -> Option<InstanceId> {
        match &record.fact {
            Fact::Run(instance, _) => Some(instance.clone()),
            Fact::Execution(id, _) => Some(self.world.executions().get(id)?.instance.clone()),
            _ => None,
        }
    }

    /// Writes the gauges as they are at `now`.
    pub(super) fn encode(&mut self, mut encoder: DescriptorEncoder<'_>, now: DateTime<Utc>) -> fmt::Result {
        let encoder = &mut encoder;
        self.tally.queue.advance(now);
        let active = State::ALL.into_iter().enumerate().filter(|(_, state)| state.is_active());
        let active = active.flat_map(|(index, state)| {
            let counts = self.tally.active[index];
            TRIGGERS.into_iter().zip(counts).map(move |(trigger, count)| (state.as_str(), trigger, count))
        });
        let active = active.map(|(state, trigger, count)| ([("state", state), ("trigger", trigger)], count as f64));
        let name = "active_states_per_runstate_per_trigger_count";
        gauge(encoder, name, "Active runs by state and trigger", active)?;

        let Workflows { all, configured, enabled, termination_logging } = self.tally.workflows;
        let workflows = [
            ("all", all),
            ("configured", configured),
            ("enabled", enabled),
            ("docker_termination_logging_enabled", termination_logging),
        ];
        gauge(encoder, "workflow_count", "Workflows; all but all of them name an image", by("status", workflows))?;
        let reasons = self.reasons(now);
        gauge(encoder, "queue_length", "Runs that are queued, by what each waits for first", by("reason", reasons))?;
        let living = self.world.index().living_count() as u64;
        let ended = (self.world.executions().len() as u64).saturating_sub(living);
        let executions = by("state", [("living", living), ("ended", ended)]);
        gauge(encoder, "executions", "Executions that live, and those that are to be cleaned up", executions)?;
        let config = self.world.config();
        // A configured one without executions is 0, so that an alert on one that isn't configured has something to compare with.
        let mut by_executor: BTreeMap<_, _> =
            config.executor_names().into_iter().map(|name| (name, (0, "true"))).collect();
        for (executor, count) in self.world.index().living_by_executor() {
            by_executor.entry(Arc::clone(executor)).or_insert((0, "false")).0 = count;
        }
        let by_executor = by_executor.iter().map(|(executor, (count, configured))| {
            ([("executor", &**executor), ("configured", *configured)], *count as f64)
        });
        gauge(encoder, "executor_executions", "Executions that live, by the executor that has them", by_executor)?;
        let on = f64::from(u8::from(config.scheduling));
        single_gauge(encoder, "scheduling_enabled", "Whether scheduling as a whole is on", on)?;
        if let Some(max) = config.execution_limit() {
            single_gauge(encoder, "executions_limit", "The most executions that may live", f64::from(max))?;
        }
        if let Some(rate) = config.rate() {
            let help = "How many runs may leave the queue a second";
            single_gauge(encoder, "submission_rate_limit", help, rate.to_per_second())?;
        }
        self.encode_resources(encoder, now)?;
        let position = self.world.tail().0 as f64;
        single_gauge(encoder, "log_position", "The last record that is counted here", position)
    }

    fn encode_resources(&self, encoder: &mut DescriptorEncoder<'_>, now: DateTime<Utc>) -> fmt::Result {
        let (resources, queue) = (self.world.resources(), self.world.index().queue());
        let configured = resources.iter().map(|(id, resource)| ([("resource", &**id)], resource.concurrency as f64));
        gauge(encoder, "resource_configured", "Units of a resource", configured)?;
        let used = resources.keys().map(|id| ([("resource", &**id)], queue.used(id) as f64));
        gauge(encoder, "resource_used", "Units of a resource that executions hold", used)?;
        let demanded = resources.keys().map(|id| ([("resource", &**id)], queue.demanded(id, now) as f64));
        gauge(encoder, "resource_demanded", "Ready runs that need a unit of a resource", demanded)
    }

    /// How many runs wait for what. A run that waits for several things is counted with the first of them.
    fn reasons(&self, now: DateTime<Utc>) -> [(&'static str, u64); 9] {
        let (queue, config) = (&self.tally.queue, self.world.config());
        let free = u64::try_from(self.world.index().free_slots(config)).unwrap_or(u64::MAX);
        let (off, on) = if config.scheduling { (0, queue.ready) } else { (queue.ready, 0) };
        let waiting = self.world.index().queue();
        let unknown = on.min(waiting.failing(now) as u64);
        let resource = (on - unknown).min(waiting.held_up(now) as u64);
        let may_begin = (on - unknown - resource).min(free);
        let is_paced = self.world.rate_allows_at().is_some_and(|at| at > now);
        let (rate, next) = if is_paced { (may_begin, 0) } else { (0, may_begin) };
        [
            ("earlier_execution", queue.behind_execution),
            ("delay", queue.delayed),
            ("scheduling_off", off),
            ("resource", resource),
            ("unknown_resource", unknown),
            ("limit", on - unknown - resource - may_begin),
            ("rate", rate),
            ("next", next),
            ("imported", queue.imported),
        ]
    }
}

fn by<const N: usize>(
    label: &'static str,
    counts: [(&'static str, u64); N],
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], f64)> {
    counts.into_iter().map(move |(name, count)| ([(label, name)], count as f64))
}

#[cfg(test)]
mod tests {
    use styx_core::id::Epoch;
    use styx_store::conformance::Story;

    use super::*;

    /// What is kept record by record is what counting everything gives, whatever the records are.
    #[test]
    fn counts_that_are_kept_are_those_that_are_made_anew() {
        for seed in 0..30 {
            let mut story = Story::new(seed);
            for _ in 0..60 {
                story.next_batch(Epoch(1), 12);
            }
            let mut folded = Folded::new(World::default(), &mut Registry::default());
            for record in story.records() {
                folded.take(record).unwrap();
                if record.position.0 % 3 == 0 {
                    folded.tally.queue.advance(record.at);
                }
                let mut anew = folded.counted();
                // Both as they are when all delays so far are over, and when none is.
                let mut kept = folded.tally.clone();
                let shape = |tally: &Tally| {
                    let queue = &tally.queue;
                    let queued = [queue.behind_execution, queue.imported, queue.ready + queue.delayed];
                    (tally.active, tally.workflows, queued)
                };
                assert_eq!(shape(&kept), shape(&anew), "seed {seed}, record {}", record.position);
                kept.queue.advance(record.at);
                anew.queue.advance(record.at);
                let split = |tally: &Tally| (tally.queue.ready, tally.queue.delayed);
                assert_eq!(split(&kept), split(&anew), "seed {seed}, record {}", record.position);
            }
            assert_eq!(folded.world, *story.world());
            let queued: u64 = folded.reasons(folded.world.at()).iter().map(|(_, count)| count).sum();
            let index = State::ALL.iter().position(|state| *state == State::Queued).unwrap();
            assert_eq!(queued, folded.tally.active[index].iter().sum::<u64>());
        }
    }
}
