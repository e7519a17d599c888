//! The executor that a server runs with.

use std::sync::Arc;

use anyhow::Context;
use styx_core::{
    executor::{Effect, Executor},
    executor_event::{ExecutorEvent, OnExecutorEvent},
    id::ExecutionId,
    log::LogReader,
    world::{Row, RowKey},
};
use styx_engine::{engine::Observer, fake::FakeExecutor};
use styx_local::{LocalExecutor, LocalOptions, Running};

use crate::{
    cli::ExecutorKind,
    health::{Health, Part, Watchdog},
    metrics::Metrics,
    settings::Settings,
    umask,
};

/// The executor, and what a server tells people about it.
#[derive(Clone)]
pub(crate) enum Runner {
    /// Processes on this machine.
    Local(Arc<LocalExecutor>),
    /// Nothing runs.
    Fake(Arc<FakeExecutor>),
}

impl Runner {
    /// Starts it; `on_event` receives how it is.
    ///
    /// # Errors
    ///
    /// When the machine or the data folder doesn't allow it.
    pub(crate) fn start(settings: &Settings, observer: Observer, on_event: OnExecutorEvent) -> anyhow::Result<Self> {
        let all_reported = observer.clone();
        let on_event: OnExecutorEvent = Arc::new(move |event| match event {
            ExecutorEvent::AllReported => all_reported.all_reported(),
            event => on_event(event),
        });
        let observe = move |observation| observer.observe(observation);
        match settings.executor {
            ExecutorKind::Fake => {
                let executor = FakeExecutor::start_with(observe, on_event).context("starting the fake executor")?;
                Ok(Self::Fake(Arc::new(executor)))
            }
            ExecutorKind::Local => {
                let runs = settings.data.join("runs");
                let mut options = local_options(settings, &runs);
                options.on_event = on_event;
                let executor = LocalExecutor::new(options, observe).context("starting the local executor")?;
                Ok(Self::Local(Arc::new(executor)))
            }
        }
    }

    /// One line for the log: what runs executions, and where their output is.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Local(executor) => format!(
                "executor local: jobs are processes of this machine, images are not used; output of each execution in {}",
                executor.output_of(&ExecutionId::parse("EXECUTION_ID")).display()
            ),
            Self::Fake(_) => {
                "executor fake: nothing is run, executions end as STYX_FAKE_EXIT_CODES in their environment says"
                    .to_owned()
            }
        }
    }
}

impl Runner {
    /// The jobs that go on when the server stops, each with the way to end it.
    pub(crate) fn jobs(&self, reader: &dyn LogReader) -> Vec<String> {
        let Self::Local(executor) = self else {
            return Vec::new();
        };
        let job = |running: Running| {
            let id = running.execution;
            let instance = match reader.get(&RowKey::Execution(id.clone())) {
                Ok(Some(Row::Execution(execution))) => execution.instance.key(),
                // It only makes the line less useful.
                _ => "an unknown instance".to_owned(),
            };
            let stop =
                running.pid.map_or_else(|| "has not begun yet".to_owned(), |pid| format!("end it: kill -- -{pid}"));
            format!("{instance}: {id}; {stop}; output: {}", running.output.display())
        };
        executor.running().into_iter().map(job).collect()
    }
}

/// What becomes of what an executor reports about itself.
pub(crate) fn on_event(health: &Arc<Health>, watchdog: &Watchdog) -> OnExecutorEvent {
    let (health, watchdog) = (Arc::clone(health), watchdog.clone());
    Arc::new(move |event| match event {
        ExecutorEvent::Degraded { reason } => health.degrade(Part::Executor, reason),
        ExecutorEvent::Recovered => health.recover(Part::Executor),
        ExecutorEvent::Ended { reason } => watchdog.ended("of the executor", &reason),
        _ => {}
    })
}

/// An executor whose effects are counted.
pub(crate) struct Counted {
    /// The executor.
    pub(crate) runner: Runner,
    /// Where they are counted.
    pub(crate) metrics: Arc<Metrics>,
}

impl Executor for Counted {
    fn perform(&self, effect: Effect) {
        self.metrics.count_effect(&effect);
        self.runner.perform(effect);
    }

    fn all_requested(&self) {
        self.runner.all_requested();
    }
}

impl Executor for Runner {
    fn perform(&self, effect: Effect) {
        match self {
            Self::Local(executor) => executor.perform(effect),
            Self::Fake(executor) => executor.perform(effect),
        }
    }

    fn all_requested(&self) {
        match self {
            Self::Local(executor) => executor.all_requested(),
            Self::Fake(executor) => executor.all_requested(),
        }
    }
}

fn local_options(settings: &Settings, runs: &std::path::Path) -> LocalOptions {
    let mut options = LocalOptions::new(runs);
    let local = settings.local.clone();
    options.runner = settings.executor.name().into();
    options.workflows = settings.workflows.clone();
    options.execution_env = local.execution_env;
    options.path = local.path.unwrap_or(options.path);
    options.environment = local.environment.unwrap_or(options.environment);
    options.keep_runs = local.keep_runs.unwrap_or(options.keep_runs);
    options.max_output_bytes = local.max_output_bytes.unwrap_or(options.max_output_bytes);
    options.stop_grace = local.stop_grace.map_or(options.stop_grace, |grace| grace.std());
    options.umask = umask::of_jobs();
    options
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use styx_client::ReadinessStatus;

    use super::*;
    use crate::health::tests::counting;

    #[test]
    fn what_an_executor_reports_about_itself_is_how_the_server_is() {
        let health = Arc::new(Health::default());
        health.start();
        let (watchdog, ends) = counting(&health);
        let tell = on_event(&health, &watchdog);
        let shown = || {
            let readiness = health.readiness(None, None);
            let reasons = readiness.reasons.into_iter().map(|reason| format!("{}: {}", reason.part, reason.reason));
            (readiness.status, reasons.collect::<Vec<_>>(), ends.load(Ordering::SeqCst))
        };
        assert_eq!(shown(), (ReadinessStatus::Ready, Vec::new(), 0));
        tell(ExecutorEvent::Degraded { reason: "nobody answers".to_owned() });
        assert_eq!(shown(), (ReadinessStatus::Degraded, vec!["executor: nobody answers".to_owned()], 0));
        tell(ExecutorEvent::Recovered);
        assert_eq!(shown(), (ReadinessStatus::Ready, Vec::new(), 0));
        tell(ExecutorEvent::Ended { reason: "it panicked".to_owned() });
        let ended = vec!["thread: the thread of the executor has ended: it panicked".to_owned()];
        assert_eq!(shown(), (ReadinessStatus::Failed, ended, 1));
    }
}
