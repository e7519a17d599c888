//! The life of an execution: one try outside, which may outlive the run's interest in it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::id::{InstanceId, Position};

/// One try of a run. It begins with `submit`, ends with `terminate` or `ended`, and is gone after `cleaned`.
///
/// It holds its resource units until it has *ended*, whatever its run did since (W-7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Whose try it is.
    pub instance: InstanceId,
    /// The record that began it.
    pub submitted_by: Position,
    /// The log that it was launched under: after a fork, one that isn't ours any more.
    pub log_id: Uuid,
    /// The executor that it was given to.
    pub runner: Arc<str>,
    /// The resources that it holds until it has ended.
    pub resources: Arc<[Arc<str>]>,
    /// Why the executor refused it last, while it is to be launched.
    pub refusal: Option<Arc<str>>,
    /// How far it is.
    pub phase: Phase,
    /// When it entered its phase.
    pub since: DateTime<Utc>,
}

/// How far an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The executor is asked to launch it and hasn't answered; if it refused, it is asked again at that time.
    Launching {
        /// When to ask again.
        retry_at: Option<DateTime<Utc>>,
    },
    /// The executor has it.
    Launched,
    /// It runs.
    Running,
    /// It has ended; what is left outside is to be removed.
    Ended(Ending),
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ran to its end.
    Exit {
        /// The exit code, if one is known.
        code: Option<i32>,
    },
    /// It never started and never will.
    NeverStarted,
    /// The executor lost it.
    Lost,
    /// An operator declared it over.
    Operator,
}

impl Execution {
    /// Whether it may still run, now or later.
    pub fn is_alive(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }
}
