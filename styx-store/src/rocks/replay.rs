//! The world as it was: the log folded up to a position.
//!
//! On one thread: a record that is decoded, folded and dropped at once stays in the processor's cache, and handing it to
//! another thread costs more than it saves.

use styx_core::{
    id::Position,
    log::LogError,
    record::Record,
    world::{Changes, World},
};

use super::{
    options::family,
    reader::{RocksReader, corrupt, decode_record},
};
use crate::keys;

/// A fold of a log on its way from the first record on.
pub struct Replay<'a> {
    reader: &'a RocksReader,
    world: World,
}

impl<'a> Replay<'a> {
    /// Before the first record.
    pub fn new(reader: &'a RocksReader) -> Self {
        Self { reader, world: World::default() }
    }

    /// The world after the last record that was folded.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Folds on up to `to` and shows each record with what it changed; a position that was passed already changes nothing.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a record on the way is missing, damaged, or doesn't follow from those before it; the world is that
    /// before it.
    pub fn advance(&mut self, to: Position, visit: &mut dyn FnMut(&Record, &Changes)) -> Result<(), LogError> {
        let from = self.world.tail().next();
        if from > to {
            return Ok(());
        }
        let end = to.0.checked_add(1).map(|end| keys::position(Position(end)).to_vec());
        let mut entries = self.reader.view().entries(family::LOG, &keys::position(from), end);
        while let Some((key, value)) = entries.next()? {
            let position = keys::parse_position(key).map_err(|error| corrupt("a key of the log", error.to_string()))?;
            let record = decode_record(position, value)?;
            let changes = self.world.apply(&record).map_err(|refused| {
                corrupt(format!("record {position}"), format!("it doesn't follow from those before it: {refused}"))
            })?;
            visit(&record, &changes);
        }
        match self.world.tail() {
            tail if tail < to => Err(corrupt(format!("record {}", tail.next()), "it is missing".into())),
            _ => Ok(()),
        }
    }
}
