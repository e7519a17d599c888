//! Every due instant of an enabled workflow fires exactly once, in order, and as soon as it may: compared with a naive
//! calendar that follows the same switches.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Event, Trigger},
    id::{InstanceId, Position, WorkflowId},
    now::Now,
    record::{ConfigEvent, Cursor, CursorMove, Fact, Record, RunEvent, Runs, WorkflowEvent, WorkflowSpec},
};

use super::{Check, Invariant, View};
use crate::sim::calendar::Timetable;

/// What a workflow should fire next.
struct Plan {
    table: &'static Timetable,
    offset: i64,
    spec: WorkflowSpec,
    enabled: bool,
    next: Cursor,
    /// The decision in which an operator set the cursor: then it counts as it is.
    set_by: Option<Position>,
}

#[derive(Clone, Copy)]
struct Active {
    natural: bool,
    missed: bool,
}

pub(super) struct FiresOnce {
    plans: BTreeMap<WorkflowId, Plan>,
    active: BTreeMap<InstanceId, Active>,
    /// Instances that a natural trigger brought to their end.
    completed: BTreeSet<InstanceId>,
    /// Instances that ended at the time of the last record: a decision may still have seen them.
    just_ended: BTreeSet<InstanceId>,
    at: DateTime<Utc>,
    /// The two readings of the clock that the present decision followed.
    now: Now,
    /// A natural trigger whose cursor must move with the next record.
    fired: Option<InstanceId>,
    scheduling: bool,
    catch_up: usize,
}

impl Default for FiresOnce {
    fn default() -> Self {
        Self {
            plans: BTreeMap::new(),
            active: BTreeMap::new(),
            completed: BTreeSet::new(),
            just_ended: BTreeSet::new(),
            at: DateTime::UNIX_EPOCH,
            now: DateTime::UNIX_EPOCH.into(),
            fired: None,
            scheduling: true,
            catch_up: 1,
        }
    }
}

impl Plan {
    fn new(spec: &WorkflowSpec, now: DateTime<Utc>) -> Result<Self, String> {
        let table = Timetable::of(&spec.schedule).ok_or("a schedule that the simulation doesn't know")?;
        let offset = table.offset(spec.offset.as_deref());
        let mut plan = Self {
            table,
            offset,
            spec: spec.clone(),
            enabled: false,
            next: Cursor { instant: now, fires_at: now },
            set_by: None,
        };
        plan.begin_after(now);
        Ok(plan)
    }

    fn begin_after(&mut self, now: DateTime<Utc>) {
        let (instant, fires_at) = self.table.first(self.offset, now);
        self.next = Cursor { instant, fires_at };
    }

    fn following(&self) -> Cursor {
        let instant = self.table.after(self.next.instant);
        Cursor { instant, fires_at: instant + TimeDelta::minutes(self.offset) }
    }
}

impl FiresOnce {
    fn missed(&self, id: &WorkflowId) -> usize {
        self.active.iter().filter(|(instance, run)| run.missed && instance.workflow() == id).count()
    }

    fn workflow(&mut self, record: &Record, id: &WorkflowId, event: &WorkflowEvent) -> Check {
        match event {
            WorkflowEvent::Stored(stored) => self.store(self.now.present(), id, &stored.spec)?,
            WorkflowEvent::Deleted => drop(self.plans.remove(id)),
            WorkflowEvent::FileRemoved { .. } => {}
            WorkflowEvent::Switched { enabled } => {
                let plan = self.plans.get_mut(id).ok_or("a workflow that isn't there is switched")?;
                let set = plan.set_by == Some(record.decision);
                let present = self.now.present();
                if *enabled && !plan.enabled && plan.next.fires_at <= present && !set {
                    plan.begin_after(present);
                }
                plan.enabled = *enabled;
            }
            WorkflowEvent::CursorMoved { to, why, .. } => self.moved(record, id, *to, *why)?,
        }
        Ok(())
    }

    /// Stored anew, with another schedule or another offset it begins afresh; else it goes on.
    fn store(&mut self, at: DateTime<Utc>, id: &WorkflowId, spec: &WorkflowSpec) -> Check {
        let mut plan = Plan::new(spec, at)?;
        if let Some(before) = self.plans.get(id) {
            plan.enabled = before.enabled;
            if before.spec.schedule == spec.schedule && before.spec.offset == spec.offset {
                plan.next = before.next;
            }
        }
        self.plans.insert(id.clone(), plan);
        Ok(())
    }

