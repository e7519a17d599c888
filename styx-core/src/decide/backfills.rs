//! Backfills: made, edited, halted, and moved on from partition to partition (spec (b), E-18 to E-22).

use std::{cmp::Ordering, sync::Arc};

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{BOUND, Context, Decisions, Plan, Refusal, Reply, operator::actor};
use crate::{
    eligibility::workflow_obstacle,
    event::{Event, Trigger, TriggerParameters},
    extensions::Extensions,
    id::{InstanceId, WorkflowId, generated_id},
    record::{BackfillEvent, BackfillMove, BackfillSpec, Bounds, Cause, Fact},
    schedule::Schedule,
    world::{Backfill, World},
};

/// The most partitions that one decision triggers or passes over (BF-6).
const PARTITIONS: usize = 10;

/// How many active partitions a refusal names.
const MAX_NAMED: usize = 20;

/// What a request for a backfill says.
pub(super) struct Asked<'a> {
    pub(super) workflow: &'a WorkflowId,
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
    pub(super) concurrency: u32,
    pub(super) reverse: bool,
    pub(super) description: &'a Option<Arc<str>>,
    pub(super) parameters: &'a Option<TriggerParameters>,
    pub(super) allow_future: bool,
}

/// Makes a backfill; its partitions are triggered by the decisions that follow (E-19).
pub(super) fn create(
    context: Context<'_>,
    asked: &Asked<'_>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let Context { world, now, .. } = context;
    let present = now.present();
    let &Asked { start, end, concurrency, reverse, .. } = asked;
    let workflow = world.workflows().get(asked.workflow).ok_or(Refusal::UnknownWorkflow)?;
    match workflow_obstacle(world.config(), asked.workflow, workflow) {
        Some(Refusal::NotRunnable) => return Err(Refusal::BackfillNotRunnable),
        Some(refusal) => return Err(refusal),
        None => {}
    }
    let schedule = &workflow.spec.schedule;
    let calendar = Schedule::parse(schedule).map_err(|error| Refusal::BadSchedule(error.to_string()))?;
    match start.cmp(&end) {
        Ordering::Less => {}
        Ordering::Equal => return Err(Refusal::NothingInRange),
        Ordering::Greater => return Err(Refusal::EmptyRange),
    }
    for (instant, name) in [(start, "start"), (end, "end")] {
        Bounds::time(name, instant)?;
        if !calendar.is_aligned(instant) {
            return Err(Refusal::Unaligned { name, nearest: calendar.nearest(instant) });
        }
    }
    if reverse && calendar.previous(start).is_none_or(|before| before.year() < 0) {
        return Err(Refusal::NothingBefore);
    }
    let last = calendar.previous(end).ok_or(Refusal::NoInstant)?;
    if !asked.allow_future && last > present {
        return Err(Refusal::FutureBackfill);
    }
    let active = active_in(world, asked.workflow, &calendar, start, end);
    if !active.is_empty() {
        return Err(Refusal::PartitionsActive { partitions: active.join(", ") });
    }
    let spec = BackfillSpec {
        workflow: asked.workflow.clone(),
        start,
        end,
        reverse,
        schedule: Arc::clone(schedule),
        concurrency,
        description: asked.description.clone(),
        parameters: asked.parameters.clone(),
        first: if reverse { last } else { start },
    };
    let id = new_id(context, asked.workflow);
    out.draft_asked(fact(&id, BackfillEvent::Created(Arc::new(spec))), cause);
    Ok(Reply::BackfillCreated { id })
}

/// An id that no backfill has.
fn new_id(context: Context<'_>, workflow: &WorkflowId) -> Arc<str> {
    const IDS: u64 = 100_000;
    let Context { world, now, seed, .. } = context;
    let drawn = seed.backfill(workflow, world.tail());
    let ids = (0..IDS).map(|n| generated_id("backfill", now.at, u32::try_from((drawn % IDS + n) % IDS).unwrap_or(0)));
    let mut free = ids.filter(|id| !world.backfills().contains_key(id.as_str()));
    free.next().unwrap_or_else(|| format!("backfill-{}-{}", now.at.timestamp_millis(), world.tail())).into()
}

