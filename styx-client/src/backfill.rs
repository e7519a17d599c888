//! Backfills: many instances of a workflow, triggered one after the other.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{RunStateDataPayload, TriggerParameters, WorkflowId, lenient, time, workflow};

/// A backfill and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// Its id, such as `backfill-1714986611120-00731`.
    pub id: String,
    /// The first instant.
    #[serde(with = "time::instant")]
    pub start: DateTime<Utc>,
    /// The end: the first instant that is left out.
    #[serde(with = "time::instant")]
    pub end: DateTime<Utc>,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// How many of its instances may be active at once.
    #[serde(default)]
    pub concurrency: i32,
    /// What it is for.
    pub description: Option<String>,
    /// The instant that comes next. At the end of a forward backfill this is `end`, at that of a reverse one the
    /// instant before `start`.
    #[serde(with = "time::instant")]
    pub next_trigger: DateTime<Utc>,
    /// The schedule that the workflow had when the backfill was made, in Styx's form, such as `days`.
    #[serde(with = "workflow::schedule_text")]
    pub schedule: String,
    /// Whether every instance was triggered.
    #[serde(default)]
    pub all_triggered: bool,
    /// Whether somebody stopped it.
    #[serde(default)]
    pub halted: bool,
    /// Whether the latest instant is triggered first.
    #[serde(default)]
    pub reverse: bool,
    /// What its triggers add.
    pub trigger_parameters: Option<TriggerParameters>,
    /// When it was made.
    #[serde(with = "time::optional_instant", default)]
    pub created: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(with = "time::optional_instant", default)]
    pub last_modified: Option<DateTime<Utc>>,
}

/// Asks for a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillInput {
    /// The first instant.
    #[serde(with = "time::instant")]
    pub start: DateTime<Utc>,
    /// The end: the first instant that is left out.
    #[serde(with = "time::instant")]
    pub end: DateTime<Utc>,
    /// The component of the workflow.
    pub component: String,
    /// The workflow's id within the component.
    pub workflow: String,
    /// How many of its instances may be active at once.
    #[serde(default)]
    pub concurrency: i32,
    /// Whether the latest instant is to be triggered first.
    #[serde(default)]
    pub reverse: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What its triggers are to add.
    pub trigger_parameters: Option<TriggerParameters>,
}

/// Which backfills to list. The default is all that still trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillFilter {
    /// Those of a component.
    pub component: Option<String>,
    /// Those of workflows with this id.
    pub workflow: Option<String>,
    /// Also those that are halted, or have triggered everything.
    pub show_all: bool,
    /// Those that start on this day or later; counts only with both component and workflow.
    pub start: Option<NaiveDate>,
}

/// Changes a backfill; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditableBackfillInput {
    /// Its id.
    pub id: String,
    /// How many of its instances may be active at once.
    #[serde(default, deserialize_with = "lenient::optional_scalar")]
    pub concurrency: Option<i32>,
    /// What it is for.
    pub description: Option<String>,
}

/// A backfill and, if they were asked for, the states of its instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillPayload {
    /// The backfill.
    pub backfill: Backfill,
    /// Where each instance stands. `WAITING` is one whose turn has not come, `UNKNOWN` one that left no trace.
    pub statuses: Option<RunStateDataPayload>,
}

/// The answer to "which backfills are there".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackfillsPayload {
    /// The backfills.
    pub backfills: Vec<BackfillPayload>,
}
