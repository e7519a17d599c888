//! Whether the server can do its work: what `GET /ready` returns, and the end of the process when a thread has ended that it
//! can't do without.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use styx_client::{Readiness, ReadinessReason, ReadinessStatus};

use crate::logging;

/// A part of the server whose trouble leaves the rest at work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The executor of this name can't be reached, or can't do what it was asked for.
    Executor(Arc<str>),
    /// They have stopped.
    Metrics,
}

impl Part {
    fn name(&self) -> &'static str {
        match self {
            Self::Executor(_) => "executor",
            Self::Metrics => "metrics",
        }
    }

    /// Which of several such parts it is.
    fn which(&self) -> Option<&Arc<str>> {
        match self {
            Self::Executor(name) => Some(name),
            Self::Metrics => None,
        }
    }

    fn reason(&self, reason: &str) -> ReadinessReason {
        let name = self.which().map(ToString::to_string);
        ReadinessReason { part: self.name().to_owned(), name, reason: reason.to_owned() }
    }
}

/// How the server is. It begins as starting.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    has_started: bool,
    is_stopping: bool,
    /// Why the server can't go on.
    failed: Option<ReadinessReason>,
    degraded: BTreeMap<Part, String>,
}

impl Health {
    /// All is loaded.
    pub(crate) fn start(&self) {
        self.lock().has_started = true;
    }

    /// The server was told to stop: from here on threads may end.
    pub(crate) fn stop(&self) {
        self.lock().is_stopping = true;
    }

    /// A part is in trouble. It is logged when the trouble begins.
    pub(crate) fn degrade(&self, part: Part, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.lock().degraded.insert(part.clone(), reason.clone());
        if before.is_none() {
            tracing::error!(
                part = part.name(),
                name = part.which().map(|name| &**name),
                "the server is degraded: {reason}"
            );
        }
    }

    /// A part works again.
    pub(crate) fn recover(&self, part: &Part) {
        if self.lock().degraded.remove(part).is_some() {
            let name = part.which().map(|name| format!(" {name}")).unwrap_or_default();
            tracing::info!(part = part.name(), "the {}{name} works again", part.name());
        }
    }

    /// A thread has ended; returns whether that is the end of the server.
    fn fail(&self, thread: &str, reason: &str) -> bool {
        let mut state = self.lock();
        if state.is_stopping {
            return false;
        }
        let reason = format!("the thread {thread} has ended: {reason}");
        state.failed.get_or_insert(ReadinessReason::of("thread", reason));
        true
    }

    /// The state as clients see it. `log` is why the log takes no requests, if that is so, `clock` why the wall clock isn't
    /// believed.
    pub(crate) fn readiness(&self, log: Option<String>, clock: Option<String>) -> Readiness {
        let state = self.lock();
        let is_degraded = clock.is_some() || !state.degraded.is_empty();
        let clock = clock.map(|reason| ReadinessReason::of("clock", reason));
        let log = log.map(|reason| ReadinessReason::of("log", reason));
        let fatal = state.failed.iter().cloned().chain(log);
        let degraded = state.degraded.iter().map(|(part, reason)| part.reason(reason));
        let is_fatal = fatal.clone().next().is_some();
        let status = match (state.has_started, is_fatal, is_degraded) {
            (_, true, _) => ReadinessStatus::Failed,
            (false, ..) => ReadinessStatus::Starting,
            (true, false, true) => ReadinessStatus::Degraded,
            (true, false, false) => ReadinessStatus::Ready,
        };
        Readiness { status, reasons: fatal.chain(clock).chain(degraded).collect() }
    }

    /// What is put into it is whole, or isn't there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the process when a thread has ended that the server can't do without.
#[derive(Clone)]
pub(crate) struct Watchdog {
    health: Arc<Health>,
    end: Arc<dyn Fn() + Send + Sync>,
}

impl Watchdog {
    /// Ends this process.
    pub(crate) fn new(health: Arc<Health>) -> Self {
        let end = || {
            logging::flush();
            std::process::exit(1);
        };
        Self { health, end: Arc::new(end) }
    }

