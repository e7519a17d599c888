//! A log that fails on purpose, for the tests of whoever writes to one.

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
};

use crate::check::{ended, failed};

/// What becomes of the batch whose append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is there after a reopen.
    Lost,
    /// All of it is there after a reopen, though the answer was an error.
    Kept,
}

/// A log whose `nth` append (the first is 1) fails, and which refuses everything from then on, as the contract demands.
///
/// ```
/// use styx_core::{id::Position, log::{Batch, Log}};
/// use styx_store::{fault::{Fault, FaultLog}, memory::MemoryLog};
///
/// let mut log = FaultLog::new(MemoryLog::new(), 1, Fault::Lost);
/// let epoch = log.begin_epoch()?;
/// assert!(log.append(epoch, Position(0), &Batch::default()).is_err());
/// assert!(log.begin_epoch().is_err());
/// # Ok::<(), styx_core::log::LogError>(())
/// ```
#[derive(Debug)]
pub struct FaultLog<L> {
    inner: L,
    appends_left: u64,
    fault: Fault,
    ended_by: Option<LogError>,
}

impl<L: Log> FaultLog<L> {
    /// Lets `nth - 1` appends through.
    pub fn new(inner: L, nth: u64, fault: Fault) -> Self {
        Self { inner, appends_left: nth.saturating_sub(1), fault, ended_by: None }
    }

    /// Whether it has failed yet.
    pub fn has_failed(&self) -> bool {
        self.ended_by.is_some()
    }

    fn check_alive(&self) -> Result<(), LogError> {
        self.ended_by.as_ref().map_or(Ok(()), |by| Err(ended(by)))
    }
}

impl<L: Log> Log for FaultLog<L> {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        self.check_alive()?;
        let asked_for = || Err(failed("appending", "a fault was asked for here".into()));
        let result = match self.appends_left.checked_sub(1) {
            Some(left) => {
                self.appends_left = left;
                self.inner.append(epoch, expected_tail, batch)
            }
            None if self.fault == Fault::Kept => {
                self.inner.append(epoch, expected_tail, batch).and_then(|_| asked_for())
            }
            None => asked_for(),
        };
        if let Err(error) = &result {
            self.ended_by = Some(error.clone());
        }
        result
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.check_alive()?;
        self.inner.begin_epoch()
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.inner.reader()
    }
}
