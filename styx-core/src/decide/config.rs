//! What all decisions depend on: set from a file at start, and by operators while the server runs.

use std::sync::Arc;

use super::{Context, Decisions, Reply, RuntimePatch, Setting};
use crate::{
    config::{Config, Runtime},
    record::{Cause, ConfigEvent, Fact},
};

/// Follows other values from here on; what operators set stays.
pub(super) fn configure(context: Context<'_>, config: &Arc<Config>, cause: &Cause, out: &mut Decisions) -> Reply {
    let before = context.world.config();
    if config.operated_as(before) == **before {
        return Reply::Nothing;
    }
    out.draft_asked(Fact::Config(ConfigEvent::Set(Arc::clone(config))), cause);
    Reply::Done
}

/// Sets what operators set.
pub(super) fn operate(context: Context<'_>, patch: &RuntimePatch, cause: &Cause, out: &mut Decisions) -> Reply {
    let config = context.world.config();
    let before = &config.runtime;
    let runtime = Runtime {
        max_executions: patch.max_executions.map_or(before.max_executions, Setting::to_option),
        dequeue_rate: patch.dequeue_rate.map_or(before.dequeue_rate, Setting::to_option),
        blocked_clients: patch.blocked_clients.as_ref().unwrap_or(&before.blocked_clients).clone(),
        debug: patch.debug.unwrap_or(before.debug),
    };
    if let Some(enabled) = patch.scheduling.filter(|enabled| *enabled != config.scheduling) {
        out.draft_asked(Fact::Config(ConfigEvent::SchedulingSwitched { enabled }), cause);
    }
    if runtime != *before {
        out.draft_asked(Fact::Config(ConfigEvent::Operated(Arc::new(runtime))), cause);
    }
    if patch.accept_clock {
        out.draft_asked(Fact::Config(ConfigEvent::ClockAccepted), cause);
    }
    if out.drafts.is_empty() { Reply::Nothing } else { Reply::Done }
}
