//! What is due, and in which order: each decision does one kind of thing, the next sees what it led to.

use super::{Context, Decisions, admission, backfills, finished_rows, timeouts, triggers};
use crate::{
    now::Now,
    world::{RowKey, World},
};

/// One kind of thing that is due, in the order in which they are done.
enum Due {
    /// Runs whose time is up.
    Timeouts,
    /// Runs of backfills that were halted with them.
    Halts,
    /// A run that leaves the queue.
    Admission(admission::Next),
    /// Natural triggers.
    Triggers,
    /// Partitions of a backfill.
    Backfill,
    /// Runs that are told what they wait for.
    Tell,
}

fn first(world: &World, now: Now) -> Option<Due> {
    let index = world.index();
    if index.overdue(now.at).next().is_some() {
        return Some(Due::Timeouts);
    }
    if index.halting().next().is_some() {
        return Some(Due::Halts);
    }
    if !world.config().scheduling {
        return None;
    }
    if let Some(next) = admission::next(world, now.at) {
        return Some(Due::Admission(next));
    }
    if now.natural().is_some_and(|until| index.natural(until).next().is_some()) {
        return Some(Due::Triggers);
    }
    if index.advancing().next().is_some() {
        return Some(Due::Backfill);
    }
    index.queue().untold(now.at).next().map(|_| Due::Tell)
}

/// The rows of finished runs that the next decision must see.
pub(super) fn rows(world: &World, now: Now) -> Vec<RowKey> {
    match first(world, now) {
        Some(Due::Triggers) => triggers::due_rows(world, now),
        Some(Due::Backfill) => backfills::due_instances(world).into_iter().flat_map(finished_rows).collect(),
        _ => Vec::new(),
    }
}

/// Does what comes first of what is due.
pub(super) fn due(context: Context<'_>, out: &mut Decisions) {
    match first(context.world, context.now) {
        Some(Due::Timeouts) => timeouts::due(context, out),
        Some(Due::Halts) => backfills::halt_runs(context, out),
        Some(Due::Admission(next)) => admission::due(context, &next, out),
        Some(Due::Triggers) => triggers::due(context, out),
        Some(Due::Backfill) => backfills::due(context, out),
        Some(Due::Tell) => admission::tell(context, out),
        None => {}
    }
    out.again = !out.drafts.is_empty();
}
