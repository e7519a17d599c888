//! The history of an instance: its triggers, and the executions of each.

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lenient::Fields;
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

/// One execution of the past. It ran an image or on Flyte: one that names both is refused when it is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

impl<'de> Deserialize<'de> for Execution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read_execution(&raw).map_err(D::Error::custom)
    }
}

fn read_execution(raw: &RawValue) -> serde_json::Result<Execution> {
    let fields = Fields::of(raw)?;
    let execution = Execution {
        execution_id: fields.optional("execution_id")?,
        docker_image: fields.optional("docker_image")?,
        commit_sha: fields.optional("commit_sha")?,
        flyte_exec_conf: fields.optional("flyte_exec_conf")?,
        flyte_execution_id: fields.optional("flyte_execution_id")?,
        runner_id: fields.optional("runner_id")?,
        statuses: fields.required("statuses")?,
    };
    if execution.docker_image.is_some() && execution.flyte_exec_conf.is_some() {
        let id = execution.execution_id.as_deref().unwrap_or("unknown");
        return Err(serde_json::Error::custom(format!("execution {id} has both docker_image and flyte_exec_conf")));
    }
    Ok(execution)
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
