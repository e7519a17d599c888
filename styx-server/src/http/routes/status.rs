//! What runs and what happened, and who may use a service account (E-23 to E-25).

use std::collections::BTreeSet;

use axum::response::Response;
use styx_client::{
    EventsPayload, RunStateDataPayload, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse,
};
use styx_core::{
    id::InstanceId,
    log::for_each_row,
    world::{Row, RowKey, RowScope},
};

use crate::{
    http::{
        Call,
        response::{ApiError, ok},
    },
    views::{self, Descriptions},
};

/// E-23.
pub(super) async fn events(call: &Call, instance: InstanceId) -> Result<Response, ApiError> {
    let declared_env_only = call.app.declared_env_only;
    let events = call.read(move |reader| views::events::events(reader, &instance, declared_env_only));
    Ok(ok(&EventsPayload { events: events.await? }))
}

/// E-24: nothing restricts who may use which service account, so everybody may, and there is nothing to say about it.
pub(super) fn test_service_account(call: &Call) -> Result<Response, ApiError> {
    let TestServiceAccountUsageRequest { service_account, principal } = call.payload.parse()?;
    Ok(ok(&TestServiceAccountUsageResponse {
        authorized: true,
        blacklisted: false,
        message: None,
        service_account,
        principal,
    }))
}

/// E-25.
pub(super) async fn active_states(call: &Call) -> Result<Response, ApiError> {
    let declared_env_only = call.app.declared_env_only;
    let scopes = scopes(call)?;
    let states = call.read(move |reader| {
        let mut descriptions = Descriptions::new(reader, declared_env_only);
        let mut states = Vec::new();
        for scope in &scopes {
            for_each_row(reader, scope, |key, row| {
                if let (RowKey::Run(instance), Row::Run(run)) = (key, row) {
                    states.push((instance.key(), views::states::state(&instance, &run, &mut descriptions)?));
                }
                Ok(())
            })?;
        }
        states.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(states.into_iter().map(|(_, state)| state).collect())
    });
    Ok(ok(&RunStateDataPayload { active_states: states.await? }))
}

/// Which runs are asked for.
fn scopes(call: &Call) -> Result<Vec<RowScope>, ApiError> {
    let of = |component: Option<&str>, workflow: Option<&str>| RowScope::Runs {
        component: component.map(Into::into),
        workflow: workflow.map(Into::into),
    };
    if let Some(components) = call.query.filter("components") {
        let components: BTreeSet<&str> = components.split(',').filter(|component| !component.is_empty()).collect();
        return Ok(components.into_iter().map(|component| of(Some(component), None)).collect());
    }
    match (call.query.filter("component"), call.query.filter("workflow")) {
        (None, Some(_)) => Err(ApiError::bad_request("No component id specified!")),
        (component, workflow) => Ok(vec![of(component, workflow)]),
    }
}
