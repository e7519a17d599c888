//! Files of the workflow folder: what one defines is stored, and what it defines no more is disabled, in one decision.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Context, Decisions, Refusal, Reply,
    workflows::{Put, moved, put},
};
use crate::{
    id::WorkflowId,
    record::{Cause, CursorMove, Fact, WorkflowEvent},
    stored_workflow::{Origin, StoredWorkflow},
};

/// What a file says, as [`Request::LoadFile`](super::Request::LoadFile) has it.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a Arc<str>,
    pub(super) workflows: &'a [(WorkflowId, Arc<StoredWorkflow>)],
    pub(super) elsewhere: &'a [WorkflowId],
}

/// Takes over what a file says. What is stored already as the file has it is left alone.
///
/// # Errors
///
/// When one of its workflows can't be stored: then nothing of the file is.
pub(super) fn load(context: Context<'_>, file: File<'_>, cause: &Cause, out: &mut Decisions) -> Result<Reply, Refusal> {
    for (id, stored) in file.workflows {
        define(context, id, stored, cause, out)
            .map_err(|reason| Refusal::InFile { workflow: id.clone(), reason: Box::new(reason) })?;
    }
    let kept: BTreeSet<&WorkflowId> = file.workflows.iter().map(|(id, _)| id).chain(file.elsewhere).collect();
    for id in context.world.index().of_file(file.path).filter(|id| !kept.contains(id)) {
        out.draft_asked(workflow(id, WorkflowEvent::FileRemoved { path: Arc::clone(file.path) }), cause);
        if context.world.workflows().get(id).is_some_and(|workflow| workflow.enabled) {
            out.draft_asked(workflow(id, WorkflowEvent::Switched { enabled: false }), cause);
        }
    }
    Ok(if out.drafts.is_empty() { Reply::Nothing } else { Reply::Done })
}

/// Stores a workflow. Its `enabled` line counts at first sight and when it changes; in between, the switch is the
/// operator's.
fn define(
    context: Context<'_>,
    id: &WorkflowId,
    stored: &Arc<StoredWorkflow>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<(), Refusal> {
    let Some(Put { kept, first }) = put(context, id, stored, cause, out)? else {
        return Ok(());
    };
    let line = |origin: &Origin| match origin {
        Origin::File { enabled, .. } => Some(*enabled),
        // What comes back after its file was removed is seen for the first time.
        Origin::Api | Origin::RemovedFile { .. } => None,
    };
    let before = context.world.workflows().get(id);
    let (line_before, wanted) = (before.and_then(|before| line(&before.spec.origin)), line(&stored.spec.origin));
    let Some(enabled) = wanted.filter(|_| wanted != line_before) else {
        return Ok(());
    };
    if before.is_some_and(|before| before.enabled) != enabled {
        if enabled && kept.is_some_and(|cursor| cursor.fires_at <= context.now.present()) {
            out.draft_asked(moved(id, first, CursorMove::Enabled), cause);
        }
        out.draft_asked(workflow(id, WorkflowEvent::Switched { enabled }), cause);
    }
    Ok(())
}

fn workflow(id: &WorkflowId, event: WorkflowEvent) -> Fact {
    Fact::Workflow(id.clone(), event)
}