/// Parameters of the active instances in a range, in the order of time; of many only the first.
fn active_in(
    world: &World,
    workflow: &WorkflowId,
    schedule: &Schedule,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Vec<String> {
    let instance = |at| InstanceId::new(workflow.clone(), schedule.parameter(at));
    let (first, last) = (instance(start), instance(end));
    // Names of one form are in the order of time; those of years without four digits aren't, and have no partitions.
    if last < first {
        return Vec::new();
    }
    let is_its_own = |id: &InstanceId| {
        let instant = schedule.partition(id.parameter());
        instant.is_ok_and(|at| (start..end).contains(&at) && schedule.parameter(at) == id.parameter())
    };
    let mut active = world.runs().range(first..last).map(|(id, _)| id).filter(|id| is_its_own(id));
    let mut parameters: Vec<_> = active.by_ref().take(MAX_NAMED).map(|id| id.parameter().to_owned()).collect();
    if active.next().is_some() {
        parameters.push("and others".to_owned());
    }
    parameters
}

/// Changes what may be changed, also of one that is done (E-21).
pub(super) fn edit(
    context: Context<'_>,
    id: &Arc<str>,
    concurrency: Option<u32>,
    description: &Option<Arc<str>>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let backfill = context.world.backfills().get(id);
    let backfill = backfill.ok_or_else(|| Refusal::EditOfUnknownBackfill { id: Arc::clone(id) })?;
    known_workflow(context, backfill)?;
    out.draft_asked(fact(id, BackfillEvent::Edited { concurrency, description: description.clone() }), cause);
    Ok(Reply::Done)
}

/// Halts a backfill, and its active runs too unless `graceful` (E-22).
pub(super) fn halt(
    context: Context<'_>,
    id: &Arc<str>,
    graceful: bool,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let backfill = context.world.backfills().get(id).ok_or(Refusal::HaltOfUnknownBackfill)?;
    known_workflow(context, backfill)?;
    let reason = format!("halted by {}", actor(cause)).into();
    out.draft_asked(fact(id, BackfillEvent::Halted { runs: !graceful, reason }), cause);
    Ok(Reply::Done)
}

fn known_workflow(context: Context<'_>, backfill: &Backfill) -> Result<(), Refusal> {
    let is_known = context.world.workflows().contains_key(&backfill.spec.workflow);
    if is_known { Ok(()) } else { Err(Refusal::UnknownWorkflow) }
}

/// Halts the open backfills of a workflow that is deleted (BF-8).
pub(super) fn workflow_deleted(context: Context<'_>, workflow: &WorkflowId, cause: &Cause, out: &mut Decisions) {
    for id in context.world.index().open_backfills(workflow) {
        let halted = BackfillEvent::Halted { runs: false, reason: "workflow deleted".into() };
        out.draft_asked(fact(id, halted), cause);
    }
}

/// Halts active runs of a backfill that was halted with them.
pub(super) fn halt_runs(context: Context<'_>, out: &mut Decisions) {
    let Some(id) = context.world.index().halting().next() else {
        return;
    };
    let reason = context.world.backfills().get(id).and_then(|backfill| backfill.halted.as_deref()).unwrap_or("halted");
    for instance in context.world.index().runs_of_backfill(id).take(BOUND) {
        if let Some(mut plan) = Plan::of_active(context, instance, Cause::Engine) {
            plan.push(Event::Halt { reason: Some(format!("{id} {reason}").into()) });
            plan.commit(out);
        }
    }
}

/// The instances that the next decision about backfills may trigger.
pub(super) fn due_instances(world: &World) -> Vec<InstanceId> {
    let backfill = world.index().advancing().next().and_then(|id| world.backfills().get(id));
    let steps =
        backfill.and_then(|backfill| Some(Steps { calendar: calendar(backfill)?, backfill, at: backfill.next }));
    steps.into_iter().flatten().take(PARTITIONS).map(|step| step.instance).collect()
}

/// Moves one backfill on: triggers its next partitions, as many as may be active, each in one batch with the move (BF-11).
pub(super) fn due(context: Context<'_>, out: &mut Decisions) {
    let Context { world, .. } = context;
    let Some((id, backfill)) = world.index().advancing().next().and_then(|id| Some((id, world.backfills().get(id)?)))
    else {
        return;
    };
    // Every partition would be halted before it begins, one after the other, until none is left.
    let runnable = match world.workflows().get(&backfill.spec.workflow) {
        None => Err("workflow deleted".to_owned()),
        Some(workflow) => match workflow_obstacle(world.config(), &backfill.spec.workflow, workflow) {
            Some(refusal) => Err(format!("halted: {refusal}")),
            None => calendar(backfill).ok_or_else(|| "halted: its schedule can't be read".to_owned()),
        },
    };
    let calendar = match runnable {
        Ok(calendar) => calendar,
        Err(reason) => {
            return out.draft(fact(id, BackfillEvent::Halted { runs: false, reason: reason.into() }), Cause::Engine);
        }
    };
    let active = world.index().runs_of_backfill(id).len();
    let mut free = (backfill.concurrency as usize).saturating_sub(active);
    for step in (Steps { calendar, backfill, at: backfill.next }).take(PARTITIONS) {
        if free == 0 {
            break;
        }
        let why = if world.runs().contains_key(&step.instance) {
            BackfillMove::AlreadyActive
        } else {
            BackfillMove::Triggered
        };
        let Step { instant, next, is_last, instance } = step;
        let advanced = fact(id, BackfillEvent::Advanced { instant, next, all_triggered: is_last, why });
        if why != BackfillMove::Triggered {
            out.draft(advanced, Cause::Engine);
            continue;
        }
        free -= 1;
        let parameters = backfill.spec.parameters.clone().unwrap_or_default();
        let trigger = Trigger::Backfill(Arc::clone(id));
        let event = Event::TriggerExecution { trigger, parameters, missed: false, extensions: Extensions::default() };
        let mut plan = Plan::of_new(context, instance, event, Cause::Engine);
        plan.also(advanced);
        plan.commit(out);
    }
}

fn calendar(backfill: &Backfill) -> Option<Schedule> {
    Schedule::parse(&backfill.spec.schedule).ok()
}

fn fact(id: &Arc<str>, event: BackfillEvent) -> Fact {
    Fact::Backfill(Arc::clone(id), event)
}

/// The partitions that come next, in the order of the backfill.
struct Steps<'a> {
    calendar: Schedule,
    backfill: &'a Backfill,
    at: DateTime<Utc>,
}

/// One partition.
struct Step {
    instant: DateTime<Utc>,
    instance: InstanceId,
    next: DateTime<Utc>,
    is_last: bool,
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let BackfillSpec { workflow, start, end, reverse, .. } = &self.backfill.spec;
        if !(*start..*end).contains(&self.at) {
            return None;
        }
        let instance = InstanceId::new(workflow.clone(), self.calendar.parameter(self.at));
        let next = match reverse {
            false => self.calendar.next(self.at).filter(|next| next < end).unwrap_or(*end),
            true => self
                .calendar
                .previous(self.at)
                .unwrap_or_else(|| start.checked_sub_signed(TimeDelta::minutes(1)).unwrap_or(*start)),
        };
        let instant = std::mem::replace(&mut self.at, next);
        // At the edge of the calendar there is nothing before the first instant.
        let is_last = next == instant || !(*start..*end).contains(&next);
        Some(Step { instant, instance, next, is_last })
    }
}
