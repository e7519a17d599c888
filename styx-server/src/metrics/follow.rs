//! The consumer that follows the log for the metrics, on a thread of its own.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow};
use styx_core::{id::Position, log::LogReader};
use tokio::{runtime::Handle, sync::watch};

use super::Metrics;

/// How many records are read at a time.
const PAGE: usize = 1_000;
/// After each look at the log: many small batches are read at once then, and the counts are at most so late.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows the log until its writer is gone.
///
/// # Errors
///
/// When no thread can be started.
pub(crate) fn follow(
    metrics: Arc<Metrics>,
    reader: Box<dyn LogReader>,
    mut tail: watch::Receiver<Position>,
    runtime: Handle,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("styx-metrics".to_owned()).spawn(move || {
        let followed = metrics.folded().read_workflows(reader.as_ref()).map_err(|error| anyhow!(error));
        let followed = followed.and_then(|()| {
            loop {
                catch_up(&metrics, reader.as_ref(), *tail.borrow_and_update())?;
                thread::sleep(PAUSE);
                if runtime.block_on(tail.changed()).is_err() {
                    return Ok(());
                }
            }
        });
        if let Err(error) = followed {
            tracing::error!("the metrics of the log stand still: {error:#}");
        }
    })
}

/// Counts all records up to `end`.
fn catch_up(metrics: &Metrics, reader: &dyn LogReader, end: Position) -> anyhow::Result<()> {
    let mut next = metrics.folded().next();
    while next <= end {
        let page = reader.read(next, PAGE)?;
        let mut folded = metrics.folded();
        for record in &page {
            folded.take(record).with_context(|| format!("counting record {}", record.position))?;
        }
        if page.is_empty() {
            return Err(anyhow!("the log ends before {next}, its writer says that it ends at {end}"));
        }
        next = folded.next();
    }
    Ok(())
}
