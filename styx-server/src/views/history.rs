//! What ran for an instance: its triggers, and the executions of each (WorkflowInstanceExecutionData, spec 3).

use styx_client::{ExecStatus, Execution, TriggerHistory, WorkflowInstance, WorkflowInstanceExecutionData};
use styx_core::{
    event::{Description, Event},
    history::{History, PastExecution, PastTrigger},
    id::InstanceId,
    log::{LogError, LogReader},
};

use super::{Descriptions, events::for_each_event, flyte_exec_conf, trigger_parameters};

/// The history of an instance; `None` if nothing happened to it.
///
/// # Errors
///
/// When the log can't be read.
pub(crate) fn history(
    reader: &dyn LogReader,
    instance: &InstanceId,
    descriptions: &Descriptions<'_>,
) -> Result<Option<History>, LogError> {
    let mut history = None;
    for_each_event(reader, instance, |event, at| {
        let stored = match event {
            Event::Submit { description: Description::Stored(position), .. } => Some(descriptions.ran(*position)?),
            _ => None,
        };
        history.get_or_insert_with(History::new).apply(event, at, stored.as_ref());
        Ok(())
    })?;
    Ok(history)
}

/// A history that was told, as clients see it.
pub(crate) fn execution_data(instance: &InstanceId, triggers: Vec<PastTrigger>) -> WorkflowInstanceExecutionData {
    let triggers = triggers.into_iter().map(|trigger| TriggerHistory {
        trigger_id: trigger.trigger_id.to_string(),
        timestamp: trigger.at,
        parameters: trigger_parameters(&trigger.parameters),
        complete: trigger.complete,
        executions: trigger.executions.into_iter().map(execution).collect(),
    });
    WorkflowInstanceExecutionData { workflow_instance: WorkflowInstance::from(instance), triggers: triggers.collect() }
}

fn execution(execution: PastExecution) -> Execution {
    let PastExecution { execution, ran, runner, statuses } = execution;
    let statuses = statuses.into_iter().map(|status| ExecStatus {
        timestamp: status.at,
        status: status.kind.name().to_owned(),
        message: status.kind.message().map(Into::into),
    });
    Execution {
        execution_id: execution.map(|id| id.to_string()),
        docker_image: ran.docker_image.as_deref().map(Into::into),
        commit_sha: ran.commit_sha.as_deref().map(Into::into),
        flyte_exec_conf: ran.flyte_exec_conf.as_deref().and_then(flyte_exec_conf),
        flyte_execution_id: ran.flyte_execution_id.as_deref().map(Into::into),
        runner_id: runner.as_deref().map(Into::into),
        statuses: statuses.collect(),
    }
}
