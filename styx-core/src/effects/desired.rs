//! The effect that the world wants for a key.

use chrono::{DateTime, Utc};

use crate::{
    execution::Phase,
    executor::EffectKind,
    id::ExecutionId,
    world::{RowKey, World},
};

/// The desired effect of a key: which execution, and what is to be done. At most one at a time.
///
/// A function of the world alone: whether the executor was asked for it already is not its business.
pub fn desired(world: &World, key: &RowKey) -> Option<(ExecutionId, EffectKind)> {
    let id = execution_of(world, key)?;
    let execution = world.executions().get(id)?;
    let followed = world.is_followed(id);
    let kind = match execution.phase {
        Phase::Launching { .. } if followed => EffectKind::Launch,
        Phase::Launched | Phase::Running if followed => EffectKind::Adopt,
        Phase::Launching { .. } | Phase::Launched | Phase::Running => EffectKind::Stop,
        // What is left outside is kept, to be looked at (CL-6).
        Phase::Ended(_) if world.config().runtime.debug => return None,
        Phase::Ended(_) => EffectKind::CleanUp,
    };
    Some((id.clone(), kind))
}

/// When a launch that the executor refused for now is to be requested again.
pub(super) fn retry_at(world: &World, key: &RowKey) -> Option<DateTime<Utc>> {
    let id = execution_of(world, key)?;
    match world.executions().get(id)?.phase {
        Phase::Launching { retry_at } if world.is_followed(id) => retry_at,
        _ => None,
    }
}

fn execution_of<'a>(world: &'a World, key: &'a RowKey) -> Option<&'a ExecutionId> {
    match key {
        RowKey::Execution(id) => Some(id),
        // A run that moves on or ends leaves its execution to be stopped.
        RowKey::Run(instance) => world.index().living(instance),
        _ => None,
    }
}
