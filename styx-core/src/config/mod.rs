//! What all decisions depend on besides the runs: limits, delays, time-outs, switches. A record sets it, the world holds it.

mod backoff;
mod executors;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

pub use self::{
    backoff::Backoff,
    executors::{ComponentPattern, ExecutorName, ExecutorTable, InvalidComponentPattern, InvalidExecutorName, Route},
};
use crate::{extensions::Extensions, graph::State};

/// The configuration that decisions follow; changed only by a record, so that a replay knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The master switch: off, nothing is triggered by schedule and nothing is dequeued. Only an operator turns it.
    pub scheduling: bool,
    /// The most executions that live at the same time, unless operators set another limit; `None` is no limit.
    pub max_executions: Option<u32>,
    /// How fast runs leave the queue, unless operators set another rate; `None` is no limit (SC-9).
    pub dequeue_rate: Option<Rate>,
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
    /// When failures of the infrastructure, which cost nothing, end a run.
    pub infrastructure_limit: FailureLimit,
    /// How long a run may stay in a state.
    pub timeouts: Timeouts,
    /// The default executor of the configuration, and what it can do; [`executor_for`](Self::executor_for) says which one counts.
    pub executor: ExecutorCapabilities,
    /// What operators set at run time, and no file.
    pub runtime: Runtime,
    /// Later fields.
    pub extensions: Extensions,
}

impl Config {
    /// The most executions that may live at the same time; `None` is no limit.
    pub fn execution_limit(&self) -> Option<u32> {
        self.runtime.max_executions.map_or(self.max_executions, Limit::to_option)
    }

    /// How fast runs may leave the queue; `None` is no limit.
    pub fn rate(&self) -> Option<Rate> {
        self.runtime.dequeue_rate.or(self.dequeue_rate)
    }

    /// These values with the switch and the run-time values of another configuration: no file sets them.
    #[must_use]
    pub fn operated_as(&self, other: &Self) -> Self {
        Self { scheduling: other.scheduling, runtime: other.runtime.clone(), ..self.clone() }
    }
}

impl Default for Config {
    /// Styx's compiled-in values (spec part (h)), no limit, and an executor without restrictions.
    fn default() -> Self {
        Self {
            scheduling: true,
            max_executions: None,
            dequeue_rate: Some(Rate::DEFAULT),
            catch_up: 10,
            max_cost_tenths: 500,
            missing_dependencies_delay: TimeDelta::minutes(10),
            backoff: Backoff { base: TimeDelta::minutes(3), max_exponent: 4 },
            infrastructure_backoff: Backoff { base: TimeDelta::seconds(30), max_exponent: 5 },
            infrastructure_limit: FailureLimit::default(),
            timeouts: Timeouts::default(),
            executor: ExecutorCapabilities { runner: "default".into(), runs_api_workflows: true, mounts_secrets: true },
            runtime: Runtime::default(),
            extensions: Extensions::default(),
        }
    }
}

/// What operators set while the server runs (Styx's runtime configuration, spec part (h)); it survives restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtime {
    /// The most executions that live at the same time; `None` leaves it to the configuration.
    pub max_executions: Option<Limit>,
    /// How fast runs leave the queue; `None` leaves it to the configuration.
    pub dequeue_rate: Option<Rate>,
    /// Clients that are turned away, by their exact `User-Agent` (C-20).
    pub blocked_clients: Arc<BTreeSet<Arc<str>>>,
    /// Whether what is left of executions outside is kept, to be looked at (CL-6).
    pub debug: bool,
}

/// A limit that somebody set, which may be that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As many as there are.
    Unlimited,
    /// So many and no more.
    AtMost(u32),
}

impl Limit {
    /// The limit; `None` is none.
    pub fn to_option(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(max) => Some(max),
        }
    }
}

/// How often something may happen: so many times in a thousand seconds, with bursts of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub NonZeroU32);

impl Rate {
    /// Styx's own: a thousand a second (SC-9).
    pub const DEFAULT: Self = Self(NonZeroU32::MIN.saturating_add(999_999));

