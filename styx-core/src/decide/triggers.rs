//! Triggers: when a run begins, by schedule (spec (a)) or because somebody asked (E-26).

use std::sync::Arc;

use super::{
    BOUND, Context, Decisions, Plan, Refusal, Reply,
    admission::{self, Room},
    unfit,
};
use crate::{
    event::{Event, Trigger, TriggerParameters},
    extensions::Extensions,
    id::{InstanceId, WorkflowId, generated_id},
    now::Now,
    record::{Cause, Cursor, CursorMove, Fact, Runs, WorkflowEvent},
    run::State,
    schedule::{Nearest, Offset, Schedule},
    world::{TriggerKind, Workflow, World},
};

/// The instances whose natural trigger a decision at `now` may fire.
pub(super) fn due_instances(world: &World, now: Now) -> Vec<InstanceId> {
    let due = now.natural().into_iter().flat_map(|until| world.index().natural(until)).take(BOUND);
    due.filter_map(|id| natural_instance(id, world.workflows().get(id)?)).collect()
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
            fire(context, id, workflow, &mut room, out);
        }
    }
}

fn fire(context: Context<'_>, id: &WorkflowId, workflow: &Workflow, room: &mut Room<'_>, out: &mut Decisions) {
    let Context { world, facts, now, .. } = context;
    let (Some(cursor), Some((schedule, offset))) = (workflow.cursor, schedule_of(workflow)) else {
        // A schedule that this version can't read any more fires no more, and the log says so.
        move_cursor(id, None, CursorMove::Edited, Cause::Engine, out);
        return;
    };
    let instance = InstanceId::new(id.clone(), schedule.parameter(cursor.instant));
    let next = schedule.following(&offset, cursor.instant).map(Cursor::from);
    let completed = facts.of(&instance, TriggerKind::Natural).is_some_and(|row| row.0.state == State::Done);
    let why = if workflow.spec.runs != Runs::Image {
        CursorMove::NoExecution
    } else if world.runs().contains_key(&instance) {
        CursorMove::AlreadyActive
    } else if completed {
        CursorMove::AlreadyCompleted
    } else {
        CursorMove::Triggered
    };
    if why != CursorMove::Triggered {
        return move_cursor(id, next, why, Cause::Schedule, out);
    }
    let missed = next.is_some_and(|next| next.fires_at <= now.present());
    let trigger = Event::TriggerExecution {
        trigger: Trigger::Natural,
        parameters: TriggerParameters::default(),
        missed,
        extensions: Extensions::default(),
    };
    let lives = world.index().living(&instance).is_some();
    let mut plan = Plan::of_new(context, instance, trigger, Cause::Schedule);
    plan.also(Fact::Workflow(
        id.clone(),
        WorkflowEvent::CursorMoved { to: next, why, extensions: Extensions::default() },
    ));
    if !lives && room.allows(&workflow.spec.resources) && plan.admit(Some(workflow)) {
        room.take(&workflow.spec.resources);
    }
    plan.commit(out);
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
    if let Some(refusal) = unfit(world.config(), workflow) {
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

/// Drafts a move of a cursor.
pub(super) fn move_cursor(id: &WorkflowId, to: Option<Cursor>, why: CursorMove, cause: Cause, out: &mut Decisions) {
    out.draft(
        Fact::Workflow(id.clone(), WorkflowEvent::CursorMoved { to, why, extensions: Extensions::default() }),
        cause,
    );
}

fn natural_instance(id: &WorkflowId, workflow: &Workflow) -> Option<InstanceId> {
    let (schedule, _) = schedule_of(workflow)?;
    Some(InstanceId::new(id.clone(), schedule.parameter(workflow.cursor?.instant)))
}
