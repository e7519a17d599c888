//! The log on RocksDB.

mod chain;
mod checkpoint;
mod framing;
mod high_water;
mod import;
mod index;
mod lock;
mod lookup;
mod open;
mod options;
mod reader;
mod rebuild;
mod replay;
mod verify;
mod view;

use std::{path::Path, sync::Arc};

use rocksdb::{WriteBatch, WriteOptions};
use styx_core::{
    id::{Epoch, Position},
    log::{Batch, Log, LogError, LogReader},
};

pub use self::{
    chain::ChainHash,
    high_water::{HIGH_WATER_FILE, Mark},
    import::{AddError, Importer},
    open::{FORMAT, Notice, OpenOptions, Opening, free_bytes, open_read_only, remove, verify_end},
    reader::RocksReader,
    replay::Replay,
    verify::{Damage, Progress, Report, verify},
};
use self::{
    chain::{BatchEntry, Link},
    high_water::HighWater,
    index::Additions,
    options::{durable_write, family},
    reader::{Store, engine_error, meta},
};
use crate::{
    check::{check_append, ended, failed},
    codec,
    error::OpenError,
    keys,
};

/// The one writer of a data folder.
pub struct RocksLog {
    store: Arc<Store>,
    high_water: HighWater,
    opening: Opening,
    epoch: Epoch,
    tail: Position,
    hash: ChainHash,
    ended_by: Option<LogError>,
}

impl RocksLog {
    /// Opens a data folder, or creates it; nobody else can use it until this and its readers are dropped.
    ///
    /// # Errors
    ///
    /// When the folder is in use, was written by a newer program, lacks what was durable, or is damaged.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(dir, &OpenOptions::default(), &mut |_| {})
    }

    /// As [`open`](Self::open), with options; `notice` hears of what takes long.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(
        dir: impl AsRef<Path>,
        options: &OpenOptions,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<Self, OpenError> {
        open::open(dir.as_ref(), options, notice)
    }

    /// What was found when it was opened.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The last position and the hash of all up to it: what somebody else may keep as evidence.
    pub fn head(&self) -> Mark {
        Mark { tail: self.tail, hash: self.hash }
    }

    /// Something that reads, and can be verified.
    pub fn rocks_reader(&self) -> RocksReader {
        RocksReader::new(Arc::clone(&self.store))
    }

    fn check_alive(&self) -> Result<(), LogError> {
        self.ended_by.as_ref().map_or(Ok(()), |by| Err(ended(by)))
    }

    /// Whatever goes wrong ends this writer.
    fn ending<T>(&mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &result {
            self.ended_by = Some(error.clone());
        }
        result
    }

    fn write(&self, batch: &Batch, options: &WriteOptions) -> Result<BatchEntry, LogError> {
        let first = self.tail.next();
        let mut link = Link::new(&self.hash, first);
        let mut write = WriteBatch::with_capacity_bytes(256 * batch.records.len() + 256 * batch.rows.len());
        let log = self.store.family(family::LOG);
        let mut index = Additions::default();
        let mut bytes = Vec::with_capacity(256);
        for record in &batch.records {
            bytes.clear();
            codec::encode_record(record, &mut bytes)
                .map_err(|error| failed(format!("appending record {}", record.position), error.to_string()))?;
            link.add(&bytes);
            write.put_cf(log, keys::position(record.position), &bytes);
            index.add(record);
        }
        let by_subject = self.store.family(family::BY_SUBJECT);
        index.write(|key, value| write.put_cf(by_subject, key, value));
        let rows = self.store.family(family::ROWS);
        let mut row_key = Vec::with_capacity(64);
        for (key, row) in &batch.rows {
            row_key.clear();
            keys::put_row(&mut row_key, key);
            let Some(row) = row else {
                write.delete_cf(rows, &row_key);
                continue;
            };
            bytes.clear();
            codec::append_row(row, &mut bytes)
                .map_err(|error| failed(format!("appending row {key:?}"), error.to_string()))?;
            write.put_cf(rows, &row_key, &bytes);
        }
        let count = u32::try_from(batch.records.len()).map_err(|error| failed("appending", error.to_string()))?;
        let entry = BatchEntry { first, count, hash: link.finish() };
        write.put_cf(self.store.family(family::BATCHES), keys::position(first), entry.value());
        self.store.db.write_opt(write, options).map_err(|error| failed("appending", error.to_string()))?;
        Ok(entry)
    }

    fn try_append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        check_append(self.epoch, epoch, self.tail, expected_tail, batch)?;
        if batch.records.is_empty() {
            return Ok(self.tail);
        }
        self.write_batch(batch, &durable_write())?;
        self.high_water.note(self.head())?;
        Ok(self.tail)
    }

    /// Writes records that follow the tail, whatever their epoch.
    fn write_batch(&mut self, batch: &Batch, options: &WriteOptions) -> Result<(), LogError> {
        let entry = self.write(batch, options)?;
        self.tail = entry.last();
        self.hash = entry.hash;
        Ok(())
    }

    /// A log in a new folder that isn't one yet: it lacks the format, so that nobody takes it for one.
    fn create_unfinished(dir: &Path) -> Result<Self, OpenError> {
        open::create_unfinished(dir)
    }

    fn try_begin_epoch(&mut self) -> Result<Epoch, LogError> {
        let next = self.epoch.next();
        let meta_family = self.store.family(family::META);
        self.store
            .db
            .put_cf_opt(meta_family, meta::EPOCH, next.0.to_be_bytes(), &durable_write())
            .map_err(|error| engine_error("the epoch", &error))?;
        self.epoch = next;
        Ok(next)
    }
}

impl Log for RocksLog {
    fn append(&mut self, epoch: Epoch, expected_tail: Position, batch: &Batch) -> Result<Position, LogError> {
        self.check_alive()?;
        let result = self.try_append(epoch, expected_tail, batch);
        self.ending(result)
    }

    fn begin_epoch(&mut self) -> Result<Epoch, LogError> {
        self.check_alive()?;
        let result = self.try_begin_epoch();
        self.ending(result)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(self.rocks_reader())
    }
}

impl std::fmt::Debug for RocksLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { store, epoch, tail, .. } = self;
        write!(f, "RocksLog({}, epoch {epoch}, tail {tail})", store.dir.display())
    }
}
