//! What a run does after an execution has ended: done, given up, or tried again, and when.

use chrono::TimeDelta;

use crate::{config::Backoff, run::State};

/// The exit code of a run that is done.
pub const EXIT_SUCCESS: i32 = 0;
/// The exit code that says: what I need isn't there yet.
pub const EXIT_MISSING_DEPENDENCIES: i32 = 20;
/// The exit code that says: trying again is useless.
pub const EXIT_UNRECOVERABLE: i32 = 50;

/// What a try that ended so costs, in tenths (spec SM §17): missing dependencies a tenth, every other failure one.
pub fn cost_tenths(exit_code: Option<i32>) -> u32 {
    match exit_code {
        Some(EXIT_SUCCESS) => 0,
        Some(EXIT_MISSING_DEPENDENCIES) => 1,
        _ => 10,
    }
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// TERMINATED or FAILED; other states have no verdict.
    pub state: State,
    /// How the last try ended.
    pub last_exit: Option<i32>,
    /// What the tries have cost.
    pub cost_tenths: u32,
    /// Failures of the infrastructure in a row; any at all means that the last try failed by one.
    pub infrastructure_failures: u32,
    /// Whether those are too many and last too long.
    pub infrastructure_limit_passed: bool,
    /// Whether the retry condition holds; true where there is none.
    pub condition_met: bool,
}

/// What a run does after an execution has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The run is done.
    Success,
    /// The run is given up.
    Stop(StopReason),
    /// The run is tried again after this kind of delay.
    Retry(Delay),
}

/// Why a run is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The tries have cost all that they may.
    CostLimit,
    /// It exited with [`EXIT_UNRECOVERABLE`].
    Unrecoverable,
    /// Its retry condition doesn't hold; what is recorded says more.
    ConditionNotMet,
    /// The infrastructure has failed too often for too long; what is recorded says more.
    InfrastructureLimit,
}

impl StopReason {
    /// The reason as records and views show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CostLimit => "retry cost limit reached",
            Self::Unrecoverable => "exit code 50: unrecoverable",
            Self::ConditionNotMet => "retry condition not met",
            Self::InfrastructureLimit => "too many failures of the infrastructure in a row",
        }
    }
}

/// How long a run waits before it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// The fixed delay after an exit with [`EXIT_MISSING_DEPENDENCIES`].
    MissingDependencies,
    /// The back-off after a failure of the workflow.
    Backoff,
    /// The back-off after a failure of the infrastructure.
    Infrastructure,
}

/// What happens to a run in TERMINATED or FAILED (spec SM §18); `None` in every other state.
pub fn verdict(ended: &Ended, max_cost_tenths: u32) -> Option<Verdict> {
    let verdict = match ended.state {
        State::Terminated if ended.last_exit == Some(EXIT_SUCCESS) => Verdict::Success,
        State::Terminated | State::Failed => {
            if ended.cost_tenths >= max_cost_tenths {
                Verdict::Stop(StopReason::CostLimit)
            } else if ended.last_exit == Some(EXIT_UNRECOVERABLE) {
                Verdict::Stop(StopReason::Unrecoverable)
            } else if ended.infrastructure_failures > 0 && ended.infrastructure_limit_passed {
                Verdict::Stop(StopReason::InfrastructureLimit)
            } else if ended.infrastructure_failures > 0 {
                // Before the condition: it says what the workflow's own failures mean, and this was none (W-19).
                Verdict::Retry(Delay::Infrastructure)
            } else if !ended.condition_met {
                Verdict::Stop(StopReason::ConditionNotMet)
            } else if ended.last_exit == Some(EXIT_MISSING_DEPENDENCIES) {
                Verdict::Retry(Delay::MissingDependencies)
            } else {
                Verdict::Retry(Delay::Backoff)
            }
        }
        _ => return None,
    };
    Some(verdict)
}

impl Backoff {
    /// How many values Styx draws the multiplier from: 2 to the number of failures, up to the limit.
    pub fn draws(&self, failures: u32) -> u64 {
        1 << failures.min(self.max_exponent).min(Self::MAX_EXPONENT)
    }

    /// Styx's multiplier of the base for a draw from `0..draws(failures)` (spec SM §20): zero counts as one.
    pub fn multiplier(draw: u64) -> u64 {
        draw.max(1)
    }

    /// How long to wait after that many failures: Styx's delay with jitter on it, so that what failed together
    /// doesn't come back together (W-16).
    ///
    /// `random` decides all. The result lies between the base and Styx's longest delay for as many failures, or
    /// twice the base where that is more.
    pub fn delay(&self, failures: u32, random: u64) -> TimeDelta {
        // The low bits draw Styx's multiplier (a power of two divides evenly), the high ones the jitter.
        let multiplier = Self::multiplier(random % self.draws(failures));
        let base = self.base.num_milliseconds().max(0);
        let jitter = (i128::from(base) * i128::from(random >> 32)) >> 32;
        let millis = match multiplier {
            1 => i128::from(base) + jitter,
            m => i128::from(base) * i128::from(m) - jitter,
        };
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::MAX)
    }
}
