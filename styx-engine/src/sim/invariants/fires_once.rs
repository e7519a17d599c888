//! Every due instant of an enabled workflow fires exactly once, in order, and as soon as it may: compared with a naive
//! calendar that follows the same switches. What an edit of schedule or offset finds due is owed, and what it makes neither due
//! nor owed is recorded, both with their numbers.

mod plan;

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use styx_core::{
    event::{Event, Trigger},
    id::{InstanceId, Position, WorkflowId},
    now::Now,
    record::{ConfigEvent, Cursor, CursorMove, Fact, Record, RunEvent, Runs, WorkflowEvent, WorkflowSpec},
};

use self::plan::{Debt, Fate, Plan, Skip, Taken};
use super::{Check, Invariant, View};
use crate::sim::calendar::Timetable;

#[derive(Clone, Copy)]
struct Active {
    /// The instant of a natural trigger.
    natural: Option<DateTime<Utc>>,
    missed: bool,
}

pub(super) struct FiresOnce {
    plans: BTreeMap<WorkflowId, Plan>,
    active: BTreeMap<InstanceId, Active>,
    taken: Taken,
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
            taken: Taken::default(),
            just_ended: BTreeSet::new(),
            at: DateTime::UNIX_EPOCH,
            now: DateTime::UNIX_EPOCH.into(),
            fired: None,
            scheduling: true,
            catch_up: 1,
        }
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
            WorkflowEvent::CursorMoved { to, why, .. } => self.moved(record, id, None, *to, *why)?,
            WorkflowEvent::CursorSkipped { first, last, count, reason } => {
                let plan = self.plans.get_mut(id).ok_or("a workflow that isn't there skips instants")?;
                let skip = Skip { first: *first, last: *last, count: *count, reason: *reason };
                let expected = plan.skips.pop_front();
                if expected != Some(skip) {
                    return Err(format!("{id} skips {skip:?} instead of {expected:?}"));
                }
            }
            WorkflowEvent::Owed { schedule, offset, next, until, count } => {
                let plan = self.plans.get_mut(id).ok_or("a workflow that isn't there owes")?;
                let (mut debt, due) = plan.due.take().ok_or("nothing was due, and it is owed")?;
                if *count != due {
                    return Err(format!("{id} owes {count} instants, and {due} were due"));
                }
                debt.since = record.position;
                let table = Timetable::of(schedule).ok_or("a schedule that the simulation doesn't know")?;
                let offset = table.offset(offset.as_deref());
                let recorded = Debt { since: record.position, table, offset, next: *next, until: *until };
                if recorded != debt {
                    return Err(format!("{recorded:?} is owed instead of {debt:?}"));
                }
                plan.owed.push(debt);
            }
            WorkflowEvent::OwedMoved { owed, to, why } => self.moved(record, id, Some(*owed), *to, *why)?,
        }
        Ok(())
    }

    /// Stored anew: an edit of meaning begins afresh, and what was due is owed; else it goes on.
    fn store(&mut self, at: DateTime<Utc>, id: &WorkflowId, spec: &WorkflowSpec) -> Check {
        let mut plan = Plan::new(spec, at)?;
        if let Some(before) = self.plans.get(id) {
            let is_active = |instant| {
                self.active.iter().any(|(run, active)| run.workflow() == id && active.natural == Some(instant))
            };
            plan.replace(before, at, |instant| {
                let taken = (id.clone(), instant);
                if before.owed.iter().any(|debt| debt.holds(instant)) || self.taken.completed.contains(&taken) {
                    return Fate::Settled;
                }
                match self.taken.triggered.contains(&taken) {
                    false => Fate::Open,
                    true if is_active(instant) => Fate::Settled,
                    true => Fate::NotDone,
                }
            });
        }
        self.plans.insert(id.clone(), plan);
        Ok(())
    }

    fn moved(
        &mut self,
        record: &Record,
        id: &WorkflowId,
        debt: Option<Position>,
        to: Option<Cursor>,
        why: CursorMove,
    ) -> Check {
        let fired = self.fired.take();
        let missed = self.missed(id);
        let plan = self.plans.get_mut(id).ok_or("the cursor of a workflow that isn't there moves")?;
        match (why, to) {
            (CursorMove::Edited, _) if plan.due.is_some() || !plan.skips.is_empty() => {
                return Err(format!("{id} was edited, and doesn't owe {:?}, skips {:?}", plan.due, plan.skips));
            }
            // Compared after the step.
            (CursorMove::Edited | CursorMove::Enabled, _) => return Ok(()),
            (CursorMove::Operator, Some(to)) => {
                plan.chosen |= to.instant != plan.next.instant;
                plan.next = to;
                plan.set_by = Some(record.decision);
                return Ok(());
            }
            (CursorMove::Operator, None) => return Err("an operator took a cursor away".to_owned()),
            _ => {}
        }
        let next = plan.natural(id);
        let instance = &next.instance;
        if next.debt != debt || next.following() != to {
            return Err(format!("{instance} is next, owed by {:?}, and another cursor moves", next.debt));
        }
        let due = plan.enabled && self.scheduling && Some(next.cursor.fires_at) <= self.now.natural();
        if !due {
            return Err(format!("{instance} isn't due at {:?}, and the cursor moves ({why:?})", self.now));
        }
        let active = self.active.contains_key(instance) || self.just_ended.contains(instance);
        let taken = (id.clone(), next.cursor.instant);
        let fits = match why {
            CursorMove::Triggered => fired.as_ref() == Some(instance),
            CursorMove::AlreadyActive => active,
            CursorMove::AlreadyCompleted => self.taken.completed.contains(&taken),
            CursorMove::AlreadyTriggered => self.taken.triggered.contains(&taken),
            _ => plan.spec.runs != Runs::Image,
        };
        if !fits {
            return Err(format!("{instance} is due, and the cursor moves ({why:?}), with a trigger of {fired:?}"));
        }
        if why != CursorMove::Triggered && missed >= self.catch_up {
            return Err(format!("{instance} doesn't wait for its pace"));
        }
        plan.advance(&next);
        Ok(())
    }

    fn run(&mut self, instance: &InstanceId, event: &Event) -> Check {
        match event {
            Event::TriggerExecution { trigger, missed, .. } => {
                let natural = match trigger {
                    Trigger::Natural => Some(self.natural(instance, *missed)?),
                    _ => None,
                };
                self.active.insert(instance.clone(), Active { natural, missed: *missed });
            }
            Event::Success | Event::Stop { .. } | Event::Halt { .. } => {
                let was = self.active.remove(instance).ok_or("a run ends that hasn't begun")?;
                self.just_ended.insert(instance.clone());
                if let Some(instant) = was.natural.filter(|_| *event == Event::Success) {
                    self.taken.completed.insert((instance.workflow().clone(), instant));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks a natural trigger; returns its instant.
    fn natural(&mut self, instance: &InstanceId, missed: bool) -> Result<DateTime<Utc>, String> {
        let paced = self.missed(instance.workflow()) >= self.catch_up;
        let plan = self.plans.get(instance.workflow()).ok_or("a workflow that isn't there fires")?;
        if paced {
            return Err(format!("{instance} doesn't wait for its pace"));
        }
        let next = plan.natural(instance.workflow());
        if next.instance != *instance {
            return Err(format!("{instance} fires, and {} is next", next.instance));
        }
        let taken = (instance.workflow().clone(), next.cursor.instant);
        if self.taken.completed.contains(&taken) {
            return Err(format!("{instance} fires again after it was completed"));
        }
        let is_wanted_again = next.debt.is_none() && plan.chosen;
        if self.taken.triggered.contains(&taken) && !is_wanted_again {
            return Err(format!("{instance} fires again"));
        }
        let overtaken = plan.is_overtaken(&next, self.now.natural().unwrap_or(self.now.at));
        if missed != overtaken {
            return Err(format!("{instance} says missed={missed}, and that it was overtaken is {overtaken}"));
        }
        self.taken.triggered.insert(taken);
        self.fired = Some(instance.clone());
        Ok(next.cursor.instant)
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
        let moves = matches!(
            &record.fact,
            Fact::Workflow(_, WorkflowEvent::CursorMoved { .. } | WorkflowEvent::OwedMoved { .. })
        );
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
            let workflow = &view.world.workflows()[id];
            let owed = workflow.owed.iter().map(|owed| (owed.since, owed.next, owed.until));
            if !owed.eq(plan.owed.iter().map(|debt| (debt.since, debt.next, debt.until))) {
                return Err(format!("{id} should owe {:?}, and owes {:?}", plan.owed, workflow.owed));
            }
            let cursor = workflow.cursor;
            if cursor != Some(plan.next) {
                return Err(format!("{id} should fire {:?} next, and its cursor is {cursor:?}", plan.next));
            }
            let waits = !view.settled || !plan.enabled || !self.scheduling || self.missed(id) >= self.catch_up;
            let next = plan.natural(id).cursor;
            if !waits && Some(next.fires_at) <= view.clock.natural() {
                return Err(format!("{id} should have fired {next:?} by {:?}", view.clock));
            }
        }
        Ok(())
    }
}
