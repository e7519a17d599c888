//! What operators do to active runs and their executions: halt, retry, time-out, end (spec SM §23).

use super::{Context, Decisions, Plan, Refusal, Reply};
use crate::{
    event::{Event, FailureClass},
    execution::Ending,
    id::{ExecutionId, InstanceId},
    record::{Cause, ExecutionEvent, Fact},
};

/// Ends an active run. Of an inactive one nothing happens (W-10).
pub(super) fn halt(
    context: Context<'_>,
    instance: &InstanceId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let event = Event::Halt { reason: Some(format!("halted by {}", actor(cause)).into()) };
    let reply = inject(context, instance, event, cause, out)?;
    if reply == Reply::Done {
        end_out_of_reach(context, instance, out);
    }
    Ok(reply)
}

/// Declares the living execution of a run that is halted over if its executor isn't configured: nobody could stop it, and it would
/// hold up its instance for ever. Once the executor is configured again it is removed there, and ended before.
fn end_out_of_reach(context: Context<'_>, instance: &InstanceId, out: &mut Decisions) {
    let Context { world, .. } = context;
    let living = world.index().living(instance).and_then(|id| Some((id, world.executions().get(id)?)));
    if let Some((id, _)) = living.filter(|(_, execution)| !world.config().has_executor(&execution.runner)) {
        out.draft(Fact::Execution(id.clone(), ExecutionEvent::Ended(Ending::Operator)), Cause::Decision);
    }
}

/// Puts a run that waits or has failed back into the queue. Of an inactive one nothing happens (W-10).
pub(super) fn retry(
    context: Context<'_>,
    instance: &InstanceId,
    delay_millis: i64,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    inject(context, instance, Event::RetryAfter { delay_millis }, cause, out)
}

/// Fails a run as if its time were up (E-29).
pub(super) fn timeout(
    context: Context<'_>,
    instance: &InstanceId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let event = Event::Timeout { reason: Some(format!("timed out by {}", actor(cause)).into()) };
    inject(context, instance, event, cause, out)
}

/// Declares an execution over; a run that still follows it fails as if the execution was lost.
pub(super) fn end_execution(
    context: Context<'_>,
    id: &ExecutionId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let execution = context.world.executions().get(id).filter(|execution| execution.is_alive());
    let execution = execution.ok_or_else(|| Refusal::NoSuchExecution { execution: id.clone() })?;
    if context.world.is_followed(id)
        && let Some(mut plan) = Plan::of_active(context, &execution.instance, cause.clone())
    {
        let message = format!("the execution was declared over by {}", actor(cause)).into();
        plan.fail(id, Ending::Operator, &message, FailureClass::Infrastructure);
        plan.commit(out);
    } else {
        out.draft_asked(Fact::Execution(id.clone(), ExecutionEvent::Ended(Ending::Operator)), cause);
    }
    Ok(Reply::Done)
}

fn inject(
    context: Context<'_>,
    instance: &InstanceId,
    event: Event,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let plan = Plan::of_active(context, instance, cause.clone());
    // A deleted workflow's run can still be halted: Styx 2.x answers 404 and leaves no way to end it.
    if plan.is_none() && !context.world.workflows().contains_key(instance.workflow()) {
        return Err(Refusal::UnknownWorkflow);
    }
    let Some(mut plan) = plan else {
        return Ok(Reply::Nothing);
    };
    plan.try_push(event).map_err(|transition| Refusal::Illegal { instance: instance.clone(), transition })?;
    plan.judge();
    plan.commit(out);
    Ok(Reply::Done)
}

/// Who asked.
pub(super) fn actor(cause: &Cause) -> &str {
    match cause {
        Cause::Operator(operator) => &operator.actor,
        _ => "the engine",
    }
}
