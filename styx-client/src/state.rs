//! The runs that are active, and where each of them stands.

use std::collections::BTreeMap;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use styx_core::workflow::Span;

use crate::{FlyteExecConf, Trigger, TriggerParameters, WorkflowInstance, lenient, time};

/// The answer to "what is active".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStateDataPayload {
    /// The active runs.
    #[serde(default)]
    pub active_states: Vec<RunStateData>,
}

/// One run, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStateData {
    /// Whose run it is.
    pub workflow_instance: WorkflowInstance,
    /// The state by its name, such as `RUNNING`. Clients take unknown names as they are.
    pub state: String,
    /// What the run remembers.
    pub state_data: StateData,
    /// When the run was triggered, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient::optional_scalar")]
    pub initial_timestamp: Option<i64>,
    /// When the run last changed, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient::optional_scalar")]
    pub latest_timestamp: Option<i64>,
}

/// What a run remembers. The default is what a run knows that has not begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateData {
    /// How many executions were started.
    pub tries: i32,
    /// How many of them failed in a row.
    pub consecutive_failures: i32,
    /// What the failures cost so far; a run that costs too much is given up.
    pub retry_cost: f64,
    /// How long the run waits before its next try.
    #[serde(deserialize_with = "lenient::optional_scalar")]
    pub retry_delay_millis: Option<i64>,
    /// The exit code of the last execution.
    #[serde(deserialize_with = "lenient::optional_scalar")]
    pub last_exit: Option<i32>,
    /// What set off the run.
    pub trigger: Option<Trigger>,
    /// The id of the trigger.
    pub trigger_id: Option<String>,
    /// The current execution.
    pub execution_id: Option<String>,
    /// Where the execution runs.
    pub runner_id: Option<String>,
    /// What the execution runs.
    pub execution_description: Option<ExecutionDescription>,
    /// The resources that the run holds, each once.
    #[serde(deserialize_with = "lenient::optional_set")]
    pub resource_ids: Option<Vec<String>>,
    /// What the trigger added.
    pub trigger_parameters: Option<TriggerParameters>,
    /// What there is to tell; the last one is *the* message.
    pub messages: Vec<Message>,
}

/// What an execution runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutionDescription {
    /// The image.
    pub docker_image: Option<String>,
    /// Its arguments, the parameter already in its place.
    pub docker_args: Vec<String>,
    /// Whether the container tells its exit code in its termination log.
    pub docker_termination_logging: bool,
    /// The service account.
    pub service_account: Option<String>,
    /// The commit that the workflow was deployed from.
    pub commit_sha: Option<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// How long the execution may take.
    #[serde(with = "time::optional_duration")]
    pub running_timeout: Option<Span>,
    /// When a failed execution is tried again.
    pub retry_condition: Option<String>,
    /// What runs on Flyte instead of an image.
    pub flyte_exec_conf: Option<FlyteExecConf>,
    /// The name of the execution on Flyte.
    pub flyte_execution_id: Option<String>,
}

/// Something to tell about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How much it matters.
    pub level: MessageLevel,
    /// The text.
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
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get() {
            r#""INFO""# => Ok(Self::Info),
            r#""WARNING""# => Ok(Self::Warning),
            r#""ERROR""# => Ok(Self::Error),
            _ => Ok(Self::Unknown),
        }
    }
}
