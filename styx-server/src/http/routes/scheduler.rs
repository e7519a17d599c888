//! What operators do to runs and executions (E-26 to E-29).

use std::sync::Arc;

use axum::response::Response;
use hyper::StatusCode;
use styx_client::{Event, EventKind, TriggerRequest, TriggerResponse, WorkflowInstance};
use styx_core::{
    decide::{Refusal, Reply, Request},
    event::TriggerParameters,
    id::{ExecutionId, InstanceId, WorkflowId},
    log::Definition,
    record::Runs,
    schedule::Schedule,
    workflow::{Rules, variable_errors},
};

use super::{
    named::Named,
    workflows::{find, find_definition, launchable},
};
use crate::http::{
    Call, bounds,
    response::{ApiError, about, after, empty, no_content, ok},
};

/// E-26.
pub(super) async fn trigger(call: &Call) -> Result<Response, ApiError> {
    let asked: TriggerRequest = call.payload.parse()?;
    let id = WorkflowId::from(&asked.workflow_id);
    let found = find_definition(call, &id)?;
    check_stored(call, &id, found.as_deref(), asked.trigger_parameters.as_ref())?;
    let env = asked.trigger_parameters.clone().unwrap_or_default().env;
    let request = Request::Trigger {
        workflow: id.clone(),
        parameter: asked.parameter.as_str().into(),
        parameters: TriggerParameters { env: Arc::new(env) },
        allow_future: call.query.is_true("allowFuture"),
    };
    let expects = call.once.expected.is_some();
    let schedule = found.filter(|_| expects).and_then(|found| Schedule::parse(&found.stored.spec.schedule).ok());
    let instant = schedule.as_ref().and_then(|schedule| schedule.parse_parameter(&asked.parameter).ok());
    let reply = match schedule.zip(instant) {
        Some((schedule, at)) => call.ask_about(&InstanceId::new(id, schedule.parameter(at)), request).await?.0,
        None => call.ask(request).await?,
    };
    let TriggerRequest { workflow_id, parameter, trigger_parameters } = asked;
    match reply {
        Reply::Triggered { trigger_id, instance } => {
            let trigger_id = trigger_id.to_string();
            let response = ok(&TriggerResponse { workflow_id, parameter, trigger_parameters, trigger_id });
            Ok(about(instance.parameter(), response))
        }
        other => Err(ApiError::internal(&call.operator.request_id, "Reply", format!("{other:?}"))),
    }
}

/// E-27.
pub(super) async fn halt(call: &Call) -> Result<Response, ApiError> {
    let instance: WorkflowInstance = call.payload.parse_not_null()?;
    let request = |instance| Request::Halt { instance };
    act(call, &InstanceId::from(&instance), request, ok(&instance)).await
}

/// E-28.
pub(super) async fn retry(call: &Call) -> Result<Response, ApiError> {
    let instance: WorkflowInstance = call.payload.parse_not_null()?;
    let id = InstanceId::from(&instance);
    let Ok(delay_millis) = call.query.get("delay").unwrap_or("0").parse() else {
        // The original looks for the workflow first.
        let known = find(call, id.workflow())?.is_some();
        return Err(match known {
            true => ApiError::bad_request("Delay parameter could not be parsed"),
            false => Refusal::UnknownWorkflow.into(),
        });
    };
    act(call, &id, |instance| Request::Retry { instance, delay_millis }, ok(&instance)).await
}

/// E-29.
pub(super) async fn inject(call: &Call) -> Result<Response, ApiError> {
    let event: Event = call.payload.parse()?;
    let bad = |reason: &str| ApiError::bad_request(format!("Payload parsing failed: {reason}"));
    let instance = InstanceId::parse_key(&event.workflow_instance).map_err(|error| bad(&error.to_string()))?;
    let request: fn(InstanceId) -> Request = match &event.kind {
        EventKind::Dequeue { .. } => |instance| Request::Retry { instance, delay_millis: 0 },
        EventKind::Halt {} => |instance| Request::Halt { instance },
        EventKind::Timeout {} => |instance| Request::Timeout { instance },
        EventKind::Unknown { .. } => return Err(bad("an event of an unknown kind, or without what its kind needs")),
        _ => {
            return Err(ApiError::bad_request(
                "This API for injecting generic events is deprecated, refer to the specific API for the event you want to \
                 send to the scheduler",
            ));
        }
    };
    let response = if matches!(event.kind, EventKind::Dequeue { .. }) { ok(&event) } else { empty() };
    act(call, &instance, request, response).await
}

/// Does something to the instance that a request names, and marks the answer with what became of it.
async fn act(
    call: &Call,
    sent: &InstanceId,
    request: impl FnOnce(InstanceId) -> Request,
    response: Response,
) -> Result<Response, ApiError> {
    let named = Named::find(call, call.app.engine.reader(), sent)?;
    named.check_expected(call)?;
    let (reply, instance) = call.ask_about(&named.instance, request(named.instance.clone())).await?;
    let problem = named.problem.filter(|_| reply == Reply::Nothing);
    Ok(after(&reply, Named { instance, problem }.mark(response)))
}

/// Declares an execution over that nobody will report about any more.
pub(super) async fn end_execution(call: &Call, id: &str) -> Result<Response, ApiError> {
    call.ask(Request::EndExecution { execution: ExecutionId::parse(id) }).await?;
    Ok(no_content())
}

/// What the engine doesn't see of a workflow that is found and runs an image: rules for the stored configuration, and what a
/// trigger may set.
pub(super) fn check_stored(
    call: &Call,
    id: &WorkflowId,
    found: Option<&Definition>,
    parameters: Option<&styx_client::TriggerParameters>,
) -> Result<(), ApiError> {
    if let Some(parameters) = parameters {
        bounds::environment(&parameters.env)?;
    }
    let Some(definition) = found.filter(|found| found.stored.spec.runs == Runs::Image) else {
        return Ok(());
    };
    if call.is_repeated()? {
        return Ok(());
    }
    let configuration = definition
        .valid(id, &Rules { needs_program: false, ..call.app.rules })
        .map_err(|errors| ApiError::bad_request(format!("Invalid workflow configuration: {errors}")))?;
    if call.app.rules.needs_program {
        launchable(call, id)?;
    }
    if let Some(error) = parameters.and_then(|parameters| variable_errors("env", &parameters.env).into_iter().next()) {
        return Err(ApiError::bad_request(format!("Invalid trigger parameters: {error}")));
    }
    let parameters = parameters.iter().filter(|_| call.app.declared_env_only);
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
