//! The environment of a job, built from nothing.

use std::{collections::BTreeMap, path::Path};

use styx_core::{event::Trigger, executor::Launch};

use super::{LocalOptions, notes::TERMINATION_LOG};

/// Builds it: `PATH` of the configuration, over it what workflow and trigger set (also `PATH`, if they do), over that
/// the variables of Styx (spec part (d)), and last the operator's for names that are still free.
pub(super) fn environment(options: &LocalOptions, launch: &Launch, run_folder: &Path) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), options.path.clone())]);
    env.extend(launch.env.clone());
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let (workflow, parameter) = (launch.instance.workflow(), launch.instance.parameter());
    let styx = [
        ("STYX_COMPONENT_ID", workflow.component().to_owned()),
        ("STYX_WORKFLOW_ID", workflow.workflow().to_owned()),
        ("STYX_PARAMETER", parameter.to_owned()),
        ("STYX_COMMIT_SHA", text(launch.commit_sha.as_deref())),
        ("STYX_SERVICE_ACCOUNT", text(launch.service_account.as_deref())),
        ("STYX_DOCKER_ARGS", launch.docker_args.join(" ")),
        ("STYX_DOCKER_IMAGE", launch.docker_image.clone()),
        ("STYX_EXECUTION_ID", launch.execution.to_string()),
        ("STYX_TRIGGER_ID", text(launch.trigger.as_ref().map(Trigger::id))),
        ("STYX_TRIGGER_TYPE", text(launch.trigger.as_ref().map(Trigger::kind))),
        ("STYX_ENVIRONMENT", options.environment.clone()),
        ("STYX_LOGGING", "structured".to_owned()),
        ("STYX_EXECUTION_TRIES", launch.tries.to_string()),
        ("STYX_TERMINATION_LOG", run_folder.join(TERMINATION_LOG).to_string_lossy().into_owned()),
        ("STYX_RUN_DIR", run_folder.to_string_lossy().into_owned()),
    ];
    env.extend(styx.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in &options.execution_env {
        env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    env
}
