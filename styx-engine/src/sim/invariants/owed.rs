//! What is owed to the outside has been asked for: no execution lives on whose run has moved on without a stop, none waits
//! for a launch that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use styx_core::{
    execution::{Execution, Phase},
    executor::EffectKind,
    id::ExecutionId,
    observation::{Observation, Observed},
    run::State,
    world::World,
};

use super::{Check, Invariant, View};

#[derive(Default)]
pub(super) struct Owed {
    /// The last effect that this process asked for.
    asked: BTreeMap<ExecutionId, EffectKind>,
    /// Those whose launch was refused for now since it was asked for.
    refused: BTreeSet<ExecutionId>,
}

/// The longest time until a refused launch is asked for again, unless the executor says more.
const LONGEST: TimeDelta = TimeDelta::minutes(5);

/// Whether the run of an execution still waits for it.
fn is_followed(world: &World, id: &ExecutionId, execution: &Execution) -> bool {
    world.runs().get(&execution.instance).is_some_and(|run| {
        run.execution.as_ref() == Some(id) && matches!(run.state, State::Submitting | State::Submitted | State::Running)
    })
}

impl Invariant for Owed {
    fn name(&self) -> &'static str {
        "owed"
    }

    fn sentence(&self) -> &'static str {
        "each execution's launch, stop or clean-up has been asked for as soon as it is owed"
    }

    fn observed(&mut self, observation: &Observation) {
        if matches!(observation.what, Observed::Refused { .. }) {
            self.refused.insert(observation.execution.clone());
        }
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        for effect in view.effects {
            self.asked.insert(effect.execution().clone(), effect.kind());
            self.refused.remove(effect.execution());
        }
        for (id, execution) in view.world.executions() {
            let asked = self.asked.get(id).copied();
            let wakes_by = |latest| view.wake.is_some_and(|wake| wake <= latest);
            let followed = is_followed(view.world, id, execution);
            let fits = match execution.phase {
                Phase::Ended(_) => asked == Some(EffectKind::CleanUp) || view.world.config().runtime.debug,
                _ if !followed => asked == Some(EffectKind::Stop),
                Phase::Launching { .. } if asked == Some(EffectKind::Launch) && !self.refused.contains(id) => true,
                Phase::Launching { retry_at } if asked == Some(EffectKind::Launch) => {
                    wakes_by(retry_at.unwrap_or(view.now).max(view.now + LONGEST))
                }
                Phase::Launching { retry_at } => retry_at.is_some_and(|at| at > view.now && wakes_by(at)),
                // Whoever launched it here watches it, though a refusal was heard of before it was taken.
                _ => matches!(asked, Some(EffectKind::Launch | EffectKind::Adopt)),
            };
            if !fits {
                let phase = execution.phase;
                return Err(format!("{id} is {phase:?}, followed: {followed}, and the last effect was {asked:?}"));
            }
        }
        Ok(())
    }

    fn crashed(&mut self) {
        self.asked.clear();
        self.refused.clear();
    }
}
