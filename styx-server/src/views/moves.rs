//! Where in the log a backfill triggered its partitions.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use chrono::{DateTime, Utc};
use styx_core::{
    id::Position,
    log::{LogError, LogReader},
    record::{BackfillEvent, BackfillMove, Fact, Subject},
};

use super::for_each_record;

/// What became of each partition whose turn has come, as the backfill's own records tell it.
pub(super) struct Moves(BTreeMap<DateTime<Utc>, Move>);

/// What became of a partition of a backfill.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    /// It was triggered by the decision that begins here.
    TriggeredAt(Position),
    /// It was passed over.
    PassedOver,
}

impl Moves {
    /// Reads those of a backfill: its records, of which there are about as many as partitions.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(super) fn of(reader: &dyn LogReader, id: &str) -> Result<Self, LogError> {
        const PAGE: usize = 1_000;
        let mut moves = BTreeMap::new();
        for_each_record(reader, &Subject::Backfill(Arc::from(id)), Position::FIRST, PAGE, |record| {
            if let Fact::Backfill(_, BackfillEvent::Advanced { instant, why, .. }) = record.fact {
                let became = match why {
                    BackfillMove::Triggered => Move::TriggeredAt(record.decision),
                    BackfillMove::AlreadyActive => Move::PassedOver,
                };
                moves.insert(instant, became);
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self(moves))
    }

    /// What became of a partition; `None` where no record tells it.
    pub(super) fn get(&self, partition: DateTime<Utc>) -> Option<Move> {
        self.0.get(&partition).copied()
    }
}