    /// A rate by the second, to three decimals; `None` when it isn't positive, or too large (over 4 million).
    pub fn per_second(rate: f64) -> Option<Self> {
        let thousandths = (rate * 1000.0).round();
        let fits = (1.0..=f64::from(u32::MAX)).contains(&thousandths);
        // In range, so nothing is cut.
        fits.then_some(thousandths as u32).and_then(NonZeroU32::new).map(Self)
    }

    /// The rate by the second.
    pub fn to_per_second(self) -> f64 {
        f64::from(self.0.get()) / 1000.0
    }

    /// How far one lies behind the other when they come evenly.
    pub fn interval(self) -> TimeDelta {
        TimeDelta::nanoseconds(1_000_000_000_000 / i64::from(self.0.get()))
    }

    /// When the next may happen, if what has happened so far uses the rate up to `used` (a token bucket as one instant: GCRA):
    /// a whole millisecond, as the times of records are.
    pub fn next_at(self, used: DateTime<Utc>) -> DateTime<Utc> {
        let ahead = (TimeDelta::seconds(1) - self.interval()).max(TimeDelta::zero());
        let at = used.checked_sub_signed(ahead).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let whole = at.trunc_subsecs(3);
        if whole == at { at } else { whole.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(at) }
    }

    /// Up to when the rate is used, after one more at `at`.
    pub fn after_one(self, used: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        used.max(at).checked_add_signed(self.interval()).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// When failures that cost nothing end a run: more than so many in a row, that last longer than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimit {
    /// As many in a row are never too many.
    pub count: u32,
    /// How long they may last, from the first of them to the last.
    pub span: TimeDelta,
}

impl FailureLimit {
    /// Whether so many failures in a row, the first at `since` and the last at `at`, are too many and last too long.
    pub fn is_passed(self, failures: u32, since: DateTime<Utc>, at: DateTime<Utc>) -> bool {
        failures > self.count && at.signed_duration_since(since) > self.span
    }
}

impl Default for FailureLimit {
    /// 200 in a row over two days.
    fn default() -> Self {
        Self { count: 200, span: TimeDelta::days(2) }
    }
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

    /// When a run that entered `state` at `since` has been there for too long (SM-98). `None` for the states in which a
    /// run may stay (W-17). `recorded` is the limit of RUNNING that its `submit` recorded.
    pub fn deadline(&self, state: State, since: DateTime<Utc>, recorded: Option<TimeDelta>) -> Option<DateTime<Utc>> {
        let limit = match state {
            State::Submitting | State::Submitted => self.of_state(state),
            State::Running => recorded.unwrap_or_else(|| self.limit(state, None)),
            _ => return None,
        };
        Some(since.checked_add_signed(limit).unwrap_or(DateTime::<Utc>::MAX_UTC))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many happen at once at `at` when as many as may do.
    fn burst(rate: Rate, used: &mut DateTime<Utc>, at: DateTime<Utc>) -> u32 {
        let mut count = 0;
        while rate.next_at(*used) <= at {
            *used = rate.after_one(*used, at);
            count += 1;
        }
        count
    }

    #[test]
    fn a_rate_allows_a_second_at_once_and_then_its_pace() {
        for (per_second, first) in [(1000.0, 1000), (2.0, 2), (1.0, 1), (0.5, 1)] {
            let rate = Rate::per_second(per_second).unwrap();
            let (mut used, start) = (DateTime::UNIX_EPOCH, DateTime::from_timestamp(1_000_000, 0).unwrap());
            assert_eq!(burst(rate, &mut used, start), first, "{per_second}");
            let later: u32 = (1..=40_000).map(|ms| burst(rate, &mut used, start + TimeDelta::milliseconds(ms))).sum();
            assert_eq!(f64::from(later), 40.0 * per_second, "{per_second}");
        }
        // Between two milliseconds nobody looks.
        let (third, used) = (Rate::per_second(3.0).unwrap(), DateTime::from_timestamp_nanos(5_333_333_333));
        assert_eq!(third.next_at(used), DateTime::from_timestamp_millis(4_667).unwrap());
        assert_eq!(Rate::DEFAULT, Rate::per_second(1000.0).unwrap());
        assert!(Rate::per_second(0.0).is_none() && Rate::per_second(f64::NAN).is_none());
        assert!(Rate::per_second(-1.0).is_none() && Rate::per_second(1e10).is_none());
    }
}
