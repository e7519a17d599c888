//! What is read for a decision, and the decision.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    decide::{Decisions, Facts, Input, decide, needs},
    id::Position,
    log::{LogError, Rows},
    now::Now,
    record::Record,
    seed::Seed,
    world::{Row, RowKey, World},
};

/// What follows from `input`, with all that the decision must see of `rows`. Nothing changes.
///
/// # Errors
///
/// When a row can't be read or isn't of its key's kind.
pub fn propose<R: Rows + ?Sized>(
    world: &World,
    rows: &R,
    input: &Input,
    now: impl Into<Now>,
) -> Result<Decisions, LogError> {
    let now = now.into();
    let read = |key: RowKey| match (&key, rows.row(&key)?) {
        (_, None) => Ok(None),
        (RowKey::Finished(..), Some(row @ Row::Finished(_))) | (RowKey::Answered(_), Some(row @ Row::Answered(_))) => {
            Ok(Some((key, row)))
        }
        (key, Some(_)) => {
            let reason = "the row isn't of its key's kind".to_owned();
            Err(LogError::Corrupt { place: format!("the row of {key:?}"), reason })
        }
    };
    let keys = needs(world, input, now).into_iter();
    let facts: Facts = keys.filter_map(|key| read(key).transpose()).collect::<Result<_, _>>()?;
    let seed = Seed(world.root_seed().unwrap_or(Uuid::nil()));
    Ok(decide(world, &facts, input, now, seed))
}

/// What is durable, under what a step has decided so far.
pub(super) struct Overlay<'a, R: ?Sized> {
    pub(super) rows: &'a R,
    pub(super) others: Option<&'a BTreeMap<RowKey, Option<Row>>>,
    /// The records of the step: consecutive, and after all that is durable.
    pub(super) records: &'a [Record],
}

impl<R: Rows + ?Sized> Rows for Overlay<'_, R> {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, LogError> {
        match self.others.and_then(|others| others.get(key)) {
            Some(row) => Ok(row.clone()),
            None => self.rows.row(key),
        }
    }

    fn record(&self, position: Position) -> Result<Option<Record>, LogError> {
        let first = self.records.first().filter(|first| first.position <= position);
        match first {
            Some(first) => {
                let place = usize::try_from(position.0 - first.position.0).unwrap_or(usize::MAX);
                Ok(self.records.get(place).cloned())
            }
            None => self.rows.record(position),
        }
    }
}
