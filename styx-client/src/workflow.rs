//! Workflows and whether they are enabled.

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use styx_core::workflow::{Strictness, WorkflowConfiguration};

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
    #[serde(deserialize_with = "lenient::optional_boolean")]
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
            #[serde(deserialize_with = "lenient::text")]
            component_id: String,
            configuration: Value,
        }
        let Wire { component_id, configuration } = Wire::deserialize(deserializer)?;
        let configuration =
            WorkflowConfiguration::from_value(configuration, Strictness::Lenient).map_err(D::Error::custom)?;
        Ok(Self { component_id, configuration })
    }
}

/// A configuration in the JSON form that the core gives it.
pub(crate) struct AsJson<'a>(pub(crate) &'a WorkflowConfiguration);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.0.to_json()).map_err(S::Error::custom)?;
        value.serialize(serializer)
    }
}
