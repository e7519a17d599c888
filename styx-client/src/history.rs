//! The history of an instance: its triggers, and the executions of each.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FlyteExecConf, TriggerParameters, WorkflowInstance, lenient, time};

/// All that ran for one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowInstanceExecutionData {
    /// The instance.
    pub workflow_instance: WorkflowInstance,
    /// Its triggers, oldest first.
    #[serde(default, deserialize_with = "lenient::list")]
    pub triggers: Vec<TriggerHistory>,
}

/// A trigger of the past, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerHistory {
    /// Its id.
    #[serde(deserialize_with = "lenient::text")]
    pub trigger_id: String,
    /// When it came.
    #[serde(with = "time::instant")]
    pub timestamp: DateTime<Utc>,
    /// What it added.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub parameters: TriggerParameters,
    /// Whether nothing more will come of it.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub complete: bool,
    /// The executions, oldest first.
    #[serde(default, deserialize_with = "lenient::list")]
    pub executions: Vec<Execution>,
}

/// One execution of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// Its id; a run that was halted in the queue has none.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub execution_id: Option<String>,
    /// The image.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub docker_image: Option<String>,
    /// The commit that the workflow was deployed from.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub commit_sha: Option<String>,
    /// What ran on Flyte instead of an image.
    pub flyte_exec_conf: Option<FlyteExecConf>,
    /// The name of the execution on Flyte.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub flyte_execution_id: Option<String>,
    /// Where it ran.
    #[serde(deserialize_with = "lenient::optional_text")]
    pub runner_id: Option<String>,
    /// What became of it, in order.
    #[serde(deserialize_with = "lenient::list")]
    pub statuses: Vec<ExecStatus>,
}

/// What was known of an execution at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecStatus {
    /// When.
    #[serde(with = "time::instant")]
    pub timestamp: DateTime<Utc>,
    /// What, such as `SUBMITTED`, `STARTED`, `SUCCESS` or `FAILED`.
    #[serde(deserialize_with = "lenient::text")]
    pub status: String,
    /// More about it.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub message: Option<String>,
}
