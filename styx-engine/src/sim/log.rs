//! The log of a simulation: a log of its own, because it is the fault model. A crash forgets an append that didn't return, or
//! keeps it and never says so; on purpose it can also break the contract, to show that this would be noticed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
    record::{Record, Subject},
    world::{Row, RowKey, RowScope},
};

use super::Sabotage;

/// What happens to the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendFault {
    /// The process ends before anything is durable.
    Forgotten,
    /// The process ends after all is durable, before anybody learns of it.
    Kept,
}

/// What survives crashes.
#[derive(Clone, Default)]
struct Disk {
    records: Vec<Record>,
    rows: BTreeMap<RowKey, Row>,
    epoch: Epoch,
    fault: Option<AppendFault>,
    sabotage: Option<Sabotage>,
    /// With [`Sabotage::NoSync`]: how to undo the last append.
    unsynced: Option<Undo>,
}

/// How long the log was, and the rows that the append changed.
type Undo = (usize, Vec<(RowKey, Option<Row>)>);

/// Rows by key.
pub(super) type Rows = Vec<(RowKey, Row)>;

/// The disk of a simulation; clones share it.
#[derive(Clone, Default)]
pub(super) struct SimLog {
    disk: Arc<Mutex<Disk>>,
}

impl SimLog {
    pub(super) fn new(sabotage: Option<Sabotage>) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk { sabotage, ..Disk::default() })) }
    }

    /// A writer, as a process opens it.
    pub(super) fn writer(&self) -> Box<dyn Log> {
        Box::new(Writer { log: self.clone(), failed: false })
    }

    /// Decides the fate of the next append.
    pub(super) fn arm(&self, fault: Option<AppendFault>) {
        self.lock().fault = fault;
    }

    /// The process has ended.
    pub(super) fn crash(&self) {
        let mut disk = self.lock();
        disk.fault = None;
        if let Some((length, rows)) = disk.unsynced.take() {
            disk.records.truncate(length);
            rows.into_iter().for_each(|(key, row)| disk.set(key, row));
        }
    }

    /// All durable records after a position.
    pub(super) fn records_after(&self, position: Position) -> Vec<Record> {
        self.lock().records.get(position.0 as usize..).unwrap_or_default().to_vec()
    }

    /// All rows of the world.
    pub(super) fn rows(&self) -> Rows {
        self.scan(&RowScope::World, None, usize::MAX).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn write(&mut self, batch: &Batch) {
        let before = batch.rows.iter().map(|(key, _)| (key.clone(), self.rows.get(key).cloned()));
        if self.sabotage == Some(Sabotage::NoSync) {
            self.unsynced = Some((self.records.len(), before.collect()));
        }
        self.records.extend(batch.records.iter().cloned());
        for (key, row) in &batch.rows {
            let row = Sabotage::damaged(self.sabotage, self.rows.get(key), row.clone());
            self.set(key.clone(), row);
        }
    }

    fn set(&mut self, key: RowKey, row: Option<Row>) {
        match row {
            Some(row) => self.rows.insert(key, row),
            None => self.rows.remove(&key),
        };
    }
}

/// One process's way to the disk.
struct Writer {
    log: SimLog,
    failed: bool,
}

impl Log for Writer {
    fn append(&mut self, epoch: Epoch, expected: Position, batch: &Batch) -> Result<Position, LogError> {
        let mut disk = self.log.lock();
        let crash = |doing: &str| LogError::Failed { doing: doing.to_owned(), reason: "the process ended".to_owned() };
        if self.failed {
            return Err(crash("writing after an error"));
        }
        self.failed = true;
        if epoch != disk.epoch {
            return Err(LogError::Fenced { mine: epoch, newer: disk.epoch });
        }
        let found = Position(disk.records.len() as u64);
        if expected != found {
            return Err(LogError::Conflict { expected, found });
        }
        let places = (expected.0 + 1..).map(Position);
        if batch.records.iter().zip(places).any(|(record, place)| record.position != place || record.epoch != epoch) {
            return Err(crash("checking places and epochs"));
        }
        let fault = disk.fault.take();
        if fault != Some(AppendFault::Forgotten) {
            disk.write(batch);
        }
        if fault.is_some() {
            return Err(crash("syncing"));
        }
        self.failed = false;
        Ok(Position(disk.records.len() as u64))
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        let mut disk = self.log.lock();
        disk.epoch = disk.epoch.next();
        Ok(disk.epoch)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(self.log.clone())
    }
}

impl LogReader for SimLog {
    fn tail(&self) -> Result<Position, LogError> {
        Ok(Position(self.lock().records.len() as u64))
    }

    fn first(&self) -> Result<Position, LogError> {
        Ok(Position(1))
    }

    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let skipped = from.0.saturating_sub(1) as usize;
        Ok(self.lock().records.iter().skip(skipped).take(limit).cloned().collect())
    }

    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let disk = self.lock();
        let records = disk.records.iter().filter(|record| record.position >= from);
        let found = records.filter(|record| record.subjects().any(|found| found == *subject));
        Ok(found.take(limit).cloned().collect())
    }

    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        Ok(self.lock().rows.get(key).cloned())
    }

    /// The machine scans only the world.
    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Rows, LogError> {
        let disk = self.lock();
        let is_of_world = |key: &RowKey| !matches!(key, RowKey::Finished(..) | RowKey::Answered(_));
        let world = disk.rows.iter().filter(|(key, _)| is_of_world(key) && *scope == RowScope::World);
        let rows = world.filter(|(key, _)| after.is_none_or(|after| *key > after));
        Ok(rows.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    /// A copy: the machine takes none.
    fn snapshot(&self) -> Box<dyn LogReader> {
        Box::new(Self { disk: Arc::new(Mutex::new(self.lock().clone())) })
    }
}
