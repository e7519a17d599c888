//! What operators set while the server runs.

use std::sync::Arc;

use axum::response::Response;
use styx_client::{
    Change, ClockChange, ConfigSource, ConfigSources, Limit as LimitJson, RuntimeConfig, RuntimeConfigPatch,
};
use styx_core::{
    config::{Config, ExecutorName, Limit, Rate},
    decide::{Request, RuntimePatch, Setting},
    world::{Row, RowKey},
};
use styx_engine::clock::ClockStatus;

use crate::http::{
    Call, bounds,
    response::{ApiError, after, ok},
};

/// What counts now.
pub(super) async fn get(call: &Call) -> Result<Response, ApiError> {
    Ok(ok(&current(call).await?))
}

/// Changes what a JSON merge patch names; null leaves a value to the server's own configuration again.
pub(super) async fn change(call: &Call) -> Result<Response, ApiError> {
    let bytes = call.payload.0.as_deref().ok_or_else(|| ApiError::bad_request("Missing payload"))?;
    let patch = RuntimeConfigPatch::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("Payload parsing failed: {error}")))?;
    if let Change::Set(clients) = &patch.client_blacklist {
        bounds::clients(clients)?;
    }
    let patch = RuntimePatch {
        scheduling: value(patch.enabled, true),
        max_executions: setting(patch.concurrency, limit)?,
        dequeue_rate: setting(patch.submission_rate_limit, rate)?,
        blocked_clients: value(patch.client_blacklist, Default::default())
            .map(|clients| Arc::new(clients.iter().map(|client| client.as_str().into()).collect())),
        debug: value(patch.debug, false),
        default_executor: setting(patch.executor, executor)?,
        accept_clock: patch.clock == Some(ClockChange::Accept),
    };
    let reply = call.ask(Request::Operate(patch)).await?;
    let response = ok(&current(call).await?);
    Ok(after(&reply, response))
}

/// A value that the server's own configuration doesn't have: reset is `default`.
fn value<T>(change: Change<T>, default: T) -> Option<T> {
    match change {
        Change::Keep => None,
        Change::Reset => Some(default),
        Change::Set(value) => Some(value),
    }
}

fn setting<T, U>(
    change: Change<T>,
    read: impl FnOnce(T) -> Result<U, ApiError>,
) -> Result<Option<Setting<U>>, ApiError> {
    Ok(match change {
        Change::Keep => None,
        Change::Reset => Some(Setting::Configured),
        Change::Set(value) => Some(Setting::Value(read(value)?)),
    })
}

fn limit(limit: LimitJson) -> Result<Limit, ApiError> {
    match limit {
        LimitJson::None => Ok(Limit::Unlimited),
        LimitJson::At(max) => u32::try_from(max).map(Limit::AtMost).map_err(|_| {
            ApiError::bad_request(format!("concurrency: {max} is more than {}; null is no limit of its own", u32::MAX))
        }),
    }
}

fn rate(rate: f64) -> Result<Rate, ApiError> {
    Rate::per_second(rate).ok_or_else(|| {
        ApiError::bad_request(format!("submission_rate_limit: {rate} is not between 0.001 and 4294967.295 a second"))
    })
}

fn executor(name: String) -> Result<ExecutorName, ApiError> {
    ExecutorName::parse(&name).map_err(|error| ApiError::bad_request(format!("executor: {error}")))
}

async fn current(call: &Call) -> Result<RuntimeConfig, ApiError> {
    let row = call.read_now(|reader| reader.get(&RowKey::Config))?;
    let config = match row {
        Some(Row::Config(config)) => config,
        _ => Arc::default(),
    };
    let clock = call.app.engine.clock_status();
    let clock = (clock != ClockStatus::Agrees).then(|| clock.to_string());
    Ok(RuntimeConfig { clock, ..shown(&config, &call.app.http.blocked_clients) })
}

/// What counts; `blocked` are the clients that the file turns away.
fn shown(config: &Config, blocked: &[String]) -> RuntimeConfig {
    let by = |operated: bool, from: ConfigSource| if operated { ConfigSource::Api } else { from };
    let (runtime, defaults) = (&config.runtime, Config::default());
    let of_file = |is_default: bool| if is_default { ConfigSource::Default } else { ConfigSource::File };
    RuntimeConfig {
        enabled: config.scheduling,
        concurrency: config.execution_limit().map(u64::from),
        submission_rate_limit: config.rate().map_or(f64::from(u32::MAX) / 1000.0, Rate::to_per_second),
        client_blacklist: runtime
            .blocked_clients
            .iter()
            .map(ToString::to_string)
            .chain(blocked.iter().cloned())
            .collect(),
        debug: runtime.debug,
        executor: config.default_executor().runner.to_string(),
        executors: config.executor_names().iter().map(ToString::to_string).collect(),
        clock: None,
        sources: ConfigSources {
            enabled: by(!config.scheduling, ConfigSource::Default),
            concurrency: by(
                runtime.max_executions.is_some(),
                of_file(config.max_executions == defaults.max_executions),
            ),
            submission_rate_limit: by(
                runtime.dequeue_rate.is_some(),
                of_file(config.dequeue_rate == defaults.dequeue_rate),
            ),
            client_blacklist: by(!runtime.blocked_clients.is_empty(), of_file(blocked.is_empty())),
            debug: by(runtime.debug, ConfigSource::Default),
            executor: by(
                config.chosen_executor().is_some_and(|name| config.has_executor(name)),
                of_file(config.executor.runner == defaults.executor.runner),
            ),
        },
    }
}
