//! Time-outs: runs that have been in SUBMITTING, SUBMITTED or RUNNING for too long fail (spec SM §21, W-2).

use super::{BOUND, Context, Decisions, Plan};
use crate::{event::Event, record::Cause};

/// Fails the runs whose time is up. Their executions live on until they are stopped.
pub(super) fn due(context: Context<'_>, out: &mut Decisions) {
    let Context { world, now, .. } = context;
    for instance in world.index().overdue(now.at).take(BOUND) {
        if let Some(mut plan) = Plan::of_active(context, instance, Cause::Timer) {
            let reason = format!("in {} since {}", plan.run().state, plan.run().since.format("%Y-%m-%dT%H:%M:%SZ"));
            plan.push(Event::Timeout { reason: Some(reason.into()) });
            plan.judge();
            plan.commit(out);
        }
    }
}
