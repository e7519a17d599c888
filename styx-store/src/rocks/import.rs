//! A new log from the records of another one.

use std::{fs, path::Path, sync::Arc};

use rocksdb::{WriteBatch, WriteOptions};
use styx_core::{
    id::Epoch,
    log::{Batch, LogError},
    record::{Bounds, Cause, OutOfBounds, Record},
    world::{RefusedRecord, World},
};

use super::{
    Mark, RocksLog,
    options::{durable_write, family},
    reader::{engine_error, meta},
    rebuild::Rows,
};
use crate::{
    error::{OpenError, while_doing},
    fold::Fold,
};

/// From so many records on a batch ends with its decision.
const BATCH: usize = 1_000;
/// A batch ends here, whatever its decision says.
const LONGEST_BATCH: usize = 10_000;

/// Makes a log in a new folder out of records that were written elsewhere, as they are: positions, times, epochs and causes
/// stay. Batches, and so the hash chain, are its own.
///
/// Nothing is durable, and no other way opens the folder, before [`finish`](Self::finish) has returned.
pub struct Importer {
    log: RocksLog,
    fold: Fold,
    epoch: Epoch,
    batch: Batch,
}

/// Why a record can't be taken over. The importer has taken nothing of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// It doesn't follow from the records before it.
    #[error(transparent)]
    Refused(#[from] RefusedRecord),
    /// It was written before its predecessor was.
    #[error("epoch {found} follows epoch {before}")]
    OlderEpoch {
        /// The epoch of the record before it.
        before: Epoch,
        /// Its own.
        found: Epoch,
    },
    /// A number or a time in it is one that no log holds.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// The folder can't be written, or the record can't be stored.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Importer {
    /// Begins a log in a folder that doesn't exist or is empty.
    ///
    /// # Errors
    ///
    /// When something is in the folder, or it can't be made.
    pub fn create(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        if let Ok(mut entries) = fs::read_dir(dir)
            && entries.next().is_some()
        {
            return Err(OpenError::NotEmpty { dir: dir.into() });
        }
        let log = RocksLog::create_unfinished(dir)?;
        Ok(Self { log, fold: Fold::default(), epoch: Epoch(0), batch: Batch::default() })
    }

    /// The world that the records so far fold to.
    pub fn world(&self) -> &World {
        self.fold.world()
    }

    /// Takes over the next record.
    ///
    /// # Errors
    ///
    /// When it doesn't follow from those before it, holds a number or a time that leaves no room for what may follow, or
    /// can't be written; after the last nothing more can be.
    pub fn add(&mut self, record: Record) -> Result<(), AddError> {
        Bounds::IMPORTED.check(&record)?;
        self.add_own(record)
    }

    /// Adds a record that was made here, after those that were taken over.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_own(&mut self, record: Record) -> Result<(), AddError> {
        Bounds::STORED.check(&record)?;
        if record.epoch < self.epoch {
            return Err(AddError::OlderEpoch { before: self.epoch, found: record.epoch });
        }
        let begins = record.cause != Cause::Decision;
        let count = self.batch.records.len();
        if record.epoch > self.epoch || (count >= BATCH && begins) || count >= LONGEST_BATCH {
            self.flush()?;
        }
        let changes = self.fold.apply(&record)?;
        self.batch.rows.extend(changes.into_rows());
        self.epoch = record.epoch;
        self.batch.records.push(record);
        Ok(())
    }

    /// Writes what is left and makes all of it durable: from here on the folder is a log like any other.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn finish(mut self) -> Result<Mark, OpenError> {
        self.flush()?;
        let store = Arc::clone(&self.log.store);
        let mut rows = Rows::new(&store);
        for (key, row) in self.fold.rows() {
            rows.put(&key, &row)?;
        }
        rows.finish()?;
        let head = self.log.head();
        head.write(&store.dir).map_err(while_doing("writing the high-water mark"))?;
        let mut write = WriteBatch::default();
        write.put_cf(store.family(family::META), meta::EPOCH, self.epoch.0.to_be_bytes());
        write.put_cf(store.family(family::META), meta::FORMAT, super::FORMAT.to_be_bytes());
        store.db.write_opt(write, &durable_write()).map_err(|error| engine_error("the format", &error))?;
        Ok(head)
    }

    /// Without a sync: the one at the end makes all of it durable.
    fn flush(&mut self) -> Result<(), LogError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.records.is_empty() {
            return Ok(());
        }
        self.log.write_batch(&batch, &WriteOptions::default())
    }
}
