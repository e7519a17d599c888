//! What an executor reports: facts about executions, each in its own words.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{extensions::Extensions, id::ExecutionId};

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
