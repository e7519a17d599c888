//! What operators do to runs (E-26 to E-28).

use std::sync::Arc;

use axum::response::Response;
use hyper::StatusCode;
use styx_client::{TriggerRequest, TriggerResponse, WorkflowInstance};
use styx_core::{
    decide::{Reply, Request},
    event::TriggerParameters,
    id::{InstanceId, WorkflowId},
    record::{Runs, StoredWorkflow},
    workflow::{WorkflowConfiguration, validate},
};

use super::workflows::{find, find_stored};
use crate::http::{
    Call,
    response::{ApiError, ok, without_effect},
};

/// E-26.
pub(super) async fn trigger(call: &Call) -> Result<Response, ApiError> {
    let asked: TriggerRequest = call.payload.parse()?;
    let id = WorkflowId::from(&asked.workflow_id);
    let found = find_stored(call, &id).await?;
    if let Some((_, stored)) = found.as_ref().filter(|(workflow, _)| workflow.spec.runs == Runs::Image) {
        check_trigger(call, &id, stored, &asked)?;
    }
    let env = asked.trigger_parameters.clone().unwrap_or_default().env;
    let request = Request::Trigger {
        workflow: id.clone(),
        parameter: asked.parameter.as_str().into(),
        parameters: TriggerParameters { env: Arc::new(env) },
        allow_future: call.query.is_true("allowFuture"),
    };
    let reply = call.ask(request).await;
    let TriggerRequest { workflow_id, parameter, trigger_parameters } = asked;
    match reply? {
        Reply::Triggered { trigger_id, .. } => {
            let trigger_id = trigger_id.to_string();
            Ok(ok(&TriggerResponse { workflow_id, parameter, trigger_parameters, trigger_id }))
        }
        other => Err(ApiError::internal(&call.operator.request_id, "Reply", format!("{other:?}"))),
    }
}

/// E-27.
pub(super) async fn halt(call: &Call) -> Result<Response, ApiError> {
    let instance: WorkflowInstance = call.payload.parse()?;
    let reply = call.ask(Request::Halt { instance: InstanceId::from(&instance) }).await?;
    Ok(echo(&instance, &reply))
}

/// E-28.
pub(super) async fn retry(call: &Call) -> Result<Response, ApiError> {
    let instance: WorkflowInstance = call.payload.parse()?;
    let id = InstanceId::from(&instance);
    let Ok(delay_millis) = call.query.get("delay").unwrap_or("0").parse() else {
        // The original looks for the workflow first.
        let known = find(call, id.workflow()).await?.is_some();
        return Err(match known {
            true => ApiError::bad_request("Delay parameter could not be parsed"),
            false => ApiError::not_found("workflow not found"),
        });
    };
    let reply = call.ask(Request::Retry { instance: id, delay_millis }).await?;
    Ok(echo(&instance, &reply))
}

/// What the engine doesn't see: rules for the stored configuration, and what a trigger may set.
fn check_trigger(
    call: &Call,
    id: &WorkflowId,
    stored: &StoredWorkflow,
    asked: &TriggerRequest,
) -> Result<(), ApiError> {
    let configuration = WorkflowConfiguration::from_json(&stored.json)
        .map_err(|error| ApiError::internal(&call.operator.request_id, "JsonError", error))?;
    let limit = call.app.max_running_timeout;
    let errors = validate(id.component(), id.workflow(), &configuration, Some(limit));
    if !errors.is_empty() {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Err(ApiError::bad_request(format!("Invalid workflow configuration: {}", errors.join(", "))));
    }
    let parameters = asked.trigger_parameters.iter().filter(|_| call.app.declared_env_only);
    let mut names = parameters.flat_map(|parameters| parameters.env.keys());
    if let Some(name) = names.find(|name| !configuration.env.contains_key(*name)) {
        let text = format!(
            "the trigger sets the environment variable {name}, which the workflow's own env doesn't have: on this executor a \
             trigger may only change variables that the workflow names"
        );
        return Err(ApiError::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(())
}

fn echo(instance: &WorkflowInstance, reply: &Reply) -> Response {
    let response = ok(instance);
    if *reply == Reply::Nothing { without_effect(response) } else { response }
}
