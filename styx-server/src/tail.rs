//! Where the log ends, for whoever waits for records, and how long its writes take.

use std::time::Instant;

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
};
use tokio::sync::watch;

use crate::metrics::LogMetrics;

/// A log that says how far it is after every append, and measures them.
pub(crate) struct WatchedLog<L> {
    log: L,
    tail: watch::Sender<Position>,
    metrics: LogMetrics,
}

impl<L: Log> WatchedLog<L> {
    /// Around a log that ends at `tail`.
    pub(crate) fn new(log: L, tail: Position, metrics: LogMetrics) -> (Self, watch::Receiver<Position>) {
        let (sender, receiver) = watch::channel(tail);
        (Self { log, tail: sender, metrics }, receiver)
    }
}

impl<L: Log> Log for WatchedLog<L> {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        let records = batch.records.len();
        // Debug only: at the usual level it costs nothing.
        let _span = tracing::debug_span!("append", records).entered();
        let began = Instant::now();
        let tail = self.log.append(epoch, expected_tail, batch)?;
        self.metrics.appended(records, began.elapsed());
        self.tail.send_replace(tail);
        Ok(tail)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}
