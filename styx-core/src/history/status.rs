//! What becomes of an execution.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, Utc};

use crate::exit::{EXIT_MISSING_DEPENDENCIES, EXIT_SUCCESS};

/// What was known of an execution at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStatus {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: StatusKind,
}

/// What can become of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusKind {
    /// An executor took it.
    Submitted,
    /// It ran.
    Started,
    /// It ended, with this exit code if one is known.
    Exited(Option<i32>),
    /// It could not be run or was lost, for this reason.
    Failed(Arc<str>),
    /// Its run stayed in a state for too long.
    TimedOut,
    /// Its run was ended from outside.
    Halted,
}

impl StatusKind {
    /// Styx's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Started => "STARTED",
            Self::Exited(Some(EXIT_SUCCESS)) => "SUCCESS",
            Self::Exited(Some(EXIT_MISSING_DEPENDENCIES)) => "MISSING_DEPS",
            Self::Exited(_) | Self::Failed(_) => "FAILED",
            Self::TimedOut => "TIMEOUT",
            Self::Halted => "HALTED",
        }
    }

    /// What more there is to say.
    pub fn message(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Exited(Some(EXIT_SUCCESS | EXIT_MISSING_DEPENDENCIES)) => None,
            Self::Exited(Some(code)) => Some(format!("Exit code: {code}").into()),
            Self::Exited(None) => Some("Exit code unknown".into()),
            Self::Failed(message) => Some(Cow::Borrowed(message)),
            Self::Submitted | Self::Started | Self::TimedOut | Self::Halted => None,
        }
    }
}
