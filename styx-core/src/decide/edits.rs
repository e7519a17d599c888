//! Edits of schedule and offset: what was due under the old ones is still owed, and what is neither due nor owed any more is
//! said (ADR 12).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Context, Request, triggers::names};
use crate::{
    event::Trigger,
    graph::State,
    id::WorkflowId,
    record::{Cursor, SkipReason, WorkflowEvent},
    schedule::{Instants, Offset, Schedule},
    stored_workflow::WorkflowSpec,
    world::{Finished, MAX_OWED, RowKey, TriggerKind, Workflow, World, due},
};

/// The most instants of an edit that are looked up one by one. Of more, those that were triggered before are counted too: a
/// greater count in a record is an upper bound.
pub const LOOKED_UP: u64 = 64;

/// The triggers of an old schedule that an edit decides about.
struct Replaced {
    cursor: Cursor,
    /// Those that are due.
    due: Group,
    /// Those that aren't due, and lie before the first of the new schedule.
    passed_over: Group,
}

/// Some triggers of a schedule.
#[derive(Default)]
struct Group {
    all: Option<Instants>,
    /// Each of them, in the order of the instants; none when there are more than [`LOOKED_UP`].
    listed: Vec<DateTime<Utc>>,
}

impl Group {
    /// Lists the instants that belong to it, if they are few.
    fn new(schedule: &Schedule, all: Option<Instants>, belongs: impl Fn(DateTime<Utc>) -> bool) -> Self {
        let Some(few) = all.filter(|all| all.count <= LOOKED_UP) else { return Self { all, listed: Vec::new() } };
        let instants = std::iter::successors(Some(few.first), |instant| schedule.next(*instant));
        let listed = instants.take_while(|instant| *instant <= few.last).filter(|instant| belongs(*instant)).collect();
        Self { all, listed }
    }

    /// Those that `keeps` keeps; all of them when they aren't listed.
    fn only(&self, keeps: impl Fn(DateTime<Utc>) -> bool) -> Option<Instants> {
        self.all.filter(|all| all.count > LOOKED_UP).or_else(|| self.listed_only(keeps))
    }

    /// Those of the listed that `keeps` keeps.
    fn listed_only(&self, keeps: impl Fn(DateTime<Utc>) -> bool) -> Option<Instants> {
        let kept: Vec<_> = self.listed.iter().copied().filter(|instant| keeps(*instant)).collect();
        Some(Instants { first: *kept.first()?, last: *kept.last()?, count: kept.len() as u64 })
    }
}

impl Replaced {
    /// `None` when the workflow has no natural triggers: it is disabled, or its schedule has ended.
    fn of(before: &Workflow, first: Cursor, now: DateTime<Utc>) -> Option<Self> {
        let cursor = before.cursor.filter(|_| before.enabled)?;
        let (schedule, offset) = before.spec.triggers().ok()?;
        let place = |instant| (offset.add_to(instant), instant);
        let all = due(&schedule, &offset, cursor, now);
        let pending = match all {
            None => Some(cursor.instant),
            Some(_) => later(&schedule, &offset, cursor, now),
        };
        // When the cursor fires is what it says.
        let due = Group::new(&schedule, all, |instant| {
            let is_later = place(instant) > place(cursor.instant);
            instant == cursor.instant || (is_later && offset.add_to(instant).is_some_and(|at| at <= now))
        });
        let passed_over = pending.map(|pending| {
            let all = schedule.passed_over(&offset, pending, first.instant);
            Group::new(&schedule, all, |instant| place(instant) >= place(pending))
        });
        Some(Self { cursor, due, passed_over: passed_over.unwrap_or_default() })
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
    let is_open =
        |instant: DateTime<Utc>| triggered(context, id, instant) == Triggered::No && !is_owed(before, instant);
    let mut events = Vec::new();
    if let Some(Instants { first, last, count }) = old.due.only(is_open) {
        events.push(if before.owed.len() < MAX_OWED {
            let WorkflowSpec { schedule, offset, .. } = &before.spec;
            let (schedule, offset) = (schedule.clone(), offset.clone());
            WorkflowEvent::Owed { schedule, offset, next: old.cursor, until: now, count }
        } else {
            WorkflowEvent::CursorSkipped { first, last, count, reason: SkipReason::TooManyOwed }
        });
    }
    // An operator wanted them again, and what is owed is triggered once.
    let wanted =
        |instant: DateTime<Utc>| triggered(context, id, instant) == Triggered::NotDone && !is_owed(before, instant);
    let no_longer_wanted = old.due.listed_only(wanted).filter(|_| before.chosen_cursor);
    for skipped in [no_longer_wanted, old.passed_over.only(is_open)].into_iter().flatten() {
        let Instants { first, last, count } = skipped;
        events.push(WorkflowEvent::CursorSkipped { first, last, count, reason: SkipReason::Edited });
    }
    events
}

/// What became of an instant's natural trigger.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Triggered {
    No,
    /// It is active, or came to a good end.
    Yes,
    /// It came to another end.
    NotDone,
}

fn triggered(context: Context<'_>, id: &WorkflowId, instant: DateTime<Utc>) -> Triggered {
    let mut found = Triggered::No;
    for name in names(id, instant) {
        let run = context.world.runs().get(&name);
        let is_active = run.is_some_and(|run| run.trigger == Some(Trigger::Natural));
        match context.facts.of(&name, TriggerKind::Natural) {
            _ if is_active => return Triggered::Yes,
            Some(Finished(run)) if run.state == State::Done => return Triggered::Yes,
            Some(_) => found = Triggered::NotDone,
            None => {}
        }
    }
    found
}

/// Whether an instant is still to be triggered under an earlier schedule.
fn is_owed(workflow: &Workflow, instant: DateTime<Utc>) -> bool {
    workflow.owed.iter().any(|owed| owed.holds(instant))
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
        let instants = old.due.listed.iter().chain(&old.passed_over.listed);
        let instances = instants.flat_map(|instant| names(id, *instant));
        rows.extend(instances.map(|name| RowKey::Finished(name, TriggerKind::Natural)));
    }
    rows.into_iter().collect()
}
