//! Edits of schedule and offset: what was due under the old ones is still owed, and what is neither due nor owed any more is
//! said (ADR 12).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Context, Request, triggers::names};
use crate::{
    event::Trigger,
    id::WorkflowId,
    record::{Cursor, SkipReason, WorkflowEvent, WorkflowSpec},
    schedule::{Instants, Offset, Schedule},
    world::{MAX_OWED, RowKey, TriggerKind, Workflow, World, due},
};

/// The most instants of an edit that are looked up one by one: in what is more, those that were triggered before aren't
/// told apart.
const LOOKED_UP: usize = 64;

/// The triggers of an old schedule that an edit decides about.
struct Replaced {
    schedule: Schedule,
    offset: Offset,
    cursor: Cursor,
    /// Those that are due.
    due: Option<Instants>,
    /// Those that aren't due, and lie before the first of the new schedule.
    passed_over: Option<Instants>,
}

impl Replaced {
    /// `None` when the workflow has no natural triggers: it is disabled, or its schedule has ended.
    fn of(before: &Workflow, first: Cursor, now: DateTime<Utc>) -> Option<Self> {
        let cursor = before.cursor.filter(|_| before.enabled)?;
        let (schedule, offset) = before.spec.triggers().ok()?;
        let due = due(&schedule, &offset, cursor, now);
        let pending = match due {
            None => Some(cursor.instant),
            Some(_) => later(&schedule, &offset, cursor, now),
        };
        let passed_over = pending.and_then(|pending| schedule.passed_over(&offset, pending, first.instant));
        Some(Self { schedule, offset, cursor, due, passed_over })
    }

    /// The instants of some that it decides about, if they are few.
    fn listed(&self, all: Option<Instants>, is_due: bool, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let Some(all) = all.filter(|all| all.count <= LOOKED_UP as u64) else { return Vec::new() };
        let place = |instant| (self.offset.add_to(instant), instant);
        let start = place(self.cursor.instant);
        let instants = std::iter::successors(Some(all.first), |instant| self.schedule.next(*instant));
        instants
            .take_while(|instant| *instant <= all.last)
            .filter(|instant| {
                let fires_at = if *instant == self.cursor.instant {
                    Some(self.cursor.fires_at)
                } else {
                    self.offset.add_to(*instant)
                };
                place(*instant) >= start && fires_at.is_some_and(|at| at <= now) == is_due
            })
            .collect()
    }
}

/// The first instant whose trigger comes after the cursor's and after now.
fn later(schedule: &Schedule, offset: &Offset, cursor: Cursor, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let following = schedule.following(offset, cursor.instant)?;
    match following.fires_at > now {
        true => Some(following.instant),
        false => schedule.first_natural(offset, now).map(|first| first.instant),
    }
}

/// What follows, beside the new cursor, when schedule or offset of a workflow are replaced by others whose first trigger is
/// `first`.
pub(super) fn replaced(context: Context<'_>, id: &WorkflowId, before: &Workflow, first: Cursor) -> Vec<WorkflowEvent> {
    let now = context.now.present();
    let Some(old) = Replaced::of(before, first, now) else { return Vec::new() };
    let is_settled = |instant: &DateTime<Utc>| was_triggered(context, id, *instant) || is_owed(before, *instant);
    let mut events = Vec::new();
    if let Some(due) = without(old.due, &old.listed(old.due, true, now), is_settled) {
        let Instants { first, last, count } = due;
        events.push(if before.owed.len() < MAX_OWED {
            let WorkflowSpec { schedule, offset, .. } = &before.spec;
            let (schedule, offset) = (schedule.clone(), offset.clone());
            WorkflowEvent::Owed { schedule, offset, next: old.cursor, until: now, count }
        } else {
            WorkflowEvent::CursorSkipped { first, last, count, reason: SkipReason::TooManyOwed }
        });
    }
    if let Some(passed_over) = without(old.passed_over, &old.listed(old.passed_over, false, now), is_settled) {
        let Instants { first, last, count } = passed_over;
        events.push(WorkflowEvent::CursorSkipped { first, last, count, reason: SkipReason::Edited });
    }
    events
}

/// Some instants without those that are settled already; all of them when none are listed.
fn without(
    all: Option<Instants>,
    listed: &[DateTime<Utc>],
    is_settled: impl Fn(&DateTime<Utc>) -> bool,
) -> Option<Instants> {
    if listed.is_empty() {
        return all;
    }
    let left: Vec<_> = listed.iter().filter(|instant| !is_settled(instant)).collect();
    Some(Instants { first: **left.first()?, last: **left.last()?, count: left.len() as u64 })
}

fn was_triggered(context: Context<'_>, id: &WorkflowId, instant: DateTime<Utc>) -> bool {
    names(id, instant).any(|name| {
        let run = context.world.runs().get(&name);
        run.is_some_and(|run| run.trigger == Some(Trigger::Natural))
            || context.facts.of(&name, TriggerKind::Natural).is_some()
    })
}

/// Whether an instant is still to be triggered under an earlier schedule.
fn is_owed(workflow: &Workflow, instant: DateTime<Utc>) -> bool {
    workflow.owed.iter().any(|owed| {
        let Ok((schedule, offset)) = owed.triggers() else { return false };
        let place = |instant| (offset.add_to(instant), instant);
        let is_due = || offset.add_to(instant).is_some_and(|at| at <= owed.until);
        let is_left = || place(instant) >= place(owed.next.instant) && is_due();
        instant == owed.next.instant || (schedule.is_aligned(instant) && is_left())
    })
}

/// The rows of finished runs that tell what of an edit's instants was triggered before.
pub(super) fn rows(world: &World, request: &Request, now: DateTime<Utc>) -> Vec<RowKey> {
    let stored = match request {
        Request::StoreWorkflow { id, workflow } => vec![(id, workflow)],
        Request::LoadFile { workflows, .. } => workflows.iter().map(|(id, workflow)| (id, workflow)).collect(),
        Request::Expecting { request, .. } => return rows(world, request, now),
        _ => return Vec::new(),
    };
    let mut rows = BTreeSet::new();
    for (id, stored) in stored {
        let Some(before) = world.workflows().get(id).filter(|before| !before.spec.fires_as(&stored.spec)) else {
            continue;
        };
        let Ok(first) = super::first_cursor(&stored.spec, now) else { continue };
        let Some(old) = Replaced::of(before, first, now) else { continue };
        let instants = old.listed(old.due, true, now).into_iter().chain(old.listed(old.passed_over, false, now));
        let instances = instants.flat_map(|instant| names(id, instant));
        rows.extend(instances.map(|name| RowKey::Finished(name, TriggerKind::Natural)));
    }
    rows.into_iter().collect()
}
