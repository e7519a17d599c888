//! What operators do to active runs: halt, retry (spec SM §23).

use super::{Context, Decisions, Plan, Refusal, Reply};
use crate::{event::Event, id::InstanceId, record::Cause};

/// Ends an active run. Of an inactive one nothing happens (W-10).
pub(super) fn halt(
    context: Context<'_>,
    instance: &InstanceId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let event = Event::Halt { reason: Some(format!("halted by {}", actor(cause)).into()) };
    inject(context, instance, event, cause, out)
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
    plan.commit(out);
    Ok(Reply::Done)
}

fn actor(cause: &Cause) -> &str {
    match cause {
        Cause::Operator(operator) => &operator.actor,
        _ => "the engine",
    }
}
