//! Triggers: when a run begins, by schedule (spec (a)) or because somebody asked (E-26).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    BOUND, Context, Decisions, Plan, Refusal, Reply,
    admission::{self, Room},
    finished_rows,
};
use crate::{
    eligibility::workflow_obstacle,
    event::{Event, Trigger, TriggerParameters},
    extensions::Extensions,
    graph::State,
    id::{InstanceId, WorkflowId, generated_id},
    now::Now,
    record::{Cause, Cursor, CursorMove, Fact, WorkflowEvent},
    schedule::{Nearest, Offset, Schedule},
    stored_workflow::Runs,
    world::{Natural, Owed, RowKey, TriggerKind, Workflow, World},
};

/// What a decision at `now` about natural triggers must see: all finished runs of the instances that it may trigger, and
/// the natural ones of those that their instants can have been.
pub(super) fn due_rows(world: &World, now: Now) -> Vec<RowKey> {
    let due = now.natural().into_iter().flat_map(|until| world.index().natural(until)).take(BOUND);
    let due = due.filter_map(|id| natural_instance(id, world.workflows().get(id)?));
    due.flat_map(|(instance, instant)| {
        let others = names(instance.workflow(), instant).filter(|other| *other != instance);
        let others: Vec<_> = others.map(|other| RowKey::Finished(other, TriggerKind::Natural)).collect();
        finished_rows(instance).chain(others)
    })
    .collect()
}

/// The instance that a request means; `None` when there is no such workflow or the parameter can't be read.
pub(super) fn asked_instance(world: &World, workflow: &WorkflowId, parameter: &str) -> Option<InstanceId> {
    let schedule = schedule_of(world.workflows().get(workflow)?)?.0;
    let instant = schedule.parse_parameter(parameter).ok()?;
    Some(InstanceId::new(workflow.clone(), schedule.parameter(instant)))
}

/// Fires the natural triggers that are due: for each workflow its oldest instant, and the cursor moves on in the same batch.
pub(super) fn due(context: Context<'_>, out: &mut Decisions) {
    let Some(until) = context.now.natural() else {
        return;
    };
    let mut room = Room::new(context);
    for id in context.world.index().natural(until).take(BOUND) {
        if let Some(workflow) = context.world.workflows().get(id) {
            fire(context, id, workflow, until, &mut room, out);
        }
    }
}

/// Fires the next natural trigger of a workflow; `until` is the time up to which triggers fire.
fn fire(
    context: Context<'_>,
    id: &WorkflowId,
    workflow: &Workflow,
    until: DateTime<Utc>,
    room: &mut Room<'_>,
    out: &mut Decisions,
) {
    let world = context.world;
    let Some(due) = workflow.next_natural() else { return };
    let triggers = due.owed.map_or_else(|| workflow.spec.triggers(), Owed::triggers);
    let Ok((schedule, offset)) = triggers else {
        // A schedule that this version can't read any more fires no more, and the log says so.
        let moved = moved(id, due, None, CursorMove::Edited);
        return out.draft(moved, Cause::Engine);
    };
    let instance = InstanceId::new(id.clone(), schedule.parameter(due.cursor.instant));
    let next = match due.owed {
        Some(owed) => owed.following(&schedule, &offset),
        None => schedule.following(&offset, due.cursor.instant).map(Cursor::from),
    };
    let why = if workflow.spec.runs == Runs::Image {
        before(context, &instance, workflow, due).unwrap_or(CursorMove::Triggered)
    } else {
        CursorMove::NoExecution
    };
    if why != CursorMove::Triggered {
        return out.draft(moved(id, due, next, why), Cause::Schedule);
    }
    let overtaken_at = next.map(|next| next.fires_at).into_iter().chain(workflow.other_natural_at(due)).min();
    let missed = overtaken_at.is_some_and(|at| at <= until);
    let trigger = Event::TriggerExecution {
        trigger: Trigger::Natural,
        parameters: TriggerParameters::default(),
        missed,
        extensions: Extensions::default(),
    };
    let lives = world.index().living(&instance).is_some();
    let mut plan = Plan::of_new(context, instance, trigger, Cause::Schedule);
    plan.also(moved(id, due, next, why));
    if !lives && room.allows(&workflow.spec.resources) && plan.admit(Some(workflow)) {
        room.take(&workflow.spec.resources);
    }
    plan.commit(out);
}

