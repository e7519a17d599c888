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
