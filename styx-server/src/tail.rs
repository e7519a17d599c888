//! Where the log ends, for whoever waits for records.

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
};
use tokio::sync::watch;

/// A log that says how far it is after every append.
pub(crate) struct WatchedLog<L> {
    log: L,
    tail: watch::Sender<Position>,
}

impl<L: Log> WatchedLog<L> {
    /// Around a log that ends at `tail`.
    pub(crate) fn new(log: L, tail: Position) -> (Self, watch::Receiver<Position>) {
        let (sender, receiver) = watch::channel(tail);
        (Self { log, tail: sender }, receiver)
    }
}

impl<L: Log> Log for WatchedLog<L> {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        let tail = self.log.append(epoch, expected_tail, batch)?;
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
