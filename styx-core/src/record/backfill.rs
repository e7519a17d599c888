//! What happens to backfills and resources.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{event::TriggerParameters, id::WorkflowId};

/// Events of a resource: a limit on how many executions that name it may live (spec (c)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceEvent {
    /// Made, or its limit changed.
    Set {
        /// How many units there are; with none or less nothing goes on.
        concurrency: i64,
    },
    /// Removed; what holds its units goes on.
    Deleted,
}

/// Events of a backfill: runs for a range of partitions (spec (b)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackfillEvent {
    /// Somebody asked for it.
    Created(Arc<BackfillSpec>),
    /// Changed while it goes on, or after.
    Edited {
        /// How many of its runs may be active from here on; `None` leaves it.
        concurrency: Option<u32>,
        /// What it is for; `None` leaves it.
        description: Option<Arc<str>>,
    },
    /// Its next partition was triggered or passed over.
    Advanced {
        /// The partition.
        instant: DateTime<Utc>,
        /// The partition after it, or the end of the range.
        next: DateTime<Utc>,
        /// Whether that was the last.
        all_triggered: bool,
        /// What became of the partition.
        why: BackfillMove,
    },
    /// Nothing more is triggered.
    Halted {
        /// Whether its active runs are halted too.
        runs: bool,
        /// Who or what halted it.
        reason: Arc<str>,
    },
}

/// What a backfill was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillSpec {
    /// Whose partitions.
    pub workflow: WorkflowId,
    /// The first instant of the range.
    pub start: DateTime<Utc>,
    /// The end of the range, which doesn't belong to it.
    pub end: DateTime<Utc>,
    /// Whether the last partition comes first.
    pub reverse: bool,
    /// The workflow's schedule when it was made: instants and parameters follow it.
    pub schedule: Arc<str>,
    /// How many of its runs may be active.
    pub concurrency: u32,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// What its triggers set.
    pub parameters: Option<TriggerParameters>,
    /// The partition that comes first.
    pub first: DateTime<Utc>,
}

/// What became of a partition of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillMove {
    /// It was triggered.
    Triggered,
    /// Its instance was active already.
    AlreadyActive,
}
