//! Triggering: the request, its answer, and what set off a run.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::WorkflowId;
use crate::lenient::Fields;

/// What a trigger adds to an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerParameters {
    /// Environment variables, which replace those of the workflow.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Asks for a run of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerRequest {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// What to run it for. The server rounds it down to the workflow's schedule.
    pub parameter: String,
    /// What the trigger adds.
    pub trigger_parameters: Option<TriggerParameters>,
}

/// The answer to a [`TriggerRequest`]: the request again, and the id of the trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerResponse {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The parameter as it was sent.
    pub parameter: String,
    /// What the trigger adds.
    pub trigger_parameters: Option<TriggerParameters>,
    /// The id of the trigger, such as `ad-hoc-cli-1714986611120-04217`.
    pub trigger_id: String,
}

/// What set off a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "@type", rename_all = "lowercase")]
pub enum Trigger {
    /// The workflow's schedule.
    Natural,
    /// Somebody's request.
    Adhoc {
        /// The id of the request.
        trigger_id: String,
    },
    /// A backfill.
    Backfill {
        /// The id of the backfill.
        trigger_id: String,
    },
    /// Something that an old history does not name.
    Unknown {
        /// What is known of it.
        trigger_id: String,
    },
}

impl Trigger {
    /// The id of every natural trigger.
    pub const NATURAL_ID: &str = "natural-trigger";

    /// The trigger's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Natural => Self::NATURAL_ID,
            Self::Adhoc { trigger_id } | Self::Backfill { trigger_id } | Self::Unknown { trigger_id } => trigger_id,
        }
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read(&raw).map_err(D::Error::custom)
    }
}

fn read(raw: &RawValue) -> serde_json::Result<Trigger> {
    let fields = Fields::of(raw)?;
    let trigger_id = || fields.required("trigger_id");
    Ok(match fields.required::<String>("@type")?.as_str() {
        "natural" => Trigger::Natural,
        "adhoc" => Trigger::Adhoc { trigger_id: trigger_id()? },
        "backfill" => Trigger::Backfill { trigger_id: trigger_id()? },
        "unknown" => Trigger::Unknown { trigger_id: trigger_id()? },
        kind => return Err(serde_json::Error::unknown_variant(kind, &["natural", "adhoc", "backfill", "unknown"])),
    })
}