/// Why a due instant isn't triggered: its instance is active, or it was triggered naturally before, under whichever name.
fn before(context: Context<'_>, instance: &InstanceId, workflow: &Workflow, due: Natural<'_>) -> Option<CursorMove> {
    let runs = context.world.runs();
    if runs.contains_key(instance) {
        return Some(CursorMove::AlreadyActive);
    }
    let is_wanted_again = due.owed.is_none() && workflow.chosen_cursor;
    let naturally = |name: InstanceId| {
        if runs.get(&name).is_some_and(|run| run.trigger == Some(Trigger::Natural)) {
            return Some(CursorMove::AlreadyTriggered);
        }
        match context.facts.of(&name, TriggerKind::Natural)?.0.state {
            State::Done => Some(CursorMove::AlreadyCompleted),
            _ if is_wanted_again => None,
            _ => Some(CursorMove::AlreadyTriggered),
        }
    };
    let names: Vec<_> = names(instance.workflow(), due.cursor.instant).filter_map(naturally).collect();
    let completed = names.contains(&CursorMove::AlreadyCompleted).then_some(CursorMove::AlreadyCompleted);
    completed.or_else(|| names.first().copied())
}

/// The instances that an instant can have been, by whatever schedule the workflow had.
pub(super) fn names(workflow: &WorkflowId, instant: DateTime<Utc>) -> impl Iterator<Item = InstanceId> {
    Schedule::names(instant).map(|name| InstanceId::new(workflow.clone(), name))
}

/// That the next natural trigger of the same schedule is another one.
fn moved(id: &WorkflowId, due: Natural<'_>, to: Option<Cursor>, why: CursorMove) -> Fact {
    let event = match due.owed {
        Some(owed) => WorkflowEvent::OwedMoved { owed: owed.since, to, why },
        None => WorkflowEvent::CursorMoved { to, why, extensions: Extensions::default() },
    };
    Fact::Workflow(id.clone(), event)
}

/// What a request for a run says.
pub(super) struct Asked<'a> {
    pub(super) workflow: &'a WorkflowId,
    pub(super) parameter: &'a Arc<str>,
    pub(super) parameters: &'a TriggerParameters,
    pub(super) allow_future: bool,
}

/// Begins a run because somebody asked for it. The workflow need not be enabled, and its cursor stays.
pub(super) fn asked(
    context: Context<'_>,
    asked: Asked<'_>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let Context { world, facts, now, seed } = context;
    let workflow = world.workflows().get(asked.workflow).ok_or(Refusal::TriggerOfUnknownWorkflow)?;
    if let Some(refusal) = workflow_obstacle(world.config(), asked.workflow, workflow) {
        return Err(refusal);
    }
    let bad = |reason: String| Refusal::BadParameter { parameter: Arc::clone(asked.parameter), reason };
    let (schedule, _) = schedule_of(workflow).ok_or_else(|| bad("the schedule can't be read".to_owned()))?;
    let instant = schedule.parse_parameter(asked.parameter).map_err(|error| {
        // What is nearly right has a partition that may be meant.
        let meant = schedule.partition(asked.parameter).err().filter(|none| *none.nearest() != Nearest::default());
        bad(meant.map_or_else(|| error.to_string(), |none| format!("{error}; {}", none.nearest())))
    })?;
    if instant > now.present() && !asked.allow_future {
        return Err(Refusal::Future);
    }
    let instance = InstanceId::new(asked.workflow.clone(), schedule.parameter(instant));
    if world.runs().contains_key(&instance) {
        return Err(Refusal::AlreadyActive);
    }
    let random = seed.trigger(&instance, facts.next_counter(&instance)) % 100_000;
    let random = u32::try_from(random).unwrap_or_default();
    let trigger_id: Arc<str> = generated_id("ad-hoc-cli", now.at, random).into();
    let trigger = Event::TriggerExecution {
        trigger: Trigger::AdHoc(Arc::clone(&trigger_id)),
        parameters: asked.parameters.clone(),
        missed: false,
        extensions: Extensions::default(),
    };
    let queue_waits = admission::next(world, now.at).is_some();
    let has_room = Room::new(context).allows(&workflow.spec.resources);
    let may_start = !queue_waits && has_room && world.index().living(&instance).is_none();
    let mut plan = Plan::of_new(context, instance.clone(), trigger, cause.clone());
    if may_start {
        plan.admit(Some(workflow));
    }
    plan.commit(out);
    Ok(Reply::Triggered { instance, trigger_id })
}

/// The schedule of a workflow and the offset that counts for it.
pub(super) fn schedule_of(workflow: &Workflow) -> Option<(Schedule, Offset)> {
    workflow.spec.triggers().ok()
}

/// The instance of a workflow's next natural trigger, and its instant.
fn natural_instance(id: &WorkflowId, workflow: &Workflow) -> Option<(InstanceId, DateTime<Utc>)> {
    let Natural { cursor, owed } = workflow.next_natural()?;
    let (schedule, _) = owed.map_or_else(|| workflow.spec.triggers(), Owed::triggers).ok()?;
    Some((InstanceId::new(id.clone(), schedule.parameter(cursor.instant)), cursor.instant))
}
