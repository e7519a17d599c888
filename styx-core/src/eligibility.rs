//! Whether a workflow or a run may begin an execution at all, and why not: rules of configuration and definition, not of time.

use std::sync::Arc;

use crate::{
    config::{Config, ExecutorCapabilities},
    event::Trigger,
    id::{InstanceId, WorkflowId},
    request::Refusal,
    run::Run,
    stored_workflow::{Origin, Runs},
    world::{Workflow, World},
};

/// Why a queued run may never run as things stand, so that it is halted instead of admitted (spec SM §16.3).
pub(crate) fn run_obstacle(
    world: &World,
    instance: &InstanceId,
    run: &Run,
    workflow: Option<&Workflow>,
) -> Option<Arc<str>> {
    let natural = run.trigger == Some(Trigger::Natural);
    match workflow {
        None => Some("workflow deleted".into()),
        Some(workflow) if natural && !workflow.enabled => Some("workflow disabled".into()),
        Some(workflow) => {
            let obstacle = workflow_obstacle(world.config(), instance.workflow(), workflow);
            obstacle.map(|refusal| refusal.to_string().into())
        }
    }
}

/// Why no execution of a workflow may begin, whatever asks for it: it runs nothing, or nothing that the executor runs.
pub(crate) fn workflow_obstacle(config: &Config, id: &WorkflowId, workflow: &Workflow) -> Option<Refusal> {
    match workflow.spec.runs {
        Runs::Nothing => Some(Refusal::NotRunnable),
        Runs::Flyte => Some(Refusal::Flyte),
        Runs::Image => {
            let executor = config.executor_for(id);
            origin_obstacle(&executor, workflow).or_else(|| pod_obstacle(&executor, workflow))
        }
    }
}

/// Why an executor that makes no pods can't run a workflow: such a one mounts no secrets.
fn pod_obstacle(executor: &ExecutorCapabilities, workflow: &Workflow) -> Option<Refusal> {
    let runner = || Arc::clone(&executor.runner);
    match (executor.mounts_secrets, workflow.spec.mounts_secret) {
        (true, _) => None,
        (false, true) => Some(Refusal::Secret { runner: runner() }),
        (false, false) => workflow.spec.has_pod().then(|| Refusal::Pod { runner: runner() }),
    }
}

/// Why the executor doesn't run the workflow, because of where it comes from.
fn origin_obstacle(executor: &ExecutorCapabilities, workflow: &Workflow) -> Option<Refusal> {
    let runner = || Arc::clone(&executor.runner);
    match &workflow.spec.origin {
        _ if executor.runs_api_workflows => None,
        Origin::File { .. } => None,
        Origin::Api => Some(Refusal::ApiWorkflow { runner: runner() }),
        Origin::RemovedFile { path } => Some(Refusal::RemovedFile { path: Arc::clone(path), runner: runner() }),
    }
}
