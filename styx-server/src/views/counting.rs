//! A reader that counts what is read, for tests of how much views cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use styx_core::{
    id::Position,
    log::{LogError, LogReader},
    record::{Record, Subject},
    world::{Row, RowKey, RowScope},
};

/// Reads as another reader does, and counts.
pub(super) struct Counting {
    reader: Box<dyn LogReader>,
    records: AtomicUsize,
    rows: AtomicUsize,
}

impl Counting {
    pub(super) fn new(reader: Box<dyn LogReader>) -> Self {
        Self { reader, records: AtomicUsize::new(0), rows: AtomicUsize::new(0) }
    }

    /// How many records were read.
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// How many rows were read, or asked for.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }
}

impl LogReader for Counting {
    fn tail(&self) -> Result<Position, LogError> {
        self.reader.tail()
    }

    fn first(&self) -> Result<Position, LogError> {
        self.reader.first()
    }

    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let records = self.reader.read(from, limit)?;
        self.records.fetch_add(records.len(), Ordering::Relaxed);
        Ok(records)
    }

    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let records = self.reader.history(subject, from, limit)?;
        self.records.fetch_add(records.len(), Ordering::Relaxed);
        Ok(records)
    }

    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.reader.get(key)
    }

    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, LogError> {
        let rows = self.reader.scan(scope, after, limit)?;
        self.rows.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }

    /// What is read of it isn't counted.
    fn snapshot(&self) -> Box<dyn LogReader> {
        self.reader.snapshot()
    }
}
