//! The fold of a log's records into rows, for whoever makes or checks them.

use styx_core::{
    record::{Fact, Record},
    world::{Changes, RefusedRecord, Row, RowKey, World},
};

/// A world, and whether a record has set its configuration: only then it has a row.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    world: World,
    is_configured: bool,
}

impl Fold {
    pub(crate) fn apply(&mut self, record: &Record) -> Result<Changes, RefusedRecord> {
        let changes = self.world.apply(record)?;
        self.is_configured |= matches!(record.fact, Fact::Config(_));
        Ok(changes)
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The rows that a writer has written by now, without those of what has finished, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (RowKey, Row)> + '_ {
        let has_begun = self.world.tail().0 > 0;
        self.world.rows().filter(move |(key, _)| match key {
            RowKey::Log => has_begun,
            RowKey::Config => self.is_configured,
            _ => true,
        })
    }
}
