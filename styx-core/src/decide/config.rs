//! What all decisions depend on: set from a file at start, and by operators while the server runs.

use std::sync::Arc;

use super::{Context, Decisions, Refusal, Reply, RuntimePatch, Setting};
use crate::{
    config::{Config, ExecutorName, Runtime},
    record::{Cause, ConfigEvent, Fact},
};

/// Follows other values from here on; what operators set stays.
pub(super) fn configure(context: Context<'_>, config: &Arc<Config>, cause: &Cause, out: &mut Decisions) -> Reply {
    let before = context.world.config();
    // Beside what fills its extensions to the last byte the choice has no place.
    let config = match config.with_chosen_executor(before.chosen_executor()) {
        Ok(with_choice) if with_choice != **config => Arc::new(with_choice),
        _ => Arc::clone(config),
    };
    if config.operated_as(before) == **before {
        return Reply::Nothing;
    }
    out.draft_asked(Fact::Config(ConfigEvent::Set(config)), cause);
    Reply::Done
}

/// Sets what operators set.
pub(super) fn operate(
    context: Context<'_>,
    patch: &RuntimePatch,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<Reply, Refusal> {
    let config = context.world.config();
    // First: it records the whole configuration, as it was before the rest of the patch.
    if let Some(choice) = &patch.default_executor {
        choose_executor(config, choice, cause, out)?;
    }
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
    Ok(if out.drafts.is_empty() { Reply::Nothing } else { Reply::Done })
}

/// Chooses the default executor, or leaves it to the configuration again.
fn choose_executor(
    config: &Arc<Config>,
    choice: &Setting<ExecutorName>,
    cause: &Cause,
    out: &mut Decisions,
) -> Result<(), Refusal> {
    let name = choice.clone().to_option();
    if let Some(name) = name.as_ref().filter(|name| !config.has_executor(name.as_str())) {
        return Err(Refusal::UnknownExecutor { name: name.clone(), known: config.executor_names() });
    }
    let chosen = config.with_chosen_executor(name.as_ref().map(|name| &**name.as_str()));
    let chosen = chosen.map_err(|_| Refusal::NoRoomForExecutor)?;
    if chosen != **config {
        out.draft_asked(Fact::Config(ConfigEvent::Set(Arc::new(chosen))), cause);
    }
    Ok(())
}
