//! A resource's limit is never exceeded, in the log or outside, but by those that held a unit when it was lowered or deleted.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::{
    event::Event,
    id::{ExecutionId, InstanceId},
    record::{Fact, Record, RunEvent},
};

use super::{
    Check, Invariant,
    settings::Settings,
    stock::{Names, Stock},
};
use crate::sim::outside::OutsideFact;

/// The resource that stands for the limit on executions.
const GLOBAL: &str = "GLOBAL_STYX_CLUSTER";

#[derive(Default)]
pub(super) struct Units {
    settings: Settings,
    stock: Stock,
    /// Of each resource its limit, or what was in use when that was lowered and still is.
    allowed: BTreeMap<Arc<str>, usize>,
    running: BTreeMap<ExecutionId, Vec<Arc<str>>>,
}

impl Units {
    fn dequeued(&self, instance: &InstanceId, resources: &[Arc<str>]) -> Check {
        let needs = self.stock.needs(instance.workflow());
        let global = self.settings.limit().map(|_| GLOBAL.into());
        let expected: Names = needs.iter().cloned().chain(global).collect();
        if !expected.iter().eq(resources) {
            return Err(format!("{instance} takes units of {resources:?} and should of {expected:?}"));
        }
        match needs.iter().find(|id| self.stock.free(id).unwrap_or(0) == 0) {
            Some(id) => {
                let (used, limit) = (self.stock.used(id), self.stock.limits.get(id));
                Err(format!("{instance} takes a unit of {id}, of which {used} are in use with a limit of {limit:?}"))
            }
            None => Ok(()),
        }
    }
}

impl Invariant for Units {
    fn name(&self) -> &'static str {
        "units"
    }

    fn sentence(&self) -> &'static str {
        "no more executions hold a resource than its limit allows, but those from before it was lowered"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if let Fact::Run(instance, RunEvent::Styx { event: Event::Dequeue { resources }, .. }) = &record.fact {
            self.dequeued(instance, resources)?;
        }
        self.settings.record(record);
        self.stock.record(record);
        for (id, limit) in &self.stock.limits {
            self.allowed.entry(Arc::clone(id)).or_insert(*limit);
        }
        for (id, allowed) in &mut self.allowed {
            let limit = self.stock.limits.get(id).copied().unwrap_or(0);
            *allowed = limit.max(self.stock.used(id).min(*allowed));
        }
        Ok(())
    }

    fn happened(&mut self, fact: &OutsideFact) -> Check {
        match fact {
            OutsideFact::Over(id) => drop(self.running.remove(id)),
            OutsideFact::Started(id, _) => {
                self.running.insert(id.clone(), self.stock.held_by(id).cloned().collect());
                for resource in self.stock.held_by(id) {
                    let running = self.running.values().filter(|held| held.contains(resource)).count();
                    let allowed = self.allowed.get(resource).copied().unwrap_or(usize::MAX);
                    if running > allowed {
                        return Err(format!("{running} that hold {resource} run outside, and {allowed} may"));
                    }
                }
            }
        }
        Ok(())
    }
}
