//! Resources (E-13 to E-17).

use axum::response::Response;
use hyper::StatusCode;
use styx_client::{Resource, ResourcesPayload};
use styx_core::{
    decide::Request,
    log::for_each_row,
    workflow::{MAX_LENGTH, utf16_length},
    world::{Row, RowKey, RowScope},
};

use crate::http::{
    Call, bounds,
    response::{ApiError, after, no_content, ok},
};

/// E-13.
pub(super) async fn list(call: &Call) -> Result<Response, ApiError> {
    let list = call.read(|reader| {
        let mut resources = Vec::new();
        for_each_row(reader, &RowScope::Resources, |key, row| {
            if let (RowKey::Resource(id), Row::Resource(resource)) = (key, row) {
                resources.push(Resource { id: id.to_string(), concurrency: resource.concurrency });
            }
            Ok(())
        })?;
        Ok(ResourcesPayload { resources })
    });
    Ok(ok(&list.await?))
}

/// E-14.
pub(super) async fn create(call: &Call) -> Result<Response, ApiError> {
    let resource: Resource = call.payload.parse_not_null()?;
    // No workflow can need another one (V-12), and no path can name it.
    if resource.id.is_empty() || utf16_length(&resource.id) > MAX_LENGTH {
        return Err(ApiError::bad_request(format!("the id of a resource must have 1 to {MAX_LENGTH} characters")));
    }
    set(call, &resource).await
}

/// E-15.
pub(super) async fn get(call: &Call, id: &str) -> Result<Response, ApiError> {
    let key = RowKey::Resource(id.into());
    match call.read_now(|reader| reader.get(&key))? {
        Some(Row::Resource(resource)) => Ok(ok(&Resource { id: id.to_owned(), concurrency: resource.concurrency })),
        _ => Err(ApiError::standard(StatusCode::NOT_FOUND)),
    }
}

/// E-16.
pub(super) async fn edit(call: &Call, id: &str) -> Result<Response, ApiError> {
    let resource: Resource = call.payload.parse_not_null()?;
    if resource.id != id {
        return Err(ApiError::bad_request("ID of payload does not match ID in uri."));
    }
    set(call, &resource).await
}

/// E-17.
pub(super) async fn delete(call: &Call, id: &str) -> Result<Response, ApiError> {
    let reply = call.ask(Request::DeleteResource { id: id.into() }).await?;
    Ok(after(&reply, no_content()))
}

async fn set(call: &Call, resource: &Resource) -> Result<Response, ApiError> {
    bounds::resource(&resource.id)?;
    let request = Request::SetResource { id: resource.id.as_str().into(), concurrency: resource.concurrency };
    let reply = call.ask(request).await?;
    Ok(after(&reply, ok(resource)))
}