    fn moved(&mut self, record: &Record, id: &WorkflowId, to: Option<Cursor>, why: CursorMove) -> Check {
        let fired = self.fired.take();
        let missed = self.missed(id);
        let plan = self.plans.get_mut(id).ok_or("the cursor of a workflow that isn't there moves")?;
        match (why, to) {
            // Compared after the step.
            (CursorMove::Edited | CursorMove::Enabled, _) => return Ok(()),
            (CursorMove::Operator, Some(to)) => {
                plan.next = to;
                plan.set_by = Some(record.decision);
                return Ok(());
            }
            (CursorMove::Operator, None) => return Err("an operator took a cursor away".to_owned()),
            _ => {}
        }
        let instance = InstanceId::new(id.clone(), plan.table.parameter(plan.next.instant));
        let due = plan.enabled && self.scheduling && Some(plan.next.fires_at) <= self.now.natural();
        if !due {
            return Err(format!("{instance} isn't due at {:?}, and the cursor moves ({why:?})", self.now));
        }
        let active = self.active.contains_key(&instance) || self.just_ended.contains(&instance);
        let fits = match why {
            CursorMove::Triggered => fired.as_ref() == Some(&instance),
            CursorMove::AlreadyActive => active,
            CursorMove::AlreadyCompleted => self.completed.contains(&instance),
            _ => plan.spec.runs != Runs::Image,
        };
        if !fits {
            return Err(format!("{instance} is due, and the cursor moves ({why:?}), with a trigger of {fired:?}"));
        }
        if why != CursorMove::Triggered && missed >= self.catch_up {
            return Err(format!("{instance} doesn't wait for its pace"));
        }
        plan.next = plan.following();
        Ok(())
    }

    fn run(&mut self, instance: &InstanceId, event: &Event) -> Check {
        match event {
            Event::TriggerExecution { trigger, missed, .. } => {
                let natural = *trigger == Trigger::Natural;
                if natural {
                    self.natural(instance, *missed)?;
                }
                self.active.insert(instance.clone(), Active { natural, missed: *missed });
            }
            Event::Success | Event::Stop { .. } | Event::Halt { .. } => {
                let was = self.active.remove(instance).ok_or("a run ends that hasn't begun")?;
                self.just_ended.insert(instance.clone());
                if was.natural && *event == Event::Success {
                    self.completed.insert(instance.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn natural(&mut self, instance: &InstanceId, missed: bool) -> Check {
        let paced = self.missed(instance.workflow()) >= self.catch_up;
        let plan = self.plans.get(instance.workflow()).ok_or("a workflow that isn't there fires")?;
        if paced {
            return Err(format!("{instance} doesn't wait for its pace"));
        }
        if self.completed.contains(instance) {
            return Err(format!("{instance} fires again after it was completed"));
        }
        let overtaken = Some(plan.following().fires_at) <= self.now.natural();
        if missed != overtaken {
            return Err(format!("{instance} says missed={missed}, and that it was overtaken is {overtaken}"));
        }
        self.fired = Some(instance.clone());
        Ok(())
    }
}

impl Invariant for FiresOnce {
    fn name(&self) -> &'static str {
        "fires_once"
    }

    fn sentence(&self) -> &'static str {
        "every due instant of an enabled workflow fires exactly once, in order, as soon as it may"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if record.position == record.decision {
            self.now = record.now();
        }
        if record.at > self.at {
            self.at = record.at;
            self.just_ended.clear();
        }
        let moves = matches!(&record.fact, Fact::Workflow(_, WorkflowEvent::CursorMoved { .. }));
        if let Some(fired) = self.fired.take_if(|_| !moves) {
            return Err(format!("{fired} fires, and its cursor doesn't move with it"));
        }
        match &record.fact {
            Fact::Config(ConfigEvent::Set(config)) => self.catch_up = config.catch_up.max(1) as usize,
            Fact::Config(ConfigEvent::SchedulingSwitched { enabled }) => self.scheduling = *enabled,
            Fact::Workflow(id, event) => self.workflow(record, id, event)?,
            Fact::Run(instance, RunEvent::Styx { event, .. }) => self.run(instance, event)?,
            _ => {}
        }
        Ok(())
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        let known: Arc<[_]> = view.world.workflows().keys().collect();
        if !known.iter().copied().eq(self.plans.keys()) {
            return Err(format!("the workflows are {known:?}"));
        }
        for (id, plan) in &self.plans {
            let cursor = view.world.workflows()[id].cursor;
            if cursor != Some(plan.next) {
                return Err(format!("{id} should fire {:?} next, and its cursor is {cursor:?}", plan.next));
            }
            let waits = !view.settled || !plan.enabled || !self.scheduling || self.missed(id) >= self.catch_up;
            if !waits && Some(plan.next.fires_at) <= view.clock.natural() {
                return Err(format!("{id} should have fired {:?} by {:?}", plan.next, view.clock));
            }
        }
        Ok(())
    }
}
