//! The configuration file: its form, and the [`Config`] that it leads to.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use serde::Deserialize;
use styx_core::{
    config::{Backoff, Config, FailureLimit, Timeouts},
    run::State,
};
use styx_engine::clock::WallLimits;
use toml::Spanned;

use super::{
    FolderSettings, HttpSettings, LocalSettings,
    executors::{self, ExecutorSettings, FileRoute, Name, Sections},
    values::{Cost, Exponent, Iso, Listen, PerSecond},
};
use crate::cli::{AuthMode, ExecutorKind, LogFormat, LogRuns};

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data: Option<PathBuf>,
    pub(super) listen: Option<Listen>,
    pub(super) workflows: Option<PathBuf>,
    pub(super) workflow_folder: FolderSettings,
    pub(super) executor: Option<ExecutorKind>,
    pub(super) executors: Sections,
    pub(super) default_executor: Option<Spanned<Name>>,
    pub(super) route: Vec<FileRoute>,
    pub(super) run_api_workflows: Option<bool>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) log_runs: Option<LogRuns>,
    pub(super) insecure_listen: Option<bool>,
    pub(super) disk_reserve: Option<u64>,
    pub(super) keep_checkpoints: Option<usize>,
    pub(super) scheduling: Option<bool>,
    pub(super) max_executions: Option<u32>,
    pub(super) submission_rate_limit: Option<PerSecond>,
    pub(super) catch_up: Option<u32>,
    pub(super) max_cost: Option<Cost>,
    pub(super) missing_dependencies_delay: Option<Iso>,
    pub(super) backoff: FileBackoff,
    pub(super) infrastructure_backoff: FileBackoff,
    pub(super) infrastructure_limit: FileFailureLimit,
    pub(super) timeouts: FileTimeouts,
    pub(super) clock: FileClock,
    pub(super) local: LocalSettings,
    pub(super) http: HttpSettings,
    pub(super) auth: FileAuth,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(super) struct FileAuth {
    pub(super) mode: Option<AuthMode>,
    pub(super) tokens: Option<PathBuf>,
    pub(super) anonymous_reads: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(super) struct FileBackoff {
    pub(super) base: Option<Iso>,
    pub(super) max_exponent: Option<Exponent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(super) struct FileClock {
    pub(super) max_jump: Option<Iso>,
    pub(super) max_outage: Option<Iso>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(super) struct FileFailureLimit {
    pub(super) failures: Option<u32>,
    pub(super) span: Option<Iso>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section of its own, with keys and values")]
pub(super) struct FileTimeouts {
    pub(super) default: Option<Iso>,
    pub(super) submitting: Option<Iso>,
    pub(super) submitted: Option<Iso>,
    pub(super) running: Option<Iso>,
    pub(super) max_running: Option<Iso>,
}

/// The most bytes of a configuration file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl File {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            styx_host::file::read_text(path, MAX_BYTES).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).map_err(|error| anyhow::anyhow!("{}:{error}", path.display()))
    }

    /// Refuses values with which nothing could work.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let FileTimeouts { default, submitting, submitted, running, max_running } = &self.timeouts;
        let HttpSettings { request_timeout, client_timeout, answer_timeout, .. } = &self.http;
        let times = [
            ("timeouts.default", default.as_ref()),
            ("timeouts.submitting", submitting.as_ref()),
            ("timeouts.submitted", submitted.as_ref()),
            ("timeouts.running", running.as_ref()),
            ("timeouts.max_running", max_running.as_ref()),
            ("http.request_timeout", Some(request_timeout)),
            ("http.client_timeout", Some(client_timeout)),
            ("http.answer_timeout", Some(answer_timeout)),
        ];
        for (name, time) in times {
            if time.is_some_and(|time| time.0 <= TimeDelta::zero()) {
                bail!("{name} (PT0S) must be longer than nothing: whatever it limits would time out at once");
            }
        }
        for (name, path) in [("data", &self.data), ("workflows", &self.workflows), ("auth.tokens", &self.auth.tokens)] {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                bail!("{name} (\"\") must name a path: leave the line out for the default");
            }
        }
        Ok(())
    }

    /// The error begins with line and column.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let told = |span: Option<Range<usize>>, message: &str| {
            let at = span.map_or(0, |span| span.start.min(text.len()));
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
            format!("{line}:{column}: {}", message.replace('\n', " "))
        };
        let file: Self = toml::from_str(text).map_err(|error| told(error.span(), error.message()))?;
        executors::check(&file).map_err(|(span, message)| told(Some(span), &message))?;
        Ok(file)
    }

    pub(super) fn data_folder(&self, flag: Option<PathBuf>) -> PathBuf {
        flag.or_else(|| self.data.clone()).unwrap_or_else(|| PathBuf::from("./styx-data"))
    }

    pub(super) fn token_file(&self, flag: Option<PathBuf>, data: &Path) -> PathBuf {
        flag.or_else(|| self.auth.tokens.clone()).unwrap_or_else(|| data.join("tokens.json"))
    }

    /// How far the wall clock is believed.
    ///
    /// # Errors
    ///
    /// When a limit is so small that any clock would exceed it.
    pub(super) fn wall_limits(&self) -> anyhow::Result<WallLimits> {
        let defaults = WallLimits::default();
        let limit = |name: &str, value: Option<Iso>, default: TimeDelta| match value {
            Some(Iso(value)) if value < WallLimits::MIN => {
                bail!("clock.{name}: {} is less than {}", Iso(value), Iso(WallLimits::MIN))
            }
            value => Ok(value.map_or(default, |Iso(value)| value)),
        };
        Ok(WallLimits {
            max_jump: limit("max_jump", self.clock.max_jump, defaults.max_jump)?,
            max_outage: limit("max_outage", self.clock.max_outage, defaults.max_outage)?,
        })
    }

    /// What decisions follow with these executors, of which the first is the default.
    ///
    /// # Errors
    ///
    /// When a record has no room for it.
    pub(super) fn config(&self, executors: &[ExecutorSettings]) -> anyhow::Result<Config> {
        let defaults = Config::default();
        let or = |value: Option<Iso>, default: TimeDelta| value.map_or(default, |Iso(value)| value);
        let backoff = |file: &FileBackoff, default: Backoff| Backoff {
            base: or(file.base, default.base),
            max_exponent: file.max_exponent.map_or(default.max_exponent, |Exponent(value)| value),
        };
        let FileTimeouts { default, submitting, submitted, running, max_running } = &self.timeouts;
        let mut by_state = defaults.timeouts.by_state;
        for (state, value) in
            [(State::Submitting, submitting), (State::Submitted, submitted), (State::Running, running)]
        {
            if let Some(Iso(value)) = value {
                by_state.insert(state, *value);
            }
        }
        let limit = executors.iter().any(|executor| executor.options.is_local()).then(local_limit);
        let config = Config {
            scheduling: defaults.scheduling,
            max_executions: self.max_executions.or(limit),
            dequeue_rate: self.submission_rate_limit.map(|PerSecond(rate)| rate).or(defaults.dequeue_rate),
            catch_up: self.catch_up.unwrap_or(defaults.catch_up),
            max_cost_tenths: self.max_cost.map_or(defaults.max_cost_tenths, |Cost(tenths)| tenths),
            missing_dependencies_delay: or(self.missing_dependencies_delay, defaults.missing_dependencies_delay),
            backoff: backoff(&self.backoff, defaults.backoff),
            infrastructure_backoff: backoff(&self.infrastructure_backoff, defaults.infrastructure_backoff),
            timeouts: Timeouts {
                default: or(*default, defaults.timeouts.default),
                by_state,
                max_running: max_running.map(|Iso(value)| value).or(defaults.timeouts.max_running),
            },
            executor: defaults.executor,
            infrastructure_limit: FailureLimit {
                count: self.infrastructure_limit.failures.unwrap_or(defaults.infrastructure_limit.count),
                span: or(self.infrastructure_limit.span, defaults.infrastructure_limit.span),
            },
            runtime: defaults.runtime,
            extensions: defaults.extensions,
        };
        executors::record(self, executors, config)
    }
}

/// How many processes run at a time if nothing is said: twice as many as there are CPUs, at least 4.
fn local_limit() -> u32 {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cpus.saturating_mul(2)).unwrap_or(u32::MAX).max(4)
}
