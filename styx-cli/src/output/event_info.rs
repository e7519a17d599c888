//! What an event has to tell beyond its name, in the words of Styx 2.x.

use std::collections::BTreeMap;
use std::fmt::Display;

use styx_client::{EventKind, ExecutionDescription, TriggerParameters};

use super::style::{java_list, java_map, or_empty};

/// Puts an event into words.
pub(crate) fn describe(event: &EventKind) -> String {
    match event {
        EventKind::TriggerExecution { trigger, parameters } => {
            format!("Trigger id: {}, Parameters: {}", trigger.id(), parameters_json(parameters))
        }
        EventKind::Info { message } => message.line.clone(),
        EventKind::Submit { execution_description, execution_id } => format!(
            "Execution description: {}, id: {}",
            description_text(execution_description),
            or_empty(execution_id.as_ref())
        ),
        EventKind::Submitted { execution_id, runner_id } => {
            format!("Execution id: {}, runner id: {}", or_empty(execution_id.as_ref()), or_empty(runner_id.as_ref()))
        }
        EventKind::Created { execution_id, docker_image } => {
            format!("Execution id: {execution_id}, Docker image: {docker_image}")
        }
        EventKind::Terminate { exit_code } => {
            format!("Exit code: {}", exit_code.map_or_else(|| "-".into(), |code| code.to_string()))
        }
        EventKind::RunError { message } => format!("Error message: {message}"),
        EventKind::RetryAfter { delay_millis } => {
            format!("Delay (seconds): {}", delay_millis / 1000)
        }
        _ => String::new(),
    }
}

/// The parameters as JSON, keys sorted.
fn parameters_json(parameters: &TriggerParameters) -> String {
    let sorted = BTreeMap::from([("env", &parameters.env)]);
    styx_client::json::to_string(&sorted).expect("texts have a form in JSON")
}

/// The description as Java prints such an object.
fn description_text(description: &ExecutionDescription) -> String {
    let flyte = description.flyte_exec_conf.as_ref().map(|flyte| {
        let inputs = java_map(&flyte.input_fields);
        format!("FlyteExecConf{{referenceId={}, inputFields={inputs}}}", flyte.reference_id)
    });
    format!(
        "ExecutionDescription{{dockerImage={}, dockerArgs={}, dockerTerminationLogging={}, serviceAccount={}, \
         commitSha={}, env={}, runningTimeout={}, retryCondition={}, flyteExecConf={}, flyteExecutionId={}}}",
        java_optional(description.docker_image.as_ref()),
        java_list(&description.docker_args),
        description.docker_termination_logging,
        java_optional(description.service_account.as_ref()),
        java_optional(description.commit_sha.as_ref()),
        java_map(&description.env),
        java_optional(description.running_timeout),
        java_optional(description.retry_condition.as_ref()),
        java_optional(flyte),
        java_optional(description.flyte_execution_id.as_ref()),
    )
}

fn java_optional<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "Optional.empty".into(), |value| format!("Optional[{value}]"))
}

#[cfg(test)]
mod tests {
    use styx_client::Event;

    use super::*;

    #[test]
    fn every_kind_is_put_into_words() {
        for (fields, expected) in [
            (r#""@type":"terminate""#, "Exit code: -"),
            (r#""@type":"terminate","exit_code":20"#, "Exit code: 20"),
            (r#""@type":"runError","message":"no luck""#, "Error message: no luck"),
            (r#""@type":"retryAfter","delay_millis":600999"#, "Delay (seconds): 600"),
            (r#""@type":"info","message":{"level":"INFO","line":"wait"}"#, "wait"),
            (r#""@type":"created","execution_id":"x","docker_image":"i""#, "Execution id: x, Docker image: i"),
            (
                r#""@type":"triggerExecution","trigger":{"@type":"natural"},"parameters":{"env":{"B":"2","A":"1"}}"#,
                r#"Trigger id: natural-trigger, Parameters: {"env":{"A":"1","B":"2"}}"#,
            ),
            (r#""@type":"halt""#, ""),
            (r#""@type":"later","x":1"#, ""),
        ] {
            let json = format!(r#"{{"workflow_instance":"a#b#c",{fields}}}"#);
            let event: Event = styx_client::json::from_slice(json.as_bytes()).unwrap();
            assert_eq!(describe(&event.kind), expected, "{json}");
        }
    }
}
