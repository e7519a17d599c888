//! Workflows and whether they are enabled.

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use styx_core::workflow::{ScheduleText, WorkflowConfiguration};

use crate::{lenient, time};

/// A workflow as it is stored. Its id is that of its configuration; in JSON it stands beside it once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The component that the workflow belongs to.
    pub component_id: String,
    /// What to run, and when.
    pub configuration: WorkflowConfiguration,
}

impl Workflow {
    /// The workflow's id within its component.
    pub fn workflow_id(&self) -> &str {
        &self.configuration.id
    }
}

/// Whether a workflow is enabled and when it runs next. In a change, what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowState {
    /// Whether its schedule triggers it.
    #[serde(deserialize_with = "lenient::optional_scalar")]
    pub enabled: Option<bool>,
    /// The next instant of its schedule, which the parameter will name.
    #[serde(with = "time::optional_instant")]
    pub next_natural_trigger: Option<DateTime<Utc>>,
    /// When that instant will be triggered.
    #[serde(with = "time::optional_instant")]
    pub next_natural_offset_trigger: Option<DateTime<Utc>>,
}

/// A workflow and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowWithState {
    /// The workflow.
    pub workflow: Workflow,
    /// Its state.
    pub state: WorkflowState,
    /// What it owes under earlier schedules. No part of API v3: the client adds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<OwedSchedule>,
}

/// Whether a workflow is enabled, when it runs next, and what comes before that: the answer of
/// `GET /api/v4/workflows/{component}/{workflow}/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// Whether its schedule triggers it.
    pub enabled: bool,
    /// The next instant of its schedule.
    #[serde(default, with = "time::optional_instant")]
    pub next_natural_trigger: Option<DateTime<Utc>>,
    /// When that instant will be triggered.
    #[serde(default, with = "time::optional_instant")]
    pub next_natural_offset_trigger: Option<DateTime<Utc>>,
    /// The instants of its schedule that have fired and aren't triggered yet. When it is disabled, enabling skips them.
    #[serde(default)]
    pub overdue: Option<OverdueInstants>,
    /// What it owes under earlier schedules.
    #[serde(default)]
    pub owed: Vec<OwedSchedule>,
}

/// Instants of a schedule that have fired and aren't triggered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverdueInstants {
    /// The first.
    #[serde(with = "time::instant")]
    pub first: DateTime<Utc>,
    /// The last.
    #[serde(with = "time::instant")]
    pub last: DateTime<Utc>,
    /// How many there are at most: those that were triggered before are passed over.
    pub count: u64,
}

/// What a workflow owes under an earlier schedule: instants that had fired and weren't triggered when schedule or offset were
/// changed. They are triggered first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedSchedule {
    /// The earlier schedule.
    pub schedule: String,
    /// Its offset; absent means the schedule's own.
    #[serde(default)]
    pub offset: Option<String>,
    /// The parameter of the next instance.
    pub next_parameter: String,
    /// Its instant.
    #[serde(with = "time::instant")]
    pub next_natural_trigger: DateTime<Utc>,
    /// Until when they fired: when the schedule was changed.
    #[serde(with = "time::instant")]
    pub until: DateTime<Utc>,
    /// How many there are at most: those that were triggered under another schedule are passed over.
    pub count: u64,
}

/// A workflow that owes instants under an earlier schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowOwes {
    /// The component that the workflow belongs to.
    pub component_id: String,
    /// The workflow's id within its component.
    pub workflow_id: String,
    /// What it owes.
    pub owed: Vec<OwedSchedule>,
}

/// All workflows that owe instants under earlier schedules: the answer of `GET /api/v4/owed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedPayload {
    /// By component and workflow.
    pub workflows: Vec<WorkflowOwes>,
}

impl Serialize for Workflow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            component_id: &'a str,
            workflow_id: &'a str,
            configuration: AsJson<'a>,
        }
        let wire = Wire {
            component_id: &self.component_id,
            workflow_id: self.workflow_id(),
            configuration: AsJson(&self.configuration),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Workflow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            component_id: String,
            #[serde(rename = "workflow_id")]
            _workflow_id: Option<String>,
            configuration: Box<RawValue>,
        }
        let Wire { component_id, configuration, .. } = Wire::deserialize(deserializer)?;
        let configuration = WorkflowConfiguration::from_json(configuration.get()).map_err(D::Error::custom)?;
        Ok(Self { component_id, configuration })
    }
}

/// The text of a schedule: read from a text alone, no number, and brought into Styx's form.
pub(crate) mod schedule_text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text: String = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(ScheduleText::new(&text).as_str().to_owned())
    }
}

/// A configuration in the JSON form that the core gives it.
pub(crate) struct AsJson<'a>(pub(crate) &'a WorkflowConfiguration);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_json()).map_err(S::Error::custom)?.serialize(serializer)
    }
}
