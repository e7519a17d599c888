//! The consumer that follows the log for the metrics and for the lines about runs, on a thread of its own.

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow};
use styx_core::{id::Position, log::LogReader};
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{
    health::{Health, Part, Watchdog},
    metrics::Metrics,
    run_log::RunLog,
};

/// How many records are read at a time.
const PAGE: usize = 1_000;
/// After each look at the log: many small batches are read at once then, and the counts are at most so late.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows a log.
pub(crate) struct Follower {
    /// Counts the records.
    pub(crate) metrics: Arc<Metrics>,
    /// Has lines about some of them.
    pub(crate) run_log: RunLog,
    /// Reads them.
    pub(crate) reader: Box<dyn LogReader>,
    /// Where they end.
    pub(crate) tail: watch::Receiver<Position>,
    /// Hears when it can't go on.
    pub(crate) health: Arc<Health>,
}

impl Follower {
    /// Follows the log until its writer is gone.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn start(mut self, watchdog: &Watchdog, runtime: Handle) -> io::Result<JoinHandle<()>> {
        watchdog.spawn("styx-follower", move || {
            if let Err(error) = self.follow(&runtime) {
                let text = format!("the metrics of the log and its lines about runs stand still: {error:#}");
                self.metrics.stop(&text);
                self.health.degrade(Part::Metrics, text);
                // The server goes on without them, until it stops.
                runtime.block_on(async { while self.tail.changed().await.is_ok() {} });
            }
            Ok::<_, Infallible>(())
        })
    }

    fn follow(&mut self, runtime: &Handle) -> anyhow::Result<()> {
        self.metrics.read_workflows(self.reader.as_ref())?;
        loop {
            let end = *self.tail.borrow_and_update();
            self.catch_up(end)?;
            let report = self.run_log.report();
            thread::sleep(PAUSE);
            let changed = runtime.block_on(async {
                match report {
                    Some(report) => timeout(report, self.tail.changed()).await.unwrap_or(Ok(())),
                    None => self.tail.changed().await,
                }
            });
            if changed.is_err() {
                return Ok(());
            }
        }
    }

    /// Takes all records up to `end`.
    fn catch_up(&mut self, end: Position) -> anyhow::Result<()> {
        let mut next = self.metrics.next();
        while next <= end {
            let page = self.reader.read(next, PAGE)?;
            if page.is_empty() {
                return Err(anyhow!("the log ends before {next}, its writer says that it ends at {end}"));
            }
            let run_log = &mut self.run_log;
            let counted = self.metrics.take(&page, |record, world| run_log.record(record, world));
            next = counted.with_context(|| format!("counting the records from {next} on"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use styx_client::ReadinessStatus;
    use styx_core::{log::Log, world::World};
    use styx_store::MemoryLog;

    use super::*;
    use crate::{
        cli::LogRuns,
        health::tests::counting,
        metrics::{HttpMetrics, LogMetrics},
    };

    #[test]
    fn a_follower_that_cannot_go_on_degrades_the_server_and_ends_with_it() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let health = Arc::new(Health::default());
        health.start();
        let (watchdog, ends) = counting(&health);
        let metrics = Arc::new(Metrics::new(World::default(), &LogMetrics::default(), HttpMetrics::new()));
        let run_log = RunLog::new(LogRuns::All, metrics.run_lines_left_out.clone());
        // The writer names records that can't be read.
        let (writer, tail) = watch::channel(Position(5));
        let reader = MemoryLog::new().reader();
        let follower = Follower { metrics, run_log, reader, tail, health: Arc::clone(&health) };
        let thread = follower.start(&watchdog, runtime.handle().clone()).unwrap();
        let readiness = loop {
            let readiness = health.readiness(None, None);
            if readiness.status != ReadinessStatus::Ready {
                break readiness;
            }
            thread::yield_now();
        };
        assert_eq!(readiness.status, ReadinessStatus::Degraded);
        assert!(
            readiness.reasons[0].part == "metrics" && readiness.reasons[0].reason.contains("the log ends before 1")
        );
        health.stop();
        drop(writer);
        thread.join().unwrap();
        assert_eq!(ends.load(Ordering::SeqCst), 0);
    }
}
