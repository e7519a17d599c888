//! The tracker: which desired effects this process has requested, and when a refused launch is requested again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::desired::{desired, retry_at};
use crate::{
    config::Config,
    execution::Phase,
    executor::EffectKind,
    id::ExecutionId,
    now::Now,
    observation::{Observation, Observed},
    world::{RowKey, World},
};

/// Decides which desired effects are requested now. Each is requested once in a process, unless the executor refuses it.
///
/// It learns from keys that changed, from observations, and from the time that passes. It is not part of the log: after a
/// restart all that the world desires is requested again, and an executor does once what it is asked for twice.
///
/// - [`observe`](Self::observe) takes each observation, before the world folds what follows from it.
/// - [`requests`](Self::requests) ends a step: it takes the keys that changed, and returns what is to be requested.
/// - [`next_wake`](Self::next_wake) is when the next refused launch is due.
#[derive(Debug, Clone, Default)]
pub struct EffectTracker {
    options: TrackerOptions,
    /// What became of the requests for each execution, until nothing of it is left in the world.
    tracked: BTreeMap<ExecutionId, Tracked>,
    /// Launches that wait, by when they are requested.
    retries: BTreeSet<(DateTime<Utc>, ExecutionId)>,
    /// Requests about executions that the world doesn't know.
    unknown: Vec<(Arc<str>, ExecutionId, EffectKind)>,
    /// What the last step went by; none before the first.
    scope: Option<Scope>,
}

/// How long a refused launch waits until it is requested again.
///
/// After the first refusal in a row it is `first_retry`, after each further one twice as long, and never more than
/// `longest_retry`. A later time that the executor names counts instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackerOptions {
    /// The delay after the first refusal; 1 s by default.
    pub first_retry: TimeDelta,
    /// The bound of the delays; 5 min by default.
    pub longest_retry: TimeDelta,
}

/// What is to be requested after a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// The effects, each by its execution and kind. Those of one execution are in the order in which they must be done.
    pub effects: Vec<(ExecutionId, EffectKind)>,
    /// What the executor that is named does to executions that the world doesn't know.
    pub unknown: Vec<(Arc<str>, ExecutionId, EffectKind)>,
    /// Executions that need an effect and are out of reach: another executor has them, or they were launched under another
    /// log's name.
    pub foreign: BTreeSet<ExecutionId>,
}

/// The requests for one execution.
#[derive(Debug, Clone, Copy, Default)]
struct Tracked {
    /// The kind that was requested last in this process.
    requested: Option<EffectKind>,
    /// How often its launch was refused in this process.
    refusals: u32,
    /// When its launch, which was refused, is to be requested: in `retries` as well, until then.
    retry_at: Option<DateTime<Utc>>,
}

/// What decides, beside an execution itself, whether its effect is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    config: Arc<Config>,
    log_id: Option<Uuid>,
}

impl Scope {
    fn reaches_the_same_as(&self, other: &Self) -> bool {
        let (before, after) = (&self.config, &other.config);
        let same_executors = Arc::ptr_eq(before, after)
            || (before.executor.runner == after.executor.runner && before.executor_table() == after.executor_table());
        same_executors && self.log_id == other.log_id
    }
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self { first_retry: TimeDelta::seconds(1), longest_retry: TimeDelta::minutes(5) }
    }
}

impl TrackerOptions {
    /// Sets [`first_retry`](Self::first_retry).
    #[must_use]
    pub fn first_retry(mut self, delay: TimeDelta) -> Self {
        self.first_retry = delay;
        self
    }

    /// Sets [`longest_retry`](Self::longest_retry).
    #[must_use]
    pub fn longest_retry(mut self, delay: TimeDelta) -> Self {
        self.longest_retry = delay;
        self
    }

    /// The delay after so many refusals in a row.
    fn delay(self, refusals: u32) -> TimeDelta {
        let doublings = refusals.saturating_sub(1).min(30);
        self.first_retry.checked_mul(1 << doublings).map_or(self.longest_retry, |delay| delay.min(self.longest_retry))
    }
}

impl EffectTracker {
    /// A tracker that has requested nothing.
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Whether a step was ended in this process: then all that the world desired has been requested, or is foreign, or waits.
    pub fn has_begun(&self) -> bool {
        self.scope.is_some()
    }

