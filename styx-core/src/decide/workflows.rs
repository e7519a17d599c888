//! What happens to workflows: stored, deleted, switched, their cursor set (spec (a) TR-4 to TR-16, E-05, E-06, E-12).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Context, Decisions, Refusal, Reply, backfills, edits};
use crate::{
    eligibility::workflow_obstacle,
    extensions::Extensions,
    id::WorkflowId,
    record::{Bounds, Cause, Cursor, CursorMove, Fact, WorkflowEvent},
    schedule::{OffsetLeadsOut, Schedule},
    stored_workflow::{StoredWorkflow, WorkflowSpec},
    world::{Workflow, digest},
};

/// Creates or replaces a workflow, unless a file defines it.
pub(super) fn store(
    context: Context<'_>,
    id: &WorkflowId,
    stored: &Arc<StoredWorkflow>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    not_of_a_file(context, id)?;
    Ok(match put(context, id, stored, cause, out)? {
        Some(_) => Reply::Stored(Arc::clone(stored)),
        None => Reply::Nothing,
    })
}

/// What is left of a workflow that was replaced.
pub(super) struct Put {
    /// Its cursor, unless schedule or offset came to mean something else.
    pub(super) kept: Option<Cursor>,
    /// The cursor of one that is new now.
    pub(super) first: Cursor,
}

/// Drafts that a workflow is stored; `None` when it is stored as it is already. A new one, or one whose schedule or
/// offset came to mean something else, gets a new cursor (TR-4); what was due under the old ones is still owed (ADR 12).
pub(super) fn put(
    context: Context<'_>,
    id: &WorkflowId,
    stored: &Arc<StoredWorkflow>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Option<Put>, Refusal> {
    let before = context.world.workflows().get(id);
    if before.is_some_and(|before| before.spec == stored.spec && before.json_digest == digest(&stored.json)) {
        return Ok(None);
    }
    let first = first_cursor(&stored.spec, context.now.present())?;
    out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Stored(Arc::clone(stored))), cause);
    let kept = before.filter(|before| before.spec.fires_as(&stored.spec)).and_then(|before| before.cursor);
    if kept.is_none() {
        for event in before.map(|before| edits::replaced(context, id, before, first)).unwrap_or_default() {
            out.draft_asked(Fact::Workflow(id.clone(), event), cause);
        }
        out.draft_asked(moved(id, first, CursorMove::Edited), cause);
    }
    Ok(Some(Put { kept, first }))
}

/// Refuses what the API may not do to a workflow that a file defines: the next look at the file would undo it.
fn not_of_a_file(context: Context<'_>, id: &WorkflowId) -> Result<(), Refusal> {
    match context.world.workflows().get(id).and_then(Workflow::file) {
        Some(path) => Err(Refusal::OwnedByFile { path: Arc::clone(path) }),
        None => Ok(()),
    }
}

/// Removes a workflow, unless a file defines it; its active runs stay.
pub(super) fn delete(
    context: Context<'_>,
    id: &WorkflowId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    if !context.world.workflows().contains_key(id) {
        return Err(Refusal::UnknownWorkflow);
    }
    not_of_a_file(context, id)?;
    out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Deleted), cause);
    backfills::workflow_deleted(context, id, cause, out);
    Ok(Reply::Done)
}

/// What a patch changes; `None` leaves a value as it is.
pub(super) struct Patch {
    pub(super) enabled: Option<bool>,
    pub(super) instant: Option<DateTime<Utc>>,
    pub(super) fires_at: Option<DateTime<Utc>>,
}

/// Changes switch and cursor. Enabling moves a cursor that has passed to the first instant that fires in the future:
/// what was missed while the workflow was disabled is not made up for (TR-12).
pub(super) fn patch(
    context: Context<'_>,
    id: &WorkflowId,
    patch: Patch,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let workflow = context.world.workflows().get(id).ok_or(Refusal::UnknownWorkflow)?;
    let enables = patch.enabled == Some(true) && !workflow.enabled;
    // One that runs nothing may be enabled: its instants are skipped (TR-15).
    let refusal =
        workflow_obstacle(context.world.config(), id, workflow).filter(|refusal| *refusal != Refusal::NotRunnable);
    if let Some(refusal) = refusal.filter(|_| enables) {
        return Err(refusal);
    }
    let passed = workflow.cursor.is_none_or(|cursor| cursor.fires_at <= context.now.present());
    if patch.instant.is_some() || patch.fires_at.is_some() {
        let to = patched_cursor(context, workflow, &patch)?;
        if workflow.cursor != Some(to) {
            out.draft_asked(moved(id, to, CursorMove::Operator), cause);
        }
    } else if enables && passed {
        let first = first_cursor(&workflow.spec, context.now.present())?;
        out.draft_asked(moved(id, first, CursorMove::Enabled), cause);
    }
    if let Some(enabled) = patch.enabled.filter(|enabled| *enabled != workflow.enabled) {
        out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Switched { enabled }), cause);
    }
    Ok(if out.drafts.is_empty() { Reply::Nothing } else { Reply::Done })
}

/// The cursor that a patch asks for: taken as it is, passed or not.
fn patched_cursor(context: Context<'_>, workflow: &Workflow, patch: &Patch) -> Result<Cursor, Refusal> {
    let schedule = Schedule::parse(&workflow.spec.schedule).map_err(|error| Refusal::BadSchedule(error.to_string()))?;
    if let Some(instant) = patch.instant.filter(|instant| !schedule.is_aligned(*instant)) {
        return Err(Refusal::UnalignedCursor { nearest: schedule.nearest(instant) });
    }
    for (field, at) in [("next_natural_trigger", patch.instant), ("next_natural_offset_trigger", patch.fires_at)] {
        at.map_or(Ok(()), |at| Bounds::time(field, at))?;
    }
    let before = match workflow.cursor {
        Some(cursor) => cursor,
        None => first_cursor(&workflow.spec, context.now.present())?,
    };
    Ok(Cursor { instant: patch.instant.unwrap_or(before.instant), fires_at: patch.fires_at.unwrap_or(before.fires_at) })
}

/// The first natural trigger that fires after `now` (T-30).
///
/// # Errors
///
/// When schedule or offset can't be read, the schedule has no further instant, or the offset leads out of the calendar.
pub fn first_cursor(spec: &WorkflowSpec, now: DateTime<Utc>) -> Result<Cursor, Refusal> {
    let (schedule, offset) = spec.triggers().map_err(Refusal::BadSchedule)?;
    schedule.first_natural(&offset, now).map(Cursor::from).ok_or_else(|| match schedule.next(now) {
        Some(_) => Refusal::OffsetLeadsOut(OffsetLeadsOut(offset)),
        None => Refusal::NoInstant,
    })
}

pub(super) fn moved(id: &WorkflowId, to: Cursor, why: CursorMove) -> Fact {
    Fact::Workflow(id.clone(), WorkflowEvent::CursorMoved { to: Some(to), why, extensions: Extensions::default() })
}
