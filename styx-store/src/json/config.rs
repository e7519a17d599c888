//! The configuration and its events as JSON; frozen as the codec's types are: a member never changes its meaning.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, FailureLimit, Limit, Rate, Runtime, Timeouts},
    record::ConfigEvent,
};

use super::values::{ExtensionsJson, SpanJson, StateJson};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum ConfigEventJson {
    Set(Box<ConfigJson>),
    SchedulingSwitched { enabled: bool },
    Operated(RuntimeJson),
    ClockAccepted,
}

impl From<&ConfigEvent> for ConfigEventJson {
    fn from(event: &ConfigEvent) -> Self {
        match event {
            ConfigEvent::Set(config) => Self::Set(Box::new((&**config).into())),
            ConfigEvent::SchedulingSwitched { enabled } => Self::SchedulingSwitched { enabled: *enabled },
            ConfigEvent::Operated(runtime) => Self::Operated((&**runtime).into()),
            ConfigEvent::ClockAccepted => Self::ClockAccepted,
        }
    }
}

impl From<ConfigEventJson> for ConfigEvent {
    fn from(json: ConfigEventJson) -> Self {
        match json {
            ConfigEventJson::Set(config) => Self::Set(Arc::new((*config).into())),
            ConfigEventJson::SchedulingSwitched { enabled } => Self::SchedulingSwitched { enabled },
            ConfigEventJson::Operated(runtime) => Self::Operated(Arc::new(runtime.into())),
            ConfigEventJson::ClockAccepted => Self::ClockAccepted,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackoffJson {
    base: SpanJson,
    max_exponent: u32,
}

impl From<Backoff> for BackoffJson {
    fn from(backoff: Backoff) -> Self {
        Self { base: SpanJson(backoff.base), max_exponent: backoff.max_exponent }
    }
}

impl From<BackoffJson> for Backoff {
    fn from(json: BackoffJson) -> Self {
        Self { base: json.base.0, max_exponent: json.max_exponent }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureLimitJson {
    count: u32,
    span: SpanJson,
}

impl Default for FailureLimitJson {
    /// Frozen, unlike the default of the configuration.
    fn default() -> Self {
        Self { count: 200, span: SpanJson(TimeDelta::days(2)) }
    }
}

impl From<FailureLimit> for FailureLimitJson {
    fn from(limit: FailureLimit) -> Self {
        Self { count: limit.count, span: SpanJson(limit.span) }
    }
}

impl From<FailureLimitJson> for FailureLimit {
    fn from(json: FailureLimitJson) -> Self {
        Self { count: json.count, span: json.span.0 }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigJson {
    scheduling: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_executions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dequeue_rate_thousandths: Option<NonZeroU32>,
    catch_up: u32,
    max_cost_tenths: u32,
    missing_dependencies_delay: SpanJson,
    backoff: BackoffJson,
    infrastructure_backoff: BackoffJson,
    /// Exports from before there was one lack it.
    #[serde(default)]
    infrastructure_limit: FailureLimitJson,
    timeouts: TimeoutsJson,
    executor: CapabilitiesJson,
    /// Left out when operators have set nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<RuntimeJson>,
    #[serde(default, skip_serializing_if = "ExtensionsJson::is_empty")]
    extensions: ExtensionsJson,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeoutsJson {
    default: SpanJson,
    by_state: BTreeMap<StateJson, SpanJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_running: Option<SpanJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapabilitiesJson {
    runner: String,
    runs_api_workflows: bool,
    mounts_secrets: bool,
}

impl From<&Config> for ConfigJson {
    fn from(config: &Config) -> Self {
        let Timeouts { default, by_state, max_running } = &config.timeouts;
        Self {
            scheduling: config.scheduling,
            max_executions: config.max_executions,
            dequeue_rate_thousandths: config.dequeue_rate.map(|Rate(rate)| rate),
            catch_up: config.catch_up,
            max_cost_tenths: config.max_cost_tenths,
            missing_dependencies_delay: SpanJson(config.missing_dependencies_delay),
            backoff: config.backoff.into(),
            infrastructure_backoff: config.infrastructure_backoff.into(),
            infrastructure_limit: config.infrastructure_limit.into(),
            timeouts: TimeoutsJson {
                default: SpanJson(*default),
                by_state: by_state.iter().map(|(state, limit)| (StateJson(*state), SpanJson(*limit))).collect(),
                max_running: max_running.map(SpanJson),
            },
            executor: CapabilitiesJson {
                runner: config.executor.runner.to_string(),
                runs_api_workflows: config.executor.runs_api_workflows,
                mounts_secrets: config.executor.mounts_secrets,
            },
            runtime: (config.runtime != Runtime::default()).then(|| (&config.runtime).into()),
            extensions: (&config.extensions).into(),
        }
    }
}

impl From<ConfigJson> for Config {
    fn from(json: ConfigJson) -> Self {
        let TimeoutsJson { default, by_state, max_running } = json.timeouts;
        Self {
            scheduling: json.scheduling,
            max_executions: json.max_executions,
            dequeue_rate: json.dequeue_rate_thousandths.map(Rate),
            catch_up: json.catch_up,
            max_cost_tenths: json.max_cost_tenths,
            missing_dependencies_delay: json.missing_dependencies_delay.0,
            backoff: json.backoff.into(),
            infrastructure_backoff: json.infrastructure_backoff.into(),
            infrastructure_limit: json.infrastructure_limit.into(),
            timeouts: Timeouts {
                default: default.0,
                by_state: by_state.into_iter().map(|(state, limit)| (state.0, limit.0)).collect(),
                max_running: max_running.map(|SpanJson(span)| span),
            },
            executor: ExecutorCapabilities {
                runner: json.executor.runner.into(),
                runs_api_workflows: json.executor.runs_api_workflows,
                mounts_secrets: json.executor.mounts_secrets,
            },
            runtime: json.runtime.map(Into::into).unwrap_or_default(),
            extensions: json.extensions.into(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuntimeJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_executions: Option<LimitJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dequeue_rate_thousandths: Option<NonZeroU32>,
    blocked_clients: BTreeSet<String>,
    debug: bool,
}

impl From<&Runtime> for RuntimeJson {
    fn from(runtime: &Runtime) -> Self {
        Self {
            max_executions: runtime.max_executions.map(Into::into),
            dequeue_rate_thousandths: runtime.dequeue_rate.map(|Rate(rate)| rate),
            blocked_clients: runtime.blocked_clients.iter().map(ToString::to_string).collect(),
            debug: runtime.debug,
        }
    }
}

impl From<RuntimeJson> for Runtime {
    fn from(json: RuntimeJson) -> Self {
        Self {
            max_executions: json.max_executions.map(Into::into),
            dequeue_rate: json.dequeue_rate_thousandths.map(Rate),
            blocked_clients: Arc::new(json.blocked_clients.into_iter().map(Into::into).collect()),
            debug: json.debug,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LimitJson {
    Unlimited,
    AtMost(u32),
}

impl From<Limit> for LimitJson {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Unlimited => Self::Unlimited,
            Limit::AtMost(max) => Self::AtMost(max),
        }
    }
}

impl From<LimitJson> for Limit {
    fn from(json: LimitJson) -> Self {
        match json {
            LimitJson::Unlimited => Self::Unlimited,
            LimitJson::AtMost(max) => Self::AtMost(max),
        }
    }
}
