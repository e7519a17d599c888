//! Reading: the same for the server's own threads and for tools on a folder that nobody writes.

use std::{path::PathBuf, sync::Arc};

use rocksdb::{ColumnFamily, DB, ErrorKind};
use styx_core::{
    id::{Epoch, Position},
    log::{LogError, LogReader},
    record::{Record, Subject},
    world::{Row, RowKey, RowScope},
};

use super::{
    chain::BatchEntry,
    index,
    lock::Lock,
    options::family,
    view::{Snapshot, View},
};
use crate::{
    check::failed,
    codec,
    keys::{self, hex},
};

/// Keys in `meta`.
pub(super) mod meta {
    /// Version of the whole layout: u32, big-endian.
    pub(in crate::rocks) const FORMAT: &[u8] = b"format";
    /// The present epoch: u64, big-endian.
    pub(in crate::rocks) const EPOCH: &[u8] = b"epoch";
    /// The version of the rows, one byte; missing while they are being rebuilt.
    pub(in crate::rocks) const ROWS: &[u8] = b"rows";
}

/// An open database and the lock on its folder; the fields are dropped in this order.
pub(super) struct Store {
    pub(super) db: DB,
    pub(super) dir: PathBuf,
    pub(super) _lock: Lock,
}

/// Reads a log on RocksDB; cheap to clone, and free to move to other threads.
///
/// The folder stays locked as long as a reader of it lives.
#[derive(Clone)]
pub struct RocksReader {
    pub(super) store: Arc<Store>,
    /// What is read as it was, if not as it is.
    snapshot: Option<Arc<Snapshot>>,
}

impl RocksReader {
    /// Reads what is durable when it is asked.
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, snapshot: None }
    }

    /// What is read.
    pub(super) fn view(&self) -> View<'_> {
        self.snapshot.as_ref().map_or_else(|| self.store.now(), |snapshot| snapshot.view())
    }
}

impl Store {
    pub(super) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every family is opened with the database")
    }

    pub(super) fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        self.db.get_cf(self.family(family), key).map_err(|error| engine_error(family, &error))
    }

    /// All that is durable now.
    pub(super) fn now(&self) -> View<'_> {
        View { store: self, snapshot: None }
    }

    /// The batch that begins at or before a position.
    pub(super) fn batch_at(&self, position: Position) -> Result<Option<BatchEntry>, LogError> {
        let mut cursor = self.db.raw_iterator_cf(self.family(family::BATCHES));
        cursor.seek_for_prev(keys::position(position));
        let entry = cursor.item().map(|(key, value)| BatchEntry::parse(key, value)).transpose();
        cursor.status().map_err(|error| engine_error(family::BATCHES, &error))?;
        entry
    }

    pub(super) fn epoch(&self) -> Result<Epoch, LogError> {
        let Some(bytes) = self.get(family::META, meta::EPOCH)? else {
            return Ok(Epoch(0));
        };
        let bytes =
            bytes.try_into().map_err(|bytes: Vec<u8>| corrupt("the epoch", format!("it is {}", hex(&bytes))))?;
        Ok(Epoch(u64::from_be_bytes(bytes)))
    }

    /// The version of the rows; `None` while they aren't complete.
    pub(super) fn rows_version(&self) -> Result<Option<u8>, LogError> {
        Ok(self.get(family::META, meta::ROWS)?.and_then(|bytes| bytes.first().copied()))
    }
}

impl LogReader for RocksReader {
    fn first(&self) -> Result<Position, LogError> {
        self.view().first()
    }

    fn tail(&self) -> Result<Position, LogError> {
        self.view().tail()
    }

    fn read(&self, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut expected = from.max(Position::FIRST);
        // One record is what most readers want, and finding it takes no iterator, which looks into every file.
        if limit == 1
            && let Some(record) = self.view().find_record(expected)?
        {
            return Ok(vec![record]);
        }
        let mut entries = self.view().entries(family::LOG, &keys::position(expected), None);
        let mut records = Vec::new();
        while records.len() < limit
            && let Some((key, value)) = entries.next()?
        {
            let position = keys::parse_position(key).map_err(|error| corrupt("a key of the log", error.to_string()))?;
            if position != expected {
                return Err(corrupt(format!("record {expected}"), format!("it is missing; {position} follows")));
            }
            records.push(decode_record(position, value)?);
            expected = expected.next();
        }
        Ok(records)
    }