    /// When a refused launch is to be requested again, the first of all.
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Takes an observation of the executor that has the execution; `world` is the one before it is folded.
    ///
    /// A refusal lets the launch wait. What runs under the log's name and isn't in the world is stopped, and what is left of
    /// it is cleaned up, by the executor that reports it.
    pub fn observe(&mut self, world: &World, observation: &Observation, now: Now) {
        let id = &observation.execution;
        if !world.executions().contains_key(id) {
            let kind = match observation.what {
                Observed::Launched | Observed::Started => EffectKind::Stop,
                Observed::Cleaned | Observed::Refused { .. } => return,
                _ => EffectKind::CleanUp,
            };
            self.unknown.push((Arc::clone(&observation.runner), id.clone(), kind));
            return;
        }
        let (Some(retry_at), Some(tracked)) = (observation.retry_at(now), self.tracked.get_mut(id)) else {
            return;
        };
        // A refusal that comes twice, or of which the launch was requested again meanwhile, costs at most a delay.
        if tracked.requested == Some(EffectKind::Launch) && tracked.retry_at.is_none() && is_to_be_launched(world, id) {
            tracked.refusals = tracked.refusals.saturating_add(1);
            let delay = self.options.delay(tracked.refusals);
            let at = now.at.checked_add_signed(delay).unwrap_or(DateTime::<Utc>::MAX_UTC).max(retry_at);
            tracked.retry_at = Some(at);
            self.retries.insert((at, id.clone()));
        }
    }

    /// What is to be requested now that these keys have changed. The first call looks at all executions; later ones look at as
    /// many as have changed or are due, and at all once when the executors, the log's name or the debug mode changes.
    pub fn requests(&mut self, world: &World, changed: BTreeSet<RowKey>, now: DateTime<Utc>) -> Requests {
        let mut requests = Requests { unknown: std::mem::take(&mut self.unknown), ..Requests::default() };
        let mut keys = changed;
        keys.extend(self.rescoped(world));
        while let Some((at, id)) = self.retries.pop_first() {
            if at > now {
                self.retries.insert((at, id));
                break;
            }
            keys.insert(RowKey::Execution(id));
        }
        for key in keys {
            match desired(world, &key) {
                Some((id, kind)) if !is_reachable(world, &id) => {
                    if kind != EffectKind::Launch {
                        self.cancel_retry(&id);
                    }
                    requests.foreign.insert(id);
                }
                Some((id, kind)) => {
                    if self.is_request(&id, kind, retry_at(world, &key), now) {
                        requests.effects.push((id, kind));
                    }
                }
                None => {
                    if let RowKey::Execution(id) = key {
                        self.cancel_retry(&id);
                        // One that has ended and is kept may still be cleaned up, once.
                        if !world.executions().contains_key(&id) {
                            self.tracked.remove(&id);
                        }
                    }
                }
            }
        }
        requests
    }

    /// The executions whose desired effect may be another one, or within reach, since the last step.
    fn rescoped(&mut self, world: &World) -> Vec<RowKey> {
        let scope = Scope { config: Arc::clone(world.config()), log_id: world.log_id() };
        let key = |id: &ExecutionId| RowKey::Execution(id.clone());
        let keys = match &self.scope {
            Some(before) if before.reaches_the_same_as(&scope) => {
                // What was kept is to be cleaned up, once debugging is off.
                let released = before.config.runtime.debug && !scope.config.runtime.debug;
                if released { world.index().ended().map(key).collect() } else { Vec::new() }
            }
            _ => world.executions().keys().map(key).collect(),
        };
        self.scope = Some(scope);
        keys
    }

    /// Notes an effect that is desired, and returns whether it is requested now. `recorded` is when a launch that was refused may
    /// be requested, as the world has it: what an earlier process knew.
    fn is_request(
        &mut self,
        id: &ExecutionId,
        kind: EffectKind,
        recorded: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> bool {
        let first = || Tracked { retry_at: recorded, ..Tracked::default() };
        let tracked = self.tracked.entry(id.clone()).or_insert_with(first);
        if let Some(at) = tracked.retry_at {
            if kind == EffectKind::Launch && at > now {
                self.retries.insert((at, id.clone()));
                return false;
            }
            self.retries.remove(&(at, id.clone()));
        }
        let is_refused = tracked.retry_at.take().is_some();
        let is_in_flight = match (kind, tracked.requested) {
            (EffectKind::Launch, requested) => requested == Some(kind) && !is_refused,
            // An executor follows what it has launched in the same process.
            (EffectKind::Adopt, Some(EffectKind::Launch)) => true,
            (kind, requested) => requested == Some(kind),
        };
        tracked.requested = if is_in_flight { tracked.requested } else { Some(kind) };
        !is_in_flight
    }

    fn cancel_retry(&mut self, id: &ExecutionId) {
        if let Some(at) = self.tracked.get_mut(id).and_then(|tracked| tracked.retry_at.take()) {
            self.retries.remove(&(at, id.clone()));
        }
    }
}

/// Whether an execution is with an executor that is configured, under the log's present name.
pub fn is_reachable(world: &World, id: &ExecutionId) -> bool {
    let (config, execution) = (world.config(), world.executions().get(id));
    execution.is_some_and(|it| config.has_executor(&it.runner) && Some(it.log_id) == world.log_id())
}

fn is_to_be_launched(world: &World, id: &ExecutionId) -> bool {
    let phase = world.executions().get(id).map(|execution| execution.phase);
    matches!(phase, Some(Phase::Launching { .. })) && world.is_followed(id)
}
