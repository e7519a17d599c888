//! How long what a request says may be. Workflows have their own rules (`styx_core::workflow::validate`).

use std::collections::{BTreeMap, BTreeSet};

use styx_core::workflow::{MAX_ENV_SIZE, MAX_ENV_VARS, MAX_LENGTH, utf16_length};

use super::response::ApiError;

/// The longest description of a backfill.
const MAX_DESCRIPTION: usize = 1_024;
/// The most clients that are turned away.
const MAX_CLIENTS: usize = 1_000;

/// The id of a resource: as long as a workflow may name it, and not one that means something else in a path.
pub(super) fn resource(id: &str) -> Result<(), ApiError> {
    if matches!(id, "." | "..") {
        return Err(ApiError::bad_request(format!("id cannot be {id}: in a path it names something else")));
    }
    length("id", id, MAX_LENGTH)
}

/// What a backfill is for.
pub(super) fn description(text: Option<&str>) -> Result<(), ApiError> {
    length("description", text.unwrap_or_default(), MAX_DESCRIPTION)
}

/// What a trigger adds to a run's environment: as much as a workflow may have.
pub(super) fn environment(env: &BTreeMap<String, String>) -> Result<(), ApiError> {
    at_most("trigger_parameters.env: variables", env.len(), MAX_ENV_VARS)?;
    let size = env.iter().map(|(name, value)| utf16_length(name) + utf16_length(value)).sum();
    at_most("trigger_parameters.env: characters", size, MAX_ENV_SIZE)
}

/// Clients that are turned away.
pub(super) fn clients(clients: &BTreeSet<String>) -> Result<(), ApiError> {
    at_most("client_blacklist: clients", clients.len(), MAX_CLIENTS)?;
    clients.iter().try_for_each(|client| length("client_blacklist", client, MAX_LENGTH))
}

fn length(field: &str, text: &str, limit: usize) -> Result<(), ApiError> {
    at_most(&format!("{field} too long"), utf16_length(text), limit)
}

fn at_most(what: &str, found: usize, limit: usize) -> Result<(), ApiError> {
    if found > limit {
        return Err(ApiError::bad_request(format!("{what}: {found}, limit = {limit}")));
    }
    Ok(())
}
