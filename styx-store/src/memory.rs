//! A log in memory, for tests, simulations and whoever needs no durability: it keeps the whole contract, except that it
//! ends with the process.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    record::{Record, Subject},
    world::{Row, RowKey, RowScope},
};

use crate::{
    check::{check_append, ended},
    keys::is_in_scope,
};

/// What a [`MemoryLog`] writes to; it outlives its writers, as a disk does.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage(Arc<RwLock<Stored>>);

#[derive(Debug, Default)]
struct Stored {
    epoch: Epoch,
    /// The record of position 1 is at index 0.
    records: Vec<Record>,
    by_subject: BTreeMap<Subject, Vec<Position>>,
    /// Snapshots share them; the first append after a snapshot that still lives copies them.
    rows: Arc<BTreeMap<RowKey, Row>>,
}

/// What a [`MemoryStorage`] held at one moment.
#[derive(Debug)]
struct Snapshot {
    storage: MemoryStorage,
    tail: Position,
    rows: Arc<BTreeMap<RowKey, Row>>,
}

/// A writer of a [`MemoryStorage`].
#[derive(Debug)]
pub struct MemoryLog {
    storage: MemoryStorage,
    ended_by: Option<LogError>,
}

impl MemoryStorage {
    /// A storage that holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something that reads it.
    pub fn reader(&self) -> Box<dyn LogReader> {
        Box::new(self.clone())
    }

    fn read_stored(&self) -> RwLockReadGuard<'_, Stored> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_stored(&self) -> RwLockWriteGuard<'_, Stored> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryLog {
    /// A log of its own, empty.
    pub fn new() -> Self {
        Self::open(&MemoryStorage::new())
    }

    /// Another writer of the storage; it fences the others when it begins an epoch.
    pub fn open(storage: &MemoryStorage) -> Self {
        Self { storage: storage.clone(), ended_by: None }
    }

    /// What this log writes to: open it again to read back, after the writer has gone or failed.
    pub fn storage(&self) -> MemoryStorage {
        self.storage.clone()
    }

    fn check_alive(&self) -> Result<(), LogError> {
        self.ended_by.as_ref().map_or(Ok(()), |by| Err(ended(by)))
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Log for MemoryLog {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        self.check_alive()?;
        let mut stored = self.storage.write_stored();
        if let Err(error) = check_append(stored.epoch, epoch, stored.tail(), expected_tail, batch) {
            self.ended_by = Some(error.clone());
            return Err(error);
        }
        for record in &batch.records {
            for subject in record.subjects() {
                stored.by_subject.entry(subject).or_default().push(record.position);
            }
            stored.records.push(record.clone());
        }
        let rows = Arc::make_mut(&mut stored.rows);
        for (key, row) in &batch.rows {
            match row {
                Some(row) => drop(rows.insert(key.clone(), row.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(stored.tail())
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.check_alive()?;
        let mut stored = self.storage.write_stored();
        stored.epoch = stored.epoch.next();
        Ok(stored.epoch)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.storage.reader()
    }
}

impl LogReader for MemoryStorage {
    fn first(&self) -> Result<Position, LogError> {
        Ok(Position::FIRST)
    }

    fn tail(&self) -> Result<Position, LogError> {
        Ok(self.read_stored().tail())
    }

    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let stored = self.read_stored();
        let skipped = usize::try_from(from.0.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(stored.records.iter().skip(skipped).take(limit).cloned().collect())
    }

    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let stored = self.read_stored();
        let positions = stored.by_subject.get(subject).map_or(&[][..], Vec::as_slice);
        let first = positions.partition_point(|position| *position < from);
        let records =
            positions[first..].iter().take(limit).map(|position| stored.records[position.0 as usize - 1].clone());
        Ok(records.collect())
    }

    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        Ok(self.read_stored().rows.get(key).cloned())
    }

    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, LogError> {
        Ok(scan(&self.read_stored().rows, scope, after, limit))
    }

    fn snapshot(&self) -> Box<dyn LogReader> {
        let stored = self.read_stored();
        Box::new(Snapshot { storage: self.clone(), tail: stored.tail(), rows: Arc::clone(&stored.rows) })
    }
}

/// Records are never changed, so those of the storage up to the tail are those of the moment.
impl LogReader for Snapshot {
    fn first(&self) -> Result<Position, LogError> {
        self.storage.first()
    }

    fn tail(&self) -> Result<Position, LogError> {
        Ok(self.tail)
    }

    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let left = (self.tail.0 + 1).saturating_sub(from.0.max(1));
        self.storage.read(from, limit.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut records = self.storage.history(subject, from, limit)?;
        records.truncate(records.partition_point(|record| record.position <= self.tail));
        Ok(records)
    }

    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, LogError> {
        Ok(scan(&self.rows, scope, after, limit))
    }

    fn snapshot(&self) -> Box<dyn LogReader> {
        Box::new(Self { storage: self.storage.clone(), tail: self.tail, rows: Arc::clone(&self.rows) })
    }
}

fn scan(rows: &BTreeMap<RowKey, Row>, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Vec<(RowKey, Row)> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = rows.range::<RowKey, _>((start, Bound::Unbounded));
    let inside = rows.filter(|(key, _)| is_in_scope(scope, key));
    inside.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect()
}

impl Stored {
    fn tail(&self) -> Position {
        Position(self.records.len() as u64)
    }
}
