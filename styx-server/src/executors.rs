//! The executors that a server runs with, by name.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use styx_core::{
    executor::{Effect, Executor},
    executor_event::{ExecutorEvent, OnExecutorEvent},
    id::ExecutionId,
    log::LogReader,
    world::{Row, RowKey},
};
use styx_engine::{engine::Observer, executors::Executors, fake::FakeExecutor};
use styx_local::{LocalExecutor, LocalOptions, Running};

use crate::{
    health::{Health, Part, Watchdog},
    metrics::Metrics,
    settings::{ExecutorOptions, ExecutorSettings, LocalSettings, Settings},
    umask,
};

/// An executor, and what a server tells people about it.
#[derive(Clone)]
struct Runner {
    name: Arc<str>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Processes on this machine.
    Local(Arc<LocalExecutor>),
    /// Nothing runs.
    Fake(Arc<FakeExecutor>),
}

/// All executors of a server; the default comes first.
#[derive(Clone)]
pub(crate) struct Runners {
    all: Vec<Runner>,
    by_name: Executors,
    metrics: Arc<Metrics>,
}

impl Runners {
    /// Starts them. Each reports through an end of its own, so none can report for another; what it reports about itself goes to
    /// `health`, and its end ends the server.
    ///
    /// # Errors
    ///
    /// When the machine or the data folder doesn't allow it.
    pub(crate) fn start(
        settings: &Settings,
        observer: &Observer,
        health: &Arc<Health>,
        watchdog: &Watchdog,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let (mut all, mut by_name) = (Vec::new(), Executors::default());
        let awaited = AllReported::of(settings, observer);
        for executor in &settings.executors {
            let name = Arc::clone(executor.name.as_str());
            let on_event = on_event(&name, health, watchdog, &awaited);
            let runner = Runner::start(settings, executor, observer.of(Arc::clone(&name)), on_event)?;
            by_name = by_name.with(name, runner.executor());
            all.push(runner);
        }
        Ok(Self { all, by_name, metrics })
    }

    /// A line for the log for each: what runs executions, and where their output is.
    pub(crate) fn describe(&self) -> impl Iterator<Item = String> {
        self.all.iter().map(Runner::describe)
    }

    /// The jobs that go on when the server stops, each with the way to end it.
    pub(crate) fn jobs(&self, reader: &dyn LogReader) -> Vec<String> {
        self.all.iter().flat_map(|runner| runner.jobs(reader)).collect()
    }
}

/// Effects are counted, and go to the executor that each names.
impl Executor for Runners {
    fn perform(&self, effect: Effect) {
        self.metrics.count_effect(&effect);
        self.by_name.perform(effect);
    }

    fn all_requested(&self) {
        self.by_name.all_requested();
    }
}

impl Runner {
    fn start(
        settings: &Settings,
        executor: &ExecutorSettings,
        observer: Observer,
        on_event: OnExecutorEvent,
    ) -> anyhow::Result<Self> {
        let name = Arc::clone(executor.name.as_str());
        let observe = move |observation| observer.observe(observation);
        let shown = Arc::clone(&name);
        let starting = || format!("starting the executor {shown}");
        let kind = match &executor.options {
            ExecutorOptions::Fake => {
                Kind::Fake(Arc::new(FakeExecutor::start_with(observe, on_event).with_context(starting)?))
            }
            ExecutorOptions::Local(local) => {
                let mut options = local_options(settings, &name, local);
                if let Some(folder) = options.root.parent() {
                    styx_host::folder::create(folder).with_context(starting)?;
                }
                options.on_event = on_event;
                Kind::Local(Arc::new(LocalExecutor::new(options, observe).with_context(starting)?))
            }
        };
        Ok(Self { name, kind })
    }

    fn executor(&self) -> Arc<dyn Executor> {
        match &self.kind {
            Kind::Local(executor) => Arc::clone(executor) as Arc<dyn Executor>,
            Kind::Fake(executor) => Arc::clone(executor) as Arc<dyn Executor>,
        }
    }

    fn describe(&self) -> String {
        let name = &self.name;
        match &self.kind {
            Kind::Local(executor) => format!(
                "executor {name}: jobs are processes of this machine, images are not used; output of each execution in {}",
                executor.output_of(&ExecutionId::parse("EXECUTION_ID")).display()
            ),
            Kind::Fake(_) => format!(
                "executor {name}: nothing is run, executions end as STYX_FAKE_EXIT_CODES in their environment says"
            ),
        }
    }

    fn jobs(&self, reader: &dyn LogReader) -> Vec<String> {
        let Kind::Local(executor) = &self.kind else {
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

/// The executors that haven't reported all they know since the start: only when each has, is there nothing to wait for.
struct AllReported {
    awaited: Mutex<BTreeSet<Arc<str>>>,
    observer: Observer,
}

impl AllReported {
    fn of(settings: &Settings, observer: &Observer) -> Arc<Self> {
        let names = settings.executors.iter().map(|executor| Arc::clone(executor.name.as_str()));
        Arc::new(Self { awaited: Mutex::new(names.collect()), observer: observer.clone() })
    }

    /// This one has.
    fn by(&self, name: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.remove(name) && awaited.is_empty() {
            self.observer.all_reported();
        }
    }
}

/// What becomes of what an executor reports about itself.
fn on_event(name: &Arc<str>, health: &Arc<Health>, watchdog: &Watchdog, awaited: &Arc<AllReported>) -> OnExecutorEvent {
    let (health, watchdog, awaited) = (Arc::clone(health), watchdog.clone(), Arc::clone(awaited));
    let name = Arc::clone(name);
    let (part, thread) = (Part::Executor(Arc::clone(&name)), format!("of the executor {name}"));
    Arc::new(move |event| match event {
        ExecutorEvent::Degraded { reason } => health.degrade(part.clone(), reason),
        ExecutorEvent::Recovered => health.recover(&part),
        ExecutorEvent::AllReported => awaited.by(&name),
        ExecutorEvent::Ended { reason } => watchdog.ended(&thread, &reason),
        _ => {}
    })
}

/// The run folders of an executor: those of `local` are where they were before executors had names.
fn run_folders(settings: &Settings, name: &str) -> std::path::PathBuf {
    match name {
        "local" => settings.data.join("runs"),
        name => settings.data.join("executors").join(name).join("runs"),
    }
}

fn local_options(settings: &Settings, name: &Arc<str>, local: &LocalSettings) -> LocalOptions {
    let mut options = LocalOptions::new(run_folders(settings, name));
    let local = local.clone();
    options.runner = Arc::clone(name);
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
    use styx_engine::engine::Inbox;

    use super::*;
    use crate::health::tests::counting;

    #[test]
    fn what_an_executor_reports_about_itself_is_how_the_server_is() {
        let health = Arc::new(Health::default());
        health.start();
        let (watchdog, ends) = counting(&health);
        let awaited = Arc::new(AllReported { awaited: Mutex::default(), observer: Inbox::new(1).observer() });
        let tell = on_event(&"blue".into(), &health, &watchdog, &awaited);
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
        let ended = vec!["thread: the thread of the executor blue has ended: it panicked".to_owned()];
        assert_eq!(shown(), (ReadinessStatus::Failed, ended, 1));
    }
}
