//! Situations of resources, limits and rates.

use std::sync::Arc;

use styx_core::{
    event::Event,
    id::InstanceId,
    record::{ConfigEvent, Record, ResourceEvent, WorkflowSpec},
    run::State,
};

use super::Marks;
use crate::sim::{Coverage, Situation};

impl Marks {
    pub(super) fn config(&mut self, record: &Record, event: &ConfigEvent, coverage: &mut Coverage) {
        let before = self.world.config();
        let mut after = before.as_ref().clone();
        match event {
            ConfigEvent::Set(config) => after = config.operated_as(before),
            ConfigEvent::Operated(runtime) => after.runtime = runtime.as_ref().clone(),
            ConfigEvent::SchedulingSwitched { enabled } => after.scheduling = *enabled,
            ConfigEvent::ClockAccepted => coverage.reach(Situation::ClockAccepted),
        }
        if after.execution_limit().is_some_and(|max| (max as usize) < self.world.index().living_count()) {
            coverage.reach(Situation::LimitLowered);
        }
        let was_set = before.runtime.max_executions.is_some();
        match (event, after.runtime.max_executions.is_some()) {
            (ConfigEvent::Set(_), _) if before.runtime != Default::default() => {
                coverage.reach(Situation::ConfiguredBelow);
            }
            (ConfigEvent::Operated(_), true) => coverage.reach(Situation::OperatedLimit),
            (ConfigEvent::Operated(_), false) if was_set => coverage.reach(Situation::OperatedBack),
            _ => {}
        }
        let holds_up = self.world.rate_allows_at().is_some_and(|at| at > record.at);
        if after.rate() != before.rate() && holds_up && self.world.index().queue().demands() {
            coverage.reach(Situation::RateChanged);
        }
    }

    pub(super) fn resource(&mut self, id: &Arc<str>, event: &ResourceEvent, coverage: &mut Coverage) {
        let used = self.world.index().queue().used(id);
        let is_defined = self.world.resources().contains_key(id);
        match event {
            ResourceEvent::Set { concurrency } => {
                if *concurrency <= 0 {
                    coverage.reach(Situation::ResourceOfNone);
                }
                if is_defined && *concurrency < i64::try_from(used).unwrap_or(i64::MAX) {
                    coverage.reach(Situation::ResourceLowered);
                }
                if !is_defined && used > 0 {
                    coverage.reach(Situation::ResourceAgainInUse);
                }
            }
            ResourceEvent::Deleted if used > 0 => coverage.reach(Situation::ResourceDeletedInUse),
            ResourceEvent::Deleted => {}
        }
    }

    /// What a run's event says about limits.
    pub(super) fn held_up(&mut self, instance: &InstanceId, event: &Event, coverage: &mut Coverage) {
        let Some(run) = self.world.runs().get(instance) else { return };
        match event {
            Event::Info { .. } if run.tries > 0 => coverage.reach(Situation::UnitAwaitedAgain),
            Event::Info { .. } => coverage.reach(Situation::UnitAwaited),
            Event::RunError { .. } if run.state == State::Queued => coverage.reach(Situation::UnknownResource),
            Event::Dequeue { .. } => {
                let is_full = |id: &InstanceId| {
                    let workflow = self.world.workflows().get(id.workflow());
                    let needs = workflow.map(|workflow| &workflow.spec.resources);
                    needs.is_some_and(|needs| self.world.index().queue().full(needs).next().is_some())
                };
                let mut waiting = self.world.runs().iter().filter(|(_, other)| other.state == State::Queued);
                if waiting.any(|(id, other)| other.was_told() && other.since < run.since && is_full(id)) {
                    coverage.reach(Situation::Overtaken);
                }
            }
            _ => {}
        }
    }

    /// A workflow is stored.
    pub(super) fn needs(&mut self, id: &styx_core::id::WorkflowId, spec: &WorkflowSpec, coverage: &mut Coverage) {
        let before = self.world.workflows().get(id);
        let mut runs = self.world.runs().iter().filter(|(_, run)| run.state == State::Queued);
        if before.is_some_and(|before| before.spec.resources != spec.resources)
            && runs.any(|(instance, _)| instance.workflow() == id)
        {
            coverage.reach(Situation::OtherResources);
        }
    }
}
