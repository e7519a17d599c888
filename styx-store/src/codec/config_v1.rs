//! The configuration, frozen: its events and its row. Tags never change; new variants get new tags.

use std::{num::NonZeroU32, sync::Arc};

use bincode::{BorrowDecode, Encode};
use styx_core::{
    config::{Backoff, Config, ExecutorCapabilities, FailureLimit, Limit, Rate, Runtime, Timeouts},
    record::ConfigEvent,
};

use super::{
    parts::StateV1,
    primitives::{Ascending, ExtensionsV1, SpanV1},
};
use crate::texts::shared;

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
pub(super) enum ConfigEventV1<'a> {
    Set(Box<ConfigV1<'a>>) = 0,
    SchedulingSwitched { enabled: bool } = 1,
    Operated(RuntimeV1<'a>) = 2,
    ClockAccepted = 3,
}

impl<'a> From<&'a ConfigEvent> for ConfigEventV1<'a> {
    fn from(event: &'a ConfigEvent) -> Self {
        match event {
            ConfigEvent::Set(config) => Self::Set(Box::new((&**config).into())),
            ConfigEvent::SchedulingSwitched { enabled } => Self::SchedulingSwitched { enabled: *enabled },
            ConfigEvent::Operated(runtime) => Self::Operated((&**runtime).into()),
            ConfigEvent::ClockAccepted => Self::ClockAccepted,
        }
    }
}

impl From<ConfigEventV1<'_>> for ConfigEvent {
    fn from(stored: ConfigEventV1<'_>) -> Self {
        match stored {
            ConfigEventV1::Set(config) => Self::Set(Arc::new((*config).into())),
            ConfigEventV1::SchedulingSwitched { enabled } => Self::SchedulingSwitched { enabled },
            ConfigEventV1::Operated(runtime) => Self::Operated(Arc::new(runtime.into())),
            ConfigEventV1::ClockAccepted => Self::ClockAccepted,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
struct BackoffV1 {
    base: SpanV1,
    max_exponent: u32,
}

impl From<Backoff> for BackoffV1 {
    fn from(backoff: Backoff) -> Self {
        Self { base: backoff.base.into(), max_exponent: backoff.max_exponent }
    }
}

impl From<BackoffV1> for Backoff {
    fn from(stored: BackoffV1) -> Self {
        Self { base: stored.base.into(), max_exponent: stored.max_exponent }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
struct FailureLimitV1 {
    count: u32,
    span: SpanV1,
}

impl From<FailureLimit> for FailureLimitV1 {
    fn from(limit: FailureLimit) -> Self {
        Self { count: limit.count, span: limit.span.into() }
    }
}

impl From<FailureLimitV1> for FailureLimit {
    fn from(stored: FailureLimitV1) -> Self {
        Self { count: stored.count, span: stored.span.into() }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct ConfigV1<'a> {
    scheduling: bool,
    max_executions: Option<u32>,
    /// In a thousand seconds.
    dequeue_rate: Option<NonZeroU32>,
    catch_up: u32,
    max_cost_tenths: u32,
    missing_dependencies_delay: SpanV1,
    backoff: BackoffV1,
    infrastructure_backoff: BackoffV1,
    timeout: SpanV1,
    timeout_by_state: Ascending<StateV1, SpanV1>,
    max_running: Option<SpanV1>,
    runner: &'a str,
    runs_api_workflows: bool,
    mounts_secrets: bool,
    runtime: RuntimeV1<'a>,
    infrastructure_limit: FailureLimitV1,
    extensions: ExtensionsV1,
}

impl<'a> From<&'a Config> for ConfigV1<'a> {
    fn from(config: &'a Config) -> Self {
        let by_state = config.timeouts.by_state.iter();
        Self {
            scheduling: config.scheduling,
            max_executions: config.max_executions,
            dequeue_rate: config.dequeue_rate.map(|Rate(rate)| rate),
            catch_up: config.catch_up,
            max_cost_tenths: config.max_cost_tenths,
            missing_dependencies_delay: config.missing_dependencies_delay.into(),
            backoff: config.backoff.into(),
            infrastructure_backoff: config.infrastructure_backoff.into(),
            timeout: config.timeouts.default.into(),
            timeout_by_state: Ascending(by_state.map(|(state, limit)| ((*state).into(), (*limit).into())).collect()),
            max_running: config.timeouts.max_running.map(Into::into),
            runner: &config.executor.runner,
            runs_api_workflows: config.executor.runs_api_workflows,
            mounts_secrets: config.executor.mounts_secrets,
            runtime: (&config.runtime).into(),
            infrastructure_limit: config.infrastructure_limit.into(),
            extensions: (&config.extensions).into(),
        }
    }
}

impl From<ConfigV1<'_>> for Config {
    fn from(stored: ConfigV1<'_>) -> Self {
        let by_state = stored.timeout_by_state.0.into_iter();
        Self {
            scheduling: stored.scheduling,
            max_executions: stored.max_executions,
            dequeue_rate: stored.dequeue_rate.map(Rate),
            catch_up: stored.catch_up,
            max_cost_tenths: stored.max_cost_tenths,
            missing_dependencies_delay: stored.missing_dependencies_delay.into(),
            backoff: stored.backoff.into(),
            infrastructure_backoff: stored.infrastructure_backoff.into(),
            timeouts: Timeouts {
                default: stored.timeout.into(),
                by_state: by_state.map(|(state, limit)| (state.into(), limit.into())).collect(),
                max_running: stored.max_running.map(Into::into),
            },
            executor: ExecutorCapabilities {
                runner: shared(stored.runner),
                runs_api_workflows: stored.runs_api_workflows,
                mounts_secrets: stored.mounts_secrets,
            },
            runtime: stored.runtime.into(),
            infrastructure_limit: stored.infrastructure_limit.into(),
            extensions: stored.extensions.into(),
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
pub(super) struct RuntimeV1<'a> {
    max_executions: Option<LimitV1>,
    /// In a thousand seconds.
    dequeue_rate: Option<NonZeroU32>,
    blocked_clients: Ascending<&'a str, ()>,
    debug: bool,
}

impl<'a> From<&'a Runtime> for RuntimeV1<'a> {
    fn from(runtime: &'a Runtime) -> Self {
        Self {
            max_executions: runtime.max_executions.map(Into::into),
            dequeue_rate: runtime.dequeue_rate.map(|Rate(rate)| rate),
            blocked_clients: Ascending(runtime.blocked_clients.iter().map(|client| (&**client, ())).collect()),
            debug: runtime.debug,
        }
    }
}

impl From<RuntimeV1<'_>> for Runtime {
    fn from(stored: RuntimeV1<'_>) -> Self {
        Self {
            max_executions: stored.max_executions.map(Into::into),
            dequeue_rate: stored.dequeue_rate.map(Rate),
            blocked_clients: Arc::new(stored.blocked_clients.0.into_iter().map(|(client, ())| client.into()).collect()),
            debug: stored.debug,
        }
    }
}

#[derive(Debug, Encode, BorrowDecode)]
#[repr(u32)]
enum LimitV1 {
    Unlimited = 0,
    AtMost(u32) = 1,
}

impl From<Limit> for LimitV1 {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Unlimited => Self::Unlimited,
            Limit::AtMost(max) => Self::AtMost(max),
        }
    }
}

impl From<LimitV1> for Limit {
    fn from(stored: LimitV1) -> Self {
        match stored {
            LimitV1::Unlimited => Self::Unlimited,
            LimitV1::AtMost(max) => Self::AtMost(max),
        }
    }
}
