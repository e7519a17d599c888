//! Resources: set and deleted, in use or not (E-14, E-16, E-17).

use std::sync::Arc;

use super::{Context, Decisions, Reply};
use crate::record::{Cause, Fact, ResourceEvent};

/// Sets how many units there are; what holds units beyond it goes on (RC-1).
pub(super) fn set(context: Context<'_>, id: &Arc<str>, concurrency: i64, cause: &Cause, out: &mut Decisions) -> Reply {
    if context.world.resources().get(id).is_some_and(|resource| resource.concurrency == concurrency) {
        return Reply::Nothing;
    }
    out.draft_asked(Fact::Resource(Arc::clone(id), ResourceEvent::Set { concurrency }), cause);
    Reply::Done
}

/// Removes a resource; an unknown one is no error.
pub(super) fn delete(context: Context<'_>, id: &Arc<str>, cause: &Cause, out: &mut Decisions) -> Reply {
    if !context.world.resources().contains_key(id) {
        return Reply::Nothing;
    }
    out.draft_asked(Fact::Resource(Arc::clone(id), ResourceEvent::Deleted), cause);
    Reply::Done
}
