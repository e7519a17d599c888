//! What a run does after an execution has ended: done, given up, or tried again, and when.

pub use crate::exit::{EXIT_MISSING_DEPENDENCIES, EXIT_SUCCESS, EXIT_UNRECOVERABLE, cost_tenths};
use crate::graph::State;

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
