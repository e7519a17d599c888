//! The history of an instance: its triggers, and the executions of each.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FlyteExecConf, TriggerParameters, WorkflowInstance, time};

/// All that ran for one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowInstanceExecutionData {
    /// The instance.
    pub workflow_instance: WorkflowInstance,
    /// Its triggers, oldest first.
    pub triggers: Vec<TriggerHistory>,
}

/// A trigger of the past, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerHistory {
    /// Its id.
    pub trigger_id: String,
    /// When it came.
    #[serde(with = "time::instant")]
    pub timestamp: DateTime<Utc>,
    /// What it added.
    #[serde(default)]
    pub parameters: TriggerParameters,
    /// Whether nothing more will come of it.
    #[serde(default)]
    pub complete: bool,
    /// The executions, oldest first.
    pub executions: Vec<Execution>,
}

/// One execution of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id; a run that was halted in the queue has none.
    pub execution_id: Option<String>,
    /// The image.
    pub docker_image: Option<String>,
    /// The commit that the workflow was deployed from.
    pub commit_sha: Option<String>,
    /// What ran on Flyte instead of an image.
    pub flyte_exec_conf: Option<FlyteExecConf>,
    /// The name of the execution on Flyte.
    pub flyte_execution_id: Option<String>,
    /// Where it ran.
    pub runner_id: Option<String>,
    /// What became of it, in order.
    pub statuses: Vec<ExecStatus>,
}

/// What was known of an execution at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecStatus {
    /// When.
    #[serde(with = "time::instant")]
    pub timestamp: DateTime<Utc>,
    /// What, such as `SUBMITTED`, `STARTED`, `SUCCESS` or `FAILED`.
    pub status: String,
    /// More about it.
    pub message: Option<String>,
}
