//! What an executor reports: facts about executions, each in its own words.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{extensions::Extensions, id::ExecutionId, now::Now};

/// A fact about an execution, as an executor saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which execution.
    pub execution: ExecutionId,
    /// Who saw it.
    pub runner: Arc<str>,
    /// What was seen.
    pub what: Observed,
    /// When it happened there, if that is known.
    pub observed_at: Option<DateTime<Utc>>,
    /// The raw observation as valid JSON, shortened by the executor to
    /// [`Cause::MAX_EVIDENCE`](crate::record::Cause::MAX_EVIDENCE) bytes; longer evidence is dropped.
    pub evidence: Arc<[u8]>,
    /// Later fields.
    pub extensions: Extensions,
}

impl Observation {
    /// When a refused launch may be requested again at the earliest, as records have time; `None` when this is no refusal.
    ///
    /// The executor names it by the wall clock. If that was set since the executor read it, what counts is how long it wanted
    /// to wait.
    pub fn retry_at(&self, now: Now) -> Option<DateTime<Utc>> {
        let Observed::Refused { retry_at, .. } = &self.what else {
            return None;
        };
        let by_clock = retry_at.checked_sub_signed(now.wall_offset()).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let by_delay = self.observed_at.and_then(|observed_at| now.at.checked_add_signed(*retry_at - observed_at));
        let retry_at = by_delay.map_or(by_clock, |by_delay| by_delay.min(by_clock));
        // In the future, however late the refusal comes: what is requested again at once was never refused.
        Some(retry_at.max(now.at + TimeDelta::milliseconds(1)))
    }
}

/// What an executor saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It is taken: the answer to a launch.
    Launched,
    /// It can't be taken now; ask again.
    Refused {
        /// When to ask again.
        retry_at: DateTime<Utc>,
        /// Why.
        reason: Arc<str>,
    },
    /// It can't be started at all, and never will be under this id: the workflow's fault, e.g. no such program.
    NotLaunchable {
        /// Why.
        reason: Arc<str>,
    },
    /// It runs.
    Started,
    /// It ended by itself or by a stop.
    Exited {
        /// The exit code, if one is known.
        code: Option<i32>,
    },
    /// It was taken, is gone, and nobody knows how it ended.
    Lost {
        /// What is known.
        reason: Arc<str>,
    },
    /// It never started and never will: the answer to a stop that came first.
    NeverStarted,
    /// Nothing is left of it outside.
    Cleaned,
}
