//! The runs that are active, and where each of them stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use styx_core::workflow::Span;

use crate::{FlyteExecConf, Trigger, TriggerParameters, WorkflowInstance, lenient, time};

/// The answer to "what is active".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStateDataPayload {
    /// The active runs.
    #[serde(default, deserialize_with = "lenient::list")]
    pub active_states: Vec<RunStateData>,
}

/// One run, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStateData {
    /// Whose run it is.
    pub workflow_instance: WorkflowInstance,
    /// The state by its name, such as `RUNNING`. Clients take unknown names as they are.
    #[serde(deserialize_with = "lenient::text")]
    pub state: String,
    /// What the run remembers.
    pub state_data: StateData,
    /// When the run was triggered, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub initial_timestamp: Option<i64>,
    /// When the run last changed, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub latest_timestamp: Option<i64>,
}

/// What a run remembers. The default is what a run knows that has not begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateData {
    /// How many executions were started.
    #[serde(deserialize_with = "lenient::integer")]
    pub tries: i64,
    /// How many of them failed in a row.
    #[serde(deserialize_with = "lenient::integer")]
    pub consecutive_failures: i64,
    /// What the failures cost so far; a run that costs too much is given up.
    #[serde(deserialize_with = "lenient::double")]
    pub retry_cost: f64,
    /// How long the run waits before its next try.
    #[serde(deserialize_with = "lenient::optional_integer")]
    pub retry_delay_millis: Option<i64>,
    /// The exit code of the last execution.
    #[serde(deserialize_with = "lenient::optional_integer")]
    pub last_exit: Option<i64>,
    /// What set off the run.
    pub trigger: Option<Trigger>,
    /// The id of the trigger.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub trigger_id: Option<String>,
    /// The current execution.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub execution_id: Option<String>,
    /// Where the execution runs.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub runner_id: Option<String>,
    /// What the execution runs.
    pub execution_description: Option<ExecutionDescription>,
    /// The resources that the run holds.
    #[serde(deserialize_with = "lenient::optional_texts")]
    pub resource_ids: Option<Vec<String>>,
    /// What the trigger added.
    pub trigger_parameters: Option<TriggerParameters>,
    /// What there is to tell; the last one is *the* message.
    #[serde(deserialize_with = "lenient::list")]
    pub messages: Vec<Message>,
}

/// What an execution runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutionDescription {
    /// The image.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub docker_image: Option<String>,
    /// Its arguments, the parameter already in its place.
    #[serde(deserialize_with = "lenient::texts")]
    pub docker_args: Vec<String>,
    /// Whether the container tells its exit code in its termination log.
    #[serde(deserialize_with = "lenient::boolean")]
    pub docker_termination_logging: bool,
    /// The service account.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub service_account: Option<String>,
    /// The commit that the workflow was deployed from.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub commit_sha: Option<String>,
    /// The environment.
    #[serde(deserialize_with = "lenient::text_map")]
    pub env: BTreeMap<String, String>,
    /// How long the execution may take.
    #[serde(with = "time::optional_duration")]
    pub running_timeout: Option<Span>,
    /// When a failed execution is tried again.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub retry_condition: Option<String>,
    /// What runs on Flyte instead of an image.
    pub flyte_exec_conf: Option<FlyteExecConf>,
    /// The name of the execution on Flyte.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub flyte_execution_id: Option<String>,
}

/// Something to tell about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How much it matters.
    pub level: MessageLevel,
    /// The text.
    #[serde(deserialize_with = "lenient::text")]
    pub line: String,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MessageLevel {
    /// Good to know.
    Info,
    /// Something that may need care.
    Warning,
    /// Something that went wrong.
    Error,
    /// A level that this version does not know.
    Unknown,
}

impl<'de> Deserialize<'de> for MessageLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match lenient::text(deserializer)?.as_str() {
            "INFO" => Self::Info,
            "WARNING" => Self::Warning,
            "ERROR" => Self::Error,
            _ => Self::Unknown,
        })
    }
}
