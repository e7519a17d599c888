//! From a decided execution to what an executor needs for it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    event::{Description, TriggerParameters},
    executor::Launch,
    id::{ExecutionId, Position},
    stored_workflow::Origin,
    workflow::WorkflowConfiguration,
    world::World,
};

/// The record that holds the definition of the workflow that is to be launched.
pub fn definition_of(world: &World, id: &ExecutionId) -> Option<Position> {
    let execution = world.executions().get(id)?;
    match world.runs().get(&execution.instance)?.description.as_ref()? {
        Description::Stored(position) => Some(*position),
        Description::Inline(_) => None,
    }
}

/// All that a launch needs; `configuration` and `origin` are those of the record at [`definition_of`], whatever became of
/// the workflow since. What `declared_env_only` means is said at [`environment`].
pub fn launch(
    world: &World,
    id: &ExecutionId,
    configuration: &WorkflowConfiguration,
    origin: &Origin,
    declared_env_only: bool,
) -> Option<Launch> {
    let execution = world.executions().get(id)?;
    let run = world.runs().get(&execution.instance)?;
    Some(Launch {
        executor: Arc::clone(&execution.runner),
        log_id: execution.log_id,
        execution: id.clone(),
        instance: execution.instance.clone(),
        docker_image: configuration.docker_image.clone().unwrap_or_default(),
        docker_command: configuration.docker_command.clone(),
        docker_args: filled_in(configuration, execution.instance.parameter()),
        env: environment(configuration, run.parameters.as_ref(), declared_env_only),
        trigger: run.trigger.clone(),
        tries: run.tries,
        execution_counter: run.execution_counter(),
        service_account: configuration.service_account.clone(),
        commit_sha: configuration.commit_sha.clone(),
        docker_termination_logging: configuration.docker_termination_logging,
        secret: configuration.secret.clone(),
        pod: configuration.pod.clone(),
        origin: origin.clone(),
    })
}

/// The workflow's environment, and that of the trigger on top (SM-18).
///
/// With `declared_env_only` a trigger may only set variables that the workflow itself names, as the local executor wants
/// it: any other name could be code (`BASH_ENV`).
pub fn environment(
    configuration: &WorkflowConfiguration,
    parameters: Option<&TriggerParameters>,
    declared_env_only: bool,
) -> BTreeMap<String, String> {
    let mut env = configuration.env.clone();
    for (name, value) in parameters.iter().flat_map(|parameters| parameters.env.iter()) {
        if !declared_env_only || env.contains_key(name) {
            env.insert(name.clone(), value.clone());
        }
    }
    env
}

/// The arguments with the parameter put in: an argument that is `{}` as a whole, and no other (SM-68).
pub fn filled_in(configuration: &WorkflowConfiguration, parameter: &str) -> Vec<String> {
    let arguments = configuration.docker_args.iter().flatten();
    arguments.map(|argument| if argument == "{}" { parameter.to_owned() } else { argument.clone() }).collect()
}