    /// A thread has ended. Before the server stops, that is the end of the process, with the reason.
    pub(crate) fn ended(&self, thread: &str, reason: &str) {
        if self.health.fail(thread, reason) {
            tracing::error!("the thread {thread} has ended, the server ends: {reason}");
            (self.end)();
        }
    }

    /// The log can't be written or what follows from it can't be decided: that is the end of the process.
    pub(crate) fn end(&self, reason: &str) {
        self.health.lock().failed.get_or_insert(ReadinessReason::of("log", reason));
        tracing::error!("{reason}");
        (self.end)();
    }

    /// Starts a thread that works until the server stops.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub(crate) fn spawn<E: ToString>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let watchdog = self.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let reason = styx_core::executor_event::run_to_end(work);
            watchdog.ended(name, &reason);
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often the process would have ended.
    pub(crate) fn counting(health: &Arc<Health>) -> (Watchdog, Arc<AtomicUsize>) {
        let ends = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ends);
        let end = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        (Watchdog { health: Arc::clone(health), end: Arc::new(end) }, ends)
    }

    fn status(health: &Health) -> ReadinessStatus {
        health.readiness(None, None).status
    }

    #[test]
    fn a_degraded_part_is_reported_until_it_works_again() {
        let health = Health::default();
        health.degrade(Part::Executor("blue".into()), "it can't be reached");
        assert_eq!(status(&health), ReadinessStatus::Starting);
        health.start();
        health.degrade(Part::Metrics, "record 7 can't be counted");
        let readiness = health.readiness(None, None);
        let reasons = readiness.reasons.iter().map(|reason| {
            let name = reason.name.as_deref().unwrap_or_default();
            format!("{} {name}: {}", reason.part, reason.reason)
        });
        let expected = ["executor blue: it can't be reached", "metrics : record 7 can't be counted"];
        assert_eq!(
            (readiness.status, reasons.collect::<Vec<_>>()),
            (ReadinessStatus::Degraded, expected.map(Into::into).to_vec())
        );
        health.recover(&Part::Executor("green".into()));
        health.recover(&Part::Executor("blue".into()));
        health.recover(&Part::Metrics);
        assert_eq!(health.readiness(None, None), Readiness { status: ReadinessStatus::Ready, reasons: Vec::new() });
        assert_eq!(health.readiness(Some("the disk is full".to_owned()), None).status, ReadinessStatus::Failed);
        let wild = health.readiness(None, Some("it shows the year 2200".to_owned()));
        assert_eq!((wild.status, &*wild.reasons[0].part), (ReadinessStatus::Degraded, "clock"));
    }

    #[test]
    fn a_thread_that_ends_before_the_server_stops_ends_the_process() {
        let works: [fn() -> Result<(), String>; 3] =
            [|| Ok(()), || Err("no descriptor".to_owned()), || panic!("a bad one")];
        for (work, expected) in works.into_iter().zip(["its work has ended", "no descriptor", "it panicked: a bad one"])
        {
            let health = Arc::new(Health::default());
            health.start();
            let (watchdog, ends) = counting(&health);
            watchdog.spawn("worker", work).unwrap().join().unwrap();
            assert_eq!(ends.load(Ordering::SeqCst), 1);
            let readiness = health.readiness(None, None);
            assert_eq!(readiness.status, ReadinessStatus::Failed);
            assert_eq!(readiness.reasons[0].reason, format!("the thread worker has ended: {expected}"));
        }
    }

    #[test]
    fn once_the_server_stops_threads_may_end() {
        let health = Arc::new(Health::default());
        let (watchdog, ends) = counting(&health);
        health.stop();
        watchdog.spawn("worker", || Err("told to")).unwrap().join().unwrap();
        assert_eq!((ends.load(Ordering::SeqCst), status(&health)), (0, ReadinessStatus::Starting));
    }
}
