//! Active runs as clients see them (RunStateData, spec 3).

use styx_client::{RunStateData, StateData, WorkflowInstance};
use styx_core::{id::InstanceId, log::LogError, run::Run};

use super::{Descriptions, message, trigger, trigger_parameters};

/// The state of an active run.
///
/// # Errors
///
/// When the record of what it runs can't be read.
pub(crate) fn state(
    instance: &InstanceId,
    run: &Run,
    descriptions: &Descriptions<'_>,
) -> Result<RunStateData, LogError> {
    let description = run.description.as_ref();
    let description =
        description.map(|description| descriptions.spell_out(instance, description, run.parameters.as_ref()));
    let resources = run.resources.as_ref();
    let notes = run.note.iter().map(|note| message(&note.message()));
    Ok(RunStateData {
        workflow_instance: WorkflowInstance::from(instance),
        state: run.state.to_string(),
        state_data: StateData {
            tries: run.tries.try_into().unwrap_or(i32::MAX),
            consecutive_failures: run.consecutive_failures.try_into().unwrap_or(i32::MAX),
            retry_cost: run.retry_cost(),
            retry_delay_millis: run.retry_delay_millis,
            last_exit: run.last_exit,
            trigger: run.trigger.as_ref().map(trigger),
            // As Styx 2.x shows it: the trigger says it.
            trigger_id: None,
            execution_id: run.execution.as_ref().map(ToString::to_string),
            runner_id: run.runner.as_ref().map(ToString::to_string),
            execution_description: description.transpose()?,
            resource_ids: resources.map(|resources| resources.iter().map(ToString::to_string).collect()),
            trigger_parameters: run.parameters.as_ref().map(trigger_parameters),
            messages: notes.chain(descriptions.missing_executor(run)?).collect(),
        },
        initial_timestamp: None,
        latest_timestamp: Some(run.last_event_at.timestamp_millis()),
    })
}
