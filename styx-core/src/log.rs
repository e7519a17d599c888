//! The contract of a log: a total order of records, and beside it the rows that are folded from them.

mod definitions;
mod rows;

use std::sync::Arc;

pub use self::{
    definitions::{Definition, Definitions},
    rows::Rows,
};
use crate::{
    id::{Epoch, Position},
    record::{Fact, Record, Subject, WorkflowEvent},
    stored_workflow::StoredWorkflow,
    world::{Row, RowKey, RowScope},
};

/// A total order of records. One writer at a time, named by its epoch.
///
/// # What every implementation holds
///
/// 1. A batch is durable when [`append`](Self::append) returns `Ok`; otherwise, after a reopen, all of it is there or none.
/// 2. No gap, no fork: a batch starts right after `expected_tail`, and once [`begin_epoch`](Self::begin_epoch) has returned,
///    no older epoch writes.
/// 3. What was read once reads the same for ever, across crashes too.
/// 4. Any error ends this writer: it must be opened again to go on.
pub trait Log: Send {
    /// Appends a batch and its rows, atomically and durably.
    ///
    /// To hold the contract: check epoch and tail in the same step that writes; sync before returning; after an error
    /// refuse every further append. Records are consecutive from `expected_tail` on and carry
    /// `epoch`; rows come only with records.
    ///
    /// # Errors
    ///
    /// `Fenced` when a newer epoch has begun, `Conflict` when the tail is another one, `Failed` when the write or the
    /// sync failed or the records aren't those of the epoch and place, and `Corrupt` when what is there can't be right.
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError>;

    /// Starts a new epoch, durably: whoever writes under an older one is fenced from here on.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    fn begin_epoch(&mut self) -> Result<Epoch, LogError>;

    /// Something that reads what is durable; it may be moved to other threads.
    fn reader(&self) -> Box<dyn LogReader>;
}

/// Records and the rows that change with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Consecutive records.
    pub records: Vec<Record>,
    /// The rows that differ after them: each key once, `None` where the row is gone.
    pub rows: Vec<(RowKey, Option<Row>)>,
}

/// Reads what is durable. Each call sees one consistent state; two calls may see two, unless both go to one
/// [`snapshot`](Self::snapshot).
pub trait LogReader: Send + Sync {
    /// The last position, zero when the log is empty.
    ///
    /// # Errors
    ///
    /// `Failed` or `Corrupt`, as all of these.
    fn tail(&self) -> Result<Position, LogError>;

    /// The first position that is there: 1, or later once what came before was archived.
    ///
    /// # Errors
    ///
    /// As [`tail`](Self::tail).
    fn first(&self) -> Result<Position, LogError>;

    /// At most `limit` records from `from` on, in order.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a record is damaged or missing.
    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError>;

    /// At most `limit` records found under `subject` from `from` on, in order: those of which it is one of the
    /// [`subjects`](Record::subjects).
    ///
    /// # Errors
    ///
    /// `Corrupt` when a record is damaged or missing.
    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError>;

    /// The row of a key.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the row can't be read.
    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError>;

    /// At most `limit` rows of `scope`, ascending by key, those after `after`.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a row can't be read.
    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, LogError>;

    /// A reader of what is durable now: all its calls see this one state, whatever is appended later. A snapshot of a
    /// snapshot sees the same state.
    ///
    /// It is cheap to take. While it lives the log can't be closed, and what was overwritten since takes space: take one for
    /// several reads that belong together, and drop it after a bounded time.
    fn snapshot(&self) -> Box<dyn LogReader>;
}

/// Visits the rows of a scope, ascending by key, a page at a time.
///
/// # Errors
///
/// When a row can't be read, or `visit` says so.
pub fn for_each_row(
    reader: &dyn LogReader,
    scope: &RowScope,
    mut visit: impl FnMut(RowKey, Row) -> Result<(), LogError>,
) -> Result<(), LogError> {
    const PAGE: usize = 1_000;
    let mut after = None;
    loop {
        let page = reader.scan(scope, after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|(key, _)| key.clone());
        for (key, row) in page {
            visit(key, row)?;
        }
        if last {
            return Ok(());
        }
    }
}

/// The workflow that the record at a position stores.
///
/// # Errors
///
/// When the log can't be read, or no workflow is stored there.
pub fn stored_workflow<R: Rows + ?Sized>(rows: &R, position: Position) -> Result<Arc<StoredWorkflow>, LogError> {
    match rows.record(position)?.map(|record| record.fact) {
        Some(Fact::Workflow(_, WorkflowEvent::Stored(stored))) => Ok(stored),
        _ => Err(LogError::at_record(position, "no workflow is stored there")),
    }
}

/// Why a log can't go on. Every one ends the writer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another writer took over.
    #[error("another writer has taken over: epoch {newer} is newer than {mine}")]
    Fenced {
        /// The epoch of this writer.
        mine: Epoch,
        /// The epoch that was found.
        newer: Epoch,
    },
    /// The log doesn't end where the writer thinks.
    #[error("the log ends at {found}, not at {expected}")]
    Conflict {
        /// Where the writer thought it ends.
        expected: Position,
        /// Where it ends.
        found: Position,
    },
    /// The write or the sync failed; whether it took effect shows only after a reopen.
    #[error("{doing}: {reason}")]
    Failed {
        /// What was being done.
        doing: String,
        /// What the system said.
        reason: String,
    },
    /// What is stored can't be right.
    #[error("{place} is damaged: {reason}")]
    Corrupt {
        /// Where: a position, a key or a file.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

impl LogError {
    /// A record that can't be what it has to be.
    pub fn at_record(position: Position, reason: &str) -> Self {
        Self::Corrupt { place: format!("record {position}"), reason: reason.to_owned() }
    }
}
