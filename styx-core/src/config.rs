//! What all decisions depend on besides the runs: limits, delays, time-outs, switches. A record sets it, the world holds it.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::run::State;

/// The configuration that decisions follow; changed only by a record, so that a replay knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The master switch: off, nothing is triggered by schedule and nothing is dequeued. Only an operator turns it.
    pub scheduling: bool,
    /// The most executions that live at the same time; `None` is no limit.
    pub max_executions: Option<u32>,
    /// The most active runs of one workflow that make up for missed instants; at least one, so 0 counts as 1.
    pub catch_up: u32,
    /// What the tries of one run may cost, in tenths.
    pub max_cost_tenths: u32,
    /// Delay after an exit with 20.
    pub missing_dependencies_delay: TimeDelta,
    /// Delays after failures of the workflow.
    pub backoff: Backoff,
    /// Delays after failures of the infrastructure.
    pub infrastructure_backoff: Backoff,
    /// How long a run may stay in a state.
    pub timeouts: Timeouts,
    /// What the executor can do.
    pub executor: ExecutorCapabilities,
}

impl Default for Config {
    /// Styx's compiled-in values (spec part (h)), no limit, and an executor without restrictions.
    fn default() -> Self {
        Self {
            scheduling: true,
            max_executions: None,
            catch_up: 10,
            max_cost_tenths: 500,
            missing_dependencies_delay: TimeDelta::minutes(10),
            backoff: Backoff { base: TimeDelta::minutes(3), max_exponent: 4 },
            infrastructure_backoff: Backoff { base: TimeDelta::seconds(30), max_exponent: 5 },
            timeouts: Timeouts::default(),
            executor: ExecutorCapabilities { runner: "default".into(), runs_api_workflows: true, mounts_secrets: true },
        }
    }
}

/// Exponential back-off with a random multiplier (spec SM §20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest delay.
    pub base: TimeDelta,
    /// The multiplier stays below 2 to this power.
    pub max_exponent: u32,
}

impl Backoff {
    /// The largest exponent that counts.
    pub const MAX_EXPONENT: u32 = 30;
}

/// How long a run may stay in a state (spec SM §21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For states without a limit of their own.
    pub default: TimeDelta,
    /// By state.
    pub by_state: BTreeMap<State, TimeDelta>,
    /// Caps what a workflow asks for in RUNNING; `None` is the limit of RUNNING.
    pub max_running: Option<TimeDelta>,
}

impl Default for Timeouts {
    /// What the stand-alone service of Styx 2.x ships: submitted 10 min, running 24 h, default and cap 48 h.
    fn default() -> Self {
        Self {
            default: TimeDelta::hours(48),
            by_state: BTreeMap::from([
                (State::New, TimeDelta::minutes(30)),
                (State::Submitted, TimeDelta::minutes(10)),
                (State::Running, TimeDelta::hours(24)),
                (State::Terminated, TimeDelta::minutes(30)),
                (State::Failed, TimeDelta::minutes(30)),
            ]),
            max_running: Some(TimeDelta::hours(48)),
        }
    }
}

impl Timeouts {
    /// The configured limit of a state (SM-95).
    pub fn of_state(&self, state: State) -> TimeDelta {
        self.by_state.get(&state).copied().unwrap_or(self.default)
    }

    /// The cap on RUNNING (SM-96): the longest `running_timeout` that a workflow may ask for (V-26).
    pub fn max_running(&self) -> TimeDelta {
        self.max_running.unwrap_or_else(|| self.of_state(State::Running))
    }

    /// When a run that entered `state` at `since` has been there for too long (SM-98); `limit` is how long it may stay.
    pub fn deadline(since: DateTime<Utc>, limit: TimeDelta) -> DateTime<Utc> {
        since.checked_add_signed(limit).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// How long a run may stay in `state`; `running_timeout` is the workflow's own limit (SM-97).
    pub fn limit(&self, state: State, running_timeout: Option<TimeDelta>) -> TimeDelta {
        match state {
            State::Running => running_timeout.unwrap_or_else(|| self.of_state(state)).min(self.max_running()),
            _ => self.of_state(state),
        }
    }
}

/// What decisions must know of the executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorCapabilities {
    /// The name under which new executions are submitted.
    pub runner: Arc<str>,
    /// Whether workflows made over the API may run; the local executor runs only those of the folder by default.
    pub runs_api_workflows: bool,
    /// Whether it can mount a workflow's secret.
    pub mounts_secrets: bool,
}
