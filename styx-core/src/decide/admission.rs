//! Admission: which queued runs go on, the one that waits longest first, while executions more may live.

use super::{BOUND, Context, Decisions, Plan};
use crate::record::Cause;

/// What admission left over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    /// How many executions more may live.
    pub(super) free: usize,
    /// Runs are still waiting that could go on if more executions might live, or next time.
    pub(super) queue_waits: bool,
}

/// Begins executions of the runs that are ready.
pub(super) fn due(context: Context<'_>, out: &mut Decisions) -> Admitted {
    let Context { world, now, .. } = context;
    let config = world.config();
    let mut free = world.index().free_slots(config);
    if !config.scheduling {
        return Admitted { free: 0, queue_waits: true };
    }
    let mut ready = world.index().ready(now);
    for _ in 0..BOUND {
        if free == 0 {
            break;
        }
        let Some(instance) = ready.next() else {
            return Admitted { free, queue_waits: false };
        };
        // Overdue runs are no longer queued, and a queued run is in no other plan of this decision.
        if let Some(mut plan) = Plan::of_active(context, instance, Cause::Timer) {
            if plan.admit(world.workflows().get(instance.workflow())) {
                free -= 1;
            }
            plan.commit(out);
        }
    }
    Admitted { free, queue_waits: ready.next().is_some() }
}

/// Whether a run that begins now may go on at once: nobody waits before it, and one execution more may live.
pub(super) fn may_start_at_once(context: Context<'_>) -> bool {
    let Context { world, now, .. } = context;
    let config = world.config();
    config.scheduling && world.index().free_slots(config) > 0 && world.index().ready(now).next().is_none()
}
