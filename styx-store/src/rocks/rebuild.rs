//! Rows from the log: they are a cache, the log is the truth.

use rocksdb::{WriteBatch, WriteOptions};
use styx_core::{
    id::Position,
    log::LogError,
    world::{Row, RowKey},
};

use super::{
    open::Notice,
    options::{durable_write, family},
    reader::{Store, corrupt, decode_record, engine_error, meta},
};
use crate::{
    check::failed,
    codec::{self, ROW_VERSION},
    fold::Fold,
    keys,
};

/// How many rows or records are taken in one step.
const STEP: usize = 4096;

/// Removes all rows and folds them again. A crash on the way leaves them marked as incomplete.
pub(super) fn rebuild_rows(
    store: &Store,
    tail: Position,
    reason: &str,
    notice: &mut dyn FnMut(Notice),
) -> Result<(), LogError> {
    let mut tell = |done| notice(Notice::RebuildingRows { reason: reason.to_owned(), done, of: tail });
    tell(Position(0));
    let mut clear = WriteBatch::default();
    clear.delete_cf(store.family(family::META), meta::ROWS);
    clear.delete_range_cf(store.family(family::ROWS), &[][..], &[u8::MAX][..]);
    store.db.write_opt(clear, &durable_write()).map_err(|error| engine_error("the rows", &error))?;

    let mut rows = Rows::new(store);
    let mut fold = Fold::default();
    let mut entries = store.now().entries(family::LOG, &[], None);
    while let Some((key, value)) = entries.next()? {
        let position = keys::parse_position(key).map_err(|error| corrupt("a key of the log", error.to_string()))?;
        let record = decode_record(position, value)?;
        let refused = |error: styx_core::world::RefusedRecord| corrupt(format!("record {position}"), error.to_string());
        let changes = fold.apply(&record).map_err(refused)?;
        for (key, row) in changes.into_rows() {
            if let Some(row) = row {
                rows.put(&key, &row)?;
            }
        }
        if position.0 % STEP as u64 == 0 {
            tell(position);
        }
    }
    for (key, row) in fold.rows() {
        rows.put(&key, &row)?;
    }
    rows.finish()?;
    tell(tail);
    Ok(())
}

/// Rows on their way into the store.
pub(super) struct Rows<'a> {
    store: &'a Store,
    write: WriteBatch,
}

impl<'a> Rows<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, write: WriteBatch::default() }
    }

    pub(super) fn put(&mut self, key: &RowKey, row: &Row) -> Result<(), LogError> {
        let bytes =
            codec::encode_row(row).map_err(|error| failed(format!("writing row {key:?}"), error.to_string()))?;
        self.write.put_cf(self.store.family(family::ROWS), keys::row(key), bytes);
        if self.write.len() >= STEP { self.flush(&WriteOptions::default()) } else { Ok(()) }
    }

    /// Marks the rows as complete, in one write with the last of them.
    pub(super) fn finish(&mut self) -> Result<(), LogError> {
        self.write.put_cf(self.store.family(family::META), meta::ROWS, [ROW_VERSION]);
        self.flush(&durable_write())
    }

    fn flush(&mut self, options: &WriteOptions) -> Result<(), LogError> {
        let write = std::mem::take(&mut self.write);
        self.store.db.write_opt(write, options).map_err(|error| engine_error("the rows", &error))
    }
}
