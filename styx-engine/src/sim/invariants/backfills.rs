//! A backfill triggers each of its partitions once or passes over it, in order and as soon as it may: compared with a naive
//! calendar. After a halt it triggers nothing more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Event, Trigger},
    id::InstanceId,
    record::{BackfillEvent, BackfillMove, BackfillSpec, Cause, Fact, Record, RunEvent},
};

use super::{Check, End, Invariant, View, settings::Settings};
use crate::sim::calendar::Timetable;

/// What a backfill should do next.
struct Plan {
    spec: Arc<BackfillSpec>,
    table: &'static Timetable,
    /// In the order of the backfill; the last is where its cursor comes to rest.
    partitions: Vec<DateTime<Utc>>,
    passed: usize,
    concurrency: usize,
    halted: bool,
    halts_runs: bool,
    active: BTreeSet<InstanceId>,
}

#[derive(Default)]
pub(super) struct Backfills {
    settings: Settings,
    plans: BTreeMap<Arc<str>, Plan>,
    active: BTreeMap<InstanceId, Trigger>,
    /// A trigger whose backfill must move on with the next record.
    triggered: Option<(Arc<str>, InstanceId)>,
}

impl Plan {
    fn new(spec: &Arc<BackfillSpec>) -> Result<Self, String> {
        let table = Timetable::of(&spec.schedule).ok_or("a schedule that the simulation doesn't know")?;
        let mut partitions = Vec::new();
        let mut instant = spec.start;
        while instant < spec.end {
            partitions.push(instant);
            instant = table.after(instant);
        }
        partitions.push(spec.end);
        if spec.reverse {
            partitions.pop();
            partitions.reverse();
            partitions.push(table.at_or_before(spec.start - TimeDelta::minutes(1)));
        }
        if spec.first != partitions[0] || partitions.len() < 2 {
            return Err(format!("{spec:?} begins with {}, and its partitions are {partitions:?}", spec.first));
        }
        let (spec, concurrency) = (Arc::clone(spec), spec.concurrency as usize);
        let (passed, halted, halts_runs, active) = (0, false, false, BTreeSet::new());
        Ok(Self { spec, table, partitions, passed, concurrency, halted, halts_runs, active })
    }

    fn is_open(&self) -> bool {
        !self.halted && self.passed + 1 < self.partitions.len()
    }

    /// The instance of the next partition.
    fn next(&self) -> InstanceId {
        InstanceId::new(self.spec.workflow.clone(), self.table.parameter(self.partitions[self.passed]))
    }
}

impl Backfills {
    fn begins(&mut self, id: &Arc<str>, instance: &InstanceId) -> Check {
        let plan = self.plans.get_mut(id).ok_or("a backfill that isn't there triggers")?;
        if !plan.is_open() || plan.next() != *instance {
            return Err(format!("{id} triggers {instance}, and it is at {}, open: {}", plan.next(), plan.is_open()));
        }
        if plan.active.len() >= plan.concurrency {
            return Err(format!("{id} triggers {instance}, and {} of {} run", plan.active.len(), plan.concurrency));
        }
        plan.active.insert(instance.clone());
        self.triggered = Some((Arc::clone(id), instance.clone()));
        Ok(())
    }

    fn run(&mut self, instance: &InstanceId, event: &Event) -> Check {
        match event {
            Event::TriggerExecution { trigger, .. } => {
                if let Trigger::Backfill(id) = trigger {
                    self.begins(id, instance)?;
                }
                self.active.insert(instance.clone(), trigger.clone());
            }
            Event::Success | Event::Stop { .. } | Event::Halt { .. } => {
                if let Some(Trigger::Backfill(id)) = self.active.remove(instance)
                    && let Some(plan) = self.plans.get_mut(&id)
                {
                    plan.active.remove(instance);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn backfill(&mut self, record: &Record, id: &Arc<str>, event: &BackfillEvent) -> Check {
        if let BackfillEvent::Created(spec) = event {
            self.plans.insert(Arc::clone(id), Plan::new(spec)?);
            return Ok(());
        }
        let triggered = self.triggered.take();
        let plan = self.plans.get_mut(id).ok_or("a backfill that isn't there changes")?;
        match event {
            BackfillEvent::Edited { concurrency, .. } => {
                plan.concurrency = concurrency.map_or(plan.concurrency, |concurrency| concurrency as usize);
            }
            BackfillEvent::Halted { runs, .. } => {
                plan.halted = true;
                plan.halts_runs |= runs;
            }
            BackfillEvent::Advanced { instant, next, all_triggered, why } => {
                if !plan.is_open() {
                    return Err(format!("{id} moves on, and it has no partition to trigger"));
                }
                let instance = plan.next();
                let following = plan.partitions[plan.passed + 1];
                let is_last = plan.passed + 2 == plan.partitions.len();
                if (*instant, *next, *all_triggered) != (plan.partitions[plan.passed], following, is_last) {
                    return Err(format!(
                        "{id} moves from {instant} to {next}, and should from {instance} to {following}"
                    ));
                }
                let fits = match why {
                    BackfillMove::Triggered => {
                        record.cause == Cause::Decision && triggered == Some((Arc::clone(id), instance.clone()))
                    }
                    BackfillMove::AlreadyActive => triggered.is_none() && self.active.contains_key(&instance),
                };
                if !fits {
                    return Err(format!("{id} moves past {instance} ({why:?}), with a trigger of {triggered:?}"));
                }
                plan.passed += 1;
            }
            BackfillEvent::Created(_) => {}
        }
        Ok(())
    }
}

impl Invariant for Backfills {
    fn name(&self) -> &'static str {
        "backfills"
    }

    fn sentence(&self) -> &'static str {
        "a backfill triggers each partition once, in order, never more at a time than it may, and nothing after a halt"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        self.settings.record(record);
        let advances = matches!(&record.fact, Fact::Backfill(_, BackfillEvent::Advanced { .. }));
        if let Some((id, instance)) = self.triggered.take_if(|_| !advances) {
            return Err(format!("{id} triggers {instance} and doesn't move on with it"));
        }
        match &record.fact {
            Fact::Backfill(id, event) => self.backfill(record, id, event),
            Fact::Run(instance, RunEvent::Styx { event, .. }) => self.run(instance, event),
            _ => Ok(()),
        }
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        if !view.settled {
            return Ok(());
        }
        for (id, plan) in &self.plans {
            if let Some(instance) = plan.active.first().filter(|_| plan.halts_runs) {
                return Err(format!("{id} was halted with its runs, and {instance} goes on"));
            }
            if self.settings.scheduling && plan.is_open() && plan.active.len() < plan.concurrency {
                return Err(format!("{id} may trigger {} and doesn't", plan.next()));
            }
        }
        Ok(())
    }

    fn ended(&mut self, end: &End<'_>) -> Check {
        let left = self.plans.iter().find(|(_, plan)| plan.is_open()).filter(|_| end.quiet && !end.blocked);
        left.map_or(Ok(()), |(id, plan)| Err(format!("{id} never comes to {}", plan.next())))
    }
}
