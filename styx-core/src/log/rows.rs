//! What decisions and launches read of a store.

use std::collections::BTreeMap;

use super::{LogError, LogReader};
use crate::{
    id::Position,
    record::Record,
    world::{Row, RowKey},
};

/// What a store has beside the world, as far as it is durable. Every [`LogReader`] is one.
///
/// Both methods return what the batches so far have stored: the last row of each key, and each record.
pub trait Rows {
    /// The row of a key. Only keys of what isn't part of the world are read: [`RowKey::Finished`] and [`RowKey::Answered`].
    ///
    /// # Errors
    ///
    /// When it can't be read. `None` for a row that was stored is damage: the counters of a run would begin again.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError>;

    /// The record at a position. Only records that store workflows are read.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn record(&self, position: Position) -> Result<Option<Record>, LogError>;
}

impl<R: LogReader + ?Sized> Rows for R {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        self.get(key)
    }

    fn record(&self, position: Position) -> Result<Option<Record>, LogError> {
        Ok(self.read(position, 1)?.pop())
    }
}

/// Rows alone, for decisions that launch nothing.
impl Rows for BTreeMap<RowKey, Row> {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        Ok(self.get(key).cloned())
    }

    fn record(&self, _position: Position) -> Result<Option<Record>, LogError> {
        Ok(None)
    }
}
