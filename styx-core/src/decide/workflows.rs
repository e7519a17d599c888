//! What happens to workflows: stored, deleted, switched, their cursor set (spec (a) TR-4 to TR-16, E-05, E-06, E-12).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Context, Decisions, Refusal, Reply, triggers::parse};
use crate::{
    id::WorkflowId,
    record::{Cause, Cursor, CursorMove, Fact, Origin, StoredWorkflow, WorkflowEvent, WorkflowSpec},
    schedule::Schedule,
    world::{Workflow, digest},
};

/// Creates or replaces a workflow. A new one, or one whose schedule or offset changed, gets a new cursor (TR-4).
///
/// One of the folder follows its `enabled` line at first sight and when that line changes; in between, the switch is the
/// operator's.
pub(super) fn store(
    context: Context<'_>,
    id: &WorkflowId,
    stored: &Arc<StoredWorkflow>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let before = context.world.workflows().get(id);
    if before.is_some_and(|before| before.spec == stored.spec && before.json_digest == digest(&stored.json)) {
        return Ok(Reply::Nothing);
    }
    let first = first_cursor(&stored.spec, context.now)?;
    out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Stored(Arc::clone(stored))), cause);
    let kept = before
        .filter(|before| before.spec.schedule == stored.spec.schedule && before.spec.offset == stored.spec.offset)
        .and_then(|before| before.cursor);
    if kept.is_none() {
        out.draft_asked(moved(id, first, CursorMove::Edited), cause);
    }
    if let Origin::File { enabled: wanted, .. } = stored.spec.origin {
        let line_before = before.and_then(|before| match before.spec.origin {
            Origin::File { enabled, .. } => Some(enabled),
            Origin::Api => None,
        });
        if line_before != Some(wanted) && before.is_some_and(|before| before.enabled) != wanted {
            if wanted && kept.is_some_and(|cursor| cursor.fires_at <= context.now) {
                out.draft_asked(moved(id, first, CursorMove::Enabled), cause);
            }
            out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Switched { enabled: wanted }), cause);
        }
    }
    Ok(Reply::Done)
}

/// Removes a workflow; its active runs stay.
pub(super) fn delete(
    context: Context<'_>,
    id: &WorkflowId,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    if !context.world.workflows().contains_key(id) {
        return Err(Refusal::UnknownWorkflow);
    }
    out.draft_asked(Fact::Workflow(id.clone(), WorkflowEvent::Deleted), cause);
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
    let executor = &context.world.config().executor;
    if enables && !executor.runs_api_workflows && !workflow.is_from_folder() {
        return Err(Refusal::ApiWorkflow { runner: Arc::clone(&executor.runner) });
    }
    let passed = workflow.cursor.is_none_or(|cursor| cursor.fires_at <= context.now);
    if patch.instant.is_some() || patch.fires_at.is_some() {
        let to = patched_cursor(context, workflow, &patch)?;
        if workflow.cursor != Some(to) {
            out.draft_asked(moved(id, to, CursorMove::Operator), cause);
        }
    } else if enables && passed {
        let first = first_cursor(&workflow.spec, context.now)?;
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
    if patch.instant.is_some_and(|instant| !schedule.is_aligned(instant)) {
        return Err(Refusal::UnalignedCursor);
    }
    let before = match workflow.cursor {
        Some(cursor) => cursor,
        None => first_cursor(&workflow.spec, context.now)?,
    };
    Ok(Cursor { instant: patch.instant.unwrap_or(before.instant), fires_at: patch.fires_at.unwrap_or(before.fires_at) })
}

/// The first natural trigger that fires after `now` (T-30).
///
/// # Errors
///
/// When schedule or offset can't be read, or the schedule has no further instant.
pub fn first_cursor(spec: &WorkflowSpec, now: DateTime<Utc>) -> Result<Cursor, Refusal> {
    let (schedule, offset) = parse(&spec.schedule, spec.offset.as_deref()).map_err(Refusal::BadSchedule)?;
    schedule.first_natural(&offset, now).map(Cursor::from).ok_or(Refusal::NoInstant)
}

fn moved(id: &WorkflowId, to: Cursor, why: CursorMove) -> Fact {
    Fact::Workflow(id.clone(), WorkflowEvent::CursorMoved { to: Some(to), why })
}