    fn history(&self, subject: &Subject, from: Position, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut entries = self.view().index_of(subject, from);
        let mut records = Vec::new();
        let mut positions = Vec::new().into_iter();
        while records.len() < limit {
            let Some(position) = positions.next() else {
                let Some((key, value)) = entries.next()? else { break };
                positions = index::parse(key, value)?.1.into_iter();
                continue;
            };
            if position < from {
                continue;
            }
            let record = self.view().record(position)?;
            if record.subjects().all(|found| found != *subject) {
                return Err(corrupt(format!("record {position}"), format!("it isn't about {subject}")));
            }
            records.push(record);
        }
        Ok(records)
    }

    fn get(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        let value = self.view().get(family::ROWS, keys::row(key))?;
        value.map(|value| decode_row(key, &value)).transpose()
    }

    fn scan(&self, scope: &RowScope, after: Option<&RowKey>, limit: usize) -> Result<Vec<(RowKey, Row)>, LogError> {
        let (mut start, end) = keys::scope(scope);
        if let Some(after) = after {
            let mut behind = keys::row(after);
            behind.push(0);
            start = start.max(behind);
        }
        let mut rows = Vec::new();
        if end.as_ref().is_some_and(|end| start >= *end) {
            return Ok(rows);
        }
        let mut entries = self.view().entries(family::ROWS, &start, end);
        while rows.len() < limit
            && let Some((key, value)) = entries.next()?
        {
            let key = keys::parse_row(key).map_err(|error| corrupt("a row's key", error.to_string()))?;
            if keys::is_in_scope(scope, &key) {
                let row = decode_row(&key, value)?;
                rows.push((key, row));
            }
        }
        Ok(rows)
    }

    fn snapshot(&self) -> Box<dyn LogReader> {
        let snapshot = self.snapshot.clone().unwrap_or_else(|| Arc::new(Snapshot::of(&self.store)));
        Box::new(Self { store: Arc::clone(&self.store), snapshot: Some(snapshot) })
    }
}

/// Decodes the record that is stored at a position.
pub(super) fn decode_record(position: Position, bytes: &[u8]) -> Result<Record, LogError> {
    let place = || format!("record {position}");
    let record = codec::decode_record(bytes).map_err(|error| corrupt(place(), error.to_string()))?;
    if record.position != position {
        return Err(corrupt(place(), format!("record {} stands there", record.position)));
    }
    Ok(record)
}

/// Decodes the row that is stored under a key.
pub(super) fn decode_row(key: &RowKey, bytes: &[u8]) -> Result<Row, LogError> {
    let place = || format!("row {key:?}");
    let row = codec::decode_row(bytes).map_err(|error| corrupt(place(), error.to_string()))?;
    let fits = matches!(
        (key, &row),
        (RowKey::Log, Row::Log(_))
            | (RowKey::Config, Row::Config(_))
            | (RowKey::Workflow(_), Row::Workflow(_))
            | (RowKey::Run(_), Row::Run(_))
            | (RowKey::Execution(_), Row::Execution(_))
            | (RowKey::Backfill(_), Row::Backfill(_))
            | (RowKey::Resource(_), Row::Resource(_))
            | (RowKey::Finished(..), Row::Finished(_))
            | (RowKey::Answered(_), Row::Answered(_))
    );
    if fits { Ok(row) } else { Err(corrupt(place(), "a row of another kind stands there".into())) }
}

pub(super) fn corrupt(place: impl Into<String>, reason: String) -> LogError {
    LogError::Corrupt { place: place.into(), reason }
}

/// What RocksDB says about a family or a file.
pub(super) fn engine_error(place: &str, error: &rocksdb::Error) -> LogError {
    match error.kind() {
        ErrorKind::Corruption => corrupt(place, error.to_string()),
        _ => failed(format!("using {place}"), error.to_string()),
    }
}
