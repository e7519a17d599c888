//! What a reader sees: a database as it is, or as it was at one moment.

use std::sync::Arc;

use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};
use self_cell::self_cell;
use styx_core::{id::Position, log::LogError, record::Record};

use super::{
    options::family,
    reader::{Store, corrupt, decode_record, engine_error},
};
use crate::keys;

type Moment<'a> = rocksdb::Snapshot<'a>;

self_cell! {
    /// A moment of a database and what keeps that open.
    struct Held {
        owner: Arc<Store>,
        #[covariant]
        dependent: Moment,
    }
}

/// A moment of a database. While it lives RocksDB keeps what was overwritten since.
pub(super) struct Snapshot(Held);

impl Snapshot {
    /// The present one.
    pub(super) fn of(store: &Arc<Store>) -> Self {
        Self(Held::new(Arc::clone(store), |store| store.db.snapshot()))
    }

    /// What is read of it.
    pub(super) fn view(&self) -> View<'_> {
        View { store: self.0.borrow_owner(), snapshot: Some(self.0.borrow_dependent()) }
    }
}

/// Reads a database as it is at each call, or as it was at a moment.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) store: &'a Store,
    pub(super) snapshot: Option<&'a Moment<'a>>,
}

impl<'a> View<'a> {
    /// How RocksDB reads.
    pub(super) fn options(self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = self.snapshot {
            options.set_snapshot(snapshot);
        }
        options
    }

    /// A cursor over a family; it is nowhere yet.
    pub(super) fn cursor(self, family: &str, options: ReadOptions) -> DBRawIterator<'a> {
        self.store.db.raw_iterator_cf_opt(self.store.family(family), options)
    }

    /// The value of a key.
    pub(super) fn get(
        self,
        family: &'static str,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<DBPinnableSlice<'a>>, LogError> {
        let value = self.store.db.get_pinned_cf_opt(self.store.family(family), key, &self.options());
        value.map_err(|error| engine_error(family, &error))
    }

    /// The entries of a family from `start` on, below `end`.
    pub(super) fn entries(self, family: &'static str, start: &[u8], end: Option<Vec<u8>>) -> Entries<'a> {
        let mut options = self.options();
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        let mut cursor = self.cursor(family, options);
        cursor.seek(start);
        Entries::at(cursor, family)
    }

    /// The last position.
    pub(super) fn tail(self) -> Result<Position, LogError> {
        let mut cursor = self.cursor(family::LOG, self.options());
        cursor.seek_to_last();
        let tail = cursor.key().map(keys::parse_position).transpose();
        cursor.status().map_err(|error| engine_error(family::LOG, &error))?;
        let tail = tail.map_err(|error| corrupt("the log's last key", error.to_string()))?;
        Ok(tail.unwrap_or_default())
    }

    /// The first position.
    pub(super) fn first(self) -> Result<Position, LogError> {
        let mut cursor = self.cursor(family::LOG, self.options());
        cursor.seek_to_first();
        let first = cursor.key().map(keys::parse_position).transpose();
        cursor.status().map_err(|error| engine_error(family::LOG, &error))?;
        let first = first.map_err(|error| corrupt("the log's first key", error.to_string()))?;
        Ok(first.unwrap_or(Position::FIRST))
    }

    /// The record at a position, which must be there.
    pub(super) fn record(self, position: Position) -> Result<Record, LogError> {
        let record = self.find_record(position)?;
        record.ok_or_else(|| corrupt(format!("record {position}"), "it is missing".into()))
    }

    /// The record at a position, if there is one.
    pub(super) fn find_record(self, position: Position) -> Result<Option<Record>, LogError> {
        let value = self.get(family::LOG, keys::position(position))?;
        value.map(|value| decode_record(position, &value)).transpose()
    }
}

/// A key and its value.
pub(super) type Entry<'a> = (&'a [u8], &'a [u8]);

/// Entries of a family, one after the other; an error ends them.
pub(super) struct Entries<'a> {
    cursor: DBRawIterator<'a>,
    family: &'static str,
    is_first: bool,
}

impl<'a> Entries<'a> {
    /// From where the cursor is.
    pub(super) fn at(cursor: DBRawIterator<'a>, family: &'static str) -> Self {
        Self { cursor, family, is_first: true }
    }

    /// The next key and value.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'_>>, LogError> {
        if !std::mem::take(&mut self.is_first) && self.cursor.valid() {
            self.cursor.next();
        }
        if !self.cursor.valid() {
            self.cursor.status().map_err(|error| engine_error(self.family, &error))?;
        }
        Ok(self.cursor.item())
    }
}
