//! Where the log ends and what decisions follow, for whoever waits for it, and how long its writes take.

use std::{sync::Arc, time::Instant};

use styx_core::{
    config::Config,
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    world::{Row, RowKey},
};
use tokio::sync::watch;

use crate::metrics::LogMetrics;

/// A log that says how far it is after every append, and measures them.
pub(crate) struct WatchedLog<L> {
    log: L,
    tail: watch::Sender<Position>,
    config: watch::Sender<Arc<Config>>,
    metrics: LogMetrics,
}

/// What is told after every append.
pub(crate) struct Watched {
    /// Where the log ends.
    pub(crate) tail: watch::Receiver<Position>,
    /// What decisions follow.
    pub(crate) config: watch::Receiver<Arc<Config>>,
}

impl<L: Log> WatchedLog<L> {
    /// Around a log.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn new(log: L, metrics: LogMetrics) -> Result<(Self, Watched), LogError> {
        let reader = log.reader();
        let config = match reader.get(&RowKey::Config)? {
            Some(Row::Config(config)) => config,
            _ => Arc::default(),
        };
        let (tail, watched_tail) = watch::channel(reader.tail()?);
        let (config, watched_config) = watch::channel(config);
        Ok((Self { log, tail, config, metrics }, Watched { tail: watched_tail, config: watched_config }))
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
        let config = batch.rows.iter().find_map(|(key, row)| match (key, row) {
            (RowKey::Config, Some(Row::Config(config))) => Some(Arc::clone(config)),
            _ => None,
        });
        if let Some(config) = config {
            self.config.send_replace(config);
        }
        Ok(tail)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}
